"""Of winmail.dat: what a sender with Outlook encapsulated in a mail comes back out of it (MS-OXCMAIL, MS-OXTNEF)."""

import logging
from collections.abc import Iterator
from typing import Any, Final

from mapigw.mailbox.content import BlobValue
from mapigw.store.blobs import FolderBlobStore
from mapigw.wire import tags
from mapigw.wire.errors import WireError
from mapigw.wire.fasttransfer import parse_value
from mapigw.wire.message import Attachment, Message
from mapigw.wire.properties import NamedTag, PropertyKey, property_id
from mapigw.wire.tnef import build_tnef, parse_tnef

CONTENT_TYPES: Final = frozenset({"application/ms-tnef", "application/vnd.ms-tnef"})
FILE_NAME: Final = "winmail.dat"
MAX_SIZE: Final = 32 << 20
"""Bytes of the large values of a message that is encapsulated."""
NAMED_MAXIMUM: Final = 256
"""Named properties that one message may bring: ids are given for ever, and strangers must not use them up."""

_BODIES: Final = frozenset(
    {tags.PidTagBody, tags.PidTagHtml, tags.PidTagRtfCompressed, tags.PidTagRtfInSync, tags.PidTagNativeBody}
)
_BODY_FORMS: Final = (tags.PidTagBody, tags.PidTagHtml, tags.PidTagRtfCompressed)

# Who sent the mail and how it came is what its header fields say: a stream could say anything.
_OF_THE_MAIL: Final = frozenset(
    {
        tags.PidTagInternetMessageId,
        tags.PidTagTransportMessageHeaders,
        tags.PidTagMessageDeliveryTime,
        tags.PidTagClientSubmitTime,
        tags.PidTagSubject,
        tags.PidTagSubjectPrefix,
        tags.PidTagNormalizedSubject,
        tags.PidTagSenderName,
        tags.PidTagSenderAddressType,
        tags.PidTagSenderEmailAddress,
        tags.PidTagSenderSmtpAddress,
        tags.PidTagSenderEntryId,
        tags.PidTagSenderSearchKey,
        tags.PidTagSentRepresentingName,
        tags.PidTagSentRepresentingAddressType,
        tags.PidTagSentRepresentingEmailAddress,
        tags.PidTagSentRepresentingSmtpAddress,
        tags.PidTagSentRepresentingEntryId,
        tags.PidTagSentRepresentingSearchKey,
    }
)
_NORMALIZED: Final = frozenset({property_id(tags.PidTagRtfInSync), property_id(tags.PidTagNormalizedSubject)})


def decapsulate(mail: Message, data: bytes, *, correlators: tuple[str, ...]) -> bool:
    """Complete ``mail``, made of the other parts, by the stream in one of its parts. False: the part is just a file.

    ``correlators`` are the values of X-MS-TNEF-Correlator and Message-ID. A stream that names another message was
    forwarded by somebody whose program did not know what it was (MS-OXCMAIL 2.1.3.2.26).
    """
    try:
        found = parse_tnef(data)
    except WireError:
        return False
    for error in found.errors:
        logging.getLogger(__name__).info("a part of winmail.dat cannot be read: %s", error)
    properties = found.message.properties
    correlation = properties.pop(tags.PidTagTnefCorrelationKey, b"").rstrip(b"\0 ").decode("latin-1")
    if correlation and any(correlators) and correlation not in correlators:
        return False
    if any(tag in properties for tag in _BODY_FORMS):
        for tag in _BODIES:
            mail.properties.pop(tag, None)
    allowed = NAMED_MAXIMUM
    for key, value in _transmitted(found.message.properties).items():
        if isinstance(key, NamedTag):
            allowed -= 1
            if allowed < 0:
                continue
        if key not in _OF_THE_MAIL or mail.properties.get(key) in (None, ""):
            mail.properties[key] = value
    if not mail.recipients:
        mail.recipients = [_transmitted(recipient) for recipient in found.message.recipients]
    for attachment in found.message.attachments:
        _attach(mail, attachment)
    return True


