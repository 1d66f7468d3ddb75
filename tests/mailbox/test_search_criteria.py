"""What is told of restrictions beforehand, above all the full-text query: it must never leave out a message."""

import re
import sqlite3
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mapigw.mailbox.search_criteria import WITHHELD, build, criteria, fold, text_query
from mapigw.store.text import IGNORE_CASE, IGNORE_NON_SPACE, LOOSE, PREFIX, SUBSTRING, content_matches
from mapigw.wire import tags
from mapigw.wire.restrictions import (
    AndRestriction,
    BitMaskRestriction,
    CommentRestriction,
    ContentRestriction,
    CountRestriction,
    ExistRestriction,
    NotRestriction,
    OrRestriction,
    PropertyRestriction,
    RelationalOperator,
    Restriction,
    SubObjectRestriction,
)

UNREAD = BitMaskRestriction(0, tags.PidTagMessageFlags, 0x1)
NEVER = f' OR "{WITHHELD}"'


def contains(text: str, tag: int = tags.PidTagSubject) -> ContentRestriction:
    return ContentRestriction(SUBSTRING, IGNORE_CASE, tag, (tag, text))


def query(restriction: Restriction) -> str:
    found = text_query(restriction)
    assert found is not None
    assert found.endswith(NEVER)
    return found.removesuffix(NEVER)


def test_the_trigrams_of_a_text_must_all_be_there() -> None:
    assert query(contains("Äpfel")) == '(("apf" AND "pfe" AND "fel"))'
    assert query(contains('a"bc')) == '(("a""b" AND """bc"))'


def test_restrictions_that_need_a_text() -> None:
    abc, xyz = contains("abc"), contains("xyz")
    equal = PropertyRestriction(RelationalOperator.EQUAL, tags.PidTagSubject, (tags.PidTagSubject, "abc"))
    assert query(AndRestriction((abc, xyz, UNREAD))) == '((("abc") AND ("xyz")))'
    assert query(OrRestriction((abc, xyz, abc))) == '((("abc") OR ("xyz")))'
    for other in (
        CommentRestriction((), abc),
        CountRestriction(1, abc),
        SubObjectRestriction(tags.PidTagMessageRecipients, abc),
        equal,
    ):
        assert query(other) == '(("abc"))'


@pytest.mark.parametrize(
    "restriction",
    [
        UNREAD,
        contains("ab"),
        NotRestriction(contains("abc")),
        OrRestriction((contains("abc"), UNREAD)),
        OrRestriction((contains("abc"), contains("ab"))),
        OrRestriction(()),
        AndRestriction(()),
        CommentRestriction((), None),
        ExistRestriction(tags.PidTagSubject),
        contains("abc", tags.PidTagTransportMessageHeaders),
        PropertyRestriction(RelationalOperator.GREATER_THAN, tags.PidTagSubject, (tags.PidTagSubject, "abc")),
        ContentRestriction(SUBSTRING, 0, tags.PidTagSearchKey, (tags.PidTagSearchKey, b"abc")),
        OrRestriction(tuple(contains(f"word {number}") for number in range(5000))),
    ],
)
def test_restrictions_that_the_index_cannot_help(restriction: Restriction) -> None:
    assert text_query(restriction) is None


def test_deep_restrictions_are_not_asked_of_the_index() -> None:
    restriction: Restriction = contains("abc")
    for level in range(100):
        both = (restriction, contains(f"abc{level}"))
        restriction = AndRestriction(both) if level % 2 else OrRestriction(both)
    assert criteria(build(restriction)).query is None


def test_restrictions_that_ask_for_nothing_but_text() -> None:
    for restriction, expected in (
        (contains("abc"), True),
        (AndRestriction((contains("abc"), contains("def"))), True),
        (AndRestriction((contains("abc"), UNREAD)), False),
        (AndRestriction((contains("abc"), contains("d"))), False),
        (CommentRestriction((), CountRestriction(2, contains("abc"))), True),
        (NotRestriction(contains("abc")), False),
    ):
        assert criteria(build(restriction)).only_text is expected


WORDS = st.text(alphabet=st.one_of(st.sampled_from("aAbBéÉßſİııẞǅŉΐàÀ\u0301 \0.ΣςσK"), st.characters()), max_size=12)
LEVELS = [first | second for first, second in product((0, IGNORE_CASE), (0, IGNORE_NON_SPACE, LOOSE))]


@given(before=WORDS, wanted=WORDS, after=WORDS, low=st.sampled_from([SUBSTRING, PREFIX, 0]))
@example(before="STRA", wanted="ß", after="E", low=SUBSTRING)
@example(before="", wanted="i\u0307x", after="", low=0)
def test_what_matches_is_never_left_out(before: str, wanted: str, after: str, low: int) -> None:
    """Whatever the fuzzy levels; the exact comparison decides among what the index lets through."""
    for text in (before + wanted + after, before + wanted.upper() + after, before + wanted.swapcase() + after):
        for high in LEVELS:
            if content_matches(text, wanted, low, high):
                folded = fold(text)
                needed = re.findall(r'"((?:[^"]|"")*)"', text_query(contains(wanted)) or "")
                assert all(token.replace('""', '"') in folded for token in needed if token != WITHHELD)


@given(WORDS, st.lists(WORDS, max_size=3))
def test_fts5_takes_every_query(text: str, wanted: list[str]) -> None:
    """And finds what has the texts."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5(text, tokenize = 'trigram', detail = none, columnsize = 0)")
    connection.execute("INSERT INTO t VALUES (?)", (fold(text + "".join(wanted)),))
    restriction = AndRestriction((contains(text), OrRestriction(tuple(map(contains, wanted)))))
    found = text_query(restriction)
    if found is not None:
        assert connection.execute("SELECT count(*) FROM t WHERE t MATCH ?", (found,)).fetchall() == [(1,)]
    connection.close()
