"""Changes to the directory inside one transaction.

Each method checks everything before it writes, so that one that raises a `DirectoryError` has changed nothing, and a
batch goes on with the next entry.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

from mapigw.directory.addresses import canonical_address, canonical_domain, checked_display_name, lookup_key
from mapigw.directory.attributes import (
    ATTRIBUTES,
    DETAILS,
    LARGEST_CERTIFICATE,
    LARGEST_PHOTO,
    MOST_CERTIFICATES,
    checked_value,
)
from mapigw.directory.details import AttributeValue, Details
from mapigw.directory.errors import (
    DuplicateAddress,
    DuplicateMember,
    GroupCycle,
    InvalidAddress,
    InvalidAttribute,
    InvalidName,
    NoPassword,
    UnknownAlias,
    UnknownEntry,
    UnknownManager,
    UnknownMember,
)
from mapigw.directory.model import MailboxKind
from mapigw.mailbox import provision
from mapigw.store import directory as rows
from mapigw.store import directory_changes, groups
from mapigw.store.database import Connection
from mapigw.store.directory import Owner
from mapigw.store.directory_changes import EntryId, EntryKind
from mapigw.wire.properties import filetime

ORGANIZATION: Final = "mapigw"
_DN_NAME_LIMIT: Final = 31  # with the 32 digits and the hyphen, the 64 characters of a cn (X.520 ub-common-name)
_LONGEST_DN: Final = 512
_DN: Final = re.compile(r"/[\x20-\x7e]+")
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")


def legacy_dn(guid: UUID, address: str) -> str:
    """The LegacyDN of a new entry. It is stored and never changes: profiles, entry ids and old mail name it.

    The form is Exchange's; the name at the end is for people who read traces.
    """
    name = re.sub(r"[^a-z0-9._-]", "", address.partition("@")[0])[:_DN_NAME_LIMIT]
    return f"/o={ORGANIZATION}/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn={guid.hex}-{name}"


@dataclass(slots=True)
class Change:
    """What an entry is to have. None leaves something as it is."""

    display_name: str | None = None
    """"" stands for the part before the @."""
    address: str | None = None
    hidden: bool | None = None
    enabled: bool | None = None
    """Of a mailbox, as ``admin`` and ``password_hash`` are."""
    admin: bool | None = None
    kind: MailboxKind | None = None
    password_hash: str | None = None
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Values by name of the attribute; no values remove it. That of ``manager`` is an address or a DN."""
    proxies: Collection[str] | None = None
    """All further addresses and, beginning with ``/``, DNs."""
    photo: bytes | None = None
    """b"" removes it."""
    certificates: Sequence[bytes] | None = None
    source: str | None = None
    source_dn: str | None = None


