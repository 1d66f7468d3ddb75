"""RopDeleteFolder, RopEmptyFolder, RopDeleteMessages and those that delete for good."""

import asyncio
from typing import Any

import pytest

from mapigw.emsmdb import progress
from mapigw.mailbox.clock import now
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.permissions import Rights
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.delegates import ADD, ANN, entry, folder, grant, log_on_as, modify
from tests.emsmdb.folders import (
    DEL_FOLDERS,
    DEL_MESSAGES,
    DELETE_HARD_DELETE,
    EVERYTHING,
    HARD,
    blob_counts,
    creating,
    delete_folder,
    delete_messages,
    empty,
    fill,
    folder_counts,
    oid,
    open_folder,
    open_special,
    subjects,
    table_rows,
)

INBOX = 5


async def make(mailbox: Mailbox, parent_id: int, name: str) -> int:
    return (await mailbox.create_folder(parent_id, name)).folder_id


async def is_gone(client: Client, folder_id: int) -> bool:
    """Whether a folder does not open; not with OpenSoftDeleted either."""
    codes = set()
    for mode in (0, 4):
        (response,) = await client.send(client.request("OpenFolder", folder_id=oid(folder_id), open_mode_flags=mode))
        codes.add(response.return_value)
    assert codes in ({0}, {0x8004010F})
    return 0 not in codes


# RopDeleteFolder


@pytest.mark.spec("MS-OXCFOLD_R94401", "MS-OXCFOLD_R1076", "MS-OXCFOLD_R405", "MS-OXCFOLD_R97", "MS-OXCFOLD_R76")
@pytest.mark.spec("MS-OXCFOLD_R814", "MS-OXCFOLD_R498", "MS-OXCFOLD_R471", "MS-OXCFOLD_R22001", "MS-OXCFOLD_R10348")
async def test_an_empty_folder_is_soft_deleted(client: Client, own_mailbox: Mailbox) -> None:
    parent = await open_special(client, own_mailbox, "inbox")
    folder_id = await make(own_mailbox, INBOX, "Own")
    opened = await open_folder(client, folder_id)
    began = now()
    assert await delete_folder(client, parent, folder_id) is False
    assert await is_gone(client, folder_id)
    # Its row stays, with the time: PidTagDeletedOn in the table of soft-deleted folders.
    ((_, deleted),) = [row for row in await table_rows(own_mailbox, "folder", "folder_id, deleted") if row[1]]
    assert began <= deleted <= now()
    assert await client.error("GetPropertiesList", opened) == ErrorCode.ObjectDeleted
    columns = (tags.PidTagFolderId, tags.PidTagDeletedOn)
    await client.value("GetHierarchyTable", parent, table_flags=0x20)
    await client.value("SetColumns", client.last, set_columns_flags=0, property_tags=list(columns))
    table = client.last
    rows = await client.value("QueryRows", table, columns, query_rows_flags=0, forward_read=True, row_count=9)
    assert rows.row_data == [[oid(folder_id).to_integer(), deleted]]


@pytest.mark.spec("MS-OXCFOLD_R764", "MS-OXCFOLD_R497", "MS-OXCFOLD_R46201002", "MS-OXCFOLD_R82")
@pytest.mark.spec("MS-OXCFOLD_R762", "MS-OXCFOLD_R763")
async def test_a_hard_deleted_folder_leaves_nothing(client: Client, own_mailbox: Mailbox) -> None:
    parent = await open_special(client, own_mailbox, "inbox")
    top = await make(own_mailbox, INBOX, "Top")
    below = await make(own_mailbox, top, "Below")
    deleted_before = await make(own_mailbox, below, "Deleted before")
    for place in (top, below, deleted_before):
        await fill(own_mailbox, place, 3)
        await fill(own_mailbox, place, 1, associated=True)
        await delete_messages(client, await open_folder(client, place), await fill(own_mailbox, place, 1))
    await delete_folder(client, parent, deleted_before, EVERYTHING)
    index = await open_folder(client, top)
    assert await delete_folder(client, parent, top, HARD) is False
    assert await is_gone(client, top)
    assert await is_gone(client, below)
    fields: dict[str, Any] = {"want_asynchronous": False, "want_delete_associated": False}
    assert await client.error("EmptyFolder", index, **fields) == ErrorCode.ObjectDeleted
    for table in ("message", "deleted_message", "message_mime", "blob", "permission", "search_result"):
        assert await table_rows(own_mailbox, table) == [], table
    assert {row[0] for row in await table_rows(own_mailbox, "folder", "folder_id")} == set(range(1, 28))


