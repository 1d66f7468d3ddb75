"""Files that entries are imported from: CSV, LDIF and vCard.

Each reader yields a `Record` for each entry it can read and a `Failure` for each other one, with the line. They block,
so they run in worker threads.
"""

import binascii
import csv
import io
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from mapigw.directory.attributes import ATTRIBUTES, BY_LDAP_NAME, DETAILS
from mapigw.directory.errors import DirectoryError
from mapigw.directory.ldap_records import LdapMapping, kind_of, lowered
from mapigw.directory.records import BadRecord, Failure, Record, RecordKind

LARGEST_FILE: Final = 1 << 28
_LARGEST_FIELD: Final = 1 << 20  # characters

_COLUMNS: Final = {
    "address": "address",
    "mail": "address",
    "display_name": "display_name",
    "displayname": "display_name",
    "cn": "display_name",
    "kind": "kind",
    "domain": "domain",
    "password": "password",
    "hidden": "hidden",
    "enabled": "enabled",
    "aliases": "proxies",
    "proxyaddresses": "proxies",
    "members": "members",
    "member": "members",
    "managers": "managers",
    "managedby": "managers",
}
"""Columns of a CSV file beside those of `ATTRIBUTES`, in lower case."""
_TRUE: Final = frozenset({"yes", "true", "1"})
_FALSE: Final = frozenset({"no", "false", "0"})
_SEPARATOR: Final = ";"  # of the values in one field

Read = Iterator[Record | Failure]


class UnreadableFile(DirectoryError):  # noqa: N818
    """Nothing can be imported from the file; the message says why."""


def read_csv(path: Path, kind: RecordKind, domain: str) -> Read:
    """Records of a CSV file in UTF-8, with a header of attribute names or LDAP names.

    Fields are separated by commas, semicolons or tabs; several values in one field by semicolons. A field that is empty
    removes what an existing entry has. Raises `UnreadableFile`.
    """
    text = text_of(path)
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    csv.field_size_limit(_LARGEST_FIELD)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise UnreadableFile(f"{path}: line 1: {error}") from None
    names = [_column(name) for name in header]
    if unknown := [name for name, known in zip(header, names, strict=True) if known is None]:
        raise UnreadableFile(f"{path}: line 1: there is no attribute called {', '.join(map(repr, unknown))[:300]}")
    if "address" not in names:
        raise UnreadableFile(f"{path}: line 1: there is no column address")
    if len(set(names)) < len(names):
        raise UnreadableFile(f"{path}: line 1: two columns are the same attribute")
    columns = [name for name in names if name is not None]
    while True:
        where = f"line {rows.line_num + 1}"
        try:
            row = next(rows, None)
        except csv.Error as error:
            yield Failure(where, str(error))
            continue
        if row is None:
            return
        if not any(row):
            continue
        try:
            if len(row) != len(columns):
                raise BadRecord(f"it has {len(row)} fields, the header {len(columns)}")
            yield _csv_record(where, dict(zip(columns, row, strict=True)), kind, domain)
        except DirectoryError as error:
            yield Failure(where, str(error))


def _column(name: str) -> str | None:
    key = name.lower()
    if key in _COLUMNS:
        return _COLUMNS[key]
    attribute = ATTRIBUTES.get(key) or BY_LDAP_NAME.get(key)
    return attribute.name if attribute and (attribute.name in DETAILS or attribute.name == "manager") else None


def _csv_record(where: str, row: dict[str, str], kind: RecordKind, domain: str) -> Record:
    row = {name: value.strip() for name, value in row.items()}
    if given := row.get("kind"):
        try:
            kind = RecordKind(given.lower())
        except ValueError:
            raise BadRecord(f"kind {given[:40]!r} is none of {', '.join(RecordKind)}") from None
    if not row["address"]:
        raise BadRecord("it has no address")
    return Record(
        where,
        kind,
        row["address"],
        domain=row.get("domain") or domain,
        display_name=row.get("display_name"),
        attributes={
            name: _values(value) if DETAILS[name].multiple else [value]
            for name, value in row.items()
            if name in DETAILS
        },
        proxies=_values(row["proxies"]) if "proxies" in row else None,
        hidden=_flag(row, "hidden"),
        enabled=_flag(row, "enabled"),
        password=row.get("password") or None,
        manager=row.get("manager"),
        members=_values(row["members"]) if "members" in row else None,
        managers=_values(row["managers"]) if "managers" in row else None,
    )


