"""Mail comes in: the LMTP server that a mail transfer agent delivers to (RFC 2033, 6531, 6152).

A message is spooled while it is received and parsed once, however many it is for. Each recipient has a reply of its
own after the data; it is 250 when the message is on disk.
"""

import asyncio
import logging
import os
import re
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import Envelope, Session

from mapigw.directory.model import Contact, User
from mapigw.mail.delivery import Deliverer, LoopError, accepts
from mapigw.mail.delivery_addresses import Addresses, Destinations
from mapigw.mail.receiving import received
from mapigw.mailbox.mailboxes import NewMessage, NotFoundError
from mapigw.store.spool import MEMORY_MAXIMUM, Spool

DEFAULT_SIZE_LIMIT: Final = 153_600 << 10
"""Bytes of a message: as many as a client may submit."""
CHUNK: Final = 1 << 16
COMMAND_MAXIMUM: Final = 2048
IDLE_SECONDS: Final = 300.0
PATIENCE: Final = 10.0
"""Seconds that deliveries under way have when the server stops."""
BACKLOG: Final = 1024

_END: Final = b"\r\n.\r\n"
_NULL_SENDER: Final = "<>"
_USUAL_PATH: Final = re.compile(r"<((?:[^<>@\s\"\\()\[\],;:]+@[^<>@\s\"\\()\[\],;:]+)?)>(?:\s+(.*))?")

log = logging.getLogger(__name__)
logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd tells of every command

Forward = Callable[[str, Contact, NewMessage], Awaitable[None]]
"""Puts a message from a reverse path for somebody elsewhere into the queue; on disk when it returns."""


class AddressInUseError(Exception):
    """Something else answers on the socket; the message says where."""


@dataclass(slots=True)
class _Transaction:
    """What is known of a message before its data."""

    recipients: list[tuple[str, Destinations]] = field(default_factory=list)
    declared_size: int = 0


