"""What a client has to be told of a folder or of the hierarchy, given the state it holds (MS-OXCFXICS 3.2.5.3).

The state is in counters of the mailbox's own replica. Changes are found by change number: what the state covers as a
prefix, 1 to n, is never looked at again; whatever else the state holds is taken out by set difference. Deleted messages
come from the tombstones above n, deleted folders from the difference with those that exist. A state that this mailbox
cannot have given, as after a backup was restored, is answered by the difference of everything.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from mapigw.mailbox.contents import View, list_messages
from mapigw.mailbox.mailboxes import Mailbox, NotFoundError
from mapigw.mailbox.permissions import Accessor, Rights, permission_lists
from mapigw.store import changes, folders, mailboxes
from mapigw.store.changes import MessageChange
from mapigw.store.contents import Scope
from mapigw.store.database import Connection
from mapigw.store.folders import Folder
from mapigw.wire.globset import CounterSet
from mapigw.wire.restrictions import Restriction

log = logging.getLogger("mapigw.sync")

FEW_FOLDERS: Final = 200
"""Changed folders for which the others are not read."""


@dataclass(slots=True)
class SyncState:
    """The ICS state properties (MS-OXCFXICS 2.2.1.1), reduced to the mailbox's own replica."""

    idset_given: CounterSet = field(default_factory=CounterSet)
    cnset_seen: CounterSet = field(default_factory=CounterSet)
    cnset_seen_fai: CounterSet = field(default_factory=CounterSet)
    cnset_read: CounterSet = field(default_factory=CounterSet)

    def require_possible(self, mailbox: Mailbox, last: int) -> bool:
        """Whether a mailbox whose last change number is ``last`` can have given it; else it forgets what was seen."""
        sets = (self.idset_given, self.cnset_seen, self.cnset_seen_fai, self.cnset_read)
        if all(item.maximum <= last for item in sets):
            return True
        log.warning("a client of mailbox %s has seen what never was: it gets everything", mailbox.guid)
        self.cnset_seen, self.cnset_seen_fai, self.cnset_read = CounterSet(), CounterSet(), CounterSet()
        return False


@dataclass(slots=True)
class ContentsChanges:
    """The differences of one folder. No change number of the snapshot is above ``last_change_number``."""

    last_change_number: int
    changed: list[MessageChange] = field(default_factory=list)
    deleted: CounterSet = field(default_factory=CounterSet)
    read: CounterSet = field(default_factory=CounterSet)
    unread: CounterSet = field(default_factory=CounterSet)
    no_longer_in_scope: CounterSet = field(default_factory=CounterSet)
    untold: list[int] = field(default_factory=list)
    """Change numbers of deletions that the client does not want to hear of now, but will."""


@dataclass(slots=True)
class HierarchyChanges:
    """The differences of a hierarchy: parents come before their children."""

    last_change_number: int
    changed: list[Folder] = field(default_factory=list)
    deleted: CounterSet = field(default_factory=CounterSet)
    folders: list[Folder] = field(default_factory=list)
    """What the properties of the changed ones are made of: every folder, or only some."""
    parents: set[int] | None = None
    """Those of the changed ones that have subfolders, where ``folders`` do not tell."""
    untold: list[int] = field(default_factory=list)
    """As in `ContentsChanges`."""


async def contents_changes(
    mailbox: Mailbox,
    folder_id: int,
    state: SyncState,
    *,
    normal: bool,
    associated: bool,
    read_state: bool,
    deletions: bool,
    newest_first: bool,
    restriction: Restriction | None = None,
) -> ContentsChanges:
    """The differences of one folder's contents.

    ``normal`` and ``associated`` name the kinds of message in scope; what is not in scope is neither sent nor deleted.
    With a ``restriction`` every message of the folder is held against it: it may be another one than the last time, or
    speak of the time. Raises `NotFoundError`.
    """
    kinds = frozenset({False} if normal else ()) | frozenset({True} if associated else ())
    matching = None if restriction is None else await _matching(mailbox, folder_id, kinds, restriction)
    async with mailbox.database.snapshot() as connection:
        found = await changes.contents_state(connection, mailbox.mailbox_id, folder_id)
        if found is None:
            raise NotFoundError("the folder does not exist")
        last, content = found
        work = _Contents(connection, mailbox.mailbox_id, folder_id, state, kinds, ContentsChanges(last))
        read_state = read_state and normal
        if not state.require_possible(mailbox, last):
            rows = await work.changes(0, matching, newest_first=newest_first)
            if deletions:
                known = CounterSet.of(row.message_id for row in rows)
                work.result.deleted = await asyncio.to_thread(state.idset_given.difference, known)
            return work.result
        after = work.after
        if matching is not None:
            await work.changes(0, matching, newest_first=newest_first)
        elif content > after:
            await work.changes(after, None, newest_first=newest_first)
        if content > after:
            await work.deletions(after, told=deletions)
        if read_state and content > state.cnset_read.prefix():
            await work.read_states()
    return work.result


