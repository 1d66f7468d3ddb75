"""NotificationWait: when it is answered (MS-OXCMAPIHTTP 2.2.4.4, 3.2.5.5; MS-OXCRPC 3.3.4.1).

What can happen to a session that is waited for is one table, `TRANSITIONS`. The state knows whether anything is queued,
so that a wake-up can neither be lost between a request's arrival and its wait nor be counted twice. While an Execute
runs, nobody is woken: its answer takes along what is queued, and the client could not fetch it earlier.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from typing import Final


class State(Enum):
    """What a session's NotificationWait has to do with."""

    QUIET = "nothing is queued, nobody waits"
    QUEUED = "something is queued, nobody waits"
    WAITING = "nothing is queued, a request waits"
    EXECUTING = "as QUIET, during an Execute"
    EXECUTING_QUEUED = "as QUEUED, during an Execute"
    EXECUTING_WAITING = "as WAITING, during an Execute"
    EXECUTING_BOTH = "something is queued and a request waits, during an Execute"
    CLOSED = "the session is over"


class Stimulus(Enum):
    """What can happen."""

    WAIT = "a NotificationWait arrives"
    LEAVE = "the time of the waiting request is over, or its connection is"
    EVENT = "a notification is queued"
    FETCHED = "the last queued notification was fetched, or its subscription released"
    EXECUTE = "an Execute begins"
    EXECUTED = "an Execute ends"
    CLOSE = "the session ends: by Disconnect, by another Connect, by expiry or with the server"


class Answer(Enum):
    """What becomes of the request that waits; the one that was there before, where another arrives."""

    NOTHING = "it goes on waiting, or there is none"
    PENDING = "it is answered: EventPending 1"
    NONE_PENDING = "it is answered: EventPending 0"


_Outcome = tuple[State, Answer]


def _stays(state: State, *stimuli: Stimulus) -> dict[tuple[State, Stimulus], _Outcome]:
    return {(state, stimulus): (state, Answer.NOTHING) for stimulus in stimuli}


_S, _T, _A = State, Stimulus, Answer

