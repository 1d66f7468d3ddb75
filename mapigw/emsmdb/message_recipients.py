"""The recipients of an open message (MS-OXCMSG 2.2.3.4 to 2.2.3.6)."""

from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.message import RESPONSE_HEADER, input_object, recipient_rows
from mapigw.emsmdb.message_objects import Message
from mapigw.emsmdb.recipients import recipient_columns, recipient_properties
from mapigw.emsmdb.registry import Call, handles
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode

ROW_MAXIMUM: Final = 0x7000  # bytes of a recipient's row that a ROP buffer can hold beside everything else


@handles("ReadRecipients")
async def read_recipients(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.6: recipients from a RowId on, as many as fit; RowId 0 is the beginning (3.2.5.6)."""
    message = input_object(call, Message)
    call.columns = recipient_columns(message.content.recipients)
    start = message.recipient_place(request.row_id)
    rows = recipient_rows(message, start, call.space - RESPONSE_HEADER - 1)
    if not rows:
        # Not even one: the dispatcher asks for a larger buffer, unless the row is too large for any.
        rows = recipient_rows(message, start, ROW_MAXIMUM)[:1]
    if not rows:
        raise RopError(ErrorCode.BufferTooSmall)
    return {"recipient_rows": rows}


@handles("RemoveAllRecipients")
async def remove_all_recipients(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.4"""
    message = input_object(call, Message)
    message.require_write()
    message.content.recipients.clear()
    message.dirty = True
    return {}


@handles("ModifyRecipients")
async def modify_recipients(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.5: each row replaces the recipient of its RowId, adds one, or without data deletes it (3.2.5.5)."""
    message = input_object(call, Message)
    message.require_write()
    own_dn = call.session.user.legacy_dn
    by_row = {recipient[tags.PidTagRowid] & 0xFFFFFFFF: recipient for recipient in message.content.recipients}
    for item in request.recipient_rows:
        if item.recipient_row is None:
            by_row.pop(item.row_id, None)
        else:
            recipient = recipient_properties(
                item.row_id,
                item.recipient_type,
                item.recipient_row,
                request.recipient_columns,
                message.code_page,
                own_dn,
            )
            message.root.hold(recipient.values())
            by_row[item.row_id] = recipient
    message.content.recipients = [by_row[row_id] for row_id in sorted(by_row)]
    message.dirty = True
    return {}