@pytest.mark.spec("MS-OXCFOLD_R814", "MS-OXCFOLD_R762", "MS-OXCFOLD_R763", "MS-OXCFOLD_R82")
async def test_a_soft_deleted_folder_takes_all_it_holds_along(client: Client, own_mailbox: Mailbox) -> None:
    parent = await open_special(client, own_mailbox, "inbox")
    top = await make(own_mailbox, INBOX, "Top")
    below = await make(own_mailbox, top, "Below")
    (message_id,) = await fill(own_mailbox, below)
    before = max(row[0] for row in await table_rows(own_mailbox, "folder", "change_number"))
    assert await delete_folder(client, parent, top, EVERYTHING) is False
    assert await is_gone(client, top)
    assert await is_gone(client, below)
    opening: dict[str, Any] = {
        "code_page_id": 0x0FFF,
        "folder_id": oid(below),
        "open_mode_flags": 0,
        "message_id": oid(message_id),
    }
    assert await client.error("OpenMessage", **opening) == ErrorCode.NotFound
    # Downloads of the hierarchy find both.
    rows = await table_rows(own_mailbox, "tombstone", "folder_id, object_id, is_folder, change_number")
    assert [row[:3] for row in rows] == [(INBOX, top, 1), (top, below, 1)]
    assert all(row[3] > before for row in rows)
    row = await own_mailbox.folder(INBOX)
    assert row is not None
    assert row.content_count == 0


@pytest.mark.spec("MS-OXCFOLD_R76", "MS-OXCFOLD_R371", "MS-OXCFOLD_R816", "MS-OXCFOLD_R817", "MS-OXCFOLD_R948")
@pytest.mark.spec("MS-OXCFOLD_R408")
@pytest.mark.parametrize("flags", [0, DEL_FOLDERS, DELETE_HARD_DELETE, DEL_FOLDERS | DELETE_HARD_DELETE])
@pytest.mark.parametrize("associated", [False, True])
async def test_messages_keep_a_folder(client: Client, own_mailbox: Mailbox, flags: int, associated: bool) -> None:
    parent = await open_special(client, own_mailbox, "inbox")
    folder_id = await make(own_mailbox, INBOX, "Own")
    await fill(own_mailbox, folder_id, 2, associated=associated)
    assert await delete_folder(client, parent, folder_id, flags) is True
    assert not await is_gone(client, folder_id)
    assert len(await subjects(own_mailbox, folder_id, associated=associated)) == 2
    assert await delete_folder(client, parent, folder_id, DEL_MESSAGES) is False
    assert await is_gone(client, folder_id)


@pytest.mark.spec("MS-OXCFOLD_R1079", "MS-OXCFOLD_R1080", "MS-OXCFOLD_R1081", "MS-OXCFOLD_R948", "MS-OXCFOLD_R408")
@pytest.mark.parametrize("flags", [0, DEL_MESSAGES, DELETE_HARD_DELETE, DEL_MESSAGES | DELETE_HARD_DELETE])
async def test_subfolders_keep_a_folder(client: Client, own_mailbox: Mailbox, flags: int) -> None:
    parent = await open_special(client, own_mailbox, "inbox")
    top = await make(own_mailbox, INBOX, "Top")
    below = await make(own_mailbox, top, "Below")
    assert await delete_folder(client, parent, top, flags) is True
    assert not await is_gone(client, top)
    assert not await is_gone(client, below)
    kept = await fill(own_mailbox, below)
    assert await delete_folder(client, parent, top, DEL_FOLDERS) is True  # with messages further down it stays as well
    await delete_messages(client, await open_folder(client, below), kept)
    assert await delete_folder(client, parent, top, DEL_FOLDERS) is False
    assert await is_gone(client, below)


