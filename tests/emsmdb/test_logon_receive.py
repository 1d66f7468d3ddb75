"""Receive folders: which folder messages of a class are delivered to."""

from __future__ import annotations

from typing import Any

import pytest

from mapigw.mailbox.clock import now
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.store.folders import Folder, insert_folders, update_folder
from mapigw.store.mailboxes import allocate
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import Client

NOBODY = ObjectId(0, 0)
MALFORMED = (b".IPM", b"IPM.", b"IPM..Note", b"IPM\x1f", b"IPM\x7f", "IPM.Grün".encode("latin-1"), b"x" * 255)


async def special(mailbox: Mailbox, key: str) -> ObjectId:
    return ObjectId(1, (await mailbox.special_folder(key)).folder_id)


async def table(client: Client) -> dict[bytes, tuple[ObjectId, int]]:
    """Message class to folder and modification time."""
    value = await client.value("GetReceiveFolderTable")
    assert value.row_count == len(value.rows)
    return {name: (ObjectId.from_integer(folder_id), modified) for folder_id, name, modified in value.rows}


async def receiver(client: Client, message_class: bytes) -> tuple[ObjectId, bytes]:
    value = await client.value("GetReceiveFolder", message_class=message_class)
    return value.folder_id, value.explicit_message_class


# RopGetReceiveFolder


@pytest.mark.spec(
    "MS-OXCSTOR_R195",
    "MS-OXCSTOR_R196",
    "MS-OXCSTOR_R201",
    "MS-OXCSTOR_R208",
    "MS-OXCSTOR_R210",
    "MS-OXCSTOR_R232",
    "MS-OXCSTOR_R233",
    "MS-OXCSTOR_R847",
    "MS-OXCSTOR_R851",
    "MS-OXCSTOR_R1224",
    "MS-OXCSTOR_R59786",
    "MS-OXCSTOR_R59801",
)
@pytest.mark.parametrize(
    ("asked", "folder", "explicit"),
    [
        (b"", "inbox", b""),
        (b"IPM.Note", "inbox", b"IPM"),
        (b"ipm.note.smime", "inbox", b"IPM"),
        (b"IPM", "inbox", b"IPM"),
        (b"IPMX.Note", "inbox", b""),
        (b"REPORT.IPM.Note.NDR", "inbox", b"Report.IPM"),
        (b"IPC.Something", "root", b"IPC"),
        (b"IPM.Schedule.Meeting.Request", "calendar", b"IPM.Schedule.Meeting"),
        (b"IPM.Schedule", "drafts", b"IPM.Schedule"),
        (b"IPM.ScheduleData", "inbox", b"IPM"),
        (b"x." * 126 + b"yz", "notes", b"x." * 126 + b"yz"),
    ],
)
async def test_the_longest_prefix_wins(
    client: Client, own_mailbox: Mailbox, asked: bytes, folder: str, explicit: bytes
) -> None:
    for name, key in (
        (b"IPM.Schedule", "drafts"),
        (b"IPM.Schedule.Meeting", "calendar"),
        (b"x." * 126 + b"yz", "notes"),
    ):
        await client.value("SetReceiveFolder", folder_id=await special(own_mailbox, key), message_class=name)
    assert await receiver(client, asked) == (await special(own_mailbox, folder), explicit)


@pytest.mark.spec("MS-OXCSTOR_R200", "MS-OXCSTOR_R211")
async def test_the_message_classes_end_with_a_nul(client: Client, own_mailbox: Mailbox) -> None:
    """RopId, handle index, ReturnValue, FolderId, the class."""
    inbox = await special(own_mailbox, "inbox")
    await receiver(client, b"IPM.Note")
    expected = bytes.fromhex("2700 00000000") + inbox.to_bytes() + b"IPM\0"
    assert client.payloads[0][2 : 2 + len(expected)] == expected


