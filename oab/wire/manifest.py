"""The manifest ``oab.xml``: which files an address list has (MS-OXWOAB 2.2.2)."""

import re
from dataclasses import dataclass
from typing import Final
from uuid import UUID
from xml.sax.saxutils import quoteattr

from lxml import etree

from mapigw.wire.errors import WireError

NAME: Final = "oab.xml"
_FILE_NAME: Final = re.compile(r"[0-9a-f-]{36}-[a-z0-9]+-[0-9]+\.lzx")
_NUMBER: Final = re.compile(r"[0-9]{1,12}")
_SHA1: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class File:
    """One data file as it is transmitted; ``sha`` is the SHA-1 of these ``size`` bytes in hexadecimal.

    ``uncompressed_size`` is that of what the container holds, for a differential file that of what it makes.
    """

    name: str
    sequence: int
    version: int
    size: int
    uncompressed_size: int
    sha: str


@dataclass(frozen=True, slots=True)
class Template:
    """A template file and the language it is in, an LCID."""

    file: File
    language: int
    type: str = "windows"


@dataclass(frozen=True, slots=True)
class AddressList:
    """An OAL element. ``differences`` are in the order of their sequence numbers, the last the full file's own."""

    guid: UUID
    dn: str
    name: str
    full: File
    templates: tuple[Template, ...]
    differences: tuple[File, ...]


def build(lists: list[AddressList]) -> bytes:
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<OAB>"]
    for item in lists:
        lines.append(f'  <OAL id="{item.guid}" dn={quoteattr(item.dn)} name={quoteattr(item.name)}>')
        lines.append(f"    <Full {_attributes(item.full)}>{item.full.name}</Full>")
        lines += (
            f'    <Template {_attributes(found.file)} langid="{found.language:04x}" type="{found.type}">'
            f"{found.file.name}</Template>"
            for found in item.templates
        )
        lines += (f"    <Diff {_attributes(file)}>{file.name}</Diff>" for file in item.differences)
        lines.append("  </OAL>")
    lines += ["</OAB>", ""]
    return "\n".join(lines).encode()


def _attributes(file: File) -> str:
    return (
        f'seq="{file.sequence}" ver="{file.version}" size="{file.size}" '
        f'uncompressedsize="{file.uncompressed_size}" SHA="{file.sha}"'
    )


def parse(data: bytes) -> list[AddressList]:
    """Raises `WireError`."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
    try:
        root = etree.fromstring(data, parser)
        if root.tag != "OAB":
            raise WireError(f"root element {root.tag!r}")
        return [_address_list(element) for element in root.iterfind("OAL")]
    except (etree.XMLSyntaxError, KeyError, ValueError) as error:
        raise WireError(f"no manifest: {error}") from error


def _address_list(element: etree._Element) -> AddressList:
    full = element.find("Full")
    if full is None:
        raise WireError("an address list without a full details file")
    return AddressList(
        UUID(str(element.attrib["id"])),
        str(element.attrib["dn"]),
        str(element.attrib["name"]),
        _file(full),
        tuple(
            Template(_file(found), int(str(found.attrib["langid"]), 16), str(found.attrib["type"]))
            for found in element.iterfind("Template")
        ),
        tuple(sorted((_file(found) for found in element.iterfind("Diff")), key=lambda file: file.sequence)),
    )


def _file(element: etree._Element) -> File:
    name, sha = (element.text or "").strip(), str(element.attrib["SHA"]).lower()
    numbers = [str(element.attrib[key]) for key in ("seq", "ver", "size", "uncompressedsize")]
    if not _FILE_NAME.fullmatch(name) or not _SHA1.fullmatch(sha) or not all(map(_NUMBER.fullmatch, numbers)):
        raise WireError(f"{element.tag!r} {name!r} with {numbers} and {sha!r}")
    sequence, version, size, uncompressed_size = map(int, numbers)
    return File(name, sequence, version, size, uncompressed_size, sha)


def is_file_name(name: str) -> bool:
    """Whether a file that a manifest names can be called so."""
    return bool(_FILE_NAME.fullmatch(name))
