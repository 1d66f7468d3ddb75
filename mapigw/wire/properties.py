"""Property types, tags, names and values (MS-OXCDATA 2.6, 2.9, 2.11).

A property value in Python:

====================  =================================================================
type                  value
====================  =================================================================
PtypInteger16/32/64   int, signed; build takes unsigned as well
PtypCurrency          int (signed, 1/10000)
PtypErrorCode         int, unsigned
PtypFloating32/64     float; PtypFloatingTime too (days since 1899-12-30)
PtypBoolean           bool
PtypString            str
PtypString8           bytes without the NUL, in the code page of whoever sent it
PtypTime              int: FILETIME, 100 ns since 1601-01-01 UTC
PtypGuid              uuid.UUID
PtypServerId, PtypBinary, PtypObject   bytes
PtypRestriction       one of the Restriction classes of restrictions.py, which declares both types
PtypRuleAction        list of restrictions.ActionBlock
PtypMultiple…         list of the single values
PtypNull              None
====================  =================================================================
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from mapigw.wire.cursor import Cursor


class PropertyType(IntEnum):
    """MS-OXCDATA 2.11.1."""

    UNSPECIFIED = 0x0000
    NULL = 0x0001
    INTEGER16 = 0x0002
    INTEGER32 = 0x0003
    FLOATING32 = 0x0004
    FLOATING64 = 0x0005
    CURRENCY = 0x0006
    FLOATING_TIME = 0x0007
    ERROR_CODE = 0x000A
    BOOLEAN = 0x000B
    OBJECT = 0x000D
    INTEGER64 = 0x0014
    STRING8 = 0x001E
    STRING = 0x001F
    TIME = 0x0040
    GUID = 0x0048
    SERVER_ID = 0x00FB
    RESTRICTION = 0x00FD
    RULE_ACTION = 0x00FE
    BINARY = 0x0102
    MULTIPLE_INTEGER16 = 0x1002
    MULTIPLE_INTEGER32 = 0x1003
    MULTIPLE_FLOATING32 = 0x1004
    MULTIPLE_FLOATING64 = 0x1005
    MULTIPLE_CURRENCY = 0x1006
    MULTIPLE_FLOATING_TIME = 0x1007
    MULTIPLE_INTEGER64 = 0x1014
    MULTIPLE_STRING8 = 0x101E
    MULTIPLE_STRING = 0x101F
    MULTIPLE_TIME = 0x1040
    MULTIPLE_GUID = 0x1048
    MULTIPLE_BINARY = 0x1102


MULTIPLE: Final = 0x1000
MULTIPLE_INSTANCE: Final = 0x2000
NAMED_PROPERTY_MINIMUM: Final = 0x8000

# Sizes of the fixed-size values; every other type carries its own length (MS-OXCDATA 2.11.1).
FIXED_SIZES: Final[dict[int, int]] = {
    PropertyType.NULL: 0,
    PropertyType.INTEGER16: 2,
    PropertyType.INTEGER32: 4,
    PropertyType.FLOATING32: 4,
    PropertyType.FLOATING64: 8,
    PropertyType.CURRENCY: 8,
    PropertyType.FLOATING_TIME: 8,
    PropertyType.ERROR_CODE: 4,
    PropertyType.BOOLEAN: 1,
    PropertyType.INTEGER64: 8,
    PropertyType.TIME: 8,
    PropertyType.GUID: 16,
}


def property_tag(property_id: int, property_type: int) -> int:
    return property_id << 16 | property_type


def property_id(tag: int) -> int:
    return tag >> 16


def property_type(tag: int) -> int:
    return tag & 0xFFFF


@dataclass(frozen=True, slots=True)
class PropertyName:
    """MS-OXCDATA 2.6.1: a property set and, in it, either a numeric id (LID) or a string name."""

    property_set: UUID
    lid: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class NamedTag:
    """A named property before a mailbox has given it an id: its name and its type."""

    property_name: PropertyName
    type: int


PropertyKey = int | NamedTag
"""A 32-bit property tag, or a named property that no mailbox has mapped yet."""

_EPOCH: Final = datetime(1601, 1, 1, tzinfo=UTC)


def filetime(moment: datetime) -> int:
    """FILETIME of an aware datetime, clipped to the type's range."""
    delta = moment.astimezone(UTC) - _EPOCH
    return max(0, (delta.days * 86_400 + delta.seconds) * 10_000_000 + delta.microseconds * 10)


