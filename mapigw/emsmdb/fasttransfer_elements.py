"""Messages and folders as elements of a FastTransfer stream (MS-OXCFXICS 2.2.4.3), as FastTransfer copies have them.

Large values stay where they are until they go out.
"""

import struct
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Any, Final

from mapigw.emsmdb.download import BlobPiece, Piece
from mapigw.emsmdb.stream_objects import narrowing
from mapigw.mailbox.content import BlobValue, DecodedAttachment, DecodedMessage
from mapigw.store.blobs import FolderBlobStore
from mapigw.store.spool import Spool
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import (
    CODE_PAGE,
    CODE_PAGE_UNICODE,
    MARKER_BYTES,
    NAMED_MINIMUM,
    Marker,
    MetaTagEcWarning,
    MetaTagFXDelProp,
    push_property,
    push_property_header,
)
from mapigw.wire.fasttransfer_strings import recoded
from mapigw.wire.properties import PropertyName, PropertyType

IDENTIFICATION: Final = frozenset(
    tag >> 16
    for tag in (
        tags.PidTagSourceKey,
        tags.PidTagChangeKey,
        tags.PidTagPredecessorChangeList,
        tags.PidTagLastModificationTime,
        tags.PidTagOriginalEntryId,
    )
)
"""Ids of what SendEntryId asks for (2.2.3.1.1.3.1)."""

_NOT_TRANSMITTABLE: Final = range(0x6600, 0x6800)  # property ids (3.2.5.12)
_STRING: Final = int(PropertyType.STRING)
_UNICODE_CODE_PAGE: Final = CODE_PAGE | CODE_PAGE_UNICODE
_ERROR_INFO: Final = 0x00000102
_EXTENDED_ERROR_INFO: Final = struct.Struct("<H2xI22s2x22s2x24xII")


class StringForm(Enum):
    """The type of the text in a stream; all text is stored in Unicode (3.2.5.8.1.1)."""

    UNICODE = auto()
    STRING8 = auto()
    """PtypString8 in the code page of the connection."""
    CODE_PAGE = auto()
    """The code page property type of Unicode (2.2.4.1.1.1)."""


class ElementWriter:
    """Collects the pieces of elements. Blocks on the blob store: for a worker thread.

    ``names`` are those of the named properties, by id. Without ``identification`` messages and embedded messages are
    written without what identifies them and their changes. Raises `MissingBlobError`, and `WireError` for a named
    property without a name; what is written of an element then is to be thrown away.
    """

    def __init__(
        self,
        blobs: FolderBlobStore,
        names: Mapping[int, PropertyName],
        strings: StringForm,
        code_page: int,
        *,
        identification: bool = True,
    ) -> None:
        self._blobs = blobs
        self._names = names
        self._strings = strings
        self._code_page = code_page
        self._left_out = frozenset() if identification else IDENTIFICATION
        self._out = bytearray()
        self._pieces: list[Piece] = []

    def take(self) -> list[Piece]:
        """What has been written since the last call."""
        self._cut()
        pieces, self._pieces = self._pieces, []
        return pieces

    def _cut(self) -> None:
        if self._out:
            self._pieces.append(bytes(self._out))
            self._out.clear()

    def marker(self, marker: Marker) -> None:
        self._out += MARKER_BYTES[marker]

    def delete_first(self, subobjects: int) -> None:
        """MetaTagFXDelProp: what follows replaces all that the object has of ``subobjects``."""
        push_property(self._out, MetaTagFXDelProp, subobjects)

    def warning(self, code: ErrorCode) -> None:
        push_property(self._out, MetaTagEcWarning, code)

    def error(self, code: ErrorCode, folder: bytes, message: bytes) -> None:
        """The errorInfo element (2.2.2.10, 2.2.4.3.4); ``folder`` and ``message`` are GIDs."""
        self.marker(Marker.FXErrorInfo)
        push_property(self._out, _ERROR_INFO, _EXTENDED_ERROR_INFO.pack(0, code, folder, message, 0, 0))

    def property(self, tag: int, value: Any) -> None:
        name = self._names.get(tag >> 16) if tag >= NAMED_MINIMUM else None
        if isinstance(value, BlobValue):
            self._large(tag, value, name)
            return
        if self._strings is StringForm.STRING8:
            tag, value = recoded(tag, value, self._code_page)
        elif self._strings is StringForm.CODE_PAGE and tag & 0xFFFF == _STRING:
            tag = tag & ~0xFFFF | _UNICODE_CODE_PAGE
        push_property(self._out, tag, value, name)

    def _large(self, tag: int, value: BlobValue, name: PropertyName | None) -> None:
        self._blobs.get(value.digest, 0, 0)  # found missing later, it could not be told of any more
        if tag & 0xFFFF == _STRING and self._strings is StringForm.STRING8:
            value = self._narrowed(value)
            tag = tag & ~0xFFFF | value.type
        elif tag & 0xFFFF == _STRING and self._strings is StringForm.CODE_PAGE:
            tag = tag & ~0xFFFF | _UNICODE_CODE_PAGE
        push_property_header(self._out, tag, value.size, name)
        self._cut()
        self._pieces.append(BlobPiece(value.digest, 0, value.size))

    def _narrowed(self, value: BlobValue) -> BlobValue:
        """Text in the code page, as a blob that nothing uses, so that it is collected some day."""
        wide = Spool(self._blobs)
        try:
            wide.load(value.digest, value.size - 2)
            narrow = wide.converted(narrowing(self._code_page))
        finally:
            wide.close()
        narrow.write(narrow.size, b"\0")
        size = narrow.size
        return BlobValue(narrow.keep(), size, int(PropertyType.STRING8))

    def properties(self, values: Mapping[int, Any]) -> None:
        """A propList: the values but for those that are not transmitted."""
        for tag, value in values.items():
            if tag >> 16 not in _NOT_TRANSMITTABLE:
                self.property(tag, value)

    def message_properties(self, values: Mapping[int, Any]) -> None:
        """The propList of a message or an embedded message."""
        self.properties({tag: value for tag, value in values.items() if tag >> 16 not in self._left_out})

    def recipients(self, recipients: Iterable[Mapping[int, Any]]) -> None:
        for recipient in recipients:
            self.marker(Marker.StartRecip)
            self.property(tags.PidTagRowid, recipient[tags.PidTagRowid])
            self.properties({tag: value for tag, value in recipient.items() if tag != tags.PidTagRowid})
            self.marker(Marker.EndToRecip)

    def attachments(self, attachments: Iterable[DecodedAttachment]) -> None:
        for attachment in attachments:
            stored = attachment.properties
            self.marker(Marker.NewAttach)
            self.property(tags.PidTagAttachNumber, stored[tags.PidTagAttachNumber])
            self.properties({tag: value for tag, value in stored.items() if tag != tags.PidTagAttachNumber})
            if attachment.embedded is not None:
                self.embedded(attachment.embedded)
            self.marker(Marker.EndAttach)

    def embedded(self, content: DecodedMessage) -> None:
        self.marker(Marker.StartEmbed)
        self.message_properties(content.properties)
        self.recipients(content.recipients)
        self.attachments(content.attachments)
        self.marker(Marker.EndEmbed)
