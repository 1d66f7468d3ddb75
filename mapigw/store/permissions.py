"""Queries on the permissions of folders."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import permission


class PermissionRow(NamedTuple):
    member_id: int
    legacy_dn: str
    rights: int


async def select_permissions(connection: AsyncConnection, mailbox_id: int, folder_id: int) -> list[PermissionRow]:
    """Everybody's, by member id."""
    statement = (
        select(permission.c.member_id, permission.c.legacy_dn, permission.c.rights)
        .where(permission.c.mailbox_id == mailbox_id, permission.c.folder_id == folder_id)
        .order_by(permission.c.member_id)
    )
    return [PermissionRow._make(row) for row in await connection.execute(statement)]


async def replace_permissions(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, rows: Sequence[PermissionRow]
) -> None:
    await connection.execute(
        delete(permission).where(permission.c.mailbox_id == mailbox_id, permission.c.folder_id == folder_id)
    )
    if rows:
        values = [{"mailbox_id": mailbox_id, "folder_id": folder_id, **row._asdict()} for row in rows]
        await connection.execute(insert(permission), values)
