"""The sessions of a running server, as the command line sees and ends them."""

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from mapigw.cli import main
from mapigw.directory.model import User
from mapigw.server.admin import SOCKET, Admin, NoServerError, ask
from mapigw.server.contexts import CONTEXT_COOKIE, SEQUENCE_COOKIE, Kind, SessionContext, SessionContexts


def user(number: int, name: str) -> User:
    dn = f"/o=bm/cn={name}"
    return User(number, number, UUID(int=number), f"{name}@bm.lan", name, dn, "bm.lan", (), enabled=True, admin=False)


TOM, ANN = user(1, "tom"), user(2, "ann")


@dataclass
class FakeSession:
    user: User
    closed: list[bool] = field(default_factory=list)

    async def request(self, request_type: str, body: bytes) -> bytes:
        return b""

    async def close(self, *, shutting_down: bool = False) -> None:
        self.closed.append(shutting_down)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def contexts(clock: Clock) -> AsyncIterator[SessionContexts]:
    contexts = SessionContexts(clock=clock)
    yield contexts
    await contexts.shutdown(1)


@pytest.fixture
async def opened(contexts: SessionContexts, clock: Clock) -> list[SessionContext]:
    """Two of Tom's and, a minute later, one of Ann's."""
    opened = [contexts.add(TOM, FakeSession(TOM)), contexts.add(TOM, FakeSession(TOM))]
    clock.now += 60
    return [*opened, contexts.add(ANN, FakeSession(ANN))]


@pytest.fixture
async def data(tmp_path: Path, contexts: SessionContexts) -> AsyncIterator[Path]:
    async with Admin({"/mapi/emsmdb": contexts}).listening(tmp_path):
        yield tmp_path


async def sessions(data: Path, *arguments: str) -> Result:
    """``mapigw sessions ARGUMENTS``, in a thread while this process serves."""
    return await asyncio.to_thread(CliRunner().invoke, main, ["sessions", *arguments, "--data", str(data)])


async def test_sessions_are_listed(
    data: Path, contexts: SessionContexts, opened: list[SessionContext], clock: Clock
) -> None:
    busy, waiting, idle = opened
    cookies = {CONTEXT_COOKIE: busy.cookie, SEQUENCE_COOKIE: busy.sequence}
    contexts.enter(TOM, Kind.Sequenced, cookies)
    task = asyncio.create_task(waiting.session.request("NotificationWait", b""))
    waiting.running[task] = Kind.Wait
    clock.now += 5
    result = await sessions(data, "list")
    assert result.exit_code == 0
    shown = {line.split("│")[1].strip(): line for line in result.output.splitlines() if "@bm.lan" in line}
    assert shown.keys() == {context.label for context in opened}
    for context, words in ((busy, ("tom", "busy", " 5 ")), (waiting, ("waiting", " 65 ")), (idle, ("ann", "idle"))):
        assert all(word in shown[context.label] for word in words)
    assert busy.cookie not in result.output
    waiting.running.clear()
    await task


async def test_a_session_is_ended(data: Path, contexts: SessionContexts, opened: list[SessionContext]) -> None:
    result = await sessions(data, "kill", opened[0].label)
    assert (result.exit_code, result.output) == (0, "Ended 1 session.\n")
    assert [context.label for context in contexts] == [context.label for context in opened[1:]]
    await asyncio.sleep(0.01)
    ended = opened[0].session
    assert isinstance(ended, FakeSession)
    assert ended.closed == [False]
    again = await sessions(data, "kill", opened[0].label)
    assert again.exit_code == 1
    assert again.output == "mapigw: there is no such session\n"


async def test_all_sessions_of_a_user_are_ended(
    data: Path, contexts: SessionContexts, opened: list[SessionContext]
) -> None:
    result = await sessions(data, "kill", "--user", "Tom@bm.lan")
    assert (result.exit_code, result.output) == (0, "Ended 2 sessions.\n")
    assert [context.label for context in contexts] == [opened[2].label]


@pytest.mark.parametrize("arguments", [(), ("x", "--user", "tom@bm.lan")])
async def test_a_session_or_a_user_must_be_named(data: Path, arguments: tuple[str, ...]) -> None:
    assert (await sessions(data, "kill", *arguments)).exit_code == 2


async def test_without_a_server(tmp_path: Path) -> None:
    result = await sessions(tmp_path, "list")
    assert result.exit_code == 1
    assert result.output == f"mapigw: no server answers on {tmp_path / SOCKET}\n"
    with pytest.raises(NoServerError):
        await ask(tmp_path, {"command": "list"})


async def test_only_the_owner_of_the_data_may_ask(data: Path) -> None:
    assert stat.S_IMODE((data / SOCKET).stat().st_mode) == 0o600


@pytest.mark.parametrize("question", [b"", b"no json\n", b'{"command": "list"', b"[1]\n", b'{"command": "sing"}\n'])
async def test_questions_that_nobody_understands(data: Path, question: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(data / SOCKET)
    writer.write(question)
    writer.write_eof()
    answer = await reader.read()
    assert not answer or json.loads(answer) == {"error": "unknown command"}
    writer.close()


async def test_a_socket_that_was_left_behind_is_replaced(tmp_path: Path, contexts: SessionContexts) -> None:
    (tmp_path / SOCKET).touch()
    async with Admin({"": contexts}).listening(tmp_path):
        assert await ask(tmp_path, {"command": "list"}) == {"sessions": []}
    assert not (tmp_path / SOCKET).exists()


async def test_a_socket_that_cannot_be_made(
    tmp_path: Path, contexts: SessionContexts, caplog: pytest.LogCaptureFixture
) -> None:
    """A data folder whose path is too long: the server serves all the same."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    async with Admin({"": contexts}).listening(folder):
        pass
    assert "sessions cannot be listed" in caplog.text
