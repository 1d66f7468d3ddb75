"""What stands behind the MAPI/HTTP transport: the protocols that the mailbox and the address book endpoint implement.

The transport (``mapigw/server/mapihttp.py``) knows headers, cookies, session contexts and chunks; an endpoint knows
request and response bodies (MS-OXCMAPIHTTP 2.2.4, 2.2.5). Neither knows the other's business.
"""

from dataclasses import dataclass
from typing import Protocol

from mapigw.directory.model import User
from mapigw.wire.codes import ErrorCode


@dataclass(frozen=True, slots=True)
class ClientContext:
    """What the transport knows of the client that asks for a session context; for logs and limits only."""

    address: str
    """The client's network address as text, behind a trusted proxy the forwarded one."""
    application: str = ""
    """X-ClientApplication, such as ``Outlook/16.0.20131.20000`` (MS-OXCMAPIHTTP 2.2.3.3.6)."""
    user_agent: str = ""
    request_id: str = ""


class EndpointSession(Protocol):
    """One session context as its endpoint sees it."""

    user: User

    async def request(self, request_type: str, body: bytes) -> bytes:
        """Answer one request with its response body, success or failure.

        The transport runs one request at a time, except NotificationWait, which may run beside another. Raises
        `WireError` for a body that cannot be parsed; the transport answers it with Invalid Request Body.
        """
        ...

    async def close(self, *, shutting_down: bool = False) -> None:
        """Release everything the context holds. Idempotent. No request is answered afterwards."""
        ...


class SessionEndpoint(Protocol):
    """The mailbox server endpoint or the address book server endpoint."""

    connect_type: str
    """The request type that makes a session context: ``Connect`` or ``Bind``."""
    disconnect_type: str
    """The request type that ends it: ``Disconnect`` or ``Unbind``. The session answers it like any other request;
    the transport then closes the session."""
    request_types: frozenset[str]
    """The request types that need a session context, ``disconnect_type`` among them."""
    too_many_sessions: ErrorCode
    """The StatusCode of the failure that a client gets when there are as many sessions as there may be."""

    async def connect(self, user: User, body: bytes, client: ClientContext) -> tuple[bytes, EndpointSession | None]:
        """The response body, and the session when the request succeeded. Raises `WireError` for a malformed body."""
        ...

    async def stateless(self, user: User, request_type: str, body: bytes) -> bytes | None:
        """Answer a request whose session context is gone, where that makes sense; None where it does not."""
        ...
