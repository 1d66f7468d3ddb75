"""Sorted and categorized contents tables (MS-OXCTABL 3.2.5.3, 3.2.5.16 to 3.2.5.20)."""

from typing import Any

import pytest

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import ExistRestriction, PropertyRestriction, RelationalOperator
from tests.emsmdb.client import Client
from tests.emsmdb.tables import (
    ASCENDING,
    BEGINNING,
    CUSTOM,
    DESCENDING,
    MAXIMUM_CATEGORY,
    add,
    all_rows,
    bookmark,
    contents,
    fill,
    find,
    position,
    restrict,
    rows,
    seek,
    set_columns,
    sort,
    sorting,
    subjects,
)

SUBJECT, SENDER, TIME = tags.PidTagSubject, tags.PidTagSentRepresentingName, tags.PidTagMessageDeliveryTime
COLOR, NUMBER, WORDS = 0x7C01001F, 0x7C020003, 0x7C03101F
INSTANCE = 0x7C03301F  # of WORDS
LEAF, EXPANDED, COLLAPSED = 1, 3, 4
HEADER = (tags.PidTagRowType, tags.PidTagDepth, tags.PidTagContentCount, tags.PidTagContentUnreadCount)
NOT_FOUND, NOT_SUPPORTED, INVALID_PARAMETER = 0x8004010F, 0x80040102, 0x80070057


async def sorted_subjects(client: Client, mailbox: Mailbox, *orders: tuple[int, int]) -> list[str]:
    table = await contents(client, 5, SUBJECT)
    await sort(client, table, *orders)
    return (await subjects(client, table))[0]


# Order


@pytest.mark.spec("MS-OXCTABL_R76", "MS-OXCTABL_R77", "MS-OXCTABL_R119", "MS-OXCTABL_R437", "MS-OXCTABL_R438")
async def test_the_last_sort_order_counts(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 4)
    table = await contents(client, 5, SUBJECT)
    for tag in (SUBJECT, TIME, tags.PidTagSubject & ~0xFFFF | 0x1E):
        await sort(client, table, (tag, ASCENDING))
        await seek(client, table, BEGINNING, 1)
        assert (await subjects(client, table, 2))[0] == ["1", "2"]
        await sort(client, table, (tag, DESCENDING))
        assert await position(client, table) == (0, 4)
        assert (await subjects(client, table))[0] == ["3", "2", "1", "0"]
    await sort(client, table)
    assert (await subjects(client, table))[0] == ["3", "2", "1", "0"]


async def test_text_sorts_without_regard_to_case_and_by_letters(client: Client, own_mailbox: Mailbox) -> None:
    words = ["b", "Ärger", "a", "B", "äRGER", "z", "Arger", "Argus", ""]
    await add(own_mailbox, 5, *({SUBJECT: word, COLOR: word} for word in words))
    for tag in (SUBJECT, COLOR):
        found = await sorted_subjects(client, own_mailbox, (tag, ASCENDING), (tags.PidTagMid, ASCENDING))
        assert found == ["", "a", "Arger", "Ärger", "äRGER", "Argus", "b", "B", "z"]


@pytest.mark.parametrize(
    ("tag", "values"),
    [
        (0x7C100003, [-5, 0, 7]),
        (0x7C100014, [-(1 << 40), 0, 1 << 40]),
        (0x7C100002, [-2, 1, 3]),
        (0x7C100005, [-0.5, 0.0, 1e9]),
        (0x7C100006, [-10000, 0, 5]),
        (0x7C10000B, [False, True]),
        (0x7C100040, [0, 1 << 50, 1 << 62]),
        (0x7C100102, [b"", b"\0", b"a", b"ab"]),
        (0x7C10001F, ["", "a", "B", "c" * 9000]),
        (tags.PidTagImportance, [0, 1, 2]),
        (tags.PidTagMessageDeliveryTime, [1, 2, 3]),
        (tags.PidTagNormalizedSubject, ["a", "B", "c"]),
    ],
)
async def test_every_type_sorts(client: Client, own_mailbox: Mailbox, tag: int, values: list[Any]) -> None:
    await add(own_mailbox, 5, *({SENDER: str(place), tag: value} for place, value in reversed(list(enumerate(values)))))
    table = await contents(client, 5, SENDER)
    for order in (ASCENDING, DESCENDING):
        await sort(client, table, (tag, order))
        found = [row[0] for row in await all_rows(client, table, SENDER)]
        assert found == sorted(found, reverse=order == DESCENDING)
        assert len(found) == len(values)


