"""What holds for every method: reserved fields, flags nobody knows, code pages, return values and errors."""

from typing import Any

import pytest

from mapigw.wire.codes import ErrorCode
from mapigw.wire.cursor import Cursor
from mapigw.wire.restrictions import ExistRestriction, NotRestriction, PropertyRestriction, Restriction
from nspi.address_book import FIRST_GROUP_ID
from nspi.endpoint import NspiEndpoint
from nspi.entryids import EphemeralEntryId, PermanentEntryId, pull_entry_id
from nspi.stat import MinimalId, Stat
from nspi.wire import REQUESTS, RESPONSES
from oab.dialogs import dialog_template
from tests.nspi.client import ANNA, CONTEXT, TOM, USERS, Client, FakeDirectory, group, minimal_id

NAME, NAME8, ENTRY_ID = 0x3001001F, 0x3001001E, 0x0FFF0102
STAFF = group(1, "staff@bm.lan", "Staff", ANNA.address, TOM.address)
STAFF_ID = FIRST_GROUP_ID + 1
ANY = PropertyRestriction(4, 0x360C001F, (0x360C001F, "tom"))
MATCHING: dict[str, Any] = {
    "minimal_ids": None,
    "interface_option_flags": 0,
    "filter": ANY,
    "property_name": None,
    "row_count": 100,
    "columns": [NAME],
}
SEEKING: dict[str, Any] = {"target": (NAME, "t"), "explicit_table": None, "columns": [NAME]}
QUERYING: dict[str, Any] = {"explicit_table": [], "row_count": 5, "columns": [NAME]}
REQUEST_FIELDS: dict[str, dict[str, Any]] = {
    "GetSpecialTable": {"version": None},
    "UpdateStat": {"delta_requested": True},
    "QueryColumns": {"mapi_flags": 0},
    "GetProps": {"property_tags": [NAME], "state": Stat(current_rec=minimal_id(1))},
    "QueryRows": QUERYING,
    "SeekEntries": SEEKING,
    "GetMatches": MATCHING,
    "ResortRestriction": {"minimal_ids": [minimal_id(1), minimal_id(2)]},
    "CompareMIds": {"minimal_id_1": minimal_id(1), "minimal_id_2": minimal_id(2)},
    "DNToMId": {"names": [TOM.legacy_dn.encode()]},
    "ModProps": {"property_tags": [0x3A701102], "property_values": None, "state": Stat(current_rec=minimal_id(1))},
    "ResolveNames": {"property_tags": [NAME], "names": ["tom"]},
    "Unbind": {},
}
RETURN_VALUES = {
    ErrorCode.Success,
    ErrorCode.ErrorsReturned,
    ErrorCode.GeneralFailure,
    ErrorCode.NotSupported,
    ErrorCode.OutOfResources,
    ErrorCode.NotFound,
    ErrorCode.TooComplex,
    ErrorCode.InvalidCodepage,
    ErrorCode.InvalidLocale,
    ErrorCode.TableTooBig,
    ErrorCode.InvalidBookmark,
    ErrorCode.AccessDenied,
    ErrorCode.InvalidParameter,
}
"""Those of MS-OXNSPI 2.2.1.2 that this server has a use for."""


@pytest.fixture
def directory() -> FakeDirectory:
    return FakeDirectory(USERS, (STAFF,))


async def matches(client: Client, **fields: Any) -> Any:
    return await client.request("GetMatches", **(MATCHING | fields))


@pytest.mark.spec("MS-OXNSPI_R1673", "MS-OXNSPI_R1676", "MS-OXNSPI_R1922", "MS-OXNSPI_R1702", "MS-OXNSPI_R1899")
@pytest.mark.spec("MS-OXNSPI_R1915", "MS-OXNSPI_R1699", "MS-OXNSPI_R1700", "MS-OXNSPI_R1289", "MS-OXNSPI_R1024")
@pytest.mark.spec("MS-OXNSPI_R1109", "MS-OXNSPI_R1363", "MS-OXNSPI_R1414")
@pytest.mark.parametrize(
    "request_type", [name for name in REQUEST_FIELDS if name not in ("GetSpecialTable", "GetProps", "QueryRows")]
)
async def test_reserved_fields_are_ignored(client: Client, request_type: str) -> None:
    wanted = await client.request(request_type, **REQUEST_FIELDS[request_type])
    for reserved in (1, 2**31, 2**32 - 1):
        assert await client.request(request_type, reserved=reserved, **REQUEST_FIELDS[request_type]) == wanted
    assert wanted.error_code in RETURN_VALUES | {ErrorCode.UnbindSuccess}


