"""Deliveries by LMTP: many on ten connections, one at a time, and a large message in and out."""

import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from rich.table import Table

from benchmarks.mail import Generator
from tests.outlook.server import Server, add_user

CONNECTIONS = 10
MESSAGE_SIZE = 25_000
MEGABYTE = 1 << 20

_SENDER = """
import socket, sys, time
from benchmarks.delivery import Client
from benchmarks.mail import Generator
port, seed, count, users = map(int, sys.argv[1:])
messages = list(Generator(seed).messages(count, {size}))
client = Client(port)
print("ready", flush=True)
sys.stdin.readline()
for number, message in enumerate(messages):
    client.deliver(message, f"u{{(seed + number) % users}}@bm.lan")
client.close()
"""


class Client:
    """One LMTP connection; a message is three round trips."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._file = self._socket.makefile("rb")
        self._reply()
        self._command(b"LHLO bench.example\r\n")

    def _reply(self) -> bytes:
        while True:
            line = self._file.readline()
            if line[3:4] != b"-":
                break
        if not line.startswith((b"2", b"3")):
            raise RuntimeError(line.decode())
        return line

    def _command(self, *lines: bytes) -> None:
        self._socket.sendall(b"".join(lines))
        for _ in lines:
            self._reply()

    def deliver(self, message: bytes, recipient: str) -> None:
        """Returns when the message is acknowledged."""
        rcpt = f"RCPT TO:<{recipient}>\r\n".encode()
        self._command(b"MAIL FROM:<bench@far.example>\r\n", rcpt, b"DATA\r\n")
        self._command(message.replace(b"\r\n.", b"\r\n..") + b".\r\n")

    def close(self) -> None:
        self._command(b"QUIT\r\n")
        self._file.close()
        self._socket.close()


@contextmanager
def _sink() -> Iterator[tuple[int, list[int]]]:
    """An SMTP server that counts the bytes it takes, in a thread; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    sizes: list[int] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as file:
                connection.sendall(b"220 sink\r\n")
                while line := file.readline():
                    if line.upper().startswith(b"DATA"):
                        connection.sendall(b"354 go\r\n")
                        size = 0
                        while (line := file.readline()) != b".\r\n":
                            size += len(line)
                        sizes.append(size)
                    connection.sendall(b"250 OK\r\n")

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1], sizes
    finally:
        listener.close()


def lmtp_port(server: Server) -> int:
    """Where a server that was started with ``--lmtp`` takes mail."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for line in server.output:
            if line.startswith("Taking mail on "):
                return int(line.rpartition(":")[2])
        time.sleep(0.01)
    raise RuntimeError("the server takes no mail")


def _storm(server: Server, count: int, users: int) -> float:
    """Seconds for ``count`` messages on `CONNECTIONS` connections; the senders are processes of their own."""
    each = count // CONNECTIONS
    port = lmtp_port(server)
    code = _SENDER.format(size=MESSAGE_SIZE)
    senders = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(port), str(seed), str(each), str(users)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in range(CONNECTIONS)
    ]
    for sender in senders:
        assert sender.stdout is not None
        sender.stdout.readline()
    started = time.perf_counter()
    for sender in senders:
        assert sender.stdin is not None
        sender.stdin.write("\n")
        sender.stdin.flush()
    for sender in senders:
        if sender.wait():
            raise RuntimeError("a sender failed")
    elapsed = time.perf_counter() - started
    for sender in senders:
        assert sender.stdin is not None
        assert sender.stdout is not None
        sender.stdin.close()
        sender.stdout.close()
    return elapsed


def _large_message(size: int) -> bytes:
    line = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\r\n"
    head = (
        b"From: bench@far.example\r\nTo: u0@bm.lan\r\nSubject: large\r\nMIME-Version: 1.0\r\n"
        b"Content-Type: application/octet-stream; name=large.bin\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; filename=large.bin\r\n\r\n"
    )
    return head + line * (size // len(line))


def measure_delivery(count: int, users: int = 20) -> Table:
    table = Table("delivery", "count", "value", title="Deliveries by LMTP, durable")
    with tempfile.TemporaryDirectory() as folder, _sink() as (sink, sizes):
        data = Path(folder)
        for number in range(users):
            add_user(data, f"u{number}@bm.lan", "secret")
        contact = [
            str(Path(sys.executable).with_name("mapigw")),
            "contact",
            "add",
            "far@far.example",
            "--domain",
            "bm.lan",
        ]
        subprocess.run([*contact, "--data", folder], check=True, capture_output=True)
        options = ["--lmtp", "127.0.0.1:0", "--relay", f"127.0.0.1:{sink}"]
        with Server(data, tls=False, options=options) as server:
            _storm(server, CONNECTIONS * 5, users)
            before = server.cpu_seconds()
            seconds = _storm(server, count, users)
            cpu = (server.cpu_seconds() - before) / count * 1e3
            table.add_row(f"{CONNECTIONS} connections, messages/s (wanted: 300)", str(count), f"{count / seconds:.0f}")
            table.add_row("server CPU ms each", "", f"{cpu:.2f}")
            client = Client(lmtp_port(server))
            waited = []
            for message in Generator(99).messages(100, MESSAGE_SIZE):
                started = time.perf_counter()
                client.deliver(message, "u0@bm.lan")
                waited.append((time.perf_counter() - started) * 1e3)
            table.add_row("one connection, ms (wanted: under 10)", "100", f"{median(waited):.1f}")
            resident = server.resident_bytes()
            large = _large_message(100 * MEGABYTE)
            started = time.perf_counter()
            with _peak(server) as peak:
                client.deliver(large, "u0@bm.lan")
            table.add_row("100 MB in, seconds", "1", f"{time.perf_counter() - started:.1f}")
            table.add_row("memory before, MB", "", f"{resident / MEGABYTE:.0f}")
            table.add_row("memory of 100 MB in, MB (wanted: under 150)", "", f"{peak[0] / MEGABYTE:.0f}")
            with _peak(server) as peak:
                client.deliver(large, "far@far.example")
                deadline = time.monotonic() + 120
                while not sizes and time.monotonic() < deadline:
                    time.sleep(0.05)
            table.add_row("memory of 100 MB out, MB (wanted: under 150)", "", f"{peak[0] / MEGABYTE:.0f}")
            table.add_row("bytes the relay got, MB", "", f"{sum(sizes) / MEGABYTE:.0f}")
            client.close()
    return table


@contextmanager
def _peak(server: Server) -> Iterator[list[int]]:
    """The largest number of bytes in RAM while the block runs."""
    found = [server.resident_bytes()]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.01):
            found[0] = max(found[0], server.resident_bytes())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()
