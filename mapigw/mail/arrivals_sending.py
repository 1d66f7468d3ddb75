"""What is sent because of a message that arrives: replies, what is sent on, bounces (MS-OXORULE 3.2.5.1)."""

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.mail import automatic
from mapigw.mail.addresses import RECIPIENT_TO, SENDER, SENT_REPRESENTING, Address, address_group, recipient_properties
from mapigw.mail.automatic import Outgoing
from mapigw.mail.bounces import Occasion, notification, report
from mapigw.mail.bounces_texts import ReportKind
from mapigw.mail.delivery import represented
from mapigw.mail.submission_recipients import Expansion
from mapigw.mail.templates import MissingTemplateError, reply_template
from mapigw.mailbox.bodies.stored import made_body
from mapigw.mailbox.clock import now
from mapigw.mailbox.contacts import is_contact
from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.out_of_office import Audience, OutOfOffice
from mapigw.mailbox.rule_evaluation import SUPPRESS_OOF, Failure, Outcome, RuleError, Wanted
from mapigw.mailbox.rules import ForwardFlavor, ReplyFlavor
from mapigw.store import queue
from mapigw.store.blobs import MissingBlobError, digest_of
from mapigw.store.database import Connection
from mapigw.store.queue import OutgoingRow, RecipientRow, Step
from mapigw.wire import tags
from mapigw.wire.errors import WireError
from mapigw.wire.message import Message
from mapigw.wire.restrictions import ActionType, RecipientBlock

REPLY_PAUSE: Final = 36_000_000_000
"""An hour, in units of 100 ns: a rule answers a sender once in it, so that two programs do not talk for ever."""
SENDS_MAXIMUM: Final = 64
"""Messages that one which arrives may cause."""
OOF_RULE: Final = 0
"""What stands for the out-of-office texts in the history of answers."""
SERVER_TEXT: Final = "Your message was received.\r\n"
"""What a rule answers that leaves the text to the server (2.2.5.1.1, ST)."""

_BOUNCES: Final = {  # BounceCode (2.2.5.1.2.5): status and text
    0x0D: ("5.3.4", "The message is too large for the recipient."),
    0x1F: ("5.6.1", "The message cannot be displayed to the recipient."),
    0x26: ("5.7.1", "The recipient does not accept the message."),
}
UNREADABLE: Final = (WireError, MissingBlobError, struct.error)

_log = logging.getLogger(__name__)

Leave = Callable[[Connection], Awaitable[None]]
"""Puts something into the queue, in the transaction of the delivery that causes it."""


@dataclass(slots=True)
class Arrival:
    """A message on its way into a folder."""

    mailbox: Mailbox
    user: User
    folder_id: int
    message: NewMessage
    sender: str
    answered: Mapping[int, int]
    """When the rules have last answered the sender, by rule."""
    outcome: Outcome = field(default_factory=Outcome)
    sends: list[Outgoing] = field(default_factory=list)
    replied: list[int] = field(default_factory=list)
    """Rules that answer the sender now."""

    @property
    def may_be_answered(self) -> bool:
        """Whether a program may answer it at all (RFC 3834 2)."""
        sender, message = self.sender, self.message.message
        if not sender or sender in (self.user.address, *self.user.aliases) or automatic.is_program(sender):
            return False
        return not automatic.is_automatic(message) and automatic.may_send_on(message, self.user)


