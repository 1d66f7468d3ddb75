"""Whether a message that is saved again is still the Internet mail that it came as, which is kept beside it."""

from typing import Final

from mapigw.mailbox.content import INDEX_RECORD
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.fasttransfer import NAMED_MINIMUM
from mapigw.wire.property_sets import PS_INTERNET_HEADERS

# What its reader notes on a message, and who did so when: none of it was in the mail.
_NOTES: Final = frozenset(
    tag >> 16
    for tag in (
        tags.PidTagFlagStatus,
        tags.PidTagFlagCompleteTime,
        tags.PidTagFollowupIcon,
        tags.PidTagToDoItemFlags,
        tags.PidTagSwappedToDoData,
        tags.PidTagSwappedToDoStore,
        tags.PidTagReplyTime,
        tags.PidTagReplyRequested,
        tags.PidTagResponseRequested,
        tags.PidTagIconIndex,
        tags.PidTagLastVerbExecuted,
        tags.PidTagLastVerbExecutionTime,
        tags.PidTagLastModifierName,
        tags.PidTagLastModifierEntryId,
        tags.PidTagCreatorName,
        tags.PidTagCreatorEntryId,
        tags.PidTagCreationTime,
        tags.PidTagHasAttachments,
        tags.PidTagBlockStatus,
    )
)
_NAME_SET: Final = slice(4, 20)  # of a propValue with a name: behind the tag


def is_same_mail(before: MessageRow, after: MessageRow) -> bool:
    """Whether nothing differs but notes; named properties are notes unless they are header fields."""
    return (before.children, before.children_index) == (after.children, after.children_index) and (
        _mail_properties(before) == _mail_properties(after)
    )


def _mail_properties(row: MessageRow) -> dict[int, bytes]:
    """The propValues that make the mail, by tag; of one out of line its digest."""
    found = {}
    for tag, offset, length, _real_length in INDEX_RECORD.iter_unpack(row.properties_index):
        value = row.properties[offset : offset + length]
        if tag < NAMED_MINIMUM:
            if tag >> 16 not in _NOTES:
                found[tag] = value
        elif value[_NAME_SET] == PS_INTERNET_HEADERS.bytes_le:
            found[tag] = value
    return found
