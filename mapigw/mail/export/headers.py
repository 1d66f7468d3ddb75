"""Header fields that are made of one property each (MS-OXCMAIL 2.1.3.2)."""

import binascii
import locale
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from hashlib import blake2b
from typing import Final
from uuid import uuid4

from mapigw.mail.export.addressing import Addressing, receipt_mailbox
from mapigw.mail.export.fields import Fields
from mapigw.mail.export.reader import PropertyReader
from mapigw.mail.names import (
    CLASSIFICATION,
    CLASSIFICATION_DESCRIPTION,
    CLASSIFICATION_GUID,
    CLASSIFICATION_KEEP,
    CLASSIFIED,
    FLAG_REQUEST,
    KEYWORDS,
    header_field,
)
from mapigw.mailbox.subjects import whole_subject
from mapigw.wire import tags
from mapigw.wire.properties import NamedTag, from_filetime
from mapigw.wire.property_sets import PS_INTERNET_HEADERS

_IMPORTANCE: Final = {0: ("low", "5"), 2: ("high", "1")}
_SENSITIVITY: Final = {1: "Personal", 2: "Private", 3: "Company-Confidential"}
_SUPPRESS: Final = ((0x01, "DR"), (0x02, "NDR"), (0x04, "RN"), (0x08, "NRN"), (0x10, "OOF"), (0x20, "AutoReply"))
_AUTOMATIC_CLASSES: Final = ("ipm.note.rules.oof", "ipm.note.rules.reply", "report.")
_TEXTS: Final = (
    ("Organization", tags.PidTagInternetOrganization),
    ("List-Help", tags.PidTagListHelp),
    ("List-Subscribe", tags.PidTagListSubscribe),
    ("List-Unsubscribe", tags.PidTagListUnsubscribe),
    ("X-CallingTelephoneNumber", tags.PidTagSenderTelephoneNumber),
    ("X-VoiceMessageSenderName", tags.PidTagVoiceMessageSenderName),
    ("X-AttachmentOrder", tags.PidTagVoiceMessageAttachmentOrder),
    ("X-CallID", tags.PidTagCallId),
)
_CLASSIFICATION: Final = (
    ("X-Microsoft-Classification", CLASSIFICATION),
    ("X-Microsoft-ClassDesc", CLASSIFICATION_DESCRIPTION),
    ("X-Microsoft-ClassID", CLASSIFICATION_GUID),
)
_MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]{1,896}>")
_INDEX_LINE: Final = 60
_NUMBERS: Final = (
    ("X-VoiceMessageDuration", tags.PidTagVoiceMessageDuration),
    ("X-FaxNumberOfPages", tags.PidTagFaxNumberOfPages),
)

# Fields that are made of something else, that describe a body which is made anew, or that only transport adds.
_OTHERS: Final = frozenset(
    {
        *(
            "from",
            "sender",
            "reply-to",
            "to",
            "cc",
            "bcc",
            "subject",
            "date",
            "message-id",
            "in-reply-to",
            "references",
        ),
        *("mime-version", "received", "return-path", "delivered-to", "x-original-to", "authentication-results"),
        *("dkim-signature", "domainkey-signature", "received-spf", "status", "x-status", "x-unsent"),
        *("disposition-notification-to", "return-receipt-to", "keywords", "importance", "x-priority", "sensitivity"),
        *("priority", "x-msmail-priority", "thread-topic", "thread-index", "expires", "expiry-date", "reply-by"),
        *("deferred-delivery", "x-message-flag", "x-auto-response-suppress", "lines"),
    }
)
_OTHER_PREFIXES: Final = (
    *("content-", "resent-", "arc-", "x-ms-exchange-organization-", "x-ms-exchange-forest-"),
    *("x-microsoft-exchange-organization", "x-microsoft-exchange-forest"),
)
_CONTENT_LANGUAGE: Final = header_field("content-language")
_KEPT: Final = frozenset({"content-class"})


def write_headers(fields: Fields, reader: PropertyReader, addressing: Addressing, date: datetime | None) -> None:
    """Everything but addresses, Message-ID and what describes the body."""
    if isinstance(subject := whole_subject(reader.properties), str):
        fields.text("Subject", subject)
    else:
        fields.text("Subject", reader.text(tags.PidTagSubject))
    fields.text("Thread-Topic", reader.text(tags.PidTagConversationTopic))
    _write_index(fields, reader.binary(tags.PidTagConversationIndex))
    fields.text("Date", format_datetime(date or submit_time(reader) or datetime.now(UTC)))
    _write_ids(fields, "In-Reply-To", reader.text(tags.PidTagInReplyToId))
    _write_ids(fields, "References", reader.text(tags.PidTagInternetReferences))
    _write_importance(fields, reader)
    fields.phrases("Keywords", reader.texts(KEYWORDS))
    if request := reader.text(FLAG_REQUEST):
        fields.text("X-Message-Flag", request)
        _write_time(fields, "Reply-By", reader, tags.PidTagReplyTime)
    _write_time(fields, "Expires", reader, tags.PidTagExpiryTime)
    _write_time(fields, "Deferred-Delivery", reader, tags.PidTagDeferredDeliveryTime)
    _write_receipts(fields, reader, addressing)
    _write_automatic(fields, reader)
    language = reader.text(_CONTENT_LANGUAGE) or _LANGUAGES.get(reader.integer(tags.PidTagMessageLocaleId), "")
    fields.text("Content-Language", language)
    for name, tag in _TEXTS:
        fields.text(name, reader.text(tag))
    for name, tag in _NUMBERS:
        if (number := reader.integer(tag)) > 0:
            fields.text(name, str(number))
    if reader.flag(CLASSIFIED):
        fields.text("X-Microsoft-Classified", "true")
        fields.text("X-Microsoft-ClassKeep", "true" if reader.flag(CLASSIFICATION_KEEP) else "false")
        for name, key in _CLASSIFICATION:
            fields.text(name, reader.text(key))
    _write_named(fields, reader)


