"""From server to client to server: what a copy gives, put elsewhere, is the same (MS-OXCFXICS 3.3.4.2.1)."""

from collections.abc import AsyncIterator
from itertools import count, pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mapigw.directory.model import User
from mapigw.emsmdb.message_objects import Message as OpenMessage
from mapigw.mail.mime import message_from_mime
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import NamedTag, PropertyName
from mapigw.wire.property_sets import PSETID_Common
from tests.emsmdb.client import Client
from tests.emsmdb.copies import (
    COPY_FOLDER,
    COPY_MESSAGES,
    COPY_SUBFOLDERS,
    COPY_TO,
    MOVE,
    SEND_ENTRY_ID,
    UNICODE,
    USE_CPID,
    copy_folder,
    copy_messages,
    copy_to,
    destination,
    put,
    rows_in,
    whole,
    whole_folder,
    whole_row,
)
from tests.emsmdb.folders import delete_messages, open_folder
from tests.emsmdb.logons import another_user, new_client
from tests.emsmdb.messages import create, open_message, save, stored
from tests.mail.corpus import messages as mail

FOR_UPLOAD = UNICODE | USE_CPID

# Messages


strings = st.text(st.characters(exclude_characters="\0"), max_size=20)
VALUES: dict[int, st.SearchStrategy[Any]] = {
    0x0002: st.integers(-(1 << 15), (1 << 15) - 1),
    0x0003: st.integers(-(1 << 31), (1 << 31) - 1),
    0x0004: st.floats(width=32),
    0x0005: st.floats(),
    0x0006: st.integers(-(1 << 63), (1 << 63) - 1),
    0x000B: st.booleans(),
    0x0014: st.integers(-(1 << 63), (1 << 63) - 1),
    0x001F: strings,
    0x0040: st.integers(0, (1 << 64) - 1),
    0x0048: st.uuids(),
    0x0102: st.binary(max_size=40),
    0x1003: st.lists(st.integers(0, 100), max_size=3),
    0x101F: st.lists(strings, max_size=3),
    0x1102: st.lists(st.binary(max_size=9), max_size=3),
}
large_strings = st.builds(lambda text, times: (text or "x") * times, strings, st.sampled_from([900, 9000, 40_000]))
large_binaries = st.builds(lambda data, times: data * times, st.binary(max_size=9), st.sampled_from([2000, 30_000]))
names = st.one_of(
    st.builds(PropertyName, st.just(PSETID_Common), lid=st.integers(0x8000, 0x8010)),
    st.builds(PropertyName, st.uuids(version=4), name=st.text("abcÄ", min_size=1, max_size=5)),
)


@st.composite
def property_sets(draw: st.DrawFn, *, large: bool = False) -> dict[Any, Any]:
    values: dict[Any, Any] = {}
    for property_id in draw(st.sets(st.integers(0x7C00, 0x7C20), max_size=6)):
        kind = draw(st.sampled_from(sorted(VALUES)))
        values[property_id << 16 | kind] = draw(VALUES[kind])
    for name in draw(st.sets(names, max_size=3)):
        kind = draw(st.sampled_from(sorted(VALUES)))
        values[NamedTag(name, kind)] = draw(VALUES[kind])
    if large:
        for tag, strategy in ((0x7C40001F, large_strings), (0x7C410102, large_binaries)):
            if draw(st.booleans()):
                values[tag] = draw(strategy)
    return values


@st.composite
def some_messages(draw: st.DrawFn, depth: int = 2) -> Message:
    properties = draw(property_sets(large=True))
    for tag, strategy in (
        (tags.PidTagBody, strings | large_strings),
        (tags.PidTagHtml, st.binary(max_size=30)),
        (tags.PidTagRtfCompressed, st.binary(max_size=30)),
        (tags.PidTagRtfInSync, st.booleans()),
        (tags.PidTagNativeBody, st.integers(0, 4)),
        (tags.PidTagMessageFlags, st.sampled_from([0, 0x8, 0x109, 0x402])),
        (tags.PidTagConversationIndex, st.binary(max_size=30)),
        (tags.PidTagReadReceiptRequested, st.booleans()),
    ):
        if draw(st.booleans()):
            properties[tag] = draw(strategy)
    if draw(st.booleans()):  # a message has all parts of its subject, or none
        properties[tags.PidTagSubject] = draw(strings)
        properties[tags.PidTagSubjectPrefix] = draw(st.sampled_from(["", "RE: "]))
        properties[tags.PidTagNormalizedSubject] = draw(strings)
    recipients = draw(st.lists(property_sets(), max_size=3))
    for recipient in recipients:
        recipient[tags.PidTagRecipientType] = draw(st.sampled_from([1, 2, 3, 0x10000001]))
        recipient[tags.PidTagDisplayName] = draw(strings)
    attachments = []
    for held in draw(st.lists(property_sets(large=True), max_size=2)):
        inner = draw(some_messages(depth - 1)) if depth and draw(st.booleans()) else None
        held[tags.PidTagAttachMethod] = 1 if inner is None else 5
        attachments.append(Attachment(held, inner))
    return Message(properties, recipients, attachments)


