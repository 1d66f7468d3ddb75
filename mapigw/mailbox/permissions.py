"""Who may do what with a folder (MS-OXCPERM): one function decides, and everything asks it."""

from dataclasses import dataclass
from enum import IntFlag
from typing import Final

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store import permissions

DEFAULT_MEMBER: Final = 0
ANONYMOUS_MEMBER: Final = -1


class Rights(IntFlag):
    """PidTagMemberRights (MS-OXCPERM 2.2.7)."""

    ReadAny = 0x0001
    Create = 0x0002
    EditOwned = 0x0008
    DeleteOwned = 0x0010
    EditAny = 0x0020
    DeleteAny = 0x0040
    CreateSubFolder = 0x0080
    FolderOwner = 0x0100
    FolderContact = 0x0200
    FolderVisible = 0x0400
    FreeBusySimple = 0x0800
    FreeBusyDetailed = 0x1000


EVERYTHING: Final = Rights(0x1FFB)


@dataclass(frozen=True, slots=True)
class Accessor:
    """Who asks. ``names`` are lower-case legacy DNs: the user's own, and those of every group the user is in."""

    names: frozenset[str]
    is_owner: bool
    """True for the mailbox's owner and for an administrative logon: nothing is refused."""


async def effective_rights(mailbox: Mailbox, accessor: Accessor, folder_id: int) -> Rights:
    """The rights on a folder: those of the user and of the user's groups together, else the default ones."""
    if accessor.is_owner:
        return EVERYTHING
    async with mailbox.database.read() as connection:
        rows = await permissions.select_permissions(connection, mailbox.mailbox_id, folder_id)
    own = [row.rights for row in rows if row.legacy_dn and row.legacy_dn in accessor.names]
    if not own:
        own = [row.rights for row in rows if row.member_id == DEFAULT_MEMBER]
    rights = Rights(0)
    for item in own:
        rights |= Rights(item)
    return rights
