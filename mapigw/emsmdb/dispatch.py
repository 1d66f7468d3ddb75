"""Execution of ROP buffers (MS-OXCROPS 3.2.5, MS-OXCRPC 3.1.4.2.1).

Everything that is true of any ROP is here: order, handle table, sizes, RopBufferTooSmall, packed buffers,
notifications, the answers of ROPs without a handler and of handlers that fail.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mapigw.emsmdb.errors import NeedsRoomError, RopError
from mapigw.emsmdb.packing import least_room, next_packed
from mapigw.emsmdb.progress import abort
from mapigw.emsmdb.registry import HANDLERS, Call
from mapigw.emsmdb.session import RELEASED_HANDLE, UNASSIGNED_HANDLE, Session
from mapigw.emsmdb.waiting import Stimulus
from mapigw.mailbox.events import ORIGIN
from mapigw.store.blobs import MissingBlobError
from mapigw.wire.codes import ErrorCode
from mapigw.wire.mapihttp import ExecuteFlags
from mapigw.wire.rop_buffer import RopRequest, build_response, join, parse_requests
from mapigw.wire.rops import ROPS_BY_NAME
from mapigw.wire.rpc_header import HEADER_SIZE, MAXIMUM_PAYLOAD, join_payloads, split_payloads

logger = logging.getLogger("mapigw.emsmdb")

MAXIMUM_FRAMES = 96
"""Payloads in one packed answer (MS-OXCRPC 3.1.4.2.1.2.2)."""

_ROP_SIZE = 2
_HANDLE = 4
_TOO_SMALL_HEADER = 3  # RopId, SizeNeeded
_PENDING_SIZE = 3  # RopId, SessionIndex
_LEAST_SPACE = 512
"""Behind other answers a ROP is not begun with less room than this, so that one with a short answer, which may have
changed something, never has to be undone."""

_CHAIN = int(ExecuteFlags.Chain)
_RELEASE = ROPS_BY_NAME["Release"]
_PENDING = ROPS_BY_NAME["Pending"]
_PROGRESS = ROPS_BY_NAME["Progress"]
_BUFFER_TOO_SMALL = ROPS_BY_NAME["BufferTooSmall"]


@dataclass(slots=True)
class ExecuteRecord:
    """What one Execute did, for the structured log."""

    user: str
    """The address of the session's user."""
    request_bytes: int
    response_bytes: int = 0
    milliseconds: float = 0.0
    rops: list[tuple[str, int]] = field(default_factory=list)
    """(ROP name, ReturnValue) in order, packed repeats too; RopRelease, which is not answered, with 0."""
    rop_seconds: list[tuple[str, float]] = field(default_factory=list)
    """How long each took, RopRelease excepted."""
    error: str = ""
    """Why the request failed as a whole, if it did."""


