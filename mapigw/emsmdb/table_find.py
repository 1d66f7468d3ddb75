"""Table ROPs that restrict and search, and bookmarks (MS-OXCTABL 2.2.2.4, 2.2.2.10, 2.2.2.12 to 2.2.2.15)."""

from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.table import (
    ASYNCHRONOUS,
    BOOKMARK_BEGINNING,
    BOOKMARK_CURRENT,
    BOOKMARK_END,
    TABLE_COMPLETE,
    Table,
    encode_row,
    opened_table,
    row_reader,
    sought,
    table_with_rows,
)
from mapigw.mailbox.restrictions import decoded_strings
from mapigw.wire.codes import ErrorCode
from mapigw.wire.restrictions import Restriction

BACKWARDS: Final = 0x01
BOOKMARK_CUSTOM: Final = 0x03
FIND_OVERHEAD: Final = 8  # response header and two Booleans


def _restriction(call: Call, request: Any) -> Restriction | None:
    """The restriction of a request; its 8-bit strings are in the logon's code page."""
    found: Restriction | None = request.restriction_data
    return None if found is None else decoded_strings(found, call.session.parameters.default_code_page)


@handles("Restrict")
async def restrict(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.4; one without a restriction takes away the last one."""
    table = await opened_table(call)
    table.failed.add("Restrict")
    if request.restrict_flags & ~ASYNCHRONOUS:
        raise RopError(ErrorCode.InvalidParameter)
    await table.restrict(_restriction(call, request))
    table.failed.discard("Restrict")
    return {"table_status": TABLE_COMPLETE}


@handles("FindRow")
async def find_row(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.14: the row is in the response if there is space for it."""
    table = await table_with_rows(call, needs_columns=True)
    if request.find_row_flags & ~BACKWARDS:
        raise RopError(ErrorCode.InvalidParameter)
    start, is_visible = await _start(table, request)
    end = len(table.keys)
    positions = range(start - 1, -1, -1) if request.find_row_flags & BACKWARDS else range(start, end)
    position = await table.find(_restriction(call, request), positions)
    if position is None:
        raise RopError(ErrorCode.NotFound)
    table.position = position
    (values,) = await table.load([table.keys[position]])
    row = b"" if values is None else await encode_row(row_reader(call, table), table.columns, values)
    has_row = bool(row) and len(row) <= call.space - FIND_OVERHEAD
    return {"row_no_longer_visible": not is_visible, "has_row_data": has_row, "row_data": row if has_row else None}


async def _start(table: Table, request: Any) -> tuple[int, bool]:
    """Where a search begins, and whether its bookmark's row can still be seen."""
    origins = {BOOKMARK_BEGINNING: 0, BOOKMARK_CURRENT: table.position, BOOKMARK_END: len(table.keys)}
    if request.origin == BOOKMARK_CUSTOM:
        return await table.bookmarked(request.bookmark)
    if request.origin not in origins:
        raise RopError(ErrorCode.InvalidParameter)
    return origins[request.origin], True


async def _table_with_bookmarks(call: Call) -> Table:
    """The table of a ROP that uses a bookmark: of one that was released `RopError` NullObject (3.2.5.15)."""
    try:
        return await table_with_rows(call, needs_columns=True)
    except RopError as error:
        raise RopError(ErrorCode.NullObject if error.code == ErrorCode.InvalidObject else error.code) from error


@handles("CreateBookmark")
async def create_bookmark(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.12"""
    table = await table_with_rows(call)
    return {"bookmark": table.mark(table.place(table.position))}


@handles("FreeBookmark")
async def free_bookmark(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.15"""
    table = await _table_with_bookmarks(call)
    table.free_bookmark(request.bookmark)
    return {}


@handles("SeekRowBookmark")
async def seek_row_bookmark(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.10; from the next row where the bookmark's cannot be seen any more."""
    table = await _table_with_bookmarks(call)
    start, is_visible = await table.bookmarked(request.bookmark)
    return {"row_no_longer_visible": not is_visible, **sought(table, start, request)}
