"""The address lists: who is in which, in which order, and where a client finds them again."""

from dataclasses import replace
from typing import Any

import pytest

from mapigw.directory.details import Details
from mapigw.directory.model import Contact, MailboxKind, User
from mapigw.wire.codes import ErrorCode
from mapigw.wire.cursor import Cursor
from mapigw.wire.entryids import address_book_dn
from mapigw.wire.restrictions import ExistRestriction, PropertyRestriction
from nspi.address_book import FIRST_CONTACT_ID, FIRST_GROUP_ID
from nspi.endpoint import NspiEndpoint
from nspi.entryids import PermanentEntryId, pull_entry_id
from nspi.stat import MinimalId, SortType, Stat
from oab.dialogs import dialog_template
from tests.nspi.client import ORGANIZATION, TOM, USERS, Client, FakeDirectory, group, minimal_id, user

NAME, ENTRY_ID, PHONETIC = 0x3001001F, 0x0FFF0102, 0x8C92001F
GAL, ALL_LISTS, CONTACTS, GROUPS, ROOMS, ALL_USERS, PUBLIC = 0, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15
SWEDISH, DANISH, SPANISH, CZECH, POLISH, GERMAN = 0x041D, 0x0406, 0x0C0A, 0x0405, 0x0415, 0x0407


def contact(number: int, address: str, name: str, domain: str = "bm.lan") -> Contact:
    return Contact(number, address, name, f"{ORGANIZATION}/cn={number:032x}-contact", domain)


ROOM = replace(user(20, "blue@bm.lan", "Blue Room"), kind=MailboxKind.ROOM)
BEAMER = replace(user(21, "beamer@bm.lan", "Beamer"), kind=MailboxKind.EQUIPMENT)
SHARED = replace(user(22, "info@bm.lan", "Info"), kind=MailboxKind.SHARED)
HIDDEN = replace(user(23, "ghost@bm.lan", "Ghost Writer", "spook@bm.lan"), hidden=True, x500=("/o=old/cn=ghost",))
STAFF = group(1, "staff@bm.lan", "Staff", TOM.address, HIDDEN.address)
CONTACT = contact(1, "zed@example.org", "Zed Elsewhere")


@pytest.fixture
def directory() -> FakeDirectory:
    directory = FakeDirectory((TOM, ROOM, BEAMER, SHARED, HIDDEN, USERS[12]), (STAFF,))
    directory.all_contacts = (CONTACT, contact(2, "y@example.org", "Yves", "other.example"))
    return directory


async def listed(client: Client, container: int, **stat: int) -> list[str]:
    state = Stat(container_id=container, code_page=1200, **stat)
    answer = await client.request("QueryRows", state=state, explicit_table=[], row_count=99, columns=[NAME])
    assert answer.error_code == 0
    assert answer.state.total_recs == answer.state.num_pos == len(answer.rows.rows)
    return [row[0] for row in answer.rows.rows]


async def hierarchy(client: Client, flags: int = 4, code_page: int = 1200) -> list[dict[int, Any]]:
    answer = await client.request("GetSpecialTable", flags=flags, state=Stat(code_page=code_page), version=0)
    assert answer.error_code == 0
    return [dict(row) for row in answer.rows]


