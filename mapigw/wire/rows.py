"""Property rows, recipient rows and the smaller structures around them (MS-OXCDATA 2.6.1, 2.7, 2.8, 2.11.4, 2.13.1).

A row is the list of its cells, one for each column. A cell is the property's value (see ``properties.py``), or an
`ErrorCode` where the property cannot be shown, or None where the row says that there is no value. Under a column of
type PtypUnspecified the value is a `TypedValue`. A list of tagged values is a list of (tag, value) tuples.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from construct import Construct, ConstructError

from mapigw.wire.codes import ErrorCode
from mapigw.wire.cursor import Cursor
from mapigw.wire.primitives import Pulled, push_asciiz, push_unicodez
from mapigw.wire.properties import PropertyName, PropertyType, pull_value, push_value

_PRESENT: Final = 0x00
_ABSENT: Final = 0x01
_ERROR: Final = 0x0A

_STANDARD_ROW: Final = 0x00
_FLAGGED_ROW: Final = 0x01


class TypedValue(NamedTuple):
    """TypedPropertyValue (MS-OXCDATA 2.11.3): a value that names its type."""

    type: int
    value: Any


TaggedValue = tuple[int, Any]


def push_row(out: bytearray, columns: Sequence[int], values: Sequence[Any]) -> None:
    """Append the PropertyRow (MS-OXCDATA 2.8.1) of ``values``: flagged if any cell is an `ErrorCode` or None."""
    flagged = False
    for tag, value in zip(columns, values, strict=True):
        kind = type(value)
        if kind is ErrorCode or (value is None and tag & 0xFFFF != PropertyType.NULL):
            flagged = True
            break
    if not flagged:
        out.append(_STANDARD_ROW)
        for tag, value in zip(columns, values, strict=True):
            code = tag & 0xFFFF
            if code:
                push_value(out, code, value)
            else:
                out += value.type.to_bytes(2, "little")
                push_value(out, value.type, value.value)
        return
    out.append(_FLAGGED_ROW)
    for tag, value in zip(columns, values, strict=True):
        _push_flagged(out, tag & 0xFFFF, value)


def _push_flagged(out: bytearray, code: int, value: Any) -> None:
    """FlaggedPropertyValue, or FlaggedPropertyValueWithType for PtypUnspecified (MS-OXCDATA 2.11.5, 2.11.6)."""
    typed = code == PropertyType.UNSPECIFIED
    if type(value) is ErrorCode:
        if typed:
            out += PropertyType.ERROR_CODE.to_bytes(2, "little")
        out.append(_ERROR)
        out += value.to_bytes(4, "little")
    elif value is None and code != PropertyType.NULL:
        if typed:
            out += PropertyType.NULL.to_bytes(2, "little")
        out.append(_ABSENT)
    else:
        if typed:
            code, value = value
            out += code.to_bytes(2, "little")
        out.append(_PRESENT)
        push_value(out, code, value)


def pull_row(cursor: Cursor, columns: Iterable[int]) -> list[Any]:
    """Read one PropertyRow with a cell for each of ``columns``. Raises `WireError`."""
    flag = cursor.uint8()
    if flag == _STANDARD_ROW:
        return [_pull_cell(cursor, tag & 0xFFFF) for tag in columns]
    if flag == _FLAGGED_ROW:
        return [_pull_flagged(cursor, tag & 0xFFFF) for tag in columns]
    cursor.position -= 1
    raise cursor.fail(f"row flag 0x{flag:02X} is not known")


def _pull_cell(cursor: Cursor, code: int) -> Any:
    if code:
        return pull_value(cursor, code)
    code = cursor.uint16()
    return TypedValue(code, pull_value(cursor, code))


def _pull_flagged(cursor: Cursor, code: int) -> Any:
    typed = code == PropertyType.UNSPECIFIED
    if typed:
        code = cursor.uint16()
    flag = cursor.uint8()
    if flag == _PRESENT:
        value = pull_value(cursor, code)
        return TypedValue(code, value) if typed else value
    if flag == _ERROR:
        return ErrorCode(cursor.uint32())
    if flag == _ABSENT:
        return None
    cursor.position -= 1
    raise cursor.fail(f"value flag 0x{flag:02X} is not known")


def _parameter_columns(cursor: Cursor | None, context: Any) -> Sequence[int]:
    columns: Sequence[int] | None = context._params.get("columns")
    if columns is None:
        if cursor is None:
            raise ConstructError("rows need the parameter columns")
        raise cursor.fail("the columns of these rows are not known")
    return columns


def Rows(count: Callable[[Any], int], columns: Sequence[int] | None = None) -> Construct:  # noqa: N802
    """As many rows as ``count`` (an expression of ``this``) says: a list of rows.

    The columns are given here, or by the parameter ``columns``. Built from such a list, or from the bytes of rows
    already encoded with `push_row`, which need no columns.
    """

    def pull(cursor: Cursor, context: Any) -> list[list[Any]]:
        number = count(context)
        if not number:
            return []
        tags = columns or _parameter_columns(cursor, context)
        return [pull_row(cursor, tags) for _ in range(number)]

    def push(out: bytearray, value: Any, context: Any) -> None:
        if isinstance(value, (bytes, bytearray)):
            out += value
            return
        if len(value) != count(context):
            raise ConstructError(f"{len(value)} rows where the count says {count(context)}")
        for row in value:
            push_row(out, columns or _parameter_columns(None, context), row)

    return Pulled(pull, push)


def _push_parameter_row(out: bytearray, value: Any, context: Any) -> None:
    if isinstance(value, (bytes, bytearray)):
        out += value
    else:
        push_row(out, _parameter_columns(None, context), value)


Row = Pulled(
    lambda cursor, context: pull_row(cursor, _parameter_columns(cursor, context)),
    _push_parameter_row,
)
"""One row under the parameter ``columns``; built from its cells, or from bytes already encoded."""


def pull_tagged_value(cursor: Cursor, *, wide: bool = False) -> TaggedValue:
    """TaggedPropertyValue (MS-OXCDATA 2.11.4)."""
    tag = cursor.uint32()
    return tag, pull_value(cursor, tag & 0xFFFF, wide=wide)


def push_tagged_value(out: bytearray, tagged: TaggedValue, *, wide: bool = False) -> None:
    tag, value = tagged
    out += tag.to_bytes(4, "little")
    push_value(out, tag & 0xFFFF, value, wide=wide)


def _pull_tagged_values(cursor: Cursor, context: Any) -> list[TaggedValue]:
    count = cursor.count(cursor.uint16(), 4)
    return [pull_tagged_value(cursor) for _ in range(count)]


def _push_tagged_values(out: bytearray, values: Any, context: Any) -> None:
    out += len(values).to_bytes(2, "little")
    for tagged in values:
        push_tagged_value(out, tagged)


TaggedValues = Pulled(_pull_tagged_values, _push_tagged_values)
"""A 16-bit count and that many TaggedPropertyValue structures: list of (tag, value)."""


@dataclass(frozen=True, slots=True)
class PropertyProblem:
    """MS-OXCDATA 2.7: ``index`` counts in the request's list, ``property_tag`` is the one of the request."""

    index: int
    property_tag: int
    error_code: int


