"""Moving and copying messages and folders, within a mailbox and between two (MS-OXCFOLD 3.2.5.6 to 3.2.5.8).

A message that is moved or copied is a new one where it comes to: new id, new change number, new source key; it keeps
its read state. Functions on many messages work in batches, a transaction each, and return whether anything was left:
what is not there, what the user may not read or move, what was not done when ``progress`` was aborted. Soft-deleted
messages are recovered by moving or copying them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, NamedTuple

from mapigw.mailbox import content
from mapigw.mailbox.batches import Tally, batches, existing_folder, messages_of
from mapigw.mailbox.clock import now
from mapigw.mailbox.content import blob_uses
from mapigw.mailbox.events import Event, Kind, changing, collecting, moved_folder, note
from mapigw.mailbox.folder_properties import IDENTIFICATION_IDS
from mapigw.mailbox.folders import create_folder
from mapigw.mailbox.mailboxes import (
    GENERIC_FOLDER,
    Mailbox,
    MailboxError,
    NotFoundError,
    SearchFolderError,
    folder_change,
    require_place,
)
from mapigw.mailbox.permissions import Access, Accessor, Rights, effective_rights
from mapigw.mailbox.progress import Progress
from mapigw.mailbox.removing import SpecialFolderError, drop_empty_folder, erase, note_removal
from mapigw.mailbox.renumbering import ids_between, named_ids, renumbered
from mapigw.mailbox.search import update as update_searches
from mapigw.mailbox.search_criteria import SearchState, criteria
from mapigw.mailbox.search_folders import SearchFlags, folder_moved, set_search_criteria
from mapigw.store import folders, mailboxes, messages, removing, search
from mapigw.store.database import Connection
from mapigw.store.folders import Folder
from mapigw.store.mailboxes import SEARCH_FOLDER
from mapigw.store.removing import Copy, Encoded, Summary
from mapigw.wire.properties import NAMED_PROPERTY_MINIMUM


class FolderCycleError(MailboxError):
    """A folder cannot be put into itself or below itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is put: a folder of a mailbox, which may be another one than the source's."""

    mailbox: Mailbox
    folder_id: int


class Identity(NamedTuple):
    """What a message is to be where it comes to, when it was moved by somebody else before (an import)."""

    message_id: int
    source_key: bytes | None
    change_key: bytes | None
    predecessor_change_list: bytes | None
    present_change_number: int
    """A message that has another one has changed since, and is left."""


async def move_messages(
    mailbox: Mailbox,
    accessor: Accessor,
    folder_id: int,
    message_ids: Sequence[int],
    place: Place,
    *,
    progress: Progress,
    identities: Mapping[int, Identity] = MappingProxyType({}),
) -> bool:
    """Move messages out of a folder, or out of the folders whose messages a search folder shows.

    ``identities``, by message id, are those of messages that do not get new ones. Raises `NotFoundError` (one of the
    folders), `SearchFolderError` (the destination is one), `NamedPropertiesExhaustedError`.
    """
    batch = _Batch(mailbox, accessor, folder_id, place, keep=False, identities=identities)
    return await _transfer(batch, message_ids, progress)


async def copy_messages(
    mailbox: Mailbox,
    accessor: Accessor,
    folder_id: int,
    message_ids: Sequence[int],
    place: Place,
    *,
    progress: Progress,
) -> bool:
    """Copy messages; as `move_messages`."""
    return await _transfer(_Batch(mailbox, accessor, folder_id, place, keep=True), message_ids, progress)


async def _transfer(batch: "_Batch", message_ids: Sequence[int], progress: Progress) -> bool:
    progress.total += len(message_ids)
    left = False
    async for chosen in batches(batch.mailbox, message_ids):
        if progress.aborted:
            return True
        left |= await batch.transfer(chosen)
        progress.completed += len(chosen)
    return left


