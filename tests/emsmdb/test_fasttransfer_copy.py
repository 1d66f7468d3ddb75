"""RopFastTransferSourceCopyTo and CopyProperties of messages and attachments (MS-OXCFXICS 3.2.5.8.1, 3.2.5.10)."""

from typing import Any

import pytest

from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.permissions import Rights
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import Marker, MetaTagFXDelProp
from mapigw.wire.fasttransfer_stream import Property
from mapigw.wire.message import Attachment, Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import NamedTag, PropertyName, PropertyType
from mapigw.wire.property_sets import PSETID_Common
from tests.emsmdb import delegates
from tests.emsmdb.client import CHAIN, LOGON, Client
from tests.emsmdb.copies import (
    ATTACHMENTS,
    EMBEDDED,
    FORCE_UNICODE,
    MOVE,
    OUTLOOK,
    RECIPIENTS,
    UNICODE,
    USE_CPID,
    copy_folder,
    copy_messages,
    copy_properties,
    copy_to,
    destination,
    lexemes,
    read_all,
    shape,
    tags_of,
    values_of,
)
from tests.emsmdb.messages import (
    READ_ONLY,
    attach,
    create,
    create_attachment,
    modify_recipients,
    open_attachment,
    open_embedded,
    open_folder,
    open_message,
    save,
    save_attachment,
    set_values,
    smtp,
)

DRAFTS = "drafts"
COLOR = NamedTag(PropertyName(PSETID_Common, name="Color"), PropertyType.STRING)
LARGE = "Größe и вес " * 30_000
STRING8_1252, UNICODE_PAGE = 0x001E, 0x84B0
START_RECIPIENT, NEW_ATTACHMENT = Marker.StartRecip, Marker.NewAttach


def sample() -> Message:
    inner = Message(
        {tags.PidTagSubject: "inner", tags.PidTagBody: "inside", tags.PidTagLastModificationTime: 5},
        [{tags.PidTagRecipientType: 1, tags.PidTagDisplayName: "Inner"}],
        [Attachment({tags.PidTagAttachMethod: 1, tags.PidTagAttachDataBinary: b"deep"})],
    )
    return Message(
        {
            tags.PidTagSubject: "Grüße",
            tags.PidTagNormalizedSubject: "Grüße",
            tags.PidTagBody: LARGE,
            tags.PidTagHtml: b"<p>" + b"h" * 70_000,
            tags.PidTagInternetMessageId: "<1@bm.lan>",
            COLOR: "blau",
            0x3A58101F: ["a", "ü"],
            0x67010003: 7,
        },
        [
            {tags.PidTagRecipientType: 1, tags.PidTagDisplayName: "Ännchen"},
            {tags.PidTagRecipientType: 2, tags.PidTagDisplayName: "Ben"},
        ],
        [
            Attachment({tags.PidTagAttachMethod: 1, tags.PidTagAttachDataBinary: b"z" * 300_000}),
            Attachment({tags.PidTagAttachMethod: 5, tags.PidTagDisplayName: "mail"}, inner),
        ],
    )


@pytest.fixture
async def message(client: Client, own_mailbox: Mailbox) -> int:
    """The slot of a stored message with everything."""
    folder = await own_mailbox.special_folder(DRAFTS)
    (message_id,) = await own_mailbox.append(folder.folder_id, [NewMessage(sample(), is_read=True)])
    return await open_message(client, message_id)


@pytest.fixture
async def attachment(client: Client, message: int) -> int:
    """The slot of the attachment that holds a message."""
    return await open_attachment(client, message, 1)


CHILDREN = [
    RECIPIENTS,
    *[START_RECIPIENT, Marker.EndToRecip] * 2,
    ATTACHMENTS,
    *[NEW_ATTACHMENT, Marker.EndAttach],
    *[NEW_ATTACHMENT, Marker.StartEmbed, START_RECIPIENT, Marker.EndToRecip, NEW_ATTACHMENT, Marker.EndAttach],
    *[Marker.EndEmbed, Marker.EndAttach],
]


