"""Transport ROPs (MS-OXCROPS 2.2.7)."""

from typing import Any

from mapigw.wire.cursor import Cursor
from mapigw.wire.primitives import (
    Asciiz,
    Boolean,
    Byte,
    If,
    Int16ul,
    Int32ul,
    ObjectIdField,
    Pulled,
    SizedBytes,
    push_asciiz,
    this,
)
from mapigw.wire.rops.rop import rop
from mapigw.wire.rows import TaggedValues


def _pull_address_types(cursor: Cursor, context: Any) -> list[bytes]:
    count, size = cursor.uint16(), cursor.uint16()
    strings = Cursor(cursor.take(size))
    types = [strings.string8() for _ in range(strings.count(count, 1))]
    if strings.remaining:
        raise cursor.fail(f"{strings.remaining} bytes left over")
    return types


def _push_address_types(out: bytearray, value: Any, context: Any) -> None:
    strings = bytearray()
    for address_type in value:
        push_asciiz(strings, address_type)
    out += len(value).to_bytes(2, "little") + len(strings).to_bytes(2, "little") + strings


AddressTypes = Pulled(_pull_address_types, _push_address_types)
"""AddressTypeCount, AddressTypeSize and AddressTypes: list of bytes."""

rop(0x32, "SubmitMessage", "2.2.7.1", {"submit_flags": Byte}, {})

rop(0x34, "AbortSubmit", "2.2.7.2", {"folder_id": ObjectIdField, "message_id": ObjectIdField}, {})

rop(0x49, "GetAddressTypes", "2.2.7.3", {}, {"address_types": AddressTypes})

rop(0x47, "SetSpooler", "2.2.7.4", {}, {})

rop(0x48, "SpoolerLockMessage", "2.2.7.5", {"message_id": ObjectIdField, "lock_state": Byte}, {})

rop(
    0x4A,
    "TransportSend",
    "2.2.7.6",
    {},
    {"no_properties_returned": Boolean, "property_values": TaggedValues},
)

rop(
    0x51,
    "TransportNewMail",
    "2.2.7.7",
    {
        "message_id": ObjectIdField,
        "folder_id": ObjectIdField,
        "message_class": Asciiz,
        "message_flags": Int32ul,
    },
    {},
)

rop(0x6D, "GetTransportFolder", "2.2.7.8", {}, {"folder_id": ObjectIdField})

rop(
    0x6F,
    "OptionsData",
    "2.2.7.9",
    {"address_type": Asciiz, "want_win32": Boolean},
    {
        "reserved": Byte,
        "options_info": SizedBytes(Int16ul),
        "help_file": SizedBytes(Int16ul),
        "help_file_name": If(this.help_file, Asciiz),
    },
)
