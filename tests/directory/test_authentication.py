import asyncio
import time
from collections.abc import Callable

import pytest

from mapigw.directory import authentication
from mapigw.directory.authentication import REMEMBERED_SECONDS, Authenticator
from mapigw.directory.directory import Directory
from mapigw.directory.passwords import Argon2Parameters, Passwords
from mapigw.directory.throttle import Throttle
from mapigw.store.database import Database
from tests.directory.conftest import FAST

HOME = "198.51.100.7"
AWAY = "192.0.2.1"


class World:
    """A clock that moves only by sleeping, and the list of what was slept."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def verifications(directory: Directory, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each verification was of a real account."""
    seen: list[bool] = []
    verify = directory.passwords.verify

    async def counted(password_hash: str | None, password: str) -> bool:
        seen.append(password_hash is not None)
        return await verify(password_hash, password)

    monkeypatch.setattr(directory.passwords, "verify", counted)
    return seen


@pytest.fixture
async def authenticator(directory: Directory, world: World) -> Authenticator:
    await directory.add("tom@bm.lan", "secret")
    await directory.add_alias("tom@bm.lan", "thomas@bm.lan")
    await directory.add("anna@bm.lan", "hidden")
    return Authenticator(directory, clock=world.clock, sleep=world.sleep)


async def test_the_primary_address_and_an_alias_log_in_to_the_same_mailbox(
    authenticator: Authenticator, directory: Directory
) -> None:
    tom = await directory.by_address("tom@bm.lan")
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME) == tom
    assert await authenticator.authenticate("Thomas@BM.lan", "secret", HOME) == tom
    assert await authenticator.authenticate("tom@bm.lan", "hidden", HOME) is None
    assert await authenticator.authenticate("tom@bm.lan", "", HOME) is None
    assert await authenticator.authenticate("", "", HOME) is None


async def test_a_success_is_remembered_for_every_address_of_the_user(
    authenticator: Authenticator, verifications: list[bool]
) -> None:
    for address in ("tom@bm.lan", "TOM@bm.lan", "thomas@bm.lan"):
        assert await authenticator.authenticate(address, "secret", HOME)
        assert await authenticator.authenticate(address, "secret", AWAY)
    assert len(verifications) == 1


async def test_a_failure_is_never_remembered(authenticator: Authenticator, verifications: list[bool]) -> None:
    for _ in range(3):
        assert await authenticator.authenticate("tom@bm.lan", "wrong", HOME) is None
    assert len(verifications) == 3


async def test_a_success_is_forgotten_after_some_minutes(
    authenticator: Authenticator, verifications: list[bool], world: World
) -> None:
    await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    world.now += REMEMBERED_SECONDS - 1
    await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    assert len(verifications) == 1
    world.now += 1
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    assert len(verifications) == 2


async def test_a_new_password_ends_the_old_one_at_once(authenticator: Authenticator, directory: Directory) -> None:
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    await directory.set_password("tom@bm.lan", "changed")
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME) is None
    assert await authenticator.authenticate("tom@bm.lan", "changed", HOME)


async def test_a_password_set_again_to_the_same_is_verified_again(
    authenticator: Authenticator, directory: Directory, verifications: list[bool]
) -> None:
    await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    await directory.set_password("tom@bm.lan", "secret")
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    assert len(verifications) == 2


async def test_a_disabled_user_is_out_at_once_and_back_with_enabling(
    authenticator: Authenticator, directory: Directory
) -> None:
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    await directory.set_enabled("tom@bm.lan", False)
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME) is None
    await directory.set_enabled("tom@bm.lan", True)
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME)


async def test_a_removed_user_is_out_also_when_the_address_is_given_again(
    authenticator: Authenticator, directory: Directory
) -> None:
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    await directory.remove("tom@bm.lan")
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME) is None
    await directory.add("tom@bm.lan", "other")
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME) is None


async def test_a_removed_alias_logs_in_no_more(authenticator: Authenticator, directory: Directory) -> None:
    assert await authenticator.authenticate("thomas@bm.lan", "secret", HOME)
    await directory.remove_alias("tom@bm.lan", "thomas@bm.lan")
    assert await authenticator.authenticate("thomas@bm.lan", "secret", HOME) is None


async def test_a_change_by_the_command_line_is_heeded_by_the_running_server(
    authenticator: Authenticator, database: Database
) -> None:
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    other_database = await Database.open(database.data)
    try:
        await Directory(other_database, passwords=Passwords(FAST)).set_enabled("tom@bm.lan", False)
    finally:
        await other_database.close()
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME) is None


