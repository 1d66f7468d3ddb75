"""S/MIME messages, whose signed or encrypted entity goes out as it is (MS-OXOSMIME 2.1.4, 2.1.5)."""

from collections.abc import Iterator
from typing import Final

from mapigw.mail.export.entities import Entity, binary_entity, canonical_lines
from mapigw.mail.export.fields import Fields
from mapigw.mail.export.reader import PropertyReader
from mapigw.mail.headers import Headers, parse_parameters
from mapigw.mail.names import CONTENT_TYPE
from mapigw.store.blobs import FolderBlobStore
from mapigw.wire import tags
from mapigw.wire.message import Message

_HEADER_MAXIMUM: Final = 1 << 16
_CLEAR_SIGNED: Final = ".smime.multipartsigned"
_OPAQUE: Final = ".smime"
_PREFIXES: Final = ("ipm.note.", "ipm.infopathform.")
_FILE: Final = "smime.p7m"
_OPAQUE_TYPES: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_KEPT_PARAMETERS: Final = ("smime-type",)


def secured_entity(message: Message, message_class: str, blobs: FolderBlobStore | None) -> Entity | None:
    """The entity that the one attachment of an S/MIME message holds; None where the message is none, or damaged."""
    low = message_class.lower()
    if not low.startswith(_PREFIXES) or len(message.attachments) != 1:
        return None
    reader = PropertyReader(message.attachments[0].properties, blobs)
    if not reader.size(tags.PidTagAttachDataBinary):
        return None
    if low.endswith(_CLEAR_SIGNED):
        return _signed_entity(reader)
    if low.endswith(_OPAQUE):
        # Clients also call clear-signed messages so; their attachment is the multipart entity then.
        signed = reader.text(tags.PidTagAttachMimeTag).lower() == "multipart/signed"
        return _signed_entity(reader) if signed else _opaque_entity(message, reader)
    return None


def _signed_entity(reader: PropertyReader) -> Entity | None:
    """The attachment is the whole multipart/signed entity: its own fields, an empty line and its body."""
    head = b""
    for chunk in reader.chunks(tags.PidTagAttachDataBinary):
        head = chunk[:_HEADER_MAXIMUM]
        break
    headers = Headers(head)
    content_type = headers.original("content-type")
    if parse_parameters(headers.first("content-type"))[0] != "multipart/signed" or headers.size >= _HEADER_MAXIMUM:
        return None
    fields = Fields()
    fields.verbatim("Content-Type", content_type)
    start = headers.size
    eight_bit = not all(chunk.isascii() for chunk in reader.chunks(tags.PidTagAttachDataBinary))
    if eight_bit:
        fields.text("Content-Transfer-Encoding", "8bit")

    def body() -> Iterator[bytes]:
        skipped = start
        for chunk in reader.chunks(tags.PidTagAttachDataBinary):
            yield chunk[skipped:]
            skipped = 0

    # Signatures are made over lines that end in CR LF, whatever a client keeps them with (RFC 8551 3.1.1).
    return Entity(fields, lambda: canonical_lines(body()), eight_bit=eight_bit)


def _opaque_entity(message: Message, reader: PropertyReader) -> Entity:
    """CMS octets: the type that the message came with, or application/pkcs7-mime."""
    declared, parameters = parse_parameters(PropertyReader(message.properties, reader.blobs).text(CONTENT_TYPE))
    kept = {name: parameters[name] for name in _KEPT_PARAMETERS if name in parameters}
    fields = Fields()
    fields.parameters(
        "Content-Type",
        declared if declared in _OPAQUE_TYPES else "application/pkcs7-mime",
        {**kept, "name": _FILE},
    )
    fields.parameters("Content-Disposition", "attachment", {"filename": _FILE})
    return binary_entity(fields, lambda: reader.chunks(tags.PidTagAttachDataBinary))
