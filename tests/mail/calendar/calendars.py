"""Calendars for tests."""

from datetime import UTC, datetime
from pathlib import Path

from mapigw.mail.calendar.exporting import icalendar_of
from mapigw.mail.calendar.importing import message_from_icalendar, messages_from_icalendar
from mapigw.wire.message import Message

FIXTURES = Path(__file__).parents[3] / "fixtures" / "calendar" / "icalendar"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def calendar(*lines: str, method: str = "", kind: str = "VEVENT", before: str = "") -> bytes:
    """A calendar with one component of these lines."""
    head = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN", *([f"METHOD:{method}"] if method else [])]
    body = [f"BEGIN:{kind}", "UID:one@example.com", "DTSTAMP:20261101T080000Z", *lines, f"END:{kind}"]
    return "\r\n".join([*head, *([before] if before else []), *body, "END:VCALENDAR", ""]).encode()


def event(*lines: str) -> str:
    return "\r\n".join(["BEGIN:VEVENT", "UID:one@example.com", "DTSTAMP:20261101T080000Z", *lines, "END:VEVENT"])


def appointment(*lines: str) -> Message:
    (message,) = messages_from_icalendar(calendar(*lines), now=NOW)
    return message


def meeting(*lines: str, method: str = "REQUEST") -> Message:
    message = message_from_icalendar(calendar(*lines, method=method), now=NOW)
    assert message is not None
    return message


def exported(message: Message, method: str | None = None) -> str:
    """The calendar of a message, unfolded."""
    found = icalendar_of(message, now=NOW, method=method)
    assert found is not None
    return found.data.decode().replace("\r\n ", "")


def lines(text: str, name: str) -> list[str]:
    """The lines of a property."""
    return [line for line in text.splitlines() if line.partition(":")[0].partition(";")[0] == name]
