from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError
from mapigw.wire.properties import PropertyType
from nspi.values import (
    PropertyError,
    PropertyValueList,
    RowSet,
    RowSetCodec,
    TypedValue,
    Uint32List,
    pull_property_value,
    push_property_value,
)

VALUES: list[tuple[int, Any, str]] = [
    (PropertyType.INTEGER32, 6, "06000000"),
    (PropertyType.BOOLEAN, True, "01"),
    (PropertyType.TIME, 0x01D0_0000_0000_0001, "010000000000d001"),
    (PropertyType.GUID, UUID("94a5c596-90a8-4985-91fd-57629ee06561"), "96c5a594a890854991fd57629ee06561"),
    (PropertyType.ERROR_CODE, 0x8004010F, "0f010480"),
    (PropertyType.OBJECT, 0x8110000D, "0d001081"),
    (PropertyType.STRING, "EX", "ff450058000000"),
    (PropertyType.STRING, "", "ff0000"),
    (PropertyType.STRING, None, "00"),
    (PropertyType.STRING8, b"EX", "ff455800"),
    (PropertyType.BINARY, b"\x01\x02", "ff020000000102"),
    (PropertyType.BINARY, b"", "ff00000000"),
    (PropertyType.MULTIPLE_INTEGER32, [1, 2], "ff020000000100000002000000"),
    (PropertyType.MULTIPLE_STRING, ["a", None], "ff02000000ff6100000000"),
    (PropertyType.MULTIPLE_STRING8, [b"a", b"b"], "ff02000000ff6100ff6200"),
    (PropertyType.MULTIPLE_BINARY, [b"\x07"], "ff01000000ff0100000007"),
]


@pytest.mark.spec("MS-OXCMAPIHTTP_R2005")
@pytest.mark.parametrize(("type_code", "value", "data"), VALUES)
def test_address_book_property_value(type_code: int, value: Any, data: str) -> None:
    cursor = Cursor(bytes.fromhex(data))
    assert pull_property_value(cursor, type_code) == value
    assert cursor.remaining == 0
    out = bytearray()
    push_property_value(out, type_code, value)
    assert out.hex() == data


@pytest.mark.parametrize(
    ("type_code", "data"),
    [
        (PropertyType.STRING, "01610000"),
        (PropertyType.STRING, "ff6100"),
        (PropertyType.BINARY, "ffffffffff00"),
        (PropertyType.MULTIPLE_STRING, "ffffffff7f"),
        (PropertyType.RESTRICTION, "00"),
        (0x1234, "00000000"),
    ],
)
def test_a_malformed_value_is_a_wire_error(type_code: int, data: str) -> None:
    with pytest.raises(WireError):
        pull_property_value(Cursor(bytes.fromhex(data)), type_code)


@pytest.mark.spec("MS-OXCMAPIHTTP_R18")
@pytest.mark.spec("MS-OXCMAPIHTTP_R453")
def test_rows_are_flagged_only_when_a_value_is_missing() -> None:
    rows = RowSet([0x3001001F, 0x39000003], [["A", 0], [PropertyError(0x8004010F), 1], [None, 2]])
    data = bytes.fromhex(
        "02000000 1f000130 030000390300000000 ff41000000 0000000001 0a0f010480 000100000001 01 0002000000"
    )
    out = bytearray()
    RowSetCodec.push(out, rows)
    assert out == data
    assert RowSetCodec.pull(Cursor(data)) == rows


@pytest.mark.spec("MS-OXCMAPIHTTP_R1298")
@pytest.mark.spec("MS-OXCMAPIHTTP_R1299")
def test_a_column_of_unspecified_type_carries_the_type_in_each_row() -> None:
    rows = RowSet([0x30010000], [[TypedValue(PropertyType.STRING8, b"A")], [PropertyError(0x8004010F)]])
    data = bytes.fromhex("01000000 00000130 02000000 00 1e00 ff4100 01 0a00 0a 0f010480")
    out = bytearray()
    RowSetCodec.push(out, rows)
    assert out == data
    assert RowSetCodec.pull(Cursor(data)) == rows


@pytest.mark.parametrize("data", ["02", "01 05", "00 01"])
def test_a_malformed_row_is_a_wire_error(data: str) -> None:
    with pytest.raises(WireError):
        RowSetCodec.pull(Cursor(bytes.fromhex("01000000 1f000130 01000000" + data)))


@pytest.mark.spec("MS-OXCMAPIHTTP_R25")
def test_lists_are_bounded() -> None:
    with pytest.raises(WireError, match="exceeds the buffer"):
        Uint32List.pull(Cursor(bytes.fromhex("ffffffff00000000")))
    with pytest.raises(WireError, match="exceeds 100000"):
        Uint32List.pull(Cursor((100_001).to_bytes(4, "little") + bytes(4 * 100_001)))


TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
TAGGED = st.one_of(
    st.tuples(st.just(0x3001001F), st.none() | TEXT),
    st.tuples(st.just(0x3001001E), st.binary(max_size=9).map(lambda data: data.replace(b"\0", b""))),
    st.tuples(st.just(0x0FFF0102), st.binary(max_size=40)),
    st.tuples(st.just(0x39000003), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just(0x800F101F), st.lists(TEXT, max_size=4)),
    st.tuples(st.just(0x8C6A1102), st.lists(st.none() | st.binary(max_size=9), max_size=4)),
    st.tuples(st.just(0x3A40000B), st.booleans()),
    st.tuples(st.just(0x30070040), st.integers(0, 2**64 - 1)),
    st.tuples(st.just(0x8CA00014), st.integers(-(2**63), 2**63 - 1)),
)


@given(st.lists(TAGGED, max_size=8))
def test_property_value_lists_round_trip(values: list[tuple[int, Any]]) -> None:
    out = bytearray()
    PropertyValueList.push(out, values)
    cursor = Cursor(bytes(out))
    assert PropertyValueList.pull(cursor) == values
    assert cursor.remaining == 0


@given(st.lists(TAGGED, max_size=5), st.lists(st.booleans(), min_size=5, max_size=5))
def test_row_sets_round_trip(values: list[tuple[int, Any]], errors: list[bool]) -> None:
    row = [PropertyError(0x8004010F) if error else value for (_, value), error in zip(values, errors, strict=False)]
    rows = RowSet([tag for tag, _ in values], [row, row])
    out = bytearray()
    RowSetCodec.push(out, rows)
    assert RowSetCodec.pull(Cursor(bytes(out))) == rows
