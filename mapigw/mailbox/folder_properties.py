"""The properties of folders: what is stored, what columns give, and the entry ids of the special folders.

The same values for every way of reading them: RopGetProperties, hierarchy tables and hierarchy synchronization.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Any, Final

from mapigw.mailbox import content
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.permissions import (
    EVERYTHING,
    FREE_BUSY,
    Accessor,
    Rights,
    effective_rights,
    folder_access,
    permission_lists,
)
from mapigw.mailbox.special_folders import (
    ADDITIONAL_REN_ENTRY_IDS,
    ADDITIONAL_REN_ENTRY_IDS_EX,
    ENTRY_ID_PROPERTIES,
)
from mapigw.store import folders
from mapigw.store.folders import Folder, Surroundings
from mapigw.store.mailboxes import SEARCH_FOLDER
from mapigw.wire import tags
from mapigw.wire.entryids import additional_ren_entry_ids_ex, folder_entry_id
from mapigw.wire.primitives import ObjectId
from mapigw.wire.xid import PredecessorChangeList, Xid

OWN_REPLICA: Final = 1  # the ReplId of the mailbox's own replica, in every id it gives out
FOLDER_OBJECT: Final = 3  # PidTagObjectType
FOLDER_FLAG_IPM: Final = 0x1
FOLDER_FLAG_SEARCH: Final = 0x2
FOLDER_FLAG_NORMAL: Final = 0x4
FOLDER_FLAG_RULES: Final = 0x8

# Clients know them from the header files of MAPI; MS-OXPROPS leaves them out.
PidTagDeletedMessageCount: Final = 0x66400003
PidTagDeletedFolderCount: Final = 0x66410003
PidTagDeletedAssociatedMessageCount: Final = 0x66430003

LEADING_FOLDERS: Final = frozenset({"root", "inbox"})
"""Keys of the folders that have the properties that lead to the special ones (MS-OXOSFLD 2.2.3)."""
_ALWAYS_HAVE_SUBFOLDERS: Final = frozenset({"root", "ipm_subtree"})
_LARGEST: Final = 0x7FFFFFFF


def _everything(folder_id: int) -> Rights:
    return EVERYTHING


class FolderReader:
    """Makes folders' property values, for one mailbox at one moment.

    ``rows`` are all folders of the mailbox; or those that are read, those above them and, where the root folder or the
    Inbox is among them, the well-known ones. ``surroundings``, by folder, are what else the properties are made of that
    no synchronization sends. ``rights`` are the reader's on a folder. ``parents`` are those with subfolders, where
    ``rows`` do not tell.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        rows: Collection[Folder],
        surroundings: Mapping[int, Surroundings] = MappingProxyType({}),
        rights: Callable[[int], Rights] = _everything,
        parents: Collection[int] | None = None,
    ) -> None:
        self._mailbox = mailbox
        self.rows = rows
        self._surroundings = surroundings
        self._rights = rights
        self._special_ids = {row.special: row.folder_id for row in rows if row.special}
        self._by_id = {row.folder_id: row for row in rows}
        self._subfolders = Counter((row.parent_id for row in rows) if parents is None else parents)

    def special_id(self, key: str) -> int:
        return self._special_ids[key]

    def entry_id(self, folder_id: int) -> bytes:
        return folder_entry_id(self._mailbox.guid, self._mailbox.replica_guid, folder_id)

    def stored(self, folder: Folder) -> dict[int, Any]:
        """What clients set, and for the special folders what leads to them (MS-OXOSFLD 2.2)."""
        if folder.special not in LEADING_FOLDERS:
            return content.decode_properties(folder.properties, folder.properties_index)
        return self.identification() | content.decode_properties(folder.properties, folder.properties_index)

    def identification(self) -> dict[int, Any]:
        """What leads to the special folders: the same bytes wherever it is read.

        The properties are the Inbox's (MS-OXOSFLD 2.2.4); what a client wrote there wins over what the server fills in.
        """
        inbox = self._by_id[self._special_ids["inbox"]]
        written = content.decode_properties(inbox.properties, inbox.properties_index)
        return self._filled_in() | {tag: value for tag, value in written.items() if tag in IDENTIFICATION_PROPERTIES}

    def _filled_in(self) -> dict[int, Any]:
        ids = self._special_ids
        values: dict[int, Any] = {tag: self.entry_id(ids[key]) for tag, key in ENTRY_ID_PROPERTIES.items()}
        values[tags.PidTagAdditionalRenEntryIds] = [self.entry_id(ids[key]) for key in ADDITIONAL_REN_ENTRY_IDS]
        values[tags.PidTagAdditionalRenEntryIdsEx] = additional_ren_entry_ids_ex(
            {persist_id: self.entry_id(ids[key]) for persist_id, key in ADDITIONAL_REN_ENTRY_IDS_EX.items()}
        )
        values[tags.PidTagFreeBusyEntryIds] = [b"", b"", b"", self.entry_id(ids["freebusy_data"])]
        return values

    def properties(self, folder: Folder) -> dict[int, Any]:
        """Every property of the folder, by tag."""
        mailbox = self._mailbox
        replica = mailbox.replica_guid
        values = self.stored(folder)
        change_key = Xid.gid(replica, folder.change_number)
        parent_id = folder.parent_id or folder.folder_id
        rights = self._rights(folder.folder_id)
        values.update(
            {
                tags.PidTagDisplayName: folder.name,
                tags.PidTagFolderType: folder.folder_type,
                tags.PidTagFolderFlags: self._folder_flags(folder),
                tags.PidTagFolderId: _own_id(folder.folder_id),
                tags.PidTagParentFolderId: _own_id(parent_id),
                tags.PidTagEntryId: self.entry_id(folder.folder_id),
                tags.PidTagParentEntryId: self.entry_id(parent_id),
                tags.PidTagRecordKey: self.entry_id(folder.folder_id),
                tags.PidTagStoreRecordKey: mailbox.guid.bytes_le,
                tags.PidTagObjectType: FOLDER_OBJECT,
                tags.PidTagSourceKey: folder.source_key or Xid.gid(replica, folder.folder_id).build(),
                tags.PidTagParentSourceKey: Xid.gid(replica, parent_id).build() if folder.parent_id else b"",
                tags.PidTagChangeKey: folder.change_key or change_key.build(),
                tags.PidTagPredecessorChangeList: folder.predecessor_change_list
                or PredecessorChangeList([change_key]).build(),
                tags.PidTagChangeNumber: _own_id(folder.change_number),
                tags.PidTagCreationTime: folder.created,
                tags.PidTagLastModificationTime: folder.modified,
                tags.PidTagLocalCommitTime: folder.modified,
                tags.PidTagLocalCommitTimeMax: folder.local_commit_time,
                tags.PidTagContentCount: folder.content_count,
                tags.PidTagContentUnreadCount: folder.content_unread_count,
                tags.PidTagAssociatedContentCount: folder.associated_count,
                tags.PidTagDeletedCountTotal: folder.deleted_count,
                tags.PidTagMessageSize: min(folder.content_size + folder.associated_size, _LARGEST),
                tags.PidTagMessageSizeExtended: folder.content_size + folder.associated_size,
                tags.PidTagSubfolders: self.has_subfolders(folder),
                tags.PidTagAccess: int(folder_access(rights)),
                tags.PidTagAccessLevel: int(bool(rights & Rights.FolderOwner)),
                tags.PidTagRights: int(rights & ~FREE_BUSY),
                tags.PidTagHierarchyChangeNumber: folder.hierarchy_change_number,
            }
        )
        if folder.container_class:
            values[tags.PidTagContainerClass] = folder.container_class
        if folder.deleted is not None:
            values[tags.PidTagDeletedOn] = folder.deleted
        around = self._surroundings.get(folder.folder_id)
        if around is not None:
            values[tags.PidTagHierRev] = folder.hier_rev
            values[tags.PidTagHasRules] = around.has_rules
            values[PidTagDeletedMessageCount] = around.deleted_messages
            values[PidTagDeletedAssociatedMessageCount] = around.deleted_associated
            values[PidTagDeletedFolderCount] = around.deleted_subfolders
        return values

    def _folder_flags(self, folder: Folder) -> int:
        """PidTagFolderFlags (MS-OXCFOLD 2.2.2.2.1.5)."""
        above: Folder | None = folder
        while above is not None and above.special != "ipm_subtree":
            above = self._by_id.get(above.parent_id)
        flags = FOLDER_FLAG_SEARCH if folder.folder_type == SEARCH_FOLDER else FOLDER_FLAG_NORMAL
        if above is not None:
            flags |= FOLDER_FLAG_IPM
        around = self._surroundings.get(folder.folder_id)
        return flags | FOLDER_FLAG_RULES if around is not None and around.has_rules else flags

    def has_subfolders(self, folder: Folder) -> bool:
        around = self._surroundings.get(folder.folder_id)
        count = self._subfolders[folder.folder_id] if around is None else around.subfolders
        return count > 0 or folder.special in _ALWAYS_HAVE_SUBFOLDERS