# Places


@pytest.fixture
async def other(mailboxes: Mailboxes, user: User) -> AsyncIterator[Client]:
    """A client on another user's mailbox, whose named properties have other ids."""
    client = new_client(mailboxes, await another_user(mailboxes, user, "second"))
    await client.log_on()
    mailbox = client.session.logons[0].mailbox
    await mailbox.property_ids([PropertyName(PSETID_Common, lid=lid) for lid in range(1, 9)], create=True)
    yield client
    await client.session.close()


_number = count()


async def forget(*clients: Client) -> None:
    """Release everything but the logons."""
    for client in clients:
        await client.send(*(client.request("Release", slot) for slot in range(1, len(client.handles))))
        del client.handles[1:]


async def new_folder(client: Client) -> int:
    mailbox = client.session.logons[0].mailbox
    inbox = await mailbox.special_folder("inbox")
    return (await mailbox.create_folder(inbox.folder_id, f"place {next(_number)}")).folder_id


def mailbox_of(client: Client) -> Mailbox:
    return client.session.logons[0].mailbox


many = settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
sizes = st.sampled_from([1000, 4093, 0x7000])
options = st.sampled_from([UNICODE, FOR_UPLOAD])


# Copies


@many
@given(message=some_messages(), size=sizes, option=options)
async def test_a_message_by_its_handle(client: Client, other: Client, message: Message, size: int, option: int) -> None:
    mailbox, place = mailbox_of(client), await new_folder(client)
    (message_id,) = await mailbox.append(place, [NewMessage(message)])
    row = await stored(client, message_id)
    await client.value("OpenMessage", **opening_of(place, message_id))
    stream = await copy_to(client, client.last, send_options=option)
    slot = await create(other)
    await put(other, await destination(other, slot), stream, size)
    copy = await stored(other, await save(other, slot))
    expected, found = await whole_row(mailbox, row), await whole_row(mailbox_of(other), copy)
    assert found == expected
    assert (copy.subject, copy.normalized_subject, copy.importance) == (
        row.subject,
        row.normalized_subject,
        row.importance,
    )
    await forget(client, other)


def opening_of(folder_id: int, message_id: int) -> dict[str, Any]:
    return {
        "code_page_id": 0x0FFF,
        "folder_id": ObjectId(1, folder_id),
        "open_mode_flags": 0,
        "message_id": ObjectId(1, message_id),
    }


@many
@given(
    listed=st.lists(st.tuples(some_messages(), st.booleans(), st.booleans()), min_size=1, max_size=3),
    size=sizes,
    option=options,
)
async def test_messages_of_a_folder(
    client: Client, other: Client, listed: list[tuple[Message, bool, bool]], size: int, option: int
) -> None:
    mailbox, source, target = mailbox_of(client), await new_folder(client), await new_folder(other)
    items = [NewMessage(message, is_read=is_read, is_associated=fai) for message, is_read, fai in listed]
    ids = await mailbox.append(source, items)
    stream = await copy_messages(client, await open_folder(client, source), ids, options=option)
    await put(other, await destination(other, await open_folder(other, target), COPY_MESSAGES), stream, size)
    assert await whole_folder(mailbox_of(other), target) == await whole_folder(mailbox, source)
    await forget(client, other)


async def test_all_sample_mail(client: Client, other: Client) -> None:
    """By CopyFolder and by CopyTo, with subfolders; between mailboxes and within one."""
    mailbox, source = mailbox_of(client), await new_folder(client)
    children = [(await mailbox.create_folder(source, name)).folder_id for name in ("Ä", "B")]
    for number, (_name, raw) in enumerate(mail()):
        await mailbox.append([source, *children][number % 3], [NewMessage(message_from_mime(raw), raw)])
    slot = await open_folder(client, source)
    expected = [await whole_folder(mailbox, folder_id) for folder_id in (source, *children)]
    assert sum(map(len, expected)) > 100
    for taker, operation, stream in (
        (other, COPY_FOLDER, await copy_folder(client, slot, flags=COPY_SUBFOLDERS, options=FOR_UPLOAD)),
        (client, COPY_TO, await copy_to(client, slot, send_options=UNICODE)),
    ):
        target = await new_folder(taker)
        await put(taker, await destination(taker, await open_folder(taker, target), operation), stream)
        place = mailbox_of(taker)
        by_name = {row.name: row.folder_id for row in await place.children(target)}
        found = [target, by_name["Ä"], by_name["B"]]
        assert [await whole_folder(place, folder_id) for folder_id in found] == expected


