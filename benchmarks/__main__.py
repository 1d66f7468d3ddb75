"""python -m benchmarks: measures a server of its own and prints tables."""

import argparse
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.attachments import measure_attachments
from benchmarks.client import Downloaded, Downloader, replay
from benchmarks.delivery import measure_delivery
from benchmarks.deltas import measure_deltas
from benchmarks.export import measure_export
from benchmarks.mail import write_mbox
from benchmarks.mime import measure_mime
from benchmarks.notifications import measure_idle_sessions, measure_notifications
from benchmarks.nspi import measure_nspi
from benchmarks.oab import measure_oab
from benchmarks.online import measure_online
from benchmarks.search import measure_search
from benchmarks.tables import measure_tables
from tests.outlook.profile import Profile
from tests.outlook.server import Server, add_user, import_mail

console = Console()
MEASURES = (
    "download",
    "small",
    "open",
    "empty",
    "search",
    "tables",
    "deltas",
    "online",
    "attachments",
    "delivery",
    "mime",
    "export",
    "oab",
    "nspi",
    "notifications",
    "idle",
)


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    messages: int
    small: int
    few: int
    many: int
    attachment: int
    repetitions: int

    @classmethod
    def scaled(cls, scale: float) -> "Sizes":
        def of(number: int) -> int:
            return max(20, int(number * scale))

        return cls(of(2000), of(20_000), of(1000), of(100_000), of(150_000_000), 5)


def _fill(data: Path, address: str, count: int, size: int, seed: int) -> float:
    """A user with ``count`` generated messages in the Inbox; messages a second of the import."""
    add_user(data, address, "secret")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generated.mbox"
        write_mbox(path, count, size, seed)
        started = time.perf_counter()
        import_mail(data, address, [path])
        return count / (time.perf_counter() - started)


@contextmanager
def _ceiling(bodies: list[bytes]) -> Iterator[str]:
    with tempfile.NamedTemporaryFile(suffix=".pickle") as file:
        file.write(pickle.dumps(bodies))
        file.flush()
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.ceiling", file.name], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()
            process.wait(10)
            process.stdout.close()


def _download(server: Server, sizes: Sizes, imported: float) -> Table:
    """First download of 25 KB messages with Outlook's parameters against the ceiling, in turns."""
    ours: list[Downloaded] = []
    cpu: list[float] = []
    ceilings: list[float] = []
    for _ in range(sizes.repetitions):
        downloader = Downloader(server.url, "big@bm.lan")
        before = server.cpu_seconds()
        found = downloader.download(downloader.folder_id("Inbox"))
        cpu.append(server.cpu_seconds() - before)
        ours.append(found)
        downloader.close()
        with _ceiling(found.bodies) as url:
            replay(url, downloader.head, found.requests[:10])
            ceilings.append(replay(url, downloader.head, found.requests))
        del found.bodies[1:]
    total = ours[-1].stream_bytes
    mine, theirs = median(item.seconds for item in ours), median(ceilings)
    table = Table(
        "first download", "answers", "MB", "seconds", "MB/s", "server CPU s", title="Download against ceiling"
    )
    answers = str(len(ours[-1].requests))
    table.add_row(
        "mapigw", answers, f"{total / 1e6:.1f}", f"{mine:.3f}", f"{total / mine / 1e6:.0f}", f"{median(cpu):.2f}"
    )
    table.add_row("ceiling", answers, f"{total / 1e6:.1f}", f"{theirs:.3f}", f"{total / theirs / 1e6:.0f}", "")
    table.add_section()
    table.add_row("of the ceiling (wanted: 0.6 or more)", "", "", "", f"{theirs / mine:.2f}", "")
    each = median(cpu) / sizes.messages * 1e3
    table.add_row("server CPU ms of a message (wanted: 0.3 or less)", "", "", "", "", f"{each:.2f}")
    table.add_row("imported, messages/s (wanted: 300)", "", "", "", f"{imported:.0f}", "")
    return table


def _small(server: Server, sizes: Sizes, imported: float) -> Table:
    """20,000 messages whose MIME, and 20,000 whose stream has 2.7 KB."""
    columns = ("small messages", "count", "stream bytes each", "seconds", "server CPU µs each (wanted: 80)")
    table = Table(*columns, title="Small messages")
    for name, address in (("2.7 KB of MIME", "small@bm.lan"), ("2.7 KB of stream", "tiny@bm.lan")):
        costs, walls = [], []
        for _ in range(sizes.repetitions):
            downloader = Downloader(server.url, address)
            before = server.cpu_seconds()
            found = downloader.download(downloader.folder_id("Inbox"))
            costs.append((server.cpu_seconds() - before) / sizes.small * 1e6)
            walls.append(found.seconds)
            downloader.close()
        each = f"{found.stream_bytes / sizes.small:.0f}"
        table.add_row(name, str(sizes.small), each, f"{median(walls):.2f}", f"{median(costs):.1f}")
    table.add_row("imported, messages/s (wanted: 300)", "", "", "", f"{imported:.0f}")
    return table


