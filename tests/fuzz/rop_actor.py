"""A client that sends random ROPs, mostly such as make sense for what it has open."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from construct import ConstructError

from mapigw.emsmdb.dispatch import ExecuteRecord, execute
from mapigw.emsmdb.session import UNASSIGNED_HANDLE, Session
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.primitives import ObjectId
from mapigw.wire.rop_buffer import RopRequest, RopResponse, build_request, build_requests, parse_responses, request
from mapigw.wire.rops import ROPS_BY_NAME
from mapigw.wire.rpc_header import MAXIMUM_PAYLOAD, join_payloads, split_payloads
from tests.fuzz.rop_values import Values

SLOTS: Final = 48
PATIENCE: Final = 30.0
"""Seconds that a buffer may take."""
KEPT: Final = 12
"""Buffers that are printed when something is wrong."""
_ROWS: Final = frozenset({"QueryRows", "FindRow", "ExpandRow"})
"""ROPs whose rows cannot be read without knowing the columns of their table."""


_FAILING: Final = frozenset({"SaveChangesMessage", "Logon", "SynchronizationUploadStateStreamBegin"})
"""ROPs for which GeneralFailure is a specified answer."""


class FindingError(AssertionError):
    """Something is wrong with the server."""


@dataclass
class Open:
    """What a slot of the client stands for, as far as it knows."""

    kind: str
    logon_id: int
    folder_id: int = 0
    columns: Sequence[int] = ()
    """Of a table; of an upload the sizes of what was put."""
    fresh: bool = False
    """A message whose recipient columns were told by the last answer."""


@dataclass
class Step:
    """One ROP to be sent, and what its output handle would be."""

    name: str
    slot: int
    fields: dict[str, Any]
    opens: Open | None = None
    alone: bool = False
    """Nothing may follow in its buffer."""


@dataclass
class Places:
    """What there is in a mailbox, renewed now and then."""

    folders: list[int] = field(default_factory=list)
    searches: list[int] = field(default_factory=list)
    messages: list[tuple[int, int]] = field(default_factory=list)
    """(message id, folder id)"""
    named: list[int] = field(default_factory=list)
    secret: frozenset[int] = frozenset()
    """Folders on which nobody gets rights."""


Operation = Callable[["Actor"], Step | None]


class Actor:
    """One session. Slots below ``first`` are its logons; ``places`` tells the folder and message ids that exist."""

    def __init__(
        self,
        name: str,
        session: Session,
        values: Values,
        places: Mapping[int, Places],
        operations: Sequence[tuple[int, Operation]],
        names: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.session = session
        self.values = values
        self.source = values.source
        self.places = places
        """By LogonId."""
        self.handles = [UNASSIGNED_HANDLE] * SLOTS
        self.open: dict[int, Open] = {}
        self.history: deque[str] = deque(maxlen=KEPT)
        self.sent: dict[str, int] = {}
        self.succeeded: dict[str, int] = {}
        self.received = b""
        """The last answer."""
        self.columns: dict[int, Sequence[int]] = {}
        """Of rows, by the handle of their table or message."""
        self.bookmarks: list[bytes] = [b""]
        self.collapse_states: list[bytes] = []
        self.local_ids = UUID(int=0), 0
        """The replica of the own mailbox, and the first of the last ids that it handed out."""
        self.streams: dict[int, bytes] = {}
        """FastTransfer streams that were read, by the SourceOperation that takes them."""
        self.names = names
        """Legacy DNs that permissions are given to."""
        self.first = True
        """Whether the next step is the first of its buffer."""
        self._operations = operations
        self._victims: list[int] = []

    # Sending

    async def step(self) -> None:
        """Send one buffer. Raises `FindingError`."""
        steps: list[Step] = []
        for _ in range(self.source.choice((1, 1, 2, 3, 5))):
            self.first = not steps
            step = self._choose()
            if step is not None:
                steps.append(step)
                if step.alone:
                    break
        if steps:
            await self.send(steps)

    def _choose(self) -> Step | None:
        weights = [weight for weight, _ in self._operations]
        operation = self.source.choices(self._operations, weights)[0][1]
        step = operation(self)
        if step is None:
            return None
        step.alone |= step.name in _ROWS  # read by the handle that its slot has at the end of the buffer
        kept = step.name in _ROWS or step.name.startswith("SetProperties")
        if self.values.chance(0.03) and not kept:
            step.slot = self.source.randrange(SLOTS + 8)
        if step.opens is not None:
            slot = self._free_slot()
            step.fields["output_handle_index"] = slot
            self.handles[slot] = UNASSIGNED_HANDLE
            self.open[slot] = step.opens
        return step

    def _free_slot(self) -> int:
        free = [slot for slot in range(len(self.places), SLOTS) if slot not in self.open]
        if free:
            return self.source.choice(free)
        victim = self.source.randrange(len(self.places), SLOTS)
        self._victims.append(self.handles[victim])
        return victim

    async def send(self, steps: Sequence[Step]) -> list[RopResponse]:
        """Send a buffer and take over what it opened. Raises `FindingError`."""
        requests = [self._request(step) for step in steps]
        self.history.append("; ".join(f"{step.name}@{step.slot} {_shown(step.fields)}" for step in steps))
        for item in self.open.values():
            item.fresh = False
        released, self._victims = self._victims, []
        for handle in released:
            await self.session.release(handle)
        columns = dict(self.columns)
        requests = _fitting(requests)
        payload = build_requests(requests, self.handles)
        record = ExecuteRecord(self.session.user.address, 0)
        limit = self.source.choice((0x8007, 0x8007, 0x10008, 0x40000, 0x1000 + len(payload)))
        flags = self.source.choice((0, 1, 3, 3, 7))
        async with asyncio.timeout(PATIENCE):
            answer = await execute(self.session, join_payloads([payload]), flags, limit, record)
        payloads = split_payloads(answer)
        self.received = b"".join(payloads)
        responses: list[RopResponse] = []
        for number, part in enumerate(payloads):
            try:
                parsed = parse_responses(part, requests if not number else requests[-1:], columns)
            except WireError as error:
                raise FindingError(f"{self.name} cannot read the answer: {error}") from error
            responses += parsed.responses
            self.handles = list(parsed.handles)
        for name, code in record.rops:
            self.sent[name] = self.sent.get(name, 0) + 1
            if not code:
                self.succeeded[name] = self.succeeded.get(name, 0) + 1
            if code == ErrorCode.GeneralFailure and name not in _FAILING:
                raise FindingError(f"{name} answered GeneralFailure")
        self.history[-1] += " -> " + " ".join(f"{name}={code:X}" for name, code in record.rops)
        self._note(steps, responses)
        return responses

    def _request(self, step: Step) -> RopRequest:
        owner = self.open.get(step.slot)
        logon_id = owner.logon_id if owner is not None else min(step.slot, 1)
        if len(self.places) == 1:
            logon_id = 0
        if step.slot < len(self.places):
            logon_id = step.slot
        made = request(step.name, step.slot, logon_id, **step.fields)
        if ROPS_BY_NAME[step.name].response_handle and self.values.chance(0.5):
            made.response_handle_index = self.source.choice((step.slot, 0))
        return made

    def _note(self, steps: Sequence[Step], responses: Sequence[RopResponse]) -> None:
        for slot in list(self.open):
            if self.handles[slot] == UNASSIGNED_HANDLE or self.handles[slot] == 0x01FFFFFE:
                del self.open[slot]
        answered = [item for item in responses if item.rop.common_header]
        for step, response in zip((item for item in steps if item.name != "Release"), answered, strict=False):
            if response.rop.name != step.name or response.return_value:
                continue
            value = response.value
            if step.name == "SetColumns":
                self.columns[self.handles[step.slot]] = step.fields["property_tags"]
                if step.slot in self.open:
                    self.open[step.slot].columns = step.fields["property_tags"]
            elif step.name == "ResetTable" and step.slot in self.open:
                self.open[step.slot].columns = ()
            elif step.name == "CreateBookmark":
                self.bookmarks = [*self.bookmarks[-5:], value.bookmark]
            elif step.name == "GetCollapseState":
                self.collapse_states = [*self.collapse_states[-5:], value.collapse_state]
            elif step.name == "SetCollapseState":
                self.bookmarks = [*self.bookmarks[-5:], value.bookmark]
            elif step.name == "GetLocalReplicaIds" and step.slot == 0:
                self.local_ids = value.repl_guid, value.global_count
            elif step.name in {"OpenMessage", "ReloadCachedInformation", "OpenEmbeddedMessage"}:
                slot = step.fields.get("output_handle_index", step.slot)
                if slot in self.open:
                    self.columns[self.handles[slot]] = list(value.recipient_columns)
                    self.open[slot].fresh = True
            elif step.name == "CreateFolder" and step.opens is not None:
                step.opens.folder_id = value.folder_id.counter
            elif step.name == "FastTransferSourceGetBuffer" and step.slot in self.open:
                operation = self.open[step.slot].folder_id
                self.streams[operation] = (self.streams.get(operation, b"") + value.transfer_buffer)[-200_000:]

    # What there is

    def any(self, *kinds: str) -> int | None:
        found = [slot for slot, item in self.open.items() if item.kind in kinds]
        if not found:
            return None
        return found[-1] if self.values.chance(0.5) else self.source.choice(found)

    def logon_id(self) -> int:
        return 0 if self.values.chance(0.85) else self.source.randrange(len(self.places))

    def folder_id(self, logon_id: int) -> int:
        known = self.places[logon_id].folders
        if self.values.chance(0.4):
            known = known[-12:]  # those that clients have made
        return self.source.choice(known) if known and not self.values.chance(0.02) else self.source.randrange(1, 500)

    def oid(self, counter: int) -> ObjectId:
        return ObjectId(1 if not self.values.chance(0.01) else 5, counter)

    def message(self, logon_id: int) -> tuple[int, int]:
        """(folder id, message id)"""
        known = self.places[logon_id].messages
        if not known or self.values.chance(0.03):
            return self.folder_id(logon_id), self.source.randrange(1, 1000)
        message_id, folder_id = self.source.choice(known)
        return folder_id, message_id

    def messages_in(self, folder_id: int, logon_id: int) -> list[ObjectId]:
        known = [key for key, place in self.places[logon_id].messages if place == folder_id]
        chosen = self.source.sample(known, min(len(known), self.source.choice((1, 1, 2, 5, 20))))
        if self.values.chance(0.1):
            chosen.append(self.message(logon_id)[1])
        return [self.oid(item) for item in chosen]

    @property
    def named(self) -> list[int]:
        return self.places[0].named


def _fitting(requests: Sequence[RopRequest]) -> list[RopRequest]:
    """Those that there is room for."""
    space = MAXIMUM_PAYLOAD - 2 - 4 * SLOTS
    fitting = []
    for item in requests:
        try:
            space -= len(build_request(item))
        except ConstructError:
            break  # more than its size can tell
        if space < 0:
            break
        fitting.append(item)
    return fitting


def _shown(fields: Mapping[str, Any]) -> str:
    text = ", ".join(f"{name}={value!r}" for name, value in fields.items())
    return text if len(text) < 400 else text[:400] + "…"
