"""Where the large values of a message go while it is read: into the blob store, instead of memory."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from mapigw.mailbox.content import INLINE_LIMIT, BlobValue
from mapigw.store.blobs import FolderBlobStore
from mapigw.store.spool import Spool
from mapigw.wire.properties import PropertyType

IN_MEMORY: Final = 4 << 20
"""Bytes of values that one message may have in memory."""


class Values:
    """The values of one message. Without a blob store they all stay in memory."""

    def __init__(self, blobs: FolderBlobStore | None = None) -> None:
        self._blobs = blobs
        self._room = IN_MEMORY

    def keep(self, pieces: Iterator[bytes]) -> bytes | BlobValue:
        """The value of which ``pieces`` are the parts; blocks while it is written and flushed to disk.

        Raises OSError when the blob store cannot be written.
        """
        if self._blobs is None:
            return b"".join(pieces)
        held: list[bytes] = []
        for piece in pieces:
            held.append(piece)
            self._room -= len(piece)
            if self._room < 0:
                self._room += sum(map(len, held))
                return _spooled(Spool(self._blobs), chain(held, pieces))
        return b"".join(held)


def _spooled(spool: Spool, pieces: Iterable[bytes]) -> bytes | BlobValue:
    try:
        for piece in pieces:
            spool.write(spool.size, piece)
        size = spool.size
        if size <= INLINE_LIMIT:
            return spool.read(0, size)
        return BlobValue(spool.keep(), size, PropertyType.BINARY)
    finally:
        spool.close()


def size_of(value: bytes | BlobValue) -> int:
    """Bytes of a value, wherever it is."""
    return value.size if isinstance(value, BlobValue) else len(value)
