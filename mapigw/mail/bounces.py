"""Reports to a sender: of failure, delay, delivery and reading (MS-OXOMSG 2.2.2; RFC 3461 to 3464).

The sender of a message that was submitted here gets an item with the message in it, out of which a client can send it
again. Who sent a message that only passed through gets a delivery status notification.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from uuid import uuid4

from mapigw.mail.addresses import SENDER, SENT_REPRESENTING
from mapigw.mail.bounces_texts import ReportKind, Texts, texts_for
from mapigw.mailbox.mailboxes import NewMessage
from mapigw.store.queue import RecipientRow, RecipientState
from mapigw.wire import tags
from mapigw.wire.entryids import one_off_entry_id
from mapigw.wire.message import Attachment, Message, Properties
from mapigw.wire.properties import from_filetime

EMBEDDED_MESSAGE: Final = 5  # PidTagAttachMethod
PLAIN_TEXT: Final = 1  # PidTagNativeBody
NEEDS_DELIVERY: Final = 0x10000000
"""Of PidTagRecipientType in a message that is sent again: who did not get it (MS-OXOMSG 2.2.3.1)."""
HAS_IT: Final = 0x80000000
"""Of PidTagRecipientType in a message that is sent again: who got it, and gets it no more."""
_SIGNED_HAS_IT: Final = HAS_IT - (1 << 32)
_MAIL_USER: Final = 6  # PidTagObjectType
_HEADERS_MAXIMUM: Final = 1 << 16
_RESPONSE_SIZE: Final = 5

# PidTagNonDeliveryReportDiagCode by status (MS-OXCMAIL 2.1.3.6.2); the reason is that the transfer failed.
_DIAGNOSTIC_CODES: Final = {"5.1": 0, "5.2.2": 4, "5.2.3": 7, "5.3.4": 7, "5.4.6": 3, "5.7": 29, "4.4.7": 5}
_NO_DIAGNOSTIC: Final = -1
_TRANSFER_FAILED: Final = 0

_COPIED: Final = {
    tags.PidTagConversationTopic: tags.PidTagConversationTopic,
    tags.PidTagReportTag: tags.PidTagReportTag,
    tags.PidTagClientSubmitTime: tags.PidTagOriginalSubmitTime,
    tags.PidTagSearchKey: tags.PidTagParentKey,
    tags.PidTagInternetMessageId: tags.PidTagOriginalMessageId,
    tags.PidTagSensitivity: tags.PidTagOriginalSensitivity,
    tags.PidTagDisplayTo: tags.PidTagOriginalDisplayTo,
    tags.PidTagDisplayCc: tags.PidTagOriginalDisplayCc,
    tags.PidTagDisplayBcc: tags.PidTagOriginalDisplayBcc,
    tags.PidTagSenderName: tags.PidTagOriginalSenderName,
    tags.PidTagSenderAddressType: tags.PidTagOriginalSenderAddressType,
    tags.PidTagSenderEmailAddress: tags.PidTagOriginalSenderEmailAddress,
    tags.PidTagSenderEntryId: tags.PidTagOriginalSenderEntryId,
    tags.PidTagSenderSearchKey: tags.PidTagOriginalSenderSearchKey,
    tags.PidTagSentRepresentingName: tags.PidTagOriginalSentRepresentingName,
    tags.PidTagSentRepresentingAddressType: tags.PidTagOriginalSentRepresentingAddressType,
    tags.PidTagSentRepresentingEmailAddress: tags.PidTagOriginalSentRepresentingEmailAddress,
    tags.PidTagSentRepresentingEntryId: tags.PidTagOriginalSentRepresentingEntryId,
    tags.PidTagSentRepresentingSearchKey: tags.PidTagOriginalSentRepresentingSearchKey,
}
"""What a report tells of the original under another name, or its own."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Where and when a report is made, and the LCID of who reads it."""

    hostname: str
    domain: str
    locale: int
    moment: int


