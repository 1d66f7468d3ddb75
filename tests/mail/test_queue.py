"""The queue of outgoing mail and the relay it feeds."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult

from mapigw.mail import queue as outgoing
from mapigw.mail.queue import SECOND, Schedule
from mapigw.mail.relay import Fate, Parcel, Relay, RelaySettings, Security, wire_address
from mapigw.mailbox.clock import now
from mapigw.mailbox.content import decode_message
from mapigw.server.tls import self_signed_certificate
from mapigw.store import queue
from mapigw.store.queue import RecipientRow, RecipientState, Step
from mapigw.wire import tags
from tests.mail.sending import MAIL, FakeRelay, Site, site
from tests.mail.test_submission import logged_on, smtp, submit, written

QUICK = Schedule(first=SECOND // 50, longest=SECOND // 20)


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path / "data", schedule=QUICK) as found:
        await found.add("tom@bm.lan", "Tom")
        yield found


async def enqueue(here: Site, *addresses: str, sender: str = "anna@far.example", content: bytes = MAIL) -> int:
    recipients = [RecipientRow(number, address, address) for number, address in enumerate(addresses)]
    await here.transport.queue_mime(sender, recipients, content, "Hello")
    return (await here.entries())[-1].outgoing_id


# The relay


async def test_a_message_is_handed_over_byte_for_byte(here: Site) -> None:
    content = MAIL + b".\r\n..x\r\n" + b"z" * 900 + b"\r\n"
    await enqueue(here, "a@x.example", "b@x.example", content=content)
    async with here.working():
        await here.settled()
    (taken,) = here.relay.taken
    assert (taken.sender, taken.recipients, taken.content) == (
        "anna@far.example",
        ["a@x.example", "b@x.example"],
        content,
    )
    assert f"SIZE={len(content)}" in taken.options
    async with here.database.read() as connection:
        assert (await connection.exec_driver_sql("SELECT count(*) FROM blob WHERE mailbox_id = 0")).scalar() == 0


@pytest.mark.parametrize("text", [b"a\nb\rc", b"a\r\n", b"\r\n.\n.\r.", b"", b"end\r"])
async def test_lines_end_as_smtp_wants_it(here: Site, text: bytes) -> None:
    await enqueue(here, "a@x.example", content=b"Subject: x\r\n\r\n" + text)
    async with here.working():
        await here.settled()
    lines = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    expected = b"Subject: x\n\n" + lines
    assert here.relay.taken[0].content == (expected + b"\n" * (not expected.endswith(b"\n"))).replace(b"\n", b"\r\n")


async def test_connections_are_used_again(here: Site) -> None:
    for number in range(10):
        await enqueue(here, f"a{number}@x.example")
    async with here.working():
        await here.settled()
    assert len(here.relay.taken) == 10
    assert here.relay.connections <= 4


async def test_each_recipient_has_a_fate_of_its_own(here: Site) -> None:
    here.relay.replies = {"b@x.example": "550 5.1.1 no such user", "c@x.example": "451 4.7.1 greylisted"}
    entry = await enqueue(here, "a@x.example", "b@x.example", "c@x.example", sender="tom@bm.lan")
    async with here.working():
        await here.until(lambda: _told(here, 1))
        (kept,) = [item for item in await here.recipients(entry) if item.state == RecipientState.PENDING]
        assert (kept.address, kept.status, kept.diagnostic) == ("c@x.example", "4.7.1", "451 4.7.1 greylisted")
        here.relay.replies = {}
        await here.settled()
    assert [taken.recipients for taken in here.relay.taken] == [["a@x.example"], ["c@x.example"]]
    (row,) = await here.rows("tom@bm.lan")
    content = decode_message(row)
    assert row.message_class.startswith("REPORT.")
    assert "no such user" in str(content.properties) + str(content.recipients)


async def _told(here: Site, count: int) -> bool:
    return len(await here.rows("tom@bm.lan")) == count


async def test_a_relay_that_is_away_is_asked_again(tmp_path: Path) -> None:
    async with site(tmp_path / "data", schedule=Schedule(first=SECOND // 100, longest=SECOND * 5)) as here:
        port = here.relay.port
        assert here.transport._relay is not None
        here.transport._relay.settings = RelaySettings("127.0.0.1", 1, Security.NONE)
        entry = await enqueue(here, "a@x.example")
        async with here.working():

            async def attempts() -> bool:
                return (await here.entries())[0].attempts >= 4

            await here.until(attempts)
            (recipient,) = await here.recipients(entry)
            assert (recipient.state, recipient.status) == (RecipientState.PENDING, "4.4.1")
            here.transport._relay.settings = RelaySettings("127.0.0.1", port, Security.NONE)
            assert await outgoing.retry(here.database) == 1
            await here.settled()
    assert len(here.relay.taken) == 1


async def test_pauses_double_up_to_the_longest() -> None:
    schedule = Schedule()
    pauses = [schedule.pause(attempts) // SECOND for attempts in (0, 1, 2, 5, 6, 7, 1000)]
    assert pauses == [60, 120, 240, 1920, 3600, 3600, 3600]


async def test_what_takes_too_long_is_told_of_and_then_given_up(tmp_path: Path) -> None:
    schedule = Schedule(SECOND // 50, SECOND // 50, warn_after=SECOND // 10, bounce_after=SECOND)
    async with site(tmp_path / "data", schedule=schedule) as here:
        here.relay.data_reply = "450 4.3.2 not now"
        await here.add("tom@bm.lan", "Tom")
        async with logged_on(here) as client:
            await submit(client, await written(here, client, [smtp("a@x.example")]))
        async with here.working():
            await here.settled()
        delayed, failed = await here.rows("tom@bm.lan")
    assert (delayed.message_class, failed.message_class) == ("REPORT.IPM.Note.Delayed.DR", "REPORT.IPM.Note.NDR")
    assert delayed.subject == "Delivery delayed: Hello"
    assert "4.4.7 450 4.3.2 not now" in decode_message(failed).properties[tags.PidTagBody]


async def test_a_refused_message_of_somebody_elsewhere_comes_back_as_a_notification(here: Site) -> None:
    here.relay.replies = {"a@x.example": "550 5.7.1 spam"}
    await enqueue(here, "a@x.example", sender="anna@far.example")
    async with here.working():
        await here.settled()
    (taken,) = here.relay.taken
    assert (taken.sender, taken.recipients) == ("<>", ["anna@far.example"])
    message = message_from_bytes(taken.content, policy=default)
    assert message.get_content_type() == "multipart/report"
    assert isinstance(message, EmailMessage)
    text, status, headers = message.iter_parts()
    assert "a@x.example" in text.get_content()
    fields: Any = status.get_payload()[1]  # type: ignore[index]
    assert (fields["Final-Recipient"], fields["Action"], fields["Status"]) == (
        "rfc822; a@x.example",
        "failed",
        "5.7.1",
    )
    assert "Subject: Hello" in headers.get_content()


async def test_nobody_is_told_of_reports(here: Site) -> None:
    here.relay.data_reply = "554 5.0.0 no"
    await enqueue(here, "a@x.example", sender="")
    async with here.working():
        await here.settled()
    assert here.relay.taken == []


async def test_a_connection_that_breaks_is_no_answer(here: Site) -> None:
    here.relay.data_reply = "421 4.3.0 going down"
    entry = await enqueue(here, "a@x.example")
    async with here.working():

        async def tried() -> bool:
            return (await here.entries())[0].attempts >= 2

        await here.until(tried)
        (recipient,) = await here.recipients(entry)
        assert recipient.state == RecipientState.PENDING
        here.relay.data_reply = "250 OK"
        await here.settled()
    assert len(here.relay.taken) == 1


# Starting, stopping, administering


async def test_what_is_due_is_taken_up_at_the_start(here: Site) -> None:
    await enqueue(here, "a@x.example")
    here.database.queued.clear()
    async with here.working():
        await here.settled()
    assert len(here.relay.taken) == 1


async def test_entries_that_are_due_later_wait_for_their_time(here: Site) -> None:
    entry = await enqueue(here, "a@x.example")
    later = now() + SECOND // 4
    async with here.database.write() as connection:
        await queue.update_outgoing(connection, entry, due=later)
    async with here.working():
        await here.settled()
    assert now() >= later


async def test_more_entries_than_tasks(here: Site) -> None:
    for number in range(outgoing.TASKS * 3):
        await enqueue(here, f"a{number}@x.example")
    async with here.working():
        await here.settled(30)
    assert len(here.relay.taken) == outgoing.TASKS * 3


async def test_a_step_that_fails_is_logged_and_tried_again(
    here: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    send = here.transport._relay.send  # type: ignore[union-attr]
    calls = []

    async def broken(parcel: Parcel, recipients: list[str]) -> Any:
        calls.append(recipients)
        if len(calls) == 1:
            raise RuntimeError("a defect")
        return await send(parcel, recipients)

    monkeypatch.setattr(here.transport._relay, "send", broken)
    await enqueue(here, "a@x.example")
    async with here.working():
        await here.settled()
    assert len(here.relay.taken) == 1
    assert "a defect" in caplog.text


async def test_an_entry_can_be_dropped(here: Site) -> None:
    entry = await enqueue(here, "a@x.example")
    assert await outgoing.remove(here.database, entry)
    assert not await outgoing.remove(here.database, entry)
    assert await here.entries() == []
    async with here.database.read() as connection:
        for table in ("outgoing_recipient", "blob"):
            assert (await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")).scalar() == 0


async def test_retrying_everything_leaves_what_was_deferred(here: Site) -> None:
    entry = await enqueue(here, "a@x.example")
    later = now() + 3600 * SECOND
    async with here.database.write() as connection:
        await queue.update_outgoing(connection, entry, due=later, step=Step.SUBMITTED)
    assert await outgoing.retry(here.database) == 0
    assert (await here.entries())[0].due == later
    assert await outgoing.retry(here.database, entry) == 1
    assert (await here.entries())[0].due <= now()


# Connections of all kinds


class Authenticating(FakeRelay):
    def __init__(self, context: ssl.SSLContext, *, implicit: bool = False) -> None:
        super().__init__()
        self.context = context
        self.implicit = implicit
        self.users: list[bytes] = []

    def _authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.users.append(data.login)
        return AuthResult(success=data.password == b"secret", handled=False)  # what is not handled is answered

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Authenticating"]:
        loop = asyncio.get_running_loop()

        def connected() -> SMTP:
            return SMTP(
                self,
                hostname="localhost",
                loop=loop,
                tls_context=None if self.implicit else self.context,
                authenticator=self._authenticate,
                auth_require_tls=not self.implicit,
            )

        server = await loop.create_server(connected, "127.0.0.1", 0, ssl=self.context if self.implicit else None)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed_certificate(tmp_path_factory.mktemp("relay"), ["localhost"])


def parcel(**fields: Any) -> Parcel:
    return Parcel("tom@bm.lan", lambda: iter([MAIL]), len(MAIL), **fields)


@pytest.mark.parametrize("security", [Security.REQUIRED, Security.IMPLICIT, Security.OPPORTUNISTIC])
async def test_tls_and_authentication(certificate: tuple[Path, Path], security: Security) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    async with Authenticating(context, implicit=security is Security.IMPLICIT).running() as fake:
        trusted = RelaySettings("localhost", fake.port, security, "tom", "secret", str(certificate[0]))
        relay = Relay(trusted)
        (outcome,) = await relay.send(parcel(), ["a@x.example"])
        await relay.close()
        assert (outcome.fate, fake.users) == (Fate.TAKEN, [b"tom"])
        for settings in (
            RelaySettings("localhost", fake.port, security, "tom", "wrong", str(certificate[0])),
            RelaySettings("localhost", fake.port, security, "tom", "secret"),  # an authority that is not trusted
        ):
            relay = Relay(settings)
            (outcome,) = await relay.send(parcel(), ["a@x.example"])
            await relay.close()
            believed = security is Security.OPPORTUNISTIC and settings.password == "secret"
            assert outcome.fate is (Fate.TAKEN if believed else Fate.LATER)


async def test_a_relay_without_tls_gets_nothing_that_requires_it(here: Site) -> None:
    relay = Relay(RelaySettings("127.0.0.1", here.relay.port, Security.REQUIRED))
    (outcome,) = await relay.send(parcel(), ["a@x.example"])
    assert outcome.fate is Fate.LATER
    assert here.relay.taken == []


async def test_addresses_with_letters_beyond_ascii(here: Site) -> None:
    assert wire_address("tom@bücher.example") == "tom@xn--bcher-kva.example"
    relay = Relay(RelaySettings("127.0.0.1", here.relay.port, Security.NONE))
    outcomes = await relay.send(parcel(), ["jörg@bücher.example", "a@bücher.example"])
    await relay.close()
    assert [outcome.fate for outcome in outcomes] == [Fate.TAKEN] * 2
    (taken,) = here.relay.taken
    assert taken.recipients == ["jörg@xn--bcher-kva.example", "a@xn--bcher-kva.example"]
    assert "SMTPUTF8" in taken.options


async def test_a_relay_without_smtputf8_gets_only_what_it_can_take() -> None:
    class Plain(FakeRelay):
        @asynccontextmanager
        async def running(self) -> AsyncIterator[FakeRelay]:
            loop = asyncio.get_running_loop()
            server = await loop.create_server(lambda: SMTP(self, hostname="relay", loop=loop), "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            yield self
            server.close()

    async with Plain().running() as fake:
        relay = Relay(RelaySettings("127.0.0.1", fake.port, Security.NONE))
        outcomes = await relay.send(parcel(), ["jörg@far.example", "a@far.example"])
        await relay.close()
    assert [(item.fate, item.status) for item in outcomes] == [(Fate.REFUSED, "5.6.7"), (Fate.TAKEN, "2.0.0")]
    assert fake.taken[0].recipients == ["a@far.example"]


async def test_many_recipients_go_in_transactions_of_a_hundred(here: Site) -> None:
    relay = Relay(RelaySettings("127.0.0.1", here.relay.port, Security.NONE))
    addresses = [f"a{number}@x.example" for number in range(250)]
    outcomes = await relay.send(parcel(), addresses)
    await relay.close()
    assert {outcome.fate for outcome in outcomes} == {Fate.TAKEN}
    assert [len(taken.recipients) for taken in here.relay.taken] == [100, 100, 50]
    assert here.relay.connections == 1
