"""Makes of the settings what the directory needs: who checks passwords, and where people come from."""

from pathlib import Path

from mapigw.directory.addresses import canonical_domain
from mapigw.directory.backends import Backend, ImapBackend, ImapServer, LdapBackend
from mapigw.directory.errors import DirectoryError
from mapigw.directory.ldap_connection import LdapServer
from mapigw.directory.ldap_sync import Source
from mapigw.server.config import ConfigurationError, Settings


def shared_lists(settings: Settings) -> list[frozenset[str]]:
    """The sets of domains whose users see each other. Raises `ConfigurationError`."""
    try:
        return [frozenset(map(canonical_domain, shared.domains)) for shared in settings.address_lists]
    except DirectoryError as error:
        raise ConfigurationError(f"key address_lists: {error}") from None


def password_backend(settings: Settings) -> Backend | None:
    """Who checks passwords; None: the directory itself. Raises `ConfigurationError`."""
    match settings.authentication.backend:
        case "ldap":
            try:
                return LdapBackend(_ldap_server(settings), settings.authentication.ldap_dn)
            except DirectoryError as error:
                raise ConfigurationError(f"key ldap.url: {error}") from None
        case "imap":
            imap = settings.imap
            if not imap.host:
                raise ConfigurationError('key imap.host is missing: authentication.backend is "imap"')
            return ImapBackend(ImapServer(imap.host, imap.port, imap.start_tls, imap.ca_file, imap.timeout))
        case _:
            return None


def ldap_source(settings: Settings) -> Source:
    """What `mapigw.directory.ldap_sync.Synchronizer` reads. Raises `ConfigurationError`. Blocks for a file."""
    ldap = settings.ldap
    server = _ldap_server(settings)
    for name in ("base", "domain"):
        if not getattr(ldap, name):
            raise ConfigurationError(f"key ldap.{name} is missing")
    return Source(
        server=server,
        bind_dn=ldap.bind_dn,
        password=_password(ldap.password_file) if ldap.password_file else ldap.password,
        base=ldap.base,
        domain=ldap.domain,
        filters={
            "shared": ldap.shared_filter,
            "room": ldap.room_filter,
            "equipment": ldap.equipment_filter,
            "group": ldap.group_filter,
            "contact": ldap.contact_filter,
            "user": ldap.user_filter,
        },
        mapping=ldap.attributes,
    )


def _ldap_server(settings: Settings) -> LdapServer:
    ldap = settings.ldap
    if not ldap.url:
        raise ConfigurationError("key ldap.url is missing")
    server = LdapServer(ldap.url, ldap.start_tls, ldap.ca_file, ldap.timeout)
    if not server.is_private:
        raise ConfigurationError("key ldap.url: passwords go by ldaps://, with ldap.start_tls, or to this machine only")
    return server


def _password(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"key ldap.password_file: {error}") from None
