"""What a client asks of a download, and what it gets for it (MS-OXCFXICS 2.2.3.2.1.1, 3.2.5.9.1.1)."""

from typing import Any

import pytest

from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import (
    Marker,
    MetaTagCnsetRead,
    MetaTagCnsetSeen,
    MetaTagCnsetSeenFAI,
    MetaTagIdsetGiven,
    MetaTagIdsetNoLongerInScope,
)
from mapigw.wire.fasttransfer_stream import Property
from mapigw.wire.globset import CounterSet, IdSet
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import PropertyRestriction
from mapigw.wire.xid import Xid
from tests.emsmdb.client import Client
from tests.emsmdb.delegates import ANN, grant, log_on_as
from tests.emsmdb.folders import creating, delete_messages, open_folder, open_special
from tests.emsmdb.messages import modify_recipients, open_message, save, smtp
from tests.emsmdb.replica import Delta, Replica, delta_of
from tests.emsmdb.sync_options import (
    ALL,
    CN,
    CONTENTS,
    DELIVERED,
    EID,
    FAI,
    HIERARCHY,
    IGNORE_SCOPE,
    MESSAGE_SIZE,
    NO_DELETIONS,
    NO_FOREIGN,
    NORMAL,
    ORDER,
    READ_STATE,
    RESERVED,
    UNICODE,
    fill,
    message,
)
from tests.emsmdb.uploads import upload


async def configure(client: Client, folder: int, **fields: Any) -> int:
    """The ReturnValue."""
    values: dict[str, Any] = {
        "synchronization_type": CONTENTS,
        "send_options": 0x09,
        "synchronization_flags": ALL,
        "restriction_data": None,
        "synchronization_extra_flags": 0,
        "property_tags": [],
    }
    (answer,) = await client.send(client.request("SynchronizationConfigure", folder, **(values | fields)))
    return answer.return_value


# Scope


@pytest.mark.spec("MS-OXCFXICS_R641", "MS-OXCFXICS_R669")
async def test_a_configured_context_downloads_what_it_was_configured_for(
    client: Client, inbox: int, own_mailbox: Mailbox, laptop: Replica
) -> None:
    await fill(own_mailbox, inbox, "hello")
    folder = await open_folder(client, inbox)
    assert await configure(client, folder) == 0
    assert delta_of(await laptop.read_stream(client.last)).subjects == ["hello"]
    assert await configure(client, folder, synchronization_type=HIERARCHY, synchronization_flags=UNICODE) == 0
    assert delta_of(await laptop.read_stream(client.last)).changes == []


@pytest.mark.spec("MS-OXCFXICS_R2695")
@pytest.mark.parametrize("kind", [0x00, 0x03, 0x04, 0xFF])
async def test_other_types_are_refused(client: Client, inbox: int, kind: int) -> None:
    folder = await open_folder(client, inbox)
    assert await configure(client, folder, synchronization_type=kind) == 0x80070057


@pytest.mark.parametrize("flags", [0x0040, 0x0200, 0x0400, 0x0800, RESERVED])
async def test_unknown_flags_are_refused(client: Client, inbox: int, flags: int) -> None:
    folder = await open_folder(client, inbox)
    assert await configure(client, folder, synchronization_flags=ALL | flags) == ErrorCode.InvalidParameter


@pytest.mark.spec("MS-OXCFXICS_R2172", "MS-OXCFXICS_R2173", "MS-OXCFXICS_R2174", "MS-OXCFXICS_R2175")
@pytest.mark.spec("MS-OXCFXICS_R2043", "MS-OXCFXICS_R2044")
@pytest.mark.parametrize("flags", [0, NORMAL, FAI, NORMAL | FAI])
async def test_normal_messages_and_fai_come_when_they_are_asked_for(
    laptop: Replica, inbox: int, own_mailbox: Mailbox, flags: int
) -> None:
    await fill(own_mailbox, inbox, "normal")
    await fill(own_mailbox, inbox, "settings", associated=True)
    delta = await laptop.download(inbox, flags=UNICODE | flags)
    wanted = ["normal"] * bool(flags & NORMAL) + ["settings"] * bool(flags & FAI)
    assert sorted(delta.subjects) == wanted
    assert not (await laptop.download(inbox, flags=UNICODE | flags)).changes
    rest = await laptop.download(inbox, flags=ALL)
    assert sorted(rest.subjects) == [item for item in ("normal", "settings") if item not in wanted]


