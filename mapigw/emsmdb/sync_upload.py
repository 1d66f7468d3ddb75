"""Incremental change synchronization, uploads (MS-OXCFXICS 2.2.3.2.4, 3.2.5.9.4; MS-OXCROPS 2.2.13)."""

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.folder import creator
from mapigw.emsmdb.message import access_to
from mapigw.emsmdb.message_objects import Message
from mapigw.emsmdb.objects import Folder
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.sync_state import SynchronizationContext
from mapigw.emsmdb.values import is_storable, stored_form
from mapigw.mailbox.batches import all_accessible
from mapigw.mailbox.conflicts import LAST_TIME, History
from mapigw.mailbox.content import DecodedMessage
from mapigw.mailbox.folder_writing import MAXIMUM_NAME
from mapigw.mailbox.folders import FolderFullError
from mapigw.mailbox.importing import (
    ConflictError,
    ForeignIdError,
    ImportedObjectGoneError,
    NotPermittedError,
    SupersededError,
    Target,
    exclude_ids,
    find_target,
    import_move,
    judge,
    message_ids,
    note_never_existing,
    present_messages,
    save_imported,
)
from mapigw.mailbox.importing_folders import ImportedFolder, NoParentError, import_folder
from mapigw.mailbox.mailboxes import MailboxError, NotFoundError, SearchFolderError
from mapigw.mailbox.message_properties import READ_ONLY_PROPERTIES
from mapigw.mailbox.permissions import Access, Rights
from mapigw.mailbox.progress import Progress
from mapigw.mailbox.read_state import ReadFlags, batches, set_read_flags
from mapigw.mailbox.removing import SpecialFolderError, delete_folder, delete_messages
from mapigw.mailbox.saving import (
    Author,
    Draft,
    MessageChangedError,
    MessageGoneError,
    RuleTooLargeError,
    unsaved_row,
)
from mapigw.store.mailboxes import SEARCH_FOLDER
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.fasttransfer import MetaTagCnsetRead, MetaTagCnsetSeen, MetaTagCnsetSeenFAI
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import MULTIPLE, PropertyType
from mapigw.wire.xid import Precedence, PredecessorChangeList, Xid

log = logging.getLogger("mapigw.sync")

ASSOCIATED: Final = 0x10
FAIL_ON_CONFLICT: Final = 0x40
HIERARCHY: Final = 0x01
HARD_DELETE: Final = 0x02
NO_ID: Final = ObjectId(0, 0)
"""What the responses have for an id (2.2.3.2.4.2.2)."""
DELETED_RANGES_MAXIMUM: Final = 4096
PREDECESSORS_MAXIMUM: Final = 4096
"""Bytes of an imported predecessor change list: more than 150 replicas."""

_MULTIPLE_BINARY: Final = int(PropertyType.BINARY) | MULTIPLE
_IMPORT_ERRORS: Final[dict[type[MailboxError], ErrorCode]] = {
    ImportedObjectGoneError: ErrorCode.SyncObjectDeleted,
    MessageGoneError: ErrorCode.SyncObjectDeleted,
    SupersededError: ErrorCode.IgnoreFailure,
    NoParentError: ErrorCode.NoParentFolder,
    ForeignIdError: ErrorCode.InvalidParameter,
    ConflictError: ErrorCode.SyncConflict,
    NotPermittedError: ErrorCode.AccessDenied,
    FolderFullError: ErrorCode.TooBig,
    NotFoundError: ErrorCode.SyncObjectDeleted,
    SearchFolderError: ErrorCode.NotSupported,
    SpecialFolderError: ErrorCode.AccessDenied,
    MessageChangedError: ErrorCode.ServerBusy,
    RuleTooLargeError: ErrorCode.TooBig,
}


def _rop_error(error: MailboxError) -> RopError:
    return RopError(_IMPORT_ERRORS.get(type(error), ErrorCode.GeneralFailure))


