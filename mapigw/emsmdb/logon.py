"""Logon ROPs (MS-OXCSTOR 2.2.1, MS-OXCROPS 2.2.3) for private mailboxes. Public folder logons are refused."""

from datetime import UTC, datetime
from enum import IntFlag
from typing import Any, Final

from mapigw.directory.model import User
from mapigw.emsmdb.access import AccessRecord, accessor_of, right_name
from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Logon
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.session import Session
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.mailboxes import Mailbox, NotFoundError
from mapigw.mailbox.out_of_office import is_out_of_office
from mapigw.mailbox.permissions import Accessor, Right, permission_lists
from mapigw.mailbox.replicas import ReplicasExhaustedError, replica_guid, replica_id
from mapigw.mailbox.search_folders import resume
from mapigw.mailbox.special_folders import LOGON_FOLDERS
from mapigw.mailbox.store_properties import special_folder_ids
from mapigw.wire.code_pages import codec_name
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import LongTermId, ObjectId


class LogonFlags(IntFlag):
    """2.2.1.1.1"""

    Private = 0x01
    Undercover = 0x02
    Ghosted = 0x04
    SpoolerProcess = 0x08


class OpenFlags(IntFlag):
    """2.2.1.1.1"""

    UseAdminPrivilege = 0x00000001
    Public = 0x00000002
    HomeLogon = 0x00000004
    TakeOwnership = 0x00000008
    AlternateServer = 0x00000100
    IgnoreHomeMdb = 0x00000200
    NoMail = 0x00000400
    UsePerMdbReplidMapping = 0x01000000
    SupportProgress = 0x20000000


class ResponseFlags(IntFlag):
    """2.2.1.1.3"""

    Reserved = 0x01
    OwnerRight = 0x02
    SendAsRight = 0x04
    Oof = 0x10


RETURNED_FLAGS: Final = LogonFlags.Private | LogonFlags.Undercover | LogonFlags.Ghosted
DEFINED_LOGON_FLAGS: Final = sum(LogonFlags)
IGNORED_OPEN_FLAGS: Final = 0x003FFFFF  # MAPI defines more than the specification, and some of its clients set them
DEFINED_OPEN_FLAGS: Final = sum(OpenFlags) | IGNORED_OPEN_FLAGS
GWART_TIME: Final = 0x01D00000_00000000  # the address types never change


@handles("Logon")
async def logon(call: Call, request: Any) -> dict[str, Any]:
    """3.2.5.1: log on to a mailbox as its owner, as an administrator, or with the rights somebody was given.

    All mailboxes are on this server, so that nobody is redirected to another (ecWrongServer) or told to pause.
    """
    session = call.session
    defined = not (request.logon_flags & ~DEFINED_LOGON_FLAGS or request.open_flags & ~DEFINED_OPEN_FLAGS)
    if not request.logon_flags & LogonFlags.Private:
        # There is no public folder store, whatever server is asked for (3.2.5.1.2).
        raise RopError(ErrorCode.LogonFailed if defined else ErrorCode.GeneralFailure)
    owner, mailbox, special, accessor = await _permitted(session, request)
    if codec_name(session.parameters.default_code_page) is None:
        raise RopError(ErrorCode.UnknownCodePage)
    if not defined:
        raise RopError(ErrorCode.GeneralFailure)
    first = next(iter(session.logons.values()), None)
    another = first is not None and first.owner.mailbox_id != owner.mailbox_id
    if another and not request.open_flags & OpenFlags.UsePerMdbReplidMapping:
        raise RopError(ErrorCode.InvalidParameter)
    response_flags = await _response_flags(session, owner, mailbox, accessor)
    await session.release_logon(call.logon_id)
    call.open(request, Logon(session, call.logon_id, mailbox, owner, accessor))
    await resume(mailbox)
    now = datetime.now(UTC)
    return {
        "logon_flags": request.logon_flags & RETURNED_FLAGS,
        "folder_ids": [ObjectId(OWN_REPLICA, special[key]) for key in LOGON_FOLDERS],
        "response_flags": response_flags,
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
        "store_state": 0,  # also where there are searches, as Exchange 2010 and later answer
        "per_user_guid": None,
    }