@pytest.mark.spec("MS-OXNSPI_R1740", "MS-OXNSPI_R1925", "MS-OXNSPI_R1926")
@pytest.mark.parametrize(("request_type", "known"), [("GetSpecialTable", 6), ("GetProps", 3), ("QueryRows", 3)])
async def test_unknown_flags_are_ignored(client: Client, request_type: str, known: int) -> None:
    wanted = await client.request(request_type, **REQUEST_FIELDS[request_type])
    for bit in range(32):
        if not known >> bit & 1:
            assert await client.request(request_type, flags=1 << bit, **REQUEST_FIELDS[request_type]) == wanted


@pytest.mark.spec("MS-OXNSPI_R1923", "MS-OXNSPI_R1924", "MS-OXNSPI_R1668")
async def test_unknown_flags_of_lists_and_of_bind_are_ignored(client: Client, endpoint: NspiEndpoint) -> None:
    wanted = (await client.request("QueryColumns", mapi_flags=0)).columns
    assert (await client.request("QueryColumns", mapi_flags=0x7FFFFFFF)).columns == wanted
    fields = {"minimal_id": STAFF_ID, "code_page": 1252}
    wanted = (await client.request("GetPropList", **fields)).property_tags
    assert (await client.request("GetPropList", flags=0xFFFFFFFE, **fields)).property_tags == wanted
    answers = [
        (
            await endpoint.connect(
                TOM, REQUESTS["Bind"].build({"flags": flags, "state": Stat(), "auxiliary_buffer": b""}), CONTEXT
            )
        )[0]
        for flags in (0, 1, 0x20, 0xFFFFFFFF)
    ]
    assert set(answers) == {answers[0]}


@pytest.mark.spec("MS-OXNSPI_R1872")
async def test_any_byte_but_zero_asks_for_the_delta(client: Client) -> None:
    assert client.session is not None
    body = REQUESTS["UpdateStat"].build(
        {"reserved": 0, "state": Stat(delta=2), "delta_requested": True, "auxiliary_buffer": b""}
    )
    answers = [
        await client.session.request("UpdateStat", body[:-5] + bytes((byte,)) + body[-4:]) for byte in (1, 2, 0xFF)
    ]
    assert set(answers) == {answers[0]}
    assert RESPONSES["UpdateStat"].parse(answers[0]).delta == 2


@pytest.mark.spec("MS-OXNSPI_R780", "MS-OXNSPI_R873", "MS-OXNSPI_R935", "MS-OXNSPI_R1016", "MS-OXNSPI_R1101")
@pytest.mark.spec("MS-OXNSPI_R1181", "MS-OXNSPI_R1223", "MS-OXNSPI_R1280", "MS-OXNSPI_R1359", "MS-OXNSPI_R1410")
@pytest.mark.parametrize("request_type", [name for name, fields in REQUEST_FIELDS.items() if name not in ("Unbind",)])
@pytest.mark.parametrize("column", [NAME, NAME8])
async def test_the_code_page_unicode_is_answered_like_any_other(client: Client, request_type: str, column: int) -> None:
    fields = dict(REQUEST_FIELDS[request_type])
    fields["state"] = fields.get("state", Stat())._replace(code_page=1200)
    for name in ("columns", "property_tags"):
        if name in fields:
            fields[name] = [column]
    assert (await client.request(request_type, **fields)).error_code in RETURN_VALUES


@pytest.mark.spec("MS-OXNSPI_R1105", "MS-OXNSPI_R99")
async def test_a_filter_of_a_table_sorted_for_links(client: Client) -> None:
    for sort_type in (1000, 1001, 77):
        assert (await matches(client, state=Stat(sort_type=sort_type))).error_code in RETURN_VALUES
    answer = await matches(client, filter=None, state=Stat(1000, 0x8009000D, STAFF_ID))
    assert (answer.error_code, answer.minimal_ids) == (0, [minimal_id(2), minimal_id(1)])


@pytest.mark.spec("MS-OXNSPI_R1131")
async def test_delta_and_container_do_not_matter_for_the_object_of_a_link(client: Client) -> None:
    for delta in (0, 5, -5, 2**31 - 1):
        for tag in (0x8009000D, 0x80090000 | 0xD):
            answer = await matches(client, filter=None, state=Stat(1000, tag, STAFF_ID, delta))
            assert answer.minimal_ids == [minimal_id(2), minimal_id(1)]


