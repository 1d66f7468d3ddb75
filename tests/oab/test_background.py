import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from oab import background
from oab.background import AddressListKeeper
from oab.publication import Publication
from tests.oab.directory import People, group, user


async def _until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError


def _sequence(data: Path, domain: str = "bm.lan") -> int:
    current = Publication(data, domain).current()
    return current.full.sequence if current else 0


@asynccontextmanager
async def _running(keeper: AddressListKeeper) -> AsyncIterator[None]:
    task = asyncio.create_task(keeper.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def test_lists_are_made_at_start_and_after_changes(tmp_path: Path) -> None:
    people = People([user(1), user(2, domain="other.lan")], [group(1), group(2, domain="other.lan")])
    async with _running(AddressListKeeper(people, tmp_path, poll=0.01, quiet=0.05)):
        await _until(lambda: _sequence(tmp_path) == _sequence(tmp_path, "other.lan") == 1)
        people.all_users = (*people.all_users, user(3))
        await _until(lambda: _sequence(tmp_path) == 2)
        people.all_groups = ()
        await _until(lambda: _sequence(tmp_path) == 3 and _sequence(tmp_path, "other.lan") == 2)


async def test_many_changes_in_a_row_end_in_one_generation(tmp_path: Path) -> None:
    people = People([user(1)])
    async with _running(AddressListKeeper(people, tmp_path, poll=0.01, quiet=0.5)):
        await _until(lambda: _sequence(tmp_path) == 1)
        for number in range(2, 12):
            people.all_users = (*people.all_users, user(number))
            await asyncio.sleep(0.02)
        await _until(lambda: _sequence(tmp_path) == 2)
        await asyncio.sleep(0.1)
        assert _sequence(tmp_path) == 2


async def test_changes_without_end_are_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "LONGEST_WAIT_SECONDS", 0.2)
    people = People([user(1)])
    async with _running(AddressListKeeper(people, tmp_path, poll=0.01, quiet=60)):
        await _until(lambda: _sequence(tmp_path) == 1)
        number = 1
        while _sequence(tmp_path) < 2:
            number += 1
            assert number < 300
            people.all_users = (*people.all_users, user(number))
            await asyncio.sleep(0.01)


async def test_a_failure_is_logged_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "RETRY_SECONDS", 0.02)
    (tmp_path / "oab").touch()
    async with _running(AddressListKeeper(People([user(1)]), tmp_path, poll=0.01, quiet=0.01)):
        await _until(lambda: "could not be made" in caplog.text)
        (tmp_path / "oab").unlink()
        await _until(lambda: (tmp_path / "oab" / "bm.lan" / "oab.xml").exists())


async def test_a_list_that_is_asked_for_first_is_made_first(tmp_path: Path) -> None:
    keeper = AddressListKeeper(People([user(1)]), tmp_path)
    manifest, again = await asyncio.gather(keeper.find("bm.lan", "oab.xml"), keeper.find("bm.lan", "oab.xml"))
    assert manifest == again == tmp_path / "oab" / "bm.lan" / "oab.xml"
    current = Publication(tmp_path, "bm.lan").current()
    assert current
    assert current.full.sequence == 1
    assert await keeper.find("bm.lan", current.full.name)
    for name in (".lock", "../oab.xml", "oab.xml/..", "", current.full.name.replace("-1.", "-2.")):
        assert await keeper.find("bm.lan", name) is None
