from typing import Any

import pytest

from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import AddressBookObjectType
from mapigw.wire.restrictions import (
    AndRestriction,
    BitMaskRestriction,
    CommentRestriction,
    ComparePropertiesRestriction,
    ContentRestriction,
    ExistRestriction,
    NotRestriction,
    OrRestriction,
    PropertyRestriction,
    Restriction,
    SizeRestriction,
)
from nspi.entryids import EphemeralEntryId, PermanentEntryId
from nspi.handlers.tables import DEFAULT_COLUMNS
from nspi.stat import MinimalId, SortType, Stat
from nspi.values import PropertyError
from tests.nspi.client import ANNA, LISTED, TOM, Client, minimal_id

NAME, NAME8 = 0x3001001F, 0x3001001E
TOTAL = len(LISTED)
ABSENT = PropertyError(ErrorCode.NotFound)


async def names(client: Client, table: list[int]) -> list[Any]:
    if not table:
        return []
    answer = await client.request("QueryRows", explicit_table=table, row_count=len(table), columns=[NAME])
    return [row[0] for row in answer.rows.rows]


class TestUpdateStat:
    @pytest.mark.spec("MS-OXNSPI_R768", "MS-OXNSPI_R773", "MS-OXNSPI_R80", "MS-OXNSPI_R93", "MS-OXNSPI_R327")
    @pytest.mark.spec("MS-OXNSPI_R328", "MS-OXNSPI_R332", "MS-OXNSPI_R333", "MS-OXNSPI_R494", "MS-OXNSPI_R538")
    @pytest.mark.spec("MS-OXNSPI_R542", "MS-OXNSPI_R549", "MS-OXNSPI_R550", "MS-OXNSPI_R556", "MS-OXNSPI_R558")
    @pytest.mark.spec("MS-OXNSPI_R561", "MS-OXNSPI_R791", "MS-OXNSPI_R800", "MS-OXNSPI_R1763", "MS-OXNSPI_R347")
    @pytest.mark.spec("MS-OXNSPI_R609")
    @pytest.mark.spec("MS-OXNSPI_R796")
    @pytest.mark.spec("MS-OXNSPI_R797")
    @pytest.mark.spec("MS-OXNSPI_R798")
    async def test_total_and_position_are_always_right(self, client: Client) -> None:
        ids = []
        for position in range(TOTAL):
            stat = (await client.request("UpdateStat", state=Stat(delta=position), delta_requested=False)).state
            assert (stat.num_pos, stat.total_recs, stat.delta) == (position, TOTAL, 0)
            ids.append(stat.current_rec)
        assert await names(client, ids) == list(LISTED)

    @pytest.mark.spec("MS-OXNSPI_R81", "MS-OXNSPI_R326001", "MS-OXNSPI_R331001", "MS-OXNSPI_R548", "MS-OXNSPI_R1758")
    @pytest.mark.spec("MS-OXNSPI_R780")
    @pytest.mark.spec("MS-OXNSPI_R795")
    @pytest.mark.spec("MS-OXNSPI_R1868")
    @pytest.mark.spec("MS-OXNSPI_R554")
    @pytest.mark.spec("MS-OXNSPI_R1704")
    @pytest.mark.spec("MS-OXNSPI_R1743")
    @pytest.mark.parametrize(
        ("current_rec", "delta", "position", "moved"),
        [
            (MinimalId.BEGINNING_OF_TABLE, 3, 3, 3),
            (MinimalId.BEGINNING_OF_TABLE, -3, 0, 0),
            (MinimalId.END_OF_TABLE, -2, TOTAL - 2, -2),
            (MinimalId.END_OF_TABLE, -(2**31), 0, -TOTAL),
            (MinimalId.BEGINNING_OF_TABLE, 2**31 - 1, TOTAL, TOTAL),
        ],
    )
    async def test_movement_stops_at_the_ends(
        self, client: Client, current_rec: int, delta: int, position: int, moved: int
    ) -> None:
        stat = Stat(current_rec=current_rec, delta=delta, num_pos=77, total_recs=99)
        answer = await client.request("UpdateStat", state=stat, delta_requested=True)
        assert (answer.state.num_pos, answer.delta) == (position, moved)
        assert (answer.state.current_rec == MinimalId.END_OF_TABLE) is (position == TOTAL)
        assert (await client.request("UpdateStat", state=stat, delta_requested=False)).delta is None

    @pytest.mark.spec("MS-OXNSPI_R1742", "MS-OXNSPI_R793", "MS-OXNSPI_R575", "MS-OXNSPI_R584", "MS-OXNSPI_R598")
    @pytest.mark.spec("MS-OXNSPI_R601", "MS-OXNSPI_R589")
    @pytest.mark.spec("MS-OXNSPI_R577")
    @pytest.mark.spec("MS-OXNSPI_R578")
    @pytest.mark.spec("MS-OXNSPI_R580")
    @pytest.mark.parametrize(
        ("num_pos", "total_recs", "position"),
        [(1, 2, TOTAL // 2), (1, 5, TOTAL // 5), (7, 2, TOTAL), (0, 0, 0), (2**32 - 1, 0, TOTAL)],
    )
    async def test_fractional_position(self, client: Client, num_pos: int, total_recs: int, position: int) -> None:
        stat = Stat(current_rec=MinimalId.CURRENT, num_pos=num_pos, total_recs=total_recs)
        answer = await client.request("UpdateStat", state=stat, delta_requested=False)
        assert answer.state.num_pos == position

    @pytest.mark.spec("MS-OXNSPI_R784")
    @pytest.mark.spec("MS-OXNSPI_R789")
    @pytest.mark.spec("MS-OXNSPI_R792")
    @pytest.mark.parametrize(
        ("stat", "code"),
        [
            (Stat(container_id=99, num_pos=5), ErrorCode.InvalidBookmark),
            (Stat(current_rec=0x7FFFFFFF, num_pos=5), ErrorCode.NotFound),
            (Stat(current_rec=minimal_id(13), num_pos=5), ErrorCode.NotFound),  # of another domain
            (Stat(current_rec=0x0F, num_pos=5), ErrorCode.NotFound),
        ],
    )
    async def test_a_refusal_leaves_the_state_alone(self, client: Client, stat: Stat, code: ErrorCode) -> None:
        answer = await client.request("UpdateStat", state=stat, delta_requested=True)
        assert (answer.error_code, answer.state, answer.delta) == (code, stat, None)

    async def test_a_missing_state_is_a_zero_one(self, client: Client) -> None:
        answer = await client.request("UpdateStat", state=None, delta_requested=True)
        assert (answer.error_code, answer.state, answer.delta) == (0, None, 0)


class TestQueryRows:
    @pytest.mark.spec(
        "MS-OXNSPI_R916", "MS-OXNSPI_R922", "MS-OXNSPI_R927", "MS-OXNSPI_R955", "MS-OXNSPI_R951", "MS-OXNSPI_R962"
    )
    @pytest.mark.spec("MS-OXNSPI_R973", "MS-OXNSPI_R974", "MS-OXNSPI_R975", "MS-OXNSPI_R983", "MS-OXNSPI_R988")
    @pytest.mark.spec("MS-OXNSPI_R997", "MS-OXNSPI_R935")
    @pytest.mark.spec("MS-OXNSPI_R969")
    @pytest.mark.spec("MS-OXNSPI_R967")
    @pytest.mark.spec("MS-OXNSPI_R1701")
    async def test_browsing_the_list_page_by_page(self, client: Client) -> None:
        stat, seen = Stat(code_page=1200), []
        while stat.num_pos < TOTAL:
            answer = await client.request("QueryRows", state=stat, explicit_table=[], row_count=5, columns=[NAME])
            assert 1 <= len(answer.rows.rows) <= 5
            seen += [row[0] for row in answer.rows.rows]
            stat = answer.state
            assert (stat.num_pos, stat.total_recs) == (len(seen), TOTAL)
        assert tuple(seen) == LISTED
        assert stat.current_rec == MinimalId.END_OF_TABLE
        answer = await client.request("QueryRows", state=stat, explicit_table=[], row_count=5, columns=[NAME])
        assert (answer.error_code, answer.rows.rows, answer.state) == (0, [], stat)

    async def test_delta_moves_before_the_rows(self, client: Client) -> None:
        stat = Stat(current_rec=MinimalId.END_OF_TABLE, delta=-1)
        answer = await client.request("QueryRows", state=stat, explicit_table=[], row_count=9, columns=[NAME])
        assert answer.rows.rows == [[LISTED[-1]]]

    @pytest.mark.spec("MS-OXPROPS_R5986", "MS-OXPROPS_R7116", "MS-OXPROPS_R7545")
    @pytest.mark.spec("MS-OXNSPI_R1627")
    async def test_default_columns(self, client: Client) -> None:
        answer = await client.request("QueryRows", explicit_table=[minimal_id(2)], row_count=1, columns=None)
        assert answer.rows.columns == DEFAULT_COLUMNS
        assert answer.rows.columns == [
            0xFFFD0003, 0x0FFE0003, 0x39000003, 0x3001001E, 0x3A1A001E, 0x3A18001E, 0x3A19001E,
        ]  # fmt: skip
        assert answer.rows.rows == [[0, 6, 0, b"Anna M\xfcller", ABSENT, ABSENT, ABSENT]]

    @pytest.mark.spec("MS-OXNSPI_R958")
    @pytest.mark.spec("MS-OXNSPI_R971")
    async def test_never_more_rows_than_asked(self, client: Client) -> None:
        stat = Stat(num_pos=3, total_recs=9, current_rec=77)
        answer = await client.request(
            "QueryRows", state=stat, explicit_table=[minimal_id(1), minimal_id(2)], row_count=1, columns=[NAME]
        )
        assert (answer.rows.rows, answer.state) == ([["Tom Bauer"]], stat)

    @pytest.mark.spec("MS-OXNSPI_R985", "MS-OXNSPI_R986")
    async def test_an_unknown_object_is_a_row_of_errors(self, client: Client) -> None:
        answer = await client.request("QueryRows", explicit_table=[5, 0x80000000], row_count=2, columns=[NAME, 0x10000])
        assert answer.rows.columns == [NAME, 0x1000A]
        assert answer.rows.rows == [[ABSENT, ABSENT]] * 2

    @pytest.mark.spec("MS-OXNSPI_R36")
    @pytest.mark.spec("MS-OXNSPI_R37")
    async def test_an_unspecified_type_becomes_the_native_one(self, client: Client) -> None:
        answer = await client.request(
            "QueryRows", explicit_table=[minimal_id(1)], row_count=1, columns=[0x30010000, 0x39000000]
        )
        assert answer.rows == ([NAME, 0x39000003], [["Tom Bauer", 0]])

    @pytest.mark.spec("MS-OXNSPI_R943")
    @pytest.mark.spec("MS-OXNSPI_R948")
    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"state": Stat(container_id=7)}, ErrorCode.InvalidBookmark),
            ({"state": Stat(current_rec=3)}, ErrorCode.NotFound),
            ({"row_count": 0}, ErrorCode.InvalidParameter),
            ({"columns": [NAME] * 3000}, ErrorCode.TableTooBig),
        ],
    )
    @pytest.mark.spec("MS-OXNSPI_R939", "MS-OXNSPI_R1762", "MS-OXNSPI_R982")
    async def test_refusals(self, client: Client, fields: dict[str, Any], code: ErrorCode) -> None:
        answer = await client.request(
            "QueryRows", **{"explicit_table": [], "row_count": 1, "columns": [NAME], **fields}
        )
        assert (answer.error_code, answer.rows) == (code, None)
        assert answer.state == fields.get("state", Stat())


