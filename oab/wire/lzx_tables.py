"""What the two directions of LZX DELTA share: sizes, positions, Huffman codes (MS-PATCH 2.2 to 2.6)."""

import heapq
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

CHUNK: Final = 0x8000
"""Uncompressed bytes of every chunk but the last (2.2)."""
VERBATIM, ALIGNED, UNCOMPRESSED = 1, 2, 3
LITERALS: Final = 256
LENGTH_SYMBOLS: Final = 249
PRETREE_SYMBOLS: Final = 20
ALIGNED_SYMBOLS: Final = 8
MIN_MATCH: Final = 2
MAX_MATCH: Final = 257
"""The longest match that the length symbols express; the format of deltas extends it by up to 15 bits (2.6.7)."""
PRIMARY_LENGTHS: Final = 7

_SLOTS: Final = {17: 34, 18: 36, 19: 38, 20: 42, 21: 50, 22: 66, 23: 98, 24: 162, 25: 290}
_MOST_SLOTS: Final = 290

EXTRA_BITS: Final = tuple(0 if slot < 2 else min(17, slot // 2 - 1) for slot in range(_MOST_SLOTS))
"""Verbatim bits behind a position slot."""
BASE_POSITION: Final = (0, *accumulate(1 << bits for bits in EXTRA_BITS))[:_MOST_SLOTS]


def position_slots(reference_size: int, target_size: int) -> int:
    """The number of position slots of the smallest window that holds reference and target. Raises ValueError."""
    size = -(-reference_size // CHUNK) * CHUNK + target_size
    bits = max(17, (size - 1).bit_length())
    if bits not in _SLOTS:
        raise ValueError(f"no window holds {size} bytes")
    return _SLOTS[bits]


def code_lengths(counts: Sequence[int], longest: int) -> list[int]:
    """Lengths of a complete Huffman code, none above ``longest``; a code has at least two symbols, or none."""
    weights = list(counts)
    used = [symbol for symbol, count in enumerate(weights) if count]
    if not used:
        return [0] * len(weights)
    if len(used) == 1:  # a tree needs two leaves
        used.append(0 if used[0] else 1)
        weights[used[1]] = 1
    while True:
        lengths = _lengths(weights, used)
        if max(lengths) <= longest:
            return lengths
        weights = [(count + 1) // 2 for count in weights]


def _lengths(weights: Sequence[int], used: Sequence[int]) -> list[int]:
    heap: list[tuple[int, int, tuple[int, ...]]] = [(weights[symbol], symbol, (symbol,)) for symbol in used]
    heapq.heapify(heap)
    lengths = [0] * len(weights)
    order = len(weights)
    while len(heap) > 1:
        first, second = heapq.heappop(heap), heapq.heappop(heap)
        members = first[2] + second[2]
        for symbol in members:
            lengths[symbol] += 1
        order += 1
        heapq.heappush(heap, (first[0] + second[0], order, members))
    return lengths


def codes(lengths: Sequence[int]) -> list[int]:
    """The canonical codes of these lengths: shorter before longer, then in the order of the symbols (2.6)."""
    result = [0] * len(lengths)
    code = 0
    previous = 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(lengths) if length):
        code <<= length - previous
        result[symbol] = code
        previous = length
        code += 1
    return result
