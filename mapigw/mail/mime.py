"""Internet mail to a MAPI message (MS-OXCMAIL 2.2, MS-OXOSMIME 2.1)."""

import logging
from datetime import UTC, datetime
from itertools import chain
from typing import Final

from mapigw.mail.addresses import address_properties
from mapigw.mail.attachments import (
    HtmlReferences,
    attachment_from_message,
    attachment_from_part,
    file_properties,
    leftover_name,
)
from mapigw.mail.bodies import MAX_BODY, NATIVE_BODY_PLAIN, Selection, body_properties, select_bodies
from mapigw.mail.charsets import guess_text
from mapigw.mail.conversations import conversation_properties
from mapigw.mail.fields import (
    MESSAGE_FLAG_READ,
    field_properties,
    subject_properties,
    transport_times,
)
from mapigw.mail.generic_headers import generic_header_properties
from mapigw.mail.meetings import is_meeting_part, merge_meeting
from mapigw.mail.message_classes import NOTE, content_class_properties
from mapigw.mail.names import CONTENT_TYPE
from mapigw.mail.octets import Octets, pieces
from mapigw.mail.parts import MAX_DEPTH, Part, parse_message
from mapigw.mail.reports import ORIGINAL_HEADERS, original_properties, read_report
from mapigw.mail.tnef import CONTENT_TYPES as TNEF_TYPES
from mapigw.mail.tnef import FILE_NAME as TNEF_NAME
from mapigw.mail.tnef import decapsulate
from mapigw.mail.values import Values
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message, Properties
from mapigw.wire.properties import filetime

MAX_EMBEDDED: Final = 16
"""How deep attached messages are opened; deeper ones stay files."""
MAX_TNEF: Final = 32 << 20
"""Bytes of a winmail.dat that is opened; a larger one stays a file."""

_MESSAGE_TYPES: Final = frozenset({"message/rfc822", "message/global"})
_OPAQUE_TYPES: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_SMIME_FILE: Final = "smime.p7m"

_log = logging.getLogger(__name__)


def message_from_mime(raw: Octets, *, default_time: datetime | None = None, values: Values | None = None) -> Message:
    """The message object of an Internet message; ``values`` says where its large values go, into memory if None.

    ``default_time`` (aware) is when a message arrived that does not say so itself; now, if None. Broken mail is never
    refused: what cannot be understood becomes a message whose body is the raw text. Raises OSError when a value cannot
    be stored.
    """
    time = filetime(default_time if default_time is not None else datetime.now(UTC))
    values = values or Values()
    try:
        message = _Reader(time, values).message(parse_message(raw))
    except OSError:
        raise
    except Exception:
        _log.exception("a message of %d bytes could not be understood and is taken as plain text", len(raw))
        message = _raw_message(raw, time)
    return message