def _open(server: Server, rounds: int = 100) -> Table:
    """Autodiscover to logon with remembered credentials, and without the refusals before them."""

    def one() -> tuple[float, int]:
        profile = Profile(server.web("big@bm.lan"))
        profile.find()
        session, _ = profile.log_on()
        counters = profile.web.counters
        spent = counters.seconds, counters.requests
        session.disconnect()
        return spent

    one()
    before = server.cpu_seconds()
    spent = [one() for _ in range(rounds)]
    cpu = (server.cpu_seconds() - before) / rounds
    table = Table(
        "opening a profile", "requests", "server CPU ms (wanted: under 15)", "waited ms", title="Opening a profile"
    )
    table.add_row(
        "Autodiscover to logon", str(spent[0][1]), f"{cpu * 1e3:.1f}", f"{median(s for s, _ in spent) * 1e3:.1f}"
    )
    return table


def _empty(server: Server, sizes: Sizes, imported: float, rounds: int = 200) -> Table:
    table = Table("folder of", "server CPU ms (wanted: under 5)", "waited ms", title="An empty second synchronization")
    costs = []
    for address, count in (("few@bm.lan", sizes.few), ("many@bm.lan", sizes.many)):
        downloader = Downloader(server.url, address)
        inbox = downloader.folder_id("Inbox")
        state = downloader.synchronized_state(inbox)
        if len(downloader.download(inbox, state).bodies) != 1:
            raise RuntimeError("the second synchronization is not empty")
        before = server.cpu_seconds()
        waited = [downloader.download(inbox, state).seconds for _ in range(rounds)]
        costs.append((server.cpu_seconds() - before) / rounds)
        table.add_row(f"{count} messages", f"{costs[-1] * 1e3:.2f}", f"{median(waited) * 1e3:.2f}")
        downloader.close()
    table.add_row("ratio (wanted: under 1.3)", f"{costs[1] / costs[0]:.2f}" if costs[0] else "-", "")
    table.add_row("imported, messages/s (wanted: 300)", "", f"{imported:.0f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="a fraction of the full sizes, for a quick look")
    parser.add_argument("--only", choices=MEASURES, action="append", help="one measure; may be repeated")
    arguments = parser.parse_args()
    sizes = Sizes.scaled(arguments.scale)
    wanted = arguments.only or MEASURES
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        rates: dict[str, float] = {}
        for name, address, count, size in (
            ("download", "big@bm.lan", sizes.messages, 25_000),
            ("small", "tiny@bm.lan", sizes.small, 450),
            ("small", "small@bm.lan", sizes.small, 2700),
            ("empty", "few@bm.lan", sizes.few, 1500),
            ("empty", "many@bm.lan", sizes.many, 1500),
        ):
            if name in wanted or (name == "download" and "open" in wanted):
                with console.status(f"importing {count} messages of {size} bytes"):
                    rates[name] = _fill(data, address, count, size, seed=count)
        with Server(data, tls=False) as server:
            measures: dict[str, Callable[[], Table]] = {
                "download": lambda: _download(server, sizes, rates["download"]),
                "small": lambda: _small(server, sizes, rates["small"]),
                "open": lambda: _open(server),
                "empty": lambda: _empty(server, sizes, rates["empty"]),
                "search": lambda: measure_search(sizes.many, sizes.messages * 2),
                "tables": lambda: measure_tables(sizes.many),
                "deltas": lambda: measure_deltas(sizes.many, sizes.few, sizes.few, sizes.many),
                "attachments": lambda: measure_attachments(sizes.attachment),
                "delivery": lambda: measure_delivery(sizes.messages),
                "mime": lambda: measure_mime(sizes.attachment * 2 // 3, sizes.few),
                "export": lambda: measure_export(sizes.attachment * 2 // 3, sizes.few),
                "online": lambda: measure_online(sizes.few, 100 << 20),
                "notifications": lambda: measure_notifications(sizes.few, sizes.few * 2),
                "idle": lambda: measure_idle_sessions(sizes.few * 10),
                "nspi": lambda: measure_nspi(sizes.many),
                "oab": lambda: measure_oab(sizes.many),
            }
            for name in wanted:
                with console.status(f"measuring: {name}"):
                    table = measures[name]()
                console.print(table)


if __name__ == "__main__":
    main()
