"""Transport Neutral Encapsulation Format: a message object as a file, winmail.dat (MS-OXTNEF).

A stream is a list of attributes. Most of them are of the format's first years and double a property; all others are in
the lists of properties that the attributes attMsgProps, attRecipTable and attAttachment hold, and win where both are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from mapigw.wire import tags
from mapigw.wire.code_pages import DEFAULT_CODE_PAGE, decode
from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError
from mapigw.wire.message import Attachment, Message, Properties
from mapigw.wire.properties import (
    FIXED_SIZES,
    MULTIPLE,
    NAMED_PROPERTY_MINIMUM,
    NamedTag,
    PropertyKey,
    PropertyName,
    PropertyType,
    filetime,
    property_id,
    property_tag,
    property_type,
    pull_value,
    push_value,
)

SIGNATURE: Final = 0x223E9F78
MAX_EMBEDDED: Final = 16
"""How deep embedded messages are read; deeper ones stay files."""

IID_MESSAGE: Final = UUID("00020307-0000-0000-c000-000000000046")
IID_STORAGE: Final = UUID("0000000b-0000-0000-c000-000000000046")

MAC_BINARY: Final = bytes.fromhex("2A864886F714030B01")
"""PidTagAttachEncoding of MacBinary (MS-OXCMSG 2.2.2.20)."""

_MESSAGE, _ATTACHMENT = 1, 2
_VERSION: Final = 0x00010000
_BY_VALUE, _EMBEDDED, _OLE = 1, 5, 6  # PidTagAttachMethod
_FILE, _OLE_FILE = 1, 2  # AttachType (2.1.3.3.15)
_VARIABLE: Final = frozenset({PropertyType.STRING8, PropertyType.STRING, PropertyType.BINARY, PropertyType.OBJECT})


class Attribute(IntEnum):
    """2.1.3.2, without the prefix att; the legacy types are in the upper halves."""

    Owner = 0x00060000
    SentFor = 0x00060001
    Delegate = 0x00060002
    DateStart = 0x00030006
    DateEnd = 0x00030007
    AidOwner = 0x00040008
    RequestRes = 0x00040009
    From = 0x00008000
    Subject = 0x00018004
    DateSent = 0x00038005
    DateRecd = 0x00038006
    MessageStatus = 0x00068007
    MessageClass = 0x00078008
    MessageID = 0x00018009
    ParentID = 0x0001800A
    ConversationID = 0x0001800B
    Body = 0x0002800C
    Priority = 0x0004800D
    AttachData = 0x0006800F
    AttachTitle = 0x00018010
    AttachMetaFile = 0x00068011
    AttachCreateDate = 0x00038012
    AttachModifyDate = 0x00038013
    DateModified = 0x00038020
    AttachTransportFilename = 0x00069001
    AttachRendData = 0x00069002
    MsgProps = 0x00069003
    RecipTable = 0x00069004
    Attachment = 0x00069005
    TnefVersion = 0x00089006
    OemCodepage = 0x00069007
    OriginalMessageClass = 0x00070600


# Classes that the format names otherwise (2.1.3.3.6).
_CLASSES: Final = {
    "IPM.Microsoft Mail.Note": "IPM.Note",
    "IPM.Microsoft Mail.Read Receipt": "Report.IPM.Note.IPNRN",
    "IPM.Microsoft Mail.Non-Delivery": "Report.IPM.Note.NDR",
    "IPM.Microsoft Schedule.MtgRespP": "IPM.Schedule.Meeting.Resp.Pos",
    "IPM.Microsoft Schedule.MtgRespN": "IPM.Schedule.Meeting.Resp.Neg",
    "IPM.Microsoft Schedule.MtgRespA": "IPM.Schedule.Meeting.Resp.Tent",
    "IPM.Microsoft Schedule.MtgReq": "IPM.Schedule.Meeting.Request",
    "IPM.Microsoft Schedule.MtgCncl": "IPM.Schedule.Meeting.Canceled",
}
_CLASS_NAMES: Final = {value.lower(): key for key, value in _CLASSES.items()}
_IMPORTANCE: Final = {1: 2, 2: 1, 3: 0}  # attPriority (2.1.3.3.13) to PidTagImportance


@dataclass(slots=True)
class Encapsulated:
    """What a stream held. Strings are PtypString, whatever they were in the stream."""

    message: Message = field(default_factory=Message)
    legacy_key: int = 0
    code_page: int = DEFAULT_CODE_PAGE
    errors: list[WireError] = field(default_factory=list)
    """What could not be read; everything else was. A wrong checksum is none: some writers never get them right."""


def parse_tnef(data: bytes, depth: int = 0) -> Encapsulated:
    """Read a stream. Raises `WireError` for bytes that do not begin as one."""
    cursor = Cursor(data)
    if cursor.uint32() != SIGNATURE:
        raise WireError("no TNEF signature", offset=0)
    reader = _Reader(cursor.uint16(), depth)
    while cursor.remaining:
        try:
            cursor.uint8()  # the level, which the attribute implies
            attribute = cursor.uint32()
            size = cursor.uint32()
            value = cursor.take(min(size, cursor.remaining))
            reader.read(attribute, value)
            if cursor.remaining:
                cursor.uint16()
        except WireError as error:
            reader.result.errors.append(error)
            if cursor.remaining < 2:
                break
            cursor.uint16()
    return reader.finish()


class _Reader:
    """Takes the attributes of a stream one after the other."""

    def __init__(self, legacy_key: int, depth: int) -> None:
        self.result = Encapsulated(legacy_key=legacy_key)
        self._depth = depth
        self._legacy: Properties = {}  # of attributes: properties win, wherever they stand
        self._attachments: list[Attachment] = []
        self._legacy_of_attachment: list[Properties] = []

    def finish(self) -> Encapsulated:
        message = self.result.message
        message.properties = {**self._legacy, **message.properties}
        for attachment, legacy in zip(self._attachments, self._legacy_of_attachment, strict=True):
            if attachment.embedded is not None:  # what is there instead tells old readers that they cannot have it
                legacy.pop(tags.PidTagAttachDataBinary, None)
            attachment.properties = {**legacy, **attachment.properties}
            message.attachments.append(attachment)
        return self.result

    def read(self, attribute: int, value: bytes) -> None:
        """Raises `WireError`; what was read before stays."""
        if attribute == Attribute.OemCodepage:
            self.result.code_page = Cursor(value).uint32() or DEFAULT_CODE_PAGE
        elif attribute == Attribute.MsgProps:
            self._properties(Cursor(value), self.result.message.properties)
        elif attribute == Attribute.RecipTable:
            self._recipients(Cursor(value))
        elif attribute == Attribute.AttachRendData:
            self._legacy_of_attachment.append(_rendering(Cursor(value)))
            self._attachments.append(Attachment())
        elif attribute == Attribute.Attachment:
            self._attachment(Cursor(value))
        elif attribute in _OF_MESSAGE:
            self._legacy |= _OF_MESSAGE[attribute](value, self.result.code_page)
        elif attribute in _OF_ATTACHMENT:
            self._of_attachment(attribute)[_OF_ATTACHMENT[attribute][0]] = _OF_ATTACHMENT[attribute][1](
                value, self.result.code_page
            )
        elif attribute == Attribute.Owner:
            # The organizer, of what organizers send (2.1.3.3.26); of answers, whom they are sent to.
            answer = ".Resp" in str(self._legacy.get(tags.PidTagMessageClass, ""))
            self._legacy |= _person(value, self.result.code_page, _RECEIVED_FOR if answer else _SENT_FOR)

    def _of_attachment(self, attribute: int) -> Properties:
        if not self._legacy_of_attachment:
            raise WireError("an attachment's attribute before attAttachRendData", field=f"0x{attribute:08X}")
        return self._legacy_of_attachment[-1]

    def _recipients(self, cursor: Cursor) -> None:
        for _ in range(cursor.count(cursor.uint32(), 4)):
            properties: Properties = {}
            self._properties(cursor, properties)
            self.result.message.recipients.append(properties)

    def _attachment(self, cursor: Cursor) -> None:
        legacy = self._of_attachment(Attribute.Attachment)
        attachment = self._attachments[-1]
        self._properties(cursor, attachment.properties)
        encoded = attachment.properties.pop(tags.PidTagAttachDataObject, None)
        if isinstance(encoded, bytes):
            interface, content = encoded[:16], encoded[16:]
            legacy[tags.PidTagAttachMethod] = _OLE
            if interface == IID_MESSAGE.bytes_le and self._depth < MAX_EMBEDDED:
                embedded = parse_tnef(content, self._depth + 1)
                self.result.errors += embedded.errors
                attachment.embedded = embedded.message
                attachment.properties[tags.PidTagAttachMethod] = _EMBEDDED
            else:
                legacy[tags.PidTagAttachDataBinary] = content

    def _properties(self, cursor: Cursor, properties: Properties) -> None:
        """Read a MsgPropertyList (2.1.3.4) into ``properties``, as far as it goes."""
        for _ in range(cursor.count(cursor.uint32(), 4)):
            tag = cursor.uint32()
            name = _pull_name(cursor) if property_id(tag) >= NAMED_PROPERTY_MINIMUM else None
            type_code, value = self._value(cursor, property_type(tag))
            if value is None:
                continue
            properties[property_tag(property_id(tag), type_code) if name is None else NamedTag(name, type_code)] = value

    def _value(self, cursor: Cursor, type_code: int) -> tuple[int, Any]:
        """The type that the value has here, and the value; None for PtypNull and what has no value."""
        single = type_code & ~MULTIPLE
        if single in _VARIABLE:
            values: list[Any] = [_pull_variable(cursor) for _ in range(cursor.count(cursor.uint32(), 4))]
            if single == PropertyType.STRING8:
                type_code += PropertyType.STRING - PropertyType.STRING8
                values = [_ended(decode(value, self.result.code_page)) for value in values]
            elif single == PropertyType.STRING:
                values = [_ended(value.decode("utf-16-le", "surrogatepass")) for value in values if not len(value) % 2]
        elif single in FIXED_SIZES:
            count = cursor.uint32() if type_code & MULTIPLE else 1
            values = [_pull_fixed(cursor, single) for _ in range(cursor.count(count, FIXED_SIZES[single]))]
        else:
            raise cursor.fail(f"property type 0x{type_code:04X} is not known")
        if type_code & MULTIPLE:
            return type_code, values or None
        return type_code, values[0] if values else None


def _ended(text: str) -> str:
    return text.partition("\0")[0]


def _padded(cursor: Cursor, size: int) -> None:
    """Skip the bytes that fill a value of ``size`` bytes up to four; the last value of some writers has none."""
    cursor.take(min(-size % 4, cursor.remaining))


def _pull_variable(cursor: Cursor) -> bytes:
    size = cursor.uint32()
    value = cursor.take(size)
    _padded(cursor, size)
    return value


def _pull_fixed(cursor: Cursor, type_code: int) -> Any:
    if type_code == PropertyType.BOOLEAN:
        value = cursor.uint16() != 0
        _padded(cursor, 2)
        return value
    value = pull_value(cursor, type_code)
    _padded(cursor, FIXED_SIZES[type_code])
    return value


def _pull_name(cursor: Cursor) -> PropertyName:
    property_set = cursor.guid()
    kind = cursor.uint32()
    if kind == 0:
        return PropertyName(property_set, lid=cursor.uint32())
    if kind != 1:
        raise cursor.fail(f"property name of kind {kind}")
    data = _pull_variable(cursor)
    return PropertyName(property_set, name=_ended(data[: len(data) & ~1].decode("utf-16-le", "replace")))


# The attributes that double properties (2.1.3.3)


def _text(value: bytes, code_page: int) -> str:
    return decode(value.partition(b"\0")[0], code_page)


def _time(value: bytes, code_page: int) -> int:
    """A DTR (2.1.3.3.11) as FILETIME. It is in the writer's own time, about which nothing is said: taken as UTC."""
    year, month, day, hour, minute, second = (Cursor(value, 2 * part).uint16() for part in range(6))
    try:
        return filetime(datetime(year, month, day, hour, minute, second, tzinfo=UTC))
    except ValueError as error:
        raise WireError(str(error), field="DTR") from error


