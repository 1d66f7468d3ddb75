"""What is done with mail on its way: its recipients found, delivered to those here, handed to the relay, reported."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from mapigw.directory.directory import Directory
from mapigw.directory.model import Contact, User
from mapigw.directory.sharing import SentCopy
from mapigw.mail.bounces import Occasion, notification, report
from mapigw.mail.bounces_receipts import receipt
from mapigw.mail.bounces_texts import ReportKind
from mapigw.mail.delivery import Deliverer, LoopError, accepts
from mapigw.mail.delivery_addresses import Addresses
from mapigw.mail.export.composing import ExportOptions
from mapigw.mail.export.outgoing import compose_internet_message
from mapigw.mail.export.reader import with_names
from mapigw.mail.queue import OutgoingQueue, Schedule
from mapigw.mail.receiving import received
from mapigw.mail.relay import Fate, Outcome, Parcel, Relay
from mapigw.mail.submission import drop, finish, withdraw
from mapigw.mail.submission_recipients import Expansion, arriving, sent_as, sent_copy
from mapigw.mail.tnef import encapsulated, fits
from mapigw.mailbox.clock import now
from mapigw.mailbox.content import BlobValue, decode_message
from mapigw.mailbox.events import MESSAGE_FLAG_UNSENT
from mapigw.mailbox.mailboxes import Mailbox, NewMessage, NotFoundError
from mapigw.store import messages, queue
from mapigw.store.blobs import digest_of
from mapigw.store.database import Connection
from mapigw.store.queue import NO_MAILBOX, OutgoingRow, RecipientRow, RecipientState, Step
from mapigw.store.spool import CHUNK
from mapigw.wire import tags
from mapigw.wire.message import Message

TOGETHER: Final = 16
"""Deliveries of a message at a time."""
_HEAD: Final = 1 << 16
_RELAYED: Final = {Fate.TAKEN: "relayed", Fate.REFUSED: "refused by the relay", Fate.LATER: "postponed by the relay"}
_HOPS: Final = 50
"""Received fields of a message that is not sent on any more."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Names:
    """What this server calls itself, the domain of reports about mail that is nobody's here, and where Outlook is."""

    hostname: str
    domain: str = ""
    tnef_domains: frozenset[str] = frozenset()


