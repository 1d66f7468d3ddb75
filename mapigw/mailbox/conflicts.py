"""Versions of one object that neither includes the other, and what becomes of them (MS-OXCFXICS 3.1.5.6)."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from mapigw.mailbox.content import DecodedAttachment, DecodedMessage, decode_children, encode_decoded
from mapigw.mailbox.messages import has_attachments
from mapigw.mailbox.saving import Version
from mapigw.store.messages import SyncRow
from mapigw.wire import tags
from mapigw.wire.errors import WireError
from mapigw.wire.properties import PropertyName
from mapigw.wire.xid import Precedence, PredecessorChangeList, Xid

MESSAGE_STATUS_IN_CONFLICT: Final = 0x800
"""msInConflict of PidTagMessageStatus: a conflict resolve message (MS-OXCMSG 2.2.1.8)."""
RESOLVE_LAST_WRITER_WINS: Final = 0x1
"""PidTagResolveMethod of the folder (2.2.1.4.1)."""

LAST_TIME: Final = (1 << 63) - 1
"""A FILETIME in the year 30828; clients know none after it."""

_EMBEDDED_MESSAGE: Final = 5
_HISTORY: Final = (tags.PidTagChangeKey, tags.PidTagPredecessorChangeList, tags.PidTagLastModificationTime)


@dataclass(frozen=True, slots=True)
class History:
    """What decides between versions."""

    change_key: Xid
    predecessors: PredecessorChangeList
    modified: int

    @classmethod
    def of(cls, replica_guid: UUID, row: Any) -> "History":
        """Of a stored message or folder, whose missing values are made of its change number."""
        own = Xid.gid(replica_guid, row.change_number)
        change_key = own if row.change_key is None else Xid.parse(row.change_key)
        listed = row.predecessor_change_list
        predecessors = PredecessorChangeList([own]) if listed is None else PredecessorChangeList.parse(listed)
        return cls(change_key, predecessors, row.modified)

    @classmethod
    def imported(cls, change_key: bytes, predecessor_change_list: bytes, modified: int) -> "History":
        """Of an imported version. Raises `WireError`."""
        key = Xid.parse(change_key)
        if modified > LAST_TIME:
            raise WireError("a time that no column holds", field="PidTagLastModificationTime")
        return cls(key, PredecessorChangeList.parse(predecessor_change_list).with_change(key), modified)

    def precedence_over(self, present: "History") -> Precedence:
        """3.1.5.6.1"""
        return self.predecessors.precedence_over(present.predecessors)

    def wins_over(self, other: "History") -> bool:
        """Last writer wins; of two at the same time the one with the larger namespace (3.1.5.6.2.2)."""
        mine = self.modified, self.change_key.namespace_guid.bytes_le
        return mine > (other.modified, other.change_key.namespace_guid.bytes_le)

    def version(self, source_key: bytes | None) -> Version:
        """What is stored of it beside the content."""
        return Version(source_key, self.change_key.build(), self.predecessors.build(), self.modified)


def merged(winner: History, loser: History) -> History:
    """The successor of both: the winner's change, with everything that either has seen (3.1.5.6.2)."""
    return History(winner.change_key, winner.predecessors.merge(loser.predecessors), winner.modified)


def together(mine: History, versions: Iterable[tuple[History, DecodedMessage]]) -> History:
    """The history of a conflict resolve message: it has seen what its versions have, wherever it was copied since."""
    for version, _content in versions:
        mine = merged(mine, version)
    return mine


def conflict_message(winner: DecodedMessage, versions: list[tuple[History, DecodedMessage]]) -> DecodedMessage:
    """A conflict resolve message: the winner's content, and every version as an attachment (3.1.5.6.2.1)."""
    result = without_versions(winner)
    numbers = [item.properties.get(tags.PidTagAttachNumber, 0) for item in result.attachments]
    for number, (history, content) in enumerate(versions, max(numbers, default=-1) + 1):
        embedded = without_versions(content)
        values = (history.change_key.build(), history.predecessors.build(), history.modified)
        embedded.properties |= dict(zip(_HISTORY, values, strict=True))
        properties = {
            tags.PidTagAttachNumber: number,
            tags.PidTagAttachMethod: _EMBEDDED_MESSAGE,
            tags.PidTagInConflict: True,
        }
        result.attachments.append(DecodedAttachment(properties, embedded))
    return result


def without_versions(content: DecodedMessage) -> DecodedMessage:
    """A conflict resolve message as the message it shows."""
    result = content.copy()
    result.attachments = [item for item in result.attachments if not is_version(item)]
    return result


def versions_of(content: DecodedMessage) -> list[tuple[History, DecodedMessage]]:
    """The versions that a conflict resolve message holds."""
    found = []
    for attachment in content.attachments:
        if is_version(attachment) and attachment.embedded is not None:
            version = attachment.embedded.copy()
            values = [version.properties.pop(tag, None) for tag in _HISTORY]
            # What a client wrote there itself need not be a version.
            with suppress(TypeError, WireError):
                found.append((History.imported(*values), version))
    return found


def version_rows(row: SyncRow, names: Mapping[int, PropertyName]) -> list[SyncRow]:
    """A conflict resolve message as a download has it: each version as a message of its own (3.1.5.6.2.1)."""
    rows = []
    for history, version in versions_of(decode_children(row.children, row.children_index)):
        content = encode_decoded(version, names)
        rows.append(
            row._replace(
                change_key=history.change_key.build(),
                predecessor_change_list=history.predecessors.build(),
                modified=history.modified,
                size=content.size,
                has_attachments=has_attachments(version),
                properties=content.properties,
                properties_index=content.properties_index,
                children=content.children,
                children_index=content.children_index,
            )
        )
    return rows


def is_version(attachment: DecodedAttachment) -> bool:
    """Whether the attachment of a conflict resolve message is one of the versions."""
    return bool(attachment.properties.get(tags.PidTagInConflict))