@pytest.mark.spec("MS-OXCFXICS_R361", "MS-OXCFXICS_R3326", "MS-OXCFXICS_R384", "MS-OXCFXICS_R532")
@pytest.mark.spec("MS-OXCFXICS_R3439", "MS-OXCFXICS_R2276", "MS-OXCFXICS_R3304")
@pytest.mark.spec("MS-OXCFXICS_R3118002", "MS-OXCFXICS_R211501")
async def test_a_message_comes_whole(client: Client, message: int) -> None:
    """As Outlook asks: messageContent begins with the first property, and bodies are as they were stored."""
    stream = await copy_to(client, message)
    assert shape(stream) == CHILDREN
    values = values_of(stream)
    assert values[tags.PidTagSubject] == "Grüße"
    assert values[tags.PidTagBody] == LARGE
    assert values[tags.PidTagHtml] == b"<p>" + b"h" * 70_000
    assert tags.PidTagRtfCompressed not in values
    assert values[tags.PidTagMessageFlags] & 1
    assert [item.value for item in lexemes(stream) if isinstance(item, Property) and item.name == COLOR.property_name]
    assert not {tags.PidTagMid, tags.PidTagAssociated, tags.PidTagEntryId, tags.PidTagSourceKey} & values.keys()
    assert not any(0x6600 <= tag >> 16 < 0x6800 for tag in tags_of(stream))
    assert await copy_to(client, message, copy_flags=0) == stream
    first = await client.value("FastTransferSourceCopyTo", message, **OUTLOOK, property_tags=[])
    assert dict(first) == {}
    assert client.handles[client.last] != 0xFFFFFFFF


@pytest.mark.spec("MS-OXCFXICS_R3440")
async def test_what_is_excluded_stays_out(client: Client, message: int) -> None:
    stream = await copy_to(client, message, tags.PidTagBody, 0x10130000, RECIPIENTS)
    values = values_of(stream)
    assert tags.PidTagSubject in values
    assert not {tags.PidTagBody, tags.PidTagHtml} & values.keys()
    assert shape(stream) == CHILDREN[CHILDREN.index(ATTACHMENTS) :]
    assert tags_of(stream).count(tags.PidTagBody) == 1, "of the embedded message, to which the filter does not apply"
    without = await copy_to(client, message, ATTACHMENTS)
    assert shape(without) == CHILDREN[: CHILDREN.index(ATTACHMENTS)]
    assert shape(await copy_to(client, message, ATTACHMENTS, RECIPIENTS)) == []


@pytest.mark.spec("MS-OXCFXICS_R3441", "MS-OXCFXICS_R3465")
async def test_a_level_leaves_subobjects_out(client: Client, message: int) -> None:
    for level in (1, 0xFF):
        stream = await copy_to(client, message, level=level)
        assert shape(stream) == []
        assert tags.PidTagSubject in values_of(stream)
        named = await copy_properties(client, message, RECIPIENTS, tags.PidTagSubject, ATTACHMENTS, level=level)
        assert (shape(named), values_of(named)) == ([], {tags.PidTagSubject: "Grüße"})


@pytest.mark.spec("MS-OXCFXICS_R431", "MS-OXCFXICS_R455", "MS-OXCFXICS_R3327")
@pytest.mark.spec("MS-OXCFXICS_R3464", "MS-OXCFXICS_R3783")
async def test_what_is_named_comes(client: Client, message: int) -> None:
    stream = await copy_properties(client, message, tags.PidTagSubject, 0x3FDE0000, tags.PidTagHasAttachments)
    assert values_of(stream) == {tags.PidTagSubject: "Grüße", tags.PidTagHasAttachments: True}
    assert shape(stream) == []
    recipients = await copy_properties(client, message, RECIPIENTS)
    assert shape(recipients) == CHILDREN[: CHILDREN.index(ATTACHMENTS)]
    both = await copy_properties(client, message, ATTACHMENTS, RECIPIENTS, tags.PidTagAttachMethod)
    assert shape(both) == CHILDREN
    assert tags_of(both).count(tags.PidTagAttachDataBinary) == 2, "the list says nothing about attachments"
    computed = await copy_properties(client, message, tags.PidTagMid, tags.PidTagChangeKey, tags.PidTagRead)
    assert set(values_of(computed)) == {tags.PidTagChangeKey, tags.PidTagRead}
    assert await copy_properties(client, message) == b""


