"""Restrictions, bookmarks and searches (MS-OXCTABL 3.2.5.4, 3.2.5.10 to 3.2.5.15)."""

from typing import Any

import pytest

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.restrictions import (
    ContentRestriction,
    CountRestriction,
    ExistRestriction,
    PropertyRestriction,
    RelationalOperator,
)
from tests.emsmdb.client import Client
from tests.emsmdb.tables import (
    BEGINNING,
    CURRENT,
    CUSTOM,
    END,
    add,
    bookmark,
    contents,
    fill,
    find,
    finding,
    hierarchy,
    position,
    remove,
    restrict,
    rows,
    seek,
    set_columns,
    sort,
    sorting,
    subjects,
)

SUBJECT = tags.PidTagSubject
BACKWARDS = 1
INVALID_BOOKMARK, NOT_FOUND, NULL_OBJECT = 0x80040405, 0x8004010F, 0x000004B9


def subject(value: str, rel_op: int = RelationalOperator.EQUAL) -> PropertyRestriction:
    return PropertyRestriction(rel_op, SUBJECT, (SUBJECT, value))


async def by_bookmark(client: Client, table: int, mark: bytes, count: int) -> tuple[bool, bool, int]:
    """(row no longer visible, has sought less, rows sought) of RopSeekRowBookmark."""
    value = await client.value("SeekRowBookmark", table, bookmark=mark, row_count=count, want_row_moved_count=True)
    return value.row_no_longer_visible, value.has_sought_less, value.rows_sought


async def seek_error(client: Client, table: int, mark: bytes) -> int:
    return await client.error("SeekRowBookmark", table, bookmark=mark, row_count=0, want_row_moved_count=True)


# Restrictions


@pytest.mark.spec("MS-OXCTABL_R451", "MS-OXCTABL_R452", "MS-OXCTABL_R117", "MS-OXCTABL_R453")
async def test_a_restricted_table_has_only_matching_rows(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 5)
    table = await contents(client, 5, SUBJECT)
    await seek(client, table, BEGINNING, 3)
    mark = await bookmark(client, table)
    await restrict(client, table, subject("1", RelationalOperator.GREATER_THAN))
    assert await position(client, table) == (0, 3)
    assert await seek_error(client, table, mark) == INVALID_BOOKMARK
    assert await subjects(client, table) == (["4", "3", "2"], END)
    assert await client.error("FindRow", table, **finding(subject("0"))) == NOT_FOUND
    # The next one replaces it, and none takes it away.
    await restrict(client, table, subject("0"))
    assert (await subjects(client, table))[0] == ["0"]
    await restrict(client, table, None)
    assert (await subjects(client, table))[0] == ["4", "3", "2", "1", "0"]


async def test_a_count_limits_the_rows(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 5)
    table = await contents(client, 5, SUBJECT)
    everything = ExistRestriction(tags.PidTagSubject)
    await restrict(client, table, CountRestriction(2, everything))
    assert (await subjects(client, table))[0] == ["4", "3"]
    # Also where the order is not the table's first one, and where contents decide.
    await sort(client, table, (SUBJECT, 0))
    assert (await subjects(client, table))[0] == ["0", "1"]
    await restrict(client, table, CountRestriction(3, ExistRestriction(tags.PidTagSearchKey)))
    assert (await subjects(client, table))[0] == ["0", "1", "2"]


async def test_a_restricted_hierarchy_table(client: Client, own_mailbox: Mailbox) -> None:
    for name in ("Alpha", "alphabet", "Beta"):
        await own_mailbox.create_folder(4, name)
    table = await hierarchy(client, 4, tags.PidTagDisplayName)
    prefix = ContentRestriction(2, 1, tags.PidTagDisplayName, (tags.PidTagDisplayName, "ALPHA"))
    await restrict(client, table, prefix)
    assert await position(client, table) == (0, 2)
    assert (await rows(client, table, [tags.PidTagDisplayName])).row_data == [["Alpha"], ["alphabet"]]
    await restrict(client, table, CountRestriction(1, prefix))
    assert (await rows(client, table, [tags.PidTagDisplayName])).row_data == [["Alpha"]]


async def test_text_of_8_bits_is_in_the_code_page_of_the_session(client: Client, own_mailbox: Mailbox) -> None:
    await add(own_mailbox, 5, {SUBJECT: "Grüße"}, {SUBJECT: "Gruesse"})
    table = await contents(client, 5, SUBJECT)
    narrow = SUBJECT & ~0xFFFF | 0x1E
    await restrict(client, table, PropertyRestriction(4, narrow, (narrow, b"GR\xdc\xdfE")))
    assert (await subjects(client, table))[0] == ["Grüße"]


# Bookmarks