@pytest.mark.spec("MS-OXCFXICS_R1135", "MS-OXCFXICS_R1137")
@pytest.mark.parametrize("options", [0x01, 0x09, 0x1D])
async def test_changes_are_always_whole_messages(
    laptop: Replica, inbox: int, client: Client, own_mailbox: Mailbox, options: int
) -> None:
    for associated in (False, True):
        (message_id,) = await fill(own_mailbox, inbox, "hello", associated=associated)
        await laptop.download(inbox, send_options=options)
        slot = await open_message(client, message_id, key="inbox")
        await client.value("SetProperties", slot, property_values=[(tags.PidTagImportance, 2)])
        await save(client, slot)
        delta = await laptop.download(inbox, send_options=options)
        (change,) = delta.changes
        assert change.values[tags.PidTagSubject] == "hello"
        assert change.values[tags.PidTagAssociated] is associated
        assert Marker.IncrSyncChgPartial not in delta.lexemes


# Deletions


@pytest.mark.spec(
    "MS-OXCFXICS_R2165", "MS-OXCFXICS_R2167", "MS-OXCFXICS_R1062", "MS-OXCFXICS_R2045", "MS-OXCFXICS_R2046"
)
@pytest.mark.parametrize("hard", [False, True])
async def test_deletions_are_told_unless_the_client_does_not_want_to_hear_of_them_yet(
    laptop: Replica, inbox: int, client: Client, own_mailbox: Mailbox, hard: bool
) -> None:
    gone, _ = await fill(own_mailbox, inbox, "gone", "stays")
    await laptop.download(inbox)
    await delete_messages(client, await open_folder(client, inbox), [gone], hard=hard)
    await fill(own_mailbox, inbox, "new")
    delta = await laptop.download(inbox, flags=ALL | NO_DELETIONS)
    assert delta.subjects == ["new"]
    assert Marker.IncrSyncDel not in delta.lexemes
    given = IdSet.parse_replguid(delta.state[MetaTagIdsetGiven]).get(own_mailbox.replica_guid)
    assert gone in given
    delta = await laptop.download(inbox)
    assert (delta.changes, delta.deleted) == ([], [gone])
    given = IdSet.parse_replguid(delta.state[MetaTagIdsetGiven]).get(own_mailbox.replica_guid)
    assert gone not in given
    seen = IdSet.parse_replguid(delta.state[MetaTagCnsetSeen]).get(own_mailbox.replica_guid)
    assert seen.is_prefix()
    assert Marker.IncrSyncDel not in (await laptop.download(inbox)).lexemes


async def test_deleted_folders_wait_for_a_client_that_does_not_want_to_hear_of_them_yet(
    laptop: Replica, client: Client, own_mailbox: Mailbox
) -> None:
    root = (await own_mailbox.special_folder("ipm_subtree")).folder_id
    slot = await open_special(client, own_mailbox, "ipm_subtree")
    folder = (await client.value("CreateFolder", slot, **creating("short-lived"))).folder_id.counter
    await laptop.download_hierarchy(root)
    await client.value("DeleteFolder", slot, delete_folder_flags=5, folder_id=ObjectId(1, folder))
    assert not (await laptop.download_hierarchy(root, flags=UNICODE | NO_DELETIONS)).deleted
    assert (await laptop.download_hierarchy(root)).deleted == [folder]
    assert not (await laptop.download_hierarchy(root)).deleted


