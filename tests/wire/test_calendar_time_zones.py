"""PidLidTimeZoneStruct and the time zone definitions, from real items."""

import pytest

from mapigw.wire.errors import WireError
from mapigw.wire.time_zones import TIME_ZONE_DEFINITION, TIME_ZONE_STRUCT, TzRuleFlags
from tests.wire.blobs import blob, decoded


def test_struct_of_the_eastern_zone() -> None:
    value = TIME_ZONE_STRUCT.parse(blob("TIMEZONE-1"))
    assert (value.bias, value.standard_bias, value.daylight_bias) == (300, 0, -60)
    assert (value.standard_date.month, value.standard_date.day, value.standard_date.hour) == (11, 1, 2)
    assert (value.daylight_date.month, value.daylight_date.day, value.daylight_date.hour) == (3, 2, 2)
    assert TIME_ZONE_STRUCT.build(value) == blob("TIMEZONE-1")


@pytest.mark.parametrize(
    ("number", "name", "years"),
    [(1, "Eastern Standard Time", [2006, 2007]), (2, "US Eastern Standard Time", [2005, 2006, 2007])],
)
def test_definition_with_a_rule_for_each_change_of_law(number: int, name: str, years: list[int]) -> None:
    data = blob(f"TIMEZONEDEFINITION-{number}")
    value = TIME_ZONE_DEFINITION.parse(data)
    assert value.key_name.decode("utf-16-le") == name
    assert [rule.year for rule in value.rules] == years
    assert [rule.tz_rule_flags for rule in value.rules][-1] == TzRuleFlags.EFFECTIVE_TZREG
    assert [rule.standard_date.month for rule in value.rules][-2:] == [10, 11]
    assert TIME_ZONE_DEFINITION.build(value) == data


def test_what_a_client_left_behind_the_rules_stays() -> None:
    data = blob("TIMEZONEDEFINITION-3")
    value = TIME_ZONE_DEFINITION.parse(data)
    assert (len(value.rules), len(value.leftover)) == (0, 132)
    assert "Unparsed data size" in decoded("TIMEZONEDEFINITION-3")
    assert TIME_ZONE_DEFINITION.build(value) == data


@pytest.mark.parametrize(("size", "field"), [(0, "major_version"), (20, "key_name"), (60, "rules"), (90, "rules")])
def test_definitions_that_end_early(size: int, field: str) -> None:
    with pytest.raises(WireError) as caught:
        TIME_ZONE_DEFINITION.parse(blob("TIMEZONEDEFINITION-1")[:size])
    assert field in caught.value.field


@pytest.mark.parametrize("size", [0, 47, 49])
def test_structs_of_a_wrong_size(size: int) -> None:
    with pytest.raises(WireError):
        TIME_ZONE_STRUCT.parse((blob("TIMEZONE-1") * 2)[:size])
