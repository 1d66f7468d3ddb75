"""Reads the directory for those who hold it in memory: whole, or the entries that have changed."""

from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple

from sqlalchemy import Column, Select, select

from mapigw.store.database import Connection
from mapigw.store.directory_changes import EntryKind
from mapigw.store.schema import contact, domain, group, group_manager, group_member, mailbox, proxy, user

_PARTITION = 1000  # rows taken from the driver at once: between two the event loop runs
_IDS = 500  # in one statement


class UserRow(NamedTuple):
    """A row of ``user`` with what its keys stand for."""

    user_id: int
    mailbox_id: int
    mailbox_guid: bytes  # little-endian
    domain: str
    address: str
    display_name: str
    legacy_dn: str
    password_hash: str
    enabled: bool
    admin: bool
    kind: str = "user"
    hidden: bool = False
    manager: str | None = None
    details: bytes = b""


class GroupRow(NamedTuple):
    group_id: int
    domain: str
    address: str
    display_name: str
    legacy_dn: str
    hidden: bool = False
    details: bytes = b""


class ContactRow(NamedTuple):
    contact_id: int
    domain: str
    address: str
    display_name: str
    legacy_dn: str
    hidden: bool = False
    manager: str | None = None
    details: bytes = b""


class ProxyRow(NamedTuple):
    """One of the three ids is not None."""

    address: str
    user_id: int | None = None
    group_id: int | None = None
    contact_id: int | None = None


class MemberRow(NamedTuple):
    """A member of a group: one of the three ids of members is not None."""

    group_id: int
    user_id: int | None = None
    member_group_id: int | None = None
    contact_id: int | None = None


class ManagerRow(NamedTuple):
    """One of the two ids of managers is not None."""

    group_id: int
    user_id: int | None = None
    manager_group_id: int | None = None


_USERS = (
    select(
        user.c.user_id,
        user.c.mailbox_id,
        mailbox.c.guid,
        domain.c.name,
        user.c.address,
        user.c.display_name,
        user.c.legacy_dn,
        user.c.password_hash,
        user.c.enabled,
        user.c.admin,
        user.c.kind,
        user.c.hidden,
        user.c.manager,
        user.c.details,
    )
    .join_from(user, domain)
    .join(mailbox, mailbox.c.mailbox_id == user.c.mailbox_id)
)
_GROUPS = select(
    group.c.group_id,
    domain.c.name,
    group.c.address,
    group.c.display_name,
    group.c.legacy_dn,
    group.c.hidden,
    group.c.details,
).join_from(group, domain)
_CONTACTS = select(
    contact.c.contact_id,
    domain.c.name,
    contact.c.address,
    contact.c.display_name,
    contact.c.legacy_dn,
    contact.c.hidden,
    contact.c.manager,
    contact.c.details,
).join_from(contact, domain)
_PROXIES = select(proxy.c.address, proxy.c.user_id, proxy.c.group_id, proxy.c.contact_id)
_MEMBERS = select(
    group_member.c.group_id, group_member.c.user_id, group_member.c.member_group_id, group_member.c.contact_id
)
_MANAGERS = select(group_manager.c.group_id, group_manager.c.user_id, group_manager.c.manager_group_id)

_PROXY_OWNERS: dict[EntryKind, Column[Any]] = {
    EntryKind.USER: proxy.c.user_id,
    EntryKind.GROUP: proxy.c.group_id,
    EntryKind.CONTACT: proxy.c.contact_id,
}

Ids = Iterable[int] | None
"""Of the entries that are wanted; None: all."""


async def users(connection: Connection, ids: Ids = None) -> AsyncIterator[list[UserRow]]:
    async for rows in _partitions(connection, _USERS, user.c.user_id, ids):
        yield [UserRow(*row) for row in rows]


async def groups(connection: Connection, ids: Ids = None) -> AsyncIterator[list[GroupRow]]:
    async for rows in _partitions(connection, _GROUPS, group.c.group_id, ids):
        yield [GroupRow(*row) for row in rows]


async def contacts(connection: Connection, ids: Ids = None) -> AsyncIterator[list[ContactRow]]:
    async for rows in _partitions(connection, _CONTACTS, contact.c.contact_id, ids):
        yield [ContactRow(*row) for row in rows]


async def proxies(connection: Connection, kind: EntryKind, ids: Ids = None) -> AsyncIterator[list[ProxyRow]]:
    """The further addresses of entries of a kind."""
    column = _PROXY_OWNERS[kind]
    async for rows in _partitions(connection, _PROXIES.where(column.is_not(None)), column, ids):
        yield [ProxyRow(*row) for row in rows]


async def members(connection: Connection, ids: Ids = None) -> AsyncIterator[list[MemberRow]]:
    """The memberships in groups."""
    async for rows in _partitions(connection, _MEMBERS, group_member.c.group_id, ids):
        yield [MemberRow(*row) for row in rows]


async def managers(connection: Connection, ids: Ids = None) -> AsyncIterator[list[ManagerRow]]:
    async for rows in _partitions(connection, _MANAGERS, group_manager.c.group_id, ids):
        yield [ManagerRow(*row) for row in rows]


async def _partitions(
    connection: Connection, statement: Select[Any], column: Column[Any], ids: Ids
) -> AsyncIterator[Iterable[Any]]:
    if ids is None:
        rows = await connection.stream(statement)
        async for partition in rows.partitions(_PARTITION):
            yield partition
        return
    wanted = sorted(ids)
    for first in range(0, len(wanted), _IDS):
        found = await connection.execute(statement.where(column.in_(wanted[first : first + _IDS])))
        yield found.all()