def _raw(value: bytes, code_page: int) -> bytes:
    return value


def _rendering(cursor: Cursor) -> Properties:
    """An AttachRendData (2.1.3.3.15)."""
    kind, position = cursor.uint16(), cursor.int32()
    cursor.take(4)  # width and height
    flags = cursor.uint32()
    found: Properties = {
        tags.PidTagAttachMethod: _OLE if kind == _OLE_FILE else _BY_VALUE,
        tags.PidTagRenderingPosition: position,
    }
    if flags & 1:
        found[tags.PidTagAttachEncoding] = MAC_BINARY
    return found


_Person = tuple[int, int, int]
_SENDER: Final = (tags.PidTagSenderName, tags.PidTagSenderAddressType, tags.PidTagSenderEmailAddress)
_SENT_FOR: Final = (
    tags.PidTagSentRepresentingName,
    tags.PidTagSentRepresentingAddressType,
    tags.PidTagSentRepresentingEmailAddress,
)
_RECEIVED_FOR: Final = (
    tags.PidTagReceivedRepresentingName,
    tags.PidTagReceivedRepresentingAddressType,
    tags.PidTagReceivedRepresentingEmailAddress,
)


def _named(name: bytes, address: bytes, code_page: int, person: _Person) -> Properties:
    kind, _, where = _text(address, code_page).partition(":")
    return {person[0]: _text(name, code_page), person[1]: kind, person[2]: where} if where else {}


