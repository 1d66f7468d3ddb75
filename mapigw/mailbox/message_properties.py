"""The properties of stored messages, of their attachments and of embedded messages.

The same values for every way of reading them: RopGetProperties, contents tables and attachment tables. Like Exchange
messages have neither PidTagObjectType nor PidTagRecordKey, and attachments no PidTagObjectType (MS-OXCMSG 2.2.1.1,
2.2.2.1, product notes). Which body is stored is the message's; other forms are not among its properties.
"""

from collections.abc import Mapping
from typing import Any, Final

from mapigw.mailbox.content import BlobValue, DecodedAttachment, DecodedMessage, decode_properties
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.messages import (
    COLUMN_PROPERTIES,
    MESSAGE_FLAG_HAS_ATTACHMENTS,
    MESSAGE_FLAG_READ,
    display_names,
    has_attachments,
    message_flags,
)
from mapigw.mailbox.permissions import Access
from mapigw.mailbox.subjects import whole_subject
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.entryids import folder_entry_id, message_entry_id
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import FIXED_SIZES
from mapigw.wire.xid import PredecessorChangeList, Xid

OWNER_ACCESS: Final = Access.Modify | Access.Read | Access.Delete
ACCESS_LEVEL_READ_ONLY: Final = 0
ACCESS_LEVEL_MODIFY: Final = 1
ATTACH_NONE: Final = 0  # PidTagAttachMethod
BY_VALUE: Final = 1
EMBEDDED_MESSAGE: Final = 5
NOT_RENDERED: Final = -1  # 0xFFFFFFFF
_MAXIMUM_SIZE: Final = 0x7FFFFFFF


def message_properties(mailbox: Mailbox, row: MessageRow, access: Access = OWNER_ACCESS) -> dict[int, Any]:
    """Every property of a stored message but its recipients and attachments, by tag (MS-OXCMSG 2.2.1).

    ``access`` is PidTagAccess, what the user may do with it.
    """
    values = decode_properties(row.properties, row.properties_index)
    values = with_subject(values)
    values.update(computed_properties(mailbox, row, access))
    return values


def computed_properties(mailbox: Mailbox, row: MessageRow, access: Access = OWNER_ACCESS) -> dict[int, Any]:
    """What a message has without its being stored in its list. Of one that was never saved some are absent."""
    replica = mailbox.replica_guid
    folder_id = _own_id(row.folder_id)
    values = {
        tags.PidTagMessageFlags: message_flags(row),
        tags.PidTagRead: row.is_read,
        tags.PidTagAssociated: row.is_associated,
        tags.PidTagHasAttachments: row.has_attachments,
        tags.PidTagMessageStatus: row.message_status,
        tags.PidTagHasNamedProperties: True,
        tags.PidTagMessageSize: min(row.size, _MAXIMUM_SIZE),
        tags.PidTagMessageSizeExtended: row.size,
        tags.PidTagLocalCommitTime: row.local_commit_time,
        tags.PidTagMid: _own_id(row.message_id),
        tags.PidTagFolderId: folder_id,
        tags.PidTagParentFolderId: folder_id,
        tags.PidTagEntryId: message_entry_id(mailbox.guid, replica, row.folder_id, row.message_id),
        tags.PidTagParentEntryId: folder_entry_id(mailbox.guid, replica, row.folder_id),
        tags.PidTagStoreRecordKey: mailbox.guid.bytes_le,
        tags.PidTagSourceKey: row.source_key or Xid.gid(replica, row.message_id).build(),
        tags.PidTagParentSourceKey: Xid.gid(replica, row.folder_id).build(),
        tags.PidTagAccess: int(access),
        tags.PidTagAccessLevel: ACCESS_LEVEL_MODIFY,
    }
    if row.change_number:
        change = Xid.gid(replica, row.change_number)
        values |= {
            tags.PidTagLastModificationTime: row.modified,
            tags.PidTagChangeKey: row.change_key or change.build(),
            tags.PidTagPredecessorChangeList: row.predecessor_change_list or PredecessorChangeList([change]).build(),
            tags.PidTagChangeNumber: _own_id(row.change_number),
        }
    return values


READ_ONLY_PROPERTIES: Final = frozenset(
    tag >> 16
    for tag in (
        *COLUMN_PROPERTIES - {tags.PidTagMessageFlags},
        tags.PidTagAccess,
        tags.PidTagAccessLevel,
        tags.PidTagObjectType,
        tags.PidTagRecordKey,
        tags.PidTagHasAttachments,
        tags.PidTagHasNamedProperties,
        tags.PidTagMessageStatus,
        tags.PidTagLocalCommitTime,
        tags.PidTagParentFolderId,
        tags.PidTagStoreRecordKey,
        tags.PidTagStoreEntryId,
        tags.PidTagInstID,
        tags.PidTagInstanceNum,
        tags.PidTagInstanceKey,
        tags.PidTagDisplayTo,
        tags.PidTagDisplayCc,
        tags.PidTagDisplayBcc,
        tags.PidTagCreatorName,
        tags.PidTagCreatorEntryId,
        tags.PidTagLastModifierEntryId,
        tags.PidTagMessageRecipients,
        tags.PidTagMessageAttachments,
    )
)
"""Ids of what a client cannot set on a message (MS-OXCMSG 2.2.1)."""

FIRST_SAVE_PROPERTIES: Final = frozenset(
    tag >> 16
    for tag in (
        tags.PidTagMessageFlags,
        tags.PidTagCreationTime,
        tags.PidTagSearchKey,
        tags.PidTagLastModifierName,
    )
)
"""Ids of what a client can set only until the first save, as on Exchange 2010 and later."""

