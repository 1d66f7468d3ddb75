"""An online client against a server: many messages moved at once, and a large attachment by streams."""

import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.table import Table

from benchmarks.mail import write_mbox
from tests.outlook.online import MID, Item, Online
from tests.outlook.server import Server, add_user, import_mail

ADDRESS = "online@bm.lan"
SIZE = 10_000
MEGABYTE = 1 << 20


@contextmanager
def _growth(server: Server) -> Iterator[list[int]]:
    """Bytes by which the server process is larger than before, at most, while the block runs."""
    before = server.resident_bytes()
    found = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            found[0] = max(found[0], server.resident_bytes() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()


def measure_online(messages: int, attachment: int) -> Table:
    """``messages`` of 10 KB from one folder to another; an attachment of ``attachment`` bytes up and down."""
    table = Table("online", "seconds", "MB/s", "server grows by MB", title="Moving and streaming")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        add_user(data, ADDRESS, "secret")
        mbox = Path(folder) / "generated.mbox"
        write_mbox(mbox, messages, SIZE, seed=1)
        import_mail(data, ADDRESS, [mbox])
        with Server(data, tls=False) as server:
            client = Online(server.web(ADDRESS)).start()
            inbox, trash = client.special("Inbox"), client.special("Deleted Items")
            ids = [row[0] for row in client.rows(inbox, MID)]
            assert len(ids) == messages
            started = time.perf_counter()
            client.move(inbox, trash, ids)
            spent = time.perf_counter() - started
            table.add_row(f"{messages} messages moved (wanted: under 1 s)", f"{spent:.2f}", "", "")
            value = os.urandom(MEGABYTE) * (attachment // MEGABYTE)
            started = time.perf_counter()
            with _growth(server) as up:
                message_id = client.create(inbox, Item("large", attachments=(("large.bin", value),)))
            spent = time.perf_counter() - started
            name = f"{attachment // MEGABYTE} MB attachment"
            rate = attachment / spent / MEGABYTE
            table.add_row(f"{name} written", f"{spent:.2f}", f"{rate:.0f}", _megabytes(up))
            started = time.perf_counter()
            with _growth(server) as down:
                item = client.read(inbox, message_id)
            spent = time.perf_counter() - started
            assert item.attachments[0][1] == value
            rate = attachment / spent / MEGABYTE
            table.add_row(f"{name} read", f"{spent:.2f}", f"{rate:.0f}", _megabytes(down))
            client.stop()
    return table


def _megabytes(growth: list[int]) -> str:
    return f"{growth[0] / MEGABYTE:.1f} (wanted: under 10)"
