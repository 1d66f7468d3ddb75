"""Sessions that wait, as cheap as can be for the machine that plays them: one socket each, read when something came.

The moment at which an answer arrived is the kernel's, not that at which this process came round to reading it. The
sessions speak plain HTTP, as a reverse proxy on the same machine does.
"""

import resource
import selectors
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.client import request_head, rop_buffer
from mapigw.directory.model import User
from tests.outlook import rops
from tests.outlook.emsmdb import connect_body, execute_body, frame, rop_payload
from tests.outlook.http import Web
from tests.outlook.rops import Rop

OBJECT_MODIFIED = 0x0010
PASSWORD = "secret"
_EVENT_PENDING = bytes.fromhex("00000000 00000000 01000000")
_TIMESTAMPS = 35  # SO_TIMESTAMPNS, which the socket module does not name
_TIMESPEC = struct.Struct("@qq")


@dataclass(frozen=True, slots=True)
class Account:
    """What a session needs to know of its user, and the heads of its requests."""

    user: User
    url: str
    heads: dict[str, bytes]

    @classmethod
    def of(cls, url: str, user: User) -> "Account":
        web = Web(url, user.address, PASSWORD)
        store = f"{url}/mapi/emsmdb/?MailboxId={user.mailbox_guid}@{user.domain}"
        types = ("Connect", "Execute", "NotificationWait", "Disconnect")
        return cls(user, url, {name: request_head(web, store, name) for name in types})


class Context:
    """A session context, and the one connection that it uses."""

    def __init__(self, account: Account) -> None:
        parts = urlsplit(account.url)
        self.account = account
        self.socket = socket.create_connection((parts.hostname or "", parts.port or 80))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, _TIMESTAMPS, 1)
        self.socket.settimeout(60)
        self.cookies: dict[bytes, bytes] = {}
        self.arrived = 0.0
        """When the last bytes came, in seconds since 1970."""
        self._answer = b""
        self.post("Connect", connect_body(account.user.legacy_dn))
        self.handles = [rops.NO_HANDLE]
        self.execute([rops.logon(0, account.user.legacy_dn)])

    def open(self, rop: Rop) -> None:
        """Execute a ROP that opens something; it takes the next place in ``handles``."""
        self.handles.append(rops.NO_HANDLE)
        self.execute([rop])
        if self.handles[-1] == rops.NO_HANDLE:
            raise RuntimeError(f"Rop{rop.name} opened nothing")

    def execute(self, asked: Sequence[Rop]) -> bytes:
        """The responses of ROPs, notifications behind them; a failure is for the caller to see."""
        responses, self.handles = rop_buffer(self.post("Execute", self.body(asked)))
        return responses

    def body(self, asked: Sequence[Rop]) -> bytes:
        return execute_body(frame(rop_payload(asked, self.handles)))

    def post(self, request_type: str, body: bytes) -> bytes:
        """The whole answer to a request: its header and its body as they came."""
        self.send(request_type, body)
        while not self.receive():
            pass
        return self.answer()

    def send(self, request_type: str, body: bytes) -> None:
        self._answer = b""
        cookies = b"; ".join(name + b"=" + value for name, value in self.cookies.items())
        head = self.account.heads[request_type]
        self.socket.sendall(b"%sCookie: %s\r\nContent-Length: %d\r\n\r\n%s" % (head, cookies, len(body), body))

    def receive(self) -> bool:
        """Read what has come; whether the answer is complete."""
        data, ancillary, _, _ = self.socket.recvmsg(0x10000, 64)
        if not data:
            raise RuntimeError(f"the connection was closed after {self._answer!r}")
        seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])
        self.arrived = seconds + nanoseconds / 1e9
        self._answer += data
        return self._answer.endswith(b"\r\n0\r\n\r\n")

    def answer(self) -> bytes:
        answer = self._answer
        if not answer.startswith(b"HTTP/1.1 200") or b"X-ResponseCode: 0\r\n" not in answer:
            raise RuntimeError(answer.decode("latin-1"))
        for line in answer[: answer.index(b"\r\n\r\n")].split(b"\r\n"):
            if line.startswith(b"Set-Cookie: "):
                name, _, value = line[12:].partition(b";")[0].partition(b"=")
                self.cookies[name] = value
        return answer

    def wait(self) -> None:
        self.send("NotificationWait", bytes(8))

    def is_told(self) -> bool:
        """Whether the answer to a NotificationWait says that there is something."""
        return _EVENT_PENDING in self.answer()


def subscribed(account: Account) -> Context:
    """A session that hears of what is modified in the whole store."""
    context = Context(account)
    context.open(rops.register_notification(0, 1, OBJECT_MODIFIED))
    return context


def waiting(account: Account) -> Context:
    """A `subscribed` session whose NotificationWait has begun."""
    context = subscribed(account)
    context.wait()
    while b"PROCESSING" not in context._answer:
        context.receive()
    return context


def ready(selector: selectors.BaseSelector, seconds: float) -> Iterator[Context]:
    """Those of the registered contexts that have something to read."""
    for key, _ in selector.select(max(0.0, seconds)):
        yield key.data


def allow_files(count: int) -> None:
    """As many open files as that, in this process and in those that it starts, if the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))
