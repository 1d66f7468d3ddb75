"""Queries on what a user has read of public folders (MS-OXCSTOR 3.2.1). Folders are LongTermIDs, 24 bytes."""

from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import per_user


async def select_folders(connection: AsyncConnection, mailbox_id: int, replica_guid: UUID, limit: int) -> list[bytes]:
    """At most ``limit`` folders whose information came from the replica."""
    statement = (
        select(per_user.c.folder)
        .where(per_user.c.mailbox_id == mailbox_id, per_user.c.replica_guid == replica_guid.bytes_le)
        .order_by(per_user.c.folder)
        .limit(limit)
    )
    return list((await connection.execute(statement)).scalars())


async def select_replica_guid(connection: AsyncConnection, mailbox_id: int, folder: bytes) -> UUID | None:
    statement = select(per_user.c.replica_guid).where(*_one(mailbox_id, folder))
    found = (await connection.execute(statement)).scalar()
    return None if found is None else UUID(bytes_le=found)


async def select_part(
    connection: AsyncConnection, mailbox_id: int, folder: bytes, offset: int, size: int
) -> tuple[bytes, int] | None:
    """At most ``size`` bytes of the data from ``offset`` on, and the length of all of it."""
    data = per_user.c.data
    statement = select(func.substr(data, offset + 1, size), func.length(data)).where(*_one(mailbox_id, folder))
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else (bytes(row[0] or b""), int(row[1]))


async def put_data(
    connection: AsyncConnection, mailbox_id: int, folder: bytes, replica_guid: UUID, data: bytes, modified: int
) -> None:
    """Replace the folder's row; a new one is added where there is none."""
    await connection.execute(delete(per_user).where(*_one(mailbox_id, folder)))
    await connection.execute(
        insert(per_user).values(
            mailbox_id=mailbox_id, folder=folder, replica_guid=replica_guid.bytes_le, data=data, modified=modified
        )
    )


def _one(mailbox_id: int, folder: bytes) -> tuple[Any, Any]:
    return per_user.c.mailbox_id == mailbox_id, per_user.c.folder == folder
