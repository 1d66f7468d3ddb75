"""What the address book shows of people, rooms and contacts, and how they are linked."""

from dataclasses import replace
from typing import Any

import pytest

from mapigw.directory.attributes import DETAILS, AttributeKind
from mapigw.directory.details import Details
from mapigw.directory.model import Contact, MailboxKind
from mapigw.wire.codes import ErrorCode
from mapigw.wire.restrictions import ContentRestriction, ExistRestriction, PropertyRestriction
from nspi.address_book import FIRST_CONTACT_ID, FIRST_GROUP_ID
from nspi.binaries import MOST
from nspi.entryids import PermanentEntryId
from nspi.stat import SortType, Stat
from tests.nspi.client import ANNA, ORGANIZATION, TOM, USERS, Client, FakeDirectory, group, minimal_id, user

NAME, ENTRY_ID, PHOTO, X509 = 0x3001001F, 0x0FFF0102, 0x8C9E0102, 0x8C6A1102
MANAGER, MANAGER_DN, REPORTS, OWNER, OWNED, MEMBER, GROUPS = (
    0x8005000D, 0x8005001F, 0x800E000D, 0x800C000D, 0x8024000D, 0x8009000D, 0x8008000D,
)  # fmt: skip
DELEGATES = 0x8015000D
WORDS = {
    attribute.name: ("+49 30 1", "+49 30 2") if attribute.multiple else f"the {name}"
    for name, attribute in DETAILS.items()
    if attribute.kind in (AttributeKind.TEXT, AttributeKind.LINES)
}
BOSS = replace(USERS[3], details=Details.of({**WORDS, "account": "boss"}), x500=("/o=old/cn=otto",))
ROOM = replace(user(20, "blue@bm.lan", "Blue"), kind=MailboxKind.ROOM, details=Details.of({"capacity": "12"}))
BEAMER = replace(user(21, "beamer@bm.lan", "Beamer"), kind=MailboxKind.EQUIPMENT)
SHARED = replace(user(22, "info@bm.lan", "Info"), kind=MailboxKind.SHARED)
NAMELESS = replace(
    SHARED, user_id=24, address="", name="archive", display_name="Archive", legacy_dn=f"{ORGANIZATION}/cn=a"
)
CONTACT = Contact(
    1, "zed@example.org", "Zed", f"{ORGANIZATION}/cn=zed", "bm.lan", aliases=("z@example.net",), manager=BOSS.legacy_dn
)
STAFF = replace(group(1, "staff@bm.lan", "Staff", ANNA.address, CONTACT.address, "archive"), managers=(BOSS.legacy_dn,))
BOSS_ID, STAFF_ID, CONTACT_ID = minimal_id(4), FIRST_GROUP_ID + 1, FIRST_CONTACT_ID + 1


@pytest.fixture
def directory() -> FakeDirectory:
    people = (TOM, replace(ANNA, manager=BOSS.legacy_dn), BOSS, ROOM, BEAMER, SHARED, NAMELESS)
    directory = FakeDirectory(people, (STAFF,))
    directory.all_contacts = (CONTACT,)
    return directory


async def value(client: Client, current_rec: int, tag: int) -> Any:
    answer = await client.request("GetProps", state=Stat(current_rec=current_rec, code_page=1200), property_tags=[tag])
    return answer.property_values[0][1] if answer.error_code == 0 else ErrorCode(answer.property_values[0][1])


async def linked(client: Client, current_rec: int, tag: int) -> list[str]:
    answer = await client.request(
        "GetMatches",
        state=Stat(SortType.DISPLAY_NAME_RO, tag, current_rec, code_page=1200),
        minimal_ids=None,
        interface_option_flags=0,
        filter=None,
        property_name=None,
        row_count=100,
        columns=[NAME],
    )
    assert answer.error_code == 0
    assert len(answer.minimal_ids) == len(answer.rows.rows)
    return [row[0] for row in answer.rows.rows]


