"""Queries on messages, their original MIME and the blobs they use."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import blob, message, message_mime


@dataclass(frozen=True, slots=True)
class MessageRow:
    """A row of the message table, without the mailbox's id."""

    message_id: int
    folder_id: int
    is_associated: bool
    change_number: int
    read_change_number: int
    source_key: bytes | None
    change_key: bytes | None
    predecessor_change_list: bytes | None
    message_flags: int
    message_status: int
    is_read: bool
    size: int
    modified: int
    local_commit_time: int
    sort_time: int
    message_class: str
    normalized_subject: str
    sender_name: str
    importance: int
    has_attachments: bool
    conversation_id: bytes | None
    properties: bytes
    properties_index: bytes
    children: bytes
    children_index: bytes


class MimeRow(NamedTuple):
    message_id: int
    mime: bytes
    is_digest: bool


_COLUMNS = tuple(message.c[field.name] for field in fields(MessageRow))
_NAMES = tuple(field.name for field in fields(MessageRow))

# Made once: a statement with some hundred parameters costs more to make than to execute. The folder is looked at in
# the rows; as a condition it would lead the planner to walk the whole folder.
_MANY = select(*_COLUMNS).where(
    message.c.mailbox_id == bindparam("mailbox"), message.c.message_id.in_(bindparam("messages", expanding=True))
)


def _many(mailbox_id: int, message_ids: Sequence[int]) -> dict[str, object]:
    return {"mailbox": mailbox_id, "messages": list(message_ids)}


async def insert_messages(connection: AsyncConnection, mailbox_id: int, rows: Iterable[MessageRow]) -> None:
    values = [{"mailbox_id": mailbox_id, **{name: getattr(row, name) for name in _NAMES}} for row in rows]
    await connection.execute(insert(message), values)


async def insert_mime(connection: AsyncConnection, mailbox_id: int, rows: Sequence[MimeRow]) -> None:
    await connection.execute(insert(message_mime), [{"mailbox_id": mailbox_id, **row._asdict()} for row in rows])


async def count_blobs(connection: AsyncConnection, mailbox_id: int, uses: Iterable[tuple[bytes, int]]) -> None:
    """Count one more use of each (digest, size)."""
    counts = Counter(uses)
    if not counts:
        return
    statement = upsert(blob)
    statement = statement.on_conflict_do_update(
        index_elements=[blob.c.mailbox_id, blob.c.digest], set_={"count": blob.c.count + statement.excluded.count}
    )
    await connection.execute(
        statement,
        [
            {"mailbox_id": mailbox_id, "digest": digest, "size": size, "count": count}
            for (digest, size), count in counts.items()
        ],
    )


async def uncount_blobs(connection: AsyncConnection, mailbox_id: int, uses: Iterable[tuple[bytes, int]]) -> None:
    """Count one use less of each (digest, size); what nothing uses any more is collected later."""
    counts = Counter(digest for digest, _size in uses)
    mine = blob.c.mailbox_id == mailbox_id
    for digest, count in counts.items():
        await connection.execute(
            update(blob).where(mine, blob.c.digest == digest).values(count=blob.c.count - count),
        )
    if counts:
        await connection.execute(delete(blob).where(mine, blob.c.digest.in_(list(counts)), blob.c.count <= 0))


async def update_message(connection: AsyncConnection, mailbox_id: int, row: MessageRow) -> None:
    """Replace everything of a message by ``row``."""
    values = {name: getattr(row, name) for name in _NAMES if name != "message_id"}
    await connection.execute(
        update(message)
        .where(message.c.mailbox_id == mailbox_id, message.c.message_id == row.message_id)
        .values(**values)
    )


async def delete_messages(connection: AsyncConnection, mailbox_id: int, message_ids: Sequence[int]) -> None:
    """Remove rows; at most some hundred ids a call. Counts, tombstones and blobs are the caller's."""
    await connection.execute(
        delete(message).where(message.c.mailbox_id == mailbox_id, message.c.message_id.in_(list(message_ids)))
    )


async def select_message(connection: AsyncConnection, mailbox_id: int, message_id: int) -> MessageRow | None:
    statement = select(*_COLUMNS).where(message.c.mailbox_id == mailbox_id, message.c.message_id == message_id)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else MessageRow(*row)


async def select_messages(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, message_ids: Sequence[int]
) -> dict[int, MessageRow]:
    """Those of the messages that are (still) in the folder, by id. At most some hundred ids a call."""
    rows = await connection.execute(_MANY, _many(mailbox_id, message_ids))
    return {row[0]: MessageRow(*row) for row in rows if row[1] == folder_id}


class SyncRow(NamedTuple):
    """What a download needs of a message."""

    message_id: int
    folder_id: int
    is_associated: bool
    change_number: int
    source_key: bytes | None
    change_key: bytes | None
    predecessor_change_list: bytes | None
    message_flags: int
    is_read: bool
    has_attachments: bool
    size: int
    modified: int
    properties: bytes
    properties_index: bytes
    children: bytes
    children_index: bytes


_MANY_FOR_SYNC = _MANY.with_only_columns(*(message.c[name] for name in SyncRow._fields))


async def select_for_sync(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, message_ids: Sequence[int]
) -> list[SyncRow]:
    """Those of the messages that are (still) in the folder, in the order of ``message_ids``; some hundred a call."""
    rows = await connection.execute(_MANY_FOR_SYNC, _many(mailbox_id, message_ids))
    found = {row[0]: SyncRow._make(row) for row in rows if row[1] == folder_id}
    return [found[message_id] for message_id in message_ids if message_id in found]


async def select_ids(connection: AsyncConnection, mailbox_id: int, folder_id: int, *, associated: bool) -> list[int]:
    """Ids of the folder's normal or FAI messages, newest first: the default order of a contents table."""
    statement = (
        select(message.c.message_id)
        .where(
            message.c.mailbox_id == mailbox_id,
            message.c.folder_id == folder_id,
            message.c.is_associated == associated,
        )
        .order_by(message.c.sort_time.desc(), message.c.message_id.desc())
    )
    return list((await connection.execute(statement)).scalars())
