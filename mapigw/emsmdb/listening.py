"""A logon that listens to its mailbox, for the subscriptions and tables that are open under it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mapigw.emsmdb.objects import Logon
    from mapigw.mailbox.events import Changes


class Hearer(Protocol):
    def hear(self, changes: Changes) -> None:
        """Take note of what was committed. Must return at once."""


class Listening:
    """Listens as long as there is somebody to tell."""

    def __init__(self, logon: Logon) -> None:
        self._logon = logon
        self._hearers: dict[Hearer, None] = {}

    async def add(self, hearer: Hearer) -> None:
        """Let ``hearer`` hear of what is committed after this returns."""
        self._hearers[hearer] = None
        await self._logon.session.mailboxes.listen(self._logon.mailbox.mailbox_id, self._hear)

    def remove(self, hearer: Hearer) -> None:
        self._hearers.pop(hearer, None)
        if not self._hearers:
            self._logon.mailbox.hub.unsubscribe(self._logon.mailbox.mailbox_id, self._hear)

    def _hear(self, changes: Changes) -> None:
        for hearer in self._hearers:
            hearer.hear(changes)