@pytest.mark.spec(
    "MS-OXCTABL_R166", "MS-OXCTABL_R178", "MS-OXCTABL_R180", "MS-OXCTABL_R183", "MS-OXCTABL_R187", "MS-OXCTABL_R188",
    "MS-OXCTABL_R190", "MS-OXCTABL_R503", "MS-OXCTABL_R504", "MS-OXCTABL_R522",
)  # fmt: skip
async def test_seeking_from_a_bookmark(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 5)
    table = await contents(client, 5, SUBJECT)
    await seek(client, table, BEGINNING, 2)
    mark = await bookmark(client, table)
    await seek(client, table, END, 0)
    end = await bookmark(client, table)
    for count, less, moved, reached in (
        (0, False, 0, 2),
        (2, False, 2, 4),
        (3, False, 3, 5),
        (4, True, 3, 5),
        (-2, False, -2, 0),
        (-3, True, -2, 0),
    ):
        assert await by_bookmark(client, table, mark, count) == (False, less, moved)
        assert await position(client, table) == (reached, 5)
    assert await by_bookmark(client, table, end, -1) == (False, False, -1)
    assert await by_bookmark(client, table, end, 0) == (False, False, 0)
    value = await client.value("SeekRowBookmark", table, bookmark=mark, row_count=1, want_row_moved_count=False)
    assert not value.row_no_longer_visible
    assert await subjects(client, table, 1) == (["1"], CURRENT)


async def test_bookmarks_of_hierarchy_tables(client: Client) -> None:
    table = await hierarchy(client, 4, tags.PidTagDisplayName)
    await seek(client, table, BEGINNING, 2)
    mark = await bookmark(client, table)
    await seek(client, table, END, 0)
    assert await by_bookmark(client, table, mark, 1) == (False, False, 1)
    assert (await position(client, table))[0] == 3
    await client.value("FreeBookmark", table, bookmark=mark)
    assert await seek_error(client, table, mark) == INVALID_BOOKMARK


async def test_a_bookmark_whose_row_is_gone_points_to_the_next(client: Client, own_mailbox: Mailbox) -> None:
    ids = await fill(own_mailbox, 5, 5)
    table = await contents(client, 5, SUBJECT)
    await seek(client, table, BEGINNING, 2)
    mark = await bookmark(client, table)
    await remove(own_mailbox, ids[2])
    assert await by_bookmark(client, table, mark, 0) == (True, False, 0)
    assert await subjects(client, table) == (["1", "0"], END)
    found = await find(client, table, [SUBJECT], ExistRestriction(SUBJECT), origin=CUSTOM, bookmark=mark)
    assert (found.row_no_longer_visible, found.row_data) == (True, ["1"])


@pytest.mark.spec(
    "MS-OXCTABL_R511", "MS-OXCTABL_R2481", "MS-OXCTABL_R5521", "MS-OXCTABL_R545", "MS-OXCTABL_R248", "MS-OXCTABL_R552"
)
async def test_a_freed_bookmark_is_none(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 2)
    table = await contents(client, 5, SUBJECT)
    mark = await bookmark(client, table)
    other = await bookmark(client, table)
    await client.value("FreeBookmark", table, bookmark=mark)
    assert await seek_error(client, table, mark) == INVALID_BOOKMARK
    assert await client.error("FreeBookmark", table, bookmark=mark) == INVALID_BOOKMARK
    search = finding(subject("0"), CUSTOM, bookmark=mark)
    assert await client.error("FindRow", table, **search) == INVALID_BOOKMARK
    for never in (b"", b"\1\0\0", b"\xff\xff\xff\xff", b"x" * 300):
        assert await seek_error(client, table, never) == INVALID_BOOKMARK
    assert await by_bookmark(client, table, other, 0) == (False, False, 0)
    handle = client.handles[table]
    await client.send(client.request("Release", table))
    client.handles[table] = handle
    assert await seek_error(client, table, other) == NULL_OBJECT
    assert await client.error("FreeBookmark", table, bookmark=other) == NULL_OBJECT


@pytest.mark.spec(
    "MS-OXCTABL_R863", "MS-OXCTABL_R864", "MS-OXCTABL_R865", "MS-OXCTABL_R562", "MS-OXCTABL_R904", "MS-OXCTABL_R906",
    "MS-OXCTABL_R908", "MS-OXCTABL_R898", "MS-OXCTABL_R900", "MS-OXCTABL_R902",
)  # fmt: skip
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("SortTable", sorting((SUBJECT, 0))),
        ("Restrict", {"restrict_flags": 0, "restriction_data": ExistRestriction(SUBJECT)}),
        ("ResetTable", {}),
    ],
)
async def test_what_invalidates_bookmarks(
    client: Client, own_mailbox: Mailbox, name: str, fields: dict[str, Any]
) -> None:
    await fill(own_mailbox, 5, 3)
    table = await contents(client, 5, SUBJECT)
    marks = [await bookmark(client, table) for _ in range(2)]
    await client.value(name, table, **fields)
    await set_columns(client, table, SUBJECT)
    for mark in marks:
        assert await seek_error(client, table, mark) == INVALID_BOOKMARK
        search = finding(subject("0"), CUSTOM, bookmark=mark)
        assert await client.error("FindRow", table, **search) == INVALID_BOOKMARK
        assert await client.error("FreeBookmark", table, bookmark=mark) == INVALID_BOOKMARK


