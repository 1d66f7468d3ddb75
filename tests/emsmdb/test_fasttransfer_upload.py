"""FastTransfer uploads into messages, attachments and folders (MS-OXCFXICS 2.2.3.1.2, 3.2.5.8.2)."""

from typing import Any

import pytest

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.permissions import Rights
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import (
    MARKER_BYTES,
    Marker,
    MetaTagDnPrefix,
    MetaTagEcWarning,
    MetaTagFXDelProp,
)
from mapigw.wire.properties import PropertyName
from mapigw.wire.property_sets import PSETID_Common
from tests.emsmdb import delegates
from tests.emsmdb.client import Client
from tests.emsmdb.copies import (
    COPY_FOLDER,
    COPY_MESSAGES,
    COPY_PROPERTIES,
    COPY_TO,
    MOVE,
    copy_to,
    destination,
    put,
    refused,
    rows_in,
    shape,
    values_of,
    whole_row,
)
from tests.emsmdb.folders import folder_counts, open_folder
from tests.emsmdb.messages import (
    attach,
    cell,
    create,
    create_attachment,
    modify_recipients,
    open_attachment,
    open_embedded,
    open_message,
    save,
    save_attachment,
    smtp,
    special,
    stored,
)
from tests.emsmdb.stream_parts import (
    DELETE_ATTACHMENTS,
    DELETE_RECIPIENTS,
    attachment,
    embedded,
    inside,
    message,
    nested,
    properties,
    recipient,
    subfolder,
    unchanged,
)

COLOR = PropertyName(PSETID_Common, name="Color")
COLOR_TAG = 0x9ABC001F


@pytest.fixture
async def outbox(client: Client) -> int:
    return (await special(client, "outbox")).folder_id


# Messages


@pytest.mark.spec("MS-OXCFXICS_R581", "MS-OXCFXICS_R614", "MS-OXCFXICS_R596", "MS-OXCFXICS_R599")
@pytest.mark.parametrize("operation", [COPY_TO, COPY_PROPERTIES])
async def test_a_message_takes_content(client: Client, own_mailbox: Mailbox, operation: int) -> None:
    """The root is messageContent; it is on disk when the message is saved."""
    slot = await create(client, {tags.PidTagSubject: "before"})
    context = await destination(client, slot, operation)
    inner = embedded(properties({tags.PidTagSubject: "in"}), recipient("Inner"))
    stream = properties({tags.PidTagSubject: "RE: after", tags.PidTagBody: "text", tags.PidTagMid: 77})
    stream += DELETE_RECIPIENTS + recipient("Ann") + recipient("Ben", 1) + DELETE_ATTACHMENTS
    stream += attachment({tags.PidTagAttachMethod: 1, tags.PidTagAttachDataBinary: b"data"}) + inner
    async with unchanged(own_mailbox):
        await put(client, context, stream)
    assert await cell(client, slot, tags.PidTagSubject) == "RE: after"
    row = await stored(client, await save(client, slot))
    found = await whole_row(own_mailbox, row)
    assert [part[tags.PidTagDisplayName] for part in found.recipients] == [
        "Ann\0".encode("utf-16-le"),
        "Ben\0".encode("utf-16-le"),
    ]
    (first, none), (_second, held) = found.attachments
    assert first[tags.PidTagAttachDataBinary] == b"data"
    assert none is None
    assert held is not None
    assert held.properties[tags.PidTagSubject] == "in\0".encode("utf-16-le")
    assert len(held.recipients) == 1
    assert (row.subject, row.normalized_subject, row.has_attachments) == ("RE: after", "after", True)
    assert row.message_id != 77


