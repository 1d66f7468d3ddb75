"""Subscriptions, and the notifications of objects that they bring (MS-OXCNOTIF 2.2.1)."""

from typing import Any

import pytest

from mapigw.emsmdb.notices import MAXIMUM
from mapigw.emsmdb.notification import Interest, Subscription
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.permissions import Rights
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.message import Attachment, Message
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.delegates import ANN, grant, log_on_as
from tests.emsmdb.folders import creating, fill, oid, open_folder
from tests.emsmdb.notifications import (
    COMPLETE,
    COPIED,
    CREATED,
    DELETED,
    EVERYTHING,
    INBOX,
    MESSAGE,
    MODIFIED,
    MOVED,
    NEW_MAIL,
    SEARCH,
    SENT,
    SUBTREE,
    TOTAL,
    UNREAD,
    WHOLE_STORE,
    another,
    fetched,
    folder_scope,
    move,
    subscribe,
    to_new_name,
    told,
)
from tests.emsmdb.searches import append, make, search, subject
from tests.emsmdb.searches import remove as delete


def interest(client: Client, index: int) -> Interest:
    found = client.session.resolve(client.handles[index])
    assert isinstance(found, Subscription)
    return found.interest


# Subscriptions


@pytest.mark.spec("MS-OXCNOTIF_R35", "MS-OXCNOTIF_R287", "MS-OXCNOTIF_R288", "MS-OXCNOTIF_R289", "MS-OXCNOTIF_R290")
@pytest.mark.spec("MS-OXCNOTIF_R291", "MS-OXCNOTIF_R292")
async def test_subscriptions_of_the_store_of_folders_and_of_messages(client: Client) -> None:
    """The first is Outlook's for new mail, the third its for LocalFreebusy."""
    await client.value("RegisterNotification", **WHOLE_STORE, notification_types=0x0002)
    assert interest(client, client.last) == Interest(0x0002, True, 0, 0)
    assert client.payloads[0][2:8] == bytes.fromhex("290100000000")
    await subscribe(client, 0x017E, 5)
    assert interest(client, client.last) == Interest(0x017E, False, 5, 0)
    await subscribe(client, 0x017E, 5, 77)
    assert interest(client, client.last) == Interest(0x017E, False, 5, 77)
    handles = client.handles[1:]
    assert len(set(handles)) == 3
    await client.send(client.request("Release", client.last))
    assert await client.error("GetPropertiesList", client.last) == ErrorCode.InvalidObject


async def test_a_subscription_by_a_folder_and_by_nothing_else(client: Client) -> None:
    fields: dict[str, Any] = {**WHOLE_STORE, "notification_types": 0x0010}
    await client.value("OpenFolder", folder_id=ObjectId(1, 5), open_mode_flags=0)
    folder = client.last
    await client.value("RegisterNotification", folder, **fields)
    assert interest(client, client.last).want_whole_store
    await client.value("GetHierarchyTable", folder, table_flags=0)
    assert await client.error("RegisterNotification", client.last, **fields) == ErrorCode.NotSupported
    assert await client.error("RegisterNotification", 99, **fields) == ErrorCode.NullObject


@pytest.mark.spec("MS-OXCNOTIF_R40002")
async def test_the_extended_type_has_a_reserved_byte(client: Client) -> None:
    """MS-OXCNOTIF 2.2.1.2.1.1; types that the specification does not have are not kept."""
    await client.value("RegisterNotification", LOGON, **{**WHOLE_STORE, "reserved": 0}, notification_types=0x8402)
    assert interest(client, client.last).notification_types == 0x0402


async def test_subscriptions_end_with_their_logon(client: Client, mailboxes: Mailboxes, own_mailbox: Mailbox) -> None:
    await client.value("RegisterNotification", **WHOLE_STORE, notification_types=0x0002)
    assert mailboxes.hub.is_heard(own_mailbox.mailbox_id)
    await client.send(client.request("Release", LOGON))
    assert client.session.logons == {}
    assert await client.error("GetPropertiesList", client.last) == ErrorCode.InvalidObject
    assert not mailboxes.hub.is_heard(own_mailbox.mailbox_id)


