"""Notices of nothing in particular."""

from dataclasses import dataclass, field
from typing import Any

from mapigw.emsmdb.notices import Notice
from mapigw.emsmdb.session import Session


class FakeSource:
    """``wanted`` is its summary."""

    def __init__(self, wanted: Notice | None = None) -> None:
        self._wanted = wanted

    def summary(self, latest: Notice) -> Notice:
        return self._wanted or latest


@dataclass(frozen=True)
class FakeNotice:
    data: bytes
    subject: Any = 0
    source: FakeSource = field(default_factory=FakeSource)

    async def responses(self) -> list[bytes]:
        return [self.data] if self.data else []


def put(session: Session, data: bytes) -> None:
    """Queue a response."""
    session.notices.put(FakeNotice(data))
