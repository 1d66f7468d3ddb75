"""LZX DELTA as a client expands it (MS-PATCH 2)."""

from itertools import accumulate

from tests.outlook.reader import ViolationError

_FOOTERS = [0, 0, *(min(17, slot // 2 - 1) for slot in range(2, 290))]
_BASES = [0, *accumulate(1 << bits for bits in _FOOTERS)]
_SLOTS = {17: 34, 18: 36, 19: 38, 20: 42, 21: 50, 22: 66, 23: 98, 24: 162, 25: 290}


def _fail(text: str) -> ViolationError:
    return ViolationError("MS-PATCH 2", text)


class _Bits:
    """The bits of one chunk as one number."""

    def __init__(self, chunk: bytes) -> None:
        words = bytearray(chunk)
        words[0::2], words[1::2] = chunk[1::2], chunk[0::2]
        self.text = f"{int.from_bytes(words, 'big'):0{len(chunk) * 8}b}"
        self.position = 0

    def read(self, count: int) -> int:
        bits = self.text[self.position : self.position + count]
        if len(bits) != count:
            raise _fail("a chunk ends early")
        self.position += count
        return int(bits, 2) if bits else 0

    def symbol(self, tree: dict[str, int]) -> int:
        for length in range(1, 17):
            found = tree.get(self.text[self.position : self.position + length])
            if found is not None:
                self.position += length
                return found
        raise _fail("no such symbol")


def _tree(lengths: list[int]) -> dict[str, int]:
    """2.6: codes of a length are consecutive numbers, longer ones follow."""
    tree, code, width = {}, 0, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        code <<= length - width
        width = length
        tree[f"{code:0{length}b}"] = symbol
        code += 1
    if tree and code != 1 << width:
        raise _fail("a tree with open ends")
    return tree


def _lengths(bits: _Bits, previous: list[int]) -> list[int]:
    """2.5: lengths as differences to the previous block's, behind a tree of 20 symbols."""
    pretree = _tree([bits.read(4) for _ in range(20)])
    found: list[int] = []
    while len(found) < len(previous):
        symbol = bits.symbol(pretree)
        if symbol == 17:
            found += [0] * (bits.read(4) + 4)
        elif symbol == 18:
            found += [0] * (bits.read(5) + 20)
        elif symbol == 19:
            count = bits.read(1) + 4
            found += [(previous[len(found)] - bits.symbol(pretree)) % 17] * count
        else:
            found.append((previous[len(found)] - symbol) % 17)
    if len(found) != len(previous):
        raise _fail("a run beyond its tree")
    return found


def inflate(data: bytes, reference: bytes, size: int) -> bytes:
    """``size`` bytes in the context of ``reference``; verbatim blocks are all that is expected here."""
    window = (-(-len(reference) // 0x8000) * 0x8000 + size - 1).bit_length()
    main_lengths, length_lengths = [0] * (256 + 8 * _SLOTS[max(17, window)]), [0] * 249
    out = bytearray(reference)
    recent = [1, 1, 1]
    block_left = position = 0
    while len(out) < len(reference) + size:
        chunk_size = int.from_bytes(data[position : position + 2], "little")
        bits = _Bits(data[position + 2 : position + 2 + chunk_size])
        if position == 0 and bits.read(1):
            raise _fail("E8 translation")
        position += 2 + chunk_size
        end = min(len(out) + 0x8000, len(reference) + size)
        while len(out) < end:
            if not block_left:
                if bits.read(3) != 1:
                    raise _fail("not a verbatim block")
                block_left = bits.read(24)
                main_lengths = _lengths(bits, main_lengths[:256]) + _lengths(bits, main_lengths[256:])
                length_lengths = _lengths(bits, length_lengths)
                main, lengths = _tree(main_lengths), _tree(length_lengths)
            before = len(out)
            _token(bits, out, main, lengths, recent)
            block_left -= len(out) - before
        if len(out) > end:
            raise _fail("a match beyond its chunk")
        if len(bits.text) - bits.position > 15 or "1" in bits.text[bits.position :]:
            raise _fail("a chunk is not padded with up to 15 zeros (2.2)")
    if position != len(data):
        raise _fail("bytes behind the last chunk")
    return bytes(out[len(reference) :])


def _token(bits: _Bits, out: bytearray, main: dict[str, int], lengths: dict[str, int], recent: list[int]) -> None:
    symbol = bits.symbol(main)
    if symbol < 256:
        out.append(symbol)
        return
    slot, header = divmod(symbol - 256, 8)
    length = header + 2 + (bits.symbol(lengths) if header == 7 else 0)
    if slot < 3:
        distance = recent[slot]
        recent[slot], recent[0] = recent[0], distance
    else:
        distance = _BASES[slot] + bits.read(_FOOTERS[slot]) - 2
        recent[:] = [distance, *recent[:2]]
    if length == 257:
        for width, base in ((8, 0), (10, 0x100), (12, 0x500), (15, 0)):
            if width == 15 or not bits.read(1):
                length += base + bits.read(width)
                break
    if not 0 < distance <= len(out):
        raise _fail(f"distance {distance} of {len(out)}")
    for _ in range(length):
        out.append(out[-distance])
