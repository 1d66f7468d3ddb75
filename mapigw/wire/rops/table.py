"""Table ROPs (MS-OXCROPS 2.2.5). Rows need the parameter ``columns``, those of the table's last SetColumns."""

from typing import Final

from mapigw.wire.primitives import (
    Boolean,
    Byte,
    CountOf,
    If,
    Int16ul,
    Int32sl,
    Int32ul,
    ObjectIdField,
    PropertyTags,
    Repeated,
    Sized,
    SizedBytes,
    this,
)
from mapigw.wire.restrictions import RestrictionField
from mapigw.wire.rops.rop import rop
from mapigw.wire.rows import Row, Rows, SortOrderField

_STATUS: Final = {"table_status": Byte}

rop(0x12, "SetColumns", "2.2.5.1", {"set_columns_flags": Byte, "property_tags": PropertyTags}, _STATUS)

rop(
    0x13,
    "SortTable",
    "2.2.5.2",
    {
        "sort_table_flags": Byte,
        "sort_order_count": CountOf(Int16ul, "sort_orders"),
        "category_count": Int16ul,
        "expanded_count": Int16ul,
        "sort_orders": Repeated(this.sort_order_count, SortOrderField),
    },
    _STATUS,
)

rop(
    0x14,
    "Restrict",
    "2.2.5.3",
    {"restrict_flags": Byte, "restriction_data": Sized(Int16ul, RestrictionField, optional=True)},
    _STATUS,
)

rop(
    0x15,
    "QueryRows",
    "2.2.5.4",
    {"query_rows_flags": Byte, "forward_read": Boolean, "row_count": Int16ul},
    {"origin": Byte, "row_count": Int16ul, "row_data": Rows(this.row_count)},
)

rop(0x38, "Abort", "2.2.5.5", {}, _STATUS)

rop(0x16, "GetStatus", "2.2.5.6", {}, _STATUS)

rop(0x17, "QueryPosition", "2.2.5.7", {}, {"numerator": Int32ul, "denominator": Int32ul})

rop(
    0x18,
    "SeekRow",
    "2.2.5.8",
    {"origin": Byte, "row_count": Int32sl, "want_row_moved_count": Boolean},
    {"has_sought_less": Boolean, "rows_sought": Int32sl},
)

rop(
    0x19,
    "SeekRowBookmark",
    "2.2.5.9",
    {"bookmark": SizedBytes(Int16ul), "row_count": Int32sl, "want_row_moved_count": Boolean},
    {"row_no_longer_visible": Boolean, "has_sought_less": Boolean, "rows_sought": Int32sl},
)

rop(0x1A, "SeekRowFractional", "2.2.5.10", {"numerator": Int32ul, "denominator": Int32ul}, {})

rop(0x1B, "CreateBookmark", "2.2.5.11", {}, {"bookmark": SizedBytes(Int16ul)})

rop(0x37, "QueryColumnsAll", "2.2.5.12", {}, {"property_tags": PropertyTags})

rop(
    0x4F,
    "FindRow",
    "2.2.5.13",
    {
        "find_row_flags": Byte,
        "restriction_data": Sized(Int16ul, RestrictionField, optional=True),
        "origin": Byte,
        "bookmark": SizedBytes(Int16ul),
    },
    {"row_no_longer_visible": Boolean, "has_row_data": Boolean, "row_data": If(this.has_row_data, Row)},
)

rop(0x89, "FreeBookmark", "2.2.5.14", {"bookmark": SizedBytes(Int16ul)}, {})

rop(0x81, "ResetTable", "2.2.5.15", {}, {})

rop(
    0x59,
    "ExpandRow",
    "2.2.5.16",
    {"max_row_count": Int16ul, "category_id": ObjectIdField},
    {"expanded_row_count": Int32ul, "row_count": Int16ul, "row_data": Rows(this.row_count)},
)

rop(0x5A, "CollapseRow", "2.2.5.17", {"category_id": ObjectIdField}, {"collapsed_row_count": Int32ul})

rop(
    0x6B,
    "GetCollapseState",
    "2.2.5.18",
    {"row_id": ObjectIdField, "row_instance_number": Int32ul},
    {"collapse_state": SizedBytes(Int16ul)},
)

rop(
    0x6C,
    "SetCollapseState",
    "2.2.5.19",
    {"collapse_state": SizedBytes(Int16ul)},
    {"bookmark": SizedBytes(Int16ul)},
)
