"""Every sample message as Python's email package reads it, which shares no code with our splitting and decoding."""

import email
import email.policy
import email.utils
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.message import Message as ParsedMessage
from typing import Any

import pytest

from mapigw.mail.mime import message_from_mime
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message
from mapigw.wire.properties import filetime
from tests.mail.corpus import messages

DEFAULT_TIME = datetime(2001, 2, 3, tzinfo=UTC)
CORPUS = messages()
each_message = pytest.mark.parametrize("raw", [raw for _, raw in CORPUS], ids=[name for name, _ in CORPUS])


def read(raw: bytes) -> ParsedMessage:
    return email.message_from_bytes(raw.lstrip(b"\r\n"), policy=email.policy.compat32)


def header_text(value: Any) -> str:
    """A header as the email package decodes it, on one line."""
    return " ".join(str(make_header(decode_header(str(value)))).split())


def plain_letters(text: str) -> str:
    return re.sub(r"\s+", "", text)


@each_message
def test_header_fields(raw: bytes) -> None:
    theirs, ours = read(raw), message_from_mime(raw, default_time=DEFAULT_TIME).properties
    for name, tag in (("message-id", tags.PidTagInternetMessageId), ("in-reply-to", tags.PidTagInReplyToId)):
        if theirs[name]:
            assert plain_letters(ours[tag]) == plain_letters(str(theirs[name]))
    subject = theirs["subject"]
    if subject is not None and str(subject).isascii() and "\ufffd" not in str(subject):
        assert plain_letters(ours[tags.PidTagSubject]) == plain_letters(header_text(subject))[: len(plain_letters(ours[tags.PidTagSubject]))]
