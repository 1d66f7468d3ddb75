"""The FastTransfer stream's markers, meta-properties and property values (MS-OXCFXICS 2.2.4.1).

A stream is a sequence of markers and propValues. A propValue is its property tag, for a named property the name
(namedPropInfo), and the value. Values in Python are those of `properties`, with what is special to the stream: a
PtypBoolean takes two bytes, strings and binaries have a 32-bit length (of a string with its NUL), and a string may have
a code page property type (0x8000 | code page; ``str`` for code page 1200, else ``bytes`` without the NUL).
"""

import struct
from collections.abc import Callable, Iterable
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError
from mapigw.wire.properties import PropertyName, PropertyType


class Marker(IntEnum):
    """2.2.4.1.4."""

    StartTopFld = 0x40090003
    StartSubFld = 0x400A0003
    EndFolder = 0x400B0003
    StartMessage = 0x400C0003
    StartFAIMsg = 0x40100003
    EndMessage = 0x400D0003
    StartEmbed = 0x40010003
    EndEmbed = 0x40020003
    StartRecip = 0x40030003
    EndToRecip = 0x40040003
    NewAttach = 0x40000003
    EndAttach = 0x400E0003
    IncrSyncChg = 0x40120003
    IncrSyncChgPartial = 0x407D0003
    IncrSyncDel = 0x40130003
    IncrSyncEnd = 0x40140003
    IncrSyncRead = 0x402F0003
    IncrSyncStateBegin = 0x403A0003
    IncrSyncStateEnd = 0x403B0003
    IncrSyncProgressMode = 0x4074000B
    IncrSyncProgressPerMsg = 0x4075000B
    IncrSyncMessage = 0x40150003
    IncrSyncGroupInfo = 0x407B0102
    FXErrorInfo = 0x40180003


MARKERS: Final[dict[int, Marker]] = {int(marker): marker for marker in Marker}
MARKER_BYTES: Final[dict[Marker, bytes]] = {marker: marker.to_bytes(4, "little") for marker in Marker}

# ICS state properties (2.2.1.1). IdsetGiven has an integer's type and a binary's value (3.2.5.2.1).
MetaTagIdsetGiven: Final = 0x40170003
MetaTagCnsetSeen: Final = 0x67960102
MetaTagCnsetSeenFAI: Final = 0x67DA0102
MetaTagCnsetRead: Final = 0x67D20102

# Differences in replica content (2.2.1.3).
MetaTagIdsetDeleted: Final = 0x67E50102
MetaTagIdsetNoLongerInScope: Final = 0x40210102
MetaTagIdsetExpired: Final = 0x67930102
MetaTagIdsetRead: Final = 0x402D0102
MetaTagIdsetUnread: Final = 0x402E0102

# Meta-properties of the stream (2.2.4.1.5).
MetaTagFXDelProp: Final = 0x40160003
MetaTagEcWarning: Final = 0x400F0003
MetaTagNewFXFolder: Final = 0x40110102
MetaTagIncrSyncGroupId: Final = 0x407C0003
MetaTagIncrementalSyncMessagePartial: Final = 0x407A0003
MetaTagDnPrefix: Final = 0x4008001E

NAMED_MINIMUM: Final = 0x8000 << 16
"""Property tags from here on carry namedPropInfo."""

NAME_MAXIMUM: Final = 1024
"""Bytes of a property's string name with its NUL; names have at most 254 characters (MS-OXCPRPT 2.2.12.1)."""

VARIABLE: Final = 0
CODE_PAGE: Final = 0x8000
CODE_PAGE_UNICODE: Final = 1200
_MULTIPLE: Final = 0x1000

# Bytes of a fixedSizeValue; VARIABLE for the types whose values carry a length (2.2.4.1.1).
VALUE_SIZES: Final[dict[int, int]] = {
    PropertyType.INTEGER16: 2,
    PropertyType.INTEGER32: 4,
    PropertyType.FLOATING32: 4,
    PropertyType.FLOATING64: 8,
    PropertyType.CURRENCY: 8,
    PropertyType.FLOATING_TIME: 8,
    PropertyType.ERROR_CODE: 4,
    PropertyType.BOOLEAN: 2,
    PropertyType.INTEGER64: 8,
    PropertyType.TIME: 8,
    PropertyType.GUID: 16,
    PropertyType.STRING8: VARIABLE,
    PropertyType.STRING: VARIABLE,
    PropertyType.OBJECT: VARIABLE,
    PropertyType.SERVER_ID: VARIABLE,
    PropertyType.BINARY: VARIABLE,
}
_MULTIPLE_VALUE_SIZES: Final[dict[int, int]] = {
    int(item): VALUE_SIZES[item & ~_MULTIPLE] for item in PropertyType if item & _MULTIPLE
}


