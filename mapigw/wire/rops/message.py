"""Message and attachment ROPs (MS-OXCROPS 2.2.6)."""

from typing import Final

from mapigw.wire.primitives import (
    Boolean,
    Byte,
    Bytes,
    Counted,
    If,
    Int16ul,
    Int32ul,
    ObjectIdField,
    ObjectIds,
    PropertyTags,
    Sized,
    Struct,
    TypedString,
    this,
)
from mapigw.wire.rops.rop import rop
from mapigw.wire.rows import RecipientRowUnder, parameter_columns

OpenRecipientRow = Struct(
    "recipient_type" / Byte,
    "code_page_id" / Int16ul,
    "reserved" / Int16ul,
    "recipient_row" / Sized(Int16ul, RecipientRowUnder(this._.recipient_columns)),
)
"""MS-OXCROPS 2.2.6.1.2.1."""

ModifyRecipientRow = Struct(
    "row_id" / Int32ul,
    "recipient_type" / Byte,
    # none deletes the recipient
    "recipient_row" / Sized(Int16ul, RecipientRowUnder(this._.recipient_columns), optional=True),
)
"""MS-OXCROPS 2.2.6.5.1.1."""

ReadRecipientRow = Struct(
    "row_id" / Int32ul,
    "recipient_type" / Byte,
    "code_page_id" / Int16ul,
    "reserved" / Int16ul,
    "recipient_row" / Sized(Int16ul, RecipientRowUnder(parameter_columns)),
)
"""MS-OXCROPS 2.2.6.6.2.1. The columns are the parameter ``columns``: those of the response that opened the message."""

_MESSAGE: Final = {
    "has_named_properties": Boolean,
    "subject_prefix": TypedString,
    "normalized_subject": TypedString,
    "recipient_count": Int16ul,
    "recipient_columns": PropertyTags,
    "recipient_rows": Counted(Byte, OpenRecipientRow),
}

rop(
    0x03,
    "OpenMessage",
    "2.2.6.1",
    {
        "output_handle_index": Byte,
        "code_page_id": Int16ul,
        "folder_id": ObjectIdField,
        "open_mode_flags": Byte,
        "message_id": ObjectIdField,
    },
    _MESSAGE,
    output_handle=True,
)

rop(
    0x06,
    "CreateMessage",
    "2.2.6.2",
    {
        "output_handle_index": Byte,
        "code_page_id": Int16ul,
        "folder_id": ObjectIdField,
        "associated_flag": Boolean,
    },
    {"has_message_id": Boolean, "message_id": If(this.has_message_id, ObjectIdField)},
    output_handle=True,
)

rop(
    0x0C,
    "SaveChangesMessage",
    "2.2.6.3",
    {"input_handle_index": Byte, "save_flags": Byte},
    {"input_handle_index": Byte, "message_id": ObjectIdField},
    response_handle=True,
)

rop(0x0D, "RemoveAllRecipients", "2.2.6.4", {"reserved": Int32ul}, {})

rop(
    0x0E,
    "ModifyRecipients",
    "2.2.6.5",
    {"recipient_columns": PropertyTags, "recipient_rows": Counted(Int16ul, ModifyRecipientRow)},
    {},
)

rop(
    0x0F,
    "ReadRecipients",
    "2.2.6.6",
    {"row_id": Int32ul, "reserved": Int16ul},
    {"recipient_rows": Counted(Byte, ReadRecipientRow)},
)

rop(0x10, "ReloadCachedInformation", "2.2.6.7", {"reserved": Int16ul}, _MESSAGE)

rop(
    0x20,
    "SetMessageStatus",
    "2.2.6.8",
    {"message_id": ObjectIdField, "message_status_flags": Int32ul, "message_status_mask": Int32ul},
    {"message_status_flags": Int32ul},
)

rop(
    0x1F,
    "GetMessageStatus",
    "2.2.6.9",
    {"message_id": ObjectIdField},
    {"message_status_flags": Int32ul},
    response_rop_id=0x20,
)

rop(
    0x66,
    "SetReadFlags",
    "2.2.6.10",
    {"want_asynchronous": Boolean, "read_flags": Byte, "message_ids": ObjectIds},
    always={"partial_completion": Boolean},
    failed={"partial_completion": False},
)

# ClientData is there only on a public folders logon.
rop(
    0x11,
    "SetMessageReadFlag",
    "2.2.6.11",
    {"input_handle_index": Byte, "read_flags": Byte, "client_data": If(this._params.is_public, Bytes(24))},
    {
        "read_status_changed": Boolean,
        "logon_id": If(this.read_status_changed, Byte),
        "client_data": If(this.read_status_changed, Bytes(24)),
    },
    response_handle=True,
)

rop(
    0x22,
    "OpenAttachment",
    "2.2.6.12",
    {"output_handle_index": Byte, "open_attachment_flags": Byte, "attachment_id": Int32ul},
    {},
    output_handle=True,
)

rop(
    0x23,
    "CreateAttachment",
    "2.2.6.13",
    {"output_handle_index": Byte},
    {"attachment_id": Int32ul},
    output_handle=True,
)

rop(0x24, "DeleteAttachment", "2.2.6.14", {"attachment_id": Int32ul}, {})

rop(
    0x25,
    "SaveChangesAttachment",
    "2.2.6.15",
    {"input_handle_index": Byte, "save_flags": Byte},
    {},
    response_handle=True,
)

rop(
    0x46,
    "OpenEmbeddedMessage",
    "2.2.6.16",
    {"output_handle_index": Byte, "code_page_id": Int16ul, "open_mode_flags": Byte},
    {"reserved": Byte, "message_id": ObjectIdField, **_MESSAGE},
    output_handle=True,
)

rop(
    0x21,
    "GetAttachmentTable",
    "2.2.6.17",
    {"output_handle_index": Byte, "table_flags": Byte},
    {},
    output_handle=True,
)

rop(0x52, "GetValidAttachments", "2.2.6.18", {}, {"attachment_ids": Counted(Int32ul, Int32ul)})