def _pull_problem(cursor: Cursor) -> PropertyProblem:
    return PropertyProblem(cursor.uint16(), cursor.uint32(), ErrorCode(cursor.uint32()))


def _push_problems(out: bytearray, values: Any, context: Any) -> None:
    out += len(values).to_bytes(2, "little")
    for problem in values:
        out += problem.index.to_bytes(2, "little")
        out += problem.property_tag.to_bytes(4, "little") + problem.error_code.to_bytes(4, "little")


PropertyProblems = Pulled(
    lambda cursor, context: [_pull_problem(cursor) for _ in range(cursor.count(cursor.uint16(), 10))],
    _push_problems,
)
"""A 16-bit count and that many PropertyProblem structures."""

_NO_NAME: Final = PropertyName(UUID(int=0))


def pull_property_name(cursor: Cursor) -> PropertyName:
    """PropertyName (MS-OXCDATA 2.6.1). One without a name (kind 0xFF) has neither LID nor string."""
    kind = cursor.uint8()
    property_set = cursor.guid()
    if kind == 0x00:
        return PropertyName(property_set, lid=cursor.uint32())
    if kind == 0x01:
        size = cursor.uint8()
        name = Cursor(cursor.take(size)).string()
        return PropertyName(property_set, name=name)
    if kind == 0xFF:
        return PropertyName(property_set)
    raise cursor.fail(f"property name kind 0x{kind:02X} is not known")


