"""Starts what takes and sends mail, as it is configured."""

import asyncio
from contextlib import AsyncExitStack

from mapigw.directory.directory import Directory
from mapigw.mail.arrivals import Arrivals
from mapigw.mail.arrivals_sending import Sending
from mapigw.mail.delivery import Deliverer
from mapigw.mail.delivery_addresses import Addresses
from mapigw.mail.lmtp import LmtpServer
from mapigw.mail.queue import HOUR, Schedule
from mapigw.mail.relay import Relay, RelaySettings
from mapigw.mail.submission_recipients import Expansion
from mapigw.mail.submission_steps import Names, Transport
from mapigw.mailbox.mailboxes import Mailboxes
from mapigw.server.config import Settings, split_address


async def start_mail(
    settings: Settings, mailboxes: Mailboxes, directory: Directory, host_name: str, stack: AsyncExitStack
) -> str:
    """Send what is in the queue, and take mail by LMTP, until the stack is closed; returns where, "" for nowhere.

    Raises OSError, `AddressInUseError`.
    """
    mail = settings.mail
    hostname = mail.hostname or host_name
    deliverer = Deliverer(mailboxes)
    addresses = Addresses(directory, mail.catch_all)
    relay = None
    if settings.relay:
        host, port = split_address(settings.relay)
        relay = Relay(
            RelaySettings(
                host,
                port,
                mail.relay_security,
                mail.relay_user,
                mail.relay_password,
                str(mail.relay_authorities) if mail.relay_authorities else None,
                hostname,
            )
        )
        stack.push_async_callback(relay.close)
    deliverer.disposer = Arrivals(Sending(directory, Expansion(directory, addresses), hostname))
    schedule = Schedule(warn_after=int(mail.warn_hours * HOUR), bounce_after=int(mail.bounce_hours * HOUR))
    names = Names(hostname, tnef_domains=frozenset(map(str.lower, mail.tnef_domains)))
    transport = Transport(deliverer, directory, addresses, relay, names, schedule)
    working = asyncio.create_task(transport.queue.run())
    stack.push_async_callback(_ended, working)
    if not settings.lmtp:
        return ""
    forward = transport.forward if relay is not None else None
    server = LmtpServer(deliverer, addresses, hostname, forward, mail.size_limit)
    where = settings.lmtp if settings.lmtp.startswith("/") else split_address(settings.lmtp)
    return await stack.enter_async_context(server.listening(where))


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))
