"""Importing messages that a client made or changed in its own replica (MS-OXCFXICS 3.1.5.3, 3.1.5.6, 3.2.5.9.4)."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from mapigw.mailbox.clock import now
from mapigw.mailbox.conflicts import (
    MESSAGE_STATUS_IN_CONFLICT,
    RESOLVE_LAST_WRITER_WINS,
    History,
    conflict_message,
    merged,
    together,
    versions_of,
)
from mapigw.mailbox.content import INLINE_LIMIT, DecodedMessage, decode_message, decode_properties
from mapigw.mailbox.events import changing
from mapigw.mailbox.mailboxes import Mailbox, MailboxError, NotFoundError
from mapigw.mailbox.moving import Identity, Place, move_messages
from mapigw.mailbox.permissions import Accessor
from mapigw.mailbox.progress import Progress
from mapigw.mailbox.read_state import batches
from mapigw.mailbox.saving import Draft, MessageChangedError, MessageExistsError, MessageGoneError, save_message
from mapigw.store import changes, folders, importing, mailboxes, messages
from mapigw.store.changes import Tombstone
from mapigw.store.database import Connection
from mapigw.store.messages import MessageRow, ReadState
from mapigw.wire import tags
from mapigw.wire.globset import CounterSet
from mapigw.wire.xid import Precedence, PredecessorChangeList, Xid

_ATTEMPTS: Final = 8
"""How often a save begins anew because somebody else was faster."""

_KEPT: Final = (
    tags.PidTagCreationTime,
    tags.PidTagSearchKey,
    tags.PidTagCreatorName,
    tags.PidTagCreatorEntryId,
)
"""What a message has from its first save on, whatever is imported later."""


class ImportedObjectGoneError(MailboxError):
    """The object was deleted here, or is not where the import says."""


class SupersededError(MailboxError):
    """What is here includes the imported change already."""


class ConflictError(MailboxError):
    """Neither version includes the other, and the client asked to be refused then."""


class ForeignIdError(MailboxError):
    """The id was never handed out to a client, nor does it stand for anything."""


class NotPermittedError(MailboxError):
    """The user may not do that."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an imported source key stands for: a message that exists, or the id of one to be made."""

    object_id: int
    source_key: bytes | None
    """Stored with the object when its id does not give it."""
    row: MessageRow | None


async def find_target(mailbox: Mailbox, folder_id: int, source_key: Xid) -> Target:
    """Raises `ImportedObjectGoneError`, `ForeignIdError`."""
    async with mailbox.database.read() as connection:
        object_id = await known_id(connection, mailbox, source_key)
        row = None
        if object_id and await is_used(connection, mailbox, folder_id, object_id, source_key):
            row = await messages.select_message(connection, mailbox.mailbox_id, object_id)
            if row is None or row.folder_id != folder_id:
                raise ImportedObjectGoneError("the message was deleted, or is in another folder")
    return Target(object_id or await _new_id(mailbox, source_key), kept_key(mailbox, source_key), row)


async def is_used(connection: Connection, mailbox: Mailbox, folder_id: int, object_id: int, source_key: Xid) -> bool:
    """Whether a message has the id; else a new object may have it in the folder.

    Raises `ImportedObjectGoneError`, `ForeignIdError`.
    """
    standing = await importing.select_standing(connection, mailbox.mailbox_id, folder_id, object_id)
    if standing.is_message:
        return True
    if standing.is_used or standing.is_excluded:
        raise ImportedObjectGoneError("the object was deleted")
    if _is_own(mailbox, source_key) and not standing.is_handed_out:
        raise ForeignIdError("the id was not handed out to a client")
    return False


def kept_key(mailbox: Mailbox, source_key: Xid) -> bytes | None:
    """The source key as it is stored with an object, None for one that the object's id gives."""
    return None if _is_own(mailbox, source_key) else source_key.build()


def _is_own(mailbox: Mailbox, source_key: Xid) -> bool:
    return source_key.is_gid and source_key.namespace_guid == mailbox.replica_guid


async def known_id(connection: Connection, mailbox: Mailbox, source_key: Xid) -> int:
    """The id that a source key stands for, 0 for one of another replica that was never seen."""
    if _is_own(mailbox, source_key):
        return source_key.counter
    return await importing.select_object(connection, mailbox.mailbox_id, source_key.build()) or 0


async def register(connection: Connection, mailbox: Mailbox, source_key: Xid) -> int:
    """The id that a source key of another replica stands for from now on."""
    object_id = await known_id(connection, mailbox, source_key)
    if not object_id:
        object_id = await mailboxes.allocate(connection, mailbox.mailbox_id)
        await importing.insert_source_key(connection, mailbox.mailbox_id, source_key.build(), object_id)
    return object_id


async def _new_id(mailbox: Mailbox, source_key: Xid) -> int:
    async with changing(mailbox) as connection:
        return await register(connection, mailbox, source_key)


class Saved(NamedTuple):
    """An imported message as it is now; ``resolved``: it is not what the client sent, which has to download it."""

    row: MessageRow
    resolved: bool


