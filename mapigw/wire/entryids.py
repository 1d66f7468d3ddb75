"""EntryIDs and the identifiers derived from them (MS-OXCDATA 2.2, 2.3; MS-OXOSFLD 2.2.5).

Structures are `Definition`s; beside each stands a function with the project's own arguments: GUIDs as `uuid.UUID`,
ids as 48-bit counters, DNs and addresses as str.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum, IntFlag
from typing import Any, Final, NamedTuple
from uuid import UUID

from construct import Const, GreedyRange

from mapigw.wire.cursor import Cursor
from mapigw.wire.definition import Definition
from mapigw.wire.errors import WireError
from mapigw.wire.primitives import (
    Asciiz,
    Guid,
    Int16ul,
    Int32ul,
    LongTermId,
    LongTermIdField,
    MultibyteOrUnicode,
    ObjectId,
    ObjectIdField,
    Pulled,
    Rest,
    SizedBytes,
    Struct,
    this,
)

_LONG_TERM: Final = "flags" / Const(bytes(4))  # the bits of a short-term EntryID; stored EntryIDs have none


def source_key(replica_guid: UUID, counter: int) -> bytes:
    """PidTagSourceKey of an object that the server named: a GID, 22 bytes (MS-OXCFXICS 2.2.1.2.5)."""
    return replica_guid.bytes_le + counter.to_bytes(6, "big")


change_key: Final = source_key
"""PidTagChangeKey of a change that the server made: likewise a GID (MS-OXCFXICS 2.2.1.2.7)."""


class MessagingObjectType(IntEnum):
    """MS-OXCDATA 2.2.4."""

    PrivateFolder = 0x0001
    PublicFolder = 0x0003
    MappedPublicFolder = 0x0005
    PrivateMessage = 0x0007
    PublicMessage = 0x0009
    MappedPublicMessage = 0x000B
    PublicNewsgroupFolder = 0x000C


PUBLIC_STORE_PROVIDER_UID: Final = UUID(bytes_le=bytes.fromhex("1A447390AA6611CD9BC800AA002FC45A"))
"""ProviderUID of objects in the public store; those of a mailbox have its MailboxGuid (MS-OXCDATA 2.2.4.1)."""

FOLDER_ENTRY_ID: Final = Definition(
    Struct(_LONG_TERM, "provider_uid" / Guid, "folder_type" / Int16ul, "folder" / LongTermIdField)
)
"""Folder EntryID, 46 bytes (MS-OXCDATA 2.2.4.1). DatabaseGuid, GlobalCounter and Pad are one `LongTermId`."""

MESSAGE_ENTRY_ID: Final = Definition(
    Struct(
        _LONG_TERM,
        "provider_uid" / Guid,
        "message_type" / Int16ul,
        "folder" / LongTermIdField,
        "message" / LongTermIdField,
    )
)
"""Message EntryID, 70 bytes (MS-OXCDATA 2.2.4.2)."""


def folder_entry_id(mailbox_guid: UUID, replica_guid: UUID, folder_id: int) -> bytes:
    """The EntryID of a folder of a mailbox."""
    return FOLDER_ENTRY_ID.build(
        {
            "provider_uid": mailbox_guid,
            "folder_type": MessagingObjectType.PrivateFolder,
            "folder": LongTermId(replica_guid, folder_id),
        }
    )


def message_entry_id(mailbox_guid: UUID, replica_guid: UUID, folder_id: int, message_id: int) -> bytes:
    """The EntryID of a message of a mailbox."""
    return MESSAGE_ENTRY_ID.build(
        {
            "provider_uid": mailbox_guid,
            "message_type": MessagingObjectType.PrivateMessage,
            "folder": LongTermId(replica_guid, folder_id),
            "message": LongTermId(replica_guid, message_id),
        }
    )


def parse_folder_id(data: bytes) -> LongTermId:
    """The folder that ``data`` names: a Folder EntryID or, as Outlook also writes, a LongTermID. Raises `WireError`."""
    if len(data) == 24:
        return LongTermId.from_bytes(data)
    folder: LongTermId = FOLDER_ENTRY_ID.parse(data).folder
    return folder


STORE_PROVIDER_UID: Final = UUID(bytes_le=bytes.fromhex("38A1BB1005E5101AA1BB08002B2A56C2"))
MAILBOX_STORE_UID: Final = UUID(bytes_le=bytes.fromhex("1B55FA20AA6611CD9BC800AA002FC45A"))
PUBLIC_STORE_UID: Final = UUID(bytes_le=bytes.fromhex("1C830210AA6611CD9BC800AA002FC45A"))
_STORE_V2_MAGIC: Final = bytes.fromhex("D83521F3")


def _pull_mailbox_dn(cursor: Cursor, context: Any) -> bytes | None:
    start = cursor.position
    if not cursor.remaining or cursor.data.startswith(_STORE_V2_MAGIC, start):
        return None
    return cursor.string8()


def _push_mailbox_dn(out: bytearray, value: bytes | None, context: Any) -> None:
    if value is not None:
        out += value + b"\0"


STORE_OBJECT_ENTRY_ID: Final = Definition(
    Struct(
        _LONG_TERM,
        "provider_uid" / Const(STORE_PROVIDER_UID.bytes_le),
        "version" / Const(b"\0"),
        "flag" / Const(b"\0"),
        "dll_file_name" / Const(b"EMSMDB.DLL\0\0\0\0"),
        "wrapped_flags" / Int32ul,
        "wrapped_provider_uid" / Guid,
        "wrapped_type" / Int32ul,
        "server_shortname" / Asciiz,
        "mailbox_dn" / Pulled(_pull_mailbox_dn, _push_mailbox_dn),
        "extension" / Rest,
    )
)
"""Store Object EntryID (MS-OXCDATA 2.2.4.3). MailboxDN is None where there is none; ``extension`` holds what newer
clients append (a second version with the server's DN and FQDN)."""


def store_entry_id(server_shortname: str, mailbox_dn: str) -> bytes:
    """The EntryID of a mailbox store; ``mailbox_dn`` is the owner's legacy DN."""
    return STORE_OBJECT_ENTRY_ID.build(
        {
            "wrapped_flags": 0,
            "wrapped_provider_uid": MAILBOX_STORE_UID,
            "wrapped_type": 0x0000000C,
            "server_shortname": server_shortname.encode("ascii"),
            "mailbox_dn": mailbox_dn.encode("ascii"),
            "extension": b"",
        }
    )


ADDRESS_BOOK_PROVIDER_UID: Final = UUID(bytes_le=bytes.fromhex("DCA740C8C042101AB4B908002B2FE182"))

ADDRESS_BOOK_ENTRY_ID: Final = Definition(
    Struct(
        _LONG_TERM,
        "provider_uid" / Const(ADDRESS_BOOK_PROVIDER_UID.bytes_le),
        "version" / Const(b"\1\0\0\0"),
        "type" / Int32ul,
        "x500_dn" / Asciiz,
    )
)
"""Address Book EntryID (MS-OXCDATA 2.2.5.2), which is the PermanentEntryID of MS-OXNSPI 2.2.9.3."""


class AddressBookObjectType(IntEnum):
    """Type of an Address Book EntryID (MS-OXCDATA 2.2.5.2)."""

    LocalMailUser = 0x0000
    DistributionList = 0x0001
    BulletinBoard = 0x0002
    AutomatedMailbox = 0x0003
    OrganizationalMailbox = 0x0004
    PrivateDistributionList = 0x0005
    RemoteMailUser = 0x0006
    Container = 0x0100
    Template = 0x0101
    OneOffUser = 0x0102
    Search = 0x0200


def address_book_entry_id(x500_dn: str, object_type: int = AddressBookObjectType.LocalMailUser) -> bytes:
    return ADDRESS_BOOK_ENTRY_ID.build({"type": object_type, "x500_dn": x500_dn.encode("ascii")})


def address_book_dn(entry_id: bytes) -> str:
    """Whom an Address Book EntryID names: the counterpart of `address_book_entry_id`. Raises `WireError`."""
    dn: bytes = ADDRESS_BOOK_ENTRY_ID.parse(entry_id).x500_dn
    return dn.decode("ascii", "replace")


ONE_OFF_PROVIDER_UID: Final = UUID(bytes_le=bytes.fromhex("812B1FA4BEA310199D6E00DD010F5402"))


class OneOffFlags(IntFlag):
    """The bits after Version in a One-Off EntryID, read as a little-endian integer (MS-OXCDATA 2.2.5.1)."""

    M = 0x0001
    """The recipient gets MIME content, not TNEF."""
    TEXT_AND_HTML = 0x0006
    """Format: plain text and HTML body."""
    L = 0x1000
    """The server does not look the recipient up."""
    U = 0x8000
    """The strings are Unicode."""


_one_off_string: Final = MultibyteOrUnicode(this.one_off_flags & OneOffFlags.U.value)

ONE_OFF_ENTRY_ID: Final = Definition(
    Struct(
        _LONG_TERM,
        "provider_uid" / Const(ONE_OFF_PROVIDER_UID.bytes_le),
        "version" / Const(b"\0\0"),
        "one_off_flags" / Int16ul,
        "display_name" / _one_off_string,
        "address_type" / _one_off_string,
        "email_address" / _one_off_string,
    )
)
"""One-Off EntryID (MS-OXCDATA 2.2.5.1). The strings are str with the U bit, else bytes in the sender's code page."""


def one_off_entry_id(display_name: str, email_address: str, address_type: str = "SMTP") -> bytes:
    """The EntryID of a recipient that is in no directory: Unicode, MIME content."""
    return ONE_OFF_ENTRY_ID.build(
        {
            "one_off_flags": OneOffFlags.M | OneOffFlags.U,
            "display_name": display_name,
            "address_type": address_type,
            "email_address": email_address,
        }
    )


def _pull_flat_entries(cursor: Cursor, context: Any) -> list[bytes]:
    count = cursor.count(cursor.uint32(), 4)
    end = cursor.uint32() + cursor.position
    if end > cursor.end:
        raise cursor.fail("Size exceeds the buffer")
    inner = Cursor(cursor.data, cursor.position, end)
    entries = []
    for _ in range(count):
        size = inner.uint32()
        entries.append(inner.take(size))
        inner.take(min(-size % 4, inner.remaining))  # some writers leave the last padding out
    cursor.position = end
    return entries


def _push_flat_entries(out: bytearray, value: Iterable[bytes], context: Any) -> None:
    entries = [len(item).to_bytes(4, "little") + item + bytes(-len(item) % 4) for item in value]
    out += len(entries).to_bytes(4, "little")
    out += sum(map(len, entries)).to_bytes(4, "little")
    for entry in entries:
        out += entry


FLAT_ENTRY_LIST: Final = Definition(Pulled(_pull_flat_entries, _push_flat_entries))
"""FlatEntryList: list of EntryIDs as bytes, each padded to four (MS-OXCDATA 2.3.3)."""


SERVER_ID: Final = Definition(
    Struct("ours" / Const(b"\1"), "folder_id" / ObjectIdField, "message_id" / ObjectIdField, "instance" / Int32ul)
)
"""The body of a PtypServerId value that this kind of server made, 21 bytes (MS-OXCDATA 2.11.1.4)."""


def server_id(folder_id: int, message_id: int = 0, *, replica_id: int = 1) -> bytes:
    """PtypServerId of a folder (``message_id`` 0) or a message."""
    return SERVER_ID.build(
        {
            "folder_id": ObjectId(replica_id, folder_id),
            "message_id": ObjectId(replica_id if message_id else 0, message_id),
            "instance": 0,
        }
    )


SERIALIZED_REPLID_GUID_MAP: Final = Definition(GreedyRange(Struct("repl_id" / Int16ul, "repl_guid" / Guid)))
"""PidTagSerializedReplidGuidMap: the replicas that a store knows (MS-OXCSTOR 2.2.2.1.1.13)."""


def serialized_replid_guid_map(replicas: Mapping[int, UUID]) -> bytes:
    return SERIALIZED_REPLID_GUID_MAP.build(
        [{"repl_id": repl_id, "repl_guid": guid} for repl_id, guid in replicas.items()]
    )


class PersistId(IntEnum):
    """PersistData types of PidTagAdditionalRenEntryIdsEx (MS-OXOSFLD 2.2.5.1)."""

    PERSIST_SENTINEL = 0x0000
    RSF_PID_RSS_SUBSCRIPTION = 0x8001
    RSF_PID_SEND_AND_TRACK = 0x8002
    RSF_PID_TODO_SEARCH = 0x8004
    RSF_PID_CONV_ACTIONS = 0x8006
    RSF_PID_COMBINED_ACTIONS = 0x8007
    RSF_PID_SUGGESTED_CONTACTS = 0x8008
    RSF_PID_CONTACT_SEARCH = 0x8009
    RSF_PID_BUDDYLIST_PDLS = 0x800A
    RSF_PID_BUDDYLIST_CONTACTS = 0x800B


class ElementId(IntEnum):
    """PersistElement types (MS-OXOSFLD 2.2.5.2)."""

    ELEMENT_SENTINEL = 0x0000
    RSF_ELID_ENTRYID = 0x0001
    RSF_ELID_HEADER = 0x0002


class PersistData(NamedTuple):
    """One PersistData block: its PersistID and the (ElementID, ElementData) pairs in it."""

    persist_id: int
    elements: tuple[tuple[int, bytes], ...]


_PERSIST_BLOCK: Final = Struct("id" / Int16ul, "data" / SizedBytes(Int16ul))
PERSIST_BLOCKS: Final = Definition(GreedyRange(_PERSIST_BLOCK))
"""PersistData blocks, and the PersistElement blocks inside one: both are an id, a size and that many bytes."""


def parse_additional_ren_entry_ids_ex(data: bytes) -> list[PersistData]:
    """The blocks of PidTagAdditionalRenEntryIdsEx up to its sentinel (MS-OXOSFLD 2.2.5). Raises `WireError`."""
    result = []
    for block in _until_sentinel(data):
        elements = tuple((element.id, element.data) for element in _until_sentinel(block.data))
        result.append(PersistData(block.id, elements))
    return result


def _until_sentinel(data: bytes) -> list[Any]:
    blocks = PERSIST_BLOCKS.parse(data, exact=False)
    size = 0
    for index, block in enumerate(blocks):
        if block.id == PersistId.PERSIST_SENTINEL:
            return list(blocks[:index])
        size += 4 + len(block.data)
    if size != len(data):
        raise WireError("a block goes beyond the end", offset=size, field="PersistData")
    return list(blocks)


def additional_ren_entry_ids_ex(folders: Mapping[int, bytes]) -> bytes:
    """PidTagAdditionalRenEntryIdsEx of folder EntryIDs by PersistID, closed with the sentinel (MS-OXOSFLD 2.2.5)."""
    blocks = [
        {
            "id": persist_id,
            "data": PERSIST_BLOCKS.build([{"id": ElementId.RSF_ELID_ENTRYID, "data": entry_id}]),
        }
        for persist_id, entry_id in folders.items()
    ]
    return PERSIST_BLOCKS.build([*blocks, {"id": PersistId.PERSIST_SENTINEL, "data": b""}])
