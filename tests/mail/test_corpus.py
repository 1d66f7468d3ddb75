"""Every sample message as Python's email package reads it, which shares no code with our splitting and decoding.

Where the two differ on purpose, because the email package gives up or reads by the letter, the message is named with
what it should give instead.
"""

import email
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
    assert properties[tags.PidTagMessageClass].startswith("IPM.Note")
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


@pytest.mark.parametrize("name", but())
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
    "list-archive.mbox:6": "<Indent>",
    "error_emails/content_transfer_encoding_plain.eml": "ìIGTSî",
}
WINDOWS_1252 = {  # bytes 0x80 to 0x9F in text called iso-8859-1 or us-ascii
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
    if part is None:
        assert not (body or "").strip()
        return
    expected = part.get_content()
    assert body is not None
    if name in WINDOWS_1252:
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        expected = data.decode("cp1252", "replace")
    assert letters(body) == letters(expected)


@pytest.mark.parametrize("name", but("mime_emails/raw_email_with_illegal_boundary.eml"))
def test_html_body_bytes(name: str) -> None:
    part = theirs(name).get_body(("html",))
    mine = ours(name).properties.get(tags.PidTagHtml, b"")
    if part is None:
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


def is_smime(name: str) -> bool:
    return "SMIME" in ours(name).properties[tags.PidTagMessageClass]


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
    ]
    assert [item.properties[tags.PidTagAttachMimeTag] for item in mine] == [part.get_content_type() for part in parts]
    for item, part in zip(mine, parts, strict=True):
        if item.embedded is not None:
            inner = part.get_payload(0)
            assert isinstance(inner, EmailMessage)
            subject = inner["subject"] or BEHIND_QUOTED_FROM.get(name, "")
            assert letters(item.embedded.properties[tags.PidTagSubject]) == letters(subject)
            continue
        file_name = part.get_filename()
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
