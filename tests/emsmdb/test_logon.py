"""Logging on, receive folders and the long and short forms of ids."""

import dataclasses
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.emsmdb.dispatch import ExecuteRecord, execute
from mapigw.emsmdb.registry import load_handlers
from mapigw.emsmdb.session import ConnectParameters, Session
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.provision import create_mailbox
from mapigw.mailbox.special_folders import LOGON_FOLDERS, SPECIAL_FOLDERS
from mapigw.store.mailboxes import ReceiveFolder, insert_receive_folders
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import LongTermId, ObjectId
from mapigw.wire.rop_buffer import build_request, join, parse_responses
from mapigw.wire.rpc_header import join_payloads, split_payloads
from tests.emsmdb.captures import exchange_answer, exchange_request, outlook_boot
from tests.emsmdb.client import LOGON, Client, FakeDirectory

OPEN_FLAGS = 0x2100040C  # what Outlook 16 sends
CAPTURED_DNS = {
    "outlook": "/o=LPE/ou=Exchange Administrative Group/cn=Recipients/cn=test-l-p-e-ch",
    "exchange": (
        "/o=Dev/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients"
        "/cn=ffffffffffffffffffffffffffffffff-Spike Test Usr"
    ),
}


def fields(dn: str, *, logon_flags: int = 1, open_flags: int = OPEN_FLAGS) -> dict[str, Any]:
    return {"logon_flags": logon_flags, "open_flags": open_flags, "store_state": 0, "essdn": dn.encode()}


def new_client(mailboxes: Mailboxes, user: User, *others: User, **parameters: Any) -> Client:
    load_handlers()
    directory = cast("Directory", FakeDirectory(user, *others))
    return Client(Session(user, directory, mailboxes, ConnectParameters(**parameters)))


async def receives(mailbox: Mailbox, *rows: tuple[str, str]) -> None:
    async with mailbox.database.write() as connection:
        special = {row.special: row.folder_id for row in await mailbox.folders()}
        await insert_receive_folders(
            connection, mailbox.mailbox_id, [ReceiveFolder(name, special[key], 1) for name, key in rows]
        )


@pytest.mark.spec("MS-OXCSTOR_R117")
@pytest.mark.spec("MS-OXCSTOR_R118")
@pytest.mark.spec("MS-OXCSTOR_R119")
@pytest.mark.spec("MS-OXCSTOR_R123")
@pytest.mark.spec("MS-OXCSTOR_R125")
@pytest.mark.spec("MS-OXCSTOR_R127")
@pytest.mark.spec("MS-OXCSTOR_R131")
@pytest.mark.spec("MS-OXCSTOR_R138")
@pytest.mark.spec("MS-OXCSTOR_R141")
@pytest.mark.parametrize("source", ["outlook", "exchange"])
async def test_a_recorded_logon_request(mailboxes: Mailboxes, user: User, source: str) -> None:
    owner = dataclasses.replace(user, legacy_dn=CAPTURED_DNS[source])
    client = new_client(mailboxes, owner)
    body = outlook_boot("logon_request") if source == "outlook" else exchange_request("hierarchy/02")
    before = datetime.now(UTC).replace(microsecond=0, tzinfo=None)
    (response,) = await client.replay(body, 0)
    value = response.value
    mailbox = await mailboxes.open(user.mailbox_id)
    special = {row.special: row.folder_id for row in await mailbox.folders()}
    assert response.return_value == 0
    assert response.handle_index == 0
    assert value.logon_flags == 0x01
    assert value.folder_ids == [ObjectId(1, special[key]) for key in LOGON_FOLDERS]
    assert value.response_flags == 0x07
    assert value.mailbox_guid == user.mailbox_guid
    assert (value.repl_id, value.repl_guid) == (1, mailbox.replica_guid)
    assert value.store_state == 0
    time = value.logon_time
    logged = datetime(time.year, time.month, time.day, time.hour, time.minutes, time.seconds)  # noqa: DTZ001
    assert before <= logged <= datetime.now(UTC).replace(tzinfo=None)
    assert time.day_of_week == logged.isoweekday() % 7
    assert client.session.logons[0].owner == owner
    # The layout is that of an Exchange Server: the same bytes in all but ids, times and GUIDs.
    (theirs,) = parse_responses(exchange_answer("hierarchy/02")).responses
    assert set(theirs.value) == set(value)
    assert len(exchange_answer("hierarchy/02")) == len(client.payloads[0])
    assert theirs.value.response_flags == value.response_flags


