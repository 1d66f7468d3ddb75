"""RopCopyTo and RopCopyProperties between messages, attachments and folders."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from mapigw.directory.model import User
from mapigw.emsmdb import progress as progress_module
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.permissions import Rights
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import PropertyName, PropertyType
from mapigw.wire.property_sets import PSETID_Common
from mapigw.wire.rop_buffer import RopResponse
from mapigw.wire.rows import PropertyProblem
from tests.emsmdb import delegates
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.logons import another_user, log_on_as, new_client
from tests.emsmdb.messages import (
    READ_ONLY,
    create,
    create_attachment,
    mailbox_of,
    modify_recipients,
    open_attachment,
    open_embedded,
    open_folder,
    open_message,
    release,
    save,
    save_attachment,
    set_values,
    smtp,
)

TEXT, NUMBER, OTHER = 0x7C01001F, 0x7C020003, 0x7C03001F
BINARY = 0x7C040102
MOVE, NO_OVERWRITE = 0x01, 0x02
CREATE = 0x02
LARGE = bytes(range(256)) * 1024
RECIPIENTS, ATTACHMENTS = tags.PidTagMessageRecipients, tags.PidTagMessageAttachments
BOTH = ["CopyTo", "CopyProperties"]


async def send_copy(
    client: Client,
    source: int,
    destination: int,
    columns: Sequence[int] | None = None,
    *,
    excluded: Sequence[int] = (),
    flags: int = 0,
    subobjects: bool = True,
    asynchronous: bool = False,
    logon_id: int = 0,
) -> RopResponse:
    """CopyProperties of ``columns``, or CopyTo without."""
    fields: dict[str, Any] = {
        "dest_handle_index": destination,
        "want_asynchronous": asynchronous,
        "copy_flags": flags,
    }
    if columns is None:
        asked = client.request("CopyTo", source, want_sub_objects=subobjects, excluded_tags=list(excluded), **fields)
    else:
        asked = client.request("CopyProperties", source, property_tags=list(columns), **fields)
    asked.logon_id = logon_id
    (response,) = await client.send(asked)
    return response


async def copy(
    client: Client, source: int, destination: int, columns: Sequence[int] | None = None, **options: Any
) -> Any:
    """The problems of a copy that must succeed."""
    response = await send_copy(client, source, destination, columns, **options)
    assert response.rop.name == ("CopyTo" if columns is None else "CopyProperties")
    assert response.return_value == 0, hex(response.return_value)
    return response.value.property_problems


async def refusal(client: Client, name: str, source: int, destination: int, **options: Any) -> int:
    return (
        await send_copy(client, source, destination, [TEXT] if name == "CopyProperties" else None, **options)
    ).return_value


async def recipients(client: Client, message: int) -> list[str]:
    value = await client.value("ReloadCachedInformation", message, reserved=0)
    return [row.recipient_row.display_name for row in value.recipient_rows]


async def attachment_names(client: Client, message: int) -> list[str]:
    await client.value("GetAttachmentTable", message, table_flags=0)
    table = client.last
    columns = [tags.PidTagAttachNumber, tags.PidTagAttachLongFilename]
    await client.value("SetColumns", table, set_columns_flags=0, property_tags=columns)
    value = await client.value("QueryRows", table, columns, query_rows_flags=0, forward_read=True, row_count=50)
    return [row[1] for row in value.row_data] if value.row_count else []


async def full_message(client: Client, values: Mapping[int, Any] | None = None) -> int:
    """An unsaved message with two recipients, an attachment and an embedded message."""
    message = await create(client, {TEXT: "text", NUMBER: 7, tags.PidTagSubject: "subject", **(values or {})})
    await modify_recipients(client, message, {0: smtp("Ann"), 1: smtp("Ben")})
    file, _ = await create_attachment(client, message, {tags.PidTagAttachLongFilename: "a.txt"})
    await save_attachment(client, file)
    mail, _ = await create_attachment(client, message, {tags.PidTagAttachLongFilename: "inner"})
    embedded = await open_embedded(client, mail, CREATE)
    await set_values(client, embedded, {tags.PidTagSubject: "within", OTHER: "deep"})
    await save(client, embedded)
    await save_attachment(client, mail)
    return message


# Messages


@pytest.mark.spec("MS-OXCPRPT_R181", "MS-OXCPRPT_R18501", "MS-OXCPRPT_R177", "MS-OXCPRPT_R5070507", "MS-OXCPRPT_R171")
async def test_a_message_is_copied_with_what_it_holds(client: Client) -> None:
    source, destination = await full_message(client), await create(client, {TEXT: "before", OTHER: "kept"})
    await save(client, source)
    message_id = await save(client, destination)
    assert await copy(client, source, destination) == []
    columns = (TEXT, NUMBER, OTHER, tags.PidTagSubject, tags.PidTagDisplayTo)
    expected = ["text", 7, "kept", "subject", "Ann; Ben"]
    assert await client.properties(destination, *columns) == expected
    assert await recipients(client, destination) == ["Ann", "Ben"]
    assert await attachment_names(client, destination) == ["a.txt", "inner"]
    assert await client.properties(source, TEXT, NUMBER) == ["text", 7]
    assert await recipients(client, source) == ["Ann", "Ben"]
    unsaved = await open_message(client, message_id, READ_ONLY)
    assert await client.properties(unsaved, TEXT) == ["before"]
    assert await attachment_names(client, unsaved) == []
    assert await save(client, destination) == message_id
    other = await open_message(client, message_id)
    assert await client.properties(other, *columns) == expected
    table = await attachment_names(client, other)
    assert table == ["a.txt", "inner"]
    inner = await embedded_of(client, other)
    assert await client.properties(inner, tags.PidTagSubject, OTHER) == ["within", "deep"]


async def embedded_of(client: Client, message: int) -> int:
    """The embedded message of `full_message`'s second attachment."""
    await client.value("GetAttachmentTable", message, table_flags=0)
    table, columns = client.last, [tags.PidTagAttachNumber]
    await client.value("SetColumns", table, set_columns_flags=0, property_tags=columns)
    value = await client.value("QueryRows", table, columns, query_rows_flags=0, forward_read=True, row_count=50)
    attachment = await open_attachment(client, message, value.row_data[1][0])
    return await open_embedded(client, attachment)


