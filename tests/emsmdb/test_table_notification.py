"""What open tables tell of their rows (MS-OXCNOTIF 2.2.1.1.1, 3.1.4.3)."""

from typing import Any

import pytest

from mapigw.emsmdb import contents_table
from mapigw.emsmdb.table_notification import ROWS_MAXIMUM
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.wire import tags
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import PropertyRestriction, RelationalOperator
from tests.emsmdb.client import Client
from tests.emsmdb.folders import creating, oid, open_folder
from tests.emsmdb.notifications import OBJECT_FIELDS, TABLE_FIELDS, another, folder_scope, move, to_new_name
from tests.emsmdb.searches import append, make, search, subject
from tests.emsmdb.searches import remove as delete
from tests.emsmdb.tables import (
    ASCENDING,
    BEGINNING,
    DEPTH,
    END,
    NO_NOTIFICATIONS,
    SOFT_DELETES,
    SUPPRESSES_NOTIFICATIONS,
    add,
    bookmark,
    contents,
    fill,
    finding,
    hierarchy,
    position,
    restrict,
    rows,
    seek,
    set_columns,
    sort,
    subjects,
)

TABLE_CHANGED, ROW_ADDED, ROW_DELETED, ROW_MODIFIED = 1, 3, 4, 5
CONTENTS, HIERARCHY = 0x8100, 0x0100
SUBTREE, INBOX, SENT = 4, 5, 7
SUBJECT, TIME, READ = tags.PidTagSubject, tags.PidTagMessageDeliveryTime, tags.PidTagRead
NAME, COUNT = tags.PidTagDisplayName, tags.PidTagContentCount
NOTHING = ObjectId(0, 0)


async def viewed(client: Client, folder_id: int, *columns: int, flags: int = 0) -> int:
    """The slot of a contents table whose rows were looked at."""
    table = await contents(client, folder_id, *columns, flags=flags)
    await position(client, table)
    return table


async def folders_viewed(client: Client, folder_id: int, *columns: int, flags: int = 0) -> int:
    table = await hierarchy(client, folder_id, *columns, flags=flags)
    await position(client, table)
    return table


async def told(client: Client, table: int) -> list[tuple[Any, ...]]:
    """(event, id of the row, id of the row before it, cells) of each notification; without rows (event,) alone."""
    found: list[tuple[Any, ...]] = []
    for value in await client.fetch():
        assert value.notification_handle == client.handles[table]
        data = value.notification_data
        assert all(data[name] is None for name in OBJECT_FIELDS)
        event = data.table_event_type
        if event == TABLE_CHANGED:
            assert data.notification_flags == HIERARCHY
            assert all(data[name] is None for name in TABLE_FIELDS)
            found.append((event,))
            continue
        on_message = data.notification_flags == CONTENTS
        assert on_message or data.notification_flags == HIERARCHY
        row = data.table_row_message_id if on_message else data.table_row_folder_id
        if event == ROW_DELETED:
            found.append((event, row.counter))
            continue
        before = data.insert_after_table_row_id if on_message else data.insert_after_table_row_folder_id
        found.append((event, row.counter, before.counter, data.table_row_data))
    return found


# Contents tables


