"""What a program writes in the name of a mailbox's owner: replies, forwarded and redirected mail (MS-OXORULE 3.2.5.1).

No two programs must ever answer each other without end (RFC 3834): what a program wrote says so and is not answered,
and everything that a rule sends on carries the addresses of the mailboxes that did so already.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final
from uuid import uuid4

from mapigw.directory.model import User
from mapigw.mail.addresses import RECIPIENT_TO, Address, recipient_properties
from mapigw.mail.names import header_field
from mapigw.mailbox.bodies.html_text import escaped
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message, Properties
from mapigw.wire.properties import from_filetime

HOPS_MAXIMUM: Final = 3
"""Mailboxes whose rules may send a message on, one after the other."""
SUPPRESS_EVERYTHING: Final = -1  # PidTagAutoResponseSuppress
OOF_CLASS: Final = "IPM.Note.rules.OOFTemplate"

LOOP: Final = header_field("x-ms-exchange-inbox-rules-loop")
"""Who sent it on by a rule: addresses, separated by commas. Exchange looks at it too."""
AUTO_SUBMITTED: Final = header_field("auto-submitted")
_PRECEDENCE: Final = header_field("precedence")
_LIST_ID: Final = header_field("list-id")

_RETURN_PATH: Final = re.compile(r"^Return-Path:[ \t]*<([^<>\r\n]*)>", re.IGNORECASE | re.MULTILINE)
_PROGRAMS: Final = re.compile(
    r"(mailer-daemon|postmaster|no-?reply|do-?not-?reply|.*-(request|bounces?|owner)|owner-.*)\Z"
)
_BULK: Final = frozenset({"bulk", "list", "junk"})
_BODIES: Final = (
    tags.PidTagBody,
    tags.PidTagHtml,
    tags.PidTagRtfCompressed,
    tags.PidTagRtfInSync,
    tags.PidTagNativeBody,
)
_HTML_BODY: Final = re.compile(rb"<body\b[^>]*>", re.IGNORECASE)
_NATIVE_PLAIN, _NATIVE_HTML = 1, 3  # PidTagNativeBody


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Something to be sent. ``envelope`` are the addresses that get it, whatever the message itself says."""

    message: Message
    envelope: tuple[Address, ...]


def sender_of(message: Message) -> str:
    """The address that an automatic answer goes to, in lower case: that of the envelope where it is known (RFC 3834 4).

    "" for what came from nobody, as reports of failures do.
    """
    headers = message.properties.get(tags.PidTagTransportMessageHeaders)
    found = _RETURN_PATH.search(headers) if isinstance(headers, str) else None
    if found is not None:
        return found[1].strip().lower()
    for tag in (
        tags.PidTagSenderSmtpAddress,
        tags.PidTagSenderEmailAddress,
        tags.PidTagSentRepresentingSmtpAddress,
        tags.PidTagSentRepresentingEmailAddress,
    ):
        address = message.properties.get(tag)
        if isinstance(address, str) and "@" in address:
            return address.lower()
    return ""


def is_automatic(message: Message) -> bool:
    """Whether a program wrote it, or it went to a list: no program may answer it (RFC 3834 2)."""
    properties = message.properties
    if str(properties.get(tags.PidTagMessageClass, "")).lower().startswith(("report.", OOF_CLASS.lower())):
        return True
    submitted = str(properties.get(AUTO_SUBMITTED, "no")).partition(";")[0].strip().lower()
    if submitted not in ("", "no") or properties.get(tags.PidTagAutoForwarded) is True:
        return True
    return str(properties.get(_PRECEDENCE, "")).strip().lower() in _BULK or _LIST_ID in properties


def is_program(address: str) -> bool:
    """Whether nobody reads what is sent to an address."""
    return _PROGRAMS.match(address.rpartition("@")[0]) is not None


def hops(message: Message) -> list[str]:
    """The addresses of the mailboxes whose rules sent a message on."""
    value = message.properties.get(LOOP)
    return [part.strip().lower() for part in value.split(",")] if isinstance(value, str) and value.strip() else []


def may_send_on(message: Message, user: User) -> bool:
    """Whether the rules of a user's mailbox may still send a message, or a copy of it, to anybody."""
    passed = hops(message)
    return len(passed) < HOPS_MAXIMUM and user.address not in passed


