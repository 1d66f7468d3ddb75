from uuid import UUID

import pytest
from construct import ConstructError, Struct
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.definition import Definition
from mapigw.wire.errors import WireError
from mapigw.wire.primitives import (
    Asciiz,
    Boolean,
    Byte,
    Bytes,
    Counted,
    Guid,
    Int16ul,
    Int32ul,
    LongTermId,
    LongTermIdField,
    ObjectId,
    ObjectIdField,
    PropertyTags,
    Pulled,
    Rest,
    Sized,
    SizedAsciiz,
    SizedBytes,
    TypedString,
    Unicodez,
)
from tests.wire.strategies import long_term_ids, object_ids


def both_ways(construct: Pulled, value: object, data: str) -> None:
    definition = Definition(construct)
    assert definition.build(value).hex() == data
    assert definition.parse(bytes.fromhex(data)) == value


def test_object_id_has_a_little_endian_replica_and_a_big_endian_counter() -> None:
    both_ways(ObjectIdField, ObjectId(1, 0x0E8EDF36), "010000000e8edf36")


@given(object_ids)
def test_object_id_in_an_integer64_property(value: ObjectId) -> None:
    assert ObjectId.from_integer(value.to_integer()) == value
    assert value.to_integer() == int.from_bytes(value.to_bytes(), "little", signed=True)


@given(long_term_ids)
def test_long_term_id(value: LongTermId) -> None:
    assert LongTermId.from_bytes(value.to_bytes()) == value
    assert len(value.to_bytes()) == 24


def test_guid_is_little_endian() -> None:
    guid = UUID("00062008-0000-0000-c000-000000000046")
    both_ways(Guid, guid, "0820060000000000c000000000000046")
    both_ways(LongTermIdField, LongTermId(guid, 5), "0820060000000000c0000000000000460000000000050000")


def test_strings() -> None:
    both_ways(Asciiz, b"IPM", "49504d00")
    both_ways(Unicodez, "\u0100a", "000161000000")
    both_ways(SizedAsciiz, b"/o=x", "05002f6f3d7800")
    both_ways(SizedAsciiz, b"", "0000")


def test_an_unpaired_surrogate_survives() -> None:
    both_ways(Unicodez, "\ud800", "00d80000")


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (None, "00"),
        ("", "01"),
        (b"RE: ", "0252453a2000"),
        ("Hello", "0348656c6c6f00"),
        ("\u00e9", "03e900"),
        ("\u0142", "0442010000"),
    ],
)
@pytest.mark.spec("MS-OXCDATA_R489")
def test_typed_string_takes_the_shortest_form(value: str | bytes | None, data: str) -> None:
    both_ways(TypedString, value, data)


def test_property_tags_are_type_then_id() -> None:
    both_ways(PropertyTags, [0x67480014, 0x3001001F], "0200140048671f000130")


@pytest.mark.parametrize(
    ("construct", "data"),
    [
        (Bytes(4), "010203"),
        (SizedBytes(Int16ul), "0500aabb"),
        (SizedBytes(Int32ul), "ffffffff00"),
        (Sized(Int16ul, Asciiz), "0500610000"),
        (Sized(Int16ul, Asciiz), "0300610000"),
        (Counted(Int16ul, Int32ul), "020001000000"),
        (Counted(Byte, Boolean), "0200"),
        (PropertyTags, "ffff14004867"),
        (Asciiz, "616263"),
        (Unicodez, "610062"),
        (SizedAsciiz, "0300616263"),
        (SizedAsciiz, "030061006200"),
        (TypedString, "05"),
        (Guid, "00"),
        (Boolean, ""),
    ],
)
def test_malformed(construct: Pulled, data: str) -> None:
    with pytest.raises(WireError):
        Definition(construct).parse(bytes.fromhex(data))
    with pytest.raises(WireError):
        Definition(Struct("field" / construct)).parse(bytes.fromhex(data))


def test_an_error_names_field_and_offset() -> None:
    definition = Definition(Struct("first" / Int16ul, "list" / Counted(Byte, Struct("name" / Unicodez))))
    with pytest.raises(WireError) as caught:
        definition.parse(bytes.fromhex("000002610000006200"))
    assert caught.value.field == "list.name"
    assert caught.value.offset == 7
    assert "unterminated" in caught.value.reason


def test_a_short_read_is_noticed_by_the_compiled_form() -> None:
    with pytest.raises(WireError, match="data ends early in data"):
        Definition(Struct("data" / Bytes(10))).parse(b"123")


@pytest.mark.parametrize(
    ("construct", "value"),
    [
        (Asciiz, b"a\0b"),
        (Unicodez, "a\0b"),
        (Bytes(2), b"a"),
        (SizedBytes(Byte), bytes(256)),
        (Counted(Byte, Byte), [0] * 256),
    ],
)
def test_what_does_not_fit_is_not_built(construct: Pulled, value: object) -> None:
    with pytest.raises(ConstructError):
        Definition(construct).build(value)


@given(st.binary(max_size=30))
def test_rest_is_everything(data: bytes) -> None:
    assert Definition(Struct("head" / SizedBytes(Byte), "rest" / Rest)).parse(b"\0" + data).rest == data
