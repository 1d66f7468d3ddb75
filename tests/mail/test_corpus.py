"""Every sample message as Python's email package reads it, which shares no code with our splitting and decoding.

Where the two differ on purpose, because the email package gives up or reads by the letter, the message is named with
what it should give instead.
"""

import email
import email.message
import email.policy
import email.utils
from collections.abc import Iterator
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage

import pytest

from mapigw.mail.mime import message_from_mime
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.properties import from_filetime
from tests.mail.corpus import messages

CORPUS = dict(messages())
LOST_HEADERS = {  # a blank before the colon, or a line that is no field, ends the header for the email package
    "plain_emails/raw_email_incorrect_header.eml",
    "rfc2822/example13.eml",
}
REPORTS = {
    "mime_emails/raw_email_with_mimepart_without_content_type.eml": "Delayed.DR",
    "multipart_report_emails/multi_address_bounce1.eml": "NDR",
    "multipart_report_emails/multi_address_bounce2.eml": "NDR",
    "multipart_report_emails/multipart_report_multiple_status.eml": "NDR",
    "multipart_report_emails/report_422.eml": "Delayed.DR",
    "multipart_report_emails/report_530.eml": "NDR",
    "list-archive.mbox:27": "NDR",
}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def but(*names: str) -> list[str]:
    return [name for name in CORPUS if name not in LOST_HEADERS and name not in names]


