"""Queries that take messages out of folders: to the soft-deleted ones, to other folders and mailboxes, or for good.

At most some hundred ids a call. Counts, tombstones and the counts of blobs are the caller's.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BindParameter,
    Boolean,
    Table,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import blob, deleted_message, message, message_mime, search_result
from mapigw.store.search import Result


class Summary(NamedTuple):
    """What a removal or a transfer counts of a message."""

    message_id: int
    folder_id: int
    is_associated: bool
    is_read: bool
    size: int
    stored_size: int
    """Bytes of its row, about: what is read of it at a time."""


class Encoded(NamedTuple):
    """The encoded parts of a message."""

    message_id: int
    properties: bytes
    properties_index: bytes
    children: bytes
    children_index: bytes


_NAMES: Final = tuple(column.name for column in message.c if column.name != "mailbox_id")


def _table(*, deleted: bool) -> Table:
    return deleted_message if deleted else message


def _chosen(table: Table, mailbox_id: int, message_ids: Sequence[int]) -> Any:
    return (table.c.mailbox_id == mailbox_id) & table.c.message_id.in_(list(message_ids))


async def select_summaries(
    connection: AsyncConnection, mailbox_id: int, message_ids: Sequence[int], *, deleted: bool = False
) -> list[Summary]:
    """Those of the messages that exist, wherever they are; with ``deleted`` the soft-deleted ones."""
    table = _table(deleted=deleted)
    columns = table.c
    stored = func.length(columns.properties) + func.length(columns.children)
    statement = select(
        columns.message_id, columns.folder_id, columns.is_associated, columns.is_read, columns.size, stored
    ).where(_chosen(table, mailbox_id, message_ids))
    return [Summary._make(row) for row in await connection.execute(statement)]


async def select_in_search(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, message_ids: Sequence[int]
) -> set[int]:
    """Those of the messages that a search folder shows."""
    statement = select(search_result.c.message_id).where(
        search_result.c.mailbox_id == mailbox_id,
        search_result.c.folder_id == folder_id,
        search_result.c.message_id.in_(list(message_ids)),
    )
    return set((await connection.execute(statement)).scalars())


async def select_results_of_folder(connection: AsyncConnection, mailbox_id: int, folder_id: int) -> list[Result]:
    """What search folders show of the messages in a folder."""
    inside = select(message.c.message_id).where(message.c.mailbox_id == mailbox_id, message.c.folder_id == folder_id)
    statement = select(*(search_result.c[name] for name in Result._fields)).where(
        search_result.c.mailbox_id == mailbox_id, search_result.c.message_id.in_(inside)
    )
    return [Result._make(row) for row in await connection.execute(statement)]


async def select_encoded(
    connection: AsyncConnection, mailbox_id: int, message_ids: Sequence[int], *, deleted: bool = False
) -> list[Encoded]:
    table = _table(deleted=deleted)
    statement = select(*(table.c[name] for name in Encoded._fields)).where(_chosen(table, mailbox_id, message_ids))
    return [Encoded._make(row) for row in await connection.execute(statement)]


async def soft_delete(connection: AsyncConnection, mailbox_id: int, message_ids: Sequence[int], moment: int) -> None:
    """Move rows to the soft-deleted ones."""
    source = select(*(message.c[name] for name in ("mailbox_id", *_NAMES)), literal(moment)).where(
        _chosen(message, mailbox_id, message_ids)
    )
    await connection.execute(insert(deleted_message).from_select(["mailbox_id", *_NAMES, "deleted"], source))
    await delete_rows(connection, mailbox_id, message_ids)


async def delete_rows(
    connection: AsyncConnection, mailbox_id: int, message_ids: Sequence[int], *, deleted: bool = False
) -> None:
    table = _table(deleted=deleted)
    await connection.execute(delete(table).where(_chosen(table, mailbox_id, message_ids)))


async def select_folder_ids(
    connection: AsyncConnection, mailbox_id: int, folder_id: int, *, deleted: bool = False
) -> list[int]:
    """The ids of all messages of a folder, or of its soft-deleted ones."""
    table = _table(deleted=deleted)
    statement = select(table.c.message_id).where(table.c.mailbox_id == mailbox_id, table.c.folder_id == folder_id)
    return list((await connection.execute(statement)).scalars())


class Copy(NamedTuple):
    """Where a copy of a message comes from, and what it becomes."""

    source_id: int
    message_id: int
    change_number: int
    source_key: bytes | None = None
    change_key: bytes | None = None
    predecessor_change_list: bytes | None = None
    is_import: bool = False
    """Whether a client made the move: PidTagLastModificationTime stays, and it may not know the read state."""


_IS_IMPORT: Final = bindparam("is_import", type_=Boolean)
_REPLACED: Final[dict[str, BindParameter[Any]]] = {
    "message_id": bindparam("new_id"),
    "change_number": bindparam("new_change"),
    "source_key": bindparam("new_source_key"),
    "change_key": bindparam("new_change_key"),
    "predecessor_change_list": bindparam("new_predecessors"),
}


async def insert_copies(
    connection: AsyncConnection,
    source_mailbox_id: int,
    mailbox_id: int,
    folder_id: int,
    copies: Iterable[Copy],
    *,
    moment: int,
    deleted: bool = False,
) -> None:
    """Copy messages, soft-deleted ones with ``deleted``, and their original MIME to a folder."""
    table = _table(deleted=deleted)
    constant: Mapping[str, Any] = {
        "folder_id": literal(folder_id),
        "read_change_number": case((_IS_IMPORT, bindparam("new_change")), else_=literal(0)),
        "modified": case((_IS_IMPORT, table.c.modified), else_=literal(moment)),
        "local_commit_time": literal(moment),
    }
    columns = [
        _REPLACED[name] if name in _REPLACED else constant[name].label(name) if name in constant else table.c[name]
        for name in _NAMES
    ]
    of_source = (table.c.mailbox_id == source_mailbox_id) & (table.c.message_id == bindparam("source"))
    rows = select(literal(mailbox_id), *columns).where(of_source)
    values = [
        {
            "source": copy.source_id,
            "new_id": copy.message_id,
            "new_change": copy.change_number,
            "new_source_key": copy.source_key,
            "new_change_key": copy.change_key,
            "new_predecessors": copy.predecessor_change_list,
            "is_import": copy.is_import,
        }
        for copy in copies
    ]
    await connection.execute(insert(message).from_select(["mailbox_id", *_NAMES], rows), values)
    mime = message_mime.c
    originals = select(literal(mailbox_id), bindparam("new_id"), mime.mime, mime.is_digest).where(
        mime.mailbox_id == source_mailbox_id, mime.message_id == bindparam("source")
    )
    await connection.execute(
        insert(message_mime).from_select(["mailbox_id", "message_id", "mime", "is_digest"], originals),
        [{"source": value["source"], "new_id": value["new_id"]} for value in values],
    )


async def update_encoded(connection: AsyncConnection, mailbox_id: int, rows: Iterable[Encoded]) -> None:
    """Replace the encoded parts of messages."""
    statement = (
        update(message)
        .where(message.c.mailbox_id == mailbox_id, message.c.message_id == bindparam("message"))
        .values({name: bindparam(f"new_{name}") for name in Encoded._fields[1:]})
    )
    values = [
        {"message": row.message_id} | {f"new_{name}": getattr(row, name) for name in Encoded._fields[1:]}
        for row in rows
    ]
    if values:
        await connection.execute(statement, values)


async def select_mime_uses(
    connection: AsyncConnection, mailbox_id: int, message_ids: Sequence[int]
) -> list[tuple[bytes, int]]:
    """(digest, size) of the original MIME of messages, where it is a blob."""
    statement = (
        select(blob.c.digest, blob.c.size)
        .join_from(
            message_mime,
            blob,
            (blob.c.mailbox_id == message_mime.c.mailbox_id) & (blob.c.digest == message_mime.c.mime),
        )
        .where(_chosen(message_mime, mailbox_id, message_ids), message_mime.c.is_digest == true())
    )
    return [(row.digest, row.size) for row in await connection.execute(statement)]
