import random
from dataclasses import replace
from pathlib import Path

import pytest

from mapigw.directory.directory import Directory
from mapigw.directory.passwords import Argon2Parameters, Passwords
from mapigw.endpoint import SessionEndpoint
from mapigw.store.database import Database
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from nspi.endpoint import NspiEndpoint
from nspi.handlers import HANDLERS
from nspi.handlers.changes import CHANGES
from nspi.stat import Stat
from nspi.wire import REQUESTS, RESPONSES
from oab.dialogs import dialog_template
from tests.nspi.client import CONTEXT, LISTED, TOM, USERS, Client, FakeDirectory, minimal_id, user
from tests.nspi.test_wire import REQUEST_EXAMPLES


def test_it_is_a_session_endpoint_for_every_request_type(endpoint: NspiEndpoint) -> None:
    checked: SessionEndpoint = endpoint
    assert (checked.connect_type, checked.disconnect_type) == ("Bind", "Unbind")
    assert checked.request_types == set(REQUESTS) - {"Bind"} == {*HANDLERS, *CHANGES}


@pytest.mark.spec("MS-OXNSPI_R668", "MS-OXNSPI_R674", "MS-OXNSPI_R675", "MS-OXNSPI_R680")
@pytest.mark.spec("MS-OXNSPI_R696")
@pytest.mark.spec("MS-OXNSPI_R697")
@pytest.mark.spec("MS-OXNSPI_R700")
async def test_bind(directory: FakeDirectory) -> None:
    client = Client(NspiEndpoint(directory, "https://a.example", dialog_template))
    for stat in (None, Stat(code_page=1252), Stat(code_page=1200), Stat(code_page=20261)):
        answer = await client.bind(stat)
        assert (answer.status_code, answer.error_code) == (0, 0)
        assert answer.server_guid.version == 5
        assert client.session is not None
    first = answer.server_guid
    answer = await client.bind(Stat(code_page=4711))
    assert (answer.error_code, client.session) == (ErrorCode.InvalidCodepage, None)
    again = await Client(NspiEndpoint(directory, "https://a.example/", dialog_template)).bind(None)
    other = await Client(NspiEndpoint(directory, "https://b.example", dialog_template)).bind(None)
    assert again.server_guid == first != other.server_guid


async def test_bind_in_hex() -> None:
    """The response is 28 bytes: StatusCode, ErrorCode, ServerGuid, AuxiliaryBufferSize."""
    endpoint = NspiEndpoint(FakeDirectory(), "https://a.example", dialog_template)
    response, _ = await endpoint.connect(TOM, bytes.fromhex("00000000 00 00000000"), CONTEXT)
    assert response == bytes(8) + endpoint.server_guid.bytes_le + bytes(4)
    with pytest.raises(WireError):
        await endpoint.connect(TOM, b"\0\0", CONTEXT)


@pytest.mark.spec("MS-OXNSPI_R712")
async def test_requests_that_come_after_their_session_is_gone(endpoint: NspiEndpoint) -> None:
    body = REQUESTS["DNToMId"].build({"reserved": 0, "names": [TOM.legacy_dn.encode()], "auxiliary_buffer": b""})
    answer = await endpoint.stateless(TOM, "DNToMId", body)
    assert answer is not None
    assert RESPONSES["DNToMId"].parse(answer).minimal_ids == [minimal_id(1)]
    answer = await endpoint.stateless(TOM, "Unbind", bytes(8))
    assert answer == bytes.fromhex("00000000 01000000 00000000")
    assert await endpoint.stateless(TOM, "Bind", bytes(9)) is None
    assert await endpoint.stateless(TOM, "Execute", b"") is None


@pytest.mark.spec("MS-OXNSPI_R610")
@pytest.mark.spec("MS-OXNSPI_R611")
async def test_minimal_ids_stay_while_the_directory_changes(directory: FakeDirectory, client: Client) -> None:
    own = [user for user in USERS if user.domain == "bm.lan"]
    names = [user.legacy_dn.encode() for user in own]
    before = (await client.request("DNToMId", names=names)).minimal_ids
    assert all(0x10 <= minimal_id < 0x80000000 for minimal_id in before)
    assert len(set(before)) == len(own)
    directory.all = (user(99, "aaron@bm.lan", "Aaron"), *USERS[1:])
    assert (await client.request("DNToMId", names=names)).minimal_ids == [0, *before[1:]]
    stat = (await client.request("UpdateStat", delta_requested=False)).state
    assert (stat.current_rec, stat.total_recs) == (minimal_id(99), len(LISTED))
    other = Client(NspiEndpoint(directory, "https://mail.bm.lan", dialog_template))
    await other.bind(None)
    assert (await other.request("DNToMId", names=names)).minimal_ids == [0, *before[1:]]


