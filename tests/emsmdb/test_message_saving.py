"""Messages created, changed and saved through the dispatcher (MS-OXCMSG 3.2.5.2, 3.2.5.3)."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import literal, select

from mapigw.emsmdb import message_objects
from mapigw.mailbox.content import BlobValue, decode_properties
from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.permissions import Rights
from mapigw.store import folders
from mapigw.store.schema import blob, deleted_message, message, message_mime
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import address_book_entry_id
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.xid import PredecessorChangeList, Xid
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.delegates import ANN, grant, log_on_as
from tests.emsmdb.messages import (
    BEST_ACCESS,
    FORCE_SAVE,
    KEEP_OPEN_READ_ONLY,
    KEEP_OPEN_READ_WRITE,
    READ_ONLY,
    READ_WRITE,
    SOFT_DELETED,
    attach,
    cell,
    create,
    create_attachment,
    creation,
    mailbox_of,
    open_folder,
    open_message,
    opening,
    save,
    saved,
    set_values,
    special,
    stored,
)

# RopCreateMessage


@pytest.mark.spec("MS-OXCMSG_R687", "MS-OXCMSG_R991", "MS-OXCMSG_R339", "MS-OXCMSG_R700", "MS-OXCMSG_R728")
@pytest.mark.spec("MS-OXCMSG_R372")
async def test_a_new_message_is_in_its_folder_when_it_is_saved(client: Client) -> None:
    folder = await special(client, "drafts")
    created = await client.value("CreateMessage", **creation(folder.folder_id))
    assert created.has_message_id is False
    slot = client.last
    assert client.payloads[0][2:9] == bytes.fromhex("06 01 00000000 00")  # nothing follows HasMessageId
    await set_values(client, slot, {tags.PidTagSubject: "Hello"})
    mailbox = mailbox_of(client)
    assert await mailbox.message_ids(folder.folder_id, associated=False) == []
    value = await client.value("SaveChangesMessage", slot, save_flags=KEEP_OPEN_READ_WRITE)
    assert await mailbox.message_ids(folder.folder_id, associated=False) == [value.message_id.counter]
    assert value.message_id.replica_id == 1
    opened = await open_message(client, value.message_id.counter)
    assert await client.properties(opened, tags.PidTagSubject) == ["Hello"]


@pytest.mark.spec("MS-OXCMSG_R341", "MS-OXCMSG_R342", "MS-OXCMSG_R343", "MS-OXCMSG_R344", "MS-OXCMSG_R345")
@pytest.mark.spec("MS-OXCMSG_R346", "MS-OXCMSG_R349", "MS-OXCMSG_R354", "MS-OXCMSG_R358", "MS-OXCMSG_R364")
@pytest.mark.spec("MS-OXCMSG_R164102", "MS-OXCMSG_R3016", "MS-OXCMSG_R1914", "MS-OXCMSG_R2034")
async def test_what_a_new_message_has(client: Client) -> None:
    slot = await create(client)
    expected = {
        tags.PidTagImportance: 1,
        tags.PidTagMessageClass: "IPM.Note",
        tags.PidTagSensitivity: 0,
        tags.PidTagDisplayBcc: "",
        tags.PidTagDisplayCc: "",
        tags.PidTagDisplayTo: "",
        tags.PidTagMessageFlags: 0x409,
        tags.PidTagHasAttachments: False,
        tags.PidTagAccess: 7,
        tags.PidTagAccessLevel: 1,
        tags.PidTagHasNamedProperties: False,
        # What Exchange 2013 and later leave to the save (product note 21)
        tags.PidTagTrustSender: ErrorCode.NotFound,
        tags.PidTagCreatorName: ErrorCode.NotFound,
        tags.PidTagLastModifierName: ErrorCode.NotFound,
        tags.PidTagLastModificationTime: ErrorCode.NotFound,
    }
    assert await client.properties(slot, *expected) == list(expected.values())
    created, committed, key, size = await client.properties(
        slot, tags.PidTagCreationTime, tags.PidTagLocalCommitTime, tags.PidTagSearchKey, tags.PidTagMessageSize
    )
    assert 0 <= committed - created < 10_000_000
    assert len(key) == 16
    assert size > 0
    other = await create(client)
    assert await cell(client, other, tags.PidTagSearchKey) != key


@pytest.mark.spec("MS-OXCMSG_R987", "MS-OXCMSG_R988")
@pytest.mark.parametrize("associated", [False, True])
async def test_a_message_is_normal_or_fai(client: Client, associated: bool) -> None:
    message_id = await save(client, await create(client, associated=associated))
    folder = await special(client, "drafts")
    assert await mailbox_of(client).message_ids(folder.folder_id, associated=associated) == [message_id]
    assert (folder.content_count, folder.associated_count) == (int(not associated), int(associated))
    opened = await open_message(client, message_id)
    flags = await cell(client, opened, tags.PidTagMessageFlags)
    assert bool(flags & 0x40) is associated


@pytest.mark.spec("MS-OXCMSG_R3018")
async def test_creating_needs_the_right(client: Client) -> None:
    ann = await log_on_as(client, ANN)
    await grant(client, "inbox", ANN, Rights.ReadAny)
    inbox = await special(client, "inbox")
    assert await ann.error("CreateMessage", **creation(inbox.folder_id)) == ErrorCode.AccessDenied
    await grant(client, "inbox", ANN, Rights.Create)
    await ann.value("CreateMessage", **creation(inbox.folder_id))
    assert await cell(ann, ann.last, tags.PidTagAccess) == 2  # it may be read; neither changed nor deleted once saved


async def test_messages_are_created_in_folders_that_exist(client: Client) -> None:
    drafts = await special(client, "drafts")
    assert await client.error("CreateMessage", **creation(drafts.folder_id + 12345)) == ErrorCode.NotFound
    foreign = {**creation(drafts.folder_id), "folder_id": ObjectId(2, drafts.folder_id)}
    assert await client.error("CreateMessage", **foreign) == ErrorCode.NotFound
    slot = await create(client)
    assert await client.error("CreateMessage", slot, **creation(drafts.folder_id)) == ErrorCode.NullObject


async def test_strings_of_8_bits_are_in_the_code_page_of_the_creation(client: Client) -> None:
    slot = await create(client, code_page=1251)
    await set_values(client, slot, {tags.PidTagSubject & ~0xFFFF | 0x1E: b"\xcf\xf0"})
    assert await cell(client, slot, tags.PidTagSubject) == "Пр"


# RopSaveChangesMessage


@pytest.mark.spec("MS-OXCMSG_R1182", "MS-OXCMSG_R1185", "MS-OXCMSG_R1890")
async def test_a_save_says_who_and_when(client: Client) -> None:
    ann = await log_on_as(client, ANN)
    await grant(client, "drafts", ANN, Rights.ReadAny | Rights.EditAny)
    slot = await create(client, {tags.PidTagSubject: "x"})
    before = await cell(client, slot, tags.PidTagLocalCommitTime)
    message_id = await save(client, slot)
    tom = address_book_entry_id(client.session.user.legacy_dn)
    columns = (
        tags.PidTagCreatorName,
        tags.PidTagCreatorEntryId,
        tags.PidTagLastModifierName,
        tags.PidTagLastModifierEntryId,
    )
    assert await client.properties(slot, *columns) == ["Tom", tom, "Tom", tom]
    committed, modified = await client.properties(slot, tags.PidTagLocalCommitTime, tags.PidTagLastModificationTime)
    assert committed == modified > before
    opened = await open_message(ann, message_id)
    await set_values(ann, opened, {tags.PidTagSubject: "y"})
    await save(ann, opened)
    cells = await client.properties(await open_message(client, message_id), *columns, tags.PidTagLocalCommitTime)
    assert cells[:4] == ["Tom", tom, "Ann", address_book_entry_id(ANN.legacy_dn)]
    assert cells[4] > committed


async def test_a_save_is_a_change_with_a_number(client: Client) -> None:
    slot = await create(client, {tags.PidTagSubject: "x"})
    message_id = await save(client, slot)
    first = await stored(client, message_id)
    replica = mailbox_of(client).replica_guid
    assert await cell(client, slot, tags.PidTagChangeKey) == Xid.gid(replica, first.change_number).build()
    await set_values(client, slot, {tags.PidTagSubject: "y"})
    await save(client, slot)
    second = await stored(client, message_id)
    assert second.change_number > first.change_number
    folder = await special(client, "drafts")
    assert folder.content_change_number == second.change_number
    assert await cell(client, slot, tags.PidTagChangeKey) == Xid.gid(replica, second.change_number).build()
    assert second.source_key is None


async def test_a_change_here_follows_an_imported_one(client: Client) -> None:
    """MS-OXCFXICS 3.1.5.3: the new change key is added to the list that the client wrote."""
    message_id = await saved(client, {tags.PidTagSubject: "x"})
    foreign = Xid(UUID(int=7), b"\0\0\0\x05")
    mailbox = mailbox_of(client)
    async with mailbox.database.write() as connection:
        await connection.execute(
            message.update()
            .where(message.c.message_id == message_id)
            .values(change_key=foreign.build(), predecessor_change_list=PredecessorChangeList([foreign]).build())
        )
    slot = await open_message(client, message_id)
    assert await cell(client, slot, tags.PidTagChangeKey) == foreign.build()
    await set_values(client, slot, {tags.PidTagSubject: "y"})
    await save(client, slot)
    row = await stored(client, message_id)
    own = Xid.gid(mailbox.replica_guid, row.change_number)
    assert row.change_key is None
    assert await client.properties(slot, tags.PidTagChangeKey, tags.PidTagPredecessorChangeList) == [
        own.build(),
        PredecessorChangeList([foreign, own]).build(),
    ]


async def test_the_columns_follow_the_properties(client: Client) -> None:
    slot = await create(
        client,
        {
            tags.PidTagSubject: "RE: plans",
            tags.PidTagMessageClass: "IPM.Task",
            tags.PidTagImportance: 2,
            tags.PidTagSentRepresentingName: "Anna",
            tags.PidTagMessageDeliveryTime: 131_000_000_000_000_000,
            tags.PidTagConversationTopic: "plans",
        },
    )
    row = await stored(client, await save(client, slot))
    assert (row.normalized_subject, row.message_class, row.importance) == ("plans", "IPM.Task", 2)
    assert (row.sent_representing_name, row.delivery_time) == ("Anna", 131_000_000_000_000_000)
    assert row.conversation_id == await cell(client, slot, tags.PidTagConversationId)
    await set_values(
        client, slot, {tags.PidTagSubject: "\ud800" + "x" * 5000, tags.PidTagMessageDeliveryTime: 2**64 - 1}
    )
    await save(client, slot)
    row = await stored(client, row.message_id)
    assert row.normalized_subject == "\ufffd" + "x" * 5000
    assert row.delivery_time == 2**63 - 1
    await set_values(client, slot, {tags.PidTagImportance: 0})
    await save(client, slot)  # the long subject is out of line now
    assert (await stored(client, row.message_id)).normalized_subject == "\ufffd" + "x" * 5000


async def test_the_folder_counts_what_is_saved(client: Client) -> None:
    slot = await create(client, {tags.PidTagMessageFlags: 0x08, tags.PidTagBody: "x" * 1000})
    row = await stored(client, await save(client, slot))
    folder = await special(client, "drafts")
    assert (folder.content_count, folder.content_unread_count, folder.content_size) == (1, 1, row.size)
    await set_values(client, slot, {tags.PidTagBody: "x" * 5000})
    await save(client, slot)
    folder = await special(client, "drafts")
    row = await stored(client, row.message_id)
    assert (folder.content_count, folder.content_unread_count, folder.content_size) == (1, 1, row.size)
    assert row.size > 10_000


async def _blob_counts(mailbox: Mailbox) -> dict[int, int]:
    """Counts by size."""
    async with mailbox.database.read() as connection:
        rows = await connection.execute(select(blob.c.size, blob.c["count"]))
        return {row[0]: row[1] for row in rows}


async def test_large_values_are_counted_and_let_go(client: Client) -> None:
    mailbox = mailbox_of(client)
    slot = await create(client, {tags.PidTagBody: "x" * 10_000, tags.PidTagTransportMessageHeaders: "y" * 6000})
    await attach(client, slot, {tags.PidTagAttachDataBinary: b"z" * 9000})
    message_id = await save(client, slot)
    assert await _blob_counts(mailbox) == {12_002: 1, 9000: 1}  # the body that downloads send is inline
    row = await stored(client, message_id)
    assert isinstance(
        decode_properties(row.properties, row.properties_index)[tags.PidTagTransportMessageHeaders], BlobValue
    )
    opened = await open_message(client, message_id)
    await set_values(client, opened, {tags.PidTagSubject: "changed"})
    await save(client, opened)
    assert await _blob_counts(mailbox) == {12_002: 1, 9000: 1}
    read = await cell(client, opened, tags.PidTagTransportMessageHeaders)
    assert read == "y" * 6000
    await client.value("DeleteProperties", opened, property_tags=[tags.PidTagTransportMessageHeaders])
    await client.value("DeleteAttachment", opened, attachment_id=0)
    await save(client, opened)
    assert await _blob_counts(mailbox) == {}


async def test_what_came_as_mime_is_not_exported_as_it_came_once_it_is_changed(client: Client) -> None:
    mailbox = mailbox_of(client)
    inbox = await special(client, "inbox")
    item = NewMessage(Message({tags.PidTagSubject: "x"}), mime=b"Subject: x\r\n\r\n" + b"y" * 9000)
    (message_id,) = await mailbox.append(inbox.folder_id, [item])
    assert len(await _blob_counts(mailbox)) == 1
    slot = await open_message(client, message_id, key="inbox")
    await set_values(client, slot, {tags.PidTagSubject: "z"})
    await save(client, slot)
    assert await _blob_counts(mailbox) == {}
    async with mailbox.database.read() as connection:
        assert (await connection.execute(message_mime.select())).all() == []


@pytest.mark.spec("MS-OXCMSG_R703", "MS-OXCMSG_R704", "MS-OXCMSG_R1053", "MS-OXCMSG_R1916")
async def test_two_handles_do_not_see_each_other(client: Client) -> None:
    message_id = await saved(client, {tags.PidTagSubject: "x"})
    one, two = await open_message(client, message_id), await open_message(client, message_id)
    assert client.handles[one] != client.handles[two]
    await set_values(client, one, {tags.PidTagSubject: "one"})
    await set_values(client, two, {tags.PidTagSubject: "two"})
    assert await cell(client, one, tags.PidTagSubject) == "one"
    assert await cell(client, two, tags.PidTagSubject) == "two"
    assert await cell(client, await open_message(client, message_id), tags.PidTagSubject) == "x"
    await save(client, one)
    assert await cell(client, two, tags.PidTagSubject) == "two"
    assert await client.error("SaveChangesMessage", two, save_flags=KEEP_OPEN_READ_WRITE) == 0x80040109
    assert await cell(client, await open_message(client, message_id), tags.PidTagSubject) == "one"


async def test_a_handle_without_changes_is_told_of_others(client: Client) -> None:
    message_id = await saved(client, {tags.PidTagSubject: "x"})
    one, two = await open_message(client, message_id), await open_message(client, message_id)
    before = await stored(client, message_id)
    await save(client, two)
    assert await stored(client, message_id) == before  # nothing to commit
    await set_values(client, one, {tags.PidTagSubject: "one"})
    await save(client, one)
    assert await client.error("SaveChangesMessage", two, save_flags=0) == ErrorCode.ObjectChanged


@pytest.mark.spec("MS-OXCMSG_R724", "MS-OXCMSG_R3022", "MS-OXCMSG_R723")
async def test_a_forced_save_overwrites(client: Client) -> None:
    message_id = await saved(client, {tags.PidTagSubject: "x"})
    one, two = await open_message(client, message_id), await open_message(client, message_id)
    await set_values(client, one, {tags.PidTagSubject: "one"})
    await set_values(client, two, {tags.PidTagSubject: "two"})
    await save(client, one)
    await save(client, two, FORCE_SAVE)
    assert await cell(client, await open_message(client, message_id), tags.PidTagSubject) == "two"
    assert await cell(client, two, tags.PidTagAccessLevel) == 1
    await set_values(client, two, {tags.PidTagSubject: "again"})
    await save(client, two)


@pytest.mark.spec("MS-OXCMSG_R719", "MS-OXCMSG_R1907", "MS-OXCMSG_R2192")
@pytest.mark.parametrize("flags", [0x00, KEEP_OPEN_READ_ONLY, KEEP_OPEN_READ_WRITE, 0x08, 0x0A, 0x0E, 0x40, 0x80])
async def test_a_saved_message_stays_open_for_writing(client: Client, flags: int) -> None:
    """Outlook saves with 0x08, 0x0A and 0x0E, and goes on reading; Exchange ignores KeepOpenReadOnly."""
    slot = await create(client, {tags.PidTagSubject: "x"})
    message_id = await save(client, slot, flags)
    assert await client.properties(slot, tags.PidTagAccessLevel, tags.PidTagSubject) == [1, "x"]
    await set_values(client, slot, {tags.PidTagSubject: "y"})
    assert await save(client, slot, flags) == message_id
    assert await cell(client, await open_message(client, message_id), tags.PidTagSubject) == "y"


@pytest.mark.spec("MS-OXCMSG_R1670", "MS-OXCMSG_R718")
@pytest.mark.parametrize("flags", [KEEP_OPEN_READ_ONLY, KEEP_OPEN_READ_WRITE])
async def test_a_save_that_fails_leaves_the_access_level(client: Client, flags: int) -> None:
    message_id = await saved(client, {tags.PidTagSubject: "x"})
    one, two = await open_message(client, message_id), await open_message(client, message_id)
    await set_values(client, one, {tags.PidTagSubject: "one"})
    await save(client, one)
    await set_values(client, two, {tags.PidTagSubject: "two"})
    assert await client.error("SaveChangesMessage", two, save_flags=flags) == ErrorCode.ObjectChanged
    assert await client.properties(two, tags.PidTagAccessLevel, tags.PidTagSubject) == [1, "two"]


@pytest.mark.spec("MS-OXCMSG_R722")
async def test_a_forced_save_of_a_message_that_is_gone_fails(client: Client) -> None:
    message_id = await saved(client)
    slot = await open_message(client, message_id)
    await set_values(client, slot, {tags.PidTagSubject: "y"})
    async with mailbox_of(client).database.write() as connection:
        await connection.execute(message.delete().where(message.c.message_id == message_id))
    assert await client.error("SaveChangesMessage", slot, save_flags=FORCE_SAVE) == ErrorCode.ObjectDeleted
    assert await client.properties(slot, tags.PidTagAccessLevel, tags.PidTagSubject) == [1, "y"]


async def test_a_message_whose_folder_is_gone_is_not_saved(client: Client) -> None:
    mailbox = mailbox_of(client)
    parent = await special(client, "inbox")
    folder = await mailbox.create_folder(parent.folder_id, "doomed")
    await client.value("CreateMessage", **creation(folder.folder_id))
    slot = client.last
    async with mailbox.database.write() as connection:
        await folders.update_folder(connection, mailbox.mailbox_id, folder.folder_id, deleted=1)
    assert await client.error("SaveChangesMessage", slot, save_flags=0) == ErrorCode.ObjectDeleted
    async with mailbox.database.read() as connection:
        assert (await connection.execute(message.select())).all() == []


async def test_what_was_opened_for_reading_is_not_changed(client: Client) -> None:
    """Saving it succeeds without doing anything, as on Exchange 2016 and 2019."""
    message_id = await saved(client, {tags.PidTagSubject: "x"})
    slot = await open_message(client, message_id, READ_ONLY)
    before = await stored(client, message_id)
    for name, fields in (
        ("SetProperties", {"property_values": [(tags.PidTagSubject, "y")]}),
        ("DeleteProperties", {"property_tags": [tags.PidTagSubject]}),
        ("RemoveAllRecipients", {"reserved": 0}),
        ("ModifyRecipients", {"recipient_columns": [], "recipient_rows": []}),
        ("CreateAttachment", {}),
        ("DeleteAttachment", {"attachment_id": 0}),
    ):
        assert await client.error(name, slot, **fields) == ErrorCode.AccessDenied
    await save(client, slot)
    assert await stored(client, message_id) == before


async def test_what_a_client_writes_without_saving_is_limited(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_objects, "HELD_MAXIMUM", 10_000)
    slot = await create(client, {tags.PidTagTransportMessageHeaders: "x" * 6000})
    attachment, _number = await create_attachment(client, slot)
    values = [(tags.PidTagAttachDataBinary, b"x" * 6000)]
    assert await client.error("SetProperties", attachment, property_values=values) == ErrorCode.MessageTooBig
    assert await cell(client, attachment, tags.PidTagAttachDataBinary) == ErrorCode.NotFound
    await save(client, slot)
    await client.value("SetProperties", attachment, property_values=values)


async def test_a_bulk_of_saves_in_one_buffer(client: Client) -> None:
    """What Outlook sends online: properties, save and the change key in one buffer."""
    slot = await create(client)
    responses = await client.send(
        client.request("SetProperties", slot, property_values=[(tags.PidTagSubject, "x")]),
        client.request("SaveChangesMessage", slot, save_flags=0x0A),
        client.request(
            "GetPropertiesSpecific",
            slot,
            property_size_limit=0,
            want_unicode=1,
            property_tags=[tags.PidTagChangeKey],
        ),
    )
    assert [response.return_value for response in responses] == [0, 0, 0]
    row = await stored(client, responses[1].value.message_id.counter)
    key = Xid.gid(mailbox_of(client).replica_guid, row.change_number).build()
    assert responses[2].value.row_data == [key]


# Opening with rights


async def _shared(client: Client, rights: Rights) -> tuple[Client, int]:
    """Another user's client, and a message of the inbox on which that user has ``rights``."""
    ann = await log_on_as(client, ANN)
    message_id = await saved(client, {tags.PidTagSubject: "x"}, key="inbox")
    await grant(client, "inbox", ANN, rights)
    return ann, message_id


