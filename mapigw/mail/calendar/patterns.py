"""Recurrence patterns of MAPI, and the RRULEs that mean the same (MS-OXOCAL 2.2.1.44.1, MS-OXCICAL 2.1.3.2.2).

A pattern by day of the month moves to the month's last day where the month is too short; RFC 5545 leaves such a month
out. A fitting RRULE for the former is "the last of the days 28 to N" (BYSETPOS=-1).
"""

from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import count
from typing import Any, Final

from mapigw.mail.calendar.values import WEEK_DAYS, Rule
from mapigw.wire.recurrence import PatternType, RecurFrequency

LAST: Final = 5
"""N of the last such day of a month."""
_LAST_YEAR: Final = 4500
_SHORTEST_MONTH: Final = 28

Wanted = Callable[[date], bool]
"""Which of a pattern's dates a rule means."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """``period`` counts days, weeks or months; ``days`` is a mask from Sunday, 1, to Saturday, 64."""

    frequency: RecurFrequency
    pattern_type: PatternType
    period: int
    days: int = 0
    day: int = 0
    nth: int = 0
    first_dow: int = 0
    """0 is Sunday."""
    calendar_type: int = 0

    def dates(self, anchor: date, start: date | None = None) -> Iterator[date]:
        """The pattern's dates from ``start`` on; its periods are counted from the one that ``anchor`` is in."""
        start = start or anchor
        if self.pattern_type == PatternType.DAY:
            found = self._daily(anchor)
        elif self.pattern_type == PatternType.WEEK:
            found = self._weekly(anchor)
        else:
            found = self._monthly(anchor)
        for day in found:
            if day.year > _LAST_YEAR:
                return
            if day >= start:
                yield day

    def _daily(self, anchor: date) -> Iterator[date]:
        return (anchor + timedelta(days=number * self.period) for number in count())

    def _weekly(self, anchor: date) -> Iterator[date]:
        week = week_start(anchor, self.first_dow)
        places = [place for place in range(7) if self.days >> (self.first_dow + place) % 7 & 1]
        for number in count():
            for place in places:
                yield week + timedelta(days=number * self.period * 7 + place)

    def _monthly(self, anchor: date) -> Iterator[date]:
        for number in count():
            years, month = divmod(anchor.month - 1 + number * self.period, 12)
            yield self._in_month(anchor.year + years, month + 1)

    def _in_month(self, year: int, month: int) -> date:
        first, length = monthrange(year, month)
        if self.pattern_type == PatternType.MONTH:
            return date(year, month, min(self.day, length))
        if self.pattern_type == PatternType.MONTH_END:
            return date(year, month, length)
        matching = [day for day in range(1, length + 1) if self.days >> (first + day) % 7 & 1]
        return date(year, month, matching[-1 if self.nth >= LAST else self.nth - 1])


def week_start(day: date, first_dow: int) -> date:
    return day - timedelta(days=(day.isoweekday() - first_dow) % 7)


def day_mask(days: tuple[int, ...]) -> int:
    """The mask of weekdays that are counted from Monday, 0."""
    return sum(1 << (day + 1) % 7 for day in set(days))


# From RRULE


def fit(rule: Rule, start: datetime) -> tuple[Pattern, date, Wanted | None] | None:
    """The pattern of a rule, the date that its periods are counted from, and which of its dates the rule means (all).

    None for a rule that no pattern expresses (MS-OXCICAL 2.1.3.2.2).
    """
    if rule.unknown or rule.year_days or rule.week_numbers or not _at_time(rule, start):
        return None
    found = _FITTING.get(rule.frequency, _fit_none)(rule, start)
    if found is None:
        return None
    pattern, anchor, wanted = found
    return replace(pattern, first_dow=(rule.week_start + 1) % 7), anchor, wanted


_Fitted = tuple[Pattern, date, Wanted | None]


def _at_time(rule: Rule, start: datetime) -> bool:
    times = ((rule.hours, start.hour), (rule.minutes, start.minute), (rule.seconds, start.second))
    return all(values in ((), (value,)) for values, value in times)


def _fit_none(rule: Rule, start: datetime) -> _Fitted | None:
    return None


def _fit_daily(rule: Rule, start: datetime) -> _Fitted | None:
    if rule.months or rule.month_days or rule.positions:
        return None
    if not rule.days:
        return Pattern(RecurFrequency.DAILY, PatternType.DAY, rule.interval), start.date(), None
    if rule.interval != 1:
        return None
    return _fit_weekly(rule, start, RecurFrequency.DAILY)


def _fit_weekly(rule: Rule, start: datetime, frequency: RecurFrequency = RecurFrequency.WEEKLY) -> _Fitted | None:
    if rule.months or rule.month_days or rule.positions or any(ordinal for ordinal, _day in rule.days):
        return None
    days = day_mask(tuple(day for _ordinal, day in rule.days) or (start.weekday(),))
    return Pattern(frequency, PatternType.WEEK, rule.interval, days=days), start.date(), None


