"""Work for search folders in the background: filling them, and keeping the full-text index.

Both go forward in batches, so that neither a session nor another writer waits for long, and both go on after a restart
when the mailbox is next opened.
"""

import asyncio
import logging
from array import array
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Final

from mapigw.mailbox.events import Event, Kind, changing, note
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.search import (
    BATCH,
    apply,
    dependents,
    find,
    is_recursive,
    live_folders,
    read_messages,
    replace_results,
)
from mapigw.mailbox.search_criteria import SearchState, criteria
from mapigw.mailbox.search_matching import message_text
from mapigw.store import contents, search, search_text
from mapigw.store.contents import Condition, Scope
from mapigw.store.database import Connection
from mapigw.store.mailboxes import SEARCH_FOLDER
from mapigw.store.messages import MessageRow
from mapigw.store.search import MessageVersion, Place, Result, SearchFolder
from mapigw.wire.restrictions import AndRestriction

log = logging.getLogger("mapigw.mailbox")

INDEXED_TOGETHER: Final = 50  # messages of one transaction
PAUSE: Final = 0.005  # seconds between two transactions of the index, in which others write
BY_INDEX: Final = SearchState.CI_TOTALLY | SearchState.CI_WITH_TWIR_RESIDUAL


def start_population(mailbox: Mailbox, row: SearchFolder) -> None:
    """Fill a search folder whose search runs; also in the transaction that starts the search."""
    name = f"search {mailbox.mailbox_id}/{row.folder_id}/{row.started}"
    mailbox.database.start(name, partial(_populate, mailbox, row.folder_id, row.started))


def start_indexing(mailbox: Mailbox) -> None:
    """Bring the full-text index of a mailbox up to date."""
    mailbox.database.start(f"index {mailbox.mailbox_id}", partial(_index, mailbox))


async def _populate(mailbox: Mailbox, folder_id: int, started: int) -> None:
    try:
        async with mailbox.database.write() as connection:  # waits for the transaction that started the search
            row = await _running(connection, mailbox, folder_id, started)
        if row is not None:
            await _Population(mailbox, row).run()
            start_indexing(mailbox)
    except Exception:
        log.exception("search folder %d of mailbox %s cannot be filled", folder_id, mailbox.guid)


async def _running(connection: Connection, mailbox: Mailbox, folder_id: int, started: int) -> SearchFolder | None:
    """The search folder, if its search is still the one that was started and not stopped."""
    row = await search.select_search_folder(connection, mailbox.mailbox_id, folder_id)
    return row if row is not None and row.started == started and row.search_flags & SearchState.RUNNING else None


