"""Queries of synchronization uploads: what an imported id stands for here (MS-OXCFXICS 3.1.5.3, 3.2.5.9.4)."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import ColumnElement, ScalarSelect, Table, bindparam, delete, insert, or_, select, union_all
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


class Standing(NamedTuple):
    """What is known of an id that an import wants to use in a folder."""

    is_message: bool
    """A message has it, not soft-deleted."""
    is_used: bool
    """An object has or had it."""
    is_excluded: bool
    """A client said that it will not come into the folder."""
    is_handed_out: bool
    """It is one of those that clients got to use themselves."""


async def select_standing(connection: AsyncConnection, mailbox_id: int, folder_id: int, object_id: int) -> Standing:
    statement, values = _STANDING, {"mailbox": mailbox_id, "folder": folder_id, "object": object_id}
    row = (await connection.execute(statement, values)).one()
    return Standing(bool(row[0]), bool(row[0] or row[1]), bool(row[2]), bool(row[3]))


def _exists(table: Table, name: str) -> ColumnElement[bool]:
    mine = (table.c.mailbox_id == bindparam("mailbox"), table.c[name] == bindparam("object"))
    return select(table.c[name]).where(*mine).exists()


def _nearest(table: Table, inside: ColumnElement[bool], *conditions: ColumnElement[bool]) -> ScalarSelect[bool]:
    """What ``inside`` says of the last range that begins at the object's id or before it."""
    columns = table.c
    mine = (columns.mailbox_id == bindparam("mailbox"), columns.first <= bindparam("object"), *conditions)
    return select(inside).where(*mine).order_by(columns.first.desc()).limit(1).scalar_subquery()


_STANDING: Final = select(  # made once: it costs more to make than to execute
    _exists(message, "message_id"),
    or_(_exists(deleted_message, "message_id"), _exists(folder, "folder_id"), _exists(tombstone, "object_id")),
    _nearest(
        deleted_range,
        deleted_range.c.last >= bindparam("object"),
        deleted_range.c.folder_id == bindparam("folder"),
    ),
    _nearest(local_replica_range, local_replica_range.c.first + local_replica_range.c.count > bindparam("object")),
)


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
