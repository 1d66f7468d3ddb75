"""PidLidAppointmentRecur and PidLidTaskRecurrence: real values, the examples of MS-OXOCAL 4.1.1, malformed ones."""

# ruff: noqa: DTZ001 - on the clock of the series

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.errors import WireError
from mapigw.wire.recurrence import (
    APPOINTMENT_RECURRENCE_PATTERN,
    NO_END_DATE,
    RECURRENCE_PATTERN,
    EndType,
    ExtendedException,
    OverrideFlags,
    PatternType,
    RecurFrequency,
    from_minutes,
    minutes,
)
from tests.wire.blobs import blob, decoded
from tests.wire.strategies import strings, uint32

# 4.1.1.2: Mondays, Thursdays and Fridays, 12 times, one occurrence moved and renamed
WEEKLY_WITH_EXCEPTION = bytes.fromhex(
    "043004300B2001000000C0210000010000000000000032000000222000000C0000000000000001000000A096BC0C01000000A096BC0C"
    "8020BC0C20ADBC0C0630000009300000580200007602000001003499BC0C5299BC0CF898BC0C11002200210053696D706C65205265637572"
    "72656E6365207769746820657863657074696F6E730800070033342F34313431000000000400000000000000000000003499BC0C5299BC0C"
    "F898BC0C2100530069006D0070006C006500200052006500630075007200720065006E006300650020007700690074006800200065007800"
    "630065007000740069006F006E0073000700330034002F0034003100340031000000000000000000"
)
# 4.1.1.3: every three days, two occurrences deleted
DAILY = bytes.fromhex(
    "043004300A2000000000A0050000E010000000000000212000000A0000000000000002000000A0C1DC0C80D2DC0C00000000207EDC0C"
    "0016DD0C0630000009300000E0010000FE01000000000000000000000000"
)
BLOBS = [f"APPOINTMENTRECURRENCEPATTERN-{number}" for number in range(1, 5)]


def test_weekly_series_with_an_exception() -> None:
    value = APPOINTMENT_RECURRENCE_PATTERN.parse(WEEKLY_WITH_EXCEPTION)
    pattern = value.recurrence_pattern
    assert (pattern.recur_frequency, pattern.pattern_type) == (RecurFrequency.WEEKLY, PatternType.WEEK)
    assert pattern.first_date_time == 8640
    assert pattern.pattern_type_specific == (0x32,)
    assert (pattern.end_type, pattern.occurrence_count) == (EndType.BY_COUNT, 12)
    assert from_minutes(pattern.start_date) == datetime(2007, 3, 26)
    assert (value.start_time_offset, value.end_time_offset) == (600, 630)
    (info,) = value.exception_info
    assert from_minutes(info.start_date_time) == datetime(2007, 4, 16, 11)
    assert from_minutes(info.original_start_date) == datetime(2007, 4, 16, 10)
    assert info.override_flags == OverrideFlags.SUBJECT | OverrideFlags.LOCATION
    assert info.subject == b"Simple Recurrence with exceptions"
    (extended,) = value.extended_exception
    assert (extended.subject, extended.location) == ("Simple Recurrence with exceptions", "34/4141")
    assert APPOINTMENT_RECURRENCE_PATTERN.build(value) == WEEKLY_WITH_EXCEPTION


def test_daily_series_with_deletions() -> None:
    value = APPOINTMENT_RECURRENCE_PATTERN.parse(DAILY)
    pattern = value.recurrence_pattern
    assert (pattern.period, pattern.first_date_time, pattern.pattern_type_specific) == (4320, 1440, ())
    assert [from_minutes(item) for item in pattern.deleted_instance_dates] == [
        datetime(2011, 4, 19),
        datetime(2011, 4, 22),
    ]
    assert APPOINTMENT_RECURRENCE_PATTERN.build(value) == DAILY


@pytest.mark.parametrize("name", BLOBS)
def test_real_values(name: str) -> None:
    data, text = blob(name), decoded(name)
    value = APPOINTMENT_RECURRENCE_PATTERN.parse(data)
    pattern = value.recurrence_pattern
    assert f"OccurrenceCount: 0x{pattern.occurrence_count:08X}" in text
    assert f"DeletedInstanceCount: 0x{len(pattern.deleted_instance_dates):08X}" in text
    assert f"StartTimeOffset: 0x{value.start_time_offset:08X}" in text
    assert f"ExceptionCount: 0x{len(value.exception_info):04X}" in text
    for item in value.extended_exception:
        assert item.subject is None or f'Subject: "{item.subject}"' in text
    assert ("Unparsed data size" in text) == bool(value.leftover)
    assert APPOINTMENT_RECURRENCE_PATTERN.build(value) == data


@pytest.mark.parametrize("number", [1, 2, 3])
def test_pattern_alone_as_tasks_have_it(number: int) -> None:
    data = blob(f"RECURRENCEPATTERN-{number}")
    value = RECURRENCE_PATTERN.parse(data)
    assert f"EndDate: 0x{value.end_date:08X}" in decoded(f"RECURRENCEPATTERN-{number}")
    assert RECURRENCE_PATTERN.build(value) == data


