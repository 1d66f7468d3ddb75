"""Hierarchy tables (MS-OXCFOLD 2.2.1.13, 3.2.5.13)."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Folder
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.table import Table, encode_row
from mapigw.emsmdb.table_notification import RowChange, RowKey, TableWatch
from mapigw.emsmdb.values import Reader
from mapigw.mailbox.events import Event, Kind
from mapigw.mailbox.folder_properties import FolderReader, folder_reader
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.permissions import Rights, permission_lists
from mapigw.store.folders import Folder as FolderRow
from mapigw.store.folders import select_deleted_folders
from mapigw.store.text import collation_key
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.restrictions import Restriction

DEPTH: Final = 0x04
NO_NOTIFICATIONS: Final = 0x10
SOFT_DELETES: Final = 0x20
USE_UNICODE: Final = 0x40
SUPPRESSES_NOTIFICATIONS: Final = 0x80
# Depth, DeferredErrors, NoNotifications, SoftDeletes, UseUnicode, SuppressesNotifications
FLAGS: Final = 0xFC


class HierarchyTable(Table):
    """The subfolders of a folder."""

    rops = frozenset({"Restrict", "FindRow", "Abort", "CreateBookmark", "SeekRowBookmark", "FreeBookmark"})
    batch = 4096  # all folders are read anyway
    default_columns: ClassVar[tuple[int, ...]] = (
        tags.PidTagDisplayName,
        tags.PidTagFolderId,
        tags.PidTagParentFolderId,
        tags.PidTagFolderType,
        tags.PidTagContentCount,
        tags.PidTagContentUnreadCount,
        tags.PidTagSubfolders,
        tags.PidTagDepth,
    )

    def __init__(self, owner: Folder, flags: int) -> None:
        """``flags`` are TableFlags of the request."""
        super().__init__(owner, (), want_unicode=bool(flags & USE_UNICODE))
        self._owner = owner
        self._flags = flags
        self._is_deleted = bool(flags & SOFT_DELETES)
        self._depths: Mapping[int, int] = {}
        """Of each folder, in order, how far below the owner it is; 1 for a child."""
        self._restriction: Restriction | None = None

    async def list_rows(self) -> None:
        """List all folders that it shows."""
        self._depths = await _listed(self._owner, self._flags)
        self.keys = self._all_keys = list(self._depths)

    async def restrict(self, restriction: Restriction | None) -> None:
        self._restriction = restriction
        await super().restrict(restriction)

    async def refresh(self) -> None:
        before = self.keys
        await self.list_rows()
        if self._restriction is not None:
            self.keys = await self.kept(self._restriction)
        self.follow(before, self.keys)

    def concerned(self, event: Event) -> Sequence[int] | None:
        if event.message_id or event.kind is Kind.SEARCH_COMPLETE:
            return ()
        inside = event.folder_id in self._depths
        if not inside and event.kind is not Kind.OBJECT_MODIFIED:
            parent_id = event.parent_id
            inside = parent_id == self._owner.folder_id or bool(self._flags & DEPTH and parent_id in self._depths)
        if self._is_deleted:
            return None
        return (event.folder_id,) if inside else ()

    async def update(self, ids: Sequence[int]) -> Sequence[RowChange] | None:
        if self._restriction is not None or self.failed:
            return None
        before = self._depths
        await self.refresh()
        places = {folder_id: place for place, folder_id in enumerate(self.keys)}
        # With a folder come and go those below it.
        moved = [folder_id for folder_id in (before.keys() ^ places.keys()) if folder_id not in ids]
        concerned = [*ids, *moved]
        shown = sorted(places[folder_id] for folder_id in concerned if folder_id in places)
        changes = [
            RowChange(RowKey(folder_id), None, None, False)
            for folder_id in concerned
            if folder_id in before and folder_id not in places
        ]
        reader = Reader(self.logon, want_unicode=True, truncate=self.value_maximum)
        loaded = await self.load([self.keys[place] for place in shown])
        for place, values in zip(shown, loaded, strict=True):
            if values is not None:
                previous = RowKey(self.keys[place - 1]) if place else None
                row = await encode_row(reader, self.columns, values)
                changes.append(RowChange(RowKey(self.keys[place]), previous, row, self.keys[place] not in before))
        return changes

    async def load(self, keys: Sequence[Any]) -> list[Mapping[int, Any] | None]:
        reader = await self._reader()
        lists = await permission_lists(self.logon.mailbox)
        rows = {
            row.folder_id: row
            for row in reader.rows
            if lists.rights(self.logon.accessor, row.folder_id) & Rights.FolderVisible
        }
        return [
            {**reader.properties(rows[key]), tags.PidTagDepth: self._depths[key]} if key in rows else None
            for key in keys
        ]

    async def _reader(self) -> FolderReader:
        mailbox, accessor = self.logon.mailbox, self.logon.accessor
        if not self._is_deleted:
            return await folder_reader(mailbox, accessor)
        rows = [*await mailbox.folders(), *await _deleted_folders(mailbox)]
        lists = await permission_lists(mailbox, (row.folder_id for row in rows))
        return FolderReader(mailbox, rows, rights=lambda folder_id: lists.rights(accessor, folder_id))


async def _deleted_folders(mailbox: Mailbox) -> list[FolderRow]:
    async with mailbox.database.read() as connection:
        return await select_deleted_folders(connection, mailbox.mailbox_id)


@handles("GetHierarchyTable")
async def get_hierarchy_table(call: Call, request: Any) -> dict[str, Any]:
    """2.2.1.13: the subfolders that the user may see, or with Depth all folders below."""
    folder = call.object(Folder)
    flags = request.table_flags
    if flags & ~FLAGS:
        raise RopError(ErrorCode.NotSupported)
    await folder.row()
    await folder.require(Rights.FolderVisible)
    table = HierarchyTable(folder, flags)
    call.open(request, table)
    if not flags & NO_NOTIFICATIONS:
        table.watch = TableWatch(table, suppresses_own=bool(flags & SUPPRESSES_NOTIFICATIONS))
        await folder.logon.listening.add(table.watch)
    await table.list_rows()
    return {"row_count": len(table.keys)}


async def _listed(folder: Folder, flags: int) -> dict[int, int]:
    """The folders of a table, in order, with their depths."""
    mailbox, accessor = folder.logon.mailbox, folder.logon.accessor
    is_deleted = bool(flags & SOFT_DELETES)
    existing = await mailbox.folders()
    deleted = await _deleted_folders(mailbox) if is_deleted else []
    lists = await permission_lists(mailbox, (row.folder_id for row in (*existing, *deleted)))
    listed = {row.folder_id for row in (deleted if is_deleted else existing)}
    children: dict[int, list[FolderRow]] = {}
    for row in (*existing, *deleted):
        children.setdefault(row.parent_id, []).append(row)
    depths: dict[int, int] = {}
    level, depth = children.get(folder.folder_id, []), 1
    while level:
        for row in sorted(level, key=lambda row: collation_key(row.name)):
            if row.folder_id in listed and lists.rights(accessor, row.folder_id) & Rights.FolderVisible:
                depths[row.folder_id] = depth
        level = [child for row in level for child in children.get(row.folder_id, [])] if flags & DEPTH else []
        depth += 1
    return depths
