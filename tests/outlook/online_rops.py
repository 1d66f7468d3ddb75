"""The ROPs that Outlook sends in online mode and not in cached mode (MS-OXCROPS 2.2.4 to 2.2.11), by struct."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from tests.outlook.reader import Properties, Reader, push_value
from tests.outlook.rops import Rop

UNICODE: Final = 0x001F
DISPLAY_NAME: Final = 0x3001001F
ADDRESS_TYPE: Final = 0x3002001F
SMTP_ADDRESS: Final = 0x39FE001F
RECIPIENT_COLUMNS: Final = (SMTP_ADDRESS,)
_SMTP: Final = 0x0003 | 0x0008 | 0x0010 | 0x0200  # type, EmailAddress and DisplayName present, Unicode

AND, CONTENT, PROPERTY, BIT_MASK, EXIST = 0x00, 0x03, 0x04, 0x06, 0x08
LESS, GREATER_OR_EQUAL, EQUAL = 0x00, 0x03, 0x04
SUBSTRING, PREFIX, IGNORE_CASE = 0x0001, 0x0002, 0x0001


def _header(rop_id: int, index: int) -> bytes:
    return bytes((rop_id, 0, index))


def _nothing(reader: Reader) -> None:
    return None


def _partial(reader: Reader) -> bool:
    return reader.boolean()


def _partial_failure(reader: Reader, code: int) -> None:
    """PartialCompletion stands in failures, too; one for a destination that is no object repeats its index before."""
    if code == 0x00000503:
        reader.u32()
    reader.boolean()


def _text(text: str) -> bytes:
    return text.encode("utf-16-le") + b"\0\0"


def tagged(tag: int, value: Any) -> bytes:
    """TaggedPropertyValue (MS-OXCDATA 2.11.4)."""
    kind = tag & 0xFFFF
    if kind in (0x00FD, 0x00FE):  # a restriction, actions: as they are
        return struct.pack("<I", tag) + bytes(value)
    if kind == 0x101F:
        return struct.pack("<II", tag, len(value)) + b"".join(map(_text, value))
    if kind in (0x0014, 0x0048):
        return struct.pack("<I", tag) + (struct.pack("<q", value) if kind == 0x0014 else value.bytes_le)
    return struct.pack("<I", tag) + push_value(kind, value)


def _values(values: Properties) -> bytes:
    return struct.pack("<H", len(values)) + b"".join(
        tagged(tag, value) for tag, value in values.items() if isinstance(tag, int)
    )


# Restrictions (MS-OXCDATA 2.12)


def all_of(*restrictions: bytes) -> bytes:
    return struct.pack("<BH", AND, len(restrictions)) + b"".join(restrictions)


def contains(tag: int, text: str, *, level: int = SUBSTRING) -> bytes:
    return struct.pack("<BHHI", CONTENT, level, IGNORE_CASE, tag) + tagged(tag, text)


def compares(tag: int, relation: int, value: Any) -> bytes:
    return struct.pack("<BBI", PROPERTY, relation, tag) + tagged(tag, value)


def has_bits(tag: int, mask: int) -> bytes:
    return struct.pack("<BBII", BIT_MASK, 1, tag, mask)


def exists(tag: int) -> bytes:
    return struct.pack("<BI", EXIST, tag)


# Folders


def create_folder(index: int, output: int, name: str, *, search: bool = False) -> Rop:
    data = _header(0x1C, index) + struct.pack("<BBBBB", output, 2 if search else 1, 1, 0, 0) + _text(name) + _text("")

    def read(reader: Reader) -> int:
        folder_id = reader.u64()
        if reader.boolean():
            raise reader.fail("a new folder is said to exist (MS-OXCFOLD 2.2.1.2.2)")
        return folder_id

    return Rop("CreateFolder", data, output, read)


def delete_folder(index: int, folder_id: int, flags: int) -> Rop:
    return Rop(
        "DeleteFolder", _header(0x1D, index) + struct.pack("<BQ", flags, folder_id), index, _partial, _partial_failure
    )


def move_folder(index: int, destination: int, folder_id: int, name: str) -> Rop:
    data = _header(0x35, index) + struct.pack("<BBBQ", destination, 0, 1, folder_id) + _text(name)
    return Rop("MoveFolder", data, index, _partial, _partial_failure)


def copy_folder(index: int, destination: int, folder_id: int, name: str) -> Rop:
    data = _header(0x36, index) + struct.pack("<BBBBQ", destination, 0, 1, 1, folder_id) + _text(name)
    return Rop("CopyFolder", data, index, _partial, _partial_failure)


def empty_folder(index: int) -> Rop:
    return Rop("EmptyFolder", _header(0x58, index) + b"\0\0", index, _partial, _partial_failure)


def move_copy_messages(index: int, destination: int, message_ids: Sequence[int], *, copy: bool) -> Rop:
    data = _header(0x33, index) + struct.pack("<BH", destination, len(message_ids))
    data += struct.pack(f"<{len(message_ids)}Q", *message_ids) + struct.pack("<??", False, copy)
    return Rop("MoveCopyMessages", data, index, _partial, _partial_failure)


def delete_messages(index: int, message_ids: Sequence[int], *, hard: bool = False) -> Rop:
    data = struct.pack("<BBH", 0, 0, len(message_ids)) + struct.pack(f"<{len(message_ids)}Q", *message_ids)
    if hard:
        return Rop("HardDeleteMessages", _header(0x91, index) + data, index, _partial, _partial_failure)
    return Rop("DeleteMessages", _header(0x1E, index) + data, index, _partial, _partial_failure)


def set_search_criteria(index: int, restriction: bytes, folder_ids: Sequence[int], flags: int) -> Rop:
    data = _header(0x30, index) + struct.pack("<H", len(restriction)) + restriction
    data += struct.pack(f"<H{len(folder_ids)}QI", len(folder_ids), *folder_ids, flags)
    return Rop("SetSearchCriteria", data, index, _nothing)


def get_search_criteria(index: int) -> Rop:
    def read(reader: Reader) -> tuple[bytes, list[int], int]:
        restriction = reader.take(reader.u16())
        if reader.u8():
            raise reader.fail("LogonId (MS-OXCROPS 2.2.4.5.2)")
        return restriction, [reader.u64() for _ in range(reader.u16())], reader.u32()

    return Rop("GetSearchCriteria", _header(0x31, index) + b"\1\1\1", index, read)


# Messages


def create_message(index: int, output: int, folder_id: int, *, associated: bool = False) -> Rop:
    data = _header(0x06, index) + struct.pack("<BHQ?", output, 0x0FFF, folder_id, associated)

    def read(reader: Reader) -> None:
        if reader.boolean():
            reader.u64()

    return Rop("CreateMessage", data, output, read)


def open_message(index: int, output: int, folder_id: int, message_id: int, *, mode: int = 0x03) -> Rop:
    data = _header(0x03, index) + struct.pack("<BHQBQ", output, 0x0FFF, folder_id, mode, message_id)

    def read(reader: Reader) -> list[int]:
        """The recipient columns."""
        reader.boolean()
        for _ in range(2):
            kind = reader.u8()
            if kind == 0x04:
                reader.unicode()
            elif kind in (0x02, 0x03):
                reader.bytes_to_nul()
            elif kind > 0x01:
                raise reader.fail(f"TypedString 0x{kind:02X} (MS-OXCDATA 2.11.7)")
        reader.u16()
        columns = [reader.u32() for _ in range(reader.u16())]
        for _ in range(reader.u8()):
            reader.take(5)  # RecipientType, CodePageId, Reserved
            reader.take(reader.u16())
        return columns

    return Rop("OpenMessage", data, output, read)


def save_changes_message(index: int, answer: int, *, flags: int = 0x0A) -> Rop:
    """``answer``: the handle index of the response, any other object's."""

    def read(reader: Reader) -> int:
        if reader.u8() != index:
            raise reader.fail("InputHandleIndex (MS-OXCROPS 2.2.6.3.2)")
        return reader.u64()

    return Rop("SaveChangesMessage", _header(0x0C, answer) + bytes((index, flags)), answer, read)


