"""The configuration: one TOML file, each key overridable by an environment variable.

``sessions_per_user`` of the table ``[limits]`` is ``MAPIGW_LIMITS__SESSIONS_PER_USER`` in the environment. The command
line wins over the environment, the environment over the file. A key that does not exist is an error wherever it stands,
so that a spelling mistake never becomes a default.
"""

import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from mapigw.mail.lmtp import DEFAULT_SIZE_LIMIT
from mapigw.mail.relay import Security

PREFIX = "MAPIGW_"
DELIMITER = "__"
DEFAULT_PORT = 443
METRICS_PORT = 9464
LMTP_PORT = 24
SMTP_PORT = 25

# What Docker and Kubernetes put into the environment for a service that is called mapigw.
_SERVICE_LINK = re.compile(r"MAPIGW_(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)\Z")

Network = IPv4Network | IPv6Network


class ConfigurationError(Exception):
    """One line for the administrator: which file or variable, which key, and why."""


def _listen(value: str, default_port: int = DEFAULT_PORT) -> str:
    host, port = split_address(value, default_port)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _lmtp(value: str) -> str:
    return value if value.startswith("/") else value and _listen(value, LMTP_PORT)


def _relay(value: str) -> str:
    return value and _listen(value, SMTP_PORT)


def _metrics(value: str) -> str:
    return value and _listen(value, METRICS_PORT)


def split_address(value: str, default_port: int = DEFAULT_PORT) -> tuple[str, int]:
    """``HOST:PORT``, ``[IPv6]:PORT`` or ``HOST`` as (host, port). Raises ValueError."""
    found = re.fullmatch(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]]+))(?::(?P<port>\d{1,5}))?", value)
    port = int(found["port"] or default_port) if found else 0
    if not found or port > 65535:
        raise ValueError("expected HOST:PORT, such as 0.0.0.0:443 or [::]:443")
    return found["six"] or found["host"], port


def _public_url(value: str) -> str:
    parts = urlsplit(value)
    if value and (
        parts.scheme not in {"https", "http"} or not parts.hostname or parts.path not in {"", "/"} or parts.query
    ):
        raise ValueError("expected the scheme and host that clients use, such as https://mail.example.org")
    return value.rstrip("/")


def _dn_template(value: str) -> str:
    try:
        value.format(address="", account="", domain="")
    except (LookupError, ValueError):
        raise ValueError("expected a DN with no other fields than {address}, {account} and {domain}") from None
    return value


def _comma_separated(value: Any) -> Any:
    return [part for part in re.split(r"[\s,]+", value) if part] if isinstance(value, str) else value


def _network(value: Any) -> Network:
    try:
        return ip_network(value)
    except ValueError as error:
        raise ValueError(f"{error}; expected an address or a network such as 10.0.0.0/8") from None


Strings = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_separated)]
Networks = Annotated[
    tuple[Annotated[Network, BeforeValidator(_network)], ...], NoDecode, BeforeValidator(_comma_separated)
]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tls(_Table):
    """The certificate. Without one, a self-signed one is made in the data folder."""

    certificate: Path | None = None
    """PEM file with the certificate and its chain."""
    key: Path | None = None
    """PEM file with the private key; None: it is in the certificate's file."""
    names: Strings = ()
    """Further host names for the self-signed certificate."""


class Log(_Table):
    """Relative file names are below the data folder. ``-`` is standard output; an empty name writes no such log."""

    access: str = "log/access.log"
    events: str = "log/events.jsonl"


class Limits(_Table):
    request_body: int = Field(default=512 * 1024, ge=64 * 1024)
    """Bytes of the largest request body that is read."""
    sessions_per_user: int = Field(default=64, ge=1)
    """Session contexts that a user may hold at once on an endpoint; one more ends the one idle for longest."""
    sessions: int = Field(default=20_000, ge=1)
    """Session contexts of all users at once on an endpoint; a client that asks for one more is refused."""


class Mail(_Table):
    """How mail comes in and goes out."""

    hostname: str = ""
    """What the server calls itself to other mail servers; empty: the host of ``public_url``, or the machine's name."""
    size_limit: int = Field(default=DEFAULT_SIZE_LIMIT, ge=64 * 1024)
    """Bytes of the largest message that is taken by LMTP."""
    catch_all: dict[str, str] = {}
    """By domain: the address that gets what is sent to nobody there."""
    relay_security: Security = Security.OPPORTUNISTIC
    relay_user: str = ""
    relay_password: str = ""
    relay_authorities: Path | None = None
    """PEM file with the authorities that the relay's certificate is trusted of; None: those of the system."""
    tnef_domains: Strings = ()
    """Domains whose users have Outlook: mail for nobody else is sent with everything that Outlook knows of it."""
    warn_hours: float = Field(default=4.0, gt=0)
    """When a sender is told that a message is still on its way."""
    bounce_hours: float = Field(default=48.0, gt=0)
    """When a message is given up and returned to its sender."""


class Authentication(_Table):
    """Who says whether a password is right."""

    backend: Literal["local", "ldap", "imap"] = "local"
    ldap_dn: Annotated[str, AfterValidator(_dn_template)] = ""
    """The DN to bind as, for users who are not synchronized: ``uid={account},ou=people,dc=example,dc=org``."""


