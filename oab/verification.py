"""Reads published files back and compares them with the directory. Everything here blocks."""

import io
import tempfile
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from mapigw.directory.model import Entry
from mapigw.wire import tags
from mapigw.wire.errors import WireError
from oab import dialogs
from oab.entries import EMAIL_ADDRESS, ENTRY_PROPERTIES, ReadBinaries, in_order, no_binaries, records
from oab.publication import Publication, files, sha1
from oab.wire import container, details, patch, template
from oab.wire.checksum import Crc
from oab.wire.details import DetailsReader
from oab.wire.manifest import AddressList, File


def verify(data: Path, domain: str, entries: Iterable[Entry], read: ReadBinaries = no_binaries) -> Iterator[str]:
    """One line for everything that is wrong with the published list of ``domain``; none where all is right.

    The full file is compared with the directory as it is now, record by record; each differential file is applied to
    what the ones before it have made, and the last must make the full file.
    """
    publication = Publication(data, domain)
    try:
        current = publication.current()
    except WireError as error:
        yield f"{publication.manifest}: {error}"
        return
    if current is None:
        yield f"{domain}: no address list has been made"
        return
    wrong = False
    for file in files(current):
        for line in _check_file(publication.folder / file.name, file):
            wrong = True
            yield line
    if wrong:
        return
    with publication.temporary() as plain:
        try:
            yield from _check_details(publication, current, plain, dict(_expected(entries, read)))
            yield from _check_templates(publication, current)
            yield from _check_differences(publication, current, plain)
        except WireError as error:
            yield f"{domain}: {error}"


def _check_file(path: Path, file: File) -> Iterator[str]:
    if not path.is_file():
        yield f"{path}: missing"
    elif (size := path.stat().st_size) != file.size:
        yield f"{path}: {size} bytes, {file.size} in the manifest"
    elif sha1(path) != file.sha:
        yield f"{path}: its SHA-1 is not the one in the manifest"


def _expected(entries: Iterable[Entry], read: ReadBinaries) -> Iterator[tuple[str, bytes]]:
    """The DN of each entry that can be expressed, and a digest of its record."""
    codec = details.RecordCodec(ENTRY_PROPERTIES)
    for _, record in records(in_order(entries), read):
        try:
            yield str(record[EMAIL_ADDRESS]), _digest(codec.build(record))
        except ValueError:
            continue


def _digest(record: bytes) -> bytes:
    return blake2b(record, digest_size=16).digest()


def _check_details(
    publication: Publication, current: AddressList, plain: BinaryIO, expected: dict[str, bytes]
) -> Iterator[str]:
    path = publication.folder / current.full.name
    with path.open("rb") as packed:
        size = container.unpack(packed, plain)
    if size != current.full.uncompressed_size:
        yield f"{path}: {size} bytes uncompressed, {current.full.uncompressed_size} in the manifest"
    plain.seek(0)
    reader = DetailsReader(plain)
    shown = reader.address_list
    for tag, value in (
        (tags.PidTagOfflineAddressBookSequence, current.full.sequence),
        (tags.PidTagOfflineAddressBookContainerGuid, str(current.guid)),
        (tags.PidTagOfflineAddressBookDistinguishedName, current.dn),
        (tags.PidTagOfflineAddressBookName, current.name),
    ):
        if shown.get(tag) != value:
            yield f"{path}: property 0x{tag:08X} is {shown.get(tag)!r}, {value!r} in the manifest"
    count = 0
    codec = details.RecordCodec(ENTRY_PROPERTIES)
    for record in reader.records():
        count += 1
        dn = str(record.get(EMAIL_ADDRESS))
        try:
            digest = _digest(codec.build(record))
        except ValueError:
            digest = b""
        if expected.pop(dn, None) != digest:
            yield f"{path}: {dn} differs from the directory, is not in it, or stands twice"
    for dn in sorted(expected):
        yield f"{path}: {dn} is missing"
    if count != reader.total_records:
        yield f"{path}: {count} records, {reader.total_records} announced"
    if _serial(plain) != reader.serial:
        yield f"{path}: ulSerial is not the CRC of the file"


def _serial(plain: BinaryIO) -> int:
    checksum = Crc()
    plain.seek(details.HEADER_SIZE)
    while piece := plain.read(1 << 20):
        checksum.add(piece)
    plain.seek(0)
    return checksum.value


def _check_templates(publication: Publication, current: AddressList) -> Iterator[str]:
    code_pages = {language.lcid: language.code_page for language in dialogs.LANGUAGES}
    if not current.templates:
        yield f"{publication.manifest}: no template"
    for item in current.templates:
        path = publication.folder / item.file.name
        with path.open("rb") as packed, io.BytesIO() as plain:
            size = container.unpack(packed, plain)
            found = template.parse_file(plain.getvalue(), code_pages.get(item.language, "cp1252"))
        if size != item.file.uncompressed_size or "mail_user" not in found:
            yield f"{path}: {size} bytes with the templates {', '.join(found) or 'none'}"


def _check_differences(publication: Publication, current: AddressList, plain: BinaryIO) -> Iterator[str]:
    """The source of the oldest differential file may be gone; the others are chained to it where it is there."""
    previous: BinaryIO | None = None
    for file in current.differences:
        path = publication.folder / file.name
        source = previous or _source(publication, current.guid, file.sequence - 1)
        if source is None:
            continue
        target = tempfile.TemporaryFile(dir=publication.folder)  # noqa: SIM115 - the next turn reads it
        with source, path.open("rb") as made:
            try:
                size = patch.apply(made, source, target)
            except WireError as error:
                yield f"{path}: {error}"
                return
        if size != file.uncompressed_size:
            yield f"{path}: makes {size} bytes, {file.uncompressed_size} in the manifest"
        target.seek(0)
        previous = target
    if previous is not None:
        plain.seek(0)
        with previous:
            while (piece := previous.read(1 << 20)) == plain.read(1 << 20):
                if not piece:
                    return
        yield f"{publication.folder}: the differential files do not make the full file"


def _source(publication: Publication, guid: UUID, sequence: int) -> BinaryIO | None:
    path = publication.find(f"{guid}-data-{sequence}.lzx")
    if path is None:
        return None
    plain = tempfile.TemporaryFile(dir=publication.folder)  # noqa: SIM115 - the caller closes it
    with path.open("rb") as packed:
        container.unpack(packed, plain)
    plain.seek(0)
    return plain
