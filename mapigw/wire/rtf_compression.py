"""Compressed RTF, the value of PidTagRtfCompressed (MS-OXRTFCP).

A header (2.1.3.1.1: sizes, type, CRC) and the contents: raw, or LZ77 over a circular dictionary of 4,096 bytes that
starts out filled with common RTF. A control byte, lowest bit first, tells for each of eight tokens whether it is a
literal byte (0) or a 16-bit big-endian reference (1) of offset in the dictionary (12 bits) and length minus 2 (4 bits).
"""

import struct
import zlib
from typing import Final

from mapigw.wire.errors import WireError

COMPRESSED: Final = 0x75465A4C
UNCOMPRESSED: Final = 0x414C454D
MAXIMUM_RAW_SIZE: Final = 1 << 25

_HEADER: Final = struct.Struct("<IIII")
_UNCOUNTED: Final = 4  # COMPSIZE does not count itself
_WINDOW: Final = 4096
_LONGEST: Final = 17
_INITIAL: Final = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans Serif"
    rb"SymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0" + b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
"""2.1.2.1: what the dictionary holds at the start."""


def crc(contents: bytes) -> int:
    """2.1.3.2: the CRC-32 of zip files, but neither begun nor ended with the complement."""
    return zlib.crc32(contents, 0xFFFFFFFF) ^ 0xFFFFFFFF


def decompress(data: bytes, limit: int = MAXIMUM_RAW_SIZE) -> bytes:
    """The RTF of a PidTagRtfCompressed value of either type, at most ``limit`` bytes.

    Raises `WireError` for an unknown type, contents that end early, a wrong CRC, references to what was never written,
    and more output than the header or ``limit`` announces. Padding behind the contents is ignored.
    """
    if len(data) < _HEADER.size:
        raise WireError("data end early", offset=len(data), field="Header")
    compressed_size, raw_size, kind, checksum = _HEADER.unpack_from(data)
    end = compressed_size + _UNCOUNTED
    if not _HEADER.size <= end <= len(data):
        raise WireError("contents end early", offset=len(data), field="COMPSIZE")
    contents = data[_HEADER.size : end]
    if raw_size > limit:
        raise WireError("too large", offset=4, field="RAWSIZE")
    if kind == UNCOMPRESSED:
        return contents[:raw_size]
    if kind != COMPRESSED:
        raise WireError("unknown compression", offset=8, field="COMPTYPE")
    if crc(contents) != checksum:
        raise WireError("wrong checksum", offset=12, field="CRC")
    return _expand(contents, raw_size)


def _expand(contents: bytes, raw_size: int) -> bytes:
    """2.2.3.1.2; ends at the reference to the place that would be written next."""
    output = bytearray(_INITIAL)
    limit = raw_size + len(_INITIAL)
    position = 0
    size = len(contents)
    while position < size:
        control = contents[position]
        position += 1
        if not control and position + 8 <= size:
            output += contents[position : position + 8]
            position += 8
            if len(output) > limit:
                raise WireError("more data than announced", offset=position, field="CONTENTS")
            continue
        for bit in (1, 2, 4, 8, 16, 32, 64, 128):
            if not control & bit:
                if position >= size:
                    raise WireError("no end", offset=size, field="CONTENTS")
                output.append(contents[position])
                position += 1
                continue
            if position + 2 > size:
                raise WireError("no end", offset=size, field="CONTENTS")
            token = contents[position] << 8 | contents[position + 1]
            position += 2
            here = len(output)
            distance = (here - (token >> 4)) & (_WINDOW - 1)
            if not distance:
                return bytes(memoryview(output)[len(_INITIAL) : limit])
            length = (token & 15) + 2
            start = here - distance
            if start < 0:
                raise WireError("reference to nothing", offset=position - 2, field="CONTENTS")
            if length <= distance:
                output += output[start : start + length]
            else:
                output += (output[start:] * (length // distance + 1))[:length]
        if len(output) > limit:
            raise WireError("more data than announced", offset=position, field="CONTENTS")
    raise WireError("no end", offset=size, field="CONTENTS")


def compress(data: bytes) -> bytes:
    """``data`` as a PidTagRtfCompressed value of the type COMPRESSED (2.3.3)."""
    contents = _shrink(data)
    return _HEADER.pack(len(contents) + _HEADER.size - _UNCOUNTED, len(data), COMPRESSED, crc(contents)) + contents


def _shrink(data: bytes) -> bytes:
    history = _INITIAL + data
    position = len(_INITIAL)
    end = len(history)
    find = history.find
    output = bytearray()
    control = bits = place = 0
    done = False
    while not done:
        if not bits:
            place = len(output)
            output.append(0)
            control, bits = 0, 1
        if position == end:
            output += (position % _WINDOW << 4).to_bytes(2, "big")
            control |= bits
            done = True
        else:
            # The longest match, of equal ones the oldest: each find looks for one byte more than the last had. What is
            # 4,096 bytes back stands where the next byte goes, and a reference to it would be the end.
            length, start = 1, max(0, position - _WINDOW + 1)
            match = start
            longest = min(_LONGEST, end - position)
            while length < longest:
                found = find(history[position : position + length + 1], start, position + length)
                if found < 0:
                    break
                match = start = found
                length += 1
                while length < longest and history[match + length] == history[position + length]:
                    length += 1
            if length > 1:
                output += (match % _WINDOW << 4 | length - 2).to_bytes(2, "big")
                control |= bits
            else:
                output.append(history[position])
            position += length
        bits = bits << 1 & 0xFF
        if not bits or done:
            output[place] = control
    return bytes(output)