@pytest.mark.spec("MS-OXCNOTIF_R18", "MS-OXCNOTIF_R23", "MS-OXCNOTIF_R40001", "MS-OXCNOTIF_R97", "MS-OXCNOTIF_R110")
@pytest.mark.spec("MS-OXCNOTIF_R129", "MS-OXCNOTIF_R12401", "MS-OXCNOTIF_R141", "MS-OXCNOTIF_R14201")
@pytest.mark.spec("MS-OXCNOTIF_R145", "MS-OXCNOTIF_R14601", "MS-OXCNOTIF_R149", "MS-OXCNOTIF_R15001")
@pytest.mark.spec("MS-OXCNOTIF_R153", "MS-OXCNOTIF_R15401", "MS-OXCNOTIF_R157", "MS-OXCNOTIF_R15801")
@pytest.mark.spec("MS-OXCNOTIF_R161", "MS-OXCNOTIF_R161002", "MS-OXCNOTIF_R163", "MS-OXCNOTIF_R16401")
@pytest.mark.spec("MS-OXCNOTIF_R166", "MS-OXCNOTIF_R166001", "MS-OXCNOTIF_R16701", "MS-OXCNOTIF_R17101")
@pytest.mark.spec("MS-OXCNOTIF_R17502", "MS-OXCNOTIF_R257", "MS-OXCNOTIF_R261", "MS-OXCNOTIF_R269")
async def test_a_row_is_added(client: Client, own_mailbox: Mailbox) -> None:
    """Subscribed to or not: the table has its own subscription."""
    _, newer = await fill(own_mailbox, INBOX, 2)
    scope = folder_scope(INBOX)
    await client.value("RegisterNotification", notification_types=0x0100, **scope)
    table = await viewed(client, INBOX, SUBJECT, TIME)
    (between,) = await add(own_mailbox, INBOX, {SUBJECT: "between", TIME: 1000})
    (value,) = await client.fetch()
    data = value.notification_data
    assert value.notification_handle == client.handles[table]
    assert data.notification_flags == CONTENTS
    assert data.table_event_type == ROW_ADDED
    assert (data.table_row_folder_id, data.table_row_message_id) == (oid(INBOX), oid(between))
    assert data.table_row_instance == data.insert_after_table_row_instance == 0
    assert (data.insert_after_table_row_folder_id, data.insert_after_table_row_id) == (oid(INBOX), oid(newer))
    assert data.table_row_data == ["between", 1000]
    assert all(data[name] is None for name in OBJECT_FIELDS)
    sent = client.payloads[0]
    row = bytes.fromhex("00") + "between\0".encode("utf-16-le") + (1000).to_bytes(8, "little")
    assert len(row).to_bytes(2, "little") + row in sent
    (last,) = await add(own_mailbox, INBOX, {SUBJECT: "last", TIME: 9000})
    assert await told(client, table) == [(ROW_ADDED, last, 0, ["last", 9000])]
    found = (await rows(client, table, [SUBJECT, TIME])).row_data
    assert [row[0] for row in found] == ["last", "1", "between", "0"]


@pytest.mark.spec("MS-OXCNOTIF_R24", "MS-OXCNOTIF_R130", "MS-OXCNOTIF_R14202", "MS-OXCNOTIF_R14602")
@pytest.mark.spec("MS-OXCNOTIF_R15002", "MS-OXCNOTIF_R262")
async def test_a_row_is_deleted(client: Client, own_mailbox: Mailbox) -> None:
    ids = await fill(own_mailbox, INBOX, 3)
    table = await viewed(client, INBOX, SUBJECT)
    await delete(client, INBOX, ids[1])
    (value,) = client.notified
    data = value.notification_data
    assert (data.notification_flags, data.table_event_type) == (CONTENTS, ROW_DELETED)
    assert (data.table_row_folder_id, data.table_row_message_id) == (oid(INBOX), oid(ids[1]))
    assert data.table_row_instance == 0
    assert data.insert_after_table_row_folder_id is data.insert_after_table_row_id is data.table_row_data is None
    assert await told(client, table) == [(ROW_DELETED, ids[1])]
    assert (await subjects(client, table))[0] == ["2", "0"]


