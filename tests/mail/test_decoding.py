"""Transfer encodings, piece by piece."""

import base64
import binascii
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.mail.decoding import LINE_MAXIMUM, decoded


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


def whole(encoding: str, *pieces: bytes) -> bytes:
    return b"".join(decoded(encoding, iter(pieces)))


SIZES = st.lists(st.integers(0, 90), max_size=8)


@given(data=st.binary(max_size=400), sizes=SIZES)
def test_base64_in_pieces(data: bytes, sizes: list[int]) -> None:
    assert whole("base64", *cut(base64.encodebytes(data), sizes)) == data


@given(data=st.binary(max_size=400), sizes=SIZES)
def test_quoted_printable_in_pieces(data: bytes, sizes: list[int]) -> None:
    encoded = binascii.b2a_qp(data, istext=False)
    assert whole("quoted-printable", *cut(encoded, sizes)) == data


@given(data=st.binary(max_size=400), sizes=SIZES)
def test_uuencode_in_pieces(data: bytes, sizes: list[int]) -> None:
    lines = b"".join(binascii.b2a_uu(data[start : start + 45]) for start in range(0, len(data), 45))
    assert whole("x-uuencode", *cut(b"begin 644 x\n" + lines + b"`\nend\n", sizes)) == data


@given(data=st.binary(max_size=200), sizes=SIZES, encoding=st.sampled_from(["base64", "quoted-printable", "x-uue"]))
def test_pieces_never_matter_and_nothing_raises(data: bytes, sizes: list[int], encoding: str) -> None:
    assert whole(encoding, *cut(data, sizes)) == whole(encoding, data)


@pytest.mark.parametrize(
    ("encoded", "data"),
    [
        (b"YWJj", b"abc"),
        (b"YW\r\nJj", b"abc"),
        (b"Y W*J-j", b"abc"),
        (b"YWI", b"ab"),
        (b"YWI=", b"ab"),
        (b"YWI=\r\n-- \r\nA mailing list", b"ab"),
        (b"=YWJj", b"abc"),
        (b"Y", b""),
        (b"====", b""),
    ],
)
def test_base64_as_it_comes(encoded: bytes, data: bytes) -> None:
    assert whole("base64", encoded) == data


def test_a_line_without_end_does_not_stay_in_memory() -> None:
    pieces = decoded("quoted-printable", (b"=41" * 1000 for _ in range(200)))
    assert max(map(len, pieces)) <= LINE_MAXIMUM


def test_unknown_encodings_change_nothing() -> None:
    assert whole("rot13", b"a", b"b") == b"ab"