def _sent_on(properties: Properties, message: Message, user: User) -> None:
    properties[LOOP] = ", ".join([*hops(message), user.address])
    properties[tags.PidTagAutoForwarded] = True


def _subject(prefix: str, message: Message) -> Properties:
    topic = message.properties.get(tags.PidTagNormalizedSubject) or message.properties.get(tags.PidTagSubject)
    topic = topic if isinstance(topic, str) else ""
    return {
        tags.PidTagSubject: f"{prefix}{topic}",
        tags.PidTagSubjectPrefix: prefix,
        tags.PidTagNormalizedSubject: topic,
    }


def _thread(message: Message) -> Properties:
    """What makes a message an answer to another (MS-OXOMSG 2.2.1.3 and following)."""
    original = message.properties
    found: Properties = {
        tag: original[tag] for tag in (tags.PidTagConversationTopic, tags.PidTagConversationIndex) if tag in original
    }
    identifier = original.get(tags.PidTagInternetMessageId)
    if isinstance(identifier, str) and identifier:
        references = original.get(tags.PidTagInternetReferences)
        found[tags.PidTagInReplyToId] = identifier
        found[tags.PidTagInternetReferences] = f"{references} {identifier}" if references else identifier
    return found


def _new(user: User) -> Properties:
    return {
        tags.PidTagMessageClass: "IPM.Note",
        tags.PidTagInternetMessageId: f"<{uuid4().hex}@{user.address.rpartition('@')[2]}>",
    }


def _with_recipients(message: Message, addresses: Iterable[Address]) -> Message:
    start = len(message.recipients)
    message.recipients += [
        recipient_properties(address, RECIPIENT_TO, start + number) for number, address in enumerate(addresses)
    ]
    return message


def reply(
    message: Message, user: User, template: Message, recipients: Sequence[Address], *, text: str = "", oof: bool = False
) -> Outgoing:
    """The answer of a rule: the template with the recipients added, its subject that of the message if it has none.

    With ``text`` that is said instead of what the template says.
    """
    properties = {key: value for key, value in template.properties.items() if key not in _NOT_OF_A_TEMPLATE}
    if not properties.get(tags.PidTagSubject):
        properties |= _subject("Automatic reply: " if oof else "RE: ", message)
    if text:
        for tag in _BODIES:
            properties.pop(tag, None)
        properties |= {tags.PidTagBody: text, tags.PidTagNativeBody: _NATIVE_PLAIN}
    properties |= _new(user) | _thread(message) | answer_marks()
    if oof:
        properties[tags.PidTagMessageClass] = OOF_CLASS
    answer = Message(properties, list(template.recipients), list(template.attachments))
    own = [
        Address(str(row.get(tags.PidTagDisplayName, "")), address)
        for row in template.recipients
        if (address := str(row.get(tags.PidTagSmtpAddress) or row.get(tags.PidTagEmailAddress) or ""))
    ]
    return Outgoing(_with_recipients(answer, recipients), (*own, *recipients))


_NOT_OF_A_TEMPLATE: Final = frozenset(
    {
        tags.PidTagReplyTemplateId,
        tags.PidTagMessageFlags,
        tags.PidTagMessageDeliveryTime,
        tags.PidTagClientSubmitTime,
        tags.PidTagSearchKey,
        tags.PidTagCreationTime,
        tags.PidTagConversationId,
        tags.PidTagInternetMessageId,
    }
)


def answer_marks() -> Properties:
    """What says that a program wrote it (RFC 3834 5, MS-OXOMSG 2.2.1.77)."""
    return {AUTO_SUBMITTED: "auto-replied", tags.PidTagAutoResponseSuppress: SUPPRESS_EVERYTHING}


def out_of_office_reply(message: Message, user: User, html: str, recipient: Address) -> Outgoing:
    """What the sender is told while the owner is away."""
    properties = _new(user) | _subject("Automatic reply: ", message) | _thread(message) | answer_marks()
    properties |= {
        tags.PidTagMessageClass: OOF_CLASS,
        tags.PidTagHtml: html.encode(),
        tags.PidTagInternetCodepage: 65001,
        tags.PidTagNativeBody: _NATIVE_HTML,
    }
    return Outgoing(_with_recipients(Message(properties), [recipient]), (recipient,))


def redirected(message: Message, user: User, recipients: Sequence[Address]) -> Outgoing:
    """The message itself for others: sender and recipients stay as they were (2.2.5.1.1, PR and NC)."""
    properties = dict(message.properties)
    _sent_on(properties, message, user)
    return Outgoing(Message(properties, message.recipients, message.attachments), tuple(recipients))


