"""What a new details file takes over from an old one, in blocks for a differential file (MS-OXOAB 2.10).

Records are compared whole. Those of the longest series that stands in both files in the same order are copied; between
two of them, what the old and the new file begin and end with alike is copied too, and the rest is written out.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from mmap import mmap
from typing import BinaryIO, Final, NamedTuple

from oab.wire.container import BLOCK_SIZE
from oab.wire.details import HEADER_SIZE, OabHeader
from oab.wire.lzx_delta import Copy
from oab.wire.patch import VERSION, PatchHeader, build_block

Data = bytes | mmap
"""A whole details file, perhaps mapped into memory."""
_SHORTEST: Final = 8  # bytes worth a copy


class _Piece(NamedTuple):
    """``source`` bytes of the old file become ``target`` bytes of the new one; the same ones if ``same``."""

    source: int
    target: int
    same: bool


class _Block(NamedTuple):
    source: int
    target: int
    copies: list[Copy]


def write_patch(old: Data, new: Data, out: BinaryIO, *, block_size: int = BLOCK_SIZE) -> bool:
    """Write the differential file from ``old`` to ``new``.

    False, with the file half written, where it would be no gain: when it becomes larger than half of ``new``.
    """
    start = out.tell()
    blocks = _blocks(_joined(_pieces(old, new)), block_size)
    header = {
        "version_hi": VERSION[0],
        "version_lo": VERSION[1],
        "block_max": block_size,
        "source_size": len(old),
        "target_size": len(new),
        "source_crc": OabHeader.parse(old[:HEADER_SIZE]).serial,
        "target_crc": OabHeader.parse(new[:HEADER_SIZE]).serial,
    }
    out.write(PatchHeader.build(header))
    position = 0
    for block in blocks:
        if block is None:
            return False
        data = build_block(block.source, new[position : position + block.target], block.copies)
        if len(data) - 16 > block_size or out.tell() - start + len(data) > max(len(new) // 2, block_size):
            return False
        out.write(data)
        position += block.target
    return True


def _pieces(old: Data, new: Data) -> Iterator[_Piece]:
    source = target = 0
    for old_start, new_start, size in _common_records(old, new):
        yield from _gap(old, new, source, old_start, target, new_start)
        yield _Piece(size, size, True)
        source, target = old_start + size, new_start + size
    yield from _gap(old, new, source, len(old), target, len(new))


def _gap(old: Data, new: Data, source: int, source_end: int, target: int, target_end: int) -> Iterator[_Piece]:
    before, after = old[source:source_end], new[target:target_end]
    if not before or not after:
        if before or after:
            yield _Piece(len(before), len(after), False)
        return
    head = _alike(before, after)
    head = head if head >= _SHORTEST else 0
    before, after = before[head:], after[head:]
    tail = _alike(before[::-1], after[::-1])
    tail = tail if tail >= _SHORTEST else 0
    for piece in (
        _Piece(head, head, True),
        _Piece(len(before) - tail, len(after) - tail, False),
        _Piece(tail, tail, True),
    ):
        if piece.source or piece.target:
            yield piece


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_records(old: Data, new: Data) -> Iterator[tuple[int, int, int]]:
    """(start in old, start in new, size) of the longest increasing series of equal records."""
    starts = _starts(old)
    known = {hash(old[start:end]): index for index, (start, end) in enumerate(pairwise(starts))}
    new_starts = _starts(new)
    found: list[tuple[int, int]] = []
    for index, (start, end) in enumerate(pairwise(new_starts)):
        record = new[start:end]
        other = known.get(hash(record))
        if other is not None and old[starts[other] : starts[other + 1]] == record:
            found.append((other, index))
    for other, index in _longest_increasing(found):
        yield starts[other], new_starts[index], new_starts[index + 1] - new_starts[index]


def _starts(data: Data) -> list[int]:
    """Where the records behind OAB_HDR begin, and where the last one ends."""
    starts = [HEADER_SIZE]
    while starts[-1] < len(data):
        position = starts[-1]
        starts.append(position + int.from_bytes(data[position : position + 4], "little"))
    return starts


def _longest_increasing(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest series whose first members increase, of pairs whose second members do."""
    tails: list[int] = []  # of the series of each length, the least last member
    places: list[int] = []  # and its place in ``pairs``
    previous: list[int] = []
    for place, (value, _) in enumerate(pairs):
        length = bisect_left(tails, value)
        previous.append(places[length - 1] if length else -1)
        if length == len(tails):
            tails.append(value)
            places.append(place)
        else:
            tails[length] = value
            places[length] = place
    series = []
    place = places[-1] if places else -1
    while place >= 0:
        series.append(pairs[place])
        place = previous[place]
    return series[::-1]


def _joined(pieces: Iterator[_Piece]) -> list[_Piece]:
    joined: list[_Piece] = []
    for piece in pieces:
        if joined and joined[-1].same == piece.same:
            last = joined.pop()
            piece = _Piece(last.source + piece.source, last.target + piece.target, piece.same)
        joined.append(piece)
    return joined


def _blocks(pieces: list[_Piece], limit: int) -> Iterator[_Block | None]:
    """Blocks of at most ``limit`` source and target bytes; None where the pieces cannot be cut into such."""
    source = target = 0
    copies: list[Copy] = []

    def flush() -> _Block:
        nonlocal source, target, copies
        block = _Block(source, target, copies)
        source, target, copies = 0, 0, []
        return block

    for index, piece in enumerate(pieces):
        left_source, left_target, same = piece
        if same:
            while left_target:
                size = min(limit - source, limit - target, left_target)
                if size:
                    copies.append(Copy(target, source, size))
                    source, target, left_target = source + size, target + size, left_target - size
                if left_target:
                    yield flush()
            continue
        if index + 1 == len(pieces):
            left_source = 0  # what nothing follows need not be read
        lack = -(-(source + left_source) // limit) - left_target
        if lack > 0 and left_source > limit - source:
            # Every block must make something: the bytes that come next are written out instead of copied.
            following = pieces[index + 1]
            if following.target < lack:
                yield None
                return
            pieces[index + 1] = _Piece(following.source - lack, following.target - lack, True)
            left_source, left_target = left_source + lack, left_target + lack
        while left_source or left_target:
            size = min(limit - source, left_source)
            left_source -= size
            source += size
            keep = -(-left_source // limit)
            made = min(limit - target, left_target - keep)
            left_target -= made
            target += made
            if left_source or left_target:
                yield flush()
    if target:
        yield flush()