async def folder_reader(mailbox: Mailbox, accessor: Accessor) -> FolderReader:
    """A reader of all folders as they are now, for somebody: one query, however many there are."""
    async with mailbox.database.read() as connection:
        found = await folders.select_with_surroundings(connection, mailbox.mailbox_id)
    surroundings = {row.folder_id: around for row, around in found}
    rows = [row for row, _around in found]
    if accessor.is_owner:
        return FolderReader(mailbox, rows, surroundings)
    lists = await permission_lists(mailbox, (row.folder_id for row in rows))
    return FolderReader(mailbox, rows, surroundings, lambda folder_id: lists.rights(accessor, folder_id))


async def folder_properties(mailbox: Mailbox, accessor: Accessor, folder_id: int) -> dict[int, Any] | None:
    """Every property of one folder, by tag; None when it does not exist. No other folders than needed are read."""
    mailbox_id = mailbox.mailbox_id
    async with mailbox.database.read() as connection:
        found = await folders.select_with_surroundings(connection, mailbox_id, folder_id)
        if not found:
            return None
        ((folder, around),) = found
        if folder.special in LEADING_FOLDERS:
            rows = await folders.select_special_rows(connection, mailbox_id)
        else:
            rows = await folders.select_ancestors(connection, mailbox_id, folder_id)
    rights = await effective_rights(mailbox, accessor, folder_id)
    values = FolderReader(mailbox, rows, {folder_id: around}, lambda _folder_id: rights).properties(folder)
    if folder.special == "calendar":
        # With it a calendar opened from another mailbox loads, then empties in Outlook (80040803-30141506).
        values.pop(tags.PidTagParentSourceKey, None)
    return values


def _own_id(counter: int) -> int:
    return ObjectId(OWN_REPLICA, counter).to_integer()


IDENTIFICATION_PROPERTIES: Final = frozenset(
    {
        *ENTRY_ID_PROPERTIES,
        tags.PidTagAdditionalRenEntryIds,
        tags.PidTagAdditionalRenEntryIdsEx,
        tags.PidTagFreeBusyEntryIds,
    }
)

IDENTIFICATION_IDS: Final = frozenset(tag >> 16 for tag in IDENTIFICATION_PROPERTIES)
