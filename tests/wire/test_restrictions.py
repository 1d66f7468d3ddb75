import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError
from mapigw.wire.properties import pull_value, push_value
from mapigw.wire.restrictions import (
    MAXIMUM_DEPTH,
    ActionBlock,
    AndRestriction,
    BitMaskRestriction,
    CommentRestriction,
    ComparePropertiesRestriction,
    ContentRestriction,
    CountRestriction,
    ExistRestriction,
    MoveCopyData,
    NotRestriction,
    OrRestriction,
    PropertyRestriction,
    Restriction,
    SizeRestriction,
    SubObjectRestriction,
    pull_restriction,
    pull_rule_actions,
    push_restriction,
    push_rule_actions,
)
from tests.wire.blobs import blob, decoded
from tests.wire.strategies import action_blocks, any_restriction

RESTRICTION = 0x00FD
RULE_ACTION = 0x00FE
EXIST = ExistRestriction(0x001A001F)
CONTENT = ContentRestriction(2, 1, 0x001A001F, (0x001A001F, "IPM"))


def pushed(restriction: Restriction, *, wide: bool = False) -> bytes:
    out = bytearray()
    push_restriction(out, restriction, wide)
    return bytes(out)


@pytest.mark.parametrize(
    ("restriction", "data"),
    [
        (AndRestriction((EXIST, EXIST)), "000200081f001a00081f001a00"),
        (OrRestriction((EXIST,)), "010100081f001a00"),
        (NotRestriction(EXIST), "02081f001a00"),
        (CONTENT, "03020001001f001a001f001a00490050004d000000"),
        (PropertyRestriction(4, 0x0E080003, (0x0E080003, 7)), "04040300080e0300080e07000000"),
        (ComparePropertiesRestriction(0, 0x0E080003, 0x36020003), "05000300080e03000236"),
        (BitMaskRestriction(1, 0x0E070003, 0x10), "06010300070e10000000"),
        (SizeRestriction(2, 0x0E080003, 9), "07020300080e09000000"),
        (EXIST, "081f001a00"),
        (SubObjectRestriction(0x0E13000D, EXIST), "090d00130e081f001a00"),
        (CommentRestriction(((0x0E07000B, True),), EXIST), "0a010b00070e0101081f001a00"),
        (CommentRestriction((), None), "0a0000"),
        (CountRestriction(3, EXIST), "0b03000000081f001a00"),
    ],
    ids=lambda item: type(item).__name__,
)
def test_layout(restriction: Restriction, data: str) -> None:
    assert pushed(restriction).hex() == data
    assert pull_restriction(Cursor(bytes.fromhex(data))) == restriction


def test_extended_rules_have_wide_counts() -> None:
    data = pushed(OrRestriction((PropertyRestriction(4, 0x00010102, (0x00010102, b"a")),)), wide=True)
    assert data.hex() == "0101000000040402010100020101000100000061"


@given(any_restriction, st.booleans())
def test_round_trip(restriction: Restriction, wide: bool) -> None:
    data = pushed(restriction, wide=wide)
    cursor = Cursor(data)
    assert pull_restriction(cursor, wide) == restriction
    assert not cursor.remaining
    out = bytearray()
    push_value(out, RESTRICTION, restriction, wide=wide)
    assert bytes(out) == data


@pytest.mark.parametrize(
    "data",
    ["0c", "ff", "", "00ffff", "02", "000100", "0a01", "03", "0400", "02" * 5000, "000100" * 1 + "00"],
)
def test_malformed(data: str) -> None:
    with pytest.raises(WireError):
        pull_restriction(Cursor(bytes.fromhex(data)))


@pytest.mark.parametrize(
    "level",
    [
        b"\x02",
        b"\x00\x01\x00",
        b"\x0b\x01\x00\x00\x00",
        b"\x0a\x00\x01",
        # a restriction as the value that a restriction compares with
        bytes.fromhex("0404fd000100fd000100"),
    ],
    ids=["not", "and", "count", "comment", "value"],
)
def test_nesting_ends_in_an_error_and_not_in_a_stack_overflow(level: bytes) -> None:
    leaf = bytes.fromhex("081f001a00")
    pull_restriction(Cursor(level * (MAXIMUM_DEPTH - 1) + leaf))
    for depth in (MAXIMUM_DEPTH, 10_000):
        with pytest.raises(WireError, match="nested too deeply"):
            pull_restriction(Cursor(level * depth + leaf))


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes(data: bytes, wide: bool) -> None:
    for code in (RESTRICTION, RULE_ACTION):
        try:
            pull_value(Cursor(data), code, wide=wide)
        except WireError:
            continue