class ExecuteError(Exception):
    """The Execute fails as a whole with ``code``."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = int(code)


async def execute(session: Session, data: bytes, flags: int, max_rop_out: int, record: ExecuteRecord) -> bytes:
    """Execute the ROPs of one request buffer and return the response buffer, at most ``max_rop_out`` bytes.

    ``data`` and the result begin with RPC_HEADER_EXT; ``flags`` are `ExecuteFlags`. Raises `WireError` for a malformed
    buffer before any ROP has run, and `ExecuteError` when there is no room for an answer.
    """
    payloads = split_payloads(data)
    if len(payloads) != 1:
        # Packed uploads are for servers that announce them (MS-OXCRPC 3.1.4.2.1.1.1), which this one does not.
        raise ExecuteError(ErrorCode.RpcFormat, f"{len(payloads)} extended buffers")
    execution = _Execution(session, payloads[0], flags, max_rop_out, record)
    origin = ORIGIN.set(session)
    session.waiting.happened(Stimulus.EXECUTE)
    try:
        await session.end_lost_logons()
        return join_payloads(await execution.run())
    finally:
        session.waiting.happened(Stimulus.EXECUTED)
        ORIGIN.reset(origin)


class _Execution:
    """One request buffer on its way: ``room`` is what is left of MaxRopOut for further payloads."""

    def __init__(self, session: Session, payload: bytes, flags: int, max_rop_out: int, record: ExecuteRecord) -> None:
        parsed = parse_requests(payload)
        self.session = session
        self.requests = parsed.requests
        self.rops = parsed.rops
        self.handles = parsed.handles
        self.chain = bool(flags & _CHAIN)
        self.room = max_rop_out
        self.record = record

    async def run(self) -> list[bytes]:
        """The payloads of the answer."""
        if self.limit() < 0:
            raise ExecuteError(ErrorCode.BufferTooSmall, f"MaxRopOut is {self.room}")
        responses: list[bytes] = []
        used = 0
        repeat: RopRequest | None = None
        last = len(self.requests) - 1
        for number, request in enumerate(self.requests):
            if request.rop is _RELEASE:
                await self.release(request)
                continue
            space = self.limit() - used - self.reserve(number + 1)
            if responses and space < _LEAST_SPACE:
                return [self.too_small(responses, used, MAXIMUM_PAYLOAD, number)]
            call, response, value = await self.one(request, space)
            if len(response) > space:
                await self.undo(call)
                if responses or len(response) <= space + MAXIMUM_PAYLOAD - (self.room - HEADER_SIZE):
                    return [self.too_small(responses, used, len(response), number)]
                # No larger buffer can help, and asking for one would have the client send this for ever.
                response, value = self.failed(request, ErrorCode.NotEnoughMemory), None
            responses.append(response)
            used += len(response)
            if self.chain and number == last and value is not None:
                repeat = next_packed(request, value)
        frames = [responses]
        self.room -= self.frame_size(used)
        while repeat is not None and self.room >= least_room(repeat) and len(frames) < MAXIMUM_FRAMES:
            space = self.limit() - _PENDING_SIZE
            _, response, value = await self.one(repeat, space)
            if len(response) > space:
                # What it took from its stream or table is gone, so the client must not believe that all is well.
                logger.error("Rop%s answered %d bytes where %d were free", repeat.rop.name, len(response), space)
                response, value = self.failed(repeat, ErrorCode.GeneralFailure), None
            frames.append([response])
            used = len(response)
            self.room -= self.frame_size(used)
            repeat = None if value is None else next_packed(repeat, value)
        self.room += self.frame_size(used)
        await self.append_notifications(frames[-1], used)
        return [join(frame, self.handles) for frame in frames]

    def limit(self) -> int:
        """Bytes that responses may take in the next payload, at the handle table's present length."""
        return min(self.room - HEADER_SIZE, MAXIMUM_PAYLOAD) - _ROP_SIZE - _HANDLE * len(self.handles)

    def frame_size(self, used: int) -> int:
        """Bytes of an extended buffer whose responses take ``used``."""
        return HEADER_SIZE + _ROP_SIZE + used + _HANDLE * len(self.handles)

    def rest(self, number: int) -> bytes:
        """The request bytes from the ROP ``number`` on."""
        return self.rops[self.requests[number].offset :] if number < len(self.requests) else b""

    def reserve(self, number: int) -> int:
        """What must stay free behind a response: room for the ROPs from ``number`` on to be handed back."""
        rest = len(self.rest(number))
        return _TOO_SMALL_HEADER + rest if rest else _PENDING_SIZE

    async def one(self, request: RopRequest, space: int) -> tuple[Call, bytes, Mapping[str, Any] | None]:
        """Execute one ROP: its call, its response and, when it succeeded, the response's fields."""
        rop = request.rop
        started = time.perf_counter()
        call = Call(self.session, request, self.handles, space)
        value: Mapping[str, Any] | None
        code = 0
        if rop is not _PROGRESS:
            await abort(self.session.logons.get(request.logon_id))  # MS-OXCPRPT 3.1.5
        try:
            value = await self.handle(call, request)
            response = build_response(call.rop, call.response_index, 0, value, columns=call.columns)
        except RopError as error:
            code, value = error.code, None
            if code not in call.rop.success:
                await self.undo(call)
            response = build_response(call.rop, call.response_index, code, error.value, columns=call.columns)
        except NeedsRoomError as error:
            value, response = None, bytes(error.size)
        except Exception:
            logger.exception("Rop%s failed (user %s)", rop.name, self.session.user.address)
            code, value = int(ErrorCode.GeneralFailure), None
            await self.undo(call)
            response = build_response(call.rop, call.response_index, code)
        self.record.rops.append((rop.name, code))
        self.record.rop_seconds.append((rop.name, time.perf_counter() - started))
        return call, response, value

    async def handle(self, call: Call, request: RopRequest) -> Mapping[str, Any]:
        """The fields that the ROP's handler answers. `RopError`"""
        handler = HANDLERS.get(request.rop.name)
        if handler is None:
            raise RopError(ErrorCode.NotImplemented)
        try:
            return await handler(call, request.value)
        except MissingBlobError as error:
            # Of an object that is open for hours, after its message was deleted; or a damaged store.
            logger.error("Rop%s failed (user %s): %s", request.rop.name, self.session.user.address, error)
            raise RopError(ErrorCode.StorageReadFault) from error

    def failed(self, request: RopRequest, code: int) -> bytes:
        """The response of a ROP that was executed but whose answer cannot be sent."""
        self.record.rops[-1] = (request.rop.name, int(code))
        return build_response(request.rop, request.response_handle_index, code)

    async def undo(self, call: Call) -> None:
        """Release what a failed ROP opened, and leave no handle in the slot that its successors will look at."""
        for handle in call.opened:
            await self.session.release(handle)
        call.opened.clear()
        if call.rop.output_handle and call.response_index != call.handle_index:
            call.assign(call.response_index, UNASSIGNED_HANDLE)

    async def release(self, request: RopRequest) -> None:
        """RopRelease (MS-OXCROPS 3.2.5.3): no response, no error."""
        index = request.handle_index
        self.record.rops.append((_RELEASE.name, 0))
        if index < len(self.handles):
            await self.session.release(self.handles[index])
            self.handles[index] = RELEASED_HANDLE

    def too_small(self, responses: list[bytes], used: int, needed: int, number: int) -> bytes:
        """The payload that ends with RopBufferTooSmall for the ROPs from ``number`` on (MS-OXCROPS 2.2.15.1)."""
        rest = self.rest(number)
        if used + _TOO_SMALL_HEADER + len(rest) > self.limit():
            raise ExecuteError(ErrorCode.BufferTooSmall, "no room for RopBufferTooSmall")
        size = _ROP_SIZE + used + needed + _HANDLE * len(self.handles)
        value = {"size_needed": min(size, MAXIMUM_PAYLOAD), "request_buffers": rest}
        self.record.rops.append((_BUFFER_TOO_SMALL.name, 0))
        return join([*responses, build_response(_BUFFER_TOO_SMALL, 0, 0, value)], self.handles)

    async def append_notifications(self, responses: list[bytes], used: int) -> None:
        """RopNotify for what is queued, as far as it fits, and RopPending for what does not (MS-OXCNOTIF 3.1.5.1)."""
        notices = self.session.notices
        if not notices:
            return
        responses += await notices.take(self.limit() - used - _PENDING_SIZE)
        if notices:
            responses.append(build_response(_PENDING, 0, 0, {"session_index": 0}))
