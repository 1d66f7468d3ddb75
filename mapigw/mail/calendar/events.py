"""A VEVENT to the properties of a calendar item or meeting message (MS-OXCICAL 2.1.3.1.1.20, MS-OXOCAL 2.2.1)."""

import base64
import binascii
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum, IntFlag
from typing import Final

from mapigw.mail.attachments import file_properties, legal_file_name
from mapigw.mail.calendar import names as lid
from mapigw.mail.calendar.reader import Component
from mapigw.mail.calendar.series import Series
from mapigw.mail.calendar.values import Moment, moment, parse_duration
from mapigw.mail.calendar.vtimezones import Zones
from mapigw.mail.calendar.zones import UTC_ZONE, Zone, time_zone_definition, time_zone_struct
from mapigw.mail.fields import subject_properties
from mapigw.mail.headers import clean
from mapigw.mail.names import KEYWORDS
from mapigw.wire import tags
from mapigw.wire.global_object_ids import GlobalObjectId
from mapigw.wire.message import Attachment, Properties
from mapigw.wire.properties import filetime
from mapigw.wire.recurrence import EndType, RecurFrequency


class BusyStatus(IntEnum):
    """PidLidBusyStatus (MS-OXOCAL 2.2.1.2)."""

    FREE = 0
    TENTATIVE = 1
    BUSY = 2
    OUT_OF_OFFICE = 3
    WORKING_ELSEWHERE = 4


class StateFlags(IntFlag):
    """PidLidAppointmentStateFlags (MS-OXOCAL 2.2.1.10)."""

    MEETING = 0x1
    RECEIVED = 0x2
    CANCELED = 0x4


BUSY_STATUS: Final = {
    "FREE": BusyStatus.FREE,
    "TENTATIVE": BusyStatus.TENTATIVE,
    "BUSY": BusyStatus.BUSY,
    "OOF": BusyStatus.OUT_OF_OFFICE,
    "WORKINGELSEWHERE": BusyStatus.WORKING_ELSEWHERE,
}
SENSITIVITY: Final = {"PUBLIC": 0, "X-PERSONAL": 1, "PRIVATE": 2, "CONFIDENTIAL": 3}
NATIVE_BODY_PLAIN: Final = 1
NATIVE_BODY_HTML: Final = 3
_UTF8: Final = 65001
_MAX_LOCATION: Final = 255
_MAX_CATEGORIES: Final = 100
_DEFAULT_REMINDER: Final = 15
_DEFAULT_ALL_DAY_REMINDER: Final = 18 * 60
_MAX_REMINDER: Final = 0x5AE980DF
_INT32: Final = (1 << 31) - 1
_DAY: Final = timedelta(days=1)
CLIP_END: Final = 0x0CB34557A3DD4000
"""PidLidClipEnd of a series without end (MS-OXOCAL 2.2.1.15)."""


@dataclass(frozen=True, slots=True)
class Times:
    """When a component is: naive, on the clocks of its zones, and in UTC."""

    zone: Zone
    end_zone: Zone
    local_start: datetime
    duration: timedelta
    all_day: bool
    is_date: bool

    @property
    def start(self) -> datetime:
        return self.zone.utc(self.local_start)

    @property
    def end(self) -> datetime:
        """An all-day event ends at a midnight, another after as much time as it takes."""
        if self.all_day:
            return self.zone.utc(self.local_start + self.duration)
        return self.start + self.duration


def local_time(item: Moment, zones: Zones, zone: Zone) -> datetime:
    """A moment as a naive time on the clock of ``zone``."""
    if item.is_utc:
        return zone.local(item.wall.replace(tzinfo=UTC))
    if item.is_date or not item.tzid:
        return item.wall
    other = zones.get(item.tzid)
    return item.wall if other.tz == zone.tz else zone.local(other.utc(item.wall))


