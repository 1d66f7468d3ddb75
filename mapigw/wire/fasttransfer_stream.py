"""FastTransfer streams in buffers: where one may be cut, and reading one that was cut (MS-OXCFXICS 2.2.4.1).

A stream is handed out and taken in piecewise. It may be cut between two atoms (marker, propDef, fixedSizeValue,
length) or anywhere inside a varSizeValue. Both classes here follow a stream lexeme by lexeme and keep their place.
"""

import struct
from dataclasses import dataclass
from typing import Any, Final

from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError
from mapigw.wire.fasttransfer import (
    MARKERS,
    NAME_MAXIMUM,
    NAMED_MINIMUM,
    VARIABLE,
    Marker,
    MetaTagIdsetGiven,
    parse_value,
    pull_name,
    value_layout,
)
from mapigw.wire.properties import PropertyName, PropertyType

_U32: Final = struct.Struct("<I")
_GUID_SIZE: Final = 16
_MULTIPLE: Final = 0x1000


def _definition_end(data: bytes | bytearray, position: int, end: int) -> int:
    """Where the propDef at ``position`` ends, whose tag is there in full; 0 when it goes beyond ``end``.

    Raises `WireError` for a property name that cannot be one.
    """
    if data[position + 3] < 0x80:
        return position + 4
    kind = position + 4 + _GUID_SIZE
    if kind >= end:
        return 0
    if data[kind] == 0:
        return kind + 5 if kind + 5 <= end else 0
    if data[kind] != 1:
        raise WireError(f"property name of kind {data[kind]}", offset=kind, field="namedPropInfo")
    start = found = kind + 1
    limit = min(end, start + NAME_MAXIMUM)
    while (found := data.find(b"\0\0", found, limit)) >= 0:
        if (found - start) % 2 == 0:
            return found + 2
        found += 1
    if limit < end:
        raise WireError("property name too long", offset=kind, field="namedPropInfo")
    return 0


