"""Messages written as Internet mail, for the tests: looked at by `lines.check` and read by Python's email package."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from typing import Any

from mapigw.mail.addresses import SENDER, SENT_REPRESENTING, Address, group_properties, recipient_properties
from mapigw.mail.export.addressing import Addressing
from mapigw.mail.export.composing import ExportOptions
from mapigw.mail.export.outgoing import compose, write
from mapigw.mail.mime import message_from_mime
from mapigw.store.blobs import FolderBlobStore
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message
from mapigw.wire.properties import filetime
from tests.mail.lines import check

ANNA = Address("Anna Adams", "anna@one.test")
BEN = Address("Ben Brown", "ben@two.test")
CARA = Address("Cara Cole", "cara@three.test")
SENT = filetime(datetime(2024, 1, 16, 13, 20, tzinfo=UTC))


def note(properties: Mapping[Any, Any] | None = None, *to: Address) -> Message:
    """A message from Anna to Ben, or to others."""
    message = Message(
        {
            tags.PidTagMessageClass: "IPM.Note",
            tags.PidTagSubject: "Hello",
            tags.PidTagBody: "Text\r\n",
            tags.PidTagClientSubmitTime: SENT,
            tags.PidTagInternetMessageId: "<1@one.test>",
        }
    )
    message.properties |= group_properties(SENT_REPRESENTING, ANNA) | group_properties(SENDER, ANNA)
    message.properties |= properties or {}
    message.recipients = [recipient_properties(address, 1, row) for row, address in enumerate(to or (BEN,))]
    return message


def html_note(html: bytes, code_page: int = 65001, **more: object) -> Message:
    properties = {tags.PidTagHtml: html, tags.PidTagInternetCodepage: code_page, tags.PidTagNativeBody: 3}
    properties |= {getattr(tags, name): value for name, value in more.items()}
    return note(properties)


def file(name: str, data: bytes, **properties: Any) -> Attachment:
    """An attachment by value; further properties by their names."""
    more = {getattr(tags, tag): value for tag, value in properties.items()}
    return Attachment(
        {tags.PidTagAttachMethod: 1, tags.PidTagAttachLongFilename: name, tags.PidTagAttachDataBinary: data} | more
    )


def exported(
    message: Message,
    options: ExportOptions = ExportOptions(),  # noqa: B008
    *,
    addressing: Addressing = Addressing(),  # noqa: B008
    blobs: FolderBlobStore | None = None,
) -> bytes:
    """The bytes of a message, which the strict look finds nothing wrong with."""
    parts: list[bytes] = []
    composition = compose(message, addressing, blobs, options)
    write(composition, parts.append)
    data = b"".join(parts)
    data += b"" if data.endswith(b"\r\n") else b"\r\n"
    check(data, utf8=composition.smtputf8, eight_bit=options.eight_bit)
    return data


def read(data: bytes) -> EmailMessage:
    """As Python's email package reads it."""
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def sent(message: Message, options: ExportOptions = ExportOptions(), **more: Any) -> EmailMessage:  # noqa: B008
    return read(exported(message, options, **more))


def again(message: Message) -> Message:
    """What this gateway makes of the message when it comes back."""
    return message_from_mime(exported(message, ExportOptions(blind=None)))


def text(part: MIMEPart) -> str:
    """The text of a part, with LF."""
    content = part.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def structure(message: MIMEPart) -> object:
    """The content types as nested lists."""
    if message.is_multipart():
        return [message.get_content_type(), *(structure(part) for part in message.iter_parts())]
    return message.get_content_type()