class _Population:
    """One search through its scope, newest messages first.

    What changes while it runs is decided by the transactions that change it (`mapigw.mailbox.search.update`), so that
    it adds only what is still as it has seen it. A static search looks at the others again.
    """

    def __init__(self, mailbox: Mailbox, row: SearchFolder) -> None:
        self._mailbox = mailbox
        self._row = row
        self._criteria = criteria(row.restriction)
        self._anywhere = Scope(mailbox.mailbox_id, None)
        self._exact = contents.condition(self._anywhere, self._criteria.restriction)
        """The whole restriction in SQL, where that is possible."""
        self._homes: Collection[int] = ()

    async def run(self) -> None:
        async with self._mailbox.database.read() as connection:
            ids = await self._candidates(connection)
        while ids:
            changed = array("q")
            for start in range(0, len(ids), BATCH):
                if self._mailbox.database.closing.is_set():
                    return
                again = await self._look(ids[start : start + BATCH])
                if again is None:
                    return
                changed.extend(again)
            ids = changed if self._row.search_flags & SearchState.STATIC else array("q")
        await self._finish()

    async def _candidates(self, connection: Connection) -> "array[int]":
        """Every message that may satisfy the restriction, and others; some of them twice."""
        mailbox_id = self._mailbox.mailbox_id
        places = await search.select_places(connection, mailbox_id)
        types = {place.folder_id: place.folder_type for place in places}
        inside = set(self._row.folder_ids) & types.keys()
        nested = [folder_id for folder_id in inside if types[folder_id] == SEARCH_FOLDER]
        if is_recursive(self._row):
            inside = with_subfolders(inside, places)
        self._homes = {folder_id for folder_id in inside if types[folder_id] != SEARCH_FOLDER}
        if self._row.search_flags & BY_INDEX and self._criteria.query is not None:
            # The queue comes first: what is put into the index in between is found in one of the two.
            found = await search_text.select_unindexed(connection, mailbox_id)
            found |= await search_text.select_indexed(connection, mailbox_id, self._criteria.query)
            return array("q", sorted(found, reverse=True))
        scopes = [Scope(mailbox_id, folder_id) for folder_id in sorted(self._homes)]
        scopes += [Scope(mailbox_id, folder_id, is_search=True) for folder_id in nested]
        wanted = self._prefilter()
        ids = array("q")
        for scope in scopes:
            ids.extend(await contents.select_ids(connection, scope, wanted))
        return ids

    def _prefilter(self) -> Condition | None:
        """What of the restriction SQL can decide, where all of its parts must hold."""
        restriction = self._criteria.restriction
        if self._exact is not None or not isinstance(restriction, AndRestriction):
            return self._exact
        parts = [part for part in restriction.restricts if contents.condition(self._anywhere, part) is not None]
        return contents.condition(self._anywhere, AndRestriction(tuple(parts))) if parts else None

    async def _look(self, ids: Sequence[int]) -> Collection[int] | None:
        """Add those of the messages that match.

        Returns those that have changed meanwhile; None when the search was stopped or started anew.
        """
        wanted = {self._row.folder_id: self._criteria}
        rows: Sequence[MessageRow] = ()
        async with self._mailbox.database.read() as connection:
            seen = await search.select_versions(connection, self._mailbox.mailbox_id, ids, self._exact)
            if self._exact is None:
                rows = await read_messages(connection, self._mailbox, ids, wanted.values())
        matching: Sequence[int] = list(seen)
        if self._exact is None:
            found = await find(self._mailbox, rows, wanted)
            matching = [message_id for message_id, decided in found.items() if decided[self._row.folder_id]]
        if not matching:
            return ()
        async with changing(self._mailbox) as connection:
            if await _running(connection, self._mailbox, self._row.folder_id, self._row.started) is None:
                return None
            return await self._add(connection, matching, seen)

    async def _add(
        self, connection: Connection, ids: Sequence[int], seen: Mapping[int, MessageVersion]
    ) -> Collection[int]:
        """Those of the messages that are as they were seen, and still in the scope; returns the others."""
        mailbox_id = self._mailbox.mailbox_id
        present = await search.select_versions(connection, mailbox_id, ids, self._exact)
        shown = await search.select_results_of(connection, mailbox_id, ids)
        known = {item.message_id for item in shown if item.folder_id == self._row.folder_id}
        nested = {item.message_id for item in shown if item.folder_id in self._row.folder_ids}
        changed = [number for number in present if self._exact is None and present[number] != seen.get(number)]
        new = [
            Result(self._row.folder_id, number, version.is_read, version.size)
            for number, version in present.items()
            if number not in known
            and number not in changed
            and not version.is_associated
            and (version.folder_id in self._homes or number in nested)
        ]
        homes = {number: version.folder_id for number, version in present.items()}
        await replace_results(connection, self._mailbox, [], new, homes)
        following = dependents(self._row.folder_id, await live_folders(connection, self._mailbox))
        if new and following:
            await apply(connection, self._mailbox, [item.message_id for item in new], following)
        return changed

    async def _finish(self) -> None:
        async with changing(self._mailbox) as connection:
            row = await _running(connection, self._mailbox, self._row.folder_id, self._row.started)
            if row is not None:
                flags = row.search_flags & ~(SearchState.RUNNING | SearchState.REBUILD) | SearchState.COMPLETE
                await search.update_search_flags(connection, self._mailbox.mailbox_id, row.folder_id, flags)
                note(self._mailbox, Event(Kind.SEARCH_COMPLETE, row.folder_id))


def with_subfolders(folder_ids: Collection[int], places: Sequence[Place]) -> set[int]:
    """The folders and all below them."""
    children: dict[int, list[int]] = {}
    for place in places:
        children.setdefault(place.parent_id, []).append(place.folder_id)
    found: set[int] = set()
    level = list(folder_ids)
    while level:
        found.update(level)
        level = [child for parent in level for child in children.get(parent, ()) if child not in found]
    return found


async def _index(mailbox: Mailbox) -> None:
    try:
        more = True
        while more and not mailbox.database.closing.is_set():
            more = await _index_some(mailbox)
            await asyncio.sleep(PAUSE)
    except Exception:
        log.exception("the full-text index of mailbox %s cannot be kept", mailbox.guid)


async def _index_some(mailbox: Mailbox) -> bool:
    """Take some messages from the queue; False when it is empty."""
    async with mailbox.database.read() as connection:
        queued = await search_text.select_queue(connection, mailbox.mailbox_id, INDEXED_TOGETHER)
        ids = list(dict.fromkeys(message_id for message_id, _moment in queued))
        rows = await contents.select_rows(connection, Scope(mailbox.mailbox_id, None), ids, children=True)
    if not queued:
        return False
    texts = dict.fromkeys(ids) | await asyncio.to_thread(_texts, mailbox, rows)
    async with mailbox.database.write() as connection:
        await search_text.index_texts(connection, mailbox.mailbox_id, texts, queued)
    return True


def _texts(mailbox: Mailbox, rows: Mapping[int, MessageRow]) -> dict[int, str | None]:
    return {message_id: None if row.is_associated else message_text(mailbox, row) for message_id, row in rows.items()}
