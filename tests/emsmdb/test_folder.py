"""Opening folders, their properties, and what leads to the special ones."""

from collections.abc import Sequence
from typing import Any

import pytest

from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.permissions import Rights
from mapigw.mailbox.special_folders import ADDITIONAL_REN_ENTRY_IDS, ENTRY_ID_PROPERTIES, SPECIAL_FOLDERS
from mapigw.store.folders import Folder, insert_folders
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import folder_entry_id
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.xid import Xid
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.delegates import ANN, grant, log_on_as
from tests.emsmdb.folders import open_folder, open_special

LEADING = (
    *ENTRY_ID_PROPERTIES,
    tags.PidTagAdditionalRenEntryIds,
    tags.PidTagAdditionalRenEntryIdsEx,
    tags.PidTagFreeBusyEntryIds,
)


async def set_properties(client: Client, index: int, *wanted: tuple[int, Any]) -> list[tuple[int, int, int]]:
    """(index, tag, code) of each problem."""
    value = await client.value("SetProperties", index, property_values=wanted)
    return [(item.index, item.property_tag, item.error_code) for item in value.property_problems]


async def entry_ids(mailbox: Mailbox, keys: Sequence[str]) -> list[bytes]:
    folders = [await mailbox.special_folder(key) for key in keys]
    return [folder_entry_id(mailbox.guid, mailbox.replica_guid, row.folder_id) for row in folders]


# RopOpenFolder


@pytest.mark.spec("MS-OXCFOLD_R462", "MS-OXCFOLD_R26", "MS-OXCFOLD_R29", "MS-OXCFOLD_R16", "MS-OXCFOLD_R90001")
@pytest.mark.spec("MS-OXCFOLD_R21", "MS-OXCFOLD_R909", "MS-OXCFOLD_R912", "MS-OXCFOLD_R915", "MS-OXCFOLD_R460")
@pytest.mark.spec("MS-OXCFOLD_R46202")
async def test_every_folder_opens_from_the_logon_and_from_folders(client: Client, own_mailbox: Mailbox) -> None:
    index = LOGON
    for row in await own_mailbox.folders():
        index = await open_folder(client, row.folder_id, index)
        # HasRules, IsGhosted; nothing about servers follows.
        assert client.payloads[0][:2] == b"\x0a\0"
        assert client.payloads[0][8:10] == b"\0\0"
        assert await client.properties(index, tags.PidTagDisplayName) == [row.name]


@pytest.mark.spec("MS-OXCFOLD_R465", "MS-OXCFOLD_R46501", "MS-OXCFOLD_R46502", "MS-OXCFOLD_R46503")
@pytest.mark.spec("MS-OXCFOLD_R46504", "MS-OXCFOLD_R46505", "MS-OXCFOLD_R46506", "MS-OXCFOLD_R46507", "MS-OXCFOLD_R22")
@pytest.mark.parametrize("mode", [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF])
async def test_open_mode_flags_are_ignored(client: Client, mode: int) -> None:
    await open_folder(client, 5, mode=mode)


@pytest.mark.spec("MS-OXCFOLD_R468", "MS-OXCFOLD_R469", "MS-OXCFOLD_R472", "MS-OXCFOLD_R473")
async def test_folders_that_do_not_open(client: Client, own_mailbox: Mailbox) -> None:
    for wrong in (ObjectId(1, 0), ObjectId(1, 999_999), ObjectId(2, 5), ObjectId(0, 5)):
        assert await client.error("OpenFolder", folder_id=wrong, open_mode_flags=0) == 0x8004010F  # NotFound
        assert client.handles[client.last] == 0xFFFFFFFF
    index = await open_folder(client, 5)
    await client.value("GetHierarchyTable", index, table_flags=0)
    table = client.last
    code = await client.error("OpenFolder", table, folder_id=ObjectId(1, 5), open_mode_flags=0)
    assert code == 0x80040102  # NotSupported
    assert await client.error("OpenFolder", 250, folder_id=ObjectId(1, 5), open_mode_flags=0) == ErrorCode.NullObject


