"""Imports entries from files (``mapigw directory import``)."""

import asyncio
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Final

from mapigw.directory.directory import Directory
from mapigw.directory.files import Read, read_csv, read_ldif
from mapigw.directory.records import Applier, Failure, Record, RecordKind, Report
from mapigw.directory.vcards import read_vcards

BATCH: Final = 500
"""Entries in one transaction."""

READERS: Final[dict[str, Callable[[Path, RecordKind, str], Read]]] = {
    "csv": read_csv,
    "ldif": read_ldif,
    "vcard": read_vcards,
}
SUFFIXES: Final = {".csv": "csv", ".ldif": "ldif", ".ldf": "ldif", ".vcf": "vcard", ".vcard": "vcard"}


async def import_file(
    directory: Directory, path: Path, form: str, kind: RecordKind, domain: str = "", *, dry_run: bool = False
) -> Report:
    """Import the entries of a file; ``kind`` is that of entries that do not say what they are.

    An entry that cannot be taken over is reported with its line and left out. Raises `UnreadableFile`.
    """
    applier = Applier(directory, dry_run=dry_run)
    reading = READERS[form](path, kind, domain)
    while batch := await asyncio.to_thread(lambda: list(islice(reading, BATCH))):
        applier.report.failures.extend(found for found in batch if isinstance(found, Failure))
        await applier.apply([found for found in batch if isinstance(found, Record)])
    await applier.finish()
    return applier.report
