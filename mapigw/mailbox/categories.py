"""Categories of a contents table: header rows above rows of data with the same values (MS-OXCTABL 2.2.1, 2.2.2.3.1)."""

from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from mapigw.mailbox.content import BlobValue
from mapigw.mailbox.restrictions import comparable

_ID_SIZE: Final = 6  # bytes of an id: a counter, as message ids have
_STATE_HEADER: Final = 28  # bytes before the ids in a collapse state


class SortKey(NamedTuple):
    property_tag: int
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Grouping:
    """The first ``category_count`` sort keys make categories, the first ``expanded_count`` levels of them are expanded.

    With ``by_maximum`` the key that follows them is none of the rows': the categories of the last level are sorted by
    the greatest value that it has in each of them, in the direction of their own key.
    """

    category_count: int
    expanded_count: int
    by_maximum: bool = False


class Row(Protocol):
    """A row of data: ``values`` are those of the sort keys."""

    @property
    def is_read(self) -> bool: ...

    @property
    def values(self) -> Sequence[Any]: ...


AnyRow = TypeVar("AnyRow", bound=Row)


def order_key(value: Any) -> tuple[int, Any]:
    """What values sort by: what is absent comes first."""
    return (0, 0) if value is None or isinstance(value, BlobValue) else (1, comparable(value))


def sort_rows(rows: list[AnyRow], order: Sequence[SortKey]) -> None:
    """Sort by all keys; equal rows keep their order."""
    for position in reversed(range(len(order))):
        _sort_by(rows, position, descending=order[position].descending)


def _sort_by(rows: list[AnyRow], position: int, *, descending: bool) -> None:
    rows.sort(key=lambda row: order_key(row.values[position]), reverse=descending)


@dataclass(slots=True)
class Category:
    """A header row and the rows of data under it, from ``start`` to before ``end``."""

    level: int
    start: int
    end: int
    unread: int
    values: dict[int, Any]
    """The category's value, and those of the categories it is in."""
    counter: int
    """Its id: the same in every table that is sorted alike."""
    is_expanded: bool


def group(rows: list[AnyRow], order: Sequence[SortKey], grouping: Grouping) -> "Categories":
    """Sort the rows, and make their categories."""
    levels = grouping.category_count
    for position in reversed(range(levels + grouping.by_maximum, len(order))):
        _sort_by(rows, position, descending=order[position].descending)
    maxima: dict[tuple[Any, ...], tuple[int, Any]] = {}
    if grouping.by_maximum:
        for row in rows:
            path = _path(row, levels)
            maxima[path] = max(maxima.get(path, (0, 0)), order_key(row.values[levels]))
        _sort_by(rows, levels - 1, descending=False)
        rows.sort(key=lambda row: maxima[_path(row, levels)], reverse=order[levels - 1].descending)
    for position in reversed(range(levels - grouping.by_maximum)):
        _sort_by(rows, position, descending=order[position].descending)
    tags = [key.property_tag for key in order[: levels + grouping.by_maximum]]
    return Categories(_categories(rows, tags, grouping), len(rows), grouping)


def _path(row: Row, levels: int) -> tuple[Any, ...]:
    return tuple(order_key(value) for value in row.values[:levels])


def _categories(rows: Sequence[Row], tags: Sequence[int], grouping: Grouping) -> list[Category]:
    """Header rows in the order of the table."""
    levels = grouping.category_count
    found: list[Category] = []
    open_ones: list[Category] = []
    before: tuple[Any, ...] = ()
    for place, row in enumerate(rows):
        path = _path(row, levels)
        if path != before:
            same = next((level for level, pair in enumerate(zip(path, before, strict=False)) if pair[0] != pair[1]), 0)
            for category in open_ones[same:]:
                category.end = place
            del open_ones[same:]
            for level in range(same, levels):
                values = dict(zip(tags[: level + 1], row.values, strict=False))
                expanded = level < grouping.expanded_count
                open_ones.append(Category(level, place, place, 0, values, _counter(path[: level + 1]), expanded))
                found.append(open_ones[-1])
            before = path
        for category in open_ones:
            category.unread += not row.is_read
        if grouping.by_maximum:
            last, value = open_ones[-1], row.values[levels]
            if order_key(value) > order_key(last.values.get(tags[levels])):
                last.values[tags[levels]] = value
    for category in open_ones:
        category.end = len(rows)
    return found


