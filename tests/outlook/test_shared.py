"""A shared mailbox as Outlook gets it: announced, opened with the member's own credentials, gone with the right."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.outlook import rops
from tests.outlook.autodiscover import Account, discover, parse, request_body
from tests.outlook.emsmdb import RopFailedError, Session
from tests.outlook.http import MapiHttp
from tests.outlook.server import Server, command

UNKNOWN_USER = 0x3EB
INVALID_OBJECT = 0x80040108
INFO = "info@bm.lan"


def administer(server: Server, *arguments: str) -> None:
    done = command(server.data, *arguments)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def shared(server: Server) -> Iterator[None]:
    administer(server, "shared", "add", INFO)
    administer(server, "shared", "grant", INFO, "tom@bm.lan", "read", "--subscribe")
    yield
    administer(server, "shared", "remove", INFO, "--yes")


def ask(server: Server, user: str, address: str) -> bytes:
    headers = {"Content-Type": "text/xml; charset=utf-8", "X-MapiHttpCapability": "1"}
    answer = server.web(user).send("POST", "/autodiscover/autodiscover.xml", request_body(address), headers)
    assert answer.status == 200
    return answer.body


def connected(server: Server, user: str, account: Account, url: str) -> Session:
    session = Session(MapiHttp(server.web(user), url))
    session.connect(account.legacy_dn)
    return session


def logon_error(session: Session, dn: str) -> int:
    with pytest.raises(RopFailedError) as refused:
        session.run([rops.logon(0, dn)], [rops.NO_HANDLE])
    return refused.value.code


@pytest.mark.usefixtures("shared")
def test_from_the_subscription_to_the_end_of_the_right(server: Server) -> None:
    own = discover(server.web("tom@bm.lan"))
    assert own.alternative_mailboxes == [INFO]
    info = parse(ask(server, "tom@bm.lan", INFO))
    assert (info.address, info.alternative_mailboxes) == (INFO, [])
    assert info.mail_store_url != own.mail_store_url
    session = connected(server, "tom@bm.lan", own, info.mail_store_url)
    executed = session.run([rops.logon(0, info.legacy_dn)], [rops.NO_HANDLE])
    logon = executed.results[0]
    assert isinstance(logon, rops.Logon)
    assert logon.response_flags == 0x01
    assert str(logon.mailbox_guid) in info.mail_store_url
    root = rops.open_folder(0, 1, logon.folder_ids[0])
    session.run([root], [*executed.handles[:1], rops.NO_HANDLE])
    administer(server, "unsubscribe", "tom@bm.lan", INFO)
    assert discover(server.web("tom@bm.lan")).alternative_mailboxes == []
    session.run([root], [*executed.handles[:1], rops.NO_HANDLE])  # the right is still there
    administer(server, "shared", "revoke", INFO, "tom@bm.lan")
    with pytest.raises(RopFailedError) as ended:  # and HTTP says nothing of it: Outlook must not ask for a password
        session.run([root], [*executed.handles[:1], rops.NO_HANDLE])
    assert ended.value.code == INVALID_OBJECT
    assert logon_error(session, info.legacy_dn) == UNKNOWN_USER
    assert b"<ErrorCode>500</ErrorCode>" in ask(server, "tom@bm.lan", INFO)


@pytest.mark.usefixtures("shared")
def test_the_mailbox_id_of_a_url_opens_nothing(server: Server) -> None:
    """It says where a request goes. Who may open what, the credentials and the rights say."""
    url = parse(ask(server, "tom@bm.lan", INFO)).mail_store_url
    dn = parse(ask(server, "tom@bm.lan", INFO)).legacy_dn
    anna = discover(server.web("anna@bm.lan"))
    assert b"<ErrorCode>500</ErrorCode>" in ask(server, "anna@bm.lan", INFO)
    session = connected(server, "anna@bm.lan", anna, url)
    assert logon_error(session, dn) == logon_error(session, dn + "-no") == UNKNOWN_USER
    logon = session.call(rops.logon(0, anna.legacy_dn), [rops.NO_HANDLE])
    assert str(logon.mailbox_guid) in anna.mail_store_url
    expected = [("anna@bm.lan", INFO, "none", False), ("anna@bm.lan", dn + "-no", "none", False)]
    events = server.data / "log" / "events.jsonl"
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        lines = [json.loads(line) for line in events.read_text().splitlines()]
        found = [line for line in lines if line["event"] == "access" and line["user"] == "anna@bm.lan"]
        if len(found) >= len(expected):
            break
        time.sleep(0.02)
    assert [(line["user"], line["mailbox"], line["right"], line["allowed"]) for line in found] == expected
