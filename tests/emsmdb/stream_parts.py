"""Parts of FastTransfer streams that tests upload."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.wire import tags
from mapigw.wire.fasttransfer import MARKER_BYTES, Marker, MetaTagFXDelProp, push_property
from mapigw.wire.properties import PropertyName
from tests.emsmdb.copies import ATTACHMENTS, RECIPIENTS
from tests.emsmdb.folders import table_rows

Values = Mapping[int, Any]


def properties(values: Values, names: Mapping[int, PropertyName] | None = None) -> bytes:
    out = bytearray()
    for tag, value in values.items():
        push_property(out, tag, value, (names or {}).get(tag))
    return bytes(out)


def inside(start: Marker, *parts: bytes, end: Marker) -> bytes:
    return MARKER_BYTES[start] + b"".join(parts) + MARKER_BYTES[end]


def recipient(name: str, row: int = 0) -> bytes:
    values = {tags.PidTagRowid: row, tags.PidTagRecipientType: 1, tags.PidTagDisplayName: name}
    return inside(Marker.StartRecip, properties(values), end=Marker.EndToRecip)


def attachment(values: Values, *parts: bytes) -> bytes:
    return inside(Marker.NewAttach, properties({tags.PidTagAttachNumber: 0, **values}), *parts, end=Marker.EndAttach)


def embedded(*parts: bytes) -> bytes:
    return attachment({tags.PidTagAttachMethod: 5}, inside(Marker.StartEmbed, *parts, end=Marker.EndEmbed))


def nested(depth: int) -> bytes:
    """An attachment with messages in one another."""
    part = b""
    for level in range(depth):
        part = embedded(properties({tags.PidTagSubject: f"level {level}"}), part)
    return part


def message(subject: str, *parts: bytes, **values: Any) -> bytes:
    return inside(
        Marker.StartMessage,
        properties({tags.PidTagMid: 1, tags.PidTagMessageClass: "IPM.Note", tags.PidTagSubject: subject}),
        *parts,
        end=Marker.EndMessage,
    )


def subfolder(name: str, *parts: bytes, comment: str = "") -> bytes:
    values = {tags.PidTagFolderId: 1, tags.PidTagDisplayName: name, tags.PidTagComment: comment}
    return inside(Marker.StartSubFld, properties(values), *parts, end=Marker.EndFolder)


FIRST = (RECIPIENTS, ATTACHMENTS)
DELETE_RECIPIENTS, DELETE_ATTACHMENTS = (properties({MetaTagFXDelProp: tag}) for tag in FIRST)


@asynccontextmanager
async def unchanged(mailbox: Mailbox) -> AsyncIterator[None]:
    """Nothing that is stored changes."""
    names = "message", "folder", "tombstone", "blob"
    before = [await table_rows(mailbox, name) for name in names]
    yield
    assert [await table_rows(mailbox, name) for name in names] == before
