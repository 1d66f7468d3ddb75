"""Queries on the index of meetings: which messages a global object id names, and what takes which time."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import calendar_folder, calendar_item, message

_CLASSES: Final = ("IPM.Appointment", "IPM.Schedule.Meeting.")


class CalendarRow(NamedTuple):
    message_id: int
    folder_id: int
    global_object_id: bytes
    start: int
    end: int


class Changed(NamedTuple):
    """A message that changed since the index was brought up to date."""

    message_id: int
    change_number: int
    properties: bytes
    properties_index: bytes


async def select_position(connection: AsyncConnection, mailbox_id: int, folder_id: int) -> int | None:
    """The change number up to which the index follows a folder; None for one that it does not follow yet."""
    columns = calendar_folder.c
    statement = select(columns.change_number).where(columns.mailbox_id == mailbox_id, columns.folder_id == folder_id)
    found: int | None = (await connection.execute(statement)).scalar()
    return found


async def select_changed(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, position: int, limit: int
) -> list[Changed]:
    """Meetings of a folder that changed since, in the order of their changes."""
    columns = message.c
    statement = (
        select(columns.message_id, columns.change_number, columns.properties, columns.properties_index)
        .where(
            columns.mailbox_id == mailbox_id,
            columns.folder_id == folder_id,
            columns.change_number > position,
            or_(*(columns.message_class.startswith(name) for name in _CLASSES)),
        )
        .order_by(columns.change_number)
        .limit(limit)
    )
    return [Changed._make(row) for row in await connection.execute(statement)]


async def update_index(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, position: int, rows: Sequence[CalendarRow]
) -> None:
    """Add rows, follow the folder to ``position``, and forget what is not in it any more."""
    columns = calendar_item.c
    if rows:
        statement = upsert(calendar_item)
        statement = statement.on_conflict_do_update(
            index_elements=[columns.mailbox_id, columns.message_id],
            set_={name: statement.excluded[name] for name in ("folder_id", "global_object_id", "start", "end")},
        )
        await connection.execute(statement, [{"mailbox_id": mailbox_id, **row._asdict()} for row in rows])
    present = (
        select(message.c.message_id)
        .where(
            message.c.mailbox_id == mailbox_id,
            message.c.message_id == columns.message_id,
            message.c.folder_id == columns.folder_id,
        )
        .exists()
    )
    await connection.execute(
        delete(calendar_item).where(columns.mailbox_id == mailbox_id, columns.folder_id == folder_id, ~present)
    )
    moved = upsert(calendar_folder).values(mailbox_id=mailbox_id, folder_id=folder_id, change_number=position)
    moved = moved.on_conflict_do_update(
        index_elements=[calendar_folder.c.mailbox_id, calendar_folder.c.folder_id],
        set_={"change_number": moved.excluded.change_number},
    )
    await connection.execute(moved)


async def select_by_id(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, global_object_id: bytes
) -> list[int]:
    """Ids of a folder's messages that an id names, oldest first."""
    columns = calendar_item.c
    statement = (
        select(columns.message_id)
        .where(
            columns.mailbox_id == mailbox_id,
            columns.folder_id == folder_id,
            columns.global_object_id == global_object_id,
        )
        .order_by(columns.message_id)
    )
    return list((await connection.execute(statement)).scalars())


async def select_by_time(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, start: int, end: int, limit: int
) -> list[int]:
    """Ids of a folder's messages that may take time between two times."""
    columns = calendar_item.c
    statement = (
        select(columns.message_id)
        .where(
            columns.mailbox_id == mailbox_id,
            columns.folder_id == folder_id,
            columns.end > start,
            columns.start < end,
        )
        .order_by(columns.start)
        .limit(limit)
    )
    return list((await connection.execute(statement)).scalars())
