"""The current address books: made anew, off the event loop, when the directory has changed."""

import asyncio
import time
from collections.abc import Collection, Iterable
from itertools import chain
from typing import Final, NamedTuple, Protocol

from mapigw.directory.model import Entries, User
from mapigw.directory.model import Entry as Source
from nspi.address_book import AddressBook

PATIENCE: Final = 0.5
"""Requests wait for a book that is made anew in less than so many seconds.

Otherwise they are answered from the one before, until it is there.
"""

_Domains = tuple[str, ...]


class Objects(Protocol):
    """What the address book reads of `mapigw.directory.directory.Directory`."""

    async def entries(self) -> Entries: ...

    def visible_domains(self, domain: str) -> Collection[str]: ...

    async def names_of(self, user: User) -> frozenset[str]: ...


class _Made(NamedTuple):
    entries: Entries
    sources: list[Source]
    book: AddressBook
    seconds: float
    """How long it took to make."""


class AddressBooks:
    """The current `AddressBook` of each set of domains that some users see together."""

    def __init__(self, directory: Objects, *, patience: float = PATIENCE) -> None:
        self._directory = directory
        self._patience = patience
        self._made: dict[_Domains, _Made] = {}
        self._making: dict[_Domains, asyncio.Task[None]] = {}

    async def current(self, domain: str) -> AddressBook:
        """The address book that the users of ``domain`` see.

        It is as the directory is now, unless making it takes long: then for a moment it is as the directory was.
        """
        domains = tuple(sorted({domain, *self._directory.visible_domains(domain)}))
        while True:
            entries = await self._directory.entries()
            made = self._made.get(domains)
            if made is not None and made.entries is entries:
                return made.book
            making = self._making.get(domains) or self._start(domains)
            if made is not None and made.seconds > self._patience:
                return made.book
            await asyncio.shield(making)

    def _start(self, domains: _Domains) -> asyncio.Task[None]:
        making = self._making[domains] = asyncio.create_task(self._make(domains))
        making.add_done_callback(lambda task: self._making.pop(domains))
        return making

    async def _make(self, domains: _Domains) -> None:
        entries = await self._directory.entries()
        self._made[domains] = await asyncio.to_thread(_made_of, entries, domains, self._made.get(domains))


def _made_of(entries: Entries, domains: _Domains, old: _Made | None) -> _Made:
    """The book of these; the one that is there where only what it does not show has changed."""
    seen = frozenset(domains)
    everybody: Iterable[Source] = chain(entries.users, entries.groups, entries.contacts)
    sources = [source for source in everybody if source.domain in seen]
    if old is not None and sources == old.sources:
        return old._replace(entries=entries)
    started = time.monotonic()
    return _Made(entries, sources, AddressBook(sources), time.monotonic() - started)
