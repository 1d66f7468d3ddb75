"""The queries of groups and their members. Every address that comes in here is already lower case.

They work inside the caller's connection and transaction, as those of `mapigw.store.directory` do.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, insert, select

from mapigw.store.database import Connection
from mapigw.store.schema import domain, group, group_member


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A row of ``group`` with its domain's name."""

    group_id: int
    domain: str
    address: str
    display_name: str
    legacy_dn: str


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One of ``user_id`` and ``member_group_id`` is None."""

    group_id: int
    user_id: int | None
    member_group_id: int | None


async def load(connection: Connection) -> tuple[list[GroupRow], list[MemberRow]]:
    """Every group, by address, and every membership, of one moment."""
    columns = group.c
    groups = await connection.execute(
        select(columns.group_id, domain.c.name, columns.address, columns.display_name, columns.legacy_dn)
        .join_from(group, domain)
        .order_by(columns.address)
    )
    members = await connection.execute(
        select(group_member.c.group_id, group_member.c.user_id, group_member.c.member_group_id)
    )
    return [GroupRow(*row) for row in groups], [MemberRow(*row) for row in members]


async def group_id_of(connection: Connection, address: str) -> int | None:
    """Whose address this is."""
    return (await connection.execute(select(group.c.group_id).where(group.c.address == address))).scalar()


async def insert_group(
    connection: Connection, *, domain_id: int, address: str, display_name: str, legacy_dn: str, created: int
) -> None:
    """Insert an empty group; ``created`` is a FILETIME."""
    await connection.execute(
        insert(group).values(
            domain_id=domain_id, address=address, display_name=display_name, legacy_dn=legacy_dn, created=created
        )
    )


async def delete_group(connection: Connection, group_id: int) -> None:
    """Delete a group and its memberships, in it and of it."""
    mine = (group_member.c.group_id == group_id) | (group_member.c.member_group_id == group_id)
    await connection.execute(delete(group_member).where(mine))
    await connection.execute(delete(group).where(group.c.group_id == group_id))


async def contains(connection: Connection, group_id: int, wanted: int) -> bool:
    """Whether the group ``wanted`` is ``group_id`` or in it, at any depth."""
    columns = group_member.c
    found = {group_id}
    level = [group_id]
    while level and wanted not in found:
        inner = select(columns.member_group_id).where(columns.group_id.in_(level), columns.member_group_id.is_not(None))
        level = [member for member in (await connection.execute(inner)).scalars() if member not in found]
        found.update(level)
    return wanted in found


async def insert_member(connection: Connection, member: MemberRow) -> bool:
    """Add a member; False when it is there already."""
    if (await connection.execute(select(group_member.c.group_member_id).where(*_is(member)))).first():
        return False
    await connection.execute(
        insert(group_member).values(
            group_id=member.group_id, user_id=member.user_id, member_group_id=member.member_group_id
        )
    )
    return True


async def delete_member(connection: Connection, member: MemberRow) -> bool:
    """Remove a member; False when it is not there."""
    return (await connection.execute(delete(group_member).where(*_is(member)))).rowcount > 0


def _is(member: MemberRow) -> tuple[ColumnElement[bool], ...]:
    columns = group_member.c
    return (
        columns.group_id == member.group_id,
        columns.user_id.is_not_distinct_from(member.user_id),
        columns.member_group_id.is_not_distinct_from(member.member_group_id),
    )
