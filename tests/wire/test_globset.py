import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError
from mapigw.wire.globset import COUNTER_MAXIMUM, CounterSet, IdSet, Replica, pull_globset, push_globset

OUTLOOK_REPLICA = UUID(bytes_le=bytes.fromhex("741f6fd38e1a654f9d422dfb451c8f10"))


def encode(counters: CounterSet) -> bytes:
    out = bytearray()
    push_globset(out, counters)
    return bytes(out)


def decode(data: bytes) -> CounterSet:
    cursor = Cursor(data)
    counters = pull_globset(cursor)
    assert cursor.position == len(data)
    return counters


counters_near = st.sets(st.integers(1, 3000), max_size=200)
counters_far = st.sets(st.integers(0, COUNTER_MAXIMUM), max_size=60)
ranges = st.lists(
    st.tuples(st.integers(0, COUNTER_MAXIMUM), st.integers(0, 1 << 20)).map(
        lambda item: (item[0], min(item[0] + item[1], COUNTER_MAXIMUM))
    ),
    max_size=40,
)
counter_sets = st.one_of(counters_near.map(CounterSet.of), counters_far.map(CounterSet.of), ranges.map(CounterSet))
replguids: st.SearchStrategy[Replica] = st.uuids()
replids: st.SearchStrategy[Replica] = st.integers(0, 0xFFFF)
small_sets = st.sets(st.integers(0, 60))


@pytest.mark.spec("MS-OXCFXICS_R182")
def test_replid_form_example_of_3_1_5_4() -> None:
    data = bytes.fromhex("0100 050000000000 520506 0110 50 00 0200 06000000000009 00")
    idset = IdSet.parse_replid(data)
    assert dict(idset) == {1: CounterSet([(5, 6), (0x10, 0x10)]), 2: CounterSet.of([9])}
    assert idset.build() == data


@pytest.mark.spec("MS-OXCFXICS_R3379")
def test_bitmask_example_of_3_1_5_4_3_1_3() -> None:
    counters = CounterSet([(0x01, 0x03), (0x05, 0x05), (0x07, 0x09)])
    data = bytes.fromhex("050000000000 42 01 EB 50 00")
    assert encode(counters) == data
    assert decode(data) == counters


def test_cnset_that_outlook_uploaded() -> None:
    data = bytes.fromhex("741f6fd38e1a654f9d422dfb451c8f10520df8974b7f630df8974b7f6500")
    idset = IdSet.parse_replguid(data)
    assert dict(idset) == {OUTLOOK_REPLICA: CounterSet([(0x0DF8974B7F63, 0x0DF8974B7F65)])}
    assert idset.build() == OUTLOOK_REPLICA.bytes_le + bytes.fromhex("050df8974b7f 526365 50 00")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param([], "00", id="empty: the End command alone"),
        pytest.param([(9, 9)], "06 000000000009 00", id="singleton: six bytes pushed, popped by themselves"),
        pytest.param([(1, 0x1234)], "04 00000000 52 0001 1234 50 00", id="common bytes are pushed before a Range"),
        pytest.param([(1, 10)], "05 0000000000 52 01 0A 50 00", id="ten values in a row are a Range"),
        pytest.param([(1, 1), (10, 10)], "05 0000000000 01 01 01 0A 50 00", id="ten apart: no Bitmask"),
        pytest.param([(1, 1), (9, 9)], "05 0000000000 42 01 80 50 00", id="nine apart: Bitmask"),
        pytest.param([(0xFD, 0xFD), (0xFF, 0xFF)], "05 0000000000 42 FD 02 50 00", id="Bitmask up to the last byte"),
        pytest.param([(0x0100, 0x02FF)], "04 00000000 52 0100 02FF 50 00", id="a Range over byte borders"),
        pytest.param(
            [(0x0101, 0x0101), (0x0103, 0x0103), (0x0201, 0x0205)],
            "04 00000000 01 01 42 01 02 50 01 02 52 01 05 50 50 00",
            id="pushes nest",
        ),
        pytest.param([(0, COUNTER_MAXIMUM)], "52 000000000000 FFFFFFFFFFFF 00", id="nothing in common"),
    ],
)
def test_encoding(members: list[tuple[int, int]], expected: str) -> None:
    data = bytes.fromhex(expected)
    assert encode(CounterSet(members)) == data
    assert decode(data) == CounterSet(members)


