"""Truncated, oversized, random and hostile bodies on every endpoint.

The answer is the protocol's own error, never a 500 and never a traceback (the package's server fixture looks for them
at its end), and every session goes on.
"""

import random
import socket
import ssl
import struct
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.outlook import rops
from tests.outlook.autodiscover import request_body
from tests.outlook.emsmdb import (
    ExecuteFailedError,
    RopFailedError,
    Session,
    connect_body,
    execute_body,
    frame,
    rop_payload,
)
from tests.outlook.http import Answer, MapiHttp, ResponseCodeError, Web
from tests.outlook.nspi import AddressBook, AddressBookError, Stat
from tests.outlook.profile import Profile
from tests.outlook.reader import ViolationError
from tests.outlook.rops import NO_HANDLE, Rop
from tests.outlook.server import Server

_HUGE = 0xFFFFFFF0
# MS-OXCDATA 2.4
NULL_OBJECT = 0x000004B9
RPC_FORMAT = 0x000004B6
RPC_FAILED = 0x80040115
NOT_SUPPORTED = 0x80040102
NOT_FOUND = 0x8004010F
INVALID_PARAMETER = 0x80070057


@pytest.fixture
def opened(server: Server, tom: Profile) -> Iterator[tuple[Session, int]]:
    """A session that must still work after the test, and its Logon."""
    profile = Profile(server.web("tom@bm.lan"), account=tom.account)
    session, logon = profile.log_on()
    yield session, logon
    assert session.call(rops.get_receive_folder(0, ""), [logon])[0] == tom.special("Inbox")
    session.disconnect()


@pytest.fixture
def bystander(server: Server, anna: Profile) -> Iterator[None]:
    """Another user's session, open all the while."""
    profile = Profile(server.web("anna@bm.lan"), account=anna.account)
    session, logon = profile.log_on()
    yield
    assert session.call(rops.get_receive_folder(0, ""), [logon])[0] == anna.special("Inbox")
    session.disconnect()


def _raw(session: Session, request_type: str, body: bytes) -> str | int:
    """What the server makes of a body (`Web.send` raises for a 5xx).

    "refused": by X-ResponseCode; else StatusCode or ErrorCode, else the ReturnValue of an Execute's first response.
    """
    try:
        answer = session.http.request(request_type, body)
    except ResponseCodeError:
        return "refused"
    status, error = struct.unpack_from("<II", answer)
    if status or error:
        return int(status or error)
    responses = answer[24:]
    return int.from_bytes(responses[4:8], "little") if responses[:2] != b"\2\0" else 0


def _rop(session: Session, logon: int, data: bytes) -> str | int:
    payload = struct.pack("<H", len(data) + 2) + data + struct.pack("<I", logon)
    return _raw(session, "Execute", execute_body(frame(payload)))