class Sending:
    """Makes what is sent, and puts it into the queue."""

    def __init__(self, directory: Directory, expansion: Expansion, hostname: str) -> None:
        self._directory = directory
        self._expansion = expansion
        self._hostname = hostname

    async def prepare(self, arrival: Arrival, wanted: Wanted) -> None:
        """Make what an action sends. What cannot be made is a failure of the rule."""
        action = wanted.action
        try:
            if action.action_type in (ActionType.OP_REPLY, ActionType.OP_OOF_REPLY):
                await self._reply(arrival, wanted)
            else:
                await self._send_on(arrival, wanted)
        except MissingTemplateError:
            arrival.outcome.failures.append(
                Failure(wanted.rule, RuleError.REPLY_TEMPLATE, wanted.number, action.action_type)
            )
        except UNREADABLE as error:
            _log.warning("a rule of mailbox %s sends nothing: %s", arrival.mailbox.guid, error)
            arrival.outcome.failures.append(
                Failure(wanted.rule, RuleError.EXECUTING, wanted.number, action.action_type)
            )

    async def _reply(self, arrival: Arrival, wanted: Wanted) -> None:
        rule, action = wanted.rule, wanted.action
        template = await reply_template(arrival.mailbox, arrival.folder_id, action.action_data)
        if not arrival.may_be_answered:
            return
        if not rule.keeps_history and now() - arrival.answered.get(rule.rule_id, 0) < REPLY_PAUSE:
            return
        oof = action.action_type == ActionType.OP_OOF_REPLY
        # Exchange answers the sender even so when the reply is an out-of-office one (section 6, note 6).
        to_sender = oof or not action.action_flavor & ReplyFlavor.NS
        text = SERVER_TEXT if action.action_flavor & ReplyFlavor.ST else ""
        recipients = [await self._address(arrival.sender)] if to_sender else []
        outgoing = automatic.reply(arrival.message.message, arrival.user, template, recipients, text=text, oof=oof)
        if outgoing.envelope:
            arrival.sends.append(outgoing)
            arrival.replied.append(rule.rule_id)

    async def _address(self, address: str) -> Address:
        entry = await self._directory.by_address(address)
        return Address(entry.display_name if entry is not None else address, address)

    async def _send_on(self, arrival: Arrival, wanted: Wanted) -> None:
        """Forward, redirect or delegate; never to the sender (section 6, note 14)."""
        user, action = arrival.user, wanted.action
        message = arrival.message.message
        if not automatic.may_send_on(message, user):
            return
        found = [await self._recipient(block) for block in action.action_data]
        own = {user.address, *user.aliases}
        recipients = [item for item in found if item.email and item.email.lower() not in own | {arrival.sender}]
        if not recipients:
            if not any(item.email for item in found):
                raise WireError("an action names nobody who can be found", field="RecipientBlockData")
            return
        flavor = action.action_flavor
        if action.action_type == ActionType.OP_DELEGATE:
            outgoing = automatic.delegated(message, user, recipients, represented(user))
        elif flavor & ForwardFlavor.AT:
            outgoing = automatic.attached(message, user, recipients)
        elif flavor & (ForwardFlavor.PR | ForwardFlavor.NC):
            outgoing = automatic.redirected(message, user, recipients)
        else:
            outgoing = automatic.forwarded(await self._readable(arrival), user, recipients)
        arrival.sends.append(outgoing)

    async def _recipient(self, block: RecipientBlock) -> Address:
        """Whom a RecipientBlockData names, by SMTP address or as an entry of the directory; "" for nobody."""
        values: dict[int, Any] = {tag >> 16: value for tag, value in block.property_values}

        def text(tag: int) -> str:
            value = values.get(tag >> 16, "")
            return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)

        name = text(tags.PidTagDisplayName)
        for address in (text(tags.PidTagSmtpAddress), text(tags.PidTagEmailAddress)):
            if "@" in address:
                return Address(name or address, address)
            entry = await self._directory.entry(address) if address else None
            if entry is not None and entry.address:
                return Address(entry.display_name, entry.address)
        return Address(name, "")

    @staticmethod
    async def _readable(arrival: Arrival) -> Message:
        """The message with a body of text or HTML in memory."""
        message = arrival.message.message
        properties = dict(message.properties)
        stored = {tag: value for tag, value in properties.items() if isinstance(tag, int)}
        wanted = tags.PidTagHtml if tags.PidTagHtml in stored else tags.PidTagBody
        body = await made_body(arrival.mailbox, stored, wanted)
        if body is not None:
            properties[wanted] = body
        return Message(properties, message.recipients, message.attachments)

    async def answer_absence(self, arrival: Arrival, settings: OutOfOffice) -> None:
        """Tell the sender that the owner is away: once in an absence, and only who wrote to the owner by name."""
        properties = arrival.message.message.properties
        suppressed = properties.get(tags.PidTagAutoResponseSuppress, 0)
        if isinstance(suppressed, int) and suppressed & SUPPRESS_OOF:
            return
        if OOF_RULE in arrival.answered or not arrival.may_be_answered or arrival.outcome.bounce is not None:
            return
        if properties.get(tags.PidTagMessageRecipientMe) is not True:
            return
        if await self._directory.by_address(arrival.sender) is not None:
            text = settings.internal
        elif settings.audience is Audience.ALL or (
            settings.audience is Audience.KNOWN and await is_contact(arrival.mailbox, arrival.sender)
        ):
            text = settings.external
        else:
            text = ""
        if text:
            recipient = await self._address(arrival.sender)
            message = arrival.message.message
            arrival.sends.append(automatic.out_of_office_reply(message, arrival.user, text, recipient))
            arrival.replied.append(OOF_RULE)

    async def leaving(self, mailbox: Mailbox, user: User, outgoing: Outgoing) -> Leave:
        """What puts a message into the queue, for those whom its envelope names.

        What the user writes is the user's; nobody is told when an answer cannot be delivered (RFC 3834 3.3).
        """
        message = outgoing.message
        if not any(tag in message.properties for tag in SENT_REPRESENTING):
            for group in (SENDER, SENT_REPRESENTING):
                message.properties.update(address_group(group, user))
        (prepared,) = await mailbox.prepare([NewMessage(message)])
        rows = [recipient_properties(address, RECIPIENT_TO, number) for number, address in enumerate(outgoing.envelope)]
        recipients = await self._expansion.recipients(Message({}, rows), 0)
        moment = now()
        row = OutgoingRow(
            step=Step.EXPANDED,
            mailbox_id=mailbox.mailbox_id,
            sender="",
            subject=str(message.properties.get(tags.PidTagSubject, ""))[:255],
            created=moment,
            due=moment,
            properties=prepared.content.properties,
            properties_index=prepared.content.properties_index,
            children=prepared.content.children,
            children_index=prepared.content.children_index,
        )

        async def leave(connection: Connection) -> None:
            await queue.insert_outgoing(connection, row, recipients, prepared.blob_uses)

        return leave

    async def respond(self, mailbox: Mailbox, user: User, response: Message) -> None:
        """Put what a room answers into the queue; on disk when this returns."""
        envelope = tuple(
            Address(str(row.get(tags.PidTagDisplayName, address)), address)
            for row in response.recipients
            if (address := str(row.get(tags.PidTagSmtpAddress) or row.get(tags.PidTagEmailAddress) or ""))
        )
        leave = await self.leaving(mailbox, user, Outgoing(response, envelope))
        async with mailbox.database.write() as connection:
            await leave(connection)
        mailbox.database.queued.set()

    async def bounced(self, arrival: Arrival, wanted: Wanted) -> Leave | None:
        """What puts a report into the queue that tells the sender why the message was not taken (2.2.5.1.2.5)."""
        if not arrival.sender:
            return None
        status, text = _BOUNCES.get(wanted.action.action_data, _BOUNCES[0x26])
        user, original = arrival.user, arrival.message.message
        failed = RecipientRow(0, user.address, user.display_name, status=status, diagnostic=text)
        occasion = Occasion(self._hostname, user.domain, 0, now())
        sender = Address(arrival.sender, arrival.sender)
        if await self._directory.by_address(arrival.sender) is not None:
            item = report(ReportKind.FAILED, original, [failed], [failed], occasion)
            return await self.leaving(arrival.mailbox, user, Outgoing(item.message, (sender,)))
        headers = original.properties.get(tags.PidTagTransportMessageHeaders)
        head = headers.encode("utf-8", "replace") if isinstance(headers, str) else b""
        mime = notification(arrival.sender, [failed], head, occasion)
        digest = digest_of(mime)
        await asyncio.to_thread(arrival.mailbox.database.blobs.put, {digest: mime})
        moment = now()
        row = OutgoingRow(
            step=Step.RELAY, sender="", subject=text, created=moment, due=moment, digest=digest, size=len(mime)
        )

        async def leave(connection: Connection) -> None:
            await queue.insert_outgoing(
                connection, row, [RecipientRow(0, sender.email, sender.name)], [(digest, len(mime))]
            )

        return leave
