"""vCards (2.1, 3.0, 4.0) to Contact objects (MS-OXVCARD 2.1.3, MS-OXOCNTC 2.2.1)."""

import logging
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from typing import Any, Final

import vobject

from mapigw.mail.addresses import MAX_EMAIL, MAX_NAME
from mapigw.mail.attachments import BY_VALUE, file_properties
from mapigw.mail.charsets import decode
from mapigw.mail.contacts import (
    ANNIVERSARY_LOCAL,
    BIRTHDAY_LOCAL,
    CONTACT_CLASS,
    CONTACT_ICON,
    EMAILS,
    FILE_UNDER,
    FILE_UNDER_DISPLAY_NAME,
    FILE_UNDER_ID,
    HAS_PICTURE,
    INSTANT_MESSAGING,
    PHONES,
    PICTURE_FILE,
    POSTAL_ADDRESS_ID,
    POSTALS,
    PROVIDER_ARRAY_TYPE,
    PROVIDER_EMAIL_LIST,
    TEXTS,
    WEB_PAGE,
    Postal,
)
from mapigw.mail.headers import clean
from mapigw.mail.names import KEYWORDS
from mapigw.wire import tags
from mapigw.wire.entryids import one_off_entry_id
from mapigw.wire.message import Attachment, Message, Properties
from mapigw.wire.properties import filetime

MAX_CARD: Final = 16 << 20
"""Bytes of one card; a larger one is not read."""
_MAX_TEXT: Final = 1024
_MAX_NOTE: Final = 1 << 20
_MAX_CATEGORIES: Final = 100
_SENSITIVITY: Final = {"public": 0, "private": 2, "confidential": 3}
_GENDERS: Final = {"f": 1, "m": 2}
_MIDDAY: Final = time(11, 59)  # so that no time zone makes another day of it (MS-ASCNTC 2.2.2.6)
_DATE: Final = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})(?:T.*)?")
_DATA_URI: Final = re.compile(r"(?im)^PHOTO(?:;[^:\r\n]*)?:data:image/[\w.+-]+;base64,")
_CARD: Final = re.compile(rb"(?ims)^[ \t]*BEGIN[ \t]*:[ \t]*VCARD\b.*?^[ \t]*END[ \t]*:[ \t]*VCARD\b[^\n]*\n?")

_log = logging.getLogger(__name__)


def split_cards(data: bytes) -> Iterator[bytes]:
    """Each card of a file; what stands between them is left out."""
    for found in _CARD.finditer(data):
        yield found.group()


def contact_from_vcard(data: bytes) -> Message | None:
    """The Contact object of one card; None where it is none, or too broken to be read. Blocks."""
    if len(data) > MAX_CARD:
        return None
    # The library takes the comma of a data URI for the end of its value.
    text = _DATA_URI.sub("PHOTO;ENCODING=b:", decode(data, "utf-8")[0].replace("\0", ""))
    try:
        card = next(vobject.readComponents(text, ignoreUnreadable=True, allowQP=True), None)
    except Exception as error:  # the library raises whatever its input makes it stumble on
        _log.warning("a vCard of %d bytes cannot be read: %s", len(data), error)
        return None
    if card is None or card.name.upper() != "VCARD":
        return None
    fields: dict[str, list[Any]] = card.contents
    properties: Properties = {tags.PidTagMessageClass: CONTACT_CLASS, tags.PidTagIconIndex: CONTACT_ICON}
    properties |= _names(fields)
    properties |= _emails(fields, properties)
    properties |= _phones(fields)
    properties |= _addresses(fields)
    properties |= _dates(fields)
    properties |= _others(fields)
    message = Message(properties)
    picture = _picture(fields)
    properties[HAS_PICTURE] = picture is not None
    if picture is not None:
        message.attachments.append(picture)
    return message


def _text(value: object, limit: int = _MAX_TEXT) -> str:
    """A field's value, or those of a list, on one line."""
    if isinstance(value, list | tuple):
        value = " ".join(_text(item, limit) for item in value)
    if isinstance(value, bytes):
        value = decode(value, "")[0]
    return clean(value)[:limit] if isinstance(value, str) else ""


def _first(fields: dict[str, list[Any]], name: str) -> str:
    return next((text for line in fields.get(name, ()) if (text := _text(line.value))), "")


