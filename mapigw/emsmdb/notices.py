"""What a session has to be told, until it is fetched (MS-OXCNOTIF 3.1.5.5, 3.1.5.7).

A notice that says of an object what one in the queue says already takes its place, at the end. The queue is bounded:
what a subscription has in it beyond that is given up for one notice that says so much as that something has changed.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from typing import Final, Protocol

from mapigw.emsmdb.waiting import Stimulus, Waiting

logger = logging.getLogger("mapigw.emsmdb")

MAXIMUM: Final = 256
"""Notices of a session; a few more where many subscriptions have one each."""


class Source(Protocol):
    """What notices are about: a subscription, or the watch of a table."""

    def summary(self, latest: Notice) -> Notice:
        """The notice that stands for all others of it; ``latest`` is the last of them."""


class Notice(Protocol):
    """Something to tell. Its bytes are made when they are fetched."""

    @property
    def source(self) -> Source: ...

    @property
    def subject(self) -> Hashable:
        """What it is about. A later notice of the same source about the same takes its place."""

    async def responses(self) -> list[bytes]:
        """RopNotify responses; there may be none after all."""


class Notices:
    """The queue of a session; ``waiting`` is told when it is no longer empty, and when it is."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._queue: dict[tuple[Source, Hashable], Notice] = {}
        self._built: list[bytes] = []
        """Of notices that were taken from the queue and did not fit."""
        self._closed = False

    def __bool__(self) -> bool:
        return bool(self._queue or self._built)

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, notice: Notice) -> None:
        source = notice.source
        if self._closed or (source, None) in self._queue:
            return
        key = source, notice.subject
        self._queue.pop(key, None)
        if len(self._queue) >= MAXIMUM:
            self._remove(source)
            notice, key = source.summary(notice), (source, None)
        self._queue[key] = notice
        self._waiting.happened(Stimulus.EVENT)

    def drop(self, source: Source) -> None:
        """Forget what a source has to tell, which is released."""
        self._remove(source)
        self._note_empty()

    def close(self) -> None:
        self._closed = True
        self._queue.clear()
        self._built.clear()

    async def take(self, space: int) -> list[bytes]:
        """RopNotify responses, oldest first, as many as fit into ``space`` bytes."""
        taken: list[bytes] = []
        while True:
            while self._built and len(self._built[0]) <= space:
                taken.append(self._built.pop(0))
                space -= len(taken[-1])
            if self._built or not self._queue:
                break
            notice = self._queue.pop(next(iter(self._queue)))
            try:
                self._built += await notice.responses()
            except Exception:
                # The answer that it would have come with is good without it.
                logger.exception("a notification cannot be made")
        self._note_empty()
        return taken

    def _remove(self, source: Source) -> None:
        for key in [key for key in self._queue if key[0] is source]:
            del self._queue[key]

    def _note_empty(self) -> None:
        if not self:
            self._waiting.happened(Stimulus.FETCHED)
