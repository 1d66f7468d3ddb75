"""Incremental change synchronization ROPs (MS-OXCROPS 2.2.13)."""

from typing import Any

from mapigw.wire.codes import ErrorCode
from mapigw.wire.cursor import Cursor
from mapigw.wire.primitives import (
    Boolean,
    Byte,
    Counted,
    GlobalCount,
    Guid,
    Int16ul,
    Int32ul,
    LongTermIdField,
    ObjectIdField,
    PropertyTags,
    Pulled,
    Sized,
    SizedBytes,
    Struct,
)
from mapigw.wire.restrictions import RestrictionField
from mapigw.wire.rops.rop import rop
from mapigw.wire.rows import TaggedValues

rop(
    0x70,
    "SynchronizationConfigure",
    "2.2.13.1",
    {
        "output_handle_index": Byte,
        "synchronization_type": Byte,
        "send_options": Byte,
        "synchronization_flags": Int16ul,
        "restriction_data": Sized(Int16ul, RestrictionField, optional=True),
        "synchronization_extra_flags": Int32ul,
        "property_tags": PropertyTags,
    },
    {},
    output_handle=True,
)

rop(
    0x72,
    "SynchronizationImportMessageChange",
    "2.2.13.2",
    {"output_handle_index": Byte, "import_flag": Byte, "property_values": TaggedValues},
    {"message_id": ObjectIdField},
    output_handle=True,
)


def _pull_read_states(cursor: Cursor, context: Any) -> list[tuple[bytes, bool]]:
    states = []
    while cursor.remaining:
        message_id = cursor.take(cursor.uint16())
        states.append((message_id, cursor.uint8() != 0))
    return states


def _push_read_states(out: bytearray, value: Any, context: Any) -> None:
    for message_id, mark_as_read in value:
        out += len(message_id).to_bytes(2, "little") + message_id
        out.append(bool(mark_as_read))


MessageReadStates = Pulled(_pull_read_states, _push_read_states)
"""MessageReadState structures (MS-OXCROPS 2.2.13.3.1.1): list of (message_id, mark_as_read), the id a GID."""

rop(
    0x80,
    "SynchronizationImportReadStateChanges",
    "2.2.13.3",
    {"message_read_states": Sized(Int16ul, MessageReadStates)},
    {},
)

rop(
    0x73,
    "SynchronizationImportHierarchyChange",
    "2.2.13.4",
    {"hierarchy_values": TaggedValues, "property_values": TaggedValues},
    {"folder_id": ObjectIdField},
)

rop(
    0x74,
    "SynchronizationImportDeletes",
    "2.2.13.5",
    {"import_delete_flags": Byte, "property_values": TaggedValues},
    {},
)

rop(
    0x78,
    "SynchronizationImportMessageMove",
    "2.2.13.6",
    {
        "source_folder_id": SizedBytes(Int32ul),
        "source_message_id": SizedBytes(Int32ul),
        "predecessor_change_list": SizedBytes(Int32ul),
        "destination_message_id": SizedBytes(Int32ul),
        "change_number": SizedBytes(Int32ul),
    },
    {"message_id": ObjectIdField},
    success=frozenset({ErrorCode.Success, ErrorCode.NewerClientChange}),
)

rop(
    0x7E,
    "SynchronizationOpenCollector",
    "2.2.13.7",
    {"output_handle_index": Byte, "is_contents_collector": Boolean},
    {},
    output_handle=True,
)

rop(0x82, "SynchronizationGetTransferState", "2.2.13.8", {"output_handle_index": Byte}, {}, output_handle=True)

rop(
    0x75,
    "SynchronizationUploadStateStreamBegin",
    "2.2.13.9",
    {"state_property": Int32ul, "transfer_buffer_size": Int32ul},
    {},
)

rop(
    0x76,
    "SynchronizationUploadStateStreamContinue",
    "2.2.13.10",
    {"stream_data": SizedBytes(Int32ul)},
    {},
)

rop(0x77, "SynchronizationUploadStateStreamEnd", "2.2.13.11", {}, {})

LongTermIdRange = Struct("min_long_term_id" / LongTermIdField, "max_long_term_id" / LongTermIdField)
"""MS-OXCROPS 2.2.13.12.1.1."""

rop(
    0x93,
    "SetLocalReplicaMidsetDeleted",
    "2.2.13.12",
    {"long_term_id_ranges": Sized(Int16ul, Counted(Int32ul, LongTermIdRange))},
    {},
)

rop(
    0x7F,
    "GetLocalReplicaIds",
    "2.2.13.13",
    {"id_count": Int32ul},
    {"repl_guid": Guid, "global_count": GlobalCount},
)
