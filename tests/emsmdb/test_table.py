"""Hierarchy and contents tables, byte for byte where an Exchange Server was asked the same."""

from collections.abc import Sequence
from typing import Any

import pytest

from mapigw.emsmdb import table as table_module
from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.message_properties import message_properties
from mapigw.mailbox.special_folders import SPECIAL_FOLDERS
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.rop_buffer import parse_responses
from tests.emsmdb.captures import exchange_answer, exchange_request
from tests.emsmdb.client import CHAIN, LOGON, Client

BEGINNING, CURRENT, END = 0, 1, 2
DEPTH, ASSOCIATED, SOFT_DELETES, USE_UNICODE = 0x04, 0x02, 0x20, 0x40
NO_ADVANCE, PACKED = 0x01, 0x02

# What Outlook 16 asks of the root folder's table.
OUTLOOK_ROOT_COLUMNS = (
    0x67480014,
    0x3001001F,
    0x360A000B,
    0x67490014,
    0x36E00102,
    0x670B0003,
    0x670A0040,
    0x66A80003,
    0x40820040,
    0x36020003,
    0x36030003,
)


async def hierarchy(client: Client, folder_id: int, *columns: int, flags: int = 0) -> int:
    """The slot of a new hierarchy table."""
    await client.value("OpenFolder", folder_id=ObjectId(1, folder_id), open_mode_flags=0)
    await client.value("GetHierarchyTable", client.last, table_flags=flags)
    if columns:
        await client.value("SetColumns", client.last, set_columns_flags=0, property_tags=list(columns))
    return client.last


async def contents(client: Client, folder_id: int, *columns: int, flags: int = 0) -> int:
    await client.value("OpenFolder", folder_id=ObjectId(1, folder_id), open_mode_flags=0)
    await client.value("GetContentsTable", client.last, table_flags=flags)
    if columns:
        await client.value("SetColumns", client.last, set_columns_flags=0, property_tags=list(columns))
    return client.last


async def rows(
    client: Client, table: int, columns: Sequence[int], count: int = 100, *, forward: bool = True, flags: int = 0
) -> Any:
    return await client.value(
        "QueryRows", table, columns, query_rows_flags=flags, forward_read=forward, row_count=count
    )


async def subjects(client: Client, table: int, count: int = 100, **how: Any) -> tuple[list[str], int]:
    """The subjects of some rows, and the Origin."""
    value = await rows(client, table, [tags.PidTagSubject], count, **how)
    assert value.row_count == len(value.row_data)
    return [row[0] for row in value.row_data], value.origin


async def position(client: Client, table: int) -> tuple[int, int]:
    value = await client.value("QueryPosition", table)
    return value.numerator, value.denominator


async def seek(client: Client, table: int, origin: int, count: int, *, want: bool = True) -> tuple[bool, int]:
    value = await client.value("SeekRow", table, origin=origin, row_count=count, want_row_moved_count=want)
    return value.has_sought_less, value.rows_sought


async def fill(mailbox: Mailbox, folder_id: int, count: int, *, is_associated: bool = False) -> list[int]:
    """Messages "0" to the last, which comes first in a table."""
    items = [
        NewMessage(Message({tags.PidTagSubject: str(number), tags.PidTagMessageDeliveryTime: 1000 + number}))
        for number in range(count)
    ]
    for item in items:
        item.is_associated = is_associated
    return await mailbox.append(folder_id, items)


async def folder_with_id(mailbox: Mailbox, parent_id: int, name: str, folder_id: int) -> int:
    """A new folder whose id is given."""
    next_id = await mailbox.reserve_ids(1) + 1
    if folder_id > next_id:
        await mailbox.reserve_ids(folder_id - next_id)
    folder = await mailbox.create_folder(parent_id, name)
    assert folder.folder_id == folder_id
    return folder_id


# What an Exchange Server answered to the same requests


