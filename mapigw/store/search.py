"""Queries on search folders: their criteria, and which messages they show."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.contents import Condition
from mapigw.store.schema import folder, message, search_folder, search_result

_COUNTER = struct.Struct("<Q")


class SearchFolder(NamedTuple):
    """What a search folder looks for, where, and how far it is."""

    folder_id: int
    restriction: bytes
    folder_ids: tuple[int, ...]
    search_flags: int
    started: int


class Result(NamedTuple):
    """A message in a search folder, as that folder's counts have it."""

    folder_id: int
    message_id: int
    is_read: bool
    size: int


_COLUMNS = tuple(search_folder.c[name] for name in SearchFolder._fields)
_RESULT_COLUMNS = tuple(search_result.c[name] for name in Result._fields)


def _search_folder(row: Any) -> SearchFolder:
    folder_ids = tuple(counter for (counter,) in _COUNTER.iter_unpack(row.folder_ids))
    return SearchFolder(row.folder_id, row.restriction, folder_ids, row.search_flags, row.started)


async def select_search_folder(connection: AsyncConnection, mailbox_id: int, folder_id: int) -> SearchFolder | None:
    """None when no criteria were ever set."""
    statement = select(*_COLUMNS).where(
        search_folder.c.mailbox_id == mailbox_id, search_folder.c.folder_id == folder_id
    )
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else _search_folder(row)


# Statements that many a change makes are made once.
_SEARCH_FOLDERS = select(*_COLUMNS).where(search_folder.c.mailbox_id == bindparam("mailbox"))


async def select_search_folders(connection: AsyncConnection, mailbox_id: int) -> list[SearchFolder]:
    return [_search_folder(row) for row in await connection.execute(_SEARCH_FOLDERS, {"mailbox": mailbox_id})]


async def put_search_folder(connection: AsyncConnection, mailbox_id: int, row: SearchFolder) -> None:
    """Set or replace the criteria of a folder."""
    values = row._asdict() | {"folder_ids": b"".join(map(_COUNTER.pack, row.folder_ids))}
    statement = upsert(search_folder).values(mailbox_id=mailbox_id, **values)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=[search_folder.c.mailbox_id, search_folder.c.folder_id], set_=values
        )
    )


async def update_search_flags(connection: AsyncConnection, mailbox_id: int, folder_id: int, search_flags: int) -> None:
    await connection.execute(
        update(search_folder)
        .where(search_folder.c.mailbox_id == mailbox_id, search_folder.c.folder_id == folder_id)
        .values(search_flags=search_flags)
    )


_RESULTS_OF = select(*_RESULT_COLUMNS).where(
    search_result.c.mailbox_id == bindparam("mailbox"),
    search_result.c.message_id.in_(bindparam("messages", expanding=True)),
)


async def select_results_of(connection: AsyncConnection, mailbox_id: int, message_ids: Sequence[int]) -> list[Result]:
    """The search folders that show these messages; some hundred a call."""
    rows = await connection.execute(_RESULTS_OF, {"mailbox": mailbox_id, "messages": list(message_ids)})
    return [Result._make(row) for row in rows]


async def is_result(connection: AsyncConnection, mailbox_id: int, folder_id: int, message_id: int) -> bool:
    """Whether a search folder shows the message."""
    statement = select(search_result.c.message_id).where(
        search_result.c.mailbox_id == mailbox_id,
        search_result.c.folder_id == folder_id,
        search_result.c.message_id == message_id,
    )
    return (await connection.execute(statement)).first() is not None


_PUT_RESULT = upsert(search_result).values(
    mailbox_id=bindparam("mailbox"),
    folder_id=bindparam("folder_id"),
    message_id=bindparam("message_id"),
    is_read=bindparam("is_read"),
    size=bindparam("size"),
)
_PUT_RESULT = _PUT_RESULT.on_conflict_do_update(
    index_elements=[search_result.c.mailbox_id, search_result.c.folder_id, search_result.c.message_id],
    set_={"is_read": _PUT_RESULT.excluded.is_read, "size": _PUT_RESULT.excluded.size},
)


async def put_results(connection: AsyncConnection, mailbox_id: int, rows: Iterable[Result]) -> None:
    """Add results, or set what has become of those that are there."""
    await connection.execute(_PUT_RESULT, [{"mailbox": mailbox_id, **row._asdict()} for row in rows])