def test_decoding_takes_any_choice_of_commands() -> None:
    data = bytes.fromhex("03 000000 02 0000 01 05 01 06 50 52 000007 000009 50 00")
    assert decode(data) == CounterSet([(5, 9)])


def test_decoding_sorts_what_came_unsorted() -> None:
    assert decode(bytes.fromhex("06000000000009 06000000000001 06000000000002 00")) == CounterSet([(1, 2), (9, 9)])


@pytest.mark.spec("MS-OXCFXICS_R1966")
@pytest.mark.spec("MS-OXCFXICS_R1989")
@pytest.mark.spec("MS-OXCFXICS_R2003")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "no End"),
        ("05 0000000000", "no End"),
        ("05 0000000000 00", "End command with bytes"),
        ("50 00", "Pop command on an empty"),
        ("05 0000000000 50 50 00", "Pop command on an empty"),
        ("06 000000000009 50 00", "Pop command on an empty"),
        ("05 0000000000 02 0101 50 00", "more than six bytes"),
        ("06 0000", "CommonBytes end early"),
        ("04 00000000 42 01 FF 50 00", "without five common bytes"),
        ("05 0000000000 42 01", "Bitmask command ends early"),
        ("05 0000000000 42 FE FF 50 00", "beyond the last byte"),
        ("05 0000000000 52 06 05 50 00", "LowValue above HighValue"),
        ("52 000000000001 0000", "Range command ends early"),
        ("07 00", "no GLOBSET command"),
        ("FF", "no GLOBSET command"),
    ],
)
def test_decoding_refuses(data: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        decode(bytes.fromhex(data))


def test_huge_ranges_out_of_order_take_no_memory() -> None:
    counters = decode(bytes.fromhex("52 000000000002 FFFFFFFFFFFF 06 000000000000 00"))
    assert list(counters) == [(0, 0), (2, COUNTER_MAXIMUM)]
    assert list(counters | CounterSet.of([1])) == [(0, COUNTER_MAXIMUM)]


def test_idset_refuses_trailing_bytes() -> None:
    with pytest.raises(WireError):
        IdSet.parse_replguid(OUTLOOK_REPLICA.bytes_le + bytes.fromhex("06000000000009 00") + b"\1")
    with pytest.raises(WireError):
        IdSet.parse_replid(bytes.fromhex("0100 06000000000009 00 01"))


def test_the_largest_range_costs_one_range() -> None:
    counters = decode(bytes.fromhex("52 000000000000 FFFFFFFFFFFF 00"))
    assert counters.range_count == 1
    assert counters.count == 1 << 48
    assert COUNTER_MAXIMUM in counters
    assert counters.difference(CounterSet.of([5])).range_count == 2


@pytest.mark.spec("MS-OXCFXICS_R186")
def test_replicas_ascend_by_bytes_and_empty_ones_are_left_out() -> None:
    first, second = UUID(bytes_le=b"\1" + bytes(15)), UUID(bytes_le=b"\2" + bytes(15))
    empty = UUID(bytes_le=bytes(16))
    idset = IdSet({second: CounterSet.of([2]), first: CounterSet.of([1]), empty: CounterSet()})
    assert idset.build() == (
        first.bytes_le + bytes.fromhex("06000000000001 00") + second.bytes_le + bytes.fromhex("06000000000002 00")
    )
    assert IdSet({0x0200: CounterSet.of([2]), 0x0103: CounterSet.of([1])}).build()[:2] == b"\x03\x01"


def test_zero_bytes_are_the_empty_set() -> None:
    assert not IdSet.parse_replguid(b"")
    assert IdSet().build() == b""


@pytest.mark.parametrize("stride", [2, 3, 10, 257, 70_000])
def test_a_hundred_thousand_scattered_ids_are_quick(stride: int) -> None:
    counters = CounterSet.of(range(1, 1 + 100_000 * stride, stride))
    assert counters.range_count == 100_000
    start = time.process_time()
    data = encode(counters)
    encoded = time.process_time()
    assert decode(data) == counters
    assert encoded - start < 0.15
    assert time.process_time() - encoded < 0.15
    assert len(data) < 100_000 * 5


@given(counter_sets)
def test_globset_round_trip(counters: CounterSet) -> None:
    assert decode(encode(counters)) == counters


@given(st.dictionaries(replguids, counter_sets, max_size=4))
def test_replguid_form_round_trip(replicas: dict[Replica, CounterSet]) -> None:
    idset = IdSet(replicas)
    assert IdSet.parse_replguid(idset.build()) == idset


@given(st.dictionaries(replids, counter_sets, max_size=4))
def test_replid_form_round_trip(replicas: dict[Replica, CounterSet]) -> None:
    idset = IdSet(replicas)
    assert IdSet.parse_replid(idset.build()) == idset


@given(st.binary(max_size=200))
def test_random_bytes_raise_only_wire_errors(data: bytes) -> None:
    for parse in (IdSet.parse_replguid, IdSet.parse_replid):
        try:
            idset = parse(data)
        except WireError:
            continue
        assert parse(idset.build()) == idset


commands = st.one_of(
    st.binary(min_size=1, max_size=6).map(lambda common: bytes([len(common)]) + common),
    st.just(b"\x50"),
    st.binary(min_size=2, max_size=2).map(lambda body: b"\x42" + body),
    st.binary(min_size=2, max_size=12).map(lambda body: b"\x52" + body),
)


@given(st.lists(commands, max_size=30))
def test_random_commands_raise_only_wire_errors(parts: list[bytes]) -> None:
    cursor = Cursor(b"".join(parts) + b"\0")
    try:
        counters = pull_globset(cursor)
    except WireError:
        return
    assert decode(encode(counters)) == counters


def members(counters: CounterSet) -> set[int]:
    lows = [low for low, _ in counters]
    highs = [high for _, high in counters]
    # Sorted, disjoint, not even adjacent: what makes equality of sets equality of ranges.
    assert all(low > high + 1 for low, high in zip(lows[1:], highs, strict=False))
    assert all(low <= high for low, high in counters)
    return set(counters.counters())


@given(small_sets, small_sets)
def test_set_operations_are_those_of_sets(left: set[int], right: set[int]) -> None:
    first, second = CounterSet.of(left), CounterSet.of(right)
    assert members(first) == left
    assert members(first | second) == left | right
    assert members(first & second) == left & right
    assert members(first - second) == left - right
    assert (first <= second) == (left <= right)
    assert (first == second) == (left == right)
    assert first.count == len(left)
    assert bool(first) == bool(left)
    assert first.maximum == max(left, default=0)
    assert first.complement().complement() == first
    assert all((counter in first) == (counter in left) for counter in range(61))


@given(small_sets, st.integers(0, 60), st.integers(0, 60))
def test_changes_in_place(present: set[int], one: int, other: int) -> None:
    low, high = sorted((one, other))
    touched = set(range(low, high + 1))
    counters = CounterSet.of(present)
    untouched = counters.copy()
    counters.add_range(low, high)
    assert members(counters) == present | touched
    counters.discard_range(low, high)
    assert members(counters) == present - touched
    counters.add(one)
    assert members(counters) == present - touched | {one}
    assert members(untouched) == present


@given(small_sets)
def test_prefix(present: set[int]) -> None:
    counters = CounterSet.of(present)
    expected = next(n for n in range(62) if n + 1 not in present)
    assert counters.prefix() == expected
    assert counters.covers_up_to(expected)
    assert not counters.covers_up_to(expected + 1)
    assert counters.is_prefix() == (present - {0} == set(range(1, expected + 1)))


def test_idset_operations() -> None:
    replica, other = UUID(int=1), UUID(int=2)
    left = IdSet()
    left.add(replica, 1)
    left[replica].add_range(3, 5)
    right = IdSet({replica: CounterSet([(4, 9)]), other: CounterSet.of([7])})
    assert dict(left.union(right)) == {replica: CounterSet([(1, 1), (3, 9)]), other: CounterSet.of([7])}
    assert dict(left.difference(right)) == {replica: CounterSet([(1, 1), (3, 3)])}
    assert dict(left.intersection(right)) == {replica: CounterSet([(4, 5)])}
    assert (replica, 4) in left
    assert (other, 7) not in left
    assert not left.get(other)
    left[other] = CounterSet.of([8])
    assert (other, 8) in left
    assert "IdSet" in repr(left)
    assert repr(CounterSet([(1, 2), (4, 4)])) == "CounterSet(1-2, 4)"
