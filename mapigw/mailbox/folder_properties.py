"""The properties of folders: what is stored, what columns give, and the entry ids of the special folders.

The same values for every way of reading them: RopGetProperties, hierarchy tables and hierarchy synchronization.
"""

from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from typing import Any, Final

from mapigw.mailbox import content
from mapigw.mailbox.mailboxes import FolderExistsError, Mailbox
from mapigw.mailbox.special_folders import (
    ADDITIONAL_REN_ENTRY_IDS,
    ADDITIONAL_REN_ENTRY_IDS_EX,
    ENTRY_ID_PROPERTIES,
)
from mapigw.store.folders import Folder
from mapigw.wire import tags
from mapigw.wire.entryids import additional_ren_entry_ids_ex, folder_entry_id
from mapigw.wire.primitives import ObjectId
from mapigw.wire.xid import PredecessorChangeList, Xid

OWN_REPLICA: Final = 1  # the ReplId of the mailbox's own replica, in every id it gives out
OWNER_RIGHTS: Final = 0x7FB  # MS-OXCPERM 2.2.7: all member rights, as Exchange answers for an owner
SEARCH_FOLDER: Final = 2  # PidTagFolderType
FOLDER_FLAG_IPM: Final = 0x1
FOLDER_FLAG_SEARCH: Final = 0x2
FOLDER_FLAG_NORMAL: Final = 0x4
OWNER_ACCESS: Final = 0x3F  # MS-OXCPRPT 2.2.1.1: all of its bits
_ALWAYS_HAVE_SUBFOLDERS: Final = frozenset({"root", "ipm_subtree"})


class FolderWriteError(Enum):
    """Why a folder's property could not be set."""

    COMPUTED = "computed by the server"
    DENIED = "a special folder keeps its name"
    NAME_TAKEN = "a sibling has the name"
    EMPTY_NAME = "a folder has a name"
    WRONG_TYPE = "the property has another type"


class FolderReader:
    """Makes folders' property values, for one mailbox at one moment.

    ``rows`` are all folders of the mailbox.
    """

    def __init__(self, mailbox: Mailbox, rows: Collection[Folder]) -> None:
        self._mailbox = mailbox
        self.rows = rows
        self._special_ids = {row.special: row.folder_id for row in rows if row.special}
        self._with_children = {row.parent_id for row in rows}
        self._by_id = {row.folder_id: row for row in rows}
        self.inbox = next(row for row in rows if row.special == "inbox")

    def entry_id(self, folder_id: int) -> bytes:
        return folder_entry_id(self._mailbox.guid, self._mailbox.replica_guid, folder_id)

    def stored(self, folder: Folder) -> dict[int, Any]:
        """What clients set, and for the special folders what leads to them (MS-OXOSFLD 2.2)."""
        if folder.special not in {"root", "inbox"}:
            return content.decode_properties(folder.properties, folder.properties_index)
        return self.identification() | content.decode_properties(folder.properties, folder.properties_index)

    def identification(self) -> dict[int, Any]:
        """What leads to the special folders: the same bytes wherever it is read.

        The properties are the Inbox's (MS-OXOSFLD 2.2.4); what a client wrote there wins over what the server fills in.
        """
        written = content.decode_properties(self.inbox.properties, self.inbox.properties_index)
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
                tags.PidTagObjectType: 3,
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

    def _folder_flags(self, folder: Folder) -> int:
        """PidTagFolderFlags (MS-OXCFOLD 2.2.2.2.1.5)."""
        above: Folder | None = folder
        while above is not None and above.special != "ipm_subtree":
            above = self._by_id.get(above.parent_id)
        flags = FOLDER_FLAG_SEARCH if folder.folder_type == SEARCH_FOLDER else FOLDER_FLAG_NORMAL
        return flags if above is None else flags | FOLDER_FLAG_IPM

    def has_subfolders(self, folder: Folder) -> bool:
        return folder.folder_id in self._with_children or folder.special in _ALWAYS_HAVE_SUBFOLDERS


async def folder_reader(mailbox: Mailbox) -> FolderReader:
    """A reader of the mailbox as it is now."""
    return FolderReader(mailbox, await mailbox.folders())


