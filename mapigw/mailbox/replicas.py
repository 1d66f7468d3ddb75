"""REPLIDs: short forms of replica GUIDs in a mailbox's ids (MS-OXCSTOR 3.2.1). What is given out holds for ever."""

from typing import Final
from uuid import UUID

from mapigw.mailbox.folder_properties import OWN_REPLICA
from mapigw.mailbox.mailboxes import Mailbox, MailboxError
from mapigw.store import replicas as rows

MAXIMUM_REPLICA_ID: Final = 0x8000  # MS-OXCSTOR 3.2.5.9: at most 32,768 REPLIDs
MAXIMUM_MAP: Final = 1024
"""Pairs in PidTagSerializedReplidGuidMap, which need not show all (MS-OXCSTOR 2.2.2.1.1.13)."""


class ReplicasExhaustedError(MailboxError):
    """All REPLIDs of the mailbox are taken."""


async def replica_guid(mailbox: Mailbox, replica_id: int) -> UUID | None:
    """The replica that a REPLID stands for, None for one that was never given out."""
    if replica_id == OWN_REPLICA:
        return mailbox.replica_guid
    async with mailbox.database.read() as connection:
        return await rows.select_replica_guid(connection, mailbox.mailbox_id, replica_id)


async def replica_id(mailbox: Mailbox, guid: UUID) -> int:
    """The REPLID of a replica, which gets one when it has none. Raises `ReplicasExhaustedError`."""
    if guid == mailbox.replica_guid:
        return OWN_REPLICA
    async with mailbox.database.read() as connection:
        found = await rows.select_replica_id(connection, mailbox.mailbox_id, guid)
    return found or await _register(mailbox, guid)


async def _register(mailbox: Mailbox, guid: UUID) -> int:
    async with mailbox.database.write() as connection:
        found = await rows.select_replica_id(connection, mailbox.mailbox_id, guid)
        if found is not None:  # another session was faster
            return found
        new = max(await rows.last_replica_id(connection, mailbox.mailbox_id), OWN_REPLICA) + 1
        if new > MAXIMUM_REPLICA_ID:
            raise ReplicasExhaustedError("the mailbox has no free REPLIDs")
        await rows.insert_replica(connection, mailbox.mailbox_id, new, guid)
    return new


async def replica_map(mailbox: Mailbox) -> dict[int, UUID]:
    """REPLIDs with their replicas: the mailbox's own, and the foreign ones that came first."""
    async with mailbox.database.read() as connection:
        foreign = await rows.select_replicas(connection, mailbox.mailbox_id, MAXIMUM_MAP - 1)
    return {OWN_REPLICA: mailbox.replica_guid, **foreign}
