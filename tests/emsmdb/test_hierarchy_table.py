"""Hierarchy tables: which folders they list, for whom (MS-OXCFOLD 2.2.1.13, 3.2.5.13)."""

import pytest

from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.permissions import Rights
from mapigw.mailbox.special_folders import SPECIAL_FOLDERS
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.rop_buffer import parse_responses
from tests.emsmdb.captures import exchange_answer, exchange_request
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.delegates import ANN, grant, log_on_as
from tests.emsmdb.folders import delete_folder
from tests.emsmdb.tables import DEPTH, END, SOFT_DELETES, USE_UNICODE, all_rows, hierarchy, rows

SUBTREE = 4

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


async def folder_with_id(mailbox: Mailbox, parent_id: int, name: str, folder_id: int) -> int:
    """A new folder whose id is given."""
    next_id = await mailbox.reserve_ids(1) + 1
    if folder_id > next_id:
        await mailbox.reserve_ids(folder_id - next_id)
    folder = await mailbox.create_folder(parent_id, name)
    assert folder.folder_id == folder_id
    return folder_id


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
        inbox.hier_rev,
        0,
        0,
    ]
    assert by_name["Sync Issues"][2] is True
    assert by_name["Conflicts"][3] == by_name["Sync Issues"][0]
    deleted = await client.value("GetHierarchyTable", root, table_flags=SOFT_DELETES | DEPTH)
    assert deleted.row_count == 0


NAMES = (tags.PidTagDisplayName, tags.PidTagDepth)


async def names(client: Client, folder_id: int, flags: int = 0) -> list[str]:
    """The folders that a table lists; the row count must agree."""
    await client.value("OpenFolder", folder_id=ObjectId(1, folder_id), open_mode_flags=0)
    value = await client.value("GetHierarchyTable", client.last, table_flags=flags)
    found = [row[0] for row in await all_rows(client, client.last, *NAMES)]
    assert value.row_count == len(found)
    return found


@pytest.mark.spec("MS-OXCFOLD_R801", "MS-OXCFOLD_R802", "MS-OXCFOLD_R318")
async def test_children_or_everything_below(client: Client, own_mailbox: Mailbox) -> None:
    top = await own_mailbox.create_folder(SUBTREE, "top")
    middle = await own_mailbox.create_folder(top.folder_id, "middle")
    for name in ("b", "Ä", "a"):
        await own_mailbox.create_folder(middle.folder_id, name)
    assert await names(client, top.folder_id) == ["middle"]
    assert await names(client, top.folder_id, DEPTH) == ["middle", "a", "Ä", "b"]
    table = await hierarchy(client, top.folder_id, flags=DEPTH)
    assert [row[1] for row in await all_rows(client, table, *NAMES)] == [1, 2, 2, 2]
    assert await names(client, middle.folder_id, DEPTH) == ["a", "Ä", "b"]


@pytest.mark.spec("MS-OXCFOLD_R806", "MS-OXCFOLD_R1219")
async def test_soft_deleted_folders_apart(client: Client, own_mailbox: Mailbox) -> None:
    top = await own_mailbox.create_folder(SUBTREE, "top")
    for name in ("kept", "gone"):
        await own_mailbox.create_folder(top.folder_id, name)
    table = await hierarchy(client, top.folder_id)
    assert [row[0] for row in await all_rows(client, table, *NAMES)] == ["gone", "kept"]
    (gone, _) = await all_rows(client, table, tags.PidTagFolderId)
    assert not await delete_folder(client, table - 1, ObjectId.from_integer(gone[0]).counter)
    assert await names(client, top.folder_id) == ["kept"]
    assert await names(client, top.folder_id, SOFT_DELETES) == ["gone"]
    assert "gone" in await names(client, SUBTREE, SOFT_DELETES | DEPTH)
    assert "kept" not in await names(client, SUBTREE, SOFT_DELETES | DEPTH)
    # A table that was opened before leaves the row out.
    assert [row[0] for row in await all_rows(client, table, *NAMES)] == ["kept"]


@pytest.mark.spec("MS-OXCFOLD_R314", "MS-OXCFOLD_R314002", "MS-OXCFOLD_R657", "MS-OXCFOLD_R658")
async def test_flags_and_objects_that_are_refused(client: Client) -> None:
    await client.value("OpenFolder", folder_id=ObjectId(1, 5), open_mode_flags=0)
    folder = client.last
    for flag in (0x01, 0x02):
        assert await client.error("GetHierarchyTable", folder, table_flags=flag) == 0x80040102  # NotSupported
    for flag in (0x04, 0x08, 0x10, 0x20, 0x40, 0x80):
        await client.value("GetHierarchyTable", folder, table_flags=flag)
    assert await client.error("GetHierarchyTable", LOGON, table_flags=0) == 0x80040102
    assert await client.error("GetHierarchyTable", 200, table_flags=0) == ErrorCode.NullObject


@pytest.mark.spec("MS-OXCFOLD_R807", "MS-OXCFOLD_R808")
async def test_text_is_unicode_or_in_the_code_page(client: Client, own_mailbox: Mailbox) -> None:
    """As the columns say, whose types follow the flag."""
    top = await own_mailbox.create_folder(SUBTREE, "top")
    await own_mailbox.create_folder(top.folder_id, "Entwürfe")
    for flags, kind, text in ((USE_UNICODE, 0x1F, "Entwürfe"), (0, 0x1E, b"Entw\xfcrfe")):
        table = await hierarchy(client, top.folder_id, flags=flags)
        found = (await client.value("QueryColumnsAll", table)).property_tags
        (column,) = [tag for tag in found if tag >> 16 == tags.PidTagDisplayName >> 16]
        assert column & 0xFFFF == kind
        assert await all_rows(client, table, column) == [[text]]


async def test_folders_that_a_user_may_not_see_are_not_listed(client: Client) -> None:
    ann = await log_on_as(client, ANN)
    await grant(client, "ipm_subtree", ANN, Rights.FolderVisible)
    await grant(client, "calendar", ANN, Rights.ReadAny)
    assert await names(ann, SUBTREE) == ["Calendar"]
    assert "Inbox" in await names(client, SUBTREE)
    folder = ann.last - 1
    await grant(client, "ipm_subtree", ANN, 0)
    assert await ann.error("GetHierarchyTable", folder, table_flags=0) == ErrorCode.AccessDenied
