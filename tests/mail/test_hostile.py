"""Mail made to be slow or to break the reader: time is bounded, and nothing raises or is refused."""

import random
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapigw.mail import octets, parts
from mapigw.mail.headers import MAX_HEADER
from mapigw.mail.mime import message_from_mime
from mapigw.mail.parts import MAX_ADDRESSES, MAX_PARTS
from mapigw.wire import tags
from mapigw.wire.message import Message
from tests.mail.corpus import messages

SECONDS = 10.0  # each takes about one; what is quadratic takes minutes


def related(html: bytes) -> bytes:
    head = b"Content-Type: multipart/related; boundary=b\n\n--b\nContent-Type: text/html\n\n"
    return head + html + b"\n--b\nContent-Type: image/png\nContent-ID: <a>\n\nx\n--b--"


def nested(depth: int) -> bytes:
    return b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (number, number) for number in range(depth)
    )


HOSTILE = {
    "100,000 fields": b"".join(b"X-%d: value\n" % number for number in range(100_000)) + b"\nbody",
    "100,000 times one field": b"Received: x; Mon, 1 Jan 2001 00:00:00 +0000\n" * 100_000 + b"\nbody",
    "lines that are no fields": b"Subject: x\n" + b"garbage\nX: y\n" * 50_000 + b"\nbody",
    "100,000 parts": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 100_000 + b"--b--",
    "almost boundaries": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b x\n" * 200_000,
    "1,000 multiparts in each other": nested(1000) + b"Content-Type: text/plain\n\nx",
    "5,000 messages in each other": b"Content-Type: message/rfc822\n\n" * 5_000 + b"Subject: x\n\n" + b"y\n" * 500_000,
    "brackets": b"To: " + b"(" * 500_000 + b"\n\n",
    "quotes": b'To: "' + b'\\"' * 250_000 + b"\\\n\n",
    "more quotes": b"To: " + b'\\"' * 250_000 + b"\n\n",
    "angles": b"To: " + b"<" * 500_000 + b"\n\n",
    "comments": b"To: " + b"a(b)" * 100_000 + b"\n\n",
    "fragments": b"To: " + b"a," * 200_000 + b" <c@d>\n\n",
    "groups": b"To: " + b"a:" * 200_000 + b"\n\n",
    "blanks in an address": b"To: a@" + b" . " * 200_000 + b"b\n\n",
    "encoded words": b"Subject: " + b"=?a?q?x" * 100_000 + b"\n\n",
    "beginnings of encoded words": b"Subject: " + b"=?" * 300_000 + b"\n\n",
    "parameters": b"Content-Type: text/plain" + b";a=b" * 200_000 + b"\n\n",
    "quotes in a parameter": b'Content-Type: text/plain;a="' + b'\\"' * 250_000 + b"\\\n\n",
    "blanks in a parameter": b"Content-Type: text/plain;a " + b" " * 500_000 + b"\n\n",
    "folds": b"Subject: a" + b"\n " * 200_000 + b"\n\n",
    "message ids": b"References: " + b"<a" * 250_000 + b"\n\n",
    "sources": related(b'src="' * 100_000),
    "urls": related(b"url( " * 50_000),
    "meta": b"Content-Type: text/html\n\n" + b"<meta " * 200_000,
    "quote marks": b"Content-Type: text/plain; format=flowed\n\n" + b"> a \n" * 100_000,
    "no colon": b"a" * 1_000_000,
    "carriage returns": b"\r" * 1_000_000,
    "numbers for a date": b"Date: " + b"1 " * 300_000 + b"\n\n",
    "reserved headers": b"X-MS-Exchange-Organization-A: b\n" * 50_000 + b"\n",
    "base64 of nothing": b"Content-Transfer-Encoding: base64\n\n" + b"=A" * 500_000,
    "uuencode": b"Content-Transfer-Encoding: x-uuencode\nContent-Type: a/b\n\nbegin 644 x\n" + b"M\n" * 200_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_is_bounded(name: str, caplog: pytest.LogCaptureFixture) -> None:
    start = time.process_time()
    message_from_mime(HOSTILE[name])
    assert time.process_time() - start < SECONDS
    assert not caplog.records


def test_parts_beyond_the_limit_stay_together() -> None:
    message = message_from_mime(HOSTILE["100,000 parts"])
    assert len(message.attachments) == MAX_PARTS - 1
    assert message.attachments[-1].properties[tags.PidTagAttachSize] > 600_000


def test_twenty_thousand_recipients_are_all_there() -> None:
    raw = b"To: " + b", ".join(b"n <a%d@b>" % number for number in range(20_000)) + b"\n\n"
    message = message_from_mime(raw)
    assert len(message.recipients) == 20_000
    assert message.attachments == []


def test_of_more_recipients_the_header_is_attached() -> None:
    raw = b"To: " + b", ".join(b"n <a%d@b>" % number for number in range(MAX_ADDRESSES + 1)) + b"\n\n"
    message = message_from_mime(raw)
    assert len(message.recipients) == MAX_ADDRESSES
    (header,) = message.attachments
    assert header.properties[tags.PidTagAttachLongFilename] == "header.txt"
    assert header.properties[tags.PidTagAttachDataBinary] == raw


def test_fifty_levels_are_opened_and_no_more() -> None:
    raw = nested(49) + b"Content-Type: text/plain\n\nthe text"
    assert message_from_mime(raw).properties[tags.PidTagBody] == "the text"
    deeper = message_from_mime(nested(60) + b"Content-Type: text/plain\n\nthe text")
    assert deeper.properties[tags.PidTagBody].endswith("the text")


def test_work_for_boundaries_is_bounded_by_size_not_by_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    searched = 0

    def counted(data: bytes, what: bytes, start: int, end: int) -> int:
        nonlocal searched
        found = data.find(what, start, end)
        searched += (end if found < 0 else found) - start
        return found

    monkeypatch.setattr(parts, "find", counted)
    monkeypatch.setattr(parts, "_SEARCH_ALLOWANCE", 0)
    raw = nested(49) + b"x" * 400_000
    message = message_from_mime(raw)
    assert searched <= 8 * len(raw)
    assert message.properties[tags.PidTagBody].endswith("x")


def test_work_for_what_looks_like_a_boundary_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def counted(*arguments: Any) -> int:
        nonlocal calls
        calls += 1
        return octets.find(*arguments)

    monkeypatch.setattr(parts, "find", counted)
    message = message_from_mime(HOSTILE["almost boundaries"])
    assert calls < 50_000
    assert message.attachments == []


def test_a_header_without_end_is_cut_and_attached() -> None:
    raw = b"Subject: kept\n" + b"X-Field: value\n" * (MAX_HEADER // 14) + b"\nthe text"
    message = message_from_mime(raw)
    assert message.properties[tags.PidTagSubject] == "kept"
    assert message.properties[tags.PidTagBody] == "the text"
    (header,) = message.attachments
    assert header.properties[tags.PidTagAttachMimeTag] == "text/rfc822-headers"
    assert header.properties[tags.PidTagAttachDataBinary] == raw[: -len(b"the text")]


def test_nul_in_header_fields() -> None:
    message = message_from_mime(b"Subject: a\0b\nFrom: A\0 <a\0@x>\nTo: b\0@x\nX-Odd: c\0d\nKeywords: k\0\n\ntext")
    assert message.properties[tags.PidTagSubject] == "ab"
    assert message.properties[tags.PidTagSenderEmailAddress] == "a@x"
    assert not [text for text in strings(message) if "\0" in text]


HEADER_FIELDS = st.sampled_from(
    [
        "Subject", "From", "To", "Cc", "Reply-To", "Date", "Received", "Content-Type", "Content-Transfer-Encoding",
        "Content-Disposition", "Message-ID", "References", "Thread-Index", "Keywords", "X-Message-Flag", "Expires",
        "X-Microsoft-Classified", "Content-Class", "Disposition-Notification-To", "X-Any", "Content-Language",
    ]
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "multipart/mixed; boundary=b", "multipart/alternative; boundary=b", "multipart/report; boundary=b",
            "multipart/related; boundary=b; start=\"<a>\"", "multipart/appledouble; boundary=b", "text/enriched",
            "message/rfc822", "message/delivery-status", "message/disposition-notification", "message/external-body",
            "application/applefile", "application/mac-binhex40", "application/ms-tnef", "text/calendar; method=REQUEST",
            "text/plain; charset=iso-2022-jp; format=flowed; delsp=yes", "text/html; charset=utf-7", "base64",
            "quoted-printable", "x-uuencode", "attachment; filename*0*=utf-8''%FF; filename*1=x", "=?utf-8?b?4pyT?=",
            "multipart/signed; boundary=b; protocol=application/pkcs7-signature", "application/pkcs7-mime", "true",
        ]
    ),
)  # fmt: skip
PIECES = st.one_of(
    st.tuples(HEADER_FIELDS, VALUES).map(lambda field: f"{field[0]}: {field[1]}\n".encode("utf-8", "replace")),
    st.sampled_from(
        [b"\n", b"\n--b\n", b"\n--b--\n", b"\nbegin 644 x\n#86)C\n`\nend\n", b"\n=ybegin name=x\n*+,\n=yend size=3\n",
         b"Action: failed\nFinal-Recipient: rfc822; a@b\n\n", b"BEGIN:VCALENDAR\nMETHOD:REQUEST\n", b"\x1b$B", b"\0"]
    ),
    st.binary(max_size=60),
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=st.lists(PIECES, max_size=25))
def test_anything_becomes_a_message(pieces: list[bytes], caplog: pytest.LogCaptureFixture) -> None:
    caplog.clear()
    message = message_from_mime(b"".join(pieces))
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert message.properties[tags.PidTagMessageClass]
    for text in strings(message):
        assert "\0" not in text
        text.encode("utf-8")