class _Reader:
    """Reads one message, with those attached to it."""

    def __init__(self, default_time: int, values: Values) -> None:
        self._default_time = default_time
        self._values = values

    def message(self, root: Part, embedded_depth: int = 0) -> Message:
        message = self._envelope(root, is_embedded=bool(embedded_depth))
        if _is_clear_signed(root):
            message.properties[tags.PidTagMessageClass] = "IPM.Note.SMIME.MultipartSigned"
            message.properties |= body_properties(select_bodies(root.parts[0]))
            message.attachments.append(self._signed_entity(root))
        elif _is_opaque(root):
            # No body: even where the text could be had without a key, the client takes it from the attachment.
            message.properties[tags.PidTagMessageClass] = "IPM.Note.SMIME"
            message.properties[tags.PidTagRtfInSync] = False
            message.properties[CONTENT_TYPE] = root.headers.text("content-type")
            data = self._values.keep(root.pieces())
            message.attachments.append(Attachment(file_properties(_SMIME_FILE, root.type, data)))
        else:
            self._content(root, message, embedded_depth)
        return message

    def _envelope(self, root: Part, *, is_embedded: bool) -> Message:
        """What the header says."""
        headers = root.headers
        properties: Properties = {tags.PidTagMessageClass: NOTE}
        properties |= subject_properties(headers.text("subject"))
        addressing = address_properties(headers, root.budget)
        properties |= addressing.properties
        properties |= transport_times(headers, self._default_time)
        properties |= field_properties(headers)
        properties |= conversation_properties(
            headers, properties[tags.PidTagNormalizedSubject], properties[tags.PidTagMessageDeliveryTime]
        )
        properties |= generic_header_properties(headers)
        if is_embedded:
            properties[tags.PidTagMessageFlags] = MESSAGE_FLAG_READ
        elif transport := headers.transport_text():
            properties[tags.PidTagTransportMessageHeaders] = transport
        message = Message(properties, addressing.recipients)
        if headers.is_cut or addressing.is_cut:
            whole = pieces(root.data, root.start, root.body_start)
            data = self._values.keep(whole)
            message.attachments.append(Attachment(file_properties("header.txt", "text/rfc822-headers", data)))
        return message

    def _content(self, root: Part, message: Message, embedded_depth: int) -> None:
        """Bodies, attachments and what they make of the message."""
        selection = select_bodies(root)
        message.properties |= body_properties(selection)
        report = read_report(root, message)
        if report is not None:
            selection.attachments = [part for part in selection.attachments if part is not report.part]
        self._attach(root, message, selection, embedded_depth)
        if report is not None:
            message.properties |= report.properties
            message.recipients = message.recipients if report.recipients is None else report.recipients
            original = next((item.embedded for item in message.attachments if item.embedded is not None), None)
            if original is not None:
                message.properties |= original_properties(original)
        elif "content-class" in root.headers and message.properties[tags.PidTagMessageClass] == NOTE:
            types = (part.type for part in chain((root,), selection.attachments))
            message.properties |= content_class_properties(root.headers.text("content-class"), types)

    def _attach(self, root: Part, message: Message, selection: Selection, embedded_depth: int) -> None:
        references = HtmlReferences(message.properties.get(tags.PidTagHtml, b""))
        for number, leftover in enumerate(selection.leftovers, 1):
            data = self._values.keep(leftover.pieces())
            name = leftover_name(leftover.name, number)
            message.attachments.append(Attachment(file_properties(name, "application/octet-stream", data)))
        parts = selection.attachments
        meeting = next((part for part in parts if is_meeting_part(part, root) and merge_meeting(message, part)), None)
        # Last come those that speak of the other files.
        parts = sorted((part for part in parts if part is not meeting), key=_is_tnef)
        for number, part in enumerate(parts, len(selection.leftovers) + 1):
            if _is_tnef(part):
                correlators = (root.headers.text("x-ms-tnef-correlator"), root.headers.text("message-id"))
                if decapsulate(message, part.content(), correlators=correlators):
                    continue
            is_original = root.type == "multipart/report" and part.type in ORIGINAL_HEADERS
            attachment = self._embedded(part, embedded_depth) if is_original or part.type in _MESSAGE_TYPES else None
            if attachment is None:
                attachment = attachment_from_part(
                    part,
                    number=number,
                    related=id(part) in selection.related,
                    references=references,
                    values=self._values,
                )
            message.attachments.append(attachment)

    def _embedded(self, part: Part, embedded_depth: int) -> Attachment | None:
        """An attached message as an Embedded Message object, or None where the part is none or too deep."""
        if embedded_depth >= MAX_EMBEDDED or part.depth >= MAX_DEPTH:
            return None
        root = part.message()
        if root is None or not root.headers:
            return None
        embedded = self.message(root, embedded_depth + 1)
        return attachment_from_message(part, embedded, root.end - root.start)

    def _signed_entity(self, root: Part) -> Attachment:
        """The whole signed entity, verbatim: its Content-Type field and its body (MS-OXOSMIME 2.1.1)."""
        header = b"Content-Type: " + root.headers.original("content-type") + b"\r\n\r\n"
        data = self._values.keep(chain((header,), root.raw_pieces()))
        return Attachment(file_properties(_SMIME_FILE, "multipart/signed", data))


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


def _is_tnef(part: Part) -> bool:
    return (part.type in TNEF_TYPES or part.filename.lower() == TNEF_NAME) and part.size <= MAX_TNEF


def _raw_message(raw: Octets, default_time: int) -> Message:
    headers = parse_message(b"").headers
    properties: Properties = {
        tags.PidTagMessageClass: NOTE,
        **subject_properties(""),
        **transport_times(headers, default_time),
        tags.PidTagNativeBody: NATIVE_BODY_PLAIN,
        tags.PidTagRtfInSync: False,
        tags.PidTagBody: guess_text(raw[:MAX_BODY]).replace("\0", ""),
    }
    return Message(properties)
