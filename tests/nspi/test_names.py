import pytest

from mapigw.wire.codes import ErrorCode
from nspi.entryids import PermanentEntryId
from nspi.handlers.tables import DEFAULT_COLUMNS
from nspi.stat import NameResolution, Stat
from nspi.values import PropertyError
from tests.nspi.client import ANNA, ORGANIZATION, TOM, USERS, Client, minimal_id

UNRESOLVED, AMBIGUOUS, RESOLVED = NameResolution.UNRESOLVED, NameResolution.AMBIGUOUS, NameResolution.RESOLVED


@pytest.mark.spec("MS-OXNSPI_R1243", "MS-OXNSPI_R1266")
@pytest.mark.spec("MS-OXNSPI_R1260")
@pytest.mark.spec("MS-OXNSPI_R1263")
async def test_dn_to_minimal_id_keeps_order_and_count_and_never_answers_somebody_else(client: Client) -> None:
    names = [ANNA.legacy_dn, "/o=Elsewhere/cn=x", TOM.legacy_dn.upper(), "", "tom@bm.lan", USERS[12].legacy_dn]
    answer = await client.request("DNToMId", names=[name.encode() for name in names])
    assert answer.minimal_ids == [minimal_id(2), 0, minimal_id(1), 0, 0, 0]
    assert (await client.request("DNToMId", names=[b"\xff\xfe", ANNA.legacy_dn.encode()])).minimal_ids[0] == 0
    assert (await client.request("DNToMId", names=None)).minimal_ids == []


@pytest.mark.parametrize(
    "name",
    [
        "anna@bm.lan",
        "ANNA@BM.LAN",
        "am@bm.lan",
        "SMTP:anna@bm.lan",
        "smtp:am@bm.lan",
        " anna@bm.lan ",
        "Anna Müller <am@bm.lan>",
        ANNA.legacy_dn,
        ANNA.legacy_dn.lower(),
        "EX:" + ANNA.legacy_dn,
        "X500:" + ANNA.legacy_dn.upper(),
        "anna",
        "am",
        "Anna Müller",
        "anna muller",
        "Müller, Anna",
        "ann mul",
        "mü",
    ],
)
async def test_every_way_to_name_a_user_or_the_name_cannot_be_matched(client: Client, name: str) -> None:
    answer = await client.request(
        "ResolveNames", state=Stat(code_page=1200), property_tags=[0x39FE001F, 0x0FFF0102], names=[name]
    )
    assert answer.minimal_ids == [RESOLVED]
    assert answer.rows.rows == [["anna@bm.lan", PermanentEntryId(ANNA.legacy_dn).to_bytes()]]


@pytest.mark.spec("MS-OXNSPI_R88", "MS-OXNSPI_R89", "MS-OXNSPI_R90", "MS-OXNSPI_R616", "MS-OXNSPI_R1342")
@pytest.mark.spec("MS-OXNSPI_R1343", "MS-OXNSPI_R1347", "MS-OXNSPI_R1349", "MS-OXNSPI_R1354", "MS-OXNSPI_R1375")
@pytest.mark.spec("MS-OXNSPI_R1379", "MS-OXNSPI_R1392", "MS-OXNSPI_R1393", "MS-OXNSPI_R1394", "MS-OXNSPI_R1395")
@pytest.mark.spec("MS-OXNSPI_R1399", "MS-OXNSPI_R1650", "MS-OXNSPI_R1405", "MS-OXNSPI_R1426", "MS-OXNSPI_R1430")
@pytest.mark.spec("MS-OXNSPI_R1443")
@pytest.mark.spec("MS-OXNSPI_R618")
@pytest.mark.spec("MS-OXNSPI_R620")
@pytest.mark.spec("MS-OXNSPI_R622")
@pytest.mark.spec("MS-OXNSPI_R624")
@pytest.mark.spec("MS-OXNSPI_R1428")
async def test_outcomes_are_in_order_and_only_resolved_names_have_rows(client: Client) -> None:
    names = ["", "t", "gone", "nobody", "stranger@example.org", "ost", "otto", " ", "/o=x", "<>", "SMTP:"]
    answer = await client.request("ResolveNames", property_tags=[0x3001001F], names=names)
    assert answer.minimal_ids == [
        UNRESOLVED, AMBIGUOUS, RESOLVED, UNRESOLVED, UNRESOLVED, AMBIGUOUS, RESOLVED, UNRESOLVED, UNRESOLVED,
        UNRESOLVED, UNRESOLVED,
    ]  # fmt: skip
    assert answer.rows.rows == [["Gone Away"], ["Otto Ost"]]


async def test_an_account_that_begins_other_names_is_not_ambiguous(client: Client) -> None:
    answer = await client.request("ResolveNames", property_tags=[0x3001001F], names=["tom", "tom.turm", "Tom Turm"])
    assert answer.minimal_ids == [RESOLVED] * 3
    assert answer.rows.rows == [["Tom Bauer"], ["Tom Turm"], ["Tom Turm"]]


@pytest.mark.parametrize("name", ["eve@other.example", "INFO@other.example", f"{ORGANIZATION}/cn={13:032x}-eve"])
async def test_a_user_of_another_domain_does_not_exist(client: Client, name: str) -> None:
    answer = await client.request("ResolveNames", property_tags=[0x3001001F], names=[name, "eve", "Eve Other"])
    assert answer.minimal_ids == [UNRESOLVED] * 3
    assert answer.rows.rows == []
    answer = await client.request("QueryRows", explicit_table=[minimal_id(13)], row_count=1, columns=[0x3001001F])
    assert [type(value) for value in answer.rows.rows[0]] == [PropertyError]


@pytest.mark.spec("MS-OXNSPI_R1367", "MS-OXNSPI_R1760", "MS-OXNSPI_R1372")
@pytest.mark.spec("MS-OXNSPI_R1423")
@pytest.mark.spec("MS-OXNSPI_R1418")
@pytest.mark.spec("MS-OXNSPI_R1761")
async def test_refusals(client: Client) -> None:
    answer = await client.request("ResolveNames", state=Stat(container_id=3), property_tags=None, names=["tom"])
    assert (answer.error_code, answer.minimal_ids, answer.rows) == (ErrorCode.InvalidBookmark, None, None)
    answer = await client.request("ResolveNames", property_tags=None, names=["tom"] * 1001)
    assert answer.error_code == ErrorCode.OutOfResources
    answer = await client.request("ResolveNames", property_tags=[0x3001001F] * 2001, names=["tom"])
    assert answer.error_code == ErrorCode.TableTooBig


async def test_defaults(client: Client) -> None:
    answer = await client.request("ResolveNames", state=None, property_tags=None, names=None)
    assert (answer.error_code, answer.minimal_ids, answer.rows) == (0, [], (DEFAULT_COLUMNS, []))


async def test_an_equals_sign_asks_for_the_whole_name(client: Client) -> None:
    names = ["=tom", "=Tina Turm", "=tin", "=smtp:am@bm.lan", "=", "=x@bm.lan"]
    answer = await client.request("ResolveNames", property_tags=[0x3001001F], names=names)
    assert answer.minimal_ids == [RESOLVED, RESOLVED, UNRESOLVED, RESOLVED, UNRESOLVED, UNRESOLVED]
    assert answer.rows.rows == [["Tom Bauer"], ["Tina Turm"], ["Anna Müller"]]
