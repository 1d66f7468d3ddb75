"""Slows down guessing, without a way around it and without a way to lock anybody out by it.

Attempts stand in lines: one a client address and one an account. While a line has seen few failures its attempts pass
freely, but no more of them at once than could all fail; after that they pass one at a time, each after a pause that
doubles with every failure up to a cap. An attempt waits by sleeping, and is refused unheard where too many wait.

A client that has logged in to an account before waits in a line of its own for it, so that a stranger who guesses at
the account, or a neighbour behind the same address who fails, delays the stranger and the neighbour only.
"""

import asyncio
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

TABLE_LIMIT = 10_000  # lines of a kind; the one that has been idle longest makes room
_IPV6_NETWORK = 64  # bits: what one customer is given, so what one guesser can choose addresses from


@dataclass(frozen=True, slots=True)
class Slowness:
    """How a kind of line slows down: times in seconds."""

    free_failures: int
    first_pause: float
    longest_pause: float
    waiting: int  # attempts that may wait in line
    forgiveness: float  # one failure is forgotten after so long

    def pause(self, failures: float) -> float:
        """The pause after the latest of so many failures."""
        beyond = math.ceil(failures) - self.free_failures
        return min(self.longest_pause, self.first_pause * 2.0 ** min(beyond, 32)) if beyond >= 0 else 0.0

    @property
    def most_failures(self) -> int:
        """Counting further would change no pause, only put off the day on which the line is free again."""
        count = self.free_failures
        while self.pause(count) < self.longest_pause:
            count += 1
        return count


ACCOUNT_SLOWNESS = Slowness(free_failures=5, first_pause=0.5, longest_pause=30.0, waiting=3, forgiveness=60.0)
# An office behind one address starts its work at nine: many at once, few of them failing.
CLIENT_SLOWNESS = Slowness(free_failures=20, first_pause=0.25, longest_pause=30.0, waiting=500, forgiveness=20.0)


class Refused(Exception):  # noqa: N818
    """Too many attempts are waiting; this one is not heard. The refusal is due after ``pause`` seconds."""

    def __init__(self, pause: float) -> None:
        super().__init__(f"refused unheard, after {pause} s")
        self.pause = pause


@dataclass(slots=True)
class _Line:
    failures: float = 0.0  # less what time has forgiven; a part of one still counts as one
    counted_at: float = 0.0  # when forgiveness was last worked out
    open_from: float = 0.0  # when the next attempt may pass
    passing: int = 0
    waiting: int = 0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # of the first who waits
    moved: asyncio.Event = field(default_factory=asyncio.Event)  # one that passed has come through


class Attempt:
    """What the caller reports of an attempt. An attempt that reports nothing has failed."""

    def __init__(self) -> None:
        self.succeeded = False
        self.undecided = False
        """Nobody could say whether it was right: it counts as neither."""


class Throttle:
    """Lines for accounts, for clients, and for the accounts of known clients."""

    def __init__(
        self,
        *,
        account: Slowness = ACCOUNT_SLOWNESS,
        client: Slowness = CLIENT_SLOWNESS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._accounts = _Lines(account, clock)
        self._clients = _Lines(client, clock)
        self._known = _Lines(account, clock)

    @asynccontextmanager
    async def attempt(self, account: str, client_address: str) -> AsyncIterator[Attempt]:
        """Wait for this attempt's turn; the body is the attempt. Raises `Refused`."""
        network = _network(client_address)
        acquaintance = f"{network} {account}"
        if acquaintance in self._known:
            turns = [(self._known, acquaintance)]
        else:  # always the account before the client: nobody waits in a circle
            turns = [(self._accounts, account), (self._clients, network)]
        attempt = Attempt()
        async with AsyncExitStack() as stack:
            for lines, key in turns:
                await stack.enter_async_context(self._turn(lines, key, attempt))
            yield attempt
        if attempt.succeeded:
            self._accounts.forget(account)
            self._known.forget(acquaintance)
            self._known.line(acquaintance)

    @asynccontextmanager
    async def _turn(self, lines: "_Lines", key: str, attempt: Attempt) -> AsyncIterator[None]:
        line = lines.line(key)
        if line.waiting >= lines.slowness.waiting:
            raise Refused(lines.slowness.longest_pause)
        line.waiting += 1
        try:
            async with line.turn:
                await self._until_open(line, lines.slowness.free_failures)
                line.passing += 1
        finally:
            line.waiting -= 1
        try:
            yield
        finally:
            line.passing -= 1
            line.moved.set()
            if not (attempt.succeeded or attempt.undecided):
                lines.fail(line)

    async def _until_open(self, line: _Line, free_failures: int) -> None:
        while True:
            pause = line.open_from - self._clock()
            if pause > 0:
                await self._sleep(pause)
            elif line.passing == 0 or math.ceil(line.failures) + line.passing < free_failures:
                return
            else:
                line.moved.clear()
                await line.moved.wait()


class _Lines:
    """A bounded table of lines."""

    def __init__(self, slowness: Slowness, clock: Callable[[], float]) -> None:
        self.slowness = slowness
        self._most_failures = slowness.most_failures
        self._clock = clock
        self._lines: OrderedDict[str, _Line] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._lines

    def __len__(self) -> int:
        return len(self._lines)

    def line(self, key: str) -> _Line:
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(counted_at=self._clock())
            if len(self._lines) > TABLE_LIMIT:
                self._lines.popitem(last=False)
        else:
            self._lines.move_to_end(key)
            self._forgive(line)
        return line

    def fail(self, line: _Line) -> None:
        self._forgive(line)
        line.failures = min(line.failures + 1, self._most_failures)
        line.open_from = self._clock() + self.slowness.pause(line.failures)

    def forget(self, key: str) -> None:
        """The failures in the line are forgotten; who waits in it goes on waiting for the turn."""
        line = self._lines.get(key)
        if line is not None:
            line.failures = 0.0
            line.open_from = 0.0

    def _forgive(self, line: _Line) -> None:
        now = self._clock()
        line.failures = max(0.0, line.failures - (now - line.counted_at) / self.slowness.forgiveness)
        line.counted_at = now


def _network(client_address: str) -> str:
    """The address, or of an IPv6 address the network that one customer has."""
    try:
        address = ipaddress.ip_address(client_address)
    except ValueError:
        return client_address
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((int(address), _IPV6_NETWORK), strict=False))
    return str(address)
