from pathlib import Path
from typing import Any

import pytest

from mapigw.directory.directory import Directory
from mapigw.directory.passwords import Argon2Parameters, Passwords
from mapigw.store.database import Database
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import address_book_dn
from nspi.address_book import FIRST_GROUP_ID
from nspi.endpoint import NspiEndpoint
from nspi.entryids import EphemeralEntryId, PermanentEntryId
from nspi.stat import NameResolution, Stat
from nspi.values import PropertyError
from oab.dialogs import dialog_template
from tests.nspi.client import ANNA, LISTED, TOM, USERS, Client, FakeDirectory, group, minimal_id

NAME, ENTRY_ID = 0x3001001F, 0x0FFF0102
MEMBER, IS_MEMBER_OF = 0x8009000D, 0x8008000D
RO = 1000
STAFF = group(1, "staff@bm.lan", "Staff", ANNA.address, "sales@bm.lan", TOM.address)
SALES = group(2, "sales@bm.lan", "Sales Équipe", TOM.address, "eve@other.example", "gone.for.ever@bm.lan")
EMPTY = group(3, "empty@bm.lan", "Empty")
FOREIGN = group(4, "friends@other.example", "Friends", TOM.address)
STAFF_ID, SALES_ID, EMPTY_ID, FOREIGN_ID = (FIRST_GROUP_ID + number for number in (1, 2, 3, 4))
STAFF_ENTRY_ID = PermanentEntryId(STAFF.legacy_dn, 1).to_bytes()


@pytest.fixture
def directory() -> FakeDirectory:
    return FakeDirectory(USERS, (STAFF, SALES, EMPTY, FOREIGN))


async def referenced(client: Client, current_rec: int, tag: int, **fields: Any) -> Any:
    defaults: dict[str, Any] = {
        "state": Stat(RO, tag, current_rec, code_page=1200),
        "minimal_ids": None,
        "interface_option_flags": 0,
        "filter": None,
        "property_name": None,
        "row_count": 1000,
        "columns": [NAME],
    }
    return await client.request("GetMatches", **(defaults | fields))


async def value(client: Client, current_rec: int, tag: int) -> Any:
    state = Stat(current_rec=current_rec, code_page=1200)
    answer = await client.request("GetProps", state=state, property_tags=[tag])
    return answer.property_values[0][1] if answer.error_code == 0 else ErrorCode(answer.property_values[0][1])


async def test_groups_are_listed_among_the_users(client: Client) -> None:
    answer = await client.request("QueryRows", explicit_table=[], row_count=50, columns=[NAME, 0x39000003])
    listed = [row[0] for row in answer.rows.rows]
    groups = [row[0] for row in answer.rows.rows if row[1] == 1]
    assert sorted(listed) == sorted((*LISTED, "Staff", "Sales Équipe", "Empty"))
    assert groups == ["Empty", "Sales Équipe", "Staff"]
    assert listed.index("Otto Ost") < listed.index("Sales Équipe") < listed.index("Tina Turm")
    assert answer.state.total_recs == len(listed)


@pytest.mark.spec("MS-OXNSPI_R49", "MS-OXOABK_R892", "MS-OXNSPI_R1737", "MS-OXNSPI_R1738")
@pytest.mark.spec("MS-OXPROPS_R5799", "MS-OXPROPS_R5800", "MS-OXPROPS_R5806", "MS-OXPROPS_R5807")
@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (0x0FFE0003, 8),
        (0x39000003, 1),
        (0x39050003, 0x40000009),
        (0x36000003, 9),
        (0x360F000D, 0),
        (ENTRY_ID, STAFF_ENTRY_ID),
        (0x0FF90102, STAFF_ENTRY_ID),
        (0x39020102, STAFF_ENTRY_ID),
        (0x0FF60102, STAFF_ID.to_bytes(4, "little")),
        (0x300B0102, b"EX:" + STAFF.legacy_dn.upper().encode() + b"\0"),
        (NAME, "Staff"),
        (0x3003001F, STAFF.legacy_dn),
        (0x803C001F, STAFF.legacy_dn),
        (0x39FE001F, "staff@bm.lan"),
        (0x3A00001F, "staff"),
        (0x800F101F, ["SMTP:staff@bm.lan"]),
        (MEMBER, 0),
        (IS_MEMBER_OF, ErrorCode.NotFound),
        (0x8006001F, ErrorCode.NotFound),
        (0x8C6D0102, ErrorCode.NotFound),
    ],
)
async def test_what_a_group_is(client: Client, tag: int, expected: Any) -> None:
    assert await value(client, STAFF_ID, tag) == expected


