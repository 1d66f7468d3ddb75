"""A cached-mode profile: what Outlook keeps of a mailbox, how it is made and how it starts again."""

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from tests.outlook import rops
from tests.outlook.autodiscover import Account, discover
from tests.outlook.emsmdb import Session
from tests.outlook.http import MapiHttp, Web
from tests.outlook.nspi import AddressBook
from tests.outlook.reader import Properties, PropertyError, Reader, ViolationError
from tests.outlook.synchronization import FAI_DOWNLOAD, Changes, Folder, Message, Replicas, State, Synchronizer

REPLID_GUID_MAP: Final = 0x66380102
OST_ID: Final = 0x7C040102
PSETID_COMMON: Final = UUID("00062008-0000-0000-c000-000000000046")
STORE_TAGS: Final = (
    0x661C001F, 0x661B0102, 0x30090003, 0x66190102, 0x66310102, 0x341D001F, 0x341E0102, 0x341F0102, 0x0E5C000B,
    0x346F0003, 0x67070102,
)  # fmt: skip
STORE_TAGS_AGAIN: Final = (0x0E5C000B, 0x30090003, 0x66190102, 0x661B0102, 0x661C001F, 0x0EA00048, 0x66310102)
MAXIMUM_SUBMIT_SIZE: Final = 0x666D0003
INBOX_TAGS: Final = (
    0x67490014, 0x0FF40003, 0x66720102, 0x36E5001F, 0x36E6001F, 0x3001001F, 0x36020003, 0x36030003, 0x360A000B,
    0x3613001F, 0x36160102, 0x36D00102, 0x36D10102, 0x36D20102, 0x36D30102, 0x36D40102, 0x36D50102, 0x36D60102,
    0x36D70102, 0x36D81102, 0x36D90102, 0x36DE0003, 0x36DF0102, 0x36E00102, 0x36E10003, 0x36E41102, 0x36EB0102,
    0x66390003, 0x36DA0102, 0x30180102, 0x301E0003, 0x36DA0102,
)  # fmt: skip
SPECIAL_TAGS: Final = {
    "Calendar": 0x36D00102,
    "Contacts": 0x36D10102,
    "Journal": 0x36D20102,
    "Notes": 0x36D30102,
    "Tasks": 0x36D40102,
    "Drafts": 0x36D70102,
}
"""MS-OXOSFLD 2.2.3: default folders whose EntryIDs stand on the Inbox and on the Root."""
ADDITIONAL_REN_ENTRY_IDS: Final = 0x36D81102
FREE_BUSY_ENTRY_IDS: Final = 0x36E41102