@dataclass(frozen=True, slots=True)
class Recipient:
    kind: int
    name: str
    address: str


def modify_recipients(index: int, recipients: Sequence[Recipient]) -> Rop:
    data = struct.pack(f"<H{len(RECIPIENT_COLUMNS)}I", len(RECIPIENT_COLUMNS), *RECIPIENT_COLUMNS)
    data += struct.pack("<H", len(recipients))
    for row_id, recipient in enumerate(recipients):
        row = struct.pack("<H", _SMTP) + _text(recipient.address) + _text(recipient.name)
        row += struct.pack("<H", len(RECIPIENT_COLUMNS)) + b"\0" + _text(recipient.address)
        data += struct.pack("<IBH", row_id, recipient.kind, len(row)) + row
    return Rop("ModifyRecipients", _header(0x0E, index) + data, index, _nothing)


def read_recipients(index: int, columns: Sequence[int]) -> Rop:
    """``columns``: the recipient columns that the message was opened with."""

    def read(reader: Reader) -> list[Recipient]:
        found = []
        for _ in range(reader.u8()):
            reader.u32()
            kind = reader.u8()
            reader.take(4)
            row = Reader(reader.take(reader.u16()), "RecipientRow", "MS-OXCDATA 2.8.3.2")
            flags = row.u16()
            if flags & 0x0007 != 0x0003 or flags & 0x0218 != 0x0218:
                raise row.fail(f"RecipientFlags 0x{flags:04X}")
            address, name = row.unicode(), row.unicode()
            if flags & 0x0020:
                row.unicode()
            row.row(list(columns[: row.u16()]))
            row.end()
            found.append(Recipient(kind, name, address))
        return found

    return Rop("ReadRecipients", _header(0x0F, index) + struct.pack("<IH", 0, 0), index, read)


