"""FastTransfer uploads that are refused, and how far they may go (MS-OXCFXICS 3.2.5.8.2)."""

import random

import pytest

from mapigw.emsmdb import content_upload
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.rules import EXTENDED_RULE_SIZE_LIMIT
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import (
    MARKER_BYTES,
    Marker,
)
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.copies import (
    COPY_FOLDER,
    COPY_MESSAGES,
    COPY_TO,
    copy_to,
    destination,
    put,
    refused,
    rows_in,
    shape,
)
from tests.emsmdb.folders import folder_counts, open_folder
from tests.emsmdb.messages import (
    READ_ONLY,
    create,
    create_attachment,
    open_embedded,
    open_message,
    save,
    special,
    stored,
)
from tests.emsmdb.stream_parts import (
    DELETE_RECIPIENTS,
    attachment,
    inside,
    message,
    nested,
    properties,
    recipient,
    subfolder,
    unchanged,
)

COLOR_TAG = 0x9ABC001F
TOO_DEEP = content_upload.EMBEDDED_MAXIMUM + 1


@pytest.fixture
async def outbox(client: Client) -> int:
    return (await special(client, "outbox")).folder_id


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
    "a folder without a name": (
        COPY_FOLDER,
        MARKER_BYTES[Marker.StartTopFld] + inside(Marker.StartSubFld, end=Marker.EndFolder),
    ),
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
    whole = operation == COPY_TO
    slot = await open_message(client, message_id) if whole else await open_folder(client, outbox)
    context = await destination(client, slot, operation)
    before = await stored(client, message_id)
    assert await refused(client, context, stream) == ErrorCode.RpcFormat
    assert await stored(client, message_id) == before
    await client.send(client.request("Release", context))
    unfinished = own_mailbox.database.blobs.folder / "unfinished"
    assert not unfinished.exists() or not list(unfinished.iterdir())


PARTS = [
    properties({tags.PidTagSubject: "shuffled", tags.PidTagBody: "text" * 100}),
    DELETE_RECIPIENTS,
    MARKER_BYTES[Marker.StartRecip],
    properties({tags.PidTagRowid: 0, tags.PidTagDisplayName: "Ann"}),
    MARKER_BYTES[Marker.EndToRecip],
    MARKER_BYTES[Marker.NewAttach],
    properties({tags.PidTagAttachNumber: 0, tags.PidTagAttachDataBinary: bytes(70_000)}),
    MARKER_BYTES[Marker.StartEmbed],
    properties({tags.PidTagSubject: "inside"}),
    MARKER_BYTES[Marker.EndEmbed],
    MARKER_BYTES[Marker.EndAttach],
]


@pytest.mark.parametrize("seed", range(4))
async def test_a_stream_whose_parts_are_shuffled(
    client: Client, own_mailbox: Mailbox, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    """In any order, cut off anywhere and cut into any pieces: it is taken or refused, and what is stored stays."""
    source = random.Random(seed)
    message_id = await save(client, await create(client, {tags.PidTagSubject: "stored"}))
    before = await stored(client, message_id)
    refusals = 0
    for _ in range(20):
        stream = b"".join(source.sample(PARTS, source.randrange(2, len(PARTS) + 1)))
        stream = stream[: source.choice((len(stream), source.randrange(len(stream))))]
        slot = await open_message(client, message_id)
        context = await destination(client, slot)
        while stream:
            size = source.choice((1, 4, 500, 30_000))
            part, stream = stream[:size], stream[size:]
            name = "FastTransferDestinationPutBuffer"
            (answer,) = await client.send(client.request(name, context, transfer_data=part))
            assert answer.return_value in {0, ErrorCode.RpcFormat}
            if answer.return_value:
                refusals += 1
                break
        await client.send(client.request("Release", context), client.request("Release", slot))
    assert refusals
    assert await stored(client, message_id) == before
    assert not list((own_mailbox.database.blobs.folder / "unfinished").glob("*"))
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


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
    await put(client, context, (START + part + END) * 8)
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
