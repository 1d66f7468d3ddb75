"""Mail goes out: handed by SMTP to the mail transfer agent that sends it on (RFC 5321, 3207, 4954, 6152, 6531, 1870).

Connections are kept for what follows soon. A message is read from the blob store while it is sent, and never whole in
memory.
"""

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, NamedTuple

from aiosmtplib import SMTP
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPException,
    SMTPResponseException,
    SMTPServerDisconnected,
)

CONNECTIONS: Final = 4
"""Messages that are handed over at a time."""
IDLE_SECONDS: Final = 15.0
"""How long a connection is kept for another message."""
TIMEOUT: Final = 60.0
"""Seconds for a connection and for the reply to a command; RFC 5321 4.5.3.2 wants minutes only for what follows."""
DATA_TIMEOUT: Final = 600.0
RECIPIENTS: Final = 100
"""Of a transaction: so many every server takes (RFC 5321 4.5.3.1.8)."""

_STATUS: Final = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\b")
_LINE_ENDS: Final = re.compile(rb"\r\n|\r|\n")
_DIAGNOSTIC_MAXIMUM: Final = 1000


class Security(StrEnum):
    """How the connection is protected."""

    NONE = "none"
    OPPORTUNISTIC = "opportunistic"
    """TLS where the relay offers it; nobody's certificate is asked for."""
    REQUIRED = "required"
    """STARTTLS with a certificate that is valid, or nothing is sent."""
    IMPLICIT = "implicit"
    """TLS from the first byte, with a certificate that is valid."""


@dataclass(frozen=True, slots=True)
class RelaySettings:
    host: str
    port: int
    security: Security = Security.OPPORTUNISTIC
    user: str = ""
    password: str = ""
    authorities: str | None = None
    """PEM file of the authorities that certificates are trusted of; None: those of the system."""
    hostname: str = ""
    """What this server calls itself."""


class Fate(Enum):
    TAKEN = "taken"
    LATER = "later"
    REFUSED = "refused"


class Outcome(NamedTuple):
    """What became of a recipient."""

    fate: Fate
    status: str = "2.0.0"
    """RFC 3463."""
    diagnostic: str = ""
    """What the relay said, or why it could not be asked."""
    reports: bool = False
    """The relay sees to it that the sender is told of the delivery (RFC 3461)."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message for the relay. ``chunks`` reads it, each time it is called; it blocks."""

    sender: str
    chunks: Callable[[], Iterator[bytes]]
    size: int
    eight_bit: bool = False
    smtputf8: bool = False
    notify_success: bool = False


@dataclass(slots=True)
class _Idle:
    client: SMTP
    since: float


class Relay:
    """The mail transfer agent that takes what is for others."""

    def __init__(self, settings: RelaySettings) -> None:
        self.settings = settings
        self._idle: list[_Idle] = []
        self._context: ssl.SSLContext | None = None
        self._places = asyncio.Semaphore(CONNECTIONS)

    async def send(self, parcel: Parcel, recipients: Sequence[str]) -> list[Outcome]:
        """Hand a message over; what became of each recipient, in order. Never raises for what the relay does."""
        outcomes: list[Outcome] = []
        async with self._places:
            for start in range(0, len(recipients), RECIPIENTS):
                outcomes += await self._send(parcel, recipients[start : start + RECIPIENTS])
        return outcomes

    async def close(self) -> None:
        """Say goodbye on the connections that are kept."""
        while self._idle:
            await _quit(self._idle.pop().client)

    async def _send(self, parcel: Parcel, recipients: Sequence[str]) -> list[Outcome]:
        while True:
            kept = await self._kept()
            try:
                client = kept or await self._connect()
            except (SMTPException, OSError, ValueError) as error:
                return [_later(error, "4.4.1")] * len(recipients)
            outcomes: list[Outcome | None] = [None] * len(recipients)
            try:
                await _transaction(client, parcel, recipients, outcomes)
            except (SMTPServerDisconnected, ConnectionError) as error:
                client.close()
                if kept is not None and not any(outcomes):
                    continue  # it was closed while nobody looked
                return _rest(outcomes, _later(error, "4.4.2"))
            except (SMTPException, OSError, ValueError) as error:
                client.close()
                return _rest(outcomes, _outcome(error))
            except BaseException:
                client.close()
                raise
            self._idle.append(_Idle(client, time.monotonic()))
            return _rest(outcomes, Outcome(Fate.LATER, "4.0.0"))

    async def _kept(self) -> SMTP | None:
        while self._idle:
            idle = self._idle.pop()
            if idle.client.is_connected and time.monotonic() - idle.since < IDLE_SECONDS:
                return idle.client
            idle.client.close()
        return None

    async def _connect(self) -> SMTP:
        settings = self.settings
        start_tls = {Security.OPPORTUNISTIC: None, Security.REQUIRED: True}.get(settings.security, False)
        if self._context is None and settings.security is not Security.NONE:
            self._context = await asyncio.to_thread(_context, settings)
        client = SMTP(
            hostname=settings.host,
            port=settings.port,
            username=settings.user or None,
            password=settings.password or None,
            local_hostname=settings.hostname or "localhost",
            timeout=TIMEOUT,
            use_tls=settings.security is Security.IMPLICIT,
            start_tls=start_tls,
            tls_context=self._context,
        )
        await client.connect()
        await client.ehlo()
        return client


