"""The users and groups of all domains, served from memory.

Every request of every client asks who somebody is, so the directory is held whole (a few hundred bytes an entry) and
replaced in one assignment when the stamp in the data folder shows that somebody, this process or another, changed it.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID, uuid4

from mapigw.directory.addresses import canonical_address, checked_display_name, lookup_key
from mapigw.directory.errors import (
    DuplicateAddress,
    DuplicateMember,
    GroupCycle,
    UnknownAlias,
    UnknownGroup,
    UnknownMember,
    UnknownUser,
)
from mapigw.directory.model import Account, Group, User
from mapigw.directory.passwords import Passwords
from mapigw.directory.snapshot import Snapshot, snapshot_of
from mapigw.mailbox import provision
from mapigw.store import directory as rows
from mapigw.store import groups as group_rows
from mapigw.store.database import Connection, Database
from mapigw.store.groups import MemberRow
from mapigw.store.stamp import Kept, Stamp
from mapigw.wire.properties import filetime

ORGANIZATION = "mapigw"
_DN_NAME_LIMIT = 31  # with the 32 digits and the hyphen, the 64 characters of a cn (X.520 ub-common-name)


def legacy_dn(guid: UUID, address: str) -> str:
    """The LegacyDN of a new user or group. It is stored and never changes: profiles, entry ids and old mail name it.

    The form is Exchange's; the name at the end is for people who read traces.
    """
    name = re.sub(r"[^a-z0-9._-]", "", address.partition("@")[0])[:_DN_NAME_LIMIT]
    return f"/o={ORGANIZATION}/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn={guid.hex}-{name}"


class Directory:
    """Reads come from memory and are as fresh as the last finished write of any process.

    Where a method takes the address of a user, an alias does as well; `UnknownUser` says that nobody has it.
    """

    def __init__(
        self,
        database: Database,
        *,
        passwords: Passwords | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.passwords = passwords or Passwords()
        self._database = database
        self._stamp = Stamp(database.data, "directory")
        self._kept = Kept(self._stamp, self._load, clock)

    async def account(self, address: str) -> Account | None:
        """As `by_address`, with the password hash; for authentication only."""
        snapshot = await self._kept.get()
        key = lookup_key(address)
        return None if key is None else snapshot.by_address.get(key)

    def account_at_hand(self, address: str) -> Account | None:
        """As `account`, without waiting: None as well when the directory must be read anew first."""
        snapshot = self._kept.at_hand()
        key = lookup_key(address)
        return snapshot.by_address.get(key) if key is not None and snapshot is not None else None

    async def by_address(self, address: str) -> User | None:
        """Who has this primary address or alias, in any case of letters."""
        account = await self.account(address)
        return account.user if account else None

    async def by_legacy_dn(self, dn: str) -> User | None:
        """Whose LegacyDN this is, in any case of letters."""
        snapshot = await self._kept.get()
        account = snapshot.by_legacy_dn.get(dn.lower())
        return account.user if account else None

    async def by_mailbox(self, mailbox_id: int) -> User | None:
        snapshot = await self._kept.get()
        account = snapshot.by_mailbox.get(mailbox_id)
        return account.user if account else None

    async def users(self, domain: str | None = None) -> tuple[User, ...]:
        """All users, or those of a domain, enabled and disabled, by display name."""
        snapshot = await self._kept.get()
        if domain is None:
            return snapshot.users
        name = (lookup_key(f"x@{domain}") or "").partition("@")[2]
        return tuple(user for user in snapshot.users if user.domain == name)

    # Groups

    async def groups(self) -> tuple[Group, ...]:
        """All groups, by display name."""
        return (await self._kept.get()).groups

    async def group(self, address: str) -> Group | None:
        """The group with this address, in any case of letters."""
        key = lookup_key(address)
        return None if key is None else (await self._kept.get()).group_by_address.get(key)

    async def names_of(self, user: User) -> frozenset[str]:
        """The legacy DNs, in lower case, of a user and of every group that the user is in, at any depth."""
        return (await self._kept.get()).names_of(user)

    async def entry(self, dn: str) -> User | Group | None:
        """The user or group whose LegacyDN this is, in any case of letters."""
        return await self.by_legacy_dn(dn) or (await self._kept.get()).group_by_legacy_dn.get(dn.lower())

    async def add_group(self, address: str, *, display_name: str = "") -> Group:
        """Create an empty group, and its domain where it is the first there.

        Raises `InvalidAddress`, `InvalidDisplayName`, `DuplicateAddress`.
        """
        address = canonical_address(address)
        display_name = checked_display_name(display_name, address)
        async with self._change() as connection:
            await self._refuse_taken(connection, address)
            await group_rows.insert_group(
                connection,
                domain_id=await rows.ensure_domain(connection, address.partition("@")[2]),
                address=address,
                display_name=display_name,
                legacy_dn=legacy_dn(uuid4(), address),
                created=filetime(datetime.now(UTC)),
            )
        return await self._known_group(address)

    async def remove_group(self, address: str) -> None:
        """Remove a group. What it was granted is nobody's any more: a later namesake has another LegacyDN.

        Raises `UnknownGroup`.
        """
        async with self._change() as connection:
            await group_rows.delete_group(connection, await self._group_id(connection, address))

    async def add_member(self, group: str, member: str) -> Group:
        """Let a user, by any of the user's addresses, or a group be a member.

        Raises `UnknownGroup`, `UnknownUser` (neither a user nor a group), `DuplicateMember`, `GroupCycle`.
        """
        async with self._change() as connection:
            row = await self._member(connection, group, member)
            if row.member_group_id is not None and await group_rows.contains(
                connection, row.member_group_id, row.group_id
            ):
                raise GroupCycle(member, group)
            if not await group_rows.insert_member(connection, row):
                raise DuplicateMember(member, group)
        return await self._known_group(group)

    async def remove_member(self, group: str, member: str) -> Group:
        """Raises `UnknownGroup`, `UnknownUser` (neither a user nor a group), `UnknownMember`."""
        async with self._change() as connection:
            if not await group_rows.delete_member(connection, await self._member(connection, group, member)):
                raise UnknownMember(member, group)
        return await self._known_group(group)

    async def _known_group(self, address: str) -> Group:
        group = await self.group(address)
        if group is None:
            raise UnknownGroup(address)
        return group

    @staticmethod
    async def _group_id(connection: Connection, address: str) -> int:
        key = lookup_key(address)
        group_id = None if key is None else await group_rows.group_id_of(connection, key)
        if group_id is None:
            raise UnknownGroup(address)
        return group_id

    async def _member(self, connection: Connection, group: str, member: str) -> MemberRow:
        group_id = await self._group_id(connection, group)
        key = lookup_key(member)
        member_group_id = None if key is None else await group_rows.group_id_of(connection, key)
        if member_group_id is not None:
            return MemberRow(group_id, None, member_group_id)
        return MemberRow(group_id, await self._user_id(connection, member), None)

    # Users

    async def add(self, address: str, password: str, *, display_name: str = "", admin: bool = False) -> User:
        """Create a user with its mailbox, and its domain where it is the first there, in one transaction.

        Raises `InvalidAddress`, `InvalidDisplayName`, `InvalidPassword`, `DuplicateAddress`.
        """
        address = canonical_address(address)
        display_name = checked_display_name(display_name, address)
        await self._refuse_known(address)  # before the hash is worth its cost; the transaction checks again
        password_hash = await self.passwords.hash(password)
        mailbox_guid = uuid4()
        async with self._change() as connection:
            await self._refuse_taken(connection, address)
            user_id = await rows.insert_user(
                connection,
                domain_id=await rows.ensure_domain(connection, address.partition("@")[2]),
                mailbox_id=await provision.create_mailbox(connection, mailbox_guid),
                address=address,
                display_name=display_name,
                legacy_dn=legacy_dn(mailbox_guid, address),
                password_hash=password_hash,
                admin=admin,
                created=filetime(datetime.now(UTC)),
            )
        return await self._user(user_id, address)

    async def remove(self, address: str) -> None:
        """Delete the user, its aliases and its mailbox with everything in it."""
        async with self._change() as connection:
            user_id = await self._user_id(connection, address)
            mailbox_id = await rows.delete_user(connection, user_id)
            if mailbox_id is not None:
                await provision.delete_mailbox(connection, mailbox_id)

    async def set_password(self, address: str, password: str) -> User:
        """Raises `InvalidPassword`."""
        await self._known(address)
        return await self._update(address, password_hash=await self.passwords.hash(password))

    async def set_enabled(self, address: str, enabled: bool) -> User:
        return await self._update(address, enabled=enabled)

    async def set_admin(self, address: str, admin: bool) -> User:
        return await self._update(address, admin=admin)

    async def set_display_name(self, address: str, display_name: str) -> User:
        """An empty name stands for the part before the @. Raises `InvalidDisplayName`."""
        user = await self._known(address)
        return await self._update(address, display_name=checked_display_name(display_name, user.address))

    async def add_alias(self, address: str, alias: str) -> User:
        """Raises `InvalidAddress`, `DuplicateAddress`: an address belongs to one user, as primary one or as alias."""
        alias = canonical_address(alias)
        async with self._change() as connection:
            user_id = await self._user_id(connection, address)
            await self._refuse_taken(connection, alias)
            await rows.insert_alias(connection, user_id, alias)
        return await self._user(user_id, address)

    async def remove_alias(self, address: str, alias: str) -> User:
        """Raises `UnknownAlias`."""
        user = await self._known(address)
        async with self._change() as connection:
            user_id = await self._user_id(connection, user.address)
            if not await rows.delete_aliases(connection, user_id, [lookup_key(alias) or ""]):
                raise UnknownAlias(alias, user.address)
        return await self._user(user_id, user.address)

    async def replace_password_hash(self, account: Account, password_hash: str) -> bool:
        """Store another hash of the password that ``account`` has; False when the password was changed meanwhile."""
        async with self._change() as connection:
            return await rows.replace_password_hash(
                connection, account.user.user_id, account.password_hash, password_hash
            )

    async def _update(self, address: str, **values: str | bool) -> User:
        async with self._change() as connection:
            user_id = await self._user_id(connection, address)
            await rows.update_user(connection, user_id, **values)
        return await self._user(user_id, address)

    @asynccontextmanager
    async def _change(self) -> AsyncIterator[Connection]:
        """A write transaction that the stamp announces."""
        async with self._stamp.changing(), self._database.write() as connection:
            yield connection

    async def _known(self, address: str) -> User:
        user = await self.by_address(address)
        if user is None:
            raise UnknownUser(address)
        return user

    async def _refuse_known(self, address: str) -> None:
        owner = await self.by_address(address)
        if owner is not None:
            raise DuplicateAddress(address, owner.address)

    @staticmethod
    async def _user_id(connection: Connection, address: str) -> int:
        key = lookup_key(address)
        user_id = None if key is None else await rows.user_id_of(connection, key)
        if user_id is None:
            raise UnknownUser(address)
        return user_id

    @staticmethod
    async def _refuse_taken(connection: Connection, address: str) -> None:
        owner = await rows.owner_of(connection, address)
        if owner is not None:
            raise DuplicateAddress(address, owner)

    async def _user(self, user_id: int, address: str) -> User:
        user = await self.by_address(address)
        if user is None or user.user_id != user_id:  # removed by somebody else in the meantime
            raise UnknownUser(address)
        return user

    async def _load(self) -> Snapshot:
        async with self._database.snapshot() as connection:
            users, aliases = await rows.load(connection)
            found, members = await group_rows.load(connection)
        return await asyncio.to_thread(snapshot_of, users, aliases, found, members)
