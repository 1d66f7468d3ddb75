"""A real server process for the simulated Outlook: started, fed by the command line, stopped."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests.outlook.http import Web

PROGRAM = Path(sys.executable).with_name("mapigw")
_TICKS = os.sysconf("SC_CLK_TCK")


def command(data: Path, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """One run of the command line on the data folder; its exit status is the caller's to check."""
    return subprocess.run(
        [PROGRAM, *arguments, "--data", str(data)], input=text, text=True, capture_output=True, check=False, timeout=300
    )


def add_user(data: Path, address: str, password: str, display_name: str = "") -> None:
    done = command(
        data, "user", "add", address, "--password-stdin", "--display-name", display_name, text=password + "\n"
    )
    assert done.returncode == 0, done.stderr


def import_mail(data: Path, address: str, paths: Sequence[Path], folder: str | None = None) -> int:
    """``mapigw mailbox import``; the exit status (3: some messages could not be read)."""
    options = ["--folder", folder] if folder else []
    done = command(data, "mailbox", "import", address, *map(str, paths), *options)
    assert done.returncode in (0, 3), f"{done.returncode}: {done.stdout} {done.stderr}"
    return done.returncode


class Server:
    """``mapigw serve`` on a free port of the loopback interface, until the context ends."""

    def __init__(
        self, data: Path, *, tls: bool = True, options: Sequence[str] = (), program: Sequence[str] = (str(PROGRAM),)
    ) -> None:
        self.data = data
        self.program = list(program)
        self.tls = tls
        self.options = list(options)
        self.url = ""
        self.output: list[str] = []
        self._webs: list[Web] = []

    def __enter__(self) -> "Server":
        arguments = [*self.program, "serve", "--data", str(self.data), "--listen", "127.0.0.1:0", *self.options]
        if not self.tls:
            arguments.append("--plain-http")
        self._process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self._listening = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._listening.wait(30) or not self.url:
            self._stop(signal.SIGKILL)
            raise RuntimeError("the server did not start:\n" + "".join(self.output))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for web in self._webs:
            web.close()
        status = self._stop(signal.SIGTERM)
        if kind is None:
            assert status == 0, f"exit status {status}:\n" + "".join(self.output[-40:])

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output.append(line)
            if line.startswith("Listening on "):
                self.url = line.split()[-1].rstrip("/")
                self._listening.set()
        self._listening.set()

    def _stop(self, number: signal.Signals) -> int:
        self._process.send_signal(number)
        status = self._process.wait(30)
        self._reader.join(5)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status

    def web(self, address: str, password: str = "secret") -> Web:
        """A client's connection, closed at the end if not before."""
        web = Web(self.url, address, password, insecure=True)
        self._webs.append(web)
        return web

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu_seconds(self) -> float:
        """User and system time of the server process so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_bytes(self) -> int:
        """Memory of the server process that is in RAM."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    def tracebacks(self) -> list[str]:
        """Lines of the server's output that begin a Python traceback."""
        time.sleep(0.05)
        return [line for line in self.output if line.startswith("Traceback")]
