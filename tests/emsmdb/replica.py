"""A cached-mode client's replica of a mailbox: what it uploads and downloads, through whole request buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from mapigw.wire import tags
from mapigw.wire.fasttransfer import (
    Marker,
    MetaTagCnsetRead,
    MetaTagCnsetSeen,
    MetaTagCnsetSeenFAI,
    MetaTagIdsetDeleted,
    MetaTagIdsetGiven,
    MetaTagIdsetNoLongerInScope,
    MetaTagIdsetRead,
    MetaTagIdsetUnread,
)
from mapigw.wire.fasttransfer_stream import Lexeme, Property, StreamReader
from mapigw.wire.globset import IdSet
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import Restriction
from mapigw.wire.xid import PredecessorChangeList, Xid
from tests.emsmdb.client import LOGON, Client

UNICODE_CONTENTS = 0x0001 | 0x0008 | 0x0010 | 0x0020 | 0x0100 | 0x2000
EXTRA = 0x01 | 0x04 | 0x08  # Eid, CN, OrderByDeliveryTime
IDS = 0x10000
PART = 2000
"""Bytes of a state in one ROP, a dozen of which fit into a buffer."""
CONTENTS_STATE = (MetaTagCnsetSeen, MetaTagCnsetSeenFAI, MetaTagIdsetGiven, MetaTagCnsetRead)
UPLOAD_STATE = (MetaTagCnsetSeen, MetaTagCnsetSeenFAI, MetaTagCnsetRead)
HIERARCHY_STATE = (MetaTagCnsetSeen, MetaTagIdsetGiven)


@dataclass
class Change:
    """One messageChange or folderChange element."""

    values: dict[int, Any] = field(default_factory=dict)
    recipients: list[dict[int, Any]] = field(default_factory=list)
    attachments: list[dict[int, Any]] = field(default_factory=list)


@dataclass
class Delta:
    """What one download says."""

    changes: list[Change] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    out_of_scope: list[int] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    state: dict[int, bytes] = field(default_factory=dict)
    lexemes: list[Lexeme] = field(default_factory=list)

    def values(self, tag: int) -> list[Any]:
        """Of every property with this tag, wherever it stands."""
        return [item.value for item in self.lexemes if isinstance(item, Property) and item.tag == tag]

    @property
    def subjects(self) -> list[str]:
        return [change.values[tags.PidTagSubject] for change in self.changes]


_ID_SETS = {
    MetaTagIdsetDeleted: "deleted",
    MetaTagIdsetNoLongerInScope: "out_of_scope",
    MetaTagIdsetRead: "read",
    MetaTagIdsetUnread: "unread",
}
_OPENING = {Marker.StartRecip, Marker.NewAttach, Marker.StartEmbed}
_CLOSING = {Marker.EndToRecip, Marker.EndAttach, Marker.EndEmbed}


def delta_of(stream: bytes) -> Delta:
    """Read a synchronization stream."""
    delta = Delta()
    current: dict[int, Any] | None = None
    stack: list[dict[int, Any] | None] = []
    in_state = False
    delta.lexemes = StreamReader(large=1 << 30).feed(stream)
    for lexeme in delta.lexemes:
        if isinstance(lexeme, Marker):
            if lexeme is Marker.IncrSyncChg:
                delta.changes.append(Change())
                current = delta.changes[-1].values
            elif lexeme in _OPENING:
                stack.append(current)
                current = {}
                if lexeme is Marker.StartRecip and len(stack) == 1:
                    delta.changes[-1].recipients.append(current)
                if lexeme is Marker.NewAttach and len(stack) == 1:
                    delta.changes[-1].attachments.append(current)
            elif lexeme in _CLOSING:
                current = stack.pop()
            elif lexeme in {Marker.IncrSyncDel, Marker.IncrSyncRead}:
                current = None
            elif lexeme is Marker.IncrSyncStateBegin:
                in_state, current = True, None
        else:
            assert isinstance(lexeme, Property)
            if in_state:
                delta.state[lexeme.tag] = lexeme.value
            elif current is not None:
                current[lexeme.tag] = lexeme.value
            elif lexeme.tag in _ID_SETS:
                for _, counters in IdSet.parse_replid(lexeme.value):
                    for low, high in counters:
                        getattr(delta, _ID_SETS[lexeme.tag]).extend(range(low, high + 1))
    return delta


class FolderGoneError(Exception):
    """A folder cannot be opened."""


class Replica:
    """One device: its own change keys, its ids, and the state it holds of each folder."""

    def __init__(self, client: Client, guid: UUID, replica_guid: UUID) -> None:
        self.client = client
        self.guid = guid
        self.replica_guid = replica_guid
        self.states: dict[int, dict[int, bytes]] = {}
        self._change = 0
        self._next_id = self._last_id = 0

    async def new_key(self) -> Xid:
        """A source key from the range that the server handed out."""
        if self._next_id == self._last_id:
            value = await self.client.value("GetLocalReplicaIds", LOGON, id_count=IDS)
            assert value.repl_guid == self.replica_guid
            self._next_id, self._last_id = value.global_count, value.global_count + IDS
        return Xid.gid(self.replica_guid, self.take_id())

    def take_id(self) -> int:
        """The next id of the range, which needs no request."""
        self._next_id += 1
        return self._next_id - 1

    def next_change(self) -> Xid:
        """A change key of this device: its GUID and four bytes, as Outlook makes them."""
        self._change += 1
        return Xid(self.guid, self._change.to_bytes(4, "big"))

    async def open_folder(self, folder_id: int) -> int:
        request = self.client.request("OpenFolder", LOGON, folder_id=ObjectId(1, folder_id), open_mode_flags=0)
        (answer,) = await self.client.send(request)
        if answer.return_value:
            raise FolderGoneError(folder_id)
        return self.client.last

    async def give_state(self, slot: int, state: Mapping[int, bytes], names: Sequence[int]) -> None:
        request = self.client.request
        requests = []
        for tag in names:
            data = state.get(tag, b"")
            size = len(data)
            requests += [
                request("SynchronizationUploadStateStreamBegin", slot, state_property=tag, transfer_buffer_size=size),
                *(
                    request("SynchronizationUploadStateStreamContinue", slot, stream_data=data[start : start + PART])
                    for start in range(0, size or 1, PART)
                ),
                request("SynchronizationUploadStateStreamEnd", slot),
            ]
        for start in range(0, len(requests), 12):
            assert not any(answer.return_value for answer in await self.client.send(*requests[start : start + 12]))

    async def read_stream(self, slot: int) -> bytes:
        data = bytearray()
        while True:
            value = await self.client.value(
                "FastTransferSourceGetBuffer", slot, buffer_size=0xBABE, maximum_buffer_size=0x7BC0
            )
            data += value.transfer_buffer
            if value.transfer_status == 3:
                return bytes(data)

    async def download(self, folder_id: int, *, flags: int = UNICODE_CONTENTS, **options: Any) -> Delta:
        """Synchronize a folder's contents down; the state is kept for the next time."""
        return await self._download(folder_id, 1, flags, CONTENTS_STATE, **options)

    async def download_hierarchy(self, folder_id: int, *, flags: int = 0x0101, **options: Any) -> Delta:
        return await self._download(folder_id, 2, flags, HIERARCHY_STATE, **options)

    async def _download(
        self,
        folder_id: int,
        kind: int,
        flags: int,
        names: Sequence[int],
        *,
        extra: int = EXTRA,
        send_options: int = 0x09,
        restriction: Restriction | None = None,
        property_tags: Sequence[int] = (),
    ) -> Delta:
        client = self.client
        folder = await self.open_folder(folder_id)
        await client.value(
            "SynchronizationConfigure",
            folder,
            synchronization_type=kind,
            send_options=send_options,
            synchronization_flags=flags,
            restriction_data=restriction,
            synchronization_extra_flags=extra,
            property_tags=list(property_tags),
        )
        context = client.last
        await self.give_state(context, self.states.get(folder_id, {}), names)
        delta = delta_of(await self.read_stream(context))
        await client.send(client.request("Release", context), client.request("Release", folder))
        self.states[folder_id] = delta.state
        return delta

    async def collector(self, folder_id: int, *, contents: bool = True) -> int:
        """An upload context that knows the state; its slot."""
        folder = await self.open_folder(folder_id)
        await self.client.value("SynchronizationOpenCollector", folder, is_contents_collector=contents)
        slot = self.client.last
        names = UPLOAD_STATE if contents else (MetaTagCnsetSeen,)
        await self.give_state(slot, self.states.get(folder_id, {}), names)
        return slot

    async def keep_state(self, collector: int, folder_id: int) -> dict[int, bytes]:
        """Fetch the collector's state and keep it; returns what it had."""
        await self.client.value("SynchronizationGetTransferState", collector)
        state = delta_of(await self.read_stream(self.client.last)).state
        kept = self.states.setdefault(folder_id, {})
        kept.update(state)
        return state

    def given(self, folder_id: int, *counters: int) -> None:
        """The client adds what it has uploaded to its own MetaTagIdsetGiven (3.3.5.x)."""
        state = self.states.setdefault(folder_id, {})
        idset = IdSet.parse_replguid(state.get(MetaTagIdsetGiven, b""))
        for counter in counters:
            idset.add(self.replica_guid, counter)
        state[MetaTagIdsetGiven] = idset.build()

    def taken(self, folder_id: int, *counters: int) -> None:
        """The client takes out of it what it has deleted or moved away."""
        state = self.states.get(folder_id, {})
        idset = IdSet.parse_replguid(state.get(MetaTagIdsetGiven, b""))
        for counter in counters:
            idset[self.replica_guid].discard_range(counter, counter)
        if state:
            state[MetaTagIdsetGiven] = idset.build()

    def import_values(
        self, source_key: Xid, modified: int, change: Xid, predecessors: PredecessorChangeList
    ) -> list[tuple[int, Any]]:
        return [
            (tags.PidTagSourceKey, source_key.build()),
            (tags.PidTagLastModificationTime, modified),
            (tags.PidTagChangeKey, change.build()),
            (tags.PidTagPredecessorChangeList, predecessors.build()),
        ]

    async def import_message(
        self,
        collector: int,
        source_key: Xid,
        values: Mapping[int, Any],
        *,
        modified: int,
        change: Xid,
        predecessors: PredecessorChangeList,
        flags: int = 0,
    ) -> int:
        """ImportMessageChange, SetProperties, SaveChangesMessage; returns the ReturnValue of what failed, or 0."""
        client = self.client
        (answer,) = await client.send(
            client.request(
                "SynchronizationImportMessageChange",
                collector,
                import_flag=flags,
                property_values=self.import_values(source_key, modified, change, predecessors),
            )
        )
        if answer.return_value:
            return answer.return_value
        message = client.last
        await client.value("SetProperties", message, property_values=list(values.items()))
        (saved,) = await client.send(
            client.request("SaveChangesMessage", message, input_handle_index=message, save_flags=0x08)
        )
        return saved.return_value