async def test_bookmarks_are_not_without_end(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mapigw.emsmdb.table.BOOKMARKS_MAXIMUM", 3)
    table = await hierarchy(client, 4, tags.PidTagDisplayName)
    for _ in range(3):
        last = await bookmark(client, table)
    assert await client.error("CreateBookmark", table) == ErrorCode.NotEnoughMemory
    await client.value("FreeBookmark", table, bookmark=last)
    await bookmark(client, table)


# FindRow


@pytest.mark.spec(
    "MS-OXCTABL_R225", "MS-OXCTABL_R226", "MS-OXCTABL_R243", "MS-OXCTABL_R534", "MS-OXCTABL_R536", "MS-OXCTABL_R544001",
    "MS-OXCTABL_R540", "MS-OXCTABL_R813", "MS-OXCTABL_R824", "MS-OXCTABL_R239",
)  # fmt: skip
@pytest.mark.parametrize("tag", [tags.PidTagNormalizedSubject, 0x7C01001F])
async def test_finding_rows(client: Client, own_mailbox: Mailbox, tag: int) -> None:
    """By a column and by contents alike: "4" to "0", of which "3" and "1" are odd."""
    await add(
        own_mailbox,
        5,
        *(
            {SUBJECT: str(number), tag: "odd" if number % 2 else "even", tags.PidTagMessageDeliveryTime: number}
            for number in range(5)
        ),
    )
    columns = [tags.PidTagMessageDeliveryTime, SUBJECT]
    table = await contents(client, 5, *columns)
    odd = PropertyRestriction(RelationalOperator.EQUAL, tag, (tag, "ODD"))

    async def found(origin: int, flags: int = 0, mark: bytes = b"") -> tuple[str, int]:
        value = await find(client, table, columns, odd, origin=origin, flags=flags, bookmark=mark)
        assert value.has_row_data
        assert not value.row_no_longer_visible
        assert value.row_data == [int(value.row_data[1]), value.row_data[1]]
        return value.row_data[1], (await position(client, table))[0]

    assert await found(BEGINNING) == ("3", 1)
    assert await found(CURRENT) == ("3", 1)
    await seek(client, table, CURRENT, 1)
    assert await found(CURRENT) == ("1", 3)
    mark = await bookmark(client, table)
    assert await found(CURRENT, BACKWARDS) == ("3", 1)
    assert await found(END, BACKWARDS) == ("1", 3)
    # Backwards the search begins before the bookmark's row, forwards with it.
    assert await found(CUSTOM, BACKWARDS, mark) == ("3", 1)
    assert await found(CUSTOM, 0, mark) == ("1", 3)
    for origin, flags in ((BEGINNING, BACKWARDS), (END, 0)):
        assert await client.error("FindRow", table, **finding(odd, origin, flags=flags)) == NOT_FOUND
    for fields in (finding(odd, 4), finding(odd, flags=0x02)):
        assert await client.error("FindRow", table, **fields) == ErrorCode.InvalidParameter


async def test_finding_without_a_restriction_finds_the_next_row(client: Client, own_mailbox: Mailbox) -> None:
    ids = await fill(own_mailbox, 5, 3)
    table = await contents(client, 5, SUBJECT)
    await position(client, table)
    await remove(own_mailbox, ids[2])
    fields = {"find_row_flags": 0, "restriction_data": None, "origin": BEGINNING, "bookmark": b""}
    assert (await client.value("FindRow", table, [SUBJECT], **fields)).row_data == ["1"]


async def test_finding_in_a_hierarchy_table(client: Client, own_mailbox: Mailbox) -> None:
    await own_mailbox.create_folder(4, "Zebra")
    table = await hierarchy(client, 4, tags.PidTagDisplayName)
    wanted = ContentRestriction(1, 1, tags.PidTagDisplayName, (tags.PidTagDisplayName, "EBR"))
    value = await find(client, table, [tags.PidTagDisplayName], wanted)
    assert (value.row_no_longer_visible, value.row_data) == (False, ["Zebra"])
    numerator, denominator = await position(client, table)
    assert numerator == denominator - 1


async def test_a_row_is_found_though_the_answer_has_no_room_for_it(client: Client, own_mailbox: Mailbox) -> None:
    columns = [0x7C000102 + (number << 16) for number in range(70)]
    await add(own_mailbox, 5, {SUBJECT: "large", **dict.fromkeys(columns, b"x" * 510)}, {SUBJECT: "small"})
    table = await contents(client, 5, *columns)
    value = await find(client, table, columns, subject("large"))
    assert (value.has_row_data, value.row_data) == (False, None)
    assert (await position(client, table))[0] == 1
