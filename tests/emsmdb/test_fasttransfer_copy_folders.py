"""RopFastTransferSourceCopyMessages and CopyFolder, and folders by CopyTo (MS-OXCFXICS 3.2.5.8.1, 2.2.4.3.6)."""

from collections.abc import Sequence
from typing import Any

import pytest

from mapigw.mailbox.folders import change_folder
from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.permissions import Rights
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import Marker, MetaTagEcWarning
from mapigw.wire.message import Attachment, Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.xid import Xid
from tests.emsmdb import delegates
from tests.emsmdb.client import Client
from tests.emsmdb.copies import (
    ASSOCIATED,
    CONTENTS,
    COPY_SUBFOLDERS,
    HIERARCHY,
    MOVE,
    OUTLOOK,
    RECOVER_MODE,
    SEND_ENTRY_ID,
    UNICODE,
    copy_folder,
    copy_messages,
    copy_properties,
    copy_to,
    lexemes,
    marker_count,
    read_all,
    shape,
    tags_of,
    values_of,
)
from tests.emsmdb.folders import open_folder
from tests.emsmdb.searches import make, search, subject

READ = Rights.ReadAny | Rights.FolderVisible
MESSAGE, FAI, END = Marker.StartMessage, Marker.StartFAIMsg, Marker.EndMessage
TOP, SUB, END_FOLDER = Marker.StartTopFld, Marker.StartSubFld, Marker.EndFolder
IDENTIFICATION = {
    tags.PidTagSourceKey,
    tags.PidTagChangeKey,
    tags.PidTagPredecessorChangeList,
    tags.PidTagLastModificationTime,
}


async def add(mailbox: Mailbox, folder_id: int, *subjects: str, associated: bool = False) -> list[int]:
    """Messages with nothing but a subject; their ids."""
    items = [NewMessage(Message({tags.PidTagSubject: subject}), is_associated=associated) for subject in subjects]
    return await mailbox.append(folder_id, items)


@pytest.fixture
async def place(own_mailbox: Mailbox) -> int:
    """A folder with two messages, one FAI message, a subfolder with a message, and an empty folder in that."""
    inbox = await own_mailbox.special_folder("inbox")
    top = await own_mailbox.create_folder(inbox.folder_id, "Top")
    await change_folder(own_mailbox, top.folder_id, {tags.PidTagComment: "of the top", 0x7C01001F: "set"})
    await add(own_mailbox, top.folder_id, "one", "two")
    await add(own_mailbox, top.folder_id, "view", associated=True)
    inner = await own_mailbox.create_folder(top.folder_id, "Inner", "IPF.Contact")
    await add(own_mailbox, inner.folder_id, "three")
    await own_mailbox.create_folder(inner.folder_id, "Empty")
    return top.folder_id


async def ids_of(mailbox: Mailbox, folder_id: int) -> list[int]:
    return sorted(await mailbox.message_ids(folder_id, associated=False))


def subjects(stream: bytes) -> list[str]:
    """Those of the messages in it, in order."""
    found = lexemes(stream)
    return [item.value for item in found if not isinstance(item, Marker) and item.tag == tags.PidTagSubject]


# Messages


@pytest.mark.spec("MS-OXCFXICS_R3125", "MS-OXCFXICS_R3330", "MS-OXCFXICS_R487")
async def test_messages(client: Client, own_mailbox: Mailbox, place: int) -> None:
    """In the order in which they are named, each beginning with its id; FAI as such, what is not there left out."""
    slot = await open_folder(client, place)
    one, two = await ids_of(own_mailbox, place)
    (view,) = await own_mailbox.message_ids(place, associated=True)
    (elsewhere,) = await own_mailbox.message_ids((await own_mailbox.children(place))[0].folder_id, associated=False)
    stream = await copy_messages(client, slot, [two, view, 0x7777, elsewhere, one])
    assert shape(stream) == [MESSAGE, END, FAI, END, MESSAGE, END]
    assert subjects(stream) == ["two", "view", "one"]
    found = tags_of(stream)
    starts = [place for place, tag in enumerate(found) if tag in (MESSAGE, FAI)]
    assert [found[start + 1] for start in starts] == [tags.PidTagMid] * 3
    mids = [item.value for item in lexemes(stream) if not isinstance(item, Marker) and item.tag == tags.PidTagMid]
    assert mids == [ObjectId(1, item).to_integer() for item in (two, view, one)]
    assert client.handles[client.last] != 0xFFFFFFFF


