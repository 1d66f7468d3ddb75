"""The ROPs of what a user has read of public folders (MS-OXCSTOR 2.2.1.10 to 2.2.1.13), which the mailbox keeps."""

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Logon
from mapigw.emsmdb.registry import Call, handles
from mapigw.mailbox.per_user import (
    MAXIMUM_DATA,
    per_user_folders,
    per_user_replica,
    read_per_user,
    write_per_user,
)
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.primitives import LongTermId

PART_SIZE: Final = 4096
"""Bytes of data in a response: the default and the maximum of MaxDataSize."""


@dataclass(slots=True)
class PerUserUpload:
    """What RopWritePerUserInformation has collected until the last part comes."""

    folder: LongTermId
    replica_guid: UUID
    data: bytearray = field(default_factory=bytearray)


def _own_logon(call: Call) -> Logon:
    """The logon, which must be the owner's: nobody else has read anything with this mailbox."""
    logon = call.object(Logon)
    if not logon.accessor.is_owner:
        raise RopError(ErrorCode.AccessDenied)
    return logon


@handles("GetPerUserLongTermIds")
async def get_per_user_long_term_ids(call: Call, request: Any) -> dict[str, Any]:
    """3.2.5.10"""
    return {"long_term_ids": await per_user_folders(_own_logon(call).mailbox, request.database_guid)}


@handles("GetPerUserGuid")
async def get_per_user_guid(call: Call, request: Any) -> dict[str, Any]:
    """3.2.5.11"""
    found = await per_user_replica(_own_logon(call).mailbox, request.long_term_id)
    if found is None:
        raise RopError(ErrorCode.NotFound)
    return {"database_guid": found}


@handles("ReadPerUserInformation")
async def read_per_user_information(call: Call, request: Any) -> dict[str, Any]:
    """3.2.5.12: a part of the folder's change number set, which is empty where nothing is known."""
    mailbox = _own_logon(call).mailbox
    size = min(request.max_data_size or PART_SIZE, PART_SIZE)
    data, total = await read_per_user(mailbox, request.folder_id, request.data_offset, size)
    if request.data_offset > total:
        raise RopError(ErrorCode.GeneralFailure)
    return {"has_finished": request.data_offset + len(data) == total, "data": data}


@handles("WritePerUserInformation")
async def write_per_user_information(call: Call, request: Any) -> dict[str, Any]:
    """3.2.5.13: parts are collected until the last one, then checked and stored.

    A part that does not continue what is there ends it; only one at offset 0 begins anew.
    """
    logon = _own_logon(call)
    upload, logon.per_user_upload = logon.per_user_upload, None
    if request.data_offset == 0:
        upload = PerUserUpload(request.folder_id, request.repl_guid)
    elif upload is None or upload.folder != request.folder_id or len(upload.data) != request.data_offset:
        raise RopError(ErrorCode.GeneralFailure)
    upload.data += request.data
    if len(upload.data) > MAXIMUM_DATA:
        raise RopError(ErrorCode.TooBig)
    if not request.has_finished:
        logon.per_user_upload = upload
        return {}
    try:
        await write_per_user(logon.mailbox, upload.folder, upload.replica_guid, bytes(upload.data))
    except WireError as error:
        raise RopError(ErrorCode.CorruptData) from error
    return {}
