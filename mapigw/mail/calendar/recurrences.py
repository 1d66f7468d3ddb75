"""The series that a component's RRULE, RDATE and EXDATE mean (RFC 5545 3.8.5), as far as MAPI can say it.

A rule of the kinds that MAPI has becomes its pattern, with deletions for what the pattern has too much. Any other set
of days becomes the coarsest pattern that has them all, with the days between deleted; of an endless one the first
years. What remains, several occurrences a day among it, fails to map (MS-OXCICAL 2.1.3.2.2).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import reduce
from itertools import islice, takewhile
from math import gcd
from typing import Final, Literal

from dateutil import rrule as dateutil_rrule

from mapigw.mail.calendar.patterns import Pattern, day_mask, fit, week_start
from mapigw.mail.calendar.reader import Component
from mapigw.mail.calendar.series import ModifiedOccurrence, Series
from mapigw.mail.calendar.values import Moment, Rule, moments, parse_rule
from mapigw.wire.recurrence import EndType, PatternType, RecurFrequency

MAX_DELETED: Final = 1000
"""Deletions in a blob; 12 bytes each, and clients look through them for every occurrence."""
_MAX_DATES: Final = 40_000
_ENDLESS_YEARS: Final = 10
_FINITE_YEARS: Final = 60
_CLAMPED_YEARS: Final = 30
_ENDLESS_COUNT: Final = 10

_MAX_RULES: Final = 5
_WEEK: Final = range(7)

_FREQUENCIES: Final[dict[str, Literal[0, 1]]] = {
    # Days and weeks are picked from those of the year: to step to a rule that never applies takes minutes.
    "DAILY": dateutil_rrule.YEARLY,
    "WEEKLY": dateutil_rrule.YEARLY,
    "MONTHLY": dateutil_rrule.MONTHLY,
    "YEARLY": dateutil_rrule.YEARLY,
}


@dataclass(frozen=True, slots=True)
class Recurrence:
    """``series`` is None for one occurrence, and for what MAPI cannot express; ``complete``: nothing is lost."""

    series: Series | None
    complete: bool = True


@dataclass(slots=True)
class _Excluded:
    times: set[datetime] = field(default_factory=set)
    days: set[date] = field(default_factory=set)

    def __contains__(self, start: datetime) -> bool:
        return start in self.times or start.date() in self.days

    @property
    def last(self) -> date:
        return max([*(item.date() for item in self.times), *self.days], default=date.min)


def recurrence_of(
    component: Component, start: datetime, duration: timedelta, local: Callable[[Moment], datetime]
) -> Recurrence:
    """The series of a component that starts at ``start``, naive; ``local`` brings a moment to the same clock."""
    rule_values = component.all("RRULE")
    lengths = any("/" in value.value for value in component.all("RDATE"))  # of occurrences of their own
    rdates = sorted({local(item) for value in component.all("RDATE") for item in moments(value)} - {start})
    if not rule_values and not rdates:
        return Recurrence(None)
    rules = [parse_rule(value.value) for value in rule_values]
    known = [rule for rule in rules if rule is not None]
    exclusions = [parse_rule(value.value) for value in component.all("EXRULE")]
    excluded = _Excluded()
    for value in component.all("EXDATE"):
        for item in moments(value):
            (excluded.days.add(local(item).date()) if item.is_date else excluded.times.add(local(item)))
    offsets = _offsets(start, duration)
    if len(rules) == 1 and known and not exclusions and not rdates:
        series = _fitted(known[0], start, excluded, local, offsets)
        if series is not None:
            return Recurrence(series)
    if len(known) < len(rules) or None in exclusions:
        return Recurrence(None, complete=False)
    found = _expanded(known, [rule for rule in exclusions if rule], rdates, start, excluded, local, duration)
    return Recurrence(found.series, found.complete and not lengths)


def _offsets(start: datetime, duration: timedelta) -> tuple[int, int]:
    begin = start.hour * 60 + start.minute
    return begin, begin + max(duration // timedelta(minutes=1), 0)


def _until(rule: Rule, local: Callable[[Moment], datetime]) -> datetime | None:
    if rule.until is None:
        return None
    until = local(rule.until)
    return datetime.combine(until.date(), time.max) if rule.until.is_date else until


def _fitted(
    rule: Rule,
    start: datetime,
    excluded: _Excluded,
    local: Callable[[Moment], datetime],
    offsets: tuple[int, int],
) -> Series | None:
    found = fit(rule, start)
    if found is None:
        return None
    pattern, anchor, wanted = found
    until = _until(rule, local)
    horizon = date(min(start.year + _CLAMPED_YEARS, 4400), 1, 1) if wanted else date.min
    first = last = None
    deleted: set[date] = set()
    total = kept = 0
    endless = rule.is_endless
    for day in islice(pattern.dates(anchor, start.date()), _MAX_DATES):
        moment = datetime.combine(day, start.time())
        if until is not None and moment > until:
            break
        is_wanted = wanted is None or wanted(day)
        if not is_wanted and first is None:
            continue  # the series begins with the first that is meant
        first = first or day
        total += 1
        kept += is_wanted
        if is_wanted:
            last = day
        if not is_wanted or moment in excluded:
            deleted.add(day)
        if kept == rule.count or (endless and day >= excluded.last and day >= horizon):
            break
    else:
        endless = True  # beyond what anybody will look at
    if first is None or last is None or len(deleted) > MAX_DELETED:
        return None
    if endless:
        return Series(pattern, first, None, _ENDLESS_COUNT, EndType.NEVER, *offsets, frozenset(deleted))
    total -= sum(day > last for day in deleted)
    deleted = {day for day in deleted if day <= last}
    by_count = rule.count is not None and wanted is None
    end = EndType.BY_COUNT if by_count else EndType.BY_DATE
    return Series(pattern, first, last, total, end, *offsets, frozenset(deleted))


def _expanded(
    rules: list[Rule],
    exclusions: list[Rule],
    rdates: list[datetime],
    start: datetime,
    excluded: _Excluded,
    local: Callable[[Moment], datetime],
    duration: timedelta,
) -> Recurrence:
    if len(rules) + len(exclusions) > _MAX_RULES or not all(map(_is_countable, (*rules, *exclusions))):
        return Recurrence(None, complete=False)
    complete = True
    found: set[datetime] = set() if rules else {start}
    for rule in rules:
        dates, ended = _dates(rule, start, local)
        found.update(dates)
        complete = complete and ended
    for rule in exclusions:
        found.difference_update(_dates(rule, start, local)[0])
    starts = sorted(item for item in found.union(rdates) if item not in excluded)
    by_day: dict[date, datetime] = {}
    for moment in starts:
        complete = by_day.setdefault(moment.date(), moment) == moment and complete
    series, whole = _coarsest(sorted(by_day), _offsets(start, duration))
    if series is None:
        return Recurrence(None, complete=complete and starts in ([], [start]))
    moved = tuple(
        ModifiedOccurrence(moment, moment + duration, datetime.combine(day, start.time()))
        for day, moment in by_day.items()
        if moment.time() != start.time() and series.last is not None and day <= series.last
    )
    return Recurrence(
        Series(
            series.pattern,
            series.first,
            series.last,
            series.count,
            series.end_type,
            series.start_offset,
            series.end_offset,
            series.deleted,
            moved,
        ),
        complete and whole,
    )


def _is_countable(rule: Rule) -> bool:
    by_day = rule.frequency in ("DAILY", "WEEKLY")
    ordinals = any(ordinal for ordinal, _day in rule.days)
    return rule.frequency in _FREQUENCIES and not rule.unknown and not (by_day and (rule.positions or ordinals))


def _in_period(rule: Rule, start: date, day: date) -> bool:
    """Whether an interval of days or weeks leads to a day."""
    if rule.frequency == "DAILY":
        return (day - start).days % rule.interval == 0
    first_dow = (rule.week_start + 1) % 7
    return (week_start(day, first_dow) - week_start(start, first_dow)).days // 7 % rule.interval == 0


def _dates(rule: Rule, start: datetime, local: Callable[[Moment], datetime]) -> tuple[list[datetime], bool]:
    """The starts of a rule up to a horizon, and whether there are no more behind it."""
    until = _until(rule, local)
    years = _ENDLESS_YEARS if rule.is_endless else _FINITE_YEARS
    horizon = start.replace(year=min(start.year + years, 4500), day=min(start.day, 28))
    by_day = rule.frequency in ("DAILY", "WEEKLY")
    days = [dateutil_rrule.weekday(day, ordinal or None) for ordinal, day in rule.days]
    if by_day and not days:
        usual = _WEEK if rule.frequency == "DAILY" else [start.weekday()]
        days = [dateutil_rrule.weekday(day) for day in usual]
    try:
        found: Iterable[datetime] = dateutil_rrule.rrule(
            _FREQUENCIES[rule.frequency],
            dtstart=start,
            interval=1 if by_day else rule.interval,
            wkst=rule.week_start,
            until=min(until, horizon) if until is not None else horizon,
            bysetpos=rule.positions or None,
            bymonth=rule.months or None,
            bymonthday=rule.month_days or None,
            byyearday=rule.year_days or None,
            byweekno=rule.week_numbers or None,
            byweekday=days or None,
            byhour=rule.hours or None,
            byminute=rule.minutes or None,
            bysecond=rule.seconds or None,
        )
        if by_day:
            found = (moment for moment in found if _in_period(rule, start.date(), moment.date()))
        limit = min(rule.count or _MAX_DATES, _MAX_DATES)
        dates = list(islice(found, limit))
    except (ValueError, OverflowError, IndexError):
        return [], False
    ended = len(dates) == rule.count or (until is not None and until <= horizon)
    return dates, ended


def _coarsest(days: list[date], offsets: tuple[int, int]) -> tuple[Series | None, bool]:
    """The pattern that has all these days and as few others as possible, and whether it got that far."""
    if len(days) < 2:
        return None, True
    step = reduce(gcd, ((day - days[0]).days for day in days[1:]))
    weeks = step // 7 if step % 7 == 0 else 1
    candidates = [
        Pattern(RecurFrequency.DAILY, PatternType.DAY, step),
        Pattern(RecurFrequency.WEEKLY, PatternType.WEEK, weeks, days=day_mask(tuple(day.weekday() for day in days))),
    ]
    if len({day.day for day in days}) == 1:
        months = reduce(gcd, ((day.year - days[0].year) * 12 + day.month - days[0].month for day in days[1:]))
        candidates.append(Pattern(RecurFrequency.MONTHLY, PatternType.MONTH, months, day=days[0].day))
    best = [_covering(pattern, days) for pattern in candidates]
    pattern, last, total, deleted = max(best, key=lambda item: (item[1], -len(item[3])))
    series = Series(pattern, days[0], last, total, EndType.BY_DATE, *offsets, frozenset(deleted))
    return series, last == days[-1]


def _covering(pattern: Pattern, days: Iterable[date]) -> tuple[Pattern, date, int, set[date]]:
    """(pattern, the last day that it reaches with as many deletions as may be, its dates until then, deletions)."""
    wanted = set(days)
    end = max(wanted)
    deleted: set[date] = set()
    pending: list[date] = []
    total, last = 0, min(wanted)
    for number, day in enumerate(takewhile(lambda day: day <= end, pattern.dates(last)), 1):
        if day not in wanted:
            pending.append(day)
            if len(deleted) + len(pending) > MAX_DELETED:
                break
            continue
        deleted.update(pending)
        pending.clear()
        total, last = number, day
    return pattern, last, total, deleted