@pytest.mark.spec("MS-OXOABK_R29", "MS-OXNSPI_R1863", "MS-OXNSPI_R1864", "MS-OXNSPI_R1865")
async def test_the_hierarchy(client: Client) -> None:
    rows = await hierarchy(client)
    columns = [0x0FFF0102, 0x36000003, 0x30050003, 0xFFFD0003, 0x3001001F, 0xFFFB000B]
    shown = [(row[NAME], row[0xFFFD0003], row[0x36000003], row[0x30050003]) for row in rows]
    assert shown == [
        ("Global Address List", GAL, 0x9, 0),
        ("All Address Lists", ALL_LISTS, 0xA, 0),
        ("All Contacts", CONTACTS, 0x9, 1),
        ("All Groups", GROUPS, 0x9, 1),
        ("All Rooms", ROOMS, 0x209, 1),
        ("All Users", ALL_USERS, 0x9, 1),
        ("Public Folders", PUBLIC, 0x9, 1),
    ]
    for row in rows:
        assert list(row) == columns + ([0xFFFC0102] if row[0x30050003] else [])
        assert row.get(0xFFFC0102, rows[1][ENTRY_ID]) == rows[1][ENTRY_ID]
        entry_id = pull_entry_id(Cursor(row[ENTRY_ID]))
        assert (entry_id.display_type, row[0xFFFB000B]) == (0x100, False)
    dns = [address_book_dn(row[ENTRY_ID]) or "" for row in rows]
    assert dns[0] == "/"
    assert all(len(dn) == 38 and dn.startswith("/guid=") and int(dn[6:], 16) for dn in dns[1:])
    assert len(set(dns)) == len(dns)


async def test_names_of_containers_in_the_code_page(client: Client) -> None:
    for code_page in (1252, 65001, 932):
        rows = await hierarchy(client, 0, code_page)
        assert [row[0x3001001E] for row in rows][:2] == [b"Global Address List", b"All Address Lists"]


@pytest.mark.parametrize(
    ("container", "names"),
    [
        (GAL, ["Beamer", "Blue Room", "Info", "Staff", "Tom Bauer", "Zed Elsewhere"]),
        (ALL_LISTS, []),
        (CONTACTS, ["Zed Elsewhere"]),
        (GROUPS, ["Staff"]),
        (ROOMS, ["Blue Room"]),
        (ALL_USERS, ["Beamer", "Blue Room", "Info", "Tom Bauer"]),
        (PUBLIC, []),
    ],
)
async def test_who_is_in_which(client: Client, container: int, names: list[str]) -> None:
    assert await listed(client, container) == names
    state = Stat(container_id=container)
    last = state._replace(current_rec=MinimalId.END_OF_TABLE, delta=-1)
    answer = await client.request("UpdateStat", state=last, delta_requested=True)
    assert (answer.delta, answer.state.total_recs) == (-1 if names else 0, len(names))
    fields = {"minimal_ids": None, "interface_option_flags": 0, "property_name": None, "row_count": 99}
    answer = await client.request("GetMatches", state=state, filter=ExistRestriction(NAME), columns=[NAME], **fields)
    assert [row[0] for row in answer.rows.rows] == names
    anr = PropertyRestriction(4, 0x360C001F, (0x360C001F, "b"))
    answer = await client.request("GetMatches", state=state, filter=anr, columns=[NAME], **fields)
    assert [row[0] for row in answer.rows.rows] == [name for name in names if " b" in " " + name.lower()]
    answer = await client.request("SeekEntries", state=state, target=(NAME, "s"), explicit_table=None, columns=[NAME])
    wanted = [name for name in names if name.lower() >= "s"]
    assert [row[0] for row in answer.rows.rows] == wanted if wanted else answer.error_code == ErrorCode.NotFound
    fields = {"minimal_id_1": minimal_id(20), "minimal_id_2": minimal_id(1)}
    answer = await client.request("CompareMIds", state=state, **fields)
    assert answer.result == (-1 if {"Blue Room", "Tom Bauer"} <= set(names) else 0)


async def test_a_container_is_found_again_by_its_permanent_entry_id(client: Client, directory: FakeDirectory) -> None:
    rows = await hierarchy(client)
    dns = [(address_book_dn(row[ENTRY_ID]) or "").encode() for row in rows]
    answer = await client.request("DNToMId", names=[*dns, dns[4].lower(), b"/guid=" + b"0" * 32])
    assert answer.minimal_ids == [*(row[0xFFFD0003] for row in rows), ROOMS, 0]
    elsewhere = Client(NspiEndpoint(directory, "https://after.a.restart", dialog_template))
    await elsewhere.bind(Stat())
    assert await hierarchy(elsewhere) == rows
    eve = Client(client.endpoint, USERS[12])
    await eve.bind(Stat())
    others = [row[ENTRY_ID] for row in await hierarchy(eve)]
    assert not {row[ENTRY_ID] for row in rows[1:]} & set(others)