class TestSeekEntries:
    @pytest.mark.spec("MS-OXNSPI_R998", "MS-OXNSPI_R1050", "MS-OXNSPI_R1055", "MS-OXNSPI_R1058", "MS-OXNSPI_R1076")
    @pytest.mark.spec("MS-OXNSPI_R1047")
    @pytest.mark.spec("MS-OXNSPI_R1051")
    @pytest.mark.spec("MS-OXNSPI_R1054")
    @pytest.mark.parametrize(
        ("target", "found"),
        [
            ("", 0), ("a", 0), ("anna muller", 0), ("B", 1), ("em", 3), ("Émile", 3), ("o", 5), ("OSKAR OST", 5),
            ("tom t", 9), ("z", 10),
        ],
    )  # fmt: skip
    async def test_the_first_row_not_before_the_target(self, client: Client, target: str, found: int) -> None:
        stat = Stat(delta=4, code_page=1200, sort_locale=0x407)
        answer = await client.request(
            "SeekEntries", state=stat, target=(NAME, target), explicit_table=None, columns=[NAME]
        )
        assert answer.error_code == 0
        assert [row[0] for row in answer.rows.rows] == list(LISTED[found:])
        changed = {"current_rec": answer.state.current_rec, "num_pos": found, "total_recs": TOTAL}
        assert answer.state == stat._replace(**changed)
        assert await names(client, [answer.state.current_rec]) == [LISTED[found]]

    @pytest.mark.spec("MS-OXNSPI_R464")
    @pytest.mark.spec("MS-OXNSPI_R1695")
    async def test_an_8_bit_target_is_in_the_code_page_and_ids_are_ephemeral(self, client: Client) -> None:
        answer = await client.request(
            "SeekEntries",
            state=Stat(code_page=1252),
            target=(NAME8, b"Oskar \xd6"),
            explicit_table=None,
            columns=[0x0FFF0102],
        )
        assert answer.state.num_pos == LISTED.index("Oskar Öst")
        ephemeral = EphemeralEntryId(client.endpoint.server_guid, minimal_id(5))
        assert answer.rows.rows[0] == [ephemeral.to_bytes()]

    @pytest.mark.spec("MS-OXNSPI_R1037")
    @pytest.mark.spec("MS-OXNSPI_R1052")
    async def test_in_an_explicit_table(self, client: Client) -> None:
        table = [minimal_id(2), 99, minimal_id(6), minimal_id(3)]
        answer = await client.request("SeekEntries", target=(NAME, "t"), explicit_table=table, columns=[NAME])
        assert (answer.state.current_rec, answer.state.num_pos, answer.state.total_recs) == (minimal_id(6), 2, 4)
        assert answer.rows.rows == [["Tina Turm"], ["Zoë Ångström"]]
        answer = await client.request("SeekEntries", target=(NAME, "t"), explicit_table=table, columns=None)
        assert answer.rows is None

    @pytest.mark.spec("MS-OXNSPI_R1039")
    @pytest.mark.spec("MS-OXNSPI_R1043")
    @pytest.mark.spec("MS-OXNSPI_R1048")
    @pytest.mark.spec("MS-OXNSPI_R1033")
    @pytest.mark.parametrize(
        ("fields", "code"),
        [
            ({"target": (NAME, "龍")}, ErrorCode.NotFound),
            ({"explicit_table": []}, ErrorCode.NotFound),
            ({"explicit_table": [1, 2]}, ErrorCode.NotFound),
            ({"target": (0x3A00001F, "t")}, ErrorCode.GeneralFailure),
            ({"target": (NAME, None)}, ErrorCode.GeneralFailure),
            ({"target": None}, ErrorCode.GeneralFailure),
            ({"state": Stat(sort_type=3)}, ErrorCode.GeneralFailure),
            ({"state": Stat(container_id=3, sort_type=3)}, ErrorCode.InvalidBookmark),
        ],
    )
    @pytest.mark.spec("MS-OXNSPI_R1630", "MS-OXNSPI_R1631", "MS-OXNSPI_R1020")
    async def test_refusals(self, client: Client, fields: dict[str, Any], code: ErrorCode) -> None:
        answer = await client.request(
            "SeekEntries", **{"target": (NAME, "t"), "explicit_table": None, "columns": [NAME], **fields}
        )
        assert (answer.error_code, answer.rows, answer.state) == (code, None, fields.get("state", Stat()))