def _fit_monthly(rule: Rule, start: datetime) -> _Fitted | None:
    if rule.months:
        return None
    if (
        rule.days
        and not rule.month_days
        and not rule.positions
        and rule.interval == 1
        and not any(ordinal for ordinal, _day in rule.days)
    ):
        return _fit_weekly(rule, start)  # every such day of every month
    return _fit_in_month(rule, start, Pattern(RecurFrequency.MONTHLY, PatternType.MONTH, rule.interval), start.date())


def _fit_yearly(rule: Rule, start: datetime) -> _Fitted | None:
    if len(rule.months) > 1 or (not rule.months and (rule.days or rule.month_days)):
        return None
    month = rule.months[0] if rule.months else start.month
    if month < 1 or (rule.days and not rule.month_days and not rule.positions and rule.days[0][0] == 0):
        return None
    frequency = RecurFrequency.YEARLY if rule.interval == 1 else RecurFrequency.MONTHLY
    pattern = Pattern(frequency, PatternType.MONTH, 12 * rule.interval)
    return _fit_in_month(rule, start, pattern, date(start.year, month, 1))


def _fit_in_month(rule: Rule, start: datetime, pattern: Pattern, anchor: date) -> _Fitted | None:
    days, ordinals = tuple(day for _ordinal, day in rule.days), {ordinal for ordinal, _day in rule.days}
    if not days:
        found = _month_day(rule, start)
        if found is None:
            return None
        day, clamped = found
        wanted = None if clamped or day <= _SHORTEST_MONTH else lambda item: item.day == day
        return replace(pattern, day=day), anchor, wanted
    nth = 0
    if rule.month_days:  # the Tuesday of the 8th to the 14th
        week, rest = divmod(min(rule.month_days) - 1, 7)
        if rest == 0 and sorted(rule.month_days) == list(range(7 * week + 1, 7 * week + 8)) and len(set(days)) == 1:
            nth = 0 if rule.positions or ordinals != {0} else week + 1
    elif ordinals == {0} and len(rule.positions) == 1:
        nth = rule.positions[0]
    elif len(days) == 1 and not rule.positions:
        nth = rule.days[0][0]
    if nth not in (1, 2, 3, 4, 5, -1) or (nth == LAST and len(set(days)) > 1):
        return None
    pattern = replace(pattern, pattern_type=PatternType.MONTH_NTH, days=day_mask(days), nth=LAST if nth == -1 else nth)
    return pattern, anchor, (lambda item: item.day > _SHORTEST_MONTH) if nth == LAST else None


def _month_day(rule: Rule, start: datetime) -> tuple[int, bool] | None:
    """The day of the month, and whether a month that is too short has its last day instead."""
    days = sorted(rule.month_days) or [start.day]
    if rule.positions:
        clamping = rule.positions == (-1,) and days == list(range(_SHORTEST_MONTH, days[-1] + 1))
        return (days[-1], True) if clamping else None
    if days == [-1]:
        return 31, True
    return (days[0], False) if len(days) == 1 and days[0] > 0 else None


_FITTING: Final = {"DAILY": _fit_daily, "WEEKLY": _fit_weekly, "MONTHLY": _fit_monthly, "YEARLY": _fit_yearly}


# To RRULE


def recurrence_rule(pattern: Pattern, first: date) -> dict[str, Any]:
    """The parts of an RRULE but its end, for `icalendar.vRecur`."""
    names = [WEEK_DAYS[(place - 1) % 7] for place in range(7) if pattern.days >> place & 1]
    rule: dict[str, Any] = {"freq": "daily"}
    period = pattern.period
    if pattern.pattern_type == PatternType.WEEK:
        rule = {"freq": "weekly", "byday": names, "wkst": WEEK_DAYS[(pattern.first_dow - 1) % 7]}
    elif pattern.pattern_type != PatternType.DAY:
        rule = {"freq": "monthly"}
        if period % 12 == 0:
            rule = {"freq": "yearly", "bymonth": first.month}
            period //= 12
        rule |= _in_month_parts(pattern, names)
    if period != 1:
        rule["interval"] = period
    return rule


def _in_month_parts(pattern: Pattern, names: list[str]) -> dict[str, Any]:
    if pattern.pattern_type == PatternType.MONTH_NTH:
        nth = -1 if pattern.nth >= LAST else pattern.nth
        if len(names) == 1:
            return {"byday": f"{nth}{names[0]}"}
        return {"byday": names, "bysetpos": nth}
    if pattern.pattern_type == PatternType.MONTH_END or pattern.day >= 31:
        return {"bymonthday": -1}
    if pattern.day <= _SHORTEST_MONTH:
        return {"bymonthday": pattern.day}
    return {"bymonthday": list(range(_SHORTEST_MONTH, pattern.day + 1)), "bysetpos": -1}
