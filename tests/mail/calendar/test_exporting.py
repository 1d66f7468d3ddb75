"""Messages to calendars, and what another reader finds in them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from icalendar import Calendar

from mapigw.mail.calendar import names as lid
from mapigw.mail.calendar.exporting import icalendar_of
from mapigw.mail.calendar.importing import message_from_icalendar
from mapigw.mail.export.addressing import Addressing
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.properties import filetime
from tests.mail.calendar.calendars import NOW, appointment, calendar, event, exported, lines, meeting

PEOPLE = (
    "ORGANIZER;CN=Anna:mailto:anna@example.com",
    "ATTENDEE;ROLE=REQ-PARTICIPANT;RSVP=TRUE;CN=Bob:mailto:bob@example.com",
    "ATTENDEE;ROLE=OPT-PARTICIPANT;PARTSTAT=TENTATIVE:mailto:carol@example.com",
    "ATTENDEE;CUTYPE=ROOM;PARTSTAT=ACCEPTED;CN=Room 1:mailto:room@example.com",
)


def components(text: str, kind: str = "VEVENT") -> list[Any]:
    """The components of a kind, read by the icalendar package."""
    found: Any = Calendar.from_ical(text.encode())
    return list(found.walk(kind))


def only(text: str, kind: str = "VEVENT") -> Any:
    (found,) = components(text, kind)
    return found


def test_request() -> None:
    message = meeting(
        *PEOPLE,
        "SUMMARY:Budget\\; part 2",
        "DESCRIPTION:Grüße\\nvon uns",
        "DTSTART;TZID=W. Europe Standard Time:20261118T100000",
        "DTEND;TZID=W. Europe Standard Time:20261118T113000",
        "SEQUENCE:2",
        "X-MICROSOFT-CDO-INTENDEDSTATUS:OOF",
        "X-MICROSOFT-CDO-OWNERAPPTID:77",
        "CLASS:CONFIDENTIAL",
        "CATEGORIES:One,Two\\, three",
    )
    text = exported(message)
    assert "METHOD:REQUEST" in text
    found = only(text)
    assert (found["SUMMARY"], found["DESCRIPTION"]) == ("Budget; part 2", "Grüße\nvon uns")
    assert found["DTSTART"].dt.astimezone(UTC) == datetime(2026, 11, 18, 9, tzinfo=UTC)
    assert "TZID:W. Europe Standard Time" in text
    assert found["UID"] == "one@example.com"
    assert found["SEQUENCE"] == 2
    assert found["CLASS"] == "CONFIDENTIAL"
    assert found["STATUS"] == "CONFIRMED"
    assert found["X-MICROSOFT-CDO-INTENDEDSTATUS"] == "OOF"
    assert found["X-MICROSOFT-CDO-BUSYSTATUS"] == "TENTATIVE"
    assert found["X-MICROSOFT-CDO-OWNERAPPTID"] == "77"
    assert found["X-MICROSOFT-CDO-INSTTYPE"] == "0"
    assert found["CATEGORIES"].cats == ["One", "Two, three"]
    assert str(found["ORGANIZER"]) == "mailto:anna@example.com"
    people = {str(item): dict(item.params) for item in found["ATTENDEE"]}
    assert people["mailto:bob@example.com"] == {
        "CN": "Bob",
        "CUTYPE": "INDIVIDUAL",
        "ROLE": "REQ-PARTICIPANT",
        "PARTSTAT": "NEEDS-ACTION",
        "RSVP": "TRUE",
    }
    assert people["mailto:carol@example.com"]["ROLE"] == "OPT-PARTICIPANT"
    assert people["mailto:room@example.com"]["CUTYPE"] == "RESOURCE"
    assert people["mailto:room@example.com"]["PARTSTAT"] == "ACCEPTED"


def test_lines_are_folded_between_characters() -> None:
    found = icalendar_of(appointment("DTSTART:20261118T100000Z", "SUMMARY:" + "ü" * 200), now=NOW)
    assert found is not None
    assert max(len(line) for line in found.data.split(b"\r\n")) <= 75
    for line in found.data.split(b"\r\n"):
        line.decode()


def test_whole_days() -> None:
    text = exported(appointment("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261227"))
    assert lines(text, "DTSTART") == ["DTSTART;VALUE=DATE:20261224"]
    assert lines(text, "DTEND") == ["DTEND;VALUE=DATE:20261227"]
    assert "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE" in text


def test_whole_day_of_a_zone_that_nobody_knows() -> None:
    message = appointment("DTSTART;VALUE=DATE:20261224")
    for key in list(message.properties):
        if key in (
            lid.PidLidAppointmentTimeZoneDefinitionStartDisplay,
            lid.PidLidAppointmentTimeZoneDefinitionEndDisplay,
            lid.PidLidTimeZoneDescription,
        ):
            del message.properties[key]
    start = filetime(datetime(2026, 12, 23, 23, tzinfo=UTC))  # midnight in Berlin
    message.properties[lid.PidLidAppointmentStartWhole] = start
    message.properties[lid.PidLidAppointmentEndWhole] = start + 24 * 3600 * 10_000_000
    assert lines(exported(message), "DTSTART") == ["DTSTART;VALUE=DATE:20261224"]


@pytest.mark.parametrize("partstat", ["ACCEPTED", "DECLINED", "TENTATIVE"])
def test_reply(partstat: str) -> None:
    source = (
        "ORGANIZER:mailto:anna@example.com",
        f"ATTENDEE;PARTSTAT={partstat};CN=Bob:mailto:bob@example.com",
        "DTSTART:20261118T100000Z",
        "DTEND:20261118T110000Z",
        "SEQUENCE:4",
        "COMMENT:See you",
    )
    text = exported(meeting(*source, method="REPLY"))
    found = only(text)
    assert "METHOD:REPLY" in text
    assert (str(found["ATTENDEE"]), found["ATTENDEE"].params["PARTSTAT"]) == ("mailto:bob@example.com", partstat)
    assert str(found["ORGANIZER"]) == "mailto:anna@example.com"
    assert found["COMMENT"] == "See you"
    assert "VALARM" not in text


def test_counter_proposal() -> None:
    text = exported(
        meeting(
            "ORGANIZER:mailto:anna@example.com",
            "ATTENDEE;PARTSTAT=TENTATIVE:mailto:bob@example.com",
            "DTSTART:20261118T140000Z",
            "DTEND:20261118T150000Z",
            "X-MS-OLK-ORIGINALSTART:20261118T100000Z",
            "X-MS-OLK-ORIGINALEND:20261118T103000Z",
            method="COUNTER",
        )
    )
    assert "METHOD:COUNTER" in text
    assert lines(text, "DTSTART") == ["DTSTART:20261118T140000Z"]
    assert lines(text, "X-MS-OLK-ORIGINALSTART") == ["X-MS-OLK-ORIGINALSTART:20261118T100000Z"]
    assert lines(text, "X-MS-OLK-ORIGINALEND") == ["X-MS-OLK-ORIGINALEND:20261118T103000Z"]


def test_cancellation_of_an_occurrence() -> None:
    text = exported(
        meeting(
            *PEOPLE,
            "DTSTART;TZID=America/New_York:20261118T200000",
            "RECURRENCE-ID;TZID=America/New_York:20261118T190000",
            method="CANCEL",
        )
    )
    assert "METHOD:CANCEL" in text
    assert lines(text, "STATUS") == ["STATUS:CANCELLED"]
    assert lines(text, "RECURRENCE-ID") == ["RECURRENCE-ID;TZID=Eastern Standard Time:20261118T190000"]
    assert lines(text, "X-MICROSOFT-CDO-INSTTYPE") == ["X-MICROSOFT-CDO-INSTTYPE:3"]


def test_exceptions_are_components_of_their_own() -> None:
    override = event(
        "RECURRENCE-ID;TZID=Europe/Berlin:20261202T100000",
        "DTSTART;TZID=Europe/Berlin:20261203T150000",
        "DTEND;TZID=Europe/Berlin:20261203T160000",
        "SUMMARY:Later",
        "DESCRIPTION:Another text",
        "LOCATION:Elsewhere",
    )
    data = calendar(
        *PEOPLE,
        "DTSTART;TZID=Europe/Berlin:20261125T100000",
        "DTEND;TZID=Europe/Berlin:20261125T103000",
        "RRULE:FREQ=WEEKLY;COUNT=5",
        "EXDATE;TZID=Europe/Berlin:20261209T100000",
        "SUMMARY:Usual",
        method="REQUEST",
        before=override,
    )
    message = message_from_icalendar(data, now=NOW)
    assert message is not None
    text = exported(message)
    master, changed = components(text)
    assert master["RRULE"].to_ical() == b"FREQ=WEEKLY;COUNT=5;BYDAY=WE;WKST=MO"
    assert master["EXDATE"].dts[0].dt.replace(tzinfo=None) == datetime(2026, 12, 9, 10)  # noqa: DTZ001
    assert (changed["SUMMARY"], changed["DESCRIPTION"], changed["LOCATION"]) == ("Later", "Another text", "Elsewhere")
    assert changed["RECURRENCE-ID"].dt.replace(tzinfo=None) == datetime(2026, 12, 2, 10)  # noqa: DTZ001
    assert changed["DTSTART"].dt.astimezone(UTC) == datetime(2026, 12, 3, 14, tzinfo=UTC)
    assert len(changed["ATTENDEE"]) == 3
    again = message_from_icalendar(text.encode(), now=NOW)
    assert again is not None
    assert again.properties[lid.PidLidAppointmentRecur] == message.properties[lid.PidLidAppointmentRecur]


def test_alarm_and_html() -> None:
    text = exported(
        appointment(
            "DTSTART:20270118T100000Z",
            "X-ALT-DESC;FMTTYPE=text/html:<p>a\\;b</p>",
            "BEGIN:VALARM",
            "TRIGGER:-PT45M",
            "END:VALARM",
        )
    )
    assert only(text, "VALARM")["TRIGGER"].dt == timedelta(minutes=-45)
    assert lines(text, "X-ALT-DESC") == ["X-ALT-DESC;FMTTYPE=text/html:<p>a\\;b</p>"]


def test_text_of_a_body_that_is_stored_as_html_only() -> None:
    message = appointment("DTSTART:20270118T100000Z")
    del message.properties[tags.PidTagBody]
    message.properties |= {tags.PidTagHtml: "<p>Grüße</p>".encode(), tags.PidTagInternetCodepage: 65001}
    assert only(exported(message))["DESCRIPTION"].strip() == "Grüße"


def test_addresses_of_the_directory() -> None:
    message = meeting(*PEOPLE, "DTSTART:20261118T100000Z")
    row = message.recipients[0]
    row |= {tags.PidTagAddressType: "EX", tags.PidTagEmailAddress: "/o=x/cn=bob"}
    del row[tags.PidTagSmtpAddress]
    found = icalendar_of(message, now=NOW, addressing=Addressing({"/o=x/cn=bob": "bob@here.example"}))
    assert found is not None
    assert b"mailto:bob@here.example" in found.data.replace(b"\r\n ", b"")


@pytest.mark.parametrize("name", ["IPM.Note", "IPM.Contact", "REPORT.IPM.Note.NDR"])
def test_other_classes_are_no_calendars(name: str) -> None:
    assert icalendar_of(Message({tags.PidTagMessageClass: name}), now=NOW) is None
    assert icalendar_of(Message({tags.PidTagMessageClass: "IPM.Appointment"}), now=NOW) is None


@pytest.mark.parametrize(
    "key",
    [
        lid.PidLidAppointmentRecur,
        lid.PidLidTimeZoneStruct,
        lid.PidLidAppointmentTimeZoneDefinitionRecur,
        lid.PidLidAppointmentTimeZoneDefinitionStartDisplay,
        lid.PidLidGlobalObjectId,
    ],
)
@pytest.mark.parametrize("value", [b"", b"\0", b"\x04\x30\x04\x30" + b"\xff" * 200])
def test_damaged_values_do_not_prevent_an_export(key: Any, value: bytes) -> None:
    message = appointment("DTSTART;TZID=Europe/Berlin:20261118T100000", "RRULE:FREQ=DAILY;COUNT=3")
    message.properties[key] = value
    assert only(exported(message))["DTSTART"].dt.astimezone(UTC) == datetime(2026, 11, 18, 9, tzinfo=UTC)