def _from(value: bytes, code_page: int) -> Properties:
    """Of attFrom: a TRP structure with its strings (2.1.3.3.7)."""
    cursor = Cursor(value)
    cursor.take(4)  # the id, and the size of everything
    name_size, address_size = cursor.uint16(), cursor.uint16()
    return _named(cursor.take(name_size), cursor.take(min(address_size, cursor.remaining)), code_page, _SENDER)


def _person(value: bytes, code_page: int, person: _Person) -> Properties:
    """Of attOwner and attSentFor (2.1.3.3.26, 2.1.3.3.27)."""
    cursor = Cursor(value)
    name = cursor.take(cursor.uint16())
    return _named(name, cursor.take(min(cursor.uint16(), cursor.remaining)), code_page, person)


def _class_of(value: bytes, code_page: int) -> str:
    name = _text(value, code_page)
    return _CLASSES.get(name, name)


def _key(value: bytes, code_page: int) -> bytes:
    try:
        return bytes.fromhex(_text(value, code_page))
    except ValueError as error:
        raise WireError(str(error), field="attMessageID") from error


def _importance(value: bytes, code_page: int) -> int:
    return _IMPORTANCE.get(Cursor(value).uint16(), 1)


_Single = Callable[[bytes, int], Any]


def _one(tag: int, read: _Single) -> Callable[[bytes, int], Properties]:
    return lambda value, code_page: {tag: read(value, code_page)}