def strings(message: Message) -> list[str]:
    found = [value for value in message.properties.values() if isinstance(value, str)]
    for recipient in message.recipients:
        found += [value for value in recipient.values() if isinstance(value, str)]
    for attachment in message.attachments:
        found += [value for value in attachment.properties.values() if isinstance(value, str)]
        if attachment.embedded is not None:
            found += strings(attachment.embedded)
    return found


SNIPPETS = (
    b"\r\n", b"\n\n", b"--", b"=?utf-8?q?", b"?=", b'"', b";", b"<", b">", b"(", b":", b"\0", b"\xff", b"\xed\xa0\x80",
    b"Content-Type: multipart/mixed; boundary=a\n", b"Content-Type: message/rfc822\n\n", b"charset=utf-7", b"+2AA-",
    b"Content-Transfer-Encoding: base64\n", b"charset=iso-2022-jp", b"\x1b$B", b"charset=utf-16", b"*0*=", b"'",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_mutated_mail_is_always_understood(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """Neither does our code fail (it would log that) nor do strings come out that a store could not take."""
    source = random.Random(seed)
    corpus = [raw for _, raw in messages() if len(raw) < 20_000]
    for _ in range(40):
        raw = bytearray(source.choice(corpus))
        for _ in range(source.randrange(1, 12)):
            position = source.randrange(len(raw) + 1)
            match source.randrange(4):
                case 0:
                    raw[position:position] = source.choice(SNIPPETS)
                case 1:
                    del raw[position : position + source.randrange(1, 60)]
                case 2:
                    raw[position : position + 1] = source.randbytes(1)
                case 3:
                    piece = bytes(raw[position : position + source.randrange(200)])
                    raw[source.randrange(len(raw) + 1) :] += piece
        message = message_from_mime(bytes(raw))
        for text in strings(message):
            assert "\0" not in text
            text.encode("utf-8")
    assert not caplog.records