async def save_imported(
    mailbox: Mailbox, draft: Draft, history: History, source_key: bytes | None, *, fail_on_conflict: bool = False
) -> Saved:
    """Save an imported version, resolving a conflict with the present one.

    ``draft.row`` tells the message's place and, of a new one, its flags. Raises `SupersededError`, `ConflictError`,
    `MessageGoneError`, `NotFoundError` (the folder).
    """
    if not draft.row.change_number:
        with suppress(MessageExistsError):  # its first upload, whose answer the client did not get, is under way
            row = await save_message(mailbox, replace(draft, version=history.version(source_key)))
            return Saved(row, resolved=False)
    for _ in range(_ATTEMPTS):
        present = await mailbox.message(draft.row.message_id)
        if present is None or present.folder_id != draft.row.folder_id:
            raise MessageGoneError("the message does not exist any more, or is in another folder")
        try:
            return await _replace(mailbox, replace(draft, row=present), history, fail_on_conflict=fail_on_conflict)
        except MessageChangedError:
            continue
    raise MessageChangedError("the message is changed all the time")


async def _replace(mailbox: Mailbox, draft: Draft, history: History, *, fail_on_conflict: bool) -> Saved:
    """Save over ``draft.row``, the present version. Raises `MessageChangedError` when that has changed since."""
    present = draft.row
    mine, present_versions = _present(mailbox, present)
    status = present.message_status & ~MESSAGE_STATUS_IN_CONFLICT
    precedence = judge(mailbox, history, present)
    if precedence is Precedence.OLDER_OR_EQUAL:
        raise SupersededError("the present version includes the change")
    stored = decode_properties(present.properties, present.properties_index)
    kept = {tag: stored[tag] for tag in _KEPT if tag in stored}
    content = DecodedMessage(draft.content.properties | kept, draft.content.recipients, draft.content.attachments)
    if precedence is Precedence.NEWER:
        result = merged(history, mine)
        newer = replace(draft, content=content, version=result.version(present.source_key), message_status=status)
        return Saved(await save_message(mailbox, newer), resolved=result.predecessors != history.predecessors)
    if fail_on_conflict:
        raise ConflictError("neither version includes the other")
    # What the client made of a version takes its place among those in conflict.
    versions = [
        (item, version) for item, version in present_versions if not history.predecessors.includes(item.predecessors)
    ]
    versions.append((history, content))
    winner, content = versions[0]
    for item, version in versions[1:]:
        if item.wins_over(winner):
            winner, content = item, version
    if await _keeps_all(mailbox, present, versions):
        status |= MESSAGE_STATUS_IN_CONFLICT
        content = conflict_message(content, versions)
    result = merged(merged(winner, mine), history)
    draft = Draft(present, content, draft.author, version=result.version(present.source_key), message_status=status)
    return Saved(await save_message(mailbox, draft), resolved=True)


def judge(mailbox: Mailbox, history: History, present: MessageRow) -> Precedence:
    """How an imported version stands to the present one (3.1.5.6.1).

    A client that has downloaded the versions in conflict knows their histories, and not that of all together.
    """
    mine, versions = _present(mailbox, present)
    precedence = history.precedence_over(mine)
    if precedence is Precedence.CONFLICT and all(
        history.predecessors.includes(item.predecessors) for item, _version in versions
    ):
        return Precedence.NEWER
    return precedence


def _present(mailbox: Mailbox, present: MessageRow) -> tuple[History, list[tuple[History, DecodedMessage]]]:
    """What is known of a message, and the versions of a conflict resolve message, or the message itself."""
    mine = History.of(mailbox.replica_guid, present)
    content = decode_message(present)
    if present.message_status & MESSAGE_STATUS_IN_CONFLICT:
        versions = versions_of(content)
        if versions:
            return together(mine, versions), versions
    return mine, [(mine, content)]


async def _keeps_all(mailbox: Mailbox, present: MessageRow, versions: Sequence[tuple[History, DecodedMessage]]) -> bool:
    """Whether a conflict leaves a conflict resolve message: not of FAI, and as the folder has it (2.2.1.4.1)."""
    if present.is_associated or any(len(item.predecessors.build()) > INLINE_LIMIT for item, _version in versions):
        return False
    folder = await mailbox.folder(present.folder_id)
    if folder is None:
        raise NotFoundError("the folder does not exist")
    properties = decode_properties(folder.properties, folder.properties_index)
    return not properties.get(tags.PidTagResolveMethod, 0) & RESOLVE_LAST_WRITER_WINS


class Moved(NamedTuple):
    """A message where it was moved to."""

    row: MessageRow
    applied: bool
    """It includes the change key and the predecessor change list that the client gave it."""
    seen: bool
    """The client has every change of it, and need not download it."""


