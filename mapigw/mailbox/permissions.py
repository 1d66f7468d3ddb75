"""Who may do what with a folder and its messages (MS-OXCPERM): one function decides, and everything asks it.

A list of permissions belongs to each folder. Its default and its anonymous entry always exist; while they are not
stored they grant what `DEFAULT_RIGHTS` says, and nothing.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag
from functools import reduce
from operator import or_
from typing import Any, Final
from weakref import WeakKeyDictionary

from mapigw.mailbox.events import changing
from mapigw.mailbox.mailboxes import Mailbox, NotFoundError, folder_change
from mapigw.store import folders, mailboxes, permissions
from mapigw.store.database import Connection, Database
from mapigw.store.permissions import PermissionRow
from mapigw.store.stamp import Kept, Stamp
from mapigw.wire.entryids import address_book_dn
from mapigw.wire.errors import WireError

DEFAULT_MEMBER: Final = 0
ANONYMOUS_MEMBER: Final = -1
RESERVED_MEMBERS: Final = frozenset({DEFAULT_MEMBER, ANONYMOUS_MEMBER})


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


NOTHING: Final = Rights(0)
EVERYTHING: Final = Rights(0x1FFB)
FREE_BUSY: Final = Rights.FreeBusySimple | Rights.FreeBusyDetailed
CREATOR_RIGHTS: Final = EVERYTHING & ~FREE_BUSY & ~Rights.FolderContact

FREE_BUSY_FOLDERS: Final = frozenset({"calendar", "freebusy_data"})
"""Keys of the folders whose lists may hold the two free/busy rights."""

# Delegates find the way to the special folders on the root folder (MS-OXOSFLD 2.2.3), so that everybody may open it.
DEFAULT_RIGHTS: Final = {"root": Rights.FolderVisible, "calendar": Rights.FreeBusySimple}

# What a right is worth nothing without, and clients must set along with it (MS-OXCPERM 2.2.7).
_IMPLIED: Final = (
    (Rights.EditAny, Rights.EditOwned),
    (Rights.DeleteAny, Rights.DeleteOwned),
    (Rights.ReadAny, Rights.FolderVisible),
    (Rights.FolderOwner, Rights.FolderVisible),
    (Rights.FreeBusyDetailed, Rights.FreeBusySimple),
)


class Access(IntFlag):
    """PidTagAccess (MS-OXCPRPT 2.2.1.1)."""

    Modify = 0x01
    Read = 0x02
    Delete = 0x04
    CreateHierarchy = 0x08
    CreateContents = 0x10
    CreateAssociated = 0x20


class Right(IntEnum):
    """On a mailbox as a whole; each includes those before it."""

    NONE = 0
    READ = 1
    """See all folders and read what is in them."""
    WRITE = 2
    """Do everything with the mailbox but give rights, and send as it."""
    MANAGE = 3
    """Also give others permissions on its folders."""


READER_RIGHTS: Final = Rights.ReadAny | Rights.FolderVisible | FREE_BUSY
"""What `Right.READ` is on each folder."""


@dataclass(frozen=True, slots=True)
class Accessor:
    """Who asks. ``names`` are lower-case legacy DNs: the user's own, and those of every group the user is in."""

    names: frozenset[str]
    is_owner: bool
    """True for the mailbox's owner, for an administrative logon, and with WRITE or more: nothing is refused."""
    right: Right = Right.NONE
    """What somebody who is neither owner nor administrator was granted on the whole mailbox."""


