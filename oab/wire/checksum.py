"""The CRC of all files of an offline address book (MS-OXOAB 2)."""

import zlib
from typing import Final

_SEED: Final = 0xFFFFFFFF


class Crc:
    """The CRC of what has been added so far: polynomial 0xEDB88320, seed 0xFFFFFFFF, not inverted at the end."""

    __slots__ = ("_inverted",)

    def __init__(self) -> None:
        self._inverted = 0

    def add(self, data: bytes | memoryview) -> None:
        self._inverted = zlib.crc32(data, self._inverted)

    @property
    def value(self) -> int:
        return self._inverted ^ _SEED


def crc(data: bytes | memoryview) -> int:
    """The CRC of ``data``."""
    return zlib.crc32(data) ^ _SEED
