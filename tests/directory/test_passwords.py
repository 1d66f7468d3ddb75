import asyncio
import threading

import pytest

from mapigw.directory.passwords import Argon2Parameters, Passwords
from tests.directory.conftest import FAST


async def test_a_password_matches_its_own_hash_only() -> None:
    passwords = Passwords(FAST)
    first, second = await passwords.hash("secret"), await passwords.hash("secret")
    assert first != second
    assert first.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert await passwords.verify(first, "secret")
    assert not await passwords.verify(first, "Secret")
    assert not await passwords.verify(first, "")


async def test_the_default_is_what_the_rfc_recommends() -> None:
    assert (await Passwords().hash("secret")).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


async def test_nobody_has_no_password_and_costs_a_verification_of_the_same_parameters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passwords = Passwords(FAST)
    real = await passwords.hash("secret")
    seen: list[str] = []
    verify = passwords._hasher.verify

    def recorded(password_hash: str, password: bytes) -> bool:
        seen.append(password_hash)
        return verify(password_hash, password)

    monkeypatch.setattr(passwords, "_hasher", type("Recorder", (), {"verify": staticmethod(recorded)})())
    assert not await passwords.verify(None, "secret")
    assert not await passwords.verify(real, "wrong")
    assert [text.rsplit("$", 2)[0] for text in seen] == ["$argon2id$v=19$m=8,t=1,p=1"] * 2
    assert [len(text) for text in seen] == [len(real)] * 2


async def test_a_damaged_hash_matches_nothing() -> None:
    passwords = Passwords(FAST)
    for damaged in ("x", "$argon2id$", (await passwords.hash("secret"))[:-5] + "!!!!!"):
        assert not await passwords.verify(damaged, "secret")


async def test_the_same_letter_typed_on_two_systems_is_the_same_password() -> None:
    passwords = Passwords(FAST)
    assert await passwords.verify(await passwords.hash("gr\u00fcn"), "gru\u0308n")


async def test_octets_that_were_no_text_are_a_password_like_any_other() -> None:
    passwords = Passwords(FAST)
    stored = await passwords.hash("gr\udcfcn")
    assert await passwords.verify(stored, "gr\udcfcn")
    assert not await passwords.verify(stored, "gr\udcfdn")


async def test_other_parameters_ask_for_a_new_hash() -> None:
    stored = await Passwords(FAST).hash("secret")
    assert not Passwords(FAST).needs_rehash(stored)
    stronger = Passwords(Argon2Parameters(time_cost=2, memory_cost=16, parallelism=1))
    assert stronger.needs_rehash(stored)
    assert await stronger.verify(stored, "secret")


async def test_computations_are_bounded_even_when_their_callers_hang_up(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords(FAST, concurrency=2)
    release, running, most = threading.Event(), 0, 0
    lock = threading.Lock()

    def slow(password_hash: str, password: str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        release.wait(10)
        with lock:
            running -= 1
        return False

    monkeypatch.setattr(passwords, "_verify", slow)
    callers = [asyncio.create_task(passwords.verify(None, "x")) for _ in range(6)]
    while running < 2:
        await asyncio.sleep(0.001)
    for caller in callers[:3]:
        caller.cancel()
    await asyncio.sleep(0.02)
    assert running == 2
    release.set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [isinstance(result, asyncio.CancelledError) for result in results] == [True] * 3 + [False] * 3
    assert most == 2
