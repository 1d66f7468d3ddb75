"""GLOBSET, IDSET and CNSET: sets of 48-bit counters in ranges (MS-OXCFXICS 2.2.2.4, 2.2.2.6, 3.1.5.4).

A set lives in memory as sorted, disjoint, non-adjacent ranges; nothing here ever expands a range into its ids, so a
hostile range of 2^48 ids costs what any other range costs. All work is linear in the ranges.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final, Self
from uuid import UUID

from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError

COUNTER_MAXIMUM: Final = (1 << 48) - 1
RANGES_MAXIMUM: Final = 1 << 20
"""Ranges of one IDSET: ten times those of a mailbox in the worst order. Three bytes may stand for five of them."""
REPLICAS_MAXIMUM: Final = 1 << 10
"""Replicas of one IDSET, repeated or not."""

_END: Final = 0x00
_BITMASK: Final = 0x42
_POP: Final = 0x50
_RANGE: Final = 0x52

# For each Bitmask value the ranges that it adds, as offsets from StartingValue (3.1.5.4.3.1.3): bit n stands for n + 1.
_BITMASK_RANGES: Final[list[tuple[tuple[int, int], ...]]] = []
for _bits in range(256):
    _members = [0, *(bit + 1 for bit in range(8) if _bits >> bit & 1)]
    _lows = [value for value in _members if value - 1 not in _members]
    _highs = [value for value in _members if value + 1 not in _members]
    _BITMASK_RANGES.append(tuple(zip(_lows, _highs, strict=True)))


class CounterSet:
    """A set of GLOBCNT counters (ints from 0 to 2^48 - 1), held as ranges with inclusive ends."""

    __slots__ = ("_highs", "_lows")

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        """The union of ``ranges``, in any order; a range is (low, high), both inside."""
        self._lows: list[int] = []
        self._highs: list[int] = []
        for low, high in sorted(ranges):
            self._append(low, high)

    @classmethod
    def of(cls, counters: Iterable[int]) -> Self:
        """The set of single ``counters``, in any order, repeated or not."""
        result = cls()
        lows, highs = result._lows, result._highs
        last = -2
        for counter in sorted(counters):
            if counter > last + 1:
                lows.append(counter)
                highs.append(counter)
            elif counter != last:
                highs[-1] = counter
            last = counter
        return result

    def _append(self, low: int, high: int) -> None:
        """Add a range whose low end is not below that of the last one."""
        if self._highs and low <= self._highs[-1] + 1:
            if high > self._highs[-1]:
                self._highs[-1] = high
        else:
            self._lows.append(low)
            self._highs.append(high)

    def copy(self) -> "CounterSet":
        result = CounterSet()
        result._lows, result._highs = self._lows[:], self._highs[:]
        return result

    def add(self, counter: int) -> None:
        self.add_range(counter, counter)

    def add_range(self, low: int, high: int) -> None:
        """Add every counter from ``low`` to ``high``, both included."""
        first = bisect_left(self._highs, low - 1)
        last = bisect_right(self._lows, high + 1, first)
        if first < last:
            low = min(low, self._lows[first])
            high = max(high, self._highs[last - 1])
        self._lows[first:last] = [low]
        self._highs[first:last] = [high]

    def discard_range(self, low: int, high: int) -> None:
        """Take away every counter from ``low`` to ``high``, both included."""
        first = bisect_left(self._highs, low)
        last = bisect_right(self._lows, high, first)
        if first == last:
            return
        kept = [(self._lows[first], low - 1), (high + 1, self._highs[last - 1])]
        kept = [(start, end) for start, end in kept if start <= end]
        self._lows[first:last] = [start for start, _ in kept]
        self._highs[first:last] = [end for _, end in kept]

    def __contains__(self, counter: int) -> bool:
        index = bisect_right(self._lows, counter) - 1
        return index >= 0 and counter <= self._highs[index]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The ranges, ascending, as (low, high) with both ends inside."""
        return zip(self._lows, self._highs, strict=True)

    def __bool__(self) -> bool:
        return bool(self._lows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CounterSet):
            return NotImplemented
        return self._lows == other._lows and self._highs == other._highs

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in list(self)[:8])
        return f"CounterSet({shown}{', …' if len(self._lows) > 8 else ''})"

    @property
    def count(self) -> int:
        """How many counters are in the set.

        No ``__len__``, because iteration is over ranges: `list` and `sorted` would reserve memory for that many items.
        """
        return sum(self._highs) - sum(self._lows) + len(self._lows)

    @property
    def range_count(self) -> int:
        return len(self._lows)

    @property
    def maximum(self) -> int:
        """The greatest counter, 0 for the empty set."""
        return self._highs[-1] if self._highs else 0

    def counters(self) -> Iterator[int]:
        """Every counter, ascending. Only for sets that are known to be small: a range may hold 2^48 of them."""
        for low, high in self:
            yield from range(low, high + 1)

    def prefix(self) -> int:
        """The greatest n for which every counter from 1 to n is in the set; 0 when 1 is not."""
        return self._highs[0] if self._lows and self._lows[0] <= 1 else 0

    def is_prefix(self) -> bool:
        """Whether the set is 1..n for some n (or empty), so that "not in the set" is one comparison."""
        return not self._lows or (len(self._lows) == 1 and self._lows[0] <= 1)

    def covers_up_to(self, counter: int) -> bool:
        """Whether every counter from 1 to ``counter`` is in the set."""
        return self.prefix() >= counter

    def union(self, other: "CounterSet") -> "CounterSet":
        if not self or not other:
            return (self or other).copy()
        return CounterSet([*self, *other])

    def intersection(self, other: "CounterSet") -> "CounterSet":
        result = CounterSet()
        lows, highs = result._lows, result._highs
        left_lows, left_highs, right_lows, right_highs = self._lows, self._highs, other._lows, other._highs
        left = right = 0
        while left < len(left_lows) and right < len(right_lows):
            low = max(left_lows[left], right_lows[right])
            left_high, right_high = left_highs[left], right_highs[right]
            high = min(left_high, right_high)
            if low <= high:
                lows.append(low)
                highs.append(high)
            if left_high <= right_high:
                left += 1
            else:
                right += 1
        return result

    def complement(self) -> "CounterSet":
        """Every counter that is not in the set."""
        result = CounterSet()
        start = 0
        for low, high in self:
            if start < low:
                result._lows.append(start)
                result._highs.append(low - 1)
            start = high + 1
        if start <= COUNTER_MAXIMUM:
            result._lows.append(start)
            result._highs.append(COUNTER_MAXIMUM)
        return result

    def difference(self, other: "CounterSet") -> "CounterSet":
        return self.intersection(other.complement())

    def issubset(self, other: "CounterSet") -> bool:
        return self.intersection(other) == self

    __or__ = union
    __and__ = intersection
    __sub__ = difference
    __le__ = issubset


