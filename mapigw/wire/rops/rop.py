"""What a ROP is, and the registry of all of them (MS-OXCROPS 2.2).

A module of this package declares each of its ROPs once with `rop`. The definitions cover the fields after the common
header: RopId, LogonId and a handle index in a request, RopId, a handle index and ReturnValue in a response.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from construct import Construct, Struct

from mapigw.wire.codes import ErrorCode
from mapigw.wire.definition import Definition

Fields = Mapping[str, Construct]


@dataclass(frozen=True)
class Rop:
    """One remote operation.

    ``request`` is None for ROPs that only a server sends, ``response`` for one that is not answered (Release).
    ``failure`` is the layout of the fields behind any ReturnValue other than the success codes, None when there are
    none; ``failures`` are layouts for particular values (a Logon's redirect, a null destination object). A ROP whose
    layout does not differ between success and failure has its response here too.
    """

    rop_id: int
    name: str
    section: str
    request: Definition | None
    response: Definition | None
    failure: Definition | None = None
    failures: Mapping[int, Definition] = field(default_factory=dict)
    failed: Mapping[str, Any] = field(default_factory=dict)
    """Values of the failure layouts' fields for a ROP that did nothing."""
    success: frozenset[int] = frozenset({0})
    output_handle: bool = False
    """The request has the field ``output_handle_index``, which is the handle index of the response."""
    response_handle: bool = False
    """The header's index is a ResponseHandleIndex, that of the response; ``input_handle_index`` is a field."""
    common_header: bool = True
    """False for responses that begin with RopId alone (Notify, Pending, BufferTooSmall, Backoff)."""
    response_rop_id: int = 0
    """The RopId of the response: ``rop_id``, but for GetMessageStatus, which is answered as SetMessageStatus."""

    def layout(self, return_value: int) -> Definition | None:
        """The layout of the fields behind ``return_value``, or None when nothing follows it."""
        if return_value in self.success:
            return self.response
        return self.failures.get(return_value, self.failure)


ROPS: Final[dict[int, Rop]] = {}
ROPS_BY_NAME: Final[dict[str, Rop]] = {}


def rop(
    rop_id: int,
    name: str,
    section: str,
    request: Fields | None,
    response: Fields | None = None,
    *,
    failure: Fields | None = None,
    failures: Mapping[ErrorCode, Fields] | None = None,
    always: Fields | None = None,
    failed: Mapping[str, Any] | None = None,
    success: frozenset[int] = frozenset({ErrorCode.Success}),
    output_handle: bool = False,
    response_handle: bool = False,
    common_header: bool = True,
    response_rop_id: int | None = None,
) -> Rop:
    """Declare and register one ROP; ``section`` is its chapter in MS-OXCROPS.

    ``always`` are the fields of a response whose layout is the same for success and failure, ``failed`` their values
    when the ROP failed before it did anything.
    """
    if always is not None:
        response = failure = always
    declared = Rop(
        rop_id=rop_id,
        name=name,
        section=section,
        request=None if request is None else Definition(Struct(**request)),
        response=None if response is None else Definition(Struct(**response)),
        failure=None if failure is None else Definition(Struct(**failure)),
        failures={int(code): Definition(Struct(**fields)) for code, fields in (failures or {}).items()},
        failed=failed or {},
        success=frozenset(int(code) for code in success),
        output_handle=output_handle,
        response_handle=response_handle,
        common_header=common_header,
        response_rop_id=rop_id if response_rop_id is None else response_rop_id,
    )
    if rop_id in ROPS or name in ROPS_BY_NAME:
        raise ValueError(f"ROP 0x{rop_id:02X} {name} is declared twice")
    ROPS[rop_id] = ROPS_BY_NAME[name] = declared
    return declared
