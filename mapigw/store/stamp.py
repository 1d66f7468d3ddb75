"""A file whose length counts the changes of something in the store, so that other processes notice them cheaply.

A reader that keeps rows in memory compares the stamp before each use. That is one stat() of a file in the data folder,
about a microsecond and answered from the kernel's inode cache without touching the disk, so readers call it on the
event loop; asking the database (PRAGMA data_version) would cost a trip to its thread and tell of every delivered mail.

A writer bumps twice: before the transaction, so that a writer which dies right after its commit has announced the
change already; and after it, since a reader that looked in between has loaded the rows as they were before.
"""

import os
from pathlib import Path

StampState = tuple[int, int, int]


class Stamp:
    """The stamp named ``name`` in the data folder."""

    def __init__(self, data: Path, name: str) -> None:
        self._path = str(data / f"{name}.stamp")

    def state(self) -> StampState:
        """Something that differs after each bump: (inode, length, mtime in ns); zeros while nothing was ever changed.

        The length is what counts: two changes within one tick of the file system's clock have the same mtime. The
        inode and the mtime tell of a data folder that was replaced under a running process.
        """
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return (0, 0, 0)
        return (found.st_ino, found.st_size, found.st_mtime_ns)

    def bump(self) -> None:
        """Announce a change; blocks for a small write. Appending is atomic between processes."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, b".")
        finally:
            os.close(descriptor)
