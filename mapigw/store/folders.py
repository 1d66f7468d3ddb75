"""Queries on folders."""

from dataclasses import dataclass, fields
from typing import Any, Self

from sqlalchemy import Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from mapigw.store.schema import folder


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
        properties: tuple[bytes, bytes] = (b"", b""),
    ) -> Self:
        """An empty folder that this server makes; ``properties`` are an encoded list and its index."""
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
            properties=properties[0],
            properties_index=properties[1],
        )


_COLUMNS = tuple(folder.c[field.name] for field in fields(Folder))


def _existing(mailbox_id: int) -> Select[Any]:
    """Folders that are not soft-deleted."""
    return select(*_COLUMNS).where(folder.c.mailbox_id == mailbox_id, folder.c.deleted.is_(None))


async def select_folder(connection: AsyncConnection, mailbox_id: int, folder_id: int) -> Folder | None:
    statement = _existing(mailbox_id).where(folder.c.folder_id == folder_id)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Folder(*row)


async def select_folders(connection: AsyncConnection, mailbox_id: int) -> list[Folder]:
    """All folders of the mailbox, by id: parents that the server made come before their children."""
    statement = _existing(mailbox_id).order_by(folder.c.folder_id)
    return [Folder(*row) for row in await connection.execute(statement)]


async def select_special_folder(connection: AsyncConnection, mailbox_id: int, special: str) -> Folder:
    statement = _existing(mailbox_id).where(folder.c.special == special)
    return Folder(*(await connection.execute(statement)).one())


async def select_children(connection: AsyncConnection, mailbox_id: int, parent_id: int) -> list[Folder]:
    statement = _existing(mailbox_id).where(folder.c.parent_id == parent_id)
    return [Folder(*row) for row in await connection.execute(statement)]


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
    columns = folder.c
    await connection.execute(
        update(folder)
        .where(columns.mailbox_id == mailbox_id, columns.folder_id == folder_id)
        .values(
            content_count=columns.content_count + content,
            content_unread_count=columns.content_unread_count + unread,
            associated_count=columns.associated_count + associated,
            content_size=columns.content_size + content_size,
            associated_size=columns.associated_size + associated_size,
            deleted_count=columns.deleted_count + deleted,
            content_change_number=change_number,
            local_commit_time=commit_time,
        )
    )
