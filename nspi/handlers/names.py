"""From names to objects: DNToMId, ResolveNames (MS-OXNSPI 3.1.4.1.13, 3.1.4.1.17)."""

from typing import Any, Final

from mapigw.wire.codes import ErrorCode
from nspi.address_book import Entry
from nspi.errors import NspiError
from nspi.handlers.registry import Call, checked_columns, handles, most_rows, stat_of
from nspi.handlers.tables import DEFAULT_COLUMNS, row_set
from nspi.stat import NameResolution

MOST_NAMES: Final = 1_000
"""Names that one ResolveNames may ask for; each is a search."""


@handles("DNToMId")
def dn_to_minimal_id(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.13: one Minimal Entry ID a name, in its order; 0 for what is not known, and never somebody else."""
    found = [call.book.by_dn(name.decode("ascii", "replace")) for name in request.names or ()]
    return {"minimal_ids": [0 if entry is None else entry.minimal_id for entry in found]}


@handles("ResolveNames")
def resolve_names(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.17: the outcome for each name, and a row, with permanent entry ids, for each that is resolved."""
    stat = stat_of(request)
    call.located(stat)
    names = request.names or ()
    columns = DEFAULT_COLUMNS if request.property_tags is None else checked_columns(request.property_tags)
    if len(names) > min(MOST_NAMES, most_rows(columns)):
        raise NspiError(ErrorCode.OutOfResources)
    outcomes: list[int] = []
    resolved: list[Entry | None] = []
    for name in names:
        found = call.book.resolve(name)
        if not found:
            outcomes.append(NameResolution.UNRESOLVED)
        elif len(found) > 1:
            outcomes.append(NameResolution.AMBIGUOUS)
        else:
            outcomes.append(NameResolution.RESOLVED)
            resolved.append(found[0])
    return {
        "code_page": stat.code_page,
        "minimal_ids": outcomes,
        "rows": row_set(resolved, columns, call.form(stat)),
    }