TRANSITIONS: Final[dict[tuple[State, Stimulus], _Outcome]] = {
    **_stays(_S.QUIET, _T.LEAVE, _T.FETCHED, _T.EXECUTED),
    (_S.QUIET, _T.WAIT): (_S.WAITING, _A.NOTHING),
    (_S.QUIET, _T.EVENT): (_S.QUEUED, _A.NOTHING),
    (_S.QUIET, _T.EXECUTE): (_S.EXECUTING, _A.NOTHING),
    (_S.QUIET, _T.CLOSE): (_S.CLOSED, _A.NOTHING),
    **_stays(_S.QUEUED, _T.LEAVE, _T.EVENT, _T.EXECUTED),
    (_S.QUEUED, _T.WAIT): (_S.QUEUED, _A.PENDING),
    (_S.QUEUED, _T.FETCHED): (_S.QUIET, _A.NOTHING),
    (_S.QUEUED, _T.EXECUTE): (_S.EXECUTING_QUEUED, _A.NOTHING),
    (_S.QUEUED, _T.CLOSE): (_S.CLOSED, _A.NOTHING),
    # A client whose connection was lost asks again before the server has noticed.
    (_S.WAITING, _T.WAIT): (_S.WAITING, _A.NONE_PENDING),
    (_S.WAITING, _T.LEAVE): (_S.QUIET, _A.NONE_PENDING),
    (_S.WAITING, _T.EVENT): (_S.QUEUED, _A.PENDING),
    **_stays(_S.WAITING, _T.FETCHED, _T.EXECUTED),
    (_S.WAITING, _T.EXECUTE): (_S.EXECUTING_WAITING, _A.NOTHING),
    (_S.WAITING, _T.CLOSE): (_S.CLOSED, _A.NONE_PENDING),
    **_stays(_S.EXECUTING, _T.LEAVE, _T.FETCHED, _T.EXECUTE),
    (_S.EXECUTING, _T.WAIT): (_S.EXECUTING_WAITING, _A.NOTHING),
    (_S.EXECUTING, _T.EVENT): (_S.EXECUTING_QUEUED, _A.NOTHING),
    (_S.EXECUTING, _T.EXECUTED): (_S.QUIET, _A.NOTHING),
    (_S.EXECUTING, _T.CLOSE): (_S.CLOSED, _A.NOTHING),
    **_stays(_S.EXECUTING_QUEUED, _T.LEAVE, _T.EVENT, _T.EXECUTE),
    (_S.EXECUTING_QUEUED, _T.WAIT): (_S.EXECUTING_BOTH, _A.NOTHING),
    (_S.EXECUTING_QUEUED, _T.FETCHED): (_S.EXECUTING, _A.NOTHING),
    (_S.EXECUTING_QUEUED, _T.EXECUTED): (_S.QUEUED, _A.NOTHING),
    (_S.EXECUTING_QUEUED, _T.CLOSE): (_S.CLOSED, _A.NOTHING),
    (_S.EXECUTING_WAITING, _T.WAIT): (_S.EXECUTING_WAITING, _A.NONE_PENDING),
    (_S.EXECUTING_WAITING, _T.LEAVE): (_S.EXECUTING, _A.NONE_PENDING),
    (_S.EXECUTING_WAITING, _T.EVENT): (_S.EXECUTING_BOTH, _A.NOTHING),
    **_stays(_S.EXECUTING_WAITING, _T.FETCHED, _T.EXECUTE),
    (_S.EXECUTING_WAITING, _T.EXECUTED): (_S.WAITING, _A.NOTHING),
    (_S.EXECUTING_WAITING, _T.CLOSE): (_S.CLOSED, _A.NONE_PENDING),
    (_S.EXECUTING_BOTH, _T.WAIT): (_S.EXECUTING_BOTH, _A.NONE_PENDING),
    (_S.EXECUTING_BOTH, _T.LEAVE): (_S.EXECUTING_QUEUED, _A.PENDING),
    **_stays(_S.EXECUTING_BOTH, _T.EVENT, _T.EXECUTE),
    (_S.EXECUTING_BOTH, _T.FETCHED): (_S.EXECUTING_WAITING, _A.NOTHING),
    (_S.EXECUTING_BOTH, _T.EXECUTED): (_S.QUEUED, _A.PENDING),
    (_S.EXECUTING_BOTH, _T.CLOSE): (_S.CLOSED, _A.NONE_PENDING),
    **_stays(_S.CLOSED, _T.LEAVE, _T.EVENT, _T.FETCHED, _T.EXECUTE, _T.EXECUTED, _T.CLOSE),
    (_S.CLOSED, _T.WAIT): (_S.CLOSED, _A.NONE_PENDING),
}


_WAITED: Final = frozenset({State.WAITING, State.EXECUTING_WAITING, State.EXECUTING_BOTH})


class Waiting:
    """The NotificationWait of a session."""

    def __init__(self) -> None:
        self.state = State.QUIET
        self._waiter: asyncio.Future[bool] | None = None

    def happened(self, stimulus: Stimulus) -> None:
        """Change the state, and answer the request that waits where that is due."""
        self.state, answer = TRANSITIONS[self.state, stimulus]
        if answer is not Answer.NOTHING:
            self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(answer is Answer.PENDING)

    async def wait(self, seconds: float) -> bool:
        """Whether an event is pending: at once where it is, else when there is one or the time is over."""
        self.happened(Stimulus.WAIT)
        if self.state not in _WAITED:
            return self.state is State.QUEUED
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait({waiter}, timeout=seconds)
        finally:
            if self._waiter is waiter:  # its time is over, or its connection was lost
                self.happened(Stimulus.LEAVE)
        return bool(waiter.result())
