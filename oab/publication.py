"""The published files of one address list: a folder with a manifest and what it names (MS-OXWOAB 1.3).

The manifest is the only state. It is replaced in one step after the files that it names are on disk, and files keep
their names for ever, so that whoever has read a manifest finds what it names while the files are kept.
"""

import contextlib
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from mapigw.wire.errors import WireError
from oab.wire import manifest
from oab.wire.manifest import AddressList, File

KEPT_SECONDS: Final = 86400.0
"""How long files stay that no manifest names any more: a client may be in the middle of fetching them."""
KEPT_DIFFERENCES: Final = 30
"""Differential files that a manifest names; a client that is further behind fetches the full file."""
FOLDER: Final = "oab"
_LOCK: Final = ".lock"
_TEMPORARY: Final = ".new-"
_PIECE: Final = 1 << 20


class Publication:
    """The folder of the address list of ``domain`` below the data folder. Every method blocks."""

    def __init__(self, data: Path, domain: str) -> None:
        self.domain = domain
        self.folder = data / FOLDER / domain

    @property
    def manifest(self) -> Path:
        return self.folder / manifest.NAME

    def current(self) -> AddressList | None:
        """What is published; None while nothing is. Raises `WireError` for a manifest that is none."""
        try:
            lists = manifest.parse(self.manifest.read_bytes())
        except FileNotFoundError:
            return None
        if len(lists) != 1:
            raise WireError(f"{len(lists)} address lists in the manifest")
        return lists[0]

    def find(self, name: str) -> Path | None:
        """The file that a client asks for by ``name``; None for whatever is not published."""
        if name != manifest.NAME and not manifest.is_file_name(name):
            return None
        path = self.folder / name
        return path if path.is_file() else None

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Only one process at a time publishes."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def temporary(self) -> Iterator[BinaryIO]:
        """A file to write and read, gone at the end of the block."""
        with tempfile.TemporaryFile(prefix=_TEMPORARY, dir=self.folder) as file:
            yield file

    @contextmanager
    def adding(self, name: str) -> Iterator[BinaryIO]:
        """Write the file ``name``; it is there, on disk, when the block has ended without an exception."""
        descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=self.folder)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.folder / name)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    def describe(self, name: str, sequence: int, version: int, uncompressed_size: int) -> File:
        """What a manifest says of a file that has been added."""
        path = self.folder / name
        return File(name, sequence, version, path.stat().st_size, uncompressed_size, sha1(path))

    def publish(self, address_list: AddressList) -> None:
        """Replace the manifest, and remove what neither it names nor a client may still be fetching."""
        with self.adding(manifest.NAME) as file:
            file.write(manifest.build([address_list]))
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        named = {manifest.NAME, _LOCK, *(file.name for file in files(address_list))}
        for path in self.folder.iterdir():
            if path.name not in named and _is_over(path):
                path.unlink()


def _is_over(path: Path) -> bool:
    """Whether a file that no manifest names has had its time, which begins when its successor was made."""
    stem, _, sequence = path.stem.rpartition("-")
    successor = path.with_name(f"{stem}-{int(sequence) + 1}.lzx") if manifest.is_file_name(path.name) else path
    try:
        return time.time() - successor.stat().st_mtime > KEPT_SECONDS
    except FileNotFoundError:
        return True


def files(address_list: AddressList) -> list[File]:
    """Every file that a manifest names."""
    return [
        address_list.full,
        *(template.file for template in address_list.templates),
        *address_list.differences,
    ]


def sha1(path: Path) -> str:
    """SHA-1 in hexadecimal, as manifests have it; not for security."""
    digest = hashlib.sha1(usedforsecurity=False)
    with path.open("rb") as file:
        while data := file.read(_PIECE):
            digest.update(data)
    return digest.hexdigest()
