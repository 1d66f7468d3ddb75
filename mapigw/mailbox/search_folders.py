"""The criteria of search folders: setting, stopping and reading them (MS-OXCFOLD 3.2.5.4, 3.2.5.5)."""

from collections.abc import Mapping, Sequence
from enum import IntFlag
from typing import Final

from mapigw.mailbox.clock import now
from mapigw.mailbox.events import Event, Kind, changing, note
from mapigw.mailbox.mailboxes import Mailbox, MailboxError, NotFoundError
from mapigw.mailbox.search import dependents, is_recursive, live_folders
from mapigw.mailbox.search_criteria import SearchState, build, criteria
from mapigw.mailbox.search_population import start_indexing, start_population, with_subfolders
from mapigw.store import contents, folders, mailboxes, search
from mapigw.store.contents import Scope
from mapigw.store.database import Connection
from mapigw.store.mailboxes import SEARCH_FOLDER
from mapigw.store.search import SearchFolder
from mapigw.wire.restrictions import Restriction


class SearchFlags(IntFlag):
    """SearchFlags of RopSetSearchCriteria (2.2.1.4.1)."""

    STOP_SEARCH = 0x00000001
    RESTART_SEARCH = 0x00000002
    RECURSIVE_SEARCH = 0x00000004
    SHALLOW_SEARCH = 0x00000008
    FOREGROUND_SEARCH = 0x00000010
    BACKGROUND_SEARCH = 0x00000020
    CONTENT_INDEXED_SEARCH = 0x00010000
    NON_CONTENT_INDEXED_SEARCH = 0x00020000
    STATIC_SEARCH = 0x00040000


EXCLUSIVE: Final = (
    SearchFlags.STOP_SEARCH | SearchFlags.RESTART_SEARCH,
    SearchFlags.RECURSIVE_SEARCH | SearchFlags.SHALLOW_SEARCH,
    SearchFlags.FOREGROUND_SEARCH | SearchFlags.BACKGROUND_SEARCH,
    SearchFlags.CONTENT_INDEXED_SEARCH | SearchFlags.NON_CONTENT_INDEXED_SEARCH,
)
"""Pairs of which at most one is set."""


class NotSearchFolderError(MailboxError):
    """The folder contains messages of its own."""


class NotInitializedError(MailboxError):
    """The search folder has no criteria, or no scope."""


class ScopeViolationError(MailboxError):
    """The search folder would look into itself."""


async def search_criteria(mailbox: Mailbox, folder_id: int) -> SearchFolder:
    """What was set last, and the state of the search.

    Raises `NotFoundError`, `NotSearchFolderError`, `NotInitializedError`.
    """
    async with mailbox.database.read() as connection:
        await _require_search_folder(connection, mailbox, folder_id)
        row = await search.select_search_folder(connection, mailbox.mailbox_id, folder_id)
    if row is None:
        raise NotInitializedError("no criteria were ever set")
    return row


async def searched_folders(mailbox: Mailbox, folder_ids: Sequence[int], *, recursive: bool) -> set[int]:
    """The folders of a scope, with all that are below them if the search is recursive."""
    if not recursive:
        return set(folder_ids)
    async with mailbox.database.read() as connection:
        return with_subfolders(folder_ids, await search.select_places(connection, mailbox.mailbox_id))


async def is_shown(mailbox: Mailbox, folder_id: int, message_id: int) -> bool:
    """Whether a search folder shows the message."""
    async with mailbox.database.read() as connection:
        return await search.is_result(connection, mailbox.mailbox_id, folder_id, message_id)


async def listed_messages(mailbox: Mailbox, folder_id: int) -> list[int]:
    """The messages that a folder holds, or a search folder shows, without FAI messages; newest first."""
    folder = await mailbox.folder(folder_id)
    is_search = folder is not None and folder.folder_type == SEARCH_FOLDER
    async with mailbox.database.read() as connection:
        return list(await contents.select_ids(connection, Scope(mailbox.mailbox_id, folder_id, is_search=is_search)))


async def set_search_criteria(
    mailbox: Mailbox, folder_id: int, restriction: Restriction | None, folder_ids: Sequence[int], flags: SearchFlags
) -> None:
    """Start a search anew, with what was set before where nothing is given, or stop the one that runs.

    ``restriction`` is in Unicode. Raises `NotFoundError` (the folder, or one of the scope), `NotSearchFolderError`,
    `NotInitializedError`, `ScopeViolationError`.
    """
    mailbox_id = mailbox.mailbox_id
    async with changing(mailbox) as connection:
        await _require_search_folder(connection, mailbox, folder_id)
        before = await search.select_search_folder(connection, mailbox_id, folder_id)
        if flags & SearchFlags.STOP_SEARCH:
            await _stop(connection, mailbox_id, before)
            return
        data = build(restriction) if restriction is not None else before.restriction if before is not None else None
        scope = tuple(dict.fromkeys(folder_ids)) or (before.folder_ids if before is not None else ())
        if data is None or not scope:
            raise NotInitializedError("a first search needs a restriction and folders")
        if folder_ids:
            await _require_scope(connection, mailbox, folder_id, scope)
        row = SearchFolder(folder_id, data, scope, _state(data, flags), 0)
        await _start(connection, mailbox, [row])


