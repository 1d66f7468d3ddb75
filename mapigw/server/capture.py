"""Captures of one user's MAPI/HTTP exchanges: JSON lines that tests can replay.

A line is one exchange with the keys of `Exchange`; bodies are base64. Nothing that lets anybody in is written: of the
headers, Authorization, Cookie and Set-Cookie are left out, and a context is named by a digest of its cookie.
"""

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its response."""

    time: str
    """When the request came, ISO 8601 with offset."""
    user: str
    path: str
    context: str
    """A name for the session context, the same in all its exchanges; empty where there was none."""
    request_type: str
    request_headers: dict[str, str]
    request_body: bytes
    response_code: int
    """X-ResponseCode as the client sees it in the end."""
    response_headers: dict[str, str]
    response_body: bytes
    """The inner response stream: meta-tags, additional headers, payload."""
    milliseconds: float


def public_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers without those that carry credentials."""
    return {name: value for name, value in headers.items() if name.lower() not in _SECRET_HEADERS}


class CaptureWriter:
    """Appends the exchanges of the user with the primary address ``user`` to the file ``path``."""

    def __init__(self, path: Path, user: str) -> None:
        self.path = path
        self.user = user.lower()
        self._lock = asyncio.Lock()

    async def write(self, exchange: Exchange) -> None:
        """Append one exchange. Exchanges are written in the order in which they end."""
        line = json.dumps(asdict(exchange), default=_encode) + "\n"
        async with self._lock:
            await asyncio.to_thread(self._append, line)

    def _append(self, line: str) -> None:
        with self.path.open("a", encoding="ascii") as file:
            file.write(line)


def read_capture(path: Path) -> Iterator[Exchange]:
    """The exchanges of a capture file. Raises `ValueError` with file and line for a line that is none."""
    with path.open(encoding="ascii") as file:
        for number, line in enumerate(file, 1):
            try:
                fields: dict[str, Any] = json.loads(line)
                for name in ("request_body", "response_body"):
                    fields[name] = base64.b64decode(fields[name], validate=True)
                yield Exchange(**fields)
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(f"{path}, line {number}: {error}") from error


def _encode(value: object) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} in an exchange")
    return base64.b64encode(value).decode("ascii")
