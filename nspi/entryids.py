"""Entry IDs of the address book (MS-OXNSPI 2.2.9)."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from mapigw.wire.cursor import Cursor
from mapigw.wire.entryids import ADDRESS_BOOK_PROVIDER_UID, AddressBookObjectType, address_book_entry_id
from mapigw.wire.errors import WireError
from nspi.values import Codec

GUID_NSPI: Final = ADDRESS_BOOK_PROVIDER_UID.bytes_le
"""The provider of every Permanent Entry ID, as 16 bytes (MS-OXNSPI 2.2.1.7)."""

_PERMANENT, _EPHEMERAL = 0x00, 0x87
_R4 = 0x00000001


@dataclass(frozen=True, slots=True)
class PermanentEntryId:
    """MS-OXNSPI 2.2.9.3: the object's DN, valid for ever."""

    distinguished_name: str
    display_type: int = AddressBookObjectType.LocalMailUser

    def to_bytes(self) -> bytes:
        """28 bytes and the NUL-terminated DN. Raises UnicodeEncodeError for a DN that is not ASCII."""
        return address_book_entry_id(self.distinguished_name, self.display_type)


@dataclass(frozen=True, slots=True)
class EphemeralEntryId:
    """MS-OXNSPI 2.2.9.2: a Minimal Entry ID and the server that issued it."""

    provider_uid: UUID
    minimal_id: int
    display_type: int = AddressBookObjectType.LocalMailUser

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


def _push(out: bytearray, value: EntryId) -> None:
    out += value.to_bytes()


EntryIdCodec = Codec(pull_entry_id, _push)