def times_of(event: Component, zones: Zones) -> Times | None:
    """None without a DTSTART that is a date (MS-OXCICAL 2.1.3.1.1.20.8 to 10)."""
    start = moment(event.first("DTSTART"))
    if start is None:
        return None
    zone = UTC_ZONE if start.is_utc else zones.get(start.tzid)
    end = moment(event.first("DTEND"))
    length = parse_duration(event.value("DURATION"))
    end_zone = zone
    if end is not None and not start.is_date and not end.is_date:
        end_zone = UTC_ZONE if end.is_utc else zones.get(end.tzid) if end.tzid else zone
        end_wall = local_time(end, zones, end_zone)
        length = end_zone.utc(end_wall) - zone.utc(start.wall)
    elif end is not None:
        length = end.wall - start.wall
    elif length is None:
        length = _DAY if start.is_date else timedelta(0)
    if start.is_date and length < _DAY:
        length = _DAY
    length = max(length, timedelta(0))
    flagged = event.value("X-MICROSOFT-CDO-ALLDAYEVENT").upper() == "TRUE"
    local_end = end_zone.local(zone.utc(start.wall) + length) if flagged else start.wall
    midnights = start.wall.time() == time() == local_end.time() and length > timedelta(0)
    if flagged and midnights:
        length = local_end - start.wall
    return Times(zone, end_zone, start.wall, length, start.is_date or (flagged and midnights), start.is_date)


