"""What FastTransfer copies hand out: streams of messages, attachments and folders (MS-OXCFXICS 2.2.4.4, 3.2.5.10)."""

import asyncio
import logging
import struct
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mapigw.emsmdb.download import FastTransferSource, Piece
from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.fasttransfer_elements import ElementWriter, StringForm
from mapigw.emsmdb.message_objects import Attachment, Message, OpenedObject
from mapigw.emsmdb.objects import Folder, Logon, PropertyObject
from mapigw.mailbox.batches import batches
from mapigw.mailbox.content import DecodedAttachment, DecodedMessage, decode_message
from mapigw.mailbox.folder_properties import IDENTIFICATION_IDS, OWN_REPLICA, FolderReader, folder_reader
from mapigw.mailbox.mailboxes import NotFoundError
from mapigw.mailbox.message_properties import computed_properties
from mapigw.mailbox.permissions import Access, Rights
from mapigw.mailbox.reading import Found, read_messages, visible_folders
from mapigw.store.blobs import MissingBlobError
from mapigw.store.folders import Folder as FolderRow
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.fasttransfer import MARKER_BYTES, Marker
from mapigw.wire.primitives import ObjectId
from mapigw.wire.xid import Xid

log = logging.getLogger("mapigw.sync")

RECIPIENTS: Final = tags.PidTagMessageRecipients
ATTACHMENTS: Final = tags.PidTagMessageAttachments
EMBEDDED: Final = tags.PidTagAttachDataObject
CONTENTS: Final = tags.PidTagContainerContents
ASSOCIATED: Final = tags.PidTagFolderAssociatedContents
HIERARCHY: Final = tags.PidTagContainerHierarchy

_DAMAGED: Final = (MissingBlobError, WireError, struct.error)
_CHANGES: Final = (
    tags.PidTagSourceKey,
    tags.PidTagLastModificationTime,
    tags.PidTagChangeKey,
    tags.PidTagPredecessorChangeList,
)


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """How a copy is written (2.2.3.1.1.1.1)."""

    strings: StringForm
    recover: bool = False
    """A message that cannot be read is told of, and the others follow (RecoverMode)."""
    move: bool = False
    """Nothing that the user may not delete is sent."""
    identification: bool = True
    """SendEntryId: what identifies messages and their changes is sent."""


@dataclass(frozen=True, slots=True)
class CopyFilter:
    """Which properties and subobjects of an object are copied; it does not apply to what is inside of them."""

    property_ids: frozenset[int]
    including: bool
    """Whether only those are copied, or all others."""
    subobjects: bool = True
    """Level is 0: subobjects are copied as the properties say that stand for them (2.2.1.7)."""

    def wants(self, tag: int) -> bool:
        return (tag >> 16 in self.property_ids) == self.including

    def wants_subobjects(self, tag: int) -> bool:
        return self.subobjects and self.wants(tag)

    def chosen(self, stored: Mapping[int, Any], present: Mapping[int, Any]) -> dict[int, Any]:
        """The properties to copy: of those that are stored, and, where they are named, of all that are present."""
        values = {**stored, **present} if self.including else stored
        return {tag: value for tag, value in values.items() if self.wants(tag)}


EVERYTHING: Final = CopyFilter(frozenset(), including=False)


class CopySource(FastTransferSource):
    """A download context that a RopFastTransferSourceCopy* made."""

    def __init__(self, logon: Logon, options: CopyOptions) -> None:
        super().__init__(logon)
        self.options = options
        self._failed: int | None = None

    async def read(self, limit: int) -> bytes:
        """As `FastTransferSource.read`; after a failure every call fails as the first did (3.2.5.8.1.5)."""
        if self._failed is not None:
            raise RopError(self._failed)
        try:
            return await super().read(limit)
        except RopError as error:
            self._failed = error.code
            raise
        except NotFoundError as error:
            self._failed = ErrorCode.ObjectDeleted
            raise RopError(self._failed) from error
        except _DAMAGED as error:
            log.error("a FastTransfer copy from mailbox %s failed: %s", self.logon.mailbox.guid, error)
            self._failed = ErrorCode.CorruptData
            raise RopError(self._failed) from error

    async def writer(self) -> ElementWriter:
        logon, options = self.logon, self.options
        return ElementWriter(
            logon.mailbox.database.blobs,
            await logon.mailbox.property_names(),
            options.strings,
            logon.session.parameters.default_code_page,
            identification=options.identification,
        )


