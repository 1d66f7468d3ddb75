from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.provision import create_mailbox
from mapigw.store.database import Database


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "data")
    yield database
    await database.close()


async def _new_mailbox(database: Database) -> Mailbox:
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, uuid4())
    return await Mailboxes(database).open(mailbox_id)


@pytest.fixture
async def mailbox(database: Database) -> Mailbox:
    return await _new_mailbox(database)


@pytest.fixture
async def second(database: Database) -> Mailbox:
    """Another mailbox of the same store."""
    return await _new_mailbox(database)
