"""What no client sends: every answer is a specified one, quickly, and never more rows than asked for."""

import time
from typing import Any

import pytest

from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.restrictions import (
    AndRestriction,
    ContentRestriction,
    ExistRestriction,
    NotRestriction,
    PropertyRestriction,
    Restriction,
)
from nspi.endpoint import NspiEndpoint
from nspi.stat import MinimalId, Stat
from nspi.values import PropertyError
from nspi.wire import REQUESTS
from oab.dialogs import dialog_template
from tests.nspi.client import LISTED, TOM, Client, FakeDirectory, group, minimal_id, user

NAME, ANR = 0x3001001F, 0x360C001F
TOTAL = len(LISTED)
LONG = "a" * 0x10000
WORDS = "a b c d e " * 6000
ABSENT = PropertyError(ErrorCode.NotFound)


async def matches(client: Client, restriction: Restriction, **fields: Any) -> Any:
    defaults: dict[str, Any] = {
        "minimal_ids": None,
        "interface_option_flags": 0,
        "filter": restriction,
        "property_name": None,
        "row_count": 1000,
        "columns": None,
    }
    return await client.request("GetMatches", **(defaults | fields))


@pytest.mark.parametrize(
    "name", [LONG, WORDS, "=" + LONG, LONG + "@bm.lan", "/o=" + LONG, "<" * 0x10000, " " * 0x10000]
)
async def test_names_of_64_kilobytes_are_nobodys(client: Client, name: str) -> None:
    answer = await client.request("ResolveNames", property_tags=[NAME], names=[name] * 20)
    assert (answer.error_code, answer.minimal_ids, answer.rows.rows) == (0, [0] * 20, [])
    assert (await client.request("DNToMId", names=[name.encode()])).minimal_ids == [0]
    assert (await matches(client, PropertyRestriction(4, ANR, (ANR, name)))).minimal_ids == []
    assert (await matches(client, ContentRestriction(1, 1, NAME, (NAME, name)))).minimal_ids == []
    answer = await client.request("SeekEntries", target=(NAME, name), explicit_table=None, columns=[NAME])
    assert answer.error_code in (ErrorCode.Success, ErrorCode.NotFound)
    for request_type, field in (("GetMailboxUrl", "server_dn"), ("GetAddressBookUrl", "user_dn")):
        assert (await client.request(request_type, **{field: name})).error_code == ErrorCode.NotFound


async def test_a_hundred_thousand_names_in_one_request(client: Client) -> None:
    started = time.perf_counter()
    answer = await client.request("ResolveNames", property_tags=[NAME], names=["tom"] * 100_000)
    assert (answer.error_code, answer.minimal_ids, answer.rows) == (ErrorCode.OutOfResources, None, None)
    assert time.perf_counter() - started < 20
    answer = await client.request("DNToMId", names=[TOM.legacy_dn.encode()] * 3 + [b"/o=x"] * 9_997)
    assert answer.minimal_ids == [minimal_id(1)] * 3 + [0] * 9_997


@pytest.mark.parametrize("request_type", ["ResolveNames", "DNToMId"])
@pytest.mark.parametrize("count", ["ffffffff", "00000080", "ffffff7f", "a1860100"])
async def test_counts_beyond_the_body_or_negative_ones_are_malformed(
    client: Client, request_type: str, count: str
) -> None:
    assert client.session is not None
    head = "00000000 00 00 ff" if request_type == "ResolveNames" else "00000000 ff"
    with pytest.raises(WireError):
        await client.session.request(request_type, bytes.fromhex(head + count) + b"a\0b\0" * 10)


@pytest.mark.parametrize("field", ["explicit_table", "columns"])
async def test_a_negative_count_of_a_list_is_malformed(client: Client, field: str) -> None:
    assert client.session is not None
    fields = {"reserved": 0, "flags": 0, "state": None, "explicit_table": [1], "row_count": 1, "columns": [NAME]}
    body = REQUESTS["QueryRows"].build(fields | {"auxiliary_buffer": b""})
    place = 5 if field == "explicit_table" else 18
    assert body[place : place + 4] == bytes((1, 0, 0, 0))
    for count in (b"\xff\xff\xff\xff", b"\0\0\0\x80"):
        with pytest.raises(WireError):
            await client.session.request("QueryRows", body[:place] + count + body[place + 4 :])


