"""Property ROPs (MS-OXCPRPT 2.2, MS-OXCROPS 2.2.8)."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import PropertyObject
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.values import Reader, stored_form, too_many, value_size
from mapigw.mailbox.mailboxes import NamedPropertiesExhaustedError
from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import NAMED_PROPERTY_MINIMUM, PropertyName, PropertyType
from mapigw.wire.property_sets import PS_INTERNET_HEADERS
from mapigw.wire.rows import PropertyProblem, TaggedValue, TypedValue, push_row, push_tagged_value

PS_MAPI: Final = UUID("00020328-0000-0000-C000-000000000046")
NO_NAME: Final = PropertyName(UUID(int=0))
CREATE: Final = 0x02
RESPONSE_OVERHEAD: Final = 6  # the common response header
ALL_OVERHEAD: Final = 8  # with a count


@handles("GetPropertyIdsFromNames")
async def get_property_ids_from_names(call: Call, request: Any) -> dict[str, Any]:
    """2.2.12: ids of names, made on demand with the Create flag; without names, every id of the mailbox."""
    mailbox = call.object(PropertyObject).logon.mailbox
    names = [_coerced(name) for name in request.property_names]
    if not names:
        return {"property_ids": list(await mailbox.property_names())}
    own = [name for name in names if name.property_set != PS_MAPI and (name.lid is not None or name.name)]
    try:
        ids = await mailbox.property_ids(own, create=bool(request.flags & CREATE))
    except NamedPropertiesExhaustedError as error:
        raise RopError(ErrorCode.OutOfMemory) from error
    # A name without an id is 0 in its slot, and the ROP still succeeds, as Exchange does.
    return {"property_ids": [_mapi_id(name) if name.property_set == PS_MAPI else ids.get(name, 0) for name in names]}


def _coerced(name: PropertyName) -> PropertyName:
    """Names of internet headers are the same in any case (MS-OXCPRPT 3.2.5.10)."""
    if name.property_set != PS_INTERNET_HEADERS or name.name is None:
        return name
    return PropertyName(PS_INTERNET_HEADERS, name=name.name.lower())


def _mapi_id(name: PropertyName) -> int:
    """In PS_MAPI the LID is the property id itself (MS-OXCPRPT 3.2.5.9)."""
    return name.lid if name.lid is not None and name.lid < NAMED_PROPERTY_MINIMUM else 0


@handles("GetNamesFromPropertyIds")
async def get_names_from_property_ids(call: Call, request: Any) -> dict[str, Any]:
    """2.2.13: names of ids; an id that has none comes back without a name."""
    known = await call.object(PropertyObject).logon.mailbox.property_names()
    return {
        "property_names": [
            PropertyName(PS_MAPI, lid=property_id)
            if property_id < NAMED_PROPERTY_MINIMUM
            else known.get(property_id, NO_NAME)
            for property_id in request.property_ids
        ]
    }


@handles("GetPropertiesSpecific")
async def get_properties_specific(call: Call, request: Any) -> dict[str, Any]:
    """2.2.2: a row of the wanted properties.

    What is absent is an error in its cell, and the ROP succeeds. A value too large for the row becomes NotEnoughMemory,
    and the client opens a stream on it (MS-OXCPRPT 3.2.5.1).
    """
    target = call.object(PropertyObject)
    columns = request.property_tags
    reader = Reader(call, request.want_unicode, request.property_size_limit, code_page=target.code_page)
    row = await reader.row(await target.properties(), columns)
    space = call.space - RESPONSE_OVERHEAD
    # Before anything is encoded: a request that names a large value a thousand times.
    _replace(row, columns, sum(value_size(*typed) for typed in _typed(row, columns)) - space)
    out = bytearray()
    push_row(out, columns, row)
    if len(out) > space:
        flags = 0 if out[0] else len(row)  # with an error in it, the row is a flagged one: a byte more for each cell
        _replace(row, columns, len(out) + flags - space)
        out.clear()
        push_row(out, columns, row)
    return {"row_data": bytes(out)}


def _replace(row: list[Any], columns: Sequence[int], excess: int) -> None:
    """Make errors of the largest values, so that the row is ``excess`` bytes shorter."""
    for position in too_many(_typed(row, columns), excess) if excess > 0 else ():
        row[position] = ErrorCode.NotEnoughMemory


def _typed(row: Sequence[Any], columns: Sequence[int]) -> list[tuple[int, Any]]:
    """The cells with their types."""
    return [
        (PropertyType.ERROR_CODE, cell)
        if isinstance(cell, ErrorCode)
        else (cell.type, cell.value)
        if isinstance(cell, TypedValue)
        else (tag & 0xFFFF, cell)
        for tag, cell in zip(columns, row, strict=True)
    ]


@handles("GetPropertiesAll")
async def get_properties_all(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3: every property with its value; one that is too large has an error for its value."""
    target = call.object(PropertyObject)
    reader = Reader(call, request.want_unicode, request.property_size_limit, code_page=target.code_page)
    tagged = await reader.tagged(await target.properties())
    excess = ALL_OVERHEAD + sum(map(_tagged_size, tagged)) - call.space
    for position in too_many([(tag & 0xFFFF, value) for tag, value in tagged], excess):
        tagged[position] = (tagged[position][0] & ~0xFFFF | PropertyType.ERROR_CODE, ErrorCode.NotEnoughMemory)
    return {"property_values": tagged}


def _tagged_size(tagged: TaggedValue) -> int:
    out = bytearray()
    push_tagged_value(out, tagged)
    return len(out)


@handles("GetPropertiesList")
async def get_properties_list(call: Call, request: Any) -> dict[str, Any]:
    """2.2.4"""
    return {"property_tags": list(await call.object(PropertyObject).properties())}


@handles("SetProperties")
async def set_properties(call: Call, request: Any) -> dict[str, Any]:
    """2.2.5: what can be set is set; the rest comes back under the request's index and the client's own tag."""
    target = call.object(PropertyObject)
    named = any(tag >> 16 >= NAMED_PROPERTY_MINIMUM for tag, _ in request.property_values)
    known = await target.logon.mailbox.property_names() if named else {}
    asked: dict[int, tuple[int, int]] = {}
    values: dict[int, Any] = {}
    problems = []
    for index, (tag, value) in enumerate(request.property_values):
        if tag >> 16 >= NAMED_PROPERTY_MINIMUM and tag >> 16 not in known:
            problems.append(PropertyProblem(index, tag, ErrorCode.NotFound))
        elif tag & 0xFFFF in _UNSETTABLE:
            problems.append(PropertyProblem(index, tag, ErrorCode.InvalidParameter))
        else:
            stored_tag, stored_value = stored_form(tag, value, target.code_page)
            asked[stored_tag] = index, tag
            values[stored_tag] = stored_value
    if values:
        problems += [PropertyProblem(*asked[tag], code) for tag, code in await target.set_properties(values)]
    return {"property_problems": sorted(problems, key=lambda problem: problem.index)}


_UNSETTABLE: Final = frozenset({PropertyType.ERROR_CODE, PropertyType.NULL, PropertyType.OBJECT})