@pytest.mark.spec("MS-OXCFOLD_R648")
@pytest.mark.spec("MS-OXCFOLD_R802")
@pytest.mark.spec("MS-OXCTABL_R829")
@pytest.mark.spec("MS-OXCTABL_R835")
async def test_a_recorded_hierarchy_table(client: Client, own_mailbox: Mailbox) -> None:
    """OpenFolder, GetHierarchyTable, SetColumns, QueryRows: our answer differs from Exchange's only in the ids."""
    columns = (tags.PidTagFolderId, tags.PidTagDisplayName, tags.PidTagContentCount, tags.PidTagSubfolders)
    theirs = parse_responses(exchange_answer("hierarchy/03"), (), {2: columns})
    subtree = await folder_with_id(own_mailbox, 4, "Top", 0x108)
    for _, name, count, has_subfolders in theirs.responses[3].value.row_data:
        folder = await own_mailbox.create_folder(subtree, name)
        if count:
            await own_mailbox.append(folder.folder_id, [NewMessage(Message({}))] * count)
        if has_subfolders:
            await own_mailbox.create_folder(folder.folder_id, "below")
    ours = await client.replay(exchange_request("hierarchy/03"), LOGON, -1, -1)
    for mine, other in zip(ours, theirs.responses, strict=True):
        assert (mine.rop, mine.handle_index, mine.return_value) == (other.rop, other.handle_index, other.return_value)
    assert [row[1:] for row in ours[3].value.row_data] == [row[1:] for row in theirs.responses[3].value.row_data]
    assert (ours[1].value.row_count, ours[3].value.row_count, ours[3].value.origin) == (15, 15, END)
    assert len(client.payloads[0]) == len(exchange_answer("hierarchy/03"))


@pytest.mark.spec("MS-OXCFOLD_R661")
@pytest.mark.spec("MS-OXCFOLD_R663")
@pytest.mark.spec("MS-OXCTABL_R831")
@pytest.mark.spec("MS-OXCTABL_R837")
async def test_a_recorded_contents_table(client: Client, own_mailbox: Mailbox) -> None:
    columns = (0x674A0014, 0x0037001F, 0x0E060040, 0x0E070003)
    theirs = parse_responses(exchange_answer("contents/03"), (), {2: columns})
    folder_id = await folder_with_id(own_mailbox, 4, "Seeded", 0x10C)
    for _, subject, delivered, _ in theirs.responses[3].value.row_data:
        item = Message({tags.PidTagSubject: subject, tags.PidTagMessageDeliveryTime: delivered})
        await own_mailbox.append(folder_id, [NewMessage(item)])
    ours = await client.replay(exchange_request("contents/03"), LOGON, -1, -1)
    for mine, other in zip(ours, theirs.responses, strict=True):
        assert (mine.rop, mine.handle_index, mine.return_value) == (other.rop, other.handle_index, other.return_value)
    assert [row[1:3] for row in ours[3].value.row_data] == [row[1:3] for row in theirs.responses[3].value.row_data]
    assert len(client.payloads[0]) == len(exchange_answer("contents/03"))


# Which rows


@pytest.mark.spec("MS-OXCFOLD_R801")
@pytest.mark.spec("MS-OXCFOLD_R318")
@pytest.mark.spec("MS-OXCFOLD_R806")
async def test_the_root_table_as_outlook_asks_for_it(client: Client, own_mailbox: Mailbox) -> None:
    """Depth and SuppressesNotifications: every folder, Sync Issues too. What is absent is an error in its cell."""
    await client.value("OpenFolder", folder_id=ObjectId(1, 1), open_mode_flags=0)
    root = client.last
    value = await client.value("GetHierarchyTable", root, table_flags=0x84)
    table = client.last
    assert value.row_count == len(SPECIAL_FOLDERS) - 1
    await client.value("SetColumns", table, set_columns_flags=0, property_tags=list(OUTLOOK_ROOT_COLUMNS))
    found = (await rows(client, table, OUTLOOK_ROOT_COLUMNS)).row_data
    by_name = {row[1]: row for row in found}
    assert set(by_name) == {item.name for item in SPECIAL_FOLDERS[1:]}
    inbox = await own_mailbox.special_folder("inbox")
    assert by_name["Inbox"] == [
        0x0500_0000_0000_0001,
        "Inbox",
        False,
        0x0400_0000_0000_0001,
        ErrorCode.NotFound,
        0,
        inbox.local_commit_time,
        5,
        ErrorCode.NotFound,
        0,
        0,
    ]
    assert by_name["Sync Issues"][2] is True
    assert by_name["Conflicts"][3] == by_name["Sync Issues"][0]
    deleted = await client.value("GetHierarchyTable", root, table_flags=SOFT_DELETES | DEPTH)
    assert deleted.row_count == 0


@pytest.mark.spec("MS-OXCFOLD_R662")
@pytest.mark.spec("MS-OXCFOLD_R333")
@pytest.mark.spec("MS-OXCFOLD_R1017")
async def test_normal_and_fai_messages_apart(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 3)
    await fill(own_mailbox, 5, 2, is_associated=True)
    columns = (tags.PidTagSubject, tags.PidTagAssociated)
    for flags, expected in ((0, ["2", "1", "0"]), (ASSOCIATED, ["1", "0"]), (SOFT_DELETES, [])):
        table = await contents(client, 5, *columns, flags=flags)
        found = (await rows(client, table, columns)).row_data
        assert found == [[subject, flags == ASSOCIATED] for subject in expected]


