"""HTTP as Outlook speaks it (MS-OXCMAPIHTTP 2.2.2, 2.2.3): one keep-alive connection, cookies, framed bodies."""

import base64
import http.client
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from uuid import uuid4

from tests.outlook.reader import ViolationError

USER_AGENT = "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.20228; Pro)"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(slots=True)
class Counters:
    """What went over the wire."""

    requests: int = 0
    sent: int = 0
    received: int = 0
    seconds: float = 0.0


@dataclass
class Web:
    """One server address, the credentials for it, and the connection to it.

    Every URL goes to the host and port of ``url``, whatever name it carries, as a client does whose name resolution
    points there; the name travels in the Host header.
    """

    url: str
    address: str
    password: str
    insecure: bool = False
    counters: Counters = field(default_factory=Counters)
    _connection: http.client.HTTPConnection | None = None

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            parts = urlsplit(self.url)
            if parts.hostname is None:
                raise ValueError(f"{self.url} has no host name")
            if parts.scheme == "https":
                context = ssl.create_default_context()
                if self.insecure:
                    context.check_hostname = False
                    context.verify_mode = ssl.CERT_NONE
                port = parts.port or 443
                self._connection = http.client.HTTPSConnection(parts.hostname, port, timeout=120, context=context)
            else:
                self._connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=120)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def authorization(self) -> str:
        return "Basic " + base64.b64encode(f"{self.address}:{self.password}".encode()).decode()

    def send(
        self, method: str, url: str, body: bytes, headers: dict[str, str], *, authenticated: bool = True
    ) -> Answer:
        """One exchange. The target may be a path or a whole URL."""
        parts = urlsplit(url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        sent = {"Host": parts.netloc or urlsplit(self.url).netloc, "User-Agent": USER_AGENT, **headers}
        if authenticated:
            sent["Authorization"] = self.authorization()
        for attempt in (1, 2):
            reused = self._connection is not None
            connection = self._connect()
            started = time.perf_counter()
            try:
                connection.request(method, target, body, sent)
                response = connection.getresponse()
                answer = Answer(response.status, response.headers, response.read())
            except (http.client.BadStatusLine, ConnectionError):
                self.close()  # an idle connection may have been closed at the other end
                if not reused or attempt == 2:
                    raise
                continue
            self.counters.requests += 1
            self.counters.sent += len(body)
            self.counters.received += len(answer.body)
            self.counters.seconds += time.perf_counter() - started
            if answer.status >= 500:
                raise ViolationError("MS-OXCMAPIHTTP 2.2.2.2", f"{method} {target}: HTTP {answer.status}")
            return answer
        raise AssertionError


class ResponseCodeError(Exception):
    """X-ResponseCode other than 0 (MS-OXCMAPIHTTP 2.2.3.3.3)."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"X-ResponseCode {code}: {text}")
        self.code = code


class MapiHttp:
    """Requests to one MAPI/HTTP endpoint, with its session context's cookies."""

    def __init__(self, web: Web, url: str) -> None:
        self.web = web
        self.url = url
        self.cookies: dict[str, str] = {}
        self._group = str(uuid4()).upper()
        self._count = 0

    def challenge(self, request_type: str, body: bytes) -> None:
        """The first request goes without credentials and must be refused with Basic."""
        answer = self.web.send("POST", self.url, body, self._headers(request_type), authenticated=False)
        if answer.status != 401 or not answer.headers.get("WWW-Authenticate", "").lower().startswith("basic "):
            raise ViolationError(
                "MS-OXCMAPIHTTP 2.2.2.2",
                f"{request_type} without credentials: {answer.status} {answer.headers.get('WWW-Authenticate')}",
            )

    def _headers(self, request_type: str) -> dict[str, str]:
        self._count += 1
        headers = {
            "Content-Type": "application/mapi-http",
            "Accept": "application/mapi-http",
            "X-RequestType": request_type,
            "X-RequestId": f"{{{self._group}}}:{self._count}",
            "X-ClientInfo": f"{{{self._group}}}:{self._count:07d}{{Case}}",
            "X-ClientApplication": "Outlook/16.0.20228.20000",
        }
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return headers

    def request(self, request_type: str, body: bytes) -> bytes:
        """The response body. Raises `ResponseCodeError`, and `ViolationError` for all that is malformed."""
        headers = self._headers(request_type)
        answer = self.web.send("POST", self.url, body, headers)

        def fail(section: str, text: str) -> ViolationError:
            return ViolationError(f"MS-OXCMAPIHTTP {section}", f"{request_type}: {text}")

        if answer.status != 200:
            raise fail("2.2.2.2", f"HTTP {answer.status}")
        sent_cookies = self._take_cookies(answer)
        code = answer.headers.get("X-ResponseCode", "")
        if not code.isdigit():
            raise fail("2.2.3.3.3", f"X-ResponseCode {code!r}")
        if int(code):
            raise ResponseCodeError(int(code), answer.body.decode("utf-8", "replace")[:200])
        for name in ("X-RequestType", "X-RequestId", "X-ClientInfo"):
            if answer.headers.get(name) != headers[name]:
                raise fail("2.2.2.2", f"{name} {answer.headers.get(name)!r} is not {headers[name]!r}")
        if answer.headers.get_content_type() != "application/mapi-http":
            raise fail("2.2.3.2.2", f"Content-Type {answer.headers.get('Content-Type')}")
        if not re.fullmatch(r"Exchange/15\.\d\d\.\d{4}\.\d{3}", answer.headers.get("X-ServerApplication", "")):
            raise fail("2.2.3.3.9", f"X-ServerApplication {answer.headers.get('X-ServerApplication')!r}")
        for name, section in (("X-PendingPeriod", "2.2.3.3.5"), ("X-ExpirationInfo", "2.2.3.3.10")):
            if not answer.headers.get(name, "").isdigit():
                raise fail(section, f"{name} {answer.headers.get(name)!r}")
        if request_type == "Execute" and not sent_cookies:
            raise fail("3.2.5.2", "no session context cookie")
        return _framed(answer.body, fail)

    def _take_cookies(self, answer: Answer) -> dict[str, str]:
        found = {}
        for line in answer.headers.get_all("Set-Cookie", []):
            name, _, value = line.split(";")[0].strip().partition("=")
            found[name] = value
        self.cookies.update(found)
        return found


def _framed(body: bytes, fail: Callable[[str, str], ViolationError]) -> bytes:
    """PROCESSING, PENDING…, DONE, additional headers, blank line, payload (2.2.2.2, 2.2.7)."""
    lines: list[bytes] = []
    position = 0
    while not lines or lines[-1] != b"DONE":
        end = body.find(b"\r\n", position)
        if end < 0:
            raise fail("2.2.7", f"no DONE in {body[:40]!r}")
        lines.append(body[position:end])
        position = end + 2
    if lines[0] != b"PROCESSING" or any(line != b"PENDING" for line in lines[1:-1]):
        raise fail("2.2.7", f"meta-tags {lines!r}")
    end = body.find(b"\r\n\r\n", position)
    if end < 0:
        raise fail("2.2.2.2", "no blank line after the additional headers")
    names = {line.split(b":")[0].lower() for line in body[position:end].split(b"\r\n")}
    for name in (b"x-elapsedtime", b"x-starttime"):
        if name not in names:
            raise fail("2.2.2.2", f"{name.decode()} is missing among {names}")
    return body[end + 4 :]