async def import_move(
    mailbox: Mailbox,
    accessor: Accessor,
    source_folder: Xid,
    source_key: Xid,
    folder_id: int,
    new_key: Xid,
    change_key: Xid,
    predecessors: PredecessorChangeList,
) -> Moved:
    """Move a message to the id that a client gave it (2.2.3.2.4.4). A repeated import finds it done.

    ``change_key`` and ``predecessors`` are those of the version that the client has: Outlook's moves change neither.
    Raises `ImportedObjectGoneError`, `ForeignIdError`, `NotPermittedError`, `NotFoundError`, `SearchFolderError`.
    """
    mailbox_id = mailbox.mailbox_id
    refused = 0
    for _ in range(_ATTEMPTS):
        async with mailbox.database.read() as connection:
            source_folder_id = await known_id(connection, mailbox, source_folder)
            source_id = await known_id(connection, mailbox, source_key)
            object_id = await known_id(connection, mailbox, new_key)
            present = await messages.select_message(connection, mailbox_id, source_id)
            there = await messages.select_message(connection, mailbox_id, object_id)
            if there is None and object_id and await is_used(connection, mailbox, folder_id, object_id, new_key):
                raise ImportedObjectGoneError("the message was deleted")
        if there is not None and there.folder_id == folder_id:
            return _moved(mailbox, there, change_key, predecessors)
        if present is None or present.folder_id != source_folder_id or there is not None:
            raise ImportedObjectGoneError("the message is not in the source folder")
        if present.change_number == refused:
            raise NotPermittedError("the message must not be moved")
        new_id = object_id or await _new_id(mailbox, new_key)
        identity = _identity(mailbox, present, new_id, kept_key(mailbox, new_key), change_key, predecessors)
        await move_messages(
            mailbox,
            accessor,
            source_folder_id,
            [source_id],
            Place(mailbox, folder_id),
            progress=Progress(),
            identities={source_id: identity},
        )
        refused = present.change_number  # if it is still there then
    raise MessageChangedError("the message is changed all the time")


def _identity(
    mailbox: Mailbox,
    present: MessageRow,
    object_id: int,
    source_key: bytes | None,
    change_key: Xid,
    predecessors: PredecessorChangeList,
) -> Identity:
    """What the moved message is, whose content is the server's: the client's version only where that is the same."""
    kept, _versions = _present(mailbox, present)
    if kept.predecessors == predecessors:
        kept = History(change_key, predecessors.with_change(change_key), kept.modified)
    version = kept.version(source_key)
    return Identity(
        object_id, version.source_key, version.change_key, version.predecessor_change_list, present.change_number
    )


def _moved(mailbox: Mailbox, row: MessageRow, change_key: Xid, predecessors: PredecessorChangeList) -> Moved:
    here = _present(mailbox, row)[0].predecessors
    return Moved(row, applied=here.includes(predecessors), seen=predecessors.with_change(change_key).includes(here))


async def message_ids(mailbox: Mailbox, source_keys: Sequence[Xid]) -> list[int]:
    """The ids that source keys stand for; 0 for one of another replica that is not known."""
    async with mailbox.database.read() as connection:
        return [await known_id(connection, mailbox, key) for key in source_keys]


async def present_messages(mailbox: Mailbox, folder_id: int, ids: Sequence[int]) -> list[ReadState]:
    """Those of the messages that are in the folder."""
    found: list[ReadState] = []
    async with mailbox.database.read() as connection:
        for batch in batches(ids):
            found += await messages.select_read_states(connection, mailbox.mailbox_id, folder_id, batch)
    return found


async def note_never_existing(mailbox: Mailbox, folder_id: int, source_keys: Sequence[Xid], *, is_folder: bool) -> None:
    """Record the deletion of objects that never existed here, so that no import makes them (3.2.5.9.4.5)."""
    mailbox_id = mailbox.mailbox_id
    async with mailbox.database.read() as connection:
        ranges = CounterSet(await importing.handed_out(connection, mailbox_id))
        own = {key.counter for key in source_keys if _is_own(mailbox, key) and key.counter in ranges}
        unused = await _never_used(connection, mailbox, own)
    foreign = [key for key in source_keys if not _is_own(mailbox, key)]
    if not unused and not foreign:
        return
    async with changing(mailbox) as connection:
        unused |= {await register(connection, mailbox, key) for key in foreign}
        unused = await _never_used(connection, mailbox, unused)
        if unused:
            change_number = await mailboxes.allocate(connection, mailbox_id)
            rows = [Tombstone(folder_id, change_number, item, is_folder, False) for item in sorted(unused)]
            await changes.insert_tombstones(connection, mailbox_id, rows)
            if not is_folder:
                await folders.count_contents(
                    connection, mailbox_id, folder_id, change_number=change_number, commit_time=now()
                )


async def _never_used(connection: Connection, mailbox: Mailbox, object_ids: set[int]) -> set[int]:
    """Those of the ids that nothing has or had."""
    found = set(object_ids)
    for batch in batches(sorted(object_ids)):
        found -= await importing.select_used(connection, mailbox.mailbox_id, batch)
    return found


async def exclude_ids(mailbox: Mailbox, folder_id: int, ranges: Sequence[tuple[int, int]]) -> None:
    """Note (first, last) ids that will not come into a folder (2.2.3.2.4.8)."""
    async with changing(mailbox) as connection:
        known = await importing.select_excluded(connection, mailbox.mailbox_id, folder_id)
        together = list(CounterSet([*known, *ranges]))
        await importing.replace_excluded(connection, mailbox.mailbox_id, folder_id, together)
