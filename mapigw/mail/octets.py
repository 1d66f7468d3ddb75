"""The bytes of a message, in memory or mapped from a file, and reading them without ever holding all of a large one."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

Octets = bytes | mmap.mmap

MAPPED_MINIMUM: Final = 1 << 20
"""Bytes from which on a file is mapped instead of read."""
PIECE: Final = 1 << 20
_FIRST_WINDOW: Final = 1 << 14


@contextmanager
def opened(source: bytes | Path) -> Iterator[Octets]:
    """The bytes of a message that is in memory or in a file. Raises OSError."""
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        size = file.seek(0, 2)
        if size < MAPPED_MINIMUM:
            file.seek(0)
            yield file.read()
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield mapped


def find(data: Octets, what: bytes, start: int, end: int) -> int:
    """Where ``what`` first is in ``data[start:end]``, or -1."""
    if isinstance(data, bytes):
        return data.find(what, start, end)
    window = _FIRST_WINDOW
    while start < end:
        found = data[start : min(start + window + len(what) - 1, end)].find(what)
        if found >= 0:
            return start + found
        start += window
        if window < PIECE:
            window *= 4  # so that a search costs what it passes over
        else:
            _release(data)
    return -1


def pieces(data: Octets, start: int, end: int) -> Iterator[bytes]:
    """``data[start:end]``, at most `PIECE` bytes at a time."""
    for offset in range(start, end, PIECE):
        yield data[offset : min(offset + PIECE, end)]
        _release(data)


def _release(data: Octets) -> None:
    """Give the pages back that were read of a mapped file: they count as this process's memory otherwise."""
    if isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED)
