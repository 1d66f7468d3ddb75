"""Search folders as messages change: each transaction that changes messages also changes the folders that show them.

MS-OXCFOLD 3.2.5.4: a dynamic search folder follows what enters and leaves its criteria, a static one does not.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from mapigw.mailbox.clock import now
from mapigw.mailbox.events import Event, Kind, collecting, home_of, note
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.search_criteria import Criteria, SearchState, criteria
from mapigw.mailbox.search_matching import matching
from mapigw.store import contents, mailboxes, search, search_text
from mapigw.store.contents import Scope
from mapigw.store.database import Connection
from mapigw.store.messages import MessageRow
from mapigw.store.search import Difference, Result, SearchFolder

BATCH: Final = 200  # messages that are looked at together
_INLINE: Final = 4  # messages that are not worth a worker thread


async def update(
    connection: Connection, mailbox: Mailbox, message_ids: Collection[int], *, text_changed: bool = True
) -> None:
    """Bring the search folders up to date, and have the full-text index brought so.

    To be called in every transaction that adds, changes, moves or removes messages, after it has done so, with all ids
    old and new. ``text_changed`` is False where only the read state, the flags or the status changed. In a mailbox
    without dynamic search folders it costs one query and, for the text, one insert.
    """
    ids = list(dict.fromkeys(message_ids))
    if not ids:
        return
    if text_changed:
        await search_text.queue_text(connection, mailbox.mailbox_id, ids, now())
    live = await live_folders(connection, mailbox)
    if live:
        for start in range(0, len(ids), BATCH):
            await apply(connection, mailbox, ids[start : start + BATCH], live)


async def live_folders(connection: Connection, mailbox: Mailbox) -> list[SearchFolder]:
    """The dynamic search folders; one that looks into another comes after it."""
    rows = await search.select_search_folders(connection, mailbox.mailbox_id)
    by_id = {row.folder_id: row for row in rows if not row.search_flags & SearchState.STATIC}
    ordered: dict[int, SearchFolder] = {}

    def add(row: SearchFolder) -> None:
        for folder_id in row.folder_ids:
            if folder_id in by_id and folder_id not in ordered:
                add(by_id[folder_id])
        ordered[row.folder_id] = row

    for row in by_id.values():
        if row.folder_id not in ordered:
            add(row)
    return list(ordered.values())


def dependents(folder_id: int, rows: Sequence[SearchFolder]) -> list[SearchFolder]:
    """Those of the search folders, in their order, that look into this one, or into one that does."""
    looked_into = {folder_id}
    found = []
    for row in rows:
        if not looked_into.isdisjoint(row.folder_ids):
            looked_into.add(row.folder_id)
            found.append(row)
    return found


async def apply(
    connection: Connection, mailbox: Mailbox, message_ids: Sequence[int], live: Sequence[SearchFolder]
) -> None:
    """Decide anew which of the search folders ``live``, which are ordered, show the messages; at most `BATCH`."""
    mailbox_id = mailbox.mailbox_id
    wanted = {row.folder_id: criteria(row.restriction) for row in live}
    present = await read_messages(connection, mailbox, message_ids, wanted.values())
    shown: dict[int, dict[int, Result]] = {}
    for result in await search.select_results_of(connection, mailbox_id, message_ids):
        shown.setdefault(result.folder_id, {})[result.message_id] = result
    homes = await _homes(connection, mailbox_id, present, live)
    nested = wanted.keys() | shown.keys()
    near = {
        row.folder_id: wanted[row.folder_id]
        for row in live
        if not homes[row.folder_id].isdisjoint(message.folder_id for message in present)
        or not nested.isdisjoint(row.folder_ids)
    }
    found = await find(mailbox, present, near) if near else {}
    members = {folder_id: set(results) for folder_id, results in shown.items()}
    for row in live:
        members[row.folder_id] = {
            message.message_id
            for message in present
            if row.folder_id in near
            and found[message.message_id][row.folder_id]
            and (
                message.folder_id in homes[row.folder_id]
                or any(message.message_id in members.get(folder_id, ()) for folder_id in row.folder_ids)
            )
        }
    after = [
        Result(row.folder_id, message.message_id, message.is_read, message.size)
        for row in live
        for message in present
        if message.message_id in members[row.folder_id]
    ]
    before = [result for row in live for result in shown.get(row.folder_id, {}).values()]
    homes_of_messages = {message.message_id: message.folder_id for message in present}
    await replace_results(connection, mailbox, before, after, homes_of_messages)


async def read_messages(
    connection: Connection, mailbox: Mailbox, message_ids: Sequence[int], wanted: Iterable[Criteria]
) -> list[MessageRow]:
    """Those that exist and are not FAI messages, which searches do not find, as far as the criteria look at them."""
    children = any(item.needs.subobjects for item in wanted)
    rows = await contents.select_rows(connection, Scope(mailbox.mailbox_id, None), message_ids, children=children)
    return [row for row in rows.values() if not row.is_associated]


async def find(
    mailbox: Mailbox, rows: Sequence[MessageRow], wanted: Mapping[int, Criteria]
) -> dict[int, dict[int, bool]]:
    """`matching`, in a thread if that takes long."""
    if len(rows) > _INLINE or any(item.needs.body for item in wanted.values()):
        return await asyncio.to_thread(matching, mailbox, rows, wanted)
    return matching(mailbox, rows, wanted)


async def _homes(
    connection: Connection, mailbox_id: int, rows: Iterable[MessageRow], live: Iterable[SearchFolder]
) -> dict[int, set[int]]:
    """Which of the messages' folders are in the scope of each search folder."""
    homes = {row.folder_id for row in rows}
    parents: dict[int, int] = {}
    if any(is_recursive(row) for row in live):
        parents = await search.select_parents(connection, mailbox_id, homes)
    above = {home: {home, *_ancestors(parents, home)} for home in homes}
    return {
        row.folder_id: {
            home
            for home in homes
            if (not above[home].isdisjoint(row.folder_ids) if is_recursive(row) else home in row.folder_ids)
        }
        for row in live
    }


