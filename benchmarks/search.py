"""Search folders on a mailbox of its own: searches with the full-text index and without, and what they cost."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from uuid import uuid4

from rich.table import Table

from benchmarks.mail import Generator
from mapigw.mailbox.folders import create_folder
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.provision import create_mailbox
from mapigw.mailbox.search_criteria import SearchState
from mapigw.mailbox.search_folders import SearchFlags, search_criteria, set_search_criteria
from mapigw.mailbox.search_population import start_indexing
from mapigw.store import folders, search_text
from mapigw.store.database import Database
from mapigw.wire import tags
from mapigw.wire.message import Message, Properties
from mapigw.wire.restrictions import BitMaskRestriction, ContentRestriction, ExistRestriction, Restriction

_BATCH = 500
_BODY = 1000  # characters
_APPENDS = 100
_INDEXED = SearchFlags.STATIC_SEARCH | SearchFlags.CONTENT_INDEXED_SEARCH
_SCANNED = SearchFlags.STATIC_SEARCH | SearchFlags.NON_CONTENT_INDEXED_SEARCH
_UNREAD = BitMaskRestriction(0, tags.PidTagMessageFlags, 1)
_FLAGGED = ExistRestriction(0x10900003)  # PidTagFlagStatus


def measure_search(many: int, some: int) -> Table:
    """``many`` messages with a subject alone, ``some`` with a body."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder), many, some))


async def _measure(data: Path, many: int, some: int) -> Table:
    table = Table("search", "messages", "found", "seconds", "longest wait of others, ms", title="Search folders")
    database = await Database.open(data)
    generator = Generator(3)
    word = generator.word(17)
    subject, body = _contains(tags.PidTagSubject, word), _contains(tags.PidTagBody, word)
    for count, rows in (
        (many, (("word in subjects", subject), ("unread", _UNREAD), ("property in no column", _FLAGGED))),
        (some, (("word in bodies", body),)),
    ):
        mailbox = await _filled(database, generator, count, with_body=count == some)
        for name, restriction in rows:
            table.add_row(f"{name}, without the index", str(count), *await _searched(mailbox, restriction, _SCANNED))
        seconds, size = await _indexed(mailbox)
        each = f"{seconds / count * 1e3:.2f} ms, {size / count:.0f} bytes each"
        table.add_row("the index itself", str(count), each, f"{seconds:.2f}", "")
        table.add_row(f"{rows[0][0]}, with it", str(count), *await _searched(mailbox, rows[0][1], _INDEXED))
        table.add_section()
    for number in (0, 10):
        for position in range(number):
            restriction = (_UNREAD, _FLAGGED, subject, body)[position % 4]
            await _searched(mailbox, restriction, SearchFlags.RECURSIVE_SEARCH, keep=True)
        spent = await _appends(mailbox, generator)
        table.add_row(f"an append with {number} search folders", "1", "", f"{spent:.4f}", "")
    await database.close()
    return table


def _contains(tag: int, text: str) -> ContentRestriction:
    return ContentRestriction(1, 1, tag, (tag, text))


async def _filled(database: Database, generator: Generator, count: int, *, with_body: bool) -> Mailbox:
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, uuid4())
    mailbox = await Mailboxes(database).open(mailbox_id)
    inbox = await mailbox.special_folder("inbox")
    for start in range(0, count, _BATCH):
        size = _BODY if with_body else 0
        items = [_message(generator, start + number, size) for number in range(min(_BATCH, count - start))]
        await mailbox.append(inbox.folder_id, items)
    return mailbox


def _message(generator: Generator, number: int, body: int) -> NewMessage:
    values: Properties = {
        tags.PidTagSubject: generator.text(40),
        tags.PidTagMessageDeliveryTime: 133_000_000_000_000_000 + number,
    }
    if body:
        values[tags.PidTagBody] = generator.text(body)
    return NewMessage(Message(values))


async def _searched(
    mailbox: Mailbox, restriction: Restriction, flags: SearchFlags, *, keep: bool = False
) -> Sequence[str]:
    """Found, seconds, longest wait of the event loop in ms."""
    finder, subtree = await mailbox.special_folder("search"), await mailbox.special_folder("ipm_subtree")
    name = f"Search {await mailbox.reserve_ids(1)}"
    folder_id = (await create_folder(mailbox, finder.folder_id, name, folder_type=2)).folder_id
    flags |= SearchFlags.RECURSIVE_SEARCH
    started = time.perf_counter()
    await set_search_criteria(mailbox, folder_id, restriction, [subtree.folder_id], flags)
    longest, turn = 0.0, started
    while (await search_criteria(mailbox, folder_id)).search_flags & SearchState.RUNNING:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        turn = time.perf_counter()
        longest = max(longest, turn - before - 0.001)
    seconds = turn - started
    found = await mailbox.folder(folder_id)
    assert found is not None
    if not keep:
        async with mailbox.database.write() as connection:
            await folders.delete_folders(connection, mailbox.mailbox_id, [folder_id])
    return str(found.content_count), f"{seconds:.3f}", f"{longest * 1e3:.0f}"


async def _indexed(mailbox: Mailbox) -> tuple[float, int]:
    """Seconds that the index took, bytes by which the database grew."""
    before, started = await _size(mailbox), time.perf_counter()
    while True:
        start_indexing(mailbox)
        await asyncio.sleep(0.05)
        async with mailbox.database.read() as connection:
            if not await search_text.select_unindexed(connection, mailbox.mailbox_id):
                break
    return time.perf_counter() - started, await _size(mailbox) - before


async def _size(mailbox: Mailbox) -> int:
    """Bytes of the pages in use."""
    async with mailbox.database.read() as connection:
        numbers = [
            int((await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one())
            for name in ("page_count", "freelist_count", "page_size")
        ]
    return (numbers[0] - numbers[1]) * numbers[2]


async def _appends(mailbox: Mailbox, generator: Generator) -> float:
    """Seconds of one append."""
    inbox = await mailbox.special_folder("inbox")
    spent = []
    for number in range(_APPENDS):
        item = _message(generator, number, _BODY)
        started = time.perf_counter()
        await mailbox.append(inbox.folder_id, [item])
        spent.append(time.perf_counter() - started)
    return median(spent)
