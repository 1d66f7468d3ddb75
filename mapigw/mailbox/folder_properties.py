"""The properties of folders: what is stored, what columns give, and the entry ids of the special folders.

The same values for every way of reading them: RopGetProperties, hierarchy tables and hierarchy synchronization.
"""

from collections.abc import Collection
from typing import Any, Final

from mapigw.mailbox import content
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.special_folders import ADDITIONAL_REN_ENTRY_IDS, ENTRY_ID_PROPERTIES
from mapigw.store.folders import Folder
from mapigw.wire import tags
from mapigw.wire.entryids import folder_entry_id
from mapigw.wire.xid import PredecessorChangeList, Xid

OWNER_RIGHTS: Final = 0x7FB  # MS-OXCPERM 2.2.7: all member rights, as Exchange answers for an owner
OWNER_ACCESS: Final = 0x3F  # MS-OXCPRPT 2.2.1.1: all of its bits
_ALWAYS_HAVE_SUBFOLDERS: Final = frozenset({"root", "ipm_subtree"})


class FolderReader:
    """Makes folders' property values, for one mailbox at one moment.

    ``rows`` are all folders of the mailbox.
    """

    def __init__(self, mailbox: Mailbox, rows: Collection[Folder]) -> None:
        self._mailbox = mailbox
        self._special_ids = {row.special: row.folder_id for row in rows if row.special}
        self._with_children = {row.parent_id for row in rows}
        self._inbox = next(row for row in rows if row.special == "inbox")

    def entry_id(self, folder_id: int) -> bytes:
        return folder_entry_id(self._mailbox.guid, self._mailbox.replica_guid, folder_id)

    def stored(self, folder: Folder) -> dict[int, Any]:
        """What clients set, and for the special folders what leads to them (MS-OXOSFLD 2.2)."""
        if folder.special not in {"root", "inbox"}:
            return content.decode_properties(folder.properties, folder.properties_index)
        # The identification properties are the Inbox's: a client reads and writes them on either (MS-OXOSFLD 2.2.4).
        values = self._identification()
        values.update(content.decode_properties(self._inbox.properties, self._inbox.properties_index))
        if folder.special == "root":
            own = content.decode_properties(folder.properties, folder.properties_index)
            values = {tag: value for tag, value in values.items() if tag in IDENTIFICATION_PROPERTIES} | own
        return values

    def _identification(self) -> dict[int, Any]:
        ids = self._special_ids
        values: dict[int, Any] = {tag: self.entry_id(ids[key]) for tag, key in ENTRY_ID_PROPERTIES.items()}
        values[tags.PidTagAdditionalRenEntryIds] = [self.entry_id(ids[key]) for key in ADDITIONAL_REN_ENTRY_IDS]
        values[tags.PidTagFreeBusyEntryIds] = [b"", b"", b"", self.entry_id(ids["freebusy_data"])]
        return values

    def properties(self, folder: Folder) -> dict[int, Any]:
        """Every property of the folder, by tag."""
        mailbox = self._mailbox
        replica = mailbox.replica_guid
        values = self.stored(folder)
        change_key = Xid.gid(replica, folder.change_number)
        parent_id = folder.parent_id or folder.folder_id
        values.update(
            {
                tags.PidTagDisplayName: folder.name,
                tags.PidTagFolderType: folder.folder_type,
                tags.PidTagFolderId: object_id_value(folder.folder_id),
                tags.PidTagParentFolderId: object_id_value(parent_id),
                tags.PidTagEntryId: self.entry_id(folder.folder_id),
                tags.PidTagParentEntryId: self.entry_id(parent_id),
                tags.PidTagRecordKey: self.entry_id(folder.folder_id),
                tags.PidTagStoreRecordKey: mailbox.guid.bytes_le,
                tags.PidTagObjectType: 3,
                tags.PidTagSourceKey: folder.source_key or Xid.gid(replica, folder.folder_id).build(),
                tags.PidTagParentSourceKey: Xid.gid(replica, parent_id).build() if folder.parent_id else b"",
                tags.PidTagChangeKey: folder.change_key or change_key.build(),
                tags.PidTagPredecessorChangeList: folder.predecessor_change_list
                or PredecessorChangeList([change_key]).build(),
                tags.PidTagChangeNumber: object_id_value(folder.change_number),
                tags.PidTagCreationTime: folder.created,
                tags.PidTagLastModificationTime: folder.modified,
                tags.PidTagLocalCommitTime: folder.modified,
                tags.PidTagLocalCommitTimeMax: folder.local_commit_time,
                tags.PidTagContentCount: folder.content_count,
                tags.PidTagContentUnreadCount: folder.content_unread_count,
                tags.PidTagAssociatedContentCount: folder.associated_count,
                tags.PidTagDeletedCountTotal: folder.deleted_count,
                tags.PidTagMessageSize: min(folder.content_size + folder.associated_size, 0x7FFFFFFF),
                tags.PidTagMessageSizeExtended: folder.content_size + folder.associated_size,
                tags.PidTagSubfolders: self.has_subfolders(folder),
                tags.PidTagAccess: OWNER_ACCESS,
                tags.PidTagAccessLevel: 1,
                tags.PidTagRights: OWNER_RIGHTS,
                tags.PidTagHierarchyChangeNumber: folder.change_number & 0x7FFFFFFF,
            }
        )
        if folder.container_class:
            values[tags.PidTagContainerClass] = folder.container_class
        return values

    def has_subfolders(self, folder: Folder) -> bool:
        return folder.folder_id in self._with_children or folder.special in _ALWAYS_HAVE_SUBFOLDERS


def object_id_value(counter: int) -> int:
    """A FolderId, MessageId or change number of the mailbox's own replica as a PtypInteger64 (MS-OXCDATA 2.2.1)."""
    return int.from_bytes(b"\1\0" + counter.to_bytes(6, "big"), "little", signed=True)


def counter_of(value: int) -> int:
    """The counter in the PtypInteger64 of an id."""
    return int.from_bytes((value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")[2:], "big")


IDENTIFICATION_PROPERTIES: Final = frozenset(
    {*ENTRY_ID_PROPERTIES, tags.PidTagAdditionalRenEntryIds, tags.PidTagAdditionalRenEntryIdsEx, tags.PidTagFreeBusyEntryIds}
)
