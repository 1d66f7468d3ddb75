"""Mailboxes as the protocols use them: folders, messages, named properties, ids."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from mapigw.mailbox import content
from mapigw.mailbox.clock import now
from mapigw.mailbox.content import BlobValue, Content
from mapigw.mailbox.events import Event, Hub, Kind, Listener, changing, note, touch
from mapigw.mailbox.foreign_changes import watch
from mapigw.mailbox.messages import complete
from mapigw.store import folders, mailboxes, messages
from mapigw.store.blobs import digest_of
from mapigw.store.database import Connection, Database
from mapigw.store.folders import Folder
from mapigw.store.mailboxes import FIRST_NAMED_PROPERTY, LAST_NAMED_PROPERTY, SEARCH_FOLDER, MailboxRow
from mapigw.store.messages import MessageRow, SyncRow
from mapigw.wire.message import Message, Properties
from mapigw.wire.properties import PropertyName
from mapigw.wire.xid import PredecessorChangeList, Xid

GENERIC_FOLDER: Final = 1  # PidTagFolderType (MS-OXCFOLD 2.2.2.2.2.7)
MIME_INLINE_LIMIT: Final = 8192
NAMES_OF_CONTENT: Final = 16_000
"""Named properties that may have ids when a message brings more: the rest of the 32,766 is for clients."""


class MailboxError(Exception):
    """An operation that the mailbox's rules do not allow."""


class FolderExistsError(MailboxError):
    """A sibling has the name already."""


class SearchFolderError(MailboxError):
    """A search folder contains neither messages nor folders of its own."""


class NotFoundError(MailboxError):
    """The folder or mailbox does not exist."""


class NamedPropertiesExhaustedError(MailboxError):
    """All 32,766 property ids of the mailbox are taken."""


@dataclass(slots=True)
class NewMessage:
    """A message for `Mailbox.append`, whose large values may be in the blob store already, as `BlobValue`."""

    message: Message
    mime: bytes | BlobValue | None = None  # kept for exact export
    is_read: bool = False
    is_associated: bool = False


