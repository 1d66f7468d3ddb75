"""Who may log on to whose mailbox, and what becomes of logons whose user or mailbox goes away."""

import dataclasses
from typing import Any, cast
from uuid import uuid4

import pytest

from mapigw.directory.directory import Directory
from mapigw.directory.model import Group, User
from mapigw.directory.passwords import Argon2Parameters, Passwords
from mapigw.emsmdb.registry import load_handlers
from mapigw.emsmdb.session import ConnectParameters, Session
from mapigw.mailbox.mailboxes import Mailboxes
from mapigw.mailbox.permissions import ChangeKind, PermissionChange, Rights, modify_permissions
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import address_book_entry_id
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import LOGON, Client, FakeDirectory
from tests.emsmdb.logons import OPEN_FLAGS, another_user, fields, log_on_as, new_client, permit

USE_ADMIN_PRIVILEGE = 0x01


@pytest.fixture
async def anna(mailboxes: Mailboxes, user: User) -> User:
    """A second user, with a mailbox."""
    return await another_user(mailboxes, user, "anna")


@pytest.fixture
def directory(mailboxes: Mailboxes) -> Directory:
    """A real one."""
    return Directory(mailboxes.database, passwords=Passwords(Argon2Parameters(1, 8, 1)))


def folder_of(value: Any, place: int) -> dict[str, Any]:
    """OpenFolder of a folder that RopLogon named."""
    return {"folder_id": value.folder_ids[place], "open_mode_flags": 0}


# Delegates


@pytest.mark.spec("MS-OXCSTOR_R1346", "MS-OXCSTOR_R3905", "MS-OXCSTOR_R3905001", "MS-OXCSTOR_R3146")
async def test_another_users_mailbox_needs_a_right_in_it(mailboxes: Mailboxes, user: User, anna: User) -> None:
    client = new_client(mailboxes, user, anna)
    assert await client.error("Logon", **fields(anna.legacy_dn)) == 0x3EB  # ecUnknownUser
    mailbox = await mailboxes.open(anna.mailbox_id)
    await permit(mailbox, "calendar", user.legacy_dn, Rights.ReadAny)
    value = await client.value("Logon", **fields(anna.legacy_dn))
    assert value.response_flags == 0x01  # neither owner nor send-as
    assert value.mailbox_guid == anna.mailbox_guid
    names = await client.properties(LOGON, tags.PidTagMailboxOwnerName, tags.PidTagMailboxOwnerEntryId)
    assert names == ["Anna", address_book_entry_id(anna.legacy_dn)]
    assert await client.properties(LOGON, tags.PidTagUserEntryId) == [address_book_entry_id(user.legacy_dn)]


async def test_a_group_has_its_members_log_on(mailboxes: Mailboxes, user: User, anna: User) -> None:
    group = Group(1, "team@bm.lan", "Team", "/o=bm/cn=Team", "bm.lan", ())
    mailbox = await mailboxes.open(anna.mailbox_id)
    await permit(mailbox, "inbox", group.legacy_dn, Rights.FolderVisible)
    load_handlers()
    for groups, code in (({user.legacy_dn: [group]}, 0), ({}, ErrorCode.UnknownUser)):
        directory = cast("Directory", FakeDirectory(user, anna, groups=groups))
        client = Client(Session(user, directory, mailboxes))
        (response,) = await client.send(client.request("Logon", **fields(anna.legacy_dn)))
        assert response.return_value == code


@pytest.mark.parametrize(("rights", "code"), [(Rights.ReadAny, 0), (Rights(0), ErrorCode.UnknownUser)])
async def test_what_everybody_may_is_enough(
    mailboxes: Mailboxes, user: User, anna: User, rights: Rights, code: int
) -> None:
    """A default entry lets everybody in; what is in a new mailbox's calendar and root from the beginning does not."""
    mailbox = await mailboxes.open(anna.mailbox_id)
    for special in ("root", "calendar", "notes"):
        folder = await mailbox.special_folder(special)
        granted = rights if special == "notes" else Rights.FolderVisible if special == "root" else Rights(0)
        change = PermissionChange(ChangeKind.MODIFY, member_id=0, rights=granted)
        await modify_permissions(mailbox, folder.folder_id, [change], replace=False, include_free_busy=False)
    client = new_client(mailboxes, user, anna)
    (response,) = await client.send(client.request("Logon", **fields(anna.legacy_dn)))
    assert response.return_value == code


