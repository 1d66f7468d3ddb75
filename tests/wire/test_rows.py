from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.codes import ErrorCode
from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError
from mapigw.wire.properties import PropertyName
from mapigw.wire.rows import (
    PropertyNameField,
    PropertyProblem,
    PropertyProblems,
    RecipientRow,
    TypedValue,
    pull_property_name,
    pull_recipient_row,
    pull_row,
    pull_tagged_value,
    push_property_name,
    push_recipient_row,
    push_row,
    push_tagged_value,
)
from tests.wire.strategies import COLUMNS, guids, property_names, recipient_rows, row, tagged_values

CLASS = 0x001A001F
SIZE = 0x0E080003
ANY = 0x00370000


def pushed(columns: list[int], values: list[Any]) -> str:
    out = bytearray()
    push_row(out, columns, values)
    assert pull_row(Cursor(bytes(out)), columns) == values
    return out.hex()


def test_standard_row() -> None:
    assert pushed([SIZE, 0x0E07000B], [-1, True]) == "00ffffffff01"


def test_a_row_with_an_error_is_flagged() -> None:
    assert pushed([SIZE, CLASS], [1, ErrorCode.NotFound]) == "0100010000000a0f010480"


def test_a_cell_without_value() -> None:
    assert pushed([SIZE, CLASS], [None, "a"]) == "01010061000000"


def test_a_null_value_does_not_make_a_row_flagged() -> None:
    assert pushed([0x00010001], [None]) == "00"


def test_an_error_as_the_value_of_an_error_column_is_plain() -> None:
    assert pushed([0x0001000A], [5]) == "0005000000"


def test_a_column_of_unspecified_type_carries_its_type() -> None:
    assert pushed([ANY], [TypedValue(0x001F, "a")]) == "001f0061000000"
    assert pushed([ANY, SIZE], [TypedValue(0x0003, 2), None]) == "010300000200000001"
    assert pushed([ANY], [ErrorCode.NotFound]) == "010a000a0f010480"


@given(row())
def test_row_round_trip(values: list[Any]) -> None:
    out = bytearray()
    push_row(out, COLUMNS, values)
    cursor = Cursor(bytes(out))
    assert pull_row(cursor, COLUMNS) == values
    assert not cursor.remaining


@pytest.mark.parametrize("data", ["02", "0105", "00", "0100", "000100"])
def test_malformed_rows(data: str) -> None:
    with pytest.raises(WireError):
        pull_row(Cursor(bytes.fromhex(data)), [SIZE])


@given(tagged_values())
def test_tagged_value_round_trip(value: tuple[int, Any]) -> None:
    for wide in (False, True):
        out = bytearray()
        push_tagged_value(out, value, wide=wide)
        assert pull_tagged_value(Cursor(bytes(out)), wide=wide) == value


def test_property_problem() -> None:
    problems = [PropertyProblem(2, 0x0E1D001F, ErrorCode.AccessDenied)]
    data = PropertyProblems.build(problems)
    assert data.hex() == "010002001f001d0e05000780"
    assert PropertyProblems.parse(data) == problems


@pytest.mark.spec("MS-OXCDATA_R25")
def test_property_names() -> None:
    guid_hex = "0820060000000000c000000000000046"
    guid = pull_property_name(Cursor(bytes.fromhex("00" + guid_hex + "80850000"))).property_set
    for name, data in (
        (PropertyName(guid, lid=0x8580), "00" + guid_hex + "80850000"),
        (PropertyName(guid, name="ab"), "01" + guid_hex + "06" + "610062000000"),
        (PropertyName(guid), "ff" + guid_hex),
    ):
        assert PropertyNameField.build(name).hex() == data
        assert PropertyNameField.parse(bytes.fromhex(data)) == name


@given(property_names)
def test_property_name_round_trip(name: PropertyName) -> None:
    out = bytearray()
    push_property_name(out, name)
    assert pull_property_name(Cursor(bytes(out))) == name


@given(guids, st.binary(max_size=40))
def test_a_property_name_of_an_unknown_kind(guid: Any, rest: bytes) -> None:
    with pytest.raises(WireError):
        pull_property_name(Cursor(b"\x07" + guid.bytes_le + rest))


@pytest.mark.parametrize(
    ("made", "flags"),
    [
        (RecipientRow(address_kind=3, email_address="a", display_name="b"), 0x021B),
        (RecipientRow(address_kind=1, x500_dn=b"u", is_unicode=False, transmittable_is_display_name=True), 0x0041),
        (RecipientRow(address_type=b"SMTP", simple_display_name="x", is_responsible=True), 0x8680),
        (RecipientRow(address_kind=6, transmittable_display_name=b"x", is_unicode=False, is_non_rich=True), 0x0126),
    ],
)
@pytest.mark.spec("MS-OXCDATA_R115")
def test_recipient_flags(made: RecipientRow, flags: int) -> None:
    assert made.flags() == flags
    out = bytearray()
    push_recipient_row(out, made, [])
    assert int.from_bytes(out[:2], "little") == flags


def test_recipient_row_of_an_address_book_user() -> None:
    made = RecipientRow(
        address_kind=1,
        address_prefix_used=0x54,
        x500_dn=b"user2",
        display_name="user2",
        simple_display_name="user2",
        transmittable_is_display_name=True,
        properties=[6, ErrorCode.NotFound],
    )
    out = bytearray()
    push_recipient_row(out, made, [0x0FFE0003, 0x39FE001F, 0x3A710003])
    assert out.hex() == (
        "5106"  # U, I, D, S and X500DN
        "54" "00" "757365723200"
        "7500730065007200320000007500730065007200320000000200"
        "01" "00" "06000000" "0a" "0f010480"
    )  # fmt: skip
    assert pull_recipient_row(Cursor(bytes(out)), [0x0FFE0003, 0x39FE001F]) == made


@given(recipient_rows())
def test_recipient_row_round_trip(made: RecipientRow) -> None:
    out = bytearray()
    push_recipient_row(out, made, COLUMNS)
    assert pull_recipient_row(Cursor(bytes(out)), COLUMNS) == made


def test_more_recipient_columns_than_declared() -> None:
    with pytest.raises(WireError, match="2 recipient columns where 1 are declared"):
        pull_recipient_row(Cursor(bytes.fromhex("0000020000")), [SIZE])