def push_property_name(out: bytearray, value: PropertyName) -> None:
    if value.lid is not None:
        out.append(0x00)
        out += value.property_set.bytes_le + value.lid.to_bytes(4, "little")
    elif value.name is not None:
        encoded = value.name.encode("utf-16-le", "surrogatepass") + b"\0\0"
        if len(encoded) > 0xFF:
            raise ConstructError("a property name has at most 126 characters")
        out.append(0x01)
        out += value.property_set.bytes_le
        out.append(len(encoded))
        out += encoded
    else:
        out.append(0xFF)
        out += value.property_set.bytes_le


PropertyNameField = Pulled(
    lambda cursor, context: pull_property_name(cursor),
    lambda out, value, context: push_property_name(out, value),
)


class SortOrder(NamedTuple):
    """MS-OXCDATA 2.13.1: 0 ascending, 1 descending, 4 by the category's maximum."""

    property_tag: int
    order: int


SortOrderField = Pulled(
    lambda cursor, context: SortOrder(cursor.uint32(), cursor.uint8()),
    lambda out, value, context: out.extend(value[0].to_bytes(4, "little") + bytes([value[1]])),
)

_TYPE_MASK: Final = 0x0007
_X500_DN: Final = 0x1
_DISTRIBUTION_LISTS: Final = (0x6, 0x7)
_EMAIL: Final = 0x0008
_DISPLAY: Final = 0x0010
_TRANSMITTABLE: Final = 0x0020
_SAME: Final = 0x0040
_RESPONSIBLE: Final = 0x0080
_NON_RICH: Final = 0x0100
_UNICODE: Final = 0x0200
_SIMPLE: Final = 0x0400
_OTHER: Final = 0x8000


@dataclass(slots=True)
class RecipientRow:
    """RecipientRow (MS-OXCDATA 2.8.3.2). Strings are str when ``is_unicode``, else bytes; what is None is left out.

    ``address_kind`` is the Type of RecipientFlags: 0 with ``address_type`` for any other, 1 X500DN, 2 MsMail, 3 SMTP,
    4 Fax, 5 ProfessionalOfficeSystem, 6 and 7 personal distribution lists. ``properties`` are cells under the first of
    the request's or response's recipient columns.
    """

    address_kind: int = 0
    address_type: bytes | None = None
    email_address: str | bytes | None = None
    display_name: str | bytes | None = None
    simple_display_name: str | bytes | None = None
    transmittable_display_name: str | bytes | None = None
    properties: list[Any] = field(default_factory=list)
    address_prefix_used: int = 0
    display_type: int = 0
    x500_dn: bytes = b""
    entry_id: bytes = b""
    search_key: bytes = b""
    transmittable_is_display_name: bool = False
    is_responsible: bool = False
    is_non_rich: bool = False
    is_unicode: bool = True

    def flags(self) -> int:
        """RecipientFlags (MS-OXCDATA 2.8.3.1)."""
        flags = self.address_kind
        for bit, is_set in (
            (_EMAIL, self.email_address is not None),
            (_DISPLAY, self.display_name is not None),
            (_TRANSMITTABLE, self.transmittable_display_name is not None),
            (_SAME, self.transmittable_is_display_name),
            (_RESPONSIBLE, self.is_responsible),
            (_NON_RICH, self.is_non_rich),
            (_UNICODE, self.is_unicode),
            (_SIMPLE, self.simple_display_name is not None),
            (_OTHER, self.address_type is not None),
        ):
            if is_set:
                flags |= bit
        return flags


