"""The address book follows the directory, and nobody waits for it long."""

import asyncio
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.directory.model import Entry
from nspi import books
from nspi.address_book import AddressBook
from nspi.books import AddressBooks
from nspi.collation import collation_key, folded, language
from nspi.index import Links, Order, gently_sorted
from tests.nspi.client import ANNA, TOM, USERS, FakeDirectory, user


async def test_a_change_is_there_at_once_and_nothing_is_made_anew_without_one() -> None:
    directory = FakeDirectory()
    current = AddressBooks(directory)
    first = await current.current("bm.lan")
    assert await current.current("bm.lan") is first
    directory.all = (replace(TOM, password_mark=7), *USERS[1:])
    directory._entries = replace(directory._entries)
    assert await current.current("bm.lan") is first, "a password is not shown"
    directory.all = USERS[1:]
    second = await current.current("bm.lan")
    assert second is not first
    assert second.by_dn(TOM.legacy_dn) is None


async def test_many_requests_make_one_book(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    class Counted(AddressBook):
        def __init__(self, sources: list[Entry]) -> None:
            made.append(len(sources))
            super().__init__(sources)

    monkeypatch.setattr(books, "AddressBook", Counted)
    current = AddressBooks(FakeDirectory())
    found = await asyncio.gather(*(current.current("bm.lan") for _ in range(20)))
    assert len({id(book) for book in found}) == len(made) == 1


async def test_requests_do_not_wait_for_a_book_that_takes_long() -> None:
    directory = FakeDirectory()
    current = AddressBooks(directory, patience=0)
    first = await current.current("bm.lan")
    directory.all = USERS[1:]
    assert await current.current("bm.lan") is first
    for _ in range(200):
        if (latest := await current.current("bm.lan")) is not first:
            break
        await asyncio.sleep(0.01)
    assert latest.by_dn(TOM.legacy_dn) is None
    assert latest.by_dn(ANNA.legacy_dn) is not None


async def test_domains_that_see_the_same_have_one_book() -> None:
    directory = FakeDirectory()
    both = ("bm.lan", "other.example")
    directory.shared = dict.fromkeys(both, both)
    current = AddressBooks(directory)
    assert await current.current("bm.lan") is await current.current("other.example")
    assert len(await current.current("bm.lan")) == len(USERS)


@given(st.lists(st.integers(0, 50)))
def test_gentle_sorting_is_sorting(items: list[int]) -> None:
    assert list(gently_sorted(items * 400)) == sorted(items * 400)
    assert list(gently_sorted(items, lambda item: -item)) == sorted(items, key=lambda item: -item)


def test_an_order_finds_by_keys_that_are_not_kept() -> None:
    words = sorted(f"word{number}" for number in range(500))
    numbers = list(range(500))
    random.Random(1).shuffle(numbers)
    order = Order(numbers, words.__getitem__)
    assert list(order.numbers) == list(range(500))
    assert [order.find(word) for word in words] == list(range(500))
    assert (order.find("wor"), order.find("zzz"), order.first("zzz")) == (None, None, 500)
    assert [words[number] for number in order.between("word49", "word5")] == words[
        words.index("word49") : words.index("word5")
    ]


def test_links_are_those_of_one_number() -> None:
    links = Links([(7, 3), (7, 1), (8, 0), (2**32 - 1, 5), (7, 2**32 - 1)])
    assert links.of(7) == [1, 3, 2**32 - 1]
    assert (links.of(8), links.of(9), links.of(2**32 - 1)) == ([0], [], [5])


@pytest.mark.parametrize("lcid", [0, 0x409, 0x41D, 0x406, 0x414, 0x405, 0x41B, 0x415, 0xC0A, 0x40B])
def test_a_prefix_comes_before_what_begins_with_it(lcid: int) -> None:
    of_language = language(lcid)
    for name in ("Ångström", "Źbik", "Chalupa", "Łoś", "Ñandu", "Aase", "Müller", "雪", "Tom"):
        for end in range(len(name)):
            prefix = name[:end]
            if of_language and (prefix + name[end]).lower().endswith(("ch", "aa")):
                continue  # a letter of its own, which the half of it does not begin
            assert collation_key(prefix, of_language) < collation_key(name, of_language)


@pytest.mark.parametrize(
    ("text", "plain"),
    [("Søren Ærø", "soren aero"), ("ŁOŚ", "los"), ("Straße", "strasse"), ("ﬁ", "fi"), ("Ð", "d"), ("İ", "i")],
)
def test_letters_as_people_without_them_write_them(text: str, plain: str) -> None:
    assert folded(text) == plain


def test_languages_without_a_place_of_their_own_share_the_default() -> None:
    assert {language(lcid) for lcid in (0, 0x409, 0x407, 0x40C, 0x411, 0xFFFFFFFF)} == {0}
    assert language(0x81D) == language(0x41D) != 0


async def test_somebody_far_away_is_found_in_time() -> None:
    people = tuple(user(number, f"u{number}@bm.lan", f"Zoë Ångström {number}") for number in range(1, 3000))
    book = AddressBook(people)
    for lcid in (0, 0x41D):
        table = book.table(0, sort_locale=lcid)
        for slot in (0, 1500, 2998):
            position = table.position(slot)
            assert position is not None
            assert table.slots(position, position + 1) == [slot]
