"""A mailbox that several people use: what each right allows, and what becomes of sessions when rights change."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from mapigw.directory.directory import Directory
from mapigw.directory.model import MailboxKind, User
from mapigw.emsmdb.access import AccessRecord
from mapigw.emsmdb.registry import load_handlers
from mapigw.emsmdb.session import Session
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.permissions import Right, Rights
from mapigw.mailbox.special_folders import LOGON_FOLDERS
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.delegates import ADD, entry
from tests.emsmdb.folders import creating, oid
from tests.emsmdb.logons import OPEN_FLAGS, fields, log_on_as, permit
from tests.emsmdb.messages import create, creation, open_folder, saved
from tests.emsmdb.replica import Replica
from tests.emsmdb.uploads import LAPTOP

DENIED = ErrorCode.AccessDenied


@pytest.fixture
def directory(mailboxes: Mailboxes) -> Directory:
    return Directory(mailboxes.database)


@pytest.fixture
async def tom(directory: Directory) -> User:
    return await directory.add("tom@bm.lan", None)


@pytest.fixture
async def info(directory: Directory) -> User:
    return await directory.add_mailbox("info@bm.lan", MailboxKind.SHARED)


@pytest.fixture
async def shared(mailboxes: Mailboxes, info: User) -> Mailbox:
    return await mailboxes.open(info.mailbox_id)


@pytest.fixture
async def letter(shared: Mailbox) -> int:
    """A message in the inbox of the shared mailbox."""
    inbox = (await shared.special_folder("inbox")).folder_id
    (message_id,) = await shared.append(inbox, [NewMessage(Message({tags.PidTagSubject: "A letter"}, [], []))])
    return message_id


@pytest.fixture
def audited() -> list[AccessRecord]:
    return []


@pytest.fixture
async def client(
    mailboxes: Mailboxes, directory: Directory, tom: User, audited: list[AccessRecord]
) -> AsyncIterator[Client]:
    """Tom's, without a logon."""
    load_handlers()
    session = Session(tom, directory, mailboxes, audit=audited.append)
    yield Client(session)
    await session.close()


async def status(client: Client, name: str, slot: int = LOGON, **values: Any) -> int:
    (response,) = await client.send(client.request(name, slot, **values))
    return response.return_value


async def opened_inbox(client: Client, info: User) -> int:
    assert await status(client, "Logon", **fields(info.legacy_dn)) == 0
    return await open_folder(client, "inbox")


def letter_fields(client: Client, folder_id: int, message_id: int, mode: int) -> dict[str, Any]:
    return {"code_page_id": 0xFFF, "folder_id": oid(folder_id), "open_mode_flags": mode, "message_id": oid(message_id)}


# What each right allows


async def test_a_reader_sees_everything_and_changes_nothing(
    client: Client, directory: Directory, tom: User, info: User, shared: Mailbox, letter: int
) -> None:
    await directory.sharing.grant(info, tom, Right.READ)
    value = await client.value("Logon", **fields(info.legacy_dn))
    assert (value.mailbox_guid, value.response_flags) == (info.mailbox_guid, 0x01)
    for key, folder_id in zip(LOGON_FOLDERS, value.folder_ids, strict=True):
        assert await status(client, "OpenFolder", folder_id=folder_id, open_mode_flags=0) == 0, key
    inbox = (await shared.special_folder("inbox")).folder_id
    slot = await open_folder(client, "inbox")
    assert await client.properties(slot, tags.PidTagAccess) == [0x02]
    assert await status(client, "OpenMessage", **letter_fields(client, inbox, letter, 0)) == 0
    message = client.last
    assert await client.properties(message, tags.PidTagSubject) == ["A letter"]
    assert await status(client, "OpenMessage", **letter_fields(client, inbox, letter, 1)) == DENIED
    assert await status(client, "CreateMessage", **creation(inbox)) == DENIED
    assert await status(client, "CreateFolder", slot, **creating("New")) == DENIED
    assert await status(client, "ModifyRules", slot, modify_rules_flags=0, rules_data=[]) == DENIED
    given = entry(ADD, dn=tom.legacy_dn, rights=int(Rights.FolderOwner))
    assert await status(client, "ModifyPermissions", slot, modify_flags=0, permissions_data=[given]) == DENIED
    comment = [(tags.PidTagComment, "Mine")]
    assert await status(client, "SetProperties", slot, property_values=comment) == DENIED
    assert await status(client, "SetProperties", property_values=[(tags.PidTagOutOfOfficeState, True)]) == DENIED
    delete: dict[str, Any] = {"want_asynchronous": 0, "notify_non_read": 0, "message_ids": [oid(letter)]}
    assert await status(client, "DeleteMessages", slot, **delete) == DENIED
    assert await shared.message(letter) is not None


