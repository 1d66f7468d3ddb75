"""Properties of whole messages (MS-OXCMAIL 2.2.3.2, MS-OXOMSG 2.2.1, MS-OXOSMIME 2.1)."""

from datetime import UTC, datetime
from hashlib import md5

import pytest

from mapigw.mail import mime
from mapigw.mail.conversations import conversation_index
from mapigw.mail.fields import parse_date
from mapigw.mail.mime import message_from_mime
from mapigw.mail.names import CONTENT_CLASS, CONTENT_TYPE
from mapigw.mailbox.conversations import conversation_id, topic_id
from mapigw.wire import tags
from mapigw.wire.message import Properties
from mapigw.wire.properties import filetime
from tests.mail.mime import text_message

MOMENT = datetime(2019, 5, 6, 14, 58, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("subject", "prefix", "normalized"),
    [
        ("Hello", "", "Hello"),
        ("Re: Hello", "Re: ", "Hello"),
        ("RE:Hello", "RE: ", "Hello"),
        ("AW:   Hello", "AW: ", "Hello"),
        ("Re: Fwd: x", "Re: ", "Fwd: x"),
        ("WICHTIG: x", "", "WICHTIG: x"),
        ("12: x", "", "12: x"),
        (": x", "", ": x"),
        ("转发: x", "转发: ", "x"),
        ("", "", ""),
    ],
)
def test_subject(subject: str, prefix: str, normalized: str) -> None:
    """MS-OXCMAIL 2.2.3.2.6.1."""
    properties = text_message(f"Subject: {subject}").properties
    assert properties[tags.PidTagSubjectPrefix] == prefix
    assert properties[tags.PidTagNormalizedSubject] == normalized
    assert properties[tags.PidTagSubject] == prefix + normalized


@pytest.mark.spec("MS-OXCMSG_R60")
@pytest.mark.spec("MS-OXCMSG_R66")
def test_overlong_subject_is_cut() -> None:
    properties = text_message("Subject: Re: " + "x" * 1000).properties
    assert len(properties[tags.PidTagSubjectPrefix] + properties[tags.PidTagNormalizedSubject]) == 253
    assert "x" * 1000 in properties[tags.PidTagTransportMessageHeaders]


def test_times() -> None:
    properties = text_message(
        "Received: from a by b; Mon, 6 May 2019 16:58:31 +0200\n"
        "Received: from c by a; Mon, 6 May 2019 11:00:00 +0000\n"
        "Date: Mon, 6 May 2019 10:00:00 +0000"
    ).properties
    assert properties[tags.PidTagMessageDeliveryTime] == filetime(MOMENT)
    assert properties[tags.PidTagClientSubmitTime] == filetime(MOMENT.replace(hour=10, minute=0, second=0))


def test_mail_without_received_arrived_when_it_was_sent() -> None:
    properties = text_message("Date: Mon, 6 May 2019 16:58:31 +0200").properties
    assert properties[tags.PidTagMessageDeliveryTime] == filetime(MOMENT)


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 May 2019 99:99:99 +9999", "1 2 3 4 5 6"])
def test_mail_without_a_usable_date_arrived_at_the_given_time(date: str) -> None:
    properties = message_from_mime(f"Date: {date}\n\n".encode(), default_time=MOMENT).properties
    assert properties[tags.PidTagMessageDeliveryTime] == filetime(MOMENT)
    assert properties[tags.PidTagClientSubmitTime] == filetime(MOMENT)


@pytest.mark.parametrize(
    "value",
    [
        "Mon, 6 May 2019 16:58:31 +0200",
        "6 May 2019 14:58:31 GMT",
        "Mon May  6 14:58:31 2019",
        "Mon, 06 May 19 14:58:31 UT",
        "Mon, 6 May 2019 10:58:31 EDT (Eastern)",
        "Monday, 06-May-19 14:58:31 GMT",
    ],
)
def test_date_forms(value: str) -> None:
    assert parse_date(value) == filetime(MOMENT)


@pytest.mark.parametrize(
    ("header", "importance", "priority"),
    [
        ("", 1, 0),
        ("Importance: high", 2, 1),
        ("Importance: Low", 0, -1),
        ("X-Priority: 1 (Highest)", 2, 1),
        ("X-Priority: 5", 0, -1),
        ("X-MSMail-Priority: High", 2, 1),
        ("Priority: non-urgent", 0, -1),
        ("X-Priority: 1\nImportance: low", 0, -1),
        ("Importance: whatever\nX-Priority: 1", 2, 1),
    ],
)
def test_importance(header: str, importance: int, priority: int) -> None:
    """MS-OXCMAIL 2.2.3.2.5."""
    properties = text_message(header).properties
    assert properties[tags.PidTagImportance] == importance
    assert properties[tags.PidTagPriority] == priority


