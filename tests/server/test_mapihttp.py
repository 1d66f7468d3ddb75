"""The MAPI/HTTP transport with an endpoint that does what a test tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from uuid import UUID

import pytest
from aiohttp import ClientResponse, DummyCookieJar, web
from aiohttp.test_utils import TestClient, TestServer

from mapigw.directory.model import User
from mapigw.endpoint import ClientContext
from mapigw.server.capture import CaptureWriter, read_capture
from mapigw.server.contexts import EXPIRATION, SessionContexts
from mapigw.server.mapihttp import MapiHttp, RefusalError
from mapigw.server.request_keys import USER
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.mapihttp import split_response

PATH = "/mapi/emsmdb/"


def make_user(number: int) -> User:
    name = f"user{number}"
    return User(
        user_id=number,
        mailbox_id=number,
        mailbox_guid=UUID(int=number),
        address=f"{name}@bm.lan",
        display_name=name,
        legacy_dn=f"/o=bm/cn={name}",
        domain="bm.lan",
        aliases=(),
        enabled=True,
        admin=False,
    )


USERS = {number: make_user(number) for number in (1, 2)}


class FakeSession:
    def __init__(self, endpoint: FakeEndpoint, user: User) -> None:
        self.endpoint = endpoint
        self.user = user
        self.closed: list[bool] = []

    async def request(self, request_type: str, body: bytes) -> bytes:
        answer = self.endpoint.answers.get(request_type)
        return b"ok " + body if answer is None else await answer()

    async def close(self, *, shutting_down: bool = False) -> None:
        self.closed.append(shutting_down)


class FakeEndpoint:
    connect_type = "Connect"
    disconnect_type = "Disconnect"
    request_types = frozenset({"Execute", "NotificationWait", "Disconnect", "DNToMId"})
    too_many_sessions = ErrorCode.TooManySessions

    def __init__(self) -> None:
        self.sessions: list[FakeSession] = []
        self.clients: list[ClientContext] = []
        self.answers: dict[str, Callable[[], Awaitable[bytes]]] = {}

    async def connect(self, user: User, body: bytes, client: ClientContext) -> tuple[bytes, FakeSession | None]:
        self.clients.append(client)
        if body == b"slow":
            await asyncio.sleep(0.08)
        if body == b"refuse":
            return b"refused", None
        if body == b"malformed":
            raise WireError("data ends early", offset=3, field="user_dn")
        self.sessions.append(FakeSession(self, user))
        return b"connected", self.sessions[-1]

    async def stateless(self, user: User, request_type: str, body: bytes) -> bytes | None:
        if body == b"malformed":
            raise WireError("data ends early")
        return b"stateless" if request_type == "DNToMId" else None


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Server:
    """The transport under test behind a middleware that takes the user's number from the Authorization header."""

    def __init__(self, client: TestClient[web.Request, web.Application], transport: MapiHttp) -> None:
        self.client = client
        self.transport = transport
        self.number = 0

    async def post(
        self,
        request_type: str | None,
        body: bytes = b"",
        cookies: dict[str, str] | None = None,
        *,
        user: int | None = 1,
        path: str = PATH,
        method: str = "POST",
        headers: dict[str, str | None] | None = None,
    ) -> ClientResponse:
        self.number += 1
        sent: dict[str, str | None] = {
            "X-RequestType": request_type,
            "X-RequestId": f"{{E2EA6C1C-E61B-49E9-9CFB-38184F907552}}:{self.number}",
            "X-ClientInfo": "{2EF33C39-49C8-421C-B876-CDF7F2AC3AA0}:123",
            "X-ClientApplication": "Outlook/16.0.20131.20000",
            "Content-Type": "application/mapi-http",
            "Authorization": None if user is None else str(user),
            "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()) if cookies else None,
            **(headers or {}),
        }
        response = await self.client.request(
            method,
            path,
            data=body,
            headers={name: value for name, value in sent.items() if value is not None},
            skip_auto_headers={"Content-Type"},
        )
        await response.read()
        return response

    async def connect(self, cookies: dict[str, str] | None = None, *, user: int = 1) -> dict[str, str]:
        response = await self.post("Connect", b"", cookies, user=user)
        assert code(response) == 0
        return cookies_of(response)