async def test_what_a_container_is(client: Client) -> None:
    (rooms,) = [row for row in await hierarchy(client) if row[0xFFFD0003] == ROOMS]
    tags = [NAME, 0x36000003, ENTRY_ID, 0xFFFC0102]
    answer = await client.request("GetProps", state=Stat(current_rec=ROOMS, code_page=1200), property_tags=tags)
    assert (answer.error_code, answer.property_values) == (0, [(tag, rooms[tag]) for tag in tags])
    answer = await client.request("GetProps", state=Stat(current_rec=ROOMS), property_tags=[0x3001001E, 0x39FE001F])
    assert answer.property_values == [(0x3001001E, b"All Rooms"), (0x39FE000A, ErrorCode.NotFound)]
    answer = await client.request("GetProps", state=Stat(current_rec=ROOMS, code_page=1200), property_tags=None)
    assert dict(answer.property_values) == rooms


class TestHidden:
    async def test_no_list_has_it(self, client: Client) -> None:
        for container in (GAL, ALL_USERS):
            assert HIDDEN.display_name not in await listed(client, container)
        state = Stat(SortType.DISPLAY_NAME_RO, 0x8009000D, FIRST_GROUP_ID + 1)
        fields = {"minimal_ids": None, "interface_option_flags": 0, "property_name": None, "row_count": 99}
        answer = await client.request("GetMatches", state=state, filter=None, columns=[NAME], **fields)
        assert answer.rows.rows == [["Tom Bauer"]]
        for text in ("ghost", "writer", "ghost@bm.lan"):
            anr = PropertyRestriction(4, 0x360C001F, (0x360C001F, text))
            answer = await client.request("GetMatches", filter=anr, columns=[NAME], **fields)
            assert answer.rows.rows == []
        answer = await client.request("UpdateStat", state=Stat(current_rec=minimal_id(23)), delta_requested=False)
        assert answer.error_code == ErrorCode.NotFound

    @pytest.mark.parametrize(
        "name",
        ["ghost@bm.lan", "SPOOK@bm.lan", "=SMTP:ghost@bm.lan", HIDDEN.legacy_dn, "X500:/o=OLD/cn=Ghost"],
    )
    async def test_who_knows_an_address_or_a_dn_finds_it(self, client: Client, name: str) -> None:
        answer = await client.request("ResolveNames", property_tags=[NAME], names=[name])
        assert (answer.minimal_ids, answer.rows.rows) == ([2], [["Ghost Writer"]])

    @pytest.mark.parametrize("name", ["ghost", "Ghost Writer", "=ghost", "=Ghost Writer", "gho", "writer"])
    async def test_nobody_else_finds_it_by_name(self, client: Client, name: str) -> None:
        assert (await client.request("ResolveNames", property_tags=[NAME], names=[name])).minimal_ids == [0]

    async def test_it_resolves_for_itself(self, endpoint: NspiEndpoint) -> None:
        """Else a new profile ends with: The name cannot be matched to a name in the address list."""
        ghost = Client(endpoint, HIDDEN)
        await ghost.bind(Stat(code_page=1200))
        names = ["ghost", "=GHOST", "ghost writer", "spook@bm.lan", HIDDEN.legacy_dn]
        answer = await ghost.request("ResolveNames", property_tags=[0x39FE001F], names=names)
        assert answer.minimal_ids == [2] * 5
        assert answer.rows.rows == [["ghost@bm.lan"]] * 5
        answer = await ghost.request("DNToMId", names=[HIDDEN.legacy_dn.encode()])
        assert answer.minimal_ids == [minimal_id(23)]
        answer = await ghost.request("QueryRows", explicit_table=[minimal_id(23)], row_count=1, columns=[ENTRY_ID])
        assert answer.rows.rows == [[PermanentEntryId(HIDDEN.legacy_dn).to_bytes()]]
        fields = {"minimal_ids": None, "interface_option_flags": 0, "property_name": None, "row_count": 99}
        anr = PropertyRestriction(4, 0x360C001F, (0x360C001F, "ghost@bm.lan"))
        answer = await ghost.request("GetMatches", filter=anr, columns=[NAME], **fields)
        assert answer.rows.rows == [["Ghost Writer"]]
        assert "Ghost Writer" not in await listed(ghost, GAL)


