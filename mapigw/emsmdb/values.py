"""Stored values as a client asks for them: in its types, its code page and its sizes (MS-OXCPRPT 3.2.5.1)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mapigw.emsmdb.registry import Call
from mapigw.mailbox.content import BlobValue
from mapigw.wire import code_pages
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import parse_value
from mapigw.wire.properties import MULTIPLE_INSTANCE, PropertyType
from mapigw.wire.rows import TypedValue

_STRING8_OF: Final = {
    int(PropertyType.STRING): int(PropertyType.STRING8),
    int(PropertyType.MULTIPLE_STRING): int(PropertyType.MULTIPLE_STRING8),
}
_STRING_OF: Final = {narrow: wide for wide, narrow in _STRING8_OF.items()}
# A 16-bit count precedes a binary in a row, and no row is larger than its buffer.
ROW_VALUE_MAXIMUM: Final = 0x7FF0


class Reader:
    """Turns an object's values into cells for one request.

    A value above ``size_limit`` bytes is an error; with ``truncate`` texts and binaries are cut to that many bytes
    instead. ``code_page`` is that of 8-bit strings, by default the logon's.
    """

    def __init__(
        self, call: Call, want_unicode: int, size_limit: int, *, truncate: int = 0, code_page: int | None = None
    ) -> None:
        self._mailbox = call.logon.mailbox
        self._code_page = call.session.parameters.default_code_page if code_page is None else code_page
        self._unicode = bool(want_unicode)
        self._limit = min(size_limit or ROW_VALUE_MAXIMUM, ROW_VALUE_MAXIMUM)
        self._truncate = truncate

    async def row(self, values: Mapping[int, Any], columns: Sequence[int]) -> list[Any]:
        """A cell for each column."""
        by_id = {tag >> 16: (tag & 0xFFFF, value) for tag, value in values.items()}
        return [await self._cell(column, by_id.get(column >> 16)) for column in columns]

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
        wanted = column & 0xFFFF & ~MULTIPLE_INSTANCE
        if self._truncate:
            value = await self._truncated(kind, value)
        if isinstance(value, BlobValue):
            if value.size > self._limit:
                return ErrorCode.NotEnoughMemory
            value = parse_value(kind, await self._mailbox.read_blob(value.digest))
        if value_size(column & ~0xFFFF | kind, value) > self._limit:
            return ErrorCode.NotEnoughMemory
        if wanted == PropertyType.UNSPECIFIED:
            if kind in _STRING8_OF and not self._unicode:
                return TypedValue(_STRING8_OF[kind], narrowed(value, self._code_page))
            return TypedValue(kind, value)
        if wanted == kind:
            return value
        if _STRING8_OF.get(kind) == wanted:
            return narrowed(value, self._code_page)
        return ErrorCode.NotFound

    async def _truncated(self, kind: int, value: Any) -> Any:
        """The beginning of a text or binary that is too long for a table's row."""
        if isinstance(value, BlobValue):
            value = parse_value(kind, await self._mailbox.read_blob(value.digest, 0, self._truncate))
        if isinstance(value, str):
            return value[: self._truncate // 2]
        if isinstance(value, bytes):
            return value[: self._truncate]
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


def value_size(tag: int, value: Any) -> int:
    """Bytes of a value that a stream could carry, 0 for the others."""
    if isinstance(value, TypedValue):
        return value_size(value.type, value.value)
    if isinstance(value, str):
        return 2 * len(value) + 2
    if isinstance(value, bytes):
        return len(value)
    return 0
