"""NotificationWait on the endpoint, from a change to the notification in the next Execute (MS-OXCMAPIHTTP 3.2.5.5)."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest

from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.emsmdb.endpoint import EmsmdbEndpoint, EmsmdbSession
from mapigw.emsmdb.waiting import State
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from tests.emsmdb.client import Client, FakeDirectory
from tests.emsmdb.folders import creating, open_folder
from tests.emsmdb.notifications import CREATED, INBOX, fetched, subscribe
from tests.emsmdb.searches import append

WAIT = bytes(8)
NOTHING = bytes(16)
PENDING = bytes.fromhex("00000000 00000000 01000000 00000000")


@pytest.fixture
async def session(mailboxes: Mailboxes, user: User, client: Client) -> AsyncIterator[EmsmdbSession]:
    """The client's session, as the transport has it; the client subscribes to what is created."""
    endpoint = EmsmdbEndpoint(cast("Directory", FakeDirectory(user)), mailboxes, wait_seconds=10)
    session = EmsmdbSession(endpoint, client.session)
    await subscribe(client, CREATED)
    yield session
    await session.close()


async def waiting(session: EmsmdbSession) -> asyncio.Task[bytes]:
    task = asyncio.create_task(session.request("NotificationWait", WAIT))
    await asyncio.sleep(0.01)
    return task


@pytest.mark.spec("MS-OXCMAPIHTTP_R308", "MS-OXCMAPIHTTP_R1256", "MS-OXCMAPIHTTP_R318")
async def test_a_change_ends_it_and_the_next_execute_tells_what(
    session: EmsmdbSession, client: Client, own_mailbox: Mailbox
) -> None:
    task = await waiting(session)
    (message,) = await append(own_mailbox, INBOX, "new")
    assert await task == PENDING
    assert await session.request("NotificationWait", WAIT) == PENDING  # until it is fetched
    assert [fields["message_id"] for _, fields in await fetched(client)] == [message]
    task = await waiting(session)
    assert not task.done()
    await append(own_mailbox, INBOX, "newer")
    assert await task == PENDING


async def test_of_two_the_later_one_waits(session: EmsmdbSession, own_mailbox: Mailbox) -> None:
    """A client that has lost its connection asks again, and the server may not know yet."""
    first, second = await waiting(session), await waiting(session)
    assert await first == NOTHING
    await append(own_mailbox, INBOX, "new")
    assert await second == PENDING


async def test_what_the_client_does_itself_does_not_wake_it(
    session: EmsmdbSession, client: Client, own_mailbox: Mailbox
) -> None:
    """Its own Execute brings the notification."""
    task = await waiting(session)
    await open_folder(client, INBOX)
    await client.value("CreateFolder", client.last, **creating("Own"))
    assert len(client.notified) == 1
    await asyncio.sleep(0.01)
    assert not task.done()
    await append(own_mailbox, INBOX, "new")
    assert await task == PENDING


async def test_what_an_execute_could_not_take_along_wakes_it_at_its_end(
    session: EmsmdbSession, client: Client, own_mailbox: Mailbox
) -> None:
    task = await waiting(session)
    ids = await append(own_mailbox, INBOX, *map(str, range(20)))
    assert await task == PENDING
    task = asyncio.create_task(session.request("NotificationWait", WAIT))
    await client.send(max_rop_out=0x190)
    assert client.is_pending
    assert await task == PENDING
    await client.send()
    assert len(client.notified) == len(ids)
    assert session.session.waiting.state is State.QUIET


async def test_a_lost_connection(session: EmsmdbSession, own_mailbox: Mailbox) -> None:
    """What happens while nobody waits is told to the next request at once."""
    task = await waiting(session)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert session.session.waiting.state is State.QUIET
    await append(own_mailbox, INBOX, "new")
    assert await session.request("NotificationWait", WAIT) == PENDING


async def test_the_end_of_the_session_ends_it(session: EmsmdbSession, mailboxes: Mailboxes, user: User) -> None:
    """By Disconnect, by a Connect in its place, or with the server: the transport closes the session then."""
    task = await waiting(session)
    await session.close(shutting_down=True)
    assert await task == NOTHING
    assert await session.request("NotificationWait", WAIT) == NOTHING
    assert not mailboxes.hub.is_heard(user.mailbox_id)


async def test_no_wake_up_is_lost_or_doubled(session: EmsmdbSession, client: Client, own_mailbox: Mailbox) -> None:
    """A client that waits and fetches, while others change the mailbox and connections are lost."""
    expected: list[int] = []
    found: list[int] = []

    async def change() -> None:
        for number in range(60):
            expected.extend(await append(own_mailbox, INBOX, str(number)))
            await asyncio.sleep(0.001 * (number % 3))

    changing = asyncio.create_task(change())
    rounds = 0
    async with asyncio.timeout(30):
        while len(found) < 60:
            task = asyncio.create_task(session.request("NotificationWait", WAIT))
            rounds += 1
            if rounds % 4 == 0:
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.wait({task})
                continue
            assert await task == PENDING
            told = await fetched(client)
            assert told
            found += [fields["message_id"] for _, fields in told]
        await changing
    assert found == expected
