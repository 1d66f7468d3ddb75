"""Permission ROPs (MS-OXCPERM 2.2, MS-OXCROPS 2.2.10)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mapigw.directory.model import Group
from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Folder
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.session import Session
from mapigw.emsmdb.table import Table
from mapigw.mailbox.mailboxes import Mailbox, NotFoundError
from mapigw.mailbox.permissions import (
    ANONYMOUS_MEMBER,
    EVERYTHING,
    FREE_BUSY,
    RESERVED_MEMBERS,
    ChangeKind,
    PermissionChange,
    Rights,
    folder_permissions,
    is_known_member,
    may_give_permissions,
    modify_permissions,
)
from mapigw.store.permissions import PermissionRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import AddressBookObjectType, address_book_dn, address_book_entry_id
from mapigw.wire.errors import WireError

REPLACE_ROWS: Final = 0x01  # ModifyFlags (2.2.2.1)
INCLUDE_FREE_BUSY: Final = 0x02  # of ModifyFlags and of TableFlags (2.2.1.1)


class PermissionsTable(Table):
    """The permissions list of a folder, as it was when the table was opened; a row is a permission's properties."""

    default_columns = (tags.PidTagEntryId, tags.PidTagMemberId, tags.PidTagMemberName, tags.PidTagMemberRights)

    def __init__(self, folder: Folder, rows: Sequence[Mapping[int, Any]]) -> None:
        super().__init__(folder, rows)
        self._folder = folder

    async def load(self, keys: Sequence[Any]) -> list[Mapping[int, Any] | None]:
        """Whether somebody may see the list is asked when rows are (3.2.5.1)."""
        await self._folder.require(Rights.FolderVisible)
        return list(keys)


@handles("GetPermissionsTable")
async def get_permissions_table(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1"""
    folder = call.object(Folder)
    if request.table_flags & ~INCLUDE_FREE_BUSY:
        raise RopError(ErrorCode.InvalidParameter)
    await folder.row()
    shown = EVERYTHING if request.table_flags & INCLUDE_FREE_BUSY else EVERYTHING & ~FREE_BUSY
    rows = await folder_permissions(folder.logon.mailbox, folder.folder_id)
    call.open(request, PermissionsTable(folder, [await _properties(call.session, row, shown) for row in rows]))
    return {}


async def _properties(session: Session, row: PermissionRow, shown: Rights) -> dict[int, Any]:
    """The columns of a row (2.2.4 to 2.2.7). Who has left the directory is shown by the last part of the DN."""
    entry_id = b""
    name = "Anonymous" if row.member_id == ANONYMOUS_MEMBER else ""
    if row.legacy_dn:
        entry = await session.directory.entry(row.legacy_dn)
        is_group = isinstance(entry, Group)
        entry_id = address_book_entry_id(
            entry.legacy_dn if entry else row.legacy_dn,
            AddressBookObjectType.DistributionList if is_group else AddressBookObjectType.LocalMailUser,
        )
        name = entry.display_name if entry else row.legacy_dn.rpartition("=")[2]
    return {
        tags.PidTagEntryId: entry_id,
        tags.PidTagMemberId: row.member_id,
        tags.PidTagMemberName: name,
        tags.PidTagMemberRights: int(row.rights & shown),
    }


@handles("ModifyPermissions")
async def modify_folder_permissions(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2: all of the changes or, on an error, none."""
    folder = call.object(Folder)
    flags = request.modify_flags
    if flags & ~(REPLACE_ROWS | INCLUDE_FREE_BUSY):
        raise RopError(ErrorCode.InvalidParameter)
    if not await may_give_permissions(folder.logon.mailbox, folder.logon.accessor, folder.folder_id):
        raise RopError(ErrorCode.AccessDenied)
    replace = bool(flags & REPLACE_ROWS)
    mailbox = folder.logon.mailbox
    changes = [await _change(call.session, mailbox, item) for item in request.permissions_data]
    if replace and any(change.kind is not ChangeKind.ADD for change in changes):
        raise RopError(ErrorCode.InvalidParameter)
    try:
        await modify_permissions(
            mailbox,
            folder.folder_id,
            changes,
            replace=replace,
            include_free_busy=bool(flags & INCLUDE_FREE_BUSY),
        )
    except NotFoundError as error:
        raise RopError(ErrorCode.ObjectDeleted) from error
    return {}


async def _change(session: Session, mailbox: Mailbox, item: Any) -> PermissionChange:
    """One PermissionData structure (2.2.2.1.1). `RopError` InvalidParameter, UnknownUser."""
    values = dict(item.property_values)
    try:
        kind = ChangeKind(item.permission_data_flags)
    except ValueError as error:
        raise RopError(ErrorCode.InvalidParameter) from error
    member_id = values.get(tags.PidTagMemberId)
    rights = values.get(tags.PidTagMemberRights)
    if kind is ChangeKind.REMOVE:
        rights = 0
    if rights is None:
        raise RopError(ErrorCode.InvalidParameter)
    rights = Rights(rights & EVERYTHING)
    if kind is not ChangeKind.ADD or member_id in RESERVED_MEMBERS:
        if member_id is None:
            raise RopError(ErrorCode.InvalidParameter)
        return PermissionChange(kind, member_id=member_id, rights=rights)
    if member_id is not None:
        raise RopError(ErrorCode.InvalidParameter)
    return PermissionChange(kind, legacy_dn=await _grantee(session, mailbox, values), rights=rights)


async def _grantee(session: Session, mailbox: Mailbox, values: Mapping[int, Any]) -> str:
    """The DN in PidTagEntryId, of a user, of a group, or of somebody who has been removed from the directory."""
    try:
        dn = address_book_dn(values[tags.PidTagEntryId]).lower()
    except (KeyError, WireError) as error:
        raise RopError(ErrorCode.InvalidParameter) from error
    if await session.directory.entry(dn) is None and not await is_known_member(mailbox, dn):
        raise RopError(ErrorCode.UnknownUser)
    return dn
