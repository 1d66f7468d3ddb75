"""What a client has to be told of a folder or of the hierarchy, given the state it holds (MS-OXCFXICS 3.2.5.3).

The state is in counters of the mailbox's own replica. Changes are found by change number: what the state covers as a
prefix, 1 to n, is never looked at again; whatever else the state holds is taken out by set difference. Deleted messages
come from the tombstones above n, deleted folders from the difference with those that exist. A state that this mailbox
cannot have given, as after a backup was restored, is answered by the difference of everything.
"""

import logging
from dataclasses import dataclass, field

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
    changed: list[Folder]
    deleted: CounterSet
    folders: list[Folder]  # every folder of the mailbox, when any has changed
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
                work.result.deleted = state.idset_given.difference(CounterSet.of(row.message_id for row in rows))
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
        if possible and accessor.is_owner and newest <= state.cnset_seen.prefix():
            return HierarchyChanges(last, [], CounterSet(), [])
        rows = await folders.select_folders(connection, mailbox_id)
    children: dict[int, list[Folder]] = {}
    for row in rows:
        children.setdefault(row.parent_id, []).append(row)
    scope: list[Folder] = []
    level = children.get(root_id, [])
    while level:
        scope += level
        level = [child for parent in level for child in children.get(parent.folder_id, [])]
    if not accessor.is_owner:
        lists = await permission_lists(mailbox, (row.folder_id for row in scope))
        scope = [row for row in scope if lists.rights(accessor, row.folder_id) & Rights.FolderVisible]
    # Folders are few: the difference with what exists also finds those that were moved out of the scope.
    deleted = state.idset_given.difference(CounterSet.of(row.folder_id for row in scope))
    changed = [
        row
        for row in scope
        if row.change_number not in state.cnset_seen
        or (row.folder_id not in state.idset_given and not accessor.is_owner)
    ]
    if deletions:
        return HierarchyChanges(last, changed, deleted, rows)
    return HierarchyChanges(last, changed, CounterSet(), rows, [newest] if deleted else [])
