"""Auxiliary buffers: blocks behind an AUX_HEADER (MS-OXCRPC 2.2.2.2, 3.1.4.1.2).

Clients send diagnostics, the server tells what it can do. The blocks that carry something the server sends, or that is
worth a log line, are declared; any other is skipped by its size and keeps its bytes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any

from construct import Struct

from mapigw.wire.cursor import Cursor
from mapigw.wire.definition import Definition
from mapigw.wire.errors import WireError
from mapigw.wire.primitives import Guid, Int16ul, Int32ul, push_unicodez

AUX_VERSION_1 = 0x01
AUX_HEADER_SIZE = 4


class AuxiliaryType(IntEnum):
    """Block types of AUX_VERSION_1 that are declared here."""

    AUX_TYPE_CLIENT_CONTROL = 0x0A
    AUX_TYPE_EXORGINFO = 0x17
    AUX_TYPE_SERVER_CAPABILITIES = 0x46
    AUX_TYPE_ENDPOINT_CAPABILITIES = 0x48
    AUX_CLIENT_CONNECTION_INFO = 0x4A
    AUX_SERVER_SESSION_INFO = 0x4B


class EnableFlags(IntFlag):
    """What AUX_CLIENT_CONTROL tells the client to do (MS-OXCRPC 2.2.2.2.15)."""

    ENABLE_PERF_SENDTOSERVER = 0x00000001
    ENABLE_COMPRESSION = 0x00000004
    ENABLE_HTTP_TUNNELING = 0x00000008
    ENABLE_PERF_SENDGCDATA = 0x00000010


class OrgFlags(IntFlag):
    """Flags of AUX_EXORGINFO (MS-OXCRPC 2.2.2.2.17)."""

    PUBLIC_FOLDERS_ENABLED = 0x00000001
    USE_AUTODISCOVER_FOR_PUBLIC_FOLDER_CONFIGURATION = 0x00000002


class ServerCapabilityFlags(IntFlag):
    """Flags of AUX_SERVER_CAPABILITIES (MS-OXCRPC 2.2.2.2.19)."""

    PACKED_FAST_TRANSFER_UPLOAD_BUFFERS = 0x00000001
    PACKED_WRITE_STREAM_UPLOAD_BUFFERS = 0x00000002
    ULTRA_LARGE_PACKED_DOWNLOAD_BUFFERS = 0x00000008


@dataclass(frozen=True, slots=True)
class AuxiliaryBlock:
    """One block. ``value`` is the fields of a declared block, the bytes behind the header of any other."""

    version: int
    type: int
    value: Any


BLOCKS: dict[int, Definition] = {
    AuxiliaryType.AUX_TYPE_CLIENT_CONTROL: Definition(Struct(enable_flags=Int32ul, expiry_time=Int32ul)),
    AuxiliaryType.AUX_TYPE_EXORGINFO: Definition(Struct(org_flags=Int32ul)),
    AuxiliaryType.AUX_TYPE_SERVER_CAPABILITIES: Definition(Struct(server_capability_flags=Int32ul)),
    AuxiliaryType.AUX_TYPE_ENDPOINT_CAPABILITIES: Definition(Struct(endpoint_capability_flag=Int32ul)),
    AuxiliaryType.AUX_CLIENT_CONNECTION_INFO: Definition(
        Struct(
            connection_guid=Guid,
            offset_connection_context_info=Int16ul,
            reserved=Int16ul,
            connection_attempts=Int32ul,
            connection_flags=Int32ul,
        )
    ),
    AuxiliaryType.AUX_SERVER_SESSION_INFO: Definition(Struct(offset_server_session_context_info=Int16ul)),
}
"""The declared blocks of AUX_VERSION_1: their fixed fields."""

_STRINGS: dict[int, str] = {
    AuxiliaryType.AUX_CLIENT_CONNECTION_INFO: "connection_context_info",
    AuxiliaryType.AUX_SERVER_SESSION_INFO: "server_session_context_info",
}
"""The string behind the fixed fields, found by the field ``offset_<name>`` counted from the AUX_HEADER; 0 is none."""


def parse_auxiliary(payload: bytes) -> list[AuxiliaryBlock]:
    """The blocks of one uncompressed auxiliary payload. Raises `WireError`."""
    cursor = Cursor(payload)
    blocks = []
    while cursor.remaining:
        start = cursor.position
        size = cursor.uint16()
        version = cursor.uint8()
        block_type = cursor.uint8()
        if size < AUX_HEADER_SIZE:
            raise WireError(f"block of {size} bytes", offset=start, field="aux_header.size")
        data = cursor.take(size - AUX_HEADER_SIZE)
        definition = BLOCKS.get(block_type) if version == AUX_VERSION_1 else None
        value = data if definition is None else _parse_block(definition, block_type, data)
        blocks.append(AuxiliaryBlock(version, block_type, value))
    return blocks


def _parse_block(definition: Definition, block_type: int, data: bytes) -> dict[str, Any]:
    fields = definition.parse(data, exact=False)
    value = {name: fields[name] for name in fields if not name.startswith("_") and not name.startswith("offset_")}
    name = _STRINGS.get(block_type)
    if name:
        offset = fields[f"offset_{name}"]
        value[name] = ""
        if offset:
            if not AUX_HEADER_SIZE <= offset <= AUX_HEADER_SIZE + len(data):
                raise WireError("offset outside the block", field=f"offset_{name}")
            value[name] = Cursor(data, offset - AUX_HEADER_SIZE).string()
    return value


def build_auxiliary(blocks: Iterable[AuxiliaryBlock]) -> bytes:
    """The payload of ``blocks``; strings follow the fixed fields of their block."""
    out = bytearray()
    for block in blocks:
        definition = BLOCKS.get(block.type) if block.version == AUX_VERSION_1 else None
        data = block.value if definition is None else _build_block(definition, block.type, block.value)
        out += (AUX_HEADER_SIZE + len(data)).to_bytes(2, "little")
        out.append(block.version)
        out.append(block.type)
        out += data
    return bytes(out)


def _build_block(definition: Definition, block_type: int, value: dict[str, Any]) -> bytes:
    name = _STRINGS.get(block_type)
    if name is None:
        return definition.build(value)
    text = value[name]
    offset_name = f"offset_{name}"
    out = bytearray(definition.build({**value, offset_name: 0}))
    if text:
        out[:] = definition.build({**value, offset_name: AUX_HEADER_SIZE + len(out)})
        push_unicodez(out, text)
    return bytes(out)