@pytest.mark.spec("MS-OXCNOTIF_R25", "MS-OXCNOTIF_R131", "MS-OXCNOTIF_R14203", "MS-OXCNOTIF_R14603")
@pytest.mark.spec("MS-OXCNOTIF_R15003", "MS-OXCNOTIF_R15402", "MS-OXCNOTIF_R15802", "MS-OXCNOTIF_R161003")
@pytest.mark.spec("MS-OXCNOTIF_R16402", "MS-OXCNOTIF_R16702", "MS-OXCNOTIF_R263")
async def test_a_row_is_modified(client: Client, own_mailbox: Mailbox) -> None:
    first, second = await fill(own_mailbox, INBOX, 2)
    table = await viewed(client, INBOX, SUBJECT, READ)
    await open_folder(client, INBOX)
    await client.value("SetReadFlags", client.last, want_asynchronous=0, read_flags=1, message_ids=[oid(first)])
    (value,) = client.notified
    data = value.notification_data
    assert (data.table_row_folder_id, data.table_row_instance) == (oid(INBOX), 0)
    assert (data.insert_after_table_row_folder_id, data.insert_after_table_row_instance) == (oid(INBOX), 0)
    assert await told(client, table) == [(ROW_MODIFIED, first, second, ["0", True])]


async def test_a_row_that_moves_up(client: Client, own_mailbox: Mailbox) -> None:
    ids = await fill(own_mailbox, INBOX, 3)
    table = await contents(client, INBOX, SUBJECT)
    await sort(client, table, (READ, ASCENDING), (SUBJECT, ASCENDING))
    await position(client, table)
    await open_folder(client, INBOX)
    await client.value("SetReadFlags", client.last, want_asynchronous=0, read_flags=1, message_ids=[oid(ids[0])])
    assert await told(client, table) == [(ROW_MODIFIED, ids[0], ids[2], ["0"])]
    assert (await subjects(client, table))[0] == ["1", "2", "0"]


async def test_messages_that_move_between_two_tables(client: Client, own_mailbox: Mailbox) -> None:
    (message,) = await append(own_mailbox, INBOX, "to go")
    source = await viewed(client, INBOX, SUBJECT)
    target = await viewed(client, SENT, SUBJECT)
    await move(client, INBOX, SENT, message)
    found = {client.handles.index(value.notification_handle): value.notification_data for value in client.notified}
    (there,) = await own_mailbox.message_ids(SENT, associated=False)
    assert (found[source].table_event_type, found[source].table_row_message_id) == (ROW_DELETED, oid(message))
    assert (found[target].table_event_type, found[target].table_row_message_id) == (ROW_ADDED, oid(there))


async def test_a_restriction_lets_rows_in_and_out(client: Client, own_mailbox: Mailbox) -> None:
    first, second = await fill(own_mailbox, INBOX, 2)
    table = await contents(client, INBOX, SUBJECT)
    await restrict(client, table, PropertyRestriction(RelationalOperator.EQUAL, READ, (READ, False)))
    await position(client, table)
    await open_folder(client, INBOX)
    inbox = client.last
    await client.value("SetReadFlags", inbox, want_asynchronous=0, read_flags=1, message_ids=[oid(first)])
    assert await told(client, table) == [(ROW_DELETED, first)]
    await client.value("SetReadFlags", inbox, want_asynchronous=0, read_flags=4, message_ids=[oid(first)])
    assert await told(client, table) == [(ROW_ADDED, first, second, ["0"])]
    await add(own_mailbox, INBOX, {SUBJECT: "read"}, is_read=True)
    assert await told(client, table) == []


async def test_other_kinds_of_messages_and_other_folders_are_no_matter(client: Client, own_mailbox: Mailbox) -> None:
    table = await viewed(client, INBOX, SUBJECT)
    await add(own_mailbox, INBOX, {SUBJECT: "associated"}, is_associated=True)
    await append(own_mailbox, SENT, "sent")
    assert not client.session.notices
    assert await told(client, table) == []


