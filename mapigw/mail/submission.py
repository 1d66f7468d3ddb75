"""A client sends: what is checked and set on a message that is submitted, and what becomes of it (MS-OXOMSG 3.3.5).

The message and its entry in the queue are one transaction, so that what was answered with success is sent whatever
happens. The entry has the message as it was submitted.
"""

from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from mapigw.directory.addresses import lookup_key
from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.mail.addresses import SENDER, SENT_REPRESENTING, address_group
from mapigw.mail.conversations import conversation_index
from mapigw.mailbox.clock import now
from mapigw.mailbox.content import DecodedMessage, blob_uses, decode_message
from mapigw.mailbox.events import MESSAGE_FLAG_UNSENT
from mapigw.mailbox.mailboxes import Mailbox, MailboxError
from mapigw.mailbox.message_properties import message_size
from mapigw.mailbox.messages import MESSAGE_FLAG_NOTIFY_READ, MESSAGE_FLAG_NOTIFY_UNREAD
from mapigw.mailbox.moving import Identity, Place, move_messages
from mapigw.mailbox.permissions import Accessor, Right
from mapigw.mailbox.progress import Progress
from mapigw.mailbox.removing import delete_messages
from mapigw.mailbox.saving import Author, Draft, save_message
from mapigw.store import importing, messages, queue
from mapigw.store.database import Connection
from mapigw.store.importing import Standing
from mapigw.store.messages import MessageRow
from mapigw.store.queue import NO_MAILBOX, OutgoingRow, Step
from mapigw.wire import tags
from mapigw.wire.entryids import MESSAGE_ENTRY_ID, SERVER_ID, address_book_entry_id, parse_folder_id
from mapigw.wire.errors import WireError

MAXIMUM_SUBMIT_KILOBYTES: Final = 153_600
"""PidTagMaximumSubmitMessageSize."""
MAXIMUM_RECIPIENTS: Final = 5000
MESSAGE_FLAG_SUBMITTED: Final = 0x0004
SUBMIT_FLAG_LOCKED: Final = 0x0001
"""Of PidTagSubmitFlags (MS-OXOMSG 2.2.3)."""
NOT_SPAM: Final = -1

_UNIT_SECONDS: Final = (60, 3600, 86_400, 604_800)
"""PidTagDeferredSendUnits: minutes, hours, days, weeks (2.2.3.3)."""
_MAXIMUM_NUMBER: Final = 999
_SECOND: Final = 10_000_000
_OWNER: Final = Accessor(frozenset(), is_owner=True)


class NoRecipientsError(MailboxError):
    """Nobody would get the message."""


class TooManyRecipientsError(MailboxError):
    """More recipients than a message may have."""


class TooLargeError(MailboxError):
    """The message is larger than PidTagMaximumSubmitMessageSize."""


class AlreadySubmittedError(MailboxError):
    """The message was submitted already."""


class SendQuotaError(MailboxError):
    """The mailbox is too full to send."""


class NotInQueueError(MailboxError):
    """The message was not submitted, or is sent already."""


class BeingSentError(MailboxError):
    """It is too late to abort the submission, or a client's spooler has locked the message."""


@dataclass(frozen=True, slots=True)
class Submitter:
    """Who submits, out of whose mailbox, and the LCID of the client."""

    user: User
    owner: User
    locale: int

    @property
    def author(self) -> Author:
        return Author(self.user.display_name, address_book_entry_id(self.user.legacy_dn))


async def may_send(directory: Directory, user: User, address: str) -> bool:
    """Whether a user may send in the name of an address: the own ones, and those of mailboxes with the right to write.

    A mailbox without an address sends nothing.
    """
    key = lookup_key(address)
    if key is None:
        return False
    if key == user.address or key in user.aliases:
        return True
    owner = await directory.by_address(address)
    if owner is None or not owner.enabled or not owner.address:
        return False
    return await directory.mailbox_rights(user, owner) >= Right.WRITE


async def has_send_room(mailbox: Mailbox) -> bool:
    """Whether a mailbox is not too full to send: never, as long as PidTagProhibitSendQuota is no limit."""
    return True


async def submit(
    mailbox: Mailbox,
    row: MessageRow,
    content: DecodedMessage,
    submitter: Submitter,
    *,
    by_spooler: bool = False,
    target_id: int = 0,
) -> MessageRow:
    """Save a message as submitted, with its entry in the queue; returns its row.

    ``by_spooler``: a client sends it later by RopTransportSend, so that it gets no entry. ``target_id`` is the id of
    the message that it becomes once it was sent. Raises the errors of this module, and those of `save_message`.
    """
    await _check(mailbox, row, content)
    moment = now()
    submitted = content.copy()
    _complete(submitted.properties, submitter, moment)
    due = _due(submitted.properties, moment)
    flags = (row.message_flags | MESSAGE_FLAG_SUBMITTED) & ~MESSAGE_FLAG_UNSENT
    draft = Draft(row, submitted, submitter.author, message_flags=flags)

    async def enter(connection: Connection, saved: MessageRow) -> None:
        if target_id and not await queue.insert_twin(connection, mailbox.mailbox_id, target_id):
            raise AlreadySubmittedError("the message was sent already")
        if not by_spooler:
            entry = OutgoingRow(
                step=Step.SUBMITTED,
                mailbox_id=mailbox.mailbox_id,
                message_id=saved.message_id,
                target_id=target_id,
                sender=submitter.user.address or submitter.owner.address,
                locale=submitter.locale,
                subject=saved.subject or "",
                created=moment,
                due=due,
                properties=saved.properties,
                properties_index=saved.properties_index,
                children=saved.children,
                children_index=saved.children_index,
            )
            await queue.insert_outgoing(connection, entry, (), blob_uses(saved))

    saved = await save_message(mailbox, draft, also=enter)
    mailbox.database.queued.set()
    return saved


