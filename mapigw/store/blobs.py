"""The embedded blob store: a folder of files named by the BLAKE2b-256 digest of what they hold.

A blob is written beside its name, flushed to disk and renamed, so a name never stands for half a value; equal values
are one file. Methods block; the asynchronous layers call them in worker threads, many blobs a call.
"""

import os
import tempfile
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path

DIGEST_SIZE = 32


class MissingBlobError(LookupError):
    """A blob that a row names is not in the store."""


def digest_of(value: bytes) -> bytes:
    return blake2b(value, digest_size=DIGEST_SIZE).digest()


class FolderBlobStore:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _path(self, digest: bytes) -> str:
        name = digest.hex()
        return f"{self.folder}/{name[:2]}/{name[2:]}"

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """Store values under their digests, durably: when this returns they are on disk."""
        folders = set()
        for digest, value in values.items():
            path = self._path(digest)
            try:
                os.utime(path)  # it is wanted again: not to be collected now
            except FileNotFoundError:
                pass
            else:
                continue
            parent = os.path.dirname(path)
            os.makedirs(parent, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=parent, prefix=".new-")
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(value)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(temporary, path)
            except BaseException:
                os.unlink(temporary)
                raise
            folders.add(parent)
        for parent in folders:
            _sync_folder(parent)
        if folders:
            _sync_folder(str(self.folder))

    def get(self, digest: bytes, offset: int = 0, length: int | None = None) -> bytes:
        """A blob or a part of it. Raises `MissingBlobError`."""
        try:
            with open(self._path(digest), "rb", buffering=0) as file:
                if offset:
                    file.seek(offset)
                return file.read() if length is None else file.read(length)
        except FileNotFoundError:
            raise MissingBlobError(f"blob {digest.hex()} is missing") from None

    def get_many(self, digests: Iterable[bytes]) -> dict[bytes, bytes | None]:
        """Blobs by digest; None for one that is missing, so that one loss spoils one message only."""
        found: dict[bytes, bytes | None] = {}
        for digest in digests:
            try:
                found[digest] = self.get(digest)
            except MissingBlobError:
                found[digest] = None
        return found


def _sync_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
