"""Address fields (MS-OXCMAIL 2.1.3.1): property groups, recipients and entry ids to mailboxes."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from mapigw.mail.addresses import READ_RECEIPT, RECIPIENT_BCC, RECIPIENT_CC, RECIPIENT_TO, SENDER, SENT_REPRESENTING
from mapigw.mail.export.fields import Fields, Mailbox, internet_address, line_of, needs_utf8
from mapigw.mail.export.reader import PropertyReader
from mapigw.store.blobs import FolderBlobStore
from mapigw.wire import tags
from mapigw.wire.entryids import (
    ADDRESS_BOOK_PROVIDER_UID,
    FLAT_ENTRY_LIST,
    ONE_OFF_ENTRY_ID,
    ONE_OFF_PROVIDER_UID,
    address_book_dn,
)
from mapigw.wire.errors import WireError
from mapigw.wire.message import Message, Properties

_SMTP: Final = "SMTP"
_EXCHANGE: Final = "EX"
_TYPE_MASK: Final = 0x0F  # of PidTagRecipientType, whose high bits belong to a resend (MS-OXCMSG 2.2.3.1.2)
_NO_AUTHOR: Final = "unknown"
NOBODY: Final = Mailbox("undisclosed-recipients", "")
_MAX_REPLIES: Final = 1000
_IMCEA_SAFE: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-=")


@dataclass(frozen=True, slots=True)
class Addressing:
    """How addresses become Internet addresses.

    ``smtp`` has those of legacy DNs, by the DN in lower case; ``domain`` is where others are encapsulated to, as
    "IMCEAFAX-…@domain" (2.1.3.1.8), "" if they are not.
    """

    smtp: Mapping[str, str] = field(default_factory=dict)
    domain: str = ""

    def internet(self, kind: str, email: str) -> str:
        """The Internet address of a typed one; what it is if there is none."""
        kind = kind.upper()
        if kind == _EXCHANGE or (not kind and email.startswith("/")):
            found = self.smtp.get(email.lower())
            if found:
                return found
            kind = _EXCHANGE
        if kind in ("", _SMTP) or not email or not self.domain:
            return email.strip()
        escaped = "".join(
            chr(byte) if byte in _IMCEA_SAFE else "_" if byte == 0x2F else f"+{byte:02X}"
            for byte in email.encode("utf-8", "replace")
        )
        return f"IMCEA{kind if kind.isalnum() and kind.isascii() else 'X'}-{escaped}@{self.domain}"

    def group(self, values: PropertyReader, group: tuple[int, ...]) -> Mailbox | None:
        """Whom a property group names: by its SMTP address, else its address, else its entry id (2.1.3.1.1)."""
        name_tag, kind_tag, email_tag, smtp_tag, entry_tag, _search_key = group
        email = values.text(smtp_tag)
        if not _is_internet(email):
            email = self.internet(values.text(kind_tag), values.text(email_tag))
        name = values.text(name_tag)
        if not email and (entry := self.entry(values.binary(entry_tag))) is not None:
            return Mailbox(name or entry.name, entry.email)
        return Mailbox(name, email) if line_of(name) or line_of(email) else None

    def recipient(self, values: PropertyReader) -> Mailbox:
        """A row of the recipient table."""
        email = values.text(tags.PidTagSmtpAddress)
        if not _is_internet(email):
            email = self.internet(values.text(tags.PidTagAddressType), values.text(tags.PidTagEmailAddress))
        name = values.text(tags.PidTagDisplayName) or values.text(tags.PidTagTransmittableDisplayName)
        if not email and (entry := self.entry(values.binary(tags.PidTagEntryId))) is not None:
            return Mailbox(name or entry.name, entry.email)
        return Mailbox(name, email)

    def entry(self, entry_id: bytes) -> Mailbox | None:
        """Whom a One-Off or an Address Book EntryID names; None for another, or a damaged one."""
        try:
            if entry_id[4:20] == ONE_OFF_PROVIDER_UID.bytes_le:
                entry = ONE_OFF_ENTRY_ID.parse(entry_id, exact=False)
                return Mailbox(
                    _decoded(entry.display_name),
                    self.internet(_decoded(entry.address_type), _decoded(entry.email_address)),
                )
            if entry_id[4:20] == ADDRESS_BOOK_PROVIDER_UID.bytes_le:
                return Mailbox("", self.internet(_EXCHANGE, address_book_dn(entry_id)))
        except WireError:
            pass
        return None


def _is_internet(email: str) -> bool:
    return bool(internet_address(email, utf8=True))


def _decoded(text: str | bytes) -> str:
    return text.decode("cp1252", "replace") if isinstance(text, bytes) else text


def visible_recipients(
    message: Message, addressing: Addressing, blobs: FolderBlobStore | None, kind: int
) -> list[Mailbox]:
    """The recipients of one type, in order."""
    found = []
    for recipient in message.recipients:
        values = PropertyReader(recipient, blobs)
        if (values.integer(tags.PidTagRecipientType, RECIPIENT_TO) & _TYPE_MASK or RECIPIENT_TO) == kind:
            found.append(addressing.recipient(values))
    return found


def write_authors(fields: Fields, values: PropertyReader, addressing: Addressing) -> None:
    """From, Sender and Reply-To (2.1.3.1.2 to 2.1.3.1.4)."""
    author = addressing.group(values, SENT_REPRESENTING)
    sender = addressing.group(values, SENDER)
    if author is None:
        author, sender = sender, None
    fields.addresses("From", [author or Mailbox("", "")])
    if "from" not in fields:  # which RFC 5322 3.6 asks for, and RFC 6854 allows to be nobody
        fields.addresses("From", [Mailbox(_NO_AUTHOR, "")])
    if sender is not None and sender.email and author is not None and sender.email.lower() != author.email.lower():
        fields.addresses("Sender", [sender])
    fields.addresses("Reply-To", _replies(values, addressing))


def write_recipients(
    fields: Fields,
    message: Message,
    addressing: Addressing,
    blobs: FolderBlobStore | None,
    blind: frozenset[str] | None,
) -> None:
    """To, Cc and Bcc; of the last only those in ``blind`` (addresses in lower case), or all (None)."""
    bcc = visible_recipients(message, addressing, blobs, RECIPIENT_BCC)
    if blind is not None:
        bcc = [mailbox for mailbox in bcc if mailbox.email.lower() in blind]
    fields.addresses("To", visible_recipients(message, addressing, blobs, RECIPIENT_TO))
    fields.addresses("Cc", visible_recipients(message, addressing, blobs, RECIPIENT_CC))
    fields.addresses("Bcc", bcc)
    if not any(name in fields for name in ("to", "cc", "bcc")):
        fields.addresses("To", [NOBODY])


def _replies(values: PropertyReader, addressing: Addressing) -> list[Mailbox]:
    """PidTagReplyRecipientEntries, with their names as long as there are as many of them (2.1.3.1.2)."""
    try:
        entry_ids = FLAT_ENTRY_LIST.parse(values.binary(tags.PidTagReplyRecipientEntries), exact=False)
    except WireError:
        return []
    names = values.text(tags.PidTagReplyRecipientNames).split(";")
    if len(names) != len(entry_ids):
        names = [""] * len(entry_ids)
    found = zip(names, map(addressing.entry, entry_ids[:_MAX_REPLIES]), strict=False)
    return [Mailbox(name.strip() or entry.name, entry.email) for name, entry in found if entry is not None]


def receipt_mailbox(values: PropertyReader, addressing: Addressing) -> Mailbox | None:
    """Who gets read receipts: the property group's, else the sender (2.1.3.1.7)."""
    return addressing.group(values, READ_RECEIPT) or sender_mailbox(values, addressing)


