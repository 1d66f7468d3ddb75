"""The properties of stored messages, of their attachments and of embedded messages.

The same values for every way of reading them: RopGetProperties, contents tables and attachment tables. Like Exchange
messages have neither PidTagObjectType nor PidTagRecordKey, and attachments no PidTagObjectType (MS-OXCMSG 2.2.1.1,
2.2.2.1, product notes). Which body is stored is the message's; other forms are not among its properties.
"""

from collections.abc import Mapping
from typing import Any, Final

from mapigw.mailbox.content import BlobValue, DecodedAttachment, DecodedMessage, decode_children, decode_properties
from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.messages import MESSAGE_FLAG_HAS_ATTACHMENTS, MESSAGE_FLAG_READ, display_names, message_flags
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.entryids import folder_entry_id, message_entry_id
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import FIXED_SIZES
from mapigw.wire.xid import PredecessorChangeList, Xid

OWNER_ACCESS: Final = 0x07  # Modify, Read and Delete; the other bits are about folders (MS-OXCPRPT 2.2.1.1)
ACCESS_LEVEL_READ_ONLY: Final = 0
ACCESS_LEVEL_MODIFY: Final = 1
BY_VALUE: Final = 1
EMBEDDED_MESSAGE: Final = 5
NOT_RENDERED: Final = -1  # 0xFFFFFFFF
_MAXIMUM_SIZE: Final = 0x7FFFFFFF


def message_properties(mailbox: Mailbox, row: MessageRow) -> dict[int, Any]:
    """Every property of a message but its recipients and attachments, by tag (MS-OXCMSG 2.2.1)."""
    replica = mailbox.replica_guid
    change = Xid.gid(replica, row.change_number)
    folder_id = _own_id(row.folder_id)
    values = decode_properties(row.properties, row.properties_index)
    values = _with_subject(values)
    values.update(
        {
            tags.PidTagMessageFlags: message_flags(row),
            tags.PidTagRead: row.is_read,
            tags.PidTagAssociated: row.is_associated,
            tags.PidTagHasAttachments: row.has_attachments,
            tags.PidTagMessageStatus: row.message_status,
            tags.PidTagHasNamedProperties: True,
            tags.PidTagMessageSize: min(row.size, _MAXIMUM_SIZE),
            tags.PidTagMessageSizeExtended: row.size,
            tags.PidTagLastModificationTime: row.modified,
            tags.PidTagLocalCommitTime: row.local_commit_time,
            tags.PidTagMid: _own_id(row.message_id),
            tags.PidTagFolderId: folder_id,
            tags.PidTagParentFolderId: folder_id,
            tags.PidTagEntryId: message_entry_id(mailbox.guid, replica, row.folder_id, row.message_id),
            tags.PidTagParentEntryId: folder_entry_id(mailbox.guid, replica, row.folder_id),
            tags.PidTagStoreRecordKey: mailbox.guid.bytes_le,
            tags.PidTagSourceKey: row.source_key or Xid.gid(replica, row.message_id).build(),
            tags.PidTagParentSourceKey: Xid.gid(replica, row.folder_id).build(),
            tags.PidTagChangeKey: row.change_key or change.build(),
            tags.PidTagPredecessorChangeList: row.predecessor_change_list or PredecessorChangeList([change]).build(),
            tags.PidTagChangeNumber: _own_id(row.change_number),
            tags.PidTagAccess: OWNER_ACCESS,
            tags.PidTagAccessLevel: ACCESS_LEVEL_MODIFY,
        }
    )
    return values


def read_message(mailbox: Mailbox, row: MessageRow) -> DecodedMessage:
    """A stored message with every property, its recipients and its attachments.

    Raises `WireError` or `struct.error` when what is stored is damaged.
    """
    content = decode_children(row.children, row.children_index)
    content.properties = message_properties(mailbox, row)
    own = Xid.gid(mailbox.replica_guid, row.message_id).build()
    _complete_attachments(content, own, row.modified)
    return content


def _complete_attachments(content: DecodedMessage, key: bytes, modified: int) -> None:
    """``key`` is unique to the message that holds the attachments."""
    for attachment in content.attachments:
        number = attachment.properties[tags.PidTagAttachNumber]
        record_key = key + number.to_bytes(4, "big")
        if attachment.embedded is not None:
            _complete_embedded(attachment.embedded, record_key, modified)
        attachment.properties = attachment_properties(attachment, record_key, modified)


def attachment_properties(attachment: DecodedAttachment, record_key: bytes, modified: int) -> dict[int, Any]:
    """Every property of an attachment, by tag (MS-OXCMSG 2.2.2).

    ``modified`` stands for the times that whoever wrote the attachment left out.
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
            tags.PidTagRecordKey: record_key,
            tags.PidTagAccessLevel: ACCESS_LEVEL_MODIFY,
        }
    )


def _complete_embedded(content: DecodedMessage, key: bytes, modified: int) -> None:
    """Give an Embedded Message object what a save computes; it has no place of its own, hence no ids."""
    stored = content.properties
    hidden = tags.PidTagAttachmentHidden
    has_attachments = any(not item.properties.get(hidden, False) for item in content.attachments)
    _complete_attachments(content, key, modified)
    flags = int(stored.get(tags.PidTagMessageFlags, MESSAGE_FLAG_READ)) & ~MESSAGE_FLAG_HAS_ATTACHMENTS
    if has_attachments:
        flags |= MESSAGE_FLAG_HAS_ATTACHMENTS
    size = min(_message_size(content), _MAXIMUM_SIZE)
    content.properties = (
        {
            tags.PidTagMessageClass: "IPM.Note",
            tags.PidTagImportance: 1,
            tags.PidTagSensitivity: 0,
            tags.PidTagCreationTime: modified,
            tags.PidTagLastModificationTime: modified,
        }
        | _with_subject(stored)
        | display_names(content.recipients)
        | {
            tags.PidTagMessageFlags: flags,
            tags.PidTagRead: bool(flags & MESSAGE_FLAG_READ),
            tags.PidTagHasAttachments: has_attachments,
            tags.PidTagHasNamedProperties: True,
            tags.PidTagMessageSize: size,
            tags.PidTagMessageSizeExtended: size,
            tags.PidTagAccess: OWNER_ACCESS,
            tags.PidTagAccessLevel: ACCESS_LEVEL_MODIFY,
        }
    )


def _with_subject(values: dict[int, Any]) -> dict[int, Any]:
    """The values with PidTagSubject made of its parts, where the client wrote only these (MS-OXCMSG 2.2.1.46)."""
    normalized = values.get(tags.PidTagNormalizedSubject)
    if tags.PidTagSubject not in values and isinstance(normalized, str):
        prefix = values.get(tags.PidTagSubjectPrefix)
        values[tags.PidTagSubject] = (prefix if isinstance(prefix, str) else "") + normalized
    return values


def _size(attachment: DecodedAttachment) -> int:
    size = _values_size(attachment.properties)
    return size + _message_size(attachment.embedded) if attachment.embedded is not None else size


def _message_size(content: DecodedMessage) -> int:
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
