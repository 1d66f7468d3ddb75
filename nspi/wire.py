"""Request and response bodies of the address book server endpoint (MS-OXCMAPIHTTP 2.2.5).

Keys of both tables are the values of X-RequestType. A field that a Has… byte announces is one value here, None when it
is absent. A response with a StatusCode other than zero would be a failure body (2.2.5.x.3); this server has no use for
it: what a method refuses is an ErrorCode in the success body, whose optional fields are then absent.
"""

from typing import Any, Final

from mapigw.wire.cursor import Cursor
from mapigw.wire.definition import Definition
from mapigw.wire.primitives import (
    Boolean,
    Guid,
    Int32sl,
    Int32ul,
    SizedBytes,
    Struct,
    Unicodez,
    push_asciiz,
    push_unicodez,
)
from nspi.entryids import EntryIdCodec
from nspi.restrictions import RestrictionCodec
from nspi.stat import StatCodec
from nspi.values import (
    Codec,
    Int32,
    PropertyValueList,
    RowSetCodec,
    TaggedValue,
    Uint32,
    Uint32List,
    counted,
    field,
    optional,
)


def _pull_property_name(cursor: Cursor) -> tuple[Any, int]:
    return cursor.guid(), cursor.uint32()


def _push_property_name(out: bytearray, value: Any) -> None:
    guid, property_id = value
    out += guid.bytes_le
    out += property_id.to_bytes(4, "little")


_State = field(optional(StatCodec))
_MinimalIds = field(optional(Uint32List))
_PropertyTags = field(optional(Uint32List))
_Rows = field(optional(RowSetCodec))
_Values = field(optional(PropertyValueList))
_Strings8 = field(optional(counted(Codec(lambda cursor: cursor.string8(), push_asciiz), 1)))
_Strings = field(optional(counted(Codec(lambda cursor: cursor.string(), push_unicodez), 2)))
_String8 = field(optional(Codec(lambda cursor: cursor.string8(), push_asciiz)))
_PropertyName = field(optional(Codec(_pull_property_name, _push_property_name)))


def _request(*fields: Any) -> Definition:
    return Definition(Struct(*fields, "auxiliary_buffer" / SizedBytes(Int32ul)))


def _response(*fields: Any) -> Definition:
    return Definition(
        Struct("status_code" / Int32ul, "error_code" / Int32ul, *fields, "auxiliary_buffer" / SizedBytes(Int32ul))
    )


REQUESTS: Final[dict[str, Definition]] = {
    # 2.2.5.1.1
    "Bind": _request("flags" / Int32ul, "state" / _State),
    # 2.2.5.2.1
    "Unbind": _request("reserved" / Int32ul),
    # 2.2.5.3.1
    "CompareMIds": _request("reserved" / Int32ul, "state" / _State, "minimal_id_1" / Int32ul, "minimal_id_2" / Int32ul),
    # 2.2.5.4.1
    "DNToMId": _request("reserved" / Int32ul, "names" / _Strings8),
    # 2.2.5.5.1
    "GetMatches": _request(
        "reserved" / Int32ul,
        "state" / _State,
        "minimal_ids" / _MinimalIds,
        "interface_option_flags" / Int32ul,
        "filter" / field(optional(RestrictionCodec)),
        "property_name" / _PropertyName,
        "row_count" / Int32ul,
        "columns" / _PropertyTags,
    ),
    # 2.2.5.6.1
    "GetPropList": _request("flags" / Int32ul, "minimal_id" / Int32ul, "code_page" / Int32ul),
    # 2.2.5.7.1
    "GetProps": _request("flags" / Int32ul, "state" / _State, "property_tags" / _PropertyTags),
    # 2.2.5.8.1
    "GetSpecialTable": _request("flags" / Int32ul, "state" / _State, "version" / field(optional(Uint32))),
    # 2.2.5.9.1
    "GetTemplateInfo": _request(
        "flags" / Int32ul,
        "display_type" / Int32ul,
        "template_dn" / _String8,
        "code_page" / Int32ul,
        "locale_id" / Int32ul,
    ),
    # 2.2.5.10.1
    "ModLinkAtt": _request(
        "flags" / Int32ul,
        "property_tag" / Int32ul,
        "minimal_id" / Int32ul,
        "entry_ids" / field(optional(counted(EntryIdCodec, 29))),
    ),
    # 2.2.5.11.1
    "ModProps": _request(
        "reserved" / Int32ul, "state" / _State, "property_tags" / _PropertyTags, "property_values" / _Values
    ),
    # 2.2.5.12.1: the explicit table has a count but no Has… byte
    "QueryRows": _request(
        "flags" / Int32ul,
        "state" / _State,
        "explicit_table" / field(Uint32List),
        "row_count" / Int32ul,
        "columns" / _PropertyTags,
    ),
    # 2.2.5.13.1
    "QueryColumns": _request("reserved" / Int32ul, "mapi_flags" / Int32ul),
    # 2.2.5.14.1
    "ResolveNames": _request(
        "reserved" / Int32ul, "state" / _State, "property_tags" / _PropertyTags, "names" / _Strings
    ),
    # 2.2.5.15.1
    "ResortRestriction": _request("reserved" / Int32ul, "state" / _State, "minimal_ids" / _MinimalIds),
    # 2.2.5.16.1
    "SeekEntries": _request(
        "reserved" / Int32ul,
        "state" / _State,
        "target" / field(optional(TaggedValue)),
        "explicit_table" / _MinimalIds,
        "columns" / _PropertyTags,
    ),
    # 2.2.5.17.1
    "UpdateStat": _request("reserved" / Int32ul, "state" / _State, "delta_requested" / Boolean),
    # 2.2.5.18.1
    "GetMailboxUrl": _request("flags" / Int32ul, "server_dn" / Unicodez),
    # 2.2.5.19.1
    "GetAddressBookUrl": _request("flags" / Int32ul, "user_dn" / Unicodez),
}

RESPONSES: Final[dict[str, Definition]] = {
    "Bind": _response("server_guid" / Guid),
    "Unbind": _response(),
    "CompareMIds": _response("result" / Int32sl),
    "DNToMId": _response("minimal_ids" / _MinimalIds),
    "GetMatches": _response("state" / _State, "minimal_ids" / _MinimalIds, "rows" / _Rows),
    "GetPropList": _response("property_tags" / _PropertyTags),
    "GetProps": _response("code_page" / Int32ul, "property_values" / _Values),
    "GetSpecialTable": _response(
        "code_page" / Int32ul,
        "version" / field(optional(Uint32)),
        "rows" / field(optional(counted(PropertyValueList, 4))),
    ),
    "GetTemplateInfo": _response("code_page" / Int32ul, "row" / _Values),
    "ModLinkAtt": _response(),
    "ModProps": _response(),
    "QueryRows": _response("state" / _State, "rows" / _Rows),
    "QueryColumns": _response("columns" / _PropertyTags),
    "ResolveNames": _response("code_page" / Int32ul, "minimal_ids" / _MinimalIds, "rows" / _Rows),
    "ResortRestriction": _response("state" / _State, "minimal_ids" / _MinimalIds),
    "SeekEntries": _response("state" / _State, "rows" / _Rows),
    "UpdateStat": _response("state" / _State, "delta" / field(optional(Int32))),
    "GetMailboxUrl": _response("server_url" / Unicodez),
    "GetAddressBookUrl": _response("server_url" / Unicodez),
}
