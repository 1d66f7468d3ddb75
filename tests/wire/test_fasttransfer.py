from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire import tags
from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError
from mapigw.wire.fasttransfer import (
    MARKER_BYTES,
    MARKERS,
    NAMED_MINIMUM,
    Marker,
    MetaTagCnsetRead,
    MetaTagCnsetSeen,
    MetaTagCnsetSeenFAI,
    MetaTagFXDelProp,
    MetaTagIdsetDeleted,
    MetaTagIdsetExpired,
    MetaTagIdsetGiven,
    MetaTagIdsetNoLongerInScope,
    MetaTagIdsetRead,
    MetaTagIdsetUnread,
    decode_properties,
    encode_properties,
    pull_property,
    push_property,
    push_raw_property,
)
from mapigw.wire.properties import PropertyName, PropertyType
from mapigw.wire.property_sets import PS_INTERNET_HEADERS, PSETID_Common

Item = tuple[int, PropertyName | None, Any]

# "MS-OXCFXICS - How to parse the FastTransfer Stream", Microsoft's Open Specifications blog, 16 September 2015:
# the first folderChange of an Exchange server's hierarchy synchronization.
FOLDER_CHANGE = bytes.fromhex(
    """
    03 00 12 40 02 01 E1 65 00 00 00 00 02 01 E0 65
    16 00 00 00 52 F6 85 EC 7D 43 2E 4A A9 60 34 50
    88 53 D9 0A 00 00 00 00 03 F5 40 00 08 30 00 D0
    9E A8 81 85 D0 01 02 01 E2 65 16 00 00 00 52 F6
    85 EC 7D 43 2E 4A A9 60 34 50 88 53 D9 0A 00 00
    00 00 20 7C 02 01 E3 65 17 00 00 00 16 52 F6 85
    EC 7D 43 2E 4A A9 60 34 50 88 53 D9 0A 00 00 00
    00 20 7C 1F 00 01 30 0C 00 00 00 49 00 4E 00 42
    00 4F 00 58 00 00 00 14 00 49 67 01 00 00 00 00
    00 03 F4 03 00 39 66 FB 03 00 00 40 00 07 30 80
    39 06 A8 81 85 D0 01 0B 00 F4 10 00 00
    """
)
_REPLICA = bytes.fromhex("52F685EC7D432E4AA96034508853D90A")
FOLDER_CHANGE_PROPERTIES: list[Item] = [
    (tags.PidTagParentSourceKey, None, b""),
    (tags.PidTagSourceKey, None, _REPLICA + bytes.fromhex("0000000003F5")),
    (tags.PidTagLastModificationTime, None, 0x01D08581A89ED000),
    (tags.PidTagChangeKey, None, _REPLICA + bytes.fromhex("00000000207C")),
    (tags.PidTagPredecessorChangeList, None, b"\x16" + _REPLICA + bytes.fromhex("00000000207C")),
    (tags.PidTagDisplayName, None, "INBOX"),
    (tags.PidTagParentFolderId, None, int.from_bytes(bytes.fromhex("01000000000003F4"), "little", signed=True)),
    (tags.PidTagRights, None, 0x3FB),
    (tags.PidTagCreationTime, None, 0x01D08581A8063980),
    (tags.PidTagAttributeHidden, None, False),
]

LID = PropertyName(PSETID_Common, lid=0x8510)
NAME = PropertyName(PS_INTERNET_HEADERS, name="x-mailer")

