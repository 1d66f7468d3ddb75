"""Contents tables of a folder with 100,000 messages: every ROP through the dispatcher, timed in this process."""

import asyncio
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from rich.table import Table

from mapigw.directory.model import User
from mapigw.emsmdb.registry import load_handlers
from mapigw.emsmdb.session import Session
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.provision import create_mailbox
from mapigw.store.database import Database
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import ContentRestriction, PropertyRestriction, RelationalOperator
from tests.emsmdb.client import Client, FakeDirectory
from tests.emsmdb.tables import ASCENDING, BEGINNING, DESCENDING, END, find, rows, seek, sort, sorting

INBOX = 5
NOT_PROMOTED = tags.PidTagInternetMessageId
REPETITIONS = 7

# What Outlook shows of a mail folder.
COLUMNS = (
    tags.PidTagFolderId,
    tags.PidTagMid,
    tags.PidTagInstID,
    tags.PidTagInstanceNum,
    tags.PidTagRowType,
    tags.PidTagDepth,
    tags.PidTagContentCount,
    tags.PidTagContentUnreadCount,
    tags.PidTagMessageClass,
    tags.PidTagSubject,
    tags.PidTagNormalizedSubject,
    tags.PidTagSubjectPrefix,
    tags.PidTagSentRepresentingName,
    tags.PidTagSentRepresentingEmailAddress,
    tags.PidTagSenderName,
    tags.PidTagDisplayTo,
    tags.PidTagDisplayCc,
    tags.PidTagMessageDeliveryTime,
    tags.PidTagClientSubmitTime,
    tags.PidTagLastModificationTime,
    tags.PidTagCreationTime,
    tags.PidTagMessageFlags,
    tags.PidTagMessageStatus,
    tags.PidTagMessageSize,
    tags.PidTagHasAttachments,
    tags.PidTagImportance,
    tags.PidTagSensitivity,
    tags.PidTagConversationTopic,
    tags.PidTagConversationId,
    tags.PidTagInternetCodepage,
)


def measure_tables(messages: int) -> Table:
    """Fill a mailbox of its own and measure."""
    return asyncio.run(_measure(messages))


async def _measure(messages: int) -> Table:
    load_handlers()
    with tempfile.TemporaryDirectory() as folder:
        database = await Database.open(Path(folder))
        async with database.write() as connection:
            mailbox_id = await create_mailbox(connection, uuid4())
        mailboxes = Mailboxes(database)
        mailbox = await mailboxes.open(mailbox_id)
        started = time.perf_counter()
        await _fill(mailbox, messages)
        rate = messages / (time.perf_counter() - started)
        user = User(
            1, mailbox_id, mailbox.guid, "t@bm.lan", "Tom", "/o=bm/cn=tom", "bm.lan", (), enabled=True, admin=False
        )
        client = Client(Session(user, FakeDirectory(user), mailboxes))  # type: ignore[arg-type]
        await client.log_on()
        table = await _table(client, messages)
        table.add_row("filled, messages/s", f"{rate:.0f}", "")
        await client.session.close()
        await database.close()
    return table


async def _fill(mailbox: Mailbox, messages: int) -> None:
    body = "A sentence of a message that somebody has written. " * 40
    for start in range(0, messages, 500):
        batch = range(start, min(start + 500, messages))
        await mailbox.append(INBOX, [NewMessage(_message(number, body)) for number in batch])


def _message(number: int, body: str) -> Message:
    moment = 133_000_000_000_000_000 + number * 7919 % 1_000_003 * 600_000_000
    subject, sender = f"Report {number * 31 % 100_003} of the day", f"Sender {number % 997}"
    properties: dict[Any, Any] = {
        tags.PidTagSubject: f"RE: {subject}",
        tags.PidTagSubjectPrefix: "RE: ",
        tags.PidTagNormalizedSubject: subject,
        tags.PidTagConversationTopic: subject,
        tags.PidTagMessageDeliveryTime: moment,
        tags.PidTagClientSubmitTime: moment,
        tags.PidTagSentRepresentingName: sender,
        tags.PidTagSentRepresentingEmailAddress: f"sender{number % 997}@bm.lan",
        tags.PidTagSenderName: sender,
        tags.PidTagInternetCodepage: 65001,
        NOT_PROMOTED: f"<{number * 7919 % 1_000_003:07}@bm.lan>",
        tags.PidTagBody: body,
    }
    recipients: list[dict[Any, Any]] = [{tags.PidTagRecipientType: 1, tags.PidTagDisplayName: "Tom"}]
    return Message(properties, recipients)


