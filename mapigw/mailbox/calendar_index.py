"""Finding meetings by their global object id, and calendar items by time, without reading a folder.

The index follows a folder when it is asked: it reads what has changed since it was asked last.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mapigw.mailbox.content import BlobValue, stored_value
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store import calendar
from mapigw.store.calendar import CalendarRow, Changed
from mapigw.wire.properties import NamedTag, PropertyName, PropertyType, property_tag
from mapigw.wire.property_sets import PSETID_Appointment, PSETID_Meeting

_BATCH: Final = 200
_LAST_TIME: Final = (1 << 63) - 1
_DAY: Final = 24 * 3600 * 10_000_000

_CLEAN_ID: Final = NamedTag(PropertyName(PSETID_Meeting, lid=0x0023), PropertyType.BINARY)
_FULL_ID: Final = NamedTag(PropertyName(PSETID_Meeting, lid=0x0003), PropertyType.BINARY)
_START: Final = NamedTag(PropertyName(PSETID_Appointment, lid=0x820D), PropertyType.TIME)
_END: Final = NamedTag(PropertyName(PSETID_Appointment, lid=0x820E), PropertyType.TIME)
_CLIP_END: Final = NamedTag(PropertyName(PSETID_Appointment, lid=0x8236), PropertyType.TIME)
_RECURRING: Final = NamedTag(PropertyName(PSETID_Appointment, lid=0x8223), PropertyType.BOOLEAN)
_NEEDED: Final = (_CLEAN_ID, _FULL_ID, _START, _END, _CLIP_END, _RECURRING)


@dataclass(frozen=True, slots=True)
class CalendarIndex:
    """The index of one folder: of what has changed after ``since``, if it does not follow the folder yet."""

    mailbox: Mailbox
    folder_id: int
    since: int = 0

    async def find(self, clean_global_object_id: bytes) -> list[int]:
        """Ids of the messages that a PidLidCleanGlobalObjectId names, oldest first."""
        await self.follow()
        async with self.mailbox.database.read() as connection:
            return await calendar.select_by_id(
                connection, self.mailbox.mailbox_id, self.folder_id, clean_global_object_id
            )

    async def between(self, start: int, end: int, limit: int) -> list[int]:
        """Ids of at most ``limit`` items that may take time between two FILETIMEs; series by their whole length."""
        await self.follow()
        async with self.mailbox.database.read() as connection:
            return await calendar.select_by_time(connection, self.mailbox.mailbox_id, self.folder_id, start, end, limit)

    async def follow(self) -> None:
        """Bring the index up to date."""
        mailbox = self.mailbox
        ids = await mailbox.property_ids([key.property_name for key in _NEEDED], create=True)
        tags = {key: property_tag(ids[key.property_name], key.type) for key in _NEEDED}
        while True:
            async with mailbox.database.read() as connection:
                position = await calendar.select_position(connection, mailbox.mailbox_id, self.folder_id)
                first = position is None
                position = self.since if position is None else position
                changed = await calendar.select_changed(
                    connection, mailbox.mailbox_id, self.folder_id, position, _BATCH
                )
            if not changed and not first:
                return
            rows = await asyncio.to_thread(self._rows, changed, tags)
            if changed:
                position = changed[-1].change_number
            async with mailbox.database.write() as connection:
                await calendar.update_index(connection, mailbox.mailbox_id, self.folder_id, position, rows)
            if len(changed) < _BATCH:
                return

    def _rows(self, changed: list[Changed], tags: Mapping[NamedTag, int]) -> list[CalendarRow]:
        rows = []
        for item in changed:
            values = {key: stored_value(item.properties, item.properties_index, tag) for key, tag in tags.items()}
            row = _row(item.message_id, self.folder_id, values)
            if row is not None:
                rows.append(row)
        return rows


def _row(message_id: int, folder_id: int, values: Mapping[NamedTag, Any]) -> CalendarRow | None:
    identity = values[_CLEAN_ID] or values[_FULL_ID] or b""
    if isinstance(identity, BlobValue):
        return None
    start, end = values[_START] or 0, values[_END] or 0
    if values[_RECURRING]:  # which ends on the day of its last occurrence, in a zone that may be a day away
        end = (values[_CLIP_END] or _LAST_TIME) + 2 * _DAY
    return CalendarRow(message_id, folder_id, identity, min(start, _LAST_TIME), min(max(start, end), _LAST_TIME))
