"""Entry IDs of the address book (MS-OXNSPI 2.2.9)."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final
from uuid import UUID

from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError
from nspi.values import Codec

GUID_NSPI: Final = bytes.fromhex("dca740c8c042101ab4b908002b2fe182")
"""The provider of every Permanent Entry ID (MS-OXNSPI 2.2.1.7); bytes, because the specification gives bytes."""

_PERMANENT, _EPHEMERAL = 0x00, 0x87
_R4 = 0x00000001


class DisplayType(IntEnum):
    """MS-OXNSPI 2.2.1.3; those this server returns."""

    MAILUSER = 0x00000000
    DISTLIST = 0x00000001
    CONTAINER = 0x00000100


@dataclass(frozen=True, slots=True)
class PermanentEntryId:
    """MS-OXNSPI 2.2.9.3: the object's DN, valid for ever."""

    distinguished_name: str
    display_type: int = DisplayType.MAILUSER

    def to_bytes(self) -> bytes:
        """28 bytes and the NUL-terminated DN. Raises UnicodeEncodeError for a DN that is not ASCII."""
        return (
            bytes((_PERMANENT, 0, 0, 0))
            + GUID_NSPI
            + _R4.to_bytes(4, "little")
            + self.display_type.to_bytes(4, "little")
            + self.distinguished_name.encode("ascii")
            + b"\0"
        )


@dataclass(frozen=True, slots=True)
class EphemeralEntryId:
    """MS-OXNSPI 2.2.9.2: a Minimal Entry ID and the server that issued it."""

    provider_uid: UUID
    minimal_id: int
    display_type: int = DisplayType.MAILUSER

    def to_bytes(self) -> bytes:
        """32 bytes."""
        return (
            bytes((_EPHEMERAL, 0, 0, 0))
            + self.provider_uid.bytes_le
            + _R4.to_bytes(4, "little")
            + self.display_type.to_bytes(4, "little")
            + self.minimal_id.to_bytes(4, "little")
        )


EntryId = PermanentEntryId | EphemeralEntryId


def pull_entry_id(cursor: Cursor) -> EntryId:
    """Read an entry id of either kind; what is reserved is ignored. Raises `WireError`."""
    start = cursor.position
    id_type = cursor.uint32() & 0xFF
    provider = cursor.take(16)
    cursor.uint32()
    display_type = cursor.uint32()
    if id_type == _EPHEMERAL:
        return EphemeralEntryId(UUID(bytes_le=provider), cursor.uint32(), display_type)
    if id_type == _PERMANENT and provider == GUID_NSPI:
        return PermanentEntryId(cursor.string8().decode("ascii", "replace"), display_type)
    raise WireError("not an entry id of the address book", offset=start)


def parse_entry_id(data: bytes) -> EntryId:
    """The entry id that ``data`` holds, and nothing else. Raises `WireError`."""
    cursor = Cursor(data)
    entry_id = pull_entry_id(cursor)
    if cursor.remaining:
        raise cursor.fail(f"{cursor.remaining} bytes left over")
    return entry_id


def _push(out: bytearray, value: EntryId) -> None:
    out += value.to_bytes()


EntryIdCodec = Codec(pull_entry_id, _push)
