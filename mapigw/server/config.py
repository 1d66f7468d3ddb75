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
from typing import Annotated, Any
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

PREFIX = "MAPIGW_"
DELIMITER = "__"
DEFAULT_PORT = 443

# What Docker and Kubernetes put into the environment for a service that is called mapigw.
_SERVICE_LINK = re.compile(r"MAPIGW_(SERVICE_(HOST|PORT)(_\w+)?|PORT(_\d+_(TCP|UDP)(_\w+)?)?)\Z")

Network = IPv4Network | IPv6Network


class ConfigurationError(Exception):
    """One line for the administrator: which file or variable, which key, and why."""


def _listen(value: str) -> str:
    host, port = split_address(value)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_address(value: str) -> tuple[str, int]:
    """``HOST:PORT``, ``[IPv6]:PORT`` or ``HOST`` as (host, port). Raises ValueError."""
    found = re.fullmatch(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:\[\]]+))(?::(?P<port>\d{1,5}))?", value)
    port = int(found["port"] or DEFAULT_PORT) if found else 0
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
    uvloop: bool = True
    tls: Tls = Tls()
    log: Log = Log()
    limits: Limits = Limits()

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