@pytest.mark.spec("MS-OXCFOLD_R123402")
async def test_unknown_flags_are_ignored(client: Client, own_mailbox: Mailbox) -> None:
    parent = await open_special(client, own_mailbox, "inbox")
    for flags in (0x02, 0x08, 0x20, 0x40, 0x80, 0xEA):
        folder_id = await make(own_mailbox, INBOX, "Own")
        await fill(own_mailbox, folder_id)
        assert await delete_folder(client, parent, folder_id, flags) is True
        assert await delete_folder(client, parent, folder_id, flags | DEL_MESSAGES) is False


@pytest.mark.spec("MS-OXCFOLD_R504", "MS-OXCFOLD_R507", "MS-OXCFOLD_R509", "MS-OXCFOLD_R510", "MS-OXCFOLD_R2509")
@pytest.mark.spec("MS-OXCFOLD_R1235", "MS-OXCFOLD_R1236")
async def test_what_cannot_be_deleted(client: Client, own_mailbox: Mailbox) -> None:
    root = await open_special(client, own_mailbox, "root")
    rows = await own_mailbox.folders()

    async def error(index: int, folder_id: int, replica: int = 1) -> int:
        wrong = oid(folder_id)._replace(replica_id=replica)
        return await client.error("DeleteFolder", index, delete_folder_flags=HARD, folder_id=wrong)

    assert await error(root, 999_999) == 0x8004010F
    assert await error(root, (1 << 48) - 1) == 0x8004010F
    assert await error(root, INBOX, replica=2) == ErrorCode.NotFound
    assert await error(root, 0) == 0x80070057
    assert await error(root, 1) == 0x80040102
    assert await error(LOGON, INBOX) == 0x80040102
    await client.value("GetHierarchyTable", root, table_flags=0)
    assert await error(client.last, INBOX) == 0x80040102
    # Special folders stay.
    for row in rows:
        if row.special != "root":
            assert await error(root, row.folder_id) == ErrorCode.AccessDenied
    assert await own_mailbox.folders() == rows


@pytest.mark.spec("MS-OXCFOLD_R503", "MS-OXCFOLD_R2500", "MS-OXCFOLD_R405")
async def test_deleting_a_folder_takes_a_right(client: Client, own_mailbox: Mailbox) -> None:
    ann = await log_on_as(client, ANN)
    visible = Rights.FolderVisible | Rights.CreateSubFolder
    await grant(client, "inbox", ANN, visible)
    own = await make(own_mailbox, INBOX, "His")
    inbox = await folder(ann, "inbox")
    fields: dict[str, Any] = {"delete_folder_flags": HARD, "folder_id": oid(own)}
    assert await ann.error("DeleteFolder", inbox, **fields) == ErrorCode.NotFound  # she cannot see it
    hers = (await ann.value("CreateFolder", inbox, **creating("Hers"))).folder_id.counter
    his = (await client.value("CreateFolder", await open_folder(client, hers), **creating("His"))).folder_id.counter
    await modify(client, await open_folder(client, his), entry(ADD, dn=ANN.legacy_dn, rights=0x401), flags=2)
    fields = {"delete_folder_flags": HARD, "folder_id": oid(his)}
    assert await ann.error("DeleteFolder", inbox, **fields) == 0x80070005
    # What is in hers and not hers stays, and hers with it.
    assert await delete_folder(ann, inbox, hers, HARD) is True
    assert not await is_gone(client, hers)
    assert not await is_gone(client, his)
    assert await delete_folder(client, inbox, his, HARD) is False
    assert await delete_folder(ann, inbox, hers, EVERYTHING) is False
    assert await is_gone(client, hers)


# RopEmptyFolder and RopHardDeleteMessagesAndSubfolders


