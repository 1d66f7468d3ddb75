"""Time is simulated: `World` is the clock and the sleep, and moves on when everybody sleeps."""

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any

import pytest

from mapigw.directory import throttle as throttle_module
from mapigw.directory.throttle import ACCOUNT_SLOWNESS, CLIENT_SLOWNESS, Refused, Throttle


class World:
    def __init__(self) -> None:
        self.now = 1000.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + seconds, waiter))
        await waiter

    async def settle(self) -> None:
        for _ in range(50):
            await asyncio.sleep(0)

    async def run(self, *coroutines: Coroutine[Any, Any, Any]) -> list[Any]:
        """Run all to their end, letting simulated time pass."""
        tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
        async with asyncio.timeout(30):
            while True:
                await self.settle()
                if all(task.done() for task in tasks):
                    break
                if self._sleepers:
                    self._sleepers.sort(key=lambda sleeper: sleeper[0])
                    self.now, waiter = self._sleepers.pop(0)
                    if not waiter.done():
                        waiter.set_result(None)
        return await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def throttle(world: World) -> Throttle:
    return Throttle(clock=world.clock, sleep=world.sleep)


async def guess(
    throttle: Throttle, world: World, account: str = "tom", client: str = "192.0.2.1", right: bool = False
) -> float:
    """One attempt; the simulated time at which it was heard."""
    async with throttle.attempt(account, client) as attempt:
        heard = world.now
        await asyncio.sleep(0)
        attempt.succeeded = right
    return heard


async def test_the_pause_doubles_with_each_failure_up_to_its_cap(throttle: Throttle, world: World) -> None:
    heard = [(await world.run(guess(throttle, world)))[0] for _ in range(14)]
    pauses = [round(later - earlier, 6) for earlier, later in itertools.pairwise(heard)]
    assert pauses[:5] == [0, 0, 0, 0, 0.5]
    assert pauses[5:9] == [1, 2, 4, 8]
    assert max(pauses) == ACCOUNT_SLOWNESS.longest_pause


async def test_guessing_at_once_is_no_faster_than_one_after_the_other(throttle: Throttle, world: World) -> None:
    results = await world.run(*(guess(throttle, world, client=f"192.0.2.{number}") for number in range(200)))
    heard = sorted(result for result in results if isinstance(result, float))
    assert len(heard) == ACCOUNT_SLOWNESS.free_failures + ACCOUNT_SLOWNESS.waiting
    assert [round(moment - 1000, 6) for moment in heard] == [0, 0, 0, 0, 0, 0.5, 1.5, 3.5]
    refusals = [result for result in results if not isinstance(result, float)]
    assert all(isinstance(refusal, Refused) for refusal in refusals)
    assert {refusal.pause for refusal in refusals} == {30.0}


async def test_guessing_at_many_accounts_slows_the_client_down(throttle: Throttle, world: World) -> None:
    results = await world.run(*(guess(throttle, world, account=f"user{number}") for number in range(25)))
    heard = sorted(results)
    assert heard[CLIENT_SLOWNESS.free_failures - 1] == 1000
    slowed = [round(moment - 1000, 6) for moment in heard[CLIENT_SLOWNESS.free_failures :]]
    assert slowed == [0.25, 0.75, 1.75, 3.75, 7.75]
    assert (await world.run(guess(throttle, world, account="anna", client="192.0.2.2")))[0] == world.now


async def test_an_office_behind_one_address_starts_its_day_without_a_pause(throttle: Throttle, world: World) -> None:
    results = await world.run(*(guess(throttle, world, account=f"user{number}", right=True) for number in range(300)))
    assert results == [1000.0] * 300


async def test_a_success_resets_the_account(throttle: Throttle, world: World) -> None:
    for _ in range(8):
        await world.run(guess(throttle, world))
    await world.run(guess(throttle, world, right=True))
    moment = world.now
    assert (await world.run(guess(throttle, world, client="192.0.2.9")))[0] == moment


async def test_an_own_account_does_not_clear_the_name_of_a_guessing_client(throttle: Throttle, world: World) -> None:
    for number in range(24):
        await world.run(guess(throttle, world, account=f"user{number}"))
        await world.run(guess(throttle, world, account="own", right=True))
    moment = world.now
    assert (await world.run(guess(throttle, world, account="next")))[0] > moment


async def test_a_known_client_is_not_locked_out_by_a_strangers_guesses(throttle: Throttle, world: World) -> None:
    await world.run(guess(throttle, world, client="198.51.100.7", right=True))
    for number in range(12):
        await world.run(guess(throttle, world, client=f"192.0.2.{number}"))
    for number in range(30):
        await world.run(guess(throttle, world, account=f"user{number}", client="198.51.100.7"))
    moment = world.now
    assert (await world.run(guess(throttle, world, client="198.51.100.7", right=True)))[0] == moment


async def test_a_known_client_that_guesses_is_slowed_down_too(throttle: Throttle, world: World) -> None:
    await world.run(guess(throttle, world, right=True))
    start = world.now
    for _ in range(8):
        await world.run(guess(throttle, world))
    assert world.now - start == 0.5 + 1 + 2


async def test_failures_are_forgiven_with_time(throttle: Throttle, world: World) -> None:
    for _ in range(30):
        await world.run(guess(throttle, world))
    world.now += 20 * ACCOUNT_SLOWNESS.forgiveness
    heard = [(await world.run(guess(throttle, world)))[0] for _ in range(5)]
    assert heard == [world.now] * 5


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("unix:", "unix:", True),
    ],
)
async def test_a_client_is_its_address_or_its_ipv6_network(
    throttle: Throttle, world: World, first: str, second: str, same: bool
) -> None:
    for number in range(30):
        await world.run(guess(throttle, world, account=f"user{number}", client=first))
    moment = world.now
    assert ((await world.run(guess(throttle, world, account="other", client=second)))[0] > moment) is same


async def test_the_tables_are_bounded_and_keep_who_is_active(
    throttle: Throttle, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle_module, "TABLE_LIMIT", 10)
    for number in range(40):
        await world.run(guess(throttle, world, account=f"user{number}"))
    assert len(throttle._accounts) == 10
    assert len(throttle._clients) == 1
    assert throttle._clients.line("192.0.2.1").failures > CLIENT_SLOWNESS.free_failures


async def test_a_waiting_attempt_can_be_cancelled(throttle: Throttle, world: World) -> None:
    for _ in range(7):
        await world.run(guess(throttle, world))
    waiting = asyncio.create_task(guess(throttle, world))
    await world.settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert throttle._accounts.line("tom").waiting == 0
    assert await world.run(guess(throttle, world, right=True))