async def test_the_folders_of_a_logon_come_in_the_specified_order(client: Client) -> None:
    """MS-OXCSTOR 2.2.1.1.3; the names are those that the mailbox gives them."""
    value = await client.value("Logon", **fields(client.session.user.legacy_dn))
    names = []
    for folder_id in value.folder_ids:
        await client.value("OpenFolder", folder_id=folder_id, open_mode_flags=0)
        names += await client.properties(client.last, tags.PidTagDisplayName)
    assert names == [
        "",
        "Deferred Action",
        "Spooler Queue",
        "Top of Information Store",
        "Inbox",
        "Outbox",
        "Sent Items",
        "Deleted Items",
        "Common Views",
        "Schedule",
        "Finder",
        "Views",
        "Shortcuts",
    ]


@pytest.mark.spec("MS-OXCSTOR_R1062")
@pytest.mark.spec("MS-OXCSTOR_R2001002")
@pytest.mark.parametrize(("asked", "returned"), [(0x01, 0x01), (0x09, 0x01), (0x03, 0x03), (0x07, 0x07), (0x0F, 0x07)])
async def test_logon_flags(client: Client, asked: int, returned: int) -> None:
    """The spooler's flag is not given back."""
    value = await client.value("Logon", **fields(client.session.user.legacy_dn, logon_flags=asked))
    assert value.logon_flags == returned


@pytest.mark.spec("MS-OXCSTOR_R788")
@pytest.mark.spec("MS-OXCSTOR_R173")
@pytest.mark.spec("MS-OXCSTOR_R794")
@pytest.mark.spec("MS-OXCSTOR_R59746")
async def test_logons_that_are_refused(mailboxes: Mailboxes, user: User) -> None:
    async with mailboxes.database.write() as connection:
        other_id = await create_mailbox(connection, uuid4())
    other = dataclasses.replace(user, user_id=2, mailbox_id=other_id, legacy_dn="/o=bm/cn=anna")
    disabled = dataclasses.replace(user, user_id=3, legacy_dn="/o=bm/cn=gone", enabled=False)
    client = new_client(mailboxes, user, other, disabled)
    assert await client.error("Logon", **fields("/o=bm/cn=nobody")) == 0x3EB  # UnknownUser
    assert await client.error("Logon", **fields("")) == ErrorCode.UnknownUser
    assert await client.error("Logon", **fields(disabled.legacy_dn)) == ErrorCode.UnknownUser
    assert await client.error("Logon", **fields(other.legacy_dn)) == 0x3F2  # LoginPermission
    assert await client.error("Logon", **fields(user.legacy_dn, logon_flags=0)) == 0x80040111  # LogonFailed
    assert client.session.logons == {}
    homeless = new_client(mailboxes, dataclasses.replace(user, mailbox_id=99))
    assert await homeless.error("Logon", **fields(user.legacy_dn)) == ErrorCode.UnknownUser


@pytest.mark.spec("MS-OXCSTOR_R802")
@pytest.mark.spec("MS-OXCSTOR_R803")
@pytest.mark.spec("MS-OXCSTOR_R1046")
async def test_a_second_mailbox_needs_the_per_mdb_mapping(mailboxes: Mailboxes, user: User) -> None:
    other = dataclasses.replace(user, user_id=2, mailbox_id=99, legacy_dn="/o=bm/cn=anna")
    client = new_client(mailboxes, user, other)
    await client.value("Logon", **fields(user.legacy_dn, open_flags=0x0C))
    assert await client.error("Logon", **fields(other.legacy_dn, open_flags=0x0C)) == ErrorCode.InvalidParameter
    assert await client.error("Logon", **fields(other.legacy_dn)) == ErrorCode.LoginPermission


async def test_the_dn_may_come_in_any_case(mailboxes: Mailboxes, user: User) -> None:
    client = new_client(mailboxes, user)
    await client.value("Logon", **fields(user.legacy_dn.upper()))