@pytest.mark.spec("MS-OXCFOLD_R394", "MS-OXCFOLD_R462", "MS-OXCFOLD_R46202", "MS-OXCFOLD_R469")
async def test_opening_takes_a_right(client: Client, own_mailbox: Mailbox) -> None:
    """Who may not see a folder is not told that there is one."""
    ann = await log_on_as(client, ANN)
    opening: dict[str, Any] = {"folder_id": ObjectId(1, 5), "open_mode_flags": 0}
    assert await ann.error("OpenFolder", **opening) == 0x8004010F
    await grant(client, "inbox", ANN, Rights.Create | Rights.EditOwned)
    assert await ann.error("OpenFolder", **opening) == 0x8004010F
    for rights in (Rights.FolderVisible, Rights.ReadAny, Rights.FolderOwner):
        await grant(client, "inbox", ANN, rights)
        await ann.value("OpenFolder", **opening)


@pytest.mark.spec("MS-OXCFOLD_R397")
async def test_a_folder_that_a_table_shows_opens(client: Client, own_mailbox: Mailbox) -> None:
    subtree = await open_special(client, own_mailbox, "ipm_subtree")
    await client.value("GetHierarchyTable", subtree, table_flags=0)
    table, columns = client.last, (tags.PidTagFolderId, tags.PidTagDisplayName)
    await client.value("SetColumns", table, set_columns_flags=0, property_tags=list(columns))
    found = await client.value("QueryRows", table, columns, query_rows_flags=0, forward_read=True, row_count=50)
    assert len(found.row_data) > 10
    for folder_id, name in found.row_data:
        index = await open_folder(client, ObjectId.from_integer(folder_id).counter)
        assert await client.properties(index, tags.PidTagDisplayName) == [name]


@pytest.mark.spec("MS-OXCFOLD_R25001", "MS-OXCFOLD_R1035110", "MS-OXCFOLD_R1035111")
async def test_rules_are_not_told_of_on_opening(client: Client, own_mailbox: Mailbox, mailboxes: Mailboxes) -> None:
    """The properties do (MS-OXCFOLD 2.2.2.2.1.5)."""
    columns = (tags.PidTagFolderFlags, tags.PidTagHasRules)
    index = await open_special(client, own_mailbox, "inbox")
    assert await client.properties(index, *columns) == [0x5, False]
    async with mailboxes.database.write() as connection:
        await connection.exec_driver_sql("INSERT INTO rule VALUES (?, 5, 1, 10, x'', x'')", (own_mailbox.mailbox_id,))
    index = await open_special(client, own_mailbox, "inbox")
    assert client.payloads[0][8:10] == b"\0\0"
    assert await client.properties(index, *columns) == [0xD, True]


# Properties


