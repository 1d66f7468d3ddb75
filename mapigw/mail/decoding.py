"""Transfer encodings of body parts, undone piece by piece (RFC 2045 6; uuencode: IEEE 1003.1).

Nothing raises: what does not follow its encoding is decoded as far as it goes. Lines that a decoder has to see whole
are cut at `LINE_MAXIMUM`, so that memory stays bounded whatever is sent.
"""

import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Final

LINE_MAXIMUM: Final = 1 << 16

_BASE64_DIGITS: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
_NOT_BASE64: Final = bytes(set(range(256)) - _BASE64_DIGITS)
_DIGITS: Final = re.compile(rb"[^=]+")

_IDENTITY: Final = frozenset({"", "7bit", "8bit", "binary"})
UUENCODE: Final = frozenset({"x-uuencode", "uuencode", "x-uue", "uue"})
BINHEX: Final = frozenset({"mac-binhex40", "x-mac-binhex40", "binhex"})


def is_identity(encoding: str) -> bool:
    """Whether the encoding leaves bytes as they are."""
    return encoding in _IDENTITY


def decoded(encoding: str, data: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes that ``data`` stands for; as they are where the encoding is unknown."""
    if encoding == "base64":
        return _base64(data)
    if encoding == "quoted-printable":
        return _quoted_printable(data)
    if encoding in UUENCODE:
        return uudecoded(lines(data))
    return iter(data)


def _base64(data: Iterable[bytes]) -> Iterator[bytes]:
    """Up to the padding: what follows it is no base64, but the footer of a mailing list."""
    rest = b""
    for piece in data:
        digits = rest + piece.translate(None, _NOT_BASE64)
        ended = False
        if b"=" in digits:
            digits, ended = _before_padding(digits)
        whole = len(digits) & ~3
        if whole:
            yield binascii.a2b_base64(memoryview(digits)[:whole])
        rest = digits[whole:]
        if ended:
            break
    if len(rest) > 1:
        yield binascii.a2b_base64(rest + b"=" * (4 - len(rest)))


def _before_padding(digits: bytes) -> tuple[bytes, bool]:
    """The digits before the padding, and whether there is one; equals signs where none can be are skipped."""
    kept: list[bytes] = []
    size = 0
    for found in _DIGITS.finditer(digits):
        kept.append(found.group())
        size += found.end() - found.start()
        if size % 4 >= 2 and found.end() < len(digits):
            return b"".join(kept), True
    return b"".join(kept), False


def _quoted_printable(data: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in data:
        text = rest + piece
        end = text.rfind(b"\n") + 1
        if not end and len(text) > LINE_MAXIMUM:
            end = len(text) - 3  # an escape is three bytes, a soft line break as well
        rest = text[end:]
        if end:
            yield binascii.a2b_qp(text[:end])
    if rest:
        yield binascii.a2b_qp(rest)


def lines(data: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their ends."""
    rest = b""
    for piece in data:
        found = (rest + piece).splitlines(keepends=True)
        rest = found.pop() if found and not found[-1].endswith(b"\n") else b""
        for line in found:
            yield line.rstrip(b"\r\n")
        if len(rest) > LINE_MAXIMUM:
            yield rest
            rest = b""
    if rest:
        yield rest.rstrip(b"\r\n")


def uudecoded(data: Iterator[bytes]) -> Iterator[bytes]:
    """What stands between the first ``begin`` line and its ``end`` line."""
    for line in data:
        if line.startswith(b"begin "):
            break
    out = bytearray()
    for line in data:
        if line.rstrip() == b"end":
            break
        out += uu_line(line)
        if len(out) > LINE_MAXIMUM:
            yield bytes(out)
            out.clear()
    yield bytes(out)


def uu_line(line: bytes) -> bytes:
    """The bytes of one line; none if it is broken."""
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        # Some encoders pad the last group wrongly: as many bytes as the length character promises.
        needed = ((line[0] - 32 & 63) * 4 + 5) // 3 if line else 0
        try:
            return binascii.a2b_uu(line[:needed])
        except binascii.Error:
            return b""