@pytest.mark.spec("MS-OXCPRPT_R182")
async def test_without_subobjects_only_properties_are_copied(client: Client) -> None:
    source, destination = await full_message(client), await create(client)
    assert await copy(client, source, destination, subobjects=False) == []
    assert await client.properties(destination, TEXT, NUMBER) == ["text", 7]
    assert await recipients(client, destination) == []
    assert await attachment_names(client, destination) == []


@pytest.mark.spec("MS-OXCPRPT_R191", "MS-OXCPRPT_R5070501")
async def test_what_is_excluded_is_not_copied(client: Client) -> None:
    source, destination = await full_message(client), await create(client)
    assert (
        await copy(client, source, destination, excluded=[TEXT, tags.PidTagMessageRecipients, NUMBER & ~0xFFFF]) == []
    )
    row = await client.properties(destination, TEXT, NUMBER, tags.PidTagSubject)
    assert row == [ErrorCode.NotFound, ErrorCode.NotFound, "subject"]
    assert await recipients(client, destination) == []
    assert await attachment_names(client, destination) == ["a.txt", "inner"]


@pytest.mark.spec("MS-OXCPRPT_R624", "MS-OXCPRPT_R625", "MS-OXCPRPT_R5070504")
async def test_copy_to_overwrites_unless_told_not_to(client: Client) -> None:
    source = await full_message(client)
    kept, overwritten = await full_message(client, {TEXT: "old"}), await full_message(client, {TEXT: "old"})
    for destination in (kept, overwritten):
        await client.value("DeleteProperties", destination, property_tags=[NUMBER])
        await modify_recipients(client, destination, {1: None})
    assert await copy(client, source, kept, flags=NO_OVERWRITE) == []
    assert await client.properties(kept, TEXT, NUMBER) == ["old", 7]
    assert await recipients(client, kept) == ["Ann"]
    assert await attachment_names(client, kept) == ["a.txt", "inner"]
    assert await copy(client, source, overwritten) == []
    assert await client.properties(overwritten, TEXT, NUMBER) == ["text", 7]
    assert await recipients(client, overwritten) == ["Ann", "Ben"]
    assert await attachment_names(client, overwritten) == ["a.txt", "inner"]


