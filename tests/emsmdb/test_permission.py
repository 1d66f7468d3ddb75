"""The permissions table and its changes (MS-OXCPERM)."""

from typing import Any

import pytest

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.permissions import EVERYTHING, Rights
from mapigw.store import folders
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import address_book_entry_id
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import Client
from tests.emsmdb.delegates import (
    ADD,
    ANN,
    BEN,
    BOARD,
    DN,
    MODIFY,
    REMOVE,
    STAFF,
    entry,
    folder,
    grant,
    granted,
    listed,
    log_on_as,
    modify,
    table,
)

REPLACE, FREE_BUSY = 1, 2
SIMPLE, DETAILED = int(Rights.FreeBusySimple), int(Rights.FreeBusyDetailed)
READER, EDITOR, OWNER = 0x401, 0x47B, 0x7FB


async def error(client: Client, slot: int, *entries: dict[str, Any], flags: int = 0) -> int:
    return await client.error("ModifyPermissions", slot, modify_flags=flags, permissions_data=list(entries))


async def member(client: Client, slot: int, name: str) -> int:
    """The PidTagMemberId of a name in the list."""
    return next(int(row[1]) for row in await listed(client, slot) if row[2] == name)


@pytest.fixture
async def ann(client: Client) -> Client:
    """A client of Ann, on Tom's mailbox."""
    return await log_on_as(client, ANN)


async def test_a_new_mailbox_grants_nothing_but_the_way_to_its_folders(client: Client) -> None:
    for key in ("inbox", "ipm_subtree", "freebusy_data", "contacts"):
        rows = await listed(client, await folder(client, key), flags=FREE_BUSY)
        assert rows == [[b"", 0, "", 0], [b"", -1, "Anonymous", 0]]
    root = await granted(client, await folder(client, "root"))
    assert root == {"": Rights.FolderVisible, "Anonymous": 0}
    assert await granted(client, await folder(client, "calendar"), flags=FREE_BUSY) == {"": SIMPLE, "Anonymous": 0}


@pytest.mark.spec(
    "MS-OXCPERM_R47", "MS-OXCPERM_R51", "MS-OXCPERM_R87", "MS-OXCPERM_R182", "MS-OXCPERM_R2014", "MS-OXCPERM_R115002"
)
async def test_somebody_is_added(client: Client, ann: Client) -> None:
    inbox = await folder(client, "inbox")
    await modify(client, inbox, entry(ADD, dn=ANN.legacy_dn, rights=READER))
    await modify(client, inbox, entry(ADD, dn=STAFF.legacy_dn, rights=EDITOR), entry(ADD, dn=BEN.legacy_dn, rights=1))
    rows = await listed(client, inbox)
    assert [row[2:] for row in rows] == [
        ["", 0],
        ["Anonymous", 0],
        ["Ann", READER],
        ["All staff", EDITOR],
        ["Ben", 0x001],
    ]
    assert rows[2][0] == address_book_entry_id(ANN.legacy_dn)
    assert rows[3][0] == address_book_entry_id(STAFF.legacy_dn, 1)
    assert len({row[1] for row in rows}) == len(rows)


@pytest.mark.spec("MS-OXCPERM_R1187", "MS-OXCPERM_R52")
async def test_an_entry_is_modified_by_its_id(client: Client, ann: Client) -> None:
    inbox = await folder(client, "inbox")
    await modify(client, inbox, entry(ADD, dn=ANN.legacy_dn, rights=READER), entry(ADD, dn=BEN.legacy_dn, rights=1))
    number = await member(client, inbox, "Ann")
    await modify(client, inbox, entry(MODIFY, member=number, rights=EDITOR), entry(MODIFY, member=0, rights=READER))
    assert await granted(client, inbox) == {"": READER, "Anonymous": 0, "Ann": EDITOR, "Ben": 1}
    assert await member(client, inbox, "Ann") == number


@pytest.mark.spec("MS-OXCPERM_R1188", "MS-OXCPERM_R186")
async def test_an_entry_is_removed_by_its_id(client: Client, ann: Client) -> None:
    inbox = await folder(client, "inbox")
    await modify(client, inbox, entry(ADD, dn=ANN.legacy_dn, rights=READER), entry(ADD, dn=BEN.legacy_dn, rights=1))
    number = await member(client, inbox, "Ann")
    await modify(client, inbox, entry(REMOVE, member=number))
    assert await granted(client, inbox) == {"": 0, "Anonymous": 0, "Ben": 1}
    await modify(client, inbox, entry(ADD, dn=ANN.legacy_dn, rights=READER))
    assert await member(client, inbox, "Ann") > number  # an id is never given again


