"""Cached-mode devices: what a client keeps of a mailbox, changes offline and brings together with the server.

A device behaves as MS-OXCFXICS 3.3 says that a client does: what it has changed it uploads, moves before edits; what it
downloads replaces what it has when it is newer, is ignored when it is older, and stands beside it when neither includes
the other. It writes nothing down before the server has answered, so that it may be stopped after any request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId
from mapigw.wire.xid import PredecessorChangeList, Xid
from tests.emsmdb.client import Client
from tests.emsmdb.messages import create_attachment, modify_recipients, save_attachment, smtp
from tests.emsmdb.replica import Change, Delta, FolderGoneError, Replica

READ: Final = 1
ASSOCIATED: Final = 0x10
HIERARCHY: Final = 0x01
COMMENT: Final = tags.PidTagComment
HEADER: Final = frozenset(
    {
        tags.PidTagSourceKey,
        tags.PidTagLastModificationTime,
        tags.PidTagChangeKey,
        tags.PidTagPredecessorChangeList,
        tags.PidTagAssociated,
        tags.PidTagMid,
        tags.PidTagChangeNumber,
        tags.PidTagMessageFlags,
    }
)
FILE_VALUES: Final = {tags.PidTagAttachMethod: 1, tags.PidTagRenderingPosition: -1}


def _short(xid: Xid) -> str:
    return f"{xid.namespace_guid.hex[:4]}:{xid.counter}"


@dataclass(frozen=True, repr=False)
class Version:
    """One version of a message. ``values`` are its properties but for those of the header."""

    values: Mapping[int, Any]
    names: tuple[str, ...]
    """Of the recipients."""
    files: tuple[bytes, ...]
    change_key: Xid
    predecessors: PredecessorChangeList
    modified: int
    whole: bool = False
    """It was downloaded: no property is missing."""

    def __repr__(self) -> str:
        return f"{self.stamp} ({_short(self.change_key)} of {sorted(map(_short, self.predecessors))})"

    @classmethod
    def of(cls, change: Change) -> Version:
        return cls(
            {tag: value for tag, value in change.values.items() if tag not in HEADER},
            tuple(item[tags.PidTagDisplayName] for item in change.recipients),
            tuple(item[tags.PidTagAttachDataBinary] for item in change.attachments),
            Xid.parse(change.values[tags.PidTagChangeKey]),
            PredecessorChangeList.parse(change.values[tags.PidTagPredecessorChangeList]),
            change.values[tags.PidTagLastModificationTime],
            whole=True,
        )

    @property
    def stamp(self) -> str:
        """What no other version has."""
        stamp: str = self.values[tags.PidTagSubject]
        return stamp


@dataclass(eq=False)
class Item:
    """A message as a device has it; more than one version is a conflict."""

    key: int
    is_associated: bool
    versions: list[Version]
    read: bool
    new: bool = False
    """The server has not said that it has it."""
    sent: bool = False
    """It may have it all the same."""
    origin: tuple[int, int] | None = None
    """(folder, id) that it has on the server, which was not told of its move."""
    dirty: bool = False
    read_dirty: bool = False

    @property
    def predecessors(self) -> PredecessorChangeList:
        result = PredecessorChangeList()
        for version in self.versions:
            result = result.merge(version.predecessors)
        return result

    def take(self, incoming: Version) -> None:
        """3.1.5.6.1"""
        if any(version.predecessors.includes(incoming.predecessors) for version in self.versions):
            return
        before = len(self.versions)
        self.versions = [item for item in self.versions if not incoming.predecessors.includes(item.predecessors)]
        self.dirty &= len(self.versions) == before
        self.versions.append(incoming)


@dataclass(eq=False)
class Place:
    """A folder as a device has it."""

    key: int
    parent: int
    name: str
    comment: str
    change_key: Xid
    predecessors: PredecessorChangeList
    modified: int
    new: bool = False
    dirty: bool = False
    sent: bool = False
    """Of a new one: the server may have it."""
    known_parent: int = 0
    """As the server has it; 0 of a new folder."""
    items: dict[int, Item] = field(default_factory=dict)
    deletes: set[int] = field(default_factory=set)
    """Messages that the server was not told the deletion of."""


class Device:
    """One client with its replica. ``contents`` are the special folders whose contents it has."""

    def __init__(
        self, name: str, client: Client, guid: UUID, replica_guid: UUID, root: int, contents: set[int]
    ) -> None:
        self.name = name
        self.replica = Replica(client, guid, replica_guid)
        self.root = root
        self.contents = contents
        self.special: set[int] = set()
        """Folders that were there from the beginning."""
        self.places: dict[int, Place] = {}
        self.folder_deletes: set[int] = set()

    async def set_up(self) -> None:
        await self.replica.new_key()
        await self.sync()
        self.special = set(self.places)

    # What a user does, online or not

    @property
    def open_places(self) -> list[Place]:
        """Folders whose contents the device has."""
        return [place for key, place in self.places.items() if key in self.contents or key not in self.special]

    def all_items(self) -> Iterator[tuple[Place, Item]]:
        for place in self.open_places:
            for item in place.items.values():
                yield place, item

    def local_key(self) -> int:
        """An id that needs no request."""
        key: int = self.replica.take_id()
        return key

    def create(
        self,
        place: Place,
        values: Mapping[int, Any],
        names: tuple[str, ...],
        files: tuple[bytes, ...],
        *,
        fai: bool,
        at: int,
    ) -> Item:
        change = self.replica.next_change()
        version = Version(values, names, files, change, PredecessorChangeList([change]), at)
        item = Item(self.local_key(), fai, [version], read=True, new=True, dirty=True)
        place.items[item.key] = item
        return item

    def edit(
        self, item: Item, values: Mapping[int, Any], names: tuple[str, ...], files: tuple[bytes, ...], at: int
    ) -> None:
        """Change a message, which resolves a conflict."""
        change = self.replica.next_change()
        kept = {**item.versions[0].values, **values}
        item.versions = [Version(kept, names, files, change, item.predecessors.with_change(change), at)]
        item.dirty = True

    def move(self, place: Place, item: Item, target: Place) -> None:
        del place.items[item.key]
        if (item.sent or not item.new) and item.origin is None:
            item.origin = place.key, item.key
        item.key = self.local_key()
        target.items[item.key] = item

    def delete(self, place: Place, item: Item) -> None:
        del place.items[item.key]
        if item.sent or not item.new:
            self._forget(place.key, item)

    def _forget(self, place_key: int, item: Item) -> None:
        folder, key = item.origin or (place_key, item.key)
        if folder in self.places:
            self.places[folder].deletes.add(key)

    def mark(self, item: Item, *, read: bool) -> None:
        item.read, item.read_dirty = read, True

    def create_folder(self, parent: int, name: str, at: int) -> Place:
        change = self.replica.next_change()
        place = Place(self.local_key(), parent, name, "", change, PredecessorChangeList([change]), at, True, True)
        self.places[place.key] = place
        return place

    def change_folder(self, place: Place, at: int, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(place, name, value)
        place.change_key = self.replica.next_change()
        place.predecessors = place.predecessors.with_change(place.change_key)
        place.modified, place.dirty = at, True

    def below(self, key: int) -> list[int]:
        """The folder and those below it, parents first."""
        found = [key]
        for parent in found:
            found += [place.key for place in self.places.values() if place.parent == parent]
        return found

    def delete_folder(self, key: int) -> None:
        doomed = self.below(key)
        for inner in reversed(doomed):
            place = self.places.pop(inner)
            for item in place.items.values():
                if item.origin is not None and item.origin[0] not in doomed:
                    self._forget(inner, item)
            if place.sent or not place.new:
                self.folder_deletes.add(inner)
            self.replica.states.pop(inner, None)

    # Synchronization

    async def sync(self) -> None:
        await self._upload_hierarchy()
        for place in self.open_places:
            if place.key in self.places:
                await self._upload_contents(place)
        await self._upload_folder_deletes()
        await self._download_hierarchy()
        for place in self.open_places:
            await self._download_contents(place)

    async def _release(self) -> None:
        client = self.replica.client
        await client.send(*(client.request("Release", slot) for slot in range(1, len(client.handles))))
        del client.handles[1:]

    async def _upload_hierarchy(self) -> None:
        dirty = [key for key in self.below(self.root)[1:] if self.places[key].dirty]
        if not dirty:
            return
        replica = self.replica
        collector = await replica.collector(self.root, contents=False)
        for key in dirty:
            place = self.places.get(key)
            if place is None:
                continue
            place.sent = True
            parent = b"" if place.parent == self.root else Xid.gid(replica.replica_guid, place.parent).build()
            values = replica.import_values(
                Xid.gid(replica.replica_guid, key), place.modified, place.change_key, place.predecessors
            )
            code = await self._code(
                "SynchronizationImportHierarchyChange",
                collector,
                hierarchy_values=[(tags.PidTagParentSourceKey, parent), *values, (tags.PidTagDisplayName, place.name)],
                property_values=[(COMMENT, place.comment)],
            )
            if code == ErrorCode.SyncObjectDeleted:
                # What was below it may be elsewhere by now, which only the download tells (3.3.4.3.3.1.1).
                if place.new:
                    self._drop_folder(key)
                place.dirty = False
                continue
            assert code in {0, ErrorCode.IgnoreFailure}, hex(code)
            place.dirty = place.new = False
            place.known_parent = place.parent
            replica.given(self.root, key)
        await replica.keep_state(collector, self.root)
        await self._release()

    async def _code(self, name: str, slot: int, **fields: Any) -> int:
        client = self.replica.client
        (answer,) = await client.send(client.request(name, slot, **fields))
        return answer.return_value

    def _drop_folder(self, key: int) -> None:
        """The server has a folder no more. What was moved into it, of which the server was not told, goes back."""
        doomed = self.below(key)
        for inner in doomed[1:]:
            place = self.places[inner]
            if place.known_parent and place.known_parent not in doomed:
                place.parent = place.known_parent
        for inner in reversed(self.below(key)):
            dropped = self.places.pop(inner, None)
            self.replica.states.pop(inner, None)
            for item in dropped.items.values() if dropped is not None else ():
                self._move_back(item)

    def _move_back(self, item: Item) -> None:
        if item.origin is not None and item.origin[0] in self.places:
            (folder, item.key), item.origin = item.origin, None
            item.dirty = True
            self.places[folder].items[item.key] = item

    async def _upload_contents(self, place: Place) -> None:
        items = [item for item in place.items.values() if item.origin or item.dirty or item.read_dirty]
        if not items and not place.deletes:
            return
        replica = self.replica
        try:
            collector = await replica.collector(place.key)
        except FolderGoneError:
            for item in [item for item in items if item.origin]:
                del place.items[item.key]
                self._move_back(item)
            place.deletes.clear()
            return
        for item in items:
            if item.origin is not None and not await self._upload_move(collector, place, item):
                continue
            if item.dirty:
                await self._upload_change(collector, place, item)
        gone = sorted(place.deletes)
        if gone:
            keys = [Xid.gid(replica.replica_guid, key).build() for key in gone]
            code = await self._code(
                "SynchronizationImportDeletes", collector, import_delete_flags=0, property_values=[(0x00001102, keys)]
            )
            assert not code, hex(code)
            replica.taken(place.key, *gone)
            place.deletes.clear()
        marked = [item for item in items if item.read_dirty and item.key in place.items]
        if marked:
            states = [(Xid.gid(replica.replica_guid, item.key).build(), item.read) for item in marked]
            code = await self._code("SynchronizationImportReadStateChanges", collector, message_read_states=states)
            assert not code, hex(code)
            for item in marked:
                item.read_dirty = False
        await replica.keep_state(collector, place.key)
        await self._release()

    async def _upload_move(self, collector: int, place: Place, item: Item) -> bool:
        """Whether the device still has the message."""
        assert item.origin is not None
        replica = self.replica
        folder, key = item.origin
        if item.new and not await self._repeat(place, item):
            return False
        code = await self._code(
            "SynchronizationImportMessageMove",
            collector,
            source_folder_id=Xid.gid(replica.replica_guid, folder).build(),
            source_message_id=Xid.gid(replica.replica_guid, key).build(),
            predecessor_change_list=item.predecessors.build(),
            destination_message_id=Xid.gid(replica.replica_guid, item.key).build(),
            change_number=item.versions[0].change_key.build(),
        )
        if code == ErrorCode.SyncObjectDeleted:
            del place.items[item.key]
            return False
        assert code in {0, ErrorCode.NewerClientChange}, hex(code)
        item.origin = None
        item.dirty |= code == ErrorCode.NewerClientChange
        replica.given(place.key, item.key)
        replica.taken(folder, key)
        return True

    async def _repeat(self, place: Place, item: Item) -> bool:
        """Upload a message to where it was before it was moved, as it may have been; whether it is there now."""
        assert item.origin is not None
        folder, key = item.origin
        try:
            collector = await self.replica.collector(folder)
        except FolderGoneError:
            del place.items[item.key]
            return False
        await self._upload_change(collector, place, item, key)
        return item.key in place.items

    async def _upload_change(self, collector: int, place: Place, item: Item, key: int = 0) -> None:
        """``key`` is the id that the server knows, where it is not the device's."""
        replica, client = self.replica, self.replica.client
        version = item.versions[0]
        source_key = Xid.gid(replica.replica_guid, key or item.key)
        item.sent = True
        values = replica.import_values(source_key, version.modified, version.change_key, version.predecessors)
        code = await self._code(
            "SynchronizationImportMessageChange",
            collector,
            import_flag=ASSOCIATED if item.is_associated else 0,
            property_values=values,
        )
        if not code:
            message = client.last
            flags = [(tags.PidTagMessageFlags, int(item.read))] if item.new else []
            code = await self._code("SetProperties", message, property_values=[*version.values.items(), *flags])
            assert not code, hex(code)
            if version.names:
                await modify_recipients(client, message, {row: smtp(name) for row, name in enumerate(version.names, 1)})
            for data in version.files:
                slot, _ = await create_attachment(client, message, {**FILE_VALUES, tags.PidTagAttachDataBinary: data})
                await save_attachment(client, slot)
            code = await self._code("SaveChangesMessage", message, input_handle_index=message, save_flags=0x08)
        if code == ErrorCode.SyncObjectDeleted:
            del place.items[item.key]
            return
        assert code in {0, ErrorCode.IgnoreFailure}, hex(code)
        item.dirty = item.new = False
        if not key:
            replica.given(place.key, item.key)
        if not code:
            self.acknowledged(item, version)

    def acknowledged(self, item: Item, version: Version) -> None:
        """The server has a version for good."""

    async def _upload_folder_deletes(self) -> None:
        keys = sorted(self.folder_deletes)
        if not keys:
            return
        replica = self.replica
        collector = await replica.collector(self.root, contents=False)
        code = await self._code(
            "SynchronizationImportDeletes",
            collector,
            import_delete_flags=HIERARCHY,
            property_values=[(0x00001102, [Xid.gid(replica.replica_guid, key).build() for key in keys])],
        )
        assert not code, hex(code)
        self.folder_deletes.clear()
        await self._release()

    async def _download_hierarchy(self) -> None:
        delta = await self.replica.download_hierarchy(self.root)
        for change in delta.changes:
            place = folder_of(change)
            known = self.places.get(place.key)
            if place.key in self.folder_deletes:
                continue
            if known is None:
                self.places[place.key] = place
            elif not known.predecessors.includes(place.predecessors):
                place.items, place.deletes = known.items, known.deletes
                self.places[place.key] = place
        for key in delta.deleted:
            self._drop_folder(key)

    async def _download_contents(self, place: Place) -> None:
        if place.key not in self.places:
            return
        try:
            delta = await self.replica.download(place.key)
        except FolderGoneError:
            return
        del self.replica.client.handles[1:]
        self._apply(place, delta)

    def _apply(self, place: Place, delta: Delta) -> None:
        pending = {item.origin for _place, item in self.all_items()} | {(place.key, key) for key in place.deletes}
        for change in delta.changes:
            key = ObjectId.from_integer(change.values[tags.PidTagMid]).counter
            if (place.key, key) in pending:
                continue
            version, read = Version.of(change), bool(change.values[tags.PidTagMessageFlags] & READ)
            item = place.items.get(key)
            if item is None:
                place.items[key] = Item(key, change.values[tags.PidTagAssociated], [version], read)
            else:
                item.take(version)
                if not item.read_dirty:
                    item.read = read
        for key in delta.deleted:
            place.items.pop(key, None)
        for keys, read in ((delta.read, True), (delta.unread, False)):
            for key in keys:
                if key in place.items and not place.items[key].read_dirty:
                    place.items[key].read = read


def folder_of(change: Change) -> Place:
    values = change.values
    parent = ObjectId.from_integer(values[tags.PidTagParentFolderId]).counter
    return Place(
        ObjectId.from_integer(values[tags.PidTagFolderId]).counter,
        parent,
        values[tags.PidTagDisplayName],
        values.get(COMMENT, ""),
        Xid.parse(values[tags.PidTagChangeKey]),
        PredecessorChangeList.parse(values[tags.PidTagPredecessorChangeList]),
        values[tags.PidTagLastModificationTime],
        known_parent=parent,
    )