async def test_what_is_absent_sorts_before_everything(client: Client, own_mailbox: Mailbox) -> None:
    """By a column, by contents, by a value of another type."""
    await add(own_mailbox, 5, {SUBJECT: "with", SENDER: "", COLOR: "", TIME: 1}, {SUBJECT: "without"})
    for tag in (SENDER, COLOR, TIME):
        assert await sorted_subjects(client, own_mailbox, (tag, ASCENDING)) == ["without", "with"]
        assert await sorted_subjects(client, own_mailbox, (tag, DESCENDING)) == ["with", "without"]
    # No message has the property with this type, so that all are equal.
    as_number = COLOR & ~0xFFFF | 0x03
    assert await sorted_subjects(client, own_mailbox, (as_number, ASCENDING)) == ["with", "without"]


async def test_further_keys_decide_between_equal_rows(client: Client, own_mailbox: Mailbox) -> None:
    await add(
        own_mailbox,
        5,
        *({SUBJECT: f"{sender}{number}", SENDER: sender, NUMBER: number} for sender in "ba" for number in (2, 1, 3)),
    )
    found = await sorted_subjects(client, own_mailbox, (SENDER, ASCENDING), (NUMBER, DESCENDING))
    assert found == ["a3", "a2", "a1", "b3", "b2", "b1"]
    found = await sorted_subjects(client, own_mailbox, (SENDER, DESCENDING), (SUBJECT, ASCENDING))
    assert found == ["b1", "b2", "b3", "a1", "a2", "a3"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        (sorting((SUBJECT, 2)), INVALID_PARAMETER),
        (sorting((SUBJECT, MAXIMUM_CATEGORY)), INVALID_PARAMETER),
        (sorting((SUBJECT, 0), (TIME, 0), (NUMBER, MAXIMUM_CATEGORY), categories=1), INVALID_PARAMETER),
        (sorting((SUBJECT, 0), categories=2), INVALID_PARAMETER),
        (sorting((SUBJECT, 0), categories=1, expanded=2), INVALID_PARAMETER),
        (sorting((SUBJECT, 0), flags=0x10), INVALID_PARAMETER),
        (sorting((0x7C010000, 0)), INVALID_PARAMETER),
        (sorting((0x7C01000A, 0)), INVALID_PARAMETER),
        (sorting((0x7C01000D, 0)), INVALID_PARAMETER),
        (sorting((0x7C012003, 0)), INVALID_PARAMETER),
        (sorting((WORDS, 0), categories=1), INVALID_PARAMETER),
        (sorting((INSTANCE, 0), (0x7C043003, 0)), ErrorCode.TooComplex),
        (sorting(*((0x7D00001F + (number << 16), 0) for number in range(33))), ErrorCode.TooComplex),
    ],
)
async def test_sort_orders_that_are_refused(
    client: Client, own_mailbox: Mailbox, fields: dict[str, Any], code: int
) -> None:
    await fill(own_mailbox, 5, 2)
    table = await contents(client, 5, SUBJECT)
    assert await client.error("SortTable", table, **fields) == code
    await client.value("SortTable", table, **sorting((SUBJECT, 0)))
    assert (await subjects(client, table))[0] == ["0", "1"]


