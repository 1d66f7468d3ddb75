"""Whether a room or a piece of equipment is free for a meeting, by its policy."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from heapq import merge
from itertools import takewhile
from typing import Final

from mapigw.mail.calendar import names as lid
from mapigw.mail.calendar.events import BusyStatus, StateFlags
from mapigw.mail.calendar.stored import Span, series_of, span_of, zone_of
from mapigw.mail.export.reader import PropertyReader, with_names
from mapigw.mailbox.calendar_index import CalendarIndex
from mapigw.mailbox.content import decode_message
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store.blobs import FolderBlobStore
from mapigw.store.messages import MessageRow
from mapigw.wire.properties import PropertyName, filetime

_MAX_ITEMS: Final = 5000
_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class RoomPolicy:
    """What a room does by itself with requests for it."""

    allow_conflicts: bool = False
    horizon: timedelta = timedelta(days=180)
    """How far ahead it can be booked; a series without end is looked at so far."""
    maximum_duration: timedelta | None = timedelta(hours=24)
    allow_recurring: bool = True


class Verdict(Enum):
    """The decision about a request, and what an answer says about it."""

    ACCEPTED = "Your request was accepted."
    CONFLICT = "Your request was declined because there are conflicts."
    TOO_LONG = "Your request was declined because it takes too long."
    TOO_FAR = "Your request was declined because it is too far in the future."
    RECURRING = "Your request was declined because recurring meetings are not allowed."
    PAST = "Your request was declined because it is over."


def occurrences(values: PropertyReader, start: datetime, end: datetime) -> Iterator[Span]:
    """What an item takes of the time between ``start`` and ``end``, aware, in order but for moved occurrences."""
    series = series_of(values)
    if series is None:
        span = span_of(values)
        spans = iter([] if span is None else [span])
    else:
        zone = zone_of(values, recurring=True)
        spans = (Span(zone.utc(item.start), zone.utc(item.end)) for item in series.occurrences())
    for span in takewhile(lambda span: span.start < end + _SLACK, spans):
        if span.start < end and span.end > start:
            yield span


_SLACK: Final = timedelta(days=31)
"""How far an occurrence may have been moved ahead of its place."""


async def decide(
    mailbox: Mailbox, folder_id: int, request: PropertyReader, policy: RoomPolicy, now: datetime, own: frozenset[int]
) -> Verdict:
    """Whether the calendar in ``folder_id`` has room for a request; ``own`` are the meeting's items in it."""
    span = span_of(request)
    if span is None:
        return Verdict.PAST
    series = series_of(request)
    horizon = now + policy.horizon
    if series is not None and not policy.allow_recurring:
        return Verdict.RECURRING
    if policy.maximum_duration is not None and span.end - span.start > policy.maximum_duration:
        return Verdict.TOO_LONG
    if span.start > horizon:
        return Verdict.TOO_FAR
    wanted = await asyncio.to_thread(lambda: list(occurrences(request, now, horizon)))
    if not wanted:
        return Verdict.PAST
    if policy.allow_conflicts:
        return Verdict.ACCEPTED
    first, last = min(item.start for item in wanted), max(item.end for item in wanted)
    found = await CalendarIndex(mailbox, folder_id).between(filetime(first), filetime(last), _MAX_ITEMS)
    others = [message_id for message_id in found if message_id not in own]
    names = await mailbox.property_names()
    taken = _Taken(wanted, first, last, names, mailbox.database.blobs)
    for start in range(0, len(others), _BATCH):
        rows = await mailbox.messages(folder_id, others[start : start + _BATCH])
        if await asyncio.to_thread(taken.conflict, rows.values()):
            return Verdict.CONFLICT
    return Verdict.ACCEPTED


@dataclass(frozen=True, slots=True)
class _Taken:
    """What is in the way of the spans that are wanted, which lie between ``start`` and ``end``."""

    wanted: list[Span]
    start: datetime
    end: datetime
    names: Mapping[int, PropertyName]
    blobs: FolderBlobStore

    def conflict(self, rows: Iterable[MessageRow]) -> bool:
        """Whether one of these items is. Blocks."""
        for row in rows:
            values = PropertyReader(with_names(decode_message(row), self.names).properties, self.blobs)
            if _overlap(self.wanted, _taken(values, self.start, self.end)):
                return True
        return False


def _taken(values: PropertyReader, start: datetime, end: datetime) -> list[Span]:
    """When an item keeps the room busy."""
    canceled = values.integer(lid.PidLidAppointmentStateFlags) & StateFlags.CANCELED
    if canceled or values.integer(lid.PidLidBusyStatus, BusyStatus.BUSY) == BusyStatus.FREE:
        return []
    return list(occurrences(values, start, end))


def _overlap(wanted: list[Span], taken: list[Span]) -> bool:
    """Whether a span of one overlaps one of the other; spans of one list may overlap."""
    latest: dict[bool, datetime] = {}
    ordered = merge(
        ((span.start, True, span.end) for span in sorted(wanted, key=lambda item: item.start)),
        ((span.start, False, span.end) for span in sorted(taken, key=lambda item: item.start)),
    )
    for start, mine, end in ordered:
        if end > start and latest.get(not mine, _LONG_AGO) > start:
            return True
        latest[mine] = max(latest.get(mine, _LONG_AGO), end)
    return False


_LONG_AGO: Final = datetime(1, 1, 1, tzinfo=UTC)
