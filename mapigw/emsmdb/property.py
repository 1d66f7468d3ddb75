"""Property ROPs (MS-OXCPRPT 2.2, MS-OXCROPS 2.2.8)."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import IntFlag
from typing import Any, Final
from uuid import UUID

from mapigw.emsmdb.bodies import all_bodies, with_bodies
from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.message_objects import Message
from mapigw.emsmdb.objects import Folder, PropertyObject
from mapigw.emsmdb.registry import Call, handles
from mapigw.emsmdb.stream_objects import commit_streams
from mapigw.emsmdb.values import Reader, is_storable, stored_form, too_many, value_size
from mapigw.mailbox.mailboxes import NamedPropertiesExhaustedError
from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import NAMED_PROPERTY_MINIMUM, PropertyName, PropertyType
from mapigw.wire.property_sets import PS_INTERNET_HEADERS
from mapigw.wire.rows import (
    PropertyProblem,
    TaggedValue,
    TypedValue,
    push_property_name,
    push_row,
    push_tagged_value,
)

PS_MAPI: Final = UUID("00020328-0000-0000-C000-000000000046")
NO_NAME: Final = PropertyName(UUID(int=0))
CREATE: Final = 0x02
RESPONSE_OVERHEAD: Final = 6  # the common response header
ALL_OVERHEAD: Final = 8  # with a count
ID_SIZE: Final = 2


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
    and the client opens a stream on it (MS-OXCPRPT 3.2.5.1). Like Exchange 2010 and later it ignores PropertySizeLimit.
    """
    target = call.object(PropertyObject)
    columns = request.property_tags
    reader = Reader(call, request.want_unicode, code_page=target.code_page)
    row = await reader.row(await with_bodies(target, await _present(target), columns), columns)
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


async def _present(target: PropertyObject) -> Mapping[int, Any]:
    """Every property, with what streams have written so far (3.2.5.13)."""
    with suppress(RopError):  # the stream's own commit will tell
        await commit_streams(target, only_small=True)
    return await target.properties()


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
    reader = Reader(call, request.want_unicode, code_page=target.code_page)
    tagged = await reader.tagged(all_bodies(target, await _present(target)))
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
    target = call.object(PropertyObject)
    return {"property_tags": list(all_bodies(target, await _present(target)))}


@handles("SetProperties")
async def set_properties(call: Call, request: Any) -> dict[str, Any]:
    """2.2.5: what can be set is set; the rest comes back under the request's index and the client's own tag."""
    return await _set(call.object(PropertyObject), request.property_values, replicate=True)


@handles("SetPropertiesNoReplicate")
async def set_properties_no_replicate(call: Call, request: Any) -> dict[str, Any]:
    """2.2.6: a folder gets no new change number."""
    return await _set(call.object(PropertyObject), request.property_values, replicate=False)


async def _set(target: PropertyObject, wanted: Sequence[TaggedValue], *, replicate: bool) -> dict[str, Any]:
    named = any(tag >> 16 >= NAMED_PROPERTY_MINIMUM for tag, _ in wanted)
    known = await target.logon.mailbox.property_names() if named else {}
    asked: dict[int, list[tuple[int, int]]] = {}  # a property may come as Unicode and as String8
    values: dict[int, Any] = {}
    problems = []
    for index, (tag, value) in enumerate(wanted):
        stored_tag, stored_value = stored_form(tag, value, target.code_page)
        if tag >> 16 >= NAMED_PROPERTY_MINIMUM and tag >> 16 not in known:
            problems.append(PropertyProblem(index, tag, ErrorCode.NotFound))
        elif tag & 0xFFFF == PropertyType.OBJECT or not is_storable(stored_tag):
            problems.append(PropertyProblem(index, tag, ErrorCode.InvalidParameter))
        else:
            asked.setdefault(stored_tag, []).append((index, tag))
            values.pop(stored_tag, None)  # what comes last stays
            values[stored_tag] = stored_value
    if values:
        if isinstance(target, Folder):
            refused = await target.set_properties(values, replicate=replicate)
        else:
            refused = await target.set_properties(values)
        if isinstance(target, Message):
            await target.refuse({tag: values[tag] for tag, _code in refused})
        problems += [PropertyProblem(*place, code) for tag, code in refused for place in asked[tag]]
    return {"property_problems": sorted(problems, key=lambda problem: problem.index)}


@handles("DeleteProperties")
async def delete_properties(call: Call, request: Any) -> dict[str, Any]:
    """2.2.7: properties are found by id; to delete what is absent is no problem."""
    return await _delete(call.object(PropertyObject), request.property_tags, replicate=True)


@handles("DeletePropertiesNoReplicate")
async def delete_properties_no_replicate(call: Call, request: Any) -> dict[str, Any]:
    """2.2.8: a folder gets no new change number."""
    return await _delete(call.object(PropertyObject), request.property_tags, replicate=False)


async def _delete(target: PropertyObject, columns: Sequence[int], *, replicate: bool) -> dict[str, Any]:
    places = {tag: index for index, tag in reversed(list(enumerate(columns)))}
    if not places:
        return {"property_problems": []}
    if isinstance(target, Folder):
        refused = await target.delete_properties(list(places), replicate=replicate)
    else:
        refused = await target.delete_properties(list(places))
    problems = [PropertyProblem(places[tag], tag, code) for tag, code in refused]
    return {"property_problems": sorted(problems, key=lambda problem: problem.index)}


class QueryFlags(IntFlag):
    """2.2.9.1; other bits are ignored (3.2.5.6)."""

    NoStrings = 0x01
    NoIds = 0x02


@handles("QueryNamedProperties")
async def query_named_properties(call: Call, request: Any) -> dict[str, Any]:
    """2.2.9: the named properties of the mailbox, filtered; ErrorsReturned when there is no room for all of them."""
    known = await call.object(PropertyObject).logon.mailbox.property_names()
    wanted = [
        (property_id, name)
        for property_id, name in known.items()
        if not (name.name is not None and request.query_flags & QueryFlags.NoStrings)
        and not (name.name is None and request.query_flags & QueryFlags.NoIds)
        and not (request.has_guid and name.property_set != request.property_guid)
    ]
    space = call.space - ALL_OVERHEAD
    count = 0
    for _, name in wanted:
        out = bytearray()
        push_property_name(out, name)
        space -= ID_SIZE + len(out)
        if space < 0:
            break
        count += 1
    value = {
        "property_ids": [property_id for property_id, _ in wanted[:count]],
        "property_names": [name for _, name in wanted[:count]],
    }
    if count < len(wanted):
        raise RopError(ErrorCode.ErrorsReturned, value)
    return value
