"""Synchronizations that are refused, break off, or come upon what is lost (MS-OXCFXICS 3.2.5.9.2, 3.2.5.9.4)."""

from typing import Any

import pytest

from mapigw.emsmdb.sync_state import STATE_LIMIT
from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.wire import globset, tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import Marker, MetaTagCnsetSeen, MetaTagIdsetGiven
from mapigw.wire.globset import CounterSet, IdSet
from mapigw.wire.message import Attachment
from mapigw.wire.xid import PredecessorChangeList, Xid
from tests.emsmdb.client import Client
from tests.emsmdb.copies import destination
from tests.emsmdb.folders import open_folder
from tests.emsmdb.messages import create_attachment, open_message, set_values
from tests.emsmdb.replica import EXTRA, UNICODE_CONTENTS, Replica
from tests.emsmdb.stream_parts import attachment, unchanged
from tests.emsmdb.sync_options import message
from tests.emsmdb.uploads import FIRST, LAPTOP, LATER, mail, upload

FOREVER = (1 << 63) - 1
LARGE = b"0123456789" * 40_000


async def import_code(device: Replica, folder_id: int, values: list[tuple[int, Any]]) -> int:
    collector = await device.collector(folder_id)
    request = device.client.request
    fields: dict[str, Any] = {"import_flag": 0, "property_values": values}
    (answer,) = await device.client.send(request("SynchronizationImportMessageChange", collector, **fields))
    return answer.return_value


async def test_the_last_time_there_is(laptop: Replica, phone: Replica, inbox: int) -> None:
    assert (await upload(laptop, inbox, "x", modified=FOREVER))[0] == 0
    (change,) = (await phone.download(inbox)).changes
    assert change.values[tags.PidTagLastModificationTime] == FOREVER


@pytest.mark.parametrize("modified", [FOREVER + 1, (1 << 64) - 1])
async def test_times_after_the_last(laptop: Replica, inbox: int, own_mailbox: Mailbox, modified: int) -> None:
    values = laptop.import_values(await laptop.new_key(), modified, change := laptop.next_change(), _list(change))
    async with unchanged(own_mailbox):
        assert await import_code(laptop, inbox, values) == ErrorCode.InvalidParameter
        root = (await own_mailbox.special_folder("ipm_subtree")).folder_id
        hierarchy = [*values, (tags.PidTagParentSourceKey, b""), (tags.PidTagDisplayName, "Late")]
        error = await laptop.client.error(
            "SynchronizationImportHierarchyChange",
            await laptop.collector(root, contents=False),
            hierarchy_values=hierarchy,
            property_values=[],
        )
        assert error == ErrorCode.InvalidParameter


def _list(*changes: Xid) -> PredecessorChangeList:
    return PredecessorChangeList(changes)


def _sized(*local_ids: bytes) -> bytes:
    return b"".join(bytes([16 + len(local_id)]) + LAPTOP.bytes_le + local_id for local_id in local_ids)


@pytest.mark.parametrize(
    ("predecessors", "wanted"),
    [
        (_sized(b"\0\0\0\1", b"\0\0\0\1"), 0),
        (_sized(b"\0\0\0\1", b"\0\0\0\7", b"\0\0\0\2"), 0),
        (_sized(b"\0\0\0\1", b"\0\0\0\0\0\1"), ErrorCode.InvalidParameter),
        (_sized(b""), ErrorCode.InvalidParameter),
        (_sized(bytes(9)), ErrorCode.InvalidParameter),
        (b"\0" * 100, ErrorCode.InvalidParameter),
        (b"\x14" + bytes(19), ErrorCode.InvalidParameter),
        (b"".join(b"\x14" + number.to_bytes(20, "big") for number in range(1400)), ErrorCode.InvalidParameter),
    ],
    ids=["twice the same", "three of one", "of other lengths", "of none", "too long", "zeros", "cut off", "29 KB"],
)
async def test_predecessor_change_lists(laptop: Replica, inbox: int, predecessors: bytes, wanted: int) -> None:
    values = dict(laptop.import_values(await laptop.new_key(), FIRST, Xid(LAPTOP, b"\0\0\0\1"), _list()))
    values[tags.PidTagPredecessorChangeList] = predecessors
    assert await import_code(laptop, inbox, list(values.items())) == wanted


