"""Queries on folders."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, Self

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    ScalarSelect,
    Select,
    Table,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import (
    deleted_message,
    folder,
    permission,
    receive_folder,
    rule,
    search_folder,
    search_result,
    tombstone,
)


@dataclass(frozen=True, slots=True)
class Folder:
    """A row of the folder table, without the mailbox's id."""

    folder_id: int
    parent_id: int
    name: str
    folder_type: int
    container_class: str
    special: str
    change_number: int
    source_key: bytes | None
    change_key: bytes | None
    predecessor_change_list: bytes | None
    created: int
    modified: int
    content_count: int
    content_unread_count: int
    associated_count: int
    content_size: int
    associated_size: int
    deleted_count: int
    content_change_number: int
    local_commit_time: int
    deleted: int | None
    hierarchy_change_number: int
    hier_rev: int
    properties: bytes
    properties_index: bytes

    @classmethod
    def new(
        cls,
        folder_id: int,
        parent_id: int,
        name: str,
        *,
        change_number: int,
        created: int,
        container_class: str = "",
        folder_type: int = 1,
        special: str = "",
        subfolders: int = 0,
        properties: tuple[bytes, bytes] = (b"", b""),
    ) -> Self:
        """A folder that this server makes, without messages; ``properties`` are an encoded list and its index."""
        return cls(
            folder_id=folder_id,
            parent_id=parent_id,
            name=name,
            folder_type=folder_type,
            container_class=container_class,
            special=special,
            change_number=change_number,
            source_key=None,
            change_key=None,
            predecessor_change_list=None,
            created=created,
            modified=created,
            content_count=0,
            content_unread_count=0,
            associated_count=0,
            content_size=0,
            associated_size=0,
            deleted_count=0,
            content_change_number=0,
            local_commit_time=created,
            deleted=None,
            hierarchy_change_number=subfolders,
            hier_rev=created,
            properties=properties[0],
            properties_index=properties[1],
        )


_COLUMNS = tuple(folder.c[field.name] for field in fields(Folder))


def _existing(mailbox_id: int) -> Select[Any]:
    """Folders that are not soft-deleted."""
    return select(*_COLUMNS).where(folder.c.mailbox_id == mailbox_id, folder.c.deleted.is_(None))


# Made once: they cost more to make than to execute.
_ONE = select(*_COLUMNS).where(
    folder.c.mailbox_id == bindparam("mailbox"), folder.c.deleted.is_(None), folder.c.folder_id == bindparam("id")
)
_COUNTED = (
    "content_count",
    "content_unread_count",
    "associated_count",
    "content_size",
    "associated_size",
    "deleted_count",
)
COUNT_CONTENTS = (
    update(folder)
    .where(folder.c.mailbox_id == bindparam("mailbox"), folder.c.folder_id == bindparam("id"))
    .values(
        {name: folder.c[name] + bindparam(f"{name}_added", type_=BigInteger) for name in _COUNTED}
        | {"content_change_number": bindparam("change"), "local_commit_time": bindparam("moment")}
    )
)


async def select_folder(connection: AsyncConnection, mailbox_id: int, folder_id: int) -> Folder | None:
    row = (await connection.execute(_ONE, {"mailbox": mailbox_id, "id": folder_id})).one_or_none()
    return None if row is None else Folder(*row)


async def select_folders(connection: AsyncConnection, mailbox_id: int) -> list[Folder]:
    """All folders of the mailbox, by id: parents that the server made come before their children."""
    statement = _existing(mailbox_id).order_by(folder.c.folder_id)
    return [Folder(*row) for row in await connection.execute(statement)]


async def select_changed(connection: AsyncConnection, mailbox_id: int, *, after: int, limit: int) -> list[Folder]:
    """The first ``limit`` folders with a change number above ``after``."""
    statement = (
        _existing(mailbox_id).where(folder.c.change_number > after).order_by(folder.c.change_number).limit(limit)
    )
    return [Folder(*row) for row in await connection.execute(statement)]


async def select_some(connection: AsyncConnection, mailbox_id: int, folder_ids: Collection[int]) -> list[Folder]:
    """Those of the folders that exist; some hundred a call."""
    statement = _existing(mailbox_id).where(folder.c.folder_id.in_(list(folder_ids)))
    return [Folder(*row) for row in await connection.execute(statement)]


async def select_having_subfolders(
    connection: AsyncConnection, mailbox_id: int, folder_ids: Collection[int]
) -> set[int]:
    """Those of the folders that have subfolders; some hundred a call."""
    statement = (
        _existing(mailbox_id).with_only_columns(folder.c.parent_id).where(folder.c.parent_id.in_(list(folder_ids)))
    )
    return set((await connection.execute(statement.distinct())).scalars())


