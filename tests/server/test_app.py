from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer, TestClient

from mapigw.directory.authentication import Authenticator
from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.server.app import Application, Endpoint, basic_credentials, home
from mapigw.server.autodiscover import AutodiscoverHandler
from mapigw.server.client_address import TrustedProxies
from mapigw.server.event_log import EventLog
from mapigw.server.request_keys import CLIENT_ADDRESS, USER
from mapigw.store.database import Database

TOM = User(1, 1, UUID(int=1), "tom@bm.lan", "Tom", "/o=x/cn=tom", "bm.lan", ("t@bm.lan",), True, False)
Client = TestClient[web.BaseRequest, None]


class OnlyTom:
    def recall(self, text: str) -> User | None:
        return None

    async def authenticate(self, address: str, password: str, client_address: str, *, text: str = "") -> User | None:
        assert client_address == "127.0.0.1"
        return TOM if (address, password) == ("tom@bm.lan", "sécret:€") else None


def authorization(text: str, encoding: str = "utf-8") -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(text.encode(encoding)).decode()}


LOGIN = authorization("tom@bm.lan:sécret:€")


async def who(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text=f"{request[USER].address} {request[CLIENT_ADDRESS]} {len(await request.read())}")


async def broken(request: web.BaseRequest) -> web.StreamResponse:
    raise RuntimeError("the secret of the implementation")


async def broken_midway(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b"PROCESSING\r\n")
    raise RuntimeError("midway")


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    proxies = TrustedProxies()
    database = await Database.open(tmp_path)
    autodiscover = AutodiscoverHandler(Directory(database), "", proxies)
    application = Application(
        {
            "/": Endpoint(home, anonymous=True),
            "/mapi/emsmdb": Endpoint(who),
            "/autodiscover/autodiscover.xml": Endpoint(autodiscover.xml),
            "/autodiscover/autodiscover.json": Endpoint(autodiscover.json, anonymous=True),
            "/broken": Endpoint(broken),
            "/midway": Endpoint(broken_midway),
        },
        cast("Authenticator", OnlyTom()),
        proxies,
        EventLog(None),
        request_body_limit=100_000,
    )
    server = RawTestServer(application.handle)
    await server.start_server(request_factory=application.make_request)
    async with TestClient[web.BaseRequest, None](server) as client:
        yield client
    await database.close()


@pytest.mark.parametrize("path", ["/mapi/emsmdb", "/mapi/emsmdb/", "/MAPI/EmsMdb/?MailboxId=x@bm.lan", "/Mapi/emsmdb?"])
async def test_paths_in_any_case_with_and_without_a_slash(client: Client, path: str) -> None:
    async with client.post(path, headers=LOGIN, data=b"12345") as response:
        assert (response.status, await response.text()) == (200, "tom@bm.lan 127.0.0.1 5")


@pytest.mark.parametrize("path", ["/mapi", "/mapi/emsmdbx", "/mapi/emsmdb/x", "/.git/config"])
async def test_other_paths_are_not_found(client: Client, path: str) -> None:
    async with client.get(path) as response:
        assert (response.status, await response.text()) == (404, "404 Not Found\n")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        authorization("tom@bm.lan:wrong"),
        authorization("nobody@bm.lan:sécret:€"),
        authorization("no colon"),
        {"Authorization": "Basic ????"},
        {"Authorization": "Basic"},
        {"Authorization": "NTLM TlRMTVNTUAAB"},
        {"Authorization": "Bearer x"},
    ],
)
@pytest.mark.parametrize("path", ["/mapi/emsmdb/", "/autodiscover/autodiscover.xml"])
async def test_without_valid_credentials_all_refusals_are_one(
    client: Client, path: str, headers: dict[str, str]
) -> None:
    async with client.post(path, headers=headers) as response:
        assert response.status == 401
        assert response.headers.getall("WWW-Authenticate") == ['Basic realm="mapigw", charset="UTF-8"']
        assert await response.text() == "401 Unauthorized\n"


