"""RopLogon: whose mailbox, with which flags, and what it answers."""

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from mapigw.directory.model import User
from mapigw.emsmdb.objects import Logon
from mapigw.mailbox.clock import now
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.special_folders import LOGON_FOLDERS
from mapigw.store.folders import Folder, insert_folders
from mapigw.store.mailboxes import allocate
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId
from mapigw.wire.rop_buffer import build_response, parse_responses
from mapigw.wire.rops import ROPS_BY_NAME
from tests.emsmdb.captures import exchange_answer, exchange_request, outlook_boot
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.logons import OPEN_FLAGS, another_user, fields, log_on_as, new_client

CAPTURED_DNS = {
    "outlook": "/o=LPE/ou=Exchange Administrative Group/cn=Recipients/cn=test-l-p-e-ch",
    "exchange": (
        "/o=Dev/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients"
        "/cn=ffffffffffffffffffffffffffffffff-Spike Test Usr"
    ),
}
PUBLIC = 0x02
ALTERNATE_SERVER = 0x100
IGNORE_HOME_MDB = 0x200
PER_MDB = 0x01000000


def answer(value: Any) -> dict[str, Any]:
    """A RopLogon response without what depends on the time."""
    return {name: item for name, item in value.items() if name not in {"logon_time", "_io"}}


@pytest.mark.spec(
    "MS-OXCSTOR_R117",
    "MS-OXCSTOR_R118",
    "MS-OXCSTOR_R119",
    "MS-OXCSTOR_R123",
    "MS-OXCSTOR_R124",
    "MS-OXCSTOR_R125",
    "MS-OXCSTOR_R126",
    "MS-OXCSTOR_R127",
    "MS-OXCSTOR_R131",
    "MS-OXCSTOR_R138",
    "MS-OXCSTOR_R141",
    "MS-OXCSTOR_R165",
    "MS-OXCSTOR_R166",
)
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
    assert value.response_flags == 0x01 | 0x02 | 0x04
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


@pytest.mark.spec("MS-OXCSTOR_R767", "MS-OXCSTOR_R821")
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


# Flags


@pytest.mark.spec("MS-OXCSTOR_R1062", "MS-OXCSTOR_R2001002", "MS-OXCSTOR_R59", "MS-OXCSTOR_R2001")
@pytest.mark.parametrize(("asked", "returned"), [(0x01, 0x01), (0x09, 0x01), (0x03, 0x03), (0x07, 0x07), (0x0F, 0x07)])
async def test_logon_flags(client: Client, asked: int, returned: int) -> None:
    """The spooler's flag is not given back; none of the others changes anything."""
    expected = answer(await client.value("Logon", **fields(client.session.user.legacy_dn)))
    value = await client.value("Logon", **fields(client.session.user.legacy_dn, logon_flags=asked))
    assert value.logon_flags == returned
    assert answer(value) == expected | {"logon_flags": returned}


@pytest.mark.spec(
    "MS-OXCSTOR_R7900",
    "MS-OXCSTOR_R79",
    "MS-OXCSTOR_R84",
    "MS-OXCSTOR_R96",
    "MS-OXCSTOR_R8401",
    "MS-OXCSTOR_R56",
    "MS-OXCSTOR_R785",
)
@pytest.mark.parametrize("flag", [0x04, 0x08, 0x100, 0x200, 0x400, 0x20000000, 0x20, 0x8000])
async def test_open_flags_that_a_private_logon_ignores(client: Client, flag: int) -> None:
    """Also those that MAPI defines and the specification does not, as they come from old spoolers."""
    dn = client.session.user.legacy_dn
    without = await client.value("Logon", **fields(dn, open_flags=PER_MDB))
    value = await client.value("Logon", **fields(dn, open_flags=PER_MDB | flag))
    assert answer(value) == answer(without)
    assert isinstance(client.session.resolve(client.handles[LOGON]), Logon)


@pytest.mark.spec("MS-OXCSTOR_R1202", "MS-OXCSTOR_R3109")
@pytest.mark.parametrize("private", [0, 1])
async def test_undefined_flags(client: Client, private: int) -> None:
    dn = client.session.user.legacy_dn
    for flag in (0x10, 0x20, 0x40, 0x80):
        assert await client.error("Logon", **fields(dn, logon_flags=private | flag)) == 0x80004005
    for flag in (0x00400000, 0x02000000, 0x10000000, 0x40000000, 0x80000000):
        sent = fields(dn, logon_flags=private, open_flags=OPEN_FLAGS | flag)
        assert await client.error("Logon", **sent) == ErrorCode.GeneralFailure
    assert list(client.session.logons) == [0]  # the fixture's logon is untouched


