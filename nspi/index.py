"""Orders of many entries without their keys: arrays of numbers, and keys made anew for the few that a search looks at.

A hundred thousand entries in five orders are four megabytes so, and a search looks at seventeen of them. Sorting is
done in pieces, for it happens while requests are answered: one call that sorts everything would hold the interpreter
for a quarter of a second.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from itertools import islice
from typing import Any, Final

Key = Callable[[int], Any]
"""The key of a number; the keys of one order compare with each other."""

_PIECE: Final = 4000
_SHIFT: Final = 32


def gently_sorted(items: Iterable[Any], key: Callable[[Any], Any] | None = None) -> Iterator[Any]:
    """As ``sorted``, but no step of it holds the interpreter long."""
    items = iter(items)
    pieces = []
    while piece := list(islice(items, _PIECE)):
        piece.sort(key=key)
        pieces.append(piece)
    return merge(*pieces, key=key)


class Order:
    """Numbers in the order of a key."""

    def __init__(self, numbers: Iterable[int], key: Key, *, are_sorted: bool = False) -> None:
        self.numbers = array("Q", numbers if are_sorted else gently_sorted(numbers, key))
        self._key = key

    def __len__(self) -> int:
        return len(self.numbers)

    def first(self, wanted: Any) -> int:
        """The place of the first number whose key is not below ``wanted``; the length: none is."""
        return bisect_left(self.numbers, wanted, key=self._key)

    def find(self, wanted: Any) -> int | None:
        """The first number with the key ``wanted``."""
        place = self.first(wanted)
        if place == len(self.numbers) or self._key(self.numbers[place]) != wanted:
            return None
        return int(self.numbers[place])

    def between(self, lowest: Any, beyond: Any) -> "array[int]":
        """The numbers whose keys are ``lowest`` or above, and below ``beyond``."""
        first = self.first(lowest)
        return self.numbers[first : bisect_left(self.numbers, beyond, first, key=self._key)]


class Links:
    """Which numbers belong to a number: members to a group, reports to a manager."""

    def __init__(self, pairs: Iterable[tuple[int, int]]) -> None:
        self._pairs = array("Q", gently_sorted(number << _SHIFT | linked for number, linked in pairs))

    def of(self, number: int) -> list[int]:
        """Ascending."""
        first = bisect_left(self._pairs, number << _SHIFT)
        after = bisect_left(self._pairs, number + 1 << _SHIFT, first)
        return [pair & (1 << _SHIFT) - 1 for pair in self._pairs[first:after]]