@dataclass(frozen=True, slots=True)
class _Batch:
    mailbox: Mailbox
    accessor: Accessor
    folder_id: int
    place: Place
    keep: bool
    """True to copy."""
    identities: Mapping[int, Identity] = field(default_factory=dict)

    @property
    def crossing(self) -> bool:
        return self.place.mailbox.mailbox_id != self.mailbox.mailbox_id

    async def transfer(self, message_ids: Sequence[int]) -> bool:
        """One transaction; returns whether any was left."""
        ids = await self._property_ids(message_ids) if self.crossing else {}
        async with changing(self.mailbox, self.place.mailbox) as connection:
            target = await existing_folder(connection, self.place.mailbox, self.place.folder_id)
            if target.folder_type == SEARCH_FOLDER:
                raise SearchFolderError("the destination is a search folder")
            source = await existing_folder(connection, self.mailbox, self.folder_id)
            done = await self._put(connection, source, message_ids, ids, deleted=False)
            recovered = await self._put(connection, source, message_ids, ids, deleted=True)
            if not self.keep:
                await note_removal(connection, self.mailbox, done, deleted=False)
            if done or recovered:
                await self._count(connection, [*done, *recovered])
        return len(done) + len(recovered) < len(message_ids)

    async def _property_ids(self, message_ids: Sequence[int]) -> dict[int, int]:
        """What the named properties of the messages are called in the other mailbox."""
        async with self.mailbox.database.read() as connection:
            rows = await removing.select_encoded(connection, self.mailbox.mailbox_id, message_ids)
            rows += await removing.select_encoded(connection, self.mailbox.mailbox_id, message_ids, deleted=True)
        used = await asyncio.to_thread(named_ids, rows)
        return await ids_between(self.mailbox, self.place.mailbox, used)

    async def _put(
        self,
        connection: Connection,
        source: Folder,
        message_ids: Sequence[int],
        ids: Mapping[int, int],
        *,
        deleted: bool,
    ) -> list[Summary]:
        """Put those of the messages there that can be; returns what they were."""
        wanted = Access.Read if self.keep else Access.Read | Access.Delete
        found = await messages_of(connection, self.mailbox, self.accessor, source, message_ids, wanted, deleted=deleted)
        rows: list[Encoded] = []
        if self.identities:
            found = await self._unchanged(connection, found)
        if found and (self.keep or self.crossing):
            chosen = [summary.message_id for summary in found]
            rows = await removing.select_encoded(connection, self.mailbox.mailbox_id, chosen, deleted=deleted)
        if self.crossing:
            # What has got a new named property since the names were looked up stays for another time.
            rows = await asyncio.to_thread(lambda: [row for row in rows if named_ids([row]) <= ids.keys()])
            movable = {row.message_id for row in rows}
            found = [summary for summary in found if summary.message_id in movable]
        if found:
            await self._insert(connection, found, rows, ids, deleted=deleted)
        return found

    async def _unchanged(self, connection: Connection, found: Sequence[Summary]) -> list[Summary]:
        """The messages without those that are not any more what their new identities were made for."""
        ids = [summary.message_id for summary in found if summary.message_id in self.identities]
        rows = await messages.select_messages(connection, self.mailbox.mailbox_id, self.folder_id, ids)
        changed = {
            message_id
            for message_id in ids
            if message_id not in rows
            or rows[message_id].change_number != self.identities[message_id].present_change_number
        }
        return [summary for summary in found if summary.message_id not in changed]

    async def _insert(
        self,
        connection: Connection,
        found: Sequence[Summary],
        rows: Sequence[Encoded],
        ids: Mapping[int, int],
        *,
        deleted: bool,
    ) -> None:
        mailbox_id, place_id = self.mailbox.mailbox_id, self.place.mailbox.mailbox_id
        copies = await self._copies(connection, found)
        await removing.insert_copies(
            connection, mailbox_id, place_id, self.place.folder_id, copies, moment=now(), deleted=deleted
        )
        chosen = [summary.message_id for summary in found]
        if self.keep or self.crossing:
            uses = await asyncio.to_thread(lambda: [use for row in rows for use in blob_uses(row)])
            uses += await removing.select_mime_uses(connection, mailbox_id, chosen)
            await messages.count_blobs(connection, place_id, uses)
        if self.crossing:
            new_ids = {copy.source_id: copy.message_id for copy in copies}
            changed = await asyncio.to_thread(
                lambda: [
                    renumbered(row, ids)._replace(message_id=new_ids[row.message_id])
                    for row in rows
                    if named_ids([row])
                ]
            )
            await removing.update_encoded(connection, place_id, changed)
        self._note(found, copies, deleted=deleted)
        await update_searches(connection, self.place.mailbox, [copy.message_id for copy in copies])
        if self.keep:
            return
        if self.crossing:
            await erase(connection, self.mailbox, chosen, deleted=deleted)
        else:
            await messages.delete_mime(connection, mailbox_id, chosen)  # the copies use the same blobs
            await removing.delete_rows(connection, mailbox_id, chosen, deleted=deleted)

    def _note(self, found: Sequence[Summary], copies: Sequence[Copy], *, deleted: bool) -> None:
        """What was recovered, or comes from another mailbox, is new here; what goes to another is deleted."""
        if not collecting():
            return
        kind = Kind.OBJECT_COPIED if self.keep else Kind.OBJECT_MOVED
        summaries = {summary.message_id: summary for summary in found}
        for copy in copies:
            source = summaries[copy.source_id]
            event = Event(
                Kind.OBJECT_CREATED, self.place.folder_id, copy.message_id, is_associated=source.is_associated
            )
            if not (deleted or self.crossing):
                event = replace(event, kind=kind, old_folder_id=source.folder_id, old_message_id=source.message_id)
            note(self.place.mailbox, event)
            if self.crossing and not (self.keep or deleted):
                place = source.folder_id
                gone = Event(Kind.OBJECT_DELETED, place, source.message_id, is_associated=source.is_associated)
                note(self.mailbox, gone)

    async def _copies(self, connection: Connection, found: Sequence[Summary]) -> list[Copy]:
        """New ids and change numbers, in the order of the old ids."""
        ordered = sorted(summary.message_id for summary in found)
        fresh = [message_id for message_id in ordered if message_id not in self.identities]
        place_id = self.place.mailbox.mailbox_id
        change_number = await mailboxes.allocate(connection, place_id, len(ordered))
        next_id = await mailboxes.allocate_message_ids(connection, place_id, len(fresh)) if fresh else 0
        copies = []
        for position, message_id in enumerate(ordered):
            identity = self.identities.get(message_id)
            if identity is None:
                copies.append(Copy(message_id, next_id, change_number + position))
                next_id += 1
            else:
                version = identity[1:4]
                copies.append(Copy(message_id, identity.message_id, change_number + position, *version, True))
        return copies

    async def _count(self, connection: Connection, summaries: Sequence[Summary]) -> None:
        tally = Tally()
        for summary in summaries:
            tally.add(summary)
        mailbox = self.place.mailbox
        last = await mailboxes.last_counter(connection, mailbox.mailbox_id)
        await tally.count(connection, mailbox, self.place.folder_id, change_number=last, moment=now())


