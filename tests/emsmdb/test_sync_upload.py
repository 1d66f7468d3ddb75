"""Synchronization uploads (MS-OXCFXICS 3.2.5.9.4) from devices that each have a replica."""

from uuid import UUID

import pytest

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import MetaTagCnsetRead, MetaTagCnsetSeen, MetaTagCnsetSeenFAI
from mapigw.wire.globset import IdSet
from mapigw.wire.primitives import LongTermId
from mapigw.wire.xid import PredecessorChangeList, Xid
from tests.emsmdb.client import Client
from tests.emsmdb.replica import Replica

PHONE = UUID("11111111-0000-0000-0000-000000000001")
LAPTOP = UUID("22222222-0000-0000-0000-000000000002")
FIRST = 133_000_000_000_000_000
LATER = FIRST + 10_000_000
IN_CONFLICT = 0x800


@pytest.fixture
async def inbox(own_mailbox: Mailbox) -> int:
    return (await own_mailbox.special_folder("inbox")).folder_id


@pytest.fixture
async def laptop(client: Client, own_mailbox: Mailbox) -> Replica:
    return Replica(client, LAPTOP, own_mailbox.replica_guid)


@pytest.fixture
async def phone(client: Client, own_mailbox: Mailbox) -> Replica:
    return Replica(client, PHONE, own_mailbox.replica_guid)


def mail(subject: str) -> dict[int, object]:
    return {
        tags.PidTagMessageClass: "IPM.Note",
        tags.PidTagSubject: subject,
        tags.PidTagNormalizedSubject: subject,
        tags.PidTagBody: f"about {subject}",
    }


async def upload(
    device: Replica,
    folder_id: int,
    subject: str,
    *,
    key: Xid | None = None,
    before: PredecessorChangeList | None = None,
    modified: int = FIRST,
    flags: int = 0,
) -> tuple[int, Xid, PredecessorChangeList]:
    """(ReturnValue, source key, predecessor change list) of a message that the device made or changed."""
    key = key or await device.new_key()
    change = device.next_change()
    predecessors = (before or PredecessorChangeList()).with_change(change)
    collector = await device.collector(folder_id)
    code = await device.import_message(
        collector,
        key,
        mail(subject),
        modified=modified,
        change=change,
        predecessors=predecessors,
        flags=flags,
    )
    await device.keep_state(collector, folder_id)
    if not code:
        device.given(folder_id, key.counter)
    return code, key, predecessors


@pytest.mark.spec("MS-OXCFXICS_R769", "MS-OXCFXICS_R778", "MS-OXCFXICS_R782", "MS-OXCFXICS_R805", "MS-OXCFXICS_R814")
async def test_an_imported_message_comes_to_other_devices_as_it_was_sent(
    laptop: Replica, phone: Replica, inbox: int
) -> None:
    code, key, predecessors = await upload(laptop, inbox, "hello")
    assert code == 0
    (change,) = (await phone.download(inbox)).changes
    assert change.values[tags.PidTagSourceKey] == key.build()
    assert change.values[tags.PidTagChangeKey] == Xid(LAPTOP, b"\0\0\0\1").build()
    assert change.values[tags.PidTagPredecessorChangeList] == predecessors.build()
    assert change.values[tags.PidTagLastModificationTime] == FIRST
    assert change.values[tags.PidTagSubject] == "hello"
    assert change.values[tags.PidTagBody] == "about hello"
    assert change.values[tags.PidTagAssociated] is False


@pytest.mark.spec("MS-OXCFXICS_R1906", "MS-OXCFXICS_R1907", "MS-OXCFXICS_R1910")
async def test_a_device_is_not_sent_what_it_uploaded(laptop: Replica, inbox: int, own_mailbox: Mailbox) -> None:
    _, key, _ = await upload(laptop, inbox, "hello")
    row = await own_mailbox.message(key.counter)
    assert row is not None
    seen = IdSet.parse_replguid(laptop.states[inbox][MetaTagCnsetSeen])
    assert row.change_number in seen.get(own_mailbox.replica_guid)
    delta = await laptop.download(inbox)
    assert (delta.changes, delta.deleted) == ([], [])


