"""FastTransfer uploads into messages, attachments and folders (MS-OXCFXICS 2.2.3.1.2, 3.2.5.8.2)."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mapigw.emsmdb import content_upload
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.permissions import Rights
from mapigw.mailbox.rules import EXTENDED_RULE_SIZE_LIMIT
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import (
    MARKER_BYTES,
    Marker,
    MetaTagDnPrefix,
    MetaTagEcWarning,
    MetaTagFXDelProp,
    push_property,
)
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import PropertyName
from mapigw.wire.property_sets import PSETID_Common
from tests.emsmdb import delegates
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.copies import (
    ATTACHMENTS,
    COPY_FOLDER,
    COPY_MESSAGES,
    COPY_PROPERTIES,
    COPY_TO,
    MOVE,
    RECIPIENTS,
    copy_to,
    destination,
    put,
    refused,
    rows_in,
    shape,
    values_of,
    whole_row,
)
from tests.emsmdb.folders import folder_counts, open_folder, table_rows
from tests.emsmdb.messages import (
    READ_ONLY,
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

Values = Mapping[int, Any]
COLOR = PropertyName(PSETID_Common, name="Color")
COLOR_TAG = 0x9ABC001F
TOO_DEEP = content_upload.EMBEDDED_MAXIMUM + 1


def properties(values: Values, names: Mapping[int, PropertyName] | None = None) -> bytes:
    out = bytearray()
    for tag, value in values.items():
        push_property(out, tag, value, (names or {}).get(tag))
    return bytes(out)


def inside(start: Marker, *parts: bytes, end: Marker) -> bytes:
    return MARKER_BYTES[start] + b"".join(parts) + MARKER_BYTES[end]


def recipient(name: str, row: int = 0) -> bytes:
    values = {tags.PidTagRowid: row, tags.PidTagRecipientType: 1, tags.PidTagDisplayName: name}
    return inside(Marker.StartRecip, properties(values), end=Marker.EndToRecip)


def attachment(values: Values, *parts: bytes) -> bytes:
    return inside(Marker.NewAttach, properties({tags.PidTagAttachNumber: 0, **values}), *parts, end=Marker.EndAttach)


def embedded(*parts: bytes) -> bytes:
    return attachment({tags.PidTagAttachMethod: 5}, inside(Marker.StartEmbed, *parts, end=Marker.EndEmbed))


def nested(depth: int) -> bytes:
    """An attachment with messages in one another."""
    part = b""
    for level in range(depth):
        part = embedded(properties({tags.PidTagSubject: f"level {level}"}), part)
    return part


def message(subject: str, *parts: bytes, **values: Any) -> bytes:
    return inside(
        Marker.StartMessage,
        properties({tags.PidTagMid: 1, tags.PidTagMessageClass: "IPM.Note", tags.PidTagSubject: subject}),
        *parts,
        end=Marker.EndMessage,
    )


def subfolder(name: str, *parts: bytes, comment: str = "") -> bytes:
    values = {tags.PidTagFolderId: 1, tags.PidTagDisplayName: name, tags.PidTagComment: comment}
    return inside(Marker.StartSubFld, properties(values), *parts, end=Marker.EndFolder)


FIRST = (RECIPIENTS, ATTACHMENTS)
DELETE_RECIPIENTS, DELETE_ATTACHMENTS = (properties({MetaTagFXDelProp: tag}) for tag in FIRST)
ROOTS = {COPY_TO: "message", COPY_MESSAGES: "messages", COPY_FOLDER: "folder"}


@asynccontextmanager
async def unchanged(mailbox: Mailbox) -> AsyncIterator[None]:
    """Nothing that is stored changes."""
    names = "message", "folder", "tombstone", "blob"
    before = [await table_rows(mailbox, name) for name in names]
    yield
    assert [await table_rows(mailbox, name) for name in names] == before


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


# What is refused


@pytest.mark.spec("MS-OXCFXICS_R3492001")
async def test_contexts_that_are_not_configured(client: Client, outbox: int) -> None:
    name = "FastTransferDestinationConfigure"
    message_slot = await create(client)
    folder = await open_folder(client, outbox)
    for operation in (0, 5, 0x80):
        code = await client.error(name, message_slot, source_operation=operation, copy_flags=0)
        assert code == ErrorCode.InvalidParameter
    for flags in (0x02, 0x80, 0xFF):
        code = await client.error(name, folder, source_operation=COPY_TO, copy_flags=flags)
        assert code == ErrorCode.InvalidParameter
    for slot, operation in ((LOGON, COPY_TO), (message_slot, COPY_MESSAGES), (message_slot, COPY_FOLDER)):
        code = await client.error(name, slot, source_operation=operation, copy_flags=0)
        assert code == ErrorCode.NotSupported
    message_id = await save(client, message_slot)
    reading = await open_message(client, message_id, READ_ONLY)
    code = await client.error(name, reading, source_operation=COPY_TO, copy_flags=0)
    assert code == ErrorCode.AccessDenied
    assert await client.error("FastTransferDestinationPutBuffer", folder, transfer_data=b"") == ErrorCode.NotSupported


GOOD = properties({tags.PidTagSubject: "good"})
START, END = MARKER_BYTES[Marker.StartMessage], MARKER_BYTES[Marker.EndMessage]
BAD = {
    "a marker that opens nothing here": (COPY_TO, START),
    "a marker that ends nothing": (COPY_TO, GOOD + END),
    "the end of another element": (COPY_MESSAGES, START + MARKER_BYTES[Marker.EndFolder]),
    "an attachment in a recipient": (
        COPY_TO,
        MARKER_BYTES[Marker.StartRecip] + attachment({}) + MARKER_BYTES[Marker.EndToRecip],
    ),
    "a property outside of every message": (COPY_MESSAGES, GOOD),
    "a property outside of the top folder": (COPY_FOLDER, GOOD),
    "a second top folder": (COPY_FOLDER, inside(Marker.StartTopFld, end=Marker.EndFolder) * 2),
    "a property behind the recipients": (COPY_TO, recipient("Ann") + GOOD),
    "a property behind a folder's messages": (
        COPY_FOLDER,
        MARKER_BYTES[Marker.StartTopFld] + message("one") + properties({tags.PidTagComment: "late"}),
    ),
    "subobjects to delete of a recipient": (COPY_TO, MARKER_BYTES[Marker.StartRecip] + DELETE_RECIPIENTS),
    "a synchronization": (COPY_TO, MARKER_BYTES[Marker.IncrSyncChg]),
    "a folder without a name": (COPY_TO, START),
    "a type that has no place in a stream": (COPY_TO, (0x123400FD).to_bytes(4, "little") + bytes(8)),
    "half a character": (COPY_TO, tags.PidTagSubject.to_bytes(4, "little") + b"\3\0\0\0abc"),
    "half a character in a large value": (
        COPY_TO,
        tags.PidTagBody.to_bytes(4, "little") + (70_001).to_bytes(4, "little") + bytes(70_001),
    ),
    "a value of 4 GB": (COPY_TO, tags.PidTagBody.to_bytes(4, "little") + b"\xff\xff\xff\xff"),
    "a list of 4,000,000,000 values": (COPY_TO, (0x3A58101F).to_bytes(4, "little") + b"\xff\xff\xff\xff"),
    "a name of an unknown kind": (COPY_TO, COLOR_TAG.to_bytes(4, "little") + bytes(16) + b"\2"),
    "messages too deep in one another": (COPY_TO, nested(TOO_DEEP)),
    "messages too deep in one another, in a list": (COPY_MESSAGES, message("x", nested(TOO_DEEP))),
    "folders too deep in one another": (
        COPY_FOLDER,
        MARKER_BYTES[Marker.StartTopFld]
        + (MARKER_BYTES[Marker.StartSubFld] + properties({tags.PidTagDisplayName: "x"})) * 65,
    ),
}


@pytest.mark.parametrize("name", BAD)
async def test_streams_that_are_none(client: Client, own_mailbox: Mailbox, outbox: int, name: str) -> None:
    """RpcFormat; the context is dead, a stored message is as it was, and no file is left behind."""
    operation, stream = BAD[name]
    message_id = await save(client, await create(client, {tags.PidTagSubject: "stored"}))
    whole = operation == COPY_TO and name != "a folder without a name"
    slot = await open_message(client, message_id) if whole else await open_folder(client, outbox)
    context = await destination(client, slot, operation)
    if name == "a folder without a name":
        stream = inside(Marker.StartSubFld, properties({tags.PidTagComment: "x"}), end=Marker.EndFolder)
    before = await stored(client, message_id)
    assert await refused(client, context, stream) == ErrorCode.RpcFormat
    assert await stored(client, message_id) == before
    await client.send(client.request("Release", context))
    unfinished = own_mailbox.database.blobs.folder / "unfinished"
    assert not unfinished.exists() or not list(unfinished.iterdir())


async def test_as_deep_as_can_be(client: Client, own_mailbox: Mailbox, outbox: int) -> None:
    """What clients may embed by other ways comes and goes."""
    slot = await create(client)
    await put(client, await destination(client, slot), nested(TOO_DEEP - 1))
    message_id = await save(client, slot)
    stream = await copy_to(client, await open_message(client, message_id))
    assert shape(stream).count(Marker.StartEmbed) == TOO_DEEP - 1
    inner = await create(client)
    opened, _ = await create_attachment(client, inner)
    await put(client, await destination(client, opened), inside(Marker.StartEmbed, nested(30), end=Marker.EndEmbed))
    embedded_slot = await open_embedded(client, opened)
    context = await destination(client, embedded_slot)
    assert await refused(client, context, nested(TOO_DEEP - 1)) == ErrorCode.RpcFormat
    await put(client, await destination(client, embedded_slot), nested(TOO_DEEP - 2))
    context = await destination(client, await open_folder(client, outbox), COPY_FOLDER)
    names = (MARKER_BYTES[Marker.StartSubFld] + properties({tags.PidTagDisplayName: "x"})) * 64
    ends = MARKER_BYTES[Marker.EndFolder] * 65
    await put(client, context, MARKER_BYTES[Marker.StartTopFld] + names + message("deep", nested(3)) + ends)
    depth, (child,) = 1, await own_mailbox.children(outbox)
    while below := await own_mailbox.children(child.folder_id):
        depth, child = depth + 1, below[0]
    assert depth == 64
    assert [row.subject for row in await rows_in(own_mailbox, child.folder_id)] == ["deep"]


@pytest.mark.parametrize("operation", [COPY_TO, COPY_MESSAGES])
async def test_50_000_recipients(client: Client, own_mailbox: Mailbox, outbox: int, operation: int) -> None:
    start = b"" if operation == COPY_TO else START
    stream = start + inside(Marker.StartRecip, properties({tags.PidTagRowid: 0}), end=Marker.EndToRecip) * 50_000
    slot = await create(client) if operation == COPY_TO else await open_folder(client, outbox)
    context = await destination(client, slot, operation)
    async with unchanged(own_mailbox):
        assert await refused(client, context, stream) == ErrorCode.RpcFormat


async def test_more_than_memory_should_hold(
    client: Client, own_mailbox: Mailbox, outbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content_upload, "HELD_MAXIMUM", 1 << 18)
    part = properties({0x7C010102: bytes(40_000)})
    streams = {
        "attachments": START + b"".join(attachment({0x7C010102: bytes(40_000)}) for _ in range(8)),
        "recipients": START + inside(Marker.StartRecip, part, end=Marker.EndToRecip) * 8,
        "nothing": START + inside(Marker.StartRecip, end=Marker.EndToRecip) * 1000,
    }
    for stream in streams.values():
        context = await destination(client, await open_folder(client, outbox), COPY_MESSAGES)
        async with unchanged(own_mailbox):
            assert await refused(client, context, stream) == ErrorCode.MessageTooBig
    context = await destination(client, await open_folder(client, outbox), COPY_MESSAGES)
    await put(client, context, (START + part * 1 + END) * 8)
    assert await folder_counts(own_mailbox, outbox) == (8, 0, 0)


async def test_a_stream_that_breaks_off(client: Client, own_mailbox: Mailbox, outbox: int) -> None:
    """What is half there is forgotten with the context."""
    stream = message("one", attachment({tags.PidTagAttachDataBinary: bytes(100_000)}))
    context = await destination(client, await open_folder(client, outbox), COPY_MESSAGES)
    async with unchanged(own_mailbox):
        await put(client, context, stream[:90_000])
        assert list((own_mailbox.database.blobs.folder / "unfinished").iterdir())
        await client.send(client.request("Release", context))
        assert not list((own_mailbox.database.blobs.folder / "unfinished").iterdir())


async def test_an_extended_rule_that_is_too_large(client: Client, own_mailbox: Mailbox, outbox: int) -> None:
    """PidTagExtendedRuleSizeLimit holds for messages that come whole, too (MS-OXORULE 3.2.5.1)."""

    def rule(size: int) -> bytes:
        values = {
            tags.PidTagMid: 1,
            tags.PidTagMessageClass: "IPM.ExtendedRule.Message",
            tags.PidTagExtendedRuleMessageCondition: bytes(size),
        }
        return inside(Marker.StartFAIMsg, properties(values), end=Marker.EndMessage)

    context = await destination(client, await open_folder(client, outbox), COPY_MESSAGES)
    await put(client, context, rule(EXTENDED_RULE_SIZE_LIMIT))
    async with unchanged(own_mailbox):
        assert await refused(client, context, rule(EXTENDED_RULE_SIZE_LIMIT + 1)) == ErrorCode.TooBig
    assert await folder_counts(own_mailbox, outbox) == (0, 0, 1)


async def test_folders_that_cannot_take_it(client: Client, own_mailbox: Mailbox) -> None:
    inbox = await own_mailbox.special_folder("inbox")
    made = await own_mailbox.create_folder(inbox.folder_id, "Made")
    slot = await open_folder(client, made.folder_id)
    long_name = subfolder("x" * 256)
    assert await refused(client, await destination(client, slot), long_name) == ErrorCode.StringTooLong
    huge = properties({0x7C010102: bytes(60_000), 0x7C020102: bytes(60_000), 0x7C030102: bytes(60_000)})
    assert await refused(client, await destination(client, slot), huge) == ErrorCode.TooBig
    context = await destination(client, slot, COPY_MESSAGES)
    gone = await destination(client, slot, COPY_TO)
    parent = await open_folder(client, inbox.folder_id)
    await client.value("DeleteFolder", parent, delete_folder_flags=0x15, folder_id=ObjectId(1, made.folder_id))
    assert await refused(client, context, message("one")) == ErrorCode.ObjectDeleted
    assert await refused(client, gone, subfolder("In")) == ErrorCode.ObjectDeleted
    code = await client.error("FastTransferDestinationConfigure", slot, source_operation=COPY_TO, copy_flags=0)
    assert code == ErrorCode.ObjectDeleted
