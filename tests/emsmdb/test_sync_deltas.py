"""States that a mailbox did not give, and what changes while a client downloads (MS-OXCFXICS 3.2.5.3)."""

from uuid import UUID

import pytest

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store import changes, messages
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import (
    MetaTagCnsetRead,
    MetaTagCnsetSeen,
    MetaTagCnsetSeenFAI,
    MetaTagIdsetDeleted,
    MetaTagIdsetGiven,
)
from mapigw.wire.fasttransfer_stream import Property, StreamReader
from mapigw.wire.globset import CounterSet, IdSet
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import Client
from tests.emsmdb.folders import (
    EVERYTHING,
    creating,
    delete_folder,
    delete_messages,
    fill,
    move_copy,
    open_folder,
    open_special,
)
from tests.emsmdb.replica import Replica

LAST = (1 << 48) - 1
STRANGER = UUID("99999999-0000-0000-0000-000000000009")


def state(mailbox: Mailbox, **sets: CounterSet) -> dict[int, bytes]:
    names = {
        "given": MetaTagIdsetGiven,
        "seen": MetaTagCnsetSeen,
        "seen_fai": MetaTagCnsetSeenFAI,
        "read": MetaTagCnsetRead,
    }
    return {names[name]: IdSet({mailbox.replica_guid: counters}).build() for name, counters in sets.items()}


def own(data: bytes, mailbox: Mailbox) -> CounterSet:
    return IdSet.parse_replguid(data).get(mailbox.replica_guid)