async def _check(mailbox: Mailbox, row: MessageRow, content: DecodedMessage) -> None:
    if row.message_flags & MESSAGE_FLAG_SUBMITTED and not row.message_flags & MESSAGE_FLAG_UNSENT:
        async with mailbox.database.read() as connection:
            if await queue.select_submission(connection, mailbox.mailbox_id, row.message_id) is not None:
                raise AlreadySubmittedError("the message was submitted already")
    if not content.recipients:
        raise NoRecipientsError("the message has no recipients")
    if len(content.recipients) > MAXIMUM_RECIPIENTS:
        raise TooManyRecipientsError(f"the message has more than {MAXIMUM_RECIPIENTS} recipients")
    if message_size(content) > MAXIMUM_SUBMIT_KILOBYTES << 10:
        raise TooLargeError(f"the message has more than {MAXIMUM_SUBMIT_KILOBYTES} KB")
    if not await has_send_room(mailbox):
        raise SendQuotaError("the mailbox is full")


def _complete(properties: dict[int, Any], submitter: Submitter, moment: int) -> None:
    """What the server sets on a message that is submitted (MS-OXOMSG 3.3.5.1)."""
    properties.update(address_group(SENDER, submitter.user))
    if not any(tag in properties for tag in SENT_REPRESENTING):
        properties.update(address_group(SENT_REPRESENTING, submitter.owner))
    domain = (submitter.user.address or submitter.owner.address).rpartition("@")[2]
    properties |= {
        tags.PidTagClientSubmitTime: moment,
        tags.PidTagProviderSubmitTime: moment,
        tags.PidTagContentFilterSpamConfidenceLevel: NOT_SPAM,
        tags.PidTagMessageLocaleId: submitter.locale,
        tags.PidTagSubmitFlags: 0,
    }
    properties.setdefault(tags.PidTagInternetMessageId, f"<{uuid4().hex}@{domain}>")
    subject = properties.get(tags.PidTagNormalizedSubject)
    if isinstance(subject, str):
        properties.setdefault(tags.PidTagConversationTopic, subject)
    properties.setdefault(tags.PidTagConversationIndex, conversation_index(uuid4().bytes, moment))
    number, unit = properties.get(tags.PidTagDeferredSendNumber), properties.get(tags.PidTagDeferredSendUnits)
    if isinstance(number, int) and isinstance(unit, int) and 0 <= unit < len(_UNIT_SECONDS):
        seconds = min(max(number, 0), _MAXIMUM_NUMBER) * _UNIT_SECONDS[unit]
        properties[tags.PidTagDeferredSendTime] = moment + seconds * _SECOND


def _due(properties: dict[int, Any], moment: int) -> int:
    """When it is to be sent: at once, unless PidTagDeferredSendTime is later (2.2.3.4)."""
    deferred = properties.get(tags.PidTagDeferredSendTime)
    return max(moment, deferred) if isinstance(deferred, int) and deferred < 1 << 63 else moment


async def abort(mailbox: Mailbox, message_id: int, author: Author) -> None:
    """Take a submitted message back: it is unsent again, where it is (MS-OXOMSG 2.2.4.2).

    Raises `NotInQueueError`, `BeingSentError`, and what `save_message` raises.
    """
    row = await mailbox.message(message_id)
    if row is None:
        raise NotInQueueError("the message does not exist")
    content = decode_message(row)
    if content.properties.get(tags.PidTagSubmitFlags, 0) & SUBMIT_FLAG_LOCKED:
        raise BeingSentError("the message is locked")
    content.properties.pop(tags.PidTagSubmitFlags, None)
    flags = row.message_flags & ~MESSAGE_FLAG_SUBMITTED | MESSAGE_FLAG_UNSENT

    async def leave(connection: Connection, saved: MessageRow) -> None:
        found = await queue.select_submission(connection, mailbox.mailbox_id, message_id)
        if found is None:
            if not row.message_flags & MESSAGE_FLAG_SUBMITTED:
                raise NotInQueueError("the message is not in the queue")
            return  # it waits for a client's spooler
        outgoing_id, step = found
        entry = await queue.select_outgoing(connection, outgoing_id)
        if step != Step.SUBMITTED or entry is None:
            raise BeingSentError("the message is being sent")
        await drop(connection, entry)

    await save_message(mailbox, Draft(row, content, author, message_flags=flags), force=True, also=leave)


