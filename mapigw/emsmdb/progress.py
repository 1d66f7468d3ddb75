"""Operations that go on after their first answer, and RopProgress (MS-OXCPRPT 2.2.23, 3.1.5, 3.2.5.20).

A handler whose request has WantAsynchronous gives its work to `perform`::

    async def work(progress: Progress) -> dict[str, Any]:
        progress.total = len(ids)
        partial = False
        for batch in batches(ids):
            if progress.aborted:
                partial = True
                break
            await move(batch)  # a transaction
            progress.completed += len(batch)
        return {"partial_completion": partial}

    return await perform(call, work, asynchronous=bool(request.want_asynchronous))

``work`` returns the fields of its ROP's success response, or raises what the handler would. It must not use ``call``,
which belongs to one request. What takes longer than `FIRST_ANSWER` seconds is answered by RopProgress, and goes on as a
task of its logon; the client asks for it by RopProgress until the original ROP's response comes. RopProgress with
WantCancel, any other ROP on the same logon (3.1.5), its release and the session's end set ``aborted`` and wait: work
looks at it between two transactions.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import ServerObject
from mapigw.emsmdb.registry import Call, handles
from mapigw.mailbox.progress import Progress as Progress
from mapigw.wire.codes import ErrorCode
from mapigw.wire.rops import ROPS_BY_NAME

if TYPE_CHECKING:
    from mapigw.emsmdb.objects import Logon
    from mapigw.wire.rops import Rop

log = logging.getLogger("mapigw.emsmdb")

FIRST_ANSWER: Final = 0.5  # seconds before an operation's ROP is answered by RopProgress
NEXT_ANSWER: Final = 1.0  # seconds that RopProgress waits for the end

_PROGRESS: Final = ROPS_BY_NAME["Progress"]


Work = Callable[[Progress], Awaitable[Mapping[str, Any]]]


class Operation:
    """A ROP that has not been answered yet."""

    def __init__(self, rop: Rop, work: Work) -> None:
        self.rop = rop
        self.progress = Progress()
        self._task = asyncio.ensure_future(work(self.progress))

    async def finished(self, seconds: float) -> bool:
        """Wait for the end, but not longer than that."""
        await asyncio.wait({self._task}, timeout=seconds)
        return self._task.done()

    def result(self) -> Mapping[str, Any]:
        """What the finished work returned; raises what it raised."""
        return self._task.result()

    async def abort(self) -> None:
        """Have it stop at its next transaction, and wait until it has."""
        self.progress.aborted = True
        await asyncio.wait({self._task})

    async def drop(self) -> None:
        """`abort`, when nobody will ask for the result any more."""
        await self.abort()
        error = self._task.exception()
        if error is not None and not isinstance(error, RopError):
            log.error("an aborted Rop%s failed", self.rop.name, exc_info=error)


async def perform(call: Call, work: Work, *, asynchronous: bool) -> Mapping[str, Any]:
    """Do ``work``, in the background when it takes long and the client allows it."""
    if not asynchronous:
        return await work(Progress())
    logon = call.logon
    logon.operation = operation = Operation(call.rop, work)
    if not await operation.finished(FIRST_ANSWER):
        return _report(call, operation)
    logon.operation = None
    return operation.result()


def _report(call: Call, operation: Operation) -> dict[str, Any]:
    progress = operation.progress
    call.rop = _PROGRESS
    return {
        "logon_id": call.logon_id,
        "completed_task_count": progress.completed,
        "total_task_count": max(progress.total, progress.completed),
    }


@handles("Progress")
async def progress(call: Call, request: Any) -> Mapping[str, Any]:
    """2.2.23: how far the logon's operation is; when it is over, its own response."""
    logon = call.object(ServerObject).logon
    operation = logon.operation
    if operation is None:
        raise RopError(ErrorCode.NotSupported)
    if request.want_cancel:
        await operation.abort()
    elif not await operation.finished(NEXT_ANSWER):
        return _report(call, operation)
    logon.operation = None
    call.rop = operation.rop
    return operation.result()


async def abort(logon: Logon | None) -> None:
    """End the operation of a logon that is used for something else."""
    if logon is not None and logon.operation is not None:
        operation, logon.operation = logon.operation, None
        await operation.drop()