@pytest.mark.spec(
    "MS-OXCSTOR_R202",
    "MS-OXCSTOR_R203",
    "MS-OXCSTOR_R204",
    "MS-OXCSTOR_R205",
    "MS-OXCSTOR_R206",
    "MS-OXCSTOR_R207",
    "MS-OXCSTOR_R234",
    "MS-OXCSTOR_R235",
    "MS-OXCSTOR_R59784",
    "MS-OXCSTOR_R59785",
    "MS-OXCSTOR_R845",
    "MS-OXCSTOR_R858",
    "MS-OXCSTOR_R273",
    "MS-OXCSTOR_R274",
)
async def test_malformed_message_classes(client: Client, own_mailbox: Mailbox) -> None:
    inbox = await special(own_mailbox, "inbox")
    before = await table(client)
    for bad in MALFORMED:
        assert await client.error("GetReceiveFolder", message_class=bad) == 0x80070057, bad
        assert await client.error("SetReceiveFolder", folder_id=inbox, message_class=bad) == 0x80070057, bad
        assert await client.error("SetReceiveFolder", folder_id=NOBODY, message_class=bad) == 0x80070057, bad
    assert await table(client) == before
    await client.value("GetReceiveFolder", message_class=b"x" * 254)
    await client.value("SetReceiveFolder", folder_id=inbox, message_class=b"x" * 254)
    assert b"x" * 254 in await table(client)


@pytest.mark.spec("MS-OXCSTOR_R852", "MS-OXCSTOR_R1223", "MS-OXCSTOR_R59787", "MS-OXCSTOR_R322", "MS-OXCSTOR_R323")
async def test_a_mailbox_without_receive_folders(client: Client, own_mailbox: Mailbox, mailboxes: Mailboxes) -> None:
    async with mailboxes.database.write() as connection:
        await connection.exec_driver_sql("DELETE FROM receive_folder")
    assert await receiver(client, b"IPM.Note") == (await special(own_mailbox, "inbox"), b"")
    assert await client.error("GetReceiveFolderTable") == 0x463  # NoReceiveFolder


# RopGetReceiveFolderTable


@pytest.mark.spec(
    "MS-OXCSTOR_R294",
    "MS-OXCSTOR_R301",
    "MS-OXCSTOR_R320",
    "MS-OXCSTOR_R321",
    "MS-OXCSTOR_R782",
    "MS-OXCSTOR_R868",
    "MS-OXCSTOR_R870",
    "MS-OXCSTOR_R872",
    "MS-OXCSTOR_R876",
    "MS-OXCSTOR_R877",
    "MS-OXCSTOR_R879",
)
async def test_the_table_of_a_new_mailbox(client: Client, own_mailbox: Mailbox) -> None:
    created = (await own_mailbox.special_folder("inbox")).created
    inbox, root = await special(own_mailbox, "inbox"), await special(own_mailbox, "root")
    assert await table(client) == {
        b"": (inbox, created),
        b"IPM": (inbox, created),
        b"Report.IPM": (inbox, created),
        b"IPC": (root, created),
    }
    assert client.payloads[0][2:8] == bytes.fromhex("6800 00000000")
    assert client.payloads[0][12] == 0x00  # a StandardPropertyRow


# RopSetReceiveFolder


@pytest.mark.spec(
    "MS-OXCSTOR_R247",
    "MS-OXCSTOR_R306",
    "MS-OXCSTOR_R314",
    "MS-OXCSTOR_R862",
    "MS-OXCSTOR_R864",
    "MS-OXCSTOR_R866",
    "MS-OXCSTOR_R867",
    "MS-OXCSTOR_R873",
    "MS-OXCSTOR_R880",
    "MS-OXCSTOR_R1030",
    "MS-OXCSTOR_R1225",
    "MS-OXCSTOR_R1235",
    "MS-OXCSTOR_R59754",
    "MS-OXCSTOR_R59756",
    "MS-OXCSTOR_R59757",
)
async def test_a_class_is_added_changed_and_removed(client: Client, own_mailbox: Mailbox) -> None:
    """Classes are compared in any case and come back as they were first written."""
    before = await table(client)
    drafts, notes = await special(own_mailbox, "drafts"), await special(own_mailbox, "notes")
    started = now()
    await client.value("SetReceiveFolder", folder_id=drafts, message_class=b"IPM.My Form")
    added = await table(client)
    folder, created = added.pop(b"IPM.My Form")
    assert (folder, added) == (drafts, before)
    assert started <= created <= now()
    assert await receiver(client, b"ipm.my form.special") == (drafts, b"IPM.My Form")
    await client.value("SetReceiveFolder", folder_id=notes, message_class=b"ipm.MY FORM")
    changed = await table(client)
    folder, modified = changed.pop(b"IPM.My Form")
    assert (folder, changed) == (notes, before)
    assert modified > created
    for _ in range(2):  # what is not there is removed as well
        await client.value("SetReceiveFolder", folder_id=NOBODY, message_class=b"IPM.my form")
        assert await table(client) == before
    await client.value("SetReceiveFolder", folder_id=drafts, message_class=b"")
    assert await receiver(client, b"Anything") == (drafts, b"")


