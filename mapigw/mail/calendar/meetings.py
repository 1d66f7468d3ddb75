"""What a request, an update or a cancellation makes of a calendar item (MS-OXOCAL 3.1.4.7, 3.1.4.9, 3.1.5)."""

from dataclasses import replace
from datetime import date, datetime
from enum import IntEnum
from typing import Any, Final

from mapigw.mail.addresses import SENDER, SENT_REPRESENTING, Address
from mapigw.mail.calendar import names as lid
from mapigw.mail.calendar.attendees import Response, is_organizer, organizer_row
from mapigw.mail.calendar.events import BusyStatus, StateFlags
from mapigw.mail.calendar.exceptions import (
    exception_attachment,
    exception_properties,
)
from mapigw.mail.calendar.importing import APPOINTMENT_CLASS, APPOINTMENT_EFFECTS
from mapigw.mail.calendar.series import ModifiedOccurrence, Series
from mapigw.mail.calendar.stored import exception_time, series_of, span_of, zone_of
from mapigw.mail.calendar.zones import Zone
from mapigw.mail.export.reader import PropertyReader
from mapigw.mail.names import KEYWORDS
from mapigw.store.blobs import FolderBlobStore
from mapigw.wire import tags
from mapigw.wire.global_object_ids import GlobalObjectId
from mapigw.wire.message import Attachment, Message, Properties
from mapigw.wire.properties import NamedTag
from mapigw.wire.property_sets import PSETID_Appointment, PSETID_Common, PSETID_Meeting


class MeetingType(IntEnum):
    """PidLidMeetingType (2.2.6.5)."""

    EMPTY = 0x00000000
    REQUEST = 0x00000001
    FULL = 0x00010000
    INFORMATIONAL = 0x00020000
    OUT_OF_DATE = 0x00080000


CANCELED_PREFIX: Final = "Canceled: "
_MEETING_ICON, _RECURRING_MEETING_ICON = 0x0402, 0x0403
_SETS: Final = frozenset({PSETID_Appointment, PSETID_Meeting, PSETID_Common})
_TAGS: Final = frozenset(
    {
        tags.PidTagSubject,
        tags.PidTagSubjectPrefix,
        tags.PidTagNormalizedSubject,
        tags.PidTagBody,
        tags.PidTagHtml,
        tags.PidTagRtfCompressed,
        tags.PidTagRtfInSync,
        tags.PidTagNativeBody,
        tags.PidTagInternetCodepage,
        tags.PidTagMessageCodepage,
        tags.PidTagMessageLocaleId,
        tags.PidTagSensitivity,
        tags.PidTagImportance,
        tags.PidTagStartDate,
        tags.PidTagEndDate,
        tags.PidTagOwnerAppointmentId,
        tags.PidTagResponseRequested,
        tags.PidTagReplyRequested,
        *SENDER,
        *SENT_REPRESENTING,
    }
)
_OF_THE_MESSAGE: Final = frozenset(
    {
        lid.PidLidMeetingType,
        lid.PidLidSideEffects,
        lid.PidLidAppointmentMessageClass,
        lid.PidLidAttendeeCriticalChange,
        lid.PidLidChangeHighlight,
        lid.PidLidOldLocation,
        lid.PidLidOldWhenStartWhole,
        lid.PidLidOldWhenEndWhole,
    }
)
_OF_THE_USER: Final = (
    lid.PidLidReminderSet,
    lid.PidLidReminderDelta,
    lid.PidLidReminderTime,
    lid.PidLidReminderSignalTime,
    lid.PidLidPrivate,
    KEYWORDS,
)
_OF_THE_ANSWER: Final = (
    lid.PidLidResponseStatus,
    lid.PidLidBusyStatus,
    lid.PidLidAppointmentReplyTime,
    lid.PidLidAppointmentReplyName,
)


def is_stale(message: PropertyReader, item: PropertyReader) -> bool:
    """Whether a request or cancellation is older than what the calendar item has seen (3.1.5.2)."""
    own, present = message.integer(lid.PidLidAppointmentSequence), item.integer(lid.PidLidAppointmentSequence)
    if own != present:
        return own < present
    changed, known = (values.integer(lid.PidLidOwnerCriticalChange) for values in (message, item))
    return changed < known