@pytest.mark.spec("MS-OXCTABL_R555", "MS-OXCTABL_R556", "MS-OXCTABL_R561")
async def test_a_reset_table_is_as_it_was_opened(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 4)
    table = await contents(client, 5, SUBJECT)
    await sort(client, table, (SUBJECT, ASCENDING), categories=1)
    wanted = PropertyRestriction(RelationalOperator.GREATER_THAN, SUBJECT, (SUBJECT, "1"))
    await restrict(client, table, wanted)
    await seek(client, table, BEGINNING, 1)
    assert await client.error("SortTable", table, **sorting((SUBJECT, 9))) == INVALID_PARAMETER
    await client.value("ResetTable", table)
    assert await position(client, table) == (0, 4)
    fields = {"query_rows_flags": 0, "forward_read": True, "row_count": 1}
    assert await client.error("QueryRows", table, **fields) == ErrorCode.NullObject
    await set_columns(client, table, SUBJECT)
    assert (await subjects(client, table))[0] == ["3", "2", "1", "0"]


# Multivalue instances


async def words(mailbox: Mailbox) -> None:
    await add(
        mailbox,
        5,
        {SUBJECT: "two", WORDS: ["red", "Blue"], TIME: 3},
        {SUBJECT: "none", TIME: 2},
        {SUBJECT: "one", WORDS: ["green"], TIME: 1},
    )


@pytest.mark.spec("MS-OXCTABL_R433", "MS-OXCTABL_R8", "MS-OXCTABL_R12")
async def test_each_value_has_a_row(client: Client, own_mailbox: Mailbox) -> None:
    await words(own_mailbox)
    table = await contents(client, 5, SUBJECT)
    assert await position(client, table) == (0, 3)
    columns = (SUBJECT, INSTANCE, tags.PidTagInstanceNum, tags.PidTagInstID, tags.PidTagMid, WORDS)
    found = await all_rows(client, table, *columns)
    assert await position(client, table) == (4, 4)
    assert [row[:3] for row in found] == [
        ["two", "red", 0],
        ["two", "Blue", 1],
        ["none", ErrorCode.NotFound, 0],
        ["one", "green", 0],
    ]
    assert found[0][3] == found[1][3] == found[0][4]
    assert found[0][5] == ["red", "Blue"]
    narrow = INSTANCE & ~0xFFFF | 0x301E
    assert [row[0] for row in await all_rows(client, table, narrow)][:2] == [b"red", b"Blue"]
    # Without the column the messages are whole again.
    assert await all_rows(client, table, SUBJECT) == [["two"], ["none"], ["one"]]
    fields = {"set_columns_flags": 0, "property_tags": [INSTANCE, 0x7C043003]}
    assert await client.error("SetColumns", table, **fields) == ErrorCode.TooComplex


@pytest.mark.spec("MS-OXCTABL_R448")
async def test_rows_sort_and_restrict_by_the_value_they_show(client: Client, own_mailbox: Mailbox) -> None:
    await words(own_mailbox)
    table = await contents(client, 5, SUBJECT, INSTANCE)
    columns = (SUBJECT, INSTANCE)
    await sort(client, table, (INSTANCE, DESCENDING))
    found = await all_rows(client, table, *columns)
    assert found == [["two", "red"], ["one", "green"], ["two", "Blue"], ["none", ErrorCode.NotFound]]
    wanted = PropertyRestriction(RelationalOperator.LESS_THAN, INSTANCE, (WORDS & ~0x1000, "green"))
    await restrict(client, table, wanted)
    assert await all_rows(client, table, *columns) == [["two", "Blue"]]
    await restrict(client, table, None)
    value = await find(client, table, columns, wanted)
    assert value.row_data == ["two", "Blue"]
    assert (await position(client, table))[0] == 2


# Categories


async def letters(mailbox: Mailbox) -> None:
    """Senders a and b with two colors each; one read message."""
    for number, (sender, color) in enumerate((("b", "red"), ("a", "red"), ("b", "blue"), ("a", "blue"), ("b", "red"))):
        properties = {SUBJECT: f"{sender}{color}{number}", SENDER: sender, COLOR: color, NUMBER: number}
        await add(mailbox, 5, properties, is_read=number == 0)


async def outline(client: Client, table: int) -> list[Any]:
    """Of each row: its type, depth, counts, and what it is called."""
    found: list[Any] = []
    for row in await all_rows(client, table, *HEADER, SENDER, COLOR, SUBJECT):
        kind, depth, count, unread, sender, color, subject = row
        if kind == LEAF:
            found.append((kind, depth, subject))
        else:
            found.append((kind, depth, count, unread, sender if depth == 0 else color))
    return found


