"""PidLidGlobalObjectId and PidLidCleanGlobalObjectId (MS-OXOCAL 2.2.1.27, 2.2.1.28)."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Self

from mapigw.wire.cursor import Cursor
from mapigw.wire.errors import WireError

BYTE_ARRAY_ID: Final = bytes.fromhex("040000008200E00074C5B7101A82E008")
_VCAL_UID: Final = b"vCal-Uid\x01\x00\x00\x00"


@dataclass(frozen=True, slots=True)
class GlobalObjectId:
    """Identifies a meeting in all calendars; ``instance`` (year, month, day) one occurrence of a series."""

    data: bytes
    instance: tuple[int, int, int] = (0, 0, 0)
    creation_time: int = 0
    """FILETIME."""
    x: bytes = bytes(8)

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Raises `WireError`."""
        cursor = Cursor(data)
        if cursor.take(16) != BYTE_ARRAY_ID:
            raise WireError("the value does not begin as a global object id", field="ByteArrayID")
        instance = (int.from_bytes(cursor.take(2), "big"), cursor.uint8(), cursor.uint8())
        creation_time, x = cursor.uint64(), cursor.take(8)
        value = cursor.take(cursor.uint32())
        if cursor.remaining:
            raise cursor.fail(f"{cursor.remaining} bytes left over", "Data")
        return cls(value, instance, creation_time, x)

    def build(self) -> bytes:
        year, month, day = self.instance
        head = BYTE_ARRAY_ID + year.to_bytes(2, "big") + bytes((month, day)) + self.creation_time.to_bytes(8, "little")
        return head + self.x + len(self.data).to_bytes(4, "little") + self.data

    @classmethod
    def from_uid(cls, uid: str) -> Self:
        """That of an iCalendar UID (MS-OXCICAL 2.1.3.1.1.20.26): an encoded one is itself, any other is wrapped."""
        if uid[:32].upper() == BYTE_ARRAY_ID.hex().upper():
            try:
                return cls.parse(bytes.fromhex(uid.strip()))
            except ValueError:
                pass  # it only looks like one
        return cls(_VCAL_UID + uid.encode("utf-8", "surrogatepass") + b"\0")

    @property
    def uid(self) -> str:
        """The iCalendar UID: the wrapped one, or the clean id in hexadecimal."""
        if self.data.startswith(_VCAL_UID):
            return self.data[len(_VCAL_UID) :].rstrip(b"\0").decode("utf-8", "replace")
        return self.clean.build().hex().upper()

    @property
    def clean(self) -> Self:
        """The id of the whole series (PidLidCleanGlobalObjectId)."""
        return replace(self, instance=(0, 0, 0))

    def of_instance(self, day: date) -> Self:
        """The id of the occurrence that was to begin on ``day``, in the time zone of the series."""
        return replace(self, instance=(day.year, day.month, day.day))
