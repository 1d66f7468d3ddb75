"""The whole server: mail comes in by LMTP, what is submitted leaves, and the command line looks at the queue."""

import smtplib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.outlook.server import Server, add_user, command

MAIL = b"From: anna@far.example\r\nTo: far@far.example\r\nSubject: A subject\r\n\r\nThe text.\r\n"
SINK = """
import asyncio, sys
from aiosmtpd.smtp import SMTP

class Handler:
    async def handle_DATA(self, server, session, envelope):
        print(envelope.mail_from, *envelope.rcpt_tos, flush=True)
        return "250 OK"

async def main():
    loop = asyncio.get_running_loop()
    port = int(sys.argv[1])
    server = await loop.create_server(lambda: SMTP(Handler(), hostname="sink", loop=loop), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class Sink:
    """An SMTP server in a process of its own."""

    def __init__(self, port: int = 0) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", SINK, str(port)], stdout=subprocess.PIPE, text=True)
        self.port = int(self.line())

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    add_user(folder, "tom@bm.lan", "secret")
    done = command(folder, "contact", "add", "far@far.example", "--domain", "bm.lan")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def socket_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s")


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def deliver(path: Path, *recipients: str) -> None:
    with smtplib.LMTP(str(path)) as client:
        client.sendmail("anna@far.example", list(recipients), MAIL)


def test_mail_is_taken_and_what_cannot_leave_waits_in_the_queue(data: Path, socket_folder: Path) -> None:
    sink = Sink()
    sink.stop()  # nobody answers there now
    path = socket_folder / "lmtp"
    with Server(data, tls=False, options=["--lmtp", str(path), "--relay", f"127.0.0.1:{sink.port}"]) as server:
        until(lambda: f"Taking mail on {path}\n" in server.output)
        deliver(path, "tom@bm.lan")
        deliver(path, "far@far.example")

        def tried() -> bool:
            return "4.4.1" in command(data, "queue", "show", "1").stdout

        until(tried)
        listed = command(data, "queue", "list").stdout
        assert "far@far.example" in listed
        assert "A subject" in listed
        assert "for the relay" in listed
        again = Sink(sink.port)
        try:
            done = command(data, "queue", "retry", "1")
            assert done.stdout == "1 entry is tried again.\n"
            assert again.line() == "anna@far.example far@far.example"
            until(lambda: "far@far.example" not in command(data, "queue", "list").stdout)
        finally:
            again.stop()
        assert server.tracebacks() == []
    stat = command(data, "mailbox", "stat", "tom@bm.lan")
    (line,) = [line for line in stat.stdout.splitlines() if "Inbox" in line]
    assert "1" in line.split("│")[2]


def test_entries_are_dropped_and_unknown_ones_named(data: Path, socket_folder: Path) -> None:
    path = socket_folder / "lmtp"
    with Server(data, tls=False, options=["--lmtp", str(path), "--relay", "127.0.0.1:1"]) as server:
        until(lambda: f"Taking mail on {path}\n" in server.output)
        deliver(path, "far@far.example")
    for action in ("show", "retry", "drop"):
        done = command(data, "queue", action, "77")
        assert (done.returncode, done.stderr) == (1, "mapigw: there is no entry 77\n")
    assert command(data, "queue", "drop", "1").stdout == "Dropped 1.\n"
    assert "far@far.example" not in command(data, "queue", "list").stdout


def test_an_address_that_is_taken_is_told(data: Path, socket_folder: Path) -> None:
    path = socket_folder / "lmtp"
    with Server(data, tls=False, options=["--lmtp", str(path)]) as server:
        until(lambda: f"Taking mail on {path}\n" in server.output)
        done = command(data, "serve", "--plain-http", "--listen", "127.0.0.1:0", "--lmtp", str(path))
        assert done.returncode == 1
        assert done.stderr.endswith(f"mapigw: {path}: something else listens there\n")