@pytest.mark.spec("MS-OXCFXICS_R2047", "MS-OXCFXICS_R2166", "MS-OXCFXICS_R2168", "MS-OXCFXICS_R2169")
@pytest.mark.spec("MS-OXCFXICS_R1334", "MS-OXCFXICS_R133301")
@pytest.mark.parametrize("flags", [IGNORE_SCOPE, NO_DELETIONS])
async def test_what_leaves_the_scope_is_told_unless_the_client_does_not_want_to_hear_of_it(
    laptop: Replica, inbox: int, client: Client, own_mailbox: Mailbox, flags: int
) -> None:
    restriction = PropertyRestriction(4, tags.PidTagImportance, (tags.PidTagImportance, 1))
    (message_id,) = await fill(own_mailbox, inbox, "hello")
    assert (await laptop.download(inbox, restriction=restriction)).subjects == ["hello"]
    slot = await open_message(client, message_id, key="inbox")
    await client.value("SetProperties", slot, property_values=[(tags.PidTagImportance, 2)])
    await save(client, slot)
    delta = await laptop.download(inbox, restriction=restriction, flags=ALL | flags)
    assert (delta.changes, delta.deleted) == ([], [])
    assert not delta.values(MetaTagIdsetNoLongerInScope)
    delta = await laptop.download(inbox, restriction=restriction)
    assert (delta.changes, delta.deleted, delta.out_of_scope) == ([], [], [message_id])
    assert not (await laptop.download(inbox, restriction=restriction)).out_of_scope


@pytest.mark.parametrize("promoted", [True, False])
async def test_a_restriction_that_speaks_of_the_time_lets_unchanged_messages_come_and_go(
    laptop: Replica, inbox: int, own_mailbox: Mailbox, promoted: bool
) -> None:
    tag = tags.PidTagMessageDeliveryTime if promoted else tags.PidTagClientSubmitTime
    items = [message(str(number)) for number in range(3)]
    for number, item in enumerate(items):
        item.properties[tag] = DELIVERED + number
    ids = await own_mailbox.append(inbox, [NewMessage(item) for item in items])

    async def since(number: int) -> Delta:
        return await laptop.download(inbox, restriction=PropertyRestriction(3, tag, (tag, DELIVERED + number)))

    assert sorted((await since(1)).subjects) == ["1", "2"]
    delta = await since(2)
    assert (delta.changes, delta.out_of_scope) == ([], [ids[1]])
    delta = await since(0)
    assert sorted(delta.subjects) == ["0", "1"]
    assert delta.out_of_scope == []
    assert (await since(0)).changes == []


@pytest.mark.spec("MS-OXCFXICS_R1333", "MS-OXCFXICS_R1337002", "MS-OXCFXICS_R1209", "MS-OXCFXICS_R1211")
async def test_a_hierarchy_has_neither_scope_nor_expiry_nor_read_states(
    laptop: Replica, client: Client, own_mailbox: Mailbox
) -> None:
    root = (await own_mailbox.special_folder("ipm_subtree")).folder_id
    slot = await open_special(client, own_mailbox, "ipm_subtree")
    folder = (await client.value("CreateFolder", slot, **creating("short-lived"))).folder_id.counter
    await laptop.download_hierarchy(root)
    await client.value("DeleteFolder", slot, delete_folder_flags=5, folder_id=ObjectId(1, folder))
    delta = await laptop.download_hierarchy(root)
    assert delta.deleted == [folder]
    assert not delta.values(MetaTagIdsetNoLongerInScope) + delta.values(0x67930102)
    assert Marker.IncrSyncRead not in delta.lexemes
    assert delta.state.keys() == {MetaTagCnsetSeen, MetaTagIdsetGiven}
    assert not {MetaTagCnsetSeenFAI, MetaTagCnsetRead} & delta.state.keys()


# Read states