# What belongs to a mailbox and not to a message is left out: attMessageStatus, attParentID, attConversationID.
_OF_MESSAGE: Final[Mapping[int, Callable[[bytes, int], Properties]]] = {
    Attribute.From: _from,
    Attribute.SentFor: lambda value, code_page: _person(value, code_page, _SENT_FOR),
    Attribute.Subject: _one(tags.PidTagSubject, _text),
    Attribute.DateSent: _one(tags.PidTagClientSubmitTime, _time),
    Attribute.DateRecd: _one(tags.PidTagMessageDeliveryTime, _time),
    Attribute.MessageClass: _one(tags.PidTagMessageClass, _class_of),
    Attribute.OriginalMessageClass: _one(tags.PidTagOriginalMessageClass, _class_of),
    Attribute.MessageID: _one(tags.PidTagSearchKey, _key),
    Attribute.Body: _one(tags.PidTagBody, _text),
    Attribute.Priority: _one(tags.PidTagImportance, _importance),
    Attribute.DateModified: _one(tags.PidTagLastModificationTime, _time),
    Attribute.DateStart: _one(tags.PidTagStartDate, _time),
    Attribute.DateEnd: _one(tags.PidTagEndDate, _time),
    Attribute.AidOwner: _one(tags.PidTagOwnerAppointmentId, lambda value, _: Cursor(value).int32()),
    Attribute.RequestRes: _one(tags.PidTagResponseRequested, lambda value, _: Cursor(value).uint16() != 0),
}
_OF_ATTACHMENT: Final[Mapping[int, tuple[int, _Single]]] = {
    Attribute.AttachData: (tags.PidTagAttachDataBinary, _raw),
    Attribute.AttachTitle: (tags.PidTagAttachFilename, _text),
    Attribute.AttachMetaFile: (tags.PidTagAttachRendering, _raw),
    Attribute.AttachCreateDate: (tags.PidTagCreationTime, _time),
    Attribute.AttachModifyDate: (tags.PidTagLastModificationTime, _time),
    Attribute.AttachTransportFilename: (tags.PidTagAttachTransportName, _text),
}


# Writing