@pytest.mark.spec("MS-OXCFOLD_R314")
@pytest.mark.spec("MS-OXCFOLD_R658")
@pytest.mark.spec("MS-OXCFOLD_R330")
@pytest.mark.spec("MS-OXCFOLD_R672")
async def test_tables_that_do_not_open(client: Client) -> None:
    await client.value("OpenFolder", folder_id=ObjectId(1, 5), open_mode_flags=0)
    folder = client.last
    for flag in (0x01, 0x02):
        code = await client.error("GetHierarchyTable", folder, table_flags=flag)
        assert code == 0x80040102  # NotSupported
    for flag in (0x01, 0x04):
        code = await client.error("GetContentsTable", folder, table_flags=flag)
        assert code == 0x80070057  # InvalidParameter
    for flag in (0x04, 0x08, 0x10, 0x20, 0x40, 0x80):
        await client.value("GetHierarchyTable", folder, table_flags=flag)
    for flag in (0x02, 0x08, 0x10, 0x20, 0x40):
        await client.value("GetContentsTable", folder, table_flags=flag)
    for rop in ("GetHierarchyTable", "GetContentsTable"):
        assert await client.error(rop, LOGON, table_flags=0) == ErrorCode.NotSupported
        assert await client.error(rop, 200, table_flags=0) == ErrorCode.NullObject


# Columns


@pytest.mark.spec("MS-OXCTABL_R426")
@pytest.mark.spec("MS-OXCTABL_R427")
@pytest.mark.spec("MS-OXCTABL_R116")
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


@pytest.mark.spec("MS-OXCTABL_R436")
@pytest.mark.spec("MS-OXCTABL_R477")
@pytest.mark.spec("MS-OXCTABL_R495")
@pytest.mark.spec("MS-OXCTABL_R502")
async def test_table_rops_on_other_objects(client: Client) -> None:
    await client.value("OpenFolder", folder_id=ObjectId(1, 5), open_mode_flags=0)
    for name, fields in (
        ("SetColumns", {"set_columns_flags": 0, "property_tags": [tags.PidTagSubject]}),
        ("QueryRows", {"query_rows_flags": 0, "forward_read": True, "row_count": 1}),
        ("QueryPosition", {}),
        ("SeekRow", {"origin": 0, "row_count": 1, "want_row_moved_count": True}),
    ):
        assert await client.error(name, client.last, **fields) == ErrorCode.NotSupported
        assert await client.error(name, LOGON, **fields) == ErrorCode.NotSupported
        assert await client.error(name, 99, **fields) == ErrorCode.NullObject


# Rows and the cursor


@pytest.mark.spec("MS-OXCTABL_R462")
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


@pytest.mark.spec("MS-OXCTABL_R469")
@pytest.mark.spec("MS-OXCTABL_R784")
async def test_reading_backwards(client: Client, own_mailbox: Mailbox) -> None:
    """The rows before the cursor in the order of the table."""
    await fill(own_mailbox, 5, 5)
    table = await contents(client, 5, tags.PidTagSubject)
    await seek(client, table, END, 0)
    assert await subjects(client, table, 2, forward=False, flags=NO_ADVANCE) == (["1", "0"], CURRENT)
    assert await subjects(client, table, 2, forward=False) == (["1", "0"], CURRENT)
    assert await position(client, table) == (3, 5)
    assert await subjects(client, table, 9, forward=False) == (["4", "3", "2"], BEGINNING)
    assert await subjects(client, table, 9, forward=False) == ([], BEGINNING)


@pytest.mark.spec("MS-OXCTABL_R496")
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
    async with own_mailbox.database.write() as connection:
        for gone in (ids[6], ids[3], ids[0]):
            await connection.exec_driver_sql("DELETE FROM message WHERE message_id = ?", (gone,))
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

    monkeypatch.setattr(table_module, "message_properties", damaged)
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


async def test_a_table_is_what_it_was_when_it_was_opened(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 5, 2)
    table = await contents(client, 5, tags.PidTagSubject)
    await fill(own_mailbox, 5, 2)
    assert await position(client, table) == (0, 2)
    assert (await subjects(client, table))[0] == ["1", "0"]
