"""Tables: columns, rows and the cursor (MS-OXCTABL 2.2.2, MS-OXCROPS 2.2.5); hierarchy and contents tables.

A table is a snapshot of its rows' ids; the rows themselves are read when they are asked for, some dozens at once.
"""

import logging
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Folder, ServerObject
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.values import ROW_VALUE_MAXIMUM, Reader
from mapigw.mailbox.folder_properties import folder_reader
from mapigw.mailbox.message_properties import message_properties
from mapigw.store.folders import Folder as FolderRow
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.properties import MULTIPLE, MULTIPLE_INSTANCE, PropertyType
from mapigw.wire.rows import push_row

log = logging.getLogger("mapigw.emsmdb")

TABLE_COMPLETE: Final = 0x00
LEAF_ROW: Final = 1  # of PidTagRowType: a row of data
BATCH: Final = 64
VALUE_MAXIMUM: Final = 510  # bytes of a value in a row (MS-OXCTABL 2.2.2.5.2)
COLUMNS_MAXIMUM: Final = 4096
QUERY_OVERHEAD: Final = 9  # response header, origin, row count

BOOKMARK_BEGINNING: Final = 0x00
BOOKMARK_CURRENT: Final = 0x01
BOOKMARK_END: Final = 0x02

NO_ADVANCE: Final = 0x01

# TableFlags (MS-OXCFOLD 2.2.1.13.1, 2.2.1.14.1)
ASSOCIATED: Final = 0x02
DEPTH: Final = 0x04
SOFT_DELETES: Final = 0x20
CONVERSATION_MEMBERS: Final = 0x80
# Depth, DeferredErrors, NoNotifications, SoftDeletes, UseUnicode, SuppressesNotifications
HIERARCHY_FLAGS: Final = 0xFC
# Associated, DeferredErrors, NoNotifications, SoftDeletes, UseUnicode, ConversationMembers
CONTENTS_FLAGS: Final = 0xFA

_COLUMN_TYPES: Final = frozenset(map(int, PropertyType)) - {PropertyType.UNSPECIFIED, PropertyType.ERROR_CODE}


class Table(ServerObject):
    """A table of ``keys``; subclasses `load` the property values of some of them."""

    def __init__(self, owner: ServerObject, keys: Sequence[Any]) -> None:
        super().__init__(owner.logon)
        self.keys = keys
        self.columns: list[int] = []
        self.position = 0

    async def load(self, keys: Sequence[Any]) -> list[Mapping[int, Any] | None]:
        """The rows' values, by tag, in the order of ``keys``; None for a row that is gone or cannot be read."""
        raise NotImplementedError

    def require_columns(self) -> list[int]:
        if not self.columns:
            raise RopError(ErrorCode.NullObject)  # MS-OXCTABL 3.2.5.2
        return self.columns

    def seek(self, position: int) -> bool:
        """Move the cursor; False when the end of the table stopped it."""
        self.position = max(0, min(position, len(self.keys)))
        return self.position == position


class HierarchyTable(Table):
    """The subfolders of a folder."""

    async def load(self, keys: Sequence[Any]) -> list[Mapping[int, Any] | None]:
        reader = await folder_reader(self.logon.mailbox)
        rows = {row.folder_id: row for row in reader.rows}
        return [reader.properties(rows[key]) if key in rows else None for key in keys]


class ContentsTable(Table):
    """The normal or the FAI messages of a folder, newest first."""

    def __init__(self, owner: Folder, keys: Sequence[int]) -> None:
        super().__init__(owner, keys)
        self._folder_id = owner.folder_id

    async def load(self, keys: Sequence[Any]) -> list[Mapping[int, Any] | None]:
        rows = await self.logon.mailbox.messages(self._folder_id, keys)
        return [self._values(rows[key]) if key in rows else None for key in keys]

    def _values(self, row: MessageRow) -> Mapping[int, Any] | None:
        mailbox = self.logon.mailbox
        try:
            values = message_properties(mailbox, row)
        except (WireError, struct.error) as error:
            log.error("message %d of mailbox %s is left out of a table: %s", row.message_id, mailbox.guid, error)
            return None
        values[tags.PidTagInstID] = values[tags.PidTagMid]
        values[tags.PidTagInstanceNum] = 0
        values[tags.PidTagRowType] = LEAF_ROW
        values[tags.PidTagDepth] = 0
        return values


@handles("GetHierarchyTable")
async def get_hierarchy_table(call: Call, request: Any) -> dict[str, Any]:
    """MS-OXCFOLD 2.2.1.13: the subfolders, or with Depth all folders below."""
    folder = call.object(Folder)
    flags = request.table_flags
    if flags & ~HIERARCHY_FLAGS:
        raise RopError(ErrorCode.NotSupported)
    await folder.row()
    children: dict[int, list[FolderRow]] = {}
    for row in await folder.logon.mailbox.folders():
        children.setdefault(row.parent_id, []).append(row)
    keys: list[int] = []
    if not flags & SOFT_DELETES:  # nothing is ever soft-deleted
        level = children.get(folder.folder_id, [])
        while level:
            keys += [row.folder_id for row in sorted(level, key=lambda row: row.name.casefold())]
            level = [child for row in level for child in children.get(row.folder_id, [])] if flags & DEPTH else []
    call.open(request, HierarchyTable(folder, keys))
    return {"row_count": len(keys)}


