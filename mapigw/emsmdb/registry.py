"""The register of ROP handlers, and what a handler is given.

A handler is an async function from (`Call`, parsed request) to the fields of its ROP's success response. It raises
`RopError` to answer another ReturnValue. It lives in the module named like the wire module that declares its ROP::

    @handles("OpenFolder")
    async def open_folder(call: Call, request: Any) -> dict[str, Any]:
        logon = call.logon
        call.open(request, Folder(logon, ...))
        return {"has_rules": False, "is_ghosted": False}

Buffers, handle tables, RopBufferTooSmall, packing and notifications are the dispatcher's business, not a handler's.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Logon, ServerObject
from mapigw.wire.codes import ErrorCode

if TYPE_CHECKING:
    from mapigw.emsmdb.session import Session
    from mapigw.wire.rop_buffer import RopRequest

Object = TypeVar("Object", bound=ServerObject)


class Call:
    """One ROP being executed: where it stands in its buffer, and the objects it names."""

    __slots__ = (
        "columns",
        "handle_index",
        "handles",
        "logon_id",
        "opened",
        "response_index",
        "rop",
        "session",
        "space",
    )

    def __init__(self, session: Session, request: RopRequest, handles: list[int], space: int) -> None:
        self.session = session
        self.rop = request.rop
        """The ROP whose response is sent: the request's own, unless a handler sets another (RopProgress)."""
        self.logon_id = request.logon_id
        self.handle_index = request.handle_index
        """The index of the input handle; for RopLogon, which has none, that of the output handle."""
        self.response_index = request.response_handle_index
        """The index in the response: the output handle's, a ResponseHandleIndex, or the input handle's."""
        self.handles = handles
        """The Server object handle table of the buffer, as it stands after the ROPs before this one."""
        self.space = space
        """Bytes still free in the output ROP buffer for this ROP's whole response, its header included."""
        self.opened: list[int] = []
        """The handles this ROP has opened."""
        self.columns: Sequence[int] | None = None
        """To be set by a handler whose response has rows as lists of cells: their property tags."""

    def object(self, kind: type[Object]) -> Object:
        """The object at the input handle index.

        Raises `RopError`: NullObject for an index outside the table or a handle that was never assigned,
        InvalidObject for a released one, AccessDenied for one of another logon (MS-OXCROPS 3.2.5.4), NotSupported
        for an object of another kind.
        """
        found = self.object_at(self.handle_index, kind)
        if found.logon.logon_id != self.logon_id:
            raise RopError(ErrorCode.AccessDenied)
        return found

    def object_at(self, index: int, kind: type[Object]) -> Object:
        """The object at any other index that the request names (a source folder, say); it may be of another logon."""
        if index >= len(self.handles):
            raise RopError(ErrorCode.NullObject)
        found = self.session.resolve(self.handles[index])
        if not isinstance(found, kind):
            raise RopError(ErrorCode.NotSupported)
        return found

    def destination(self, index: int, kind: type[Object]) -> Object:
        """The object at a DestHandleIndex, perhaps of another logon.

        Raises `RopError`: NullDestinationObject, with the field ``dest_handle_index``, where there is none or the
        handle was released, NotSupported for an object of another kind.
        """
        try:
            found = self.session.resolve(self.handles[index])
        except (IndexError, RopError):
            raise RopError(ErrorCode.NullDestinationObject, {"dest_handle_index": index}) from None
        if not isinstance(found, kind):
            raise RopError(ErrorCode.NotSupported)
        return found

    @property
    def logon(self) -> Logon:
        """The logon of the request's LogonId; `RopError` NullObject when there is none."""
        try:
            return self.session.logons[self.logon_id]
        except KeyError:
            raise RopError(ErrorCode.NullObject) from None

    def open(self, request: Any, opened: ServerObject) -> None:
        """Give ``opened`` a new handle in the slot of the request's OutputHandleIndex.

        What the slot held before does not matter: clients leave 0xFFFFFFFF or an old handle there. Raises `RopError`
        when the session holds too many objects.
        """
        handle = self.session.open(opened)
        self.opened.append(handle)
        self.assign(self.response_index, handle)

    def assign(self, index: int, handle: int) -> None:
        """Write a handle into a slot; the table grows when the client named a slot behind its end."""
        missing = index + 1 - len(self.handles)
        if missing > 0:
            self.handles.extend([0xFFFFFFFF] * missing)
        self.handles[index] = handle


Handler = Callable[[Call, Any], Awaitable[Mapping[str, Any]]]
HandlerFunction = TypeVar("HandlerFunction", bound=Handler)

HANDLERS: dict[str, Handler] = {}
"""ROP name (without the prefix Rop, as in `ROPS_BY_NAME`) to its handler."""


def handles(name: str) -> Callable[[HandlerFunction], HandlerFunction]:
    """Register the decorated function as the handler of the ROP called ``name``. Registering twice is a defect."""

    def register(handler: HandlerFunction) -> HandlerFunction:
        if name in HANDLERS:
            raise ValueError(f"Rop{name} has a handler already")
        HANDLERS[name] = handler
        return handler

    return register


def load_handlers() -> None:
    """Import every module of this package, so that each has registered its handlers."""
    package = importlib.import_module("mapigw.emsmdb")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"mapigw.emsmdb.{module.name}")