async def test_domains_that_share_a_list(client: Client, directory: FakeDirectory) -> None:
    directory.shared = {"bm.lan": ("bm.lan", "other.example")}
    assert await listed(client, GAL) == [
        "Beamer", "Blue Room", "Eve Other", "Info", "Staff", "Tom Bauer", "Yves", "Zed Elsewhere",
    ]  # fmt: skip
    assert await listed(client, CONTACTS) == ["Yves", "Zed Elsewhere"]
    answer = await client.request("ResolveNames", property_tags=[NAME], names=["eve", "eve@other.example"])
    assert answer.minimal_ids == [2, 2]
    eve = Client(client.endpoint, USERS[12])
    await eve.bind(Stat())
    assert await listed(eve, GAL) == ["Eve Other", "Yves"]


NAMES = ("Ågren", "Ahlin", "Ängö", "Chalupa", "Celan", "Hora", "Öberg", "Oz", "Nunez", "Ñandu", "Łoś", "Zorn", "Źbik")


@pytest.mark.parametrize(
    ("locale", "names"),
    [
        (0, "Ågren Ahlin Ängö Celan Chalupa Hora Łoś Ñandu Nunez Öberg Oz Źbik Zorn"),
        (GERMAN, "Ågren Ahlin Ängö Celan Chalupa Hora Łoś Ñandu Nunez Öberg Oz Źbik Zorn"),
        (SWEDISH, "Ahlin Celan Chalupa Hora Łoś Ñandu Nunez Oz Źbik Zorn Ågren Ängö Öberg"),
        (DANISH, "Ahlin Celan Chalupa Hora Łoś Ñandu Nunez Oz Źbik Zorn Ängö Öberg Ågren"),
        (SPANISH, "Ågren Ahlin Ängö Celan Chalupa Hora Łoś Nunez Ñandu Öberg Oz Źbik Zorn"),
        (CZECH, "Ågren Ahlin Ängö Celan Hora Chalupa Łoś Ñandu Nunez Öberg Oz Źbik Zorn"),
        (POLISH, "Ågren Ahlin Ängö Celan Chalupa Hora Łoś Ñandu Nunez Öberg Oz Zorn Źbik"),
    ],
)
async def test_each_locale_has_its_order(directory: FakeDirectory, client: Client, locale: int, names: str) -> None:
    directory.all = (TOM, *(user(number, f"u{number}@bm.lan", name) for number, name in enumerate(NAMES, 50)))
    directory.all_groups, directory.all_contacts = (), ()
    found = [name for name in await listed(client, GAL, sort_locale=locale) if name != TOM.display_name]
    assert found == names.split()
    for position, name in enumerate(await listed(client, ALL_USERS, sort_locale=locale)):
        state = Stat(container_id=ALL_USERS, sort_locale=locale, code_page=1200)
        sought = {"target": (NAME, name), "explicit_table": None, "columns": [NAME]}
        answer = await client.request("SeekEntries", state=state, **sought)
        assert (answer.state.num_pos, answer.rows.rows[0]) == (position, [name])
        place = await client.request("UpdateStat", state=answer.state, delta_requested=False)
        assert place.state.num_pos == position


