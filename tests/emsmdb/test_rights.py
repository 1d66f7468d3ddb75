"""What each right lets another user do with a folder, ROP by ROP (MS-OXCPERM 2.2.7, 3.2.4.1)."""

from dataclasses import dataclass
from typing import Any

import pytest

from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.permissions import EVERYTHING, Rights
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.delegates import ANN, BEN, STAFF, entry, folder, grant, log_on_as, modify

READ_WRITE, BEST_ACCESS, READ_ONLY = 1, 3, 0
SEE = Rights.FolderVisible
READ = Rights.ReadAny | SEE
DENIED = ErrorCode.AccessDenied


@dataclass
class Place:
    """An Inbox in which the owner and Ann have each created a message."""

    owner: Client
    ann: Client
    mailbox: Mailbox
    folder_id: int
    theirs: int
    own: int

    async def allow(self, rights: Rights) -> int:
        """Let Ann have exactly these rights; the slot of the folder, which she has opened before."""
        await grant(self.owner, "inbox", ANN, SEE)
        slot = await folder(self.ann, "inbox")
        await grant(self.owner, "inbox", ANN, rights)
        return slot

    async def exists(self, message_id: int) -> bool:
        return await self.mailbox.message(message_id) is not None

    async def subject(self, message_id: int) -> str:
        """As it is stored."""
        slot = await opened(self.owner, self.folder_id, message_id)
        (value,) = await self.owner.properties(slot, tags.PidTagSubject)
        return str(value)


async def opened(client: Client, folder_id: int, message_id: int, mode: int = READ_ONLY) -> int:
    await client.value("OpenMessage", **message_fields(folder_id, message_id, mode))
    return client.last


def message_fields(folder_id: int, message_id: int, mode: int) -> dict[str, Any]:
    return {
        "code_page_id": 0x0FFF,
        "folder_id": ObjectId(1, folder_id),
        "message_id": ObjectId(1, message_id),
        "open_mode_flags": mode,
    }


async def status(client: Client, name: str, slot: int = LOGON, **fields: Any) -> int:
    """The ReturnValue of one ROP."""
    (response,) = await client.send(client.request(name, slot, **fields))
    return response.return_value


async def created(client: Client, folder_id: int, subject: str, *, associated: bool = False) -> int:
    """A message that a client creates and saves; its id."""
    await client.value(
        "CreateMessage", code_page_id=0x0FFF, folder_id=ObjectId(1, folder_id), associated_flag=associated
    )
    slot = client.last
    await client.value("SetProperties", slot, property_values=[(tags.PidTagSubject, subject)])
    saved = await client.value("SaveChangesMessage", slot, save_flags=0, response_handle_index=slot)
    return int(saved.message_id.counter)


@pytest.fixture
async def place(client: Client, own_mailbox: Mailbox) -> Place:
    inbox = (await own_mailbox.special_folder("inbox")).folder_id
    ann = await log_on_as(client, ANN)
    await grant(client, "inbox", ANN, Rights.Create)
    theirs = await created(client, inbox, "Theirs")
    return Place(client, ann, own_mailbox, inbox, theirs, await created(ann, inbox, "Own"))


async def read(place: Place, message_id: int) -> int:
    return await status(place.ann, "OpenMessage", **message_fields(place.folder_id, message_id, READ_ONLY))


async def edit(place: Place, message_id: int) -> int:
    """Whether a change of the message arrives: 0, or the first error on the way."""
    code = await status(place.ann, "OpenMessage", **message_fields(place.folder_id, message_id, READ_WRITE))
    if code:
        assert await place.subject(message_id) in {"Theirs", "Own"}
        return code
    slot = place.ann.last
    await place.ann.value("SetProperties", slot, property_values=[(tags.PidTagSubject, "Changed")])
    await place.ann.value("SaveChangesMessage", slot, save_flags=0, response_handle_index=slot)
    assert await place.subject(message_id) == "Changed"
    return 0


async def delete(place: Place, slot: int, message_id: int, name: str = "DeleteMessages") -> int:
    (response,) = await place.ann.send(
        place.ann.request(
            name, slot, want_asynchronous=False, notify_non_read=False, message_ids=[ObjectId(1, message_id)]
        )
    )
    if response.return_value:
        return response.return_value
    if response.value.partial_completion:
        return DENIED
    return 0


