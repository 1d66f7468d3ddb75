"""Bytes that arrive piece by piece and may become a blob: what a client writes through a stream.

In memory while they are few, else in a file beside the blobs, so that they become a blob by a change of name. Methods
block: the asynchronous layers call them in worker threads.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

from mapigw.store.blobs import DIGEST_SIZE, FolderBlobStore

MEMORY_MAXIMUM: Final = 65_536
CHUNK: Final = 1 << 20


class Spool:
    """``size`` bytes that can be read and written anywhere; what was never written is zero."""

    def __init__(self, blobs: FolderBlobStore) -> None:
        self.size = 0
        self._blobs = blobs
        self._memory = bytearray()
        self._descriptor = -1
        self._path = ""

    @property
    def path(self) -> Path | None:
        """The file that it is in, until it is closed or kept; None while it is in memory."""
        return Path(self._path) if self._path else None

    def read(self, offset: int, count: int) -> bytes:
        """Up to ``count`` bytes; fewer at the end."""
        if self._descriptor < 0:
            return bytes(self._memory[offset : offset + count])
        return _read(self._descriptor, offset, min(count, self.size - offset))

    def write(self, offset: int, data: bytes) -> None:
        """Put ``data`` at ``offset``, which may be behind the end."""
        self.resize(max(self.size, offset + len(data)))
        if self._descriptor < 0:
            self._memory[offset : offset + len(data)] = data
        else:
            _write(self._descriptor, offset, data)

    def resize(self, size: int) -> None:
        """Cut off what is behind ``size``, or fill up with zeros to there."""
        if self._descriptor < 0 and size > MEMORY_MAXIMUM:
            self._descriptor, self._path = self._blobs.new_file()
            _write(self._descriptor, 0, self._memory)
            self._memory.clear()
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, size)
        elif size > self.size:
            self._memory += bytes(size - self.size)
        else:
            del self._memory[size:]
        self.size = size

    def load(self, digest: bytes, size: int) -> None:
        """Append the first ``size`` bytes of a blob. Raises `MissingBlobError`."""
        for offset in range(0, size, CHUNK):
            self.write(self.size, self._blobs.get(digest, offset, min(CHUNK, size - offset)))

    def chunks(self) -> Iterator[bytes]:
        """Everything, a part at a time."""
        for offset in range(0, self.size, CHUNK):
            yield self.read(offset, CHUNK)

    def converted(self, convert: Callable[[Iterator[bytes]], Iterator[bytes]]) -> "Spool":
        """A new spool with what ``convert`` makes of the chunks."""
        result = Spool(self._blobs)
        try:
            for chunk in convert(self.chunks()):
                result.write(result.size, chunk)
        except BaseException:
            result.close()
            raise
        return result

    def keep(self) -> bytes:
        """Make a durable blob of it; returns its digest. The spool is empty afterwards."""
        digest = blake2b(digest_size=DIGEST_SIZE)
        for chunk in self.chunks():
            digest.update(chunk)
        if self._descriptor < 0:
            self._blobs.put({digest.digest(): bytes(self._memory)})
        else:
            os.fsync(self._descriptor)
            self._blobs.adopt(self._path, digest.digest())
            self._path = ""
        self.close()
        return digest.digest()

    def close(self) -> None:
        """Forget everything. Idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        if self._path:
            with suppress(FileNotFoundError):  # collected, when nothing was written for long
                os.unlink(self._path)
        self._descriptor, self._path, self.size = -1, "", 0
        self._memory.clear()


def _read(descriptor: int, offset: int, count: int) -> bytes:
    parts = []
    while count > 0 and (part := os.pread(descriptor, count, offset)):
        parts.append(part)
        offset += len(part)
        count -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _write(descriptor: int, offset: int, data: bytes | bytearray) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        offset += written
        rest = rest[written:]