def _attach(mail: Message, attachment: Attachment) -> None:
    """Add an attachment, or the properties of one whose data is a part of the mail (PidTagAttachTransportName)."""
    _clean(attachment)
    if attachment.embedded is not None or tags.PidTagAttachDataBinary in attachment.properties:
        mail.attachments.append(attachment)
        return
    name = attachment.properties.get(tags.PidTagAttachTransportName)
    for other in mail.attachments:
        if name and name in (
            other.properties.get(tags.PidTagAttachLongFilename),
            other.properties.get(tags.PidTagAttachFilename),
        ):
            other.properties |= attachment.properties
            return


def _clean(attachment: Attachment) -> None:
    attachment.properties = _transmitted(attachment.properties)
    if attachment.embedded is not None:
        embedded = attachment.embedded
        embedded.properties = _transmitted(embedded.properties)
        embedded.recipients = [_transmitted(recipient) for recipient in embedded.recipients]
        for inner in embedded.attachments:
            _clean(inner)


def _transmitted(properties: dict[PropertyKey, Any]) -> dict[PropertyKey, Any]:
    """Without what says something of the mailbox that a message is in, and not of the message.

    The ranges are those of MAPI's property identifiers: not transmitted are 0x0E00 to 0x0FFF and 0x6600 to 0x67FF.
    """
    return {
        key: value
        for key, value in properties.items()
        if isinstance(key, NamedTag)
        or property_id(key) in _NORMALIZED
        or not (0x0E00 <= property_id(key) <= 0x0FFF or 0x6600 <= property_id(key) <= 0x67FF)
    }


def fits(message: Message) -> bool:
    """Whether a message is small enough for a stream that is made in memory."""
    lists = [message.properties, *(attachment.properties for attachment in message.attachments)]
    large = [value for properties in lists for value in properties.values() if isinstance(value, BlobValue)]
    return sum(value.size for value in large) <= MAX_SIZE


def encapsulated(message: Message, blobs: FolderBlobStore | None) -> Iterator[bytes]:
    """As `encapsulate`, for `mapigw.mail.export.composing.ExportOptions`."""
    yield encapsulate(message, blobs)


def encapsulate(message: Message, blobs: FolderBlobStore | None = None, *, correlator: str = "") -> bytes:
    """The winmail.dat of a message; ``correlator`` is what X-MS-TNEF-Correlator says, by default its Message-ID.

    Large values are read from ``blobs``. Recipients are left to the header fields of the mail, attachments are in the
    stream. MS-OXCMAIL 2.1.3.2.26. Blocks.
    """
    properties: dict[PropertyKey, Any] = _in_memory(_transmitted(message.properties), blobs)
    identifier = correlator or str(properties.get(tags.PidTagInternetMessageId, ""))
    properties[tags.PidTagTnefCorrelationKey] = identifier.encode("latin-1", "replace") + b"\0"
    attachments = [_attachment_in_memory(attachment, blobs) for attachment in message.attachments]
    return build_tnef(Message(properties, [], attachments))


def _attachment_in_memory(attachment: Attachment, blobs: FolderBlobStore | None) -> Attachment:
    inner = attachment.embedded
    embedded = None
    if inner is not None:
        embedded = Message(
            _in_memory(_transmitted(inner.properties), blobs),
            [_transmitted(recipient) for recipient in inner.recipients],
            [_attachment_in_memory(item, blobs) for item in inner.attachments],
        )
    return Attachment(_in_memory(_transmitted(attachment.properties), blobs), embedded)


def _in_memory(properties: dict[PropertyKey, Any], blobs: FolderBlobStore | None) -> dict[PropertyKey, Any]:
    found = {}
    for key, value in properties.items():
        if isinstance(value, BlobValue):
            if blobs is None:
                continue
            found[key] = parse_value(value.type, blobs.get(value.digest))
        else:
            found[key] = value
    return found