async def test_what_a_message_had_stays_unless_the_stream_says_otherwise(client: Client) -> None:
    slot = await create(client, {tags.PidTagSubject: "before", tags.PidTagBody: "old"})
    await modify_recipients(client, slot, {3: smtp("Old")})
    await attach(client, slot, {tags.PidTagAttachDataBinary: b"old"})
    await put(client, await destination(client, slot), recipient("New") + attachment({tags.PidTagAttachMethod: 1}))
    content = shape(await copy_to(client, slot))
    assert (content.count(Marker.StartRecip), content.count(Marker.NewAttach)) == (2, 2)
    assert values_of(await copy_to(client, slot))[tags.PidTagSubject] == "before"
    await put(client, await destination(client, slot), DELETE_RECIPIENTS + DELETE_ATTACHMENTS)
    content = shape(await copy_to(client, slot))
    assert (content.count(Marker.StartRecip), content.count(Marker.NewAttach)) == (0, 0)
    await put(client, await destination(client, slot), properties({tags.PidTagHtml: b"<p>new"}))
    values = values_of(await copy_to(client, slot))
    assert values[tags.PidTagHtml] == b"<p>new"
    assert tags.PidTagBody not in values, "an older text"


@pytest.mark.spec("MS-OXCFXICS_R597", "MS-OXCFXICS_R600")
@pytest.mark.parametrize("operation", [COPY_TO, COPY_PROPERTIES])
async def test_an_attachment_takes_content(client: Client, operation: int) -> None:
    slot = await create(client)
    opened, number = await create_attachment(client, slot)
    context = await destination(client, opened, operation)
    inner = inside(Marker.StartEmbed, properties({tags.PidTagSubject: "in"}), end=Marker.EndEmbed)
    await put(client, context, properties({tags.PidTagDisplayName: "mail"}) + inner)
    await save_attachment(client, opened)
    message_id = await save(client, slot)
    found = await open_attachment(client, await open_message(client, message_id), number)
    assert await cell(client, found, tags.PidTagDisplayName) == "mail"
    assert await cell(client, found, tags.PidTagAttachMethod) == 5
    assert await cell(client, await open_embedded(client, found), tags.PidTagSubject) == "in"


async def test_an_attachment_without_method(client: Client) -> None:
    """It is one by value, or what is in it."""
    slot = await create(client)
    inner = inside(Marker.StartEmbed, properties({tags.PidTagSubject: "in"}), end=Marker.EndEmbed)
    stream = attachment({tags.PidTagAttachDataBinary: b"x"}) + attachment({}, inner) + attachment({})
    await put(client, await destination(client, slot), stream)
    for number, method in enumerate((1, 5, 1)):
        assert await cell(client, await open_attachment(client, slot, number), tags.PidTagAttachMethod) == method
    await save(client, slot)


@pytest.mark.spec("MS-OXCFXICS_R3183001")
async def test_wider_counts_in_the_answer(client: Client) -> None:
    slot = await create(client)
    context = await destination(client, slot)
    stream = properties({tags.PidTagSubject: "extended"})
    value = await client.value("FastTransferDestinationPutBufferExtended", context, transfer_data=stream[:5])
    told = (value.transfer_status, value.in_progress_count, value.total_step_count, value.buffer_used_size)
    assert told == (0, 0, 1, 5)
    await put(client, context, stream[5:], extended=True)
    assert await cell(client, slot, tags.PidTagSubject) == "extended"
    narrow = await client.value("FastTransferDestinationPutBuffer", context, transfer_data=b"")
    told = (narrow.transfer_status, narrow.in_progress_count, narrow.total_step_count, narrow.buffer_used_size)
    assert told == (0, 0, 1, 0)


# Values


async def test_large_values_go_to_disk(client: Client, own_mailbox: Mailbox) -> None:
    data, text = bytes(range(256)) * 2000, "Größe и вес" * 10_000
    stream = properties({tags.PidTagTransportMessageHeaders: text})
    stream += attachment({tags.PidTagAttachDataBinary: data})
    slot = await create(client)
    await put(client, await destination(client, slot), stream, 0x6FFF)
    logon = client.session.resolve(client.handles[slot])
    (held,) = logon.content.attachments  # type: ignore[attr-defined]
    assert held.properties[tags.PidTagAttachDataBinary].size == len(data)
    message_id = await save(client, slot)
    found = await copy_to(client, await open_message(client, message_id))
    assert data in found
    assert values_of(found)[tags.PidTagTransportMessageHeaders] == text
    assert own_mailbox.database.blobs.folder.joinpath("unfinished").exists()
    assert list(own_mailbox.database.blobs.folder.joinpath("unfinished").iterdir()) == []


