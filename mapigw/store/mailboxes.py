"""Queries on a mailbox as a whole: its counter, its sums, its named properties."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BigInteger, bindparam, case, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store import schema
from mapigw.store.schema import folder, local_replica_range, mailbox, named_property
from mapigw.store.search_text import delete_index
from mapigw.wire.properties import NAMED_PROPERTY_MINIMUM, PropertyName


class MailboxRow(NamedTuple):
    mailbox_id: int
    guid: UUID
    replica_guid: UUID


class StoreTotals(NamedTuple):
    """Sums over the folders of a mailbox; search folders hold no messages of their own."""

    content_count: int
    size: int  # bytes
    has_searches: bool


async def insert_mailbox(
    connection: AsyncConnection, *, guid: UUID, replica_guid: UUID, next_counter: int, created: int
) -> int:
    result = await connection.execute(
        insert(mailbox).values(
            guid=guid.bytes_le,
            replica_guid=replica_guid.bytes_le,
            next_counter=next_counter,
            next_message_id=1,
            last_message_id=0,
            properties=b"",
            properties_index=b"",
            created=created,
            sent_copy="both",
        )
    )
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


async def delete_mailbox(connection: AsyncConnection, mailbox_id: int) -> None:
    """Remove every row of the mailbox; its blobs become orphans, which are collected."""
    for table in (*_MAILBOX_TABLES, mailbox):
        await connection.execute(delete(table).where(table.c.mailbox_id == mailbox_id))
    await delete_index(connection, mailbox_id)


_MAILBOX_TABLES = (
    schema.folder,
    schema.message,
    schema.deleted_message,
    schema.message_mime,
    schema.permission,
    schema.rule,
    schema.search_folder,
    schema.search_result,
    schema.search_queue,
    schema.per_user,
    schema.foreign_replica,
    schema.tombstone,
    schema.named_property,
    schema.receive_folder,
    schema.local_replica_range,
    schema.deleted_range,
    schema.foreign_source_key,
    schema.blob,
    schema.sent_twin,
    schema.mailbox_grant,
    schema.subscription,
)


async def select_mailbox(connection: AsyncConnection, mailbox_id: int) -> MailboxRow | None:
    statement = select(mailbox.c.mailbox_id, mailbox.c.guid, mailbox.c.replica_guid).where(
        mailbox.c.mailbox_id == mailbox_id
    )
    row = (await connection.execute(statement)).one_or_none()
    if row is None:
        return None
    return MailboxRow(row.mailbox_id, UUID(bytes_le=row.guid), UUID(bytes_le=row.replica_guid))


async def allocate(connection: AsyncConnection, mailbox_id: int, count: int = 1) -> int:
    """Take ``count`` values from the mailbox's counter; returns the first."""
    return int((await connection.execute(_ALLOCATE, {"mailbox": mailbox_id, "count": count})).scalar_one()) - count


_ALLOCATE = (
    update(mailbox)
    .where(mailbox.c.mailbox_id == bindparam("mailbox"))
    .values(next_counter=mailbox.c.next_counter + bindparam("count", type_=BigInteger))
    .returning(mailbox.c.next_counter)
)


async def allocate_message_ids(connection: AsyncConnection, mailbox_id: int, count: int) -> int:
    """Take ``count`` message ids, which follow one another; returns the first.

    They come from large blocks of the counter: what a client holds of a folder then is a handful of ranges, however the
    messages arrived, and its state stays small.
    """
    columns = mailbox.c
    mine = columns.mailbox_id == mailbox_id
    taken = await connection.execute(
        update(mailbox)
        .where(mine, columns.next_message_id + (count - 1) <= columns.last_message_id)
        .values(next_message_id=columns.next_message_id + count)
        .returning(columns.next_message_id)
    )
    following = taken.scalar()
    if following is not None:
        return int(following) - count
    block = max(count, MESSAGE_ID_BLOCK)
    first = await allocate(connection, mailbox_id, block)
    await connection.execute(
        update(mailbox).where(mine).values(next_message_id=first + count, last_message_id=first + block - 1)
    )
    return first


async def last_counter(connection: AsyncConnection, mailbox_id: int) -> int:
    """The last value taken: no change number of the snapshot is above it."""
    statement = select(mailbox.c.next_counter).where(mailbox.c.mailbox_id == mailbox_id)
    return int((await connection.execute(statement)).scalar_one()) - 1


async def select_properties(connection: AsyncConnection, mailbox_id: int) -> tuple[bytes, bytes]:
    """What clients set on the Logon object: encoded properties and their index."""
    statement = select(mailbox.c.properties, mailbox.c.properties_index).where(mailbox.c.mailbox_id == mailbox_id)
    row = (await connection.execute(statement)).one()
    return row.properties, row.properties_index


async def update_properties(connection: AsyncConnection, mailbox_id: int, properties: bytes, index: bytes) -> None:
    await connection.execute(
        update(mailbox).where(mailbox.c.mailbox_id == mailbox_id).values(properties=properties, properties_index=index)
    )


async def select_totals(connection: AsyncConnection, mailbox_id: int) -> StoreTotals:
    is_search = folder.c.folder_type == SEARCH_FOLDER
    statement = select(
        func.sum(case((is_search, 0), else_=folder.c.content_count)),
        func.sum(case((is_search, 0), else_=folder.c.content_size + folder.c.associated_size)),
        func.max(case((is_search, 1), else_=0)),
    ).where(folder.c.mailbox_id == mailbox_id, folder.c.deleted.is_(None))
    count, size, searches = (await connection.execute(statement)).one()
    return StoreTotals(int(count or 0), int(size or 0), bool(searches))


async def select_named_properties(
    connection: AsyncConnection, mailbox_id: int, after: int = 0
) -> list[tuple[int, PropertyName]]:
    """Property ids above ``after`` and the names they stand for."""
    statement = (
        select(named_property)
        .where(named_property.c.mailbox_id == mailbox_id, named_property.c.property_id > after)
        .order_by(named_property.c.property_id)
    )
    rows = (await connection.execute(statement)).all()
    return [(row.property_id, PropertyName(UUID(bytes_le=row.property_set), row.lid, row.name)) for row in rows]


async def insert_named_properties(
    connection: AsyncConnection, mailbox_id: int, first: int, names: Sequence[PropertyName]
) -> None:
    rows: list[dict[str, Any]] = [
        {
            "mailbox_id": mailbox_id,
            "property_id": first + position,
            "property_set": name.property_set.bytes_le,
            "lid": name.lid,
            "name": name.name,
        }
        for position, name in enumerate(names)
    ]
    await connection.execute(insert(named_property), rows)


SEARCH_FOLDER = 2  # folder_type
MESSAGE_ID_BLOCK = 1 << 16
FIRST_NAMED_PROPERTY = NAMED_PROPERTY_MINIMUM + 1  # greater than 0x8000 (MS-OXCPRPT 3.2.5.10)
LAST_NAMED_PROPERTY = 0xFFFE


async def insert_local_replica_range(connection: AsyncConnection, mailbox_id: int, first: int, count: int) -> None:
    await connection.execute(insert(local_replica_range).values(mailbox_id=mailbox_id, first=first, count=count))
