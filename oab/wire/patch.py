"""The differential file, version 4 (MS-OXOAB 2.10): pairs of source and target blocks, the latter as LZX DELTA."""

from typing import BinaryIO, Final

from construct import Int32ul, Struct

from mapigw.wire.definition import Definition
from mapigw.wire.errors import WireError
from oab.wire import lzx_delta
from oab.wire.checksum import Crc, crc
from oab.wire.details import HEADER_SIZE

VERSION: Final = (3, 2)
_BLOCK_LIMIT: Final = 1 << 25

PatchHeader = Definition(
    Struct(
        "version_hi" / Int32ul,
        "version_lo" / Int32ul,
        "block_max" / Int32ul,
        "source_size" / Int32ul,
        "target_size" / Int32ul,
        "source_crc" / Int32ul,
        "target_crc" / Int32ul,
    )
)
"""PATCH_HDR (2.10.1); both CRCs leave the OAB_HDR out, and so are the ``serial`` of source and target."""

PatchBlock = Definition(
    Struct("patch_size" / Int32ul, "target_size" / Int32ul, "source_size" / Int32ul, "crc" / Int32ul)
)
"""PATCH_BLK (2.10.2) without its data of ``patch_size`` bytes; the CRC is that of the target block."""


def build_block(source_size: int, target: bytes, copies: list[lzx_delta.Copy]) -> bytes:
    """A block with its data; ``copies`` are from the source block into the target block."""
    data = lzx_delta.encode(source_size, target, copies)
    header = {"patch_size": len(data), "target_size": len(target), "source_size": source_size, "crc": crc(target)}
    return PatchBlock.build(header) + data


def apply(patch: BinaryIO, source: BinaryIO, target: BinaryIO) -> int:
    """Write what ``patch`` makes of ``source``; returns its size. Raises `WireError`."""
    header = PatchHeader.parse(patch.read(28))
    if (header.version_hi, header.version_lo) != VERSION:
        raise WireError(f"version {header.version_hi}.{header.version_lo}", field="version")
    if header.block_max > _BLOCK_LIMIT:
        raise WireError(f"ulBlockMax {header.block_max}", field="block_max")
    _check_source(source, header.source_size, header.source_crc)
    written, total = 0, Crc()
    while written < header.target_size:
        block = PatchBlock.parse(patch.read(16))
        if max(block.patch_size, block.target_size, block.source_size) > header.block_max:
            raise WireError("a block is larger than ulBlockMax", field="block_max")
        reference, data = source.read(block.source_size), patch.read(block.patch_size)
        if len(reference) != block.source_size or len(data) != block.patch_size:
            raise WireError("source or patch ends early")
        made = lzx_delta.decode(data, reference, block.target_size)
        if crc(made) != block.crc:
            raise WireError("the CRC of a block is wrong", field="crc")
        target.write(made)
        total.add(made[max(0, HEADER_SIZE - written) :])
        written += len(made)
    if written != header.target_size or total.value != header.target_crc or patch.read(1):
        raise WireError("size or CRC of the target is wrong", field="target_crc")
    return written


def _check_source(source: BinaryIO, size: int, expected: int) -> None:
    start = source.tell()
    found, length = Crc(), len(source.read(HEADER_SIZE))
    while data := source.read(1 << 20):
        found.add(data)
        length += len(data)
    if (length, found.value) != (size, expected):
        raise WireError("the patch is for another source", field="source_crc")
    source.seek(start)
