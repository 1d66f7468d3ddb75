"""What stands where in the streams of synchronization downloads (MS-OXCFXICS 2.2.4.3, 2.2.4.4)."""

from collections.abc import Sequence

import pytest

from mapigw.mailbox.folders import change_folder
from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.read_state import set_read_flags
from mapigw.wire import tags
from mapigw.wire.fasttransfer import (
    Marker,
    MetaTagCnsetRead,
    MetaTagCnsetSeen,
    MetaTagCnsetSeenFAI,
    MetaTagIdsetDeleted,
    MetaTagIdsetExpired,
    MetaTagIdsetGiven,
    MetaTagIdsetNoLongerInScope,
    MetaTagIdsetRead,
    MetaTagIdsetUnread,
)
from mapigw.wire.fasttransfer_stream import Lexeme, Property
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import PropertyRestriction
from tests.emsmdb.client import Client
from tests.emsmdb.folders import delete_messages, open_folder
from tests.emsmdb.messages import open_message, save, set_values
from tests.emsmdb.test_fasttransfer import HIERARCHY, configure, download, state_of, upload

INBOX = 5
EID, MESSAGE_SIZE, CN = 0x01, 0x02, 0x04
UNICODE, NO_DELETIONS, IGNORE_NO_LONGER_IN_SCOPE, READ_STATE, FAI, NORMAL = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
NO_FOREIGN_IDENTIFIERS, PROGRESS = 0x0100, 0x8000
EVERYTHING = UNICODE | READ_STATE | FAI | NORMAL
PARTIAL_ITEM = 0x10
RED = PropertyRestriction(4, tags.PidTagSubject, (tags.PidTagSubject, "red"))


async def fill(mailbox: Mailbox) -> list[int]:
    """A normal and an FAI message; their ids."""
    return await mailbox.append(
        INBOX,
        [
            NewMessage(Message({tags.PidTagSubject: "red"})),
            NewMessage(Message({tags.PidTagSubject: "view"}), is_associated=True),
        ],
    )


def shape(found: Sequence[Lexeme]) -> list[Marker]:
    return [item for item in found if isinstance(item, Marker)]


def header(found: Sequence[Lexeme], start: Marker = Marker.IncrSyncChg) -> list[dict[int, object]]:
    """The properties behind each such marker, up to the next one."""
    lists: list[dict[int, object]] = []
    inside = False
    for item in found:
        if isinstance(item, Marker):
            inside = item is start
            if inside:
                lists.append({})
        elif inside and isinstance(item, Property):
            lists[-1][item.tag] = item.value
    return lists


@pytest.mark.spec("MS-OXCFXICS_R3321", "MS-OXCFXICS_R1135", "MS-OXCFXICS_R1137")
async def test_contents(client: Client, own_mailbox: Mailbox) -> None:
    """contentsSync; changes come full, whatever the client supports."""
    await fill(own_mailbox)
    change = [Marker.IncrSyncChg, Marker.IncrSyncMessage]
    for options in (UNICODE, UNICODE | PARTIAL_ITEM):
        slot = await configure(client, INBOX, synchronization_flags=EVERYTHING, send_options=options)
        state = [Marker.IncrSyncStateBegin, Marker.IncrSyncStateEnd, Marker.IncrSyncEnd]
        assert shape(await download(client, slot)) == [*change * 2, *state]


@pytest.mark.spec("MS-OXCFXICS_R3323")
async def test_a_transfer_state(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox)
    for kind in ({}, HIERARCHY):
        slot = await configure(client, INBOX, **kind)
        await client.value("SynchronizationGetTransferState", slot)
        assert shape(await download(client, client.last)) == [Marker.IncrSyncStateBegin, Marker.IncrSyncStateEnd]


