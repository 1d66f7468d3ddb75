"""FastTransfer streams that a client uploads, turned into content (MS-OXCFXICS 2.2.4.4, 3.2.5.8.2).

The stream comes in pieces cut anywhere. What is complete in a piece is handed to a `Target` at its end; large values go
to disk as they come. The stream says nothing that a client may not write: computed properties in it are passed over.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, Protocol

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.message_objects import HELD_MAXIMUM, held_size
from mapigw.emsmdb.stream_objects import widening
from mapigw.emsmdb.values import is_storable
from mapigw.mailbox.content import BlobValue, DecodedAttachment, DecodedMessage
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.message_properties import BY_VALUE, EMBEDDED_MESSAGE
from mapigw.store.spool import Spool
from mapigw.wire import code_pages, tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.fasttransfer import CODE_PAGE, CODE_PAGE_UNICODE, Marker, MetaTagFXDelProp
from mapigw.wire.fasttransfer_stream import LargeProperty, Lexeme, Property, StreamReader, ValueData
from mapigw.wire.properties import PropertyName, PropertyType, property_tag

EMBEDDED_MAXIMUM: Final = 32
"""Messages inside of a message, as deep as clients may embed them by other ways."""
FOLDERS_MAXIMUM: Final = 64
"""Folders inside of the folder that takes the stream."""
PARTS_MAXIMUM: Final = 32_768
"""Recipients, or attachments, of one message."""
ELEMENT_SIZE: Final = 512
"""Bytes that a recipient or an attachment takes in memory beside its values, about."""
VALUE_MAXIMUM: Final = (1 << 31) - 1

_STRING: Final = int(PropertyType.STRING)
_STRING8: Final = int(PropertyType.STRING8)
_MULTIPLE_STRING8: Final = int(PropertyType.MULTIPLE_STRING8)
_NUL: Final = b"\0\0"


class Root(Enum):
    """What a stream is about (2.2.3.1.2.1.1)."""

    MESSAGE_CONTENT = auto()
    ATTACHMENT_CONTENT = auto()
    FOLDER_CONTENT = auto()
    MESSAGE_LIST = auto()
    TOP_FOLDER = auto()


class _Place(Enum):
    MESSAGE = auto()
    ATTACHMENT = auto()
    RECIPIENT = auto()
    FOLDER = auto()
    MESSAGE_LIST = auto()
    AROUND_TOP_FOLDER = auto()
    ERROR_INFO = auto()


_ROOTS: Final = {
    Root.MESSAGE_CONTENT: _Place.MESSAGE,
    Root.ATTACHMENT_CONTENT: _Place.ATTACHMENT,
    Root.FOLDER_CONTENT: _Place.FOLDER,
    Root.MESSAGE_LIST: _Place.MESSAGE_LIST,
    Root.TOP_FOLDER: _Place.AROUND_TOP_FOLDER,
}

# Where a marker may stand: what it opens there, and the marker that ends that (None: any other marker does).
_OPENS: Final[dict[tuple[_Place, Marker], tuple[_Place, Marker | None]]] = {
    (_Place.MESSAGE, Marker.StartRecip): (_Place.RECIPIENT, Marker.EndToRecip),
    (_Place.MESSAGE, Marker.NewAttach): (_Place.ATTACHMENT, Marker.EndAttach),
    (_Place.ATTACHMENT, Marker.StartEmbed): (_Place.MESSAGE, Marker.EndEmbed),
    (_Place.MESSAGE_LIST, Marker.StartMessage): (_Place.MESSAGE, Marker.EndMessage),
    (_Place.MESSAGE_LIST, Marker.StartFAIMsg): (_Place.MESSAGE, Marker.EndMessage),
    (_Place.MESSAGE_LIST, Marker.FXErrorInfo): (_Place.ERROR_INFO, None),
    (_Place.FOLDER, Marker.StartMessage): (_Place.MESSAGE, Marker.EndMessage),
    (_Place.FOLDER, Marker.StartFAIMsg): (_Place.MESSAGE, Marker.EndMessage),
    (_Place.FOLDER, Marker.StartSubFld): (_Place.FOLDER, Marker.EndFolder),
    (_Place.FOLDER, Marker.FXErrorInfo): (_Place.ERROR_INFO, None),
}
_RECOVERING: Final = frozenset({_Place.MESSAGE_LIST, _Place.FOLDER})
_LIMITS: Final = {_Place.MESSAGE: EMBEDDED_MAXIMUM + 1, _Place.FOLDER: FOLDERS_MAXIMUM + 1}


@dataclass(slots=True)
class Content:
    """What has come of the object itself since the last piece; ``deleted`` are the subobjects to remove first."""

    properties: dict[int, Any] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    recipients: list[dict[int, Any]] = field(default_factory=list)
    attachments: list[DecodedAttachment] = field(default_factory=list)
    embedded: DecodedMessage | None = None


class Target(Protocol):
    """Where uploaded content goes. Folders are named by ids that the target gives."""

    depth: int
    """How many messages the content's own message would be inside of; 0 for what is not in one."""

    async def write(self, content: Content) -> None:
        """Add to the root object."""

    async def add_folder(self, parent_id: int | None, properties: Mapping[int, Any]) -> int:
        """Make a folder; ``parent_id`` None: below the root object. Returns its id."""

    async def add_message(self, folder_id: int | None, message: DecodedMessage, *, is_associated: bool) -> None:
        """Save a message; ``folder_id`` None: in the root object."""