TEXT = "Größe" * 20_000


@pytest.mark.parametrize("text", ["Größe", TEXT], ids=["short", "long"])
@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (0x001E, lambda text: text.encode("cp1252")),
        (0x8000 | 1252, lambda text: text.encode("cp1252")),
        (0x8000 | 1250, lambda text: text.encode("cp1250")),
        (0x8000 | 932, lambda text: text.replace("ö", "お").replace("ß", "せ").encode("cp932")),
        (0x84B0, lambda text: text),
        (0x001F, lambda text: text),
    ],
)
async def test_text_of_all_kinds(client: Client, text: str, kind: int, form: Any) -> None:
    """It is Unicode in the mailbox, with one NUL at its end."""
    slot = await create(client)
    tag = tags.PidTagInternetMessageId
    await put(client, await destination(client, slot), properties({tag & ~0xFFFF | kind: form(text)}))
    message_id = await save(client, slot)
    expected = text.replace("ö", "お").replace("ß", "せ") if kind == 0x8000 | 932 else text
    assert values_of(await copy_to(client, await open_message(client, message_id)))[tag] == expected


async def test_text_without_its_nul_and_lists_of_text(client: Client) -> None:
    """Readers of a stream look for the NUL (2.2.4.1.3)."""
    slot = await create(client)
    tag = tags.PidTagInternetMessageId
    stream = bytearray(properties({0x3A58101E: [b"a", b"\xfc"]}))
    for name, body in ((tag, "short".encode("utf-16-le")), (tags.PidTagBody, TEXT.encode("utf-16-le"))):
        stream += name.to_bytes(4, "little") + len(body).to_bytes(4, "little") + body
    await put(client, await destination(client, slot), bytes(stream))
    message_id = await save(client, slot)
    values = values_of(await copy_to(client, await open_message(client, message_id)))
    assert (values[tag], values[tags.PidTagBody], values[0x3A58101F]) == ("short", TEXT, ["a", "ü"])


async def test_named_properties_get_the_ids_of_the_mailbox(client: Client, own_mailbox: Mailbox) -> None:
    stream = properties({COLOR_TAG: "blue"}, {COLOR_TAG: COLOR})
    slot = await create(client)
    await put(client, await destination(client, slot), stream)
    ids = await own_mailbox.property_ids([COLOR], create=False)
    assert ids[COLOR] != COLOR_TAG >> 16
    assert await cell(client, slot, ids[COLOR] << 16 | 0x1F) == "blue"


async def test_what_is_no_property_of_the_object_is_passed_over(client: Client) -> None:
    """Meta-properties, computed properties, errors; what shares their ids' range but is a property stays."""
    confidence, simple_name = 0x40760003, 0x4030001F
    slot = await create(client)
    stream = properties(
        {
            MetaTagDnPrefix: b"/o=",
            MetaTagEcWarning: 0x40680,
            tags.PidTagSubject: "x",
            tags.PidTagEntryId: b"\1" * 70,
            tags.PidTagAccess: 0,
            0x1234000A: 0x80040107,
            confidence: 9,
            simple_name: "a@b",
            tags.PidTagMessageClass & ~0xFFFF | 0x0003: 5,
        }
    )
    await put(client, await destination(client, slot), stream)
    message_id = await save(client, slot)
    values = values_of(await copy_to(client, await open_message(client, message_id)))
    assert (values[confidence], values[simple_name], values[tags.PidTagMessageClass]) == (9, "a@b", "IPM.Note")
    assert not {tags.PidTagEntryId, tags.PidTagAccess, 0x1234000A, MetaTagDnPrefix, MetaTagEcWarning} & values.keys()


