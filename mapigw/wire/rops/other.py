"""The ROPs of no group (MS-OXCROPS 2.2.15): BufferTooSmall, Backoff, Release."""

from mapigw.wire.primitives import Byte, Counted, Int16ul, Int32ul, Rest, SizedBytes, Struct
from mapigw.wire.rops.rop import rop

BackoffRop = Struct("rop_id_backoff" / Byte, "duration" / Int32ul)
"""MS-OXCROPS 2.2.15.2.1.1. The duration is in milliseconds."""

# RequestBuffers holds the requests that were not executed, up to the end of the input's ROP list.
rop(0xFF, "BufferTooSmall", "2.2.15.1", None, {"size_needed": Int16ul, "request_buffers": Rest}, common_header=False)

rop(
    0xF9,
    "Backoff",
    "2.2.15.2",
    None,
    {
        "logon_id": Byte,
        "duration": Int32ul,
        "backoff_rop_data": Counted(Byte, BackoffRop),
        "additional_data": SizedBytes(Int16ul),
    },
    common_header=False,
)

rop(0x01, "Release", "2.2.15.3", {})
