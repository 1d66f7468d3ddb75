"""What members send as a shared mailbox: who may, who it is from, and who keeps it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mapigw.directory.model import MailboxKind, User
from mapigw.directory.sharing import SentCopy
from mapigw.mail import submission_steps
from mapigw.mail.addresses import SENT_REPRESENTING, address_group
from mapigw.mailbox.content import DecodedMessage, decode_message
from mapigw.mailbox.permissions import Right
from mapigw.store import queue
from mapigw.wire import tags
from tests.emsmdb.client import Client
from tests.emsmdb.logons import fields
from tests.mail.sending import Site, site
from tests.mail.test_submission import (
    SUBMITTED,
    UNSENT,
    logged_on,
    parsed,
    send,
    sent_folder,
    smtp,
    submit,
    written,
)

HERE, FAR = smtp("eva@bm.lan"), smtp("anna@far.example")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path / "data") as found:
        await found.add("tom@bm.lan", "Tom")
        await found.add("eva@bm.lan", "Eva")
        yield found


@pytest.fixture
async def client(here: Site) -> AsyncIterator[Client]:
    async with logged_on(here) as found:
        yield found


@pytest.fixture
async def tom(here: Site) -> User:
    return await user_of(here, "tom@bm.lan")


@pytest.fixture
async def info(here: Site) -> User:
    return await here.directory.add_mailbox("info@bm.lan", MailboxKind.SHARED, display_name="Information")


async def user_of(here: Site, address: str) -> User:
    found = await here.directory.by_address(address)
    assert found is not None
    return found


def from_(mailbox: User) -> dict[int, Any]:
    """What Outlook writes for another From."""
    return address_group(SENT_REPRESENTING, mailbox)


async def subjects(here: Site, address: str, key: str = "sent_items") -> list[str | None]:
    return [row.subject for row in await here.rows(address, key)]


def sender_of(content: DecodedMessage) -> tuple[str, str]:
    """The addresses of who sent a message, and of who it is from."""
    values = content.properties
    return values[tags.PidTagSenderSmtpAddress], values[tags.PidTagSentRepresentingSmtpAddress]


async def test_without_the_right_to_write_nothing_is_sent(here: Site, client: Client, tom: User, info: User) -> None:
    """The report names what is missing; the message is in the sender's own folder only."""
    await here.directory.sharing.grant(info, tom, Right.READ)
    await send(here, client, [HERE, FAR], from_(info))
    assert (here.relay.taken, await here.rows("eva@bm.lan")) == ([], [])
    (row,) = await here.rows("tom@bm.lan")
    assert (
        'neither the right "Send As" nor "Send on Behalf" for info@bm.lan'
        in (decode_message(row).properties[tags.PidTagBody])
    )
    assert (await subjects(here, "tom@bm.lan"), await subjects(here, "info@bm.lan")) == (["Hello"], [])


@pytest.mark.parametrize("right", [Right.WRITE, Right.MANAGE])
async def test_a_writer_sends_as_the_mailbox(here: Site, client: Client, tom: User, info: User, right: Right) -> None:
    """Recipients see the mailbox alone; its copies tell the members who it was."""
    await here.directory.sharing.grant(info, tom, right)
    await send(here, client, [HERE, FAR], from_(info))
    (received,) = await here.contents("eva@bm.lan")
    assert sender_of(received) == ("info@bm.lan", "info@bm.lan")
    message = parsed(here.relay.taken[0].content)
    assert message["From"].addresses[0].addr_spec == "info@bm.lan"
    assert message["Sender"] is None
    assert "tom@bm.lan" not in str(message)
    (kept,) = await here.contents("info@bm.lan", "sent_items")
    assert kept.properties[tags.PidTagSenderName] == "Tom"
    assert kept.properties[tags.PidTagSentRepresentingName] == "Information"


async def test_a_member_of_a_group_with_the_right(here: Site, client: Client, info: User) -> None:
    staff = await here.directory.add_group("staff@bm.lan")
    await here.directory.add_member("staff@bm.lan", "tom@bm.lan")
    await here.directory.sharing.grant(info, staff, Right.WRITE)
    values = {
        tags.PidTagSentRepresentingAddressType: "SMTP",
        tags.PidTagSentRepresentingEmailAddress: "INFO@bm.lan",
        tags.PidTagSentRepresentingName: "Information",
    }
    await send(here, client, [HERE], values)
    assert await subjects(here, "eva@bm.lan", "inbox") == ["Hello"]


