"""VTIMEZONE read and written (RFC 5545 3.6.5, MS-OXCICAL 2.1.3.1.1.19)."""

import re
from datetime import datetime, timedelta, tzinfo
from itertools import takewhile
from typing import Any, Final

from dateutil.rrule import YEARLY, rrule, weekday
from icalendar import Timezone, TimezoneDaylight, TimezoneStandard, vRecur

from mapigw.mail.calendar.reader import Component
from mapigw.mail.calendar.values import WEEK_DAYS, Rule, moment, moments, parse_rule
from mapigw.mail.calendar.zones import (
    UTC_ZONE,
    Change,
    RuleZone,
    Transition,
    Zone,
    named_zone,
    rule_of,
)

_LAST_YEAR: Final = 2100
_FIRST_YEAR: Final = 1970
_OFFSET: Final = re.compile(r"([+-]?)(\d\d):?(\d\d)(?::?\d\d)?")
_MAX_ONSETS: Final = 2000
_MAX_ZONES: Final = 100
_MAX_PARTS: Final = 200
_FIRST_RULE: Final = datetime(1601, 1, 1)  # noqa: DTZ001 - on the zone's clock


class Zones:
    """The time zones of one calendar, by TZID. ``default`` is that of floating times."""

    def __init__(self, calendar: Component, default: tzinfo) -> None:
        self._components = {
            component.text("TZID"): component for component in calendar.walk("VTIMEZONE") if component.text("TZID")
        }
        self._found: dict[str, Zone | None] = {}
        self.default = Zone(getattr(default, "key", None) or "UTC", default)
        names = [calendar.text("X-WR-TIMEZONE")] if calendar.text("X-WR-TIMEZONE") else list(self._components)
        if len(names) == 1 and (own := self.find(names[0])) is not None:
            self.default = own
        elif (known := named_zone(self.default.name)) is not None:
            self.default = known

    def find(self, tzid: str) -> Zone | None:
        """A known name means the known zone; any other the VTIMEZONE of that name. None: there is neither."""
        if tzid not in self._found:
            component = self._components.get(tzid)
            found = named_zone(tzid)
            if found is None and component is not None and len(self._found) < _MAX_ZONES:
                location = component.text("X-LIC-LOCATION")
                found = (named_zone(location) if location else None) or _zone_of(tzid, component)
            self._found[tzid] = found
        return self._found[tzid]

    def get(self, tzid: str) -> Zone:
        """The zone of a TZID parameter; the default one where there is none."""
        return (self.find(tzid) if tzid else None) or self.default


def _zone_of(tzid: str, component: Component) -> Zone | None:
    transitions: list[Transition] = []
    first: tuple[datetime, int] | None = None
    for part in component.components[:_MAX_PARTS]:
        before, after = _offset(part.value("TZOFFSETFROM")), _offset(part.value("TZOFFSETTO"))
        start = moment(part.first("DTSTART"))
        if part.name not in ("STANDARD", "DAYLIGHT") or after is None or start is None:
            continue
        before = after if before is None else before
        if first is None or start.wall < first[0]:
            first = (start.wall, before)
        for onset in _onsets(part, start.wall):
            at = onset - timedelta(minutes=before)
            transitions.append(Transition(at, before, after, part.name == "DAYLIGHT"))
    if first is None:
        return None
    transitions.sort(key=lambda item: item.at)
    return Zone(tzid, RuleZone(tzid, first[1], transitions))


def _offset(text: str) -> int | None:
    found = _OFFSET.fullmatch(text)
    if found is None:
        return None
    minutes = int(found[2]) * 60 + int(found[3])
    return (-minutes if found[1] == "-" else minutes) if minutes < 24 * 60 else None


def _onsets(part: Component, start: datetime) -> list[datetime]:
    found = {start, *(item.wall for values in part.all("RDATE") for item in moments(values))}
    for value in part.all("RRULE"):
        rule = parse_rule(value.value)
        if rule is None or rule.frequency != "YEARLY" or rule.unknown:
            continue
        found.update(_yearly(rule, start))
    return sorted(found)[-_MAX_ONSETS:]


def _yearly(rule: Rule, start: datetime) -> list[datetime]:
    if start.year < _FIRST_YEAR and rule.count is None:
        start = start.replace(year=_FIRST_YEAR - (_FIRST_YEAR - start.year) % rule.interval, day=min(start.day, 28))
    until = rule.until.wall if rule.until else None
    try:
        onsets = rrule(
            YEARLY,
            dtstart=start,
            interval=rule.interval,
            count=rule.count,
            bymonth=rule.months or start.month,
            bymonthday=rule.month_days or None,
            byweekday=[weekday(day, ordinal or None) for ordinal, day in rule.days] or None,
            until=datetime(_LAST_YEAR, 1, 1),  # noqa: DTZ001
        )
        return list(takewhile(lambda onset: until is None or onset <= until + timedelta(days=1), onsets))
    except (ValueError, OverflowError, IndexError):
        return []


# Written


def vtimezone(zone: Zone, first_year: int, last_year: int) -> Timezone:
    """The VTIMEZONE of a zone for these years: one pair of rules, or as many as the years have."""
    component = Timezone()
    component.add("tzid", zone.name)
    runs: list[tuple[int, int]] = []
    for year in range(first_year, max(first_year, min(last_year, first_year + _MAX_YEARS)) + 1):
        if runs and rule_of(zone.tz, runs[-1][0]) == rule_of(zone.tz, year):
            runs[-1] = (runs[-1][0], year)
        else:
            runs.append((year, year))
    for number, (start, end) in enumerate(runs):
        rule = rule_of(zone.tz, start)
        first, last = number == 0, number == len(runs) - 1
        parts: list[Any] = [(TimezoneStandard(), rule.to_standard, rule.daylight, rule.standard)]
        if rule.to_daylight is not None:
            parts.append((TimezoneDaylight(), rule.to_daylight, rule.standard, rule.daylight))
        for part, change, before, after in parts:
            _add_rule(part, change, before, after, None if first else start, None if last else end)
            component.add_component(part)
    return component


_MAX_YEARS: Final = 15


def _add_rule(part: Any, change: Change | None, before: int, after: int, start: int | None, end: int | None) -> None:
    if change is None:
        part.add("dtstart", _FIRST_RULE if start is None else datetime(start, 1, 1))  # noqa: DTZ001
    else:
        year = 1601 if start is None else start
        part.add(
            "dtstart",
            _FIRST_RULE.replace(hour=change.hour, minute=change.minute) if start is None else change.in_year(year),
        )
        day = WEEK_DAYS[(change.day_of_week - 1) % 7]
        recurrence = {
            "freq": "yearly",
            "byday": f"{-1 if change.week == 5 else change.week}{day}",
            "bymonth": change.month,
        }
        if end is not None:
            recurrence["until"] = UTC_ZONE.utc(change.in_year(end) - timedelta(minutes=before))
        part.add("rrule", vRecur(recurrence))
    part.add("tzoffsetfrom", timedelta(minutes=before))
    part.add("tzoffsetto", timedelta(minutes=after))
