"""FastTransfer, uploads (MS-OXCFXICS 2.2.3.1.2, 3.2.5.8.2; MS-OXCROPS 2.2.12.1 to 2.2.12.3)."""

import logging
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

from mapigw.emsmdb.content_upload import PARTS_MAXIMUM, Content, ContentUpload, Root, Target, numbered
from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.folder import creator
from mapigw.emsmdb.message_objects import Attachment, Message
from mapigw.emsmdb.objects import Folder, PropertyObject, ServerObject
from mapigw.emsmdb.registry import Call, handles
from mapigw.mailbox.bodies.stored import written_bodies
from mapigw.mailbox.content import DecodedMessage
from mapigw.mailbox.folder_writing import MAXIMUM_NAME
from mapigw.mailbox.folders import FolderFullError, create_folder
from mapigw.mailbox.mailboxes import (
    FolderExistsError,
    MailboxError,
    NamedPropertiesExhaustedError,
    NotFoundError,
    SearchFolderError,
)
from mapigw.mailbox.message_properties import PROPERTY_TYPES, READ_ONLY_PROPERTIES
from mapigw.mailbox.messages import DERIVED_FLAGS, MESSAGE_FLAG_READ
from mapigw.mailbox.permissions import Rights
from mapigw.mailbox.saving import Author, Draft, RuleTooLargeError, new_message_id, save_message, unsaved_row
from mapigw.mailbox.subjects import SUBJECT_PARTS
from mapigw.store.mailboxes import SEARCH_FOLDER
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import address_book_entry_id
from mapigw.wire.errors import WireError

log = logging.getLogger("mapigw.sync")

MOVE: Final = 0x01


class SourceOperation(IntEnum):
    """2.2.3.1.2.1.1"""

    COPY_TO = 0x01
    COPY_PROPERTIES = 0x02
    COPY_MESSAGES = 0x03
    COPY_FOLDER = 0x04


_ERRORS: Final[dict[type[MailboxError], ErrorCode]] = {
    NamedPropertiesExhaustedError: ErrorCode.OutOfMemory,
    NotFoundError: ErrorCode.ObjectDeleted,
    SearchFolderError: ErrorCode.SearchFolder,
    FolderExistsError: ErrorCode.CollidingNames,
    FolderFullError: ErrorCode.TooBig,
    RuleTooLargeError: ErrorCode.TooBig,
}


class _Leaf:
    """What has neither folders nor messages in it: no marker of these gets past the grammar."""

    async def add_folder(self, parent_id: int | None, properties: Mapping[int, Any]) -> int:
        raise WireError("a folder has no place here", field="StartSubFld")

    async def add_message(self, folder_id: int | None, message: DecodedMessage, *, is_associated: bool) -> None:
        raise WireError("a message has no place here", field="StartMessage")


class MessageTarget(_Leaf):
    """An open message takes the content; it is on disk when the message is saved.

    Where the stream was cut makes no difference to what the message becomes.
    """

    def __init__(self, message: Message) -> None:
        self._message = message
        self.depth = message.depth
        self._subject: dict[int, Any] = {}  # the parts of the subject that have come
        self._bodies: set[int] = set()  # the ids of the body properties that have come

    async def write(self, content: Content) -> None:
        message = self._message
        message.require_write()
        stored = message.content
        if tags.PidTagMessageRecipients in content.deleted:
            stored.recipients.clear()
        if tags.PidTagMessageAttachments in content.deleted:
            stored.attachments.clear()
        parts = len(stored.recipients) + len(content.recipients), len(stored.attachments) + len(content.attachments)
        if max(parts) > PARTS_MAXIMUM:
            raise WireError(f"more than {PARTS_MAXIMUM} recipients or attachments", field="messageChildren")
        next_row = max((recipient[tags.PidTagRowid] for recipient in stored.recipients), default=-1) + 1
        for row, recipient in enumerate(content.recipients, next_row):
            stored.recipients.append({**recipient, tags.PidTagRowid: row})
        for attachment in content.attachments:
            attachment.properties[tags.PidTagAttachNumber] = message.next_number()
            if attachment.embedded is not None:
                numbered(attachment.embedded)
            stored.attachments.append(attachment)
        if content.properties:
            await self._set(content.properties)
        message.dirty = True

    async def _set(self, values: Mapping[int, Any]) -> None:
        message = self._message
        self._subject |= {tag: value for tag, value in values.items() if tag in SUBJECT_PARTS}
        if not SUBJECT_PARTS.isdisjoint(values):
            values = {**values, **self._subject}
        page = {tag: value for tag, value in message.content.properties.items() if tag == tags.PidTagInternetCodepage}
        values, replaced = await written_bodies(message.logon.mailbox, page, values, self._bodies)
        await message.put_properties(values, replaced)


class AttachmentTarget(_Leaf):
    """An open attachment takes the content; it is on disk when its message is saved."""

    def __init__(self, attachment: Attachment) -> None:
        self._attachment = attachment
        self.depth = attachment.parent.depth + 1

    async def write(self, content: Content) -> None:
        if content.properties:
            await self._attachment.set_properties(content.properties)
        if content.embedded is not None:
            self._attachment.put_embedded(numbered(content.embedded))


