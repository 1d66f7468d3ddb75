"""An entry as a file or an LDAP server has it, before it is checked, and how such entries come into the directory."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from mapigw.directory.addresses import canonical_address, canonical_domain, lookup_key
from mapigw.directory.directory import Directory
from mapigw.directory.editing import Change, Editor
from mapigw.directory.errors import DirectoryError
from mapigw.directory.model import MailboxKind
from mapigw.store import groups
from mapigw.store.directory_changes import EntryId, EntryKind


class RecordKind(StrEnum):
    USER = "user"
    SHARED = "shared"
    ROOM = "room"
    EQUIPMENT = "equipment"
    GROUP = "group"
    CONTACT = "contact"


_ENTRY_KINDS = {RecordKind.GROUP: EntryKind.GROUP, RecordKind.CONTACT: EntryKind.CONTACT}


class BadRecord(DirectoryError):  # noqa: N818
    """An entry that cannot be read; the message says why."""


@dataclass(slots=True)
class Record:
    """None leaves what an existing entry has. References name others by address, by DN, or by `reference`."""

    where: str
    """For reports: the line, the DN."""
    kind: RecordKind
    address: str
    domain: str = ""
    """Whose list a contact, or a mailbox without address, is in."""
    display_name: str | None = None
    attributes: dict[str, list[str]] = field(default_factory=dict)
    """Without the manager."""
    proxies: list[str] | None = None
    hidden: bool | None = None
    enabled: bool | None = None
    password: str | None = None
    photo: bytes | None = None
    certificates: list[bytes] | None = None
    manager: str | None = None
    """"" removes it."""
    members: list[str] | None = None
    managers: list[str] | None = None
    reference: str = ""
    """By which other records name it: the DN of an LDAP entry."""
    source: str | None = None
    source_dn: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.where}: {self.reason}"


@dataclass(slots=True)
class Report:
    """What was done, or in a dry run would have been."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    vanished: int = 0
    failures: list[Failure] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """One for each entry that was added, changed, or is not there any more."""


class _DryRun(Exception):  # noqa: N818
    """Undoes the transaction."""


@dataclass(slots=True)
class _Links:
    """What a record says of others, which may come later."""

    where: str
    entry: EntryId | None
    """None: a dry run, which has not made it."""
    address: str
    domain: str
    manager: str | None
    members: list[str] | None
    managers: list[str] | None