def theirs(name: str) -> EmailMessage:
    parsed = email.message_from_bytes(CORPUS[name], policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def raw_headers(name: str, field: str) -> list[str]:
    return [str(value) for value in email.message_from_bytes(CORPUS[name]).get_all(field, [])]


def ours(name: str) -> Message:
    return message_from_mime(CORPUS[name], default_time=datetime(2001, 2, 3, tzinfo=UTC))


def decoded(value: str) -> str:
    return " ".join(str(make_header(decode_header(value))).split())


def letters(text: str) -> str:
    return "".join(text.split())


def test_the_corpus_is_complete() -> None:
    assert len(CORPUS) == 132


@pytest.mark.parametrize("name", CORPUS)
def test_message_has_what_every_client_needs(name: str, caplog: pytest.LogCaptureFixture) -> None:
    message = ours(name)
    assert not caplog.records
    properties = message.properties
    assert properties[tags.PidTagMessageClass].startswith("REPORT.IPM.Note." if name in REPORTS else "IPM.Note")
    has_body = tags.PidTagBody in properties or tags.PidTagHtml in properties
    assert has_body != (properties[tags.PidTagMessageClass] == "IPM.Note.SMIME")
    assert properties[tags.PidTagSubject] == (
        properties[tags.PidTagSubjectPrefix] + properties[tags.PidTagNormalizedSubject]
    )
    for recipient in message.recipients:
        assert recipient[tags.PidTagDisplayName]
        assert recipient[tags.PidTagEmailAddress]
        assert recipient[tags.PidTagAddressType] == "SMTP"
        assert len(recipient[tags.PidTagEntryId]) > 24
    for key, value in properties.items():
        if isinstance(value, str):
            assert "\0" not in value, key


RAW_BYTES_IN_SUBJECT = ("error_emails/", "attachment_emails/attachment_pdf", "rfc6532/")


@pytest.mark.parametrize("name", but("error_emails/bad_encoded_subject.eml"))
def test_subject(name: str) -> None:
    subject = next(iter(raw_headers(name, "subject")), "")
    if "\ufffd" in decoded(subject):
        assert name.startswith(RAW_BYTES_IN_SUBJECT)  # 8-bit text without a character set
        return
    assert letters(ours(name).properties[tags.PidTagSubject]) == letters(decoded(subject))


@pytest.mark.parametrize("name", but())
def test_date(name: str) -> None:
    dates = raw_headers(name, "date")
    try:
        expected = email.utils.parsedate_to_datetime(dates[0]) if dates else None
    except ValueError:
        expected = None
    properties = ours(name).properties
    if expected is None:
        assert properties[tags.PidTagClientSubmitTime] == properties[tags.PidTagMessageDeliveryTime]
    else:
        assert from_filetime(properties[tags.PidTagClientSubmitTime]).timestamp() == expected.timestamp()


@pytest.mark.parametrize("name", but())
def test_message_ids(name: str) -> None:
    properties = ours(name).properties
    for field, tag in (
        ("message-id", tags.PidTagInternetMessageId),
        ("in-reply-to", tags.PidTagInReplyToId),
        ("references", tags.PidTagInternetReferences),
    ):
        expected = next(iter(raw_headers(name, field)), "")
        assert letters(properties.get(tag, "")) == letters(decoded(expected))


ODD_ADDRESSES = {
    "error_emails/missing_body.eml": ["Undisclosed-Recipient:@mailman.enron.com;"],
    "plain_emails/raw_email_multiple_from.eml": ["tim@powerupdev.com", "concierge@powerupdev.com"],
    "plain_emails/raw_email_with_at_display_name.eml": ["smith@gmail.com", "raasdnil@gmail.com", "tom@gmail.com"],
    "rfc6532/utf8_headers.eml": ["märy@exämple.net"],
    "list-archive.mbox:6": ["@develop"],
}


@pytest.mark.parametrize("name", but(*REPORTS))
def test_recipients(name: str) -> None:
    found = ours(name).recipients
    for field, kind in (("to", 1), ("cc", 2), ("bcc", 3)):
        mine = [
            (recipient[tags.PidTagDisplayName], recipient[tags.PidTagEmailAddress])
            for recipient in found
            if recipient[tags.PidTagRecipientType] == kind
        ]
        if field == "to" and name in ODD_ADDRESSES:
            assert [address for _, address in mine] == ODD_ADDRESSES[name]
            continue
        pairs = [pair for pair in email.utils.getaddresses(raw_headers(name, field)) if any(pair)]
        assert [address for _, address in mine] == [address for _, address in pairs]
        for (mine_name, _), (their_name, their_address) in zip(mine, pairs, strict=True):
            assert mine_name in (
                decoded(their_name or their_address).strip("'"),
                decoded(their_name).partition(" (")[0],
            )
    assert [recipient[tags.PidTagRowid] for recipient in found] == list(range(len(found)))


def recipient_groups(notification: email.message.Message) -> list[dict[str, str]]:
    groups = notification.get_payload()
    assert isinstance(groups, list)
    found = [
        {key.lower(): str(value) for key, value in group.items()}
        for group in groups
        if isinstance(group, email.message.Message)
    ]
    return [group for group in found if "action" in group]


def typed_address(value: str | None) -> str:
    return (value or "").partition(";")[2].strip(" <>")


@pytest.mark.parametrize("name", REPORTS)
def test_reports_name_the_recipients_of_the_notification(name: str) -> None:
    message = ours(name)
    assert message.properties[tags.PidTagMessageClass] == f"REPORT.IPM.Note.{REPORTS[name]}"
    *_, notification = (part for part in theirs(name).walk() if part.get_content_type() == "message/delivery-status")
    groups = recipient_groups(notification)
    assert {group["action"].strip().split()[0].lower() for group in groups} <= {"failed", "delayed"}
    assert [
        (
            recipient[tags.PidTagEmailAddress],
            recipient.get(tags.PidTagRemoteMessageTransferAgent, ""),
            recipient[tags.PidTagNonDeliveryReportStatusCode],
        )
        for recipient in message.recipients
    ] == [
        (
            typed_address(group.get("original-recipient") or group["final-recipient"]),
            typed_address(group.get("remote-mta")),
            int(group.get("status", "5.0.0").split()[0].replace(".", "")),
        )
        for group in groups
    ]


ODD_AUTHORS = {
    "plain_emails/mix_caps_content_type.eml": "bb@bug.com",
    "plain_emails/raw_email_multiple_from.eml": "tim@powerupdev.com",
    "rfc6532/utf8_headers.eml": "jdöe@mächine.example",
    "list-archive.mbox:6": "develop!nextmime@ebony@sblab.att.com",
}


@pytest.mark.parametrize("name", but())
def test_author(name: str) -> None:
    properties = ours(name).properties
    pairs = email.utils.getaddresses(raw_headers(name, "from"))[:1]
    mine = properties.get(tags.PidTagSentRepresentingEmailAddress)
    assert mine == ODD_AUTHORS.get(name, pairs[0][1] if pairs else None)
    assert properties.get(tags.PidTagSentRepresentingSmtpAddress) == mine
    if "sender" not in email.message_from_bytes(CORPUS[name]):
        assert properties.get(tags.PidTagSenderEmailAddress) == mine


# The email package finds no boundary here, or finds other text: what has to be in the body instead.
ODD_BODIES = {
    "mime_emails/raw_email_with_illegal_boundary.eml": "outlook",
    "plain_emails/raw_email_bad_time.eml": "MailScanner",
    "plain_emails/raw_email5.eml": "Envoyé par le service",
    "plain_emails/raw_email6.eml": "Envoyé par le service",
    "plain_emails/raw_email10.eml": "Envoyé par le service",
    "error_emails/content_transfer_encoding_plain.eml": "ìIGTSî",
}
ENRICHED = {  # becomes HTML; the email package knows it as some text
    "mime_emails/raw_email11.eml": b"<b>XXXXX Xxxxx</b>",
    "list-archive.mbox:6": b"<body>",
}
MISLABELLED = {  # UTF-8 that is called iso-8859-1 or us-ascii
    "attachment_emails/attachment_pdf_non_ascii.eml",
    "attachment_emails/attachment_pdf_non_ascii_lf.eml",
    "error_emails/content_transfer_encoding_7-bit.eml",
}


@pytest.mark.parametrize("name", but())
def test_plain_body(name: str) -> None:
    body = ours(name).properties.get(tags.PidTagBody)
    if name in ODD_BODIES:
        assert body is not None
        assert ODD_BODIES[name] in body
        return
    part = theirs(name).get_body(("plain",))
    if part is None or name == "list-archive.mbox:6":
        assert not (body or "").strip()
        return
    expected = part.get_content()
    assert body is not None
    if name in MISLABELLED:
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        expected = data.decode("utf-8")
    assert letters(body) == letters(expected)


@pytest.mark.parametrize("name", but("mime_emails/raw_email_with_illegal_boundary.eml"))
def test_html_body_bytes(name: str) -> None:
    part = theirs(name).get_body(("html",))
    mine = ours(name).properties.get(tags.PidTagHtml, b"")
    if name in ENRICHED:
        assert ENRICHED[name] in mine
    elif part is None:
        assert mine == b"" or name in ODD_BODIES
    elif name != "list-archive.mbox:24":  # HTML beside a plain text, not instead of it: attached
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        assert mine.replace(b"\r\n", b"\n").strip() == data.replace(b"\r\n", b"\n").strip()


def leaves(part: EmailMessage) -> Iterator[EmailMessage]:
    if part.get_content_maintype() == "multipart" and part.is_multipart():
        for child in part.get_payload():
            assert isinstance(child, EmailMessage)
            yield from leaves(child)
    else:
        yield part


ODD_ATTACHMENTS = {
    "attachment_emails/attachment_with_base64_encoded_name.eml": [("This is a test.pdf", 399)],
    "attachment_emails/attachment_with_unquoted_name.eml": [("This is a test.txt", 11)],
    "mime_emails/raw_email_with_binary_encoded.eml": [("2013-08-13_19-08-28-1.jpg", 24)],
    "mime_emails/raw_email11.eml": [],  # text/enriched beside the same as plain text
    "mime_emails/raw_email_with_illegal_boundary.eml": [],
    "plain_emails/raw_email_bad_time.eml": [],
    "list-archive.mbox:6": [],
    "list-archive.mbox:24": [("Page1.htm", 811), ("Page1.p7s", 887)],
}


BEHIND_QUOTED_FROM = {  # the email package stops at a quoted From line above the attached message's header
    "list-archive.mbox:15": "Re: can you send me an encrypted message?",
    "list-archive.mbox:16": "Re: can you send me an encrypted message?",
}


ODD_NAMES = {
    "attachment_emails/attachment_with_encoded_name.eml": "01 Quien Te Dij蛎t. Pitbull.mp3",
    "plain_emails/raw_email8.eml": "01 Quien Te Dij蛎t. Pitbull.mp3",  # 8-bit bytes in ISO-2022-JP: Shift_JIS
}


def is_smime(name: str) -> bool:
    return "SMIME" in ours(name).properties[tags.PidTagMessageClass]


def is_notification(part: EmailMessage) -> bool:
    return part.get_content_type() == "message/delivery-status" and bool(recipient_groups(part))


@pytest.mark.parametrize("name", [name for name in but() if not is_smime(name)])
def test_attachment_names_and_bytes(name: str) -> None:
    mine = ours(name).attachments
    if name in ODD_ATTACHMENTS:
        assert [
            (item.properties[tags.PidTagAttachLongFilename], item.properties[tags.PidTagAttachSize]) for item in mine
        ] == ODD_ATTACHMENTS[name]
        return
    message = theirs(name)
    bodies = [id(message.get_body((kind,))) for kind in ("plain", "html")]
    parts = [
        part
        for part in leaves(message)
        if id(part) not in bodies and part.get_content_maintype() != "multipart"  # without any child
        if not is_notification(part)  # which became properties
    ]
    assert [item.properties[tags.PidTagAttachMimeTag] for item in mine] == [part.get_content_type() for part in parts]
    for item, part in zip(mine, parts, strict=True):
        if item.embedded is not None:
            inner = part.get_payload(0) if part.is_multipart() else email.message_from_string(part.get_content())
            assert isinstance(inner, email.message.Message)
            subject = inner["subject"] or BEHIND_QUOTED_FROM.get(name, "")
            assert letters(item.embedded.properties[tags.PidTagSubject]) == letters(subject)
            continue
        file_name = ODD_NAMES.get(name) or part.get_filename()
        if file_name:
            assert item.properties[tags.PidTagAttachLongFilename] == file_name
        if not part.is_multipart():  # the email package splits delivery reports
            data = part.get_payload(decode=True)
            assert isinstance(data, bytes)
            assert item.properties[tags.PidTagAttachDataBinary].rstrip(b"\r\n") == data.rstrip(b"\r\n")


@pytest.mark.parametrize("name", [name for name in but() if is_smime(name)])
def test_signed_and_encrypted_mail_is_kept_verbatim(name: str) -> None:
    (attachment,) = ours(name).attachments
    data = attachment.properties[tags.PidTagAttachDataBinary]
    kept = attachment.properties[tags.PidTagAttachMimeTag]
    if kept == "multipart/signed":
        header, _, body = data.partition(b"\r\n\r\n")
        assert header.startswith(b"Content-Type: multipart/signed")
        assert body
        assert CORPUS[name].endswith(body)
    else:
        assert data == theirs(name).get_payload(decode=True)