@pytest.mark.spec(
    "MS-OXCFXICS_R2170", "MS-OXCFXICS_R2171", "MS-OXCFXICS_R2048", "MS-OXCFXICS_R1193", "MS-OXCFXICS_R3315"
)
@pytest.mark.spec("MS-OXCFXICS_R2665", "MS-OXCFXICS_R2666", "MS-OXCFXICS_R2087")
async def test_read_states_come_when_they_are_asked_for(
    laptop: Replica, inbox: int, client: Client, own_mailbox: Mailbox
) -> None:
    first, second = await fill(own_mailbox, inbox, "first", "second")
    await laptop.download(inbox)
    before = await own_mailbox.message(first)
    slot = await open_folder(client, inbox)
    await client.value("SetReadFlags", slot, want_asynchronous=False, read_flags=0, message_ids=[ObjectId(1, first)])
    after = await own_mailbox.message(first)
    assert before is not None
    assert after is not None
    assert after.change_number == before.change_number
    assert after.read_change_number > before.read_change_number
    for flags in (ALL & ~READ_STATE, (ALL & ~NORMAL), ALL & ~(NORMAL | READ_STATE)):
        delta = await laptop.download(inbox, flags=flags)
        assert Marker.IncrSyncRead not in delta.lexemes
    delta = await laptop.download(inbox)
    assert (delta.changes, delta.read, delta.unread) == ([], [first], [])
    read = IdSet.parse_replguid(delta.state[MetaTagCnsetRead]).get(own_mailbox.replica_guid)
    assert after.read_change_number in read
    assert Marker.IncrSyncRead not in (await laptop.download(inbox)).lexemes
    await client.value("SetReadFlags", slot, want_asynchronous=False, read_flags=4, message_ids=[ObjectId(1, first)])
    message_slot = await open_message(client, second, key="inbox")
    await client.value("SetProperties", message_slot, property_values=[(tags.PidTagImportance, 2)])
    await save(client, message_slot)
    await client.value("SetReadFlags", slot, want_asynchronous=False, read_flags=0, message_ids=[ObjectId(1, second)])
    delta = await laptop.download(inbox)
    assert (delta.subjects, delta.read, delta.unread) == (["second"], [], [first])


# Header and order


@pytest.mark.spec(
    "MS-OXCFXICS_R716002", "MS-OXCFXICS_R718001", "MS-OXCFXICS_R1363", "MS-OXCFXICS_R1365", "MS-OXCFXICS_R1367"
)
@pytest.mark.spec(
    "MS-OXCFXICS_R2761", "MS-OXCFXICS_R3501", "MS-OXCFXICS_R2195", "MS-OXCFXICS_R2196", "MS-OXCFXICS_R2197"
)
@pytest.mark.parametrize("extra", [0, EID, MESSAGE_SIZE, CN, EID | MESSAGE_SIZE | CN, 0xFFFFFFF0])
async def test_the_header_of_a_message_has_what_was_asked_for(
    laptop: Replica, inbox: int, own_mailbox: Mailbox, extra: int
) -> None:
    (message_id,) = await fill(own_mailbox, inbox, "hello")
    row = await own_mailbox.message(message_id)
    assert row is not None
    ((header,),) = ([change.values] for change in (await laptop.download(inbox, extra=extra)).changes)
    wanted = {
        tags.PidTagMid: (EID, ObjectId(1, message_id).to_integer()),
        tags.PidTagMessageSize: (MESSAGE_SIZE, row.size),
        tags.PidTagChangeNumber: (CN, ObjectId(1, row.change_number).to_integer()),
    }
    for tag, (flag, value) in wanted.items():
        assert header.get(tag) == (value if extra & flag else None)


@pytest.mark.spec("MS-OXCFXICS_R2198", "MS-OXCFXICS_R2199")
async def test_the_order_of_delivery_and_of_changes(laptop: Replica, inbox: int, own_mailbox: Mailbox) -> None:
    times = {"middle": DELIVERED + 20, "newest": DELIVERED + 30, "oldest": DELIVERED + 10}
    for subject, moment in times.items():
        await own_mailbox.append(inbox, [NewMessage(message(subject, PidTagMessageDeliveryTime=moment))])
    await upload(laptop, inbox, "changed", modified=DELIVERED + 25)
    laptop.states.clear()
    ordered = (await laptop.download(inbox, extra=ORDER)).subjects
    assert ordered == ["newest", "changed", "middle", "oldest"]
    laptop.states.clear()
    assert (await laptop.download(inbox, extra=0)).subjects == ["middle", "newest", "oldest", "changed"]


