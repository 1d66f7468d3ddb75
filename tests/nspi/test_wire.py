"""Bodies in hex, laid out by hand from the field tables of MS-OXCMAPIHTTP 2.2.5."""

from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.errors import WireError
from mapigw.wire.restrictions import PropertyRestriction
from nspi.entryids import EphemeralEntryId, PermanentEntryId
from nspi.stat import Stat
from nspi.values import RowSet
from nspi.wire import REQUESTS, RESPONSES
from tests.nspi.test_restrictions import RESTRICTIONS
from tests.nspi.test_values import TAGGED, TEXT

STAT = Stat(code_page=0x4E4, template_locale=0x409, sort_locale=0x409)
STAT_HEX = "00000000 00000000 00000000 00000000 00000000 00000000 e4040000 09040000 09040000"
GUID = UUID("94a5c596-90a8-4985-91fd-57629ee06561")
GUID_HEX = "96c5a594a890854991fd57629ee06561"
DN_HEX = "2f006f003d0045000000"

REQUEST_EXAMPLES: list[tuple[str, dict[str, Any], str]] = [
    # The STAT of MS-OXNSPI section 4.
    ("Bind", {"flags": 0, "state": STAT}, f"00000000 ff {STAT_HEX}"),
    ("Bind", {"flags": 0x20, "state": None}, "20000000 00"),
    ("Unbind", {"reserved": 0}, "00000000"),
    (
        "CompareMIds",
        {"reserved": 0, "state": STAT, "minimal_id_1": 0x1001, "minimal_id_2": 0x1002},
        f"00000000 ff {STAT_HEX} 01100000 02100000",
    ),
    ("DNToMId", {"reserved": 0, "names": [b"/o=E", b""]}, "00000000 ff 02000000 2f6f3d4500 00"),
    ("DNToMId", {"reserved": 0, "names": None}, "00000000 00"),
    (
        "GetMatches",
        {
            "reserved": 0,
            "state": STAT,
            "minimal_ids": None,
            "interface_option_flags": 0x80000000,
            "filter": PropertyRestriction(4, 0x360C001F, (0x360C001F, "t")),
            "property_name": (GUID, 7),
            "row_count": 0x7FFFFFFF,
            "columns": [0x3001001F],
        },
        f"00000000 ff {STAT_HEX} 00 00000080 ff 04041f000c361f000c36ff74000000 ff {GUID_HEX} 07000000 ffffff7f"
        "ff 01000000 1f000130",
    ),
    ("GetPropList", {"flags": 1, "minimal_id": 0x1001, "code_page": 1252}, "01000000 01100000 e4040000"),
    (
        "GetProps",
        {"flags": 0, "state": STAT, "property_tags": [0x8C6D0102]},
        f"00000000 ff {STAT_HEX} ff 01000000 02016d8c",
    ),
    ("GetSpecialTable", {"flags": 4, "state": STAT, "version": 1}, f"04000000 ff {STAT_HEX} ff 01000000"),
    (
        "GetTemplateInfo",
        {"flags": 1, "display_type": 0, "template_dn": b"/o=E", "code_page": 1252, "locale_id": 0x409},
        "01000000 00000000 ff 2f6f3d4500 e4040000 09040000",
    ),
    (
        "ModLinkAtt",
        {
            "flags": 1,
            "property_tag": 0x8015000D,
            "minimal_id": 0x1001,
            "entry_ids": [PermanentEntryId("/"), EphemeralEntryId(GUID, 0x1002)],
        },
        "01000000 0d001580 01100000 ff 02000000"
        "00000000dca740c8c042101ab4b908002b2fe18201000000000000002f00"
        f"87000000{GUID_HEX}010000000000000002100000",
    ),
    (
        "ModProps",
        {"reserved": 0, "state": None, "property_tags": [0x8C6A1102], "property_values": [(0x39000003, 0)]},
        "00000000 00 ff 01000000 02116a8c ff 01000000 03000039 00000000",
    ),
    (
        "QueryRows",
        {"flags": 2, "state": STAT, "explicit_table": [0x1001], "row_count": 1, "columns": None},
        f"02000000 ff {STAT_HEX} 01000000 01100000 01000000 00",
    ),
    ("QueryColumns", {"reserved": 0, "mapi_flags": 0x80000000}, "00000000 00000080"),
    (
        "ResolveNames",
        {"reserved": 0, "state": STAT, "property_tags": None, "names": ["to", ""]},
        f"00000000 ff {STAT_HEX} 00 ff 02000000 74006f000000 0000",
    ),
    (
        "ResortRestriction",
        {"reserved": 0, "state": STAT, "minimal_ids": [0x1002, 0x1001]},
        f"00000000 ff {STAT_HEX} ff 02000000 02100000 01100000",
    ),
    (
        "SeekEntries",
        {"reserved": 0, "state": STAT, "target": (0x3001001F, "t"), "explicit_table": [], "columns": None},
        f"00000000 ff {STAT_HEX} ff 1f000130 ff 74000000 ff 00000000 00",
    ),
    ("UpdateStat", {"reserved": 0, "state": STAT, "delta_requested": True}, f"00000000 ff {STAT_HEX} 01"),
    ("GetMailboxUrl", {"flags": 0, "server_dn": "/o=E"}, f"00000000 {DN_HEX}"),
    ("GetAddressBookUrl", {"flags": 0, "user_dn": "/o=E"}, f"00000000 {DN_HEX}"),
]