@pytest.mark.parametrize("container", [1, 2, 15, 0x16, 0x1000, minimal_id(1), 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
async def test_unknown_containers(client: Client, container: int) -> None:
    state = Stat(container_id=container, num_pos=3)
    requests: dict[str, dict[str, Any]] = {
        "UpdateStat": {"delta_requested": True},
        "QueryRows": {"explicit_table": [], "row_count": 1, "columns": [NAME]},
        "SeekEntries": {"target": (NAME, "t"), "explicit_table": None, "columns": [NAME]},
        "ResolveNames": {"property_tags": [NAME], "names": ["tom"]},
        "CompareMIds": {"minimal_id_1": minimal_id(1), "minimal_id_2": minimal_id(2)},
    }
    for request_type, fields in requests.items():
        answer = await client.request(request_type, state=state, **fields)
        assert answer.error_code == ErrorCode.InvalidBookmark, request_type
        assert answer.get("state", state) == state
    answer = await matches(client, ExistRestriction(NAME), state=state)
    assert (answer.error_code, answer.state) == (ErrorCode.InvalidBookmark, state)


@pytest.mark.parametrize(
    "number", [3, 0x0F, 0x16, 0x1000, minimal_id(77), 0x40000001, 0x7FFFFFFF, 0x80001001, 0xFFFFFFFF]
)
async def test_minimal_ids_that_were_never_given(client: Client, number: int) -> None:
    answer = await client.request("QueryRows", explicit_table=[number], row_count=1, columns=[NAME])
    assert answer.rows.rows == [[ABSENT]]
    answer = await client.request("GetProps", state=Stat(current_rec=number), property_tags=[NAME])
    assert answer.error_code == ErrorCode.ErrorsReturned
    assert (await client.request("GetPropList", minimal_id=number, code_page=1252)).property_tags == []
    assert (await client.request("ResortRestriction", minimal_ids=[number])).minimal_ids == []
    answer = await client.request("CompareMIds", minimal_id_1=number, minimal_id_2=minimal_id(1))
    assert answer.error_code == ErrorCode.GeneralFailure
    answer = await client.request("UpdateStat", state=Stat(current_rec=number), delta_requested=False)
    assert answer.error_code == ErrorCode.NotFound
    answer = await client.request("ModLinkAtt", property_tag=0x8009000D, minimal_id=number, entry_ids=None)
    assert answer.error_code == ErrorCode.InvalidParameter
    answer = await client.request(
        "ModProps", state=Stat(current_rec=number), property_tags=[NAME], property_values=None
    )
    assert answer.error_code == ErrorCode.InvalidParameter


@pytest.mark.parametrize("depth", [17, 120])
async def test_nested_restrictions_are_too_complex(client: Client, depth: int) -> None:
    restriction: Restriction = ExistRestriction(NAME)
    for level in range(depth):
        restriction = NotRestriction(restriction) if level % 2 else AndRestriction((restriction,))
    answer = await matches(client, restriction)
    assert (answer.error_code, answer.minimal_ids) == (ErrorCode.TooComplex, None)


async def test_nesting_without_end_is_malformed(client: Client) -> None:
    assert client.session is not None
    with pytest.raises(WireError):
        await client.session.request("GetMatches", bytes.fromhex("00000000 00 00 00000000 ff") + b"\x02" * 60_000)


@pytest.mark.parametrize("row_count", [1, 3, TOTAL, TOTAL + 1, 2**31, 2**32 - 1])
async def test_never_more_rows_than_asked_nor_than_there_are(client: Client, row_count: int) -> None:
    answer = await client.request("QueryRows", explicit_table=[], row_count=row_count, columns=[NAME])
    rows = min(row_count, TOTAL)
    assert [row[0] for row in answer.rows.rows] == list(LISTED[:rows])
    assert (answer.state.num_pos, answer.state.total_recs) == (rows, TOTAL)
    assert (answer.state.current_rec == MinimalId.END_OF_TABLE) is (rows == TOTAL)
    answer = await matches(client, AndRestriction(()), row_count=row_count)
    assert answer.error_code == (0 if row_count >= TOTAL else ErrorCode.TableTooBig)


async def test_explicit_tables_larger_than_asked_and_larger_than_the_book(client: Client) -> None:
    table = [minimal_id(1)] * 50_000
    answer = await client.request("QueryRows", explicit_table=table, row_count=2, columns=[NAME])
    assert answer.rows.rows == [["Tom Bauer"]] * 2
    answer = await client.request("QueryRows", explicit_table=table, row_count=2**32 - 1, columns=[NAME] * 10)
    assert len(answer.rows.rows) == 10_000
    answer = await client.request("ResortRestriction", minimal_ids=table)
    assert (answer.state.total_recs, len(answer.minimal_ids)) == (50_000, 50_000)


@pytest.mark.parametrize(
    ("num_pos", "total_recs", "position"),
    [(2**32 - 1, 1, TOTAL), (2**32 - 1, 2**32 - 1, TOTAL), (1, 2**32 - 1, 0), (0, 0, 0), (2**31, 0, TOTAL)],
)
async def test_impossible_positions(client: Client, num_pos: int, total_recs: int, position: int) -> None:
    state = Stat(current_rec=MinimalId.CURRENT, num_pos=num_pos, total_recs=total_recs)
    answer = await client.request("UpdateStat", state=state, delta_requested=True)
    assert (answer.state.num_pos, answer.state.total_recs, answer.delta) == (position, TOTAL, 0)


async def test_groups_that_contain_each_other_are_only_ever_one_level(client: Client) -> None:
    """The directory refuses cycles; were there one, no request would follow it."""
    first = group(1, "a@bm.lan", "A", "b@bm.lan")
    second = group(2, "b@bm.lan", "B", "a@bm.lan")
    endpoint = NspiEndpoint(FakeDirectory((TOM,), (first, second)), "https://mail.bm.lan", dialog_template)
    looking = Client(endpoint)
    await looking.bind(Stat())
    answer = await looking.request("ResolveNames", property_tags=[0x0FF60102], names=["a@bm.lan"])
    (instance_key,) = answer.rows.rows[0]
    state = Stat(1000, 0x8009000D, int.from_bytes(instance_key, "little"))
    answer = await matches(looking, ExistRestriction(NAME), filter=None, state=state, columns=[NAME])
    assert answer.rows.rows == [["B"]]


async def test_a_prefix_that_everybody_has_is_found_in_time() -> None:
    users = tuple(user(number, f"user{number}@bm.lan", f"User {number:05}") for number in range(1, 5001))
    client = Client(NspiEndpoint(FakeDirectory(users), "https://a.example", dialog_template), users[0])
    await client.bind(Stat(code_page=1200))
    started = time.perf_counter()
    answer = await client.request("ResolveNames", property_tags=[NAME], names=["u us use user 0"] * 100)
    assert answer.minimal_ids == [1] * 100
    assert time.perf_counter() - started < 10
    answer = await matches(client, PropertyRestriction(4, ANR, (ANR, "user")), row_count=50, columns=[NAME])
    assert answer.error_code == ErrorCode.TableTooBig


@pytest.mark.parametrize("container", [0, 0x10, 0x12, 0x14])
@pytest.mark.parametrize("sort_type", [0, 3, 1000, 1001, 77, 2**32 - 1])
@pytest.mark.parametrize("locale", [0, 0x41D, 0x405, 2**32 - 1])
async def test_positions_are_right_in_every_list_and_order(
    client: Client, container: int, sort_type: int, locale: int
) -> None:
    total = TOTAL if container in (0, 0x14) else 0
    state = Stat(sort_type, container, MinimalId.END_OF_TABLE, -(2**31), 7, 9, 1200, 0, locale)
    answer = await client.request("UpdateStat", state=state, delta_requested=True)
    assert (answer.state.num_pos, answer.state.total_recs, answer.delta) == (0, total, -total)
    answer = await client.request("QueryRows", state=answer.state, explicit_table=[], row_count=5, columns=[NAME])
    assert (len(answer.rows.rows), answer.state.num_pos, answer.state.total_recs) == (
        min(5, total),
        min(5, total),
        total,
    )
    state = state._replace(current_rec=MinimalId.CURRENT, delta=2**31 - 1, num_pos=2**32 - 1, total_recs=1)
    answer = await client.request("QueryRows", state=state, explicit_table=[], row_count=2**32 - 1, columns=[NAME])
    assert (answer.rows.rows, answer.state.num_pos, answer.state.total_recs) == ([], total, total)
    assert answer.state.current_rec == MinimalId.END_OF_TABLE


@pytest.mark.parametrize("sort_type", [0, 3])
@pytest.mark.parametrize("locale", [0, 0x406, 0x41B])
async def test_long_names_in_every_order(client: Client, sort_type: int, locale: int) -> None:
    tag = NAME if sort_type == 0 else 0x8C92001F
    for name in (LONG, "ch" * 0x8000, "å" * 0x10000, "\ufffe" * 0x10000):
        started = time.perf_counter()
        fields = {"target": (tag, name), "explicit_table": None, "columns": [NAME]}
        answer = await client.request("SeekEntries", state=Stat(sort_type, sort_locale=locale), **fields)
        assert answer.error_code in (ErrorCode.Success, ErrorCode.NotFound)
        assert time.perf_counter() - started < 5