@pytest.mark.spec("MS-OXCFXICS_R2276", "MS-OXCFXICS_R3304")
async def test_subobjects_that_are_not_there_are_told_of(client: Client) -> None:
    """MetaTagFXDelProp tells a message without recipients from one whose recipients were not asked for."""
    slot = await create(client, {tags.PidTagSubject: "empty"})
    assert shape(await copy_to(client, slot)) == [RECIPIENTS, ATTACHMENTS]
    assert shape(await copy_to(client, slot, RECIPIENTS)) == [ATTACHMENTS]
    assert shape(await copy_properties(client, slot, RECIPIENTS)) == [RECIPIENTS]
    assert shape(await copy_properties(client, slot, tags.PidTagSubject)) == []
    stream = await copy_properties(client, slot, RECIPIENTS)
    assert stream == MetaTagFXDelProp.to_bytes(4, "little") + RECIPIENTS.to_bytes(4, "little")


async def test_the_open_message_comes_not_the_stored_one(client: Client, message: int) -> None:
    """What is written and not saved, recipients, attachments and open streams with it."""
    await set_values(client, message, {tags.PidTagSubject: "changed"})
    await modify_recipients(client, message, {0: None, 1: None, 7: smtp("New")})
    await attach(client, message, {tags.PidTagAttachDataBinary: b"new"})
    await client.value("OpenStream", message, property_tag=tags.PidTagHtml, open_mode_flags=2)
    await client.value("WriteStream", client.last, data=b"<p>streamed")
    stream = await copy_to(client, message)
    values = values_of(stream)
    assert (values[tags.PidTagSubject], values[tags.PidTagHtml]) == ("changed", b"<p>streamed")
    assert shape(stream).count(START_RECIPIENT) == 2  # one of them of the embedded message
    assert shape(stream).count(NEW_ATTACHMENT) == 4
    fresh = await create(client, {tags.PidTagSubject: "never saved"})
    assert values_of(await copy_to(client, fresh))[tags.PidTagSubject] == "never saved"


async def test_a_copy_is_of_the_moment_when_it_was_configured(client: Client, message: int) -> None:
    await client.value("FastTransferSourceCopyTo", message, **OUTLOOK, property_tags=[])
    context = client.last
    await set_values(client, message, {tags.PidTagSubject: "later"})
    await save(client, message)
    assert values_of(await read_all(client, context))[tags.PidTagSubject] == "Grüße"


@pytest.mark.spec("MS-OXCFXICS_R3328", "MS-OXCFXICS_R3329", "MS-OXCFXICS_R369001", "MS-OXCFXICS_R370001")
@pytest.mark.spec("MS-OXCFXICS_R441001")
async def test_an_attachment(client: Client, attachment: int) -> None:
    inside = [START_RECIPIENT, Marker.EndToRecip, NEW_ATTACHMENT, Marker.EndAttach]
    stream = await copy_to(client, attachment)
    assert shape(stream) == [Marker.StartEmbed, *inside, Marker.EndEmbed]
    assert values_of(stream)[tags.PidTagDisplayName] == "mail"
    assert await copy_to(client, attachment, level=1) == stream
    assert shape(await copy_to(client, attachment, EMBEDDED)) == []
    named = await copy_properties(client, attachment, tags.PidTagDisplayName, EMBEDDED)
    assert shape(named) == shape(stream)
    assert values_of(named) == {tags.PidTagDisplayName: "mail"}
    assert await copy_properties(client, attachment, tags.PidTagDisplayName, EMBEDDED, level=1) == named
    assert shape(await copy_properties(client, attachment, tags.PidTagDisplayName)) == []