@pytest.mark.spec(
    "MS-OXCTABL_R66", "MS-OXCTABL_R67", "MS-OXCTABL_R71", "MS-OXCTABL_R72", "MS-OXCTABL_R17", "MS-OXCTABL_R18",
    "MS-OXCTABL_R19", "MS-OXCTABL_R20", "MS-OXCTABL_R22",
)  # fmt: skip
@pytest.mark.parametrize("keys", [(SENDER, SUBJECT), (SENDER, NUMBER)])
async def test_one_level_of_categories(client: Client, own_mailbox: Mailbox, keys: tuple[int, int]) -> None:
    """In columns and in contents alike."""
    await letters(own_mailbox)
    table = await contents(client, 5, SUBJECT)
    orders = ((keys[0], DESCENDING), (keys[1], DESCENDING))
    await sort(client, table, *orders, categories=1, expanded=0)
    assert await outline(client, table) == [(COLLAPSED, 0, 3, 2, "b"), (COLLAPSED, 0, 2, 2, "a")]
    await sort(client, table, *orders, categories=1, expanded=1)
    by_number = [["bred4", "bblue2", "bred0"], ["ablue3", "ared1"]]
    by_subject = [["bred4", "bred0", "bblue2"], ["ared1", "ablue3"]]
    last, first = by_number if keys[1] == NUMBER else by_subject
    assert await outline(client, table) == [
        (EXPANDED, 0, 3, 2, "b"),
        *((LEAF, 1, name) for name in last),
        (EXPANDED, 0, 2, 2, "a"),
        *((LEAF, 1, name) for name in first),
    ]


async def test_two_levels_of_categories(client: Client, own_mailbox: Mailbox) -> None:
    await letters(own_mailbox)
    table = await contents(client, 5, SUBJECT)
    orders = ((SENDER, ASCENDING), (COLOR, ASCENDING), (NUMBER, ASCENDING))
    await sort(client, table, *orders, categories=2, expanded=1)
    assert await outline(client, table) == [
        (EXPANDED, 0, 2, 2, "a"),
        (COLLAPSED, 1, 1, 1, "blue"),
        (COLLAPSED, 1, 1, 1, "red"),
        (EXPANDED, 0, 3, 2, "b"),
        (COLLAPSED, 1, 1, 1, "blue"),
        (COLLAPSED, 1, 2, 1, "red"),
    ]
    await sort(client, table, *orders, categories=2, expanded=2)
    assert [row[-1] for row in await outline(client, table)] == [
        "a", "blue", "ablue3", "red", "ared1", "b", "blue", "bblue2", "red", "bred0", "bred4",
    ]  # fmt: skip
    # A row inside two headers has the depth 2, a header row no more than the values above it and its own.
    found = await all_rows(client, table, tags.PidTagDepth, COLOR, tags.PidTagMid, tags.PidTagInstanceNum)
    assert [row[0] for row in found][:3] == [0, 1, 2]
    assert found[0][1:] == [ErrorCode.NotFound, ErrorCode.NotFound, 0]
    assert len({row[0] for row in await all_rows(client, table, tags.PidTagInstID)}) == len(found)


async def test_categories_by_their_greatest_value(client: Client, own_mailbox: Mailbox) -> None:
    """Conversations, the one with the newest message first, its messages in the order they came."""
    await add(
        own_mailbox,
        5,
        *(
            {SUBJECT: f"{topic}{number}", SENDER: topic, TIME: number}
            for number, topic in enumerate(("x", "y", "z", "y", "x"), 1)
        ),
    )
    table = await contents(client, 5, SUBJECT)
    orders = ((SENDER, DESCENDING), (TIME, MAXIMUM_CATEGORY), (TIME, ASCENDING))
    await sort(client, table, *orders, categories=1, expanded=1)
    found = await all_rows(client, table, tags.PidTagRowType, SENDER, TIME)
    assert [row[1:] for row in found if row[0] == EXPANDED] == [["x", 5], ["y", 4], ["z", 3]]
    assert [row[2] for row in found if row[0] == LEAF] == [1, 5, 2, 4, 3]
    await sort(client, table, (SENDER, ASCENDING), (TIME, MAXIMUM_CATEGORY), categories=1)
    assert [row[0] for row in await all_rows(client, table, SENDER)] == ["z", "y", "x"]


