"""Every kind of restriction on the properties of one object (MS-OXCDATA 2.12)."""

from typing import Any

import pytest

from mapigw.mailbox.restrictions import Candidate, compared_ids, has_subobjects, matches, property_ids
from mapigw.wire import tags
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

TEXT, NUMBER, MANY, BINARY = 0x7C01001F, 0x7C020003, 0x7C03101F, 0x7C040102
ABSENT = 0x7CFF001F
VALUES: dict[int, Any] = {TEXT: "Über den Wolken", NUMBER: 6, MANY: ["red", "Blue"], BINARY: b"\1\2\3"}
FULL, SUBSTRING, PREFIX, WORD_PREFIX, PHRASE = 0, 1, 2, 0x10, 0x20
IGNORE_CASE, IGNORE_NON_SPACE, LOOSE = 1, 2, 4
YES: Restriction = ExistRestriction(TEXT)
NO: Restriction = ExistRestriction(ABSENT)


def compare(rel_op: int, tag: int, value: Any) -> Restriction:
    return PropertyRestriction(rel_op, tag, (tag, value))


def content(low: int, high: int, value: Any, tag: int = TEXT) -> Restriction:
    return ContentRestriction(low, high, tag, (tag, value))


@pytest.mark.parametrize(
    ("restriction", "expected"),
    [
        (AndRestriction(()), True),
        (AndRestriction((YES, YES)), True),
        (AndRestriction((YES, NO)), False),
        (OrRestriction(()), False),
        (OrRestriction((NO, YES)), True),
        (NotRestriction(NO), True),
        (NotRestriction(YES), False),
        (CommentRestriction(((NUMBER, 1),), NO), False),
        (CommentRestriction((), None), True),
        (CountRestriction(0, YES), True),
        (ExistRestriction(TEXT & ~0xFFFF | 0x1E), True),
        (compare(0, NUMBER, 7), True),
        (compare(1, NUMBER, 6), True),
        (compare(2, NUMBER, 6), False),
        (compare(3, NUMBER, 6), True),
        (compare(4, NUMBER, 6), True),
        (compare(5, NUMBER, 6), False),
        (compare(0x64, NUMBER, 6), False),
        (compare(4, TEXT, "ÜBER DEN WOLKEN"), True),
        (compare(0, TEXT, "v"), True),
        (compare(4, TEXT, 6), False),
        (compare(5, TEXT, 6), False),
        (compare(4, ABSENT, ""), False),
        (compare(5, ABSENT, ""), False),
        (compare(4, MANY, "blue"), True),
        (compare(4, MANY, "green"), False),
        (compare(4, BINARY, b"\1\2\3"), True),
        (content(FULL, 0, "Über den Wolken"), True),
        (content(FULL, 0, "über den wolken"), False),
        (content(FULL, IGNORE_CASE, "über den wolken"), True),
        (content(FULL, IGNORE_CASE, "uber den wolken"), False),
        (content(FULL, IGNORE_NON_SPACE, "Uber den Wolken"), True),
        (content(FULL, IGNORE_NON_SPACE, "uber den Wolken"), False),
        (content(FULL, LOOSE, "uber den wolken"), True),
        (content(SUBSTRING, 0, "den"), True),
        (content(SUBSTRING, 0, "DEN"), False),
        (content(PREFIX, IGNORE_CASE, "ÜBER"), True),
        (content(PREFIX, 0, "den"), False),
        (content(WORD_PREFIX, IGNORE_CASE, "wol"), True),
        (content(WORD_PREFIX, IGNORE_CASE, "olk"), False),
        (content(PHRASE, IGNORE_CASE, "den wolken"), True),
        (content(PHRASE, IGNORE_CASE, "den wol"), False),
        (content(SUBSTRING, 0, "lu", MANY), True),
        (content(SUBSTRING, 0, b"\2", BINARY), True),
        (content(PREFIX, 0, b"\1\2", BINARY), True),
        (content(FULL, 0, b"\1", BINARY), False),
        (content(FULL, 0, "6", NUMBER), False),
        (content(SUBSTRING, 0, "", ABSENT), False),
        (ComparePropertiesRestriction(4, NUMBER, NUMBER), True),
        (ComparePropertiesRestriction(5, NUMBER, TEXT), False),
        (ComparePropertiesRestriction(4, ABSENT, ABSENT), False),
        (BitMaskRestriction(1, NUMBER, 2), True),
        (BitMaskRestriction(0, NUMBER, 1), True),
        (BitMaskRestriction(1, NUMBER, 1), False),
        (BitMaskRestriction(0, TEXT, 1), False),
        (BitMaskRestriction(0, ABSENT, 1), False),
        (SizeRestriction(4, TEXT, 30), True),
        (SizeRestriction(4, BINARY, 3), True),
        (SizeRestriction(4, NUMBER, 4), True),
        (SizeRestriction(4, MANY, 14), True),
        (SizeRestriction(3, ABSENT, 0), False),
        (SubObjectRestriction(tags.PidTagMessageRecipients, compare(4, TEXT, "tom")), True),
        (SubObjectRestriction(tags.PidTagMessageRecipients, compare(4, TEXT, "eve")), False),
        (SubObjectRestriction(tags.PidTagMessageAttachments, compare(2, NUMBER, 100)), True),
        (NotRestriction(SubObjectRestriction(tags.PidTagMessageAttachments, YES)), True),
    ],
)
def test_what_a_restriction_lets_through(restriction: Restriction, expected: bool) -> None:
    candidate = Candidate(VALUES, [{TEXT: "Anna"}, {TEXT: "Tom"}], [{NUMBER: 1000}])
    assert matches(restriction, candidate) is expected


def test_the_class_of_a_message_is_the_same_in_any_case() -> None:
    tag = tags.PidTagMessageClass
    assert matches(ContentRestriction(PREFIX, 0, tag, (tag, "ipm.CONF")), Candidate({tag: "IPM.Configuration.X"}))


def test_what_a_restriction_looks_at() -> None:
    everything = AndRestriction(
        (
            OrRestriction((compare(4, TEXT, ""), NotRestriction(ExistRestriction(NUMBER)))),
            CommentRestriction((), ComparePropertiesRestriction(4, MANY, BINARY)),
            CountRestriction(1, SubObjectRestriction(tags.PidTagMessageRecipients, ExistRestriction(ABSENT))),
        )
    )
    assert property_ids(everything) == {0x7C01, 0x7C02, 0x7C03, 0x7C04}
    assert compared_ids(everything) == {0x7C01, 0x7C03, 0x7C04}
    assert has_subobjects(everything)
    assert not has_subobjects(YES)
    assert property_ids(None) == compared_ids(None) == set()