async def test_an_embedded_message_and_attachments_that_are_not_saved(client: Client, attachment: int) -> None:
    embedded = await open_embedded(client, attachment)
    await set_values(client, embedded, {tags.PidTagSubject: "not saved"})
    stream = await copy_to(client, embedded)
    assert values_of(stream)[tags.PidTagSubject] == "not saved"
    assert values_of(stream)[tags.PidTagLastModificationTime] == 5
    assert shape(stream) == [
        RECIPIENTS,
        START_RECIPIENT,
        Marker.EndToRecip,
        ATTACHMENTS,
        NEW_ATTACHMENT,
        Marker.EndAttach,
    ]
    message = await create(client)
    slot, _ = await create_attachment(client, message, {tags.PidTagAttachDataBinary: b"unsaved"})
    assert values_of(await copy_to(client, slot))[tags.PidTagAttachDataBinary] == b"unsaved"
    await save_attachment(client, slot)


# Text


def types_of(stream: bytes, tag: int) -> set[int]:
    """The types under which a property comes."""
    return {found & 0xFFFF for found in tags_of(stream) if found >> 16 == tag >> 16}


@pytest.mark.spec("MS-OXCFXICS_R3447")
async def test_text_in_the_code_page(client: Client, message: int) -> None:
    stream = await copy_to(client, message, send_options=0)
    values = values_of(stream)
    assert values[tags.PidTagSubject & ~0xFFFF | STRING8_1252] == "Grüße".encode("cp1252")
    assert values[tags.PidTagBody & ~0xFFFF | STRING8_1252] == LARGE.encode("cp1252", "replace")
    assert values[0x3A58101E] == [b"a", b"\xfc"]
    assert not any(tag & 0xFFFF == PropertyType.STRING for tag in tags_of(stream))
    assert "Ännchen".encode("cp1252") in stream
    again = await copy_to(client, message, send_options=0)
    assert again == stream


@pytest.mark.spec("MS-OXCFXICS_R3448", "MS-OXCFXICS_R3449", "MS-OXCFXICS_R3451", "MS-OXCFXICS_R3455")
async def test_text_in_unicode(client: Client, message: int) -> None:
    stream = await copy_to(client, message, send_options=UNICODE)
    assert types_of(stream, tags.PidTagSubject) == types_of(stream, tags.PidTagBody) == {PropertyType.STRING}
    assert await copy_to(client, message, send_options=FORCE_UNICODE) == stream
    assert await copy_to(client, message, send_options=UNICODE | FORCE_UNICODE) == stream


@pytest.mark.spec("MS-OXCFXICS_R3452", "MS-OXCFXICS_R3453", "MS-OXCFXICS_R3456", "MS-OXCFXICS_R3457")
@pytest.mark.spec("MS-OXCFXICS_R3782", "MS-OXCFXICS_R3459")
async def test_text_with_its_code_page(client: Client, message: int) -> None:
    stream = await copy_to(client, message, send_options=USE_CPID)
    values = values_of(stream)
    assert values[tags.PidTagSubject & ~0xFFFF | UNICODE_PAGE] == "Grüße"
    assert values[tags.PidTagBody & ~0xFFFF | UNICODE_PAGE] == LARGE
    assert types_of(stream, tags.PidTagDisplayName) == {UNICODE_PAGE}, "of recipients and attachments as well"
    assert not any(tag & 0xFFFF in {PropertyType.STRING, PropertyType.STRING8} for tag in tags_of(stream))
    for options in (USE_CPID | UNICODE, USE_CPID | FORCE_UNICODE, USE_CPID | UNICODE | FORCE_UNICODE):
        assert await copy_to(client, message, send_options=options) == stream


# Flags


@pytest.mark.spec("MS-OXCFXICS_R2707", "MS-OXCFXICS_R2708", "MS-OXCFXICS_R2709", "MS-OXCFXICS_R2710")
@pytest.mark.spec("MS-OXCFXICS_R2711", "MS-OXCFXICS_R42002", "MS-OXCFXICS_R42202")
async def test_flags_that_are_ignored(client: Client, message: int) -> None:
    stream = await copy_to(client, message, copy_flags=0)
    for flag in (0x02, 0x04, 0x08, 0x200, 0x400, 0x2000, 0x260E):
        assert await copy_to(client, message, copy_flags=flag) == stream
    for option in (0x20, 0x40, 0x10, 0x70):
        assert await copy_to(client, message, send_options=OUTLOOK["send_options"] | option) == stream


