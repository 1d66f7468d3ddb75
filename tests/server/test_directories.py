"""What the settings make of the directory, and what a client gets while nobody can check its password."""

import base64
from pathlib import Path

import aiohttp
import pytest

from mapigw.directory.backends import ImapBackend, LdapBackend
from mapigw.directory.directory import Directory
from mapigw.directory.passwords import Argon2Parameters, Passwords
from mapigw.server import gateway
from mapigw.server.config import ConfigurationError, Settings, load
from mapigw.server.directories import password_backend, shared_lists
from mapigw.store.database import Database


def settings(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "mapigw.toml"
    file.write_text(text)
    return load(file, {"data": tmp_path / "data", "listen": "127.0.0.1:0", "plain_http": True})


def test_who_checks_passwords(tmp_path: Path) -> None:
    assert password_backend(settings(tmp_path, "")) is None
    ldap = '[authentication]\nbackend = "ldap"\n[ldap]\nurl = "ldaps://ldap.example.org"\n'
    assert isinstance(password_backend(settings(tmp_path, ldap)), LdapBackend)
    imap = '[authentication]\nbackend = "imap"\n[imap]\nhost = "imap.example.org"\n'
    assert isinstance(password_backend(settings(tmp_path, imap)), ImapBackend)
    for text, reason in (
        ('[authentication]\nbackend = "ldap"\n', "ldap.url is missing"),
        ('[authentication]\nbackend = "ldap"\n[ldap]\nurl = "ldap://ldap.example.org"\n', "passwords go by ldaps"),
        ('[authentication]\nbackend = "imap"\n', "imap.host is missing"),
    ):
        with pytest.raises(ConfigurationError, match=reason):
            password_backend(settings(tmp_path, text))
    for wrong in ("uid={user}", "uid={", "uid={0}"):
        with pytest.raises(ConfigurationError, match=r"authentication\.ldap_dn: expected a DN"):
            settings(tmp_path, f'[authentication]\nldap_dn = "{wrong}"\n')
    with pytest.raises(ConfigurationError, match=r"authentication\.backend"):
        settings(tmp_path, '[authentication]\nbackend = "guess"\n')


def test_shared_address_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[[address_lists]]\ndomains = ["A.example", "b.example"]\n'
    assert shared_lists(settings(tmp_path, text)) == [{"a.example", "b.example"}]
    with pytest.raises(ConfigurationError, match="address_lists"):
        shared_lists(settings(tmp_path, '[[address_lists]]\ndomains = ["not a domain"]\n'))
    monkeypatch.setenv("MAPIGW_AUTHENTICATION__BACKEND", "imap")
    assert settings(tmp_path, "").authentication.backend == "imap"


async def test_a_backend_that_is_away_is_no_wrong_password(tmp_path: Path) -> None:
    text = '[authentication]\nbackend = "imap"\n[imap]\nhost = "127.0.0.1"\nport = 1\ntimeout = 1\n'
    configured = settings(tmp_path, text)
    database = await Database.open(configured.data)
    await Directory(database, passwords=Passwords(Argon2Parameters(1, 8, 1))).add("tom@bm.lan", "secret")
    await database.close()
    credentials = base64.b64encode(b"tom@bm.lan:secret").decode()
    async with gateway.running(configured) as running, aiohttp.ClientSession() as session:
        url = f"{running.url}/autodiscover/autodiscover.xml"
        async with session.post(url, headers={"Authorization": f"Basic {credentials}"}) as answer:
            assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
            assert "WWW-Authenticate" not in answer.headers
        async with session.post(url) as answer:
            assert answer.status == 401
    events = (configured.data / "log/events.jsonl").read_text()
    assert "cannot be asked" in events
    assert "secret" not in events


async def test_a_wrong_configuration_is_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(gateway.StartError, match=r"ldap\.url is missing"):
        async with gateway.running(settings(tmp_path, '[authentication]\nbackend = "ldap"\n')):
            pass


def test_every_key_has_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AUTHENTICATION__BACKEND": "ldap",
        "AUTHENTICATION__LDAP_DN": "uid={account}",
        "IMAP__HOST": "imap.example.org",
        "IMAP__PORT": "143",
        "IMAP__START_TLS": "true",
        "LDAP__URL": "ldap://ldap.example.org",
        "LDAP__START_TLS": "true",
        "LDAP__PASSWORD": "secret",
        "LDAP__ROOM_FILTER": "",
        "LDAP__ATTRIBUTES": '{"title": "employeeType, title"}',
        "ADDRESS_LISTS": '[{"domains": ["a.example", "b.example"]}]',
    }.items():
        monkeypatch.setenv(f"MAPIGW_{name}", value)
    found = settings(tmp_path, "")
    assert (found.authentication.backend, found.authentication.ldap_dn) == ("ldap", "uid={account}")
    assert (found.imap.host, found.imap.port, found.imap.start_tls) == ("imap.example.org", 143, True)
    assert (found.ldap.url, found.ldap.password, found.ldap.room_filter) == ("ldap://ldap.example.org", "secret", "")
    assert found.ldap.attributes == {"title": ("employeeType", "title")}
    assert [shared.domains for shared in found.address_lists] == [("a.example", "b.example")]
