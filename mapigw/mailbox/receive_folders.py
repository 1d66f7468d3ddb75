"""The receive folder table: where messages of a class are delivered (MS-OXCSTOR 3.2.5.2 to 3.2.5.4)."""

from typing import Final

from mapigw.mailbox.clock import now
from mapigw.mailbox.mailboxes import Mailbox, MailboxError, NotFoundError
from mapigw.mailbox.rules import EXTENDED_RULE_CLASS
from mapigw.store import folders
from mapigw.store import receive_folders as rows
from mapigw.store.mailboxes import SEARCH_FOLDER
from mapigw.store.receive_folders import ReceiveFolder, Way

MAXIMUM_MESSAGE_CLASS: Final = 254  # characters; with its NUL 255 (MS-OXCSTOR 2.2.1.2.1)


class NoMessagesError(MailboxError):
    """A search folder holds no messages of its own."""


def is_message_class(name: str) -> bool:
    """MS-OXCSTOR 2.2.1.2.1: printable ASCII, at most 254 characters, no period at either end, none after another."""
    return (
        len(name) <= MAXIMUM_MESSAGE_CLASS
        and all(" " <= letter <= "~" for letter in name)
        and not name.startswith(".")
        and not name.endswith(".")
        and ".." not in name
    )


async def receive_folder(mailbox: Mailbox, message_class: str) -> ReceiveFolder | None:
    """The row with the longest prefix of the message class in any case; a prefix ends at a period or at the end."""
    async with mailbox.database.read() as connection:
        found = await rows.select_matching(connection, mailbox.mailbox_id, _prefixes(message_class))
    return max(found, key=lambda row: len(row.message_class), default=None)


async def way_in(mailbox: Mailbox, message_class: str) -> Way | None:
    """As `receive_folder`, with whether rules or an absence have a say there."""
    async with mailbox.database.read() as connection:
        prefixes = _prefixes(message_class)
        found = await rows.select_ways(connection, mailbox.mailbox_id, prefixes, EXTENDED_RULE_CLASS)
    return max(found, key=lambda row: len(row.message_class), default=None)


def _prefixes(message_class: str) -> list[str]:
    parts = message_class.lower().split(".")
    return [".".join(parts[:length]) for length in range(len(parts) + 1)]


async def receive_folders(mailbox: Mailbox) -> list[ReceiveFolder]:
    """The whole table, by message class."""
    async with mailbox.database.read() as connection:
        return await rows.select_receive_folders(connection, mailbox.mailbox_id)


async def set_receive_folder(mailbox: Mailbox, message_class: str, folder_id: int | None) -> None:
    """Deliver messages of a class and its subclasses to a folder; None removes the row of the class.

    Raises `NotFoundError` (the folder), `NoMessagesError`.
    """
    async with mailbox.database.write() as connection:
        if folder_id is None:
            await rows.delete_receive_folder(connection, mailbox.mailbox_id, message_class)
            return
        folder = await folders.select_folder(connection, mailbox.mailbox_id, folder_id)
        if folder is None:
            raise NotFoundError("the folder does not exist")
        if folder.folder_type == SEARCH_FOLDER:
            raise NoMessagesError("a search folder receives no messages")
        await rows.put_receive_folder(connection, mailbox.mailbox_id, ReceiveFolder(message_class, folder_id, now()))