# Folders


async def move_folder(
    mailbox: Mailbox, accessor: Accessor, folder_id: int, place: Place, name: str, *, progress: Progress
) -> bool:
    """Move a folder with all it holds below another, under a new name; returns whether anything was left.

    Within a mailbox it stays the same folder. Raises `NotFoundError`, `SpecialFolderError`, `FolderCycleError`,
    `FolderExistsError`, `SearchFolderError` (the new parent is one, or a search folder would leave its mailbox).
    """
    if place.mailbox.mailbox_id != mailbox.mailbox_id:
        return await _transfer_tree(mailbox, accessor, folder_id, place, name, progress, keep=False, recursive=True)
    mailbox_id = mailbox.mailbox_id
    async with changing(mailbox) as connection:
        folder = await existing_folder(connection, mailbox, folder_id)
        if folder.special:
            raise SpecialFolderError(f"{folder.special} is a special folder")
        await require_place(connection, mailbox_id, place.folder_id, name, folder_id)
        above = await folders.select_ancestors(connection, mailbox_id, place.folder_id)
        if any(row.folder_id == folder_id for row in above):
            raise FolderCycleError("the new parent is the folder itself or below it")
        moment = now()
        await folders.update_folder(
            connection,
            mailbox_id,
            folder_id,
            parent_id=place.folder_id,
            name=name,
            **await folder_change(connection, mailbox, folder),
        )
        for parent_id in {folder.parent_id, place.folder_id}:
            await folders.count_subfolder(connection, mailbox_id, parent_id, moment=moment)
        note(mailbox, moved_folder(folder_id, folder.parent_id, place.folder_id))
        await folder_moved(connection, mailbox, folder_id, folder.parent_id)
    return False


async def copy_folder(
    mailbox: Mailbox,
    accessor: Accessor,
    folder_id: int,
    place: Place,
    name: str,
    *,
    recursive: bool,
    progress: Progress,
    creator: str | None = None,
) -> bool:
    """Copy a folder with its messages, and its subfolders with ``recursive``; returns whether anything was left out.

    The copies have the permissions of their new parent; ``creator`` as in `inherit_permissions`. Raises as
    `move_folder`, but that special folders can be copied.
    """
    return await _transfer_tree(
        mailbox, accessor, folder_id, place, name, progress, keep=True, recursive=recursive, creator=creator
    )


