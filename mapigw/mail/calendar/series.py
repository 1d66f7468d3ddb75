"""Recurring series: their occurrences, and PidLidAppointmentRecur and PidLidTaskRecurrence (MS-OXOCAL 2.2.1.44)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Final

from mapigw.mail.calendar.patterns import LAST, Pattern, week_start
from mapigw.wire.errors import WireError
from mapigw.wire.recurrence import (
    APPOINTMENT_RECURRENCE_PATTERN,
    NO_END_DATE,
    READER_VERSION,
    READER_VERSION2,
    RECURRENCE_PATTERN,
    WRITER_VERSION2,
    EndType,
    ExtendedException,
    OverrideFlags,
    PatternType,
    RecurFrequency,
    from_minutes,
    minutes,
)

_DAY: Final = 24 * 60
_ENDLESS_COUNT: Final = 10  # OccurrenceCount of a series without end
_MAX_PERIOD_MONTHS: Final = 12 * 999
_GREGORIAN: Final = frozenset({0, 1, 2, 3, 4, 5, 7, 9, 10, 11, 12})
"""Calendar types whose months are those of the Gregorian calendar (2.2.1.44.1)."""
_MONTHLY: Final = frozenset({PatternType.MONTH, PatternType.MONTH_END, PatternType.MONTH_NTH})


@dataclass(frozen=True, slots=True)
class ModifiedOccurrence:
    """An occurrence that differs (ExceptionInfo, 2.2.1.44.2), in local times; None is as in the series."""

    start: datetime
    end: datetime
    original: datetime
    subject: str | None = None
    location: str | None = None
    meeting_type: int | None = None
    reminder_delta: int | None = None
    reminder_set: bool | None = None
    busy_status: int | None = None
    attachment: bool | None = None
    sub_type: bool | None = None
    appointment_color: int | None = None
    has_body: bool = False


@dataclass(frozen=True, slots=True)
class Occurrence:
    """In local time; ``original`` is when it was to start by the pattern."""

    start: datetime
    end: datetime
    original: datetime
    exception: ModifiedOccurrence | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """``first`` and ``last`` are the dates of the first and last occurrence by the pattern; None: it does not end."""

    pattern: Pattern
    first: date
    last: date | None
    count: int
    end_type: EndType
    start_offset: int = 0
    """Minutes from midnight; as ``end_offset``, which may be on a later day."""
    end_offset: int = 0
    deleted: frozenset[date] = frozenset()
    """Dates by the pattern without an occurrence; those of exceptions are not among them."""
    exceptions: tuple[ModifiedOccurrence, ...] = ()

    @property
    def duration(self) -> timedelta:
        return timedelta(minutes=self.end_offset - self.start_offset)

    def start_on(self, day: date) -> datetime:
        """When the occurrence of a date by the pattern starts."""
        return datetime.combine(day, time()) + timedelta(minutes=self.start_offset)

    def dates(self) -> Iterator[date]:
        """The dates by the pattern, deleted ones too."""
        for day in self.pattern.dates(self.first):
            if self.last is not None and day > self.last:
                return
            yield day

    def is_date(self, day: date) -> bool:
        """Whether the pattern has this date."""
        if day < self.first or (self.last is not None and day > self.last):
            return False
        return next(self.pattern.dates(self.first, day), None) == day

    def occurrences(self) -> Iterator[Occurrence]:
        """By the dates of the pattern."""
        changed = {item.original.date(): item for item in self.exceptions}
        for day in self.dates():
            found = changed.get(day)
            if found is not None:
                yield Occurrence(found.start, found.end, found.original, found)
            elif day not in self.deleted:
                start = self.start_on(day)
                yield Occurrence(start, start + self.duration, start)

    # The blob

    def pattern_fields(self) -> dict[str, Any]:
        """The RecurrencePattern."""
        pattern = self.pattern
        modified = [_midnight(item.start.date()) for item in self.exceptions]
        replaced = {_midnight(item.original.date()) for item in self.exceptions}
        period = pattern.period * (_DAY if pattern.pattern_type == PatternType.DAY else 1)
        return {
            "reader_version": READER_VERSION,
            "writer_version": READER_VERSION,
            "recur_frequency": pattern.frequency,
            "pattern_type": pattern.pattern_type,
            "calendar_type": pattern.calendar_type,
            "first_date_time": first_date_time(pattern, self.first),
            "period": period,
            "sliding_flag": 0,
            "pattern_type_specific": _specific(pattern),
            "end_type": self.end_type,
            "occurrence_count": self.count,
            "first_dow": pattern.first_dow,
            "deleted_instance_dates": sorted({_midnight(day) for day in self.deleted} | replaced),
            "modified_instance_dates": sorted(modified),
            "start_date": _midnight(self.first),
            "end_date": NO_END_DATE if self.last is None else _midnight(self.last),
        }

    def build(self) -> bytes:
        """PidLidAppointmentRecur."""
        exceptions = sorted(self.exceptions, key=lambda item: item.start)
        return APPOINTMENT_RECURRENCE_PATTERN.build(
            {
                "recurrence_pattern": self.pattern_fields(),
                "reader_version2": READER_VERSION2,
                "writer_version2": WRITER_VERSION2,
                "start_time_offset": self.start_offset,
                "end_time_offset": self.end_offset,
                "exception_info": [_exception_info(item) for item in exceptions],
                "reserved_block1": b"",
                "extended_exception": [_extended(item) for item in exceptions],
                "reserved_block2": b"",
                "leftover": b"",
            }
        )

    def build_task(self) -> bytes:
        """PidLidTaskRecurrence."""
        return RECURRENCE_PATTERN.build({**self.pattern_fields(), "leftover": b""})

    @classmethod
    def parse(cls, data: bytes) -> "Series":
        """PidLidAppointmentRecur. Raises `WireError`, also for what has no occurrences."""
        value = APPOINTMENT_RECURRENCE_PATTERN.parse(data)
        series = _from_pattern(value.recurrence_pattern)
        texts = value.extended_exception
        try:
            exceptions = [_exception(info, text) for info, text in zip(value.exception_info, texts, strict=True)]
        except OverflowError as error:
            raise WireError("a time beyond the year 9999", field="ExceptionInfo") from error
        if value.end_time_offset < value.start_time_offset or value.end_time_offset > _MAX_OFFSET:
            raise WireError("the occurrences end before they start", field="EndTimeOffset")
        originals = {item.original.date() for item in exceptions}
        return replace(
            series,
            start_offset=value.start_time_offset,
            end_offset=value.end_time_offset,
            deleted=series.deleted - originals,
            exceptions=tuple(exceptions),
        )

    @classmethod
    def parse_task(cls, data: bytes) -> "Series":
        """PidLidTaskRecurrence. Raises `WireError`."""
        return _from_pattern(RECURRENCE_PATTERN.parse(data))


_MAX_OFFSET: Final = 10 * 366 * _DAY


def _midnight(day: date) -> int:
    return minutes(datetime.combine(day, time()))


def first_date_time(pattern: Pattern, first: date) -> int:
    """FirstDateTime (2.2.1.44.1.1 to 2.2.1.44.1.3): where in its period the series begins, counted from 1601."""
    if pattern.pattern_type == PatternType.DAY:
        return _midnight(first) % (pattern.period * _DAY)
    if pattern.pattern_type == PatternType.WEEK:
        return _midnight(week_start(first, pattern.first_dow)) % (pattern.period * 7 * _DAY)
    years, month = divmod(((first.year - 1601) * 12 + first.month - 1) % pattern.period, 12)
    return _midnight(date(1601 + years, month + 1, 1))


def _specific(pattern: Pattern) -> tuple[int, ...]:
    if pattern.pattern_type == PatternType.WEEK:
        return (pattern.days,)
    if pattern.pattern_type == PatternType.MONTH_NTH:
        return (pattern.days, pattern.nth)
    return () if pattern.pattern_type == PatternType.DAY else (pattern.day,)


def _from_pattern(value: Any) -> Series:
    try:
        pattern = _pattern(value)
        never = value.end_type in (EndType.NEVER, EndType.NEVER_OLD) or value.end_date >= NO_END_DATE
        first = from_minutes(value.start_date).date()
        return Series(
            pattern,
            first,
            None if never else from_minutes(value.end_date).date(),
            value.occurrence_count,
            EndType.NEVER if never else EndType(value.end_type),
            deleted=frozenset(from_minutes(item).date() for item in value.deleted_instance_dates),
        )
    except (ValueError, OverflowError) as error:
        raise WireError(f"the recurrence has no meaning: {error}", field="RecurrencePattern") from error


def _pattern(value: Any) -> Pattern:
    kind = PatternType(value.pattern_type)
    frequency = RecurFrequency(value.recur_frequency)
    period = value.period // _DAY if kind == PatternType.DAY else value.period
    specific = value.pattern_type_specific
    days = day = nth = 0
    if kind == PatternType.WEEK:
        days = specific[0] & 0x7F
    elif kind == PatternType.MONTH_NTH:
        days, nth = specific[0] & 0x7F, specific[1]
    elif kind in _MONTHLY:
        day = specific[0]
    if kind not in (PatternType.DAY, PatternType.WEEK) and (
        kind not in _MONTHLY or value.calendar_type not in _GREGORIAN
    ):
        raise ValueError("its calendar is not the Gregorian one")
    if not 1 <= period <= _MAX_PERIOD_MONTHS:
        raise ValueError(f"a period of {period}")
    if kind in (PatternType.WEEK, PatternType.MONTH_NTH) and not days:
        raise ValueError("no day of the week")
    if (kind == PatternType.MONTH and not 1 <= day <= 31) or (kind == PatternType.MONTH_NTH and not 1 <= nth <= LAST):
        raise ValueError("no day of the month")
    return Pattern(frequency, kind, period, days, day, nth, value.first_dow % 7, value.calendar_type)


_FLAGS: Final = {
    "subject": OverrideFlags.SUBJECT,
    "meeting_type": OverrideFlags.MEETING_TYPE,
    "reminder_delta": OverrideFlags.REMINDER_DELTA,
    "reminder_set": OverrideFlags.REMINDER,
    "location": OverrideFlags.LOCATION,
    "busy_status": OverrideFlags.BUSY_STATUS,
    "attachment": OverrideFlags.ATTACHMENT,
    "sub_type": OverrideFlags.SUB_TYPE,
    "appointment_color": OverrideFlags.APPOINTMENT_COLOR,
}


def _exception_info(item: ModifiedOccurrence) -> dict[str, Any]:
    flags = OverrideFlags.EXCEPTIONAL_BODY if item.has_body else OverrideFlags(0)
    fields: dict[str, Any] = {}
    for name, flag in _FLAGS.items():
        value = getattr(item, name)
        if value is not None:
            flags |= flag
        fields[name] = value.encode("cp1252", "replace") if isinstance(value, str) else value
    return {
        "start_date_time": minutes(item.start),
        "end_date_time": minutes(item.end),
        "original_start_date": minutes(item.original),
        "override_flags": int(flags),
        **fields,
    }


def _extended(item: ModifiedOccurrence) -> ExtendedException:
    if item.subject is None and item.location is None:
        return ExtendedException()
    return ExtendedException(
        times=(minutes(item.start), minutes(item.end), minutes(item.original)),
        subject=item.subject,
        location=item.location,
        reserved_block_ee2=b"",
    )


def _exception(info: Any, extended: ExtendedException) -> ModifiedOccurrence:
    return ModifiedOccurrence(
        from_minutes(info.start_date_time),
        from_minutes(info.end_date_time),
        from_minutes(info.original_start_date),
        subject=extended.subject,
        location=extended.location,
        meeting_type=info.meeting_type,
        reminder_delta=info.reminder_delta,
        reminder_set=None if info.reminder_set is None else bool(info.reminder_set),
        busy_status=info.busy_status,
        attachment=None if info.attachment is None else bool(info.attachment),
        sub_type=None if info.sub_type is None else bool(info.sub_type),
        appointment_color=info.appointment_color,
        has_body=bool(info.override_flags & OverrideFlags.EXCEPTIONAL_BODY),
    )