class Applier:
    """Brings records into the directory, each for itself: a bad one is reported and left out.

    Call `apply` for each batch, a transaction each, and `finish` at the end.
    """

    def __init__(self, directory: Directory, *, dry_run: bool = False) -> None:
        self.report = Report()
        self._directory = directory
        self._dry_run = dry_run
        self._links: list[_Links] = []
        self._references: dict[str, EntryId] = {}
        self._sources: dict[str, EntryId] = {}
        self._made: set[str] = set()  # addresses that a dry run would have added

    def know_sources(self, sources: dict[str, EntryId]) -> None:
        """Which entries are those of which `Record.source`."""
        self._sources = sources

    async def apply(self, batch: Sequence[Record]) -> None:
        hashes = [await self._password_hash(record) for record in batch]
        with suppress(_DryRun):
            async with self._directory.editing() as editor:
                await editor.know(record.address for record in batch if len(record.address) < _LONGEST_ADDRESS)
                await editor.know_entries(
                    self._sources[record.source] for record in batch if record.source in self._sources
                )
                for record, password_hash in zip(batch, hashes, strict=True):
                    if isinstance(password_hash, DirectoryError):
                        self._fail(record.where, password_hash)
                        continue
                    try:
                        await self._apply(editor, record, password_hash)
                    except DirectoryError as error:
                        self._fail(record.where, error)
                if self._dry_run:
                    raise _DryRun

    async def _password_hash(self, record: Record) -> str | DirectoryError | None:
        if not record.password or record.kind is not RecordKind.USER:
            return None
        try:
            return await self._directory.passwords.hash(record.password)
        except DirectoryError as error:
            return error

    async def _apply(self, editor: Editor, record: Record, password_hash: str | None) -> None:
        change = Change(
            display_name=record.display_name,
            hidden=record.hidden,
            enabled=record.enabled if record.kind not in _ENTRY_KINDS else None,
            password_hash=password_hash,
            attributes=record.attributes,
            source=record.source,
            source_dn=record.source_dn if record.kind not in _ENTRY_KINDS else None,
        )
        entry = await self._existing(editor, record)
        added = entry is None
        if entry is None:
            entry = await _added(editor, record, change)
            rest = Change(proxies=record.proxies or None, photo=record.photo, certificates=record.certificates)
        else:
            rest = change
            rest.proxies, rest.photo, rest.certificates = record.proxies, record.photo, record.certificates
            rest.kind = MailboxKind(record.kind) if record.kind not in _ENTRY_KINDS else None
            rest.address = record.address if "@" in record.address else None
            if record.enabled is None and record.source_dn and (await editor.row(entry)).get("source_dn") == "":
                rest.enabled = True  # it had vanished, and is there again
        try:
            changed = await editor.change(entry, rest)
        except DirectoryError:
            if added:
                await editor.remove(entry)
            raise
        self._count(record, added, changed)
        if added and self._dry_run:
            self._made.update((lookup_key(record.address) or "", record.reference))
        elif record.reference:
            self._references[record.reference] = entry
        if not (record.manager is None and record.members is None and record.managers is None):
            domain = (await editor.row(entry))["domain"]
            self._links.append(
                _Links(
                    record.where,
                    None if added and self._dry_run else entry,
                    record.address,
                    domain,
                    record.manager,
                    record.members,
                    record.managers,
                )
            )

    async def _existing(self, editor: Editor, record: Record) -> EntryId | None:
        kind = _ENTRY_KINDS.get(record.kind, EntryKind.USER)
        if record.source is not None and record.source in self._sources:
            found: EntryId | None = self._sources[record.source]
        else:
            address = canonical_address(record.address) if "@" in record.address else record.address.strip().lower()
            found = await editor.find(address, canonical_domain(record.domain) if record.domain else "")
            if found is not None and kind is EntryKind.CONTACT and found.kind is not kind:
                found = None  # perhaps a user of another domain: adding the contact finds out
        if found is not None and found.kind is not kind:
            raise BadRecord(f"{record.address} is a {found.kind} already, not a {kind}")
        if found is not None and record.source is not None:
            source = (await editor.row(found))["source"]
            if source not in (None, record.source):
                raise BadRecord(f"{record.address} belongs to another entry of the source")
        return found

    def _count(self, record: Record, added: bool, changed: Collection[str]) -> None:
        if added:
            self.report.added += 1
            self.report.lines.append(f"add {record.kind} {record.address}")
        elif changed:
            self.report.changed += 1
            self.report.lines.append(f"change {record.kind} {record.address}: {', '.join(changed)}")
        else:
            self.report.unchanged += 1

    def _fail(self, where: str, error: Exception) -> None:
        self.report.failures.append(Failure(where, str(error)))

    async def finish(self) -> None:
        """Set managers and members, of which each wrong one is reported and left out."""
        for some in _batches(self._links):
            with suppress(_DryRun):
                async with self._directory.editing() as editor:
                    await editor.know_entries(links.entry for links in some if links.entry is not None)
                    await editor.know(name for links in some for name in self._addresses(links))
                    for links in some:
                        await self._link(editor, links)
                    if self._dry_run:
                        raise _DryRun

    def _addresses(self, links: _Links) -> Iterator[str]:
        """By which the record names others."""
        for name in (links.manager or "", *(links.members or ()), *(links.managers or ())):
            if "@" in name and len(name) < _LONGEST_ADDRESS and name not in self._references:
                yield name

    async def _link(self, editor: Editor, links: _Links) -> None:
        """Set what the record says of others; of what a dry run has not made, only look who they are."""
        manager = None if links.manager is None else await self._resolved(editor, links, [links.manager])
        members = None if links.members is None else await self._resolved(editor, links, links.members)
        managers = None if links.managers is None else await self._resolved(editor, links, links.managers)
        if links.entry is None:
            return
        changed: list[str] = []
        if manager or links.manager == "":
            names = [str((await editor.row(entry))["legacy_dn"]) for entry in manager or ()]
            changed += await editor.change(links.entry, Change(attributes={"manager": names}))
        if links.entry.kind is EntryKind.GROUP:
            if members is not None and await self._set_members(editor, links, links.entry, members):
                changed.append("members")
            if managers is not None and await _set_managers(editor, links.entry, managers):
                changed.append("managers")
        if changed:
            self.report.lines.append(f"change {links.address}: {', '.join(changed)}")

    async def _set_members(self, editor: Editor, links: _Links, group: EntryId, wanted: set[EntryId]) -> bool:
        present = await groups.members_of(editor.connection, group.number)
        for member in sorted(present - wanted):
            await editor.remove_member(group, member)
        added = False
        for member in sorted(wanted - present):
            try:
                await editor.add_member(group, member)
                added = True
            except DirectoryError as error:  # a circle of groups: the last of them is not closed
                self._fail(links.where, error)
        return added or bool(present - wanted)

    async def _resolved(self, editor: Editor, links: _Links, names: Iterable[str]) -> set[EntryId]:
        """Who is meant; those who are nobody are reported."""
        found = set()
        unknown = []
        for name in dict.fromkeys(names):
            entry = self._references.get(name) or await editor.find(name, links.domain)
            if entry is not None:
                found.add(entry)
            elif name and name not in self._made and lookup_key(name) not in self._made:
                unknown.append(name[:200])
        if unknown:
            more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
            self._fail(links.where, BadRecord(f"there is nobody called {', '.join(unknown[:_NAMED])}{more}"))
        return found


async def _set_managers(editor: Editor, group: EntryId, wanted: set[EntryId]) -> bool:
    present = await groups.managers_of(editor.connection, group.number)
    wanted = {manager for manager in wanted if manager.kind in groups.MANAGER_KINDS}
    for manager in sorted(present - wanted):
        await editor.remove_manager(group, manager)
    for manager in sorted(wanted - present):
        await editor.add_manager(group, manager)
    return present != wanted


_LONGEST_ADDRESS = 400
_NAMED = 3  # of those that are nobody
_BATCH = 500


async def _added(editor: Editor, record: Record, change: Change) -> EntryId:
    name = record.display_name or ""
    match record.kind:
        case RecordKind.GROUP:
            return await editor.add_group(record.address, display_name=name, initial=change)
        case RecordKind.CONTACT:
            if not record.domain:
                raise BadRecord("a contact needs a domain in whose address list it is")
            return await editor.add_contact(record.address, record.domain, display_name=name, initial=change)
        case _:
            return await editor.add_user(
                record.address,
                display_name=name,
                kind=MailboxKind(record.kind),
                domain=record.domain,
                initial=change,
            )


def _batches(links: list[_Links]) -> Iterator[list[_Links]]:
    for first in range(0, len(links), _BATCH):
        yield links[first : first + _BATCH]