async def test_a_success_is_recalled_by_the_text_that_carried_it_and_by_no_other(
    authenticator: Authenticator, directory: Directory, verifications: list[bool]
) -> None:
    assert authenticator.recall("Basic dG9t") is None
    for _ in range(2):
        assert await authenticator.authenticate("thomas@bm.lan", "secret", HOME, text="Basic dG9t")
    assert authenticator.recall("Basic dG9t") == await directory.by_address("tom@bm.lan")
    assert len(verifications) == 1
    assert authenticator.recall("Basic dG9T") is None
    assert authenticator.recall("") is None


async def test_a_failure_is_never_recalled(authenticator: Authenticator) -> None:
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME, text="right")
    for _ in range(2):
        assert await authenticator.authenticate("tom@bm.lan", "wrong", HOME, text="wrong") is None
    assert authenticator.recall("wrong") is None


@pytest.mark.parametrize(
    "change", ["new password", "same password", "disabled", "removed", "no alias", "other's alias"]
)
async def test_nothing_is_recalled_after_a_change(
    authenticator: Authenticator, directory: Directory, change: str
) -> None:
    for _ in range(2):
        assert await authenticator.authenticate("thomas@bm.lan", "secret", HOME, text="t")
    assert authenticator.recall("t")
    match change:
        case "new password":
            await directory.set_password("tom@bm.lan", "changed")
        case "same password":
            await directory.set_password("tom@bm.lan", "secret")
        case "disabled":
            await directory.set_enabled("tom@bm.lan", False)
        case "removed":
            await directory.remove("tom@bm.lan")
        case "no alias" | "other's alias":
            await directory.remove_alias("tom@bm.lan", "thomas@bm.lan")
    if change == "other's alias":
        await directory.add_alias("anna@bm.lan", "thomas@bm.lan")
    await directory.users()  # it has been read anew
    assert authenticator.recall("t") is None


async def test_nothing_is_recalled_from_an_outdated_directory(authenticator: Authenticator, database: Database) -> None:
    for _ in range(2):
        assert await authenticator.authenticate("tom@bm.lan", "secret", HOME, text="t")
    other_database = await Database.open(database.data)
    try:
        await Directory(other_database, passwords=Passwords(FAST)).set_enabled("tom@bm.lan", False)
    finally:
        await other_database.close()
    assert authenticator.recall("t") is None


async def test_nothing_is_recalled_longer_than_it_is_remembered(authenticator: Authenticator, world: World) -> None:
    for _ in range(2):
        assert await authenticator.authenticate("tom@bm.lan", "secret", HOME, text="t")
    world.now += REMEMBERED_SECONDS - 1
    assert authenticator.recall("t")
    world.now += 1
    assert authenticator.recall("t") is None


@pytest.mark.parametrize("prepare", ["wrong password", "unknown address", "disabled", "not an address"])
async def test_every_refusal_costs_one_verification_and_the_same_pauses(
    authenticator: Authenticator, directory: Directory, verifications: list[bool], world: World, prepare: str
) -> None:
    await directory.set_enabled("anna@bm.lan", False)
    address, password = {
        "wrong password": ("tom@bm.lan", "wrong"),
        "unknown address": ("nobody@bm.lan", "secret"),
        "disabled": ("anna@bm.lan", "hidden"),
        "not an address": ("\udcff@\x00", "secret"),
    }[prepare]
    for count in range(1, 9):
        assert await authenticator.authenticate(address, password, AWAY) is None
        assert len(verifications) == count
    assert world.slept == [0.5, 1.0, 2.0]


async def test_failures_at_an_alias_tell_nothing_of_the_primary_address(
    authenticator: Authenticator, world: World
) -> None:
    for _ in range(5):
        await authenticator.authenticate("thomas@bm.lan", "wrong", AWAY)
    await authenticator.authenticate("tom@bm.lan", "wrong", AWAY)
    assert world.slept == []


async def test_both_cases_of_letters_are_one_account_to_guess_at(authenticator: Authenticator, world: World) -> None:
    for address in ("tom@bm.lan", "TOM@bm.lan", "Tom@BM.LAN", "tom@bm.LAN", "tOm@bm.lan", "toM@bm.lan"):
        await authenticator.authenticate(address, "wrong", AWAY)
    assert world.slept == [0.5]


