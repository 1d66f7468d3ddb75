"""Opening folders, their properties, and what leads to the special ones."""

from collections.abc import Sequence
from typing import Any

import pytest

from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.special_folders import ADDITIONAL_REN_ENTRY_IDS, ENTRY_ID_PROPERTIES, SPECIAL_FOLDERS
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import folder_entry_id
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.xid import Xid
from tests.emsmdb.client import LOGON, Client

LEADING = (
    *ENTRY_ID_PROPERTIES,
    tags.PidTagAdditionalRenEntryIds,
    tags.PidTagAdditionalRenEntryIdsEx,
    tags.PidTagFreeBusyEntryIds,
)


async def open_folder(client: Client, folder_id: int, parent: int = LOGON, mode: int = 0) -> int:
    await client.value("OpenFolder", parent, folder_id=ObjectId(1, folder_id), open_mode_flags=mode)
    return client.last


async def open_special(client: Client, mailbox: Mailbox, key: str) -> int:
    return await open_folder(client, (await mailbox.special_folder(key)).folder_id)


async def set_properties(client: Client, index: int, *wanted: tuple[int, Any]) -> list[tuple[int, int, int]]:
    """(index, tag, code) of each problem."""
    value = await client.value("SetProperties", index, property_values=wanted)
    return [(item.index, item.property_tag, item.error_code) for item in value.property_problems]


async def entry_ids(mailbox: Mailbox, keys: Sequence[str]) -> list[bytes]:
    folders = [await mailbox.special_folder(key) for key in keys]
    return [folder_entry_id(mailbox.guid, mailbox.replica_guid, row.folder_id) for row in folders]


# RopOpenFolder


@pytest.mark.spec("MS-OXCFOLD_R462")
@pytest.mark.spec("MS-OXCFOLD_R26")
@pytest.mark.spec("MS-OXCFOLD_R29")
@pytest.mark.spec("MS-OXCFOLD_R16")
async def test_every_folder_opens_from_the_logon_and_from_folders(client: Client, own_mailbox: Mailbox) -> None:
    index = LOGON
    for row in await own_mailbox.folders():
        index = await open_folder(client, row.folder_id, index)
        assert client.payloads[0][8:10] == b"\0\0"  # HasRules, IsGhosted; nothing about servers follows
        assert await client.properties(index, tags.PidTagDisplayName) == [row.name]


@pytest.mark.spec("MS-OXCFOLD_R465")
@pytest.mark.spec("MS-OXCFOLD_R46501")
@pytest.mark.spec("MS-OXCFOLD_R46507")
@pytest.mark.spec("MS-OXCFOLD_R22")
@pytest.mark.parametrize("mode", [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xFF])
async def test_open_mode_flags_are_ignored(client: Client, mode: int) -> None:
    await open_folder(client, 5, mode=mode)


@pytest.mark.spec("MS-OXCFOLD_R469")
@pytest.mark.spec("MS-OXCFOLD_R473")
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


# Properties


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
    size = inbox.content_size + inbox.associated_size
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
    fields = {"property_size_limit": 0, "want_unicode": 1}
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