async def select_special_folder(connection: AsyncConnection, mailbox_id: int, special: str) -> Folder:
    statement = _existing(mailbox_id).where(folder.c.special == special)
    return Folder(*(await connection.execute(statement)).one())


async def select_special_folders(connection: AsyncConnection, mailbox_id: int) -> dict[str, int]:
    """The ids of the well-known ones, by key."""
    statement = _existing(mailbox_id).with_only_columns(folder.c.special, folder.c.folder_id)
    rows = await connection.execute(statement.where(folder.c.special > ""))
    return {row.special: row.folder_id for row in rows}


async def select_special_rows(connection: AsyncConnection, mailbox_id: int) -> list[Folder]:
    """The well-known ones, by id."""
    statement = _existing(mailbox_id).where(folder.c.special > "").order_by(folder.c.folder_id)
    return [Folder(*row) for row in await connection.execute(statement)]


async def select_children(connection: AsyncConnection, mailbox_id: int, parent_id: int) -> list[Folder]:
    statement = _existing(mailbox_id).where(folder.c.parent_id == parent_id)
    return [Folder(*row) for row in await connection.execute(statement)]


async def select_descendants(connection: AsyncConnection, mailbox_id: int, folder_id: int) -> list[Folder]:
    """The folder itself and all below it, parents before their children. Nothing when it does not exist."""
    top = (
        _existing(mailbox_id)
        .with_only_columns(folder.c.folder_id, literal(0).label("depth"))
        .where(folder.c.folder_id == folder_id)
        .cte("below", recursive=True)
    )
    below = top.union_all(
        _existing(mailbox_id)
        .with_only_columns(folder.c.folder_id, top.c.depth + 1)
        .where(folder.c.parent_id == top.c.folder_id)
    )
    statement = _existing(mailbox_id).join(below, below.c.folder_id == folder.c.folder_id).order_by(below.c.depth)
    return [Folder(*row) for row in await connection.execute(statement)]


async def select_ancestors(connection: AsyncConnection, mailbox_id: int, folder_id: int) -> list[Folder]:
    """The folder itself and those above it, up to the root. Nothing when it does not exist."""
    place = _existing(mailbox_id).with_only_columns(folder.c.folder_id, folder.c.parent_id)
    first = place.where(folder.c.folder_id == folder_id).cte("above", recursive=True)
    above = first.union_all(place.where(folder.c.folder_id == first.c.parent_id))
    statement = _existing(mailbox_id).join(above, above.c.folder_id == folder.c.folder_id)
    return [Folder(*row) for row in await connection.execute(statement)]


async def select_deleted_folders(
    connection: AsyncConnection, mailbox_id: int, parent_id: int | None = None
) -> list[Folder]:
    """The soft-deleted folders whose parent was this one; or all of the mailbox."""
    statement = select(*_COLUMNS).where(folder.c.mailbox_id == mailbox_id, folder.c.deleted.is_not(None))
    if parent_id is not None:
        statement = statement.where(folder.c.parent_id == parent_id)
    return [Folder(*row) for row in await connection.execute(statement)]


async def select_deleted_below(connection: AsyncConnection, mailbox_id: int, folder_id: int) -> list[int]:
    """The ids of soft-deleted folders that were below this one, children before their parents."""
    place = select(folder.c.folder_id).where(folder.c.mailbox_id == mailbox_id, folder.c.deleted.is_not(None))
    top = place.add_columns(literal(0).label("depth")).where(folder.c.parent_id == folder_id)
    below = top.cte("below", recursive=True)
    below = below.union_all(place.add_columns(below.c.depth + 1).where(folder.c.parent_id == below.c.folder_id))
    return list((await connection.execute(select(below.c.folder_id).order_by(below.c.depth.desc()))).scalars())


class Surroundings(NamedTuple):
    """What other rows tell of a folder."""

    subfolders: int
    deleted_subfolders: int
    deleted_messages: int
    deleted_associated: int
    has_rules: bool


