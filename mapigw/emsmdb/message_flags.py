"""Status and read flags of messages, which are changed without saving them (MS-OXCMSG 2.2.3.8 to 2.2.3.11)."""

from collections.abc import Mapping
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.message import access_to, input_object, message_row, own_counter
from mapigw.emsmdb.message_objects import EmbeddedMessage, Message
from mapigw.emsmdb.objects import Folder
from mapigw.emsmdb.progress import Progress, perform
from mapigw.emsmdb.registry import Call, handles
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.permissions import Access, Rights
from mapigw.mailbox.read_state import batches, folders_of, set_message_status, set_read_flags
from mapigw.mailbox.search_folders import listed_messages
from mapigw.store.messages import MessageRow
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId

IN_CONFLICT: Final = 0x0800
"""msInConflict of PidTagMessageStatus is read-only for clients (2.2.1.8)."""
_SIGNED: Final = 0x7FFFFFFF


async def _row(folder: Folder, message_id: ObjectId, access: Access) -> MessageRow:
    """A message of the folder. `RopError` NotFound, AccessDenied."""
    row = await message_row(folder.logon, ObjectId(OWN_REPLICA, folder.folder_id), message_id)
    if not await access_to(folder.logon, row) & access:
        raise RopError(ErrorCode.AccessDenied)
    return row


@handles("GetMessageStatus")
async def get_message_status(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.9"""
    row = await _row(input_object(call, Folder), request.message_id, Access.Read)
    return {"message_status_flags": row.message_status}


@handles("SetMessageStatus")
async def set_status(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.8: answers the status that the message had before."""
    folder = input_object(call, Folder)
    row = await _row(folder, request.message_id, Access.Modify)
    mask = request.message_status_mask & ~IN_CONFLICT & _SIGNED
    before = await set_message_status(
        folder.logon.mailbox, row.message_id, status=request.message_status_flags, mask=mask
    )
    return {"message_status_flags": before}


@handles("SetReadFlags")
async def set_flags(call: Call, request: Any) -> Mapping[str, Any]:
    """2.2.3.10: of the messages named, or of all when none is; a search folder's are those it shows.

    Messages that are not there are passed over; like Exchange 2010 and later this does not tell (product note 15).
    """
    folder = input_object(call, Folder)
    await folder.row()
    await folder.require(Rights.ReadAny)
    logon, folder_id, flags = folder.logon, folder.folder_id, request.read_flags
    message_ids = [own_counter(message_id) for message_id in request.message_ids]
    if not message_ids:
        message_ids = await listed_messages(logon.mailbox, folder_id)

    async def work(progress: Progress) -> dict[str, Any]:
        progress.total = len(message_ids)
        for batch in batches(message_ids):
            if progress.aborted:
                break
            places = await folders_of(logon.mailbox, logon.accessor, folder_id, batch)
            for place, found in places.items():
                await set_read_flags(logon.mailbox, place, found, flags)
            progress.completed += len(batch)
        return {"partial_completion": False}

    return await perform(call, work, asynchronous=bool(request.want_asynchronous))


@handles("SetMessageReadFlag")
async def set_message_read_flag(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.11: committed at once, however the message is open. ReadStatusChanged is for public folders."""
    message = input_object(call, Message)
    if not isinstance(message, EmbeddedMessage) and not message.is_new:
        await set_read_flags(message.logon.mailbox, message.folder_id, [message.message_id], request.read_flags)
    message.apply_read_flags(request.read_flags)
    return {"read_status_changed": False, "logon_id": None, "client_data": None}