async def matches(client: Client, restriction: Restriction | None, **fields: Any) -> Any:
    defaults: dict[str, Any] = {
        "minimal_ids": None,
        "interface_option_flags": 0,
        "filter": restriction,
        "property_name": None,
        "row_count": 1000,
        "columns": None,
    }
    return await client.request("GetMatches", **(defaults | fields))


def anr(text: str) -> PropertyRestriction:
    return PropertyRestriction(4, 0x360C001F, (0x360C001F, text))


def content(level: int, options: int, text: str) -> ContentRestriction:
    return ContentRestriction(level, options, NAME, (NAME, text))


class TestGetMatches:
    @pytest.mark.spec("MS-OXNSPI_R1077", "MS-OXNSPI_R1081", "MS-OXNSPI_R1086", "MS-OXNSPI_R1092", "MS-OXNSPI_R1167")
    @pytest.mark.spec("MS-OXNSPI_R1913")
    @pytest.mark.spec("MS-OXNSPI_R1127")
    @pytest.mark.spec("MS-OXNSPI_R1128")
    @pytest.mark.spec("MS-OXNSPI_R1908")
    @pytest.mark.spec("MS-OXNSPI_R1909")
    @pytest.mark.spec("MS-OXNSPI_R1910")
    @pytest.mark.spec("MS-OXNSPI_R1911")
    @pytest.mark.spec("MS-OXNSPI_R1912")
    @pytest.mark.spec("MS-OXNSPI_R1914")
    @pytest.mark.parametrize(
        ("restriction", "found"),
        [
            (anr("tom"), ["Tom Bauer", "Tom Turm"]),
            (anr("turm t"), ["Tina Turm", "Tom Turm"]),
            (anr("ost"), ["Oskar Öst", "Otto Ost"]),
            (anr("SMTP:am@bm.lan"), ["Anna Müller"]),
            (anr(ANNA.legacy_dn.upper()), ["Anna Müller"]),
            (anr("eve@other.example"), []),
            (anr("nobody"), []),
            (anr("=tom"), ["Tom Bauer"]),
            (anr(""), []),
            (PropertyRestriction(4, 0x360C001F, (0x39000003, 1)), []),
            (content(0, 1, "TOM BAUER"), ["Tom Bauer"]),
            (content(0, 0, "TOM BAUER"), []),
            (content(1, 1, "TURM"), ["Tina Turm", "Tom Turm"]),
            (content(2, 4, "zoe"), ["Zoë Ångström"]),
            (ContentRestriction(2, 1, 0x800F101F, (0x800F001F, "smtp:TH")), ["Tom Bauer"]),
            (content(9, 1, "t"), []),
            (ContentRestriction(0, 1, NAME8, (NAME8, b"Anna M\xfcller")), ["Anna Müller"]),
            (ContentRestriction(0, 1, NAME, (0x39000003, 1)), []),
            (ContentRestriction(2, 1, 0x360C001F, (0x360C001F, "bob")), ["bob"]),
            (PropertyRestriction(4, 0x39FE001F, (0x39FE001F, "BOB@bm.lan")), ["bob"]),
            (PropertyRestriction(4, 0x800F101F, (0x800F101F, ["smtp:am@bm.lan"])), ["Anna Müller"]),
            (PropertyRestriction(0, NAME, (NAME, "bob")), ["Anna Müller", "Bert"]),
            (PropertyRestriction(3, NAME, (NAME, "zoë Ångström")), ["Zoë Ångström", "雪 Yuki"]),
            (PropertyRestriction(4, 0x39000003, (0x39000003, 1)), []),
            (PropertyRestriction(4, 0x39000003, (NAME, "x")), []),
            (NotRestriction(PropertyRestriction(5, 0x3A00001F, (0x3A00001F, "bob"))), ["bob"]),
            (AndRestriction((content(2, 1, "t"), content(1, 1, "bau"))), ["Tom Bauer"]),
            (OrRestriction((content(2, 1, "tina"), content(2, 1, "bert"))), ["Bert", "Tina Turm"]),
            (AndRestriction(()), list(LISTED)),
            (OrRestriction(()), []),
            (ExistRestriction(0x3A08001F), []),
            (ExistRestriction(0x3001001E), list(LISTED)),
            (ComparePropertiesRestriction(4, NAME, 0x3A00001F), ["Bert", "bob"]),
            (BitMaskRestriction(1, 0x39050003, 0x40000000), list(LISTED)),
            (BitMaskRestriction(0, 0x39050003, 0x40000000), []),
            (SizeRestriction(1, NAME, 8), ["Bert", "bob"]),
        ],
    )
    async def test_filter(self, client: Client, restriction: Restriction, found: list[str]) -> None:
        answer = await matches(client, restriction, state=Stat(code_page=1252))
        assert (answer.error_code, answer.rows) == (0, None)
        assert await names(client, answer.minimal_ids) == found

    @pytest.mark.spec("MS-OXNSPI_R1147", "MS-OXNSPI_R1165")
    @pytest.mark.spec("MS-OXNSPI_R1146")
    async def test_rows_carry_permanent_entry_ids_or_outlook_refuses_to_send(self, client: Client) -> None:
        stat = Stat(current_rec=minimal_id(2), num_pos=4)
        answer = await matches(client, anr("tom bauer"), columns=[0x0FFF0102], state=stat)
        assert answer.rows.rows == [[PermanentEntryId(TOM.legacy_dn).to_bytes()]]
        assert answer.state == stat._replace(container_id=minimal_id(2))

    @pytest.mark.spec("MS-OXNSPI_R1090", "MS-OXNSPI_R1635", "MS-OXNSPI_R1756")
    @pytest.mark.spec("MS-OXNSPI_R1149")
    async def test_more_matches_than_asked_for_are_a_table_too_big(self, client: Client) -> None:
        answer = await matches(client, anr("tom"), row_count=1)
        assert (answer.error_code, answer.minimal_ids, answer.rows) == (ErrorCode.TableTooBig, None, None)
        assert (await matches(client, anr("tom"), row_count=2)).error_code == 0

    @pytest.mark.spec("MS-OXNSPI_R1125")
    async def test_too_complex(self, client: Client) -> None:
        deep: Restriction = ExistRestriction(NAME)
        for _ in range(50):
            deep = NotRestriction(deep)
        wide = OrRestriction((ExistRestriction(NAME),) * 1000)
        for restriction in (deep, wide, CommentRestriction((), None), PropertyRestriction(100, NAME, (NAME, "x"))):
            answer = await matches(client, restriction)
            assert (answer.error_code, answer.minimal_ids) == (ErrorCode.TooComplex, None)

    @pytest.mark.spec("MS-OXNSPI_R1138")
    @pytest.mark.spec("MS-OXNSPI_R1139")
    @pytest.mark.spec("MS-OXNSPI_R1140")
    @pytest.mark.spec("MS-OXNSPI_R1122")
    @pytest.mark.parametrize(
        ("stat", "code"),
        [
            (Stat(1000, 0x8008000D, minimal_id(1)), ErrorCode.Success),
            (Stat(1000, 0x8008000D, 5), ErrorCode.GeneralFailure),
            (Stat(SortType.DISPLAY_NAME_W, 0x8015000D, minimal_id(1)), ErrorCode.NotSupported),
            (Stat(1000, 0x3001001F, minimal_id(1)), ErrorCode.NotSupported),
            (Stat(0, 0x8008000D, minimal_id(1)), ErrorCode.InvalidBookmark),
        ],
    )
    async def test_the_objects_a_property_refers_to(self, client: Client, stat: Stat, code: ErrorCode) -> None:
        answer = await matches(client, None, state=stat)
        assert answer.error_code == code
        assert answer.minimal_ids == (None if code else [])


