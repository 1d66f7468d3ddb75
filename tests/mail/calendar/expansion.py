"""What a recurrence blob means, day by day, by the formulas of MS-OXOCAL 2.2.1.44.1: slow and plain."""

# ruff: noqa: DTZ001 - on the clock of the series

from calendar import monthrange
from datetime import date, datetime, timedelta
from typing import Any

from mapigw.wire.recurrence import APPOINTMENT_RECURRENCE_PATTERN

_EPOCH = date(1601, 1, 1)
_DAY = 1440


def _has(pattern: Any, day: date) -> bool:
    kind, specific, period = pattern.pattern_type, pattern.pattern_type_specific, pattern.period
    number = (day - _EPOCH).days
    weekday = day.isoweekday() % 7
    if kind == 0:
        return bool(number * _DAY % period == pattern.first_date_time)
    if kind == 1:
        week = number - (weekday - pattern.first_dow) % 7
        return week * _DAY % (period * 7 * _DAY) == pattern.first_date_time and bool(specific[0] >> weekday & 1)
    first = _EPOCH + timedelta(minutes=pattern.first_date_time)
    months = (day.year - 1601) * 12 + day.month - 1
    if months % period != (first.year - 1601) * 12 + first.month - 1:
        return False
    length = monthrange(day.year, day.month)[1]
    if kind == 2:
        return bool(day.day == min(specific[0], length))
    matching = [
        number
        for number in range(1, length + 1)
        if specific[0] >> date(day.year, day.month, number).isoweekday() % 7 & 1
    ]
    return day.day == matching[specific[1] - 1 if specific[1] < 5 else -1]


def starts(blob: bytes, until: datetime) -> list[datetime]:
    """When the occurrences start, exceptions among them, sorted."""
    value = APPOINTMENT_RECURRENCE_PATTERN.parse(blob)
    pattern = value.recurrence_pattern
    deleted = set(pattern.deleted_instance_dates)
    found, count = [], 0
    day = _EPOCH + timedelta(minutes=pattern.start_date)
    last = min(until.date(), _EPOCH + timedelta(minutes=pattern.end_date))
    while day <= last:
        if _has(pattern, day):
            count += 1
            if (day - _EPOCH).days * _DAY not in deleted:
                found.append(datetime(day.year, day.month, day.day) + timedelta(minutes=value.start_time_offset))
            if pattern.end_type == 0x2022 and count == pattern.occurrence_count:
                break
        day += timedelta(days=1)
    found += [datetime(1601, 1, 1) + timedelta(minutes=info.start_date_time) for info in value.exception_info]
    return sorted(item for item in found if item <= until)