async def write_folder_properties(
    mailbox: Mailbox, folder: Folder, values: Mapping[int, Any]
) -> list[tuple[int, FolderWriteError]]:
    """Set what can be set on a folder; returns the tags that could not be, with why (MS-OXCFOLD 2.2.2.2).

    Identification properties of the root folder are the Inbox's (MS-OXOSFLD 2.2.4).
    """
    problems: list[tuple[int, FolderWriteError]] = []
    own: dict[int, Any] = {}
    inbox: dict[int, Any] = {}
    for tag, value in values.items():
        if tag >> 16 in _READ_ONLY_IDS:
            problems.append((tag, FolderWriteError.COMPUTED))
        elif _TYPED_TAGS.get(tag >> 16, tag) != tag:
            problems.append((tag, FolderWriteError.WRONG_TYPE))
        elif tag == tags.PidTagDisplayName and folder.special and value != folder.name:
            problems.append((tag, FolderWriteError.DENIED))
        elif tag == tags.PidTagDisplayName and not value:
            problems.append((tag, FolderWriteError.EMPTY_NAME))
        elif tag in IDENTIFICATION_PROPERTIES and folder.special in {"root", "inbox"}:
            inbox[tag] = value
        else:
            own[tag] = value
    if tags.PidTagAdditionalRenEntryIds in inbox:
        reader = await folder_reader(mailbox)
        known = reader.stored(reader.inbox)[tags.PidTagAdditionalRenEntryIds]
        inbox[tags.PidTagAdditionalRenEntryIds] = merged(known, inbox[tags.PidTagAdditionalRenEntryIds])
    if inbox:
        target = folder if folder.special == "inbox" else await mailbox.special_folder("inbox")
        await mailbox.set_folder_properties(target.folder_id, inbox)
    if own:
        try:
            await mailbox.set_folder_properties(folder.folder_id, own)
        except FolderExistsError:
            problems.append((tags.PidTagDisplayName, FolderWriteError.NAME_TAKEN))
            del own[tags.PidTagDisplayName]
            if own:
                await mailbox.set_folder_properties(folder.folder_id, own)
    return problems


def merged(known: Sequence[bytes], written: Sequence[bytes]) -> list[bytes]:
    """PidTagAdditionalRenEntryIds after a client wrote it: Outlook leaves slots empty and stops after the fourth.

    What it leaves out stays, else the Junk E-mail folder is lost.
    """
    length = max(len(known), len(written))
    return [
        (written[slot] if slot < len(written) else b"") or (known[slot] if slot < len(known) else b"")
        for slot in range(length)
    ]


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

# What has a meaning for the server is refused under another type.
_TYPED_TAGS: Final = {
    tag >> 16: tag for tag in (*IDENTIFICATION_PROPERTIES, tags.PidTagDisplayName, tags.PidTagContainerClass)
}

_READ_ONLY_IDS: Final = frozenset(
    tag >> 16
    for tag in (
        tags.PidTagFolderType,
        tags.PidTagFolderFlags,
        tags.PidTagFolderId,
        tags.PidTagParentFolderId,
        tags.PidTagEntryId,
        tags.PidTagParentEntryId,
        tags.PidTagRecordKey,
        tags.PidTagStoreRecordKey,
        tags.PidTagObjectType,
        tags.PidTagSourceKey,
        tags.PidTagParentSourceKey,
        tags.PidTagChangeKey,
        tags.PidTagPredecessorChangeList,
        tags.PidTagChangeNumber,
        tags.PidTagCreationTime,
        tags.PidTagLastModificationTime,
        tags.PidTagLocalCommitTime,
        tags.PidTagLocalCommitTimeMax,
        tags.PidTagContentCount,
        tags.PidTagContentUnreadCount,
        tags.PidTagAssociatedContentCount,
        tags.PidTagDeletedCountTotal,
        tags.PidTagMessageSize,
        tags.PidTagMessageSizeExtended,
        tags.PidTagSubfolders,
        tags.PidTagAccess,
        tags.PidTagAccessLevel,
        tags.PidTagRights,
        tags.PidTagHierarchyChangeNumber,
    )
)