class Mailbox:
    """One mailbox. Nothing but named property ids is cached, because other processes write as well."""

    def __init__(self, database: Database, hub: Hub, row: MailboxRow) -> None:
        self.database = database
        self.hub = hub
        self.mailbox_id = row.mailbox_id
        self.guid: UUID = row.guid
        self.replica_guid: UUID = row.replica_guid
        self._ids: dict[PropertyName, int] = {}
        self._names: dict[int, PropertyName] = {}

    # Folders

    async def folders(self) -> list[Folder]:
        async with self.database.read() as connection:
            return await folders.select_folders(connection, self.mailbox_id)

    async def folder(self, folder_id: int) -> Folder | None:
        async with self.database.read() as connection:
            return await folders.select_folder(connection, self.mailbox_id, folder_id)

    async def special_folder(self, key: str) -> Folder:
        async with self.database.read() as connection:
            return await folders.select_special_folder(connection, self.mailbox_id, key)

    async def children(self, parent_id: int) -> list[Folder]:
        async with self.database.read() as connection:
            return await folders.select_children(connection, self.mailbox_id, parent_id)

    async def child_by_name(self, parent_id: int, name: str) -> Folder | None:
        """The child whose name is the same but for case, as clients compare names."""
        return sibling(await self.children(parent_id), name)

    async def create_folder(self, parent_id: int, name: str, container_class: str = "IPF.Note") -> Folder:
        """Raises what `insert_folder` raises."""
        async with changing(self) as connection:
            folder = await insert_folder(connection, self.mailbox_id, parent_id, name, container_class=container_class)
            note(self, Event(Kind.OBJECT_CREATED, folder.folder_id, parent_id=parent_id))
        return folder

    async def reserve_ids(self, count: int) -> int:
        """Hand out ``count`` local replica ids to a client (MS-OXCFXICS 3.2.5.9.4.7); returns the first counter."""
        async with self.database.write() as connection:
            first = await mailboxes.allocate(connection, self.mailbox_id, count)
            await mailboxes.insert_local_replica_range(connection, self.mailbox_id, first, count)
        return first

    # Named properties

    async def property_ids(self, names: Iterable[PropertyName], *, create: bool) -> Mapping[PropertyName, int]:
        """Ids of the names that have one; with ``create`` the others get theirs.

        Raises `NamedPropertiesExhaustedError`.
        """
        wanted = dict.fromkeys(names)
        if not wanted.keys() <= self._ids.keys():
            await self._refresh_names()
            missing = [name for name in wanted if name not in self._ids]
            if missing and create:
                await self._create_names(missing)
        return MappingProxyType(self._ids)

    async def property_name(self, property_id: int) -> PropertyName | None:
        if property_id not in self._names:
            await self._refresh_names()
        return self._names.get(property_id)

    async def property_names(self) -> Mapping[int, PropertyName]:
        """All named properties of the mailbox, by id."""
        await self._refresh_names()
        return MappingProxyType(self._names)

    async def _refresh_names(self) -> None:
        async with self.database.read() as connection:
            self._learn(
                await mailboxes.select_named_properties(connection, self.mailbox_id, max(self._names, default=0))
            )

    def _learn(self, pairs: Iterable[tuple[int, PropertyName]]) -> None:
        for property_id, name in pairs:
            self._ids[name] = property_id
            self._names[property_id] = name

    async def _create_names(self, names: Sequence[PropertyName]) -> None:
        async with self.database.write() as connection:
            self._learn(
                await mailboxes.select_named_properties(connection, self.mailbox_id, max(self._names, default=0))
            )
            missing = [name for name in dict.fromkeys(names) if name not in self._ids]
            first = max(self._names, default=FIRST_NAMED_PROPERTY - 1) + 1
            if first + len(missing) - 1 > LAST_NAMED_PROPERTY:
                raise NamedPropertiesExhaustedError("the mailbox has no free named property ids")
            if missing:
                await mailboxes.insert_named_properties(connection, self.mailbox_id, first, missing)
        self._learn((first + position, name) for position, name in enumerate(missing))

    # Messages

    async def _ids_of_content(self, names: set[PropertyName]) -> Mapping[PropertyName, int]:
        """Ids of the names in messages that come from elsewhere; new ones until `NAMES_OF_CONTENT` have been given."""
        ids = await self.property_ids(names, create=False)
        new = [name for name in names if name not in ids]
        if new and len(ids) + len(new) <= NAMES_OF_CONTENT:
            ids = await self.property_ids(new, create=True)
        return ids

    async def message(self, message_id: int) -> MessageRow | None:
        async with self.database.read() as connection:
            return await messages.select_message(connection, self.mailbox_id, message_id)

    async def deleted_message(self, message_id: int) -> MessageRow | None:
        """A soft-deleted message."""
        async with self.database.read() as connection:
            return await messages.select_deleted_message(connection, self.mailbox_id, message_id)

    async def message_ids(self, folder_id: int, *, associated: bool) -> list[int]:
        """Newest first."""
        async with self.database.read() as connection:
            return await messages.select_ids(connection, self.mailbox_id, folder_id, associated=associated)

    async def messages(self, folder_id: int, message_ids: Sequence[int]) -> dict[int, MessageRow]:
        async with self.database.read() as connection:
            return await messages.select_messages(connection, self.mailbox_id, folder_id, message_ids)

    async def messages_for_sync(self, folder_id: int, message_ids: Sequence[int]) -> list[SyncRow]:
        async with self.database.read() as connection:
            return await messages.select_for_sync(connection, self.mailbox_id, folder_id, message_ids)

    async def append(self, folder_id: int, items: Sequence[NewMessage]) -> list[int]:
        """Add messages to a folder in one transaction; when this returns they are on disk. Returns their ids.

        Raises `NotFoundError`, `MissingBlobError` (a `BlobValue` that is not stored).
        """
        if not items:
            return []
        prepared = await self.prepare(items)
        async with changing(self) as connection:
            return await self.insert(connection, folder_id, prepared)

    async def prepare(self, items: Sequence[NewMessage]) -> list["PreparedMessage"]:
        """Encode messages for `insert`, with their large values on disk.

        Named properties that get no id (`NAMES_OF_CONTENT`) are left out. Raises `MissingBlobError`.
        """
        names = {name for item in items for name in content.names_of(item.message)}
        ids = await self._ids_of_content(names) if names else {}
        prepared = await asyncio.to_thread(_prepare, items, ids, now())
        blobs = {digest: value for entry in prepared for digest, value in entry.blobs.items()}
        kept = {digest for entry in prepared for digest, _size in entry.blob_uses} - blobs.keys()
        if blobs:
            await asyncio.to_thread(self.database.blobs.put, blobs)
        if kept:
            await asyncio.to_thread(self.database.blobs.renew, kept)
        for entry in prepared:
            entry.blobs.clear()  # they are on disk
        return prepared

    async def insert(self, connection: Connection, folder_id: int, prepared: Sequence["PreparedMessage"]) -> list[int]:
        """Add messages to a folder in the caller's transaction of `changing`. Returns their ids.

        Raises `NotFoundError`.
        """
        from mapigw.mailbox.appending import Arriving, insert_together  # which imports this module

        return await insert_together(connection, [Arriving(self, folder_id, entry) for entry in prepared])

    async def read_blob(self, digest: bytes, offset: int = 0, length: int | None = None) -> bytes:
        """An out-of-line value, or a part of it. Raises `MissingBlobError`."""
        return await asyncio.to_thread(self.database.blobs.get, digest, offset, length)


