"""The database: transactions, migrations, other processes."""

import asyncio
import gc
import sqlite3
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, insert, select

from mapigw.store import search_text
from mapigw.store.database import Database, StoreError
from mapigw.store.schema import domain, metadata


async def count(database: Database) -> int:
    async with database.read() as connection:
        return int((await connection.execute(select(func.count()).select_from(domain))).scalar_one())


async def test_the_migrations_make_the_schema(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)

    def ours(name: str | None, kind: str, parents: object) -> bool:
        return kind != "table" or name not in search_text.TABLES

    def differences(connection: Connection) -> object:
        context = MigrationContext.configure(connection, opts={"include_name": ours})
        return compare_metadata(context, metadata)

    async with database.read() as connection:
        assert await connection.run_sync(differences) == []
    await database.close()


async def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    with pytest.raises(RuntimeError):  # noqa: PT012 - the block itself is what must be undone
        async with database.write() as connection:
            await connection.execute(insert(domain).values(name="bm.lan"))
            raise RuntimeError
    assert await count(database) == 0
    await database.close()


async def test_a_snapshot_stays_as_it_was(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    counting = select(func.count()).select_from(domain)
    async with database.snapshot() as snapshot, database.read() as reader:
        assert (await snapshot.execute(counting)).scalar_one() == 0
        async with database.write() as connection:
            await connection.execute(insert(domain).values(name="bm.lan"))
        assert (await snapshot.execute(counting)).scalar_one() == 0
        assert (await reader.execute(counting)).scalar_one() == 1
    assert await count(database) == 1
    await database.close()


async def test_a_cancelled_reader_leaves_no_old_snapshot_behind(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)

    async def look() -> None:
        async with database.snapshot():
            assert await count(database) == 0
            await asyncio.sleep(10)

    looking = [asyncio.create_task(look()) for _ in range(3)]
    await asyncio.sleep(0.1)
    for task in looking:
        task.cancel()
    await asyncio.wait(looking)
    async with database.write() as connection:
        await connection.execute(insert(domain).values(name="bm.lan"))
    assert await asyncio.gather(*(count(database) for _ in range(8))) == [1] * 8
    await database.close()


async def test_writers_take_turns(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)

    async def add(number: int) -> None:
        async with database.write() as connection:
            await connection.execute(insert(domain).values(name=f"{number}.lan"))

    await asyncio.gather(*(add(number) for number in range(20)))
    assert await count(database) == 20
    await database.close()


async def test_a_writer_waits_for_another_process(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    other = sqlite3.connect(tmp_path / "mapigw.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("INSERT INTO domain(name) VALUES ('other.lan')")

    async def add() -> None:
        async with database.write() as connection:
            await connection.execute(insert(domain).values(name="bm.lan"))

    waiting = asyncio.create_task(add())
    await asyncio.sleep(0.2)
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    await waiting
    assert await count(database) == 2
    await database.close()


async def test_what_was_committed_is_on_disk(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    async with database.read() as connection:
        pragmas = {
            name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2}
    await database.close()


async def test_what_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "mapigw.sqlite").write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(StoreError, match=r"mapigw\.sqlite: file is not a database"):
        await Database.open(tmp_path)


async def test_a_database_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    async with database.write() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    await database.close()
    with pytest.raises(StoreError, match="9999"):
        await Database.open(tmp_path)


async def test_work_in_the_background_is_done_once_and_ends_with_the_store(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    done: list[str] = []

    async def work(name: str, until: asyncio.Event) -> None:
        done.append(f"{name} begins")
        await until.wait()
        async with database.write() as connection:
            await connection.execute(insert(domain).values(name=f"{name}.lan"))
        done.append(f"{name} ends")

    first = asyncio.Event()
    database.start("a", partial(work, "a", first))
    database.start("a", partial(work, "a", first))
    first.set()
    while "a ends" not in done:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0)
    database.start("a", partial(work, "again", database.closing))
    await asyncio.sleep(0)
    await database.close()
    database.start("late", partial(work, "late", first))
    assert done == ["a begins", "a ends", "again begins", "again ends"]


async def test_a_writer_that_is_cancelled_at_any_moment_leaves_no_lock(tmp_path: Path) -> None:
    """Symptom: a client leaves in the middle of a save, and nobody can save any more."""
    database = await Database.open(tmp_path)

    async def add(name: str) -> None:
        async with database.write() as connection:
            await connection.execute(insert(domain).values(name=name))

    cancelled = 0
    for waits in range(40):
        writer = asyncio.create_task(add(f"{waits}.lan"))
        for _ in range(waits):
            await asyncio.sleep(0.0001 if waits % 2 else 0)
        writer.cancel()
        cancelled += isinstance((await asyncio.gather(writer, return_exceptions=True))[0], asyncio.CancelledError)
        async with asyncio.timeout(10):
            await add(f"{waits}.after.lan")
    assert cancelled
    assert await count(database) >= 40
    await database.close()


async def test_it_is_closed_when_what_is_being_done_has_ended(tmp_path: Path) -> None:
    """A connection that is given back to a pool that is closed already would stay open."""
    database = await Database.open(tmp_path)
    begun = asyncio.Event()

    async def read() -> int:
        async with database.read() as connection:
            begun.set()
            await asyncio.sleep(0.05)
            return int((await connection.exec_driver_sql("SELECT 7")).scalar_one())

    reading = asyncio.create_task(read())
    await begun.wait()
    await database.close()
    assert reading.done()
    assert await reading == 7
    gc.collect()
