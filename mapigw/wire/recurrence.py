"""Recurrence blobs: PidLidAppointmentRecur and PidLidTaskRecurrence (MS-OXOCAL 2.2.1.44, MS-OXOTASK 2.2.2.2.15).

Dates and times in them are minutes since 1601-01-01 00:00 in the time zone of the series.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, IntFlag
from typing import Any, Final

from mapigw.wire.cursor import Cursor
from mapigw.wire.definition import Definition
from mapigw.wire.primitives import Counted, If, Int16ul, Int32ul, Pulled, Rest, SizedBytes, Struct, this


class RecurFrequency(IntEnum):
    """2.2.1.44.1."""

    DAILY = 0x200A
    WEEKLY = 0x200B
    MONTHLY = 0x200C
    YEARLY = 0x200D


class PatternType(IntEnum):
    """2.2.1.44.1; those with Hj follow the Hijri calendar."""

    DAY = 0x0000
    WEEK = 0x0001
    MONTH = 0x0002
    MONTH_NTH = 0x0003
    MONTH_END = 0x0004
    HJ_MONTH = 0x000A
    HJ_MONTH_NTH = 0x000B
    HJ_MONTH_END = 0x000C


class EndType(IntEnum):
    """2.2.1.44.1; `NEVER_OLD` is what some clients write for `NEVER`."""

    BY_DATE = 0x2021
    BY_COUNT = 0x2022
    NEVER = 0x2023
    NEVER_OLD = 0xFFFFFFFF


class OverrideFlags(IntFlag):
    """What an exception has of its own (2.2.1.44.2)."""

    SUBJECT = 0x0001
    MEETING_TYPE = 0x0002
    REMINDER_DELTA = 0x0004
    REMINDER = 0x0008
    LOCATION = 0x0010
    BUSY_STATUS = 0x0020
    ATTACHMENT = 0x0040
    SUB_TYPE = 0x0080
    APPOINTMENT_COLOR = 0x0100
    EXCEPTIONAL_BODY = 0x0200


READER_VERSION: Final = 0x3004
READER_VERSION2: Final = 0x3006
WRITER_VERSION2: Final = 0x3009
NO_END_DATE: Final = 0x5AE980DF
"""EndDate of a series without end: 4500-12-31 23:59."""
_CHANGE_HIGHLIGHT_VERSION: Final = 0x3009

_EPOCH: Final = datetime(1601, 1, 1)  # noqa: DTZ001 - in the time zone of the series


def minutes(moment: datetime) -> int:
    """A naive local time as the blobs have it; seconds are cut off."""
    return (moment - _EPOCH) // timedelta(minutes=1)


def from_minutes(value: int) -> datetime:
    """A naive local time. Raises `OverflowError` beyond the year 9999."""
    return _EPOCH + timedelta(minutes=value)


_SPECIFIC_FIELDS: Final = {
    PatternType.DAY: 0,
    PatternType.WEEK: 1,
    PatternType.MONTH: 1,
    PatternType.MONTH_NTH: 2,
    PatternType.MONTH_END: 1,
    PatternType.HJ_MONTH: 1,
    PatternType.HJ_MONTH_NTH: 2,
    PatternType.HJ_MONTH_END: 1,
}


def _pull_specific(cursor: Cursor, context: Any) -> tuple[int, ...]:
    count = _SPECIFIC_FIELDS.get(context.pattern_type)
    if count is None:
        raise cursor.fail(f"pattern type 0x{context.pattern_type:04X} is not known")
    return tuple(cursor.uint32() for _ in range(count))


def _push_specific(out: bytearray, value: tuple[int, ...], context: Any) -> None:
    if len(value) != _SPECIFIC_FIELDS[context.pattern_type]:
        raise ValueError("PatternTypeSpecific does not fit the pattern type")
    for item in value:
        out += item.to_bytes(4, "little")


PATTERN: Final = Struct(
    "reader_version" / Int16ul,
    "writer_version" / Int16ul,
    "recur_frequency" / Int16ul,
    "pattern_type" / Int16ul,
    "calendar_type" / Int16ul,
    "first_date_time" / Int32ul,
    "period" / Int32ul,
    "sliding_flag" / Int32ul,
    "pattern_type_specific" / Pulled(_pull_specific, _push_specific),
    "end_type" / Int32ul,
    "occurrence_count" / Int32ul,
    "first_dow" / Int32ul,
    "deleted_instance_dates" / Counted(Int32ul, Int32ul),
    "modified_instance_dates" / Counted(Int32ul, Int32ul),
    "start_date" / Int32ul,
    "end_date" / Int32ul,
)
"""RecurrencePattern (2.2.1.44.1). ``pattern_type_specific``: (), (days of the week,), (day,) or (days, N)."""

RECURRENCE_PATTERN: Final = Definition(Struct(*PATTERN.subcons, "leftover" / Rest))
"""PidLidTaskRecurrence. Behind what counts clients leave the tail of a longer value: ``leftover``."""


def _pull_text(cursor: Cursor, context: Any) -> bytes:
    length, length2 = cursor.uint16(), cursor.uint16()
    if length != length2 + 1:
        raise cursor.fail(f"lengths {length} and {length2} of a string do not agree")
    return cursor.take(length2)


def _push_text(out: bytearray, value: bytes, context: Any) -> None:
    out += (len(value) + 1).to_bytes(2, "little") + len(value).to_bytes(2, "little") + value


_Text: Final = Pulled(_pull_text, _push_text)
"""SubjectLength, SubjectLength2 and Subject, or those of Location: bytes in the writer's code page."""


