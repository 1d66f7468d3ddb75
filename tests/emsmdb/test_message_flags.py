"""Read flags and status of messages, which need no save (MS-OXCMSG 3.2.5.8 to 3.2.5.11)."""

from collections.abc import Sequence
from typing import Any

import pytest

from mapigw.mailbox import read_state
from mapigw.mailbox.permissions import Rights
from mapigw.store.changes import select_read_state_changes
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import Client
from tests.emsmdb.delegates import ANN, grant, log_on_as
from tests.emsmdb.messages import (
    READ_ONLY,
    cell,
    create,
    create_attachment,
    flags_of,
    mailbox_of,
    open_embedded,
    open_folder,
    open_message,
    save,
    saved,
    set_values,
    special,
    stored,
)
from tests.emsmdb.searches import make, search, subject

READ, UNSENT, NOTIFY_READ, NOTIFY_UNREAD, EVER_READ = 0x01, 0x08, 0x100, 0x200, 0x400
IN_CONFLICT, REMOTE_DOWNLOAD, REMOTE_DELETE = 0x0800, 0x1000, 0x2000

# ReadFlags
DEFAULT, SUPPRESS_RECEIPT, CLEAR_READ, RECEIPT_ONLY = 0x00, 0x01, 0x04, 0x10
CLEAR_NOTIFY_READ, CLEAR_NOTIFY_UNREAD = 0x20, 0x40

RECEIPTS = {tags.PidTagReadReceiptRequested: True, tags.PidTagNonReceiptNotificationRequested: True}


async def unread(client: Client) -> int:
    """The id of an unread message that asks for both receipts."""
    return await saved(client, {tags.PidTagMessageFlags: UNSENT, **RECEIPTS})


async def set_flags(client: Client, slot: int, flags: int, ids: Sequence[int], *, asynchronous: bool = False) -> bool:
    """PartialCompletion."""
    value = await client.value(
        "SetReadFlags",
        slot,
        want_asynchronous=asynchronous,
        read_flags=flags,
        message_ids=[ObjectId(1, message_id) for message_id in ids],
    )
    partial: bool = value.partial_completion
    return partial


# PidTagMessageFlags


@pytest.mark.spec("MS-OXCMSG_R510", "MS-OXCMSG_R512", "MS-OXCMSG_R3006", "MS-OXCMSG_R515")
async def test_the_client_s_flags_are_kept_by_the_first_save(client: Client) -> None:
    draft = await saved(client)
    assert await flags_of(client, draft) & ~0x02 == READ | UNSENT | EVER_READ
    sent = await saved(client, {tags.PidTagMessageFlags: 0x01})
    assert await flags_of(client, sent) & ~0x02 == READ | EVER_READ
    resend = await saved(client, {tags.PidTagMessageFlags: 0x88})
    assert await flags_of(client, resend) & ~0x02 == UNSENT | 0x80


@pytest.mark.spec("MS-OXCMSG_R31")
async def test_the_client_s_flags_are_read_only_after_the_first_save(client: Client) -> None:
    slot = await create(client)
    message_id = await save(client, slot)
    before = await flags_of(client, message_id)
    (problem,) = await set_values(client, slot, {tags.PidTagMessageFlags: 0x80})
    assert problem.error_code == ErrorCode.ComputedValue
    assert await flags_of(client, message_id) == before


@pytest.mark.spec("MS-OXCMSG_R516")
async def test_the_server_s_flags_are_not_set_by_clients(client: Client) -> None:
    slot = await create(client, {tags.PidTagMessageFlags: 0x7FFFFFFF & ~READ})
    assert await cell(client, slot, tags.PidTagMessageFlags) == UNSENT | 0x80
    assert await flags_of(client, await save(client, slot)) & ~0x02 == UNSENT | 0x80


@pytest.mark.spec("MS-OXCMSG_R519")
async def test_a_message_is_unmodified_until_its_second_save(client: Client) -> None:
    slot = await create(client)
    assert not await cell(client, slot, tags.PidTagMessageFlags) & 0x02
    message_id = await save(client, slot)
    assert await flags_of(client, message_id) & 0x02
    await set_values(client, slot, {tags.PidTagSubject: "x"})
    await save(client, slot)
    assert not await flags_of(client, message_id) & 0x02


@pytest.mark.spec("MS-OXCMSG_R529", "MS-OXCMSG_R531")
async def test_requested_receipts_show_in_the_flags(client: Client) -> None:
    assert await flags_of(client, await unread(client)) & 0x300 == NOTIFY_READ | NOTIFY_UNREAD
    assert await flags_of(client, await saved(client)) & 0x300 == 0
    one = await saved(client, {tags.PidTagReadReceiptRequested: True})
    assert await flags_of(client, one) & 0x300 == NOTIFY_READ