async def test_a_second_logon_takes_the_place_of_the_first(client: Client) -> None:
    """MS-OXCROPS 2.2.3.1.1: an active LogonId is released with everything under it; two LogonIds live side by side."""
    await client.value("OpenFolder", folder_id=ObjectId(1, 1), open_mode_flags=0)
    folder = client.last
    first = client.handles[LOGON]
    await client.log_on()
    assert client.handles[LOGON] != first
    assert await client.error("GetPropertiesList", folder) == ErrorCode.InvalidObject
    again = client.request("Logon", len(client.handles), **fields(client.session.user.legacy_dn))
    again.logon_id = 7
    client.handles.append(0xFFFFFFFF)
    (response,) = await client.send(again)
    assert response.return_value == 0
    assert sorted(client.session.logons) == [0, 7]
    await client.value("GetStoreState")


# Receive folders


@pytest.mark.spec("MS-OXCSTOR_R847")
@pytest.mark.spec("MS-OXCSTOR_R851")
@pytest.mark.spec("MS-OXCSTOR_R1224")
@pytest.mark.spec("MS-OXCSTOR_R201")
@pytest.mark.spec("MS-OXCSTOR_R59786")
@pytest.mark.parametrize(
    ("asked", "folder", "explicit"),
    [
        (b"", "inbox", b""),
        (b"IPM.Note", "inbox", b"IPM"),
        (b"ipm.note.smime", "inbox", b"IPM"),
        (b"IPM", "inbox", b"IPM"),
        (b"IPMX.Note", "inbox", b""),
        (b"REPORT.IPM.Note.NDR", "inbox", b"Report.IPM"),
        (b"IPC.Something", "root", b"IPC"),
        (b"IPM.Schedule.Meeting.Request", "calendar", b"IPM.Schedule.Meeting"),
        (b"IPM.Schedule", "drafts", b"IPM.Schedule"),
        (b"IPM.ScheduleData", "inbox", b"IPM"),
    ],
)
async def test_the_longest_prefix_wins(
    client: Client, own_mailbox: Mailbox, asked: bytes, folder: str, explicit: bytes
) -> None:
    await receives(own_mailbox, ("IPM.Schedule", "drafts"), ("IPM.Schedule.Meeting", "calendar"))
    value = await client.value("GetReceiveFolder", message_class=asked)
    expected = await own_mailbox.special_folder(folder)
    assert value.folder_id == ObjectId(1, expected.folder_id)
    assert value.explicit_message_class == explicit


@pytest.mark.spec("MS-OXCSTOR_R59784")
@pytest.mark.spec("MS-OXCSTOR_R59785")
@pytest.mark.spec("MS-OXCSTOR_R203")
@pytest.mark.spec("MS-OXCSTOR_R204")
@pytest.mark.spec("MS-OXCSTOR_R205")
@pytest.mark.spec("MS-OXCSTOR_R206")
@pytest.mark.spec("MS-OXCSTOR_R207")
async def test_malformed_message_classes(client: Client) -> None:
    await client.value("GetReceiveFolder", message_class=b"x" * 254)
    for bad in (b".IPM", b"IPM.", b"IPM..Note", b"IPM\x1f", b"IPM\x7f", "IPM.Grün".encode("latin-1"), b"x" * 255):
        assert await client.error("GetReceiveFolder", message_class=bad) == ErrorCode.InvalidParameter, bad


@pytest.mark.spec("MS-OXCSTOR_R852")
@pytest.mark.spec("MS-OXCSTOR_R1223")
@pytest.mark.spec("MS-OXCSTOR_R59787")
@pytest.mark.spec("MS-OXCSTOR_R322")
async def test_a_mailbox_without_receive_folders(client: Client, own_mailbox: Mailbox, mailboxes: Mailboxes) -> None:
    async with mailboxes.database.write() as connection:
        await connection.exec_driver_sql("DELETE FROM receive_folder")
    value = await client.value("GetReceiveFolder", message_class=b"IPM.Note")
    inbox = await own_mailbox.special_folder("inbox")
    assert (value.folder_id, value.explicit_message_class) == (ObjectId(1, inbox.folder_id), b"")
    assert await client.error("GetReceiveFolderTable") == 0x463  # NoReceiveFolder


