"""Nothing is lost: a client is told of every change while it is there, and finds the others when it comes back."""

import asyncio
import random
from typing import cast

from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.emsmdb.registry import load_handlers
from mapigw.emsmdb.session import Session
from mapigw.mailbox.foreign_changes import publish_foreign_changes
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.synchronization import SyncState, contents_changes
from mapigw.wire.globset import CounterSet
from tests.emsmdb.client import Client, FakeDirectory
from tests.emsmdb.notifications import CREATED, INBOX, SENT, fetched, subscribe
from tests.emsmdb.searches import append

CHANGES = 400


async def test_every_change_is_announced_or_found_by_synchronization(
    mailboxes: Mailboxes, user: User, own_mailbox: Mailbox
) -> None:
    """Waits are cut, sessions are lost with what they had queued, and half of the changes are another process's."""
    load_handlers()
    chance = random.Random(5)
    elsewhere = await Mailboxes(mailboxes.database).open(user.mailbox_id)
    made: set[int] = set()
    known: set[int] = set()
    seen = {INBOX: 0, SENT: 0}
    told: list[int] = []

    async def change() -> None:
        for _ in range(CHANGES):
            made.update(await append(chance.choice((own_mailbox, elsewhere)), chance.choice((INBOX, SENT)), "new"))
            await asyncio.sleep(chance.choice((0, 0, 0.002)))

    async def synchronize() -> None:
        for folder_id, last in seen.items():
            state = SyncState(cnset_seen=CounterSet([(1, last)] if last else []))
            found = await contents_changes(
                own_mailbox,
                folder_id,
                state,
                normal=True,
                associated=False,
                read_state=False,
                deletions=False,
                newest_first=False,
            )
            known.update(item.message_id for item in found.changed)
            seen[folder_id] = found.last_change_number

    async def fetch(client: Client) -> None:
        told.extend(fields["message_id"] for _, fields in await fetched(client))
        known.update(told)

    async def stay(client: Client) -> None:
        """Wait and fetch some times; some waits end with their connection."""
        for _ in range(chance.randrange(1, 20)):
            waiting = asyncio.create_task(client.session.waiting.wait(0.02))
            if chance.random() < 0.3:
                await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.wait({waiting})
            elif await waiting:
                await fetch(client)
            await publish_foreign_changes(mailboxes.database, mailboxes.hub)

    changing = asyncio.create_task(change())
    sessions = 0
    async with asyncio.timeout(120):
        while not changing.done():
            client = Client(Session(user, cast("Directory", FakeDirectory(user)), mailboxes))
            await client.log_on()
            await subscribe(client, CREATED)
            await synchronize()
            told.clear()
            await stay(client)
            committed = set(made)
            await publish_foreign_changes(mailboxes.database, mailboxes.hub)
            await fetch(client)
            assert committed <= known
            assert len(set(told)) == len(told)
            sessions += 1
            await asyncio.sleep(0.005)  # so that the session has something queued when it is lost
            await client.session.close()
    await synchronize()
    assert known == made
    assert sessions > 3