@pytest.mark.spec(
    "MS-OXCPRPT_R146",
    "MS-OXCPRPT_R15901",
    "MS-OXCPRPT_R15204",
    "MS-OXCPRPT_R849",
    "MS-OXCPRPT_R500",
    "MS-OXCPRPT_R50006",
)
async def test_the_named_properties_are_copied_and_the_problems_told(client: Client) -> None:
    source, destination = await full_message(client), await create(client)
    message_id = await save(client, destination)
    columns = [TEXT, OTHER, tags.PidTagSubject, tags.PidTagMid, NUMBER & ~0xFFFF | PropertyType.STRING, TEXT]
    assert await copy(client, source, destination, columns) == [
        PropertyProblem(1, OTHER, ErrorCode.NotFound),
        PropertyProblem(3, tags.PidTagMid, ErrorCode.ComputedValue),
        PropertyProblem(4, columns[4], ErrorCode.NotFound),
    ]
    row = await client.properties(destination, TEXT, NUMBER, tags.PidTagSubject)
    assert row == ["text", ErrorCode.NotFound, "subject"]
    assert await recipients(client, destination) == []
    other = await open_message(client, message_id, READ_ONLY)
    assert await client.properties(other, TEXT) == [ErrorCode.NotFound]
    await save(client, destination)
    other = await open_message(client, message_id, READ_ONLY)
    assert await client.properties(other, TEXT) == ["text"]


async def test_copy_properties_takes_subobjects_by_their_tags(client: Client) -> None:
    source, destination = await full_message(client), await create(client)
    assert await copy(client, source, destination, [RECIPIENTS]) == []
    assert await recipients(client, destination) == ["Ann", "Ben"]
    assert await attachment_names(client, destination) == []
    assert await copy(client, source, destination, [ATTACHMENTS, NUMBER]) == []
    assert await attachment_names(client, destination) == ["a.txt", "inner"]
    assert await client.properties(destination, TEXT, NUMBER) == [ErrorCode.NotFound, 7]


@pytest.mark.spec("MS-OXCPRPT_R264", "MS-OXCPRPT_R265", "MS-OXCPRPT_R879")
async def test_copy_properties_overwrites_unless_told_not_to(client: Client) -> None:
    source = await create(client, {TEXT: "new", NUMBER: 7})
    destination = await create(client, {TEXT: "old"})
    assert await copy(client, source, destination, [TEXT, NUMBER], flags=NO_OVERWRITE) == []
    assert await client.properties(destination, TEXT, NUMBER) == ["old", 7]
    assert await copy(client, source, destination, [TEXT, NUMBER]) == []
    assert await client.properties(destination, TEXT, NUMBER) == ["new", 7]


@pytest.mark.spec("MS-OXCPRPT_R50101")
@pytest.mark.parametrize("name", BOTH)
async def test_a_move_leaves_the_source_as_it_is(client: Client, name: str) -> None:
    """As Exchange 2010 and later for RopCopyProperties, 2013 and later for RopCopyTo."""
    source, destination = await full_message(client), await create(client)
    await copy(client, source, destination, [TEXT] if name == "CopyProperties" else None, flags=MOVE)
    for message in (source, destination):
        assert await client.properties(message, TEXT) == ["text"]
    assert await recipients(client, source) == ["Ann", "Ben"]


