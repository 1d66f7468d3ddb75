"""What saving a message adds to what was written: computed properties and the promoted columns."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, Final

from mapigw.mailbox.bodies.forms import body_information
from mapigw.mailbox.content import BlobValue, Content, DecodedMessage, decode_children, decode_properties
from mapigw.mailbox.conversations import conversation_id
from mapigw.mailbox.restrictions import Candidate
from mapigw.mailbox.subjects import whole_subject
from mapigw.store.messages import MessageRow, SyncRow
from mapigw.wire import tags
from mapigw.wire.message import Message

# PidTagMessageFlags (MS-OXCMSG 2.2.1.6)
MESSAGE_FLAG_READ: Final = 0x0001
MESSAGE_FLAG_UNMODIFIED: Final = 0x0002
MESSAGE_FLAG_UNSENT: Final = 0x0008
MESSAGE_FLAG_HAS_ATTACHMENTS: Final = 0x0010
MESSAGE_FLAG_ASSOCIATED: Final = 0x0040
MESSAGE_FLAG_RESEND: Final = 0x0080
MESSAGE_FLAG_NOTIFY_READ: Final = 0x0100
MESSAGE_FLAG_NOTIFY_UNREAD: Final = 0x0200
MESSAGE_FLAG_EVER_READ: Final = 0x0400
CLIENT_FLAGS: Final = MESSAGE_FLAG_READ | MESSAGE_FLAG_UNSENT | MESSAGE_FLAG_RESEND
"""Those that a client sets, until the first save."""

# Computed from columns whenever they are asked for, so that they are never stored in the list.
COLUMN_PROPERTIES: Final = frozenset(
    {
        tags.PidTagMessageFlags,
        tags.PidTagLastModificationTime,
        tags.PidTagMessageSize,
        tags.PidTagMessageSizeExtended,
        tags.PidTagChangeKey,
        tags.PidTagPredecessorChangeList,
        tags.PidTagSourceKey,
        tags.PidTagParentSourceKey,
        tags.PidTagMid,
        tags.PidTagFolderId,
        tags.PidTagChangeNumber,
        tags.PidTagEntryId,
        tags.PidTagParentEntryId,
        tags.PidTagRead,
        tags.PidTagAssociated,
    }
)
_DISPLAY: Final = {1: tags.PidTagDisplayTo, 2: tags.PidTagDisplayCc, 3: tags.PidTagDisplayBcc}
# mfRead, mfHasAttach and mfFAI are derived (MS-OXCMSG 2.2.1.6); the rest is kept as given.
DERIVED_FLAGS: Final = MESSAGE_FLAG_READ | MESSAGE_FLAG_HAS_ATTACHMENTS | MESSAGE_FLAG_ASSOCIATED


def complete(message: Message | DecodedMessage, moment: int) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Split what was written into (stored properties, column values) and add what a save computes (MS-OXCMSG 2.2.1).

    Values that the writer gave win over computed ones, except those that must agree with the recipients and the
    attachments.
    """
    stored: dict[Any, Any] = {}
    columns: dict[Any, Any] = {}
    for key, value in message.properties.items():
        (columns if key in COLUMN_PROPERTIES else stored)[key] = value
    stored.setdefault(tags.PidTagMessageClass, "IPM.Note")
    stored.setdefault(tags.PidTagCreationTime, moment)
    stored.setdefault(tags.PidTagSearchKey, os.urandom(16))
    stored.setdefault(tags.PidTagImportance, 1)
    stored.setdefault(tags.PidTagSensitivity, 0)
    stored.update(body_information(stored))
    stored[tags.PidTagHasAttachments] = has_attachments(message)
    stored.update(display_names(message.recipients))
    conversation = conversation_id(stored)
    if conversation is not None:
        stored[tags.PidTagConversationId] = conversation
    return stored, columns


def has_attachments(message: Message | DecodedMessage) -> bool:
    """PidTagHasAttachments: whether any attachment is not hidden."""
    hidden = tags.PidTagAttachmentHidden
    return not all(item.properties.get(hidden, False) for item in message.attachments)


