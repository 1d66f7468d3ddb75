"""Attached files, pictures and messages as body parts (MS-OXCMAIL 2.1.3.4)."""

import mimetypes
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Final

from mapigw.mail.attachments import RENDERED_IN_BODY, HtmlReferences, legal_file_name
from mapigw.mail.export.apple import MacintoshFile, macintosh_file
from mapigw.mail.export.entities import Entity, Multipart, Nested, Part, binary_entity, text_entity
from mapigw.mail.export.fields import Fields, line_of
from mapigw.mail.export.reader import PropertyReader
from mapigw.mail.export.vcards import is_contact, vcard_entity
from mapigw.mail.names import ATTACHMENT_MAC_CONTENT_TYPE
from mapigw.store.blobs import FolderBlobStore
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message
from mapigw.wire.properties import from_filetime

# PidTagAttachMethod (MS-OXCMSG 2.2.2.9)
_BY_REFERENCE: Final = frozenset({2, 3, 4, 7})
_OLE: Final = 6
_HEADERS: Final = "text/rfc822-headers"
_EXCEPTION: Final = 0x00000002  # of PidTagAttachmentFlags: an exception to a recurrence (MS-OXCMSG 2.2.2.23)

_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}", re.IGNORECASE)
_NOT_FOR_FILES: Final = frozenset(
    {"application/applefile", "application/mac-binhex40", "message/rfc822", "message/global", "message/partial"}
)
_BINARY: Final = "application/octet-stream"
_CONTENT_ID: Final = re.compile(r"[!-;=?-~]{1,900}")
_MAX_REFERENCE: Final = 2048
_MAX_PLAIN: Final = 1 << 20
_MAX_LINE: Final = 998


@dataclass(slots=True)
class Attached:
    """The attachments of a message: what its HTML shows, and the others, each in their order."""

    related: list[Part] = field(default_factory=list)
    files: list[Part] = field(default_factory=list)


def attached_parts(
    message: Message, blobs: FolderBlobStore | None, html: bytes, embed: Callable[[Message], Part]
) -> Attached:
    """The parts of all attachments; ``embed`` makes the message of an embedded one."""
    references = HtmlReferences(html)
    found = Attached()
    for attachment in message.attachments:
        reader = PropertyReader(attachment.properties, blobs)
        keys = [reader.text(tags.PidTagAttachContentId).strip("<>"), reader.text(tags.PidTagAttachContentLocation)]
        shown = bool(html) and any(key.encode("utf-8", "replace") in references for key in keys if key)
        if reader.integer(tags.PidTagAttachmentFlags) & _EXCEPTION:
            continue
        if attachment.embedded is not None and is_contact(attachment.embedded):
            found.files.append(vcard_entity(attachment.embedded, blobs))
        elif attachment.embedded is not None:
            found.files.append(_message_part(reader, attachment.embedded, embed))
        else:
            (found.related if shown else found.files).append(_file_part(attachment, reader, inline=shown))
    return found


def _message_part(reader: PropertyReader, embedded: Message, embed: Callable[[Message], Part]) -> Part:
    if reader.text(tags.PidTagAttachMimeTag).lower() == _HEADERS:
        return headers_entity(embed(embedded))
    fields = Fields()
    name = reader.text(tags.PidTagDisplayName) or PropertyReader(embedded.properties, reader.blobs).text(
        tags.PidTagSubject
    )
    fields.text("Content-Type", "message/rfc822")
    disposition = {"filename": f"{legal_file_name(line_of(name))}.eml"} if line_of(name) else {}
    fields.parameters("Content-Disposition", "attachment", disposition)
    return Nested(fields, embed(embedded))


def headers_entity(message: Part) -> Entity:
    """The header of a message without the rest, as reports return it (RFC 6522 4)."""
    data = bytes(message.fields)
    fields = Fields()
    fields.text("Content-Type", _HEADERS)
    return text_entity(fields, data, eight_bit=False)


def _file_part(attachment: Attachment, reader: PropertyReader, *, inline: bool) -> Part:
    method = reader.integer(tags.PidTagAttachMethod, 1)
    if method in _BY_REFERENCE and tags.PidTagAttachDataBinary not in reader:
        return _reference_part(reader)
    name = file_name(reader)
    if (macintosh := macintosh_file(reader)) is not None:
        return _macintosh_part(reader, name, macintosh)
    source = tags.PidTagAttachDataBinary
    if source not in reader and method == _OLE:
        source = tags.PidTagAttachDataObject
    content_type = _content_type(reader, name)
    plain = content_type.lower().startswith("message/") and _is_plain(reader, source)
    if content_type.lower().startswith("message/") and not plain:
        content_type = _BINARY
    fields = Fields()
    fields.parameters("Content-Type", content_type, {"name": name} if name else {}, in_words=True)
    description = line_of(reader.text(tags.PidTagDisplayName))
    if description and description != name:
        fields.text("Content-Description", description)
    _write_disposition(fields, reader, name, inline=inline or _is_rendered(reader))
    if (content_id := reader.text(tags.PidTagAttachContentId).strip("<> ")) and _CONTENT_ID.fullmatch(content_id):
        fields.text("Content-ID", f"<{content_id}>")
    fields.text("Content-Location", reader.text(tags.PidTagAttachContentLocation))
    fields.text("Content-Base", reader.text(tags.PidTagAttachContentBase))
    if plain:
        return text_entity(fields, reader.binary(source), eight_bit=False)
    return binary_entity(fields, lambda: reader.chunks(source))


