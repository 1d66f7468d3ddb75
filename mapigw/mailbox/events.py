"""What committed changes say, and who hears of them (MS-OXCNOTIF 2.2.1.1).

Whatever changes a mailbox does so in `changing` and says what it does by `note` and `touch`. What was said is published
when the transaction has been committed, to those who listen to the mailbox: nobody hears of what was undone, and where
nobody listens nothing is kept. The change numbers that the transaction took are claimed, so that the search for changes
of other processes (`mapigw.mailbox.foreign_changes`) passes them over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import TYPE_CHECKING, Final

from mapigw.store import events
from mapigw.store.events import ChangedMessage, Counters

if TYPE_CHECKING:
    from mapigw.mailbox.mailboxes import Mailbox
    from mapigw.store.database import Connection, Database
    from mapigw.store.messages import MessageRow

MESSAGE_FLAG_UNSENT: Final = 0x0008
MESSAGE_FLAG_HAS_ATTACHMENTS: Final = 0x0010

logger = logging.getLogger("mapigw.mailbox")


class Kind(IntEnum):
    """Types of events, as in NotificationTypes (MS-OXCNOTIF 2.2.1.2.1.1)."""

    NEW_MAIL = 0x0002
    OBJECT_CREATED = 0x0004
    OBJECT_DELETED = 0x0008
    OBJECT_MODIFIED = 0x0010
    OBJECT_MOVED = 0x0020
    OBJECT_COPIED = 0x0040
    SEARCH_COMPLETE = 0x0080


class Counts(IntFlag):
    """Which of a folder's counts may have changed."""

    NONE = 0
    TOTAL = 1
    UNREAD = 2


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has happened to a message, or to a folder where ``message_id`` is 0."""

    kind: Kind
    folder_id: int
    """The folder, or the one that the message is in."""
    message_id: int = 0
    parent_id: int = 0
    """Of a folder."""
    old_folder_id: int = 0
    """Where a moved or copied message was; a moved or copied folder's id before."""
    old_message_id: int = 0
    old_parent_id: int = 0
    search_folder_id: int = 0
    """The search folder that began or ceased to show the message, or shows it changed; 0: it is the message itself."""
    is_associated: bool = False
    total: int | None = None
    """Messages in the folder now; None: the number has not changed."""
    unread: int | None = None
    message_flags: int = 0
    """PidTagMessageFlags of new mail."""
    message_class: str = ""
    is_emptied: bool = False
    """A search folder began to search and shows nothing of what it showed."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The events of one transaction, in order."""

    mailbox_id: int
    events: Sequence[Event]
    origin: object | None
    """What `ORIGIN` was for whoever made them; None for other processes."""


Listener = Callable[[Changes], None]
"""Called on the event loop right after the commit: it must return at once."""

ORIGIN: Final[ContextVar[object | None]] = ContextVar("origin", default=None)
"""On whose behalf changes are made: the session whose request is executed."""


@dataclass(frozen=True, slots=True)
class Gaps:
    """Change numbers that transactions of other processes may have taken."""

    ranges: tuple[tuple[int, int], ...]
    """(above, up to), in order."""
    next_message_id: int
    """No message that was made in them has a lower id."""

    @property
    def above(self) -> int:
        return self.ranges[0][0]

    def __contains__(self, change_number: int) -> bool:
        return any(above < change_number <= up_to for above, up_to in self.ranges)


@dataclass(slots=True)
class _Heard:
    """A mailbox that somebody listens to."""

    listeners: dict[Listener, None] = field(default_factory=dict)
    position: Counters | None = None
    """Up to here other processes' changes have been published; None: not known yet."""
    claimed: list[tuple[int, int]] = field(default_factory=list)
    """(above, up to) what numbers transactions of this process have taken since, in order."""
    beginning: asyncio.Lock = field(default_factory=asyncio.Lock)


