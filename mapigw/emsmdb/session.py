"""A session of the mailbox endpoint: its logons, its handles and its notifications (MS-OXCROPS 3.2.1)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mapigw.emsmdb.access import AccessRecord, accessor_of, is_administrative, is_less
from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.notices import Notices
from mapigw.emsmdb.objects import Logon, ServerObject
from mapigw.emsmdb.waiting import Stimulus, Waiting
from mapigw.wire.codes import ErrorCode

if TYPE_CHECKING:
    from mapigw.directory.directory import Directory
    from mapigw.directory.model import User
    from mapigw.mailbox.mailboxes import Mailboxes

logger = logging.getLogger("mapigw.emsmdb")

RELEASED_HANDLE = 0x01FFFFFE
"""What Exchange leaves in the slot of a released handle."""
UNASSIGNED_HANDLE = 0xFFFFFFFF
MAXIMUM_HANDLES = 4096
"""Open objects in a session; beyond it a ROP that opens one fails with TooManyOpenObjects."""


@dataclass(frozen=True, slots=True)
class ConnectParameters:
    """What the client asked for on Connect (MS-OXCMAPIHTTP 2.2.4.1.1)."""

    default_code_page: int = 1252
    lcid_sort: int = 0x0409
    lcid_string: int = 0x0409
    admin: bool = False
    """True when the client asked for administrative privilege and its user has it."""


class Session:
    """The state that one session context holds between its Execute requests.

    ``user`` is who authenticated; ``directory`` and ``mailboxes`` are the services handlers work with. ``audit`` is
    told of each logon to a mailbox that is not the user's own.
    """

    def __init__(
        self,
        user: User,
        directory: Directory,
        mailboxes: Mailboxes,
        parameters: ConnectParameters | None = None,
        audit: Callable[[AccessRecord], None] | None = None,
    ) -> None:
        self.user = user
        self.directory = directory
        self.mailboxes = mailboxes
        self.parameters = parameters or ConnectParameters()
        self.audit = audit
        self.logons: dict[int, Logon] = {}
        self._objects: dict[int, ServerObject] = {}
        self._next_handle = 1
        self.waiting = Waiting()
        self.notices = Notices(self.waiting)

    # Handles are never reused, so every number below the next one that is not open has been released.

    def resolve(self, handle: int) -> ServerObject:
        """The open object of ``handle``.

        Raises `RopError`: InvalidObject when it was released, NullObject when it was never assigned
        (MS-OXCROPS 3.2.5.4).
        """
        found = self._objects.get(handle)
        if found is None:
            released = handle < self._next_handle or handle == RELEASED_HANDLE
            raise RopError(ErrorCode.InvalidObject if released and handle else ErrorCode.NullObject)
        return found

    def open(self, opened: ServerObject) -> int:
        """A new handle for ``opened``; a `Logon` also takes its place in ``logons``. Raises `RopError`."""
        if len(self._objects) >= MAXIMUM_HANDLES:
            raise RopError(ErrorCode.TooManyOpenObjects)
        handle = self._next_handle
        self._next_handle += 2 if handle + 1 == RELEASED_HANDLE else 1
        self._objects[handle] = opened
        opened.handle = handle
        if isinstance(opened, Logon):
            self.logons[opened.logon_id] = opened
        return handle

    async def release(self, handle: int) -> None:
        """Release the object of ``handle``, and with a logon everything that was opened under it.

        Nothing happens when the handle is not open (MS-OXCROPS 3.2.5.3: errors of RopRelease are ignored).
        """
        released = self._objects.pop(handle, None)
        if released is None:
            return
        if released is released.logon:
            dependent = [key for key, value in self._objects.items() if value.logon is released]
            for key in dependent:
                await self._let_go(self._objects.pop(key))
            if self.logons.get(released.logon.logon_id) is released:
                del self.logons[released.logon.logon_id]
        await self._let_go(released)

    async def release_logon(self, logon_id: int) -> None:
        """Release the logon whose id a new one takes, if there is one (MS-OXCROPS 2.2.3.1.1)."""
        current = self.logons.get(logon_id)
        for handle in [handle for handle, opened in self._objects.items() if opened is current]:
            await self.release(handle)

    async def end_lost_logons(self) -> None:
        """Release the logons that lost something since they were made: before every Execute, and answered from memory.

        Those are all of a user who has been disabled or removed, those to the mailboxes of such users, another's
        mailbox that an administrator opened who no longer is one, and those by a right that was taken back. What was
        opened with a right goes with it; what was gained counts at once.
        """
        if not self.logons:
            return
        user = await self.directory.by_legacy_dn(self.user.legacy_dn)
        for logon in list(self.logons.values()):
            owner = user if logon.owner.user_id == self.user.user_id else None
            if owner is None:
                owner = await self.directory.by_legacy_dn(logon.owner.legacy_dn)
            if not (user and user.enabled and owner and owner.enabled) or await self._is_lost(logon, user, owner):
                logger.info("a logon of %s to the mailbox of %s is ended", self.user.address, logon.owner.key)
                await self.release_logon(logon.logon_id)

    async def _is_lost(self, logon: Logon, user: User, owner: User) -> bool:
        if owner.user_id == user.user_id:
            return False
        if is_administrative(logon.accessor):
            return not user.admin
        accessor = await accessor_of(self.directory, user, owner, administrative=False)
        if is_less(accessor, logon.accessor):
            return True
        logon.accessor = accessor
        return False

    async def close(self) -> None:
        """Release everything and end a NotificationWait. Idempotent."""
        self.logons.clear()
        while self._objects:
            await self._let_go(self._objects.popitem()[1])
        self.notices.close()
        self.waiting.happened(Stimulus.CLOSE)

    async def _let_go(self, released: ServerObject) -> None:
        try:
            await released.close()
        except Exception:
            # Whoever releases it has no use for the error, and the other objects must still be released.
            logger.exception("a %s of %s cannot be closed", type(released).__name__, self.user.address)