async def _matching(
    mailbox: Mailbox, folder_id: int, kinds: frozenset[bool], restriction: Restriction
) -> frozenset[int]:
    """The messages of the folder that satisfy the restriction."""
    found: set[int] = set()
    for kind in kinds:
        scope = Scope(mailbox.mailbox_id, folder_id, is_associated=kind)
        found.update((await list_messages(mailbox, View(scope, restriction))).ids)
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class _Contents:
    """The work on one folder's differences, in a snapshot. ``kinds``: False for normal messages, True for FAI."""

    connection: Connection
    mailbox_id: int
    folder_id: int
    state: SyncState
    kinds: frozenset[bool]
    result: ContentsChanges

    def seen(self, kind: bool) -> CounterSet:
        return self.state.cnset_seen_fai if kind else self.state.cnset_seen

    @property
    def after(self) -> int:
        """Up to here the client has seen every change in scope."""
        return min((self.seen(kind).prefix() for kind in self.kinds), default=self.result.last_change_number)

    async def changes(self, after: int, matching: frozenset[int] | None, *, newest_first: bool) -> list[MessageChange]:
        """Add the changed messages, and those that left the scope; returns all above ``after`` that the folder has."""
        rows = await changes.select_message_changes(
            self.connection, self.mailbox_id, self.folder_id, after=after, newest_first=newest_first
        )
        given = self.state.idset_given
        in_scope = [row for row in rows if row.is_associated in self.kinds]
        if matching is None:
            self.result.changed = [row for row in in_scope if row.change_number not in self.seen(row.is_associated)]
            return rows
        # A message that comes into the scope need not have changed.
        self.result.changed = [
            row
            for row in in_scope
            if row.message_id in matching
            and (row.message_id not in given or row.change_number not in self.seen(row.is_associated))
        ]
        outside = (row.message_id for row in in_scope if row.message_id not in matching and row.message_id in given)
        self.result.no_longer_in_scope = CounterSet.of(outside)
        return rows

    async def deletions(self, after: int, *, told: bool) -> None:
        """Add what was deleted that the client has; or, for another time, the numbers of those changes."""
        if not self.state.idset_given:
            return
        found = await changes.select_deleted_messages(self.connection, self.mailbox_id, self.folder_id, after=after)
        gone = [item for item in found if item.is_associated in self.kinds and item.object_id in self.state.idset_given]
        if told:
            self.result.deleted = CounterSet.of(item.object_id for item in gone)
        else:
            self.result.untold = sorted({item.change_number for item in gone})

    async def read_states(self) -> None:
        """Add the read states that changed, of messages that are not sent anyway."""
        if not self.state.idset_given:
            return
        known = self.state.cnset_read
        sent = {change.message_id for change in self.result.changed}
        read: list[int] = []
        unread: list[int] = []
        for row in await changes.select_read_state_changes(
            self.connection, self.mailbox_id, self.folder_id, after=known.prefix()
        ):
            message_id = row.message_id
            if message_id in sent or message_id in self.result.no_longer_in_scope:
                continue
            if message_id in self.state.idset_given and row.read_change_number not in known:
                (read if row.is_read else unread).append(message_id)
        self.result.read, self.result.unread = CounterSet.of(read), CounterSet.of(unread)