async def _transfer_tree(
    mailbox: Mailbox,
    accessor: Accessor,
    folder_id: int,
    place: Place,
    name: str,
    progress: Progress,
    *,
    keep: bool,
    recursive: bool,
    creator: str | None = None,
) -> bool:
    async with mailbox.database.read() as connection:
        rows = await folders.select_descendants(connection, mailbox.mailbox_id, folder_id)
    if not rows:
        raise NotFoundError("the folder does not exist")
    if rows[0].special and not keep:
        raise SpecialFolderError(f"{rows[0].special} is a special folder")
    crossing = place.mailbox.mailbox_id != mailbox.mailbox_id
    if crossing and rows[0].folder_type == SEARCH_FOLDER:
        raise SearchFolderError("what a search folder looks for is in its own mailbox")
    if recursive and not crossing and place.folder_id in {row.folder_id for row in rows}:
        raise FolderCycleError("the new parent is the folder itself or below it")
    copied: dict[int, Place] = {}
    left = False
    for row in rows if recursive else rows[:1]:
        parent = place if row is rows[0] else copied.get(row.parent_id)
        visible = await effective_rights(mailbox, accessor, row.folder_id) & Rights.FolderVisible
        if parent is None or progress.aborted or not visible or (crossing and row.folder_type == SEARCH_FOLDER):
            left = True
            continue
        new_name = name if row is rows[0] else row.name
        copied[row.folder_id] = target = await _copy_of(mailbox, row, parent, new_name, creator, keep=keep)
        if row.folder_type != SEARCH_FOLDER:
            async with mailbox.database.read() as connection:
                ids = await removing.select_folder_ids(connection, mailbox.mailbox_id, row.folder_id)
            batch = _Batch(mailbox, accessor, row.folder_id, target, keep)
            left |= await _transfer(batch, ids, progress)
    if not keep and not left:
        for row in reversed(rows):
            left |= not await drop_empty_folder(mailbox, row, progress)
    return left


async def _copy_of(
    mailbox: Mailbox, row: Folder, parent: Place, name: str, creator: str | None, *, keep: bool
) -> Place:
    """A new folder with the properties of another, but none of its messages."""
    stored = content.decode_properties(row.properties, row.properties_index)
    properties: Mapping[int, Any] = {
        tag: value for tag, value in stored.items() if not row.special or tag >> 16 not in IDENTIFICATION_IDS
    }
    named = {tag >> 16 for tag in properties if tag >> 16 >= NAMED_PROPERTY_MINIMUM}
    if named and parent.mailbox.mailbox_id != mailbox.mailbox_id:
        ids = await ids_between(mailbox, parent.mailbox, named)
        properties = {ids.get(tag >> 16, tag >> 16) << 16 | tag & 0xFFFF: value for tag, value in properties.items()}
    folder = await create_folder(
        parent.mailbox,
        parent.folder_id,
        name,
        folder_type=SEARCH_FOLDER if row.folder_type == SEARCH_FOLDER else GENERIC_FOLDER,
        container_class=row.container_class,
        properties=properties,
        creator=creator,
        copied=row if keep and parent.mailbox is mailbox else None,
    )
    if row.folder_type == SEARCH_FOLDER:
        await _copy_criteria(mailbox, row.folder_id, folder.folder_id)
    return Place(parent.mailbox, folder.folder_id)


async def _copy_criteria(mailbox: Mailbox, folder_id: int, new_id: int) -> None:
    """Have a new search folder look for the same; unless it would look into folders that are gone."""
    async with mailbox.database.read() as connection:
        found = await search.select_search_folder(connection, mailbox.mailbox_id, folder_id)
    if found is None:
        return
    flags = SearchFlags.RESTART_SEARCH
    if found.search_flags & SearchState.RECURSIVE:
        flags |= SearchFlags.RECURSIVE_SEARCH
    if found.search_flags & SearchState.STATIC:
        flags |= SearchFlags.STATIC_SEARCH
    with suppress(NotFoundError):
        await set_search_criteria(mailbox, new_id, criteria(found.restriction).restriction, found.folder_ids, flags)
