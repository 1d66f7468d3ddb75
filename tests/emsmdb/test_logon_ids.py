"""Long and short forms of ids, local replica ids, and the ROPs that make sense for public folders only."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from mapigw.emsmdb.dispatch import ExecuteRecord, execute
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.replicas import MAXIMUM_MAP, MAXIMUM_REPLICA_ID
from mapigw.mailbox.special_folders import SPECIAL_FOLDERS
from mapigw.store.replicas import insert_replica
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.message import Message
from mapigw.wire.primitives import LongTermId, ObjectId
from mapigw.wire.rop_buffer import build_request, join, parse_responses
from mapigw.wire.rpc_header import join_payloads, split_payloads
from tests.emsmdb.client import LOGON, Client


async def short(client: Client, replica: UUID, counter: int = 9) -> ObjectId:
    """RopIdFromLongTermId"""
    value = await client.value("IdFromLongTermId", long_term_id=LongTermId(replica, counter))
    result: ObjectId = value.object_id
    return result


async def replica_map(client: Client) -> dict[int, UUID]:
    (data,) = await client.properties(LOGON, tags.PidTagSerializedReplidGuidMap)
    pairs = [data[start : start + 18] for start in range(0, len(data), 18)]
    return {int.from_bytes(pair[:2], "little"): UUID(bytes_le=pair[2:]) for pair in pairs}


@pytest.mark.spec(
    "MS-OXCSTOR_R449",
    "MS-OXCSTOR_R450",
    "MS-OXCSTOR_R466",
    "MS-OXCSTOR_R467",
    "MS-OXCSTOR_R944",
    "MS-OXCSTOR_R945",
    "MS-OXCSTOR_R947",
    "MS-OXCSTOR_R949",
    "MS-OXCSTOR_R952",
    "MS-OXCSTOR_R1242",
    "MS-OXCSTOR_R1243",
    "MS-OXCSTOR_R1244",
    "MS-OXCSTOR_R1245",
    "MS-OXCSTOR_R1251",
    "MS-OXCSTOR_R1252",
    "MS-OXCSTOR_R1253",
)
async def test_long_and_short_ids_are_each_other(client: Client, own_mailbox: Mailbox) -> None:
    """Symptom: inconsistent answers crash Outlook 2019. Nobody looks whether the object exists."""
    for counter in (1, 4, 0x123456789ABC, (1 << 48) - 1):
        value = await client.value("LongTermIdFromId", object_id=ObjectId(1, counter))
        replica = own_mailbox.replica_guid.bytes_le
        assert value.long_term_id == LongTermId(own_mailbox.replica_guid, counter)
        assert client.payloads[0][8:32] == replica + counter.to_bytes(6, "big") + b"\0\0"
        assert await short(client, own_mailbox.replica_guid, counter) == ObjectId(1, counter)
    assert await replica_map(client) == {1: own_mailbox.replica_guid}


@pytest.mark.spec("MS-OXCSTOR_R454", "MS-OXCSTOR_R59718", "MS-OXCSTOR_R59724", "MS-OXCSTOR_R59799")
async def test_the_ids_of_folders_and_messages(client: Client, own_mailbox: Mailbox) -> None:
    inbox = await own_mailbox.special_folder("inbox")
    (message_id,) = await own_mailbox.append(inbox.folder_id, [NewMessage(Message({tags.PidTagSubject: "x"}))])
    for counter in (inbox.folder_id, message_id):
        value = await client.value("LongTermIdFromId", object_id=ObjectId(1, counter))
        assert value.long_term_id == LongTermId(own_mailbox.replica_guid, counter)
        object_id = await short(client, value.long_term_id.replica_guid, value.long_term_id.counter)
        assert object_id == ObjectId(1, counter)
    await client.value("OpenFolder", folder_id=ObjectId(1, inbox.folder_id), open_mode_flags=0)
    (found,) = await client.properties(client.last, tags.PidTagFolderId)
    assert ObjectId.from_integer(found) == await short(client, own_mailbox.replica_guid, inbox.folder_id)


@pytest.mark.spec("MS-OXCSTOR_R946", "MS-OXCSTOR_R1355", "MS-OXCSTOR_R3114", "MS-OXCSTOR_R451", "MS-OXCSTOR_R452")
async def test_replids_that_were_never_given_out(client: Client) -> None:
    for replid in (0, 2, 0xFFFF):
        assert await client.error("LongTermIdFromId", object_id=ObjectId(replid, 5)) == 0x8004010F  # ecNotFound


@pytest.mark.spec("MS-OXCSTOR_R948", "MS-OXCSTOR_R1337", "MS-OXCSTOR_R94801001")
async def test_the_ids_of_nothing(client: Client, own_mailbox: Mailbox) -> None:
    """An id of zeros has zeros for its long form and the other way round, and no REPLID is taken for it."""
    value = await client.value("LongTermIdFromId", object_id=ObjectId(0, 0))
    assert value.long_term_id == LongTermId(UUID(int=0), 0)
    assert await short(client, UUID(int=0), 0) == ObjectId(0, 0)
    assert await short(client, UUID(int=0), 5) == ObjectId(0, 0)
    assert await short(client, own_mailbox.replica_guid, 0) == ObjectId(1, 0)
    assert set(await replica_map(client)) == {1}


@pytest.mark.spec("MS-OXCSTOR_R950", "MS-OXCSTOR_R951", "MS-OXCSTOR_R1246", "MS-OXCSTOR_R4003004")
async def test_foreign_replicas_get_a_replid_for_ever(
    client: Client, own_mailbox: Mailbox, mailboxes: Mailboxes
) -> None:
    """Also across restarts and in another process, and each mailbox on its own."""
    foreign = [uuid4() for _ in range(3)]
    assert [await short(client, guid) for guid in foreign] == [ObjectId(replid, 9) for replid in (2, 3, 4)]
    expected = {1: own_mailbox.replica_guid, 2: foreign[0], 3: foreign[1], 4: foreign[2]}
    assert await replica_map(client) == expected
    client.session.mailboxes = Mailboxes(mailboxes.database)
    await client.log_on()
    for replid, guid in expected.items():
        assert await short(client, guid, 77) == ObjectId(replid, 77)
        value = await client.value("LongTermIdFromId", object_id=ObjectId(replid, 77))
        assert value.long_term_id == LongTermId(guid, 77)
    assert await replica_map(client) == expected


@pytest.mark.spec("MS-OXCSTOR_R1248", "MS-OXCSTOR_R1249", "MS-OXCSTOR_R1122", "MS-OXCSTOR_R1123")
async def test_there_is_an_end_of_replids(client: Client, own_mailbox: Mailbox) -> None:
    last = uuid4()
    async with own_mailbox.database.write() as connection:
        await insert_replica(connection, own_mailbox.mailbox_id, MAXIMUM_REPLICA_ID, last)
    assert MAXIMUM_REPLICA_ID == 32768
    error = await client.error("IdFromLongTermId", long_term_id=LongTermId(uuid4(), 5))
    assert error == 0x450  # ecParameterOverflow
    assert await short(client, last) == ObjectId(0x8000, 9)
    assert await short(client, own_mailbox.replica_guid) == ObjectId(1, 9)


@pytest.mark.spec("MS-OXCSTOR_R4003005")
async def test_the_replica_map_stays_readable(client: Client, own_mailbox: Mailbox) -> None:
    """It may leave some out, but never becomes too large for its row."""
    async with own_mailbox.database.write() as connection:
        for replid in range(2, MAXIMUM_MAP + 50):
            await insert_replica(connection, own_mailbox.mailbox_id, replid, uuid4())
    found = await replica_map(client)
    assert list(found) == list(range(1, MAXIMUM_MAP + 1))


@pytest.mark.spec("MS-OXCSTOR_R953")
async def test_the_padding_of_a_long_term_id_is_ignored(client: Client, own_mailbox: Mailbox) -> None:
    sent = client.request("IdFromLongTermId", long_term_id=LongTermId(own_mailbox.replica_guid, 9))
    data = join_payloads([join([build_request(sent)[:-2] + b"\xab\xcd"], client.handles)])
    answer = await execute(client.session, data, 3, 0x8007, ExecuteRecord("tom", 0))
    (response,) = parse_responses(split_payloads(answer)[0]).responses
    assert response.value.object_id == ObjectId(1, 9)


@pytest.mark.spec("MS-OXCFXICS_R933", "MS-OXCFXICS_R936", "MS-OXCFXICS_R2266")
async def test_local_replica_ids_never_overlap(client: Client, own_mailbox: Mailbox, mailboxes: Mailboxes) -> None:
    """Symptom: Outlook refuses to start. Also when another process has the mailbox open, and beside its own ids."""
    taken = set(range(1, 2 * len(SPECIAL_FOLDERS) + 1))
    elsewhere = await Mailboxes(mailboxes.database).open(own_mailbox.mailbox_id)
    for count in (0x10000, 1, 0x200, 0x10000):
        value = await client.value("GetLocalReplicaIds", id_count=count)
        assert value.repl_guid == own_mailbox.replica_guid
        other = await elsewhere.reserve_ids(count)
        folder = await elsewhere.create_folder(1, f"after {value.global_count}")
        for ids in (
            range(value.global_count, value.global_count + count),
            range(other, other + count),
            (folder.folder_id, folder.change_number),
        ):
            assert taken.isdisjoint(ids)
            taken.update(ids)
    for count in (0, 0xFFFFFFFF):
        assert await client.error("GetLocalReplicaIds", id_count=count) == ErrorCode.InvalidParameter


# What is about public folders, on a private logon


@pytest.mark.spec("MS-OXCSTOR_R884", "MS-OXCSTOR_R1091", "MS-OXCSTOR_R1092", "MS-OXCSTOR_R3125", "MS-OXCSTOR_R882")
async def test_the_store_state_is_not_implemented(client: Client) -> None:
    assert await client.error("GetStoreState") == 0x80040FFF


@pytest.mark.spec("MS-OXCSTOR_R892", "MS-OXCSTOR_R1232", "MS-OXCSTOR_R394", "MS-OXCSTOR_R395")
async def test_no_server_owns_a_folder_that_is_not_public(client: Client) -> None:
    for folder_id in (ObjectId(1, 5), ObjectId(1, 0x7777), ObjectId(9, 5), ObjectId(0, 0)):
        assert await client.error("GetOwningServers", folder_id=folder_id) == 0x8004010F  # ecNotFound


@pytest.mark.spec("MS-OXCSTOR_R431", "MS-OXCSTOR_R432", "MS-OXCSTOR_R917", "MS-OXCSTOR_R1098", "MS-OXCSTOR_R1237")
async def test_no_folder_of_a_mailbox_is_ghosted(client: Client) -> None:
    for folder_id in (ObjectId(1, 5), ObjectId(1, 0x7777), ObjectId(9, 5)):
        assert (await client.value("PublicFolderIsGhosted", folder_id=folder_id)).is_ghosted is False
        assert client.payloads[0][:9] == bytes.fromhex("0900 45 00 00000000 00")  # IsGhosted, and no counts


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("GetOwningServers", {"folder_id": ObjectId(1, 1)}),
        ("PublicFolderIsGhosted", {"folder_id": ObjectId(1, 1)}),
        ("LongTermIdFromId", {"object_id": ObjectId(1, 1)}),
        ("IdFromLongTermId", {"long_term_id": LongTermId(UUID(int=1), 1)}),
        ("GetLocalReplicaIds", {"id_count": 1}),
    ],
)
async def test_what_only_a_logon_can_do(client: Client, name: str, extra: dict[str, Any]) -> None:
    await client.value("OpenFolder", folder_id=ObjectId(1, 1), open_mode_flags=0)
    assert await client.error(name, client.last, **extra) == ErrorCode.NotSupported
    client.handles.append(77)
    assert await client.error(name, client.last, **extra) == ErrorCode.NullObject
    assert await client.error(name, 200, **extra) == ErrorCode.NullObject
