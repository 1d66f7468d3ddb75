"""Whom a submitted message goes to, and as what it arrives there."""

from collections.abc import AsyncIterator
from typing import Any, Final

from mapigw.directory.directory import Directory
from mapigw.directory.model import Entry, User
from mapigw.mail.addresses import RECIPIENT_BCC, SENDER, address_group
from mapigw.mail.bounces import HAS_IT, text_of
from mapigw.mail.delivery_addresses import Addresses
from mapigw.mail.submission import may_send
from mapigw.mailbox.messages import MESSAGE_FLAG_RESEND
from mapigw.store.queue import NO_MAILBOX, NO_ROW, RecipientRow, RecipientState
from mapigw.wire import tags
from mapigw.wire.entryids import ONE_OFF_ENTRY_ID, address_book_dn
from mapigw.wire.errors import WireError
from mapigw.wire.message import Message, Properties

_NOT_DELIVERED: Final = frozenset(
    {
        tags.PidTagSubmitFlags,
        tags.PidTagSentMailEntryId,
        tags.PidTagSentMailSvrEID,
        tags.PidTagTargetEntryId,
        tags.PidTagDeleteAfterSubmit,
        tags.PidTagDeferredSendTime,
        tags.PidTagDeferredSendNumber,
        tags.PidTagDeferredSendUnits,
        tags.PidTagCreationTime,
        tags.PidTagCreatorName,
        tags.PidTagCreatorEntryId,
        tags.PidTagLastModifierName,
        tags.PidTagLastModifierEntryId,
        tags.PidTagMessageFlags,
        tags.PidTagDisplayBcc,
        tags.PidTagFlagStatus,
        tags.PidTagFollowupIcon,
        tags.PidTagToDoItemFlags,
        tags.PidTagSwappedToDoData,
        tags.PidTagSwappedToDoStore,
    }
)
"""What concerns only the sender's own copy (MS-OXOMSG 2.2.3, MS-OXOFLAG 2.2.1)."""
_OF_SENDER: Final = frozenset({tags.PidTagRowid, tags.PidTagResponsibility})


