"""A real server process over TLS: logins, logs, signals."""

import asyncio
import http.client
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from mapigw.directory.directory import Directory
from mapigw.server.tls import self_signed_certificate
from mapigw.store.database import Database
from mapigw.wire.mapihttp import CONNECT_REQUEST
from tests.server.test_metrics import samples, value

PROGRAM = Path(sys.executable).with_name("mapigw")
LOGIN = {"Authorization": "Basic " + b64encode(b"Tom@bm.lan:secret").decode()}
SHUTTING_DOWN = 18  # MS-OXCMAPIHTTP 2.2.3.3.3

Answer = tuple[int, http.client.HTTPMessage, bytes]


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Server:
    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        with (data / "stderr").open("wb") as stderr:
            self.process = subprocess.Popen(
                [PROGRAM, "serve", "--data", data, "--listen", "127.0.0.1:0", *options],
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        assert self.process.stdout
        self.url = self.process.stdout.readline().removeprefix("Listening on ").strip()
        if not self.url:
            self.wait()
            pytest.fail((data / "stderr").read_text())
        self.port = int(self.url.rpartition(":")[2])

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.data / "tls" / "certificate.pem"))

    def connection(self) -> http.client.HTTPConnection:
        if self.url.startswith("http:"):
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        return http.client.HTTPSConnection("localhost", self.port, timeout=20, context=self.trust())

    def ask(self, method: str, path: str, body: bytes = b"", *, headers: dict[str, str] | None = None) -> Answer:
        connection = self.connection()
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def access_log(self) -> list[str]:
        path = self.data / "log" / "access.log"
        return path.read_text().splitlines() if path.exists() else []

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        status = self.process.wait(20)
        assert self.process.stdout
        self.process.stdout.close()
        return status


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The LegacyDN of tom@bm.lan in the data folder that the servers are started on."""
    data = tmp_path_factory.getbasetemp() / "gateway"

    async def add() -> str:
        database = await Database.open(data)
        try:
            return (await Directory(database).add("tom@bm.lan", "secret", display_name="Tom")).legacy_dn
        finally:
            await database.close()

    return asyncio.run(add())


@pytest.fixture
def data(template: str, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    source = tmp_path_factory.getbasetemp() / "gateway"
    target = tmp_path / "data"
    target.mkdir()
    for name in ("mapigw.sqlite", "directory.stamp"):
        (target / name).write_bytes((source / name).read_bytes())
    return target


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    server = Server(data)
    yield server
    if server.process.poll() is None:
        assert server.stop() == 0
    assert "Traceback" not in (data / "stderr").read_text()


def mapi_headers(request_type: str, **more: str) -> dict[str, str]:
    return {
        **LOGIN,
        "Content-Type": "application/mapi-http",
        "X-RequestType": request_type,
        "X-RequestId": "{2EF33C39-49C8-421C-B876-CDF7F2AC3AA0}:1",
        "X-ClientInfo": "{2EF33C39-49C8-421C-B876-CDF7F2AC3AA0}",
        **more,
    }


def connect_body(legacy_dn: str) -> bytes:
    return CONNECT_REQUEST.build(
        {
            "user_dn": legacy_dn.encode(),
            "flags": 0,
            "default_code_page": 1252,
            "lcid_sort": 1033,
            "lcid_string": 1033,
            "auxiliary_buffer": b"",
        }
    )


LINE = re.compile(
    r'127\.0\.0\.1 - (?P<user>\S+) \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(?P<request>[^"]*)" '
    r'(?P<status>\d{3}) (?P<sent>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"\Z'
)


def test_the_login_dance_and_its_lines_in_the_access_log(server: Server) -> None:
    path = f"/mapi/nspi/?MailboxId={UUID(int=5)}@bm.lan"
    agent = "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.4266; Pro)"
    status, headers, body = server.ask("POST", path, headers={"User-Agent": agent})
    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="mapigw", charset="UTF-8"')
    ping = mapi_headers("PING", **{"User-Agent": agent})
    assert server.ask("POST", path, headers=ping)[0] == 200
    wrong = "Basic " + b64encode(b"tom@bm.lan:wrong").decode()
    assert server.ask("GET", "/Mapi/Emsmdb", headers={"Authorization": wrong})[0] == 401
    until(lambda: len(server.access_log()) == 3, seconds=1)
    lines = [LINE.fullmatch(line) for line in server.access_log()]
    assert [(line["user"], line["request"], line["status"]) for line in lines if line] == [
        ("-", f"POST {path} HTTP/1.1", "401"),
        ("tom@bm.lan", f"POST {path} HTTP/1.1", "200"),
        ("-", "GET /Mapi/Emsmdb HTTP/1.1", "401"),
    ]
    assert lines[0]
    assert (lines[0]["sent"], lines[0]["referer"], lines[0]["agent"]) == (str(len(body)), "-", agent)
    events = server.data / "log" / "events.jsonl"
    until(lambda: events.read_text().endswith("\n"), seconds=1)  # the files are flushed one by one
    everything = "".join(path.read_text() for path in (server.data / "log").iterdir())
    assert "wrong" not in everything
    assert "secret" not in everything
    [event] = [json.loads(line) for line in events.read_text().splitlines()]
    assert (event["event"], event["client"], event["path"]) == ("refused", "127.0.0.1", "/Mapi/Emsmdb")


def test_what_is_not_http_does_no_harm(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"200" not in plain.recv(100)
    with (
        socket.create_connection(("127.0.0.1", server.port)) as plain,
        server.trust().wrap_socket(plain, server_hostname="localhost") as encrypted,
    ):
        encrypted.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert b"400 Bad Request" in encrypted.recv(1000)
    assert server.ask("GET", "/")[0] == 200


def test_autodiscover_leads_back_here(server: Server) -> None:
    request = (
        '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>'
        "<EMailAddress>tom@bm.lan</EMailAddress><AcceptableResponseSchema>"
        "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>"
        "</Request></Autodiscover>"
    )
    headers = {**LOGIN, "X-MapiHttpCapability": "1", "Content-Type": "text/xml"}
    status, _, body = server.ask("POST", "/autodiscover/autodiscover.xml", request.encode(), headers=headers)
    assert status == 200
    assert f"https://localhost:{server.port}/mapi/emsmdb/?MailboxId=".encode() in body


def test_sigterm_tells_the_sessions(server: Server, template: str) -> None:
    status, headers, body = server.ask("POST", "/mapi/emsmdb", connect_body(template), headers=mapi_headers("Connect"))
    assert (status, headers["X-ResponseCode"]) == (200, "0"), body
    cookie = "; ".join(header.partition(";")[0] for header in headers.get_all("Set-Cookie", ()))
    waiting = server.connection()
    waiting.request("POST", "/mapi/emsmdb", bytes(8), mapi_headers("NotificationWait", Cookie=cookie))
    response = waiting.getresponse()
    assert response.read(len(b"PROCESSING\r\n")) == b"PROCESSING\r\n"
    server.process.send_signal(signal.SIGTERM)
    rest = response.read()
    assert f"X-ResponseCode: {SHUTTING_DOWN}".encode() in rest
    waiting.close()
    assert server.wait() == 0
    assert len(server.access_log()) == 2


def test_sighup_reopens_the_logs_and_takes_the_new_certificate(server: Server) -> None:
    server.ask("GET", "/")
    until(lambda: len(server.access_log()) == 1)
    folder = server.data / "log"
    (folder / "access.log").rename(folder / "access.log.1")
    previous = ssl.get_server_certificate(("localhost", server.port))
    for path in self_signed_certificate(server.data / "new", ["localhost"]):
        path.replace(server.data / "tls" / path.name)
    server.process.send_signal(signal.SIGHUP)
    until((folder / "access.log").exists)
    until(lambda: ssl.get_server_certificate(("localhost", server.port)) != previous)
    server.ask("GET", "/mapi")
    until(lambda: len(server.access_log()) == 1)
    assert '"GET /mapi HTTP/1.1" 404' in server.access_log()[0]
    assert '"GET / HTTP/1.1" 200' in (folder / "access.log.1").read_text()


def test_behind_a_proxy(data: Path) -> None:
    config = data / "mapigw.toml"
    config.write_text('trusted_proxies = ["127.0.0.1"]\nplain_http = true\n')
    server = Server(data, "--config", str(config))
    try:
        forwarded = {"X-Forwarded-For": "8.8.8.8, 192.168.61.133", "X-Forwarded-Proto": "https"}
        assert server.ask("GET", "/mapi/emsmdb", headers={**LOGIN, **forwarded})[0] == 200
    finally:
        assert server.stop() == 0
    assert server.access_log()[0].startswith("192.168.61.133 - tom@bm.lan [")


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--trace-user", "nobody@bm.lan"], 1, "there is no user nobody@bm.lan to trace"),
        (["--listen", "203.0.113.1:1"], 1, "cannot listen on 203.0.113.1:1: "),
        (["--listen", "nonsense:x"], 2, "option --listen: expected HOST:PORT"),
        (["--config", "/nowhere.toml"], 2, "/nowhere.toml: No such file or directory"),
        (["--bogus"], 2, "No such option"),
    ],
)
def test_what_keeps_it_from_starting_is_one_line(data: Path, options: list[str], status: int, message: str) -> None:
    done = subprocess.run(
        [PROGRAM, "serve", "--data", data, *options], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == status
    assert done.stderr.startswith(f"mapigw: {message}")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_a_second_server_cannot_take_the_port(server: Server) -> None:
    done = subprocess.run(
        [PROGRAM, "serve", "--data", server.data, "--listen", f"127.0.0.1:{server.port}"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        1,
        f"mapigw: cannot listen on 127.0.0.1:{server.port}: Address already in use\n",
    )


def test_metrics_tell_what_was_done(data: Path, template: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it never repeats the words of a client."""
    monkeypatch.setenv("MAPIGW_METRICS", "127.0.0.1:0")
    server = Server(data, "--plain-http")
    body = connect_body(template)
    assert (
        bytes.fromhex("0d0a0d0a 00000000 00000000")
        in server.ask("POST", "/mapi/emsmdb/", body, headers=mapi_headers("Connect"))[2]
    )
    server.ask("POST", "/mapi/emsmdb/", b"", headers=mapi_headers("Evil"))
    server.ask("POST", "/mapi/evil/", b"", headers=mapi_headers("Connect"))
    wrong = {**mapi_headers("Connect"), "Authorization": "Basic ZXZpbDpldmls"}
    assert server.ask("POST", "/mapi/emsmdb/", b"", headers=wrong)[0] == 401
    until(lambda: "metrics are at" in (server.data / "stderr").read_text())
    (port,) = re.findall(r"metrics are at http://127\.0\.0\.1:(\d+)/metrics", (server.data / "stderr").read_text())
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    assert "evil" not in text.lower()
    assert "tom@" not in text
    found = samples(text)
    connected = {"endpoint": "/mapi/emsmdb", "request_type": "Connect"}
    assert value(found, "mapigw_request_seconds_count", **connected) == 1
    assert value(found, "mapigw_received_bytes_total", **connected) == len(body)
    assert value(found, "mapigw_sessions", endpoint="/mapi/emsmdb") == 1
    assert value(found, "mapigw_sessions", endpoint="/mapi/nspi") == 0
    assert value(found, "mapigw_request_failures_total", endpoint="/mapi/emsmdb", code="InvalidRequestType") == 1
    assert value(found, "mapigw_refused_logins_total") == 1
    assert value(found, "mapigw_http_responses_total", status="404") == 1
    assert server.stop() == 0
