"""Synchronization uploads (MS-OXCFXICS 3.2.5.9.4) from devices that each have a replica."""

from typing import Any
from uuid import UUID

import pytest

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.permissions import Rights
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import MetaTagCnsetRead, MetaTagCnsetSeen, MetaTagCnsetSeenFAI
from mapigw.wire.globset import IdSet
from mapigw.wire.primitives import LongTermId
from mapigw.wire.xid import PredecessorChangeList, Xid
from tests.emsmdb.client import Client
from tests.emsmdb.delegates import ANN, grant, log_on_as
from tests.emsmdb.folders import open_folder
from tests.emsmdb.replica import Replica
from tests.emsmdb.uploads import FIRST, LAPTOP, LATER, PHONE, mail, upload

IN_CONFLICT = 0x800


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


def imported(device: Replica, key: Xid, before: PredecessorChangeList | None = None) -> list[tuple[int, object]]:
    change = device.next_change()
    return device.import_values(key, FIRST, change, (before or PredecessorChangeList()).with_change(change))


@pytest.mark.spec("MS-OXCFXICS_R3509001")
@pytest.mark.parametrize("flag", [0x01, 0x20, 0x80])
async def test_unknown_import_flags_are_refused(laptop: Replica, inbox: int, flag: int) -> None:
    assert (await upload(laptop, inbox, "x", flags=flag))[0] == ErrorCode.InvalidParameter


@pytest.mark.parametrize("flags", [0x08, 0x0A, 0x0E])
async def test_the_buffer_of_an_upload_ends_with_the_change_key(
    laptop: Replica, inbox: int, own_mailbox: Mailbox, flags: int
) -> None:
    """Symptom: 8004010F, or the Root's change key, and a modal error: as Outlook sends it, ids by response index."""
    client = laptop.client
    collector = await laptop.collector(inbox)
    key = await laptop.new_key()
    values = imported(laptop, key)
    await client.value("SynchronizationImportMessageChange", collector, import_flag=0x50, property_values=values)
    message = client.last
    configuration = [
        (tags.PidTagImportance, 1),
        (tags.PidTagMessageClass, "IPM.Configuration.AccountPrefs"),
        (tags.PidTagSensitivity, 0),
        (tags.PidTagMessageFlags, 0x49),
        (tags.PidTagCreationTime, FIRST - 5),
        (tags.PidTagSearchKey, b"0123456789abcdef"),
        (tags.PidTagLastModifierName, "tom@bm.lan"),
        (tags.PidTagRoamingDatatypes, 0),
        (tags.PidTagRtfInSync, False),
    ]
    client.handles.append(client.handles[message])
    response = client.last
    answers = await client.send(
        client.request("SetProperties", message, property_values=configuration),
        client.request("SetProperties", message, property_values=[(tags.PidTagRtfInSync, False)]),
        client.request(
            "SetProperties",
            message,
            property_values=[(tags.PidTagSubjectPrefix, ""), (tags.PidTagNormalizedSubject, "settings")],
        ),
        client.request("SaveChangesMessage", response, input_handle_index=message, save_flags=flags),
        client.request(
            "GetPropertiesSpecific",
            response,
            property_size_limit=0,
            want_unicode=1,
            property_tags=[tags.PidTagChangeKey],
        ),
        columns={response: [tags.PidTagChangeKey]},
    )
    assert [answer.return_value for answer in answers] == [0] * 5
    assert [answer.value.property_problems for answer in answers[:3]] == [[], [], []]
    assert answers[3].value.message_id.counter == key.counter
    assert answers[4].value.row_data == [Xid(LAPTOP, b"\0\0\0\1").build()]
    (change,) = (await Replica(client, PHONE, laptop.replica_guid).download(inbox)).changes
    assert change.values[tags.PidTagMessageFlags] == 0x449
    kept = dict(configuration)
    del kept[tags.PidTagMessageFlags]
    assert kept.items() <= change.values.items()


