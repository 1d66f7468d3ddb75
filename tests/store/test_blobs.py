"""Blobs: durable, stored once, collected when nothing uses them."""

import os
from pathlib import Path

import pytest
from sqlalchemy import delete, insert

from mapigw.store.blobs import FolderBlobStore, MissingBlobError, digest_of
from mapigw.store.collect import collect_orphans
from mapigw.store.database import Database
from mapigw.store.schema import blob


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_equal_values_are_one_file(tmp_path: Path) -> None:
    store = FolderBlobStore(tmp_path)
    store.put({digest_of(b"x"): b"x"})
    store.put({digest_of(b"x"): b"x", digest_of(b"y"): b"y"})
    assert len(files(tmp_path)) == 2
    assert store.get(digest_of(b"y")) == b"y"


def test_a_part_of_a_blob(tmp_path: Path) -> None:
    store = FolderBlobStore(tmp_path)
    store.put({digest_of(b"0123456789"): b"0123456789"})
    assert store.get(digest_of(b"0123456789"), 3, 4) == b"3456"


def test_a_missing_blob_is_an_error_never_an_empty_value(tmp_path: Path) -> None:
    store = FolderBlobStore(tmp_path)
    with pytest.raises(MissingBlobError, match=digest_of(b"x").hex()):
        store.get(digest_of(b"x"))


async def test_only_old_unused_blobs_are_collected(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    values = {digest_of(value): value for value in (b"used", b"unused", b"fresh")}
    database.blobs.put(values)
    unfinished = database.blobs.folder / "ab" / ".new-1"
    unfinished.parent.mkdir(exist_ok=True)
    unfinished.write_bytes(b"half")
    for path in files(database.blobs.folder):
        if path.read_bytes() != b"fresh":
            os.utime(path, (0, 0))
    async with database.write() as connection:
        await connection.execute(insert(blob).values(mailbox_id=1, digest=digest_of(b"used"), size=4, count=1))
    assert await collect_orphans(database) == 2
    assert {path.read_bytes() for path in files(database.blobs.folder)} == {b"used", b"fresh"}
    async with database.write() as connection:
        await connection.execute(delete(blob))
    database.blobs.put({digest_of(b"used"): b"used"})  # a new message begins to use it
    assert await collect_orphans(database) == 0
    await database.close()
