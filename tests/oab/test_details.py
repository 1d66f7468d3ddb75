import contextlib
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError
from oab.wire.checksum import Crc, crc
from oab.wire.details import (
    DetailsReader,
    OabHeader,
    Property,
    PropertyFlags,
    RecordCodec,
    build_metadata,
    parse_metadata,
    pull_integer,
    push_integer,
)

# MS-OXOAB 2.9.2.1 with the tags of its table; two entry properties with their flags.
METADATA = bytes.fromhex(
    "3c000000"
    "04000000 1f000068 00000000 1e000468 00000000 03000168 00000000 1e000268 00000000"
    "02000000 1e000330 02000000 1f000130 01000000"
)
HEADER = [Property(tag) for tag in (0x6800001F, 0x6804001E, 0x68010003, 0x6802001E)]
ENTRY = [Property(0x3003001E, PropertyFlags.PRIMARY_KEY), Property(0x3001001F, PropertyFlags.ANR)]


def test_the_schema_is_declared_first() -> None:
    assert build_metadata(HEADER, ENTRY) == METADATA
    assert parse_metadata(METADATA) == (HEADER, ENTRY)
    with pytest.raises(WireError):
        parse_metadata(METADATA[:-4])


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (0x7F, "7f"),
        (0x80, "8180"),
        (0xFF, "81ff"),
        (0x100, "820001"),
        (0x12345, "83452301"),
        (0x40000000, "8400000040"),
        (0xFFFFFFFF, "84ffffffff"),
    ],
)
def test_integers_take_as_few_bytes_as_they_need(value: int, encoded: str) -> None:
    """MS-OXOAB 2.9.6.1."""
    out = bytearray()
    push_integer(out, value)
    assert out.hex() == encoded
    assert pull_integer(Cursor(bytes(out))) == value


@pytest.mark.parametrize("encoded", ["80", "85", "ff", "84010203", ""])
def test_what_is_no_integer_is_refused(encoded: str) -> None:
    with pytest.raises(WireError):
        pull_integer(Cursor(bytes.fromhex(encoded)))


def test_presence_bits_begin_with_the_highest() -> None:
    """MS-OXOAB 2.9.5, 2.9.6."""
    tags = (0x3003001E, 0x39FE001E, 0x3001001F, 0x3A40000B, 0x39000003, 0x800F101F, 0x3A220102, 0x8C6A1102, 0x3A00001F)
    codec = RecordCodec([Property(tag) for tag in tags])
    record = {
        0x3003001E: "/cn=z",
        0x3001001F: "Zoë",
        0x3A40000B: True,
        0x39000003: 256,
        0x800F101F: ["SMTP:z@b", "smtp:y@b"],
        0x3A220102: b"\0\1",
        0x8C6A1102: [b"\2", b""],
    }
    expected = bytes.fromhex(
        "2f000000 bf00"  # cbSize; all but the second and the last
        "2f636e3d7a00 5a6fc3ab00 01 820001"
        "02 534d54503a7a406200 736d74703a79406200"
        "020001 02010200"
    )
    assert codec.build(record) == expected
    assert codec.parse(expected) == record


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (0x3001001F, ""),
        (0x3001001F, "a\0b"),
        (0x3001001F, "\ud800"),
        (0x3003001E, "é"),
        (0x800F101F, []),
        (0x800F101F, [""]),
    ],
)
def test_what_cannot_be_expressed_is_refused(tag: int, value: Any) -> None:
    """2.9.6.3: an empty string MUST NOT be encoded."""
    with pytest.raises(ValueError, match=r".+"):
        RecordCodec([Property(tag)]).build({tag: value})


@pytest.mark.parametrize(
    "data",
    [
        "0500000080",  # the value is missing
        "060000008041",  # a string without its end
        "060000008000",  # an empty string
        "0700000080ff00",  # no UTF-8
        "0600000000ff",  # bytes left over
        "0900000080",  # the size is another
    ],
)
def test_malformed_records_are_refused(data: str) -> None:
    with pytest.raises(WireError):
        RecordCodec([Property(0x3001001F)]).parse(bytes.fromhex(data))


def test_a_type_that_has_no_place_in_these_files_is_refused() -> None:
    with pytest.raises(WireError, match="0x0040"):
        RecordCodec([Property(0x30070040)])


_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)
_ASCII = st.text(st.characters(min_codepoint=1, max_codepoint=127), min_size=1, max_size=20)
_VALUES: dict[int, st.SearchStrategy[Any]] = {
    0x0003: st.integers(0, 2**32 - 1),
    0x000B: st.booleans(),
    0x000D: _ASCII,
    0x001E: _ASCII,
    0x001F: _TEXT,
    0x0102: st.binary(max_size=300),
    0x1003: st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5),
    0x101E: st.lists(_ASCII, min_size=1, max_size=5),
    0x101F: st.lists(_TEXT, min_size=1, max_size=200),
    0x1102: st.lists(st.binary(max_size=40), min_size=1, max_size=5),
}


@st.composite
def _records(draw: st.DrawFn) -> tuple[list[int], dict[int, Any]]:
    kinds = draw(st.lists(st.sampled_from(list(_VALUES)), max_size=20))
    tags = [0x30000000 + (index << 16) + kind for index, kind in enumerate(kinds)]
    return tags, {tag: draw(_VALUES[tag & 0xFFFF]) for tag in tags if draw(st.booleans())}


@given(_records())
def test_records_come_back(found: tuple[list[int], dict[int, Any]]) -> None:
    tags, record = found
    codec = RecordCodec([Property(tag) for tag in tags])
    built = codec.build(record)
    assert codec.parse(built) == record
    assert codec.build(codec.parse(built)) == built


@given(st.binary(max_size=80))
def test_any_bytes_are_a_file_or_refused(data: bytes) -> None:
    for stream in (data, b"\x20\0\0\0" + data, METADATA[:0] + b"\x20" + bytes(11) + METADATA + data):
        with contextlib.suppress(WireError):
            list(DetailsReader(io.BytesIO(stream)).records())


def test_a_whole_file_is_read() -> None:
    address_list = {0x6800001F: "\\Global Address List", 0x6804001E: "/", 0x68010003: 7, 0x6802001E: "guid"}
    entries = [{0x3003001E: f"/cn={name}", 0x3001001F: name} for name in ("a", "b")]
    body = build_metadata(HEADER, ENTRY) + RecordCodec(HEADER).build(address_list)
    body += b"".join(RecordCodec(ENTRY).build(entry) for entry in entries)
    data = OabHeader.build({"version": 0x20, "serial": crc(body), "total_records": 2}) + body
    reader = DetailsReader(io.BytesIO(data))
    assert (reader.total_records, reader.serial, reader.address_list) == (2, crc(body), address_list)
    assert list(reader.records()) == entries
    with pytest.raises(WireError, match="ulVersion"):
        DetailsReader(io.BytesIO(b"\x07" + data[1:]))


def test_the_crc_is_seeded_and_not_inverted() -> None:
    """MS-OXOAB 2: the CRC of nothing is the seed; "123456789" is CRC-32/JAMCRC's check value."""
    assert crc(b"") == 0xFFFFFFFF
    assert crc(b"123456789") == 0x340BC6D9
    whole = Crc()
    for part in (b"1234", b"", b"56789"):
        whole.add(part)
    assert whole.value == 0x340BC6D9