async def test_search_folders(client: Client, own_mailbox: Mailbox) -> None:
    """Rows appear as the search finds them, and as messages begin and cease to match; they tell of their own folder."""
    slot, found = await make(client)
    table = await viewed(client, found, SUBJECT, TIME)
    (first,) = await add(own_mailbox, INBOX, {SUBJECT: "wanted", TIME: 1})
    await search(client, slot, subject("wanted"), [INBOX])
    await client.fetch()
    client.notified.clear()
    assert (await rows(client, table, [SUBJECT, TIME])).row_data == [["wanted", 1]]
    await add(own_mailbox, INBOX, {SUBJECT: "wanted too", TIME: 2})
    (value,) = await client.fetch()
    assert value.notification_data.table_row_folder_id == oid(INBOX)
    assert value.notification_data.table_row_data == ["wanted too", 2]
    await delete(client, INBOX, first)
    assert await told(client, table) == [(ROW_DELETED, first)]
    await search(client, slot, subject("nothing"), [INBOX])
    assert (TABLE_CHANGED,) in await told(client, table)
    assert (await rows(client, table, [SUBJECT, TIME])).row_data == []


# How much is told


@pytest.mark.spec("MS-OXCNOTIF_R22", "MS-OXCNOTIF_R128", "MS-OXCNOTIF_R14204", "MS-OXCNOTIF_R14604")
@pytest.mark.spec("MS-OXCNOTIF_R15004", "MS-OXCNOTIF_R15403", "MS-OXCNOTIF_R15803", "MS-OXCNOTIF_R16403")
@pytest.mark.spec("MS-OXCNOTIF_R16703", "MS-OXCNOTIF_R264", "MS-OXCNOTIF_R271")
async def test_too_many_rows(client: Client, own_mailbox: Mailbox) -> None:
    """The table is listed anew when it is looked at next."""
    await fill(own_mailbox, INBOX, 1)
    table = await viewed(client, INBOX, SUBJECT)
    await fill(own_mailbox, INBOX, ROWS_MAXIMUM + 1)
    assert len(client.session.notices) == 1
    assert await told(client, table) == [(TABLE_CHANGED,)]
    told_in_full = bytes.fromhex("2a") + client.handles[table].to_bytes(4, "little") + bytes.fromhex("00 0001 0100")
    assert client.payloads[0][2:12] == told_in_full
    assert await position(client, table) == (0, ROWS_MAXIMUM + 2)
    (new,) = await add(own_mailbox, INBOX, {SUBJECT: "new", TIME: 9000})
    assert await told(client, table) == [(ROW_ADDED, new, 0, ["new"])]


async def test_rows_that_are_dear_to_place(client: Client, own_mailbox: Mailbox) -> None:
    """Categories, and orders and restrictions that need the messages themselves."""
    body = tags.PidTagBody
    await add(own_mailbox, INBOX, {SUBJECT: "1", body: "b"})
    table = await contents(client, INBOX, SUBJECT)
    await sort(client, table, (SUBJECT, ASCENDING), categories=1, expanded=1)
    assert (await position(client, table))[1] == 2
    await add(own_mailbox, INBOX, {SUBJECT: "2", body: "a"})
    assert await told(client, table) == [(TABLE_CHANGED,)]
    assert (await position(client, table))[1] == 4
    await sort(client, table, (body, ASCENDING))
    await position(client, table)
    await add(own_mailbox, INBOX, {SUBJECT: "0", body: "c"})
    assert await told(client, table) == [(TABLE_CHANGED,)]
    assert (await subjects(client, table))[0] == ["2", "1", "0"]


async def test_a_table_without_columns(client: Client, own_mailbox: Mailbox) -> None:
    table = await viewed(client, INBOX)
    await append(own_mailbox, INBOX, "new")
    assert await told(client, table) == [(TABLE_CHANGED,)]


async def test_several_changes_of_a_row_are_told_once(client: Client, own_mailbox: Mailbox) -> None:
    table = await viewed(client, INBOX, SUBJECT, READ)
    (message,) = await append(own_mailbox, INBOX, "new")
    (gone,) = await append(own_mailbox, INBOX, "gone")
    other = await another(client)
    await open_folder(other, INBOX)
    await other.value("SetReadFlags", other.last, want_asynchronous=0, read_flags=1, message_ids=[oid(message)])
    await delete(other, INBOX, gone)
    await other.session.close()
    assert await told(client, table) == [(ROW_ADDED, message, 0, ["new", True])]


