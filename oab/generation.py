"""Makes the files of one address list from the directory's entries. Everything here blocks: it runs in a thread.

Records go to disk as they are made, and files are compared where they lie, so memory is bounded by what the directory
holds anyway; the thread lets go of the interpreter often, so that requests are answered meanwhile.
"""

import io
import itertools
import logging
import mmap
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final
from uuid import UUID, uuid4

from mapigw.directory.model import Entry
from mapigw.wire import tags
from mapigw.wire.errors import WireError
from oab import dialogs
from oab.differences import write_patch
from oab.entries import BATCH, ENTRY_PROPERTIES, HEADER_PROPERTIES, ReadBinaries, in_order, no_binaries, records
from oab.publication import KEPT_DIFFERENCES, Publication, sha1
from oab.wire import container, details, template
from oab.wire.checksum import Crc
from oab.wire.manifest import AddressList, File, Template

NAME: Final = "\\Global Address List"
DN: Final = "/"
"""The address list that everybody of a domain sees (MS-OXOABK 2.2.2.3)."""

logger = logging.getLogger(__name__)


def generate(data: Path, domain: str, entries: Iterable[Entry], read: ReadBinaries = no_binaries) -> AddressList:
    """Publish the address list of ``domain`` below the data folder, unless what is published says the same already.

    Returns what is published afterwards.
    """
    publication = Publication(data, domain)
    with publication.changing():
        current = _current(publication)
        guid = current.guid if current else uuid4()
        sequence = current.full.sequence + 1 if current else 1
        templates = _templates(publication, guid, current)
        with publication.temporary() as new, publication.temporary() as old:
            size = write_details(new, guid, sequence, in_order(entries), read)
            if current and _unpacked(publication, current, old):
                if _equal_lists(old, new):
                    if templates == current.templates:
                        return current
                    return _publish(publication, current, current.full, templates, current.differences)
                difference = _difference(publication, guid, sequence, old, new)
                kept = (*current.differences, difference)[-KEPT_DIFFERENCES:] if difference else ()
            else:
                kept = ()
            name = f"{guid}-data-{sequence}.lzx"
            with publication.adding(name) as packed:
                new.seek(0)
                container.pack(new, size, packed)
        full = publication.describe(name, sequence, details.VERSION, size)
        return _publish(publication, AddressList(guid, DN, NAME, full, (), ()), full, templates, kept)


def write_details(
    out: BinaryIO, guid: UUID, sequence: int, entries: Sequence[Entry], read: ReadBinaries = no_binaries
) -> int:
    """Write a full details file (MS-OXOAB 2.9); returns its size. An entry that cannot be expressed is left out."""
    codec = details.RecordCodec(ENTRY_PROPERTIES)
    header = details.RecordCodec(HEADER_PROPERTIES).build(
        {
            tags.PidTagOfflineAddressBookName: NAME,
            tags.PidTagOfflineAddressBookDistinguishedName: DN,
            tags.PidTagOfflineAddressBookSequence: sequence,
            tags.PidTagOfflineAddressBookContainerGuid: str(guid),
        }
    )
    size, count, checksum = details.HEADER_SIZE, 0, Crc()
    out.seek(size)

    def put(part: bytes) -> None:
        nonlocal size
        checksum.add(part)
        out.write(part)
        size += len(part)

    put(details.build_metadata(HEADER_PROPERTIES, ENTRY_PROPERTIES) + header)
    found = records(entries, read)
    while batch := list(itertools.islice(found, BATCH)):
        for address, record in batch:
            try:
                put(codec.build(record))
            except ValueError as error:  # one bad entry never spoils the list
                logger.warning("the offline address book leaves out %s: %s", address, error)
            else:
                count += 1
        time.sleep(0)
    out.seek(0)
    out.write(details.OabHeader.build({"version": details.VERSION, "serial": checksum.value, "total_records": count}))
    out.seek(0)
    return size


def _current(publication: Publication) -> AddressList | None:
    try:
        return publication.current()
    except WireError as error:
        logger.error("%s: %s; the address list begins anew", publication.manifest, error)
        return None


def _unpacked(publication: Publication, current: AddressList, out: BinaryIO) -> bool:
    """Write what is published to ``out``; False, logged, where it cannot be read any more."""
    path = publication.folder / current.full.name
    try:
        with path.open("rb") as packed:
            container.unpack(packed, out)
    except (OSError, WireError) as error:
        logger.error("%s: %s; it is made anew", path, error)
        return False
    out.seek(0)
    return True


def _equal_lists(old: BinaryIO, new: BinaryIO) -> bool:
    """Whether two details files differ in nothing but the sequence number and the CRC."""
    try:
        for file in (old, new):
            file.seek(details.HEADER_SIZE)
        if details.read_sized(old) != details.read_sized(new):
            return False
        details.read_sized(old), details.read_sized(new)
        while (piece := old.read(1 << 20)) == new.read(1 << 20):
            if not piece:
                return True
        return False
    finally:
        old.seek(0)
        new.seek(0)


def _difference(publication: Publication, guid: UUID, sequence: int, old: BinaryIO, new: BinaryIO) -> File | None:
    name = f"{guid}-binpatch-{sequence}.lzx"
    with _mapped(old) as before, _mapped(new) as after, publication.temporary() as made:
        if not write_patch(before, after, made):
            return None
        made.seek(0)
        with publication.adding(name) as out:
            while piece := made.read(1 << 20):
                out.write(piece)
        return publication.describe(name, sequence, details.VERSION, len(after))


@contextmanager
def _mapped(file: BinaryIO) -> Iterator[mmap.mmap]:
    file.flush()
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        yield mapped


def _templates(publication: Publication, guid: UUID, current: AddressList | None) -> tuple[Template, ...]:
    """The display templates, each one made anew only where it says something else than the one published."""
    published = {item.language: item for item in current.templates} if current else {}
    return tuple(_template(publication, guid, language, published.get(language.lcid)) for language in dialogs.LANGUAGES)


def _template(publication: Publication, guid: UUID, language: dialogs.Language, published: Template | None) -> Template:
    plain = dialogs.template_file(language)
    sequence = 1
    if published:
        path = publication.find(published.file.name)
        packed = io.BytesIO()
        container.pack(io.BytesIO(plain), len(plain), packed)
        if path and path.read_bytes() == packed.getvalue() and sha1(path) == published.file.sha:
            return published
        sequence = published.file.sequence + 1
    name = f"{guid}-lng{language.lcid:04x}-{sequence}.lzx"
    with publication.adding(name) as out:
        container.pack(io.BytesIO(plain), len(plain), out)
    return Template(publication.describe(name, sequence, template.FILE_VERSION, len(plain)), language.lcid)


def _publish(
    publication: Publication,
    current: AddressList,
    full: File,
    templates: tuple[Template, ...],
    differences: tuple[File, ...],
) -> AddressList:
    address_list = AddressList(current.guid, DN, NAME, full, templates, differences)
    publication.publish(address_list)
    logger.info("address list of %s: sequence %d, %d bytes", publication.domain, full.sequence, full.size)
    return address_list
