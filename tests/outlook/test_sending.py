"""Sending as Outlook does it, online and in cached mode, and what the recipient's Outlook finds."""

import struct
import time
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from tests.outlook import online_rops, rops
from tests.outlook.online import BODY, FLAGS, MESSAGE_CLASS, SUBJECT, Item, Online
from tests.outlook.online_rops import Recipient
from tests.outlook.server import Server, add_user

SENT_MAIL_ENTRY_ID, TARGET_ENTRY_ID, SUBMIT_TIME = 0x0E0A0102, 0x30100102, 0x00390040
SENDER_NAME, RECEIVED_BY_NAME = 0x0C1A001F, 0x0040001F
READ, SUBMITTED, UNSENT = 0x01, 0x04, 0x08


@pytest.fixture(scope="module")
def mailboxes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("sending")
    add_user(data, "olga@bm.lan", "secret", "Olga Stern")
    add_user(data, "paul@bm.lan", "secret", "Paul Weiss")
    with Server(data) as running:
        yield running
        assert not running.tracebacks(), "".join(running.output)


@pytest.fixture(scope="module")
def olga(mailboxes: Server) -> Online:
    return Online(mailboxes.web("olga@bm.lan")).start()


@pytest.fixture(scope="module")
def paul(mailboxes: Server) -> Online:
    return Online(mailboxes.web("paul@bm.lan")).start()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def long_term(user: Online, identifier: int) -> bytes:
    guid, counter = user.call(rops.long_term_id_from_id(0, identifier), user.logon)
    return _long_term(guid, counter)


def _long_term(guid: UUID, counter: int) -> bytes:
    return guid.bytes_le + counter.to_bytes(6, "big") + bytes(2)


def mailbox_guid(user: Online) -> bytes:
    assert user.logon_data is not None
    return user.logon_data.mailbox_guid.bytes_le


TO_PAUL = (Recipient(1, "Paul Weiss", "paul@bm.lan"),)


def test_online_the_message_leaves_the_outbox_for_sent_items(olga: Online, paul: Online) -> None:
    outbox, sent = olga.special("Outbox"), olga.special("Sent Items")
    item = Item("Online", "Zeile für Paul", recipients=TO_PAUL, attachments=(("a.bin", bytes(5000)),))
    message_id = olga.create(outbox, item)
    folder = struct.pack("<4x16sH", mailbox_guid(olga), 1) + long_term(olga, sent)
    olga.change(outbox, message_id, {SENT_MAIL_ENTRY_ID: folder})
    with olga.message(outbox, message_id) as message:
        olga.call(online_rops.submit_message(0), message)
    until(lambda: "Online" in olga.ids(sent) and "Online" in paul.ids(paul.special("Inbox")))
    assert "Online" not in olga.ids(outbox)
    arrived = paul.ids(paul.special("Inbox"))["Online"]
    read = paul.read(paul.special("Inbox"), arrived)
    assert (read.subject, read.body, read.attachments) == (item.subject, item.body, item.attachments)
    values = paul.values(paul.special("Inbox"), arrived, SENDER_NAME, RECEIVED_BY_NAME, FLAGS)
    assert values[:2] == ["Olga Stern", "Paul Weiss"]
    assert not values[2] & (READ | SUBMITTED | UNSENT)
    (flags,) = olga.values(sent, olga.ids(sent)["Online"], FLAGS)
    assert flags & (READ | SUBMITTED | UNSENT) == READ


def test_in_cached_mode_the_message_is_in_the_outbox_under_the_client_s_id(olga: Online, paul: Online) -> None:
    outbox = olga.special("Outbox")
    transport = olga.call(online_rops.get_transport_folder(0), olga.logon)
    assert transport == olga.special("Spooler Queue")
    guid, counter = olga.call(online_rops.get_local_replica_ids(0, 0x10000), olga.logon)
    target = struct.pack("<4x16sH", mailbox_guid(olga), 7) + long_term(olga, outbox) + _long_term(guid, counter)
    for _ in range(2):  # the second time as if the first answer had been lost
        item = Item("Cached", "from the cache", recipients=TO_PAUL)
        message_id = olga.create(transport, item)
        olga.change(transport, message_id, {TARGET_ENTRY_ID: target})
        with olga.message(transport, message_id) as message:
            told = olga.call(online_rops.transport_send(0), message)
        assert told[SENDER_NAME] == "Olga Stern"
        assert SUBMIT_TIME in told
    until(lambda: "Cached" in paul.ids(paul.special("Inbox")))
    found = olga.call(rops.id_from_long_term_id(0, guid, counter), olga.logon)
    assert olga.ids(outbox) == {"Cached": found}
    assert olga.ids(transport) == {}
    time.sleep(0.5)
    subjects = [row[0] for row in paul.rows(paul.special("Inbox"), SUBJECT)]
    assert subjects.count("Cached") == 1
    sent = olga.special("Sent Items")
    olga.move(outbox, sent, [found])
    assert olga.read(sent, olga.ids(sent)["Cached"]).body == "from the cache"


def test_what_cannot_be_delivered_comes_back(olga: Online) -> None:
    outbox, inbox = olga.special("Outbox"), olga.special("Inbox")
    item = Item("Nobody", "text", recipients=(Recipient(1, "No Body", "nobody@bm.lan"),))
    with olga.message(outbox, olga.create(outbox, item)) as message:
        olga.call(online_rops.submit_message(0), message)
    until(lambda: "Undeliverable: Nobody" in olga.ids(inbox))
    report = olga.ids(inbox)["Undeliverable: Nobody"]
    message_class, body = olga.values(inbox, report, MESSAGE_CLASS, BODY)
    assert message_class == "REPORT.IPM.Note.NDR"
    assert "nobody@bm.lan" in body