def _macintosh_part(reader: PropertyReader, name: str, file: MacintoshFile) -> Multipart:
    named = {"name": name} if name else {}
    header, data, both = Fields(), Fields(), Fields()
    header.parameters("Content-Type", "application/applefile", named, in_words=True)
    declared = line_of(reader.text(ATTACHMENT_MAC_CONTENT_TYPE)).partition(";")[0].strip()
    data.parameters("Content-Type", _allowed_type(declared or _guessed_type(name)), named, in_words=True)
    for fields in (data, both):
        fields.parameters("Content-Disposition", "attachment", {"filename": name} if name else {})
    parts: list[Part] = [
        binary_entity(header, lambda: iter((file.header,))),
        binary_entity(data, lambda: file.data(reader)),
    ]
    return Multipart("appledouble", parts, both)


def _is_plain(reader: PropertyReader, source: int) -> bool:
    """Whether the octets can go out as they are, which types of messages need (RFC 2046 5.2)."""
    if reader.size(source) > _MAX_PLAIN:
        return False
    data = reader.binary(source)
    return data.isascii() and b"\0" not in data and max(map(len, data.splitlines()), default=0) <= _MAX_LINE


def _is_rendered(reader: PropertyReader) -> bool:
    return bool(reader.integer(tags.PidTagAttachFlags) & RENDERED_IN_BODY)


def _reference_part(reader: PropertyReader) -> Entity:
    """A file or web address that was attached by its name: an Internet shortcut (2.1.3.4 has no form for it)."""
    target = line_of(reader.text(tags.PidTagAttachLongPathname) or reader.text(tags.PidTagAttachPathname))
    name = file_name(reader) or "link"
    if target.startswith("\\\\"):
        target = "file:" + target.replace("\\", "/")
    fields = Fields()
    fields.parameters("Content-Type", "application/internet-shortcut", {"name": f"{name}.url"}, in_words=True)
    fields.parameters("Content-Disposition", "attachment", {"filename": f"{name}.url"})
    data = f"[InternetShortcut]\r\nURL={target[:_MAX_REFERENCE]}\r\n".encode("utf-8", "replace")
    return text_entity(fields, data, eight_bit=False)


def file_name(reader: PropertyReader) -> str:
    """The name of the file (2.1.3.4.2.1), "" if it has none."""
    for tag in (tags.PidTagAttachLongFilename, tags.PidTagAttachFilename, tags.PidTagDisplayName):
        if name := legal_file_name(line_of(reader.text(tag))):
            extension = line_of(reader.text(tags.PidTagAttachExtension))
            named = "." in name or not re.fullmatch(r"\.\w{1,20}", extension)
            return name if named else name + extension
    return ""


def _content_type(reader: PropertyReader, name: str) -> str:
    """As the attachment says, else by the name, else octets (2.1.3.4.2.2)."""
    declared = line_of(reader.text(tags.PidTagAttachMimeTag)).partition(";")[0].strip()
    return _allowed_type(declared or _guessed_type(name))


def _guessed_type(name: str) -> str:
    return mimetypes.guess_type(name, strict=False)[0] or _BINARY


def _allowed_type(declared: str) -> str:
    """A type that a file can have; never one that would change the tree."""
    low = declared.lower()
    if not _TYPE.fullmatch(low) or low.startswith("multipart/") or low in _NOT_FOR_FILES:
        return _BINARY
    return declared


def _write_disposition(fields: Fields, reader: PropertyReader, name: str, *, inline: bool) -> None:
    parameters = {"filename": name} if name else {}
    if size := reader.size(tags.PidTagAttachDataBinary):
        parameters["size"] = str(size)
    for parameter, tag in (
        ("creation-date", tags.PidTagCreationTime),
        ("modification-date", tags.PidTagLastModificationTime),
    ):
        if (moment := reader.integer(tag)) > 0:
            try:
                parameters[parameter] = format_datetime(from_filetime(moment).replace(microsecond=0))
            except OverflowError:
                continue
    fields.parameters("Content-Disposition", "inline" if inline else "attachment", parameters)