@pytest.mark.spec("MS-OXNSPI_R48", "MS-OXPROPS_R5798")
async def test_only_groups_have_what_belongs_to_groups(client: Client) -> None:
    assert await value(client, minimal_id(1), 0x39000003) == 0
    for tag in (0x36000003, 0x360F000D, MEMBER):
        assert await value(client, minimal_id(1), tag) == ErrorCode.NotFound
    assert await value(client, EMPTY_ID, MEMBER) == ErrorCode.NotFound
    assert (await referenced(client, STAFF_ID, 0x360F000D)).minimal_ids == []


async def test_an_ephemeral_entry_id_says_that_it_is_a_group(client: Client) -> None:
    state = Stat(current_rec=STAFF_ID)
    answer = await client.request("GetProps", flags=2, state=state, property_tags=[ENTRY_ID])
    ephemeral = EphemeralEntryId(client.endpoint.server_guid, STAFF_ID, 1).to_bytes()
    assert answer.property_values == [(ENTRY_ID, ephemeral)]


@pytest.mark.spec("MS-OXNSPI_R98", "MS-OXNSPI_R1144", "MS-OXNSPI_R1094", "MS-OXNSPI_R1155")
async def test_members_are_rows_sorted_by_name_and_those_of_other_domains_do_not_exist(client: Client) -> None:
    answer = await referenced(client, STAFF_ID, MEMBER)
    assert (answer.error_code, answer.minimal_ids) == (0, [minimal_id(2), SALES_ID, minimal_id(1)])
    assert answer.rows == ([NAME], [["Anna Müller"], ["Sales Équipe"], ["Tom Bauer"]])
    assert answer.state.container_id == STAFF_ID
    assert (await referenced(client, SALES_ID, MEMBER)).rows.rows == [["Tom Bauer"]]
    assert (await referenced(client, EMPTY_ID, MEMBER)).rows.rows == []
    assert (await referenced(client, minimal_id(1), MEMBER)).rows.rows == []
    assert (await referenced(client, FOREIGN_ID, MEMBER)).error_code == ErrorCode.GeneralFailure
    again = await client.request("QueryRows", explicit_table=answer.minimal_ids, row_count=3, columns=[NAME])
    assert again.rows == answer.rows


async def test_whose_member_a_user_or_a_group_is(client: Client) -> None:
    assert (await referenced(client, minimal_id(1), IS_MEMBER_OF)).rows.rows == [["Sales Équipe"], ["Staff"]]
    assert (await referenced(client, SALES_ID, IS_MEMBER_OF)).rows.rows == [["Staff"]]
    assert (await referenced(client, minimal_id(4), IS_MEMBER_OF)).rows.rows == []
    assert await value(client, minimal_id(1), IS_MEMBER_OF) == 0
    assert await value(client, minimal_id(4), IS_MEMBER_OF) == ErrorCode.NotFound


@pytest.mark.spec("MS-OXNSPI_R1149")
async def test_more_members_than_asked_for_are_a_table_too_big(client: Client) -> None:
    answer = await referenced(client, STAFF_ID, MEMBER, row_count=2)
    assert (answer.error_code, answer.minimal_ids, answer.rows) == (ErrorCode.TableTooBig, None, None)


@pytest.mark.spec("MS-OXNSPI_R104", "MS-OXNSPI_R848")
async def test_objects_are_left_out_of_lists_on_request(client: Client) -> None:
    everything = (await client.request("GetPropList", minimal_id=STAFF_ID, code_page=1252)).property_tags
    without = (await client.request("GetPropList", flags=1, minimal_id=STAFF_ID, code_page=1252)).property_tags
    assert set(everything) - set(without) == {MEMBER, 0x360F000D}
    for flags, expected in ((0, everything), (1, without)):
        state = Stat(current_rec=STAFF_ID, code_page=1252)
        answer = await client.request("GetProps", flags=flags, state=state, property_tags=None)
        assert [tag for tag, _ in answer.property_values] == expected


