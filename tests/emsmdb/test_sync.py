"""Synchronization downloads, read back with the stream reader."""

import struct
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from mapigw.emsmdb.download import FastTransferSource
from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Logon
from mapigw.emsmdb.sync import ContentsDownload, HierarchyDownload, SyncDownload
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.permissions import Accessor
from mapigw.mailbox.provision import create_mailbox
from mapigw.mailbox.special_folders import SPECIAL_FOLDERS
from mapigw.store.database import Database
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import (
    Marker,
    MetaTagCnsetRead,
    MetaTagCnsetSeen,
    MetaTagCnsetSeenFAI,
    MetaTagFXDelProp,
    MetaTagIdsetGiven,
    MetaTagIdsetNoLongerInScope,
)
from mapigw.wire.fasttransfer_stream import Lexeme, Property, StreamReader
from mapigw.wire.globset import CounterSet, IdSet
from mapigw.wire.message import Attachment, Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import PropertyType
from mapigw.wire.restrictions import PropertyRestriction, Restriction
from mapigw.wire.xid import PredecessorChangeList, Xid

# What Outlook 16 sends for the contents and for the hierarchy of a new profile.
OUTLOOK_CONTENTS_FLAGS = 0xA139
OUTLOOK_CONTENTS_EXTRA = 0x0D
OUTLOOK_HIERARCHY_FLAGS = 0x0101
OUTLOOK_EXCLUDED = (
    0x1000001F,
    0x10060003,
    0x10070003,
    0x1008001F,
    0x10100003,
    0x10110003,
    0x3FF8001F,
    0x3FF90102,
    0x300F0102,
)
OUTLOOK_BUFFER = 0x7BC0


@pytest.fixture
async def mailbox(tmp_path: Path) -> AsyncIterator[Mailbox]:
    database = await Database.open(tmp_path / "data")
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, uuid4())
    yield await Mailboxes(database).open(mailbox_id)
    await database.close()


def message(subject: str = "Hello", **properties: Any) -> Message:
    return Message(
        {
            tags.PidTagSubject: subject,
            tags.PidTagNormalizedSubject: subject,
            tags.PidTagBody: "plain",
            **{getattr(tags, name): value for name, value in properties.items()},
        },
        recipients=[{tags.PidTagRecipientType: 1, tags.PidTagDisplayName: "Anna"}],
    )


def download(
    mailbox: Mailbox,
    folder_id: int,
    kind: type[SyncDownload] = ContentsDownload,
    *,
    flags: int = OUTLOOK_CONTENTS_FLAGS,
    extra: int = OUTLOOK_CONTENTS_EXTRA,
    excluded: Sequence[int] = OUTLOOK_EXCLUDED,
    restriction: Restriction | None = None,
    code_page: int | None = None,
) -> SyncDownload:
    request = SimpleNamespace(
        synchronization_flags=flags,
        synchronization_extra_flags=extra,
        property_tags=excluded,
        restriction_data=restriction,
    )
    owner = Accessor(frozenset(), is_owner=True)
    return kind(cast("Logon", SimpleNamespace(mailbox=mailbox, accessor=owner)), folder_id, request, code_page)


async def lexemes(source: FastTransferSource, size: int = OUTLOOK_BUFFER) -> list[Lexeme]:
    reader = StreamReader(large=1 << 30)
    found: list[Lexeme] = []
    while not source.done:
        data = await source.read(size)
        assert 0 < len(data) <= size
        found += reader.feed(data)
    assert reader.complete
    await source.close()
    return found


async def upload(source: SyncDownload, state: dict[int, bytes]) -> None:
    for tag, data in state.items():
        source.upload_begin(tag)
        source.upload_continue(data[:5])
        source.upload_continue(data[5:])
        await source.upload_end()


def state_of(found: list[Lexeme]) -> dict[int, bytes]:
    start = found.index(Marker.IncrSyncStateBegin)
    end = found.index(Marker.IncrSyncStateEnd)
    return {item.tag: item.value for item in found[start + 1 : end] if isinstance(item, Property)}


def values_of(found: Sequence[Lexeme], tag: int) -> list[Any]:
    return [item.value for item in found if isinstance(item, Property) and item.tag == tag]