def _counter(path: tuple[Any, ...]) -> int:
    return int.from_bytes(blake2b(repr(path).encode(), digest_size=_ID_SIZE).digest(), "big")


class Categories:
    """The header rows of a table, and which rows of it can be seen."""

    def __init__(self, categories: list[Category], row_count: int, grouping: Grouping) -> None:
        self.categories = categories
        self.levels = grouping.category_count
        self._expanded_count = grouping.expanded_count
        self.end = (row_count + 1) * (self.levels + 1)
        """The `order` of the end of the table."""
        self._by_counter = {category.counter: number for number, category in enumerate(categories)}
        self.visible = array("q")
        """In order: rows of data by their place, header rows by the complement of their number."""
        self._show()

    def get(self, counter: int) -> Category | None:
        number = self._by_counter.get(counter)
        return None if number is None else self.categories[number]

    def header(self, counter: int) -> int | None:
        """The header row of a category, as ``visible`` has it."""
        number = self._by_counter.get(counter)
        return None if number is None else ~number

    def set_expanded(self, category: Category, *, is_expanded: bool) -> int:
        """Expand or collapse; returns how many rows have appeared or gone, where the category itself is visible."""
        before = len(self.visible)
        category.is_expanded = is_expanded
        self._show()
        return abs(len(self.visible) - before)

    def order(self, row: int) -> int:
        """A number for a row of ``visible``, or for one that is hidden, that grows along the table."""
        if row >= 0:
            return row * (self.levels + 1) + self.levels
        category = self.categories[~row]
        return category.start * (self.levels + 1) + category.level

    def position(self, order: int) -> tuple[int, bool]:
        """Where a row is, given its order: (position, True), or that of the next visible one and False."""
        position = bisect_left(self.visible, order, key=self.order)
        found = position < len(self.visible) and self.order(self.visible[position]) == order
        return position, found or order == self.end

    def _show(self) -> None:
        self.visible = array("q", self._rows())

    def _rows(self) -> Iterator[int]:
        hidden_until = -1
        for number, category in enumerate(self.categories):
            if category.start < hidden_until:
                continue
            yield ~number
            if not category.is_expanded:
                hidden_until = category.end
            elif category.level == self.levels - 1:
                yield from range(category.start, category.end)

    def changed(self) -> list[int]:
        """The ids of the categories that are not as they were in the beginning."""
        return [item.counter for item in self.categories if item.is_expanded != (item.level < self._expanded_count)]

    def apply(self, changed: Collection[int]) -> None:
        """Make `changed` what it is in a collapse state."""
        for category in self.categories:
            category.is_expanded = (category.level < self._expanded_count) != (category.counter in changed)
        self._show()


@dataclass(frozen=True, slots=True)
class CollapseState:
    """What RopGetCollapseState hands out (MS-OXCTABL 2.2.2.19)."""

    fingerprint: bytes
    """16 bytes; of the sort order and the restriction."""
    row_id: bytes
    """8 bytes; the PidTagInstID of the row that is the cursor."""
    instance: int
    changed: Collection[int]

    def build(self) -> bytes:
        counters = b"".join(counter.to_bytes(_ID_SIZE, "big") for counter in self.changed)
        return self.fingerprint + self.row_id + self.instance.to_bytes(4, "little") + counters

    @classmethod
    def parse(cls, data: bytes) -> "CollapseState | None":
        """None when the data is no collapse state."""
        counters = data[_STATE_HEADER:]
        if len(data) < _STATE_HEADER or len(counters) % _ID_SIZE:
            return None
        changed = {int.from_bytes(counters[at : at + _ID_SIZE], "big") for at in range(0, len(counters), _ID_SIZE)}
        return cls(data[:16], data[16:24], int.from_bytes(data[24:28], "little"), frozenset(changed))
