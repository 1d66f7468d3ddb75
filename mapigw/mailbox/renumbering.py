"""Stored messages of one mailbox as another would have them: named properties under the other's ids.

The encoded lists hold each named property's name beside its tag (MS-OXCFXICS 2.2.4.1), so that only the 16 bits of the
ids are exchanged and nothing moves.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mapigw.mailbox.content import BLOB_RECORD, INDEX_RECORD
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store.blobs import DIGEST_SIZE
from mapigw.store.removing import Encoded
from mapigw.wire.cursor import Cursor
from mapigw.wire.fasttransfer import NAMED_MINIMUM, Marker, MetaTagFXDelProp, pull_name, pull_property
from mapigw.wire.properties import NAMED_PROPERTY_MINIMUM

_ID: Final = struct.Struct("<H")
_U32: Final = struct.Struct("<I")
_ID_OFFSET: Final = 2  # of a property's id in its little-endian tag
_MARKERS: Final = frozenset(Marker)


def named_ids(rows: Sequence[Encoded]) -> set[int]:
    """The ids of all named properties in messages, their recipients, attachments and embedded messages."""
    return {property_id for row in rows for _offset, property_id in _all_places(row)}


def renumbered(row: Encoded, ids: Mapping[int, int]) -> Encoded:
    """A message with other ids for its named properties; ``ids`` has all of them."""
    index = bytearray(row.properties_index)
    properties = bytearray(row.properties)
    for record, offset, property_id in _listed(row):
        _ID.pack_into(index, record + _ID_OFFSET, ids[property_id])
        _ID.pack_into(properties, offset + _ID_OFFSET, ids[property_id])
    children = bytearray(row.children)
    for offset, property_id in _in_children(row):
        _ID.pack_into(children, offset + _ID_OFFSET, ids[property_id])
    return row._replace(properties=bytes(properties), properties_index=bytes(index), children=bytes(children))


async def ids_between(source: Mailbox, destination: Mailbox, property_ids: set[int]) -> dict[int, int]:
    """What named properties of one mailbox are called in another, which gives ids to those it does not know.

    Raises `NamedPropertiesExhaustedError`.
    """
    names = await source.property_names()
    wanted = {property_id: names[property_id] for property_id in property_ids}
    theirs = await destination.property_ids(wanted.values(), create=True)
    return {property_id: theirs[name] for property_id, name in wanted.items()}


def _all_places(row: Encoded) -> Iterator[tuple[int, int]]:
    for _record, offset, property_id in _listed(row):
        yield offset, property_id
    yield from _in_children(row)


def _listed(row: Encoded) -> Iterator[tuple[int, int, int]]:
    """(offset in the index, offset in the list, property id) of each named property of a message itself."""
    for position, (tag, offset, _length, _real) in enumerate(INDEX_RECORD.iter_unpack(row.properties_index)):
        if tag >> 16 >= NAMED_PROPERTY_MINIMUM:
            yield position * INDEX_RECORD.size, offset, tag >> 16


def _in_children(row: Encoded) -> Iterator[tuple[int, int]]:
    """(offset, property id) of each named property of recipients and attachments."""
    cursor = Cursor(row.children)
    placeholders = {offset for offset, _real in BLOB_RECORD.iter_unpack(memoryview(row.children_index)[4:])}
    while cursor.remaining:
        start = cursor.position
        element = _U32.unpack_from(cursor.data, start)[0]
        if element in _MARKERS:
            cursor.position += 4
            continue
        if element == MetaTagFXDelProp:
            cursor.position += 8
            continue
        cursor.position += 4
        if element >= NAMED_MINIMUM:
            yield start, element >> 16
            pull_name(cursor)
        if cursor.position + 4 in placeholders:
            cursor.position += 4 + DIGEST_SIZE
        else:
            cursor.position = start
            pull_property(cursor)
