"""Keeps the published address lists as the directory is, in the background."""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from mapigw.directory.model import Group, User
from oab.generation import generate
from oab.publication import Publication

POLL_SECONDS: Final = 5.0
QUIET_SECONDS: Final = 15.0
"""So long nothing changes before the lists are made: an administrator's script ends in one generation."""
LONGEST_WAIT_SECONDS: Final = 300.0
"""Then they are made even while the directory goes on changing."""
RETRY_SECONDS: Final = 60.0

logger = logging.getLogger(__name__)


class Entries(Protocol):
    """What is needed of `mapigw.directory.directory.Directory`."""

    async def users(self, domain: str | None = None) -> tuple[User, ...]: ...

    async def groups(self) -> tuple[Group, ...]: ...


_State = tuple[tuple[User, ...], tuple[Group, ...]]


class AddressListKeeper:
    """One address list a mail domain that has users."""

    def __init__(
        self,
        directory: Entries,
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
        made: _State = ((), ())
        while True:
            try:
                made = await self._settled(made)
                await self.make_all()
            except Exception:
                logger.exception("the offline address books could not be made")
                await asyncio.sleep(RETRY_SECONDS)
                made = ((), ())

    async def _settled(self, made: _State) -> _State:
        """Wait for a directory that is not ``made`` and has stopped changing. The first one is not waited for."""
        state = await self._state()
        while await _equal(state, made):
            await asyncio.sleep(self._poll)  # other processes change the directory, too: there is no event to wait for
            state = await self._state()
        if made == ((), ()):
            return state
        begun = changed = self._clock()
        while (now := self._clock()) - changed < self._quiet and now - begun < LONGEST_WAIT_SECONDS:
            await asyncio.sleep(min(self._poll, self._quiet))
            latest = await self._state()
            if not await _equal(latest, state):
                state, changed = latest, self._clock()
        return state

    async def _state(self) -> _State:
        return await self._directory.users(), await self._directory.groups()

    async def make_all(self) -> None:
        """Make every list that says something else than the directory."""
        for domain in dict.fromkeys(user.domain for user in await self._directory.users()):
            await self.make(domain)

    async def make(self, domain: str) -> None:
        """Make the list of ``domain`` if it says something else than the directory."""
        async with self._making:
            users = await self._directory.users(domain)
            groups = tuple(group for group in await self._directory.groups() if group.domain == domain)
            await asyncio.to_thread(generate, self._data, domain, users, groups)

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


async def _equal(one: _State, other: _State) -> bool:
    # The directory keeps its tuples until it reads anew: mostly they are the same ones.
    if one[0] is other[0] and one[1] is other[1]:
        return True
    return await asyncio.to_thread(one.__eq__, other)
