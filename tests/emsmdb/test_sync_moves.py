"""Messages that devices moved (MS-OXCFXICS 2.2.3.2.4.4). Outlook moves a message under its change key and its list."""

import pytest

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.permissions import Rights
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import MetaTagCnsetSeen, MetaTagCnsetSeenFAI
from mapigw.wire.globset import IdSet
from mapigw.wire.primitives import ObjectId
from mapigw.wire.xid import PredecessorChangeList, Xid
from tests.emsmdb.client import Client
from tests.emsmdb.delegates import ANN, grant, log_on_as
from tests.emsmdb.folders import EVERYTHING, creating, delete_folder, move_copy, open_folder, open_special
from tests.emsmdb.messages import create, release, save
from tests.emsmdb.replica import Replica
from tests.emsmdb.searches import make
from tests.emsmdb.uploads import LAPTOP, LATER, upload


@pytest.fixture
async def trash(own_mailbox: Mailbox) -> int:
    return (await own_mailbox.special_folder("deleted_items")).folder_id


def change_key(device: Replica, number: int = 1) -> Xid:
    return Xid(device.guid, number.to_bytes(4, "big"))


async def move(
    device: Replica,
    source: int,
    target: int,
    key: Xid,
    new_key: Xid,
    predecessors: PredecessorChangeList,
    change: Xid,
    collector: int | None = None,
) -> int:
    """The ReturnValue."""
    client = device.client
    (answer,) = await client.send(
        client.request(
            "SynchronizationImportMessageMove",
            await device.collector(target) if collector is None else collector,
            source_folder_id=Xid.gid(device.replica_guid, source).build(),
            source_message_id=key.build(),
            predecessor_change_list=predecessors.build(),
            destination_message_id=new_key.build(),
            change_number=change.build(),
        )
    )
    if answer.return_value in {0, ErrorCode.NewerClientChange}:
        assert answer.value.message_id == ObjectId(0, 0)
    return answer.return_value


async def row_of(mailbox: Mailbox, key: Xid) -> MessageRow:
    row = await mailbox.message(key.counter)
    assert row is not None
    return row


@pytest.mark.spec("MS-OXCFXICS_R839", "MS-OXCFXICS_R2246")
async def test_a_move_keeps_the_version_and_the_id_that_the_client_gave(
    laptop: Replica, phone: Replica, inbox: int, trash: int, own_mailbox: Mailbox
) -> None:
    _, key, before = await upload(laptop, inbox, "start")
    await phone.download(inbox)
    await phone.download(trash)
    new_key = await laptop.new_key()
    collector = await laptop.collector(trash)
    for _ in range(2):  # a repeated move finds it done
        assert await move(laptop, inbox, trash, key, new_key, before, change_key(laptop), collector) == 0
    state = await laptop.keep_state(collector, trash)
    seen = IdSet.parse_replguid(state[MetaTagCnsetSeen]).get(own_mailbox.replica_guid)
    assert (await row_of(own_mailbox, new_key)).change_number in seen
    laptop.given(trash, new_key.counter)
    assert not (await laptop.download(trash)).changes
    assert (await phone.download(inbox)).deleted == [key.counter]
    (moved,) = (await phone.download(trash)).changes
    assert moved.values[tags.PidTagSourceKey] == new_key.build()
    assert moved.values[tags.PidTagChangeKey] == change_key(laptop).build()
    assert moved.values[tags.PidTagPredecessorChangeList] == before.build()
    assert moved.values[tags.PidTagSubject] == "start"


@pytest.mark.spec("MS-OXCFXICS_R2247")
async def test_moved_fai_is_seen_in_a_state_of_its_own(
    laptop: Replica, inbox: int, trash: int, own_mailbox: Mailbox
) -> None:
    _, key, before = await upload(laptop, inbox, "settings", flags=0x10)
    new_key = await laptop.new_key()
    collector = await laptop.collector(trash)
    assert await move(laptop, inbox, trash, key, new_key, before, change_key(laptop), collector) == 0
    state = await laptop.keep_state(collector, trash)
    seen = IdSet.parse_replguid(state[MetaTagCnsetSeenFAI]).get(own_mailbox.replica_guid)
    assert (await row_of(own_mailbox, new_key)).change_number in seen


