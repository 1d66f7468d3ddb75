"""A session context on the mailbox endpoint: Connect, Execute, Disconnect, NotificationWait (MS-OXCMAPIHTTP 2.2.4)."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.outlook.http import MapiHttp
from tests.outlook.reader import Reader, ViolationError
from tests.outlook.rops import NO_HANDLE, Rop

FLAG_COMPRESSED: Final = 0x0001
FLAG_XOR: Final = 0x0002
FLAG_LAST: Final = 0x0004
EXECUTE_NO_XOR: Final = 0x2
EXECUTE_CHAIN: Final = 0x4
MAX_ROP_OUT: Final = 0x8007
MAX_ROP_OUT_CHAINED: Final = 0x18007


class RopFailedError(Exception):
    """A ROP whose ReturnValue is not 0."""

    def __init__(self, name: str, code: int) -> None:
        super().__init__(f"Rop{name}: 0x{code:08X}")
        self.name = name
        self.code = code


class ExecuteFailedError(Exception):
    """A response body with a StatusCode or an ErrorCode: nothing was done."""

    def __init__(self, code: int) -> None:
        super().__init__(f"StatusCode or ErrorCode 0x{code:08X}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Executed:
    """Results in request order (`RopFailedError` for one that failed), handles, and what was chained on."""

    results: list[Any]
    handles: list[int]
    chained: list[Any]
    notifications: int


def decompress(data: bytes, size: int) -> bytes:
    """Plain LZ77 (MS-OXCRPC 3.1.4.1.1.1.2, "DIRECT2"; MS-XCA 2.4)."""
    out = bytearray()
    position = half = bits = word = 0
    while len(out) < size:
        if not bits:
            word, bits = int.from_bytes(data[position : position + 4], "little"), 32
            position += 4
        bits -= 1
        if not word >> bits & 1:
            out.append(data[position])
            position += 1
            continue
        metadata = int.from_bytes(data[position : position + 2], "little")
        position += 2
        offset, length = (metadata >> 3) + 1, metadata & 7
        if length == 7:
            if half:
                length, half = data[half] >> 4, 0
            else:
                half, length = position, data[position] & 15
                position += 1
            if length == 15:
                length = data[position]
                position += 1
                if length == 255:
                    length = int.from_bytes(data[position : position + 2], "little")
                    position += 2
                    length -= 22
                length += 15
            length += 7
        for _ in range(length + 3):
            out.append(out[-offset])
    return bytes(out)


def frame(payload: bytes, flags: int = FLAG_LAST) -> bytes:
    """RPC_HEADER_EXT and payload (MS-OXCRPC 2.2.2.1)."""
    return struct.pack("<HHHH", 0, flags, len(payload), len(payload)) + payload


def frames(data: bytes) -> list[bytes]:
    """Payloads of an answer's RopBuffer; only the last has the Last flag (MS-OXCRPC 3.1.4.2.1.2.2)."""
    section = "MS-OXCRPC 2.2.2.1"
    reader = Reader(data, "RPC_HEADER_EXT", section)
    found = []
    last = False
    while reader.left:
        if last:
            raise reader.fail("data after the buffer with Last")
        version, flags, size, actual = reader.u16(), reader.u16(), reader.u16(), reader.u16()
        if version or flags & ~0x7:
            raise reader.fail(f"Version {version}, Flags 0x{flags:04X}")
        if flags & FLAG_XOR:
            raise ViolationError("MS-OXCMAPIHTTP 2.2.4.2.1", "obfuscated although NoXorMagic was asked for")
        payload = reader.take(size)
        if flags & FLAG_COMPRESSED:
            payload = decompress(payload, actual)
        elif size != actual:
            raise reader.fail(f"Size {size} and SizeActual {actual} of an uncompressed payload")
        last = bool(flags & FLAG_LAST)
        found.append(payload)
    if not last:
        raise ViolationError(section, "no buffer has the Last flag")
    return found


def rop_payload(rops: Sequence[Rop], handles: Sequence[int]) -> bytes:
    """RopSize, requests, handle table (MS-OXCROPS 2.2.1)."""
    requests = b"".join(rop.data for rop in rops)
    return struct.pack("<H", len(requests) + 2) + requests + struct.pack(f"<{len(handles)}I", *handles)


def execute_body(buffer: bytes, *, flags: int = EXECUTE_NO_XOR, max_rop_out: int = MAX_ROP_OUT) -> bytes:
    return struct.pack("<II", flags, len(buffer)) + buffer + struct.pack("<II", max_rop_out, 0)


def connect_body(user_dn: str) -> bytes:
    """Code page 1252 and locale 1033 as Outlook sends them (2.2.4.1.1)."""
    return user_dn.encode("ascii") + b"\0" + struct.pack("<IIIII", 0, 1252, 1033, 1033, 0)


