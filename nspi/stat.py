"""The STAT structure: a table of the address book and a position in it (MS-OXNSPI 2.2.8)."""

import struct
from enum import IntEnum
from typing import NamedTuple

from mapigw.wire.cursor import Cursor
from nspi.values import Codec

_STAT = struct.Struct("<IIIiIIIII")


class MinimalId(IntEnum):
    """Minimal Entry IDs with a meaning of their own (MS-OXNSPI 2.2.1.8)."""

    BEGINNING_OF_TABLE = 0x00000000
    CURRENT = 0x00000001
    END_OF_TABLE = 0x00000002


class NameResolution(IntEnum):
    """Outcomes of ambiguous name resolution (MS-OXNSPI 2.2.1.9)."""

    UNRESOLVED = 0x00000000
    AMBIGUOUS = 0x00000001
    RESOLVED = 0x00000002


class SortType(IntEnum):
    """MS-OXNSPI 2.2.1.10."""

    DISPLAY_NAME = 0x00000000
    PHONETIC_DISPLAY_NAME = 0x00000003
    DISPLAY_NAME_RO = 0x000003E8
    DISPLAY_NAME_W = 0x000003E9


class Stat(NamedTuple):
    """MS-OXNSPI 2.2.8; a request without one means all zeros."""

    sort_type: int = 0
    container_id: int = 0
    current_rec: int = 0
    delta: int = 0
    num_pos: int = 0
    total_recs: int = 0
    code_page: int = 0
    template_locale: int = 0
    sort_locale: int = 0


def _pull(cursor: Cursor) -> Stat:
    return Stat(*_STAT.unpack(cursor.take(_STAT.size)))


def _push(out: bytearray, value: Stat) -> None:
    out += _STAT.pack(*value)


StatCodec = Codec(_pull, _push)
"""36 bytes: `Stat`."""