async def test_a_new_change_key_of_a_move_is_the_message_s(
    laptop: Replica, inbox: int, trash: int, own_mailbox: Mailbox
) -> None:
    _, key, before = await upload(laptop, inbox, "start")
    new_key, change = await laptop.new_key(), laptop.next_change()
    assert await move(laptop, inbox, trash, key, new_key, before, change) == 0
    row = await row_of(own_mailbox, new_key)
    assert (row.change_key, row.predecessor_change_list) == (change.build(), before.with_change(change).build())


async def test_a_message_that_is_newer_on_the_server_comes_down_after_its_move(
    laptop: Replica, phone: Replica, inbox: int, trash: int
) -> None:
    _, key, before = await upload(laptop, inbox, "start")
    await phone.download(inbox)
    _, _, newer = await upload(phone, inbox, "edited", key=key, before=before, modified=LATER)
    new_key = await laptop.new_key()
    for _ in range(2):
        collector = await laptop.collector(trash)
        assert await move(laptop, inbox, trash, key, new_key, before, change_key(laptop), collector) == 0
        await laptop.keep_state(collector, trash)
    laptop.given(trash, new_key.counter)
    (change,) = (await laptop.download(trash)).changes
    assert change.values[tags.PidTagSubject] == "edited"
    assert change.values[tags.PidTagPredecessorChangeList] == newer.build()


@pytest.mark.spec("MS-OXCFXICS_R875", "MS-OXCFXICS_R876")
async def test_a_move_of_an_edited_message_waits_for_the_edit(
    laptop: Replica, inbox: int, trash: int, own_mailbox: Mailbox
) -> None:
    """Symptom: what was edited and then moved offline is on the server as it was before."""
    _, key, before = await upload(laptop, inbox, "start")
    change, new_key = laptop.next_change(), await laptop.new_key()
    edited = before.with_change(change)
    for _ in range(2):
        assert await move(laptop, inbox, trash, key, new_key, edited, change) == ErrorCode.NewerClientChange
    row = await row_of(own_mailbox, new_key)
    assert row.predecessor_change_list == before.build()
    assert row.change_key == change_key(laptop).build()
    code, _, _ = await upload(laptop, trash, "edited", key=new_key, before=edited, modified=LATER)
    assert code == 0
    assert (await row_of(own_mailbox, new_key)).subject == "edited"


async def test_a_move_of_what_both_have_edited_ends_in_a_conflict(
    laptop: Replica, phone: Replica, inbox: int, trash: int
) -> None:
    _, key, before = await upload(laptop, inbox, "start")
    await phone.download(inbox)
    await upload(phone, inbox, "from the phone", key=key, before=before, modified=LATER)
    change, new_key = laptop.next_change(), await laptop.new_key()
    edited = before.with_change(change)
    assert await move(laptop, inbox, trash, key, new_key, edited, change) == ErrorCode.NewerClientChange
    assert (await upload(laptop, trash, "from the laptop", key=new_key, before=edited))[0] == 0
    assert sorted((await phone.download(trash)).subjects) == ["from the laptop", "from the phone"]


async def test_the_read_state_that_a_mover_does_not_know_comes_down(
    laptop: Replica, phone: Replica, inbox: int, trash: int
) -> None:
    _, key, before = await upload(laptop, inbox, "start")
    collector = await phone.collector(inbox)
    await phone.client.value(
        "SynchronizationImportReadStateChanges", collector, message_read_states=[(key.build(), True)]
    )
    new_key = await laptop.new_key()
    collector = await laptop.collector(trash)
    assert await move(laptop, inbox, trash, key, new_key, before, change_key(laptop), collector) == 0
    await laptop.keep_state(collector, trash)
    laptop.given(trash, new_key.counter)
    delta = await laptop.download(trash)
    assert (delta.changes, delta.read) == ([], [new_key.counter])


async def test_what_is_not_in_the_source_folder_cannot_be_moved(
    laptop: Replica, phone: Replica, inbox: int, trash: int, client: Client, own_mailbox: Mailbox
) -> None:
    _, key, before = await upload(laptop, inbox, "start")
    source = await open_special(client, own_mailbox, "inbox")
    await move_copy(client, source, await open_special(client, own_mailbox, "drafts"), [key.counter])
    code = await move(laptop, inbox, trash, key, await laptop.new_key(), before, change_key(laptop))
    assert code == ErrorCode.SyncObjectDeleted
    never = await laptop.new_key()
    code = await move(laptop, inbox, trash, never, await laptop.new_key(), before, change_key(laptop))
    assert code == ErrorCode.SyncObjectDeleted


