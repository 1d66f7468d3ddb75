"""However a session ends, nothing of it stays in memory: its handles, its tables, what it listens to."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer, TestClient

from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.emsmdb.endpoint import EmsmdbEndpoint, EmsmdbSession
from mapigw.mailbox.mailboxes import Mailboxes
from mapigw.mailbox.provision import create_mailbox
from mapigw.server.contexts import EXPIRATION, SessionContext, SessionContexts
from mapigw.server.mapihttp import MapiHttp
from mapigw.server.request_keys import USER
from mapigw.store.database import Database
from mapigw.wire import tags
from tests.emsmdb.client import Client, FakeDirectory
from tests.emsmdb.folders import oid, open_folder
from tests.emsmdb.notifications import INBOX, subscribe
from tests.emsmdb.searches import append
from tests.server.test_gateway import connect_body
from tests.server.test_mapihttp import Clock, code, cookies_of

WAIT = bytes(8)
OPENED = {"Logon", "Folder", "ContentsTable", "HierarchyTable", "Subscription", "Message", "Stream"}


class World:
    """The mailbox endpoint behind its transport, and a client of it."""

    def __init__(self, mailboxes: Mailboxes, user: User) -> None:
        self.mailboxes = mailboxes
        self.user = user
        self.clock = Clock()
        self.contexts = SessionContexts(clock=self.clock, maximum_per_user=2)
        endpoint = EmsmdbEndpoint(cast("Directory", FakeDirectory(user)), mailboxes)
        self.transport = MapiHttp("/mapi/emsmdb", endpoint, contexts=self.contexts)
        self.client: TestClient[web.BaseRequest, None]
        self.cookies: dict[str, str] = {}
        self.waiting: asyncio.Task[int] | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        request[USER] = self.user
        return await self.transport.handle(request)

    async def post(self, request_type: str, body: bytes, cookies: dict[str, str] | None = None) -> int:
        """The X-ResponseCode."""
        headers = {
            "Content-Type": "application/mapi-http",
            "X-RequestType": request_type,
            "X-RequestId": "{E2EA6C1C-E61B-49E9-9CFB-38184F907552}:1",
        }
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        response = await self.client.post("/mapi/emsmdb", data=body, headers=headers)
        await response.read()
        self.cookies |= cookies_of(response)
        return code(response)

    async def connect(self, cookies: dict[str, str] | None = None) -> SessionContext:
        before = set(self.contexts)
        assert await self.post("Connect", connect_body(self.user.legacy_dn), cookies) == 0
        (context,) = set(self.contexts) - before
        return context


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = await Database.open(tmp_path)
    mailboxes = Mailboxes(database)
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, UUID(int=7))
    user = User(1, mailbox_id, UUID(int=7), "tom@bm.lan", "Tom", "/o=bm/cn=tom", "bm.lan", (), True, False)
    world = World(mailboxes, user)
    await append(await mailboxes.open(mailbox_id), INBOX, "first", "second")
    server = RawTestServer(world.handle)
    await server.start_server()
    async with TestClient[web.BaseRequest, None](server) as client:
        world.client = client
        yield world
        await world.transport.shutdown()
        if world.waiting is not None:
            world.waiting.cancel()
    await database.close()


async def opened(world: World) -> list[weakref.ref[object]]:
    """A session with one of everything open, things to be told, and a request that waits: what it is made of."""
    context = await world.connect()
    session = cast("EmsmdbSession", context.session).session
    client = Client(session)
    await client.log_on()
    folder = await open_folder(client, INBOX)
    for name in ("GetContentsTable", "GetHierarchyTable"):
        await client.value(name, folder, table_flags=0)
        await client.value("SetColumns", client.last, set_columns_flags=0, property_tags=[tags.PidTagMid])
        if name == "GetContentsTable":
            columns = [tags.PidTagMid]
            rows = {"query_rows_flags": 0, "forward_read": 1, "row_count": 50}
            assert (await client.value("QueryRows", client.last, columns, **rows)).row_count == 2
    (message_id, _) = await append(await world.mailboxes.open(world.user.mailbox_id), INBOX, "third", "fourth")
    await client.value(
        "OpenMessage", folder_id=oid(INBOX), message_id=oid(message_id), code_page_id=0xFFF, open_mode_flags=0
    )
    await client.value("OpenStream", client.last, property_tag=tags.PidTagSubject, open_mode_flags=0)
    await subscribe(client)
    world.waiting = asyncio.create_task(world.post("NotificationWait", WAIT, world.cookies))
    await asyncio.sleep(0.03)
    objects = list(session._objects.values())
    assert {type(item).__name__ for item in objects} >= OPENED
    assert world.mailboxes.hub.is_heard(world.user.mailbox_id)
    return [weakref.ref(item) for item in (context, context.session, session, session.notices, *objects)]


async def disconnect(world: World) -> None:
    assert await world.post("Disconnect", bytes(4), world.cookies) == 0


async def expire(world: World) -> None:
    """After its connection was lost."""
    await cut(world)
    world.clock.now += EXPIRATION - 1
    world.contexts.sweep()
    assert len(world.contexts) == 1
    world.clock.now += 1
    world.contexts.sweep()


async def cut(world: World) -> None:
    assert world.waiting is not None
    world.waiting.cancel()
    (context,) = world.contexts
    for task in list(context.running):
        task.cancel()
        await asyncio.wait({task})


async def connect_again(world: World) -> None:
    await world.connect(world.cookies)


async def connect_too_often(world: World) -> None:
    """One more than a user may have; the session that waits is not the one to go while another is idle."""
    await cut(world)
    for _ in range(2):
        world.clock.now += 1
        await world.connect()


async def kill(world: World) -> None:
    (context,) = world.contexts
    world.contexts.destroy(context)


async def shut_down(world: World) -> None:
    await world.transport.shutdown()


ENDS = (disconnect, expire, connect_again, connect_too_often, kill, shut_down)


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
async def test_nothing_stays(world: World, end: Callable[[World], Awaitable[None]]) -> None:
    found = await opened(world)
    await end(world)
    if world.waiting is not None and not world.waiting.cancelled() and end not in (expire, connect_too_often):
        assert await world.waiting == 0
    world.waiting = None
    async with asyncio.timeout(5):
        while world.mailboxes.hub.is_heard(world.user.mailbox_id):
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    gc.collect()
    left = [item for item in (reference() for reference in found) if item is not None]
    assert left == []
    assert world.transport.statistics.waiting == 0
