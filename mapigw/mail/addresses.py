"""Address fields: RFC 5322 address lists to property groups, recipients and entry ids (MS-OXCMAIL 2.2.3.1)."""

import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from mapigw.directory.model import User
from mapigw.mail.headers import Headers, clean, decode_words
from mapigw.mail.parts import Budget
from mapigw.wire import tags
from mapigw.wire.entryids import FLAT_ENTRY_LIST, address_book_entry_id, one_off_entry_id
from mapigw.wire.message import Properties

_SMTP: Final = "SMTP"

RECIPIENT_TO: Final = 1
RECIPIENT_CC: Final = 2
RECIPIENT_BCC: Final = 3
_MAIL_USER: Final = 6  # PidTagObjectType

# A recipient has to fit in the 16-bit sizes of recipient rows.
MAX_NAME: Final = 256
MAX_EMAIL: Final = 1024

SENDER: Final = (
    tags.PidTagSenderName,
    tags.PidTagSenderAddressType,
    tags.PidTagSenderEmailAddress,
    tags.PidTagSenderSmtpAddress,
    tags.PidTagSenderEntryId,
    tags.PidTagSenderSearchKey,
)
SENT_REPRESENTING: Final = (
    tags.PidTagSentRepresentingName,
    tags.PidTagSentRepresentingAddressType,
    tags.PidTagSentRepresentingEmailAddress,
    tags.PidTagSentRepresentingSmtpAddress,
    tags.PidTagSentRepresentingEntryId,
    tags.PidTagSentRepresentingSearchKey,
)
READ_RECEIPT: Final = (
    tags.PidTagReadReceiptName,
    tags.PidTagReadReceiptAddressType,
    tags.PidTagReadReceiptEmailAddress,
    tags.PidTagReadReceiptSmtpAddress,
    tags.PidTagReadReceiptEntryId,
    tags.PidTagReadReceiptSearchKey,
)


@dataclass(frozen=True, slots=True)
class Address:
    """One mailbox of an address list; ``name`` is never empty, ``email`` is what stood for the address."""

    name: str
    email: str

    def cut(self) -> "Address":
        """The same with a name and an address that fit in a recipient row."""
        return Address(self.name[:MAX_NAME], self.email[:MAX_EMAIL])

    @property
    def entry_id(self) -> bytes:
        """One-Off EntryID (MS-OXCDATA 2.2.5.1)."""
        return one_off_entry_id(self.name, self.email)

    @property
    def search_key(self) -> bytes:
        """Address type and address in upper case with a NUL (MS-OXOABK 2.2.3.15)."""
        return f"{_SMTP}:{self.email}".upper().encode("utf-8", "replace") + b"\0"


_TEXT: Final = r'(?P<angle><[^<>]*>)|(?P<comment>\()|(?P<mark>[,;:])|(?P<text>[^"<(,;:]+|.)'
_TOKEN: Final = re.compile(rf'(?P<quoted>"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z))|{_TEXT}', re.DOTALL)
_UNQUOTED_TOKEN: Final = re.compile(_TEXT, re.DOTALL)
_COMMENT: Final = re.compile(r"[^()\\]+|\\.|.", re.DOTALL)
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_ROUTE: Final = re.compile(r"@[^:<>]*:")
_INNER_COMMENT: Final = re.compile(r"\([^()]*\)")
_SPACED_MARK: Final = re.compile(r" ?([.@]) ?")