# RopSetReadFlags


@pytest.mark.spec("MS-OXCMSG_R795", "MS-OXCMSG_R1145", "MS-OXCMSG_R1140", "MS-OXCMSG_R2045", "MS-OXCMSG_R818")
@pytest.mark.parametrize("flags", [DEFAULT, SUPPRESS_RECEIPT, 0x0A])
async def test_messages_become_read(client: Client, flags: int) -> None:
    one, two, other = [await unread(client) for _ in range(3)]
    folder = await open_folder(client, "drafts")
    assert await set_flags(client, folder, flags, [one, two]) is False
    for message_id in (one, two):
        assert await flags_of(client, message_id) & (READ | EVER_READ) == READ | EVER_READ
        assert await cell(client, await open_message(client, message_id), tags.PidTagRead) is True
    assert not await flags_of(client, other) & (READ | EVER_READ)
    assert (await special(client, "drafts")).content_unread_count == 1


@pytest.mark.spec("MS-OXCMSG_R822")
async def test_messages_become_unread(client: Client) -> None:
    message_id = await saved(client)
    folder = await open_folder(client, "drafts")
    await set_flags(client, folder, SUPPRESS_RECEIPT | CLEAR_READ, [message_id])
    assert not await flags_of(client, message_id) & (READ | EVER_READ)
    assert (await special(client, "drafts")).content_unread_count == 1


@pytest.mark.spec("MS-OXCMSG_R827", "MS-OXCMSG_R829")
@pytest.mark.parametrize(
    ("flags", "left"),
    [
        (DEFAULT, NOTIFY_READ | NOTIFY_UNREAD | READ | EVER_READ),
        (SUPPRESS_RECEIPT, NOTIFY_UNREAD | READ | EVER_READ),
        (CLEAR_NOTIFY_READ, NOTIFY_UNREAD),
        (CLEAR_NOTIFY_UNREAD, NOTIFY_READ),
        (CLEAR_NOTIFY_READ | CLEAR_NOTIFY_UNREAD, 0),
        (RECEIPT_ONLY, NOTIFY_READ | NOTIFY_UNREAD),
        (SUPPRESS_RECEIPT | CLEAR_READ, NOTIFY_UNREAD),
    ],
)
async def test_what_becomes_of_pending_receipts(client: Client, flags: int, left: int) -> None:
    message_id = await unread(client)
    folder = await open_folder(client, "drafts")
    await set_flags(client, folder, flags, [message_id])
    assert await flags_of(client, message_id) & ~(UNSENT | 0x02) == left


@pytest.mark.spec("MS-OXCMSG_R1703")
async def test_a_read_state_is_no_change_of_the_message(client: Client) -> None:
    message_id = await unread(client)
    before = await stored(client, message_id)
    folder = await open_folder(client, "drafts")
    await set_flags(client, folder, DEFAULT, [message_id])
    after = await stored(client, message_id)
    assert (after.change_number, after.modified, after.properties) == (
        before.change_number,
        before.modified,
        before.properties,
    )
    assert after.read_change_number > before.change_number
    assert after.local_commit_time > before.local_commit_time
    mailbox = mailbox_of(client)
    async with mailbox.database.read() as connection:
        found = await select_read_state_changes(
            connection, mailbox.mailbox_id, before.folder_id, after=before.change_number
        )
    assert [(item.message_id, item.is_read) for item in found] == [(message_id, True)]
    assert (await special(client, "drafts")).content_change_number == after.read_change_number
    await set_flags(client, folder, DEFAULT, [message_id])
    assert await stored(client, message_id) == after  # it was read already


async def test_without_ids_every_message_is_meant(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_state, "BATCH", 2)
    ids = [await unread(client) for _ in range(5)]
    folder = await open_folder(client, "drafts")
    await set_flags(client, folder, DEFAULT, [])
    assert [(await stored(client, message_id)).is_read for message_id in ids] == [True] * 5
    assert (await special(client, "drafts")).content_unread_count == 0


@pytest.mark.spec("MS-OXCMSG_R1510", "MS-OXCMSG_R1512", "MS-OXCMSG_R1917", "MS-OXCMSG_R1705", "MS-OXCMSG_R1706")
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_read_flags_are_answered_when_they_are_set(client: Client, asynchronous: bool) -> None:
    message_id = await unread(client)
    folder = await open_folder(client, "drafts")
    partial = await set_flags(client, folder, DEFAULT, [message_id], asynchronous=asynchronous)
    assert client.payloads[0][2] == 0x66  # RopSetReadFlags
    assert partial is False
    assert (await stored(client, message_id)).is_read


