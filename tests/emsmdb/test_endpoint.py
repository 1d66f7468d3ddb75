"""The mailbox endpoint's bodies, with a real session behind them and no mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.emsmdb.dispatch import ExecuteRecord
from mapigw.emsmdb.endpoint import EmsmdbEndpoint, EmsmdbSession
from mapigw.emsmdb.objects import ServerObject
from mapigw.emsmdb.registry import HANDLERS, Call
from mapigw.emsmdb.session import ConnectParameters
from mapigw.endpoint import ClientContext
from mapigw.mailbox.mailboxes import Mailboxes
from mapigw.wire.auxiliary import AuxiliaryType, parse_auxiliary
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.mapihttp import (
    CONNECT_REQUEST,
    CONNECT_RESPONSE,
    EXECUTE_REQUEST,
    EXECUTE_RESPONSE,
    FAILURE_RESPONSE,
)
from mapigw.wire.rop_buffer import build_requests, parse_responses, request
from mapigw.wire.rpc_header import join_payloads, split_payloads
from tests.emsmdb.notices import put

TOM = User(1, 1, UUID(int=1), "tom@bm.lan", "Töm", "/o=bm/cn=tom", "bm.lan", (), enabled=True, admin=False)
ANNA = replace(TOM, user_id=2, mailbox_id=2, address="anna@bm.lan", legacy_dn="/o=bm/cn=anna", admin=True)
CLIENT = ClientContext("192.0.2.1")
WAIT = bytes(8)


class FakeDirectory:
    async def by_legacy_dn(self, dn: str) -> User | None:
        return {user.legacy_dn: user for user in (TOM, ANNA)}.get(dn.lower())


@pytest.fixture(autouse=True, scope="module")
def no_handlers() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mapigw.emsmdb.endpoint.load_handlers", lambda: None)
        for name in list(HANDLERS):
            patch.delitem(HANDLERS, name)
        yield


@pytest.fixture
def records() -> list[ExecuteRecord]:
    return []


@pytest.fixture
def endpoint(records: list[ExecuteRecord]) -> EmsmdbEndpoint:
    return EmsmdbEndpoint(
        cast("Directory", FakeDirectory()), cast("Mailboxes", None), observe=records.append, wait_seconds=0.05
    )


def connect_request(user_dn: str = TOM.legacy_dn, **fields: Any) -> bytes:
    request = {
        "user_dn": user_dn.encode("ascii"),
        "flags": 0,
        "default_code_page": 1252,
        "lcid_sort": 0x0409,
        "lcid_string": 0x0407,
        "auxiliary_buffer": b"",
    }
    return CONNECT_REQUEST.build({**request, **fields})


async def connected(endpoint: EmsmdbEndpoint, user: User = TOM) -> EmsmdbSession:
    _, session = await endpoint.connect(user, connect_request(user.legacy_dn), CLIENT)
    assert session is not None
    return session


def execute_request(rop_buffer: bytes | None = None, **fields: Any) -> bytes:
    if rop_buffer is None:
        rop_buffer = join_payloads([build_requests([request("Release", 0)], [0])])
    value = {"flags": 3, "rop_buffer": rop_buffer, "max_rop_out": 0x8007, "auxiliary_buffer": b""}
    return EXECUTE_REQUEST.build({**value, **fields})


def status(body: bytes) -> int:
    """The StatusCode of a failure body, 0 for any other."""
    return FAILURE_RESPONSE.parse(body).status_code if len(body) == 8 else 0


# Connect


@pytest.mark.spec("MS-OXCMAPIHTTP_R1349")
@pytest.mark.spec("MS-OXCMAPIHTTP_R216")
async def test_connect(endpoint: EmsmdbEndpoint) -> None:
    body, session = await endpoint.connect(TOM, connect_request("/O=BM/cn=TOM"), CLIENT)
    response = CONNECT_RESPONSE.parse(body)
    assert (response.status_code, response.error_code) == (0, 0)
    assert (response.polls_max, response.retry_count, response.retry_delay) == (60_000, 6, 10_000)
    assert (response.dn_prefix, response.display_name) == (b"", "Töm")
    assert session is not None
    assert session.user is TOM
    assert session.session.parameters == ConnectParameters(1252, 0x0409, 0x0407, admin=False)


@pytest.mark.spec("MS-OXCRPC_R1069")
async def test_connect_tells_what_the_server_can_do(endpoint: EmsmdbEndpoint) -> None:
    body, _ = await endpoint.connect(TOM, connect_request(), CLIENT)
    (payload,) = split_payloads(CONNECT_RESPONSE.parse(body).auxiliary_buffer)
    blocks = {block.type: block.value for block in parse_auxiliary(payload)}
    assert blocks == {
        AuxiliaryType.AUX_TYPE_SERVER_CAPABILITIES: {"server_capability_flags": 8},
        AuxiliaryType.AUX_TYPE_ENDPOINT_CAPABILITIES: {"endpoint_capability_flag": 1},
        AuxiliaryType.AUX_TYPE_EXORGINFO: {"org_flags": 0},
        AuxiliaryType.AUX_SERVER_SESSION_INFO: {
            "server_session_context_info": "ClientAccessServer=mapigw,ConnectionID=1"
        },
        AuxiliaryType.AUX_TYPE_CLIENT_CONTROL: {"enable_flags": 0x0C, "expiry_time": 604_800_000},
    }


@pytest.mark.parametrize(
    ("user", "fields", "code"),
    [
        (TOM, {"user_dn": ""}, ErrorCode.AccessDenied),
        (TOM, {"user_dn": ANNA.legacy_dn}, ErrorCode.AccessDenied),
        (ANNA, {"user_dn": TOM.legacy_dn}, ErrorCode.AccessDenied),
        (TOM, {"user_dn": "/o=bm/cn=nobody"}, ErrorCode.UnknownUser),
        (TOM, {"flags": 1}, ErrorCode.LoginPermission),
        (TOM, {"auxiliary_buffer": bytes(0x1009)}, 0x6F7),
        (TOM, {"auxiliary_buffer": bytes(7)}, 0x80040115),
    ],
)
@pytest.mark.spec("MS-OXCMAPIHTTP_R1220")
@pytest.mark.spec("MS-OXCMAPIHTTP_R223")
@pytest.mark.spec("MS-OXCRPC_R1369")
@pytest.mark.spec("MS-OXCRPC_R4888")
@pytest.mark.spec("MS-OXCRPC_R600")
@pytest.mark.spec("MS-OXCRPC_R603")
@pytest.mark.spec("MS-OXCRPC_R571")
@pytest.mark.spec("MS-OXCRPC_R1367")
async def test_connect_is_refused(endpoint: EmsmdbEndpoint, user: User, fields: dict[str, Any], code: int) -> None:
    body, session = await endpoint.connect(user, connect_request(**fields), CLIENT)
    assert session is None
    assert body == code.to_bytes(4, "little") + bytes(4)


@pytest.mark.spec("MS-OXCRPC_R490")
async def test_an_administrator_gets_administrative_privilege(endpoint: EmsmdbEndpoint) -> None:
    _, session = await endpoint.connect(ANNA, connect_request(ANNA.legacy_dn, flags=1), CLIENT)
    assert session is not None
    assert session.session.parameters.admin


@pytest.mark.parametrize(
    "buffer", [bytes(8), b"\xff" * 100, join_payloads([bytes.fromhex("0300014a")])], ids=["zeros", "ones", "block"]
)
async def test_what_a_client_says_about_itself_never_fails_a_connect(endpoint: EmsmdbEndpoint, buffer: bytes) -> None:
    body, session = await endpoint.connect(TOM, connect_request(auxiliary_buffer=buffer), CLIENT)
    assert session is not None
    assert status(body) == 0


@pytest.mark.parametrize("length", [0, 5, 20, 32])
async def test_a_truncated_connect(endpoint: EmsmdbEndpoint, length: int) -> None:
    with pytest.raises(WireError):
        await endpoint.connect(TOM, connect_request()[:length], CLIENT)


async def test_nothing_is_answered_without_a_session(endpoint: EmsmdbEndpoint) -> None:
    assert await endpoint.stateless(TOM, "Execute", execute_request()) is None


# Execute


async def test_execute(endpoint: EmsmdbEndpoint, records: list[ExecuteRecord]) -> None:
    session = await connected(endpoint)
    buffer = join_payloads([build_requests([request("Release", 0), request("GetStoreState", 1)], [0, 9])])
    body = await session.request("Execute", execute_request(buffer))
    response = EXECUTE_RESPONSE.parse(body)
    assert (response.status_code, response.error_code, response.flags) == (0, 0, 0)
    (payload,) = split_payloads(response.rop_buffer)
    answered = parse_responses(payload)
    assert [item.return_value for item in answered.responses] == [ErrorCode.NotImplemented]
    await asyncio.sleep(0)  # the log comes after the answer
    (record,) = records
    assert record.user == "tom@bm.lan"
    assert record.rops == [("Release", 0), ("GetStoreState", ErrorCode.NotImplemented)]
    assert (record.request_bytes, record.response_bytes) == (len(execute_request(buffer)), len(body))
    assert record.milliseconds > 0
    assert record.error == ""


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"rop_buffer": bytes.fromhex("0000 0400 0300 0300 ffffff")}, 0x4B6),
        ({"rop_buffer": join_payloads([bytes.fromhex("0500 fe0000")])}, 0x4B6),
        ({"rop_buffer": join_payloads([b"\x02\0", b"\x02\0"])}, 0x4B6),
        ({"rop_buffer": bytes(7)}, 0x80040115),
        ({"max_rop_out": 7}, 0x80040115),
        ({"max_rop_out": 8}, 0x47D),
        ({"max_rop_out": 0x100001}, 0x6F7),
        ({"rop_buffer": bytes(0x40001)}, 0x6F7),
        ({"auxiliary_buffer": bytes(0x1009)}, 0x6F7),
        ({"auxiliary_buffer": bytes(1)}, 0x80040115),
    ],
)
@pytest.mark.spec("MS-OXCMAPIHTTP_R257")
@pytest.mark.spec("MS-OXCROPS_R4551")
@pytest.mark.spec("MS-OXCRPC_R697")
@pytest.mark.spec("MS-OXCRPC_R663")
@pytest.mark.spec("MS-OXCRPC_R1379")
@pytest.mark.spec("MS-OXCRPC_R666001")
@pytest.mark.spec("MS-OXCRPC_R678")
async def test_an_execute_that_fails_as_a_whole(
    endpoint: EmsmdbEndpoint, records: list[ExecuteRecord], fields: dict[str, Any], code: int
) -> None:
    session = await connected(endpoint)
    body = await session.request("Execute", execute_request(**fields))
    assert body == code.to_bytes(4, "little") + bytes(4)
    await asyncio.sleep(0)
    assert records[0].error
    assert status(await session.request("Execute", execute_request())) == 0


async def test_the_largest_answer_that_may_be_asked_for(endpoint: EmsmdbEndpoint) -> None:
    session = await connected(endpoint)
    assert status(await session.request("Execute", execute_request(max_rop_out=0x100000))) == 0


async def test_a_malformed_execute_body_is_for_the_transport(
    endpoint: EmsmdbEndpoint, records: list[ExecuteRecord]
) -> None:
    session = await connected(endpoint)
    for body in (b"", execute_request()[:-1], execute_request() + b"\0", b"\0\0\0\0\xff\xff\xff\xff"):
        with pytest.raises(WireError):
            await session.request("Execute", body)
    await asyncio.sleep(0)
    assert [bool(record.error) for record in records] == [True] * 4


@given(body=st.binary(max_size=80))
def test_random_bodies(body: bytes) -> None:
    async def attempt() -> None:
        endpoint = EmsmdbEndpoint(cast("Directory", FakeDirectory()), cast("Mailboxes", None), wait_seconds=0.0)
        session = await connected(endpoint)
        for request_type in endpoint.request_types:
            try:
                await session.request(request_type, body)
            except WireError:
                continue

    asyncio.run(attempt())


# NotificationWait


@pytest.mark.spec("MS-OXCMAPIHTTP_R1372")
@pytest.mark.spec("MS-OXCMAPIHTTP_R1259")
async def test_a_notification_wait_without_events_times_out(endpoint: EmsmdbEndpoint) -> None:
    session = await connected(endpoint)
    assert await session.request("NotificationWait", WAIT) == bytes(16)


@pytest.mark.spec("MS-OXCMAPIHTTP_R1371", "MS-OXCMAPIHTTP_R1258", "MS-OXCNOTIF_R482")
async def test_new_mail_ends_a_notification_wait(endpoint: EmsmdbEndpoint) -> None:
    endpoint.wait_seconds = 10
    session = await connected(endpoint)
    waiting = asyncio.create_task(session.request("NotificationWait", WAIT))
    await asyncio.sleep(0)
    put(session.session, b"\x2a")
    pending = bytes.fromhex("00000000 00000000 01000000 00000000")
    assert await waiting == pending
    # what is queued already is told at once, until an Execute has fetched it
    assert await session.request("NotificationWait", WAIT) == pending
    await session.request("Execute", execute_request())
    endpoint.wait_seconds = 0
    assert await session.request("NotificationWait", WAIT) == bytes(16)


async def test_closing_a_session_ends_its_notification_wait(endpoint: EmsmdbEndpoint) -> None:
    endpoint.wait_seconds = 10
    session = await connected(endpoint)
    waiting = asyncio.create_task(session.request("NotificationWait", WAIT))
    await asyncio.sleep(0)
    await session.close(shutting_down=True)
    assert await waiting == bytes(16)


async def test_a_malformed_notification_wait(endpoint: EmsmdbEndpoint) -> None:
    session = await connected(endpoint)
    with pytest.raises(WireError):
        await session.request("NotificationWait", bytes(4))


# Disconnect


@pytest.mark.spec("MS-OXCMAPIHTTP_R1363")
async def test_disconnect(endpoint: EmsmdbEndpoint) -> None:
    session = await connected(endpoint)
    assert await session.request("Disconnect", bytes(4)) == bytes(12)
    with pytest.raises(WireError):
        await session.request("Disconnect", b"\x01")


async def test_the_session_closes_its_objects(endpoint: EmsmdbEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    class Thing(ServerObject):
        async def close(self) -> None:
            closed.append(self)

    async def opens(call: Call, fields: Any) -> Mapping[str, Any]:
        call.open(fields, Thing(cast("Any", None)))
        return {"store_state": 0}

    monkeypatch.setitem(HANDLERS, "GetStoreState", opens)
    session = await connected(endpoint)
    buffer = join_payloads([build_requests([request("GetStoreState", 0)], [0])])
    assert status(await session.request("Execute", execute_request(buffer))) == 0
    await session.close()
    await session.close()
    assert len(closed) == 1
