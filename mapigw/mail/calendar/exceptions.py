"""Occurrences that differ: the blob's part and the embedded message of each (MS-OXOCAL 2.2.10, 2.2.1.44.2)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from mapigw.mail.attachments import EMBEDDED_MESSAGE, NOT_RENDERED
from mapigw.mail.calendar import names as lid
from mapigw.mail.calendar.attendees import attendees
from mapigw.mail.calendar.events import (
    BusyStatus,
    Times,
    attached_files,
    body_properties,
    busy_status,
    global_object_id,
    intended_status,
    local_time,
    reminder_minutes,
    text_properties,
    time_properties,
    times_of,
)
from mapigw.mail.calendar.reader import Component
from mapigw.mail.calendar.series import ModifiedOccurrence, Series
from mapigw.mail.calendar.values import moment
from mapigw.mail.calendar.vtimezones import Zones
from mapigw.mail.calendar.zones import Zone
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message, Properties
from mapigw.wire.properties import filetime

EXCEPTION_CLASS: Final = "IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}"
ATTACHMENT_EXCEPTION: Final = 0x00000002
"""afException of PidTagAttachmentFlags."""
MAX_EXCEPTIONS: Final = 1000


@dataclass(frozen=True, slots=True)
class Changed:
    """A series with its exceptions; ``complete``: all of them could be expressed."""

    series: Series
    attachments: list[Attachment]
    complete: bool


def with_exceptions(
    series: Series,
    master: Component,
    times: Times,
    overrides: Sequence[Component],
    zones: Zones,
    now: datetime,
    *,
    provisional: bool,
) -> Changed:
    """The series with the components that have a RECURRENCE-ID; a cancelled one deletes its occurrence.

    ``provisional`` is for requests, which show all time as tentative until they are answered.
    """
    complete = len(overrides) <= MAX_EXCEPTIONS
    wanted = {}
    for override in overrides[:MAX_EXCEPTIONS]:
        instance = moment(override.first("RECURRENCE-ID"))
        if instance is None:
            complete = False
            continue
        complete = complete and override.first("RECURRENCE-ID").params.get("RANGE") is None  # type: ignore[union-attr]
        wanted[local_time(instance, zones, times.zone).date()] = override
    days = set()
    for day in series.dates():
        if not wanted or day > max(wanted):
            break
        if day in wanted:
            days.add(day)
    complete = complete and days == wanted.keys()
    deleted = set(series.deleted)
    modified = {item.original.date(): item for item in series.exceptions}
    embedded: dict[datetime, Attachment] = {}
    for day in sorted(days):
        override = wanted[day]
        if override.value("STATUS").upper() == "CANCELLED":
            deleted.add(day)
            modified.pop(day, None)
            continue
        found = times_of(override, zones)
        if found is None:
            complete = False
            continue
        item = _modified(series.start_on(day), override, found, master, times, provisional=provisional)
        deleted.discard(day)
        modified[day] = item
        embedded[item.original] = exception_attachment(
            item, _message(item, override, found, master, times, now, provisional=provisional), times.zone
        )
    exceptions = tuple(sorted(modified.values(), key=lambda item: item.start))
    for item in exceptions:
        if item.original not in embedded:  # moved by an RDATE
            embedded[item.original] = exception_attachment(item, _plain_message(item, times.zone), times.zone)
    changed = replace(series, deleted=frozenset(deleted), exceptions=exceptions)
    return Changed(changed, [embedded[item.original] for item in exceptions], complete)


def _modified(
    original: datetime, override: Component, found: Times, master: Component, times: Times, *, provisional: bool
) -> ModifiedOccurrence:
    start = times.zone.local(found.start)
    subject, location = override.text("SUMMARY"), override.text("LOCATION")
    busy, usual_busy = (_shown(item, provisional=provisional) for item in (override, master))
    minutes, usual = reminder_minutes(override, found), reminder_minutes(master, times)
    return ModifiedOccurrence(
        start,
        max(times.zone.local(found.end), start),
        original,
        subject=_text(subject) if subject != master.text("SUMMARY") else None,
        location=_text(location) if location != master.text("LOCATION") else None,
        busy_status=busy if busy != usual_busy else None,
        reminder_delta=minutes if minutes is not None and minutes != usual else None,
        reminder_set=minutes is not None if (minutes is None) != (usual is None) else None,
        sub_type=found.all_day if found.all_day != times.all_day else None,
        has_body=body_properties(override) != body_properties(master),
    )


def _shown(event: Component, *, provisional: bool) -> int:
    return int(min(intended_status(event), BusyStatus.TENTATIVE) if provisional else busy_status(event))


_MAX_TEXT: Final = 255


def _text(text: str) -> str:
    return " ".join(text.split())[:_MAX_TEXT]


def _message(
    item: ModifiedOccurrence,
    override: Component,
    found: Times,
    master: Component,
    times: Times,
    now: datetime,
    *,
    provisional: bool,
) -> Message:
    """The Exception Embedded Message object: what an exception has of its own, and its times."""
    identity = global_object_id(master, now)
    properties = text_properties(override)
    properties |= {
        lid.PidLidBusyStatus: _shown(override, provisional=provisional),
        lid.PidLidIntendedBusyStatus: int(intended_status(override)),
        lid.PidLidFExceptionalBody: item.has_body,
        lid.PidLidGlobalObjectId: identity.of_instance(item.original.date()).build(),
        lid.PidLidCleanGlobalObjectId: identity.clean.build(),
        **exception_properties(item, time_properties(found, None), times.zone),
    }
    minutes = reminder_minutes(override, found)
    properties[lid.PidLidReminderSet] = minutes is not None
    if minutes is not None:
        properties[lid.PidLidReminderDelta] = minutes
    message = Message(properties, attendees(override), attached_files(override))
    rows = [{**row, tags.PidTagRecipientTrackStatus: 0} for row in message.recipients]
    if rows != [{**row, tags.PidTagRecipientTrackStatus: 0} for row in attendees(master)]:
        properties[lid.PidLidFExceptionalAttendees] = True
    return message


def _plain_message(item: ModifiedOccurrence, zone: Zone) -> Message:
    begin, finish = filetime(zone.utc(item.start)), filetime(zone.utc(item.end))
    whole: Properties = {lid.PidLidAppointmentStartWhole: begin, lid.PidLidAppointmentEndWhole: finish}
    return Message(exception_properties(item, whole, zone))


def exception_properties(item: ModifiedOccurrence, properties: Properties, zone: Zone) -> Properties:
    """``properties`` as those of an Exception Embedded Message object."""
    return properties | {
        tags.PidTagMessageClass: EXCEPTION_CLASS,
        lid.PidLidExceptionReplaceTime: filetime(zone.utc(item.original)),
        lid.PidLidIsException: True,
        lid.PidLidIsRecurring: True,
        lid.PidLidRecurring: False,
    }


def exception_attachment(item: ModifiedOccurrence, message: Message, zone: Zone) -> Attachment:
    """The Exception Attachment object; its start and end are local times (2.2.10.1)."""
    return Attachment(
        {
            tags.PidTagAttachMethod: EMBEDDED_MESSAGE,
            tags.PidTagAttachmentHidden: True,
            tags.PidTagAttachmentFlags: ATTACHMENT_EXCEPTION,
            tags.PidTagAttachmentLinkId: 0,
            tags.PidTagAttachFlags: 0,
            tags.PidTagAttachEncoding: b"",
            tags.PidTagDisplayName: "Untitled",
            tags.PidTagRenderingPosition: NOT_RENDERED,
            tags.PidTagExceptionStartTime: filetime(item.start.replace(tzinfo=UTC)),
            tags.PidTagExceptionEndTime: filetime(item.end.replace(tzinfo=UTC)),
            tags.PidTagExceptionReplaceTime: filetime(zone.utc(item.original)),
        },
        message,
    )