@dataclass(frozen=True, slots=True)
class PermissionLists:
    """The permissions on all folders of a mailbox at one moment."""

    specials: Mapping[int, str]
    """Every folder's key, "" for most."""
    members: Mapping[int, Mapping[str, Rights]]
    """By folder: the rights of users and groups, with what they imply, by legacy DN."""
    defaults: Mapping[int, Rights]
    """By folder: the default entries that are stored, with what they imply."""

    def rights(self, accessor: Accessor, folder_id: int) -> Rights:
        """Those of the user and of the user's groups together; the default ones where no entry names any of them.

        A right on the whole mailbox adds to them.
        """
        if accessor.is_owner:
            return EVERYTHING
        granted = READER_RIGHTS if accessor.right else NOTHING
        return granted | self.listed_rights(accessor.names, folder_id)

    def listed_rights(self, names: frozenset[str], folder_id: int) -> Rights:
        """What the list of a folder alone gives to these names together."""
        members = self.members.get(folder_id, {})
        named = names & members.keys()
        if not named:
            default = self.defaults.get(folder_id)
            return self._initial(folder_id) if default is None else default
        return reduce(or_, (members[name] for name in named))

    def grant_anything(self, accessor: Accessor) -> bool:
        """Whether there is a folder on which somebody has more than what everybody has from the beginning."""
        if accessor.is_owner or accessor.right:
            return True
        if any(
            rights for members in self.members.values() for name, rights in members.items() if name in accessor.names
        ):
            return True
        return any(rights & ~FREE_BUSY & ~self._initial(folder_id) for folder_id, rights in self.defaults.items())

    def _initial(self, folder_id: int) -> Rights:
        return DEFAULT_RIGHTS.get(self.specials.get(folder_id, ""), NOTHING)


def _with_implied(stored: int) -> Rights:
    rights = Rights(stored)
    for right, implied in _IMPLIED:
        if rights & right:
            rights |= implied
    return rights


_lists: Final[WeakKeyDictionary[Mailbox, Kept[PermissionLists]]] = WeakKeyDictionary()


def _stamp(mailbox: Mailbox) -> Stamp:
    return Stamp(mailbox.database.data, "permissions")


async def permission_lists(mailbox: Mailbox, folder_ids: Iterable[int] = ()) -> PermissionLists:
    """The permissions on all folders, as fresh as the last finished change of any process.

    Making a folder is not announced: ``folder_ids`` are folders that are known to exist and must not be missing.
    """
    kept = _kept(mailbox)
    lists = await kept.get()
    return lists if all(folder_id in lists.specials for folder_id in folder_ids) else await kept.read_anew()


def _kept(mailbox: Mailbox) -> Kept[PermissionLists]:
    kept = _lists.get(mailbox)
    if kept is None:
        kept = _lists[mailbox] = Kept(_stamp(mailbox), _loader(mailbox.database, mailbox.mailbox_id))
    return kept


def _loader(database: Database, mailbox_id: int) -> Callable[[], Awaitable[PermissionLists]]:
    async def load() -> PermissionLists:
        async with database.snapshot() as connection:
            specials = await permissions.select_specials(connection, mailbox_id)
            rows = await permissions.select_all_permissions(connection, mailbox_id)
        members: dict[int, dict[str, Rights]] = {}
        defaults: dict[int, Rights] = {}
        for folder_id, row in rows:
            if row.legacy_dn:
                members.setdefault(folder_id, {})[row.legacy_dn] = _with_implied(row.rights)
            elif row.member_id == DEFAULT_MEMBER:
                defaults[folder_id] = _with_implied(row.rights)
        return PermissionLists(specials, members, defaults)

    return load


async def effective_rights(mailbox: Mailbox, accessor: Accessor, folder_id: int) -> Rights:
    """What somebody may do with an existing folder. The owner's answer needs no query, nor usually anybody's."""
    if accessor.is_owner:
        return EVERYTHING
    return (await permission_lists(mailbox, (folder_id,))).rights(accessor, folder_id)


async def may_give_permissions(mailbox: Mailbox, accessor: Accessor, folder_id: int) -> bool:
    """Whether somebody may change the list of a folder: its owner by the list, and who may do so with all folders."""
    if accessor.is_owner and accessor.right is not Right.WRITE:
        return True
    lists = await permission_lists(mailbox, (folder_id,))
    return bool(lists.listed_rights(accessor.names, folder_id) & Rights.FolderOwner)


