"""The queue of outgoing mail: what is due is done, and done again after a crash.

An entry is worked on by one task at a time, a `Step` after the other; each step leaves the entry as it was or done.
The queue sleeps until something is put into it or the next entry is due; what is due when the server starts is taken
up then. Local deliveries are marked in their own transactions, and so never happen twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from mapigw.mail.submission import drop
from mapigw.mailbox.clock import now
from mapigw.store import queue
from mapigw.store.database import Database
from mapigw.store.queue import OutgoingRow, Step

TASKS: Final = 16
"""Entries that are worked on at a time."""
SECOND: Final = 10_000_000
HOUR: Final = 3600 * SECOND
PATIENCE: Final = 10.0
"""Seconds that steps under way have when the server stops."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When what could not be done is tried again, in units of 100 ns."""

    first: int = 60 * SECOND
    longest: int = HOUR
    warn_after: int = 4 * HOUR
    """The sender is told that it takes long."""
    bounce_after: int = 48 * HOUR
    """It is given up."""

    def pause(self, attempts: int) -> int:
        """How long to wait after so many attempts: each time twice as long."""
        return int(min(self.first << min(attempts, 40), self.longest))


Work = Callable[[OutgoingRow], Awaitable[None]]
"""Does the step of an entry, and sets its next one or removes it. What it raises is logged, and tried again."""


class OutgoingQueue:
    """Works on what is due, as long as `run` runs."""

    def __init__(self, database: Database, steps: Mapping[Step, Work], schedule: Schedule) -> None:
        self._database = database
        self._steps = steps
        self._schedule = schedule
        self._running: dict[int, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled; what is under way then may end."""
        try:
            while True:
                self._database.queued.clear()
                pause = await self._take_up()
                try:
                    async with asyncio.timeout(pause):
                        await self._database.queued.wait()
                except TimeoutError:
                    continue
        finally:
            if self._running:
                await asyncio.wait(self._running.values(), timeout=PATIENCE)
            for task in self._running.values():
                task.cancel()

    async def _take_up(self) -> float | None:
        """Begin what is due; returns how many seconds there is nothing else to do, None until something happens."""
        moment = now()
        async with self._database.read() as connection:
            due = await queue.select_due(connection, moment, 2 * TASKS)
            following = await queue.next_due(connection, moment)
        for outgoing_id, _step in due:
            if outgoing_id not in self._running and len(self._running) < TASKS:
                task = asyncio.create_task(self._work(outgoing_id), name=f"outgoing {outgoing_id}")
                self._running[outgoing_id] = task
        return None if following is None else max(0.0, (following - moment) / SECOND)

    async def _work(self, outgoing_id: int) -> None:
        try:
            while True:
                async with self._database.read() as connection:
                    row = await queue.select_outgoing(connection, outgoing_id)
                if row is None or row.due > now():
                    break
                await self._steps[Step(row.step)](row)
        except Exception:
            log.exception("entry %d of the outgoing queue is tried again later", outgoing_id)
            await self._postpone(outgoing_id)
        finally:
            self._running.pop(outgoing_id, None)
            self._database.queued.set()  # there is room for another

    async def _postpone(self, outgoing_id: int) -> None:
        async with self._database.write() as connection:
            row = await queue.select_outgoing(connection, outgoing_id)
            if row is not None:
                due = now() + self._schedule.pause(row.attempts)
                await queue.update_outgoing(connection, outgoing_id, due=due, attempts=row.attempts + 1)


# What an administrator does with it


async def retry(database: Database, outgoing_id: int | None = None) -> int:
    """Let an entry be due now, or all that were tried before; returns how many."""
    async with database.write() as connection:
        rows = await queue.select_listing(connection, outgoing_id)
        if outgoing_id is None:
            rows = [row for row in rows if row.attempts]
        for row in rows:
            await queue.update_outgoing(connection, row.outgoing_id, due=min(row.due, now()))
    database.queued.set()
    return len(rows)


async def remove(database: Database, outgoing_id: int) -> bool:
    """Drop an entry, of which nobody is told; returns whether it was there."""
    async with database.write() as connection:
        row = await queue.select_outgoing(connection, outgoing_id)
        if row is None:
            return False
        await drop(connection, row)
    return True