async def test_a_client_that_saw_more_than_a_restored_backup_has_gets_everything(
    laptop: Replica, inbox: int, own_mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    """Symptom: after a restore new mail does not come, and mail that is gone stays in Outlook."""
    ids = await fill(own_mailbox, inbox, 3)
    await laptop.download(inbox)
    lost = ids[-1] + 5
    seen = CounterSet([(1, 1 << 40)])
    given = CounterSet.of([*ids[:2], lost])
    laptop.states[inbox] = state(own_mailbox, given=given, seen=seen, seen_fai=seen, read=seen)
    delta = await laptop.download(inbox)
    assert len(delta.changes) == 3
    assert delta.deleted == [lost]
    assert own(delta.state[MetaTagIdsetGiven], own_mailbox) == CounterSet.of(ids)
    assert own(delta.state[MetaTagCnsetSeen], own_mailbox).maximum < 1 << 40
    assert "never was" in caplog.text
    caplog.clear()
    assert not (await laptop.download(inbox)).changes
    assert not caplog.text


async def test_ids_from_the_future_are_garbage_whatever_their_number(
    laptop: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    ids = await fill(own_mailbox, inbox, 2)
    laptop.states[inbox] = state(own_mailbox, given=CounterSet([(1, LAST)]))
    folder = await laptop.open_folder(inbox)
    client = laptop.client
    await client.value(
        "SynchronizationConfigure",
        folder,
        synchronization_type=1,
        send_options=9,
        synchronization_flags=0x39,
        restriction_data=None,
        synchronization_extra_flags=0,
        property_tags=[],
    )
    context = client.last
    await laptop.give_state(context, laptop.states[inbox], [MetaTagIdsetGiven])
    stream = await laptop.read_stream(context)
    assert len(stream) < 100_000
    reader = [item for item in _properties(stream) if item[0] == MetaTagIdsetDeleted]
    (deleted,) = (IdSet.parse_replid(value).get(1) for _tag, value in reader)
    assert deleted == CounterSet([(1, LAST)]).difference(CounterSet.of(ids))


def _properties(stream: bytes) -> list[tuple[int, bytes]]:
    found = StreamReader(large=1 << 30).feed(stream)
    return [(item.tag, item.value) for item in found if isinstance(item, Property)]


async def test_a_hierarchy_state_from_the_future(laptop: Replica, own_mailbox: Mailbox) -> None:
    root = (await own_mailbox.special_folder("ipm_subtree")).folder_id
    first = await laptop.download_hierarchy(root)
    laptop.states[root] = state(own_mailbox, given=CounterSet.of([7777]), seen=CounterSet([(1, 1 << 40)]))
    delta = await laptop.download_hierarchy(root)
    assert len(delta.changes) == len(first.changes)
    assert delta.deleted == [7777]
    assert delta.state == first.state


async def test_objects_of_another_replica_are_deleted(laptop: Replica, inbox: int, own_mailbox: Mailbox) -> None:
    """A client that kept the state of another server's mailbox."""
    ids = await fill(own_mailbox, inbox, 1)
    strange = IdSet({STRANGER: CounterSet.of([5, 6]), own_mailbox.replica_guid: CounterSet.of(ids)}).build()
    seen = IdSet({STRANGER: CounterSet([(1, 99)])}).build()
    laptop.states[inbox] = {MetaTagIdsetGiven: strange, MetaTagCnsetSeen: seen}
    delta = await laptop.download(inbox, flags=0x3B)
    assert (len(delta.changes), delta.deleted) == (1, [])
    assert delta.state[MetaTagIdsetGiven] == strange
    laptop.states[inbox] = {MetaTagIdsetGiven: strange, MetaTagCnsetSeen: seen}
    delta = await laptop.download(inbox)
    (deleted,) = delta.values(MetaTagIdsetDeleted)
    ((replica_id, counters),) = IdSet.parse_replid(deleted)
    assert counters == CounterSet.of([5, 6])
    assert isinstance(replica_id, int)
    value = await laptop.client.value("LongTermIdFromId", object_id=ObjectId(replica_id, 5))
    assert value.long_term_id.replica_guid == STRANGER
    assert [guid for guid, _ in IdSet.parse_replguid(delta.state[MetaTagIdsetGiven])] == [own_mailbox.replica_guid]


async def test_a_state_with_holes_is_answered_by_what_is_in_them(
    laptop: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    ids = await fill(own_mailbox, inbox, 5)
    rows = await own_mailbox.messages(inbox, ids)
    last = max(row.change_number for row in rows.values())
    seen = CounterSet([(1, last)])
    for place in (1, 3):
        seen.discard_range(rows[ids[place]].change_number, rows[ids[place]].change_number)
    laptop.states[inbox] = state(own_mailbox, given=CounterSet.of(ids), seen=seen)
    assert sorted((await laptop.download(inbox, flags=0x39)).subjects) == [f"{inbox}/1", f"{inbox}/3"]


async def test_a_message_that_left_and_came_back_is_another_one(
    laptop: Replica, inbox: int, client: Client, own_mailbox: Mailbox
) -> None:
    (message_id,) = await fill(own_mailbox, inbox, 1)
    await laptop.download(inbox)
    here, there = await open_folder(client, inbox), await open_special(client, own_mailbox, "drafts")
    await move_copy(client, here, there, [message_id])
    drafts = await own_mailbox.special_folder("drafts")
    (moved,) = await own_mailbox.message_ids(drafts.folder_id, associated=False)
    await move_copy(client, there, here, [moved])
    delta = await laptop.download(inbox)
    assert delta.deleted == [message_id]
    assert len(delta.changes) == 1
    soft = (await own_mailbox.message_ids(inbox, associated=False))[0]
    await delete_messages(client, here, [soft])
    assert (await laptop.download(inbox)).deleted == [soft]
    await move_copy(client, here, here, [soft])  # recovers it
    delta = await laptop.download(inbox)
    assert (len(delta.changes), delta.deleted) == (1, [])


async def test_a_folder_that_goes_before_it_is_downloaded(
    laptop: Replica, inbox: int, client: Client, own_mailbox: Mailbox
) -> None:
    parent = await open_folder(client, inbox)
    folder = (await client.value("CreateFolder", parent, **creating("short-lived"))).folder_id.counter
    slot = await open_folder(client, folder)
    await client.value(
        "SynchronizationConfigure",
        slot,
        synchronization_type=1,
        send_options=9,
        synchronization_flags=0x39,
        restriction_data=None,
        synchronization_extra_flags=0,
        property_tags=[],
    )
    context = client.last
    await delete_folder(client, parent, folder, EVERYTHING)
    error = await client.error("FastTransferSourceGetBuffer", context, buffer_size=0xBABE, maximum_buffer_size=0x7BC0)
    assert error == ErrorCode.ObjectDeleted


async def test_nothing_new_costs_nothing_and_little_costs_little(
    laptop: Replica, inbox: int, own_mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read of the store is what changed, whatever the folder holds."""
    await fill(own_mailbox, inbox, 60)
    await laptop.download(inbox)
    listed: list[int] = []
    select, read = changes.select_message_changes, messages.select_for_sync

    async def counting(*values: object, **options: object) -> object:
        found = await select(*values, **options)  # type: ignore[arg-type]
        listed.append(len(found))
        return found

    async def reading(*values: object) -> object:
        found = await read(*values)  # type: ignore[arg-type]
        listed.append(len(found))
        return found

    monkeypatch.setattr(changes, "select_message_changes", counting)
    monkeypatch.setattr(messages, "select_for_sync", reading)
    await laptop.download(inbox)
    assert listed == []
    await fill(own_mailbox, inbox, 2)
    assert len((await laptop.download(inbox)).changes) == 2
    assert listed == [2, 2]
