"""ROP input and output buffers (MS-OXCROPS 2.2.1): RopSize, the list of ROPs, the Server object handle table."""

import io
import struct
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.rops import ROPS, ROPS_BY_NAME, Rop

MAXIMUM_ROP_SIZE: Final = 0xFFFF
"""RopSize, itself included, is a 16-bit field."""

_LOGON: Final = ROPS_BY_NAME["Logon"].rop_id
_PRIVATE: Final = 0x01

_RESPONSE_HEADER: Final = struct.Struct("<BBI")
_ROP_SIZE: Final = struct.Struct("<H")


@dataclass(slots=True)
class RopRequest:
    """One ROP request. ``value`` holds the fields after the common header.

    ``handle_index`` is where the handle of the ROP's (source) object is, or for Logon, where that of its output is to
    be; ``response_handle_index`` is the one that the response carries. ``offset`` is the request's place in
    `RopRequests.rops`.
    """

    rop: Rop
    logon_id: int
    handle_index: int
    response_handle_index: int
    value: Any
    offset: int = 0


@dataclass(slots=True)
class RopRequests:
    """A parsed ROP input buffer. ``rops`` are the bytes of the list of ROPs, without RopSize."""

    requests: list[RopRequest]
    handles: list[int]
    rops: bytes


@dataclass(slots=True)
class RopResponse:
    """One ROP response; ``value`` is None when no fields follow the header.

    Responses without the common header (Notify, Pending, BufferTooSmall, Backoff) have handle index and return value 0.
    """

    rop: Rop
    handle_index: int
    return_value: int
    value: Any


@dataclass(slots=True)
class RopResponses:
    """A parsed ROP output buffer."""

    responses: list[RopResponse]
    handles: list[int]


def _split(payload: bytes) -> tuple[bytes, list[int]]:
    if len(payload) < 2:
        raise WireError("data ends early", offset=len(payload), field="rop_size")
    size = _ROP_SIZE.unpack_from(payload)[0]
    if size < 2 or size > len(payload):
        raise WireError(f"RopSize {size} in a buffer of {len(payload)} bytes", field="rop_size")
    table = payload[size:]
    if len(table) % 4:
        raise WireError(f"a handle table of {len(table)} bytes", offset=size, field="server_object_handle_table")
    return payload[2:size], list(struct.unpack(f"<{len(table) // 4}I", table))


def join(rops: Sequence[bytes], handles: Sequence[int]) -> bytes:
    """The payload of a ROP buffer: RopSize, the ROPs (already built) and the handle table."""
    size = 2 + sum(map(len, rops))
    if size > MAXIMUM_ROP_SIZE:
        raise ValueError(f"{size} bytes of ROPs do not fit a ROP buffer")
    return b"".join((_ROP_SIZE.pack(size), *rops, struct.pack(f"<{len(handles)}I", *handles)))


def parse_requests(payload: bytes, public_logons: Container[int] = ()) -> RopRequests:
    """Parse a ROP input buffer. Raises `WireError` for anything malformed, an unknown RopId among it.

    ``public_logons`` are the ids of the session's logons to public folders: two requests have a field more there.
    """
    rops, handles = _split(payload)
    stream = io.BytesIO(rops)
    requests = []
    logged_on: dict[int, bool] = {}  # by a Logon of this buffer: is it one to public folders
    offset = 0
    while offset < len(rops):
        rop_id = rops[offset]
        rop = ROPS.get(rop_id)
        if rop is None or rop.request is None:
            raise WireError(f"RopId 0x{rop_id:02X} is not that of a request", offset=2 + offset, field="rop_id")
        if len(rops) - offset < 3:
            raise WireError("data ends early", offset=2 + len(rops), field=rop.name)
        logon_id, index = rops[offset + 1], rops[offset + 2]
        stream.seek(offset + 3)
        is_public = logged_on.get(logon_id, logon_id in public_logons)
        try:
            value = rop.request.parse_stream(stream, is_public=is_public)
        except WireError as error:
            field = f"{rop.name}.{error.field}" if error.field else rop.name
            raise WireError(error.reason, offset=2 + error.offset, field=field) from error
        if rop_id == _LOGON:
            logged_on[logon_id] = not value.logon_flags & _PRIVATE
        input_index = value.input_handle_index if rop.response_handle else index
        response_index = value.output_handle_index if rop.output_handle else index
        requests.append(RopRequest(rop, logon_id, input_index, response_index, value, offset))
        offset = stream.tell()
    return RopRequests(requests, handles, rops)


