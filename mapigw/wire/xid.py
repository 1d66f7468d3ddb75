"""External identifiers: XID, GID, SizedXid and PredecessorChangeList (MS-OXCFXICS 2.2.2.2, 2.2.2.3).

A GID (MS-OXCDATA 2.2.1.3) is the XID whose LocalId is a six-byte GLOBCNT: the form of the server's own source keys and
change keys. Clients name their changes with a GUID of their own and a LocalId of, for Outlook, four bytes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, Self
from uuid import UUID

from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError

_GUID_SIZE: Final = 16
_LOCAL_ID_MINIMUM: Final = 1
_LOCAL_ID_MAXIMUM: Final = 8
_GLOBCNT_SIZE: Final = 6


@dataclass(frozen=True, slots=True)
class Xid:
    """An XID (2.2.2.2); ``local_id`` has 1 to 8 bytes, compared as a big-endian number."""

    namespace_guid: UUID
    local_id: bytes

    @classmethod
    def gid(cls, database_guid: UUID, counter: int) -> Self:
        """The GID of a 48-bit counter."""
        return cls(database_guid, counter.to_bytes(_GLOBCNT_SIZE, "big"))

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """An XID whose size is that of ``data``, as in PidTagChangeKey and PidTagSourceKey. Raises `WireError`."""
        size = len(data) - _GUID_SIZE
        if not _LOCAL_ID_MINIMUM <= size <= _LOCAL_ID_MAXIMUM:
            raise WireError(f"an XID has 17 to 24 bytes, not {len(data)}", field="LocalId")
        return cls(UUID(bytes_le=data[:_GUID_SIZE]), data[_GUID_SIZE:])

    @classmethod
    def parse_gid(cls, data: bytes) -> Self:
        """A GID: 22 bytes. Raises `WireError`."""
        if len(data) != _GUID_SIZE + _GLOBCNT_SIZE:
            raise WireError(f"a GID has 22 bytes, not {len(data)}", field="GlobalCounter")
        return cls.parse(data)

    def build(self) -> bytes:
        return self.namespace_guid.bytes_le + self.local_id

    @property
    def is_gid(self) -> bool:
        return len(self.local_id) == _GLOBCNT_SIZE

    @property
    def counter(self) -> int:
        """LocalId as a number: for a GID its GLOBCNT."""
        return int.from_bytes(self.local_id, "big")


class Precedence(Enum):
    """How an incoming version of an object stands to the present one (3.1.5.6.1)."""

    NEWER = "newer"
    OLDER_OR_EQUAL = "older or equal"
    CONFLICT = "conflict"


class PredecessorChangeList:
    """The PidTagPredecessorChangeList value: for each namespace the last change that the version includes (2.2.2.3)."""

    __slots__ = ("_local_ids",)

    def __init__(self, xids: Iterable[Xid] = ()) -> None:
        self._local_ids: dict[UUID, bytes] = {}
        for xid in xids:
            self._raise(xid)

    def _raise(self, xid: Xid) -> None:
        known = self._local_ids.get(xid.namespace_guid)
        if known is None or int.from_bytes(known, "big") < xid.counter:
            self._local_ids[xid.namespace_guid] = xid.local_id

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """An array of SizedXid structures (2.2.2.3.1), which reading does not ask to be sorted.

        Raises `WireError`, also when LocalIds of one namespace differ in length (2.2.2.2).
        """
        result = cls()
        cursor = Cursor(data)
        while cursor.remaining:
            start = cursor.position
            try:
                xid = Xid.parse(cursor.take(cursor.uint8()))
            except WireError as error:
                raise WireError(error.reason, offset=start, field="SizedXid") from error
            known = result._local_ids.get(xid.namespace_guid)
            if known is not None and len(known) != len(xid.local_id):
                raise WireError("LocalIds of one namespace differ in length", offset=start, field="SizedXid")
            result._raise(xid)
        return result

    def build(self) -> bytes:
        """SizedXid structures, ascending by the bytes of NamespaceGuid."""
        out = bytearray()
        for guid in sorted(self._local_ids, key=lambda guid: guid.bytes_le):
            local_id = self._local_ids[guid]
            out.append(_GUID_SIZE + len(local_id))
            out += guid.bytes_le
            out += local_id
        return bytes(out)

    def __iter__(self) -> Iterator[Xid]:
        return (Xid(guid, local_id) for guid, local_id in self._local_ids.items())

    def __len__(self) -> int:
        return len(self._local_ids)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PredecessorChangeList):
            return NotImplemented
        return self._local_ids == other._local_ids

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"PredecessorChangeList({list(self)!r})"

    def includes_change(self, xid: Xid) -> bool:
        """Whether the version has seen the change ``xid``: same namespace, same or greater LocalId."""
        known = self._local_ids.get(xid.namespace_guid)
        return known is not None and int.from_bytes(known, "big") >= xid.counter

    def includes(self, other: "PredecessorChangeList") -> bool:
        """PCL A includes PCL B: every XID of B is included in A (3.1.5.6.1). True for equal lists."""
        return all(self.includes_change(xid) for xid in other)

    def merge(self, other: "PredecessorChangeList") -> "PredecessorChangeList":
        """The least list that includes both (3.1.5.6.2)."""
        return PredecessorChangeList([*self, *other])

    def with_change(self, xid: Xid) -> "PredecessorChangeList":
        """The list of a version that ``xid`` makes out of this one."""
        return PredecessorChangeList([*self, xid])

    def precedence_over(self, present: "PredecessorChangeList") -> Precedence:
        """Judge an incoming version that has this list against the ``present`` one (3.1.5.6.1, steps 1 to 3)."""
        if present.includes(self):
            return Precedence.OLDER_OR_EQUAL
        return Precedence.NEWER if self.includes(present) else Precedence.CONFLICT
