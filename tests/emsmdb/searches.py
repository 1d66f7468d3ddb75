"""Search folders that a test's client makes, fills and reads."""

import asyncio
from collections.abc import Sequence
from typing import Any

from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.store.search_text import select_unindexed
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import ContentRestriction, Restriction
from tests.emsmdb.client import LOGON, Client

STOP, RESTART, RECURSIVE, SHALLOW, FOREGROUND, BACKGROUND = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
CONTENT_INDEXED, NON_CONTENT_INDEXED, STATIC = 0x10000, 0x20000, 0x40000

SEARCH_RUNNING, SEARCH_REBUILD, SEARCH_RECURSIVE, SEARCH_COMPLETE = 0x1, 0x2, 0x4, 0x1000
SEARCH_STATIC, CI_TOTALLY, CI_WITH_TWIR_RESIDUAL, TWIR_TOTALLY = 0x10000, 0x1000000, 0x2000000, 0x8000000

WHOLE, SUBSTRING, PREFIX = 0, 1, 2
IGNORE_CASE = 1


def contains(tag: int, text: str | bytes, low: int = SUBSTRING, high: int = IGNORE_CASE) -> ContentRestriction:
    kind = 0x1F if isinstance(text, str) else 0x1E
    return ContentRestriction(low, high, tag & 0xFFFF0000 | kind, (tag & 0xFFFF0000 | kind, text))


def subject(text: str | bytes) -> ContentRestriction:
    return contains(tags.PidTagSubject, text)


async def make(client: Client, name: str = "Found", folder_type: int = 2) -> tuple[int, int]:
    """(slot, folder id) of a new folder below the one that searches are kept in."""
    finder = await client.session.logons[0].mailbox.special_folder("search")
    await client.value("OpenFolder", LOGON, folder_id=ObjectId(1, finder.folder_id), open_mode_flags=0)
    value = await client.value(
        "CreateFolder",
        client.last,
        folder_type=folder_type,
        use_unicode_strings=1,
        open_existing=0,
        reserved=0,
        display_name=name,
        comment="",
    )
    return client.last, value.folder_id.counter


def criteria(restriction: Restriction | None, folder_ids: Sequence[int], flags: int = RESTART) -> dict[str, Any]:
    return {
        "restriction_data": restriction,
        "folder_ids": [ObjectId(1, folder_id) for folder_id in folder_ids],
        "search_flags": flags,
    }


async def search(
    client: Client, slot: int, restriction: Restriction | None, folder_ids: Sequence[int], flags: int = RESTART
) -> None:
    """Set the criteria, and wait until the search is over."""
    await client.value("SetSearchCriteria", slot, **criteria(restriction, folder_ids, flags))
    await finished(client, slot)


async def state(client: Client, slot: int) -> int:
    value = await client.value("GetSearchCriteria", slot, use_unicode=1, include_restriction=0, include_folders=0)
    flags: int = value.search_flags
    return flags


async def finished(client: Client, slot: int) -> None:
    for _ in range(2000):
        if not await state(client, slot) & SEARCH_RUNNING:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("the search does not end")


async def indexed(mailbox: Mailbox) -> None:
    """Wait for the full-text index."""
    for _ in range(2000):
        async with mailbox.database.read() as connection:
            if not await select_unindexed(connection, mailbox.mailbox_id):
                return
        await asyncio.sleep(0.005)
    raise AssertionError("the full-text index is never up to date")


async def shown(client: Client, slot: int) -> list[int]:
    """The ids of the messages in a folder's contents table, sorted."""
    columns = (tags.PidTagMid,)
    opened = await client.value("GetContentsTable", slot, table_flags=0)
    table = client.last
    await client.value("SetColumns", table, set_columns_flags=0, property_tags=list(columns))
    found: list[int] = []
    while len(found) < opened.row_count:
        value = await client.value(
            "QueryRows", table, columns, query_rows_flags=0, forward_read=1, row_count=opened.row_count
        )
        if not value.row_count:
            break
        found += [ObjectId.from_integer(row[0]).counter for row in value.row_data]
    assert len(found) == opened.row_count
    return sorted(found)


async def counts(mailbox: Mailbox, folder_id: int) -> tuple[int, int, int]:
    """(messages, unread ones, size) as the folder has them."""
    folder = await mailbox.folder(folder_id)
    assert folder is not None
    return folder.content_count, folder.content_unread_count, folder.content_size


async def append(mailbox: Mailbox, folder_id: int, *subjects: str, **options: Any) -> list[int]:
    return await mailbox.append(folder_id, [NewMessage(message(text), **options) for text in subjects])


def message(text: str) -> Message:
    return Message({tags.PidTagSubject: text, tags.PidTagNormalizedSubject: text})


async def remove(client: Client, folder_id: int, *message_ids: int, hard: bool = False) -> None:
    """Delete messages through a folder."""
    await client.value("OpenFolder", LOGON, folder_id=ObjectId(1, folder_id), open_mode_flags=0)
    value = await client.value(
        "HardDeleteMessages" if hard else "DeleteMessages",
        client.last,
        want_asynchronous=0,
        notify_non_read=0,
        message_ids=[ObjectId(1, message_id) for message_id in message_ids],
    )
    assert not value.partial_completion