@given(st.booleans().flatmap(lambda wide: st.tuples(st.just(wide), st.lists(action_blocks(wide=wide), max_size=3))))
def test_rule_actions_round_trip(drawn: tuple[bool, list[ActionBlock]]) -> None:
    wide, actions = drawn
    out = bytearray()
    push_rule_actions(out, actions, wide)
    cursor = Cursor(bytes(out))
    assert pull_rule_actions(cursor, wide) == actions
    assert not cursor.remaining


@pytest.mark.spec("MS-OXORULE_R235")
def test_rule_action_layout() -> None:
    out = bytearray()
    push_rule_actions(
        out, [ActionBlock(1, 0, 0, MoveCopyData(True, b"\xaa", b"\x01\x02")), ActionBlock(0x0A, 0, 0, b"")]
    )
    assert out.hex() == (
        "0200"
        "1100" "01" "00000000" "00000000" "01" "0100aa" "02000102"
        "0900" "0a" "00000000" "00000000"
    )  # fmt: skip


@pytest.mark.parametrize(
    "data",
    ["0100", "0100ffff", "01000a000a0000000000000000", "01000900060000000000000000"],
)
def test_malformed_rule_actions(data: str) -> None:
    with pytest.raises(WireError):
        pull_rule_actions(Cursor(bytes.fromhex(data)))


def _without_names(data: bytes) -> Cursor:
    """A cursor behind the NamedPropertyInformation (MS-OXORULE 2.2.4.2) of an extended rule's blob."""
    cursor = Cursor(data)
    count = cursor.uint16()
    if count:
        cursor.take(2 * count)
        cursor.take(cursor.uint32())
    return cursor


@pytest.mark.parametrize(
    ("name", "wide"),
    [("RULECONDITION-2", False), *((f"EXTENDEDRULECONDITION-{number}", True) for number in range(1, 5))],
)
def test_conditions_of_real_rules(name: str, wide: bool) -> None:
    data = blob(name)
    cursor = _without_names(data)
    start = cursor.position
    restriction = pull_restriction(cursor, wide)
    assert not cursor.remaining
    assert pushed(restriction, wide=wide) == data[start:]


def test_condition_of_a_real_extended_rule() -> None:
    cursor = _without_names(blob("EXTENDEDRULECONDITION-1"))
    assert pull_restriction(cursor, wide=True) == ContentRestriction(
        1, 0, 0x0C1D0102, (0x0C1D0102, b"test01@test1.COM")
    )


@pytest.mark.parametrize("number", [1, 2, 3])
def test_actions_of_real_extended_rules(number: int) -> None:
    data = blob(f"EXTENDEDRULEACTION-{number}")
    cursor = _without_names(data)
    assert cursor.uint32() == 1  # RuleVersion
    start = cursor.position
    actions = pull_rule_actions(cursor, wide=True)
    out = bytearray()
    push_rule_actions(out, actions, wide=True)
    assert not cursor.remaining
    assert bytes(out) == data[start:]
    kinds = re.findall(r"ActionType: \S+ = (\d+)", decoded(f"EXTENDEDRULEACTION-{number}"))
    assert [str(action.action_type) for action in actions] == kinds


def test_move_and_tag_of_a_real_extended_rule() -> None:
    cursor = _without_names(blob("EXTENDEDRULEACTION-1"))
    cursor.uint32()
    move, tag = pull_rule_actions(cursor, wide=True)
    assert move.action_data.folder_in_this_store is None
    assert move.action_data.store_entry_id.hex() == "6a07ef6249312049b80c4c3ee1cf2698"
    assert len(move.action_data.folder_entry_id) == 46
    assert tag.action_data == (0x837E0003, 930864138)