async def test_a_writer_does_everything_but_give_rights(
    client: Client, directory: Directory, tom: User, info: User, shared: Mailbox, letter: int
) -> None:
    await directory.sharing.grant(info, tom, Right.WRITE)
    value = await client.value("Logon", **fields(info.legacy_dn))
    assert value.response_flags == 0x01 | 0x02 | 0x04
    inbox = (await shared.special_folder("inbox")).folder_id
    assert await status(client, "OpenMessage", **letter_fields(client, inbox, letter, 1)) == 0
    message_id = await saved(client, {tags.PidTagSubject: "New"}, key="inbox")
    row = await shared.message(message_id)
    assert row is not None
    assert row.subject == "New"
    slot = await open_folder(client, "inbox")
    assert await status(client, "SetProperties", slot, property_values=[(tags.PidTagComment, "Ours")]) == 0
    delete: dict[str, Any] = {"want_asynchronous": 0, "notify_non_read": 0, "message_ids": [oid(letter)]}
    assert not (await client.value("DeleteMessages", slot, **delete)).partial_completion
    assert await shared.message(letter) is None
    given = entry(ADD, dn=tom.legacy_dn, rights=int(Rights.FolderOwner))
    assert await status(client, "ModifyPermissions", slot, modify_flags=0, permissions_data=[given]) == DENIED
    await permit(shared, "inbox", tom.legacy_dn, Rights.FolderOwner)  # what Outlook has set adds to it
    eva = await directory.add("eva@bm.lan", None)
    given = entry(ADD, dn=eva.legacy_dn, rights=int(Rights.ReadAny))
    assert await status(client, "ModifyPermissions", slot, modify_flags=0, permissions_data=[given]) == 0
    drafts = await open_folder(client, "drafts")
    assert await status(client, "ModifyPermissions", drafts, modify_flags=0, permissions_data=[given]) == DENIED


async def test_a_manager_gives_rights(client: Client, directory: Directory, tom: User, info: User) -> None:
    await directory.sharing.grant(info, tom, Right.MANAGE)
    slot = await opened_inbox(client, info)
    eva = await directory.add("eva@bm.lan", None)
    given = entry(ADD, dn=eva.legacy_dn, rights=int(Rights.ReadAny))
    assert await status(client, "ModifyPermissions", slot, modify_flags=0, permissions_data=[given]) == 0


async def test_permissions_on_folders_add_to_a_readers(
    client: Client, directory: Directory, tom: User, info: User, shared: Mailbox
) -> None:
    await directory.sharing.grant(info, tom, Right.READ)
    await permit(shared, "drafts", tom.legacy_dn, Rights.Create)
    assert await status(client, "Logon", **fields(info.legacy_dn)) == 0
    await create(client, {tags.PidTagSubject: "Mine"}, key="drafts")
    slot = await open_folder(client, "drafts")
    assert await client.properties(slot, tags.PidTagAccess) == [0x02 | 0x10 | 0x20]


# Logons that are refused


@pytest.mark.parametrize("flags", [{}, {"open_flags": OPEN_FLAGS & ~0x01000000}, {"open_flags": OPEN_FLAGS | 1}])
async def test_no_right_looks_as_no_mailbox(
    client: Client, directory: Directory, info: User, audited: list[AccessRecord], flags: dict[str, int]
) -> None:
    """Whatever else is asked: nobody learns which mailboxes there are."""
    await client.log_on()
    other = await directory.add_mailbox("off@bm.lan", MailboxKind.SHARED)
    await directory.set_enabled("off@bm.lan", False)
    far = await directory.add_mailbox("far@else.example", MailboxKind.SHARED)
    names = (info.legacy_dn, "/o=bm/cn=nobody", other.legacy_dn, far.legacy_dn)
    answers = [await log_on_as(client, 1, dn, **flags) for dn in names]
    assert len({answer.return_value for answer in answers}) == 1
    assert answers[0].return_value == (DENIED if flags.get("open_flags", 0) & 1 else ErrorCode.UnknownUser)
    assert audited == [
        AccessRecord("tom@bm.lan", mailbox, "none", allowed=False)
        for mailbox in ("info@bm.lan", "/o=bm/cn=nobody", "off@bm.lan", "far@else.example")
    ]


async def test_every_logon_to_another_mailbox_is_audited(
    client: Client, directory: Directory, tom: User, info: User, shared: Mailbox, audited: list[AccessRecord]
) -> None:
    await client.log_on()
    assert audited == []
    await permit(shared, "inbox", tom.legacy_dn, Rights.ReadAny)
    assert (await log_on_as(client, 1, info.legacy_dn)).return_value == 0
    for right in (Right.READ, Right.WRITE, Right.MANAGE):
        await directory.sharing.grant(info, tom, right)
        assert (await log_on_as(client, 1, info.legacy_dn)).return_value == 0
    await directory.set_admin("tom@bm.lan", True)
    assert (await log_on_as(client, 1, info.legacy_dn, open_flags=OPEN_FLAGS | 1)).return_value == 0
    rights = [record.right for record in audited]
    assert rights == ["folder permissions", "read", "write", "manage", "administrator"]
    assert {(record.user, record.mailbox, record.allowed) for record in audited} == {
        ("tom@bm.lan", "info@bm.lan", True)
    }


# Rights that change