def push_globset(out: bytearray, counters: CounterSet) -> None:
    """Append the GLOBSET of ``counters``, the End command included (2.2.2.6, encoding as in 3.1.5.4.3.1)."""
    lows, highs = counters._lows, counters._highs
    _push_group(out, lows, highs, 0, len(lows), 0)
    out.append(_END)


def _push_group(out: bytearray, lows: list[int], highs: list[int], first: int, last: int, depth: int) -> None:
    """Encode the ranges ``first`` to ``last`` (excluded), which share the ``depth`` bytes on the common byte stack."""
    if depth == 5:
        _push_low_bytes(out, lows, highs, first, last)
        return
    width = 6 - depth
    mask = (1 << width * 8) - 1
    shift = (width - 1) * 8
    index = first
    while index < last:
        low, high = lows[index], highs[index]
        block = low >> shift
        if high >> shift != block:
            out.append(_RANGE)
            out += (low & mask).to_bytes(width, "big")
            out += (high & mask).to_bytes(width, "big")
            index += 1
            continue
        end = index + 1
        if end < last and lows[end] >> shift == block:
            end = bisect_left(lows, (block + 1) << shift, end, last)
            if highs[end - 1] >> shift != block:
                end -= 1
            high = highs[end - 1]
        if low == high:  # six bytes on the stack are one counter, popped by themselves (3.1.5.4.3.1.1)
            out.append(width)
            out += (low & mask).to_bytes(width, "big")
        else:
            common = 6 - ((low ^ high).bit_length() + 7) // 8
            out.append(common - depth)
            out += ((low & mask) >> (6 - common) * 8).to_bytes(common - depth, "big")
            _push_group(out, lows, highs, index, end, common)
            out.append(_POP)
        index = end