def _types(line: Any) -> set[str]:
    """The TYPE parameter, and what version 2.1 has as parameters without a value."""
    named: list[str] = [word for value in line.params.get("TYPE", ()) for word in value.split(",")]
    single: list[str] = list(line.singletonparams)
    types = {word.strip().strip('"').lower() for word in (*named, *single)}
    return types | ({"pref"} if "PREF" in line.params else set())


def _names(fields: dict[str, list[Any]]) -> Properties:
    properties: Properties = {}
    line = next(iter(fields.get("n", ())), None)
    if line is not None:
        value = line.value
        parts = value.split(";") if isinstance(value, str) else None
        for position, (part, tag) in enumerate(
            (
                ("family", tags.PidTagSurname),
                ("given", tags.PidTagGivenName),
                ("additional", tags.PidTagMiddleName),
                ("prefix", tags.PidTagDisplayNamePrefix),
                ("suffix", tags.PidTagGeneration),
            )
        ):
            raw = getattr(value, part, "") if parts is None else parts[position] if position < len(parts) else ""
            if text := _text(raw):
                properties[tag] = text
    organization = next(iter(fields.get("org", ())), None)
    if organization is not None:
        units = organization.value if isinstance(organization.value, list) else str(organization.value).split(";")
        if company := _text(units[:1]):
            properties[tags.PidTagCompanyName] = company
        if department := _text(units[1:]):
            properties[tags.PidTagDepartmentName] = department
    written = (properties.get(tag, "") for tag in (tags.PidTagGivenName, tags.PidTagMiddleName, tags.PidTagSurname))
    made = " ".join(part for part in written if part)
    shown = _first(fields, "fn") or made or properties.get(tags.PidTagCompanyName, "") or _first(fields, "email")
    properties[tags.PidTagDisplayName] = shown
    properties[tags.PidTagSubject] = shown[:253]
    properties[tags.PidTagSubjectPrefix] = ""
    properties[tags.PidTagNormalizedSubject] = shown[:253]
    properties[FILE_UNDER] = shown
    properties[FILE_UNDER_ID] = FILE_UNDER_DISPLAY_NAME
    return properties


def _emails(fields: dict[str, list[Any]], names: Properties) -> Properties:
    """The first three, the preferred one before the others (2.2.1.2)."""
    lines = sorted(fields.get("email", ()), key=lambda line: "pref" not in _types(line))
    addresses = list(dict.fromkeys(_text(line.value, MAX_EMAIL).removeprefix("mailto:") for line in lines))
    properties: Properties = {}
    present = []
    array_type = 0
    shown = str(names[tags.PidTagDisplayName])[:MAX_NAME]
    for number, (email, address) in enumerate(zip(EMAILS, filter(None, addresses), strict=False)):
        properties[email.display_name] = f"{shown} ({address})" if shown != address else address
        properties[email.address_type] = "SMTP"
        properties[email.email_address] = address
        properties[email.original_display_name] = address
        properties[email.original_entry_id] = one_off_entry_id(shown or address, address)
        present.append(number)
        array_type |= 1 << number
    if present:
        properties[PROVIDER_EMAIL_LIST] = present
        properties[PROVIDER_ARRAY_TYPE] = array_type
    return properties


def _phones(fields: dict[str, list[Any]]) -> Properties:
    properties: Properties = {}
    for line in fields.get("tel", ()):
        number = _text(line.value).removeprefix("tel:")
        types = _types(line)
        wanted = (tag for needed, places in PHONES if needed <= types for tag in places)
        place = next((tag for tag in wanted if tag not in properties), None)
        if number and place is not None:
            properties[place] = number
    return properties


def _addresses(fields: dict[str, list[Any]]) -> Properties:
    properties: Properties = {}
    for line in fields.get("adr", ()):
        types = _types(line)
        postal = next(
            (postal for postal in POSTALS if (not postal.vcard_type or postal.vcard_type in types)), POSTALS[-1]
        )
        if postal.whole in properties:
            postal = next((other for other in reversed(POSTALS) if other.whole not in properties), None) or postal
        values = _address_values(line.value, postal)
        if not any(values.values()):
            continue
        properties |= {key: value for key, value in values.items() if value}
        properties[postal.whole] = _whole_address(values, postal)
        if POSTAL_ADDRESS_ID not in properties or "pref" in types:
            properties[POSTAL_ADDRESS_ID] = postal.number
    return properties


