"""Values of iCalendar properties: dates, durations, recurrence rules (RFC 5545 3.3); forms seen in the wild too."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mapigw.mail.calendar.reader import Property

_MOMENT: Final = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ]?(\d\d):?(\d\d):?(\d\d)?(?:\.\d+)?)?(Z)?", re.IGNORECASE)
_DURATION: Final = re.compile(
    r"([+-]?)P(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,8})M)?(?:(\d{1,9})S)?)?", re.IGNORECASE
)
_FIRST_YEAR: Final = 1601
_LAST_YEAR: Final = 4500  # the last that recurrences of MAPI know


@dataclass(frozen=True, slots=True)
class Moment:
    """A DATE or DATE-TIME: its wall clock time, and whose wall it is on."""

    wall: datetime
    """Naive."""
    is_date: bool = False
    is_utc: bool = False
    tzid: str = ""

    @property
    def is_floating(self) -> bool:
        return not self.is_utc and not self.tzid


def parse_moment(value: str, tzid: str = "") -> Moment | None:
    """None for what is no date."""
    found = _MOMENT.fullmatch(value.strip())
    if found is None:
        return None
    year, month, day, hour, minute, second, utc = found.groups()
    if not _FIRST_YEAR <= int(year) <= _LAST_YEAR:
        return None
    try:
        wall = datetime(int(year), int(month), int(day))  # noqa: DTZ001
        if hour is None:
            return Moment(wall, is_date=True, tzid=tzid)
        # 24:00 and leap seconds are written by some.
        wall += timedelta(hours=int(hour), minutes=int(minute), seconds=min(int(second or 0), 59))
    except (ValueError, OverflowError):
        return None
    if int(hour) > 24 or int(minute) > 59:
        return None
    return Moment(wall, is_utc=bool(utc), tzid="" if utc else tzid)


def moment(found: Property | None) -> Moment | None:
    """The moment of a property, in the time zone that it names."""
    if found is None:
        return None
    return parse_moment(found.value, found.params.get("TZID", ""))


def moments(found: Property) -> list[Moment]:
    """The moments of a list (EXDATE, RDATE); of periods their starts."""
    tzid = found.params.get("TZID", "")
    items = (parse_moment(item.partition("/")[0], tzid) for item in found.value.split(","))
    return [item for item in items if item is not None]


def parse_duration(value: str) -> timedelta | None:
    found = _DURATION.fullmatch(value.strip())
    if found is None:
        return None
    weeks, days, hours, minutes, seconds = (int(group or 0) for group in found.groups()[1:])
    length = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -length if found[1] == "-" else length


@dataclass(frozen=True, slots=True)
class Rule:
    """An RRULE; ``until`` is None with COUNT and without end. ``days``: (ordinal, or 0 for every; 0 for Monday)."""

    frequency: str
    interval: int = 1
    count: int | None = None
    until: Moment | None = None
    days: tuple[tuple[int, int], ...] = ()
    month_days: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()
    week_start: int = 0
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    seconds: tuple[int, ...] = ()
    year_days: tuple[int, ...] = ()
    week_numbers: tuple[int, ...] = ()
    unknown: bool = False
    """It has parts that are not read (RSCALE, SKIP, nonsense)."""

    @property
    def is_endless(self) -> bool:
        return self.count is None and self.until is None


WEEK_DAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAY: Final = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_LISTS: Final = {
    "BYMONTHDAY": ("month_days", 31),
    "BYMONTH": ("months", 12),
    "BYSETPOS": ("positions", 366),
    "BYHOUR": ("hours", 23),
    "BYMINUTE": ("minutes", 59),
    "BYSECOND": ("seconds", 60),
    "BYYEARDAY": ("year_days", 366),
    "BYWEEKNO": ("week_numbers", 53),
}
_FREQUENCIES: Final = frozenset({"SECONDLY", "MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"})
_MAX_INTERVAL: Final = 9999
_MAX_WEEKS: Final = 53
_MAX_COUNT: Final = 0x7FFFFFFF


def parse_rule(value: str) -> Rule | None:
    """None for what is no rule; what is wrong in one makes it ``unknown``."""
    parts: dict[str, str] = {}
    for item in value.strip().upper().split(";"):
        name, equals, text = item.partition("=")
        if equals:
            parts.setdefault(name.strip(), text.strip())
    frequency = parts.pop("FREQ", "")
    if frequency not in _FREQUENCIES:
        return None
    fields: dict[str, object] = {}
    unknown = False
    for name, text in parts.items():
        if name in _LISTS:
            key, maximum = _LISTS[name]
            numbers = _numbers(text, maximum)
            fields[key] = numbers
            unknown = unknown or not numbers
        elif name == "BYDAY":
            days = [_DAY.fullmatch(item.strip()) for item in text.split(",")]
            fields["days"] = tuple(dict.fromkeys((int(day[1] or 0), WEEK_DAYS.index(day[2])) for day in days if day))
            unknown = unknown or not all(day and abs(int(day[1] or 0)) <= _MAX_WEEKS for day in days)
        elif name == "WKST" and text in WEEK_DAYS:
            fields["week_start"] = WEEK_DAYS.index(text)
        elif name == "INTERVAL" and text.isdecimal():
            fields["interval"] = max(int(text[:9]), 1)
        elif name == "COUNT" and text.isdecimal():
            fields["count"] = min(max(int(text[:12]), 1), _MAX_COUNT)
        elif name == "UNTIL":
            fields["until"] = parse_moment(text)
            unknown = unknown or fields["until"] is None
        else:
            unknown = True
    rule = Rule(frequency, **fields, unknown=unknown)  # type: ignore[arg-type]
    return Rule(frequency, unknown=True) if rule.interval > _MAX_INTERVAL else rule


def _numbers(text: str, maximum: int) -> tuple[int, ...]:
    """The list's numbers; () when one of them is none, or out of its range."""
    items = [item.strip() for item in text.split(",")]
    if not all(re.fullmatch(r"[+-]?\d{1,3}", item) and abs(int(item)) <= maximum for item in items):
        return ()
    return tuple(dict.fromkeys(int(item) for item in items))
