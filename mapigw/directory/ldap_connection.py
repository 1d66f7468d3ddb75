"""Connections to an LDAP server, with ldap3; it blocks, so what is here runs in worker threads."""

import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mapigw.directory.errors import DirectoryError

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class LdapUnavailable(DirectoryError):  # noqa: N818
    """The server cannot be asked; the message says why."""


@dataclass(frozen=True, slots=True)
class LdapServer:
    url: str
    """``ldaps://HOST``, ``ldap://HOST:PORT`` or ``ldapi://PATH`` with the slashes of the path as %2F."""
    start_tls: bool = False
    ca_file: Path | None = None
    """PEM file with the authorities to trust; None: those of the system."""
    timeout: float = 10.0
    """Seconds to connect, and to wait for an answer."""

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read passwords."""
        parts = urlsplit(self.url)
        return self.start_tls or parts.scheme in {"ldaps", "ldapi"} or parts.hostname in _LOOPBACK


def ldap3_module() -> Any:
    """Raises `LdapUnavailable` where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # ldap3 2.9 asks pyasn1 for names of former times
            import ldap3
    except ImportError:
        raise LdapUnavailable("LDAP needs the package ldap3: pip install mapigw[ldap]") from None
    return ldap3


@contextmanager
def connected(server: LdapServer, dn: str, password: str) -> Iterator[Any]:
    """An ldap3 Connection, connected and with TLS, not yet bound as ``dn``. Raises `LdapUnavailable`."""
    ldap3 = ldap3_module()
    from ldap3.core.exceptions import LDAPException

    if not server.is_private:
        raise LdapUnavailable(f"{server.url}: passwords go by ldaps://, with start_tls, or to this machine only")
    tls = ldap3.Tls(
        validate=ssl.CERT_REQUIRED,
        ca_certs_file=str(server.ca_file) if server.ca_file else None,
        version=ssl.PROTOCOL_TLS_CLIENT,
    )
    connection = None
    try:
        connection = ldap3.Connection(
            ldap3.Server(server.url, tls=tls, connect_timeout=server.timeout, get_info=ldap3.NONE),
            user=dn,
            password=password,
            authentication=ldap3.SIMPLE,
            receive_timeout=ceil(server.timeout),  # the socket option that ldap3 sets has whole seconds
            check_names=False,
            auto_referrals=False,
        )
        connection.open()
        if server.start_tls and not connection.start_tls():
            raise LdapUnavailable(f"{server.url}: StartTLS: {connection.result.get('description')}")
        yield connection
    except (LDAPException, OSError) as error:
        raise LdapUnavailable(f"{server.url}: {_reason(error)}") from error
    finally:
        if connection is not None:
            _close(connection)


def _close(connection: Any) -> None:
    from ldap3.core.exceptions import LDAPException

    with suppress(LDAPException, OSError):  # it may be gone already
        connection.unbind()
    if connection.socket is not None:  # one that could not be connected is left open by ldap3
        connection.socket.close()


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) < 300 else text[:300] + "…"