@pytest.mark.spec("MS-OXCFXICS_R1363", "MS-OXCFXICS_R1365", "MS-OXCFXICS_R1367")
@pytest.mark.parametrize("extra", range(8))
async def test_the_header_of_a_message(client: Client, own_mailbox: Mailbox, extra: int) -> None:
    await fill(own_mailbox)
    slot = await configure(client, INBOX, synchronization_flags=EVERYTHING, synchronization_extra_flags=extra)
    headers = header(await download(client, slot))
    assert len(headers) == 2
    for values in headers:
        assert (tags.PidTagMid in values) == bool(extra & EID)
        assert (tags.PidTagMessageSize in values) == bool(extra & MESSAGE_SIZE)
        assert (tags.PidTagChangeNumber in values) == bool(extra & CN)


@pytest.mark.spec("MS-OXCFXICS_R1171", "MS-OXCFXICS_R1172", "MS-OXCFXICS_R1179", "MS-OXCFXICS_R1180")
@pytest.mark.spec("MS-OXCFXICS_R1382", "MS-OXCFXICS_R1383", "MS-OXCFXICS_R2675")
async def test_progress(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox)
    slot = await configure(client, INBOX, synchronization_flags=EVERYTHING | PROGRESS)
    found = await download(client, slot)
    change = [Marker.IncrSyncProgressPerMsg, Marker.IncrSyncChg, Marker.IncrSyncMessage]
    assert shape(found)[:7] == [Marker.IncrSyncProgressMode, *change * 2]
    announced = [values[0x0000000B] for values in header(found, Marker.IncrSyncProgressPerMsg)]
    assert announced == [values[tags.PidTagAssociated] for values in header(found)]
    assert sorted(map(bool, announced)) == [False, True]
    without = await download(client, await configure(client, INBOX, synchronization_flags=EVERYTHING))
    assert not {Marker.IncrSyncProgressMode, Marker.IncrSyncProgressPerMsg} & set(shape(without))


@pytest.mark.spec("MS-OXCFXICS_R3315", "MS-OXCFXICS_R1193")
async def test_read_states(client: Client, own_mailbox: Mailbox) -> None:
    message_id, _ = await fill(own_mailbox)
    state = state_of(await download(client, await configure(client, INBOX, synchronization_flags=EVERYTHING)))
    await set_read_flags(own_mailbox, INBOX, [message_id], 0)
    for flags, expected in ((EVERYTHING, True), (EVERYTHING & ~READ_STATE, False)):
        slot = await configure(client, INBOX, synchronization_flags=flags)
        await upload(client, slot, state)
        found = await download(client, slot)
        assert (Marker.IncrSyncRead in found) == expected
        assert bool(header(found, Marker.IncrSyncRead)) == expected
        assert Marker.IncrSyncChg not in found
        for values in header(found, Marker.IncrSyncRead):
            assert set(values) == {MetaTagIdsetRead}
    again = state_of(found)
    await set_read_flags(own_mailbox, INBOX, [message_id], 4)
    slot = await configure(client, INBOX, synchronization_flags=EVERYTHING)
    await upload(client, slot, again)
    assert set(header(await download(client, slot), Marker.IncrSyncRead)[0]) == {MetaTagIdsetUnread}


@pytest.mark.spec("MS-OXCFXICS_R133301", "MS-OXCFXICS_R1334", "MS-OXCFXICS_R1062")
async def test_what_is_not_in_scope_any_more(client: Client, own_mailbox: Mailbox) -> None:
    """A restriction that a message does not satisfy since it was changed, and one that was deleted."""
    red, _ = await fill(own_mailbox)
    (gone,) = await own_mailbox.append(INBOX, [NewMessage(Message({tags.PidTagSubject: "red"}))])
    base = EVERYTHING & ~FAI
    slot = await configure(client, INBOX, synchronization_flags=base, restriction_data=RED)
    found = await download(client, slot)
    assert len(header(found)) == 2
    state = state_of(found)
    opened = await open_message(client, red, key="inbox")
    await set_values(client, opened, {tags.PidTagSubject: "blue"})
    await save(client, opened)
    await delete_messages(client, await open_folder(client, INBOX), [gone])
    for flags, expected in (
        (base, {MetaTagIdsetDeleted, MetaTagIdsetNoLongerInScope}),
        (base | IGNORE_NO_LONGER_IN_SCOPE, {MetaTagIdsetDeleted}),
        (base | NO_DELETIONS, set()),
    ):
        slot = await configure(client, INBOX, synchronization_flags=flags, restriction_data=RED)
        await upload(client, slot, state)
        found = await download(client, slot)
        deletions = header(found, Marker.IncrSyncDel)
        assert set().union(*deletions) == expected
        assert bool(deletions) == bool(expected)


