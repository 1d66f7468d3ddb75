"""Header fields that map to one property each (MS-OXCMAIL 2.2.3.2)."""

import locale
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_tz
from typing import Final

from mapigw.mail.headers import Headers, clean, decode_words
from mapigw.mail.names import (
    CLASSIFICATION,
    CLASSIFICATION_DESCRIPTION,
    CLASSIFICATION_GUID,
    CLASSIFICATION_KEEP,
    CLASSIFIED,
    CONTENT_CLASS,
    FLAG_REQUEST,
    KEYWORDS,
    PERCENT_COMPLETE,
    TASK_COMPLETE,
    TASK_STATUS,
    TO_DO_TITLE,
)
from mapigw.mailbox.subjects import SUBJECT_PREFIX
from mapigw.wire import tags
from mapigw.wire.message import Properties
from mapigw.wire.properties import filetime

_LOW, _NORMAL, _HIGH = 0, 1, 2
# In order of preference: field, values (2.2.3.2.5).
_IMPORTANCE: Final[tuple[tuple[str, dict[str, int]], ...]] = (
    ("importance", {"low": _LOW, "normal": _NORMAL, "high": _HIGH}),
    ("x-priority", {"1": _HIGH, "2": _HIGH, "3": _NORMAL, "4": _LOW, "5": _LOW}),
    ("x-msmail-priority", {"low": _LOW, "normal": _NORMAL, "high": _HIGH}),
    ("priority", {"non-urgent": _LOW, "normal": _NORMAL, "urgent": _HIGH}),
)
_SENSITIVITY: Final = {"personal": 1, "private": 2, "company-confidential": 3}
_AUTO_RESPONSE_SUPPRESS: Final = {"dr": 1, "ndr": 2, "rn": 4, "nrn": 8, "oof": 16, "autoreply": 32, "all": -1}
# field: property; of several fields for one property the first wins
_STRINGS: Final = (
    ("message-id", tags.PidTagInternetMessageId),
    ("in-reply-to", tags.PidTagInReplyToId),
    ("references", tags.PidTagInternetReferences),
    ("organization", tags.PidTagInternetOrganization),
    ("return-path", tags.PidTagInternetReturnPath),
    ("list-help", tags.PidTagListHelp),
    ("x-list-help", tags.PidTagListHelp),
    ("list-subscribe", tags.PidTagListSubscribe),
    ("x-list-subscribe", tags.PidTagListSubscribe),
    ("list-unsubscribe", tags.PidTagListUnsubscribe),
    ("x-list-unsubscribe", tags.PidTagListUnsubscribe),
    ("content-class", CONTENT_CLASS),
    ("x-callingtelephonenumber", tags.PidTagSenderTelephoneNumber),
    ("x-voicemessagesendername", tags.PidTagVoiceMessageSenderName),
    ("x-attachmentorder", tags.PidTagVoiceMessageAttachmentOrder),
    ("x-callid", tags.PidTagCallId),
    ("x-ms-exchange-organization-prd", tags.PidTagPurportedSenderDomain),
)
# field: property, smallest and largest value
_NUMBERS: Final = (
    ("x-voicemessageduration", tags.PidTagVoiceMessageDuration, 0, 0x7FFFFFFF),
    ("x-faxnumberofpages", tags.PidTagFaxNumberOfPages, 0, 0x7FFFFFFF),
    # -1 would exempt a message from the junk mail rule, which a stranger's header shall not do.
    ("x-ms-exchange-organization-scl", tags.PidTagContentFilterSpamConfidenceLevel, 0, 9),
)
_TIMES: Final = (
    ("reply-by", tags.PidTagReplyTime),
    ("expires", tags.PidTagExpiryTime),
    ("expiry-date", tags.PidTagExpiryTime),
    ("deferred-delivery", tags.PidTagDeferredDeliveryTime),
)
_SENDER_ID_STATUS: Final = {
    "neutral": 1,
    "pass": 2,
    "fail": 3,
    "softfail": 4,
    "none": 5,
    "temperror": 0x80000006 - (1 << 32),
    "permerror": 0x80000007 - (1 << 32),
}
_CLASSIFICATION: Final = (
    ("x-microsoft-classification", CLASSIFICATION),
    ("x-microsoft-classdesc", CLASSIFICATION_DESCRIPTION),
    ("x-microsoft-classid", CLASSIFICATION_GUID),
)
_MAX_KEYWORDS: Final = 100
_MAX_KEYWORD: Final = 255
_MAX_DIGITS: Final = 12
_LOCALE_IDS: Final = {
    name.replace("_", "-").lower(): number for number, name in reversed(locale.windows_locale.items())
}
_ENGLISH: Final = 0x0409

# PidTagFlagStatus (MS-OXOFLAG 2.2.1.1) and PidTagToDoItemFlags (2.2.1.6)
_FOLLOWUP_FLAGGED: Final = 2
_TO_DO_RECIPIENT_FLAGGED: Final = 8

# PidTagMessageFlags (MS-OXCMSG 2.2.1.6)
MESSAGE_FLAG_READ: Final = 0x0001
MESSAGE_FLAG_UNSENT: Final = 0x0008

# The sum of prefix and normalized subject must be less than 254 characters (MS-OXCMSG 2.2.1.9).
_MAX_SUBJECT: Final = 253


