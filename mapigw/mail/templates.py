"""Reply templates: FAI messages that rules answer with (MS-OXORULE 3.1.4.2.5)."""

from mapigw.mail.export.reader import with_names
from mapigw.mailbox.content import decode_message, stored_value
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.entryids import MESSAGE_ENTRY_ID
from mapigw.wire.errors import WireError
from mapigw.wire.message import Message
from mapigw.wire.restrictions import ReplyData


class MissingTemplateError(Exception):
    """There is no such template."""


async def reply_template(mailbox: Mailbox, folder_id: int, data: ReplyData) -> Message:
    """The template that an action names: by its id, or by its GUID when it was moved or copied.

    Raises `MissingTemplateError`, `WireError`.
    """
    row = await mailbox.message(_message_id(data))
    if row is None or not _is_template(row, data):
        ids = await mailbox.message_ids(folder_id, associated=True)
        rows = await mailbox.messages(folder_id, ids[:_SEARCHED])
        row = next((item for item in rows.values() if _is_template(item, data)), None)
    if row is None:
        raise MissingTemplateError
    return with_names(decode_message(row), await mailbox.property_names())


_SEARCHED = 500
"""FAI messages that are looked at."""


def _message_id(data: ReplyData) -> int:
    if isinstance(data.template, tuple):
        return int(data.template[1].counter)
    try:
        return int(MESSAGE_ENTRY_ID.parse(data.template).message.counter)
    except WireError:
        return 0


def _is_template(row: MessageRow, data: ReplyData) -> bool:
    found = stored_value(row.properties, row.properties_index, tags.PidTagReplyTemplateId)
    return row.is_associated and found == data.reply_template_guid.bytes_le
