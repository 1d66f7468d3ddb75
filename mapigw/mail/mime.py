"""Internet mail to a MAPI message (MS-OXCMAIL 2.2, MS-OXOSMIME 2.1)."""

import logging
from datetime import UTC, datetime
from typing import Final

from mapigw.mail.addresses import address_properties
from mapigw.mail.attachments import (
    HtmlReferences,
    attachment_from_message,
    attachment_from_part,
    file_properties,
)
from mapigw.mail.bodies import NATIVE_BODY_PLAIN, body_properties, select_bodies
from mapigw.mail.charsets import guess_text
from mapigw.mail.conversations import conversation_properties
from mapigw.mail.fields import (
    CONTENT_TYPE,
    MESSAGE_FLAG_READ,
    field_properties,
    subject_properties,
    transport_times,
)
from mapigw.mail.parts import MAX_DEPTH, Part, parse_message
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message, Properties
from mapigw.wire.properties import filetime

MAX_EMBEDDED: Final = 16  # how deep attached messages are opened; deeper ones stay files

_MESSAGE_TYPES: Final = frozenset({"message/rfc822", "message/global"})
_OPAQUE_TYPES: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_SMIME_FILE: Final = "smime.p7m"

_log = logging.getLogger(__name__)


def message_from_mime(raw: bytes, *, default_time: datetime | None = None) -> Message:
    """The message object of an Internet message.

    ``default_time`` (aware) is when a message arrived that does not say so itself; now, if None. Broken mail is never
    refused: what cannot be understood becomes a message whose body is the raw text.
    """
    time = filetime(default_time if default_time is not None else datetime.now(UTC))
    try:
        message = _message(parse_message(raw), time, embedded_depth=0)
    except Exception:
        _log.exception("a message of %d bytes could not be understood and is taken as plain text", len(raw))
        message = _raw_message(raw, time)
    return message


def _message(root: Part, default_time: int, *, embedded_depth: int) -> Message:
    headers = root.headers
    properties: Properties = {tags.PidTagMessageClass: "IPM.Note"}
    properties |= subject_properties(headers.text("subject"))
    senders, recipients = address_properties(headers)
    properties |= senders
    properties |= transport_times(headers, default_time)
    properties |= field_properties(headers)
    properties |= conversation_properties(
        headers, properties[tags.PidTagNormalizedSubject], properties[tags.PidTagMessageDeliveryTime]
    )
    if embedded_depth:
        properties[tags.PidTagMessageFlags] = MESSAGE_FLAG_READ
    elif transport := headers.transport_text():
        properties[tags.PidTagTransportMessageHeaders] = transport
    message = Message(properties, recipients)
    if _is_clear_signed(root):
        properties[tags.PidTagMessageClass] = "IPM.Note.SMIME.MultipartSigned"
        properties |= body_properties(select_bodies(root.parts[0]))
        message.attachments.append(_signed_entity(root))
    elif _is_opaque(root):
        # No body: even where the text could be had without a key, the client takes it from the attachment.
        properties[tags.PidTagMessageClass] = "IPM.Note.SMIME"
        properties[tags.PidTagRtfInSync] = False
        properties[CONTENT_TYPE] = headers.text("content-type")
        message.attachments.append(Attachment(file_properties(_SMIME_FILE, root.type, root.content())))
    else:
        selection = select_bodies(root)
        properties |= body_properties(selection)
        references = HtmlReferences(properties.get(tags.PidTagHtml, b""))
        for number, part in enumerate(selection.attachments, 1):
            message.attachments.append(
                _embedded(part, properties[tags.PidTagMessageDeliveryTime], embedded_depth)
                or attachment_from_part(
                    part, number=number, related=id(part) in selection.related, references=references
                )
            )
    return message


def _embedded(part: Part, default_time: int, embedded_depth: int) -> Attachment | None:
    """An attached message as an Embedded Message object, or None where the part is none or too deep."""
    if part.type not in _MESSAGE_TYPES or embedded_depth >= MAX_EMBEDDED or part.depth >= MAX_DEPTH:
        return None
    root = part.message()
    if not root.headers:
        return None
    embedded = _message(root, default_time, embedded_depth=embedded_depth + 1)
    return attachment_from_message(part, embedded, root.end - root.start)


def _is_clear_signed(root: Part) -> bool:
    """S/MIME multipart/signed; OpenPGP's is left readable with its signature attached, as no client verifies it."""
    if root.type != "multipart/signed" or not root.parts:
        return False
    protocol = root.parameters.get("protocol", "").lower() or root.parts[-1].type
    return "pkcs7-signature" in protocol


def _is_opaque(root: Part) -> bool:
    return root.type in _OPAQUE_TYPES or (
        root.type == "application/octet-stream" and root.filename.lower().endswith(".p7m")
    )


def _signed_entity(root: Part) -> Attachment:
    """The whole signed entity, verbatim: its Content-Type field and its body (MS-OXOSMIME 2.1.1)."""
    data = b"Content-Type: " + root.headers.original("content-type") + b"\r\n\r\n" + root.body
    return Attachment(file_properties(_SMIME_FILE, "multipart/signed", data))


def _raw_message(raw: bytes, default_time: int) -> Message:
    headers = parse_message(b"").headers
    properties: Properties = {
        tags.PidTagMessageClass: "IPM.Note",
        **subject_properties(""),
        **transport_times(headers, default_time),
        tags.PidTagNativeBody: NATIVE_BODY_PLAIN,
        tags.PidTagRtfInSync: False,
        tags.PidTagBody: guess_text(raw).replace("\0", ""),
    }
    return Message(properties)
