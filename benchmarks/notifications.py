"""Sessions that wait, and how long it takes from a change to the bytes of their answers; what they cost the server."""

import asyncio
import resource
import socket
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from urllib.parse import urlsplit

from rich.table import Table

from benchmarks.client import request_head
from mapigw.directory.directory import Directory
from mapigw.store.database import Database
from tests.outlook import rops
from tests.outlook.emsmdb import Session
from tests.outlook.profile import Profile
from tests.outlook.server import Server

SESSIONS_OF_A_USER = 5
CHANGES_A_SECOND = 50
WORKERS = 8
FOLDER_MODIFIED = 0x0010
COMMENT = 0x3004001F


class _Waiter:
    """A session with a subscription to the whole store, and a connection on which it waits."""

    def __init__(self, session: Session, head: bytes, url: str) -> None:
        parts = urlsplit(url)
        self._session = session
        self._head = head
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(30)

    def arm(self) -> None:
        """Send a NotificationWait; it has begun when this returns."""
        cookies = "; ".join(f"{name}={value}" for name, value in self._session.http.cookies.items()).encode()
        self._socket.sendall(self._head + b"Cookie: " + cookies + b"\r\nContent-Length: 8\r\n\r\n" + bytes(8))
        self._read_until(b"PROCESSING\r\n")

    def answered(self) -> float:
        """When the answer came."""
        data = self._read_until(b"0\r\n\r\n")
        moment = time.perf_counter()
        if b"DONE\r\n" not in data or bytes.fromhex("0000000000000000 01000000") not in data:
            raise RuntimeError(f"NotificationWait: {data!r}")
        return moment

    def fetch(self) -> None:
        if self._session.execute([rops.release(1)], [rops.NO_HANDLE, rops.NO_HANDLE]).notifications != 1:
            raise RuntimeError("not one notification")

    def close(self) -> None:
        self._socket.close()
        self._session.disconnect()

    def _read_until(self, end: bytes) -> bytes:
        data = b""
        while end not in data:
            more = self._socket.recv(4096)
            if not more:
                raise RuntimeError(f"the connection was closed after {data!r}")
            data += more
        return data


@dataclass
class _User:
    """A mailbox: its waiting sessions, and one that changes it."""

    waiters: list[_Waiter]
    writer: Session
    logon: int
    inbox: int
    number: int = 0

    def change(self) -> list[tuple[float, float]]:
        """(seconds after the change was answered, seconds after it was sent) of each answer."""
        self.number += 1
        sent = time.perf_counter()
        self.writer.run([rops.set_properties(1, {COMMENT: str(self.number)})], [self.logon, self.inbox])
        done = time.perf_counter()
        found = []
        for waiter in self.waiters:
            moment = waiter.answered()
            found.append((max(0.0, moment - done), moment - sent))
        for waiter in self.waiters:
            waiter.fetch()
            waiter.arm()
        return found


def measure_notifications(sessions: int, changes: int) -> Table:
    """``sessions`` that wait, five on each mailbox, and ``changes`` at 50 a second."""
    _allow_files(4 * sessions + 256)
    table = Table("notifications", "median ms", "99 % ms", "kB each", title="From a change to the waiting response")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        count = max(1, sessions // SESSIONS_OF_A_USER)
        addresses = [f"waiting{number}@bm.lan" for number in range(count)]
        asyncio.run(_add_users(data, addresses))
        with Server(data, tls=False) as server:
            users = [_log_on(server, addresses[0])]
            before = server.resident_bytes()
            users += [_log_on(server, address) for address in addresses[1:]]
            each = (server.resident_bytes() - before) / max(1, (len(users) - 1) * (SESSIONS_OF_A_USER + 1))
            found = _spread(users, changes)
            for user in users:
                user.writer.disconnect()
                for waiter in user.waiters:
                    waiter.close()
    total = sum(len(user.waiters) for user in users)
    name = f"{total} sessions on {len(users)} mailboxes, {changes} changes"
    wanted = "after the change was answered (wanted: under 5 and 20)"
    table.add_row(f"{name}: {wanted}", *_figures([first for first, _ in found]), f"{each / 1e3:.0f}")
    table.add_row("after it was sent: with its commit", *_figures([second for _, second in found]), "")
    return table


def _figures(seconds: Sequence[float]) -> tuple[str, str]:
    return f"{median(seconds) * 1e3:.2f}", f"{quantiles(seconds, n=100)[98] * 1e3:.2f}"


def _spread(users: Sequence[_User], changes: int) -> list[tuple[float, float]]:
    """The changes at their rate, as far as the machine allows; no two at once on a mailbox."""
    free = list(users)
    found: list[tuple[float, float]] = []
    started = time.perf_counter()

    def one(user: _User) -> list[tuple[float, float]]:
        try:
            return user.change()
        finally:
            free.append(user)

    with ThreadPoolExecutor(WORKERS) as pool:
        running = []
        for number in range(changes):
            time.sleep(max(0.0, started + number / CHANGES_A_SECOND - time.perf_counter()))
            while not free:
                time.sleep(0.001)
            running.append(pool.submit(one, free.pop(0)))
        for future in running:
            found += future.result()
    return found


async def _add_users(data: Path, addresses: Sequence[str]) -> None:
    database = await Database.open(data)
    directory = Directory(database)
    for address in addresses:
        await directory.add(address, "secret")
    await database.close()


def _log_on(server: Server, address: str) -> _User:
    profile = Profile(server.web(address))
    profile.find()
    writer, logon = profile.log_on()
    inbox = writer.open(rops.open_folder(0, 1, profile.special("Inbox")), [logon, rops.NO_HANDLE])
    waiters = []
    for _ in range(SESSIONS_OF_A_USER):
        own = Profile(server.web(address), account=profile.account)
        session, handle = own.log_on()
        session.open(rops.register_notification(0, 1, FOLDER_MODIFIED), [handle, rops.NO_HANDLE])
        assert own.account is not None
        head = request_head(own.web, own.account.mail_store_url, "NotificationWait")
        waiter = _Waiter(session, head, server.url)
        waiter.arm()
        waiters.append(waiter)
    return _User(waiters, writer, logon, inbox)


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))
