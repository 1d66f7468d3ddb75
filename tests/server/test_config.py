from ipaddress import ip_network
from pathlib import Path

import pytest

from mapigw.server.config import ConfigurationError, Settings, load, split_address


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "mapigw.toml"
    file.write_text(text)
    return file


def refusal(file: Path | None = None, **overrides: object) -> str:
    with pytest.raises(ConfigurationError) as raised:
        load(file, overrides)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_data_folder_is_all_that_is_needed() -> None:
    settings = load(None, {"data": Path("/srv/mail"), "listen": None})
    assert settings.data == Path("/srv/mail")
    assert settings.address == ("0.0.0.0", 443)
    assert not settings.plain_http
    assert settings.trusted_proxies == ()


def test_the_file_is_read(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        """
        data = "/srv/mail"
        listen = "[::]:8443"
        public_url = "https://mail.example.org/"
        trusted_proxies = ["10.0.0.0/8", "::1"]
        uvloop = false

        [tls]
        certificate = "/etc/mapigw/certificate.pem"

        [log]
        access = "-"

        [limits]
        sessions_per_user = 7
        """,
    )
    settings = load(file)
    assert settings.address == ("::", 8443)
    assert settings.public_url == "https://mail.example.org"
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert settings.tls.certificate == Path("/etc/mapigw/certificate.pem")
    assert settings.log.access == "-"
    assert settings.log.events == "log/events.jsonl"
    assert settings.limits.sessions_per_user == 7
    assert not settings.uvloop


def test_command_line_wins_over_environment_wins_over_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(
        tmp_path, 'data = "file"\nlisten = "file:1"\npublic_url = "https://file"\n[limits]\nrequest_body = 70000\n'
    )
    monkeypatch.setenv("MAPIGW_LISTEN", "environment:2")
    monkeypatch.setenv("MAPIGW_DATA", "environment")
    monkeypatch.setenv("MAPIGW_LIMITS__SESSIONS_PER_USER", "9")
    monkeypatch.setenv("MAPIGW_TRUSTED_PROXIES", "127.0.0.1, 10.0.0.0/8")
    settings = load(file, {"data": Path("option")})
    assert settings.data == Path("option")
    assert settings.listen == "environment:2"
    assert settings.public_url == "https://file"
    assert (settings.limits.request_body, settings.limits.sessions_per_user) == (70000, 9)
    assert settings.trusted_proxies == (ip_network("127.0.0.1/32"), ip_network("10.0.0.0/8"))