ENCODINGS: list[tuple[Item, str]] = [
    ((0x00170003, None, 1), "03001700 01000000"),
    ((0x00170003, None, -1), "03001700 FFFFFFFF"),
    ((0x00170003, None, 0xFFFFFFFF), "03001700 FFFFFFFF"),
    ((0x00010002, None, 0x1234), "02000100 3412"),
    ((0x00010004, None, 1.5), "04000100 0000C03F"),
    ((0x00010005, None, -2.0), "05000100 00000000000000C0"),
    ((0x00010006, None, -10000), "06000100 F0D8FFFFFFFFFFFF"),
    ((0x00010007, None, 0.5), "07000100 000000000000E03F"),
    ((0x0001000A, None, 0x8004010F), "0A000100 0F010480"),
    ((0x0001000B, None, True), "0B000100 0100"),
    ((0x0001000B, None, False), "0B000100 0000"),
    ((0x00010014, None, 1), "14000100 0100000000000000"),
    ((0x00010040, None, 0x01D08581A89ED000), "40000100 00D09EA88185D001"),
    ((0x00010048, None, PSETID_Common), "48000100 0820060000000000C000000000000046"),
    ((0x0037001F, None, "Aé"), "1F003700 06000000 4100 E900 0000"),
    ((0x0037001F, None, ""), "1F003700 02000000 0000"),
    ((0x0037001E, None, b"Ab"), "1E003700 03000000 41 62 00"),
    ((0x003784B0, None, "A"), "B0843700 04000000 4100 0000"),
    ((0x003784E2, None, b"A\xe9"), "E2843700 03000000 41 E9 00"),
    ((0x65E20102, None, b"\1\2"), "0201E265 02000000 0102"),
    ((0x3701000D, None, b"\1\2"), "0D000137 02000000 0102"),
    ((0x674000FB, None, b"\1\2"), "FB004067 02000000 0102"),
    ((0x00011003, None, [1, 2]), "03100100 02000000 01000000 02000000"),
    ((0x00011048, None, []), "48100100 00000000"),
    ((0x0001101F, None, ["A", ""]), "1F100100 02000000 04000000 4100 0000 02000000 0000"),
    ((0x0001101E, None, [b"A"]), "1E100100 01000000 02000000 41 00"),
    ((0x00011102, None, [b"\1", b""]), "02110100 02000000 01000000 01 00000000"),
    ((MetaTagIdsetGiven, None, b"\1\2"), "03001740 02000000 0102"),
    ((0x80010003, LID, 7), "03000180 0820060000000000C000000000000046 00 10850000 07000000"),
    (
        (0x8002001F, NAME, "x"),
        "1F000280 8603020000000000C000000000000046 01 78002D006D00610069006C00650072000000 04000000 78000000",
    ),
]


@pytest.mark.spec("MS-OXCFXICS_R2740")
@pytest.mark.spec("MS-OXCFXICS_R990")
def test_folder_change_of_an_exchange_server() -> None:
    assert FOLDER_CHANGE[:4] == MARKER_BYTES[Marker.IncrSyncChg]
    assert decode_properties(FOLDER_CHANGE[4:]) == FOLDER_CHANGE_PROPERTIES
    assert encode_properties(FOLDER_CHANGE_PROPERTIES) == FOLDER_CHANGE[4:]


@pytest.mark.parametrize(("item", "expected"), ENCODINGS, ids=[f"0x{item[0]:08X}-{item[2]}" for item, _ in ENCODINGS])
def test_value_encodings(item: Item, expected: str) -> None:
    tag, name, value = item
    out = bytearray()
    push_property(out, tag, value, name)
    assert bytes(out) == bytes.fromhex(expected)
    cursor = Cursor(bytes(out))
    assert pull_property(cursor) == (tag, name, -1 if value == 0xFFFFFFFF else value)
    assert not cursor.remaining


def test_raw_body_needs_no_encoding() -> None:
    for tag, name, value, body in (
        (0x0037001F, None, "A", b"A\0\0\0"),
        (0x10130102, None, b"<p>", b"<p>"),
        (0x8002001F, NAME, "A", b"A\0\0\0"),
    ):
        expected = bytearray()
        push_property(expected, tag, value, name)
        out = bytearray()
        push_raw_property(out, tag, body, name)
        assert out == expected


@pytest.mark.spec("MS-OXCFXICS_R995")
def test_a_string_is_cut_at_its_nul_only_where_there_is_one() -> None:
    assert pull_property(Cursor(bytes.fromhex("1F003700 02000000 4100")))[2] == "A"
    assert pull_property(Cursor(bytes.fromhex("1E003700 01000000 41")))[2] == b"A"
    assert pull_property(Cursor(bytes.fromhex("1F003700 00000000")))[2] == ""