def folder_access(rights: Rights) -> Access:
    """PidTagAccess of a folder."""
    access = Access(0)
    if rights & Rights.FolderVisible:
        access |= Access.Read
    if rights & Rights.FolderOwner:
        access |= Access.Modify | Access.Delete
    if rights & Rights.CreateSubFolder:
        access |= Access.CreateHierarchy
    if rights & Rights.Create:
        access |= Access.CreateContents | Access.CreateAssociated
    return access


def message_access(rights: Rights, *, is_creator: bool) -> Access:
    """PidTagAccess of a message in a folder with these rights; of a new message, as of its creator's."""
    access = Access(0)
    if is_creator or rights & Rights.ReadAny:
        access |= Access.Read
    if rights & (Rights.EditOwned if is_creator else Rights.EditAny):
        access |= Access.Modify
    if rights & (Rights.DeleteOwned if is_creator else Rights.DeleteAny):
        access |= Access.Delete
    return access


def is_creator(accessor: Accessor, creator_entry_id: Any) -> bool:
    """Whether PidTagCreatorEntryId of a message, None where it has none, names who asks."""
    return isinstance(creator_entry_id, bytes) and (_dn_of(creator_entry_id) or "") in accessor.names


def _dn_of(entry_id: bytes) -> str | None:
    try:
        return address_book_dn(entry_id).lower()
    except WireError:
        return None


# Lists as clients see and change them


class ChangeKind(Enum):
    """PermissionDataFlags (MS-OXCPERM 2.2.2.1.1)."""

    ADD = 0x01
    MODIFY = 0x02
    REMOVE = 0x04


@dataclass(frozen=True, slots=True)
class PermissionChange:
    """An entry to add has a ``legacy_dn`` (lower case), or the id of one of the two reserved members."""

    kind: ChangeKind
    member_id: int | None = None
    legacy_dn: str = ""
    rights: Rights = NOTHING


async def folder_permissions(mailbox: Mailbox, folder_id: int) -> list[PermissionRow]:
    """A folder's list: the default entry, the anonymous one, then users and groups in the order they came."""
    async with mailbox.database.read() as connection:
        folder = await folders.select_folder(connection, mailbox.mailbox_id, folder_id)
        rows = await permissions.select_permissions(connection, mailbox.mailbox_id, folder_id)
    return _complete(rows, folder.special if folder is not None else "")


def _complete(rows: Sequence[PermissionRow], special: str) -> list[PermissionRow]:
    stored = {row.member_id: row for row in rows}
    reserved = {
        DEFAULT_MEMBER: PermissionRow(DEFAULT_MEMBER, "", DEFAULT_RIGHTS.get(special, NOTHING)),
        ANONYMOUS_MEMBER: PermissionRow(ANONYMOUS_MEMBER, "", NOTHING),
    }
    return list((reserved | stored).values())


async def is_known_member(mailbox: Mailbox, legacy_dn: str) -> bool:
    """Whether a folder of the mailbox grants something to this name, which the directory may have forgotten."""
    async with mailbox.database.read() as connection:
        return await permissions.is_granted(connection, mailbox.mailbox_id, legacy_dn)


async def modify_permissions(
    mailbox: Mailbox, folder_id: int, changes: Iterable[PermissionChange], *, replace: bool, include_free_busy: bool
) -> None:
    """Apply changes to a folder's list in one transaction (MS-OXCPERM 3.2.5.2). The folder is changed by it.

    With ``replace`` nothing but the default entry stays of the list. Without ``include_free_busy`` the free/busy
    rights in ``changes`` do not count. Raises `NotFoundError`.
    """
    async with _stamp(mailbox).changing(), changing(mailbox) as connection:
        mailbox_id = mailbox.mailbox_id
        folder = await folders.select_folder(connection, mailbox_id, folder_id)
        if folder is None:
            raise NotFoundError("the folder does not exist")
        stored = await permissions.select_permissions(connection, mailbox_id, folder_id)
        listed = _List(_complete(stored, folder.special), folder.special, include_free_busy)
        if replace:
            listed.clear()
        for change in changes:
            await listed.apply(change, connection, mailbox_id)
        await permissions.replace_permissions(connection, mailbox_id, folder_id, list(listed.rows.values()))
        await folders.update_folder(
            connection,
            mailbox_id,
            folder_id,
            **await folder_change(connection, mailbox, folder),
        )


