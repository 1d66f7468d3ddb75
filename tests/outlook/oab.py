"""The offline address book as Outlook fetches and reads it (MS-OXWOAB, MS-OXOAB)."""

import hashlib
import struct
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.outlook.http import Answer, Web
from tests.outlook.lzx_delta import inflate
from tests.outlook.reader import Reader, ViolationError

Record = dict[int, Any]
TRUNCATED = 0x68051003


def crc(data: bytes) -> int:
    """MS-OXOAB 2: seeded with 0xFFFFFFFF; the specification inverts nothing at the end."""
    return zlib.crc32(data) ^ 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Full, Template or Diff element of the manifest."""

    kind: str
    name: str
    sequence: int
    version: int
    size: int
    uncompressed_size: int
    sha: str
    language: str = ""


@dataclass(frozen=True, slots=True)
class Oal:
    """An OAL element of the manifest (MS-OXWOAB 2.2.2.2)."""

    guid: str
    dn: str
    name: str
    full: DataFile
    templates: list[DataFile]
    differences: dict[int, DataFile]


class WebDistributionPoint:
    """The place that Autodiscover names; files come in pieces, as BITS fetches them."""

    def __init__(self, web: Web, url: str, piece: int = 4096) -> None:
        self.web = web
        self.url = url.rstrip("/")
        self.piece = piece
        self.fetched: list[str] = []

    def _send(self, method: str, name: str, headers: dict[str, str] | None = None) -> Answer:
        return self.web.send(method, f"{self.url}/{name}", b"", headers or {})

    def manifest(self) -> Oal:
        """``wdpUri "/oab.xml"`` (MS-OXWOAB 3.1.5); a server of one address list has one OAL."""
        answer = self._send("GET", "oab.xml")
        if answer.status != 200:
            raise ViolationError("MS-OXWOAB 3.1.5", f"oab.xml: HTTP {answer.status}, which Outlook calls 0x8004010F")
        root = ET.fromstring(answer.body)
        lists = root.findall("OAL")
        if root.tag != "OAB" or len(lists) != 1:
            raise ViolationError("MS-OXWOAB 2.2.2.1", f"{root.tag} with {len(lists)} OAL")
        (element,) = lists
        files = [_data_file(child) for child in element]
        full = [file for file in files if file.kind == "Full"]
        templates = [file for file in files if file.kind == "Template"]
        if len(full) != 1 or not templates:
            raise ViolationError("MS-OXWOAB 2.2.2.2", f"{len(full)} Full and {len(templates)} Template elements")
        if full[0].version != 32 or any(file.version != 7 for file in templates):
            raise ViolationError("MS-OXWOAB 2.2.2.3", "ver is not 32 for Full and 7 for Template")
        differences = {file.sequence: file for file in files if file.kind == "Diff"}
        return Oal(element.attrib["id"], element.attrib["dn"], element.attrib["name"], full[0], templates, differences)

    def file(self, wanted: DataFile) -> bytes:
        """HEAD for the size, then pieces; checked against the manifest."""
        self.fetched.append(wanted.name)
        head = self._send("HEAD", wanted.name)
        tag = head.headers.get("ETag", "")
        if head.status != 200 or head.headers.get("Content-Length") != str(wanted.size) or not tag:
            raise ViolationError("MS-OXWOAB 2.2.2.3", f"{wanted.name}: HEAD {head.status} {head.headers.items()}")
        data = b""
        while len(data) < wanted.size:
            last = min(len(data) + self.piece, wanted.size) - 1
            answer = self._send("GET", wanted.name, {"Range": f"bytes={len(data)}-{last}", "If-Range": tag})
            expected = f"bytes {len(data)}-{last}/{wanted.size}"
            if answer.status != 206 or answer.headers.get("Content-Range") != expected:
                raise ViolationError("RFC 9110 14", f"{wanted.name}: {answer.status} instead of {expected}")
            if answer.headers.get("Last-Modified") != head.headers.get("Last-Modified"):
                raise ViolationError("RFC 9110 8.8.2", f"{wanted.name}: Last-Modified changed on the way")
            data += answer.body
        if len(data) != wanted.size or hashlib.sha1(data).hexdigest() != wanted.sha.lower():
            raise ViolationError("MS-OXWOAB 2.2.2.3", f"{wanted.name}: size or SHA is not the manifest's")
        return data


def _data_file(element: ET.Element) -> DataFile:
    attributes = element.attrib
    return DataFile(
        element.tag,
        (element.text or "").strip(),
        int(attributes["seq"]),
        int(attributes["ver"]),
        int(attributes["size"]),
        int(attributes["uncompressedsize"]),
        attributes["SHA"],
        attributes.get("langid", ""),
    )


def unpack(data: bytes, file: DataFile) -> bytes:
    """LZX_HDR and LZX_BLK (MS-OXOAB 2.11)."""
    reader = Reader(data, file.name, "MS-OXOAB 2.11")
    version, block_max, target_size = (reader.u32(), reader.u32()), reader.u32(), reader.u32()
    if version != (3, 1) or target_size != file.uncompressed_size:
        raise reader.fail(f"version {version}, ulTargetSize {target_size} for {file.uncompressed_size}")
    out = b""
    while reader.left:
        flags, packed, plain, checksum = (reader.u32() for _ in range(4))
        block = reader.take(packed)
        if flags == 1:
            block = inflate(block, b"", plain)
        if flags > 1 or max(packed, plain) > block_max or len(block) != plain or crc(block) != checksum:
            raise reader.fail("a block is not what its header says")
        out += block
    if len(out) != target_size:
        raise reader.fail(f"{len(out)} bytes of {target_size}")
    return out


def apply_patch(old: bytes, data: bytes, file: DataFile) -> bytes:
    """PATCH_HDR and PATCH_BLK (MS-OXOAB 2.10)."""
    reader = Reader(data, file.name, "MS-OXOAB 2.10")
    version = (reader.u32(), reader.u32())
    block_max, source_size, target_size, source_crc, target_crc = (reader.u32() for _ in range(5))
    if version != (3, 2) or source_size != len(old) or source_crc != crc(old[12:]):
        raise reader.fail("not a patch of this file")
    out, position = b"", 0
    while len(out) < target_size:
        size, made, used, checksum = (reader.u32() for _ in range(4))
        if max(size, made, used) > block_max or not made:
            raise reader.fail(f"a block of {size}, {made} and {used} bytes, ulBlockMax {block_max}")
        block = inflate(reader.take(size), old[position : position + used], made)
        if crc(block) != checksum:
            raise reader.fail("the CRC of a block")
        out, position = out + block, position + used
    reader.end()
    if len(out) != target_size or crc(out[12:]) != target_crc or target_size != file.uncompressed_size:
        raise reader.fail("the target is not what the header says")
    return out


@dataclass(frozen=True, slots=True)
class Details:
    """A full details file (MS-OXOAB 2.9)."""

    header: Record
    flags: dict[int, int]
    records: list[Record]

    def by_dn(self) -> dict[str, Record]:
        return {record[0x3003001E]: record for record in self.records}


def read_details(data: bytes) -> Details:
    reader = Reader(data, "details", "MS-OXOAB 2.9")
    version, serial, total = reader.u32(), reader.u32(), reader.u32()
    if version != 0x20 or serial != crc(data[12:]):
        raise reader.fail(f"ulVersion 0x{version:X}, ulSerial 0x{serial:08X}")
    metadata = Reader(_record(reader), "OAB_META_DATA", "MS-OXOAB 2.9.2")
    header_properties, properties = [_properties(metadata) for _ in range(2)]
    metadata.end()
    if list(header_properties) != [0x6800001F, 0x6804001E, 0x68010003, 0x6802001E]:
        raise reader.fail(f"rgHdrAtts {header_properties} (2.9.2.1)")
    if [tag >> 16 for tag in properties][:2] != [0x3003, 0x39FE]:
        raise reader.fail("rgOabAtts does not begin with the two primary keys (2.9.2.2)")
    header = _values(_record(reader), header_properties)
    records = []
    while reader.left:
        record = _values(_record(reader), properties)
        missing = [tag for tag, flags in properties.items() if flags & 2 and tag not in record]
        if missing:
            raise reader.fail(f"primary keys {missing} are missing (2.9.4)")
        _check_truncation(reader, record, properties)
        records.append(record)
    if len(records) != total:
        raise reader.fail(f"{len(records)} records, ulTotRecs {total}")
    return Details(header, properties, records)


def _check_truncation(reader: Reader, record: Record, properties: dict[int, int]) -> None:
    """2.9.2.2.1: what is cut or left out is named, what names other entries is never there."""
    truncated: list[int] = record.get(TRUNCATED, [])
    if not set(truncated) <= set(properties) or len(set(truncated)) != len(truncated):
        raise reader.fail(f"truncated properties {truncated} are not in the schema (2.9.2.2.1)")
    for tag, value in record.items():
        if tag & 0xFFFF == 0x000D:
            raise reader.fail(f"the object property 0x{tag:08X} has a value (2.9.2.2.1)")
        sizes = [len(item.encode()) if isinstance(item, str) else len(item) for item in _items(value)]
        limit = 65536 if tag & 0x1000 else 32768 if tag & 0xFFFF == 0x0102 else 3400
        if sum(sizes) > limit:
            raise reader.fail(f"0x{tag:08X} has {sum(sizes)} bytes")


def _items(value: Any) -> list[str | bytes]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, (str, bytes))]


def _record(reader: Reader) -> bytes:
    (size,) = struct.unpack("<I", reader.data[reader.position : reader.position + 4])
    return reader.take(size)[4:]


def _properties(reader: Reader) -> dict[int, int]:
    return {reader.u32(): reader.u32() for _ in range(reader.u32())}


def _values(data: bytes, properties: dict[int, int]) -> Record:
    reader = Reader(data, "OAB_V4_REC", "MS-OXOAB 2.9.5")
    presence = reader.take(-(-len(properties) // 8))
    record = {
        tag: _value(reader, tag & 0xFFFF)
        for index, tag in enumerate(properties)
        if presence[index // 8] >> (7 - index % 8) & 1
    }
    reader.end()
    return record


def _integer(reader: Reader) -> int:
    first = reader.u8()
    if first < 0x80:
        return first
    if first not in (0x81, 0x82, 0x83, 0x84):
        raise reader.fail(f"integer 0x{first:02X} (2.9.6.1)")
    return int.from_bytes(reader.take(first - 0x80), "little")


def _text(reader: Reader, encoding: str) -> str:
    end = reader.data.index(b"\0", reader.position)
    value = reader.take(end - reader.position + 1)[:-1].decode(encoding)
    if not value:
        raise reader.fail("an empty string is encoded (2.9.6.3)")
    return value


def _value(reader: Reader, kind: int) -> Any:
    if kind & 0x1000:
        return [_value(reader, kind & 0xFFF) for _ in range(_integer(reader))]
    if kind == 0x0003:
        return _integer(reader)
    if kind == 0x000B:
        return reader.u8() != 0
    if kind in (0x000D, 0x001E):
        return _text(reader, "ascii")
    if kind == 0x001F:
        return _text(reader, "utf-8")
    if kind == 0x0102:
        return reader.take(_integer(reader))
    raise reader.fail(f"property type 0x{kind:04X} (2.9.4)")


def template_labels(data: bytes) -> Iterator[str]:
    """The strings of the mail user's dialog (MS-OXOAB 2.2, MS-OXOABKT 2.2.2.1)."""
    reader = Reader(data, "template file", "MS-OXOAB 2.2")
    if (reader.u32(), reader.u32(), reader.u32()) != (7, 0, 0):
        raise reader.fail("OAB_HDR")
    entry = [reader.u32() for _ in range(8)]
    template = data[entry[2] : entry[2] + entry[3]]
    rows = Reader(template, "TRowSet", "MS-OXOABKT 2.2.2.1.1")
    if rows.u32() != 1:
        raise rows.fail("Type")
    first = True
    for _ in range(rows.u32()):
        row = [rows.u32() for _ in range(9)]
        if first and row[4] != 8:
            raise rows.fail("a dialog begins with a page")
        first = False
        end = template.index(b"\0", row[8])
        yield template[row[8] : end].decode("cp1252")
