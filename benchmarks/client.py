"""A client that costs little: prepared request bytes on one socket, answers scanned for what the next request needs."""

import socket
import struct
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.outlook import rops
from tests.outlook.emsmdb import execute_body, frame, rop_payload
from tests.outlook.http import USER_AGENT, Web
from tests.outlook.profile import Profile
from tests.outlook.synchronization import CONTENTS_DOWNLOAD, Download, Folder, State, Synchronizer

_PENDING = 1


class Connection:
    """One keep-alive connection over plain HTTP."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._socket = socket.create_connection((parts.hostname, parts.port or 80))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(1 << 20)
        self.cookies: dict[bytes, bytes] = {}

    def close(self) -> None:
        self._socket.close()

    def post(self, head: bytes, body: bytes) -> bytes:
        """``head``: request line and headers without the cookies; the body of the answer."""
        cookies = b"; ".join(name + b"=" + value for name, value in self.cookies.items())
        cookie_line = b"Cookie: " + cookies + b"\r\n" if cookies else b""
        self._socket.sendall(head + cookie_line + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        view = memoryview(self._buffer)
        size = self._socket.recv_into(view)
        while (end := self._buffer.find(b"\r\n\r\n", 0, size)) < 0:
            size += self._more(view[size:])
        headers = bytes(view[:end])
        if not headers.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(headers.decode())
        self._take_cookies(headers)
        lowered = headers.lower()
        position = end + 4
        if (found := lowered.find(b"content-length: ")) >= 0:
            length = int(lowered[found + 16 :].split(b"\r\n", 1)[0])
            while size < position + length:
                size += self._more(view[size:])
            return bytes(view[position : position + length])
        parts: list[bytes] = []
        while True:
            while (line := self._buffer.find(b"\r\n", position, size)) < 0:
                size += self._more(view[size:])
            length = int(bytes(view[position:line]), 16)
            position = line + 2
            while size < position + length + 2:
                size += self._more(view[size:])
            if not length:
                return b"".join(parts)
            parts.append(bytes(view[position : position + length]))
            position += length + 2

    def _more(self, view: memoryview) -> int:
        count = self._socket.recv_into(view)
        if not count:
            raise ConnectionError("the server closed the connection")
        return count

    def _take_cookies(self, headers: bytes) -> None:
        position = headers.find(b"\r\nSet-Cookie: ")
        while position >= 0:
            end = headers.find(b";", position)
            line = headers.find(b"\r\n", position + 2)
            pair = headers[position + 14 : end if 0 <= end < line or line < 0 else line]
            name, _, value = pair.partition(b"=")
            self.cookies[name] = value
            position = headers.find(b"\r\nSet-Cookie: ", position + 14)


@dataclass
class Downloaded:
    """Bodies of all answers, in order, and what the stream had."""

    seconds: float
    stream_bytes: int
    bodies: list[bytes] = field(default_factory=list)
    requests: list[bytes] = field(default_factory=list)

    @property
    def body_bytes(self) -> int:
        return sum(len(body) for body in self.bodies)


def request_head(web: Web, url: str, request_type: str) -> bytes:
    """Request line and headers of a request to an endpoint, without the cookies."""
    path = urlsplit(url)
    return (
        f"POST {path.path}?{path.query} HTTP/1.1\r\nHost: {path.netloc}\r\nUser-Agent: {USER_AGENT}\r\n"
        f"Authorization: {web.authorization()}\r\nContent-Type: application/mapi-http\r\n"
        f"X-RequestType: {request_type}\r\nX-RequestId: {{00000000-0000-0000-0000-000000000001}}:1\r\n"
        "X-ClientInfo: {00000000-0000-0000-0000-000000000002}\r\nX-ClientApplication: Outlook/16.0.20228.20000\r\n"
    ).encode()


class Downloader:
    """Downloads folders of one mailbox over an own connection, in a session opened by the full client."""

    def __init__(self, url: str, address: str, password: str = "secret") -> None:
        self.web = Web(url, address, password)
        self.profile = Profile(self.web)
        self.profile.find()
        self.session, self.logon = self.profile.log_on()
        assert self.profile.account is not None
        assert self.profile.replicas is not None
        self.replicas = self.profile.replicas
        self._connection = Connection(url)
        self._connection.cookies = {n.encode(): v.encode() for n, v in self.session.http.cookies.items()}
        self.head = request_head(self.web, self.profile.account.mail_store_url, "Execute")

    def close(self) -> None:
        self.session.http.cookies = {n.decode(): v.decode() for n, v in self._connection.cookies.items()}
        self._connection.close()
        self.session.disconnect()

    def folder_id(self, name: str) -> int:
        return self.profile.special(name)

    def post(self, request: bytes) -> bytes:
        """The answer to an Execute body."""
        return self._connection.post(self.head, request)

    def first_request(self, folder_id: int, state: State, download: Download = CONTENTS_DOWNLOAD) -> bytes:
        """OpenFolder, Configure, the state, GetBuffer: one Execute."""
        upload = [rop for tag in download.state_tags for rop in rops.upload_state(2, tag, state.get(tag, b""))]
        configure = rops.synchronization_configure(
            1, 2, kind=download.kind, send_options=download.send_options, flags=download.flags,
            extra=download.extra, tags=download.excluded,
        )  # fmt: skip
        asked = [rops.open_folder(0, 1, folder_id), configure, *upload, rops.get_buffer(2)]
        return execute_body(frame(rop_payload(asked, [self.logon, rops.NO_HANDLE, rops.NO_HANDLE])))

    def download(self, folder_id: int, state: State | None = None) -> Downloaded:
        """One stream with Outlook's parameters, timed from its configuration to its last buffer."""
        connection, head = self._connection, self.head
        request = self.first_request(folder_id, state or {})
        found = Downloaded(0.0, 0)
        started = time.perf_counter()
        status = _PENDING
        while status == _PENDING:
            body = connection.post(head, request)
            found.bodies.append(body)
            found.requests.append(request)
            payload, handles = rop_buffer(body)
            status, size = _last_get_buffer(payload)
            found.stream_bytes += size
            if len(found.bodies) == 1:
                request = execute_body(frame(rop_payload([rops.get_buffer(2)], handles)))
                release = execute_body(frame(rop_payload([rops.release(2), rops.release(1)], handles)))
        found.seconds = time.perf_counter() - started
        if status != 3:
            raise RuntimeError(f"TransferStatus {status}")
        connection.post(head, release)
        return found

    def synchronized_state(self, folder_id: int) -> State:
        """The state after a full download, read by the strict client (on its own connection)."""
        self.session.http.cookies = {n.decode(): v.decode() for n, v in self._connection.cookies.items()}
        folder = Folder(folder_id, "measured")
        Synchronizer(self.session, self.logon, self.replicas).contents(folder)
        self._connection.cookies = {n.encode(): v.encode() for n, v in self.session.http.cookies.items()}
        return folder.state


