"""Queries of incremental change synchronization: what has changed above a change number.

Each costs what changed, not what is stored: they walk the indexes on change numbers and the tombstones.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Select, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import folder, mailbox, message, tombstone


class MessageChange(NamedTuple):
    message_id: int
    change_number: int
    is_associated: bool
    size: int
    sort_time: int


class ReadStateChange(NamedTuple):
    message_id: int
    change_number: int
    read_change_number: int
    is_read: bool


class Tombstone(NamedTuple):
    """What is left of an object in the folder where it was; of a folder, in its parent."""

    folder_id: int
    change_number: int
    object_id: int
    is_folder: bool
    is_associated: bool


class Deletion(NamedTuple):
    object_id: int
    is_associated: bool
    change_number: int


async def insert_tombstones(connection: AsyncConnection, mailbox_id: int, rows: Sequence[Tombstone]) -> None:
    await connection.execute(insert(tombstone), [{"mailbox_id": mailbox_id, **row._asdict()} for row in rows])


async def contents_state(connection: AsyncConnection, mailbox_id: int, folder_id: int) -> tuple[int, int] | None:
    """(last change number of the mailbox, that of the last change to what the folder contains); None: it is gone."""
    statement = select(mailbox.c.next_counter - 1, folder.c.content_change_number).where(
        mailbox.c.mailbox_id == folder.c.mailbox_id,
        folder.c.mailbox_id == mailbox_id,
        folder.c.folder_id == folder_id,
        folder.c.deleted.is_(None),
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else (row[0], row[1])


async def select_message_changes(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, *, after: int, newest_first: bool
) -> list[MessageChange]:
    """Messages of the folder with a change number above ``after``; newest first, or in the order of their changes."""
    columns = (message.c[name] for name in MessageChange._fields)
    statement = select(*columns).where(message.c.mailbox_id == mailbox_id, message.c.folder_id == folder_id)
    if after:
        # Sorted here: asked for an order, the planner would walk the whole folder in it to find the few.
        rows = await connection.execute(statement.where(message.c.change_number > after))
        changes = [MessageChange._make(row) for row in rows]
        if newest_first:
            changes.sort(key=lambda change: (change.sort_time, change.message_id), reverse=True)
        else:
            changes.sort(key=lambda change: change.change_number)
        return changes
    if newest_first:
        statement = statement.order_by(message.c.sort_time.desc(), message.c.message_id.desc())
    else:
        statement = statement.order_by(message.c.change_number)
    return [MessageChange._make(row) for row in await connection.execute(statement)]


async def select_read_state_changes(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, *, after: int
) -> list[ReadStateChange]:
    """Normal messages whose read state got a change number above ``after``."""
    statement = select(*(message.c[name] for name in ReadStateChange._fields)).where(
        message.c.mailbox_id == mailbox_id,
        message.c.folder_id == folder_id,
        message.c.read_change_number > after,
        message.c.is_associated.is_(False),
    )
    return [ReadStateChange._make(row) for row in await connection.execute(statement)]


async def select_deleted_messages(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, *, after: int
) -> list[Deletion]:
    """Tombstones above ``after`` of messages that were in the folder."""
    statement = _tombstones(mailbox_id, after).where(
        tombstone.c.folder_id == folder_id, tombstone.c.is_folder.is_(False)
    )
    return [Deletion._make(row) for row in await connection.execute(statement)]


async def select_deleted_folders(connection: AsyncConnection, mailbox_id: int, *, after: int) -> list[int]:
    """The ids of folders with tombstones above ``after``."""
    statement = select(tombstone.c.object_id).where(
        tombstone.c.mailbox_id == mailbox_id, tombstone.c.change_number > after, tombstone.c.is_folder.is_(True)
    )
    return list((await connection.execute(statement)).scalars())


async def hierarchy_change_number(connection: AsyncConnection, mailbox_id: int) -> int:
    """The highest change number of any folder or folder tombstone of the mailbox."""
    changed = select(func.max(folder.c.change_number)).where(folder.c.mailbox_id == mailbox_id)
    deleted = select(func.max(tombstone.c.change_number)).where(
        tombstone.c.mailbox_id == mailbox_id, tombstone.c.is_folder.is_(True)
    )
    row = (await connection.execute(select(changed.scalar_subquery(), deleted.scalar_subquery()))).one()
    return max(row[0] or 0, row[1] or 0)


def _tombstones(mailbox_id: int, after: int) -> Select[tuple[int, bool, int]]:
    return select(tombstone.c.object_id, tombstone.c.is_associated, tombstone.c.change_number).where(
        tombstone.c.mailbox_id == mailbox_id, tombstone.c.change_number > after
    )
