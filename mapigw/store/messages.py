"""Queries on messages, their original MIME and the blobs they use."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import blob, deleted_message, folder, message, message_mime


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
    delivery_time: int | None
    message_class: str
    subject: str | None
    normalized_subject: str | None
    sent_representing_name: str | None
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


async def insert_message(connection: AsyncConnection, mailbox_id: int, row: MessageRow) -> bool:
    """Insert one, unless there is one of its id already; returns whether it was."""
    values = {name: getattr(row, name) for name in _NAMES}
    result = await connection.execute(_INSERT_NEW, {"mailbox_id": mailbox_id, **values})
    return result.rowcount > 0


_INSERT_NEW = upsert(message).on_conflict_do_nothing()


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
    """Count one use less of each (digest, size), whose size does not matter; what nothing uses is collected later."""
    counts = Counter(digest for digest, _size in uses)
    if not counts:
        return
    used = (blob.c.mailbox_id == mailbox_id, blob.c.digest == bindparam("used"))
    values = [{"used": digest, "uses": count} for digest, count in counts.items()]
    await connection.execute(update(blob).where(*used).values(count=blob.c.count - bindparam("uses")), values)
    await connection.execute(delete(blob).where(*used, blob.c.count <= 0), [{"used": digest} for digest in counts])


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


async def delete_mime(
    connection: AsyncConnection, mailbox_id: int, message_ids: Sequence[int]
) -> list[tuple[bytes, int]]:
    """Remove the original MIME of messages, some hundred a call; returns the uses of blobs that end with it."""
    statement = delete(message_mime).where(
        message_mime.c.mailbox_id == mailbox_id, message_mime.c.message_id.in_(list(message_ids))
    )
    rows = await connection.execute(statement.returning(message_mime.c.mime, message_mime.c.is_digest))
    return [(row.mime, 0) for row in rows if row.is_digest]


async def select_mime(connection: AsyncConnection, mailbox_id: int, message_ids: Sequence[int]) -> dict[int, MimeRow]:
    """The original MIME of those messages that have it, by id; at most some hundred a call."""
    columns = message_mime.c
    statement = select(columns.message_id, columns.mime, columns.is_digest).where(
        columns.mailbox_id == mailbox_id, columns.message_id.in_(list(message_ids))
    )
    return {row.message_id: MimeRow._make(row) for row in await connection.execute(statement)}


async def select_message(connection: AsyncConnection, mailbox_id: int, message_id: int) -> MessageRow | None:
    """None also for what is in a soft-deleted folder."""
    is_there = folder.c.deleted.is_(None) & (folder.c.folder_id == message.c.folder_id)
    statement = (
        select(*_COLUMNS)
        .join(folder, (folder.c.mailbox_id == message.c.mailbox_id) & is_there)
        .where(message.c.mailbox_id == mailbox_id, message.c.message_id == message_id)
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else MessageRow(*row)


async def select_deleted_message(connection: AsyncConnection, mailbox_id: int, message_id: int) -> MessageRow | None:
    """A soft-deleted message."""
    columns = deleted_message.c
    statement = select(*(columns[name] for name in _NAMES)).where(
        columns.mailbox_id == mailbox_id, columns.message_id == message_id
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else MessageRow(*row)


async def select_messages(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, message_ids: Sequence[int]
) -> dict[int, MessageRow]:
    """Those of the messages that are (still) in the folder, by id. At most some hundred ids a call."""
    rows = await connection.execute(_MANY, _many(mailbox_id, message_ids))
    return {row[0]: MessageRow(*row) for row in rows if row[1] == folder_id}


async def select_associated(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, message_class: str
) -> list[MessageRow]:
    """The folder's FAI messages of a class, whose name is in lower case, by id."""
    columns = message.c
    statement = (
        select(*_COLUMNS)
        .where(
            columns.mailbox_id == mailbox_id,
            columns.folder_id == folder_id,
            columns.is_associated.is_(True),
            func.lower(columns.message_class) == message_class,
        )
        .order_by(columns.message_id)
    )
    return [MessageRow(*row) for row in await connection.execute(statement)]


class ReadState(NamedTuple):
    message_id: int
    is_read: bool
    message_flags: int
    read_change_number: int
    is_associated: bool


_READ_STATES = _MANY.with_only_columns(*(message.c[name] for name in ReadState._fields), message.c.folder_id)


async def select_read_states(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, message_ids: Sequence[int]
) -> list[ReadState]:
    """Those of the messages that are in the folder. At most some hundred ids a call."""
    rows = await connection.execute(_READ_STATES, _many(mailbox_id, message_ids))
    return [ReadState._make(row[:-1]) for row in rows if row[-1] == folder_id]


async def update_read_states(
    connection: AsyncConnection, mailbox_id: int, states: Sequence[ReadState], *, commit_time: int
) -> None:
    """Store read states and message flags; nothing else of the messages changes."""
    statement = (
        update(message)
        .where(message.c.mailbox_id == bindparam("mailbox"), message.c.message_id == bindparam("id"))
        .values(
            is_read=bindparam("read"),
            message_flags=bindparam("flags"),
            read_change_number=bindparam("change"),
            local_commit_time=commit_time,
        )
    )
    await connection.execute(
        statement,
        [
            {
                "mailbox": mailbox_id,
                "id": state.message_id,
                "read": state.is_read,
                "flags": state.message_flags,
                "change": state.read_change_number,
            }
            for state in states
        ],
    )


async def update_message_status(
    connection: AsyncConnection, mailbox_id: int, message_id: int, status: int, mask: int
) -> int:
    """Set the bits of ``mask`` to those of ``status``; returns the status before, 0 of a message that is gone."""
    mine = (message.c.mailbox_id == mailbox_id, message.c.message_id == message_id)
    before: int = (await connection.execute(select(message.c.message_status).where(*mine))).scalar() or 0
    after = before & ~mask | status & mask
    await connection.execute(update(message).where(*mine).values(message_status=after))
    return before


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
    message_status: int
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