@pytest.mark.spec("MS-OXCFOLD_R225", "MS-OXCFOLD_R97502", "MS-OXCFOLD_R235", "MS-OXCFOLD_R238", "MS-OXCFOLD_R239")
@pytest.mark.spec("MS-OXCFOLD_R243", "MS-OXCFOLD_R43201", "MS-OXCFOLD_R43202", "MS-OXCFOLD_R1126")
@pytest.mark.spec("MS-OXCFOLD_R617", "MS-OXCFOLD_R618", "MS-OXCFOLD_R98302", "MS-OXCFOLD_R251", "MS-OXCFOLD_R256")
@pytest.mark.spec("MS-OXCFOLD_R257", "MS-OXCFOLD_R261", "MS-OXCFOLD_R1135", "MS-OXCFOLD_R1138")
@pytest.mark.spec("MS-OXCFOLD_R113801", "MS-OXCFOLD_R113804", "MS-OXCFOLD_R113805")
@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("associated", [False, True])
async def test_emptying(client: Client, own_mailbox: Mailbox, hard: bool, associated: bool) -> None:
    index = await open_special(client, own_mailbox, "inbox")
    below = await make(own_mailbox, INBOX, "Below")
    lower = await make(own_mailbox, below, "Lower")
    await fill(own_mailbox, INBOX, 4)
    await fill(own_mailbox, INBOX, 3, read=True)
    kept = await fill(own_mailbox, INBOX, 2, associated=True)
    await fill(own_mailbox, below, 1)
    await fill(own_mailbox, below, 1, associated=True)
    await fill(own_mailbox, lower, 1)
    assert await folder_counts(own_mailbox, INBOX) == (7, 4, 2)
    assert await empty(client, index, hard=hard, associated=associated) is False
    assert await folder_counts(own_mailbox, INBOX) == (0, 0, 0 if associated else 2)
    assert await own_mailbox.children(INBOX) == []
    assert await is_gone(client, below)
    assert await is_gone(client, lower)
    assert not await is_gone(client, INBOX)
    recoverable = await table_rows(own_mailbox, "deleted_message", "is_associated")
    gone = 9 if associated else 7
    assert len(recoverable) == (0 if hard else gone)
    row = await own_mailbox.folder(INBOX)
    assert row is not None
    assert row.deleted_count == gone
    left = {row[0] for row in await table_rows(own_mailbox, "message", "message_id")}
    if hard:
        assert left == (set() if associated else set(kept))
        assert len(await blob_counts(own_mailbox)) == (0 if associated else 4)
        assert len(await table_rows(own_mailbox, "folder")) == 27
    assert await empty(client, index, hard=hard, associated=associated) is False


@pytest.mark.spec("MS-OXCFOLD_R980", "MS-OXCFOLD_R1131", "MS-OXCFOLD_R2721", "MS-OXCFOLD_R113803")
@pytest.mark.parametrize("hard", [False, True])
async def test_what_stays_when_a_folder_is_emptied(client: Client, own_mailbox: Mailbox, hard: bool) -> None:
    subtree = await open_special(client, own_mailbox, "ipm_subtree")
    specials = [row.folder_id for row in await own_mailbox.children(4)]
    await make(own_mailbox, 4, "Own")
    assert await empty(client, subtree, hard=hard) is True
    assert [row.folder_id for row in await own_mailbox.children(4)] == specials
    # Ann may delete what she has written, of which there is nothing.
    ann = await log_on_as(client, ANN)
    await grant(client, "inbox", ANN, Rights.FolderVisible | Rights.DeleteOwned)
    await fill(own_mailbox, INBOX, 2)
    inbox = await folder(ann, "inbox")
    assert await empty(ann, inbox, hard=hard) is True
    assert await folder_counts(own_mailbox, INBOX) == (2, 2, 0)
    await grant(client, "inbox", ANN, Rights.FolderVisible | Rights.EditAny)
    name = "HardDeleteMessagesAndSubfolders" if hard else "EmptyFolder"
    fields: dict[str, Any] = {"want_asynchronous": False, "want_delete_associated": False}
    assert await ann.error(name, inbox, **fields) == ErrorCode.AccessDenied


@pytest.mark.spec("MS-OXCFOLD_R624", "MS-OXCFOLD_R625", "MS-OXCFOLD_R3012", "MS-OXCFOLD_R124802")
@pytest.mark.spec("MS-OXCFOLD_R124901", "MS-OXCFOLD_R629", "MS-OXCFOLD_R630")
@pytest.mark.parametrize("name", ["EmptyFolder", "HardDeleteMessagesAndSubfolders"])
async def test_what_cannot_be_emptied(client: Client, own_mailbox: Mailbox, name: str) -> None:
    root = await open_special(client, own_mailbox, "root")
    await client.value("CreateFolder", await open_special(client, own_mailbox, "search"), **creating("Found", kind=2))
    search = client.last
    await client.value("GetHierarchyTable", root, table_flags=0)
    table = client.last
    for index in (root, search, table, LOGON):
        fields = {"want_asynchronous": False, "want_delete_associated": True}
        assert await client.error(name, index, **fields) == 0x80040102


