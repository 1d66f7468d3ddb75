"""The queue of what a session has to be told."""

from dataclasses import dataclass

import pytest

from mapigw.emsmdb.notices import MAXIMUM, Notices
from mapigw.emsmdb.waiting import State, Waiting
from tests.emsmdb.notices import FakeNotice, FakeSource


def is_quiet(waiting: Waiting) -> bool:
    return waiting.state is State.QUIET


def queue() -> tuple[Notices, Waiting]:
    waiting = Waiting()
    return Notices(waiting), waiting


async def test_the_oldest_first_as_many_as_fit() -> None:
    notices, waiting = queue()
    source = FakeSource()
    for number in range(3):
        notices.put(FakeNotice(bytes([number]) * 10, number, source))
    assert not is_quiet(waiting)
    assert await notices.take(25) == [bytes(10), b"\1" * 10]
    assert not is_quiet(waiting)
    assert await notices.take(9) == []
    assert await notices.take(10) == [b"\2" * 10]
    assert is_quiet(waiting)
    assert not notices


async def test_the_later_of_two_about_the_same_takes_the_place_at_the_end() -> None:
    notices, _ = queue()
    source, other = FakeSource(), FakeSource()
    for owner, subject, data in ((source, 1, b"old"), (source, 2, b"two"), (other, 1, b"other"), (source, 1, b"new")):
        notices.put(FakeNotice(data, subject, owner))
    assert await notices.take(100) == [b"two", b"other", b"new"]


async def test_the_queue_is_bounded() -> None:
    """Beyond it a source has one notice for all, until that is fetched."""
    notices, _ = queue()
    source, small = FakeSource(FakeNotice(b"changed")), FakeSource(FakeNotice(b"small"))
    notices.put(FakeNotice(b"kept", 0, small))
    for number in range(MAXIMUM + 10):
        notices.put(FakeNotice(b"one", number, source))
        assert len(notices) <= MAXIMUM
    assert await notices.take(100) == [b"kept", b"changed"]
    notices.put(FakeNotice(b"again", 1, source))
    assert await notices.take(100) == [b"again"]


async def test_a_released_source() -> None:
    notices, waiting = queue()
    source, other = FakeSource(), FakeSource()
    notices.put(FakeNotice(b"gone", 1, source))
    notices.put(FakeNotice(b"gone", 2, source))
    notices.put(FakeNotice(b"kept", 1, other))
    notices.drop(source)
    assert await notices.take(100) == [b"kept"]
    notices.put(FakeNotice(b"gone", 1, source))
    notices.drop(source)
    assert is_quiet(waiting)


async def test_nothing_is_queued_for_a_closed_session() -> None:
    notices, _ = queue()
    notices.put(FakeNotice(b"early"))
    notices.close()
    notices.put(FakeNotice(b"late"))
    assert not notices


async def test_there_may_be_nothing_to_tell_after_all() -> None:
    notices, waiting = queue()
    notices.put(FakeNotice(b""))
    assert await notices.take(100) == []
    assert is_quiet(waiting)


@dataclass(frozen=True)
class Failing(FakeNotice):
    async def responses(self) -> list[bytes]:
        raise ZeroDivisionError


async def test_a_notice_that_fails_hinders_no_other(caplog: pytest.LogCaptureFixture) -> None:
    notices, _ = queue()
    notices.put(Failing(b""))
    notices.put(FakeNotice(b"next"))
    assert await notices.take(100) == [b"next"]
    assert "cannot be made" in caplog.text
