"""Stored values as a client asks for them: in its types, its code page and its sizes (MS-OXCPRPT 3.2.5.1)."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mapigw.emsmdb.objects import Logon
from mapigw.emsmdb.registry import Call
from mapigw.mailbox.content import BlobValue
from mapigw.store.blobs import MissingBlobError
from mapigw.wire import code_pages
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import (
    MARKERS,
    VALUE_SIZES,
    MetaTagDnPrefix,
    MetaTagEcWarning,
    MetaTagFXDelProp,
    MetaTagIdsetGiven,
    MetaTagIncrementalSyncMessagePartial,
    MetaTagIncrSyncGroupId,
    MetaTagNewFXFolder,
    parse_value,
)
from mapigw.wire.properties import FIXED_SIZES, MULTIPLE, PropertyType
from mapigw.wire.rows import TypedValue

log = logging.getLogger("mapigw.emsmdb")

_STRING8_OF: Final = {
    int(PropertyType.STRING): int(PropertyType.STRING8),
    int(PropertyType.MULTIPLE_STRING): int(PropertyType.MULTIPLE_STRING8),
}
_STRING_OF: Final = {narrow: wide for wide, narrow in _STRING8_OF.items()}
# A 16-bit count precedes a binary in a row, and no row is larger than its buffer.
ROW_VALUE_MAXIMUM: Final = 0x7FF0
_ERROR_SIZE: Final = 4  # bytes of a PtypErrorCode value
_LEAST_REPLACED: Final = 8  # bytes of a value that it pays to replace by an error
_HIGH_SURROGATES: Final = ("\ud800", "\udbff")


class Reader:
    """Turns an object's values into cells for one request.

    A value that no row has room for is an error; with ``truncate`` values are cut to that many bytes, as the rows of
    tables have them. ``code_page`` is that of 8-bit strings, by default the logon's.
    """

    def __init__(
        self, call: Call | Logon, want_unicode: int, *, truncate: int = 0, code_page: int | None = None
    ) -> None:
        self._mailbox = call.logon.mailbox
        self._code_page = call.session.parameters.default_code_page if code_page is None else code_page
        self._unicode = bool(want_unicode)
        self._truncate = truncate

    async def row(self, values: Mapping[int, Any], columns: Sequence[int]) -> list[Any]:
        """A cell for each column."""
        by_id = {tag >> 16: (tag & 0xFFFF, value) for tag, value in values.items()}
        # Two properties may share an id: PidTagMessageSize and PidTagMessageSizeExtended do.
        exact = {column: (column & 0xFFFF, values[column]) for column in columns if column in values}
        cells = {
            column: await self._cell(column, exact.get(column) or by_id.get(column >> 16))
            for column in dict.fromkeys(columns)
        }
        return [cells[column] for column in columns]

    async def tagged(self, values: Mapping[int, Any]) -> list[tuple[int, Any]]:
        """Every property as (tag, value); an error has the type PtypErrorCode."""
        result: list[tuple[int, Any]] = []
        for tag, value in values.items():
            cell = await self._cell(tag & ~0xFFFF, (tag & 0xFFFF, value))
            if isinstance(cell, TypedValue):
                result.append((tag & ~0xFFFF | cell.type, cell.value))
            else:
                result.append((tag & ~0xFFFF | PropertyType.ERROR_CODE, cell))
        return result

    async def _cell(self, column: int, found: tuple[int, Any] | None) -> Any:
        if found is None:
            return ErrorCode.NotFound
        kind, value = found
        wanted = column & 0xFFFF
        if not agrees(wanted, kind):
            return ErrorCode.NotFound
        if isinstance(value, BlobValue):
            if value.size > ROW_VALUE_MAXIMUM and not self._truncate:
                return ErrorCode.NotEnoughMemory
            # Twice as much, because of what becomes shorter in a code page.
            length = 2 * self._truncate if self._truncate else None
            try:
                value = parse_value(kind, await self._mailbox.read_blob(value.digest, 0, length))
            except MissingBlobError as error:
                log.error("property 0x%08X of mailbox %s cannot be read: %s", column, self._mailbox.guid, error)
                return ErrorCode.StorageReadFault
        if kind == PropertyType.STRING:
            value = value.partition("\0")[0]  # what a stream or an import brought; a row would end there
        narrow = _STRING8_OF.get(kind)
        if narrow is not None and (wanted == narrow or (wanted == PropertyType.UNSPECIFIED and not self._unicode)):
            kind, value = narrow, narrowed(value, self._code_page)
        if self._truncate:
            value = truncated(value, self._truncate)
        elif value_size(kind, value) > ROW_VALUE_MAXIMUM:
            return ErrorCode.NotEnoughMemory
        return TypedValue(kind, value) if wanted == PropertyType.UNSPECIFIED else value


def agrees(wanted: int, kind: int) -> bool:
    """Whether a client that asks for the type ``wanted`` gets a value that is stored under ``kind``."""
    return wanted in (PropertyType.UNSPECIFIED, kind, _STRING8_OF.get(kind))


def truncated(value: Any, size: int) -> Any:
    """The beginning of a value of variable size, at most ``size`` bytes; of several values, those that fit."""
    if isinstance(value, str):
        if 2 * len(value) <= size and value.isascii():
            return value
        cut = value[: size // 2].encode("utf-16-le", "surrogatepass")[: size & ~1].decode("utf-16-le", "surrogatepass")
        broken = len(cut) < len(value) and _HIGH_SURROGATES[0] <= cut[-1:] <= _HIGH_SURROGATES[1]
        return cut[:-1] if broken else cut
    if isinstance(value, bytes):
        return value[:size]
    if isinstance(value, list):
        kept = []
        for item in value:
            size -= _item_size(item)
            if size < 0:
                break
            kept.append(item)
        return kept
    return value


def narrowed(value: Any, code_page: int) -> Any:
    """A string or strings in a code page."""
    if isinstance(value, list):
        return [code_pages.encode(item, code_page) for item in value]
    return code_pages.encode(value, code_page)


def stored_form(tag: int, value: Any, code_page: int) -> tuple[int, Any]:
    """A property as it is stored: text is Unicode."""
    wide = _STRING_OF.get(tag & 0xFFFF)
    if wide is None:
        return tag, value
    if isinstance(value, list):
        return tag & ~0xFFFF | wide, [code_pages.decode(item, code_page) for item in value]
    return tag & ~0xFFFF | wide, code_pages.decode(value, code_page)


def is_storable(tag: int) -> bool:
    """Whether a property can be kept: its type has stored values, and it is no mark of the stored form."""
    return tag & 0xFFFF in _STORABLE_TYPES and tag >> 16 not in _RESERVED_IDS


_STORABLE_TYPES: Final = frozenset(
    int(kind) for kind in PropertyType if kind & ~MULTIPLE in VALUE_SIZES and kind != PropertyType.ERROR_CODE
)
_RESERVED_IDS: Final = frozenset(
    tag >> 16
    for tag in (
        0,
        *MARKERS,
        MetaTagDnPrefix,
        MetaTagEcWarning,
        MetaTagFXDelProp,
        MetaTagIdsetGiven,
        MetaTagIncrementalSyncMessagePartial,
        MetaTagIncrSyncGroupId,
        MetaTagNewFXFolder,
    )
)


def value_size(kind: int, value: Any) -> int:
    """Bytes of a value of variable size, for limits: without its counts, but with the NUL of a string."""
    if kind in FIXED_SIZES:
        return 0
    return sum(map(_item_size, value)) if kind & MULTIPLE else _item_size(value)


def _item_size(value: Any) -> int:
    if isinstance(value, str):
        return 2 * len(value) + 2 if value.isascii() else len(value.encode("utf-16-le", "surrogatepass")) + 2
    return len(value) if isinstance(value, bytes) else 8


def too_many(cells: Sequence[tuple[int, Any]], excess: int) -> list[int]:
    """The positions of the largest of some cells, (type, value) each, without which a response is ``excess`` bytes
    shorter.

    They become NotEnoughMemory, and clients open streams on them. When all of variable size are not enough, the
    response needs a larger buffer.
    """
    sizes = [value_size(kind, value) for kind, value in cells]
    chosen = []
    for position in sorted(range(len(cells)), key=lambda position: -sizes[position]):
        if excess <= 0 or sizes[position] <= _LEAST_REPLACED:
            break
        excess -= sizes[position] - _ERROR_SIZE
        chosen.append(position)
    return chosen
