"""Incremental change synchronization, downloads (MS-OXCFXICS 2.2.3.2; MS-OXCROPS 2.2.13)."""

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from enum import IntEnum, IntFlag
from typing import Any, Final

from mapigw.emsmdb.download import FastTransferSource, Piece, PreparedSource
from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.message_stream import MessageStream, StreamOptions, progress_total
from mapigw.emsmdb.objects import Folder, Logon
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.sync_state import SynchronizationContext
from mapigw.mailbox.conflicts import MESSAGE_STATUS_IN_CONFLICT, version_rows
from mapigw.mailbox.folder_properties import OWN_REPLICA, FolderReader
from mapigw.mailbox.mailboxes import NotFoundError
from mapigw.mailbox.permissions import Rights, permission_lists
from mapigw.mailbox.replicas import ReplicasExhaustedError, replica_id
from mapigw.mailbox.restrictions import decoded_strings
from mapigw.mailbox.synchronization import (
    FEW_FOLDERS,
    ContentsChanges,
    HierarchyChanges,
    contents_changes,
    hierarchy_changes,
)
from mapigw.store.blobs import MissingBlobError
from mapigw.store.changes import MessageChange
from mapigw.store.messages import SyncRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.fasttransfer import (
    MARKER_BYTES,
    NAMED_MINIMUM,
    Marker,
    MetaTagCnsetRead,
    MetaTagCnsetSeen,
    MetaTagCnsetSeenFAI,
    MetaTagIdsetDeleted,
    MetaTagIdsetGiven,
    MetaTagIdsetNoLongerInScope,
    MetaTagIdsetRead,
    MetaTagIdsetUnread,
    push_property,
)
from mapigw.wire.fasttransfer_strings import recoded
from mapigw.wire.globset import CounterSet, IdSet, Replica
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import MULTIPLE, PropertyName, property_type
from mapigw.wire.xid import Xid

log = logging.getLogger("mapigw.sync")

BATCH_MESSAGES: Final = 300
LOCAL_IDS_MAXIMUM: Final = 1 << 20  # of one request; Outlook asks for 65,536
BATCH_BYTES: Final = 3 << 20
FOREIGN_REPLICAS_MAXIMUM: Final = 16  # whose objects a client is told to delete


class SynchronizationType(IntEnum):
    CONTENTS = 0x01
    HIERARCHY = 0x02


class SendOptions(IntFlag):
    UNICODE = 0x01
    FOR_UPLOAD = 0x03
    RECOVER_MODE = 0x04
    FORCE_UNICODE = 0x08
    PARTIAL_ITEM = 0x10


class SynchronizationFlags(IntFlag):
    UNICODE = 0x0001
    NO_DELETIONS = 0x0002
    IGNORE_NO_LONGER_IN_SCOPE = 0x0004
    READ_STATE = 0x0008
    FAI = 0x0010
    NORMAL = 0x0020
    ONLY_SPECIFIED_PROPERTIES = 0x0080
    NO_FOREIGN_IDENTIFIERS = 0x0100
    RESERVED = 0x1000
    BEST_BODY = 0x2000
    IGNORE_SPECIFIED_ON_FAI = 0x4000
    PROGRESS = 0x8000


class ExtraFlags(IntFlag):
    EID = 0x01
    MESSAGE_SIZE = 0x02
    CN = 0x04
    ORDER_BY_DELIVERY_TIME = 0x08


KNOWN_FLAGS: Final = sum(SynchronizationFlags) & ~SynchronizationFlags.RESERVED

_ADDED_BY_PLACE: Final = frozenset(
    {
        tags.PidTagEntryId,
        tags.PidTagParentEntryId,
        tags.PidTagRecordKey,
        tags.PidTagStoreRecordKey,
        tags.PidTagObjectType,
        tags.PidTagChangeNumber,
        tags.PidTagLocalCommitTime,
        tags.PidTagLocalCommitTimeMax,
        tags.PidTagHierarchyChangeNumber,
        tags.PidTagFolderFlags,
    }
)


