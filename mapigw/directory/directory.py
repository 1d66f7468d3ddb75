"""The users of all domains, served from memory.

Every request of every client asks who somebody is, so the directory is held whole (a few hundred bytes an entry) and
replaced in one assignment when the stamp in the data folder shows that somebody, this process or another, changed it.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

from mapigw.directory.addresses import canonical_address, checked_display_name, lookup_key
from mapigw.directory.errors import DuplicateAddress, UnknownAlias, UnknownUser
from mapigw.directory.model import Account, User
from mapigw.directory.passwords import Passwords
from mapigw.mailbox import provision
from mapigw.store import directory as rows
from mapigw.store.database import Connection, Database
from mapigw.store.stamp import Stamp, StampState
from mapigw.wire.properties import filetime

ORGANIZATION = "mapigw"
CONFIRMATION_DELAY = 30.0  # seconds; longer than any write of the directory takes
_DN_NAME_LIMIT = 31  # with the 32 digits and the hyphen, the 64 characters of a cn (X.520 ub-common-name)


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """The directory at one moment, by everything it is asked for."""

    users: tuple[User, ...] = ()
    by_address: dict[str, Account] = field(default_factory=dict)
    by_legacy_dn: dict[str, Account] = field(default_factory=dict)  # lower case
    by_mailbox: dict[int, Account] = field(default_factory=dict)


def legacy_dn(mailbox_guid: UUID, address: str) -> str:
    """The LegacyDN of a new user. It is stored and never changes: profiles, entry ids and old mail name it.

    The form is Exchange's; the name at the end is for people who read traces.
    """
    name = re.sub(r"[^a-z0-9._-]", "", address.partition("@")[0])[:_DN_NAME_LIMIT]
    return (
        f"/o={ORGANIZATION}/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients"
        f"/cn={mailbox_guid.hex}-{name}"
    )


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
        self._clock = clock
        self._stamp = Stamp(database.data, "directory")
        self._loading = asyncio.Lock()
        self._snapshot = _Snapshot()
        self._loaded_at: StampState | None = None
        self._confirm_after: float | None = None

    async def account(self, address: str) -> Account | None:
        """As `by_address`, with the password hash; for authentication only."""
        snapshot = self._snapshot if self._is_fresh() else await self._reload()
        key = lookup_key(address)
        return None if key is None else snapshot.by_address.get(key)

    def account_at_hand(self, address: str) -> Account | None:
        """As `account`, without waiting: None as well when the directory must be read anew first."""
        key = lookup_key(address)
        return self._snapshot.by_address.get(key) if key is not None and self._is_fresh() else None

    async def by_address(self, address: str) -> User | None:
        """Who has this primary address or alias, in any case of letters."""
        account = await self.account(address)
        return account.user if account else None

    async def by_legacy_dn(self, dn: str) -> User | None:
        """Whose LegacyDN this is, in any case of letters."""
        snapshot = self._snapshot if self._is_fresh() else await self._reload()
        account = snapshot.by_legacy_dn.get(dn.lower())
        return account.user if account else None

    async def by_mailbox(self, mailbox_id: int) -> User | None:
        snapshot = self._snapshot if self._is_fresh() else await self._reload()
        account = snapshot.by_mailbox.get(mailbox_id)
        return account.user if account else None

    async def users(self, domain: str | None = None) -> tuple[User, ...]:
        """All users, or those of a domain, enabled and disabled, by display name."""
        snapshot = self._snapshot if self._is_fresh() else await self._reload()
        if domain is None:
            return snapshot.users
        name = (lookup_key(f"x@{domain}") or "").partition("@")[2]
        return tuple(user for user in snapshot.users if user.domain == name)

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
        """A write transaction between two bumps of the stamp; see `mapigw.store.stamp`."""
        await asyncio.to_thread(self._stamp.bump)
        try:
            async with self._database.write() as connection:
                yield connection
        finally:
            await asyncio.to_thread(self._stamp.bump)

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
        owner = await rows.user_id_of(connection, address)
        if owner is not None:
            raise DuplicateAddress(address, await rows.primary_address(connection, owner))

    async def _user(self, user_id: int, address: str) -> User:
        user = await self.by_address(address)
        if user is None or user.user_id != user_id:  # removed by somebody else in the meantime
            raise UnknownUser(address)
        return user

    def _is_fresh(self) -> bool:
        """One stat() (about 1 µs, no disk access), so it runs on the event loop."""
        if self._stamp.state() != self._loaded_at:
            return False
        return self._confirm_after is None or self._clock() < self._confirm_after

    async def _reload(self) -> _Snapshot:
        async with self._loading:
            if self._is_fresh():  # another task has loaded it while this one waited
                return self._snapshot
            state = self._stamp.state()  # before the rows: a change while they are read shows afterwards
            changed = state != self._loaded_at
            async with self._database.snapshot() as connection:
                users, aliases = await rows.load(connection)
            self._snapshot = await asyncio.to_thread(_snapshot_of, users, aliases)
            self._loaded_at = state
            # A writer that died between its commit and its second bump left no more than its first one, and this load
            # may have come before its commit. So what was changed is read once more, when that writer must be done.
            self._confirm_after = self._clock() + CONFIRMATION_DELAY if changed else None
            return self._snapshot


def _snapshot_of(users: list[rows.UserRow], aliases: list[rows.AliasRow]) -> _Snapshot:
    aliases_of: dict[int, list[str]] = {}
    for alias in aliases:
        aliases_of.setdefault(alias.user_id, []).append(alias.address)
    accounts = [
        Account(
            User(
                user_id=row.user_id,
                mailbox_id=row.mailbox_id,
                mailbox_guid=row.mailbox_guid,
                address=row.address,
                display_name=row.display_name,
                legacy_dn=row.legacy_dn,
                domain=row.domain,
                aliases=tuple(aliases_of.get(row.user_id, ())),
                enabled=row.enabled,
                admin=row.admin,
            ),
            row.password_hash,
        )
        for row in users
    ]
    return _Snapshot(
        users=tuple(
            sorted(
                (account.user for account in accounts), key=lambda user: (user.display_name.casefold(), user.address)
            )
        ),
        by_address={
            address: account for account in accounts for address in (account.user.address, *account.user.aliases)
        },
        by_legacy_dn={account.user.legacy_dn.lower(): account for account in accounts},
        by_mailbox={account.user.mailbox_id: account for account in accounts},
    )