async def test_the_default_and_the_anonymous_entry_cannot_be_removed(client: Client) -> None:
    root = await folder(client, "root")
    await modify(client, root, entry(MODIFY, member=-1, rights=READER))
    assert await granted(client, root) == {"": Rights.FolderVisible, "Anonymous": READER}
    await modify(client, root, entry(REMOVE, member=0), entry(REMOVE, member=-1))
    assert await granted(client, root) == {"": 0, "Anonymous": 0}


async def test_changes_of_somebody_who_is_not_in_the_list_are_ignored(client: Client, ann: Client) -> None:
    inbox = await folder(client, "inbox")
    await modify(
        client,
        inbox,
        entry(MODIFY, member=4711, rights=READER),
        entry(REMOVE, member=4712),
        entry(ADD, dn=ANN.legacy_dn, rights=READER),
    )
    assert await granted(client, inbox) == {"": 0, "Anonymous": 0, "Ann": READER}


@pytest.mark.spec("MS-OXCPERM_R1197", "MS-OXCPERM_R45")
async def test_replacing_leaves_the_default_entry(client: Client, ann: Client) -> None:
    inbox = await folder(client, "inbox")
    await modify(
        client,
        inbox,
        entry(ADD, dn=ANN.legacy_dn, rights=READER),
        entry(MODIFY, member=0, rights=0x400),
        entry(MODIFY, member=-1, rights=0x400),
    )
    await modify(client, inbox, entry(ADD, dn=BEN.legacy_dn, rights=EDITOR), flags=REPLACE)
    assert await granted(client, inbox) == {"": 0x400, "Anonymous": 0, "Ben": EDITOR}
    number = await member(client, inbox, "Ben")
    for other in (entry(MODIFY, member=number, rights=1), entry(REMOVE, member=number)):
        code = await error(client, inbox, entry(ADD, dn=ANN.legacy_dn, rights=1), other, flags=REPLACE)
        assert code == ErrorCode.InvalidParameter
    assert await granted(client, inbox) == {"": 0x400, "Anonymous": 0, "Ben": EDITOR}
    await modify(client, inbox, flags=REPLACE)
    assert await granted(client, inbox) == {"": 0x400, "Anonymous": 0}


async def test_the_list_of_the_calendar_is_copied_to_the_freebusy_data(client: Client, ann: Client) -> None:
    # as clients do it, with the default entry under its id (MS-OXCPERM 3.1.4.2)
    freebusy = await folder(client, "freebusy_data")
    await modify(
        client,
        freebusy,
        entry(ADD, member=0, rights=0x400 | SIMPLE),
        entry(ADD, dn=ANN.legacy_dn, rights=EDITOR | SIMPLE | DETAILED),
        flags=REPLACE | FREE_BUSY,
    )
    expected = {"": 0x400 | SIMPLE, "Anonymous": 0, "Ann": EDITOR | SIMPLE | DETAILED}
    assert await granted(client, freebusy, flags=FREE_BUSY) == expected


@pytest.mark.spec("MS-OXCPERM_R19", "MS-OXCPERM_R40")
async def test_freebusy_rights_count_with_the_flag(client: Client, ann: Client) -> None:
    calendar = await folder(client, "calendar")
    await modify(client, calendar, entry(ADD, dn=ANN.legacy_dn, rights=READER | SIMPLE), flags=FREE_BUSY)
    assert await granted(client, calendar, flags=FREE_BUSY) == {"": SIMPLE, "Anonymous": 0, "Ann": READER | SIMPLE}
    assert await granted(client, calendar) == {"": 0, "Anonymous": 0, "Ann": READER}
    number = await member(client, calendar, "Ann")
    await modify(client, calendar, entry(MODIFY, member=number, rights=EDITOR | SIMPLE | DETAILED), flags=FREE_BUSY)
    assert (await granted(client, calendar, flags=FREE_BUSY))["Ann"] == EDITOR | SIMPLE | DETAILED
    await modify(client, calendar, entry(MODIFY, member=number, rights=EDITOR), flags=FREE_BUSY)
    assert (await granted(client, calendar, flags=FREE_BUSY))["Ann"] == EDITOR
    # Without the flag the bits do not count, and what was said before stays.
    await modify(client, calendar, entry(MODIFY, member=number, rights=READER | SIMPLE | DETAILED))
    assert (await granted(client, calendar, flags=FREE_BUSY))["Ann"] == READER