async def test_a_contents_stream_follows_the_grammar_as_outlook_asks_for_it(mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    item = message(PidTagHtml=b"<p>html</p>")
    item.attachments.append(Attachment({tags.PidTagAttachLongFilename: "a.txt", tags.PidTagAttachDataBinary: b"a"}))
    (message_id,) = await mailbox.append(inbox.folder_id, [NewMessage(item)])
    row = await mailbox.message(message_id)
    assert row is not None
    found = await lexemes(download(mailbox, inbox.folder_id))
    own = Xid.gid(mailbox.replica_guid, message_id).build()
    change = Xid.gid(mailbox.replica_guid, row.change_number)
    assert found[0] == Marker.IncrSyncProgressMode
    assert isinstance(found[1], Property)
    assert found[1].value == struct.pack("<HHIQIIQ", 0, 0, 0, 0, 1, 0, row.size)
    assert found[2:15] == [
        Marker.IncrSyncProgressPerMsg,
        Property(0x00000003, None, row.size),
        Property(0x0000000B, None, False),
        Marker.IncrSyncChg,
        Property(tags.PidTagSourceKey, None, own),
        Property(tags.PidTagLastModificationTime, None, row.modified),
        Property(tags.PidTagChangeKey, None, change.build()),
        Property(tags.PidTagPredecessorChangeList, None, PredecessorChangeList([change]).build()),
        Property(tags.PidTagAssociated, None, False),
        Property(tags.PidTagMid, None, ObjectId(1, message_id).to_integer()),
        Property(tags.PidTagChangeNumber, None, ObjectId(1, row.change_number).to_integer()),
        Marker.IncrSyncMessage,
        Property(tags.PidTagMessageFlags, None, 0x10),
    ]
    recipients = found.index(Property(MetaTagFXDelProp, None, tags.PidTagMessageRecipients))
    attachments = found.index(Property(MetaTagFXDelProp, None, tags.PidTagMessageAttachments))
    assert found[recipients + 1 : recipients + 3] == [Marker.StartRecip, Property(tags.PidTagRowid, None, 0)]
    assert found[attachments - 1] == Marker.EndToRecip
    assert found[attachments + 1 : attachments + 3] == [Marker.NewAttach, Property(tags.PidTagAttachNumber, None, 0)]
    state = found.index(Marker.IncrSyncStateBegin)
    assert found[state - 1] == Marker.EndAttach
    assert [item.tag for item in found[state + 1 : state + 5] if isinstance(item, Property)] == [
        MetaTagCnsetSeen,
        MetaTagCnsetSeenFAI,
        MetaTagIdsetGiven,
        MetaTagCnsetRead,
    ]
    assert found[-2:] == [Marker.IncrSyncStateEnd, Marker.IncrSyncEnd]


async def test_the_plain_body_is_left_out_only_when_there_is_another(mailbox: Mailbox) -> None:
    """Symptom: empty bodies."""
    inbox = await mailbox.special_folder("inbox")
    await mailbox.append(
        inbox.folder_id, [NewMessage(message("html", PidTagHtml=b"<p>x</p>")), NewMessage(message("plain"))]
    )
    found = await lexemes(download(mailbox, inbox.folder_id))
    assert values_of(found, tags.PidTagBody) == ["plain"]
    assert values_of(found, tags.PidTagHtml) == [b"<p>x</p>"]
    assert values_of(found, tags.PidTagRtfInSync) == [False, False]


async def test_the_final_state_is_one_range_and_a_second_download_is_empty(mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    ids = await mailbox.append(inbox.folder_id, [NewMessage(message(str(number))) for number in range(10)])
    first = await lexemes(download(mailbox, inbox.folder_id))
    state = state_of(first)
    replica = mailbox.replica_guid
    assert IdSet.parse_replguid(state[MetaTagIdsetGiven])[replica] == CounterSet.of(ids)
    assert IdSet.parse_replguid(state[MetaTagCnsetSeen])[replica].is_prefix()
    again = download(mailbox, inbox.folder_id)
    await upload(again, state)
    second = await lexemes(again)
    assert second[0] == Marker.IncrSyncProgressMode
    assert second[2] == Marker.IncrSyncStateBegin
    assert state_of(second) == state


@pytest.mark.parametrize("size", [600, 1000, 5000, OUTLOOK_BUFFER])
async def test_large_values_arrive_whole_whatever_the_buffer(mailbox: Mailbox, size: int) -> None:
    inbox = await mailbox.special_folder("inbox")
    html = bytes(range(256)) * 100
    huge = b"0123456789" * 300_000
    item = message("ä" * 3000, PidTagHtml=html)
    item.attachments.append(Attachment({tags.PidTagAttachDataBinary: huge[: 40 * size]}))
    await mailbox.append(inbox.folder_id, [NewMessage(item), NewMessage(message())])
    found = await lexemes(download(mailbox, inbox.folder_id), size)
    assert values_of(found, tags.PidTagHtml) == [html]
    assert values_of(found, tags.PidTagAttachDataBinary) == [huge[: 40 * size]]
    assert sorted(values_of(found, tags.PidTagSubject)) == ["Hello", "ä" * 3000]


async def test_an_unreadable_message_never_ends_the_stream(mailbox: Mailbox, caplog: pytest.LogCaptureFixture) -> None:
    """Symptom: the folder stops synchronizing."""
    inbox = await mailbox.special_folder("inbox")
    damaged = message("damaged", PidTagHtml=b"<p>" * 50_000)
    ids = await mailbox.append(
        inbox.folder_id, [NewMessage(message("before")), NewMessage(damaged), NewMessage(message("x"))]
    )
    for path in (mailbox.database.data / "blobs").rglob("??????????????????*"):
        path.unlink()
    found = await lexemes(download(mailbox, inbox.folder_id))
    assert sorted(values_of(found, tags.PidTagSubject)) == ["before", "x"]
    assert found[-1] == Marker.IncrSyncEnd
    given = IdSet.parse_replguid(state_of(found)[MetaTagIdsetGiven])[mailbox.replica_guid]
    assert given == CounterSet.of([ids[0], ids[2]])
    assert "cannot be read" in caplog.text


async def test_a_client_without_unicode_gets_its_code_page(mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    await mailbox.append(inbox.folder_id, [NewMessage(message("Grüße"))])
    found = await lexemes(download(mailbox, inbox.folder_id, code_page=1252))
    subject = tags.PidTagSubject & ~0xFFFF | PropertyType.STRING8
    assert values_of(found, subject) == ["Grüße".encode("cp1252")]
    assert not [item for item in found if isinstance(item, Property) and item.tag & 0xFFFF == PropertyType.STRING]


async def test_only_specified_properties(mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    await mailbox.append(inbox.folder_id, [NewMessage(message("one"))])
    found = await lexemes(
        download(mailbox, inbox.folder_id, flags=OUTLOOK_CONTENTS_FLAGS | 0x80, excluded=[tags.PidTagSubject])
    )
    body = found[found.index(Marker.IncrSyncMessage) + 2 : found.index(Marker.IncrSyncStateBegin)]
    assert body == [Property(tags.PidTagSubject, None, "one")]


async def test_a_restriction_decides_what_is_in_scope(mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    ids = await mailbox.append(inbox.folder_id, [NewMessage(message("old")), NewMessage(message("new"))])
    restriction = PropertyRestriction(4, tags.PidTagSubject, (tags.PidTagSubject, "NEW"))
    source = download(mailbox, inbox.folder_id, restriction=restriction)
    await upload(source, {MetaTagIdsetGiven: IdSet({mailbox.replica_guid: CounterSet.of(ids[:1])}).build()})
    found = await lexemes(source)
    assert values_of(found, tags.PidTagSubject) == ["new"]
    (gone,) = values_of(found, MetaTagIdsetNoLongerInScope)
    assert IdSet.parse_replid(gone)[1] == CounterSet.of(ids[:1])
    assert IdSet.parse_replguid(state_of(found)[MetaTagIdsetGiven])[mailbox.replica_guid] == CounterSet.of(ids[1:])


@pytest.mark.spec("MS-OXCFXICS_R3503")
@pytest.mark.spec("MS-OXCFXICS_R3506")
async def test_the_transfer_state_is_the_uploaded_one_until_everything_was_sent(mailbox: Mailbox) -> None:
    """Symptom: messages that were read ahead and never sent are missing for good."""
    inbox = await mailbox.special_folder("inbox")
    await mailbox.append(inbox.folder_id, [NewMessage(message(str(number))) for number in range(3)])
    source = download(mailbox, inbox.folder_id)
    assert source.transfer_state().count(mailbox.replica_guid.bytes_le) == 0
    await source.read(600)
    assert source.transfer_state().count(mailbox.replica_guid.bytes_le) == 0
    while not source.done:
        await source.read(OUTLOOK_BUFFER)
    assert source.transfer_state().count(mailbox.replica_guid.bytes_le) == 4


@pytest.mark.parametrize("data", [b"\0" * 15, b"\1" * 16 + b"\x07", b"\1" * 16 + b"\x06" + b"\0" * 3])
async def test_a_malformed_state_is_refused_and_ends_the_context(mailbox: Mailbox, data: bytes) -> None:
    inbox = await mailbox.special_folder("inbox")
    source = download(mailbox, inbox.folder_id)
    source.upload_begin(MetaTagCnsetSeen)
    source.upload_continue(data)
    with pytest.raises(RopError) as caught:
        await source.upload_end()
    assert caught.value.code == ErrorCode.RpcFormat
    with pytest.raises(RopError) as caught:
        await source.read(OUTLOOK_BUFFER)
    assert caught.value.code == ErrorCode.RpcFormat


async def test_state_streams_come_in_order(mailbox: Mailbox) -> None:
    source = download(mailbox, 1)
    with pytest.raises(RopError):
        source.upload_continue(b"")
    with pytest.raises(RopError):
        await source.upload_end()
    with pytest.raises(RopError):
        source.upload_begin(0x12340102)
    source.upload_begin(MetaTagCnsetRead)
    with pytest.raises(RopError):
        source.upload_begin(MetaTagCnsetRead)


async def test_the_hierarchy_as_outlook_asks_for_it(mailbox: Mailbox) -> None:
    subtree = await mailbox.special_folder("ipm_subtree")
    found = await lexemes(
        download(mailbox, subtree.folder_id, HierarchyDownload, flags=OUTLOOK_HIERARCHY_FLAGS, extra=1, excluded=[])
    )
    names = values_of(found, tags.PidTagDisplayName)
    assert "Inbox" in names
    assert "Top of Information Store" not in names
    by_parent = dict(zip(names, values_of(found, tags.PidTagParentSourceKey), strict=True))
    sync_issues = await mailbox.special_folder("sync_issues")
    assert by_parent["Inbox"] == b""
    assert by_parent["Conflicts"] == Xid.gid(mailbox.replica_guid, sync_issues.folder_id).build()
    assert len(values_of(found, tags.PidTagFolderId)) == len(values_of(found, tags.PidTagParentFolderId)) == len(names)
    for item in found:
        assert not isinstance(item, Property) or item.tag < 0x80000000
    assert len(values_of(found, tags.PidTagAdditionalRenEntryIds)) == 1
    assert [item.tag for item in found[-4:-2] if isinstance(item, Property)] == [MetaTagCnsetSeen, MetaTagIdsetGiven]
    again = download(mailbox, subtree.folder_id, HierarchyDownload, flags=OUTLOOK_HIERARCHY_FLAGS, extra=1, excluded=[])
    await upload(again, state_of(found))
    second = await lexemes(again)
    assert second[0] == Marker.IncrSyncStateBegin
    assert state_of(second) == state_of(found)


async def test_the_root_hierarchy_has_every_other_folder(mailbox: Mailbox) -> None:
    root = await mailbox.special_folder("root")
    found = await lexemes(download(mailbox, root.folder_id, HierarchyDownload, flags=OUTLOOK_HIERARCHY_FLAGS, extra=1))
    assert len(values_of(found, tags.PidTagDisplayName)) == len(SPECIAL_FOLDERS) - 1