def provisional_item(request: Message) -> Message:
    """The calendar item of a request that has none yet: tentative, not answered (3.1.4.7.2)."""
    properties = _copied(request.properties)
    intended = properties.get(lid.PidLidIntendedBusyStatus, BusyStatus.BUSY)
    series = lid.PidLidAppointmentRecur in properties
    properties |= {
        tags.PidTagMessageClass: APPOINTMENT_CLASS,
        tags.PidTagIconIndex: _RECURRING_MEETING_ICON if series else _MEETING_ICON,
        lid.PidLidSideEffects: APPOINTMENT_EFFECTS,
        lid.PidLidAppointmentStateFlags: int(StateFlags.MEETING | StateFlags.RECEIVED),
        lid.PidLidFInvited: True,
        lid.PidLidResponseStatus: int(Response.NOT_RESPONDED),
        lid.PidLidBusyStatus: int(min(intended, BusyStatus.TENTATIVE)),
        lid.PidLidIntendedBusyStatus: intended,
    }
    return Message(properties, _with_organizer(request), _copied_attachments(request.attachments))


def updated_item(request: Message, item: Message) -> Message:
    """A calendar item after an update of the whole meeting; what the user chose stays (3.1.4.7.3).

    An answer stays as well when nothing that it was about has changed, which the sequence number tells.
    """
    made = provisional_item(request)
    kept: list[Any] = [*_OF_THE_USER]
    own, present = (message.properties.get(lid.PidLidAppointmentSequence, 0) for message in (request, item))
    if own <= present:
        kept += _OF_THE_ANSWER
    properties = {**item.properties, **made.properties}
    if lid.PidLidAppointmentRecur not in made.properties:  # it is no series any more
        for key in _OF_A_SERIES:
            properties.pop(key, None)
    for tag in (tags.PidTagBody, tags.PidTagHtml, tags.PidTagRtfCompressed):
        if tag not in made.properties:
            properties.pop(tag, None)
    properties |= {key: item.properties[key] for key in kept if key in item.properties}
    return Message(properties, made.recipients, made.attachments)


_OF_A_SERIES: Final = (
    lid.PidLidAppointmentRecur,
    lid.PidLidRecurrencePattern,
    lid.PidLidTimeZoneStruct,
    lid.PidLidAppointmentTimeZoneDefinitionRecur,
)


def canceled_item(message: Message, item: Message) -> Message:
    """A calendar item whose meeting was cancelled: free, and marked so (3.1.4.9.2)."""
    properties = {
        **item.properties,
        **_canceled(item.properties),
        lid.PidLidAppointmentSequence: message.properties.get(lid.PidLidAppointmentSequence, 0),
    }
    changed = message.properties.get(lid.PidLidOwnerCriticalChange)
    if changed is not None:
        properties[lid.PidLidOwnerCriticalChange] = changed
    return Message(properties, item.recipients, item.attachments)


def _canceled(properties: Properties) -> Properties:
    subject = properties.get(tags.PidTagNormalizedSubject) or properties.get(tags.PidTagSubject) or ""
    if isinstance(subject, str):
        subject = CANCELED_PREFIX + subject.removeprefix(CANCELED_PREFIX)
    return {
        tags.PidTagSubject: subject,
        tags.PidTagSubjectPrefix: "",
        tags.PidTagNormalizedSubject: subject,
        lid.PidLidBusyStatus: int(BusyStatus.FREE),
        lid.PidLidReminderSet: False,
        lid.PidLidAppointmentStateFlags: int(properties.get(lid.PidLidAppointmentStateFlags, 0))
        | int(StateFlags.MEETING | StateFlags.RECEIVED | StateFlags.CANCELED),
    }


def instance_of(message: PropertyReader, identity: GlobalObjectId) -> date | None:
    """The day of the occurrence that a meeting message is about, in the zone of its series; None: the whole meeting."""
    try:
        return date(*identity.instance)
    except ValueError:
        return None


