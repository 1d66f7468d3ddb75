"""A server that is killed: nothing that was acknowledged is lost, and nothing is in a mailbox twice."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from mapigw.mail.queue import SECOND, Schedule
from mapigw.store.database import Database
from tests.mail.sending import MAIL, lmtp_client, site
from tests.mail.test_submission import logged_on, smtp, submit, written

SERVER = """
import asyncio, sys
from pathlib import Path
from mapigw.mail.queue import SECOND, Schedule
from tests.mail.sending import site

async def main():
    async with site(Path(sys.argv[1]), schedule=Schedule(first=SECOND // 100)) as here:
        if sys.argv[2] == "lmtp":
            async with here.lmtp.listening(("127.0.0.1", 0)) as where:
                print(where, flush=True)
                await asyncio.Event().wait()
        else:
            await here.transport.queue.run()

asyncio.run(main())
"""
USERS = ("tom@bm.lan", "eva@bm.lan", "max@bm.lan")
CONNECTIONS = 6


def started(data: Path, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", SERVER, str(data), what], stdout=subprocess.PIPE, text=True)


def killed(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


async def integrity(database: Database) -> None:
    async with database.read() as connection:
        assert (await connection.exec_driver_sql("PRAGMA integrity_check")).scalar() == "ok"


@pytest.mark.parametrize("seed", range(3))
async def test_every_acknowledged_delivery_is_there_exactly_once(tmp_path: Path, seed: int) -> None:
    async with site(tmp_path) as here:
        for address in USERS:
            await here.add(address)
    process = started(tmp_path, "lmtp")
    assert process.stdout is not None
    where = (await asyncio.to_thread(process.stdout.readline)).strip()
    acknowledged: list[tuple[str, str]] = []
    padding = b"word " * 4000 + b"\r\n"  # so that there are blobs

    async def session(number: int) -> None:
        async with lmtp_client(where) as client:
            for place in range(1000):
                subject = f"{number}-{place}"
                addresses = USERS[: 1 + place % 3]
                content = MAIL.replace(b"Hello", subject.encode()) + subject.encode() + padding
                for address, reply in zip(addresses, await client.send(content, *addresses), strict=True):
                    if reply.startswith("250"):
                        acknowledged.append((address, subject))

    async def storm() -> None:
        await asyncio.gather(*(session(number) for number in range(CONNECTIONS)), return_exceptions=True)

    storming = asyncio.create_task(storm())
    while len(acknowledged) < 10:
        await asyncio.sleep(0.005)
    threading.Timer(random.Random(seed).uniform(0.0, 0.5), os.kill, (process.pid, signal.SIGKILL)).start()
    await storming
    killed(process) if process.poll() is None else process.stdout.close()
    async with site(tmp_path) as here:
        for address in USERS:
            rows = await here.rows(address)
            found = Counter(row.subject for row in rows)
            assert set(found.values()) <= {1}
            assert {subject for to, subject in acknowledged if to == address} <= found.keys()
            mailbox = await here.mailbox(address)
            inbox = await mailbox.special_folder("inbox")
            assert inbox.content_count == len(rows)
        await integrity(here.database)


@pytest.mark.parametrize("seed", range(3))
async def test_what_was_submitted_arrives_once_here_and_at_least_once_elsewhere(tmp_path: Path, seed: int) -> None:
    count = 25
    async with site(tmp_path, with_relay=False) as here:
        for address in USERS:
            await here.add(address)
        async with logged_on(here) as client:
            for number in range(count):
                values = {0x0037001F: f"s{number}"}
                to = [smtp("eva@bm.lan"), smtp("max@bm.lan"), smtp(f"a{number}@x.example")]
                await submit(client, await written(here, client, to, values))
    delays = random.Random(seed)
    for _ in range(4):
        process = started(tmp_path, "queue")
        await asyncio.sleep(delays.uniform(0.6, 1.4))
        killed(process)
    async with site(tmp_path, schedule=Schedule(first=SECOND // 100)) as here:
        async with here.working():
            await here.settled(60)
        expected = {f"s{number}": 1 for number in range(count)}
        for address in USERS[1:]:
            assert Counter(row.subject for row in await here.rows(address)) == expected
        sent = await here.rows("tom@bm.lan", "sent_items")
        assert Counter(row.subject for row in sent) == expected
        assert await here.rows("tom@bm.lan", "outbox") == []
        assert await here.rows("tom@bm.lan") == []
        async with here.database.read() as connection:
            assert (await connection.exec_driver_sql("SELECT count(*) FROM blob WHERE mailbox_id = 0")).scalar() == 0
        await integrity(here.database)
