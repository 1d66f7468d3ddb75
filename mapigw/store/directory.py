"""The queries of the directory: domains, entries and their addresses. Addresses and DNs come in here in lower case.

Functions work inside the caller's connection and transaction; a write transaction holds the store's write lock, so what
was checked in it stays true until it ends. Who changes an entry notes that (`mapigw.store.directory_changes.note`).
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Column,
    CompoundSelect,
    Table,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    union_all,
    update,
)

from mapigw.store.database import Connection
from mapigw.store.directory_changes import EntryId, EntryKind
from mapigw.store.schema import (
    binary_attribute,
    contact,
    domain,
    group,
    group_manager,
    group_member,
    proxy,
    user,
)

_TABLES: Final[dict[EntryKind, tuple[Table, Column[Any], Column[Any]]]] = {
    EntryKind.USER: (user, user.c.user_id, proxy.c.user_id),
    EntryKind.GROUP: (group, group.c.group_id, proxy.c.group_id),
    EntryKind.CONTACT: (contact, contact.c.contact_id, proxy.c.contact_id),
}
"""Of each kind of entry: its table, its id, and the column of ``proxy`` that refers to it."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who has an address, and in whose list."""

    entry: EntryId
    domain_id: int


def _owners() -> CompoundSelect[Any]:
    wanted: BindParameter[Any] = bindparam("addresses", expanding=True)
    selects = []
    for kind, (table, number, owner) in _TABLES.items():
        columns = (literal(kind.value).label("kind"), number, table.c.domain_id)
        selects.append(select(table.c.address, *columns).where(table.c.address.in_(wanted)))
        selects.append(
            select(proxy.c.address, *columns)
            .join_from(proxy, table, owner == number)
            .where(proxy.c.address.in_(wanted))
        )
    return union_all(*selects)


_OWNERS: Final = _owners()
_AT_ONCE: Final = 500  # values in one statement


async def owners(connection: Connection, addresses: Iterable[str]) -> dict[str, list[Owner]]:
    """Who has each of the addresses, as the primary one or as an alias: a user, a group, or several contacts."""
    found: dict[str, list[Owner]] = {}
    wanted = list(addresses)
    for first in range(0, len(wanted), _AT_ONCE):
        rows = await connection.execute(_OWNERS, {"addresses": wanted[first : first + _AT_ONCE]})
        for address, kind, number, domain_id in rows:
            found.setdefault(address, []).append(Owner(EntryId(EntryKind(kind), number), domain_id))
    return found


async def find_dn(connection: Connection, dn: str) -> EntryId | None:
    """Whose LegacyDN or X500 proxy ``dn`` is, in any case of letters."""
    for name, lower in ((dn, False), (dn.lower(), True)):  # mostly as it is stored, where there is an index
        selects = []
        for kind, (table, number, owner) in _TABLES.items():
            own = func.lower(table.c.legacy_dn) if lower else table.c.legacy_dn
            selects.append(select(literal(kind.value), number).where(own == name))
            selects.append(select(literal(kind.value), owner).where(proxy.c.address == name, owner.is_not(None)))
        row = (await connection.execute(union_all(*selects))).first()
        if row is not None:
            return EntryId(EntryKind(row[0]), row[1])
    return None


async def sources(connection: Connection) -> dict[str, EntryId]:
    """Every entry that is synchronized, by what it is synchronized from."""
    found: dict[str, EntryId] = {}
    for kind, (table, number, _) in _TABLES.items():
        rows = await connection.execute(select(table.c.source, number).where(table.c.source.is_not(None)))
        found.update((source, EntryId(kind, entry_id)) for source, entry_id in rows)
    return found


async def rows_of(connection: Connection, entries: Iterable[EntryId]) -> dict[EntryId, dict[str, Any]]:
    """The rows of entries, by column; with the name of the domain as ``domain``."""
    found: dict[EntryId, dict[str, Any]] = {}
    for kind, some in _some(entries):
        table, number, _ = _TABLES[kind]
        rows = await connection.execute(
            select(table, domain.c.name.label("domain")).join_from(table, domain).where(number.in_(some))
        )
        found.update((EntryId(kind, row[number.name]), dict(row)) for row in rows.mappings())
    return found


async def proxies_of(connection: Connection, entries: Iterable[EntryId]) -> dict[EntryId, set[str]]:
    """Aliases and X500 proxies; those of an entry that has none are not there."""
    found: dict[EntryId, set[str]] = {}
    for kind, some in _some(entries):
        owner = _TABLES[kind][2]
        rows = await connection.execute(select(owner, proxy.c.address).where(owner.in_(some)))
        for number, address in rows:
            found.setdefault(EntryId(kind, number), set()).add(address)
    return found


def _some(entries: Iterable[EntryId]) -> Iterator[tuple[EntryKind, list[int]]]:
    ordered = sorted(entries)
    for kind in EntryKind:
        numbers = [entry.number for entry in ordered if entry.kind is kind]
        for first in range(0, len(numbers), _AT_ONCE):
            yield kind, numbers[first : first + _AT_ONCE]


async def account_of(connection: Connection, user_id: int) -> tuple[str, str] | None:
    """The password hash and the DN of the LDAP entry, each "" for none; None: there is no such user."""
    found = await connection.execute(select(user.c.password_hash, user.c.source_dn).where(user.c.user_id == user_id))
    row = found.first()
    return None if row is None else (row[0], row[1] or "")


async def find_domain(connection: Connection, name: str) -> int | None:
    return (await connection.execute(select(domain.c.domain_id).where(domain.c.name == name))).scalar()


