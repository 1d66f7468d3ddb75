"""Deleting messages and folders, softly or for good (MS-OXCFOLD 3.2.5.3, 3.2.5.9 to 3.2.5.12).

Functions that delete many messages do so in batches, a transaction each, and return whether anything was left: what is
not there, what the user may not delete, what was not done when ``progress`` was aborted.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from mapigw.mailbox.batches import batches, existing_folder, messages_of, tallies
from mapigw.mailbox.clock import now
from mapigw.mailbox.content import blob_uses
from mapigw.mailbox.events import Event, Kind, changing, note_all
from mapigw.mailbox.mailboxes import Mailbox, MailboxError, NotFoundError
from mapigw.mailbox.permissions import Access, Accessor, Rights, effective_rights
from mapigw.mailbox.progress import Progress
from mapigw.mailbox.read_state import owes_non_read_receipt
from mapigw.mailbox.search import replace_results
from mapigw.mailbox.search import update as update_searches
from mapigw.store import changes, folders, mailboxes, messages, queue, removing
from mapigw.store.changes import Tombstone
from mapigw.store.database import Connection
from mapigw.store.folders import Folder
from mapigw.store.mailboxes import SEARCH_FOLDER
from mapigw.store.removing import Summary

_FOLDER_BATCH: Final = 500


class SpecialFolderError(MailboxError):
    """A well-known folder stays where it is."""


async def delete_messages(
    mailbox: Mailbox,
    accessor: Accessor,
    folder_id: int,
    message_ids: Sequence[int],
    *,
    hard: bool,
    progress: Progress,
    notify_non_read: bool = False,
) -> bool:
    """Delete messages of a folder, or of what a search folder shows; returns whether any was left.

    ``hard`` also takes soft-deleted ones. With ``notify_non_read`` the senders of unread messages that asked for it are
    told that they were deleted, unless nothing is left of them. Raises `NotFoundError` (the folder).
    """
    progress.total += len(message_ids)
    left = False
    async for batch in batches(mailbox, message_ids):
        if progress.aborted:
            return True
        left |= await _delete_batch(
            mailbox, accessor, folder_id, batch, hard=hard, notify_non_read=notify_non_read and not hard
        )
        progress.completed += len(batch)
    return left


async def _delete_batch(
    mailbox: Mailbox,
    accessor: Accessor,
    folder_id: int,
    message_ids: Sequence[int],
    *,
    hard: bool,
    notify_non_read: bool,
) -> bool:
    owed = False
    async with changing(mailbox) as connection:
        folder = await existing_folder(connection, mailbox, folder_id)
        found = await messages_of(connection, mailbox, accessor, folder, message_ids, Access.Delete)
        ids = [summary.message_id for summary in found]
        deleted: list[Summary] = []
        if notify_non_read:
            owed = await _owe_receipts(connection, mailbox, found)
        if hard:
            deleted = await messages_of(connection, mailbox, accessor, folder, message_ids, Access.Delete, deleted=True)
            await erase(connection, mailbox, ids)
            await erase(connection, mailbox, [summary.message_id for summary in deleted], deleted=True)
        elif ids:
            await removing.soft_delete(connection, mailbox.mailbox_id, ids, now())
        await note_removal(connection, mailbox, found, deleted=True)
    if owed:
        mailbox.database.queued.set()
    return len(found) + len(deleted) < len(message_ids)


async def _owe_receipts(connection: Connection, mailbox: Mailbox, summaries: Sequence[Summary]) -> bool:
    """Have the senders told of what is deleted unread, where they have asked for that; returns whether any did."""
    owed: list[int] = []
    for folder_id in {summary.folder_id for summary in summaries}:
        ids = [summary.message_id for summary in summaries if summary.folder_id == folder_id]
        states = await messages.select_read_states(connection, mailbox.mailbox_id, folder_id, ids)
        owed += [state.message_id for state in states if owes_non_read_receipt(state)]
    if owed:
        step = queue.Step.NON_READ_RECEIPT
        await queue.insert_receipts(connection, mailbox.mailbox_id, owed, step=step, moment=now())
    return bool(owed)


async def note_removal(
    connection: Connection, mailbox: Mailbox, summaries: Sequence[Summary], *, deleted: bool
) -> None:
    """Counts, tombstones and searches after messages have left their folders; ``deleted``: they were not moved."""
    if not summaries:
        return
    if deleted:
        note_all(
            mailbox,
            (
                Event(Kind.OBJECT_DELETED, item.folder_id, item.message_id, is_associated=item.is_associated)
                for item in summaries
            ),
        )
    moment = now()
    change_number = await mailboxes.allocate(connection, mailbox.mailbox_id)
    for folder_id, tally in tallies(summaries).items():
        await tally.uncount(connection, mailbox, folder_id, change_number=change_number, moment=moment, deleted=deleted)
    await changes.insert_tombstones(
        connection,
        mailbox.mailbox_id,
        [
            Tombstone(summary.folder_id, change_number, summary.message_id, False, summary.is_associated)
            for summary in summaries
        ],
    )
    await update_searches(connection, mailbox, [summary.message_id for summary in summaries])


async def erase(connection: Connection, mailbox: Mailbox, message_ids: Sequence[int], *, deleted: bool = False) -> None:
    """Remove the rows of messages, their original MIME and their uses of blobs."""
    if not message_ids:
        return
    mailbox_id = mailbox.mailbox_id
    rows = await removing.select_encoded(connection, mailbox_id, message_ids, deleted=deleted)
    uses = await asyncio.to_thread(lambda: [use for row in rows for use in blob_uses(row)])
    uses += await messages.delete_mime(connection, mailbox_id, message_ids)
    await messages.uncount_blobs(connection, mailbox_id, uses)
    await removing.delete_rows(connection, mailbox_id, message_ids, deleted=deleted)


async def empty_folder(
    mailbox: Mailbox, accessor: Accessor, folder_id: int, *, associated: bool, hard: bool, progress: Progress
) -> bool:
    """Delete a folder's messages, the FAI ones with ``associated``, and its subfolders; returns whether any was left.

    Raises `NotFoundError`.
    """
    message_ids = await mailbox.message_ids(folder_id, associated=False)
    if associated:
        message_ids += await mailbox.message_ids(folder_id, associated=True)
    left = await delete_messages(mailbox, accessor, folder_id, message_ids, hard=hard, progress=progress)
    for child in await mailbox.children(folder_id):
        try:
            left |= await delete_folder(
                mailbox, accessor, child.folder_id, with_messages=True, with_folders=True, hard=hard, progress=progress
            )
        except (SpecialFolderError, NotFoundError):
            left = True
    return left


async def delete_folder(
    mailbox: Mailbox,
    accessor: Accessor,
    folder_id: int,
    *,
    with_messages: bool,
    with_folders: bool,
    hard: bool,
    progress: Progress,
) -> bool:
    """Delete a folder with all it holds; returns whether it, or anything in it, was left.

    Nothing happens when it holds messages or folders that are not to be deleted. What the user may not delete stays,
    with every folder above it. Raises `NotFoundError`, `SpecialFolderError`.
    """
    # A soft deletion is one transaction, a hard one many.
    async with mailbox.database.read() if hard else changing(mailbox) as connection:
        rows = await folders.select_descendants(connection, mailbox.mailbox_id, folder_id)
        if not rows:
            raise NotFoundError("the folder does not exist")
        if rows[0].special:
            raise SpecialFolderError(f"{rows[0].special} is a special folder")
        if (not with_messages and any(map(_has_messages, rows))) or (not with_folders and len(rows) > 1):
            return True
        kept = {row.folder_id for row in rows if not await _may_delete(mailbox, accessor, row)}
        if not hard:
            await _mark_deleted(connection, mailbox, _without(rows, kept))
    if hard:
        await _delete_hard(mailbox, accessor, rows, kept, progress)
    return bool(kept)


def _has_messages(row: Folder) -> bool:
    """A search folder shows messages, and holds none."""
    return row.folder_type != SEARCH_FOLDER and row.content_count + row.associated_count > 0


async def _may_delete(mailbox: Mailbox, accessor: Accessor, row: Folder) -> bool:
    rights = await effective_rights(mailbox, accessor, row.folder_id)
    return bool(
        not row.special and rights & Rights.FolderOwner and (rights & Rights.DeleteAny or not _has_messages(row))
    )


def _without(rows: Sequence[Folder], kept: set[int]) -> list[Folder]:
    """Children before their parents, but for ``kept``, to which those above them are added."""
    doomed = []
    for row in reversed(rows):
        if row.folder_id in kept:
            kept.add(row.parent_id)
        else:
            doomed.append(row)
    return doomed


async def _mark_deleted(connection: Connection, mailbox: Mailbox, doomed: Sequence[Folder]) -> None:
    """The rows stay, marked, and with them their messages, which nothing finds any more."""
    mailbox_id = mailbox.mailbox_id
    moment = now()
    for row in doomed:
        shown = await removing.select_results_of_folder(connection, mailbox_id, row.folder_id)
        await replace_results(connection, mailbox, shown, [], {item.message_id: row.folder_id for item in shown})
    for batch in _batched(doomed):
        ids = [row.folder_id for row in batch]
        await folders.delete_searches(connection, mailbox_id, ids)
        await folders.mark_deleted(connection, mailbox_id, ids, moment)
    await _note_folders(connection, mailbox, doomed)


def _batched(rows: Sequence[Folder]) -> list[Sequence[Folder]]:
    return [rows[start : start + _FOLDER_BATCH] for start in range(0, len(rows), _FOLDER_BATCH)]


async def _note_folders(connection: Connection, mailbox: Mailbox, doomed: Sequence[Folder]) -> None:
    """Tombstones of folders that are gone, and what their parents tell of them."""
    if not doomed:
        return
    note_all(mailbox, (Event(Kind.OBJECT_DELETED, row.folder_id, parent_id=row.parent_id) for row in doomed))
    mailbox_id = mailbox.mailbox_id
    moment = now()
    change_number = await mailboxes.allocate(connection, mailbox_id)
    await changes.insert_tombstones(
        connection, mailbox_id, [Tombstone(row.parent_id, change_number, row.folder_id, True, False) for row in doomed]
    )
    for parent_id in {row.parent_id for row in doomed} - {row.folder_id for row in doomed}:
        await folders.count_subfolder(connection, mailbox_id, parent_id, moment=moment)


async def _delete_hard(
    mailbox: Mailbox, accessor: Accessor, rows: Sequence[Folder], kept: set[int], progress: Progress
) -> None:
    """Folder by folder, children first; what is left is added to ``kept``."""
    for row in reversed(rows):
        if row.folder_id not in kept and not await _erase_folder(mailbox, accessor, row, progress):
            kept.add(row.folder_id)
        if row.folder_id in kept:
            kept.add(row.parent_id)


async def _erase_folder(mailbox: Mailbox, accessor: Accessor, row: Folder, progress: Progress) -> bool:
    """Whether the folder, which has no subfolders any more, is gone with all it held."""
    if row.folder_type != SEARCH_FOLDER:
        async with mailbox.database.read() as connection:
            ids = await removing.select_folder_ids(connection, mailbox.mailbox_id, row.folder_id)
        if await delete_messages(mailbox, accessor, row.folder_id, ids, hard=True, progress=progress):
            return False
    return await drop_empty_folder(mailbox, row, progress)


async def drop_empty_folder(mailbox: Mailbox, row: Folder, progress: Progress) -> bool:
    """Remove a folder in which nothing is but what was soft-deleted; returns False when there is more."""
    await _purge(mailbox, row.folder_id, progress)
    if progress.aborted:
        return False
    async with changing(mailbox) as connection:
        held = await removing.select_folder_ids(connection, mailbox.mailbox_id, row.folder_id)
        if held or await folders.select_children(connection, mailbox.mailbox_id, row.folder_id):
            return False
        await folders.delete_folders(connection, mailbox.mailbox_id, [row.folder_id])
        await _note_folders(connection, mailbox, [row])
    return True


async def _purge(mailbox: Mailbox, folder_id: int, progress: Progress) -> None:
    """Erase what was soft-deleted in a folder: messages, and folders with all they hold."""
    mailbox_id = mailbox.mailbox_id
    await _purge_messages(mailbox, folder_id, progress, deleted=True)
    async with mailbox.database.read() as connection:
        below = await folders.select_deleted_below(connection, mailbox_id, folder_id)
    for deleted_id in below:
        await _purge_messages(mailbox, deleted_id, progress, deleted=True)
        await _purge_messages(mailbox, deleted_id, progress, deleted=False)
        if progress.aborted:
            return
        async with mailbox.database.write() as connection:
            await folders.delete_folders(connection, mailbox_id, [deleted_id])


async def _purge_messages(mailbox: Mailbox, folder_id: int, progress: Progress, *, deleted: bool) -> None:
    async with mailbox.database.read() as connection:
        ids = await removing.select_folder_ids(connection, mailbox.mailbox_id, folder_id, deleted=deleted)
    async for batch in batches(mailbox, ids):
        if progress.aborted:
            return
        async with mailbox.database.write() as connection:
            await erase(connection, mailbox, batch, deleted=deleted)