async def test_freebusy_rights_on_the_calendar_follow_from_the_others_at_first(client: Client, ann: Client) -> None:
    calendar = await folder(client, "calendar")
    await modify(
        client, calendar, entry(ADD, dn=ANN.legacy_dn, rights=READER), entry(ADD, dn=BEN.legacy_dn, rights=0x400)
    )
    await modify(client, calendar, entry(MODIFY, member=-1, rights=READER))
    assert await granted(client, calendar, flags=FREE_BUSY) == {
        "": SIMPLE,
        "Anonymous": READER,
        "Ann": READER | SIMPLE | DETAILED,
        "Ben": 0x400 | SIMPLE,
    }
    await modify(client, calendar, entry(MODIFY, member=await member(client, calendar, "Ann"), rights=0x402))
    assert (await granted(client, calendar, flags=FREE_BUSY))["Ann"] == 0x402 | SIMPLE


async def test_other_folders_have_no_freebusy_rights(client: Client, ann: Client) -> None:
    inbox = await folder(client, "inbox")
    await modify(client, inbox, entry(ADD, dn=ANN.legacy_dn, rights=READER | SIMPLE | DETAILED), flags=FREE_BUSY)
    assert (await granted(client, inbox, flags=FREE_BUSY))["Ann"] == READER


@pytest.mark.spec("MS-OXCPERM_R1093")
async def test_only_flags_that_are_specified_are_stored(client: Client, ann: Client) -> None:
    calendar = await folder(client, "calendar")
    await modify(client, calendar, entry(ADD, dn=ANN.legacy_dn, rights=-1), flags=FREE_BUSY)
    assert (await granted(client, calendar, flags=FREE_BUSY))["Ann"] == EVERYTHING == 0x1FFB


async def test_adding_somebody_again_changes_the_entry(client: Client, ann: Client) -> None:
    inbox = await folder(client, "inbox")
    await modify(
        client,
        inbox,
        entry(ADD, dn=ANN.legacy_dn.upper(), rights=READER),
        entry(ADD, dn=ANN.legacy_dn.lower(), rights=EDITOR),
    )
    assert await granted(client, inbox) == {"": 0, "Anonymous": 0, "Ann": EDITOR}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (entry(0, dn=ANN.legacy_dn, rights=1), ErrorCode.InvalidParameter),
        (entry(ADD | MODIFY, dn=ANN.legacy_dn, rights=1), ErrorCode.InvalidParameter),
        (entry(8, dn=ANN.legacy_dn, rights=1), ErrorCode.InvalidParameter),
        (entry(ADD, dn=ANN.legacy_dn), ErrorCode.InvalidParameter),
        (entry(ADD, rights=1), ErrorCode.InvalidParameter),
        (entry(ADD, dn=ANN.legacy_dn, member=4711, rights=1), ErrorCode.InvalidParameter),
        (entry(MODIFY, dn=ANN.legacy_dn, rights=1), ErrorCode.InvalidParameter),
        (entry(MODIFY, member=0), ErrorCode.InvalidParameter),
        (entry(REMOVE), ErrorCode.InvalidParameter),
        (entry(ADD, dn=DN + "9-nobody", rights=1), ErrorCode.UnknownUser),
        (
            {"permission_data_flags": ADD, "property_values": [(0x0FFF0102, b"\1"), (tags.PidTagMemberRights, 1)]},
            ErrorCode.InvalidParameter,
        ),
    ],
)
async def test_a_bad_entry_undoes_the_good_ones(
    client: Client, ann: Client, bad: dict[str, Any], code: ErrorCode
) -> None:
    inbox = await folder(client, "inbox")
    assert await error(client, inbox, entry(ADD, dn=BEN.legacy_dn, rights=1), bad) == code
    assert await granted(client, inbox) == {"": 0, "Anonymous": 0}