@handles("GetContentsTable")
async def get_contents_table(call: Call, request: Any) -> dict[str, Any]:
    """MS-OXCFOLD 2.2.1.14"""
    folder = call.object(Folder)
    flags = request.table_flags
    if flags & ~CONTENTS_FLAGS:
        raise RopError(ErrorCode.InvalidParameter)
    if flags & CONVERSATION_MEMBERS:
        raise RopError(ErrorCode.NotSupported)
    await folder.row()
    keys: list[int] = []
    if not flags & SOFT_DELETES:
        keys = await folder.logon.mailbox.message_ids(folder.folder_id, associated=bool(flags & ASSOCIATED))
    call.open(request, ContentsTable(folder, keys))
    return {"row_count": len(keys)}


@handles("SetColumns")
async def set_columns(call: Call, request: Any) -> dict[str, Any]:
    """MS-OXCTABL 2.2.2.2"""
    table = call.object(Table)
    columns = list(request.property_tags)
    table.columns = []
    if not columns or request.set_columns_flags & ~0x01:
        raise RopError(ErrorCode.InvalidParameter)
    if len(columns) > COLUMNS_MAXIMUM:
        raise RopError(ErrorCode.TooManyColumns)
    if any(_column_type(tag) not in _COLUMN_TYPES for tag in columns):
        raise RopError(ErrorCode.InvalidParameter)
    if any(tag & MULTIPLE_INSTANCE for tag in columns):
        raise RopError(ErrorCode.NotSupported)
    table.columns = columns
    return {"table_status": TABLE_COMPLETE}


def _column_type(tag: int) -> int:
    """The type of a column; that of an instance of a multiple value is the multiple value's."""
    return tag & 0xFFFF & ~(MULTIPLE_INSTANCE if tag & MULTIPLE else 0)


@handles("QueryRows")
async def query_rows(call: Call, request: Any) -> dict[str, Any]:
    """MS-OXCTABL 2.2.2.5: rows from the cursor on, as many as fit; backwards those before it, in the table's order."""
    table = call.object(Table)
    columns = table.require_columns()
    if request.query_rows_flags & ~0x03:
        raise RopError(ErrorCode.InvalidParameter)
    reader = Reader(call, want_unicode=True, size_limit=0, truncate=VALUE_MAXIMUM)
    forward = bool(request.forward_read)
    rows: list[bytes] = []
    position, space, full = table.position, call.space - QUERY_OVERHEAD, False
    while len(rows) < request.row_count and not full:
        step = min(BATCH, request.row_count - len(rows))
        keys = table.keys[position : position + step] if forward else table.keys[max(0, position - step) : position]
        if not keys:
            break
        for values in await table.load(keys if forward else keys[::-1]):
            if values is not None:
                out = bytearray()
                push_row(out, columns, await reader.row(values, columns))
                if len(out) > space:
                    full = True
                    break
                space -= len(out)
                rows.append(bytes(out))
            position += 1 if forward else -1
    if full and not rows:
        if len(out) > ROW_VALUE_MAXIMUM:
            raise RopError(ErrorCode.BufferTooSmall)
        rows = [bytes(out)]  # the dispatcher asks for a larger buffer
    elif not request.query_rows_flags & NO_ADVANCE:
        table.position = position
    origin = BOOKMARK_CURRENT
    if not forward and position == 0:
        origin = BOOKMARK_BEGINNING
    elif forward and position == len(table.keys):
        origin = BOOKMARK_END
    return {"origin": origin, "row_count": len(rows), "row_data": b"".join(rows if forward else reversed(rows))}


@handles("QueryPosition")
async def query_position(call: Call, request: Any) -> dict[str, Any]:
    """MS-OXCTABL 2.2.2.8"""
    table = call.object(Table)
    return {"numerator": table.position, "denominator": len(table.keys)}


@handles("SeekRow")
async def seek_row(call: Call, request: Any) -> dict[str, Any]:
    """MS-OXCTABL 2.2.2.9"""
    table = call.object(Table)
    origins = {BOOKMARK_BEGINNING: 0, BOOKMARK_CURRENT: table.position, BOOKMARK_END: len(table.keys)}
    if request.origin not in origins:
        raise RopError(ErrorCode.InvalidParameter)
    start = origins[request.origin]
    reached = table.seek(start + request.row_count)
    moved = table.position - start
    wanted = request.want_row_moved_count
    return {"has_sought_less": bool(wanted) and not reached, "rows_sought": moved if wanted else 0}
