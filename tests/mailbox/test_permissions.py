"""Who may do what with a folder (MS-OXCPERM 2.2.7, 3.2.4.1)."""

import pytest

from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NotFoundError
from mapigw.mailbox.permissions import (
    CREATOR_RIGHTS,
    EVERYTHING,
    NOTHING,
    Access,
    Accessor,
    ChangeKind,
    PermissionChange,
    Rights,
    effective_rights,
    folder_access,
    folder_permissions,
    inherit_permissions,
    is_creator,
    message_access,
    modify_permissions,
)
from mapigw.store.database import Database
from mapigw.wire.entryids import address_book_entry_id

ANN = Accessor(frozenset({"/cn=ann", "/cn=staff", "/cn=board"}), is_owner=False)
BEN = Accessor(frozenset({"/cn=ben"}), is_owner=False)
TOM = Accessor(frozenset({"/cn=tom"}), is_owner=True)
READER = Rights.ReadAny | Rights.FolderVisible


async def special(mailbox: Mailbox, key: str) -> int:
    return (await mailbox.special_folder(key)).folder_id


async def grant(mailbox: Mailbox, folder_id: int, **rights: Rights) -> None:
    """Give everybody named the rights; ``default`` is the default entry."""
    changes = [
        PermissionChange(ChangeKind.MODIFY, member_id=0, rights=value)
        if name == "default"
        else PermissionChange(ChangeKind.ADD, legacy_dn=f"/cn={name}", rights=value)
        for name, value in rights.items()
    ]
    await modify_permissions(mailbox, folder_id, changes, replace=False, include_free_busy=True)


@pytest.mark.spec("MS-OXCPERM_R176", "MS-OXCPERM_R2016")
async def test_who_is_not_in_the_list_has_the_default_rights(mailbox: Mailbox) -> None:
    inbox = await special(mailbox, "inbox")
    assert await effective_rights(mailbox, BEN, inbox) == NOTHING
    await grant(mailbox, inbox, default=READER, ann=Rights.Create)
    assert await effective_rights(mailbox, BEN, inbox) == READER
    assert await effective_rights(mailbox, ANN, inbox) == Rights.Create  # and not the default rights as well


@pytest.mark.spec("MS-OXCPERM_R175")
async def test_rights_of_a_user_and_its_groups_are_taken_together(mailbox: Mailbox) -> None:
    inbox = await special(mailbox, "inbox")
    await grant(mailbox, inbox, staff=Rights.Create, default=READER)
    assert await effective_rights(mailbox, ANN, inbox) == Rights.Create
    await grant(mailbox, inbox, ann=Rights.FolderVisible, board=Rights.DeleteOwned, others=EVERYTHING)
    assert await effective_rights(mailbox, ANN, inbox) == Rights.Create | Rights.FolderVisible | Rights.DeleteOwned


async def test_an_entry_without_rights_keeps_the_default_ones_away(mailbox: Mailbox) -> None:
    inbox = await special(mailbox, "inbox")
    await grant(mailbox, inbox, default=READER, ben=NOTHING)
    assert await effective_rights(mailbox, BEN, inbox) == NOTHING


async def test_the_owner_may_do_everything(mailbox: Mailbox) -> None:
    inbox = await special(mailbox, "inbox")
    await grant(mailbox, inbox, tom=NOTHING)
    assert await effective_rights(mailbox, TOM, inbox) == EVERYTHING


async def test_everybody_finds_the_way_from_the_root_folder(mailbox: Mailbox) -> None:
    # Outlook reads the entry id of a shared calendar there.
    assert await effective_rights(mailbox, BEN, await special(mailbox, "root")) == Rights.FolderVisible
    assert await effective_rights(mailbox, BEN, await special(mailbox, "calendar")) == Rights.FreeBusySimple


@pytest.mark.parametrize(
    ("given", "implied"),
    [
        (Rights.ReadAny, Rights.FolderVisible),
        (Rights.FolderOwner, Rights.FolderVisible),
        (Rights.EditAny, Rights.EditOwned),
        (Rights.DeleteAny, Rights.DeleteOwned),
    ],
)
async def test_what_a_client_must_set_along_counts_as_set(mailbox: Mailbox, given: Rights, implied: Rights) -> None:
    inbox = await special(mailbox, "inbox")
    await grant(mailbox, inbox, ben=given)
    assert await effective_rights(mailbox, BEN, inbox) == given | implied


async def test_owning_a_folder_is_no_right_on_its_messages(mailbox: Mailbox) -> None:
    inbox = await special(mailbox, "inbox")
    await grant(mailbox, inbox, ben=Rights.FolderOwner)
    rights = await effective_rights(mailbox, BEN, inbox)
    assert message_access(rights, is_creator=False) == Access(0)
    assert folder_access(rights) == Access.Modify | Access.Delete | Access.Read