@dataclass
class Profile:
    """The local state of one mailbox. ``chain`` asks for several buffers in one Execute answer.

    ``folders``: those of the IPM subtree's hierarchy; ``other_folders``: the ones with contents that it does not list;
    ``root_folders``: the Root's hierarchy. All by folder id.
    """

    web: Web
    chain: bool = False
    account: Account | None = None
    own_entry: Properties = field(default_factory=dict)
    logon: rops.Logon | None = None
    replicas: Replicas | None = None
    ost_id: bytes = b""
    named_ids: list[int] = field(default_factory=list)
    local_ids: tuple[UUID, int] | None = None
    store: Properties = field(default_factory=dict)
    inbox: Properties = field(default_factory=dict)
    folders: dict[int, Folder] = field(default_factory=dict)
    root_folders: dict[int, Folder] = field(default_factory=dict)
    other_folders: dict[int, Folder] = field(default_factory=dict)
    states: dict[str, State] = field(default_factory=dict)

    def create(self) -> Changes:
        """The steps of outlook-traces, section 14, without uploads and tables. Returns what was downloaded."""
        self.find()
        session, logon = self.log_on()
        self._read_store(session, logon)
        synchronizer = Synchronizer(session, logon, self._replicas())
        changes = self._hierarchy(synchronizer, "IPM Subtree", self.folders)
        self._read_inbox(session, logon)
        changes = _add(changes, self._contents(synchronizer, between=True))
        changes = _add(changes, self._hierarchy(synchronizer, "Root", self.root_folders))
        session.open(rops.register_notification(0, 1, 0x0002), [logon, rops.NO_HANDLE])
        session.disconnect()
        return changes

    def find(self) -> None:
        """Step 1."""
        self.account = discover(self.web)
        book = AddressBook(MapiHttp(self.web, self.account.address_book_url))
        book.challenge()
        book.bind()
        self.own_entry = book.look_up_own_entry(self.account.legacy_dn)
        book.unbind()

    def check_name(self, text: str) -> Properties:
        """Check Name of the account wizard: the row of the one entry that is meant."""
        self.account = discover(self.web)
        book = AddressBook(MapiHttp(self.web, self.account.address_book_url))
        book.bind()
        outcomes, rows = book.resolve_names([text])
        book.unbind()
        if outcomes != [2]:
            raise ViolationError(
                "MS-OXNSPI 3.1.4.1.17", f"{text}: {outcomes}; the name cannot be matched to a name in the address list"
            )
        return rows[0]

    def log_on(self) -> tuple[Session, int]:
        """Steps 2 and 3: Connect (401, again), RopLogon, PidTagSerializedReplidGuidMap."""
        assert self.account is not None
        session = Session(MapiHttp(self.web, self.account.mail_store_url), chain=self.chain)
        session.challenge(self.account.legacy_dn)
        session.connect(self.account.legacy_dn)
        executed = session.run([rops.logon(0, self.account.legacy_dn)], [rops.NO_HANDLE])
        logon = executed.results[0]
        assert isinstance(logon, rops.Logon)
        if logon.logon_flags & ~0x07 or not logon.logon_flags & 0x01:
            raise ViolationError("MS-OXCSTOR 2.2.1.1.3", f"LogonFlags 0x{logon.logon_flags:02X}")
        if logon.response_flags & 0x07 != 0x07:
            raise ViolationError("MS-OXCSTOR 2.2.1.1.3", f"ResponseFlags 0x{logon.response_flags:02X} for the owner")
        if self.logon is not None and (logon.folder_ids, logon.mailbox_guid) != (
            self.logon.folder_ids,
            self.logon.mailbox_guid,
        ):
            raise ViolationError("MS-OXCSTOR 2.2.1.1.3", "folder ids or mailbox GUID changed since the last logon")
        self.logon = logon
        handle = executed.handles[0]
        values = session.call(rops.get_properties_specific(0, [REPLID_GUID_MAP]), [handle])
        self._take_replicas(values[REPLID_GUID_MAP], logon)
        return session, handle

    def _take_replicas(self, value: Any, logon: rops.Logon) -> None:
        if not isinstance(value, bytes) or not value:
            raise ViolationError("MS-OXCSTOR 2.2.2.1.1.13", f"PidTagSerializedReplidGuidMap is {value!r}")
        reader = Reader(value, "PidTagSerializedReplidGuidMap", "MS-OXCSTOR 2.2.2.1.1.13")
        found: dict[int, UUID] = {}
        while reader.left:
            replid = reader.u16()
            found[replid] = reader.guid()
        if found.get(logon.rep_id) != logon.replica_guid:
            raise reader.fail(f"{found} does not agree with RopLogon's {logon.rep_id} {logon.replica_guid}")
        if self.replicas is not None and any(found.get(k) != v for k, v in self.replicas.by_replid.items()):
            raise reader.fail(f"{found} takes back {self.replicas.by_replid}")
        self.replicas = Replicas(found)

    def _read_store(self, session: Session, logon: int) -> None:
        """Steps 4 to 7."""
        names: list[tuple[UUID, int | str]] = [(PSETID_COMMON, 0x8580), (PSETID_COMMON, 0x8581)]
        self.named_ids = session.call(rops.get_property_ids_from_names(0, 0x02, names), [logon])
        if len(self.named_ids) != 2 or min(self.named_ids) < 0x8000:
            raise ViolationError("MS-OXCPRPT 2.2.12.2", f"property ids {self.named_ids}")
        executed = session.run(
            [rops.open_folder(0, 1, self.special("IPM Subtree")), rops.get_properties_specific(1, [OST_ID])],
            [logon, rops.NO_HANDLE],
        )
        subtree = executed.handles[1]
        self.ost_id = self.web.address.encode()[:20].ljust(20, b"\x5a")
        problems = session.call(rops.set_properties(1, {OST_ID: self.ost_id}), [logon, subtree])
        if problems:
            raise ViolationError("MS-OXCFOLD 2.2.2", f"the OST id was not taken: {problems}")
        self.local_ids = session.run(
            [rops.release(1), rops.get_local_replica_ids(0, 0x10000)], [logon, subtree]
        ).results[1]
        folder_id, message_class = session.call(rops.get_receive_folder(0, ""), [logon])
        if folder_id != self.special("Inbox") or message_class:
            raise ViolationError("MS-OXCSTOR 2.2.1.2.2", f"receive folder of '': {folder_id:016X} {message_class!r}")
        if "SMTP" not in (types := session.call(rops.get_address_types(0), [logon])):
            raise ViolationError("MS-OXOMSG 2.2.3.7.2", f"address types {types}")
        for tags in (STORE_TAGS, STORE_TAGS_AGAIN, (MAXIMUM_SUBMIT_SIZE,)):
            self.store |= session.call(rops.get_properties_specific(0, tags), [logon])

    def _read_inbox(self, session: Session, logon: int) -> None:
        """Step 9."""
        opened = [rops.open_folder(0, 1, self.special("Inbox")), rops.get_properties_specific(1, INBOX_TAGS)]
        executed = session.run(opened, [logon, rops.NO_HANDLE])
        self.inbox = executed.results[1]
        session.run([rops.release(1)], executed.handles)
        calendar = self.special_folder_id(session, logon, "Calendar")
        executed = session.run(
            [rops.open_folder(0, 1, calendar), rops.get_properties_specific(1, (0x3001001F, 0x3613001F))],
            [logon, rops.NO_HANDLE],
        )
        if executed.results[1].get(0x3613001F) != "IPF.Appointment":
            raise ViolationError("MS-OXOSFLD 2.2.1", f"class of the Calendar: {executed.results[1]}")
        session.run([rops.release(1)], executed.handles)

    def special_folder_id(self, session: Session, logon: int, name: str) -> int:
        """The folder id behind a default folder's EntryID on the Inbox (MS-OXCDATA 2.2.4.1)."""
        guid, counter = self.entry_id(self.inbox.get(SPECIAL_TAGS[name]), name)
        found = session.call(rops.id_from_long_term_id(0, guid, counter), [logon])
        assert isinstance(found, int)
        return found

    def entry_id(self, value: Any, what: str) -> tuple[UUID, int]:
        """A folder EntryID of this mailbox: replica GUID and counter."""
        if isinstance(value, PropertyError) or not value:
            raise ViolationError("MS-OXOSFLD 2.2.3", f"{what} has no EntryID: {value!r}")
        assert self.logon is not None
        reader = Reader(value, f"EntryID of {what}", "MS-OXCDATA 2.2.4.1")
        flags, provider, kind = reader.u32(), reader.guid(), reader.u16()
        guid, counter = reader.guid(), int.from_bytes(reader.take(6), "big")
        if flags or provider != self.logon.mailbox_guid or kind != 0x0001 or reader.u16():
            raise reader.fail(f"{value.hex()}")
        reader.end()
        return guid, counter

    def _hierarchy(self, synchronizer: Synchronizer, root: str, folders: dict[int, Folder]) -> Changes:
        changes, self.states[root] = synchronizer.hierarchy(self.special(root), folders, self.states.get(root, {}))
        return changes

    def _contents(self, synchronizer: Synchronizer, *, between: bool) -> Changes:
        """Step 10: every folder in Outlook's order; ``between``: the FAI-only downloads among them."""
        total = Changes()
        for number, folder in enumerate(self._in_order()):
            total = _add(total, synchronizer.contents(folder))
            if between and number == 1:
                self._associated_only(synchronizer)
        return total

    def _associated_only(self, synchronizer: Synchronizer) -> None:
        for folder_id in (self._by_entry_id("Calendar"), self.special("Deleted Items")):
            state = synchronizer.transfer_state(folder_id, FAI_DOWNLOAD, {})
            if any(state.values()):
                raise ViolationError("MS-OXCFXICS 3.2.5.9.3.1", f"the state before the download: {state}")
            synchronizer.associated(folder_id)

    def _in_order(self) -> Iterator[Folder]:
        before = [self.special(name) for name in ("IPM Subtree", "Inbox")]
        named = [self._by_entry_id(name) for name in ("Drafts", "Contacts", "Calendar", "Journal", "Notes", "Tasks")]
        after = [self.special(name) for name in ("Sent Items", "Deleted Items", "Common Views")]
        first = before + named + after
        for name in ("IPM Subtree", "Common Views"):  # no row of the IPM subtree's hierarchy tells of these
            self.other_folders.setdefault(self.special(name), Folder(self.special(name), name))
        for folder_id in first:
            yield self.other_folders.get(folder_id) or self.folders[folder_id]
        for folder_id in sorted(set(self.folders) - set(first)):
            yield self.folders[folder_id]

    def _by_entry_id(self, name: str) -> int:
        key = self.entry_id(self.inbox.get(SPECIAL_TAGS[name]), name)
        for folder_id in self.folders:
            if self._replicas().key(folder_id) == key:
                return folder_id
        raise ViolationError("MS-OXOSFLD 2.2.3", f"{name} is not in the hierarchy")

    def restart(self) -> Changes:
        """The steps of outlook-traces, section 15, from the stored state. Returns what was new."""
        session, logon = self.log_on()
        read = [rops.open_folder(0, 1, self.special("IPM Subtree")), rops.get_properties_specific(1, [OST_ID])]
        executed = session.run(read, [logon, rops.NO_HANDLE])
        if executed.results[1].get(OST_ID) != self.ost_id:
            raise ViolationError("outlook-traces 14.5", f"the OST id is {executed.results[1]}, not {self.ost_id!r}")
        session.run([rops.release(1)], executed.handles)
        synchronizer = Synchronizer(session, logon, self._replicas())
        changes = self._hierarchy(synchronizer, "IPM Subtree", self.folders)
        self._second_logon(session, logon)
        self._associated_only(synchronizer)
        changes = _add(changes, self._hierarchy(synchronizer, "Root", self.root_folders))
        changes = _add(changes, self._contents(synchronizer, between=False))
        session.disconnect()
        return changes

    def _second_logon(self, session: Session, logon: int) -> None:
        """Another RopLogon in the same context, with the Calendar asked through it."""
        assert self.account is not None
        executed = session.run([rops.logon(1, self.account.legacy_dn, logon_id=1)], [logon, rops.NO_HANDLE])
        handle = executed.handles[1]
        calendar = self._by_entry_id("Calendar")
        executed = session.run(
            [
                rops.open_folder(0, 1, calendar, logon_id=1),
                rops.get_properties_specific(1, [0x67480014, 0x3001001F], logon_id=1),
            ],
            [handle, rops.NO_HANDLE],
        )
        if executed.results[1][0x67480014] & 0xFFFFFFFFFFFFFFFF != calendar:
            raise ViolationError("MS-OXCSTOR 2.2.1.1", "the Calendar has another id on a second logon")
        session.run([rops.release(1, 1), rops.release(0, 1)], executed.handles)

    def _replicas(self) -> Replicas:
        assert self.replicas is not None
        return self.replicas

    def special(self, name: str) -> int:
        """Folder id of one of RopLogon's thirteen."""
        assert self.logon is not None
        return self.logon.folder_ids[rops.FOLDER_NAMES.index(name)]

    def all_folders(self) -> list[Folder]:
        return [*self.other_folders.values(), *self.folders.values()]

    def folder(self, name: str) -> Folder:
        """By display name."""
        return next(folder for folder in self.all_folders() if folder.name == name)

    def messages(self, folder: str) -> list[Message]:
        return list(self.folder(folder).messages.values())

    def save(self, path: Path) -> None:
        state = {name: value for name, value in self.__dict__.items() if name not in ("web", "chain")}
        path.write_bytes(pickle.dumps(state))

    @classmethod
    def load(cls, path: Path, web: Web, *, chain: bool = False) -> "Profile":
        profile = cls(web, chain)
        profile.__dict__.update(pickle.loads(path.read_bytes()))
        return profile


def _add(left: Changes, right: Changes) -> Changes:
    return Changes(
        left.messages + right.messages,
        left.folders + right.folders,
        left.deletions + right.deletions,
        left.read_states + right.read_states,
        left.bytes + right.bytes,
    )