def set_read_flags(index: int, message_ids: Sequence[int], flags: int) -> Rop:
    data = _header(0x66, index) + struct.pack("<BBH", 0, flags, len(message_ids))
    return Rop(
        "SetReadFlags", data + struct.pack(f"<{len(message_ids)}Q", *message_ids), index, _partial, _partial_failure
    )


def submit_message(index: int, *, flags: int = 0) -> Rop:
    return Rop("SubmitMessage", _header(0x32, index) + bytes((flags,)), index, _nothing)


def transport_send(index: int) -> Rop:
    def read(reader: Reader) -> Properties:
        """What the server has set on the message."""
        assert not reader.boolean()
        found: Properties = {}
        for _ in range(reader.u16()):
            tag = reader.u32()
            found[tag] = reader.value(tag & 0xFFFF)
        return found

    return Rop("TransportSend", _header(0x4A, index), index, read)


def get_transport_folder(index: int) -> Rop:
    return Rop("GetTransportFolder", _header(0x6D, index), index, lambda reader: reader.u64())


def get_local_replica_ids(index: int, count: int) -> Rop:
    def read(reader: Reader) -> tuple[UUID, int]:
        """REPLGUID and GLOBCNT of the first."""
        return reader.guid(), int.from_bytes(reader.take(6), "big")

    return Rop("GetLocalReplicaIds", _header(0x7F, index) + struct.pack("<I", count), index, read)


def create_attachment(index: int, output: int) -> Rop:
    return Rop("CreateAttachment", _header(0x23, index) + bytes((output,)), output, lambda reader: reader.u32())


def save_changes_attachment(index: int, answer: int) -> Rop:
    return Rop("SaveChangesAttachment", _header(0x25, answer) + bytes((index, 0x0A)), answer, _nothing)


def delete_attachment(index: int, number: int) -> Rop:
    return Rop("DeleteAttachment", _header(0x24, index) + struct.pack("<I", number), index, _nothing)


def get_attachment_table(index: int, output: int) -> Rop:
    return Rop("GetAttachmentTable", _header(0x21, index) + bytes((output, 0)), output, _nothing)


# Properties and streams


def set_values(index: int, values: Properties) -> Rop:
    """RopSetProperties with the types of `tagged`."""
    body = _values(values)

    def read(reader: Reader) -> list[tuple[int, int, int]]:
        return [(reader.u16(), reader.u32(), reader.u32()) for _ in range(reader.u16())]

    return Rop("SetProperties", _header(0x0A, index) + struct.pack("<H", len(body)) + body, index, read)


def delete_properties(index: int, tags: Sequence[int]) -> Rop:
    def read(reader: Reader) -> list[tuple[int, int, int]]:
        return [(reader.u16(), reader.u32(), reader.u32()) for _ in range(reader.u16())]

    data = _header(0x0B, index) + struct.pack(f"<H{len(tags)}I", len(tags), *tags)
    return Rop("DeleteProperties", data, index, read)


def copy_to(index: int, destination: int, excluded: Sequence[int]) -> Rop:
    data = _header(0x39, index) + struct.pack("<B?BBH", destination, False, 1, 0, len(excluded))

    def read(reader: Reader) -> list[tuple[int, int, int]]:
        return [(reader.u16(), reader.u32(), reader.u32()) for _ in range(reader.u16())]

    return Rop("CopyTo", data + struct.pack(f"<{len(excluded)}I", *excluded), index, read)


