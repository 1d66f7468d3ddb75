"""The ROPs of receive folders (MS-OXCSTOR 2.2.1.2 to 2.2.1.4)."""

from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Logon
from mapigw.emsmdb.registry import Call, handles
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.mailboxes import NotFoundError
from mapigw.mailbox.receive_folders import (
    NoMessagesError,
    is_message_class,
    receive_folder,
    receive_folders,
    set_receive_folder,
)
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId

FIXED_CLASSES: Final = frozenset({"ipm", "report.ipm"})
"""Whose folder clients cannot change (3.2.5.3)."""


@handles("GetReceiveFolder")
async def get_receive_folder(call: Call, request: Any) -> dict[str, Any]:
    """3.2.5.2: the folder of the longest configured prefix of the message class; where none is, the Inbox."""
    mailbox = call.object(Logon).mailbox
    found = await receive_folder(mailbox, _message_class(request))
    if found is None:
        inbox = await mailbox.special_folder("inbox")
        return {"folder_id": ObjectId(OWN_REPLICA, inbox.folder_id), "explicit_message_class": b""}
    return {
        "folder_id": ObjectId(OWN_REPLICA, found.folder_id),
        "explicit_message_class": found.message_class.encode("ascii"),
    }


@handles("SetReceiveFolder")
async def rop_set_receive_folder(call: Call, request: Any) -> dict[str, Any]:
    """3.2.5.3: by the mailbox's owner; folder id 0 removes the row of the class."""
    logon = call.object(Logon)
    message_class = _message_class(request)
    folder_id: ObjectId = request.folder_id
    if not logon.accessor.is_owner or message_class.lower() in FIXED_CLASSES:
        raise RopError(ErrorCode.AccessDenied)
    removed = not any(folder_id)
    if removed and not message_class:
        raise RopError(ErrorCode.GeneralFailure)
    if not removed and folder_id.replica_id != OWN_REPLICA:
        raise RopError(ErrorCode.NotFound)
    try:
        await set_receive_folder(logon.mailbox, message_class, None if removed else folder_id.counter)
    except NotFoundError as error:
        raise RopError(ErrorCode.NotFound) from error
    except NoMessagesError as error:
        raise RopError(ErrorCode.SearchFolder) from error
    return {}


@handles("GetReceiveFolderTable")
async def get_receive_folder_table(call: Call, request: Any) -> dict[str, Any]:
    """3.2.5.4"""
    rows = await receive_folders(call.object(Logon).mailbox)
    if not rows:
        raise RopError(ErrorCode.NoReceiveFolder)
    return {
        "row_count": len(rows),
        "rows": [
            [
                ObjectId(OWN_REPLICA, row.folder_id).to_integer(),
                row.message_class.encode("ascii"),
                row.modified,
            ]
            for row in rows
        ],
    }


def _message_class(request: Any) -> str:
    name: str = request.message_class.decode("latin-1")
    if not is_message_class(name):
        raise RopError(ErrorCode.InvalidParameter)
    return name
