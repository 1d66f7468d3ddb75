"""Message and Attachment objects: working copies of what they were opened on (MS-OXCMSG 1.3, 3.2.1.3).

Changes stay in the object until it is saved: a message into the mailbox, an attachment into its message, an embedded
message into its attachment. Each handle has a copy of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Logon, PropertyObject
from mapigw.emsmdb.recipients import before_nul, recipient_columns
from mapigw.mailbox.bodies.forms import body_information
from mapigw.mailbox.bodies.stored import written_bodies
from mapigw.mailbox.clock import now
from mapigw.mailbox.conflicts import MESSAGE_STATUS_IN_CONFLICT, History, together, versions_of, without_versions
from mapigw.mailbox.content import BlobValue, DecodedAttachment, DecodedMessage, decode_message
from mapigw.mailbox.mailboxes import NotFoundError
from mapigw.mailbox.message_properties import (
    ACCESS_LEVEL_MODIFY,
    ACCESS_LEVEL_READ_ONLY,
    EMBEDDED_MESSAGE,
    FIRST_SAVE_PROPERTIES,
    OWNER_ACCESS,
    PROPERTY_TYPES,
    READ_ONLY_ATTACHMENT_PROPERTIES,
    READ_ONLY_PROPERTIES,
    SAVE_PREVENTING_PROPERTIES,
    attachment_properties,
    computed_properties,
    embedded_properties,
    message_size,
    with_subject,
)
from mapigw.mailbox.messages import (
    CLIENT_FLAGS,
    MESSAGE_FLAG_EVER_READ,
    MESSAGE_FLAG_READ,
    display_names,
    has_attachments,
)
from mapigw.mailbox.permissions import Access
from mapigw.mailbox.read_state import with_read_flags
from mapigw.mailbox.saving import (
    Author,
    Draft,
    MessageChangedError,
    MessageGoneError,
    RuleTooLargeError,
    put_large_values,
    save_message,
)
from mapigw.mailbox.subjects import completed_subject
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import address_book_entry_id
from mapigw.wire.fasttransfer import parse_value
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import NAMED_PROPERTY_MINIMUM, PropertyType
from mapigw.wire.xid import Xid

NO_MESSAGE_ID: Final = ObjectId(0, 0)
"""What an embedded message has for an id."""

SUBJECT_MAXIMUM: Final = 8192  # bytes of a subject that is shown when a message is opened

UNLOADED_FROM: Final = 1 << 20
"""Bytes written into an open message from which on its large values go to the blob store before it is saved."""

HELD_MAXIMUM: Final = 1 << 26
"""Bytes that a client may write into an open message, everything in it included, before it is saved; what it writes by
streams is not in memory."""


class OpenedObject(PropertyObject):
    """A message or an attachment. ``content`` is the working copy: stored properties only.

    ``dirty`` says that it holds changes that are not saved.
    """

    content: DecodedMessage | DecodedAttachment

    def __init__(self, logon: Logon, code_page: int, *, read_only: bool) -> None:
        super().__init__(logon)
        self.read_only = read_only
        self.dirty = False
        self._code_page = code_page

    @property
    def code_page(self) -> int:
        return self._code_page

    @property
    def access_level(self) -> int:
        return ACCESS_LEVEL_READ_ONLY if self.read_only else ACCESS_LEVEL_MODIFY

    def read_only_ids(self) -> Collection[int]:
        """The ids of the properties that a client cannot set now."""
        raise NotImplementedError

    def require_write(self) -> None:
        """`RopError` AccessDenied when the object was opened read-only."""
        if self.read_only:
            raise RopError(ErrorCode.AccessDenied)

    async def set_properties(self, values: Mapping[int, Any]) -> list[tuple[int, ErrorCode]]:
        """Set properties in the working copy. One of the same id and another type gives way."""
        self.require_write()
        refused = self.read_only_ids()
        problems: list[tuple[int, ErrorCode]] = []
        accepted: dict[int, Any] = {}
        for tag, value in values.items():
            if tag >> 16 in refused:
                problems.append((tag, ErrorCode.ComputedValue))
            elif PROPERTY_TYPES.get(tag >> 16, tag) != tag:
                problems.append((tag, ErrorCode.UnexpectedType))
            else:
                accepted[tag] = value
        if accepted:
            root = self.root
            root.hold(accepted.values())
            self.write(accepted)
            self.dirty = True
            if root.held > UNLOADED_FROM:
                root.held -= await put_large_values(self.logon.mailbox, self.content.properties)
        return problems

    @property
    def root(self) -> Message:
        """The message that it is saved with in the end."""
        raise NotImplementedError

    def write(self, values: Mapping[int, Any]) -> None:
        """Put values that may be set into the working copy."""
        self._remove({tag >> 16 for tag in values})
        last = {tag >> 16: tag for tag in values}  # a property has one type
        self.content.properties.update((tag, value) for tag, value in values.items() if last[tag >> 16] == tag)

    async def delete_properties(self, columns: Collection[int]) -> list[tuple[int, ErrorCode]]:
        self.require_write()
        refused = self.read_only_ids()
        self._remove({tag >> 16 for tag in columns if tag >> 16 not in refused})
        self.dirty = True
        return [(tag, ErrorCode.ComputedValue) for tag in columns if tag >> 16 in refused]

    def _remove(self, ids: Collection[int]) -> None:
        stored = self.content.properties
        for tag in [tag for tag in stored if tag >> 16 in ids]:
            del stored[tag]


class Message(OpenedObject):
    """An open message. ``row`` is the stored one that it was opened on, or one that was never saved."""

    content: DecodedMessage

    def __init__(
        self,
        logon: Logon,
        row: MessageRow,
        content: DecodedMessage,
        code_page: int,
        *,
        read_only: bool,
        access: Access = OWNER_ACCESS,
    ) -> None:
        super().__init__(logon, code_page, read_only=read_only)
        self.row = row
        self.content = content
        self.access = access
        self.held = 0
        """Bytes that a client has written into memory, about."""
        self._tampered = False
        self._fresh_bodies: set[int] = set()  # ids of the body properties written since it was opened or saved
        self._last_number = max((_number(item) for item in content.attachments), default=-1)

    @property
    def message_id(self) -> int:
        return self.row.message_id

    @property
    def folder_id(self) -> int:
        return self.row.folder_id

    @property
    def is_associated(self) -> bool:
        return self.row.is_associated

    @property
    def change_number(self) -> int:
        """As opened or last saved; 0 for a message that was never saved."""
        return self.row.change_number

    @property
    def is_new(self) -> bool:
        return not self.change_number

    @property
    def depth(self) -> int:
        """How many messages it is inside of."""
        return 0

    @property
    def key(self) -> bytes:
        """Unique to the message: what the record keys of its attachments begin with."""
        return Xid.gid(self.logon.mailbox.replica_guid, self.message_id).build()

    @property
    def modified(self) -> int:
        """What stands for the times that its attachments do not have."""
        return self.row.modified

    def read_only_ids(self) -> Collection[int]:
        return READ_ONLY_PROPERTIES if self.is_new else READ_ONLY_PROPERTIES | FIRST_SAVE_PROPERTIES

    async def properties(self) -> Mapping[int, Any]:
        content = self.content
        values = with_subject(dict(content.properties))
        values |= display_names(content.recipients)
        row = replace(self.row, has_attachments=has_attachments(content))
        values |= computed_properties(self.logon.mailbox, row, self.access)
        values[tags.PidTagAccessLevel] = self.access_level
        if self.is_new:
            size = message_size(content)
            values[tags.PidTagMessageSize], values[tags.PidTagMessageSizeExtended] = min(size, 0x7FFFFFFF), size
            values[tags.PidTagHasNamedProperties] = self.has_named_properties
        return values

    async def refuse(self, values: Mapping[int, Any]) -> None:
        """The client has tried to set read-only properties.

        Where it wanted to change one of some, no save succeeds any more, as on Exchange 2010 and later (product note
        26 of MS-OXCMSG).
        """
        present = await self.properties()
        self._tampered |= any(
            tag >> 16 in SAVE_PREVENTING_PROPERTIES and present.get(tag) != value for tag, value in values.items()
        )

    @property
    def has_named_properties(self) -> bool:
        return any(tag >> 16 >= NAMED_PROPERTY_MINIMUM for tag in self.content.properties)

    async def set_properties(self, values: Mapping[int, Any]) -> list[tuple[int, ErrorCode]]:
        self.require_write()
        values, replaced = await written_bodies(self.logon.mailbox, self.content.properties, values, self._fresh_bodies)
        return await self.put_properties(values, replaced)

    async def put_properties(self, values: Mapping[int, Any], replaced: Collection[int]) -> list[tuple[int, ErrorCode]]:
        """Set properties whose bodies are as they are to be stored; those of the ids ``replaced`` go."""
        problems = await super().set_properties(values)
        self._remove(replaced)
        return problems

    def write(self, values: Mapping[int, Any]) -> None:
        stored = self.content.properties
        values = {**values, **completed_subject(stored, values)}
        flags = values.pop(tags.PidTagMessageFlags, None)
        super().write(values)
        if flags is not None:
            self.write_flags(flags)

    def write_flags(self, flags: int) -> None:
        """mfRead, mfUnsent and mfResend, which are a client's until the first save (2.2.1.6)."""
        kept = self.row.message_flags & ~(CLIENT_FLAGS | MESSAGE_FLAG_EVER_READ)
        is_read = bool(flags & MESSAGE_FLAG_READ)
        wanted = flags & CLIENT_FLAGS & ~MESSAGE_FLAG_READ | (MESSAGE_FLAG_EVER_READ if is_read else 0)
        self.row = replace(self.row, message_flags=kept | wanted, is_read=is_read)

    @property
    def root(self) -> Message:
        return self

    def hold(self, values: Iterable[Any]) -> None:
        """Count what a client writes into memory. `RopError` MessageTooBig."""
        held = self.held + sum(map(held_size, values))
        if held > HELD_MAXIMUM:
            raise RopError(ErrorCode.MessageTooBig)
        self.held = held

    def apply_read_flags(self, flags: int) -> None:
        """Show what `ReadFlags` have made of the message."""
        is_read, message_flags = with_read_flags(self.row.is_read, self.row.message_flags, flags)
        self.row = replace(self.row, is_read=is_read, message_flags=message_flags)

    def attachment(self, number: int) -> DecodedAttachment:
        """The attachment of a PidTagAttachNumber. `RopError` NotFound."""
        for attachment in self.content.attachments:
            if _number(attachment) == number:
                return attachment
        raise RopError(ErrorCode.NotFound)

    def recipient_place(self, row_id: int) -> int:
        """Where the recipient of a RowId stands; that of RowId 0 is the first. `RopError` NotFound."""
        for place, recipient in enumerate(self.content.recipients):
            if row_id in (0, recipient[tags.PidTagRowid] & 0xFFFFFFFF):
                return place
        raise RopError(ErrorCode.NotFound)

    def next_number(self) -> int:
        """A PidTagAttachNumber that no attachment had since the message was opened."""
        self._last_number += 1
        return self._last_number

    def put_attachment(self, attachment: DecodedAttachment) -> None:
        """Take over an attachment, in the place of the one that has its number."""
        numbers = [_number(other) for other in self.content.attachments]
        if _number(attachment) in numbers:
            self.content.attachments[numbers.index(_number(attachment))] = attachment
        else:
            self.content.attachments.append(attachment)
        self.dirty = True

    async def opening(self) -> dict[str, Any]:
        """What opening tells of a message, but for its recipients' rows (MS-OXCMSG 2.2.3.1.2)."""
        values = with_subject(dict(self.content.properties))
        prefix = await self._text(values.get(tags.PidTagSubjectPrefix, ""))
        if tags.PidTagNormalizedSubject in values:
            normalized = await self._text(values[tags.PidTagNormalizedSubject])
        else:
            normalized = (await self._text(values.get(tags.PidTagSubject, ""))).removeprefix(prefix)
        return {
            "has_named_properties": self.has_named_properties,
            "subject_prefix": prefix,
            "normalized_subject": normalized,
            "recipient_count": min(len(self.content.recipients), 0xFFFF),
            "recipient_columns": recipient_columns(self.content.recipients),
        }

    async def _text(self, value: Any) -> str:
        if isinstance(value, BlobValue):
            head = await self.logon.mailbox.read_blob(value.digest, 0, SUBJECT_MAXIMUM)
            value = parse_value(PropertyType.STRING, head)
        return before_nul(value)

    async def save(self, *, force: bool = False) -> None:
        """Commit the changes; with ``force`` over those of others. The object stays open as it was (3.2.5.3).

        `RopError` ObjectChanged, ObjectDeleted, TooBig (an extended rule). Nothing is committed of an object that is
        read-only, and that is a success, as on Exchange 2016 and 2019.
        """
        if self._tampered:
            raise RopError(ErrorCode.GeneralFailure)
        if self.read_only:
            return
        if not (self.dirty or self.is_new):
            await self._require_unchanged(force=force)
            return
        user = self.logon.session.user
        author = Author(user.display_name, address_book_entry_id(user.legacy_dn))
        try:
            self.saved(await self._commit(author, force=force))
        except MessageChangedError as error:
            raise RopError(ErrorCode.ObjectChanged) from error
        except RuleTooLargeError as error:
            raise RopError(ErrorCode.TooBig) from error
        except (MessageGoneError, NotFoundError) as error:
            raise RopError(ErrorCode.ObjectDeleted) from error

    def saved(self, row: MessageRow) -> None:
        """Be the message that was saved."""
        self.row = row
        self.content = decode_message(row)  # large values need not stay in memory
        self.dirty = False
        self.held = 0
        self._fresh_bodies.clear()

    async def _commit(self, author: Author, *, force: bool) -> MessageRow:
        draft = Draft(self.row, self.content, author)
        if self.row.message_status & MESSAGE_STATUS_IN_CONFLICT:  # saving it resolves the conflict
            draft.message_status = self.row.message_status & ~MESSAGE_STATUS_IN_CONFLICT
            mine = History.of(self.logon.mailbox.replica_guid, self.row)
            draft.predecessors = together(mine, versions_of(self.content)).predecessors.build()
            draft.content = without_versions(self.content)
        return await save_message(self.logon.mailbox, draft, force=force)

    async def _require_unchanged(self, *, force: bool) -> None:
        present = await self.logon.mailbox.message(self.message_id)
        if present is None or present.folder_id != self.folder_id:
            raise RopError(ErrorCode.ObjectDeleted)
        if present.change_number != self.change_number and not force:
            raise RopError(ErrorCode.ObjectChanged)


