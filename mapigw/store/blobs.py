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

DIGEST_SIZE = 32
FLUSHERS = 8
UNFINISHED = "unfinished"
"""The folder of files that may become blobs."""


class MissingBlobError(LookupError):
    """A blob that a row names is not in the store."""


def digest_of(value: bytes) -> bytes:
    return blake2b(value, digest_size=DIGEST_SIZE).digest()


class FolderBlobStore:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._flushers = ThreadPoolExecutor(FLUSHERS, thread_name_prefix="blobs")

    def _path(self, digest: bytes) -> str:
        name = digest.hex()
        return f"{self.folder}/{name[:2]}/{name[2:]}"

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """Store values under their digests, durably: when this returns they are on disk."""
        new = [(self._path(digest), value) for digest, value in values.items() if not self._renewed(digest)]
        folders = {os.path.dirname(path) for path, _ in new}
        for parent in folders:
            os.makedirs(parent, exist_ok=True)
        # Flushed side by side: the file system commits them together instead of one after the other.
        for _ in self._flushers.map(_write, new):
            pass
        for _ in self._flushers.map(_flush_folder, folders):
            pass
        if folders:
            _flush_folder(str(self.folder))

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
            return parts[0] if len(parts) == 1 else b"".join(parts)
        finally:
            os.close(descriptor)


def _write(item: tuple[str, bytes]) -> None:
    path, value = item
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            rest = memoryview(value)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
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
