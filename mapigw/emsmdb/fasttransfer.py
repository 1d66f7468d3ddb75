"""FastTransfer, downloads (MS-OXCFXICS 2.2.3.1.1; MS-OXCROPS 2.2.12)."""

from typing import Any, Final

from mapigw.emsmdb.download import FastTransferSource
from mapigw.emsmdb.errors import NeedsRoomError, RopError
from mapigw.emsmdb.registry import Call, handles
from mapigw.wire.codes import ErrorCode

SERVER_DECIDES: Final = 0xBABE
RESPONSE_OVERHEAD: Final = 15  # header, status, counts, size
PARTIAL: Final = 0x0001
DONE: Final = 0x0003
_STEPS_MAXIMUM: Final = 0xFFFF


@handles("FastTransferSourceGetBuffer")
async def fast_transfer_source_get_buffer(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.1.1.5: the next part of the stream (3.2.5.8.1.5)."""
    source = call.object(FastTransferSource)
    limit = request.maximum_buffer_size if request.buffer_size == SERVER_DECIDES else request.buffer_size
    if request.buffer_size != SERVER_DECIDES and limit > call.space - RESPONSE_OVERHEAD:
        raise NeedsRoomError(RESPONSE_OVERHEAD + limit)
    data = await source.read(min(limit, call.space - RESPONSE_OVERHEAD))
    if not data and not source.done:
        raise RopError(ErrorCode.BufferTooSmall)  # not even one value fits, and none ever would
    total = min(source.total_steps, _STEPS_MAXIMUM)
    if source.done and source.buffers == 1:
        total = 1  # as Exchange counts what took one buffer
    progress = min(source.final_steps if source.done else source.steps_done(), total)
    return {
        "transfer_status": DONE if source.done else PARTIAL,
        "in_progress_count": progress,
        "total_step_count": total,
        "reserved": 0,
        "transfer_buffer": data,
    }
