import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.errors import WireError
from oab.wire import lzx_delta
from oab.wire.checksum import crc
from oab.wire.container import BLOCK_SIZE, LzxBlock, LzxHeader, pack, unpack


def _packed(data: bytes) -> bytes:
    out = io.BytesIO()
    pack(io.BytesIO(data), len(data), out)
    return out.getvalue()


def _unpacked(data: bytes) -> bytes:
    out = io.BytesIO()
    unpack(io.BytesIO(data), out)
    return out.getvalue()


def test_a_block_as_it_is() -> None:
    """MS-OXOAB 2.11: version 3.1, ulBlockMax, ulTargetSize; ulFlags 0, both sizes, the CRC."""
    expected = bytes.fromhex("03000000 01000000 00000400 09000000 00000000 09000000 09000000 d9c60b34")
    assert _packed(b"123456789") == expected + b"123456789"


@pytest.mark.parametrize("size", [0, 1, BLOCK_SIZE, BLOCK_SIZE + 1, 3 * BLOCK_SIZE])
def test_containers_come_back(size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    assert _unpacked(_packed(data[:size])) == data[:size]


def test_a_compressed_block_is_read() -> None:
    packed = lzx_delta.encode(0, b"abcabc", [])
    data = LzxHeader.build({"version_hi": 3, "version_lo": 1, "block_max": 4096, "target_size": 6})
    sizes = {"flags": 1, "compressed_size": len(packed), "uncompressed_size": 6, "crc": crc(b"abcabc")}
    assert _unpacked(data + LzxBlock.build(sizes) + packed) == b"abcabc"


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (0, 2),  # version
        (10, 0),  # a block larger than ulBlockMax
        (11, 0xFF),  # an ulBlockMax that nobody has memory for
        (12, 8),  # ulTargetSize
        (20, 8),  # ulCompSize
        (24, 8),  # ulUncompSize
        (28, 0),  # CRC
        (32, 0),  # data
    ],
)
def test_damage_is_refused(position: int, value: int) -> None:
    data = bytearray(_packed(b"123456789"))
    data[position] = value
    with pytest.raises(WireError):
        _unpacked(bytes(data))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_container_or_refused(data: bytes) -> None:
    for stream in (data, b"\3\0\0\0\1\0\0\0\0\0\4\0" + data):
        with contextlib.suppress(WireError):
            _unpacked(stream)


def test_a_source_that_ends_early_is_an_error() -> None:
    with pytest.raises(EOFError):
        pack(io.BytesIO(b"abc"), 4, io.BytesIO())
