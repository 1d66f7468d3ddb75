import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.errors import WireError
from mapigw.wire.rtf_compression import COMPRESSED, UNCOMPRESSED, compress, crc, decompress

# MS-OXRTFCP 4.1.1 and 4.2.1; 4.1.2 and 4.2.2, where a match crosses the place that is written next.
EXAMPLES = [
    (
        b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n",
        "2d000000 2b000000 4c5a4675 f1c5c7a7 03000a00726370673132354232 0af32068656c090020627705b06c647d0a800fa0",
    ),
    (b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}", "1a000000 1c000000 4c5a4675 e2d44b51 410004205758595a0d6e7d010eb0"),
]


def header(contents: bytes, raw_size: int, kind: int = COMPRESSED, checksum: int | None = None) -> bytes:
    return struct.pack("<IIII", len(contents) + 12, raw_size, kind, crc(contents) if checksum is None else checksum)


@pytest.mark.parametrize(("rtf", "compressed"), EXAMPLES)
def test_published_examples(rtf: bytes, compressed: str) -> None:
    assert decompress(bytes.fromhex(compressed)) == rtf
    assert compress(rtf) == bytes.fromhex(compressed)


def test_uncompressed_contents_have_no_checksum() -> None:
    rtf = b"{\\rtf1 raw}"
    assert decompress(header(rtf, len(rtf), UNCOMPRESSED, 0) + rtf) == rtf


def test_padding_behind_the_contents_is_ignored() -> None:
    assert decompress(bytes.fromhex(EXAMPLES[1][1]) + b"\0\0\0\0") == EXAMPLES[1][0]


def test_empty() -> None:
    # The end is a reference to offset 207, where the first byte would go.
    assert compress(b"") == bytes.fromhex("0f000000 00000000 4c5a4675 27d7ca10 01 0cf0")
    assert decompress(compress(b"")) == b""


@given(st.binary(max_size=300), st.integers(1, 60), st.integers(0, 5000))
def test_round_trip(part: bytes, times: int, gap: int) -> None:
    data = part * times + b"x" * gap + part
    assert decompress(compress(data)) == data


def test_repetition_shrinks_and_the_window_wraps() -> None:
    data = b"".join(b"{\\b paragraph number %d}\\par\r\n" % number for number in range(5000))
    compressed = compress(data)
    assert len(compressed) < len(data) / 3
    assert decompress(compressed) == data


@pytest.mark.parametrize("size", [4078, 4079, 4094, 4095, 4096, 4097, 8192])
def test_a_match_as_far_back_as_the_dictionary_reaches(size: int) -> None:
    data = b"ABCDEFGHIJKLMNOPQRS" + bytes(number % 7 for number in range(size)) + b"ABCDEFGHIJKLMNOPQRS"
    assert decompress(compress(data)) == data


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (b"", "Header"),
        (bytes(15), "Header"),
        (struct.pack("<IIII", 11, 0, COMPRESSED, 0), "COMPSIZE"),
        (struct.pack("<IIII", 13, 0, COMPRESSED, 0), "COMPSIZE"),
        (struct.pack("<IIII", 0xFFFFFFFF, 0, COMPRESSED, 0), "COMPSIZE"),
        (struct.pack("<IIII", 12, 0x7FFFFFFF, UNCOMPRESSED, 0), "RAWSIZE"),
        (struct.pack("<IIII", 12, 0, 0x12345678, 0), "COMPTYPE"),
        (header(b"\x01\x0c\xf0", 0, checksum=1) + b"\x01\x0c\xf0", "CRC"),
        (header(b"", 0), "CONTENTS"),
        (header(b"\x00ab", 2) + b"\x00ab", "CONTENTS"),
        (header(b"\x01\x0c", 2) + b"\x01\x0c", "CONTENTS"),
        (header(b"\x01\xff\xf0", 4) + b"\x01\xff\xf0", "CONTENTS"),  # the place 4095, where nothing was written
    ],
)
def test_what_is_damaged_is_refused(data: bytes, field: str) -> None:
    with pytest.raises(WireError) as caught:
        decompress(data)
    assert caught.value.field == field


def test_output_is_bounded_by_the_announced_size() -> None:
    contents = b"\x00aaaaaaaa" + b"\xff" + b"\x0d\x0f" * 8 + b"\x01\x00\x00"
    with pytest.raises(WireError, match="more data than announced"):
        decompress(header(contents, 20) + contents)
    with pytest.raises(WireError, match="too large"):
        decompress(bytes.fromhex(EXAMPLES[0][1]), 42)


@given(st.binary(max_size=200), st.integers(0, 4000))
def test_hostile_contents(contents: bytes, raw_size: int) -> None:
    with suppress(WireError):
        assert len(decompress(header(contents, raw_size) + contents)) <= raw_size
