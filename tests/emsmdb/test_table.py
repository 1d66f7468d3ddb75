"""Columns, rows and the cursor (MS-OXCTABL 3.2.5.2, 3.2.5.5, 3.2.5.8, 3.2.5.9, 3.2.5.11)."""

from typing import Any

import pytest

from mapigw.emsmdb import contents_table
from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.message_properties import message_properties
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import CHAIN, Client
from tests.emsmdb.tables import (
    BEGINNING,
    CURRENT,
    END,
    NO_ADVANCE,
    NO_NOTIFICATIONS,
    PACKED,
    USE_UNICODE,
    contents,
    fill,
    hierarchy,
    position,
    remove,
    rows,
    seek,
    subjects,
)

# Columns


@pytest.mark.spec("MS-OXCTABL_R426", "MS-OXCTABL_R427", "MS-OXCTABL_R116", "MS-OXCTABL_R472")
@pytest.mark.spec("MS-OXCTABL_R781")
async def test_the_last_columns_count(client: Client) -> None:
    table = await hierarchy(client, 4, tags.PidTagDisplayName)
    columns = [tags.PidTagContentCount, tags.PidTagDisplayName]
    value = await client.value("SetColumns", table, set_columns_flags=0x01, property_tags=columns)
    assert value.table_status == 0
    assert (await rows(client, table, columns, 1)).row_data == [[0, "Calendar"]]


@pytest.mark.spec("MS-OXCTABL_R49")
@pytest.mark.spec("MS-OXCTABL_R51")
@pytest.mark.spec("MS-OXCTABL_R428")
@pytest.mark.spec("MS-OXCTABL_R429")
@pytest.mark.spec("MS-OXCTABL_R435")
@pytest.mark.spec("MS-OXCTABL_R476")
async def test_columns_that_are_refused_leave_none(client: Client) -> None:
    fields = {"query_rows_flags": 0, "forward_read": True, "row_count": 1}
    table = await hierarchy(client, 4)
    assert await client.error("QueryRows", table, **fields) == 0x4B9  # NullObject
    for flags, columns, code in (
        (0, [], ErrorCode.InvalidParameter),
        (0x02, [tags.PidTagDisplayName], ErrorCode.InvalidParameter),
        (0, [tags.PidTagDisplayName, 0x30010000], ErrorCode.InvalidParameter),
        (0, [0x3001000A], ErrorCode.InvalidParameter),
        (0, [0x30010BAD], ErrorCode.InvalidParameter),
        (0, [0x3001201F], ErrorCode.InvalidParameter),
        (0, [0x7C03301F], ErrorCode.NotSupported),
    ):
        good: dict[str, Any] = {"set_columns_flags": 0, "property_tags": [tags.PidTagDisplayName]}
        await client.value("SetColumns", table, **good)
        assert await client.error("SetColumns", table, set_columns_flags=flags, property_tags=columns) == code
        assert await client.error("QueryRows", table, **fields) == ErrorCode.NullObject
    await client.value("SetColumns", table, set_columns_flags=0, property_tags=[tags.PidTagDisplayName, 0x00000001])


# Rows and the cursor


@pytest.mark.spec("MS-OXCTABL_R462", "MS-OXCTABL_R468", "MS-OXCTABL_R27", "MS-OXCTABL_R28", "MS-OXCTABL_R29")
@pytest.mark.spec("MS-OXCTABL_R463")
@pytest.mark.spec("MS-OXCTABL_R467")
@pytest.mark.spec("MS-OXCTABL_R470")
@pytest.mark.spec("MS-OXCTABL_R725")
@pytest.mark.spec("MS-OXCTABL_R726")
@pytest.mark.spec("MS-OXCTABL_R118")
async def test_reading_forwards(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 5)
    table = await contents(client, 5, tags.PidTagSubject)
    assert await subjects(client, table, 2, flags=NO_ADVANCE) == (["4", "3"], CURRENT)
    assert await position(client, table) == (0, 5)
    assert await subjects(client, table, 2) == (["4", "3"], CURRENT)
    assert await position(client, table) == (2, 5)
    assert await subjects(client, table, 3) == (["2", "1", "0"], END)
    assert await subjects(client, table, 3) == ([], END)
    assert await position(client, table) == (5, 5)
    fields = {"query_rows_flags": 0x04, "forward_read": True, "row_count": 1}
    assert await client.error("QueryRows", table, **fields) == ErrorCode.InvalidParameter