class Imap(_Table):
    """The server that is asked, with ``authentication.backend = "imap"``. It is always asked over TLS."""

    host: str = ""
    port: int = Field(default=993, ge=1, le=65535)
    start_tls: bool = False
    """TLS begins by STARTTLS, as on port 143."""
    ca_file: Path | None = None
    timeout: float = Field(default=10.0, gt=0)


class Ldap(_Table):
    """The LDAP server or Active Directory that people come from (``mapigw directory sync``) or log in with."""

    url: str = ""
    """``ldaps://HOST``, or ``ldap://HOST`` with ``start_tls``."""
    start_tls: bool = False
    ca_file: Path | None = None
    timeout: float = Field(default=10.0, gt=0)
    bind_dn: str = ""
    password: str = ""
    password_file: Path | None = None
    """A file whose first line is the password."""
    base: str = ""
    domain: str = ""
    """The mail domain whose list contacts are in."""
    user_filter: str = "(&(|(objectClass=inetOrgPerson)(&(objectCategory=person)(objectClass=user)))(mail=*))"
    shared_filter: str = "(msExchRecipientTypeDetails=4)"
    room_filter: str = "(msExchRecipientTypeDetails=16)"
    equipment_filter: str = "(msExchRecipientTypeDetails=32)"
    group_filter: str = "(&(|(objectClass=group)(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))(mail=*))"
    contact_filter: str = "(&(objectClass=contact)(mail=*))"
    attributes: dict[str, Strings] = {}
    """Other LDAP attributes for an attribute, the first that an entry has counts; none: it is not synchronized."""


class AddressList(_Table):
    """Mail domains whose users see each other."""

    domains: Strings


class Settings(BaseSettings):
    """Everything that can be configured. Immutable; a change needs a restart."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=DELIMITER, extra="forbid", frozen=True, env_ignore_empty=False
    )

    data: Path
    """The folder that holds everything the server keeps."""
    listen: Annotated[str, AfterValidator(_listen)] = f"0.0.0.0:{DEFAULT_PORT}"
    plain_http: bool = False
    """Serve HTTP without TLS: only for tests and behind a reverse proxy on the same machine."""
    public_url: Annotated[str, AfterValidator(_public_url)] = ""
    """What Autodiscover announces, such as ``https://mail.example.org``; empty: the host that the client asked."""
    trusted_proxies: Networks = ()
    """Peers whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    trace_user: str = ""
    """Record the exchanges of the user with this address below the data folder."""
    lmtp: Annotated[str, AfterValidator(_lmtp)] = ""
    """Where mail is taken by LMTP: an address and a port, or the absolute path of a Unix socket; empty: nowhere."""
    relay: Annotated[str, AfterValidator(_relay)] = ""
    """The SMTP server that takes mail for others; empty: none leaves."""
    uvloop: bool = True
    metrics: Annotated[str, AfterValidator(_metrics)] = ""
    """Address and port that tell Prometheus the metrics, over plain HTTP to anybody who asks; empty: none does."""
    tls: Tls = Tls()
    log: Log = Log()
    limits: Limits = Limits()
    mail: Mail = Mail()
    authentication: Authentication = Authentication()
    imap: Imap = Imap()
    ldap: Ldap = Ldap()
    address_lists: tuple[AddressList, ...] = ()

    @property
    def address(self) -> tuple[str, int]:
        return split_address(self.listen)


def load(file: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings from ``file`` and the environment; ``overrides`` (key: value) come from the command line.

    Raises `ConfigurationError`. Blocks for reading the file.
    """
    overrides = {key: value for key, value in (overrides or {}).items() if value is not None}
    _refuse_unknown_variables()

    class Configured(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file)

    try:
        if file:
            file.open("rb").close()  # a file that is not there would be passed over
        return Configured(**overrides)
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: not TOML: {error}") from None
    except SettingsError as error:
        raise ConfigurationError(f"environment: {error}: {error.__cause__}") from None
    except ValidationError as error:
        raise ConfigurationError("; ".join(_explain(file, overrides, details) for details in error.errors())) from None


def _explain(file: Path | None, overrides: Mapping[str, Any], details: Any) -> str:
    """``details`` is one of pydantic's: its location, type and message."""
    location = [str(part) for part in details["loc"]]
    keys = [part for part in location if not part.isdigit()]
    variable = _variable(keys)
    if keys[0] in overrides:
        source = f"option --{keys[0].replace('_', '-')}"
    elif variable in os.environ:
        source = f"environment variable {variable}"
    else:
        source = f"{file or 'configuration'}: key {'.'.join(keys)}"
    if details["type"] == "missing":
        return f"{source} is missing"
    if details["type"] == "extra_forbidden":
        return f"{source} is unknown"
    return f"{source}: {details['msg'].removeprefix('Value error, ')} (not {details['input']!r})"


def _variable(keys: Iterable[str]) -> str:
    return PREFIX + DELIMITER.join(keys).upper()


def _refuse_unknown_variables() -> None:
    known = set()
    for name, field in Settings.model_fields.items():
        known.add(_variable([name]))
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            known.update(_variable([name, key]) for key in field.annotation.model_fields)
    for variable in os.environ:
        if variable.startswith(PREFIX) and variable not in known and not _SERVICE_LINK.match(variable):
            raise ConfigurationError(f"environment variable {variable} is unknown")
