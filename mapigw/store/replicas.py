"""Queries on the REPLIDs of foreign replicas (MS-OXCSTOR 3.2.1). A pair is never changed and never removed."""

from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import foreign_replica


async def select_replica_id(connection: AsyncConnection, mailbox_id: int, replica_guid: UUID) -> int | None:
    statement = select(foreign_replica.c.replica_id).where(
        foreign_replica.c.mailbox_id == mailbox_id, foreign_replica.c.replica_guid == replica_guid.bytes_le
    )
    return (await connection.execute(statement)).scalar()


async def select_replica_guid(connection: AsyncConnection, mailbox_id: int, replica_id: int) -> UUID | None:
    statement = select(foreign_replica.c.replica_guid).where(
        foreign_replica.c.mailbox_id == mailbox_id, foreign_replica.c.replica_id == replica_id
    )
    found = (await connection.execute(statement)).scalar()
    return None if found is None else UUID(bytes_le=found)


async def select_replicas(connection: AsyncConnection, mailbox_id: int, limit: int) -> dict[int, UUID]:
    """The first ``limit`` by REPLID."""
    statement = (
        select(foreign_replica.c.replica_id, foreign_replica.c.replica_guid)
        .where(foreign_replica.c.mailbox_id == mailbox_id)
        .order_by(foreign_replica.c.replica_id)
        .limit(limit)
    )
    return {row[0]: UUID(bytes_le=row[1]) for row in await connection.execute(statement)}


async def last_replica_id(connection: AsyncConnection, mailbox_id: int) -> int:
    """The highest REPLID given out to a foreign replica, 0 before the first."""
    statement = select(func.max(foreign_replica.c.replica_id)).where(foreign_replica.c.mailbox_id == mailbox_id)
    return int((await connection.execute(statement)).scalar() or 0)


async def insert_replica(connection: AsyncConnection, mailbox_id: int, replica_id: int, replica_guid: UUID) -> None:
    await connection.execute(
        insert(foreign_replica).values(mailbox_id=mailbox_id, replica_id=replica_id, replica_guid=replica_guid.bytes_le)
    )