def code(response: ClientResponse) -> int:
    assert response.status == 200
    return int(response.headers["X-ResponseCode"])


def cookies_of(response: ClientResponse) -> dict[str, str]:
    return {name: morsel.value for name, morsel in response.cookies.items()}


async def payload(response: ClientResponse) -> bytes:
    return split_response(await response.read()).payload


@pytest.fixture
def endpoint() -> FakeEndpoint:
    return FakeEndpoint()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def capture(tmp_path: Path) -> CaptureWriter:
    return CaptureWriter(tmp_path / "capture.jsonl", "user1@bm.lan")


@pytest.fixture
async def server(endpoint: FakeEndpoint, clock: Clock, capture: CaptureWriter) -> AsyncIterator[Server]:
    @web.middleware
    async def authenticated(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        number = request.headers.get("Authorization")
        if number:
            request[USER] = USERS[int(number)]
        return await handler(request)

    transport = MapiHttp(
        "/mapi/emsmdb",
        endpoint,
        capture=capture,
        contexts=SessionContexts(clock=clock, maximum_per_user=3, maximum=4),
        pending_period=0.05,
        quick=0.02,
        maximum_body=1000,
    )
    application = web.Application(middlewares=[authenticated])
    application.router.add_route("*", "/mapi/emsmdb{slash:/?}", transport.handle)
    async with TestClient(TestServer(application), cookie_jar=DummyCookieJar()) as client:
        yield Server(client, transport)
        await transport.shutdown()


# Headers


@pytest.mark.spec("MS-OXCMAPIHTTP_R2040")
@pytest.mark.spec("MS-OXCMAPIHTTP_R156")
@pytest.mark.spec("MS-OXCMAPIHTTP_R44")
@pytest.mark.spec("MS-OXCMAPIHTTP_R164")
@pytest.mark.spec("MS-OXCMAPIHTTP_R167")
@pytest.mark.spec("MS-OXCMAPIHTTP_R2228")
async def test_a_quick_answer_has_the_headers_of_exchange(server: Server) -> None:
    response = await server.post("Connect", headers={"X-RequestId": "e2ea6c1c-E61B:7", "X-ClientInfo": "{Abc}:9"})
    assert code(response) == 0
    assert response.headers["Content-Type"] == "application/mapi-http"
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.headers["X-RequestType"] == "Connect"
    assert response.headers["X-RequestId"] == "e2ea6c1c-E61B:7"
    assert response.headers["X-ClientInfo"] == "{Abc}:9"
    assert response.headers["X-ServerApplication"] == "Exchange/15.00.0847.032"
    assert response.headers["X-PendingPeriod"] == "50"
    assert response.headers["X-ExpirationInfo"] == "900000"
    body = split_response(await response.read())
    assert body.meta_tags == ("PROCESSING", "DONE")
    assert list(body.headers) == ["X-StartTime", "X-ElapsedTime"]
    assert body.headers["X-StartTime"].endswith(" GMT")
    assert body.headers["X-ElapsedTime"].isdigit()
    assert body.payload == b"connected"


@pytest.mark.spec("MS-OXCMAPIHTTP_R1221")
async def test_cookies_are_bound_to_the_path_that_was_asked(server: Server) -> None:
    response = await server.post("Connect")
    lines = response.headers.getall("Set-Cookie")
    assert [line.partition("=")[0] for line in lines] == ["MapiContext", "MapiSequence"]
    assert all(line.endswith("; path=/mapi/emsmdb; HttpOnly") for line in lines)


async def test_the_endpoint_learns_about_the_client(server: Server, endpoint: FakeEndpoint) -> None:
    await server.post("Connect")
    (client,) = endpoint.clients
    assert client.address == "127.0.0.1"
    assert client.application == "Outlook/16.0.20131.20000"
    assert client.request_id == "{E2EA6C1C-E61B-49E9-9CFB-38184F907552}:1"


@pytest.mark.spec("MS-OXCMAPIHTTP_R138")
@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_other_verbs(server: Server, method: str) -> None:
    assert code(await server.post("Connect", method=method)) == 2


async def test_get_shows_a_page_for_humans(server: Server) -> None:
    response = await server.post(None, method="GET")
    assert response.status == 200
    assert response.content_type == "text/html"
    assert "Outlook" in await response.text()


@pytest.mark.parametrize(
    ("request_type", "headers", "expected"),
    [
        (None, {}, 7),
        ("Connect", {"X-RequestId": None}, 7),
        ("Connect", {"Content-Type": None}, 7),
        ("Connect", {"Content-Type": "text/plain"}, 4),
        ("Connect", {"Content-Type": "application/octet-stream"}, 0),
        ("Connect", {"Content-Type": "application/mapi-http; charset=utf-8"}, 0),
        ("Bind", {}, 5),
        ("connect", {}, 5),
        ("PING", {"Content-Type": None}, 0),
    ],
)
@pytest.mark.spec("MS-OXCMAPIHTTP_R140")
@pytest.mark.spec("MS-OXCMAPIHTTP_R141")
@pytest.mark.spec("MS-OXCMAPIHTTP_R143")
async def test_headers_are_checked(
    server: Server, request_type: str | None, headers: dict[str, str | None], expected: int
) -> None:
    assert code(await server.post(request_type, headers=headers)) == expected


@pytest.mark.spec("MS-OXCMAPIHTTP_R36")
@pytest.mark.spec("MS-OXCMAPIHTTP_R144")
async def test_anonymous_requests_are_refused(server: Server) -> None:
    assert code(await server.post("Connect", user=None)) == 8


@pytest.mark.spec("MS-OXCMAPIHTTP_R145")
async def test_the_size_of_a_request_is_limited(server: Server) -> None:
    assert code(await server.post("Connect", bytes(1000))) == 0
    assert code(await server.post("Connect", bytes(1001))) == 9


@pytest.mark.spec("MS-OXCMAPIHTTP_R56")
@pytest.mark.spec("MS-OXCMAPIHTTP_R2038")
async def test_a_transport_error_is_html_with_status_200(server: Server) -> None:
    response = await server.post("Execute")
    assert code(response) == 13
    assert response.content_type == "text/html"
    assert "MapiContext cookie is missing" in await response.text()
    assert response.headers["X-RequestType"] == "Execute"
    assert response.headers["X-RequestId"].endswith(":1")


async def raw(server: Server, request: bytes) -> bytes:
    """What the server answers to bytes that no HTTP library would send."""
    reader, writer = await asyncio.open_connection(server.client.host, server.client.port)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


HEAD = (
    b"POST /mapi/emsmdb HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: 1\r\n"
    b"Content-Type: application/mapi-http\r\nX-RequestType: Connect\r\n"
)


async def test_a_header_that_is_not_text(server: Server) -> None:
    answer = await raw(server, HEAD + b"X-RequestId: \xff\xfe\r\nX-ClientInfo: \xff\r\nContent-Length: 0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"X-ResponseCode: 4\r\n" in answer
    assert b"X-RequestId" not in answer.partition(b"\r\n\r\n")[0]


async def test_a_body_that_cannot_be_decoded(server: Server) -> None:
    answer = await raw(server, HEAD + b"X-RequestId: 1\r\nContent-Encoding: deflate\r\nContent-Length: 4\r\n\r\nnope")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"X-ResponseCode: 12\r\n" in answer


async def test_a_client_that_leaves_in_the_middle(
    server: Server, endpoint: FakeEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection(server.client.host, server.client.port)
    writer.write(HEAD + b"X-RequestId: 1\r\nContent-Length: 100\r\n\r\nhalf of it")
    await asyncio.sleep(0.02)
    writer.close()
    await asyncio.sleep(0.02)
    assert endpoint.sessions == []
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_a_client_that_leaves_when_it_has_sent_everything(server: Server) -> None:
    """Before its request is read: that is no defect of the server."""

    def read_nowait() -> bytes:
        raise ConnectionResetError("Connection lost")

    content = SimpleNamespace(is_eof=lambda: True, read_nowait=read_nowait)
    request = cast("web.BaseRequest", SimpleNamespace(content_length=None, content=content))
    with pytest.raises(RefusalError, match="lost"):
        await server.transport._read(request)


@pytest.mark.parametrize("delay", [0.0, 0.08])
async def test_a_proxy_that_speaks_http_1_0(server: Server, endpoint: FakeEndpoint, delay: float) -> None:
    async def slow() -> bytes:
        await asyncio.sleep(delay)
        return b"payload"

    cookies = await server.connect()
    endpoint.answers["Execute"] = slow
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()
    head = HEAD.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Connect\r\n", b"Execute\r\nX-RequestId: 1\r\n")
    answer = await raw(server, head + b"Cookie: " + cookie + b"\r\nContent-Length: 0\r\n\r\n")
    headers, _, body = answer.partition(b"\r\n\r\n")
    assert b"chunked" not in headers
    assert split_response(body).payload == b"payload"


# PING


@pytest.mark.spec("MS-OXCMAPIHTTP_R1127")
@pytest.mark.spec("MS-OXCMAPIHTTP_R1249")
async def test_ping_needs_no_context_and_has_no_body(server: Server) -> None:
    response = await server.post("PING")
    assert code(response) == 0
    assert await payload(response) == b""


@pytest.mark.spec("MS-OXCMAPIHTTP_R1248")
async def test_ping_refreshes_the_idle_time(server: Server, clock: Clock) -> None:
    cookies = await server.connect()
    clock.now += EXPIRATION - 1
    response = await server.post("PING", cookies=cookies)
    assert code(response) == 0
    assert cookies_of(response) == cookies
    clock.now += EXPIRATION - 1
    assert code(await server.post("Execute", cookies=cookies)) == 0


# Contexts


async def test_execute_in_a_context(server: Server) -> None:
    cookies = await server.connect()
    response = await server.post("Execute", b"body", cookies)
    assert code(response) == 0
    assert await payload(response) == b"ok body"
    after = cookies_of(response)
    assert after["MapiContext"] == cookies["MapiContext"]
    assert after["MapiSequence"] != cookies["MapiSequence"]
    assert code(await server.post("Execute", b"", after)) == 0


async def test_cookies_may_come_in_several_headers_and_among_others(server: Server) -> None:
    cookies = await server.connect()
    header = "; ".join(f"{name}={value}" for name, value in {"MapiRouting": "a=b", **cookies}.items())
    assert code(await server.post("Execute", headers={"Cookie": header})) == 0


async def test_a_refused_connect_makes_no_context(server: Server) -> None:
    response = await server.post("Connect", b"refuse")
    assert code(response) == 0
    assert await payload(response) == b"refused"
    assert cookies_of(response) == {}
    assert len(server.transport.contexts) == 0


@pytest.mark.spec("MS-OXCMAPIHTTP_R148")
async def test_a_malformed_body_is_an_invalid_request_body(server: Server) -> None:
    response = await server.post("Connect", b"malformed")
    assert code(response) == 12
    assert "data ends early in user_dn at offset 3" in await response.text()


@pytest.mark.spec("MS-OXCMAPIHTTP_R1236")
async def test_a_failure_in_a_context_repeats_its_cookies_and_the_context_goes_on(
    server: Server, endpoint: FakeEndpoint
) -> None:
    async def malformed() -> bytes:
        raise WireError("no")

    cookies = await server.connect()
    endpoint.answers["Execute"] = malformed
    response = await server.post("Execute", cookies=cookies)
    assert code(response) == 12
    after = cookies_of(response)
    assert after["MapiContext"] == cookies["MapiContext"]
    del endpoint.answers["Execute"]
    assert code(await server.post("Execute", cookies=after)) == 0


async def test_a_defect_is_an_unknown_failure_without_details(
    server: Server, endpoint: FakeEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    async def defect() -> bytes:
        raise RuntimeError("secret detail")

    endpoint.answers["Execute"] = defect
    cookies = await server.connect()
    response = await server.post("Execute", cookies=cookies)
    assert code(response) == 1
    assert "secret" not in await response.text()
    assert any(record.exc_info and "secret detail" in str(record.exc_info[1]) for record in caplog.records)
    del endpoint.answers["Execute"]
    assert code(await server.post("Execute", cookies=cookies_of(response))) == 0


@pytest.mark.spec("MS-OXCMAPIHTTP_R149")
@pytest.mark.parametrize("missing", ["MapiContext", "MapiSequence"])
async def test_a_missing_cookie(server: Server, missing: str) -> None:
    cookies = await server.connect()
    del cookies[missing]
    assert code(await server.post("Execute", cookies=cookies)) == 13


@pytest.mark.spec("MS-OXCMAPIHTTP_R142")
@pytest.mark.parametrize("value", ["", "x", "g" * 48, "A" * 48, "0" * 47, "0" * 49])
@pytest.mark.parametrize("request_type", ["Execute", "PING", "NotificationWait", "Disconnect"])
async def test_a_malformed_context_cookie(server: Server, value: str, request_type: str) -> None:
    cookies = {**await server.connect(), "MapiContext": value}
    assert code(await server.post(request_type, cookies=cookies)) == 6


@pytest.mark.spec("MS-OXCMAPIHTTP_R146")
@pytest.mark.parametrize("request_type", ["Execute", "PING", "NotificationWait", "Disconnect"])
async def test_an_unknown_context(server: Server, request_type: str) -> None:
    cookies = {"MapiContext": "0" * 48, "MapiSequence": "0"}
    assert code(await server.post(request_type, cookies=cookies)) == 10


@pytest.mark.spec("MS-OXCMAPIHTTP_R1225")
@pytest.mark.parametrize("request_type", ["Execute", "PING", "NotificationWait", "Disconnect"])
async def test_a_context_of_another_user_is_not_found(server: Server, request_type: str) -> None:
    cookies = await server.connect(user=1)
    response = await server.post(request_type, cookies=cookies, user=2)
    assert code(response) == 10
    assert cookies_of(response) == {}
    assert code(await server.post("Execute", cookies=cookies, user=1)) == 0


async def test_connect_with_the_cookie_of_another_user_does_no_harm(server: Server, endpoint: FakeEndpoint) -> None:
    cookies = await server.connect(user=1)
    await server.connect(cookies, user=2)
    assert endpoint.sessions[0].closed == []
    assert code(await server.post("Execute", cookies=cookies, user=1)) == 0


async def test_address_book_requests_outlive_their_context(server: Server) -> None:
    for cookies in (None, {"MapiContext": "0" * 48, "MapiSequence": "0"}):
        response = await server.post("DNToMId", b"", cookies)
        assert code(response) == 0
        assert await payload(response) == b"stateless"
        assert code(await server.post("DNToMId", b"malformed", cookies)) == 12


async def test_address_book_requests_in_a_context_keep_its_sequence(server: Server) -> None:
    cookies = await server.connect()
    assert code(await server.post("DNToMId", b"", {**cookies, "MapiSequence": "wrong"})) == 15
    assert await payload(await server.post("DNToMId", b"x", cookies)) == b"ok x"


# Sequence


@pytest.mark.spec("MS-OXCMAPIHTTP_R151")
async def test_a_wrong_sequence(server: Server) -> None:
    cookies = await server.connect()
    after = cookies_of(await server.post("Execute", cookies=cookies))
    response = await server.post("Execute", cookies=cookies)
    assert code(response) == 15
    assert cookies_of(response) == after
    assert code(await server.post("Execute", cookies=after)) == 0


@pytest.mark.spec("MS-OXCMAPIHTTP_R1227")
@pytest.mark.spec("MS-OXCMAPIHTTP_R1228")
async def test_two_executes_at_once(server: Server, endpoint: FakeEndpoint) -> None:
    proceed = asyncio.Event()

    async def slow() -> bytes:
        await proceed.wait()
        return b"slow"

    endpoint.answers["Execute"] = slow
    cookies = await server.connect()
    first = asyncio.create_task(server.post("Execute", cookies=cookies))
    while not next(iter(server.transport.contexts)).running:
        await asyncio.sleep(0.001)
    second = await server.post("Execute", cookies=cookies)
    assert code(second) == 15
    # even with the sequence cookie that the headers of the unfinished answer have brought
    assert code(await server.post("Execute", cookies=cookies_of(second))) == 15
    assert code(await server.post("Disconnect", cookies=cookies_of(second))) == 15
    proceed.set()
    response = await first
    assert await payload(response) == b"slow"
    assert code(await server.post("Execute", cookies=cookies_of(response))) == 0


# Chunks


@pytest.mark.spec("MS-OXCMAPIHTTP_R1238")
@pytest.mark.spec("MS-OXCMAPIHTTP_R1241")
@pytest.mark.spec("MS-OXCMAPIHTTP_R1244")
async def test_a_slow_answer_is_announced_and_kept_alive(server: Server, endpoint: FakeEndpoint) -> None:
    async def slow() -> bytes:
        await asyncio.sleep(0.18)
        return b"slow"

    endpoint.answers["Execute"] = slow
    response = await server.post("Execute", cookies=await server.connect())
    body = split_response(await response.read())
    assert response.headers["Server"] == "mapigw"
    assert body.meta_tags[0] == "PROCESSING"
    assert body.meta_tags.count("PENDING") in (2, 3)
    assert body.meta_tags[-1] == "DONE"
    assert int(body.headers["X-ElapsedTime"]) >= 150
    assert body.payload == b"slow"


async def test_a_slow_connect_still_brings_its_cookies(server: Server) -> None:
    response = await server.post("Connect", b"slow")
    assert code(response) == 0
    assert set(cookies_of(response)) == {"MapiContext", "MapiSequence"}
    assert code(await server.post("Execute", cookies=cookies_of(response))) == 0


@pytest.mark.spec("MS-OXCMAPIHTTP_R2229")
@pytest.mark.spec("MS-OXCMAPIHTTP_R2230")
async def test_a_late_failure_has_its_code_behind_done(server: Server, endpoint: FakeEndpoint) -> None:
    async def slow() -> bytes:
        await asyncio.sleep(0.06)
        raise WireError("no")

    endpoint.answers["Execute"] = slow
    response = await server.post("Execute", cookies=await server.connect())
    assert code(response) == 0
    body = split_response(await response.read())
    assert body.headers["X-ResponseCode"] == "12"
    assert body.headers["Content-Type"] == "text/html"
    assert b"invalid" in body.payload


# NotificationWait


@pytest.mark.spec("MS-OXCMAPIHTTP_R1170")
async def test_a_notification_wait_runs_beside_executes(server: Server, endpoint: FakeEndpoint) -> None:
    event = asyncio.Event()

    async def wait() -> bytes:
        await event.wait()
        return b"event"

    endpoint.answers["NotificationWait"] = wait
    cookies = await server.connect()
    waiting = asyncio.create_task(server.post("NotificationWait", cookies=cookies))
    await asyncio.sleep(0.06)
    for _ in range(3):
        response = await server.post("Execute", cookies=cookies)
        assert code(response) == 0
        cookies = cookies_of(response)
    assert not waiting.done()
    event.set()
    response = await waiting
    body = split_response(await response.read())
    assert body.meta_tags[:2] == ("PROCESSING", "PENDING")
    assert body.payload == b"event"


async def test_a_notification_wait_never_brings_a_sequence_cookie(server: Server) -> None:
    cookies = await server.connect()
    response = await server.post("NotificationWait", cookies=cookies)
    assert cookies_of(response) == {"MapiContext": cookies["MapiContext"]}
    assert code(await server.post("Execute", cookies=cookies)) == 0


@pytest.mark.spec("MS-OXCMAPIHTTP_R1260")
async def test_a_context_lives_while_a_notification_wait_runs(
    server: Server, endpoint: FakeEndpoint, clock: Clock
) -> None:
    event = asyncio.Event()

    async def wait() -> bytes:
        await event.wait()
        return b"event"

    endpoint.answers["NotificationWait"] = wait
    cookies = await server.connect()
    waiting = asyncio.create_task(server.post("NotificationWait", cookies=cookies))
    await asyncio.sleep(0.03)
    clock.now += 2 * EXPIRATION
    server.transport.contexts.sweep()
    event.set()
    await waiting
    clock.now += EXPIRATION - 1
    server.transport.contexts.sweep()
    assert code(await server.post("Execute", cookies=cookies)) == 0


async def test_a_client_that_has_gone_away_ends_its_notification_wait(
    server: Server, endpoint: FakeEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    async def wait() -> bytes:
        await asyncio.sleep(300)
        return b"never"

    endpoint.answers["NotificationWait"] = wait
    cookies = await server.connect()
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()
    head = HEAD.replace(b"Connect\r\n", b"NotificationWait\r\nX-RequestId: 1\r\n")
    reader, writer = await asyncio.open_connection(server.client.host, server.client.port)
    writer.write(head + b"Cookie: " + cookie + b"\r\nContent-Length: 0\r\n\r\n")
    await reader.readuntil(b"PROCESSING")
    (context,) = server.transport.contexts
    assert len(context.running) == 1
    writer.close()
    async with asyncio.timeout(5):
        while context.running:
            await asyncio.sleep(0.01)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


# End of a context


@pytest.mark.spec("MS-OXCMAPIHTTP_R2233")
@pytest.mark.spec("MS-OXCMAPIHTTP_R1253")
@pytest.mark.spec("MS-OXCMAPIHTTP_R1255")
async def test_disconnect_ends_the_context(server: Server, endpoint: FakeEndpoint) -> None:
    cookies = await server.connect()
    response = await server.post("Disconnect", b"", cookies)
    assert code(response) == 0
    assert await payload(response) == b"ok "
    after = cookies_of(response)
    assert after["MapiContext"] == cookies["MapiContext"]
    await asyncio.sleep(0)
    assert endpoint.sessions[0].closed == [False]
    assert code(await server.post("Execute", cookies=after)) == 10
    assert code(await server.post("Disconnect", cookies=after)) == 10


@pytest.mark.spec("MS-OXCMAPIHTTP_R1285")
@pytest.mark.spec("MS-OXCMAPIHTTP_R1283")
async def test_a_context_expires(server: Server, endpoint: FakeEndpoint, clock: Clock) -> None:
    cookies = await server.connect()
    clock.now += EXPIRATION
    assert code(await server.post("Execute", cookies=cookies)) == 10
    await asyncio.sleep(0)
    assert endpoint.sessions[0].closed == [False]


@pytest.mark.spec("MS-OXCMAPIHTTP_R1277")
@pytest.mark.spec("MS-OXCMAPIHTTP_R1278")
@pytest.mark.spec("MS-OXCMAPIHTTP_R1279")
async def test_a_reconnect_replaces_the_context(server: Server, endpoint: FakeEndpoint) -> None:
    old = await server.connect()
    new = await server.connect({**old, "MapiSequence": "long ago"})
    assert new["MapiContext"] != old["MapiContext"]
    await asyncio.sleep(0)
    assert endpoint.sessions[0].closed == [False]
    assert code(await server.post("Execute", cookies=old)) == 10
    assert code(await server.post("Execute", cookies=new)) == 0
    assert len(server.transport.contexts) == 1


async def test_a_reconnect_with_expired_cookies_makes_a_context(server: Server, clock: Clock) -> None:
    old = await server.connect()
    clock.now += EXPIRATION
    new = await server.connect(old)
    assert code(await server.post("Execute", cookies=new)) == 0


async def test_a_reconnect_during_an_execute_lets_it_end_first(server: Server, endpoint: FakeEndpoint) -> None:
    proceed = asyncio.Event()

    async def slow() -> bytes:
        await proceed.wait()
        return b"slow"

    endpoint.answers["Execute"] = slow
    old = await server.connect()
    running = asyncio.create_task(server.post("Execute", cookies=old))
    while not next(iter(server.transport.contexts)).running:
        await asyncio.sleep(0.001)
    await server.connect(old)
    assert endpoint.sessions[0].closed == []
    proceed.set()
    assert await payload(await running) == b"slow"
    await asyncio.sleep(0)
    assert endpoint.sessions[0].closed == [False]


async def test_one_context_too_many_ends_the_one_that_was_idle_longest(server: Server, clock: Clock) -> None:
    contexts = []
    for _ in range(3):
        clock.now += 1
        contexts.append(await server.connect())
    clock.now += 1
    contexts[0] = cookies_of(await server.post("Execute", cookies=contexts[0]))
    other = await server.connect(user=2)
    contexts.append(await server.connect())
    codes = [code(await server.post("Execute", cookies=cookies)) for cookies in contexts]
    assert codes == [0, 10, 0, 0]
    assert code(await server.post("Execute", cookies=other, user=2)) == 0


async def test_beyond_the_limit_of_all_sessions_a_client_is_refused(
    server: Server, endpoint: FakeEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """With the body of a failed Connect (MS-OXCMAPIHTTP 2.2.4.1.3); who was there first stays."""
    first = [await server.connect() for _ in range(3)]
    other = await server.connect(user=2)
    refused = await server.post("Connect", user=2)
    assert code(refused) == 0
    assert await payload(refused) == bytes.fromhex("12010480 00000000")
    assert "Set-Cookie" not in refused.headers
    assert [session.closed for session in endpoint.sessions] == [[]] * 4 + [[False]]
    assert "user2@bm.lan is refused a session: there are 4, which is the limit" in caplog.text
    # One that comes back takes its own place, and so does one more of a user who has all that one may have.
    assert code(await server.post("PING", cookies=await server.connect(other, user=2), user=2)) == 0
    await server.connect()
    assert "user1@bm.lan has 3 sessions, which is the limit: the oldest is ended" in caplog.text
    assert code(await server.post("PING", cookies=first[0])) == 10
    assert code(await server.post("PING", cookies=first[1])) == 0
    assert len(server.transport.contexts) == 4
    assert server.transport.contexts.refused == 1


@pytest.mark.spec("MS-OXCMAPIHTTP_R154")
async def test_shutting_down(server: Server, endpoint: FakeEndpoint) -> None:
    proceed = asyncio.Event()

    async def slow() -> bytes:
        await proceed.wait()
        return b"slow"

    async def wait() -> bytes:
        await asyncio.sleep(300)
        return b"never"

    endpoint.answers = {"Execute": slow, "NotificationWait": wait}
    cookies = await server.connect()
    waiting = asyncio.create_task(server.post("NotificationWait", cookies=cookies))
    running = asyncio.create_task(server.post("Execute", cookies=cookies))
    while len(next(iter(server.transport.contexts)).running) < 2:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    stopping = asyncio.create_task(server.transport.shutdown())
    response = split_response(await (await waiting).read())
    assert response.headers["X-ResponseCode"] == "18"
    refused = await server.post("Execute", cookies=cookies)
    assert code(refused) == 18
    assert code(await server.post("Connect")) == 18
    assert code(await server.post("PING")) == 18
    proceed.set()
    assert await payload(await running) == b"slow"
    await stopping
    assert endpoint.sessions[0].closed == [True]


# Captures


async def test_one_users_exchanges_are_captured_without_secrets(server: Server, capture: CaptureWriter) -> None:
    cookies = await server.connect()
    await server.connect(user=2)
    await server.post("Execute", b"\x00body", cookies)
    await server.post("Execute", b"", {"MapiContext": "0" * 48})
    await server.transport.shutdown()
    connect, execute, refused = list(read_capture(capture.path))
    assert (connect.user, connect.request_type, connect.response_code) == ("user1@bm.lan", "Connect", 0)
    assert split_response(connect.response_body).payload == b"connected"
    assert execute.request_body == b"\x00body"
    assert split_response(execute.response_body).payload == b"ok \x00body"
    assert execute.context == connect.context != ""
    assert execute.path == "/mapi/emsmdb"
    assert execute.request_headers["X-RequestType"] == "Execute"
    assert execute.response_headers["X-ResponseCode"] == "0"
    assert (refused.response_code, refused.context) == (10, "")
    text = capture.path.read_text()
    assert cookies["MapiContext"] not in text
    assert "Authorization" not in text
    assert "Set-Cookie" not in text


def test_a_damaged_capture_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    path.write_text('{"time": "now"}\n')
    with pytest.raises(ValueError, match=r"capture\.jsonl, line 1"):
        list(read_capture(path))
