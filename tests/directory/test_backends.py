"""Passwords that other servers check."""

import asyncio
from pathlib import Path

import pytest

from mapigw.directory.authentication import Authenticator
from mapigw.directory.backends import BackendUnavailable, ImapBackend, ImapServer, LdapBackend
from mapigw.directory.directory import Directory
from mapigw.directory.editing import Change
from mapigw.directory.ldap_connection import LdapServer
from mapigw.directory.model import MailboxKind
from mapigw.server.tls import self_signed_certificate
from tests.directory.imap_server import imap_server
from tests.directory.slapd import BASE, needs_slapd, slapd

HOME = "198.51.100.7"


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return self_signed_certificate(tmp_path / "tls", ["mail.bm.lan"])


@pytest.mark.parametrize("start_tls", [False, True])
@pytest.mark.parametrize("capabilities", ["IMAP4rev1 AUTH=PLAIN", "IMAP4rev1"])
async def test_an_imap_server_checks_passwords(
    directory: Directory, certificate: tuple[Path, Path], capabilities: str, start_tls: bool
) -> None:
    await directory.add("tom@bm.lan", None)
    tom = await directory.add_alias("tom@bm.lan", "thomas@bm.lan")
    async with imap_server(*certificate, start_tls=start_tls) as server:
        server.capabilities = capabilities
        server.password = 'a "quoted\\ secret'
        backend = ImapBackend(ImapServer("localhost", server.port, start_tls, certificate[0], 5))
        authenticator = Authenticator(directory, backend=backend)
        assert await authenticator.authenticate("tom@bm.lan", server.password, HOME) == tom
        assert await authenticator.authenticate("thomas@bm.lan", server.password, HOME) == tom
        assert [user for user, _ in server.seen] == ["tom@bm.lan"]  # the second time it is remembered
        assert await authenticator.authenticate("tom@bm.lan", "wrong", HOME) is None
        for refused in ("", "nul\0", "x" * 2000, "line\r\nA LOGIN tom@bm.lan secret"):
            count = len(server.seen)
            assert await authenticator.authenticate("tom@bm.lan", refused, HOME) is None
            if "\r" not in refused or "PLAIN" not in capabilities:
                assert len(server.seen) == count


async def test_a_user_that_is_not_here_is_asked_for_under_another_name(
    directory: Directory, certificate: tuple[Path, Path]
) -> None:
    async with imap_server(*certificate) as server:
        backend = ImapBackend(ImapServer("localhost", server.port, False, certificate[0], 5))
        assert not await backend.verify(None, "tom@bm.lan", "secret")
        assert len(server.seen) == 1  # it takes the same way
        assert server.seen[0][0] != "tom@bm.lan"


async def test_a_password_beyond_ascii_goes_to_an_imap_server(
    directory: Directory, certificate: tuple[Path, Path]
) -> None:
    await directory.add("tom@bm.lan", None)
    account = await directory.account("tom@bm.lan")
    async with imap_server(*certificate) as server:
        server.password = "Grüße €"
        backend = ImapBackend(ImapServer("localhost", server.port, False, certificate[0], 5))
        assert await backend.verify(account, "tom@bm.lan", "Grüße €")
        server.capabilities = "IMAP4rev1"
        assert not await backend.verify(account, "tom@bm.lan", "Grüße €")