def field_properties(headers: Headers) -> Properties:
    """Everything but addresses, subject, bodies, times of transport and conversation."""
    properties: Properties = {tags.PidTagImportance: _importance(headers), tags.PidTagSensitivity: 0}
    properties[tags.PidTagPriority] = properties[tags.PidTagImportance] - _NORMAL
    if "sensitivity" in headers:
        properties[tags.PidTagSensitivity] = _SENSITIVITY.get(headers.token("sensitivity"), 0)
    for name, key in _STRINGS:
        if name in headers and key not in properties and (text := headers.text(name)):
            properties[key] = text
    for name, tag in _TIMES:
        if name in headers and tag not in properties and (time := parse_date(headers.first(name))) is not None:
            properties[tag] = time
    for name, tag, smallest, largest in _NUMBERS:
        if name in headers and (number := _number(headers.token(name), smallest, largest)) is not None:
            properties[tag] = number
    status = _SENDER_ID_STATUS.get(headers.token("x-ms-exchange-organization-senderidresult"))
    if status is not None:
        properties[tags.PidTagSenderIdStatus] = status
    if headers.token("x-ms-exchange-organization-autoforwarded") == "true":
        properties[tags.PidTagAutoForwarded] = True
    if "keywords" in headers and (keywords := _keywords(headers)):
        properties[KEYWORDS] = keywords
    if headers.token("x-microsoft-classified") == "true":
        properties[CLASSIFIED] = True
        properties[CLASSIFICATION_KEEP] = headers.token("x-microsoft-classkeep") == "true"
        properties |= {key: headers.text(name) for name, key in _CLASSIFICATION if name in headers}
    if "x-message-flag" in headers:
        properties |= _flag_properties(headers)
    if "x-auto-response-suppress" in headers:
        words = headers.first("x-auto-response-suppress").lower().replace(",", " ").split()
        suppressed = 0
        for word in words:
            suppressed |= _AUTO_RESPONSE_SUPPRESS.get(word, 0)
        properties[tags.PidTagAutoResponseSuppress] = suppressed
    if headers.token("x-unsent") == "1":
        properties[tags.PidTagMessageFlags] = MESSAGE_FLAG_UNSENT
    language = headers.first("content-language").partition(",")[0].strip().lower()
    properties[tags.PidTagMessageLocaleId] = _LOCALE_IDS.get(language, _ENGLISH)
    return properties


def _number(text: str, smallest: int, largest: int) -> int | None:
    try:
        number = int(text[:_MAX_DIGITS])
    except ValueError:
        return None
    return number if smallest <= number <= largest else None


def _keywords(headers: Headers) -> list[str]:
    """The phrases of all Keywords fields: categories (2.2.3.2.12)."""
    phrases = (clean(decode_words(phrase)) for value in headers.all("keywords") for phrase in value.split(","))
    return list(dict.fromkeys(phrase[:_MAX_KEYWORD] for phrase in phrases if phrase))[:_MAX_KEYWORDS]


def _flag_properties(headers: Headers) -> Properties:
    """What a flag for the recipient sets (2.2.3.2.16)."""
    return {
        FLAG_REQUEST: headers.text("x-message-flag"),
        tags.PidTagFlagStatus: _FOLLOWUP_FLAGGED,
        tags.PidTagToDoItemFlags: _TO_DO_RECIPIENT_FLAGGED,
        TO_DO_TITLE: headers.text("subject")[:_MAX_SUBJECT],
        TASK_STATUS: 0,
        TASK_COMPLETE: False,
        PERCENT_COMPLETE: 0.0,
    }


def _importance(headers: Headers) -> int:
    for name, values in _IMPORTANCE:
        value = values.get(headers.token(name)) if name in headers else None
        if value is not None:
            return value
    return _NORMAL


def subject_properties(subject: str) -> Properties:
    """The subject whole, and split into prefix and rest (2.2.3.2.6.1)."""
    subject = subject[:_MAX_SUBJECT]
    found = SUBJECT_PREFIX.match(subject)
    prefix = f"{found[1]}: " if found else ""
    normalized = subject[found.end() :] if found else subject
    return {
        tags.PidTagSubject: prefix + normalized,
        tags.PidTagSubjectPrefix: prefix,
        tags.PidTagNormalizedSubject: normalized,
    }


def transport_times(headers: Headers, default_time: int) -> Properties:
    """When the message was sent and when it arrived.

    It arrived when its topmost Received field says, else when it was sent, else at ``default_time``;
    one that does not say when it was sent was sent when it arrived (2.2.3.2.2 says now, which is that at a delivery).
    """
    sent = parse_date(headers.first("date"))
    received = parse_date(headers.first("received").rpartition(";")[2])
    delivered = received if received is not None else sent
    if delivered is None:
        delivered = default_time
    return {
        tags.PidTagClientSubmitTime: sent if sent is not None else delivered,
        tags.PidTagMessageDeliveryTime: delivered,
    }


_MAX_DATE: Final = 200


def parse_date(value: str) -> int | None:
    """FILETIME of an RFC 5322 date-time, obsolete forms included; None for what is none."""
    if not value:
        return None
    try:
        parsed = parsedate_tz(value[:_MAX_DATE])
        if parsed is None:
            return None
        zone = timezone(timedelta(seconds=parsed[9] or 0))
        return filetime(datetime(*parsed[:6], tzinfo=zone))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
