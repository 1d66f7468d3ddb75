"""Calendars to messages (MS-OXCICAL 2.1.3)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from mapigw.mail.calendar import names as lid
from mapigw.mail.calendar.importing import message_from_icalendar, messages_from_icalendar
from mapigw.mail.calendar.series import Series
from mapigw.mail.names import KEYWORDS
from mapigw.wire import tags
from mapigw.wire.global_object_ids import GlobalObjectId
from mapigw.wire.properties import filetime
from mapigw.wire.time_zones import TIME_ZONE_DEFINITION
from tests.mail.calendar.calendars import FIXTURES, NOW, appointment, calendar, event, meeting

PEOPLE = (
    'ORGANIZER;CN="Anna Visser";SENT-BY="mailto:office@example.com":MAILTO:anna@example.com',
    "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=Bob:mailto:bob@example.com",
    "ATTENDEE;ROLE=OPT-PARTICIPANT;PARTSTAT=TENTATIVE:mailto:carol@example.com",
    "ATTENDEE;CUTYPE=ROOM;ROLE=NON-PARTICIPANT;PARTSTAT=ACCEPTED;CN=Room 1:mailto:room@example.com",
    "ATTENDEE;CN=Anna;PARTSTAT=ACCEPTED:mailto:Anna@Example.com",
)


def utc(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return filetime(datetime(year, month, day, hour, minute, tzinfo=UTC))


def test_request_of_exchange() -> None:
    message = meeting(
        *PEOPLE,
        "SUMMARY;LANGUAGE=en-US:Budget\\, part 2",
        "DTSTART;TZID=W. Europe Standard Time:20261118T100000",
        "DTEND;TZID=W. Europe Standard Time:20261118T113000",
        "LOCATION:Room 1",
        "DESCRIPTION:First line\\nsecond\\; line",
        "SEQUENCE:2",
        "X-MICROSOFT-CDO-APPT-SEQUENCE:3",
        "X-MICROSOFT-CDO-OWNERAPPTID:-1203456",
        "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE",
        "X-MICROSOFT-CDO-INTENDEDSTATUS:OOF",
        "X-MICROSOFT-CDO-IMPORTANCE:2",
        "X-MICROSOFT-DISALLOW-COUNTER:TRUE",
        "CLASS:PRIVATE",
        "CATEGORIES:Red,Blue\\, deep",
        "BEGIN:VALARM",
        "TRIGGER;RELATED=START:-PT30M",
        "ACTION:DISPLAY",
        "END:VALARM",
    )
    values = message.properties
    assert values[tags.PidTagMessageClass] == "IPM.Schedule.Meeting.Request"
    assert values[tags.PidTagSubject] == "Budget, part 2"
    assert values[tags.PidTagBody] == "First line\r\nsecond; line"
    assert values[lid.PidLidAppointmentStartWhole] == values[lid.PidLidCommonStart] == utc(2026, 11, 18, 9)
    assert values[lid.PidLidAppointmentEndWhole] == values[tags.PidTagEndDate] == utc(2026, 11, 18, 10, 30)
    assert values[lid.PidLidAppointmentDuration] == 90
    assert values[lid.PidLidAppointmentSubType] is False
    assert values[lid.PidLidLocation] == values[lid.PidLidWhere] == "Room 1"
    assert values[lid.PidLidAppointmentSequence] == 3
    assert values[tags.PidTagOwnerAppointmentId] == -1203456
    assert (values[lid.PidLidBusyStatus], values[lid.PidLidIntendedBusyStatus]) == (1, 3)
    assert values[tags.PidTagImportance] == 2
    assert values[lid.PidLidAppointmentNotAllowPropose] is True
    assert (values[tags.PidTagSensitivity], values[lid.PidLidPrivate]) == (2, True)
    assert values[KEYWORDS] == ["Red", "Blue, deep"]
    assert (values[lid.PidLidReminderSet], values[lid.PidLidReminderDelta]) == (False, 30)  # it is over
    assert values[lid.PidLidAppointmentStateFlags] == 3
    assert values[lid.PidLidMeetingType] == 1
    assert values[lid.PidLidResponseStatus] == 5
    assert values[tags.PidTagResponseRequested] is True
    assert values[lid.PidLidOwnerCriticalChange] == utc(2026, 11, 1, 8)
    assert values[tags.PidTagSentRepresentingSmtpAddress] == "anna@example.com"
    assert values[tags.PidTagSentRepresentingName] == "Anna Visser"
    assert values[tags.PidTagSenderSmtpAddress] == "office@example.com"
    identity = GlobalObjectId.parse(values[lid.PidLidGlobalObjectId])
    assert (identity.uid, identity.instance) == ("one@example.com", (0, 0, 0))
    zone = TIME_ZONE_DEFINITION.parse(values[lid.PidLidAppointmentTimeZoneDefinitionStartDisplay])
    assert zone.key_name.decode("utf-16-le") == "W. Europe Standard Time"
    assert lid.PidLidAppointmentRecur not in values


def test_attendees_become_recipients() -> None:
    message = meeting(*PEOPLE, "DTSTART:20261118T100000Z")
    rows = [
        (
            row[tags.PidTagSmtpAddress],
            row[tags.PidTagRecipientType],
            row[tags.PidTagRecipientTrackStatus],
            row[tags.PidTagRecipientFlags],
        )
        for row in message.recipients
    ]
    assert rows == [
        ("bob@example.com", 1, 0, 1),
        ("carol@example.com", 2, 2, 1),
        ("room@example.com", 3, 3, 1),
        ("Anna@Example.com", 1, 1, 3),
    ]
    assert message.properties[lid.PidLidAllAttendeesString] == "Bob; carol@example.com; Room 1"
    assert message.properties[lid.PidLidToAttendeesString] == "Bob"


def test_reminder_of_what_is_to_come() -> None:
    message = appointment(
        "DTSTART;TZID=Europe/Berlin:20261101T100000",
        "RRULE:FREQ=DAILY",
        "BEGIN:VALARM",
        "TRIGGER:-PT1H",
        "END:VALARM",
    )
    values = message.properties
    assert values[lid.PidLidReminderSet] is True
    assert values[lid.PidLidReminderTime] == utc(2026, 11, 22, 9)
    assert values[lid.PidLidReminderSignalTime] == utc(2026, 11, 22, 8)
    absolute = appointment(
        "DTSTART:20270101T100000Z", "BEGIN:VALARM", "TRIGGER;VALUE=DATE-TIME:20261231T100000Z", "END:VALARM"
    )
    assert absolute.properties[lid.PidLidReminderDelta] == 24 * 60


def test_whole_days_are_those_of_the_reader() -> None:
    data = calendar("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227")
    (message,) = messages_from_icalendar(data, now=NOW, zone=ZoneInfo("America/New_York"))
    values = message.properties
    assert values[lid.PidLidAppointmentSubType] is True
    assert values[lid.PidLidAppointmentStartWhole] == utc(2026, 12, 24, 5)
    assert values[lid.PidLidAppointmentDuration] == 3 * 24 * 60
    assert appointment("DTSTART;VALUE=DATE:20261224").properties[lid.PidLidAppointmentDuration] == 24 * 60


def test_day_that_exchange_flags_as_whole() -> None:
    lines = ("DTSTART;TZID=Europe/Berlin:20261025T000000", "DTEND;TZID=Europe/Berlin:20261026T000000")
    assert appointment(*lines, "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE").properties[lid.PidLidAppointmentSubType] is True
    message = appointment("DTSTART:20261025T010000Z", "DURATION:PT1H", "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE")
    assert message.properties[lid.PidLidAppointmentSubType] is False


@pytest.mark.parametrize(
    ("lines", "busy"),
    [
        ((), 2),
        (("TRANSP:TRANSPARENT",), 0),
        (("STATUS:TENTATIVE",), 1),
        (("X-MICROSOFT-CDO-BUSYSTATUS:OOF", "TRANSP:TRANSPARENT"), 3),
        (("X-MICROSOFT-CDO-BUSYSTATUS:WORKINGELSEWHERE",), 4),
    ],
)
def test_busy_status(lines: tuple[str, ...], busy: int) -> None:
    assert appointment("DTSTART:20261224T100000Z", *lines).properties[lid.PidLidBusyStatus] == busy


@pytest.mark.parametrize(
    ("partstat", "name"), [("ACCEPTED", "Resp.Pos"), ("DECLINED", "Resp.Neg"), ("TENTATIVE", "Resp.Tent")]
)
def test_reply(partstat: str, name: str) -> None:
    message = meeting(
        "ORGANIZER:mailto:anna@example.com",
        f"ATTENDEE;PARTSTAT={partstat};CN=Bob:mailto:bob@example.com",
        "DTSTART:20261118T100000Z",
        "SEQUENCE:4",
        "COMMENT:See you",
        "SUMMARY:Accepted: Budget",
        method="REPLY",
    )
    values = message.properties
    assert values[tags.PidTagMessageClass] == f"IPM.Schedule.Meeting.{name}"
    assert values[tags.PidTagSentRepresentingSmtpAddress] == "bob@example.com"
    assert values[lid.PidLidAttendeeCriticalChange] == utc(2026, 11, 1, 8)
    assert values[lid.PidLidAppointmentSequence] == 4
    assert values[tags.PidTagBody] == "See you"
    assert [row[tags.PidTagSmtpAddress] for row in message.recipients] == ["anna@example.com"]


def test_counter_proposal() -> None:
    message = meeting(
        "ORGANIZER:mailto:anna@example.com",
        "ATTENDEE;PARTSTAT=TENTATIVE:mailto:bob@example.com",
        "DTSTART:20261118T140000Z",
        "DTEND:20261118T150000Z",
        "X-MS-OLK-ORIGINALSTART:20261118T100000Z",
        "X-MS-OLK-ORIGINALEND:20261118T103000Z",
        method="COUNTER",
    )
    values = message.properties
    assert values[tags.PidTagMessageClass] == "IPM.Schedule.Meeting.Resp.Tent"
    assert values[lid.PidLidAppointmentCounterProposal] is True
    assert values[lid.PidLidAppointmentProposedStartWhole] == utc(2026, 11, 18, 14)
    assert values[lid.PidLidAppointmentProposedEndWhole] == utc(2026, 11, 18, 15)
    assert values[lid.PidLidAppointmentProposedDuration] == 60
    assert values[lid.PidLidAppointmentStartWhole] == utc(2026, 11, 18, 10)
    assert values[lid.PidLidAppointmentDuration] == 30


def test_cancellation_of_one_occurrence() -> None:
    message = meeting(
        *PEOPLE,
        "DTSTART;TZID=America/New_York:20261118T200000",
        "RECURRENCE-ID;TZID=America/New_York:20261118T190000",
        "STATUS:CANCELLED",
        method="CANCEL",
    )
    values = message.properties
    assert values[tags.PidTagMessageClass] == "IPM.Schedule.Meeting.Canceled"
    assert values[lid.PidLidAppointmentStateFlags] == 7
    assert values[lid.PidLidBusyStatus] == 0
    assert (values[lid.PidLidIsException], values[lid.PidLidIsRecurring]) == (True, True)
    assert values[lid.PidLidExceptionReplaceTime] == utc(2026, 11, 19)
    assert GlobalObjectId.parse(values[lid.PidLidGlobalObjectId]).instance == (2026, 11, 18)
    assert GlobalObjectId.parse(values[lid.PidLidCleanGlobalObjectId]).instance == (0, 0, 0)


def test_series_with_an_occurrence_that_differs() -> None:
    override = event(
        "RECURRENCE-ID;TZID=Europe/Berlin:20261202T100000",
        "DTSTART;TZID=Europe/Berlin:20261203T150000",
        "DTEND;TZID=Europe/Berlin:20261203T160000",
        "SUMMARY:Later",
        "DESCRIPTION:Another text",
        "X-MICROSOFT-CDO-BUSYSTATUS:OOF",
        "ATTENDEE:mailto:dave@example.com",
    )
    gone = event("RECURRENCE-ID;TZID=Europe/Berlin:20261209T100000", "DTSTART:20261209T090000Z", "STATUS:CANCELLED")
    data = calendar(
        *PEOPLE,
        "DTSTART;TZID=Europe/Berlin:20261125T100000",
        "DTEND;TZID=Europe/Berlin:20261125T103000",
        "RRULE:FREQ=WEEKLY;COUNT=5",
        "SUMMARY:Usual",
        method="REQUEST",
        before=f"{override}\r\n{gone}",
    )
    message = message_from_icalendar(data, now=NOW)
    assert message is not None
    series = Series.parse(message.properties[lid.PidLidAppointmentRecur])
    (changed,) = series.exceptions
    assert (changed.subject, changed.location, changed.busy_status, changed.has_body) == ("Later", None, None, True)
    assert changed.start == datetime(2026, 12, 3, 15)  # noqa: DTZ001
    assert [item.start.day for item in series.occurrences()] == [25, 3, 16, 23]
    (attachment,) = message.attachments
    values = attachment.properties
    assert (values[tags.PidTagAttachmentHidden], values[tags.PidTagAttachmentFlags]) == (True, 2)
    assert values[tags.PidTagExceptionStartTime] == utc(2026, 12, 3, 15)  # on the clock of the series
    assert values[tags.PidTagExceptionReplaceTime] == utc(2026, 12, 2, 9)
    embedded = attachment.embedded
    assert embedded is not None
    assert embedded.properties[tags.PidTagMessageClass].startswith("IPM.OLE.CLASS.{00061055-")
    assert embedded.properties[lid.PidLidAppointmentStartWhole] == utc(2026, 12, 3, 14)
    assert embedded.properties[lid.PidLidExceptionReplaceTime] == utc(2026, 12, 2, 9)
    assert embedded.properties[tags.PidTagBody] == "Another text"
    assert embedded.properties[lid.PidLidBusyStatus] == 1
    assert embedded.properties[lid.PidLidIntendedBusyStatus] == 3
    assert embedded.properties[lid.PidLidFExceptionalAttendees] is True
    assert [row[tags.PidTagSmtpAddress] for row in embedded.recipients] == ["dave@example.com"]
    assert message.properties[lid.PidLidClipStart] == utc(2026, 11, 25)
    assert message.properties[lid.PidLidClipEnd] == utc(2026, 12, 23)
    assert message.properties[lid.PidLidRecurrenceType] == 2


@pytest.mark.parametrize("method", ["ADD", "REFRESH", "DECLINECOUNTER", "NONSENSE"])
def test_methods_that_no_message_is_made_of(method: str) -> None:
    assert message_from_icalendar(calendar("DTSTART:20261118T100000Z", method=method), now=NOW) is None


def test_several_meetings_in_one_mail_stay_a_file() -> None:
    other = event("DTSTART:20261118T100000Z").replace("one@", "two@")
    assert message_from_icalendar(calendar("DTSTART:20261118T100000Z", before=other), now=NOW) is None
    assert len(messages_from_icalendar(calendar("DTSTART:20261118T100000Z", before=other), now=NOW)) == 2


def test_imported_meeting_is_somebody_elses_unless_the_owner_organized_it() -> None:
    data = calendar(*PEOPLE, "DTSTART:20261118T100000Z")
    (own,) = messages_from_icalendar(data, now=NOW, owner="anna@example.com")
    assert (own.properties[lid.PidLidAppointmentStateFlags], own.properties[lid.PidLidResponseStatus]) == (1, 1)
    (other,) = messages_from_icalendar(data, now=NOW, owner="carol@example.com")
    assert (other.properties[lid.PidLidAppointmentStateFlags], other.properties[lid.PidLidResponseStatus]) == (3, 2)


def test_files_and_links() -> None:
    message = appointment(
        "DTSTART:20261118T100000Z",
        "ATTACH;FMTTYPE=text/plain;ENCODING=BASE64;VALUE=BINARY;X-FILENAME=a.txt:aGVsbG8=",
        "ATTACH:https://example.com/agenda",
        "ATTACH:CID:image001@example.com",
    )
    found = [
        (item.properties[tags.PidTagAttachLongFilename], item.properties[tags.PidTagAttachDataBinary])
        for item in message.attachments
    ]
    assert found == [
        ("a.txt", b"hello"),
        ("ATT00002.url", b"[InternetShortcut]\r\nURL=https://example.com/agenda\r\n"),
    ]


def test_html_description() -> None:
    values = appointment("DTSTART:20261118T100000Z", "X-ALT-DESC;FMTTYPE=text/html:<b>Gr\u00fc\u00dfe</b>").properties
    assert values[tags.PidTagHtml] == "<b>Grüße</b>".encode()
    assert values[tags.PidTagNativeBody] == 3
    assert values[tags.PidTagInternetCodepage] == 65001


def test_task() -> None:
    data = calendar(
        "SUMMARY:Buy a tree",
        "DTSTART;VALUE=DATE:20261201",
        "DUE;VALUE=DATE:20261223",
        "STATUS:IN-PROCESS",
        "PERCENT-COMPLETE:40",
        "PRIORITY:1",
        "RRULE:FREQ=YEARLY",
        kind="VTODO",
    )
    (message,) = messages_from_icalendar(data, now=NOW)
    values = message.properties
    assert values[tags.PidTagMessageClass] == "IPM.Task"
    assert (values[lid.PidLidTaskStatus], values[lid.PidLidPercentComplete]) == (1, 0.4)
    assert values[lid.PidLidTaskDueDate] == values[lid.PidLidCommonEnd] == utc(2026, 12, 23)
    assert values[lid.PidLidTaskFRecurring] is True
    assert Series.parse_task(values[lid.PidLidTaskRecurrence]).pattern.period == 12
    assert values[tags.PidTagImportance] == 2


def test_calendar_of_outlook_com() -> None:
    messages = messages_from_icalendar((FIXTURES / "alarm_outlook_in_future.ics").read_bytes(), now=NOW)
    week, single = messages
    series = Series.parse(week.properties[lid.PidLidAppointmentRecur])
    assert [item.start.isoformat() for item in series.occurrences()] == ["2024-07-01T00:00:00", "2024-07-29T00:00:00"]
    assert series.duration == timedelta(days=7)
    assert week.properties[lid.PidLidAppointmentSubType] is True
    assert single.properties[lid.PidLidAppointmentStartWhole] == utc(2024, 10, 4, 17, 30)
    identity = GlobalObjectId.parse(single.properties[lid.PidLidGlobalObjectId])
    assert identity.data.hex().upper() == "D748168D60A25439FA3E76297E80CB00"[:32] or len(identity.data) == 16
