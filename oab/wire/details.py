"""The full details file, version 4 (MS-OXOAB 2.9).

OAB_HDR, one OAB_META_DATA that declares the properties of what follows, one record of the address list itself and one
record an entry. A record is ``dict[tag, value]``: int, bool, str, bytes, and lists of int, str and bytes. Strings of
both types are str; those of PtypString8 and the names of other entries (PtypObject) are ASCII.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import IntFlag
from functools import partial
from typing import Any, BinaryIO, Final, NamedTuple

from construct import Int32ul, Rebuild, Struct, len_, this

from mapigw.wire.cursor import Cursor
from mapigw.wire.definition import Definition
from mapigw.wire.errors import WireError
from mapigw.wire.primitives import Counted
from mapigw.wire.properties import PropertyType, property_type

VERSION: Final = 0x20
HEADER_SIZE: Final = 12
_RECORD_LIMIT: Final = 1 << 24

Record = dict[int, Any]


class PropertyFlags(IntFlag):
    """What a client indexes a property for (2.9.4)."""

    ANR = 0x1
    PRIMARY_KEY = 0x2


class Property(NamedTuple):
    """OAB_PROP_REC (2.9.4)."""

    tag: int
    flags: PropertyFlags = PropertyFlags(0)


_PropertyRecord = Struct("tag" / Int32ul, "flags" / Int32ul)

OabHeader = Definition(Struct("version" / Int32ul, "serial" / Int32ul, "total_records" / Int32ul))
"""OAB_HDR (2.9.1): ``serial`` is the CRC of everything behind it."""

OabMetadata = Definition(
    Struct(
        "size" / Rebuild(Int32ul, 12 + 8 * (len_(this.header_properties) + len_(this.entry_properties))),
        "header_properties" / Counted(Int32ul, _PropertyRecord),
        "entry_properties" / Counted(Int32ul, _PropertyRecord),
    )
)
"""OAB_META_DATA (2.9.2) with its two OAB_PROP_TABLE (2.9.3)."""


def build_metadata(header: Sequence[Property], entry: Sequence[Property]) -> bytes:
    return OabMetadata.build(
        {
            "header_properties": [{"tag": item.tag, "flags": item.flags} for item in header],
            "entry_properties": [{"tag": item.tag, "flags": item.flags} for item in entry],
        }
    )


def parse_metadata(data: bytes) -> tuple[list[Property], list[Property]]:
    """Raises `WireError`."""
    found = OabMetadata.parse(data)
    if found.size != len(data):
        raise WireError(f"cbSize {found.size} of {len(data)} bytes", field="size")
    header, entry = (
        [Property(item.tag, PropertyFlags(item.flags & 3)) for item in table]
        for table in (found.header_properties, found.entry_properties)
    )
    return header, entry


def push_integer(out: bytearray, value: int) -> None:
    """2.9.6.1: one byte to 127, else the number of bytes with the high bit set, and the bytes."""
    value &= 0xFFFFFFFF
    if value <= 0x7F:
        out.append(value)
    else:
        size = (value.bit_length() + 7) // 8
        out.append(0x80 | size)
        out += value.to_bytes(size, "little")


def pull_integer(cursor: Cursor) -> int:
    first = cursor.uint8()
    if first <= 0x7F:
        return first
    if not 0x81 <= first <= 0x84:
        raise cursor.fail(f"0x{first:02X} begins no integer")
    return int.from_bytes(cursor.take(first & 0x7F), "little")


def _push_text(encoding: str, out: bytearray, value: str) -> None:
    if not value or "\0" in value:
        raise ValueError(f"{value!r} is empty or contains NUL")
    out += value.encode(encoding)
    out.append(0)


def _pull_text(encoding: str, cursor: Cursor) -> str:
    try:
        value = cursor.string8().decode(encoding)
    except UnicodeDecodeError as error:
        raise cursor.fail(str(error)) from None
    if not value:
        raise cursor.fail("an empty string")
    return value


def _push_boolean(out: bytearray, value: bool) -> None:
    out.append(1 if value else 0)


def _push_binary(out: bytearray, value: bytes) -> None:
    push_integer(out, len(value))
    out += value


Push = Callable[[bytearray, Any], None]
Pull = Callable[[Cursor], Any]


def _push_several(push: Push, out: bytearray, value: Sequence[Any]) -> None:
    if not value:
        raise ValueError("a multivalued property without values")
    push_integer(out, len(value))
    for item in value:
        push(out, item)


def _pull_several(pull: Pull, cursor: Cursor) -> list[Any]:
    return [pull(cursor) for _ in range(cursor.count(pull_integer(cursor), 1))]


def _codecs() -> dict[int, tuple[Push, Pull]]:
    ascii_text: tuple[Push, Pull] = partial(_push_text, "ascii"), partial(_pull_text, "ascii")
    single: dict[int, tuple[Push, Pull]] = {
        PropertyType.INTEGER32: (push_integer, pull_integer),
        PropertyType.STRING8: ascii_text,
        PropertyType.STRING: (partial(_push_text, "utf-8"), partial(_pull_text, "utf-8")),
        PropertyType.BINARY: (_push_binary, lambda cursor: cursor.take(pull_integer(cursor))),
    }
    several: dict[int, tuple[Push, Pull]] = {
        0x1000 | kind: (partial(_push_several, push), partial(_pull_several, pull))
        for kind, (push, pull) in single.items()
    }
    boolean: tuple[Push, Pull] = _push_boolean, lambda cursor: cursor.uint8() != 0
    return {**single, **several, int(PropertyType.BOOLEAN): boolean, int(PropertyType.OBJECT): ascii_text}


_CODECS: Final = _codecs()


class RecordCodec:
    """OAB_V4_REC (2.9.5) of the properties that an OAB_PROP_TABLE declares."""

    def __init__(self, properties: Sequence[Property]) -> None:
        self.properties = tuple(properties)
        self._presence_size = (len(properties) + 7) // 8
        try:
            self._fields = [
                (4 + index // 8, 0x80 >> index % 8, item.tag, *_CODECS[property_type(item.tag)])
                for index, item in enumerate(properties)
            ]
        except KeyError as error:
            raise WireError(f"properties of type 0x{error.args[0]:04X} do not stand in these files") from None

    def build(self, record: Mapping[int, Any]) -> bytes:
        """Raises ValueError for a value that cannot be expressed: empty, with a NUL, not ASCII where it must be."""
        out = bytearray(4 + self._presence_size)
        for position, bit, tag, push, _ in self._fields:
            value = record.get(tag)
            if value is not None:
                out[position] |= bit
                push(out, value)
        out[:4] = len(out).to_bytes(4, "little")
        return bytes(out)

    def parse(self, data: bytes) -> Record:
        """One whole record, its size before it. Raises `WireError`."""
        cursor = Cursor(data)
        if cursor.uint32() != len(data):
            raise cursor.fail(f"cbSize is not {len(data)}", "size")
        cursor.take(self._presence_size)
        record = {}
        for position, bit, tag, _, pull in self._fields:
            if data[position] & bit:
                record[tag] = pull(cursor)
        if cursor.remaining:
            raise cursor.fail(f"{cursor.remaining} bytes left over")
        return record


def read_sized(stream: BinaryIO) -> bytes:
    """The next record of a file, its size included; nothing at the end. Raises `WireError`."""
    head = stream.read(4)
    if not head:
        return b""
    size = int.from_bytes(head, "little")
    if len(head) < 4 or not 4 < size <= _RECORD_LIMIT:
        raise WireError(f"a record of {size} bytes", offset=stream.tell())
    rest = stream.read(size - 4)
    if len(rest) != size - 4:
        raise WireError(f"{size} bytes needed, {len(rest) + 4} left", offset=stream.tell())
    return head + rest


class DetailsReader:
    """A full details file, read once from its beginning. Raises `WireError` as it goes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        header = OabHeader.parse(stream.read(HEADER_SIZE))
        if header.version != VERSION:
            raise WireError(f"ulVersion 0x{header.version:X}", field="version")
        self.serial: int = header.serial
        self.total_records: int = header.total_records
        header_properties, self.properties = parse_metadata(read_sized(stream))
        self.address_list = RecordCodec(header_properties).parse(read_sized(stream))

    def records(self) -> Iterator[Record]:
        codec = RecordCodec(self.properties)
        while data := read_sized(self._stream):
            yield codec.parse(data)