async def drop(connection: Connection, entry: OutgoingRow) -> None:
    """Remove an entry of the queue with its uses of blobs."""
    if await queue.delete_outgoing(connection, entry.outgoing_id):
        uses = blob_uses(entry) if entry.properties_index or entry.children_index else []
        if entry.digest is not None:
            uses.append((entry.digest, entry.size))
        await messages.uncount_blobs(connection, NO_MAILBOX, uses)


async def finish(mailbox: Mailbox, message_id: int, target_id: int = 0) -> None:
    """Do with a message that was sent what it says itself (MS-OXOMSG 2.2.3.8, 2.2.3.10, 3.3.5.1). Idempotent.

    Deleted, or moved to the folder for sent messages; without either it stays, and out of the transport folder it goes.
    """
    row = await mailbox.message(message_id)
    if row is None:
        return
    content = decode_message(row)
    properties = content.properties
    author = Author(
        str(properties.get(tags.PidTagSenderName, "")), properties.get(tags.PidTagSenderEntryId, b"") or b""
    )
    in_transport = row.folder_id == (await mailbox.special_folder("spooler_queue")).folder_id
    folder_id = await _sent_folder(mailbox, properties, target_id)
    if properties.get(tags.PidTagDeleteAfterSubmit) is True or (folder_id is None and in_transport):
        await discard(mailbox, row)
        return
    pending = MESSAGE_FLAG_SUBMITTED | MESSAGE_FLAG_UNSENT | MESSAGE_FLAG_NOTIFY_READ | MESSAGE_FLAG_NOTIFY_UNREAD
    if row.message_flags & pending:
        properties.pop(tags.PidTagSubmitFlags, None)
        draft = Draft(row, content, author, message_flags=row.message_flags & ~pending)
        row = await save_message(mailbox, draft, force=True)
    if folder_id is None or folder_id == row.folder_id:
        return
    identities = {}
    if target_id:
        if (await _standing(mailbox, folder_id, target_id)).is_used:  # the client has put it there itself
            await discard(mailbox, row)
            return
        identities[message_id] = Identity(target_id, None, None, None, row.change_number)
    place = Place(mailbox, folder_id)
    await move_messages(mailbox, _OWNER, row.folder_id, [message_id], place, progress=Progress(), identities=identities)


async def discard(mailbox: Mailbox, row: MessageRow) -> None:
    """Delete a message for good."""
    await delete_messages(mailbox, _OWNER, row.folder_id, [row.message_id], hard=True, progress=Progress())


async def withdraw(mailbox: Mailbox, message_id: int, target_id: int = 0) -> None:
    """Delete a message that was sent, and what the client has already put into its place. Idempotent."""
    for wanted in (message_id, target_id):
        row = await mailbox.message(wanted) if wanted else None
        if row is not None:
            await discard(mailbox, row)


async def _sent_folder(mailbox: Mailbox, properties: dict[int, Any], target_id: int) -> int | None:
    """The folder that a sent message goes to; None: it says nothing of that."""
    wanted = 0
    entry_id, server_id = properties.get(tags.PidTagSentMailEntryId), properties.get(tags.PidTagSentMailSvrEID)
    try:
        if target_id:
            wanted = MESSAGE_ENTRY_ID.parse(properties[tags.PidTagTargetEntryId]).folder.counter
        elif isinstance(server_id, bytes) and server_id:
            wanted = SERVER_ID.parse(server_id).folder_id.counter
        elif isinstance(entry_id, bytes) and entry_id:
            folder = parse_folder_id(entry_id)
            wanted = folder.counter if folder.replica_guid == mailbox.replica_guid else 0
        else:
            return None
    except (WireError, KeyError):
        wanted = 0
    if wanted and await mailbox.folder(wanted) is not None:
        return wanted
    return (await mailbox.special_folder("sent_items")).folder_id


async def target_of(mailbox: Mailbox, properties: dict[int, Any]) -> int:
    """The id that PidTagTargetEntryId gives a message when it was sent; 0 where it gives none that a client may use."""
    entry_id = properties.get(tags.PidTagTargetEntryId)
    if not isinstance(entry_id, bytes):
        return 0
    try:
        found = MESSAGE_ENTRY_ID.parse(entry_id)
    except WireError:
        return 0
    ours = mailbox.replica_guid
    if found.provider_uid != mailbox.guid or found.folder.replica_guid != ours or found.message.replica_guid != ours:
        return 0
    if await mailbox.folder(found.folder.counter) is None:
        return 0
    counter: int = found.message.counter
    return counter if (await _standing(mailbox, found.folder.counter, counter)).is_handed_out else 0


async def _standing(mailbox: Mailbox, folder_id: int, message_id: int) -> Standing:
    async with mailbox.database.read() as connection:
        return await importing.select_standing(connection, mailbox.mailbox_id, folder_id, message_id)
