"""Who may use a mailbox that is not the own one, and who wants to see it.

A right is given on a mailbox as a whole, to a user or to a group. The permissions on folders, which clients set, stand
beside it: what either grants is granted. A subscription has a user's clients open a mailbox; without a right it does
nothing.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from mapigw.directory.errors import InvalidGrantee, NotGranted, NotSubscribed, UnknownEntry
from mapigw.directory.model import Entry, Group, User
from mapigw.mailbox.permissions import Right
from mapigw.store import sharing as rows
from mapigw.store.database import Connection, Database
from mapigw.store.sharing import GrantRow, SubscriptionRow
from mapigw.store.stamp import Kept, Stamp


class SentCopy(StrEnum):
    """Who keeps a copy of what a member sends as the mailbox."""

    MEMBER = "member"
    MAILBOX = "mailbox"
    BOTH = "both"


GRANTABLE: Final = {right.name.lower(): right for right in Right if right}
"""By the name that the store and commands have for it."""
_NAMES: Final = {right: name for name, right in GRANTABLE.items()}


@dataclass(frozen=True, slots=True)
class _Shares:
    grants: Mapping[int, Mapping[str, Right]]
    """By mailbox, then by legacy DN in lower case."""
    subscriptions: Mapping[int, Mapping[int, bool]]
    """By user, then by mailbox: whether it is active."""
    sent_copies: Mapping[int, SentCopy]


class Sharing:
    """All rights and subscriptions, from memory and as fresh as the last finished change of any process.

    ``names_of`` tells the names that a user is granted something under, as `Directory.names_of`.
    """

    def __init__(self, database: Database, names_of: Callable[[User], Awaitable[frozenset[str]]]) -> None:
        self._database = database
        self._names_of = names_of
        self._stamp = Stamp(database.data, "sharing")
        self._kept = Kept(self._stamp, self._load)

    async def mailbox_rights(self, user: User, owner: User) -> Right:
        """The most that a user, or a group that the user is in, may do with a mailbox; MANAGE with the own one."""
        if user.user_id == owner.user_id:
            return Right.MANAGE
        granted = (await self._kept.get()).grants.get(owner.mailbox_id)
        if not granted:
            return Right.NONE
        names = await self._names_of(user)
        return max((granted[name] for name in names & granted.keys()), default=Right.NONE)

    async def grants(self, owner: User) -> Mapping[str, Right]:
        """What is granted on a mailbox, by legacy DN in lower case."""
        return (await self._kept.get()).grants.get(owner.mailbox_id, {})

    async def subscriptions(self, user: User) -> Mapping[int, bool]:
        """The ids of the mailboxes that a user has subscribed to, and whether it is active."""
        return (await self._kept.get()).subscriptions.get(user.user_id, {})

    async def subscribers(self, owner: User) -> dict[int, bool]:
        """The ids of the users who have subscribed to a mailbox, and whether it is active."""
        found = (await self._kept.get()).subscriptions
        return {user_id: own[owner.mailbox_id] for user_id, own in found.items() if owner.mailbox_id in own}

    async def sent_copy(self, owner: User) -> SentCopy:
        return (await self._kept.get()).sent_copies.get(owner.mailbox_id, SentCopy.BOTH)

    # Changes

    async def grant(self, owner: User, grantee: Entry, right: Right, *, subscribers: Iterable[User] = ()) -> None:
        """Give a user or a group this right on a mailbox, in the place of what it had, and subscribe some users.

        All or nothing. Raises `InvalidGrantee` for a contact and for the mailbox itself, `UnknownEntry`.
        """
        if not isinstance(grantee, User | Group) or grantee == owner:
            raise InvalidGrantee(grantee.key)
        async with self._stamp.changing(), self._database.write() as connection:
            await _require_mailbox(connection, owner)
            await rows.replace_grant(connection, GrantRow(owner.mailbox_id, grantee.legacy_dn.lower(), _NAMES[right]))
            for user in subscribers:
                await _subscribe(connection, user, owner, active=True)

    async def revoke(self, owner: User, legacy_dn: str) -> None:
        """Take back what was granted to this DN, whose entry may be gone. Raises `NotGranted`."""
        async with self._stamp.changing(), self._database.write() as connection:
            if not await rows.delete_grant(connection, owner.mailbox_id, legacy_dn.lower()):
                raise NotGranted(legacy_dn, owner.key)

    async def subscribe(self, user: User, owner: User, *, active: bool = True) -> None:
        """Raises `InvalidGrantee` for the own mailbox, `UnknownEntry`."""
        if user.user_id == owner.user_id:
            raise InvalidGrantee(user.key)
        async with self._stamp.changing(), self._database.write() as connection:
            await _require_mailbox(connection, owner)
            await _subscribe(connection, user, owner, active=active)

    async def unsubscribe(self, user: User, owner: User) -> None:
        """Raises `NotSubscribed`."""
        async with self._stamp.changing(), self._database.write() as connection:
            if not await rows.delete_subscription(connection, owner.mailbox_id, user.user_id):
                raise NotSubscribed(user.key, owner.key)

    async def set_sent_copy(self, owner: User, sent_copy: SentCopy) -> None:
        async with self._stamp.changing(), self._database.write() as connection:
            await rows.update_sent_copy(connection, owner.mailbox_id, sent_copy.value)

    async def _load(self) -> _Shares:
        async with self._database.snapshot() as connection:
            grant_rows = await rows.select_grants(connection)
            subscription_rows = await rows.select_subscriptions(connection)
            sent_copies = await rows.select_sent_copies(connection, SentCopy.BOTH.value)
        grants: dict[int, dict[str, Right]] = {}
        for mailbox_id, legacy_dn, right in grant_rows:
            grants.setdefault(mailbox_id, {})[legacy_dn] = GRANTABLE[right]
        subscriptions: dict[int, dict[int, bool]] = {}
        for mailbox_id, user_id, active in subscription_rows:
            subscriptions.setdefault(user_id, {})[mailbox_id] = active
        return _Shares(grants, subscriptions, {number: SentCopy(name) for number, name in sent_copies.items()})


async def _require_mailbox(connection: Connection, owner: User) -> None:
    if not await rows.has_mailbox(connection, owner.mailbox_id):
        raise UnknownEntry(owner.key)


async def _subscribe(connection: Connection, user: User, owner: User, *, active: bool) -> None:
    if not await rows.has_user(connection, user.user_id):
        raise UnknownEntry(user.key)
    await rows.replace_subscription(connection, SubscriptionRow(owner.mailbox_id, user.user_id, active))