class FolderTarget:
    """An open folder takes messages and subfolders, each on disk when the piece that completes it is answered.

    What is there stays: a subfolder goes into the one that has its name, whose properties are kept.
    """

    depth = 0

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._mailbox = folder.logon.mailbox
        user = folder.logon.session.user
        self._author = Author(user.display_name, address_book_entry_id(user.legacy_dn))

    async def write(self, content: Content) -> None:
        if content.properties:
            await _set_folder(self._folder, content.properties)

    async def add_folder(self, parent_id: int | None, properties: Mapping[int, Any]) -> int:
        logon = self._folder.logon
        parent = Folder(logon, self._folder.folder_id if parent_id is None else parent_id)
        values = dict(properties)
        name = values.pop(tags.PidTagDisplayName, "")
        if not isinstance(name, str) or not name:
            raise WireError("a folder without a name", field="PidTagDisplayName")
        if len(name) > MAXIMUM_NAME:
            raise RopError(ErrorCode.StringTooLong)
        row = await self._mailbox.child_by_name(parent.folder_id, name)
        if row is not None and await logon.rights(row.folder_id) & Rights.FolderVisible:
            return row.folder_id
        await parent.require(Rights.CreateSubFolder)
        row = await create_folder(self._mailbox, parent.folder_id, name, creator=creator(logon))
        if not values.get(tags.PidTagComment):
            values.pop(tags.PidTagComment, None)  # which a stream has of every folder
        if values:
            await _set_folder(Folder(logon, row.folder_id), values)
        return row.folder_id

    async def add_message(self, folder_id: int | None, message: DecodedMessage, *, is_associated: bool) -> None:
        target = Folder(self._folder.logon, self._folder.folder_id if folder_id is None else folder_id)
        await target.require(Rights.Create)
        if (await target.row()).folder_type == SEARCH_FOLDER:
            raise RopError(ErrorCode.SearchFolder)
        values = message.properties
        flags = int(values.pop(tags.PidTagMessageFlags, MESSAGE_FLAG_READ))
        row = unsaved_row(
            target.folder_id,
            await new_message_id(self._mailbox),
            is_associated=is_associated,
            message_flags=flags & ~DERIVED_FLAGS,
            is_read=bool(flags & MESSAGE_FLAG_READ),
        )
        accepted = {
            tag: value
            for tag, value in values.items()
            if tag >> 16 not in READ_ONLY_PROPERTIES and PROPERTY_TYPES.get(tag >> 16, tag) == tag
        }
        bodies, _ = await written_bodies(self._mailbox, {}, accepted, set())
        content = numbered(DecodedMessage(dict(bodies), message.recipients, message.attachments))
        await save_message(self._mailbox, Draft(row, content, self._author, is_copy=True))


async def _set_folder(folder: Folder, values: Mapping[int, Any]) -> None:
    """Set what can be set of a folder's properties. `RopError` where they are too large."""
    problems = await folder.set_properties(values)
    if any(code == ErrorCode.TooBig for _, code in problems):
        raise RopError(ErrorCode.TooBig)


class FastTransferDestination(ServerObject):
    """A FastTransfer upload context (1.1)."""

    def __init__(self, owner: PropertyObject, upload: ContentUpload) -> None:
        super().__init__(owner.logon)
        self._upload = upload
        self._failed: int | None = None

    async def put(self, data: bytes) -> None:
        """The next part of the stream. After a failure every call fails as the first did. `RopError`"""
        if self._failed is not None:
            raise RopError(self._failed)
        self._failed = ErrorCode.GeneralFailure
        try:
            await self._upload.feed(data)
        except WireError as error:
            log.warning("a FastTransfer upload is malformed: %s", error)
            self._failed = ErrorCode.RpcFormat
        except MailboxError as error:
            self._failed = _ERRORS[type(error)]
        except RopError as error:
            self._failed = error.code
        else:
            self._failed = None
            return
        self._upload.close()
        raise RopError(self._failed)

    async def close(self) -> None:
        self._upload.close()


@handles("FastTransferDestinationConfigure")
async def fast_transfer_destination_configure(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.1.2.1: what the object is decides what the stream is about."""
    owner = call.object(PropertyObject)
    operation = request.source_operation
    if operation not in set(SourceOperation) or request.copy_flags & ~MOVE:
        raise RopError(ErrorCode.InvalidParameter)
    root, target = await _target(owner, operation)
    upload = ContentUpload(root, target, owner.logon.mailbox, owner.code_page)
    call.open(request, FastTransferDestination(owner, upload))
    return {}


async def _target(owner: PropertyObject, operation: int) -> tuple[Root, Target]:
    """The root element and where it goes, by the table of 2.2.3.1.2.1.1. `RopError`"""
    whole = operation in {SourceOperation.COPY_TO, SourceOperation.COPY_PROPERTIES}
    match owner:
        case Message() if whole:
            owner.require_write()
            return Root.MESSAGE_CONTENT, MessageTarget(owner)
        case Attachment() if whole:
            owner.require_write()
            return Root.ATTACHMENT_CONTENT, AttachmentTarget(owner)
        case Folder():
            await owner.row()
            return Root.FOLDER_CONTENT if whole else _OF_FOLDERS[operation], FolderTarget(owner)
    raise RopError(ErrorCode.NotSupported)


_OF_FOLDERS: Final = {
    int(SourceOperation.COPY_MESSAGES): Root.MESSAGE_LIST,
    int(SourceOperation.COPY_FOLDER): Root.TOP_FOLDER,
}


@handles("FastTransferDestinationPutBuffer")
async def fast_transfer_destination_put_buffer(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.1.2.2"""
    return await _put(call, request)


@handles("FastTransferDestinationPutBufferExtended")
async def fast_transfer_destination_put_buffer_extended(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.1.2.3: as PutBuffer, with wider counts."""
    return await _put(call, request)


async def _put(call: Call, request: Any) -> dict[str, Any]:
    """As Exchange 2010 and later answer; a failure too tells the size of what was sent."""
    told = {
        "transfer_status": 0,
        "in_progress_count": 0,
        "total_step_count": 1,
        "reserved": 0,
        "buffer_used_size": len(request.transfer_data),
    }
    try:
        await call.object(FastTransferDestination).put(request.transfer_data)
    except RopError as error:
        raise RopError(error.code, told) from error
    return told
