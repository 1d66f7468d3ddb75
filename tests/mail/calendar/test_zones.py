"""Time zones: names, rules, VTIMEZONE, blobs; each way back means the same times."""

# ruff: noqa: DTZ001 - wall clocks

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest

from mapigw.mail.calendar.reader import read_calendars
from mapigw.mail.calendar.vtimezones import Zones, vtimezone
from mapigw.mail.calendar.zones import (
    Change,
    Zone,
    ZoneRule,
    named_zone,
    rule_of,
    time_zone_definition,
    time_zone_struct,
    zone_from_definition,
    zone_from_struct,
    zone_of_rules,
)
from mapigw.wire.errors import WireError
from mapigw.wire.time_zones import TIME_ZONE_DEFINITION, TIME_ZONE_STRUCT
from tests.wire.blobs import blob

NAMES = [
    "Eastern Standard Time",
    "W. Europe Standard Time",
    "GMT Standard Time",
    "India Standard Time",
    "AUS Eastern Standard Time",
    "Israel Standard Time",
    "Newfoundland Standard Time",
    "Paraguay Standard Time",
    "Lord Howe Standard Time",
]


def same(one: tzinfo, other: tzinfo, first: int, last: int) -> bool:
    """Whether two zones agree every three hours of these years, both ways round."""
    moment, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last, 12, 31, tzinfo=UTC)
    while moment < end:
        local = moment.astimezone(one)
        if local.utcoffset() != moment.astimezone(other).utcoffset():
            return False
        if local.replace(tzinfo=other).utcoffset() != local.utcoffset():
            return False
        moment += timedelta(hours=3)
    return True


@pytest.mark.parametrize("name", NAMES)
def test_zones_survive_as_rules(name: str) -> None:
    zone = named_zone(name)
    assert zone is not None
    assert zone.name == name
    written = time_zone_definition(Zone("Another", zone.tz), 2026, last_year=2028)
    assert same(zone.tz, zone_from_definition(written).tz, 2026, 2028)
    text = vtimezone(Zone("Another", zone.tz), 2026, 2028).to_ical()
    (calendar,) = read_calendars(b"BEGIN:VCALENDAR\r\n" + text + b"END:VCALENDAR\r\n")
    assert same(zone.tz, Zones(calendar, UTC).get("Another").tz, 2026, 2028)


@pytest.mark.parametrize(
    ("name", "windows"),
    [
        ("America/New_York", "Eastern Standard Time"),
        ("America/Toronto", "Eastern Standard Time"),
        ("US/Eastern", "Eastern Standard Time"),
        ("Europe/Berlin", "W. Europe Standard Time"),
        ("Asia/Calcutta", "India Standard Time"),
        ("/mozilla.org/20050126_1/Europe/Berlin", "W. Europe Standard Time"),
        ("/freeassociation.sourceforge.net/Europe/London", "GMT Standard Time"),
        ("Pacific Standard Time", "Pacific Standard Time"),
        ("Antarctica/Troll", "Antarctica/Troll"),
        ("Etc/UTC", "UTC"),
        ("tzone://Microsoft/Utc", "UTC"),
    ],
)
def test_names(name: str, windows: str) -> None:
    zone = named_zone(name)
    assert zone is not None
    assert zone.name == windows


@pytest.mark.parametrize("name", ["", "Nowhere", "../../etc/passwd", "/etc/localtime", "Europe", "\0", "a" * 5000])
def test_names_of_nothing(name: str) -> None:
    assert named_zone(name) is None


def test_blobs_of_outlook_are_read() -> None:
    eastern = ZoneInfo("America/New_York")
    assert zone_from_definition(blob("TIMEZONEDEFINITION-1")).name == "Eastern Standard Time"
    assert same(zone_from_definition(blob("TIMEZONEDEFINITION-1")).tz, eastern, 2006, 2011)
    indiana = zone_from_definition(blob("TIMEZONEDEFINITION-2"))
    assert same(indiana.tz, ZoneInfo("America/Indiana/Indianapolis"), 2007, 2011)
    assert same(zone_from_struct(blob("TIMEZONE-1"), "").tz, eastern, 2007, 2030)


def test_rules_are_as_outlook_writes_them() -> None:
    assert time_zone_struct(ZoneInfo("America/New_York"), 2026) == blob("TIMEZONE-1")
    real = TIME_ZONE_DEFINITION.parse(blob("TIMEZONEDEFINITION-1")).rules[1]
    zone = named_zone("America/New_York")
    assert zone is not None
    (rule,) = TIME_ZONE_DEFINITION.parse(time_zone_definition(zone, 2026)).rules
    for name in (
        "bias",
        "standard_bias",
        "daylight_bias",
        "standard_date",
        "daylight_date",
        "reserved",
        "tz_rule_flags",
    ):
        assert rule[name] == real[name]