class Session:
    """One session context."""

    def __init__(self, http: MapiHttp, *, chain: bool = False) -> None:
        self.http = http
        self.chain = chain
        self.display_name = ""
        self.dn_prefix = ""
        self.notifications = 0

    def challenge(self, user_dn: str) -> None:
        self.http.challenge("Connect", connect_body(user_dn))

    def _body(self, request_type: str, body: bytes) -> Reader:
        reader = Reader(self.http.request(request_type, body), f"{request_type} response", "MS-OXCMAPIHTTP 2.2.4")
        if (status := reader.u32()) != 0:  # a failure response body: nothing but the auxiliary buffer follows
            _auxiliary(reader)
            raise ExecuteFailedError(status)
        if (error := reader.u32()) != 0:
            raise ExecuteFailedError(error)
        return reader

    def connect(self, user_dn: str) -> None:
        """2.2.4.1"""
        reader = self._body("Connect", connect_body(user_dn))
        polls, retries, _delay = reader.u32(), reader.u32(), reader.u32()
        if not polls or not retries:
            raise reader.fail(f"PollsMax {polls}, RetryCount {retries}")
        self.dn_prefix = reader.ascii()
        self.display_name = reader.unicode()
        _auxiliary(reader)
        if not self.http.cookies:
            raise ViolationError("MS-OXCMAPIHTTP 3.2.5.1", "Connect: no session context cookie")

    def disconnect(self) -> None:
        _auxiliary(self._body("Disconnect", b"\0\0\0\0"))
        self.http.web.close()

    def notification_wait(self) -> bool:
        """Whether events are pending (2.2.4.4)."""
        reader = self._body("NotificationWait", b"\0" * 8)
        pending = reader.u32()
        _auxiliary(reader)
        return pending != 0

    def execute(self, rops: Sequence[Rop], handles: Sequence[int], *, chain: bool | None = None) -> Executed:
        """One Execute. Every response must come, in order, at the index that its request names."""
        chained = self.chain if chain is None else chain
        flags = EXECUTE_NO_XOR | (EXECUTE_CHAIN if chained else 0)
        limit = MAX_ROP_OUT_CHAINED if chained else MAX_ROP_OUT
        body = execute_body(frame(rop_payload(rops, handles)), flags=flags, max_rop_out=limit)
        reader = self._body("Execute", body)
        if (reserved := reader.u32()) != 0:
            raise reader.fail(f"Flags 0x{reserved:08X}")
        buffer = reader.take(reader.u32())
        _auxiliary(reader)
        if len(buffer) > limit:
            raise reader.fail(f"RopBuffer of {len(buffer)} bytes, MaxRopOut {limit}")
        payloads = frames(buffer)
        if len(payloads) > 1 and not chained:
            raise reader.fail(f"{len(payloads)} buffers without Chain")
        results, table, notifications = self._responses(payloads[0], rops, len(handles))
        more = []
        for payload in payloads[1:]:
            extra, table, count = self._responses(payload, rops[-1:], len(handles))
            more.append(extra[0])
            notifications += count
        self.notifications += notifications
        return Executed(results, table, more, notifications)

    def _responses(self, payload: bytes, rops: Sequence[Rop], slots: int) -> tuple[list[Any], list[int], int]:
        outer = Reader(payload, "ROP output buffer", "MS-OXCROPS 2.2.1")
        size = outer.u16()
        if size < 2:
            raise outer.fail(f"RopSize {size}")
        reader = Reader(outer.take(size - 2), "ROP responses", "MS-OXCROPS 2.2")
        results = [None if rop.read is None else _response(reader, rop) for rop in rops]
        notifications = 0
        while reader.left:
            rop_id = reader.u8()
            if rop_id == 0x6E:  # RopPending
                reader.u16()
            elif rop_id == 0x2A:  # RopNotify: its layout depends on what it tells, so nothing after it is read
                reader.take(reader.left)
            else:
                raise reader.fail(f"response 0x{rop_id:02X} that nothing asked for")
            notifications += 1
        if outer.left % 4 or outer.left // 4 < slots:
            raise outer.fail(f"handle table of {outer.left} bytes for {slots} slots")
        return results, [outer.u32() for _ in range(outer.left // 4)], notifications

    def run(self, rops: Sequence[Rop], handles: Sequence[int]) -> Executed:
        """`execute`, raising the first failure."""
        executed = self.execute(rops, handles)
        for result in executed.results:
            if isinstance(result, RopFailedError):
                raise result
        return executed

    def call(self, rop: Rop, handles: Sequence[int]) -> Any:
        """One ROP's result."""
        return self.run([rop], handles).results[0]

    def open(self, rop: Rop, handles: Sequence[int]) -> int:
        """The handle that one ROP puts in the slot it names."""
        handle = self.run([rop], handles).handles[rop.index]
        if handle == NO_HANDLE:
            raise ViolationError("MS-OXCROPS 3.2.5.1", f"Rop{rop.name} succeeded without a handle")
        return handle


def _response(reader: Reader, rop: Rop) -> Any:
    reader.what = f"response to Rop{rop.name}"
    rop_id = reader.u8()
    if rop_id == 0xFF:
        raise reader.fail(f"RopBufferTooSmall, {reader.u16()} bytes needed")
    if rop_id == 0xF9:
        raise reader.fail("RopBackoff")
    if rop_id != rop.rop_id:
        raise reader.fail(f"RopId 0x{rop_id:02X} for 0x{rop.rop_id:02X}")
    if (index := reader.u8()) != rop.index:
        raise reader.fail(f"handle index {index} for {rop.index}")
    if (code := reader.u32()) != 0:
        if rop.on_failure is not None:
            rop.on_failure(reader, code)
        return RopFailedError(rop.name, code)
    assert rop.read is not None
    return rop.read(reader)


def _auxiliary(reader: Reader) -> None:
    """AuxiliaryBufferSize, AuxiliaryBuffer: nothing may follow. Its blocks (MS-OXCRPC 2.2.2.2) must add up."""
    auxiliary = reader.take(reader.u32())
    reader.end()
    if not auxiliary:
        return
    for payload in frames(auxiliary):
        blocks = Reader(payload, "auxiliary buffer", "MS-OXCRPC 2.2.2.2")
        while blocks.left:
            size = blocks.u16()
            if size < 4:
                raise blocks.fail(f"block of {size} bytes")
            blocks.take(size - 2)