class SyncUpload(SynchronizationContext):
    """A synchronization upload context, also called collector: of a folder's contents, or of the hierarchy below it."""

    def __init__(self, folder: Folder, *, contents: bool, is_search: bool) -> None:
        super().__init__(folder.logon)
        self.folder = folder
        self.contents = contents
        self.is_search = is_search
        """Of a search folder, into which nothing can be put."""

    @property
    def state_fields(self) -> Sequence[tuple[int, str]]:
        """Never IdsetGiven (3.1.5.2.1): with it Outlook says "added" and MAPI_E_NOT_FOUND in the same second."""
        if not self.contents:
            return ((MetaTagCnsetSeen, "cnset_seen"),)
        return (
            (MetaTagCnsetSeen, "cnset_seen"),
            (MetaTagCnsetSeenFAI, "cnset_seen_fai"),
            (MetaTagCnsetRead, "cnset_read"),
        )

    def transfer_state(self) -> bytes:
        return self.state_element(final=True)

    def seen(self, change_number: int, *, is_associated: bool = False) -> None:
        """The client has the change that it uploaded: it is not sent back to it."""
        (self.state.cnset_seen_fai if is_associated else self.state.cnset_seen).add(change_number)


class ImportedMessage(Message):
    """A message whose content is being uploaded. Its first save imports the version, later ones are the server's."""

    def __init__(
        self, collector: SyncUpload, target: Target, row: MessageRow, history: History, code_page: int, *, refuse: bool
    ) -> None:
        super().__init__(collector.logon, row, DecodedMessage(), code_page, read_only=False)
        self.dirty = True
        self._collector = collector
        self._history: History | None = history
        self._source_key = target.source_key
        self._refuse_conflicts = refuse

    def read_only_ids(self) -> Collection[int]:
        return READ_ONLY_PROPERTIES if self._history is not None else super().read_only_ids()

    async def refuse(self, values: Mapping[int, Any]) -> None:
        """An upload is a copy of everything that the client has; what is the server's in it is passed over."""
        if self._history is None:
            await super().refuse(values)

    async def _commit(self, author: Author, *, force: bool) -> MessageRow:
        history = self._history
        if history is None:
            return await super()._commit(author, force=force)
        draft = Draft(self.row, self.content, author)
        try:
            saved = await save_imported(
                self.logon.mailbox, draft, history, self._source_key, fail_on_conflict=self._refuse_conflicts
            )
        except (ImportedObjectGoneError, MessageGoneError, SupersededError, ConflictError) as error:
            raise _rop_error(error) from error
        if not saved.resolved:
            self._collector.seen(saved.row.change_number, is_associated=saved.row.is_associated)
        self._history = None
        return saved.row


