"""The embedded database: one SQLite file in WAL mode, read by several connections and written by one.

A reader may ask for a snapshot, which holds as long as its connection. Writers queue for the one writing connection;
other processes (the command line) take their turn by SQLite's lock. What a `write` block did is on disk when it ends.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from mapigw.store.blobs import FolderBlobStore
from mapigw.store.migrate import upgrade

Connection = AsyncConnection
"""What `Database.read` and `Database.write` yield: the layers above pass it on and know no more of it."""

FILE = "mapigw.sqlite"
READERS = 4
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
        self.blobs = FolderBlobStore(data / "blobs")
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

    async def close(self) -> None:
        await self._reader.dispose()
        await self._writer.dispose()

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
                # Queued before it is waited for: it comes before the connection's next use, even if this is cancelled.
                await driver.rollback()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        """One transaction: committed when the block ends, undone when it raises."""
        async with self._writer.begin() as connection:
            yield connection


def _engine(path: Path, connections: int, **options: Any) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        pool_size=connections,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT,
        connect_args={"timeout": BUSY_TIMEOUT},
        **options,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions begin where they are asked for, not by the driver's guess
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    return engine