async def test_nothing_is_moved_to_an_id_that_was_used_or_not_handed_out(
    laptop: Replica, inbox: int, trash: int, own_mailbox: Mailbox
) -> None:
    _, key, before = await upload(laptop, inbox, "start")
    _, other, _ = await upload(laptop, inbox, "other")
    assert await move(laptop, inbox, trash, key, other, before, change_key(laptop)) == ErrorCode.SyncObjectDeleted
    forged = Xid.gid(laptop.replica_guid, (1 << 48) - 2)
    assert await move(laptop, inbox, trash, key, forged, before, change_key(laptop)) == ErrorCode.InvalidParameter
    assert (await row_of(own_mailbox, key)).folder_id == inbox


async def test_a_move_into_a_folder_that_was_deleted_meanwhile(
    laptop: Replica, client: Client, inbox: int, own_mailbox: Mailbox
) -> None:
    _, key, before = await upload(laptop, inbox, "start")
    parent = await open_folder(client, inbox)
    folder = (await client.value("CreateFolder", parent, **creating("short-lived"))).folder_id.counter
    collector = await laptop.collector(folder)
    await delete_folder(client, parent, folder, EVERYTHING)
    code = await move(laptop, inbox, folder, key, await laptop.new_key(), before, change_key(laptop), collector)
    assert code == ErrorCode.SyncObjectDeleted
    assert (await row_of(own_mailbox, key)).folder_id == inbox


async def test_nothing_is_imported_into_a_search_folder(laptop: Replica, client: Client, inbox: int) -> None:
    _, key, before = await upload(laptop, inbox, "start")
    _, search = await make(client)
    code = await move(laptop, inbox, search, key, await laptop.new_key(), before, change_key(laptop))
    assert code == ErrorCode.NotSupported
    assert (await upload(laptop, search, "new"))[0] == ErrorCode.NotSupported


async def test_a_delegate_moves_what_may_be_deleted(
    laptop: Replica, client: Client, inbox: int, own_mailbox: Mailbox
) -> None:
    drafts = (await own_mailbox.special_folder("drafts")).folder_id
    ann = Replica(await log_on_as(client, ANN), LAPTOP, own_mailbox.replica_guid)
    await grant(client, "inbox", ANN, Rights.ReadAny)
    await grant(client, "drafts", ANN, Rights.ReadAny | Rights.Create)
    _, key, before = await upload(laptop, inbox, "start")
    new_key = await laptop.new_key()
    assert await move(ann, inbox, drafts, key, new_key, before, change_key(laptop)) == ErrorCode.AccessDenied
    assert await move(ann, drafts, inbox, key, new_key, before, change_key(laptop)) == ErrorCode.AccessDenied
    await grant(client, "inbox", ANN, Rights.ReadAny | Rights.DeleteAny)
    assert await move(ann, inbox, drafts, key, new_key, before, change_key(laptop)) == 0


@pytest.mark.spec("MS-OXCFXICS_R1890001", "MS-OXCFXICS_R1892", "MS-OXCFXICS_R1897", "MS-OXCFXICS_R1898")
async def test_ids_and_change_numbers_of_what_is_made_copied_and_moved(
    client: Client, inbox: int, own_mailbox: Mailbox
) -> None:
    slot = await create(client, {tags.PidTagSubject: "one"}, key="inbox")
    first = await save(client, slot)
    row = await own_mailbox.message(first)
    assert row is not None
    assert row.change_number > 0
    await client.value("SetProperties", slot, property_values=[(tags.PidTagSubject, "two")])
    await save(client, slot)
    changed = await own_mailbox.message(first)
    assert changed is not None
    assert changed.change_number > row.change_number
    await release(client, slot)
    source, target = await open_folder(client, inbox), await open_special(client, own_mailbox, "drafts")
    await move_copy(client, source, target, [first], copy=True)
    await move_copy(client, source, target, [first])
    drafts = await own_mailbox.special_folder("drafts")
    made = await own_mailbox.message_ids(drafts.folder_id, associated=False)
    assert len({first, *made}) == 3
