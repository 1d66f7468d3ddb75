"""The entries of all domains, served from memory.

Every request of every client asks who somebody is, so the directory is held whole (a few hundred bytes an entry). When
the stamp in the data folder shows that somebody, this process or another, has changed it, the entries that have changed
are read, and the whole is replaced in one assignment.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from mapigw.directory.addresses import canonical_address, checked_display_name, lookup_key
from mapigw.directory.editing import Change, Editor, legacy_dn
from mapigw.directory.errors import (
    DuplicateAddress,
    NoPassword,
    UnknownContact,
    UnknownEntry,
    UnknownGroup,
    UnknownUser,
)
from mapigw.directory.model import Account, Contact, Entries, Entry, Group, MailboxKind, User
from mapigw.directory.passwords import Passwords
from mapigw.directory.sharing import Sharing
from mapigw.directory.snapshot import EMPTY, EntryReader, Part, Snapshot, proxies_by_owner, snapshot_of
from mapigw.mailbox.permissions import Right
from mapigw.store import directory as rows
from mapigw.store import directory_changes
from mapigw.store import directory_loading as loading
from mapigw.store.database import Connection, Database
from mapigw.store.directory_changes import EntryId, EntryKind
from mapigw.store.stamp import Kept, Stamp

__all__ = ["Directory", "legacy_dn"]

AnyEntry = TypeVar("AnyEntry", bound=Entry)

_LARGEST_PART = 5000
"""With more changed entries than that, the directory is read whole."""


class Directory:
    """Reads come from memory and are as fresh as the last finished write of any process.

    Where a method takes the address of a user, an alias does as well, and the name of a mailbox that has no address;
    `UnknownUser` says that nobody has it. ``address_lists`` are the sets of domains whose users see each other.
    """

    def __init__(
        self,
        database: Database,
        *,
        passwords: Passwords | None = None,
        address_lists: Sequence[Collection[str]] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.passwords = passwords or Passwords()
        self._database = database
        self._address_lists = [frozenset(domains) for domains in address_lists]
        self._stamp = Stamp(database.data, "directory")
        self._read: tuple[int, Snapshot] = (-1, EMPTY)  # from the stamp of which inode; -1: nothing has been read
        self._kept = Kept(self._stamp, self._load, clock)
        self.sharing = Sharing(database, self.names_of)

    # Who there is

    async def entries(self) -> Entries:
        """Everybody, enabled and disabled, hidden or not: the same object until something changes."""
        return (await self._kept.get()).entries

    async def users(self, domain: str | None = None) -> tuple[User, ...]:
        """All mailboxes, or those of a domain, enabled and disabled, by display name."""
        found = (await self._kept.get()).entries.users
        if domain is None:
            return found
        name = (lookup_key(f"x@{domain}") or "").partition("@")[2]
        return tuple(user for user in found if user.domain == name)

    async def groups(self) -> tuple[Group, ...]:
        """All groups, by display name."""
        return (await self._kept.get()).entries.groups

    async def contacts(self) -> tuple[Contact, ...]:
        """All contacts, by display name."""
        return (await self._kept.get()).entries.contacts

    def visible_domains(self, domain: str) -> frozenset[str]:
        """The domains whose entries the users of ``domain`` see: its own, and those it shares an address list with."""
        return frozenset({domain}).union(*(domains for domains in self._address_lists if domain in domains))

    async def by_address(self, address: str) -> User | None:
        """Who has this primary address or alias, in any case of letters."""
        key = lookup_key(address)
        return None if key is None else (await self._kept.get()).by_address.get(key)

    def at_hand(self, address: str) -> User | None:
        """As `by_address`, without waiting: None as well when the directory must be read anew first."""
        snapshot = self._kept.at_hand()
        key = lookup_key(address)
        return snapshot.by_address.get(key) if key is not None and snapshot is not None else None

    async def account(self, address: str) -> Account | None:
        """As `by_address`, with the password hash; for authentication only, read from the store."""
        user = await self.by_address(address)
        async with self._database.read() as connection:  # for nobody as well: it takes the same time
            found = await rows.account_of(connection, user.user_id if user else 0)
        return Account(user, *found) if user is not None and found is not None else None

    async def by_legacy_dn(self, dn: str) -> User | None:
        """The mailbox whose LegacyDN or X500 proxy this is, in any case of letters."""
        found = await self.entry(dn)
        return found if isinstance(found, User) else None

    async def by_mailbox(self, mailbox_id: int) -> User | None:
        return (await self._kept.get()).by_mailbox(mailbox_id)

    async def group(self, address: str) -> Group | None:
        """The group with this address or alias, in any case of letters."""
        key = lookup_key(address)
        return None if key is None else (await self._kept.get()).group_by_address.get(key)

    async def contact(self, address: str, domain: str | None = None) -> Contact | None:
        """The contact with this address in the list of ``domain``. Without a domain it may be in any one list.

        Raises `UnknownContact` where it is in several.
        """
        found = (await self._kept.get()).contact_by_address.get(lookup_key(address) or "", ())
        if domain is not None:
            found = tuple(contact for contact in found if contact.domain == domain.lower())
        if len(found) > 1:
            raise UnknownContact(address, sorted(contact.domain for contact in found))
        return found[0] if found else None

    async def entry(self, dn: str) -> Entry | None:
        """Whose LegacyDN or X500 proxy this is, in any case of letters."""
        return (await self._kept.get()).by_dn(dn)

    async def named(self, name: str, domain: str | None = None) -> Entry:
        """Who has this address, alias, name or DN; contacts as `contact` has it. Raises `UnknownEntry`."""
        found: Entry | None
        if name.startswith("/"):
            found = await self.entry(name)
        else:
            found = await self.by_address(name) or await self.group(name) or await self.contact(name, domain)
        if found is None:
            raise UnknownEntry(name)
        return found

    async def names_of(self, user: User) -> frozenset[str]:
        """The legacy DNs, in lower case, of a user and of every group that the user is in, at any depth."""
        return (await self._kept.get()).names_of(user)

    async def mailbox_rights(self, user: User, owner: User) -> Right:
        """As `Sharing.mailbox_rights`."""
        return await self.sharing.mailbox_rights(user, owner)

    async def members_of(self, group: Group) -> tuple[Entry, ...]:
        """Who is in a group itself, in no order."""
        snapshot = await self._kept.get()
        found = (snapshot.by_dn(dn) for dn in snapshot.members.get(group.group_id, ()))
        return tuple(entry for entry in found if entry is not None)

    async def photo(self, dn: str) -> bytes | None:
        """The picture of the entry with this LegacyDN."""
        return next(iter(await self._binaries(dn, "photo")), None)

    async def certificates(self, dn: str) -> list[bytes]:
        """The X.509 certificates, DER, of the entry with this LegacyDN."""
        return await self._binaries(dn, "certificates")

    async def certificates_of(self, dns: Collection[str]) -> dict[str, list[bytes]]:
        """As `certificates`, of several: by the DN in lower case, as they are given."""
        async with self._database.read() as connection:
            return await rows.binaries_of(connection, dns, "certificates")

    async def with_photo(self, dns: Collection[str]) -> set[str]:
        """Those of the DNs, which are in lower case, whose entries have a picture."""
        async with self._database.read() as connection:
            return await rows.having_binaries(connection, dns, "photo")

    async def _binaries(self, dn: str, name: str) -> list[bytes]:
        async with self._database.read() as connection:
            return await rows.binaries(connection, dn.lower(), name)

    # Changes of anything

    @asynccontextmanager
    async def editing(self) -> AsyncIterator[Editor]:
        """One transaction of changes; undone as a whole when the block raises."""
        async with self._stamp.changing(), self._database.write() as connection:
            editor = Editor(connection)
            yield editor
            await editor.finish()

    async def change(self, entry: AnyEntry, change: Change) -> AnyEntry:
        """Let an entry be so; the errors are those of `Editor.change`. Returns it as it is now."""
        async with self.editing() as editor:
            await editor.change(entry_id(entry), change)
        return await self._again(entry)

    async def remove_entry(self, entry: Entry) -> None:
        """Remove an entry; a mailbox with everything in it."""
        async with self.editing() as editor:
            await editor.remove(entry_id(entry))

    async def add_proxy(self, entry: AnyEntry, address: str) -> AnyEntry:
        """Give an entry another address or DN. Raises `InvalidAddress`, `DuplicateAddress`."""
        async with self.editing() as editor:
            await editor.add_proxy(entry_id(entry), address)
        return await self._again(entry)

    async def remove_proxy(self, entry: AnyEntry, address: str) -> AnyEntry:
        """Raises `UnknownAlias`."""
        async with self.editing() as editor:
            await editor.remove_proxy(entry_id(entry), address)
        return await self._again(entry)

    async def _again(self, entry: AnyEntry) -> AnyEntry:
        found = await self.entry(entry.legacy_dn)
        if not isinstance(found, type(entry)):  # removed by somebody else in the meantime
            raise UnknownEntry(entry.key)
        return found

    # Contacts

    async def add_contact(
        self, address: str, domain: str, *, display_name: str = "", change: Change | None = None
    ) -> Contact:
        """Put somebody elsewhere into the address list of ``domain``.

        The errors are those of `Editor.add_contact` and `Editor.change`.
        """
        async with self.editing() as editor:
            added = await editor.add_contact(address, domain, display_name=display_name)
            await editor.change(added, change or Change())
        contact = await self.contact(canonical_address(address), domain)
        if contact is None:
            raise UnknownContact(address)
        return contact

    # Groups

    async def add_group(self, address: str, *, display_name: str = "", change: Change | None = None) -> Group:
        """Create an empty group, and its domain where it is the first there.

        The errors are those of `Editor.add_group` and `Editor.change`.
        """
        async with self.editing() as editor:
            added = await editor.add_group(address, display_name=display_name)
            await editor.change(added, change or Change())
        return await self._known_group(address)

    async def remove_group(self, address: str) -> None:
        """Remove a group. What it was granted is nobody's any more: a later namesake has another LegacyDN.

        Raises `UnknownGroup`.
        """
        async with self.editing() as editor:
            await editor.remove(await _group(editor, address))

    async def add_member(self, group: str, member: str) -> Group:
        """Let a user, by any of the user's addresses, a group, or a contact of the group's domain be a member.

        Raises `UnknownGroup`, `UnknownUser` (none of these), `DuplicateMember`, `GroupCycle`.
        """
        async with self.editing() as editor:
            await editor.add_member(await _group(editor, group), await _member(editor, group, member))
        return await self._known_group(group)

    async def remove_member(self, group: str, member: str) -> Group:
        """Raises `UnknownGroup`, `UnknownUser` (neither a user, a group nor a contact), `UnknownMember`."""
        async with self.editing() as editor:
            await editor.remove_member(await _group(editor, group), await _member(editor, group, member))
        return await self._known_group(group)

    async def add_manager(self, group: str, manager: str) -> Group:
        """Let a user, or whoever is in a group, change the membership.

        Raises `UnknownGroup`, `UnknownUser`, `InvalidAttribute` (a contact).
        """
        async with self.editing() as editor:
            await editor.add_manager(await _group(editor, group), await _member(editor, group, manager))
        return await self._known_group(group)

    async def remove_manager(self, group: str, manager: str) -> Group:
        """Raises `UnknownGroup`, `UnknownUser`, `UnknownManager`."""
        async with self.editing() as editor:
            await editor.remove_manager(await _group(editor, group), await _member(editor, group, manager))
        return await self._known_group(group)

    async def _known_group(self, address: str) -> Group:
        group = await self.group(address)
        if group is None:
            raise UnknownGroup(address)
        return group

    # Mailboxes

    async def add(
        self,
        address: str,
        password: str | None,
        *,
        display_name: str = "",
        admin: bool = False,
        change: Change | None = None,
    ) -> User:
        """Create a user with its mailbox, and its domain where it is the first there, in one transaction.

        None is for a password that is not checked here. Raises `InvalidPassword`, and the errors of `Editor.add_user`
        and `Editor.change`.
        """
        address = canonical_address(address)
        display_name = checked_display_name(display_name, address)
        await self._refuse_known(address)  # before the hash is worth its cost; the transaction checks again
        password_hash = "" if password is None else await self.passwords.hash(password)
        async with self.editing() as editor:
            initial = Change(password_hash=password_hash, admin=admin)
            added = await editor.add_user(address, display_name=display_name, initial=initial)
            await editor.change(added, change or Change())
        return await self._known(address)

    async def add_mailbox(
        self,
        name: str,
        kind: MailboxKind,
        *,
        display_name: str = "",
        domain: str = "",
        change: Change | None = None,
    ) -> User:
        """Create a mailbox nobody logs in to; ``name`` is its address, or as `Editor.add_user` has it.

        The errors are those of `Editor.add_user` and `Editor.change`.
        """
        async with self.editing() as editor:
            added = await editor.add_user(name, kind=kind, display_name=display_name, domain=domain)
            await editor.change(added, change or Change())
        return await self._known(name.strip())

    async def remove(self, address: str) -> None:
        """Delete the user, its aliases and its mailbox with everything in it."""
        async with self.editing() as editor:
            await editor.remove(await _user(editor, address))

    async def set_password(self, address: str, password: str) -> User:
        """Raises `InvalidPassword`, `NoPassword`."""
        user = await self._known(address)
        if user.kind is not MailboxKind.USER:
            raise NoPassword(user.key)
        return await self._changed(address, Change(password_hash=await self.passwords.hash(password)))

    async def set_enabled(self, address: str, enabled: bool) -> User:
        return await self._changed(address, Change(enabled=enabled))

    async def set_admin(self, address: str, admin: bool) -> User:
        return await self._changed(address, Change(admin=admin))

    async def set_display_name(self, address: str, display_name: str) -> User:
        """An empty name stands for the part before the @. Raises `InvalidDisplayName`."""
        return await self._changed(address, Change(display_name=display_name))

    async def add_alias(self, address: str, alias: str) -> User:
        """Raises `InvalidAddress`, `DuplicateAddress`: an address belongs to one user, as primary one or as alias."""
        async with self.editing() as editor:
            await editor.add_proxy(await _user(editor, address), alias)
        return await self._known(address)

    async def remove_alias(self, address: str, alias: str) -> User:
        """Raises `UnknownAlias`."""
        user = await self._known(address)
        async with self.editing() as editor:
            await editor.remove_proxy(await _user(editor, user.key), alias)
        return await self._known(user.key)

    async def replace_password_hash(self, account: Account, password_hash: str) -> bool:
        """Store another hash of the password that ``account`` has; False when the password was changed meanwhile."""
        async with self.editing() as editor:
            editor.changed.add(entry_id(account.user))
            return await rows.replace_password_hash(
                editor.connection, account.user.user_id, account.password_hash, password_hash
            )

    async def _changed(self, address: str, change: Change) -> User:
        async with self.editing() as editor:
            await editor.change(await _user(editor, address), change)
        return await self._known(address)

    async def _known(self, address: str) -> User:
        user = await self.by_address(address)
        if user is None:
            raise UnknownUser(address)
        return user

    async def _refuse_known(self, address: str) -> None:
        owner = await self.by_address(address) or await self.group(address)
        if owner is not None:
            raise DuplicateAddress(address, owner.key)

    # Reading

    async def _load(self) -> Snapshot:
        inode, old = self._read
        state = self._stamp.state()
        async with self._database.snapshot() as connection:
            change = await directory_changes.latest(connection)
            # A stamp in another file is one of a data folder that was put in the place of this one.
            changed = await directory_changes.since(connection, old.change) if inode == state[0] else None
            if changed is None or len(changed) > _LARGEST_PART:
                part = await _read(connection)
                snapshot = await asyncio.to_thread(snapshot_of, part, change)
            elif changed:
                part = await _read(connection, changed)
                snapshot = await asyncio.to_thread(snapshot_of, part, change, old=old, changed=changed)
            else:
                snapshot = old
        self._read = (state[0], snapshot)
        return snapshot


def entry_id(entry: Entry) -> EntryId:
    """By which the store names it."""
    if isinstance(entry, User):
        return EntryId(EntryKind.USER, entry.user_id)
    if isinstance(entry, Group):
        return EntryId(EntryKind.GROUP, entry.group_id)
    return EntryId(EntryKind.CONTACT, entry.contact_id)


async def _user(editor: Editor, address: str) -> EntryId:
    found = await editor.find(address)
    if found is None or found.kind is not EntryKind.USER:
        raise UnknownUser(address)
    return found


async def _group(editor: Editor, address: str) -> EntryId:
    found = await editor.find(address)
    if found is None or found.kind is not EntryKind.GROUP:
        raise UnknownGroup(address)
    return found


async def _member(editor: Editor, group: str, member: str) -> EntryId:
    found = await editor.find(member, group.lower().partition("@")[2])
    if found is None:
        raise UnknownUser(member)
    return found


async def _read(connection: Connection, changed: Collection[EntryId] | None = None) -> Part:
    """Everything, or the entries that have changed and are still there."""

    def ids(kind: EntryKind) -> list[int] | None:
        return None if changed is None else [entry.number for entry in changed if entry.kind is kind]

    users, groups, contacts = (ids(kind) for kind in (EntryKind.USER, EntryKind.GROUP, EntryKind.CONTACT))
    part = Part()
    reader = EntryReader(
        proxies_by_owner([row async for rows in loading.proxies(connection, EntryKind.USER, users) for row in rows])
    )
    async for user_rows in loading.users(connection, users):
        part.users.extend(map(reader.user, user_rows))
    reader = EntryReader(
        proxies_by_owner(
            [row async for rows in loading.proxies(connection, EntryKind.CONTACT, contacts) for row in rows]
        )
    )
    async for contact_rows in loading.contacts(connection, contacts):
        part.contacts.extend(map(reader.contact, contact_rows))
    part.group_proxies = proxies_by_owner(
        [row async for rows in loading.proxies(connection, EntryKind.GROUP, groups) for row in rows]
    )
    part.groups = [row async for rows in loading.groups(connection, groups) for row in rows]
    part.members = [row async for rows in loading.members(connection, groups) for row in rows]
    part.managers = [row async for rows in loading.managers(connection, groups) for row in rows]
    return part
