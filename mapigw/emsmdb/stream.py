"""Stream ROPs (MS-OXCPRPT 2.2.14 to 2.2.27, MS-OXCROPS 2.2.9).

Like Exchange 2010 and later this server has no RopLockRegionStream and no RopUnlockRegionStream.
"""

import logging
from enum import IntEnum
from typing import Any, Final

from mapigw.emsmdb.bodies import with_bodies
from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.message_objects import Attachment, OpenedObject
from mapigw.emsmdb.objects import Folder, PropertyObject, ServerObject
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.stream_objects import Contents, Stream, contents_of, narrowing
from mapigw.emsmdb.values import is_storable
from mapigw.mailbox.permissions import Rights
from mapigw.store.blobs import MissingBlobError
from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import NAMED_PROPERTY_MINIMUM, PropertyType
from mapigw.wire.rops.stream import MAXIMUM_BYTE_COUNT
from mapigw.wire.tags import PidTagAttachDataObject, PidTagSecurityDescriptorAsXml

log = logging.getLogger("mapigw.emsmdb")

READ_OVERHEAD: Final = 8  # response header, DataSize
DATA_MAXIMUM: Final = 0xFFFF
MAXIMUM_BYTE_COUNT_LIMIT: Final = 0x80000000  # MS-OXCROPS 2.2.9.2.1

_STRINGS: Final = frozenset({int(PropertyType.STRING), int(PropertyType.STRING8)})
_BINARIES: Final = frozenset({int(PropertyType.BINARY), int(PropertyType.OBJECT)})


class OpenMode(IntEnum):
    """2.2.14.1, and the BestAccess of MS-OXCMSG 2.2.3.12.1: as much as the object allows."""

    READ_ONLY = 0x00
    READ_WRITE = 0x01
    CREATE = 0x02
    BEST_ACCESS = 0x03


class Origin(IntEnum):
    """2.2.21.1"""

    BEGINNING = 0x00
    CURRENT = 0x01
    END = 0x02


@handles("OpenStream")
async def open_stream(call: Call, request: Any) -> dict[str, Any]:
    """2.2.14: a stream on a property of a folder, a message or an attachment."""
    target = call.object(PropertyObject)
    tag = request.property_tag
    if not isinstance(target, Folder | OpenedObject) or tag & 0xFFFF not in _STRINGS | _BINARIES:
        raise RopError(ErrorCode.NotSupported)
    if isinstance(target, Folder) and tag == PidTagSecurityDescriptorAsXml:
        raise RopError(ErrorCode.NotSupported)  # so that the client reads the permissions table (MS-OXCPERM 3.2.5.3)
    mode = request.open_mode_flags
    if mode not in set(OpenMode):
        raise RopError(ErrorCode.InvalidParameter)
    writable = mode != OpenMode.READ_ONLY and await _is_writable(target)
    if mode in {OpenMode.READ_WRITE, OpenMode.CREATE} and not writable:
        raise RopError(ErrorCode.AccessDenied)
    if isinstance(target, Attachment) and target.content.embedded is not None and tag >> 16 == _EMBEDDED:
        raise RopError(ErrorCode.NotSupported)  # RopOpenEmbeddedMessage opens it
    try:
        stream = await _stream(target, tag, writable=writable, create=mode == OpenMode.CREATE)
    except MissingBlobError as error:
        raise _unreadable(target, error) from error
    call.open(request, stream)
    return {"stream_size": stream.size}


_EMBEDDED: Final = PidTagAttachDataObject >> 16


async def _is_writable(target: PropertyObject) -> bool:
    if isinstance(target, Folder):
        return bool(await target.logon.rights(target.folder_id) & Rights.FolderOwner)
    return isinstance(target, OpenedObject) and not target.read_only