async def test_what_identifies_messages_and_their_changes(client: Client, own_mailbox: Mailbox, place: int) -> None:
    """SendEntryId, on all levels (2.2.3.1.1.3.1, 3.2.5.10)."""
    embedded = Message({tags.PidTagSubject: "in", tags.PidTagLastModificationTime: 5})
    outer = Message(
        {tags.PidTagSubject: "out", tags.PidTagOriginalEntryId: b"entry"},
        [],
        [Attachment({tags.PidTagAttachMethod: 5, tags.PidTagLastModificationTime: 6}, embedded)],
    )
    (message_id,) = await own_mailbox.append(place, [NewMessage(outer)])
    slot = await open_folder(client, place)
    row = await own_mailbox.message(message_id)
    assert row is not None
    with_them = await copy_messages(client, slot, [message_id], flags=SEND_ENTRY_ID)
    values = {item.tag: item.value for item in lexemes(with_them)[1:] if not isinstance(item, Marker)}
    assert {*IDENTIFICATION, tags.PidTagOriginalEntryId} <= values.keys()
    assert values[tags.PidTagSourceKey] == Xid.gid(own_mailbox.replica_guid, message_id).build()
    assert values[tags.PidTagChangeKey] == Xid.gid(own_mailbox.replica_guid, row.change_number).build()
    without = await copy_messages(client, slot, [message_id], flags=0)
    assert not IDENTIFICATION - {tags.PidTagLastModificationTime} & set(tags_of(without))
    assert tags.PidTagOriginalEntryId not in tags_of(without)
    assert tags_of(without).count(tags.PidTagLastModificationTime) == 1, "the attachment's is not a message's"
    assert subjects(without) == ["out", "in"]


@pytest.mark.spec("MS-OXCFXICS_R2715", "MS-OXCFXICS_R2716", "MS-OXCFXICS_R499001", "MS-OXCFXICS_R211601")
async def test_flags_of_messages(client: Client, own_mailbox: Mailbox, place: int) -> None:
    slot = await open_folder(client, place)
    message = Message({tags.PidTagSubject: "rich", tags.PidTagHtml: b"<p>original"})
    ids = await own_mailbox.append(place, [NewMessage(message)])
    stream = await copy_messages(client, slot, ids, flags=0)
    found = {item.tag: item.value for item in lexemes(stream) if not isinstance(item, Marker)}
    assert found[tags.PidTagHtml] == b"<p>original"
    assert not {tags.PidTagRtfCompressed, tags.PidTagBody} & found.keys()
    for flags in (0x02, 0x04, 0x08, 0x10, 0x1E):
        assert await copy_messages(client, slot, ids, flags=flags) == stream
    given: dict[str, Any] = {"message_ids": [ObjectId(1, ids[0])], "copy_flags": 0, "send_options": UNICODE}
    wrong: list[dict[str, Any]] = [{"copy_flags": 0x40}, {"copy_flags": 0x80}, {"send_options": 0x81}]
    for fields in (*wrong, {"message_ids": []}):
        code = await client.error("FastTransferSourceCopyMessages", slot, **{**given, **fields})
        assert code == ErrorCode.InvalidParameter


