"""Properties of one object: GetPropList, GetProps, QueryColumns (MS-OXNSPI 3.1.4.1)."""

from typing import Any, Final

from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import PropertyType, property_id, property_tag
from nspi import codepages
from nspi.containers import CONTAINERS, GAL
from nspi.handlers.hierarchy import container_row
from nspi.handlers.registry import Call, checked_columns, handles, stat_of
from nspi.handlers.tables import EPH_ID
from nspi.properties import PROPERTIES, Format, as_string, as_string8, property_list, specified, value
from nspi.stat import Stat
from nspi.values import PropertyError

SKIP_OBJECTS: Final = 0x00000001  # fSkipObjects, 2.2.1.11
UNICODE_PROPTYPES: Final = 0x80000000  # NspiUnicodeProptypes, 2.2.1.13


@handles("GetPropList")
def get_prop_list(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.6: the tags of what has a value, strings as 8-bit ones; none for an object that does not exist."""
    objects = not request.flags & SKIP_OBJECTS
    entry = call.book.by_minimal_id(request.minimal_id)
    if entry is None:
        return {"property_tags": []}
    form = Format(call.server_guid, request.code_page, binaries=call.binaries)
    return {"property_tags": [as_string8(tag) for tag in property_list(entry, form, objects=objects)]}


@handles("GetProps")
def get_props(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.7: the values in the order of the tags, errors in their place; ErrorsReturned when there is one.

    ContainerID may also name an object: GetMatches puts one there (3.1.4.1.10, constraint 15). A container that does
    not exist has no objects, which is ErrorsReturned, as in Exchange (section 7, note 5).
    """
    stat = stat_of(request)
    if stat.current_rec != GAL and stat.current_rec in CONTAINERS:
        return _container_props(call, stat, request.property_tags)
    code = ErrorCode.Success
    entry = call.book.by_minimal_id(stat.current_rec)
    if stat.container_id not in CONTAINERS and call.book.by_minimal_id(stat.container_id) is None:
        entry, code = None, ErrorCode.ErrorsReturned
    form = call.form(stat, ephemeral=bool(request.flags & EPH_ID))
    if request.property_tags is not None:
        columns = checked_columns(request.property_tags)
    else:
        objects = not request.flags & SKIP_OBJECTS
        native = property_list(entry, form, objects=objects) if entry is not None else []
        wide = stat.code_page == codepages.CP_WINUNICODE
        columns = [(as_string if wide else as_string8)(tag) for tag in native]
    values: list[tuple[int, Any]] = []
    for column in columns:
        tag = specified(column)
        found = value(entry, tag, form)
        if isinstance(found, PropertyError):
            code = ErrorCode.ErrorsReturned
            values.append((property_tag(property_id(tag), PropertyType.ERROR_CODE), found.code))
        else:
            values.append((tag, found))
    return {"error_code": code, "code_page": stat.code_page, "property_values": values}


def _container_props(call: Call, stat: Stat, tags: list[int] | None) -> dict[str, Any]:
    """Of a container by its own id, as DNToMId finds it: the row of the hierarchy table."""
    container = CONTAINERS[stat.current_rec]
    wide = stat.code_page == codepages.CP_WINUNICODE
    found = dict(container_row(call, container, stat.code_page, wide=True))
    found |= dict(container_row(call, container, stat.code_page, wide=False))
    if tags is None:
        tags = [tag for tag, _ in container_row(call, container, stat.code_page, wide=wide)]
    missing = [tag for tag in checked_columns(tags) if tag not in found]
    absent = PropertyType.ERROR_CODE
    return {
        "error_code": ErrorCode.ErrorsReturned if missing else ErrorCode.Success,
        "code_page": stat.code_page,
        "property_values": [
            (tag, found[tag]) if tag in found else (property_tag(property_id(tag), absent), ErrorCode.NotFound)
            for tag in tags
        ],
    }


@handles("QueryColumns")
def query_columns(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.5: every property this server knows of."""
    expressed = as_string if request.mapi_flags & UNICODE_PROPTYPES else as_string8
    return {"columns": [expressed(tag) for tag in PROPERTIES]}
