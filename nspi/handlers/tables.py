"""Tables and positions in them: UpdateStat, QueryRows, SeekEntries, GetMatches and their kin (MS-OXNSPI 3.1.4.1)."""

from itertools import islice
from typing import Any, Final

from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import AddressBookObjectType
from mapigw.wire.properties import PropertyType, property_id, property_type
from nspi import codepages
from nspi.address_book import GAL, Container, Entry
from nspi.collation import collation_key
from nspi.entryids import PermanentEntryId
from nspi.errors import NspiError
from nspi.handlers.registry import Call, checked_columns, echoed, handles, most_rows, stat_of
from nspi.matching import Matcher
from nspi.properties import AB_RECIPIENTS, AB_UNMODIFIABLE, Format, as_string8, linked_addresses, row, specified
from nspi.stat import MinimalId, SortType, Stat
from nspi.values import LIMIT, RowSet

EPH_ID: Final = 0x00000002  # fEphID, 2.2.1.11
ADDRESS_CREATION_TEMPLATES: Final = 0x00000002  # 2.2.1.12
UNICODE_STRINGS: Final = 0x00000004

GAL_NAME: Final = "Global Address List"
GAL_DN: Final = "/"  # gal-addrlist-dn, MS-OXOABK 2.2.1.1

SEEK_ROWS: Final = 50
"""Rows returned with a position by SeekEntries; the number is the server's to choose (3.1.4.1.9)."""

DEFAULT_COLUMNS: Final = [
    tags.PidTagAddressBookContainerId,
    tags.PidTagObjectType,
    tags.PidTagDisplayType,
    as_string8(tags.PidTagDisplayName),
    as_string8(tags.PidTagPrimaryTelephoneNumber),
    as_string8(tags.PidTagDepartmentName),
    as_string8(tags.PidTagOfficeLocation),
]
"""What a client that names no columns gets (3.1.4.1.8, constraint 6)."""


def row_set(entries: list[Entry | None], columns: list[int] | None, form: Format) -> RowSet:
    """Rows of ``columns``, or of the default ones, with the property types that are returned."""
    wanted = [specified(column) for column in (DEFAULT_COLUMNS if columns is None else checked_columns(columns))]
    return RowSet(wanted, [row(entry, wanted, form) for entry in entries])


