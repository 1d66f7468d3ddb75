"""Stream ROPs (MS-OXCROPS 2.2.9)."""

from typing import Final

from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import Byte, If, Int16ul, Int32ul, Int64sl, Int64ul, SizedBytes, this
from mapigw.wire.rops.rop import rop

MAXIMUM_BYTE_COUNT: Final = 0xBABE
"""A ReadStream ByteCount or a GetBuffer BufferSize that says: a larger count follows."""

_WRITE: Final = {"data": SizedBytes(Int16ul)}
_REGION: Final = {"region_offset": Int64ul, "region_size": Int64ul, "lock_flags": Int32ul}

rop(
    0x2B,
    "OpenStream",
    "2.2.9.1",
    {"output_handle_index": Byte, "property_tag": Int32ul, "open_mode_flags": Byte},
    {"stream_size": Int32ul},
    output_handle=True,
)

rop(
    0x2C,
    "ReadStream",
    "2.2.9.2",
    {"byte_count": Int16ul, "maximum_byte_count": If(this.byte_count == MAXIMUM_BYTE_COUNT, Int32ul)},
    always={"data": SizedBytes(Int16ul)},
    failed={"data": b""},
)

rop(0x2D, "WriteStream", "2.2.9.3", _WRITE, always={"written_size": Int16ul}, failed={"written_size": 0})

rop(0xA3, "WriteStreamExtended", "2.2.9.4", _WRITE, always={"written_size": Int32ul}, failed={"written_size": 0})

rop(0x5D, "CommitStream", "2.2.9.5", {}, {})

rop(0x5E, "GetStreamSize", "2.2.9.6", {}, {"stream_size": Int32ul})

rop(0x2F, "SetStreamSize", "2.2.9.7", {"stream_size": Int64ul}, {})

# The offset counts from the origin, back from the stream's end or its position as well.
rop(0x2E, "SeekStream", "2.2.9.8", {"origin": Byte, "offset": Int64sl}, {"new_position": Int64ul})

rop(
    0x3A,
    "CopyToStream",
    "2.2.9.9",
    {"dest_handle_index": Byte, "byte_count": Int64ul},
    always={"read_byte_count": Int64ul, "written_byte_count": Int64ul},
    failed={"read_byte_count": 0, "written_byte_count": 0},
    failures={
        ErrorCode.NullDestinationObject: {
            "dest_handle_index": Int32ul,
            "read_byte_count": Int64ul,
            "written_byte_count": Int64ul,
        },
    },
)

rop(0x5B, "LockRegionStream", "2.2.9.10", _REGION, {})

rop(0x5C, "UnlockRegionStream", "2.2.9.11", _REGION, {})

rop(0x90, "WriteAndCommitStream", "2.2.9.12", _WRITE, always={"written_size": Int16ul}, failed={"written_size": 0})

rop(0x3B, "CloneStream", "2.2.9.13", {"output_handle_index": Byte}, {}, output_handle=True)