@pytest.mark.spec("MS-OXCMSG_R324", "MS-OXCMSG_R2184")
async def test_reading_needs_the_right(client: Client) -> None:
    ann, message_id = await _shared(client, Rights.FolderVisible)
    inbox = await special(client, "inbox")
    for mode in (READ_ONLY, READ_WRITE, BEST_ACCESS):
        assert await ann.error("OpenMessage", **opening(inbox.folder_id, message_id, mode)) == ErrorCode.AccessDenied


@pytest.mark.spec("MS-OXCMSG_R3010")
async def test_best_access_of_who_may_only_read_is_reading(client: Client) -> None:
    ann, message_id = await _shared(client, Rights.ReadAny)
    inbox = await special(client, "inbox")
    code = await ann.error("OpenMessage", **opening(inbox.folder_id, message_id, READ_WRITE))
    assert code == ErrorCode.AccessDenied
    slot = await open_message(ann, message_id, BEST_ACCESS, key="inbox")
    assert await ann.properties(slot, tags.PidTagAccess, tags.PidTagAccessLevel) == [2, 0]
    values = [(tags.PidTagSubject, "y")]
    assert await ann.error("SetProperties", slot, property_values=values) == ErrorCode.AccessDenied


@pytest.mark.parametrize(("rights", "level"), [(Rights.EditAny, 1), (Rights.EditOwned, 0)])
async def test_best_access_follows_the_right_to_edit(client: Client, rights: Rights, level: int) -> None:
    ann, message_id = await _shared(client, Rights.ReadAny | rights)
    slot = await open_message(ann, message_id, BEST_ACCESS, key="inbox")
    assert await cell(ann, slot, tags.PidTagAccessLevel) == level


