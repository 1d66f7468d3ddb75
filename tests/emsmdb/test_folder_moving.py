"""RopMoveCopyMessages, RopMoveFolder and RopCopyFolder, within a mailbox and between two."""

import asyncio
from typing import Any

import pytest

from mapigw.emsmdb import progress
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.permissions import Rights
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.delegates import ADD, ANN, entry, folder, grant, log_on_as, modify
from tests.emsmdb.folders import (
    EVERYTHING,
    blob_counts,
    creating,
    delete_folder,
    delete_messages,
    fill,
    folder_counts,
    move_copy,
    oid,
    open_folder,
    open_special,
    second_mailbox,
    slot_of,
    subjects,
    table_rows,
)

INBOX, DRAFTS = 5, 16


async def make(mailbox: Mailbox, parent_id: int, name: str) -> int:
    return (await mailbox.create_folder(parent_id, name)).folder_id


async def by_subject(mailbox: Mailbox, folder_id: int) -> dict[str, dict[str, Any]]:
    """The rows of the messages in a folder."""
    ids = await mailbox.message_ids(folder_id, associated=False)
    rows = await mailbox.messages(folder_id, ids)
    return {str(row.subject): {name: getattr(row, name) for name in row.__slots__} for row in rows.values()}


# RopMoveCopyMessages


@pytest.mark.spec("MS-OXCFOLD_R14501", "MS-OXCFOLD_R14901", "MS-OXCFOLD_R14902", "MS-OXCFOLD_R15101")
@pytest.mark.spec("MS-OXCFOLD_R15102", "MS-OXCFOLD_R155", "MS-OXCFOLD_R159", "MS-OXCFOLD_R160", "MS-OXCFOLD_R163")
@pytest.mark.spec("MS-OXCFOLD_R1105")
@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("far", [False, True])
async def test_messages_come_to_another_folder(
    client: Client, mailboxes: Mailboxes, own_mailbox: Mailbox, copy: bool, far: bool
) -> None:
    """They are new ones there: a new id, a new change number, a new source key. The read state is the old one."""
    source = await open_special(client, own_mailbox, "inbox")
    if far:
        logon = await second_mailbox(client, mailboxes)
        target, destination = logon.mailbox, slot_of(client, logon, DRAFTS)
    else:
        target, destination = own_mailbox, await open_special(client, own_mailbox, "drafts")
    ids = [*await fill(own_mailbox, INBOX, 2), *await fill(own_mailbox, INBOX, 2, associated=True)]
    (read,) = await fill(own_mailbox, INBOX, 1, read=True)
    ids.append(read)
    originals = await by_subject(own_mailbox, INBOX)
    blobs = await blob_counts(own_mailbox)
    mime = {row[1] for row in await table_rows(own_mailbox, "message_mime", "message_id, mime")}
    before = await target.folder(DRAFTS)
    assert before is not None
    assert await move_copy(client, source, destination, ids[1:], copy=copy) is False
    assert await folder_counts(target, DRAFTS) == (2, 1, 2)
    assert await folder_counts(own_mailbox, INBOX) == ((3, 2, 2) if copy else (1, 1, 0))
    after = await target.folder(DRAFTS)
    assert after is not None
    rows = await by_subject(target, DRAFTS)
    for subject, row in rows.items():
        original = originals[subject]
        assert row["message_id"] != original["message_id"]
        assert before.content_change_number < row["change_number"] <= after.content_change_number
        assert row["source_key"] is row["change_key"] is row["predecessor_change_list"] is None
        assert row["modified"] > original["modified"]
        changed = {"message_id", "folder_id", "change_number", "modified", "local_commit_time"}
        assert all(row[name] == value for name, value in original.items() if name not in changed)
    tombstones = await table_rows(own_mailbox, "tombstone", "folder_id, object_id, is_associated")
    gone = [] if copy else sorted((INBOX, item, int(item in ids[2:4])) for item in ids[1:])
    assert tombstones == gone
    # Blobs are counted where they are used, and the originals go along.
    counted = await blob_counts(own_mailbox)
    if far:
        theirs = await blob_counts(target)
        assert set(theirs) == set(blobs)
        assert sum(theirs.values()) == 8
        assert sum(counted.values()) == (10 if copy else 2)
    else:
        assert sum(counted.values()) == (18 if copy else 10)
    originals_there = await table_rows(target, "message_mime", "message_id, mime")
    assert {item[1] for item in originals_there if item[0] not in ids} == mime
    assert await client.properties(source, tags.PidTagDeletedCountTotal) == [0]