@pytest.mark.parametrize("name", sorted(WORDS))
async def test_every_attribute(client: Client, name: str) -> None:
    tag = DETAILS[name].tag
    assert tag is not None
    word = BOSS.details.values(name)
    assert await value(client, BOSS_ID, tag) == (list(word) if DETAILS[name].multiple else word[0])
    narrow = tag & ~0xFFFF | 0x101E if DETAILS[name].multiple else tag & ~0xFFFF | 0x1E
    encoded = [text.encode() for text in word]
    assert await value(client, BOSS_ID, narrow) == (encoded if DETAILS[name].multiple else encoded[0])
    if name != "account":
        assert await value(client, minimal_id(1), tag) == ErrorCode.NotFound


@pytest.mark.spec("MS-OXNSPI_R55", "MS-OXNSPI_R48")
@pytest.mark.parametrize(
    ("number", "values"),
    [
        (minimal_id(1), {0x39000003: 0, 0x39050003: 0x40000000, 0x0FFE0003: 6, 0x3A40000B: True}),
        (minimal_id(20), {0x39000003: 0, 0x39050003: 7, 0x0FFE0003: 6, 0x08070003: 12}),
        (minimal_id(21), {0x39000003: 0, 0x39050003: 8, 0x0FFE0003: 6, 0x08070003: ErrorCode.NotFound}),
        (minimal_id(22), {0x39000003: 0, 0x39050003: 0, 0x0FFE0003: 6, 0x39FE001F: "info@bm.lan"}),
        (minimal_id(24), {0x39FE001F: ErrorCode.NotFound, 0x800F101F: ErrorCode.NotFound, 0x3A00001F: "archive"}),
        (STAFF_ID, {0x39000003: 1, 0x39050003: 0x40000009, 0x0FFE0003: 8}),
        (
            CONTACT_ID,
            {
                0x39000003: 6,
                0x39050003: 6,
                0x0FFE0003: 6,
                0x3002001F: "EX",
                0x3003001F: CONTACT.legacy_dn,
                0x39FE001F: "zed@example.org",
                0x8011001F: "SMTP:zed@example.org",
                0x800F101F: ["SMTP:zed@example.org", "smtp:z@example.net"],
                0x3A40000B: False,
                0x8006001F: ErrorCode.NotFound,
                0x8C6D0102: ErrorCode.NotFound,
                ENTRY_ID: PermanentEntryId(CONTACT.legacy_dn, 6).to_bytes(),
            },
        ),
    ],
)
async def test_kinds(client: Client, number: int, values: dict[int, Any]) -> None:
    assert {tag: await value(client, number, tag) for tag in values} == values


async def test_dns_of_former_servers(client: Client) -> None:
    assert "X500:/o=old/cn=otto" in await value(client, BOSS_ID, 0x800F101F)
    assert (await client.request("DNToMId", names=[b"/O=Old/CN=Otto"])).minimal_ids == [BOSS_ID]


@pytest.mark.parametrize(
    ("number", "tag", "names"),
    [
        (minimal_id(2), MANAGER, ["Otto Ost"]),
        (CONTACT_ID, MANAGER, ["Otto Ost"]),
        (BOSS_ID, MANAGER, []),
        (BOSS_ID, REPORTS, ["Anna Müller", "Zed"]),
        (minimal_id(2), REPORTS, []),
        (STAFF_ID, OWNER, ["Otto Ost"]),
        (BOSS_ID, OWNED, ["Staff"]),
        (STAFF_ID, MEMBER, ["Anna Müller", "Archive", "Zed"]),
        (CONTACT_ID, GROUPS, ["Staff"]),
        (minimal_id(24), GROUPS, ["Staff"]),
        (minimal_id(1), GROUPS, []),
    ],
)
async def test_links_from_both_ends(client: Client, number: int, tag: int, names: list[str]) -> None:
    assert await linked(client, number, tag) == names
    assert await value(client, number, tag) == (0 if names else ErrorCode.NotFound)
    listed = (await client.request("GetPropList", minimal_id=number, code_page=1252)).property_tags
    assert (tag in listed) is bool(names)


