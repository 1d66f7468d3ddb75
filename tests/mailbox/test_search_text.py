"""Searching text: with the index, without it and before it is there the same messages are found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import pytest

from mapigw.mailbox import search_matching
from mapigw.mailbox.folders import create_folder
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.permissions import Accessor
from mapigw.mailbox.progress import Progress
from mapigw.mailbox.provision import create_mailbox
from mapigw.mailbox.removing import delete_messages
from mapigw.mailbox.search_criteria import (
    SEARCH_ALL_INDEXED,
    SEARCH_ATTACHMENTS,
    WITHHELD,
    SearchState,
)
from mapigw.mailbox.search_folders import SearchFlags, resume, search_criteria, set_search_criteria
from mapigw.mailbox.search_population import start_indexing
from mapigw.store import mailboxes as mailbox_store
from mapigw.store import search_text
from mapigw.store.contents import Scope, select_ids
from mapigw.store.database import Database
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message
from mapigw.wire.restrictions import (
    AndRestriction,
    ContentRestriction,
    NotRestriction,
    OrRestriction,
    PropertyRestriction,
    RelationalOperator,
    Restriction,
    SubObjectRestriction,
)
from mapigw.wire.rtf_compression import compress

INDEXED, SCANNED = SearchFlags.CONTENT_INDEXED_SEARCH, SearchFlags.NON_CONTENT_INDEXED_SEARCH
ALL = SEARCH_ALL_INDEXED << 16 | 0x1F


@pytest.fixture
async def mailbox(tmp_path: Path) -> AsyncIterator[Mailbox]:
    database = await Database.open(tmp_path / "data")
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, UUID(int=7))
    yield await Mailboxes(database).open(mailbox_id)
    await database.close()


@pytest.fixture
async def inbox(mailbox: Mailbox) -> int:
    return (await mailbox.special_folder("inbox")).folder_id


def contains(tag: int, text: str, low: int = 1, high: int = 1) -> ContentRestriction:
    return ContentRestriction(low, high, tag, (tag, text))


async def append(mailbox: Mailbox, folder_id: int, *messages: Message) -> list[int]:
    return await mailbox.append(folder_id, [NewMessage(message) for message in messages])


async def indexed(mailbox: Mailbox) -> None:
    while await queue(mailbox):
        start_indexing(mailbox)
        await asyncio.sleep(0.005)


async def queue(mailbox: Mailbox) -> set[int]:
    async with mailbox.database.read() as connection:
        return await search_text.select_unindexed(connection, mailbox.mailbox_id)


@asynccontextmanager
async def held_index(mailbox: Mailbox) -> AsyncIterator[None]:
    """Nothing is put into the index meanwhile."""
    going_on = asyncio.Event()

    async def wait() -> None:
        await going_on.wait()

    mailbox.database.start(f"index {mailbox.mailbox_id}", wait)
    try:
        yield
    finally:
        going_on.set()
        await asyncio.sleep(0)


async def in_index(mailbox: Mailbox, query: str) -> set[int]:
    async with mailbox.database.read() as connection:
        return await search_text.select_indexed(connection, mailbox.mailbox_id, query)


async def found(mailbox: Mailbox, folder_id: int, restriction: Restriction, flags: SearchFlags = INDEXED) -> list[int]:
    """What a new search folder shows when its search is over."""
    finder = await mailbox.special_folder("search")
    name = f"Search {await mailbox.reserve_ids(1)}"
    folder = await create_folder(mailbox, finder.folder_id, name, folder_type=2)
    await set_search_criteria(mailbox, folder.folder_id, restriction, [folder_id], flags | SearchFlags.STATIC_SEARCH)
    while (await search_criteria(mailbox, folder.folder_id)).search_flags & SearchState.RUNNING:
        await asyncio.sleep(0.002)
    async with mailbox.database.read() as connection:
        return sorted(await select_ids(connection, Scope(mailbox.mailbox_id, folder.folder_id, is_search=True)))


MESSAGES: dict[str, tuple[Message, Restriction]] = {
    "subject": (
        Message({tags.PidTagSubject: "Grüße aus ÅRHUS"}),
        contains(tags.PidTagSubject, "grüsse AUS åRHUS".replace("ss", "ß")),
    ),
    "subject of its parts": (
        Message({tags.PidTagSubjectPrefix: "Re: ", tags.PidTagNormalizedSubject: "straße"}),
        contains(tags.PidTagSubject, "re: STRASSE", low=2),
    ),
    "marks": (Message({tags.PidTagSubject: "Kőszeg"}), contains(tags.PidTagSubject, "koszeg", high=2 | 1)),
    "plain body": (Message({tags.PidTagBody: "first line\r\nneedle in it"}), contains(tags.PidTagBody, "NEEDLE in")),
    "long plain body": (
        Message({tags.PidTagBody: "hay " * 20_000 + "zebra", tags.PidTagHtml: b"<p>hay</p>"}),
        contains(tags.PidTagBody, "zebra"),
    ),
    "HTML body": (
        Message({tags.PidTagHtml: b"<p>one <b>giraf</b>fe &amp; two</p><script>hidden()</script>"}),
        contains(tags.PidTagBody, "one giraffe & two"),
    ),
    "long HTML body": (
        Message({tags.PidTagHtml: b"<p>" + b"hay " * 30_000 + b"okapi</p>"}),
        contains(tags.PidTagBody, "okapi"),
    ),
    "RTF body": (
        Message({tags.PidTagRtfCompressed: compress(rb"{\rtf1\ansi one {\b wal}rus\par}"), tags.PidTagRtfInSync: True}),
        contains(tags.PidTagBody, "one walrus"),
    ),
    "sender": (Message({tags.PidTagSenderName: "Zoë Quill"}), contains(tags.PidTagSenderName, "quill")),
    "recipient": (
        Message(recipients=[{tags.PidTagDisplayName: "Ann", tags.PidTagSmtpAddress: "ann@ostrich.example"}]),
        SubObjectRestriction(tags.PidTagMessageRecipients, contains(tags.PidTagSmtpAddress, "@ostrich")),
    ),
    "display to": (
        Message(recipients=[{tags.PidTagDisplayName: "Penguin, Bob", tags.PidTagRecipientType: 1}]),
        contains(tags.PidTagDisplayTo, "penguin"),
    ),
    "attachment name": (
        Message(attachments=[Attachment({tags.PidTagAttachLongFilename: "budget-lemur.xlsx"})]),
        SubObjectRestriction(tags.PidTagMessageAttachments, contains(tags.PidTagAttachLongFilename, "LEMUR")),
    ),
    "any attachment text": (
        Message(attachments=[Attachment({tags.PidTagAttachLongFilename: "tapir.pdf"})]),
        contains(SEARCH_ATTACHMENTS << 16 | 0x1F, "tapir"),
    ),
    "any recipient text": (
        Message(recipients=[{tags.PidTagDisplayName: "Heron", tags.PidTagRecipientType: 2}]),
        contains(0x0EA7001F, "heron"),
    ),
    "anything": (Message({tags.PidTagHtml: b"<p>a badger</p>"}), contains(ALL, "badger")),
    "anything, from an attachment": (
        Message(attachments=[Attachment({tags.PidTagAttachLongFilename: "stoat.txt"})]),
        contains(ALL, "stoat.txt"),
    ),
    "categories": (
        Message({tags.PidTagBody: "x", 0x6801101F: ["Red", "Marmoset"]}),
        ContentRestriction(0, 1, 0x6801101F, (0x6801001F, "marmoset")),
    ),
    "whole": (
        Message({tags.PidTagSubject: "exactly this"}),
        PropertyRestriction(RelationalOperator.EQUAL, tags.PidTagSubject, (tags.PidTagSubject, "Exactly This")),
    ),
    "long string": (
        Message({tags.PidTagConversationTopic: "y" * 9000 + "weasel"}),
        contains(tags.PidTagConversationTopic, "yweasel"),
    ),
    "halves of surrogate pairs": (Message({tags.PidTagBody: "a\ud83dbcd"}), contains(tags.PidTagBody, "\ud83dbcd")),
    "NUL": (Message({tags.PidTagBody: "ab\0cdef"}), contains(tags.PidTagBody, "cdef")),
}


async def test_a_text_is_found_with_and_without_the_index(mailbox: Mailbox, inbox: int) -> None:
    ids = await append(mailbox, inbox, *[message for message, _ in MESSAGES.values()])
    expected = {name: [message_id] for name, message_id in zip(MESSAGES, ids, strict=True)}

    async def all_found(flags: SearchFlags) -> dict[str, list[int]]:
        return {name: await found(mailbox, inbox, wanted, flags) for name, (_, wanted) in MESSAGES.items()}

    async with held_index(mailbox):
        assert await queue(mailbox) == set(ids)
        assert await all_found(INDEXED) == expected
    await indexed(mailbox)
    assert await all_found(INDEXED) == expected
    assert await all_found(SCANNED) == expected


async def test_the_index_keeps_up_with_changes_and_deletions(mailbox: Mailbox, inbox: int) -> None:
    first, second = await append(
        mailbox, inbox, Message({tags.PidTagBody: "an elk"}), Message({tags.PidTagBody: "an elk"})
    )
    await indexed(mailbox)
    assert await in_index(mailbox, '"elk"') == {first, second}
    await delete_messages(mailbox, Accessor(frozenset(), True), inbox, [first], hard=False, progress=Progress())
    assert await found(mailbox, inbox, contains(tags.PidTagBody, "elk")) == [second]
    await indexed(mailbox)
    assert await in_index(mailbox, '"elk"') == {second}


async def test_one_mailbox_does_not_find_anothers(mailbox: Mailbox, inbox: int) -> None:
    async with mailbox.database.write() as connection:
        other_id = await create_mailbox(connection, UUID(int=8))
    other = await Mailboxes(mailbox.database).open(other_id)
    other_inbox = (await other.special_folder("inbox")).folder_id
    (mine,) = await append(mailbox, inbox, Message({tags.PidTagBody: "an elk"}))
    (theirs,) = await append(other, other_inbox, Message({tags.PidTagBody: "an elk"}))
    await indexed(mailbox)
    await indexed(other)
    assert await in_index(mailbox, '"elk"') == {mine}
    assert await in_index(other, '"elk"') == {theirs}
    async with mailbox.database.write() as connection:
        await mailbox_store.delete_mailbox(connection, mailbox.mailbox_id)
    assert await in_index(mailbox, '"elk"') == set()
    assert await queue(mailbox) == set()
    assert await in_index(other, '"elk"') == {theirs}


async def test_a_text_beyond_the_limit_is_still_found(
    mailbox: Mailbox, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index has its beginning, and every search looks at the rest."""
    monkeypatch.setattr(search_matching, "TEXT_MAXIMUM", 1000)
    monkeypatch.setattr(search_matching, "_CONVERTED_MAXIMUM", 100_000)
    long, html, short = await append(
        mailbox,
        inbox,
        Message({tags.PidTagBody: "hay " * 1000 + "elk"}),
        Message({tags.PidTagHtml: b"<p>" + b"hay " * 40_000 + b"elk</p>"}),
        Message({tags.PidTagBody: "hay"}),
    )
    await indexed(mailbox)
    assert await in_index(mailbox, '"elk"') == set()
    assert await in_index(mailbox, f'"{WITHHELD}"') == {long, html}
    assert await in_index(mailbox, '"hay"') == {long, short}
    assert await found(mailbox, inbox, contains(tags.PidTagBody, "elk")) == [long, html]


