"""Time zones: their IANA and Windows names, and the rules that MAPI has for them (MS-OXOCAL 2.2.1.39 to 2.2.1.43).

A rule is the half-yearly change that Windows knows: the first to fourth, or last, day of the week in a month. The rules
of a named zone are read off its transitions.
"""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from mapigw.wire.errors import WireError
from mapigw.wire.time_zones import (
    HEADER_RESERVED,
    MAJOR_VERSION,
    MINOR_VERSION,
    RULE_RESERVED,
    TIME_ZONE_DEFINITION,
    TIME_ZONE_STRUCT,
    TzRuleFlags,
)

_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_LAST_WEEK: Final = 5
_FIRST_RULE_YEAR: Final = 1601
_RULES_FROM, _RULES_TO = 1970, 2100  # the years for which transitions are made of rules
_SAMPLE_YEAR: Final = 2022


@dataclass(frozen=True, slots=True)
class Change:
    """When a zone's offset changes in a year, on the clock before the change; ``day_of_week`` 0 is Sunday."""

    month: int
    week: int
    day_of_week: int
    hour: int
    minute: int

    def in_year(self, year: int) -> datetime:
        """Naive."""
        first = datetime(year, self.month, 1, min(self.hour, 23), min(self.minute, 59))  # noqa: DTZ001
        ahead = (self.day_of_week - first.isoweekday()) % 7
        moment = first + timedelta(days=ahead + 7 * (self.week - 1))
        while moment.month != self.month:
            moment -= timedelta(days=7)
        return moment


@dataclass(frozen=True, slots=True)
class ZoneRule:
    """Offsets of standard and daylight saving time east of UTC, in minutes, and the changes between them, if any."""

    standard: int
    daylight: int
    to_standard: Change | None = None
    to_daylight: Change | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of offset: when (naive UTC), and the minutes east of UTC before and after."""

    at: datetime
    before: int
    after: int
    is_daylight: bool


class RuleZone(tzinfo):
    """A zone made of transitions, sorted; ``first`` is its offset in minutes before them."""

    def __init__(self, name: str, first: int, transitions: list[Transition]) -> None:
        self.name = name
        self._first = first
        self._transitions = transitions
        self._utc = [item.at for item in transitions]
        # At a gap the old offset holds for fold 0, at an overlap the first of the two times (PEP 495).
        self._wall = (
            [item.at + max(item.before, item.after) * _MINUTE for item in transitions],
            [item.at + min(item.before, item.after) * _MINUTE for item in transitions],
        )

    def __repr__(self) -> str:
        return f"RuleZone({self.name!r})"

    def _at(self, when: datetime | None) -> Transition | None:
        if when is None:
            return None
        place = bisect_right(self._wall[when.fold], when.replace(tzinfo=None, fold=0))
        return self._transitions[place - 1] if place else None

    def utcoffset(self, when: datetime | None) -> timedelta:
        found = self._at(when)
        return (found.after if found else self._first) * _MINUTE

    def dst(self, when: datetime | None) -> timedelta:
        found = self._at(when)
        return (found.after - found.before) * _MINUTE if found and found.is_daylight else timedelta(0)

    def tzname(self, when: datetime | None) -> str:
        return self.name

    def fromutc(self, when: datetime) -> datetime:
        naive = when.replace(tzinfo=None)
        place = bisect_right(self._utc, naive)
        found = self._transitions[place - 1] if place else None
        local = naive + (found.after if found else self._first) * _MINUTE
        repeated = found is not None and local < found.at + found.before * _MINUTE
        return local.replace(tzinfo=self, fold=int(repeated))


def zone_of_rules(name: str, rules: dict[int, ZoneRule]) -> tzinfo:
    """A zone of rules by the first year of each; the earliest holds before it too."""
    years = sorted(rules)
    earliest = rules[years[0]]
    transitions: list[Transition] = []
    for year in range(_RULES_FROM, _RULES_TO):
        rule = rules[years[max(bisect_right(years, year) - 1, 0)]]
        changes = []
        if rule.to_standard and rule.to_daylight:
            changes = [
                (rule.to_standard, rule.daylight, rule.standard),
                (rule.to_daylight, rule.standard, rule.daylight),
            ]
        for change, before, after in changes:
            at = change.in_year(year) - before * _MINUTE
            transitions.append(Transition(at, before, after, after == rule.daylight))
        if not changes and transitions and transitions[-1].after != rule.standard:
            at = datetime(year, 1, 1) - transitions[-1].after * _MINUTE  # noqa: DTZ001
            transitions.append(Transition(at, transitions[-1].after, rule.standard, is_daylight=False))
    return RuleZone(name, earliest.standard, sorted(transitions, key=lambda item: item.at))


# Names


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone under the name that Windows (or whoever defined it) gives it."""

    name: str
    tz: tzinfo

    def utc(self, wall: datetime) -> datetime:
        """Aware UTC of a naive local time."""
        return wall.replace(tzinfo=self.tz).astimezone(UTC)

    def local(self, moment: datetime) -> datetime:
        """Naive local time of an aware one."""
        return moment.astimezone(self.tz).replace(tzinfo=None, fold=0)