def test_every_key_has_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {
        "DATA": "/d",
        "LISTEN": "h:1",
        "PLAIN_HTTP": "true",
        "PUBLIC_URL": "https://h",
        "TRUSTED_PROXIES": "10.0.0.1",
        "TRACE_USER": "tom@bm.lan",
        "UVLOOP": "false",
        "METRICS": "127.0.0.1",
        "LMTP": "127.0.0.1",
        "RELAY": "relay.example",
        "MAIL__HOSTNAME": "mail.example",
        "MAIL__SIZE_LIMIT": "70000",
        "MAIL__CATCH_ALL": '{"bm.lan": "tom@bm.lan"}',
        "MAIL__RELAY_SECURITY": "required",
        "MAIL__RELAY_USER": "u",
        "MAIL__RELAY_PASSWORD": "p",
        "MAIL__RELAY_AUTHORITIES": "/a",
        "MAIL__TNEF_DOMAINS": "a.example,b.example",
        "MAIL__WARN_HOURS": "1",
        "MAIL__BOUNCE_HOURS": "2.5",
        "TLS__CERTIFICATE": "/c",
        "TLS__KEY": "/k",
        "TLS__NAMES": "a.example,b.example",
        "LOG__ACCESS": "-",
        "LOG__EVENTS": "",
        "LIMITS__REQUEST_BODY": "65536",
        "LIMITS__SESSIONS_PER_USER": "1",
        "LIMITS__SESSIONS": "2",
    }
    for name, value in values.items():
        monkeypatch.setenv(f"MAPIGW_{name}", value)
    settings = load()
    directories = {"authentication", "imap", "ldap", "address_lists"}  # tests/server/test_directories.py
    assert settings.model_dump(mode="json", exclude=directories) == {
        "data": "/d",
        "listen": "h:1",
        "plain_http": True,
        "public_url": "https://h",
        "trusted_proxies": ["10.0.0.1/32"],
        "trace_user": "tom@bm.lan",
        "uvloop": False,
        "metrics": "127.0.0.1:9464",
        "lmtp": "127.0.0.1:24",
        "relay": "relay.example:25",
        "mail": {
            "hostname": "mail.example",
            "size_limit": 70000,
            "catch_all": {"bm.lan": "tom@bm.lan"},
            "relay_security": "required",
            "relay_user": "u",
            "relay_password": "p",
            "relay_authorities": "/a",
            "tnef_domains": ["a.example", "b.example"],
            "warn_hours": 1.0,
            "bounce_hours": 2.5,
        },
        "tls": {"certificate": "/c", "key": "/k", "names": ["a.example", "b.example"]},
        "log": {"access": "-", "events": ""},
        "limits": {"request_body": 65536, "sessions_per_user": 1, "sessions": 2},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('listem = "h:1"', "key listem is unknown"),
        ("[limits]\nsession = 1", "key limits.session is unknown"),
        ('metrics = "9464 here"', "key metrics: expected HOST:PORT"),
        ('listen = "h:99999"', "key listen: expected HOST:PORT"),
        ('lmtp = "h:99999"', "key lmtp: expected HOST:PORT"),
        ('[mail]\nrelay_security = "some"', "key mail.relay_security: Input should be 'none'"),
        ("[limits]\nsessions_per_user = 0", "key limits.sessions_per_user: Input should be greater than or equal to 1"),
        ('[limits]\nrequest_body = "big"', "key limits.request_body: Input should be a valid integer"),
        ('trusted_proxies = ["10.0.0.1/8"]', "key trusted_proxies: 10.0.0.1/8 has host bits set"),
        ('public_url = "mail.example.org"', "key public_url: expected the scheme and host"),
        ('uvloop = "perhaps"', "key uvloop: Input should be a valid boolean"),
        ("listen = ", "not TOML: "),
        ("tls = 3", "key tls: Input should be a valid dictionary"),
    ],
)
def test_an_error_names_file_key_and_reason(tmp_path: Path, text: str, expected: str) -> None:
    file = write(tmp_path, text)
    assert refusal(file, data=Path("d")).startswith(f"{file}: {expected}")


def test_a_file_that_is_not_there_is_not_passed_over(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere.toml") == f"{tmp_path}/nowhere.toml: No such file or directory"


def test_an_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAPIGW_LIMITS__SESSIONS_PER_USER", "many")
    assert refusal(data=Path("d")).startswith("environment variable MAPIGW_LIMITS__SESSIONS_PER_USER: Input should be")


def test_a_misspelt_variable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAPIGW_LISTN", "h:1")
    assert refusal(data=Path("d")) == "environment variable MAPIGW_LISTN is unknown"


@pytest.mark.parametrize("name", ["SERVICE_HOST", "SERVICE_PORT_HTTPS", "PORT", "PORT_443_TCP_ADDR"])
def test_service_links_are_no_misspelling(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A container in a cluster that has a service called mapigw would not start."""
    monkeypatch.setenv(f"MAPIGW_{name}", "tcp://10.0.0.1:443")
    assert isinstance(load(None, {"data": Path("d")}), Settings)


def test_an_error_names_the_option() -> None:
    assert refusal(data=Path("d"), listen="a b").startswith("option --listen: expected HOST:PORT")


def test_a_missing_key_is_named() -> None:
    assert refusal() == "configuration: key data is missing"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8443", ("127.0.0.1", 8443)),
        ("mail.example.org", ("mail.example.org", 443)),
        ("[::1]:0", ("::1", 0)),
        ("[::1]", ("::1", 443)),
    ],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert split_address(text) == expected


@pytest.mark.parametrize("text", ["", ":443", "::1", "h:", "h:1:2", "h:-1", "[h]:1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="expected HOST:PORT"):
        split_address(text)
