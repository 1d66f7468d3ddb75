"""Queries of synchronization uploads: what an imported id stands for here (MS-OXCFXICS 3.1.5.3, 3.2.5.9.4)."""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import (
    deleted_message,
    deleted_range,
    folder,
    foreign_source_key,
    local_replica_range,
    message,
    tombstone,
)


async def handed_out(connection: AsyncConnection, mailbox_id: int) -> list[tuple[int, int]]:
    """The ranges of ids that clients got to use themselves, as (first, last)."""
    columns = local_replica_range.c
    statement = select(columns.first, columns.first + columns.count - 1).where(columns.mailbox_id == mailbox_id)
    return [(row[0], row[1]) for row in await connection.execute(statement)]


async def is_handed_out(connection: AsyncConnection, mailbox_id: int, object_id: int) -> bool:
    """Whether the id is one of those that clients got to use themselves."""
    columns = local_replica_range.c
    statement = (
        select(columns.first + columns.count > object_id)
        .where(columns.mailbox_id == mailbox_id, columns.first <= object_id)
        .order_by(columns.first.desc())
        .limit(1)
    )
    return bool((await connection.execute(statement)).scalar())


async def select_used(connection: AsyncConnection, mailbox_id: int, object_ids: Sequence[int]) -> set[int]:
    """Those of the ids that an object has, wherever it is and deleted or not, or had; some hundred a call."""
    ids = list(object_ids)
    statement = union_all(
        *(
            select(table.c[name]).where(table.c.mailbox_id == mailbox_id, table.c[name].in_(ids))
            for table, name in (
                (message, "message_id"),
                (deleted_message, "message_id"),
                (folder, "folder_id"),
                (tombstone, "object_id"),
            )
        )
    )
    return set((await connection.execute(statement)).scalars())


async def is_excluded(connection: AsyncConnection, mailbox_id: int, folder_id: int, object_id: int) -> bool:
    """Whether a client said that the id will not come into the folder."""
    columns = deleted_range.c
    statement = (
        select(columns.last >= object_id)
        .where(columns.mailbox_id == mailbox_id, columns.folder_id == folder_id, columns.first <= object_id)
        .order_by(columns.first.desc())
        .limit(1)
    )
    return bool((await connection.execute(statement)).scalar())


async def select_excluded(connection: AsyncConnection, mailbox_id: int, folder_id: int) -> list[tuple[int, int]]:
    """The (first, last) ids that will not come into a folder."""
    columns = deleted_range.c
    statement = select(columns.first, columns.last).where(
        columns.mailbox_id == mailbox_id, columns.folder_id == folder_id
    )
    return [(row.first, row.last) for row in await connection.execute(statement)]


async def replace_excluded(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, ranges: Sequence[tuple[int, int]]
) -> None:
    """Store the ranges, which do not overlap, in place of those that the folder has."""
    mine = (deleted_range.c.mailbox_id == mailbox_id, deleted_range.c.folder_id == folder_id)
    await connection.execute(delete(deleted_range).where(*mine))
    rows = [{"mailbox_id": mailbox_id, "folder_id": folder_id, "first": first, "last": last} for first, last in ranges]
    if rows:
        await connection.execute(insert(deleted_range), rows)


async def select_object(connection: AsyncConnection, mailbox_id: int, source_key: bytes) -> int | None:
    """The id that a source key of another replica stands for."""
    columns = foreign_source_key.c
    statement = select(columns.object_id).where(columns.mailbox_id == mailbox_id, columns.source_key == source_key)
    return (await connection.execute(statement)).scalar()


async def insert_source_key(connection: AsyncConnection, mailbox_id: int, source_key: bytes, object_id: int) -> None:
    await connection.execute(
        insert(foreign_source_key).values(mailbox_id=mailbox_id, source_key=source_key, object_id=object_id)
    )