def _overridden(flag: OverrideFlags) -> Any:
    return this.override_flags & int(flag)


EXCEPTION_INFO: Final = Struct(
    "start_date_time" / Int32ul,
    "end_date_time" / Int32ul,
    "original_start_date" / Int32ul,
    "override_flags" / Int16ul,
    "subject" / If(_overridden(OverrideFlags.SUBJECT), _Text),
    "meeting_type" / If(_overridden(OverrideFlags.MEETING_TYPE), Int32ul),
    "reminder_delta" / If(_overridden(OverrideFlags.REMINDER_DELTA), Int32ul),
    "reminder_set" / If(_overridden(OverrideFlags.REMINDER), Int32ul),
    "location" / If(_overridden(OverrideFlags.LOCATION), _Text),
    "busy_status" / If(_overridden(OverrideFlags.BUSY_STATUS), Int32ul),
    "attachment" / If(_overridden(OverrideFlags.ATTACHMENT), Int32ul),
    "sub_type" / If(_overridden(OverrideFlags.SUB_TYPE), Int32ul),
    "appointment_color" / If(_overridden(OverrideFlags.APPOINTMENT_COLOR), Int32ul),
)
"""ExceptionInfo (2.2.1.44.2)."""


@dataclass(frozen=True, slots=True)
class ExtendedException:
    """2.2.1.44.4. ``times`` (start, end, original), ``subject`` and ``location`` follow the ExceptionInfo's flags."""

    change_highlight: bytes | None = b"\0\0\0\0"
    """ChangeHighlightValue and what is reserved behind it; None before WriterVersion2 0x3009."""
    reserved_block_ee1: bytes = b""
    times: tuple[int, int, int] | None = None
    subject: str | None = None
    location: str | None = None
    reserved_block_ee2: bytes | None = None


_TEXT_FLAGS: Final = OverrideFlags.SUBJECT | OverrideFlags.LOCATION


def _pull_wide(cursor: Cursor) -> str:
    return cursor.take(cursor.uint16() * 2).decode("utf-16-le", "surrogatepass")


def _pull_extended(cursor: Cursor, context: Any) -> list[ExtendedException]:
    return [_pull_one(cursor, info.override_flags, context.writer_version2) for info in context.exception_info]


def _pull_one(cursor: Cursor, flags: int, version: int) -> ExtendedException:
    highlight = None
    if version >= _CHANGE_HIGHLIGHT_VERSION:
        highlight = cursor.take(cursor.uint32())
    reserved = cursor.take(cursor.uint32())
    if not flags & _TEXT_FLAGS:
        return ExtendedException(highlight, reserved)
    return ExtendedException(
        highlight,
        reserved,
        times=(cursor.uint32(), cursor.uint32(), cursor.uint32()),
        subject=_pull_wide(cursor) if flags & OverrideFlags.SUBJECT else None,
        location=_pull_wide(cursor) if flags & OverrideFlags.LOCATION else None,
        reserved_block_ee2=cursor.take(cursor.uint32()),
    )


def _push_extended(out: bytearray, value: list[ExtendedException], context: Any) -> None:
    for item in value:
        for block in (item.change_highlight, item.reserved_block_ee1):
            if block is not None:
                out += len(block).to_bytes(4, "little") + block
        if item.times is None:
            continue
        for time in item.times:
            out += time.to_bytes(4, "little")
        for text in (item.subject, item.location):
            if text is not None:
                data = text.encode("utf-16-le", "surrogatepass")
                out += (len(data) // 2).to_bytes(2, "little") + data
        block = item.reserved_block_ee2 or b""
        out += len(block).to_bytes(4, "little") + block


APPOINTMENT_RECURRENCE_PATTERN: Final = Definition(
    Struct(
        "recurrence_pattern" / PATTERN,
        "reader_version2" / Int32ul,
        "writer_version2" / Int32ul,
        "start_time_offset" / Int32ul,
        "end_time_offset" / Int32ul,
        "exception_info" / Counted(Int16ul, EXCEPTION_INFO),
        "reserved_block1" / SizedBytes(Int32ul),
        "extended_exception" / Pulled(_pull_extended, _push_extended),
        "reserved_block2" / SizedBytes(Int32ul),
        "leftover" / Rest,
    )
)
"""AppointmentRecurrencePattern (2.2.1.44.5): PidLidAppointmentRecur."""
