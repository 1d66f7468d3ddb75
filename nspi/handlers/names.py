"""From names to objects: DNToMId, ResolveNames (MS-OXNSPI 3.1.4.1.13, 3.1.4.1.17)."""

from typing import Any, Final

from mapigw.wire.codes import ErrorCode
from nspi.address_book import Entry
from nspi.containers import CONTAINERS
from nspi.errors import NspiError
from nspi.handlers.registry import Call, checked_columns, handles, most_rows, stat_of
from nspi.handlers.tables import DEFAULT_COLUMNS, row_set
from nspi.stat import NameResolution

MOST_NAMES: Final = 1_000
"""Names that one ResolveNames may ask for; each is a search."""


@handles("DNToMId")
def dn_to_minimal_id(call: Call, request: Any) -> dict[str, Any]:
    """3.1.4.1.13: one Minimal Entry ID a name, in its order; 0 for what is not known, and never somebody else.

    The DN of a container, as it stands in the container's entry id, leads to the container.
    """
    lists = {container.dn(call.user.domain).lower(): container.container_id for container in CONTAINERS.values()}

    def minimal_id(dn: str) -> int:
        entry = call.book.by_dn(dn)
        return entry.minimal_id if entry is not None else lists.get(dn.lower(), 0)

    return {"minimal_ids": [minimal_id(name.decode("ascii", "replace")) for name in request.names or ()]}


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
    asking = call.asking()
    for name in names:
        found = call.book.resolve(name, asking=asking)
        if not found:
            outcomes.append(NameResolution.UNRESOLVED)
        elif len(found) > 1:
            outcomes.append(NameResolution.AMBIGUOUS)
        else:
            outcomes.append(NameResolution.RESOLVED)
            resolved.append(Entry(call.book, found[0]))
    return {
        "code_page": stat.code_page,
        "minimal_ids": outcomes,
        "rows": row_set(resolved, columns, call.form(stat)),
    }
