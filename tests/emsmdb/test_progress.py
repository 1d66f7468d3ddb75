"""Operations that outlast their first answer, and RopProgress (MS-OXCPRPT 2.2.23)."""

import asyncio
from typing import Any

import pytest

from mapigw.emsmdb import progress as progress_module
from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.progress import Progress, perform
from mapigw.emsmdb.registry import HANDLERS, Call
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId
from mapigw.wire.rop_buffer import RopResponse
from tests.emsmdb.client import LOGON, Client


class Emptying:
    """Stands for RopEmptyFolder of a folder of 729 items, which goes on a step at a time."""

    def __init__(self) -> None:
        self.step = asyncio.Event()
        self.error: Exception | None = None
        self.ended = False

    async def __call__(self, call: Call, request: Any) -> Any:
        async def work(progress: Progress) -> dict[str, Any]:
            progress.total = 729
            progress.completed = 29
            while progress.completed < progress.total and not progress.aborted:
                await asyncio.sleep(0.001)
                if self.step.is_set():
                    self.step.clear()
                    progress.completed += 350
            self.ended = True
            if self.error is not None:
                raise self.error
            return {"partial_completion": progress.aborted}

        return await perform(call, work, asynchronous=request.want_asynchronous)


@pytest.fixture
def emptying(monkeypatch: pytest.MonkeyPatch) -> Emptying:
    operation = Emptying()
    monkeypatch.setitem(HANDLERS, "EmptyFolder", operation)
    monkeypatch.setattr(progress_module, "FIRST_ANSWER", 0.01)
    monkeypatch.setattr(progress_module, "NEXT_ANSWER", 0.01)
    return operation


async def empty(client: Client, *, asynchronous: bool = True) -> RopResponse:
    asked = client.request("EmptyFolder", LOGON, want_asynchronous=asynchronous, want_delete_associated=False)
    (response,) = await client.send(asked)
    return response


async def ask(client: Client, *, cancel: bool = False) -> RopResponse:
    (response,) = await client.send(client.request("Progress", LOGON, want_cancel=cancel))
    return response


def answer(client: Client) -> bytes:
    return client.payloads[0][2 : -4 * len(client.handles)]


@pytest.mark.spec("MS-OXCROPS_R86601", "MS-OXCPRPT_R452", "MS-OXCPRPT_R814", "MS-OXCPRPT_R370")
async def test_the_published_exchange(client: Client, emptying: Emptying) -> None:
    """MS-OXCPRPT 4.5, byte for byte."""
    asked = client.request("EmptyFolder", LOGON, want_asynchronous=True, want_delete_associated=False)
    await client.send(asked)
    assert answer(client) == bytes.fromhex("50 00 00000000 00 1D000000 D9020000")
    emptying.step.set()
    response = await ask(client)
    assert answer(client) == bytes.fromhex("50 00 00000000 00 7B010000 D9020000")
    assert (response.value.completed_task_count, response.value.total_task_count) == (379, 729)
    emptying.step.set()
    while (response := await ask(client)).rop.name == "Progress":
        assert response.value.completed_task_count <= response.value.total_task_count
    assert answer(client) == bytes.fromhex("58 00 00000000 00")
    assert await client.error("Progress", want_cancel=False) == ErrorCode.NotSupported


@pytest.mark.spec("MS-OXCPRPT_R598", "MS-OXCPRPT_R815", "MS-OXCPRPT_R355")
async def test_an_operation_is_cancelled(client: Client, emptying: Emptying) -> None:
    await empty(client)
    response = await ask(client, cancel=True)
    assert (response.rop.name, response.return_value) == ("EmptyFolder", 0)
    assert response.value.partial_completion
    assert emptying.ended


@pytest.mark.spec("MS-OXCPRPT_R453")
async def test_another_rop_on_the_logon_ends_the_operation_and_is_answered(client: Client, emptying: Emptying) -> None:
    await empty(client)
    assert not emptying.ended
    await client.value("OpenFolder", folder_id=ObjectId(1, 5), open_mode_flags=0)
    assert emptying.ended
    assert await client.error("Progress", want_cancel=False) == ErrorCode.NotSupported


async def test_releasing_a_handle_does_not_end_the_operation(client: Client, emptying: Emptying) -> None:
    """Outlook fetches its notifications with a RopRelease."""
    await client.value("OpenFolder", folder_id=ObjectId(1, 5), open_mode_flags=0)
    await empty(client)
    await client.send(client.request("Release", client.last))
    assert not emptying.ended
    assert (await ask(client)).rop.name == "Progress"


async def test_the_end_of_the_session_ends_the_operation(client: Client, emptying: Emptying) -> None:
    await empty(client)
    await client.session.close()
    assert emptying.ended


async def test_an_operation_that_fails_answers_with_its_own_rop(client: Client, emptying: Emptying) -> None:
    await empty(client)
    emptying.error = RopError(ErrorCode.AccessDenied)
    response = await ask(client, cancel=True)
    assert (response.rop.name, response.return_value) == ("EmptyFolder", ErrorCode.AccessDenied)
    assert not response.value.partial_completion


async def test_a_defect_ends_in_an_error(client: Client, emptying: Emptying, caplog: pytest.LogCaptureFixture) -> None:
    await empty(client)
    emptying.error = ZeroDivisionError()
    assert (await ask(client, cancel=True)).return_value == ErrorCode.GeneralFailure
    await empty(client)
    caplog.clear()
    await client.value("GetPropertiesList")
    assert "an aborted RopEmptyFolder failed" in caplog.text


async def test_what_is_quick_is_answered_at_once(client: Client, emptying: Emptying) -> None:
    """So is what was not to be asynchronous, however long it takes."""
    emptying.step.set()
    later = asyncio.get_running_loop().call_later
    for moment in (0.03, 0.05):
        later(moment, emptying.step.set)
    response = await empty(client, asynchronous=False)
    assert (response.rop.name, response.value.partial_completion) == ("EmptyFolder", False)


async def test_progress_needs_an_object(client: Client) -> None:
    assert await client.error("Progress", 77, want_cancel=False) == ErrorCode.NullObject
    assert await client.error("Progress", LOGON, want_cancel=True) == ErrorCode.NotSupported
