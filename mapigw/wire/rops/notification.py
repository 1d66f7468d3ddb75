"""Notification ROPs (MS-OXCROPS 2.2.14, MS-OXCNOTIF 2.2.1.4.1.2)."""

from typing import Any, Final

from construct import Computed

from mapigw.wire.cursor import Cursor
from mapigw.wire.primitives import (
    Boolean,
    Byte,
    If,
    IfThenElse,
    Int16ul,
    Int32ul,
    MultibyteOrUnicode,
    ObjectIdField,
    Pulled,
    Sized,
    Struct,
    this,
)
from mapigw.wire.rops.rop import rop
from mapigw.wire.rows import Row

NEW_MAIL: Final = 0x0002
OBJECT_CREATED: Final = 0x0004
OBJECT_DELETED: Final = 0x0008
OBJECT_MODIFIED: Final = 0x0010
OBJECT_MOVED: Final = 0x0020
OBJECT_COPIED: Final = 0x0040
SEARCH_COMPLETED: Final = 0x0080
TABLE_MODIFIED: Final = 0x0100
EXTENDED: Final = 0x0400

TOTAL_CHANGED: Final = 0x1000
UNREAD_CHANGED: Final = 0x2000
IN_SEARCH_FOLDER: Final = 0x4000
ON_MESSAGE: Final = 0x8000

TABLE_CHANGED: Final = 0x0001
TABLE_ROW_ADDED: Final = 0x0003
TABLE_ROW_DELETED: Final = 0x0004
TABLE_ROW_MODIFIED: Final = 0x0005
TABLE_RESTRICTION_CHANGED: Final = 0x0007


def _pull_tags(cursor: Cursor, context: Any) -> list[int] | None:
    count = cursor.uint16()
    if count == 0xFFFF:
        return None
    return [cursor.uint32() for _ in range(cursor.count(count, 4))]


def _push_tags(out: bytearray, value: Any, context: Any) -> None:
    if value is None:
        out += b"\xff\xff"
        return
    out += len(value).to_bytes(2, "little")
    for tag in value:
        out += tag.to_bytes(4, "little")


Tags = Pulled(_pull_tags, _push_tags)
"""TagCount and Tags: list of int, None for the count 0xFFFF."""

_flags = this.notification_flags
_kind = _flags & 0x0FFF
_on_message = (_flags & ON_MESSAGE) != 0
_on_folder = (_flags & ON_MESSAGE) == 0
_is_table = _kind == TABLE_MODIFIED
_is_object = (_kind != TABLE_MODIFIED) & (_kind != EXTENDED)
_is_row = _is_table & (this.table_event_type >= TABLE_ROW_ADDED) & (this.table_event_type <= TABLE_ROW_MODIFIED)
_is_placed_row = _is_row & (this.table_event_type != TABLE_ROW_DELETED)
_is_moved_or_copied = (_kind == OBJECT_MOVED) | (_kind == OBJECT_COPIED)
_is_created_or_modified = (_kind == OBJECT_CREATED) | (_kind == OBJECT_MODIFIED)
# of a message in a search folder, or of a folder
_has_parent = (
    ((_kind == OBJECT_CREATED) | (_kind == OBJECT_DELETED) | _is_moved_or_copied)
    & (((_flags & 0xC000) == 0xC000) | ((_flags & 0xC000) == 0))
)  # fmt: skip
_is_new_mail = _kind == NEW_MAIL


NotificationData = Struct(
    "notification_flags" / Int16ul,
    "table_event_type" / IfThenElse(_is_table, Int16ul, Computed(0)),
    "table_row_folder_id" / If(_is_row, ObjectIdField),
    "table_row_message_id" / If(_is_row & _on_message, ObjectIdField),
    "table_row_instance" / If(_is_row & _on_message, Int32ul),
    "insert_after_table_row_folder_id" / If(_is_placed_row, ObjectIdField),
    "insert_after_table_row_id" / If(_is_placed_row & _on_message, ObjectIdField),
    "insert_after_table_row_instance" / If(_is_placed_row & _on_message, Int32ul),
    "table_row_data" / If(_is_placed_row, Sized(Int16ul, Row)),
    "folder_id" / If(_is_object, ObjectIdField),
    "message_id" / If(_is_object & _on_message, ObjectIdField),
    "parent_folder_id" / If(_has_parent, ObjectIdField),
    "old_folder_id" / If(_is_moved_or_copied, ObjectIdField),
    "old_message_id" / If(_is_moved_or_copied & _on_message, ObjectIdField),
    "old_parent_folder_id" / If(_is_moved_or_copied & _on_folder, ObjectIdField),
    "tags" / If(_is_created_or_modified, Tags),
    "total_message_count" / If((_flags & TOTAL_CHANGED) != 0, Int32ul),
    "unread_message_count" / If((_flags & UNREAD_CHANGED) != 0, Int32ul),
    "message_flags" / If(_is_new_mail, Int32ul),
    "unicode_flag" / If(_is_new_mail, Boolean),
    "message_class" / If(_is_new_mail, MultibyteOrUnicode(this.unicode_flag)),
)
"""MS-OXCNOTIF 2.2.1.4.1.2. A table row stands under the parameter ``columns``, those of its table."""

rop(
    0x29,
    "RegisterNotification",
    "2.2.14.1",
    {
        "output_handle_index": Byte,
        "notification_types": Int16ul,
        "reserved": If((this.notification_types & EXTENDED) != 0, Byte),
        "want_whole_store": Boolean,
        "folder_id": If(this.want_whole_store == False, ObjectIdField),  # noqa: E712
        "message_id": If(this.want_whole_store == False, ObjectIdField),  # noqa: E712
    },
    {},
    output_handle=True,
)

rop(
    0x2A,
    "Notify",
    "2.2.14.2",
    None,
    {"notification_handle": Int32ul, "logon_id": Byte, "notification_data": NotificationData},
    common_header=False,
)

rop(0x6E, "Pending", "2.2.14.3", None, {"session_index": Int16ul}, common_header=False)