@dataclass(slots=True)
class LmtpServer:
    """Takes mail for the mailboxes here. ``forward`` is None where nothing can be sent elsewhere."""

    deliverer: Deliverer
    addresses: Addresses
    hostname: str
    forward: Forward | None = None
    size_limit: int = DEFAULT_SIZE_LIMIT
    _busy: set[asyncio.Task[Any]] = field(default_factory=set)
    _connections: set["_Connection"] = field(default_factory=set)

    @asynccontextmanager
    async def listening(self, address: str | tuple[str, int]) -> AsyncIterator[str]:
        """Serve on a path, or a host and a port, while the block runs; yields where. Raises OSError."""
        loop = asyncio.get_running_loop()
        if isinstance(address, str):
            await asyncio.to_thread(_remove_dead_socket, Path(address))
            server = await loop.create_unix_server(self._connected, address, backlog=BACKLOG)
            # Who may reach it is told by the folder's permissions.
            await asyncio.to_thread(os.chmod, address, 0o666)
            where = address
        else:
            server = await loop.create_server(self._connected, *address, backlog=BACKLOG)
            host, port = server.sockets[0].getsockname()[:2]
            where = f"{f'[{host}]' if ':' in host else host}:{port}"
        try:
            yield where
        finally:
            server.close()
            if self._busy:
                await asyncio.wait(self._busy, timeout=PATIENCE)
            for connection in list(self._connections):
                connection.hang_up()
            if isinstance(address, str):
                await asyncio.to_thread(Path(address).unlink, True)

    def _connected(self) -> "_Connection":
        return _Connection(self)

    async def recipient(self, address: str, size: int) -> Destinations | str:
        """Whom mail for an address reaches, or the reply that refuses it."""
        entry = await self.addresses.find(address)
        if entry is None:
            return "550 5.1.1 There is nobody of this address here"
        found = await self.addresses.destinations(entry)
        if isinstance(entry, User) and not entry.enabled:
            return "550 5.2.1 The mailbox is disabled"
        if not found.users and not found.contacts:
            return "550 5.1.1 The group has no members"
        if found.contacts and self.forward is None and not found.users:
            return "550 5.7.1 Mail cannot be sent elsewhere from here"
        if isinstance(entry, User) and not await self._has_room(entry, size):
            return "452 4.2.2 The mailbox is full"
        return found

    async def _has_room(self, user: User, size: int) -> bool:
        return await accepts(await self.deliverer.mailboxes.open(user.mailbox_id), size)

    async def deliver(self, sender: str, recipients: list[tuple[str, Destinations]], spool: Spool) -> list[str]:
        """Deliver what was received; a reply for each recipient. A person who is reached twice gets it once."""
        try:
            source = spool.path or spool.read(0, spool.size)
            message = await received(self.deliverer.mailboxes.database, source)
        except Exception:
            log.exception("a message of %d bytes could not be stored", spool.size)
            return ["451 4.3.0 The message could not be stored"] * len(recipients)
        deliveries: dict[int | str, asyncio.Task[str]] = {}
        wanted: list[list[asyncio.Task[str]]] = []
        async with asyncio.TaskGroup() as group:
            for address, found in recipients:
                tasks = []
                for user in found.users.values():
                    if user.mailbox_id not in deliveries:
                        deliveries[user.mailbox_id] = group.create_task(self._to(user, message, address, spool.size))
                    tasks.append(deliveries[user.mailbox_id])
                for contact in found.contacts.values():
                    if contact.address not in deliveries:
                        deliveries[contact.address] = group.create_task(self._elsewhere(sender, contact, message))
                    tasks.append(deliveries[contact.address])
                wanted.append(tasks)
        return [_reply([task.result() for task in tasks]) for tasks in wanted]

    async def _to(self, user: User, message: NewMessage, address: str, size: int) -> str:
        try:
            if not await self._has_room(user, size):
                return "452 4.2.2 The mailbox is full"
            await self.deliverer.deliver(user, message, address)
        except NotFoundError:
            return "550 5.1.1 The mailbox does not exist any more"
        except Exception:
            log.exception("a message could not be delivered to %s", user.address)
            return "451 4.3.0 The message could not be delivered"
        return "250 2.1.5 Delivered"

    async def _elsewhere(self, sender: str, contact: Contact, message: NewMessage) -> str:
        if self.forward is None:
            return "550 5.7.1 Mail cannot be sent elsewhere from here"
        try:
            await self.forward(sender, contact, message)
        except LoopError:
            return "554 5.4.6 The message goes in a circle"
        except Exception:
            log.exception("a message could not be queued for %s", contact.address)
            return "451 4.3.0 The message could not be queued"
        return "250 2.1.5 Queued"


def _reply(replies: list[str]) -> str:
    """One for all whom an address reaches: what has to be tried again wins, and who got it outweighs a refusal."""
    for kind in ("451", "250", "452"):
        for reply in replies:
            if reply.startswith(kind):
                return reply
    return replies[0]


