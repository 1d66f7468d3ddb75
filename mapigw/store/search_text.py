"""The full-text index: an FTS5 table of trigrams, and the queue of what it does not have yet.

The index holds no positions, so that a query finds the messages whose text has all trigrams of what is looked for,
a few of them not in a row: who asks looks at the messages themselves. It is brought up to date after the changes; the
messages in the queue are the ones about which it may be wrong.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import bindparam, delete, func, select, text
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import search_queue

TABLES: Final = frozenset(
    {"search_text", "search_text_data", "search_text_idx", "search_text_content", "search_text_config"}
)
"""The virtual table and those in which FTS5 keeps it; they are not part of the schema's metadata."""

# Document ids are mailbox and message ids together, so that a query walks its own mailbox's part of the index alone.
_MESSAGE_BITS: Final = 44

_SELECT: Final = text(
    "SELECT group_concat(rowid - :first) FROM search_text"
    " WHERE search_text MATCH :query AND rowid BETWEEN :first AND :last"
)
_QUEUE: Final = insert(search_queue).on_conflict_do_nothing()
_INSERT: Final = text("INSERT INTO search_text(rowid, text) VALUES (:document, :text)")
_DELETE: Final = text("DELETE FROM search_text WHERE rowid = :document")
_DELETE_MAILBOX: Final = text("DELETE FROM search_text WHERE rowid BETWEEN :first AND :last")


def _first(mailbox_id: int) -> int:
    return mailbox_id << _MESSAGE_BITS


def _range(mailbox_id: int) -> dict[str, Any]:
    return {"first": _first(mailbox_id), "last": _first(mailbox_id + 1) - 1}


async def queue_text(connection: AsyncConnection, mailbox_id: int, message_ids: Sequence[int], moment: int) -> None:
    """Note that the text of messages has changed, or that they are gone."""
    values = [{"mailbox_id": mailbox_id, "message_id": number, "queued": moment} for number in message_ids]
    await connection.execute(_QUEUE, values)


async def select_queue(connection: AsyncConnection, mailbox_id: int, limit: int) -> list[tuple[int, int]]:
    """(message id, when it was queued) of messages in the queue, by id."""
    statement = (
        select(search_queue.c.message_id, search_queue.c.queued)
        .where(search_queue.c.mailbox_id == mailbox_id)
        .order_by(search_queue.c.message_id, search_queue.c.queued)
        .limit(limit)
    )
    return [(row.message_id, row.queued) for row in await connection.execute(statement)]


async def select_unindexed(connection: AsyncConnection, mailbox_id: int) -> set[int]:
    """The messages about which the index may be wrong; some of them do not exist any more."""
    joined = select(func.group_concat(search_queue.c.message_id)).where(search_queue.c.mailbox_id == mailbox_id)
    return _ids((await connection.execute(joined)).scalar())


def _ids(joined: str | None) -> set[int]:
    """Of a list that came as one value: a row for each of many would cost the event loop more than the query."""
    return set(map(int, joined.split(","))) if joined is not None else set()


async def index_texts(
    connection: AsyncConnection, mailbox_id: int, texts: Mapping[int, str | None], queued: Sequence[tuple[int, int]]
) -> None:
    """Put the texts of messages in place of what the index has of them, None to forget them; ``queued`` is done."""
    first = _first(mailbox_id)
    await connection.execute(_DELETE, [{"document": first + message_id} for message_id in texts])
    found = [
        {"document": first + message_id, "text": value} for message_id, value in texts.items() if value is not None
    ]
    if found:
        await connection.execute(_INSERT, found)
    done = delete(search_queue).where(
        search_queue.c.mailbox_id == mailbox_id,
        search_queue.c.message_id == bindparam("message"),
        search_queue.c.queued == bindparam("moment"),
    )
    await connection.execute(done, [{"message": message_id, "moment": moment} for message_id, moment in queued])


async def select_indexed(connection: AsyncConnection, mailbox_id: int, query: str) -> set[int]:
    """The messages that answer an FTS5 query, by what the index has of them."""
    return _ids((await connection.execute(_SELECT, {"query": query, **_range(mailbox_id)})).scalar())


async def delete_index(connection: AsyncConnection, mailbox_id: int) -> None:
    """Forget everything about a mailbox."""
    await connection.execute(_DELETE_MAILBOX, _range(mailbox_id))
