"""Properties of one object: GetPropList, GetProps, QueryColumns, and the two that modify (MS-OXNSPI 3.1.4.1)."""

from typing import Any, Final

from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import AddressBookObjectType
from mapigw.wire.properties import PropertyType, property_id, property_tag
from nspi import codepages
from nspi.address_book import GAL
from nspi.errors import NspiError
from nspi.handlers.registry import Call, checked_columns, handles, stat_of
from nspi.handlers.tables import EPH_ID
from nspi.properties import PROPERTIES, Format, as_string8, property_list, specified, value
from nspi.values import PropertyError

SKIP_OBJECTS: Final = 0x00000001  # fSkipObjects, 2.2.1.11
UNICODE_PROPTYPES: Final = 0x80000000  # NspiUnicodeProptypes, 2.2.1.13

_LINKS: Final = {
    property_id(tags.PidTagAddressBookMember): AddressBookObjectType.DistributionList,
    property_id(tags.PidTagAddressBookPublicDelegates): AddressBookObjectType.LocalMailUser,
}
"""The properties of links that clients may ask to modify, and of which display type."""


@handles("GetPropList")
def get_prop_list(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.6: the tags of what has a value, strings as 8-bit ones; none for an object that does not exist."""
    objects = not request.flags & SKIP_OBJECTS
    entry = call.book.by_minimal_id(request.minimal_id)
    if entry is None:
        return {"property_tags": []}
    form = Format(call.server_guid, request.code_page)
    return {"property_tags": [as_string8(tag) for tag in property_list(entry, form, objects=objects)]}


@handles("GetProps")
def get_props(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.7: the values in the order of the tags, errors in their place; ErrorsReturned when there is one.

    ContainerID may also name an object: GetMatches puts one there (3.1.4.1.10, constraint 15). A container that does
    not exist has no objects, which is ErrorsReturned, as in Exchange (section 7, note 5).
    """
    stat = stat_of(request)
    code = ErrorCode.Success
    entry = call.book.by_minimal_id(stat.current_rec)
    if stat.container_id != GAL and call.book.by_minimal_id(stat.container_id) is None:
        entry, code = None, ErrorCode.ErrorsReturned
    form = call.form(stat, ephemeral=bool(request.flags & EPH_ID))
    if request.property_tags is not None:
        columns = checked_columns(request.property_tags)
    else:
        objects = not request.flags & SKIP_OBJECTS
        native = property_list(entry, form, objects=objects) if entry is not None else []
        wide = stat.code_page == codepages.CP_WINUNICODE
        columns = native if wide else [as_string8(tag) for tag in native]
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


@handles("QueryColumns")
def query_columns(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.5: every property this server knows of."""
    wide = request.mapi_flags & UNICODE_PROPTYPES
    return {"columns": [tag if wide else as_string8(tag) for tag in PROPERTIES]}


@handles("ModProps")
def mod_props(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.14: nothing of an entry may be changed by a client."""
    if request.property_tags is None or call.book.by_minimal_id(stat_of(request).current_rec) is None:
        raise NspiError(ErrorCode.InvalidParameter)
    raise NspiError(ErrorCode.AccessDenied)


@handles("ModLinkAtt")
def mod_link_att(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.15: likewise; and where it could be done, it is GeneralFailure, as in Exchange (section 7, note 8)."""
    modifiable = _LINKS.get(property_id(request.property_tag))
    if modifiable is None:
        raise NspiError(ErrorCode.NotFound)
    entry = call.book.by_minimal_id(request.minimal_id)
    if entry is None:
        raise NspiError(ErrorCode.InvalidParameter)
    raise NspiError(ErrorCode.GeneralFailure if entry.display_type == modifiable else ErrorCode.AccessDenied)