async def test_a_category_for_each_value(client: Client, own_mailbox: Mailbox) -> None:
    await words(own_mailbox)
    table = await contents(client, 5, SUBJECT)
    await sort(client, table, (INSTANCE, ASCENDING), (SUBJECT, ASCENDING), categories=1, expanded=1)
    found = await all_rows(client, table, tags.PidTagRowType, INSTANCE, SUBJECT)
    absent = ErrorCode.NotFound
    assert found == [
        [EXPANDED, absent, absent],
        [LEAF, absent, "none"],
        [EXPANDED, "Blue", absent],
        [LEAF, "Blue", "two"],
        [EXPANDED, "green", absent],
        [LEAF, "green", "one"],
        [EXPANDED, "red", absent],
        [LEAF, "red", "two"],
    ]


async def categorized(client: Client, mailbox: Mailbox, *, expanded: int = 1) -> tuple[int, list[ObjectId]]:
    """A table by sender, and the ids of its two categories."""
    await letters(mailbox)
    table = await contents(client, 5, SUBJECT)
    await sort(client, table, (SENDER, ASCENDING), (NUMBER, ASCENDING), categories=1)
    ids = [ObjectId.from_integer(row[0]) for row in await all_rows(client, table, tags.PidTagInstID)]
    if expanded:
        await sort(client, table, (SENDER, ASCENDING), (NUMBER, ASCENDING), categories=1, expanded=1)
    await set_columns(client, table, SUBJECT)
    await seek(client, table, BEGINNING, 0)
    return table, ids


@pytest.mark.spec(
    "MS-OXCTABL_R567", "MS-OXCTABL_R570", "MS-OXCTABL_R571", "MS-OXCTABL_R573", "MS-OXCTABL_R576", "MS-OXCTABL_R577",
    "MS-OXCTABL_R278", "MS-OXCTABL_R287", "MS-OXCTABL_R748",
)  # fmt: skip
async def test_expanding_and_collapsing(client: Client, own_mailbox: Mailbox) -> None:
    table, (first, second) = await categorized(client, own_mailbox, expanded=0)
    assert await client.error("CollapseRow", table, category_id=first) == 0x4F7  # NotExpanded
    assert await client.error("ExpandRow", table, max_row_count=1, category_id=second) == NOT_SUPPORTED
    value = await client.value("ExpandRow", table, max_row_count=0, category_id=second)
    assert (value.expanded_row_count, value.row_count) == (3, 0)
    assert await position(client, table) == (0, 5)
    names = ["a", "b", "bred0", "bblue2", "bred4"]
    assert [row[-1] for row in await outline(client, table)] == names
    await set_columns(client, table, SUBJECT)
    assert await client.error("ExpandRow", table, max_row_count=0, category_id=second) == 0x4F8  # NotCollapsed
    assert (await client.value("CollapseRow", table, category_id=second)).collapsed_row_count == 3
    assert await position(client, table) == (2, 2)
    for wrong in (ObjectId(0, 12345), ObjectId(1, first.counter)):
        assert await client.error("ExpandRow", table, max_row_count=0, category_id=wrong) == NOT_FOUND
        assert await client.error("CollapseRow", table, category_id=wrong) == NOT_FOUND