_LANGUAGES: Final = {number: name.replace("_", "-") for number, name in locale.windows_locale.items()}


def submit_time(reader: PropertyReader) -> datetime | None:
    """When the message was sent, else when it came; None when neither is known."""
    for tag in (tags.PidTagClientSubmitTime, tags.PidTagMessageDeliveryTime):
        if (moment := _moment(reader, tag)) is not None:
            return moment
    return None


def _moment(reader: PropertyReader, tag: int) -> datetime | None:
    value = reader.integer(tag)
    try:
        return from_filetime(value).replace(microsecond=0) if value > 0 else None
    except OverflowError:
        return None


def _write_time(fields: Fields, name: str, reader: PropertyReader, tag: int) -> None:
    if (moment := _moment(reader, tag)) is not None:
        fields.text(name, format_datetime(moment))


def _write_index(fields: Fields, index: bytes) -> None:
    text = binascii.b2a_base64(index, newline=False).decode("ascii")
    fields.text("Thread-Index", " ".join(text[at : at + _INDEX_LINE] for at in range(0, len(text), _INDEX_LINE)))


def _write_ids(fields: Fields, name: str, value: str) -> None:
    """Message ids; what is none is left out, unless there is nothing else (RFC 822 allowed phrases)."""
    ids = _MESSAGE_ID.findall(value)
    fields.text(name, " ".join(ids) if ids else value)


def _write_importance(fields: Fields, reader: PropertyReader) -> None:
    words = _IMPORTANCE.get(reader.integer(tags.PidTagImportance, 1))
    if words is not None:
        fields.text("Importance", words[0])
        fields.text("X-Priority", words[1])
    fields.text("Sensitivity", _SENSITIVITY.get(reader.integer(tags.PidTagSensitivity), ""))


def _write_receipts(fields: Fields, reader: PropertyReader, addressing: Addressing) -> None:
    receiver = receipt_mailbox(reader, addressing)
    if receiver is None:
        return
    if reader.flag(tags.PidTagReadReceiptRequested):
        fields.addresses("Disposition-Notification-To", [receiver])
    if reader.flag(tags.PidTagOriginatorDeliveryReportRequested):
        fields.addresses("Return-Receipt-To", [receiver])


def _write_automatic(fields: Fields, reader: PropertyReader) -> None:
    if tags.PidTagAutoResponseSuppress in reader:
        bits = reader.integer(tags.PidTagAutoResponseSuppress)
        words = ["All"] if bits == -1 else [word for bit, word in _SUPPRESS if bits & bit]
        fields.text("X-Auto-Response-Suppress", ", ".join(words) or "None")
    if reader.text(tags.PidTagMessageClass).lower().startswith(_AUTOMATIC_CLASSES):
        fields.text("Auto-Submitted", "auto-replied")


def _write_named(fields: Fields, reader: PropertyReader) -> None:
    """The named properties of PS_INTERNET_HEADERS, for fields that nothing else is mapped to (2.1.3.2.30)."""
    for key in reader.properties:
        if not isinstance(key, NamedTag) or key.property_name.property_set != PS_INTERNET_HEADERS:
            continue
        name = key.property_name.name or ""
        low = name.lower()
        if low in fields or low in _OTHERS or (low.startswith(_OTHER_PREFIXES) and low not in _KEPT):
            continue
        shown = name if name != low else "-".join(map(str.capitalize, name.split("-")))
        fields.text(shown, reader.text(key))


def message_id_of(reader: PropertyReader, domain: str) -> str:
    """PidTagInternetMessageId if it is one, else one made of what stays the same while the message does."""
    own = _MESSAGE_ID.search(reader.text(tags.PidTagInternetMessageId))
    if own is not None:
        return own.group()
    search_key = reader.binary(tags.PidTagSearchKey)
    submitted = reader.integer(tags.PidTagClientSubmitTime)
    if not search_key:
        return new_message_id(domain)
    digest = blake2b(search_key + submitted.to_bytes(9, "little", signed=True), digest_size=16).hexdigest()
    return f"<{digest}@{host_of(domain)}>"


def new_message_id(domain: str) -> str:
    """A Message-ID for a message that has none; ``domain`` is the sender's, "" if it is not known."""
    return f"<{uuid4().hex}@{host_of(domain)}>"


def host_of(domain: str) -> str:
    return domain if re.fullmatch(r"[A-Za-z0-9.-]{1,255}", domain) else "localhost.localdomain"
