"""How a message is kept: the pieces of its FastTransfer stream, with an index beside them.

The store is the wire: a download of the message is mostly copying these bytes (MS-OXCFXICS 2.2.4.3.16).

``properties``
    The message's own propList: Unicode, named properties inline under the mailbox's ids. A value over 8 KiB is out of
    line: its 4-byte length stays, and 32 bytes of BLAKE2b digest stand in its place. The one body that every download
    takes along (`sent_body`) stays inline up to 64 KiB: a file to open for each message would be its dearest part.
``properties_index``
    16 bytes a property: tag, offset and length of the whole propValue in ``properties`` (placeholder included), and the
    real length of a value that is out of line (else 0).
``children``
    Recipient elements, then attachment elements, embedded messages inside.
``children_index``
    4 bytes: where the attachments begin; then 8 bytes for each out-of-line value: offset of its placeholder and its
    real length.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from mapigw.store.blobs import DIGEST_SIZE, digest_of
from mapigw.wire import tags
from mapigw.wire.cursor import Cursor
from mapigw.wire.fasttransfer import (
    NAMED_MINIMUM,
    Marker,
    MetaTagFXDelProp,
    build_value,
    pull_name,
    pull_property,
    push_property,
    push_property_header,
)
from mapigw.wire.message import Attachment, Message, Properties
from mapigw.wire.properties import (
    NamedTag,
    PropertyKey,
    PropertyName,
    PropertyType,
    property_tag,
)

INLINE_LIMIT: Final = 8192
SENT_BODY_INLINE_LIMIT: Final = 65536
INDEX_RECORD: Final = struct.Struct("<IIII")
BLOB_RECORD: Final = struct.Struct("<II")
_U32: Final = struct.Struct("<I")

RECIPIENTS_FOLLOW: Final = struct.pack("<II", MetaTagFXDelProp, tags.PidTagMessageRecipients)
ATTACHMENTS_FOLLOW: Final = struct.pack("<II", MetaTagFXDelProp, tags.PidTagMessageAttachments)

_VARIABLE: Final = frozenset({PropertyType.STRING, PropertyType.BINARY, PropertyType.OBJECT, PropertyType.STRING8})


@dataclass(frozen=True, slots=True)
class BlobValue:
    """A value that is out of line; ``size`` is that of its wire form (a string's includes the NUL)."""

    digest: bytes
    size: int
    type: int


@dataclass(slots=True)
class Content:
    """An encoded message and the blobs that have to be stored before its row."""

    properties: bytes
    properties_index: bytes
    children: bytes
    children_index: bytes
    size: int
    blobs: dict[bytes, bytes]
    blob_uses: list[tuple[bytes, int]]


@dataclass(slots=True)
class DecodedAttachment:
    """An attachment as values; its PidTagAttachNumber is among the properties."""

    properties: dict[int, Any] = field(default_factory=dict)
    embedded: "DecodedMessage | None" = None

    def copy(self) -> "DecodedAttachment":
        """A copy that can be changed without changing this one; values are never changed in place."""
        return DecodedAttachment(dict(self.properties), None if self.embedded is None else self.embedded.copy())


@dataclass(slots=True)
class DecodedMessage:
    """A stored message as values: by tag, named properties under the mailbox's ids, large values as `BlobValue`."""

    properties: dict[int, Any] = field(default_factory=dict)
    recipients: list[dict[int, Any]] = field(default_factory=list)
    attachments: list[DecodedAttachment] = field(default_factory=list)

    def copy(self) -> "DecodedMessage":
        """A copy that can be changed without changing this one."""
        return DecodedMessage(
            dict(self.properties),
            [dict(recipient) for recipient in self.recipients],
            [attachment.copy() for attachment in self.attachments],
        )

    def property_sets(self) -> Iterator[dict[int, Any]]:
        """The properties of the message, its recipients, its attachments and of embedded messages."""
        yield self.properties
        yield from self.recipients
        for item in self.attachments:
            yield item.properties
            if item.embedded is not None:
                yield from item.embedded.property_sets()


def names_of(message: Message) -> Iterator[PropertyName]:
    """The names of all named properties in the message, its recipients, attachments and embedded messages."""
    for properties in (message.properties, *message.recipients, *(item.properties for item in message.attachments)):
        for key in properties:
            if isinstance(key, NamedTag):
                yield key.property_name
    for item in message.attachments:
        if item.embedded is not None:
            yield from names_of(item.embedded)


def with_names(message: Message, ids: Mapping[PropertyName, int]) -> Message:
    """The message without named properties whose names have no id: itself where all have one."""
    if all(name in ids for name in names_of(message)):
        return message

    def known(properties: Properties) -> Properties:
        return {
            key: value for key, value in properties.items() if not isinstance(key, NamedTag) or key.property_name in ids
        }

    return Message(
        known(message.properties),
        [known(recipient) for recipient in message.recipients],
        [
            Attachment(known(item.properties), None if item.embedded is None else with_names(item.embedded, ids))
            for item in message.attachments
        ],
    )


def encode(message: Message, ids: Mapping[PropertyName, int]) -> Content:
    """Encode a message; ``ids`` maps every name of `names_of` to the mailbox's property id."""
    return _encode(_Encoder(ids), message)


def encode_decoded(message: DecodedMessage, names: Mapping[int, PropertyName]) -> Content:
    """Encode a message whose named properties have the mailbox's tags; ``names`` gives the names of their ids.

    Row ids and attachment numbers stay; a `BlobValue` becomes the placeholder that it was, and is counted as a use.
    """
    return _encode(_Encoder({}, names), message)


def _encode(encoder: "_Encoder", message: Message | DecodedMessage) -> Content:
    properties, properties_index = encoder.indexed(message.properties, sent_body(message.properties))
    children, children_index = encoder.children(message)
    return Content(
        properties,
        properties_index,
        children,
        children_index,
        len(properties) + len(children) + encoder.saved,
        encoder.blobs,
        encoder.uses,
    )


def sent_body(properties: Mapping[Any, Any]) -> int | None:
    """The body form that goes out in a synchronization, whose client leaves the plain one out if there is another."""
    return next(
        (tag for tag in (tags.PidTagHtml, tags.PidTagRtfCompressed, tags.PidTagBody) if tag in properties), None
    )


def large_values(properties: Mapping[int, Any]) -> dict[int, bytes]:
    """The values that a saved message has out of line, by tag, as they are in the wire form."""
    sent = sent_body(properties)
    return {
        tag: build_value(tag & 0xFFFF, value)
        for tag, value in properties.items()
        if tag != sent and _is_large(tag & 0xFFFF, value, INLINE_LIMIT)
    }


def _is_large(kind: int, value: Any, limit: int) -> bool:
    if kind not in _VARIABLE or isinstance(value, BlobValue):
        return False
    return len(value) * (2 if kind == PropertyType.STRING else 1) > limit


def encode_properties(properties: Mapping[int, Any], names: Mapping[int, PropertyName]) -> tuple[bytes, bytes]:
    """A property list and its index with every value inline, as folders and the store itself keep theirs.

    Named properties are keyed by the mailbox's tags; ``names`` gives the names of their ids. Raises ValueError for a
    `BlobValue`, whose use nothing would count.
    """
    encoder = _Encoder({}, names, inline_limit=0xFFFFFFFF)
    encoded = encoder.indexed(properties)
    if encoder.uses:
        raise ValueError("a value that is out of line")
    return encoded


class _Encoder:
    def __init__(
        self,
        ids: Mapping[PropertyName, int],
        names: Mapping[int, PropertyName] = MappingProxyType({}),
        *,
        inline_limit: int = INLINE_LIMIT,
    ) -> None:
        self._ids = ids
        self._names = names
        self._inline_limit = inline_limit
        self.blobs: dict[bytes, bytes] = {}
        self.uses: list[tuple[bytes, int]] = []
        self.saved = 0  # bytes that placeholders are shorter than their values

    def indexed(self, properties: Mapping[Any, Any], sent: int | None = None) -> tuple[bytes, bytes]:
        """A list with its index; ``sent`` is the tag that `sent_body` named, which may be larger than others inline."""
        out = bytearray()
        index = bytearray()
        for key, value in properties.items():
            start = len(out)
            limit = SENT_BODY_INLINE_LIMIT if key == sent else self._inline_limit
            tag, real_length = self._push(out, key, value, limit)
            index += INDEX_RECORD.pack(tag, start, len(out) - start, real_length)
        return bytes(out), bytes(index)

    def children(self, message: Message | DecodedMessage) -> tuple[bytes, bytes]:
        out = bytearray()
        placeholders = bytearray()
        self._recipients(out, placeholders, message.recipients)
        attachments_offset = len(out)
        self._attachments(out, placeholders, message.attachments)
        return bytes(out), _U32.pack(attachments_offset) + bytes(placeholders)

    def _push(self, out: bytearray, key: PropertyKey, value: Any, limit: int) -> tuple[int, int]:
        """Append a propValue; returns its tag and, where the value went out of line, the value's real length."""
        if isinstance(key, NamedTag):
            name: PropertyName | None = key.property_name
            tag = property_tag(self._ids[key.property_name], key.type)
        else:
            tag = key
            name = self._names[tag >> 16] if tag >= NAMED_MINIMUM else None
        kind = tag & 0xFFFF
        if isinstance(value, BlobValue):
            self.uses.append((value.digest, value.size))
            self.saved += value.size - DIGEST_SIZE
            push_property_header(out, tag, value.size, name)
            out += value.digest
            return tag, value.size
        if _is_large(kind, value, limit):
            raw = build_value(kind, value)
            digest = digest_of(raw)
            self.blobs[digest] = raw
            self.uses.append((digest, len(raw)))
            self.saved += len(raw) - DIGEST_SIZE
            push_property_header(out, tag, len(raw), name)
            out += digest
            return tag, len(raw)
        push_property(out, tag, value, name)
        return tag, 0

    def _child_properties(self, out: bytearray, placeholders: bytearray, properties: Mapping[Any, Any]) -> None:
        for key, value in properties.items():
            _tag, real_length = self._push(out, key, value, self._inline_limit)
            if real_length:
                placeholders += BLOB_RECORD.pack(len(out) - DIGEST_SIZE, real_length)

    def _recipients(self, out: bytearray, placeholders: bytearray, recipients: Sequence[Mapping[Any, Any]]) -> None:
        """Those that have no PidTagRowid yet are numbered by their places."""
        for row, properties in enumerate(recipients):
            out += _U32.pack(Marker.StartRecip)
            push_property(out, tags.PidTagRowid, properties.get(tags.PidTagRowid, row))
            rest = {key: value for key, value in properties.items() if key != tags.PidTagRowid}
            self._child_properties(out, placeholders, rest)
            out += _U32.pack(Marker.EndToRecip)

    def _attachments(
        self, out: bytearray, placeholders: bytearray, attachments: Sequence[Attachment | DecodedAttachment]
    ) -> None:
        """Those that have no PidTagAttachNumber yet are numbered by their places."""
        for number, attachment in enumerate(attachments):
            self._attachment(out, placeholders, number, attachment)

    def _attachment(
        self, out: bytearray, placeholders: bytearray, number: int, attachment: Attachment | DecodedAttachment
    ) -> None:
        out += _U32.pack(Marker.NewAttach)
        push_property(out, tags.PidTagAttachNumber, attachment.properties.get(tags.PidTagAttachNumber, number))
        rest = {key: value for key, value in attachment.properties.items() if key != tags.PidTagAttachNumber}
        self._child_properties(out, placeholders, rest)
        if attachment.embedded is not None:
            embedded = attachment.embedded
            out += _U32.pack(Marker.StartEmbed)
            self._child_properties(out, placeholders, embedded.properties)
            out += RECIPIENTS_FOLLOW
            self._recipients(out, placeholders, embedded.recipients)
            out += ATTACHMENTS_FOLLOW
            self._attachments(out, placeholders, embedded.attachments)
            out += _U32.pack(Marker.EndEmbed)
        out += _U32.pack(Marker.EndAttach)


def decode_properties(data: bytes, index: bytes) -> dict[int, Any]:
    """All properties of an indexed list."""
    properties: dict[int, Any] = {}
    for tag, offset, length, real_length in INDEX_RECORD.iter_unpack(index):
        if real_length:
            properties[tag] = BlobValue(
                data[offset + length - DIGEST_SIZE : offset + length], real_length, tag & 0xFFFF
            )
        else:
            properties[tag] = pull_property(Cursor(data, offset))[2]
    return properties


def stored_value(data: bytes, index: bytes, wanted: int) -> Any:
    """One property of an indexed list, without decoding the others; None when it is not there."""
    for tag, offset, length, real_length in INDEX_RECORD.iter_unpack(index):
        if tag == wanted:
            return decode_properties(data, INDEX_RECORD.pack(tag, offset, length, real_length))[tag]
    return None


def blob_uses(row: Any) -> list[tuple[bytes, int]]:
    """(digest, size) of every value of a stored message that is out of line, as often as it is used."""
    uses = []
    for _tag, offset, length, real_length in INDEX_RECORD.iter_unpack(row.properties_index):
        if real_length:
            end = offset + length
            uses.append((bytes(row.properties[end - DIGEST_SIZE : end]), real_length))
    for offset, real_length in BLOB_RECORD.iter_unpack(memoryview(row.children_index)[4:]):
        uses.append((bytes(row.children[offset : offset + DIGEST_SIZE]), real_length))
    return uses


def decode_message(row: Any) -> DecodedMessage:
    """What is stored of a message: its properties, recipients and attachments.

    Raises `WireError` or `struct.error` when it is damaged.
    """
    message = decode_children(row.children, row.children_index)
    message.properties = decode_properties(row.properties, row.properties_index)
    return message


def decode_children(children: bytes, index: bytes) -> DecodedMessage:
    """The recipients and attachments of a stored message (its ``properties`` stay empty)."""
    message = DecodedMessage()
    _ChildDecoder(children, index).message(message)
    return message


class _ChildDecoder:
    def __init__(self, children: bytes, index: bytes) -> None:
        self._cursor = Cursor(children)
        self._blobs = dict(BLOB_RECORD.iter_unpack(memoryview(index)[4:]))

    def message(self, message: DecodedMessage) -> None:
        """Read up to the end of the data or an EndEmbed marker, which is consumed."""
        cursor = self._cursor
        while cursor.remaining:
            element = _U32.unpack_from(cursor.data, cursor.position)[0]
            if element == Marker.StartRecip:
                cursor.position += 4
                message.recipients.append(self._properties(Marker.EndToRecip))
                cursor.position += 4
            elif element == Marker.NewAttach:
                cursor.position += 4
                message.attachments.append(self._attachment())
            elif element == Marker.EndEmbed:
                cursor.position += 4
                return
            elif element == MetaTagFXDelProp:
                cursor.position += 8
            else:
                self._property(message.properties)

    def _attachment(self) -> DecodedAttachment:
        cursor = self._cursor
        attachment = DecodedAttachment(self._properties(Marker.StartEmbed, Marker.EndAttach))
        if cursor.uint32() == Marker.StartEmbed:
            attachment.embedded = DecodedMessage()
            self.message(attachment.embedded)
            cursor.position += 4
        return attachment

    def _properties(self, *ends: int) -> dict[int, Any]:
        properties: dict[int, Any] = {}
        cursor = self._cursor
        while _U32.unpack_from(cursor.data, cursor.position)[0] not in ends:
            self._property(properties)
        return properties

    def _property(self, properties: dict[int, Any]) -> None:
        cursor = self._cursor
        if self._blobs:
            start = cursor.position
            tag = cursor.uint32()
            if tag >= NAMED_MINIMUM:
                pull_name(cursor)
            placeholder = cursor.position + 4
            real_length = self._blobs.get(placeholder)
            if real_length is not None:
                cursor.position = placeholder
                properties[tag] = BlobValue(cursor.take(DIGEST_SIZE), real_length, tag & 0xFFFF)
                return
            cursor.position = start
        tag, _name, value = pull_property(cursor)
        properties[tag] = value