def delegated(message: Message, user: User, recipients: Sequence[Address], received: Properties) -> Outgoing:
    """The message for the user's delegates; ``received`` are the PidTagReceivedRepresenting properties of the user."""
    outgoing = redirected(message, user, recipients)
    outgoing.message.properties |= received | {tags.PidTagDelegatedByRule: True}
    return outgoing


def attached(message: Message, user: User, recipients: Sequence[Address]) -> Outgoing:
    """A new message of the user's with the message attached (2.2.5.1.1, AT)."""
    properties = _new(user) | _subject("FW: ", message) | _thread(message)
    _sent_on(properties, message, user)
    name = message.properties.get(tags.PidTagSubject)
    attachment = Attachment(
        {
            tags.PidTagAttachMethod: 5,
            tags.PidTagRenderingPosition: -1,
            tags.PidTagDisplayName: name if isinstance(name, str) and name else "Message",
        },
        message,
    )
    return Outgoing(_with_recipients(Message(properties, [], [attachment]), recipients), tuple(recipients))


def forwarded(message: Message, user: User, recipients: Sequence[Address]) -> Outgoing:
    """A new message of the user's that shows the message below its header, as a client forwards it.

    The bodies are in memory.
    """
    original = message.properties
    properties = _new(user) | _subject("FW: ", message) | _thread(message)
    _sent_on(properties, message, user)
    lines = _header_lines(message)
    html = original.get(tags.PidTagHtml)
    if isinstance(html, bytes):
        shown = "".join(f"<b>{escaped(name)}:</b> {escaped(value)}<br>\r\n" for name, value in lines)
        block = f"<div><hr>\r\n{shown}<br>\r\n</div>\r\n".encode("ascii", "xmlcharrefreplace")
        body = _HTML_BODY.search(html)
        at = body.end() if body is not None else 0
        properties[tags.PidTagHtml] = html[:at] + block + html[at:]
        properties[tags.PidTagNativeBody] = _NATIVE_HTML
        if tags.PidTagInternetCodepage in original:
            properties[tags.PidTagInternetCodepage] = original[tags.PidTagInternetCodepage]
    else:
        text = original.get(tags.PidTagBody)
        block_text = "".join(f"{name}: {value}\r\n" for name, value in lines)
        properties[tags.PidTagBody] = (
            f"-----Original Message-----\r\n{block_text}\r\n{text if isinstance(text, str) else ''}"
        )
        properties[tags.PidTagNativeBody] = _NATIVE_PLAIN
    forward = Message(properties, [], list(message.attachments))
    return Outgoing(_with_recipients(forward, recipients), tuple(recipients))


def _header_lines(message: Message) -> list[tuple[str, str]]:
    properties = message.properties

    def text(tag: int) -> str:
        value = properties.get(tag)
        return " ".join(value.split()) if isinstance(value, str) else ""

    name, address = text(tags.PidTagSentRepresentingName), sender_address(properties)
    lines = [("From", f"{name} <{address}>" if name and address and name != address else name or address)]
    sent = properties.get(tags.PidTagClientSubmitTime) or properties.get(tags.PidTagMessageDeliveryTime)
    if isinstance(sent, int):
        lines.append(("Sent", _date(sent)))
    lines.append(("To", text(tags.PidTagDisplayTo) or _names(message)))
    if text(tags.PidTagDisplayCc):
        lines.append(("Cc", text(tags.PidTagDisplayCc)))
    lines.append(("Subject", text(tags.PidTagSubject)))
    return [(label, value) for label, value in lines if value]


def _date(moment: int) -> str:
    found: datetime = from_filetime(moment)
    return format_datetime(found)


def _names(message: Message) -> str:
    rows = [row for row in message.recipients if row.get(tags.PidTagRecipientType, RECIPIENT_TO) == RECIPIENT_TO]
    return "; ".join(str(row.get(tags.PidTagDisplayName, "")) for row in rows[:100])


def sender_address(properties: Properties) -> str:
    """The SMTP address of whom a message is from, as far as it says so."""
    for tag in (tags.PidTagSentRepresentingSmtpAddress, tags.PidTagSentRepresentingEmailAddress):
        value: Any = properties.get(tag)
        if isinstance(value, str) and "@" in value:
            return value
    return ""