def test_change_of_law_in_a_series_gives_two_rules() -> None:
    zone = Zone("Volgograd", ZoneInfo("Europe/Volgograd"))  # which left UTC+4 at the end of 2020
    value = TIME_ZONE_DEFINITION.parse(time_zone_definition(zone, 2019, last_year=2022))
    assert [rule.year for rule in value.rules] == [1601, 2021] or len(value.rules) > 1
    assert same(zone_from_definition(time_zone_definition(zone, 2021, last_year=2024)).tz, zone.tz, 2021, 2024)


def test_last_week_is_told_from_the_fourth() -> None:
    assert rule_of(ZoneInfo("Europe/Berlin"), 2026).to_daylight == Change(3, 5, 0, 2, 0)
    assert rule_of(ZoneInfo("Asia/Jerusalem"), 2026).to_daylight == Change(3, 4, 5, 2, 0)


def test_gap_and_overlap_of_a_zone_made_of_rules() -> None:
    zone = Zone("x", zone_of_rules("x", {1601: ZoneRule(60, 120, Change(10, 5, 0, 3, 0), Change(3, 5, 0, 2, 0))}))
    berlin = ZoneInfo("Europe/Berlin")
    for wall in (datetime(2026, 3, 29, 2, 30), datetime(2026, 10, 25, 2, 30)):
        for fold in (0, 1):
            local = wall.replace(fold=fold)
            assert local.replace(tzinfo=zone.tz).utcoffset() == local.replace(tzinfo=berlin).utcoffset()
    moment = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert moment.astimezone(zone.tz).fold == moment.astimezone(berlin).fold == 1


CUSTOM = b"""BEGIN:VCALENDAR
BEGIN:VTIMEZONE
TZID:Customized Time Zone
BEGIN:STANDARD
DTSTART:20250614T000000
TZOFFSETFROM:+0530
TZOFFSETTO:+0500
RRULE:FREQ=YEARLY;BYDAY=2SA;BYMONTH=6
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:20250901T000000
TZOFFSETFROM:+0500
TZOFFSETTO:+0530
RRULE:FREQ=YEARLY;BYDAY=1MO;BYMONTH=9
END:DAYLIGHT
END:VTIMEZONE
END:VCALENDAR
"""


def test_custom_rules_are_kept() -> None:
    (calendar,) = read_calendars(CUSTOM)
    zone = Zones(calendar, UTC).get("Customized Time Zone")
    assert zone.utc(datetime(2026, 3, 1, 12)) == datetime(2026, 3, 1, 6, 30, tzinfo=UTC)
    assert zone.utc(datetime(2026, 7, 1, 12)) == datetime(2026, 7, 1, 7, tzinfo=UTC)
    again = zone_from_definition(time_zone_definition(zone, 2027, last_year=2030))
    assert again.name == "Customized Time Zone"
    assert same(again.tz, zone.tz, 2027, 2030)


@pytest.mark.parametrize(
    "rule", ["FREQ=SECONDLY", "FREQ=YEARLY;BYDAY=99SU", "FREQ=YEARLY;INTERVAL=0", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=31"]
)
def test_wild_vtimezones_cost_nothing(rule: str) -> None:
    (calendar,) = read_calendars(CUSTOM.replace(b"FREQ=YEARLY;BYDAY=1MO;BYMONTH=9", rule.encode()))
    zone = Zones(calendar, UTC).get("Customized Time Zone")
    assert zone.utc(datetime(2027, 7, 1, 12)).hour in (6, 7)


@pytest.mark.parametrize("change", [{"bias": 2000}, {"bias": -(1 << 31)}])
def test_offsets_beyond_a_day_are_refused(change: dict[str, int]) -> None:
    value = {**TIME_ZONE_STRUCT.parse(blob("TIMEZONE-1")), **change}
    with pytest.raises(WireError):
        zone_from_struct(TIME_ZONE_STRUCT.build(value), "")


def test_floating_times_are_those_of_the_only_zone() -> None:
    (calendar,) = read_calendars(CUSTOM)
    assert Zones(calendar, ZoneInfo("Europe/Berlin")).get("").name == "Customized Time Zone"
    (calendar,) = read_calendars(b"BEGIN:VCALENDAR\nX-WR-TIMEZONE:Asia/Tokyo\nEND:VCALENDAR\n")
    assert Zones(calendar, ZoneInfo("Europe/Berlin")).get("").name == "Tokyo Standard Time"
    (calendar,) = read_calendars(b"BEGIN:VCALENDAR\nEND:VCALENDAR\n")
    assert Zones(calendar, ZoneInfo("Europe/Berlin")).get("").name == "W. Europe Standard Time"