def pull_recipient_row(cursor: Cursor, columns: Sequence[int]) -> RecipientRow:
    """Read a RecipientRow whose properties stand under the first of ``columns``. Raises `WireError`."""
    flags = cursor.uint16()
    row = RecipientRow(
        address_kind=flags & _TYPE_MASK,
        transmittable_is_display_name=bool(flags & _SAME),
        is_responsible=bool(flags & _RESPONSIBLE),
        is_non_rich=bool(flags & _NON_RICH),
        is_unicode=bool(flags & _UNICODE),
    )
    if row.address_kind == _X500_DN:
        row.address_prefix_used = cursor.uint8()
        row.display_type = cursor.uint8()
        row.x500_dn = cursor.string8()
    elif row.address_kind in _DISTRIBUTION_LISTS:
        row.entry_id = cursor.take(cursor.uint16())
        row.search_key = cursor.take(cursor.uint16())
    elif row.address_kind == 0 and flags & _OTHER:
        row.address_type = cursor.string8()
    string: Callable[[], str | bytes] = cursor.string if row.is_unicode else cursor.string8
    if flags & _EMAIL:
        row.email_address = string()
    if flags & _DISPLAY:
        row.display_name = string()
    if flags & _SIMPLE:
        row.simple_display_name = string()
    if flags & _TRANSMITTABLE:
        row.transmittable_display_name = string()
    count = cursor.uint16()
    if count > len(columns):
        raise cursor.fail(f"{count} recipient columns where {len(columns)} are declared")
    row.properties = pull_row(cursor, columns[:count])
    return row


def push_recipient_row(out: bytearray, row: RecipientRow, columns: Sequence[int]) -> None:
    """Append a RecipientRow; the counterpart of `pull_recipient_row`."""
    if row.address_type is not None and row.address_kind:
        raise ConstructError("a recipient with an address type has address kind 0")
    out += row.flags().to_bytes(2, "little")
    if row.address_kind == _X500_DN:
        out.append(row.address_prefix_used)
        out.append(row.display_type)
        push_asciiz(out, row.x500_dn)
    elif row.address_kind in _DISTRIBUTION_LISTS:
        for value in (row.entry_id, row.search_key):
            out += len(value).to_bytes(2, "little") + value
    elif row.address_type is not None:
        push_asciiz(out, row.address_type)
    push: Callable[[bytearray, Any], None] = push_unicodez if row.is_unicode else push_asciiz
    for string in (
        row.email_address,
        row.display_name,
        row.simple_display_name,
        row.transmittable_display_name,
    ):
        if string is not None:
            push(out, string)
    out += len(row.properties).to_bytes(2, "little")
    push_row(out, columns[: len(row.properties)], row.properties)


def RecipientRowUnder(columns: Callable[[Any], Sequence[int]]) -> Construct:  # noqa: N802
    """A `RecipientRow` whose columns ``columns`` (an expression of ``this``) gives."""
    return Pulled(
        lambda cursor, context: pull_recipient_row(cursor, columns(context)),
        lambda out, value, context: push_recipient_row(out, value, columns(context)),
    )


def parameter_columns(context: Any) -> Sequence[int]:
    """The parameter ``columns``, for `RecipientRowUnder`; empty where it is not given."""
    columns: Sequence[int] = context._params.get("columns") or ()
    return columns