class StreamCutter:
    """Follows a stream as it is handed out and says where a buffer may end."""

    __slots__ = ("_count", "_counted", "_size", "_value")

    def __init__(self) -> None:
        self._value = 0  # bytes of the varSizeValue that are still to come
        self._count = 0  # values that are still to come, each of
        self._size = 0  # that many bytes, or VARIABLE
        self._counted = True  # False between the propDef and the count of a multiple value

    @property
    def between_elements(self) -> bool:
        """Whether the last cut fell between two elements: the next byte begins a marker or a propDef."""
        return not self._value and not self._count and self._counted

    def cut(self, data: bytes | bytearray, limit: int, start: int = 0) -> int:
        """The greatest offset, not above ``limit``, at which ``data`` may be cut; the next call goes on from there.

        ``data`` at ``start`` is where the last cut fell. The result is ``start`` when not even one atom fits. Raises
        `WireError` for a stream that is none.
        """
        end = min(limit, len(data))
        position = start
        while True:
            if self._value:
                step = min(self._value, end - position)
                position += step
                self._value -= step
                if self._value:
                    return position
            elif self._count:
                if self._size:
                    step = min(self._count, (end - position) // self._size)
                    position += step * self._size
                    self._count -= step
                    if self._count:
                        return position
                elif end - position < 4:
                    return position
                else:
                    self._value = _U32.unpack_from(data, position)[0]
                    self._count -= 1
                    position += 4
            elif end - position < 4:
                return position
            elif not self._counted:
                self._count = _U32.unpack_from(data, position)[0]
                self._counted = True
                position += 4
            else:
                tag = _U32.unpack_from(data, position)[0]
                if tag in MARKERS:
                    position += 4
                    continue
                after = _definition_end(data, position, end)
                if not after:
                    return position
                self._size, multiple = value_layout(tag)
                position = after
                if multiple:
                    self._counted = False
                else:
                    self._count = 1


def split_point(piece: bytes, limit: int) -> int:
    """The greatest offset, not above ``limit``, at which ``piece`` may be cut, which starts at an element.

    Raises `WireError` for bytes that are no stream.
    """
    return StreamCutter().cut(piece, limit)


@dataclass(frozen=True, slots=True)
class Property:
    """A whole propValue; ``value`` as `fasttransfer.pull_property` gives it."""

    tag: int
    name: PropertyName | None
    value: Any


@dataclass(frozen=True, slots=True)
class LargeProperty:
    """The beginning of a variable-size propValue of ``length`` bytes, whose body follows as `ValueData`."""

    tag: int
    name: PropertyName | None
    length: int


@dataclass(frozen=True, slots=True)
class ValueData:
    """A part of the body of the last `LargeProperty`, in the stream's form (a string's with its NUL)."""

    data: bytes
    last: bool


Lexeme = Marker | Property | LargeProperty | ValueData


class StreamReader:
    """Reads a stream that arrives in pieces cut anywhere, in time and memory linear in its bytes.

    A single variable-size value of more than ``large`` bytes comes as `LargeProperty` and `ValueData`; a multiple value
    of more than ``multiple_maximum`` bytes is refused, for it would have to be held whole.
    """

    def __init__(self, *, large: int = 1 << 16, multiple_maximum: int = 1 << 22) -> None:
        self._large = large
        self._multiple_maximum = multiple_maximum
        self._rest = b""
        self._consumed = 0  # bytes of the stream before _rest
        self._large_left = 0
        self._tag = 0
        self._name: PropertyName | None = None
        self._type = 0
        self._size = VARIABLE
        self._multiple = False
        self._in_property = False
        self._count = -1  # values of a multiple value to come; -1 before its count
        self._values: list[Any] = []
        self._values_size = 0

    @property
    def complete(self) -> bool:
        """Whether the stream may end here: no element is left open."""
        return not self._rest and not self._in_property and not self._large_left

    def feed(self, data: bytes) -> list[Lexeme]:
        """The lexemes that ``data`` completes. Raises `WireError`; the reader is of no use afterwards."""
        data = self._rest + data
        position = 0
        lexemes: list[Lexeme] = []
        while True:
            if self._large_left:
                part = data[position : position + self._large_left]
                if not part:
                    break
                position += len(part)
                self._large_left -= len(part)
                lexemes.append(ValueData(part, last=not self._large_left))
            elif self._in_property:
                after = self._read_value(data, position, lexemes)
                if after < 0:
                    break
                position = after
            else:
                if len(data) - position < 4:
                    break
                tag = _U32.unpack_from(data, position)[0]
                if tag in MARKERS:
                    lexemes.append(MARKERS[tag])
                    position += 4
                    continue
                try:
                    after = _definition_end(data, position, len(data))
                    if not after:
                        break
                    self._begin(tag, data, position)
                except WireError as error:
                    raise self._error(error.reason, position) from error
                position = after
        self._rest = data[position:]
        self._consumed += position
        return lexemes

    def _error(self, reason: str, position: int) -> WireError:
        return WireError(reason, offset=self._consumed + position, field=f"0x{self._tag:08X}")

    def _begin(self, tag: int, data: bytes, position: int) -> None:
        self._tag = tag
        self._name = pull_name(Cursor(data, position + 4)) if tag >= NAMED_MINIMUM else None
        self._size, self._multiple = value_layout(tag)
        self._type = PropertyType.BINARY if tag == MetaTagIdsetGiven else tag & 0xFFFF
        self._in_property = True
        if self._multiple:
            self._type &= ~_MULTIPLE
            self._count = -1
            self._values = []
            self._values_size = 0

    def _read_value(self, data: bytes, position: int, lexemes: list[Lexeme]) -> int:
        """Read one count or value at ``position``; where it ends, -1 when it is not there in full."""
        start = position
        left = len(data) - position
        if self._multiple and self._count < 0:
            if left < 4:
                return -1
            self._count = _U32.unpack_from(data, position)[0]
            if self._count * (self._size or 4) > self._multiple_maximum:
                raise self._error("multiple value too large", start)
            return self._finish_multiple(position + 4, lexemes)
        size = self._size
        if size == VARIABLE:
            if left < 4:
                return -1
            size = _U32.unpack_from(data, position)[0]
            position += 4
            left -= 4
            if self._multiple:
                if self._values_size + size > self._multiple_maximum:
                    raise self._error("multiple value too large", start)
            elif size > self._large:
                lexemes.append(LargeProperty(self._tag, self._name, size))
                self._large_left = size
                self._in_property = False
                return position
        if left < size:
            return -1
        try:
            value = parse_value(self._type, data[position : position + size])
        except WireError as error:
            raise self._error(error.reason, start) from error
        position += size
        if self._multiple:
            self._values.append(value)
            self._values_size += size
            self._count -= 1
            return self._finish_multiple(position, lexemes)
        lexemes.append(Property(self._tag, self._name, value))
        self._in_property = False
        return position

    def _finish_multiple(self, position: int, lexemes: list[Lexeme]) -> int:
        if not self._count:
            lexemes.append(Property(self._tag, self._name, self._values))
            self._in_property = False
        return position
