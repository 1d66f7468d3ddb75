"""Tables: columns, rows and the cursor (MS-OXCTABL 2.2.2, MS-OXCROPS 2.2.5).

A table is a snapshot of its rows' keys; the rows themselves are read when they are asked for, some dozens at once, so
that a row that has gone since is left out. Restrictions, bookmarks and searches are in `table_find`, sort orders and
categories in `table_sort`; each kind of table is in the module of its subject.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import ServerObject
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.table_notification import VIEWING, TableWatch
from mapigw.emsmdb.values import ROW_VALUE_MAXIMUM, Reader
from mapigw.mailbox.contents_decoding import single_tag
from mapigw.mailbox.restrictions import Candidate, matches
from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import MULTIPLE, MULTIPLE_INSTANCE, PropertyType
from mapigw.wire.restrictions import CountRestriction, Restriction
from mapigw.wire.rows import push_row

TABLE_COMPLETE: Final = 0x00  # of TableStatus: like Exchange nothing is done asynchronously (note 1)
ASYNCHRONOUS: Final = 0x01
VALUE_MAXIMUM: Final = 510  # bytes of a value in a row (2.2.2.5.2)
COLUMNS_MAXIMUM: Final = 4096
BOOKMARKS_MAXIMUM: Final = 4096
QUERY_OVERHEAD: Final = 9  # response header, origin, row count

BOOKMARK_BEGINNING: Final = 0x00
BOOKMARK_CURRENT: Final = 0x01
BOOKMARK_END: Final = 0x02

NO_ADVANCE: Final = 0x01
ENABLE_PACKED_BUFFERS: Final = 0x02

_COLUMN_TYPES: Final = frozenset(map(int, PropertyType)) - {PropertyType.UNSPECIFIED, PropertyType.ERROR_CODE}
_EVERY_TABLE: Final = frozenset(
    {"SetColumns", "QueryRows", "GetStatus", "QueryPosition", "SeekRow", "SeekRowFractional", "QueryColumnsAll"}
)


class Table(ServerObject):
    """A table of ``keys``; subclasses `load` the property values of some of them."""

    rops: ClassVar[frozenset[str]] = frozenset()
    """The ROPs that this kind of table supports besides those that every table does."""
    batch: ClassVar[int] = 64
    """How many rows are loaded at once."""
    value_maximum: ClassVar[int] = VALUE_MAXIMUM
    """Bytes of a value in a row; 0 where values are not cut."""
    default_columns: ClassVar[tuple[int, ...]] = ()
    """Columns that RopQueryColumnsAll tells of, even when there are no rows."""

    def __init__(self, owner: ServerObject, keys: Sequence[Any], *, want_unicode: bool = True) -> None:
        super().__init__(owner.logon)
        self.keys = keys
        """Of the rows that the restriction lets through, in order."""
        self.columns: list[int] = []
        self.position = 0
        self.failed: set[str] = set()
        """The ROPs that failed last, and make that there are no rows until they succeed (3.2.5.3, 3.2.5.4)."""
        self.want_unicode = want_unicode
        self._all_keys = keys
        self._bookmarks: dict[int, Any] = {}
        self._next_bookmark = 1
        self.watch: TableWatch | None = None
        """What tells the client of changes; None: nothing does."""

    async def close(self) -> None:
        if self.watch is not None:
            self.watch.close()

    async def load(self, keys: Sequence[Any]) -> list[Mapping[int, Any] | None]:
        """The rows' values, by tag, in the order of ``keys``; None for a row that is gone or cannot be read."""
        raise NotImplementedError

    async def looked_at(self, call: Call) -> None:
        """Called by the ROPs that look at the rows: some of them make that the table tells of changes."""
        if self.watch is None:
            return
        if call.rop.name in VIEWING:
            self.watch.view()
        if self.watch.is_stale:
            self.watch.is_stale = False
            await self.refresh()

    async def refresh(self) -> None:
        """List the rows anew. The cursor and the bookmarks stay where they were."""
        raise NotImplementedError

    async def ready(self, upto: int | None = None) -> None:
        """Called before ``keys`` are looked at; with ``upto`` only those before that position are."""

    def set_columns(self, columns: list[int]) -> None:
        """The columns of the rows from now on. `RopError` where this kind of table cannot have them."""
        if any(tag & MULTIPLE_INSTANCE for tag in columns):
            raise RopError(ErrorCode.NotSupported)
        self.columns = columns

    def require_columns(self) -> list[int]:
        if not self.columns or self.failed:
            raise RopError(ErrorCode.NullObject)  # 3.2.5.2
        return self.columns

    async def restrict(self, restriction: Restriction | None) -> None:
        """Show only the rows that satisfy it; None: show all."""
        self.keys = self._all_keys
        if restriction is not None:
            self.keys = await self.kept(restriction)
        self.restart()

    async def kept(self, restriction: Restriction) -> list[Any]:
        """Those of ``keys`` whose rows satisfy the restriction."""
        limit = restriction.count if isinstance(restriction, CountRestriction) else None
        kept = [self.keys[position] async for position in self._matching(restriction, range(len(self.keys)))]
        return kept[:limit]

    async def find(self, restriction: Restriction | None, positions: range) -> int | None:
        """The first of the positions whose row satisfies the restriction, and is still there."""
        async for position in self._matching(restriction, positions):
            return position
        return None

    async def _matching(self, restriction: Restriction | None, positions: range) -> AsyncIterator[int]:
        for start in range(0, len(positions), self.batch):
            some = positions[start : start + self.batch]
            for position, values in zip(some, await self.load([self.keys[item] for item in some]), strict=True):
                if values is not None and (restriction is None or matches(restriction, Candidate(values))):
                    yield position

    async def all_columns(self) -> list[int]:
        """What RopQueryColumnsAll answers: the usual columns, and what the first rows have."""
        found = dict.fromkeys(self.default_columns)
        for values in await self.load(self.keys[: self.batch]):
            found.update(dict.fromkeys(values or ()))
        return list(found)

    # The cursor

    def seek(self, position: int) -> bool:
        """Move the cursor; False when an end of the table stopped it."""
        self.position = max(0, min(position, len(self.keys)))
        return self.position == position

    def restart(self) -> None:
        """Cursor to the beginning, and no bookmarks."""
        self.position = 0
        self._bookmarks.clear()

    def mark(self, place: Any) -> bytes:
        """A bookmark of a `place`."""
        if len(self._bookmarks) >= BOOKMARKS_MAXIMUM:
            raise RopError(ErrorCode.NotEnoughMemory)
        number = self._next_bookmark
        self._next_bookmark += 1
        self._bookmarks[number] = place
        return number.to_bytes(4, "little")

    def free_bookmark(self, bookmark: bytes) -> None:
        """`RopError` InvalidBookmark."""
        del self._bookmarks[self._number(bookmark)]

    async def bookmarked(self, bookmark: bytes) -> tuple[int, bool]:
        """The position of a bookmark's row, or of the next one and False where it is not visible any more.

        `RopError` InvalidBookmark.
        """
        position, is_visible = self.find_place(self._bookmarks[self._number(bookmark)])
        if is_visible and position < len(self.keys) and (await self.load([self.keys[position]]))[0] is None:
            return position + 1, False
        return position, is_visible

    def _number(self, bookmark: bytes) -> int:
        number = int.from_bytes(bookmark, "little")
        if len(bookmark) != 4 or number not in self._bookmarks:
            raise RopError(ErrorCode.InvalidBookmark)
        return number

    def place(self, position: int) -> Any:
        """What identifies a row, or the end, as long as sort order and restriction stay."""
        return position

    def find_place(self, place: Any) -> tuple[int, bool]:
        """The position of a `place`, and whether its row is among ``keys``; else the next one's."""
        return (place, True) if place >= 0 else (~place, False)

    def follow(self, before: Sequence[Any], after: Sequence[Any]) -> None:
        """Keep the cursor and the bookmarks at their rows, or the next ones, when the rows are others than before."""
        places = {row: position for position, row in enumerate(after)}

        def moved(position: int) -> int:
            rows = (before[item] for item in range(position, len(before)))
            return next((places[row] for row in rows if row in places), len(after))

        self.position = moved(self.position) if self.position else 0
        for number, place in self._bookmarks.items():
            position, is_visible = self.find_place(place)
            is_visible &= position == len(before) or before[position] in places
            self._bookmarks[number] = moved(position) if is_visible else ~moved(position)