async def test_a_property_has_one_type(client: Client, own_mailbox: Mailbox, outbox: int) -> None:
    """What the server uses has its own type, and of another the last one counts."""
    context = await destination(client, await open_folder(client, outbox), COPY_MESSAGES)
    wrong = {tags.PidTagImportance & ~0xFFFF | 0x1F: "high", 0x7C010003: 1, 0x7C01001F: "one"}
    listed = inside(
        Marker.StartMessage,
        properties({tags.PidTagMid: 1, tags.PidTagMessageClass: "IPM.Note", tags.PidTagImportance: 2, **wrong}),
        end=Marker.EndMessage,
    )
    await put(client, context, listed)
    (row,) = await rows_in(own_mailbox, outbox)
    found = (await whole_row(own_mailbox, row)).properties
    assert 0x7C010003 not in found
    assert 0x7C01001F in found
    assert tags.PidTagImportance & ~0xFFFF | 0x1F not in found
    assert row.importance == 1


# Folders


@pytest.mark.spec("MS-OXCFXICS_R601")
async def test_a_list_of_messages(client: Client, own_mailbox: Mailbox, outbox: int) -> None:
    """Each is on disk when the piece that completes it is answered; the user is its creator."""
    context = await destination(client, await open_folder(client, outbox), COPY_MESSAGES, MOVE)
    settings = message("settings").replace(MARKER_BYTES[Marker.StartMessage], MARKER_BYTES[Marker.StartFAIMsg])
    first = message("one", recipient("Ann"), nested(2))
    warning = properties({MetaTagDnPrefix: b"/o=", MetaTagEcWarning: 0x40680})
    await put(client, context, warning + first + message("two")[:-4])
    assert [row.subject for row in await rows_in(own_mailbox, outbox)] == ["one"]
    await put(client, context, MARKER_BYTES[Marker.EndMessage] + settings)
    assert await folder_counts(own_mailbox, outbox) == (2, 0, 1)
    rows = await rows_in(own_mailbox, outbox)
    assert [(row.subject, row.is_associated) for row in rows] == [("settings", True), ("one", False), ("two", False)]
    assert all(row.is_read for row in rows)
    slot = await open_message(client, rows[1].message_id, key="outbox")
    assert await cell(client, slot, tags.PidTagCreatorName) == client.session.user.display_name


async def test_read_state_and_flags_come_along(client: Client, own_mailbox: Mailbox, outbox: int) -> None:
    context = await destination(client, await open_folder(client, outbox), COPY_MESSAGES)
    wanted = [0x0001, 0x0000, 0x0008, 0x0409]
    for flags in wanted:
        head = properties({tags.PidTagMid: 1, tags.PidTagMessageFlags: flags, tags.PidTagReadReceiptRequested: True})
        await put(client, context, inside(Marker.StartMessage, head, end=Marker.EndMessage))
    rows = await rows_in(own_mailbox, outbox)
    assert [row.message_flags | row.is_read for row in rows] == wanted
    assert await folder_counts(own_mailbox, outbox) == (4, 2, 0)


@pytest.mark.spec("MS-OXCFXICS_R602")
async def test_a_folder_into_the_one_that_is_open(client: Client, own_mailbox: Mailbox, outbox: int) -> None:
    """topFolder does not tell a name, so that it is the open folder that takes what it holds."""
    slot = await open_folder(client, outbox)
    context = await destination(client, slot, COPY_FOLDER)
    stream = inside(
        Marker.StartTopFld,
        properties({0x7C01001F: "set"}),
        message("one"),
        subfolder("In", message("two"), subfolder("Deep"), comment="told"),
        subfolder("Empty"),
        end=Marker.EndFolder,
    )
    await put(client, context, stream, 7)
    assert [row.subject for row in await rows_in(own_mailbox, outbox)] == ["one"]
    found = {row.name: row for row in await own_mailbox.children(outbox)}
    assert set(found) == {"In", "Empty"}
    assert [row.subject for row in await rows_in(own_mailbox, found["In"].folder_id)] == ["two"]
    assert [row.name for row in await own_mailbox.children(found["In"].folder_id)] == ["Deep"]
    assert await cell(client, slot, 0x7C01001F) == "set"
    inner = await open_folder(client, found["In"].folder_id)
    assert await cell(client, inner, tags.PidTagComment) == "told"
    empty = await open_folder(client, found["Empty"].folder_id)
    assert await cell(client, empty, tags.PidTagComment) == ErrorCode.NotFound
    assert (await special(client, "outbox")).name == "Outbox"
    assert await refused(client, context, properties({0x7C01001F: "late"})) == ErrorCode.RpcFormat