def nested(depth: int) -> Restriction:
    return ExistRestriction(NAME) if depth == 0 else NotRestriction(nested(depth - 1))


@pytest.mark.spec("MS-OXNSPI_R1636")
@pytest.mark.spec("MS-OXCDATA_R897", "MS-OXCDATA_R898", "MS-OXCDATA_R899", "MS-OXCDATA_R900", "MS-OXCDATA_R907")
@pytest.mark.spec("MS-OXCDATA_R908", "MS-OXCDATA_R927", "MS-OXCDATA_R928", "MS-OXCDATA_R949", "MS-OXCDATA_R950")
@pytest.mark.spec("MS-OXCDATA_R965", "MS-OXCDATA_R966", "MS-OXCDATA_R989", "MS-OXCDATA_R990", "MS-OXCDATA_R991")
@pytest.mark.spec("MS-OXCDATA_R992", "MS-OXCDATA_R903", "MS-OXCDATA_R904")
@pytest.mark.parametrize(
    ("request_type", "fields", "code"),
    [
        ("GetMatches", {"state": Stat(num_pos=3, delta=2)}, 0x00000000),
        ("GetMatches", {"filter": None, "state": Stat(1000, 0x8009000D, 7)}, 0x80004005),
        ("ModProps", {"property_tags": [NAME]}, 0x80070005),
        ("ModProps", {"property_tags": None}, 0x80070057),
        ("GetMatches", {"filter": None, "state": Stat(1001, 0x8009000D, STAFF_ID)}, 0x80040102),
        ("UpdateStat", {"state": Stat(current_rec=0x7FFFFFFF)}, 0x8004010F),
        ("GetMatches", {"filter": nested(60), "state": Stat(num_pos=3)}, 0x80040117),
        ("GetMatches", {"row_count": 1, "state": Stat(num_pos=3)}, 0x80040403),
        ("GetMatches", {"state": Stat(container_id=99, num_pos=3)}, 0x80040405),
    ],
)
async def test_numbers_of_errors(client: Client, request_type: str, fields: dict[str, Any], code: int) -> None:
    answer = await client.request(request_type, **(REQUEST_FIELDS[request_type] | fields))
    assert answer.error_code == code
    if request_type == "GetMatches" and code:
        assert (answer.state, answer.minimal_ids, answer.rows) == (fields["state"], None, None)


@pytest.mark.spec("MS-OXNSPI_R110", "MS-OXNSPI_R741")
async def test_unicode_does_not_matter_for_address_creation_templates(client: Client) -> None:
    for locale in (0x409, 0x40C, 0, 0xFFFFFFFF):
        state = Stat(code_page=1200, template_locale=locale)
        answers = [await client.request("GetSpecialTable", flags=flags, state=state, version=None) for flags in (2, 6)]
        assert answers[0] == answers[1]
        assert (answers[0].error_code, answers[0].rows) == (0, [])


@pytest.mark.spec("MS-OXNSPI_R1284")
async def test_a_refused_modification_changes_nothing(client: Client) -> None:
    state = Stat(current_rec=minimal_id(1), code_page=1200)
    before = (await client.request("GetProps", state=state, property_tags=None)).property_values
    for tags, values in (
        ([NAME], None),
        ([NAME], [(NAME, "Somebody else")]),
        ([0x3A701102], [(0x3A701102, [b"certificate"])]),
        ([0x8C6A1102], [(0x8C6A1102, [b"certificate"])]),
        (None, [(NAME, "Somebody else")]),
    ):
        answer = await client.request("ModProps", state=state, property_tags=tags, property_values=values)
        assert answer.error_code in (ErrorCode.AccessDenied, ErrorCode.InvalidParameter)
    assert (await client.request("GetProps", state=state, property_tags=None)).property_values == before