def replay(url: str, head: bytes, requests: list[bytes]) -> float:
    """Seconds for the same requests against the server that only hands out stored answers, read as a download is."""
    connection = Connection(url)
    bodies: list[bytes] = []
    started = time.perf_counter()
    for request in requests:
        body = connection.post(head, request)
        bodies.append(body)
        _last_get_buffer(rop_buffer(body)[0])
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def rop_buffer(body: bytes) -> tuple[bytes, list[int]]:
    """ROP responses and handles of an Execute answer in one buffer."""
    start = body.index(b"\r\n\r\n", body.index(b"DONE\r\n")) + 4
    status, error, _flags, size = struct.unpack_from("<IIII", body, start)
    if status or error:
        raise RuntimeError(f"Execute: status {status}, error 0x{error:08X}")
    buffer = start + 16
    _, flags, length, actual = struct.unpack_from("<HHHH", body, buffer)
    if flags & 1 or length != actual or size != 8 + length:
        raise RuntimeError("a compressed or chained answer")
    rop_size = int.from_bytes(body[buffer + 8 : buffer + 10], "little")
    table = buffer + 8 + rop_size
    count = (buffer + 8 + length - table) // 4
    return body[buffer + 10 : table], list(struct.unpack_from(f"<{count}I", body, table))


def _last_get_buffer(responses: bytes) -> tuple[int, int]:
    """TransferStatus and size of the buffer that ends ``responses``; everything before it is small."""
    position = 0
    while position < len(responses):
        rop_id, value = responses[position], int.from_bytes(responses[position + 2 : position + 6], "little")
        if value:
            raise RuntimeError(f"ROP 0x{rop_id:02X}: 0x{value:08X}")
        if rop_id == 0x4E:
            status, _, _, _, size = struct.unpack_from("<HHHBH", responses, position + 6)
            return status, size
        position += 8 if rop_id == 0x02 else 6
    raise RuntimeError("no RopFastTransferSourceGetBuffer response")