class Editor:
    """Changes the directory on the connection of a write transaction.

    What is looked up is remembered until the transaction ends; `know` and `know_entries` do so for many at once. Who
    has made one calls `finish` before the transaction ends.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.changed: set[EntryId] = set()
        """The entries that readers have to read anew."""
        self._domains: dict[str, int] = {}
        self._owners: dict[str, list[Owner]] = {}
        self._rows: dict[EntryId, dict[str, Any]] = {}
        self._further: dict[EntryId, set[str]] = {}
        self._by_dn: dict[str, EntryId] = {}

    async def finish(self) -> None:
        """Announce what has been changed."""
        await directory_changes.note(self.connection, self.changed)
        await directory_changes.forget(self.connection)

    # Who is meant

    async def know(self, addresses: Iterable[str]) -> None:
        """Look up who has these addresses, and those entries."""
        keys = {key for address in addresses if (key := lookup_key(address)) is not None} - self._owners.keys()
        found = await rows.owners(self.connection, keys)
        self._owners.update((key, found.get(key, [])) for key in keys)
        await self.know_entries(owner.entry for owners in found.values() for owner in owners)

    async def know_entries(self, entries: Iterable[EntryId]) -> None:
        """Look up what these entries are."""
        wanted = set(entries) - self._rows.keys()
        found = await rows.rows_of(self.connection, wanted)
        self._rows.update(found)
        self._by_dn.update((row["legacy_dn"], entry) for entry, row in found.items())
        further = await rows.proxies_of(self.connection, wanted)
        self._further.update((entry, further.get(entry, set())) for entry in wanted)

    async def find(self, name: str, domain: str = "") -> EntryId | None:
        """Who has an address, an alias, a name or a DN; a contact is looked for in the list of ``domain`` only."""
        if name.startswith("/"):
            return self._by_dn.get(name) or await rows.find_dn(self.connection, name)
        key = lookup_key(name)
        if key is None:
            return None
        owners = await self._owners_of(key)
        domain_id = await self._known_domain(domain) if domain else None
        for owner in owners:
            if owner.entry.kind is not EntryKind.CONTACT or owner.domain_id == domain_id:
                return owner.entry
        return None

    async def named(self, name: str, domain: str = "") -> EntryId:
        """As `find`. Raises `UnknownEntry`."""
        found = await self.find(name, domain)
        if found is None:
            raise UnknownEntry(name)
        return found

    async def row(self, entry: EntryId) -> Mapping[str, Any]:
        """The row of an entry, by column; with the name of the domain as ``domain``."""
        if entry not in self._rows:
            await self.know_entries([entry])
        return self._rows[entry]

    async def address_of(self, entry: EntryId) -> str:
        """The primary address, or the name of what has none."""
        return str((await self.row(entry))["address"])

    async def _owners_of(self, address: str) -> list[Owner]:
        if address not in self._owners:
            self._owners[address] = (await rows.owners(self.connection, [address])).get(address, [])
        return self._owners[address]

    # Making and removing

    async def add_user(
        self,
        address: str,
        *,
        display_name: str = "",
        kind: MailboxKind = MailboxKind.USER,
        domain: str = "",
        initial: Change | None = None,
    ) -> EntryId:
        """Create a mailbox, and its domain where it is the first there.

        A shared mailbox may have a name without @ instead of an address; then ``domain`` is whose list it is in. What
        ``initial`` has of a row is set at once; the rest of it, as the manager, is for `change`.
        Raises `InvalidAddress`, `InvalidName`, `InvalidDisplayName`, `InvalidAttribute`, `DuplicateAddress`.
        """
        if kind is MailboxKind.SHARED and "@" not in address:
            address = address.strip().lower()
            if not _NAME.fullmatch(address):
                raise InvalidName(f"{address[:70]!r} is no name for a mailbox: letters, digits and .-_, at most 64")
            if not domain:
                raise InvalidName(f"{address} has no address, so it needs a domain in whose list it is")
            domain = canonical_domain(domain)
        else:
            address = canonical_address(address)
            domain = address.partition("@")[2]
        values = _values(initial or Change(), Details())
        return await self._insert(
            EntryKind.USER,
            domain,
            address,
            display_name,
            {"password_hash": "", "enabled": True, "admin": False, **values, "kind": kind.value},
        )

    async def add_group(self, address: str, *, display_name: str = "", initial: Change | None = None) -> EntryId:
        """Create an empty group. Raises `InvalidAddress`, `InvalidDisplayName`, `DuplicateAddress`."""
        address = canonical_address(address)
        values = _values(initial or Change(), Details())
        return await self._insert(EntryKind.GROUP, address.partition("@")[2], address, display_name, values)

    async def add_contact(
        self, address: str, domain: str, *, display_name: str = "", initial: Change | None = None
    ) -> EntryId:
        """Put somebody elsewhere into the address list of ``domain``.

        Raises `InvalidAddress`, `InvalidDisplayName`, `InvalidAttribute`, `DuplicateAddress`: an address is in a list
        once.
        """
        address = canonical_address(address)
        values = _values(initial or Change(), Details())
        return await self._insert(EntryKind.CONTACT, canonical_domain(domain), address, display_name, values)

    async def _insert(
        self, kind: EntryKind, domain: str, address: str, display_name: str, values: Mapping[str, Any]
    ) -> EntryId:
        display_name = checked_display_name(display_name, address)
        await self._refuse_taken(address, kind, await self._known_domain(domain))
        guid = uuid4()
        row: dict[str, Any] = {
            "domain_id": await self._domain(domain),
            "address": address,
            "display_name": display_name,
            "legacy_dn": legacy_dn(guid, address),
            "created": filetime(datetime.now(UTC)),
            "hidden": False,
            "details": b"",
            "source": None,
            **values,
        }
        if kind is EntryKind.USER:
            row["mailbox_id"] = await provision.create_mailbox(self.connection, guid)
            row["source_dn"] = values.get("source_dn")
        entry = await rows.insert_entry(self.connection, kind, **row)
        self.changed.add(entry)
        (await self._owners_of(address)).append(Owner(entry, row["domain_id"]))
        self._rows[entry] = {"manager": None, **row, "domain": domain}
        self._further[entry] = set()
        return entry

    async def remove(self, entry: EntryId) -> None:
        """Remove an entry; a mailbox with everything in it. What it was granted is nobody's any more."""
        legacy_dn = (await self.row(entry))["legacy_dn"]
        self.changed.update(await rows.groups_naming(self.connection, entry))
        self.changed.update(await rows.managed_by(self.connection, legacy_dn))
        self.changed.add(entry)
        mailbox_id = await rows.delete_entry(self.connection, entry, legacy_dn)
        if mailbox_id is not None:
            await provision.delete_mailbox(self.connection, mailbox_id)
        self._owners.clear()
        self._rows.clear()
        self._further.clear()
        self._by_dn.clear()

    # Changing

    async def change(self, entry: EntryId, change: Change) -> tuple[str, ...]:
        """Let the entry be so. Returns the names of what was different.

        Raises `InvalidAddress`, `InvalidDisplayName`, `InvalidAttribute`, `DuplicateAddress`, `NoPassword`,
        `UnknownEntry` (the manager).
        """
        row = await self.row(entry)
        old_details = Details(row["details"])
        values = _values(change, old_details)
        address = row["address"] if change.address is None else canonical_address(change.address)
        if address != row["address"]:
            await self._refuse_taken(address, entry.kind, row["domain_id"], entry)
            values["address"] = address
        if change.display_name is not None:
            values["display_name"] = checked_display_name(change.display_name, address)
        if change.password_hash and (values.get("kind") or row.get("kind")) != MailboxKind.USER:
            raise NoPassword(row["address"])
        if "manager" in change.attributes:
            values["manager"] = await self._manager(change.attributes["manager"], row["domain"])
        values = {name: value for name, value in values.items() if name in row and row[name] != value}
        _check_binaries(change)
        added, removed = await self._proxies(entry, change.proxies, row, address)
        changed = [name for name in values if name != "details"]
        if "details" in values:
            before, after = old_details.all(), Details(values["details"]).all()
            changed += [name for name in DETAILS if before.get(name) != after.get(name)]
        if values:
            await self._update(entry, values)
        if added or removed:
            changed.append("proxies")
            await rows.delete_proxies(self.connection, entry, removed)
            for proxy in added:
                await rows.insert_proxy(self.connection, entry, proxy)
            self._forget_addresses(entry, (*added, *removed))
        for name, binaries in (("photo", _photos(change)), ("certificates", change.certificates)):
            if binaries is not None and await self._replace_binaries(row["legacy_dn"].lower(), name, binaries):
                changed.append(name)
        if changed:
            self.changed.add(entry)
        return tuple(changed)

    async def _update(self, entry: EntryId, values: dict[str, Any]) -> None:
        row = self._rows[entry]
        if "address" in values:
            domain = values["address"].partition("@")[2]
            if entry.kind is not EntryKind.CONTACT and domain != row["domain"]:  # a contact's list is not its address's
                values["domain_id"] = await self._domain(domain)
                row["domain"] = domain
            self.changed.update(await rows.groups_naming(self.connection, entry))
            self._forget_addresses(entry, (values["address"], row["address"]))
        await rows.update_entry(self.connection, entry, **values)
        row.update(values)

    def _forget_addresses(self, entry: EntryId, addresses: Iterable[str]) -> None:
        self._further.pop(entry, None)
        for address in addresses:
            self._owners.pop(address, None)

    async def _manager(self, names: Sequence[str], domain: str) -> str | None:
        given = [name.strip() for name in names if name.strip()]
        if not given:
            return None
        if len(given) > 1:
            raise InvalidAttribute("manager", f"it has at most one value, not {len(given)}")
        return str((await self.row(await self.named(given[0], domain)))["legacy_dn"])

    async def _proxies(
        self, entry: EntryId, wanted: Collection[str] | None, row: Mapping[str, Any], address: str
    ) -> tuple[list[str], list[str]]:
        """Those to add and those to remove from an entry that is to have ``address``."""
        if wanted is None and address == row["address"]:
            return [], []
        present = await self._further_of(entry)
        canonical = present if wanted is None else {canonical_proxy(proxy) for proxy in wanted}
        canonical = canonical - {address}
        added = sorted(canonical - present)
        for proxy in added:
            await self._refuse_taken(proxy, entry.kind, row["domain_id"], entry)
        return added, sorted(present - canonical)

    async def _further_of(self, entry: EntryId) -> set[str]:
        if entry not in self._further:
            self._further[entry] = (await rows.proxies_of(self.connection, [entry])).get(entry, set())
        return self._further[entry]

    async def _replace_binaries(self, dn: str, name: str, values: Sequence[bytes]) -> bool:
        if await rows.binaries(self.connection, dn, name) == list(values):
            return False
        await rows.replace_binaries(self.connection, dn, name, values)
        return True

    async def add_proxy(self, entry: EntryId, address: str) -> None:
        """Give an entry another address or DN. Raises `InvalidAddress`, `DuplicateAddress`."""
        address = canonical_proxy(address)
        await self._refuse_taken(address, entry.kind, (await self.row(entry))["domain_id"])
        await rows.insert_proxy(self.connection, entry, address)
        self._forget_addresses(entry, [address])
        self.changed.add(entry)

    async def remove_proxy(self, entry: EntryId, address: str) -> None:
        """Raises `UnknownAlias`."""
        key = address.lower() if address.startswith("/") else lookup_key(address) or ""
        if not await rows.delete_proxies(self.connection, entry, [key]):
            raise UnknownAlias(address, await self.address_of(entry))
        self._forget_addresses(entry, [key])
        self.changed.add(entry)

    # Groups

    async def add_member(self, group: EntryId, member: EntryId) -> None:
        """Raises `DuplicateMember`, `GroupCycle`."""
        if member.kind is EntryKind.GROUP and await groups.contains(self.connection, member.number, group.number):
            raise GroupCycle(await self.address_of(member), await self.address_of(group))
        if not await groups.insert_member(self.connection, group.number, member):
            raise DuplicateMember(await self.address_of(member), await self.address_of(group))
        self.changed.add(group)

    async def remove_member(self, group: EntryId, member: EntryId) -> None:
        """Raises `UnknownMember`."""
        if not await groups.delete_member(self.connection, group.number, member):
            raise UnknownMember(await self.address_of(member), await self.address_of(group))
        self.changed.add(group)

    async def add_manager(self, group: EntryId, manager: EntryId) -> None:
        """Let a user, or who is in a group, change the membership. One who is a manager already stays one.

        Raises `InvalidAttribute`.
        """
        if manager.kind not in groups.MANAGER_KINDS:
            raise InvalidAttribute("managers", f"{await self.address_of(manager)} is not a user or a group")
        await groups.insert_manager(self.connection, group.number, manager)
        self.changed.add(group)

    async def remove_manager(self, group: EntryId, manager: EntryId) -> None:
        """Raises `UnknownManager`."""
        if manager.kind not in groups.MANAGER_KINDS or not await groups.delete_manager(
            self.connection, group.number, manager
        ):
            raise UnknownManager(await self.address_of(manager), await self.address_of(group))
        self.changed.add(group)

    # Domains and addresses

    async def _domain(self, name: str) -> int:
        if name not in self._domains:
            self._domains[name] = await rows.ensure_domain(self.connection, name)
        return self._domains[name]

    async def _known_domain(self, name: str) -> int | None:
        if name not in self._domains:
            found = await rows.find_domain(self.connection, name)
            if found is None:
                return None
            self._domains[name] = found
        return self._domains[name]

    async def _refuse_taken(
        self, address: str, kind: EntryKind, domain_id: int | None, own: EntryId | None = None
    ) -> None:
        """Refuse an address that somebody but ``own`` has.

        A user's or group's is nobody else's on this server, and no contact's in the same list; a contact's is nobody
        else's in the same list, elsewhere it may be anybody's.
        """
        if address.startswith("/"):
            found = await rows.find_dn(self.connection, address)
            others = [] if found in (None, own) else [found]
        else:
            others = [
                owner.entry
                for owner in await self._owners_of(address)
                if owner.entry != own
                and (owner.domain_id == domain_id or EntryKind.CONTACT not in (kind, owner.entry.kind))
            ]
        for other in others:
            assert other is not None
            raise DuplicateAddress(address, await self.address_of(other))


