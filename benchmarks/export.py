"""Messages to Internet mail, in this process: how fast, and in how much memory."""

import asyncio
import gc
import os
import tempfile
import time
from pathlib import Path
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from benchmarks.mail import Generator
from mapigw.mail.export.addressing import Addressing
from mapigw.mail.export.composing import ExportOptions
from mapigw.mail.export.outgoing import compose, internet_message, write
from mapigw.mail.mime import message_from_mime
from mapigw.mailbox.content import BlobValue
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.provision import create_mailbox
from mapigw.store.database import Database
from mapigw.store.spool import CHUNK, Spool
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message
from mapigw.wire.properties import PropertyType

MEGABYTE = 1_000_000


def measure_export(size: int, small: int) -> Table:
    """A message of ``size`` bytes out of a mailbox, and ``small`` messages of a few KB."""
    table = Table("MAPI to MIME", "size", "seconds", "rate", "memory", "wanted", title="Writing mail")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_large(Path(folder), size, table))
    for length in (1500, 5000, 25_000):
        _small(length, small, table)
    return table


async def _large(folder: Path, size: int, table: Table) -> None:
    database = await Database.open(folder / "data")
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, uuid4())
    mailbox = await Mailboxes(database).open(mailbox_id)
    await _export(mailbox, Message({tags.PidTagBody: "text"}), ExportOptions())  # imports, first use
    line = (b"x" * 78 + b"\r\n") * 1000
    for name, tag, piece in (
        ("attachment", tags.PidTagAttachDataBinary, os.urandom(80_000)),
        ("plain text", tags.PidTagBody, line.decode().encode("utf-16-le")),
        ("HTML", tags.PidTagHtml, line),
    ):
        value = _stored(database, piece, size, tag & 0xFFFF)
        if tag == tags.PidTagAttachDataBinary:
            file = Attachment({tags.PidTagAttachMethod: 1, tags.PidTagAttachLongFilename: "a.bin", tag: value})
            message = Message({tags.PidTagBody: "text"}, attachments=[file])
        else:
            message = Message({tag: value, tags.PidTagNativeBody: 3 if tag == tags.PidTagHtml else 1})
        await _row(table, name, mailbox, message, ExportOptions())
    original = BlobValue(_stored(database, line, size, PropertyType.BINARY, b"Message-ID: <1@x>\r\n\r\n").digest, 0, 0)
    await _row(table, "as it came", mailbox, Message({tags.PidTagBody: "text"}), ExportOptions(), original)
    await database.close()


def _stored(database: Database, piece: bytes, size: int, kind: int, head: bytes = b"") -> BlobValue:
    spool = Spool(database.blobs)
    spool.write(0, head)
    while spool.size < size:
        spool.write(spool.size, (piece * (CHUNK // len(piece) + 1))[: min(CHUNK, size - spool.size)])
    written = spool.size
    return BlobValue(spool.keep(), written, kind)


async def _row(
    table: Table, name: str, mailbox: Mailbox, message: Message, options: ExportOptions, mime: BlobValue | None = None
) -> None:
    gc.collect()
    before = _peak(reset=True)
    started = time.perf_counter()
    written = await _export(mailbox, message, options, mime)
    seconds = time.perf_counter() - started
    table.add_row(
        name,
        f"{written / MEGABYTE:.0f} MB",
        f"{seconds:.2f}",
        f"{written / MEGABYTE / seconds:.0f} MB/s",
        f"+{(_peak() - before) / 1024:.0f} MB",
        "20 MB/s, 150 MB",
    )


async def _export(mailbox: Mailbox, message: Message, options: ExportOptions, mime: BlobValue | None = None) -> int:
    inbox = await mailbox.special_folder("inbox")
    (message_id,) = await mailbox.append(inbox.folder_id, [NewMessage(message, mime=mime)])
    async with await internet_message(mailbox, message_id, options=options) as found:
        return found.size


def _small(length: int, count: int, table: Table) -> None:
    messages = [message_from_mime(raw) for raw in Generator(seed=length).messages(count, length)]
    parts: list[bytes] = []
    gc.collect()
    started = time.process_time()
    for message in messages:
        parts.clear()
        write(compose(message, Addressing(), None, ExportOptions()), parts.append)
    seconds = time.process_time() - started
    table.add_row(
        "small messages", f"{length / 1000:.1f} KB", f"{seconds:.2f}", f"{count / seconds:.0f}/s", "", "500/s"
    )


def _peak(*, reset: bool = False) -> int:
    """The largest resident size since the last reset, in KB (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    Console(width=120).print(measure_export(100 * MEGABYTE, 1000))