async def opened_table(call: Call) -> Table:
    """The table of a ROP. `RopError` NotSupported for other objects, and for tables that the ROP is not for."""
    table = call.object(Table)
    if call.rop.name not in _EVERY_TABLE | table.rops:
        raise RopError(ErrorCode.NotSupported)
    return table


async def table_with_rows(call: Call, *, needs_columns: bool = False) -> Table:
    """The table of a ROP that looks at its rows. `RopError` NullObject where it has no columns and needs them."""
    table = await opened_table(call)
    if needs_columns:
        table.require_columns()
    await table.looked_at(call)
    await table.ready()
    return table


@handles("SetColumns")
async def set_columns(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.2"""
    table = await opened_table(call)
    columns = list(request.property_tags)
    table.columns = []
    if not columns or request.set_columns_flags & ~ASYNCHRONOUS:
        raise RopError(ErrorCode.InvalidParameter)
    if len(columns) > COLUMNS_MAXIMUM:
        raise RopError(ErrorCode.TooManyColumns)
    if any(column_type(tag) not in _COLUMN_TYPES for tag in columns):
        raise RopError(ErrorCode.InvalidParameter)
    table.set_columns(columns)
    return {"table_status": TABLE_COMPLETE}


def column_type(tag: int) -> int:
    """The type of a column; that of an instance of a multiple value is the multiple value's."""
    return tag & 0xFFFF & ~(MULTIPLE_INSTANCE if tag & MULTIPLE else 0)


def row_reader(call: Call, table: Table) -> Reader:
    return Reader(call, want_unicode=True, truncate=table.value_maximum)


async def encode_row(reader: Reader, columns: Sequence[int], values: Mapping[int, Any]) -> bytes:
    """A PropertyRow with ``columns``; a value of a multivalue instance stands under its `single_tag`."""
    out = bytearray()
    push_row(out, columns, await reader.row(values, [single_tag(tag) for tag in columns]))
    return bytes(out)


@handles("QueryRows")
async def query_rows(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.5: rows from the cursor on, as many as fit; backwards those before it, in the table's order."""
    table = await opened_table(call)
    columns = table.require_columns()
    if request.query_rows_flags & ~(NO_ADVANCE | ENABLE_PACKED_BUFFERS):
        raise RopError(ErrorCode.InvalidParameter)
    reader = row_reader(call, table)
    forward = bool(request.forward_read)
    await table.looked_at(call)
    await table.ready(table.position + request.row_count + 1 if forward else None)
    rows: list[bytes] = []
    position, space, full = table.position, call.space - QUERY_OVERHEAD, False
    row = b""
    while len(rows) < request.row_count and not full:
        step = min(table.batch, request.row_count - len(rows))
        keys = table.keys[position : position + step] if forward else table.keys[max(0, position - step) : position]
        if not keys:
            break
        for values in await table.load(keys if forward else keys[::-1]):
            if values is not None:
                row = await encode_row(reader, columns, values)
                if len(row) > space:
                    full = True
                    break
                space -= len(row)
                rows.append(row)
            position += 1 if forward else -1
    if full and not rows:
        if len(row) > ROW_VALUE_MAXIMUM:
            raise RopError(ErrorCode.BufferTooSmall)
        rows = [row]  # the dispatcher asks for a larger buffer
    elif not request.query_rows_flags & NO_ADVANCE:
        table.position = position
    # Exchange says so at either end (note 25).
    origin = BOOKMARK_END if position == (len(table.keys) if forward else 0) else BOOKMARK_CURRENT
    return {"origin": origin, "row_count": len(rows), "row_data": b"".join(rows if forward else reversed(rows))}


@handles("QueryColumnsAll")
async def query_columns_all(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.13: text is of the type that the table was opened for."""
    table = await table_with_rows(call)
    columns = await table.all_columns()
    if not table.want_unicode:
        columns = [_narrow(tag) for tag in columns]
    return {"property_tags": columns}


def _narrow(tag: int) -> int:
    is_text = tag & 0xFFFF & ~MULTIPLE == PropertyType.STRING
    return tag & ~0xFFFF | tag & MULTIPLE | PropertyType.STRING8 if is_text else tag


@handles("GetStatus")
async def get_status(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.7"""
    await opened_table(call)
    return {"table_status": TABLE_COMPLETE}


@handles("Abort")
async def abort(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.6: nothing is ever going on that could be stopped (3.2.5.6)."""
    await opened_table(call)
    raise RopError(ErrorCode.AbortFailed)


@handles("QueryPosition")
async def query_position(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.8"""
    table = await table_with_rows(call)
    return {"numerator": table.position, "denominator": len(table.keys)}


@handles("SeekRow")
async def seek_row(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.9"""
    table = await table_with_rows(call)
    origins = {BOOKMARK_BEGINNING: 0, BOOKMARK_CURRENT: table.position, BOOKMARK_END: len(table.keys)}
    if request.origin not in origins:
        raise RopError(ErrorCode.InvalidParameter)
    return sought(table, origins[request.origin], request)


def sought(table: Table, start: int, request: Any) -> dict[str, Any]:
    """Move the cursor as a request says, from a position."""
    reached = table.seek(start + request.row_count)
    wanted = bool(request.want_row_moved_count)
    return {
        "has_sought_less": wanted and not reached,
        "rows_sought": table.position - start if wanted else 0,
    }


@handles("SeekRowFractional")
async def seek_row_fractional(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.11"""
    table = await table_with_rows(call)
    if not request.denominator:
        raise RopError(ErrorCode.InvalidParameter)
    table.seek(min(request.numerator, request.denominator) * len(table.keys) // request.denominator)
    return {}
