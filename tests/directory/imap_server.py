"""An IMAP server that knows one user and speaks just enough to log in (RFC 9051), over TLS."""

import asyncio
import re
import ssl
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class FakeImap:
    port: int = 0
    capabilities: str = "IMAP4rev1 AUTH=PLAIN"
    user: str = "tom@bm.lan"
    password: str = "secret"
    refusal: str = "NO [AUTHENTICATIONFAILED] wrong"
    silent: bool = False
    """Accepts connections and never says a word."""
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Users and passwords that were tried."""


@asynccontextmanager
async def imap_server(certificate: Path, key: Path, *, start_tls: bool = False) -> AsyncIterator[FakeImap]:
    fake = FakeImap()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _serve(fake, reader, writer, tls if start_tls else None)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=None if start_tls else tls)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        server.close()
        await server.wait_closed()


async def _serve(
    fake: FakeImap, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls: ssl.SSLContext | None
) -> None:
    if fake.silent:
        await reader.read()
        return
    writer.write(b"* OK ready\r\n")
    while line := (await reader.readline()).decode().strip():
        tag, command, *rest = line.split(" ", 2)
        match command.upper():
            case "CAPABILITY":
                extra = " STARTTLS" if tls else ""
                writer.write(f"* CAPABILITY {fake.capabilities}{extra}\r\n{tag} OK done\r\n".encode())
            case "STARTTLS":
                writer.write(f"{tag} OK done\r\n".encode())
                await writer.drain()
                assert tls is not None
                await writer.start_tls(tls)
                tls = None
            case "AUTHENTICATE":
                writer.write(b"+ \r\n")
                _, user, password = b64decode(await reader.readline()).decode().split("\0")
                writer.write(_answer(fake, tag, user, password))
            case "LOGIN":
                user, password = (re.sub(r"\\(.)", r"\1", part[1:-1]) for part in rest[0].split(" ", 1))
                writer.write(_answer(fake, tag, user, password))
            case _:
                writer.write(f"{tag} OK done\r\n".encode())
        await writer.drain()


def _answer(fake: FakeImap, tag: str, user: str, password: str) -> bytes:
    fake.seen.append((user, password))
    right = (user, password) == (fake.user, fake.password)
    return f"{tag} {'OK done' if right else fake.refusal}\r\n".encode()