async def test_the_page_for_people(client: Client) -> None:
    async with client.get("/") as response:
        assert response.status == 200
        assert response.content_type == "text/html"
        assert "<h1>mapigw</h1>" in await response.text()
        assert response.headers["Server"] == "mapigw"
    async with client.post("/") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")


async def test_a_defect_is_not_shown_to_the_client(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    async with client.get("/broken", headers=LOGIN) as response:
        assert (response.status, await response.text()) == (500, "500 Internal Server Error\n")
    assert "the secret of the implementation" in caplog.text


async def test_a_defect_after_the_answer_began_ends_the_connection(client: Client) -> None:
    with pytest.raises(Exception, match=r"payload|closed|disconnected"):
        async with client.get("/midway", headers=LOGIN) as response:
            await response.read()


async def test_a_body_beyond_the_limit(client: Client) -> None:
    async with client.post("/mapi/emsmdb", headers=LOGIN, data=bytes(100_001)) as response:
        assert response.status == 413


async def test_who_waits_for_it_is_told_to_send_the_body(client: Client) -> None:
    async with client.post("/mapi/emsmdb", headers=LOGIN, data=b"12345", expect100=True) as response:
        assert (response.status, await response.text()) == (200, "tom@bm.lan 127.0.0.1 5")
    async with client.post("/mapi/emsmdb", headers={**LOGIN, "Expect": "miracles"}, data=b"12345") as response:
        assert response.status == 417


@pytest.mark.parametrize(
    ("path", "size", "status"), [("/", 0, 200), ("/none", 0, 404), ("/broken", 0, 500), ("/mapi/emsmdb", 100_001, 413)]
)
async def test_no_answer_tells_what_the_server_is_made_of(client: Client, path: str, size: int, status: int) -> None:
    method = "POST" if size else "GET"
    async with client.request(method, path, headers=LOGIN, data=bytes(size)) as response:
        assert (response.status, response.headers["Server"]) == (status, "mapigw")


REQUEST = """<?xml version="1.0"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>
<EMailAddress>tom@bm.lan</EMailAddress>
<AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>
</Request></Autodiscover>"""


async def autodiscovered(client: Client, body: str, **headers: str) -> Any:
    async with client.post("/AutoDiscover/AutoDiscover.xml", headers={**LOGIN, **headers}, data=body) as response:
        assert (response.status, response.content_type) == (200, "text/xml")
        return await response.text()


async def test_autodiscover_announces_the_host_that_was_asked(client: Client) -> None:
    text = await autodiscovered(client, REQUEST, **{"X-MapiHttpCapability": "1", "Host": "Mail.Example.org:8443"})
    assert f"http://Mail.Example.org:8443/mapi/emsmdb/?MailboxId={TOM.mailbox_guid}@bm.lan" in text


async def test_autodiscover_refuses_a_long_body_with_its_own_error(client: Client) -> None:
    text = await autodiscovered(client, REQUEST + " " * 65_536, **{"X-MapiHttpCapability": "1"})
    assert "<ErrorCode>600</ErrorCode>" in text


async def test_autodiscover_json_is_for_everybody(client: Client) -> None:
    async with client.get(
        "/autodiscover/autodiscover.json?Email=a%40b.c&protocol=AutodiscoverV1", headers={"Host": "h.example"}
    ) as response:
        assert await response.json() == {
            "Protocol": "AutodiscoverV1",
            "Url": "http://h.example/autodiscover/autodiscover.xml",
        }
    async with client.post("/autodiscover/autodiscover.json") as response:
        assert response.status == 405


def test_credentials() -> None:
    assert basic_credentials("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==") == ("Aladdin", "open sesame")  # RFC 7617 section 2
    assert basic_credentials("bAsIc dGVzdDoxMjPCow==") == ("test", "123£")  # section 2.1
    assert basic_credentials(authorization("ü:ß", "latin-1")["Authorization"]) == ("ü", "ß")
    assert basic_credentials(authorization("a:b:c")["Authorization"]) == ("a", "b:c")
    assert basic_credentials("") is None