async def test_a_change_key_that_is_used_again(laptop: Replica, phone: Replica, inbox: int) -> None:
    """It is the same change of one message, and of two messages it is two."""
    change = laptop.next_change()

    async def again(subject: str, key: Xid) -> int:
        collector = await laptop.collector(inbox)
        return await laptop.import_message(
            collector, key, mail(subject), modified=LATER, change=change, predecessors=_list(change)
        )

    key, other = await laptop.new_key(), await laptop.new_key()
    assert await again("one", key) == 0
    assert await again("one again", key) == ErrorCode.IgnoreFailure
    assert await again("two", other) == 0
    changes = (await phone.download(inbox)).changes
    assert {change.values[tags.PidTagSubject] for change in changes} == {"one", "two"}
    assert {change.values[tags.PidTagChangeKey] for change in changes} == {change.build()}


async def test_what_no_folder_can_keep_is_passed_over(
    laptop: Replica, client: Client, own_mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    """A name that was never registered, an object, and marks of the stored form; the folder comes all the same."""
    root = (await own_mailbox.special_folder("ipm_subtree")).folder_id
    key, change = await laptop.new_key(), laptop.next_change()
    header = laptop.import_values(key, FIRST, change, _list(change))
    unknown, reserved = 0x8765001F, Marker.StartRecip
    await client.value(
        "SynchronizationImportHierarchyChange",
        await laptop.collector(root, contents=False),
        hierarchy_values=[(tags.PidTagParentSourceKey, b""), *header, (tags.PidTagDisplayName, "Kept")],
        property_values=[(unknown, "x"), (0x7C01000D, b"x"), (reserved, 1), (tags.PidTagComment, "said")],
    )
    slot = await open_folder(client, key.counter)
    wanted = (tags.PidTagDisplayName, tags.PidTagComment, unknown, reserved)
    missing = ErrorCode.NotFound
    assert await client.properties(slot, *wanted) == ["Kept", "said", missing, missing]
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_new_message_that_is_imported_twice_at_once(laptop: Replica, phone: Replica, inbox: int) -> None:
    """As after an answer that got lost: of one version the second save is told so, of two the newer one stays."""
    client = laptop.client
    for changes, wanted, subject in ((1, ErrorCode.IgnoreFailure, "0"), (2, 0, "1")):
        key, collector = await laptop.new_key(), await laptop.collector(inbox)
        made = [laptop.next_change() for _ in range(changes)]
        slots = []
        for change in (made[0], made[-1]):
            values = laptop.import_values(key, FIRST, change, _list(change))
            await client.value("SynchronizationImportMessageChange", collector, import_flag=0, property_values=values)
            slots.append(client.last)
        codes = []
        for number, slot in enumerate(slots):
            await set_values(client, slot, mail(str(number)))
            save = client.request("SaveChangesMessage", slot, input_handle_index=slot, save_flags=0x08)
            (answer,) = await client.send(save)
            codes.append(answer.return_value)
        assert codes == [0, wanted]
        assert (await phone.download(inbox)).subjects == [subject]


async def test_a_deletion_of_what_never_was_here_is_told(
    laptop: Replica, phone: Replica, inbox: int, own_mailbox: Mailbox
) -> None:
    """As after a backup was restored: a device may still have the message, and nothing else happens in the folder."""
    await phone.download(inbox)
    key = await laptop.new_key()
    phone.given(inbox, key.counter)
    await laptop.client.value(
        "SynchronizationImportDeletes",
        await laptop.collector(inbox),
        import_delete_flags=0,
        property_values=[(0x00001102, [key.build()])],
    )
    assert (await phone.download(inbox)).deleted == [key.counter]


# States


async def _configure(client: Client, device: Replica, folder_id: int) -> int:
    folder = await device.open_folder(folder_id)
    fields: dict[str, Any] = {"synchronization_type": 1, "send_options": 9, "restriction_data": None}
    await client.value(
        "SynchronizationConfigure",
        folder,
        synchronization_flags=UNICODE_CONTENTS,
        synchronization_extra_flags=EXTRA,
        property_tags=[],
        **fields,
    )
    return client.last


async def _give(client: Client, slot: int, data: bytes) -> int:
    """The last ReturnValue."""
    begin: dict[str, Any] = {"state_property": MetaTagIdsetGiven, "transfer_buffer_size": 0xFFFFFFFF}
    await client.value("SynchronizationUploadStateStreamBegin", slot, **begin)
    for start in range(0, len(data), 32_000):
        part = data[start : start + 32_000]
        name = "SynchronizationUploadStateStreamContinue"
        (answer,) = await client.send(client.request(name, slot, stream_data=part))
        if answer.return_value:
            return answer.return_value
    (answer,) = await client.send(client.request("SynchronizationUploadStateStreamEnd", slot))
    return answer.return_value


@pytest.mark.parametrize("collector", [False, True])
async def test_a_state_of_more_than_16_mb(laptop: Replica, client: Client, inbox: int, *, collector: bool) -> None:
    """The context is of no use any more and holds nothing; another one goes on."""
    slot = await laptop.collector(inbox) if collector else await _configure(client, laptop, inbox)
    assert await _give(client, slot, bytes(STATE_LIMIT + 1)) == ErrorCode.RpcFormat
    context: Any = client.session.resolve(client.handles[slot])
    assert context._upload is None
    name = "SynchronizationUploadStateStreamEnd"
    assert await client.error(name, slot) == ErrorCode.RpcFormat
    assert await client.error("SynchronizationImportReadStateChanges", slot, message_read_states=[]) != 0
    await upload(laptop, inbox, "goes on")
    assert (await laptop.download(inbox)).subjects == []


async def test_a_state_of_many_ranges(
    laptop: Replica, client: Client, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three bytes can stand for five ranges: what is small on the wire need not be so in memory."""
    monkeypatch.setattr(globset, "RANGES_MAXIMUM", 20_000)
    for count, wanted in ((20_000, 0), (20_001, ErrorCode.RpcFormat)):
        counters = CounterSet.of(range(2, 2 * count + 2, 2))
        for replica in (LAPTOP, laptop.replica_guid):
            data = IdSet({replica: counters}).build()
            assert len(data) < 16_000
            assert await _give(client, await _configure(client, laptop, inbox), data) == wanted
    half = CounterSet.of(range(2, 20_004, 2))
    data = IdSet({LAPTOP: half, laptop.replica_guid: half}).build()
    assert await _give(client, await _configure(client, laptop, inbox), data) == ErrorCode.RpcFormat


async def test_a_state_of_many_replicas(laptop: Replica, client: Client, inbox: int) -> None:
    one = b"\x06\0\0\0\0\0\1\0"
    cases = (1024, 1024, 0), (1024, 2, 0), (1025, 1025, ErrorCode.RpcFormat), (1025, 1, ErrorCode.RpcFormat)
    for count, different, wanted in cases:
        data = b"".join((number % different).to_bytes(16, "big") + one for number in range(count))
        assert await _give(client, await _configure(client, laptop, inbox), data) == wanted


async def test_a_large_state_is_as_good_as_a_small_one(laptop: Replica, own_mailbox: Mailbox, inbox: int) -> None:
    """100,000 ids in the worst order, which are worked on aside."""
    await own_mailbox.append(inbox, [NewMessage(message("there"))])
    await laptop.download(inbox)
    state = laptop.states[inbox]
    given = IdSet.parse_replguid(state[MetaTagIdsetGiven])
    stranger = IdSet({LAPTOP: CounterSet.of(range(10, 2_000_000, 20))})
    assert len(stranger.build()) > 100_000
    state[MetaTagIdsetGiven] = stranger.build() + given.build()
    delta = await laptop.download(inbox)
    assert delta.changes == []
    assert len(delta.deleted) == 99_999 + 1
    assert IdSet.parse_replguid(laptop.states[inbox][MetaTagIdsetGiven]) == given


# Clients that vanish, and values that are lost


async def test_a_client_that_vanishes_in_the_middle_of_its_uploads(
    laptop: Replica, client: Client, inbox: int, own_mailbox: Mailbox
) -> None:
    """Nothing of what was not saved is there, and no file."""
    _, key, before = await upload(laptop, inbox, "stored")
    async with unchanged(own_mailbox):
        collector = await laptop.collector(inbox)
        change = laptop.next_change()
        values = laptop.import_values(key, LATER, change, before.with_change(change))
        await client.value("SynchronizationImportMessageChange", collector, import_flag=0, property_values=values)
        imported = client.last
        await set_values(client, imported, {tags.PidTagSubject: "half there"})
        slot, _ = await create_attachment(client, imported)
        await client.value("OpenStream", slot, property_tag=tags.PidTagAttachDataBinary, open_mode_flags=2)
        await client.value("WriteStream", client.last, data=bytes(30_000))
        stream = attachment({tags.PidTagAttachDataBinary: LARGE})
        context = await destination(client, imported)
        for start in (0, 30_000, 60_000):
            part = stream[start : start + 30_000]
            await client.value("FastTransferDestinationPutBuffer", context, transfer_data=part)
        folder = await laptop.open_folder(inbox)
        await client.value("SynchronizationOpenCollector", folder, is_contents_collector=True)
        begin: dict[str, Any] = {"state_property": MetaTagCnsetSeen, "transfer_buffer_size": 100}
        await client.value("SynchronizationUploadStateStreamBegin", client.last, **begin)
        assert list((own_mailbox.database.blobs.folder / "unfinished").iterdir())
        await client.session.close()
    assert not list((own_mailbox.database.blobs.folder / "unfinished").iterdir())


async def test_a_client_that_vanishes_in_the_middle_of_a_download(
    laptop: Replica, phone: Replica, client: Client, inbox: int, own_mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    large = message("large")
    large.attachments.append(Attachment({tags.PidTagAttachDataBinary: LARGE}))
    await own_mailbox.append(inbox, [NewMessage(large), *(NewMessage(message(str(number))) for number in range(700))])
    slot = await _configure(client, laptop, inbox)
    fields: dict[str, Any] = {"buffer_size": 0xBABE, "maximum_buffer_size": 0x7BC0}
    await client.value("FastTransferSourceGetBuffer", slot, **fields)
    await client.session.close()
    assert not caplog.records


@pytest.mark.parametrize("size", [100_000, 400_000])
async def test_a_lost_value_costs_its_message_only(
    laptop: Replica, inbox: int, own_mailbox: Mailbox, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    """Symptom: the folder stops synchronizing. The message comes when its value has been found again."""
    lost = message("lost")
    lost.attachments.append(Attachment({tags.PidTagAttachDataBinary: LARGE[:size]}))
    await own_mailbox.append(inbox, [NewMessage(message("before")), NewMessage(lost), NewMessage(message("behind"))])
    (path,) = _files(own_mailbox)
    path.unlink()
    assert sorted((await laptop.download(inbox)).subjects) == ["before", "behind"]
    assert "cannot be read" in caplog.text


def _files(mailbox: Mailbox) -> list[Any]:
    return [path for path in mailbox.database.blobs.folder.rglob("*") if path.is_file()]


async def test_a_value_that_is_lost_while_its_message_is_open(
    client: Client, own_mailbox: Mailbox, inbox: int, caplog: pytest.LogCaptureFixture
) -> None:
    """As when it was written more than an hour before the save, and collected. The error has a name."""
    large = message("large")
    large.attachments.append(Attachment({tags.PidTagAttachDataBinary: LARGE}))
    (message_id,) = await own_mailbox.append(inbox, [NewMessage(large)])
    slot = await open_message(client, message_id, key="inbox")
    attached, _ = await create_attachment(client, slot)
    await client.value("OpenStream", attached, property_tag=tags.PidTagAttachDataBinary, open_mode_flags=2)
    stream = client.last
    for _ in range(4):
        await client.value("WriteStream", stream, data=bytes(30_000))
    await client.value("CommitStream", stream)
    await client.value("SaveChangesAttachment", attached, save_flags=0)
    for path in _files(own_mailbox):
        path.unlink()
    async with unchanged(own_mailbox):
        save: dict[str, Any] = {"input_handle_index": slot, "save_flags": 0x0A}
        assert await client.error("SaveChangesMessage", slot, **save) == ErrorCode.StorageReadFault
    assert "Traceback" not in caplog.text
    assert "is missing" in caplog.text


async def test_a_value_that_is_lost_while_it_is_sent(
    laptop: Replica, client: Client, inbox: int, own_mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    """The stream has a hole then, so that the client has to begin anew; it gets all the others."""
    large = message("large")
    large.attachments.append(Attachment({tags.PidTagAttachDataBinary: LARGE * 4}))
    await own_mailbox.append(inbox, [NewMessage(large), NewMessage(message("other"))])
    slot = await _configure(client, laptop, inbox)
    fields: dict[str, Any] = {"buffer_size": 0xBABE, "maximum_buffer_size": 0x7BC0}
    request = client.request("FastTransferSourceGetBuffer", slot, **fields)
    answers = await client.send(request)
    for path in _files(own_mailbox):
        path.unlink()
    for _ in range(100):
        answers = await client.send(request)
        if answers[0].return_value:
            break
    assert answers[0].return_value == ErrorCode.CorruptData
    assert "Traceback" not in caplog.text
    assert (await laptop.download(inbox)).subjects == ["other"]
