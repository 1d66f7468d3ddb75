"""What the store counts of its work."""

import asyncio
from pathlib import Path

import pytest

from mapigw.store.blobs import digest_of
from mapigw.store.database import Database
from mapigw.store.statistics import Distribution


def test_a_distribution() -> None:
    found = Distribution((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 2.0):
        found.add(value)
    assert found.counts == [2, 1, 1]
    assert found.total == pytest.approx(2.65)


async def test_transactions_are_counted_and_those_that_wait(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    statistics = database.statistics
    opened = sum(statistics.writes.counts)
    assert opened >= 1

    async def another() -> None:
        async with database.write():
            pass

    async with database.write():
        others = [asyncio.create_task(another()) for _ in range(3)]
        await asyncio.sleep(0.02)
        assert statistics.writers_waiting == 3
        others.pop().cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*others)
    with pytest.raises(RuntimeError, match="undone"):
        async with database.write():
            raise RuntimeError("undone")
    assert statistics.writers_waiting == 0
    assert sum(statistics.writes.counts) == sum(statistics.write_waits.counts) == opened + 4
    assert statistics.write_waits.total >= 0.04
    await database.close()


async def test_bytes_of_blobs_are_counted(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    value = b"x" * 10_000
    digest = digest_of(value)
    database.blobs.put({digest: value})
    database.blobs.put({digest: value})  # which is there already
    database.blobs.get(digest)
    database.blobs.get(digest, 9_000, 5_000)
    assert database.statistics.blob_bytes_written.value == 10_000
    assert database.statistics.blob_bytes_read.value == 11_000
    await database.close()