def from_filetime(value: int) -> datetime:
    return _EPOCH + timedelta(microseconds=value // 10)


def _pull_binary(cursor: Cursor, wide: bool) -> bytes:
    return cursor.take(cursor.uint32() if wide else cursor.uint16())


_PULL: Final[dict[int, Callable[[Cursor, bool], Any]]] = {
    PropertyType.NULL: lambda cursor, wide: None,
    PropertyType.INTEGER16: lambda cursor, wide: cursor.int16(),
    PropertyType.INTEGER32: lambda cursor, wide: cursor.int32(),
    PropertyType.FLOATING32: lambda cursor, wide: cursor.float32(),
    PropertyType.FLOATING64: lambda cursor, wide: cursor.float64(),
    PropertyType.CURRENCY: lambda cursor, wide: cursor.int64(),
    PropertyType.FLOATING_TIME: lambda cursor, wide: cursor.float64(),
    PropertyType.ERROR_CODE: lambda cursor, wide: cursor.uint32(),
    PropertyType.BOOLEAN: lambda cursor, wide: cursor.uint8() != 0,
    PropertyType.OBJECT: _pull_binary,
    PropertyType.INTEGER64: lambda cursor, wide: cursor.int64(),
    PropertyType.STRING8: lambda cursor, wide: cursor.string8(),
    PropertyType.STRING: lambda cursor, wide: cursor.string(),
    PropertyType.TIME: lambda cursor, wide: cursor.uint64(),
    PropertyType.GUID: lambda cursor, wide: cursor.guid(),
    PropertyType.SERVER_ID: _pull_binary,
    PropertyType.BINARY: _pull_binary,
}


def pull_value(cursor: Cursor, type_code: int, *, wide: bool = False) -> Any:
    """Read one PropertyValue (MS-OXCDATA 2.11.2).

    ``wide`` selects 32-bit byte counts for binaries, as in extended rules and in MAPI/HTTP's NSPI bodies; ROP buffers
    have 16-bit ones. The count of a multiple value is 32 bits in both. Raises `WireError`.
    """
    pull = _PULL.get(type_code)
    if pull is not None:
        return pull(cursor, wide)
    if type_code & MULTIPLE:
        single = type_code & ~(MULTIPLE | MULTIPLE_INSTANCE)
        if type_code & MULTIPLE_INSTANCE:  # one instance of a multiple value, as tables show it
            return pull_value(cursor, single, wide=wide)
        pull = _PULL.get(single)
        if pull is not None and single | MULTIPLE in _MULTIPLES:
            count = cursor.count(cursor.uint32(), FIXED_SIZES.get(single, 1))
            return [pull(cursor, wide) for _ in range(count)]
    raise cursor.fail(f"property type 0x{type_code:04X} is not known")


_MULTIPLES: Final = frozenset(int(item) for item in PropertyType if item & MULTIPLE)


def _integer(size: int) -> Callable[[bytearray, Any, bool], None]:
    mask = (1 << size * 8) - 1

    def push(out: bytearray, value: Any, wide: bool) -> None:
        out += (value & mask).to_bytes(size, "little")

    return push


def _packed(form: struct.Struct) -> Callable[[bytearray, Any, bool], None]:
    def push(out: bytearray, value: Any, wide: bool) -> None:
        out += form.pack(value)

    return push


def _push_binary(out: bytearray, value: Any, wide: bool) -> None:
    out += len(value).to_bytes(4 if wide else 2, "little")
    out += value


def _push_string(out: bytearray, value: Any, wide: bool) -> None:
    out += value.encode("utf-16-le", "surrogatepass") + b"\0\0"


def _push_string8(out: bytearray, value: Any, wide: bool) -> None:
    out += value + b"\0"


_PUSH: Final[dict[int, Callable[[bytearray, Any, bool], None]]] = {
    PropertyType.NULL: lambda out, value, wide: None,
    PropertyType.INTEGER16: _integer(2),
    PropertyType.INTEGER32: _integer(4),
    PropertyType.FLOATING32: _packed(struct.Struct("<f")),
    PropertyType.FLOATING64: _packed(struct.Struct("<d")),
    PropertyType.CURRENCY: _integer(8),
    PropertyType.FLOATING_TIME: _packed(struct.Struct("<d")),
    PropertyType.ERROR_CODE: _integer(4),
    PropertyType.BOOLEAN: _packed(struct.Struct("?")),
    PropertyType.OBJECT: _push_binary,
    PropertyType.INTEGER64: _integer(8),
    PropertyType.STRING8: _push_string8,
    PropertyType.STRING: _push_string,
    PropertyType.TIME: _integer(8),
    PropertyType.GUID: lambda out, value, wide: out.extend(value.bytes_le),
    PropertyType.SERVER_ID: _push_binary,
    PropertyType.BINARY: _push_binary,
}


def push_value(out: bytearray, type_code: int, value: Any, *, wide: bool = False) -> None:
    """Append one PropertyValue; the counterpart of `pull_value`."""
    if type_code & MULTIPLE_INSTANCE:
        type_code &= ~(MULTIPLE | MULTIPLE_INSTANCE)
    if type_code & MULTIPLE:
        push = _PUSH[type_code & ~MULTIPLE]
        out += len(value).to_bytes(4, "little")
        for item in value:
            push(out, item, wide)
    else:
        _PUSH[type_code](out, value, wide)


def declare_type(
    type_code: PropertyType, pull: Callable[[Cursor, bool], Any], push: Callable[[bytearray, Any, bool], None]
) -> None:
    """Add the values of a type that is declared elsewhere: restrictions and rule actions, whose parts are values."""
    _PULL[type_code] = pull
    _PUSH[type_code] = push
