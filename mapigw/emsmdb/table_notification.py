"""What open tables tell of their rows (MS-OXCNOTIF 2.2.1.1.1, 3.1.4.3).

A table hears of changes from when it was opened, and tells of them once its rows have been looked at. Until the client
fetches what it has to tell, its rows stay as the client knows them; then the table is listed anew, and the difference
is told row by row. Where that is not possible or too much, it is told that the table has changed, and the table is
listed anew when it is next looked at.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from mapigw.emsmdb.notices import Notice
from mapigw.emsmdb.notification import notify, own_id
from mapigw.emsmdb.objects import Logon
from mapigw.mailbox.events import Changes, Event
from mapigw.wire.rops.notification import (
    ON_MESSAGE,
    TABLE_CHANGED,
    TABLE_MODIFIED,
    TABLE_ROW_ADDED,
    TABLE_ROW_DELETED,
    TABLE_ROW_MODIFIED,
)

ROWS_MAXIMUM: Final = 32
"""Rows that are told of one by one."""
ROW_SIZE_MAXIMUM: Final = 0x2000
"""Bytes of a row that a notification has room for."""

VIEWING: Final = frozenset(
    {
        "CollapseRow",
        "ExpandRow",
        "FindRow",
        "QueryColumnsAll",
        "QueryPosition",
        "QueryRows",
        "SeekRow",
        "SeekRowBookmark",
        "SeekRowFractional",
    }
)
"""The ROPs that create a table view (3.1.4.3)."""


@dataclass(frozen=True, slots=True)
class RowKey:
    """A row as notifications name it."""

    folder_id: int
    message_id: int = 0

    @property
    def row_id(self) -> int:
        return self.message_id or self.folder_id


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row that is told of; ``row`` is None when it is gone."""

    key: RowKey
    after: RowKey | None
    """The row before it; None: it is the first one."""
    row: bytes | None
    is_new: bool


class Watched(Protocol):
    """A table of which is told."""

    logon: Logon
    handle: int
    columns: list[int]

    def concerned(self, event: Event) -> Iterable[int] | None:
        """The ids of the rows that an event may add, change or remove; None for all."""

    async def update(self, ids: Sequence[int]) -> Sequence[RowChange] | None:
        """List the table anew, and tell what became of some of its rows; None where the table does not know.

        In this order: rows that are gone, then the others as they follow one another.
        """


class TableWatch:
    """The subscription that every table has, and its notice: there is at most one in the queue."""

    subject: Hashable = 0

    def __init__(self, table: Watched, *, suppresses_own: bool = False) -> None:
        """``suppresses_own``: nothing is told of what the session itself changes."""
        self.is_stale = False
        """The rows are to be listed anew before they are looked at."""
        self._table = table
        self._suppresses_own = suppresses_own
        self._is_viewed = False
        self._changed: dict[int, None] | None = {}
        """The rows to tell of; None: too many, or all."""
        self._unsaid: dict[int, None] = {}
        """Rows that the session has changed itself and is not told of."""

    @property
    def source(self) -> TableWatch:
        return self

    def summary(self, latest: Notice) -> Notice:
        return latest

    def view(self) -> None:
        """A ROP looks at the rows."""
        self._is_viewed = True

    def reset(self) -> None:
        """RopResetTable: nothing more is told until the rows are looked at again."""
        self._is_viewed = False
        self._changed = {}
        self._table.logon.session.notices.drop(self)

    def close(self) -> None:
        self._table.logon.listening.remove(self)
        self._table.logon.session.notices.drop(self)

    def hear(self, changes: Changes) -> None:
        found = [self._table.concerned(event) for event in changes.events]
        ids = dict.fromkeys(row_id for some in found if some is not None for row_id in some)
        if not ids and None not in found:
            return
        is_own = self._suppresses_own and changes.origin is self._table.logon.session
        if is_own or not self._is_viewed:
            self.is_stale = True
            if is_own and len(self._unsaid) < ROWS_MAXIMUM:
                self._unsaid |= ids
            return
        if self._changed is not None:
            self._changed |= ids
            if None in found or len(self._changed) > ROWS_MAXIMUM:
                self._changed = None
        self._table.logon.session.notices.put(self)

    async def responses(self) -> list[bytes]:
        changed, self._changed = self._changed, {}
        unsaid, self._unsaid = self._unsaid, {}
        found = None
        self.is_stale = True
        if changed is not None and self._table.columns:
            found = await self._table.update(list(changed))
        if found is None or any(len(item.row or b"") > ROW_SIZE_MAXIMUM for item in found):
            return [self._built({"notification_flags": TABLE_MODIFIED, "table_event_type": TABLE_CHANGED})]
        self.is_stale = False
        told = [item for item in found if item.key.row_id not in unsaid or item.key.row_id in (changed or ())]
        return [self._built(_row_data(item)) for item in told]

    def _built(self, data: Mapping[str, Any]) -> bytes:
        return notify(self._table.handle, self._table.logon.logon_id, dict(data))


def _row_data(change: RowChange) -> dict[str, Any]:
    key, after = change.key, change.after
    placed = TABLE_ROW_ADDED if change.is_new else TABLE_ROW_MODIFIED
    return {
        "notification_flags": TABLE_MODIFIED | (ON_MESSAGE if key.message_id else 0),
        "table_event_type": TABLE_ROW_DELETED if change.row is None else placed,
        "table_row_folder_id": own_id(key.folder_id),
        "table_row_message_id": own_id(key.message_id),
        "table_row_instance": 0,
        "insert_after_table_row_folder_id": own_id(after.folder_id if after else 0),
        "insert_after_table_row_id": own_id(after.message_id if after else 0),
        "insert_after_table_row_instance": 0,
        "table_row_data": change.row,
    }
