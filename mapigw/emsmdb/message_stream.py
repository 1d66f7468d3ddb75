"""Message changes as FastTransfer pieces, cut from what the store keeps (MS-OXCFXICS 2.2.4.3.11 to 2.2.4.3.14).

A message whose wanted properties are all stored in their wire form costs a walk over its index; only a client without
Unicode makes strings be encoded anew.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from mapigw.emsmdb.download import BlobPiece, Piece
from mapigw.mailbox.content import ATTACHMENTS_FOLLOW, BLOB_RECORD, RECIPIENTS_FOLLOW
from mapigw.mailbox.messages import message_flags
from mapigw.store.blobs import DIGEST_SIZE, FolderBlobStore
from mapigw.store.messages import SyncRow
from mapigw.wire import tags
from mapigw.wire.fasttransfer import NAMED_MINIMUM, Marker
from mapigw.wire.fasttransfer_strings import recode_strings
from mapigw.wire.properties import PropertyType

UNCOPIED: Final = 2048  # larger values are handed on where they are, not copied with their neighbours
LARGE_BLOB: Final = 1 << 18  # larger values are read from the blob store as they go out

_COUNTED: Final = frozenset({PropertyType.STRING, PropertyType.BINARY})
_BODY: Final = tags.PidTagBody >> 16
_RICH_BODIES: Final = frozenset({tags.PidTagHtml >> 16, tags.PidTagRtfCompressed >> 16})
_RECIPIENTS: Final = tags.PidTagMessageRecipients >> 16
_ATTACHMENTS: Final = tags.PidTagMessageAttachments >> 16
# Belong to a message's place, not to the message, or are computed by the client (a sent preview shadows the body).
_NEVER_SENT: Final = frozenset(
    tag >> 16
    for tag in (
        tags.PidTagEntryId,
        tags.PidTagInstanceKey,
        tags.PidTagObjectType,
        tags.PidTagParentEntryId,
        tags.PidTagRecordKey,
        0x3FD9001F,  # PidTagPreview
    )
)

_PROGRESS: Final = struct.Struct("<IIiIH")
_SOURCE_KEY: Final = struct.pack("<I", tags.PidTagSourceKey)
_CHANGE_KEY: Final = struct.pack("<I", tags.PidTagChangeKey)
_PREDECESSORS: Final = struct.pack("<I", tags.PidTagPredecessorChangeList)
_GID_SIZE: Final = struct.pack("<I", 22)
_SIZED_XID_SIZE: Final = struct.pack("<IB", 23, 22)
_MODIFIED: Final = struct.Struct("<IQ")
_CHANGE: Final = struct.pack("<I", Marker.IncrSyncChg)
_ASSOCIATED: Final = tuple(struct.pack("<IH", tags.PidTagAssociated, value) for value in (False, True))
_MID: Final = struct.pack("<IH", tags.PidTagMid, 1)
_CHANGE_NUMBER: Final = struct.pack("<IH", tags.PidTagChangeNumber, 1)
_SIZE: Final = struct.Struct("<Ii")
_BODY_OF_CHANGE: Final = struct.Struct("<IIi")
_LENGTH: Final = struct.Struct("<I")
_MAXIMUM_SIZE: Final = 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a client asked its message changes to be like (MS-OXCFXICS 2.2.3.2.1.1.1)."""

    property_ids: frozenset[int]
    only_specified: bool = False
    ignore_specified_on_fai: bool = False
    foreign_identifiers: bool = True
    progress: bool = False
    eid: bool = False
    message_size: bool = False
    change_number: bool = False
    code_page: int | None = None  # of a client without Unicode


