"""MAPI to iCalendar (MS-OXCICAL 2.1.3, RFC 5545, RFC 5546)."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from icalendar import Alarm, Calendar, Event, Todo, vBinary, vDDDLists, vDDDTypes, vRecur, vText

from mapigw.mail.addresses import SENDER, SENT_REPRESENTING
from mapigw.mail.calendar import names as lid
from mapigw.mail.calendar.attendees import Response, attendee, calendar_address, is_organizer
from mapigw.mail.calendar.events import BUSY_STATUS, SENSITIVITY, BusyStatus
from mapigw.mail.calendar.importing import CANCELED_CLASS, REQUEST_CLASS, RESPONSE_CLASSES
from mapigw.mail.calendar.patterns import recurrence_rule
from mapigw.mail.calendar.series import ModifiedOccurrence, Series
from mapigw.mail.calendar.stored import (
    Span,
    end_zone_of,
    exception_time,
    midnight,
    series_of,
    span_of,
    time_of,
    zone_of,
)
from mapigw.mail.calendar.tasks import COMPLETE, IN_PROGRESS, TASK_CLASS
from mapigw.mail.calendar.vtimezones import vtimezone
from mapigw.mail.calendar.zones import UTC_ZONE, Zone
from mapigw.mail.export.addressing import Addressing
from mapigw.mail.export.fields import Mailbox
from mapigw.mail.export.reader import PropertyReader
from mapigw.mail.headers import clean
from mapigw.mail.names import KEYWORDS
from mapigw.mailbox.bodies.forms import converted
from mapigw.mailbox.bodies.html_text import decode_html
from mapigw.store.blobs import FolderBlobStore
from mapigw.wire import tags
from mapigw.wire.errors import WireError
from mapigw.wire.global_object_ids import GlobalObjectId
from mapigw.wire.message import Message, Properties
from mapigw.wire.recurrence import EndType

PRODUCT: Final = "-//mapigw//iCalendar//EN"
_RESPONSES: Final = {name.lower(): response for response, name in RESPONSE_CLASSES.items()}
_BUSY: Final = {value: name for name, value in BUSY_STATUS.items()}
_CLASSES: Final = {value: name for name, value in SENSITIVITY.items()}
_PRIORITY: Final = {0: 9, 1: 5, 2: 1}
_CONTROL: Final = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 127])
_MAX_HTML: Final = 256 << 10
_MAX_FILE: Final = 25 << 20
_BY_VALUE: Final = 1
_SINGLE, _MASTER, _EXCEPTION = 0, 1, 3  # X-MICROSOFT-CDO-INSTTYPE


@dataclass(frozen=True, slots=True)
class ICalendar:
    """A calendar in bytes, and its METHOD."""

    method: str
    data: bytes


def icalendar_of(
    message: Message,
    *,
    method: str | None = None,
    now: datetime | None = None,
    addressing: Addressing | None = None,
    blobs: FolderBlobStore | None = None,
) -> ICalendar | None:
    """The calendar of a meeting message, an appointment or a task, whose named properties are by name.

    ``method`` is that of the message's class (PUBLISH for what is no meeting message) when it is None. ``addressing``
    and ``blobs`` are for addresses of the directory and for large values. None for another kind of message, and for
    one that has no start. Blocks.
    """
    values = PropertyReader(message.properties, blobs)
    message_class = values.text(tags.PidTagMessageClass).lower()
    if method is None:
        method = _method(values, message_class)
    moment = (now or datetime.now(UTC)).replace(microsecond=0)
    writer = _Writer(message, values, method, moment, addressing or Addressing(), blobs)
    if message_class.startswith(TASK_CLASS.lower()):
        return writer.task()
    if not message_class.startswith(("ipm.appointment", "ipm.schedule.meeting.")):
        return None
    return writer.event(_RESPONSES.get(message_class))


def _method(values: PropertyReader, message_class: str) -> str:
    if message_class.startswith(REQUEST_CLASS.lower()):
        return "REQUEST"
    if message_class.startswith(CANCELED_CLASS.lower()):
        return "CANCEL"
    if message_class in _RESPONSES:
        return "COUNTER" if values.flag(lid.PidLidAppointmentCounterProposal) else "REPLY"
    return "PUBLISH"


def _text(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROL)


class _Writer:
    """One message on its way into a VCALENDAR."""

    def __init__(
        self,
        message: Message,
        values: PropertyReader,
        method: str,
        now: datetime,
        addressing: Addressing,
        blobs: FolderBlobStore | None,
    ) -> None:
        self._message = message
        self._values = values
        self._method = method
        self._now = now
        self._addressing = addressing
        self._blobs = blobs

    def event(self, response: Response | None) -> ICalendar | None:
        span = span_of(self._values)
        if self._method == "COUNTER":
            span = _proposed(self._values) or span
        if span is None:
            return None
        series = series_of(self._values)
        item = _Item(self._values, span, zone_of(self._values, recurring=series is not None))
        if series is not None:
            local = series.start_on(series.first)
            item = _Item(self._values, Span(item.zone.utc(local), item.zone.utc(local + series.duration)), item.zone)
        calendar = self._calendar()
        if item.zone is not UTC_ZONE:  # of whole days too, which are days of that zone
            first = item.span.start.year
            last = first if series is None else series.last.year if series.last else max(first, self._now.year) + 5
            calendar.add_component(vtimezone(item.zone, first, last))
            end_zone = end_zone_of(self._values, item.zone)
            if series is None and not item.all_day and end_zone.name != item.zone.name and end_zone is not UTC_ZONE:
                item.end_zone = end_zone
                calendar.add_component(vtimezone(end_zone, first, last))
        event = self._component(item, self._message, response)
        if series is not None:
            self._recur(event, series, item)
        elif self._values.flag(lid.PidLidIsException):
            self._name_instance(event, item)
        event.add("x-microsoft-cdo-insttype", str(_instance_type(series, self._values)))
        calendar.add_component(event)
        if series is not None:
            for component in self._exceptions(series, item, response):
                calendar.add_component(component)
        return ICalendar(self._method, calendar.to_ical())

    def _calendar(self) -> Any:
        calendar = Calendar()
        calendar.add("prodid", PRODUCT)
        calendar.add("version", "2.0")
        calendar.add("method", self._method)
        return calendar

    # Parts of a component

    def _component(self, item: "_Item", message: Message, response: Response | None) -> Any:
        values = item.values
        event = Event()
        event.add("uid", self._uid())
        event.add("dtstamp", self._stamp())
        event.add("sequence", max(values.integer(lid.PidLidAppointmentSequence), 0))
        item.write_times(event)
        if self._method == "COUNTER":
            was = span_of(self._values)
            if was is not None:
                event["X-MS-OLK-ORIGINALSTART"] = vDDDTypes(was.start.replace(microsecond=0))
                event["X-MS-OLK-ORIGINALEND"] = vDDDTypes(was.end.replace(microsecond=0))
        self._write_texts(event, values)
        self._write_status(event, values)
        self._write_people(event, message, response)
        if self._method in ("PUBLISH", "REQUEST") and values.flag(lid.PidLidReminderSet):
            event.add_component(_alarm(values.integer(lid.PidLidReminderDelta)))
        if self._method == "PUBLISH":
            self._write_files(event, message)
        return event

    def _uid(self) -> str:
        for key in (lid.PidLidGlobalObjectId, lid.PidLidCleanGlobalObjectId):
            data = self._values.binary(key)
            try:
                if data:
                    return clean(GlobalObjectId.parse(data).uid)
            except WireError:
                continue
        search_key = self._values.binary(tags.PidTagSearchKey)
        return str(uuid.uuid5(uuid.NAMESPACE_OID, search_key.hex()) if search_key else uuid.uuid4())

    def _stamp(self) -> datetime:
        keys = [lid.PidLidOwnerCriticalChange]
        if self._method in ("REPLY", "COUNTER"):
            keys.insert(0, lid.PidLidAttendeeCriticalChange)
        found = time_of(self._values, *keys)
        return (found or self._now).replace(microsecond=0)

    def _write_texts(self, event: Any, values: PropertyReader) -> None:
        subject = values.text(tags.PidTagSubject) or (
            values.text(tags.PidTagSubjectPrefix) + values.text(tags.PidTagNormalizedSubject)
        )
        event.add("summary", clean(subject))
        location = clean(values.text(lid.PidLidLocation))
        if location:
            event.add("location", location)
        text, html = _bodies(values)
        if text.strip():
            event.add("comment" if self._method in ("REPLY", "COUNTER") else "description", _text(text))
        if html and self._method in ("PUBLISH", "REQUEST"):
            event.add("x-alt-desc", vText(_text(html)), parameters={"FMTTYPE": "text/html"})
        event.add("class", _CLASSES.get(values.integer(tags.PidTagSensitivity), "PUBLIC"))
        importance = values.integer(tags.PidTagImportance, 1)
        event.add("priority", _PRIORITY.get(importance, 5))
        event.add("x-microsoft-cdo-importance", str(importance if importance in _PRIORITY else 1))
        categories = [clean(item) for item in values.texts(KEYWORDS)]
        if any(categories):
            event.add("categories", [item for item in categories if item])

    def _write_status(self, event: Any, values: PropertyReader) -> None:
        busy = values.integer(lid.PidLidBusyStatus, BusyStatus.BUSY)
        intended = values.integer(lid.PidLidIntendedBusyStatus, busy)
        shown = intended if self._method == "REQUEST" else busy
        status = "TENTATIVE" if shown == BusyStatus.TENTATIVE else "CONFIRMED"
        event.add("status", "CANCELLED" if self._method == "CANCEL" else status)
        event.add("transp", "TRANSPARENT" if shown == BusyStatus.FREE else "OPAQUE")
        event.add("x-microsoft-cdo-appt-sequence", str(max(values.integer(lid.PidLidAppointmentSequence), 0)))
        event.add(
            "x-microsoft-cdo-busystatus", _BUSY.get(BusyStatus(busy) if busy in _BUSY else BusyStatus.BUSY, "BUSY")
        )
        if intended in _BUSY and self._method != "REPLY":
            event.add("x-microsoft-cdo-intendedstatus", _BUSY[BusyStatus(intended)])
        event.add("x-microsoft-cdo-alldayevent", "TRUE" if values.flag(lid.PidLidAppointmentSubType) else "FALSE")
        owner = values.integer(tags.PidTagOwnerAppointmentId)
        if owner:
            event.add("x-microsoft-cdo-ownerapptid", str(owner))
        refused = values.flag(lid.PidLidAppointmentNotAllowPropose)
        event.add("x-microsoft-disallow-counter", "TRUE" if refused else "FALSE")

    def _write_people(self, event: Any, message: Message, response: Response | None) -> None:
        author = self._addressing.group(self._values, SENT_REPRESENTING)
        sender = self._addressing.group(self._values, SENDER)
        author, acting = author or sender, sender
        recipients = [self._smtp(row) for row in message.recipients]
        if self._method in ("REPLY", "COUNTER"):
            organizer = next((row for row in recipients if is_organizer(row)), recipients[0] if recipients else None)
            if organizer is not None:
                event.add("organizer", calendar_address(_name(organizer), organizer[tags.PidTagSmtpAddress]))
            if author is not None and author.email:
                row: Properties = {
                    tags.PidTagDisplayName: clean(author.name),
                    tags.PidTagSmtpAddress: clean(author.email),
                }
                found = attendee(row, response=response or Response.TENTATIVE)
                _add_sent_by(found, author, acting)
                event.add("attendee", found)
            return
        others = [row for row in recipients if not is_organizer(row) and row[tags.PidTagSmtpAddress]]
        if not others and self._method == "PUBLISH":
            return
        if author is None:
            known = next((row for row in recipients if is_organizer(row)), None)
            author = None if known is None else Mailbox(_name(known), known[tags.PidTagSmtpAddress])
        if author is not None and author.email:
            organizer_address = calendar_address(clean(author.name), clean(author.email))
            _add_sent_by(organizer_address, author, acting)
            event.add("organizer", organizer_address)
        wanted = self._method == "REQUEST" and self._values.properties.get(tags.PidTagResponseRequested) is not False
        for row in others:
            event.add("attendee", attendee(row, rsvp=wanted))

    def _smtp(self, row: Properties) -> Properties:
        found = self._addressing.recipient(PropertyReader(row, self._blobs))
        return {**row, tags.PidTagSmtpAddress: clean(found.email), tags.PidTagDisplayName: clean(found.name)}

    def _write_files(self, event: Any, message: Message) -> None:
        for attachment in message.attachments:
            values = PropertyReader(attachment.properties, self._blobs)
            method = values.integer(tags.PidTagAttachMethod, _BY_VALUE)
            hidden = values.flag(tags.PidTagAttachmentHidden)
            if method != _BY_VALUE or hidden or values.size(tags.PidTagAttachDataBinary) > _MAX_FILE:
                continue
            name = values.text(tags.PidTagAttachLongFilename) or values.text(tags.PidTagAttachFilename)
            mime_type = values.text(tags.PidTagAttachMimeTag) or "application/octet-stream"
            event.add(
                "attach",
                vBinary(values.binary(tags.PidTagAttachDataBinary)),
                parameters={"FMTTYPE": clean(mime_type), "FILENAME": clean(name)},
            )

    # Recurrence

    def _recur(self, event: Any, series: Series, item: "_Item") -> None:
        rule = recurrence_rule(series.pattern, series.first)
        if series.end_type == EndType.BY_COUNT and series.count:
            rule["count"] = series.count
        elif series.last is not None:
            last = series.start_on(series.last)
            rule["until"] = last.date() if item.all_day else item.zone.utc(last)
        event.add("rrule", vRecur(rule))
        if series.deleted:
            item.add(event, "exdate", [series.start_on(day) for day in sorted(series.deleted)])

    def _name_instance(self, event: Any, item: "_Item") -> None:
        """RECURRENCE-ID of a message about one occurrence (2.1.3.1.1.20.20)."""
        replaced = time_of(self._values, lid.PidLidExceptionReplaceTime)
        if replaced is not None:
            item.add(event, "recurrence-id", item.zone.local(replaced))
            return
        try:
            year, month, day = GlobalObjectId.parse(self._values.binary(lid.PidLidGlobalObjectId)).instance
            instance = date(year, month, day)
        except (WireError, ValueError):
            return
        start = item.zone.local(item.span.start)
        item.add(event, "recurrence-id", datetime.combine(instance, start.time()))

    def _exceptions(self, series: Series, item: "_Item", response: Response | None) -> Iterator[Any]:
        embedded = self._embedded()
        for exception in series.exceptions:
            start, end = item.zone.utc(exception.start), item.zone.utc(exception.end)
            found = embedded.get(item.zone.utc(exception.original))
            message = Message(dict(self._message.properties), self._message.recipients)
            if found is not None:
                own = {key: value for key, value in found.properties.items() if key != tags.PidTagMessageClass}
                message.properties |= own
                message.recipients = found.recipients or message.recipients
                message.attachments = found.attachments
                if tags.PidTagBody not in own and (tags.PidTagHtml in own or tags.PidTagRtfCompressed in own):
                    message.properties.pop(tags.PidTagBody, None)
            message.properties |= _exception_properties(exception)
            changed = _Item(PropertyReader(message.properties, self._blobs), Span(start, end), item.zone)
            component = self._component(changed, message, response)
            item.add(component, "recurrence-id", exception.original)
            component.add("x-microsoft-cdo-insttype", str(_EXCEPTION))
            yield component

    def _embedded(self) -> dict[datetime, Message]:
        """The Exception Embedded Message objects by the time that they replace."""
        found = {}
        for attachment in self._message.attachments:
            time = exception_time(attachment, self._blobs)
            if time is not None and attachment.embedded is not None:
                found[time] = attachment.embedded
        return found

    # Tasks

    def task(self) -> ICalendar:
        values, todo = self._values, Todo()
        todo.add("uid", self._uid())
        todo.add("dtstamp", self._now)
        self._write_texts(todo, values)
        for name, key in (("dtstart", lid.PidLidTaskStartDate), ("due", lid.PidLidTaskDueDate)):
            moment = time_of(values, key)
            if moment is not None:
                todo.add(name, moment.date())
        status = values.integer(lid.PidLidTaskStatus)
        done = values.properties.get(lid.PidLidPercentComplete)
        todo.add("percent-complete", round(min(max(done, 0.0), 1.0) * 100) if isinstance(done, float) else 0)
        todo.add("status", {COMPLETE: "COMPLETED", IN_PROGRESS: "IN-PROCESS"}.get(status, "NEEDS-ACTION"))
        completed = time_of(values, lid.PidLidTaskDateCompleted)
        if status == COMPLETE and completed is not None:
            todo.add("completed", completed.replace(microsecond=0))
        data = values.binary(lid.PidLidTaskRecurrence)
        if data and values.flag(lid.PidLidTaskFRecurring):
            try:
                series = Series.parse_task(data)
            except WireError:
                series = None
            if series is not None:
                start = _Item(values, Span(self._now, self._now), UTC_ZONE, all_day=True)
                self._recur(todo, series, start)
        self._write_files(todo, self._message)
        calendar = self._calendar()
        calendar.add_component(todo)
        return ICalendar(self._method, calendar.to_ical())


class _Item:
    """One component's times: in which zone, and whether they are days."""

    def __init__(self, values: PropertyReader, span: Span, zone: Zone, *, all_day: bool | None = None) -> None:
        self.values = values
        self.span = span
        self.zone = zone
        self.end_zone = zone
        self.all_day = values.flag(lid.PidLidAppointmentSubType) if all_day is None else all_day

    def write_times(self, event: Any) -> None:
        start, end = self.zone.local(self.span.start), self.end_zone.local(self.span.end)
        if self.all_day:
            first, last = midnight(start).date(), midnight(end).date()
            event.add("dtstart", first)
            event.add("dtend", max(last, first + timedelta(days=1)))
            return
        self.add(event, "dtstart", start)
        self.add(event, "dtend", end, self.end_zone)

    def add(self, event: Any, name: str, value: datetime | list[datetime], zone: Zone | None = None) -> None:
        """Add a local time, or several, in the form of the item's start: a date, UTC, or with its zone."""
        zone = zone or self.zone
        values = [self._form(item, zone) for item in (value if isinstance(value, list) else [value])]
        found = vDDDLists(values) if isinstance(value, list) else vDDDTypes(values[0])
        if self.all_day:
            found.params["VALUE"] = "DATE"
        elif zone is not UTC_ZONE:
            found.params["TZID"] = clean(zone.name)
        event.add(name, found)

    def _form(self, local: datetime, zone: Zone) -> date:
        if self.all_day:
            return midnight(local).date()
        return zone.utc(local).replace(microsecond=0) if zone is UTC_ZONE else local.replace(microsecond=0)


