"""Attachments of an open message and the messages embedded in them (MS-OXCMSG 2.2.3.12 to 2.2.3.17).

RopGetValidAttachments is not implemented, as on Exchange 2010 and later (2.2.3.18, product note).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.message import initial_content, input_object, message_code_page, opening
from mapigw.emsmdb.message_objects import NO_MESSAGE_ID, Attachment, EmbeddedMessage, Message
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.stream_objects import commit_streams
from mapigw.emsmdb.table import Table
from mapigw.mailbox.clock import now
from mapigw.mailbox.content import DecodedAttachment, DecodedMessage
from mapigw.mailbox.message_properties import ATTACH_NONE, NOT_RENDERED, attachment_properties
from mapigw.mailbox.messages import MESSAGE_FLAG_EVER_READ, MESSAGE_FLAG_READ, MESSAGE_FLAG_UNSENT
from mapigw.wire import code_pages, tags
from mapigw.wire.codes import ErrorCode

ATTACHMENTS_MAXIMUM: Final = 1024
"""Attachments of a message, as on Exchange."""
DEPTH_MAXIMUM: Final = 32
"""How deep messages may be embedded by clients."""
TABLE_FLAGS: Final = 0x40  # Unicode, of GetAttachmentTable

# Modes of opening (2.2.3.12.1, 2.2.3.16.1)
READ_WRITE: Final = 0x01
CREATE: Final = 0x02
BEST_ACCESS: Final = 0x03

_SAVE_FLAGS: Final = 0x0F
_KEEP_OPEN: Final = 0x03  # KeepOpenReadOnly and KeepOpenReadWrite contradict each other


@handles("OpenAttachment")
async def open_attachment(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.12"""
    message = input_object(call, Message)
    attachment = message.attachment(request.attachment_id)
    mode = request.open_attachment_flags
    if mode == READ_WRITE:
        message.require_write()
    call.open(request, Attachment(message, attachment.copy(), read_only=not mode & READ_WRITE))
    return {}


@handles("CreateAttachment")
async def create_attachment(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.13: it has a number at once, and is part of the message when it is saved (3.2.5.13)."""
    message = input_object(call, Message)
    message.require_write()
    if len(message.content.attachments) >= ATTACHMENTS_MAXIMUM:
        raise RopError(ErrorCode.MaxAttachmentExceeded)
    moment = now()
    content = DecodedAttachment(
        {
            tags.PidTagAttachNumber: message.next_number(),
            tags.PidTagAttachMethod: ATTACH_NONE,
            tags.PidTagRenderingPosition: NOT_RENDERED,
            tags.PidTagCreationTime: moment,
            tags.PidTagLastModificationTime: moment,
        }
    )
    call.open(request, Attachment(message, content, read_only=False, is_new=True))
    return {"attachment_id": content.properties[tags.PidTagAttachNumber]}


@handles("DeleteAttachment")
async def delete_attachment(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.14: out of this handle's message; out of the mailbox when that is saved."""
    message = input_object(call, Message)
    message.require_write()
    message.content.attachments.remove(message.attachment(request.attachment_id))
    message.dirty = True
    return {}


@handles("SaveChangesAttachment")
async def save_changes_attachment(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.15: into the open message. A combination of flags that is none, and any other object: NotSupported."""
    attachment = call.object(Attachment)
    flags = request.save_flags
    if flags & ~_SAVE_FLAGS or flags & _KEEP_OPEN == _KEEP_OPEN:
        raise RopError(ErrorCode.NotSupported)
    await commit_streams(attachment)
    attachment.save()
    return {}


@handles("OpenEmbeddedMessage")
async def open_embedded_message(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.16: the message in an attachment, for writing whenever the attachment is (as Exchange 2010 and later)."""
    attachment = input_object(call, Attachment)
    code_page = message_code_page(call, request.code_page_id)
    if code_pages.codec_name(code_page) is None:
        raise RopError(ErrorCode.UnknownCodePage)
    content, is_new = attachment.content.embedded, False
    if content is None:
        if not request.open_mode_flags & CREATE:
            raise RopError(ErrorCode.NotFound)
        attachment.require_write()
        content, is_new = _new_embedded(), True
    message = EmbeddedMessage(attachment, content.copy(), code_page, is_new=is_new)
    if is_new and message.depth > DEPTH_MAXIMUM:
        raise RopError(ErrorCode.TooBig)
    call.open(request, message)
    return {"reserved": 0, "message_id": NO_MESSAGE_ID, **await opening(message, call.space - 9)}


def _new_embedded() -> DecodedMessage:
    content = initial_content(now())
    content.properties[tags.PidTagMessageFlags] = MESSAGE_FLAG_READ | MESSAGE_FLAG_UNSENT | MESSAGE_FLAG_EVER_READ
    return content


class AttachmentTable(Table):
    """The attachments of an open message, as they are when the table is opened."""

    def __init__(self, message: Message) -> None:
        super().__init__(message, list(message.content.attachments))
        self._message = message

    async def load(self, keys: Sequence[Any]) -> list[Mapping[int, Any] | None]:
        message = self._message
        return [attachment_properties(item, message.key, message.modified, message.access_level) for item in keys]


@handles("GetAttachmentTable")
async def get_attachment_table(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.17"""
    message = input_object(call, Message)
    if request.table_flags & ~TABLE_FLAGS:
        raise RopError(ErrorCode.InvalidParameter)
    call.open(request, AttachmentTable(message))
    return {}