class MessageStream:
    """Makes messageChange elements for one download context. Blocks on the blob store: for a worker thread."""

    def __init__(self, options: StreamOptions, replica_guid: UUID, blobs: FolderBlobStore) -> None:
        self._options = options
        self._replica = replica_guid.bytes_le
        self._blobs = blobs
        self._left_out = options.property_ids | _NEVER_SENT

    def pieces(self, row: SyncRow) -> list[Piece]:
        """One message. Raises `MissingBlobError`, `WireError`, `struct.error` for one that is damaged."""
        options = self._options
        only = options.only_specified and not (row.is_associated and options.ignore_specified_on_fai)
        wanted = options.property_ids
        pieces: list[Piece] = [self._header(row)]
        pieces += self._properties(row, only)
        attachments_offset = _LENGTH.unpack_from(row.children_index)[0]
        blobs = list(BLOB_RECORD.iter_unpack(memoryview(row.children_index)[4:]))
        if (_RECIPIENTS in wanted) == only:
            pieces.append(RECIPIENTS_FOLLOW)
            pieces += self._children(row.children, 0, attachments_offset, blobs)
        if (_ATTACHMENTS in wanted) == only:
            pieces.append(ATTACHMENTS_FOLLOW)
            pieces += self._children(row.children, attachments_offset, len(row.children), blobs)
        if options.code_page is not None:
            return _recoded(pieces, options.code_page, self._blobs)
        return pieces

    def _header(self, row: SyncRow) -> bytes:
        options = self._options
        change_number = row.change_number.to_bytes(6, "big")
        message_id = row.message_id.to_bytes(6, "big")
        size = min(row.size, _MAXIMUM_SIZE)
        parts: list[bytes] = []
        if options.progress:
            parts.append(_PROGRESS.pack(Marker.IncrSyncProgressPerMsg, 0x00000003, size, 0x0000000B, row.is_associated))
        parts += (_CHANGE, _SOURCE_KEY)
        if row.source_key is not None and options.foreign_identifiers:
            parts += (_LENGTH.pack(len(row.source_key)), row.source_key)
        else:
            parts += (_GID_SIZE, self._replica, message_id)
        parts += (_MODIFIED.pack(tags.PidTagLastModificationTime, row.modified), _CHANGE_KEY)
        if row.change_key is not None:
            parts += (_LENGTH.pack(len(row.change_key)), row.change_key)
        else:
            parts += (_GID_SIZE, self._replica, change_number)
        parts.append(_PREDECESSORS)
        if row.predecessor_change_list is not None:
            parts += (_LENGTH.pack(len(row.predecessor_change_list)), row.predecessor_change_list)
        else:
            parts += (_SIZED_XID_SIZE, self._replica, change_number)
        parts.append(_ASSOCIATED[row.is_associated])
        if options.eid:
            parts += (_MID, message_id)
        if options.message_size:
            parts.append(_SIZE.pack(tags.PidTagMessageSize, size))
        if options.change_number:
            parts += (_CHANGE_NUMBER, change_number)
        parts.append(_BODY_OF_CHANGE.pack(Marker.IncrSyncMessage, tags.PidTagMessageFlags, message_flags(row)))
        return b"".join(parts)

    def _properties(self, row: SyncRow, only: bool) -> list[Piece]:
        """The wanted bytes of the message's own list: runs between the properties left out and the large values."""
        data, index = row.properties, memoryview(row.properties_index)
        ids = index.cast("H")[1::8].tolist()  # the upper half of each record's tag
        fields = index.cast("I")
        wanted = self._options.property_ids
        if only:
            left_out = frozenset(ids) - wanted | _NEVER_SENT
        else:
            left_out = self._left_out
            # A message that has only a plain body shows empty in Outlook when it is left out as asked.
            if _BODY in left_out and _RICH_BODIES.isdisjoint(ids):
                left_out = left_out - {_BODY}
        lengths, real_lengths = fields[2::4].tolist(), fields[3::4].tolist()
        breaks = [
            number
            for number, property_id in enumerate(ids)
            if real_lengths[number] or lengths[number] > UNCOPIED or property_id in left_out
        ]
        pieces: list[Piece] = []
        start = 0
        for number in breaks:
            tag, offset, length, real_length = fields[4 * number : 4 * number + 4]
            end = offset + length
            if ids[number] in left_out:
                if offset > start:
                    pieces.append(data[start:offset])
            elif real_length:
                pieces.append(data[start : end - DIGEST_SIZE])
                pieces.append(self._blob(data[end - DIGEST_SIZE : end], real_length))
            elif tag < NAMED_MINIMUM and tag & 0xFFFF in _COUNTED:
                value = offset + 8  # behind tag and length
                pieces.append(data[start:value])
                pieces.append(memoryview(data)[value:end])
            else:
                continue
            start = end
        if start < len(data):
            pieces.append(data[start:])
        return pieces

    def _children(self, data: bytes, start: int, end: int, blobs: Sequence[tuple[int, int]]) -> list[Piece]:
        pieces: list[Piece] = []
        for placeholder, real_length in blobs:
            if start <= placeholder < end:
                pieces.append(data[start:placeholder])
                start = placeholder + DIGEST_SIZE
                pieces.append(self._blob(data[placeholder:start], real_length))
        if end > start:
            pieces.append(data[start:end])
        return pieces

    def _blob(self, digest: bytes, size: int) -> Piece:
        if size > LARGE_BLOB:
            self._blobs.get(digest, 0, 0)  # found missing later, its message could not be left out any more
            return BlobPiece(digest, 0, size)
        return memoryview(self._blobs.get(digest, 0, size))


def _recoded(pieces: Iterable[Piece], code_page: int, blobs: FolderBlobStore) -> list[Piece]:
    """The same stream with PtypString values as PtypString8; large values are read whole, as they are converted."""
    stream = b"".join(blobs.get(piece.digest) if isinstance(piece, BlobPiece) else piece for piece in pieces)
    return [recode_strings(stream, code_page)]


ProgressTotals = Mapping[bool, tuple[int, int]]
"""is_associated: (count, total size)."""


def progress_total(totals: ProgressTotals) -> bytes:
    """The progressTotal element with its ProgressInformation (MS-OXCFXICS 2.2.2.7, 2.2.4.3.19)."""
    fai_count, fai_size = totals[True]
    count, size = totals[False]
    return struct.pack(
        "<IIIHHIQIIQ", Marker.IncrSyncProgressMode, 0x00000102, 32, 0, 0, fai_count, fai_size, count, 0, size
    )