async def test_a_user_sees_the_list_of_the_own_domain(endpoint: NspiEndpoint) -> None:
    client = Client(endpoint, USERS[12])
    await client.bind(None)
    answer = await client.request("QueryRows", explicit_table=[], row_count=50, columns=[0x3001001F])
    assert answer.rows.rows == [["Eve Other"]]
    lonely = Client(endpoint, user(77, "x@nowhere.example", "X"))
    await lonely.bind(None)
    answer = await lonely.request("UpdateStat", delta_requested=True)
    assert (answer.error_code, answer.delta) == (0, 0)
    assert (answer.state.current_rec, answer.state.total_recs) == (2, 0)


async def test_one_bad_entry_never_spoils_the_list(
    directory: FakeDirectory, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    directory.all = (
        replace(USERS[0], legacy_dn="/o=Example/cn=ümlaut"),
        replace(USERS[1], user_id=2**40),
        replace(USERS[2], display_name=""),
        USERS[3],
        replace(USERS[4], display_name="Oskar\0"),
    )
    answer = await client.request("QueryRows", explicit_table=[], row_count=50, columns=[0x3001001F])
    assert answer.rows.rows == [["Otto Ost"], ["zoe@bm.lan"]]
    assert answer.state.total_recs == 2
    messages = [record.getMessage() for record in caplog.records]
    assert [message.split()[4].rstrip(":") for message in messages] == ["tom@bm.lan", "anna@bm.lan", "oskar@bm.lan"]


async def test_a_long_list_is_searched_beside_the_event_loop() -> None:
    users = tuple(user(number, f"user{number}@bm.lan", f"User {number:05}") for number in range(1, 3001))
    client = Client(NspiEndpoint(FakeDirectory(users), "https://a.example", dialog_template), users[0])
    await client.bind(Stat(code_page=1200))
    answer = await client.request(
        "ResolveNames", property_tags=[0x3001001F], names=["user 01234", "User 0", "user2999@bm.lan"]
    )
    assert (answer.minimal_ids, answer.rows.rows) == ([2, 1, 2], [["User 01234"], ["User 02999"]])
    answer = await client.request("QueryRows", explicit_table=[], row_count=2**32 - 1, columns=[0x3001001F] * 100)
    assert len(answer.rows.rows) == 1000
    assert (answer.state.num_pos, answer.state.total_recs) == (1000, 3000)


async def test_mutated_requests_are_answered_or_wire_errors(client: Client) -> None:
    """Whatever is sent, the answer is a response of the type that was asked for."""
    generator = random.Random(7)
    assert client.session is not None
    for name, _, data in REQUEST_EXAMPLES:
        if name == "Bind":
            continue
        original = bytes.fromhex(data + "00000000")
        for _ in range(150):
            body = bytearray(original)
            for _ in range(generator.randint(1, 3)):
                body[generator.randrange(len(body))] = generator.choice((0, 1, 2, 0x10, 0x7F, 0x80, 0xFF))
            try:
                answer = await client.session.request(name, bytes(body))
            except WireError:
                continue
            assert RESPONSES[name].parse(answer).status_code == 0


async def test_with_the_real_directory(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    try:
        directory = Directory(
            database, passwords=Passwords(Argon2Parameters(time_cost=1, memory_cost=8, parallelism=1))
        )
        tom = await directory.add("tom@bm.lan", "secret", display_name="Tom Bauer")
        client = Client(NspiEndpoint(directory, "https://mail.bm.lan", dialog_template), tom)
        await client.bind(Stat(code_page=1200))
        answer = await client.request("ResolveNames", property_tags=[0x3001001F], names=["tom@bm.lan", "anna@bm.lan"])
        assert (answer.minimal_ids, answer.rows.rows) == ([2, 0], [["Tom Bauer"]])
        await directory.add("anna@bm.lan", "secret", display_name="Anna Müller")
        answer = await client.request("ResolveNames", property_tags=[0x3001001F], names=["tom@bm.lan", "anna@bm.lan"])
        assert (answer.minimal_ids, answer.rows.rows) == ([2, 2], [["Tom Bauer"], ["Anna Müller"]])
    finally:
        await database.close()
