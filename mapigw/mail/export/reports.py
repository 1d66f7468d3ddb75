"""Delivery reports and receipts as multipart/report (MS-OXCMAIL 2.1.3.6; RFC 3464, 6522, 8098)."""

import binascii
import re
from email.utils import format_datetime
from typing import Final

from mapigw.mail.export.addressing import Addressing, sender_mailbox
from mapigw.mail.export.entities import Entity, Multipart, Part
from mapigw.mail.export.fields import Fields, Mailbox, internet_address, line_of
from mapigw.mail.export.reader import PropertyReader
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.properties import from_filetime

_PREFIX: Final = "report."
_DELIVERY: Final = "message/delivery-status"
_DISPOSITION: Final = "message/disposition-notification"

# The end of PidTagMessageClass: Action and a Status for a recipient that has none (2.1.3.6.1.1).
_ACTIONS: Final = {
    ".expanded.dr": ("expanded", 200),
    ".relayed.dr": ("relayed", 200),
    ".delayed.dr": ("delayed", 400),
    ".dr": ("delivered", 200),
    ".ndr": ("failed", 500),
}
# 2.1.3.6.2.1
_DISPOSITIONS: Final = {".ipnrn": "displayed", ".ipnnrn": "deleted"}
_RECEIVED_BY: Final = (
    tags.PidTagReceivedByName,
    tags.PidTagReceivedByAddressType,
    tags.PidTagReceivedByEmailAddress,
    tags.PidTagReceivedBySmtpAddress,
    tags.PidTagReceivedByEntryId,
    tags.PidTagReceivedBySearchKey,
)
_ORIGINAL_SENDER: Final = (
    tags.PidTagOriginalSenderName,
    tags.PidTagOriginalSenderAddressType,
    tags.PidTagOriginalSenderEmailAddress,
    tags.PidTagSmtpAddress,  # there is none of the original sender, nor this one on a message
    tags.PidTagOriginalSenderEntryId,
    tags.PidTagOriginalSenderSearchKey,
)
_MANUAL: Final = "manual-action/MDN-sent-manually"
_MODES: Final = re.compile(r"(?:manual|automatic)-action/MDN-sent-(?:manually|automatically)", re.IGNORECASE)
_HOST: Final = re.compile(r"(?:\s*dns\s*;)?\s*(\S{1,255})\s*", re.IGNORECASE)


def is_report(message_class: str) -> bool:
    """Whether a message class is that of a delivery report or a receipt."""
    return _kind(message_class) is not None


def _kind(message_class: str) -> str | None:
    low = message_class.lower()
    if not low.startswith(_PREFIX):
        return None
    if low.endswith(tuple(_ACTIONS)):
        return _DELIVERY
    return _DISPOSITION if low.endswith(tuple(_DISPOSITIONS)) else None


def addressee(reader: PropertyReader, addressing: Addressing) -> Mailbox | None:
    """Whom a delivery report went to: who received it, else whose message it is about. None where that is not known.

    The recipients of such a report are those that it reports on.
    """
    return addressing.group(reader, _RECEIVED_BY) or addressing.group(reader, _ORIGINAL_SENDER)


def is_delivery_report(message_class: str) -> bool:
    """Whether a message class is that of a delivery report."""
    return _kind(message_class) == _DELIVERY


def report_part(
    message: Message, reader: PropertyReader, addressing: Addressing, text: Part, returned: list[Part], *, host: str
) -> Multipart:
    """The report: ``text`` for people, a part for programs, and what is ``returned`` of the original message.

    ``host`` is what reports where the message does not say it.
    """
    message_class = reader.text(tags.PidTagMessageClass)
    kind = _kind(message_class)
    if kind == _DELIVERY:
        groups = _delivery_status(message, reader, addressing, message_class.lower(), host)
    else:
        groups = [_disposition(reader, addressing, message_class.lower())]
    data = b"\r\n".join(bytes(group) for group in groups)
    fields = Fields()
    fields.text("Content-Type", kind or _DELIVERY)
    report_type = (kind or _DELIVERY).partition("/")[2]
    return Multipart(
        "report", [text, Entity(fields, lambda: [data]), *returned], Fields(), {"report-type": report_type}
    )


