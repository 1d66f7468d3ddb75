"""iCalendar to MAPI (MS-OXCICAL 2.1.3, RFC 5545, RFC 5546).

A calendar that a mail brings is one message: a request, a cancellation, a response, or an appointment that was
published. A file of calendars is as many appointments and tasks as it has UIDs. Whatever MAPI cannot express stays in
the original, which is then attached.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from mapigw.mail.addresses import RECIPIENT_BCC, RECIPIENT_CC, RECIPIENT_TO, SENDER, SENT_REPRESENTING, group_properties
from mapigw.mail.attachments import file_properties
from mapigw.mail.calendar import names as lid
from mapigw.mail.calendar.attendees import (
    Response,
    address_of,
    attendees,
    is_organizer,
    names,
    organizer_row,
    response_of,
    sent_by,
)
from mapigw.mail.calendar.events import (
    BusyStatus,
    StateFlags,
    Times,
    attached_files,
    busy_status,
    global_object_id,
    intended_status,
    local_time,
    owner_appointment_id,
    reminder_minutes,
    reminder_properties,
    sequence,
    stamp,
    text_properties,
    time_properties,
    times_of,
)
from mapigw.mail.calendar.exceptions import with_exceptions
from mapigw.mail.calendar.reader import Component, Property, read_calendars
from mapigw.mail.calendar.recurrences import recurrence_of
from mapigw.mail.calendar.series import Series
from mapigw.mail.calendar.tasks import task
from mapigw.mail.calendar.values import moment
from mapigw.mail.calendar.vtimezones import Zones
from mapigw.mail.charsets import decode
from mapigw.mail.fields import subject_properties
from mapigw.mail.headers import clean
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message, Properties
from mapigw.wire.properties import filetime

REQUEST_CLASS: Final = "IPM.Schedule.Meeting.Request"
CANCELED_CLASS: Final = "IPM.Schedule.Meeting.Canceled"
APPOINTMENT_CLASS: Final = "IPM.Appointment"
RESPONSE_CLASSES: Final = {
    Response.ACCEPTED: "IPM.Schedule.Meeting.Resp.Pos",
    Response.DECLINED: "IPM.Schedule.Meeting.Resp.Neg",
    Response.TENTATIVE: "IPM.Schedule.Meeting.Resp.Tent",
}
_ORIGINAL: Final = "calendar.ics"
_MEETING_REQUEST: Final = 0x00000001  # PidLidMeetingType mtgRequest
APPOINTMENT_EFFECTS: Final = 0x0171  # PidLidSideEffects
MESSAGE_EFFECTS: Final = 0x1C61
ICONS: Final = {
    REQUEST_CLASS: 0x0404,
    CANCELED_CLASS: 0x0408,
    RESPONSE_CLASSES[Response.ACCEPTED]: 0x0405,
    RESPONSE_CLASSES[Response.DECLINED]: 0x0406,
    RESPONSE_CLASSES[Response.TENTATIVE]: 0x0407,
}

_log = logging.getLogger(__name__)


def message_from_icalendar(
    data: bytes, *, charset: str = "", method: str = "", now: datetime | None = None, zone: tzinfo = UTC
) -> Message | None:
    """The message that a text/calendar part of a mail is.

    ``method`` and ``charset`` are the part's parameters; ``zone`` is whose floating times and whole days are meant when
    the calendar does not say. None when MAPI has no class for it: no event or task that has a start, several of them,
    or a method such as ADD, REFRESH or DECLINECOUNTER; the part is then a file like others. Never raises.
    """
    moment_now = now or datetime.now(UTC)
    try:
        calendars = read_calendars(data, charset)
        groups = [(calendar, group) for calendar in calendars for group in _by_uid(calendar)]
        if len(groups) != 1:
            return None
        calendar, group = groups[0]
        method = (calendar.value("METHOD") or method or "PUBLISH").upper()
        return _Import(calendar, data, moment_now, zone).message(group, method)
    except Exception:
        _log.exception("a calendar of %d bytes could not be understood", len(data))
        return None


def messages_from_icalendar(
    data: bytes, *, charset: str = "", now: datetime | None = None, zone: tzinfo = UTC, owner: str = ""
) -> list[Message]:
    """The appointments and tasks of a file, one a UID. Never raises.

    ``owner`` is the address of whose calendar they come to: its own meetings are those that it organized. What cannot
    be understood is a note with the file attached.
    """
    moment_now = now or datetime.now(UTC)
    found: list[Message] = []
    try:
        calendars = read_calendars(data, charset)
    except Exception:
        _log.exception("a calendar file of %d bytes could not be read", len(data))
        calendars = []
    for calendar in calendars:
        importer = _Import(calendar, data, moment_now, zone, owner)
        for group in _by_uid(calendar):
            try:
                message = importer.message(group, "PUBLISH")
            except Exception:
                _log.exception("an item of a calendar file of %d bytes could not be understood", len(data))
                message = None
            found.append(message or _note(group[0], data))
    return found or [_note(Component("VEVENT"), data)]


def _by_uid(calendar: Component) -> Iterator[list[Component]]:
    """The components of each UID; those without one are on their own."""
    groups: dict[object, list[Component]] = {}
    for component in calendar.components:
        if component.name in ("VEVENT", "VTODO"):
            groups.setdefault((component.name, component.text("UID") or id(component)), []).append(component)
    yield from groups.values()


def _note(component: Component, data: bytes) -> Message:
    text = component.text("DESCRIPTION") or decode(data[:_MAX_SHOWN], "")[0].replace("\0", "")
    return Message(
        {
            tags.PidTagMessageClass: "IPM.Note",
            **subject_properties(clean(component.text("SUMMARY"))),
            tags.PidTagBody: text,
            tags.PidTagNativeBody: 1,
        },
        [],
        [_original(data)],
    )


_MAX_SHOWN: Final = 16384


def _original(data: bytes) -> Attachment:
    return Attachment(file_properties(_ORIGINAL, "text/calendar", data))


class _Import:
    """One VCALENDAR on its way into messages."""

    def __init__(self, calendar: Component, data: bytes, now: datetime, zone: tzinfo, owner: str = "") -> None:
        self._data = data
        self._now = now
        self._owner = owner.lower()
        self._zones = Zones(calendar, zone)

    def message(self, group: list[Component], method: str) -> Message | None:
        """The message of the components of one UID, or None."""
        if group[0].name == "VTODO":
            made = task(group, self._zones, self._now) if method == "PUBLISH" else None
        elif method in ("REPLY", "COUNTER"):
            made = self._response(group[0], counter=method == "COUNTER")
        elif method in ("REQUEST", "CANCEL", "PUBLISH"):
            made = self._event(group, method)
        else:
            made = None
        if made is None:
            return None
        message, complete = made
        if not complete:
            message.attachments.append(_original(self._data))
        return message

    def _event(self, group: list[Component], method: str) -> tuple[Message, bool] | None:
        """A request, a cancellation or an appointment: the series, or a single instance of one."""
        masters = [component for component in group if component.first("RECURRENCE-ID") is None]
        event = masters[0] if masters else group[0]
        overrides = [component for component in group if component.first("RECURRENCE-ID") is not None]
        times = times_of(event, self._zones)
        if times is None:
            return None
        complete = len(masters) <= 1 and (bool(masters) or len(overrides) == 1)
        series: Series | None = None
        exceptions: list[Attachment] = []
        if masters:
            zone = times.zone
            found = recurrence_of(
                event, times.local_start, times.duration, lambda item: local_time(item, self._zones, zone)
            )
            series, complete = found.series, complete and found.complete
            if series is not None:
                changed = with_exceptions(
                    series, event, times, overrides, self._zones, self._now, provisional=method == "REQUEST"
                )
                series, exceptions, complete = changed.series, changed.attachments, complete and changed.complete
            elif overrides:
                complete = False
        properties = self._properties(event, times, series)
        if not masters:
            properties |= self._instance(event, times)
        recipients = attendees(event)
        properties |= self._people(event, recipients)
        if method == "PUBLISH":
            properties |= self._appointment(event, recipients, series is not None)
        else:
            properties |= self._meeting_message(event, method, series is not None or not masters)
        return Message(properties, recipients, exceptions + attached_files(event)), complete

    def _properties(self, event: Component, times: Times, series: Series | None) -> Properties:
        identity = global_object_id(event, self._now)
        properties: Properties = {
            **text_properties(event),
            **time_properties(times, series),
            lid.PidLidGlobalObjectId: identity.build(),
            lid.PidLidCleanGlobalObjectId: identity.clean.build(),
            lid.PidLidAppointmentSequence: sequence(event),
            lid.PidLidBusyStatus: int(busy_status(event)),
            lid.PidLidAppointmentNotAllowPropose: event.value("X-MICROSOFT-DISALLOW-COUNTER").upper() == "TRUE",
            **owner_appointment_id(event),
        }
        if series is None:
            starts = iter([times.start])
        else:
            starts = (times.zone.utc(item.start) for item in series.occurrences())
        return properties | reminder_properties(reminder_minutes(event, times), starts, self._now)

    def _instance(self, event: Component, times: Times) -> Properties:
        """What makes an item one occurrence of a series that is not here (MS-OXCICAL 2.1.3.1.1.20.20)."""
        instance = moment(event.first("RECURRENCE-ID"))
        if instance is None:
            return {}
        original = local_time(instance, self._zones, times.zone)
        if instance.is_date and not times.is_date:
            original = datetime.combine(original.date(), times.local_start.time())
        return {
            lid.PidLidGlobalObjectId: global_object_id(event, self._now).of_instance(_day(original)).build(),
            lid.PidLidExceptionReplaceTime: filetime(times.zone.utc(original)),
            lid.PidLidIsException: True,
            lid.PidLidIsRecurring: True,
        }

    def _people(self, event: Component, recipients: list[Properties]) -> Properties:
        """The organizer as who is represented, and the attendees' names."""
        properties: Properties = {}
        organizer = address_of(event.first("ORGANIZER"))
        if organizer is not None:
            properties |= group_properties(SENT_REPRESENTING, organizer)
            properties |= group_properties(SENDER, sent_by(event.first("ORGANIZER")) or organizer)
        if recipients:
            others = [row for row in recipients if not is_organizer(row)]
            properties |= {
                lid.PidLidAllAttendeesString: names(others),
                lid.PidLidToAttendeesString: names(others, RECIPIENT_TO),
                lid.PidLidCcAttendeesString: names(others, RECIPIENT_CC),
                lid.PidLidRequiredAttendees: names(others, RECIPIENT_TO),
                lid.PidLidOptionalAttendees: names(others, RECIPIENT_CC),
                lid.PidLidResourceAttendees: names(others, RECIPIENT_BCC),
            }
        return properties

    def _appointment(self, event: Component, recipients: list[Properties], recurring: bool) -> Properties:
        flags, response, icon = StateFlags(0), Response.NONE, 0x0401 if recurring else 0x0400
        organizer = address_of(event.first("ORGANIZER"))
        if recipients and organizer is not None:
            flags, icon = StateFlags.MEETING, icon + 2
            if not any(is_organizer(row) for row in recipients):
                recipients.insert(0, organizer_row(organizer, 0))
                for number, row in enumerate(recipients):
                    row[tags.PidTagRowid] = number
            if organizer.email.lower() == self._owner:
                response = Response.ORGANIZED
            else:
                flags |= StateFlags.RECEIVED
                own = next((found for found in event.all("ATTENDEE") if self._is_owner(found)), None)
                response = (response_of(own) if own is not None else Response.NONE) or Response.NOT_RESPONDED
        if event.value("STATUS").upper() == "CANCELLED" and flags:
            flags |= StateFlags.CANCELED
        return {
            tags.PidTagMessageClass: APPOINTMENT_CLASS,
            tags.PidTagIconIndex: icon,
            lid.PidLidSideEffects: APPOINTMENT_EFFECTS,
            lid.PidLidAppointmentStateFlags: int(flags),
            lid.PidLidResponseStatus: int(response),
            lid.PidLidFInvited: bool(flags),
        }

    def _is_owner(self, found: Property) -> bool:
        address = address_of(found)
        return address is not None and address.email.lower() == self._owner

    def _meeting_message(self, event: Component, method: str, recurring: bool) -> Properties:
        canceled = method == "CANCEL"
        message_class = CANCELED_CLASS if canceled else REQUEST_CLASS
        intended = BusyStatus.FREE if canceled else intended_status(event)
        changed = stamp(event, self._now, "X-MICROSOFT-CDO-OWNER-CRITICAL-CHANGE")
        flags = StateFlags.MEETING | StateFlags.RECEIVED
        if canceled:
            flags |= StateFlags.CANCELED
        wanted = [found.params.get("RSVP", "").upper() for found in event.all("ATTENDEE")]
        return {
            tags.PidTagMessageClass: message_class,
            tags.PidTagIconIndex: ICONS[message_class],
            lid.PidLidSideEffects: MESSAGE_EFFECTS,
            lid.PidLidAppointmentStateFlags: int(flags),
            lid.PidLidAppointmentMessageClass: APPOINTMENT_CLASS,
            lid.PidLidMeetingType: 0 if canceled else _MEETING_REQUEST,
            lid.PidLidIntendedBusyStatus: int(intended),
            lid.PidLidBusyStatus: int(min(intended, BusyStatus.TENTATIVE)),
            lid.PidLidResponseStatus: int(Response.NOT_RESPONDED),
            lid.PidLidIsRecurring: recurring,
            lid.PidLidOwnerCriticalChange: changed,
            lid.PidLidAppointmentSequenceTime: changed,
            lid.PidLidFInvited: True,
            tags.PidTagResponseRequested: not canceled and ("TRUE" in wanted or not any(wanted)),
            tags.PidTagReplyRequested: not canceled and ("TRUE" in wanted or not any(wanted)),
        }

    def _response(self, event: Component, *, counter: bool) -> tuple[Message, bool] | None:
        """A reply, or a counter-proposal, of the first attendee (MS-OXCICAL 2.1.3.1.1.1)."""
        found = event.first("ATTENDEE")
        response = Response.TENTATIVE if counter else response_of(found) if found is not None else Response.NONE
        message_class = RESPONSE_CLASSES.get(response)
        times = times_of(event, self._zones)
        if message_class is None or found is None or times is None:
            return None
        properties = self._properties(event, times, None)
        if event.first("RECURRENCE-ID") is not None:
            properties |= self._instance(event, times)
        if counter:
            properties |= self._proposal(event, times)
        attendee, organizer = address_of(found), address_of(event.first("ORGANIZER"))
        if attendee is not None:
            properties |= group_properties(SENT_REPRESENTING, attendee)
            properties |= group_properties(SENDER, sent_by(found) or attendee)
        properties |= {
            tags.PidTagMessageClass: message_class,
            tags.PidTagIconIndex: ICONS[message_class],
            lid.PidLidSideEffects: MESSAGE_EFFECTS,
            lid.PidLidAppointmentMessageClass: APPOINTMENT_CLASS,
            lid.PidLidAttendeeCriticalChange: stamp(event, self._now, "X-MICROSOFT-CDO-ATTENDEE-CRITICAL-CHANGE"),
            lid.PidLidReminderSet: False,
        }
        recipients = [] if organizer is None else [organizer_row(organizer, 0)]
        return Message(properties, recipients, attached_files(event)), True

    def _proposal(self, event: Component, times: Times) -> Properties:
        """The times that are proposed; what they were is X-MS-OLK-ORIGINALSTART and -END, if it is said."""
        start, end = moment(event.first("X-MS-OLK-ORIGINALSTART")), moment(event.first("X-MS-OLK-ORIGINALEND"))
        properties: Properties = {
            lid.PidLidAppointmentCounterProposal: True,
            lid.PidLidAppointmentProposedStartWhole: filetime(times.start),
            lid.PidLidAppointmentProposedEndWhole: filetime(times.end),
            lid.PidLidAppointmentProposedDuration: (times.end - times.start) // timedelta(minutes=1),
        }
        if start is not None and end is not None:
            was = replace(times, local_start=local_time(start, self._zones, times.zone))
            length = local_time(end, self._zones, times.zone) - was.local_start
            properties |= time_properties(replace(was, duration=max(length, timedelta(0))), None)
        return properties


def _day(moment: datetime) -> date:
    return moment.date()