def _address_values(value: Any, postal: Postal) -> Properties:
    parts = ("box", "extended", "street", "city", "region", "code", "country")
    if isinstance(value, str):
        texts = dict(zip(parts, map(_text, value.split(";")), strict=False))
    else:
        texts = {part: _text(getattr(value, part, "")) for part in parts if part != "street"}
        texts["street"] = _lines(getattr(value, "street", ""))
    street = "\r\n".join(filter(None, (texts.get("street", ""), texts.get("extended", ""))))
    return {
        postal.box: texts.get("box", ""),
        postal.street: street,
        postal.city: texts.get("city", ""),
        postal.region: texts.get("region", ""),
        postal.code: texts.get("code", ""),
        postal.country: texts.get("country", ""),
    }


def _whole_address(values: Properties, postal: Postal) -> str:
    town = " ".join(filter(None, (values[postal.city], values[postal.region], values[postal.code])))
    lines: Iterable[str] = (values[postal.street], values[postal.box], town, values[postal.country])
    return "\r\n".join(filter(None, lines))


def _dates(fields: dict[str, list[Any]]) -> Properties:
    properties: Properties = {}
    for name, tag, local in (
        ("bday", tags.PidTagBirthday, BIRTHDAY_LOCAL),
        ("anniversary", tags.PidTagWeddingAnniversary, ANNIVERSARY_LOCAL),
        ("x-anniversary", tags.PidTagWeddingAnniversary, ANNIVERSARY_LOCAL),
        ("x-ms-anniversary", tags.PidTagWeddingAnniversary, ANNIVERSARY_LOCAL),
    ):
        found = _DATE.fullmatch(_first(fields, name))
        try:
            day = date(*map(int, found.groups())) if found else None
        except ValueError:
            continue
        if day is not None and day.year > 1601:
            properties[tag] = filetime(datetime.combine(day, _MIDDAY, UTC))
            properties[local] = filetime(datetime.combine(day, time.min, UTC))
    return properties


def _others(fields: dict[str, list[Any]]) -> Properties:
    properties: Properties = {}
    for name, tag in TEXTS:
        if text := _first(fields, name):
            properties.setdefault(tag, text)
    notes = [_lines(line.value) for line in fields.get("note", ())]
    if body := "\r\n\r\n".join(filter(None, notes))[:_MAX_NOTE]:
        properties[tags.PidTagBody] = body
    for line in fields.get("url", ()):
        place = tags.PidTagPersonalHomePage if "home" in _types(line) else tags.PidTagBusinessHomePage
        if url := _text(line.value):
            properties.setdefault(place, url)
            properties.setdefault(WEB_PAGE, url)
    if messenger := next((text for name in _MESSENGERS if (text := _first(fields, name))), ""):
        properties[INSTANT_MESSAGING] = messenger.removeprefix("xmpp:")
    words = [_text(word, 255) for line in fields.get("categories", ()) for word in _list(line.value)]
    if words := [word for word in dict.fromkeys(words) if word][:_MAX_CATEGORIES]:
        properties[KEYWORDS] = words
    properties[tags.PidTagSensitivity] = _SENSITIVITY.get(_first(fields, "class").lower(), 0)
    if (gender := _GENDERS.get(_first(fields, "gender")[:1].lower())) is not None:
        properties[tags.PidTagGender] = gender
    return properties


_MESSENGERS: Final = ("impp", "x-ms-imaddress", "x-jabber", "x-skype", "x-aim", "x-icq", "x-msn", "x-yahoo")


def _list(value: Any) -> list[str]:
    return value if isinstance(value, list) else str(value).split(",")


def _lines(value: object) -> str:
    """A text of several lines."""
    if isinstance(value, list):
        value = "\n".join(item for item in value if isinstance(item, str))
    if not isinstance(value, str):
        return ""
    return "\r\n".join(value.replace("\r\n", "\n").replace("\r", "\n").strip().split("\n"))


def _picture(fields: dict[str, list[Any]]) -> Attachment | None:
    """The photo, as Outlook attaches it (MS-OXOCNTC 2.2.1.8); None where there is none in the card itself."""
    for line in fields.get("photo", ()):
        data = line.value
        if isinstance(data, bytes) and data:
            properties = file_properties(PICTURE_FILE, _image_type(data), data)
            properties[tags.PidTagAttachMethod] = BY_VALUE
            properties[tags.PidTagAttachmentContactPhoto] = True
            return Attachment(properties)
    return None


def _image_type(data: bytes) -> str:
    if data.startswith(b"\x89PNG"):
        return "image/png"
    return "image/gif" if data.startswith(b"GIF8") else "image/jpeg"
