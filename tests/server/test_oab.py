from base64 import b64encode
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer, TestClient

from autodiscover.documents import deployment_id
from mapigw.directory.authentication import Authenticator
from mapigw.directory.model import Entries, User
from mapigw.server.app import Application, Endpoint
from mapigw.server.client_address import TrustedProxies
from mapigw.server.event_log import EventLog
from mapigw.server.oab import OabHandler
from oab.background import AddressListKeeper
from oab.publication import Publication

Client = TestClient[web.BaseRequest, None]


def _user(number: int, name: str, domain: str) -> User:
    address = f"{name}@{domain}"
    return User(number, number, UUID(int=number), address, name, f"/o=x/cn={name}", domain, (), True, False)


TOM, EVE = _user(1, "tom", "bm.lan"), _user(2, "eve", "other.lan")
FOLDER = f"/OAB/{deployment_id(TOM)}"


class People:
    """Everybody's password is the address."""

    def __init__(self) -> None:
        self.all_users: tuple[User, ...] = (TOM, EVE)

    async def entries(self) -> Entries:
        return Entries(self.all_users, (), ())

    def visible_domains(self, domain: str) -> tuple[str, ...]:
        return (domain,)

    async def certificates_of(self, dns: Collection[str]) -> Mapping[str, list[bytes]]:
        return {}

    async def with_photo(self, dns: Collection[str]) -> set[str]:
        return set()

    def recall(self, text: str) -> User | None:
        return None

    async def authenticate(self, address: str, password: str, client_address: str, *, text: str = "") -> User | None:
        return next((user for user in self.all_users if user.address == address == password), None)


def _login(user: User) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{user.address}:{user.address}".encode()).decode()}


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
async def client(tmp_path: Path, people: People) -> AsyncIterator[Client]:
    application = Application(
        {"/oab": Endpoint(OabHandler(AddressListKeeper(people, tmp_path)).handle, below=True)},
        cast("Authenticator", people),
        TrustedProxies(),
        EventLog(None),
        request_body_limit=100_000,
    )
    server = RawTestServer(application.handle)
    await server.start_server(request_factory=application.make_request)
    async with TestClient[web.BaseRequest, None](server, headers=_login(TOM)) as client:
        yield client


def _full(data: Path) -> tuple[str, bytes]:
    publication = Publication(data, "bm.lan")
    current = publication.current()
    assert current
    return current.full.name, (publication.folder / current.full.name).read_bytes()


@pytest.mark.parametrize("path", [f"{FOLDER}/oab.xml", f"{FOLDER}//oab.xml", f"{FOLDER.lower()}/OAB.XML"])
async def test_the_manifest(client: Client, tmp_path: Path, path: str) -> None:
    async with client.get(path) as response:
        body = await response.read()
        assert (response.status, response.content_type) == (200, "text/xml")
        assert response.headers["Server"] == "mapigw"
        assert response.headers["Cache-Control"] == "private, no-cache"
    assert body == (tmp_path / "oab" / "bm.lan" / "oab.xml").read_bytes()


async def test_head_and_pieces_are_those_of_the_whole(client: Client, tmp_path: Path) -> None:
    async with client.get(f"{FOLDER}/oab.xml"):
        name, data = _full(tmp_path)
    path = f"{FOLDER}/{name}"
    async with client.head(path) as response:
        assert (response.status, response.content_type) == (200, "application/octet-stream")
        assert response.headers["Content-Length"] == str(len(data))
        assert response.headers["Accept-Ranges"] == "bytes"
        tag, modified = response.headers["ETag"], response.headers["Last-Modified"]
    for wanted, expected in (
        ("bytes=0-15", data[:16]),
        ("bytes=16-", data[16:]),
        ("bytes=-7", data[-7:]),
        (f"bytes=5-{len(data) + 100}", data[5:]),
    ):
        async with client.get(path, headers={"Range": wanted}) as response:
            assert (response.status, await response.read()) == (206, expected)
            assert (response.headers["ETag"], response.headers["Last-Modified"]) == (tag, modified)
    async with client.get(path, headers={"Range": f"bytes={len(data)}-"}) as response:
        assert response.status == 416
    async with client.get(path) as response:
        assert await response.read() == data


async def test_what_has_not_changed_is_not_sent_again(client: Client, people: People, tmp_path: Path) -> None:
    async with client.get(f"{FOLDER}/oab.xml") as response:
        tag, modified = response.headers["ETag"], response.headers["Last-Modified"]
    for condition in ({"If-None-Match": tag}, {"If-Modified-Since": modified}):
        async with client.get(f"{FOLDER}/oab.xml", headers=condition) as response:
            assert (response.status, await response.read()) == (304, b"")
    people.all_users = (replace(TOM, display_name="Thomas"), EVE)
    await AddressListKeeper(people, tmp_path).make("bm.lan")
    async with client.get(f"{FOLDER}/oab.xml", headers={"If-None-Match": tag}) as response:
        assert response.status == 200
        assert b'seq="2"' in await response.read()


@pytest.mark.parametrize(
    "path",
    [
        "/OAB",
        "/oab/",
        "/oabx",
        FOLDER,
        f"{FOLDER}/",
        f"{FOLDER}/.lock",
        f"{FOLDER}/other.xml",
        f"{FOLDER}/oab.xml/more",
        f"{FOLDER}/{UUID(int=1)}-data-1.lzx",
        f"/oab/{UUID(int=1)}/oab.xml",
        f"/oab/{deployment_id(EVE)}/oab.xml",
        "/oab/bm.lan/oab.xml",
    ],
)
async def test_other_names_are_not_found(client: Client, path: str) -> None:
    async with client.get(path) as response:
        assert response.status == 404


async def test_a_user_gets_the_own_list_only(client: Client, tmp_path: Path) -> None:
    async with client.get(f"{FOLDER}/oab.xml"):
        name, _ = _full(tmp_path)
    for wanted in ("oab.xml", name):
        async with client.get(f"{FOLDER}/{wanted}", headers=_login(EVE)) as response:
            assert response.status == 404
    async with client.get(f"/oab/{deployment_id(EVE)}/{name}", headers=_login(EVE)) as response:
        assert response.status == 404


async def test_without_credentials_nothing_is_told(client: Client) -> None:
    for path in (f"{FOLDER}/oab.xml", f"/oab/{UUID(int=1)}/oab.xml", "/oab/x"):
        async with client.get(path, headers={"Authorization": ""}) as response:
            assert response.status == 401


async def test_files_are_read_and_nothing_else(client: Client) -> None:
    for method in ("POST", "PUT", "DELETE"):
        async with client.request(method, f"{FOLDER}/oab.xml") as response:
            assert (response.status, response.headers["Allow"]) == (405, "GET, HEAD")
