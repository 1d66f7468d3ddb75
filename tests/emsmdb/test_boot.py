"""How Outlook 16 makes a cached profile, request by request: same ROPs, flags, tags and sizes; recorded bytes where
there are some."""

import struct
from typing import Any

from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.special_folders import SPECIAL_FOLDERS
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import folder_entry_id
from mapigw.wire.fasttransfer import Marker, MetaTagCnsetSeen, MetaTagIdsetGiven
from mapigw.wire.fasttransfer_stream import Lexeme, Property
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.captures import outlook_boot
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.test_fasttransfer import download, state_of, upload

OST_ID = 0x7C040102
STORE_FIRST = (
    0x661C001F,
    0x661B0102,
    0x30090003,
    0x66190102,
    0x66310102,
    0x341D001F,
    0x341E0102,
    0x341F0102,
    0x0E5C000B,
    0x346F0003,
    0x67070102,
)
STORE_AGAIN = (0x0E5C000B, 0x30090003, 0x66190102, 0x661B0102, 0x661C001F, 0x0EA00048, 0x66310102)
HIERARCHY_EXCLUDED = (
    0x36010003,
    0x36020003,
    0x36030003,
    0x0E080003,
    0x0FF40003,
    0x3FE00102,
    0x3FE10102,
    0x0E270102,
)
CONTENTS_EXCLUDED = (
    0x1000001F,
    0x10060003,
    0x10070003,
    0x1008001F,
    0x10100003,
    0x10110003,
    0x3FF8001F,
    0x3FF90102,
    0x300F0102,
)
INBOX = (
    *(0x67490014, 0x0FF40003, 0x66720102, 0x36E5001F, 0x36E6001F, 0x3001001F, 0x36020003, 0x36030003, 0x360A000B),
    *(0x3613001F, 0x36160102, 0x36D00102, 0x36D10102, 0x36D20102, 0x36D30102, 0x36D40102, 0x36D50102, 0x36D60102),
    *(0x36D70102, 0x36D81102, 0x36D90102, 0x36DE0003, 0x36DF0102, 0x36E00102, 0x36E10003, 0x36E41102, 0x36EB0102),
    *(0x66390003, 0x36DA0102, 0x30180102, 0x301E0003, 0x36DA0102),
)
INBOX_ABSENT = {
    0x36D50102,  # the reminders folder, which Outlook makes itself
    *(0x66720102, 0x36E5001F, 0x36E6001F, 0x36160102, 0x36D60102, 0x36DE0003, 0x36DF0102, 0x36E00102, 0x36E10003),
    *(0x36EB0102, 0x36DA0102, 0x30180102, 0x301E0003),
}
CACHED = (
    *("ipm_subtree", "inbox", "drafts", "contacts", "calendar", "journal", "notes", "tasks", "sent_items"),
    *("deleted_items", "common_views"),
)


async def synchronize(
    client: Client, folder_id: int, state: dict[int, bytes], *, hierarchy: bool = False, flags: int = 0xA139
) -> list[Lexeme]:
    """One synchronization with Outlook's parameters; ``state`` becomes the new one."""
    await client.value("OpenFolder", folder_id=ObjectId(1, folder_id), open_mode_flags=0)
    folder = client.last
    await client.value(
        "SynchronizationConfigure",
        folder,
        synchronization_type=2 if hierarchy else 1,
        send_options=0x09 if hierarchy else 0x1D,
        synchronization_flags=0x0101 if hierarchy else flags,
        restriction_data=None,
        synchronization_extra_flags=0x01 if hierarchy else 0x0D,
        property_tags=list(HIERARCHY_EXCLUDED if hierarchy else CONTENTS_EXCLUDED),
    )
    context = client.last
    order = (0x40170003, 0x67960102) if hierarchy else (0x40170003, 0x67960102, 0x67DA0102, 0x67D20102)
    await upload(client, context, [(tag, state.get(tag, b"")) for tag in order])
    found = await download(client, context)
    state.update(state_of(found))
    assert not await client.send(client.request("Release", context), client.request("Release", folder))
    return found


def values_of(found: list[Lexeme], tag: int) -> list[Any]:
    return [item.value for item in found if isinstance(item, Property) and item.tag == tag]


