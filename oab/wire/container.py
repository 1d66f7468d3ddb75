"""The container in which details and template files are transmitted (MS-OXOAB 2.11).

A block may be sent as it is or compressed; this side only makes the first kind, which costs nothing to make and
nothing to read, and reads both.
"""

from typing import BinaryIO, Final

from construct import Int32ul, Struct

from mapigw.wire.definition import Definition
from mapigw.wire.errors import WireError
from oab.wire import lzx_delta
from oab.wire.checksum import crc

BLOCK_SIZE: Final = 0x40000
_BLOCK_LIMIT: Final = 1 << 25  # of a file that is read
_VERSION: Final = (3, 1)
_VERBATIM, _COMPRESSED = 0, 1

LzxHeader = Definition(
    Struct("version_hi" / Int32ul, "version_lo" / Int32ul, "block_max" / Int32ul, "target_size" / Int32ul)
)
"""LZX_HDR (2.11.1)."""

LzxBlock = Definition(
    Struct("flags" / Int32ul, "compressed_size" / Int32ul, "uncompressed_size" / Int32ul, "crc" / Int32ul)
)
"""LZX_BLK (2.11.2) without its data, whose size is ``compressed_size``; the CRC is that of the data decompressed."""


def pack(source: BinaryIO, size: int, target: BinaryIO) -> None:
    """Write the container of the ``size`` bytes that ``source`` has from its position on."""
    header = {"version_hi": _VERSION[0], "version_lo": _VERSION[1], "block_max": BLOCK_SIZE, "target_size": size}
    target.write(LzxHeader.build(header))
    left = size
    while left:
        data = source.read(min(BLOCK_SIZE, left))
        if not data:
            raise EOFError(f"{left} bytes less than announced")
        left -= len(data)
        block = {
            "flags": _VERBATIM,
            "compressed_size": len(data),
            "uncompressed_size": len(data),
            "crc": crc(data),
        }
        target.write(LzxBlock.build(block))
        target.write(data)


def unpack(source: BinaryIO, target: BinaryIO) -> int:
    """Write what the container holds; returns its size. Raises `WireError`."""
    header = LzxHeader.parse(source.read(16))
    if (header.version_hi, header.version_lo) != _VERSION:
        raise WireError(f"version {header.version_hi}.{header.version_lo}", field="version")
    if header.block_max > _BLOCK_LIMIT:
        raise WireError(f"ulBlockMax {header.block_max}", field="block_max")
    written = 0
    while written < header.target_size:
        block = LzxBlock.parse(source.read(16))
        if max(block.compressed_size, block.uncompressed_size) > header.block_max or not block.uncompressed_size:
            raise WireError(f"a block of {block.compressed_size} and {block.uncompressed_size} bytes")
        data = source.read(block.compressed_size)
        if len(data) != block.compressed_size:
            raise WireError(f"{block.compressed_size} bytes needed, {len(data)} left")
        if block.flags == _COMPRESSED:
            data = lzx_delta.decode(data, b"", block.uncompressed_size)
        if len(data) != block.uncompressed_size or crc(data) != block.crc:
            raise WireError("size or CRC of a block is wrong", field="crc")
        target.write(data)
        written += len(data)
    if written != header.target_size or source.read(1):
        raise WireError(f"{written} bytes or more, {header.target_size} announced")
    return written
