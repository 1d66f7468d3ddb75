"""Mail with a calendar or a winmail.dat in it."""

import base64
from pathlib import Path

import pytest

from mapigw.mail.mime import message_from_mime
from mapigw.mail.tnef import encapsulate
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message
from tests.mail.mime import HTML, PDF, PLAIN, message_of, multipart, names

TNEF = Path(__file__).parents[2] / "fixtures" / "tnef"


def calendar(method: str, component: str = "VEVENT", disposition: str = "") -> str:
    return (
        f"Content-Type: text/calendar; charset=utf-8; method={method}{disposition}\n\n"
        f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y\nMETHOD:{method}\nBEGIN:{component}\nUID:1@x.example\n"
        "DTSTAMP:20240501T080000Z\nDTSTART:20240506T100000Z\nDTEND:20240506T110000Z\nSUMMARY:From the calendar\n"
        "ORGANIZER;CN=Ann:mailto:ann@x.example\nATTENDEE;CN=Tom;PARTSTAT=ACCEPTED:mailto:tom@bm.lan\n"
        f"ATTENDEE;CN=Jo;ROLE=OPT-PARTICIPANT:mailto:jo@y.example\nEND:{component}\nEND:VCALENDAR\n"
    )


def mail(*entities: str, kind: str = "alternative") -> Message:
    head = "From: Ann <ann@x.example>\nTo: tom@bm.lan\nMessage-ID: <m@x>\nSubject: Lunch\n"
    return message_from_mime(f"{head}{multipart(kind, *entities)}".encode())


def test_request_beside_its_text() -> None:
    message = mail(PLAIN, HTML, calendar("REQUEST"))
    assert message.properties[tags.PidTagMessageClass] == "IPM.Schedule.Meeting.Request"
    assert message.properties[tags.PidTagSubject] == "Lunch"
    assert message.properties[tags.PidTagHtml] == b"<p>html text</p>"
    assert message.properties[tags.PidTagInternetMessageId] == "<m@x>"
    assert message.properties[tags.PidTagSenderSmtpAddress] == "ann@x.example"
    assert {"tom@bm.lan", "jo@y.example"} <= {row[tags.PidTagEmailAddress] for row in message.recipients}
    assert message.attachments == []


@pytest.mark.parametrize(
    ("method", "message_class"),
    [("CANCEL", "IPM.Schedule.Meeting.Canceled"), ("REPLY", "IPM.Schedule.Meeting.Resp.Pos")],
)
def test_other_methods(method: str, message_class: str) -> None:
    assert mail(PLAIN, calendar(method)).properties[tags.PidTagMessageClass] == message_class


def test_mail_that_is_nothing_but_a_calendar() -> None:
    message = message_from_mime(f"From: ann@x.example\n{calendar('REQUEST')}".encode())
    assert message.properties[tags.PidTagMessageClass] == "IPM.Schedule.Meeting.Request"
    assert message.properties[tags.PidTagSubject] == "From the calendar"


def test_files_beside_a_request_stay() -> None:
    message = mail(multipart("alternative", PLAIN, calendar("REQUEST")), PDF, kind="mixed")
    assert message.properties[tags.PidTagMessageClass] == "IPM.Schedule.Meeting.Request"
    assert names(message) == ["a.pdf"]


@pytest.mark.parametrize(
    "part",
    [
        calendar("PUBLISH"),
        calendar("REFRESH"),
        calendar("REQUEST", "VJOURNAL"),
        calendar("REQUEST", disposition="\nContent-Disposition: attachment"),
        "Content-Type: text/calendar; method=REQUEST\n\nno calendar at all",
    ],
)
def test_a_calendar_that_is_no_meeting_message_is_a_file(part: str) -> None:
    message = mail(PLAIN, part)
    assert message.properties[tags.PidTagMessageClass] == "IPM.Note"
    assert names(message) == ["ATT00001.ics"]


def winmail(data: bytes, name: str = "winmail.dat") -> str:
    text = base64.encodebytes(data).decode()
    return f'Content-Type: application/ms-tnef; name="{name}"\nContent-Transfer-Encoding: base64\n\n{text}'


def test_winmail_dat_is_opened() -> None:
    inner = Message(
        {tags.PidTagMessageClass: "IPM.Task", tags.PidTagImportance: 2},
        [],
        [Attachment({tags.PidTagAttachMethod: 1, tags.PidTagAttachLongFilename: "inner.txt",
                     tags.PidTagAttachDataBinary: b"inside"})],
    )  # fmt: skip
    message = mail(PLAIN, winmail(encapsulate(inner, correlator="<m@x>")), PDF, kind="mixed")
    assert message.properties[tags.PidTagMessageClass] == "IPM.Task"
    assert message.properties[tags.PidTagImportance] == 2
    assert message.properties[tags.PidTagSubject] == "Lunch"
    assert message.properties[tags.PidTagBody] == "plain text"
    assert names(message) == ["a.pdf", "inner.txt"]


def test_winmail_dat_of_another_message_is_a_file() -> None:
    message = mail(PLAIN, winmail(encapsulate(Message({}), correlator="<other@x>")), kind="mixed")
    assert names(message) == ["winmail.dat"]


@pytest.mark.parametrize("data", [b"", b"no TNEF", (TNEF / "one-file.tnef").read_bytes()[:8]])
def test_broken_winmail_dat_loses_nothing(data: bytes) -> None:
    message = mail(PLAIN, winmail(data), kind="mixed")
    assert message.properties[tags.PidTagBody] == "plain text"
    assert len(message.attachments) <= 1


@pytest.mark.parametrize("path", sorted(TNEF.glob("*.tnef")), ids=lambda path: path.name)
def test_samples_by_mail(path: Path) -> None:
    message = mail(PLAIN, winmail(path.read_bytes()), kind="mixed")
    assert message.properties[tags.PidTagSubject] == "Lunch"
    assert message.properties[tags.PidTagSenderSmtpAddress] == "ann@x.example"


def test_what_is_only_called_so_is_a_file() -> None:
    message = message_of(multipart("mixed", PLAIN, 'Content-Type: text/x; name="winmail.dat"\n\ntext'))
    assert names(message) == ["winmail.dat"]