@pytest.mark.spec("MS-OXCSTOR_R876")
@pytest.mark.spec("MS-OXCSTOR_R879")
@pytest.mark.spec("MS-OXCSTOR_R301")
@pytest.mark.spec("MS-OXCSTOR_R294")
async def test_the_receive_folder_table(client: Client, own_mailbox: Mailbox) -> None:
    value = await client.value("GetReceiveFolderTable")
    inbox, root = [(await own_mailbox.special_folder(key)) for key in ("inbox", "root")]
    inbox_id, root_id = (ObjectId(1, row.folder_id).to_integer() for row in (inbox, root))
    assert value.row_count == 4
    assert sorted(row[1:2] + row[:1] for row in value.rows) == [
        [b"", inbox_id],
        [b"IPC", root_id],
        [b"IPM", inbox_id],
        [b"Report.IPM", inbox_id],
    ]
    assert all(row[2] == inbox.created for row in value.rows)


@pytest.mark.spec("MS-OXCSTOR_R890")
@pytest.mark.spec("MS-OXCSTOR_R891")
async def test_the_store_state_has_no_flag(client: Client) -> None:
    assert (await client.value("GetStoreState")).store_state == 0


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("GetReceiveFolder", {"message_class": b""}),
        ("GetReceiveFolderTable", {}),
        ("GetStoreState", {}),
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


# Ids


@pytest.mark.spec("MS-OXCSTOR_R945")
@pytest.mark.spec("MS-OXCSTOR_R947")
@pytest.mark.spec("MS-OXCSTOR_R1244")
@pytest.mark.spec("MS-OXCSTOR_R1245")
@pytest.mark.spec("MS-OXCSTOR_R952")
@pytest.mark.spec("MS-OXCSTOR_R1253")
async def test_long_and_short_ids_are_each_other(client: Client, own_mailbox: Mailbox) -> None:
    """Symptom: inconsistent answers crash Outlook 2019. Nobody looks whether the object exists."""
    for counter in (1, 4, 0x123456789ABC, (1 << 48) - 1):
        value = await client.value("LongTermIdFromId", object_id=ObjectId(1, counter))
        replica = own_mailbox.replica_guid.bytes_le
        assert value.long_term_id == LongTermId(own_mailbox.replica_guid, counter)
        assert client.payloads[0][8:32] == replica + counter.to_bytes(6, "big") + b"\0\0"
        back = await client.value("IdFromLongTermId", long_term_id=value.long_term_id)
        assert back.object_id == ObjectId(1, counter)
    (replid_map,) = await client.properties(LOGON, tags.PidTagSerializedReplidGuidMap)
    assert replid_map == b"\x01\x00" + own_mailbox.replica_guid.bytes_le


@pytest.mark.spec("MS-OXCSTOR_R946")
@pytest.mark.spec("MS-OXCSTOR_R3114")
@pytest.mark.spec("MS-OXCSTOR_R94801")
@pytest.mark.spec("MS-OXCSTOR_R948")
async def test_ids_of_unknown_replicas(client: Client, own_mailbox: Mailbox) -> None:
    for replid in (0, 2, 0xFFFF):
        code = await client.error("LongTermIdFromId", object_id=ObjectId(replid, 5))
        assert code == 0x8004010F  # NotFound
    assert await client.error("IdFromLongTermId", long_term_id=LongTermId(uuid4(), 5)) == ErrorCode.NotFound
    zero = LongTermId(UUID(int=0), 5)
    assert await client.error("IdFromLongTermId", long_term_id=zero) == ErrorCode.InvalidParameter
    await client.value("IdFromLongTermId", long_term_id=LongTermId(own_mailbox.replica_guid, 0))


@pytest.mark.spec("MS-OXCSTOR_R953")
async def test_the_padding_of_a_long_term_id_is_ignored(client: Client, own_mailbox: Mailbox) -> None:
    sent = client.request("IdFromLongTermId", long_term_id=LongTermId(own_mailbox.replica_guid, 9))
    data = join_payloads([join([build_request(sent)[:-2] + b"\xab\xcd"], client.handles)])
    answer = await execute(client.session, data, 3, 0x8007, ExecuteRecord("tom", 0))
    (response,) = parse_responses(split_payloads(answer)[0]).responses
    assert response.value.object_id == ObjectId(1, 9)