@pytest.mark.spec("MS-OXCTABL_R469", "MS-OXCTABL_R897")
async def test_reading_backwards(client: Client, own_mailbox: Mailbox) -> None:
    """The rows before the cursor in the order of the table; at the beginning Exchange says BOOKMARK_END."""
    await fill(own_mailbox, 5, 5)
    table = await contents(client, 5, tags.PidTagSubject)
    await seek(client, table, END, 0)
    assert await subjects(client, table, 2, forward=False, flags=NO_ADVANCE) == (["1", "0"], CURRENT)
    assert await subjects(client, table, 2, forward=False) == (["1", "0"], CURRENT)
    assert await position(client, table) == (3, 5)
    assert await subjects(client, table, 9, forward=False) == (["4", "3", "2"], END)
    assert await subjects(client, table, 9, forward=False) == ([], END)
    assert await position(client, table) == (0, 5)


@pytest.mark.spec("MS-OXCTABL_R496", "MS-OXCTABL_R141", "MS-OXCTABL_R152", "MS-OXCTABL_R157", "MS-OXCTABL_R163")
@pytest.mark.spec("MS-OXCTABL_R497")
@pytest.mark.spec("MS-OXCTABL_R150")
@pytest.mark.spec("MS-OXCTABL_R154")
@pytest.mark.spec("MS-OXCTABL_R155")
@pytest.mark.spec("MS-OXCTABL_R160")
@pytest.mark.spec("MS-OXCTABL_R161")
@pytest.mark.spec("MS-OXCTABL_R491")
async def test_seeking(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 5)
    table = await contents(client, 5, tags.PidTagSubject)
    for origin, count, expected, reached in (
        (BEGINNING, 3, (False, 3), 3),
        (CURRENT, -1, (False, -1), 2),
        (CURRENT, 0, (False, 0), 2),
        (CURRENT, 3, (False, 3), 5),
        (CURRENT, 1, (True, 0), 5),
        (END, -2, (False, -2), 3),
        (CURRENT, 0x7FFFFFFF, (True, 2), 5),
        (END, -6, (True, -5), 0),
        (BEGINNING, -1, (True, 0), 0),
        (CURRENT, -0x80000000, (True, 0), 0),
    ):
        assert await seek(client, table, origin, count) == expected
        assert await position(client, table) == (reached, 5)
    await seek(client, table, BEGINNING, 4, want=False)
    assert await subjects(client, table) == (["0"], END)
    fields = {"row_count": 0, "want_row_moved_count": True}
    assert await client.error("SeekRow", table, origin=3, **fields) == ErrorCode.InvalidParameter


@pytest.mark.spec("MS-OXCTABL_R514", "MS-OXCTABL_R515", "MS-OXCTABL_R516")
async def test_seeking_a_fraction(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 5)
    table = await contents(client, 5, tags.PidTagSubject)
    for numerator, denominator, reached in (
        (0, 3, 0),
        (3, 3, 5),
        (4, 3, 5),
        (1, 2, 2),
        (4, 5, 4),
        (0xFFFFFFFF, 1, 5),
        (0xFFFFFFFE, 0xFFFFFFFF, 4),
    ):
        await client.value("SeekRowFractional", table, numerator=numerator, denominator=denominator)
        assert await position(client, table) == (reached, 5)
    code = await client.error("SeekRowFractional", table, numerator=0, denominator=0)
    assert code == ErrorCode.InvalidParameter


