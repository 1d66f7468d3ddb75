"""A pull cursor over bytes, for the structures that come by the thousand.

Property values and rows, FastTransfer streams and id sets are read with it; everything else is a Construct
definition (``definition.py``). All integers are little-endian (MS-DTYP 2.2).
"""

import struct
from uuid import UUID

from mapigw.wire.errors import WireError

_U16 = struct.Struct("<H")
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")
_I16 = struct.Struct("<h")
_I32 = struct.Struct("<i")
_I64 = struct.Struct("<q")
_F32 = struct.Struct("<f")
_F64 = struct.Struct("<d")


class Cursor:
    """Reads values one after the other; every read past ``end`` raises `WireError`."""

    __slots__ = ("data", "depth", "end", "position")

    def __init__(self, data: bytes, position: int = 0, end: int | None = None) -> None:
        self.data = data
        self.position = position
        self.end = len(data) if end is None else end
        self.depth = 0  # of nested structures, for those that limit it

    @property
    def remaining(self) -> int:
        return self.end - self.position

    def fail(self, reason: str, field: str = "") -> WireError:
        return WireError(reason, offset=self.position, field=field)

    def _advance(self, size: int) -> int:
        start = self.position
        if size < 0 or size > self.end - start:
            raise WireError(f"{size} bytes needed, {self.end - start} left", offset=start)
        self.position = start + size
        return start

    def take(self, size: int) -> bytes:
        start = self._advance(size)
        return self.data[start : start + size]

    def uint8(self) -> int:
        return self.data[self._advance(1)]

    def uint16(self) -> int:
        value: int = _U16.unpack_from(self.data, self._advance(2))[0]
        return value

    def uint32(self) -> int:
        value: int = _U32.unpack_from(self.data, self._advance(4))[0]
        return value

    def uint64(self) -> int:
        value: int = _U64.unpack_from(self.data, self._advance(8))[0]
        return value

    def int16(self) -> int:
        value: int = _I16.unpack_from(self.data, self._advance(2))[0]
        return value

    def int32(self) -> int:
        value: int = _I32.unpack_from(self.data, self._advance(4))[0]
        return value

    def int64(self) -> int:
        value: int = _I64.unpack_from(self.data, self._advance(8))[0]
        return value

    def float32(self) -> float:
        value: float = _F32.unpack_from(self.data, self._advance(4))[0]
        return value

    def float64(self) -> float:
        value: float = _F64.unpack_from(self.data, self._advance(8))[0]
        return value

    def guid(self) -> UUID:
        return UUID(bytes_le=self.take(16))

    def count(self, value: int, minimum_size: int) -> int:
        """Check a count named by the peer against what the rest of the buffer can hold."""
        if value * minimum_size > self.end - self.position:
            raise self.fail(f"count {value} exceeds the buffer")
        return value

    def string8(self) -> bytes:
        """The bytes of a string up to its terminating NUL, which is consumed."""
        end = self.data.find(b"\0", self.position, self.end)
        if end < 0:
            raise self.fail("unterminated string")
        value = self.data[self.position : end]
        self.position = end + 1
        return value

    def string(self) -> str:
        """A UTF-16LE string up to its terminating NUL, which is consumed.

        Unpaired surrogates survive (``surrogatepass``): clients store them, and they must come back unchanged.
        """
        start = end = self.position
        while True:
            end = self.data.find(b"\0\0", end, self.end)
            if end < 0:
                raise self.fail("unterminated string")
            if (end - start) % 2 == 0:
                break
            end += 1
        self.position = end + 2
        return self.data[start:end].decode("utf-16-le", "surrogatepass")
