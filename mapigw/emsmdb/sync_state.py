"""The ICS state that a client gives to a synchronization context and gets back (MS-OXCFXICS 2.2.1.1, 3.2.5.9.2)."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final, ParamSpec, TypeVar
from uuid import UUID

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Logon, ServerObject
from mapigw.mailbox.synchronization import SyncState
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.fasttransfer import (
    MARKER_BYTES,
    Marker,
    MetaTagCnsetRead,
    MetaTagCnsetSeen,
    MetaTagCnsetSeenFAI,
    MetaTagIdsetGiven,
    push_property,
)
from mapigw.wire.globset import CounterSet, IdSet

log = logging.getLogger("mapigw.sync")

STATE_LIMIT: Final = 1 << 24  # bytes of one ICS state property that a client may upload
LARGE_STATE: Final = 1 << 15  # bytes of a state whose sets others would have to wait for

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# The state properties, by the tag a client uploads them under; IdsetGiven comes as integer or binary (3.2.5.2.1).
_STATE_FIELDS: Final = {
    MetaTagIdsetGiven: "idset_given",
    MetaTagIdsetGiven & ~0xFFFF | 0x0102: "idset_given",
    MetaTagCnsetSeen: "cnset_seen",
    MetaTagCnsetSeenFAI: "cnset_seen_fai",
    MetaTagCnsetRead: "cnset_read",
}


class SynchronizationContext(ServerObject):
    """What downloads and uploads have in common: the client's state."""

    def __init__(self, logon: Logon) -> None:
        super().__init__(logon)
        self.state = SyncState()
        self.failed: int | None = None
        """Why the context is of no use any more, if it is."""
        self._uploaded: dict[str, IdSet] = {}
        self._upload: tuple[str, bytearray] | None = None
        self.is_large = False
        """Whether others would have to wait while its sets or its elements are made."""
        self.foreign_forgotten = False
        """Whether the client is told that it has nothing of other replicas any more."""

    @property
    def in_use(self) -> bool:
        """Whether it is too late to give a state."""
        return False

    @property
    def state_fields(self) -> Sequence[tuple[int, str]]:
        """The state properties of this synchronization in their order, with the fields of `SyncState`."""
        raise NotImplementedError

    def transfer_state(self) -> bytes:
        """What RopSynchronizationGetTransferState hands out."""
        raise NotImplementedError

    def usable(self) -> None:
        """A context that was given a malformed state is of no use until it is configured anew (3.1.5.4.3.2.4)."""
        if self.failed is not None:
            raise RopError(self.failed)

    def upload_begin(self, state_property: int) -> None:
        self.usable()
        field = _STATE_FIELDS.get(state_property)
        if field is None:
            raise RopError(ErrorCode.InvalidParameter)
        if self.in_use or self._upload is not None:
            raise RopError(ErrorCode.GeneralFailure)
        self._upload = field, bytearray()

    def upload_continue(self, data: bytes) -> None:
        self.usable()
        if self._upload is None:
            raise RopError(ErrorCode.NotInitialized)
        if len(self._upload[1]) + len(data) > STATE_LIMIT:
            self._upload = None
            self.failed = ErrorCode.RpcFormat
            raise RopError(ErrorCode.RpcFormat)
        self._upload[1].extend(data)

    async def upload_end(self) -> None:
        self.usable()
        if self._upload is None:
            raise RopError(ErrorCode.NotInitialized)
        (field, data), self._upload = self._upload, None
        try:
            self.is_large |= len(data) > LARGE_STATE
            idset = await self.work(IdSet.parse_replguid, bytes(data))
        except WireError as error:
            log.warning("malformed %s uploaded: %s", field, error)
            self.failed = ErrorCode.RpcFormat
            raise RopError(ErrorCode.RpcFormat) from error
        self._uploaded[field] = idset
        setattr(self.state, field, idset.get(self.logon.mailbox.replica_guid).copy())

    async def work(
        self, function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Call what works on sets or elements: where they are large, in a thread."""
        if self.is_large:
            return await asyncio.to_thread(function, *args, **kwargs)
        return function(*args, **kwargs)

    def given_by_others(self) -> list[tuple[UUID, CounterSet]]:
        """What the client says that it has of other replicas than the mailbox's."""
        given = self._uploaded.get("idset_given", IdSet())
        return [
            (guid, counters)
            for guid, counters in given
            if isinstance(guid, UUID) and guid != self.logon.mailbox.replica_guid
        ]

    def state_element(self, *, final: bool) -> bytes:
        """The initial or the final ICS state, as a state element (2.2.4.3.25)."""
        replica = self.logon.mailbox.replica_guid
        out = bytearray(MARKER_BYTES[Marker.IncrSyncStateBegin])
        for tag, field in self.state_fields:
            idset = self._uploaded.get(field, IdSet()).copy()
            if final:
                if field == "idset_given" and self.foreign_forgotten:
                    idset = IdSet()
                idset[replica] = getattr(self.state, field)
            push_property(out, tag, idset.build())
        return bytes(out + MARKER_BYTES[Marker.IncrSyncStateEnd])
