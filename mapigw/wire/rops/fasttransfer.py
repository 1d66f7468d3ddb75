"""Fast transfer ROPs (MS-OXCROPS 2.2.12)."""

from typing import Final

from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import Byte, If, Int16ul, Int32ul, ObjectIds, PropertyTags, SizedBytes, this
from mapigw.wire.rops.rop import rop
from mapigw.wire.rops.stream import MAXIMUM_BYTE_COUNT

_NOTHING_PUT: Final = {
    "transfer_status": 0,
    "in_progress_count": 0,
    "total_step_count": 0,
    "reserved": 0,
    "buffer_used_size": 0,
}

rop(
    0x53,
    "FastTransferDestinationConfigure",
    "2.2.12.1",
    {"output_handle_index": Byte, "source_operation": Byte, "copy_flags": Byte},
    {},
    output_handle=True,
)

rop(
    0x54,
    "FastTransferDestinationPutBuffer",
    "2.2.12.2",
    {"transfer_data": SizedBytes(Int16ul)},
    always={
        "transfer_status": Int16ul,
        "in_progress_count": Int16ul,
        "total_step_count": Int16ul,
        "reserved": Byte,
        "buffer_used_size": Int16ul,
    },
    failed=_NOTHING_PUT,
)

rop(
    0x9D,
    "FastTransferDestinationPutBufferExtended",
    "2.2.12.3",
    {"transfer_data": SizedBytes(Int16ul)},
    always={
        "transfer_status": Int16ul,
        "in_progress_count": Int32ul,
        "total_step_count": Int32ul,
        "reserved": Byte,
        "buffer_used_size": Int16ul,
    },
    failed=_NOTHING_PUT,
)

_TRANSFER: Final = {
    "transfer_status": Int16ul,
    "in_progress_count": Int16ul,
    "total_step_count": Int16ul,
    "reserved": Byte,
}

rop(
    0x4E,
    "FastTransferSourceGetBuffer",
    "2.2.12.4",
    {"buffer_size": Int16ul, "maximum_buffer_size": If(this.buffer_size == MAXIMUM_BYTE_COUNT, Int16ul)},
    always={**_TRANSFER, "transfer_buffer": SizedBytes(Int16ul)},
    failed={
        "transfer_status": 0,
        "in_progress_count": 0,
        "total_step_count": 0,
        "reserved": 0,
        "transfer_buffer": b"",
    },
    failures={ErrorCode.ServerBusy: {**_TRANSFER, "transfer_buffer_size": Int16ul, "backoff_time": Int32ul}},
)

rop(
    0x4C,
    "FastTransferSourceCopyFolder",
    "2.2.12.5",
    {"output_handle_index": Byte, "copy_flags": Byte, "send_options": Byte},
    {},
    output_handle=True,
)

rop(
    0x4B,
    "FastTransferSourceCopyMessages",
    "2.2.12.6",
    {"output_handle_index": Byte, "message_ids": ObjectIds, "copy_flags": Byte, "send_options": Byte},
    {},
    output_handle=True,
)

rop(
    0x4D,
    "FastTransferSourceCopyTo",
    "2.2.12.7",
    {
        "output_handle_index": Byte,
        "level": Byte,
        "copy_flags": Int32ul,
        "send_options": Byte,
        "property_tags": PropertyTags,
    },
    {},
    output_handle=True,
)

rop(
    0x69,
    "FastTransferSourceCopyProperties",
    "2.2.12.8",
    {
        "output_handle_index": Byte,
        "level": Byte,
        "copy_flags": Byte,
        "send_options": Byte,
        "property_tags": PropertyTags,
    },
    {},
    output_handle=True,
)

# Version is three 16-bit integers: major, build, minor build (MS-OXCFXICS 2.2.3.1.1.6).
rop(
    0x86,
    "TellVersion",
    "2.2.12.9",
    {"version_0": Int16ul, "version_1": Int16ul, "version_2": Int16ul},
    {},
)