def test_minutes() -> None:
    assert minutes(datetime(1601, 1, 1)) == 0
    assert minutes(datetime(2011, 4, 7, 8, 0, 59)) == 215_776_800 + 480
    assert from_minutes(NO_END_DATE) == datetime(4500, 12, 31, 23, 59)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (DAILY[:5], "recur_frequency"),
        (DAILY[:6] + b"\x05\x00" + DAILY[8:], "pattern_type_specific"),
        (DAILY[:34] + b"\xff\xff\xff\x7f" + DAILY[38:], "deleted_instance_dates"),
        (WEEKLY_WITH_EXCEPTION[:120], "subject"),
        (WEEKLY_WITH_EXCEPTION[:-60], "extended_exception"),
        (b"", "reader_version"),
    ],
)
def test_malformed_values_name_the_field(data: bytes, field: str) -> None:
    with pytest.raises(WireError) as caught:
        APPOINTMENT_RECURRENCE_PATTERN.parse(data)
    assert field in caught.value.field


def test_lengths_of_a_subject_that_contradict_each_other() -> None:
    place = WEEKLY_WITH_EXCEPTION.index(b"\x22\x00\x21\x00")
    data = WEEKLY_WITH_EXCEPTION[:place] + b"\x21" + WEEKLY_WITH_EXCEPTION[place + 1 :]
    with pytest.raises(WireError, match="do not agree"):
        APPOINTMENT_RECURRENCE_PATTERN.parse(data)


@given(st.binary(max_size=200))
def test_anything_is_read_or_refused(tail: bytes) -> None:
    for start in (DAILY, WEEKLY_WITH_EXCEPTION):
        try:
            value = APPOINTMENT_RECURRENCE_PATTERN.parse(start[:40] + tail)
        except WireError:
            continue
        assert APPOINTMENT_RECURRENCE_PATTERN.build(value) == start[:40] + tail


_FIELDS = {PatternType.DAY: 0, PatternType.WEEK: 1, PatternType.MONTH_NTH: 2, PatternType.HJ_MONTH_END: 1}
_texts = st.none() | strings
_optional = st.none() | uint32


@st.composite
def _exceptions(draw: st.DrawFn) -> tuple[dict[str, Any], ExtendedException]:
    subject, location = draw(_texts), draw(_texts)
    numbers = {
        name: draw(_optional)
        for name in (
            "meeting_type",
            "reminder_delta",
            "reminder_set",
            "busy_status",
            "attachment",
            "sub_type",
            "appointment_color",
        )
    }
    flags: int = sum(
        OverrideFlags[name.upper().removesuffix("_SET")] for name, value in numbers.items() if value is not None
    )
    times = draw(st.tuples(uint32, uint32, uint32))
    flags |= (OverrideFlags.SUBJECT if subject is not None else 0) | (
        OverrideFlags.LOCATION if location is not None else 0
    )
    info = {
        **dict(zip(("start_date_time", "end_date_time", "original_start_date"), times, strict=True)),
        "override_flags": int(flags),
        "subject": None if subject is None else subject.encode("cp1252", "replace"),
        "location": None if location is None else location.encode("cp1252", "replace"),
        **numbers,
    }
    has_text = subject is not None or location is not None
    extended = ExtendedException(
        change_highlight=draw(st.binary(min_size=4, max_size=8)),
        reserved_block_ee1=draw(st.binary(max_size=3)),
        times=times if has_text else None,
        subject=subject,
        location=location,
        reserved_block_ee2=b"" if has_text else None,
    )
    return info, extended


@given(
    kind=st.sampled_from(sorted(_FIELDS)),
    numbers=st.lists(uint32, min_size=2, max_size=2),
    dates=st.lists(uint32, max_size=4),
    exceptions=st.lists(_exceptions(), max_size=3),
    leftover=st.binary(max_size=5),
)
def test_what_is_built_is_read(
    kind: PatternType,
    numbers: list[int],
    dates: list[int],
    exceptions: list[tuple[dict[str, Any], ExtendedException]],
    leftover: bytes,
) -> None:
    value: dict[str, Any] = {
        "recurrence_pattern": {
            **dict.fromkeys(("reader_version", "writer_version"), 0x3004),
            "recur_frequency": 0x200A,
            "pattern_type": int(kind),
            "calendar_type": 0,
            **dict.fromkeys(("first_date_time", "period", "sliding_flag"), numbers[0]),
            "pattern_type_specific": tuple(numbers[: _FIELDS[kind]]),
            **dict.fromkeys(("end_type", "occurrence_count", "first_dow", "start_date", "end_date"), numbers[1]),
            "deleted_instance_dates": dates,
            "modified_instance_dates": dates[:1],
        },
        **dict.fromkeys(("reader_version2", "start_time_offset", "end_time_offset"), 5),
        "writer_version2": 0x3009,
        "exception_info": [info for info, _extended in exceptions],
        "reserved_block1": b"",
        "extended_exception": [extended for _info, extended in exceptions],
        "reserved_block2": b"",
        "leftover": leftover,
    }
    data = APPOINTMENT_RECURRENCE_PATTERN.build(value)
    parsed = APPOINTMENT_RECURRENCE_PATTERN.parse(data)
    assert parsed.extended_exception == value["extended_exception"]
    assert [dict(info) | {"_io": None} for info in parsed.exception_info] == [
        info | {"_io": None} for info in value["exception_info"]
    ]
    assert parsed.recurrence_pattern.pattern_type_specific == tuple(numbers[: _FIELDS[kind]])
    assert APPOINTMENT_RECURRENCE_PATTERN.build(parsed) == data
