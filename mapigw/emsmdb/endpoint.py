"""The mailbox server endpoint: its four request types (MS-OXCMAPIHTTP 2.2.4, MS-OXCRPC 3.1.4)."""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mapigw.emsmdb.access import AccessRecord
from mapigw.emsmdb.dispatch import ExecuteError, ExecuteRecord, execute
from mapigw.emsmdb.registry import load_handlers
from mapigw.emsmdb.session import ConnectParameters, Session
from mapigw.wire.auxiliary import (
    AUX_VERSION_1,
    AuxiliaryBlock,
    AuxiliaryType,
    EnableFlags,
    OrgFlags,
    ServerCapabilityFlags,
    build_auxiliary,
    parse_auxiliary,
)
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.mapihttp import (
    CONNECT_REQUEST,
    CONNECT_RESPONSE,
    DISCONNECT_REQUEST,
    DISCONNECT_RESPONSE,
    EXECUTE_REQUEST,
    EXECUTE_RESPONSE,
    NOTIFICATION_WAIT_REQUEST,
    NOTIFICATION_WAIT_RESPONSE,
    ConnectFlags,
    failure_response,
)
from mapigw.wire.rpc_header import HEADER_SIZE, join_payloads, split_payloads

if TYPE_CHECKING:
    from mapigw.directory.directory import Directory
    from mapigw.directory.model import User
    from mapigw.endpoint import ClientContext
    from mapigw.mailbox.mailboxes import Mailboxes

logger = logging.getLogger("mapigw.emsmdb")

POLLS_MAX = 60_000
RETRY_COUNT = 6
RETRY_DELAY = 10_000
"""Milliseconds. The three values of Connect are those of Exchange."""

NOTIFICATION_WAIT_SECONDS = 300.0
"""A NotificationWait ends after 5 minutes without events (MS-OXCMAPIHTTP 3.2.2)."""

MAXIMUM_ROP_BUFFER = 0x40000
MAXIMUM_ROP_OUT = 0x100000
"""The largest MaxRopOut of a server with ULTRA_LARGE_PACKED_DOWNLOAD_BUFFERS (MS-OXCRPC 3.1.4.2, pcbOut)."""
MAXIMUM_AUXILIARY_BUFFER = 0x1008

RPC_X_BAD_STUB_DATA = 0x000006F7
RPC_FAILED = 0x80040115  # ecRpcFailed
PERFORMANCE_DATA_EXPIRY = 604_800_000  # a week in milliseconds, as Exchange says


class EmsmdbEndpoint:
    """A `SessionEndpoint`.

    ``observe`` is called with each Execute's `ExecuteRecord` for the structured log, ``audit`` with each logon to a
    mailbox that is not the user's own. ``server_name`` goes into the session information that clients log.
    ``wait_seconds`` bounds a NotificationWait.
    """

    connect_type = "Connect"
    disconnect_type = "Disconnect"
    request_types = frozenset({"Execute", "NotificationWait", "Disconnect"})
    too_many_sessions = ErrorCode.TooManySessions

    def __init__(
        self,
        directory: Directory,
        mailboxes: Mailboxes,
        *,
        server_name: str = "mapigw",
        observe: Callable[[ExecuteRecord], None] | None = None,
        audit: Callable[[AccessRecord], None] | None = None,
        wait_seconds: float = NOTIFICATION_WAIT_SECONDS,
    ) -> None:
        load_handlers()
        self.directory = directory
        self.mailboxes = mailboxes
        self.server_name = server_name
        self.observe = observe
        self.audit = audit
        self.wait_seconds = wait_seconds
        self._connection_ids = itertools.count(1)

    async def connect(self, user: User, body: bytes, client: ClientContext) -> tuple[bytes, EmsmdbSession | None]:
        """Open a session for ``user``, who has authenticated, if the UserDn is that user's (MS-OXCRPC 3.1.4.1)."""
        request = CONNECT_REQUEST.parse(body)
        auxiliary_error = _check_auxiliary(request.auxiliary_buffer)
        if auxiliary_error:
            return failure_response(auxiliary_error), None
        user_dn = request.user_dn.decode("ascii", "replace")
        named = await self.directory.by_legacy_dn(user_dn) if user_dn else None
        if named is None and user_dn:
            return failure_response(ErrorCode.UnknownUser), None
        if named is None or named.user_id != user.user_id:
            logger.warning("%s asked for a session as %s", user.address, user_dn or "nobody")
            return failure_response(ErrorCode.AccessDenied), None
        admin = bool(request.flags & ConnectFlags.AdminPrivilege)
        if admin and not user.admin:
            return failure_response(ErrorCode.LoginPermission), None
        parameters = ConnectParameters(
            default_code_page=request.default_code_page,
            lcid_sort=request.lcid_sort,
            lcid_string=request.lcid_string,
            admin=admin,
        )
        _log_auxiliary(user, client, request.auxiliary_buffer)
        response = CONNECT_RESPONSE.build(
            {
                "status_code": 0,
                "error_code": 0,
                "polls_max": POLLS_MAX,
                "retry_count": RETRY_COUNT,
                "retry_delay": RETRY_DELAY,
                "dn_prefix": b"",
                "display_name": user.display_name.replace("\0", ""),
                "auxiliary_buffer": self._connect_auxiliary(),
            }
        )
        return response, EmsmdbSession(self, Session(user, self.directory, self.mailboxes, parameters, self.audit))

    async def stateless(self, user: User, request_type: str, body: bytes) -> bytes | None:
        """Nothing of this endpoint can be answered without its session."""
        return None

    def _connect_auxiliary(self) -> bytes:
        information = f"ClientAccessServer={self.server_name},ConnectionID={next(self._connection_ids)}"
        blocks = (
            (
                AuxiliaryType.AUX_TYPE_SERVER_CAPABILITIES,
                {"server_capability_flags": ServerCapabilityFlags.ULTRA_LARGE_PACKED_DOWNLOAD_BUFFERS},
            ),
            (AuxiliaryType.AUX_TYPE_ENDPOINT_CAPABILITIES, {"endpoint_capability_flag": 1}),
            # There are no public folders; without the block the client would look for them.
            (AuxiliaryType.AUX_TYPE_EXORGINFO, {"org_flags": OrgFlags(0)}),
            (AuxiliaryType.AUX_SERVER_SESSION_INFO, {"server_session_context_info": information}),
            (
                AuxiliaryType.AUX_TYPE_CLIENT_CONTROL,
                {
                    "enable_flags": EnableFlags.ENABLE_COMPRESSION | EnableFlags.ENABLE_HTTP_TUNNELING,
                    "expiry_time": PERFORMANCE_DATA_EXPIRY,
                },
            ),
        )
        payload = build_auxiliary(AuxiliaryBlock(AUX_VERSION_1, kind, value) for kind, value in blocks)
        return join_payloads([payload])