def _hostile_executes() -> dict[str, bytes]:
    logon = rops.logon(0, "/o=x").data
    good = execute_body(frame(rop_payload([rops.logon(0, "/o=x")], [NO_HANDLE])))
    payload = rop_payload([rops.logon(0, "/o=x")], [NO_HANDLE])
    return {
        "empty": b"",
        "half of it": good[: len(good) // 2],
        "RopBufferSize of 4 GiB": struct.pack("<II", 2, _HUGE) + good[8:],
        "auxiliary buffer of 4 GiB": good[:-4] + struct.pack("<I", _HUGE),
        "bytes after the end": good + b"x",
        "RPC_HEADER_EXT cut": execute_body(b"\0\0\4"),
        "Size beyond the buffer": execute_body(struct.pack("<HHHH", 0, 4, 0xFFFF, 0xFFFF) + payload),
        "Size below SizeActual": execute_body(struct.pack("<HHHH", 0, 4, 4, 0x7FFF) + payload[:4]),
        "version 1": execute_body(struct.pack("<HHHH", 1, 4, len(payload), len(payload)) + payload),
        "compressed garbage": execute_body(struct.pack("<HHHH", 0, 5, 6, 0xFFFF) + b"\xff\xff\xff\xff\xff\xff"),
        "compressed match before the start": execute_body(
            struct.pack("<HHHH", 0, 5, 8, 0x7000) + b"\xff\xff\xff\xff\xff\xff\xff\xff"
        ),
        "no last buffer": execute_body(frame(payload, 0)),
        "RopSize of 0": execute_body(frame(b"\0\0" + payload[2:])),
        "RopSize beyond the buffer": execute_body(frame(b"\xff\xff" + payload[2:])),
        "a handle table of three bytes": execute_body(frame(payload[:-1])),
        "ROP cut": execute_body(frame(struct.pack("<H", 8) + logon[:6] + bytes(4))),
        "unknown ROP": execute_body(frame(struct.pack("<H", 5) + b"\xfd\0\0" + bytes(4))),
    }


@pytest.mark.spec("MS-OXCROPS_R4551")
@pytest.mark.parametrize("what", _hostile_executes())
def test_hostile_execute(opened: tuple[Session, int], bystander: None, what: str) -> None:
    assert _raw(opened[0], "Execute", _hostile_executes()[what]) in ("refused", RPC_FORMAT, RPC_FAILED)


def _hostile_rops() -> dict[str, bytes]:
    nested = b"\x02" * 3000  # RES_NOT in RES_NOT in …
    wide = b"\x00" + struct.pack("<H", 0xFFFF)  # RES_AND of 65,535 that are not there

    def configure(restriction: bytes, tags: bytes = struct.pack("<H", 0)) -> bytes:
        return (
            struct.pack("<BBBBBBHH", 0x70, 0, 0, 1, 1, 0x1D, 0xA139, len(restriction))
            + restriction
            + struct.pack("<I", 0x0D)
            + tags
        )

    def restrict(data: bytes) -> bytes:
        return struct.pack("<BBBBH", 0x14, 0, 0, 0, len(data)) + data

    return {
        "GetPropertiesSpecific with 65,535 tags that are not there": struct.pack("<BBBHHH", 7, 0, 0, 0, 0, 0xFFFF),
        "SetProperties with a value longer than the buffer": struct.pack(
            "<BBBHHIH", 10, 0, 0, 8, 1, 0x7C040102, 0xFFFF
        ),
        "SetProperties with a count that is not there": struct.pack("<BBBHH", 10, 0, 0, 2, 0xFFFF),
        "GetPropertyIdsFromNames with names that are not there": struct.pack("<BBBBH", 0x56, 0, 0, 2, 0xFFFF),
        "GetPropertyIdsFromNames with a name of odd length": struct.pack("<BBBBHB16sB", 0x56, 0, 0, 2, 1, 1, b"", 3)
        + b"abc",
        "GetLocalReplicaIds of 4 GiB": struct.pack("<BBBI", 0x7F, 0, 0, _HUGE),
        "UploadStateStreamBegin of 4 GiB": struct.pack("<BBBII", 0x75, 0, 0, 0x67960102, _HUGE),
        "UploadStateStreamContinue of 4 GiB": struct.pack("<BBBI", 0x76, 0, 0, _HUGE) + b"x",
        "a restriction three thousand deep": configure(nested),
        "a restriction with 65,535 that are not there": configure(wide),
        "excluded tags that are not there": configure(b"", struct.pack("<H", 0xFFFF)),
        "Restrict three thousand deep": restrict(nested),
        "SetColumns with 65,535 tags that are not there": struct.pack("<BBBBH", 0x12, 0, 0, 0, 0xFFFF),
        "Logon with a name longer than the buffer": struct.pack("<BBBBIIH", 0xFE, 0, 0, 1, 0x2100040C, 0, 0xFFFF),
        "Logon with a name without NUL": struct.pack("<BBBBIIH", 0xFE, 0, 0, 1, 0x2100040C, 0, 4) + b"/o=x",
        "GetReceiveFolder without NUL": b"\x27\0\0" + b"A" * 300,
        "OpenFolder of an id of another replica": rops.open_folder(0, 0, 0xFFFFFFFFFFFFFFFF).data,
        "GetBuffer of a Logon": rops.get_buffer(0).data,
        "ReadStream of a Logon": rops.read_stream(0, 0xFFFF).data,
    }


@pytest.mark.parametrize("what", _hostile_rops())
def test_hostile_rop(opened: tuple[Session, int], bystander: None, what: str) -> None:
    session, logon = opened
    assert _rop(session, logon, _hostile_rops()[what]) in (RPC_FORMAT, INVALID_PARAMETER, NOT_SUPPORTED, NOT_FOUND)


@pytest.mark.spec("MS-OXCROPS_R4712")
@pytest.mark.parametrize("index", [1, 2, 0x7F, 0xFF])
def test_handle_indexes_out_of_range(opened: tuple[Session, int], index: int) -> None:
    session, logon = opened
    assert _rop(session, logon, rops.get_receive_folder(index, "").data) == NULL_OBJECT
    assert _rop(session, logon, rops.open_folder(index, index, 1).data) == NULL_OBJECT
    assert _rop(session, logon, rops.release(index).data) == 0
    for rop in (rops.open_folder(0, index, 1), rops.logon(index, "/o=x")):  # failed by what they ask for, too
        assert _rop(session, logon, rop.data)


@pytest.mark.spec("MS-OXCROPS_R4555")
def test_handles_that_never_were(opened: tuple[Session, int]) -> None:
    session, logon = opened
    for handle in {0, 0x7FFFFFFF, 0x12345678, NO_HANDLE} - {logon}:
        (result,) = session.execute([rops.get_receive_folder(0, "")], [handle]).results
        assert isinstance(result, RopFailedError)
        assert result.code == NULL_OBJECT


def test_a_malformed_state_spoils_its_context_only(opened: tuple[Session, int], tom: Profile) -> None:
    session, logon = opened
    folder = tom.special("Inbox")
    configure = rops.synchronization_configure(1, 2, kind=1, send_options=9, flags=0x39, extra=1, tags=())
    upload = rops.upload_state(2, 0x67960102, b"\xff" * 40)
    asked: list[Rop] = [rops.open_folder(0, 1, folder), configure, *upload, rops.get_buffer(2)]
    results = session.execute(asked, [logon, NO_HANDLE, NO_HANDLE]).results
    assert any(isinstance(result, RopFailedError) for result in results[2:])
    good = [rops.open_folder(0, 1, folder), configure, rops.get_buffer(2)]
    assert session.run(good, [logon, NO_HANDLE, NO_HANDLE]).results[-1].data


def test_unknown_synchronization_types_fail(opened: tuple[Session, int], tom: Profile) -> None:
    session, logon = opened
    for kind in (0, 3, 4, 0xFF):
        configure = rops.synchronization_configure(1, 2, kind=kind, send_options=9, flags=0x39, extra=1, tags=())
        results = session.execute(
            [rops.open_folder(0, 1, tom.special("Inbox")), configure], [logon, NO_HANDLE, NO_HANDLE]
        ).results
        assert isinstance(results[1], RopFailedError)


def test_random_rops(opened: tuple[Session, int], bystander: None) -> None:
    """Real requests with bytes changed, and noise."""
    session, logon = opened
    source = random.Random(20190506)
    seeds = [*_hostile_rops().values(), rops.get_buffer(0).data, rops.logon(0, "/o=x").data]
    for _ in range(150):
        data = bytearray(source.choice(seeds))
        for _ in range(source.randrange(1, 6)):
            data[source.randrange(len(data))] = source.randrange(256)
        if data[0] in (0x01, 0xFE):  # these would end the Logon that the test still needs
            continue
        _rop(session, logon, bytes(data))


def _post(server: Server, path: str, body: bytes, headers: dict[str, str] | None = None) -> Answer:
    """Raises for a 5xx."""
    return server.web("tom@bm.lan").send("POST", path, body, headers or {"Content-Type": "application/mapi-http"})


@pytest.mark.parametrize("path", ["/mapi/emsmdb/", "/mapi/nspi/"])
@pytest.mark.parametrize("request_type", ["Connect", "Execute", "Bind", "NotificationWait", "Nonsense", "", "X" * 4000])
def test_bodies_without_a_session(server: Server, path: str, request_type: str) -> None:
    for body in (b"", b"\0", b"\xff" * 100, b"A" * 5000, connect_body("/o=x")[:-1]):
        headers = {
            "Content-Type": "application/mapi-http",
            "X-RequestType": request_type,
            "X-RequestId": "{1}:1",
            "X-ClientInfo": "{1}:1",
        }
        answer = _post(server, path, body, headers)
        assert answer.status == 200
        assert b"Traceback" not in answer.body
        code = answer.headers.get("X-ResponseCode")
        if code == "0":
            assert struct.unpack_from("<II", answer.body, answer.body.index(b"\r\n\r\n") + 4) != (0, 0)


@pytest.mark.parametrize("path", ["/mapi/emsmdb/", "/mapi/nspi/"])
@pytest.mark.parametrize(
    "cookie", ["MapiContext=x", "MapiContext=" + "A" * 3000, "MapiSequence=;;;==", "\x01=\x02", "a"]
)
def test_cookies_that_no_server_gave(server: Server, path: str, cookie: str) -> None:
    headers = {
        "Content-Type": "application/mapi-http",
        "X-RequestType": "Execute",
        "X-RequestId": "{1}:1",
        "X-ClientInfo": "{1}:1",
        "Cookie": cookie,
    }
    answer = _post(server, path, execute_body(b""), headers)
    assert answer.status in (200, 400)
    assert answer.headers.get("X-ResponseCode") != "0"


def test_oversized_bodies(server: Server) -> None:
    big = b"\0" * (2 << 20)
    for path in ("/mapi/emsmdb/", "/mapi/nspi/", "/autodiscover/autodiscover.xml"):
        try:
            answer = _post(server, path, big)
        except (BrokenPipeError, ConnectionResetError):
            continue  # answered and closed before all of it was sent
        assert answer.status in (200, 413)
        assert answer.headers.get("X-ResponseCode") != "0"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<",
        b"\xff\xfe\0",
        b"<Autodiscover/>",
        b"<!DOCTYPE a [<!ENTITY b 'c'><!ENTITY d '&b;&b;'>]>" + request_body("&d;"),
        b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>" + request_body("&x;"),
        b"<a>" * 20000,
        request_body("tom@bm.lan")[:-10],
        request_body("x" * 50000 + "@bm.lan"),
        request_body(""),
        request_body("tom@bm.lan", "urn:no-such-schema"),
    ],
    ids=range(11),
)
def test_hostile_autodiscover(server: Server, body: bytes) -> None:
    answer = _post(server, "/autodiscover/autodiscover.xml", body, {"Content-Type": "text/xml"})
    assert answer.status in (200, 400)
    assert b"root:" not in answer.body
    if answer.status == 200:
        assert b"ErrorCode" in answer.body


