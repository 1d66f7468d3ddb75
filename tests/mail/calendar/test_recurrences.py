"""Rules to recurrence blobs and back: the same occurrences, whoever counts them."""

# ruff: noqa: DTZ001 - on the clock of the series

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from mapigw.mail.calendar import names as lid
from mapigw.mail.calendar.exporting import icalendar_of
from mapigw.mail.calendar.importing import messages_from_icalendar
from mapigw.wire import tags
from tests.mail.calendar.calendars import NOW, calendar, event
from tests.mail.calendar.expansion import starts

START = datetime(1997, 9, 2, 9)
YEARS = timedelta(days=6 * 365)


def imported(start: datetime, *lines: str) -> Any:
    data = calendar(f"DTSTART:{start:%Y%m%dT%H%M%S}", "DURATION:PT1H", "SUMMARY:x", *lines)
    (message,) = messages_from_icalendar(data, now=NOW, zone=UTC)
    return message


def expected(start: datetime, rule: str, until: datetime) -> list[datetime]:
    found = rrulestr(rule.replace("Z", ""), dtstart=start)
    return [item for item in islice(found.xafter(start, inc=True), 5000) if item <= until]


def read_back(message: Any, until: datetime) -> list[datetime]:
    """The occurrences of what is exported, expanded by the icalendar package's and dateutil's reading of it."""
    found = icalendar_of(message, now=NOW)
    assert found is not None
    read: Any = Calendar.from_ical(found.data)
    master, *others = read.walk("VEVENT")
    start = master["DTSTART"].dt.replace(tzinfo=None)
    rule = master["RRULE"].to_ical().decode().replace("Z", "")
    dates = set(rrulestr(rule, dtstart=start).between(start, until, inc=True))
    if "EXDATE" in master:
        dates -= {item.dt.replace(tzinfo=None) for item in master["EXDATE"].dts}
    for other in others:
        dates.discard(other["RECURRENCE-ID"].dt.replace(tzinfo=None))
        dates.add(other["DTSTART"].dt.replace(tzinfo=None))
    return sorted(item for item in dates if item <= until)


# RFC 5545 3.8.5.3, and what calendars write
EXACT = [
    "FREQ=DAILY;COUNT=10",
    "FREQ=DAILY;UNTIL=19971224T000000Z",
    "FREQ=DAILY;INTERVAL=2",
    "FREQ=DAILY;INTERVAL=10;COUNT=5",
    "FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA",
    "FREQ=WEEKLY;COUNT=10",
    "FREQ=WEEKLY;UNTIL=19971224T000000Z",
    "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
    "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
    "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
    "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH",
    "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO",
    "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU",
    "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
    "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR",
    "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
    "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
    "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
    "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
    "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
    "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=8,9,10,11,12,13,14",
    "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=MONTHLY;BYMONTHDAY=31",
    "FREQ=MONTHLY;BYMONTHDAY=30;COUNT=30",
    "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1",
    "FREQ=MONTHLY;BYMONTHDAY=-1;INTERVAL=3",
    "FREQ=MONTHLY;BYDAY=5MO",
    "FREQ=MONTHLY;BYDAY=TU",
    "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
    "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=2;INTERVAL=2",
    "FREQ=YEARLY;BYMONTH=11;BYDAY=4TH",
    "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR",
    "FREQ=DAILY;COUNT=100000",
    "FREQ=WEEKLY;BYHOUR=9;BYMINUTE=0",
]


@pytest.mark.parametrize("rule", EXACT)
def test_rules_that_are_expressed(rule: str) -> None:
    until = START + YEARS
    message = imported(START, f"RRULE:{rule}")
    assert not message.attachments
    blob = message.properties[lid.PidLidAppointmentRecur]
    wanted = expected(START, rule, until)
    assert len(wanted) > 1 or "=29" in rule
    assert starts(blob, until) == wanted
    assert read_back(message, until) == wanted


# Endless and not to be said in MAPI: some years of it, and the calendar itself.
BOUNDED = [
    "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
    "FREQ=YEARLY;BYDAY=20MO",
    "FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO",
    "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
    "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
    "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
]


