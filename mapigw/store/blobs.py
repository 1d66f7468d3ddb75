"""The embedded blob store: a folder of files named by the BLAKE2b-256 digest of what they hold.

A blob is written beside its name, flushed to disk and renamed, so a name never stands for half a value; equal values
are one file. Methods block; the asynchronous layers call them in worker threads, many blobs a call.
"""

import os
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from pathlib import Path

from mapigw.store.statistics import Statistics

DIGEST_SIZE = 32
FLUSHERS = 8
UNFINISHED = "unfinished"
"""The folder of files that may become blobs."""


class MissingBlobError(LookupError):
    """A blob that a row names is not in the store."""


def digest_of(value: bytes) -> bytes:
    return blake2b(value, digest_size=DIGEST_SIZE).digest()


class FolderBlobStore:
    def __init__(self, folder: Path, statistics: Statistics | None = None) -> None:
        self.folder = folder
        self._statistics = statistics or Statistics()
        folder.mkdir(parents=True, exist_ok=True)
        self._known: set[str] = set()  # folders whose names are on disk
        self._flushers = ThreadPoolExecutor(FLUSHERS, thread_name_prefix="blobs")

    def _path(self, digest: bytes) -> str:
        name = digest.hex()
        return f"{self.folder}/{name[:2]}/{name[2:]}"

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """Store values under their digests, durably: when this returns they are on disk."""
        new = [(self._path(digest), value) for digest, value in values.items() if not self._renewed(digest)]
        folders = {os.path.dirname(path) for path, _ in new}
        fresh = folders - self._known
        for parent in fresh:
            os.makedirs(parent, exist_ok=True)
        if fresh:
            _flush_folder(str(self.folder))
            self._known |= fresh
        # Flushed side by side: the file system commits them together instead of one after the other.
        for _ in self._flushers.map(_write, new) if len(new) > 1 else map(_write, new):
            pass
        self._statistics.blob_bytes_written.add(sum(len(value) for _, value in new))
        for _ in self._flushers.map(_flush_folder, folders) if len(folders) > 1 else map(_flush_folder, folders):
            pass

    def new_file(self) -> tuple[int, str]:
        """The descriptor and the path of an empty file for `adopt`; one that is left behind is collected."""
        folder = self.folder / UNFINISHED
        folder.mkdir(exist_ok=True)
        return tempfile.mkstemp(dir=folder, prefix=".new-")

    def adopt(self, path: str, digest: bytes) -> None:
        """Make a blob of a `new_file` that has been flushed: when this returns, its name is on disk too."""
        if self._renewed(digest):
            os.unlink(path)
            return
        target = self._path(digest)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        self._statistics.blob_bytes_written.add(os.path.getsize(path))
        os.rename(path, target)
        _flush_folder(os.path.dirname(target))
        _flush_folder(str(self.folder))

    def renew(self, digests: Iterable[bytes]) -> None:
        """Keep blobs that a row is about to name from being collected first. Raises `MissingBlobError`."""
        for digest in digests:
            if not self._renewed(digest):
                raise MissingBlobError(f"blob {digest.hex()} is missing")

    def _renewed(self, digest: bytes) -> bool:
        """Whether the blob is there; its file's time is renewed, so that it is not collected now."""
        try:
            os.utime(self._path(digest))
        except FileNotFoundError:
            return False
        return True

    def get(self, digest: bytes, offset: int = 0, length: int | None = None) -> bytes:
        """A blob or a part of it. Raises `MissingBlobError`."""
        try:
            descriptor = os.open(self._path(digest), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise MissingBlobError(f"blob {digest.hex()} is missing") from None
        try:  # bare system calls: a download reads a blob or two a message
            wanted = os.fstat(descriptor).st_size - offset if length is None else length
            parts = []
            while wanted > 0 and (part := os.pread(descriptor, wanted, offset)):
                parts.append(part)
                wanted -= len(part)
                offset += len(part)
            value = parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            os.close(descriptor)
        self._statistics.blob_bytes_read.add(len(value))
        return value


def _write(item: tuple[str, bytes]) -> None:
    path, value = item
    temporary = f"{os.path.dirname(path)}/.new-{os.urandom(12).hex()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            rest = memoryview(value)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _flush_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