def _count(table: FromClause, *conditions: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(table).where(*conditions).scalar_subquery()


_child = folder.alias("child")
_is_child = (_child.c.mailbox_id == folder.c.mailbox_id) & (_child.c.parent_id == folder.c.folder_id)
_is_in = (deleted_message.c.mailbox_id == folder.c.mailbox_id) & (deleted_message.c.folder_id == folder.c.folder_id)
_SURROUNDINGS = (
    _count(_child, _is_child, _child.c.deleted.is_(None)),
    _count(_child, _is_child, _child.c.deleted.is_not(None)),
    _count(deleted_message, _is_in, deleted_message.c.is_associated.is_(False)),
    _count(deleted_message, _is_in, deleted_message.c.is_associated.is_(True)),
    select(rule.c.rule_id)
    .where(rule.c.mailbox_id == folder.c.mailbox_id, rule.c.folder_id == folder.c.folder_id)
    .exists(),
)


async def select_with_surroundings(
    connection: AsyncConnection, mailbox_id: int, folder_id: int | None = None
) -> list[tuple[Folder, Surroundings]]:
    """One folder, or all of the mailbox by id, with what other rows tell of them."""
    statement = _existing(mailbox_id).add_columns(*_SURROUNDINGS).order_by(folder.c.folder_id)
    if folder_id is not None:
        statement = statement.where(folder.c.folder_id == folder_id)
    width = len(_COLUMNS)
    return [(Folder(*row[:width]), Surroundings(*row[width:])) for row in await connection.execute(statement)]


async def insert_folders(connection: AsyncConnection, mailbox_id: int, rows: list[Folder]) -> None:
    values = [
        {"mailbox_id": mailbox_id, **{field.name: getattr(row, field.name) for field in fields(Folder)}} for row in rows
    ]
    await connection.execute(insert(folder), values)


async def update_folder(connection: AsyncConnection, mailbox_id: int, folder_id: int, **values: Any) -> None:
    await connection.execute(
        update(folder).where(folder.c.mailbox_id == mailbox_id, folder.c.folder_id == folder_id).values(**values)
    )


async def count_contents(
    connection: AsyncConnection,
    mailbox_id: int,
    folder_id: int,
    *,
    change_number: int,
    commit_time: int,
    content: int = 0,
    unread: int = 0,
    associated: int = 0,
    content_size: int = 0,
    associated_size: int = 0,
    deleted: int = 0,
) -> None:
    """Add differences to a folder's counts, after a change to what it contains."""
    added = (content, unread, associated, content_size, associated_size, deleted)
    values = {f"{name}_added": number for name, number in zip(_COUNTED, added, strict=True)}
    values |= {"mailbox": mailbox_id, "id": folder_id, "change": change_number, "moment": commit_time}
    await connection.execute(COUNT_CONTENTS, values)


async def count_subfolder(connection: AsyncConnection, mailbox_id: int, folder_id: int, *, moment: int) -> None:
    """Note that a subfolder was added to a folder or taken from it."""
    await connection.execute(
        update(folder)
        .where(folder.c.mailbox_id == mailbox_id, folder.c.folder_id == folder_id)
        .values(
            hierarchy_change_number=folder.c.hierarchy_change_number + 1,
            hier_rev=moment,
            local_commit_time=moment,
        )
    )


async def delete_folders(connection: AsyncConnection, mailbox_id: int, folder_ids: Sequence[int]) -> None:
    """Remove folders that hold no messages any more, with everything that is kept for them; some hundred a call."""
    await delete_searches(connection, mailbox_id, folder_ids)
    for table in (folder, permission, rule, receive_folder):
        await connection.execute(delete(table).where(*_of_folders(table, mailbox_id, folder_ids)))
    # Those of subfolders stay: a client that was away must not bring them back.
    of_messages = (*_of_folders(tombstone, mailbox_id, folder_ids), tombstone.c.is_folder.is_(False))
    await connection.execute(delete(tombstone).where(*of_messages))


async def delete_searches(connection: AsyncConnection, mailbox_id: int, folder_ids: Sequence[int]) -> None:
    """Remove what search folders look for and show; some hundred a call."""
    for table in (search_folder, search_result):
        await connection.execute(delete(table).where(*_of_folders(table, mailbox_id, folder_ids)))


def _of_folders(table: Table, mailbox_id: int, folder_ids: Sequence[int]) -> tuple[ColumnElement[bool], ...]:
    return table.c.mailbox_id == mailbox_id, table.c.folder_id.in_(list(folder_ids))


async def mark_deleted(connection: AsyncConnection, mailbox_id: int, folder_ids: Sequence[int], moment: int) -> None:
    """Make folders soft-deleted; some hundred a call."""
    await connection.execute(
        update(folder)
        .where(folder.c.mailbox_id == mailbox_id, folder.c.folder_id.in_(list(folder_ids)))
        .values(deleted=moment)
    )
