"""Table ROPs on sorted and categorized contents tables (MS-OXCTABL 2.2.2.3, 2.2.2.16 to 2.2.2.20)."""

from collections.abc import Sequence
from typing import Any, Final

from mapigw.emsmdb.contents_table import ContentsTable
from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.table import ASYNCHRONOUS, TABLE_COMPLETE, column_type, opened_table, table_with_rows
from mapigw.mailbox.categories import CollapseState, Grouping, SortKey
from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import MULTIPLE, MULTIPLE_INSTANCE, PropertyType
from mapigw.wire.rows import SortOrder

SORT_KEYS_MAXIMUM: Final = 32
STATE_MAXIMUM: Final = 0x7000  # bytes of a collapse state that a response has room for

# Order of a SortOrder (MS-OXCDATA 2.13.1)
ASCENDING: Final = 0x00
DESCENDING: Final = 0x01
MAXIMUM_CATEGORY: Final = 0x04

_SORTABLE: Final = frozenset(map(int, PropertyType)) - {
    PropertyType.UNSPECIFIED,
    PropertyType.NULL,
    PropertyType.ERROR_CODE,
    PropertyType.OBJECT,
    PropertyType.RESTRICTION,
    PropertyType.RULE_ACTION,
}


async def _contents_table(call: Call, *, needs_columns: bool = False) -> ContentsTable:
    """The table of a ROP; those that come here are for contents tables only."""
    table = await table_with_rows(call, needs_columns=needs_columns)
    assert isinstance(table, ContentsTable)
    return table


@handles("SortTable")
async def sort_table(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.3; without sort keys the order is what it was in the beginning."""
    table = await opened_table(call)
    assert isinstance(table, ContentsTable)
    table.failed.add("SortTable")
    grouping = _grouping(request)
    if request.sort_table_flags & ~ASYNCHRONOUS:
        raise RopError(ErrorCode.InvalidParameter)
    order = tuple(SortKey(item.property_tag, item.order == DESCENDING) for item in request.sort_orders)
    table.sort(order, grouping)
    table.failed.discard("SortTable")
    return {"table_status": TABLE_COMPLETE}


def _grouping(request: Any) -> Grouping | None:
    """The categories that a request asks for. `RopError` where its sort keys are not what they must be."""
    orders: Sequence[SortOrder] = request.sort_orders
    count = request.category_count
    if len(orders) > SORT_KEYS_MAXIMUM:
        raise RopError(ErrorCode.TooComplex)
    by_maximum = 0 < count < len(orders) and orders[count].order == MAXIMUM_CATEGORY
    others = [item for position, item in enumerate(orders) if not (by_maximum and position == count)]
    if (
        count > len(orders)
        or request.expanded_count > len(orders)
        or any(item.order not in {ASCENDING, DESCENDING} for item in others)
        or any(column_type(item.property_tag) not in _SORTABLE for item in orders)
        or any(_is_list(item.property_tag) for item in orders[:count])
    ):
        raise RopError(ErrorCode.InvalidParameter)
    return Grouping(count, min(request.expanded_count, count), by_maximum) if count else None


def _is_list(tag: int) -> bool:
    return bool(tag & MULTIPLE) and not tag & MULTIPLE_INSTANCE


@handles("ResetTable")
async def reset_table(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.16"""
    table = await opened_table(call)
    assert isinstance(table, ContentsTable)
    table.reset()
    return {}


@handles("ExpandRow")
async def expand_row(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.17; like Exchange it returns no rows (note 16)."""
    table = await _contents_table(call, needs_columns=True)
    if request.max_row_count:
        raise RopError(ErrorCode.NotSupported)
    category = table.category(request.category_id)
    if category.is_expanded:
        raise RopError(ErrorCode.NotCollapsed)
    count = table.set_expanded(category, is_expanded=True)
    return {"expanded_row_count": count, "row_count": 0, "row_data": b""}


@handles("CollapseRow")
async def collapse_row(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.18"""
    table = await _contents_table(call, needs_columns=True)
    category = table.category(request.category_id)
    if not category.is_expanded:
        raise RopError(ErrorCode.NotExpanded)
    return {"collapsed_row_count": table.set_expanded(category, is_expanded=False)}


@handles("GetCollapseState")
async def get_collapse_state(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.19"""
    table = await _contents_table(call, needs_columns=True)
    state = table.collapse_state(request.row_id, request.row_instance_number).build()
    if len(state) > STATE_MAXIMUM:
        raise RopError(ErrorCode.TooBig)
    return {"collapse_state": state}


@handles("SetCollapseState")
async def set_collapse_state(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2.20: the cursor goes to the row of the state, and so does the bookmark."""
    table = await _contents_table(call, needs_columns=True)
    state = CollapseState.parse(request.collapse_state)
    if state is None:
        raise RopError(ErrorCode.InvalidParameter)
    table.apply(state)
    return {"bookmark": table.mark(table.place(table.position))}