@pytest.mark.spec("MS-OXCFXICS_R813", "MS-OXCFXICS_R190701")
async def test_fai_is_seen_in_a_state_of_its_own(laptop: Replica, inbox: int, own_mailbox: Mailbox) -> None:
    _, key, _ = await upload(laptop, inbox, "settings", flags=0x10)
    row = await own_mailbox.message(key.counter)
    assert row is not None
    assert row.is_associated
    seen = IdSet.parse_replguid(laptop.states[inbox][MetaTagCnsetSeenFAI])
    assert row.change_number in seen.get(own_mailbox.replica_guid)
    assert not (await laptop.download(inbox)).changes


async def test_a_change_replaces_all_that_was_there(laptop: Replica, phone: Replica, inbox: int) -> None:
    _, key, before = await upload(laptop, inbox, "first")
    await phone.download(inbox)
    code, _, after = await upload(laptop, inbox, "second", key=key, before=before, modified=LATER)
    assert code == 0
    (change,) = (await phone.download(inbox)).changes
    assert change.values[tags.PidTagSubject] == "second"
    assert change.values[tags.PidTagPredecessorChangeList] == after.build()
    assert not change.attachments


async def test_a_change_that_is_known_already_is_ignored(laptop: Replica, phone: Replica, inbox: int) -> None:
    _, key, predecessors = await upload(laptop, inbox, "hello")
    collector = await laptop.collector(inbox)
    code = await laptop.import_message(
        collector,
        key,
        mail("hello"),
        modified=FIRST,
        change=Xid(LAPTOP, b"\0\0\0\1"),
        predecessors=predecessors,
    )
    assert code == ErrorCode.IgnoreFailure


