"""A store itself: the properties that clients set on it (MS-OXCSTOR 2.2.2.1.2), its well-known folders, its sums."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from mapigw.mailbox import content
from mapigw.mailbox.content import BlobValue
from mapigw.mailbox.mailboxes import Mailbox, MailboxError
from mapigw.store import folders, mailboxes
from mapigw.store.folders import Folder
from mapigw.store.mailboxes import StoreTotals

MAXIMUM_SIZE: Final = 1 << 20
"""Bytes of all set properties together: each read of any takes all of them."""


class StoreFullError(MailboxError):
    """The properties of a store are too large."""


async def special_folders(mailbox: Mailbox) -> list[Folder]:
    """The well-known ones, by id; none when the mailbox has just been deleted."""
    async with mailbox.database.read() as connection:
        return await folders.select_special_rows(connection, mailbox.mailbox_id)


async def special_folder_ids(mailbox: Mailbox) -> dict[str, int]:
    """The ids of the well-known folders, by key."""
    async with mailbox.database.read() as connection:
        return await folders.select_special_folders(connection, mailbox.mailbox_id)


async def store_totals(mailbox: Mailbox) -> StoreTotals:
    async with mailbox.database.read() as connection:
        return await mailboxes.select_totals(connection, mailbox.mailbox_id)


async def store_properties(mailbox: Mailbox) -> dict[int, Any]:
    """What was set."""
    async with mailbox.database.read() as connection:
        return content.decode_properties(*await mailboxes.select_properties(connection, mailbox.mailbox_id))


async def change_store_properties(mailbox: Mailbox, values: Mapping[int, Any], removed: Collection[int] = ()) -> None:
    """Set properties and remove others, which are found by id. Raises `StoreFullError`."""
    ids = {tag >> 16 for tag in (*values, *removed)}
    names = await mailbox.property_names()
    if any(isinstance(value, BlobValue) for value in values.values()):
        raise StoreFullError("a value is kept in the store's own row")
    async with mailbox.database.write() as connection:
        stored = content.decode_properties(*await mailboxes.select_properties(connection, mailbox.mailbox_id))
        kept = {tag: value for tag, value in stored.items() if tag >> 16 not in ids}
        last = {tag >> 16: tag for tag in values}  # a property has one type
        encoded = content.encode_properties(kept | {tag: values[tag] for tag in last.values()}, names)
        if len(encoded[0]) > MAXIMUM_SIZE:
            raise StoreFullError("the store's properties are too large")
        await mailboxes.update_properties(connection, mailbox.mailbox_id, *encoded)
