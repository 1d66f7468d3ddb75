"""Stream objects: a property's value as bytes that are read and written in parts (MS-OXCPRPT 3.2.5.11 to 3.2.5.24).

A stream begins with the property's value and changes the property when it is committed or released (3.2.5.15). What is
large is never whole in memory: it is read from the blob store a part at a time, and written to a `Spool`.
"""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Folder, PropertyObject, ServerObject
from mapigw.mailbox.content import BlobValue
from mapigw.mailbox.folders import MAXIMUM_SIZE
from mapigw.store.spool import MEMORY_MAXIMUM, Spool
from mapigw.wire import code_pages
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import build_value
from mapigw.wire.properties import PropertyType

if TYPE_CHECKING:
    from mapigw.mailbox.mailboxes import Mailbox

STREAM_MAXIMUM: Final = 1 << 31  # bytes of a stream (2.2.19.2)
READ_AHEAD: Final = 1 << 18  # bytes that are read from the blob store at once
COPY_CHUNK: Final = 1 << 18
_NUL: Final = b"\0\0"

Convert = Callable[[Iterator[bytes]], Iterator[bytes]]


class Contents:
    """The bytes of a stream and of its clones: ``source``, until something is written."""

    def __init__(self, mailbox: Mailbox, source: bytes | BlobValue, size: int) -> None:
        self.size = size
        self.users = 1
        """The streams that show it."""
        self._mailbox = mailbox
        self._source = source
        self._spool: Spool | None = None
        self._start = 0  # where the part in memory begins
        self._part = source if isinstance(source, bytes) else b""

    async def read(self, position: int, count: int) -> bytes:
        """Up to ``count`` bytes. Raises `MissingBlobError`."""
        count = min(count, self.size - position)
        if count <= 0:
            return b""
        if self._spool is not None:
            return await asyncio.to_thread(self._spool.read, position, count)
        offset = position - self._start
        if isinstance(self._source, BlobValue) and not 0 <= offset <= len(self._part) - count:
            length = min(max(count, READ_AHEAD), self.size - position)
            self._part = await self._mailbox.read_blob(self._source.digest, position, length)
            self._start, offset = position, 0
        return self._part[offset : offset + count]

    async def write(self, position: int, data: bytes) -> None:
        await self._change(lambda spool: spool.write(position, data))

    async def resize(self, size: int) -> None:
        await self._change(lambda spool: spool.resize(size))

    async def convert(self, convert: Convert) -> None:
        """Replace the bytes by what ``convert`` makes of their chunks."""
        old = await self.spooled()
        self._spool = await asyncio.to_thread(old.converted, convert)
        self.size = self._spool.size
        old.close()

    async def _change(self, change: Callable[[Spool], None]) -> None:
        spool = await self.spooled()
        await asyncio.to_thread(change, spool)
        self.size = spool.size

    async def spooled(self) -> Spool:
        """The bytes as a spool, which they are from now on. Raises `MissingBlobError`."""
        if self._spool is None:
            spool = Spool(self._mailbox.database.blobs)
            source = self._source
            try:
                if isinstance(source, BlobValue):
                    await asyncio.to_thread(spool.load, source.digest, self.size)
                else:
                    await asyncio.to_thread(spool.write, 0, source[: self.size])
            except BaseException:
                spool.close()
                raise
            self._spool, self._source, self._part = spool, b"", b""
        return self._spool

    def kept(self, value: BlobValue) -> None:
        """The spool has become the blob ``value``, which begins with these bytes."""
        self._source, self._spool = value, None

    def close(self) -> None:
        """One stream less; the last one takes the bytes with it."""
        self.users -= 1
        if not self.users and self._spool is not None:
            self._spool.close()


