"""Send/receive without 0x8004010F: the offline address book found, fetched, read, compared, and kept up to date."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from mapigw.directory.directory import Directory
from mapigw.directory.editing import Change
from mapigw.directory.model import MailboxKind
from mapigw.directory.passwords import Argon2Parameters, Passwords
from mapigw.store.database import Database
from tests.outlook.autodiscover import discover
from tests.outlook.http import MapiHttp
from tests.outlook.nspi import AddressBook, Stat
from tests.outlook.oab import (
    TRUNCATED,
    Details,
    Oal,
    Record,
    WebDistributionPoint,
    apply_patch,
    read_details,
    template_labels,
    unpack,
)
from tests.outlook.reader import PropertyError, Tag
from tests.outlook.server import Server, command

PEOPLE = {
    "tom@bm.lan": "Tom Bauer",
    "anna@bm.lan": "Anna Lind",
    "zoe@bm.lan": "Zoë Östlund",
    "taro@bm.lan": "山田太郎",
    "emil@bm.lan": "",
}
TOM = {"given_name": ["Tom"], "surname": ["Bauer"], "title": ["Head"], "business_phones_2": ["+49 1", "+49 2"]}
CERTIFICATE = b"\x30\x82 as the directory keeps it"
ROW_TAGS = (
    0x3001001F, 0x3003001F, 0x39FE001F, 0x3A00001F, 0x800F101F, 0x39000003, 0x0FFE0003, 0x39050003, 0x3A40000B,
    0x3A06001F, 0x3A11001F, 0x3A17001F, 0x3A08001F, 0x3A1B101F, 0x08070003, 0x8011001F, 0x8C6A1102,
)  # fmt: skip


def _with_directory(data: Path, change: Callable[[Directory], Awaitable[object]]) -> None:
    """Change the directory as an administrator does beside the running server."""

    async def run() -> None:
        database = await Database.open(data)
        try:
            await change(Directory(database, passwords=Passwords(Argon2Parameters(1, 8, 1))))
        finally:
            await database.close()

    asyncio.run(run())


async def _fill(directory: Directory) -> None:
    for address, name in PEOPLE.items():
        await directory.add(address, "secret", display_name=name)
    await directory.add("eve@other.lan", "secret", display_name="Eve")
    await directory.add_alias("zoe@bm.lan", "z.ostlund@bm.lan")
    staff = await directory.add_group("staff@bm.lan", display_name="Staff")
    await directory.add_member(staff.address, "zoe@bm.lan")
    room = await directory.add_mailbox("blue@bm.lan", MailboxKind.ROOM, display_name="Blue Room")
    await directory.change(room, Change(attributes={"capacity": ["12"]}))
    contact = await directory.add_contact("zed@example.org", "bm.lan", display_name="Zed Elsewhere")
    await directory.change(contact, Change(attributes={"business_phone": ["+49 30 1"], "manager": ["tom@bm.lan"]}))
    ghost = await directory.add("ghost@bm.lan", "secret", display_name="Ghost")
    await directory.change(ghost, Change(hidden=True))
    tom = await directory.named("tom@bm.lan")
    await directory.change(tom, Change(photo=b"\xff\xd8\xff photo", certificates=[CERTIFICATE], attributes=TOM))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("gateway")
    _with_directory(data, _fill)
    with Server(data, tls=False) as running:
        yield running
        assert not running.tracebacks(), "".join(running.output)


def _run(data: Path, *arguments: str) -> str:
    done = command(data, *arguments)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def _point(server: Server, address: str = "tom@bm.lan") -> WebDistributionPoint:
    web = server.web(address)
    return WebDistributionPoint(web, discover(web).oab_url)


def _download(point: WebDistributionPoint) -> tuple[Oal, bytes]:
    manifest = point.manifest()
    return manifest, unpack(point.file(manifest.full), manifest.full)


def _check(manifest: Oal, plain: bytes) -> Details:
    details = read_details(plain)
    assert details.header == {
        0x6800001F: manifest.name,
        0x6804001E: manifest.dn,
        0x68010003: manifest.full.sequence,
        0x6802001E: manifest.guid,
    }
    return details


def _online(server: Server, address: str) -> dict[str, dict[Tag, Any]]:
    """The global address list by NSPI, by DN."""
    web = server.web(address)
    book = AddressBook(MapiHttp(web, discover(web).address_book_url))
    book.bind()
    _, rows = book.browse(Stat(), 1000, ROW_TAGS)
    book.unbind()
    present = [{tag: value for tag, value in row.items() if not isinstance(value, PropertyError)} for row in rows]
    return {row[0x3003001F]: row for row in present}


def _like_online(record: Record) -> dict[int, Any]:
    """What the two books have in common; the offline one has ASCII keys."""
    keys = {0x3003001F: record[0x3003001E], 0x39FE001F: record[0x39FE001E]}
    return keys | {tag: record[tag] for tag in ROW_TAGS if tag in record}


def test_the_offline_book_says_what_the_online_one_says(server: Server) -> None:
    manifest, plain = _download(_point(server))
    assert (manifest.dn, manifest.name) == ("/", "\\Global Address List")
    details = _check(manifest, plain)
    online = _online(server, "tom@bm.lan")
    offline = {dn: _like_online(record) for dn, record in details.by_dn().items()}
    assert offline == online
    others = {"staff@bm.lan": "Staff", "blue@bm.lan": "Blue Room", "zed@example.org": "Zed Elsewhere"}
    assert {record[0x39FE001F] for record in offline.values()} == {*PEOPLE, *others}
    names = {*filter(None, PEOPLE.values()), "emil", *others.values()}
    assert {record[0x3001001F] for record in offline.values()} == names
    groups = [record for record in details.records if record[0x0FFE0003] == 8]
    assert [(group[0x3001001F], group[0x39000003]) for group in groups] == [("Staff", 1)]
    zoe = next(record for record in details.records if record[0x39FE001E] == "zoe@bm.lan")
    assert zoe[0x800F101F] == ["SMTP:zoe@bm.lan", "smtp:z.ostlund@bm.lan"]


def test_what_is_online_only_is_named(server: Server) -> None:
    records = {record[0x39FE001E]: record for record in _check(*_download(_point(server))).records}
    shown = {address: record.get(TRUNCATED, []) for address, record in records.items()}
    assert shown == {
        **{address: [] for address in records},
        "tom@bm.lan": [0x800E000D, 0x8C9E0102],
        "zoe@bm.lan": [0x8008000D],
        "staff@bm.lan": [0x8009000D],
        "zed@example.org": [0x8005000D],
    }
    assert records["tom@bm.lan"][0x8C6A1102] == [CERTIFICATE]
    assert 0x8C9E0102 not in records["tom@bm.lan"]


def test_names_are_indexed_as_online(server: Server) -> None:
    flags = _check(*_download(_point(server))).flags
    assert {tag for tag, flag in flags.items() if flag & 2} == {0x3003001E, 0x39FE001E}
    assert {0x3001001F, 0x3A00001F, 0x3A11001F, 0x3A06001F, 0x800F101F} <= {
        tag for tag, flag in flags.items() if flag & 1
    }


def test_every_list_has_templates_in_its_languages(server: Server) -> None:
    point = _point(server)
    templates = {item.language: item for item in point.manifest().templates}
    labels = {language: list(template_labels(unpack(point.file(item), item))) for language, item in templates.items()}
    assert labels["0409"][0] == "General"
    assert labels["040c"][0] == "Général"
    assert len(labels["0409"]) == len(labels["040c"])


def test_a_user_gets_the_list_of_the_own_domain_and_no_other(server: Server) -> None:
    other = _point(server, "eve@other.lan")
    details = _check(*_download(other))
    assert [record[0x39FE001E] for record in details.records] == ["eve@other.lan"]
    own = _point(server)
    name = own.manifest().full.name
    for address, url in (("eve@other.lan", own.url), ("tom@bm.lan", other.url)):
        for wanted in ("oab.xml", name):
            assert server.web(address).send("GET", f"{url}/{wanted}", b"", {}).status == 404
    refused = server.web("tom@bm.lan").send("GET", f"{own.url}/oab.xml", b"", {}, authenticated=False)
    assert refused.status == 401


def test_a_change_arrives_by_the_differential_file(server: Server) -> None:
    point = _point(server)
    first, plain = _download(point)

    async def change(directory: Directory) -> None:
        await directory.add("mia@bm.lan", "secret", display_name="Mia Anders")
        await directory.remove("emil@bm.lan")

    _with_directory(server.data, change)
    _run(server.data, "oab", "generate", "--domain", "bm.lan")
    second = point.manifest()
    assert (second.guid, second.full.sequence) == (first.guid, first.full.sequence + 1)
    difference = second.differences[second.full.sequence]
    point.fetched.clear()
    patched = apply_patch(plain, point.file(difference), difference)
    assert point.fetched == [difference.name]
    assert patched == unpack(point.file(second.full), second.full)
    addresses = {record[0x39FE001E] for record in _check(second, patched).records}
    assert "mia@bm.lan" in addresses
    assert "emil@bm.lan" not in addresses
    assert point.file(first.full), "who has read the old manifest still gets what it names"
    assert "all right" in _run(server.data, "oab", "verify", "--domain", "bm.lan")


def test_the_access_log_has_a_line_for_every_piece(server: Server) -> None:
    point = _point(server)
    full = point.manifest().full
    point.file(full)
    folder = urlsplit(point.url).path
    expected = [f'"HEAD {folder}/{full.name} HTTP/1.1" 200 0 ', f'"GET {folder}/{full.name} HTTP/1.1" 206 {full.size} ']
    log = server.data / "log" / "access.log"
    deadline = time.monotonic() + 10
    while not all(text in log.read_text() for text in expected):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_nothing_is_fetched_anew_where_nothing_changed(server: Server) -> None:
    point = _point(server)
    before = point.manifest()
    _with_directory(server.data, lambda directory: directory.set_password("anna@bm.lan", "another"))
    _run(server.data, "oab", "generate")
    assert point.manifest() == before