async def test_a_delegate_does_not_change_the_store(mailboxes: Mailboxes, user: User, anna: User) -> None:
    await permit(await mailboxes.open(anna.mailbox_id), "inbox", user.legacy_dn, Rights.ReadAny)
    client = new_client(mailboxes, user, anna)
    value = await client.value("Logon", **fields(anna.legacy_dn))
    inbox = value.folder_ids[4]
    for name, extra in (
        ("SetProperties", {"property_values": [(tags.PidTagOutOfOfficeState, True)]}),
        ("DeleteProperties", {"property_tags": [tags.PidTagOutOfOfficeState]}),
        ("SetReceiveFolder", {"folder_id": inbox, "message_class": b"IPM.Mine"}),
        ("GetPerUserLongTermIds", {"database_guid": uuid4()}),
    ):
        assert await client.error(name, **extra) == ErrorCode.AccessDenied, name
    assert await client.properties(LOGON, tags.PidTagOutOfOfficeState) == [False]
    assert (await client.value("GetReceiveFolder", message_class=b"IPM.Mine")).explicit_message_class == b"IPM"


# Administrators


@pytest.mark.spec("MS-OXCSTOR_R72", "MS-OXCSTOR_R187", "MS-OXCSTOR_R188")
async def test_administrative_access(mailboxes: Mailboxes, user: User, anna: User) -> None:
    boss = dataclasses.replace(user, admin=True)
    asking = fields(anna.legacy_dn, open_flags=OPEN_FLAGS | USE_ADMIN_PRIVILEGE)
    client = new_client(mailboxes, boss, anna)
    assert await client.error("Logon", **fields(anna.legacy_dn)) == ErrorCode.UnknownUser
    value = await client.value("Logon", **asking)
    assert value.response_flags == 0x01 | 0x02  # owner, not send-as
    await client.value("OpenFolder", **folder_of(value, 4))
    await client.value("SetReceiveFolder", folder_id=value.folder_ids[4], message_class=b"IPM.Mine")
    for client in (new_client(mailboxes, user, anna), new_client(mailboxes, anna)):
        assert await client.error("Logon", **asking) == 0x80070005  # ecAccessDenied


async def test_a_session_with_administrative_privilege(mailboxes: Mailboxes, user: User, anna: User) -> None:
    """The flag of Connect (MS-OXCRPC 3.1.4.1), which only administrators are granted, is good for every logon."""
    client = new_client(mailboxes, dataclasses.replace(user, admin=True), anna, admin=True)
    assert (await client.value("Logon", **fields(anna.legacy_dn))).response_flags == 0x03
    assert (await client.value("Logon", **fields(user.legacy_dn))).response_flags == 0x07
    revoked = new_client(mailboxes, user, anna, admin=True)
    assert await revoked.error("Logon", **fields(anna.legacy_dn)) == ErrorCode.UnknownUser


# Two mailboxes in one session


async def test_two_mailboxes_side_by_side(mailboxes: Mailboxes, user: User, anna: User) -> None:
    """Releasing one logon, with everything under it, leaves the other."""
    await permit(await mailboxes.open(anna.mailbox_id), "inbox", user.legacy_dn, Rights.ReadAny)
    client = new_client(mailboxes, user, anna)
    await client.log_on()
    other = await log_on_as(client, 1, anna.legacy_dn)
    assert other.return_value == 0
    other_logon = client.last
    opened = client.request("OpenFolder", other_logon, **folder_of(other.value, 4))
    opened.logon_id = 1
    folder = client.last
    own = client.request("OpenFolder", LOGON, folder_id=ObjectId(1, 5), open_mode_flags=0)
    assert [response.return_value for response in await client.send(opened, own)] == [0, 0]
    assert not await client.send(client.request("Release", other_logon))
    assert list(client.session.logons) == [0]
    gone = client.request("GetPropertiesList", folder)
    gone.logon_id = 1
    kept = client.request("GetPropertiesList", client.last)
    assert [response.return_value for response in await client.send(gone, kept)] == [ErrorCode.InvalidObject, 0]
    # The other way round.
    assert (await log_on_as(client, 1, anna.legacy_dn)).return_value == 0
    other_logon = client.last
    assert not await client.send(client.request("Release", LOGON))
    table = client.request("GetReceiveFolderTable", other_logon)
    table.logon_id = 1
    assert [response.return_value for response in await client.send(table)] == [0]