@pytest.mark.spec("MS-OXCFOLD_R10163", "MS-OXCFOLD_R586")
@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("far", [False, True])
async def test_what_is_not_there_is_left_out(
    client: Client, mailboxes: Mailboxes, own_mailbox: Mailbox, copy: bool, far: bool
) -> None:
    source = await open_special(client, own_mailbox, "inbox")
    destination = await open_special(client, own_mailbox, "drafts")
    target = own_mailbox
    if far:
        logon = await second_mailbox(client, mailboxes)
        target, destination = logon.mailbox, slot_of(client, logon, DRAFTS)
    ids = await fill(own_mailbox, INBOX, 2)
    (elsewhere,) = await fill(own_mailbox, 8)
    assert await move_copy(client, source, destination, [ids[0], ids[0], 999_999, elsewhere, 0], copy=copy) is True
    assert await folder_counts(target, DRAFTS) == (1, 1, 0)
    assert await move_copy(client, source, destination, [999_999], copy=copy) is True
    assert await move_copy(client, source, destination, [], copy=copy) is False


@pytest.mark.spec("MS-OXCFOLD_R589", "MS-OXCFOLD_R590", "MS-OXCFOLD_R121801", "MS-OXCFOLD_R121802")
@pytest.mark.spec("MS-OXCFOLD_R1245", "MS-OXCFOLD_R1246", "MS-OXCFOLD_R1216")
@pytest.mark.parametrize("copy", [False, True])
async def test_where_messages_cannot_go(client: Client, own_mailbox: Mailbox, copy: bool) -> None:
    source = await open_special(client, own_mailbox, "inbox")
    ids = await fill(own_mailbox, INBOX, 2)
    await client.value("GetContentsTable", source, table_flags=0)
    table = client.last
    await client.value("CreateFolder", await open_special(client, own_mailbox, "search"), **creating("Found", kind=2))
    search = client.last
    gone = await open_folder(client, await make(own_mailbox, INBOX, "Gone"))
    await delete_folder(client, source, (await own_mailbox.children(INBOX))[0].folder_id)

    async def error(index: int, destination: int) -> int:
        return await client.error(
            "MoveCopyMessages",
            index,
            dest_handle_index=destination,
            message_ids=[oid(item) for item in ids],
            want_asynchronous=False,
            want_copy=copy,
        )

    for index, destination in ((table, source), (LOGON, source), (source, table), (source, LOGON)):
        assert await error(index, destination) == 0x80040102
    assert await error(source, search) == 0x00000460
    assert await error(source, gone) == ErrorCode.ObjectDeleted
    assert await error(gone, source) == ErrorCode.ObjectDeleted
    # A slot that holds nothing: the response has the index and PartialCompletion (MS-OXCROPS 2.2.4.6.3).
    assert await error(source, 200) == 0x00000503
    assert client.payloads[0][2:13] == bytes.fromhex(f"33 {source:02X} 03050000 C8000000 00")
    assert await folder_counts(own_mailbox, INBOX) == (2, 2, 0)