def display_names(recipients: Iterable[Mapping[Any, Any]]) -> dict[int, str]:
    """PidTagDisplayTo, PidTagDisplayCc and PidTagDisplayBcc of a message with these recipients."""
    names: dict[int, list[str]] = {kind: [] for kind in _DISPLAY}
    for recipient in recipients:
        kind = int(recipient.get(tags.PidTagRecipientType, 1)) & 0x0F
        if kind in names:
            name = recipient.get(tags.PidTagDisplayName)
            names[kind].append(name if isinstance(name, str) else "")
    return {tag: "; ".join(names[kind]) for kind, tag in _DISPLAY.items()}


def row_of(
    content: Content,
    properties: Mapping[Any, Any],
    columns: Mapping[Any, Any],
    *,
    message_id: int,
    folder_id: int,
    change_number: int,
    is_associated: bool,
    is_read: bool,
    modified: int,
) -> MessageRow:
    """The row of a message that is saved for the first time."""
    flags = int(columns.get(tags.PidTagMessageFlags, 0)) & ~DERIVED_FLAGS
    if is_read or is_associated:
        flags |= MESSAGE_FLAG_EVER_READ
    return MessageRow(
        message_id=message_id,
        folder_id=folder_id,
        is_associated=is_associated,
        change_number=change_number,
        read_change_number=0,
        source_key=None,
        change_key=None,
        predecessor_change_list=None,
        message_flags=flags,
        message_status=0,
        is_read=is_read,
        size=content.size,
        modified=modified,
        local_commit_time=modified,
        **promoted(properties, modified),
        properties=content.properties,
        properties_index=content.properties_index,
        children=content.children,
        children_index=content.children_index,
    )


def promoted(properties: Mapping[Any, Any], modified: int) -> dict[str, Any]:
    """The columns of a message that repeat some of its `complete` properties.

    Of a text that is out of line they have nothing.
    """
    delivery = properties.get(tags.PidTagMessageDeliveryTime)
    conversation = properties.get(tags.PidTagConversationId)
    return {
        "sort_time": min(modified if delivery is None else delivery, _LAST_TIME),
        "delivery_time": None if delivery is None else min(delivery, _LAST_TIME),
        "message_class": _column_text(properties[tags.PidTagMessageClass]),
        "subject": _column_text(whole_subject(properties)),
        "normalized_subject": _column_text(properties.get(tags.PidTagNormalizedSubject)),
        "sent_representing_name": _column_text(properties.get(tags.PidTagSentRepresentingName)),
        "importance": properties[tags.PidTagImportance],
        "has_attachments": properties[tags.PidTagHasAttachments],
        "conversation_id": conversation if isinstance(conversation, bytes) else None,
    }


_LAST_TIME: Final = (1 << 63) - 1  # a column's integers are signed


def _column_text(value: str | BlobValue | None) -> str | None:
    """Text as a column can hold it: without halves of surrogate pairs."""
    if value is None:
        return None
    if isinstance(value, BlobValue):
        return ""
    return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def message_flags(row: Any) -> int:
    """PidTagMessageFlags of a message's row (MS-OXCMSG 2.2.1.6)."""
    flags: int = row.message_flags
    if row.is_read:
        flags |= MESSAGE_FLAG_READ
    if row.has_attachments:
        flags |= MESSAGE_FLAG_HAS_ATTACHMENTS
    if row.is_associated:
        flags |= MESSAGE_FLAG_ASSOCIATED
    return flags


def candidate(row: SyncRow) -> Candidate:
    """A message as restrictions see it."""
    values = decode_properties(row.properties, row.properties_index)
    values[tags.PidTagMessageFlags] = message_flags(row)
    values[tags.PidTagMessageSize] = row.size
    values[tags.PidTagLastModificationTime] = row.modified
    values[tags.PidTagAssociated] = row.is_associated
    children = decode_children(row.children, row.children_index)
    return Candidate(values, children.recipients, [item.properties for item in children.attachments])
