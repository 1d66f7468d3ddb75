"""Opening, creating and saving messages (MS-OXCMSG 2.2.3.1 to 2.2.3.3, 2.2.3.7; MS-OXCROPS 2.2.6)."""

import logging
import struct
from enum import IntFlag
from os import urandom
from typing import Any, Final, TypeVar

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.message_objects import NO_MESSAGE_ID, EmbeddedMessage, Message
from mapigw.emsmdb.objects import Folder, Logon, ServerObject
from mapigw.emsmdb.recipients import recipient_columns, recipient_row
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.session import UNASSIGNED_HANDLE
from mapigw.emsmdb.stream_objects import commit_streams
from mapigw.mailbox.content import DecodedMessage, decode_message, stored_value
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.message_properties import OWNER_ACCESS
from mapigw.mailbox.messages import MESSAGE_FLAG_EVER_READ, MESSAGE_FLAG_UNSENT
from mapigw.mailbox.permissions import Access, Rights, is_creator, message_access
from mapigw.mailbox.saving import new_message_id, unsaved_row
from mapigw.mailbox.search_folders import is_shown
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.primitives import ObjectId
from mapigw.wire.rows import push_recipient_row

log = logging.getLogger("mapigw.emsmdb")

LOGON_CODE_PAGE: Final = 0x0FFF
SEARCH_FOLDER: Final = 2  # PidTagFolderType
ROWS_MAXIMUM: Final = 254  # less than 0xFF (MS-OXCMSG 2.2.3.6.2)
RESPONSE_HEADER: Final = 6

Kind = TypeVar("Kind", bound=ServerObject)


class OpenMode(IntFlag):
    """OpenModeFlags (2.2.3.1.1); BestAccess is 0x03. Other bits mean nothing."""

    ReadWrite = 0x01
    BestAccess = 0x03
    OpenSoftDeleted = 0x04


FORCE_SAVE: Final = 0x04
"""Of SaveFlags (2.2.3.3.1). KeepOpenReadOnly (0x01) and KeepOpenReadWrite (0x02) change nothing: as on Exchange 2010
and later a message stays open as it was. Clients send 0x08, DelayedCall, which means nothing here, and combinations."""


def input_object(call: Call, *kinds: type[Kind]) -> Kind:
    """The input object; NullObject for one of another kind, as these ROPs answer (MS-OXCMSG 3.2.5)."""
    found = call.object(ServerObject)
    if not isinstance(found, kinds):
        raise RopError(ErrorCode.NullObject)
    return found


def own_counter(identifier: ObjectId) -> int:
    """The counter of an id of this mailbox; 0, which nothing has, for another's."""
    return identifier.counter if identifier.replica_id == OWN_REPLICA else 0


async def message_row(logon: Logon, folder_id: ObjectId, message_id: ObjectId) -> MessageRow:
    """The message, if it is in that folder, or that search folder shows it. `RopError` NotFound."""
    row = await logon.mailbox.message(own_counter(message_id))
    if row is None or not (
        row.folder_id == own_counter(folder_id) or await is_shown(logon.mailbox, own_counter(folder_id), row.message_id)
    ):
        raise RopError(ErrorCode.NotFound)
    return row


async def access_to(logon: Logon, row: MessageRow) -> Access:
    """What the session's user may do with a message."""
    if logon.accessor.is_owner:
        return OWNER_ACCESS
    creator = stored_value(row.properties, row.properties_index, tags.PidTagCreatorEntryId)
    rights = await logon.rights(row.folder_id)
    return message_access(rights, is_creator=is_creator(logon.accessor, creator))