@handles("SynchronizationOpenCollector")
async def synchronization_open_collector(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.2.4.1"""
    folder = call.object(Folder)
    row = await folder.row()
    contents = bool(request.is_contents_collector)
    call.open(request, SyncUpload(folder, contents=contents, is_search=row.folder_type == SEARCH_FOLDER))
    return {}


def _collector(call: Call, *, contents: bool) -> SyncUpload:
    """The upload context, which must be one of contents or of hierarchy as the ROP needs it."""
    collector = call.object(SyncUpload)
    collector.usable()
    if collector.contents != contents:
        raise RopError(ErrorCode.NotSupported)
    return collector


def _values(values: Mapping[int, Any], *columns: int) -> list[Any]:
    """The values of an import's fixed properties, which are all there. `RopError`."""
    if not values.keys() >= set(columns):
        raise RopError(ErrorCode.InvalidParameter)
    return [values[column] for column in columns]


def _history(change_key: bytes, predecessors: bytes, modified: int) -> History:
    if modified > LAST_TIME:
        raise RopError(ErrorCode.InvalidParameter)
    key = _xid(change_key)
    return History(key, _predecessors(predecessors).with_change(key), modified)


def _predecessors(data: bytes) -> PredecessorChangeList:
    if len(data) > PREDECESSORS_MAXIMUM:
        raise RopError(ErrorCode.InvalidParameter)
    try:
        return PredecessorChangeList.parse(data)
    except WireError as error:
        log.warning("a malformed predecessor change list was imported: %s", error)
        raise RopError(ErrorCode.InvalidParameter) from error


def _xid(data: bytes) -> Xid:
    """A source key or a change key."""
    try:
        return Xid.parse(data)
    except WireError as error:
        raise RopError(ErrorCode.InvalidParameter) from error


@handles("SynchronizationImportMessageChange")
async def synchronization_import_message_change(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.2.4.2: open a message for the upload of its whole content."""
    collector = _collector(call, contents=True)
    flags = request.import_flag
    if flags & ~(ASSOCIATED | FAIL_ON_CONFLICT):
        raise RopError(ErrorCode.InvalidParameter)
    source_key, modified, change_key, predecessors = _values(
        dict(request.property_values),
        tags.PidTagSourceKey,
        tags.PidTagLastModificationTime,
        tags.PidTagChangeKey,
        tags.PidTagPredecessorChangeList,
    )
    history = _history(change_key, predecessors, modified)
    logon, folder_id = collector.logon, collector.folder.folder_id
    if collector.is_search:
        raise RopError(ErrorCode.NotSupported)
    try:
        target = await find_target(logon.mailbox, folder_id, _xid(source_key))
    except MailboxError as error:
        raise _rop_error(error) from error
    row = target.row
    if row is None:
        await collector.folder.require(Rights.Create)
        row = unsaved_row(
            folder_id,
            target.object_id,
            is_associated=bool(flags & ASSOCIATED),
            message_flags=0,
            is_read=False,
        )
    else:
        if not await access_to(logon, row) & Access.Modify:
            raise RopError(ErrorCode.AccessDenied)
        precedence = judge(logon.mailbox, history, row)
        if precedence is Precedence.OLDER_OR_EQUAL:
            raise RopError(ErrorCode.IgnoreFailure)
        if precedence is Precedence.CONFLICT and flags & FAIL_ON_CONFLICT:
            raise RopError(ErrorCode.SyncConflict)
    code_page = call.session.parameters.default_code_page
    refuse = bool(flags & FAIL_ON_CONFLICT)
    call.open(request, ImportedMessage(collector, target, row, history, code_page, refuse=refuse))
    return {"message_id": NO_ID}


@handles("SynchronizationImportHierarchyChange")
async def synchronization_import_hierarchy_change(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.2.4.3: a new or changed folder. The answers are success, no parent, deleted, and superseded."""
    collector = _collector(call, contents=False)
    code_page = call.session.parameters.default_code_page
    hierarchy = dict(stored_form(tag, value, code_page) for tag, value in request.hierarchy_values)
    parent_key, source_key, modified, change_key, predecessors, name = _values(
        hierarchy,
        tags.PidTagParentSourceKey,
        tags.PidTagSourceKey,
        tags.PidTagLastModificationTime,
        tags.PidTagChangeKey,
        tags.PidTagPredecessorChangeList,
        tags.PidTagDisplayName,
    )
    if not isinstance(name, str) or not 0 < len(name) <= MAXIMUM_NAME:
        raise RopError(ErrorCode.InvalidParameter)
    properties = dict(stored_form(tag, value, code_page) for tag, value in request.property_values)
    imported = ImportedFolder(
        _xid(parent_key) if parent_key else collector.folder.folder_id,
        _xid(source_key),
        name,
        _history(change_key, predecessors, modified),
        {
            tag: value
            for tag, value in properties.items()
            if tag not in hierarchy and is_storable(tag) and tag & 0xFFFF != PropertyType.OBJECT
        },
    )
    logon = collector.logon
    try:
        result = await import_folder(logon.mailbox, logon.accessor, imported, creator=creator(logon))
    except MailboxError as error:
        raise _rop_error(error) from error
    if not result.resolved:
        collector.seen(result.change_number)
    return {"folder_id": NO_ID}


@handles("SynchronizationImportMessageMove")
async def synchronization_import_message_move(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.2.4.4: a message comes into the collector's folder under the id that the client gave it."""
    collector = _collector(call, contents=True)
    await collector.folder.require(Rights.Create)
    predecessors = _predecessors(request.predecessor_change_list)
    try:
        moved = await import_move(
            collector.logon.mailbox,
            collector.logon.accessor,
            _xid(request.source_folder_id),
            _xid(request.source_message_id),
            collector.folder.folder_id,
            _xid(request.destination_message_id),
            _xid(request.change_number),
            predecessors,
        )
    except MailboxError as error:
        raise _rop_error(error) from error
    if moved.seen:
        collector.seen(moved.row.change_number, is_associated=moved.row.is_associated)
    if not moved.applied:
        raise RopError(ErrorCode.NewerClientChange, {"message_id": NO_ID})
    return {"message_id": NO_ID}


@handles("SynchronizationImportDeletes")
async def synchronization_import_deletes(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.2.4.5: deletions of messages or folders; those of objects that are not there succeed."""
    flags = request.import_delete_flags
    if flags & ~(HIERARCHY | HARD_DELETE):
        raise RopError(ErrorCode.InvalidParameter)
    collector = _collector(call, contents=not flags & HIERARCHY)
    if len(request.property_values) != 1:
        raise RopError(ErrorCode.InvalidParameter)
    ((tag, keys),) = request.property_values
    if tag & 0xFFFF != _MULTIPLE_BINARY:
        raise RopError(ErrorCode.InvalidParameter)
    source_keys = [_xid(key) for key in keys]
    delete = _delete_folders if flags & HIERARCHY else _delete_messages
    try:
        await delete(collector, source_keys, hard=bool(flags & HARD_DELETE))
    except MailboxError as error:
        raise _rop_error(error) from error
    return {}


async def _delete_messages(collector: SyncUpload, source_keys: Sequence[Xid], *, hard: bool) -> None:
    """All or none, as far as can be told before."""
    mailbox, accessor = collector.logon.mailbox, collector.logon.accessor
    folder_id = collector.folder.folder_id
    await note_never_existing(mailbox, folder_id, source_keys, is_folder=False)
    found = await present_messages(mailbox, folder_id, await message_ids(mailbox, source_keys))
    present = [state.message_id for state in found]
    if not await all_accessible(mailbox, accessor, folder_id, present, Access.Delete):
        raise NotPermittedError("the user may not delete some of the messages")
    await delete_messages(mailbox, accessor, folder_id, present, hard=hard, progress=Progress())


async def _delete_folders(collector: SyncUpload, source_keys: Sequence[Xid], *, hard: bool) -> None:
    """All or none, as far as can be told before."""
    mailbox, accessor = collector.logon.mailbox, collector.logon.accessor
    found = {}
    for folder_id in await message_ids(mailbox, source_keys):
        row = await mailbox.folder(folder_id)
        if row is not None:
            found[folder_id] = row
    for folder_id, row in found.items():
        if row.special:
            raise SpecialFolderError(f"{row.special} is a special folder")
        await Folder(collector.logon, folder_id).require(Rights.FolderOwner)
    await note_never_existing(mailbox, collector.folder.folder_id, source_keys, is_folder=True)
    for folder_id in found:
        with suppress(NotFoundError):  # it was below another one
            left = await delete_folder(
                mailbox, accessor, folder_id, with_messages=True, with_folders=True, hard=hard, progress=Progress()
            )
            if left:
                raise NotPermittedError("the user may not delete all that the folder holds")


@handles("SynchronizationImportReadStateChanges")
async def synchronization_import_read_state_changes(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.2.4.6: as RopSetMessageReadFlag for each message; what is FAI or not there is passed over."""
    collector = _collector(call, contents=True)
    mailbox, folder_id = collector.logon.mailbox, collector.folder.folder_id
    await collector.folder.require(Rights.ReadAny)
    states: Mapping[bytes, bool] = dict(request.message_read_states)
    ids = await message_ids(mailbox, [_xid(key) for key in states])
    wanted = dict(zip(ids, states.values(), strict=True))
    present = await present_messages(mailbox, folder_id, ids)
    normal = [state.message_id for state in present if not state.is_associated]
    for is_read, flags in ((True, 0), (False, int(ReadFlags.ClearReadFlag))):
        for batch in batches([message_id for message_id in normal if wanted[message_id] is is_read]):
            for change_number in await set_read_flags(mailbox, folder_id, batch, flags):
                collector.state.cnset_read.add(change_number)
    return {}


@handles("SetLocalReplicaMidsetDeleted")
async def set_local_replica_midset_deleted(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.2.4.8: ids that a client got and will never use in a folder."""
    folder = call.object(Folder)
    await folder.row()
    ranges = []
    if len(request.long_term_id_ranges) > DELETED_RANGES_MAXIMUM:
        raise RopError(ErrorCode.InvalidParameter)
    mailbox = folder.logon.mailbox
    for item in request.long_term_id_ranges:
        first, last = item.min_long_term_id, item.max_long_term_id
        if {first.replica_guid, last.replica_guid} != {mailbox.replica_guid} or first.counter > last.counter:
            raise RopError(ErrorCode.InvalidParameter)
        ranges.append((first.counter, last.counter))
    await exclude_ids(mailbox, folder.folder_id, ranges)
    return {}