@pytest.mark.spec(
    "MS-OXCSTOR_R271",
    "MS-OXCSTOR_R272",
    "MS-OXCSTOR_R275",
    "MS-OXCSTOR_R277",
    "MS-OXCSTOR_R859",
    "MS-OXCSTOR_R860",
    "MS-OXCSTOR_R871",
)
async def test_receive_folders_that_cannot_be_set(client: Client, own_mailbox: Mailbox) -> None:
    before = await table(client)
    drafts = await special(own_mailbox, "drafts")

    async def refused(folder_id: ObjectId, message_class: bytes) -> int:
        return await client.error("SetReceiveFolder", folder_id=folder_id, message_class=message_class)

    for fixed in (b"IPM", b"ipm", b"Report.IPM", b"REPORT.ipm"):
        assert await refused(drafts, fixed) == 0x80070005  # ecAccessDenied
        assert await refused(NOBODY, fixed) == 0x80070005
    assert await refused(NOBODY, b"") == 0x80004005  # ecError
    for missing in (ObjectId(1, 0x7777), ObjectId(2, drafts.counter), ObjectId(0, 5), ObjectId(1, 0)):
        assert await refused(missing, b"IPM.Form") == ErrorCode.NotFound
    async with own_mailbox.database.write() as connection:
        first = await allocate(connection, own_mailbox.mailbox_id, 2)
        row = Folder.new(first, drafts.counter, "Search", change_number=first + 1, created=now(), folder_type=2)
        await insert_folders(connection, own_mailbox.mailbox_id, [row])
    assert await refused(ObjectId(1, first), b"IPM.Form") == ErrorCode.SearchFolder
    assert await table(client) == before


async def test_a_folder_that_is_deleted_receives_nothing(client: Client, own_mailbox: Mailbox) -> None:
    folder = await own_mailbox.create_folder((await own_mailbox.special_folder("inbox")).folder_id, "Forms")
    folder_id = ObjectId(1, folder.folder_id)
    await client.value("SetReceiveFolder", folder_id=folder_id, message_class=b"IPM.Form")
    assert await receiver(client, b"IPM.Form.Ours") == (folder_id, b"IPM.Form")
    async with own_mailbox.database.write() as connection:
        await update_folder(connection, own_mailbox.mailbox_id, folder.folder_id, deleted=now())
    assert await receiver(client, b"IPM.Form.Ours") == (await special(own_mailbox, "inbox"), b"IPM")
    assert b"IPM.Form" not in await table(client)


# What needs a logon


@pytest.mark.spec(
    "MS-OXCSTOR_R198",
    "MS-OXCSTOR_R238",
    "MS-OXCSTOR_R239",
    "MS-OXCSTOR_R249",
    "MS-OXCSTOR_R279",
    "MS-OXCSTOR_R280",
    "MS-OXCSTOR_R287",
    "MS-OXCSTOR_R324",
    "MS-OXCSTOR_R325",
)
@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("GetReceiveFolder", {"message_class": b""}),
        ("SetReceiveFolder", {"folder_id": ObjectId(1, 5), "message_class": b"IPM.Form"}),
        ("GetReceiveFolderTable", {}),
    ],
)
async def test_receive_folders_belong_to_a_private_logon(client: Client, name: str, extra: dict[str, Any]) -> None:
    before = await table(client)
    await client.value("OpenFolder", folder_id=ObjectId(1, 1), open_mode_flags=0)
    assert await client.error(name, client.last, **extra) == 0x80040102  # ecNotSupported
    client.handles.append(77)
    assert await client.error(name, client.last, **extra) == ErrorCode.NullObject
    assert await client.error(name, 200, **extra) == ErrorCode.NullObject
    assert await table(client) == before
