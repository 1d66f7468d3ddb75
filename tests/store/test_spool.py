"""Spools: bytes that become blobs."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mapigw.store.blobs import FolderBlobStore, digest_of
from mapigw.store.collect import collect_orphans
from mapigw.store.database import Database
from mapigw.store.spool import CHUNK, MEMORY_MAXIMUM, Spool

SIZES = [0, 10, MEMORY_MAXIMUM, MEMORY_MAXIMUM + 1, 3 * CHUNK + 5]


def data(size: int) -> bytes:
    return bytes(number % 251 for number in range(1000)) * (size // 1000 + 1)


@pytest.fixture
def blobs(tmp_path: Path) -> FolderBlobStore:
    return FolderBlobStore(tmp_path)


def unfinished(blobs: FolderBlobStore) -> list[Path]:
    return list(blobs.folder.glob("unfinished/.new-*"))


@pytest.mark.parametrize("size", SIZES)
def test_what_was_written_is_read_and_kept(blobs: FolderBlobStore, size: int) -> None:
    spool, value = Spool(blobs), data(size)[:size]
    for start in range(0, size, 50_000):
        spool.write(start, value[start : start + 50_000])
    assert spool.size == size
    assert b"".join(spool.chunks()) == value
    assert spool.read(size - 3, 10) == value[-3:] if size else spool.read(0, 10) == b""
    assert bool(unfinished(blobs)) == (size > MEMORY_MAXIMUM)
    digest = spool.keep()
    assert digest == digest_of(value)
    assert blobs.get(digest) == value
    assert not unfinished(blobs)
    assert spool.size == 0


@pytest.mark.parametrize("size", [10, MEMORY_MAXIMUM + 10])
def test_what_was_never_written_is_zero(blobs: FolderBlobStore, size: int) -> None:
    spool = Spool(blobs)
    spool.write(0, b"abc")
    spool.write(size, b"x")
    assert spool.read(0, size + 5) == b"abc" + bytes(size - 3) + b"x"
    spool.resize(2)
    spool.resize(5)
    assert spool.read(0, 10) == b"ab\0\0\0"
    spool.close()
    spool.close()
    assert not unfinished(blobs)


def test_equal_values_become_one_blob(blobs: FolderBlobStore) -> None:
    value = data(100_000)
    for _ in range(2):
        spool = Spool(blobs)
        spool.write(0, value)
        assert blobs.get(spool.keep()) == value
    assert len([path for path in blobs.folder.rglob("*") if path.is_file()]) == 1


def test_a_blob_is_loaded(blobs: FolderBlobStore) -> None:
    value = data(2 * CHUNK)
    blobs.put({digest_of(value): value})
    spool = Spool(blobs)
    spool.load(digest_of(value), CHUNK + 7)
    assert b"".join(spool.chunks()) == value[: CHUNK + 7]
    spool.close()


def test_a_conversion_that_fails_leaves_nothing(blobs: FolderBlobStore) -> None:
    spool = Spool(blobs)
    spool.write(0, data(100_000))

    def broken(chunks: Iterator[bytes]) -> Iterator[bytes]:
        yield from chunks
        raise LookupError

    with pytest.raises(LookupError):
        spool.converted(broken)
    assert len(unfinished(blobs)) == 1
    spool.close()


async def test_what_a_crash_leaves_unfinished_is_collected(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    spool = Spool(database.blobs)
    spool.write(0, data(100_000))
    assert await collect_orphans(database) == 0
    for path in unfinished(database.blobs):
        os.utime(path, (0, 0))
    assert await collect_orphans(database) == 1
    assert not unfinished(database.blobs)
    spool.close()
    await database.close()