def _hostile_address_book() -> dict[str, tuple[str, bytes]]:
    stat = b"\xff" + Stat().pack()
    flags = bytes(4)
    deep = b"\xff" + b"\x02" * 3000
    return {
        "QueryRows with an explicit table of 4 GiB": ("QueryRows", flags + stat + struct.pack("<I", _HUGE)),
        "QueryRows with columns of 4 GiB": (
            "QueryRows",
            flags + stat + struct.pack("<II", 0, 10) + b"\xff" + struct.pack("<I", _HUGE),
        ),
        "QueryRows of four billion rows": ("QueryRows", flags + stat + struct.pack("<II", 0, _HUGE) + b"\0" + flags),
        "QueryRows without STAT": ("QueryRows", flags + b"\0" + struct.pack("<II", 0, 10) + b"\0" + flags),
        "GetMatches three thousand deep": (
            "GetMatches",
            flags + stat + b"\0" + flags + deep + b"\0" + flags + b"\0" + flags,
        ),
        "DNToMId with names of 4 GiB": ("DNToMId", flags + b"\xff" + struct.pack("<I", _HUGE)),
        "DNToMId without NUL": ("DNToMId", flags + b"\xff" + struct.pack("<I", 1) + b"/o=x"),
        "ResolveNames with names of 4 GiB": ("ResolveNames", flags + stat + b"\0\xff" + struct.pack("<I", _HUGE)),
        "GetProps with tags of 4 GiB": ("GetProps", flags + stat + b"\xff" + struct.pack("<I", _HUGE)),
        "ResortRestriction of 4 GiB": ("ResortRestriction", flags + stat + b"\xff" + struct.pack("<I", _HUGE)),
        "SeekEntries with a value of an unknown type": (
            "SeekEntries",
            flags + stat + b"\xff" + b"\xff\x7f\1\x30" + flags,
        ),
        "STAT far away": (
            "UpdateStat",
            flags + b"\xff" + Stat(current_rec=_HUGE, delta=-0x7FFFFFFF, num_pos=_HUGE).pack() + b"\1" + flags,
        ),
        "auxiliary buffer of 4 GiB": ("GetSpecialTable", flags + stat + b"\0" + struct.pack("<I", _HUGE)),
        "nothing": ("CompareMIds", b""),
    }


