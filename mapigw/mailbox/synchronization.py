"""What a client has to be told of a folder or of the hierarchy, given the state it holds (MS-OXCFXICS 3.2.5.3).

The state is in counters of the mailbox's own replica. Changes are found by change number: what the state covers as a
prefix, 1 to n, is never looked at again; whatever else the state holds is taken out by set difference. Deleted messages
come from the tombstones above n, deleted folders from the difference with those that exist.
"""

from dataclasses import dataclass, field

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store import changes, folders, mailboxes
from mapigw.store.changes import MessageChange
from mapigw.store.folders import Folder
from mapigw.wire.globset import CounterSet


@dataclass(slots=True)
class SyncState:
    """The ICS state properties (MS-OXCFXICS 2.2.1.1), reduced to the mailbox's own replica."""

    idset_given: CounterSet = field(default_factory=CounterSet)
    cnset_seen: CounterSet = field(default_factory=CounterSet)
    cnset_seen_fai: CounterSet = field(default_factory=CounterSet)
    cnset_read: CounterSet = field(default_factory=CounterSet)


@dataclass(slots=True)
class ContentsChanges:
    """The differences of one folder. No change number of the snapshot is above ``last_change_number``."""

    last_change_number: int
    changed: list[MessageChange]
    deleted: CounterSet
    read: CounterSet
    unread: CounterSet
    no_longer_in_scope: CounterSet = field(default_factory=CounterSet)
    """Filled while the changed messages are held against a restriction."""


@dataclass(slots=True)
class HierarchyChanges:
    """The differences of a hierarchy: parents come before their children."""

    last_change_number: int
    changed: list[Folder]
    deleted: CounterSet
    folders: list[Folder]  # every folder of the mailbox, when any has changed


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
) -> ContentsChanges:
    """The differences of one folder's contents.

    ``normal`` and ``associated`` name the kinds of message in scope; what is not in scope is neither sent nor deleted.
    """
    seen, seen_fai = state.cnset_seen.prefix(), state.cnset_seen_fai.prefix()
    after = min([seen] * normal + [seen_fai] * associated, default=0)
    mailbox_id = mailbox.mailbox_id
    deleted, read, unread = CounterSet(), CounterSet(), CounterSet()
    async with mailbox.database.snapshot() as connection:
        last, content = await changes.contents_state(connection, mailbox_id, folder_id)
        if content <= after and (content <= state.cnset_read.prefix() or not read_state):
            return ContentsChanges(last, [], deleted, read, unread)  # the usual case: nothing has happened
        found = await changes.select_message_changes(
            connection, mailbox_id, folder_id, after=after, newest_first=newest_first
        )
        changed = [
            change
            for change in found
            if (associated if change.is_associated else normal)
            and change.change_number not in (state.cnset_seen_fai if change.is_associated else state.cnset_seen)
        ]
        if deletions and state.idset_given:
            for item in await changes.select_deleted_messages(connection, mailbox_id, folder_id, after=after):
                if (associated if item.is_associated else normal) and item.object_id in state.idset_given:
                    deleted.add(item.object_id)
        if read_state and normal and state.idset_given:
            sent = {change.message_id for change in changed}
            for row in await changes.select_read_state_changes(
                connection, mailbox_id, folder_id, after=state.cnset_read.prefix()
            ):
                if (
                    row.message_id not in sent
                    and row.message_id in state.idset_given
                    and row.read_change_number not in state.cnset_read
                ):
                    (read if row.is_read else unread).add(row.message_id)
    return ContentsChanges(last, changed, deleted, read, unread)


async def hierarchy_changes(mailbox: Mailbox, root_id: int, state: SyncState, *, deletions: bool) -> HierarchyChanges:
    """The differences of the folders below ``root_id``, which is not itself part of the hierarchy."""
    mailbox_id = mailbox.mailbox_id
    deleted = CounterSet()
    async with mailbox.database.snapshot() as connection:
        last = await mailboxes.last_counter(connection, mailbox_id)
        if await changes.hierarchy_change_number(connection, mailbox_id) <= state.cnset_seen.prefix():
            return HierarchyChanges(last, [], deleted, [])
        rows = await folders.select_folders(connection, mailbox_id)
    children: dict[int, list[Folder]] = {}
    for row in rows:
        children.setdefault(row.parent_id, []).append(row)
    scope: list[Folder] = []
    level = children.get(root_id, [])
    while level:
        scope += level
        level = [child for parent in level for child in children.get(parent.folder_id, [])]
    if deletions:
        # Folders are few: the difference with what exists also finds those that were moved out of the scope.
        deleted = state.idset_given.copy()
        for row in scope:
            deleted.discard_range(row.folder_id, row.folder_id)
    changed = [row for row in scope if row.change_number not in state.cnset_seen]
    return HierarchyChanges(last, changed, deleted, rows)
