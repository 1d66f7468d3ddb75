"""The directory as it was at one moment, by everything it is asked for.

A hundred thousand entries are held at once, so there is one object an entry and no key that is not a string of it: what
is asked for by DN or by mailbox is found by bisection in a list.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, TypeVar
from uuid import UUID

from mapigw.directory.details import NO_DETAILS, Details
from mapigw.directory.model import Contact, Entries, Entry, Group, MailboxKind, User
from mapigw.store.directory_changes import EntryId, EntryKind
from mapigw.store.directory_loading import ContactRow, GroupRow, ManagerRow, MemberRow, ProxyRow, UserRow

_Item = TypeVar("_Item")
_Names = dict[int, tuple[str, str]]  # key and legacy DN by id
_KINDS: Final = {kind.value: kind for kind in MailboxKind}
_SHORTEST_MARK: Final = (1 << 60) - 1  # what fits into the smallest integer object


@dataclass(frozen=True, slots=True)
class Snapshot:
    entries: Entries
    by_address: dict[str, User]
    """By primary address, alias, and the name of what has no address."""
    group_by_address: dict[str, Group]
    contact_by_address: dict[str, tuple[Contact, ...]]
    """One at most in each domain."""
    in_dn_order: list[Entry]
    by_x500: dict[str, Entry]
    in_mailbox_order: list[User]
    containing: dict[str, tuple[Group, ...]]
    """By the legacy DN of a user or a group: the groups that it is a member of itself."""
    members: dict[int, tuple[str, ...]]
    """By the id of a group: the legacy DNs of its members."""
    change: int = 0
    """The latest change that is in it."""

    def by_dn(self, dn: str) -> Entry | None:
        """Whose LegacyDN or X500 proxy this is, in any case of letters."""
        dn = dn.lower()
        return _found(self.in_dn_order, dn, _dn) or self.by_x500.get(dn)

    def by_mailbox(self, mailbox_id: int) -> User | None:
        return _found(self.in_mailbox_order, mailbox_id, _mailbox)

    def names_of(self, user: User) -> frozenset[str]:
        """The legacy DNs, in lower case, of a user and of every group that the user is in, at any depth."""
        names = {user.legacy_dn.lower()}
        waiting = [user.legacy_dn]
        while waiting:
            for group in self.containing.get(waiting.pop(), ()):
                name = group.legacy_dn.lower()
                if name not in names:
                    names.add(name)
                    waiting.append(group.legacy_dn)
        return frozenset(names)


@dataclass(slots=True)
class Part:
    """Entries as they are read: all there are, or those that have changed."""

    users: list[User] = field(default_factory=list)
    groups: list[GroupRow] = field(default_factory=list)
    contacts: list[Contact] = field(default_factory=list)
    group_proxies: dict[int, list[str]] = field(default_factory=dict)
    members: list[MemberRow] = field(default_factory=list)
    managers: list[ManagerRow] = field(default_factory=list)


EMPTY: Final = Snapshot(Entries((), (), ()), {}, {}, {}, [], {}, [], {}, {})


def snapshot_of(part: Part, change: int = 0, *, old: Snapshot = EMPTY, changed: Collection[EntryId] = ()) -> Snapshot:
    """What ``part`` has, and what ``old`` has but for the ``changed`` entries."""
    entries, members = old.entries, old.members
    if changed:
        gone = {kind: {entry.number for entry in changed if entry.kind is kind} for kind in EntryKind}
        entries = Entries(
            tuple(user for user in entries.users if user.user_id not in gone[EntryKind.USER]),
            tuple(group for group in entries.groups if group.group_id not in gone[EntryKind.GROUP]),
            tuple(contact for contact in entries.contacts if contact.contact_id not in gone[EntryKind.CONTACT]),
        )
        members = {number: names for number, names in members.items() if number not in gone[EntryKind.GROUP]}
    users = sorted((*entries.users, *part.users), key=_by_name)  # quick for what is nearly in order
    contacts = sorted((*entries.contacts, *part.contacts), key=_by_name)
    made, members_of_made = _groups(part, users, entries.groups, contacts)
    groups = sorted((*entries.groups, *made), key=_by_name)
    return _indexed(Entries(tuple(users), tuple(groups), tuple(contacts)), {**members, **members_of_made}, change)


def _indexed(entries: Entries, members: dict[int, tuple[str, ...]], change: int) -> Snapshot:
    contacts: dict[str, tuple[Contact, ...]] = {}
    for contact in entries.contacts:
        for address in (contact.address, *contact.aliases):
            contacts[address] = (*contacts.get(address, ()), contact)
    containing: dict[str, list[Group]] = {}
    for group in entries.groups:
        for name in members.get(group.group_id, ()):
            containing.setdefault(name, []).append(group)
    return Snapshot(
        entries,
        by_address={address: user for user in entries.users for address in (user.key, *user.aliases)},
        group_by_address={address: group for group in entries.groups for address in (group.address, *group.aliases)},
        contact_by_address=contacts,
        in_dn_order=sorted(_all(entries), key=_dn),
        by_x500={name: entry for entry in _all(entries) for name in entry.x500},
        in_mailbox_order=sorted(entries.users, key=_mailbox),
        containing={name: tuple(groups) for name, groups in containing.items()},
        members=members,
        change=change,
    )


def _groups(
    part: Part, users: Iterable[User], groups: Iterable[Group], contacts: Iterable[Contact]
) -> tuple[list[Group], dict[int, tuple[str, ...]]]:
    """The groups of ``part``, and the legacy DNs of their members. The others are who may be a member."""
    if not part.groups:
        return [], {}
    user_names: _Names = {user.user_id: (user.key, user.legacy_dn) for user in users}
    contact_names: _Names = {contact.contact_id: (contact.address, contact.legacy_dn) for contact in contacts}
    group_names: _Names = {group.group_id: (group.address, group.legacy_dn) for group in groups}
    group_names.update((row.group_id, (row.address, row.legacy_dn)) for row in part.groups)
    members: dict[int, list[tuple[str, str]]] = {}
    for member in part.members:
        if member.user_id is not None:
            name = user_names[member.user_id]
        elif member.contact_id is not None:
            name = contact_names[member.contact_id]
        else:
            name = group_names[member.member_group_id or 0]
        members.setdefault(member.group_id, []).append(name)
    managers: dict[int, list[str]] = {}
    for manager in part.managers:
        name = group_names[manager.manager_group_id or 0] if manager.user_id is None else user_names[manager.user_id]
        managers.setdefault(manager.group_id, []).append(name[1])
    made = []
    for row in part.groups:
        aliases, x500 = split_proxies(part.group_proxies.get(row.group_id, ()))
        group = Group(
            group_id=row.group_id,
            address=row.address,
            display_name=row.display_name,
            legacy_dn=row.legacy_dn,
            domain=row.domain,
            members=tuple(sorted(key for key, _ in members.get(row.group_id, ()))),
            hidden=bool(row.hidden),
            aliases=aliases,
            x500=x500,
            managers=tuple(sorted(managers.get(row.group_id, ()))),
            details=Details(row.details) if row.details else NO_DETAILS,
        )
        made.append(group)
    return made, {number: tuple(dn for _, dn in names) for number, names in members.items()}


class EntryReader:
    """Makes users and contacts of rows, with one string where many have an equal one."""

    def __init__(self, proxies: dict[int, list[str]]) -> None:
        self._proxies = proxies
        self._strings: dict[str, str] = {}

    def user(self, row: UserRow) -> User:
        aliases, x500 = split_proxies(self._proxies.get(row.user_id, ()))
        has_address = "@" in row.address
        return User(
            user_id=row.user_id,
            mailbox_id=row.mailbox_id,
            mailbox_guid=UUID(bytes_le=row.mailbox_guid),
            address=row.address if has_address else "",
            display_name=row.display_name,
            legacy_dn=row.legacy_dn,
            domain=self._same(row.domain),
            aliases=aliases,
            enabled=bool(row.enabled),
            admin=bool(row.admin),
            kind=_KINDS[row.kind],
            hidden=bool(row.hidden),
            x500=x500,
            manager=self._same(row.manager or ""),
            details=Details(row.details) if row.details else NO_DETAILS,
            name="" if has_address else row.address,
            password_mark=password_mark(row.password_hash),
        )

    def contact(self, row: ContactRow) -> Contact:
        aliases, x500 = split_proxies(self._proxies.get(row.contact_id, ()))
        return Contact(
            contact_id=row.contact_id,
            address=row.address,
            display_name=row.display_name,
            legacy_dn=row.legacy_dn,
            domain=self._same(row.domain),
            hidden=bool(row.hidden),
            aliases=aliases,
            x500=x500,
            manager=self._same(row.manager or ""),
            details=Details(row.details) if row.details else NO_DETAILS,
        )

    def _same(self, text: str) -> str:
        return self._strings.setdefault(text, text)


def password_mark(password_hash: str) -> int:
    """In this process, what `User.password_mark` is with this hash."""
    return hash(password_hash) & _SHORTEST_MARK if password_hash else 0


def proxies_by_owner(proxies: Iterable[ProxyRow]) -> dict[int, list[str]]:
    """Of entries of one kind, by the entry's id."""
    found: dict[int, list[str]] = {}
    for row in proxies:
        found.setdefault(row.user_id or row.group_id or row.contact_id or 0, []).append(row.address)
    return found


def split_proxies(addresses: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Aliases and DNs, each sorted."""
    if not addresses:
        return (), ()
    ordered = sorted(addresses)
    return tuple(name for name in ordered if name[0] != "/"), tuple(name for name in ordered if name[0] == "/")


def _found(ordered: list[_Item], wanted: Any, key: Callable[[_Item], Any]) -> _Item | None:
    position = bisect_left(ordered, wanted, key=key)
    return ordered[position] if position < len(ordered) and key(ordered[position]) == wanted else None


def _all(entries: Entries) -> Iterator[Entry]:
    return chain(entries.users, entries.groups, entries.contacts)


def _dn(entry: Entry) -> str:
    return entry.legacy_dn.lower()


def _mailbox(user: User) -> int:
    return user.mailbox_id


def _by_name(entry: Entry) -> tuple[str, str]:
    return entry.display_name.casefold(), entry.key
