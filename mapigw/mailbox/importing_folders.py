"""Importing folders that a client made, changed or moved in its own replica (MS-OXCFXICS 3.2.5.9.4.3).

There is no way to tell a client of a conflict here: the last writer wins, and it downloads the result. Each import is
one transaction.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mapigw.mailbox.clock import now
from mapigw.mailbox.conflicts import History, merged
from mapigw.mailbox.events import Event, Kind, changing, moved_folder, note, touch
from mapigw.mailbox.folder_writing import MAXIMUM_NAME, settable, with_slots
from mapigw.mailbox.folders import changed_columns
from mapigw.mailbox.importing import (
    ImportedObjectGoneError,
    NotPermittedError,
    SupersededError,
    is_used,
    kept_key,
    known_id,
    register,
)
from mapigw.mailbox.mailboxes import Mailbox, MailboxError, folder_change, sibling
from mapigw.mailbox.permissions import Accessor, Rights, effective_rights, inherit_permissions
from mapigw.mailbox.search_folders import folder_moved
from mapigw.mailbox.special_folders import LOGON_FOLDERS
from mapigw.store import changes, folders, importing, mailboxes, removing
from mapigw.store.changes import Tombstone
from mapigw.store.database import Connection
from mapigw.store.folders import Folder
from mapigw.store.mailboxes import SEARCH_FOLDER
from mapigw.wire.fasttransfer import NAMED_MINIMUM
from mapigw.wire.properties import PropertyName
from mapigw.wire.xid import Precedence, Xid


class NoParentError(MailboxError):
    """The folder's parent does not exist here (yet)."""


@dataclass(frozen=True, slots=True)
class ImportedFolder:
    """What an import says of a folder: where it is, what it is called, its history and its other properties."""

    parent: Xid | int
    """A source key or an id."""
    source_key: Xid
    name: str
    history: History
    properties: Mapping[int, Any]


@dataclass(frozen=True, slots=True)
class Imported:
    """The folder as it is now; ``resolved``: it is not what the client sent, which has to download it."""

    folder_id: int
    change_number: int
    resolved: bool


async def import_folder(
    mailbox: Mailbox, accessor: Accessor, imported: ImportedFolder, *, creator: str | None
) -> Imported:
    """Make or change a folder; ``creator`` as in `inherit_permissions`.

    Raises `NoParentError`, `ImportedObjectGoneError`, `ForeignIdError`, `SupersededError`, `NotPermittedError`,
    `FolderFullError`.
    """
    names = await mailbox.property_names()
    async with changing(mailbox) as connection:
        folder_id = await known_id(connection, mailbox, imported.source_key)
        row = await folders.select_folder(connection, mailbox.mailbox_id, folder_id)
        parent_id = await _parent(connection, mailbox, imported.parent)
        work = _Import(mailbox, accessor, connection, names, imported, parent_id or 0)
        if row is not None:
            return await work.change(row)
        if folder_id:
            if await is_used(connection, mailbox, work.parent_id, folder_id, imported.source_key):
                raise ImportedObjectGoneError("a message has the id")
        else:
            folder_id = await register(connection, mailbox, imported.source_key)
        if parent_id is None:
            raise ImportedObjectGoneError("the parent folder was deleted")
        return await work.make(folder_id, creator)


async def _parent(connection: Connection, mailbox: Mailbox, parent: Xid | int) -> int | None:
    """The parent's id, None for one that was deleted. Raises `NoParentError`."""
    mailbox_id = mailbox.mailbox_id
    parent_id = parent if isinstance(parent, int) else await known_id(connection, mailbox, parent)
    row = await folders.select_folder(connection, mailbox_id, parent_id)
    if row is None and await importing.select_used(connection, mailbox_id, [parent_id]):
        return None
    if row is None or row.folder_type == SEARCH_FOLDER:
        raise NoParentError("the parent folder does not exist")
    return parent_id