RESPONSE_EXAMPLES: list[tuple[str, dict[str, Any], str]] = [
    ("Bind", {"server_guid": GUID}, GUID_HEX),
    ("Unbind", {}, ""),
    ("CompareMIds", {"result": -1}, "ffffffff"),
    ("DNToMId", {"minimal_ids": [0, 0x1001]}, "ff 02000000 00000000 01100000"),
    (
        "GetMatches",
        {"state": STAT, "minimal_ids": [0x1001], "rows": RowSet([0x39000003], [[0]])},
        f"ff {STAT_HEX} ff 01000000 01100000 ff 01000000 03000039 01000000 00 00000000",
    ),
    ("GetPropList", {"property_tags": [0x3001001E]}, "ff 01000000 1e000130"),
    (
        "GetProps",
        {"code_page": 1200, "property_values": [(0x3A17000A, 0x8004010F)]},
        "b0040000 ff 01000000 0a00173a 0f010480",
    ),
    (
        "GetSpecialTable",
        {"code_page": 1252, "version": 1, "rows": [[(0x36000003, 9)]]},
        "e4040000 ff 01000000 ff 01000000 01000000 03000036 09000000",
    ),
    ("GetTemplateInfo", {"code_page": 1252, "row": None}, "e4040000 00"),
    ("ModLinkAtt", {}, ""),
    ("ModProps", {}, ""),
    ("QueryRows", {"state": STAT, "rows": None}, f"ff {STAT_HEX} 00"),
    ("QueryColumns", {"columns": [0x3001001F]}, "ff 01000000 1f000130"),
    (
        "ResolveNames",
        {"code_page": 1200, "minimal_ids": [0, 1, 2], "rows": RowSet([0x3001001F], [["A"]])},
        "b0040000 ff 03000000 00000000 01000000 02000000 ff 01000000 1f000130 01000000 00 ff 41000000",
    ),
    ("ResortRestriction", {"state": None, "minimal_ids": []}, "00 ff 00000000"),
    ("SeekEntries", {"state": STAT, "rows": None}, f"ff {STAT_HEX} 00"),
    ("UpdateStat", {"state": STAT, "delta": -3}, f"ff {STAT_HEX} ff fdffffff"),
    ("GetMailboxUrl", {"server_url": "/o=E"}, DN_HEX),
    ("GetAddressBookUrl", {"server_url": ""}, "0000"),
]