def is_recursive(row: SearchFolder) -> bool:
    return bool(row.search_flags & SearchState.RECURSIVE)


def _ancestors(parents: Mapping[int, int], folder_id: int) -> Iterable[int]:
    while folder_id := parents.get(folder_id, 0):
        yield folder_id


async def replace_results(
    connection: Connection,
    mailbox: Mailbox,
    before: Sequence[Result],
    after: Sequence[Result],
    homes: Mapping[int, int],
) -> None:
    """Put the results ``after`` in the place of ``before``, and count. Those that stay are changed messages.

    ``homes`` are the folders that the messages are in, or were until they were deleted, as far as they are known.
    """
    mailbox_id = mailbox.mailbox_id
    deltas = {item.folder_id: [0, 0, 0] for item in (*before, *after)}
    if not deltas:
        return
    for sign, items in ((-1, before), (1, after)):
        for item in items:
            counts = deltas[item.folder_id]
            counts[0] += sign
            counts[1] += sign * (not item.is_read)
            counts[2] += sign * item.size
    if after:
        await search.put_results(connection, mailbox_id, after)
    _note_results(mailbox, before, after, homes)
    gone: dict[int, list[int]] = {}
    for folder_id, message_id in {item[:2] for item in before} - {item[:2] for item in after}:
        gone.setdefault(folder_id, []).append(message_id)
    for folder_id, message_ids in gone.items():
        await search.delete_results(connection, mailbox_id, folder_id, message_ids)
    differences = [Difference(folder_id, *counts) for folder_id, counts in deltas.items()]
    change_number = await mailboxes.allocate(connection, mailbox_id)
    await search.count_results(connection, mailbox_id, differences, change_number=change_number, commit_time=now())


def _note_results(
    mailbox: Mailbox, before: Sequence[Result], after: Sequence[Result], homes: Mapping[int, int]
) -> None:
    if not collecting():
        return
    old, new = ({item[:2] for item in items} for items in (before, after))
    for folder_id, message_id in dict.fromkeys(item[:2] for item in (*before, *after)):
        if (folder_id, message_id) not in new:
            kind = Kind.OBJECT_DELETED
        else:
            kind = Kind.OBJECT_MODIFIED if (folder_id, message_id) in old else Kind.OBJECT_CREATED
        home = homes.get(message_id) or home_of(mailbox, message_id) or folder_id
        note(mailbox, Event(kind, home, message_id, search_folder_id=folder_id))