def test_access_to_a_folder() -> None:
    assert folder_access(EVERYTHING) == 0x3F
    assert folder_access(NOTHING) == 0
    assert folder_access(READER) == Access.Read
    assert folder_access(Rights.CreateSubFolder) == Access.CreateHierarchy
    assert folder_access(Rights.Create) == Access.CreateContents | Access.CreateAssociated


def test_access_to_a_message() -> None:
    assert message_access(EVERYTHING, is_creator=False) == Access.Modify | Access.Read | Access.Delete
    assert message_access(NOTHING, is_creator=False) == Access(0)
    assert message_access(NOTHING, is_creator=True) == Access.Read
    owned = Rights.EditOwned | Rights.DeleteOwned
    assert message_access(owned, is_creator=False) == Access(0)
    assert message_access(owned, is_creator=True) == Access.Modify | Access.Read | Access.Delete
    assert message_access(Rights.EditAny, is_creator=False) == Access.Modify
    assert message_access(Rights.DeleteAny, is_creator=False) == Access.Delete
    assert message_access(READER, is_creator=False) == Access.Read


def test_a_message_is_its_creators() -> None:
    assert is_creator(BEN, address_book_entry_id("/CN=Ben"))
    assert not is_creator(BEN, address_book_entry_id("/cn=ann"))
    assert not is_creator(BEN, None)
    assert not is_creator(BEN, b"\1\2\3")


async def test_another_process_counts_a_change_at_once(mailbox: Mailbox, database: Database) -> None:
    inbox = await special(mailbox, "inbox")
    elsewhere = await Mailboxes(database).open(mailbox.mailbox_id)
    assert await effective_rights(elsewhere, BEN, inbox) == NOTHING
    await grant(mailbox, inbox, ben=READER)
    assert await effective_rights(elsewhere, BEN, inbox) == READER
    await modify_permissions(mailbox, inbox, [], replace=True, include_free_busy=False)
    assert await effective_rights(elsewhere, BEN, inbox) == NOTHING


async def test_a_folder_made_elsewhere_is_found(mailbox: Mailbox, database: Database) -> None:
    inbox = await special(mailbox, "inbox")
    await grant(mailbox, inbox, ben=READER)
    assert await effective_rights(mailbox, BEN, inbox) == READER
    elsewhere = await Mailboxes(database).open(mailbox.mailbox_id)
    new = await elsewhere.create_folder(inbox, "New")
    async with database.write() as connection:
        await inherit_permissions(connection, mailbox.mailbox_id, inbox, new.folder_id)
    assert await effective_rights(mailbox, BEN, new.folder_id) == READER


async def test_known_rights_cost_no_query(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = await special(mailbox, "inbox")
    await grant(mailbox, inbox, ben=READER)
    await effective_rights(mailbox, BEN, inbox)

    def fail(database: Database) -> None:
        raise AssertionError("asked the database")

    monkeypatch.setattr(Database, "read", fail)
    monkeypatch.setattr(Database, "snapshot", fail)
    assert await effective_rights(mailbox, BEN, inbox) == READER


async def test_a_new_folder_has_its_parents_permissions(mailbox: Mailbox, database: Database) -> None:
    calendar = await special(mailbox, "calendar")
    await grant(mailbox, calendar, ben=READER | Rights.FreeBusyDetailed, default=Rights.FolderVisible)
    new = await mailbox.create_folder(calendar, "New")
    async with database.write() as connection:
        await inherit_permissions(connection, mailbox.mailbox_id, calendar, new.folder_id)
    rows = [(row.legacy_dn, row.rights) for row in await folder_permissions(mailbox, new.folder_id)]
    assert rows == [("", Rights.FolderVisible), ("", 0), ("/cn=ben", READER)]
    # What is inherited is a copy.
    await grant(mailbox, calendar, ben=NOTHING)
    assert await effective_rights(mailbox, BEN, new.folder_id) == READER


async def test_who_makes_a_folder_in_anothers_mailbox_owns_it(mailbox: Mailbox, database: Database) -> None:
    inbox = await special(mailbox, "inbox")
    await grant(mailbox, inbox, ben=Rights.CreateSubFolder | Rights.FolderVisible)
    new = await mailbox.create_folder(inbox, "New")
    async with database.write() as connection:
        await inherit_permissions(connection, mailbox.mailbox_id, inbox, new.folder_id, creator="/cn=Ben")
    assert await effective_rights(mailbox, BEN, new.folder_id) == CREATOR_RIGHTS
    assert len(await folder_permissions(mailbox, new.folder_id)) == 3


async def test_a_missing_folder_has_no_list_to_change(mailbox: Mailbox) -> None:
    with pytest.raises(NotFoundError):
        await grant(mailbox, 4711, ben=READER)
