"""Removes blobs that nothing uses: what a crash left behind, and what deleted mailboxes held."""

import asyncio
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from mapigw.store.database import Database
from mapigw.store.schema import blob

log = logging.getLogger("mapigw.store")

GRACE = 3600.0  # seconds: a blob is written, or its file's time renewed, shortly before the row that names it
BATCH = 500
DAY = 86_400.0


async def collect_daily(database: Database) -> None:
    """Collect now and every day, until cancelled; a failure is logged and tried again the next day."""
    while True:
        try:
            await collect_orphans(database)
        except (OSError, SQLAlchemyError):
            log.exception("unused blobs could not be removed")
        await asyncio.sleep(DAY)


async def collect_orphans(database: Database, *, grace: float = GRACE) -> int:
    """Delete the blobs that no row names and that are older than ``grace`` seconds; returns how many."""
    removed = 0
    batches = await asyncio.to_thread(lambda: list(_batches(database.blobs.folder, time.time() - grace)))
    for batch in batches:
        async with database.read() as connection:
            used = set(
                (await connection.execute(select(blob.c.digest).where(blob.c.digest.in_(list(batch))))).scalars()
            )
        suspects = {digest: path for digest, path in batch.items() if digest not in used}
        if suspects:
            removed += await _remove(database, suspects, grace)
    if removed:
        log.info("%d unused blobs removed", removed)
    return removed


async def _remove(database: Database, suspects: dict[bytes, Path], grace: float) -> int:
    """Look again while nobody else can commit: a message may have begun to use the blob in between."""
    async with database.write() as connection:
        used = set((await connection.execute(select(blob.c.digest).where(blob.c.digest.in_(list(suspects))))).scalars())
        unused = [path for digest, path in suspects.items() if digest not in used]
        return await asyncio.to_thread(_unlink, unused, time.time() - grace)


def _unlink(paths: list[Path], before: float) -> int:
    removed = 0
    for path in paths:
        try:
            if path.stat().st_mtime < before:
                path.unlink()
                removed += 1
        except FileNotFoundError:
            continue
    return removed


def _batches(folder: Path, before: float) -> Iterator[dict[bytes, Path]]:
    """Files by digest, some hundred at a time. Files that were never finished have no digest: their name is unique."""
    batch: dict[bytes, Path] = {}
    for part in os.scandir(folder):
        if not part.is_dir():
            continue
        for entry in os.scandir(part.path):
            if entry.stat().st_mtime >= before:
                continue
            path = Path(entry.path)
            unfinished = entry.name.startswith(".")
            batch[os.fsencode(entry.name) if unfinished else bytes.fromhex(part.name + entry.name)] = path
            if len(batch) == BATCH:
                yield batch
                batch = {}
    if batch:
        yield batch