async def _stream(target: PropertyObject, asked: int, *, writable: bool, create: bool) -> Stream:
    """A stream on the property, as the type asked for. `RopError` NotFound."""
    mailbox, wanted = target.logon.mailbox, asked & 0xFFFF
    narrow = wanted == PropertyType.STRING8
    values = await target.properties()
    if not create:
        values = await with_bodies(target, values, (asked,), stream=True)
    tag = next((tag for tag in values if tag >> 16 == asked >> 16 and _agree(tag & 0xFFFF, wanted)), None)
    if create:
        if tag is None:
            tag = asked & ~0xFFFF | (PropertyType.STRING if wanted in _STRINGS else wanted)
        named = asked >> 16 >= NAMED_PROPERTY_MINIMUM
        if not is_storable(tag) or (named and await mailbox.property_name(asked >> 16) is None):
            raise RopError(ErrorCode.NotFound)
        return Stream(target, tag, Contents(mailbox, b"", 0), narrow=narrow, writable=True, dirty=True)
    if tag is None:
        raise RopError(ErrorCode.NotFound)
    contents = await contents_of(mailbox, tag & 0xFFFF, values[tag])
    if narrow:
        # Its size must be told at once, so that the whole text has to be converted here.
        await contents.convert(narrowing(target.code_page))
    return Stream(target, tag, contents, narrow=narrow, writable=writable)


def _agree(stored: int, wanted: int) -> bool:
    return {stored, wanted} <= _BINARIES or (stored == PropertyType.STRING and wanted in _STRINGS)


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


@handles("WriteStream")
async def write_stream(call: Call, request: Any) -> dict[str, Any]:
    """2.2.16: everything is written, or nothing."""
    stream = call.object(Stream)
    try:
        await stream.write(request.data)
    except MissingBlobError as error:
        raise _unreadable(stream, error) from error
    return {"written_size": len(request.data)}


handles("WriteStreamExtended")(write_stream)  # 2.2.17: the response's WrittenSize is wider


@handles("WriteAndCommitStream")
async def write_and_commit_stream(call: Call, request: Any) -> dict[str, Any]:
    """2.2.26: not on the properties of folders."""
    stream = call.object(Stream)
    if isinstance(stream.target, Folder):
        raise RopError(ErrorCode.NotSupported)
    written = await write_stream(call, request)
    await stream.commit()
    return written


@handles("CommitStream")
async def commit_stream(call: Call, request: Any) -> dict[str, Any]:
    """2.2.18"""
    await call.object(Stream).commit()
    return {}


@handles("GetStreamSize")
async def get_stream_size(call: Call, request: Any) -> dict[str, Any]:
    """2.2.19"""
    return {"stream_size": call.object(Stream).size}


@handles("SetStreamSize")
async def set_stream_size(call: Call, request: Any) -> dict[str, Any]:
    """2.2.20"""
    stream = call.object(Stream)
    try:
        await stream.resize(request.stream_size)
    except MissingBlobError as error:
        raise _unreadable(stream, error) from error
    return {}


@handles("SeekStream")
async def seek_stream(call: Call, request: Any) -> dict[str, Any]:
    """2.2.21"""
    stream = call.object(Stream)
    origins = {Origin.BEGINNING: 0, Origin.CURRENT: stream.position, Origin.END: stream.size}
    if request.origin not in origins:
        raise RopError(ErrorCode.StorageInvalidParameter)
    try:
        await stream.seek(origins[request.origin] + request.offset)
    except MissingBlobError as error:
        raise _unreadable(stream, error) from error
    return {"new_position": stream.position}


@handles("CopyToStream")
async def copy_to_stream(call: Call, request: Any) -> dict[str, Any]:
    """2.2.22"""
    source = call.object(Stream)
    destination = call.destination(request.dest_handle_index, Stream)
    try:
        count = await source.copy(destination, request.byte_count)
    except MissingBlobError as error:
        raise _unreadable(source, error) from error
    return {"read_byte_count": count, "written_byte_count": count}


@handles("CloneStream")
async def clone_stream(call: Call, request: Any) -> dict[str, Any]:
    """2.2.27"""
    call.open(request, call.object(Stream).clone())
    return {}