class OpenedSource(CopySource):
    """An open message or attachment as it was when the copy was configured, saved or not."""

    def __init__(
        self,
        source: OpenedObject,
        values: Mapping[int, Any],
        content: DecodedMessage | DecodedAttachment,
        options: CopyOptions,
        chosen: CopyFilter,
    ) -> None:
        super().__init__(source.logon, options)
        self._values = values
        self._content = content
        self._chosen = chosen

    @classmethod
    async def of(cls, source: OpenedObject, options: CopyOptions, chosen: CopyFilter) -> "OpenedSource":
        stored = dict(source.content.properties)
        present = await source.properties()
        if isinstance(source, Message):
            stored[tags.PidTagMessageFlags] = present[tags.PidTagMessageFlags]
        else:
            stored.pop(tags.PidTagAttachNumber, None)
        return cls(source, chosen.chosen(stored, present), source.content.copy(), options, chosen)

    async def produce(self) -> AsyncIterator[Sequence[Piece]]:
        writer = await self.writer()
        write = self._message if isinstance(self._content, DecodedMessage) else self._attachment
        yield await asyncio.to_thread(write, writer, self._content)

    def _message(self, writer: ElementWriter, content: Any) -> list[Piece]:
        """The messageContent element."""
        writer.properties(self._values)
        if self._chosen.wants_subobjects(RECIPIENTS):
            writer.delete_first(RECIPIENTS)
            writer.recipients(content.recipients)
        if self._chosen.wants_subobjects(ATTACHMENTS):
            writer.delete_first(ATTACHMENTS)
            writer.attachments(content.attachments)
        return writer.take()

    def _attachment(self, writer: ElementWriter, content: Any) -> list[Piece]:
        """The attachmentContent element."""
        writer.properties(self._values)
        if content.embedded is not None and self._chosen.wants_subobjects(EMBEDDED):
            writer.embedded(content.embedded)
        return writer.take()


class ListSource(CopySource):
    """Messages of a folder: the messageList element."""

    def __init__(self, folder: Folder, options: CopyOptions, message_ids: Sequence[int]) -> None:
        super().__init__(folder.logon, options)
        self._folder_id = folder.folder_id
        self._message_ids = message_ids
        self.total_steps = max(1, len(message_ids))
        self._sent = 0

    def steps_done(self) -> int:
        return self._sent

    async def produce(self) -> AsyncIterator[Sequence[Piece]]:
        async for pieces in self._messages(self._folder_id, self._message_ids):
            yield pieces

    async def _messages(self, folder_id: int, message_ids: Sequence[int]) -> AsyncIterator[Sequence[Piece]]:
        mailbox, accessor = self.logon.mailbox, self.logon.accessor
        wanted = Access.Read | Access.Delete if self.options.move else Access.Read
        async for batch in batches(mailbox, message_ids):
            found = await read_messages(mailbox, accessor, folder_id, batch, wanted)
            writer = await self.writer()
            yield await asyncio.to_thread(self._items, writer, found)
            self._sent += len(batch)

    def _items(self, writer: ElementWriter, found: Sequence[Found]) -> list[Piece]:
        return [piece for item in found for piece in self._item(writer, item)]

    def _item(self, writer: ElementWriter, found: Found) -> list[Piece]:
        """A message; or what tells that it cannot be sent."""
        if found.row is None:
            writer.warning(ErrorCode.AccessDenied)
            return writer.take()
        try:
            self._message(writer, found.row)
        except _DAMAGED as error:
            if not self.options.recover:
                raise
            writer.take()
            mailbox, row = self.logon.mailbox, found.row
            log.error("message %d of mailbox %s cannot be copied: %s", row.message_id, mailbox.guid, error)
            folder, message = (Xid.gid(mailbox.replica_guid, key).build() for key in (row.folder_id, row.message_id))
            writer.error(ErrorCode.CorruptData, folder, message)
        return writer.take()

    def _message(self, writer: ElementWriter, row: MessageRow) -> None:
        content = decode_message(row)
        computed = computed_properties(self.logon.mailbox, row)
        writer.marker(Marker.StartFAIMsg if row.is_associated else Marker.StartMessage)
        writer.property(tags.PidTagMid, computed[tags.PidTagMid])
        header = {tag: computed[tag] for tag in (*_CHANGES, tags.PidTagMessageFlags)}
        writer.message_properties({**header, **content.properties})
        writer.recipients(content.recipients)
        writer.attachments(content.attachments)
        writer.marker(Marker.EndMessage)


