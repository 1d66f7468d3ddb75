"""python -m tests.faults: clients that are told of changes, while connections are cut and the server is killed.

The server is a process of its own. Half of the changes are made through it, the others by this process on the same
store. A client subscribes, synchronizes, waits and fetches; its waits and requests are cut at random, it leaves without
a word or with one, and now and then the server is killed or stopped, and started again. What was changed while a client
was there must have been told when it fetches what is left; everything else must be in what it synchronizes next.
"""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import aiohttp

from mapigw.directory.directory import Directory
from mapigw.emsmdb.registry import load_handlers
from mapigw.emsmdb.session import Session
from mapigw.mailbox.mailboxes import Mailboxes
from mapigw.store.database import Database
from mapigw.wire import tags
from mapigw.wire.mapihttp import CONNECT_REQUEST, EXECUTE_REQUEST, EXECUTE_RESPONSE, split_response
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import Client, FakeDirectory
from tests.emsmdb.folders import delete_messages, move_copy, open_folder
from tests.emsmdb.messages import creation, opening, save, set_values
from tests.emsmdb.notifications import EVERYTHING, INBOX, MODIFIED, SENT, fetched, subscribe
from tests.emsmdb.replica import Replica
from tests.outlook.server import PROGRAM

FOLDERS = (INBOX, SENT)
LISTENERS, WRITERS = 4, 4
EVENT_PENDING = bytes.fromhex("00000000 00000000 01000000 00000000")
PATIENCE = 20.0
"""Seconds after which what has not been told is missing, however busy the machine is."""


class LostError(Exception):
    """The connection, the session or the server has gone."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was acknowledged: it is told where one of the messages is named after it began."""

    what: str
    message_id: int
    begun: float
    ended: float


@dataclass
class World:
    """The store, its server, and what was done to them."""

    data: Path
    changes: int
    chance: random.Random
    made: list[Change] = field(default_factory=list)
    restarts: int = 0
    sessions: int = 0
    synchronizations: int = 0
    cuts: int = 0
    overflows: int = 0
    told: int = 0
    """Notifications that were fetched, by all clients together."""
    demanded: int = 0
    """Changes that had to be among them."""
    delays: list[float] = field(default_factory=list)
    """Seconds that a client which asked for the rest had to ask for it."""

    async def run(self) -> None:
        load_handlers()
        database = await Database.open(self.data)
        self.user = await Directory(database).add("tom@bm.lan", "secret")
        self.mailboxes = Mailboxes(database)
        self.up = asyncio.Event()
        self.heard = asyncio.Event()
        self.finished = asyncio.Event()
        self._log = (self.data / "stderr").open("ab")
        root = await (await self.mailboxes.open(self.user.mailbox_id)).special_folder("root")
        self.root_id = root.folder_id
        self.replica_guid = (await self.mailboxes.open(self.user.mailbox_id)).replica_guid
        try:
            async with asyncio.TaskGroup() as group:
                server = group.create_task(self._serve())
                listeners = [group.create_task(Listener(self, number).run()) for number in range(LISTENERS)]
                writers = [group.create_task(Writer(self, number).run()) for number in range(WRITERS)]
                await asyncio.gather(*writers)
                self.finished.set()
                await asyncio.gather(*listeners)
                server.cancel()
        finally:
            self._log.close()
            await database.close()
        log = (self.data / "stderr").read_text()
        assert "Traceback" not in log, log[max(0, log.index("Traceback") - 500) :][:5000]

    async def _serve(self) -> None:
        """Run the server, and end it again and again while there are changes to be made."""
        wanted = 2 + self.changes // 500
        while True:
            process = await asyncio.create_subprocess_exec(
                PROGRAM, "serve", "--data", str(self.data), "--listen", "127.0.0.1:0", "--plain-http",
                stdout=asyncio.subprocess.PIPE, stderr=self._log,
            )  # fmt: skip
            try:
                assert process.stdout is not None
                self.url = (await process.stdout.readline()).decode().removeprefix("Listening on ").strip()
                self.up.set()
                after = len(self.made) + self.chance.randrange(1 + self.changes // (wanted + 1))
                while len(self.made) < after or self.restarts >= wanted or self.finished.is_set():
                    await asyncio.sleep(0.01)
                self.up.clear()
                self.heard.clear()
                process.send_signal(self.chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM)))
                await process.wait()
                self.restarts += 1
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


