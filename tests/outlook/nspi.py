"""The address book as a new profile asks it (MS-OXCMAPIHTTP 2.2.5, MS-OXNSPI)."""

import struct
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any, Final
from uuid import UUID

from tests.outlook.http import MapiHttp
from tests.outlook.reader import Properties, PropertyError, Reader, ViolationError

OWN_TAGS: Final = (0x8C6D0102, 0x39FE001F, 0x3003001F, 0x800F101F)
ROW_TAGS: Final = (
    0x0FFF0102, 0x3001001F, 0x0FFE0003, 0x39000003, 0x3A20001F, 0x3003001F, 0x3002001F, 0x3A40000B, 0x39FF001F,
    0x39FE001F, 0x3A710003,
)  # fmt: skip
MATCH_TAGS: Final = (
    0x3001001F, 0x3A17001F, 0x3A08001F, 0x3A19001F, 0x3A18001F, 0x39FE001F, 0x3A16001F, 0x3A00001F, 0x3002001F,
    0x0FFF0102, 0x0FFE0003, 0x39000003, 0x39050003, 0x0FF60102, 0x3003001E,
)  # fmt: skip
_SECTION: Final = "MS-OXCMAPIHTTP 2.2.5"


@dataclass(frozen=True, slots=True)
class Stat:
    """STAT (MS-OXNSPI 2.2.8)."""

    sort_type: int = 0
    container_id: int = 0
    current_rec: int = 0
    delta: int = 0
    num_pos: int = 0
    total_recs: int = 0
    code_page: int = 1200
    template_locale: int = 0x409
    sort_locale: int = 0x809

    def pack(self) -> bytes:
        return struct.pack("<IIIiIIIII", *astuple(self))


def _tags(tags: Sequence[int] | None) -> bytes:
    return b"\0" if tags is None else b"\xff" + struct.pack(f"<I{len(tags)}I", len(tags), *tags)


class AddressBookError(Exception):
    """An ErrorCode in a response body."""

    def __init__(self, request_type: str, code: int) -> None:
        super().__init__(f"{request_type}: 0x{code:08X}")
        self.code = code