class FolderSource(ListSource):
    """A folder, its messages and the folders below it: folderContent or, with ``is_top``, the topFolder element.

    In the former MetaTagFXDelProp comes before each kind of subobject, on all levels, as the grammar has it.
    """

    def __init__(
        self, folder: Folder, values: Mapping[int, Any], options: CopyOptions, chosen: CopyFilter, *, is_top: bool
    ) -> None:
        super().__init__(folder, options, ())
        self._values = values
        self._chosen = chosen
        self._is_top = is_top

    @classmethod
    async def of(
        cls, folder: Folder, options: CopyOptions, chosen: CopyFilter, *, is_top: bool = False
    ) -> "FolderSource":
        row = await folder.row()
        reader = await folder_reader(folder.logon.mailbox, folder.logon.accessor)
        stored = _folder_properties(reader, row, is_top=is_top)
        present = await folder.properties() if chosen.including else {}
        return cls(folder, chosen.chosen(stored, present), options, chosen, is_top=is_top)

    async def produce(self) -> AsyncIterator[Sequence[Piece]]:
        mailbox, accessor = self.logon.mailbox, self.logon.accessor
        wanted = Rights.FolderVisible | Rights.FolderOwner if self.options.move else Rights.FolderVisible
        rows = await visible_folders(mailbox, accessor, self._folder_id, wanted)
        if not rows:
            raise RopError(ErrorCode.ObjectDeleted)
        if not self._chosen.wants_subobjects(HIERARCHY):
            del rows[1:]
        reader = await folder_reader(mailbox, accessor)
        children: dict[int, list[FolderRow]] = {}
        for row in rows[1:]:
            children.setdefault(row.parent_id, []).append(row)
        self.total_steps = max(1, sum(row.content_count + row.associated_count for row in rows))
        if self._is_top:
            yield [MARKER_BYTES[Marker.StartTopFld]]
        left: list[FolderRow | None] = [rows[0]]
        while left:
            folder = left.pop()
            if folder is None:
                yield [MARKER_BYTES[Marker.EndFolder]]
                continue
            is_root = folder is rows[0]
            writer = await self.writer()
            if not is_root:
                left.append(None)
                writer.marker(Marker.StartSubFld)
            chosen = self._chosen if is_root else EVERYTHING
            self._properties(writer, reader, folder, is_root=is_root)
            yield writer.take()
            async for pieces in self._contents(folder, chosen):
                yield pieces
            if chosen.wants_subobjects(HIERARCHY):
                yield list(self._delete_first(writer, HIERARCHY))
                left += reversed(children.get(folder.folder_id, []))
        if self._is_top:
            yield [MARKER_BYTES[Marker.EndFolder]]

    def _properties(self, writer: ElementWriter, reader: FolderReader, folder: FolderRow, *, is_root: bool) -> None:
        """The folder's propList."""
        if not is_root or (not self._is_top and self._chosen.wants(tags.PidTagFolderId)):
            writer.property(tags.PidTagFolderId, _own_id(folder.folder_id))
        writer.properties(self._values if is_root else _folder_properties(reader, folder, is_top=False))

    async def _contents(self, folder: FolderRow, chosen: CopyFilter) -> AsyncIterator[Sequence[Piece]]:
        for subobjects in (ASSOCIATED, CONTENTS):
            if chosen.wants_subobjects(subobjects):
                yield list(self._delete_first(await self.writer(), subobjects))
                associated = subobjects == ASSOCIATED
                ids = await self.logon.mailbox.message_ids(folder.folder_id, associated=associated)
                async for pieces in self._messages(folder.folder_id, ids):
                    yield pieces

    def _delete_first(self, writer: ElementWriter, subobjects: int) -> Iterator[Piece]:
        if not self._is_top:
            writer.delete_first(subobjects)
            yield from writer.take()


def _folder_properties(reader: FolderReader, folder: FolderRow, *, is_top: bool) -> dict[int, Any]:
    """What was set on a folder, but for what leads to the special ones; name and comment are first, or not there at
    all of a top folder (2.2.4.3.6).
    """
    stored = {tag: value for tag, value in reader.stored(folder).items() if tag >> 16 not in IDENTIFICATION_IDS}
    comment = stored.pop(tags.PidTagComment, "")
    first = {} if is_top else {tags.PidTagDisplayName: folder.name, tags.PidTagComment: comment}
    if folder.container_class:
        first[tags.PidTagContainerClass] = folder.container_class
    return first | stored


def _own_id(counter: int) -> int:
    return ObjectId(OWN_REPLICA, counter).to_integer()


async def opened_source(source: PropertyObject, options: CopyOptions, chosen: CopyFilter) -> CopySource:
    """The stream of an object that a copy was asked of by its handle. `RopError` NotSupported, AccessDenied."""
    match source:
        case Message() | Attachment():
            outer = source.root
            if options.move and not outer.access & Access.Delete:
                raise RopError(ErrorCode.AccessDenied)
            return await OpenedSource.of(source, options, chosen)
        case Folder():
            return await FolderSource.of(source, options, chosen)
    raise RopError(ErrorCode.NotSupported)