async def test_the_first_rows_of_a_large_table(
    client: Client, own_mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were listed alone are listed alone again; what is behind them is told of as a whole."""
    monkeypatch.setattr(contents_table, "FIRST_ROWS", 4)
    ids = await fill(own_mailbox, INBOX, 8)
    table = await contents(client, INBOX, SUBJECT)
    assert (await subjects(client, table, 2))[0] == ["7", "6"]
    (new,) = await add(own_mailbox, INBOX, {SUBJECT: "new", TIME: 9000})
    assert await told(client, table) == [(ROW_ADDED, new, 0, ["new"])]
    await delete(client, INBOX, ids[6])
    assert await told(client, table) == [(ROW_DELETED, ids[6])]
    await open_folder(client, INBOX)
    await client.value("SetReadFlags", client.last, want_asynchronous=0, read_flags=1, message_ids=[oid(ids[0])])
    assert await told(client, table) == [(TABLE_CHANGED,)]
    await seek(client, table, BEGINNING, 0)
    assert (await subjects(client, table))[0] == ["new", "7", "5", "4", "3", "2", "1", "0"]


async def test_the_cursor_and_bookmarks_stay_at_their_rows(client: Client, own_mailbox: Mailbox) -> None:
    ids = await fill(own_mailbox, INBOX, 6)
    table = await contents(client, INBOX, SUBJECT)
    await seek(client, table, BEGINNING, 1)
    kept = await bookmark(client, table)
    await seek(client, table, BEGINNING, 3)
    lost = await bookmark(client, table)
    await seek(client, table, BEGINNING, 2)
    await add(own_mailbox, INBOX, {SUBJECT: "new", TIME: 9000})
    await delete(client, INBOX, ids[2])
    await client.fetch()
    assert await position(client, table) == (3, 6)
    assert (await subjects(client, table, 1))[0] == ["3"]
    value = await client.value("SeekRowBookmark", table, bookmark=kept, row_count=0, want_row_moved_count=0)
    assert not value.row_no_longer_visible
    assert (await subjects(client, table, 1))[0] == ["4"]
    value = await client.value("SeekRowBookmark", table, bookmark=lost, row_count=0, want_row_moved_count=0)
    assert value.row_no_longer_visible
    assert (await subjects(client, table, 1))[0] == ["1"]


# When it is told


VIEWS: dict[str, dict[str, Any]] = {
    "FindRow": finding(PropertyRestriction(RelationalOperator.EQUAL, SUBJECT, (SUBJECT, "0"))),
    "QueryColumnsAll": {},
    "QueryPosition": {},
    "QueryRows": {"query_rows_flags": 0, "forward_read": True, "row_count": 1},
    "SeekRow": {"origin": END, "row_count": 0, "want_row_moved_count": False},
    "SeekRowFractional": {"numerator": 0, "denominator": 1},
}


async def _look(client: Client, table: int, name: str) -> None:
    if name == "SeekRowBookmark":
        fields: dict[str, Any] = {"bookmark": await bookmark(client, table), "row_count": 0, "want_row_moved_count": 0}
    else:
        fields = VIEWS[name]
    await client.value(name, table, [SUBJECT], **fields)


@pytest.mark.spec("MS-OXCNOTIF_R245", "MS-OXCNOTIF_R249", "MS-OXCNOTIF_R250", "MS-OXCNOTIF_R251", "MS-OXCNOTIF_R252")
@pytest.mark.spec("MS-OXCNOTIF_R253", "MS-OXCNOTIF_R255", "MS-OXCNOTIF_R275", "MS-OXCNOTIF_R277", "MS-OXCNOTIF_R279")
@pytest.mark.spec("MS-OXCNOTIF_R281", "MS-OXCNOTIF_R283", "MS-OXCNOTIF_R286")
@pytest.mark.parametrize("name", [*VIEWS, "SeekRowBookmark"])
async def test_a_table_tells_when_its_rows_have_been_looked_at(client: Client, own_mailbox: Mailbox, name: str) -> None:
    """And after RopResetTable when they have been looked at again."""
    await fill(own_mailbox, INBOX, 1)
    table = await contents(client, INBOX, SUBJECT)
    for _ in range(2):
        await append(own_mailbox, INBOX, "unseen")
        assert await told(client, table) == []
        await _look(client, table, name)
        (new,) = await append(own_mailbox, INBOX, "new")
        assert [item[:2] for item in await told(client, table)] == [(ROW_ADDED, new)]
        await append(own_mailbox, INBOX, "too late")
        await client.value("ResetTable", table)
        assert await told(client, table) == []
        await set_columns(client, table, SUBJECT)


@pytest.mark.parametrize("name", ["CollapseRow", "ExpandRow"])
async def test_a_categorized_table_tells_too(client: Client, own_mailbox: Mailbox, name: str) -> None:
    await fill(own_mailbox, INBOX, 1)
    table = await contents(client, INBOX, tags.PidTagInstID)
    await sort(client, table, (SUBJECT, ASCENDING), categories=1, expanded=int(name == "CollapseRow"))
    other = await contents(client, INBOX, tags.PidTagInstID)
    await sort(client, other, (SUBJECT, ASCENDING), categories=1)
    (header,) = (await rows(client, other, [tags.PidTagInstID])).row_data
    await client.send(client.request("Release", other))
    fields: dict[str, Any] = {"category_id": ObjectId.from_integer(header[0])}
    if name == "ExpandRow":
        fields["max_row_count"] = 0
    await client.value(name, table, **fields)
    await append(own_mailbox, INBOX, "new")
    assert await told(client, table) == [(TABLE_CHANGED,)]


@pytest.mark.spec("MS-OXCNOTIF_R258")
async def test_tables_that_are_to_tell_nothing(client: Client, own_mailbox: Mailbox) -> None:
    await viewed(client, INBOX, SUBJECT, flags=NO_NOTIFICATIONS)
    table = await folders_viewed(client, SUBTREE, NAME, flags=NO_NOTIFICATIONS)
    await append(own_mailbox, INBOX, "new")
    assert not client.session.notices
    assert await told(client, table) == []


async def test_a_released_table_tells_nothing(client: Client, own_mailbox: Mailbox) -> None:
    table = await viewed(client, INBOX, SUBJECT)
    await append(own_mailbox, INBOX, "new")
    assert client.session.notices
    await client.send(client.request("Release", table))
    await append(own_mailbox, INBOX, "late")
    assert await client.fetch() == []


async def test_what_came_before_the_rows_were_first_looked_at_is_there(client: Client, own_mailbox: Mailbox) -> None:
    table = await hierarchy(client, INBOX, NAME)
    await own_mailbox.create_folder(INBOX, "Early")
    assert (await rows(client, table, [NAME])).row_data == [["Early"]]
    assert await told(client, table) == []


async def test_soft_deleted_messages(client: Client, own_mailbox: Mailbox) -> None:
    (message,) = await append(own_mailbox, INBOX, "old")
    table = await viewed(client, INBOX, SUBJECT, flags=SOFT_DELETES)
    await delete(client, INBOX, message)
    assert await told(client, table) == [(TABLE_CHANGED,)]
    assert (await subjects(client, table))[0] == ["old"]


# Hierarchy tables


@pytest.mark.spec("MS-OXCNOTIF_R161004")
async def test_folders_come_change_and_go(client: Client, own_mailbox: Mailbox) -> None:
    table = await folders_viewed(client, INBOX, NAME, COUNT)
    first = (await own_mailbox.create_folder(INBOX, "B")).folder_id
    (value,) = await client.fetch()
    data = value.notification_data
    assert (data.notification_flags, data.table_event_type) == (HIERARCHY, ROW_ADDED)
    assert (data.table_row_folder_id, data.insert_after_table_row_folder_id) == (oid(first), NOTHING)
    assert data.table_row_message_id is data.table_row_instance is None
    assert data.insert_after_table_row_id is data.insert_after_table_row_instance is None
    assert data.table_row_data == ["B", 0]
    second = (await own_mailbox.create_folder(INBOX, "C")).folder_id
    assert await told(client, table) == [(ROW_ADDED, second, first, ["C", 0])]
    await append(own_mailbox, first, "new")
    assert await told(client, table) == [(ROW_MODIFIED, first, 0, ["B", 1])]
    await open_folder(client, second)
    await client.value("SetProperties", client.last, property_values=[(NAME, "A")])
    assert await told(client, table) == [(ROW_MODIFIED, second, 0, ["A", 0])]
    await open_folder(client, INBOX)
    await client.value("DeleteFolder", client.last, delete_folder_flags=5, folder_id=oid(first))
    assert await told(client, table) == [(ROW_DELETED, first)]
    assert (await rows(client, table, [NAME, COUNT])).row_data == [["A", 0]]


async def test_the_hierarchy_table_that_outlook_opens(client: Client, own_mailbox: Mailbox) -> None:
    """Cached mode finds by it which folders have changed, by whomever else; its own changes it is not told of."""
    columns = (0x67480014, 0x3001001F, 0x670B0003, 0x670A0040, 0x36020003, 0x36030003)
    root = (await own_mailbox.special_folder("root")).folder_id
    flags = DEPTH | SUPPRESSES_NOTIFICATIONS
    table = await hierarchy(client, root, *columns, flags=flags)
    await rows(client, table, columns, 1000)
    await append(own_mailbox, INBOX, "new")
    ((event, folder_id, _, cells),) = await told(client, table)
    assert (event, folder_id) == (ROW_MODIFIED, INBOX)
    assert (cells[1], cells[4], cells[5]) == ("Inbox", 1, 1)
    (message,) = await own_mailbox.message_ids(INBOX, associated=False)
    await delete(client, INBOX, message)
    await open_folder(client, INBOX)
    await client.value("CreateFolder", client.last, **creating("Own"))
    assert await told(client, table) == []
    await seek(client, table, BEGINNING, 0)
    found = (await rows(client, table, columns, 1000)).row_data
    assert [row[4] for row in found if row[1] == "Inbox"] == [0]
    await client.value("CreateFolder", client.last, **creating("Own too"))
    await append(own_mailbox, SENT, "new")
    assert [item[:2] for item in await told(client, table)] == [(ROW_MODIFIED, SENT)]
    assert "Own" in [row[1] for row in found]


async def test_a_folder_moves_with_those_below_it(client: Client, own_mailbox: Mailbox) -> None:
    upper = (await own_mailbox.create_folder(INBOX, "Upper")).folder_id
    lower = (await own_mailbox.create_folder(upper, "Lower")).folder_id
    table = await folders_viewed(client, SENT, NAME, flags=DEPTH)
    source, target = await open_folder(client, INBOX), await open_folder(client, SENT)
    fields = to_new_name(upper, "Upper")
    await client.value("MoveFolder", source, dest_handle_index=target, **fields)
    assert await told(client, table) == [(ROW_ADDED, upper, 0, ["Upper"]), (ROW_ADDED, lower, upper, ["Lower"])]
    source, target = target, source
    await client.value("MoveFolder", source, dest_handle_index=target, **fields)
    assert sorted(await told(client, table)) == [(ROW_DELETED, upper), (ROW_DELETED, lower)]


async def test_a_restricted_hierarchy_table(client: Client, own_mailbox: Mailbox) -> None:
    table = await hierarchy(client, INBOX, NAME)
    await restrict(client, table, PropertyRestriction(RelationalOperator.GREATER_THAN, NAME, (NAME, "M")))
    await position(client, table)
    for name in ("A", "Z"):
        await own_mailbox.create_folder(INBOX, name)
    assert await told(client, table) == [(TABLE_CHANGED,)]
    assert (await rows(client, table, [NAME])).row_data == [["Z"]]