class Mailboxes:
    """Opens mailboxes; one `Mailbox` a mailbox and process."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.hub = Hub(database)
        self._open: dict[int, Mailbox] = {}

    @property
    def held(self) -> int:
        """How many mailboxes have been opened."""
        return len(self._open)

    async def listen(self, mailbox_id: int, listener: Listener) -> None:
        """`Hub.subscribe`, and from now on watch for what other processes change."""
        self.database.start("foreign changes", partial(watch, self.database, self.hub))
        await self.hub.subscribe(mailbox_id, listener)

    async def open(self, mailbox_id: int) -> Mailbox:
        """Raises `NotFoundError`."""
        found = self._open.get(mailbox_id)
        if found is None:
            async with self.database.read() as connection:
                row = await mailboxes.select_mailbox(connection, mailbox_id)
            if row is None:
                raise NotFoundError("the mailbox does not exist")
            found = self._open.setdefault(mailbox_id, Mailbox(self.database, self.hub, row))
        return found


@dataclass(slots=True)
class PreparedMessage:
    """A message that only needs its row: what `Mailbox.prepare` makes for `Mailbox.insert`."""

    content: Content
    properties: Properties
    columns: Properties
    mime: bytes | None
    mime_is_digest: bool
    blobs: dict[bytes, bytes]
    blob_uses: list[tuple[bytes, int]]
    is_read: bool
    is_associated: bool
    message_id: int = 0
    """The id that it was given beforehand; 0: it gets the next one."""


def _prepare(items: Sequence[NewMessage], ids: Mapping[PropertyName, int], moment: int) -> list[PreparedMessage]:
    """The part of saving that only computes, for a worker thread."""
    prepared = []
    for item in items:
        message = content.with_names(item.message, ids)
        stored, columns = complete(message, moment)
        encoded = content.encode(Message(stored, message.recipients, message.attachments), ids)
        entry = PreparedMessage(
            encoded, stored, columns, None, False, encoded.blobs, encoded.blob_uses, item.is_read, item.is_associated
        )
        if isinstance(item.mime, BlobValue):
            entry.mime, entry.mime_is_digest = item.mime.digest, True
            entry.blob_uses.append((item.mime.digest, item.mime.size))
        elif item.mime is not None and len(item.mime) > MIME_INLINE_LIMIT:
            digest = digest_of(item.mime)
            entry.mime, entry.mime_is_digest = digest, True
            entry.blobs[digest] = item.mime
            entry.blob_uses.append((digest, len(item.mime)))
        else:
            entry.mime = item.mime
        prepared.append(entry)
    return prepared


async def insert_folder(
    connection: Connection,
    mailbox_id: int,
    parent_id: int,
    name: str,
    *,
    folder_type: int = GENERIC_FOLDER,
    container_class: str = "",
    properties: tuple[bytes, bytes] = (b"", b""),
) -> Folder:
    """Add a folder below another, in the caller's transaction; ``properties`` are an encoded list and its index.

    Raises `NotFoundError` (the parent), `SearchFolderError` (the parent is one), `FolderExistsError`.
    """
    await require_place(connection, mailbox_id, parent_id, name)
    first = await mailboxes.allocate(connection, mailbox_id, 2)
    folder = Folder.new(
        first,
        parent_id,
        name,
        change_number=first + 1,
        created=now(),
        folder_type=folder_type,
        container_class=container_class,
        properties=properties,
    )
    await folders.insert_folders(connection, mailbox_id, [folder])
    await folders.count_subfolder(connection, mailbox_id, parent_id, moment=folder.created)
    return folder


async def require_place(
    connection: Connection, mailbox_id: int, parent_id: int, name: str, folder_id: int | None = None
) -> None:
    """Raises what `insert_folder` raises unless a folder of this name can be put there: ``folder_id``, if it exists."""
    parent = await folders.select_folder(connection, mailbox_id, parent_id)
    if parent is None:
        raise NotFoundError("the parent folder does not exist")
    if parent.folder_type == SEARCH_FOLDER:
        raise SearchFolderError("the parent is a search folder")
    other = sibling(await folders.select_children(connection, mailbox_id, parent_id), name)
    if other is not None and other.folder_id != folder_id:
        raise FolderExistsError(f"a folder {name!r} exists already")


async def folder_change(connection: Connection, mailbox: Mailbox, folder: Folder) -> dict[str, Any]:
    """The columns of a folder that this server changes: a version that succeeds the present one."""
    touch(mailbox, folder.folder_id)
    change_number = await mailboxes.allocate(connection, mailbox.mailbox_id)
    listed = succeeding(mailbox.replica_guid, folder.predecessor_change_list, change_number)
    return {
        "change_number": change_number,
        "change_key": None,
        "predecessor_change_list": listed,
        "modified": now(),
    }


def succeeding(replica_guid: UUID, predecessor_change_list: bytes | None, change_number: int) -> bytes | None:
    """The list that a change of this server makes of a stored one (MS-OXCFXICS 3.1.5.3); None: the change key alone."""
    if predecessor_change_list is None:
        return None
    before = PredecessorChangeList.parse(predecessor_change_list)
    return before.with_change(Xid.gid(replica_guid, change_number)).build()


def sibling(children: Iterable[Folder], name: str) -> Folder | None:
    """The folder of this name, which is compared without regard to case."""
    folded = name.casefold()
    return next((folder for folder in children if folder.name.casefold() == folded), None)
