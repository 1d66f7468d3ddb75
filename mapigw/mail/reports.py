"""Delivery status and disposition notifications as report items (MS-OXCMAIL 2.2.3.7; RFC 3464, 8098).

The notification becomes properties and recipients, so that the client shows it in its own words, counts it in the
tracking of the message that was sent, and can send that message again to those whom it did not reach.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mapigw.mail.addresses import RECIPIENT_TO, Address, recipient_properties
from mapigw.mail.headers import Headers, clean, decode_base64
from mapigw.mail.parts import Part
from mapigw.wire import tags
from mapigw.wire.message import Message, Properties

DELIVERY_TYPES: Final = frozenset({"message/delivery-status", "message/global-delivery-status"})
DISPOSITION_TYPES: Final = frozenset({"message/disposition-notification", "message/global-disposition-notification"})
ORIGINAL_HEADERS: Final = frozenset({"text/rfc822-headers", "message/global-headers"})
"""What stands for the message that a report is about where it is not returned whole."""

MAX_RECIPIENTS: Final = 5_000
_MAX_NOTIFICATION: Final = 4 << 20

# Action: severity (2.2.3.7.1.1) and the end of the message class
_ACTIONS: Final = {
    "delivered": (0, "DR"),
    "expanded": (1, "Expanded.DR"),
    "relayed": (2, "Relayed.DR"),
    "delayed": (3, "Delayed.DR"),
    "failed": (4, "NDR"),
}
_KINDS: Final = {"failed": 5, "delayed": 4}  # of a status that is missing
_READ: Final = frozenset({"displayed", "dispatched", "processed"})

_NO_DIAGNOSTIC: Final = -1
_TRANSFER_FAILED, _TRANSFER_IMPOSSIBLE = 0, 1
_STATUS: Final = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})")
# Subject and detail of a status code (RFC 3463): diagnostic code. Subjects 1 and 2 as 2.2.3.7.1.3 has them, the others
# by what the codes mean.
_DIAGNOSTICS: Final = {
    (1, 1): 35,  # MAPI_DIAG_MAIL_RECIPIENT_UNKNOWN
    (1, 2): 48,
    (1, 3): 32,  # MAPI_DIAG_MAIL_ADDRESS_INCORRECT
    (1, 4): 1,  # MAPI_DIAG_OR_NAME_AMBIGUOUS
    (1, 6): 40,  # MAPI_DIAG_MAIL_RECIPIENT_MOVED
    (2, 1): 38,  # MAPI_DIAG_MAIL_REFUSED
    (2, 2): 13,  # MAPI_DIAG_LENGTH_CONSTRAINT_VIOLATD
    (2, 3): 13,
    (2, 4): 30,  # MAPI_DIAG_EXPANSION_FAILED
    (3, 2): 38,
    (3, 3): 18,  # MAPI_DIAG_CRITICAL_FUNC_UNSUPPORTED
    (3, 4): 7,  # MAPI_DIAG_CONTENT_TOO_LONG
    (4, 5): 2,  # MAPI_DIAG_MTS_CONGESTED
    (4, 6): 3,  # MAPI_DIAG_LOOP_DETECTED
    (4, 7): 5,  # MAPI_DIAG_MAXIMUM_TIME_EXPIRED
    (5, 3): 16,  # MAPI_DIAG_TOO_MANY_RECIPIENTS
    (5, 4): 11,  # MAPI_DIAG_PARAMETERS_INVALID
    (6, 1): 15,  # MAPI_DIAG_CONTENT_TYPE_UNSUPPORTED
    (6, 2): 9,  # MAPI_DIAG_PROHIBITED_TO_CONVERT
    (6, 3): 8,  # MAPI_DIAG_IMPRACTICAL_TO_CONVERT
    (6, 4): 25,  # MAPI_DIAG_MULTIPLE_INFO_LOSSES
    (7, 1): 29,  # MAPI_DIAG_SUBMISSION_PROHIBITED
    (7, 2): 28,  # MAPI_DIAG_EXPANSION_PROHIBITED
}
_ADDRESS_STATUS: Final = 1


@dataclass(frozen=True, slots=True)
class Report:
    """What a notification says: ``part`` is where it does so, ``recipients`` replace those of the message."""

    part: Part
    properties: Properties
    recipients: list[Properties] | None = None


def read_report(root: Part, message: Message) -> Report | None:
    """The report that a multipart/report is, ``message`` having what its header says; None where it is none.

    A notification that cannot be understood leaves an ordinary message with all its parts.
    """
    if root.type != "multipart/report":
        return None
    for part in root.parts:
        report = None
        if part.type in DELIVERY_TYPES:
            report = _delivery_report(part, message)
        elif part.type in DISPOSITION_TYPES:
            report = _disposition_report(part, message)
        if report is not None:
            return report
    return None


def original_properties(original: Message) -> Properties:
    """What a report tells of the message that it is about (MS-OXOMSG 2.2.2)."""
    pairs = (
        (tags.PidTagOriginalSubject, tags.PidTagSubject),
        (tags.PidTagOriginalSubmitTime, tags.PidTagClientSubmitTime),
        (tags.PidTagOriginalSenderName, tags.PidTagSenderName),
        (tags.PidTagOriginalAuthorName, tags.PidTagSentRepresentingName),
        (tags.PidTagOriginalDisplayTo, tags.PidTagDisplayTo),
        (tags.PidTagOriginalDisplayCc, tags.PidTagDisplayCc),
        (tags.PidTagOriginalMessageId, tags.PidTagInternetMessageId),
    )
    return {tag: original.properties[source] for tag, source in pairs if source in original.properties}


def _groups(part: Part) -> Iterator[Headers]:
    """The groups of fields that blank lines separate."""
    data = part.content(_MAX_NOTIFICATION).lstrip(b"\r\n")
    position = 0
    while position < len(data):
        headers = Headers(data, position)
        if headers:
            yield headers
        if headers.size <= position:
            return
        position = headers.size


def _typed(value: str) -> str:
    """The address or name behind its type, as in "rfc822; user@example.com"."""
    kind, separator, rest = value.partition(";")
    return clean(rest if separator else kind).removeprefix("<").removesuffix(">")


def _delivery_report(part: Part, message: Message) -> Report | None:
    groups = _groups(part)
    whole = next(groups, None)
    if whole is None:
        return None
    found: list[Headers] = []
    severity, suffix = -1, ""
    for group in groups:
        action = _ACTIONS.get(group.token("action"))
        if action is None or len(found) == MAX_RECIPIENTS:
            continue
        found.append(group)
        severity, suffix = max((severity, suffix), action)
    if not found:
        return None
    sent = message.properties[tags.PidTagClientSubmitTime]
    worst = [group for group in found if _ACTIONS[group.token("action")][0] == severity]
    recipients = [_recipient(group, row, sent) for row, group in enumerate(worst)]
    properties: Properties = {
        tags.PidTagMessageClass: f"REPORT.{message.properties[tags.PidTagMessageClass]}.{suffix}",
        tags.PidTagReportTime: sent,
        tags.PidTagReportName: message.properties.get(tags.PidTagSenderName, ""),
    }
    if "reporting-mta" in whole:
        properties[tags.PidTagReportingMessageTransferAgent] = whole.text("reporting-mta")
    return Report(part, properties | _parent_key(whole), recipients)


def _recipient(group: Headers, row: int, sent: int) -> Properties:
    """A recipient of the message that the report is about: under the address that its sender gave."""
    email = _typed(group.first("original-recipient")) or _typed(group.first("final-recipient"))
    address = Address(group.text("x-display-name") or email or "?", email or "?").cut()
    properties: dict[Any, Any] = recipient_properties(address, RECIPIENT_TO, row)
    remote = _typed(group.first("remote-mta"))
    if remote:
        properties[tags.PidTagRemoteMessageTransferAgent] = remote
    status = _STATUS.match(group.first("status"))
    properties[tags.PidTagSupplementaryInfo] = group.text("x-supplementary-info") or _supplementary_info(
        remote, status[0].strip() if status else "", group.text("diagnostic-code")
    )
    properties[tags.PidTagReportTime] = sent
    if group.token("action") != "failed":
        properties[tags.PidTagDeliverTime] = sent
    kind, subject, detail = map(int, status.groups()) if status else (_KINDS.get(group.token("action"), 2), 0, 0)
    return properties | _status_properties(kind, subject, detail)


def _supplementary_info(remote: str, status: str, diagnostic: str) -> str:
    """2.2.3.7.1.2."""
    return f"<{remote}{' ' if remote else ''}#{status}{' ' if diagnostic else ''}{diagnostic}>"


def _status_properties(kind: int, subject: int, detail: int) -> Properties:
    """2.2.3.7.1.3."""
    subject, detail = (number if number <= 9 else 0 for number in (subject, detail))
    diagnostic = _DIAGNOSTICS.get((subject, detail), 0 if subject == _ADDRESS_STATUS else _NO_DIAGNOSTIC)
    impossible = (subject, detail) == (_ADDRESS_STATUS, 1)
    return {
        tags.PidTagNonDeliveryReportStatusCode: kind * 100 + subject * 10 + detail,
        tags.PidTagNonDeliveryReportDiagCode: diagnostic,
        tags.PidTagNonDeliveryReportReasonCode: _TRANSFER_IMPOSSIBLE if impossible else _TRANSFER_FAILED,
    }


def _disposition_report(part: Part, message: Message) -> Report | None:
    fields = next(_groups(part), None)
    if fields is None or "disposition" not in fields:
        return None
    mode, _, kind = fields.first("disposition").partition(";")
    kind = clean(kind).partition("/")[0].partition(",")[0].strip().lower()
    is_read = kind in _READ
    suffix = "IPNRN" if is_read else "IPNNRN"
    sent = message.properties[tags.PidTagClientSubmitTime]
    properties: Properties = {
        tags.PidTagMessageClass: f"REPORT.{message.properties[tags.PidTagMessageClass]}.{suffix}",
        tags.PidTagReportDisposition: "displayed" if is_read else "deleted",
        tags.PidTagReportDispositionMode: clean(mode),
        tags.PidTagReportTime: sent,
        tags.PidTagReceiptTime: sent,
        tags.PidTagOriginalSubject: message.properties[tags.PidTagNormalizedSubject],
    }
    if "original-message-id" in fields:
        properties[tags.PidTagOriginalMessageId] = fields.text("original-message-id")
    return Report(part, properties | _parent_key(fields))


def _parent_key(fields: Headers) -> Properties:
    """What the sender of the original gave it for finding it again."""
    key = decode_base64(fields.first("x-msexch-correlation-key").encode("utf-8", "replace"))
    return {tags.PidTagParentKey: key} if key else {}
