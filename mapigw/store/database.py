"""The embedded database: one SQLite file in WAL mode, read by several connections and written by one.

A reader may ask for a snapshot, which holds as long as its connection. Writers queue for the one writing connection;
other processes (the command line) take their turn by SQLite's lock. What a `write` block did is on disk when it ends.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from functools import partial
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from mapigw.store.blobs import FolderBlobStore
from mapigw.store.driver import connect
from mapigw.store.migrate import upgrade
from mapigw.store.statistics import Statistics
from mapigw.store.text import SQL_FUNCTIONS

Connection = AsyncConnection
"""What `Database.read` and `Database.write` yield: the layers above pass it on and know no more of it."""

FILE = "mapigw.sqlite"
READERS = 4
CLOSING_CHECKS = 1000  # every 10 ms, for what is being read and written when the database is closed
BUSY_TIMEOUT = 60.0  # seconds to wait for another process's transaction
_PRAGMAS = (
    "PRAGMA page_size=8192",  # of a new file
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-8192",
    "PRAGMA mmap_size=268435456",
)


class StoreError(Exception):
    """The store cannot be opened; the message names the file and the reason."""


class Database:
    """A store's rows (``read``, ``write``) and blobs."""

    def __init__(self, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.data = data
        self.statistics = Statistics()
        self.blobs = FolderBlobStore(data / "blobs", self.statistics)
        path = data / FILE
        # Each call on a connection is a trip to its thread: a reader makes none for transactions it has no use for.
        self._reader = _engine(
            path,
            READERS,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            pool_reset_on_return=None,
            pool_use_lifo=True,  # the connection whose caches are warm
        )
        self._writer = _engine(path, 1)
        self._watcher = _engine(path, 1, isolation_level="AUTOCOMMIT", skip_autocommit_rollback=True)
        self._work: dict[str, asyncio.Task[None]] = {}
        self.closing = asyncio.Event()
        """Set when work in the background has to end, between two of its transactions."""
        self.queued = asyncio.Event()
        """Set when something has been put into the queue of outgoing mail."""

        @event.listens_for(self._writer.sync_engine, "begin")
        def begin(connection: Any) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    @classmethod
    async def open(cls, data: Path) -> "Database":
        """Open the store in ``data``; create or migrate it first where needed. Raises `StoreError`, OSError."""
        database = cls(data)
        try:
            async with database.write() as connection:
                await connection.run_sync(upgrade)
        except (DatabaseError, CommandError) as error:
            await database.close()
            raise StoreError(f"{data / FILE}: {getattr(error, 'orig', None) or error}") from error
        except BaseException:
            await database.close()
            raise
        return database

    def start(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do work in the background, unless work of this name is being done; `close` waits until it ends."""
        if name not in self._work and not self.closing.is_set():
            # In a context of its own: it goes on when the request or the transaction that starts it is over.
            context = Context()
            task = self._work[name] = asyncio.create_task(work(), name=name, context=context)
            task.add_done_callback(lambda _task: self._work.pop(name, None), context=context)

    async def close(self) -> None:
        self.closing.set()
        await asyncio.gather(*self._work.values(), return_exceptions=True)
        engines = self._reader, self._writer, self._watcher
        # A connection that is given back after this is never closed: what others are doing ends first.
        for _ in range(CLOSING_CHECKS):
            if not any(_in_use(engine) for engine in engines):
                break
            await asyncio.sleep(0.01)
        for engine in engines:
            await engine.dispose()

    async def version(self) -> int:
        """A number that is another one after every commit, of whatever process; cheap to ask for."""
        async with self._watcher.connect() as connection:
            return int((await connection.exec_driver_sql("PRAGMA data_version")).scalar_one())

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Connection]:
        """For one statement, or for several that need not agree: each sees what is committed when it begins."""
        async with self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """All statements of the block see the same state."""
        async with self._reader.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            await driver.execute("BEGIN")
            try:
                yield connection
            finally:
                await driver.rollback()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        """One transaction: committed when the block ends, undone when it raises."""
        statistics = self.statistics
        asked, begun = time.perf_counter(), 0.0
        statistics.writers_waiting += 1
        try:
            async with self._writer.begin() as connection:
                begun = time.perf_counter()
                statistics.writers_waiting -= 1
                statistics.write_waits.add(begun - asked)
                yield connection
        finally:
            if begun:
                statistics.writes.add(time.perf_counter() - begun)
            else:
                statistics.writers_waiting -= 1


def _in_use(engine: AsyncEngine) -> int:
    pool = engine.pool
    assert isinstance(pool, AsyncAdaptedQueuePool)
    return pool.checkedout()


def _engine(path: Path, connections: int, **options: Any) -> AsyncEngine:
    engine = create_async_engine(
        "sqlite+aiosqlite:///",
        async_creator=partial(connect, path, BUSY_TIMEOUT),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT,
        **options,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions begin where they are asked for, not by the driver's guess
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()
        for name, (arguments, function) in SQL_FUNCTIONS.items():
            connection.create_function(name, arguments, function, deterministic=True)

    return engine