async def test_an_imap_server_that_cannot_say_is_no_wrong_password(
    directory: Directory, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    await directory.add("tom@bm.lan", None)
    account = await directory.account("tom@bm.lan")
    other, _ = self_signed_certificate(tmp_path / "other", ["mail.bm.lan"])
    async with imap_server(*certificate) as server:
        port = server.port
        right = ImapServer("localhost", port, False, certificate[0], 5)
        server.refusal = "NO [UNAVAILABLE] the user database is down"
        with pytest.raises(BackendUnavailable, match="UNAVAILABLE"):
            await ImapBackend(right).verify(account, "tom@bm.lan", "wrong")
        with pytest.raises(BackendUnavailable, match="certificate"):  # somebody else's
            await ImapBackend(ImapServer("localhost", port, False, other, 5)).verify(account, "tom@bm.lan", "secret")
        server.silent = True
        with pytest.raises(BackendUnavailable):
            await ImapBackend(ImapServer("localhost", port, False, certificate[0], 0.2)).verify(
                account, "tom@bm.lan", "secret"
            )
        assert all(password != "secret" for _, password in server.seen)
    with pytest.raises(BackendUnavailable):  # nobody is there any more
        await ImapBackend(right).verify(account, "tom@bm.lan", "secret")


@needs_slapd
@pytest.mark.filterwarnings("ignore:ssl.match_hostname")  # which ldap3 calls
async def test_an_ldap_server_checks_passwords(
    directory: Directory, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    tom = await directory.add("tom@bm.lan", "the local password")
    await directory.add("anna+x@bm.lan", None)
    await directory.add("ben@bm.lan", None)
    with slapd(tmp_path / "slapd", *certificate) as server:
        dn = server.person("tom", userPassword="secret")
        server.person("anna+x".replace("+", r"\+"), cn="Anna", mail="a@bm.lan", userPassword="Grüße")
        await directory.change(tom, Change(source_dn=dn))
        plain = LdapServer(server.url, timeout=10)
        authenticator = Authenticator(directory, backend=LdapBackend(plain, f"uid={{account}},{BASE}"))
        assert await authenticator.authenticate("tom@bm.lan", "secret", HOME) == await directory.by_address(
            "tom@bm.lan"
        )
        assert await authenticator.authenticate("anna+x@bm.lan", "Grüße", HOME) is not None
        assert await authenticator.authenticate("tom@bm.lan", "the local password", HOME) is None
        assert await authenticator.authenticate("nobody@bm.lan", "secret", HOME) is None
        # A bind without a password succeeds, as an anonymous one (RFC 4513 5.1.2).
        assert await authenticator.authenticate("tom@bm.lan", "", HOME) is None
        # Somebody without an entry there cannot log in.
        assert await authenticator.authenticate("ben@bm.lan", "secret", HOME) is None
        account = await directory.account("tom@bm.lan")
        start_tls = LdapServer(server.url.replace("127.0.0.1", "localhost"), True, certificate[0], 10)
        assert await LdapBackend(start_tls).verify(account, "tom@bm.lan", "secret")
        assert not await LdapBackend(start_tls).verify(account, "tom@bm.lan", "wrong")
        other, _ = self_signed_certificate(tmp_path / "other", ["mail.bm.lan"])
        distrusted = LdapServer(server.url.replace("127.0.0.1", "localhost"), True, other, 10)
        with pytest.raises(BackendUnavailable):
            await LdapBackend(distrusted).verify(account, "tom@bm.lan", "secret")
        server.stop()
        with pytest.raises(BackendUnavailable):
            await authenticator.authenticate("tom@bm.lan", "another", HOME)
        # Who has been let in before stays in while the server is away.
        assert await authenticator.authenticate("tom@bm.lan", "secret", HOME) is not None


class Broken:
    """A backend that cannot say."""

    def __init__(self) -> None:
        self.asked = 0

    async def verify(self, account: object, address: str, password: str) -> bool:
        self.asked += 1
        raise BackendUnavailable("it is down")


async def test_not_being_able_to_say_counts_as_no_failure(
    directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    await directory.add("tom@bm.lan", None)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    authenticator = Authenticator(directory, backend=Broken(), sleep=sleep)
    for _ in range(30):
        with pytest.raises(BackendUnavailable):
            await authenticator.authenticate("tom@bm.lan", "secret", HOME)
    assert slept == []
    assert "whether a password is right cannot be asked: it is down" in caplog.text
    assert "secret" not in caplog.text


async def test_all_who_wait_for_one_check_learn_that_nobody_can_say(directory: Directory) -> None:
    await directory.add("tom@bm.lan", None)
    backend = Broken()
    authenticator = Authenticator(directory, backend=backend)
    results = await asyncio.gather(
        *(authenticator.authenticate("tom@bm.lan", "secret", HOME) for _ in range(5)), return_exceptions=True
    )
    assert [type(result) for result in results] == [BackendUnavailable] * 5
    assert backend.asked == 1


@pytest.mark.parametrize("kind", [MailboxKind.SHARED, MailboxKind.ROOM, MailboxKind.EQUIPMENT])
async def test_nobody_logs_in_as_a_mailbox_that_is_not_a_users(directory: Directory, kind: MailboxKind) -> None:
    class Everything:
        async def verify(self, account: object, address: str, password: str) -> bool:
            return True

    await directory.add_mailbox("info@bm.lan", kind)
    assert await Authenticator(directory).authenticate("info@bm.lan", "", HOME) is None
    assert await Authenticator(directory, backend=Everything()).authenticate("info@bm.lan", "any", HOME) is None