class Stream(ServerObject):
    """A stream on the property ``tag`` of ``target``, its seek pointer at the beginning.

    ``tag`` has the type under which the value is stored; with ``narrow`` the bytes are text in the target's code page.
    """

    def __init__(
        self, target: PropertyObject, tag: int, contents: Contents, *, narrow: bool, writable: bool, dirty: bool = False
    ) -> None:
        super().__init__(target.logon)
        self.target = target
        self.contents = contents
        self.position = 0
        self.maximum = MAXIMUM_SIZE if isinstance(target, Folder) else STREAM_MAXIMUM
        self._tag = tag
        self._narrow = narrow
        self._writable = writable
        self._dirty = dirty
        if writable:
            target.streams.append(self)

    @property
    def size(self) -> int:
        return self.contents.size

    def clone(self) -> Stream:
        """Another stream on the same bytes, with a seek pointer of its own (3.2.5.24)."""
        clone = Stream(self.target, self._tag, self.contents, narrow=self._narrow, writable=self._writable)
        clone.position = self.position
        self.contents.users += 1
        return clone

    async def read(self, count: int) -> bytes:
        """Up to ``count`` bytes from the seek pointer, which moves behind them. Raises `MissingBlobError`."""
        data = await self.contents.read(self.position, count)
        self.position += len(data)
        return data

    async def write(self, data: bytes) -> None:
        """Write at the seek pointer, which moves behind the data. `RopError`; nothing is written then."""
        self._require_writable(self.position + len(data))
        if data:
            await self.contents.write(self.position, data)
            self.position += len(data)
            self._dirty = True

    async def resize(self, size: int) -> None:
        """Cut off, or fill up with zeros (3.2.5.17). `RopError`"""
        self._require_writable(size)
        await self.contents.resize(size)
        self._dirty = True

    async def seek(self, position: int) -> None:
        """Move the seek pointer; behind the end of what can be written there are zeros then (3.2.5.18). `RopError`"""
        if not 0 <= position <= STREAM_MAXIMUM or (position > self.size and not self._writable):
            raise RopError(ErrorCode.StreamSeekError)
        if position > self.size:
            await self.resize(position)
        self.position = position

    async def copy(self, destination: Stream, count: int) -> int:
        """Copy bytes between the seek pointers of two streams, which both move; returns how many (3.2.5.19).

        `RopError`; nothing is copied then. Raises `MissingBlobError`.
        """
        count = min(count, max(0, self.size - self.position))
        destination._require_writable(destination.position + count)
        rest = count
        while rest and (data := await self.read(min(rest, COPY_CHUNK))):
            await destination.write(data)
            rest -= len(data)
        return count - rest

    def _require_writable(self, size: int) -> None:
        if not self._writable:
            raise RopError(ErrorCode.StorageAccessDenied)
        if size > self.maximum:
            raise RopError(ErrorCode.TooBig)

    async def commit(self) -> None:
        """Make the bytes the property's value. `RopError` where it cannot have it."""
        if self._dirty:
            problems = await self.target.set_properties({self._tag: await self._value()})
            if problems:
                raise RopError(problems[0][1])
            self._dirty = False

    @property
    def is_small(self) -> bool:
        """Whether `commit` makes no blob."""
        return self.size <= MEMORY_MAXIMUM

    async def _value(self) -> Any:
        kind = self._tag & 0xFFFF
        text = kind == PropertyType.STRING
        if self.is_small:
            data = await self.contents.read(0, self.size)
            return self._decoded(data) if text else data
        if isinstance(self.target, Folder):
            data = await self.contents.read(0, self.size)
            return self._decoded(data) if text else data
        spool = await self.contents.spooled()
        if self._narrow:
            spool = await asyncio.to_thread(spool.converted, widening(self.target.code_page))
        blob = await asyncio.to_thread(_kept, spool, kind)
        if not self._narrow:
            self.contents.kept(blob)
            self.contents.size = blob.size - 2 if text else blob.size
        return blob

    def _decoded(self, data: bytes) -> str:
        value = code_pages.decode(data, self.target.code_page) if self._narrow else _text(data)
        return value.partition("\0")[0]  # where it would end in a row

    async def close(self) -> None:
        """A release commits, like RopCommitStream before it."""
        if self in self.target.streams:
            self.target.streams.remove(self)
        try:
            with suppress(RopError):  # a release has no answer
                await self.commit()
        finally:
            self.contents.close()


async def commit_streams(target: PropertyObject, *, only_small: bool = False) -> None:
    """What was written to a message or an attachment is its property's value at once (3.2.5.13). `RopError`

    With ``only_small`` what a row has no room for is left alone: it would be hashed again after each write.
    """
    if not isinstance(target, Folder):
        for stream in list(target.streams):
            if stream.is_small or not only_small:
                await stream.commit()


def _text(data: bytes) -> str:
    return data[: len(data) & ~1].decode("utf-16-le", "surrogatepass")


def _kept(spool: Spool, kind: int) -> BlobValue:
    """The spool as a blob; text gets its NUL, and only one."""
    if kind == PropertyType.STRING:
        spool.resize(_text_size(spool))
        spool.write(spool.size, _NUL)
    size = spool.size
    return BlobValue(spool.keep(), size, kind)


def _text_size(spool: Spool) -> int:
    """Bytes of the text without the NULs at its end."""
    end = spool.size & ~1
    while end:
        start = max(0, end - COPY_CHUNK)
        length = len(spool.read(start, end - start).rstrip(b"\0"))
        if length:
            return start + length + length % 2
        end = start
    return 0


def widening(code_page: int) -> Convert:
    """From a code page to Unicode."""
    return _recoding(code_pages.codec_name(code_page) or _DEFAULT_CODEC, "utf-16-le", "replace", "surrogatepass")


def narrowing(code_page: int) -> Convert:
    """From Unicode to a code page."""
    return _recoding("utf-16-le", code_pages.codec_name(code_page) or _DEFAULT_CODEC, "surrogatepass", "replace")


_DEFAULT_CODEC: Final = f"cp{code_pages.DEFAULT_CODE_PAGE}"


def _recoding(source: str, target: str, on_decode: str, on_encode: str) -> Convert:
    def convert(chunks: Iterator[bytes]) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(source)(on_decode)
        encoder = codecs.getincrementalencoder(target)(on_encode)
        for chunk in chunks:
            yield encoder.encode(decoder.decode(chunk))
        yield encoder.encode(decoder.decode(b"", final=True), final=True)

    return convert


async def contents_of(mailbox: Mailbox, kind: int, value: Any) -> Contents:
    """A stored value of a streamable type as a stream's bytes: text without its NUL."""
    nul = 2 if kind == PropertyType.STRING else 0
    if isinstance(value, BlobValue):
        return Contents(mailbox, value, value.size - nul)
    data = build_value(kind, value)
    return Contents(mailbox, data, len(data) - nul)