async def test_two_edits_of_one_message_are_both_kept(
    laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    _, key, before = await upload(laptop, inbox, "start")
    await phone.download(inbox)
    assert (await upload(phone, inbox, "from the phone", key=key, before=before, modified=LATER))[0] == 0
    assert (await upload(laptop, inbox, "from the laptop", key=key, before=before, modified=FIRST))[0] == 0
    row = await own_mailbox.message(key.counter)
    assert row is not None
    assert row.message_status & IN_CONFLICT
    assert row.subject == "from the phone"
    changes = (await laptop.download(inbox)).changes
    assert sorted(change.values[tags.PidTagSubject] for change in changes) == ["from the laptop", "from the phone"]
    assert {change.values[tags.PidTagSourceKey] for change in changes} == {key.build()}


async def test_a_device_can_ask_to_be_refused(laptop: Replica, phone: Replica, inbox: int) -> None:
    _, key, before = await upload(laptop, inbox, "start")
    await phone.download(inbox)
    await upload(phone, inbox, "from the phone", key=key, before=before, modified=LATER)
    code, _, _ = await upload(laptop, inbox, "from the laptop", key=key, before=before, modified=FIRST, flags=0x40)
    assert code == ErrorCode.SyncConflict
    (change,) = (await laptop.download(inbox)).changes
    assert change.values[tags.PidTagSubject] == "from the phone"


async def test_of_two_versions_of_fai_the_last_stays(
    laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    _, key, before = await upload(laptop, inbox, "start", flags=0x10)
    await phone.download(inbox)
    await upload(phone, inbox, "from the phone", key=key, before=before, modified=LATER, flags=0x10)
    await upload(laptop, inbox, "from the laptop", key=key, before=before, modified=FIRST, flags=0x10)
    row = await own_mailbox.message(key.counter)
    assert row is not None
    assert not row.message_status & IN_CONFLICT
    (change,) = (await laptop.download(inbox)).changes
    assert change.values[tags.PidTagSubject] == "from the phone"
    merged = PredecessorChangeList.parse(change.values[tags.PidTagPredecessorChangeList])
    assert merged == before.with_change(Xid(LAPTOP, b"\0\0\0\2")).with_change(Xid(PHONE, b"\0\0\0\1"))


@pytest.mark.spec("MS-OXCFXICS_R884")
async def test_an_edit_of_what_was_deleted_is_told_so(laptop: Replica, phone: Replica, inbox: int) -> None:
    _, key, before = await upload(laptop, inbox, "start")
    await phone.download(inbox)
    collector = await phone.collector(inbox)
    await phone.client.value(
        "SynchronizationImportDeletes", collector, import_delete_flags=0, property_values=[(0x00001102, [key.build()])]
    )
    code, _, _ = await upload(laptop, inbox, "again", key=key, before=before, modified=LATER)
    assert code == ErrorCode.SyncObjectDeleted
    assert (await laptop.download(inbox)).deleted == [key.counter]


async def test_deleting_twice_is_no_error(laptop: Replica, inbox: int) -> None:
    _, key, _ = await upload(laptop, inbox, "start")
    collector = await laptop.collector(inbox)
    keys = [(0x00001102, [key.build(), (await laptop.new_key()).build()])]
    for _ in range(2):
        await laptop.client.value(
            "SynchronizationImportDeletes", collector, import_delete_flags=0, property_values=keys
        )


@pytest.mark.spec("MS-OXCFXICS_R905", "MS-OXCFXICS_R2260")
async def test_read_states_come_to_other_devices(
    laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    _, key, _ = await upload(laptop, inbox, "start")
    await phone.download(inbox)
    await laptop.download(inbox)
    collector = await laptop.collector(inbox)
    await laptop.client.value(
        "SynchronizationImportReadStateChanges", collector, message_read_states=[(key.build(), True)]
    )
    state = await laptop.keep_state(collector, inbox)
    row = await own_mailbox.message(key.counter)
    assert row is not None
    assert row.read_change_number in IdSet.parse_replguid(state[MetaTagCnsetRead]).get(own_mailbox.replica_guid)
    assert (await phone.download(inbox)).read == [key.counter]
    assert (await laptop.download(inbox)).read == []


@pytest.mark.spec("MS-OXCFXICS_R839", "MS-OXCFXICS_R2246")
async def test_a_move_keeps_the_identity_that_the_client_gave(
    laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    trash = (await own_mailbox.special_folder("deleted_items")).folder_id
    _, key, before = await upload(laptop, inbox, "start")
    await phone.download(inbox)
    await phone.download(trash)
    new_key, change = await laptop.new_key(), laptop.next_change()
    predecessors = before.with_change(change)
    collector = await laptop.collector(trash)
    request = {
        "source_folder_id": Xid.gid(own_mailbox.replica_guid, inbox).build(),
        "source_message_id": key.build(),
        "predecessor_change_list": predecessors.build(),
        "destination_message_id": new_key.build(),
        "change_number": change.build(),
    }
    for _ in range(2):  # a repeated move finds it done
        await laptop.client.value("SynchronizationImportMessageMove", collector, **request)
    await laptop.keep_state(collector, trash)
    laptop.given(trash, new_key.counter)
    assert not (await laptop.download(trash)).changes
    assert (await phone.download(inbox)).deleted == [key.counter]
    (moved,) = (await phone.download(trash)).changes
    assert moved.values[tags.PidTagSourceKey] == new_key.build()
    assert moved.values[tags.PidTagChangeKey] == change.build()
    assert moved.values[tags.PidTagPredecessorChangeList] == predecessors.build()
    assert moved.values[tags.PidTagSubject] == "start"


@pytest.mark.spec("MS-OXCFXICS_R875", "MS-OXCFXICS_R876")
async def test_a_move_of_an_edited_message_waits_for_the_edit(
    laptop: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    trash = (await own_mailbox.special_folder("deleted_items")).folder_id
    _, key, before = await upload(laptop, inbox, "start")
    edited = before.with_change(laptop.next_change())
    change, new_key = laptop.next_change(), await laptop.new_key()
    collector = await laptop.collector(trash)
    (answer,) = await laptop.client.send(
        laptop.client.request(
            "SynchronizationImportMessageMove",
            collector,
            source_folder_id=Xid.gid(own_mailbox.replica_guid, inbox).build(),
            source_message_id=key.build(),
            predecessor_change_list=edited.with_change(Xid(PHONE, b"\0\0\0\7")).with_change(change).build(),
            destination_message_id=new_key.build(),
            change_number=change.build(),
        )
    )
    assert answer.return_value == ErrorCode.NewerClientChange
    row = await own_mailbox.message(new_key.counter)
    assert row is not None
    assert row.predecessor_change_list == before.build()
    code, _, _ = await upload(laptop, trash, "edited", key=new_key, before=edited, modified=LATER)
    assert code == 0


@pytest.mark.spec("MS-OXCFXICS_R940", "MS-OXCFXICS_R2269")
async def test_ids_that_will_not_be_used_cannot_be(laptop: Replica, inbox: int) -> None:
    key = await laptop.new_key()
    folder = await laptop.open_folder(inbox)
    identifier = LongTermId(laptop.replica_guid, key.counter)
    await laptop.client.value(
        "SetLocalReplicaMidsetDeleted",
        folder,
        long_term_id_ranges=[{"min_long_term_id": identifier, "max_long_term_id": identifier}],
    )
    assert (await upload(laptop, inbox, "late", key=key))[0] == ErrorCode.SyncObjectDeleted


async def test_an_id_that_was_never_handed_out_is_refused(laptop: Replica, inbox: int) -> None:
    await laptop.new_key()
    key = Xid.gid(laptop.replica_guid, (1 << 48) - 2)
    assert (await upload(laptop, inbox, "forged", key=key))[0] == ErrorCode.InvalidParameter


async def test_a_source_key_of_another_replica_comes_back_unchanged(
    laptop: Replica, phone: Replica, inbox: int
) -> None:
    key = Xid.gid(UUID("33333333-0000-0000-0000-000000000003"), 77)
    code, _, before = await upload(laptop, inbox, "foreign", key=key)
    assert code == 0
    (change,) = (await phone.download(inbox, flags=0x39 | 0x2000)).changes
    assert change.values[tags.PidTagSourceKey] == key.build()
    assert (await upload(laptop, inbox, "changed", key=key, before=before, modified=LATER))[0] == 0
    assert len((await phone.download(inbox, flags=0x39 | 0x2000)).changes) == 1


async def test_outlook_asks_for_its_change_key_at_the_response_index(laptop: Replica, inbox: int) -> None:
    """Symptom: 8004010F in Sync Issues. One buffer: the save, then the properties at the index of its response."""
    client = laptop.client
    key, change = await laptop.new_key(), laptop.next_change()
    values = laptop.import_values(key, FIRST, change, PredecessorChangeList([change]))
    collector = await laptop.collector(inbox)
    await client.value("SynchronizationImportMessageChange", collector, import_flag=0, property_values=values)
    message = client.last
    client.handles.append(0xFFFFFFFF)
    responses = await client.send(
        client.request("SetProperties", message, property_values=list(mail("hello").items())),
        client.request("SaveChangesMessage", message, response_handle_index=client.last, save_flags=0x08),
        client.request(
            "GetPropertiesSpecific",
            client.last,
            property_size_limit=0,
            want_unicode=1,
            property_tags=[tags.PidTagChangeKey],
        ),
    )
    assert [response.return_value for response in responses] == [0, 0, 0]
    assert responses[2].value.row_data == [change.build()]
