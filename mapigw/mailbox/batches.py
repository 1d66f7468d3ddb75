"""What operations on many messages share: batches of a size for one transaction, and what they may touch."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from mapigw.mailbox.content import stored_value
from mapigw.mailbox.mailboxes import Mailbox, NotFoundError
from mapigw.mailbox.permissions import Access, Accessor, effective_rights, is_creator, message_access
from mapigw.store import folders, removing
from mapigw.store.database import Connection
from mapigw.store.folders import Folder
from mapigw.store.mailboxes import SEARCH_FOLDER
from mapigw.store.removing import Summary
from mapigw.wire import tags

BATCH: Final = 200  # messages of one transaction
BATCH_BYTES: Final = 1 << 24  # of their rows


async def batches(mailbox: Mailbox, message_ids: Sequence[int]) -> AsyncIterator[list[int]]:
    """The ids, each once, in lists whose messages' rows fit into memory."""
    unique = list(dict.fromkeys(message_ids))
    for start in range(0, len(unique), BATCH):
        chosen = unique[start : start + BATCH]
        async with mailbox.database.read() as connection:
            found = await removing.select_summaries(connection, mailbox.mailbox_id, chosen)
        sizes = {summary.message_id: summary.stored_size for summary in found}
        batch: list[int] = []
        taken = 0
        for message_id in chosen:
            taken += sizes.get(message_id, 0)
            if batch and taken > BATCH_BYTES:
                yield batch
                batch, taken = [], sizes.get(message_id, 0)
            batch.append(message_id)
        yield batch


async def existing_folder(connection: Connection, mailbox: Mailbox, folder_id: int) -> Folder:
    """Raises `NotFoundError`."""
    folder = await folders.select_folder(connection, mailbox.mailbox_id, folder_id)
    if folder is None:
        raise NotFoundError("the folder does not exist")
    return folder


async def messages_of(
    connection: Connection,
    mailbox: Mailbox,
    accessor: Accessor,
    folder: Folder,
    message_ids: Sequence[int],
    wanted: Access,
    *,
    deleted: bool = False,
) -> list[Summary]:
    """Those of the messages that the folder holds, or shows as search results, and that may be accessed so.

    With ``deleted`` its soft-deleted messages.
    """
    found = await removing.select_summaries(connection, mailbox.mailbox_id, message_ids, deleted=deleted)
    if folder.folder_type == SEARCH_FOLDER:
        shown = await removing.select_in_search(connection, mailbox.mailbox_id, folder.folder_id, message_ids)
        found = [summary for summary in found if summary.message_id in shown]
    else:
        found = [summary for summary in found if summary.folder_id == folder.folder_id]
    if accessor.is_owner:
        return found
    rights = {
        folder_id: await effective_rights(mailbox, accessor, folder_id)
        for folder_id in {summary.folder_id for summary in found}
    }
    if any(wanted not in message_access(item, is_creator=False) for item in rights.values()):
        own = await _created_by(connection, mailbox, accessor, found, deleted=deleted)
    else:
        own = set()
    return [
        summary
        for summary in found
        if wanted in message_access(rights[summary.folder_id], is_creator=summary.message_id in own)
    ]


async def all_accessible(
    mailbox: Mailbox, accessor: Accessor, folder_id: int, message_ids: Sequence[int], wanted: Access
) -> bool:
    """Whether all these messages, which are in the folder, may be accessed so."""
    if accessor.is_owner:
        return True
    async with mailbox.database.read() as connection:
        folder = await existing_folder(connection, mailbox, folder_id)
        for start in range(0, len(message_ids), BATCH):
            batch = message_ids[start : start + BATCH]
            if len(await messages_of(connection, mailbox, accessor, folder, batch, wanted)) < len(batch):
                return False
    return True


async def _created_by(
    connection: Connection, mailbox: Mailbox, accessor: Accessor, found: Sequence[Summary], *, deleted: bool
) -> set[int]:
    ids = [summary.message_id for summary in found]
    rows = await removing.select_encoded(connection, mailbox.mailbox_id, ids, deleted=deleted)
    creator = tags.PidTagCreatorEntryId
    return {
        row.message_id
        for row in rows
        if is_creator(accessor, stored_value(row.properties, row.properties_index, creator))
    }


@dataclass(slots=True)
class Tally:
    """What messages count for in a folder."""

    content: int = 0
    unread: int = 0
    associated: int = 0
    content_size: int = 0
    associated_size: int = 0

    def add(self, summary: Summary) -> None:
        if summary.is_associated:
            self.associated += 1
            self.associated_size += summary.size
        else:
            self.content += 1
            self.unread += not summary.is_read
            self.content_size += summary.size

    async def count(
        self, connection: Connection, mailbox: Mailbox, folder_id: int, *, change_number: int, moment: int
    ) -> None:
        """Add the messages to a folder's counts."""
        await folders.count_contents(
            connection,
            mailbox.mailbox_id,
            folder_id,
            change_number=change_number,
            commit_time=moment,
            content=self.content,
            unread=self.unread,
            associated=self.associated,
            content_size=self.content_size,
            associated_size=self.associated_size,
        )

    async def uncount(
        self,
        connection: Connection,
        mailbox: Mailbox,
        folder_id: int,
        *,
        change_number: int,
        moment: int,
        deleted: bool,
    ) -> None:
        """Take the messages out of a folder's counts; ``deleted`` tells that they were not moved."""
        await folders.count_contents(
            connection,
            mailbox.mailbox_id,
            folder_id,
            change_number=change_number,
            commit_time=moment,
            content=-self.content,
            unread=-self.unread,
            associated=-self.associated,
            content_size=-self.content_size,
            associated_size=-self.associated_size,
            deleted=self.content + self.associated if deleted else 0,
        )


def tallies(summaries: Sequence[Summary]) -> dict[int, Tally]:
    """By folder."""
    found: dict[int, Tally] = defaultdict(Tally)
    for summary in summaries:
        found[summary.folder_id].add(summary)
    return found
