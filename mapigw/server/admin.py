"""A socket in the data folder by which the command line looks at a running server's sessions, and ends some.

Each connection is one question and one answer, a line of JSON each. Whoever can open the data folder may ask.
"""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from mapigw.server.contexts import Kind, SessionContext, SessionContexts, State

log = logging.getLogger(__name__)

SOCKET: Final = "admin.sock"
LINE_MAXIMUM: Final = 1 << 26  # bytes of an answer: of a hundred thousand sessions and more
PATIENCE: Final = 10.0  # seconds for a question or an answer


class NoServerError(Exception):
    """No server runs on the data folder, or it does not answer."""


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session as the command line shows it."""

    session: str
    """Names it, in the logs as well."""
    endpoint: str
    """The path of its endpoint."""
    user: str
    state: str
    """What goes on: ``busy``, ``waiting`` (a NotificationWait) or ``idle``."""
    idle_seconds: int
    """Since its last request."""


class Admin:
    """Answers questions about the contexts of endpoints, by path."""

    def __init__(
        self, contexts: Mapping[str, SessionContexts], wake_queue: Callable[[], object] = lambda: None
    ) -> None:
        self._contexts = contexts
        self._wake_queue = wake_queue

    def answer(self, question: Any) -> dict[str, Any]:
        """The answer to a question: what was asked for, or under ``error`` why not."""
        match question:
            case {"command": "list"}:
                return {"sessions": [asdict(self._describe(*found)) for found in self._all()]}
            case {"command": "kill", "session": str(label)}:
                return self._kill([found for found in self._all() if found[2].label == label])
            case {"command": "kill", "user": str(address)}:
                wanted = address.lower()
                return self._kill([found for found in self._all() if _user(found[2]) == wanted])
            case {"command": "wake queue"}:
                self._wake_queue()
                return {}
        return {"error": "unknown command"}

    def _all(self) -> Iterator[tuple[str, SessionContexts, SessionContext]]:
        for path, contexts in self._contexts.items():
            for context in contexts:
                yield path, contexts, context

    def _describe(self, path: str, contexts: SessionContexts, context: SessionContext) -> SessionInfo:
        waits = Kind.Wait in context.running.values()
        state = "busy" if context.state is State.Busy else "waiting" if waits else "idle"
        return SessionInfo(context.label, path, _user(context), state, int(contexts.idle_seconds(context)))

    def _kill(self, found: list[tuple[str, SessionContexts, SessionContext]]) -> dict[str, Any]:
        for path, contexts, context in found:
            log.info("session %s of %s on %s is ended by an administrator", context.label, _user(context), path)
            contexts.destroy(context)
        return {"killed": len(found)}

    @asynccontextmanager
    async def listening(self, data: Path) -> AsyncIterator[None]:
        """Answer on the socket in the data folder while the block runs. Without one the server still serves."""
        path = data / SOCKET
        server: asyncio.Server | None = None
        try:
            await asyncio.to_thread(_remove, path)
            server = await asyncio.start_unix_server(self._serve, path, limit=LINE_MAXIMUM)
            await asyncio.to_thread(os.chmod, path, 0o600)
        except OSError as error:
            log.warning("%s: %s; sessions cannot be listed", path, error)
        try:
            yield
        finally:
            if server is not None:
                server.close()
                await asyncio.to_thread(_remove, path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, ValueError):
            async with asyncio.timeout(PATIENCE):
                question = json.loads(await reader.readline())
                writer.write(json.dumps(self.answer(question)).encode() + b"\n")
                await writer.drain()
        writer.close()


def _user(context: SessionContext) -> str:
    return context.session.user.address


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def ask(data: Path, question: Mapping[str, str]) -> dict[str, Any]:
    """Ask the server that runs on the data folder. Raises `NoServerError`."""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_unix_connection(data / SOCKET, limit=LINE_MAXIMUM)
            try:
                writer.write(json.dumps(question).encode() + b"\n")
                answer: dict[str, Any] = json.loads(await reader.readline())
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        raise NoServerError(f"no server answers on {data / SOCKET}") from error
    return answer