class Transport:
    """Works off the queue of outgoing mail. Without a relay nothing leaves, and the senders are told."""

    def __init__(
        self,
        deliverer: Deliverer,
        directory: Directory,
        addresses: Addresses,
        relay: Relay | None,
        names: Names,
        schedule: Schedule,
    ) -> None:
        self._deliverer = deliverer
        self._database = deliverer.mailboxes.database
        self._directory = directory
        self._addresses = addresses
        self._expansion = Expansion(directory, addresses)
        self._relay = relay
        self._names = names
        self._schedule = schedule
        steps = {
            Step.SUBMITTED: self.expand,
            Step.EXPANDED: self.distribute,
            Step.RELAY: self.hand_over,
            Step.READ_RECEIPT: self.send_receipt,
            Step.NON_READ_RECEIPT: self.send_receipt,
        }
        self.queue = OutgoingQueue(self._database, steps, schedule)

    # Steps

    async def expand(self, row: OutgoingRow) -> None:
        """Find the recipients of a submitted message. One that was deferred, and deleted meanwhile, is not sent."""
        found = await self._message(row)
        if found is None:
            await self._forget(row)
            return
        mailbox, message = found
        sender = await self._directory.by_address(row.sender)
        stored = await mailbox.message(row.message_id)
        if stored is None and row.due > row.created and not row.target_id:
            await self._forget(row)
            return
        recipients = await self._expansion.recipients(message, stored.message_flags if stored is not None else 0)
        refusal = "the sender does not exist any more"
        if sender is not None:
            refusal = await self._expansion.refusal(sender, message)
        if refusal:
            state = RecipientState.FAILED
            recipients = [item._replace(state=state, status="5.7.60", diagnostic=refusal) for item in recipients]
        async with self._database.write() as connection:
            present = await queue.select_outgoing(connection, row.outgoing_id)
            if present is None or present.step != Step.SUBMITTED:
                return  # it was aborted
            await queue.insert_recipients(connection, row.outgoing_id, recipients)
            await queue.update_outgoing(connection, row.outgoing_id, step=Step.EXPANDED, attempts=0)

    async def distribute(self, row: OutgoingRow) -> None:
        """Deliver to the mailboxes here, make the MIME form for the others, and put the sender's message away."""
        found = await self._message(row)
        if found is None:
            await self._forget(row)
            return
        mailbox, message = found
        sender = await self._directory.by_address(row.sender)
        owner = await self._expansion.represented(sender, message) if sender is not None else None
        visible = sent_as(message, owner) if owner is not None else message
        recipients = await self._recipients(row)
        pending = [item for item in recipients if item.state == RecipientState.PENDING]
        here = [item for item in pending if item.mailbox_id != NO_MAILBOX]
        if here:
            arrived = NewMessage(arriving(visible, now()))
            places = asyncio.Semaphore(TOGETHER)
            async with asyncio.TaskGroup() as group:
                for item in here:
                    group.create_task(self._deliver(row, item, arrived, places))
        elsewhere = [item for item in pending if item.mailbox_id == NO_MAILBOX]
        if elsewhere and self._relay is None:
            await self._mark(row, elsewhere, RecipientState.FAILED, "5.4.4", "no relay is configured")
        elif elsewhere and row.digest is None:
            await self._compose(row, visible, elsewhere)
        await self._report(row, message)
        keeping = await self._keeping(sender, owner) if sender is not None and owner is not None else set()
        if not row.copied:
            for mailbox_id in keeping - {row.mailbox_id}:
                await self._copy(row, mailbox_id, message)
        if row.message_id and await self._is_sent(mailbox, row.message_id):
            if keeping and row.mailbox_id not in keeping:
                await withdraw(mailbox, row.message_id, row.target_id)
            else:
                await finish(mailbox, row.message_id, row.target_id)
        await self._next(row, Step.RELAY)

    async def hand_over(self, row: OutgoingRow) -> None:
        """Hand a message to the relay, for those recipients who still have to get it."""
        recipients = await self._recipients(row)
        pending = [item for item in recipients if item.state == RecipientState.PENDING]
        if pending and self._relay is not None and row.digest is not None:
            original = await self._original(row)
            parcel = Parcel(
                row.sender,
                lambda: self._chunks(row),
                row.size,
                row.eight_bit,
                row.smtputf8,
                original is not None and _wants_report(original),
            )
            outcomes = await self._relay.send(parcel, [item.address for item in pending])
            await self._note(row, pending, outcomes)
        elif pending:
            await self._mark(row, pending, RecipientState.FAILED, "5.4.4", "no relay is configured")
        await self._report_relayed(row)
        await self._next(row, Step.RELAY)

    async def send_receipt(self, row: OutgoingRow) -> None:
        """Tell who sent a message that it was read, or deleted without being read."""
        kind = ReportKind.READ if row.step == Step.READ_RECEIPT else ReportKind.NOT_READ
        reader = await self._directory.by_mailbox(row.mailbox_id)
        entry = None
        if reader is not None:
            mailbox = await self._deliverer.mailboxes.open(row.mailbox_id)
            stored = await mailbox.message(row.message_id) or await mailbox.deleted_message(row.message_id)
            if stored is not None:
                original = with_names(decode_message(stored), await mailbox.property_names())
                locale = original.properties.get(tags.PidTagMessageLocaleId)
                occasion = self._occasion(reader.domain, locale if isinstance(locale, int) else 0)
                entry = receipt(kind, original, reader, occasion)
        async with self._database.write() as connection:
            if entry is None:
                await queue.delete_outgoing(connection, row.outgoing_id)
        if entry is not None:
            await self._send_message(mailbox, entry, replacing=row)

    # Parts of steps

    async def _message(self, row: OutgoingRow) -> tuple[Mailbox, Message] | None:
        """The submitted message, and the mailbox that it is from; None where it was not submitted, or that is gone."""
        if not row.properties_index:
            return None
        try:
            mailbox = await self._deliverer.mailboxes.open(row.mailbox_id)
        except NotFoundError:
            return None
        content = await asyncio.to_thread(decode_message, row)
        return mailbox, with_names(content, await mailbox.property_names())

    async def _original(self, row: OutgoingRow) -> Message | None:
        found = await self._message(row)
        return found[1] if found is not None else None

    async def _forget(self, row: OutgoingRow) -> None:
        log.warning("entry %d of the outgoing queue is dropped: its message was deleted", row.outgoing_id)
        async with self._database.write() as connection:
            await drop(connection, row)

    async def _recipients(self, row: OutgoingRow) -> list[RecipientRow]:
        async with self._database.read() as connection:
            return await queue.select_recipients(connection, row.outgoing_id)

    async def _deliver(
        self, row: OutgoingRow, recipient: RecipientRow, message: NewMessage, places: asyncio.Semaphore
    ) -> None:
        async with places:
            user = await self._directory.by_mailbox(recipient.mailbox_id)
            if user is None or not user.enabled:
                await self._mark(
                    row, [recipient], RecipientState.FAILED, "5.2.1", "the mailbox does not exist any more"
                )
                return
            mailbox = await self._deliverer.mailboxes.open(user.mailbox_id)
            if not await accepts(mailbox, len(row.properties) + len(row.children)):
                await self._mark(row, [recipient], RecipientState.FAILED, "5.2.2", "the mailbox is full")
                return

            async def mark(connection: Connection, message_id: int) -> None:
                await queue.update_recipients(
                    connection, row.outgoing_id, [recipient.number], state=RecipientState.DELIVERED, status="2.1.5"
                )

            await self._deliverer.deliver(user, message, recipient.address, also=mark)

    async def _keeping(self, sender: User, owner: User) -> set[int]:
        """The ids of the mailboxes whose Sent Items keep what a user has sent as another mailbox."""
        policy = await self._directory.sharing.sent_copy(owner)
        keeping = {sender.mailbox_id} if policy is not SentCopy.MAILBOX else set()
        return keeping | ({owner.mailbox_id} if policy is not SentCopy.MEMBER else set())

    async def _copy(self, row: OutgoingRow, mailbox_id: int, message: Message) -> None:
        """Put a copy of a message that is sent into the Sent Items of a mailbox that it was not submitted in."""

        async def mark(connection: Connection, message_id: int) -> None:
            await queue.update_outgoing(connection, row.outgoing_id, copied=True)

        try:
            mailbox = await self._deliverer.mailboxes.open(mailbox_id)
            folder_id = (await mailbox.special_folder("sent_items")).folder_id
            copy = NewMessage(sent_copy(message, row.created), is_read=True)
            await self._deliverer.put(mailbox, folder_id, copy, also=mark)
        except NotFoundError:
            log.warning("entry %d: the mailbox that is to keep a copy does not exist any more", row.outgoing_id)

    async def _mark(
        self, row: OutgoingRow, recipients: Sequence[RecipientRow], state: RecipientState, status: str, diagnostic: str
    ) -> None:
        async with self._database.write() as connection:
            numbers = [item.number for item in recipients]
            await queue.update_recipients(
                connection, row.outgoing_id, numbers, state=state, status=status, diagnostic=diagnostic
            )

    async def _compose(self, row: OutgoingRow, message: Message, recipients: Sequence[RecipientRow]) -> None:
        """Make the MIME form, a blob, and note it with the entry."""
        domains = {item.address.rpartition("@")[2].lower() for item in recipients}
        options = ExportOptions(
            domain=row.sender.rpartition("@")[2] or self._names.hostname,
            smtputf8=True,
            tnef=encapsulated if domains <= self._names.tnef_domains and fits(message) else None,
        )
        composed = await compose_internet_message(
            self._database.blobs, message, options=options, resolve=self._smtp_address
        )
        async with composed:
            size, eight_bit, smtputf8 = composed.size, composed.eight_bit, composed.smtputf8
            digest = await asyncio.to_thread(composed.keep)
        async with self._database.write() as connection:
            await messages.count_blobs(connection, NO_MAILBOX, [(digest, size)])
            await queue.update_outgoing(
                connection, row.outgoing_id, digest=digest, size=size, eight_bit=eight_bit, smtputf8=smtputf8
            )

    async def _smtp_address(self, dn: str) -> str | None:
        entry = await self._directory.entry(dn)
        return entry.address if entry is not None and entry.address else None

    def _chunks(self, row: OutgoingRow) -> Any:
        assert row.digest is not None
        for offset in range(0, row.size, CHUNK):
            yield self._database.blobs.get(row.digest, offset, min(CHUNK, row.size - offset))

    @staticmethod
    async def _is_sent(mailbox: Mailbox, message_id: int) -> bool:
        """Whether it is where it was submitted: perhaps without the mark of that, if the server ended meanwhile."""
        row = await mailbox.message(message_id)
        return row is not None and not row.message_flags & MESSAGE_FLAG_UNSENT

    async def _note(self, row: OutgoingRow, pending: Sequence[RecipientRow], outcomes: Sequence[Outcome]) -> None:
        """What became of recipients at the relay; those who waited for too long have failed."""
        moment = now()
        expired = moment >= row.created + self._schedule.bounce_after
        groups: dict[tuple[int, str, str], list[int]] = {}
        for recipient, outcome in zip(pending, outcomes, strict=True):
            state, status = RecipientState.PENDING, outcome.status
            if outcome.fate is Fate.TAKEN:
                # Of what the relay reports itself nothing more is said here.
                state = RecipientState.REPORTED if outcome.reports else RecipientState.RELAYED
            elif outcome.fate is Fate.REFUSED:
                state = RecipientState.FAILED
            elif expired:
                state, status = RecipientState.FAILED, "4.4.7"
            groups.setdefault((state, status, outcome.diagnostic), []).append(recipient.number)
            self._database.statistics.deliveries[_RELAYED[outcome.fate]] += 1
        async with self._database.write() as connection:
            for (state_, status, diagnostic), numbers in groups.items():
                await queue.update_recipients(
                    connection, row.outgoing_id, numbers, state=state_, status=status, diagnostic=diagnostic
                )
            waiting = any(state_ == RecipientState.PENDING for state_, _status, _text in groups)
            due = min(moment + self._schedule.pause(row.attempts), row.created + self._schedule.bounce_after)
            await queue.update_outgoing(
                connection,
                row.outgoing_id,
                attempts=row.attempts + 1,
                due=max(due, moment + self._schedule.first) if waiting else row.due,
            )
        for (state_, status, diagnostic), numbers in groups.items():
            if state_ != RecipientState.RELAYED:
                log.info("entry %d: %d recipients: %s %s", row.outgoing_id, len(numbers), status, diagnostic)

    async def _next(self, row: OutgoingRow, step: Step) -> None:
        """Go on with an entry, or remove it when nobody waits for it any more."""
        async with self._database.write() as connection:
            present = await queue.select_outgoing(connection, row.outgoing_id)
            if present is None:
                return
            recipients = await queue.select_recipients(connection, row.outgoing_id)
            if any(item.state == RecipientState.PENDING for item in recipients):
                await queue.update_outgoing(connection, row.outgoing_id, step=step)
            else:
                await drop(connection, present)

    # Reports

    def _occasion(self, domain: str, locale: int) -> Occasion:
        return Occasion(self._names.hostname, domain or self._names.domain or self._names.hostname, locale, now())

    async def _report(self, row: OutgoingRow, message: Message) -> None:
        """Tell the sender of a submitted message what became of it so far, once of each recipient."""
        recipients = await self._recipients(row)
        chosen = {
            ReportKind.FAILED: [item for item in recipients if item.state == RecipientState.FAILED],
            ReportKind.DELIVERED: [],
            ReportKind.RELAYED: [],
        }
        if _wants_report(message):
            chosen[ReportKind.DELIVERED] = [item for item in recipients if item.state == RecipientState.DELIVERED]
            chosen[ReportKind.RELAYED] = [item for item in recipients if item.state == RecipientState.RELAYED]
        for kind, about in chosen.items():
            if about:
                await self._tell(row, kind, message, about, recipients)
        late = now() >= row.created + self._schedule.warn_after and not row.warned
        pending = [item for item in recipients if item.state == RecipientState.PENDING]
        if late and pending and row.step == Step.RELAY:
            await self._tell(row, ReportKind.DELAYED, message, pending, recipients)

    async def _tell(
        self,
        row: OutgoingRow,
        kind: ReportKind,
        message: Message,
        about: Sequence[RecipientRow],
        recipients: Sequence[RecipientRow],
    ) -> None:
        numbers = [item.number for item in about]

        async def mark(connection: Connection, message_id: int = 0) -> None:
            if kind is ReportKind.DELAYED:
                await queue.update_outgoing(connection, row.outgoing_id, warned=True)
            else:
                await queue.update_recipients(connection, row.outgoing_id, numbers, state=RecipientState.REPORTED)

        sender = await self._directory.by_address(row.sender) if row.sender else None
        if sender is None:  # nobody is told of reports, or of what a user wrote who is gone
            async with self._database.write() as connection:
                await mark(connection)
            return
        item = report(kind, message, about, recipients, self._occasion(sender.domain, row.locale))
        await self._deliverer.deliver(sender, item, sender.address, also=mark)

    async def _report_relayed(self, row: OutgoingRow) -> None:
        async with self._database.read() as connection:
            present = await queue.select_outgoing(connection, row.outgoing_id)
        if present is None:
            return
        original = await self._original(present)
        if original is not None:
            await self._report(present, original)
            return
        failed = [item for item in await self._recipients(row) if item.state == RecipientState.FAILED]
        if failed and row.sender and row.digest is not None:
            head = await asyncio.to_thread(self._database.blobs.get, row.digest, 0, min(row.size, _HEAD))
            sender = await self._directory.by_address(row.sender)
            occasion = self._occasion(sender.domain if sender is not None else "", row.locale)
            text = notification(row.sender, failed, head, occasion)
            if sender is not None:
                message = await received(self._database, text)
                await self._deliverer.deliver(sender, message, row.sender)
            else:
                await self.queue_mime("", [RecipientRow(0, row.sender, row.sender)], text, "Undelivered Mail")
        await self._mark(row, failed, RecipientState.REPORTED, "5.0.0", "reported")

    # What comes from elsewhere than a client

    async def forward(self, sender: str, contact: Contact, message: NewMessage) -> None:
        """Put mail that arrived for somebody elsewhere into the queue. Raises `LoopError` and what the store raises."""
        headers = message.message.properties.get(tags.PidTagTransportMessageHeaders)
        if isinstance(headers, str) and f"\n{headers}".lower().count("\nreceived:") > _HOPS:
            raise LoopError(f"a message for {contact.address} goes in a circle")
        subject = message.message.properties.get(tags.PidTagSubject)
        recipient = RecipientRow(0, contact.address, contact.display_name)
        mime = message.mime
        assert mime is not None
        await self.queue_mime(sender, [recipient], mime, subject if isinstance(subject, str) else "")

    async def queue_mime(
        self, sender: str, recipients: Sequence[RecipientRow], mime: bytes | BlobValue, subject: str
    ) -> None:
        """Put Internet mail into the queue; on disk when this returns."""
        if isinstance(mime, BlobValue):
            digest, size = mime.digest, mime.size
            await asyncio.to_thread(self._database.blobs.renew, [digest])
        else:
            digest, size = digest_of(mime), len(mime)
            await asyncio.to_thread(self._database.blobs.put, {digest: mime})
        moment = now()
        row = OutgoingRow(
            step=Step.RELAY,
            sender=sender,
            subject=subject[:255],
            created=moment,
            due=moment,
            digest=digest,
            size=size,
            eight_bit=True,
        )
        async with self._database.write() as connection:
            await queue.insert_outgoing(connection, row, recipients, [(digest, size)])
        self._database.queued.set()

    async def send_message(self, mailbox: Mailbox, message: Message, *, sender: str = "") -> None:
        """Send an item that the server makes in somebody's name; on disk when this returns.

        An empty ``sender`` is for answers that nobody must answer.
        """
        await self._send_message(mailbox, message, sender=sender)

    async def _send_message(
        self, mailbox: Mailbox, message: Message, *, sender: str = "", replacing: OutgoingRow | None = None
    ) -> None:
        (prepared,) = await mailbox.prepare([NewMessage(message)])
        recipients = await self._expansion.recipients(_numbered(message), 0)
        moment = now()
        row = OutgoingRow(
            step=Step.EXPANDED,
            mailbox_id=mailbox.mailbox_id,
            sender=sender,
            subject=str(message.properties.get(tags.PidTagSubject, ""))[:255],
            created=moment,
            due=moment,
            properties=prepared.content.properties,
            properties_index=prepared.content.properties_index,
            children=prepared.content.children,
            children_index=prepared.content.children_index,
        )
        async with self._database.write() as connection:
            if replacing is not None and not await queue.delete_outgoing(connection, replacing.outgoing_id):
                return
            await queue.insert_outgoing(connection, row, recipients, prepared.blob_uses)
        self._database.queued.set()


def _numbered(message: Message) -> Message:
    """The message with its recipients numbered as the store numbers them."""
    recipients = [{tags.PidTagRowid: number, **item} for number, item in enumerate(message.recipients)]
    return replace(message, recipients=recipients)


def _wants_report(message: Message) -> bool:
    return message.properties.get(tags.PidTagOriginatorDeliveryReportRequested) is True
