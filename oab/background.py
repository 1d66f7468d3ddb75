"""Keeps the published address lists as the directory is, in the background."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Final, Protocol, TypeVar

from mapigw.directory.model import Entries, Entry, User
from oab.entries import Binaries, ReadBinaries, in_order
from oab.generation import generate
from oab.publication import Publication
from oab.verification import verify

POLL_SECONDS: Final = 5.0
QUIET_SECONDS: Final = 15.0
"""So long nothing changes before the lists are made: an administrator's script ends in one generation."""
LONGEST_WAIT_SECONDS: Final = 300.0
"""Then they are made even while the directory goes on changing."""
RETRY_SECONDS: Final = 60.0

logger = logging.getLogger(__name__)


class Directory(Protocol):
    """What is needed of `mapigw.directory.directory.Directory`."""

    async def entries(self) -> Entries: ...

    def visible_domains(self, domain: str) -> Collection[str]: ...

    async def certificates_of(self, dns: Collection[str]) -> Mapping[str, Sequence[bytes]]: ...

    async def with_photo(self, dns: Collection[str]) -> Collection[str]: ...


_Result = TypeVar("_Result")
_NOTHING: Final = Entries((), (), ())


class AddressListKeeper:
    """One address list a mail domain that has users; it has the entries of the domains that these see."""

    def __init__(
        self,
        directory: Directory,
        data: Path,
        *,
        poll: float = POLL_SECONDS,
        quiet: float = QUIET_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = directory
        self._data = data
        self._poll = poll
        self._quiet = quiet
        self._clock = clock
        self._making = asyncio.Lock()

    async def run(self) -> None:
        """Make the lists now, and whenever the directory has changed; runs until it is cancelled."""
        made = _NOTHING
        while True:
            try:
                made = await self._settled(made)
                await self.make_all()
            except Exception:
                logger.exception("the offline address books could not be made")
                await asyncio.sleep(RETRY_SECONDS)
                made = _NOTHING

    async def _settled(self, made: Entries) -> Entries:
        """Wait for a directory that is not ``made`` and has stopped changing. The first one is not waited for."""
        state = await self._directory.entries()
        while await _alike(state, made):
            await asyncio.sleep(self._poll)  # other processes change the directory, too: there is no event to wait for
            state = await self._directory.entries()
        if made is _NOTHING:
            return state
        begun = changed = self._clock()
        while (now := self._clock()) - changed < self._quiet and now - begun < LONGEST_WAIT_SECONDS:
            await asyncio.sleep(min(self._poll, self._quiet))
            latest = await self._directory.entries()
            if not await _alike(latest, state):
                state, changed = latest, self._clock()
        return state

    async def make_all(self) -> None:
        """Make every list that says something else than the directory."""
        for domain in dict.fromkeys(user.domain for user in (await self._directory.entries()).users):
            await self.make(domain)

    async def make(self, domain: str) -> None:
        """Make the list of ``domain`` if it says something else than the directory."""
        async with self._making:
            entries = await self._entries(domain)
            await self._in_thread(lambda read: generate(self._data, domain, entries, read))

    async def verify(self, domain: str) -> list[str]:
        """A line for everything that is wrong with the published list of ``domain`` (`oab.verification.verify`)."""
        entries = await self._entries(domain)
        return await self._in_thread(lambda read: list(verify(self._data, domain, entries, read)))

    async def count(self, domain: str) -> int:
        """How many entries the list of ``domain`` has."""
        return len(in_order(await self._entries(domain)))

    async def _entries(self, domain: str) -> list[Entry]:
        entries = await self._directory.entries()
        seen = {domain, *self._directory.visible_domains(domain)}
        everybody: Iterable[Entry] = chain(entries.users, entries.groups, entries.contacts)
        return [entry for entry in everybody if entry.domain in seen]

    async def _in_thread(self, work: Callable[[ReadBinaries], _Result]) -> _Result:
        """Run what reads photos and certificates on the event loop, which has the database.

        When it is cancelled it ends with the next read, and nothing is left that uses a database already closed.
        """
        loop = asyncio.get_running_loop()
        cancelled = threading.Event()

        async def reading(dns: list[str]) -> Binaries:
            return Binaries(await self._directory.certificates_of(dns), await self._directory.with_photo(dns))

        def read(entries: Sequence[Entry]) -> Binaries:
            if cancelled.is_set():
                raise InterruptedError
            dns = [entry.legacy_dn.lower() for entry in entries]
            return asyncio.run_coroutine_threadsafe(reading(dns), loop).result()

        working = asyncio.create_task(asyncio.to_thread(work, read))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            cancelled.set()
            await asyncio.wait({working})
            raise

    async def find(self, domain: str, name: str) -> Path | None:
        """The published file of a domain by its name; None for whatever is not published.

        A list that is asked for before it was ever made is made first.
        """
        publication = Publication(self._data, domain)
        path = await asyncio.to_thread(publication.find, name)
        if path is None and not await asyncio.to_thread(publication.manifest.exists):
            await self.make(domain)
            path = await asyncio.to_thread(publication.find, name)
        return path


async def _alike(one: Entries, other: Entries) -> bool:
    """Whether the lists are the same for both, with photos and certificates."""
    return one is other or await asyncio.to_thread(_same_entries, one, other)


def _same_entries(one: Entries, other: Entries) -> bool:
    pairs: Iterable[tuple[Entry | None, Entry | None]] = chain(
        zip_longest(one.users, other.users),
        zip_longest(one.groups, other.groups),
        zip_longest(one.contacts, other.contacts),
    )
    return all(left is right or _only_password(left, right) for left, right in pairs)


def _only_password(one: Entry | None, other: Entry | None) -> bool:
    """Whether only the password is another. The directory makes an entry anew where its photo or certificates are."""
    return isinstance(one, User) and one == other and one.password_mark != other.password_mark