UTC_ZONE: Final = Zone("UTC", UTC)


def named_zone(name: str) -> Zone | None:
    """The zone of an IANA or Windows name, also behind a vendor's prefix ("/mozilla.org/20050126_1/Europe/Berlin")."""
    name = name.strip().strip("/")
    if name.upper() in ("UTC", "GMT", "Z", "ETC/UTC", "TZONE://MICROSOFT/UTC"):
        return UTC_ZONE
    if name in WINDOWS_TO_OLSON:
        return Zone(name, ZoneInfo(WINDOWS_TO_OLSON[name]))
    parts = name.split("/")
    for start in range(min(len(parts), 4)):
        key = "/".join(parts[start:])
        if key in _known_names():
            found = ZoneInfo(key)
            return Zone(windows_name(found), found)
    return None


@cache
def _known_names() -> frozenset[str]:
    return frozenset(available_timezones() - {"localtime", "Factory"})  # which name no place


@lru_cache(maxsize=512)
def windows_name(zone: ZoneInfo) -> str:
    """The Windows zone that agrees with an IANA one from 2022 to 2037; its own name when none does."""
    region = zone.key.partition("/")[0]
    same = []
    for name, key in WINDOWS_TO_OLSON.items():
        if key == zone.key:
            return name
        other = ZoneInfo(key)
        if _offsets(other) == _offsets(zone) and rule_of(other, _SAMPLE_YEAR) == rule_of(zone, _SAMPLE_YEAR):
            same.append((not key.startswith(f"{region}/"), name))
    return min(same)[1] if same else zone.key


@lru_cache(maxsize=1024)
def _offsets(zone: ZoneInfo) -> tuple[timedelta | None, ...]:
    start = datetime(_SAMPLE_YEAR, 1, 1, 12, tzinfo=UTC)
    return tuple((start + timedelta(days=day)).astimezone(zone).utcoffset() for day in range(0, 365 * 15, 4))


# Rules


def _weekly(moment: datetime, other_years: list[datetime]) -> Change:
    """The change at a local time; it is on the last such day of the month if the same change is so in other years."""
    week = (moment.day - 1) // 7 + 1
    same = [other for other in (moment, *other_years) if other.month == moment.month]
    if all((other + timedelta(days=7)).month != other.month for other in same):
        week = _LAST_WEEK
    return Change(moment.month, week, moment.isoweekday() % 7, moment.hour, moment.minute)


@lru_cache(maxsize=256)
def rule_of(tz: tzinfo, year: int) -> ZoneRule:
    """The rule of a zone in a year; of more than two changes the first in each direction count."""
    changes = _changes(tz, year)
    offsets = sorted({offset for change in changes for offset in change[1:]})
    if len(changes) < 2:
        standard = changes[0][2] if changes else _offset(tz, datetime(year, 7, 1, tzinfo=UTC))
        return ZoneRule(standard, standard)
    up = next((change for change in changes if change[2] > change[1]), None)
    down = next((change for change in changes if change[2] < change[1]), None)
    if up is None or down is None:
        return ZoneRule(offsets[0], offsets[0])
    around = [item for other in range(year - 3, year + 4) if other != year for item in _changes(tz, other)]
    return ZoneRule(
        down[2],
        up[2],
        _weekly(down[0], [item[0] for item in around if item[2] < item[1]]),
        _weekly(up[0], [item[0] for item in around if item[2] > item[1]]),
    )


def _offset(tz: tzinfo, moment: datetime) -> int:
    return round((moment.astimezone(tz).utcoffset() or timedelta(0)) / _MINUTE)


@lru_cache(maxsize=2048)
def _changes(tz: tzinfo, year: int) -> list[tuple[datetime, int, int]]:
    """(local time before the change, offset before, offset after) of every change in a year."""
    found = []
    moment = datetime(year, 1, 1, tzinfo=UTC) - _DAY / 2
    end = datetime(year + 1, 1, 1, tzinfo=UTC) - _DAY / 2
    before = _offset(tz, moment)
    while moment < end:
        following = moment + 7 * _DAY
        after = _offset(tz, following)
        if after != before:
            low, high = moment, following
            while high - low > _MINUTE:
                middle = low + (high - low) // 2
                low, high = (middle, high) if _offset(tz, middle) == before else (low, middle)
            at = high.replace(second=0, microsecond=0)
            found.append(((at + before * _MINUTE).replace(tzinfo=None), before, after))
        moment, before = following, after
    return found


# Blobs