async def _permitted(session: Session, request: Any) -> tuple[User, Mailbox, dict[str, int], Accessor]:
    """Whose mailbox is to be opened, the mailbox, its well-known folders by key, and who asks (3.2.5.1.1). Audited.

    Raises `RopError`: AccessDenied where administrative access is asked for by anybody but an administrator,
    MailboxDisabled for a user who has been disabled, UnknownUser for somebody without any right in the mailbox: that
    answer is implementation-specific, and must not tell which mailboxes there are. For the same reason the caller looks
    only afterwards for what else is wrong with a request.
    """
    name = request.essdn.decode("ascii", "replace")
    owner = await session.directory.by_legacy_dn(name)
    accessor = None
    try:
        user = await session.directory.by_legacy_dn(session.user.legacy_dn)
        if request.open_flags & OpenFlags.UseAdminPrivilege and not (user and user.admin):
            raise RopError(ErrorCode.AccessDenied)
        if owner is None or not owner.enabled:
            raise RopError(ErrorCode.UnknownUser)
        if user is None or not user.enabled:
            raise RopError(ErrorCode.MailboxDisabled)
        mailbox, special = await _open(session, owner)
        administrative = session.parameters.admin or bool(request.open_flags & OpenFlags.UseAdminPrivilege)
        asking = await accessor_of(session.directory, user, owner, administrative=administrative and user.admin)
        if not (await permission_lists(mailbox)).grant_anything(asking):
            raise RopError(ErrorCode.UnknownUser)
        accessor = asking
    finally:
        if session.audit is not None and (owner is None or owner.user_id != session.user.user_id):
            right = right_name(accessor) if accessor is not None else "none"
            mailbox_name = owner.key if owner is not None else name
            session.audit(AccessRecord(session.user.address, mailbox_name, right, accessor is not None))
    return owner, mailbox, special, accessor


async def _open(session: Session, owner: User) -> tuple[Mailbox, dict[str, int]]:
    """The mailbox, and its well-known folders by key. `RopError` UnknownUser when it is missing."""
    try:
        mailbox = await session.mailboxes.open(owner.mailbox_id)
    except NotFoundError as error:
        raise RopError(ErrorCode.UnknownUser) from error
    special = await special_folder_ids(mailbox)
    if not special:  # deleted in this moment
        raise RopError(ErrorCode.UnknownUser)
    return mailbox, special


async def _response_flags(session: Session, owner: User, mailbox: Mailbox, accessor: Accessor) -> ResponseFlags:
    flags = ResponseFlags.Reserved
    if accessor.is_owner:
        flags |= ResponseFlags.OwnerRight
    if session.user.user_id == owner.user_id or accessor.right >= Right.WRITE:
        flags |= ResponseFlags.SendAsRight
    if await is_out_of_office(mailbox):
        flags |= ResponseFlags.Oof
    return flags


@handles("GetStoreState")
async def get_store_state(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.5: not implemented by Exchange 2010 and later."""
    call.object(Logon)
    raise RopError(ErrorCode.NotImplemented)


@handles("GetOwningServers")
async def get_owning_servers(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.6: there are no public folders to be found."""
    call.object(Logon)
    raise RopError(ErrorCode.NotFound)


@handles("PublicFolderIsGhosted")
async def public_folder_is_ghosted(call: Call, request: Any) -> dict[str, Any]:
    """3.2.5.7: in a private mailbox nothing is."""
    call.object(Logon)
    return {"is_ghosted": False, "servers": None}


@handles("LongTermIdFromId")
async def long_term_id_from_id(call: Call, request: Any) -> dict[str, Any]:
    """3.2.5.8: whether there ever was such an object is not looked at. The id 0 is nobody's, and stays 0."""
    mailbox = call.object(Logon).mailbox
    number: ObjectId = request.object_id
    if not any(number):
        return {"long_term_id": NO_LONG_TERM_ID}
    guid = await replica_guid(mailbox, number.replica_id)
    if guid is None:
        raise RopError(ErrorCode.NotFound)
    return {"long_term_id": LongTermId(guid, number.counter)}


@handles("IdFromLongTermId")
async def id_from_long_term_id(call: Call, request: Any) -> dict[str, Any]:
    """3.2.5.9: a replica that was never seen gets a REPLID for ever. The id without a replica is 0."""
    mailbox = call.object(Logon).mailbox
    number: LongTermId = request.long_term_id
    if not number.replica_guid.int:
        return {"object_id": NO_ID}
    try:
        replica = await replica_id(mailbox, number.replica_guid)
    except ReplicasExhaustedError as error:
        raise RopError(ErrorCode.ParameterOverflow) from error
    return {"object_id": ObjectId(replica, number.counter)}


NO_ID: Final = ObjectId.from_bytes(bytes(8))
NO_LONG_TERM_ID: Final = LongTermId.from_bytes(bytes(24))