class SyncDownload(FastTransferSource, SynchronizationContext):
    """A synchronization download context: configured, given the client's state, then read (MS-OXCFXICS 3.2.5.9.1)."""

    def __init__(self, logon: Logon, folder_id: int, request: Any, code_page: int | None) -> None:
        super().__init__(logon)
        self.folder_id = folder_id
        self.flags = SynchronizationFlags(request.synchronization_flags)
        self.extra = ExtraFlags(request.synchronization_extra_flags & sum(ExtraFlags))
        self.code_page = code_page
        self.property_ids = frozenset(tag >> 16 for tag in request.property_tags)
        self._foreign: dict[Replica, CounterSet] = {}

    @property
    def in_use(self) -> bool:
        return self.started

    async def read(self, limit: int) -> bytes:
        """As `FastTransferSource.read`; after a failure, which may have lost a part, it fails for good."""
        self.usable()
        self.failed = ErrorCode.GeneralFailure
        try:
            data = await super().read(limit)
        except RopError as error:
            self.failed = error.code
            raise
        except NotFoundError as error:
            self.failed = ErrorCode.ObjectDeleted
            raise RopError(ErrorCode.ObjectDeleted) from error
        except MissingBlobError as error:
            # It was there when its message was written into the stream; the next stream leaves the message out.
            log.error("a value in mailbox %s has gone while it was sent: %s", self.logon.mailbox.guid, error)
            self.failed = ErrorCode.CorruptData
            raise RopError(ErrorCode.CorruptData) from error
        self.failed = None
        return data

    def transfer_state(self) -> bytes:
        """The uploaded state until all is sent (3.2.5.9.3.1); what has been read ahead must not get into it."""
        return self.state_element(final=self.done)

    async def forget_foreign(self) -> None:
        """Objects of other replicas, which no state of this mailbox names, are reported as deleted."""
        if self.flags & SynchronizationFlags.NO_DELETIONS:
            return
        mailbox = self.logon.mailbox
        for guid, counters in self.given_by_others()[:FOREIGN_REPLICAS_MAXIMUM]:
            with suppress(ReplicasExhaustedError):
                self._foreign[await replica_id(mailbox, guid)] = counters
        self.foreign_forgotten = True

    def _deletions(self, deleted: CounterSet, gone: CounterSet) -> bytearray:
        """The deletions element, where there are any; what the client has is without them then."""
        out = bytearray()
        everywhere = IdSet({OWN_REPLICA: deleted, **self._foreign})
        if everywhere or gone:
            out += MARKER_BYTES[Marker.IncrSyncDel]
            left = IdSet({OWN_REPLICA: gone})
            out += _id_list((MetaTagIdsetDeleted, everywhere), (MetaTagIdsetNoLongerInScope, left))
            self.state.idset_given = self.state.idset_given.difference(deleted).difference(gone)
        return out

    def _see_all(self, seen: CounterSet, changes: ContentsChanges | HierarchyChanges) -> None:
        """Collapse what was seen to one range, but for deletions that are still to be told."""
        seen.add_range(1, changes.last_change_number)
        for change_number in changes.untold:
            seen.discard_range(change_number, change_number)