def _values(change: Change, details: Details) -> dict[str, Any]:
    """The columns that need nothing else to be looked up."""
    names = ("hidden", "enabled", "admin", "password_hash", "source", "source_dn")
    values = {name: value for name in names if (value := getattr(change, name)) is not None}
    if change.kind is not None:
        values["kind"] = change.kind.value
    values["details"] = bytes(_merged(details, change.attributes))
    return values


def canonical_proxy(address: str) -> str:
    """An address or DN as it is stored; the prefixes ``smtp:`` and ``x500:`` are left out. Raises `InvalidAddress`."""
    address = address.strip()
    prefix, colon, rest = address.partition(":")
    if colon and prefix.lower() in {"smtp", "x500", "ex"}:
        address = rest
    if not address.startswith("/"):
        return canonical_address(address)
    if len(address) > _LONGEST_DN:
        raise InvalidAddress(address[:_LONGEST_DN], f"a DN has at most {_LONGEST_DN} characters")
    if not _DN.fullmatch(address):
        raise InvalidAddress(address, "a DN has printable ASCII characters only")
    return address.lower()


def _merged(old: Details, attributes: Mapping[str, Sequence[str]]) -> Details:
    details: dict[str, AttributeValue] = old.all()
    for name, values in attributes.items():
        if name in DETAILS:
            details[name] = checked_value(DETAILS[name], values)
        elif name != "manager":
            reason = "there is no such attribute" if name not in ATTRIBUTES else "it is given as a file"
            raise InvalidAttribute(name, reason)
    return Details.of(details)


def _photos(change: Change) -> Sequence[bytes] | None:
    if change.photo is None:
        return None
    return [change.photo] if change.photo else []


def _check_binaries(change: Change) -> None:
    if change.photo and len(change.photo) > LARGEST_PHOTO:
        raise InvalidAttribute("photo", f"it is larger than {LARGEST_PHOTO} bytes")
    if change.photo and not change.photo.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM")):
        raise InvalidAttribute("photo", "it is no JPEG, PNG, GIF or BMP file")
    certificates = change.certificates or ()
    if len(certificates) > MOST_CERTIFICATES:
        raise InvalidAttribute("certificates", f"there are more than {MOST_CERTIFICATES}")
    if any(len(certificate) > LARGEST_CERTIFICATE for certificate in certificates):
        raise InvalidAttribute("certificates", f"one is larger than {LARGEST_CERTIFICATE} bytes")
