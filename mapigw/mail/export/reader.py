"""Reading the properties of a message that is written: by type, large values from the blob store."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mapigw.mailbox.content import BlobValue, DecodedAttachment, DecodedMessage
from mapigw.store.blobs import FolderBlobStore
from mapigw.wire.fasttransfer import parse_value
from mapigw.wire.message import Attachment, Message, Properties
from mapigw.wire.properties import NAMED_PROPERTY_MINIMUM, NamedTag, PropertyName, PropertyType

CHUNK: Final = 54 * 4096
"""Bytes of a value that are handled at once; whole lines of base64 where it is divided."""
MAX_TEXT: Final = 1 << 20
"""Bytes of a text that goes into a header."""


class PropertyReader:
    """Properties of one object, with `BlobValue` in the place of what is large. Methods block."""

    __slots__ = ("blobs", "properties")

    def __init__(self, properties: Properties, blobs: FolderBlobStore | None) -> None:
        self.properties = properties
        self.blobs = blobs

    def __contains__(self, key: int | NamedTag) -> bool:
        return key in self.properties

    def text(self, key: int | NamedTag) -> str:
        """A PtypString; "" where there is none. Of one that is too long for a header its beginning."""
        value = self.properties.get(key)
        if isinstance(value, BlobValue) and value.type == PropertyType.STRING and self.blobs is not None:
            return (
                self.blobs.get(value.digest, 0, min(value.size, MAX_TEXT)).decode("utf-16-le", "replace").rstrip("\0")
            )
        return value if isinstance(value, str) else ""

    def texts(self, key: int | NamedTag) -> list[str]:
        """A PtypMultipleString."""
        value = self.whole(key)
        return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []

    def integer(self, key: int | NamedTag, default: int = 0) -> int:
        value = self.properties.get(key)
        return value if isinstance(value, int) else default

    def flag(self, key: int | NamedTag) -> bool:
        return self.properties.get(key) is True

    def binary(self, key: int | NamedTag) -> bytes:
        """A PtypBinary, whole; b"" where there is none."""
        value = self.whole(key)
        return value if isinstance(value, bytes) else b""

    def whole(self, key: int | NamedTag) -> Any:
        """The value, read from the blob store if it is there; None where there is none."""
        value = self.properties.get(key)
        if isinstance(value, BlobValue):
            return parse_value(value.type, self.blobs.get(value.digest)) if self.blobs is not None else None
        return value

    def size(self, key: int | NamedTag) -> int:
        """Bytes of a binary value or of a text's UTF-16; 0 where there is none."""
        value = self.properties.get(key)
        if isinstance(value, BlobValue):
            return value.size
        if isinstance(value, str):
            return 2 * len(value)
        return len(value) if isinstance(value, bytes) else 0

    def piece(self, key: int | NamedTag, offset: int, length: int) -> bytes:
        """Bytes of a binary value, fewer at its end."""
        value = self.properties.get(key)
        if isinstance(value, BlobValue):
            length = min(length, value.size - offset)
            return self.blobs.get(value.digest, offset, length) if self.blobs is not None and length > 0 else b""
        return value[offset : offset + length] if isinstance(value, bytes) else b""

    def chunks(self, key: int | NamedTag) -> Iterator[bytes]:
        """A binary value, `CHUNK` bytes at a time."""
        value = self.properties.get(key)
        if isinstance(value, BlobValue):
            if self.blobs is not None:
                for offset in range(0, value.size, CHUNK):
                    yield self.blobs.get(value.digest, offset, min(CHUNK, value.size - offset))
        elif isinstance(value, bytes):
            for offset in range(0, len(value), CHUNK):
                yield value[offset : offset + CHUNK]


def with_names(message: DecodedMessage, names: Mapping[int, PropertyName]) -> Message:
    """A stored message with its named properties by name; ``names`` are those of the mailbox, by id."""
    return Message(
        _named(message.properties, names),
        [_named(recipient, names) for recipient in message.recipients],
        [_attachment(attachment, names) for attachment in message.attachments],
    )


def _attachment(attachment: DecodedAttachment, names: Mapping[int, PropertyName]) -> Attachment:
    embedded = attachment.embedded
    return Attachment(_named(attachment.properties, names), None if embedded is None else with_names(embedded, names))


def _named(properties: Mapping[int, Any], names: Mapping[int, PropertyName]) -> Properties:
    named: Properties = {}
    for tag, value in properties.items():
        name = names.get(tag >> 16) if tag >> 16 >= NAMED_PROPERTY_MINIMUM else None
        named[tag if name is None else NamedTag(name, tag & 0xFFFF)] = value
    return named
