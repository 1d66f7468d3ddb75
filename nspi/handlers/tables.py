"""Tables and positions in them: UpdateStat, QueryRows, SeekEntries, GetMatches and their kin (MS-OXNSPI 3.1.4.1)."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import PropertyType, property_id, property_type
from mapigw.wire.restrictions import Restriction
from nspi import codepages
from nspi.address_book import Entry, Link
from nspi.containers import GAL, Table
from nspi.errors import NspiError
from nspi.handlers.registry import Call, checked_columns, echoed, handles, most_rows, stat_of
from nspi.matching import Matcher
from nspi.properties import LINKS, Format, as_string8, row, specified
from nspi.stat import MinimalId, SortType, Stat
from nspi.values import LIMIT, RowSet

EPH_ID: Final = 0x00000002  # fEphID, 2.2.1.11
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


def initial_position(call: Call, table: Table, stat: Stat) -> int:
    """Where ``stat`` points, before its Delta: 0 to the number of rows (3.1.4.5). Raises NotFound."""
    total = len(table)
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
            entry = call.book.by_minimal_id(minimal_id)
            position = None if entry is None else table.position(entry.slot)
            if position is None:
                raise NspiError(ErrorCode.NotFound)
            return position


def moved(table: Table, position: int, delta: int) -> int:
    return max(0, min(len(table), position + delta))


def placed(call: Call, table: Table, stat: Stat, position: int) -> Stat:
    """``stat`` at ``position``, with exact numbers: clients crash on others."""
    found = call.book.at(table.slots(position, position + 1))
    return stat._replace(
        current_rec=found[0].minimal_id if found else MinimalId.END_OF_TABLE,
        delta=0,
        num_pos=position,
        total_recs=len(table),
    )


@handles("UpdateStat")
def update_stat(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.4."""
    stat = stat_of(request)
    table = call.located(stat)
    start = initial_position(call, table, stat)
    end = moved(table, start, stat.delta)
    return {
        "state": echoed(request, placed(call, table, stat, end)),
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
    table = call.located(stat)
    start = moved(table, initial_position(call, table, stat), stat.delta)
    page = call.book.at(table.slots(start, start + count))
    return {
        "state": echoed(request, placed(call, table, stat, start + len(page))),
        "rows": row_set([*page], request.columns, form),
    }


@handles("SeekEntries")
def seek_entries(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.9."""
    stat = stat_of(request)
    table = call.located(stat)
    name = _sought_name(request.target, stat)
    entries: list[Entry | None]
    if request.explicit_table is None:
        position, total = table.seek(name), len(table)
        entries = [*call.book.at(table.slots(position, position + SEEK_ROWS))]
    else:
        given = [call.book.by_minimal_id(minimal_id) for minimal_id in request.explicit_table]
        total = len(given)
        places = (at for at, entry in enumerate(given) if entry and not table.is_before(entry.slot, name))
        position = next(places, total)
        entries = given[position:]
    if not entries or (found := entries[0]) is None:
        raise NspiError(ErrorCode.NotFound)
    rows = None
    if request.columns is not None:
        form = call.form(stat, ephemeral=True)  # the specification's "value fEphID", whatever the client wants
        rows = row_set(entries[: most_rows(request.columns)], request.columns, form)
    new = stat._replace(current_rec=found.minimal_id, num_pos=position, total_recs=total)
    return {"state": echoed(request, new), "rows": rows}


_SOUGHT: Final = {
    SortType.DISPLAY_NAME: tags.PidTagDisplayName,
    SortType.PHONETIC_DISPLAY_NAME: tags.PidTagAddressBookPhoneticDisplayName,
}
"""The property whose value is sought in a table of each order."""


def _sought_name(target: tuple[int, Any] | None, stat: Stat) -> str:
    sought = _SOUGHT.get(SortType(stat.sort_type)) if stat.sort_type in _SOUGHT else None
    if target is None or sought is None or property_id(target[0]) != property_id(sought):
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
        table = call.located(stat)
        most = min(request.row_count, LIMIT) + 1  # one more than may be: the table is too big
        found = list(islice(_matching(call, stat, table, request.filter), most))
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


def _matching(call: Call, stat: Stat, table: Table, restriction: Restriction) -> Iterator[Entry]:
    """The rows of a container that a filter lets through, in its order."""
    asking = call.asking()
    matcher = Matcher(call.form(stat), lambda text: call.book.matches(text, asking=asking))
    predicate = matcher.predicate(restriction)
    candidates = matcher.candidates(restriction)
    slots: Iterable[int] = table.slots() if candidates is None else table.sorted(candidates)
    own = asking.slot if asking is not None and stat.container_id == GAL else None  # hidden or not
    entries = (
        Entry(call.book, slot)
        for slot in slots
        if candidates is None or slot == own or call.book.is_in(stat.container_id, slot)
    )
    return filter(predicate, entries)


def _referenced(call: Call, stat: Stat, property_name: tuple[Any, int] | None) -> list[Entry]:
    """The objects that an object-valued property of the object CurrentRec refers to.

    The property is ContainerID, read as a tag (constraint 9). Its table is writable where the user may change it, which
    is the membership of a group (constraint 11).
    """
    entry = call.book.by_minimal_id(stat.current_rec)
    if entry is None:
        raise NspiError(ErrorCode.GeneralFailure)
    link = LINKS.get(property_id(stat.container_id))
    if stat.sort_type == SortType.DISPLAY_NAME_W and not (link is Link.MEMBERS and call.may_change_members(entry)):
        raise NspiError(ErrorCode.NotSupported)
    if property_name is not None or property_type(stat.container_id) != PropertyType.OBJECT:
        raise NspiError(ErrorCode.NotSupported)
    found = entry.linked(link) if link is not None else []
    return call.book.at(call.table(stat, GAL).sorted(item.slot for item in found))


@handles("ResortRestriction")
def resort_restriction(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.11; any sort type is a success, as in Exchange (section 7, note 6), by display name but for phonetic."""
    stat = stat_of(request)
    known = [call.book.by_minimal_id(minimal_id) for minimal_id in request.minimal_ids or ()]
    slots = call.table(stat, GAL).sorted(entry.slot for entry in known if entry is not None)
    minimal_ids = [entry.minimal_id for entry in call.book.at(slots)]
    if stat.current_rec in minimal_ids:
        new = stat._replace(num_pos=minimal_ids.index(stat.current_rec), total_recs=len(minimal_ids))
    else:
        new = stat._replace(current_rec=MinimalId.BEGINNING_OF_TABLE, num_pos=0, total_recs=len(minimal_ids))
    return {"state": echoed(request, new), "minimal_ids": minimal_ids}


@handles("CompareMIds")
def compare_minimal_ids(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.12."""
    table = call.located(stat_of(request))
    entries = [call.book.by_minimal_id(number) for number in (request.minimal_id_1, request.minimal_id_2)]
    first, second = (None if entry is None else table.position(entry.slot) for entry in entries)
    if first is None or second is None:
        raise NspiError(ErrorCode.GeneralFailure)
    return {"result": (first > second) - (first < second)}
