"""Internet mail to messages, in this process: how fast, in how much memory, and whether time grows with size alone."""

import asyncio
import base64
import gc
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from uuid import uuid4

from rich.console import Console
from rich.table import Table

from benchmarks.mail import Generator
from mapigw.mail.mime import message_from_mime
from mapigw.mail.receiving import received
from mapigw.mailbox.mailboxes import Mailboxes
from mapigw.mailbox.provision import create_mailbox
from mapigw.store.database import Database

MEGABYTE = 1_000_000
_HEAD = b"From: Tom <tom@bm.lan>\r\nTo: ann@bm.lan\r\nSubject: large\r\nMIME-Version: 1.0\r\n"


def measure_mime(size: int, small: int) -> Table:
    """A message of ``size`` bytes into a mailbox, and ``small`` messages of a few KB."""
    table = Table("MIME to MAPI", "size", "seconds", "rate", "memory", "wanted", title="Reading mail")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_large(Path(folder), size, table))
    _small(small, table)
    _growth(table)
    return table


async def _large(folder: Path, size: int, table: Table) -> None:
    database = await Database.open(folder / "data")
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, uuid4())
    mailbox = await Mailboxes(database).open(mailbox_id)
    inbox = await mailbox.special_folder("inbox")
    await mailbox.append(inbox.folder_id, [await received(database, _HEAD + b"\r\ntext")])  # imports, first use
    for name, head, line in (
        ("attachment in base64", _attachment("base64"), base64.encodebytes(os.urandom(57)) * 1000),
        ("attachment, quoted-printable", _attachment("quoted-printable"), (b"=E4" * 25 + b"=\r\n") * 1000),
        ("plain text", _HEAD + b"\r\n", (b"x" * 78 + b"\r\n") * 1000),
    ):
        path = folder / "message.eml"
        with path.open("wb") as file:
            file.write(head)
            for _ in range(size // len(line)):
                file.write(line)
        written = path.stat().st_size
        gc.collect()
        before = _peak(reset=True)
        started, cpu = time.perf_counter(), time.process_time()
        message = await received(database, path)
        parsed, parsed_cpu = time.perf_counter() - started, time.process_time() - cpu
        await mailbox.append(inbox.folder_id, [message])
        memory = f"+{(_peak() - before) / 1024:.0f} MB"
        table.add_row(
            name,
            f"{written / MEGABYTE:.0f} MB",
            f"{parsed:.2f} ({parsed_cpu:.2f} CPU)",
            f"{written / MEGABYTE / parsed:.0f} MB/s",
            memory,
            "20 MB/s, 150 MB",
        )
    await database.close()


def _attachment(encoding: str) -> bytes:
    return (
        _HEAD
        + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
        + f"Content-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n".encode()
    )


def _small(count: int, table: Table) -> None:
    for size in (1500, 5000, 25_000):
        messages = list(Generator(seed=size).messages(count, size))
        seconds = _timed(partial(_read_all, messages))
        table.add_row(
            "small messages", f"{size / 1000:.1f} KB", f"{seconds:.2f}", f"{count / seconds:.0f}/s", "", "500/s"
        )


def _read_all(messages: list[bytes]) -> None:
    for raw in messages:
        message_from_mime(raw)


# What grows without end in hostile mail, as a message with ``count`` of it.
_HOSTILE: dict[str, Callable[[int], bytes]] = {
    "recipients": lambda count: b"To: " + b", ".join(b"Name <u%d@x.lan>" % number for number in range(count)) + b"\n\n",
    "fields": lambda count: b"".join(b"X-%d: value\n" % number for number in range(count)) + b"\ntext",
    "parts": lambda count: b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\ntext\n" * count + b"--b--",
    "encoded words": lambda count: b"Subject: " + b"=?utf-8?q?word?= " * count + b"\n\n",
    "brackets": lambda count: b"To: " + b"(" * count * 10 + b"\n\n",
    "flowed lines": lambda count: b"Content-Type: text/plain; format=flowed\n\n" + b"> a \n" * count,
    "HTML references": lambda count: b"Content-Type: text/html\n\n" + b'<img src="cid:a">' * count,
}


def _growth(table: Table) -> None:
    """What twice as much of each costs: about twice the time."""
    for name, make in _HOSTILE.items():
        count = 2000
        while (seconds := _timed(partial(message_from_mime, make(count)))) < 0.05 and count < 500_000:
            count *= 2
        twice = _timed(partial(message_from_mime, make(2 * count)))
        table.add_row(
            f"{2 * count} {name}", "", f"{twice:.2f}", f"{twice / seconds:.1f} times of half as many", "", "2"
        )


def _timed(action: Callable[[], object]) -> float:
    gc.collect()
    started = time.process_time()
    action()
    return time.process_time() - started


def _peak(*, reset: bool = False) -> int:
    """The largest resident size since the last reset, in KB (Linux)."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


if __name__ == "__main__":
    Console().print(measure_mime(100 * MEGABYTE, 1000))