class Connection:
    """HTTP for one session context."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cookies: dict[str, str] = {}
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())

    async def post(self, request_type: str, body: bytes) -> bytes:
        """The payload of the answer. Raises `LostError`."""
        user = self.world.user
        headers = {
            "Authorization": "Basic " + b64encode(f"{user.address}:secret".encode()).decode(),
            "Content-Type": "application/mapi-http",
            "X-RequestType": request_type,
            "X-RequestId": "{E2EA6C1C-E61B-49E9-9CFB-38184F907552}:1",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        await self.world.up.wait()
        url = f"{self.world.url}/mapi/emsmdb/"
        try:
            async with self._http.post(url, data=body, headers=headers) as response:
                answer = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise LostError(str(error)) from error
        self.cookies |= {name: morsel.value for name, morsel in response.cookies.items()}
        if response.headers["X-ResponseCode"] != "0":
            raise LostError(f"X-ResponseCode {response.headers['X-ResponseCode']}")
        parts = split_response(answer)
        if parts.headers.get("X-ResponseCode", "0") != "0":
            raise LostError(f"X-ResponseCode {parts.headers['X-ResponseCode']}")
        return parts.payload

    async def close(self) -> None:
        await self._http.close()


class HttpClient(Client):
    """A client whose buffers travel to the server."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(cast("Session", SimpleNamespace(user=connection.world.user)))
        self.connection = connection

    async def connect(self) -> None:
        values = {
            "user_dn": self.session.user.legacy_dn.encode(),
            "flags": 0,
            "default_code_page": 1252,
            "lcid_sort": 1033,
            "lcid_string": 1033,
            "auxiliary_buffer": b"",
        }
        if (await self.connection.post("Connect", CONNECT_REQUEST.build(values)))[:8] != bytes(8):
            raise LostError("Connect fails")
        await self.log_on()

    async def execute(self, data: bytes, flags: int, max_rop_out: int) -> bytes:
        values = {"flags": flags, "rop_buffer": data, "max_rop_out": max_rop_out, "auxiliary_buffer": b""}
        answer = EXECUTE_RESPONSE.parse(await self.connection.post("Execute", EXECUTE_REQUEST.build(values)))
        buffer: bytes = answer.rop_buffer
        return buffer