async def shown(place: Place, slot: int) -> dict[int, int]:
    """PidTagAccess of what the contents table shows to Ann, by message id."""
    await place.ann.value("GetContentsTable", slot, table_flags=0)
    table, columns = place.ann.last, [tags.PidTagMid, tags.PidTagAccess]
    await place.ann.value("SetColumns", table, set_columns_flags=0, property_tags=columns)
    value = await place.ann.value("QueryRows", table, columns, query_rows_flags=0, forward_read=True, row_count=9)
    return {ObjectId.from_integer(row[0]).counter: row[1] for row in value.row_data}


@pytest.mark.spec("MS-OXCPERM_R143", "MS-OXCPERM_R144", "MS-OXCPERM_R173", "MS-OXCPERM_R1192")
async def test_read_any(place: Place) -> None:
    await place.allow(READ)
    assert await read(place, place.theirs) == 0
    assert await read(place, place.own) == 0
    await place.allow(EVERYTHING & ~Rights.ReadAny)
    assert await read(place, place.theirs) == DENIED
    assert await read(place, place.own) == 0  # what one has made oneself


@pytest.mark.spec("MS-OXCPERM_R144")
async def test_without_read_any_nothing_in_the_folder_is_shown(place: Place) -> None:
    slot = await place.allow(EVERYTHING & ~Rights.ReadAny)
    assert await shown(place, slot) == {place.own: 0x07}  # but what she has made herself
    configure: dict[str, Any] = {
        "synchronization_type": 1,
        "send_options": 1,
        "synchronization_flags": 1,
        "restriction_data": None,
        "synchronization_extra_flags": 0,
        "property_tags": [],
    }
    assert await status(place.ann, "SynchronizationConfigure", slot, **configure) == DENIED
    some: dict[str, Any] = {"message_ids": [ObjectId(1, place.theirs)]}
    assert await status(place.ann, "SetReadFlags", slot, want_asynchronous=0, read_flags=0, **some) == DENIED
    slot = await place.allow(READ)
    assert (await shown(place, slot)).keys() == {place.own, place.theirs}
    assert await status(place.ann, "SynchronizationConfigure", slot, **configure) == 0


@pytest.mark.spec("MS-OXCPERM_R140", "MS-OXCPERM_R141")
@pytest.mark.parametrize("associated", [False, True])
async def test_create(place: Place, associated: bool) -> None:
    await place.allow(Rights.Create)
    assert await place.exists(await created(place.ann, place.folder_id, "New", associated=associated))
    await place.allow(EVERYTHING & ~Rights.Create)
    new: dict[str, Any] = {
        "code_page_id": 0x0FFF,
        "folder_id": ObjectId(1, place.folder_id),
        "associated_flag": associated,
    }
    assert await status(place.ann, "CreateMessage", **new) == DENIED


@pytest.mark.spec("MS-OXCPERM_R131", "MS-OXCPERM_R132")
async def test_edit_owned(place: Place) -> None:
    await place.allow(READ | Rights.EditOwned)
    assert await edit(place, place.own) == 0
    assert await edit(place, place.theirs) == DENIED
    await place.allow(EVERYTHING & ~Rights.EditOwned & ~Rights.EditAny)
    assert await edit(place, place.theirs) == DENIED


@pytest.mark.spec("MS-OXCPERM_R132")
async def test_own_messages_cannot_be_edited_without_a_right(place: Place) -> None:
    await place.allow(EVERYTHING & ~Rights.EditOwned & ~Rights.EditAny)
    assert await edit(place, place.own) == DENIED


@pytest.mark.spec("MS-OXCPERM_R124", "MS-OXCPERM_R125")
async def test_edit_any(place: Place) -> None:
    await place.allow(EVERYTHING & ~Rights.EditAny)
    assert await edit(place, place.theirs) == DENIED
    await place.allow(READ | Rights.EditAny | Rights.EditOwned)
    assert await edit(place, place.theirs) == 0
    assert await edit(place, place.own) == 0


async def test_best_access_is_reading_where_editing_is_not_allowed(place: Place) -> None:
    await place.allow(READ)
    slot = await opened(place.ann, place.folder_id, place.theirs, BEST_ACCESS)
    assert await place.ann.properties(slot, tags.PidTagAccess, tags.PidTagAccessLevel) == [0x02, 0]
    (response,) = await place.ann.send(
        place.ann.request("SetProperties", slot, property_values=[(tags.PidTagSubject, "Changed")])
    )
    assert response.return_value == DENIED
    await place.allow(READ | Rights.EditAny)
    slot = await opened(place.ann, place.folder_id, place.theirs, BEST_ACCESS)
    assert await place.ann.properties(slot, tags.PidTagAccess, tags.PidTagAccessLevel) == [0x03, 1]


