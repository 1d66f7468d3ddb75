import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import cast
from uuid import UUID

import pytest

from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.emsmdb.registry import load_handlers
from mapigw.emsmdb.session import Session
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.provision import create_mailbox
from mapigw.store.database import Database
from tests.emsmdb.client import Client, FakeDirectory
from tests.emsmdb.replica import Replica
from tests.emsmdb.uploads import LAPTOP, PHONE

MAILBOX_GUID = UUID("94a5c596-90a8-4985-91fd-57629ee06561")


@pytest.fixture
async def mailboxes(tmp_path: Path) -> AsyncIterator[Mailboxes]:
    database = await Database.open(tmp_path / "data")
    yield Mailboxes(database)
    await database.close()


@pytest.fixture
async def user(mailboxes: Mailboxes) -> User:
    """A user with a new mailbox."""
    async with mailboxes.database.write() as connection:
        mailbox_id = await create_mailbox(connection, MAILBOX_GUID)
    dn = "/o=bm/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=1-tom"
    return User(1, mailbox_id, MAILBOX_GUID, "tom@bm.lan", "Tom", dn, "bm.lan", (), enabled=True, admin=False)


@pytest.fixture
async def own_mailbox(mailboxes: Mailboxes, user: User) -> Mailbox:
    """The user's mailbox."""
    return await mailboxes.open(user.mailbox_id)


@pytest.fixture
async def client(mailboxes: Mailboxes, user: User) -> AsyncIterator[Client]:
    """A client that has logged on."""
    load_handlers()
    session = Session(user, cast("Directory", FakeDirectory(user)), mailboxes)
    client = Client(session)
    await client.log_on()
    yield client
    await session.close()


@pytest.fixture
def no_defect(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever comes is answered; the dispatcher logs what a handler did not expect."""
    yield
    assert [record for record in caplog.get_records("call") if record.levelno >= logging.ERROR] == []


@pytest.fixture
async def inbox(own_mailbox: Mailbox) -> int:
    return (await own_mailbox.special_folder("inbox")).folder_id


@pytest.fixture
async def laptop(client: Client, own_mailbox: Mailbox) -> Replica:
    return Replica(client, LAPTOP, own_mailbox.replica_guid)


@pytest.fixture
async def phone(client: Client, own_mailbox: Mailbox) -> Replica:
    return Replica(client, PHONE, own_mailbox.replica_guid)
