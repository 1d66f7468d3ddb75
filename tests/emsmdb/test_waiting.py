"""NotificationWait: every transition of its table, and what the requests are answered."""

import asyncio
from itertools import product

import pytest

from mapigw.emsmdb.waiting import TRANSITIONS, Answer, State, Stimulus, Waiting

WAITED = (State.WAITING, State.EXECUTING_WAITING, State.EXECUTING_BOTH)
QUEUED = (State.QUEUED, State.EXECUTING_QUEUED, State.EXECUTING_BOTH)
EXECUTING = (State.EXECUTING, State.EXECUTING_QUEUED, State.EXECUTING_WAITING, State.EXECUTING_BOTH)

WAYS = {
    State.QUIET: (),
    State.QUEUED: (Stimulus.EVENT,),
    State.WAITING: (Stimulus.WAIT,),
    State.EXECUTING: (Stimulus.EXECUTE,),
    State.EXECUTING_QUEUED: (Stimulus.EXECUTE, Stimulus.EVENT),
    State.EXECUTING_WAITING: (Stimulus.WAIT, Stimulus.EXECUTE),
    State.EXECUTING_BOTH: (Stimulus.WAIT, Stimulus.EXECUTE, Stimulus.EVENT),
    State.CLOSED: (Stimulus.CLOSE,),
}
"""How each state comes about."""


async def started(waiting: Waiting) -> asyncio.Task[bool]:
    task = asyncio.create_task(waiting.wait(10))
    await asyncio.sleep(0)
    return task


async def in_state(state: State) -> tuple[Waiting, asyncio.Task[bool] | None]:
    """The request that waits, if one does."""
    waiting, task = Waiting(), None
    for stimulus in WAYS[state]:
        if stimulus is Stimulus.WAIT:
            task = await started(waiting)
        else:
            waiting.happened(stimulus)
    assert waiting.state is state
    return waiting, task


def test_every_state_knows_every_stimulus() -> None:
    assert TRANSITIONS.keys() == set(product(State, Stimulus))


def _expected(state: State, stimulus: Stimulus) -> tuple[State, Answer]:
    """The same said in other words: three facts, and who is told what."""
    waited, queued, executing = state in WAITED, state in QUEUED, state in EXECUTING
    answer = Answer.NOTHING
    if state is State.CLOSED:
        return state, Answer.NONE_PENDING if stimulus is Stimulus.WAIT else Answer.NOTHING
    match stimulus:
        case Stimulus.CLOSE:
            return State.CLOSED, Answer.NONE_PENDING if waited else Answer.NOTHING
        case Stimulus.WAIT:
            answer = Answer.NONE_PENDING if waited else Answer.NOTHING
            waited = True
        case Stimulus.LEAVE:
            if waited:
                answer = Answer.PENDING if queued else Answer.NONE_PENDING
            waited = False
        case Stimulus.EVENT | Stimulus.FETCHED:
            queued = stimulus is Stimulus.EVENT
        case Stimulus.EXECUTE | Stimulus.EXECUTED:
            executing = stimulus is Stimulus.EXECUTE
    if waited and queued and not executing:
        waited, answer = False, Answer.PENDING
    facts = (waited, queued, executing)
    (after,) = (
        item
        for item in State
        if item is not State.CLOSED and facts == (item in WAITED, item in QUEUED, item in EXECUTING)
    )
    return after, answer


@pytest.mark.parametrize(("state", "stimulus"), list(product(State, Stimulus)))
async def test_a_transition(state: State, stimulus: Stimulus) -> None:
    expected, answer = _expected(state, stimulus)
    assert TRANSITIONS[state, stimulus] == (expected, answer)
    waiting, task = await in_state(state)
    if stimulus is Stimulus.WAIT:
        arrived = await started(waiting)
        if task is not None:
            assert await task is False  # the other one was answered
        assert arrived.done() is (expected not in WAITED)
        if arrived.done():
            assert arrived.result() is (answer is Answer.PENDING)
        task = arrived
    elif stimulus is Stimulus.LEAVE and task is not None:
        task.cancel()  # as when its connection is lost
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        waiting.happened(stimulus)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if task is not None:
            assert task.done() is (answer is not Answer.NOTHING)
            if task.done():
                assert task.result() is (answer is Answer.PENDING)
    assert waiting.state is expected
    waiting.happened(Stimulus.CLOSE)
    if task is not None and not task.done():
        assert await task is False


async def test_the_time_is_over() -> None:
    waiting = Waiting()
    assert await waiting.wait(0.001) is False
    assert waiting.state is State.QUIET


async def test_the_time_is_over_during_an_execute_that_has_queued_something() -> None:
    waiting = Waiting()
    task = asyncio.create_task(waiting.wait(0.01))
    await asyncio.sleep(0)
    waiting.happened(Stimulus.EXECUTE)
    waiting.happened(Stimulus.EVENT)
    assert await task is True
    assert waiting.state is State.EXECUTING_QUEUED


async def test_what_an_execute_fetches_itself_wakes_nobody() -> None:
    waiting = Waiting()
    task = await started(waiting)
    for stimulus in (Stimulus.EXECUTE, Stimulus.EVENT, Stimulus.FETCHED, Stimulus.EXECUTED):
        waiting.happened(stimulus)
    await asyncio.sleep(0)
    assert not task.done()
    waiting.happened(Stimulus.EVENT)
    assert await task is True


async def test_an_answer_whose_connection_is_lost_is_told_again() -> None:
    waiting = Waiting()
    task = await started(waiting)
    waiting.happened(Stimulus.EVENT)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await waiting.wait(10) is True