@pytest.mark.spec("MS-OXCFXICS_R2712", "MS-OXCFXICS_R2713", "MS-OXCFXICS_R2714")
async def test_flags_that_are_ignored_with_named_properties(client: Client, message: int) -> None:
    stream = await copy_properties(client, message, tags.PidTagSubject)
    for flag in (0x02, 0x04, 0x08, 0x0E):
        assert await copy_properties(client, message, tags.PidTagSubject, copy_flags=flag) == stream


@pytest.mark.spec("MS-OXCFXICS_R3442001", "MS-OXCFXICS_R3442003")
async def test_what_is_refused(client: Client, message: int) -> None:
    name = "FastTransferSourceCopyTo"
    given: dict[str, Any] = {**OUTLOOK, "property_tags": []}
    for flags in (MOVE, 0x10, 0x20, 0x40, 0x100, 0x4000, 0x80000000):
        assert await client.error(name, message, **{**given, "copy_flags": flags}) == ErrorCode.InvalidParameter
        assert client.handles[client.last] == 0xFFFFFFFF
    assert await client.error(name, message, **{**given, "send_options": 0x80}) == ErrorCode.InvalidParameter
    for slot in (LOGON, await destination(client, message)):
        assert await client.error(name, slot, **given) == ErrorCode.NotSupported
    name, given["copy_flags"] = "FastTransferSourceCopyProperties", 0
    for flags in (0x10, 0x20, 0x40, 0x80):
        assert await client.error(name, message, **{**given, "copy_flags": flags}) == ErrorCode.InvalidParameter
    assert await client.error(name, message, **{**given, "send_options": 0x81}) == ErrorCode.InvalidParameter
    assert await client.error(name, LOGON, **given) == ErrorCode.NotSupported


@pytest.mark.spec("MS-OXCFXICS_R2669")
async def test_nothing_is_moved_that_cannot_be_deleted(client: Client, message: int, own_mailbox: Mailbox) -> None:
    folder = await own_mailbox.special_folder(DRAFTS)
    (message_id,) = await own_mailbox.message_ids(folder.folder_id, associated=False)
    moved = await copy_properties(client, message, tags.PidTagSubject, copy_flags=MOVE)
    assert values_of(moved) == {tags.PidTagSubject: "Grüße"}
    rights = Rights.ReadAny | Rights.FolderVisible
    ann = await delegates.log_on_as(client, delegates.ANN)
    for granted, expected in ((rights, ErrorCode.AccessDenied), (rights | Rights.DeleteAny, ErrorCode.Success)):
        await delegates.grant(client, DRAFTS, delegates.ANN, granted)
        slot = await open_message(ann, message_id, READ_ONLY)
        fields = {**OUTLOOK, "copy_flags": MOVE, "property_tags": [tags.PidTagSubject]}
        (answer,) = await ann.send(ann.request("FastTransferSourceCopyProperties", slot, **fields))
        assert answer.return_value == expected
    await ann.session.close()


# Buffers


@pytest.mark.spec("MS-OXCFXICS_R2142", "MS-OXCFXICS_R2143")
@pytest.mark.parametrize("size", [60, 1000, 0x7000])
async def test_a_buffer_of_a_fixed_size(client: Client, message: int, size: int) -> None:
    expected = await copy_to(client, message, tags.PidTagBody, tags.PidTagHtml)
    given = {**OUTLOOK, "property_tags": [tags.PidTagBody, tags.PidTagHtml]}
    await client.value("FastTransferSourceCopyTo", message, **given)
    data, status, context = bytearray(), 1, client.last
    while status != 3:
        asked = client.request("FastTransferSourceGetBuffer", context, buffer_size=size, maximum_buffer_size=None)
        (answer,) = await client.send(asked, flags=0)
        status = answer.value.transfer_status
        assert len(answer.value.transfer_buffer) <= size
        data += answer.value.transfer_buffer
    assert bytes(data) == expected