async def test_delegates_are_kept_in_mailboxes(client: Client) -> None:
    assert await linked(client, minimal_id(1), DELEGATES) == []


async def test_the_manager_by_dn_and_by_object_have_one_id(client: Client) -> None:
    assert await value(client, minimal_id(2), MANAGER_DN) == BOSS.legacy_dn
    assert await value(client, minimal_id(2), 0x8005001E) == BOSS.legacy_dn.encode()
    assert await value(client, BOSS_ID, MANAGER_DN) == ErrorCode.NotFound
    answer = await client.request("QueryRows", explicit_table=[minimal_id(2)], row_count=1, columns=[0x80050000])
    assert answer.rows == ([MANAGER_DN], [[BOSS.legacy_dn]])


@pytest.mark.parametrize("name", ["boss", "the surname", "the given", "the office", "the phonetic_surname"])
async def test_people_are_found_by_what_the_offline_book_flags(client: Client, name: str) -> None:
    answer = await client.request("ResolveNames", property_tags=[NAME], names=[name])
    assert answer.rows.rows == [["Otto Ost"]]


@pytest.mark.parametrize(
    "restriction",
    [
        PropertyRestriction(4, 0x3A17001F, (0x3A17001F, "the title")),
        ContentRestriction(1, 1, 0x3A18001F, (0x3A18001F, "DEPART")),
        ContentRestriction(0, 0, 0x3A1B101F, (0x3A1B101F, ["+49 30 2"])),
        ExistRestriction(0x3A27001F),
        PropertyRestriction(4, 0x39050003, (0x39050003, 0x40000000)),
    ],
)
async def test_searching_by_attributes(client: Client, restriction: Any) -> None:
    fields = {"minimal_ids": None, "interface_option_flags": 0, "property_name": None, "row_count": 100}
    answer = await client.request("GetMatches", filter=restriction, columns=[NAME], **fields)
    assert ["Otto Ost"] in answer.rows.rows
    assert ["Blue"] not in answer.rows.rows


class TestBinaries:
    async def test_they_are_there_for_who_asks(self, client: Client, directory: FakeDirectory) -> None:
        directory.photos[TOM.legacy_dn] = b"photo"
        directory.all_certificates[ANNA.legacy_dn] = [b"one", b"two"]
        columns = [NAME, PHOTO, X509]
        table = [minimal_id(1), minimal_id(2), 99]
        answer = await client.request("QueryRows", explicit_table=table, row_count=9, columns=columns)
        rows = [[getattr(cell, "code", cell) for cell in row] for row in answer.rows.rows]
        absent = ErrorCode.NotFound
        assert rows == [["Tom Bauer", b"photo", absent], ["Anna Müller", absent, [b"one", b"two"]], [absent] * 3]
        assert (await client.request("GetPropList", minimal_id=minimal_id(1), code_page=1252)).property_tags.count(
            PHOTO
        ) == 1

    async def test_a_search_of_everybody_reads_none(self, client: Client, directory: FakeDirectory) -> None:
        directory.photos[TOM.legacy_dn] = b"photo"
        fields = {"minimal_ids": None, "interface_option_flags": 0, "property_name": None, "row_count": 100}
        answer = await client.request("GetMatches", filter=ExistRestriction(PHOTO), columns=[NAME], **fields)
        assert answer.rows.rows == []

    async def test_no_answer_has_those_of_everybody(self, client: Client, directory: FakeDirectory) -> None:
        directory.all = tuple(user(number, f"u{number}@bm.lan", f"U{number:04}") for number in range(1, 300))
        directory.all_groups, directory.all_contacts = (), ()
        directory.photos = {found.legacy_dn: b"photo" for found in directory.all}
        answer = await client.request("QueryRows", explicit_table=[], row_count=300, columns=[PHOTO])
        assert [row for row in answer.rows.rows if row == [b"photo"]] == [[b"photo"]] * MOST
