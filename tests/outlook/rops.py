"""ROP requests and their responses (MS-OXCROPS 2.2), by struct.

A `Rop` is one request of a buffer: its bytes, and how to read the response that answers it.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from tests.outlook.reader import Properties, Reader, push_value

NO_HANDLE: Final = 0xFFFFFFFF
BUFFER_SIZE_FROM_SERVER: Final = 0xBABE


@dataclass(frozen=True, slots=True)
class Rop:
    """``index``: the handle index that the response must repeat; ``read`` is None for a ROP without response.

    ``on_failure`` reads the fields of a failed response that has any.
    """

    name: str
    data: bytes
    index: int
    read: Callable[[Reader], Any] | None
    on_failure: Callable[[Reader, int], Any] | None = None

    @property
    def rop_id(self) -> int:
        return self.data[0]


@dataclass(frozen=True, slots=True)
class Logon:
    """Success response of RopLogon for a private mailbox (2.2.3.1.2)."""

    logon_flags: int
    folder_ids: tuple[int, ...]
    response_flags: int
    mailbox_guid: UUID
    rep_id: int
    replica_guid: UUID


@dataclass(frozen=True, slots=True)
class Transfer:
    """Response of RopFastTransferSourceGetBuffer (2.2.12.3.2)."""

    status: int
    in_progress: int
    total: int
    data: bytes


FOLDER_NAMES: Final = (
    "Root", "Deferred Action", "Spooler Queue", "IPM Subtree", "Inbox", "Outbox", "Sent Items", "Deleted Items",
    "Common Views", "Schedule", "Search", "Views", "Shortcuts",
)  # fmt: skip
"""The thirteen folders of RopLogon, in the order of MS-OXCSTOR 2.2.1.1.3."""


def _header(rop_id: int, index: int, logon_id: int) -> bytes:
    return bytes((rop_id, logon_id, index))


def _nothing(reader: Reader) -> None:
    return None


def release(index: int, logon_id: int = 0) -> Rop:
    return Rop("Release", _header(0x01, index, logon_id), index, None)


def logon(index: int, essdn: str, *, logon_id: int = 0, logon_flags: int = 0x01, open_flags: int = 0x2100040C) -> Rop:
    name = essdn.encode("ascii") + b"\0"
    data = struct.pack("<BBBBIIH", 0xFE, logon_id, index, logon_flags, open_flags, 0, len(name)) + name

    def read(reader: Reader) -> Logon:
        flags = reader.u8()
        folders = tuple(reader.u64() for _ in range(13))
        response_flags = reader.u8()
        mailbox_guid = reader.guid()
        rep_id = reader.u16()
        replica_guid = reader.guid()
        reader.take(8)  # LogonTime
        reader.take(8)  # GwartTime
        if (state := reader.u32()) != 0:
            raise reader.fail(f"StoreState 0x{state:08X} (MS-OXCROPS 2.2.3.1.2)")
        return Logon(flags, folders, response_flags, mailbox_guid, rep_id, replica_guid)

    return Rop("Logon", data, index, read)


def get_properties_specific(index: int, tags: Sequence[int], *, logon_id: int = 0, size_limit: int = 0) -> Rop:
    data = _header(0x07, index, logon_id) + struct.pack("<HHH", size_limit, 0, len(tags))
    data += struct.pack(f"<{len(tags)}I", *tags)
    return Rop("GetPropertiesSpecific", data, index, lambda reader: reader.row(list(tags)))


def set_properties(index: int, values: Properties, *, logon_id: int = 0) -> Rop:
    body = struct.pack("<H", len(values))
    for tag, value in values.items():
        assert isinstance(tag, int)
        body += struct.pack("<I", tag) + push_value(tag & 0xFFFF, value)

    def read(reader: Reader) -> list[tuple[int, int, int]]:
        return [(reader.u16(), reader.u32(), reader.u32()) for _ in range(reader.u16())]

    return Rop("SetProperties", _header(0x0A, index, logon_id) + struct.pack("<H", len(body)) + body, index, read)


def get_property_ids_from_names(index: int, flags: int, names: Sequence[tuple[UUID, int | str]]) -> Rop:
    data = _header(0x56, index, 0) + struct.pack("<BH", flags, len(names))
    for guid, name in names:
        if isinstance(name, int):
            data += b"\0" + guid.bytes_le + struct.pack("<I", name)
        else:
            text = name.encode("utf-16-le") + b"\0\0"
            data += b"\1" + guid.bytes_le + bytes((len(text),)) + text
    return Rop("GetPropertyIdsFromNames", data, index, lambda reader: [reader.u16() for _ in range(reader.u16())])


def open_folder(index: int, output: int, folder_id: int, *, logon_id: int = 0, flags: int = 0) -> Rop:
    data = _header(0x02, index, logon_id) + struct.pack("<BQB", output, folder_id, flags)

    def read(reader: Reader) -> bool:
        has_rules = reader.boolean()
        if reader.u8():
            raise reader.fail("IsGhosted in a private mailbox (MS-OXCFOLD 2.2.1.1.2)")
        return has_rules

    return Rop("OpenFolder", data, output, read)


def open_message(index: int, output: int, folder_id: int, message_id: int) -> Rop:
    data = _header(0x03, index, 0) + struct.pack("<BHQBQ", output, 0x0FFF, folder_id, 0, message_id)

    def typed(reader: Reader) -> str:
        kind = reader.u8()
        match kind:
            case 0x00 | 0x01:
                return ""
            case 0x02 | 0x03:
                return reader.bytes_to_nul().decode("latin-1")
            case 0x04:
                return reader.unicode()
        raise reader.fail(f"TypedString 0x{kind:02X} (MS-OXCDATA 2.11.7)")

    def read(reader: Reader) -> tuple[bool, str, str, int]:
        named = reader.boolean()
        prefix, subject = typed(reader), typed(reader)
        recipients = reader.u16()
        for _ in range(reader.u16()):
            reader.u32()
        for _ in range(reader.u8()):
            reader.take(5)  # RecipientType, CodePageId, Reserved
            reader.take(reader.u16())
        return named, prefix, subject, recipients

    return Rop("OpenMessage", data, output, read)


def open_attachment(index: int, output: int, number: int) -> Rop:
    return Rop("OpenAttachment", _header(0x22, index, 0) + struct.pack("<BBI", output, 0, number), output, _nothing)


def open_stream(index: int, output: int, tag: int) -> Rop:
    data = _header(0x2B, index, 0) + struct.pack("<BIB", output, tag, 0)
    return Rop("OpenStream", data, output, lambda reader: reader.u32())


def read_stream(index: int, size: int) -> Rop:
    data = _header(0x2C, index, 0) + struct.pack("<H", size)

    def failed(reader: Reader, code: int) -> None:
        if reader.u16():
            raise reader.fail("data with a failed RopReadStream (MS-OXCROPS 2.2.9.2.2)")

    return Rop("ReadStream", data, index, lambda reader: reader.take(reader.u16()), failed)


def get_local_replica_ids(index: int, count: int) -> Rop:
    data = _header(0x7F, index, 0) + struct.pack("<I", count)
    return Rop("GetLocalReplicaIds", data, index, lambda reader: (reader.guid(), int.from_bytes(reader.take(6), "big")))


def get_receive_folder(index: int, message_class: str) -> Rop:
    data = _header(0x27, index, 0) + message_class.encode("ascii") + b"\0"
    return Rop("GetReceiveFolder", data, index, lambda reader: (reader.u64(), reader.ascii()))


def get_address_types(index: int) -> Rop:
    def read(reader: Reader) -> list[str]:
        count, size = reader.u16(), reader.u16()
        end = reader.position + size
        types = [reader.ascii() for _ in range(count)]
        if reader.position != end:
            raise reader.fail("AddressTypeSize does not agree with the names (MS-OXCROPS 2.2.7.3.2)")
        return types

    return Rop("GetAddressTypes", _header(0x49, index, 0), index, read)


def long_term_id_from_id(index: int, object_id: int) -> Rop:
    def read(reader: Reader) -> tuple[UUID, int]:
        found = reader.guid(), int.from_bytes(reader.take(6), "big")
        if reader.u16():
            raise reader.fail("Pad of a LongTermID is not zero (MS-OXCDATA 2.2.1.3.1)")
        return found

    return Rop("LongTermIdFromId", _header(0x43, index, 0) + struct.pack("<Q", object_id), index, read)


def id_from_long_term_id(index: int, guid: UUID, counter: int) -> Rop:
    data = _header(0x44, index, 0) + guid.bytes_le + counter.to_bytes(6, "big") + b"\0\0"
    return Rop("IdFromLongTermId", data, index, lambda reader: reader.u64())


def get_hierarchy_table(index: int, output: int, flags: int) -> Rop:
    data = _header(0x04, index, 0) + bytes((output, flags))
    return Rop("GetHierarchyTable", data, output, lambda reader: reader.u32())


def get_contents_table(index: int, output: int, flags: int) -> Rop:
    data = _header(0x05, index, 0) + bytes((output, flags))
    return Rop("GetContentsTable", data, output, lambda reader: reader.u32())


def set_columns(index: int, tags: Sequence[int]) -> Rop:
    data = _header(0x12, index, 0) + struct.pack(f"<BH{len(tags)}I", 0, len(tags), *tags)
    return Rop("SetColumns", data, index, lambda reader: reader.u8())


def query_rows(index: int, tags: Sequence[int], count: int) -> Rop:
    """``tags``: the columns set before."""
    data = _header(0x15, index, 0) + struct.pack("<BBH", 0, 1, count)

    def read(reader: Reader) -> list[Properties]:
        if (origin := reader.u8()) > 2:
            raise reader.fail(f"Origin {origin} (MS-OXCTABL 2.2.2.5.2)")
        return [reader.row(list(tags)) for _ in range(reader.u16())]

    return Rop("QueryRows", data, index, read)


def register_notification(index: int, output: int, types: int) -> Rop:
    """For the whole store."""
    data = _header(0x29, index, 0) + struct.pack("<BHB", output, types, 1)
    return Rop("RegisterNotification", data, output, _nothing)


def synchronization_configure(
    index: int,
    output: int,
    *,
    kind: int,
    send_options: int,
    flags: int,
    extra: int,
    tags: Sequence[int],
    logon_id: int = 0,
) -> Rop:
    data = _header(0x70, index, logon_id) + struct.pack(
        "<BBBHHIH", output, kind, send_options, flags, 0, extra, len(tags)
    )
    return Rop("SynchronizationConfigure", data + struct.pack(f"<{len(tags)}I", *tags), output, _nothing)


def upload_state(index: int, tag: int, value: bytes, *, chunk: int = 0x7800, logon_id: int = 0) -> list[Rop]:
    """Begin, Continue for each chunk, End (2.2.13.9 to 2.2.13.11); an empty value has no Continue."""
    begin = _header(0x75, index, logon_id) + struct.pack("<II", tag, len(value))
    found = [Rop("SynchronizationUploadStateStreamBegin", begin, index, _nothing)]
    for start in range(0, len(value), chunk):
        part = value[start : start + chunk]
        data = _header(0x76, index, logon_id) + struct.pack("<I", len(part)) + part
        found.append(Rop("SynchronizationUploadStateStreamContinue", data, index, _nothing))
    found.append(Rop("SynchronizationUploadStateStreamEnd", _header(0x77, index, logon_id), index, _nothing))
    return found


def get_transfer_state(index: int, output: int) -> Rop:
    return Rop("SynchronizationGetTransferState", _header(0x82, index, 0) + bytes((output,)), output, _nothing)


def get_buffer(index: int, *, maximum: int = 0x7BC0, logon_id: int = 0) -> Rop:
    """RopFastTransferSourceGetBuffer with BufferSize 0xBABE."""
    data = _header(0x4E, index, logon_id) + struct.pack("<HH", BUFFER_SIZE_FROM_SERVER, maximum)

    def read(reader: Reader) -> Transfer:
        status, progress, total = reader.u16(), reader.u16(), reader.u16()
        reader.u8()
        found = Transfer(status, progress, total, reader.take(reader.u16()))
        if status not in (1, 3):
            raise reader.fail(f"TransferStatus 0x{status:04X} with success (MS-OXCROPS 2.2.12.3.2)")
        if len(found.data) > maximum:
            raise reader.fail(f"{len(found.data)} bytes where {maximum} were allowed (MS-OXCFXICS 3.2.5.8.1.5)")
        return found

    def failed(reader: Reader, code: int) -> None:
        reader.take(7)
        reader.take(reader.u16())
        if code == 0x480:
            reader.u32()

    return Rop("FastTransferSourceGetBuffer", data, index, read, failed)
