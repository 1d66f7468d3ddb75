"""Hierarchy and contents downloads, and what a client may conclude from them (MS-OXCFXICS 3.3.5, 3.2.5.3)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from tests.outlook import rops
from tests.outlook.emsmdb import RopFailedError, Session
from tests.outlook.globsets import IdSet, ranges_of
from tests.outlook.reader import Properties, ViolationError
from tests.outlook.streams import (
    ASSOCIATED,
    CHANGE_KEY,
    CHANGE_NUMBER,
    CNSET_READ,
    CNSET_SEEN,
    CNSET_SEEN_FAI,
    FOLDER_ID,
    IDSET_DELETED,
    IDSET_GIVEN,
    IDSET_READ,
    IDSET_UNREAD,
    LAST_MODIFICATION_TIME,
    MID,
    PARENT_FOLDER_ID,
    PARENT_SOURCE_KEY,
    SOURCE_KEY,
    MessageChange,
    MessageContent,
    Parser,
    Synchronization,
)

HIERARCHY: Final = 2
CONTENTS: Final = 1
HIERARCHY_EXCLUDED: Final = (
    0x36010003, 0x36020003, 0x36030003, 0x0E080003, 0x0FF40003, 0x3FE00102, 0x3FE10102, 0x0E270102,
)  # fmt: skip
CONTENTS_EXCLUDED: Final = (
    0x1000001F, 0x10060003, 0x10070003, 0x1008001F, 0x10100003, 0x10110003, 0x3FF8001F, 0x3FF90102, 0x300F0102,
)  # fmt: skip
DELIVERY_TIME: Final = 0x0E060040
MESSAGE_FLAGS: Final = 0x0E070003
BODY_PREVIEW: Final = 0x3FD9
# A state this large is uploaded in a request of its own.
STATE_IN_FIRST_REQUEST: Final = 0x4000


@dataclass(frozen=True, slots=True)
class Download:
    """The parameters of RopSynchronizationConfigure."""

    kind: int
    send_options: int
    flags: int
    extra: int
    excluded: tuple[int, ...]

    @property
    def state_tags(self) -> tuple[int, ...]:
        if self.kind == HIERARCHY:
            return IDSET_GIVEN, CNSET_SEEN
        return IDSET_GIVEN, CNSET_SEEN, CNSET_SEEN_FAI, CNSET_READ


# outlook-traces, section 14: steps 8, 10 and between them.
HIERARCHY_DOWNLOAD: Final = Download(HIERARCHY, 0x09, 0x0101, 0x01, HIERARCHY_EXCLUDED)
CONTENTS_DOWNLOAD: Final = Download(CONTENTS, 0x1D, 0xA139, 0x0D, CONTENTS_EXCLUDED)
FAI_DOWNLOAD: Final = Download(CONTENTS, 0x1D, 0x0010, 0x05, CONTENTS_EXCLUDED)

State = dict[int, bytes]


@dataclass(slots=True)
class Message:
    """A message as the client keeps it."""

    header: Properties
    content: MessageContent

    @property
    def associated(self) -> bool:
        return bool(self.header[ASSOCIATED])

    @property
    def source_key(self) -> bytes:
        return bytes(self.header[SOURCE_KEY])


@dataclass(slots=True)
class Folder:
    """A folder as the client keeps it; messages by (replica GUID, counter)."""

    folder_id: int
    name: str
    properties: Properties = field(default_factory=dict)
    messages: dict[tuple[UUID, int], Message] = field(default_factory=dict)
    state: State = field(default_factory=dict)
    bytes: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Changes:
    """What one synchronization brought."""

    messages: int = 0
    folders: int = 0
    deletions: int = 0
    read_states: int = 0
    bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.messages or self.folders or self.deletions or self.read_states)


@dataclass(frozen=True, slots=True)
class Replicas:
    """PidTagSerializedReplidGuidMap of the mailbox, and the replica of its own ids."""

    by_replid: dict[int, UUID]

    def key(self, object_id: int) -> tuple[UUID, int]:
        """An 8-byte id (MS-OXCDATA 2.2.1.1) as replica GUID and counter."""
        raw = (object_id & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")
        replid = int.from_bytes(raw[:2], "little")
        if replid not in self.by_replid:
            raise ViolationError("MS-OXCSTOR 2.2.2.1.1.13", f"REPLID {replid} of id {raw.hex()} is in no map")
        return self.by_replid[replid], int.from_bytes(raw[2:], "big")


def gid(source_key: bytes) -> tuple[UUID, int]:
    """A 22-byte GID (MS-OXCDATA 2.2.1.3)."""
    return UUID(bytes_le=source_key[:16]), int.from_bytes(source_key[16:], "big")


class Synchronizer:
    """Runs downloads on one Logon and applies them to folders."""

    def __init__(self, session: Session, logon: int, replicas: Replicas) -> None:
        self.session = session
        self.logon = logon
        self.replicas = replicas

    def download(
        self, folder_id: int, download: Download, state: State, *, transfer_state: bool = False
    ) -> list[bytes]:
        """The buffers of one stream; slots: 0 Logon, 1 folder, 2 context, 3 transfer state."""
        handles = [self.logon, rops.NO_HANDLE, rops.NO_HANDLE, rops.NO_HANDLE]
        upload = [
            rop for tag in download.state_tags for rop in rops.upload_state(2, tag, state.get(tag, b""), chunk=0x6000)
        ]
        first = [
            rops.open_folder(0, 1, folder_id),
            rops.synchronization_configure(
                1, 2, kind=download.kind, send_options=download.send_options, flags=download.flags,
                extra=download.extra, tags=download.excluded,
            ),
        ]  # fmt: skip
        if sum(len(rop.data) for rop in upload) < STATE_IN_FIRST_REQUEST:
            first += upload
            upload = []
        source = 3 if transfer_state else 2
        last = [rops.get_transfer_state(2, 3)] if transfer_state else []
        if upload:
            handles = self.session.run(first, handles).handles
            for rop in upload:
                handles = self.session.run([rop], handles).handles
            first = []
        executed = self.session.run([*first, *last, rops.get_buffer(source)], handles)
        handles = executed.handles
        buffers: list[bytes] = []
        while not self._collect(buffers, [executed.results[-1], *executed.chained], transfer_state):
            executed = self.session.run([rops.get_buffer(source)], handles)
        released = [rops.release(index) for index in (3, 2, 1) if index != 3 or transfer_state]
        self.session.run(released, handles)
        return buffers

    @staticmethod
    def _collect(buffers: list[bytes], transfers: Sequence[Any], transfer_state: bool) -> bool:
        """Append the data; whether the stream is done (MS-OXCFXICS 2.2.3.1.1.5.2).

        Exchange ends a download at step n of n, but a transfer state at step 0 of 1.
        """
        done = False
        for transfer in transfers:
            if isinstance(transfer, RopFailedError):
                raise transfer
            assert isinstance(transfer, rops.Transfer)
            if done:
                raise ViolationError("MS-OXCFXICS 2.2.3.1.1.5.2", "a buffer after TransferStatus Done")
            done = transfer.status == 3
            if not transfer.data and not done:
                raise ViolationError("MS-OXCFXICS 2.2.3.1.1.5.2", "an empty buffer with TransferStatus Partial")
            if done and transfer.in_progress != (0 if transfer_state else transfer.total):
                raise ViolationError(
                    "MS-OXCFXICS 2.2.3.1.1.5.2", f"done at step {transfer.in_progress} of {transfer.total}"
                )
            buffers.append(transfer.data)
        return done

    def transfer_state(self, folder_id: int, download: Download, state: State) -> State:
        """RopSynchronizationGetTransferState on a fresh context: the state that was uploaded."""
        buffers = self.download(folder_id, download, state, transfer_state=True)
        return Parser(buffers).state()

    def associated(self, folder_id: int) -> list[MessageChange]:
        """The FAI-only download of step 10; kept nowhere."""
        buffers = self.download(folder_id, FAI_DOWNLOAD, {})
        found = Parser(buffers, flags=FAI_DOWNLOAD.flags, extra=FAI_DOWNLOAD.extra, excluded=CONTENTS_EXCLUDED)
        return found.contents().messages

    def contents(self, folder: Folder) -> Changes:
        """Synchronize one folder with Outlook's parameters."""
        started = time.perf_counter()
        buffers = self.download(folder.folder_id, CONTENTS_DOWNLOAD, folder.state)
        parameters = CONTENTS_DOWNLOAD
        parser = Parser(buffers, flags=parameters.flags, extra=parameters.extra, excluded=parameters.excluded)
        try:
            found = parser.contents()
            changes = self._apply(folder, found)
        except ViolationError as violation:
            raise ViolationError(violation.section, f"folder {folder.name!r}: {violation.text}") from violation
        changes.bytes = sum(len(buffer) for buffer in buffers)
        folder.bytes += changes.bytes
        folder.seconds += time.perf_counter() - started
        return changes

    def _apply(self, folder: Folder, found: Synchronization) -> Changes:
        _newest_first(found.messages)
        for change in found.messages:
            self._check_ids(change)
            _check_content(change.content)
            key = gid(change.header[SOURCE_KEY])
            folder.messages[key] = Message(change.header, change.content)
        sent = [gid(change.header[SOURCE_KEY]) for change in found.messages]
        if len(set(sent)) != len(sent):
            raise ViolationError("MS-OXCFXICS 3.2.5.3", "a message twice in one stream")
        changes = Changes(messages=len(sent))
        for tag, value in found.deletions.items():
            gone = IdSet.from_replid(value, self.replicas.by_replid, f"0x{tag:08X}").members()
            if gone & set(sent):
                raise ViolationError("MS-OXCFXICS 3.2.5.3", "a message changed and deleted in one stream")
            changes.deletions += len(gone)
            for key in gone:
                folder.messages.pop(key, None)
        for tag, value in found.read_states.items():
            for key in IdSet.from_replid(value, self.replicas.by_replid, f"0x{tag:08X}").members():
                if key not in folder.messages:
                    raise ViolationError("MS-OXCFXICS 2.2.4.3.22", f"read state of unknown {key}")
                changes.read_states += 1
                properties = folder.messages[key].content.properties
                flags = properties.get(MESSAGE_FLAGS, 0) & ~1
                properties[MESSAGE_FLAGS] = flags | (1 if tag == IDSET_READ else 0)
        if set(found.read_states) - {IDSET_READ, IDSET_UNREAD}:
            raise ViolationError("MS-OXCFXICS 2.2.4.3.22", "read state in another property")
        self._check_state(found.state, set(folder.messages), CONTENTS_DOWNLOAD)
        for change in found.messages:
            seen = CNSET_SEEN_FAI if change.header[ASSOCIATED] else CNSET_SEEN
            numbers = IdSet.from_replguid(found.state[seen], "CnsetSeen")
            if self.replicas.key(change.header[CHANGE_NUMBER]) not in numbers:
                raise ViolationError(
                    "MS-OXCFXICS 3.2.5.3", f"CN 0x{change.header[CHANGE_NUMBER]:016X} is not in 0x{seen:08X}"
                )
        folder.state = found.state
        return changes

    def _check_ids(self, change: MessageChange) -> None:
        """PidTagMid is the source key's id (NoForeignIdentifiers), a server's change key holds the change number."""
        header = change.header
        guid, counter = self.replicas.key(header[MID])
        if (guid, counter) != gid(header[SOURCE_KEY]):
            raise ViolationError(
                "MS-OXCFXICS 3.2.5.9.1.1",
                f"PidTagMid {guid}/{counter} and PidTagSourceKey {header[SOURCE_KEY].hex()} differ",
            )
        replica, number = self.replicas.key(header[CHANGE_NUMBER])
        key = header[CHANGE_KEY]
        if key[:16] == replica.bytes_le and int.from_bytes(key[16:], "big") != number:
            raise ViolationError("MS-OXCFXICS 3.1.5.3", f"CN {number} and PidTagChangeKey {key.hex()} differ")

    def _check_state(self, state: State, held: set[tuple[UUID, int]], download: Download) -> None:
        """All of the state's properties, and in IdsetGiven exactly what the client now holds."""
        if missing := [f"0x{tag:08X}" for tag in download.state_tags if tag not in state]:
            raise ViolationError("MS-OXCFXICS 2.2.4.3.25", f"the final state has no {missing}")
        given = IdSet.from_replguid(state[IDSET_GIVEN], "MetaTagIdsetGiven")
        expected: dict[UUID, list[int]] = {}
        for guid, counter in held:
            expected.setdefault(guid, []).append(counter)
        if {g: _joined(r) for g, r in given.ranges.items()} != {g: ranges_of(n) for g, n in expected.items()}:
            raise ViolationError(
                "MS-OXCFXICS 3.2.5.3", f"IdsetGiven has {len(given)} ids, the client holds {len(held)} objects"
            )
        for tag in download.state_tags[1:]:
            IdSet.from_replguid(state[tag], f"0x{tag:08X}")

    def hierarchy(self, root_id: int, folders: dict[int, Folder], state: State) -> tuple[Changes, State]:
        """Synchronize the folders below ``root_id`` into ``folders`` (by folder id)."""
        buffers = self.download(root_id, HIERARCHY_DOWNLOAD, state)
        parser = Parser(
            buffers, flags=HIERARCHY_DOWNLOAD.flags, extra=HIERARCHY_DOWNLOAD.extra, excluded=HIERARCHY_EXCLUDED
        )
        found = parser.hierarchy()
        by_key = {gid(f.properties[SOURCE_KEY]): folder_id for folder_id, f in folders.items()}
        for properties in found.folders:
            folder_id = properties[FOLDER_ID] & 0xFFFFFFFFFFFFFFFF
            self._check_folder(properties, folder_id, root_id, by_key)
            folder = folders.setdefault(folder_id, Folder(folder_id, ""))
            folder.properties = properties
            folder.name = next(v for t, v in properties.items() if isinstance(t, int) and t >> 16 == 0x3001)
            by_key[gid(properties[SOURCE_KEY])] = folder_id
        changes = Changes(folders=len(found.folders), bytes=sum(len(buffer) for buffer in buffers))
        if set(found.deletions) - {IDSET_DELETED}:
            raise ViolationError("MS-OXCFXICS 2.2.4.3.3", "folder deletions in another property")
        for value in found.deletions.values():
            for key in IdSet.from_replid(value, self.replicas.by_replid, "MetaTagIdsetDeleted").members():
                changes.deletions += 1
                if key in by_key:
                    folders.pop(by_key.pop(key), None)
        self._check_state(found.state, set(by_key), HIERARCHY_DOWNLOAD)
        return changes, found.state

    def _check_folder(
        self, properties: Properties, folder_id: int, root_id: int, known: dict[tuple[UUID, int], int]
    ) -> None:
        if folder_id == root_id:
            raise ViolationError("MS-OXCFXICS 2.2.4.3.9", "the root of the synchronization in its own stream")
        if self.replicas.key(folder_id) != gid(properties[SOURCE_KEY]):
            raise ViolationError("MS-OXCFXICS 3.2.5.9.1.1", f"folder id and source key differ: {properties}")
        parent_id = properties[PARENT_FOLDER_ID] & 0xFFFFFFFFFFFFFFFF
        parent = properties[PARENT_SOURCE_KEY]
        if not parent:
            if parent_id != root_id:
                raise ViolationError(
                    "MS-OXCFXICS 2.2.4.3.9", "an empty PidTagParentSourceKey in a folder that is no child of the root"
                )
        elif parent_id == root_id:
            raise ViolationError("MS-OXCFXICS 2.2.4.3.9", "a child of the root names its parent's source key")
        elif gid(parent) not in known:
            raise ViolationError("MS-OXCFXICS 2.2.4.3.9", f"a folder before its parent {parent.hex()}")


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Adjacent ranges as one."""
    found: list[tuple[int, int]] = []
    for low, high in ranges:
        if found and found[-1][1] + 1 == low:
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return found


def _newest_first(messages: list[MessageChange]) -> None:
    times = [
        int(change.content.properties.get(DELIVERY_TIME) or change.header[LAST_MODIFICATION_TIME])
        for change in messages
    ]
    for earlier, later in pairwise(times):
        if later > earlier:
            raise ViolationError("MS-OXCFXICS 3.2.5.9.1.1", f"OrderByDeliveryTime: {later} after {earlier}")


def _check_content(content: MessageContent) -> None:
    """What Outlook was seen to suffer from."""
    for tag in content.properties:
        if isinstance(tag, int) and tag >> 16 == BODY_PREVIEW:
            raise ViolationError("MS-OXCMSG 2.2.1", "a body preview is sent")
    for recipient in content.recipients:
        for tag, value in recipient.items():
            if isinstance(tag, int) and tag & 0xFFFF == 0x0102 and not value:
                raise ViolationError("MS-OXCDATA 2.2.5", f"recipient with an empty 0x{tag:08X}")
        for property_id in (0x3001, 0x3002, 0x3003, 0x0C15):
            if not any(isinstance(tag, int) and tag >> 16 == property_id for tag in recipient):
                raise ViolationError("MS-OXCMSG 2.2.3.1.2", f"recipient without 0x{property_id:04X}: {recipient}")
    for attachment in content.attachments:
        if attachment.embedded is not None:
            _check_content(attachment.embedded)
