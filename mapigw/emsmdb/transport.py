"""Transport ROPs (MS-OXOMSG 2.2.4, 2.2.5; MS-OXCROPS 2.2.7)."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, IntFlag
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.message import input_object, own_counter
from mapigw.emsmdb.message_objects import EmbeddedMessage, Message
from mapigw.emsmdb.objects import Logon
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.stream_objects import commit_streams
from mapigw.mail import submission
from mapigw.mail.addresses import SENDER, SENT_REPRESENTING
from mapigw.mail.submission import SUBMIT_FLAG_LOCKED, Submitter
from mapigw.mailbox.content import BlobValue, decode_message
from mapigw.mailbox.events import Changes, Event, Kind
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.mailboxes import MailboxError, NotFoundError
from mapigw.mailbox.saving import Draft, MessageChangedError, MessageGoneError, save_message
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId

ADDRESS_TYPES: Final = (b"EX", b"SMTP")

TOLD_OF_SENT: Final = (
    *SENDER,
    *SENT_REPRESENTING,
    tags.PidTagClientSubmitTime,
    tags.PidTagProviderSubmitTime,
    tags.PidTagInternetMessageId,
    tags.PidTagConversationIndex,
    tags.PidTagConversationTopic,
    tags.PidTagSearchKey,
)
"""What RopTransportSend tells of the message, for the client's own copy of it."""


class SubmitFlags(IntFlag):
    """MS-OXOMSG 2.2.4.1. PreProcess leaves nothing to do here: the server does it for every message."""

    PreProcess = 0x01
    NeedsSpooler = 0x02


class LockState(IntEnum):
    """MS-OXOMSG 2.2.5.3."""

    Lock = 0
    Unlock = 1
    Finished = 2


_ERRORS: Final[tuple[tuple[type[MailboxError], ErrorCode], ...]] = (
    (submission.NoRecipientsError, ErrorCode.NoRecipients),
    (submission.TooManyRecipientsError, ErrorCode.TooManyRecips),
    (submission.TooLargeError, ErrorCode.MaxSubmissionExceeded),
    (submission.SendQuotaError, ErrorCode.QuotaExceeded),
    (submission.AlreadySubmittedError, ErrorCode.AlreadySent),
    (submission.NotInQueueError, ErrorCode.NotInQueue),
    (submission.BeingSentError, ErrorCode.AbortFailed),
    (MessageChangedError, ErrorCode.ObjectChanged),
    (MessageGoneError, ErrorCode.ObjectDeleted),
    (NotFoundError, ErrorCode.ObjectDeleted),
)


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except MailboxError as error:
        for kind, code in _ERRORS:
            if isinstance(error, kind):
                raise RopError(code) from error
        raise


@handles("SubmitMessage")
async def submit_message(call: Call, request: Any) -> dict[str, Any]:
    """2.2.4.1: saves the message and has it sent; with NeedsSpooler the client's spooler sends it later."""
    message = await _to_send(call)
    await _submit(message, by_spooler=bool(request.submit_flags & SubmitFlags.NeedsSpooler))
    return {}


@handles("TransportSend")
async def transport_send(call: Call, request: Any) -> dict[str, Any]:
    """2.2.5.4: sends a message of the transport folder, which then becomes that of its PidTagTargetEntryId.

    A client that did not get the answer asks again: what was sent under the same id is not sent twice.
    """
    message = await _to_send(call)
    mailbox = message.logon.mailbox
    target_id = await submission.target_of(mailbox, message.content.properties)
    try:
        await _submit(message, target_id=target_id)
    except RopError as error:
        if error.code != ErrorCode.AlreadySent or not target_id:
            raise
        if not message.is_new:
            await submission.discard(mailbox, message.row)
        sent = await mailbox.message(target_id)
        properties = decode_message(sent).properties if sent is not None else {}
    else:
        if target_id:
            await submission.finish(mailbox, message.message_id, target_id)
        properties = message.content.properties
    told = [(tag, properties[tag]) for tag in TOLD_OF_SENT if tag in properties]
    return {
        "no_properties_returned": False,
        "property_values": [(tag, value) for tag, value in told if not isinstance(value, BlobValue)],
    }


async def _to_send(call: Call) -> Message:
    """The message at the input handle, with what its streams have written. `RopError` where it cannot be sent."""
    message = input_object(call, Message)
    if isinstance(message, EmbeddedMessage) or message.is_associated:
        raise RopError(ErrorCode.NotSupported)
    message.require_write()
    await commit_streams(message)
    return message