async def test_who_created_a_message_may_edit_it_by_the_right_on_own_ones(client: Client) -> None:
    ann = await log_on_as(client, ANN)
    await grant(client, "inbox", ANN, Rights.Create | Rights.EditOwned | Rights.DeleteOwned)
    message_id = await saved(ann, {tags.PidTagSubject: "x"}, key="inbox")
    slot = await open_message(ann, message_id, key="inbox")
    assert await ann.properties(slot, tags.PidTagAccess, tags.PidTagAccessLevel) == [7, 1]
    await set_values(ann, slot, {tags.PidTagSubject: "y"})
    await save(ann, slot)
    assert await cell(client, await open_message(client, message_id, key="inbox"), tags.PidTagSubject) == "y"


@pytest.mark.spec("MS-OXCMSG_R323", "MS-OXCMSG_R326", "MS-OXCMSG_R335")
async def test_a_soft_deleted_message_is_opened_only_on_request(client: Client) -> None:
    message_id = await saved(client, {tags.PidTagSubject: "gone"})
    drafts = await special(client, "drafts")
    async with mailbox_of(client).database.write() as connection:
        columns = [column.name for column in message.columns]
        gone = select(message, literal(1))
        await connection.execute(deleted_message.insert().from_select([*columns, "deleted"], gone))
        await connection.execute(message.delete())
    for mode in (READ_ONLY, READ_WRITE, BEST_ACCESS):
        assert await client.error("OpenMessage", **opening(drafts.folder_id, message_id, mode)) == ErrorCode.NotFound
    slot = await open_message(client, message_id, SOFT_DELETED)
    assert await client.properties(slot, tags.PidTagSubject, tags.PidTagAccessLevel) == ["gone", 0]
    inbox = await special(client, "inbox")
    elsewhere = opening(inbox.folder_id, message_id, SOFT_DELETED)
    assert await client.error("OpenMessage", **elsewhere) == ErrorCode.NotFound
    other = await saved(client, {tags.PidTagSubject: "here"})
    assert await cell(client, await open_message(client, other, SOFT_DELETED), tags.PidTagSubject) == "here"