def time_zone_struct(tz: tzinfo, year: int) -> bytes:
    """PidLidTimeZoneStruct: the rule of one year."""
    rule = rule_of(tz, year)
    return TIME_ZONE_STRUCT.build({**_fields(rule), "standard_year": 0, "daylight_year": 0})


def time_zone_definition(
    zone: Zone, first_year: int, *, last_year: int | None = None, recurring: bool = False
) -> bytes:
    """A time zone definition that holds from ``first_year`` to ``last_year``; the effective rule is the first."""
    rules: list[dict[str, Any]] = []
    previous: ZoneRule | None = None
    for year in range(first_year, min(last_year or first_year, first_year + _MAX_RULE_YEARS) + 1):
        rule = rule_of(zone.tz, year)
        if rule == previous:
            continue
        flags = TzRuleFlags(0)
        if previous is None:
            flags = TzRuleFlags.EFFECTIVE_TZREG
            if recurring:
                flags |= TzRuleFlags.RECUR_CURRENT_TZREG
        rules.append(
            {
                "major_version": MAJOR_VERSION,
                "minor_version": MINOR_VERSION,
                "reserved": RULE_RESERVED,
                "tz_rule_flags": int(flags),
                "year": _FIRST_RULE_YEAR if previous is None else year,
                "x": bytes(14),
                **_fields(rule),
            }
        )
        previous = rule
    return TIME_ZONE_DEFINITION.build(
        {
            "major_version": MAJOR_VERSION,
            "minor_version": MINOR_VERSION,
            "reserved": HEADER_RESERVED,
            "key_name": zone.name[:_MAX_KEY_NAME].encode("utf-16-le", "replace"),
            "rules": rules,
            "leftover": b"",
        }
    )


_MAX_RULE_YEARS: Final = 20
_MAX_KEY_NAME: Final = 260


def _fields(rule: ZoneRule) -> dict[str, Any]:
    return {
        "bias": -rule.standard,
        "standard_bias": 0,
        "daylight_bias": rule.standard - rule.daylight if rule.to_daylight else -60,
        "standard_date": _system_time(rule.to_standard),
        "daylight_date": _system_time(rule.to_daylight),
    }


def _system_time(change: Change | None) -> dict[str, int]:
    fields = dict.fromkeys(("year", "month", "day_of_week", "day", "hour", "minute", "second", "milliseconds"), 0)
    if change is not None:
        fields |= {
            "month": change.month,
            "day_of_week": change.day_of_week,
            "day": change.week,
            "hour": change.hour,
            "minute": change.minute,
        }
    return fields


def _rule_from(fields: Any) -> ZoneRule:
    """The rule of a TZRule or a PidLidTimeZoneStruct; changes that are none are left out."""
    standard = -(fields.bias + fields.standard_bias)
    daylight = -(fields.bias + fields.daylight_bias)
    to_standard, to_daylight = _change(fields.standard_date), _change(fields.daylight_date)
    limit = 24 * 60 - 1
    if max(abs(standard), abs(daylight)) > limit:
        raise WireError("an offset of more than a day", field="lBias")
    if to_standard is None or to_daylight is None:
        return ZoneRule(standard, standard)
    return ZoneRule(standard, daylight, to_standard, to_daylight)


def _change(date: Any) -> Change | None:
    if not 1 <= date.month <= 12:
        return None
    if date.year:  # a day of the month instead of one of the week
        try:
            day = datetime(date.year, date.month, date.day)  # noqa: DTZ001
        except ValueError:
            return None
        return Change(date.month, (day.day - 1) // 7 + 1, day.isoweekday() % 7, date.hour, date.minute)
    if not (1 <= date.day <= _LAST_WEEK and date.day_of_week <= 6):
        return None
    return Change(date.month, date.day, date.day_of_week, date.hour, date.minute)


def zone_from_definition(data: bytes) -> Zone:
    """The zone of a time zone definition: the named one, if its name is known, else that of its rules.

    Raises `WireError`.
    """
    value = TIME_ZONE_DEFINITION.parse(data)
    name = value.key_name.decode("utf-16-le", "replace").rstrip("\0")
    found = named_zone(name)
    if found is not None:
        return Zone(name, found.tz) if found is not UTC_ZONE else found
    rules = {rule.year: _rule_from(rule) for rule in value.rules}
    if not rules:
        raise WireError("a time zone without rules", field="cRules")
    return Zone(name, zone_of_rules(name, rules))


def zone_from_struct(data: bytes, description: str) -> Zone:
    """The zone of PidLidTimeZoneStruct and PidLidTimeZoneDescription. Raises `WireError`."""
    found = named_zone(description)
    rule = _rule_from(TIME_ZONE_STRUCT.parse(data))
    if found is not None:
        return found
    return Zone(description or _offset_name(rule.standard), zone_of_rules(description, {_FIRST_RULE_YEAR: rule}))


def _offset_name(minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