async def test_a_released_subscription_tells_nothing(client: Client, own_mailbox: Mailbox) -> None:
    slot = await subscribe(client)
    await append(own_mailbox, INBOX, "while it is there")
    assert client.session.notices
    await client.send(client.request("Release", slot))
    await append(own_mailbox, INBOX, "and after")
    assert await client.fetch() == []
    assert not client.session.notices


# What they tell


@pytest.mark.spec("MS-OXCNOTIF_R11", "MS-OXCNOTIF_R41", "MS-OXCNOTIF_R103", "MS-OXCNOTIF_R17103", "MS-OXCNOTIF_R17501")
@pytest.mark.spec("MS-OXCNOTIF_R17905", "MS-OXCNOTIF_R18303", "MS-OXCNOTIF_R18703", "MS-OXCNOTIF_R19103")
@pytest.mark.spec("MS-OXCNOTIF_R19503", "MS-OXCNOTIF_R21501", "MS-OXCNOTIF_R214001", "MS-OXCNOTIF_R22101")
@pytest.mark.spec("MS-OXCNOTIF_R22601", "MS-OXCNOTIF_R12402", "MS-OXCNOTIF_R96", "MS-OXCNOTIF_R97001")
@pytest.mark.spec("MS-OXCNOTIF_R241", "MS-OXCNOTIF_R510", "MS-OXCNOTIF_R170", "MS-OXCNOTIF_R174")
async def test_new_mail(client: Client, own_mailbox: Mailbox) -> None:
    slot = await subscribe(client, NEW_MAIL)
    attachment = Attachment({tags.PidTagAttachFilename: "a"})
    (mail,) = await own_mailbox.append(INBOX, [NewMessage(Message({tags.PidTagSubject: "s"}, [], [attachment]))])
    (value,) = await client.fetch()
    assert (value.notification_handle, value.logon_id) == (client.handles[slot], 0)
    assert told(value) == (
        MESSAGE | NEW_MAIL,
        {
            "folder_id": INBOX,
            "message_id": mail,
            "message_flags": 0x10,
            "unicode_flag": False,
            "message_class": b"IPM.Note",
        },
    )
    await append(own_mailbox, INBOX, "of old", is_read=True)
    assert await client.fetch() == []


@pytest.mark.spec("MS-OXCNOTIF_R13", "MS-OXCNOTIF_R42", "MS-OXCNOTIF_R104", "MS-OXCNOTIF_R19501", "MS-OXCNOTIF_R21502")
@pytest.mark.spec("MS-OXCNOTIF_R22102", "MS-OXCNOTIF_R22602", "MS-OXCNOTIF_R17901", "MS-OXCNOTIF_R178")
@pytest.mark.spec("MS-OXCNOTIF_R20302")
async def test_created_messages_and_folders(client: Client, own_mailbox: Mailbox) -> None:
    await subscribe(client, CREATED)
    (message,) = await append(own_mailbox, INBOX, "new")
    assert await fetched(client) == [(MESSAGE | CREATED, {"folder_id": INBOX, "message_id": message, "tags": []})]
    await open_folder(client, INBOX)
    made = await client.value("CreateFolder", client.last, **creating("New"))
    folder = made.folder_id.counter
    assert await fetched(client) == [(CREATED, {"folder_id": folder, "parent_folder_id": INBOX, "tags": []})]


@pytest.mark.spec("MS-OXCNOTIF_R14", "MS-OXCNOTIF_R43", "MS-OXCNOTIF_R105", "MS-OXCNOTIF_R17902")
async def test_deleted_messages_and_folders(client: Client, own_mailbox: Mailbox) -> None:
    (message,) = await append(own_mailbox, INBOX, "old")
    folder = (await own_mailbox.create_folder(INBOX, "Old")).folder_id
    await subscribe(client, DELETED)
    await delete(client, INBOX, message)
    assert await fetched(client) == [(MESSAGE | DELETED, {"folder_id": INBOX, "message_id": message})]
    await open_folder(client, INBOX)
    await client.value("DeleteFolder", client.last, delete_folder_flags=0, folder_id=oid(folder))
    assert await fetched(client) == [(DELETED, {"folder_id": folder, "parent_folder_id": INBOX})]


