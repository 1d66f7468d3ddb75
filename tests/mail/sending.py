"""A mail server of a test: users, LMTP, the queue, and a relay that takes everything."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.directory.passwords import Argon2Parameters, Passwords
from mapigw.mail.arrivals import Arrivals
from mapigw.mail.arrivals_sending import Sending
from mapigw.mail.delivery import Deliverer
from mapigw.mail.delivery_addresses import Addresses
from mapigw.mail.lmtp import LmtpServer
from mapigw.mail.queue import Schedule
from mapigw.mail.relay import Relay, RelaySettings, Security
from mapigw.mail.submission_recipients import Expansion
from mapigw.mail.submission_steps import Names, Transport
from mapigw.mailbox.content import DecodedMessage, decode_message
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.store import queue
from mapigw.store.database import Database
from mapigw.store.messages import MessageRow

MAIL = b"From: Anna <anna@far.example>\r\nTo: tom@bm.lan\r\nSubject: Hello\r\n\r\nThe text.\r\n"


@dataclass
class Taken:
    """What the relay has got."""

    sender: str
    recipients: list[str]
    content: bytes
    options: list[str]


@dataclass
class FakeRelay:
    """An SMTP server whose replies a test chooses."""

    taken: list[Taken] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)
    """To RCPT, by address."""
    data_reply: str = "250 2.0.0 queued"
    connections: int = 0
    port: int = 0

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        reply = self.replies.get(address, "250 OK")
        if reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.data_reply.startswith("250"):
            options = list(envelope.mail_options)
            self.taken.append(Taken(envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content, options))
        return self.data_reply

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeRelay"]:
        loop = asyncio.get_running_loop()

        def connected() -> SMTP:
            self.connections += 1
            return SMTP(self, enable_SMTPUTF8=True, hostname="relay.example", loop=loop)

        server = await loop.create_server(connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()


@dataclass
class Site:
    """Everything in one process, on one data folder."""

    database: Database
    directory: Directory
    mailboxes: Mailboxes
    deliverer: Deliverer
    addresses: Addresses
    transport: Transport
    relay: FakeRelay
    lmtp: LmtpServer

    async def add(self, address: str, name: str = "") -> User:
        return await self.directory.add(address, "secret", display_name=name)

    async def mailbox(self, user: User | str) -> Mailbox:
        if isinstance(user, str):
            found = await self.directory.by_address(user)
            assert found is not None
            user = found
        return await self.mailboxes.open(user.mailbox_id)

    async def rows(self, user: User | str, key: str = "inbox") -> list[MessageRow]:
        """The messages of a well-known folder, the first that came first."""
        mailbox = await self.mailbox(user)
        folder = await mailbox.special_folder(key)
        found = await mailbox.messages(folder.folder_id, await mailbox.message_ids(folder.folder_id, associated=False))
        return [found[message_id] for message_id in sorted(found)]

    async def contents(self, user: User | str, key: str = "inbox") -> list[DecodedMessage]:
        return [decode_message(row) for row in await self.rows(user, key)]

    async def entries(self) -> list[queue.OutgoingRow]:
        async with self.database.read() as connection:
            return await queue.select_listing(connection)

    async def recipients(self, outgoing_id: int) -> list[queue.RecipientRow]:
        async with self.database.read() as connection:
            return await queue.select_recipients(connection, outgoing_id)

    async def settled(self, seconds: float = 10.0) -> None:
        """Wait until nothing is left in the queue."""
        await self.until(self._is_empty, seconds)

    async def _is_empty(self) -> bool:
        return not await self.entries()

    async def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        async with asyncio.timeout(seconds):
            while not await condition():
                await asyncio.sleep(0.005)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """The queue is worked off while the block runs."""
        task = asyncio.create_task(self.transport.queue.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))


@asynccontextmanager
async def site(
    data: Path,
    *,
    schedule: Schedule | None = None,
    with_relay: bool = True,
    catch_all: dict[str, str] | None = None,
    size_limit: int = 50 << 20,
    tnef_domains: frozenset[str] = frozenset(),
) -> AsyncIterator[Site]:
    database = await Database.open(data)
    try:
        directory = Directory(
            database, passwords=Passwords(Argon2Parameters(time_cost=1, memory_cost=8, parallelism=1))
        )
        mailboxes = Mailboxes(database)
        deliverer = Deliverer(mailboxes)
        addresses = Addresses(directory, catch_all or {})
        deliverer.disposer = Arrivals(Sending(directory, Expansion(directory, addresses), "mail.bm.lan"))
        async with FakeRelay().running() as fake:
            settings = RelaySettings("127.0.0.1", fake.port, Security.NONE, hostname="mail.bm.lan")
            relay = Relay(settings) if with_relay else None
            names = Names("mail.bm.lan", tnef_domains=tnef_domains)
            transport = Transport(deliverer, directory, addresses, relay, names, schedule or Schedule())
            forward = transport.forward if with_relay else None
            lmtp = LmtpServer(deliverer, addresses, "mail.bm.lan", forward, size_limit)
            yield Site(database, directory, mailboxes, deliverer, addresses, transport, fake, lmtp)
            if relay is not None:
                await relay.close()
    finally:
        await database.close()


class LmtpClient:
    """Speaks LMTP line by line."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self) -> str:
        """The last line of a reply."""
        while True:
            line = (await self.reader.readline()).decode().rstrip("\r\n")
            if line[3:4] != "-":
                return line

    async def command(self, line: str) -> str:
        self.writer.write(f"{line}\r\n".encode())
        return await self.reply()

    async def send(self, content: bytes, *recipients: str, sender: str = "anna@far.example") -> list[str]:
        """The replies to the recipients who were refused, or to the data."""
        assert (await self.command(f"MAIL FROM:<{sender}>")).startswith("250")
        replies = {recipient: await self.command(f"RCPT TO:<{recipient}>") for recipient in recipients}
        taken = [recipient for recipient, reply in replies.items() if reply.startswith("250")]
        if taken:
            assert (await self.command("DATA")).startswith("354")
            self.writer.write(content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
            for recipient in taken:
                replies[recipient] = await self.reply()
        else:
            await self.command("RSET")
        return list(replies.values())


@asynccontextmanager
async def lmtp_client(where: str) -> AsyncIterator[LmtpClient]:
    if where.startswith("/"):
        reader, writer = await asyncio.open_unix_connection(where)
    else:
        host, _, port = where.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
    client = LmtpClient(reader, writer)
    try:
        assert (await client.reply()).startswith("220")
        assert (await client.command("LHLO test.example")).startswith("250")
        yield client
    finally:
        writer.close()