def time_properties(times: Times, series: Series | None) -> Properties:
    """Start and end, and what a series adds (MS-OXOCAL 2.2.1.5 to 2.2.1.15, 2.2.1.39 to 2.2.1.46)."""
    zone = times.zone
    start, end = times.start, times.end
    if series is not None:
        start = zone.utc(series.start_on(series.first))
        end = zone.utc(series.start_on(series.first) + series.duration)
    begin, finish = filetime(start), filetime(end)
    year = start.year
    last = year if series is None else (series.last.year if series.last else year + 10)
    properties: Properties = {
        lid.PidLidAppointmentStartWhole: begin,
        lid.PidLidAppointmentEndWhole: finish,
        lid.PidLidCommonStart: begin,
        lid.PidLidCommonEnd: finish,
        tags.PidTagStartDate: begin,
        tags.PidTagEndDate: finish,
        lid.PidLidAppointmentDuration: min((end - start) // timedelta(minutes=1), _INT32),
        lid.PidLidAppointmentSubType: times.all_day,
        lid.PidLidRecurring: series is not None,
        lid.PidLidIsRecurring: series is not None,
        lid.PidLidIsException: False,
        lid.PidLidRecurrenceType: 0,
        lid.PidLidClipStart: begin,
        lid.PidLidClipEnd: finish,
        lid.PidLidTimeZoneDescription: zone.name,
        lid.PidLidAppointmentTimeZoneDefinitionStartDisplay: time_zone_definition(zone, year, last_year=last),
        lid.PidLidAppointmentTimeZoneDefinitionEndDisplay: time_zone_definition(times.end_zone, year, last_year=last),
    }
    if series is not None:
        properties |= {
            lid.PidLidAppointmentRecur: series.build(),
            lid.PidLidRecurrenceType: _RECURRENCE_TYPES[series.pattern.frequency],
            lid.PidLidRecurrencePattern: describe(series),
            lid.PidLidTimeZoneStruct: time_zone_struct(zone.tz, year),
            lid.PidLidAppointmentTimeZoneDefinitionRecur: time_zone_definition(
                zone, year, last_year=last, recurring=True
            ),
            lid.PidLidClipStart: _midnight(series.first),
            lid.PidLidClipEnd: CLIP_END if series.last is None else _midnight(series.last),
        }
    return properties


def _midnight(day: date) -> int:
    return filetime(datetime.combine(day, time(), UTC))


_RECURRENCE_TYPES: Final = {
    RecurFrequency.DAILY: 1,
    RecurFrequency.WEEKLY: 2,
    RecurFrequency.MONTHLY: 3,
    RecurFrequency.YEARLY: 4,
}
_UNITS: Final = {1: "day", 2: "week", 3: "month", 4: "year"}


def describe(series: Series) -> str:
    """PidLidRecurrencePattern: words for people without a calendar (MS-OXOCAL 2.2.1.46)."""
    kind = _RECURRENCE_TYPES[series.pattern.frequency]
    period = series.pattern.period // 12 if kind == 4 else series.pattern.period
    every = f"every {period} {_UNITS[kind]}s" if period > 1 else f"every {_UNITS[kind]}"
    start, end = series.start_on(series.first), series.start_on(series.first) + series.duration
    text = f"{every} effective {series.first:%Y-%m-%d}"
    if series.end_type != EndType.NEVER and series.last is not None:
        text += f" until {series.last:%Y-%m-%d}"
    return f"{text} from {start:%H:%M} to {end:%H:%M}"


def text_properties(event: Component) -> Properties:
    """Subject, place, bodies, categories, sensitivity and importance."""
    location = clean(event.text("LOCATION"))[:_MAX_LOCATION]
    sensitivity = SENSITIVITY.get(event.value("CLASS").upper(), 0)
    categories = [clean(item) for found in event.all("CATEGORIES") for item in found.texts()]
    properties: Properties = {
        **subject_properties(clean(event.text("SUMMARY"))),
        lid.PidLidLocation: location,
        lid.PidLidWhere: location,
        tags.PidTagSensitivity: sensitivity,
        lid.PidLidPrivate: sensitivity == SENSITIVITY["PRIVATE"],
        tags.PidTagImportance: importance(event),
        **body_properties(event),
    }
    if any(categories):
        properties[KEYWORDS] = list(dict.fromkeys(item[:_MAX_LOCATION] for item in categories if item))[
            :_MAX_CATEGORIES
        ]
    return properties


def body_properties(event: Component) -> Properties:
    """DESCRIPTION, or COMMENT where there is none, and X-ALT-DESC in HTML."""
    text = event.text("DESCRIPTION") or event.text("COMMENT")
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    html = next(
        (item.text for item in event.all("X-ALT-DESC") if item.params.get("FMTTYPE", "").lower() == "text/html"), ""
    )
    properties: Properties = {tags.PidTagBody: text, tags.PidTagNativeBody: NATIVE_BODY_PLAIN}
    if html.strip():
        properties[tags.PidTagHtml] = html.encode("utf-8", "replace")
        properties[tags.PidTagNativeBody] = NATIVE_BODY_HTML
        properties[tags.PidTagInternetCodepage] = _UTF8
    return properties


def importance(event: Component) -> int:
    """X-MICROSOFT-CDO-IMPORTANCE, else PRIORITY (MS-OXCICAL 2.1.3.1.1.20.17, 20.54)."""
    own = event.value("X-MICROSOFT-CDO-IMPORTANCE")
    if own in ("0", "1", "2"):
        return int(own)
    priority = event.value("PRIORITY")
    number = int(priority) if priority.isdecimal() and len(priority) < 3 else 0
    return 2 if 1 <= number <= 4 else 0 if 6 <= number <= 9 else 1


def busy_status(event: Component) -> BusyStatus:
    """X-MICROSOFT-CDO-BUSYSTATUS, else TRANSP and STATUS (MS-OXCICAL 2.1.3.1.1.20.49)."""
    for name in ("X-MICROSOFT-CDO-BUSYSTATUS", "X-MICROSOFT-MSNCALENDAR-BUSYSTATUS"):
        found = BUSY_STATUS.get(event.value(name).upper())
        if found is not None:
            return found
    if event.value("TRANSP").upper() == "TRANSPARENT":
        return BusyStatus.FREE
    return BusyStatus.TENTATIVE if event.value("STATUS").upper() == "TENTATIVE" else BusyStatus.BUSY


def intended_status(event: Component) -> BusyStatus:
    """What the organizer wants the time to be shown as."""
    found = BUSY_STATUS.get(event.value("X-MICROSOFT-CDO-INTENDEDSTATUS").upper())
    return found if found is not None else busy_status(event)


def sequence(event: Component) -> int:
    for name in ("X-MICROSOFT-CDO-APPT-SEQUENCE", "SEQUENCE"):
        value = event.value(name)
        if value.isdecimal():
            return min(int(value[:12]), _INT32)
    return 0


def stamp(event: Component, now: datetime, *names: str) -> int:
    """The first of these properties that is a moment in UTC, else DTSTAMP, else ``now``: FILETIME."""
    for name in (*names, "DTSTAMP"):
        found = moment(event.first(name))
        if found is not None and not found.is_date:
            return filetime(found.wall.replace(tzinfo=UTC))
    return filetime(now)


def global_object_id(event: Component, now: datetime) -> GlobalObjectId:
    uid = event.text("UID")
    if uid:
        return GlobalObjectId.from_uid(uid)
    return GlobalObjectId(os.urandom(16), creation_time=filetime(now))


def owner_appointment_id(event: Component) -> Properties:
    value = event.value("X-MICROSOFT-CDO-OWNERAPPTID")
    digits = value.removeprefix("-")
    if not digits.isdecimal() or len(digits) > 10 or abs(int(value)) > _INT32:
        return {}
    return {tags.PidTagOwnerAppointmentId: int(value)}


def reminder_minutes(event: Component, times: Times) -> int | None:
    """Minutes between the first alarm that has a trigger and the start; None without an alarm (2.1.3.1.1.20.62)."""
    alarms = list(event.walk("VALARM"))
    for alarm in alarms:
        trigger = alarm.first("TRIGGER")
        if trigger is None:
            continue
        length = parse_duration(trigger.value)
        if length is None:
            absolute = moment(trigger)
            if absolute is None:
                continue
            length = absolute.wall.replace(tzinfo=UTC) - times.start
        elif trigger.params.get("RELATED", "").upper() == "END":
            length += times.duration
        return min(max(-length // timedelta(minutes=1), 0), _MAX_REMINDER)
    if not alarms:
        return None
    return _DEFAULT_ALL_DAY_REMINDER if times.all_day else _DEFAULT_REMINDER


def reminder_properties(minutes: int | None, starts: Iterator[datetime], now: datetime) -> Properties:
    """Of the next of ``starts`` (aware) that is not over; without one the reminder is off."""
    upcoming = next((start for start in starts if start >= now), None) if minutes is not None else None
    if minutes is None or upcoming is None:
        delta = _DEFAULT_REMINDER if minutes is None else minutes
        return {lid.PidLidReminderSet: False, lid.PidLidReminderDelta: delta}
    return {
        lid.PidLidReminderSet: True,
        lid.PidLidReminderDelta: minutes,
        lid.PidLidReminderTime: filetime(upcoming),
        lid.PidLidReminderSignalTime: filetime(upcoming - timedelta(minutes=minutes)),
    }


def attached_files(event: Component) -> list[Attachment]:
    """ATTACH: files inside the calendar, and links to others as Internet shortcuts."""
    found = []
    for number, item in enumerate(event.all("ATTACH")[:_MAX_FILES], 1):
        name = legal_file_name(
            item.params.get("FILENAME", "")
            or item.params.get("X-FILENAME", "")
            or item.params.get("X-APPLE-FILENAME", "")
        )
        mime_type = item.params.get("FMTTYPE", "") or "application/octet-stream"
        if item.params.get("ENCODING", "").upper() == "BASE64" or item.params.get("VALUE", "").upper() == "BINARY":
            try:
                data = base64.b64decode(item.value)
            except (binascii.Error, ValueError):
                data = item.value.encode("utf-8", "replace")
            found.append(Attachment(file_properties(name or f"ATT{number:05}.bin", mime_type, data)))
        elif not item.value.strip().lower().startswith("cid:"):
            link = f"[InternetShortcut]\r\nURL={clean(item.value)}\r\n".encode("utf-8", "replace")
            found.append(Attachment(file_properties(f"{name or f'ATT{number:05}'}.url", "text/plain", link)))
    return found


_MAX_FILES: Final = 250
