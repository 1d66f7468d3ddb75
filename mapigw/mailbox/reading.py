"""Messages and folders as downloads read them: whole rows, of what somebody may see."""

from collections.abc import Sequence
from dataclasses import dataclass

from mapigw.mailbox.batches import existing_folder, messages_of
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.permissions import Access, Accessor, Rights, permission_lists
from mapigw.store import folders, messages
from mapigw.store.folders import Folder
from mapigw.store.messages import MessageRow


@dataclass(frozen=True, slots=True)
class Found:
    """A message of a folder; ``row`` is None where the access that is wanted is denied."""

    message_id: int
    row: MessageRow | None


async def read_messages(
    mailbox: Mailbox, accessor: Accessor, folder_id: int, message_ids: Sequence[int], wanted: Access
) -> list[Found]:
    """Those of some hundred messages that the folder holds, or shows as search results, in the given order.

    Raises `NotFoundError` (the folder).
    """
    async with mailbox.database.read() as connection:
        folder = await existing_folder(connection, mailbox, folder_id)
        granted = await messages_of(connection, mailbox, accessor, folder, message_ids, wanted)
        present = {summary.message_id for summary in granted}
        if not accessor.is_owner:
            there = await messages_of(connection, mailbox, accessor, folder, message_ids, Access(0))
            present |= {summary.message_id for summary in there}
        rows: dict[int, MessageRow] = {}
        for place in {summary.folder_id for summary in granted}:
            ids = [summary.message_id for summary in granted if summary.folder_id == place]
            rows |= await messages.select_messages(connection, mailbox.mailbox_id, place, ids)
    return [Found(message_id, rows.get(message_id)) for message_id in message_ids if message_id in present]


async def visible_folders(
    mailbox: Mailbox, accessor: Accessor, folder_id: int, wanted: Rights = Rights.FolderVisible
) -> list[Folder]:
    """The folder itself and those below it, parents first, as far as somebody has all the rights ``wanted`` on them.

    What is below a folder that is left out is left out as well. Nothing when the folder does not exist.
    """
    async with mailbox.database.read() as connection:
        rows = await folders.select_descendants(connection, mailbox.mailbox_id, folder_id)
    if accessor.is_owner:
        return rows
    lists = await permission_lists(mailbox, (row.folder_id for row in rows))
    seen = {folder_id}
    for row in rows:
        if row.parent_id in seen and wanted in lists.rights(accessor, row.folder_id):
            seen.add(row.folder_id)
    return [row for row in rows if row.folder_id in seen]