@pytest.mark.spec("MS-OXNSPI_R1665", "MS-OXNSPI_R1666")
async def test_the_display_type_of_an_entry_id_from_a_client_does_not_matter(client: Client) -> None:
    answers = []
    for display_type in (0, 1, 6, 0x100, 2**32 - 1):
        ids = [
            PermanentEntryId(ANNA.legacy_dn, display_type),
            EphemeralEntryId(client.endpoint.server_guid, minimal_id(2), display_type),
        ]
        fields = {"property_tag": 0x8009000D, "minimal_id": STAFF_ID, "entry_ids": ids}
        answers.append(await client.request("ModLinkAtt", **fields))
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.spec("MS-OXNSPI_R1998", "MS-OXNSPI_R1999", "MS-OXNSPI_R1997")
async def test_display_types_in_entry_ids(client: Client) -> None:
    for container in (await client.request("GetSpecialTable", flags=4, version=None)).rows:
        assert pull_entry_id(Cursor(dict(container)[ENTRY_ID])).display_type == 0x100
    for flags in (0, 2):
        fields = QUERYING | {"row_count": 100, "columns": [ENTRY_ID, 0x39000003]}
        answer = await client.request("QueryRows", flags=flags, **fields)
        types = [(pull_entry_id(Cursor(entry_id)).display_type, kind) for entry_id, kind in answer.rows.rows]
        assert set(types) == {(0, 0), (1, 1)}


@pytest.mark.spec("MS-OXNSPI_R413", "MS-OXNSPI_R1993", "MS-OXNSPI_R605", "MS-OXNSPI_R1994", "MS-OXNSPI_R1995")
@pytest.mark.spec("MS-OXNSPI_R1706", "MS-OXNSPI_R2001")
async def test_ids_stay_in_a_session_and_permanent_ones_for_ever(endpoint: NspiEndpoint, client: Client) -> None:
    async def ids(of: Client, flags: int) -> list[Any]:
        fields = QUERYING | {"row_count": 100, "columns": [0x0FF60102, ENTRY_ID, NAME]}
        return list((await of.request("QueryRows", flags=flags, **fields)).rows.rows)

    permanent, ephemeral = await ids(client, 0), await ids(client, 2)
    assert len({row[1] for row in ephemeral}) == len(ephemeral)
    assert {row[1][4:20] for row in ephemeral} == {endpoint.server_guid.bytes_le}
    await client.request("UpdateStat", state=Stat(delta=3), delta_requested=False)
    assert (await ids(client, 0), await ids(client, 2)) == (permanent, ephemeral)
    other = Client(NspiEndpoint(FakeDirectory(USERS, (STAFF,)), "https://elsewhere.example", dialog_template))
    await other.bind(Stat())
    assert await ids(other, 0) == permanent
    assert await ids(other, 2) != ephemeral


KEPT_BY_ALL = [
    0x0FFE0003, 0x3F080003, 0x39FF001F, 0xFFFD0003, ENTRY_ID, 0x0FF60102, 0x300B0102, 0x0FF90102, 0x3002001F,
    0x3003001F, 0x39000003, 0x39020102, 0x3A20001F, NAME, 0x0FF80102, 0x803C001F,
]  # fmt: skip


@pytest.mark.spec("MS-OXNSPI_R1721", "MS-OXNSPI_R1722", "MS-OXNSPI_R1723", "MS-OXNSPI_R1724", "MS-OXNSPI_R1725")
@pytest.mark.spec("MS-OXNSPI_R1726", "MS-OXNSPI_R1727", "MS-OXNSPI_R1728", "MS-OXNSPI_R1729", "MS-OXNSPI_R1730")
@pytest.mark.spec("MS-OXNSPI_R1731", "MS-OXNSPI_R1732", "MS-OXNSPI_R1733", "MS-OXNSPI_R1734", "MS-OXNSPI_R1735")
@pytest.mark.spec("MS-OXNSPI_R1736", "MS-OXPROPS_R4969", "MS-OXPROPS_R4970", "MS-OXPROPS_R4981", "MS-OXPROPS_R4982")
@pytest.mark.spec("MS-OXPROPS_R5163", "MS-OXPROPS_R5164", "MS-OXPROPS_R5316", "MS-OXPROPS_R5317", "MS-OXPROPS_R6014")
@pytest.mark.spec("MS-OXPROPS_R6015", "MS-OXPROPS_R6035", "MS-OXPROPS_R6036", "MS-OXPROPS_R6056", "MS-OXPROPS_R6057")
@pytest.mark.spec("MS-OXPROPS_R6100", "MS-OXPROPS_R6101", "MS-OXPROPS_R6605", "MS-OXPROPS_R6606", "MS-OXPROPS_R6626")
@pytest.mark.spec("MS-OXPROPS_R6627", "MS-OXPROPS_R6889", "MS-OXPROPS_R6890", "MS-OXPROPS_R6891", "MS-OXPROPS_R7109")
@pytest.mark.spec("MS-OXPROPS_R7110", "MS-OXPROPS_R7825", "MS-OXPROPS_R7826", "MS-OXPROPS_R8385", "MS-OXPROPS_R8386")
@pytest.mark.spec("MS-OXPROPS_R8770", "MS-OXPROPS_R8771", "MS-OXPROPS_R8815", "MS-OXPROPS_R8816")
async def test_every_object_has_what_every_object_must_have(client: Client) -> None:
    assert set(KEPT_BY_ALL) <= set((await client.request("QueryColumns", mapi_flags=0x80000000)).columns)
    answer = await client.request("QueryRows", **(QUERYING | {"row_count": 100, "columns": KEPT_BY_ALL}))
    assert len(answer.rows.rows) == 13
    signature = bytes.fromhex("dca740c8c042101ab4b908002b2fe182")
    for row in answer.rows.rows:
        values = dict(zip(KEPT_BY_ALL, row, strict=True))
        assert all(isinstance(value, (str, int, bytes)) for value in row), values
        assert values[0x0FF80102] == signature
        assert (values[0xFFFD0003], values[0x3F080003], values[0x3002001F]) == (0, 0, "EX")
        assert values[0x3003001F] == values[0x803C001F]
        assert values[ENTRY_ID] == values[0x39020102] == values[0x0FF90102]
        assert values[0x0FFE0003] == (8 if values[0x39000003] == 1 else 6)