class Expansion:
    """Finds the recipients of what users submit."""

    def __init__(self, directory: Directory, addresses: Addresses) -> None:
        self._directory = directory
        self._addresses = addresses

    async def refusal(self, sender: User, message: Message) -> str:
        """Why the user may not send in the name that the message has; "" if that is allowed."""
        address = await self._represented(message.properties)
        if await may_send(self._directory, sender, address):
            return ""
        return f'{sender.address} has neither the right "Send As" nor "Send on Behalf" for {address or "nobody"}'

    async def represented(self, sender: User, message: Message) -> User | None:
        """The mailbox of somebody else that a user sends as, None where that is not so or not allowed."""
        address = await self._represented(message.properties)
        owner = await self._directory.by_address(address)
        if owner is None or owner.user_id == sender.user_id or not await may_send(self._directory, sender, address):
            return None
        return owner

    async def _represented(self, properties: Properties) -> str:
        """The SMTP address of who a message is from."""
        names = (
            (tags.PidTagSentRepresentingAddressType, tags.PidTagSentRepresentingEmailAddress),
            (tags.PidTagSenderAddressType, tags.PidTagSenderEmailAddress),
        )
        for kind, email in names:
            address = text_of(properties, email)
            if address and (text_of(properties, kind).upper() == "EX" or address.startswith("/")):
                entry = await self._directory.entry(address)
                return entry.key if entry is not None else address
            if address:
                return address
        entry_id = properties.get(tags.PidTagSentRepresentingEntryId)
        if isinstance(entry_id, bytes):
            entry, address = await self._by_entry_id(entry_id)
            return entry.key if entry is not None else address
        return ""

    async def recipients(self, message: Message, flags: int) -> list[RecipientRow]:
        """Whom it reaches, each once; those whom it cannot reach have failed already. ``flags`` are its message flags.

        A message that is sent again goes only to those who did not get it (MS-OXOMSG 3.3.5.1).
        """
        rows: list[RecipientRow] = []
        seen: set[int | str] = set()
        for recipient in message.recipients:
            if flags & MESSAGE_FLAG_RESEND and int(recipient.get(tags.PidTagRecipientType, 1)) & HAS_IT:
                continue
            row_id = int(recipient.get(tags.PidTagRowid, NO_ROW))
            async for row in self._reached(recipient, row_id):
                key: int | str = row.mailbox_id or row.address.lower() or f"{row.row_id} {row.name}"
                if key not in seen:
                    seen.add(key)
                    rows.append(row._replace(number=len(rows)))
        return rows

    async def _reached(self, recipient: Properties, row_id: int) -> AsyncIterator[RecipientRow]:
        entry, address = await self._named(recipient)
        name = text_of(recipient, tags.PidTagDisplayName) or address
        if entry is None and address and "@" in address:
            entry = await self._addresses.find(address)
        if entry is not None:
            found = await self._addresses.destinations(entry)
            for user in found.users.values():
                yield RecipientRow(0, user.address, user.display_name, row_id, user.mailbox_id)
            for contact in found.contacts.values():
                yield RecipientRow(0, contact.address, contact.display_name, row_id)
            for user in found.disabled:
                is_member = user is not entry
                yield _failed(user.address, user.display_name, NO_ROW if is_member else row_id, "5.2.1", "disabled")
            if not (found.users or found.contacts or found.disabled):
                yield _failed(entry.key, name, row_id, "5.1.1", "the group has no members")
        elif "@" not in address:
            yield _failed(address, name, row_id, "5.1.1", "not found in the directory")
        elif await self._addresses.is_local(address):
            yield _failed(address, name, row_id, "5.1.1", "there is nobody of this address here")
        else:
            yield RecipientRow(0, address, name, row_id)

    async def _named(self, recipient: Properties) -> tuple[Entry | None, str]:
        """The entry of a recipient, or the address that is to be used."""
        kind = text_of(recipient, tags.PidTagAddressType).upper()
        email = text_of(recipient, tags.PidTagEmailAddress)
        if kind == "SMTP" and email:
            return None, email
        entry = await self._directory.entry(email) if kind in {"EX", ""} and email else None
        if entry is not None:
            return entry, entry.key
        smtp = text_of(recipient, tags.PidTagSmtpAddress)
        if smtp:
            return None, smtp
        entry_id = recipient.get(tags.PidTagEntryId)
        if isinstance(entry_id, bytes):
            entry, address = await self._by_entry_id(entry_id)
            if entry is not None or address:
                return entry, address
        return None, email

    async def _by_entry_id(self, entry_id: bytes) -> tuple[Entry | None, str]:
        try:
            return await self._directory.entry(address_book_dn(entry_id)), ""
        except WireError:
            pass
        try:
            found = ONE_OFF_ENTRY_ID.parse(entry_id)
        except WireError:
            return None, ""
        address = found.email_address
        return None, address if isinstance(address, str) else address.decode("ascii", "replace")


def sent_as(message: Message, owner: User) -> Message:
    """A message as its recipients get it from a mailbox that somebody sends as: they do not learn who that was."""
    return Message({**message.properties, **address_group(SENDER, owner)}, message.recipients, message.attachments)


def sent_copy(message: Message, moment: int) -> Message:
    """A message that was sent at a moment, as a further mailbox keeps it; who sent it stays to be seen."""
    properties: dict[Any, Any] = {key: value for key, value in message.properties.items() if key not in _NOT_DELIVERED}
    properties[tags.PidTagMessageDeliveryTime] = moment
    recipients = [
        {key: value for key, value in recipient.items() if key not in _OF_SENDER} for recipient in message.recipients
    ]
    return Message(properties, recipients, message.attachments)


def _failed(address: str, name: str, row_id: int, status: str, diagnostic: str) -> RecipientRow:
    return RecipientRow(0, address, name, row_id, NO_MAILBOX, RecipientState.FAILED, status, diagnostic)


def arriving(message: Message, moment: int) -> Message:
    """A submitted message as it arrives in the mailboxes here: with all its properties but those of the sender's copy.

    Nobody learns of the blind recipients. Large values are shared.
    """
    properties: dict[Any, Any] = {key: value for key, value in message.properties.items() if key not in _NOT_DELIVERED}
    properties[tags.PidTagMessageDeliveryTime] = moment
    recipients: list[Properties] = []
    for recipient in message.recipients:
        kind = int(recipient.get(tags.PidTagRecipientType, 1)) & 0x0F
        if kind != RECIPIENT_BCC:
            kept = {key: value for key, value in recipient.items() if key not in _OF_SENDER}
            recipients.append({**kept, tags.PidTagRecipientType: kind})
    return Message(properties, recipients, message.attachments)
