"""FastTransfer downloads: a queue of stream pieces, cut where the protocol allows (MS-OXCFXICS 2.2.4.1)."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mapigw.emsmdb.objects import Logon, ServerObject
from mapigw.wire.fasttransfer_stream import StreamCutter

BLOB_CHUNK: Final = 1 << 20
READ_AHEAD: Final = 1 << 19


@dataclass(frozen=True, slots=True)
class BlobPiece:
    """The body of a large value that is read from the blob store as it goes out."""

    digest: bytes
    offset: int
    size: int


Piece = bytes | memoryview | BlobPiece
"""Bytes begin at an atom and may be cut between atoms or in a variable-size value; a memoryview and a blob are the
inside of such a value and may be cut anywhere."""


class FastTransferSource(ServerObject):
    """A download context: `read` hands out the stream that `produce` makes, piece by piece.

    The next pieces are made while the client digests the last buffer.
    """

    def __init__(self, logon: Logon) -> None:
        super().__init__(logon)
        self._pieces: deque[Piece] = deque()
        self._queued = 0
        self._cutter: StreamCutter | None = None  # of the piece at the head, once it has been cut
        self._source: AsyncIterator[Sequence[Piece]] | None = None
        self._ahead: asyncio.Task[Sequence[Piece] | None] | None = None
        self._exhausted = False
        self.buffers = 0
        self.total_steps = 1

    def produce(self) -> AsyncIterator[Sequence[Piece]]:
        """The whole stream, in batches of pieces."""
        raise NotImplementedError

    def steps_done(self) -> int:
        """How many of ``total_steps`` are behind the buffers handed out so far."""
        return 0

    @property
    def final_steps(self) -> int:
        """The step count that the last buffer reports."""
        return self.total_steps

    @property
    def started(self) -> bool:
        return self._source is not None

    @property
    def done(self) -> bool:
        """Everything has been handed out."""
        return self._exhausted and not self._pieces

    async def read(self, limit: int) -> bytes:
        """The next part of the stream, at most ``limit`` bytes; empty only when nothing fits or nothing is left."""
        taken: list[bytes | memoryview] = []
        room = limit
        while room > 0:
            if not self._pieces:
                if self._exhausted:
                    break
                await self._fetch()
                continue
            piece = self._pieces[0]
            if isinstance(piece, BlobPiece):
                await self._load(piece)
                continue
            size = len(piece)
            if size <= room:
                self._pieces.popleft()
                self._cutter = None
            else:
                size = room if isinstance(piece, memoryview) else self._cut(piece, room)
                if not size:
                    break
                self._pieces[0] = piece[size:]
                piece = piece[:size]
            taken.append(piece)
            room -= size
            self._queued -= size
        while not self._pieces and not self._exhausted:
            await self._fetch()  # so that the last buffer can say that it is the last
        if self._queued < READ_AHEAD and not self._exhausted and self._ahead is None:
            self._ahead = asyncio.create_task(self._next_batch())
        self.buffers += 1
        return b"".join(taken)

    def _cut(self, piece: bytes, room: int) -> int:
        if self._cutter is None:
            self._cutter = StreamCutter()
        return self._cutter.cut(piece, room)

    async def _fetch(self) -> None:
        ahead, self._ahead = self._ahead, None
        batch = await (ahead if ahead is not None else self._next_batch())
        if batch is None:
            self._exhausted = True
        else:
            self._add(batch)

    def _add(self, batch: Iterable[Piece]) -> None:
        for piece in batch:
            self._pieces.append(piece)
            self._queued += piece.size if isinstance(piece, BlobPiece) else len(piece)

    async def _next_batch(self) -> Sequence[Piece] | None:
        if self._source is None:
            self._source = self.produce()
        return await anext(self._source, None)

    async def _load(self, piece: BlobPiece) -> None:
        """Replace the blob at the head of the queue by its next chunk and the rest of it."""
        length = min(BLOB_CHUNK, piece.size)
        chunk = await self.logon.mailbox.read_blob(piece.digest, piece.offset, length)
        self._pieces.popleft()
        if length < piece.size:
            self._pieces.appendleft(BlobPiece(piece.digest, piece.offset + length, piece.size - length))
        self._pieces.appendleft(memoryview(chunk))

    async def close(self) -> None:
        self._pieces.clear()
        self._exhausted = True
        if self._ahead is not None:
            self._ahead.cancel()
            await asyncio.gather(self._ahead, return_exceptions=True)  # a failure that nobody will hear of any more
            self._ahead = None


class PreparedSource(FastTransferSource):
    """A download whose stream is known from the start."""

    def __init__(self, logon: Logon, stream: bytes) -> None:
        super().__init__(logon)
        self._add([stream])
        self._exhausted = True

    @property
    def final_steps(self) -> int:
        return 0  # as Exchange reports for a transfer state

    async def _next_batch(self) -> Sequence[Piece] | None:
        return None