@pytest.mark.spec("MS-OXCTABL_R121")
@pytest.mark.spec("MS-OXCTABL_R122")
@pytest.mark.parametrize(
    ("tag", "stored", "shown"),
    [
        (0x7C01001F, "x" * 256, "x" * 255),
        (0x7C01001F, "x" * 255, "x" * 255),
        (0x7C01001F, "€" * 300, "€" * 255),
        (0x7C01001F, "😀" * 300, "😀" * 127),
        (0x7C01001F, "a" + "😀" * 300, "a" + "😀" * 127),
        (0x7C01001F, "y" * 50_000, "y" * 255),
        (0x7C020102, b"z" * 511, b"z" * 510),
        (0x7C020102, b"z" * 510, b"z" * 510),
        (0x7C020102, b"z" * 50_000, b"z" * 510),
        (0x7C031102, [b"a" * 300, b"b" * 210, b"c"], [b"a" * 300, b"b" * 210]),
    ],
)
async def test_values_are_cut_to_510_bytes(
    client: Client, own_mailbox: Mailbox, tag: int, stored: Any, shown: Any
) -> None:
    await own_mailbox.append(5, [NewMessage(Message({tag: stored}))])
    table = await contents(client, 5, tag)
    assert (await rows(client, table, [tag])).row_data == [[shown]]
    if tag & 0xFFFF == 0x1F:
        narrow = tag & ~0xFFFF | 0x1E
        table = await contents(client, 5, narrow)
        assert (await rows(client, table, [narrow])).row_data == [[stored.encode("cp1252", "replace")[:510]]]


@pytest.mark.spec("MS-OXCTABL_R464")
@pytest.mark.spec("MS-OXCTABL_R465")
async def test_as_many_whole_rows_as_fit(client: Client, own_mailbox: Mailbox) -> None:
    tag = 0x7C020102
    await own_mailbox.append(5, [NewMessage(Message({tag: bytes([number]) * 500})) for number in range(100)])
    table = await contents(client, 5, tag)
    seen = []
    for expected in (65, 35, 0):
        value = await rows(client, table, [tag], 1000)
        assert value.row_count == expected
        assert value.origin == (CURRENT if expected == 65 else END)
        seen += [row[0][0] for row in value.row_data]
    assert seen == list(range(99, -1, -1))
    assert len(client.payloads[0]) <= 0x8000
    # With small buffers in a chain of them the rest follows at once.
    await seek(client, table, BEGINNING, 0)
    sent = client.request("QueryRows", table, query_rows_flags=PACKED, forward_read=True, row_count=1000)
    responses = await client.send(sent, flags=3 | CHAIN, max_rop_out=0x18000, columns={table: [tag]})
    assert sum(response.value.row_count for response in responses) == 100
    assert responses[-1].value.origin == END


@pytest.mark.spec("MS-OXCTABL_R466")
@pytest.mark.spec("MS-OXCTABL_R478")
async def test_a_row_that_fits_nowhere(client: Client, own_mailbox: Mailbox) -> None:
    columns = [0x7C000102 + (number << 16) for number in range(70)]
    await own_mailbox.append(5, [NewMessage(Message(dict.fromkeys(columns, b"x" * 510)))])
    table = await contents(client, 5, *columns)
    fields = {"query_rows_flags": 0, "forward_read": True, "row_count": 1}
    assert await client.error("QueryRows", table, **fields) == 0x47D  # BufferTooSmall
    assert await position(client, table) == (0, 1)
    # One that only needs a larger buffer asks for it, and the cursor stays.
    await client.value("SetColumns", table, set_columns_flags=0, property_tags=columns[:20])
    (response,) = await client.send(client.request("QueryRows", table, **fields), max_rop_out=0x1000)
    assert response.rop.name == "BufferTooSmall"
    assert (await rows(client, table, columns[:20])).row_data == [[b"x" * 510] * 20]


