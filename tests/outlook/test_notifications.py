"""New mail that another process writes, as the waiting client hears of it."""

import threading
import time

import pytest

from tests.outlook import rops
from tests.outlook.conftest import MAIL
from tests.outlook.emsmdb import Session
from tests.outlook.http import MapiHttp
from tests.outlook.profile import Profile
from tests.outlook.server import Server, add_user, import_mail

ADDRESS = "waiting@bm.lan"
NEW_MAIL = 0x0002


@pytest.fixture(scope="module")
def profile(server: Server) -> Profile:
    add_user(server.data, ADDRESS, "secret")
    profile = Profile(server.web(ADDRESS))
    profile.find()
    return profile


def session_of(server: Server, profile: Profile) -> tuple[Session, int]:
    return Profile(server.web(ADDRESS), account=profile.account).log_on()


class Waiting(threading.Thread):
    """A NotificationWait on a connection of its own."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self.pending: bool | None = None
        self.ended = 0.0

    def run(self) -> None:
        self.pending = self._session.notification_wait()
        self.ended = time.monotonic()


def waiter(server: Server, session: Session) -> Waiting:
    """The same session context on another connection."""
    http = MapiHttp(server.web(ADDRESS), session.http.url)
    http.cookies = dict(session.http.cookies)
    waiting = Waiting(Session(http))
    waiting.start()
    return waiting


def test_new_mail_is_seen_without_a_restart(server: Server, profile: Profile) -> None:
    """It was seen only after a restart of the client."""
    session, logon = session_of(server, profile)
    session.open(rops.register_notification(0, 1, NEW_MAIL), [logon, rops.NO_HANDLE])
    waiting = waiter(server, session)
    time.sleep(0.1)
    assert waiting.pending is None
    import_mail(server.data, ADDRESS, [next(MAIL.rglob("*.eml"))])
    imported = time.monotonic()
    waiting.join(30)
    assert waiting.pending is True
    assert waiting.ended - imported < 1
    assert session.execute([rops.release(1)], [logon, rops.NO_HANDLE]).notifications == 1
    session.disconnect()


def test_a_disconnect_ends_the_wait(server: Server, profile: Profile) -> None:
    session, _logon = session_of(server, profile)
    waiting = waiter(server, session)
    time.sleep(0.1)
    session.disconnect()
    waiting.join(30)
    assert waiting.pending is False