def request(
    name: str, handle_index: int = 0, logon_id: int = 0, *, response_handle_index: int | None = None, **fields: Any
) -> RopRequest:
    """A request for `build_requests`: the ROP's name, its object's place in the handle table, and its fields.

    ``response_handle_index`` is for the ROPs whose header has a ResponseHandleIndex; by default it is the object's.
    """
    rop = ROPS_BY_NAME[name]
    if rop.response_handle:
        fields.setdefault("input_handle_index", handle_index)
    if rop.output_handle:
        response = fields["output_handle_index"]
    else:
        response = handle_index if response_handle_index is None else response_handle_index
    return RopRequest(rop, logon_id, handle_index, response, fields)


def build_request(item: RopRequest, *, is_public: bool = False) -> bytes:
    """The bytes of one ROP request."""
    rop = item.rop
    if rop.request is None:
        raise ValueError(f"{rop.name} is not a request")
    index = item.response_handle_index if rop.response_handle else item.handle_index
    return bytes((rop.rop_id, item.logon_id, index)) + rop.request.build(item.value, is_public=is_public)


def build_requests(requests: Iterable[RopRequest], handles: Sequence[int]) -> bytes:
    """The payload of a ROP input buffer, on private logons."""
    return join([build_request(item) for item in requests], handles)


def build_response(
    rop: Rop,
    handle_index: int = 0,
    return_value: int = ErrorCode.Success,
    value: Mapping[str, Any] | None = None,
    *,
    columns: Sequence[int] | None = None,
) -> bytes:
    """The bytes of one ROP response.

    ``value`` are the fields of ``rop.layout(return_value)``; for a failure those that are not given have the values of
    a ROP that did nothing. ``columns`` are needed only where rows are given as lists of cells.
    """
    layout = rop.layout(return_value)
    if rop.common_header:
        header = _RESPONSE_HEADER.pack(rop.response_rop_id, handle_index, return_value)
    else:
        header = bytes((rop.response_rop_id,))
    if layout is None:
        return header
    if return_value not in rop.success:
        value = {**rop.failed, **(value or {})}
    return header + layout.build(value or {}, columns=columns)


def parse_responses(
    payload: bytes,
    requests: Iterable[RopRequest] = (),
    columns: Mapping[int, Sequence[int]] | None = None,
) -> RopResponses:
    """Parse a ROP output buffer, as a client does. Raises `WireError`.

    Rows cannot be parsed without their columns. Those of GetPropertiesSpecific are taken from ``requests``, what the
    client sent, in order. Those of table rows (also in notifications) and of ReadRecipients are looked up in
    ``columns`` under the Server object handle of the table or message.
    """
    rops, handles = _split(payload)
    stream = io.BytesIO(rops)
    by_handle = columns or {}
    sent = iter([item for item in requests if item.rop.response is not None])
    responses = []
    offset = 0
    while offset < len(rops):
        rop = ROPS.get(rops[offset])
        if rop is None or rop.response is None:
            raise WireError(f"RopId 0x{rops[offset]:02X} is not that of a response", offset=2 + offset, field="rop_id")
        index, return_value = 0, int(ErrorCode.Success)
        tags: Sequence[int] | None = None
        if rop.common_header:
            if len(rops) - offset < _RESPONSE_HEADER.size:
                raise WireError("data ends early", offset=2 + len(rops), field=rop.name)
            _, index, return_value = _RESPONSE_HEADER.unpack_from(rops, offset)
            stream.seek(offset + _RESPONSE_HEADER.size)
            answered = next(sent, None)
            if index < len(handles):
                tags = by_handle.get(handles[index])
            if answered is not None and answered.rop is rop and rop.name == "GetPropertiesSpecific":
                tags = answered.value["property_tags"]
        else:
            stream.seek(offset + 1)
            if rop.name == "Notify" and len(rops) - offset >= 5:
                tags = by_handle.get(int.from_bytes(rops[offset + 1 : offset + 5], "little"))
        layout = rop.layout(return_value)
        value = None
        if layout is not None:
            try:
                value = layout.parse_stream(stream, columns=tags)
            except WireError as error:
                field = f"{rop.name}.{error.field}" if error.field else rop.name
                raise WireError(error.reason, offset=2 + error.offset, field=field) from error
        responses.append(RopResponse(rop, index, return_value, value))
        offset = stream.tell()
    return RopResponses(responses, handles)