@pytest.mark.spec(
    "MS-OXCSTOR_R786",
    "MS-OXCSTOR_R7202",
    "MS-OXCSTOR_R90",
    "MS-OXCSTOR_R835",
    "MS-OXCSTOR_R838001",
    "MS-OXCSTOR_R838",
    "MS-OXCSTOR_R1218",
    "MS-OXCSTOR_R3540",
    "MS-OXCSTOR_R354",
    "MS-OXCSTOR_R59751",
    "MS-OXCSTOR_R59753",
    "MS-OXCSTOR_R167",
    "MS-OXCSTOR_R168",
)
@pytest.mark.parametrize("ghosted", [0, 0x04])
@pytest.mark.parametrize("mapping", [0, PER_MDB])
@pytest.mark.parametrize("server", [0, ALTERNATE_SERVER, IGNORE_HOME_MDB])
async def test_public_folders_are_refused(client: Client, ghosted: int, mapping: int, server: int) -> None:
    """There is no public folder store here or anywhere else, whichever of them is asked for."""
    for dn in ("", client.session.user.legacy_dn):
        sent = fields(dn, logon_flags=ghosted, open_flags=PUBLIC | mapping | server)
        assert await client.error("Logon", **sent) == 0x80040111  # ecLoginFailure
    assert not client.payloads[0][8:-4], "nothing follows the ReturnValue"
    assert list(client.session.logons) == [0]


# Whose mailbox


@pytest.mark.spec(
    "MS-OXCSTOR_R788",
    "MS-OXCSTOR_R173",
    "MS-OXCSTOR_R174",
    "MS-OXCSTOR_R1273",
    "MS-OXCSTOR_R794",
    "MS-OXCSTOR_R193",
    "MS-OXCSTOR_R59746",
)
async def test_mailboxes_that_are_not_there(mailboxes: Mailboxes, user: User) -> None:
    disabled = await another_user(mailboxes, user, "gone", enabled=False)
    homeless = dataclasses.replace(user, user_id=9, mailbox_id=99, legacy_dn="/o=bm/cn=homeless")
    client = new_client(mailboxes, user, disabled, homeless)
    for dn in ("/o=bm/cn=nobody", "", "tom@bm.lan", "x" * 0x4000, disabled.legacy_dn, homeless.legacy_dn):
        assert await client.error("Logon", **fields(dn)) == 0x3EB, dn  # UnknownUser
    assert client.session.logons == {}
    latin = fields("") | {"essdn": "/o=bm/cn=grün".encode("latin-1")}
    assert await client.error("Logon", **latin) == ErrorCode.UnknownUser
    own = new_client(mailboxes, homeless)
    assert await own.error("Logon", **fields(homeless.legacy_dn)) == ErrorCode.UnknownUser


async def test_the_dn_may_come_in_any_case(mailboxes: Mailboxes, user: User) -> None:
    client = new_client(mailboxes, user)
    await client.value("Logon", **fields(user.legacy_dn.upper()))


@pytest.mark.spec("MS-OXCSTOR_R175", "MS-OXCSTOR_R176", "MS-OXCSTOR_R3102", "MS-OXCSTOR_R3102001")
@pytest.mark.parametrize("code_page", [0, 1, 4096, 0xFFFFFFFF])
async def test_an_unknown_code_page(mailboxes: Mailboxes, user: User, code_page: int) -> None:
    client = new_client(mailboxes, user, default_code_page=code_page)
    assert await client.error("Logon", **fields(user.legacy_dn)) == 0x3EF  # ecUnknownCodePage
    assert await client.error("Logon", **fields("/o=bm/cn=nobody")) == ErrorCode.UnknownUser


@pytest.mark.parametrize("code_page", [1252, 1251, 932, 936, 949, 950, 874, 1255, 65001, 20127, 28591])
async def test_code_pages_that_outlook_speaks(mailboxes: Mailboxes, user: User, code_page: int) -> None:
    client = new_client(mailboxes, user, default_code_page=code_page)
    await client.log_on()


@pytest.mark.spec("MS-OXCSTOR_R112", "MS-OXCSTOR_R115", "MS-OXCSTOR_R116", "MS-OXCSTOR_R182", "MS-OXCSTOR_R191")
def test_the_redirect_that_a_single_server_never_sends() -> None:
    """MS-OXCROPS 2.2.3.1.4: LogonFlags, the size of the name with its NUL, the name."""
    redirect = {"logon_flags": 0x07, "server_name": b"/o=bm/cn=other"}
    data = build_response(ROPS_BY_NAME["Logon"], 2, ErrorCode.WrongServer, redirect)
    assert data.hex() == "fe02780400000 70f2f6f3d626d2f636e3d6f7468657200".replace(" ", "")
    assert (ErrorCode.WrongServer, ErrorCode.ServerPaused) == (0x478, 0x47F)


