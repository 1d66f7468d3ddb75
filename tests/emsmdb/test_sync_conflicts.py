"""Versions that do not include one another (MS-OXCFXICS 3.1.5.6)."""

from uuid import UUID

import pytest

from mapigw.mailbox.content import decode_message
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.xid import PredecessorChangeList, Xid
from tests.emsmdb.client import Client
from tests.emsmdb.folders import blob_counts, move_copy, open_folder, open_special
from tests.emsmdb.messages import open_message, save
from tests.emsmdb.replica import Replica
from tests.emsmdb.uploads import FIRST, LAPTOP, LATER, PHONE, mail, upload

IN_CONFLICT = 0x800
FAIL_ON_CONFLICT = 0x40
LAST_WRITER_WINS = 0x1


async def row_of(mailbox: Mailbox, key: Xid) -> MessageRow:
    row = await mailbox.message(key.counter)
    assert row is not None
    return row


async def conflict(
    laptop: Replica, phone: Replica, folder_id: int, *, flags: int = 0, times: tuple[int, int] = (FIRST, LATER)
) -> tuple[Xid, PredecessorChangeList, PredecessorChangeList, PredecessorChangeList]:
    """(source key, the list before, the laptop's, the phone's) of a message that both have edited."""
    _, key, before = await upload(laptop, folder_id, "start", flags=flags)
    await phone.download(folder_id)
    code, _, phones = await upload(
        phone, folder_id, "from the phone", key=key, before=before, modified=times[1], flags=flags
    )
    assert code == 0
    code, _, laptops = await upload(
        laptop, folder_id, "from the laptop", key=key, before=before, modified=times[0], flags=flags
    )
    assert code == 0
    return key, before, laptops, phones


