"""Bytes read strictly in order, and property values (MS-OXCDATA 2.11) with them."""

import struct
from dataclasses import dataclass
from typing import Any
from uuid import UUID


class ViolationError(Exception):
    """The server broke a rule; the text says which rule of which section, and where."""

    def __init__(self, section: str, text: str) -> None:
        super().__init__(f"{section}: {text}")
        self.section = section
        self.text = text


@dataclass(frozen=True, slots=True)
class Name:
    """PropertyName (MS-OXCDATA 2.6.1) with the type of the value that carried it."""

    guid: UUID
    lid: int | None
    name: str | None
    type: int


Tag = int | Name
Properties = dict[Tag, Any]


@dataclass(frozen=True, slots=True)
class PropertyError:
    """A PtypErrorCode in the place of a value."""

    code: int


class Reader:
    """A cursor over one buffer; every overrun is a violation that names the structure being read."""

    def __init__(self, data: bytes, what: str, section: str) -> None:
        self.data = data
        self.position = 0
        self.what = what
        self.section = section

    def fail(self, text: str) -> ViolationError:
        return ViolationError(self.section, f"{self.what} at byte {self.position} of {len(self.data)}: {text}")

    @property
    def left(self) -> int:
        return len(self.data) - self.position

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise self.fail(f"{size} bytes wanted, {self.left} left")
        start = self.position
        self.position += size
        return self.data[start : self.position]

    def _unpack(self, form: str, size: int) -> Any:
        return struct.unpack(form, self.take(size))[0]

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int(self._unpack("<H", 2))

    def u32(self) -> int:
        return int(self._unpack("<I", 4))

    def u64(self) -> int:
        return int(self._unpack("<Q", 8))

    def guid(self) -> UUID:
        return UUID(bytes_le=self.take(16))

    def ascii(self) -> str:
        end = self.data.find(b"\0", self.position)
        if end < 0:
            raise self.fail("a string without its NUL")
        raw = self.take(end - self.position)
        self.position += 1
        try:
            return raw.decode("ascii")
        except UnicodeDecodeError as error:
            raise self.fail(f"not ASCII: {raw!r}") from error

    def bytes_to_nul(self) -> bytes:
        end = self.data.find(b"\0", self.position)
        if end < 0:
            raise self.fail("a string without its NUL")
        raw = self.take(end - self.position)
        self.position += 1
        return raw

    def unicode(self) -> str:
        end = self.position
        while self.data[end : end + 2] != b"\0\0":
            if end + 2 > len(self.data):
                raise self.fail("a Unicode string without its NUL")
            end += 2
        raw = self.take(end - self.position)
        self.position += 2
        return raw.decode("utf-16-le", "surrogatepass")

    def boolean(self) -> bool:
        value = self.u8()
        if value not in (0, 1, 0xFF):
            raise self.fail(f"a Boolean of 0x{value:02X}")
        return value != 0

    def end(self) -> None:
        if self.left:
            raise self.fail(f"{self.left} bytes too many: {self.data[self.position : self.position + 16].hex()}")

    def value(self, kind: int, *, wide: bool = False) -> Any:
        """One PropertyValue. ``wide``: binaries carry 32-bit counts (NSPI), else 16-bit ones (ROPs)."""
        if kind & 0x1000:
            return [self.value(kind & ~0x1000, wide=wide) for _ in range(self.u32())]
        scalar = _SCALARS.get(kind)
        if scalar is not None:
            return self._unpack(*scalar)
        match kind:
            case 0x0001:
                return None
            case 0x000B:
                value = self.u8()
                if value > 1:
                    raise self.fail(f"PtypBoolean 0x{value:02X}")
                return bool(value)
            case 0x001E:
                return self.bytes_to_nul()
            case 0x001F:
                return self.unicode()
            case 0x0048:
                return self.guid()
            case 0x0102 | 0x00FB:
                return self.take(self.u32() if wide else self.u16())
            case 0x000A:
                return PropertyError(self.u32())
        raise self.fail(f"property type 0x{kind:04X} has no business here")

    def row(self, tags: list[int]) -> Properties:
        """PropertyRow (MS-OXCDATA 2.8.1) for ``tags``; absent values come as `PropertyError` or are left out."""
        flagged = self.u8()
        if flagged > 1:
            raise self.fail(f"PropertyRow flag 0x{flagged:02X} (MS-OXCDATA 2.8.1)")
        values: Properties = {}
        for tag in tags:
            kind = tag & 0xFFFF
            if kind == 0:
                kind = self.u16()
                tag |= kind
            if flagged:
                flag = self.u8()
                if flag == 0x01:
                    continue
                if flag == 0x0A:
                    values[tag] = PropertyError(self.u32())
                    continue
                if flag:
                    raise self.fail(f"FlaggedPropertyValue flag 0x{flag:02X} (MS-OXCDATA 2.11.5)")
            values[tag] = self.value(kind)
        return values


_SCALARS: dict[int, tuple[str, int]] = {
    0x0002: ("<h", 2),
    0x0003: ("<i", 4),
    0x0004: ("<f", 4),
    0x0005: ("<d", 8),
    0x0006: ("<q", 8),
    0x0007: ("<d", 8),
    0x0014: ("<q", 8),
    0x0040: ("<Q", 8),
}


def push_value(kind: int, value: Any) -> bytes:
    """The PropertyValue of the few types that this client writes."""
    match kind:
        case 0x0102:
            return struct.pack("<H", len(value)) + bytes(value)
        case 0x0003:
            return struct.pack("<i", value)
        case 0x001F:
            return str(value).encode("utf-16-le") + b"\0\0"
        case 0x000B:
            return struct.pack("<?", value)
        case 0x0040:
            return struct.pack("<Q", value)
    raise ValueError(f"type 0x{kind:04X}")
