"""Property ROPs (MS-OXCPRPT 2.2, MS-OXCROPS 2.2.8)."""

from typing import Any, Final
from uuid import UUID

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import PropertyObject, ServerObject
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.values import Reader, stored_form, value_size
from mapigw.mailbox.mailboxes import NamedPropertiesExhaustedError
from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import NAMED_PROPERTY_MINIMUM, PropertyName, PropertyType
from mapigw.wire.rows import PropertyProblem, push_row

PS_MAPI: Final = UUID("00020328-0000-0000-C000-000000000046")
CREATE: Final = 0x02
RESPONSE_OVERHEAD: Final = 6  # the common response header


@handles("GetPropertyIdsFromNames")
async def get_property_ids_from_names(call: Call, request: Any) -> dict[str, Any]:
    """2.2.12: ids of names, made on demand with the Create flag; without names, every id of the mailbox."""
    mailbox = call.object(ServerObject).logon.mailbox
    names = request.property_names
    if not names:
        return {"property_ids": list(await mailbox.property_names())}
    own = [name for name in names if name.property_set != PS_MAPI and (name.lid is not None or name.name)]
    try:
        ids = await mailbox.property_ids(own, create=bool(request.flags & CREATE))
    except NamedPropertiesExhaustedError as error:
        raise RopError(ErrorCode.NamedPropertyQuota) from error
    # A name without an id is 0 in its slot, and the ROP still succeeds, as Exchange does.
    return {"property_ids": [_mapi_id(name) if name.property_set == PS_MAPI else ids.get(name, 0) for name in names]}


def _mapi_id(name: PropertyName) -> int:
    """In PS_MAPI the LID is the property id itself (MS-OXCPRPT 3.2.5.9)."""
    return name.lid if name.lid is not None and name.lid < NAMED_PROPERTY_MINIMUM else 0


@handles("GetNamesFromPropertyIds")
async def get_names_from_property_ids(call: Call, request: Any) -> dict[str, Any]:
    """2.2.13: names of ids; an id that has none comes back without a name."""
    mailbox = call.object(ServerObject).logon.mailbox
    names = []
    for property_id in request.property_ids:
        if property_id < NAMED_PROPERTY_MINIMUM:
            names.append(PropertyName(PS_MAPI, lid=property_id))
        else:
            names.append(await mailbox.property_name(property_id) or PropertyName(UUID(int=0)))
    return {"property_names": names}


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
    _fit(row, columns, call.space - RESPONSE_OVERHEAD)
    call.columns = columns
    return {"row_data": row}


def _fit(row: list[Any], columns: list[int], space: int) -> None:
    """Replace the largest streamable values until the row fits."""
    while True:
        out = bytearray()
        push_row(out, columns, row)
        if len(out) <= space or not row:
            return
        sizes = [
            (value_size(tag, value), position) for position, (tag, value) in enumerate(zip(columns, row, strict=True))
        ]
        size, position = max(sizes, default=(0, 0))
        if size <= 8:
            return  # nothing left that a stream could carry: the dispatcher asks for a larger buffer
        row[position] = ErrorCode.NotEnoughMemory


@handles("GetPropertiesAll")
async def get_properties_all(call: Call, request: Any) -> dict[str, Any]:
    """2.2.3: every property with its value; one that is too large has an error for its value."""
    target = call.object(PropertyObject)
    reader = Reader(call, request.want_unicode, request.property_size_limit, code_page=target.code_page)
    return {"property_values": await reader.tagged(await target.properties())}


@handles("GetPropertiesList")
async def get_properties_list(call: Call, request: Any) -> dict[str, Any]:
    """2.2.4"""
    return {"property_tags": list(await call.object(PropertyObject).properties())}


@handles("SetProperties")
async def set_properties(call: Call, request: Any) -> dict[str, Any]:
    """2.2.5: what can be set is set; the rest comes back under the request's index and the client's own tag."""
    target = call.object(PropertyObject)
    asked: dict[int, tuple[int, int]] = {}
    values: dict[int, Any] = {}
    problems = []
    for index, (tag, value) in enumerate(request.property_values):
        if tag >> 16 >= NAMED_PROPERTY_MINIMUM and await target.logon.mailbox.property_name(tag >> 16) is None:
            problems.append(PropertyProblem(index, tag, ErrorCode.NotFound))
        elif tag & 0xFFFF in _UNSETTABLE:
            problems.append(PropertyProblem(index, tag, ErrorCode.InvalidParameter))
        else:
            stored_tag, stored_value = stored_form(tag, value, target.code_page)
            asked[stored_tag] = index, tag
            values[stored_tag] = stored_value
    if values:
        problems += [PropertyProblem(*asked[tag], code) for tag, code in await target.set_properties(values)]
    return {"property_problems": sorted(problems)}


_UNSETTABLE: Final = frozenset({PropertyType.ERROR_CODE, PropertyType.NULL, PropertyType.OBJECT})
