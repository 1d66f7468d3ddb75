"""Tables: columns, rows and the cursor (MS-OXCTABL 2.2.2, MS-OXCROPS 2.2.5); hierarchy and contents tables.

A table is a snapshot of its rows' ids; the rows themselves are read when they are asked for, some dozens at once.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Folder, ServerObject
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.values import Reader
from mapigw.mailbox.folder_properties import folder_reader
from mapigw.mailbox.message_properties import message_properties
from mapigw.store.folders import Folder as FolderRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import MULTIPLE, MULTIPLE_INSTANCE
from mapigw.wire.rows import push_row

TABLE_COMPLETE: Final = 0x00
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
USE_UNICODE: Final = 0x40
CONVERSATION_MEMBERS: Final = 0x80
HIERARCHY_FLAGS: Final = (
    0xFC  # Depth, DeferredErrors, NoNotifications, SoftDeletes, UseUnicode, SuppressesNotifications
)
CONTENTS_FLAGS: Final = (
    0xFA  # Associated, DeferredErrors, NoNotifications, SoftDeletes, UseUnicode, ConversationMembers
)


class Table(ServerObject):
    """A table of ``keys``; subclasses `load` the property values of some of them."""

    def __init__(self, owner: ServerObject, keys: Sequence[Any], flags: int) -> None:
        super().__init__(owner.logon)
        self.keys = keys
        self.unicode = bool(flags & USE_UNICODE)
        self.columns: list[int] = []
        self.position = 0

    async def load(self, keys: Sequence[Any]) -> list[Mapping[int, Any]]:
        """The rows' values, by tag, in the order of ``keys``; a row that is gone is left out."""
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

    async def load(self, keys: Sequence[Any]) -> list[Mapping[int, Any]]:
        reader = await folder_reader(self.logon.mailbox)
        rows = {row.folder_id: row for row in reader.rows}
        return [reader.properties(rows[key]) for key in keys if key in rows]


class ContentsTable(Table):
    """The normal or the FAI messages of a folder, newest first."""

    def __init__(self, owner: Folder, keys: Sequence[int], flags: int) -> None:
        super().__init__(owner, keys, flags)
        self._folder_id = owner.folder_id

    async def load(self, keys: Sequence[Any]) -> list[Mapping[int, Any]]:
        mailbox = self.logon.mailbox
        rows = await mailbox.messages(self._folder_id, keys)
        found: list[Mapping[int, Any]] = []
        for key in keys:
            if key in rows:
                values = dict(message_properties(mailbox, rows[key]))
                values[tags.PidTagInstID] = values[tags.PidTagMid]
                values[tags.PidTagInstanceNum] = 0
                found.append(values)
        return found


@handles("GetHierarchyTable")
async def get_hierarchy_table(call: Call, request: Any) -> dict[str, Any]:
    """MS-OXCFOLD 2.2.1.13: the subfolders, or with Depth all folders below."""
    folder = call.object(Folder)
    flags = request.table_flags
    if flags & ~HIERARCHY_FLAGS:
        raise RopError(ErrorCode.InvalidParameter)
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
    call.open(request, HierarchyTable(folder, keys, flags))
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
    call.open(request, ContentsTable(folder, keys, flags))
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
    if any(tag & MULTIPLE_INSTANCE and tag & MULTIPLE for tag in columns):
        raise RopError(ErrorCode.NotSupported)
    table.columns = columns
    return {"table_status": TABLE_COMPLETE}


@handles("QueryRows")
async def query_rows(call: Call, request: Any) -> dict[str, Any]:
    """MS-OXCTABL 2.2.2.5: rows from the cursor on, forwards or backwards, as many as fit."""
    table = call.object(Table)
    columns = table.require_columns()
    if request.query_rows_flags & ~0x03:
        raise RopError(ErrorCode.InvalidParameter)
    reader = Reader(call, want_unicode=table.unicode, size_limit=0, truncate=VALUE_MAXIMUM)
    forward = bool(request.forward_read)
    cells: list[list[Any]] = []
    position, space, full = table.position, call.space - QUERY_OVERHEAD, False
    while len(cells) < request.row_count and not full:
        step = min(BATCH, request.row_count - len(cells))
        keys = table.keys[position : position + step] if forward else table.keys[max(0, position - step) : position]
        if not keys:
            break
        rows = await table.load(keys)
        for values in rows if forward else reversed(rows):
            row = await reader.row(values, columns)
            out = bytearray()
            push_row(out, columns, row)
            if len(out) > space:
                full = True
                break
            space -= len(out)
            cells.append(row)
            position += 1 if forward else -1
        else:
            position = position + len(keys) - len(rows) if forward else position - len(keys) + len(rows)
    if full and not cells:
        cells = [row]  # too large for the buffer: the dispatcher asks for a larger one
    elif not request.query_rows_flags & NO_ADVANCE:
        table.position = position
    call.columns = columns
    origin = BOOKMARK_CURRENT
    if not forward and position == 0:
        origin = BOOKMARK_BEGINNING
    elif forward and position == len(table.keys):
        origin = BOOKMARK_END
    return {"origin": origin, "row_count": len(cells), "row_data": cells}


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
