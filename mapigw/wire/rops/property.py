"""Property ROPs (MS-OXCROPS 2.2.8)."""

from typing import Final

from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import (
    Boolean,
    Byte,
    Counted,
    CountOf,
    Guid,
    If,
    Int16ul,
    Int32ul,
    PropertyTags,
    Repeated,
    Sized,
    this,
)
from mapigw.wire.rops.rop import rop
from mapigw.wire.rows import PropertyNameField, PropertyProblems, Row, TaggedValues

_PROBLEMS: Final = {"property_problems": PropertyProblems}
_SET: Final = {"property_values": Sized(Int16ul, TaggedValues)}
_DELETE: Final = {"property_tags": PropertyTags}
_NULL_DESTINATION: Final = {ErrorCode.NullDestinationObject: {"dest_handle_index": Int32ul}}

rop(
    0x56,
    "GetPropertyIdsFromNames",
    "2.2.8.1",
    {"flags": Byte, "property_names": Counted(Int16ul, PropertyNameField)},
    {"property_ids": Counted(Int16ul, Int16ul)},
)

rop(
    0x55,
    "GetNamesFromPropertyIds",
    "2.2.8.2",
    {"property_ids": Counted(Int16ul, Int16ul)},
    {"property_names": Counted(Int16ul, PropertyNameField)},
)

# The parameter ``columns`` of the response is the request's property_tags.
rop(
    0x07,
    "GetPropertiesSpecific",
    "2.2.8.3",
    {"property_size_limit": Int16ul, "want_unicode": Int16ul, "property_tags": PropertyTags},
    {"row_data": Row},
)

rop(
    0x08,
    "GetPropertiesAll",
    "2.2.8.4",
    {"property_size_limit": Int16ul, "want_unicode": Int16ul},
    {"property_values": TaggedValues},
)

rop(0x09, "GetPropertiesList", "2.2.8.5", {}, {"property_tags": PropertyTags})

rop(0x0A, "SetProperties", "2.2.8.6", _SET, _PROBLEMS)

rop(0x79, "SetPropertiesNoReplicate", "2.2.8.7", _SET, _PROBLEMS)

rop(0x0B, "DeleteProperties", "2.2.8.8", _DELETE, _PROBLEMS)

rop(0x7A, "DeletePropertiesNoReplicate", "2.2.8.9", _DELETE, _PROBLEMS)

rop(
    0x5F,
    "QueryNamedProperties",
    "2.2.8.10",
    {"query_flags": Byte, "has_guid": Boolean, "property_guid": If(this.has_guid, Guid)},
    {
        "id_count": CountOf(Int16ul, "property_ids"),
        "property_ids": Repeated(this.id_count, Int16ul),
        "property_names": Repeated(this.id_count, PropertyNameField),
    },
    success=frozenset({ErrorCode.Success, ErrorCode.ErrorsReturned}),
)

rop(
    0x67,
    "CopyProperties",
    "2.2.8.11",
    {
        "dest_handle_index": Byte,
        "want_asynchronous": Boolean,
        "copy_flags": Byte,
        "property_tags": PropertyTags,
    },
    _PROBLEMS,
    failures=_NULL_DESTINATION,
)

rop(
    0x39,
    "CopyTo",
    "2.2.8.12",
    {
        "dest_handle_index": Byte,
        "want_asynchronous": Boolean,
        "want_sub_objects": Boolean,
        "copy_flags": Byte,
        "excluded_tags": PropertyTags,
    },
    _PROBLEMS,
    failures=_NULL_DESTINATION,
)

rop(
    0x50,
    "Progress",
    "2.2.8.13",
    {"want_cancel": Boolean},
    {"logon_id": Byte, "completed_task_count": Int32ul, "total_task_count": Int32ul},
)
