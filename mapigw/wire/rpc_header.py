"""Extended buffers: payloads behind an RPC_HEADER_EXT, obfuscated or compressed on request (MS-OXCRPC 2.2.2.1,
3.1.4.1.1, 3.1.4.2.1).
"""

import struct
from collections.abc import Sequence
from enum import IntFlag

from mapigw.wire.compression import decompress
from mapigw.wire.errors import WireError

RPC_HEADER_EXT = struct.Struct("<HHHH")
"""Version, Flags, Size, SizeActual."""

HEADER_SIZE = RPC_HEADER_EXT.size
MAXIMUM_PAYLOAD = 0x8000
"""A single payload does not exceed 32 KB (MS-OXCRPC 3.1.4.2.1)."""

_XOR_TABLE = bytes(value ^ 0xA5 for value in range(256))


class HeaderFlags(IntFlag):
    """Flags of RPC_HEADER_EXT."""

    Compressed = 0x0001
    XorMagic = 0x0002
    Last = 0x0004


# The arithmetic of IntFlag takes longer than the rest of the work on a header, and every request has one.
_COMPRESSED = int(HeaderFlags.Compressed)
_XOR_MAGIC = int(HeaderFlags.XorMagic)
_LAST = int(HeaderFlags.Last)


def obfuscate(payload: bytes) -> bytes:
    """Apply or undo the obfuscation: each byte exclusive-ored with 0xA5 (MS-OXCRPC 3.1.4.1.1.3)."""
    return payload.translate(_XOR_TABLE)


def split_payloads(data: bytes) -> list[bytes]:
    """The payloads of one or more extended buffers, reverted and uncompressed.

    Raises `WireError` for a truncated or inconsistent header, for a payload over 32 KB, for a buffer after the one with
    the Last flag and for a missing Last flag.
    """
    payloads = []
    position = 0
    while True:
        if len(data) - position < HEADER_SIZE:
            raise WireError("data end early", offset=position, field="rpc_header_ext")
        version, flags, size, size_actual = RPC_HEADER_EXT.unpack_from(data, position)
        if version != 0:
            raise WireError(f"unknown version {version}", offset=position, field="rpc_header_ext.version")
        start = position + HEADER_SIZE
        position = start + size
        if position > len(data):
            raise WireError("data end early", offset=start, field="payload")
        if max(size, size_actual) > MAXIMUM_PAYLOAD:
            raise WireError("payload over 32 KB", offset=start - 4, field="rpc_header_ext.size")
        payload = data[start:position]
        if flags & _XOR_MAGIC:
            payload = obfuscate(payload)
        if flags & _COMPRESSED:
            payload = decompress(payload, size_actual)
        elif size != size_actual:
            raise WireError("size and size_actual differ", offset=start - 4, field="rpc_header_ext.size_actual")
        payloads.append(payload)
        if flags & _LAST:
            break
    if position != len(data):
        raise WireError(f"{len(data) - position} bytes after the last buffer", offset=position)
    return payloads


def join_payloads(payloads: Sequence[bytes], *, xor_magic: bool = False) -> bytes:
    """Extended buffers for ``payloads``, the last one flagged Last; at least one payload, each of 32 KB at most."""
    parts = []
    last = len(payloads) - 1
    for number, payload in enumerate(payloads):
        size = len(payload)
        flags = (_LAST if number == last else 0) | (_XOR_MAGIC if xor_magic else 0)
        parts.append(RPC_HEADER_EXT.pack(0, flags, size, size))
        parts.append(obfuscate(payload) if xor_magic else payload)
    return b"".join(parts)