@pytest.mark.spec("MS-OXCFOLD_R121701", "MS-OXCFOLD_R121702", "MS-OXCFOLD_R1216")
@pytest.mark.parametrize("copy", [False, True])
async def test_messages_come_out_of_search_folders(
    client: Client, mailboxes: Mailboxes, own_mailbox: Mailbox, copy: bool
) -> None:
    await client.value("CreateFolder", await open_special(client, own_mailbox, "search"), **creating("Found", kind=2))
    search = client.last
    folder_id = await client.properties(search, tags.PidTagFolderId)
    search_id = (folder_id[0] >> 16).to_bytes(6, "little")
    first, other, unseen = [(await fill(own_mailbox, place))[0] for place in (INBOX, 8, INBOX)]
    async with mailboxes.database.write() as connection:
        for item in (first, other):
            await connection.exec_driver_sql(
                "INSERT INTO search_result(mailbox_id, folder_id, message_id, is_read, size) VALUES (?, ?, ?, 0, 1)",
                (own_mailbox.mailbox_id, int.from_bytes(search_id, "big"), item),
            )
    destination = await open_special(client, own_mailbox, "drafts")
    assert await move_copy(client, search, destination, [first, other, unseen], copy=copy) is True
    assert await subjects(own_mailbox, DRAFTS) == [f"{INBOX}/0", "8/0"]
    assert await folder_counts(own_mailbox, INBOX) == ((2, 2, 0) if copy else (1, 1, 0))
    assert await folder_counts(own_mailbox, 8) == ((1, 1, 0) if copy else (0, 0, 0))


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("far", [False, True])
async def test_recovering_soft_deleted_messages(
    client: Client, mailboxes: Mailboxes, own_mailbox: Mailbox, copy: bool, far: bool
) -> None:
    """Clients move them out of the table of soft-deleted ones, as a rule back into the same folder."""
    source = await open_special(client, own_mailbox, "inbox")
    ids = await fill(own_mailbox, INBOX, 3)
    await delete_messages(client, source, ids[:2])
    target, place, destination = own_mailbox, INBOX, source
    if far:
        logon = await second_mailbox(client, mailboxes)
        target, place, destination = logon.mailbox, DRAFTS, slot_of(client, logon, DRAFTS)
    assert await move_copy(client, source, destination, ids[:2], copy=copy) is False
    assert {f"{INBOX}/0", f"{INBOX}/1"} <= set(await subjects(target, place))
    assert await folder_counts(target, place) == ((2, 2, 0) if far else (3, 3, 0))
    left = await table_rows(own_mailbox, "deleted_message", "message_id")
    assert left == ([(ids[0],), (ids[1],)] if copy else [])
    assert len(await table_rows(own_mailbox, "tombstone")) == 2  # those of the deletion
    total = sum((await blob_counts(own_mailbox)).values())
    assert total == {(False, False): 6, (True, False): 10, (False, True): 2, (True, True): 6}[copy, far]


async def test_moving_takes_rights(client: Client, own_mailbox: Mailbox) -> None:
    ann = await log_on_as(client, ANN)
    await grant(client, "inbox", ANN, Rights.ReadAny)
    await grant(client, "drafts", ANN, Rights.FolderVisible)
    ids = await fill(own_mailbox, INBOX, 2)
    inbox, drafts = await folder(ann, "inbox"), await folder(ann, "drafts")
    fields: dict[str, Any] = {
        "dest_handle_index": drafts,
        "message_ids": [oid(ids[0])],
        "want_asynchronous": False,
        "want_copy": True,
    }
    assert await ann.error("MoveCopyMessages", inbox, **fields) == ErrorCode.AccessDenied
    await grant(client, "drafts", ANN, Rights.FolderVisible | Rights.Create)
    assert await move_copy(ann, inbox, drafts, ids[:1]) is True  # she may read it, and not delete it
    assert await folder_counts(own_mailbox, DRAFTS) == (0, 0, 0)
    assert await move_copy(ann, inbox, drafts, ids[:1], copy=True) is False
    await grant(client, "inbox", ANN, Rights.ReadAny | Rights.DeleteAny)
    assert await move_copy(ann, inbox, drafts, ids[1:]) is False
    assert await folder_counts(own_mailbox, DRAFTS) == (2, 2, 0)
    await grant(client, "inbox", ANN, Rights.DeleteAny | Rights.FolderVisible)
    assert await move_copy(ann, inbox, drafts, ids[:1]) is True  # what she cannot read she cannot take along
    assert await folder_counts(own_mailbox, INBOX) == (1, 1, 0)