def test_unpaired_surrogates_survive() -> None:
    data = bytes.fromhex("1F003700 04000000 00D8 0000")
    assert encode_properties(decode_properties(data)) == data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("0300", "4 bytes needed"),
        ("03001700 0000", "4 bytes needed"),
        ("0201E265 FFFFFFFF 00", "4294967295 bytes needed"),
        ("1F003700 03000000 410000", "odd number of bytes"),
        ("03100100 FFFFFFFF 00000000", "exceeds the buffer"),
        ("02110100 FFFFFF7F 00000000", "exceeds the buffer"),
        ("FD000100 00000000", "cannot stand in a FastTransfer stream"),
        ("01000100", "cannot stand in a FastTransfer stream"),
        ("03300100 00000000", "cannot stand in a FastTransfer stream"),
        ("03000180 0820060000000000C000000000000046 02 10850000 07000000", "property name of kind 2"),
        ("03000180 0820060000000000C000000000000046 01 4100", "unterminated string"),
        ("03000180 0820060000000000C000000000000046 01 " + "4100" * 512 + "0000 07000000", "too long"),
        ("03001240 00000000", "a marker in a propList"),
    ],
)
def test_reading_refuses(data: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        decode_properties(bytes.fromhex(data))


def test_writing_refuses() -> None:
    with pytest.raises(WireError, match="without its name"):
        push_property(bytearray(), 0x80010003, 1)
    with pytest.raises(WireError, match="without its name"):
        push_raw_property(bytearray(), 0x80010102, b"")
    with pytest.raises(WireError, match="cannot stand"):
        push_property(bytearray(), 0x000100FD, None)
    with pytest.raises(WireError, match="NUL inside"):
        push_property(bytearray(), 0x80010003, 1, PropertyName(PSETID_Common, name="x\0y"))


@pytest.mark.spec("MS-OXCFXICS_R1016")
@pytest.mark.spec("MS-OXCFXICS_R3285")
def test_markers_and_meta_properties() -> None:
    assert len(MARKERS) == 24
    assert MARKER_BYTES[Marker.IncrSyncEnd] == bytes.fromhex("03001440")
    assert MARKERS[0x4074000B] is Marker.IncrSyncProgressMode
    assert MetaTagFXDelProp not in MARKERS
    assert [MetaTagIdsetGiven >> 16, MetaTagCnsetSeen >> 16] == [0x4017, 0x6796]
    assert [MetaTagCnsetSeenFAI >> 16, MetaTagCnsetRead >> 16] == [0x67DA, 0x67D2]
    assert [MetaTagIdsetDeleted >> 16, MetaTagIdsetNoLongerInScope >> 16] == [0x67E5, 0x4021]
    assert [MetaTagIdsetExpired >> 16, MetaTagIdsetRead >> 16, MetaTagIdsetUnread >> 16] == [0x6793, 0x402D, 0x402E]


text = st.text(st.characters(exclude_characters="\0"), max_size=20)
string8 = st.binary(max_size=20).filter(lambda value: b"\0" not in value)
SINGLE: dict[int, st.SearchStrategy[Any]] = {
    PropertyType.INTEGER16: st.integers(-(1 << 15), (1 << 15) - 1),
    PropertyType.INTEGER32: st.integers(-(1 << 31), (1 << 31) - 1),
    PropertyType.FLOATING32: st.floats(allow_nan=False, width=32),
    PropertyType.FLOATING64: st.floats(allow_nan=False),
    PropertyType.CURRENCY: st.integers(-(1 << 63), (1 << 63) - 1),
    PropertyType.FLOATING_TIME: st.floats(allow_nan=False),
    PropertyType.INTEGER64: st.integers(-(1 << 63), (1 << 63) - 1),
    PropertyType.TIME: st.integers(0, (1 << 64) - 1),
    PropertyType.GUID: st.uuids(),
    PropertyType.STRING8: string8,
    PropertyType.STRING: text,
    PropertyType.BINARY: st.binary(max_size=40),
}
ONLY_SINGLE: dict[int, st.SearchStrategy[Any]] = {
    PropertyType.ERROR_CODE: st.integers(0, (1 << 32) - 1),
    PropertyType.BOOLEAN: st.booleans(),
    PropertyType.OBJECT: st.binary(max_size=40),
    PropertyType.SERVER_ID: st.binary(max_size=40),
    0x84B0: text,
    0x84E2: string8,
}
VALUES = SINGLE | ONLY_SINGLE | {key | 0x1000: st.lists(value, max_size=4) for key, value in SINGLE.items()}
names = st.one_of(
    st.builds(PropertyName, st.uuids(), lid=st.integers(0, (1 << 32) - 1)),
    st.builds(PropertyName, st.uuids(), name=text),
)


@st.composite
def properties(draw: st.DrawFn) -> Item:
    type_code = draw(st.sampled_from(sorted(VALUES)))
    tag = draw(st.integers(0, 0xFFFF)) << 16 | type_code
    if tag in MARKERS or tag == MetaTagIdsetGiven:
        tag = 0x0001 << 16 | type_code
    return tag, draw(names) if tag >= NAMED_MINIMUM else None, draw(VALUES[type_code])


@given(st.lists(properties(), max_size=8))
def test_round_trip(items: list[Item]) -> None:
    assert decode_properties(encode_properties(items)) == items


@given(st.binary(max_size=100))
def test_random_bytes_raise_only_wire_errors(data: bytes) -> None:
    try:
        items = decode_properties(data)
    except WireError:
        return
    assert [item[:2] for item in decode_properties(encode_properties(items))] == [item[:2] for item in items]


def test_guid_values_are_in_wire_order() -> None:
    value = UUID("00112233-4455-6677-8899-aabbccddeeff")
    assert encode_properties([(0x00010048, None, value)])[4:] == bytes.fromhex("33221100554477668899AABBCCDDEEFF")