# Users and mailboxes that go away


async def session_of(directory: Directory, mailboxes: Mailboxes, name: str, **parameters: Any) -> Client:
    load_handlers()
    user = await directory.by_address(f"{name}@bm.lan")
    assert user is not None
    return Client(Session(user, directory, mailboxes, ConnectParameters(**parameters)))


async def add_users(directory: Directory, *names: str) -> list[User]:
    return [await directory.add(f"{name}@bm.lan", "secret word", admin=name == "boss") for name in names]


@pytest.mark.parametrize("how", ["disabled", "removed"])
async def test_a_user_who_goes_away_has_no_logon_any_more(mailboxes: Mailboxes, directory: Directory, how: str) -> None:
    """Symptom: a disabled user goes on reading until Outlook is closed."""
    await add_users(directory, "eve")
    client = await session_of(directory, mailboxes, "eve")
    await client.log_on()
    await client.value("OpenFolder", folder_id=ObjectId(1, 5), open_mode_flags=0)
    folder = client.last
    if how == "disabled":
        await directory.set_enabled("eve@bm.lan", False)
    else:
        await directory.remove("eve@bm.lan")
    assert await client.error("GetPropertiesList", folder) == ErrorCode.InvalidObject
    assert await client.error("GetReceiveFolderTable") == ErrorCode.InvalidObject
    assert client.session.logons == {}
    assert await client.error("Logon", **fields(client.session.user.legacy_dn)) == ErrorCode.UnknownUser


@pytest.mark.parametrize("how", ["disabled", "removed"])
async def test_a_mailbox_that_goes_away_under_others(mailboxes: Mailboxes, directory: Directory, how: str) -> None:
    """Its logons end; the others' own mailboxes stay open."""
    _, eve = await add_users(directory, "boss", "eve")
    client = await session_of(directory, mailboxes, "boss", admin=True)
    await client.log_on()
    assert (await log_on_as(client, 1, eve.legacy_dn)).return_value == 0
    logon = client.last
    if how == "disabled":
        await directory.set_enabled("eve@bm.lan", False)
    else:
        await directory.remove("eve@bm.lan")
    lost = client.request("GetReceiveFolderTable", logon)
    lost.logon_id = 1
    own = client.request("GetReceiveFolderTable", LOGON)
    assert [response.return_value for response in await client.send(lost, own)] == [ErrorCode.InvalidObject, 0]
    assert (await log_on_as(client, 1, eve.legacy_dn)).return_value == ErrorCode.UnknownUser


async def test_who_is_no_administrator_any_more(mailboxes: Mailboxes, directory: Directory) -> None:
    _, eve = await add_users(directory, "boss", "eve")
    client = await session_of(directory, mailboxes, "boss")
    response = await log_on_as(client, 1, eve.legacy_dn, open_flags=OPEN_FLAGS | USE_ADMIN_PRIVILEGE)
    assert response.return_value == 0
    await directory.set_admin("boss@bm.lan", False)
    await client.log_on()
    assert list(client.session.logons) == [0]


async def test_somebody_disabled_cannot_log_on_anywhere(mailboxes: Mailboxes, directory: Directory) -> None:
    _, eve = await add_users(directory, "boss", "eve")
    client = await session_of(directory, mailboxes, "boss", admin=True)
    await directory.set_enabled("boss@bm.lan", False)
    assert await client.error("Logon", **fields(eve.legacy_dn)) == ErrorCode.MailboxDisabled


async def test_a_mailbox_deleted_in_the_same_moment(mailboxes: Mailboxes, user: User) -> None:
    """The directory still has the user; a clear error instead of a failure."""
    client = new_client(mailboxes, user)
    await client.log_on()
    async with mailboxes.database.write() as connection:
        for table in ("folder", "receive_folder", "mailbox"):
            await connection.exec_driver_sql(f"DELETE FROM {table}")
    assert await client.error("GetPropertiesList") == ErrorCode.UnknownUser
    assert await client.error("Logon", **fields(user.legacy_dn)) == ErrorCode.UnknownUser
    assert await client.error("GetReceiveFolderTable") == ErrorCode.NoReceiveFolder