def report(
    kind: ReportKind, original: Message, about: Sequence[RecipientRow], rows: Sequence[RecipientRow], occasion: Occasion
) -> NewMessage:
    """The item that tells of some of a message's recipients; ``rows`` are all of them."""
    texts = texts_for(occasion.locale)
    properties = report_properties(kind, original, occasion)
    address = f"postmaster@{occasion.domain}"
    properties |= correspondent(SENDER, texts.sender, address)
    properties |= correspondent(SENT_REPRESENTING, texts.sender, address)
    properties[tags.PidTagBody] = _body(kind, texts, original.properties, about)
    message = Message(properties)
    if kind is ReportKind.FAILED:
        by_row = {recipient.get(tags.PidTagRowid): recipient for recipient in original.recipients}
        message.recipients = [_failed_recipient(row, by_row.get(row.row_id, {}), texts, occasion) for row in about]
        message.attachments = [_original(original, about, rows)]
    return NewMessage(message)


def report_properties(kind: ReportKind, original: Message, occasion: Occasion) -> Properties:
    """What every report has but its sender and its text."""
    found = original.properties
    prefix = texts_for(occasion.locale).prefixes[kind]
    subject = text_of(found, tags.PidTagSubject) or text_of(found, tags.PidTagNormalizedSubject)
    properties: Properties = {new: found[old] for old, new in _COPIED.items() if old in found}
    properties |= {
        tags.PidTagMessageClass: f"REPORT.{text_of(found, tags.PidTagMessageClass) or 'IPM.Note'}.{kind.value}",
        tags.PidTagSubject: prefix + subject,
        tags.PidTagSubjectPrefix: prefix,
        tags.PidTagNormalizedSubject: subject,
        tags.PidTagOriginalSubject: subject,
        tags.PidTagReportTime: occasion.moment,
        tags.PidTagClientSubmitTime: occasion.moment,
        tags.PidTagMessageDeliveryTime: occasion.moment,
        tags.PidTagInternetMessageId: f"<{uuid4().hex}@{occasion.domain}>",
        tags.PidTagNativeBody: PLAIN_TEXT,
        tags.PidTagRtfInSync: False,
    }
    if message_id := text_of(found, tags.PidTagInternetMessageId):
        properties[tags.PidTagInReplyToId] = message_id
    index = found.get(tags.PidTagConversationIndex)
    if isinstance(index, bytes):
        properties[tags.PidTagConversationIndex] = response_index(index, occasion.moment)
    return properties


def correspondent(group: tuple[int, ...], name: str, address: str) -> Properties:
    """A group of address properties that names an Internet address."""
    name_tag, kind, email, smtp, entry_id, search_key = group
    return {
        name_tag: name,
        kind: "SMTP",
        email: address,
        smtp: address,
        entry_id: one_off_entry_id(name, address),
        search_key: f"SMTP:{address}".upper().encode("utf-8", "replace") + b"\0",
    }


def response_index(index: bytes, moment: int) -> bytes:
    """PidTagConversationIndex of an answer: one response level more (MS-OXOMSG 2.2.1.3.2)."""
    if len(index) < 6:
        return index
    delta = max(0, moment - (int.from_bytes(index[1:6], "big") << 24))
    # 31 bits of the time that has passed, from bit 18 on, or with the highest bit from bit 23 on where it is long.
    level = (delta >> 18) & 0x7FFFFFFF if delta >> 49 == 0 else 0x80000000 | (delta >> 23) & 0x7FFFFFFF
    return index + level.to_bytes(4, "big") + uuid4().bytes[:1]


def text_of(properties: Mapping[Any, Any], tag: int) -> str:
    value = properties.get(tag)
    return value if isinstance(value, str) else ""


def _shown(row: RecipientRow) -> str:
    return f"{row.name} ({row.address})" if row.name and row.name != row.address else row.address


def _body(kind: ReportKind, texts: Texts, original: Properties, about: Iterable[RecipientRow]) -> str:
    lines = [texts.openings[kind], ""]
    for row in about:
        lines.append(f"  {_shown(row)}")
        if kind in {ReportKind.FAILED, ReportKind.DELAYED}:
            lines.append(f"  {texts.explanation(row.status)}")
            lines.append(f"  {texts.diagnostic}{row.status} {row.diagnostic}".rstrip())
        lines.append("")
    lines.append(texts.subject + text_of(original, tags.PidTagSubject))
    sent = original.get(tags.PidTagClientSubmitTime)
    if isinstance(sent, int):
        lines.append(f"{texts.sent}{from_filetime(sent):%Y-%m-%d %H:%M} UTC")
    return "\r\n".join(lines) + "\r\n"


