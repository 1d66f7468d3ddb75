"""Message and attachment ROPs that read (MS-OXCMSG 2.2.3, MS-OXCROPS 2.2.6)."""

import logging
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.message_objects import NO_MESSAGE_ID, READ_WRITE, Attachment, Message
from mapigw.emsmdb.objects import Folder, Logon, ServerObject
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.table import Table
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.message_properties import read_message
from mapigw.store.messages import MessageRow
from mapigw.wire import code_pages
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.primitives import ObjectId
from mapigw.wire.rows import push_recipient_row

log = logging.getLogger("mapigw.emsmdb")

LOGON_CODE_PAGE: Final = 0x0FFF
CREATE: Final = 0x02  # OpenModeFlags of OpenEmbeddedMessage
ROWS_MAXIMUM: Final = 254  # less than 0xFF (MS-OXCMSG 2.2.3.6.2)
ROW_MAXIMUM: Final = 0x7000  # bytes of a recipient's row that a ROP buffer can hold beside everything else
RESPONSE_HEADER: Final = 6
TABLE_FLAGS: Final = 0x40  # Unicode, of GetAttachmentTable

Kind = TypeVar("Kind", bound=ServerObject)


def _input(call: Call, *kinds: type[Kind]) -> Kind:
    """The input object; NullObject for one of another kind, as these ROPs answer (MS-OXCMSG 3.2.5)."""
    found = call.object(ServerObject)
    if not isinstance(found, kinds):
        raise RopError(ErrorCode.NullObject)
    return found


async def _message_row(mailbox: Mailbox, folder_id: ObjectId, message_id: ObjectId) -> MessageRow:
    """The message, if it is in that folder. `RopError` NotFound."""
    if folder_id.replica_id == message_id.replica_id == OWN_REPLICA:
        row = await mailbox.message(message_id.counter)
        if row is not None and row.folder_id == folder_id.counter:
            return row
    raise RopError(ErrorCode.NotFound)


@handles("OpenMessage")
async def open_message(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.1: a message by the logon or by any folder of it."""
    logon = _input(call, Logon, Folder).logon
    row = await _message_row(logon.mailbox, request.folder_id, request.message_id)
    try:
        content = read_message(logon.mailbox, row)
    except (WireError, struct.error) as error:
        log.error("message %d of mailbox %s cannot be read: %s", row.message_id, logon.mailbox.guid, error)
        raise RopError(ErrorCode.CorruptData) from error
    read_only = not request.open_mode_flags & READ_WRITE
    message = Message(logon, content, _code_page(call, request.code_page_id), read_only=read_only)
    call.open(request, message)
    return await _opening(message, call.space)


def _code_page(call: Call, code_page_id: int) -> int:
    """CodePageId of a request: 0x0FFF, and the 0 that some clients send, stand for the logon's."""
    return code_page_id if code_page_id not in {0, LOGON_CODE_PAGE} else call.session.parameters.default_code_page


async def _opening(message: Message, space: int) -> dict[str, Any]:
    """The fields that tell what was opened, with as many recipients as fit in the response (3.2.5.1)."""
    fields = await message.opening()
    texts = (fields["subject_prefix"], fields["normalized_subject"])
    space -= RESPONSE_HEADER + 1 + sum(3 + len(text.encode("utf-16-le", "surrogatepass")) for text in texts)
    space -= 2 + 2 + 4 * len(message.recipient_columns) + 1
    rows = _recipient_rows(message, 0, space)
    for row in rows:
        del row["row_id"]
    return {**fields, "recipient_rows": rows}


def _recipient_rows(message: Message, start: int, space: int) -> list[dict[str, Any]]:
    """Rows from the place ``start`` on that fit in ``space`` bytes, as ReadRecipientRow structures."""
    rows: list[dict[str, Any]] = []
    for row_id, recipient_type, row in message.recipient_rows(start):
        out = bytearray()
        push_recipient_row(out, row, message.recipient_columns)
        space -= 4 + 1 + 2 + 2 + 2 + len(out)
        if space < 0 or len(rows) == ROWS_MAXIMUM:
            break
        rows.append(
            {
                "row_id": row_id,
                "recipient_type": recipient_type,
                "code_page_id": message.code_page,
                "reserved": 0,
                "recipient_row": row,
            }
        )
    return rows


@handles("ReadRecipients")
async def read_recipients(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.6: recipients from a RowId on, as many as fit."""
    message = _input(call, Message)
    call.columns = message.recipient_columns
    start = message.recipient_place(request.row_id)
    rows = _recipient_rows(message, start, call.space - RESPONSE_HEADER - 1)
    if not rows:
        # Not even one: the dispatcher asks for a larger buffer, unless the row is too large for any.
        rows = _recipient_rows(message, start, ROW_MAXIMUM)[:1]
    if not rows:
        raise RopError(ErrorCode.BufferTooSmall)
    return {"recipient_rows": rows}


@handles("ReloadCachedInformation")
async def reload_cached_information(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.7: what opening told, once more."""
    return await _opening(_input(call, Message), call.space)


@handles("GetMessageStatus")
async def get_message_status(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.9: no message has a status."""
    folder = _input(call, Folder)
    await _message_row(folder.logon.mailbox, ObjectId(OWN_REPLICA, folder.folder_id), request.message_id)
    return {"message_status_flags": 0}


@handles("OpenAttachment")
async def open_attachment(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.12"""
    message = _input(call, Message)
    attachment = message.attachment(request.attachment_id)
    read_only = not request.open_attachment_flags & READ_WRITE
    call.open(request, Attachment(message, attachment, read_only=read_only))
    return {}


@handles("OpenEmbeddedMessage")
async def open_embedded_message(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.16: the message in an attachment, read-only."""
    attachment = _input(call, Attachment)
    code_page = _code_page(call, request.code_page_id)
    if code_pages.codec_name(code_page) is None:
        raise RopError(ErrorCode.UnknownCodePage)
    if attachment.embedded is None:
        creates = request.open_mode_flags & CREATE
        raise RopError(ErrorCode.NotImplemented if creates else ErrorCode.NotFound)
    message = Message(attachment.logon, attachment.embedded, code_page, read_only=True)
    call.open(request, message)
    return {"reserved": 0, "message_id": NO_MESSAGE_ID, **await _opening(message, call.space - 9)}


class AttachmentTable(Table):
    """The attachments of an open message, as it was when it was opened."""

    async def load(self, keys: Sequence[Any]) -> list[Mapping[int, Any] | None]:
        return [attachment.properties for attachment in keys]


@handles("GetAttachmentTable")
async def get_attachment_table(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.17"""
    message = _input(call, Message)
    if request.table_flags & ~TABLE_FLAGS:
        raise RopError(ErrorCode.InvalidParameter)
    call.open(request, AttachmentTable(message, message.attachments))
    return {}