class Writer:
    """Makes changes: those with even numbers through the server, the others in this process."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.is_elsewhere = bool(number % 2)
        self._messages: dict[int, int] = {}
        """The folders of those that it has made."""

    async def run(self) -> None:
        while len(self.world.made) < self.world.changes:
            connection = Connection(self.world)
            try:
                client = await self._client(connection)
                while len(self.world.made) < self.world.changes:
                    await self._change(client)
                    await client.send(*(client.request("Release", slot) for slot in range(1, len(client.handles))))
                    del client.handles[1:]
                    pauses = (0, 0, 0.002, 0.02) if self.world.heard.is_set() else (0.1, 0.3)
                    await asyncio.sleep(self.world.chance.choice(pauses))
            except LostError:
                pass
            finally:
                await connection.close()

    async def _client(self, connection: Connection) -> Client:
        if not self.is_elsewhere:
            client = HttpClient(connection)
            await client.connect()
            return client
        user = self.world.user
        elsewhere = Client(Session(user, cast("Directory", FakeDirectory(user)), self.world.mailboxes))
        await elsewhere.log_on()
        return elsewhere

    async def _change(self, client: Client) -> None:
        begun = time.monotonic()
        chance = self.world.chance
        what = chance.choices(("create", "modify", "move", "delete"), (6, 2, 1, 1))[0] if self._messages else "create"
        if what == "create":
            folder_id = chance.choice(FOLDERS)
            await client.value("CreateMessage", **creation(folder_id))
            assert await set_values(client, client.last, {tags.PidTagSubject: f"{begun}"}) == []
            message_id = await save(client, client.last)
            self._messages[message_id] = folder_id
        else:
            message_id = chance.choice(list(self._messages))
            folder_id = self._messages.pop(message_id)
            if what == "modify":
                await client.value("OpenMessage", **opening(folder_id, message_id))
                assert await set_values(client, client.last, {tags.PidTagSubject: f"{begun}"}) == []
                await save(client, client.last)
                self._messages[message_id] = folder_id
            else:
                source = await open_folder(client, folder_id)
                if what == "move":
                    other = await open_folder(client, FOLDERS[1 - FOLDERS.index(folder_id)])
                    assert not await move_copy(client, source, other, [message_id])
                else:
                    assert not await delete_messages(client, source, [message_id], hard=True)
        self.world.made.append(Change(what, message_id, begun, time.monotonic()))


class Listener:
    """A client in cached mode that wants to hear of everything."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.guid = UUID(int=number + 1)
        self.items: dict[int, dict[int, int]] = {folder_id: {} for folder_id in FOLDERS}
        """Change numbers of messages, by folder."""
        self._states: dict[int, dict[int, bytes]] = {}
        self._cookies: dict[str, str] = {}
        self._told: dict[int, float] = {}
        """When a message was last named in this session."""
        self._synchronized = 0.0
        """What was begun later must be told; of what was begun before and ended after, the download may have it."""

    async def run(self) -> None:
        while not self.world.finished.is_set():
            await self._session()
        connection = Connection(self.world)
        await self._same_as_a_new_client(connection)
        await connection.close()

    async def _session(self) -> None:
        world, chance = self.world, self.world.chance
        connection = Connection(world)
        waits = Connection(world)
        if chance.random() < 0.5:
            connection.cookies = self._cookies  # it takes the place of the one before
        try:
            client = HttpClient(connection)
            await client.connect()
            self._cookies = waits.cookies = connection.cookies
            await subscribe(client, EVERYTHING)
            self._told.clear()
            await self._synchronize(client)
            world.heard.set()
            world.sessions += 1
            for _ in range(chance.randrange(1, 25)):
                await self._wait(client, waits)
            match chance.choice(("rest", "rest", "disconnect", "cut", "vanish")):
                case "rest":
                    await self._fetch_the_rest(client)
                case "disconnect":
                    await connection.post("Disconnect", bytes(4))
                case "cut":
                    await self._cut(self._fetch(client))
        except LostError:
            pass
        finally:
            await connection.close()
            await waits.close()

    async def _wait(self, client: HttpClient, waits: Connection) -> None:
        chance = self.world.chance
        if chance.random() < 0.05:
            # It does not fetch for a while: in a long run for as long as its queue overflows.
            await asyncio.sleep(chance.choice((0.1, 1.0, 6.0 if self.world.changes >= 2000 else 0.3)))
        elif chance.random() < 0.3:
            await self._cut(waits.post("NotificationWait", bytes(8)))
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    if await waits.post("NotificationWait", bytes(8)) == EVENT_PENDING:
                        await self._fetch(client)

    async def _cut(self, request: Any) -> None:
        """Break the connection off in the middle of a request."""
        task = asyncio.create_task(request)
        await asyncio.sleep(self.world.chance.choice((0, 0.001, 0.003, 0.01, 0.03)))
        task.cancel()
        await asyncio.wait({task})
        self.world.cuts += task.cancelled()
        if not task.cancelled():
            task.exception()

    async def _fetch(self, client: HttpClient) -> None:
        found = await fetched(client)
        now = time.monotonic()
        self.world.told += len(found)
        for flags, fields in found:
            for name in ("message_id", "old_message_id"):
                if fields.get(name):
                    self._told[fields[name]] = now
            if flags == MODIFIED and fields["folder_id"] == self.world.root_id:
                self.world.overflows += 1
                await self._synchronize(client)

    async def _fetch_the_rest(self, client: HttpClient) -> None:
        """Whatever was acknowledged by now must be told: at once or, made elsewhere, within a second."""
        asked = time.monotonic()
        made = self.world.made.copy()
        wanted = [change for change in made if change.begun > self._synchronized]
        missing = wanted
        while missing:
            await self._fetch(client)
            missing = [
                change
                for change in missing
                if change.begun > max(self._told.get(change.message_id, 0), self._synchronized)
            ]
            assert time.monotonic() - asked < PATIENCE, f"not told: {missing}"
        self.world.delays.append(time.monotonic() - asked)
        self.world.demanded += len(wanted)

    async def _synchronize(self, client: HttpClient) -> None:
        began = time.monotonic()
        replica = Replica(client, self.guid, self.world.replica_guid)
        replica.states = {folder_id: dict(state) for folder_id, state in self._states.items()}
        items = {folder_id: dict(known) for folder_id, known in self.items.items()}
        for folder_id in FOLDERS:
            delta = await replica.download(folder_id)
            for change in delta.changes:
                message_id = ObjectId.from_integer(change.values[tags.PidTagMid]).counter
                items[folder_id][message_id] = change.values[tags.PidTagChangeNumber]
            for message_id in (*delta.deleted, *delta.out_of_scope):
                items[folder_id].pop(message_id, None)
            del client.handles[1:]
        # Only now it is written down: a client that is cut off in the middle begins again where it was.
        self._states, self.items, self._synchronized = replica.states, items, began
        self.world.synchronizations += 1

    async def _same_as_a_new_client(self, connection: Connection) -> None:
        client = HttpClient(connection)
        await client.connect()
        await self._synchronize(client)
        kept, self.items = self.items, {folder_id: {} for folder_id in FOLDERS}
        self._states = {}
        await self._synchronize(client)
        assert kept == self.items


def run(data: Path, changes: int, seed: int) -> World:
    world = World(data, changes, random.Random(seed))
    asyncio.run(world.run())
    return world


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--changes", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write(f"seed {arguments.seed}\n")
        started = time.monotonic()
        world = run(Path(folder) / "data", arguments.changes, arguments.seed)
    sys.stdout.write(
        f"{len(world.made)} changes in {time.monotonic() - started:.0f} s, {world.restarts} restarts of the server; "
        f"{LISTENERS} clients: {world.sessions} sessions, {world.cuts} requests cut, {world.synchronizations} "
        f"synchronizations, {world.overflows} overflows, {world.told} notifications; {world.demanded} times a "
        f"change had to be told and was, at most {max(world.delays, default=0):.2f} s after it was asked for; "
        "all clients have what a new one gets\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
