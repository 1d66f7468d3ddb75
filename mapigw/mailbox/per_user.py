"""What the mailbox's owner has read of public folders (MS-OXCSTOR 3.2.1).

It is kept for the client, which fetches it from one replica of a folder and takes it to the next.
"""

import asyncio
from typing import Final
from uuid import UUID

from mapigw.mailbox.clock import now
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store import per_user as rows
from mapigw.wire.globset import IdSet
from mapigw.wire.primitives import LongTermId

MAXIMUM_DATA: Final = 0x40000
"""Bytes of one folder's change number set; a set of some hundred ranges has a few kilobytes."""
MAXIMUM_FOLDERS: Final = 0xFFFF  # as many as a response can count


async def per_user_folders(mailbox: Mailbox, replica_guid: UUID) -> list[LongTermId]:
    """The folders whose information came from a public store."""
    async with mailbox.database.read() as connection:
        found = await rows.select_folders(connection, mailbox.mailbox_id, replica_guid, MAXIMUM_FOLDERS)
    return [LongTermId.from_bytes(folder) for folder in found]


async def per_user_replica(mailbox: Mailbox, folder: LongTermId) -> UUID | None:
    """The public store that the folder's information came from, None where there is none."""
    async with mailbox.database.read() as connection:
        return await rows.select_replica_guid(connection, mailbox.mailbox_id, folder.to_bytes())


async def read_per_user(mailbox: Mailbox, folder: LongTermId, offset: int, size: int) -> tuple[bytes, int]:
    """At most ``size`` bytes of a folder's information from ``offset`` on, and the length of all of it, which may be 0.

    The information is a CNSET in its REPLGUID form (MS-OXCFXICS 2.2.2.4.2).
    """
    async with mailbox.database.read() as connection:
        part = await rows.select_part(connection, mailbox.mailbox_id, folder.to_bytes(), offset, size)
    return part or (b"", 0)


async def write_per_user(mailbox: Mailbox, folder: LongTermId, replica_guid: UUID, data: bytes) -> None:
    """Replace a folder's information. Raises `WireError` when ``data`` is no CNSET."""
    await asyncio.to_thread(IdSet.parse_replguid, data)
    async with mailbox.database.write() as connection:
        await rows.put_data(connection, mailbox.mailbox_id, folder.to_bytes(), replica_guid, data, now())