class ContentsDownload(SyncDownload):
    """Contents synchronization of one folder: the contentsSync element."""

    def __init__(self, logon: Logon, folder_id: int, request: Any, code_page: int | None) -> None:
        super().__init__(logon, folder_id, request, code_page)
        flags, extra = self.flags, self.extra
        options = StreamOptions(
            property_ids=self.property_ids,
            only_specified=bool(flags & SynchronizationFlags.ONLY_SPECIFIED_PROPERTIES),
            ignore_specified_on_fai=bool(flags & SynchronizationFlags.IGNORE_SPECIFIED_ON_FAI),
            foreign_identifiers=not flags & SynchronizationFlags.NO_FOREIGN_IDENTIFIERS,
            progress=bool(flags & SynchronizationFlags.PROGRESS),
            eid=bool(extra & ExtraFlags.EID),
            message_size=bool(extra & ExtraFlags.MESSAGE_SIZE),
            change_number=bool(extra & ExtraFlags.CN),
            code_page=code_page,
        )
        mailbox = logon.mailbox
        self._stream = MessageStream(options, mailbox.replica_guid, mailbox.database.blobs)
        self._restriction = request.restriction_data
        self._sent = 0

    def steps_done(self) -> int:
        return self._sent

    async def produce(self) -> AsyncIterator[Sequence[Piece]]:
        flags = self.flags
        mailbox = self.logon.mailbox
        changes = await contents_changes(
            mailbox,
            self.folder_id,
            self.state,
            normal=bool(flags & SynchronizationFlags.NORMAL),
            associated=bool(flags & SynchronizationFlags.FAI),
            read_state=bool(flags & SynchronizationFlags.READ_STATE),
            deletions=not flags & SynchronizationFlags.NO_DELETIONS,
            newest_first=bool(self.extra & ExtraFlags.ORDER_BY_DELIVERY_TIME),
            restriction=self._restriction,
        )
        await self.forget_foreign()
        self.total_steps = max(1, len(changes.changed))
        if flags & SynchronizationFlags.PROGRESS:
            yield [_progress(changes.changed)]
        given: list[int] = []
        changed_since: list[SyncRow] = []  # the changes were listed; the final state covers the others anyway
        for batch in _batches(changes.changed):
            rows = await mailbox.messages_for_sync(self.folder_id, [change.message_id for change in batch])
            if any(row.message_status & MESSAGE_STATUS_IN_CONFLICT for row in rows):
                rows = await asyncio.to_thread(_with_versions, rows, await mailbox.property_names())
            pieces, sent = await asyncio.to_thread(self._message_pieces, rows)
            given += [row.message_id for row in sent]
            changed_since += [row for row in sent if row.change_number > changes.last_change_number]
            self._sent += len(batch)
            yield pieces
        await self.work(self._note, given, changed_since)
        yield [await self.work(self._end, changes)]

    def _message_pieces(self, rows: Sequence[SyncRow]) -> tuple[list[Piece], list[SyncRow]]:
        """The pieces of some messages, and those messages that they are of: all but the damaged ones."""
        pieces: list[Piece] = []
        sent = []
        for row in rows:
            try:
                pieces += self._stream.pieces(row)
                sent.append(row)
            except (MissingBlobError, WireError, struct.error) as error:
                # One damaged message must not end the stream: Outlook would stop synchronizing the folder.
                log.error(
                    "message %d of mailbox %s cannot be read and is left out of a synchronization: %s",
                    row.message_id,
                    self.logon.mailbox.guid,
                    error,
                )
        return pieces, sent

    def _note(self, given: Sequence[int], changed_since: Sequence[SyncRow]) -> None:
        """What has been sent belongs to the final state."""
        self.state.idset_given = self.state.idset_given.union(CounterSet.of(given))
        for row in changed_since:
            (self.state.cnset_seen_fai if row.is_associated else self.state.cnset_seen).add(row.change_number)

    def _end(self, changes: ContentsChanges) -> bytes:
        """Deletions, read states and the final state, whose change numbers collapse to one range."""
        state, flags = self.state, self.flags
        gone = changes.no_longer_in_scope
        if flags & (SynchronizationFlags.NO_DELETIONS | SynchronizationFlags.IGNORE_NO_LONGER_IN_SCOPE):
            gone = CounterSet()
        out = self._deletions(changes.deleted, gone)
        if changes.read or changes.unread:
            out += MARKER_BYTES[Marker.IncrSyncRead]
            read, unread = IdSet({OWN_REPLICA: changes.read}), IdSet({OWN_REPLICA: changes.unread})
            out += _id_list((MetaTagIdsetRead, read), (MetaTagIdsetUnread, unread))
        if flags & SynchronizationFlags.NORMAL:
            self._see_all(state.cnset_seen, changes)
            if flags & SynchronizationFlags.READ_STATE:
                state.cnset_read.add_range(1, changes.last_change_number)
        if flags & SynchronizationFlags.FAI:
            self._see_all(state.cnset_seen_fai, changes)
        return bytes(out) + self.state_element(final=True) + MARKER_BYTES[Marker.IncrSyncEnd]

    @property
    def state_fields(self) -> Sequence[tuple[int, str]]:
        return (
            (MetaTagCnsetSeen, "cnset_seen"),
            (MetaTagCnsetSeenFAI, "cnset_seen_fai"),
            (MetaTagIdsetGiven, "idset_given"),
            (MetaTagCnsetRead, "cnset_read"),
        )


