"""Reports and receipts that a sender has asked for (MS-OXOMSG 2.2.1.29, 2.2.2)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mapigw.mailbox.content import decode_message
from mapigw.wire import tags
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import Client
from tests.emsmdb.messages import open_folder
from tests.mail.sending import MAIL, Site, lmtp_client, site
from tests.mail.test_submission import logged_on, parsed, send, smtp


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


async def test_delivery_reports(here: Site, client: Client) -> None:
    await send(
        here,
        client,
        [smtp("eva@bm.lan", "Eva"), smtp("anna@far.example")],
        {tags.PidTagOriginatorDeliveryReportRequested: True},
    )
    delivered, relayed = await here.rows("tom@bm.lan")
    assert (delivered.message_class, relayed.message_class) == ("REPORT.IPM.Note.DR", "REPORT.IPM.Note.Relayed.DR")
    assert (delivered.subject, relayed.subject) == ("Delivered: Hello", "Relayed: Hello")
    assert "Eva (eva@bm.lan)" in decode_message(delivered).properties[tags.PidTagBody]
    assert "anna@far.example" in decode_message(relayed).properties[tags.PidTagBody]
    assert decode_message(delivered).recipients == []  # such reports with recipients crash Outlook


async def read(client: Client, message_id: int, flags: int = 0) -> None:
    inbox = await open_folder(client, "inbox")
    await client.value(
        "SetReadFlags",
        inbox,
        want_asynchronous=False,
        read_flags=flags,
        message_ids=[ObjectId(1, message_id)],
    )


RECEIPT = {tags.PidTagReadReceiptRequested: True}


@pytest.mark.spec("MS-OXCMSG_R815")
async def test_reading_a_message_sends_the_receipt_once(here: Site, client: Client) -> None:
    await send(here, client, [smtp("eva@bm.lan", "Eva")], RECEIPT)
    (row,) = await here.rows("eva@bm.lan")
    async with logged_on(here, "eva@bm.lan") as eva, here.working():
        for flags in (0, 0x04, 0):  # read, unread, read
            await read(eva, row.message_id, flags)
        await here.settled()
    (receipt,) = await here.rows("tom@bm.lan")
    assert (receipt.message_class, receipt.subject) == ("REPORT.IPM.Note.IPNRN", "Read: Hello")
    content = decode_message(receipt)
    assert content.properties[tags.PidTagSenderName] == "Eva"
    (sent,) = await here.contents("tom@bm.lan", "sent_items")
    assert content.properties[tags.PidTagParentKey] == sent.properties[tags.PidTagSearchKey]
    assert content.properties[tags.PidTagOriginalMessageId] == sent.properties[tags.PidTagInternetMessageId]
    (after,) = await here.rows("eva@bm.lan")
    assert not after.message_flags & 0x300


@pytest.mark.spec("MS-OXCMSG_R825")
@pytest.mark.parametrize(("flags", "sent"), [(0x01, 0), (0x10, 1), (0x20, 0), (0x04, 0)])
async def test_when_a_receipt_is_sent(here: Site, client: Client, flags: int, sent: int) -> None:
    """Suppressed, generated without reading, given up, made unread (MS-OXCMSG 2.2.3.10.1)."""
    await send(here, client, [smtp("eva@bm.lan")], RECEIPT)
    (row,) = await here.rows("eva@bm.lan")
    async with logged_on(here, "eva@bm.lan") as eva, here.working():
        await read(eva, row.message_id, flags)
        await here.settled()
    assert len(await here.rows("tom@bm.lan")) == sent
    assert (await here.rows("eva@bm.lan"))[0].is_read is (flags == 0x01)


async def test_the_sender_s_own_copy_owes_no_receipt(here: Site, client: Client) -> None:
    await send(here, client, [smtp("eva@bm.lan")], RECEIPT)
    (sent,) = await here.rows("tom@bm.lan", "sent_items")
    folder = await open_folder(client, "sent_items")
    for flags in (0x04, 0):
        fields = {"want_asynchronous": False, "read_flags": flags, "message_ids": [ObjectId(1, sent.message_id)]}
        await client.value("SetReadFlags", folder, **fields)  # type: ignore[arg-type]
    assert await here.entries() == []


async def test_a_receipt_for_somebody_elsewhere_is_internet_mail(here: Site, client: Client) -> None:
    async with here.lmtp.listening(("127.0.0.1", 0)) as where, lmtp_client(where) as lmtp:
        await lmtp.send(b"Disposition-Notification-To: <anna@far.example>\r\n" + MAIL, "tom@bm.lan")
    (row,) = await here.rows("tom@bm.lan")
    assert row.message_flags & 0x100
    await read(client, row.message_id)
    async with here.working():
        await here.settled()
    (taken,) = here.relay.taken
    assert (taken.sender, taken.recipients) == ("<>", ["anna@far.example"])
    message = parsed(taken.content)
    assert message.get_content_type() == "multipart/report"
    assert message["Subject"] == "Read: Hello"


@pytest.mark.parametrize(("notify", "is_read", "sent"), [(True, False, 1), (False, False, 0), (True, True, 0)])
async def test_deleting_an_unread_message_tells_its_sender(
    here: Site, client: Client, notify: bool, is_read: bool, sent: int
) -> None:
    await send(here, client, [smtp("eva@bm.lan", "Eva")], {tags.PidTagNonReceiptNotificationRequested: True})
    (row,) = await here.rows("eva@bm.lan")
    async with logged_on(here, "eva@bm.lan") as eva, here.working():
        if is_read:
            await read(eva, row.message_id)
        await eva.value(
            "DeleteMessages",
            await open_folder(eva, "inbox"),
            want_asynchronous=False,
            notify_non_read=notify,
            message_ids=[ObjectId(1, row.message_id)],
        )
        await here.settled()
    found = await here.rows("tom@bm.lan")
    assert [(item.message_class, item.subject) for item in found] == [
        ("REPORT.IPM.Note.IPNNRN", "Not read: Hello")
    ] * sent