@pytest.mark.parametrize("rule", BOUNDED)
def test_endless_rules_of_other_kinds_are_kept_for_years(rule: str) -> None:
    message = imported(START, f"RRULE:{rule}")
    assert [item.properties[tags.PidTagAttachLongFilename] for item in message.attachments] == ["calendar.ics"]
    assert rule.encode() in message.attachments[0].properties[tags.PidTagAttachDataBinary]
    until = START + YEARS
    wanted = expected(START, rule, until)
    assert starts(message.properties[lid.PidLidAppointmentRecur], until) == wanted
    assert read_back(message, until) == wanted


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z",
        "FREQ=SECONDLY",
        "FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYDAY=99XX",
        "FREQ=WEEKLY;BYSETPOS=0;BYDAY=MO",
        "FREQ=DAILY;BYMONTH=13",
        "FREQ=DAILY;INTERVAL=99999999999999",
        "RSCALE=CHINESE;FREQ=YEARLY",
        "FREQ=OFTEN",
        "nonsense",
        "",
    ],
)
def test_rules_without_meaning_here_leave_one_occurrence_and_the_calendar(rule: str) -> None:
    message = imported(START, f"RRULE:{rule}")
    assert lid.PidLidAppointmentRecur not in message.properties
    assert message.properties[lid.PidLidRecurring] is False
    assert [item.properties[tags.PidTagAttachLongFilename] for item in message.attachments] == ["calendar.ics"]


def test_interval_and_count_of_zero_are_one() -> None:
    message = imported(START, "RRULE:FREQ=DAILY;INTERVAL=0;UNTIL=19970904T000000")
    assert starts(message.properties[lid.PidLidAppointmentRecur], START + YEARS) == [START, START + timedelta(days=1)]


def test_several_occurrences_a_day_cannot_be_expressed() -> None:
    message = imported(START, "RRULE:FREQ=DAILY;COUNT=6;BYHOUR=9,15")
    assert starts(message.properties[lid.PidLidAppointmentRecur], START + YEARS) == [
        START + timedelta(days=day) for day in range(3)
    ]
    assert len(message.attachments) == 1


def test_days_that_are_added_and_taken_away() -> None:
    message = imported(
        START,
        "RRULE:FREQ=WEEKLY;COUNT=4",
        "RDATE:19970904T090000,19970905T150000",
        "EXDATE:19970909T090000",
    )
    wanted = [
        START,
        datetime(1997, 9, 4, 9),
        datetime(1997, 9, 5, 15),
        datetime(1997, 9, 16, 9),
        datetime(1997, 9, 23, 9),
    ]
    assert starts(message.properties[lid.PidLidAppointmentRecur], START + YEARS) == wanted
    assert read_back(message, START + YEARS) == wanted


def test_two_rules_and_an_exclusion() -> None:
    message = imported(
        START,
        "RRULE:FREQ=MONTHLY;COUNT=5",
        "RRULE:FREQ=MONTHLY;COUNT=5;BYMONTHDAY=10",
        "EXRULE:FREQ=MONTHLY;INTERVAL=2;COUNT=3",
    )
    wanted = sorted(
        (
            set(expected(START, "FREQ=MONTHLY;COUNT=5", START + YEARS))
            | set(expected(START, "FREQ=MONTHLY;COUNT=5;BYMONTHDAY=10", START + YEARS))
        )
        - set(expected(START, "FREQ=MONTHLY;INTERVAL=2;COUNT=3", START + YEARS))
    )
    assert starts(message.properties[lid.PidLidAppointmentRecur], START + YEARS) == wanted


def test_an_exclusion_at_another_time_of_day_excludes_nothing() -> None:
    message = imported(START, "RRULE:FREQ=DAILY;COUNT=3", "EXDATE:19970903T100000")
    assert len(starts(message.properties[lid.PidLidAppointmentRecur], START + YEARS)) == 3
    message = imported(START, "RRULE:FREQ=DAILY;COUNT=3", "EXDATE;VALUE=DATE:19970903")
    assert len(starts(message.properties[lid.PidLidAppointmentRecur], START + YEARS)) == 2


