"""Real mail in and out again: the parts that come out are those that went in.

The differences that are left, and why:

- Text: one form of several is made anew (plain text beside HTML); format=flowed is joined; lines end in CR LF; the
  character set becomes US-ASCII, the one it was in or UTF-8, so texts are compared after decoding; U+FEFF and NUL go.
- Types: a file has the type it came with, but one that RFC 2046 lets no file have becomes application/octet-stream.
- Names of files lose what Windows does not allow, and get an extension or a whole name where they had none.
- What stood in a multipart/alternative and is neither plain text nor HTML becomes a file; boundaries, preambles and
  epilogues go.
"""

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import Message as PythonMessage
from functools import cache

import pytest

from mapigw.mail.charsets import decode
from mapigw.mail.export.composing import ExportOptions
from mapigw.mail.headers import Headers
from mapigw.mail.mime import message_from_mime
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message
from tests.mail.corpus import messages
from tests.mail.exported import exported, read

CORPUS = dict(messages())
OPTIONS = ExportOptions(blind=None, smtputf8=True)
ARRIVED = datetime(2024, 1, 1, tzinfo=UTC)

# Whom an address list names without an address comes out as a group without members, which is nobody.
NOBODY = frozenset(
    f"error_emails/{name}.eml" for name in ("content_transfer_encoding_empty", "encoding_madness", "missing_body")
) | {
    "mime_emails/raw_email11.eml",
    "multipart_report_emails/report_530.eml",
    "rfc2822/example13.eml",
    "list-archive.mbox:6",
}
# Parts of the text that one of several forms had (enriched text), or that the header swallowed or gave away.
OTHER_TEXT = {
    "mime_emails/raw_email11.eml": "an enriched form of the text",
    "list-archive.mbox:6": "an enriched form of the text",
    "list-archive.mbox:15": "an attached message begins with a From line of an mbox",
    "list-archive.mbox:16": "an attached message begins with a From line of an mbox",
    "multipart_report_emails/report_422.eml": "a returned header is made of properties",
    "multipart_report_emails/report_530.eml": "a returned header is made of properties",
    "plain_emails/raw_email_incorrect_header.eml": "the header ends early",
    "rfc2822/example13.eml": "the header ends early",
}
_WORDS = re.compile(r"\W+")


def message_of(raw: bytes) -> Message:
    return message_from_mime(raw, default_time=ARRIVED)


@cache
def converted(name: str) -> tuple[Message, bytes]:
    message = message_of(CORPUS[name])
    return message, exported(message, OPTIONS)


def leaves(message: "PythonMessage[str, str]") -> list[tuple[str, bytes]]:
    """(type, octets) of all parts that are no multipart; those of attached messages among them."""
    return [
        (part.get_content_type(), data)
        for part in message.walk()
        if isinstance(data := part.get_payload(decode=True), bytes)
    ]


def texts(message: "PythonMessage[str, str]") -> list[str]:
    return [
        _WORDS.sub("", decode(data, part.get_content_charset("") or "")[0])
        for part in message.walk()
        if part.get_content_maintype() == "text" and not part.is_multipart()
        for data in [part.get_payload(decode=True)]
        if isinstance(data, bytes)
    ]


@pytest.mark.parametrize("name", CORPUS)
def test_it_comes_out_as_valid_mail(name: str) -> None:
    for part in read(converted(name)[1]).walk():
        assert [defect for defect in part.defects if type(defect).__name__ not in _ALLOWED] == []


# A part for programs that was broken when it came is sent on as it is.
_ALLOWED = {"MissingHeaderBodySeparatorDefect", "FirstHeaderLineIsContinuationDefect"}


@pytest.mark.parametrize("name", CORPUS)
def test_what_comes_back_is_the_same_message(name: str) -> None:
    first, data = converted(name)
    compare(first, message_of(data), everybody=name not in NOBODY)


NAMES = (
    tags.PidTagReplyRecipientNames,
    tags.PidTagSentRepresentingName,
    tags.PidTagSentRepresentingEmailAddress,
    tags.PidTagSenderEmailAddress,
)
SAME = (
    tags.PidTagMessageClass,
    tags.PidTagSubject,
    tags.PidTagNormalizedSubject,
    tags.PidTagClientSubmitTime,
    tags.PidTagImportance,
    tags.PidTagSensitivity,
    tags.PidTagConversationIndex,
    tags.PidTagConversationTopic,
    tags.PidTagInternetReferences,
    tags.PidTagInReplyToId,
    tags.PidTagSentRepresentingName,
    tags.PidTagSentRepresentingEmailAddress,
    tags.PidTagSenderEmailAddress,
    tags.PidTagReplyRecipientNames,
    tags.PidTagReadReceiptRequested,
    tags.PidTagAutoResponseSuppress,
)


def compare(first: Message, second: Message, *, everybody: bool = True) -> None:
    for tag in SAME:
        if not everybody and tag in NAMES:
            continue
        assert plain(second.properties.get(tag)) == plain(first.properties.get(tag)), hex(tag)
    assert body(second) == body(first)
    assert people(second) == [row for row in people(first) if everybody or row in people(second)]
    assert [file_of(item) for item in second.attachments] == [file_of(item) for item in first.attachments]
    for before, after in zip(first.attachments, second.attachments, strict=True):
        assert (before.embedded is None) == (after.embedded is None)
        if before.embedded is not None and after.embedded is not None:
            compare(before.embedded, after.embedded, everybody=everybody)


def plain(value: object) -> object:
    return " ".join(value.replace('"', "").split()) if isinstance(value, str) else value


def body(message: Message) -> tuple[str, bytes]:
    text = message.properties.get(tags.PidTagBody, "")
    html = message.properties.get(tags.PidTagHtml, b"")
    return _WORDS.sub("", text) if not html else "", html.replace(b"\r\n", b"\n").rstrip()


def people(message: Message) -> list[tuple[object, ...]]:
    keys = (tags.PidTagRecipientType, tags.PidTagDisplayName, tags.PidTagSmtpAddress)
    return [tuple(row.get(key) for key in keys) for row in message.recipients]


def file_of(item: Attachment) -> tuple[object, ...]:
    """Name, type, content id and octets; of what was signed the lines, as they are signed."""
    properties = item.properties
    data = properties.get(tags.PidTagAttachDataBinary, b"")
    if properties.get(tags.PidTagAttachMimeTag) == "multipart/signed":
        data = re.sub(rb"\r\n|\n", b"\r\n", data).rstrip()
    keys = (tags.PidTagAttachLongFilename, tags.PidTagAttachMimeTag, tags.PidTagAttachContentId)
    return (*(properties.get(key) for key in keys), data)


@pytest.mark.parametrize("name", CORPUS)
def test_no_text_and_no_file_is_lost(name: str) -> None:
    before = message_from_bytes(CORPUS[name], policy=policy.compat32)
    after = message_from_bytes(converted(name)[1], policy=policy.default)
    whole = "".join(texts(after)) + "".join(_WORDS.sub("", str(value)) for value in after.values())
    if name not in OTHER_TEXT:
        for text in texts(before):
            assert text in whole
    octets = [data for _kind, data in leaves(after)]
    for kind, data in leaves(before):
        if not kind.startswith(("text/", "message/", "multipart/")):
            assert data in octets


def test_the_corpus_has_what_the_tests_are_about() -> None:
    types = {part.get_content_type() for raw in CORPUS.values() for part in message_from_bytes(raw).walk()}
    assert {"multipart/related", "multipart/signed", "multipart/report", "message/rfc822", "text/calendar"} & types
    assert any(not Headers(raw).raw.isascii() for raw in CORPUS.values())