# RopDeleteMessages and RopHardDeleteMessages


@pytest.mark.spec("MS-OXCFOLD_R262", "MS-OXCFOLD_R98802", "MS-OXCFOLD_R271", "MS-OXCFOLD_R282", "MS-OXCFOLD_R1143")
@pytest.mark.spec("MS-OXCFOLD_R436", "MS-OXCFOLD_R991", "MS-OXCFOLD_R1147", "MS-OXCFOLD_R3006")
async def test_soft_deleted_messages_can_be_read_and_recovered(client: Client, own_mailbox: Mailbox) -> None:
    index = await open_special(client, own_mailbox, "inbox")
    ids = await fill(own_mailbox, INBOX, 5)
    blobs = await blob_counts(own_mailbox)
    row = await own_mailbox.folder(INBOX)
    assert row is not None
    assert await delete_messages(client, index, ids[:2]) is False
    assert await folder_counts(own_mailbox, INBOX) == (3, 3, 0)
    deleted = await table_rows(own_mailbox, "deleted_message", "message_id, folder_id, deleted > 0")
    assert deleted == [(ids[0], INBOX, 1), (ids[1], INBOX, 1)]
    assert await blob_counts(own_mailbox) == blobs  # they may come back
    assert await client.properties(index, tags.PidTagDeletedCountTotal, 0x66400003) == [2, 2]
    tombstones = await table_rows(own_mailbox, "tombstone", "folder_id, object_id, is_folder, change_number")
    assert [item[:3] for item in tombstones] == [(INBOX, ids[0], 0), (INBOX, ids[1], 0)]
    after = await own_mailbox.folder(INBOX)
    assert after is not None
    assert tombstones[0][3] == after.content_change_number > row.content_change_number
    assert after.local_commit_time > row.local_commit_time
    # Once more, with one that is there and one that never was.
    assert await delete_messages(client, index, [ids[0], ids[2], 999_999]) is True
    assert await folder_counts(own_mailbox, INBOX) == (2, 2, 0)
    assert await delete_messages(client, index, []) is False


@pytest.mark.spec("MS-OXCFOLD_R437", "MS-OXCFOLD_R99402", "MS-OXCFOLD_R293", "MS-OXCFOLD_R304", "MS-OXCFOLD_R997")
@pytest.mark.spec("MS-OXCFOLD_R1153", "MS-OXCFOLD_R1156", "MS-OXCFOLD_R115602")
async def test_hard_deleted_messages_are_gone(client: Client, own_mailbox: Mailbox) -> None:
    index = await open_special(client, own_mailbox, "inbox")
    ids = await fill(own_mailbox, INBOX, 4)
    await delete_messages(client, index, ids[:1])
    # Soft-deleted ones too; ids[0] and ids[1] are named twice, and one is in another folder.
    (elsewhere,) = await fill(own_mailbox, 8)
    assert await delete_messages(client, index, [*ids[:2], *ids[:2]], hard=True) is False
    assert await delete_messages(client, index, [ids[2], elsewhere, 999_999], hard=True) is True
    assert await folder_counts(own_mailbox, INBOX) == (1, 1, 0)
    assert await folder_counts(own_mailbox, 8) == (1, 1, 0)
    assert await table_rows(own_mailbox, "deleted_message") == []
    assert {row[0] for row in await table_rows(own_mailbox, "message_mime", "message_id")} == {ids[3], elsewhere}
    assert sum((await blob_counts(own_mailbox)).values()) == 4  # of two messages, a body and an original each
    assert await client.properties(index, tags.PidTagDeletedCountTotal, 0x66400003) == [3, 0]


