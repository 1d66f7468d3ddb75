import contextlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapigw.wire.errors import WireError
from oab.wire import lzx_tables
from oab.wire.lzx_delta import Copy, decode, encode
from tests.outlook import lzx_delta as client

# MS-PATCH 3: the text "abc" in an uncompressed block.
EXAMPLE = bytes.fromhex("14 00 00 30 30 00 01 00 00 00 01 00 00 00 01 00 00 00 61 62 63 00")


def test_the_published_example_is_read() -> None:
    assert decode(EXAMPLE, b"", 3) == b"abc"


def test_positions_are_those_of_the_table() -> None:
    """MS-PATCH 2.4.2."""
    assert lzx_tables.BASE_POSITION[:12] == (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48)
    assert lzx_tables.BASE_POSITION[36:40] == (262144, 393216, 524288, 655360)
    assert lzx_tables.EXTRA_BITS[:8] == (0, 0, 0, 0, 1, 1, 2, 2)
    assert lzx_tables.EXTRA_BITS[34:38] == (16, 16, 17, 17)
    assert lzx_tables.position_slots(0, 1) == 34
    assert lzx_tables.position_slots(0x40000, 0x40000) == 38
    with pytest.raises(ValueError, match="window"):
        lzx_tables.position_slots(1 << 25, 1)


@st.composite
def _deltas(draw: st.DrawFn) -> tuple[bytes, bytes, list[Copy]]:
    reference = draw(st.binary(max_size=400)) * draw(st.sampled_from((1, 1, 300)))
    target, copies = bytearray(), []
    for _ in range(draw(st.integers(0, 6))):
        target += draw(st.binary(max_size=60)) * draw(st.sampled_from((1, 1, 900)))
        if len(reference) > 1:
            start = draw(st.integers(0, len(reference) - 1))
            length = draw(st.integers(1, len(reference) - start))
            copies.append(Copy(len(target), start, length))
            target += reference[start : start + length]
    return reference, bytes(target) or b"x", copies


@settings(deadline=None)  # the machine may be busy
@given(_deltas())
def test_what_is_encoded_is_decoded(delta: tuple[bytes, bytes, list[Copy]]) -> None:
    reference, target, copies = delta
    data = encode(len(reference), target, copies)
    assert decode(data, reference, len(target)) == target
    assert client.inflate(data, reference, len(target)) == target


def test_a_block_that_stays_the_same_costs_next_to_nothing() -> None:
    reference = random.Random(1).randbytes(0x40000)
    data = encode(len(reference), reference, [Copy(0, 0, len(reference))])
    assert len(data) < 200
    assert decode(data, reference, len(reference)) == reference


@pytest.mark.parametrize("extra", [0, 1, 255, 256, 1279, 1280, 5375, 5376, 32767 - 257])
def test_long_matches_have_extra_lengths(extra: int) -> None:
    """MS-PATCH 2.6.7: 8, 10, 12 and 15 bits."""
    reference = bytes(range(256)) * 200
    target = reference[7 : 7 + 257 + extra]
    data = encode(len(reference), target, [Copy(0, 7, len(target))])
    assert decode(data, reference, len(target)) == target
    assert client.inflate(data, reference, len(target)) == target


def test_counts_that_grow_like_rabbits_make_no_code_longer_than_allowed() -> None:
    counts = [1, 1]
    while len(counts) < 40:
        counts.append(counts[-1] + counts[-2])
    lengths = lzx_tables.code_lengths(counts, 16)
    assert max(lengths) <= 16
    assert sum(2**-length for length in lengths) == 1


@given(st.binary(max_size=300), st.binary(max_size=50), st.integers(1, 70000))
def test_garbage_is_refused_or_decoded(data: bytes, reference: bytes, size: int) -> None:
    with contextlib.suppress(WireError):
        assert len(decode(data, reference, size)) == size


@settings(deadline=None)
@given(_deltas(), st.data())
def test_damage_is_refused_or_makes_something_of_the_size(
    delta: tuple[bytes, bytes, list[Copy]], data: st.DataObject
) -> None:
    reference, target, copies = delta
    encoded = bytearray(encode(len(reference), target, copies))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(WireError):
        assert len(decode(bytes(encoded), reference, len(target))) == len(target)