def _context(settings: RelaySettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.authorities)
    if settings.security is Security.OPPORTUNISTIC:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def _transaction(client: SMTP, parcel: Parcel, recipients: Sequence[str], outcomes: list[Outcome | None]) -> None:
    """One MAIL, RCPTs and DATA. What is known of a recipient stands in ``outcomes`` even when this raises."""
    addresses = [wire_address(recipient) for recipient in recipients]
    sender = wire_address(parcel.sender) if parcel.sender else ""
    utf8 = parcel.smtputf8 or not all(map(str.isascii, (sender, *addresses)))
    if utf8 and not client.supports_extension("smtputf8"):
        refused = Outcome(Fate.REFUSED, "5.6.7", "The relay does not take addresses with such letters (SMTPUTF8)")
        for place, address in enumerate(addresses):
            if parcel.smtputf8 or not sender.isascii() or not address.isascii():
                outcomes[place] = refused
        if all(outcomes):
            return
        utf8 = False
    encoding = "utf-8" if utf8 else "ascii"
    notifies = client.supports_extension("dsn")
    await client.mail(sender, options=list(_options(client, parcel, utf8=utf8)), encoding=encoding)
    notify = ["NOTIFY=SUCCESS,FAILURE"] if notifies and parcel.notify_success else []
    taken = []
    for place, address in enumerate(addresses):
        if outcomes[place] is not None:
            continue
        try:
            await client.rcpt(address, options=notify, encoding=encoding)
            taken.append(place)
        except SMTPResponseException as error:
            if error.code == _CLOSING:
                raise SMTPServerDisconnected(error.message) from error
            outcomes[place] = _outcome(error)
    if not taken:
        await client.rset()
        return
    try:
        code, text = await _data(client, parcel)
    except SMTPResponseException as error:
        outcome = _outcome(error)
    else:
        outcome = Outcome(Fate.TAKEN, _status(text, "2.0.0"), _diagnostic(code, text), bool(notify))
    for place in taken:
        outcomes[place] = outcome


_CLOSING: Final = 421


def _options(client: SMTP, parcel: Parcel, *, utf8: bool) -> Iterator[str]:
    if client.supports_extension("size"):
        yield f"SIZE={parcel.size}"
    if parcel.eight_bit and client.supports_extension("8bitmime"):
        yield "BODY=8BITMIME"
    if utf8:
        yield "SMTPUTF8"
    if parcel.notify_success and client.supports_extension("dsn"):
        yield "RET=HDRS"


async def _data(client: SMTP, parcel: Parcel) -> tuple[int, str]:
    response = await client.execute_command(b"DATA")
    if response.code != 354:
        raise SMTPResponseException(response.code, response.message)
    protocol = client.protocol
    assert protocol is not None
    async with asyncio.timeout(DATA_TIMEOUT):
        async for chunk in _in_thread(_stuffed(parcel.chunks())):
            protocol.write(chunk)
            await protocol._drain_helper()  # as StreamWriter.drain does
    response = await client.execute_command(b".", timeout=DATA_TIMEOUT)
    if response.code != 250:
        raise SMTPResponseException(response.code, response.message)
    return response.code, response.message


async def _in_thread(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        yield chunk


def _stuffed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """A message as it is sent: lines end with CR LF, the last one too, and no dot stands alone (RFC 5321 4.5.2)."""
    held = b""
    at_start = True
    for chunk in chunks:
        data = held + chunk
        held = b"\r" if data.endswith(b"\r") else b""
        data = _LINE_ENDS.sub(b"\r\n", data[: len(data) - len(held)])
        if not data:
            continue
        if at_start and data.startswith(b"."):
            data = b"." + data
        at_start = data.endswith(b"\n")
        yield data.replace(b"\n.", b"\n..")
    if held or not at_start:
        yield b"\r\n"


def wire_address(address: str) -> str:
    """The address with its domain in ASCII where that is possible (RFC 5890 A-labels)."""
    local_part, at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    with suppress(UnicodeError):
        domain = domain.encode("idna").decode("ascii")
    return local_part + at + domain


def _rest(outcomes: Iterable[Outcome | None], other: Outcome) -> list[Outcome]:
    return [other if outcome is None else outcome for outcome in outcomes]


def _later(error: Exception, status: str) -> Outcome:
    return Outcome(Fate.LATER, status, str(error)[:_DIAGNOSTIC_MAXIMUM] or type(error).__name__)


def _outcome(error: Exception) -> Outcome:
    """A reply other than success: 5xx is final, unless it refuses this server and not the message."""
    if not isinstance(error, SMTPResponseException):
        return _later(error, "4.4.2")
    final = 500 <= error.code < 600 and not isinstance(error, SMTPAuthenticationError)
    status = _status(error.message, "5.0.0" if final else "4.0.0")
    return Outcome(Fate.REFUSED if final else Fate.LATER, status, _diagnostic(error.code, error.message))


def _status(text: str, default: str) -> str:
    found = _STATUS.match(text)
    return found[1] if found and found[1][0] == default[0] else default


def _diagnostic(code: int, text: str) -> str:
    return f"{code} {' '.join(text.split())}"[:_DIAGNOSTIC_MAXIMUM]


async def _quit(client: SMTP) -> None:
    with suppress(SMTPException, OSError, TimeoutError):
        async with asyncio.timeout(1.0):
            await client.quit()
    client.close()
