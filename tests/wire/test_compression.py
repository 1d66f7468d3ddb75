import contextlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.compression import decompress
from mapigw.wire.errors import WireError


def literals(data: bytes) -> bytes:
    """The DIRECT2 encoding without any match: masks of 32 zeros, the last one ended by a 1."""
    out = b""
    for start in range(0, len(data) + 1, 32):
        block = data[start : start + 32]
        mask = 0 if len(block) == 32 else (1 << (32 - len(block))) - 1
        out += mask.to_bytes(4, "little") + block
    return out


# MS-XCA 3.1
def test_example_without_matches() -> None:
    compressed = bytes.fromhex("3f0000006162636465666768696a6b6c6d6e6f707172737475767778797a")
    assert decompress(compressed, 26) == b"abcdefghijklmnopqrstuvwxyz"


# MS-XCA 3.1
def test_example_with_one_match() -> None:
    compressed = bytes.fromhex("ffffff1f61626317000fff2601")
    assert decompress(compressed, 300) == b"abc" * 100


# MS-OXCRPC 3.1.4.1.1.2.2.4: the table of length representations; distance 1 is an offset of zero.
@pytest.mark.parametrize(
    ("length", "encoding"),
    [
        (3, "0000"),
        (9, "0600"),
        (10, "070000"),
        (24, "07000e"),
        (25, "07000f00"),
        (26, "07000f01"),
        (279, "07000ffe"),
        (280, "07000fff1501"),
        (281, "07000fff1601"),
        (0x7FFF, "07000ffffc7f"),
    ],
)
@pytest.mark.spec("MS-OXCRPC_R937")
@pytest.mark.spec("MS-OXCRPC_R938")
@pytest.mark.spec("MS-OXCRPC_R940")
@pytest.mark.spec("MS-OXCRPC_R941")
@pytest.mark.spec("MS-OXCRPC_R944")
def test_match_lengths(length: int, encoding: str) -> None:
    compressed = bytes.fromhex("ffffff7f 78") + bytes.fromhex(encoding)  # a literal, a match, the end
    assert decompress(compressed, length + 1) == b"x" * (length + 1)


@pytest.mark.spec("MS-OXCRPC_R915")
@pytest.mark.spec("MS-OXCRPC_R919")
@pytest.mark.spec("MS-OXCRPC_R920")
def test_two_long_matches_share_the_byte_of_nibbles() -> None:
    # literal x, match of 10 + 2, literal y, match of 10 + 5 with the upper nibble, literal z, match with a new byte
    compressed = bytes.fromhex("ffffff57 78 0700 52 79 0700 7a 0700 01")
    assert decompress(compressed, 1 + 12 + 1 + 15 + 1 + 11) == b"x" * 13 + b"y" * 16 + b"z" * 12


@pytest.mark.spec("MS-OXCRPC_R891")
def test_a_mask_of_its_own_may_end_the_data() -> None:
    data = bytes(range(32))
    assert decompress(bytes(4) + data, 32) == data
    assert decompress(bytes(4) + data + b"\xff\xff\xff\xff", 32) == data
    assert decompress(literals(data + b"!"), 33) == data + b"!"


@pytest.mark.parametrize(
    ("compressed", "size", "reason"),
    [
        ("", 1, "end early"),
        ("3f0000", 5, "end early"),
        ("3f000000616263", 26, "end early"),
        ("ffffff7f78", 4, "end early"),  # a match without its token
        ("ffffff7f780700", 13, "end early"),  # without the nibble
        ("ffffff7f7807000f", 30, "end early"),  # without the byte
        ("ffffff7f7807000fff15", 300, "end early"),  # without the last 16 bits
        ("ffffff7f780800", 4, "before the beginning"),  # distance 2 behind one byte
        ("ffffffff0000", 3, "before the beginning"),
        ("ffffff7f780600", 5, "more data"),  # a match of 9 where 4 are left
        ("ffffff1f61626317000fff2601", 299, "more data"),
        ("ffffff1f61626317000fff260100", 300, "more data"),
        ("ffffff7f7807000fff0000", 30, "out of range"),
        ("ffffff7f7807000fff1500", 30, "out of range"),
    ],
)
def test_hostile_input(compressed: str, size: int, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        decompress(bytes.fromhex(compressed), size)


@given(st.binary(max_size=300))
def test_literals_round_trip(data: bytes) -> None:
    assert decompress(literals(data), len(data)) == data


@given(st.binary(max_size=200), st.integers(0, 0x8000))
def test_random_input_yields_the_announced_size_or_an_error(data: bytes, size: int) -> None:
    with contextlib.suppress(WireError):
        assert len(decompress(data, size)) == size


def test_damaged_examples() -> None:
    generator = random.Random(7)
    example = bytes.fromhex("ffffff1f61626317000fff2601")
    for _ in range(2000):
        damaged = bytearray(example)
        damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
        try:
            assert len(decompress(bytes(damaged[: generator.randint(0, len(damaged))]), 300)) == 300
        except WireError:
            continue