class AddressBook:
    """One Bind."""

    def __init__(self, http: MapiHttp) -> None:
        self.http = http
        self.server_guid: UUID | None = None

    def _request(self, request_type: str, body: bytes, *, tolerated: frozenset[int] = frozenset()) -> Reader:
        reader = Reader(self.http.request(request_type, body + b"\0\0\0\0"), f"{request_type} response", _SECTION)
        if (status := reader.u32()) != 0:
            raise reader.fail(f"StatusCode {status}")
        if (error := reader.u32()) != 0 and error not in tolerated:
            raise AddressBookError(request_type, error)
        return reader

    def challenge(self) -> None:
        self.http.challenge("Bind", struct.pack("<I", 0) + b"\xff" + Stat().pack() + b"\0\0\0\0")

    def bind(self) -> None:
        """2.2.5.1"""
        reader = self._request("Bind", struct.pack("<I", 0) + b"\xff" + Stat().pack())
        self.server_guid = reader.guid()
        _end(reader)

    def unbind(self) -> None:
        """2.2.5.2; its ErrorCode is 1, UnbindSuccess (MS-OXNSPI 2.2.1.2)."""
        _end(self._request("Unbind", b"\0\0\0\0", tolerated=frozenset((1,))))

    def dn_to_mid(self, names: Sequence[str]) -> list[int]:
        """2.2.5.4"""
        body = b"\0\0\0\0\xff" + struct.pack("<I", len(names)) + b"".join(n.encode("ascii") + b"\0" for n in names)
        reader = self._request("DNToMId", body)
        found = _minimal_ids(reader)
        _end(reader)
        if len(found) != len(names):
            raise reader.fail(f"{len(found)} MinimalIds for {len(names)} names (MS-OXNSPI 3.1.4.1.13)")
        return found

    def get_props(self, mid: int, tags: Sequence[int]) -> Properties:
        """2.2.5.7; a value that is missing is a `PropertyError` in its place."""
        body = struct.pack("<I", 0) + b"\xff" + Stat(current_rec=mid).pack() + _tags(tags)
        reader = self._request("GetProps", body, tolerated=frozenset((0x00040380,)))
        if reader.u32() != 1200:
            raise reader.fail("CodePage is not the one of STAT")
        if not reader.boolean():
            raise reader.fail("no PropertyValues")
        values = _value_list(reader)
        _end(reader)
        if [int(tag) >> 16 for tag in values if isinstance(tag, int)] != [tag >> 16 for tag in tags]:
            raise reader.fail(f"tags {values} for {tags} (MS-OXNSPI 3.1.4.1.7)")
        return values

    def query_rows(self, mids: Sequence[int], tags: Sequence[int] = ROW_TAGS) -> list[Properties]:
        """2.2.5.12 with an explicit table: STAT comes back unchanged."""
        stat = Stat()
        body = struct.pack("<I", 0) + b"\xff" + stat.pack() + struct.pack(f"<I{len(mids)}I", len(mids), *mids)
        reader = self._request("QueryRows", body + struct.pack("<I", len(mids)) + _tags(tags))
        if not reader.boolean() or reader.take(36) != stat.pack():
            raise reader.fail("STAT of a query with an explicit table changed (MS-OXNSPI 3.1.4.1.8)")
        found = _columns_and_rows(reader, tags)
        _end(reader)
        if len(found) > len(mids):
            raise reader.fail(f"{len(found)} rows where {len(mids)} were asked for (MS-OXNSPI 3.1.4.1.8)")
        return found

    def browse(self, stat: Stat, count: int, tags: Sequence[int] = ROW_TAGS) -> tuple[Stat, list[Properties]]:
        """2.2.5.12 without an explicit table."""
        body = struct.pack("<I", 0) + b"\xff" + stat.pack() + struct.pack("<II", 0, count) + _tags(tags)
        reader = self._request("QueryRows", body)
        if not reader.boolean():
            raise reader.fail("no STAT")
        after = Stat(*struct.unpack("<IIIiIIIII", reader.take(36)))
        found = _columns_and_rows(reader, tags)
        _end(reader)
        if len(found) > count:
            raise reader.fail(f"{len(found)} rows where {count} were asked for (MS-OXNSPI 3.1.4.1.8)")
        return after, found

    def get_special_table(self) -> list[Properties]:
        """2.2.5.8, Unicode"""
        body = struct.pack("<I", 0x4) + b"\xff" + Stat().pack() + b"\xff\0\0\0\0"
        reader = self._request("GetSpecialTable", body)
        reader.u32()
        if reader.boolean():
            reader.u32()
        rows = []
        if reader.boolean():
            rows = [_value_list(reader) for _ in range(reader.u32())]
        _end(reader)
        return rows

    def check_hierarchy(self) -> dict[str, Properties]:
        """The containers by name, each of which must be found again by the DN in its permanent entry id."""
        rows = self.get_special_table()
        dns = [_dn(row[0x0FFF0102]) for row in rows]
        if not rows or rows[0][0xFFFD0003] != 0 or dns[0] != "/":
            raise ViolationError("MS-OXNSPI 3.1.4.1.3", f"{rows[:1]} is not the global address list")
        if (found := self.dn_to_mid(dns)) != [row[0xFFFD0003] for row in rows]:
            raise ViolationError("MS-OXOABK 2.2.2.3", f"{dns} lead to {found}")
        depth = 0
        for row in rows:
            if not 0 <= row[0x30050003] <= depth + 1 or (row[0x30050003] > 0) != (0xFFFC0102 in row):
                raise ViolationError("MS-OXOABK 2.2.2.5", f"depth {row[0x30050003]} after {depth}: {row}")
            depth = row[0x30050003]
        return {row[0x3001001F]: row for row in rows}

    def get_matches(self, stat: Stat, *, count: int = 0x7FFFFFFF, filter_: bytes | None = None) -> list[Properties]:
        """2.2.5.5 with the options that Outlook sends; no rows where the server has none."""
        body = struct.pack("<I", 0) + b"\xff" + stat.pack() + b"\0" + struct.pack("<I", 0x80000000)
        body += b"\0" if filter_ is None else b"\xff" + filter_
        body += b"\0" + struct.pack("<I", count) + _tags(MATCH_TAGS)
        reader = self._request("GetMatches", body)
        if reader.boolean():
            reader.take(36)
        mids = _minimal_ids(reader)
        rows = _columns_and_rows(reader, MATCH_TAGS)
        _end(reader)
        if len(rows) > len(mids):
            raise reader.fail(f"{len(rows)} rows for {len(mids)} MinimalIds")
        return rows

    def resolve_names(self, names: Sequence[str], tags: Sequence[int] = ROW_TAGS) -> tuple[list[int], list[Properties]]:
        """2.2.5.14: MinimalIds 0 unresolved, 1 ambiguous, 2 resolved; and the rows of the resolved."""
        body = struct.pack("<I", 0) + b"\xff" + Stat().pack() + _tags(tags)
        body += b"\xff" + struct.pack("<I", len(names)) + b"".join(n.encode("utf-16-le") + b"\0\0" for n in names)
        reader = self._request("ResolveNames", body)
        reader.u32()
        mids = _minimal_ids(reader)
        rows = _columns_and_rows(reader, tags)
        _end(reader)
        if len(mids) != len(names) or len(rows) != mids.count(2):
            raise reader.fail(f"{mids} and {len(rows)} rows for {len(names)} names (MS-OXNSPI 3.1.4.1.17)")
        return mids, rows

    def look_up_own_entry(self, legacy_dn: str) -> Properties:
        """What a new profile asks between Bind and Unbind, in its order."""
        (mid,) = self.dn_to_mid([legacy_dn])
        if not 0x10 <= mid < 0x80000000:
            raise Reader(b"", "DNToMId", "MS-OXNSPI 3.1.4.1.13").fail(f"MinimalId 0x{mid:08X}")
        own: Properties = {}
        for tag in OWN_TAGS:
            own |= self.get_props(mid, [tag])
        rows = self.query_rows([mid])
        if len(rows) != 1:
            raise Reader(b"", "QueryRows", "MS-OXNSPI 3.1.4.1.8").fail(f"{len(rows)} rows for the own entry")
        self.check_hierarchy()
        self.get_matches(replace(Stat(), sort_type=1000, container_id=0x8110000D, current_rec=mid))
        return own | rows[0]


