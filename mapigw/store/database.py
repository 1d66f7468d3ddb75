"""The embedded database: one SQLite file in WAL mode, read by several connections and written by one.

Readers see a consistent snapshot for as long as they hold a connection. Writers queue for the one writing connection;
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
        self._reader = _engine(path, "BEGIN", READERS)
        self._writer = _engine(path, "BEGIN IMMEDIATE", 1)

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
        async with self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Connection]:
        """One transaction: committed when the block ends, undone when it raises."""
        async with self._writer.begin() as connection:
            yield connection


def _engine(path: Path, begin: str, connections: int) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{path}",
        pool_size=connections,
        max_overflow=0,
        pool_timeout=BUSY_TIMEOUT,
        pool_reset_on_return="rollback",
        connect_args={"timeout": BUSY_TIMEOUT},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # transactions begin below, not by the driver's guess
        cursor = connection.cursor()
        for pragma in _PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Any) -> None:
        connection.exec_driver_sql(begin)

    return engine