async def ensure_domain(connection: Connection, name: str) -> int:
    """The domain's id; the domain is made on its first use."""
    found = await find_domain(connection, name)
    if found is not None:
        return found
    made = await connection.execute(insert(domain).values(name=name).returning(domain.c.domain_id))
    return int(made.scalar_one())


async def insert_entry(connection: Connection, entry_kind: EntryKind, **values: Any) -> EntryId:
    """Insert a row with these columns."""
    made = await connection.execute(insert(_TABLES[entry_kind][0]), values)
    assert made.inserted_primary_key is not None
    return EntryId(entry_kind, int(made.inserted_primary_key[0]))


async def update_entry(connection: Connection, entry: EntryId, **values: Any) -> None:
    """Set columns of a row."""
    table, number, _ = _TABLES[entry.kind]
    await connection.execute(update(table).where(number == entry.number).values(**values))


async def replace_password_hash(connection: Connection, user_id: int, old: str, new: str) -> bool:
    """Put ``new`` where still ``old`` stands; False when the password has been changed meanwhile."""
    done = await connection.execute(
        update(user).where(user.c.user_id == user_id, user.c.password_hash == old).values(password_hash=new)
    )
    return done.rowcount == 1


async def delete_entry(connection: Connection, entry: EntryId, legacy_dn: str) -> int | None:
    """Delete an entry with its addresses, memberships and binary attributes; it is nobody's manager any more.

    Returns the id of the mailbox that nobody has any more, if it was a user.
    """
    table, number, _ = _TABLES[entry.kind]
    for managed in (user, contact):
        await connection.execute(update(managed).where(managed.c.manager == legacy_dn).values(manager=None))
    await connection.execute(delete(binary_attribute).where(binary_attribute.c.legacy_dn == legacy_dn.lower()))
    gone = await connection.execute(delete(table).where(number == entry.number).returning(table))
    row = gone.mappings().first()
    return row.get("mailbox_id") if row is not None else None


async def insert_proxy(connection: Connection, entry: EntryId, address: str) -> None:
    owner = _TABLES[entry.kind][2]
    await connection.execute(insert(proxy).values({"address": address, owner.name: entry.number}))


async def delete_proxies(connection: Connection, entry: EntryId, addresses: Sequence[str]) -> int:
    """Returns how many of the addresses were further ones of this entry."""
    owner = _TABLES[entry.kind][2]
    gone = await connection.execute(delete(proxy).where(owner == entry.number, proxy.c.address.in_(addresses)))
    return gone.rowcount


async def binaries(connection: Connection, legacy_dn: str, name: str) -> list[bytes]:
    """The values of a binary attribute of the entry with this DN."""
    columns = binary_attribute.c
    found = await connection.execute(
        select(columns.value).where(columns.legacy_dn == legacy_dn, columns.name == name).order_by(columns.position)
    )
    return list(found.scalars())


async def binaries_of(connection: Connection, legacy_dns: Collection[str], name: str) -> dict[str, list[bytes]]:
    """As `binaries`, of several entries: those that have any."""
    columns = binary_attribute.c
    found: dict[str, list[bytes]] = {}
    for row in await connection.execute(
        select(columns.legacy_dn, columns.value)
        .where(columns.legacy_dn.in_(legacy_dns), columns.name == name)
        .order_by(columns.legacy_dn, columns.position)
    ):
        found.setdefault(row.legacy_dn, []).append(row.value)
    return found


async def having_binaries(connection: Connection, legacy_dns: Collection[str], name: str) -> set[str]:
    """Those of the DNs whose entries have a value of a binary attribute."""
    columns = binary_attribute.c
    found = await connection.execute(
        select(columns.legacy_dn).where(columns.legacy_dn.in_(legacy_dns), columns.name == name)
    )
    return set(found.scalars())


async def replace_binaries(connection: Connection, legacy_dn: str, name: str, values: Iterable[bytes]) -> None:
    """Let these be the values."""
    columns = binary_attribute.c
    await connection.execute(delete(binary_attribute).where(columns.legacy_dn == legacy_dn, columns.name == name))
    rows = [
        {"legacy_dn": legacy_dn, "name": name, "position": position, "value": value}
        for position, value in enumerate(values)
    ]
    if rows:
        await connection.execute(insert(binary_attribute), rows)


async def groups_naming(connection: Connection, entry: EntryId) -> list[EntryId]:
    """The groups that an entry is a member or a manager of."""
    members, managers = group_member.c, group_manager.c
    selects = {
        EntryKind.USER: (
            select(members.group_id).where(members.user_id == entry.number),
            select(managers.group_id).where(managers.user_id == entry.number),
        ),
        EntryKind.GROUP: (
            select(members.group_id).where(members.member_group_id == entry.number),
            select(managers.group_id).where(managers.manager_group_id == entry.number),
        ),
        EntryKind.CONTACT: (select(members.group_id).where(members.contact_id == entry.number),),
    }[entry.kind]
    found = await connection.execute(union_all(*selects))
    return [EntryId(EntryKind.GROUP, number) for number in found.scalars()]


async def managed_by(connection: Connection, legacy_dn: str) -> list[EntryId]:
    """Whose manager the entry with this DN is."""
    found = await connection.execute(
        union_all(
            select(literal(EntryKind.USER.value), user.c.user_id).where(user.c.manager == legacy_dn),
            select(literal(EntryKind.CONTACT.value), contact.c.contact_id).where(contact.c.manager == legacy_dn),
        )
    )
    return [EntryId(EntryKind(kind), number) for kind, number in found]