@pytest.mark.spec("MS-OXCPERM_R127", "MS-OXCPERM_R128")
@pytest.mark.parametrize("name", ["DeleteMessages", "HardDeleteMessages"])
async def test_delete_owned(place: Place, name: str) -> None:
    slot = await place.allow(EVERYTHING & ~Rights.DeleteOwned & ~Rights.DeleteAny)
    assert await delete(place, slot, place.own, name) == DENIED
    assert await place.exists(place.own)
    slot = await place.allow(Rights.DeleteOwned)
    assert await delete(place, slot, place.own, name) == 0
    assert not await place.exists(place.own)


@pytest.mark.spec("MS-OXCPERM_R121", "MS-OXCPERM_R122")
@pytest.mark.parametrize("name", ["DeleteMessages", "HardDeleteMessages"])
async def test_delete_any(place: Place, name: str) -> None:
    slot = await place.allow(EVERYTHING & ~Rights.DeleteAny)
    assert await delete(place, slot, place.theirs, name) == DENIED
    assert await place.exists(place.theirs)
    slot = await place.allow(Rights.DeleteAny | Rights.DeleteOwned)
    assert await delete(place, slot, place.theirs, name) == 0
    assert not await place.exists(place.theirs)


async def test_emptying_a_folder_leaves_what_may_not_be_deleted(place: Place) -> None:
    slot = await place.allow(Rights.DeleteOwned)
    value = await place.ann.value("EmptyFolder", slot, want_asynchronous=0, want_delete_associated=1)
    assert value.partial_completion
    assert [await place.exists(place.theirs), await place.exists(place.own)] == [True, False]


FOLDER: dict[str, Any] = {
    "folder_type": 1,
    "use_unicode_strings": True,
    "open_existing": False,
    "reserved": 0,
    "comment": "",
}


async def create_folder(place: Place, slot: int, name: str) -> int:
    return await status(place.ann, "CreateFolder", slot, display_name=name, **FOLDER)


@pytest.mark.spec("MS-OXCPERM_R118", "MS-OXCPERM_R119")
async def test_create_subfolder(place: Place) -> None:
    slot = await place.allow(EVERYTHING & ~Rights.CreateSubFolder)
    assert await create_folder(place, slot, "New") == DENIED
    assert await place.mailbox.child_by_name(place.folder_id, "New") is None
    slot = await place.allow(Rights.CreateSubFolder)
    assert await create_folder(place, slot, "New") == 0
    made = place.ann.last
    assert await place.mailbox.child_by_name(place.folder_id, "New") is not None
    # Who makes a folder can set its class, as Outlook does next.
    value = await place.ann.value("SetProperties", made, property_values=[(tags.PidTagContainerClass, "IPF.Task")])
    assert value.property_problems == []


@pytest.mark.spec("MS-OXCPERM_R115002", "MS-OXCPERM_R116001")
async def test_folder_owner(place: Place) -> None:
    slot = await place.allow(EVERYTHING & ~Rights.FolderOwner)
    comment = [(tags.PidTagComment, "Changed")]
    assert await status(place.ann, "SetProperties", slot, property_values=comment) == DENIED
    assert await status(place.ann, "DeleteProperties", slot, property_tags=[tags.PidTagComment]) == DENIED
    assert await status(place.ann, "OpenStream", slot, property_tag=tags.PidTagComment, open_mode_flags=2) == DENIED
    slot = await place.allow(Rights.FolderOwner)
    assert await status(place.ann, "SetProperties", slot, property_values=comment) == 0
    assert await place.ann.properties(slot, tags.PidTagComment) == ["Changed"]
    # Owning the folder is no right on its messages.
    assert await read(place, place.theirs) == DENIED