class _Connection(LMTP):
    line_length_limit = CHUNK
    command_size_limits: dict[str, int] = defaultdict(lambda: COMMAND_MAXIMUM)  # as the base class has it

    def __init__(self, server: LmtpServer) -> None:
        super().__init__(
            _Hooks(server),
            data_size_limit=server.size_limit,
            enable_SMTPUTF8=True,
            hostname=server.hostname,
            ident="mapigw LMTP",
            timeout=IDLE_SECONDS,
            loop=asyncio.get_running_loop(),
        )
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._server._connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._server._connections.discard(self)
        super().connection_lost(error)

    def hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """As aiosmtpd does it, but that it needs no full parser for the usual form."""
        found = _USUAL_PATH.fullmatch(arg.strip())
        if found is None:
            return super()._getaddr(arg)
        return found[1] or _NULL_SENDER, found[2] or ""

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802
        """Receive a message, deliver it, and reply for each recipient (RFC 2033 4.2)."""
        if await self.check_helo_needed("LHLO"):
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        assert self.envelope is not None
        assert self.session is not None
        transaction = _transaction(self.envelope)
        if not transaction.recipients:
            await self.push("503 5.5.1 There are no recipients")
            return
        sender = "" if self.envelope.mail_from == _NULL_SENDER else str(self.envelope.mail_from)
        spool = Spool(self._server.deliverer.mailboxes.database.blobs)
        task = asyncio.current_task()
        assert task is not None
        try:
            spool.write(0, _trace(self.session, sender, transaction, self._server.hostname))
            # The terminator begins with the end of a line, and so may the message.
            self._reader.feed_data(b"\r\n")
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            complete = await self._receive(spool)
            self._server._busy.add(task)
            if complete:
                replies = await self._server.deliver(sender, transaction.recipients, spool)
            else:
                replies = ["552 5.3.4 The message is too large"] * len(transaction.recipients)
            for reply in replies:
                await self.push(reply)
        finally:
            self._server._busy.discard(task)
            await asyncio.to_thread(spool.close)
            self._set_post_data_state()  # type: ignore[no-untyped-call]

    async def _receive(self, spool: Spool) -> bool:
        """Read to the terminator, without the dots that the client added; returns whether it was not too large."""
        limit = spool.size + self._server.size_limit
        held = b""  # the end of a line, behind which a dot may follow
        first = True
        while True:
            try:
                chunk = await self._reader.readuntil(_END)
                last = True
            except asyncio.LimitOverrunError as error:
                chunk = await self._reader.readexactly(error.consumed)
                last = False
            self._reset_timeout()
            data = held + (chunk[: 2 - len(_END)] if last else chunk)
            held = b"" if last else b"\r\n" if data.endswith(b"\r\n") else b"\r" if data.endswith(b"\r") else b""
            data = data[: len(data) - len(held)].replace(b"\r\n.", b"\r\n")
            if first and len(data) >= 2:
                data, first = data[2:], False
            if spool.size + len(data) > limit:
                await self._skip(last)
                return False
            if spool.size + len(data) <= MEMORY_MAXIMUM:
                spool.write(spool.size, data)
            else:
                await _finished(asyncio.to_thread(spool.write, spool.size, data))
            if last:
                return True

    async def _skip(self, ended: bool) -> None:
        while not ended:
            try:
                await self._reader.readuntil(_END)
                ended = True
            except asyncio.LimitOverrunError as error:
                await self._reader.readexactly(error.consumed)
            self._reset_timeout()


class _Hooks:
    """What aiosmtpd asks on the way to the data."""

    def __init__(self, server: LmtpServer) -> None:
        self._server = server

    async def handle_EHLO(  # noqa: N802
        self, connection: LMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [responses[0], "250-PIPELINING", *responses[1:]]

    async def handle_MAIL(  # noqa: N802
        self, connection: LMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        sizes = [option.partition("=")[2] for option in options if option.startswith("SIZE=")]
        _transaction(envelope).declared_size = int(sizes[0]) if sizes and sizes[0].isdigit() else 0
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, connection: LMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        transaction = _transaction(envelope)
        found = await self._server.recipient(address, transaction.declared_size)
        if isinstance(found, str):
            return found
        transaction.recipients.append((address, found))
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_exception(self, error: Exception) -> str:
        log.error("an LMTP command failed", exc_info=error)
        return "451 4.3.0 The command failed"


async def _finished(work: Coroutine[Any, Any, None]) -> None:
    """Wait for what a thread does even when cancelled: nothing may be closed under it."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,))
        raise


def _transaction(envelope: Envelope) -> _Transaction:
    """The envelope's own; an envelope is made for each transaction."""
    found: _Transaction | None = getattr(envelope, "transaction", None)
    if found is None:
        found = _Transaction()
        setattr(envelope, "transaction", found)  # noqa: B010 (the class does not declare it)
    return found


def _trace(session: Session, sender: str, transaction: _Transaction, hostname: str) -> bytes:
    """Return-Path, Delivered-To and Received (RFC 5321 4.4). Delivered-To only tells one recipient of itself."""
    lines = [f"Return-Path: <{sender}>"]
    if len(transaction.recipients) == 1:
        lines.append(f"Delivered-To: {transaction.recipients[0][0]}")
    client = "".join(letter for letter in session.host_name or "" if letter.isalnum() or letter in ".-[]:")[:255]
    lines.append(f"Received: from {client or 'unknown'} by {hostname} with LMTP id {uuid4().hex};")
    lines.append(f"\t{format_datetime(datetime.now(UTC))}")
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "replace")


def _remove_dead_socket(path: Path) -> None:
    """What a server that was killed has left. Raises `AddressInUseError` where one still answers."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise AddressInUseError(f"{path}: something else listens there")