@pytest.mark.spec("MS-OXCNOTIF_R15", "MS-OXCNOTIF_R44", "MS-OXCNOTIF_R106", "MS-OXCNOTIF_R19502", "MS-OXCNOTIF_R199")
@pytest.mark.spec("MS-OXCNOTIF_R206", "MS-OXCNOTIF_R207", "MS-OXCNOTIF_R20701", "MS-OXCNOTIF_R20702")
@pytest.mark.spec("MS-OXCNOTIF_R210", "MS-OXCNOTIF_R211", "MS-OXCNOTIF_R21101", "MS-OXCNOTIF_R21102")
async def test_modified_messages_and_folders(client: Client, own_mailbox: Mailbox) -> None:
    """The folder's counts come with it: cached mode finds by them what to synchronize."""
    (message,) = await append(own_mailbox, INBOX, "one")
    await subscribe(client, MODIFIED)
    await append(own_mailbox, INBOX, "two")
    assert await fetched(client) == [
        (
            TOTAL | UNREAD | MODIFIED,
            {"folder_id": INBOX, "tags": [], "total_message_count": 2, "unread_message_count": 2},
        )
    ]
    await open_folder(client, INBOX)
    await client.value("SetReadFlags", client.last, want_asynchronous=0, read_flags=1, message_ids=[oid(message)])
    assert await fetched(client) == [
        (MESSAGE | MODIFIED, {"folder_id": INBOX, "message_id": message, "tags": []}),
        (UNREAD | MODIFIED, {"folder_id": INBOX, "tags": [], "unread_message_count": 1}),
    ]
    await append(own_mailbox, INBOX, "associated", is_associated=True)
    assert await fetched(client) == [(MODIFIED, {"folder_id": INBOX, "tags": []})]


@pytest.mark.spec("MS-OXCNOTIF_R16", "MS-OXCNOTIF_R45", "MS-OXCNOTIF_R107", "MS-OXCNOTIF_R18301", "MS-OXCNOTIF_R18701")
@pytest.mark.spec("MS-OXCNOTIF_R19101", "MS-OXCNOTIF_R182", "MS-OXCNOTIF_R186", "MS-OXCNOTIF_R190")
async def test_moved_messages_and_folders(client: Client, own_mailbox: Mailbox) -> None:
    (message,) = await append(own_mailbox, INBOX, "to go")
    folder = (await own_mailbox.create_folder(INBOX, "To go")).folder_id
    await subscribe(client, MOVED)
    await move(client, INBOX, SENT, message)
    (there,) = await own_mailbox.message_ids(SENT, associated=False)
    assert await fetched(client) == [
        (
            MESSAGE | MOVED,
            {"folder_id": SENT, "message_id": there, "old_folder_id": INBOX, "old_message_id": message},
        )
    ]
    source, target = await open_folder(client, INBOX), await open_folder(client, SENT)
    fields = to_new_name(folder, "Gone")
    await client.value("MoveFolder", source, dest_handle_index=target, **fields)
    assert await fetched(client) == [
        (
            MOVED,
            {
                "folder_id": folder,
                "parent_folder_id": SENT,
                "old_folder_id": folder,
                "old_parent_folder_id": INBOX,
            },
        )
    ]


@pytest.mark.spec("MS-OXCNOTIF_R12", "MS-OXCNOTIF_R46", "MS-OXCNOTIF_R108", "MS-OXCNOTIF_R18302", "MS-OXCNOTIF_R18702")
async def test_copied_messages_and_folders(client: Client, own_mailbox: Mailbox) -> None:
    (message,) = await append(own_mailbox, INBOX, "to copy")
    folder = (await own_mailbox.create_folder(INBOX, "To copy")).folder_id
    await subscribe(client, COPIED)
    await move(client, INBOX, SENT, message, copy=True)
    (copy,) = await own_mailbox.message_ids(SENT, associated=False)
    assert await fetched(client) == [
        (
            MESSAGE | COPIED,
            {"folder_id": SENT, "message_id": copy, "old_folder_id": INBOX, "old_message_id": message},
        )
    ]
    source, target = await open_folder(client, INBOX), await open_folder(client, SENT)
    fields = to_new_name(folder, "Copy")
    await client.value("CopyFolder", source, dest_handle_index=target, want_recursive=0, **fields)
    (made,) = await own_mailbox.children(SENT)
    assert await fetched(client) == [
        (
            COPIED,
            {
                "folder_id": made.folder_id,
                "parent_folder_id": SENT,
                "old_folder_id": folder,
                "old_parent_folder_id": INBOX,
            },
        )
    ]