# Hierarchies


@pytest.mark.spec("MS-OXCFXICS_R3322", "MS-OXCFXICS_R1128", "MS-OXCFXICS_R1129")
@pytest.mark.spec("MS-OXCFXICS_R1209", "MS-OXCFXICS_R1211", "MS-OXCFXICS_R1333", "MS-OXCFXICS_R1337002")
async def test_a_hierarchy(client: Client, own_mailbox: Mailbox) -> None:
    """hierarchySync: one folderChange a folder, parents first; its state and deletions have no more than belongs."""
    outer = await own_mailbox.create_folder(INBOX, "outer")
    later = await own_mailbox.create_folder(INBOX, "later")
    inner = await own_mailbox.create_folder(outer.folder_id, "inner")
    await client.value(
        "MoveFolder",
        await open_folder(client, INBOX),
        dest_handle_index=await open_folder(client, inner.folder_id),
        want_asynchronous=0,
        use_unicode=1,
        folder_id=ObjectId(1, later.folder_id),
        new_folder_name="later",
    )
    slot = await configure(client, INBOX, HIERARCHY)
    found = await download(client, slot)
    ends = [Marker.IncrSyncStateBegin, Marker.IncrSyncStateEnd, Marker.IncrSyncEnd]
    assert shape(found) == [Marker.IncrSyncChg] * 3 + ends
    assert [values[tags.PidTagDisplayName] for values in header(found)] == ["outer", "inner", "later"]
    state = state_of(found)
    assert {tag for tag, _ in state} == {MetaTagIdsetGiven, MetaTagCnsetSeen}
    assert not {MetaTagCnsetSeenFAI, MetaTagCnsetRead} & {tag for tag, _ in state}
    await change_folder(own_mailbox, inner.folder_id, {tags.PidTagComment: "changed"})
    parent = await open_folder(client, inner.folder_id)
    await client.value("DeleteFolder", parent, delete_folder_flags=0x15, folder_id=ObjectId(1, later.folder_id))
    slot = await configure(client, INBOX, HIERARCHY)
    await upload(client, slot, state)
    found = await download(client, slot)
    assert shape(found) == [Marker.IncrSyncChg, Marker.IncrSyncDel, *ends]
    assert [values[tags.PidTagDisplayName] for values in header(found)] == ["inner"]
    (deletions,) = header(found, Marker.IncrSyncDel)
    assert set(deletions) == {MetaTagIdsetDeleted}
    assert not {MetaTagIdsetNoLongerInScope, MetaTagIdsetExpired} & deletions.keys()


@pytest.mark.spec("MS-OXCFXICS_R1095", "MS-OXCFXICS_R1097")
async def test_the_ids_of_folders(client: Client, own_mailbox: Mailbox) -> None:
    await own_mailbox.create_folder(INBOX, "outer")
    for flags, extra in ((UNICODE, 0), (UNICODE, EID), (UNICODE | NO_FOREIGN_IDENTIFIERS, 0), (0x0101, EID)):
        slot = await configure(client, INBOX, HIERARCHY, synchronization_flags=flags, synchronization_extra_flags=extra)
        (values,) = header(await download(client, slot))
        assert (tags.PidTagFolderId in values) == bool(extra & EID)
        if flags & NO_FOREIGN_IDENTIFIERS:
            assert tags.PidTagParentFolderId in values
