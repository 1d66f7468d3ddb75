"""LZX DELTA (MS-PATCH): data compressed in the context of a reference that both sides have.

`encode` writes what it is told to copy and everything else as literals, in one verbatim block; finding what can be
copied is the caller's business. `decode` reads all block types.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from mapigw.wire.errors import WireError
from oab.wire import lzx_tables as lzx
from oab.wire.lzx_bits import BitReader, BitWriter, Decoder

_TREE_BITS: Final = 16
_PRETREE_BITS: Final = 15


class Copy(NamedTuple):
    """``length`` bytes at ``target`` that are those of the reference at ``source``."""

    target: int
    source: int
    length: int


class _Match(NamedTuple):
    symbol: int  # of the main tree
    length: int
    footer: int
    footer_bits: int


_Token = int | _Match  # a literal is its byte


def encode(reference_size: int, target: bytes, copies: Sequence[Copy]) -> bytes:
    """The stream that makes ``target`` of a reference; ``copies`` are in order and do not overlap."""
    slots = lzx.position_slots(reference_size, len(target))
    chunks = list(_chunks(reference_size, target, copies))
    main_counts = [0] * (lzx.LITERALS + 8 * slots)
    length_counts = [0] * lzx.LENGTH_SYMBOLS
    for chunk in chunks:
        for token in chunk:
            if isinstance(token, int):
                main_counts[token] += 1
            else:
                main_counts[token.symbol] += 1
                if token.length >= lzx.MIN_MATCH + lzx.PRIMARY_LENGTHS:
                    length_counts[_length_symbol(token.length)] += 1
    main_lengths = lzx.code_lengths(main_counts, _TREE_BITS)
    length_lengths = lzx.code_lengths(length_counts, _TREE_BITS)
    main_codes, length_codes = lzx.codes(main_lengths), lzx.codes(length_lengths)

    out = bytearray()
    for index, chunk in enumerate(chunks):
        bits = BitWriter()
        if index == 0:
            bits.write(0, 1)  # no E8 translation
            bits.write(lzx.VERBATIM, 3)
            bits.write(len(target), 24)
            _write_lengths(bits, main_lengths[: lzx.LITERALS])
            _write_lengths(bits, main_lengths[lzx.LITERALS :])
            _write_lengths(bits, length_lengths)
        for token in chunk:
            if isinstance(token, int):
                bits.write(main_codes[token], main_lengths[token])
                continue
            bits.write(main_codes[token.symbol], main_lengths[token.symbol])
            if token.length >= lzx.MIN_MATCH + lzx.PRIMARY_LENGTHS:
                symbol = _length_symbol(token.length)
                bits.write(length_codes[symbol], length_lengths[symbol])
            bits.write(token.footer, token.footer_bits)
            if token.length >= lzx.MAX_MATCH:
                _write_extra_length(bits, token.length - lzx.MAX_MATCH)
        data = bits.finish()
        out += len(data).to_bytes(2, "little")
        out += data
    return bytes(out)


def _length_symbol(length: int) -> int:
    return min(length, lzx.MAX_MATCH) - lzx.MIN_MATCH - lzx.PRIMARY_LENGTHS


def _chunks(reference_size: int, target: bytes, copies: Sequence[Copy]) -> Iterator[list[_Token]]:
    """The tokens of every chunk; a match does not reach into the next one."""
    tokens: list[_Token] = []
    position = 0
    latest = 1  # R0, the distance that costs no footer

    def literals(end: int) -> Iterator[list[_Token]]:
        nonlocal position, tokens
        while position < end:
            stop = min(end, (position // lzx.CHUNK + 1) * lzx.CHUNK)
            tokens.extend(target[position:stop])
            position = stop
            if position % lzx.CHUNK == 0:
                yield tokens
                tokens = []

    for copy in copies:
        yield from literals(copy.target)
        distance = reference_size - copy.source + copy.target
        end = copy.target + copy.length
        while position < end:
            length = min(end, (position // lzx.CHUNK + 1) * lzx.CHUNK) - position
            if length < lzx.MIN_MATCH:
                yield from literals(position + length)
                continue
            tokens.append(_match(distance, latest, length))
            latest = distance
            position += length
            if position % lzx.CHUNK == 0:
                yield tokens
                tokens = []
    yield from literals(len(target))
    if tokens:
        yield tokens


def _match(distance: int, latest: int, length: int) -> _Match:
    slot, footer, bits = 0, 0, 0
    if distance != latest:
        formatted = distance + 2
        slot = _slot(formatted)
        footer, bits = formatted - lzx.BASE_POSITION[slot], lzx.EXTRA_BITS[slot]
    header = min(length - lzx.MIN_MATCH, lzx.PRIMARY_LENGTHS)
    return _Match(lzx.LITERALS + slot * 8 + header, length, footer, bits)


def _slot(formatted: int) -> int:
    low, high = 0, len(lzx.BASE_POSITION)
    while high - low > 1:
        middle = (low + high) // 2
        if lzx.BASE_POSITION[middle] <= formatted:
            low = middle
        else:
            high = middle
    return low


def _write_extra_length(bits: BitWriter, extra: int) -> None:
    """MS-PATCH 2.6.7: prefixes 0, 10, 110 and 111 before 8, 10, 12 and 15 bits."""
    if extra < 0x100:
        bits.write(extra, 9)
    elif extra < 0x500:
        bits.write(0b10 << 10 | extra - 0x100, 12)
    elif extra < 0x1500:
        bits.write(0b110 << 12 | extra - 0x500, 15)
    else:
        bits.write(0b111 << 15 | extra, 18)


def _write_lengths(bits: BitWriter, lengths: Sequence[int]) -> None:
    """The lengths of a tree by a tree of their own (2.5): runs of zeros, else the difference to zero modulo 17."""
    symbols: list[tuple[int, int, int]] = []
    index = 0
    while index < len(lengths):
        run = 0
        while index + run < len(lengths) and lengths[index + run] == 0 and run < 51:
            run += 1
        if run >= 20:
            symbols.append((18, run - 20, 5))
        elif run >= 4:
            symbols.append((17, run - 4, 4))
        else:
            run = 1
            symbols.append(((17 - lengths[index]) % 17, 0, 0))
        index += run
    counts = [0] * lzx.PRETREE_SYMBOLS
    for symbol, _, _ in symbols:
        counts[symbol] += 1
    pretree_lengths = lzx.code_lengths(counts, _PRETREE_BITS)
    pretree = lzx.codes(pretree_lengths)
    for length in pretree_lengths:
        bits.write(length, 4)
    for symbol, extra, extra_bits in symbols:
        bits.write(pretree[symbol], pretree_lengths[symbol])
        bits.write(extra, extra_bits)


def decode(data: bytes, reference: bytes, target_size: int) -> bytes:
    """The target. Raises `WireError`."""
    try:
        slots = lzx.position_slots(len(reference), target_size)
    except ValueError as error:
        raise WireError(str(error)) from None
    return _Stream(data, reference, target_size, slots).target()


class _Stream:
    """One stream that is being decoded: what lasts from chunk to chunk and from block to block."""

    def __init__(self, data: bytes, reference: bytes, target_size: int, slots: int) -> None:
        self._data = data
        self._window = bytearray(reference)
        self._end = len(reference) + target_size
        self._origin = len(reference)
        self._recent = [1, 1, 1]
        self._block_type = 0
        self._block_left = 0
        self._odd = False
        self._main_lengths = [0] * (lzx.LITERALS + 8 * slots)
        self._length_lengths = [0] * lzx.LENGTH_SYMBOLS
        self._main = self._length = self._aligned = Decoder(())

    def target(self) -> bytes:
        position = 0
        while len(self._window) < self._end:
            size = int.from_bytes(self._data[position : position + 2], "little")
            chunk = self._data[position + 2 : position + 2 + size]
            if len(chunk) != size or not size:
                raise WireError("a chunk ends early", offset=position)
            bits = BitReader(chunk)
            if position == 0 and bits.read(1):
                raise WireError("data with E8 translation", offset=position)
            self._chunk(bits)
            position += 2 + size
        return bytes(self._window[self._origin :])

    def _chunk(self, bits: BitReader) -> None:
        end = min(self._end, len(self._window) + lzx.CHUNK)
        while len(self._window) < end:
            if not self._block_left:
                self._begin_block(bits)
            before = len(self._window)
            if self._block_type == lzx.UNCOMPRESSED:
                self._window += bits.take(min(self._block_left, end - before))
            else:
                self._tokens(bits, min(end, before + self._block_left))
            self._block_left -= len(self._window) - before
            if len(self._window) > end or self._block_left < 0:
                raise WireError("a match reaches beyond its block or chunk")

    def _begin_block(self, bits: BitReader) -> None:
        if self._odd:
            bits.take(1)
            self._odd = False
        self._block_type, self._block_left = bits.read(3), bits.read(24)
        if not self._block_left:
            raise WireError("an empty block")
        if self._block_type == lzx.UNCOMPRESSED:
            bits.align()
            self._recent = [int.from_bytes(bits.take(4), "little") for _ in range(3)]
            self._odd = self._block_left % 2 == 1
            return
        if self._block_type == lzx.ALIGNED:
            self._aligned = Decoder([bits.read(3) for _ in range(lzx.ALIGNED_SYMBOLS)])
        elif self._block_type != lzx.VERBATIM:
            raise WireError(f"a block of type {self._block_type}")
        _read_lengths(bits, self._main_lengths, 0, lzx.LITERALS)
        _read_lengths(bits, self._main_lengths, lzx.LITERALS, len(self._main_lengths))
        _read_lengths(bits, self._length_lengths, 0, lzx.LENGTH_SYMBOLS)
        self._main, self._length = Decoder(self._main_lengths), Decoder(self._length_lengths)

    def _tokens(self, bits: BitReader, end: int) -> None:
        window, main = self._window, self._main
        while len(window) < end:
            symbol = main.read(bits)
            if symbol < lzx.LITERALS:
                window.append(symbol)
                continue
            slot, header = divmod(symbol - lzx.LITERALS, 8)
            length = header + lzx.MIN_MATCH
            if header == lzx.PRIMARY_LENGTHS:
                length += self._length.read(bits)
            distance = self._distance(bits, slot)
            if length == lzx.MAX_MATCH:
                length += _read_extra_length(bits)
            self._copy(distance, length)

    def _distance(self, bits: BitReader, slot: int) -> int:
        recent = self._recent
        if slot < 3:
            recent[0], recent[slot] = recent[slot], recent[0]
            return recent[0]
        extra = lzx.EXTRA_BITS[slot]
        if self._block_type == lzx.ALIGNED and extra >= 3:
            footer = bits.read(extra - 3) << 3
            footer |= self._aligned.read(bits)
        else:
            footer = bits.read(extra)
        distance = lzx.BASE_POSITION[slot] + footer - 2
        self._recent = [distance, recent[0], recent[1]]
        return distance

    def _copy(self, distance: int, length: int) -> None:
        window = self._window
        start = len(window) - distance
        if start < 0 or distance < 1 or len(window) + length > self._end:
            raise WireError(f"a match of {length} bytes at distance {distance}")
        if distance >= length:
            window += window[start : start + length]
        else:
            pattern = bytes(window[start:])
            window += (pattern * (length // distance + 1))[:length]


def _read_extra_length(bits: BitReader) -> int:
    if not bits.read(1):
        return bits.read(8)
    if not bits.read(1):
        return 0x100 + bits.read(10)
    if not bits.read(1):
        return 0x500 + bits.read(12)
    return bits.read(15)


def _read_lengths(bits: BitReader, lengths: list[int], start: int, end: int) -> None:
    pretree = Decoder([bits.read(4) for _ in range(lzx.PRETREE_SYMBOLS)])
    index = start
    while index < end:
        symbol = pretree.read(bits)
        if symbol <= 16:
            run, length = 1, (lengths[index] - symbol) % 17
        elif symbol == 17:
            run, length = 4 + bits.read(4), 0
        elif symbol == 18:
            run, length = 20 + bits.read(5), 0
        else:
            run = 4 + bits.read(1)
            length = (lengths[index] - pretree.read(bits)) % 17
        if index + run > end:
            raise WireError("a run of lengths beyond its tree")
        lengths[index : index + run] = [length] * run
        index += run