@pytest.mark.spec("MS-OXCFXICS_R1168", "MS-OXCFXICS_R34381", "MS-OXCFXICS_R2631")
async def test_messages_that_may_not_be_read_or_moved(client: Client, own_mailbox: Mailbox) -> None:
    """MetaTagEcWarning stands where they would be; a move needs the right to delete them as well."""
    inbox = await own_mailbox.special_folder("inbox")
    one, two = await add(own_mailbox, inbox.folder_id, "one", "two")
    warning = MetaTagEcWarning
    expected: Sequence[tuple[Rights, int, list[int]]] = (
        (READ, 0, [MESSAGE, END, MESSAGE, END]),
        (READ, MOVE, [warning, warning]),
        (READ | Rights.DeleteOwned, MOVE, [warning, warning]),
        (READ | Rights.DeleteAny, MOVE, [MESSAGE, END, MESSAGE, END]),
        (Rights.FolderVisible | Rights.DeleteAny, 0, [warning, warning]),
        (Rights.FolderVisible | Rights.DeleteAny, MOVE, [warning, warning]),
    )
    ann = await delegates.log_on_as(client, delegates.ANN)
    for rights, flags, wanted in expected:
        await delegates.grant(client, "inbox", delegates.ANN, rights)
        slot = await open_folder(ann, inbox.folder_id)
        stream = await copy_messages(ann, slot, [one, two], flags=flags)
        assert [tag for tag in tags_of(stream) if tag in {MESSAGE, END, warning}] == wanted
        codes = [item.value for item in lexemes(stream) if not isinstance(item, Marker) and item.tag == warning]
        assert all(code & 0xFFFFFFFF == ErrorCode.AccessDenied for code in codes)
    await ann.session.close()


async def test_messages_that_a_search_folder_shows(client: Client, own_mailbox: Mailbox, place: int) -> None:
    found, _ = await make(client)
    await search(client, found, subject("o"), [place])
    ids = await ids_of(own_mailbox, place)
    assert subjects(await copy_messages(client, found, ids)) == ["one", "two"]


async def test_a_folder_that_may_not_be_seen_any_more(client: Client, own_mailbox: Mailbox) -> None:
    inbox = await own_mailbox.special_folder("inbox")
    ann = await delegates.log_on_as(client, delegates.ANN)
    await delegates.grant(client, "inbox", delegates.ANN, READ)
    slot = await open_folder(ann, inbox.folder_id)
    await delegates.grant(client, "inbox", delegates.ANN, Rights(0))
    given: dict[str, Any] = {"message_ids": [ObjectId(1, 1)], "copy_flags": 0, "send_options": 1}
    assert await ann.error("FastTransferSourceCopyMessages", slot, **given) == ErrorCode.AccessDenied
    code = await ann.error("FastTransferSourceCopyFolder", slot, copy_flags=0, send_options=1)
    assert code == ErrorCode.AccessDenied
    assert await ann.error("FastTransferSourceCopyTo", slot, **OUTLOOK, property_tags=[]) == ErrorCode.AccessDenied
    await ann.session.close()


# Damage


async def test_a_damaged_message_is_told_of_and_the_others_come(
    client: Client, own_mailbox: Mailbox, place: int
) -> None:
    """RecoverMode: the errorInfo element names folder and message (2.2.2.10, 2.2.4.3.4)."""
    slot = await open_folder(client, place)
    large = Message({tags.PidTagSubject: "large", tags.PidTagTransportMessageHeaders: "x" * 9000})
    (lost,) = await own_mailbox.append(place, [NewMessage(large)])
    one, two = [item for item in await ids_of(own_mailbox, place) if item != lost]
    for path in own_mailbox.database.blobs.folder.glob("??/*"):
        path.unlink()
    stream = await copy_messages(client, slot, [one, lost, two], options=UNICODE | RECOVER_MODE)
    assert shape(stream) == [MESSAGE, END, Marker.FXErrorInfo, MESSAGE, END]
    assert subjects(stream) == ["one", "two"]
    (info,) = [item.value for item in lexemes(stream) if not isinstance(item, Marker) and item.tag == 0x00000102]
    gids = [Xid.gid(own_mailbox.replica_guid, item).build() for item in (place, lost)]
    assert info == (
        bytes(4) + ErrorCode.CorruptData.to_bytes(4, "little") + gids[0] + bytes(2) + gids[1] + bytes(2) + bytes(32)
    )
    assert marker_count(await copy_folder(client, slot, options=UNICODE | RECOVER_MODE), Marker.FXErrorInfo) == 1
    listed = [ObjectId(1, item) for item in (one, lost, two)]
    await client.value("FastTransferSourceCopyMessages", slot, message_ids=listed, copy_flags=0, send_options=UNICODE)
    fields: dict[str, Any] = {"buffer_size": 0xBABE, "maximum_buffer_size": 0x7BC0}
    for _ in range(2):
        assert await client.error("FastTransferSourceGetBuffer", client.last, **fields) == ErrorCode.CorruptData


