"""The queries of who is in a group, and who manages it.

They work inside the caller's connection and transaction, as those of `mapigw.store.directory` do.
"""

from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Table, delete, insert, select

from mapigw.store.database import Connection
from mapigw.store.directory_changes import EntryId, EntryKind
from mapigw.store.schema import group_manager, group_member

_MEMBERS: Final[dict[EntryKind, Column[Any]]] = {
    EntryKind.USER: group_member.c.user_id,
    EntryKind.GROUP: group_member.c.member_group_id,
    EntryKind.CONTACT: group_member.c.contact_id,
}
_MANAGERS: Final[dict[EntryKind, Column[Any]]] = {
    EntryKind.USER: group_manager.c.user_id,
    EntryKind.GROUP: group_manager.c.manager_group_id,
}
MANAGER_KINDS: Final = frozenset(_MANAGERS)


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


async def members_of(connection: Connection, group_id: int) -> set[EntryId]:
    return await _all(connection, group_member, _MEMBERS, group_id)


async def managers_of(connection: Connection, group_id: int) -> set[EntryId]:
    return await _all(connection, group_manager, _MANAGERS, group_id)


async def insert_member(connection: Connection, group_id: int, member: EntryId) -> bool:
    """Add a member; False when it is there already."""
    return await _insert(connection, group_member, _MEMBERS, group_id, member)


async def delete_member(connection: Connection, group_id: int, member: EntryId) -> bool:
    """Remove a member; False when it is not there."""
    return await _delete(connection, group_member, _MEMBERS, group_id, member)


async def insert_manager(connection: Connection, group_id: int, manager: EntryId) -> bool:
    """Add a manager, a user or a group; False when it is there already."""
    return await _insert(connection, group_manager, _MANAGERS, group_id, manager)


async def delete_manager(connection: Connection, group_id: int, manager: EntryId) -> bool:
    """Remove a manager; False when it is not there."""
    return await _delete(connection, group_manager, _MANAGERS, group_id, manager)


_Columns = dict[EntryKind, Column[Any]]


async def _all(connection: Connection, table: Table, columns: _Columns, group_id: int) -> set[EntryId]:
    found: set[EntryId] = set()
    for kind, column in columns.items():
        rows = await connection.execute(select(column).where(table.c.group_id == group_id, column.is_not(None)))
        found.update(EntryId(kind, number) for number in rows.scalars())
    return found


async def _insert(connection: Connection, table: Table, columns: _Columns, group_id: int, entry: EntryId) -> bool:
    if (await connection.execute(select(table.c.group_id).where(*_is(table, columns, group_id, entry)))).first():
        return False
    await connection.execute(insert(table).values({"group_id": group_id, columns[entry.kind].name: entry.number}))
    return True


async def _delete(connection: Connection, table: Table, columns: _Columns, group_id: int, entry: EntryId) -> bool:
    gone = await connection.execute(delete(table).where(*_is(table, columns, group_id, entry)))
    return gone.rowcount > 0


def _is(table: Table, columns: _Columns, group_id: int, entry: EntryId) -> tuple[ColumnElement[bool], ...]:
    return table.c.group_id == group_id, columns[entry.kind] == entry.number
