"""Which ROPs are repeated to fill the rest of an answer, and with what request (MS-OXCRPC 3.1.4.2.1.2.2).

The server answers as if the client had sent the last ROP of its buffer again, never for more than was asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from construct import Container

from mapigw.wire.rop_buffer import RopRequest

RESIDUAL = {
    "FastTransferSourceGetBuffer": 0x2000,
    "ReadStream": 0x2000,
    "QueryRows": 0x8000,
}
"""The ROPs that support packing, each with the bytes that must be left of MaxRopOut for another payload."""

_MAXIMUM_BYTE_COUNT_FOLLOWS = 0xBABE
_OVERHEAD = 0x100  # of a payload, with its header and its handles
_NO_ADVANCE = 0x01
_TRANSFER_PARTIAL = 0x0001
_TRANSFER_NO_ROOM = 0x0002


def next_packed(request: RopRequest, value: Mapping[str, Any]) -> RopRequest | None:
    """The request to execute next, after ``request`` was answered with ``value``; None when there is nothing more."""
    name = request.rop.name
    fields = request.value
    if name == "FastTransferSourceGetBuffer":
        more = value["transfer_status"] in (_TRANSFER_PARTIAL, _TRANSFER_NO_ROOM)
        return request if more else None
    if name == "ReadStream":
        read = len(value["data"])
        extended = fields.byte_count == _MAXIMUM_BYTE_COUNT_FOLLOWS
        wanted = fields.maximum_byte_count if extended else fields.byte_count
        if not read or read >= wanted:
            return None
        return _changed(request, byte_count=_MAXIMUM_BYTE_COUNT_FOLLOWS, maximum_byte_count=wanted - read)
    if name == "QueryRows":
        returned = value["row_count"]
        if not returned or returned >= fields.row_count or fields.query_rows_flags & _NO_ADVANCE:
            return None
        return _changed(request, row_count=fields.row_count - returned)
    return None


def least_room(request: RopRequest) -> int:
    """The bytes that must be left of MaxRopOut for ``request`` to be repeated."""
    least = RESIDUAL[request.rop.name]
    if request.rop.name == "FastTransferSourceGetBuffer":
        wanted: int = request.value.buffer_size
        return least if wanted == _MAXIMUM_BYTE_COUNT_FOLLOWS else max(least, wanted + _OVERHEAD)
    return least


def _changed(request: RopRequest, **fields: Any) -> RopRequest:
    return replace(request, value=Container({**request.value, **fields}))