async def test_a_folder_is_deleted_by_its_owners(place: Place) -> None:
    inside = await place.mailbox.create_folder(place.folder_id, "Inside")
    await place.allow(EVERYTHING)
    slot = await folder(place.ann, "inbox")
    gone: dict[str, Any] = {"delete_folder_flags": 5, "folder_id": ObjectId(1, inside.folder_id)}
    assert await status(place.ann, "DeleteFolder", slot, **gone) == ErrorCode.NotFound  # she does not even see it
    await place.owner.value("OpenFolder", folder_id=ObjectId(1, inside.folder_id), open_mode_flags=0)
    owners = place.owner.last
    await modify(place.owner, owners, entry(1, dn=ANN.legacy_dn, rights=EVERYTHING & ~Rights.FolderOwner))
    assert await status(place.ann, "DeleteFolder", slot, **gone) == DENIED
    await modify(place.owner, owners, entry(1, dn=ANN.legacy_dn, rights=int(Rights.FolderOwner)))
    assert await status(place.ann, "DeleteFolder", slot, **gone) == 0


@pytest.mark.spec("MS-OXCPERM_R103", "MS-OXCPERM_R1120", "MS-OXCPERM_R173", "MS-OXCPERM_R1192")
async def test_folder_visible(place: Place) -> None:
    inbox: dict[str, Any] = {"folder_id": ObjectId(1, place.folder_id), "open_mode_flags": 0}

    async def shown() -> list[str]:
        above = await folder(place.ann, "ipm_subtree")
        await place.ann.value("GetHierarchyTable", above, table_flags=0)
        table, columns = place.ann.last, [tags.PidTagDisplayName]
        await place.ann.value("SetColumns", table, set_columns_flags=0, property_tags=columns)
        value = await place.ann.value("QueryRows", table, columns, query_rows_flags=0, forward_read=True, row_count=50)
        return [row[0] for row in value.row_data]

    await grant(place.owner, "ipm_subtree", ANN, SEE)
    await place.allow(Rights.Create)
    assert await status(place.ann, "OpenFolder", **inbox) == ErrorCode.NotFound
    assert await shown() == []
    await place.allow(SEE)
    assert await status(place.ann, "OpenFolder", **inbox) == 0
    assert await shown() == ["Inbox"]


async def test_a_synchronization_tells_of_visible_folders_alone(place: Place) -> None:
    async def stream() -> bytes:
        root = await folder(place.ann, "root")
        configure: dict[str, Any] = {"send_options": 1, "synchronization_flags": 1, "synchronization_extra_flags": 0}
        await place.ann.value(
            "SynchronizationConfigure",
            root,
            synchronization_type=2,
            restriction_data=None,
            property_tags=[],
            **configure,
        )
        got = await place.ann.value(
            "FastTransferSourceGetBuffer", place.ann.last, buffer_size=0x7000, maximum_buffer_size=None
        )
        return bytes(got.transfer_buffer)

    await place.allow(SEE)
    inside = await place.mailbox.create_folder(place.folder_id, "Hidden")
    found = await stream()
    assert "Inbox".encode("utf-16-le") in found
    assert "Drafts".encode("utf-16-le") not in found
    assert "Hidden".encode("utf-16-le") not in found
    await place.owner.value("OpenFolder", folder_id=ObjectId(1, inside.folder_id), open_mode_flags=0)
    await modify(place.owner, place.owner.last, entry(1, dn=ANN.legacy_dn, rights=int(SEE)))
    assert "Hidden".encode("utf-16-le") in await stream()


async def test_a_new_subfolder_is_shown_at_once(place: Place) -> None:
    slot = await place.allow(READ)
    owners = await folder(place.owner, "inbox")
    (response,) = await place.owner.send(place.owner.request("CreateFolder", owners, display_name="New", **FOLDER))
    assert response.return_value == 0
    value = await place.ann.value("GetHierarchyTable", slot, table_flags=0)
    assert value.row_count == 1
    fields: dict[str, Any] = {"folder_id": response.value.folder_id, "open_mode_flags": 0}
    assert await status(place.ann, "OpenFolder", **fields) == 0
    assert await place.ann.properties(place.ann.last, tags.PidTagRights) == [int(READ)]


@pytest.mark.spec("MS-OXCPERM_R175", "MS-OXCPERM_R2016")
async def test_a_member_of_a_group_has_the_groups_rights(place: Place) -> None:
    ben = await log_on_as(place.owner, BEN, [STAFF])
    fields = message_fields(place.folder_id, place.theirs, READ_ONLY)
    assert await status(ben, "OpenMessage", **fields) == DENIED
    await grant(place.owner, "inbox", STAFF, READ)
    assert await status(ben, "OpenMessage", **fields) == 0


