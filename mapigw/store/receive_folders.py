"""Queries on the receive folder table (MS-OXCSTOR 3.2.1). Message classes are ASCII and compared in any case."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import folder, receive_folder


class ReceiveFolder(NamedTuple):
    message_class: str
    folder_id: int
    modified: int


def _existing(mailbox_id: int) -> Select[Any]:
    """The rows whose folder is there: a folder may be deleted and recovered."""
    return (
        select(receive_folder.c.message_class, receive_folder.c.folder_id, receive_folder.c.modified)
        .join_from(
            receive_folder,
            folder,
            and_(folder.c.mailbox_id == receive_folder.c.mailbox_id, folder.c.folder_id == receive_folder.c.folder_id),
        )
        .where(receive_folder.c.mailbox_id == mailbox_id, folder.c.deleted.is_(None))
    )


async def select_receive_folders(connection: AsyncConnection, mailbox_id: int) -> list[ReceiveFolder]:
    """All of the mailbox, by message class."""
    statement = _existing(mailbox_id).order_by(receive_folder.c.message_class)
    return [ReceiveFolder(*row) for row in await connection.execute(statement)]


async def select_matching(
    connection: AsyncConnection, mailbox_id: int, message_classes: Sequence[str]
) -> list[ReceiveFolder]:
    """The rows of some message classes, which are given in lower case."""
    statement = _existing(mailbox_id).where(func.lower(receive_folder.c.message_class).in_(message_classes))
    return [ReceiveFolder(*row) for row in await connection.execute(statement)]


async def insert_receive_folders(connection: AsyncConnection, mailbox_id: int, rows: Sequence[ReceiveFolder]) -> None:
    await connection.execute(insert(receive_folder), [{"mailbox_id": mailbox_id, **row._asdict()} for row in rows])


async def put_receive_folder(connection: AsyncConnection, mailbox_id: int, row: ReceiveFolder) -> None:
    """Replace the row of the message class; a new one is added where there is none."""
    replaced = await connection.execute(
        update(receive_folder)
        .where(*_exactly(mailbox_id, row.message_class))
        .values(folder_id=row.folder_id, modified=row.modified)
    )
    if not replaced.rowcount:
        await insert_receive_folders(connection, mailbox_id, [row])


async def delete_receive_folder(connection: AsyncConnection, mailbox_id: int, message_class: str) -> None:
    await connection.execute(delete(receive_folder).where(*_exactly(mailbox_id, message_class)))


def _exactly(mailbox_id: int, message_class: str) -> tuple[Any, Any]:
    return (
        receive_folder.c.mailbox_id == mailbox_id,
        func.lower(receive_folder.c.message_class) == message_class.lower(),
    )
