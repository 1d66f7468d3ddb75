"""One large attachment by FastTransfer, down and up, against a server process that is watched."""

import os
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.table import Table

from benchmarks.client import Downloader, rop_buffer
from mapigw.wire import tags
from tests.outlook import rops
from tests.outlook.emsmdb import execute_body, frame, rop_payload
from tests.outlook.server import Server, add_user

PART = 0x7800
ADDRESS = "attachments@bm.lan"
_COPY_TO = 0x4D
_DESTINATION_CONFIGURE = 0x53
_PUT_BUFFER = 0x54
_CREATE_MESSAGE = 0x06
_SAVE_CHANGES_MESSAGE = 0x0C
_OPEN_MESSAGE = 0x03
_NEW_ATTACH, _END_ATTACH = 0x40000003, 0x400E0003
_PART_OF_ANSWER = struct.Struct("<HHHBH")


class Transfer:
    """One session that uploads an attachment into a new message and downloads it again."""

    def __init__(self, server: Server) -> None:
        self._downloader = Downloader(server.url, ADDRESS)
        self._inbox = self._downloader.folder_id("Inbox")
        self._handles = [self._downloader.logon, *[rops.NO_HANDLE] * 3]
        self.message_id = b""

    def close(self) -> None:
        self._downloader.close()

    def _send(self, *requests: bytes) -> bytes:
        """The responses of ROPs that are built here; the handle table is kept."""
        asked = struct.pack("<H", 2 + sum(map(len, requests))) + b"".join(requests)
        asked += struct.pack(f"<{len(self._handles)}I", *self._handles)
        answer, self._handles = rop_buffer(self._downloader.post(execute_body(frame(asked))))
        return answer

    def upload(self, parts: Iterator[bytes], size: int) -> None:
        """A message with one attachment; saved when this returns."""
        folder = struct.pack("<Q", self._inbox)
        answer = self._send(
            bytes((_CREATE_MESSAGE, 0, 0, 1)) + b"\xff\x0f" + folder + b"\0",
            bytes((_DESTINATION_CONFIGURE, 0, 1, 2, 1, 0)),
        )
        _succeeded(answer, _CREATE_MESSAGE, 0)
        head = struct.pack("<IIiIiII", _NEW_ATTACH, tags.PidTagAttachNumber, 0, tags.PidTagAttachMethod, 1,
                           tags.PidTagAttachDataBinary, size)  # fmt: skip
        self._put(head)
        for part in parts:
            self._put(part)
        self._put(struct.pack("<I", _END_ATTACH))
        answer = self._send(bytes((_SAVE_CHANGES_MESSAGE, 0, 1, 1, 0x0A)))
        _succeeded(answer, _SAVE_CHANGES_MESSAGE, 0)
        self.message_id = answer[7:15]

    def _put(self, part: bytes) -> None:
        answer = self._send(bytes((_PUT_BUFFER, 0, 2)) + struct.pack("<H", len(part)) + part)
        _succeeded(answer, _PUT_BUFFER, 0)

    def download(self) -> int:
        """Open the message and copy it; bytes of the stream."""
        folder = struct.pack("<Q", self._inbox)
        opening = bytes((_OPEN_MESSAGE, 0, 0, 1)) + b"\xff\x0f" + folder + b"\0" + self.message_id
        copying = bytes((_COPY_TO, 0, 1, 3, 0)) + struct.pack("<IBH", 0, 0x09, 0)
        _succeeded(self._send(opening, copying), _OPEN_MESSAGE, 0)
        received, status = 0, 1
        asked = execute_body(frame(rop_payload([rops.get_buffer(3)], self._handles)))
        while status == 1:
            answer, _ = rop_buffer(self._downloader.post(asked))
            _succeeded(answer, 0x4E, 0)
            status, _, _, _, size = _PART_OF_ANSWER.unpack_from(answer, 6)
            received += size
        return received


def _succeeded(answer: bytes, rop_id: int, start: int) -> None:
    code = int.from_bytes(answer[start + 2 : start + 6], "little")
    if answer[start] != rop_id or code:
        raise RuntimeError(f"ROP 0x{rop_id:02X}: 0x{code:08X}")


def _parts(size: int) -> Iterator[bytes]:
    block = os.urandom(PART)
    for start in range(0, size, PART):
        yield struct.pack("<Q", start) + block[: min(PART, size - start) - 8]


def measure_attachments(size: int) -> Table:
    """Upload and download, with the growth of the server's process."""
    with tempfile.TemporaryDirectory() as folder:
        add_user(Path(folder), ADDRESS, "secret")
        with Server(Path(folder), tls=False) as server:
            return _measure(server, size)


def _measure(server: Server, size: int) -> Table:
    small = Transfer(server)
    small.upload(_parts(PART * 4), PART * 4)  # what a process loads once
    small.download()
    small.close()
    transfer = Transfer(server)
    table = Table(
        "attachment", "MB", "seconds", "MB/s (wanted: 30 or more)", "growth of the server, MB (wanted: under 64)",
        "server CPU s", title="One attachment by FastTransfer",
    )  # fmt: skip

    def measured(name: str, action: Callable[[], object]) -> None:
        _forget_peak(server.pid)
        before, cpu, started = _peak(server.pid), server.cpu_seconds(), time.perf_counter()
        action()
        seconds = time.perf_counter() - started
        grown, spent = _peak(server.pid) - before, server.cpu_seconds() - cpu
        table.add_row(
            name, f"{size / 1e6:.0f}", f"{seconds:.2f}", f"{size / seconds / 1e6:.0f}", f"{grown:.1f}", f"{spent:.2f}"
        )

    measured("up", lambda: transfer.upload(_parts(size), size))
    received: list[int] = []
    measured("down", lambda: received.append(transfer.download()))
    if received[0] < size:
        raise RuntimeError(f"{received[0]} bytes came")
    transfer.close()
    return table


def _peak(pid: int) -> float:
    """The most memory of a process since `_forget_peak`, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def _forget_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")