def _failed_recipient(row: RecipientRow, original: Properties, texts: Texts, occasion: Occasion) -> Properties:
    """A recipient of a non-delivery report: whom it is about, and why (MS-OXOMSG 2.2.2.10 to 2.2.2.15)."""
    found: Properties = dict(original) or {
        tags.PidTagDisplayName: row.name or row.address,
        tags.PidTagAddressType: "SMTP",
        tags.PidTagEmailAddress: row.address,
        tags.PidTagSmtpAddress: row.address,
        tags.PidTagEntryId: one_off_entry_id(row.name or row.address, row.address),
        tags.PidTagObjectType: _MAIL_USER,
        tags.PidTagDisplayType: 0,
    }
    found.pop(tags.PidTagRowid, None)
    found |= {
        tags.PidTagRecipientType: 1,
        tags.PidTagReportTime: occasion.moment,
        tags.PidTagReportText: texts.explanation(row.status),
        tags.PidTagNonDeliveryReportReasonCode: _TRANSFER_FAILED,
        tags.PidTagNonDeliveryReportDiagCode: _diagnostic_code(row.status),
        tags.PidTagNonDeliveryReportStatusCode: _status_code(row.status),
        tags.PidTagSupplementaryInfo: f"<{occasion.hostname} #{row.status} {row.diagnostic}>",
    }
    return found


def _diagnostic_code(status: str) -> int:
    while status:
        if status in _DIAGNOSTIC_CODES:
            return _DIAGNOSTIC_CODES[status]
        status = status.rpartition(".")[0]
    return _NO_DIAGNOSTIC


def _status_code(status: str) -> int:
    """Class, subject and detail as the decimal digits of a number (MS-OXCMAIL 2.1.3.6.2.1)."""
    parts = [int(part) for part in status.split(".") if part.isdigit()]
    return parts[0] * 100 + parts[1] * 10 + parts[2] if len(parts) == 3 else 0


def _original(original: Message, about: Sequence[RecipientRow], rows: Sequence[RecipientRow]) -> Attachment:
    """The message itself, in which those who did not get it are marked: who sends it again reaches only them."""
    failed = {row.row_id for row in about}
    had = {row.row_id for row in rows if row.state in {RecipientState.DELIVERED, RecipientState.RELAYED}} - failed
    recipients = []
    for recipient in original.recipients:
        kind = int(recipient.get(tags.PidTagRecipientType, 1)) & 0x0F
        row_id = recipient.get(tags.PidTagRowid)
        if row_id in failed:
            kind |= NEEDS_DELIVERY
        elif row_id in had:
            kind |= _SIGNED_HAS_IT
        recipients.append({**recipient, tags.PidTagRecipientType: kind})
    subject = text_of(original.properties, tags.PidTagSubject)
    properties: Properties = {
        tags.PidTagAttachMethod: EMBEDDED_MESSAGE,
        tags.PidTagDisplayName: subject,
        tags.PidTagRenderingPosition: -1,
    }
    return Attachment(properties, Message(dict(original.properties), recipients, original.attachments))


def notification(sender: str, rows: Sequence[RecipientRow], head: bytes, occasion: Occasion) -> bytes:
    """A delivery status notification about a message whose header begins with ``head`` (RFC 3464)."""
    texts = texts_for(occasion.locale)
    boundary = uuid4().hex
    now = format_datetime(datetime.now(UTC))
    lines = [
        f"From: {texts.sender} <postmaster@{occasion.domain}>",
        f"To: <{sender}>",
        "Subject: Undelivered Mail Returned to Sender",
        f"Date: {now}",
        f"Message-ID: <{uuid4().hex}@{occasion.domain}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        _body(ReportKind.FAILED, texts, {}, rows),
        f"--{boundary}",
        "Content-Type: message/delivery-status",
        "",
        f"Reporting-MTA: dns; {occasion.hostname}",
        "",
    ]
    for row in rows:
        lines += [
            f"Final-Recipient: rfc822; {row.address}",
            "Action: failed",
            f"Status: {row.status}",
            f"Diagnostic-Code: smtp; {row.diagnostic or 'none'}",
            "",
        ]
    lines += [f"--{boundary}", "Content-Type: text/rfc822-headers", ""]
    header = head[:_HEADERS_MAXIMUM].replace(b"\r\n", b"\n").partition(b"\n\n")[0].replace(b"\n", b"\r\n")
    return "\r\n".join(lines).encode("utf-8", "replace") + b"\r\n" + header + f"\r\n--{boundary}--\r\n".encode()
