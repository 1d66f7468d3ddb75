"""FastTransfer, copies that clients download (MS-OXCFXICS 2.2.3.1.1.1 to 2.2.3.1.1.4, 2.2.3.1.1.6, 3.2.5.8.1).

Where versions differ the server does as Exchange 2013 and later: no Move with RopFastTransferSourceCopyTo, bodies
always in the form that they are stored in, and Move with RopFastTransferSourceCopyFolder says only that subfolders go
along, so that none is lost when the client deletes the folder.
"""

from dataclasses import replace
from enum import IntFlag
from typing import Any, Final

from mapigw.emsmdb.download import FastTransferSource
from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.fasttransfer_elements import StringForm
from mapigw.emsmdb.fasttransfer_sources import (
    HIERARCHY,
    CopyFilter,
    CopyOptions,
    FolderSource,
    ListSource,
    opened_source,
)
from mapigw.emsmdb.fasttransfer_upload import FastTransferDestination
from mapigw.emsmdb.message import own_counter
from mapigw.emsmdb.message_objects import Attachment, OpenedObject
from mapigw.emsmdb.objects import Folder, PropertyObject, ServerObject
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.stream_objects import commit_streams
from mapigw.mailbox.permissions import Rights
from mapigw.wire.codes import ErrorCode


class SendOptions(IntFlag):
    """2.2.3.1.1.1.1; together Unicode and UseCpid are called ForUpload."""

    UNICODE = 0x01
    USE_CPID = 0x02
    RECOVER_MODE = 0x04
    FORCE_UNICODE = 0x08
    PARTIAL_ITEM = 0x10
    RESERVED_1 = 0x20
    RESERVED_2 = 0x40


MOVE: Final = 0x01
_UNUSED: Final = 0x0E
_UNUSED_OF_COPY_TO: Final = 0x060E
_BEST_BODY_OF_COPY_TO: Final = 0x2000
_BEST_BODY: Final = 0x10
_SEND_ENTRY_ID: Final = 0x20
_COPY_SUBFOLDERS: Final = 0x10


def _options(request: Any, *, known: int, identification: bool = True) -> CopyOptions:
    """`RopError` InvalidParameter for bits that mean nothing; ``known`` are the CopyFlags beside Move."""
    sent = request.send_options
    if request.copy_flags & ~(known | MOVE) or sent & ~sum(SendOptions):
        raise RopError(ErrorCode.InvalidParameter)
    if sent & SendOptions.USE_CPID:
        strings = StringForm.CODE_PAGE
    elif sent & (SendOptions.UNICODE | SendOptions.FORCE_UNICODE):
        strings = StringForm.UNICODE
    else:
        strings = StringForm.STRING8
    return CopyOptions(
        strings,
        recover=bool(sent & SendOptions.RECOVER_MODE),
        move=bool(request.copy_flags & MOVE),
        identification=identification,
    )


async def _open_copy(call: Call, request: Any, options: CopyOptions, *, including: bool) -> dict[str, Any]:
    source = call.object(PropertyObject)
    if isinstance(source, Folder):
        await source.require(Rights.FolderVisible)
    elif isinstance(source, OpenedObject):
        await commit_streams(source)
    chosen = CopyFilter(
        frozenset(tag >> 16 for tag in request.property_tags),
        including=including,
        subobjects=not request.level or isinstance(source, Attachment),
    )
    call.open(request, await opened_source(source, options, chosen))
    return {}


@handles("FastTransferSourceCopyTo")
async def fast_transfer_source_copy_to(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.1.1.1: everything of a folder, a message or an attachment but what is excluded."""
    options = _options(request, known=_UNUSED_OF_COPY_TO | _BEST_BODY_OF_COPY_TO)
    if options.move:
        raise RopError(ErrorCode.InvalidParameter)
    return await _open_copy(call, request, options, including=False)


@handles("FastTransferSourceCopyProperties")
async def fast_transfer_source_copy_properties(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.1.1.2: what is named of a folder, a message or an attachment."""
    return await _open_copy(call, request, _options(request, known=_UNUSED), including=True)


@handles("FastTransferSourceCopyMessages")
async def fast_transfer_source_copy_messages(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.1.1.3: messages of a folder; those that are not there are left out."""
    folder = call.object(Folder)
    identification = bool(request.copy_flags & _SEND_ENTRY_ID)
    options = _options(request, known=_UNUSED | _BEST_BODY | _SEND_ENTRY_ID, identification=identification)
    if not request.message_ids:
        raise RopError(ErrorCode.InvalidParameter)
    await folder.require(Rights.FolderVisible)
    message_ids = [own_counter(message_id) for message_id in request.message_ids]
    call.open(request, ListSource(folder, options, message_ids))
    return {}


@handles("FastTransferSourceCopyFolder")
async def fast_transfer_source_copy_folder(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.1.1.4: a folder with its messages, and perhaps with the folders below it."""
    folder = call.object(Folder)
    options = _options(request, known=_UNUSED | _COPY_SUBFOLDERS)
    await folder.require(Rights.FolderVisible)
    excluded = frozenset() if options.move or request.copy_flags & _COPY_SUBFOLDERS else frozenset({HIERARCHY >> 16})
    chosen = CopyFilter(excluded, including=False)
    call.open(request, await FolderSource.of(folder, replace(options, move=False), chosen, is_top=True))
    return {}


@handles("TellVersion")
async def tell_version(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3.1.1.6: the version of the other server of an upload; nothing that this one sends depends on it."""
    if not isinstance(call.object(ServerObject), FastTransferSource | FastTransferDestination):
        raise RopError(ErrorCode.NotSupported)
    return {}