class EmbeddedMessage(Message):
    """An open Embedded Message object: it has no place in a folder, and saves into its attachment."""

    def __init__(self, parent: Attachment, content: DecodedMessage, code_page: int, *, is_new: bool) -> None:
        message = parent.parent
        super().__init__(message.logon, message.row, content, code_page, read_only=parent.read_only)
        self.parent = parent
        self._is_new = is_new

    @property
    def is_new(self) -> bool:
        return self._is_new

    @property
    def key(self) -> bytes:
        return self.parent.record_key

    @property
    def root(self) -> Message:
        return self.parent.root

    @property
    def depth(self) -> int:
        return 1 + self.parent.parent.depth

    async def properties(self) -> Mapping[int, Any]:
        values = embedded_properties(self.content, self.modified)
        values[tags.PidTagAccessLevel] = self.access_level
        return values

    def apply_read_flags(self, flags: int) -> None:
        before = int(self.content.properties.get(tags.PidTagMessageFlags, 0))
        is_read, message_flags = with_read_flags(bool(before & MESSAGE_FLAG_READ), before, flags)
        read = MESSAGE_FLAG_READ if is_read else 0
        self.content.properties[tags.PidTagMessageFlags] = message_flags & ~MESSAGE_FLAG_READ | read
        self.dirty = True

    def write_flags(self, flags: int) -> None:
        read = MESSAGE_FLAG_READ | MESSAGE_FLAG_EVER_READ if flags & MESSAGE_FLAG_READ else 0
        self.content.properties[tags.PidTagMessageFlags] = flags & CLIENT_FLAGS | read

    async def save(self, *, force: bool = False) -> None:
        """Put what was written into the attachment; it is on disk when that and its message are saved (3.2.5.16)."""
        if self._tampered:
            raise RopError(ErrorCode.GeneralFailure)
        if self.read_only or not (self.dirty or self.is_new):
            return
        properties = self.content.properties
        properties.setdefault(tags.PidTagCreationTime, now())
        properties[tags.PidTagLastModificationTime] = now()
        properties.update(body_information(properties))
        self.parent.put_embedded(self.content.copy())
        self.dirty = self._is_new = False
        self._fresh_bodies.clear()


