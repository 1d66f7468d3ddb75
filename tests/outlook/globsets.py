"""GLOBSET, IDSET and CNSET (MS-OXCFXICS 2.2.2.4 to 2.2.2.6, 3.1.5.4.3)."""

from collections.abc import Iterable
from uuid import UUID

from tests.outlook.reader import Reader, ViolationError

Ranges = list[tuple[int, int]]
_SECTION = "MS-OXCFXICS 3.1.5.4.3.2"


def read_globset(reader: Reader) -> Ranges:
    """Decode the commands up to End; ranges come back in stream order, which must ascend and not overlap."""
    stack: list[bytes] = []
    ranges: Ranges = []

    def add(low: int, high: int) -> None:
        if low == 0 or low > high:
            raise ViolationError(_SECTION, f"range 0x{low:X}-0x{high:X}")
        if ranges and low <= ranges[-1][1]:
            raise ViolationError(_SECTION, f"range 0x{low:X}-0x{high:X} after 0x{ranges[-1][1]:X}")
        ranges.append((low, high))

    while True:
        command = reader.u8()
        common = b"".join(stack)
        if command == 0x00:
            return ranges
        if 0x01 <= command <= 0x06:
            if len(common) + command > 6:
                raise ViolationError(_SECTION, f"Push {command} onto {len(common)} bytes")
            pushed = reader.take(command)
            if len(common) + command == 6:
                number = int.from_bytes(common + pushed, "big")
                add(number, number)
            else:
                stack.append(pushed)
        elif command == 0x50:
            if not stack:
                raise ViolationError("MS-OXCFXICS 3.1.5.4.3.1.2", "Pop on an empty stack")
            stack.pop()
        elif command == 0x42:
            if len(common) != 5:
                raise ViolationError("MS-OXCFXICS 3.1.5.4.3.1.3", f"Bitmask on {len(common)} common bytes")
            start, mask = reader.u8(), reader.u8()
            base = int.from_bytes(common, "big") << 8
            low = high = start
            for bit in range(8):
                value = start + 1 + bit
                if not mask >> bit & 1:
                    continue
                if value > 0xFF:
                    raise ViolationError("MS-OXCFXICS 3.1.5.4.3.1.3", f"Bitmask 0x{mask:02X} from 0x{start:02X}")
                if value == high + 1:
                    high = value
                else:
                    add(base + low, base + high)
                    low = high = value
            add(base + low, base + high)
        elif command == 0x52:
            size = 6 - len(common)
            low = int.from_bytes(common + reader.take(size), "big")
            high = int.from_bytes(common + reader.take(size), "big")
            add(low, high)
        else:
            raise ViolationError(_SECTION, f"command 0x{command:02X}")


def write_globset(ranges: Ranges) -> bytes:
    """The plain encoding: Range for each range, Push of six bytes for a single value."""
    out = bytearray()
    for low, high in ranges:
        if low == high:
            out += b"\x06" + low.to_bytes(6, "big")
        else:
            out += b"\x52" + low.to_bytes(6, "big") + high.to_bytes(6, "big")
    return bytes(out + b"\0")


class IdSet:
    """REPLGUID → ranges of GLOBCNT."""

    def __init__(self, ranges: dict[UUID, Ranges] | None = None) -> None:
        self.ranges = ranges or {}

    @classmethod
    def from_replguid(cls, data: bytes, what: str) -> "IdSet":
        """The form with REPLGUIDs (2.2.2.4.2): GUIDs ascend byte by byte."""
        reader = Reader(data, what, "MS-OXCFXICS 2.2.2.4.2")
        found: dict[UUID, Ranges] = {}
        previous = b""
        while reader.left:
            raw = reader.take(16)
            if raw <= previous:
                raise reader.fail("REPLGUIDs out of order")
            previous = raw
            ranges = read_globset(reader)
            if not ranges:
                raise reader.fail("an empty GLOBSET")
            found[UUID(bytes_le=raw)] = ranges
        return cls(found)

    @classmethod
    def from_replid(cls, data: bytes, replicas: dict[int, UUID], what: str) -> "IdSet":
        """The form with REPLIDs (2.2.2.4.1), each of which the mailbox must have named."""
        reader = Reader(data, what, "MS-OXCFXICS 2.2.2.4.1")
        found: dict[UUID, Ranges] = {}
        previous = 0
        while reader.left:
            replid = reader.u16()
            if replid <= previous:
                raise reader.fail("REPLIDs out of order")
            previous = replid
            if replid not in replicas:
                raise reader.fail(f"REPLID {replid} is not in PidTagSerializedReplidGuidMap")
            found[replicas[replid]] = read_globset(reader)
        return cls(found)

    def __contains__(self, key: tuple[UUID, int]) -> bool:
        guid, counter = key
        return any(low <= counter <= high for low, high in self.ranges.get(guid, ()))

    def __len__(self) -> int:
        return sum(high - low + 1 for ranges in self.ranges.values() for low, high in ranges)

    def range_count(self) -> int:
        return sum(len(ranges) for ranges in self.ranges.values())

    def members(self) -> set[tuple[UUID, int]]:
        return {(g, n) for g, ranges in self.ranges.items() for low, high in ranges for n in range(low, high + 1)}

    def to_replguid(self) -> bytes:
        pairs = sorted((guid.bytes_le, ranges) for guid, ranges in self.ranges.items())
        return b"".join(raw + write_globset(ranges) for raw, ranges in pairs)


def ranges_of(numbers: Iterable[int]) -> Ranges:
    """The fewest ranges that hold ``numbers``."""
    ranges: Ranges = []
    for number in sorted(set(numbers)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