class _Item:
    """What stands between two commas."""

    __slots__ = ("angle", "comments", "has_at", "plain", "quoted", "words")

    def __init__(self) -> None:
        self.words: list[str] = []  # in order, quoted strings without their quotes
        self.plain: list[str] = []  # the unquoted ones
        self.has_at = False  # among the unquoted ones
        self.quoted = ""
        self.angle: str | None = None
        self.comments: list[str] = []

    def is_fragment(self) -> bool:
        return self.angle is None and not any("@" in word for word in self.words)

    def addresses(self) -> list[Address]:
        name = clean(decode_words(" ".join(self.words)))
        comment = clean(decode_words(" ".join(self.comments)))
        if self.angle is not None:
            email = _INNER_COMMENT.sub("", self.angle)
            if email.startswith("@"):
                email = _ROUTE.sub("", email, count=1)
            return [_address(name or comment, decode_words("".join(email.split())))]
        if self.quoted and self.plain and self.plain[0].startswith("@"):  # a quoted local part
            return [_address(comment, f'"{self.quoted}"{"".join("".join(self.plain).split())}')]
        # Blanks are allowed around dots and at signs; several addresses without commas are seen in broken mail.
        text = _SPACED_MARK.sub(r"\1", " ".join(self.words))
        words = text.split(" ")
        emails = [word for word in words if "@" in word]
        phrase = clean(decode_words(" ".join(word for word in words if "@" not in word)))
        if not emails:
            return [_address(comment, name)]
        return [_address(comment or (phrase if len(emails) == 1 else ""), email) for email in emails]


def _address(name: str, email: str) -> Address:
    name, email = clean(name.strip("'") or name)[:MAX_NAME], clean(email)
    return Address(name or email[:MAX_NAME], (email or name)[:MAX_EMAIL])


def parse_addresses(value: str, maximum: int | None = None) -> list[Address]:
    """The mailboxes of an address list, members of groups among them, in order; the first ``maximum`` if it is given.

    A name with an unquoted comma ("Doe, John <j@x>") is put together again. An item that has no address is one with
    its text for address, so that nobody is lost; the name of a group ("undisclosed-recipients:;") is nobody.
    """
    found: list[Address] = []
    fragments: list[_Item] = []

    def finish(item: _Item, *, comma: bool) -> None:
        if not (item.words or item.angle):
            return
        if item.is_fragment() and comma:
            fragments.append(item)
            return
        if fragments and item.angle is not None:
            item.words = [word for part in fragments for word in (*part.words[:-1], f"{part.words[-1]},")] + item.words
        else:
            for fragment in fragments:
                found.extend(fragment.addresses())
        fragments.clear()
        found.extend(item.addresses())

    item = _Item()
    pattern = _TOKEN
    position = 0
    while position < len(value) and (maximum is None or max(len(found), len(fragments)) < maximum):
        token = pattern.match(value, position)
        if token is None:
            break
        kind, text = token.lastgroup, token.group()
        position = token.end()
        if kind == "quoted":
            if len(text) == 1 or not text.endswith('"'):
                pattern, position = _UNQUOTED_TOKEN, token.start()  # the quotes are not balanced
                continue
            item.quoted = _QUOTED_PAIR.sub(r"\1", text[1:-1]).strip()
            if item.quoted:
                item.words.append(item.quoted)
        elif kind == "angle":
            item.angle = text[1:-1].strip()
        elif kind == "comment":
            comment, position = _read_comment(value, position)
            item.comments.append(comment)
        elif kind == "text":
            text = text.strip('" \t\r\n<')
            if text:
                item.words.append(" ".join(text.split()))
                item.plain.append(text)
                item.has_at = item.has_at or "@" in text
        elif text == ":" and (item.angle is not None or item.has_at):
            continue
        else:
            if text != ":":  # else it was the name of a group
                finish(item, comma=text == ",")
            item = _Item()
    finish(item, comma=False)
    for fragment in fragments:
        found.extend(fragment.addresses())
    return [address for address in found if address.email][:maximum]


def _read_comment(value: str, position: int) -> tuple[str, int]:
    """The text of a comment whose opening bracket ends at ``position``, brackets in it included, and where it ends."""
    depth = 1
    parts: list[str] = []
    for piece in _COMMENT.finditer(value, position):
        text = piece.group()
        position = piece.end()
        depth += (text == "(") - (text == ")")
        if not depth:
            break
        parts.append(text[1:] if len(text) == 2 and text[0] == "\\" else text)
    return "".join(parts), position