@pytest.mark.parametrize(
    ("value", "sensitivity"),
    [("Personal", 1), ("Private", 2), ("Company-Confidential", 3), ("Normal", 0)],
)
def test_sensitivity(value: str, sensitivity: int) -> None:
    assert text_message(f"Sensitivity: {value}").properties[tags.PidTagSensitivity] == sensitivity


def test_fields_that_are_properties() -> None:
    properties = text_message(
        "Message-ID: <1@x>\nIn-Reply-To: <2@x>\nReferences: <3@x>\n <2@x>\nOrganization: Blue\n"
        "List-Help: <mailto:help@x>\nList-Unsubscribe: <mailto:leave@x>\nX-List-Subscribe: <mailto:join@x>\n"
        "Reply-By: Mon, 6 May 2019 16:58:31 +0200\nExpires: Mon, 6 May 2019 16:58:31 +0200\n"
        "X-Auto-Response-Suppress: OOF, DR\nContent-Language: de-DE\nContent-Class: urn:content-classes:message"
    ).properties
    expected: Properties = {
        tags.PidTagInternetMessageId: "<1@x>",
        tags.PidTagInReplyToId: "<2@x>",
        tags.PidTagInternetReferences: "<3@x> <2@x>",
        tags.PidTagInternetOrganization: "Blue",
        tags.PidTagListHelp: "<mailto:help@x>",
        tags.PidTagListUnsubscribe: "<mailto:leave@x>",
        tags.PidTagListSubscribe: "<mailto:join@x>",
        tags.PidTagReplyTime: filetime(MOMENT),
        tags.PidTagExpiryTime: filetime(MOMENT),
        tags.PidTagAutoResponseSuppress: 0x11,
        tags.PidTagMessageLocaleId: 0x0407,
        CONTENT_CLASS: "urn:content-classes:message",
    }
    assert {key: properties.get(key) for key in expected} == expected


def test_mail_is_not_overdue_or_expired_without_such_fields() -> None:
    properties = text_message("Subject: x").properties
    assert tags.PidTagReplyTime not in properties
    assert tags.PidTagExpiryTime not in properties


def test_transport_headers_are_those_of_the_message() -> None:
    properties = text_message("Subject: =?utf-8?q?x?=\nX-Other: a\n b").properties
    assert properties[tags.PidTagTransportMessageHeaders] == "Subject: =?utf-8?q?x?=\r\nX-Other: a\r\n b\r\n"


def test_unsent_message_is_a_draft() -> None:
    assert text_message("X-Unsent: 1").properties[tags.PidTagMessageFlags] == 8
    assert tags.PidTagMessageFlags not in text_message("Subject: x").properties


# Conversations


def test_conversation_id_of_a_thread_index() -> None:
    """MS-OXOMSG 2.2.1.2: the GUID of the index."""
    properties = text_message(
        "Thread-Index: AQHVBBISExQVFhcYGRobHB0eHyAhIg==\nThread-Topic: Topic\nSubject: x"
    ).properties
    index = properties[tags.PidTagConversationIndex]
    assert index[:2] == b"\x01\x01"
    assert properties[tags.PidTagConversationId] == index[6:22]
    assert properties[tags.PidTagConversationTopic] == "Topic"


def test_replies_without_thread_index_are_in_one_conversation() -> None:
    first = text_message("Message-ID: <1@x>\nSubject: a").properties
    reply = text_message("Message-ID: <2@x>\nIn-Reply-To: <1@x>\nReferences: <1@x>\nSubject: Re: a").properties
    third = text_message("Message-ID: <3@x>\nIn-Reply-To: <2@x>\nReferences: <1@x> <2@x>\nSubject: Re: a").properties
    other = text_message("Message-ID: <4@x>\nSubject: a").properties
    assert first[tags.PidTagConversationId] == reply[tags.PidTagConversationId] == third[tags.PidTagConversationId]
    assert other[tags.PidTagConversationId] != first[tags.PidTagConversationId]
    assert reply[tags.PidTagConversationTopic] == "a"