def _push_low_bytes(out: bytearray, lows: list[int], highs: list[int], first: int, last: int) -> None:
    """Encode ranges that differ in the last byte only: one Bitmask for all that lie within nine values."""
    index = first
    while index < last:
        low, high = lows[index], highs[index]
        start = low & 0xFF
        end = index + 1
        if end < last and highs[end] <= low + 8:
            bits = (1 << high - low) - 1
            while end < last and highs[end] <= low + 8:
                bits |= (1 << highs[end] - low) - (1 << lows[end] - low - 1)
                end += 1
            out += bytes((_BITMASK, start, bits))
        elif low == high:
            out += bytes((1, start))
        else:
            out += bytes((_RANGE, start, high & 0xFF))
        index = end


def pull_globset(cursor: Cursor) -> CounterSet:
    """Read a GLOBSET up to and including its End command (2.2.2.6, decoding as in 3.1.5.4.3.2). Raises `WireError`."""
    result = CounterSet()
    lows, highs = result._lows, result._highs
    data, end, position = cursor.data, cursor.end, cursor.position
    stack: list[int] = []  # bytes that each Push still holds
    depth = prefix = 0
    last = -2
    ordered = True
    found: tuple[tuple[int, int], ...]
    while True:
        if position >= end:
            raise WireError("GLOBSET has no End command", offset=position)
        if len(lows) > RANGES_MAXIMUM:
            raise WireError(f"more than {RANGES_MAXIMUM} ranges", offset=position)
        command = data[position]
        start = position
        position += 1
        if 1 <= command <= 6:
            if depth + command > 6:
                raise WireError("more than six bytes on the common byte stack", offset=start)
            position += command
            if position > end:
                raise WireError("CommonBytes end early", offset=start)
            value = prefix << command * 8 | int.from_bytes(data[start + 1 : position], "big")
            if depth + command < 6:
                stack.append(command)
                depth += command
                prefix = value
                continue
            found = ((value, value),)
        elif command == _BITMASK:
            if depth != 5:
                raise WireError("Bitmask command without five common bytes", offset=start)
            if position + 2 > end:
                raise WireError("Bitmask command ends early", offset=start)
            first = data[position]
            offsets = _BITMASK_RANGES[data[position + 1]]
            if first + offsets[-1][1] > 0xFF:
                raise WireError("Bitmask command beyond the last byte value", offset=start)
            position += 2
            base = prefix << 8 | first
            found = tuple([(base + low, base + high) for low, high in offsets])
        elif command == _RANGE:
            width = 6 - depth
            position += 2 * width
            if position > end:
                raise WireError("Range command ends early", offset=start)
            base = prefix << width * 8
            low = base | int.from_bytes(data[start + 1 : start + 1 + width], "big")
            high = base | int.from_bytes(data[start + 1 + width : position], "big")
            if low > high:
                raise WireError("Range command with LowValue above HighValue", offset=start)
            found = ((low, high),)
        elif command == _POP:
            if not stack:
                raise WireError("Pop command on an empty common byte stack", offset=start)
            command = stack.pop()
            depth -= command
            prefix >>= command * 8
            continue
        elif command == _END:
            if stack:
                raise WireError("End command with bytes on the common byte stack", offset=start)
            break
        else:
            raise WireError(f"0x{command:02X} is no GLOBSET command", offset=start)
        for low, high in found:
            if low > last + 1:
                lows.append(low)
                highs.append(high)
            elif low == last + 1:
                highs[-1] = high
            else:
                ordered = False
                lows.append(low)
                highs.append(high)
            last = high
    cursor.position = position
    return result if ordered else CounterSet(result)


Replica = UUID | int
"""What an IDSET is keyed by: a REPLGUID, or a 16-bit REPLID."""