@pytest.mark.parametrize("before", [Right.READ, Right.WRITE, Right.MANAGE])
async def test_a_right_that_is_taken_back_ends_the_logon(
    client: Client, directory: Directory, tom: User, info: User, before: Right
) -> None:
    """At the next request, with everything that was opened; the own mailbox stays open."""
    await directory.sharing.grant(info, tom, before)
    await client.log_on()
    assert (await log_on_as(client, 1, info.legacy_dn)).return_value == 0
    slot = client.last
    await directory.sharing.revoke(info, tom.legacy_dn)
    lost = client.request("GetReceiveFolderTable", slot)
    lost.logon_id = 1
    own = client.request("GetReceiveFolderTable", LOGON)
    assert [answer.return_value for answer in await client.send(lost, own)] == [ErrorCode.InvalidObject, 0]
    assert (await log_on_as(client, 1, info.legacy_dn)).return_value == ErrorCode.UnknownUser


async def test_a_smaller_right_ends_the_logon_and_a_larger_one_counts_at_once(
    client: Client, directory: Directory, tom: User, info: User, shared: Mailbox
) -> None:
    inbox = oid((await shared.special_folder("inbox")).folder_id)
    await directory.sharing.grant(info, tom, Right.READ)
    slot = await opened_inbox(client, info)
    assert await status(client, "CreateMessage", **creation(inbox.counter)) == DENIED
    await directory.sharing.grant(info, tom, Right.WRITE)
    assert await status(client, "CreateMessage", **creation(inbox.counter)) == 0
    draft = client.last
    await directory.sharing.grant(info, tom, Right.READ)
    assert await status(client, "SaveChangesMessage", slot, message_handle_index=draft, save_flags=0x0A)
    assert client.session.logons == {}
    assert await opened_inbox(client, info)


async def test_who_leaves_the_group_loses_what_it_has(
    client: Client, directory: Directory, tom: User, info: User, shared: Mailbox
) -> None:
    staff = await directory.add_group("staff@bm.lan")
    await directory.add_member("staff@bm.lan", "tom@bm.lan")
    await directory.sharing.grant(info, staff, Right.WRITE)
    await opened_inbox(client, info)
    await directory.remove_member("staff@bm.lan", "tom@bm.lan")
    assert await status(client, "GetReceiveFolderTable") == ErrorCode.InvalidObject
    assert await status(client, "Logon", **fields(info.legacy_dn)) == ErrorCode.UnknownUser
    # So does a logon by what the group may do with a folder.
    await directory.sharing.revoke(info, staff.legacy_dn)
    await permit(shared, "inbox", staff.legacy_dn, Rights.ReadAny)
    await directory.add_member("staff@bm.lan", "tom@bm.lan")
    await opened_inbox(client, info)
    await directory.remove_member("staff@bm.lan", "tom@bm.lan")
    assert await status(client, "GetReceiveFolderTable") == ErrorCode.InvalidObject


async def test_what_a_writer_has_made_gives_no_right_on_it(
    client: Client, directory: Directory, tom: User, info: User, shared: Mailbox
) -> None:
    """A delegate who makes a folder becomes its owner; who writes by a right on the mailbox keeps nothing."""
    await directory.sharing.grant(info, tom, Right.WRITE)
    slot = await opened_inbox(client, info)
    made = (await client.value("CreateFolder", slot, **creating("New"))).folder_id
    await directory.sharing.revoke(info, tom.legacy_dn)
    await permit(shared, "drafts", tom.legacy_dn, Rights.ReadAny)
    assert await status(client, "Logon", **fields(info.legacy_dn)) == 0
    assert await status(client, "OpenFolder", folder_id=made, open_mode_flags=0)


async def test_folders_come_and_go_with_the_right(
    client: Client, directory: Directory, tom: User, info: User, shared: Mailbox
) -> None:
    """What leaves the scope is deleted from a client's copy, and what comes into it arrives, unchanged as it is."""
    replica = Replica(client, LAPTOP, shared.replica_guid)
    root = (await shared.special_folder("root")).folder_id
    inbox = (await shared.special_folder("inbox")).folder_id
    everything = {row.folder_id for row in await shared.folders()} - {root}
    await permit(shared, "inbox", tom.legacy_dn, Rights.ReadAny)
    have: set[int] = set()

    async def synchronize() -> None:
        assert await status(client, "Logon", **fields(info.legacy_dn)) == 0
        client.handles[LOGON] = next(iter(client.session.logons.values())).handle
        delta = await replica.download_hierarchy(root)
        have.difference_update(delta.deleted)
        have.update(ObjectId.from_integer(change.values[tags.PidTagFolderId]).counter for change in delta.changes)

    await synchronize()
    assert inbox in have
    assert len(have) < len(everything)
    few = set(have)
    for right in (Right.WRITE, Right.READ, Right.MANAGE):
        await directory.sharing.grant(info, tom, right)
        await synchronize()
        assert have >= everything - {root}, right
        await directory.sharing.revoke(info, tom.legacy_dn)
        await synchronize()
        assert have == few, right
