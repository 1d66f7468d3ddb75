"""What other processes (the command line, a delivery) change in mailboxes that somebody listens to here.

One connection is asked a few times a second whether anything was committed at all; only then the counters of the
mailboxes are compared, and of those that have come further than this process knows, the changes are read. They are
found by their change numbers, so that what happened is only partly known: a move is a deletion and a creation.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from mapigw.mailbox.events import Changes, Collector, Counts, Event, Gaps, Hub, Kind, appended
from mapigw.store import events
from mapigw.store.database import Connection, Database
from mapigw.store.events import ChangedFolder, ChangedMessage
from mapigw.store.mailboxes import SEARCH_FOLDER

log = logging.getLogger("mapigw.mailbox")

INTERVAL: Final = 0.25  # seconds


async def watch(database: Database, hub: Hub) -> None:
    """Publish what other processes change, until the database is closed."""
    version = -1
    while not database.closing.is_set():
        try:
            found = await database.version()
            if found != version and hub.heard():
                await publish_foreign_changes(database, hub)
            version = found
        except Exception:
            log.exception("changes of other processes cannot be found")
        with suppress(TimeoutError):
            await asyncio.wait_for(database.closing.wait(), INTERVAL)


async def publish_foreign_changes(database: Database, hub: Hub) -> None:
    """Publish what has been committed by others until now."""
    async with hub.looking:
        await _publish(database, hub)


async def _publish(database: Database, hub: Hub) -> None:
    found: list[Changes] = []
    async with database.snapshot() as connection:
        counters = await events.select_counters(connection, hub.heard())
        for mailbox_id, position in counters.items():
            gaps = hub.gaps(mailbox_id, position)
            if gaps is not None:
                found += await _changes(connection, mailbox_id, gaps)
    for mailbox_id, position in counters.items():
        hub.advance(mailbox_id, position)
    for changes in found:
        hub.publish(changes)


async def _changes(connection: Connection, mailbox_id: int, gaps: Gaps) -> list[Changes]:
    collector = Collector([mailbox_id])
    for row in await events.select_tombstones(connection, mailbox_id, gaps.above):
        if row.change_number not in gaps:
            continue
        if row.is_folder:
            event = Event(Kind.OBJECT_DELETED, row.object_id, parent_id=row.folder_id)
        else:
            event = Event(Kind.OBJECT_DELETED, row.folder_id, row.object_id, is_associated=row.is_associated)
        collector.note(mailbox_id, [event])
    for folder in await events.select_changed_folders(connection, mailbox_id, gaps.above):
        if folder.change_number in gaps:
            collector.touch(mailbox_id, folder.folder_id, Counts.NONE)
            if folder.folder_id in gaps:
                collector.note(mailbox_id, [Event(Kind.OBJECT_CREATED, folder.folder_id, parent_id=folder.parent_id)])
        if folder.content_change_number > gaps.above:
            await _contents(connection, mailbox_id, folder, gaps, collector)
    await collector.complete(connection)
    return collector.results(None)


async def _contents(
    connection: Connection, mailbox_id: int, folder: ChangedFolder, gaps: Gaps, collector: Collector
) -> None:
    if folder.folder_type == SEARCH_FOLDER:
        # Its results have no change numbers.
        event = Event(Kind.OBJECT_MODIFIED, folder.folder_id, parent_id=folder.parent_id, is_emptied=True)
        collector.note(mailbox_id, [event])
        return
    for row in await events.select_changed_messages(connection, mailbox_id, folder.folder_id, gaps.above):
        collector.note(mailbox_id, _message_events(folder.folder_id, row, gaps))
        if row.read_change_number in gaps and not row.is_associated:
            collector.touch(mailbox_id, folder.folder_id, Counts.UNREAD)


def _message_events(folder_id: int, row: ChangedMessage, gaps: Gaps) -> Iterator[Event]:
    if row.change_number in gaps and row.message_id >= gaps.next_message_id:
        yield from appended(folder_id, row)
    elif row.change_number in gaps or row.read_change_number in gaps:
        yield Event(Kind.OBJECT_MODIFIED, folder_id, row.message_id, is_associated=row.is_associated)
