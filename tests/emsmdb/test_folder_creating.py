"""RopCreateFolder, and the properties that folders have from it."""

from itertools import pairwise

import pytest

from mapigw.emsmdb.session import ConnectParameters
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.permissions import Rights
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.delegates import ANN, folder, grant, granted, log_on_as
from tests.emsmdb.folders import EVERYTHING, creating, delete_folder, oid, open_folder, open_special


@pytest.mark.spec("MS-OXCFOLD_R3801", "MS-OXCFOLD_R43", "MS-OXCFOLD_R46", "MS-OXCFOLD_R48", "MS-OXCFOLD_R54")
@pytest.mark.spec("MS-OXCFOLD_R56", "MS-OXCFOLD_R10359", "MS-OXCFOLD_R1034", "MS-OXCFOLD_R476", "MS-OXCFOLD_R478")
@pytest.mark.spec("MS-OXCFOLD_R483", "MS-OXCFOLD_R811", "MS-OXCFOLD_R1197", "MS-OXCFOLD_R61", "MS-OXCFOLD_R926")
@pytest.mark.spec("MS-OXCFOLD_R931", "MS-OXCFOLD_R933", "MS-OXCFOLD_R938", "MS-OXCFOLD_R941")
@pytest.mark.parametrize("existing", [False, True])
async def test_a_new_folder(client: Client, own_mailbox: Mailbox, existing: bool) -> None:
    parent = await open_special(client, own_mailbox, "ipm_subtree")
    value = await client.value("CreateFolder", parent, **creating("Größe", comment="für alles", existing=existing))
    index = client.last
    # RopId, handle index, ReturnValue, FolderId, IsExistingFolder: nothing else follows.
    answer = client.payloads[0]
    assert len(answer) == 2 + 6 + 8 + 1 + 4 * len(client.handles)
    assert answer[16] == 0
    row = await own_mailbox.folder(value.folder_id.counter)
    assert row is not None
    assert (row.name, row.folder_type, row.container_class) == ("Größe", 1, "")
    columns = (tags.PidTagFolderId, tags.PidTagDisplayName, tags.PidTagComment, tags.PidTagFolderType)
    expected = [value.folder_id.to_integer(), "Größe", "für alles", 1]
    assert await client.properties(index, *columns) == expected
    await client.value("CreateFolder", parent, **creating("Plain"))
    assert await client.properties(client.last, tags.PidTagComment) == [ErrorCode.NotFound]


@pytest.mark.spec("MS-OXCFOLD_R49")
async def test_names_in_the_sessions_code_page(client: Client, own_mailbox: Mailbox) -> None:
    client.session.parameters = ConnectParameters(default_code_page=1251)
    parent = await open_special(client, own_mailbox, "ipm_subtree")
    await client.value("CreateFolder", parent, **creating("Письма".encode("cp1251"), comment="да".encode("cp1251")))
    assert await client.properties(client.last, tags.PidTagDisplayName, tags.PidTagComment) == ["Письма", "да"]


@pytest.mark.spec("MS-OXCFOLD_R47", "MS-OXCFOLD_R812", "MS-OXCFOLD_R409", "MS-OXCFOLD_R1035110")
@pytest.mark.spec("MS-OXCFOLD_R1035111")
async def test_a_new_search_folder(client: Client, own_mailbox: Mailbox) -> None:
    parent = await open_special(client, own_mailbox, "search")
    await client.value("CreateFolder", parent, **creating("Unread", kind=2))
    search = client.last
    assert await client.properties(search, tags.PidTagFolderType, tags.PidTagFolderFlags) == [2, 0x2]
    # It has no place for folders of its own.
    assert await client.error("CreateFolder", search, **creating("Below")) == ErrorCode.SearchFolder


@pytest.mark.spec("MS-OXCFOLD_R50", "MS-OXCFOLD_R51", "MS-OXCFOLD_R480", "MS-OXCFOLD_R481", "MS-OXCFOLD_R482")
@pytest.mark.spec("MS-OXCFOLD_R491", "MS-OXCFOLD_R493", "MS-OXCFOLD_R1065", "MS-OXCFOLD_R1039", "MS-OXCFOLD_R60001")
@pytest.mark.spec("MS-OXCFOLD_R1197")
@pytest.mark.parametrize("name", ["Projects", "PROJECTS"])
async def test_a_name_that_is_taken(client: Client, own_mailbox: Mailbox, name: str) -> None:
    parent = await open_special(client, own_mailbox, "ipm_subtree")
    first = await client.value("CreateFolder", parent, **creating("Projects", comment="first"))
    assert await client.error("CreateFolder", parent, **creating(name)) == 0x80040604
    again = await client.value("CreateFolder", parent, **creating(name, comment="second", existing=True))
    assert (again.folder_id, again.is_existing_folder) == (first.folder_id, False)
    assert await client.properties(client.last, tags.PidTagDisplayName, tags.PidTagComment) == ["Projects", "first"]
    below = await open_folder(client, first.folder_id.counter)
    await client.value("CreateFolder", below, **creating(name))  # elsewhere the name is free


@pytest.mark.spec("MS-OXCFOLD_R477", "MS-OXCFOLD_R486", "MS-OXCFOLD_R487", "MS-OXCFOLD_R494", "MS-OXCFOLD_R495")
async def test_what_cannot_be_created(client: Client, own_mailbox: Mailbox) -> None:
    parent = await open_special(client, own_mailbox, "inbox")
    for kind in (0, 3, 0xFF):
        assert await client.error("CreateFolder", parent, **creating("x", kind=kind)) == 0x80070057
    for nameless in ("", b""):
        assert await client.error("CreateFolder", parent, **creating(nameless)) == ErrorCode.InvalidParameter
    for long in ("x" * 256, "x" * 12_000, b"x" * 24_000):
        assert await client.error("CreateFolder", parent, **creating(long)) == ErrorCode.StringTooLong
    comment = "c" * 14_000
    await client.value("CreateFolder", parent, **creating("n" * 255, comment=comment))
    assert await client.error("CreateFolder", LOGON, **creating("x")) == 0x80040102
    await client.value("GetHierarchyTable", parent, table_flags=0)
    assert await client.error("CreateFolder", client.last, **creating("x")) == 0x80040102
    assert [row.name for row in await own_mailbox.children(5)] == ["n" * 255]


