"""Stored messages as Internet mail: for the relay, for export, for whoever asks for RFC 5322 bytes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from secrets import token_hex
from types import TracebackType
from typing import Final

from mapigw.mail.export.addressing import Addressing, legacy_dns, needs_utf8_addresses
from mapigw.mail.export.composing import Composer, Composition, ExportOptions
from mapigw.mail.export.entities import Writer, is_eight_bit
from mapigw.mail.export.originals import Original, sendable
from mapigw.mail.export.reader import with_names
from mapigw.mailbox.content import DecodedMessage, decode_message
from mapigw.mailbox.mailboxes import Mailbox, NotFoundError
from mapigw.store.blobs import FolderBlobStore
from mapigw.store.messages import select_mime
from mapigw.store.spool import Spool
from mapigw.wire.message import Message

Resolver = Callable[[str], Awaitable[str | None]]
"""The primary SMTP address of a legacy DN, None for one that is not known."""

DEFAULT: Final = ExportOptions()
_BUFFER: Final = 1 << 18


class InternetMessage:
    """A message as RFC 5322 bytes, in memory when it is small and in a file of the data folder when it is not.

    Close it, or use it with ``async with``.
    """

    def __init__(self, spool: Spool, *, message_id: str, smtputf8: bool, eight_bit: bool) -> None:
        self._spool = spool
        self.message_id = message_id
        self.smtputf8 = smtputf8
        """Whether its header needs SMTPUTF8."""
        self.eight_bit = eight_bit
        """Whether it needs 8BITMIME."""

    @property
    def size(self) -> int:
        return self._spool.size

    def chunks(self) -> Iterator[bytes]:
        """Everything, a MiB at a time; blocks."""
        return self._spool.chunks()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = self.chunks()
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield chunk

    def read(self) -> bytes:
        """Everything at once; blocks."""
        return b"".join(self.chunks())

    def keep(self) -> bytes:
        """Make a durable blob of it, in whose place nothing is left; returns its digest. Blocks."""
        return self._spool.keep()

    def close(self) -> None:
        """Forget the bytes. Idempotent."""
        self._spool.close()

    async def __aenter__(self) -> "InternetMessage":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)


async def internet_message(
    mailbox: Mailbox,
    message: int | DecodedMessage,
    *,
    options: ExportOptions = DEFAULT,
    resolve: Resolver | None = None,
) -> InternetMessage:
    """The RFC 5322 bytes of a message: of a stored one by its id, or of what a client is about to send.

    Raises `NotFoundError`, `MissingBlobError` and, when what is stored is damaged, `WireError` or `struct.error`.
    """
    if isinstance(message, int):
        if options.original and options.tnef is None and (original := await original_of(mailbox, message)) is not None:
            found = await asyncio.to_thread(_as_it_came, mailbox.database.blobs, original, options)
            if found is not None:
                return found
        row = await mailbox.message(message)
        if row is None:
            raise NotFoundError("the message does not exist")
        message = await asyncio.to_thread(decode_message, row)
    named = with_names(message, await mailbox.property_names())
    return await compose_internet_message(mailbox.database.blobs, named, options=options, resolve=resolve)


async def original_of(mailbox: Mailbox, message_id: int) -> Original | None:
    """The Internet mail that a stored message came as, if it is not changed since."""
    async with mailbox.database.read() as connection:
        rows = await select_mime(connection, mailbox.mailbox_id, [message_id])
    return Original(rows[message_id], mailbox.database.blobs) if message_id in rows else None


def _as_it_came(blobs: FolderBlobStore, original: Original, options: ExportOptions) -> InternetMessage | None:
    found = sendable(original, options)
    if found is None:
        return None
    spool = _spooled(blobs, found.chunks())
    smtputf8 = not found.header.isascii()
    return InternetMessage(spool, message_id=found.message_id, smtputf8=smtputf8, eight_bit=found.eight_bit)


def _spooled(blobs: FolderBlobStore, chunks: Iterator[bytes]) -> Spool:
    output = _Output(blobs)
    try:
        for chunk in chunks:
            output.write(chunk)
        output.finish()
    except BaseException:
        output.spool.close()
        raise
    return output.spool


async def compose_internet_message(
    blobs: FolderBlobStore,
    message: Message,
    *,
    options: ExportOptions = DEFAULT,
    resolve: Resolver | None = None,
) -> InternetMessage:
    """The RFC 5322 bytes of a message that is in no mailbox, or not yet. Raises `MissingBlobError`."""
    smtp: dict[str, str] = {}
    if resolve is not None:
        for dn in await asyncio.to_thread(legacy_dns, message, blobs):
            if (found := await resolve(dn)) is not None:
                smtp[dn] = found
    return await asyncio.to_thread(_written, blobs, message, Addressing(smtp, options.domain), options)


def _written(
    blobs: FolderBlobStore, message: Message, addressing: Addressing, options: ExportOptions
) -> InternetMessage:
    composition = compose(message, addressing, blobs, options)
    output = _Output(blobs)
    try:
        write(composition, output.write)
        output.finish()
    except BaseException:
        output.spool.close()
        raise
    return InternetMessage(
        output.spool,
        message_id=composition.message_id,
        smtputf8=composition.smtputf8,
        eight_bit=is_eight_bit(composition.root),
    )


def compose(
    message: Message, addressing: Addressing, blobs: FolderBlobStore | None, options: ExportOptions
) -> Composition:
    """The parts of a message; RFC 6532 is used where it may be and an address needs it. Blocks."""
    utf8 = options.smtputf8 and needs_utf8_addresses(message, addressing, blobs)
    return Composer(options, addressing, blobs, utf8).compose(message)


def write(composition: Composition, sink: Callable[[bytes], object]) -> None:
    """Give the bytes of a message to ``sink``, piece by piece. Blocks."""
    Writer(sink, token_hex(16)).write(composition.root)


class _Output:
    """Gathers small pieces, and ends the message with a line break."""

    def __init__(self, blobs: FolderBlobStore) -> None:
        self.spool = Spool(blobs)
        self._pending: list[bytes] = []
        self._size = 0
        self._last = b""

    def write(self, data: bytes) -> None:
        if data:
            self._pending.append(data)
            self._size += len(data)
            self._last = data[-1:]
            if self._size >= _BUFFER:
                self._flush()

    def finish(self) -> None:
        if self._last != b"\n":
            self.write(b"\r\n")
        self._flush()

    def _flush(self) -> None:
        self.spool.write(self.spool.size, b"".join(self._pending))
        self._pending.clear()
        self._size = 0
