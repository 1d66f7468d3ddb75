"""What Python's email package reads in a message, for comparison with what was downloaded."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email import message_from_bytes
from email.errors import MissingHeaderBodySeparatorDefect
from email.header import decode_header
from email.message import Message as Mail
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

from tests.outlook.reader import Properties
from tests.outlook.streams import MessageContent

_EPOCH = datetime.fromisoformat("1601-01-01T00:00:00+00:00")


def squeezed(text: str) -> str:
    """Without white space and the characters that stand for unreadable ones."""
    return re.sub(r"[\s\u00a0\ufeff\ufffd]+", "", text)


def without_tags(html: str) -> str:
    html = re.sub(r"(?is)<(style|script|title)\b.*?</\1>|<!--.*?-->", "", html)
    return squeezed(re.sub(r"(?s)<[^>]*>", "", html))


def decoded(raw: str) -> str | None:
    """A header's text, eight-bit bytes being UTF-8 (RFC 6532); None where the email package cannot say."""
    try:
        raw = raw.encode("ascii", "surrogateescape").decode("utf-8")
        parts = decode_header(raw)
        text = "".join(
            part if isinstance(part, str) else part.decode(charset or "utf-8", "strict") for part, charset in parts
        )
    except (LookupError, UnicodeError, ValueError):
        return None
    return None if "\ufffd" in text or any("\udc80" <= character <= "\udcff" for character in text) else text


@dataclass
class Source:
    """The parts of a message that are compared; None or empty where the email package cannot read it either."""

    subject: str | None
    date: datetime | None
    sender: str | None
    recipients: dict[int, list[str]]
    plain: str | None = None
    html: str | None = None
    attachments: list[tuple[str | None, bytes]] = field(default_factory=list)
    embedded: list["Source"] = field(default_factory=list)
    signed: bool = False
    enriched: bool = False
    headers_end_early: bool = False

    @classmethod
    def read(cls, raw: bytes) -> "Source":
        return cls.from_mail(message_from_bytes(raw))

    @classmethod
    def from_mail(cls, mail: Mail) -> "Source":
        def header(name: str) -> str | None:
            values = [value for key, value in mail.raw_items() if key.lower() == name.lower()]
            return values[0] if len(values) == 1 else None

        def addresses(name: str) -> list[str]:
            raw = header(name)
            if raw is None:
                return []
            found = [address for _, address in getaddresses([raw])]
            return found if all("@" in a and a.isascii() and not re.search(r"[\s<>]", a) for a in found) else []

        subject = header("Subject")
        date = header("Date")
        try:
            moment = parsedate_to_datetime(date) if date else None
        except (TypeError, ValueError):
            moment = None
        found = cls(
            decoded(subject) if subject is not None else None,
            moment if moment is not None and moment.tzinfo is not None else None,
            next(iter(addresses("From")), None),
            {1: addresses("To"), 2: addresses("Cc")},
            signed=mail.get_content_type() == "multipart/signed" and "pkcs7" in str(mail.get_param("protocol")),
            headers_end_early=not mail.items()
            or any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in mail.defects),
        )
        found._walk(mail)
        return found

    def _walk(self, part: Mail) -> None:
        kind = part.get_content_type()
        if kind == "message/rfc822" and part.is_multipart():
            inner = part.get_payload(0)
            assert isinstance(inner, Mail)
            self.embedded.append(Source.from_mail(inner))
            return
        if kind == "message/delivery-status":
            self._report(part)
            return
        if part.is_multipart():
            children = part.get_payload()
            assert isinstance(children, list)
            for child in children:
                assert isinstance(child, Mail)
                self._walk(child)
            return
        payload = part.get_payload(decode=True)
        if not isinstance(payload, bytes) or not payload.strip():
            return
        if kind == "text/rfc822-headers":
            self.embedded.append(Source.read(payload))
            return
        name = None if "pkcs7-mime" in kind else part.get_filename()  # named smime.p7m (MS-OXOSMIME 2.1.3.1)
        attached = part.get_content_disposition() == "attachment" or name is not None
        if attached or not kind.startswith("text/"):
            self.attachments.append((decoded(name) if name else None, payload))
            return
        charset = part.get_content_charset() or "us-ascii"
        try:  # what calls itself iso-8859-1 is UTF-8 where it can be, else windows-1252 where the two differ
            text = payload.decode(_real_charset(payload, charset))
        except (LookupError, UnicodeError):
            return
        if kind in ("text/enriched", "text/richtext"):  # becomes HTML, which stands for the plain text
            self.plain = None
            self.enriched = True
        elif kind == "text/plain" and self.plain is None and not self.enriched:
            self.plain = text
        elif kind == "text/html" and self.html is None:
            self.html = text

    def _report(self, notification: Mail) -> None:
        """The notification becomes recipients, those of whom there is the worst news (MS-OXCMAIL 2.2.3.7.1)."""
        groups = notification.get_payload()
        assert isinstance(groups, list)
        reported = [
            str(group.get("Original-Recipient") or group["Final-Recipient"]).partition(";")[2].strip(" <>")
            for group in groups
            if isinstance(group, Mail) and "Action" in group
        ]
        if reported:
            self.recipients = {1: reported}


def _real_charset(payload: bytes, charset: str) -> str:
    if charset not in ("iso-8859-1", "us-ascii"):
        return charset
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return "cp1252" if charset == "iso-8859-1" else charset
    return "utf-8"


def text_of(properties: Properties, property_id: int) -> str | None:
    for kind in (0x001F, 0x84B0):
        value = properties.get(property_id << 16 | kind)
        if value is not None:
            return str(value)
    return None


def moment(value: Any) -> datetime:
    return _EPOCH + timedelta(microseconds=int(value) // 10)


def body_of(content: MessageContent) -> tuple[str | None, str | None]:
    """Plain text and HTML as downloaded; the latter in PidTagInternetCodepage."""
    html = content.properties.get(0x10130102)
    if html is None:
        return text_of(content.properties, 0x1000), None
    page = content.properties.get(0x3FDE0003, 65001)
    names = {65001: "utf-8", 20127: "ascii", 28591: "cp1252", 50220: "iso2022_jp", 50221: "iso2022_jp", 949: "cp949"}
    charset = names.get(page) or (f"iso8859-{page - 28590}" if 28590 < page < 28606 else f"cp{page}")
    return text_of(content.properties, 0x1000), bytes(html).decode(charset, "replace")