@pytest.mark.spec("MS-OXCFOLD_R10353", "MS-OXCFOLD_R354", "MS-OXCFOLD_R10354", "MS-OXPROPS_R7009")
@pytest.mark.spec("MS-OXCFOLD_R10345")
@pytest.mark.spec("MS-OXCFOLD_R346")
@pytest.mark.spec("MS-OXCFOLD_R10347")
@pytest.mark.spec("MS-OXCFOLD_R10351")
@pytest.mark.spec("MS-OXCFOLD_R10027")
@pytest.mark.spec("MS-OXCFOLD_R1029")
@pytest.mark.spec("MS-OXCFOLD_R811")
@pytest.mark.spec("MS-OXCFOLD_R1035103")
@pytest.mark.spec("MS-OXCFOLD_R1035107")
async def test_what_a_folder_tells_of_itself(client: Client, own_mailbox: Mailbox) -> None:
    inbox = await own_mailbox.special_folder("inbox")
    empty = Message({tags.PidTagSubject: "x"})
    await own_mailbox.append(
        inbox.folder_id,
        [NewMessage(empty), NewMessage(empty, is_read=True), NewMessage(empty, is_associated=True)],
    )
    inbox = await own_mailbox.special_folder("inbox")
    index = await open_folder(client, inbox.folder_id)
    replica = own_mailbox.replica_guid
    (own_id,) = await entry_ids(own_mailbox, ["inbox"])
    (parent_id,) = await entry_ids(own_mailbox, ["ipm_subtree"])
    rows = await own_mailbox.messages(5, [*await own_mailbox.message_ids(5, associated=False)])
    size = sum(row.size for row in rows.values()) + inbox.associated_size
    assert tags.PidTagMessageSizeExtended & 0xFFFF == 0x0014
    expected = {
        tags.PidTagMessageSize: size,
        tags.PidTagMessageSizeExtended: size,  # the same id, another type
        tags.PidTagDisplayName: "Inbox",
        tags.PidTagContainerClass: "IPF.Note",
        tags.PidTagContentCount: 2,
        tags.PidTagContentUnreadCount: 1,
        tags.PidTagAssociatedContentCount: 1,
        tags.PidTagFolderId: 0x0500_0000_0000_0001,
        tags.PidTagParentFolderId: 0x0400_0000_0000_0001,
        tags.PidTagFolderType: 1,
        tags.PidTagFolderFlags: 5,  # IPM and NORMAL, as Exchange has it on its Inbox
        tags.PidTagSubfolders: False,
        tags.PidTagEntryId: own_id,
        tags.PidTagRecordKey: own_id,
        tags.PidTagParentEntryId: parent_id,
        tags.PidTagSourceKey: replica.bytes_le + b"\0\0\0\0\0\x05",
        tags.PidTagParentSourceKey: replica.bytes_le + b"\0\0\0\0\0\x04",
        tags.PidTagChangeKey: Xid.gid(replica, inbox.change_number).build(),
        tags.PidTagRights: 0x7FB,
        tags.PidTagLocalCommitTimeMax: inbox.local_commit_time,
        tags.PidTagObjectType: 3,
    }
    assert len(own_id) == 46
    assert await client.properties(index, *expected) == list(expected.values())


@pytest.mark.spec("MS-OXCFOLD_R810")
async def test_the_root_and_the_subtree_always_have_subfolders(client: Client, own_mailbox: Mailbox) -> None:
    for key, folder_type, flags in (("root", 0, 4), ("ipm_subtree", 1, 5)):
        index = await open_special(client, own_mailbox, key)
        row = await client.properties(
            index, tags.PidTagSubfolders, tags.PidTagFolderType, tags.PidTagFolderFlags, tags.PidTagParentSourceKey
        )
        assert row[:3] == [True, folder_type, flags]
        assert bool(row[3]) == (key != "root")


async def test_a_calendar_opened_from_another_mailbox_stays_full(client: Client, own_mailbox: Mailbox) -> None:
    """Symptom: it loads, then empties, 80040803-30141506. Neither the value nor the tag is there."""
    calendar = await open_special(client, own_mailbox, "calendar")
    tag = tags.PidTagParentSourceKey
    assert await client.properties(calendar, tag) == [ErrorCode.NotFound]
    assert tag not in (await client.value("GetPropertiesList", calendar)).property_tags
    everything = await client.value("GetPropertiesAll", calendar, property_size_limit=0, want_unicode=1)
    assert tag not in dict(everything.property_values)
    contacts = await open_special(client, own_mailbox, "contacts")
    assert tag in (await client.value("GetPropertiesList", contacts)).property_tags


