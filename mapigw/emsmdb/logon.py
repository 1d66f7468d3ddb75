"""Logon ROPs (MS-OXCSTOR 2.2.1, MS-OXCROPS 2.2.3) for private mailboxes."""

from datetime import UTC, datetime
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Logon
from mapigw.emsmdb.registry import Call, handles
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.mailboxes import NotFoundError
from mapigw.mailbox.permissions import Accessor
from mapigw.mailbox.special_folders import LOGON_FOLDERS
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import LongTermId, ObjectId

PRIVATE: Final = 0x01
RETURNED_FLAGS: Final = 0x07  # Private, Undercover, Ghosted; the spooler's 0x08 is not given back
RESERVED: Final = 0x01
OWNER_RIGHT: Final = 0x02
SEND_AS_RIGHT: Final = 0x04
USE_PER_MDB_REPLID_MAPPING: Final = 0x01000000
GWART_TIME: Final = 0x01D00000_00000000  # the address types never change


@handles("Logon")
async def logon(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.1: log on to the user's own mailbox. Public folders and other people's mailboxes are refused."""
    session = call.session
    if not request.logon_flags & PRIVATE:
        raise RopError(ErrorCode.LogonFailed)
    owner = await session.directory.by_legacy_dn(request.essdn.rstrip(b"\0").decode("ascii", "replace"))
    if owner is None or not owner.enabled:
        raise RopError(ErrorCode.UnknownUser)
    first = next(iter(session.logons.values()), None)
    another = first is not None and first.owner.mailbox_id != owner.mailbox_id
    if another and not request.open_flags & USE_PER_MDB_REPLID_MAPPING:
        raise RopError(ErrorCode.InvalidParameter)
    if owner.user_id != session.user.user_id:
        raise RopError(ErrorCode.LoginPermission)
    try:
        mailbox = await session.mailboxes.open(owner.mailbox_id)
    except NotFoundError as error:
        raise RopError(ErrorCode.UnknownUser) from error
    special = {folder.special: folder.folder_id for folder in await mailbox.folders() if folder.special}
    await session.release_logon(call.logon_id)
    accessor = Accessor(frozenset({session.user.legacy_dn.lower()}), is_owner=True)
    call.open(request, Logon(session, call.logon_id, mailbox, owner, accessor))
    now = datetime.now(UTC)
    return {
        "logon_flags": request.logon_flags & RETURNED_FLAGS,
        "folder_ids": [ObjectId(OWN_REPLICA, special[key]) for key in LOGON_FOLDERS],
        "response_flags": RESERVED | OWNER_RIGHT | SEND_AS_RIGHT,
        "mailbox_guid": mailbox.guid,
        "repl_id": OWN_REPLICA,
        "repl_guid": mailbox.replica_guid,
        "logon_time": {
            "seconds": now.second,
            "minutes": now.minute,
            "hour": now.hour,
            "day_of_week": now.isoweekday() % 7,
            "day": now.day,
            "month": now.month,
            "year": now.year,
        },
        "gwart_time": GWART_TIME,
        "store_state": 0,
        "per_user_guid": None,
    }


@handles("GetReceiveFolder")
async def get_receive_folder(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.2: the longest configured prefix of the message class, without regard to case."""
    mailbox = call.object(Logon).mailbox
    wanted = request.message_class.decode("latin-1")
    if not _is_message_class(wanted):
        raise RopError(ErrorCode.InvalidParameter)
    best = None
    for row in await mailbox.receive_folders():
        name = row.message_class
        matching = not name or (wanted + ".").lower().startswith((name + ".").lower())
        if matching and (best is None or len(name) > len(best.message_class)):
            best = row
    if best is None:
        inbox = await mailbox.special_folder("inbox")
        return {"folder_id": ObjectId(OWN_REPLICA, inbox.folder_id), "explicit_message_class": b""}
    return {
        "folder_id": ObjectId(OWN_REPLICA, best.folder_id),
        "explicit_message_class": best.message_class.encode("latin-1"),
    }


def _is_message_class(name: str) -> bool:
    """MS-OXCSTOR 2.2.1.2.1: printable ASCII, at most 254 characters, no period at either end, none after another."""
    return (
        len(name) <= 254
        and all(" " <= letter <= "~" for letter in name)
        and not name.startswith(".")
        and not name.endswith(".")
        and ".." not in name
    )


@handles("GetReceiveFolderTable")
async def get_receive_folder_table(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.4"""
    rows = await call.object(Logon).mailbox.receive_folders()
    if not rows:
        raise RopError(ErrorCode.NoReceiveFolder)
    return {
        "row_count": len(rows),
        "rows": [
            [
                ObjectId(OWN_REPLICA, row.folder_id).to_integer(),
                row.message_class.encode("latin-1"),
                row.modified,
            ]
            for row in rows
        ],
    }


@handles("GetStoreState")
async def get_store_state(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.5: whether there are active searches; there are none."""
    call.object(Logon)
    return {"store_state": 0}


@handles("LongTermIdFromId")
async def long_term_id_from_id(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.8: whether there ever was such an object is not looked at."""
    mailbox = call.object(Logon).mailbox
    if request.object_id.replica_id != OWN_REPLICA:
        raise RopError(ErrorCode.NotFound)
    return {"long_term_id": LongTermId(mailbox.replica_guid, request.object_id.counter)}


@handles("IdFromLongTermId")
async def id_from_long_term_id(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.9: whether there ever was such an object is not looked at. Foreign replicas get no REPLID."""
    mailbox = call.object(Logon).mailbox
    if not request.long_term_id.replica_guid.int:
        raise RopError(ErrorCode.InvalidParameter)
    if request.long_term_id.replica_guid != mailbox.replica_guid:
        raise RopError(ErrorCode.NotFound)
    return {"object_id": ObjectId(OWN_REPLICA, request.long_term_id.counter)}