# Folders


@pytest.mark.spec("MS-OXCFXICS_R502", "MS-OXCFXICS_R511", "MS-OXCFXICS_R3331")
async def test_a_folder_and_what_is_below(client: Client, place: int) -> None:
    """topFolder has neither name nor comment of the top folder, and no MetaTagFXDelProp."""
    stream = await copy_folder(client, await open_folder(client, place))
    messages = [FAI, END, MESSAGE, END, MESSAGE, END]
    assert shape(stream) == [TOP, *messages, SUB, MESSAGE, END, SUB, END_FOLDER, END_FOLDER, END_FOLDER]
    assert sorted(subjects(stream)) == ["one", "three", "two", "view"]
    found = tags_of(stream)
    assert found[1:3] == [tags.PidTagContainerClass, 0x7C01001F]
    assert found[found.index(SUB) + 1 :][:4] == [
        tags.PidTagFolderId,
        tags.PidTagDisplayName,
        tags.PidTagComment,
        tags.PidTagContainerClass,
    ]
    assert [item.value for item in lexemes(stream) if getattr(item, "tag", 0) == tags.PidTagDisplayName] == [
        "Inner",
        "Empty",
    ]
    assert found.count(tags.PidTagMid) == 4
    alone = await copy_folder(client, await open_folder(client, place), flags=0)
    assert shape(alone) == [TOP, *messages, END_FOLDER]


@pytest.mark.spec("MS-OXCFXICS_R3481", "MS-OXCFXICS_R2813")
async def test_a_folder_that_is_moved(client: Client, own_mailbox: Mailbox, place: int) -> None:
    """Its subfolders go along, as they would be lost; the flag changes nothing else."""
    slot = await open_folder(client, place)
    whole = await copy_folder(client, slot, flags=COPY_SUBFOLDERS)
    assert await copy_folder(client, slot, flags=MOVE) == whole
    assert await copy_folder(client, slot, flags=MOVE | COPY_SUBFOLDERS) == whole
    inbox = await own_mailbox.special_folder("inbox")
    await add(own_mailbox, inbox.folder_id, "not mine")
    ann = await delegates.log_on_as(client, delegates.ANN)
    await delegates.grant(client, "inbox", delegates.ANN, READ)
    stream = await copy_folder(ann, await open_folder(ann, inbox.folder_id), flags=MOVE)
    assert MetaTagEcWarning not in tags_of(stream)
    await ann.session.close()


async def test_flags_of_folders(client: Client, place: int) -> None:
    slot = await open_folder(client, place)
    stream = await copy_folder(client, slot, flags=0)
    for flags in (0x02, 0x04, 0x08):
        assert await copy_folder(client, slot, flags=flags) == stream
    for flags, options in ((0x20, 1), (0x40, 1), (0x80, 1), (0, 0x80)):
        code = await client.error("FastTransferSourceCopyFolder", slot, copy_flags=flags, send_options=options)
        assert code == ErrorCode.InvalidParameter


