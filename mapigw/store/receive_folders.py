"""Queries on the receive folder table (MS-OXCSTOR 3.2.1). Message classes are ASCII and compared in any case."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import folder, message, out_of_office, receive_folder, rule


class Way(NamedTuple):
    """Where messages of a class arrive."""

    message_class: str
    folder_id: int
    is_ruled: bool
    """There are rules in the folder, or the mailbox's owner is or will be absent."""


class ReceiveFolder(NamedTuple):
    message_class: str
    folder_id: int
    modified: int


_EXISTING = (  # the rows whose folder is there: a folder may be deleted and recovered
    select(receive_folder.c.message_class, receive_folder.c.folder_id, receive_folder.c.modified)
    .join_from(
        receive_folder,
        folder,
        and_(folder.c.mailbox_id == receive_folder.c.mailbox_id, folder.c.folder_id == receive_folder.c.folder_id),
    )
    .where(receive_folder.c.mailbox_id == bindparam("mailbox"), folder.c.deleted.is_(None))
)
_RULES = select(rule.c.rule_id).where(
    rule.c.mailbox_id == receive_folder.c.mailbox_id, rule.c.folder_id == receive_folder.c.folder_id
)
_EXTENDED_RULES = select(message.c.message_id).where(
    message.c.mailbox_id == receive_folder.c.mailbox_id,
    message.c.folder_id == receive_folder.c.folder_id,
    message.c.is_associated.is_(True),
    func.lower(message.c.message_class) == bindparam("rule_class"),
)
_ABSENCE = select(out_of_office.c.mailbox_id).where(
    out_of_office.c.mailbox_id == receive_folder.c.mailbox_id, out_of_office.c.state != 0
)
_ALL = _EXISTING.order_by(receive_folder.c.message_class)
_MATCHING = _EXISTING.where(func.lower(receive_folder.c.message_class).in_(bindparam("classes", expanding=True)))
_WAYS = _MATCHING.with_only_columns(
    receive_folder.c.message_class,
    receive_folder.c.folder_id,
    or_(_RULES.exists(), _EXTENDED_RULES.exists(), _ABSENCE.exists()),
)


async def select_receive_folders(connection: AsyncConnection, mailbox_id: int) -> list[ReceiveFolder]:
    """All of the mailbox, by message class."""
    return [ReceiveFolder(*row) for row in await connection.execute(_ALL, {"mailbox": mailbox_id})]


async def select_matching(
    connection: AsyncConnection, mailbox_id: int, message_classes: Sequence[str]
) -> list[ReceiveFolder]:
    """The rows of some message classes, which are given in lower case."""
    values = {"mailbox": mailbox_id, "classes": list(message_classes)}
    return [ReceiveFolder(*row) for row in await connection.execute(_MATCHING, values)]


async def select_ways(
    connection: AsyncConnection, mailbox_id: int, message_classes: Sequence[str], rule_class: str
) -> list[Way]:
    """As `select_matching`; ``rule_class`` is the message class of extended rules, in lower case."""
    values = {"mailbox": mailbox_id, "classes": list(message_classes), "rule_class": rule_class}
    return [Way(row[0], row[1], bool(row[2])) for row in await connection.execute(_WAYS, values)]


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