async def test_two_edits_of_one_message_are_both_kept(
    laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    key, _, laptops, phones = await conflict(laptop, phone, inbox)
    row = await row_of(own_mailbox, key)
    assert row.message_status & IN_CONFLICT
    assert row.subject == "from the phone"
    assert row.predecessor_change_list == laptops.merge(phones).build()
    versions = decode_message(row).attachments
    assert [item.properties[tags.PidTagInConflict] for item in versions] == [True, True]
    delta = await laptop.download(inbox)
    assert sorted(delta.subjects) == ["from the laptop", "from the phone"]
    assert {change.values[tags.PidTagSourceKey] for change in delta.changes} == {key.build()}
    lists = {
        change.values[tags.PidTagSubject]: change.values[tags.PidTagPredecessorChangeList] for change in delta.changes
    }
    assert lists == {"from the laptop": laptops.build(), "from the phone": phones.build()}
    assert all(not change.attachments for change in delta.changes)


@pytest.mark.spec("MS-OXCFXICS_R2449")
@pytest.mark.parametrize("times", [(FIRST, LATER), (LATER, FIRST), (FIRST, FIRST)])
async def test_the_last_writer_wins_and_of_the_same_time_the_larger_guid(
    laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox, times: tuple[int, int]
) -> None:
    key, *_ = await conflict(laptop, phone, inbox, times=times)
    assert LAPTOP.bytes_le > PHONE.bytes_le
    row = await row_of(own_mailbox, key)
    assert row.subject == ("from the phone" if times == (FIRST, LATER) else "from the laptop")
    assert row.modified == max(times)


async def test_a_device_resolves_a_conflict(laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox) -> None:
    key, _, laptops, phones = await conflict(laptop, phone, inbox)
    await laptop.download(inbox)
    together = laptops.merge(phones)
    code, _, after = await upload(laptop, inbox, "both", key=key, before=together, modified=LATER)
    assert code == 0
    row = await row_of(own_mailbox, key)
    assert not row.message_status & IN_CONFLICT
    assert row.predecessor_change_list == after.build()
    assert not decode_message(row).attachments
    assert not (await laptop.download(inbox)).changes
    assert (await phone.download(inbox)).subjects == ["both"]


async def test_a_third_version_joins_the_others_and_an_edit_of_one_replaces_it(
    laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    key, before, laptops, _ = await conflict(laptop, phone, inbox)
    third = Replica(laptop.client, UUID(int=3), laptop.replica_guid)
    third.states = {folder_id: dict(state) for folder_id, state in laptop.states.items()}
    assert (await upload(third, inbox, "from the third", key=key, before=before))[0] == 0
    assert sorted((await phone.download(inbox)).subjects) == ["from the laptop", "from the phone", "from the third"]
    # The laptop did not look, and edits its own version again.
    assert (await upload(laptop, inbox, "laptop again", key=key, before=laptops))[0] == 0
    assert sorted((await phone.download(inbox)).subjects) == ["from the phone", "from the third", "laptop again"]
    assert (await row_of(own_mailbox, key)).subject == "from the phone"


async def test_saving_online_resolves_a_conflict(
    laptop: Replica, phone: Replica, inbox: int, client: Client, own_mailbox: Mailbox
) -> None:
    """Symptom: what was written online is not on the devices."""
    key, _, laptops, phones = await conflict(laptop, phone, inbox)
    slot = await open_message(client, key.counter, key="inbox")
    await client.value("SetProperties", slot, property_values=[(tags.PidTagSubject, "online")])
    await save(client, slot)
    row = await row_of(own_mailbox, key)
    assert not row.message_status & IN_CONFLICT
    assert not decode_message(row).attachments
    (change,) = (await phone.download(inbox)).changes
    assert change.values[tags.PidTagSubject] == "online"
    after = PredecessorChangeList.parse(change.values[tags.PidTagPredecessorChangeList])
    assert after == laptops.merge(phones).with_change(Xid.gid(own_mailbox.replica_guid, row.change_number))


async def test_a_conflict_is_moved_with_its_versions(
    laptop: Replica, phone: Replica, inbox: int, client: Client, own_mailbox: Mailbox
) -> None:
    key, *_ = await conflict(laptop, phone, inbox)
    drafts = (await own_mailbox.special_folder("drafts")).folder_id
    source, target = await open_folder(client, inbox), await open_special(client, own_mailbox, "drafts")
    await move_copy(client, source, target, [key.counter])
    changes = (await phone.download(drafts)).changes
    assert sorted(item.values[tags.PidTagSubject] for item in changes) == ["from the laptop", "from the phone"]
    # What is made of it succeeds both, though the move has made a new message of it.
    (moved,) = await own_mailbox.message_ids(drafts, associated=False)
    slot = await open_message(client, moved)
    await client.value("SetProperties", slot, property_values=[(tags.PidTagSubject, "online")])
    await save(client, slot)
    (change,) = (await phone.download(drafts)).changes
    after = PredecessorChangeList.parse(change.values[tags.PidTagPredecessorChangeList])
    assert all(
        after.includes(PredecessorChangeList.parse(item.values[tags.PidTagPredecessorChangeList])) for item in changes
    )


async def test_a_device_can_ask_to_be_refused(laptop: Replica, phone: Replica, inbox: int) -> None:
    _, key, before = await upload(laptop, inbox, "start")
    await phone.download(inbox)
    await upload(phone, inbox, "from the phone", key=key, before=before, modified=LATER)
    code, _, _ = await upload(
        laptop, inbox, "from the laptop", key=key, before=before, modified=FIRST, flags=FAIL_ON_CONFLICT
    )
    assert code == ErrorCode.SyncConflict
    assert (await laptop.download(inbox)).subjects == ["from the phone"]


async def test_a_conflict_that_comes_between_import_and_save_is_refused_too(
    laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    _, key, before = await upload(laptop, inbox, "start")
    collector = await laptop.collector(inbox)
    change = laptop.next_change()
    client = laptop.client
    values = laptop.import_values(key, LATER, change, before.with_change(change))
    await client.value(
        "SynchronizationImportMessageChange", collector, import_flag=FAIL_ON_CONFLICT, property_values=values
    )
    message = client.last
    await upload(phone, inbox, "from the phone", key=key, before=before)
    await client.value("SetProperties", message, property_values=list(mail("from the laptop").items()))
    code = await client.error("SaveChangesMessage", message, input_handle_index=message, save_flags=0x08)
    assert code == ErrorCode.SyncConflict
    assert (await row_of(own_mailbox, key)).subject == "from the phone"


async def test_of_two_versions_of_fai_the_last_stays(
    laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    key, _, laptops, phones = await conflict(laptop, phone, inbox, flags=0x10)
    assert not (await row_of(own_mailbox, key)).message_status & IN_CONFLICT
    (change,) = (await laptop.download(inbox)).changes
    assert change.values[tags.PidTagSubject] == "from the phone"
    assert change.values[tags.PidTagPredecessorChangeList] == laptops.merge(phones).build()


async def test_a_folder_may_have_its_conflicts_resolved_by_the_last_writer(
    laptop: Replica, phone: Replica, inbox: int, client: Client, own_mailbox: Mailbox
) -> None:
    slot = await open_folder(client, inbox)
    value = await client.value("SetProperties", slot, property_values=[(tags.PidTagResolveMethod, LAST_WRITER_WINS)])
    assert not value.property_problems
    key, *_ = await conflict(laptop, phone, inbox)
    assert not (await row_of(own_mailbox, key)).message_status & IN_CONFLICT
    assert (await laptop.download(inbox)).subjects == ["from the phone"]


async def test_versions_with_large_values_are_kept_and_counted(
    laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    headers = {tags.PidTagTransportMessageHeaders: "x" * 6_000}
    _, key, before = await upload(laptop, inbox, "start", more=headers)
    await upload(phone, inbox, "from the phone", key=key, before=before, modified=LATER, more=headers)
    await upload(laptop, inbox, "from the laptop", key=key, before=before, more=headers)
    assert sorted((await blob_counts(own_mailbox)).values()) == [3]  # the winner shown, and two versions
    changes = (await phone.download(inbox)).changes
    assert [change.values[tags.PidTagTransportMessageHeaders] for change in changes] == ["x" * 6_000] * 2
    collector = await laptop.collector(inbox)
    await laptop.client.value(
        "SynchronizationImportDeletes", collector, import_delete_flags=2, property_values=[(0x00001102, [key.build()])]
    )
    assert not await blob_counts(own_mailbox)


async def test_a_deletion_wins_over_an_edit_that_it_has_not_seen(
    laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    """A deletion tells no version; what was deleted so can be recovered."""
    _, key, before = await upload(laptop, inbox, "start")
    await upload(phone, inbox, "edited", key=key, before=before, modified=LATER)
    collector = await laptop.collector(inbox)
    await laptop.client.value(
        "SynchronizationImportDeletes", collector, import_delete_flags=0, property_values=[(0x00001102, [key.build()])]
    )
    assert (await phone.download(inbox)).deleted == [key.counter]
    deleted = await own_mailbox.deleted_message(key.counter)
    assert deleted is not None
    assert deleted.subject == "edited"
