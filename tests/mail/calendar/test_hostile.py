"""Calendars that are broken, or meant to break: readable, quick, and never lost."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapigw.mail.calendar import names as lid
from mapigw.mail.calendar.exporting import icalendar_of
from mapigw.mail.calendar.importing import message_from_icalendar, messages_from_icalendar
from mapigw.wire import tags
from tests.mail.calendar.calendars import FIXTURES, NOW, calendar, event

FILES = sorted(FIXTURES.glob("*.ics"), key=lambda path: path.name)
START = "DTSTART:20261118T100000Z"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_calendar_of_the_collection(path: object) -> None:
    data = path.read_bytes()  # type: ignore[attr-defined]
    message_from_icalendar(data, now=NOW)
    for message in messages_from_icalendar(data, now=NOW):
        written = icalendar_of(message, now=NOW)
        if message.properties[tags.PidTagMessageClass] == "IPM.Note":
            assert message.attachments[-1].properties[tags.PidTagAttachDataBinary] == data
            continue
        assert written is not None
        (again,) = messages_from_icalendar(written.data, now=NOW)
        for key in (
            tags.PidTagSubject,
            tags.PidTagBody,
            lid.PidLidAppointmentStartWhole,
            lid.PidLidAppointmentEndWhole,
            lid.PidLidAppointmentSubType,
            lid.PidLidBusyStatus,
            lid.PidLidLocation,
            lid.PidLidTaskDueDate,
        ):
            assert again.properties.get(key) == message.properties.get(key)


def test_ten_thousand_attendees() -> None:
    people = [f"ATTENDEE;CN=Person {number};RSVP=TRUE:mailto:p{number}@example.com" for number in range(10_000)]
    started = time.monotonic()
    message = message_from_icalendar(calendar(START, *people, method="REQUEST"), now=NOW)
    assert message is not None
    assert len(message.recipients) == 10_000
    assert time.monotonic() - started < 10


def test_a_megabyte_of_description() -> None:
    text = "a" * 1_000_000
    (message,) = messages_from_icalendar(calendar(START, f"DESCRIPTION:{text}"), now=NOW)
    assert message.properties[tags.PidTagBody] == text
    written = icalendar_of(message, now=NOW)
    assert written is not None
    assert messages_from_icalendar(written.data, now=NOW)[0].properties[tags.PidTagBody] == text


@pytest.mark.parametrize(
    "lines",
    [
        ("SUMMARY:No start",),
        ("DTSTART:nonsense", "SUMMARY:x"),
        ("DTSTART:20261340T990000",),
        ("DTSTART:00000101T000000Z",),
        ("DTSTART:99991231T235959Z",),
        ("DTSTART;TZID=:",),
    ],
)
def test_without_a_start_it_is_a_note_with_the_calendar(lines: tuple[str, ...]) -> None:
    data = calendar(*lines, "DESCRIPTION:What it says")
    assert message_from_icalendar(data, now=NOW, method="REQUEST") is None
    (note,) = messages_from_icalendar(data, now=NOW)
    assert note.properties[tags.PidTagMessageClass] == "IPM.Note"
    assert note.properties[tags.PidTagBody] == "What it says"
    assert note.attachments[0].properties[tags.PidTagAttachDataBinary] == data


@pytest.mark.parametrize(
    "lines",
    [
        ("DTEND:19000101T000000Z",),
        ("DTEND:broken", "DURATION:broken"),
        ("DURATION:-P99999W",),
        ("DURATION:P999999W",),
        ("EXDATE:broken", "RRULE:FREQ=DAILY"),
        ("RDATE;VALUE=PERIOD:20261118T100000Z/PT1H,broken/",),
        ("RRULE:FREQ=DAILY;UNTIL=19000101",),
        ("RRULE:FREQ=DAILY;UNTIL=broken",),
        ("RRULE:FREQ=DAILY;COUNT=" + "9" * 500,),
        ("SEQUENCE:-5", "PRIORITY:x", "X-MICROSOFT-CDO-OWNERAPPTID:99999999999999999999"),
        ("ORGANIZER:", "ATTENDEE:", "ATTENDEE:mailto:", "ATTENDEE;CN=" + "x" * 100_000 + ":mailto:a@b"),
        ("BEGIN:VALARM", "TRIGGER:P99999999999D"),
        ("BEGIN:VALARM", "TRIGGER;VALUE=DATE-TIME:10000101T000000Z", "END:VALARM"),
        ("ATTACH;ENCODING=BASE64;VALUE=BINARY:!!!", "ATTACH:"),
        ("UID:" + "u" * 100_000,),
        ("SUMMARY:\0\x01\x02 nul", "LOCATION:\0"),
        ("BEGIN:A",) * 50,
        ("END:VEVENT", "END:VCALENDAR", "END:NOTHING"),
        ("DTSTART;TZID=" + "../" * 50 + "etc/passwd:20261118T100000",),
    ],
)
def test_nonsense_around_a_start(lines: tuple[str, ...]) -> None:
    data = calendar(START, *lines)
    for message in messages_from_icalendar(data, now=NOW):
        icalendar_of(message, now=NOW)
    found = message_from_icalendar(data, now=NOW, method="REQUEST")
    assert found is None or found.properties[lid.PidLidAppointmentStartWhole]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig", "cp1251", "shift_jis"])
def test_character_sets(encoding: str) -> None:
    words = {"cp1251": "Встреча", "shift_jis": "会議"}.get(encoding, "Grüße")
    data = calendar(START, f"SUMMARY:{words}").decode().encode(encoding)
    charset = {"cp1251": "windows-1251", "shift_jis": "shift_jis"}.get(encoding, "")
    (message,) = messages_from_icalendar(data, charset=charset, now=NOW)
    assert message.properties[tags.PidTagSubject] == words


def test_character_that_was_folded_in_its_middle() -> None:
    raw = calendar(START, "SUMMARY:Grüße").replace("ü".encode(), b"\xc3\r\n \xbc")
    assert messages_from_icalendar(raw, now=NOW)[0].properties[tags.PidTagSubject] == "Grüße"


def test_description_that_was_not_folded() -> None:
    data = calendar(START, "DESCRIPTION:first", "second without a name", "SUMMARY:x")
    (message,) = messages_from_icalendar(data, now=NOW)
    assert message.properties[tags.PidTagBody] == "first\r\nsecond without a name"


def test_components_without_a_calendar() -> None:
    (message,) = messages_from_icalendar(event(START, "SUMMARY:alone").encode(), now=NOW)
    assert message.properties[tags.PidTagSubject] == "alone"


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 1000, b"BEGIN:VCALENDAR", b"\xff\xfe\xff", b"BEGIN:" * 1000, b"\n" * 100_000]
)
def test_no_calendar_at_all(data: bytes) -> None:
    assert message_from_icalendar(data, now=NOW) is None
    (note,) = messages_from_icalendar(data, now=NOW)
    assert note.attachments[0].properties[tags.PidTagAttachDataBinary] == data


@pytest.mark.parametrize(
    "data",
    [
        b"BEGIN:VEVENT\n" * 100_000,
        calendar(START, *["EXDATE:" + ",".join(["20261118T100000Z"] * 1000)] * 100, "RRULE:FREQ=DAILY"),
        calendar(START, "RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30;BYYEARDAY=1;COUNT=1000000"),
        calendar(START, *["RRULE:FREQ=DAILY;BYMONTHDAY=31;BYMONTH=2"] * 20),
        calendar(START, "X;" + "A=" * 200_000 + ":x", 'X;B="' + '"' * 200_000),
        calendar(START, "DESCRIPTION:" + "\\" * 1_000_000),
        calendar("DTSTART:16010101T000000", "RRULE:FREQ=DAILY", "BEGIN:VALARM", "TRIGGER:-PT5M", "END:VALARM"),
    ],
)
def test_time_is_bounded(data: bytes) -> None:
    started = time.monotonic()
    for message in messages_from_icalendar(data, now=NOW):
        icalendar_of(message, now=NOW)
    assert time.monotonic() - started < 15


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_anything_in_the_place_of_a_value(data: st.DataObject) -> None:
    names = [
        "DTSTART",
        "DTEND",
        "RRULE",
        "EXDATE",
        "UID",
        "ATTENDEE;CN=a",
        "RECURRENCE-ID",
        "DURATION",
        "SUMMARY",
        "ATTACH",
    ]
    lines = [
        f"{data.draw(st.sampled_from(names))}:{data.draw(st.text(max_size=20))}"
        for _ in range(data.draw(st.integers(0, 4)))
    ]
    source = calendar(START, *lines).decode().encode("utf-8", "replace") if lines else calendar(START)
    for message in messages_from_icalendar(source, now=NOW):
        icalendar_of(message, now=NOW)
