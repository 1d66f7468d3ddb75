"""Queries on out-of-office settings and on who was answered by a program (MS-OXORULE 3.2.5.1.1)."""

from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import automatic_reply, out_of_office


class OutOfOfficeRow(NamedTuple):
    state: int
    start: int
    end: int
    audience: int
    internal: str
    external: str


async def select_out_of_office(connection: AsyncConnection, mailbox_id: int) -> OutOfOfficeRow | None:
    columns = (out_of_office.c[name] for name in OutOfOfficeRow._fields)
    statement = select(*columns).where(out_of_office.c.mailbox_id == mailbox_id)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else OutOfOfficeRow._make(row)


async def replace_out_of_office(connection: AsyncConnection, mailbox_id: int, row: OutOfOfficeRow) -> None:
    values = row._asdict()
    statement = upsert(out_of_office).values(mailbox_id=mailbox_id, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["mailbox_id"], set_=values))


async def select_answered(connection: AsyncConnection, mailbox_id: int, sender: str) -> dict[int, int]:
    """When each rule has last answered a sender, by the rule's id."""
    columns = automatic_reply.c
    statement = select(columns.rule_id, columns.sent).where(columns.mailbox_id == mailbox_id, columns.sender == sender)
    return {row.rule_id: row.sent for row in await connection.execute(statement)}


async def insert_answered(connection: AsyncConnection, mailbox_id: int, rule_id: int, sender: str, sent: int) -> None:
    statement = upsert(automatic_reply).values(mailbox_id=mailbox_id, rule_id=rule_id, sender=sender, sent=sent)
    keys = ["mailbox_id", "rule_id", "sender"]
    await connection.execute(statement.on_conflict_do_update(index_elements=keys, set_={"sent": sent}))


async def delete_answered(connection: AsyncConnection, mailbox_id: int) -> None:
    """Forget whom the rules of a mailbox have answered."""
    await connection.execute(delete(automatic_reply).where(automatic_reply.c.mailbox_id == mailbox_id))
