"""FastTransfer streams for clients without Unicode (MS-OXCFXICS 3.2.5.9.1.1)."""

from typing import Any

from mapigw.wire import code_pages
from mapigw.wire.cursor import Cursor
from mapigw.wire.fasttransfer import MARKER_BYTES, MARKERS, pull_property, push_property
from mapigw.wire.properties import PropertyType

_STRINGS = {
    int(PropertyType.STRING): int(PropertyType.STRING8),
    int(PropertyType.MULTIPLE_STRING): int(PropertyType.MULTIPLE_STRING8),
}


def recode_strings(stream: bytes, code_page: int) -> bytes:
    """The same stream with every PtypString as PtypString8 in the code page. Raises `WireError`."""
    cursor = Cursor(stream)
    out = bytearray()
    while cursor.remaining:
        start = cursor.position
        marker = MARKERS.get(cursor.uint32())
        if marker is not None:
            out += MARKER_BYTES[marker]
            continue
        cursor.position = start
        tag, name, value = pull_property(cursor)
        tag, value = recoded(tag, value, code_page)
        push_property(out, tag, value, name)
    return bytes(out)


def recoded(tag: int, value: Any, code_page: int) -> tuple[int, Any]:
    """A property with its PtypString value, if it is one, as PtypString8."""
    narrow = _STRINGS.get(tag & 0xFFFF)
    if narrow is None:
        return tag, value
    if isinstance(value, list):
        return tag & ~0xFFFF | narrow, [code_pages.encode(item, code_page) for item in value]
    return tag & ~0xFFFF | narrow, code_pages.encode(value, code_page)
