"""What the server counts of its requests, as plain numbers; `mapigw.server.metrics` shows them."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from mapigw.emsmdb.dispatch import ExecuteRecord
from mapigw.store.statistics import Distribution
from mapigw.wire.mapihttp import ResponseCode


def _distributions() -> defaultdict[str, Distribution]:
    return defaultdict(Distribution)


@dataclass(slots=True)
class RequestStatistics:
    """Of one MAPI/HTTP endpoint. Request types are those that it knows."""

    seconds: defaultdict[str, Distribution] = field(default_factory=_distributions)
    """From the headers of a request to its answer, by request type."""
    received: Counter[str] = field(default_factory=Counter)
    """Bytes of request bodies by request type."""
    sent: Counter[str] = field(default_factory=Counter)
    """Bytes of response bodies by request type."""
    failures: Counter[ResponseCode] = field(default_factory=Counter)
    """Answers whose X-ResponseCode is not Success."""
    waiting: int = 0
    """NotificationWait requests that wait now."""


@dataclass(slots=True)
class HttpStatistics:
    """Of all requests."""

    answers: Counter[int] = field(default_factory=Counter)
    """By HTTP status."""
    refused_logins: int = 0


class RopStatistics:
    """How long ROPs take."""

    def __init__(self) -> None:
        self.seconds = _distributions()
        """By the name of the ROP, RopRelease excepted."""

    def add(self, record: ExecuteRecord) -> None:
        for name, seconds in record.rop_seconds:
            self.seconds[name].add(seconds)