def _dn(entry_id: bytes) -> str:
    """Of a PermanentEntryID (MS-OXNSPI 2.2.9.3)."""
    reader = Reader(entry_id, "PermanentEntryID", "MS-OXNSPI 2.2.9.3")
    if reader.u32() != 0 or reader.take(16) != bytes.fromhex("dca740c8c042101ab4b908002b2fe182") or reader.u32() != 1:
        raise reader.fail("not a permanent entry id")
    reader.u32()
    return reader.take(reader.left)[:-1].decode("ascii")


def _minimal_ids(reader: Reader) -> list[int]:
    return [reader.u32() for _ in range(reader.u32())] if reader.boolean() else []


def _end(reader: Reader) -> None:
    reader.take(reader.u32())
    reader.end()


def _value(reader: Reader, kind: int) -> Any:
    """AddressBookPropertyValue (2.2.1.1): strings, binaries and multiple values say whether they are there."""
    if kind & 0x1000 or kind in (0x001E, 0x001F, 0x0102):
        present = reader.u8()
        if present not in (0, 0xFF):
            raise reader.fail(f"HasValue 0x{present:02X} (2.2.1.1)")
        if not present:
            return None
    if kind & 0x1000 and kind & 0xFFF in (0x001E, 0x001F, 0x0102):
        return [_value(reader, kind & 0xFFF) for _ in range(reader.u32())]
    return reader.value(kind, wide=True)


def _value_list(reader: Reader) -> Properties:
    """AddressBookPropertyValueList (2.2.1.3)."""
    values: Properties = {}
    for _ in range(reader.u32()):
        kind, property_id = reader.u16(), reader.u16()
        values[property_id << 16 | kind] = _value(reader, kind)
    return values


def _columns_and_rows(reader: Reader, tags: Sequence[int]) -> list[Properties]:
    """HasColumnsAndRows, Columns, RowCount, RowData (AddressBookPropertyRow, 2.2.1.7)."""
    if not reader.boolean():
        return []
    columns = [reader.u32() for _ in range(reader.u32())]
    if columns != list(tags):
        raise reader.fail(f"columns {[hex(tag) for tag in columns]} are not those asked for")
    rows = []
    for _ in range(reader.u32()):
        flagged = reader.u8()
        if flagged > 1:
            raise reader.fail(f"row flag 0x{flagged:02X} (2.2.1.7)")
        row: Properties = {}
        for tag in columns:
            if flagged:
                flag = reader.u8()
                if flag == 0x01:
                    continue
                if flag == 0x0A:
                    row[tag] = PropertyError(reader.u32())
                    continue
                if flag:
                    raise reader.fail(f"value flag 0x{flag:02X} (2.2.1.5)")
            row[tag] = _value(reader, tag & 0xFFFF)
        rows.append(row)
    return rows
