"""Queries by which changes are found that another process has made."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.changes import Tombstone
from mapigw.store.schema import folder, mailbox, message, tombstone

TOGETHER = 500  # ids in a query


class Counters(NamedTuple):
    """How far a mailbox has come."""

    last: int
    """The last value that was taken from the counter: no change number is above it."""
    next_message_id: int
    """No message that gets its id later has a lower one, unless a client gives it."""


class FolderCounts(NamedTuple):
    """What a notification says of a folder."""

    folder_id: int
    parent_id: int
    content_count: int
    content_unread_count: int


class ChangedFolder(NamedTuple):
    folder_id: int
    parent_id: int
    folder_type: int
    change_number: int
    content_change_number: int


class ChangedMessage(NamedTuple):
    message_id: int
    is_associated: bool
    change_number: int
    read_change_number: int
    is_read: bool
    has_attachments: bool
    message_flags: int
    message_class: str


async def select_counters(connection: AsyncConnection, mailbox_ids: Sequence[int]) -> dict[int, Counters]:
    """By mailbox."""
    found: dict[int, Counters] = {}
    columns = (mailbox.c.mailbox_id, mailbox.c.next_counter - 1, mailbox.c.next_message_id)
    for start in range(0, len(mailbox_ids), TOGETHER):
        some = list(mailbox_ids[start : start + TOGETHER])
        rows = await connection.execute(select(*columns).where(mailbox.c.mailbox_id.in_(some)))
        found.update((row[0], Counters(row[1], row[2])) for row in rows)
    return found


async def select_counts(
    connection: AsyncConnection, mailbox_id: int, folder_ids: Sequence[int]
) -> dict[int, FolderCounts]:
    """Those of the folders that exist."""
    columns = (folder.c[name] for name in FolderCounts._fields)
    statement = select(*columns).where(
        folder.c.mailbox_id == mailbox_id, folder.c.folder_id.in_(list(folder_ids)), folder.c.deleted.is_(None)
    )
    return {row[0]: FolderCounts._make(row) for row in await connection.execute(statement)}


async def select_changed_folders(connection: AsyncConnection, mailbox_id: int, after: int) -> list[ChangedFolder]:
    """The folders of which, or of whose contents, the last change has a number above ``after``."""
    columns = (folder.c[name] for name in ChangedFolder._fields)
    statement = select(*columns).where(
        folder.c.mailbox_id == mailbox_id,
        or_(folder.c.change_number > after, folder.c.content_change_number > after),
        folder.c.deleted.is_(None),
    )
    return [ChangedFolder._make(row) for row in await connection.execute(statement)]


async def select_changed_messages(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, after: int
) -> list[ChangedMessage]:
    """The messages of the folder that, or whose read state, changed under a number above ``after``, in this order."""
    columns = (message.c[name] for name in ChangedMessage._fields)
    statement = select(*columns).where(message.c.mailbox_id == mailbox_id, message.c.folder_id == folder_id)
    found: dict[int, ChangedMessage] = {}
    for column in (message.c.change_number, message.c.read_change_number):  # each has an index
        for row in await connection.execute(statement.where(column > after)):
            found[row[0]] = ChangedMessage._make(row)
    return sorted(found.values(), key=lambda item: max(item.change_number, item.read_change_number))


async def select_tombstones(connection: AsyncConnection, mailbox_id: int, after: int) -> list[Tombstone]:
    columns = (tombstone.c[name] for name in Tombstone._fields)
    statement = select(*columns).where(tombstone.c.mailbox_id == mailbox_id, tombstone.c.change_number > after)
    return [Tombstone._make(row) for row in await connection.execute(statement)]