@pytest.mark.spec("MS-OXCFOLD_R637", "MS-OXCFOLD_R638", "MS-OXCFOLD_R644", "MS-OXCFOLD_R645")
@pytest.mark.parametrize("name", ["DeleteMessages", "HardDeleteMessages"])
async def test_messages_are_deleted_from_folders_only(client: Client, own_mailbox: Mailbox, name: str) -> None:
    index = await open_special(client, own_mailbox, "inbox")
    ids = await fill(own_mailbox, INBOX, 1)
    await client.value("GetContentsTable", index, table_flags=0)
    fields: dict[str, Any] = {"want_asynchronous": False, "notify_non_read": False, "message_ids": [oid(ids[0])]}
    for wrong in (client.last, LOGON):
        assert await client.error(name, wrong, **fields) == 0x80040102
    assert await client.error(name, 250, **fields) == ErrorCode.NullObject
    await client.send(client.request("Release", index))
    assert await client.error(name, index, **fields) == ErrorCode.InvalidObject
    assert await folder_counts(own_mailbox, INBOX) == (1, 1, 0)


@pytest.mark.parametrize("hard", [False, True])
async def test_who_may_delete_own_messages(client: Client, own_mailbox: Mailbox, hard: bool) -> None:
    """DeleteOwned is about what the user has created, DeleteAny about everything."""
    ann = await log_on_as(client, ANN)
    visible = Rights.FolderVisible | Rights.Create
    await grant(client, "inbox", ANN, visible)
    inbox = await folder(ann, "inbox")
    his = await fill(own_mailbox, INBOX, 1)
    message: dict[str, Any] = {"code_page_id": 0x0FFF, "folder_id": oid(INBOX), "associated_flag": False}
    await ann.value("CreateMessage", **message)
    saved = await ann.value(
        "SaveChangesMessage", LOGON, input_handle_index=ann.last, save_flags=0, response_handle_index=LOGON
    )
    ids = [*his, saved.message_id.counter]
    name = "HardDeleteMessages" if hard else "DeleteMessages"
    fields: dict[str, Any] = {
        "want_asynchronous": False,
        "notify_non_read": False,
        "message_ids": [oid(item) for item in ids],
    }
    assert await ann.error(name, inbox, **fields) == ErrorCode.AccessDenied
    await grant(client, "inbox", ANN, visible | Rights.DeleteOwned)
    assert await delete_messages(ann, inbox, ids, hard=hard) is True
    assert await own_mailbox.message_ids(INBOX, associated=False) == his
    await grant(client, "inbox", ANN, visible | Rights.DeleteAny)
    assert await delete_messages(ann, inbox, his, hard=hard) is False


# In the background


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("DeleteMessages", {"notify_non_read": False}),
        ("HardDeleteMessages", {"notify_non_read": True}),
        ("EmptyFolder", {"want_delete_associated": False}),
        ("HardDeleteMessagesAndSubfolders", {"want_delete_associated": True}),
    ],
)
async def test_deleting_in_the_background(
    client: Client, own_mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, name: str, fields: dict[str, Any]
) -> None:
    monkeypatch.setattr(progress, "FIRST_ANSWER", 0.0)
    index = await open_special(client, own_mailbox, "inbox")
    ids = await fill(own_mailbox, INBOX, 450)
    if "notify_non_read" in fields:
        fields = fields | {"message_ids": [oid(item) for item in ids]}
    (response,) = await client.send(client.request(name, index, want_asynchronous=True, **fields))
    assert response.rop.name == "Progress"
    assert response.value.completed_task_count < 450
    for _ in range(100):
        (response,) = await client.send(client.request("Progress", index, want_cancel=False))
        if response.rop.name == name:
            break
        await asyncio.sleep(0)
    assert (response.rop.name, response.return_value, response.value.partial_completion) == (name, 0, False)
    assert await folder_counts(own_mailbox, INBOX) == (0, 0, 0)


async def test_an_aborted_deletion_tells_so(
    client: Client, own_mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "FIRST_ANSWER", 0.0)
    index = await open_special(client, own_mailbox, "inbox")
    await fill(own_mailbox, INBOX, 650)
    fields: dict[str, Any] = {"want_asynchronous": True, "want_delete_associated": True}
    await client.send(client.request("EmptyFolder", index, **fields))
    (response,) = await client.send(client.request("Progress", index, want_cancel=True))
    assert (response.rop.name, response.value.partial_completion) == ("EmptyFolder", True)
    left, _, _ = await folder_counts(own_mailbox, INBOX)
    assert left