class Hub:
    """Who listens to which mailbox, in this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._heard: dict[int, _Heard] = {}
        self.looking = asyncio.Lock()
        """Held while other processes' changes are looked for, so that none is found twice."""

    def is_heard(self, mailbox_id: int) -> bool:
        return mailbox_id in self._heard

    async def subscribe(self, mailbox_id: int, listener: Listener) -> None:
        """Call ``listener`` for every transaction on the mailbox that is committed after this returns."""
        heard = self._heard.setdefault(mailbox_id, _Heard())
        heard.listeners[listener] = None
        try:
            async with heard.beginning:
                if heard.position is None:
                    # A transaction that began before anybody listened keeps no events: it has ended here.
                    async with self._database.write() as connection:
                        heard.position = (await events.select_counters(connection, [mailbox_id]))[mailbox_id]
        except BaseException:
            self.unsubscribe(mailbox_id, listener)
            raise

    def unsubscribe(self, mailbox_id: int, listener: Listener) -> None:
        heard = self._heard.get(mailbox_id)
        if heard is not None:
            heard.listeners.pop(listener, None)
            if not heard.listeners:
                del self._heard[mailbox_id]

    def publish(self, changes: Changes) -> None:
        heard = self._heard.get(changes.mailbox_id)
        for listener in list(heard.listeners) if heard is not None else ():
            try:
                listener(changes)
            except Exception:
                logger.exception("changes of mailbox %d cannot be announced", changes.mailbox_id)

    def claim(self, mailbox_id: int, above: int, up_to: int) -> None:
        """The numbers above one and up to another are those of a transaction that is about to be committed."""
        heard = self._heard.get(mailbox_id)
        if heard is not None and above < up_to:
            heard.claimed.append((above, up_to))

    def disclaim(self, mailbox_id: int, above: int) -> None:
        """The transaction was undone, and others take its numbers."""
        heard = self._heard.get(mailbox_id)
        if heard is not None:
            heard.claimed = [item for item in heard.claimed if item[0] != above]

    def heard(self) -> list[int]:
        """The mailboxes whose changes by other processes are to be published."""
        return [key for key, heard in self._heard.items() if heard.position is not None]

    def gaps(self, mailbox_id: int, position: Counters) -> Gaps | None:
        """What has happened up to a position, that a mailbox has reached, and nobody has claimed."""
        heard = self._heard.get(mailbox_id)
        if heard is None or heard.position is None or heard.position.last >= position.last:
            return None
        ranges, reached = [], heard.position.last
        # The last ones claimed may be of a transaction whose commit the position does not include yet.
        for above, up_to in (*heard.claimed, (position.last, position.last)):
            if reached < min(above, position.last):
                ranges.append((reached, min(above, position.last)))
            reached = max(reached, up_to)
        return Gaps(tuple(ranges), heard.position.next_message_id) if ranges else None

    def advance(self, mailbox_id: int, position: Counters) -> None:
        """All changes up to a position are public, or about to be."""
        heard = self._heard.get(mailbox_id)
        if heard is not None and heard.position is not None and heard.position.last < position.last:
            heard.claimed = [item for item in heard.claimed if item[1] > position.last]
            heard.position = position


class Collector:
    """What a transaction says while it goes on."""

    def __init__(self, mailbox_ids: Iterable[int]) -> None:
        self._events: dict[int, list[Event]] = {mailbox_id: [] for mailbox_id in mailbox_ids}
        self._touched: dict[tuple[int, int], Counts] = {}
        self._homes: dict[tuple[int, int], int] = {}

    def note(self, mailbox_id: int, found: Iterable[Event]) -> None:
        noted = self._events.get(mailbox_id)
        if noted is None:
            return
        for event in found:
            noted.append(event)
            self._touch_around(mailbox_id, event)

    def _touch_around(self, mailbox_id: int, event: Event) -> None:
        if event.message_id:
            counts = Counts.NONE if event.is_associated else Counts.TOTAL | Counts.UNREAD
            if event.kind is Kind.OBJECT_MODIFIED:
                counts = Counts.UNREAD if event.search_folder_id else Counts.NONE
            self.touch(mailbox_id, event.search_folder_id or event.folder_id, counts)
            if event.kind is Kind.OBJECT_MOVED:
                self.touch(mailbox_id, event.old_folder_id, counts)
            home = event.old_folder_id if event.kind is Kind.OBJECT_MOVED else event.folder_id
            message_id = event.old_message_id if event.kind is Kind.OBJECT_MOVED else event.message_id
            self._homes.setdefault((mailbox_id, message_id), home)
        elif event.kind is not Kind.SEARCH_COMPLETE:
            self.touch(mailbox_id, event.parent_id, Counts.NONE)
            if event.kind is Kind.OBJECT_MOVED:
                self.touch(mailbox_id, event.old_parent_id, Counts.NONE)
            if event.is_emptied:
                self.touch(mailbox_id, event.folder_id, Counts.TOTAL | Counts.UNREAD)

    def touch(self, mailbox_id: int, folder_id: int, counts: Counts) -> None:
        if mailbox_id in self._events:
            key = mailbox_id, folder_id
            self._touched[key] = self._touched.get(key, Counts.NONE) | counts

    def home(self, mailbox_id: int, message_id: int) -> int:
        """The folder that a message of an event is, or was, in; 0: not known."""
        return self._homes.get((mailbox_id, message_id), 0)

    async def complete(self, connection: Connection) -> None:
        """Add what is to be said of the folders, as they are at the end of the transaction."""
        for mailbox_id, noted in self._events.items():
            touched = {folder_id: counts for (key, folder_id), counts in self._touched.items() if key == mailbox_id}
            if not touched:
                continue
            for row in (await events.select_counts(connection, mailbox_id, list(touched))).values():
                counts = touched[row.folder_id]
                noted.append(
                    Event(
                        Kind.OBJECT_MODIFIED,
                        row.folder_id,
                        parent_id=row.parent_id,
                        total=row.content_count if counts & Counts.TOTAL else None,
                        unread=row.content_unread_count if counts & Counts.UNREAD else None,
                    )
                )

    def results(self, origin: object | None) -> list[Changes]:
        return [Changes(mailbox_id, tuple(found), origin) for mailbox_id, found in self._events.items() if found]