def build_tnef(message: Message, *, legacy_key: int = 1, with_recipients: bool = False) -> bytes:
    """The stream of a message. ``legacy_key`` is 1 to 65535.

    The recipients of the message itself are those of the mail that the stream travels in; ``with_recipients`` is for
    what travels otherwise. Blind copies would else be told to everybody.
    """
    out = bytearray(SIGNATURE.to_bytes(4, "little") + legacy_key.to_bytes(2, "little"))
    _write(out, _MESSAGE, Attribute.TnefVersion, _VERSION.to_bytes(4, "little"))
    code_pages = DEFAULT_CODE_PAGE.to_bytes(4, "little") + bytes(4)
    _write(out, _MESSAGE, Attribute.OemCodepage, code_pages)
    name = str(message.properties.get(tags.PidTagMessageClass, "IPM.Note"))
    name = _CLASS_NAMES.get(name.lower(), name)
    _write(out, _MESSAGE, Attribute.MessageClass, name.encode("ascii", "replace") + b"\0")
    if with_recipients:
        rows = bytearray(len(message.recipients).to_bytes(4, "little"))
        for recipient in message.recipients:
            _push_properties(rows, recipient)
        _write(out, _MESSAGE, Attribute.RecipTable, rows)
    properties = bytearray()
    _push_properties(properties, message.properties)
    _write(out, _MESSAGE, Attribute.MsgProps, properties)
    for attachment in message.attachments:
        _write_attachment(out, attachment)
    return bytes(out)


def _write(out: bytearray, level: int, attribute: Attribute, value: bytes | bytearray) -> None:
    out.append(level)
    out += attribute.to_bytes(4, "little") + len(value).to_bytes(4, "little") + value
    out += (sum(value) & 0xFFFF).to_bytes(2, "little")


def _write_attachment(out: bytearray, attachment: Attachment) -> None:
    properties = dict(attachment.properties)
    method = properties.get(tags.PidTagAttachMethod, _BY_VALUE)
    mac = properties.get(tags.PidTagAttachEncoding) == MAC_BINARY
    position = properties.get(tags.PidTagRenderingPosition, -1)
    rendering = (_OLE_FILE if method == _OLE else _FILE).to_bytes(2, "little")
    rendering += (position & 0xFFFFFFFF).to_bytes(4, "little") + bytes(4) + int(mac).to_bytes(4, "little")
    _write(out, _ATTACHMENT, Attribute.AttachRendData, rendering)
    data = properties.pop(tags.PidTagAttachDataBinary, None)
    if attachment.embedded is not None:
        embedded = build_tnef(attachment.embedded, with_recipients=True)
        properties[tags.PidTagAttachDataObject] = IID_MESSAGE.bytes_le + embedded
    elif method == _OLE and data is not None:
        properties[tags.PidTagAttachDataObject] = IID_STORAGE.bytes_le + data
    elif data is not None:
        _write(out, _ATTACHMENT, Attribute.AttachData, data)
    values = bytearray()
    _push_properties(values, properties)
    _write(out, _ATTACHMENT, Attribute.Attachment, values)


def _push_properties(out: bytearray, properties: Mapping[PropertyKey, Any]) -> None:
    """Append a MsgPropertyList. A named property gets an id that is the writer's own: readers go by the name."""
    listed = [(key, value) for key, value in properties.items() if value is not None]
    out += len(listed).to_bytes(4, "little")
    next_id = NAMED_PROPERTY_MINIMUM
    for key, value in listed:
        if isinstance(key, NamedTag):
            type_code = key.type
            out += property_tag(next_id, type_code).to_bytes(4, "little")
            _push_name(out, key.property_name)
            next_id += 1
        else:
            type_code = property_type(key)
            out += key.to_bytes(4, "little")
        _push_value(out, type_code, value)


def _push_name(out: bytearray, name: PropertyName) -> None:
    out += name.property_set.bytes_le
    if name.lid is not None:
        out += bytes(4) + name.lid.to_bytes(4, "little")
    else:
        out += (1).to_bytes(4, "little")
        _push_variable(out, f"{name.name}\0".encode("utf-16-le", "surrogatepass"))


def _push_variable(out: bytearray, value: bytes) -> None:
    out += len(value).to_bytes(4, "little") + value + bytes(-len(value) % 4)


def _push_value(out: bytearray, type_code: int, value: Any) -> None:
    single = type_code & ~MULTIPLE
    values: Sequence[Any] = value if type_code & MULTIPLE else (value,)
    if type_code & MULTIPLE or single in _VARIABLE:
        out += len(values).to_bytes(4, "little")
    for item in values:
        if single == PropertyType.STRING:
            _push_variable(out, f"{item}\0".encode("utf-16-le", "surrogatepass"))
        elif single == PropertyType.STRING8:
            _push_variable(out, item + b"\0")
        elif single in _VARIABLE:
            _push_variable(out, item)
        else:
            start = len(out)
            if single == PropertyType.BOOLEAN:
                out += int(item).to_bytes(2, "little")
            else:
                push_value(out, single, item)
            out += bytes(-(len(out) - start) % 4)
