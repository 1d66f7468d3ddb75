"""A client of one session: whole request buffers through the dispatcher, its handle table kept between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mapigw.directory.model import Group, User
from mapigw.emsmdb.dispatch import ExecuteRecord, execute
from mapigw.emsmdb.session import UNASSIGNED_HANDLE, Session
from mapigw.mailbox.permissions import Right
from mapigw.wire.mapihttp import EXECUTE_REQUEST
from mapigw.wire.rop_buffer import (
    RopRequest,
    RopResponse,
    build_requests,
    join,
    parse_requests,
    parse_responses,
    request,
)
from mapigw.wire.rops import ROPS_BY_NAME
from mapigw.wire.rpc_header import join_payloads, split_payloads

CHAIN = 4
MAX_ROP_OUT = 0x8007  # what Outlook 16 sends
LOGON = 0
"""The slot of the logon."""


class FakeDirectory:
    """The users and groups of a test. ``groups`` tells the groups that users are in, by the users' legacy DNs."""

    def __init__(self, *users: User, groups: Mapping[str, Sequence[Group]] | None = None) -> None:
        self._users = {user.legacy_dn.lower(): user for user in users}
        self._groups = groups or {}

    def add(self, user: User) -> None:
        self._users[user.legacy_dn.lower()] = user

    async def by_legacy_dn(self, dn: str) -> User | None:
        return self._users.get(dn.lower())

    async def names_of(self, user: User) -> frozenset[str]:
        groups = self._groups.get(user.legacy_dn, ())
        return frozenset({user.legacy_dn.lower(), *(group.legacy_dn.lower() for group in groups)})

    async def mailbox_rights(self, user: User, owner: User) -> Right:
        return Right.MANAGE if user.user_id == owner.user_id else Right.NONE

    async def entry(self, dn: str) -> User | Group | None:
        groups = (group for groups in self._groups.values() for group in groups)
        return self._users.get(dn.lower()) or next(
            (group for group in groups if group.legacy_dn.lower() == dn.lower()), None
        )


class Client:
    """``handles`` is the client's table; the number of a slot is its index in every request."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.handles = [UNASSIGNED_HANDLE]
        self.payloads: list[bytes] = []
        """Of the last answer."""
        self.notified: list[Any] = []
        """The fields of every RopNotify, in order."""
        self.is_pending = False
        """Whether the last answer said that there are more."""
        self._columns: dict[int, Sequence[int]] = {}

    @property
    def last(self) -> int:
        """The newest slot."""
        return len(self.handles) - 1

    def request(self, name: str, index: int = LOGON, **fields: Any) -> RopRequest:
        """A request; what it opens goes to a new slot."""
        if ROPS_BY_NAME[name].output_handle:
            self.handles.append(UNASSIGNED_HANDLE)
            fields["output_handle_index"] = self.last
        return request(name, index, **fields)

    async def send(
        self,
        *requests: RopRequest,
        flags: int = 3,
        max_rop_out: int = MAX_ROP_OUT,
        columns: Mapping[int, Sequence[int]] | None = None,
    ) -> list[RopResponse]:
        """Execute the requests; the responses of all payloads. ``columns`` are those of rows, by slot.

        Notifications are put apart.
        """
        for item in requests:
            if item.rop.name == "SetColumns" and item.handle_index < len(self.handles):
                self._columns[self.handles[item.handle_index]] = item.value["property_tags"]
        data = join_payloads([build_requests(requests, self.handles)])
        answer = await self.execute(data, flags, max_rop_out)
        assert len(answer) <= max_rop_out
        self.payloads = split_payloads(answer)
        by_handle = self._columns | {self.handles[slot]: tags for slot, tags in (columns or {}).items() if tags}
        responses = []
        self.is_pending = False
        for payload in self.payloads:
            parsed = parse_responses(payload, requests, by_handle)
            self.handles = parsed.handles
            for response in parsed.responses:
                if response.rop.name == "Notify":
                    self.notified.append(response.value)
                elif response.rop.name == "Pending":
                    self.is_pending = True
                else:
                    responses.append(response)
        return responses

    async def execute(self, data: bytes, flags: int, max_rop_out: int) -> bytes:
        """The answer to one request buffer."""
        return await execute(self.session, data, flags, max_rop_out, ExecuteRecord(self.session.user.address, 0))

    async def fetch(self) -> list[Any]:
        """The fields of every RopNotify since the last time."""
        await self.send()
        notified, self.notified = self.notified, []
        return notified

    async def value(self, name: str, index: int = LOGON, columns: Sequence[int] = (), **fields: Any) -> Any:
        """The response fields of one ROP that must succeed."""
        (response,) = await self.send(self.request(name, index, **fields), columns={index: columns})
        assert response.return_value == 0, f"{name} answered 0x{response.return_value:08X}"
        return response.value

    async def error(self, name: str, index: int = LOGON, **fields: Any) -> int:
        """The ReturnValue of one ROP that must fail."""
        (response,) = await self.send(self.request(name, index, **fields))
        assert response.return_value, f"{name} succeeded"
        return response.return_value

    async def log_on(self) -> None:
        """RopLogon on the user's own mailbox."""
        dn = self.session.user.legacy_dn.encode()
        await self.value("Logon", logon_flags=1, open_flags=0x2100040C, store_state=0, essdn=dn)

    async def properties(self, index: int, *columns: int, want_unicode: int = 1) -> list[Any]:
        """The cells of RopGetPropertiesSpecific."""
        value = await self.value(
            "GetPropertiesSpecific",
            index,
            property_size_limit=0,
            want_unicode=want_unicode,
            property_tags=list(columns),
        )
        cells: list[Any] = value.row_data
        return cells

    async def replay(self, request_body: bytes, *slots: int) -> list[RopResponse]:
        """Execute the ROPs of a captured Execute request, byte for byte, on the handles of this client's ``slots``.

        -1 stands for an unassigned one. The answer's handles take the places of the slots.
        """
        sent = EXECUTE_REQUEST.parse(request_body)
        (payload,) = split_payloads(sent.rop_buffer)
        rops = payload[2 : int.from_bytes(payload[:2], "little")]
        table = [UNASSIGNED_HANDLE if slot < 0 else self.handles[slot] for slot in slots]
        record = ExecuteRecord(self.session.user.address, 0)
        answer = await execute(self.session, join_payloads([join([rops], table)]), sent.flags, sent.max_rop_out, record)
        self.payloads = split_payloads(answer)
        requests = parse_requests(payload).requests
        # The columns of a table are those of the SetColumns in the same buffer.
        columns = [item.value.property_tags for item in requests if item.rop.name == "SetColumns"]
        by_handle = dict.fromkeys(range(1, 4096), columns[0]) if columns else {}
        parsed = parse_responses(self.payloads[0], requests, by_handle)
        for position, handle in enumerate(parsed.handles):
            if slots[position] < 0:
                self.handles.append(handle)
            else:
                self.handles[slots[position]] = handle
        return parsed.responses