def initial_position(container: Container, stat: Stat) -> int:
    """Where ``stat`` points, before its Delta: 0 to the number of rows (3.1.4.5). Raises NotFound."""
    total = len(container)
    match stat.current_rec:
        case MinimalId.BEGINNING_OF_TABLE:
            return 0
        case MinimalId.END_OF_TABLE:
            return total
        case MinimalId.CURRENT:
            if stat.total_recs == 0:
                return min(stat.num_pos, total)
            return min(total * stat.num_pos // stat.total_recs, total)
        case minimal_id:
            position = container.position(minimal_id)
            if position is None:
                raise NspiError(ErrorCode.NotFound)
            return position


def moved(container: Container, position: int, delta: int) -> int:
    return max(0, min(len(container), position + delta))


def placed(container: Container, stat: Stat, position: int) -> Stat:
    """``stat`` at ``position``, with exact numbers: clients crash on others."""
    at_end = position >= len(container)
    return stat._replace(
        current_rec=MinimalId.END_OF_TABLE if at_end else container.entries[position].minimal_id,
        delta=0,
        num_pos=position,
        total_recs=len(container),
    )


@handles("UpdateStat")
def update_stat(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.4."""
    stat = stat_of(request)
    container = call.located(stat)
    start = initial_position(container, stat)
    end = moved(container, start, stat.delta)
    return {
        "state": echoed(request, placed(container, stat, end)),
        "delta": end - start if request.delta_requested else None,
    }


@handles("QueryRows")
def query_rows(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.8. A row of the explicit table that names nobody has an error in every column."""
    stat = stat_of(request)
    form = call.form(stat, ephemeral=bool(request.flags & EPH_ID))
    if request.row_count == 0:
        raise NspiError(ErrorCode.InvalidParameter)
    count = min(request.row_count, most_rows(request.columns or DEFAULT_COLUMNS))
    if request.explicit_table:
        entries = [call.book.by_minimal_id(minimal_id) for minimal_id in request.explicit_table[:count]]
        return {"state": request.state, "rows": row_set(entries, request.columns, form)}
    container = call.located(stat)
    start = moved(container, initial_position(container, stat), stat.delta)
    page = list(container.entries[start : start + count])
    return {
        "state": echoed(request, placed(container, stat, start + len(page))),
        "rows": row_set([*page], request.columns, form),
    }


@handles("SeekEntries")
def seek_entries(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.9."""
    stat = stat_of(request)
    container = call.located(stat)
    if stat.sort_type != SortType.DISPLAY_NAME:
        raise NspiError(ErrorCode.GeneralFailure)
    name = _sought_name(request.target, stat)
    entries: list[Entry | None]
    if request.explicit_table is None:
        position, total = container.seek(name), len(container)
        if position >= total:
            raise NspiError(ErrorCode.NotFound)
        entries = list(container.entries[position : position + SEEK_ROWS])
    else:
        table = [call.book.by_minimal_id(minimal_id) for minimal_id in request.explicit_table]
        key, total = collation_key(name), len(table)
        position = next((at for at, entry in enumerate(table) if entry is not None and entry.sort_key >= key), total)
        entries = table[position:]
    if position >= total or (found := entries[0]) is None:
        raise NspiError(ErrorCode.NotFound)
    rows = None
    if request.columns is not None:
        form = call.form(stat, ephemeral=True)  # the specification's "value fEphID", whatever the client wants
        rows = row_set(entries[: most_rows(request.columns)], request.columns, form)
    new = stat._replace(current_rec=found.minimal_id, num_pos=position, total_recs=total)
    return {"state": echoed(request, new), "rows": rows}


def _sought_name(target: tuple[int, Any] | None, stat: Stat) -> str:
    if target is None or property_id(target[0]) != property_id(tags.PidTagDisplayName):
        raise NspiError(ErrorCode.GeneralFailure)
    value = target[1]
    if isinstance(value, bytes) and property_type(target[0]) == PropertyType.STRING8:
        return codepages.decode(value, stat.code_page)
    if isinstance(value, str):
        return value
    raise NspiError(ErrorCode.GeneralFailure)


@handles("GetMatches")
def get_matches(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.10: the rows of a container that a filter lets through, or the objects that a property refers to.

    Rows carry permanent entry ids, though constraint 18 says ephemeral: Outlook does not send to the latter.
    """
    stat = stat_of(request)
    form = call.form(stat)
    if request.filter is not None:
        container = call.located(stat)
        most = min(request.row_count, LIMIT) + 1  # one more than may be: the table is too big
        matching = Matcher(form, call.book.matches).matching(request.filter, container.entries)
        found = list(islice(matching, most))
    else:
        if stat.sort_type in (SortType.DISPLAY_NAME, SortType.PHONETIC_DISPLAY_NAME):
            call.located(stat)
        found = _referenced(call, stat, request.property_name)
    if len(found) > request.row_count or len(found) > LIMIT:
        raise NspiError(ErrorCode.TableTooBig)
    rows = None
    if request.columns is not None:
        if len(found) > most_rows(request.columns):
            raise NspiError(ErrorCode.TableTooBig)
        rows = row_set([*found], request.columns, form)
    return {
        "state": echoed(request, stat._replace(container_id=stat.current_rec)),
        "minimal_ids": [entry.minimal_id for entry in found],
        "rows": rows,
    }


def _referenced(call: Call, stat: Stat, property_name: tuple[Any, int] | None) -> list[Entry]:
    """The objects that an object-valued property of the object CurrentRec refers to.

    The property is ContainerID, read as a tag (constraint 9). No manager, report or delegate of a user is stored, so
    that these refer to no one. None may be modified, and so no table is writable (constraint 11).
    """
    entry = call.book.by_minimal_id(stat.current_rec)
    if entry is None:
        raise NspiError(ErrorCode.GeneralFailure)
    if stat.sort_type == SortType.DISPLAY_NAME_W or property_name is not None:
        raise NspiError(ErrorCode.NotSupported)
    if property_type(stat.container_id) != PropertyType.OBJECT:
        raise NspiError(ErrorCode.NotSupported)
    return call.book.by_addresses(linked_addresses(entry, stat.container_id))


@handles("ResortRestriction")
def resort_restriction(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.11; by display name whatever the sort type, which is a success in Exchange (section 7, note 6)."""
    stat = stat_of(request)
    known = [call.book.by_minimal_id(minimal_id) for minimal_id in request.minimal_ids or ()]
    entries = sorted((entry for entry in known if entry is not None), key=lambda entry: entry.sort_key)
    minimal_ids = [entry.minimal_id for entry in entries]
    if stat.current_rec in minimal_ids:
        new = stat._replace(num_pos=minimal_ids.index(stat.current_rec), total_recs=len(entries))
    else:
        new = stat._replace(current_rec=MinimalId.BEGINNING_OF_TABLE, num_pos=0, total_recs=len(entries))
    return {"state": echoed(request, new), "minimal_ids": minimal_ids}


@handles("CompareMIds")
def compare_minimal_ids(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.12."""
    container = call.located(stat_of(request))
    first = container.position(request.minimal_id_1)
    second = container.position(request.minimal_id_2)
    if first is None or second is None:
        raise NspiError(ErrorCode.GeneralFailure)
    return {"result": (first > second) - (first < second)}


@handles("GetSpecialTable")
def get_special_table(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.3: the hierarchy of containers, which is the global address list alone; no address creation templates.

    The version is neither looked at nor set, as in Exchange (section 7, notes 3 and 4).
    """
    stat = stat_of(request)
    if request.flags & ADDRESS_CREATION_TEMPLATES:
        return {"code_page": stat.code_page, "version": request.version, "rows": []}
    wide = bool(request.flags & UNICODE_STRINGS)
    if not wide and stat.code_page == codepages.CP_WINUNICODE:
        raise NspiError(ErrorCode.InvalidCodepage)
    return {"code_page": stat.code_page, "version": request.version, "rows": [_gal_row(stat.code_page, wide=wide)]}


def _gal_row(code_page: int, *, wide: bool) -> list[tuple[int, Any]]:
    name_tag = tags.PidTagDisplayName if wide else as_string8(tags.PidTagDisplayName)
    return [
        (tags.PidTagEntryId, PermanentEntryId(GAL_DN, AddressBookObjectType.Container).to_bytes()),
        (tags.PidTagContainerFlags, AB_RECIPIENTS | AB_UNMODIFIABLE),
        (tags.PidTagDepth, 0),
        (tags.PidTagAddressBookContainerId, GAL),
        (name_tag, GAL_NAME if wide else codepages.encode(GAL_NAME, code_page)),
        (tags.PidTagAddressBookIsMaster, False),
    ]