async def test_a_new_profile(client: Client, own_mailbox: Mailbox) -> None:
    replica = own_mailbox.replica_guid.bytes_le
    special = {row.special: row for row in await own_mailbox.folders()}
    normal = [NewMessage(Message({tags.PidTagSubject: f"mail {number}"})) for number in range(12)]
    await own_mailbox.append(special["inbox"].folder_id, normal)
    view = NewMessage(Message({tags.PidTagMessageClass: "IPM.Microsoft.FolderDesign.NamedView"}), is_associated=True)
    await own_mailbox.append(special["common_views"].folder_id, [view])

    # 3. The replica map: one pair of REPLID and GUID.
    (response,) = await client.replay(outlook_boot("replid_request"), LOGON)
    assert response.value.row_data == [b"\x01\x00" + replica]

    # 4. Two named properties, made on demand.
    (response,) = await client.replay(outlook_boot("named_property_request"), LOGON)
    assert len(set(response.value.property_ids) - {0}) == 2

    # 5. The IPM subtree, in the same buffer the id of the OST, which is not there yet; then it is written.
    opened, read = await client.replay(outlook_boot("ipm_subtree_property_request"), LOGON, -1)
    assert (opened.return_value, read.return_value) == (0, 0)
    assert read.value.row_data == [ErrorCode.NotFound]
    (response,) = await client.replay(outlook_boot("folder_set_properties_request"), 1)
    assert (response.return_value, response.value.property_problems) == (0, [])
    subtree = await own_mailbox.special_folder("ipm_subtree")
    assert await client.properties(1, OST_ID) == [bytes.fromhex("3bccd33e05e40d41a4e87c7d9d249ff501000000")]

    # 6. 65,536 ids, and the receive folder of the empty class; a release before each.
    (response,) = await client.replay(outlook_boot("release_and_local_replica_ids_request"), 1, LOGON)
    assert (response.value.repl_guid, response.handle_index) == (own_mailbox.replica_guid, 1)
    assert client.handles[1] == 0x01FFFFFE
    assert response.value.global_count > subtree.change_number
    (response,) = await client.replay(outlook_boot("release_and_receive_folder_request"), 1, LOGON)
    inbox_id = special["inbox"].folder_id
    assert (response.value.folder_id, response.value.explicit_message_class) == (ObjectId(1, inbox_id), b"")

    # 7. Address types; the store's properties, twice.
    (response,) = await client.replay(outlook_boot("address_types_request"), LOGON)
    assert response.return_value == 0
    first = dict(zip(STORE_FIRST, await client.properties(LOGON, *STORE_FIRST, want_unicode=0), strict=True))
    assert {tag for tag, value in first.items() if value is ErrorCode.NotFound} >= {0x341D001F, 0x341E0102, 0x346F0003}
    assert (first[0x661C001F], first[0x30090003]) == ("Tom", 0)
    again = dict(zip(STORE_AGAIN, await client.properties(LOGON, *STORE_AGAIN, want_unicode=0), strict=True))
    assert all(first[tag] == again[tag] for tag in first.keys() & again.keys())
    assert again[0x0EA00048] is ErrorCode.NotFound
    assert await client.properties(LOGON, 0x666D0003) == [153_600]

    # 8. The hierarchy of the IPM subtree.
    hierarchy: dict[int, bytes] = {}
    found = await synchronize(client, subtree.folder_id, hierarchy, hierarchy=True)
    below = {item.name for item in SPECIAL_FOLDERS if item.parent in {"ipm_subtree", "sync_issues"}}
    assert set(values_of(found, tags.PidTagDisplayName)) == below
    assert not any(values_of(found, tag) for tag in HIERARCHY_EXCLUDED)
    assert list(hierarchy) == [MetaTagCnsetSeen, MetaTagIdsetGiven]
    (conflicts, *_) = values_of(found, tags.PidTagAdditionalRenEntryIds)[0]
    guid = own_mailbox.guid
    assert conflicts == folder_entry_id(guid, own_mailbox.replica_guid, special["conflicts"].folder_id)

    # 9. The Inbox.
    await client.value("OpenFolder", folder_id=ObjectId(1, inbox_id), open_mode_flags=0)
    row = dict(zip(INBOX, await client.properties(client.last, *INBOX, want_unicode=0), strict=True))
    assert len(INBOX) == 32
    assert {tag for tag, value in row.items() if value is ErrorCode.NotFound} == INBOX_ABSENT
    assert (row[0x3001001F], row[0x36020003], row[0x36030003], row[0x66390003]) == ("Inbox", 12, 12, 0x7FB)
    await client.value("OpenFolder", folder_id=ObjectId(1, special["calendar"].folder_id), open_mode_flags=0)
    assert await client.properties(client.last, 0x3001001F, 0x3613001F) == ["Calendar", "IPF.Appointment"]

    # 10. The contents of each folder; a second time nothing comes.
    received = {}
    for key in CACHED:
        contents: dict[int, bytes] = {}
        found = await synchronize(client, special[key].folder_id, contents)
        received[key] = found.count(Marker.IncrSyncChg)
        (total,) = [item.value for item in found[1:2] if isinstance(item, Property)]
        _, _, _, _, normal_count, _ = struct.unpack_from("<HHIQIQ", total + bytes(8))
        assert normal_count == (12 if key == "inbox" else 0)
        assert not any(values_of(found, tag) for tag in CONTENTS_EXCLUDED[1:])
        before = dict(contents)
        second = await synchronize(client, special[key].folder_id, contents)
        assert Marker.IncrSyncChg not in second
        assert contents == before
    assert received == {**dict.fromkeys(CACHED, 0), "inbox": 12, "common_views": 1}
    for key in ("calendar", "deleted_items"):  # FAI only
        assert Marker.IncrSyncChg not in await synchronize(client, special[key].folder_id, {}, flags=0xA111)

    # 11. The hierarchy of the root has what is beside the IPM subtree as well.
    found = await synchronize(client, special["root"].folder_id, {}, hierarchy=True)
    assert set(values_of(found, tags.PidTagDisplayName)) == {item.name for item in SPECIAL_FOLDERS[1:]}
    parents = dict(
        zip(values_of(found, tags.PidTagDisplayName), values_of(found, tags.PidTagParentSourceKey), strict=True)
    )
    assert parents["Common Views"] == b""
    assert parents["Inbox"] == replica + subtree.folder_id.to_bytes(6, "big")