@pytest.mark.spec("MS-OXNSPI_R1694", "MS-OXNSPI_R105801", "MS-OXNSPI_R1755")
async def test_rows_are_those_of_get_props(client: Client) -> None:
    """Except that GetMatches returns permanent entry ids, without which Outlook does not send."""
    columns = [NAME, NAME8, 0x39FE001F, 0x0FF60102, 0x39000003]
    queried = (await client.request("QueryRows", flags=2, **(QUERYING | {"columns": columns}))).rows
    for row in queried.rows:
        state = Stat(current_rec=int.from_bytes(row[3], "little"))
        answer = await client.request("GetProps", flags=2, state=state, property_tags=columns)
        assert answer.property_values == list(zip(queried.columns, row, strict=True))
    table = [int.from_bytes(row[3], "little") for row in queried.rows]
    for explicit in (None, table):
        found = await client.request("SeekEntries", target=(NAME, ""), explicit_table=explicit, columns=columns)
        assert found.rows.rows[:5] == queried.rows
        assert found.rows.columns == queried.columns
    found = await matches(client, columns=columns)
    again = await client.request("QueryRows", flags=2, explicit_table=found.minimal_ids, row_count=9, columns=columns)
    assert found.rows == again.rows


@pytest.mark.spec("MS-OXNSPI_R587", "MS-OXNSPI_R588", "MS-OXNSPI_R595", "MS-OXNSPI_R1745", "MS-OXNSPI_R1746")
@pytest.mark.spec("MS-OXNSPI_R1747", "MS-OXNSPI_R1748", "MS-OXNSPI_R1744")
@pytest.mark.parametrize(
    ("current_rec", "delta", "position"),
    [
        (MinimalId.CURRENT, 0, 6),
        (MinimalId.CURRENT, -2, 4),
        (MinimalId.CURRENT, 3, 9),
        (MinimalId.CURRENT, -7, 0),
        (MinimalId.CURRENT, -(2**31), 0),
        (MinimalId.CURRENT, 7, 13),
        (MinimalId.CURRENT, 2**31 - 1, 13),
        (MinimalId.BEGINNING_OF_TABLE, -1, 0),
        (MinimalId.BEGINNING_OF_TABLE, 4, 4),
    ],
)
async def test_delta_from_a_fractional_position(client: Client, current_rec: int, delta: int, position: int) -> None:
    table = [
        int.from_bytes(row[0], "little")
        for row in (
            await client.request("QueryRows", **(QUERYING | {"row_count": 100, "columns": [0x0FF60102]}))
        ).rows.rows
    ]
    state = Stat(current_rec=current_rec, delta=delta, num_pos=50, total_recs=100)
    found = (await client.request("UpdateStat", state=state, delta_requested=False)).state
    assert (found.num_pos, found.total_recs) == (position, len(table))
    assert found.current_rec == (table[position] if position < len(table) else MinimalId.END_OF_TABLE)


