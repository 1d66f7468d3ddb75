"""Dialog templates (MS-OXOABKT 2.2.2.1) and the display template file that carries them (MS-OXOAB 2.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

from construct import Array, Int16ul, Int32ul, Struct

from mapigw.wire.cursor import Cursor
from mapigw.wire.definition import Definition
from mapigw.wire.errors import WireError
from mapigw.wire.primitives import Counted

FILE_VERSION: Final = 7
ENTRIES: Final = (
    "mail_user",
    "distribution_list",
    "forum",
    "agent",
    "organization",
    "private_distribution_list",
    "remote_mail_user",
)
"""The display templates of a file, in their order."""


class ControlType(IntEnum):
    """MS-OXOABKT 2.2.2.1.2."""

    LABEL = 0x0
    EDIT = 0x1
    LIST_BOX = 0x2
    CHECK_BOX = 0x5
    GROUP_BOX = 0x6
    BUTTON = 0x7
    PAGE = 0x8
    MULTIVALUED_LIST_BOX = 0xB
    MULTIVALUED_DROP_DOWN = 0xC


class ControlFlags(IntFlag):
    """MS-OXOABKT 2.2.2.1.2."""

    NONE = 0x00
    MULTILINE = 0x01
    EDITABLE = 0x02
    REQUIRED = 0x04
    SET_IMMEDIATE = 0x08
    PASSWORD_EDIT = 0x10
    ACCEPT_DBCS = 0x20


@dataclass(frozen=True, slots=True)
class Control:
    """One TRow: place and size in dialog units, and the CNTRL structure with its string.

    ``property_tag`` and ``size`` are dwType and ulSize of what shows a property; ``text`` is a label, a caption, or the
    characters that an edit control allows.
    """

    type: ControlType
    x: int = 0
    width: int = 0
    y: int = 0
    height: int = 0
    text: str = ""
    property_tag: int = 0
    size: int = 0
    flags: ControlFlags = ControlFlags.NONE


_Row = Struct(
    "x" / Int32ul,
    "width" / Int32ul,
    "y" / Int32ul,
    "height" / Int32ul,
    "type" / Int32ul,
    "flags" / Int32ul,
    "property_tag" / Int32ul,
    "size" / Int32ul,
    "text_offset" / Int32ul,
)

RowSet = Definition(Struct("type" / Int32ul, "rows" / Counted(Int32ul, _Row)))
"""TRowSet with its TRow structures, the strings behind them left out."""

_TRowSet: Final = 1
_ROW_SIZE: Final = 36


def build_template(controls: Sequence[Control], code_page: str) -> bytes:
    """TRowSet and the strings its rows name by offset. Raises UnicodeEncodeError for what the code page lacks."""
    offset = 8 + _ROW_SIZE * len(controls)
    strings = bytearray()
    rows = []
    for control in controls:
        row = {
            "x": control.x,
            "width": control.width,
            "y": control.y,
            "height": control.height,
            "type": control.type,
            "flags": control.flags,
            "property_tag": control.property_tag,
            "size": control.size,
            "text_offset": offset + len(strings),
        }
        rows.append(row)
        strings += control.text.encode(code_page) + b"\0"
    return RowSet.build({"type": _TRowSet, "rows": rows}) + bytes(strings)


def parse_template(data: bytes, code_page: str) -> list[Control]:
    """Raises `WireError`."""
    cursor = Cursor(data)
    count = cursor.count(int.from_bytes(data[4:8], "little"), _ROW_SIZE)
    found = RowSet.parse(data[: 8 + _ROW_SIZE * count])
    if found.type != _TRowSet:
        raise WireError(f"a template of type {found.type}", field="type")
    controls = []
    for row in found.rows:
        cursor.position = row.text_offset
        try:
            text = cursor.string8().decode(code_page)
            kind = ControlType(row.type)
        except ValueError as error:
            raise WireError(str(error), offset=row.text_offset) from None
        flags = ControlFlags(row.flags)
        controls.append(Control(kind, row.x, row.width, row.y, row.height, text, row.property_tag, row.size, flags))
    return controls


_Entry = Struct(
    "dn_offset" / Int32ul,
    "dn_size" / Int32ul,
    "template_offset" / Int32ul,
    "template_size" / Int32ul,
    "script_offset" / Int32ul,
    "script_size" / Int32ul,
    "name_offset" / Int32ul,
    "name_size" / Int32ul,
)

TemplateFileHead = Definition(
    Struct(
        "version" / Int32ul,
        "serial" / Int32ul,
        "total_records" / Int32ul,
        "entries" / Array(len(ENTRIES), _Entry),
        "named_ids" / Int16ul,
        "named_guids" / Int16ul,
        "ids_offset" / Int32ul,
        "guids_offset" / Int32ul,
        "names_offset" / Int32ul,
        "address_templates" / Counted(Int32ul, _Entry),
    )
)
"""OAB_HDR, the TMPLT_ENTRY of each display template, NAMES_STRUCT, and the address creation templates."""

_NO_ENTRY: Final = dict.fromkeys(_Entry._subcons, 0)
_HEAD_SIZE: Final = 12 + 32 * len(ENTRIES) + 16 + 4


@dataclass(frozen=True, slots=True)
class DisplayTemplate:
    """What a TMPLT_ENTRY (2.2.2) leads to. There are no scripts."""

    dn: str
    name: str
    controls: tuple[Control, ...]


def build_file(templates: dict[str, DisplayTemplate], code_page: str) -> bytes:
    """A display template file with these of `ENTRIES`, none of whose controls shows a named property."""
    data = bytearray()

    def put(part: bytes) -> tuple[int, int]:
        offset = _HEAD_SIZE + len(data)
        data.extend(part)
        return offset, len(part)

    entries = []
    for name in ENTRIES:
        template = templates.get(name)
        if template is None:
            entries.append(_NO_ENTRY)
            continue
        dn_offset, dn_size = put(template.dn.encode("ascii") + b"\0")
        template_offset, template_size = put(build_template(template.controls, code_page))
        name_offset, name_size = put(template.name.encode(code_page) + b"\0")
        entry = {
            **_NO_ENTRY,
            "dn_offset": dn_offset,
            "dn_size": dn_size,
            "template_offset": template_offset,
            "template_size": template_size,
            "name_offset": name_offset,
            "name_size": name_size,
        }
        entries.append(entry)
    head = {
        "version": FILE_VERSION,
        "serial": 0,
        "total_records": 0,
        "entries": entries,
        "named_ids": 0,
        "named_guids": 0,
        "ids_offset": 0,
        "guids_offset": 0,
        "names_offset": 0,
        "address_templates": [],
    }
    return TemplateFileHead.build(head) + bytes(data)


def parse_file(data: bytes, code_page: str) -> dict[str, DisplayTemplate]:
    """The display templates that a file has; its address creation templates are left alone. Raises `WireError`."""
    count = int.from_bytes(data[_HEAD_SIZE - 4 : _HEAD_SIZE], "little")
    head = TemplateFileHead.parse(data[: _HEAD_SIZE + 32 * count])
    if head.version != FILE_VERSION:
        raise WireError(f"ulVersion 0x{head.version:X}", field="version")

    def text(offset: int, size: int, encoding: str) -> str:
        try:
            return Cursor(data, offset, min(offset + size, len(data))).string8().decode(encoding)
        except UnicodeDecodeError as error:
            raise WireError(str(error), offset=offset) from None

    templates = {}
    for name, entry in zip(ENTRIES, head.entries, strict=True):
        if entry.template_offset:
            template = data[entry.template_offset : entry.template_offset + entry.template_size]
            templates[name] = DisplayTemplate(
                text(entry.dn_offset, entry.dn_size, "ascii"),
                text(entry.name_offset, entry.name_size, code_page),
                tuple(parse_template(template, code_page)),
            )
    return templates