def test_every_request_type_has_an_example() -> None:
    assert {name for name, _, _ in REQUEST_EXAMPLES} == set(REQUESTS)
    assert {name for name, _, _ in RESPONSE_EXAMPLES} == set(RESPONSES) == set(REQUESTS)


@pytest.mark.spec("MS-OXCMAPIHTTP_R319")
@pytest.mark.parametrize(("name", "value", "data"), REQUEST_EXAMPLES)
def test_request(name: str, value: dict[str, Any], data: str) -> None:
    body = bytes.fromhex(data + "03000000 aabbcc")
    value = value | {"auxiliary_buffer": b"\xaa\xbb\xcc"}
    assert REQUESTS[name].build(value) == body
    parsed = REQUESTS[name].parse(body)
    assert {key: parsed[key] for key in value} == value


@pytest.mark.parametrize(("name", "value", "data"), RESPONSE_EXAMPLES)
def test_response(name: str, value: dict[str, Any], data: str) -> None:
    body = bytes.fromhex("00000000 0f010480" + data + "00000000")
    value = value | {"status_code": 0, "error_code": 0x8004010F, "auxiliary_buffer": b""}
    assert RESPONSES[name].build(value) == body
    parsed = RESPONSES[name].parse(body)
    assert {key: parsed[key] for key in value} == value


@pytest.mark.parametrize(("name", "value", "data"), REQUEST_EXAMPLES)
def test_a_truncated_request_is_a_wire_error(name: str, value: dict[str, Any], data: str) -> None:
    body = bytes.fromhex(data + "00000000")
    for size in range(len(body)):
        with pytest.raises(WireError):
            REQUESTS[name].parse(body[:size])
    with pytest.raises(WireError):
        REQUESTS[name].parse(body + b"\0")


def test_the_error_names_the_field() -> None:
    with pytest.raises(WireError) as caught:
        REQUESTS["DNToMId"].parse(bytes.fromhex("00000000 ff ffffffff"))
    assert caught.value.field == "names"


@given(st.sampled_from(sorted(REQUESTS)), st.binary(max_size=200))
def test_random_bodies_parse_or_are_wire_errors(name: str, body: bytes) -> None:
    with suppress(WireError):
        REQUESTS[name].parse(body)


UINT32 = st.integers(0, 2**32 - 1)
STATS = st.builds(
    Stat, UINT32, UINT32, UINT32, st.integers(-(2**31), 2**31 - 1), UINT32, UINT32, UINT32, UINT32, UINT32
)
TAG_LISTS = st.none() | st.lists(UINT32, max_size=5)


@given(
    st.fixed_dictionaries(
        {
            "reserved": UINT32,
            "state": st.none() | STATS,
            "minimal_ids": TAG_LISTS,
            "interface_option_flags": UINT32,
            "filter": st.none() | RESTRICTIONS,
            "property_name": st.none() | st.tuples(st.uuids(), UINT32),
            "row_count": UINT32,
            "columns": TAG_LISTS,
            "auxiliary_buffer": st.binary(max_size=9),
        }
    )
)
def test_get_matches_round_trips(value: dict[str, Any]) -> None:
    parsed = REQUESTS["GetMatches"].parse(REQUESTS["GetMatches"].build(value))
    assert {key: parsed[key] for key in value} == value


@given(
    st.fixed_dictionaries(
        {
            "reserved": UINT32,
            "state": st.none() | STATS,
            "property_tags": TAG_LISTS,
            "names": st.none() | st.lists(TEXT, max_size=4),
            "target": st.none() | TAGGED,
            "explicit_table": TAG_LISTS,
            "columns": TAG_LISTS,
            "auxiliary_buffer": st.binary(max_size=9),
        }
    )
)
def test_resolve_names_and_seek_entries_round_trip(value: dict[str, Any]) -> None:
    for name in ("ResolveNames", "SeekEntries"):
        body = REQUESTS[name].build(value)
        parsed = REQUESTS[name].parse(body)
        assert all(parsed[key] == value[key] for key in parsed if not key.startswith("_"))
        assert REQUESTS[name].build(parsed) == body
