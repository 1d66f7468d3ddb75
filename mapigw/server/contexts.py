"""Session contexts of one endpoint: cookies, sequence, expiry (MS-OXCMAPIHTTP 3.2). Knows no HTTP.

What a request may do to a context is one table, `TRANSITIONS`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import secrets
import time
from collections.abc import Callable, Iterator
from enum import Enum

from mapigw.directory.model import User
from mapigw.endpoint import EndpointSession
from mapigw.wire.mapihttp import ResponseCode

logger = logging.getLogger("mapigw.mapihttp")

CONTEXT_COOKIE = "MapiContext"
SEQUENCE_COOKIE = "MapiSequence"
EXPIRATION = 900.0
"""Seconds without a request after which a context is gone (X-ExpirationInfo 900000)."""
MAXIMUM_PER_USER = 64
"""Contexts of one user on one endpoint; one more ends the one that has been idle longest."""
MAXIMUM = 20_000
"""Contexts of all users on one endpoint; one more is refused."""

_SWEEP_SECONDS = 30.0
_COOKIE = re.compile(r"[0-9a-f]{48}")


class Kind(Enum):
    """What a request type is to its context."""

    Connect = "Connect or Bind with the cookies of an earlier context"
    Sequenced = "one at a time: Execute and all of the address book"
    Disconnect = "Disconnect or Unbind"
    Wait = "NotificationWait, beside anything else"
    Ping = "PING"

    __hash__ = object.__hash__  # that of Enum is a function in Python, and every request looks itself up in tables


class State(Enum):
    """The state of a context."""

    Absent = "never made, destroyed, expired, or another user's"
    Idle = "no sequenced request is running"
    Busy = "a sequenced request is running"

    __hash__ = object.__hash__


TRANSITIONS: dict[tuple[State, Kind], State | ResponseCode] = {
    (State.Absent, Kind.Connect): State.Absent,
    (State.Absent, Kind.Sequenced): ResponseCode.ContextNotFound,
    (State.Absent, Kind.Disconnect): ResponseCode.ContextNotFound,
    (State.Absent, Kind.Wait): ResponseCode.ContextNotFound,
    (State.Absent, Kind.Ping): ResponseCode.ContextNotFound,
    # A reconnect destroys the earlier context and ignores its sequence (3.2.5.6).
    (State.Idle, Kind.Connect): State.Absent,
    (State.Idle, Kind.Sequenced): State.Busy,
    (State.Idle, Kind.Disconnect): State.Busy,
    (State.Idle, Kind.Wait): State.Idle,
    (State.Idle, Kind.Ping): State.Idle,
    (State.Busy, Kind.Connect): State.Absent,
    (State.Busy, Kind.Sequenced): ResponseCode.InvalidSequence,
    (State.Busy, Kind.Disconnect): ResponseCode.InvalidSequence,
    (State.Busy, Kind.Wait): State.Busy,
    (State.Busy, Kind.Ping): State.Busy,
}
"""What a request makes of a context, or why it is refused (MS-OXCMAPIHTTP 3.2.5). The end of a sequenced request makes
Busy Idle again, the end of a Disconnect makes it Absent."""

_SEQUENCED = frozenset({Kind.Sequenced, Kind.Disconnect})


class ContextError(Exception):
    """A request is refused with ``code``; ``context`` is the one that was found, if any."""

    def __init__(self, code: ResponseCode, reason: str, context: SessionContext | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.context = context


class TooManySessionsError(Exception):
    """There are as many contexts as there may be."""


class SessionContext:
    """One session context. The table it is in makes it and changes its state."""

    def __init__(self, user: User, session: EndpointSession, now: float) -> None:
        self.user_id = user.user_id
        self.session = session
        self.cookie = secrets.token_hex(24)
        self.state = State.Idle
        self.last_used = now
        self.running: dict[asyncio.Task[bytes], Kind] = {}
        """The requests being executed; the time to expiry counts from the end of the last one (3.2.6)."""
        self._sequence = 0
        self._salt = secrets.token_hex(4)

    @property
    def sequence(self) -> str:
        """The sequence cookie that the next sequenced request must carry."""
        return f"{self._sequence}-{self._salt}"

    @property
    def label(self) -> str:
        """Names the context in logs and captures, without being of use to get into it."""
        return hashlib.blake2b(self.cookie.encode("ascii"), digest_size=6).hexdigest()

    def advance(self) -> None:
        self._sequence += 1


class SessionContexts:
    """The contexts of one endpoint. ``clock`` gives seconds, monotonic."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        maximum_per_user: int = MAXIMUM_PER_USER,
        maximum: int = MAXIMUM,
    ) -> None:
        self._clock = clock
        self._maximum_per_user = maximum_per_user
        self._maximum = maximum
        self.refused = 0
        """How many sessions there was no room for."""
        self._contexts: dict[str, SessionContext] = {}
        self._by_user: dict[int, dict[str, SessionContext]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._contexts)

    def __iter__(self) -> Iterator[SessionContext]:
        return iter(self._contexts.values())

    def add(self, user: User, session: EndpointSession) -> SessionContext:
        """A new context for a session that has just been opened. Raises `TooManySessionsError`.

        A user who has as many as one may have loses the one that has been idle longest: clients leave without a word
        and come back. For another user's new session nobody loses one.
        """
        if self._sweeper is None:
            self._sweeper = asyncio.create_task(self._sweep())
        own = self._by_user.get(user.user_id, {})
        if len(own) >= self._maximum_per_user:
            oldest = min(own.values(), key=lambda other: (bool(other.running), other.last_used))
            logger.warning("%s has %d sessions, which is the limit: the oldest is ended", user.address, len(own))
            self.destroy(oldest)
        if len(self._contexts) >= self._maximum:
            self.refused += 1
            logger.warning("%s is refused a session: there are %d, which is the limit", user.address, self._maximum)
            raise TooManySessionsError
        context = SessionContext(user, session, self._clock())
        own = self._by_user.setdefault(user.user_id, {})
        self._contexts[context.cookie] = own[context.cookie] = context
        return context

    def enter(self, user: User, kind: Kind, cookies: dict[str, str]) -> SessionContext | None:
        """Let a request of ``kind`` into the context that its cookies name, or raise `ContextError`.

        None for a Connect, whose earlier context, if it has one, is destroyed. After a sequenced request or a
        Disconnect `leave` must be called.
        """
        cookie = cookies.get(CONTEXT_COOKIE)
        if cookie is None:
            if kind is Kind.Connect:
                return None
            raise ContextError(ResponseCode.MissingCookie, f"The {CONTEXT_COOKIE} cookie is missing.")
        if kind is not Kind.Connect and not _COOKIE.fullmatch(cookie):
            raise ContextError(ResponseCode.InvalidContextCookie, f"The {CONTEXT_COOKIE} cookie is malformed.")
        context = self._find(user, cookie)
        outcome = TRANSITIONS[context.state if context else State.Absent, kind]
        if isinstance(outcome, ResponseCode):
            raise ContextError(outcome, _REASONS[outcome], context)
        if context is None:
            return None
        if kind in _SEQUENCED:
            sequence = cookies.get(SEQUENCE_COOKIE)
            if sequence is None:
                raise ContextError(ResponseCode.MissingCookie, f"The {SEQUENCE_COOKIE} cookie is missing.", context)
            if sequence != context.sequence:
                raise ContextError(ResponseCode.InvalidSequence, _REASONS[ResponseCode.InvalidSequence], context)
            context.advance()
        context.last_used = self._clock()
        if outcome is State.Absent:
            self.destroy(context)
            return None
        context.state = outcome
        return context

    def leave(self, context: SessionContext, kind: Kind) -> None:
        """A request that `enter` let in has ended, however it ended."""
        context.last_used = self._clock()
        if kind is Kind.Disconnect:
            self.destroy(context)
        elif kind is Kind.Sequenced and context.state is State.Busy:
            context.state = State.Idle

    def destroy(self, context: SessionContext, *, shutting_down: bool = False) -> None:
        """Forget a context at once and close its session as soon as its sequenced request, if any, has ended."""
        if self._contexts.pop(context.cookie, None) is None:
            return
        own = self._by_user[context.user_id]
        del own[context.cookie]
        if not own:
            del self._by_user[context.user_id]
        context.state = State.Absent
        task = asyncio.create_task(self._close(context, shutting_down))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def shutdown(self, grace: float) -> None:
        """Destroy all contexts; running requests get ``grace`` seconds to end."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        running = set()
        for context in list(self._contexts.values()):
            for task, kind in context.running.items():
                if kind is Kind.Wait:
                    task.cancel()
                running.add(task)
            self.destroy(context, shutting_down=True)
        if running:
            await asyncio.wait(running, timeout=grace)
            for task in running:
                task.cancel()
        if self._closing:
            await asyncio.wait(self._closing, timeout=grace)

    def idle_seconds(self, context: SessionContext) -> float:
        """How long no request has begun or ended."""
        return self._clock() - context.last_used

    def sweep(self) -> None:
        """Destroy the contexts whose time is over."""
        for context in [context for context in self._contexts.values() if self._expired(context)]:
            logger.info("a session of %s has expired", context.session.user.address)
            self.destroy(context)

    def _find(self, user: User, cookie: str) -> SessionContext | None:
        context = self._contexts.get(cookie)
        if context is None:
            return None
        if context.user_id != user.user_id:
            # 3.2.5.1: another authentication context gets "Context Not Found".
            logger.warning("%s used the session cookie of %s", user.address, context.session.user.address)
            return None
        if self._expired(context):
            self.destroy(context)
            return None
        return context

    def _expired(self, context: SessionContext) -> bool:
        return not context.running and self._clock() - context.last_used >= EXPIRATION

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            self.sweep()

    async def _close(self, context: SessionContext, shutting_down: bool) -> None:
        sequenced = [task for task, kind in context.running.items() if kind is not Kind.Wait]
        if sequenced:
            await asyncio.wait(sequenced)
        try:
            await context.session.close(shutting_down=shutting_down)
        except Exception:
            logger.exception("closing a session of %s failed", context.session.user.address)


_REASONS = {
    ResponseCode.ContextNotFound: "The session context is not found.",
    ResponseCode.InvalidSequence: "Requests within a session context must follow one another.",
}