async def test_a_mailbox_without_an_address_sends_nothing(here: Site, client: Client, tom: User) -> None:
    files = await here.directory.add_mailbox("files", MailboxKind.SHARED, domain="bm.lan")
    await here.directory.sharing.grant(files, tom, Right.MANAGE)
    await send(here, client, [HERE], from_(files))
    assert await here.rows("eva@bm.lan") == []
    assert [row.message_class for row in await here.rows("tom@bm.lan")] == ["REPORT.IPM.Note.NDR"]


@pytest.mark.parametrize(
    ("policy", "members", "mailboxes"),
    [(SentCopy.BOTH, ["Hello"], ["Hello"]), (SentCopy.MEMBER, ["Hello"], []), (SentCopy.MAILBOX, [], ["Hello"])],
)
@pytest.mark.parametrize("from_where", ["the member's mailbox", "the shared mailbox"])
async def test_who_keeps_a_copy(
    here: Site, tom: User, info: User, policy: SentCopy, members: list[str], mailboxes: list[str], from_where: str
) -> None:
    await here.directory.sharing.grant(info, tom, Right.WRITE)
    await here.directory.sharing.set_sent_copy(info, policy)
    async with logged_on(here) as client:
        values = from_(info)
        if from_where == "the shared mailbox":
            await client.value("Logon", **fields(info.legacy_dn))
            values = {tags.PidTagSentMailEntryId: await sent_folder(here, "info@bm.lan")}
        await send(here, client, [HERE], values, bcc=(FAR,))
    assert await subjects(here, "eva@bm.lan", "inbox") == ["Hello"]
    found = await subjects(here, "tom@bm.lan"), await subjects(here, "info@bm.lan")
    assert found == (members, mailboxes)
    assert [await subjects(here, address, "outbox") for address in ("tom@bm.lan", "info@bm.lan")] == [[], []]
    for address in ("tom@bm.lan", "info@bm.lan"):
        for row in await here.rows(address, "sent_items"):
            assert (row.is_read, row.message_flags & (SUBMITTED | UNSENT)) == (True, 0)
            content = decode_message(row)
            assert content.properties[tags.PidTagSentRepresentingSmtpAddress] == "info@bm.lan"
            names = [item[tags.PidTagDisplayName] for item in content.recipients]
            assert names == ["eva@bm.lan", "anna@far.example"]  # the blind one as well


async def test_a_copy_is_made_once_however_often_the_step_is_repeated(
    here: Site, client: Client, tom: User, info: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server stops after the copy, and before the message is put away."""
    await here.directory.sharing.grant(info, tom, Right.WRITE)
    await submit(client, await written(here, client, [HERE], from_(info)))
    (listed,) = await here.entries()

    async def entry() -> queue.OutgoingRow:
        async with here.database.read() as connection:
            found = await queue.select_outgoing(connection, listed.outgoing_id)
        assert found is not None
        return found

    await here.transport.expand(await entry())

    async def stopped(*arguments: Any) -> None:
        raise RuntimeError("the server stops")

    with monkeypatch.context() as patch:
        patch.setattr(submission_steps, "finish", stopped)
        with pytest.raises(RuntimeError, match="stops"):
            await here.transport.distribute(await entry())
    assert await subjects(here, "info@bm.lan") == ["Hello"]
    async with here.working():
        await here.settled()
    for address in ("info@bm.lan", "tom@bm.lan"):
        assert await subjects(here, address) == ["Hello"]
    assert await subjects(here, "eva@bm.lan", "inbox") == ["Hello"]


async def test_a_right_that_is_taken_back_before_the_message_is_sent(
    here: Site, client: Client, tom: User, info: User
) -> None:
    await here.directory.sharing.grant(info, tom, Right.WRITE)
    await submit(client, await written(here, client, [HERE], from_(info)))
    await here.directory.sharing.revoke(info, tom.legacy_dn)
    async with here.working():
        await here.settled()
    assert await here.rows("eva@bm.lan") == []
    assert await subjects(here, "info@bm.lan") == []