@pytest.mark.parametrize("value", ["", "AQ==", "!!!", "AgECAwQFBgcICQoLDA0ODxAREhMU"])
def test_broken_thread_index_is_replaced(value: str) -> None:
    properties = text_message(f"Thread-Index: {value}\nMessage-ID: <1@x>").properties
    assert len(properties[tags.PidTagConversationIndex]) == 22


def test_conversation_index_header_block() -> None:
    """MS-OXOMSG 2.2.1.3: 0x01, the 40 high bits of the FILETIME, the GUID."""
    guid = bytes(range(16))
    assert conversation_index(guid, 0x01D504119BF1D580) == b"\x01\x01\xd5\x04\x11\x9b" + guid


def test_conversation_id_without_tracking_is_the_topic_hash() -> None:
    """MS-OXOMSG 2.2.1.2: MD5 of the upper-case UTF-16 of up to 255 characters."""
    expected = md5("HELLO".encode("utf-16-le")).digest()
    assert topic_id("hello") == expected
    assert conversation_id({tags.PidTagConversationTopic: "Hello"}) == expected
    assert topic_id("a" * 300) == topic_id("a" * 255)
    assert conversation_id({}) is None


# S/MIME (MS-OXOSMIME)


def test_clear_signed_mail_is_kept_byte_by_byte() -> None:
    raw = (
        b"Subject: s\r\nContent-Type: multipart/signed; boundary=b;\r\n protocol=\"application/pkcs7-signature\"\r\n"
        b"X-Other: y\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n  the   text \r\n--b\r\n"
        b"Content-Type: application/pkcs7-signature; name=smime.p7s\r\n\r\nAAAA\r\n--b--\r\n"
    )  # fmt: skip
    message = message_from_mime(raw)
    assert message.properties[tags.PidTagMessageClass] == "IPM.Note.SMIME.MultipartSigned"
    assert message.properties[tags.PidTagBody] == "  the   text "
    (attachment,) = message.attachments
    assert attachment.properties[tags.PidTagAttachMimeTag] == "multipart/signed"
    assert attachment.properties[tags.PidTagAttachLongFilename] == "smime.p7m"
    assert attachment.properties[tags.PidTagAttachDataBinary] == (
        b"Content-Type: multipart/signed; boundary=b;\r\n protocol=\"application/pkcs7-signature\"\r\n\r\n"
        + raw[raw.index(b"--b\r\n") :]
    )  # fmt: skip


def test_pgp_signed_mail_stays_readable() -> None:
    message = text_message(
        "Content-Type: multipart/signed; boundary=b; protocol=application/pgp-signature",
        "--b\n\ntext\n--b\nContent-Type: application/pgp-signature\n\nx\n--b--",
    )
    assert message.properties[tags.PidTagMessageClass] == "IPM.Note"
    assert message.properties[tags.PidTagBody] == "text"
    assert message.attachments[0].properties[tags.PidTagAttachLongFilename] == "ATT00001.asc"


@pytest.mark.parametrize(
    "content_type",
    [
        "application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m",
        "application/x-pkcs7-mime",
        "application/octet-stream; name=smime.P7M",
    ],
)
def test_encrypted_mail(content_type: str) -> None:
    message = text_message(f"Content-Type: {content_type}\nContent-Transfer-Encoding: base64", "AAEC")
    assert message.properties[tags.PidTagMessageClass] == "IPM.Note.SMIME"
    assert tags.PidTagBody not in message.properties
    assert message.properties[CONTENT_TYPE] == content_type
    (attachment,) = message.attachments
    assert attachment.properties[tags.PidTagAttachDataBinary] == b"\0\1\2"
    assert attachment.properties[tags.PidTagAttachMimeTag] == content_type.partition(";")[0]


# Never refused


@pytest.mark.parametrize("raw", [b"", b"\n", b"\0", b"\xff" * 100, b"just text", b":\n:", b"From ", b"\r\r\r"])
def test_what_is_no_mail_becomes_a_message(raw: bytes) -> None:
    message = message_from_mime(raw)
    assert message.properties[tags.PidTagMessageClass] == "IPM.Note"
    assert tags.PidTagBody in message.properties


def test_defect_of_ours_gives_the_raw_text(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*arguments: object, **more: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(mime, "field_properties", broken)
    message = message_from_mime(b"Subject: x\n\nte\0xt", default_time=MOMENT)
    assert message.properties[tags.PidTagBody] == "Subject: x\n\ntext"
    assert message.properties[tags.PidTagMessageDeliveryTime] == filetime(MOMENT)
    assert "could not be understood" in caplog.text
