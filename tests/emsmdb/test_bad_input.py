"""Bad input in whole buffers: the specified error, the other ROPs done as if nothing had been, nothing half-written."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from mapigw.emsmdb.dispatch import ExecuteRecord, execute
from mapigw.emsmdb.registry import HANDLERS
from mapigw.emsmdb.session import UNASSIGNED_HANDLE
from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.store.schema import metadata
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.message import Attachment, Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import PropertyName
from mapigw.wire.restrictions import ExistRestriction, NotRestriction, Restriction
from mapigw.wire.rop_buffer import RopRequest, build_request, join
from mapigw.wire.rpc_header import join_payloads
from tests.emsmdb.client import LOGON, MAX_ROP_OUT, Client
from tests.emsmdb.smallest import ON_OBJECTS, probe, smallest, smallest_fields

pytestmark = pytest.mark.usefixtures("no_defect")
WITH_DESTINATION = [name for name in ON_OBJECTS if "dest_handle_index" in smallest_fields(name)]
COLUMN = tags.PidTagDisplayName


# A mailbox to do harm to


@contextlib.asynccontextmanager
async def unchanged(mailbox: Mailbox) -> AsyncIterator[None]:
    """Every row of the store is the same after the block."""

    async def rows() -> dict[str, list[Any]]:
        async with mailbox.database.read() as connection:
            return {table.name: list(await connection.execute(select(table))) for table in metadata.sorted_tables}

    before = await rows()
    yield
    after = await rows()
    assert {name for name, found in after.items() if found != before[name]} == set()


@pytest.fixture
async def folder(client: Client) -> int:
    """The slot of the Inbox."""
    await client.value("OpenFolder", folder_id=ObjectId(1, 5), open_mode_flags=0)
    return client.last


@pytest.fixture
async def table(client: Client, folder: int) -> int:
    """The slot of a contents table with a column."""
    await client.value("GetContentsTable", folder, table_flags=0)
    await client.value("SetColumns", client.last, set_columns_flags=0, property_tags=[tags.PidTagSubject])
    return client.last


async def objects(client: Client, mailbox: Mailbox, folder: int) -> dict[str, int]:
    """One object of every kind: its slot."""
    inbox = ObjectId(1, 5)
    attached = Message({tags.PidTagSubject: "with a file", tags.PidTagBody: "text"})
    attached.attachments.append(Attachment({tags.PidTagAttachDataBinary: b"file", tags.PidTagAttachMethod: 1}))
    (message_id,) = await mailbox.append(inbox.counter, [NewMessage(attached)])
    slots = {"logon": LOGON, "folder": folder}

    async def opened(kind: str, name: str, on: str, **fields: Any) -> None:
        await client.value(name, slots[on], **{**smallest_fields(name), **fields})
        slots[kind] = client.last

    read = {"folder_id": inbox, "message_id": ObjectId(1, message_id), "code_page_id": 0x0FFF}
    await opened("message", "OpenMessage", "logon", **read, open_mode_flags=1)
    await opened("new message", "CreateMessage", "logon", folder_id=inbox, code_page_id=0x0FFF)
    await opened("attachment", "OpenAttachment", "message", open_attachment_flags=1)
    await opened("stream", "OpenStream", "message", property_tag=tags.PidTagBody, open_mode_flags=1)
    await opened("hierarchy table", "GetHierarchyTable", "folder")
    await opened("contents table", "GetContentsTable", "folder")
    await opened("attachment table", "GetAttachmentTable", "message")
    await opened("permissions table", "GetPermissionsTable", "folder")
    await opened("rules table", "GetRulesTable", "folder")
    for kind in [kind for kind in slots if kind.endswith("table")]:
        await client.send(client.request("SetColumns", slots[kind], set_columns_flags=0, property_tags=[COLUMN]))
    await opened("download", "SynchronizationConfigure", "folder", synchronization_type=1, send_options=1)
    if "SynchronizationOpenCollector" in HANDLERS:
        await opened("collector", "SynchronizationOpenCollector", "folder", is_contents_collector=True)
    if "FastTransferSourceCopyTo" in HANDLERS:
        await opened("source", "FastTransferSourceCopyTo", "message")
    return slots


def largest(value: Any, name: str) -> Iterator[Any]:
    """What is much for a field that has ``value`` in the smallest request; the first that fits its width counts."""
    if isinstance(value, bool):
        yield True
    elif isinstance(value, int):
        yield from (0xFFFFFFFFFFFFFFFF, 0xFFFFFFFF, 0xFFFF, 0xFF, 0x7FFFFFFFFFFFFFFF, 0x7FFFFFFF)
    elif isinstance(value, ObjectId):
        yield ObjectId(0xFFFF, (1 << 48) - 1)
    elif isinstance(value, bytes):
        yield b"x" * 300
    elif isinstance(value, str):
        yield "x" * 300
    yield value


def exaggerated(name: str, index: int, output: int) -> RopRequest:
    """The request of a ROP with every number at its maximum: every flag set, known or not."""
    fields = dict(smallest_fields(name))
    for field, value in fields.items():
        for candidate in largest(value, field):
            with contextlib.suppress(Exception):
                build_request(smallest(name, index, output=output, **{**fields, field: candidate}))
                fields[field] = candidate
                break
    return smallest(name, index, output=output, **fields)


@pytest.mark.parametrize("name", ON_OBJECTS)
async def test_every_rop_on_every_object(client: Client, own_mailbox: Mailbox, folder: int, name: str) -> None:
    """It is answered, whatever it is, and so is the next one."""
    slots = await objects(client, own_mailbox, folder)
    client.handles.append(UNASSIGNED_HANDLE)
    output = client.last
    for slot in slots.values():
        for sent in (smallest(name, slot, output=output), exaggerated(name, slot, output)):
            columns = {slots[kind]: [COLUMN] for kind in slots if kind.endswith("table")}
            responses = await client.send(sent, probe(), columns=columns)
            assert [response.rop.name for response in responses][-1] == "PublicFolderIsGhosted"
            assert responses[-1].return_value == 0
    assert await client.properties(LOGON, tags.PidTagMailboxOwnerName) == ["Tom"]


UNKNOWN_FLAGS: dict[str, tuple[str, dict[str, Any]]] = {
    "CreateFolder": ("folder", {"folder_type": 9, "use_unicode_strings": True, "display_name": "x", "comment": ""}),
    "GetHierarchyTable": ("folder", {"table_flags": 0x01}),
    "GetContentsTable": ("folder", {"table_flags": 0x01}),
    "GetAttachmentTable": ("message", {"table_flags": 0x81}),
    "GetPermissionsTable": ("folder", {"table_flags": 0xF0}),
    "GetRulesTable": ("folder", {"table_flags": 0x0F}),
    "SetColumns": ("contents table", {"set_columns_flags": 0xF0, "property_tags": [tags.PidTagSubject]}),
    "SortTable": ("contents table", {"sort_table_flags": 0xF0}),
    "Restrict": ("contents table", {"restrict_flags": 0xF0}),
    "QueryRows": ("contents table", {"query_rows_flags": 0xF0, "forward_read": True, "row_count": 1}),
    "SeekRow": ("contents table", {"origin": 9}),
    "FindRow": ("contents table", {"find_row_flags": 0xF0}),
    "ModifyRules": ("folder", {"modify_rules_flags": 0xF0}),
    "ModifyPermissions": ("folder", {"modify_flags": 0xF0}),
    "OpenStream": ("message", {"property_tag": tags.PidTagBody, "open_mode_flags": 0xF0}),
    "SeekStream": ("stream", {"origin": 9}),
    "CopyTo": ("message", {"copy_flags": 0xF0}),
    "CopyProperties": ("message", {"copy_flags": 0xF0}),
    "SynchronizationConfigure": ("folder", {"synchronization_type": 1, "synchronization_flags": 0xFFFF}),
}
"""The kind of object, and flags that no specification knows."""


@pytest.mark.parametrize("name", UNKNOWN_FLAGS)
async def test_unknown_flags(client: Client, own_mailbox: Mailbox, folder: int, name: str) -> None:
    slots = await objects(client, own_mailbox, folder)
    kind, fields = UNKNOWN_FLAGS[name]
    client.handles.append(UNASSIGNED_HANDLE)
    async with unchanged(own_mailbox):
        refused, done = await client.send(smallest(name, slots[kind], output=client.last, **fields), probe())
    assert refused.return_value not in {0, ErrorCode.GeneralFailure}
    assert done.return_value == 0


# Counts beyond the buffer, and what else cannot be parsed


def nested(depth: int) -> Restriction:
    restriction: Restriction = ExistRestriction(tags.PidTagSubject)
    for _ in range(depth):
        restriction = NotRestriction(restriction)
    return restriction


def restricted(depth: int) -> bytes:
    data = b"\x02" * depth + b"\x08" + struct.pack("<I", tags.PidTagSubject)
    return struct.pack("<H", len(data)) + data


UNPARSABLE = {
    "SetColumns of 65,535": "12 00 01 00 ffff",
    "GetPropertiesSpecific of 65,535": "07 00 01 0000 0000 ffff",
    "SetProperties of 65,535 in two bytes": "0a 00 01 0200 ffff",
    "SetProperties with a long value": "0a 00 01 0800 0100 1f000430 ffff",
    "SetProperties of an impossible type": "0a 00 01 0800 0100 99090430 0000",
    "DeleteProperties of 65,535": "0b 00 01 ffff",
    "DeleteMessages of 65,535": "1e 00 01 00 00 ffff",
    "ModifyRecipients of 65,535": "0e 00 01 0000 ffff",
    "ModifyRules of 65,535": "41 00 01 00 ffff",
    "ModifyPermissions of 65,535": "40 00 01 00 ffff",
    "SortTable of 65,535": "13 00 01 00 ffff 0000 0000",
    "WriteStream of 65,535": "2d 00 01 ffff 00",
    "WritePerUserInformation of 65,535": "64 00 00" + 24 * "00" + "01 00000000 ffff",
    "GetPropertyIdsFromNames of 65,535": "56 00 00 00 ffff",
    "CreateFolder without the end of its name": "1c 00 01 02 01 00 00 00 41414141",
    "Logon with an unterminated name": "fe 00 00 01 0c040021 00000000 0400 2f6f3d78",
    "Logon with two names": "fe 00 00 01 0c040021 00000000 0500 2f 00 2f 78 00",
    "an unknown ROP": "fd 00 00",
    "Restrict 1,000 deep": "14 00 01 00" + restricted(1000).hex(),
    "FindRow 1,000 deep": "4f 00 01 00" + restricted(1000).hex() + "00 0000",
    "SetSearchCriteria 1,000 deep": "30 00 01" + restricted(1000).hex() + "0000 00000000",
    "SynchronizationConfigure 1,000 deep": "70 00 01 02 01 01 0000" + restricted(1000).hex() + "00000000 0000",
}


@pytest.mark.spec("MS-OXCROPS_R4551")
@pytest.mark.parametrize("what", UNPARSABLE)
async def test_nothing_of_a_buffer_that_cannot_be_parsed_is_done(
    client: Client, own_mailbox: Mailbox, folder: int, what: str
) -> None:
    """The call fails with ecRpcFormat (MS-OXCROPS 3.2.5.1), and the session goes on."""
    change = client.request("SetProperties", folder, property_values=[(tags.PidTagComment, "changed")])
    rops = [build_request(change), bytes.fromhex(UNPARSABLE[what]), build_request(change)]
    data = join_payloads([join(rops, [client.handles[LOGON], client.handles[folder], UNASSIGNED_HANDLE])])
    async with unchanged(own_mailbox):
        with pytest.raises(WireError):
            await execute(client.session, data, 3, MAX_ROP_OUT, ExecuteRecord("tom", 0))
    assert await client.properties(folder, tags.PidTagDisplayName) == ["Inbox"]


async def test_a_restriction_as_deep_as_is_allowed(client: Client, own_mailbox: Mailbox, table: int) -> None:
    await own_mailbox.append(5, [NewMessage(Message({tags.PidTagSubject: "x"}))])
    await client.value("GetContentsTable", table - 1, table_flags=0)
    fresh = client.last
    await client.value("SetColumns", fresh, set_columns_flags=0, property_tags=[tags.PidTagSubject])
    for depth in (100, 101):
        await client.value("Restrict", fresh, restrict_flags=0, restriction_data=nested(depth))
        rows = (await client.value("QueryRows", fresh, [tags.PidTagSubject], **QUERY)).row_data
        assert len(rows) == (depth + 1) % 2


QUERY: dict[str, Any] = {"query_rows_flags": 0, "forward_read": True, "row_count": 10}


# More than there can be


def columns(count: int) -> list[int]:
    return [(0x0100 + number) << 16 | 0x1F for number in range(count)]


async def test_ten_thousand_columns(client: Client, own_mailbox: Mailbox, folder: int, table: int) -> None:
    """They are more than a buffer of 32 KB holds (MS-OXCRPC 2.2.2.1); half as many are more than a table has."""
    async with unchanged(own_mailbox):
        with pytest.raises(WireError, match="over 32 KB"):
            await client.send(client.request("SetColumns", table, set_columns_flags=0, property_tags=columns(10_000)))
        many = [
            client.request("SetColumns", table, set_columns_flags=0, property_tags=columns(5_000)),
            client.request(
                "GetPropertiesSpecific", folder, property_size_limit=0, want_unicode=1, property_tags=columns(7_500)
            ),
            client.request("DeleteProperties", LOGON, property_tags=columns(7_500)),
        ]
        for sent, code in zip(many, (ErrorCode.TooManyColumns, ErrorCode.NotEnoughMemory, 0), strict=True):
            responses = await client.send(sent)
            assert [response.return_value for response in responses] == [code], sent.rop.name
    assert await client.properties(folder, tags.PidTagDisplayName) == ["Inbox"]


@pytest.mark.parametrize("asked", [None, []])
async def test_rows_without_columns(client: Client, folder: int, asked: list[int] | None) -> None:
    await client.value("GetContentsTable", folder, table_flags=0)
    table = client.last
    if asked is not None:
        sent = client.request("SetColumns", table, set_columns_flags=0, property_tags=asked)
        assert [response.return_value for response in await client.send(sent)] == [ErrorCode.InvalidParameter]
    responses = await client.send(client.request("QueryRows", table, **QUERY), probe())
    assert [response.return_value for response in responses] == [ErrorCode.NullObject, 0]
    search = client.request("FindRow", table, **smallest_fields("FindRow"))
    responses = await client.send(search, probe())
    assert responses[0].return_value not in {0, ErrorCode.GeneralFailure}


async def test_names_of_64_kilobytes(client: Client, own_mailbox: Mailbox, folder: int) -> None:
    """They do not fit into a buffer; shorter ones are refused one by one."""
    name = "n" * 16_000
    create = {"folder_type": 1, "open_existing": False, "reserved": 0, "comment": ""}
    narrow = create | {"use_unicode_strings": False, "comment": b"", "display_name": b"n" * 32_000}
    move = {"want_asynchronous": False, "use_unicode": True, "folder_id": ObjectId(1, 7), "new_folder_name": name}
    wide_name = PropertyName(UUID(int=7), name="n" * 126)
    requests = [
        client.request("CreateFolder", folder, **create, use_unicode_strings=True, display_name=name),
        client.request("CreateFolder", folder, **narrow),
        client.request("MoveFolder", LOGON, **move, dest_handle_index=folder),
        client.request("CopyFolder", LOGON, **move, dest_handle_index=folder, want_recursive=True),
        client.request("SetReceiveFolder", folder_id=ObjectId(1, 5), message_class=b"n" * 32_000),
        client.request("GetReceiveFolder", message_class=b"n" * 32_000),
        client.request("Logon", logon_flags=1, open_flags=0x2100040C, store_state=0, essdn=b"/o=" + b"n" * 32_000),
        client.request("GetPropertyIdsFromNames", flags=0, property_names=[wide_name] * 110),
    ]
    huge = client.request("SetReceiveFolder", folder_id=ObjectId(1, 5), message_class=b"n" * 64_000)
    async with unchanged(own_mailbox):
        with pytest.raises(WireError, match="over 32 KB"):
            await client.send(huge)
        for sent in requests[:-1]:
            responses = await client.send(sent)
            assert responses[0].return_value not in {0, ErrorCode.GeneralFailure}, sent.rop.name
        (found,) = await client.send(requests[-1])
        assert set(found.value.property_ids) == {0}
        problems = await client.value("SetProperties", folder, property_values=[(tags.PidTagDisplayName, name)])
        assert [item.property_tag for item in problems.property_problems] == [tags.PidTagDisplayName]


@pytest.mark.parametrize("kind", [0x0999, 0x0FFF, 0x2003, 0x100A])
async def test_impossible_property_types(
    client: Client, own_mailbox: Mailbox, folder: int, table: int, kind: int
) -> None:
    tag = tags.PidTagDisplayName & ~0xFFFF | kind
    async with unchanged(own_mailbox):
        (cell,) = await client.properties(folder, tag)
        assert isinstance(cell, ErrorCode)
        stream = client.request("OpenStream", folder, property_tag=tag, open_mode_flags=1)
        columns = client.request("SetColumns", table, set_columns_flags=0, property_tags=[tag])
        refused, unsuitable, done = await client.send(stream, columns, probe())
        assert refused.return_value not in {0, ErrorCode.GeneralFailure}
        assert (unsuitable.return_value, done.return_value) == (ErrorCode.InvalidParameter, 0)


@pytest.mark.parametrize("offset", [-(1 << 63), (1 << 63) - 1, -1, 1 << 40])
async def test_stream_positions_far_out(client: Client, own_mailbox: Mailbox, folder: int, offset: int) -> None:
    slots = await objects(client, own_mailbox, folder)
    stream = slots["stream"]
    async with unchanged(own_mailbox):
        for origin in (0, 1, 2):
            seek = client.request("SeekStream", stream, origin=origin, offset=offset)
            size = client.request("SetStreamSize", stream, stream_size=offset & 0xFFFFFFFFFFFFFFFF)
            read = client.request("ReadStream", stream, byte_count=1, maximum_byte_count=None)
            sought, sized, _, done = await client.send(seek, size, read, probe())
            assert sized.return_value not in {0, ErrorCode.GeneralFailure}
            if origin == 0 or offset in {-(1 << 63), (1 << 63) - 1}:
                assert sought.return_value == ErrorCode.StreamSeekError
            assert done.return_value == 0


# Destinations


@pytest.mark.parametrize("name", WITH_DESTINATION)
@pytest.mark.parametrize("index", [0x7F, 0xFF])
async def test_a_destination_that_is_not_there(
    client: Client, own_mailbox: Mailbox, folder: int, name: str, index: int
) -> None:
    """ecDstNullObject, with the index in front of the usual fields (MS-OXCROPS 2.2.4.6.3)."""
    slots = await objects(client, own_mailbox, folder)
    source = slots["stream" if "Stream" in name else "message" if name.startswith("CopyTo") else "folder"]
    fields = {"folder_id": ObjectId(1, (await own_mailbox.create_folder(5, "child")).folder_id)}
    fields = {field: value for field, value in fields.items() if field in smallest_fields(name)}
    sent = smallest(name, source, output=0, dest_handle_index=index, **fields)
    async with unchanged(own_mailbox):
        refused, done = await client.send(sent, probe())
    assert refused.return_value == ErrorCode.NullDestinationObject
    assert refused.value.dest_handle_index == index
    assert done.return_value == 0


async def test_a_folder_does_not_move_into_itself(client: Client, own_mailbox: Mailbox, folder: int) -> None:
    child = await own_mailbox.create_folder(5, "child")
    grandchild = await own_mailbox.create_folder(child.folder_id, "grandchild")
    await client.value("OpenFolder", folder_id=ObjectId(1, grandchild.folder_id), open_mode_flags=0)
    fields = {"want_asynchronous": False, "use_unicode": True, "new_folder_name": "moved"}
    move = client.request(
        "MoveFolder", folder, dest_handle_index=client.last, folder_id=ObjectId(1, child.folder_id), **fields
    )
    async with unchanged(own_mailbox):
        refused, done = await client.send(move, probe())
    assert (refused.return_value, done.return_value) == (ErrorCode.FolderCycle, 0)


async def test_saving_a_message_whose_folder_is_gone(client: Client, own_mailbox: Mailbox, folder: int) -> None:
    child = await own_mailbox.create_folder(5, "child")
    child_id = ObjectId(1, child.folder_id)
    await client.value("CreateMessage", LOGON, code_page_id=0x0FFF, folder_id=child_id, associated_flag=False)
    message = client.last
    await client.value("SetProperties", message, property_values=[(tags.PidTagSubject, "late")])
    await client.value("DeleteFolder", folder, delete_folder_flags=0x11, folder_id=child_id)
    save = client.request("SaveChangesMessage", message, save_flags=0, input_handle_index=message)
    async with unchanged(own_mailbox):
        refused, done = await client.send(save, probe())
    assert refused.return_value not in {0, ErrorCode.GeneralFailure}
    assert done.return_value == 0


# The other ROPs of the buffer


async def test_the_rops_around_a_failing_one_are_done(client: Client, own_mailbox: Mailbox, folder: int) -> None:
    def comment(text: str) -> RopRequest:
        return client.request("SetProperties", folder, property_values=[(tags.PidTagComment, text)])

    failing = client.request("SetReceiveFolder", folder_id=ObjectId(1, 5), message_class=b"IPM")
    read = client.request(
        "GetPropertiesSpecific",
        folder,
        property_size_limit=0,
        want_unicode=1,
        property_tags=[tags.PidTagComment],
    )
    responses = await client.send(comment("first"), read, failing, comment("second"), read)
    assert [response.return_value for response in responses] == [0, 0, ErrorCode.AccessDenied, 0, 0]
    assert [responses[place].value.row_data for place in (1, 4)] == [["first"], ["second"]]


async def test_a_rop_on_what_a_failing_one_did_not_open(client: Client) -> None:
    """Outlook puts a chain into one buffer: open, read, release."""
    opening = client.request("OpenFolder", LOGON, folder_id=ObjectId(1, 0x7777), open_mode_flags=0)
    output = client.last
    reading = client.request("GetPropertiesList", output)
    responses = await client.send(opening, reading, client.request("Release", output), probe())
    assert [response.return_value for response in responses] == [ErrorCode.NotFound, ErrorCode.NullObject, 0]