class HierarchyDownload(SyncDownload):
    """Hierarchy synchronization of the folders below one: the hierarchySync element."""

    async def produce(self) -> AsyncIterator[Sequence[Piece]]:
        mailbox, accessor = self.logon.mailbox, self.logon.accessor
        changes = await hierarchy_changes(
            mailbox, accessor, self.folder_id, self.state, deletions=not self.flags & SynchronizationFlags.NO_DELETIONS
        )
        self.total_steps = max(1, len(changes.changed))
        await self.forget_foreign()
        self.is_large |= len(changes.changed) > FEW_FOLDERS
        if changes.changed:
            lists = await permission_lists(mailbox, (row.folder_id for row in changes.changed))
            reader = FolderReader(
                mailbox,
                changes.folders,
                rights=lambda key: lists.rights(accessor, key),
                parents=changes.parents,
            )
            yield await self.work(self._folder_changes, reader, changes)
        yield [await self.work(self._end, changes)]

    def _folder_changes(self, reader: FolderReader, changes: HierarchyChanges) -> list[Piece]:
        """A piece for each changed folder."""
        source_keys = {row.folder_id: row.source_key for row in changes.folders}
        pieces: list[Piece] = []
        for folder in changes.changed:
            out = bytearray()
            self._folder_change(out, reader.properties(folder), source_keys[folder.parent_id])
            pieces.append(bytes(out))
            self.state.idset_given.add(folder.folder_id)
        return pieces

    def _end(self, changes: HierarchyChanges) -> bytes:
        """Deletions and the final state."""
        out = self._deletions(changes.deleted, CounterSet())
        self._see_all(self.state.cnset_seen, changes)
        return bytes(out) + self.state_element(final=True) + MARKER_BYTES[Marker.IncrSyncEnd]

    def _folder_change(self, out: bytearray, values: dict[int, Any], kept_parent_key: bytes | None) -> None:
        """One folderChange element (2.2.4.3.5). ``kept_parent_key`` is the parent's source key as it was imported."""
        replica = self.logon.mailbox.replica_guid
        header: dict[int, Any] = {}
        parent_key = values.pop(tags.PidTagParentSourceKey)
        if kept_parent_key is not None and not self.flags & SynchronizationFlags.NO_FOREIGN_IDENTIFIERS:
            parent_key = kept_parent_key
        folder_id, parent_id = values.pop(tags.PidTagFolderId), values.pop(tags.PidTagParentFolderId)
        below_root = parent_id == ObjectId(OWN_REPLICA, self.folder_id).to_integer()
        header[tags.PidTagParentSourceKey] = b"" if below_root else parent_key
        for tag in _FOLDER_HEADER:
            header[tag] = values.pop(tag)
        if self.flags & SynchronizationFlags.NO_FOREIGN_IDENTIFIERS:
            header[tags.PidTagSourceKey] = Xid.gid(replica, ObjectId.from_integer(folder_id).counter).build()
        if self.extra & ExtraFlags.EID:
            header[tags.PidTagFolderId] = folder_id
        if self.extra & ExtraFlags.EID or self.flags & SynchronizationFlags.NO_FOREIGN_IDENTIFIERS:
            header[tags.PidTagParentFolderId] = parent_id
        out += MARKER_BYTES[Marker.IncrSyncChg]
        for tag, value in header.items():
            self._push(out, tag, value)
        only = bool(self.flags & SynchronizationFlags.ONLY_SPECIFIED_PROPERTIES)
        for tag, value in values.items():
            unwanted = ((tag >> 16) in self.property_ids) != only or tag in _ADDED_BY_PLACE
            # Outlook hides folders that come with named properties, and chokes on multiple values without a value.
            if unwanted or tag >= NAMED_MINIMUM or (property_type(tag) & MULTIPLE and not value):
                continue
            self._push(out, tag, value)

    def _push(self, out: bytearray, tag: int, value: Any) -> None:
        if self.code_page is not None:
            tag, value = recoded(tag, value, self.code_page)
        push_property(out, tag, value)

    @property
    def state_fields(self) -> Sequence[tuple[int, str]]:
        return (MetaTagCnsetSeen, "cnset_seen"), (MetaTagIdsetGiven, "idset_given")


_FOLDER_HEADER: Final = (
    tags.PidTagSourceKey,
    tags.PidTagLastModificationTime,
    tags.PidTagChangeKey,
    tags.PidTagPredecessorChangeList,
    tags.PidTagDisplayName,
)