@pytest.mark.spec("MS-OXCPRPT_R846")
@pytest.mark.spec("MS-OXCPRPT_R475")
@pytest.mark.spec("MS-OXCPRPT_R10202")
async def test_what_is_set_on_a_folder_is_there_for_everybody(
    client: Client, own_mailbox: Mailbox, mailboxes: Mailboxes
) -> None:
    """The OST id is 20 bytes; 0x36DA0102 holds records that nobody but Outlook knows."""
    flags = bytes.fromhex("010400001000060403000000")
    ost_id = bytes.fromhex("3bccd33e05e40d41a4e87c7d9d249ff501000000")
    index = await open_special(client, own_mailbox, "ipm_subtree")
    before = await own_mailbox.special_folder("ipm_subtree")
    wanted = [
        (0x7C040102, ost_id),
        (0x36DA0102, flags),
        (tags.PidTagComment & ~0xFFFF | 0x1E, "Größe".encode("cp1252")),
    ]
    assert await set_properties(client, index, *wanted) == []
    elsewhere = await Mailboxes(mailboxes.database).open(own_mailbox.mailbox_id)
    row = await elsewhere.special_folder("ipm_subtree")
    assert row.change_number > before.change_number
    again = await open_special(client, own_mailbox, "ipm_subtree")
    assert await client.properties(again, 0x7C040102, 0x36DA0102, tags.PidTagComment) == [ost_id, flags, "Größe"]


@pytest.mark.spec("MS-OXCPRPT_R47505")
@pytest.mark.spec("MS-OXCPRPT_R47506")
@pytest.mark.spec("MS-OXCPRPT_R10801")
@pytest.mark.spec("MS-OXCFOLD_R1039")
async def test_what_cannot_be_set_comes_back_under_its_index(client: Client, own_mailbox: Mailbox) -> None:
    subtree = await own_mailbox.special_folder("ipm_subtree")
    await own_mailbox.create_folder(subtree.folder_id, "Taken")
    own = await own_mailbox.create_folder(subtree.folder_id, "Own")
    index = await open_folder(client, own.folder_id)
    display_name8 = tags.PidTagDisplayName & ~0xFFFF | 0x1E
    assert await set_properties(
        client,
        index,
        (tags.PidTagEntryId, b"x"),
        (tags.PidTagComment, "kept"),
        (display_name8, b"TAKEN"),
        (tags.PidTagContentCount & ~0xFFFF | 0x14, 7),
        (0xFFF0001F, "never registered"),
        (tags.PidTagContainerClass & ~0xFFFF | 0x03, 7),
        (0x7C05000A, 1),
    ) == [
        (0, tags.PidTagEntryId, ErrorCode.ComputedValue),
        (2, display_name8, ErrorCode.CollidingNames),
        (3, tags.PidTagContentCount & ~0xFFFF | 0x14, ErrorCode.ComputedValue),
        (4, 0xFFF0001F, ErrorCode.NotFound),
        (5, tags.PidTagContainerClass & ~0xFFFF | 0x03, ErrorCode.UnexpectedType),
        (6, 0x7C05000A, ErrorCode.InvalidParameter),
    ]
    assert await client.properties(index, tags.PidTagComment, tags.PidTagDisplayName) == ["kept", "Own"]
    listed = (await client.value("GetPropertiesList", index)).property_tags
    assert {tag for tag in listed if tag >> 16 in {0x3001, 0x3602, 0x3613}} == {
        tags.PidTagDisplayName,
        tags.PidTagContentCount,
        tags.PidTagContainerClass,
    }


async def test_renaming(client: Client, own_mailbox: Mailbox) -> None:
    own = await own_mailbox.create_folder(4, "Own")
    index = await open_folder(client, own.folder_id)
    assert await set_properties(client, index, (tags.PidTagDisplayName, "OWN")) == []
    assert await client.properties(index, tags.PidTagDisplayName) == ["OWN"]
    assert await set_properties(client, index, (tags.PidTagDisplayName, "")) == [
        (0, tags.PidTagDisplayName, ErrorCode.InvalidParameter)
    ]
    inbox = await open_special(client, own_mailbox, "inbox")
    assert await set_properties(client, inbox, (tags.PidTagDisplayName, "Inbox")) == []
    assert await set_properties(client, inbox, (tags.PidTagDisplayName, "Post")) == [
        (0, tags.PidTagDisplayName, ErrorCode.AccessDenied)
    ]


