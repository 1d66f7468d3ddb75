"""Logon ROPs (MS-OXCROPS 2.2.3)."""

from typing import Any, Final, NamedTuple

from mapigw.wire.codes import ErrorCode
from mapigw.wire.cursor import Cursor
from mapigw.wire.primitives import (
    Asciiz,
    Boolean,
    Byte,
    Counted,
    CountOf,
    Guid,
    If,
    Int16ul,
    Int32ul,
    Int64ul,
    LongTermIdField,
    ObjectIdField,
    Pulled,
    Repeated,
    ShortSizedAsciiz,
    SizedAsciiz,
    SizedBytes,
    Struct,
    push_asciiz,
    this,
)
from mapigw.wire.rops.rop import rop
from mapigw.wire.rows import Rows

SPECIAL_FOLDERS: Final = 13
"""The folder ids of a Logon response, in the order of MS-OXCSTOR 2.2.1.1.3."""

RECEIVE_FOLDER_COLUMNS: Final = (0x67480014, 0x001A001E, 0x30080040)
"""PidTagFolderId, PidTagMessageClass, PidTagLastModificationTime (MS-OXCSTOR 2.2.1.4.2)."""


class ReplicaServers(NamedTuple):
    """ServerCount, CheapServerCount and Servers of a ghosted public folder."""

    cheap_server_count: int
    servers: list[bytes]


def _pull_replica_servers(cursor: Cursor, context: Any) -> ReplicaServers:
    count, cheap = cursor.uint16(), cursor.uint16()
    return ReplicaServers(cheap, [cursor.string8() for _ in range(cursor.count(count, 1))])


def _push_replica_servers(out: bytearray, value: Any, context: Any) -> None:
    cheap, servers = value
    out += len(servers).to_bytes(2, "little") + cheap.to_bytes(2, "little")
    for server in servers:
        push_asciiz(out, server)


ReplicaServersField = Pulled(_pull_replica_servers, _push_replica_servers)

LogonTime = Struct(
    "seconds" / Byte,
    "minutes" / Byte,
    "hour" / Byte,
    "day_of_week" / Byte,  # Sunday is 0
    "day" / Byte,
    "month" / Byte,
    "year" / Int16ul,
)
"""MS-OXCROPS 2.2.3.1.2.1."""

_is_private: Final = (this.logon_flags & 0x01) != 0

# The redirect names another server (2.2.3.1.4); the success responses for private mailboxes (2.2.3.1.2) and public
# folders (2.2.3.1.3) are told apart by the Private flag that they repeat.
rop(
    0xFE,
    "Logon",
    "2.2.3.1",
    {
        "logon_flags": Byte,
        "open_flags": Int32ul,
        "store_state": Int32ul,
        "essdn": SizedAsciiz,
    },
    {
        "logon_flags": Byte,
        "folder_ids": Repeated(lambda context: SPECIAL_FOLDERS, ObjectIdField),
        "response_flags": If(_is_private, Byte),
        "mailbox_guid": If(_is_private, Guid),
        "repl_id": Int16ul,
        "repl_guid": Guid,
        "logon_time": If(_is_private, LogonTime),
        "gwart_time": If(_is_private, Int64ul),
        "store_state": If(_is_private, Int32ul),
        "per_user_guid": If((this.logon_flags & 0x01) == 0, Guid),
    },
    failures={ErrorCode.WrongServer: {"logon_flags": Byte, "server_name": ShortSizedAsciiz}},
)

rop(
    0x27,
    "GetReceiveFolder",
    "2.2.3.2",
    {"message_class": Asciiz},
    {"folder_id": ObjectIdField, "explicit_message_class": Asciiz},
)

rop(0x26, "SetReceiveFolder", "2.2.3.3", {"folder_id": ObjectIdField, "message_class": Asciiz}, {})

rop(
    0x68,
    "GetReceiveFolderTable",
    "2.2.3.4",
    {},
    {"row_count": Int32ul, "rows": Rows(this.row_count, RECEIVE_FOLDER_COLUMNS)},
)

rop(0x7B, "GetStoreState", "2.2.3.5", {}, {"store_state": Int32ul})

rop(
    0x42,
    "GetOwningServers",
    "2.2.3.6",
    {"folder_id": ObjectIdField},
    {
        "owning_servers_count": CountOf(Int16ul, "owning_servers"),
        "cheap_servers_count": Int16ul,
        "owning_servers": Repeated(this.owning_servers_count, Asciiz),
    },
)

rop(
    0x45,
    "PublicFolderIsGhosted",
    "2.2.3.7",
    {"folder_id": ObjectIdField},
    {"is_ghosted": Boolean, "servers": If(this.is_ghosted, ReplicaServersField)},
)

rop(0x43, "LongTermIdFromId", "2.2.3.8", {"object_id": ObjectIdField}, {"long_term_id": LongTermIdField})

rop(0x44, "IdFromLongTermId", "2.2.3.9", {"long_term_id": LongTermIdField}, {"object_id": ObjectIdField})

rop(
    0x60,
    "GetPerUserLongTermIds",
    "2.2.3.10",
    {"database_guid": Guid},
    {"long_term_ids": Counted(Int16ul, LongTermIdField)},
)

rop(0x61, "GetPerUserGuid", "2.2.3.11", {"long_term_id": LongTermIdField}, {"database_guid": Guid})

rop(
    0x63,
    "ReadPerUserInformation",
    "2.2.3.12",
    {"folder_id": LongTermIdField, "reserved": Byte, "data_offset": Int32ul, "max_data_size": Int16ul},
    {"has_finished": Boolean, "data": SizedBytes(Int16ul)},
)

# ReplGuid is there on a private logon only, and only in the first part of the stream.
rop(
    0x64,
    "WritePerUserInformation",
    "2.2.3.13",
    {
        "folder_id": LongTermIdField,
        "has_finished": Boolean,
        "data_offset": Int32ul,
        "data": SizedBytes(Int16ul),
        "repl_guid": If((this.data_offset == 0) & (this._params.is_public == False), Guid),  # noqa: E712
    },
    {},
)