@dataclass(slots=True, eq=False)
class _Frame:
    place: _Place
    end: Marker | None
    content: Content = field(default_factory=Content)
    tags: dict[int, int] = field(default_factory=dict)
    """By id: the tag of each property that has come, for a property has one type."""
    is_associated: bool = False
    is_root: bool = False
    has_parts: bool = False
    """Whether anything has come that its properties cannot stand behind."""
    folder_id: int | None = None
    is_made: bool = False
    """Of a folder: whether its properties are complete and it exists."""


class ContentUpload:
    """Reads one stream. After an exception it is of no use."""

    def __init__(self, root: Root, target: Target, mailbox: Mailbox, code_page: int) -> None:
        self._target = target
        self._mailbox = mailbox
        self._code_page = code_page
        self._reader = StreamReader()
        self._frames = [_Frame(_ROOTS[root], None, is_root=True, is_made=True)]
        self._ids: Mapping[PropertyName, int] = {}
        self._large: tuple[LargeProperty, Spool] | None = None
        self._held = 0

    async def feed(self, data: bytes) -> None:
        """Take the next piece.

        Raises `WireError`, `NamedPropertiesExhaustedError`, `RopError` (MessageTooBig) and what the target raises.
        """
        lexemes = self._reader.feed(data)
        names = {
            lexeme.name
            for lexeme in lexemes
            if isinstance(lexeme, Property | LargeProperty) and lexeme.name is not None
        }
        if names:
            self._ids = await self._mailbox.property_ids(names, create=True)
        for lexeme in lexemes:
            await self._lexeme(lexeme)
        root = self._frames[0]
        content, root.content = root.content, Content()
        if content != Content():
            await self._target.write(content)

    def close(self) -> None:
        """Forget what is half there. Idempotent."""
        if self._large is not None:
            self._large[1].close()
            self._large = None

    async def _lexeme(self, lexeme: Lexeme) -> None:
        match lexeme:
            case Marker():
                await self._marker(lexeme)
            case Property(tag, name, value):
                await self._property(self._own_tag(tag, name), value)
            case LargeProperty(length=length):
                if length > VALUE_MAXIMUM:
                    raise WireError(f"a value of {length} bytes", field=f"0x{lexeme.tag:08X}")
                self._large = lexeme, Spool(self._mailbox.database.blobs)
            case ValueData(data, last):
                assert self._large is not None
                large, spool = self._large
                await asyncio.to_thread(spool.write, spool.size, data)
                if last:
                    tag = self._own_tag(large.tag, large.name)
                    value = await asyncio.to_thread(self._kept, tag, spool)
                    self._large = None
                    await self._property(tag & ~0xFFFF | value.type, value)

    def _own_tag(self, tag: int, name: PropertyName | None) -> int:
        return tag if name is None else property_tag(self._ids[name], tag & 0xFFFF)

    def _kept(self, tag: int, spool: Spool) -> BlobValue:
        """A large value as a blob: text is Unicode and has its NUL. Raises `WireError`."""
        kind = tag & 0xFFFF
        if kind == CODE_PAGE | CODE_PAGE_UNICODE:
            kind = _STRING
        elif kind == _STRING8 or kind & CODE_PAGE:
            if spool.read(spool.size - 1, 1) == b"\0":
                spool.resize(spool.size - 1)
            wide = spool.converted(widening(self._page(kind)))
            spool.close()
            spool, kind = wide, _STRING
        if kind == _STRING:
            if spool.size % 2:
                raise WireError("a Unicode string of an odd number of bytes", field=f"0x{tag:08X}")
            if spool.size < 2 or spool.read(spool.size - 2, 2) != _NUL:
                spool.write(spool.size, _NUL)
        size = spool.size
        return BlobValue(spool.keep(), size, kind)

    def _page(self, kind: int) -> int:
        return kind & ~CODE_PAGE if kind & CODE_PAGE else self._code_page

    async def _property(self, tag: int, value: Any) -> None:
        frame = self._frames[-1]
        if tag == MetaTagFXDelProp:
            if frame.place not in {_Place.MESSAGE, _Place.FOLDER}:
                raise WireError("nothing to delete here", field="MetaTagFXDelProp")
            frame.content.deleted.add(value)
            frame.has_parts = True
            if frame.place is _Place.FOLDER:
                await self._make_folder(frame)
            return
        tag, value = self._unicode(tag, value)
        if not is_storable(tag):
            return
        if frame.place in {_Place.MESSAGE_LIST, _Place.AROUND_TOP_FOLDER}:
            raise WireError("a property stands outside of every object", field=f"0x{tag:08X}")
        if frame.has_parts:
            raise WireError("a property stands behind what is in its object", field=f"0x{tag:08X}")
        self._hold(held_size(value))
        properties = frame.content.properties
        properties.pop(frame.tags.get(tag >> 16, tag), None)
        frame.tags[tag >> 16] = tag
        properties[tag] = value

    def _hold(self, size: int) -> None:
        """Count what is in memory of the message or folder that comes."""
        self._held += size
        if self._held > HELD_MAXIMUM:
            raise RopError(ErrorCode.MessageTooBig)

    def _unicode(self, tag: int, value: Any) -> tuple[int, Any]:
        kind = tag & 0xFFFF
        if isinstance(value, BlobValue):
            return tag, value
        if kind == _MULTIPLE_STRING8:
            return tag & ~0xFFFF | PropertyType.MULTIPLE_STRING, [
                code_pages.decode(item, self._code_page) for item in value
            ]
        if kind == _STRING8 or kind & CODE_PAGE:
            text = value if isinstance(value, str) else code_pages.decode(value, self._page(kind))
            return tag & ~0xFFFF | _STRING, text
        return tag, value

    async def _marker(self, marker: Marker) -> None:
        if marker is Marker.FXErrorInfo:
            self._unwind()
        elif self._frames[-1].place is _Place.ERROR_INFO:
            self._frames.pop()
        frame = self._frames[-1]
        if frame.place is _Place.AROUND_TOP_FOLDER and marker is Marker.StartTopFld and not frame.has_parts:
            frame.place, frame.end = _Place.FOLDER, Marker.EndFolder
            return
        if marker is frame.end:
            await self._end(frame)
            return
        opened = _OPENS.get((frame.place, marker))
        if opened is None:
            raise WireError(f"{marker.name} cannot stand in a {frame.place.name.lower()}", field=marker.name)
        place, end = opened
        above = sum(other.place is place for other in self._frames)
        if place in _LIMITS and above + self._target.depth * (place is _Place.MESSAGE) >= _LIMITS[place]:
            raise WireError(f"more than {_LIMITS[place]} elements inside one another", field=marker.name)
        if frame.place is _Place.FOLDER:
            await self._make_folder(frame)
        frame.has_parts = True
        self._hold(ELEMENT_SIZE)
        self._frames.append(_Frame(place, end, is_associated=marker is Marker.StartFAIMsg))

    def _unwind(self) -> None:
        """Forget the message that could not be read where the stream was made (2.2.4.3.4)."""
        while self._frames[-1].place not in _RECOVERING and not self._frames[-1].is_root:
            self._frames.pop()

    async def _end(self, frame: _Frame) -> None:
        if frame.is_root:
            frame.place, frame.end, frame.has_parts = _Place.AROUND_TOP_FOLDER, None, True
            return
        self._frames.pop()
        above = self._frames[-1]
        content = frame.content
        match frame.place:
            case _Place.RECIPIENT:
                _append(above.content.recipients, content.properties)
            case _Place.ATTACHMENT:
                content.properties.setdefault(tags.PidTagAttachMethod, BY_VALUE)
                if content.embedded is not None:
                    content.properties[tags.PidTagAttachMethod] = EMBEDDED_MESSAGE
                _append(above.content.attachments, DecodedAttachment(content.properties, content.embedded))
            case _Place.MESSAGE:
                message = DecodedMessage(content.properties, content.recipients, content.attachments)
                if above.place is _Place.ATTACHMENT:
                    above.content.embedded = message
                else:
                    self._held = 0
                    await self._target.add_message(above.folder_id, message, is_associated=frame.is_associated)
            case _Place.FOLDER:
                await self._make_folder(frame)

    async def _make_folder(self, frame: _Frame) -> None:
        """A folder is made when its properties are complete: at its first message or subfolder, or at its end."""
        if not frame.is_made:
            outer = [item for item in self._frames if item is not frame]
            parent = next((item.folder_id for item in reversed(outer) if item.folder_id is not None), None)
            self._held = 0
            frame.folder_id = await self._target.add_folder(parent, frame.content.properties)
            frame.is_made = True


def _append(parts: list[Any], part: Any) -> None:
    if len(parts) >= PARTS_MAXIMUM:
        raise WireError(f"more than {PARTS_MAXIMUM} recipients or attachments", field="messageChildren")
    parts.append(part)


def numbered(content: DecodedMessage) -> DecodedMessage:
    """The message with row ids and attachment numbers by their places, embedded messages too."""
    for row, recipient in enumerate(content.recipients):
        recipient[tags.PidTagRowid] = row
    for number, attachment in enumerate(content.attachments):
        attachment.properties[tags.PidTagAttachNumber] = number
        if attachment.embedded is not None:
            numbered(attachment.embedded)
    return content