async def test_a_move(client: Client, other: Client) -> None:
    """The client deletes what it has put elsewhere; then it is there and not here."""
    mailbox, source, target = mailbox_of(client), await new_folder(client), await new_folder(other)
    ids = await mailbox.append(source, [NewMessage(message_from_mime(raw)) for _name, raw in mail()[:5]])
    expected = await whole_folder(mailbox, source)
    slot = await open_folder(client, source)
    stream = await copy_messages(client, slot, ids, flags=MOVE | SEND_ENTRY_ID, options=FOR_UPLOAD)
    opened = await open_folder(other, target)
    await put(other, await destination(other, opened, COPY_MESSAGES, MOVE), stream)
    await delete_messages(client, slot, ids, hard=True)
    assert await rows_in(mailbox, source) == []
    assert await whole_folder(mailbox_of(other), target) == expected


# Pieces


def sample() -> Message:
    inner = Message({tags.PidTagSubject: "in"}, [{tags.PidTagRecipientType: 1, tags.PidTagDisplayName: "In"}])
    return Message(
        {
            tags.PidTagSubject: "RE: x",
            tags.PidTagSubjectPrefix: "",
            tags.PidTagNormalizedSubject: "RE: x",
            tags.PidTagHtml: b"<p>a",
            tags.PidTagBody: "b",
            tags.PidTagRtfCompressed: b"c",
            tags.PidTagRtfInSync: False,
            NamedTag(PropertyName(PSETID_Common, name="N"), 0x001F): "n",
            NamedTag(PropertyName(PSETID_Common, lid=0x8501), 0x1003): [1, 2],
        },
        [{tags.PidTagRecipientType: 1, tags.PidTagDisplayName: "Ann"}],
        [Attachment({tags.PidTagAttachMethod: 5}, inner)],
    )


async def content_of(client: Client, slot: int) -> Any:
    opened = client.session.resolve(client.handles[slot])
    assert isinstance(opened, OpenMessage)
    content = opened.content.copy()
    # Of the message that the stream came into.
    for tag in (tags.PidTagCreationTime, tags.PidTagSearchKey):
        content.properties.pop(tag, None)
    return whole(content, await opened.logon.mailbox.property_names())


async def test_a_stream_cut_at_every_byte(client: Client, own_mailbox: Mailbox) -> None:
    """Inside a tag, a name, a length or a value."""
    drafts = await own_mailbox.special_folder("drafts")
    (message_id,) = await own_mailbox.append(drafts.folder_id, [NewMessage(sample())])
    stream = await copy_to(
        client, await open_message(client, message_id), tags.PidTagCreationTime, tags.PidTagSearchKey
    )
    slot = await create(client)
    await put(client, await destination(client, slot), stream)
    expected = await content_of(client, slot)
    assert expected.properties[tags.PidTagSubject] == "RE: x\0".encode("utf-16-le")
    for cut in range(len(stream) + 1):
        slot = await create(client)
        context = await destination(client, slot)
        pieces = (stream[:cut], stream[cut:])
        answers = await client.send(
            *(client.request("FastTransferDestinationPutBuffer", context, transfer_data=piece) for piece in pieces)
        )
        assert [answer.return_value for answer in answers] == [0, 0], cut
        assert await content_of(client, slot) == expected, cut
        await client.send(client.request("Release", context), client.request("Release", slot))
        del client.handles[slot:]
    slot = await create(client)
    await put(client, await destination(client, slot), stream, 1)
    assert await content_of(client, slot) == expected


@many
@given(message=some_messages(), cuts=st.lists(st.integers(0, 1 << 20), max_size=8))
async def test_a_stream_cut_anywhere(client: Client, message: Message, cuts: list[int]) -> None:
    """However it is cut, the message becomes the same."""
    place = await new_folder(client)
    mailbox = mailbox_of(client)
    (message_id,) = await mailbox.append(place, [NewMessage(message)])
    await client.value("OpenMessage", **opening_of(place, message_id))
    stream = await copy_to(client, client.last)
    found = []
    for places in ([], cuts):
        slot = await create(client)
        context = await destination(client, slot)
        limits = sorted({0, *(cut % (len(stream) + 1) for cut in places), len(stream)})
        for start, end in pairwise(limits):
            await put(client, context, stream[start:end])
        content = await content_of(client, slot)
        found.append(content)
    assert found[0] == found[1]
    await forget(client)
