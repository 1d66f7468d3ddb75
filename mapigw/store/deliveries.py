"""Queries that add messages to many mailboxes at once: as many statements for all as for one.

What a statement costs is mostly the way to the database's thread and back, so that a storm of deliveries is as quick
as its transactions have few of them.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import NamedTuple

from sqlalchemy import bindparam, insert, select, tuple_, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.folders import COUNT_CONTENTS
from mapigw.store.mailboxes import MESSAGE_ID_BLOCK
from mapigw.store.messages import MessageRow, MimeRow
from mapigw.store.schema import blob, folder, mailbox, message, message_mime, search_folder, search_queue

TOGETHER = 400
"""Mailboxes or folders in a query."""


class Numbers(NamedTuple):
    """What a mailbox gives to new messages: the first of as many ids, and of as many change numbers."""

    message_id: int
    change_number: int


class Added(NamedTuple):
    """What was added to a folder; the names are those of the folder's columns."""

    mailbox_id: int
    folder_id: int
    change_number: int
    commit_time: int
    content: int
    unread: int
    associated: int
    content_size: int
    associated_size: int


_PRESENT = select(folder.c.mailbox_id, folder.c.folder_id).where(
    tuple_(folder.c.mailbox_id, folder.c.folder_id).in_(bindparam("places", expanding=True)), folder.c.deleted.is_(None)
)
_NUMBERS = (
    select(mailbox.c.mailbox_id, mailbox.c.next_counter, mailbox.c.next_message_id, mailbox.c.last_message_id)
    .where(mailbox.c.mailbox_id.in_(bindparam("mailboxes", expanding=True)))
    .with_for_update()
)
_TAKE = (
    update(mailbox)
    .where(mailbox.c.mailbox_id == bindparam("mailbox"))
    .values(
        next_counter=bindparam("counter"), next_message_id=bindparam("following"), last_message_id=bindparam("last")
    )
)
_INSERT = insert(message)
_INSERT_MIME = insert(message_mime)
_QUEUE = insert(search_queue)
_BLOBS = upsert(blob)
_COUNT_BLOBS = _BLOBS.on_conflict_do_update(
    index_elements=[blob.c.mailbox_id, blob.c.digest], set_={"count": blob.c.count + _BLOBS.excluded.count}
)
_SEARCHING = (
    select(search_folder.c.mailbox_id)
    .where(search_folder.c.mailbox_id.in_(bindparam("mailboxes", expanding=True)))
    .distinct()
)
_NAMES = tuple(field.name for field in fields(MessageRow))


async def select_present(connection: AsyncConnection, places: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of the (mailbox id, folder id) that exist."""
    wanted = list(places)
    found: set[tuple[int, int]] = set()
    for start in range(0, len(wanted), TOGETHER):
        rows = await connection.execute(_PRESENT, {"places": wanted[start : start + TOGETHER]})
        found.update((row[0], row[1]) for row in rows)
    return found


async def take_numbers(connection: AsyncConnection, counts: Mapping[int, int]) -> dict[int, Numbers]:
    """By mailbox: ids and change numbers for so many new messages, as `mailboxes.allocate_message_ids` takes them."""
    wanted = list(counts)
    taken: dict[int, Numbers] = {}
    values = []
    for start in range(0, len(wanted), TOGETHER):
        rows = await connection.execute(_NUMBERS, {"mailboxes": wanted[start : start + TOGETHER]})
        for mailbox_id, counter, following, last in rows:
            count = counts[mailbox_id]
            if following + count - 1 > last:
                block = max(count, MESSAGE_ID_BLOCK)
                following, last, counter = counter, counter + block - 1, counter + block
            taken[mailbox_id] = Numbers(following, counter)
            values.append(
                {"mailbox": mailbox_id, "counter": counter + count, "following": following + count, "last": last}
            )
    if values:
        await connection.execute(_TAKE, values)
    return taken


async def insert_all(connection: AsyncConnection, rows: Iterable[tuple[int, MessageRow]]) -> None:
    """Messages, each with its mailbox id."""
    values = [{"mailbox_id": key, **{name: getattr(row, name) for name in _NAMES}} for key, row in rows]
    await connection.execute(_INSERT, values)


async def insert_all_mime(connection: AsyncConnection, rows: Sequence[tuple[int, MimeRow]]) -> None:
    if rows:
        await connection.execute(_INSERT_MIME, [{"mailbox_id": key, **row._asdict()} for key, row in rows])


async def count_all_blobs(connection: AsyncConnection, uses: Iterable[tuple[int, bytes, int]]) -> None:
    """Count one more use of each (mailbox id, digest, size)."""
    values = [
        {"mailbox_id": key, "digest": digest, "size": size, "count": count}
        for (key, digest, size), count in Counter(uses).items()
    ]
    if values:
        await connection.execute(_COUNT_BLOBS, values)


async def count_all_contents(connection: AsyncConnection, added: Iterable[Added]) -> None:
    """Add to the counts of folders."""
    values = [
        {
            "mailbox": item.mailbox_id,
            "id": item.folder_id,
            "change": item.change_number,
            "moment": item.commit_time,
            "content_count_added": item.content,
            "content_unread_count_added": item.unread,
            "associated_count_added": item.associated,
            "content_size_added": item.content_size,
            "associated_size_added": item.associated_size,
            "deleted_count_added": 0,
        }
        for item in added
    ]
    await connection.execute(COUNT_CONTENTS, values)


async def queue_all_text(connection: AsyncConnection, keys: Iterable[tuple[int, int]], moment: int) -> None:
    """Note that there are messages, each as (mailbox id, message id), whose text is not in the index."""
    values = [{"mailbox_id": key, "message_id": number, "queued": moment} for key, number in keys]
    await connection.execute(_QUEUE, values)


async def select_searching(connection: AsyncConnection, mailbox_ids: Iterable[int]) -> set[int]:
    """Those of the mailboxes that have search folders."""
    wanted = list(mailbox_ids)
    found: set[int] = set()
    for start in range(0, len(wanted), TOGETHER):
        found.update((await connection.execute(_SEARCHING, {"mailboxes": wanted[start : start + TOGETHER]})).scalars())
    return found
