"""Queries on the permissions of folders."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import folder, permission


class PermissionRow(NamedTuple):
    member_id: int
    legacy_dn: str
    rights: int


async def select_permissions(connection: AsyncConnection, mailbox_id: int, folder_id: int) -> list[PermissionRow]:
    """A folder's, by member id."""
    statement = (
        select(permission.c.member_id, permission.c.legacy_dn, permission.c.rights)
        .where(permission.c.mailbox_id == mailbox_id, permission.c.folder_id == folder_id)
        .order_by(permission.c.member_id)
    )
    return [PermissionRow._make(row) for row in await connection.execute(statement)]


async def select_all_permissions(connection: AsyncConnection, mailbox_id: int) -> list[tuple[int, PermissionRow]]:
    """(folder id, permission) of the whole mailbox."""
    columns = permission.c
    statement = select(columns.folder_id, columns.member_id, columns.legacy_dn, columns.rights).where(
        columns.mailbox_id == mailbox_id
    )
    return [(row[0], PermissionRow._make(row[1:])) for row in await connection.execute(statement)]


async def select_specials(connection: AsyncConnection, mailbox_id: int) -> dict[int, str]:
    """The keys of all folders, soft-deleted ones too, by folder id; "" for one that is not a well-known folder."""
    statement = select(folder.c.folder_id, folder.c.special).where(folder.c.mailbox_id == mailbox_id)
    return {row[0]: row[1] for row in await connection.execute(statement)}


async def is_granted(connection: AsyncConnection, mailbox_id: int, legacy_dn: str) -> bool:
    """Whether any folder of the mailbox names this member."""
    columns = permission.c
    statement = select(columns.member_id).where(columns.mailbox_id == mailbox_id, columns.legacy_dn == legacy_dn)
    return (await connection.execute(statement.limit(1))).first() is not None


async def replace_permissions(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, rows: Sequence[PermissionRow]
) -> None:
    await connection.execute(
        delete(permission).where(permission.c.mailbox_id == mailbox_id, permission.c.folder_id == folder_id)
    )
    if rows:
        values = [{"mailbox_id": mailbox_id, "folder_id": folder_id, **row._asdict()} for row in rows]
        await connection.execute(insert(permission), values)