async def test_a_fixed_size_that_has_no_room(client: Client, message: int) -> None:
    """RopBufferTooSmall, and nothing of the stream is lost; more than any buffer holds is refused (3.2.5.8.1.5)."""
    expected = await copy_to(client, message)
    await client.value("FastTransferSourceCopyTo", message, **OUTLOOK, property_tags=[])
    context = client.last

    def asked(size: int) -> Any:
        return client.request("FastTransferSourceGetBuffer", context, buffer_size=size, maximum_buffer_size=None)

    subject = client.request(
        "GetPropertiesSpecific", message, property_size_limit=0, want_unicode=1, property_tags=[tags.PidTagSubject]
    )
    answers = await client.send(subject, asked(0x7FE0), flags=0)
    assert [answer.rop.name for answer in answers] == ["GetPropertiesSpecific", "BufferTooSmall"]
    (small,) = await client.send(asked(0x4000), flags=0, max_rop_out=0x2000)
    assert small.rop.name == "BufferTooSmall"
    assert small.value.size_needed >= 0x4000
    (never,) = await client.send(asked(0xFFF0), flags=0)
    assert never.return_value == ErrorCode.NotEnoughMemory
    packed = await client.send(asked(0x4000), flags=CHAIN, max_rop_out=0x9000)
    data = b"".join(answer.value.transfer_buffer for answer in packed)
    assert [answer.return_value for answer in packed] == [0, 0]
    assert data + await read_all(client, context) == expected


async def test_a_buffer_for_which_the_next_value_is_too_large(client: Client, message: int) -> None:
    await client.value("FastTransferSourceCopyTo", message, **OUTLOOK, property_tags=[])
    fields: dict[str, Any] = {"buffer_size": 2, "maximum_buffer_size": None}
    assert await client.error("FastTransferSourceGetBuffer", client.last, **fields) == ErrorCode.BufferTooSmall


# What goes wrong


async def test_a_lost_value_ends_the_copy(client: Client, own_mailbox: Mailbox, message: int) -> None:
    """Every call fails as the first did (3.2.5.8.1.5)."""
    await client.value("FastTransferSourceCopyTo", message, **OUTLOOK, property_tags=[])
    context = client.last
    for path in own_mailbox.database.blobs.folder.glob("??/*"):
        path.unlink()
    fields: dict[str, Any] = {"buffer_size": 0xBABE, "maximum_buffer_size": 0x7BC0}
    for _ in range(3):
        assert await client.error("FastTransferSourceGetBuffer", context, **fields) == ErrorCode.CorruptData


@pytest.mark.spec("MS-OXCFXICS_R572")
async def test_the_version_of_the_other_server(client: Client, message: int) -> None:
    """Between the configuration and the first buffer of a copy from server to server (3.3.4.2.1)."""
    version: dict[str, Any] = {"version_0": 15, "version_1": 2, "version_2": 986}
    given = {**OUTLOOK, "send_options": USE_CPID | UNICODE, "property_tags": []}
    await client.value("FastTransferSourceCopyTo", message, **given)
    source = client.last
    await client.value("TellVersion", source, **version)
    stream = await read_all(client, source)
    new = await create(client)
    target = await destination(client, new)
    await client.value("TellVersion", target, **version)
    assert stream == await copy_to(client, message, send_options=USE_CPID | UNICODE)
    for slot in (LOGON, message):
        assert await client.error("TellVersion", slot, **version) == ErrorCode.NotSupported


async def test_contexts_of_folders_are_for_folders(client: Client, message: int) -> None:
    folder = await open_folder(client, DRAFTS)
    listed: dict[str, Any] = {"message_ids": [ObjectId(1, 1)], "copy_flags": 0, "send_options": 1}
    for slot in (LOGON, message):
        assert await client.error("FastTransferSourceCopyMessages", slot, **listed) == ErrorCode.NotSupported
        code = await client.error("FastTransferSourceCopyFolder", slot, copy_flags=0, send_options=1)
        assert code == ErrorCode.NotSupported
    assert await copy_messages(client, folder, [1]) == b""
    assert (await copy_folder(client, folder)).startswith(Marker.StartTopFld.to_bytes(4, "little"))