def value_layout(tag: int) -> tuple[int, bool]:
    """(size, multiple) of a property's values: the size of one value or VARIABLE, and whether a count stands before.

    Raises `WireError` for a type that cannot stand in a stream.
    """
    type_code = tag & 0xFFFF
    size = VALUE_SIZES.get(type_code)
    if size is not None:
        return (VARIABLE if tag == MetaTagIdsetGiven else size), False
    size = _MULTIPLE_VALUE_SIZES.get(type_code)
    if size is not None:
        return size, True
    if type_code & CODE_PAGE:
        return VARIABLE, False
    raise WireError(f"property type 0x{type_code:04X} cannot stand in a FastTransfer stream", field=f"0x{tag:08X}")


_U32: Final = struct.Struct("<I")
_TAG_LENGTH: Final = struct.Struct("<II")


def _integer(size: int) -> Callable[[Any], bytes]:
    mask = (1 << size * 8) - 1

    def build(value: Any) -> bytes:
        data: bytes = (value & mask).to_bytes(size, "little")
        return data

    return build


def _build_string(value: Any) -> bytes:
    data: bytes = value.encode("utf-16-le", "surrogatepass")
    return data + b"\0\0"


def _build_string8(value: Any) -> bytes:
    data: bytes = value + b"\0"
    return data


_BOOLEANS: Final = (b"\0\0", b"\1\0")
_BUILD: Final[dict[int, Callable[[Any], bytes]]] = {
    PropertyType.INTEGER16: _integer(2),
    PropertyType.INTEGER32: _integer(4),
    PropertyType.FLOATING32: struct.Struct("<f").pack,
    PropertyType.FLOATING64: struct.Struct("<d").pack,
    PropertyType.CURRENCY: _integer(8),
    PropertyType.FLOATING_TIME: struct.Struct("<d").pack,
    PropertyType.ERROR_CODE: _integer(4),
    PropertyType.BOOLEAN: lambda value: _BOOLEANS[bool(value)],
    PropertyType.INTEGER64: _integer(8),
    PropertyType.TIME: _integer(8),
    PropertyType.GUID: lambda value: bytes(value.bytes_le),
    PropertyType.STRING8: _build_string8,
    PropertyType.STRING: _build_string,
    PropertyType.OBJECT: bytes,
    PropertyType.SERVER_ID: bytes,
    PropertyType.BINARY: bytes,
}
_FIXED_BUILD: Final = {item: build for item, build in _BUILD.items() if VALUE_SIZES[item] != VARIABLE}
_CODE_PAGE_UNICODE_TYPE: Final = CODE_PAGE | CODE_PAGE_UNICODE


def build_value(type_code: int, value: Any) -> bytes:
    """The body of one single value, without a length: what `push_raw_property` takes."""
    build = _BUILD.get(type_code)
    if build is None:
        build = _build_string if type_code == _CODE_PAGE_UNICODE_TYPE else _build_string8
    return build(value)


def parse_value(type_code: int, body: bytes) -> Any:
    """One single value from its body; the counterpart of `build_value`. Raises `WireError`.

    A string's NUL is cut off where it is there: writers should send it (2.2.4.1.3), readers have to look.
    """
    if type_code in {PropertyType.STRING, _CODE_PAGE_UNICODE_TYPE}:
        if len(body) % 2:
            raise WireError("a Unicode string of an odd number of bytes")
        return body.removesuffix(b"\0\0").decode("utf-16-le", "surrogatepass")
    form = _FIXED_FORMS.get(type_code)
    if form is not None:
        return form.unpack(body)[0]
    if type_code == PropertyType.BOOLEAN:
        return body != b"\0\0"
    if type_code == PropertyType.GUID:
        return UUID(bytes_le=body)
    if type_code == PropertyType.STRING8 or type_code & CODE_PAGE:
        return body.removesuffix(b"\0")
    return body


_FIXED_FORMS: Final[dict[int, struct.Struct]] = {
    PropertyType.INTEGER16: struct.Struct("<h"),
    PropertyType.INTEGER32: struct.Struct("<i"),
    PropertyType.FLOATING32: struct.Struct("<f"),
    PropertyType.FLOATING64: struct.Struct("<d"),
    PropertyType.CURRENCY: struct.Struct("<q"),
    PropertyType.FLOATING_TIME: struct.Struct("<d"),
    PropertyType.ERROR_CODE: struct.Struct("<I"),
    PropertyType.INTEGER64: struct.Struct("<q"),
    PropertyType.TIME: struct.Struct("<Q"),
}