@pytest.mark.spec("MS-OXNSPI_R1934", "MS-OXNSPI_R1935", "MS-OXNSPI_R1936", "MS-OXNSPI_R1937", "MS-OXNSPI_R1938")
@pytest.mark.spec("MS-OXNSPI_R1939", "MS-OXNSPI_R1942", "MS-OXNSPI_R1943", "MS-OXNSPI_R1944", "MS-OXNSPI_R1945")
@pytest.mark.spec("MS-OXNSPI_R1946", "MS-OXNSPI_R1947", "MS-OXNSPI_R456", "MS-OXNSPI_R457", "MS-OXNSPI_R458")
@pytest.mark.spec("MS-OXNSPI_R459", "MS-OXNSPI_R460", "MS-OXNSPI_R1969", "MS-OXNSPI_R1970", "MS-OXNSPI_R1971")
@pytest.mark.spec("MS-OXNSPI_R1972", "MS-OXNSPI_R1973", "MS-OXNSPI_R1974", "MS-OXNSPI_R1975", "MS-OXNSPI_R1976")
@pytest.mark.spec("MS-OXNSPI_R1977", "MS-OXNSPI_R1978", "MS-OXNSPI_R1979")
@pytest.mark.parametrize("code_page", [1252, 65001, 850])
@pytest.mark.parametrize(
    ("request_type", "fields"),
    [
        ("GetProps", {"state": Stat(current_rec=minimal_id(2))}),
        ("QueryRows", {"explicit_table": [minimal_id(2)], "row_count": 1}),
        ("GetMatches", MATCHING | {"filter": PropertyRestriction(4, 0x360C001F, (0x360C001F, "anna"))}),
        ("SeekEntries", {"target": (NAME, "anna"), "explicit_table": None}),
        ("ResolveNames", {"names": ["anna"]}),
    ],
)
async def test_strings_in_unicode_and_in_the_code_page(
    client: Client, request_type: str, fields: dict[str, Any], code_page: int
) -> None:
    tags = [NAME, NAME8, 0x3003001E, 0x800F101E]
    state = fields.get("state", Stat())._replace(code_page=code_page)
    names = {"GetProps": "property_tags", "ResolveNames": "property_tags"}
    answer = await client.request(request_type, **fields | {"state": state, names.get(request_type, "columns"): tags})
    values = [value for _, value in answer.property_values] if request_type == "GetProps" else list(answer.rows.rows[0])
    name = "Anna Müller".encode(f"cp{code_page}")
    addresses = [b"SMTP:anna@bm.lan", b"smtp:am@bm.lan"]
    assert values == ["Anna Müller", name, ANNA.legacy_dn.encode(), addresses]


@pytest.mark.spec("MS-OXNSPI_R448", "MS-OXNSPI_R450", "MS-OXNSPI_R1950", "MS-OXNSPI_R1951", "MS-OXNSPI_R1952")
@pytest.mark.spec("MS-OXNSPI_R1953", "MS-OXNSPI_R1954", "MS-OXNSPI_R1955", "MS-OXNSPI_R1958", "MS-OXNSPI_R1959")
@pytest.mark.spec("MS-OXNSPI_R1960", "MS-OXNSPI_R1961", "MS-OXNSPI_R1962", "MS-OXNSPI_R1963")
@pytest.mark.parametrize(
    ("request_type", "fields"),
    [
        ("GetProps", {"state": Stat(current_rec=minimal_id(2))}),
        ("QueryRows", {"explicit_table": [minimal_id(2)], "row_count": 1}),
        ("GetMatches", MATCHING | {"filter": PropertyRestriction(4, 0x360C001F, (0x360C001F, "anna"))}),
        ("SeekEntries", {"target": (NAME, "anna"), "explicit_table": None}),
        ("ResolveNames", {"names": ["anna"]}),
    ],
)
@pytest.mark.parametrize("code_page", [1200, 1252, 65001])
async def test_a_string_that_is_natively_8_bit(
    client: Client, request_type: str, fields: dict[str, Any], code_page: int
) -> None:
    tags = [0x8006001F, 0x8006001E, 0x80060000]
    state = fields.get("state", Stat())._replace(code_page=code_page)
    names = {"GetProps": "property_tags", "ResolveNames": "property_tags"}
    answer = await client.request(request_type, **fields | {"state": state, names.get(request_type, "columns"): tags})
    if request_type == "GetProps":
        columns, values = zip(*answer.property_values, strict=True)
    else:
        columns, values = answer.rows.columns, answer.rows.rows[0]
    database = values[0]
    assert database.endswith(f"/cn=Configuration/cn=Servers/cn={ANNA.mailbox_guid}@bm.lan/cn=Microsoft Private MDB")
    assert (list(columns), list(values[1:])) == ([*tags[:2], 0x8006001E], [database.encode("ascii")] * 2)