async def test_what_a_message_has_from_its_first_save_stays(
    laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    first = {
        tags.PidTagCreationTime: FIRST - 5,
        tags.PidTagSearchKey: b"0123456789abcdef",
        tags.PidTagLastModifierName: "tom@bm.lan",
        tags.PidTagImportance: 2,
    }
    _, key, before = await upload(laptop, inbox, "first", more=first)
    values = (await phone.download(inbox)).changes[0].values
    assert first.items() <= values.items()
    # The client sends all that it has; what is not the client's to change is passed over, and the rest is all there is.
    later = {
        tags.PidTagCreationTime: LATER,
        tags.PidTagSearchKey: b"another",
        tags.PidTagMessageFlags: 0x09,
        tags.PidTagHasAttachments: True,
        tags.PidTagMessageSize: 17,
    }
    code, _, after = await upload(laptop, inbox, "second", key=key, before=before, modified=LATER, more=later)
    assert code == 0
    values = (await phone.download(inbox)).changes[0].values
    assert values[tags.PidTagCreationTime] == FIRST - 5
    assert values[tags.PidTagSearchKey] == b"0123456789abcdef"
    assert values[tags.PidTagMessageFlags] == 0
    assert values[tags.PidTagImportance] == 1
    assert values[tags.PidTagHasAttachments] is False
    assert (await upload(laptop, inbox, "third", key=key, before=after, modified=LATER))[0] == 0
    values = (await phone.download(inbox)).changes[0].values
    assert values[tags.PidTagCreationTime] == FIRST - 5


async def test_the_imported_message_is_empty_before_it_is_filled(laptop: Replica, phone: Replica, inbox: int) -> None:
    """MS-OXCFXICS 3.2.5.9.4.2: content is purged, and nothing of it is in the mailbox before the save."""
    _, key, before = await upload(laptop, inbox, "first")
    collector = await laptop.collector(inbox)
    client = laptop.client
    values = imported(laptop, key, before)
    await client.value("SynchronizationImportMessageChange", collector, import_flag=0, property_values=values)
    message = client.last
    assert await client.properties(message, tags.PidTagBody) == [ErrorCode.NotFound]
    await client.send(client.request("Release", message))
    assert (await phone.download(inbox)).subjects == ["first"]


async def test_a_handle_that_has_imported_goes_on_as_any_other(
    laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    key = await laptop.new_key()
    collector = await laptop.collector(inbox)
    client = laptop.client
    values = imported(laptop, key)
    await client.value("SynchronizationImportMessageChange", collector, import_flag=0, property_values=values)
    message = client.last
    for subject in ("imported", "online"):
        await client.value("SetProperties", message, property_values=[(tags.PidTagSubject, subject)])
        await client.value("SaveChangesMessage", message, input_handle_index=message, save_flags=0x0A)
    row = await own_mailbox.message(key.counter)
    assert row is not None
    (change,) = (await phone.download(inbox)).changes
    assert change.values[tags.PidTagSubject] == "online"
    own = Xid.gid(own_mailbox.replica_guid, row.change_number)
    assert change.values[tags.PidTagChangeKey] == own.build()
    before = PredecessorChangeList([Xid(LAPTOP, b"\0\0\0\1")])
    assert change.values[tags.PidTagPredecessorChangeList] == before.with_change(own).build()


async def test_read_states_of_fai_and_of_what_is_not_there_are_passed_over(
    laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    _, settings, _ = await upload(laptop, inbox, "settings", flags=0x10)
    _, message, _ = await upload(laptop, inbox, "message")
    never = await laptop.new_key()
    await phone.download(inbox)
    collector = await laptop.collector(inbox)
    states = [(key.build(), True) for key in (settings, never, message)]
    (answer,) = await laptop.client.send(
        laptop.client.request("SynchronizationImportReadStateChanges", collector, message_read_states=states)
    )
    assert answer.return_value == 0
    row = await own_mailbox.message(settings.counter)
    assert row is not None
    assert not row.is_read
    assert (await phone.download(inbox)).read == [message.counter]


async def test_hard_and_soft_deletions(laptop: Replica, inbox: int, own_mailbox: Mailbox) -> None:
    keys = [(await upload(laptop, inbox, str(number)))[1] for number in range(2)]
    collector = await laptop.collector(inbox)
    for hard, key in enumerate(keys):
        values = [(0x00001102, [key.build()])]
        await laptop.client.value(
            "SynchronizationImportDeletes", collector, import_delete_flags=2 * hard, property_values=values
        )
        assert await own_mailbox.message(key.counter) is None
        assert (await own_mailbox.deleted_message(key.counter) is None) is bool(hard)


async def test_deletions_that_are_not_permitted_leave_everything(
    laptop: Replica, client: Client, inbox: int, own_mailbox: Mailbox
) -> None:
    ann = Replica(await log_on_as(client, ANN), PHONE, own_mailbox.replica_guid)
    _, owners, before = await upload(laptop, inbox, "owner's")
    await grant(client, "inbox", ANN, Rights.ReadAny | Rights.Create | Rights.EditOwned | Rights.DeleteOwned)
    code, anns, _ = await upload(ann, inbox, "ann's")
    assert code == 0
    assert (await upload(ann, inbox, "edited", key=owners, before=before))[0] == ErrorCode.AccessDenied
    fields: dict[str, Any] = {
        "import_delete_flags": 0,
        "property_values": [(0x00001102, [anns.build(), owners.build()])],
    }
    collector = await ann.collector(inbox)
    assert await ann.client.error("SynchronizationImportDeletes", collector, **fields) == ErrorCode.AccessDenied
    assert len(await own_mailbox.message_ids(inbox, associated=False)) == 2
    fields["property_values"] = [(0x00001102, [anns.build()])]
    await ann.client.value("SynchronizationImportDeletes", collector, **fields)
    await grant(client, "inbox", ANN, Rights.FolderVisible)
    assert (await upload(ann, inbox, "new"))[0] == ErrorCode.AccessDenied


@pytest.mark.parametrize(
    "values",
    [
        {tags.PidTagPredecessorChangeList: b"\x16" + b"\x11" * 20},
        {tags.PidTagPredecessorChangeList: b"".join(b"\x11" + n.to_bytes(2, "big") + b"\2" * 15 for n in range(300))},
        {tags.PidTagChangeKey: b"short"},
        {tags.PidTagSourceKey: b""},
        {tags.PidTagSourceKey: b"x" * 25},
    ],
)
async def test_malformed_histories_are_refused(
    laptop: Replica, inbox: int, own_mailbox: Mailbox, values: dict[int, bytes]
) -> None:
    given = dict(imported(laptop, await laptop.new_key())) | values
    collector = await laptop.collector(inbox)
    error = await laptop.client.error(
        "SynchronizationImportMessageChange", collector, import_flag=0, property_values=list(given.items())
    )
    assert error == ErrorCode.InvalidParameter
    del given[tags.PidTagChangeKey]
    error = await laptop.client.error(
        "SynchronizationImportMessageChange", collector, import_flag=0, property_values=list(given.items())
    )
    assert error == ErrorCode.InvalidParameter


async def test_ranges_that_will_not_be_used_overlap_and_join(
    laptop: Replica, client: Client, inbox: int, own_mailbox: Mailbox
) -> None:
    first = (await laptop.new_key()).counter
    folder = await open_folder(client, inbox)

    def ranges(*pairs: tuple[int, int]) -> list[dict[str, LongTermId]]:
        return [
            {
                "min_long_term_id": LongTermId(laptop.replica_guid, first + low),
                "max_long_term_id": LongTermId(laptop.replica_guid, first + high),
            }
            for low, high in pairs
        ]

    for pairs in (((10, 100), (50, 60)), ((10, 20),), ((101, 110),)):
        await client.value("SetLocalReplicaMidsetDeleted", folder, long_term_id_ranges=ranges(*pairs))
    for offset, wanted in ((9, 0), (10, ErrorCode.SyncObjectDeleted), (80, ErrorCode.SyncObjectDeleted)):
        code, _, _ = await upload(laptop, inbox, "x", key=Xid.gid(laptop.replica_guid, first + offset))
        assert code == wanted
    error = await client.error("SetLocalReplicaMidsetDeleted", folder, long_term_id_ranges=ranges((5, 4)))
    assert error == ErrorCode.InvalidParameter
    strange = [{"min_long_term_id": LongTermId(LAPTOP, 1), "max_long_term_id": LongTermId(LAPTOP, 2)}]
    error = await client.error("SetLocalReplicaMidsetDeleted", folder, long_term_id_ranges=strange)
    assert error == ErrorCode.InvalidParameter


async def test_uploads_need_no_state(laptop: Replica, inbox: int, own_mailbox: Mailbox) -> None:
    laptop.states[inbox] = {}
    client = laptop.client
    folder = await laptop.open_folder(inbox)
    await client.value("SynchronizationOpenCollector", folder, is_contents_collector=True)
    key, change = await laptop.new_key(), laptop.next_change()
    code = await laptop.import_message(
        client.last,
        key,
        mail("x"),
        modified=FIRST,
        change=change,
        predecessors=PredecessorChangeList([change]),
    )
    assert code == 0