async def test_a_property_has_one_type(client: Client, own_mailbox: Mailbox) -> None:
    index = await open_special(client, own_mailbox, "drafts")
    assert await set_properties(client, index, (0x7C06001F, "text"), (0x7C060003, 5)) == []
    assert await client.properties(index, 0x7C06001F, 0x7C060003) == [ErrorCode.NotFound, 5]


async def test_a_folder_that_is_gone(client: Client, own_mailbox: Mailbox, mailboxes: Mailboxes) -> None:
    own = await own_mailbox.create_folder(4, "Own")
    index = await open_folder(client, own.folder_id)
    async with mailboxes.database.write() as connection:
        await connection.exec_driver_sql("DELETE FROM folder WHERE folder_id = ?", (own.folder_id,))
    fields: dict[str, Any] = {"property_size_limit": 0, "want_unicode": 1}
    assert await client.error("GetPropertiesAll", index, **fields) == ErrorCode.ObjectDeleted
    assert await client.error("GetHierarchyTable", index, table_flags=0) == ErrorCode.ObjectDeleted
    assert await client.error("SetProperties", index, property_values=[(0x7C06001F, "x")]) == ErrorCode.ObjectDeleted


# What leads to the special folders (MS-OXOSFLD 2.2)


async def test_default_folder_ids_are_the_same_everywhere(client: Client, own_mailbox: Mailbox) -> None:
    """Root, Inbox and Logon, one by one and all together; nowhere else."""
    values = []
    for index in (
        LOGON,
        await open_special(client, own_mailbox, "root"),
        await open_special(client, own_mailbox, "inbox"),
    ):
        everything = await client.value("GetPropertiesAll", index, property_size_limit=0, want_unicode=1)
        by_tag = dict(everything.property_values)
        listed = (await client.value("GetPropertiesList", index)).property_tags
        assert set(LEADING) <= set(listed)
        row = await client.properties(index, *LEADING)
        assert row == [by_tag[tag] for tag in LEADING]
        values.append(row)
    assert values[0] == values[1] == values[2]
    by_tag = dict(zip(LEADING, values[0], strict=True))
    assert [by_tag[tag] for tag in ENTRY_ID_PROPERTIES] == await entry_ids(
        own_mailbox, list(ENTRY_ID_PROPERTIES.values())
    )
    assert by_tag[tags.PidTagAdditionalRenEntryIds] == await entry_ids(own_mailbox, ADDITIONAL_REN_ENTRY_IDS)
    (freebusy,) = await entry_ids(own_mailbox, ["freebusy_data"])
    assert by_tag[tags.PidTagFreeBusyEntryIds][3:] == [freebusy]
    for item in SPECIAL_FOLDERS:
        if item.key not in {"root", "inbox"}:
            index = await open_special(client, own_mailbox, item.key)
            assert set(await client.properties(index, *LEADING)) == {ErrorCode.NotFound}


@pytest.mark.parametrize("target", ["root", "inbox", "logon"])
async def test_the_junk_folder_survives_what_outlook_writes(client: Client, own_mailbox: Mailbox, target: str) -> None:
    """Outlook writes PidTagAdditionalRenEntryIds to Root or Inbox, with slots empty or left out; a sixth is its own."""
    index = LOGON if target == "logon" else await open_special(client, own_mailbox, target)
    inbox = await open_special(client, own_mailbox, "inbox")
    tag = tags.PidTagAdditionalRenEntryIds
    known = await entry_ids(own_mailbox, ADDITIONAL_REN_ENTRY_IDS)
    before = await own_mailbox.special_folder("inbox")
    for written, expected in (
        ([b"new", b""], [b"new", *known[1:]]),
        ([b"", b"two", b"", b"four"], [b"new", b"two", known[2], b"four", known[4]]),
        ([b"", b"", b"", b"", b"", b"stamp"], [b"new", b"two", known[2], b"four", known[4], b"stamp"]),
        ([], [b"new", b"two", known[2], b"four", known[4], b"stamp"]),
        ([b"", b"", b"", b"", b"junk"], [b"new", b"two", known[2], b"four", b"junk", b"stamp"]),
    ):
        assert await set_properties(client, index, (tag, written)) == []
        assert await client.properties(inbox, tag) == [expected]
        assert await client.properties(LOGON, tag) == [expected]
    # The Inbox's folderChange brings it down: its change number is a new one, and the root's is not.
    assert (await own_mailbox.special_folder("inbox")).change_number > before.change_number
    root = await own_mailbox.special_folder("root")
    assert root.change_number == len(SPECIAL_FOLDERS) + root.folder_id
    assert await set_properties(client, index, (tag & ~0xFFFF | 0x0102, b"x")) == [
        (0, tag & ~0xFFFF | 0x0102, ErrorCode.UnexpectedType)
    ]