def open_stream(index: int, output: int, tag: int, *, mode: int) -> Rop:
    data = _header(0x2B, index) + struct.pack("<BIB", output, tag, mode)
    return Rop("OpenStream", data, output, lambda reader: reader.u32())


def write_stream(index: int, data: bytes) -> Rop:
    def failed(reader: Reader, code: int) -> None:
        if reader.u16():
            raise reader.fail("WrittenSize of a failed RopWriteStream (MS-OXCROPS 2.2.9.3.2)")

    body = _header(0x2D, index) + struct.pack("<H", len(data)) + data
    return Rop("WriteStream", body, index, lambda reader: reader.u16(), failed)


def commit_stream(index: int) -> Rop:
    return Rop("CommitStream", _header(0x5D, index), index, _nothing)


def seek_stream(index: int, origin: int, offset: int) -> Rop:
    data = _header(0x2E, index) + struct.pack("<Bq", origin, offset)
    return Rop("SeekStream", data, index, lambda reader: reader.u64())


# Tables


def sort_table(index: int, orders: Sequence[tuple[int, bool]], *, categories: int = 0, expanded: int = 0) -> Rop:
    """``orders``: (tag, descending)."""
    data = _header(0x13, index) + struct.pack("<BHHH", 0, len(orders), categories, expanded)
    for tag, descending in orders:
        data += struct.pack("<HHB", tag & 0xFFFF, tag >> 16, descending)
    return Rop("SortTable", data, index, lambda reader: reader.u8())


def restrict(index: int, restriction: bytes) -> Rop:
    data = _header(0x14, index) + struct.pack("<BH", 0, len(restriction)) + restriction
    return Rop("Restrict", data, index, lambda reader: reader.u8())


def query_position(index: int) -> Rop:
    return Rop("QueryPosition", _header(0x17, index), index, lambda reader: (reader.u32(), reader.u32()))


def seek_row(index: int, origin: int, count: int) -> Rop:
    def read(reader: Reader) -> tuple[bool, int]:
        return reader.boolean(), int.from_bytes(reader.take(4), "little", signed=True)

    return Rop("SeekRow", _header(0x18, index) + struct.pack("<BiB", origin, count, 1), index, read)


def find_row(index: int, tags: Sequence[int], restriction: bytes) -> Rop:
    """From the beginning on; the row, or None."""
    data = _header(0x4F, index) + struct.pack("<BH", 0, len(restriction)) + restriction + struct.pack("<BH", 0, 0)

    def read(reader: Reader) -> Properties | None:
        reader.boolean()
        return reader.row(list(tags)) if reader.boolean() else None

    return Rop("FindRow", data, index, read)


def expand_row(index: int, category: int) -> Rop:
    """Without rows in the answer, which Exchange does not give; how many have appeared."""

    def read(reader: Reader) -> int:
        count = reader.u32()
        if reader.u16():
            raise reader.fail("rows that were not asked for (MS-OXCTABL 2.2.2.17.2)")
        return count

    return Rop("ExpandRow", _header(0x59, index) + struct.pack("<HQ", 0, category), index, read)


def collapse_row(index: int, category: int) -> Rop:
    return Rop("CollapseRow", _header(0x5A, index) + struct.pack("<Q", category), index, lambda reader: reader.u32())


# Permissions and rules


def get_permissions_table(index: int, output: int) -> Rop:
    return Rop("GetPermissionsTable", _header(0x3E, index) + bytes((output, 0)), output, _nothing)


def modify_permissions(index: int, rows: Sequence[tuple[int, Properties]]) -> Rop:
    """``rows``: (PermissionDataFlags, values)."""
    data = _header(0x40, index) + struct.pack("<BH", 0, len(rows))
    return Rop("ModifyPermissions", data + _rows(rows), index, _nothing)


def get_rules_table(index: int, output: int) -> Rop:
    return Rop("GetRulesTable", _header(0x3F, index) + bytes((output, 0x40)), output, _nothing)


def modify_rules(index: int, rows: Sequence[tuple[int, Properties]], *, replace: bool = False) -> Rop:
    """``rows``: (RuleDataFlags, values)."""
    data = _header(0x41, index) + struct.pack("<?H", replace, len(rows))
    return Rop("ModifyRules", data + _rows(rows), index, _nothing)


def _rows(rows: Sequence[tuple[int, Properties]]) -> bytes:
    return b"".join(bytes((flags,)) + _values(values) for flags, values in rows)