async def test_a_logon_counts_the_groups_of_its_user(place: Place) -> None:
    dn = place.owner.session.user.legacy_dn.encode()
    fields: dict[str, Any] = {"logon_flags": 1, "open_flags": 0x0100040C, "store_state": 0, "essdn": dn}
    ben = await log_on_as(place.owner, BEN, [STAFF])
    assert await status(ben, "Logon", **fields) == ErrorCode.UnknownUser
    await grant(place.owner, "inbox", STAFF, READ)
    assert await status(ben, "Logon", **fields) == 0
    await opened(ben, place.folder_id, place.theirs)


@pytest.mark.spec("MS-OXCPERM_R176", "MS-OXCPERM_R2016")
async def test_everybody_else_has_the_default_rights(place: Place) -> None:
    ben = await log_on_as(place.owner, BEN)
    fields = message_fields(place.folder_id, place.theirs, READ_ONLY)
    assert await status(ben, "OpenMessage", **fields) == DENIED
    await modify(place.owner, await folder(place.owner, "inbox"), entry(2, member=0, rights=int(READ)))
    assert await status(ben, "OpenMessage", **fields) == 0
    await grant(place.owner, "inbox", BEN, SEE)
    assert await status(ben, "OpenMessage", **fields) == DENIED


@pytest.mark.parametrize(
    ("rights", "access"),
    [
        (SEE, 0x02),
        (READ, 0x02),
        (SEE | Rights.FolderOwner, 0x07),
        (SEE | Rights.CreateSubFolder, 0x0A),
        (SEE | Rights.Create, 0x32),
        (EVERYTHING, 0x3F),
    ],
)
async def test_a_folder_tells_what_may_be_done_with_it(place: Place, rights: Rights, access: int) -> None:
    slot = await place.allow(rights)
    expected = [access, int(rights) & 0x7FB]
    assert await place.ann.properties(slot, tags.PidTagAccess, tags.PidTagRights) == expected


@pytest.mark.parametrize(
    ("rights", "theirs", "own"),
    [
        (READ, 0x02, 0x02),
        (READ | Rights.EditOwned, 0x02, 0x03),
        (READ | Rights.DeleteOwned, 0x02, 0x06),
        (READ | Rights.EditAny, 0x03, 0x03),
        (READ | Rights.DeleteAny, 0x06, 0x06),
        (EVERYTHING, 0x07, 0x07),
    ],
)
async def test_a_message_tells_what_may_be_done_with_it(place: Place, rights: Rights, theirs: int, own: int) -> None:
    slot = await place.allow(rights)
    for message_id, access in ((place.theirs, theirs), (place.own, own)):
        found = await opened(place.ann, place.folder_id, message_id)
        assert await place.ann.properties(found, tags.PidTagAccess, tags.PidTagAccessLevel) == [access, 0]
    assert await shown(place, slot) == {place.theirs: theirs, place.own: own}


async def test_messages_are_moved_out_by_those_who_may_delete_them(place: Place) -> None:
    await grant(place.owner, "drafts", ANN, EVERYTHING)
    slot = await place.allow(READ)
    target = await folder(place.ann, "drafts")
    move: dict[str, Any] = {
        "dest_handle_index": target,
        "message_ids": [ObjectId(1, place.theirs)],
        "want_asynchronous": 0,
    }

    async def moved(*, copy: bool) -> bool:
        (response,) = await place.ann.send(place.ann.request("MoveCopyMessages", slot, want_copy=copy, **move))
        return not response.return_value and not response.value.partial_completion

    assert await moved(copy=True)
    assert not await moved(copy=False)
    assert (await place.mailbox.messages(place.folder_id, [place.theirs])).keys() == {place.theirs}
    await place.allow(READ | Rights.DeleteAny)
    assert await moved(copy=False)
    await grant(place.owner, "drafts", ANN, SEE)
    await place.mailbox.append(place.folder_id, [NewMessage(Message({tags.PidTagSubject: "x"}))])
    assert not await moved(copy=True)


async def test_message_states_are_changed_by_those_who_may_edit(place: Place) -> None:
    slot = await place.allow(READ)
    fields: dict[str, Any] = {
        "message_id": ObjectId(1, place.theirs),
        "message_status_flags": 2,
        "message_status_mask": 2,
    }
    assert await status(place.ann, "SetMessageStatus", slot, **fields) == DENIED
    await place.allow(READ | Rights.EditAny)
    assert await status(place.ann, "SetMessageStatus", slot, **fields) == 0