async def test_what_a_client_writes_wins(client: Client, own_mailbox: Mailbox) -> None:
    root = await open_special(client, own_mailbox, "root")
    wanted = [
        (tags.PidTagIpmDraftsEntryId, b"d" * 46),
        (tags.PidTagFreeBusyEntryIds, [b"", b"f" * 70, b"", b"g" * 46]),
        (tags.PidTagAdditionalRenEntryIdsEx, b"\x04\x80\x06\x00\x01\x00\x02\x00ab\x00\x00\x00\x00"),
    ]
    assert await set_properties(client, root, *wanted) == []
    for index in (LOGON, root, await open_special(client, own_mailbox, "inbox")):
        assert await client.properties(index, *[tag for tag, _ in wanted]) == [value for _, value in wanted]


# What is set without telling, deleted, too large, or not allowed


async def test_what_is_not_replicated_changes_no_change_number(client: Client, own_mailbox: Mailbox) -> None:
    index = await open_special(client, own_mailbox, "drafts")
    before = await own_mailbox.special_folder("drafts")
    values = [(tags.PidTagComment, "silent"), (0x7C07001F, "too")]
    await client.value("SetPropertiesNoReplicate", index, property_values=values)
    assert await client.properties(index, tags.PidTagComment, 0x7C07001F) == ["silent", "too"]
    await client.value("DeletePropertiesNoReplicate", index, property_tags=[0x7C07001F])
    assert await client.properties(index, tags.PidTagComment, 0x7C07001F) == ["silent", ErrorCode.NotFound]
    after = await own_mailbox.special_folder("drafts")
    assert (after.change_number, after.modified) == (before.change_number, before.modified)
    await client.value("DeleteProperties", index, property_tags=[tags.PidTagComment])
    assert (await own_mailbox.special_folder("drafts")).change_number > before.change_number


async def test_deleting_properties(client: Client, own_mailbox: Mailbox) -> None:
    own = await own_mailbox.create_folder(4, "Own", "IPF.Note")
    index = await open_folder(client, own.folder_id)
    await set_properties(client, index, (0x7C07001F, "x"), (tags.PidTagComment, "y"))
    wanted = [tags.PidTagEntryId, 0x7C070003, tags.PidTagDisplayName, tags.PidTagContainerClass, 0x7C080003]
    value = await client.value("DeleteProperties", index, property_tags=wanted)
    assert [(item.index, item.property_tag, item.error_code) for item in value.property_problems] == [
        (0, tags.PidTagEntryId, ErrorCode.ComputedValue),
        (2, tags.PidTagDisplayName, ErrorCode.AccessDenied),
    ]
    columns = (0x7C07001F, tags.PidTagComment, tags.PidTagContainerClass, tags.PidTagDisplayName)
    assert await client.properties(index, *columns) == [ErrorCode.NotFound, "y", ErrorCode.NotFound, "Own"]


async def test_what_leads_to_the_special_folders_cannot_be_lost(client: Client, own_mailbox: Mailbox) -> None:
    """What a client has written there it can delete: then it is again what the server fills in."""
    root = await open_special(client, own_mailbox, "root")
    (known,) = await client.properties(root, tags.PidTagIpmDraftsEntryId)
    await set_properties(client, root, (tags.PidTagIpmDraftsEntryId, b"d" * 46))
    value = await client.value("DeleteProperties", root, property_tags=[tags.PidTagIpmDraftsEntryId])
    assert value.property_problems == []
    assert await client.properties(LOGON, tags.PidTagIpmDraftsEntryId) == [known]


