"""Stream ROPs that read (MS-OXCPRPT 2.2.14, 2.2.15, 2.2.19, 2.2.21; MS-OXCROPS 2.2.9)."""

import asyncio
import logging
from enum import IntEnum
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.message_objects import OpenedObject
from mapigw.emsmdb.objects import Folder, Logon, PropertyObject, ServerObject
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.values import narrowed
from mapigw.mailbox.content import BlobValue
from mapigw.store.blobs import MissingBlobError
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import build_value, parse_value
from mapigw.wire.properties import PropertyType
from mapigw.wire.rops.stream import MAXIMUM_BYTE_COUNT

log = logging.getLogger("mapigw.emsmdb")

STREAM_MAXIMUM: Final = 1 << 31  # bytes of a stream (2.2.19.2)
READ_AHEAD: Final = 1 << 18  # bytes that are read from the blob store at once
READ_OVERHEAD: Final = 8  # response header, DataSize
DATA_MAXIMUM: Final = 0xFFFF
MAXIMUM_BYTE_COUNT_LIMIT: Final = 0x80000000  # MS-OXCROPS 2.2.9.2.1

_STRINGS: Final = {int(PropertyType.STRING): 2, int(PropertyType.STRING8): 1}
"""The types whose stored form ends with a NUL, which is no part of a stream, and its size."""
_BINARIES: Final = frozenset({int(PropertyType.BINARY), int(PropertyType.OBJECT)})


class OpenMode(IntEnum):
    """2.2.14.1, and the BestAccess of MS-OXCMSG 2.2.3.12.1, which for the time being is read-only."""

    READ_ONLY = 0x00
    READ_WRITE = 0x01
    CREATE = 0x02
    BEST_ACCESS = 0x03


class Origin(IntEnum):
    """2.2.21.1"""

    BEGINNING = 0x00
    CURRENT = 0x01
    END = 0x02


class Stream(ServerObject):
    """A property's value, read-only: bytes, or a large value of which only parts are in memory."""

    def __init__(self, logon: Logon, source: bytes | BlobValue, size: int) -> None:
        super().__init__(logon)
        self.size = size
        self.position = 0
        self._source = source
        self._start = 0  # where the part in memory begins
        self._part = source if isinstance(source, bytes) else b""

    async def read(self, count: int) -> bytes:
        """Up to ``count`` bytes from the seek pointer, which moves behind them. Raises `MissingBlobError`."""
        count = min(count, self.size - self.position)
        if count <= 0:
            return b""
        offset = self.position - self._start
        if isinstance(self._source, BlobValue) and not 0 <= offset <= len(self._part) - count:
            length = min(max(count, READ_AHEAD), self.size - self.position)
            self._part = await self.logon.mailbox.read_blob(self._source.digest, self.position, length)
            self._start, offset = self.position, 0
        data = self._part[offset : offset + count]
        self.position += len(data)
        return data

    def seek(self, position: int) -> None:
        """Move the seek pointer. `RopError`: where it cannot go, and beyond the end, as nothing can be added here."""
        if not 0 <= position <= min(self.size, STREAM_MAXIMUM):
            raise RopError(ErrorCode.StreamSeekError)
        self.position = position


@handles("OpenStream")
async def open_stream(call: Call, request: Any) -> dict[str, Any]:
    """2.2.14: a stream on a property of a folder, a message or an attachment."""
    target = call.object(PropertyObject)
    wanted = request.property_tag & 0xFFFF
    if not isinstance(target, Folder | OpenedObject) or (wanted not in _STRINGS and wanted not in _BINARIES):
        raise RopError(ErrorCode.NotSupported)
    mode = request.open_mode_flags
    if mode not in set(OpenMode):
        raise RopError(ErrorCode.InvalidParameter)
    if mode in {OpenMode.READ_WRITE, OpenMode.CREATE}:
        read_only = isinstance(target, OpenedObject) and target.read_only
        raise RopError(ErrorCode.AccessDenied if read_only else ErrorCode.NotImplemented)
    try:
        stream = await _stream(target, request.property_tag >> 16, wanted)
    except MissingBlobError as error:
        raise _unreadable(target, error) from error
    call.open(request, stream)
    return {"stream_size": stream.size}


async def _stream(target: PropertyObject, property_id: int, wanted: int) -> Stream:
    """A stream on the property, as the type ``wanted``. `RopError` NotFound."""
    values = await target.properties()
    tag = next((tag for tag in values if tag >> 16 == property_id), None)
    if tag is None:
        raise RopError(ErrorCode.NotFound)
    logon, kind, value = target.logon, tag & 0xFFFF, values[tag]
    nul = _STRINGS.get(kind, 0)
    if kind == wanted or {kind, wanted} <= _BINARIES:
        if isinstance(value, BlobValue):
            return Stream(logon, value, value.size - nul)
        data = build_value(kind, value)
        data = data[: len(data) - nul]
        return Stream(logon, data, len(data))
    if (kind, wanted) == (PropertyType.STRING, PropertyType.STRING8):
        # Its size must be told at once, so that the whole text has to be converted here.
        if isinstance(value, BlobValue):
            raw = await logon.mailbox.read_blob(value.digest)
            data = await asyncio.to_thread(lambda: narrowed(parse_value(kind, raw), target.code_page))
        else:
            data = narrowed(value, target.code_page)
        return Stream(logon, data, len(data))
    raise RopError(ErrorCode.NotFound)


@handles("ReadStream")
async def read_stream(call: Call, request: Any) -> dict[str, Any]:
    """2.2.15: less than was asked for where the stream ends or the response is full."""
    stream = call.object(Stream)
    wanted = request.byte_count
    if wanted == MAXIMUM_BYTE_COUNT:
        wanted = request.maximum_byte_count
        if wanted > MAXIMUM_BYTE_COUNT_LIMIT:
            raise RopError(ErrorCode.RpcFormat)
    try:
        return {"data": await stream.read(min(wanted, call.space - READ_OVERHEAD, DATA_MAXIMUM))}
    except MissingBlobError as error:
        raise _unreadable(stream, error) from error


def _unreadable(target: ServerObject, error: MissingBlobError) -> RopError:
    log.error("a value in mailbox %s cannot be read: %s", target.logon.mailbox.guid, error)
    return RopError(ErrorCode.StorageReadFault)


@handles("GetStreamSize")
async def get_stream_size(call: Call, request: Any) -> dict[str, Any]:
    """2.2.19"""
    return {"stream_size": call.object(Stream).size}


@handles("SeekStream")
async def seek_stream(call: Call, request: Any) -> dict[str, Any]:
    """2.2.21"""
    stream = call.object(Stream)
    origins = {Origin.BEGINNING: 0, Origin.CURRENT: stream.position, Origin.END: stream.size}
    if request.origin not in origins:
        raise RopError(ErrorCode.StorageInvalidParameter)
    stream.seek(origins[request.origin] + request.offset)
    return {"new_position": stream.position}