async def test_messages_of_a_soft_deleted_folder_are_not_opened(client: Client) -> None:
    mailbox = mailbox_of(client)
    parent = await special(client, "inbox")
    folder = await mailbox.create_folder(parent.folder_id, "doomed")
    await client.value("CreateMessage", **creation(folder.folder_id))
    message_id = await save(client, client.last)
    await client.value("OpenMessage", **opening(folder.folder_id, message_id))
    async with mailbox.database.write() as connection:
        await folders.update_folder(connection, mailbox.mailbox_id, folder.folder_id, deleted=1)
    assert await client.error("OpenMessage", **opening(folder.folder_id, message_id)) == ErrorCode.NotFound


@pytest.mark.spec("MS-OXCMSG_R1838")
async def test_other_open_modes_are_alike(client: Client) -> None:
    message_id = await saved(client, {tags.PidTagSubject: "x"})
    drafts = await special(client, "drafts")
    answers = []
    for mode in (0x10, 0x20, 0x80):
        opened = await client.value("OpenMessage", **opening(drafts.folder_id, message_id, mode))
        answers.append((opened, await cell(client, client.last, tags.PidTagAccessLevel)))
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.spec("MS-OXCMSG_R251")
async def test_the_contents_table_tells_the_ids(client: Client) -> None:
    message_id = await saved(client, {tags.PidTagSubject: "x"})
    slot = await open_folder(client, "drafts")
    await client.value("GetContentsTable", slot, table_flags=0)
    columns = [tags.PidTagMid]
    await client.value("SetColumns", client.last, set_columns_flags=0, property_tags=columns)
    found = await client.value("QueryRows", client.last, columns, query_rows_flags=0, forward_read=True, row_count=1)
    mid = found.row_data[0][0].to_bytes(8, "little", signed=True)
    assert mid == b"\x01\0" + message_id.to_bytes(6, "big")
    await open_message(client, int.from_bytes(mid[2:], "big"))


@pytest.mark.spec("MS-OXCMSG_R279")
async def test_reloading_tells_how_the_message_is_now(client: Client) -> None:
    slot = await create(client, {tags.PidTagSubject: "RE: x"})
    await save(client, slot)
    told = await client.value("ReloadCachedInformation", slot, reserved=0)
    assert (told.subject_prefix, told.normalized_subject, told.has_named_properties) == ("RE: ", "x", False)
    await set_values(client, slot, {tags.PidTagSubject: "FW: y"})
    told = await client.value("ReloadCachedInformation", slot, reserved=0)
    assert (told.subject_prefix, told.normalized_subject) == ("FW: ", "y")


@pytest.mark.parametrize("fields", [{"save_flags": 0}])
async def test_only_messages_are_saved(client: Client, fields: dict[str, Any]) -> None:
    folder = await open_folder(client, "drafts")
    assert await client.error("SaveChangesMessage", folder, **fields) == ErrorCode.NullObject
    assert await client.error("SaveChangesMessage", LOGON, **fields) == ErrorCode.NullObject
