"""Transport ROPs (MS-OXCROPS 2.2.7, MS-OXOMSG 2.2.4, 2.2.5): what a client is answered, and how the message is then."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from mapigw.mail import submission
from mapigw.mailbox.clock import now
from mapigw.mailbox.content import DecodedMessage
from mapigw.mailbox.events import Changes, Kind
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.saving import Author, Draft, save_message, unsaved_row
from mapigw.store import queue
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import MESSAGE_ENTRY_ID, address_book_entry_id, folder_entry_id, message_entry_id, server_id
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.messages import (
    READ_ONLY,
    cell,
    create,
    create_attachment,
    flags_of,
    mailbox_of,
    modify_recipients,
    open_embedded,
    open_folder,
    open_message,
    save,
    smtp,
    special,
    stored,
)

READ, SUBMITTED, UNSENT, EVER_READ = 0x01, 0x04, 0x08, 0x400
PREPROCESS, NEEDS_SPOOLER = 0x01, 0x02
LOCK, UNLOCK, FINISHED = 0, 1, 2


async def composed(
    client: Client, values: Mapping[int, Any] | None = None, *, key: str = "outbox", recipients: int = 1
) -> int:
    """The slot of a message with recipients that is not saved yet."""
    slot = await create(client, {tags.PidTagSubject: "Hello", **(values or {})}, key=key)
    if recipients:
        rows = {number: smtp(f"Anna{number}") for number in range(recipients)}
        await modify_recipients(client, slot, rows)
    return slot


async def entries(client: Client) -> list[queue.OutgoingRow]:
    async with mailbox_of(client).database.read() as connection:
        return await queue.select_listing(connection)


async def ids(client: Client, key: str) -> list[int]:
    mailbox = mailbox_of(client)
    return await mailbox.message_ids((await special(client, key)).folder_id, associated=False)


# RopSubmitMessage


@pytest.mark.spec("MS-OXCMSG_R513", "MS-OXCMSG_R520")
@pytest.mark.parametrize("flags", [0, PREPROCESS])
async def test_a_submitted_message_is_saved_marked_and_queued(client: Client, own_mailbox: Mailbox, flags: int) -> None:
    slot = await composed(client)
    before = now()
    await client.value("SubmitMessage", slot, submit_flags=flags)
    (message_id,) = await ids(client, "outbox")
    assert await flags_of(client, message_id, key="outbox") & (SUBMITTED | UNSENT) == SUBMITTED
    (entry,) = await entries(client)
    assert (entry.mailbox_id, entry.message_id, entry.step) == (own_mailbox.mailbox_id, message_id, 0)
    assert (entry.sender, entry.subject, entry.locale) == ("tom@bm.lan", "Hello", 0x409)
    assert before <= entry.created == entry.due <= now()
    assert own_mailbox.database.queued.is_set()


async def test_the_server_sets_what_the_sender_may_not_forge(client: Client) -> None:
    forged = {
        tags.PidTagSenderName: "Boss",
        tags.PidTagSenderEmailAddress: "boss@bm.lan",
        tags.PidTagSenderAddressType: "SMTP",
        tags.PidTagClientSubmitTime: 1,
    }
    slot = await composed(client, forged)
    before = now()
    await client.value("SubmitMessage", slot, submit_flags=0)
    (message_id,) = await ids(client, "outbox")
    opened = await open_message(client, message_id, READ_ONLY, key="outbox")
    user = client.session.user
    entry_id = address_book_entry_id(user.legacy_dn)
    assert await client.properties(
        opened,
        tags.PidTagSenderName,
        tags.PidTagSenderAddressType,
        tags.PidTagSenderEmailAddress,
        tags.PidTagSenderEntryId,
        tags.PidTagSentRepresentingName,
        tags.PidTagSentRepresentingEmailAddress,
        tags.PidTagSentRepresentingEntryId,
        tags.PidTagContentFilterSpamConfidenceLevel,
        tags.PidTagMessageLocaleId,
        tags.PidTagSubmitFlags,
        tags.PidTagConversationTopic,
    ) == ["Tom", "EX", user.legacy_dn, entry_id, "Tom", user.legacy_dn, entry_id, -1, 0x409, 0, "Hello"]
    assert before <= await cell(client, opened, tags.PidTagClientSubmitTime) <= now()
    assert (await cell(client, opened, tags.PidTagInternetMessageId)).endswith("@bm.lan>")
    assert len(await cell(client, opened, tags.PidTagConversationIndex)) == 22


async def test_who_is_represented_stays_as_the_client_says(client: Client) -> None:
    slot = await composed(client, {tags.PidTagSentRepresentingName: "Boss"})
    await client.value("SubmitMessage", slot, submit_flags=0)
    (message_id,) = await ids(client, "outbox")
    opened = await open_message(client, message_id, READ_ONLY, key="outbox")
    assert await cell(client, opened, tags.PidTagSentRepresentingName) == "Boss"
    assert await cell(client, opened, tags.PidTagSentRepresentingEntryId) == ErrorCode.NotFound


@pytest.mark.parametrize(("unit", "seconds"), [(0, 60), (1, 3600), (2, 86_400), (3, 604_800)])
async def test_sending_is_deferred_by_number_and_unit(client: Client, unit: int, seconds: int) -> None:
    values = {tags.PidTagDeferredSendNumber: 3, tags.PidTagDeferredSendUnits: unit, tags.PidTagDeferredSendTime: 1}
    await client.value("SubmitMessage", await composed(client, values), submit_flags=0)
    (entry,) = await entries(client)
    assert entry.due == entry.created + 3 * seconds * 10_000_000
    (message_id,) = await ids(client, "outbox")
    opened = await open_message(client, message_id, READ_ONLY, key="outbox")
    assert await cell(client, opened, tags.PidTagDeferredSendTime) == entry.due


async def test_a_time_that_has_passed_defers_nothing(client: Client) -> None:
    await client.value("SubmitMessage", await composed(client, {tags.PidTagDeferredSendTime: 5}), submit_flags=0)
    (entry,) = await entries(client)
    assert entry.due == entry.created


async def test_what_cannot_be_submitted(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await client.error("SubmitMessage", await composed(client, recipients=0), submit_flags=0) == 0x80040607
    monkeypatch.setattr(submission, "MAXIMUM_RECIPIENTS", 2)
    assert await client.error("SubmitMessage", await composed(client, recipients=3), submit_flags=0) == 0x505
    monkeypatch.setattr(submission, "MAXIMUM_SUBMIT_KILOBYTES", 1)
    large = await composed(client, {tags.PidTagBody: "x" * 2000})
    assert await client.error("SubmitMessage", large, submit_flags=0) == 0x4DA
    assert await client.error("SubmitMessage", await open_folder(client, "inbox"), submit_flags=0) == 0x4B9
    slot = await composed(client)
    await client.value("SubmitMessage", slot, submit_flags=0)
    assert await client.error("SubmitMessage", slot, submit_flags=0) == 0x80040608
    assert len(await entries(client)) == 1


async def test_a_full_mailbox_does_not_send(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(mailbox: Mailbox) -> bool:
        return False

    monkeypatch.setattr(submission, "has_send_room", full)
    assert await client.error("SubmitMessage", await composed(client), submit_flags=0) == 0x4D9


async def test_only_whole_messages_that_may_be_written_are_sent(client: Client) -> None:
    slot = await composed(client)
    attachment, _number = await create_attachment(client, slot, {tags.PidTagAttachMethod: 5})
    embedded = await open_embedded(client, attachment, 2)
    assert await client.error("SubmitMessage", embedded, submit_flags=0) == ErrorCode.NotSupported
    message_id = await save(client, await composed(client))
    opened = await open_message(client, message_id, READ_ONLY, key="outbox")
    assert await client.error("SubmitMessage", opened, submit_flags=0) == ErrorCode.AccessDenied
    assert await entries(client) == []


async def test_a_message_that_changed_meanwhile_is_not_sent(client: Client) -> None:
    message_id = await save(client, await composed(client))
    first = await open_message(client, message_id, key="outbox")
    second = await open_message(client, message_id, key="outbox")
    await client.value("SubmitMessage", first, submit_flags=0)
    assert await client.error("SubmitMessage", second, submit_flags=0) == 0x80040109
    assert len(await entries(client)) == 1


# RopAbortSubmit


async def test_an_aborted_message_is_unsent_where_it_was(client: Client) -> None:
    slot = await composed(client, {tags.PidTagBody: "b" * 9000})
    await client.value("SubmitMessage", slot, submit_flags=0)
    (message_id,) = await ids(client, "outbox")
    place: dict[str, Any] = {"folder_id": ObjectId(1, (await special(client, "outbox")).folder_id)}
    await client.value("AbortSubmit", **place, message_id=ObjectId(1, message_id))
    assert await entries(client) == []
    assert await flags_of(client, message_id, key="outbox") & (SUBMITTED | UNSENT) == UNSENT
    async with mailbox_of(client).database.read() as connection:
        counts = await connection.exec_driver_sql("SELECT mailbox_id FROM blob")
        assert set(counts.scalars()) <= {mailbox_of(client).mailbox_id}
    assert await client.error("AbortSubmit", **place, message_id=ObjectId(1, message_id)) == 0x80040601
    assert await client.error("AbortSubmit", **place, message_id=ObjectId(1, 9999)) == ErrorCode.NotFound
    wrong: dict[str, Any] = {"folder_id": ObjectId(1, 1)}
    assert await client.error("AbortSubmit", **wrong, message_id=ObjectId(1, message_id)) == ErrorCode.NotFound
    opened = await open_message(client, message_id, key="outbox")
    await client.value("SubmitMessage", opened, submit_flags=0)
    assert len(await entries(client)) == 1


async def test_it_may_be_too_late_to_abort(client: Client) -> None:
    await client.value("SubmitMessage", await composed(client), submit_flags=0)
    (message_id,) = await ids(client, "outbox")
    (entry,) = await entries(client)
    async with mailbox_of(client).database.write() as connection:
        await queue.update_outgoing(connection, entry.outgoing_id, step=queue.Step.EXPANDED)
    place: dict[str, Any] = {"folder_id": ObjectId(1, (await special(client, "outbox")).folder_id)}
    assert await client.error("AbortSubmit", **place, message_id=ObjectId(1, message_id)) == 0x80040114
    assert await flags_of(client, message_id, key="outbox") & SUBMITTED
    assert len(await entries(client)) == 1


# The client's spooler


async def test_a_client_s_spooler_locks_and_finishes_what_it_sends(client: Client) -> None:
    sent = await special(client, "sent_items")
    values = {tags.PidTagSentMailSvrEID: server_id(sent.folder_id)}
    slot = await composed(client, values)
    await client.value("SubmitMessage", slot, submit_flags=NEEDS_SPOOLER)
    assert await entries(client) == []
    (message_id,) = await ids(client, "outbox")
    assert await flags_of(client, message_id, key="outbox") & SUBMITTED
    await client.value("SetSpooler")
    identifier = ObjectId(1, message_id)
    await client.value("SpoolerLockMessage", message_id=identifier, lock_state=LOCK)
    place: dict[str, Any] = {"folder_id": ObjectId(1, (await special(client, "outbox")).folder_id)}
    assert await client.error("AbortSubmit", **place, message_id=identifier) == 0x80040114
    await client.value("SpoolerLockMessage", message_id=identifier, lock_state=UNLOCK)
    await client.value("SpoolerLockMessage", message_id=identifier, lock_state=LOCK)
    await client.value("SpoolerLockMessage", message_id=identifier, lock_state=FINISHED)
    assert await ids(client, "outbox") == []
    (moved,) = await ids(client, "sent_items")
    assert await flags_of(client, moved, key="sent_items") & (SUBMITTED | UNSENT) == 0


async def test_locks_that_are_refused(client: Client) -> None:
    message_id = await save(client, await composed(client))
    error: dict[str, Any] = {"message_id": ObjectId(1, message_id), "lock_state": LOCK}
    assert await client.error("SpoolerLockMessage", **error) == 0x80040601
    assert await client.error("SpoolerLockMessage", message_id=ObjectId(1, 9999), lock_state=LOCK) == 0x8004010F
    opened = await open_message(client, message_id, key="outbox")
    await client.value("SubmitMessage", opened, submit_flags=0)
    assert await client.error("SpoolerLockMessage", **{**error, "lock_state": 7}) == 0x80070057


async def test_an_aborted_message_of_the_spooler_is_unsent(client: Client) -> None:
    await client.value("SubmitMessage", await composed(client), submit_flags=NEEDS_SPOOLER)
    (message_id,) = await ids(client, "outbox")
    place: dict[str, Any] = {"folder_id": ObjectId(1, (await special(client, "outbox")).folder_id)}
    await client.value("AbortSubmit", **place, message_id=ObjectId(1, message_id))
    assert await flags_of(client, message_id, key="outbox") & (SUBMITTED | UNSENT) == UNSENT


# RopTransportSend


async def transport_copy(client: Client, target: bytes | None, values: Mapping[int, Any] | None = None) -> int:
    found = {} if target is None else {tags.PidTagTargetEntryId: target}
    slot = await composed(client, {**found, **(values or {})}, key="spooler_queue")
    await save(client, slot)
    return slot


async def target_entry_id(client: Client, key: str = "outbox") -> tuple[int, bytes]:
    """An id that the client may use, and the EntryID of a message with it in a folder."""
    mailbox = mailbox_of(client)
    value = await client.value("GetLocalReplicaIds", id_count=16)
    counter: int = value.global_count
    folder = await special(client, key)
    return counter, message_entry_id(mailbox.guid, mailbox.replica_guid, folder.folder_id, counter)


async def test_the_transport_folder_is_the_spooler_queue(client: Client) -> None:
    value = await client.value("GetTransportFolder")
    assert value.folder_id == ObjectId(1, (await special(client, "spooler_queue")).folder_id)


async def test_what_transport_send_tells(client: Client) -> None:
    value = await client.value("TransportSend", await transport_copy(client, None))
    told = dict(value.property_values)
    assert told[tags.PidTagSenderName] == told[tags.PidTagSentRepresentingName] == "Tom"
    assert told[tags.PidTagClientSubmitTime] <= now()
    assert not value.no_properties_returned
    assert len(await entries(client)) == 1


async def test_outlook_finds_its_message_in_the_outbox_under_its_own_id(client: Client) -> None:
    counter, entry_id = await target_entry_id(client)
    slot = await transport_copy(client, entry_id)
    await client.value("TransportSend", slot)
    assert await ids(client, "outbox") == [counter]
    assert await ids(client, "spooler_queue") == []
    assert (await stored(client, counter)).source_key is None
    assert await flags_of(client, counter, key="outbox") & (SUBMITTED | UNSENT) == 0
    assert len(await entries(client)) == 1


async def test_a_repeated_transport_send_sends_nothing(client: Client) -> None:
    """Outlook did not get the answer, and asks again; it may have moved its message to Sent Items since."""
    counter, entry_id = await target_entry_id(client)
    await client.value("TransportSend", await transport_copy(client, entry_id))
    await client.value("TransportSend", await transport_copy(client, entry_id))
    assert (await ids(client, "outbox"), await ids(client, "spooler_queue")) == ([counter], [])
    outbox, sent = await open_folder(client, "outbox"), await open_folder(client, "sent_items")
    await client.value(
        "MoveCopyMessages",
        outbox,
        dest_handle_index=sent,
        message_ids=[ObjectId(1, counter)],
        want_asynchronous=False,
        want_copy=False,
    )
    await client.value("TransportSend", await transport_copy(client, entry_id))
    assert len(await entries(client)) == 1
    assert (await ids(client, "outbox"), await ids(client, "spooler_queue")) == ([], [])


async def test_a_message_that_the_client_has_put_there_itself_stays(client: Client) -> None:
    counter, entry_id = await target_entry_id(client)
    folder = await special(client, "outbox")
    row = unsaved_row(folder.folder_id, counter, is_associated=False, message_flags=UNSENT, is_read=True)
    content = DecodedMessage({tags.PidTagSubject: "uploaded"})
    await save_message(mailbox_of(client), Draft(row, content, Author("Tom", b"")))
    await client.value("TransportSend", await transport_copy(client, entry_id))
    assert len(await entries(client)) == 1, "it was sent"
    assert await ids(client, "outbox") == [counter]
    assert (await stored(client, counter)).subject == "uploaded"


@pytest.mark.parametrize("wrong", ["provider", "folder", "id", "bytes"])
async def test_a_target_that_a_client_may_not_name_is_none(client: Client, wrong: str) -> None:
    _counter, entry_id = await target_entry_id(client)
    parsed = MESSAGE_ENTRY_ID.parse(entry_id)
    if wrong == "provider":
        parsed.provider_uid = parsed.folder.replica_guid
    elif wrong == "folder":
        parsed.folder = parsed.folder._replace(counter=987_654)
    elif wrong == "id":
        parsed.message = parsed.message._replace(counter=1 << 40)
    data = b"x" if wrong == "bytes" else MESSAGE_ENTRY_ID.build(parsed)
    await client.value("TransportSend", await transport_copy(client, data))
    assert len(await entries(client)) == 1
    assert await ids(client, "outbox") == []


# The other ROPs


async def test_new_mail_of_a_client_s_transport_is_announced(client: Client, inbox: int) -> None:
    mailbox = mailbox_of(client)
    heard: list[Changes] = []
    await mailbox.hub.subscribe(mailbox.mailbox_id, heard.append)
    message_id = await save(client, await create(client, key="inbox"))
    heard.clear()
    fields: dict[str, Any] = {"message_class": b"IPM.Note", "message_flags": 0x20}
    await client.value("TransportNewMail", message_id=ObjectId(1, message_id), folder_id=ObjectId(1, inbox), **fields)
    ((event,),) = [changes.events for changes in heard]
    assert (event.kind, event.folder_id, event.message_id, event.message_flags, event.message_class) == (
        Kind.NEW_MAIL,
        inbox,
        message_id,
        0x20,
        "IPM.Note",
    )
    gone: dict[str, Any] = {"message_id": ObjectId(1, 4444), "folder_id": ObjectId(1, inbox), **fields}
    assert await client.error("TransportNewMail", **gone) == ErrorCode.NotFound


async def test_sent_mail_goes_to_the_folder_of_its_entry_id(client: Client, own_mailbox: Mailbox) -> None:
    notes = await special(client, "notes")
    entry_id = folder_entry_id(own_mailbox.guid, own_mailbox.replica_guid, notes.folder_id)
    await client.value("SubmitMessage", await composed(client, {tags.PidTagSentMailEntryId: entry_id}), submit_flags=0)
    (message_id,) = await ids(client, "outbox")
    await submission.finish(own_mailbox, message_id)
    assert (len(await ids(client, "outbox")), len(await ids(client, "notes"))) == (0, 1)


async def test_sent_mail_is_deleted_when_it_says_so_and_stays_when_it_says_nothing(
    client: Client, own_mailbox: Mailbox
) -> None:
    await client.value("SubmitMessage", await composed(client, {tags.PidTagDeleteAfterSubmit: True}), submit_flags=0)
    (message_id,) = await ids(client, "outbox")
    await submission.finish(own_mailbox, message_id)
    assert await ids(client, "outbox") == []
    assert await own_mailbox.deleted_message(message_id) is None
    await client.value("SubmitMessage", await composed(client), submit_flags=0)
    (message_id,) = await ids(client, "outbox")
    await submission.finish(own_mailbox, message_id)
    await submission.finish(own_mailbox, message_id)
    assert await ids(client, "outbox") == [message_id]
    assert await flags_of(client, message_id, key="outbox") & (SUBMITTED | UNSENT) == 0


async def test_somebody_else_s_logon_has_no_spooler(client: Client) -> None:
    logon = client.session.logons[LOGON]
    logon.accessor = replace(logon.accessor, is_owner=False)
    calls: tuple[tuple[str, dict[str, Any]], ...] = (
        ("SetSpooler", {}),
        ("GetTransportFolder", {}),
        ("AbortSubmit", {"folder_id": ObjectId(1, 1), "message_id": ObjectId(1, 1)}),
        ("SpoolerLockMessage", {"message_id": ObjectId(1, 1), "lock_state": 0}),
    )
    for name, fields in calls:
        assert await client.error(name, **fields) == ErrorCode.AccessDenied