class TestOtherTables:
    @pytest.mark.spec("MS-OXNSPI_R1194002", "MS-OXNSPI_R1185", "MS-OXNSPI_R1168", "MS-OXNSPI_R1172")
    @pytest.mark.spec("MS-OXNSPI_R1198", "MS-OXNSPI_R1209", "MS-OXNSPI_R1759")
    @pytest.mark.spec("MS-OXNSPI_R1197")
    @pytest.mark.spec("MS-OXNSPI_R1199")
    @pytest.mark.spec("MS-OXNSPI_R1204")
    @pytest.mark.spec("MS-OXNSPI_R1205")
    async def test_resort_restriction(self, client: Client) -> None:
        table = [minimal_id(7), 44, minimal_id(2), minimal_id(1)]
        answer = await client.request(
            "ResortRestriction", state=Stat(current_rec=minimal_id(1), num_pos=9), minimal_ids=table
        )
        assert answer.minimal_ids == [minimal_id(2), minimal_id(1), minimal_id(7)]
        assert answer.state == Stat(current_rec=minimal_id(1), num_pos=1, total_recs=3)
        answer = await client.request("ResortRestriction", state=Stat(current_rec=44, num_pos=9), minimal_ids=table)
        assert answer.state == Stat(total_recs=3)
        for sort_type in (3, 1000, 77):
            answer = await client.request("ResortRestriction", state=Stat(sort_type=sort_type), minimal_ids=table)
            assert (answer.error_code, answer.minimal_ids) == (0, [minimal_id(2), minimal_id(1), minimal_id(7)])

    @pytest.mark.spec("MS-OXNSPI_R1210", "MS-OXNSPI_R1242")
    @pytest.mark.spec("MS-OXNSPI_R1236")
    @pytest.mark.spec("MS-OXNSPI_R1238")
    @pytest.mark.spec("MS-OXNSPI_R1240")
    @pytest.mark.spec("MS-OXNSPI_R1234")
    @pytest.mark.spec("MS-OXNSPI_R1230")
    @pytest.mark.parametrize(
        ("first", "second", "container", "code", "result"),
        [
            (2, 1, 0, 0, -1),
            (1, 2, 0, 0, 1),
            (1, 1, 0, 0, 0),
            (1, 99, 0, ErrorCode.GeneralFailure, 0),
            (13, 1, 0, ErrorCode.GeneralFailure, 0),
            (1, 2, 9, ErrorCode.InvalidBookmark, 0),
        ],
    )
    async def test_compare_minimal_ids(
        self, client: Client, first: int, second: int, container: int, code: int, result: int
    ) -> None:
        answer = await client.request(
            "CompareMIds",
            state=Stat(container_id=container),
            minimal_id_1=minimal_id(first),
            minimal_id_2=minimal_id(second),
        )
        assert (answer.error_code, answer.result) == (code, result)

    @pytest.mark.spec("MS-OXNSPI_R1864", "MS-OXNSPI_R1866", "MS-OXNSPI_R111", "MS-OXNSPI_R743", "MS-OXNSPI_R765")
    @pytest.mark.spec("MS-OXNSPI_R767", "MS-OXNSPI_R454", "MS-OXNSPI_R1966", "MS-OXNSPI_R1941", "MS-OXNSPI_R56")
    @pytest.mark.spec("MS-OXOABK_R30")
    @pytest.mark.spec("MS-OXNSPI_R1863")
    @pytest.mark.spec("MS-OXNSPI_R1865")
    @pytest.mark.spec("MS-OXNSPI_R760")
    async def test_hierarchy_table(self, client: Client) -> None:
        answer = await client.request("GetSpecialTable", flags=4, state=Stat(code_page=1200), version=0)
        assert (answer.error_code, answer.version) == (0, 0)
        assert answer.rows[0] == [
            (0x0FFF0102, PermanentEntryId("/", AddressBookObjectType.Container).to_bytes()),
            (0x36000003, 9),
            (0x30050003, 0),
            (0xFFFD0003, 0),
            (0x3001001F, "Global Address List"),
            (0xFFFB000B, False),
        ]

    @pytest.mark.spec("MS-OXNSPI_R109", "MS-OXNSPI_R752", "MS-OXNSPI_R758", "MS-OXNSPI_R736", "MS-OXNSPI_R1967")
    @pytest.mark.spec("MS-OXNSPI_R1933")
    @pytest.mark.spec("MS-OXNSPI_R732")
    @pytest.mark.spec("MS-OXNSPI_R748001", "MS-OXNSPI_R750001")
    @pytest.mark.spec("MS-OXNSPI_R757")
    @pytest.mark.spec("MS-OXNSPI_R762")
    async def test_special_table_variants(self, client: Client) -> None:
        answer = await client.request("GetSpecialTable", flags=0, state=Stat(code_page=1252), version=None)
        assert answer.rows[0][4] == (NAME8, b"Global Address List")
        whole = (await client.request("GetSpecialTable", flags=4, version=0)).rows
        for version in (1, 2**32 - 1):
            answer = await client.request("GetSpecialTable", flags=4, version=version)
            assert (answer.error_code, answer.version, answer.rows) == (0, version, whole)
        answer = await client.request("GetSpecialTable", flags=6, state=Stat(template_locale=0x40C), version=None)
        assert (answer.error_code, answer.rows) == (0, [])
        answer = await client.request("GetSpecialTable", flags=0, state=Stat(code_page=1200), version=None)
        assert (answer.error_code, answer.rows, answer.version) == (ErrorCode.InvalidCodepage, None, None)