@pytest.mark.spec("MS-OXCFXICS_R595", "MS-OXCFXICS_R598")
@pytest.mark.parametrize("operation", [COPY_TO, COPY_PROPERTIES])
async def test_folder_content(client: Client, own_mailbox: Mailbox, operation: int) -> None:
    """No marker is around it; what it has of the name renames the folder, as RopCopyTo does."""
    inbox = await own_mailbox.special_folder("inbox")
    made = await own_mailbox.create_folder(inbox.folder_id, "Before")
    kept = await own_mailbox.create_folder(made.folder_id, "In")
    context = await destination(client, await open_folder(client, made.folder_id), operation)
    stream = properties({tags.PidTagFolderId: 1, tags.PidTagDisplayName: "After", tags.PidTagComment: ""})
    stream += properties({MetaTagFXDelProp: tags.PidTagContainerContents}) + message("one")
    stream += properties({MetaTagFXDelProp: tags.PidTagContainerHierarchy}) + subfolder("in", message("two"))
    await put(client, context, stream, 100)
    row = await own_mailbox.folder(made.folder_id)
    assert row is not None
    assert row.name == "After"
    assert [item.subject for item in await rows_in(own_mailbox, made.folder_id)] == ["one"]
    assert [item.folder_id for item in await own_mailbox.children(made.folder_id)] == [kept.folder_id]
    assert [item.subject for item in await rows_in(own_mailbox, kept.folder_id)] == ["two"]


async def test_what_the_other_server_could_not_read_is_left_out(
    client: Client, own_mailbox: Mailbox, outbox: int
) -> None:
    """After FXErrorInfo the stream goes on behind the message that it breaks off (2.2.4.3.4)."""
    context = await destination(client, await open_folder(client, outbox), COPY_MESSAGES)
    error = MARKER_BYTES[Marker.FXErrorInfo] + properties({0x00000102: bytes(88)})
    broken = MARKER_BYTES[Marker.StartMessage] + properties({tags.PidTagSubject: "broken"}) + recipient("Ann")
    await put(client, context, message("one") + broken + error + message("two") + error)
    assert [row.subject for row in await rows_in(own_mailbox, outbox)] == ["one", "two"]
    slot = await create(client)
    assert await refused(client, await destination(client, slot), error) == ErrorCode.RpcFormat


async def test_rights_of_an_upload(client: Client, own_mailbox: Mailbox) -> None:
    inbox = await own_mailbox.special_folder("inbox")
    ann = await delegates.log_on_as(client, delegates.ANN)
    see = Rights.ReadAny | Rights.FolderVisible
    for rights, stream, operation, expected in (
        (see, message("one"), COPY_MESSAGES, ErrorCode.AccessDenied),
        (see | Rights.Create, message("one"), COPY_MESSAGES, 0),
        (see | Rights.Create, subfolder("In"), COPY_TO, ErrorCode.AccessDenied),
        (see | Rights.CreateSubFolder, subfolder("In", message("two")), COPY_TO, 0),
        (see, properties({tags.PidTagComment: "mine"}), COPY_TO, ErrorCode.AccessDenied),
        (see | Rights.FolderOwner, properties({tags.PidTagComment: "mine"}), COPY_TO, 0),
    ):
        await delegates.grant(client, "inbox", delegates.ANN, rights)
        context = await destination(ann, await open_folder(ann, inbox.folder_id), operation)
        if expected:
            async with unchanged(own_mailbox):
                assert await refused(ann, context, stream) == expected
        else:
            await put(ann, context, stream)
    (made,) = await own_mailbox.children(inbox.folder_id)
    assert await cell(ann, await open_folder(ann, made.folder_id), tags.PidTagRights) & Rights.FolderOwner
    await ann.session.close()