@pytest.mark.spec("MS-OXCFOLD_R1072", "MS-OXCFOLD_R1073")
@pytest.mark.parametrize("flags", [EVERYTHING, EVERYTHING | 0x10])
async def test_nothing_is_created_in_a_deleted_folder(client: Client, own_mailbox: Mailbox, flags: int) -> None:
    parent = await open_special(client, own_mailbox, "ipm_subtree")
    value = await client.value("CreateFolder", parent, **creating("Gone"))
    gone = client.last
    assert not await delete_folder(client, parent, value.folder_id.counter, flags)
    assert await client.error("CreateFolder", gone, **creating("Below")) == 0x8004010F
    await client.value("CreateFolder", parent, **creating("Gone"))  # its name is free again


@pytest.mark.spec("MS-OXCFOLD_R489", "MS-OXCFOLD_R1071", "MS-OXCFOLD_R106601")
async def test_creating_takes_a_right(client: Client, own_mailbox: Mailbox) -> None:
    ann = await log_on_as(client, ANN)
    await grant(client, "inbox", ANN, Rights.FolderVisible | Rights.Create | Rights.FolderOwner)
    inbox = await folder(ann, "inbox")
    assert await ann.error("CreateFolder", inbox, **creating("Hers")) == 0x80070005
    await grant(client, "inbox", ANN, Rights.FolderVisible | Rights.CreateSubFolder)
    value = await ann.value("CreateFolder", inbox, **creating("Hers"))
    # She owns what she made, and the rest of the list is the parent's.
    own = await open_folder(client, value.folder_id.counter)
    assert (await granted(client, own))["Ann"] == 0x5FB
    await grant(client, "inbox", ANN, 0)
    again = creating("hers", existing=True)
    assert (await ann.value("CreateFolder", inbox, **again)).folder_id == value.folder_id
    hidden = await own_mailbox.create_folder(5, "Hidden")
    assert await ann.error("CreateFolder", inbox, **creating("Hidden", existing=True)) == ErrorCode.NotFound
    assert await ann.error("OpenFolder", folder_id=oid(hidden.folder_id), open_mode_flags=0) == ErrorCode.NotFound


@pytest.mark.spec("MS-OXCFOLD_R10028", "MS-OXCFOLD_R352", "MS-OXCFOLD_R352001", "MS-OXCFOLD_R352002")
@pytest.mark.spec("MS-OXCFOLD_R10355", "MS-OXCFOLD_R1029", "MS-OXCFOLD_R1030")
async def test_a_parent_tells_of_its_subfolders(client: Client, own_mailbox: Mailbox) -> None:
    inbox = await open_special(client, own_mailbox, "inbox")
    columns = (
        tags.PidTagSubfolders,
        tags.PidTagHierarchyChangeNumber,
        tags.PidTagHierRev,
        tags.PidTagLocalCommitTimeMax,
        0x66410003,  # PR_DELETED_FOLDER_COUNT
    )
    assert tags.PidTagHierRev & 0xFFFF == 0x0040  # PtypTime
    seen = [await client.properties(inbox, *columns)]
    assert seen[0][:2] == [False, 0]
    created = []
    for number in range(3):
        created.append(await client.value("CreateFolder", inbox, **creating(str(number))))
        seen.append(await client.properties(inbox, *columns))
        assert seen[-1][:2] == [True, number + 1]
    for number, value in enumerate(created):
        await delete_folder(client, inbox, value.folder_id.counter)
        seen.append(await client.properties(inbox, *columns))
        assert seen[-1][:2] == [number < 2, 4 + number]
        assert seen[-1][4] == number + 1
    for before, after in pairwise(seen):
        assert before[2] < after[2]
        assert before[3] < after[3]


@pytest.mark.spec("MS-OXCFOLD_R10356", "MS-OXCFOLD_R1032", "MS-OXCFOLD_R1033", "MS-OXCFOLD_R10036", "MS-OXCFOLD_R1038")
@pytest.mark.spec("MS-OXCFOLD_R350")
async def test_hidden_folders_and_classes(client: Client, own_mailbox: Mailbox) -> None:
    parent = await open_special(client, own_mailbox, "ipm_subtree")
    await client.value("CreateFolder", parent, **creating("Own"))
    own = client.last
    values = [(tags.PidTagAttributeHidden, True), (tags.PidTagContainerClass, "IPF.Note")]
    await client.value("SetProperties", own, property_values=values)
    columns = (tags.PidTagAttributeHidden, tags.PidTagContainerClass, tags.PidTagAddressBookEntryId)
    assert await client.properties(own, *columns) == [True, "IPF.Note", ErrorCode.NotFound]
    await client.value("SetProperties", own, property_values=[(tags.PidTagAttributeHidden, False)])
    assert await client.properties(own, tags.PidTagAttributeHidden) == [False]
    for row in await own_mailbox.folders():
        index = await open_folder(client, row.folder_id)
        hidden, container, public = await client.properties(index, *columns)
        assert (hidden is True) == (row.special in {"conversation_actions", "quick_steps"})
        assert container == ErrorCode.NotFound or container.startswith("IPF.")
        assert public == ErrorCode.NotFound
