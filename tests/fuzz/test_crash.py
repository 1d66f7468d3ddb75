"""A server killed at any instant of random ROPs leaves a store as it must be, with all that was acknowledged."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mapigw.mailbox.mailboxes import Mailboxes
from mapigw.mailbox.search_folders import resume
from mapigw.store.database import Database
from tests.fuzz.rop_store import problems_of

LINES = 30
"""Buffers before the kill, at least."""


@pytest.mark.parametrize("seed", range(2))
async def test_kill_9_in_the_middle_of_random_rops(tmp_path: Path, seed: int) -> None:
    command = [sys.executable, "-m", "tests.fuzz.rop_crash", str(tmp_path), str(seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    assert process.stdout is not None
    output = process.stdout
    lines = await asyncio.to_thread(lambda: [output.readline() for _ in range(LINES)])
    time.sleep(random.Random(seed).uniform(0.0, 0.5))
    os.kill(process.pid, signal.SIGKILL)
    lines += output.readlines()
    process.wait()
    output.close()
    counter, *ids = map(int, [line for line in lines if line.endswith("\n")][-1].split())
    database = await Database.open(tmp_path)
    mailbox = await Mailboxes(database).open(1)
    await resume(mailbox)
    now, problems = await problems_of(mailbox)
    assert problems == []
    assert now.next_counter >= counter
    if now.next_counter == counter:
        assert sorted(now.messages) == ids
    async with database.read() as connection:
        assert (await connection.exec_driver_sql("PRAGMA integrity_check")).scalar() == "ok"
    await database.close()