@pytest.mark.spec(
    "MS-OXCFXICS_R716001", "MS-OXCFXICS_R1095", "MS-OXCFXICS_R1097", "MS-OXCFXICS_R2191", "MS-OXCFXICS_R3500"
)
@pytest.mark.parametrize(("flags", "extra"), [(UNICODE, 0), (UNICODE, EID), (UNICODE | NO_FOREIGN, 0)])
async def test_the_header_of_a_folder_has_what_was_asked_for(
    laptop: Replica, own_mailbox: Mailbox, flags: int, extra: int
) -> None:
    root = (await own_mailbox.special_folder("ipm_subtree")).folder_id
    delta = await laptop.download_hierarchy(root, flags=flags, extra=extra)
    inbox = await own_mailbox.special_folder("inbox")
    (values,) = (change.values for change in delta.changes if change.values[tags.PidTagDisplayName] == "Inbox")
    assert values.get(tags.PidTagFolderId) == (ObjectId(1, inbox.folder_id).to_integer() if extra & EID else None)
    parent = ObjectId(1, root).to_integer() if extra & EID or flags & NO_FOREIGN else None
    assert values.get(tags.PidTagParentFolderId) == parent


@pytest.mark.spec("MS-OXCFXICS_R1128", "MS-OXCFXICS_R1129", "MS-OXCFXICS_R2042")
async def test_every_changed_folder_comes_once_and_after_its_parent(
    laptop: Replica, client: Client, own_mailbox: Mailbox
) -> None:
    root = (await own_mailbox.special_folder("ipm_subtree")).folder_id
    slot = await open_special(client, own_mailbox, "ipm_subtree")
    made = [await client.value("CreateFolder", slot, **creating(name)) for name in ("last", "middle", "first")]
    ids = [value.folder_id.counter for value in made]
    # Each goes below one that was made after it.
    for child, parent in ((0, 1), (1, 2)):
        await client.value(
            "MoveFolder",
            slot,
            dest_handle_index=await open_folder(client, ids[parent]),
            want_asynchronous=False,
            use_unicode=True,
            folder_id=ObjectId(1, ids[child]),
            new_folder_name=("last", "middle")[child],
        )
    delta = await laptop.download_hierarchy(root)
    found = [ObjectId.from_integer(change.values[tags.PidTagFolderId]).counter for change in delta.changes]
    wanted, size = {root}, 0
    while len(wanted) > size:
        size = len(wanted)
        wanted |= {row.folder_id for row in await own_mailbox.folders() if row.parent_id in wanted}
    assert sorted(found) == sorted(wanted - {root})
    seen = {root}
    for change in delta.changes:
        assert ObjectId.from_integer(change.values[tags.PidTagParentFolderId]).counter in seen
        seen.add(ObjectId.from_integer(change.values[tags.PidTagFolderId]).counter)
    slot = await open_folder(client, ids[1])
    await client.value("SetProperties", slot, property_values=[(tags.PidTagComment, "changed")])
    (change,) = (await laptop.download_hierarchy(root)).changes
    assert change.values[tags.PidTagDisplayName] == "middle"


# Foreign identifiers