def group_properties(group: tuple[int, ...], address: Address) -> Properties:
    """A property group (2.6): name, type, address, SMTP address, entry id and search key of ``address``."""
    values = (address.name, _SMTP, address.email, address.email, address.entry_id, address.search_key)
    return dict(zip(group, values, strict=True))


def address_group(group: tuple[int, ...], user: User) -> dict[Any, Any]:
    """A group of address properties (name, type, address, SMTP address, EntryID, search key) that names a user."""
    name, kind, email, smtp, entry_id, search_key = group
    return {
        name: user.display_name,
        kind: "EX",
        email: user.legacy_dn,
        smtp: user.address,
        entry_id: address_book_entry_id(user.legacy_dn),
        search_key: f"EX:{user.legacy_dn}".upper().encode("ascii", "replace") + b"\0",
    }


def recipient_properties(address: Address, recipient_type: int, row: int) -> Properties:
    """The recipient table's row of an address (MS-OXCMSG 2.2.3.1.2, MS-OXCDATA 2.8.3)."""
    return {
        tags.PidTagRowid: row,
        tags.PidTagRecipientType: recipient_type,
        tags.PidTagObjectType: _MAIL_USER,
        tags.PidTagDisplayType: 0,
        tags.PidTagDisplayName: address.name,
        tags.PidTagAddressType: _SMTP,
        tags.PidTagEmailAddress: address.email,
        tags.PidTagSmtpAddress: address.email,
        tags.PidTagTransmittableDisplayName: address.name,
        tags.PidTagEntryId: address.entry_id,
        tags.PidTagSearchKey: address.search_key,
        tags.PidTagSendRichInfo: False,
        tags.PidTagRecipientFlags: 1,
        tags.PidTagRecipientTrackStatus: 0,
        tags.PidTagResponsibility: True,
    }


_RECIPIENT_FIELDS: Final = (
    ("to", RECIPIENT_TO, tags.PidTagDisplayTo),
    ("cc", RECIPIENT_CC, tags.PidTagDisplayCc),
    ("bcc", RECIPIENT_BCC, tags.PidTagDisplayBcc),
)


class Addressing(NamedTuple):
    """What the address fields say; ``is_cut`` where they name more people than a message may have."""

    properties: Properties
    recipients: list[Properties]
    is_cut: bool


def address_properties(headers: Headers, budget: Budget) -> Addressing:
    """Sender, reply and receipt properties of a message, and its recipients, as many as the budget allows."""
    properties: Properties = {}
    recipients: list[Properties] = []

    def addresses(name: str) -> list[Address]:
        found: list[Address] = []
        for value in headers.all(name):
            if budget.addresses <= 0 or budget.address_text <= 0:
                break
            more = parse_addresses(value[: budget.address_text], budget.addresses)
            budget.addresses -= len(more)
            budget.address_text -= len(value)
            found += more
        return found

    author = next(iter(addresses("from")), None)
    sender = next(iter(addresses("sender")), None)
    if author := author or sender:
        properties |= group_properties(SENT_REPRESENTING, author)
        properties |= group_properties(SENDER, sender or author)
    receipt = next(iter(addresses("disposition-notification-to")), None)
    if receipt:
        properties |= group_properties(READ_RECEIPT, receipt)
        properties[tags.PidTagReadReceiptRequested] = True
        properties[tags.PidTagNonReceiptNotificationRequested] = True
    if "return-receipt-to" in headers:
        properties[tags.PidTagOriginatorDeliveryReportRequested] = True
    replies = addresses("reply-to")
    if replies:
        properties[tags.PidTagReplyRecipientEntries] = FLAT_ENTRY_LIST.build([reply.entry_id for reply in replies])
        properties[tags.PidTagReplyRecipientNames] = ";".join(reply.name.replace(";", ",") for reply in replies)
    for name, recipient_type, display in _RECIPIENT_FIELDS:
        found = addresses(name)
        properties[display] = "; ".join(address.name for address in found)
        for address in found:
            recipients.append(recipient_properties(address, recipient_type, len(recipients)))
    return Addressing(properties, recipients, budget.addresses <= 0 or budget.address_text <= 0)
