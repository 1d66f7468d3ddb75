"""Photos and certificates, which the directory does not hold in memory.

A request is answered twice where it asks for some: the first time shows whose are wanted, then they are read, and the
second time they are there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from mapigw.directory.model import Entry as Source

MOST: Final = 100
"""Entries whose photos and certificates one response has; the rows of the others are without."""


class BinarySource(Protocol):
    """What is needed of `mapigw.directory.directory.Directory`."""

    async def photo(self, dn: str) -> bytes | None: ...

    async def certificates(self, dn: str) -> list[bytes]: ...


@dataclass(slots=True)
class Binaries:
    """Those that are there, by the DN of the entry, and which more are wanted."""

    photos: Mapping[str, bytes | None] = field(default_factory=dict)
    all_certificates: Mapping[str, list[bytes]] = field(default_factory=dict)
    wanted_photos: dict[str, None] = field(default_factory=dict)
    wanted_certificates: dict[str, None] = field(default_factory=dict)

    def photo(self, source: Source) -> bytes | None:
        self.wanted_photos.setdefault(source.legacy_dn)
        return self.photos.get(source.legacy_dn)

    def certificates(self, source: Source) -> list[bytes] | None:
        self.wanted_certificates.setdefault(source.legacy_dn)
        return self.all_certificates.get(source.legacy_dn) or None

    async def read(self, directory: BinarySource) -> "Binaries | None":
        """With what is wanted; None where nothing is."""
        if not self.wanted_photos and not self.wanted_certificates:
            return None
        return Binaries(
            {dn: await directory.photo(dn) for dn in list(self.wanted_photos)[:MOST]},
            {dn: await directory.certificates(dn) for dn in list(self.wanted_certificates)[:MOST]},
        )