@handles("OpenMessage")
async def open_message(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.1: a message by the logon or by any folder of it; a soft-deleted one can only be read."""
    logon = input_object(call, Logon, Folder).logon
    mode = request.open_mode_flags
    deleted = None
    if mode & OpenMode.OpenSoftDeleted:
        deleted = await logon.mailbox.deleted_message(own_counter(request.message_id))
    if deleted is not None and deleted.folder_id == own_counter(request.folder_id):
        row = deleted
    else:
        deleted, row = None, await message_row(logon, request.folder_id, request.message_id)
    access = await access_to(logon, row)
    writable = bool(access & Access.Modify) and deleted is None
    if not access & Access.Read or (mode & OpenMode.BestAccess == OpenMode.ReadWrite and not writable):
        raise RopError(ErrorCode.AccessDenied)
    read_only = not (mode & OpenMode.ReadWrite and writable)
    try:
        content = decode_message(row)
    except (WireError, struct.error) as error:
        log.error("message %d of mailbox %s cannot be read: %s", row.message_id, logon.mailbox.guid, error)
        raise RopError(ErrorCode.CorruptData) from error
    code_page = message_code_page(call, request.code_page_id)
    message = Message(logon, row, content, code_page, read_only=read_only, access=access)
    call.open(request, message)
    return await opening(message, call.space)


def message_code_page(call: Call, code_page_id: int) -> int:
    """CodePageId of a request: 0x0FFF, and the 0 that some clients send, stand for the logon's."""
    return code_page_id if code_page_id not in {0, LOGON_CODE_PAGE} else call.session.parameters.default_code_page


async def opening(message: Message, space: int) -> dict[str, Any]:
    """The fields that tell what was opened, with as many recipients as fit in the response (3.2.5.1)."""
    fields = await message.opening()
    texts = (fields["subject_prefix"], fields["normalized_subject"])
    space -= RESPONSE_HEADER + 1 + sum(3 + len(text.encode("utf-16-le", "surrogatepass")) for text in texts)
    space -= 2 + 2 + 4 * len(fields["recipient_columns"]) + 1
    rows = recipient_rows(message, 0, space)
    for row in rows:
        del row["row_id"]
    return {**fields, "recipient_rows": rows}


def recipient_rows(message: Message, start: int, space: int) -> list[dict[str, Any]]:
    """Rows from the place ``start`` on that fit in ``space`` bytes, as ReadRecipientRow structures."""
    rows: list[dict[str, Any]] = []
    recipients = message.content.recipients
    columns = recipient_columns(recipients)
    for recipient in recipients[start:]:
        row = recipient_row(recipient, columns)
        out = bytearray()
        push_recipient_row(out, row, columns)
        space -= 4 + 1 + 2 + 2 + 2 + len(out)
        if space < 0 or len(rows) == ROWS_MAXIMUM:
            break
        rows.append(
            {
                "row_id": recipient[tags.PidTagRowid] & 0xFFFFFFFF,
                "recipient_type": recipient.get(tags.PidTagRecipientType, 1) & 0xFF,
                "code_page_id": message.code_page,
                "reserved": 0,
                "recipient_row": row,
            }
        )
    return rows


@handles("CreateMessage")
async def create_message(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.2: nothing of it is in the folder before it is saved; its id is told by the save."""
    logon = input_object(call, Logon, Folder).logon
    folder = await logon.mailbox.folder(own_counter(request.folder_id))
    if folder is None:
        raise RopError(ErrorCode.NotFound)
    rights = await logon.rights(folder.folder_id)
    if not rights & Rights.Create:
        raise RopError(ErrorCode.AccessDenied)
    if folder.folder_type == SEARCH_FOLDER:
        raise RopError(ErrorCode.SearchFolder)
    row = unsaved_row(
        folder.folder_id,
        await new_message_id(logon.mailbox),
        is_associated=bool(request.associated_flag),
        message_flags=MESSAGE_FLAG_UNSENT | MESSAGE_FLAG_EVER_READ,
        is_read=True,
    )
    code_page = message_code_page(call, request.code_page_id)
    access = OWNER_ACCESS if logon.accessor.is_owner else message_access(rights, is_creator=True)
    call.open(request, Message(logon, row, initial_content(row.modified), code_page, read_only=False, access=access))
    return {"has_message_id": False, "message_id": None}


def initial_content(moment: int) -> DecodedMessage:
    """What a message has from the beginning (3.2.5.2, product notes of Exchange 2016 and 2019)."""
    return DecodedMessage(
        {
            tags.PidTagImportance: 1,
            tags.PidTagMessageClass: "IPM.Note",
            tags.PidTagSensitivity: 0,
            tags.PidTagCreationTime: moment,
            tags.PidTagSearchKey: urandom(16),
        }
    )


@handles("SaveChangesMessage")
async def save_changes_message(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.3: into the mailbox; an embedded message into its attachment."""
    message = input_object(call, Message)
    await commit_streams(message)
    await message.save(force=bool(request.save_flags & FORCE_SAVE))
    if call.handles[call.response_index : call.response_index + 1] == [UNASSIGNED_HANDLE]:
        # Outlook asks for the new change key at this index in the same buffer: 8004010F in Sync Issues without it.
        call.assign(call.response_index, call.handles[call.handle_index])
    embedded = isinstance(message, EmbeddedMessage)
    message_id = NO_MESSAGE_ID if embedded else ObjectId(OWN_REPLICA, message.message_id)
    return {"input_handle_index": request.input_handle_index, "message_id": message_id}


@handles("ReloadCachedInformation")
async def reload_cached_information(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.7: what opening told, as it is now in this handle."""
    return await opening(input_object(call, Message), call.space)
