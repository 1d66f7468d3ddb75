"""Answers to meeting requests: tallied on the organizer's item, and made (MS-OXOCAL 3.1.4.8, 2.2.7)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from mapigw.directory.model import User
from mapigw.mail.addresses import (
    RECIPIENT_CC,
    SENDER,
    SENT_REPRESENTING,
    Address,
    group_properties,
    recipient_properties,
)
from mapigw.mail.calendar import names as lid
from mapigw.mail.calendar.attendees import RecipientFlags, Response, is_organizer, organizer_row
from mapigw.mail.calendar.events import BusyStatus, StateFlags
from mapigw.mail.calendar.exceptions import exception_properties
from mapigw.mail.calendar.importing import APPOINTMENT_CLASS, ICONS, MESSAGE_EFFECTS, RESPONSE_CLASSES
from mapigw.mail.calendar.meetings import put_exception
from mapigw.mail.calendar.series import ModifiedOccurrence
from mapigw.mail.calendar.stored import exception_time, series_of, zone_of
from mapigw.mail.export.reader import PropertyReader
from mapigw.mail.fields import subject_properties
from mapigw.store.blobs import FolderBlobStore
from mapigw.wire import tags
from mapigw.wire.message import Message, Properties
from mapigw.wire.properties import filetime

RESPONSES: Final = {name.lower(): response for response, name in RESPONSE_CLASSES.items()}
_PREFIXES: Final = {
    Response.ACCEPTED: "Accepted: ",
    Response.DECLINED: "Declined: ",
    Response.TENTATIVE: "Tentative: ",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What an attendee answered, and when: FILETIME."""

    response: Response
    time: int
    proposed: tuple[int, int] | None
    """FILETIMEs of start and end that are proposed instead."""
    addresses: frozenset[str]
    """Of the attendee, lower case."""
    name: str
    email: str


def answer_of(message: Message, values: PropertyReader) -> Answer | None:
    """None for what is no meeting response."""
    response = RESPONSES.get(values.text(tags.PidTagMessageClass).lower())
    if response is None:
        return None
    time = values.integer(lid.PidLidAttendeeCriticalChange) or values.integer(tags.PidTagClientSubmitTime)
    start = values.integer(lid.PidLidAppointmentProposedStartWhole)
    end = values.integer(lid.PidLidAppointmentProposedEndWhole)
    is_proposal = values.flag(lid.PidLidAppointmentCounterProposal) and start and end
    name, _kind, email, smtp = (values.text(tag) for tag in SENT_REPRESENTING[:4])
    return Answer(
        response,
        time,
        (start, end) if is_proposal else None,
        frozenset(item.lower() for item in (email, smtp) if item),
        name,
        smtp or email,
    )


def tallied_item(
    answer: Answer, message: PropertyReader, day: date | None, item: Message, blobs: FolderBlobStore
) -> Message | None:
    """The organizer's item with an answer counted (3.1.4.8.4); None when it is no answer to what the item is now.

    ``day`` is that of the occurrence which the answer is about. Who answers without being invited is an optional
    attendee.
    """
    values = PropertyReader(item.properties, blobs)
    flags = StateFlags(values.integer(lid.PidLidAppointmentStateFlags) & 7)
    if StateFlags.RECEIVED in flags or StateFlags.MEETING not in flags:
        return None
    if message.integer(lid.PidLidAppointmentSequence) < values.integer(lid.PidLidAppointmentSequence):
        return None
    if day is not None and values.binary(lid.PidLidAppointmentRecur):
        return _tallied_occurrence(answer, day, item, blobs)
    rows = _tallied(answer, item.recipients, exceptional=False)
    if rows is None:
        return None
    return Message(item.properties | _proposals(rows), rows, item.attachments)


def _tallied(answer: Answer, recipients: list[Properties], *, exceptional: bool) -> list[Properties] | None:
    """The recipients with the answer; None when they have a later one of the same attendee."""
    rows = [dict(row) for row in recipients]
    row = next((row for row in rows if answer.addresses & set(_addresses(row))), None)
    if row is None:
        row = recipient_properties(Address(answer.name or answer.email, answer.email), RECIPIENT_CC, 0)
        row[tags.PidTagRowid] = 1 + max((int(other.get(tags.PidTagRowid, 0)) for other in rows), default=-1)
        rows.append(row)
    elif int(row.get(tags.PidTagRecipientTrackStatusTime, 0)) > answer.time or is_organizer(row):
        return None
    row[tags.PidTagRecipientTrackStatus] = int(answer.response)
    row[tags.PidTagRecipientTrackStatusTime] = answer.time
    if exceptional:
        flags = int(row.get(tags.PidTagRecipientFlags, RecipientFlags.SENDABLE))
        row[tags.PidTagRecipientFlags] = flags | RecipientFlags.EXCEPTIONAL_RESPONSE
    row[tags.PidTagRecipientProposed] = answer.proposed is not None
    for place, tag in enumerate((tags.PidTagRecipientProposedStartTime, tags.PidTagRecipientProposedEndTime)):
        if answer.proposed is not None:
            row[tag] = answer.proposed[place]
        else:
            row.pop(tag, None)
    return rows


