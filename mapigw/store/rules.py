"""Queries on the standard rules of folders (MS-OXORULE)."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import rule


class RuleRow(NamedTuple):
    rule_id: int
    sequence: int
    properties: bytes
    properties_index: bytes


async def select_rules(connection: AsyncConnection, mailbox_id: int, folder_id: int) -> list[RuleRow]:
    """A folder's, in the order in which they are evaluated."""
    columns = rule.c
    statement = (
        select(columns.rule_id, columns.sequence, columns.properties, columns.properties_index)
        .where(columns.mailbox_id == mailbox_id, columns.folder_id == folder_id)
        .order_by(columns.sequence, columns.rule_id)
    )
    return [RuleRow._make(row) for row in await connection.execute(statement)]


async def replace_rules(connection: AsyncConnection, mailbox_id: int, folder_id: int, rows: Sequence[RuleRow]) -> None:
    await connection.execute(delete(rule).where(rule.c.mailbox_id == mailbox_id, rule.c.folder_id == folder_id))
    if rows:
        values = [{"mailbox_id": mailbox_id, "folder_id": folder_id, **row._asdict()} for row in rows]
        await connection.execute(insert(rule), values)