async def test_folders_that_may_not_be_seen_are_left_out(client: Client, own_mailbox: Mailbox) -> None:
    ann = await delegates.log_on_as(client, delegates.ANN)
    inbox = await own_mailbox.special_folder("inbox")
    for name in ("Hidden", "Shown"):
        child = await own_mailbox.create_folder(inbox.folder_id, name)
        await add(own_mailbox, child.folder_id, name)
        await own_mailbox.create_folder(child.folder_id, f"In {name}")
        if name == "Shown":
            slot = await open_folder(client, child.folder_id)
            given = delegates.entry(delegates.ADD, dn=delegates.ANN.legacy_dn, rights=int(Rights.FolderVisible))
            await delegates.modify(client, slot, given)
    await delegates.grant(client, "inbox", delegates.ANN, READ)
    stream = await copy_folder(ann, await open_folder(ann, inbox.folder_id))
    assert shape(stream) == [TOP, SUB, END_FOLDER, END_FOLDER]
    assert tags_of(stream).count(MetaTagEcWarning) == 1, "the folder may be seen, its message not read"
    await ann.session.close()


@pytest.mark.spec("MS-OXCFXICS_R3324", "MS-OXCFXICS_R1113", "MS-OXCFXICS_R2620")
async def test_folder_content(client: Client, own_mailbox: Mailbox, place: int) -> None:
    """No marker around it, name and comment in it, and MetaTagFXDelProp before each kind of subobject."""
    stream = await copy_to(client, await open_folder(client, place))
    assert shape(stream) == [
        *[ASSOCIATED, FAI, END, CONTENTS, MESSAGE, END, MESSAGE, END, HIERARCHY],
        *[SUB, ASSOCIATED, CONTENTS, MESSAGE, END, HIERARCHY],
        *[SUB, ASSOCIATED, CONTENTS, HIERARCHY, END_FOLDER, END_FOLDER],
    ]
    values = values_of(stream)
    assert list(values)[:3] == [tags.PidTagFolderId, tags.PidTagDisplayName, tags.PidTagComment]
    assert values[tags.PidTagFolderId] == ObjectId(1, place).to_integer()
    assert (values[tags.PidTagDisplayName], values[tags.PidTagComment]) == ("Top", "of the top")
    assert values[0x7C01001F] == "set"
    inbox = await own_mailbox.special_folder("inbox")
    leading = values_of(await copy_to(client, await open_folder(client, inbox.folder_id), level=1))
    assert tags.PidTagAdditionalRenEntryIds not in leading
    assert tags.PidTagContentCount not in leading


@pytest.mark.spec("MS-OXCFXICS_R2276", "MS-OXCFXICS_R1113", "MS-OXCFXICS_R2620", "MS-OXCFXICS_R3440")
async def test_filters_on_a_folder(client: Client, place: int) -> None:
    """They say nothing about the folders below (3.2.5.10)."""
    slot = await open_folder(client, place)
    inner = [SUB, ASSOCIATED, CONTENTS, MESSAGE, END, HIERARCHY]
    inner += [SUB, ASSOCIATED, CONTENTS, HIERARCHY, END_FOLDER, END_FOLDER]
    stream = await copy_to(client, slot, ASSOCIATED, tags.PidTagComment)
    assert shape(stream) == [CONTENTS, MESSAGE, END, MESSAGE, END, HIERARCHY, *inner]
    assert tags.PidTagComment not in values_of(stream)
    assert tags_of(stream).count(tags.PidTagComment) == 2
    assert shape(await copy_to(client, slot, CONTENTS, HIERARCHY)) == [ASSOCIATED, FAI, END]
    assert shape(await copy_to(client, slot, level=1)) == []


