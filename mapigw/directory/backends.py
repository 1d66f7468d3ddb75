"""Who says whether a password is right: the hash in the directory, an LDAP server, or an IMAP server."""

import asyncio
import imaplib
import secrets
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from mapigw.directory.ldap_connection import LdapServer, LdapUnavailable, connected, ldap3_module
from mapigw.directory.model import Account
from mapigw.directory.passwords import PASSWORD_LIMIT, Passwords

_THREADS: Final = 8
"""Checks that run at once; more wait their turn."""

# RFC 4511 4.1.9 and Appendix A.1
_LDAP_SUCCESS: Final = 0
_LDAP_REFUSALS: Final = frozenset({19, 32, 34, 48, 49, 50, 53})
"""constraintViolation (locked), noSuchObject, invalidDNSyntax, inappropriateAuthentication, invalidCredentials,
insufficientAccessRights, unwillingToPerform (disabled)."""


class BackendUnavailable(Exception):  # noqa: N818
    """Nobody can say now whether a password is right; the message, for the log, says why."""


class Backend(Protocol):
    async def verify(self, account: Account | None, address: str, password: str) -> bool:
        """Whether this is the password of the account, which was looked for by ``address``.

        None (there is no such account) takes the same way and is False. Raises `BackendUnavailable`.
        """
        ...


class LocalBackend:
    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords

    async def verify(self, account: Account | None, address: str, password: str) -> bool:
        return await self._passwords.verify(account.password_hash if account else None, password)


class LdapBackend:
    """A bind as the entry that the user is synchronized from, or as the DN that a template makes of the address.

    ``template`` may have ``{address}``, ``{account}`` (the part before the @) and ``{domain}``.
    """

    def __init__(self, server: LdapServer, template: str = "") -> None:
        ldap3_module()
        self._server = server
        self._template = template
        self._threads = _Threads(server.timeout)

    async def verify(self, account: Account | None, address: str, password: str) -> bool:
        # A bind without a password is an anonymous one, which succeeds (RFC 4513 5.1.2).
        if not password or len(password) > PASSWORD_LIMIT or "\0" in password:
            return False
        dn = self._dn(account)
        right = await self._threads.run(lambda: self._bind(dn or _nobody(), password))
        return right and bool(dn)

    def _dn(self, account: Account | None) -> str:
        if account is None:
            return ""
        if account.source_dn or not self._template:
            return account.source_dn
        from ldap3.utils.dn import escape_rdn

        address = account.user.address
        name, _, domain = address.partition("@")
        is_dn = "=" in self._template  # else a name as Active Directory takes them, user@domain
        parts = {"address": address, "account": name, "domain": domain}
        return self._template.format(**{key: escape_rdn(value) if is_dn else value for key, value in parts.items()})

    def _bind(self, dn: str, password: str) -> bool:
        try:
            with connected(self._server, dn, password) as connection:
                connection.bind()
                result = connection.result
        except LdapUnavailable as error:
            raise BackendUnavailable(str(error)) from error
        code = result["result"]
        if code != _LDAP_SUCCESS and code not in _LDAP_REFUSALS:
            raise BackendUnavailable(f"{self._server.url}: {result['description']} {result['message']}".rstrip())
        return bool(code == _LDAP_SUCCESS)


@dataclass(frozen=True, slots=True)
class ImapServer:
    host: str
    port: int = 993
    start_tls: bool = False
    """TLS begins by STARTTLS, as on port 143."""
    ca_file: Path | None = None
    timeout: float = 10.0


class ImapBackend:
    """A login with the user's primary address."""

    def __init__(self, server: ImapServer) -> None:
        self._server = server
        self._threads = _Threads(server.timeout)

    async def verify(self, account: Account | None, address: str, password: str) -> bool:
        if not password or len(password) > PASSWORD_LIMIT or "\0" in password:
            return False
        name = account.user.address if account else secrets.token_hex(8)
        return await self._threads.run(lambda: self._login(name, password)) and account is not None

    def _login(self, name: str, password: str) -> bool:
        server = self._server
        tls = ssl.create_default_context(cafile=str(server.ca_file) if server.ca_file else None)
        try:
            if server.start_tls:
                connection = imaplib.IMAP4(server.host, server.port, timeout=server.timeout)
            else:
                connection = imaplib.IMAP4_SSL(server.host, server.port, ssl_context=tls, timeout=server.timeout)
        except (OSError, imaplib.IMAP4.error) as error:
            raise BackendUnavailable(f"{server.host}:{server.port}: {error}") from error
        try:
            if server.start_tls:
                connection.starttls(tls)
            return _imap_login(connection, name, password)
        except (OSError, imaplib.IMAP4.error) as error:
            raise BackendUnavailable(f"{server.host}:{server.port}: {error}") from error
        finally:
            connection.shutdown()


def _imap_login(connection: imaplib.IMAP4, name: str, password: str) -> bool:
    plain = f"\0{name}\0{password}".encode("utf-8", "surrogatepass")
    can_plain = "AUTH=PLAIN" in connection.capabilities
    if not can_plain and not (password.isascii() and password.isprintable()):
        return False  # nothing that LOGIN can carry
    try:
        if can_plain:  # RFC 4616; LOGIN has no way to say other characters than ASCII
            connection.authenticate("PLAIN", lambda _: plain)
        else:
            connection.login(f'"{name}"', password)  # imaplib quotes the password only
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        if "[UNAVAILABLE]" in str(error).upper():  # RFC 5530: an answer that says nothing of the password
            raise
        return False
    return True


class _Threads:
    """Threads of their own, so that a server that hangs takes nobody else's."""

    def __init__(self, timeout: float) -> None:
        self._executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="passwords")
        self._timeout = timeout

    async def run(self, check: Callable[[], bool]) -> bool:
        loop = asyncio.get_running_loop()
        try:
            # Connecting, TLS and the answer may each take the timeout; who waits for a thread waits as long again.
            async with asyncio.timeout(4 * self._timeout):
                return await loop.run_in_executor(self._executor, check)
        except TimeoutError:
            raise BackendUnavailable("the server that checks passwords does not answer") from None


def _nobody() -> str:
    """A DN that no entry has."""
    return f"cn=nobody-{secrets.token_hex(8)}"