@pytest.mark.spec("MS-OXCNOTIF_R17", "MS-OXCNOTIF_R47", "MS-OXCNOTIF_R109")
async def test_search_folders(client: Client, own_mailbox: Mailbox) -> None:
    """Their messages are told of as they are found, then that the search is complete."""
    (before,) = await append(own_mailbox, INBOX, "wanted")
    slot, found = await make(client)
    await subscribe(client, EVERYTHING, found)
    await search(client, slot, subject("wanted"), [INBOX])
    events = [told(value) for value in client.notified] + await fetched(client)
    appeared = (
        MESSAGE | SEARCH | CREATED,
        {"folder_id": INBOX, "message_id": before, "parent_folder_id": found, "tags": []},
    )
    assert events.index(appeared) < events.index((COMPLETE, {"folder_id": found}))
    client.notified.clear()
    (after,) = await append(own_mailbox, INBOX, "wanted too")
    assert (MESSAGE | SEARCH | CREATED, {**appeared[1], "message_id": after}) in await fetched(client)
    await delete(client, INBOX, before)
    assert (
        MESSAGE | SEARCH | DELETED,
        {"folder_id": INBOX, "message_id": before, "parent_folder_id": found},
    ) in await fetched(client)


# Whom they tell


@pytest.mark.spec("MS-OXCNOTIF_R52", "MS-OXCNOTIF_R53")
async def test_the_scope(client: Client, own_mailbox: Mailbox) -> None:
    (message,) = await append(own_mailbox, INBOX, "one")
    whole = await subscribe(client)
    inbox = await subscribe(client, EVERYTHING, INBOX)
    sent = await subscribe(client, EVERYTHING, SENT)
    own = await subscribe(client, EVERYTHING, INBOX, message)

    async def heard() -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for value in await client.fetch():
            slot = client.handles.index(value.notification_handle)
            found.setdefault(slot, []).append(value.notification_data.notification_flags)
        return found

    await append(own_mailbox, SENT, "read", is_read=True)
    created, counted = MESSAGE | CREATED, TOTAL | UNREAD | MODIFIED
    assert await heard() == {whole: [created, counted], sent: [created, counted]}
    await append(own_mailbox, INBOX, "read", is_read=True)
    assert await heard() == {whole: [created, counted], inbox: [created, counted]}
    await open_folder(client, INBOX)
    await client.value("SetReadFlags", client.last, want_asynchronous=0, read_flags=1, message_ids=[oid(message)])
    read = [MESSAGE | MODIFIED, UNREAD | MODIFIED]
    assert await heard() == {whole: read, inbox: read, own: read[:1]}
    await move(client, INBOX, SENT, message)
    found = await heard()
    assert found[own] == [MESSAGE | MOVED]
    assert found[inbox] == found[sent] == [MESSAGE | MOVED, counted]


async def test_a_subscription_to_nothing(client: Client, own_mailbox: Mailbox) -> None:
    """Neither the whole store nor a folder."""
    fields: dict[str, Any] = {"reserved": None, "want_whole_store": False, "folder_id": ObjectId(0, 0)}
    await client.value("RegisterNotification", notification_types=EVERYTHING, message_id=ObjectId(0, 0), **fields)
    await append(own_mailbox, INBOX, "new")
    assert await client.fetch() == []


async def test_other_sessions_hear_too(client: Client, own_mailbox: Mailbox, mailboxes: Mailboxes) -> None:
    others = [await another(client) for _ in range(3)]
    for other in others:
        await subscribe(other, NEW_MAIL)
    (message,) = await append(own_mailbox, INBOX, "new")
    for other in others:
        assert [fields["message_id"] for _, fields in await fetched(other)] == [message]
        await other.session.close()
    assert not mailboxes.hub.is_heard(own_mailbox.mailbox_id)