def with_exception(
    message: Message, item: Message, day: date, blobs: FolderBlobStore, *, canceled: bool
) -> Message | None:
    """A series after one occurrence was changed or cancelled; None when the item has no such occurrence."""
    values, own = PropertyReader(item.properties, blobs), PropertyReader(message.properties, blobs)
    series, span = series_of(values), span_of(own)
    if series is None or span is None or not series.is_date(day):
        return None
    zone = zone_of(values, recurring=True)
    original = series.start_on(day)
    properties = _copied(message.properties)
    if canceled:
        properties |= _canceled(properties)
    else:
        properties[lid.PidLidResponseStatus] = int(Response.NOT_RESPONDED)
        properties[lid.PidLidBusyStatus] = int(
            min(own.integer(lid.PidLidIntendedBusyStatus, BusyStatus.BUSY), BusyStatus.TENTATIVE)
        )
    changed = _modified(properties, values, zone.local(span.start), zone.local(span.end), original)
    properties = exception_properties(changed, properties, zone)
    embedded = Message(properties, _with_organizer(message), _copied_attachments(message.attachments))
    return put_exception(item, series, changed, embedded, zone, blobs)


def put_exception(
    item: Message, series: Series, changed: ModifiedOccurrence, embedded: Message, zone: Zone, blobs: FolderBlobStore
) -> Message:
    """``item`` with this exception in the place of any that the occurrence has."""
    others = tuple(entry for entry in series.exceptions if entry.original.date() != changed.original.date())
    series = replace(
        series,
        exceptions=tuple(sorted((*others, changed), key=lambda entry: entry.start)),
        deleted=series.deleted - {changed.original.date()},
    )
    replaced = zone.utc(changed.original)
    attachments = [entry for entry in item.attachments if exception_time(entry, blobs) != replaced]
    attachments.append(exception_attachment(changed, embedded, zone))
    return Message({**item.properties, lid.PidLidAppointmentRecur: series.build()}, item.recipients, attachments)


def _modified(
    properties: Properties, series: PropertyReader, start: datetime, end: datetime, original: datetime
) -> ModifiedOccurrence:
    own = PropertyReader(properties, series.blobs)
    subject = own.text(tags.PidTagNormalizedSubject) or own.text(tags.PidTagSubject)
    usual = series.text(tags.PidTagNormalizedSubject) or series.text(tags.PidTagSubject)
    location, busy = own.text(lid.PidLidLocation), own.integer(lid.PidLidBusyStatus, BusyStatus.BUSY)
    all_day = own.flag(lid.PidLidAppointmentSubType)
    return ModifiedOccurrence(
        start,
        end,
        original,
        subject=subject if subject != usual else None,
        location=location if location != series.text(lid.PidLidLocation) else None,
        meeting_type=own.integer(lid.PidLidAppointmentStateFlags),
        busy_status=busy if busy != series.integer(lid.PidLidBusyStatus, BusyStatus.BUSY) else None,
        sub_type=all_day if all_day != series.flag(lid.PidLidAppointmentSubType) else None,
        has_body=True,
    )


def _copied(properties: Properties) -> Properties:
    """What a meeting message says of the meeting."""
    return {
        key: value
        for key, value in properties.items()
        if key in _TAGS
        or key == KEYWORDS
        or (isinstance(key, NamedTag) and key.property_name.property_set in _SETS and key not in _OF_THE_MESSAGE)
    }


def _copied_attachments(attachments: list[Attachment]) -> list[Attachment]:
    return [
        Attachment(
            {key: value for key, value in item.properties.items() if key != tags.PidTagAttachNumber}, item.embedded
        )
        for item in attachments
    ]


def _with_organizer(message: Message) -> list[Properties]:
    """The recipients, with the organizer among them (MS-OXOCAL 2.2.4.10.1)."""
    rows = [dict(row) for row in message.recipients]
    name, kind, email, smtp, entry_id, search_key = (message.properties.get(tag) for tag in SENT_REPRESENTING)
    address = smtp or email
    if isinstance(address, str) and address and not any(is_organizer(row) for row in rows):
        row = organizer_row(Address(name if isinstance(name, str) and name else address, address), 0)
        if kind == "EX":
            row |= {tags.PidTagAddressType: kind, tags.PidTagEmailAddress: email}
            row |= {tags.PidTagEntryId: entry_id} if entry_id else {}
            row |= {tags.PidTagSearchKey: search_key} if search_key else {}
        rows.insert(0, row)
    for number, row in enumerate(rows):
        row[tags.PidTagRowid] = number
    return rows
