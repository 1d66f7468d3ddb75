"""Folder ROPs (MS-OXCROPS 2.2.4)."""

from typing import Final

from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import (
    Boolean,
    Byte,
    If,
    Int16ul,
    Int32ul,
    MultibyteOrUnicode,
    ObjectIdField,
    ObjectIds,
    Sized,
    this,
)
from mapigw.wire.restrictions import RestrictionField
from mapigw.wire.rops.logon import ReplicaServersField
from mapigw.wire.rops.rop import rop

_PARTIAL: Final = {"partial_completion": Boolean}
_NOTHING_DONE: Final = {"partial_completion": False}
_NULL_DESTINATION: Final = {
    ErrorCode.NullDestinationObject: {"dest_handle_index": Int32ul, "partial_completion": Boolean},
}
_DELETE_MESSAGES: Final = {"want_asynchronous": Boolean, "notify_non_read": Boolean, "message_ids": ObjectIds}
_EMPTY: Final = {"want_asynchronous": Boolean, "want_delete_associated": Boolean}

rop(
    0x02,
    "OpenFolder",
    "2.2.4.1",
    {"output_handle_index": Byte, "folder_id": ObjectIdField, "open_mode_flags": Byte},
    {"has_rules": Boolean, "is_ghosted": Boolean, "servers": If(this.is_ghosted, ReplicaServersField)},
    output_handle=True,
)

rop(
    0x1C,
    "CreateFolder",
    "2.2.4.2",
    {
        "output_handle_index": Byte,
        "folder_type": Byte,
        "use_unicode_strings": Boolean,
        "open_existing": Boolean,
        "reserved": Byte,
        "display_name": MultibyteOrUnicode(this.use_unicode_strings),
        "comment": MultibyteOrUnicode(this.use_unicode_strings),
    },
    {
        "folder_id": ObjectIdField,
        "is_existing_folder": Boolean,
        "has_rules": If(this.is_existing_folder, Boolean),
        "is_ghosted": If(this.is_existing_folder, Boolean),
        "servers": If(this.is_ghosted, ReplicaServersField),
    },
    output_handle=True,
)

rop(
    0x1D,
    "DeleteFolder",
    "2.2.4.3",
    {"delete_folder_flags": Byte, "folder_id": ObjectIdField},
    always=_PARTIAL,
    failed=_NOTHING_DONE,
)

rop(
    0x30,
    "SetSearchCriteria",
    "2.2.4.4",
    {
        "restriction_data": Sized(Int16ul, RestrictionField, optional=True),
        "folder_ids": ObjectIds,
        "search_flags": Int32ul,
    },
    {},
)

rop(
    0x31,
    "GetSearchCriteria",
    "2.2.4.5",
    {"use_unicode": Boolean, "include_restriction": Boolean, "include_folders": Boolean},
    {
        "restriction_data": Sized(Int16ul, RestrictionField, optional=True),
        "logon_id": Byte,
        "folder_ids": ObjectIds,
        "search_flags": Int32ul,
    },
)

rop(
    0x33,
    "MoveCopyMessages",
    "2.2.4.6",
    {
        "dest_handle_index": Byte,
        "message_ids": ObjectIds,
        "want_asynchronous": Boolean,
        "want_copy": Boolean,
    },
    always=_PARTIAL,
    failed=_NOTHING_DONE,
    failures=_NULL_DESTINATION,
)

rop(
    0x35,
    "MoveFolder",
    "2.2.4.7",
    {
        "dest_handle_index": Byte,
        "want_asynchronous": Boolean,
        "use_unicode": Boolean,
        "folder_id": ObjectIdField,
        "new_folder_name": MultibyteOrUnicode(this.use_unicode),
    },
    always=_PARTIAL,
    failed=_NOTHING_DONE,
    failures=_NULL_DESTINATION,
)

rop(
    0x36,
    "CopyFolder",
    "2.2.4.8",
    {
        "dest_handle_index": Byte,
        "want_asynchronous": Boolean,
        "want_recursive": Boolean,
        "use_unicode": Boolean,
        "folder_id": ObjectIdField,
        "new_folder_name": MultibyteOrUnicode(this.use_unicode),
    },
    always=_PARTIAL,
    failed=_NOTHING_DONE,
    failures=_NULL_DESTINATION,
)

rop(0x58, "EmptyFolder", "2.2.4.9", _EMPTY, always=_PARTIAL, failed=_NOTHING_DONE)

rop(0x92, "HardDeleteMessagesAndSubfolders", "2.2.4.10", _EMPTY, always=_PARTIAL, failed=_NOTHING_DONE)

rop(0x1E, "DeleteMessages", "2.2.4.11", _DELETE_MESSAGES, always=_PARTIAL, failed=_NOTHING_DONE)

rop(0x91, "HardDeleteMessages", "2.2.4.12", _DELETE_MESSAGES, always=_PARTIAL, failed=_NOTHING_DONE)

rop(
    0x04,
    "GetHierarchyTable",
    "2.2.4.13",
    {"output_handle_index": Byte, "table_flags": Byte},
    {"row_count": Int32ul},
    output_handle=True,
)

rop(
    0x05,
    "GetContentsTable",
    "2.2.4.14",
    {"output_handle_index": Byte, "table_flags": Byte},
    {"row_count": Int32ul},
    output_handle=True,
)
