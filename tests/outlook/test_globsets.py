"""The client's own set decoder against the specification's examples."""

from uuid import UUID

import pytest

from tests.outlook.globsets import IdSet, ranges_of, read_globset, write_globset
from tests.outlook.reader import Reader, ViolationError

_ONE = UUID("00112233-4455-6677-8899-aabbccddeeff")
_TWO = UUID("01112233-4455-6677-8899-aabbccddeeff")


def _read(text: str) -> list[tuple[int, int]]:
    reader = Reader(bytes.fromhex(text), "GLOBSET", "test")
    found = read_globset(reader)
    reader.end()
    return found


def test_the_idset_example_of_the_specification() -> None:
    data = bytes.fromhex("01000500000000005205060110500002000600000000000900")
    found = IdSet.from_replid(data, {1: _ONE, 2: _TWO}, "example")
    assert found.ranges == {_ONE: [(5, 6), (16, 16)], _TWO: [(9, 9)]}
    assert found.members() == {(_ONE, 5), (_ONE, 6), (_ONE, 16), (_TWO, 9)}


def test_bitmask_of_the_specification() -> None:
    """3.1.5.4.3.1.3: {0x01-0x03, 0x05, 0x07-0x09} is StartingValue 0x01 with Bitmask 0xEB."""
    assert _read("05 0000000000 42 01 EB 50 00") == [(1, 3), (5, 5), (7, 9)]


def test_six_pushed_bytes_are_a_value_and_pop_themselves() -> None:
    assert _read("06 000000000009 00") == [(9, 9)]
    assert _read("04 00000000 02 0101 02 0102 52 0200 0300 50 00") == [(257, 257), (258, 258), (512, 768)]


@pytest.mark.parametrize(
    "text",
    [
        "50 00",  # Pop on an empty stack
        "04 00000000 03 010101 00",  # seven common bytes
        "42 01 EB 00",  # Bitmask without five common bytes
        "52 000000000009 000000000001 00",  # LowValue above HighValue
        "06 000000000009 06 000000000003 00",  # descending
        "07 00",  # no such command
        "05 0000000000 42 FE 80 50 00",  # past 0xFF
        "06 000000000009",  # no End
    ],
)
def test_malformed_sets_are_refused(text: str) -> None:
    with pytest.raises(ViolationError):
        _read(text)


def test_what_is_written_reads_back() -> None:
    ranges = [(1, 1), (3, 900), (0x10000, 0x123456789ABC)]
    assert read_globset(Reader(write_globset(ranges), "GLOBSET", "test")) == ranges
    both = IdSet({_TWO: [(1, 2)], _ONE: ranges})
    again = IdSet.from_replguid(both.to_replguid(), "test")
    assert again.ranges == both.ranges
    assert len(again) == len(both)
    assert (_ONE, 4) in again
    assert (_ONE, 2) not in again


def test_ranges_of_numbers() -> None:
    assert ranges_of([5, 3, 4, 9, 9]) == [(3, 5), (9, 9)]
