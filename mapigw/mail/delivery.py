"""The last step of mail that arrives, from wherever: into a mailbox.

What arrives at the same time is committed together, so that a flush of the disk serves all of it. A delivery that has
returned is on disk.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final, Protocol

from mapigw.directory.addresses import lookup_key
from mapigw.directory.model import User
from mapigw.mail.addresses import RECIPIENT_CC, RECIPIENT_TO, address_group
from mapigw.mailbox.appending import Arriving, insert_together
from mapigw.mailbox.events import changing
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage, PreparedMessage
from mapigw.mailbox.messages import MESSAGE_FLAG_NOTIFY_READ, MESSAGE_FLAG_NOTIFY_UNREAD
from mapigw.mailbox.receive_folders import way_in
from mapigw.store.database import Connection
from mapigw.wire import tags
from mapigw.wire.message import Message, Properties

MESSAGE_FLAG_FROM_ME: Final = 0x0020
TOGETHER: Final = 64
"""Messages in a transaction."""

Also = Callable[[Connection, int], Awaitable[None]]
"""What is done in the transaction of a delivery, given the id of the new message."""


class LoopError(Exception):
    """A message has been on its way for too long to be sent on."""


@dataclass(slots=True)
class Placed:
    """A message for a folder; ``message_id`` is the id that it was given beforehand, or 0."""

    folder_id: int
    message: NewMessage
    message_id: int = 0


@dataclass(frozen=True, slots=True)
class Disposition:
    """What becomes of a message that arrives, in one transaction: the messages to be stored, and what else is done."""

    placed: list[Placed]
    also: Callable[[Connection], Awaitable[None]] | None = None


class Disposer(Protocol):
    """Decides what becomes of messages that arrive."""

    async def dispose(self, mailbox: Mailbox, user: User, folder_id: int, message: NewMessage) -> Disposition: ...

    async def delivered(self, mailbox: Mailbox, user: User, message_id: int, message: NewMessage) -> None:
        """Do what comes after the delivery; the message is there whatever becomes of it."""


async def arrival_folder(mailbox: Mailbox, message: NewMessage) -> tuple[int, bool]:
    """The folder that a message arrives in, the receive folder of its class, and whether a `Disposer` is to be asked.

    MS-OXCSTOR 3.2.5.2
    """
    message_class = message.message.properties.get(tags.PidTagMessageClass)
    found = await way_in(mailbox, message_class if isinstance(message_class, str) else "IPM.Note")
    if found is not None:
        return found.folder_id, found.is_ruled
    return (await mailbox.special_folder("inbox")).folder_id, True


async def accepts(mailbox: Mailbox, size: int) -> bool:
    """Whether a mailbox has room for ``size`` bytes more: always, as long as its receive quota is no limit."""
    return True


def received_by(message: NewMessage, user: User, address: str) -> NewMessage:
    """A message as it arrives for a user under one of its addresses: who received it, and that it is unread.

    MS-OXOMSG 2.2.1.37 to 2.2.1.48; MS-OXCMSG 2.2.1.6. Recipients, attachments and large values are shared.
    """
    properties: Properties = dict(message.message.properties)
    properties |= address_group(_RECEIVED_BY, user)
    if properties.get(tags.PidTagDelegatedByRule) is not True:  # then it was received in another's place
        properties |= represented(user)
    kinds = {
        int(recipient.get(tags.PidTagRecipientType, RECIPIENT_TO)) & 0x0F
        for recipient in message.message.recipients
        if _is(recipient, user)
    }
    to_me, cc_me = RECIPIENT_TO in kinds, RECIPIENT_CC in kinds
    properties |= {
        tags.PidTagMessageToMe: to_me,
        tags.PidTagMessageCcMe: cc_me,
        tags.PidTagMessageRecipientMe: to_me or cc_me,
    }
    flags = int(properties.get(tags.PidTagMessageFlags, 0))
    if properties.get(tags.PidTagReadReceiptRequested):
        flags |= MESSAGE_FLAG_NOTIFY_READ
    if properties.get(tags.PidTagNonReceiptNotificationRequested):
        flags |= MESSAGE_FLAG_NOTIFY_UNREAD
    if _is_address(properties.get(tags.PidTagSenderSmtpAddress), user):
        flags |= MESSAGE_FLAG_FROM_ME
    properties[tags.PidTagMessageFlags] = flags
    return NewMessage(
        Message(properties, message.message.recipients, message.message.attachments),
        mime=message.mime,
        is_read=False,
    )


def represented(user: User) -> Properties:
    """The PidTagReceivedRepresenting properties of a message that was received for a user."""
    return address_group(_RECEIVED_REPRESENTING, user)


_RECEIVED_BY: Final = (
    tags.PidTagReceivedByName,
    tags.PidTagReceivedByAddressType,
    tags.PidTagReceivedByEmailAddress,
    tags.PidTagReceivedBySmtpAddress,
    tags.PidTagReceivedByEntryId,
    tags.PidTagReceivedBySearchKey,
)
_RECEIVED_REPRESENTING: Final = (
    tags.PidTagReceivedRepresentingName,
    tags.PidTagReceivedRepresentingAddressType,
    tags.PidTagReceivedRepresentingEmailAddress,
    tags.PidTagReceivedRepresentingSmtpAddress,
    tags.PidTagReceivedRepresentingEntryId,
    tags.PidTagReceivedRepresentingSearchKey,
)


def _is(recipient: Properties, user: User) -> bool:
    email = recipient.get(tags.PidTagEmailAddress)
    if isinstance(email, str) and email.lower() == user.legacy_dn.lower():
        return True
    return _is_address(recipient.get(tags.PidTagSmtpAddress), user) or _is_address(email, user)


def _is_address(value: Any, user: User) -> bool:
    if not isinstance(value, str) or "@" not in value:
        return False
    key = lookup_key(value)
    return key == user.address or key in user.aliases


@dataclass(slots=True)
class _Job:
    mailbox: Mailbox
    prepared: list[tuple[int, PreparedMessage]]
    """With the folder of each."""
    also: Also | None
    done: asyncio.Future[int]


class Deliverer:
    """Puts messages into mailboxes, those that come at the same time in one transaction."""

    def __init__(self, mailboxes: Mailboxes, disposer: Disposer | None = None) -> None:
        self.mailboxes = mailboxes
        self.disposer = disposer
        self._waiting: list[_Job] = []
        self._committing: asyncio.Task[None] | None = None

    async def deliver(self, user: User, message: NewMessage, address: str, *, also: Also | None = None) -> int:
        """Deliver to a user's mailbox; when this returns the message is on disk. Returns its id, 0 if a rule drops it.

        Raises `NotFoundError` (the mailbox), `NamedPropertiesExhaustedError`, OSError and what else the store raises
        when it cannot be written.
        """
        mailbox = await self.mailboxes.open(user.mailbox_id)
        arrived = received_by(message, user, address)
        folder_id, is_ruled = await arrival_folder(mailbox, arrived)
        disposition = Disposition([Placed(folder_id, arrived)])
        if self.disposer is not None and is_ruled:
            disposition = await self.disposer.dispose(mailbox, user, folder_id, arrived)
        message_id = await self._put(mailbox, disposition, also)
        if self.disposer is not None and message_id:
            await self.disposer.delivered(mailbox, user, message_id, arrived)
        return message_id

    async def put(self, mailbox: Mailbox, folder_id: int, message: NewMessage, *, also: Also | None = None) -> int:
        """Put a message into a folder as it is; as `deliver`. Raises `NotFoundError` for the folder as well."""
        return await self._put(mailbox, Disposition([Placed(folder_id, message)]), also)

    async def _put(self, mailbox: Mailbox, disposition: Disposition, also: Also | None) -> int:
        prepared = await mailbox.prepare([placed.message for placed in disposition.placed])
        for entry, placed in zip(prepared, disposition.placed, strict=True):
            entry.message_id = placed.message_id
        places = [(placed.folder_id, entry) for placed, entry in zip(disposition.placed, prepared, strict=True)]
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        job = _Job(mailbox, places, _both(also, disposition.also), done)
        self._waiting.append(job)
        if self._committing is None:
            # In a context of its own: what it changes is nobody's own change.
            self._committing = asyncio.create_task(self._commit(), context=Context())
        # Who waits may be cancelled; what the others wait for goes on.
        message_id = await asyncio.shield(job.done)
        if disposition.also is not None:
            mailbox.database.queued.set()
        return message_id

    async def _commit(self) -> None:
        try:
            while self._waiting:
                jobs, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
                try:
                    await self._commit_together(jobs)
                except Exception as error:
                    if len(jobs) == 1:
                        _fail(jobs[0], error)
                        continue
                    for job in jobs:  # find the one that spoils it for the others
                        try:
                            await self._commit_together([job])
                        except Exception as single:
                            _fail(job, single)
        finally:
            self._committing = None
            for job in self._waiting:
                job.done.cancel()

    async def _commit_together(self, jobs: Sequence[_Job]) -> None:
        first, *others = {job.mailbox.mailbox_id: job.mailbox for job in jobs}.values()
        arriving = [Arriving(job.mailbox, folder_id, prepared) for job in jobs for folder_id, prepared in job.prepared]
        ids: dict[int, int] = {}  # by the identity of what was prepared
        async with changing(first, *others) as connection:
            if arriving:
                new_ids = await insert_together(connection, arriving)
                ids = {id(item.prepared): new_id for item, new_id in zip(arriving, new_ids, strict=True)}
            for job in jobs:
                if job.also is not None:
                    await job.also(connection, _first(job, ids))
        statistics = first.database.statistics
        for job in jobs:
            statistics.deliveries["delivered" if job.prepared else "dropped by a rule"] += 1
            if not job.done.done():
                job.done.set_result(_first(job, ids))


def _first(job: _Job, ids: Mapping[int, int]) -> int:
    """The id of the first message of a job; 0 where it stores none."""
    return ids[id(job.prepared[0][1])] if job.prepared else 0


def _both(also: Also | None, more: Callable[[Connection], Awaitable[None]] | None) -> Also | None:
    if more is None:
        return also

    async def both(connection: Connection, message_id: int) -> None:
        if also is not None:
            await also(connection, message_id)
        await more(connection)

    return both


def _fail(job: _Job, error: Exception) -> None:
    if not job.done.done():
        job.done.set_exception(error)
        job.done.exception()  # whoever waited may be gone
