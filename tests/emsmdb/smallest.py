"""The smallest request of each ROP: ids and flags of 0, nothing in lists, strings and sized fields."""

from __future__ import annotations

from functools import cache
from typing import Any

from mapigw.emsmdb.registry import HANDLERS, load_handlers
from mapigw.wire.errors import WireError
from mapigw.wire.rop_buffer import RopRequest, join, parse_requests, request
from mapigw.wire.rops import ROPS_BY_NAME

_WITH_A_SIZE = {
    "SetProperties": bytes.fromhex("0200 0000"),
    "SetPropertiesNoReplicate": bytes.fromhex("0200 0000"),
    "SetLocalReplicaMidsetDeleted": bytes.fromhex("0400 00000000"),
}
"""Those whose sized field is not empty in its smallest form: a count of 0 is in it."""
_LONGEST = 64


@cache
def smallest_fields(name: str) -> dict[str, Any]:
    """The fields of the request, without those that place its handles."""
    for data in [_WITH_A_SIZE[name]] if name in _WITH_A_SIZE else map(bytes, range(_LONGEST)):
        try:
            (found,) = parse_requests(join([bytes((ROPS_BY_NAME[name].rop_id, 0, 0)) + data], [1])).requests
        except (WireError, ValueError):
            continue
        return {key: value for key, value in found.value.items() if key not in _PLACED and key != "_io"}
    raise AssertionError(f"no small request of {name} is known")


_PLACED = frozenset({"output_handle_index", "input_handle_index"})


def smallest(name: str, index: int, *, output: int, **fields: Any) -> RopRequest:
    """The request on the handle at ``index``; what it opens goes to the slot ``output``, where it answers, too."""
    rop = ROPS_BY_NAME[name]
    if rop.output_handle:
        fields["output_handle_index"] = output
    response = output if rop.response_handle else None
    return request(name, index, response_handle_index=response, **{**smallest_fields(name), **fields})


def probe() -> RopRequest:
    """A ROP that always succeeds, on the logon in slot 0."""
    return smallest("PublicFolderIsGhosted", 0, output=0)


load_handlers()
ON_OBJECTS = sorted(HANDLERS.keys() - {"Logon", "GetAddressTypes", "OptionsData"})
"""Every ROP that needs an object: MS-OXOMSG 2.2.4.3 ignores that of RopGetAddressTypes, 2.2.4.4 looks at none."""