class Attachment(OpenedObject):
    """An open attachment of a message. It is the handle's own copy until it is saved."""

    content: DecodedAttachment

    def __init__(self, parent: Message, content: DecodedAttachment, *, read_only: bool, is_new: bool = False) -> None:
        super().__init__(parent.logon, parent.code_page, read_only=read_only or parent.read_only)
        self.parent = parent
        self.content = content
        self.is_new = is_new

    @property
    def root(self) -> Message:
        return self.parent.root

    @property
    def record_key(self) -> bytes:
        return self.parent.key + _number(self.content).to_bytes(4, "big")

    def read_only_ids(self) -> Collection[int]:
        return READ_ONLY_ATTACHMENT_PROPERTIES

    async def properties(self) -> Mapping[int, Any]:
        values = attachment_properties(self.content, self.parent.key, self.parent.modified, self.access_level)
        if self.is_new:  # as on Exchange 2013 and later (MS-OXCMSG 3.2.5.13, product notes)
            values[tags.PidTagAttachSize] = 0
            values[tags.PidTagAccessLevel] = ACCESS_LEVEL_READ_ONLY
        return values

    def put_embedded(self, content: DecodedMessage) -> None:
        """Take over a saved embedded message."""
        self.content.embedded = content
        self.content.properties[tags.PidTagAttachMethod] = EMBEDDED_MESSAGE
        self.dirty = True

    def save(self) -> None:
        """Put what was written into the message; it is on disk when that is saved (3.2.5.14). `RopError` NotFound."""
        if self.read_only or not (self.dirty or self.is_new):
            return
        if not self.is_new:
            self.parent.attachment(_number(self.content))  # it may have been deleted since
        self.parent.put_attachment(self.content.copy())
        self.dirty = self.is_new = False


def held_size(value: Any) -> int:
    """About how many bytes a value takes in memory."""
    if isinstance(value, list):
        return sum(map(held_size, value))
    return 16 + (len(value) if isinstance(value, str | bytes) else 0)


def _number(attachment: DecodedAttachment) -> int:
    number: int = attachment.properties[tags.PidTagAttachNumber]
    return number
