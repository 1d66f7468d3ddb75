from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mapigw.directory.directory import Directory
from mapigw.directory.passwords import Argon2Parameters, Passwords
from mapigw.store.database import Database

FAST = Argon2Parameters(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "data")
    yield database
    await database.close()


@pytest.fixture
def directory(database: Database) -> Directory:
    return Directory(database, passwords=Passwords(FAST))