def _order(replica: Replica) -> bytes:
    return replica.bytes_le if isinstance(replica, UUID) else replica.to_bytes(2, "big")


class IdSet:
    """An IDSET or CNSET: for each replica a set of counters (2.2.2.4).

    All replicas of one set are UUIDs (REPLGUID form, which is what ICS state properties carry) or all are ints (REPLID
    form, MetaTagIdsetDeleted and its like).
    """

    __slots__ = ("_replicas",)

    def __init__(self, replicas: dict[Replica, CounterSet] | None = None) -> None:
        self._replicas: dict[Replica, CounterSet] = {} if replicas is None else replicas

    @classmethod
    def parse_replguid(cls, data: bytes) -> "IdSet":
        """The REPLGUID form (2.2.2.4.2); no bytes are the empty set. Raises `WireError`."""
        cursor = Cursor(data)
        return cls._parse(cursor, cursor.guid)

    @classmethod
    def parse_replid(cls, data: bytes) -> "IdSet":
        """The REPLID form (2.2.2.4.1); no bytes are the empty set. Raises `WireError`."""
        cursor = Cursor(data)
        return cls._parse(cursor, cursor.uint16)

    @classmethod
    def _parse(cls, cursor: Cursor, pull_replica: Callable[[], Replica]) -> "IdSet":
        found: dict[Replica, list[CounterSet]] = {}
        pairs = ranges = 0
        while cursor.remaining:
            start = cursor.position
            replica, counters = pull_replica(), pull_globset(cursor)
            pairs, ranges = pairs + 1, ranges + counters.range_count
            if pairs > REPLICAS_MAXIMUM or ranges > RANGES_MAXIMUM:
                raise WireError("too many replicas or ranges", offset=start)
            found.setdefault(replica, []).append(counters)
        # One union for all, as each takes the time of what is there already.
        return cls(
            {
                replica: sets[0] if len(sets) == 1 else CounterSet(chain.from_iterable(sets))
                for replica, sets in found.items()
            }
        )

    def build(self) -> bytes:
        """Bytes in the form that the replicas' type selects; replicas without a counter are left out."""
        out = bytearray()
        # REPLGUIDs ascend byte by byte, REPLIDs by value (2.2.2.4.1, 2.2.2.4.2).
        for replica in sorted(self._replicas, key=_order):
            if counters := self._replicas[replica]:
                out += replica.bytes_le if isinstance(replica, UUID) else replica.to_bytes(2, "little")
                push_globset(out, counters)
        return bytes(out)

    def __getitem__(self, replica: Replica) -> CounterSet:
        """The counters of ``replica``: the set itself, to be changed in place; made when there is none."""
        return self._replicas.setdefault(replica, CounterSet())

    def __setitem__(self, replica: Replica, counters: CounterSet) -> None:
        self._replicas[replica] = counters

    def get(self, replica: Replica) -> CounterSet:
        """The counters of ``replica`` for reading; the empty set when there is none."""
        return self._replicas.get(replica) or CounterSet()

    def __iter__(self) -> Iterator[tuple[Replica, CounterSet]]:
        return ((replica, counters) for replica, counters in self._replicas.items() if counters)

    def __contains__(self, item: tuple[Replica, int]) -> bool:
        """Whether (replica, counter) is in the set."""
        return item[1] in self.get(item[0])

    def __bool__(self) -> bool:
        return any(self._replicas.values())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IdSet):
            return NotImplemented
        return dict(self) == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"IdSet({dict(self)!r})"

    def copy(self) -> "IdSet":
        return IdSet({replica: counters.copy() for replica, counters in self})

    def add(self, replica: Replica, counter: int) -> None:
        self[replica].add(counter)

    def union(self, other: "IdSet") -> "IdSet":
        result = self.copy()
        for replica, counters in other:
            result._replicas[replica] = result.get(replica).union(counters)
        return result

    def difference(self, other: "IdSet") -> "IdSet":
        return IdSet({replica: counters.difference(other.get(replica)) for replica, counters in self})

    def intersection(self, other: "IdSet") -> "IdSet":
        return IdSet({replica: counters.intersection(other.get(replica)) for replica, counters in self})