_collector: ContextVar[Collector | None] = ContextVar("collector", default=None)


@asynccontextmanager
async def changing(mailbox: Mailbox, *others: Mailbox) -> AsyncIterator[Connection]:
    """One transaction of `Database.write` on one or several mailboxes, whose events are published at its end."""
    hub = mailbox.hub
    before: dict[int, int] = {}
    try:
        async with mailbox.database.write() as connection:
            heard = [key for key in {mailbox.mailbox_id, *(item.mailbox_id for item in others)} if hub.is_heard(key)]
            if not heard:
                yield connection
                return
            collector = Collector(heard)
            counters = await events.select_counters(connection, heard)
            _collector.set(collector)
            try:
                yield connection
            finally:
                _collector.set(None)
            await collector.complete(connection)
            for mailbox_id, counter in (await events.select_counters(connection, heard)).items():
                before[mailbox_id] = counters[mailbox_id].last
                hub.claim(mailbox_id, counters[mailbox_id].last, counter.last)
    except BaseException:
        for mailbox_id, above in before.items():
            hub.disclaim(mailbox_id, above)
        raise
    for changes in collector.results(ORIGIN.get()):
        hub.publish(changes)


def collecting() -> bool:
    """Whether anybody will hear of what the transaction says, where that has to be found out."""
    return _collector.get() is not None


def note(mailbox: Mailbox, *found: Event) -> None:
    """Say what the transaction does. Of the folders whose messages or subfolders change nothing else need be said."""
    note_all(mailbox, found)


def note_all(mailbox: Mailbox, found: Iterable[Event]) -> None:
    """`note`, of events that are not even made where nobody listens."""
    collector = _collector.get()
    if collector is not None:
        collector.note(mailbox.mailbox_id, found)


def touch(mailbox: Mailbox, folder_id: int, counts: Counts = Counts.NONE) -> None:
    """Say that the transaction changes a folder."""
    collector = _collector.get()
    if collector is not None:
        collector.touch(mailbox.mailbox_id, folder_id, counts)


def home_of(mailbox: Mailbox, message_id: int) -> int:
    """The folder in which a message is, or was, of which the transaction has said something; else 0."""
    collector = _collector.get()
    return 0 if collector is None else collector.home(mailbox.mailbox_id, message_id)


def appended(folder_id: int, row: MessageRow | ChangedMessage) -> Iterator[Event]:
    """What is to be said of a message that came into a folder from outside: unread it is new mail."""
    yield Event(Kind.OBJECT_CREATED, folder_id, row.message_id, is_associated=row.is_associated)
    if not (row.is_read or row.is_associated or row.message_flags & MESSAGE_FLAG_UNSENT):
        yield Event(
            Kind.NEW_MAIL,
            folder_id,
            row.message_id,
            message_flags=row.message_flags | (MESSAGE_FLAG_HAS_ATTACHMENTS if row.has_attachments else 0),
            message_class=row.message_class,
        )


def moved_folder(folder_id: int, old_parent_id: int, parent_id: int) -> Event:
    return Event(
        Kind.OBJECT_MOVED, folder_id, parent_id=parent_id, old_folder_id=folder_id, old_parent_id=old_parent_id
    )