async def test_delegates_hear_of_what_they_may_see(client: Client, own_mailbox: Mailbox) -> None:
    delegate = await log_on_as(client, ANN)
    await grant(client, "inbox", ANN, Rights.ReadAny | Rights.FolderVisible)
    await subscribe(delegate)
    await append(own_mailbox, SENT, "secret")
    await append(own_mailbox, INBOX, "shared")
    assert [fields["folder_id"] for _, fields in await fetched(delegate)] == [INBOX] * 3
    scope = folder_scope(SENT)
    fields = {"notification_types": EVERYTHING, **scope}
    assert await delegate.error("RegisterNotification", **fields) == ErrorCode.AccessDenied
    await delegate.session.close()


# When they tell


@pytest.mark.spec("MS-OXCNOTIF_R8201001", "MS-OXCNOTIF_R335", "MS-OXCNOTIF_R348", "MS-OXCNOTIF_R337")
@pytest.mark.spec("MS-OXCNOTIF_R81002")
async def test_what_does_not_fit_is_pending(client: Client, own_mailbox: Mailbox) -> None:
    """An Execute without a ROP fetches: 24 bytes of a notification, 16 in a buffer of 0x190."""
    await subscribe(client, CREATED)
    ids = await append(own_mailbox, INBOX, *map(str, range(20)))
    await client.send(max_rop_out=0x190)
    assert client.is_pending
    assert len(client.payloads[0]) + 8 <= 0x190 < len(client.payloads[0]) + 8 + 26
    first = len(client.notified)
    assert 0 < first < 20
    assert client.session.notices
    await client.send(max_rop_out=0x190)
    assert not client.is_pending
    assert [value.notification_data.message_id.counter for value in client.notified] == ids


async def test_what_is_told_again_is_told_once(client: Client, own_mailbox: Mailbox) -> None:
    """The counts of a folder in the place of those before them."""
    await subscribe(client, MODIFIED)
    for number in range(5):
        await append(own_mailbox, INBOX, str(number))
    assert [fields["total_message_count"] for _, fields in await fetched(client)] == [5]


@pytest.mark.parametrize(("folder_id", "expected"), [(0, None), (INBOX, INBOX)])
async def test_a_client_that_never_fetches(
    client: Client, own_mailbox: Mailbox, folder_id: int, expected: int | None
) -> None:
    """What it is told in the end is that its folder has changed; new mail is still new mail."""
    everything = await subscribe(client, EVERYTHING, folder_id)
    mail = await subscribe(client, NEW_MAIL, folder_id)
    for start in range(0, MAXIMUM, 64):
        await append(own_mailbox, INBOX, *map(str, range(start, start + 64)))
    assert len(client.session.notices) <= MAXIMUM + 2
    found: dict[int, list[tuple[int, dict[str, Any]]]] = {}
    for value in await client.fetch():
        found.setdefault(client.handles.index(value.notification_handle), []).append(told(value))
    root = (await own_mailbox.special_folder("root")).folder_id
    assert found[everything] == [(MODIFIED, {"folder_id": expected or root, "tags": []})]
    assert {flags for flags, _ in found[mail]} == {MESSAGE | NEW_MAIL}
    await append(own_mailbox, INBOX, "again")
    assert len(await client.fetch()) == 4


async def test_a_session_that_is_closed_hears_nothing(client: Client, own_mailbox: Mailbox) -> None:
    other = await another(client)
    await subscribe(other)
    await other.session.close()
    await append(own_mailbox, INBOX, "late")
    assert not other.session.notices


async def test_nothing_is_told_of_a_rop_that_failed(client: Client, own_mailbox: Mailbox) -> None:
    await subscribe(client)
    await open_folder(client, SUBTREE)
    assert await client.error("CreateFolder", client.last, **creating("Inbox")) == ErrorCode.CollidingNames
    assert await client.fetch() == []


async def test_deliveries_in_order(client: Client, own_mailbox: Mailbox) -> None:
    await subscribe(client, CREATED | DELETED)
    ids = await fill(own_mailbox, INBOX, 3)
    await delete(client, INBOX, ids[0])
    assert [(flags & 0xFF, fields["message_id"]) for flags, fields in await fetched(client)] == [
        *((CREATED, message_id) for message_id in ids),
        (DELETED, ids[0]),
    ]