@pytest.mark.spec(
    "MS-OXCPRPT_R86502", "MS-OXCPRPT_R18402", "MS-OXCPRPT_R88001", "MS-OXCPRPT_R5070506", "MS-OXCPRPT_R880"
)
@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("flags", [MOVE | NO_OVERWRITE, 0x04, 0x80, 0xFF])
async def test_flags_that_mean_nothing(client: Client, name: str, flags: int) -> None:
    source, destination = await create(client, {TEXT: "text"}), await create(client)
    assert await refusal(client, name, source, destination, flags=flags) == 0x80070057
    assert await client.properties(destination, TEXT) == [ErrorCode.NotFound]


async def test_large_values_are_passed_on_unread(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    source = await create(client)
    await client.value("OpenStream", source, property_tag=BINARY, open_mode_flags=CREATE)
    stream = client.last
    for start in range(0, len(LARGE), 30_000):
        await client.value("WriteStream", stream, data=LARGE[start : start + 30_000])
    await release(client, stream)
    await save(client, source)
    destination = await create(client)

    async def unread(*arguments: Any) -> bytes:
        raise AssertionError("read")

    with monkeypatch.context() as patch:
        patch.setattr(Mailbox, "read_blob", unread)
        await copy(client, source, destination)
        message_id = await save(client, destination)
    await client.value("OpenStream", await open_message(client, message_id), property_tag=BINARY, open_mode_flags=0)
    stream, data = client.last, b""
    while part := (await client.value("ReadStream", stream, byte_count=0x7000, maximum_byte_count=None)).data:
        data += part
    assert data == LARGE


async def test_what_a_stream_has_written_is_copied(client: Client) -> None:
    source, destination = await create(client), await create(client)
    await client.value("OpenStream", source, property_tag=BINARY, open_mode_flags=CREATE)
    await client.value("WriteStream", client.last, data=b"streamed")
    await copy(client, source, destination)
    assert await client.properties(destination, BINARY) == [b"streamed"]


async def test_the_copy_is_a_copy(client: Client) -> None:
    source, destination = await full_message(client), await create(client)
    await copy(client, source, destination)
    await modify_recipients(client, source, {0: None})
    await set_values(client, source, {TEXT: "changed"})
    assert await recipients(client, destination) == ["Ann", "Ben"]
    assert await client.properties(destination, TEXT) == ["text"]


# Attachments and embedded messages


@pytest.mark.spec("MS-OXCPRPT_R848", "MS-OXCPRPT_R5070508")
@pytest.mark.parametrize("name", BOTH)
async def test_an_attachment_s_copy_needs_two_saves(client: Client, name: str) -> None:
    message = await create(client)
    source, _ = await create_attachment(client, message, {TEXT: "text", tags.PidTagAttachDataBinary: b"data"})
    destination, number = await create_attachment(client, message)
    await save_attachment(client, destination)
    message_id = await save(client, message)

    async def persisted() -> list[Any]:
        other = await open_attachment(client, await open_message(client, message_id, READ_ONLY), number, READ_ONLY)
        return await client.properties(other, TEXT, tags.PidTagAttachDataBinary)

    columns = [TEXT, tags.PidTagAttachDataBinary] if name == "CopyProperties" else None
    absent = [ErrorCode.NotFound] * 2
    assert await copy(client, source, destination, columns) == []
    assert await client.properties(destination, TEXT, tags.PidTagAttachDataBinary) == ["text", b"data"]
    assert await client.properties(destination, tags.PidTagAttachNumber) == [number]
    await save(client, message)
    assert await persisted() == absent
    await save_attachment(client, destination)
    assert await persisted() == absent
    await save(client, message)
    assert await persisted() == ["text", b"data"]


@pytest.mark.parametrize("subobjects", [True, False])
async def test_an_attachment_s_message_is_copied(client: Client, subobjects: bool) -> None:
    source_message = await full_message(client)
    await embedded_of(client, source_message)
    source = client.last - 1
    message = await create(client)
    destination, _ = await create_attachment(client, message)
    assert await copy(client, source, destination, subobjects=subobjects) == []
    if subobjects:
        inner = await open_embedded(client, destination)
        assert await client.properties(inner, tags.PidTagSubject) == ["within"]
    else:
        fields: dict[str, Any] = {"code_page_id": 0x0FFF, "open_mode_flags": 0}
        assert await client.error("OpenEmbeddedMessage", destination, **fields) == ErrorCode.NotFound


async def test_a_message_is_copied_into_an_embedded_one_and_back(client: Client) -> None:
    source, outer = await full_message(client), await create(client)
    attachment, _ = await create_attachment(client, outer)
    embedded = await open_embedded(client, attachment, CREATE)
    assert await copy(client, source, embedded) == []
    assert await recipients(client, embedded) == ["Ann", "Ben"]
    assert await attachment_names(client, embedded) == ["a.txt", "inner"]
    back = await create(client)
    assert await copy(client, embedded, back) == []
    assert await client.properties(back, TEXT, tags.PidTagSubject) == ["text", "subject"]
    assert await client.properties(await embedded_of(client, back), OTHER) == ["deep"]


@pytest.mark.spec("MS-OXCPRPT_R896", "MS-OXCPRPT_R89601", "MS-OXCPRPT_R89604")
@pytest.mark.parametrize("name", BOTH)
async def test_a_message_is_not_copied_into_itself(client: Client, name: str) -> None:
    message = await full_message(client)
    message_id = await save(client, message)
    direct = await embedded_of(client, message)
    assert await refusal(client, name, message, direct) == 0x00000504
    attachment, _ = await create_attachment(client, direct)
    indirect = await open_embedded(client, attachment, CREATE)
    for source in (message, direct, await open_message(client, message_id)):
        assert await refusal(client, name, source, indirect) == 0x00000504
    assert await refusal(client, name, message, message) == ErrorCode.AccessDenied
    assert await copy(client, indirect, message, [tags.PidTagImportance]) == []


# Wrong objects


@pytest.mark.spec("MS-OXCPRPT_R821", "MS-OXCPRPT_R508", "MS-OXCPRPT_R890")
@pytest.mark.parametrize("name", BOTH)
async def test_source_and_destination_are_of_one_kind(client: Client, name: str) -> None:
    message = await create(client)
    attachment, _ = await create_attachment(client, message)
    folder = await open_folder(client, "inbox")
    await client.value("GetHierarchyTable", folder, table_flags=0)
    slots = {"message": message, "attachment": attachment, "folder": folder, "logon": LOGON, "table": client.last}
    for one, source in slots.items():
        for other, destination in slots.items():
            if one != other or one in {"logon", "table"}:
                assert await refusal(client, name, source, destination) == ErrorCode.NotSupported, (one, other)


@pytest.mark.spec("MS-OXCPRPT_R737", "MS-OXCPRPT_R738", "MS-OXCPRPT_R168")
@pytest.mark.parametrize("columns", [None, [TEXT]])
async def test_a_destination_that_is_not_there(client: Client, columns: list[int] | None) -> None:
    source, gone = await create(client), await create(client)
    await release(client, gone)
    for index in (gone, 200):
        response = await send_copy(client, source, index, columns)
        assert response.return_value == 0x00000503
        assert dict(response.value) == {"dest_handle_index": index}
    for index, code in ((gone, ErrorCode.InvalidObject), (200, ErrorCode.NullObject)):
        assert (await send_copy(client, index, source, columns)).return_value == code


@pytest.mark.parametrize("name", BOTH)
async def test_a_destination_that_is_read_only(client: Client, name: str) -> None:
    source, destination = await create(client, {TEXT: "text"}), await create(client)
    other = await open_message(client, await save(client, destination), READ_ONLY)
    assert await refusal(client, name, source, other) == ErrorCode.AccessDenied


# Folders


async def make_folder(client: Client, parent: int, name: str) -> int:
    fields: dict[str, Any] = {"folder_type": 1, "use_unicode_strings": True, "open_existing": False, "reserved": 0}
    await client.value("CreateFolder", parent, display_name=name, comment="", **fields)
    return client.last


async def folder_id(client: Client, folder: int) -> int:
    (value,) = await client.properties(folder, tags.PidTagFolderId)
    return ObjectId.from_integer(value).counter


async def fill(client: Client, folder: int, count: int, *, associated: int = 0) -> None:
    counter = await folder_id(client, folder)
    for number in range(count + associated):
        fields = {"code_page_id": 0x0FFF, "associated_flag": number >= count, "folder_id": ObjectId(1, counter)}
        await client.value("CreateMessage", LOGON, (), **fields)
        message = client.last
        await set_values(client, message, {tags.PidTagSubject: f"{number}"})
        await save(client, message)
        await release(client, message)


async def counts(client: Client, folder: int) -> list[int]:
    return await client.properties(folder, tags.PidTagContentCount, tags.PidTagAssociatedContentCount)


@pytest.mark.spec("MS-OXCPRPT_R503", "MS-OXCPRPT_R5070509")
@pytest.mark.parametrize("name", BOTH)
async def test_a_folder_s_copy_is_persistent_at_once(client: Client, own_mailbox: Mailbox, name: str) -> None:
    inbox = await open_folder(client, "inbox")
    source, destination = await make_folder(client, inbox, "one"), await make_folder(client, inbox, "two")
    await set_values(client, source, {TEXT: "text", NUMBER: 7, tags.PidTagContainerClass: "IPF.Contact"})
    problems = await copy(client, source, destination, [TEXT, NUMBER] if name == "CopyProperties" else None)
    assert [problem.error_code for problem in problems] == (
        [] if name == "CopyProperties" else [ErrorCode.CollidingNames]
    )
    await client.value("OpenFolder", folder_id=ObjectId(1, await folder_id(client, destination)), open_mode_flags=0)
    assert await client.properties(client.last, TEXT, NUMBER, tags.PidTagDisplayName) == ["text", 7, "two"]
    assert await client.properties(source, TEXT, NUMBER, tags.PidTagDisplayName) == ["text", 7, "one"]


async def test_a_folder_is_copied_with_what_it_holds(client: Client) -> None:
    inbox = await open_folder(client, "inbox")
    source, destination = await make_folder(client, inbox, "one"), await make_folder(client, inbox, "two")
    below = await make_folder(client, source, "below")
    await fill(client, source, 3, associated=2)
    await fill(client, below, 2)
    await copy(client, source, destination, subobjects=False)
    assert await counts(client, destination) == [0, 0]
    contents, fai = tags.PidTagContainerContents, tags.PidTagFolderAssociatedContents
    await copy(client, source, destination, excluded=[contents, tags.PidTagContainerHierarchy])
    assert await counts(client, destination) == [0, 2]
    await copy(client, source, destination, excluded=[fai])
    assert await counts(client, destination) == [3, 2]
    assert await counts(client, source) == [3, 2]
    mailbox = mailbox_of(client)
    (child,) = await mailbox.children(await folder_id(client, destination))
    assert (child.name, child.content_count) == ("below", 2)
    third = await make_folder(client, inbox, "three")
    assert await copy(client, source, third, [contents]) == []
    assert await counts(client, third) == [3, 0]


@pytest.mark.spec("MS-OXCPRPT_R897", "MS-OXCPRPT_R899", "MS-OXCPRPT_R89602", "MS-OXCPRPT_R89603")
async def test_folders_that_cannot_be_copied(client: Client) -> None:
    inbox = await open_folder(client, "inbox")
    source, destination = await make_folder(client, inbox, "one"), await make_folder(client, inbox, "two")
    below = await make_folder(client, source, "Below")
    await make_folder(client, destination, "below")
    await set_values(client, source, {TEXT: "text"})
    assert await refusal(client, "CopyTo", source, destination) == 0x80040604
    assert await client.properties(destination, TEXT) == [ErrorCode.NotFound]
    for target in (below, await make_folder(client, below, "deeper")):
        assert await refusal(client, "CopyTo", source, target) == 0x8004060B
    again = await open_folder(client, "inbox")
    assert await refusal(client, "CopyTo", inbox, again) == ErrorCode.AccessDenied


@pytest.mark.spec("MS-OXCPRPT_R881", "MS-OXCPRPT_R882", "MS-OXCPRPT_R5070511")
async def test_properties_of_folders_are_not_moved(client: Client) -> None:
    inbox = await open_folder(client, "inbox")
    source, destination = await make_folder(client, inbox, "one"), await make_folder(client, inbox, "two")
    await set_values(client, source, {TEXT: "text"})
    assert await refusal(client, "CopyProperties", source, destination, flags=MOVE) == 0x80040102
    assert await refusal(client, "CopyTo", source, destination, flags=MOVE) == 0
    assert await client.properties(source, TEXT) == ["text"]


async def test_what_leads_to_the_special_folders_stays_where_it_is(client: Client) -> None:
    inbox = await open_folder(client, "inbox")
    destination = await make_folder(client, await open_folder(client, "drafts"), "one")
    await copy(client, inbox, destination, subobjects=False)
    assert await client.properties(destination, tags.PidTagIpmContactEntryId) == [ErrorCode.NotFound]


async def test_a_copy_takes_rights_on_both_folders(client: Client) -> None:
    await fill(client, await open_folder(client, "inbox"), 2)
    ann = await delegates.log_on_as(client, delegates.ANN)
    for key in ("inbox", "drafts"):
        await delegates.grant(client, key, delegates.ANN, Rights.FolderVisible)
    source, destination = await delegates.folder(ann, "inbox"), await delegates.folder(ann, "drafts")
    contents = [tags.PidTagContainerContents]
    for columns in (None, [tags.PidTagContainerClass], contents):
        assert (await send_copy(ann, source, destination, columns)).return_value == ErrorCode.AccessDenied
    await delegates.grant(client, "drafts", delegates.ANN, Rights.FolderVisible | Rights.Create)
    assert await copy(ann, source, destination, contents) == []
    drafts = await open_folder(client, "drafts")
    assert await counts(client, drafts) == [0, 0]
    await delegates.grant(client, "inbox", delegates.ANN, Rights.FolderVisible | Rights.ReadAny)
    assert await copy(ann, source, destination, contents) == []
    assert await counts(client, drafts) == [2, 0]


@pytest.mark.spec("MS-OXCPRPT_R153", "MS-OXCPRPT_R178", "MS-OXCPRPT_R504", "MS-OXCPRPT_R50402")
@pytest.mark.spec("MS-OXCPRPT_R50801", "MS-OXCPRPT_R50802")
@pytest.mark.parametrize("columns", [None, [tags.PidTagContainerContents]])
async def test_a_copy_goes_on_in_the_background(
    client: Client, monkeypatch: pytest.MonkeyPatch, columns: list[int] | None
) -> None:
    inbox = await open_folder(client, "inbox")
    source, destination = await make_folder(client, inbox, "one"), await make_folder(client, inbox, "two")
    await fill(client, source, 5)
    name = "CopyTo" if columns is None else "CopyProperties"
    response = await send_copy(client, source, destination, columns, asynchronous=True)
    assert response.rop.name == name
    assert await counts(client, destination) == [5, 0]
    monkeypatch.setattr(progress_module, "FIRST_ANSWER", 0)
    monkeypatch.setattr(progress_module, "NEXT_ANSWER", 0.001)
    response = await send_copy(client, source, destination, columns, asynchronous=True)
    assert response.rop.name == "Progress"
    while response.rop.name == "Progress":
        assert response.value.completed_task_count <= response.value.total_task_count
        (response,) = await client.send(client.request("Progress", source, want_cancel=False))
    assert (response.rop.name, response.return_value) == (name, 0)
    assert response.handle_index == source
    assert await counts(client, destination) == [10, 0]


# Two mailboxes


@pytest.fixture
async def boss(mailboxes: Mailboxes, user: User) -> tuple[Client, Mailbox]:
    """An administrator with logon 0 to the own mailbox and logon 1, in slot 1, to another; that one."""
    other = await another_user(mailboxes, user, "anna")
    client = new_client(mailboxes, dataclasses.replace(user, admin=True), other, admin=True)
    await client.log_on()
    assert (await log_on_as(client, 1, other.legacy_dn)).return_value == 0
    return client, await mailboxes.open(other.mailbox_id)


async def test_named_properties_keep_their_names_in_another_mailbox(boss: tuple[Client, Mailbox]) -> None:
    client, other = boss
    names = [PropertyName(PSETID_Common, lid=0x8500 + number) for number in range(3)]
    await other.property_ids([PropertyName(PSETID_Common, lid=1), names[2]], create=True)
    ids = (await client.value("GetPropertyIdsFromNames", flags=2, property_names=names)).property_ids
    own, inner, theirs = (property_id << 16 | 0x1F for property_id in ids)
    source = await full_message(client, {own: "own", theirs: "last"})
    embedded = await embedded_of(client, source)
    attachment = client.last - 1
    await set_values(client, embedded, {inner: "inner"})
    await save(client, embedded)
    await save_attachment(client, attachment)
    inbox = await other.special_folder("inbox")
    asked = client.request(
        "CreateMessage", 1, code_page_id=0x0FFF, folder_id=ObjectId(1, inbox.folder_id), associated_flag=False
    )
    asked.logon_id = 1
    await client.send(asked)
    destination = client.last
    assert await copy(client, source, destination) == []
    assert await copy(client, source, destination, [own]) == []
    saving = client.request("SaveChangesMessage", destination, save_flags=0x0A)
    saving.logon_id = 1
    (response,) = await client.send(saving)
    assert response.return_value == 0
    row = await other.message(response.value.message_id.counter)
    assert row is not None
    there = await other.property_ids(names, create=False)
    asked = client.request(
        "GetPropertiesSpecific",
        destination,
        property_size_limit=0,
        want_unicode=1,
        property_tags=[there[names[0]] << 16 | 0x1F, there[names[2]] << 16 | 0x1F],
    )
    asked.logon_id = 1
    (response,) = await client.send(asked)
    assert response.value.row_data == ["own", "last"]
    assert there[names[0]] != ids[0]
    assert (there[names[1]] << 16 | 0x1F).to_bytes(4, "little") in row.children


async def test_a_folder_is_copied_to_another_mailbox(boss: tuple[Client, Mailbox]) -> None:
    client, other = boss
    inbox = await open_folder(client, "inbox")
    source = await make_folder(client, inbox, "one")
    name = PropertyName(PSETID_Common, lid=0x8580)
    await other.property_ids([PropertyName(PSETID_Common, lid=1)], create=True)
    (property_id,) = (await client.value("GetPropertyIdsFromNames", flags=2, property_names=[name])).property_ids
    await set_values(client, source, {property_id << 16 | 0x1F: "named"})
    await make_folder(client, source, "below")
    await fill(client, source, 3)
    row = await other.special_folder("drafts")
    asked = client.request("OpenFolder", 1, folder_id=ObjectId(1, row.folder_id), open_mode_flags=0)
    asked.logon_id = 1
    await client.send(asked)
    await copy(client, source, client.last)
    copied = await other.folder(row.folder_id)
    assert copied is not None
    assert copied.content_count == 3
    assert [child.name for child in await other.children(row.folder_id)] == ["below"]
    there = (await other.property_ids([name], create=False))[name]
    read = client.request(
        "GetPropertiesSpecific",
        client.last,
        property_size_limit=0,
        want_unicode=1,
        property_tags=[there << 16 | 0x1F],
    )
    read.logon_id = 1
    (response,) = await client.send(read)
    assert response.value.row_data == ["named"]
