"""The address book from a client's side: profiles of all kinds of users, the wizard, lists, groups and rooms."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mapigw.directory.directory import Directory
from mapigw.directory.editing import Change
from mapigw.directory.model import MailboxKind
from mapigw.directory.passwords import Argon2Parameters, Passwords
from mapigw.store.database import Database
from tests.outlook.autodiscover import discover
from tests.outlook.http import MapiHttp
from tests.outlook.nspi import AddressBook, Stat
from tests.outlook.profile import Profile
from tests.outlook.reader import ViolationError
from tests.outlook.server import Server


async def _fill(directory: Directory) -> None:
    for name, display_name in (("tom", "Tom Bauer"), ("tim", "Tim Bauer"), ("ghost", "Ghost Writer")):
        await directory.add(f"{name}@bm.lan", "secret", display_name=display_name)
    await directory.add_alias("tom@bm.lan", "thomas.bauer@bm.lan")
    await directory.change(await directory.named("ghost@bm.lan"), Change(hidden=True))
    await directory.add_alias("ghost@bm.lan", "spook@bm.lan")
    await directory.add_mailbox("blue@bm.lan", MailboxKind.ROOM, display_name="Blue Room")
    await directory.add_contact("zed@example.org", "bm.lan", display_name="Zed Elsewhere")
    await directory.add_group("staff@bm.lan", display_name="Staff")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("people")

    async def fill() -> None:
        database = await Database.open(data)
        try:
            await _fill(Directory(database, passwords=Passwords(Argon2Parameters(1, 8, 1))))
        finally:
            await database.close()

    asyncio.run(fill())
    with Server(data, tls=False) as running:
        yield running
        assert not running.tracebacks(), "".join(running.output)


@pytest.mark.parametrize(
    ("login", "address", "name"),
    [
        ("thomas.bauer@bm.lan", "tom@bm.lan", "Tom Bauer"),
        ("TOM@BM.LAN", "tom@bm.lan", "Tom Bauer"),
        ("ghost@bm.lan", "ghost@bm.lan", "Ghost Writer"),
        ("spook@bm.lan", "ghost@bm.lan", "Ghost Writer"),
    ],
    ids=["alias", "capitals", "hidden", "alias of a hidden user"],
)
def test_a_profile_is_created_with(server: Server, login: str, address: str, name: str) -> None:
    profile = Profile(server.web(login))
    profile.create()
    assert profile.account is not None
    assert (profile.account.address, profile.account.display_name) == (address, name)
    assert (profile.own_entry[0x39FE001F], profile.own_entry[0x3001001F]) == (address, name)
    assert {folder.name for folder in profile.all_folders()} >= {"Inbox", "Calendar", "Sent Items"}
    assert not profile.restart()


@pytest.mark.parametrize(
    ("login", "typed"),
    [
        ("tom@bm.lan", ["tom", "Tom Bauer", "bauer to", "=SMTP:tom@bm.lan", "thomas.bauer", "Thomas.Bauer@bm.lan"]),
        ("thomas.bauer@bm.lan", ["thomas.bauer@bm.lan", "tom"]),
        ("ghost@bm.lan", ["ghost", "Ghost Writer", "ghost@bm.lan", "spook@bm.lan", "=SMTP:ghost@bm.lan"]),
    ],
)
def test_a_name_typed_in_the_wizard(server: Server, login: str, typed: list[str]) -> None:
    profile = Profile(server.web(login))
    for text in typed:
        row = profile.check_name(text)
        assert profile.account is not None
        assert row[0x3003001F] == profile.account.legacy_dn, text
    profile.create()


@pytest.mark.parametrize("text", ["ghost", "Ghost Writer", "bauer", "nobody", ""])
def test_a_name_that_the_wizard_refuses(server: Server, text: str) -> None:
    with pytest.raises(ViolationError, match="cannot be matched"):
        Profile(server.web("tom@bm.lan")).check_name(text)


def test_the_lists_of_the_address_book_dialog(server: Server) -> None:
    web = server.web("tom@bm.lan")
    book = AddressBook(MapiHttp(web, discover(web).address_book_url))
    book.bind()
    lists = book.check_hierarchy()
    found = {}
    for name, row in lists.items():
        after, rows = book.browse(replace(Stat(), container_id=row[0xFFFD0003]), 100)
        assert (after.num_pos, after.total_recs) == (len(rows), len(rows))
        found[name] = [entry[0x3001001F] for entry in rows]
    book.unbind()
    assert found == {
        "Global Address List": ["Blue Room", "Staff", "Tim Bauer", "Tom Bauer", "Zed Elsewhere"],
        "All Address Lists": [],
        "All Contacts": ["Zed Elsewhere"],
        "All Groups": ["Staff"],
        "All Rooms": ["Blue Room"],
        "All Users": ["Blue Room", "Tim Bauer", "Tom Bauer"],
        "Public Folders": [],
    }