class _List:
    def __init__(self, rows: Iterable[PermissionRow], special: str, include_free_busy: bool) -> None:
        self.rows = {row.member_id: row for row in rows}
        self._special = special
        self._include_free_busy = include_free_busy

    def clear(self) -> None:
        """Remove all but the default entry; an anonymous one without rights is always there."""
        self.rows = {
            DEFAULT_MEMBER: self.rows[DEFAULT_MEMBER],
            ANONYMOUS_MEMBER: PermissionRow(ANONYMOUS_MEMBER, "", NOTHING),
        }

    async def apply(self, change: PermissionChange, connection: Connection, mailbox_id: int) -> None:
        """A change or removal of somebody who is not in the list is ignored (MS-OXCPERM 3.2.5.2)."""
        row = self._row(change)
        if change.kind is ChangeKind.REMOVE:
            if row is not None and row.member_id in RESERVED_MEMBERS:
                self.rows[row.member_id] = row._replace(rights=NOTHING)
            elif row is not None:
                del self.rows[row.member_id]
        elif row is not None:
            self.rows[row.member_id] = row._replace(rights=self._stored(change.rights, row))
        elif change.kind is ChangeKind.ADD:
            member_id = await mailboxes.allocate(connection, mailbox_id)  # a number that no member ever had
            new = PermissionRow(member_id, change.legacy_dn, NOTHING)
            self.rows[member_id] = new._replace(rights=self._stored(change.rights, None))

    def _row(self, change: PermissionChange) -> PermissionRow | None:
        if change.member_id is not None:
            return self.rows.get(change.member_id)
        return next((row for row in self.rows.values() if row.legacy_dn == change.legacy_dn), None)

    def _stored(self, wanted: Rights, row: PermissionRow | None) -> Rights:
        """The rights to store for ``wanted``: free/busy rights are what the client says, or what they were.

        Until it says something, they follow from the others (MS-OXCPERM section 6, note 5).
        """
        rights = wanted & EVERYTHING & ~FREE_BUSY
        if self._special not in FREE_BUSY_FOLDERS:
            return rights
        if self._include_free_busy:
            return rights | wanted & FREE_BUSY
        if row is not None and Rights(row.rights) & FREE_BUSY != self._initial_free_busy(row.member_id, row.rights):
            return rights | row.rights & FREE_BUSY
        return rights | self._initial_free_busy(row.member_id if row is not None else None, rights)

    def _initial_free_busy(self, member_id: int | None, rights: int) -> Rights:
        if self._special != "calendar" or member_id == ANONYMOUS_MEMBER:
            return NOTHING
        return FREE_BUSY if rights & Rights.ReadAny else Rights.FreeBusySimple


async def inherit_permissions(
    connection: Connection, mailbox_id: int, source_id: int, folder_id: int, creator: str | None = None
) -> None:
    """Give a new folder the permissions of its parent, or of the folder it is a copy of, in the transaction that makes
    it.

    ``creator`` is the legacy DN of who makes it where that is not the mailbox's owner: it becomes the folder's owner,
    as otherwise it could not set the new folder's properties.
    """
    rows = [
        row._replace(rights=row.rights & ~FREE_BUSY)
        for row in await permissions.select_permissions(connection, mailbox_id, source_id)
    ]
    if creator is not None:
        rows = [row for row in rows if row.legacy_dn != creator.lower()]
        rows.append(PermissionRow(await mailboxes.allocate(connection, mailbox_id), creator.lower(), CREATOR_RIGHTS))
    await permissions.replace_permissions(connection, mailbox_id, folder_id, rows)