async def _table(client: Client, messages: int) -> Table:
    await client.value("OpenFolder", folder_id=ObjectId(1, INBOX), open_mode_flags=0)
    folder = client.last

    async def open_sorted(tag: int, order: int, columns: tuple[int, ...] = COLUMNS) -> int:
        """As Outlook opens a view."""
        await client.value("GetContentsTable", folder, table_flags=0)
        slot = client.last
        requests = [
            client.request("SetColumns", slot, set_columns_flags=0, property_tags=list(columns)),
            client.request("SortTable", slot, **sorting((tag, order))),
            client.request("QueryRows", slot, query_rows_flags=0, forward_read=True, row_count=50),
        ]
        responses = await client.send(*requests, columns={slot: columns})
        if responses[-1].value.row_count != 50:
            raise RuntimeError(f"{responses[-1].value.row_count} rows")
        return slot

    async def opened() -> None:
        slot = await open_sorted(tags.PidTagMessageDeliveryTime, DESCENDING)
        await client.send(client.request("Release", slot))

    slot = await open_sorted(tags.PidTagMessageDeliveryTime, DESCENDING)
    columns = COLUMNS

    async def page(origin: int, offset: int) -> None:
        await seek(client, slot, origin, offset)
        await rows(client, slot, columns, 50)

    subject = tags.PidTagSubject
    last = f"RE: Report {(messages - 1) * 31 % 100_003} of the day"
    missing = PropertyRestriction(RelationalOperator.EQUAL, subject, (subject, last.upper()))
    contained = ContentRestriction(1, 1, subject, (subject, last[4:].upper()))

    table = Table("contents table", "ms", "wanted", title=f"A folder of {messages} messages")
    first_open = await _timed(opened)
    table.add_row("open, sort by delivery time, 50 rows of 30 columns", f"{first_open:.1f}", "under 50")
    first = await _timed(lambda: page(BEGINNING, 0))
    far = await _timed(lambda: page(END, -50))
    table.add_row("a page at the beginning", f"{first:.1f}", "")
    table.add_row("a page at the end, and its ratio to the first", f"{far:.1f}, {far / first:.2f}", "ratio under 2")
    for name, restriction in (("equal subject", missing), ("part of a subject", contained)):
        cost = await _timed(lambda restriction=restriction: find(client, slot, columns, restriction))  # type: ignore[misc]
        table.add_row(f"FindRow: {name}", f"{cost:.1f}", "under 100")
    by_subject = await _timed(lambda: _sorted(client, slot, subject), 3)
    table.add_row("sort by subject, 50 rows", f"{by_subject:.0f}", "")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    by_other = await _timed(lambda: _sorted(client, slot, NOT_PROMOTED), 1)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    table.add_row("sort by a property without a column, 50 rows", f"{by_other:.0f}", "under 5000")
    table.add_row("growth of the process by it, MB", f"{grown:.0f}", "under 200")
    return table


async def _sorted(client: Client, slot: int, tag: int) -> None:
    await sort(client, slot, (tag, ASCENDING))
    await rows(client, slot, COLUMNS, 50)


async def _timed(action: Callable[[], Awaitable[Any]], repetitions: int = REPETITIONS) -> float:
    """Milliseconds, the median."""
    taken = []
    for _ in range(repetitions):
        started = time.perf_counter()
        await action()
        taken.append((time.perf_counter() - started) * 1e3)
    return median(taken)
