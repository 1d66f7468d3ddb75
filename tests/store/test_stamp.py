import asyncio
from pathlib import Path

from mapigw.store.stamp import CONFIRMATION_DELAY, Kept, Stamp


class Source:
    """Counts how often it is read."""

    def __init__(self) -> None:
        self.value = 0
        self.reads = 0

    async def load(self) -> int:
        self.reads += 1
        value = self.value
        await asyncio.sleep(0)
        return value


async def test_a_value_is_kept_until_the_stamp_changes(tmp_path: Path) -> None:
    source = Source()
    stamp = Stamp(tmp_path, "x")
    kept = Kept(stamp, source.load)
    assert kept.at_hand() is None
    assert [await kept.get(), await kept.get(), kept.at_hand()] == [0, 0, 0]
    assert source.reads == 1
    async with stamp.changing():
        source.value = 1
    assert kept.at_hand() is None
    assert await kept.get() == 1


async def test_many_who_wait_read_once(tmp_path: Path) -> None:
    source = Source()
    kept = Kept(Stamp(tmp_path, "x"), source.load)
    await asyncio.gather(*(kept.get() for _ in range(50)))
    assert source.reads == 1


async def test_a_change_while_it_is_read_shows_afterwards(tmp_path: Path) -> None:
    source = Source()
    stamp = Stamp(tmp_path, "x")
    kept = Kept(stamp, source.load)
    reading = asyncio.create_task(kept.get())
    await asyncio.sleep(0)
    source.value = 1
    stamp.bump()
    assert await reading == 0
    assert await kept.get() == 1


async def test_a_change_without_a_second_bump_is_seen_after_the_delay(tmp_path: Path) -> None:
    source, now = Source(), 0.0
    stamp = Stamp(tmp_path, "x")
    kept = Kept(stamp, source.load, clock=lambda: now)
    await kept.get()
    now += CONFIRMATION_DELAY
    await kept.get()
    stamp.bump()
    assert await kept.get() == 0
    source.value = 1
    assert await kept.get() == 0
    now += CONFIRMATION_DELAY
    assert await kept.get() == 1


async def test_a_value_can_be_read_anew(tmp_path: Path) -> None:
    source = Source()
    kept = Kept(Stamp(tmp_path, "x"), source.load)
    await kept.get()
    source.value = 1
    assert await kept.get() == 0
    assert await kept.read_anew() == 1