@pytest.mark.spec("MS-OXCFXICS_R2077", "MS-OXCFXICS_R2179001")
async def test_imported_source_keys_come_back_unless_only_own_ones_are_wanted(
    laptop: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    key = Xid(laptop.guid, b"\x07\x08")
    await upload(laptop, inbox, "foreign", key=key)
    laptop.states.clear()
    (change,) = (await laptop.download(inbox, flags=ALL)).changes
    assert change.values[tags.PidTagSourceKey] == key.build()
    laptop.states.clear()
    (change,) = (await laptop.download(inbox, flags=ALL | NO_FOREIGN)).changes
    message_id = ObjectId.from_integer(change.values[tags.PidTagMid]).counter
    assert change.values[tags.PidTagSourceKey] == Xid.gid(own_mailbox.replica_guid, message_id).build()


# State


@pytest.mark.spec("MS-OXCFXICS_R758", "MS-OXCFXICS_R765", "MS-OXCFXICS_R3359", "MS-OXCFXICS_R2657")
async def test_the_transfer_state_is_that_of_the_moment(
    laptop: Replica, inbox: int, client: Client, own_mailbox: Mailbox
) -> None:
    (message_id,) = await fill(own_mailbox, inbox, "hello")
    folder = await open_folder(client, inbox)
    await configure(client, folder)
    context = client.last
    given = IdSet({own_mailbox.replica_guid: CounterSet.of([12345])}).build()
    assert MetaTagIdsetGiven & 0xFFFF == 0x0003
    await laptop.give_state(context, {MetaTagIdsetGiven: given}, [MetaTagIdsetGiven])
    await client.value("SynchronizationGetTransferState", context)
    first = client.last
    stream = await laptop.read_stream(context)
    await client.value("SynchronizationGetTransferState", context)
    assert delta_of(await laptop.read_stream(first)).state[MetaTagIdsetGiven] == given
    final = delta_of(await laptop.read_stream(client.last)).state
    assert final == delta_of(stream).state
    assert message_id in IdSet.parse_replguid(final[MetaTagIdsetGiven]).get(own_mailbox.replica_guid)
    # A client that leaves IdsetGiven in what it uploads for an upload does no harm.
    await client.value("SynchronizationOpenCollector", folder, is_contents_collector=True)
    collector = client.last
    await laptop.give_state(collector, final, list(final))
    state = await laptop.keep_state(collector, inbox)
    assert state == {tag: final[tag] for tag in (MetaTagCnsetSeen, MetaTagCnsetSeenFAI, MetaTagCnsetRead)}


@pytest.mark.spec("MS-OXCFXICS_R925")
async def test_local_replica_ids_never_come_twice_nor_to_an_end(
    client: Client, own_mailbox: Mailbox, inbox: int
) -> None:
    """Symptom: an Outlook that refuses to start."""
    ranges = []
    for count in (1, 0x10000, 0x10000, 500):
        value = await client.value("GetLocalReplicaIds", id_count=count)
        assert value.repl_guid == own_mailbox.replica_guid
        ranges.append((value.global_count, value.global_count + count - 1))
    (made,) = await fill(own_mailbox, inbox, "hello")
    together = CounterSet(ranges)
    assert together.count == sum(high - low + 1 for low, high in ranges)
    assert made not in together
    assert await client.error("GetLocalReplicaIds", id_count=0) == ErrorCode.InvalidParameter
    assert await client.error("GetLocalReplicaIds", id_count=0xFFFFFFFF) == ErrorCode.InvalidParameter


async def test_a_delegate_needs_the_right_to_read(client: Client, inbox: int, own_mailbox: Mailbox) -> None:
    ann = await log_on_as(client, ANN)
    await grant(client, "inbox", ANN, 0x0400)
    folder = await open_folder(ann, inbox)
    assert await configure(ann, folder) == ErrorCode.AccessDenied
    assert await configure(ann, folder, synchronization_type=HIERARCHY, synchronization_flags=UNICODE) == 0
    await grant(client, "inbox", ANN, 0x0401)
    assert await configure(ann, folder) == 0


async def test_recipients_begin_with_their_row_and_have_addresses(
    laptop: Replica, client: Client, inbox: int, own_mailbox: Mailbox
) -> None:
    (message_id,) = await own_mailbox.append(inbox, [NewMessage(Message({tags.PidTagSubject: "x"}))])
    slot = await open_message(client, message_id, key="inbox")
    await modify_recipients(client, slot, {0: smtp("Anna")})
    await save(client, slot)
    delta = await laptop.download(inbox)
    start = delta.lexemes.index(Marker.StartRecip)
    first = delta.lexemes[start + 1]
    assert isinstance(first, Property)
    assert first.tag == tags.PidTagRowid
    ((recipient,),) = (change.recipients for change in delta.changes)
    assert recipient[tags.PidTagAddressType] == "SMTP"
    assert recipient[tags.PidTagEmailAddress] == "anna@bm.lan"