async def _submit(message: Message, *, by_spooler: bool = False, target_id: int = 0) -> None:
    logon = message.logon
    with _answered():
        row = await submission.submit(
            logon.mailbox,
            message.row,
            message.content,
            _submitter(logon),
            by_spooler=by_spooler,
            target_id=target_id,
        )
    message.saved(row)


def _submitter(logon: Logon) -> Submitter:
    return Submitter(logon.session.user, logon.owner, logon.session.parameters.lcid_string)


@handles("AbortSubmit")
async def abort_submit(call: Call, request: Any) -> dict[str, Any]:
    """2.2.4.2: the message is unsent again; not any more when it is being sent."""
    logon = _own_logon(call)
    row = await logon.mailbox.message(own_counter(request.message_id))
    if row is None or row.folder_id != own_counter(request.folder_id):
        raise RopError(ErrorCode.NotFound)
    with _answered():
        await submission.abort(logon.mailbox, row.message_id, _submitter(logon).author)
    return {}


@handles("GetAddressTypes")
async def get_address_types(call: Call, request: Any) -> dict[str, Any]:
    """2.2.4.3: what recipients may be. The input object is ignored."""
    return {"address_types": list(ADDRESS_TYPES)}


@handles("OptionsData")
async def options_data(call: Call, request: Any) -> dict[str, Any]:
    """2.2.4.4: no address type has options or a help file."""
    call.object(Logon)
    if request.address_type not in ADDRESS_TYPES:
        raise RopError(ErrorCode.NotFound)
    return {"reserved": 1, "options_info": b"", "help_file": b"", "help_file_name": None}


@handles("SetSpooler")
async def set_spooler(call: Call, request: Any) -> dict[str, Any]:
    """2.2.5.1: the client says that it will act as a mail spooler. The server needs to know nothing of it."""
    _own_logon(call)
    return {}


@handles("GetTransportFolder")
async def get_transport_folder(call: Call, request: Any) -> dict[str, Any]:
    """2.2.5.2: where a client puts what it sends by RopTransportSend."""
    folder = await _own_logon(call).mailbox.special_folder("spooler_queue")
    return {"folder_id": ObjectId(OWN_REPLICA, folder.folder_id)}


@handles("SpoolerLockMessage")
async def spooler_lock_message(call: Call, request: Any) -> dict[str, Any]:
    """2.2.5.3: a locked message cannot be aborted; one that is finished goes where sent messages go."""
    logon = _own_logon(call)
    row = await logon.mailbox.message(own_counter(request.message_id))
    if row is None:
        raise RopError(ErrorCode.NotFound)
    if request.lock_state not in set(LockState):
        raise RopError(ErrorCode.InvalidParameter)
    if not row.message_flags & submission.MESSAGE_FLAG_SUBMITTED:
        raise RopError(ErrorCode.NotInQueue)
    if request.lock_state == LockState.Finished:
        with _answered():
            await submission.finish(logon.mailbox, row.message_id)
        return {}
    content = decode_message(row)
    flags = content.properties.get(tags.PidTagSubmitFlags, 0)
    locked = request.lock_state == LockState.Lock
    content.properties[tags.PidTagSubmitFlags] = flags & ~SUBMIT_FLAG_LOCKED | (SUBMIT_FLAG_LOCKED if locked else 0)
    with _answered():
        await save_message(logon.mailbox, Draft(row, content, _submitter(logon).author))
    return {}


@handles("TransportNewMail")
async def transport_new_mail(call: Call, request: Any) -> dict[str, Any]:
    """2.2.5.5: a client that has fetched a message from elsewhere has the others told of it."""
    logon = _own_logon(call)
    mailbox = logon.mailbox
    row = await mailbox.message(own_counter(request.message_id))
    if row is None or row.folder_id != own_counter(request.folder_id):
        raise RopError(ErrorCode.NotFound)
    event = Event(
        Kind.NEW_MAIL,
        row.folder_id,
        row.message_id,
        message_flags=request.message_flags,
        message_class=request.message_class.decode("ascii", "replace"),
    )
    mailbox.hub.publish(Changes(mailbox.mailbox_id, (event,), None))
    return {}


def _own_logon(call: Call) -> Logon:
    """The logon at the input handle. `RopError` AccessDenied unless it is the owner's."""
    logon = input_object(call, Logon)
    if not logon.accessor.is_owner:
        raise RopError(ErrorCode.AccessDenied)
    return logon