def push_name(out: bytearray, name: PropertyName) -> None:
    """Append namedPropInfo. Raises `WireError` for a string name with a NUL, which would end it early."""
    if name.name is not None and "\0" in name.name:
        raise WireError("NUL inside a property name", field="namedPropInfo")
    out += name.property_set.bytes_le
    if name.name is None:
        out.append(0)
        out += _U32.pack(name.lid)
    else:
        out.append(1)
        out += _build_string(name.name)


def pull_name(cursor: Cursor) -> PropertyName:
    """Read namedPropInfo. Raises `WireError`."""
    property_set = cursor.guid()
    kind = cursor.uint8()
    if kind == 0:
        return PropertyName(property_set, lid=cursor.uint32())
    if kind == 1:
        start = cursor.position
        name = cursor.string()
        if cursor.position - start > NAME_MAXIMUM:
            raise cursor.fail("property name too long", "namedPropInfo")
        return PropertyName(property_set, name=name)
    raise cursor.fail(f"property name of kind {kind}", "namedPropInfo")


def push_property(out: bytearray, tag: int, value: Any, name: PropertyName | None = None) -> None:
    """Append a propValue. ``name`` belongs to tags from `NAMED_MINIMUM` on, and only to them.

    A code page type takes ``str`` for code page 1200, else ``bytes``; MetaTagIdsetGiven ``bytes``. Raises `WireError`
    for a type that has no place in a stream.
    """
    out += _U32.pack(tag)
    if tag >= NAMED_MINIMUM:
        if name is None:
            raise WireError("a named property without its name", field=f"0x{tag:08X}")
        push_name(out, name)
    type_code = tag & 0xFFFF
    build = _FIXED_BUILD.get(type_code)
    if build is not None and tag != MetaTagIdsetGiven:
        out += build(value)
        return
    size, multiple = value_layout(tag)
    if not multiple:
        body = value if tag == MetaTagIdsetGiven else build_value(type_code, value)
        out += _U32.pack(len(body))
        out += body
        return
    build = _BUILD[type_code & ~_MULTIPLE]
    out += _U32.pack(len(value))
    for item in value:
        body = build(item)
        if size == VARIABLE:
            out += _U32.pack(len(body))
        out += body


def push_property_header(out: bytearray, tag: int, length: int, name: PropertyName | None = None) -> None:
    """Append propDef and length of a variable-size value whose ``length`` body bytes the caller sends on afterwards."""
    if tag < NAMED_MINIMUM:
        out += _TAG_LENGTH.pack(tag, length)
    elif name is None:
        raise WireError("a named property without its name", field=f"0x{tag:08X}")
    else:
        out += _U32.pack(tag)
        push_name(out, name)
        out += _U32.pack(length)


def push_raw_property(out: bytearray, tag: int, body: bytes, name: PropertyName | None = None) -> None:
    """Append a variable-size propValue whose body is in its stream form already (a string's with its NUL)."""
    push_property_header(out, tag, len(body), name)
    out += body


def pull_property(cursor: Cursor) -> tuple[int, PropertyName | None, Any]:
    """Read one propValue: (tag, name, value). Raises `WireError`."""
    start = cursor.position
    tag = cursor.uint32()
    try:
        name = pull_name(cursor) if tag >= NAMED_MINIMUM else None
        size, multiple = value_layout(tag)
        type_code = PropertyType.BINARY if tag == MetaTagIdsetGiven else tag & 0xFFFF
        if not multiple:
            return tag, name, parse_value(type_code, cursor.take(size or cursor.uint32()))
        type_code &= ~_MULTIPLE
        count = cursor.count(cursor.uint32(), size or 4)
        return tag, name, [parse_value(type_code, cursor.take(size or cursor.uint32())) for _ in range(count)]
    except WireError as error:
        raise WireError(error.reason, offset=error.offset or start, field=error.field or f"0x{tag:08X}") from error


def encode_properties(properties: Iterable[tuple[int, PropertyName | None, Any]]) -> bytes:
    """A propList."""
    out = bytearray()
    for tag, name, value in properties:
        push_property(out, tag, value, name)
    return bytes(out)


def decode_properties(data: bytes) -> list[tuple[int, PropertyName | None, Any]]:
    """The properties of a propList. Raises `WireError`, also for a marker inside."""
    cursor = Cursor(data)
    properties = []
    while cursor.remaining:
        start = cursor.position
        item = pull_property(cursor)
        if item[0] in MARKERS:
            raise WireError("a marker in a propList", offset=start)
        properties.append(item)
    return properties