def _delivery_status(
    message: Message, reader: PropertyReader, addressing: Addressing, message_class: str, host: str
) -> list[Fields]:
    """The fields about the message, and a group for each recipient (RFC 3464 2.2, 2.3)."""
    action, default = next(value for end, value in _ACTIONS.items() if message_class.endswith(end))
    about = Fields()
    about.text("Reporting-MTA", f"dns; {_host(reader.text(tags.PidTagReportingMessageTransferAgent)) or host}")
    _write_time(about, "Arrival-Date", reader, tags.PidTagOriginalSubmitTime)
    groups = [about]
    for recipient in message.recipients:
        row = PropertyReader(recipient, reader.blobs)
        mailbox = addressing.recipient(row)
        email = internet_address(mailbox.email, utf8=False)
        group = Fields()
        group.text("Final-Recipient", f"rfc822; {email}" if email else f"unknown; {line_of(mailbox.name) or 'unknown'}")
        group.text("Action", action)
        group.text("Status", _status(row.integer(tags.PidTagNonDeliveryReportStatusCode), default))
        if remote := _host(row.text(tags.PidTagRemoteMessageTransferAgent)):
            group.text("Remote-MTA", f"dns; {remote}")
        _write_time(group, "Last-Attempt-Date", row, tags.PidTagReportTime)
        group.text("X-Supplementary-Info", row.text(tags.PidTagSupplementaryInfo))
        group.text("X-Display-Name", mailbox.name)
        groups.append(group)
    if len(groups) == 1:  # RFC 3464 2.1 asks for one
        group = Fields()
        group.text("Final-Recipient", "unknown; unknown")
        group.text("Action", action)
        group.text("Status", _status(0, default))
        groups.append(group)
    return groups


def _host(value: str) -> str:
    found = _HOST.fullmatch(line_of(value))
    return found[1] if found else ""


def _status(code: int, default: int) -> str:
    """Of PidTagNonDeliveryReportStatusCode, whose decimal digits are class, subject and detail."""
    if code // 100 not in (2, 4, 5):
        code = default
    return f"{code // 100}.{code // 10 % 10}.{code % 10}"


def _disposition(reader: PropertyReader, addressing: Addressing, message_class: str) -> Fields:
    """RFC 8098 3.1."""
    fields = Fields()
    reporter = sender_mailbox(reader, addressing)
    email = internet_address(reporter.email, utf8=False) if reporter is not None else ""
    fields.text("Final-Recipient", f"rfc822; {email}" if email else "unknown; unknown")
    ids = line_of(reader.text(tags.PidTagOriginalMessageId))
    fields.text("Original-Message-ID", ids if "<" in ids else "")
    mode = line_of(reader.text(tags.PidTagReportDispositionMode))
    disposition = next(value for end, value in _DISPOSITIONS.items() if message_class.endswith(end))
    fields.text("Disposition", f"{mode if _MODES.fullmatch(mode) else _MANUAL}; {disposition}")
    if key := reader.binary(tags.PidTagParentKey)[:256]:
        fields.text("X-MSExch-Correlation-Key", binascii.b2a_base64(key, newline=False).decode("ascii"))
    if reporter is not None:
        fields.text("X-Display-Name", reporter.name)
    return fields


def _write_time(fields: Fields, name: str, reader: PropertyReader, tag: int) -> None:
    value = reader.integer(tag)
    try:
        moment = from_filetime(value) if value > 0 else None
    except OverflowError:
        return
    if moment is not None:
        fields.text(name, format_datetime(moment.replace(microsecond=0)))


def report_text(message: Message, reader: PropertyReader, addressing: Addressing) -> str:
    """What a report without a text says."""
    message_class = reader.text(tags.PidTagMessageClass).lower()
    subject = line_of(reader.text(tags.PidTagOriginalSubject) or reader.text(tags.PidTagSubject))
    word = next((value for end, value in _DISPOSITIONS.items() if message_class.endswith(end)), "")
    word = word or next((action for end, (action, _) in _ACTIONS.items() if message_class.endswith(end)), "")
    rows = [addressing.recipient(PropertyReader(recipient, reader.blobs)) for recipient in message.recipients]
    names = [line_of(mailbox.email or mailbox.name) for mailbox in rows]
    return "\r\n".join((f"Subject: {subject}", f"Action: {word}", *names, ""))