async def test_an_attacker_cannot_lock_a_remembered_user_out(
    authenticator: Authenticator, verifications: list[bool], world: World
) -> None:
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    for number in range(20):
        await authenticator.authenticate("tom@bm.lan", f"guess {number}", AWAY)
    world.slept.clear()
    verifications.clear()
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    assert await authenticator.authenticate("tom@bm.lan", "secret", AWAY)
    assert (world.slept, verifications) == ([], [])
    world.now += REMEMBERED_SECONDS  # and neither when the success is no longer remembered
    for number in range(20):
        await authenticator.authenticate("tom@bm.lan", f"guess {number}", AWAY)
    world.slept.clear()
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    assert world.slept == []


async def test_connections_opened_together_share_one_verification(
    authenticator: Authenticator, verifications: list[bool]
) -> None:
    users = await asyncio.gather(*(authenticator.authenticate("tom@bm.lan", "secret", HOME) for _ in range(30)))
    assert all(users)
    assert len(verifications) == 1


async def test_more_guesses_at_once_than_may_wait_are_refused_after_a_pause_unheard(
    authenticator: Authenticator, verifications: list[bool], world: World
) -> None:
    answers = await asyncio.gather(
        *(authenticator.authenticate("tom@bm.lan", f"guess {number}", f"192.0.2.{number}") for number in range(50)),
    )
    assert answers == [None] * 50
    assert len(verifications) <= 8
    assert world.slept.count(30.0) >= 42


async def test_hanging_up_neither_spares_the_failure_nor_spoils_it_for_others(
    authenticator: Authenticator, world: World
) -> None:
    for number in range(5):
        task = asyncio.create_task(authenticator.authenticate("tom@bm.lan", f"guess {number}", AWAY))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while authenticator._verifying:
            await asyncio.sleep(0.001)
    await authenticator.authenticate("tom@bm.lan", "guess", AWAY)
    assert world.slept == [0.5]

    first = asyncio.create_task(authenticator.authenticate("anna@bm.lan", "hidden", HOME))
    second = asyncio.create_task(authenticator.authenticate("anna@bm.lan", "hidden", HOME))
    await asyncio.sleep(0)
    first.cancel()
    assert await second
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_login_renews_a_hash_with_old_parameters(database: Database, directory: Directory) -> None:
    await directory.add("tom@bm.lan", "secret")
    stronger = Directory(database, passwords=Passwords(Argon2Parameters(time_cost=2, memory_cost=16, parallelism=1)))
    authenticator = Authenticator(stronger)
    assert await authenticator.authenticate("tom@bm.lan", "wrong", HOME) is None
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    account = await directory.account("tom@bm.lan")
    assert account is not None
    assert account.password_hash.startswith("$argon2id$v=19$m=16,t=2,p=1$")
    assert await stronger.passwords.verify(account.password_hash, "secret")
    renewed = account.password_hash
    assert await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    account = await directory.account("tom@bm.lan")
    assert account is not None
    assert account.password_hash == renewed


async def test_renewing_never_undoes_a_change_of_the_password(directory: Directory) -> None:
    await directory.add("tom@bm.lan", "secret")
    before = await directory.account("tom@bm.lan")
    assert before is not None
    await directory.set_password("tom@bm.lan", "changed")
    assert not await directory.replace_password_hash(before, await directory.passwords.hash("secret"))
    after = await directory.account("tom@bm.lan")
    assert after is not None
    assert await directory.passwords.verify(after.password_hash, "changed")


async def test_what_is_remembered_is_bounded_and_holds_no_password(
    authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "REMEMBERED_LIMIT", 1)
    for _ in range(2):
        await authenticator.authenticate("tom@bm.lan", "secret", HOME, text="tom:secret")
    for _ in range(2):
        await authenticator.authenticate("anna@bm.lan", "hidden", HOME, text="anna:hidden")
    assert list(authenticator._remembered) == ["anna@bm.lan"]
    assert len(authenticator._recalled) == 1
    assert "hidden" not in repr(authenticator._remembered) + repr(authenticator._recalled)


async def test_the_digest_depends_on_the_process_and_on_where_the_address_ends(
    authenticator: Authenticator, directory: Directory
) -> None:
    digest: Callable[[str, str], bytes] = authenticator._digest
    assert digest("a", "bc") != digest("ab", "c")
    assert digest("a", "b") != Authenticator(directory, throttle=Throttle())._digest("a", "b")


async def test_a_remembered_success_costs_microseconds(authenticator: Authenticator) -> None:
    await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    best = 1.0
    for _ in range(20):
        start = time.perf_counter()
        for _ in range(200):
            await authenticator.authenticate("tom@bm.lan", "secret", HOME)
        best = min(best, (time.perf_counter() - start) / 200)
    assert best < 50e-6  # about 5 µs on an idle machine; the bound allows for a busy one