def sender_mailbox(values: PropertyReader, addressing: Addressing) -> Mailbox | None:
    """Who sent the message, else whom it was sent for."""
    return addressing.group(values, SENDER) or addressing.group(values, SENT_REPRESENTING)


def needs_utf8_addresses(message: Message, addressing: Addressing, blobs: FolderBlobStore | None) -> bool:
    """Whether an address in the header can only be written with RFC 6532."""
    values = PropertyReader(message.properties, blobs)
    shown = [addressing.group(values, group) for group in (SENDER, SENT_REPRESENTING, READ_RECEIPT)]
    shown += _replies(values, addressing)
    shown += [addressing.recipient(PropertyReader(recipient, blobs)) for recipient in message.recipients]
    return any(mailbox is not None and needs_utf8(mailbox.email) for mailbox in shown)


def legacy_dns(message: Message, blobs: FolderBlobStore | None) -> set[str]:
    """The legacy DNs, in lower case, in the address properties of a message and of those embedded in it."""
    found: set[str] = set()
    for properties in _address_properties(message):
        values = PropertyReader(properties, blobs)
        for kind_tag, email_tag in _TYPED:
            email = values.text(email_tag)
            if values.text(kind_tag).upper() == _EXCHANGE or email.startswith("/"):
                found.add(email.lower())
        for tag in _ENTRY_IDS:
            found |= _dns_of([values.binary(tag)])
        with suppress(WireError):
            found |= _dns_of(FLAT_ENTRY_LIST.parse(values.binary(tags.PidTagReplyRecipientEntries), exact=False))
    return found


_TYPED: Final = (
    (tags.PidTagAddressType, tags.PidTagEmailAddress),
    *((group[1], group[2]) for group in (SENDER, SENT_REPRESENTING, READ_RECEIPT)),
)
_ENTRY_IDS: Final = (tags.PidTagEntryId, SENDER[4], SENT_REPRESENTING[4], READ_RECEIPT[4])


def _dns_of(entry_ids: Iterable[bytes]) -> set[str]:
    found = set()
    for entry_id in entry_ids:
        if entry_id[4:20] == ADDRESS_BOOK_PROVIDER_UID.bytes_le:
            try:
                found.add(address_book_dn(entry_id).lower())
            except WireError:
                continue
    return found


def _address_properties(message: Message) -> Iterator[Properties]:
    yield message.properties
    yield from message.recipients
    for attachment in message.attachments:
        if attachment.embedded is not None:
            yield from _address_properties(attachment.embedded)