def sounding(number: int, name: str, phonetic: str) -> User:
    details = Details.of({"phonetic_display_name": phonetic})
    return replace(user(number, f"u{number}@bm.lan", name), details=details)


class TestPhoneticOrder:
    @pytest.fixture
    async def client(self, directory: FakeDirectory, endpoint: NspiEndpoint) -> Client:
        directory.all = (
            TOM,
            sounding(61, "山田 太郎", "やまだ たろう"),
            sounding(62, "高橋 花子", "たかはし はなこ"),
            sounding(63, "青木 一", "あおき はじめ"),
        )
        directory.all_groups, directory.all_contacts = (), ()
        client = Client(endpoint)
        await client.bind(Stat(code_page=1200))
        return client

    @pytest.mark.spec("MS-OXNSPI_R95", "MS-OXNSPI_R495")
    async def test_names_sort_by_sound_and_others_as_they_are(self, client: Client) -> None:
        assert await listed(client, GAL, sort_type=3) == ["Tom Bauer", "青木 一", "高橋 花子", "山田 太郎"]
        assert await listed(client, GAL) == ["Tom Bauer", "山田 太郎", "青木 一", "高橋 花子"]

    async def test_seeking_by_sound(self, client: Client) -> None:
        state = Stat(sort_type=3, code_page=1200)
        for target, position in (("あ", 1), ("たか", 2), ("やまだ たろう", 3)):
            fields = {"target": (PHONETIC, target), "explicit_table": None, "columns": [PHONETIC]}
            answer = await client.request("SeekEntries", state=state, **fields)
            assert (answer.error_code, answer.state.num_pos, answer.state.total_recs) == (0, position, 4)
            assert answer.rows.rows[0][0].startswith(target)
        fields = {"target": (NAME, "あ"), "explicit_table": None, "columns": None}
        assert (await client.request("SeekEntries", state=state, **fields)).error_code == ErrorCode.GeneralFailure
        fields = {"target": (PHONETIC, "あ"), "explicit_table": None, "columns": None}
        answer = await client.request("SeekEntries", state=Stat(code_page=1200), **fields)
        assert answer.error_code == ErrorCode.GeneralFailure
        table = [minimal_id(1), minimal_id(63), minimal_id(62)]
        fields = {"target": (PHONETIC, "た"), "explicit_table": table, "columns": None}
        assert (await client.request("SeekEntries", state=state, **fields)).state.num_pos == 2

    async def test_positions_comparisons_and_sorting_follow(self, client: Client) -> None:
        state = Stat(sort_type=3, code_page=1200, current_rec=minimal_id(62))
        assert (await client.request("UpdateStat", state=state, delta_requested=False)).state.num_pos == 2
        pair = {"minimal_id_1": minimal_id(63), "minimal_id_2": minimal_id(61)}
        assert (await client.request("CompareMIds", state=Stat(sort_type=3), **pair)).result == -1
        assert (await client.request("CompareMIds", state=Stat(), **pair)).result == 1
        table = [minimal_id(number) for number in (61, 62, 63, 1)]
        answer = await client.request("ResortRestriction", state=state, minimal_ids=table)
        assert answer.minimal_ids == [minimal_id(number) for number in (1, 63, 62, 61)]
        assert (answer.state.num_pos, answer.state.current_rec) == (2, minimal_id(62))

    async def test_they_are_found_by_sound(self, client: Client) -> None:
        answer = await client.request("ResolveNames", property_tags=[NAME], names=["やまだ", "たろう やま"])
        assert answer.rows.rows == [["山田 太郎"]] * 2


async def test_minimal_ids_of_kinds_do_not_meet(client: Client) -> None:
    entries = [TOM.legacy_dn, STAFF.legacy_dn, CONTACT.legacy_dn]
    answer = await client.request("DNToMId", names=[dn.encode() for dn in entries])
    assert answer.minimal_ids == [minimal_id(1), FIRST_GROUP_ID + 1, FIRST_CONTACT_ID + 1]
