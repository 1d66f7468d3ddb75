"""SQLite connections whose statements end whatever becomes of the task that waits for them."""

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiosqlite

_ROWS_AT_ONCE: Final = 64


class Connection(aiosqlite.Connection):
    """Statements run in a thread. A task that is cancelled while it waits for one still waits to its end.

    Else the transaction would stay open in the thread with nobody to end it, and nobody could write any more. The
    cancellation comes through at the next wait for anything else.
    """

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self._running or not self._connection:
            raise ValueError("Connection closed")
        future = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((future, partial(fn, *args, **kwargs)))
        task = asyncio.current_task()
        assert task is not None
        cancelled = False
        try:
            while True:
                try:
                    return await asyncio.shield(future)
                except asyncio.CancelledError:
                    cancelled = True
                    task.uncancel()
        finally:
            if cancelled:
                task.cancel()


async def connect(path: Path, busy_timeout: float) -> aiosqlite.Connection:
    """A new connection; ``busy_timeout`` in seconds is how long it waits for other processes' transactions."""
    connection = Connection(lambda: sqlite3.connect(path, timeout=busy_timeout), _ROWS_AT_ONCE)
    connection._thread.daemon = True  # one that was not closed does not keep the process alive
    return await connection