@pytest.mark.parametrize("what", _hostile_address_book())
def test_hostile_address_book(server: Server, tom: Profile, what: str) -> None:
    assert tom.account is not None
    book = AddressBook(MapiHttp(server.web("tom@bm.lan"), tom.account.address_book_url))
    book.bind()
    request_type, body = _hostile_address_book()[what]
    try:
        answer = book.http.request(request_type, body)
        assert len(answer) >= 8
    except ResponseCodeError:
        pass
    assert book.dn_to_mid([tom.account.legacy_dn])[0] >= 0x10
    book.unbind()


def _socket(server: Server) -> socket.socket:
    parts = urlsplit(server.url)
    assert parts.hostname is not None
    plain = socket.create_connection((parts.hostname, parts.port or 443), timeout=10)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=parts.hostname)


@pytest.mark.parametrize(
    "tail",
    [
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        b"Content-Length: 99999999999999999999\r\n\r\nabc",
        b"Content-Length: -5\r\n\r\nabc",
        b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"X-Long: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
    ids=range(8),
)
def test_broken_http(server: Server, bystander: None, tail: bytes) -> None:
    authorization = Web(server.url, "tom@bm.lan", "secret").authorization().encode()
    head = b"POST /mapi/emsmdb/ HTTP/1.1\r\nHost: bm.lan\r\nX-RequestType: Connect\r\nAuthorization: " + authorization
    with _socket(server) as connection:
        try:
            connection.sendall(head + b"\r\n" + tail)
            connection.settimeout(2)
            answer = connection.recv(65536)
        except TimeoutError:
            return  # it still waits for the rest: as it may
        except (ConnectionError, ssl.SSLError):
            return
        assert not answer or answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 4", b"HTTP/1.0 4")), answer[:80]
        assert b"Traceback" not in answer


def test_a_client_that_goes_away_in_the_middle(server: Server, bystander: None) -> None:
    authorization = Web(server.url, "tom@bm.lan", "secret").authorization().encode()
    for length in (10, 5000):
        with _socket(server) as connection:
            connection.sendall(
                b"POST /mapi/emsmdb/ HTTP/1.1\r\nHost: bm.lan\r\nX-RequestType: Connect\r\nAuthorization: "
                + authorization
                + b"\r\nContent-Length: %d\r\n\r\nabc" % length
            )


def test_errors_keep_to_their_documents(opened: tuple[Session, int]) -> None:
    """An Execute that cannot be parsed leaves the sequence of the session intact."""
    session, logon = opened
    for _ in range(3):
        with pytest.raises((ResponseCodeError, ExecuteFailedError, ViolationError, AddressBookError)):
            session.execute([Rop("Nonsense", b"\xfc\0\0", 0, lambda reader: None)], [logon])
        assert session.call(rops.get_receive_folder(0, "IPM.Note"), [logon])