SAVE_PREVENTING_PROPERTIES: Final = frozenset(
    tag >> 16
    for tag in (
        tags.PidTagMessageSize,
        tags.PidTagAccess,
        tags.PidTagAccessLevel,
        tags.PidTagObjectType,
        tags.PidTagRecordKey,
        tags.PidTagMessageStatus,
        tags.PidTagHasAttachments,
        tags.PidTagMessageFlags,
    )
)
"""Ids of read-only properties that Exchange 2010 and later refuse at the save (MS-OXCMSG 3.2.5.3, product note 26)."""

READ_ONLY_ATTACHMENT_PROPERTIES: Final = frozenset(
    tag >> 16
    for tag in (
        tags.PidTagAccessLevel,
        tags.PidTagObjectType,
        tags.PidTagRecordKey,
        tags.PidTagAttachSize,
        tags.PidTagAttachNumber,
        tags.PidTagHasNamedProperties,
    )
)
"""Ids of what a client cannot set on an attachment (MS-OXCMSG 2.2.2)."""


PROPERTY_TYPES: Final = {
    tag >> 16: tag
    for tag in (
        tags.PidTagMessageClass,
        tags.PidTagSubject,
        tags.PidTagSubjectPrefix,
        tags.PidTagNormalizedSubject,
        tags.PidTagImportance,
        tags.PidTagSensitivity,
        tags.PidTagMessageFlags,
        tags.PidTagMessageDeliveryTime,
        tags.PidTagClientSubmitTime,
        tags.PidTagCreationTime,
        tags.PidTagLastModificationTime,
        tags.PidTagLastModifierName,
        tags.PidTagSearchKey,
        tags.PidTagSenderName,
        tags.PidTagSentRepresentingName,
        tags.PidTagConversationIndex,
        tags.PidTagConversationIndexTracking,
        tags.PidTagConversationTopic,
        tags.PidTagConversationId,
        tags.PidTagAttachMethod,
        tags.PidTagAttachmentHidden,
        tags.PidTagRenderingPosition,
    )
}
"""By id: the properties that the server itself uses, which no other type can have."""


def attachment_properties(
    attachment: DecodedAttachment, message_key: bytes, modified: int, access_level: int = ACCESS_LEVEL_MODIFY
) -> dict[int, Any]:
    """Every property of an attachment, by tag (MS-OXCMSG 2.2.2).

    ``message_key`` is unique to the message that holds it; ``modified`` stands for the times that whoever wrote the
    attachment left out.
    """
    stored = attachment.properties
    values: dict[int, Any] = {
        tags.PidTagAttachMethod: BY_VALUE if attachment.embedded is None else EMBEDDED_MESSAGE,
        tags.PidTagAttachSize: min(_size(attachment), _MAXIMUM_SIZE),
        tags.PidTagRenderingPosition: NOT_RENDERED,
        tags.PidTagCreationTime: modified,
        tags.PidTagLastModificationTime: modified,
    }
    return (
        values
        | stored
        | {
            tags.PidTagRecordKey: message_key + stored[tags.PidTagAttachNumber].to_bytes(4, "big"),
            tags.PidTagAccessLevel: access_level,
        }
    )


def embedded_properties(content: DecodedMessage, modified: int) -> dict[int, Any]:
    """Every property of an Embedded Message object; it has no place of its own, hence no ids.

    ``modified`` stands for the times that whoever wrote it left out.
    """
    stored = content.properties
    flags = int(stored.get(tags.PidTagMessageFlags, MESSAGE_FLAG_READ)) & ~MESSAGE_FLAG_HAS_ATTACHMENTS
    attached = has_attachments(content)
    if attached:
        flags |= MESSAGE_FLAG_HAS_ATTACHMENTS
    size = min(message_size(content), _MAXIMUM_SIZE)
    return (
        {
            tags.PidTagMessageClass: "IPM.Note",
            tags.PidTagImportance: 1,
            tags.PidTagSensitivity: 0,
            tags.PidTagCreationTime: modified,
            tags.PidTagLastModificationTime: modified,
        }
        | with_subject(dict(stored))
        | display_names(content.recipients)
        | {
            tags.PidTagMessageFlags: flags,
            tags.PidTagRead: bool(flags & MESSAGE_FLAG_READ),
            tags.PidTagHasAttachments: attached,
            tags.PidTagHasNamedProperties: True,
            tags.PidTagMessageSize: size,
            tags.PidTagMessageSizeExtended: size,
            tags.PidTagAccess: int(OWNER_ACCESS),
            tags.PidTagAccessLevel: ACCESS_LEVEL_MODIFY,
        }
    )


def with_subject(values: dict[int, Any]) -> dict[int, Any]:
    """The values with their whole subject."""
    subject = whole_subject(values)
    if subject is not None:
        values[tags.PidTagSubject] = subject
    return values


def _size(attachment: DecodedAttachment) -> int:
    size = _values_size(attachment.properties)
    return size + message_size(attachment.embedded) if attachment.embedded is not None else size


def message_size(content: DecodedMessage) -> int:
    """About how many bytes a message takes that is not saved yet."""
    return (
        _values_size(content.properties)
        + sum(map(_values_size, content.recipients))
        + sum(map(_size, content.attachments))
    )


def _values_size(values: Mapping[int, Any]) -> int:
    return sum(4 + _value_size(tag & 0xFFFF, value) for tag, value in values.items())


def _value_size(kind: int, value: Any) -> int:
    if isinstance(value, BlobValue):
        return value.size
    if isinstance(value, str):
        return 2 * len(value) + 2
    if isinstance(value, bytes):
        return len(value)
    if isinstance(value, list):
        return 4 + sum(_value_size(kind & 0x0FFF, item) for item in value)
    return FIXED_SIZES.get(kind, 0)


def _own_id(counter: int) -> int:
    return ObjectId(OWN_REPLICA, counter).to_integer()