async def test_a_folder_holds_no_large_properties(client: Client, own_mailbox: Mailbox) -> None:
    """Whoever lists folders reads all that is set on them."""
    index = await open_special(client, own_mailbox, "drafts")
    tag = 0x7C090102
    for number in range(20):
        problems = await set_properties(client, index, (tag + (number << 16), bytes(20_000)))
        assert problems in ([], [(0, tag + (number << 16), ErrorCode.TooBig)])
    stored = len((await own_mailbox.special_folder("drafts")).properties)
    assert 100_000 < stored <= 1 << 17
    long = "x" * 256
    assert await set_properties(client, index, (tags.PidTagDisplayName, "x")) == [
        (0, tags.PidTagDisplayName, ErrorCode.AccessDenied)
    ]
    own = await open_folder(client, (await own_mailbox.create_folder(4, "Own")).folder_id)
    assert await set_properties(client, own, (tags.PidTagDisplayName, long)) == [
        (0, tags.PidTagDisplayName, ErrorCode.StringTooLong)
    ]


async def test_who_may_change_a_folder(client: Client, own_mailbox: Mailbox) -> None:
    """PidTagRights, PidTagAccess and PidTagAccessLevel say what is so."""
    ann = await log_on_as(client, ANN)
    columns = (tags.PidTagRights, tags.PidTagAccess, tags.PidTagAccessLevel)
    everything = [0x7FB, 0x3F, 1]
    assert await client.properties(await open_special(client, own_mailbox, "inbox"), *columns) == everything
    await grant(client, "inbox", ANN, Rights.ReadAny | Rights.Create | Rights.CreateSubFolder)
    index = await open_folder(ann, 5)
    assert await ann.properties(index, *columns) == [0x483, 0x3A, 0]
    values = [(tags.PidTagComment, "hers")]
    assert await ann.error("SetProperties", index, property_values=values) == ErrorCode.AccessDenied
    assert await ann.error("DeleteProperties", index, property_tags=[tags.PidTagComment]) == ErrorCode.AccessDenied
    await grant(client, "inbox", ANN, Rights.FolderOwner)
    assert await ann.properties(index, *columns) == [0x500, 0x07, 1]
    await ann.value("SetProperties", index, property_values=values)
    # In a table the same.
    await grant(client, "ipm_subtree", ANN, Rights.FolderVisible)
    await ann.value("GetHierarchyTable", await open_folder(ann, 4), table_flags=0)
    table, shown = ann.last, (tags.PidTagFolderId, *columns)
    await ann.value("SetColumns", table, set_columns_flags=0, property_tags=list(shown))
    found = await ann.value("QueryRows", table, shown, query_rows_flags=0, forward_read=True, row_count=50)
    assert [ObjectId(1, 5).to_integer(), 0x500, 0x07, 1] in found.row_data


async def test_one_folder_costs_the_same_among_1000(
    client: Client, own_mailbox: Mailbox, mailboxes: Mailboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = await open_special(client, own_mailbox, "drafts")
    rows = [Folder.new(1000 + number, 4, f"{number}", change_number=1, created=1) for number in range(1000)]
    async with mailboxes.database.write() as connection:
        await insert_folders(connection, own_mailbox.mailbox_id, rows)
    made: list[int] = []
    monkeypatch.setattr(Folder, "__init__", counted(Folder.__init__, made))
    assert await client.properties(index, tags.PidTagSubfolders, tags.PidTagFolderFlags) == [False, 5]
    assert len(made) <= 4  # itself, twice, and those above it


def counted(function: Any, made: list[int]) -> Any:
    def wrapper(*arguments: Any, **fields: Any) -> None:
        made.append(1)
        function(*arguments, **fields)

    return wrapper