async def test_moving_in_the_background(client: Client, own_mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST_ANSWER", 0.0)
    source = await open_special(client, own_mailbox, "inbox")
    destination = await open_special(client, own_mailbox, "drafts")
    ids = await fill(own_mailbox, INBOX, 450)
    request = client.request(
        "MoveCopyMessages",
        source,
        dest_handle_index=destination,
        message_ids=[oid(item) for item in ids],
        want_asynchronous=True,
        want_copy=False,
    )
    (response,) = await client.send(request)
    assert response.rop.name == "Progress"
    for _ in range(100):
        (response,) = await client.send(client.request("Progress", source, want_cancel=False))
        if response.rop.name != "Progress":
            break
        await asyncio.sleep(0)
    assert (response.rop.name, response.value.partial_completion) == ("MoveCopyMessages", False)
    assert await folder_counts(own_mailbox, DRAFTS) == (450, 450, 0)
    assert await folder_counts(own_mailbox, INBOX) == (0, 0, 0)


# RopMoveFolder


def naming(folder_id: int, destination: int, name: str | bytes, **more: Any) -> dict[str, Any]:
    """The fields of RopMoveFolder; names in bytes are in the session's code page."""
    return {
        "dest_handle_index": destination,
        "want_asynchronous": False,
        "use_unicode": isinstance(name, str),
        "folder_id": oid(folder_id),
        "new_folder_name": name,
        **more,
    }


async def move_folder(client: Client, source: int, folder_id: int, destination: int, name: str | bytes) -> bool:
    value = await client.value("MoveFolder", source, **naming(folder_id, destination, name))
    return bool(value.partial_completion)


async def copy_folder(
    client: Client, source: int, folder_id: int, destination: int, name: str | bytes, *, recursive: bool = True
) -> bool:
    fields = naming(folder_id, destination, name, want_recursive=recursive)
    return bool((await client.value("CopyFolder", source, **fields)).partial_completion)


async def tree(mailbox: Mailbox, folder_id: int) -> dict[str, Any]:
    """The names of the folders below one, with their messages' subjects and FAI messages' subjects."""
    found: dict[str, Any] = {}
    for row in await mailbox.children(folder_id):
        await folder_counts(mailbox, row.folder_id)
        normal = [item.split("/")[1] for item in await subjects(mailbox, row.folder_id)]
        associated = [item.split("/")[1] for item in await subjects(mailbox, row.folder_id, associated=True)]
        found[row.name] = normal, associated, await tree(mailbox, row.folder_id)
    return found


async def planted(mailbox: Mailbox, parent_id: int) -> int:
    """A folder with messages, subfolders and what is set on them; its id."""
    top = await make(mailbox, parent_id, "Top")
    middle = await make(mailbox, top, "Middle")
    await make(mailbox, top, "Empty")
    bottom = await make(mailbox, middle, "Bottom")
    for place in (top, middle, bottom):
        await fill(mailbox, place, 2)
        await fill(mailbox, place, 1, associated=True)
    return top


CONTENT = (["0", "1"], ["0"])
PLANTED: tuple[Any, ...] = (*CONTENT, {"Middle": (*CONTENT, {"Bottom": (*CONTENT, {})}), "Empty": ([], [], {})})


@pytest.mark.spec("MS-OXCFOLD_R170", "MS-OXCFOLD_R17101", "MS-OXCFOLD_R180", "MS-OXCFOLD_R183", "MS-OXCFOLD_R184")
@pytest.mark.spec("MS-OXCFOLD_R185", "MS-OXCFOLD_R186", "MS-OXCFOLD_R190", "MS-OXCFOLD_R423", "MS-OXCFOLD_R1111")
@pytest.mark.parametrize("name", ["Größe", "Größe".encode("cp1252")])
async def test_moving_a_folder(client: Client, own_mailbox: Mailbox, name: str | bytes) -> None:
    top = await planted(own_mailbox, INBOX)
    inbox, drafts = [await open_special(client, own_mailbox, key) for key in ("inbox", "drafts")]
    before = await own_mailbox.folder(top)
    assert before is not None
    assert await move_folder(client, inbox, top, drafts, name) is False
    assert await tree(own_mailbox, INBOX) == {}
    assert await tree(own_mailbox, DRAFTS) == {"Größe": PLANTED}
    after = await own_mailbox.folder(top)  # the same folder
    assert after is not None
    assert after.change_number > before.change_number
    index = await open_folder(client, top)
    columns = (tags.PidTagParentFolderId, tags.PidTagDisplayName)
    assert await client.properties(index, *columns) == [oid(DRAFTS).to_integer(), "Größe"]
    numbers = [await client.properties(item, tags.PidTagHierarchyChangeNumber) for item in (inbox, drafts)]
    assert numbers == [[2], [1]]
    # Without a name it keeps its own; under the same parent it is renamed.
    assert await move_folder(client, drafts, top, inbox, "") is False
    assert await move_folder(client, inbox, top, inbox, "GRÖSSE") is False
    assert [row.name for row in await own_mailbox.children(INBOX)] == ["GRÖSSE"]


@pytest.mark.spec("MS-OXCFOLD_R170", "MS-OXCFOLD_R190")
async def test_moving_a_folder_to_another_mailbox(client: Client, mailboxes: Mailboxes, own_mailbox: Mailbox) -> None:
    top = await planted(own_mailbox, INBOX)
    inbox = await open_special(client, own_mailbox, "inbox")
    ids = await own_mailbox.message_ids(top, associated=False)
    await delete_messages(client, await open_folder(client, top), ids[:1])
    logon = await second_mailbox(client, mailboxes)
    kept = len(await own_mailbox.folders()) - 4
    assert await move_folder(client, inbox, top, slot_of(client, logon, DRAFTS), "Theirs") is False
    found = await tree(logon.mailbox, DRAFTS)
    assert found["Theirs"][2] == PLANTED[2]
    assert len(found["Theirs"][0]) == 1
    assert await tree(own_mailbox, INBOX) == {}
    assert len(await table_rows(own_mailbox, "folder")) == kept
    assert await table_rows(own_mailbox, "message") == await table_rows(own_mailbox, "blob") == []
    assert await client.error("OpenFolder", folder_id=oid(top), open_mode_flags=0) == ErrorCode.NotFound
    objects = {row[0] for row in await table_rows(own_mailbox, "tombstone", "object_id")}
    assert top in objects


@pytest.mark.spec("MS-OXCFOLD_R2191", "MS-OXCFOLD_R1114")
async def test_what_cannot_go_along_keeps_the_folder(
    client: Client, mailboxes: Mailboxes, own_mailbox: Mailbox
) -> None:
    top = await planted(own_mailbox, INBOX)
    ann = await log_on_as(client, ANN)
    rights = Rights.FolderVisible | Rights.FolderOwner | Rights.CreateSubFolder
    await grant(client, "inbox", ANN, rights)
    for row in (await own_mailbox.folders())[27:]:
        index = await open_folder(client, row.folder_id)
        dn = ANN.legacy_dn
        reading = Rights.ReadAny | (Rights.DeleteAny if row.folder_id != top else 0)
        await modify_rights(client, index, dn, int(rights | reading))
    logon = await second_mailbox(ann, mailboxes)
    inbox = await folder(ann, "inbox")
    assert await move_folder(ann, inbox, top, slot_of(ann, logon, DRAFTS), "Theirs") is True
    assert (await tree(own_mailbox, INBOX))["Top"][:2] == CONTENT  # what she may not delete is all there
    assert (await tree(logon.mailbox, DRAFTS))["Theirs"][2]["Middle"][:2] == CONTENT


async def modify_rights(client: Client, index: int, dn: str, rights: int) -> None:
    await modify(client, index, entry(ADD, dn=dn, rights=rights), flags=2)


@pytest.mark.spec("MS-OXCFOLD_R599", "MS-OXCFOLD_R600", "MS-OXCFOLD_R601", "MS-OXCFOLD_R602", "MS-OXCFOLD_R611")
@pytest.mark.spec("MS-OXCFOLD_R612", "MS-OXCFOLD_R613", "MS-OXCFOLD_R614")
@pytest.mark.parametrize("name", ["MoveFolder", "CopyFolder"])
async def test_folders_that_cannot_be_put_there(
    client: Client, mailboxes: Mailboxes, own_mailbox: Mailbox, name: str
) -> None:
    top = await planted(own_mailbox, INBOX)
    (middle,) = [row.folder_id for row in await own_mailbox.children(top) if row.name == "Middle"]
    inbox, drafts = [await open_special(client, own_mailbox, key) for key in ("inbox", "drafts")]
    await make(own_mailbox, DRAFTS, "Taken")
    await client.value("GetHierarchyTable", inbox, table_flags=0)
    table = client.last
    await client.value("CreateFolder", await open_special(client, own_mailbox, "search"), **creating("Found", kind=2))
    search = client.last
    search_id = ((await client.properties(search, tags.PidTagFolderId))[0] >> 16).to_bytes(6, "little")
    gone = await make(own_mailbox, INBOX, "Gone")
    gone_slot = await open_folder(client, gone)
    await delete_folder(client, inbox, gone)
    logon = await second_mailbox(client, mailboxes)
    more = {"want_recursive": True} if name == "CopyFolder" else {}
    state = await own_mailbox.folders()

    async def error(folder_id: int, destination: int, new: str | bytes = "New", index: int = inbox) -> int:
        return await client.error(name, index, **naming(folder_id, destination, new, **more))

    assert await error(999_999, drafts) == 0x8004010F
    assert await error(0, drafts) == 0x8004010F
    assert await error(gone, drafts) == 0x8004010F
    for index, destination in ((table, drafts), (LOGON, drafts), (inbox, table), (inbox, LOGON)):
        assert await error(top, destination, index=index) == 0x80040102
    assert await error(top, drafts, "TAKEN") == ErrorCode.CollidingNames
    assert await error(top, drafts, "x" * 256) == ErrorCode.StringTooLong
    assert await error(top, drafts, b"x" * 24_000) == ErrorCode.StringTooLong
    assert await error(top, search) == ErrorCode.SearchFolder
    assert await error(top, gone_slot) == ErrorCode.ObjectDeleted
    assert await error(top, 200) == ErrorCode.NullDestinationObject
    # Neither into itself nor below itself.
    for below in (top, middle):
        assert await error(top, await open_folder(client, below)) == ErrorCode.FolderCycle
    # What a search folder looks for is in its own mailbox.
    theirs = slot_of(client, logon, DRAFTS)
    assert await error(int.from_bytes(search_id, "big"), theirs) == ErrorCode.SearchFolder
    if name == "MoveFolder":
        for row in state:
            if row.special:
                assert await error(row.folder_id, drafts) == ErrorCode.AccessDenied
        assert await error(INBOX, theirs) == ErrorCode.AccessDenied
    assert await own_mailbox.folders() == state


async def test_moving_a_folder_takes_rights(client: Client, own_mailbox: Mailbox) -> None:
    ann = await log_on_as(client, ANN)
    await grant(client, "inbox", ANN, Rights.FolderVisible)
    await grant(client, "drafts", ANN, Rights.FolderVisible)
    inbox, drafts = await folder(ann, "inbox"), await folder(ann, "drafts")
    parent = await open_folder(client, INBOX)
    own = (await client.value("CreateFolder", parent, **creating("Own"))).folder_id.counter
    assert await ann.error("MoveFolder", inbox, **naming(own, drafts, "")) == ErrorCode.AccessDenied
    await grant(client, "drafts", ANN, Rights.FolderVisible | Rights.CreateSubFolder)
    assert await ann.error("MoveFolder", inbox, **naming(own, drafts, "")) == ErrorCode.AccessDenied
    copying = naming(own, drafts, "Copy", want_recursive=True)
    await ann.value("CopyFolder", inbox, **copying)
    await modify_rights(client, await open_folder(client, own), ANN.legacy_dn, 0x500)
    assert await move_folder(ann, inbox, own, drafts, "") is False
    hidden = (await own_mailbox.create_folder(INBOX, "Hidden")).folder_id
    assert await ann.error("MoveFolder", inbox, **naming(hidden, drafts, "")) == ErrorCode.NotFound


# RopCopyFolder


@pytest.mark.spec("MS-OXCFOLD_R198", "MS-OXCFOLD_R19701", "MS-OXCFOLD_R207", "MS-OXCFOLD_R210", "MS-OXCFOLD_R211")
@pytest.mark.spec("MS-OXCFOLD_R212", "MS-OXCFOLD_R213", "MS-OXCFOLD_R219", "MS-OXCFOLD_R1048", "MS-OXCFOLD_R429")
@pytest.mark.spec("MS-OXCFOLD_R1118", "MS-OXCFOLD_R605", "MS-OXCFOLD_R1122")
@pytest.mark.parametrize("name", ["Größe", "Größe".encode("cp1252")])
@pytest.mark.parametrize("recursive", [False, True])
@pytest.mark.parametrize("far", [False, True])
async def test_copying_a_folder(
    client: Client, mailboxes: Mailboxes, own_mailbox: Mailbox, name: str | bytes, recursive: bool, far: bool
) -> None:
    top = await planted(own_mailbox, INBOX)
    inbox = await open_special(client, own_mailbox, "inbox")
    values = [(tags.PidTagComment, "kept"), (tags.PidTagContainerClass, "IPF.Note"), (0x7C05001F, "unknown")]
    await client.value("SetProperties", await open_folder(client, top), property_values=values)
    target = own_mailbox
    destination = await open_special(client, own_mailbox, "drafts")
    if far:
        logon = await second_mailbox(client, mailboxes)
        target, destination = logon.mailbox, slot_of(client, logon, DRAFTS)
    assert await copy_folder(client, inbox, top, destination, name, recursive=recursive) is False
    assert await tree(own_mailbox, INBOX) == {"Top": PLANTED}
    assert await tree(target, DRAFTS) == {"Größe": PLANTED if recursive else (*CONTENT, {})}
    (copied,) = await target.children(DRAFTS)
    slot = slot_of(client, logon, copied.folder_id) if far else await open_folder(client, copied.folder_id)
    request = client.request(
        "GetPropertiesSpecific", slot, property_size_limit=0, want_unicode=1, property_tags=[tag for tag, _ in values]
    )
    request.logon_id = int(far)
    (response,) = await client.send(request, columns={slot: [tag for tag, _ in values]})
    assert response.value.row_data == ["kept", "IPF.Note", "unknown"]


@pytest.mark.spec("MS-OXCFOLD_R271502")
async def test_copying_does_not_tell_what_was_left_out(client: Client, own_mailbox: Mailbox) -> None:
    """Unlike the others, and like Exchange 2010 and later."""
    ann = await log_on_as(client, ANN)
    await grant(client, "inbox", ANN, Rights.FolderVisible)
    await grant(client, "drafts", ANN, Rights.FolderVisible | Rights.CreateSubFolder)
    await fill(own_mailbox, INBOX, 2)
    inbox, drafts = await folder(ann, "inbox"), await folder(ann, "drafts")
    assert await copy_folder(ann, inbox, INBOX, drafts, "Copy") is False
    assert await tree(own_mailbox, DRAFTS) == {"Copy": ([], [], {})}


async def test_a_folder_copied_into_itself(client: Client, own_mailbox: Mailbox) -> None:
    """Without its subfolders it can be."""
    top = await planted(own_mailbox, INBOX)
    inbox = await open_special(client, own_mailbox, "inbox")
    assert await copy_folder(client, inbox, top, await open_folder(client, top), "Again", recursive=False) is False
    assert (await tree(own_mailbox, top))["Again"] == (*CONTENT, {})


async def test_the_inbox_is_copied_as_an_ordinary_folder(client: Client, own_mailbox: Mailbox) -> None:
    inbox, drafts = [await open_special(client, own_mailbox, key) for key in ("inbox", "drafts")]
    await client.value("SetProperties", inbox, property_values=[(tags.PidTagIpmDraftsEntryId, b"x" * 46)])
    await fill(own_mailbox, INBOX, 1)
    assert await copy_folder(client, inbox, INBOX, drafts, "Copy") is False
    (copied,) = await own_mailbox.children(DRAFTS)
    assert copied.special == ""
    index = await open_folder(client, copied.folder_id)
    assert await client.properties(index, tags.PidTagIpmDraftsEntryId) == [ErrorCode.NotFound]
    assert await delete_folder(client, drafts, copied.folder_id, EVERYTHING) is False
