import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError
from mapigw.wire.restrictions import (
    AndRestriction,
    BitMaskRestriction,
    CommentRestriction,
    ComparePropertiesRestriction,
    ContentRestriction,
    CountRestriction,
    ExistRestriction,
    NotRestriction,
    OrRestriction,
    PropertyRestriction,
    Restriction,
    SizeRestriction,
    SubObjectRestriction,
)
from nspi.restrictions import pull_restriction, push_restriction
from tests.nspi.test_values import TAGGED

EXAMPLES: list[tuple[Restriction, str]] = [
    # What Outlook sends for ambiguous name resolution: PidTagAnr equals.
    (PropertyRestriction(4, 0x360C001F, (0x360C001F, "to")), "04 04 1f000c36 1f000c36 ff 74006f000000"),
    (
        AndRestriction((ExistRestriction(0x3001001F), NotRestriction(ExistRestriction(0x3A08001F)))),
        "00 02000000 08 1f000130 02 08 1f00083a",
    ),
    (
        OrRestriction((ContentRestriction(2, 1, 0x3001001E, (0x3001001E, b"T")),)),
        "01 01000000 03 0200 0100 1e000130 1e000130 ff 5400",
    ),
    (ComparePropertiesRestriction(4, 0x3001001F, 0x3A20001F), "05 04 1f000130 1f00203a"),
    (BitMaskRestriction(1, 0x39050003, 0x40000000), "06 01 03000539 00000040"),
    (SizeRestriction(2, 0x0FFF0102, 16), "07 02 0201ff0f 10000000"),
    (SubObjectRestriction(0x0E12000D, ExistRestriction(0x39000003)), "09 0d00120e 08 03000039"),
    (CommentRestriction(((0x39000003, 0),), ExistRestriction(0x39000003)), "0a 01 03000039 00000000 01 08 03000039"),
    (AndRestriction((CommentRestriction((), None),)), "00 01000000 0a 00 00"),
    (CountRestriction(7, ExistRestriction(0x39000003)), "0b 07000000 08 03000039"),
]


@pytest.mark.parametrize(("restriction", "data"), EXAMPLES)
def test_restriction(restriction: Restriction, data: str) -> None:
    cursor = Cursor(bytes.fromhex(data))
    assert pull_restriction(cursor) == restriction
    assert cursor.remaining == 0
    out = bytearray()
    push_restriction(out, restriction)
    assert out == bytes.fromhex(data)


@pytest.mark.parametrize("data", ["", "0c", "00ffffffff", "02" * 5000, "0801", "0404"])
def test_a_malformed_restriction_is_a_wire_error(data: str) -> None:
    with pytest.raises(WireError):
        pull_restriction(Cursor(bytes.fromhex(data)))


TAGS = st.integers(0, 2**32 - 1)
LEAVES: st.SearchStrategy[Restriction] = st.one_of(
    st.builds(ContentRestriction, st.integers(0, 65535), st.integers(0, 65535), TAGS, TAGGED),
    st.builds(PropertyRestriction, st.integers(0, 255), TAGS, TAGGED),
    st.builds(ComparePropertiesRestriction, st.integers(0, 255), TAGS, TAGS),
    st.builds(BitMaskRestriction, st.integers(0, 255), TAGS, TAGS),
    st.builds(SizeRestriction, st.integers(0, 255), TAGS, TAGS),
    st.builds(ExistRestriction, TAGS),
)
RESTRICTIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(AndRestriction, st.lists(inner, max_size=3).map(tuple)),
        st.builds(OrRestriction, st.lists(inner, max_size=3).map(tuple)),
        st.builds(NotRestriction, inner),
        st.builds(SubObjectRestriction, TAGS, inner),
        st.builds(CommentRestriction, st.lists(TAGGED, max_size=2).map(tuple), st.none() | inner),
        st.builds(CountRestriction, TAGS, inner),
    ),
    max_leaves=8,
)


@given(RESTRICTIONS)
def test_restrictions_round_trip(restriction: Restriction) -> None:
    out = bytearray()
    push_restriction(out, restriction)
    cursor = Cursor(bytes(out))
    assert pull_restriction(cursor) == restriction
    assert cursor.remaining == 0