async def test_unknown_flags_are_refused(client: Client) -> None:
    inbox = await folder(client, "inbox")
    assert await error(client, inbox, flags=4) == ErrorCode.InvalidParameter
    for flags in (0x01, 0x04, 0x40):
        code = await client.error("GetPermissionsTable", inbox, table_flags=flags)
        assert code == ErrorCode.InvalidParameter
    assert await client.error("GetPermissionsTable", 0, table_flags=0) == ErrorCode.NotSupported
    assert await error(client, 0) == ErrorCode.NotSupported


async def test_who_has_left_the_directory_stays_in_the_list(client: Client, ann: Client) -> None:
    inbox = await folder(client, "inbox")
    await modify(client, inbox, entry(ADD, dn=BOARD.legacy_dn, rights=READER))
    client.session.directory = (await log_on_as(client, ANN)).session.directory
    directory: Any = client.session.directory
    directory._groups = {}
    assert await granted(client, inbox) == {"": 0, "Anonymous": 0, "g2-board": READER}
    # Who replaces the list by what it was, or copies it, is not hindered by that.
    await modify(client, inbox, entry(ADD, dn=BOARD.legacy_dn, rights=EDITOR), flags=REPLACE)
    assert await granted(client, inbox) == {"": 0, "Anonymous": 0, "g2-board": EDITOR}


async def test_a_change_of_permissions_is_a_change_of_the_folder(client: Client, own_mailbox: Mailbox) -> None:
    inbox = await folder(client, "inbox")
    before = (await own_mailbox.special_folder("inbox")).change_number
    await modify(client, inbox, entry(MODIFY, member=0, rights=READER))
    assert (await own_mailbox.special_folder("inbox")).change_number > before


@pytest.mark.spec("MS-OXCPERM_R2007", "MS-OXCPERM_R103", "MS-OXCPERM_R1120")
async def test_the_list_is_for_those_who_see_the_folder(client: Client, ann: Client) -> None:
    await grant(client, "inbox", ANN, Rights.FolderVisible)
    inbox = await folder(ann, "inbox")
    assert await granted(ann, inbox) == {"": 0, "Anonymous": 0, "Ann": Rights.FolderVisible}
    opened = await table(ann, inbox)
    await grant(client, "inbox", ANN, Rights.Create)
    for slot in (opened, await table(ann, inbox)):
        code = await ann.error("QueryRows", slot, query_rows_flags=0, forward_read=True, row_count=10)
        assert code == 0x80070005  # AccessDenied


@pytest.mark.spec("MS-OXCPERM_R181", "MS-OXCPERM_R116001")
async def test_the_list_is_changed_by_owners_of_the_folder_alone(client: Client, ann: Client) -> None:
    await grant(client, "inbox", ANN, EVERYTHING & ~Rights.FolderOwner)
    inbox = await folder(ann, "inbox")
    code = await error(ann, inbox, entry(ADD, dn=ANN.legacy_dn, rights=OWNER))
    assert code == 0x80070005  # AccessDenied
    assert (await granted(client, await folder(client, "inbox")))["Ann"] == OWNER & ~Rights.FolderOwner
    await grant(client, "inbox", ANN, Rights.FolderOwner)
    await modify(ann, inbox, entry(ADD, dn=BEN.legacy_dn, rights=READER))
    assert (await granted(client, await folder(client, "inbox")))["Ben"] == READER


@pytest.mark.spec("MS-OXCPERM_R152", "MS-OXCPERM_R183")
async def test_there_is_no_security_descriptor_to_read(client: Client) -> None:
    inbox = await folder(client, "inbox")
    answer = await client.error("OpenStream", inbox, property_tag=0x0E6A001F, open_mode_flags=0)
    assert answer == 0x80040102  # ecNotImplemented of MS-OXCPERM 4.1
    assert client.payloads[0][2:8] == bytes.fromhex("2B 02 02 01 04 80")


async def test_a_folder_that_is_gone_has_no_list(client: Client, own_mailbox: Mailbox) -> None:
    made = await own_mailbox.create_folder((await own_mailbox.special_folder("inbox")).folder_id, "New")
    await client.value("OpenFolder", folder_id=ObjectId(1, made.folder_id), open_mode_flags=0)
    slot = client.last
    async with own_mailbox.database.write() as connection:
        await folders.update_folder(connection, own_mailbox.mailbox_id, made.folder_id, deleted=1)
    assert await client.error("GetPermissionsTable", slot, table_flags=0) == ErrorCode.ObjectDeleted
    assert await error(client, slot, entry(MODIFY, member=0, rights=1)) == ErrorCode.ObjectDeleted
