"""Property values, rows and tag lists as the address book's HTTP bodies encode them (MS-OXCMAPIHTTP 2.2.1).

The encoding differs from that of ROP buffers in three ways: all counts are 32 bits wide, values of variable size are
preceded by a presence byte (0xFF present, 0x00 not), and so is each string or binary inside a multiple value.
A property value in Python is as in `mapigw.wire.properties`, with these additions:

- None is a value of variable size whose presence byte is 0x00, and in a row a value that is not there;
- `PropertyError` stands in a row where the value could not be had;
- PtypObject (PtypEmbeddedTable, MS-OXNSPI 2.2.1.1) is a 32-bit int;
- `TypedValue` stands in a row under a column of PtypUnspecified.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError
from mapigw.wire.primitives import Pulled
from mapigw.wire.properties import FIXED_SIZES, MULTIPLE, PropertyType, pull_value, push_value

LIMIT: Final = 100_000
"""The most tags or Minimal Entry IDs that a list may hold (MS-OXCMAPIHTTP 2.2.1.8, 2.2.5.12.1)."""

_ABSENT, _PRESENT = 0x00, 0xFF
_VARIABLE: Final = frozenset(
    {PropertyType.STRING, PropertyType.STRING8, PropertyType.BINARY, PropertyType.SERVER_ID}
    | {item for item in PropertyType if item & MULTIPLE}
)
_INNER: Final = frozenset({PropertyType.STRING, PropertyType.STRING8, PropertyType.BINARY})
_SCALAR: Final = frozenset(set(FIXED_SIZES) | {PropertyType.OBJECT})

_FLAG_VALUE, _FLAG_ABSENT, _FLAG_ERROR = 0x00, 0x01, 0x0A


class Codec(NamedTuple):
    """A pair of functions that read and write one part of a body; `field` makes it part of a definition."""

    pull: Callable[[Cursor], Any]
    push: Callable[[bytearray, Any], None]


@dataclass(frozen=True, slots=True)
class PropertyError:
    """Why a row has no value in a column (MS-OXCDATA 2.4.2)."""

    code: int


class TypedValue(NamedTuple):
    """A value under a column of PtypUnspecified (MS-OXCMAPIHTTP 2.2.1.4)."""

    type: int
    value: Any


class RowSet(NamedTuple):
    """The Columns, RowCount and RowData fields: one list of values a row, in the order of the columns."""

    columns: list[int]
    rows: list[list[Any]]


def field(codec: Codec) -> Pulled:
    return Pulled(lambda cursor, context: codec.pull(cursor), lambda out, value, context: codec.push(out, value))


def optional(codec: Codec) -> Codec:
    """A field behind its Has… byte; None when it is not there. Any nonzero byte is read, 0xFF is written."""

    def pull(cursor: Cursor) -> Any:
        return codec.pull(cursor) if cursor.uint8() else None

    def push(out: bytearray, value: Any) -> None:
        if value is None:
            out.append(_ABSENT)
        else:
            out.append(_PRESENT)
            codec.push(out, value)

    return Codec(pull, push)


def counted(codec: Codec, minimum_size: int) -> Codec:
    """A 32-bit count, at most `LIMIT`, and that many items of ``minimum_size`` bytes or more: list."""

    def pull(cursor: Cursor) -> list[Any]:
        count = _bounded_count(cursor, minimum_size)
        return [codec.pull(cursor) for _ in range(count)]

    def push(out: bytearray, value: Any) -> None:
        out += len(value).to_bytes(4, "little")
        for item in value:
            codec.push(out, item)

    return Codec(pull, push)


def _bounded_count(cursor: Cursor, minimum_size: int) -> int:
    count = cursor.count(cursor.uint32(), minimum_size)
    if count > LIMIT:
        raise cursor.fail(f"count {count} exceeds {LIMIT}")
    return count


def _pull_uint32_list(cursor: Cursor) -> list[int]:
    count = _bounded_count(cursor, 4)
    data = memoryview(cursor.take(count * 4))
    return [int.from_bytes(data[offset : offset + 4], "little") for offset in range(0, count * 4, 4)]


def _push_uint32(out: bytearray, value: int) -> None:
    out += value.to_bytes(4, "little")


def _push_uint32_list(out: bytearray, value: Any) -> None:
    _push_uint32(out, len(value))
    for item in value:
        _push_uint32(out, item)


Uint32 = Codec(lambda cursor: cursor.uint32(), _push_uint32)
Int32 = Codec(lambda cursor: cursor.int32(), lambda out, value: out.extend(value.to_bytes(4, "little", signed=True)))
Uint32List = Codec(_pull_uint32_list, _push_uint32_list)
"""LargePropertyTagArray (MS-OXCMAPIHTTP 2.2.1.8), or a count of Minimal Entry IDs and these: list of int."""


def _presence(cursor: Cursor) -> bool:
    value = cursor.uint8()
    if value not in (_ABSENT, _PRESENT):
        raise WireError(f"presence byte 0x{value:02X}", offset=cursor.position - 1)
    return value == _PRESENT


def pull_property_value(cursor: Cursor, type_code: int) -> Any:
    """Read an AddressBookPropertyValue (MS-OXCMAPIHTTP 2.2.1.1) of a known type. Raises `WireError`."""
    if type_code == PropertyType.OBJECT:
        return cursor.uint32()
    if type_code in _VARIABLE:
        if not _presence(cursor):
            return None
        if type_code & MULTIPLE and type_code & ~MULTIPLE in _INNER:
            count = _bounded_count(cursor, 1)
            return [pull_property_value(cursor, type_code & ~MULTIPLE) for _ in range(count)]
        return pull_value(cursor, type_code, wide=True)
    if type_code in _SCALAR:
        return pull_value(cursor, type_code, wide=True)
    raise cursor.fail(f"property type 0x{type_code:04X} is not permitted")


def push_property_value(out: bytearray, type_code: int, value: Any) -> None:
    """Append an AddressBookPropertyValue; the counterpart of `pull_property_value`."""
    if type_code == PropertyType.OBJECT:
        _push_uint32(out, value)
    elif type_code in _VARIABLE:
        if value is None:
            out.append(_ABSENT)
            return
        out.append(_PRESENT)
        if type_code & MULTIPLE and type_code & ~MULTIPLE in _INNER:
            _push_uint32(out, len(value))
            for item in value:
                push_property_value(out, type_code & ~MULTIPLE, item)
        else:
            push_value(out, type_code, value, wide=True)
    else:
        push_value(out, type_code, value, wide=True)


def pull_tagged_value(cursor: Cursor) -> tuple[int, Any]:
    """Read an AddressBookTaggedPropertyValue (MS-OXCMAPIHTTP 2.2.1.2): property tag and value."""
    tag = cursor.uint32()
    return tag, pull_property_value(cursor, tag & 0xFFFF)


def push_tagged_value(out: bytearray, tagged: tuple[int, Any]) -> None:
    tag, value = tagged
    _push_uint32(out, tag)
    push_property_value(out, tag & 0xFFFF, value)


TaggedValue = Codec(pull_tagged_value, push_tagged_value)
PropertyValueList = counted(TaggedValue, 4)
"""AddressBookPropertyValueList (MS-OXCMAPIHTTP 2.2.1.3): list of (tag, value)."""


def _pull_cell(cursor: Cursor, column: int, flagged: bool) -> Any:
    type_code = column & 0xFFFF
    unspecified = type_code == PropertyType.UNSPECIFIED
    if unspecified:
        type_code = cursor.uint16()
    if flagged:
        flag = cursor.uint8()
        if flag == _FLAG_ABSENT:
            return None
        if flag == _FLAG_ERROR:
            return PropertyError(cursor.uint32())
        if flag != _FLAG_VALUE:
            raise WireError(f"row flag 0x{flag:02X}", offset=cursor.position - 1)
    value = pull_property_value(cursor, type_code)
    return TypedValue(type_code, value) if unspecified else value


def _push_cell(out: bytearray, column: int, value: Any, flagged: bool) -> None:
    type_code = column & 0xFFFF
    if type_code == PropertyType.UNSPECIFIED:
        type_code = value.type if isinstance(value, TypedValue) else PropertyType.ERROR_CODE
        out += type_code.to_bytes(2, "little")
        value = value.value if isinstance(value, TypedValue) else value
    if flagged:
        if isinstance(value, PropertyError):
            out.append(_FLAG_ERROR)
            _push_uint32(out, value.code)
            return
        if value is None:
            out.append(_FLAG_ABSENT)
            return
        out.append(_FLAG_VALUE)
    push_property_value(out, type_code, value)


def pull_row(cursor: Cursor, columns: list[int]) -> list[Any]:
    """Read an AddressBookPropertyRow (MS-OXCMAPIHTTP 2.2.1.7)."""
    flags = cursor.uint8()
    if flags not in (0, 1):
        raise WireError(f"row flags 0x{flags:02X}", offset=cursor.position - 1)
    return [_pull_cell(cursor, column, flags == 1) for column in columns]


def push_row(out: bytearray, columns: list[int], row: list[Any]) -> None:
    """Append a row; it is a flagged one when a value is missing or an error."""
    flagged = any(value is None or isinstance(value, PropertyError) for value in row)
    out.append(flagged)
    for column, value in zip(columns, row, strict=True):
        _push_cell(out, column, value, flagged)


def _pull_row_set(cursor: Cursor) -> RowSet:
    columns = _pull_uint32_list(cursor)
    count = _bounded_count(cursor, 1)
    return RowSet(columns, [pull_row(cursor, columns) for _ in range(count)])


def _push_row_set(out: bytearray, value: RowSet) -> None:
    _push_uint32_list(out, value.columns)
    _push_uint32(out, len(value.rows))
    for row in value.rows:
        push_row(out, value.columns, row)


RowSetCodec = Codec(_pull_row_set, _push_row_set)
"""Columns, RowCount and RowData, as QueryRows, SeekEntries, GetMatches and ResolveNames return them: `RowSet`."""
