"""Contact objects as vCards 3.0 (MS-OXVCARD 2.1.3, MS-OXCMAIL 2.1.3.4.6)."""

from typing import Any, Final

import vobject
from vobject.vcard import Address, Name

from mapigw.mail.contacts import (
    ANNIVERSARY_LOCAL,
    BIRTHDAY_LOCAL,
    CONTACT_CLASS,
    EMAILS,
    INSTANT_MESSAGING,
    PHONES,
    POSTALS,
    TEXTS,
    WEB_PAGE,
)
from mapigw.mail.export.entities import Entity, text_entity
from mapigw.mail.export.fields import Fields, line_of
from mapigw.mail.export.reader import PropertyReader
from mapigw.mail.names import KEYWORDS
from mapigw.mailbox.bodies.stored import CONVERTED_MAXIMUM
from mapigw.store.blobs import FolderBlobStore
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.properties import from_filetime

_MAX_PICTURE: Final = 8 << 20
_SENSITIVITY: Final = {2: "PRIVATE", 3: "CONFIDENTIAL"}
_NAME: Final = (
    ("family", tags.PidTagSurname),
    ("given", tags.PidTagGivenName),
    ("additional", tags.PidTagMiddleName),
    ("prefix", tags.PidTagDisplayNamePrefix),
    ("suffix", tags.PidTagGeneration),
)


def is_contact(message: Message) -> bool:
    """Whether a message is a Contact object."""
    message_class = message.properties.get(tags.PidTagMessageClass)
    return isinstance(message_class, str) and f"{message_class}.".lower().startswith(f"{CONTACT_CLASS}.".lower())


def vcard_entity(message: Message, blobs: FolderBlobStore | None) -> Entity:
    """A contact as an attached vCard."""
    reader = PropertyReader(message.properties, blobs)
    name = line_of(reader.text(tags.PidTagDisplayName)) or "contact"
    fields = Fields()
    fields.parameters("Content-Type", "text/directory", {"profile": "vCard", "charset": "utf-8"})
    fields.parameters("Content-Disposition", "attachment", {"filename": f"{name}.vcf"})
    return text_entity(fields, vcard_of(message, blobs), eight_bit=False)


def vcard_of(message: Message, blobs: FolderBlobStore | None) -> bytes:
    """The vCard of a contact, in UTF-8. Blocks."""
    reader = PropertyReader(message.properties, blobs)
    card = vobject.vCard()
    shown = reader.text(tags.PidTagDisplayName) or reader.text(tags.PidTagCompanyName)
    _add(card, "fn", line_of(shown) or "-")
    card.add("n").value = Name(**{part: line_of(reader.text(tag)) for part, tag in _NAME})
    units = [line_of(reader.text(tag)) for tag in (tags.PidTagCompanyName, tags.PidTagDepartmentName)]
    if any(units):
        card.add("org").value = units
    for email in EMAILS:
        _add(card, "email", line_of(reader.text(email.email_address)), "internet")
    _add_phones(card, reader)
    _add_addresses(card, reader)
    for name, tag, local in (
        ("bday", tags.PidTagBirthday, BIRTHDAY_LOCAL),
        ("x-ms-anniversary", tags.PidTagWeddingAnniversary, ANNIVERSARY_LOCAL),
    ):
        moment = reader.integer(local) or reader.integer(tag)
        if 0 < moment < _LAST:
            _add(card, name, from_filetime(moment).date().isoformat())
    written: set[int] = set()
    for name, tag in TEXTS:
        if tag not in written:
            _add(card, name, line_of(reader.text(tag)))
            written.add(tag)
    _add(card, "url", line_of(reader.text(tags.PidTagBusinessHomePage) or reader.text(WEB_PAGE)), "work")
    _add(card, "url", line_of(reader.text(tags.PidTagPersonalHomePage)), "home")
    _add(card, "impp", line_of(reader.text(INSTANT_MESSAGING)))
    _add(card, "class", _SENSITIVITY.get(reader.integer(tags.PidTagSensitivity), ""))
    if words := [line_of(word) for word in reader.texts(KEYWORDS)]:
        card.add("categories").value = words
    if 0 < reader.size(tags.PidTagBody) <= CONVERTED_MAXIMUM and isinstance(body := reader.whole(tags.PidTagBody), str):
        _add(card, "note", body.replace("\r\n", "\n").replace("\0", "").strip())
    _add_picture(card, message, blobs)
    text: str = card.serialize()
    return text.encode("utf-8", "replace")


_LAST: Final = 1 << 60


def _add(card: Any, name: str, value: str, kind: str = "") -> None:
    if value:
        line = card.add(name)
        line.value = value
        if kind:
            line.type_param = kind.upper()


def _add_phones(card: Any, reader: PropertyReader) -> None:
    written: set[int] = set()
    for types, places in PHONES:
        for tag in places:
            number = line_of(reader.text(tag))
            if number and tag not in written:
                written.add(tag)
                line = card.add("tel")
                line.value = number
                if types:
                    line.type_paramlist = sorted(kind.upper() for kind in types)


def _add_addresses(card: Any, reader: PropertyReader) -> None:
    for postal in POSTALS:
        keys = (postal.box, postal.street, postal.city, postal.region, postal.code, postal.country)
        box, street, city, region, code, country = (reader.text(key) for key in keys)
        if any((box, street, city, region, code, country)):
            line = card.add("adr")
            line.value = Address(
                street=street.replace("\r\n", "\n"), city=city, region=region, code=code, country=country, box=box
            )
            if postal.vcard_type:
                line.type_param = postal.vcard_type.upper()


def _add_picture(card: Any, message: Message, blobs: FolderBlobStore | None) -> None:
    for attachment in message.attachments:
        reader = PropertyReader(attachment.properties, blobs)
        if reader.flag(tags.PidTagAttachmentContactPhoto) and (
            0 < reader.size(tags.PidTagAttachDataBinary) <= _MAX_PICTURE
        ):
            line = card.add("photo")
            line.value = reader.binary(tags.PidTagAttachDataBinary)
            line.encoding_param = "b"
            line.type_param = "PNG" if line.value.startswith(b"\x89PNG") else "JPEG"
            return
