"""The bit stream of LZX: 16-bit words, little-endian, filled from their highest bit (MS-PATCH 2.1), and its codes."""

from collections.abc import Sequence
from typing import Final

from mapigw.wire.errors import WireError
from oab.wire import lzx_tables as lzx

_FLUSH_BITS: Final = 1 << 12


class BitWriter:
    """The bits of one chunk."""

    def __init__(self) -> None:
        self._out = bytearray()
        self._bits = 0
        self._count = 0

    def write(self, value: int, count: int) -> None:
        self._bits = self._bits << count | value
        self._count += count
        if self._count >= _FLUSH_BITS:
            self._flush(self._count & 15)

    def _flush(self, keep: int) -> None:
        whole = self._bits >> keep
        size = (self._count - keep) // 8
        words = bytearray(whole.to_bytes(size, "big"))
        words[0::2], words[1::2] = words[1::2], words[0::2]
        self._out += words
        self._bits &= (1 << keep) - 1
        self._count = keep

    def finish(self) -> bytes:
        """Everything, filled up with zeros to a whole word."""
        padding = -self._count % 16
        self.write(0, padding)
        self._flush(0)
        return bytes(self._out)


class BitReader:
    """The bits of one chunk; bytes of uncompressed blocks stand between them. Raises `WireError` at its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0
        self._bits = 0
        self._count = 0

    def _need(self, count: int) -> None:
        while self._count < count:
            word = self._data[self._position : self._position + 2]
            if len(word) < 2:
                raise WireError("the bits of a chunk end early", offset=self._position)
            self._bits = (self._bits & (1 << self._count) - 1) << 16 | word[1] << 8 | word[0]
            self._count += 16
            self._position += 2

    def read(self, count: int) -> int:
        self._need(count)
        self._count -= count
        return self._bits >> self._count & (1 << count) - 1

    def align(self) -> None:
        """Leave 1 to 16 bits out, so that bytes follow (2.3.2.1)."""
        self._need(self._count or 1)
        self._count = 0

    def take(self, size: int) -> bytes:
        """Bytes, where no bits are under way."""
        data = self._data[self._position : self._position + size]
        if len(data) != size or self._count:
            raise WireError(f"{size} bytes needed, {len(data)} left", offset=self._position)
        self._position += size
        return data


class Decoder:
    """Reads symbols of one canonical Huffman code. Raises `WireError` for lengths that make no complete code."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self._symbols = {
            (length, code): symbol
            for symbol, (length, code) in enumerate(zip(lengths, lzx.codes(lengths), strict=True))
            if length
        }
        self._longest = max(lengths, default=0)
        if self._symbols and sum(1 << 16 - length for length in lengths if length) != 1 << 16:
            raise WireError("code lengths that are no tree")

    def read(self, bits: BitReader) -> int:
        code = 0
        for length in range(1, self._longest + 1):
            code = code << 1 | bits.read(1)
            symbol = self._symbols.get((length, code))
            if symbol is not None:
                return symbol
        raise WireError("a symbol of an empty tree")