async def test_rows_that_vanish_are_neither_shown_nor_shown_twice(client: Client, own_mailbox: Mailbox) -> None:
    ids = await fill(own_mailbox, 5, 8)
    table = await contents(client, 5, tags.PidTagSubject)
    await remove(own_mailbox, ids[6], ids[3], ids[0])
    found = []
    for _ in range(3):
        found += (await subjects(client, table, 2))[0]
    assert found == ["7", "5", "4", "2", "1"]
    assert (await subjects(client, table, 100, forward=False))[0] == found
    # Also when rows, not their number, end the answer.
    await seek(client, table, BEGINNING, 0)
    sent = client.request("QueryRows", table, query_rows_flags=0, forward_read=True, row_count=100)
    columns = {table: [tags.PidTagSubject]}
    (first,) = await client.send(sent, max_rop_out=8 + 2 + 9 + 3 + 4 * len(client.handles) + 3 * 5, columns=columns)
    assert [row[0] for row in first.value.row_data] == ["7", "5", "4"]
    assert (await subjects(client, table))[0] == ["2", "1"]


async def test_a_damaged_message_does_not_spoil_the_table(
    client: Client, own_mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ids = await fill(own_mailbox, 5, 3)

    def damaged(mailbox: Mailbox, row: MessageRow) -> dict[int, Any]:
        if row.message_id == ids[1]:
            raise WireError("data ends early")
        return message_properties(mailbox, row)

    monkeypatch.setattr(contents_table, "message_properties", damaged)
    table = await contents(client, 5, tags.PidTagSubject)
    assert await subjects(client, table) == (["2", "0"], END)
    assert f"message {ids[1]}" in caplog.text


@pytest.mark.spec("MS-OXCTABL_R8")
@pytest.mark.spec("MS-OXCTABL_R12")
@pytest.mark.spec("MS-OXCTABL_R15")
async def test_what_only_rows_have(client: Client, own_mailbox: Mailbox) -> None:
    """The columns of Outlook's calendar table."""
    (message_id,) = await fill(own_mailbox, 5, 1)
    columns = (0x67480014, 0x674A0014, 0x674D0014, 0x674E0003, 0x001A001F, 0x0037001F, 0x0E070003, 0x0E170003)
    table = await contents(client, 5, *columns, tags.PidTagRowType, tags.PidTagDepth)
    own_id = ObjectId(1, message_id).to_integer()
    (row,) = (await rows(client, table, (*columns, tags.PidTagRowType, tags.PidTagDepth))).row_data
    assert row == [ObjectId(1, 5).to_integer(), own_id, own_id, 0, "IPM.Note", "0", 0, 0, 1, 0]


async def test_a_table_is_what_it_was_when_it_was_first_looked_at(client: Client, own_mailbox: Mailbox) -> None:
    """Where nothing tells the client of changes."""
    await fill(own_mailbox, 5, 2)
    table = await contents(client, 5, tags.PidTagSubject, flags=NO_NOTIFICATIONS)
    assert await position(client, table) == (0, 2)
    await fill(own_mailbox, 5, 2)
    assert await position(client, table) == (0, 2)
    assert (await subjects(client, table))[0] == ["1", "0"]


@pytest.mark.spec("MS-OXCTABL_R217")
async def test_all_columns(client: Client, own_mailbox: Mailbox) -> None:
    """The usual ones, and what the rows have; text in the type that the table was opened for."""
    await own_mailbox.append(5, [NewMessage(Message({0x7C01001F: "text", 0x7C02101F: ["a"], 0x7C030102: b"b"}))])
    found = {}
    for flags in (0, USE_UNICODE):
        table = await contents(client, 5, flags=flags)
        found[flags] = set((await client.value("QueryColumnsAll", table)).property_tags)
    narrow = {0x7C01001E, 0x7C02101E, 0x7C030102, tags.PidTagMid, tags.PidTagDepth, tags.PidTagSubject & ~0xFFFF | 0x1E}
    assert narrow <= found[0]
    assert {0x7C01001F, 0x7C02101F, 0x7C030102, tags.PidTagInstID, tags.PidTagSubject} <= found[USE_UNICODE]
    table = await hierarchy(client, 5)
    assert tags.PidTagFolderId in (await client.value("QueryColumnsAll", table)).property_tags


async def test_ten_thousand_columns_are_too_many(client: Client) -> None:
    table = await hierarchy(client, 4)
    columns = [tags.PidTagDisplayName] * 4097
    code = await client.error("SetColumns", table, set_columns_flags=0, property_tags=columns)
    assert code == ErrorCode.TooManyColumns