def _values(field: str) -> list[str]:
    return [value.strip() for value in field.split(_SEPARATOR) if value.strip()]


def _flag(row: dict[str, str], name: str) -> bool | None:
    value = row.get(name, "").lower()
    if value and value not in _TRUE | _FALSE:
        raise BadRecord(f"{name} is {value[:40]!r}, neither yes nor no")
    return value in _TRUE if value else None


def read_ldif(path: Path, kind: RecordKind, domain: str) -> Read:
    """Records of an LDIF file (RFC 2849) with entries, not changes. Raises `UnreadableFile`."""
    mapping = LdapMapping()
    for number, lines in _paragraphs(_octets(path).splitlines()):
        where = f"line {number}"
        try:
            dn, attributes = _ldif_entry(lines)
            values = lowered(attributes)
            yield mapping.record(dn, values, kind_of(values, kind), where, domain=domain, whole=False)
        except DirectoryError as error:
            yield Failure(where, str(error))


def _paragraphs(lines: Sequence[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Unfolded lines of each entry, and the number of its first line."""
    found: list[bytes] = []
    started = 0
    comment = False
    for number, line in enumerate(lines, 1):
        if line.startswith(b" ") and (found or comment):  # folded; so may comments be
            if not comment:
                found[-1] += line[1:]
            continue
        comment = line.startswith(b"#")
        if comment or (line.lower().startswith(b"version:") and not found):
            continue
        if line:
            started = started or number
            found.append(line)
        elif found:
            yield started, found
            found, started = [], 0
    if found:
        yield started, found


def _ldif_entry(lines: Sequence[bytes]) -> tuple[str, dict[str, list[bytes]]]:
    attributes: dict[str, list[bytes]] = {}
    for line in lines:
        name, value = _ldif_line(line)
        attributes.setdefault(name, []).append(value)
    change = attributes.pop("changetype", [b"add"])[0]
    if change != b"add":
        raise BadRecord(f"changetype {change[:20].decode('ascii', 'replace')} cannot be imported, only whole entries")
    (dn,) = attributes.pop("dn", [b""])[:1]
    if not dn:
        raise BadRecord("it does not begin with a dn")
    try:
        return dn.decode(), attributes
    except UnicodeDecodeError:
        raise BadRecord("its dn is not UTF-8") from None


def _ldif_line(line: bytes) -> tuple[str, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not name or not name.isascii():
        raise BadRecord(f"{line[:40].decode('utf-8', 'replace')!r} is not an attribute and its value")
    if value.startswith(b"<"):
        raise BadRecord(f"{name.decode('ascii')} is in another file, which is not read")
    if value.startswith(b":"):
        try:
            value = b64decode(value[1:].strip(), validate=True)
        except binascii.Error:
            raise BadRecord(f"{name.decode('ascii')} is not base64") from None
    else:
        value = value.lstrip(b" ")
    return name.decode("ascii").lower(), value


def _octets(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise UnreadableFile(f"{path}: it is larger than {LARGEST_FILE} bytes")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableFile(f"{path}: {error.strerror}") from None


def text_of(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark. Raises `UnreadableFile`."""
    octets = _octets(path)
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        with suppress(UnicodeDecodeError):
            return octets.decode("utf-16")
        raise UnreadableFile(f"{path}: it is not UTF-16, as its first bytes say")
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(
            f"{path}: line {line}: byte 0x{octets[error.start]:02X} is not UTF-8; save the file as UTF-8"
        ) from None
