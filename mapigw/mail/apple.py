"""Files of the Macintosh: AppleSingle and AppleDouble (RFC 1740), BinHex (RFC 1741), MacBinary III.

A mailbox has such a file as a MacBinary stream: a header, the data fork, the resource fork (MS-OXCMAIL 2.2.3.4.2).
"""

import binascii
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mapigw.mail.charsets import guess_text

MACBINARY_ENCODING: Final = bytes.fromhex("2A864886F714030B01")
"""PidTagAttachEncoding of a MacBinary stream (MS-OXCMSG 2.2.2.20)."""
MAX_FORK: Final = 16 << 20
"""Bytes of a resource fork, or of a whole BinHex or AppleSingle file, that are read."""

_HEADER: Final = struct.Struct(">II16xH")
_ENTRY: Final = struct.Struct(">III")
_MAGIC: Final = frozenset({0x00051600, 0x00051607})  # AppleSingle, AppleDouble
_DATA_FORK, _RESOURCE_FORK, _REAL_NAME, _FILE_DATES, _FINDER_INFO = 1, 2, 3, 8, 9
_MAX_ENTRIES: Final = 100
_SECONDS_1904_TO_2000: Final = 3_029_529_600

_BLOCK: Final = 128
_MACBINARY_SIGNATURE: Final = b"mBIN"
_MACBINARY_III, _MACBINARY_II = 130, 129


@dataclass(frozen=True, slots=True)
class AppleFile:
    """A file: its name, its 32 bytes of Finder information, when it was made and changed (seconds of 1904), its forks.

    The data fork of an AppleDouble header is empty: it is a body part of its own.
    """

    name: bytes
    finder_info: bytes
    created: int
    modified: int
    data: bytes
    resource: bytes

    @property
    def text_name(self) -> str:
        return guess_text(self.name, "mac-roman")

    def macbinary(self, data: Iterator[bytes], size: int) -> Iterator[bytes]:
        """The MacBinary III stream of this file with another data fork of ``size`` bytes."""
        header = bytearray(_BLOCK)
        name = self.name[:63] or b"Untitled"
        header[1] = len(name)
        header[2 : 2 + len(name)] = name
        header[65:73] = self.finder_info[:8].ljust(8, b"\0")
        header[73] = self.finder_info[8] if len(self.finder_info) > 9 else 0
        header[75:81] = self.finder_info[10:16].ljust(6, b"\0")
        struct.pack_into(">IIII", header, 83, size, len(self.resource), self.created, self.modified)
        header[101] = self.finder_info[9] if len(self.finder_info) > 9 else 0
        header[102:106] = _MACBINARY_SIGNATURE
        header[122], header[123] = _MACBINARY_III, _MACBINARY_II
        struct.pack_into(">H", header, 124, binascii.crc_hqx(bytes(header[:124]), 0))
        yield bytes(header)
        yield from data
        yield bytes(-size % _BLOCK)
        yield self.resource + bytes(-len(self.resource) % _BLOCK)


def parse_apple_file(data: bytes) -> AppleFile | None:
    """An AppleSingle file or the header of an AppleDouble one (RFC 1740 appendix A, B); None if it is neither."""
    if len(data) < _HEADER.size:
        return None
    magic, _version, count = _HEADER.unpack_from(data)
    if magic not in _MAGIC or not 0 < count <= _MAX_ENTRIES or len(data) < _HEADER.size + count * _ENTRY.size:
        return None
    entries: dict[int, bytes] = {}
    for position in range(count):
        kind, offset, length = _ENTRY.unpack_from(data, _HEADER.size + position * _ENTRY.size)
        entries.setdefault(kind, data[offset : offset + length])
    created, modified = _dates(entries.get(_FILE_DATES, b""))
    return AppleFile(
        entries.get(_REAL_NAME, b""),
        entries.get(_FINDER_INFO, b"")[:32],
        created,
        modified,
        entries.get(_DATA_FORK, b""),
        entries.get(_RESOURCE_FORK, b""),
    )


def _dates(entry: bytes) -> tuple[int, int]:
    if len(entry) < 8:
        return 0, 0
    created, modified = struct.unpack_from(">ii", entry)
    return (created + _SECONDS_1904_TO_2000) & 0xFFFFFFFF, (modified + _SECONDS_1904_TO_2000) & 0xFFFFFFFF


_BINHEX_DIGITS: Final = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"
_BASE64_DIGITS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_TO_BASE64: Final = bytes.maketrans(_BINHEX_DIGITS, _BASE64_DIGITS)
_NO_DIGITS: Final = bytes(set(range(256)) - set(_BINHEX_DIGITS))
_BINHEX_START: Final = re.compile(rb"\(This file must be converted with BinHex[^\r\n]*[\r\n\t ]*:")
_BINHEX_FIELDS: Final = struct.Struct(">x8sHIIH")  # version; type and creator; flags; forks' lengths; CRC
_MAX_EXPANDED: Final = 4 * MAX_FORK


def parse_binhex(text: bytes) -> AppleFile | None:
    """A BinHex 4.0 file (RFC 1741 appendix A); None if it is none or not whole."""
    start = _BINHEX_START.search(text)
    if start is None:
        return None
    digits = text[start.end() :].partition(b":")[0].translate(None, _NO_DIGITS).translate(_TO_BASE64)
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    data = _expanded(binascii.a2b_base64(digits + b"=" * (-len(digits) % 4)))
    if not data or len(data) < 1 + data[0] + _BINHEX_FIELDS.size:
        return None
    position = 1 + data[0]
    name = data[1:position]
    kind, flags, size, resource_size, crc = _BINHEX_FIELDS.unpack_from(data, position)
    begin = position + _BINHEX_FIELDS.size
    resource = begin + size + 2  # behind the data fork's CRC
    if binascii.crc_hqx(data[: begin - 2], 0) != crc or len(data) < begin + size:
        return None
    return AppleFile(
        name,
        kind + struct.pack(">H", flags) + bytes(22),
        0,
        0,
        data[begin : begin + size],
        data[resource : resource + resource_size],
    )


def _expanded(data: bytes) -> bytes:
    """Undo the runs: a byte, 0x90 and how often it is there; 0x90 0x00 is 0x90 itself. b"" if it becomes too large."""
    out = bytearray()
    position = 0
    while (mark := data.find(b"\x90", position)) >= 0 and mark + 1 < len(data):
        out += data[position:mark]
        count = data[mark + 1]
        if not count:
            out.append(0x90)
        elif out:
            out += bytes((out[-1],)) * (count - 1)
        if len(out) > _MAX_EXPANDED:
            return b""
        position = mark + 2
    return bytes(out + data[position:])