def _proposals(rows: list[Properties]) -> Properties:
    count = sum(bool(row.get(tags.PidTagRecipientProposed)) for row in rows)
    return {lid.PidLidAppointmentProposalNumber: count, lid.PidLidAppointmentCounterProposal: count > 0}


def _addresses(row: Properties) -> Iterator[str]:
    for tag in (tags.PidTagSmtpAddress, tags.PidTagEmailAddress):
        value = row.get(tag)
        if isinstance(value, str) and value:
            yield value.lower()


def _tallied_occurrence(answer: Answer, day: date, item: Message, blobs: FolderBlobStore) -> Message | None:
    """An answer about one occurrence is kept by its exception, which is made where there is none."""
    values = PropertyReader(item.properties, blobs)
    series = series_of(values)
    if series is None or day in series.deleted or not series.is_date(day):
        return None
    zone, original = zone_of(values, recurring=True), series.start_on(day)
    replaced = zone.utc(original)
    known = next((entry for entry in series.exceptions if entry.original.date() == day), None)
    changed = known or ModifiedOccurrence(original, original + series.duration, original)
    embedded = next((entry.embedded for entry in item.attachments if exception_time(entry, blobs) == replaced), None)
    if embedded is None:
        whole: Properties = {
            lid.PidLidAppointmentStartWhole: filetime(zone.utc(changed.start)),
            lid.PidLidAppointmentEndWhole: filetime(zone.utc(changed.end)),
            lid.PidLidFExceptionalAttendees: True,
        }
        embedded = Message(exception_properties(changed, whole, zone))
    rows = _tallied(answer, embedded.recipients or item.recipients, exceptional=True)
    if rows is None:
        return None
    properties = {**embedded.properties, **_proposals(rows)}
    return put_exception(item, series, changed, Message(properties, rows, embedded.attachments), zone, blobs)


def response_message(
    request: Message, values: PropertyReader, response: Response, user: User, now: datetime, text: str
) -> Message:
    """The Meeting Response object of ``user`` to a request, for its organizer (2.2.7)."""
    moment = filetime(now)
    author = Address(user.display_name, user.address)
    name, kind, email, smtp, entry_id, search_key = (request.properties.get(tag) for tag in SENT_REPRESENTING)
    organizer = str(smtp or email or "")
    row = organizer_row(Address(str(name or organizer), organizer), 0)
    if kind == "EX" and not smtp:
        row |= {tags.PidTagAddressType: kind, tags.PidTagEntryId: entry_id, tags.PidTagSearchKey: search_key}
    message_class = RESPONSE_CLASSES[response]
    subject = values.text(tags.PidTagNormalizedSubject) or values.text(tags.PidTagSubject)
    copied: Properties = {key: request.properties[key] for key in _COPIED if key in request.properties}
    return Message(
        {
            **copied,
            **subject_properties(subject),
            **group_properties(SENT_REPRESENTING, author),
            **group_properties(SENDER, author),
            tags.PidTagMessageClass: message_class,
            tags.PidTagSubject: _PREFIXES[response] + subject,
            tags.PidTagSubjectPrefix: _PREFIXES[response],
            tags.PidTagNormalizedSubject: subject,
            tags.PidTagBody: text,
            tags.PidTagNativeBody: 1,
            tags.PidTagIconIndex: ICONS[message_class],
            tags.PidTagClientSubmitTime: moment,
            lid.PidLidAppointmentMessageClass: APPOINTMENT_CLASS,
            lid.PidLidSideEffects: MESSAGE_EFFECTS,
            lid.PidLidAttendeeCriticalChange: moment,
            lid.PidLidBusyStatus: int(_BUSY[response]),
        },
        [row],
    )


_BUSY: Final = {
    Response.ACCEPTED: BusyStatus.BUSY,
    Response.TENTATIVE: BusyStatus.TENTATIVE,
    Response.DECLINED: BusyStatus.FREE,
}
_COPIED: Final = (
    lid.PidLidGlobalObjectId,
    lid.PidLidCleanGlobalObjectId,
    lid.PidLidAppointmentSequence,
    lid.PidLidOwnerCriticalChange,
    lid.PidLidAppointmentStartWhole,
    lid.PidLidAppointmentEndWhole,
    lid.PidLidAppointmentDuration,
    lid.PidLidAppointmentSubType,
    lid.PidLidCommonStart,
    lid.PidLidCommonEnd,
    lid.PidLidLocation,
    lid.PidLidWhere,
    lid.PidLidIsRecurring,
    lid.PidLidIsException,
    lid.PidLidExceptionReplaceTime,
    lid.PidLidTimeZoneStruct,
    lid.PidLidTimeZoneDescription,
    lid.PidLidAppointmentRecur,
    lid.PidLidRecurring,
    lid.PidLidAppointmentTimeZoneDefinitionRecur,
    lid.PidLidAppointmentTimeZoneDefinitionStartDisplay,
    lid.PidLidAppointmentTimeZoneDefinitionEndDisplay,
    tags.PidTagStartDate,
    tags.PidTagEndDate,
    tags.PidTagOwnerAppointmentId,
    tags.PidTagSensitivity,
    tags.PidTagConversationTopic,
    tags.PidTagConversationIndex,
)
