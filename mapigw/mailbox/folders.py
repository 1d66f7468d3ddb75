"""Making folders and changing what was set on them (MS-OXCFOLD 2.2.1.2, 2.2.2.2)."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from mapigw.mailbox import content
from mapigw.mailbox.events import Event, Kind, changing, note, touch
from mapigw.mailbox.mailboxes import (
    GENERIC_FOLDER,
    Mailbox,
    MailboxError,
    NotFoundError,
    folder_change,
    insert_folder,
    require_place,
)
from mapigw.mailbox.permissions import inherit_permissions
from mapigw.store import folders
from mapigw.store.folders import Folder
from mapigw.wire import tags
from mapigw.wire.properties import PropertyName

MAXIMUM_SIZE: Final = 1 << 17
"""Bytes of all set properties of a folder together: whoever lists folders reads them all."""

_COLUMNS: Final = {tags.PidTagDisplayName: "name", tags.PidTagContainerClass: "container_class"}


class FolderFullError(MailboxError):
    """The properties of a folder are too large."""


async def create_folder(
    mailbox: Mailbox,
    parent_id: int,
    name: str,
    *,
    folder_type: int = GENERIC_FOLDER,
    container_class: str = "",
    properties: Mapping[int, Any] = MappingProxyType({}),
    creator: str | None = None,
    copied: Folder | None = None,
) -> Folder:
    """Make a folder that has its parent's permissions; ``creator`` as in `inherit_permissions`.

    ``copied`` is the folder of the same mailbox that it is a copy of.

    Named properties are keyed by the mailbox's ids. Raises `FolderFullError` and what `insert_folder` raises.
    """
    encoded = await _encoded(mailbox, properties)
    mailbox_id = mailbox.mailbox_id
    async with changing(mailbox) as connection:
        folder = await insert_folder(
            connection,
            mailbox_id,
            parent_id,
            name,
            folder_type=folder_type,
            container_class=container_class,
            properties=encoded,
        )
        await inherit_permissions(connection, mailbox_id, parent_id, folder.folder_id, creator)
        event = Event(Kind.OBJECT_CREATED, folder.folder_id, parent_id=parent_id)
        if copied is not None:
            old_id, old_parent_id = copied.folder_id, copied.parent_id
            event = replace(event, kind=Kind.OBJECT_COPIED, old_folder_id=old_id, old_parent_id=old_parent_id)
        note(mailbox, event)
    return folder


async def change_folder(
    mailbox: Mailbox,
    folder_id: int,
    values: Mapping[int, Any],
    removed: Collection[int] = (),
    *,
    replicate: bool = True,
) -> None:
    """Set properties of a folder and remove others, which are found by id; named ones are keyed by the mailbox's ids.

    One change number for all; without ``replicate`` none, so that no client is told. Raises `NotFoundError`,
    `FolderExistsError` (a rename), `FolderFullError`.
    """
    names = await mailbox.property_names()
    mailbox_id = mailbox.mailbox_id
    async with changing(mailbox) as connection:
        folder = await folders.select_folder(connection, mailbox_id, folder_id)
        if folder is None:
            raise NotFoundError("the folder does not exist")
        changes = changed_columns(folder, values, removed, names)
        if "name" in changes:
            await require_place(connection, mailbox_id, folder.parent_id, changes["name"], folder_id)
        if replicate:
            changes |= await folder_change(connection, mailbox, folder)
        await folders.update_folder(connection, mailbox_id, folder_id, **changes)
        touch(mailbox, folder_id)


def changed_columns(
    folder: Folder, values: Mapping[int, Any], removed: Collection[int], names: Mapping[int, PropertyName]
) -> dict[str, Any]:
    """The columns that setting properties of a folder and removing others changes. Raises `FolderFullError`."""
    changes: dict[str, Any] = {_COLUMNS[tag]: value for tag, value in values.items() if tag in _COLUMNS}
    if tags.PidTagContainerClass in removed:
        changes["container_class"] = ""
    ids = {tag >> 16 for tag in (*values, *removed)}
    stored = content.decode_properties(folder.properties, folder.properties_index)
    kept = {tag: value for tag, value in stored.items() if tag >> 16 not in ids}
    last = {tag >> 16: tag for tag in values if tag not in _COLUMNS}  # a property has one type
    encoded = content.encode_properties(kept | {tag: values[tag] for tag in last.values()}, names)
    _check(encoded)
    changes["properties"], changes["properties_index"] = encoded
    return changes


async def _encoded(mailbox: Mailbox, properties: Mapping[int, Any]) -> tuple[bytes, bytes]:
    encoded = content.encode_properties(properties, await mailbox.property_names())
    _check(encoded)
    return encoded


def _check(encoded: tuple[bytes, bytes]) -> None:
    if len(encoded[0]) > MAXIMUM_SIZE:
        raise FolderFullError("the folder's properties are too large")
