"""A log file that costs the event loop next to nothing: lines are collected and written by a thread."""

import asyncio
import logging
import sys
import threading
from collections import deque
from pathlib import Path
from typing import BinaryIO

FLUSH_INTERVAL = 0.2  # seconds from a line to the disk
_log = logging.getLogger(__name__)


class LogFile:
    """Appends lines to ``path``; None is standard output.

    A line that cannot be written is lost and reported once, and the server goes on.
    """

    def __init__(self, path: Path | None, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._lines: deque[bytes] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._writing = threading.Lock()
        self._failed = False
        self._tasks: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(cls, path: Path | None) -> "LogFile":
        """Raises OSError."""
        return cls(path, await asyncio.to_thread(_open, path))

    def write(self, line: bytes) -> None:
        """Take one line, its newline included, from any thread; it goes to the disk after `FLUSH_INTERVAL`."""
        self._lines.append(line)
        if self._timer is None:
            if threading.get_ident() == self._loop_thread:
                self._schedule()
            else:
                self._loop.call_soon_threadsafe(self._schedule)

    def _schedule(self) -> None:
        if self._timer is None:
            self._timer = self._loop.call_later(FLUSH_INTERVAL, self._start_flush)

    async def reopen(self) -> None:
        """Open the file by its name again, for log rotation. On failure the old one stays in use and is reported."""
        await asyncio.to_thread(self._reopen)

    async def close(self) -> None:
        """Write what is left and close."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        await asyncio.gather(*self._tasks)
        await asyncio.to_thread(self._close)

    def _start_flush(self) -> None:
        self._timer = None
        task = self._loop.create_task(asyncio.to_thread(self._flush))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _flush(self) -> None:
        with self._writing:
            lines = []
            while self._lines:  # one at a time: the loop may be appending
                lines.append(self._lines.popleft())
            try:
                data = memoryview(b"".join(lines))
                while data:
                    data = data[self._file.write(data) :]
                self._file.flush()
            except OSError as error:
                if not self._failed:
                    _log.error("%s: %s; log lines are lost", self._path or "standard output", error.strerror)
                self._failed = True
            else:
                self._failed = False

    def _reopen(self) -> None:
        self._flush()
        try:
            replacement = _open(self._path)
        except OSError as error:
            _log.error("%s: %s; writing on into the old file", self._path, error.strerror)
            return
        with self._writing:
            previous, self._file = self._file, replacement
        if self._path:
            previous.close()

    def _close(self) -> None:
        self._flush()
        if self._path:
            self._file.close()


def _open(path: Path | None) -> BinaryIO:
    if path is None:
        return sys.stdout.buffer
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("ab", buffering=0)  # a buffer would keep what a full disk has refused