def _proposed(values: PropertyReader) -> Span | None:
    start = time_of(values, lid.PidLidAppointmentProposedStartWhole)
    end = time_of(values, lid.PidLidAppointmentProposedEndWhole)
    return None if start is None or end is None else Span(start, max(end, start))


def _instance_type(series: Series | None, values: PropertyReader) -> int:
    if series is not None:
        return _MASTER
    return _EXCEPTION if values.flag(lid.PidLidIsException) else _SINGLE


def _exception_properties(exception: ModifiedOccurrence) -> Properties:
    """What the blob says of an exception, where the embedded message may be missing."""
    properties: Properties = {}
    if exception.subject is not None:
        properties |= {tags.PidTagSubject: exception.subject, tags.PidTagNormalizedSubject: exception.subject}
    fields = (
        (lid.PidLidLocation, exception.location),
        (lid.PidLidBusyStatus, exception.busy_status),
        (lid.PidLidReminderDelta, exception.reminder_delta),
        (lid.PidLidReminderSet, exception.reminder_set),
        (lid.PidLidAppointmentSubType, exception.sub_type),
    )
    return properties | {key: value for key, value in fields if value is not None}


def _bodies(values: PropertyReader) -> tuple[str, str]:
    """The body as text and, if it has the form, as HTML that is not too large."""
    code_page = values.integer(tags.PidTagInternetCodepage) or None
    html = ""
    if 0 < values.size(tags.PidTagHtml) <= _MAX_HTML:
        html = decode_html(values.binary(tags.PidTagHtml), code_page)
    text = values.whole(tags.PidTagBody)
    if isinstance(text, str):
        return text, html
    for tag in (tags.PidTagHtml, tags.PidTagRtfCompressed):
        if tag in values:
            return str(converted(values.binary(tag), tag, tags.PidTagBody, code_page)), html
    return "", html


def _alarm(minutes: int) -> Any:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", "REMINDER")
    alarm.add("trigger", -timedelta(minutes=min(max(minutes, 0), 0x7FFFFFFF)))
    return alarm


def _name(row: Properties) -> str:
    return str(row.get(tags.PidTagDisplayName, ""))


def _add_sent_by(found: Any, author: Mailbox, acting: Mailbox | None) -> None:
    if acting is not None and acting.email and acting.email.lower() != author.email.lower():
        found.params["SENT-BY"] = f"mailto:{clean(acting.email)}"