@pytest.mark.parametrize(
    "name",
    [
        "staff@bm.lan",
        "STAFF@bm.lan",
        "SMTP:staff@bm.lan",
        "staff",
        "Staff",
        "sta",
        STAFF.legacy_dn,
        "X500:" + STAFF.legacy_dn.upper(),
    ],
)
async def test_every_way_to_name_a_group(client: Client, name: str) -> None:
    answer = await client.request("ResolveNames", property_tags=[ENTRY_ID], names=[name])
    assert (answer.minimal_ids, answer.rows.rows) == ([NameResolution.RESOLVED], [[STAFF_ENTRY_ID]])


async def test_a_group_by_its_dn(client: Client) -> None:
    names = [group.legacy_dn.encode() for group in (STAFF, FOREIGN)]
    assert (await client.request("DNToMId", names=names)).minimal_ids == [STAFF_ID, 0]
    answer = await client.request("QueryRows", explicit_table=[FOREIGN_ID], row_count=1, columns=[NAME])
    assert answer.rows.rows == [[PropertyError(ErrorCode.NotFound)]]
    for request_type, field in (("GetMailboxUrl", "server_dn"), ("GetAddressBookUrl", "user_dn")):
        assert (await client.request(request_type, **{field: STAFF.legacy_dn})).error_code == ErrorCode.NotFound


@pytest.mark.spec("MS-OXNSPI_R1646", "MS-OXNSPI_R1647", "MS-OXNSPI_R1338", "MS-OXNSPI_R1927")
@pytest.mark.parametrize("flags", [0, 1, 2, 0xFFFFFFFF])
@pytest.mark.parametrize(
    ("tag", "target", "code"),
    [
        (MEMBER, STAFF_ID, ErrorCode.AccessDenied),
        (0x8015000D, minimal_id(1), ErrorCode.GeneralFailure),
        (MEMBER, minimal_id(1), ErrorCode.AccessDenied),
        (0x8015000D, STAFF_ID, ErrorCode.AccessDenied),
    ],
)
async def test_links_are_not_modified_by_just_anybody(
    client: Client, flags: int, tag: int, target: int, code: ErrorCode
) -> None:
    entry_ids = [PermanentEntryId(USERS[3].legacy_dn), EphemeralEntryId(client.endpoint.server_guid, minimal_id(2))]
    answer = await client.request("ModLinkAtt", flags=flags, property_tag=tag, minimal_id=target, entry_ids=entry_ids)
    assert answer.error_code == code
    assert (await referenced(client, STAFF_ID, MEMBER)).minimal_ids == [minimal_id(2), SALES_ID, minimal_id(1)]


async def test_a_change_of_a_group_is_seen_at_once(directory: FakeDirectory, client: Client) -> None:
    directory.all_groups = (group(1, "staff@bm.lan", "Personnel", "bob@bm.lan"),)
    assert (await referenced(client, STAFF_ID, MEMBER)).rows.rows == [["bob"]]
    assert await value(client, STAFF_ID, NAME) == "Personnel"
    assert await value(client, SALES_ID, NAME) == ErrorCode.NotFound


async def test_a_group_that_cannot_be_listed_is_left_out(directory: FakeDirectory, client: Client) -> None:
    directory.all_groups = (group(2**40, "far@bm.lan", "Far", TOM.address), STAFF)
    answer = await referenced(client, minimal_id(1), IS_MEMBER_OF)
    assert answer.rows.rows == [["Staff"]]


async def test_with_the_real_directory_and_its_permissions(tmp_path: Path) -> None:
    """The entry id of a group leads to the name under which its members are granted what it is granted."""
    database = await Database.open(tmp_path)
    try:
        passwords = Passwords(Argon2Parameters(time_cost=1, memory_cost=8, parallelism=1))
        directory = Directory(database, passwords=passwords)
        tom = await directory.add("tom@bm.lan", "secret", display_name="Tom Bauer")
        await directory.add_group("staff@bm.lan", display_name="Staff")
        await directory.add_member("staff@bm.lan", "tom@bm.lan")
        client = Client(NspiEndpoint(directory, "https://mail.bm.lan", dialog_template), tom)
        await client.bind(Stat(code_page=1200))
        answer = await client.request("ResolveNames", property_tags=[ENTRY_ID], names=["staff"])
        assert answer.minimal_ids == [NameResolution.RESOLVED]
        dn = address_book_dn(answer.rows.rows[0][0])
        assert dn.lower() in await directory.names_of(tom)
        (staff,) = (await client.request("DNToMId", names=[dn.encode()])).minimal_ids
        assert (await referenced(client, staff, MEMBER)).rows.rows == [["Tom Bauer"]]
    finally:
        await database.close()