async def test_messages_that_are_not_there_are_passed_over(client: Client) -> None:
    """As Exchange 2010 and later, which answer PartialCompletion 0."""
    message_id = await unread(client)
    folder = await open_folder(client, "drafts")
    assert await set_flags(client, folder, DEFAULT, [message_id + 1000, message_id]) is False
    assert (await stored(client, message_id)).is_read
    other = await open_folder(client, "inbox")
    assert await set_flags(client, other, SUPPRESS_RECEIPT | CLEAR_READ, [message_id]) is False
    assert (await stored(client, message_id)).is_read


async def test_messages_become_read_where_a_search_folder_shows_them(client: Client) -> None:
    shown, other = await saved(client, {tags.PidTagMessageFlags: 0, tags.PidTagSubject: "report"}), await unread(client)
    drafts = await special(client, "drafts")
    slot, _folder_id = await make(client)
    await search(client, slot, subject("report"), [drafts.folder_id])
    await set_flags(client, slot, DEFAULT, [shown, other])
    assert [(await stored(client, message_id)).is_read for message_id in (shown, other)] == [True, False]
    assert (await special(client, "drafts")).content_unread_count == 1
    assert await cell(client, slot, tags.PidTagContentUnreadCount) == 0


async def test_fai_messages_are_not_counted(client: Client) -> None:
    slot = await create(client, {tags.PidTagMessageFlags: 0}, associated=True)
    message_id = await save(client, slot)
    await set_flags(client, await open_folder(client, "drafts"), DEFAULT, [message_id])
    assert (await stored(client, message_id)).is_read
    assert (await special(client, "drafts")).content_unread_count == 0


async def test_read_flags_need_the_right_to_read(client: Client) -> None:
    ann = await log_on_as(client, ANN)
    await grant(client, "drafts", ANN, Rights.FolderVisible)
    folder = await open_folder(ann, "drafts")
    fields: dict[str, Any] = {"want_asynchronous": False, "read_flags": 0, "message_ids": []}
    assert await ann.error("SetReadFlags", folder, **fields) == ErrorCode.AccessDenied
    await grant(client, "drafts", ANN, Rights.ReadAny)
    await ann.value("SetReadFlags", folder, **fields)


# RopSetMessageReadFlag


@pytest.mark.spec("MS-OXCMSG_R835", "MS-OXCMSG_R537", "MS-OXCMSG_R1710", "MS-OXCMSG_R920", "MS-OXCMSG_R1841")
async def test_an_open_message_becomes_read_at_once(client: Client) -> None:
    message_id = await unread(client)
    before = await stored(client, message_id)
    slot = await open_message(client, message_id, READ_ONLY)
    value = await client.value("SetMessageReadFlag", slot, read_flags=DEFAULT, client_data=None)
    assert client.payloads[0][2:9] == bytes([0x11, slot]) + bytes.fromhex("00000000 00")  # nothing follows
    assert not value.read_status_changed
    assert await cell(client, slot, tags.PidTagMessageFlags) & (READ | EVER_READ) == READ | EVER_READ
    after = await stored(client, message_id)
    assert (after.is_read, after.change_number, after.modified) == (True, before.change_number, before.modified)
    assert (await special(client, "drafts")).content_unread_count == 0


async def test_reading_does_not_get_in_the_way_of_a_save(client: Client) -> None:
    message_id = await unread(client)
    slot = await open_message(client, message_id)
    await set_values(client, slot, {tags.PidTagSubject: "x"})
    await client.value("SetMessageReadFlag", slot, read_flags=DEFAULT, client_data=None)
    await save(client, slot)
    assert await flags_of(client, message_id) & READ
    folder = await special(client, "drafts")
    assert (folder.content_count, folder.content_unread_count) == (1, 0)


async def test_a_message_that_was_never_saved_becomes_unread_in_its_handle(client: Client) -> None:
    slot = await create(client)
    await client.value("SetMessageReadFlag", slot, read_flags=SUPPRESS_RECEIPT | CLEAR_READ, client_data=None)
    assert await cell(client, slot, tags.PidTagMessageFlags) == UNSENT
    assert not (await stored(client, await save(client, slot))).is_read