class Difference(NamedTuple):
    """What to add to the counts of a search folder."""

    folder_id: int
    content: int
    unread: int
    size: int


_COUNT = (
    update(folder)
    .where(folder.c.mailbox_id == bindparam("mailbox"), folder.c.folder_id == bindparam("shown_in"))
    .values(
        content_count=folder.c.content_count + bindparam("content"),
        content_unread_count=folder.c.content_unread_count + bindparam("unread"),
        content_size=folder.c.content_size + bindparam("added_size"),
        content_change_number=bindparam("change"),
        local_commit_time=bindparam("moment"),
    )
)


async def count_results(
    connection: AsyncConnection,
    mailbox_id: int,
    differences: Iterable[Difference],
    *,
    change_number: int,
    commit_time: int,
) -> None:
    """Add differences to the counts of search folders, after a change to what they show."""
    constant = {"mailbox": mailbox_id, "change": change_number, "moment": commit_time}
    values = [
        {"shown_in": folder_id, "content": content, "unread": unread, "added_size": size, **constant}
        for folder_id, content, unread, size in differences
    ]
    await connection.execute(_COUNT, values)


async def delete_results(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, message_ids: Sequence[int]
) -> None:
    """Take messages out of a search folder; some hundred a call."""
    await connection.execute(
        delete(search_result).where(
            search_result.c.mailbox_id == mailbox_id,
            search_result.c.folder_id == folder_id,
            search_result.c.message_id.in_(list(message_ids)),
        )
    )


async def clear_results(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, *, change_number: int, commit_time: int
) -> None:
    """Empty a search folder."""
    await connection.execute(
        delete(search_result).where(search_result.c.mailbox_id == mailbox_id, search_result.c.folder_id == folder_id)
    )
    await connection.execute(
        update(folder)
        .where(folder.c.mailbox_id == mailbox_id, folder.c.folder_id == folder_id)
        .values(
            content_count=0,
            content_unread_count=0,
            content_size=0,
            content_change_number=change_number,
            local_commit_time=commit_time,
        )
    )


class MessageVersion(NamedTuple):
    """What tells whether a message is still the one that was looked at."""

    message_id: int
    folder_id: int
    is_associated: bool
    change_number: int
    read_change_number: int
    local_commit_time: int
    message_flags: int
    message_status: int
    is_read: bool
    size: int


_VERSIONS = select(*(message.c[name] for name in MessageVersion._fields)).where(
    message.c.mailbox_id == bindparam("mailbox"), message.c.message_id.in_(bindparam("messages", expanding=True))
)


async def select_versions(
    connection: AsyncConnection, mailbox_id: int, message_ids: Sequence[int], wanted: Condition | None = None
) -> dict[int, MessageVersion]:
    """Of those messages that exist, and satisfy the condition; some hundred a call."""
    statement = _VERSIONS if wanted is None else _VERSIONS.where(wanted)
    rows = await connection.execute(statement, {"mailbox": mailbox_id, "messages": list(message_ids)})
    return {row[0]: MessageVersion._make(row) for row in rows}


class Place(NamedTuple):
    """Where a folder is."""

    folder_id: int
    parent_id: int
    folder_type: int


_PLACE = tuple(folder.c[name] for name in Place._fields)


async def select_places(connection: AsyncConnection, mailbox_id: int) -> list[Place]:
    """Of all folders of the mailbox."""
    statement = select(*_PLACE).where(folder.c.mailbox_id == mailbox_id, folder.c.deleted.is_(None))
    return [Place._make(row) for row in await connection.execute(statement)]


_place = select(folder.c.folder_id, folder.c.parent_id).where(folder.c.mailbox_id == bindparam("mailbox"))
_first = _place.where(folder.c.folder_id.in_(bindparam("folders", expanding=True))).cte("above", recursive=True)
_PARENTS = select(_first.union(_place.where(folder.c.folder_id == _first.c.parent_id)))


async def select_parents(connection: AsyncConnection, mailbox_id: int, folder_ids: Iterable[int]) -> dict[int, int]:
    """The parent of each of these folders and of all above them."""
    rows = await connection.execute(_PARENTS, {"mailbox": mailbox_id, "folders": list(folder_ids)})
    return {row.folder_id: row.parent_id for row in rows}