class EmsmdbSession:
    """An `EndpointSession`: turns request bodies into calls on the `Session`."""

    def __init__(self, endpoint: EmsmdbEndpoint, session: Session) -> None:
        self.endpoint = endpoint
        self.session = session
        self.user = session.user

    async def request(self, request_type: str, body: bytes) -> bytes:
        """Answer Execute, NotificationWait or Disconnect. Raises `WireError` for a malformed body."""
        if request_type == "Execute":
            return await self._execute(body)
        if request_type == "NotificationWait":
            return await self._notification_wait(body)
        DISCONNECT_REQUEST.parse(body)
        return DISCONNECT_RESPONSE.build({"status_code": 0, "error_code": 0, "auxiliary_buffer": b""})

    async def close(self, *, shutting_down: bool = False) -> None:
        """Release every object; a waiting NotificationWait returns without an event."""
        await self.session.close()

    async def _execute(self, body: bytes) -> bytes:
        started = time.perf_counter()
        record = ExecuteRecord(self.user.address, len(body))
        try:
            return await self._executed(body, record)
        except WireError as error:
            record.error = str(error)
            raise
        finally:
            record.milliseconds = (time.perf_counter() - started) * 1000
            if self.endpoint.observe is not None:
                # After the answer has gone out, as a rule: nobody waits for the log.
                asyncio.get_running_loop().call_soon(self.endpoint.observe, record)

    async def _executed(self, body: bytes, record: ExecuteRecord) -> bytes:
        request = EXECUTE_REQUEST.parse(body)
        rop_buffer, max_rop_out = request.rop_buffer, request.max_rop_out
        code = _check_auxiliary(request.auxiliary_buffer)
        if len(rop_buffer) > MAXIMUM_ROP_BUFFER or max_rop_out > MAXIMUM_ROP_OUT:
            code = RPC_X_BAD_STUB_DATA
        elif len(rop_buffer) < HEADER_SIZE or max_rop_out < HEADER_SIZE:
            code = RPC_FAILED
        if not code:
            try:
                answer = await execute(self.session, rop_buffer, request.flags, max_rop_out, record)
            except WireError as error:
                # MS-OXCROPS 3.2.5.1: requests that cannot be parsed fail the call, and the session goes on.
                code, record.error = int(ErrorCode.RpcFormat), str(error)
            except ExecuteError as error:
                code, record.error = error.code, str(error)
        if code:
            record.error = record.error or f"0x{code:08X}"
            response = failure_response(code)
        else:
            response = EXECUTE_RESPONSE.build(
                {"status_code": 0, "error_code": 0, "flags": 0, "rop_buffer": answer, "auxiliary_buffer": b""}
            )
        record.response_bytes = len(response)
        return response

    async def _notification_wait(self, body: bytes) -> bytes:
        """Wait for an event, for the session's end or for 5 minutes (MS-OXCMAPIHTTP 2.2.4.4)."""
        NOTIFICATION_WAIT_REQUEST.parse(body)
        event_pending = await self.session.waiting.wait(self.endpoint.wait_seconds)
        return NOTIFICATION_WAIT_RESPONSE.build(
            {
                "status_code": 0,
                "error_code": 0,
                "event_pending": int(event_pending),
                "auxiliary_buffer": b"",
            }
        )


def _check_auxiliary(data: bytes) -> int:
    """The code to fail with for an auxiliary buffer of a wrong size (MS-OXCRPC 3.1.4.1, cbAuxIn), else 0."""
    if len(data) > MAXIMUM_AUXILIARY_BUFFER:
        return RPC_X_BAD_STUB_DATA
    return RPC_FAILED if 0 < len(data) < HEADER_SIZE else 0


def _log_auxiliary(user: User, client: ClientContext, data: bytes) -> None:
    """Note what the client says about its connection. It is informational, so what is wrong with it fails nothing."""
    if not data or not logger.isEnabledFor(logging.DEBUG):
        return
    try:
        for block in parse_auxiliary(b"".join(split_payloads(data))):
            if (block.version, block.type) == (AUX_VERSION_1, AuxiliaryType.AUX_CLIENT_CONNECTION_INFO):
                logger.debug("%s %s: %s", user.address, client.application, block.value["connection_context_info"])
    except WireError as error:
        logger.debug("%s %s: auxiliary buffer: %s", user.address, client.application, error)