def test_series_is_counted_in_its_own_time_zone() -> None:
    data = calendar(
        "DTSTART;TZID=America/New_York:20261026T090000",
        "DTEND;TZID=America/New_York:20261026T100000",
        "RRULE:FREQ=WEEKLY;UNTIL=20261109T140000Z",  # 9:00 in New York, after the change of the clocks
        "EXDATE:20261102T140000Z",
    )
    (message,) = messages_from_icalendar(data, now=NOW)
    until = datetime(2027, 1, 1)
    wanted = [datetime(2026, 10, 26, 9), datetime(2026, 11, 9, 9)]
    assert starts(message.properties[lid.PidLidAppointmentRecur], until) == wanted
    assert read_back(message, until) == wanted


_days = st.lists(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1, max_size=4, unique=True)


@st.composite
def rules(draw: st.DrawFn) -> str:
    kind = draw(st.sampled_from(["daily", "weekly", "monthly", "nth", "set", "yearly", "yearly-nth"]))
    parts = {
        "daily": "FREQ=DAILY",
        "weekly": f"FREQ=WEEKLY;BYDAY={','.join(draw(_days))};WKST={draw(st.sampled_from(['MO', 'SU', 'WE']))}",
        "monthly": f"FREQ=MONTHLY;BYMONTHDAY={draw(st.sampled_from([1, 15, 28, 29, 30, 31, -1]))}",
        "nth": f"FREQ=MONTHLY;BYDAY={draw(st.sampled_from([1, 2, 3, 4, 5, -1]))}{draw(_days)[0]}",
        "set": f"FREQ=MONTHLY;BYDAY={','.join(draw(_days))};BYSETPOS={draw(st.sampled_from([1, 2, 3, 4, -1]))}",
        "yearly": f"FREQ=YEARLY;BYMONTH={draw(st.integers(1, 12))};BYMONTHDAY={draw(st.integers(1, 28))}",
        "yearly-nth": f"FREQ=YEARLY;BYMONTH={draw(st.integers(1, 12))};BYDAY={draw(st.sampled_from([1, 3, -1]))}TU",
    }
    end = draw(st.sampled_from(["", f";COUNT={draw(st.integers(2, 30))}", ";UNTIL=20300605T093000"]))
    return f"{parts[kind]};INTERVAL={draw(st.integers(1, 5))}{end}"


@settings(max_examples=25, deadline=None)
@given(rule=rules(), start=st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31)), data=st.data())
def test_any_rule_with_deletions_and_moved_occurrences(rule: str, start: datetime, data: st.DataObject) -> None:
    start = start.replace(second=0, microsecond=0, hour=9, minute=30)
    until = start + timedelta(days=4 * 365)
    wanted = expected(start, rule, until)
    lines: list[str] = []
    overrides = ""
    if len(wanted) > 2:
        deleted = data.draw(st.sampled_from(wanted))
        moved = data.draw(st.sampled_from([item for item in wanted if item != deleted]))
        to = moved + timedelta(hours=data.draw(st.integers(1, 10)))
        lines.append(f"EXDATE:{deleted:%Y%m%dT%H%M%S}")
        overrides = event(f"RECURRENCE-ID:{moved:%Y%m%dT%H%M%S}", f"DTSTART:{to:%Y%m%dT%H%M%S}", "SUMMARY:moved")
        wanted = sorted((set(wanted) - {deleted, moved}) | {to})
    source = calendar(f"DTSTART:{start:%Y%m%dT%H%M%S}", f"RRULE:{rule}", *lines, before=overrides)
    (message,) = messages_from_icalendar(source, now=NOW, zone=UTC)
    if lid.PidLidAppointmentRecur not in message.properties:
        assert len(expected(start, rule, start + timedelta(days=40 * 365))) < 2
        return
    assert not any(tags.PidTagAttachLongFilename in item.properties for item in message.attachments)
    assert starts(message.properties[lid.PidLidAppointmentRecur], until) == wanted
    assert read_back(message, until) == wanted
