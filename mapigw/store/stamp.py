"""A file whose length counts the changes of something in the store, so that other processes notice them cheaply.

A reader that keeps rows in memory compares the stamp before each use. That is one stat() of a file in the data folder,
about a microsecond and answered from the kernel's inode cache without touching the disk, so readers call it on the
event loop; asking the database (PRAGMA data_version) would cost a trip to its thread and tell of every delivered mail.

A writer bumps twice: before the transaction, so that a writer which dies right after its commit has announced the
change already; and after it, since a reader that looked in between has loaded the rows as they were before.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Generic, TypeVar

StampState = tuple[int, int, int]
Value = TypeVar("Value")

CONFIRMATION_DELAY: Final = 30.0  # seconds; longer than any write that the stamps announce takes


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

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        """Bumps before and after the block, which makes one change in one transaction."""
        await asyncio.to_thread(self.bump)
        try:
            yield
        finally:
            await asyncio.to_thread(self.bump)


class Kept(Generic[Value]):
    """What ``load`` reads from the store, kept in memory until the stamp shows a change."""

    def __init__(
        self, stamp: Stamp, load: Callable[[], Awaitable[Value]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stamp = stamp
        self._load = load
        self._clock = clock
        self._loading = asyncio.Lock()
        self._value: Value | None = None
        self._loaded_at: StampState | None = None
        self._confirm_after: float | None = None

    def at_hand(self) -> Value | None:
        """The value where it is fresh, without waiting; this costs one stat()."""
        return self._value if self._is_fresh() else None

    async def get(self) -> Value:
        """The value as it is now."""
        found = self.at_hand()
        return found if found is not None else await self._reload()

    async def read_anew(self) -> Value:
        """The value, read even where the stamp shows no change."""
        self._loaded_at = None
        return await self._reload()

    def _is_fresh(self) -> bool:
        if self._stamp.state() != self._loaded_at:
            return False
        return self._confirm_after is None or self._clock() < self._confirm_after

    async def _reload(self) -> Value:
        async with self._loading:
            found = self.at_hand()
            if found is not None:  # another task has loaded it while this one waited
                return found
            state = self._stamp.state()  # before the rows: a change while they are read shows afterwards
            changed = state != self._loaded_at
            value = await self._load()
            self._value = value
            self._loaded_at = state
            # A writer that died between its commit and its second bump left no more than its first one, and this load
            # may have come before its commit. So what was changed is read once more, when that writer must be done.
            self._confirm_after = self._clock() + CONFIRMATION_DELAY if changed else None
            return value