async def test_the_cursor_stays_at_its_row(client: Client, own_mailbox: Mailbox) -> None:
    table, (first, second) = await categorized(client, own_mailbox)
    assert await subjects_from(client, table, 5) == ["bblue2", "bred4"]
    await seek(client, table, BEGINNING, 5)
    mark = await bookmark(client, table)
    await client.value("CollapseRow", table, category_id=first)
    assert await position(client, table) == (3, 5)
    # Its own category collapses: the cursor goes to the next row, and so does the bookmark.
    await client.value("CollapseRow", table, category_id=second)
    assert await position(client, table) == (2, 2)
    value = await client.value("SeekRowBookmark", table, bookmark=mark, row_count=0, want_row_moved_count=True)
    assert value.row_no_longer_visible
    await client.value("ExpandRow", table, max_row_count=0, category_id=second)
    value = await client.value("SeekRowBookmark", table, bookmark=mark, row_count=0, want_row_moved_count=True)
    assert not value.row_no_longer_visible
    assert await position(client, table) == (3, 5)


async def subjects_from(client: Client, table: int, start: int) -> list[Any]:
    await seek(client, table, BEGINNING, start)
    return [row[0] for row in (await rows(client, table, [SUBJECT])).row_data]


async def test_finding_among_categories(client: Client, own_mailbox: Mailbox) -> None:
    """Header rows by their values, rows of data only where they can be seen."""
    table, (first, _) = await categorized(client, own_mailbox)
    is_b = PropertyRestriction(RelationalOperator.EQUAL, SENDER, (SENDER, "B"))
    await find(client, table, [SUBJECT], is_b)
    assert await position(client, table) == (3, 7)
    is_first = PropertyRestriction(RelationalOperator.EQUAL, NUMBER, (NUMBER, 1))
    await find(client, table, [SUBJECT], is_first)
    assert (await position(client, table))[0] == 1
    await client.value("CollapseRow", table, category_id=first)
    fields = {"find_row_flags": 0, "restriction_data": is_first, "origin": BEGINNING, "bookmark": b""}
    assert await client.error("FindRow", table, **fields) == NOT_FOUND


@pytest.mark.spec("MS-OXCTABL_R289", "MS-OXCTABL_R304", "MS-OXCTABL_R579", "MS-OXCTABL_R585")
async def test_collapse_states(client: Client, own_mailbox: Mailbox) -> None:
    table, (first, second) = await categorized(client, own_mailbox)
    (message,) = [row for row in await all_rows(client, table, tags.PidTagInstID, SUBJECT) if row[1] == "bblue2"]
    await set_columns(client, table, SUBJECT)
    await client.value("CollapseRow", table, category_id=first)
    cursor: dict[str, Any] = {"row_id": ObjectId.from_integer(message[0]), "row_instance_number": 0}
    state = (await client.value("GetCollapseState", table, **cursor)).collapse_state
    before = await outline(client, table)
    await set_columns(client, table, SUBJECT)
    await client.value("ExpandRow", table, max_row_count=0, category_id=first)
    await client.value("CollapseRow", table, category_id=second)
    mark = (await client.value("SetCollapseState", table, collapse_state=state)).bookmark
    assert (await rows(client, table, [SUBJECT], 1)).row_data == [["bblue2"]]
    assert (await client.value("GetCollapseState", table, **cursor)).collapse_state == state
    assert await outline(client, table) == before
    # The bookmark is the row's; the state is good for another table with the same order and restriction.
    await set_columns(client, table, SUBJECT)
    found = await find(client, table, [SUBJECT], ExistRestriction(SUBJECT), origin=CUSTOM, bookmark=mark)
    assert found.row_data == ["bblue2"]
    other = await contents(client, 5, SUBJECT)
    assert await client.error("SetCollapseState", other, collapse_state=state) == INVALID_PARAMETER
    await sort(client, other, (SENDER, ASCENDING), (NUMBER, ASCENDING), categories=1, expanded=1)
    await client.value("SetCollapseState", other, collapse_state=state)
    assert await outline(client, other) == before
    # A header row may be the cursor.
    await set_columns(client, other, SUBJECT)
    on_header = (await client.value("GetCollapseState", other, row_id=second, row_instance_number=0)).collapse_state
    await client.value("SetCollapseState", other, collapse_state=on_header)
    assert await position(client, other) == (1, 5)
    for wrong in (b"", b"x" * 28, state[:-1]):
        assert await client.error("SetCollapseState", other, collapse_state=wrong) == INVALID_PARAMETER