async def test_a_message_that_cannot_be_read_stops_no_search(
    mailbox: Mailbox, inbox: int, caplog: pytest.LogCaptureFixture
) -> None:
    _, whole = await append(
        mailbox,
        inbox,
        Message({tags.PidTagRtfCompressed: b"not compressed RTF"}),
        Message({tags.PidTagBody: "an elk"}),
    )
    assert await found(mailbox, inbox, contains(tags.PidTagBody, "elk"), SCANNED) == [whole]
    await indexed(mailbox)
    assert await in_index(mailbox, f'"{WITHHELD}"') == set()
    assert await in_index(mailbox, '"elk"') == {whole}
    assert "a body in mailbox" in caplog.text


async def test_an_index_that_was_cut_off_is_completed(mailbox: Mailbox, inbox: int) -> None:
    ids = await append(mailbox, inbox, *[Message({tags.PidTagBody: "an elk"})] * 120)
    await mailbox.database.close()
    database = await Database.open(mailbox.database.data)
    again = await Mailboxes(database).open(mailbox.mailbox_id)
    await resume(again)
    for _ in range(1000):
        if not await queue(again):
            break
        await asyncio.sleep(0.005)
    assert await in_index(again, '"elk"') == set(ids)
    await database.close()


async def test_texts_combine_with_everything_else(mailbox: Mailbox, inbox: int) -> None:
    def both(subject: str, body: str) -> Message:
        return Message({tags.PidTagSubject: subject, tags.PidTagBody: body, tags.PidTagImportance: 1})

    first, second, third, fourth = await append(
        mailbox, inbox, both("alpha", "beta"), both("beta", "alpha"), both("beta", "beta"), both("gamma", "delta")
    )
    await indexed(mailbox)
    alpha, beta = contains(tags.PidTagSubject, "alpha"), contains(tags.PidTagBody, "beta")
    normal = PropertyRestriction(RelationalOperator.EQUAL, tags.PidTagImportance, (tags.PidTagImportance, 1))
    for restriction, expected in (
        (AndRestriction((alpha, beta)), [first]),
        (OrRestriction((alpha, beta)), [first, third]),
        (AndRestriction((beta, NotRestriction(alpha))), [third]),
        (OrRestriction((alpha, normal)), [first, second, third, fourth]),
        (AndRestriction((beta, normal)), [first, third]),
        (AndRestriction((normal, NotRestriction(beta))), [second, fourth]),
    ):
        for flags in (INDEXED, SCANNED):
            assert await found(mailbox, inbox, restriction, flags) == expected


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.1])
async def test_a_store_closes_while_it_searches_and_goes_on_later(mailbox: Mailbox, inbox: int, delay: float) -> None:
    ids = await append(mailbox, inbox, *[Message({tags.PidTagSubject: "an elk"})] * 600)
    finder = await mailbox.special_folder("search")
    folder = await create_folder(mailbox, finder.folder_id, "Found", folder_type=2)
    both = AndRestriction((contains(tags.PidTagSubject, "elk"), NotRestriction(contains(tags.PidTagBody, "elk"))))
    await set_search_criteria(mailbox, folder.folder_id, both, [inbox], SCANNED)
    start_indexing(mailbox)
    await asyncio.sleep(delay)
    await mailbox.database.close()
    database = await Database.open(mailbox.database.data)
    again = await Mailboxes(database).open(mailbox.mailbox_id)
    await resume(again)
    while (await search_criteria(again, folder.folder_id)).search_flags & SearchState.RUNNING:
        await asyncio.sleep(0.005)
    async with database.read() as connection:
        found = await select_ids(connection, Scope(again.mailbox_id, folder.folder_id, is_search=True))
    assert sorted(found) == ids
    shown = await again.folder(folder.folder_id)
    assert shown is not None
    assert shown.content_count == shown.content_unread_count == 600
    await database.close()