@pytest.mark.spec("MS-OXCFXICS_R3325", "MS-OXCFXICS_R3464", "MS-OXCFXICS_R3783")
async def test_what_is_named_of_a_folder(client: Client, place: int) -> None:
    slot = await open_folder(client, place)
    stream = await copy_properties(client, slot, tags.PidTagDisplayName, tags.PidTagContentCount)
    assert values_of(stream) == {tags.PidTagDisplayName: "Top", tags.PidTagContentCount: 2}
    assert shape(stream) == []
    assert shape(await copy_properties(client, slot, CONTENTS)) == [CONTENTS, MESSAGE, END, MESSAGE, END]
    assert shape(await copy_properties(client, slot, CONTENTS, level=1)) == []
    assert values_of(await copy_properties(client, slot, tags.PidTagFolderId)) == {
        tags.PidTagFolderId: ObjectId(1, place).to_integer()
    }


@pytest.mark.spec("MS-OXCFXICS_R2669")
async def test_what_may_not_be_deleted_is_not_moved_out_of_a_folder(client: Client, own_mailbox: Mailbox) -> None:
    ann = await delegates.log_on_as(client, delegates.ANN)
    inbox = await own_mailbox.special_folder("inbox")
    await add(own_mailbox, inbox.folder_id, "not mine")
    child = await own_mailbox.create_folder(inbox.folder_id, "Child")
    entry = delegates.entry(delegates.ADD, dn=delegates.ANN.legacy_dn, rights=int(READ))
    await delegates.modify(client, await open_folder(client, child.folder_id), entry)
    await delegates.grant(client, "inbox", delegates.ANN, READ)
    slot = await open_folder(ann, inbox.folder_id)
    copied = await copy_properties(ann, slot, CONTENTS, HIERARCHY)
    assert shape(copied)[:4] == [CONTENTS, MESSAGE, END, HIERARCHY]
    assert SUB in shape(copied)
    moved = await copy_properties(ann, slot, CONTENTS, HIERARCHY, copy_flags=MOVE)
    assert shape(moved) == [CONTENTS, HIERARCHY]
    assert MetaTagEcWarning in tags_of(moved)
    await ann.session.close()


async def test_a_folder_that_goes_away(client: Client, own_mailbox: Mailbox, place: int) -> None:
    slot = await open_folder(client, place)
    given: dict[str, Any] = {"message_ids": [ObjectId(1, 1)], "copy_flags": 0, "send_options": 1}
    contexts = []
    for name, fields in (
        ("FastTransferSourceCopyMessages", given),
        ("FastTransferSourceCopyFolder", {"copy_flags": 0, "send_options": 1}),
        ("FastTransferSourceCopyTo", {**OUTLOOK, "property_tags": []}),
    ):
        await client.value(name, slot, **fields)
        contexts.append(client.last)
    inbox = await own_mailbox.special_folder("inbox")
    parent = await open_folder(client, inbox.folder_id)
    await client.value("DeleteFolder", parent, delete_folder_flags=0x15, folder_id=ObjectId(1, place))
    fields = {"buffer_size": 0xBABE, "maximum_buffer_size": 0x7BC0}
    for context in contexts:
        assert await client.error("FastTransferSourceGetBuffer", context, **fields) == ErrorCode.ObjectDeleted
    code = await client.error("FastTransferSourceCopyFolder", slot, copy_flags=0, send_options=1)
    assert code == ErrorCode.ObjectDeleted


async def test_a_large_folder_comes_in_parts(client: Client, own_mailbox: Mailbox, place: int) -> None:
    """More messages than one batch, and steps that count them."""
    await add(own_mailbox, place, *map(str, range(450)))
    slot = await open_folder(client, place)
    await client.value("FastTransferSourceCopyFolder", slot, copy_flags=0, send_options=1)
    context = client.last
    fields: dict[str, Any] = {"buffer_size": 0x2000, "maximum_buffer_size": None}
    first = await client.value("FastTransferSourceGetBuffer", context, **fields)
    assert first.total_step_count == 453
    rest = await read_all(client, context)
    assert marker_count(first.transfer_buffer + rest, MESSAGE) == 452
