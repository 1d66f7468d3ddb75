"""The queries of the directory: domains, users and aliases. Every address that comes in here is already lower case.

Functions work inside the caller's connection and transaction; a write transaction holds the store's write lock, so what
was checked in it stays true until it ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, insert, select, union_all, update

from mapigw.store.database import Connection
from mapigw.store.schema import alias, domain, group, mailbox, user

_PARTITION = 1000  # rows taken from the driver at once: between two the event loop runs


@dataclass(frozen=True, slots=True)
class UserRow:
    """A row of ``user`` with the names its keys stand for."""

    user_id: int
    mailbox_id: int
    mailbox_guid: UUID
    domain: str
    address: str
    display_name: str
    legacy_dn: str
    password_hash: str
    enabled: bool
    admin: bool


@dataclass(frozen=True, slots=True)
class AliasRow:
    address: str
    user_id: int


async def load(connection: Connection) -> tuple[list[UserRow], list[AliasRow]]:
    """Every user and every alias, each in the order of its address, of one moment."""
    users: list[UserRow] = []
    rows = await connection.stream(
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
        )
        .join_from(user, domain)
        .join(mailbox, mailbox.c.mailbox_id == user.c.mailbox_id)
        .order_by(user.c.address)
    )
    async for partition in rows.partitions(_PARTITION):
        for row in partition:
            user_id, mailbox_id, guid, *others = row
            users.append(UserRow(user_id, mailbox_id, UUID(bytes_le=guid), *others))
    aliases: list[AliasRow] = []
    rows = await connection.stream(select(alias.c.address, alias.c.user_id).order_by(alias.c.address))
    async for partition in rows.partitions(_PARTITION):
        aliases.extend(AliasRow(row[0], row[1]) for row in partition)
    return users, aliases


async def user_id_of(connection: Connection, address: str) -> int | None:
    """Who has ``address``, as the primary one or as an alias."""
    found = await connection.execute(
        union_all(
            select(user.c.user_id).where(user.c.address == address),
            select(alias.c.user_id).where(alias.c.address == address),
        )
    )
    return found.scalars().first()


async def owner_of(connection: Connection, address: str) -> str | None:
    """The primary address of the user or group that has ``address``, as the primary one or as an alias."""
    found = await connection.execute(
        union_all(
            select(user.c.address).where(user.c.address == address),
            select(user.c.address).join_from(user, alias).where(alias.c.address == address),
            select(group.c.address).where(group.c.address == address),
        )
    )
    return found.scalars().first()


async def ensure_domain(connection: Connection, name: str) -> int:
    """The domain's id; the domain is made on its first use."""
    found = (await connection.execute(select(domain.c.domain_id).where(domain.c.name == name))).scalar()
    if found is not None:
        return int(found)
    made = await connection.execute(insert(domain).values(name=name).returning(domain.c.domain_id))
    return int(made.scalar_one())


async def insert_user(
    connection: Connection,
    *,
    domain_id: int,
    mailbox_id: int,
    address: str,
    display_name: str,
    legacy_dn: str,
    password_hash: str,
    admin: bool,
    created: int,
) -> int:
    """Insert an enabled user; ``created`` is a FILETIME. Returns the user's id."""
    made = await connection.execute(
        insert(user)
        .values(
            domain_id=domain_id,
            mailbox_id=mailbox_id,
            address=address,
            display_name=display_name,
            legacy_dn=legacy_dn,
            password_hash=password_hash,
            enabled=True,
            admin=admin,
            created=created,
        )
        .returning(user.c.user_id)
    )
    return int(made.scalar_one())


async def update_user(connection: Connection, user_id: int, **values: str | bool) -> None:
    await connection.execute(update(user).where(user.c.user_id == user_id).values(**values))


async def replace_password_hash(connection: Connection, user_id: int, old: str, new: str) -> bool:
    """Put ``new`` where still ``old`` stands; False when the password has been changed meanwhile."""
    done = await connection.execute(
        update(user).where(user.c.user_id == user_id, user.c.password_hash == old).values(password_hash=new)
    )
    return done.rowcount == 1


async def delete_user(connection: Connection, user_id: int) -> int | None:
    """Delete a user and the aliases; returns the id of the mailbox that nobody has any more."""
    await connection.execute(delete(alias).where(alias.c.user_id == user_id))
    gone = await connection.execute(delete(user).where(user.c.user_id == user_id).returning(user.c.mailbox_id))
    return gone.scalar()


async def insert_alias(connection: Connection, user_id: int, address: str) -> None:
    await connection.execute(insert(alias).values(address=address, user_id=user_id))


async def delete_aliases(connection: Connection, user_id: int, addresses: Sequence[str]) -> int:
    """Returns how many of the addresses were aliases of this user."""
    gone = await connection.execute(delete(alias).where(alias.c.user_id == user_id, alias.c.address.in_(addresses)))
    return gone.rowcount