@dataclass(frozen=True, slots=True)
class _Import:
    """One import in its transaction."""

    mailbox: Mailbox
    accessor: Accessor
    connection: Connection
    names: Mapping[int, PropertyName]
    imported: ImportedFolder
    parent_id: int
    """0: the parent was deleted."""

    async def make(self, folder_id: int, creator: str | None) -> Imported:
        mailbox_id, connection = self.mailbox.mailbox_id, self.connection
        await self._require(self.parent_id, Rights.CreateSubFolder | Rights.FolderOwner)
        moment = now()
        place = await folders.select_children(connection, mailbox_id, self.parent_id)
        other = sibling(place, self.imported.name)
        special = other if other is not None and await self._gives_way(other) else None
        if special is not None:
            await self._give_way(special)
        name = self.imported.name if special is not None else self._free_name(place)
        change_number = await mailboxes.allocate(connection, mailbox_id)
        row = Folder.new(
            folder_id,
            self.parent_id,
            name,
            change_number=change_number,
            created=moment,
            special=special.special if special else "",
            container_class=special.container_class if special else "",
        )
        await folders.insert_folders(connection, mailbox_id, [row])
        await folders.count_subfolder(connection, mailbox_id, self.parent_id, moment=moment)
        await inherit_permissions(connection, mailbox_id, self.parent_id, folder_id, creator)
        note(self.mailbox, Event(Kind.OBJECT_CREATED, folder_id, parent_id=self.parent_id))
        differs = name != self.imported.name
        columns = await self._set_columns(row)
        columns |= self._version(change_number, self.imported.history, differs=differs)
        columns["source_key"] = kept_key(self.mailbox, self.imported.source_key)
        await folders.update_folder(connection, mailbox_id, folder_id, **columns)
        return Imported(folder_id, change_number, resolved=differs)

    async def change(self, row: Folder) -> Imported:
        mailbox_id, connection = self.mailbox.mailbox_id, self.connection
        await self._require(row.folder_id, Rights.FolderOwner)
        mine, history = History.of(self.mailbox.replica_guid, row), self.imported.history
        precedence = history.precedence_over(mine)
        if precedence is Precedence.OLDER_OR_EQUAL:
            raise SupersededError("the present version includes the change")
        conflict = precedence is Precedence.CONFLICT
        # Of two versions of a folder from the same time the server's stays (3.1.5.6.2.2).
        applies = not conflict or history.modified > mine.modified
        if conflict:
            history = merged(history, mine) if applies else merged(mine, history)
        columns: dict[str, Any] = {}
        differs = False
        if applies:
            parent_id, name = await self._place(row)
            differs = (parent_id, name) != (self.parent_id, self.imported.name)
            columns = await self._set_columns(row) | {"parent_id": parent_id, "name": name}
        change_number = await mailboxes.allocate(connection, mailbox_id)
        columns |= self._version(change_number, history, differs=differs)
        await folders.update_folder(connection, mailbox_id, row.folder_id, **columns)
        touch(self.mailbox, row.folder_id)
        if columns.get("parent_id", row.parent_id) != row.parent_id:
            for parent_id in (row.parent_id, self.parent_id):
                await folders.count_subfolder(connection, mailbox_id, parent_id, moment=now())
            note(self.mailbox, moved_folder(row.folder_id, row.parent_id, self.parent_id))
            await folder_moved(connection, self.mailbox, row.folder_id, row.parent_id)
        return Imported(row.folder_id, change_number, resolved=conflict or differs)

    async def _require(self, folder_id: int, rights: Rights) -> None:
        if not await effective_rights(self.mailbox, self.accessor, folder_id) & rights:
            raise NotPermittedError("the user may not change the folder")

    async def _set_columns(self, row: Folder) -> dict[str, Any]:
        """The columns of the other properties; what cannot be set on the folder is passed over."""
        known = {
            tag: value
            for tag, value in self.imported.properties.items()
            if tag < NAMED_MINIMUM or tag >> 16 in self.names
        }
        own, inbox, _problems = await settable(self.mailbox, row, known)
        if row.special == "inbox":
            own |= await with_slots(self.connection, self.mailbox, inbox)
        return changed_columns(row, own, (), self.names)

    def _version(self, change_number: int, history: History, *, differs: bool) -> dict[str, Any]:
        """The columns of the version; of one that ``differs`` from what was imported it is a successor."""
        if differs:
            own = Xid.gid(self.mailbox.replica_guid, change_number)
            history = History(own, history.predecessors.with_change(own), now())
        columns = asdict(history.version(None))
        del columns["source_key"]
        return columns | {"change_number": change_number}

    async def _place(self, row: Folder) -> tuple[int, str]:
        """(parent, name) that a folder gets: a special one stays, and none gets below itself or where nothing is."""
        if row.special:
            return row.parent_id, row.name
        mailbox_id, connection = self.mailbox.mailbox_id, self.connection
        parent_id = self.parent_id or row.parent_id
        if parent_id != row.parent_id:
            above = await folders.select_ancestors(connection, mailbox_id, parent_id)
            if any(item.folder_id == row.folder_id for item in above):
                parent_id = row.parent_id
            else:
                await self._require(parent_id, Rights.CreateSubFolder | Rights.FolderOwner)
        others = await folders.select_children(connection, mailbox_id, parent_id)
        return parent_id, self._free_name([item for item in others if item.folder_id != row.folder_id])

    def _free_name(self, others: list[Folder]) -> str:
        """The imported name, or one like it that no sibling has."""
        taken = {folder.name.casefold() for folder in others}
        wanted = name = self.imported.name
        number = 2
        while name.casefold() in taken:
            suffix = f" ({number})"
            name = wanted[: MAXIMUM_NAME - len(suffix)] + suffix
            number += 1
        return name

    async def _gives_way(self, folder: Folder) -> bool:
        """Whether a special folder may be replaced by an imported one of its name: an empty one, unless logons name it.

        Outlook makes a Junk E-mail folder of its own and uses it as such; refusing its name fills Sync Issues
        (80040604).
        """
        if not folder.special or folder.special in LOGON_FOLDERS or folder.content_count or folder.associated_count:
            return False
        mailbox_id, connection = self.mailbox.mailbox_id, self.connection
        below = await folders.select_children(connection, mailbox_id, folder.folder_id)
        held = await removing.select_folder_ids(connection, mailbox_id, folder.folder_id, deleted=True)
        return not below and not held

    async def _give_way(self, folder: Folder) -> None:
        mailbox_id, connection = self.mailbox.mailbox_id, self.connection
        await folders.delete_folders(connection, mailbox_id, [folder.folder_id])
        change_number = await mailboxes.allocate(connection, mailbox_id)
        gone = Tombstone(folder.parent_id, change_number, folder.folder_id, True, False)
        await changes.insert_tombstones(connection, mailbox_id, [gone])
        note(self.mailbox, Event(Kind.OBJECT_DELETED, folder.folder_id, parent_id=folder.parent_id))
        # What leads to the special folders is the Inbox's and has changed (MS-OXOSFLD 2.2.4).
        inbox = await folders.select_special_folder(connection, mailbox_id, "inbox")
        columns = await folder_change(connection, self.mailbox, inbox)
        await folders.update_folder(connection, mailbox_id, inbox.folder_id, **columns)
