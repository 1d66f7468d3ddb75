import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire.errors import WireError
from mapigw.wire.rpc_header import MAXIMUM_PAYLOAD, join_payloads, obfuscate, split_payloads


def test_plain_buffer() -> None:
    data = bytes.fromhex("0000 0400 0300 0300 616263")
    assert split_payloads(data) == [b"abc"]
    assert join_payloads([b"abc"]) == data


@pytest.mark.spec("MS-OXCRPC_R771")
def test_obfuscated_buffer() -> None:
    data = bytes.fromhex("0000 0600 0300 0300 c4c7c6")
    assert split_payloads(data) == [b"abc"]
    assert join_payloads([b"abc"], xor_magic=True) == data
    assert obfuscate(bytes([0x00, 0xA5, 0xFF])) == bytes([0xA5, 0x00, 0x5A])


@pytest.mark.spec("MS-OXCRPC_R768")
def test_compressed_buffer() -> None:
    compressed = bytes.fromhex("ffffff1f61626317000fff2601")
    assert split_payloads(bytes.fromhex("0000 0500 0d00 2c01") + compressed) == [b"abc" * 100]


@pytest.mark.spec("MS-OXCRPC_R4860")
def test_compressed_and_obfuscated_buffer() -> None:
    compressed = obfuscate(bytes.fromhex("ffffff1f61626317000fff2601"))
    assert split_payloads(bytes.fromhex("0000 0700 0d00 2c01") + compressed) == [b"abc" * 100]


@pytest.mark.spec("MS-OXCRPC_R778")
@pytest.mark.spec("MS-OXCRPC_R779")
def test_only_the_last_header_has_the_last_flag() -> None:
    data = join_payloads([b"ab", b"", b"c"])
    assert data == bytes.fromhex("0000 0000 0200 0200 6162  0000 0000 0000 0000  0000 0400 0100 0100 63")
    assert split_payloads(data) == [b"ab", b"", b"c"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("", "end early"),
        ("00000400030003", "end early"),
        ("0000 0400 0300 0300 6162", "end early"),
        ("0100 0400 0300 0300 616263", "version"),
        ("0000 0400 0300 0400 616263", "differ"),
        ("0000 0400 0300 0300 616263 00", "after the last"),
        ("0000 0000 0300 0300 616263", "end early"),  # no Last
        ("0000 0500 0100 ffff 61", "32 KB"),
        ("0000 0500 0100 0180 61", "32 KB"),
        ("0000 0500 0100 0300 61", "end early"),
    ],
)
def test_bad_buffers(data: str, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        split_payloads(bytes.fromhex(data))


def test_a_payload_of_32_kb_is_the_largest() -> None:
    assert split_payloads(join_payloads([bytes(MAXIMUM_PAYLOAD)])) == [bytes(MAXIMUM_PAYLOAD)]
    with pytest.raises(WireError, match="32 KB"):
        split_payloads(join_payloads([bytes(MAXIMUM_PAYLOAD + 1)]))


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.booleans())
def test_round_trip(payloads: list[bytes], xor_magic: bool) -> None:
    assert split_payloads(join_payloads(payloads, xor_magic=xor_magic)) == payloads


@given(st.binary(max_size=64))
def test_random_input_raises_only_wire_errors(data: bytes) -> None:
    with contextlib.suppress(WireError):
        split_payloads(data)