async def test_an_embedded_message_becomes_unread_in_its_handle(client: Client) -> None:
    slot = await create(client)
    attachment, _number = await create_attachment(client, slot)
    embedded = await open_embedded(client, attachment, 2)
    await client.value("SetMessageReadFlag", embedded, read_flags=SUPPRESS_RECEIPT | CLEAR_READ, client_data=None)
    assert await client.properties(embedded, tags.PidTagMessageFlags, tags.PidTagRead) == [UNSENT, False]


# RopSetMessageStatus, RopGetMessageStatus


async def set_status(client: Client, folder: int, message_id: int, status: int, mask: int) -> int:
    value = await client.value(
        "SetMessageStatus",
        folder,
        message_id=ObjectId(1, message_id),
        message_status_flags=status,
        message_status_mask=mask,
    )
    before: int = value.message_status_flags
    return before


async def status_of(client: Client, folder: int, message_id: int) -> int:
    value = await client.value("GetMessageStatus", folder, message_id=ObjectId(1, message_id))
    status: int = value.message_status_flags
    return status


@pytest.mark.spec("MS-OXCMSG_R773", "MS-OXCMSG_R784", "MS-OXCMSG_R786", "MS-OXCMSG_R416", "MS-OXCMSG_R1500")
@pytest.mark.spec("MS-OXCMSG_R2028", "MS-OXCMSG_R2030", "MS-OXCMSG_R549", "MS-OXCMSG_R55")
async def test_the_mask_says_which_bits_of_the_status_change(client: Client) -> None:
    message_id = await saved(client)
    folder = await open_folder(client, "drafts")
    assert await set_status(client, folder, message_id, REMOTE_DOWNLOAD, REMOTE_DOWNLOAD) == 0
    assert await status_of(client, folder, message_id) == REMOTE_DOWNLOAD
    assert await set_status(client, folder, message_id, REMOTE_DELETE, REMOTE_DELETE) == REMOTE_DOWNLOAD
    assert await status_of(client, folder, message_id) == REMOTE_DOWNLOAD | REMOTE_DELETE
    both = REMOTE_DOWNLOAD | REMOTE_DELETE
    assert await set_status(client, folder, message_id, REMOTE_DOWNLOAD, both) == both
    assert await status_of(client, folder, message_id) == REMOTE_DOWNLOAD
    assert await set_status(client, folder, message_id, both, 0) == REMOTE_DOWNLOAD
    assert await status_of(client, folder, message_id) == REMOTE_DOWNLOAD
    slot = await open_message(client, message_id)
    assert await cell(client, slot, tags.PidTagMessageStatus) == REMOTE_DOWNLOAD


@pytest.mark.spec("MS-OXCMSG_R2029", "MS-OXCMSG_R545")
async def test_a_conflict_is_not_declared_by_clients(client: Client) -> None:
    message_id = await saved(client)
    folder = await open_folder(client, "drafts")
    await set_status(client, folder, message_id, IN_CONFLICT | REMOTE_DELETE, IN_CONFLICT | REMOTE_DELETE)
    assert await status_of(client, folder, message_id) == REMOTE_DELETE
    slot = await open_message(client, message_id)
    (problem,) = await set_values(client, slot, {tags.PidTagMessageStatus: IN_CONFLICT})
    assert problem.error_code == ErrorCode.ComputedValue
    assert await status_of(client, folder, message_id) == REMOTE_DELETE


@pytest.mark.spec("MS-OXCMSG_R1501")
async def test_a_status_changes_nothing_else(client: Client) -> None:
    message_id = await saved(client)
    before = await stored(client, message_id)
    drafts = await special(client, "drafts")
    await set_status(client, await open_folder(client, "drafts"), message_id, REMOTE_DELETE, REMOTE_DELETE)
    after = await stored(client, message_id)
    assert after.message_status == REMOTE_DELETE
    assert (after.change_number, after.modified, after.local_commit_time, after.read_change_number) == (
        before.change_number,
        before.modified,
        before.local_commit_time,
        before.read_change_number,
    )
    assert await special(client, "drafts") == drafts


async def test_the_status_belongs_to_a_message_of_the_folder(client: Client) -> None:
    message_id = await saved(client)
    inbox = await open_folder(client, "inbox")
    fields = {"message_id": ObjectId(1, message_id), "message_status_flags": 1, "message_status_mask": 1}
    assert await client.error("SetMessageStatus", inbox, **fields) == ErrorCode.NotFound
    ann = await log_on_as(client, ANN)
    await grant(client, "drafts", ANN, Rights.ReadAny)
    drafts = await open_folder(ann, "drafts")
    assert await ann.error("SetMessageStatus", drafts, **fields) == ErrorCode.AccessDenied
    assert await status_of(ann, drafts, message_id) == 0