async def _require_search_folder(connection: Connection, mailbox: Mailbox, folder_id: int) -> None:
    folder = await folders.select_folder(connection, mailbox.mailbox_id, folder_id)
    if folder is None:
        raise NotFoundError("the folder does not exist")
    if folder.folder_type != SEARCH_FOLDER:
        raise NotSearchFolderError("not a search folder")


async def _require_scope(connection: Connection, mailbox: Mailbox, folder_id: int, scope: Sequence[int]) -> None:
    places = {place.folder_id for place in await search.select_places(connection, mailbox.mailbox_id)}
    rows = await search.select_search_folders(connection, mailbox.mailbox_id)
    looks_into = {row.folder_id: row.folder_ids for row in rows} | {folder_id: scope}
    reached: set[int] = set()
    level = set(scope)
    while level:
        if folder_id in level:
            raise ScopeViolationError("the search folder would look into itself")
        reached |= level
        level = {inner for item in level for inner in looks_into.get(item, ())} - reached
    if not places.issuperset(scope):
        raise NotFoundError("a folder of the scope does not exist")


def _state(data: bytes, flags: SearchFlags) -> int:
    wanted = criteria(data)
    state = SearchState.RUNNING | SearchState.REBUILD
    if flags & SearchFlags.RECURSIVE_SEARCH:
        state |= SearchState.RECURSIVE
    if flags & SearchFlags.STATIC_SEARCH:
        state |= SearchState.STATIC
    if wanted.query is None or flags & SearchFlags.NON_CONTENT_INDEXED_SEARCH:
        state |= SearchState.TWIR_TOTALLY
    else:
        state |= SearchState.CI_TOTALLY if wanted.only_text else SearchState.CI_WITH_TWIR_RESIDUAL
    return int(state)


async def _stop(connection: Connection, mailbox_id: int, row: SearchFolder | None) -> None:
    if row is None:
        raise NotInitializedError("no criteria were ever set")
    flags = row.search_flags & ~(SearchState.RUNNING | SearchState.REBUILD)
    await search.update_search_flags(connection, mailbox_id, row.folder_id, flags)


async def _start(connection: Connection, mailbox: Mailbox, rows: Sequence[SearchFolder]) -> None:
    """Begin searches from nothing, and with them those that look into their folders."""
    live = await live_folders(connection, mailbox)
    starting = {row.folder_id: row for row in rows}
    for row in rows:
        starting = {item.folder_id: item for item in dependents(row.folder_id, live)} | starting
    started, moment = await mailboxes.allocate(connection, mailbox.mailbox_id), now()
    for row in starting.values():
        flags = row.search_flags & ~SearchState.COMPLETE | SearchState.RUNNING | SearchState.REBUILD
        begun = row._replace(search_flags=int(flags), started=started)
        await search.put_search_folder(connection, mailbox.mailbox_id, begun)
        await search.clear_results(
            connection, mailbox.mailbox_id, row.folder_id, change_number=started, commit_time=moment
        )
        note(mailbox, Event(Kind.OBJECT_MODIFIED, row.folder_id, is_emptied=True))
        start_population(mailbox, begun)


async def resume(mailbox: Mailbox) -> None:
    """Go on with the searches that were running when the process ended, and with the full-text index.

    To be called when the mailbox is opened for work; what goes on already is left alone.
    """
    async with mailbox.database.read() as connection:
        rows = await search.select_search_folders(connection, mailbox.mailbox_id)
    for row in rows:
        if row.search_flags & SearchState.RUNNING:
            start_population(mailbox, row)
    start_indexing(mailbox)


async def folder_moved(connection: Connection, mailbox: Mailbox, folder_id: int, old_parent_id: int) -> None:
    """Start those recursive searches anew that a folder entered or left; in its transaction, after it was moved."""
    live = [row for row in await live_folders(connection, mailbox) if is_recursive(row)]
    if not live:
        return
    parents = await search.select_parents(connection, mailbox.mailbox_id, [folder_id, old_parent_id])
    before, after = _path(parents, old_parent_id), _path(parents, parents.get(folder_id, 0))
    changed = [row for row in live if before.isdisjoint(row.folder_ids) != after.isdisjoint(row.folder_ids)]
    if changed:
        await _start(connection, mailbox, changed)


def _path(parents: Mapping[int, int], folder_id: int) -> set[int]:
    found = set()
    while folder_id and folder_id not in found:
        found.add(folder_id)
        folder_id = parents.get(folder_id, 0)
    return found