def _id_list(*idsets: tuple[int, IdSet]) -> bytes:
    """A propList of IDSETs in REPLID form, the empty ones left out."""
    out = bytearray()
    for tag, idset in idsets:
        if idset:
            push_property(out, tag, idset.build())
    return bytes(out)


def _progress(changes: Sequence[MessageChange]) -> bytes:
    totals = {False: [0, 0], True: [0, 0]}
    for change in changes:
        total = totals[change.is_associated]
        total[0] += 1
        total[1] += change.size
    return progress_total({key: (count, size) for key, (count, size) in totals.items()})


def _batches(changes: Sequence[MessageChange]) -> list[Sequence[MessageChange]]:
    """Runs of messages that are read from the store together."""
    batches: list[Sequence[MessageChange]] = []
    start = size = 0
    for position, change in enumerate(changes):
        if position > start and (position - start == BATCH_MESSAGES or size + change.size > BATCH_BYTES):
            batches.append(changes[start:position])
            start, size = position, 0
        size += change.size
    if start < len(changes):
        batches.append(changes[start:])
    return batches


def _with_versions(rows: Sequence[SyncRow], names: Mapping[int, PropertyName]) -> list[SyncRow]:
    """The rows, with the versions of conflict resolve messages in their places."""
    return [
        item
        for row in rows
        for item in ((row.message_status & MESSAGE_STATUS_IN_CONFLICT and version_rows(row, names)) or [row])
    ]


@handles("SynchronizationConfigure")
async def synchronization_configure(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.2.1.1: define the scope and the parameters of a download."""
    folder = call.object(Folder)
    flags = request.synchronization_flags
    if flags & ~KNOWN_FLAGS:
        raise RopError(ErrorCode.InvalidParameter)
    if request.synchronization_type == SynchronizationType.CONTENTS:
        kind: type[SyncDownload] = ContentsDownload
    elif request.synchronization_type == SynchronizationType.HIERARCHY:
        kind = HierarchyDownload
    else:
        raise RopError(ErrorCode.InvalidParameter)
    if request.restriction_data is not None:
        parameters = call.session.parameters
        request.restriction_data = decoded_strings(request.restriction_data, parameters.default_code_page)
    if await folder.logon.mailbox.folder(folder.folder_id) is None:
        raise RopError(ErrorCode.ObjectDeleted)
    await folder.require(Rights.ReadAny if kind is ContentsDownload else Rights.FolderVisible)
    unicode = flags & SynchronizationFlags.UNICODE or request.send_options & SendOptions.FORCE_UNICODE
    code_page = None if unicode else call.session.parameters.default_code_page
    call.open(request, kind(folder.logon, folder.folder_id, request, code_page))
    return {}


@handles("SynchronizationUploadStateStreamBegin")
async def upload_state_stream_begin(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.2.2.1"""
    call.object(SynchronizationContext).upload_begin(request.state_property)
    return {}


@handles("SynchronizationUploadStateStreamContinue")
async def upload_state_stream_continue(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.2.2.2"""
    call.object(SynchronizationContext).upload_continue(request.stream_data)
    return {}


@handles("SynchronizationUploadStateStreamEnd")
async def upload_state_stream_end(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.2.2.3"""
    await call.object(SynchronizationContext).upload_end()
    return {}


@handles("SynchronizationGetTransferState")
async def get_transfer_state(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.2.3.1: a download of the state that the client may keep as things stand."""
    context = call.object(SynchronizationContext)
    call.open(request, PreparedSource(context.logon, await context.work(context.transfer_state)))
    return {}


@handles("GetLocalReplicaIds")
async def get_local_replica_ids(call: Call, request: Any) -> dict[str, Any]:
    """MS-OXCFXICS 2.2.3.2.4.7: ids for what a client makes offline. The 48-bit space never runs dry."""
    mailbox = call.object(Logon).mailbox
    if not 0 < request.id_count <= LOCAL_IDS_MAXIMUM:
        raise RopError(ErrorCode.InvalidParameter)
    first = await mailbox.reserve_ids(request.id_count)
    return {"repl_guid": mailbox.replica_guid, "global_count": first}