async def hierarchy_changes(
    mailbox: Mailbox, accessor: Accessor, root_id: int, state: SyncState, *, deletions: bool
) -> HierarchyChanges:
    """The differences of the folders below ``root_id``, which is not itself part of the hierarchy.

    A folder that somebody may not see does not exist for them.
    """
    mailbox_id = mailbox.mailbox_id
    async with mailbox.database.snapshot() as connection:
        last = await mailboxes.last_counter(connection, mailbox_id)
        possible = state.require_possible(mailbox, last)
        newest = await changes.hierarchy_change_number(connection, mailbox_id)
        # What others may see is changed by more than the folders themselves: by the groups that they are in.
        if possible and accessor.is_owner and not accessor.right:
            if newest <= state.cnset_seen.prefix():
                return HierarchyChanges(last)
            result = await _few_changes(connection, mailbox_id, root_id, state, HierarchyChanges(last))
        else:
            result = None
        if result is None:
            rows = await folders.select_folders(connection, mailbox_id)
    if result is None:
        result = await _all_changes(mailbox, accessor, root_id, state, HierarchyChanges(last, folders=rows))
    if result.deleted and not deletions:
        result.deleted, result.untold = CounterSet(), [newest]
    return result


async def _few_changes(
    connection: Connection, mailbox_id: int, root_id: int, state: SyncState, result: HierarchyChanges
) -> HierarchyChanges | None:
    """The differences by change number; None when that is not all: when a folder with others came into the scope."""
    after = state.cnset_seen.prefix()
    found = await folders.select_changed(connection, mailbox_id, after=after, limit=FEW_FOLDERS + 1)
    if not after or len(found) > FEW_FOLDERS:
        return None
    known = {row.folder_id: row for row in found}
    missing = {row.parent_id for row in found} - known.keys()
    while missing:
        above = await folders.select_some(connection, mailbox_id, missing)
        known.update((row.folder_id, row) for row in above)
        missing = {row.parent_id for row in above} - known.keys() - {0}
    result.parents = await folders.select_having_subfolders(connection, mailbox_id, [row.folder_id for row in found])
    depths = {row.folder_id: _depth(known, row, root_id) for row in found}
    for row in found:
        if (row.folder_id in state.idset_given) != (depths[row.folder_id] > 0) and (
            row.folder_id in result.parents or not depths[row.folder_id]
        ):
            return None  # it left or came, and with it what is below and has not changed
    result.changed = [row for row in found if depths[row.folder_id] and row.change_number not in state.cnset_seen]
    result.changed.sort(key=lambda row: depths[row.folder_id])
    gone = await changes.select_deleted_folders(connection, mailbox_id, after=after)
    result.deleted = CounterSet.of(folder_id for folder_id in gone if folder_id in state.idset_given)
    for row in await folders.select_special_rows(connection, mailbox_id):
        known.setdefault(row.folder_id, row)
    result.folders = list(known.values())
    return result


def _depth(known: Mapping[int, Folder], row: Folder, root_id: int) -> int:
    """How far a folder is below the root; 0 when it is not."""
    depth, parent_id = 1, row.parent_id
    while parent_id != root_id:
        above = known.get(parent_id)
        if above is None:
            return 0
        depth, parent_id = depth + 1, above.parent_id
    return depth


async def _all_changes(
    mailbox: Mailbox, accessor: Accessor, root_id: int, state: SyncState, result: HierarchyChanges
) -> HierarchyChanges:
    """The differences of all folders of the mailbox."""
    children: dict[int, list[Folder]] = {}
    for row in result.folders:
        children.setdefault(row.parent_id, []).append(row)
    scope: list[Folder] = []
    level = children.get(root_id, [])
    while level:
        scope += level
        level = [child for parent in level for child in children.get(parent.folder_id, [])]
    if not accessor.is_owner:
        lists = await permission_lists(mailbox, (row.folder_id for row in scope))
        scope = [row for row in scope if lists.rights(accessor, row.folder_id) & Rights.FolderVisible]
    # What came into the scope need not have changed.
    given, seen = state.idset_given, state.cnset_seen
    result.changed = [row for row in scope if row.change_number not in seen or row.folder_id not in given]
    result.deleted = await asyncio.to_thread(given.difference, CounterSet.of(row.folder_id for row in scope))
    return result
