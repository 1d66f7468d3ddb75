"""Folder ROPs (MS-OXCFOLD 2.2.1, MS-OXCROPS 2.2.4)."""

from typing import Any

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Folder, Logon, ServerObject
from mapigw.emsmdb.registry import Call, handles
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.wire.codes import ErrorCode


@handles("OpenFolder")
async def open_folder(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.1: by a logon or any of its folders."""
    parent = call.object(ServerObject)
    if not isinstance(parent, Logon | Folder):
        raise RopError(ErrorCode.NotSupported)
    logon = parent.logon
    folder_id = request.folder_id
    if folder_id.replica_id != OWN_REPLICA or await logon.mailbox.folder(folder_id.counter) is None:
        raise RopError(ErrorCode.NotFound)
    call.open(request, Folder(logon, folder_id.counter))
    return {"has_rules": False, "is_ghosted": False, "servers": None}