@pytest.mark.spec("MS-OXCFXICS_R933")
@pytest.mark.spec("MS-OXCFXICS_R936")
@pytest.mark.spec("MS-OXCFXICS_R2266")
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


# The store's properties


@pytest.mark.spec("MS-OXCSTOR_R667")
@pytest.mark.spec("MS-OXCSTOR_R657")
@pytest.mark.spec("MS-OXCSTOR_R651")
@pytest.mark.spec("MS-OXCSTOR_R4003004")
async def test_the_store_has_what_outlook_reads_and_no_more(mailboxes: Mailboxes, user: User) -> None:
    client = new_client(mailboxes, user, default_code_page=1251, lcid_sort=0x419, lcid_string=0x407)
    await client.log_on()
    row = await client.properties(
        LOGON,
        tags.PidTagMailboxOwnerName,
        tags.PidTagCodePageId,
        tags.PidTagSortLocaleId,
        tags.PidTagLocaleId,
        tags.PidTagOutOfOfficeState,
        tags.PidTagContentCount,
        tags.PidTagStoreRecordKey,
    )
    assert row == ["Tom", 1251, 0x419, 0x407, False, 0, user.mailbox_guid.bytes_le]
    # Like Exchange: no server type name, icons, store state, archive, PST size.
    absent = (0x341D001F, 0x341E0102, 0x341F0102, 0x346F0003, 0x0EA00048)
    assert await client.properties(LOGON, *absent) == [ErrorCode.NotFound] * 5


@pytest.mark.spec("MS-OXCSTOR_R3055002")
@pytest.mark.spec("MS-OXCSTOR_R3055003")
@pytest.mark.spec("MS-OXCSTOR_R3055006")
@pytest.mark.spec("MS-OXCSTOR_R3055008")
@pytest.mark.spec("MS-OXCSTOR_R3055012")
@pytest.mark.spec("MS-OXCPRPT_R47506")
async def test_what_the_store_computes_cannot_be_set(client: Client) -> None:
    wanted = [
        (tags.PidTagMaximumSubmitMessageSize, 1),
        (tags.PidTagComment, "mine"),
        (tags.PidTagProhibitReceiveQuota, 1),
        (tags.PidTagContentCount, 1),
        (tags.PidTagMailboxOwnerName & ~0xFFFF | 0x1E, b"me"),
        (tags.PidTagCodePageId, 1),
        (tags.PidTagMailboxOwnerName & ~0xFFFF | 0x03, 1),
    ]
    before = await client.value("GetPropertiesAll", property_size_limit=0, want_unicode=1)
    value = await client.value("SetProperties", property_values=wanted)
    assert [(item.index, item.property_tag) for item in value.property_problems] == [
        (index, tag) for index, (tag, _) in enumerate(wanted) if index != 1
    ]
    assert {item.error_code for item in value.property_problems} == {ErrorCode.ComputedValue}
    after = await client.value("GetPropertiesAll", property_size_limit=0, want_unicode=1)
    assert dict(after.property_values) == {**dict(before.property_values), tags.PidTagComment: "mine"}


@pytest.mark.spec("MS-OXCSTOR_R3068004")
@pytest.mark.spec("MS-OXCSTOR_R3068006")
@pytest.mark.spec("MS-OXCSTOR_R3068007")
@pytest.mark.spec("MS-OXCSTOR_R6280")
@pytest.mark.spec("MS-OXCSTOR_R3068003")
@pytest.mark.spec("MS-OXCPRPT_R847")
@pytest.mark.spec("MS-OXCPRPT_R10204")
async def test_what_clients_set_on_the_store_stays(mailboxes: Mailboxes, user: User) -> None:
    client = new_client(mailboxes, user)
    await client.log_on()
    wanted = [
        (tags.PidTagOutOfOfficeState, True),
        (tags.PidTagLocaleId, 0x40C),
        (tags.PidTagSortLocaleId, 0x40C),
        (tags.PidTagComment, "comment"),
        (tags.PidTagDisplayName, "Mailbox - Tom"),
    ]
    assert not (await client.value("SetProperties", property_values=wanted)).property_problems
    again = new_client(Mailboxes(mailboxes.database), user)
    await again.log_on()
    assert await again.properties(LOGON, *[tag for tag, _ in wanted]) == [value for _, value in wanted]