# Answers that depend on the mailbox


@pytest.mark.spec("MS-OXCSTOR_R128", "MS-OXCSTOR_R129")
async def test_out_of_office_shows_in_the_response(client: Client) -> None:
    sent = fields(client.session.user.legacy_dn)
    for state, flags in ((True, 0x01 | 0x02 | 0x04 | 0x10), (False, 0x07)):
        value = await client.value("SetProperties", property_values=[(tags.PidTagOutOfOfficeState, state)])
        assert not value.property_problems
        assert (await client.value("Logon", **sent)).response_flags == flags


@pytest.mark.spec("MS-OXCSTOR_R1410001", "MS-OXCSTOR_R1140", "MS-OXCSTOR_R1141", "MS-OXCSTOR_R1141001")
async def test_search_folders_do_not_show_in_the_store_state(client: Client, own_mailbox: Mailbox) -> None:
    assert await client.properties(LOGON, tags.PidTagStoreState) == [0]
    finder = await own_mailbox.special_folder("search")
    async with own_mailbox.database.write() as connection:
        first = await allocate(connection, own_mailbox.mailbox_id, 2)
        row = Folder.new(first, finder.folder_id, "Unread", change_number=first + 1, created=now(), folder_type=2)
        await insert_folders(connection, own_mailbox.mailbox_id, [row])
    value = await client.value("Logon", **fields(client.session.user.legacy_dn))
    assert value.store_state == 0
    assert await client.properties(LOGON, tags.PidTagStoreState) == [0x01000000]


# More than one logon


@pytest.mark.spec(
    "MS-OXCSTOR_R133",
    "MS-OXCSTOR_R802",
    "MS-OXCSTOR_R803",
    "MS-OXCSTOR_R1046",
    "MS-OXCSTOR_R1204",
    "MS-OXCSTOR_R1800001",
    "MS-OXCSTOR_R1820001",
    "MS-OXCSTOR_R3145",
    "MS-OXCSTOR_R3155",
)
async def test_a_second_mailbox_needs_the_per_mdb_mapping(mailboxes: Mailboxes, user: User) -> None:
    anna = await another_user(mailboxes, user, "anna")
    client = new_client(mailboxes, dataclasses.replace(user, admin=True), anna, admin=True)
    guids = set()
    for logon_id in (0, 5):  # the flag is ignored on the first logon, and on others to the same mailbox
        response = await log_on_as(client, logon_id, user.legacy_dn, open_flags=0x0C)
        assert response.return_value == 0
        guids.add(response.value.repl_guid)
    assert guids == {(await mailboxes.open(user.mailbox_id)).replica_guid}
    refused = await log_on_as(client, 6, anna.legacy_dn, open_flags=0x0C)
    assert refused.return_value == 0x80070057  # ecInvalidParameter
    assert sorted(client.session.logons) == [0, 5]
    response = await log_on_as(client, 6, anna.legacy_dn, open_flags=PER_MDB | 0x0C)
    assert (response.return_value, response.value.mailbox_guid) == (0, anna.mailbox_guid)
    assert response.value.repl_guid not in guids


async def test_a_second_logon_takes_the_place_of_the_first(client: Client) -> None:
    """MS-OXCROPS 2.2.3.1.1: an active LogonId is released with everything under it; two LogonIds live side by side."""
    await client.value("OpenFolder", folder_id=ObjectId(1, 1), open_mode_flags=0)
    folder = client.last
    first = client.handles[LOGON]
    await client.log_on()
    assert client.handles[LOGON] != first
    assert await client.error("GetPropertiesList", folder) == ErrorCode.InvalidObject
    assert (await log_on_as(client, 7, client.session.user.legacy_dn)).return_value == 0
    assert sorted(client.session.logons) == [0, 7]
    await client.value("GetReceiveFolderTable")


async def test_a_refused_logon_leaves_the_one_in_its_place(client: Client) -> None:
    assert await client.error("Logon", **fields("/o=bm/cn=nobody")) == ErrorCode.UnknownUser
    await client.log_on()
    (logon,) = client.session.logons.values()
    refused = await log_on_as(client, 0, "/o=bm/cn=nobody")
    assert refused.return_value == ErrorCode.UnknownUser
    assert list(client.session.logons.values()) == [logon]
    await client.value("GetReceiveFolderTable")
