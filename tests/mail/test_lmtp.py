"""Mail that comes in by LMTP (RFC 2033)."""

import asyncio
import smtplib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mapigw.mail import lmtp as lmtp_module
from mapigw.mail.lmtp import AddressInUseError
from mapigw.mailbox.content import BlobValue, decode_message
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.receive_folders import set_receive_folder
from mapigw.store import deliveries
from mapigw.store.database import Connection
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.entryids import address_book_dn
from tests.mail.sending import MAIL, LmtpClient, Site, lmtp_client, site


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path / "data", catch_all={"bm.lan": "tom@bm.lan"}, size_limit=1 << 20) as found:
        await found.add("tom@bm.lan", "Tom")
        await found.add("eva@other.lan", "Eva")
        yield found


@pytest.fixture
async def client(here: Site) -> AsyncIterator[LmtpClient]:
    async with here.lmtp.listening(("127.0.0.1", 0)) as where, lmtp_client(where) as found:
        yield found


async def mime_of(here: Site, address: str) -> bytes:
    """The original MIME of the only message in an Inbox."""
    mailbox = await here.mailbox(address)
    (row,) = await here.rows(address)
    async with here.database.write() as connection:
        rows = await connection.exec_driver_sql(
            f"SELECT mime, is_digest FROM message_mime WHERE mailbox_id={mailbox.mailbox_id}"
            f" AND message_id={row.message_id}"
        )
        mime, is_digest = tuple(rows.one())
    return await mailbox.read_blob(mime) if is_digest else bytes(mime)


async def test_a_message_is_in_the_inbox_when_it_is_acknowledged(here: Site, client: LmtpClient) -> None:
    assert await client.send(MAIL, "tom@bm.lan") == ["250 2.1.5 Delivered"]
    (row,) = await here.rows("tom@bm.lan")
    assert (row.subject, row.is_read) == ("Hello", False)
    properties = decode_message(row).properties
    assert properties[tags.PidTagBody].rstrip() == "The text."
    assert properties[tags.PidTagReceivedByName] == "Tom"
    assert (
        address_book_dn(properties[tags.PidTagReceivedByEntryId])
        == (await here.directory.named("tom@bm.lan")).legacy_dn
    )
    assert (properties[tags.PidTagMessageToMe], properties[tags.PidTagMessageCcMe]) == (True, False)


async def test_trace_fields_are_added_and_the_rest_is_kept_to_the_byte(here: Site, client: LmtpClient) -> None:
    await client.send(MAIL, "tom@bm.lan")
    mime = await mime_of(here, "tom@bm.lan")
    assert mime.endswith(MAIL)
    head = mime.removesuffix(MAIL).decode().split("\r\n")
    assert head[:2] == ["Return-Path: <anna@far.example>", "Delivered-To: tom@bm.lan"]
    assert head[2].startswith("Received: from test.example by mail.bm.lan with LMTP id ")


async def test_an_empty_reverse_path_is_kept(here: Site, client: LmtpClient) -> None:
    await client.send(MAIL, "tom@bm.lan", sender="")
    assert (await mime_of(here, "tom@bm.lan")).startswith(b"Return-Path: <>\r\n")


@pytest.mark.parametrize(
    "text",
    [b"", b".\r\n", b"..\r\n.a\r\n", b"a\r\n.\nb\r\n", b"x" * 70_000 + b"\r\n.y\r\n", b"\r\n" * 40_000, b"l\nf\n\r\n"],
)
async def test_dots_and_long_lines_come_through(here: Site, client: LmtpClient, text: bytes) -> None:
    content = b"Subject: s\r\n\r\n" + text
    assert await client.send(content, "tom@bm.lan") == ["250 2.1.5 Delivered"]
    assert (await mime_of(here, "tom@bm.lan")).endswith(content)


@pytest.mark.parametrize("pieces", [1, 2, 3, 5])
async def test_the_terminator_may_come_in_pieces(here: Site, client: LmtpClient, pieces: int) -> None:
    await client.command("MAIL FROM:<a@b.example>")
    await client.command("RCPT TO:<tom@bm.lan>")
    await client.command("DATA")
    data = MAIL + b"..\r\n.\r\n"
    for start in range(0, len(data), pieces):
        client.writer.write(data[start : start + pieces])
        await client.writer.drain()
        await asyncio.sleep(0)
    assert await client.reply() == "250 2.1.5 Delivered"
    assert (await mime_of(here, "tom@bm.lan")).endswith(MAIL + b".\r\n")


async def test_an_empty_message_is_a_message(here: Site, client: LmtpClient) -> None:
    assert await client.send(b"", "tom@bm.lan") == ["250 2.1.5 Delivered"]
    assert len(await here.rows("tom@bm.lan")) == 1


async def test_each_recipient_has_a_reply_and_strangers_are_refused(here: Site, client: LmtpClient) -> None:
    replies = await client.send(MAIL, "eva@other.lan", "nobody@other.lan", "tom@bm.lan", "a@unknown.example")
    assert [reply[:9] for reply in replies] == ["250 2.1.5", "550 5.1.1", "250 2.1.5", "550 5.1.1"]
    assert len(await here.rows("eva@other.lan")) == len(await here.rows("tom@bm.lan")) == 1
    assert b"Delivered-To" not in await mime_of(here, "tom@bm.lan")


async def test_the_session_goes_on_after_refusals_and_messages(here: Site, client: LmtpClient) -> None:
    assert (await client.send(MAIL, "nobody@other.lan"))[0].startswith("550")
    for _ in range(3):
        assert await client.send(MAIL, "tom@bm.lan") == ["250 2.1.5 Delivered"]
    assert (await client.command("DATA")).startswith("503")
    assert len(await here.rows("tom@bm.lan")) == 3


async def test_aliases_additions_and_the_catch_all(here: Site, client: LmtpClient) -> None:
    await here.directory.add_alias("eva@other.lan", "evi@other.lan")
    replies = await client.send(MAIL, "EVI@Other.lan", "eva+news@other.lan", "whatever@bm.lan", "Tom+x+y@bm.lan")
    assert {reply[:3] for reply in replies} == {"250"}
    assert (len(await here.rows("eva@other.lan")), len(await here.rows("tom@bm.lan"))) == (1, 1)


async def test_members_of_nested_groups_get_it_once(here: Site, client: LmtpClient) -> None:
    for group, members in (("in@bm.lan", ["tom@bm.lan"]), ("out@bm.lan", ["in@bm.lan", "tom@bm.lan", "eva@other.lan"])):
        await here.directory.add_group(group)
        for member in members:
            await here.directory.add_member(group, member)
    assert await client.send(MAIL, "out@bm.lan", "eva@other.lan") == ["250 2.1.5 Delivered"] * 2
    assert (len(await here.rows("eva@other.lan")), len(await here.rows("tom@bm.lan"))) == (1, 1)


async def test_a_disabled_mailbox_and_an_empty_group_refuse(here: Site, client: LmtpClient) -> None:
    await here.directory.set_enabled("eva@other.lan", False)
    await here.directory.add_group("none@bm.lan")
    replies = await client.send(MAIL, "eva@other.lan", "none@bm.lan")
    assert [reply[:9] for reply in replies] == ["550 5.2.1", "550 5.1.1"]


async def test_a_message_that_is_too_large_is_refused_for_each_recipient(here: Site, client: LmtpClient) -> None:
    replies = await client.send(MAIL + b"x" * (2 << 20) + b"\r\n", "tom@bm.lan", "eva@other.lan")
    assert [reply[:9] for reply in replies] == ["552 5.3.4"] * 2
    assert (await client.command("MAIL FROM:<a@b.example> SIZE=9999999")).startswith("552")
    assert await client.send(MAIL, "tom@bm.lan") == ["250 2.1.5 Delivered"]
    assert list((here.database.data / "blobs").glob("unfinished/.new-*")) == []


async def test_a_full_mailbox_refuses_for_now(here: Site, client: LmtpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    eva = await here.mailbox("eva@other.lan")

    async def accepts(mailbox: Mailbox, size: int) -> bool:
        return mailbox is not eva or size < 100

    monkeypatch.setattr(lmtp_module, "accepts", accepts)
    replies = await client.send(MAIL, "eva@other.lan", "tom@bm.lan")
    assert [reply[:9] for reply in replies] == ["452 4.2.2", "250 2.1.5"]
    await client.command("MAIL FROM:<a@b.example> SIZE=200")
    assert (await client.command("RCPT TO:<eva@other.lan>")).startswith("452 4.2.2")


async def test_addresses_in_utf_8(here: Site, client: LmtpClient) -> None:
    await here.add("tom@bücher.example")
    assert (await client.command("MAIL FROM:<jörg@far.example> SMTPUTF8 BODY=8BITMIME")).startswith("250")
    assert (await client.command("RCPT TO:<tom@bücher.example>")).startswith("250")
    await client.command("DATA")
    client.writer.write("Subject: Grüße\r\n\r\nä\r\n.\r\n".encode())
    assert await client.reply() == "250 2.1.5 Delivered"
    (content,) = await here.contents("tom@xn--bcher-kva.example")
    assert content.properties[tags.PidTagSubject] == "Grüße"
    assert (await mime_of(here, "tom@xn--bcher-kva.example")).startswith("Return-Path: <jörg@".encode())


async def test_a_class_with_a_receive_folder_goes_there(here: Site, client: LmtpClient) -> None:
    mailbox = await here.mailbox("tom@bm.lan")
    folder = await mailbox.special_folder("notes")
    await set_receive_folder(mailbox, "IPM.Note", folder.folder_id)
    await client.send(MAIL, "tom@bm.lan")
    assert (len(await here.rows("tom@bm.lan")), len(await here.rows("tom@bm.lan", "notes"))) == (0, 1)


async def test_large_values_are_shared_and_counted_by_mailbox(here: Site, client: LmtpClient) -> None:
    content = MAIL + b"word " * 40_000 + b"\r\n"
    await client.send(content, "tom@bm.lan", "eva@other.lan")
    digests = []
    for address in ("tom@bm.lan", "eva@other.lan"):
        body = (await here.contents(address))[0].properties[tags.PidTagBody]
        assert isinstance(body, BlobValue)
        digests.append(body.digest)
    assert digests[0] == digests[1]
    async with here.database.read() as connection:
        counts = await connection.exec_driver_sql("SELECT mailbox_id, count FROM blob WHERE digest = ?", (digests[0],))
        assert sorted(counts.all()) == [(1, 1), (2, 1)]


async def test_what_fails_for_one_does_not_fail_for_others(
    here: Site, client: LmtpClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    eva = await here.mailbox("eva@other.lan")
    insert = deliveries.insert_all

    async def broken(connection: Connection, rows: list[tuple[int, MessageRow]]) -> None:
        if any(mailbox_id == eva.mailbox_id for mailbox_id, _row in rows):
            raise OSError("the disk is full")
        await insert(connection, rows)

    monkeypatch.setattr(deliveries, "insert_all", broken)
    replies = await client.send(MAIL, "eva@other.lan", "tom@bm.lan")
    assert [reply[:9] for reply in replies] == ["451 4.3.0", "250 2.1.5"]
    assert (len(await here.rows("eva@other.lan")), len(await here.rows("tom@bm.lan"))) == (0, 1)
    assert "the disk is full" in caplog.text


async def test_deliveries_at_the_same_time(here: Site) -> None:
    async with here.lmtp.listening(("127.0.0.1", 0)) as where:

        async def session(number: int) -> None:
            async with lmtp_client(where) as client:
                for place in range(5):
                    content = MAIL.replace(b"Hello", f"{number}-{place}".encode())
                    assert await client.send(content, "tom@bm.lan", "eva@other.lan") == ["250 2.1.5 Delivered"] * 2

        await asyncio.gather(*(session(number) for number in range(10)))
    expected = {f"{number}-{place}" for number in range(10) for place in range(5)}
    for address in ("tom@bm.lan", "eva@other.lan"):
        rows = await here.rows(address)
        assert len(rows) == 50
        assert {row.subject for row in rows} == expected
    inbox = await (await here.mailbox("tom@bm.lan")).special_folder("inbox")
    assert (inbox.content_count, inbox.content_unread_count) == (50, 50)


async def test_many_recipients(here: Site, client: LmtpClient) -> None:
    addresses = [f"u{number}@bm.lan" for number in range(60)]
    for address in addresses:
        await here.add(address)
    assert await client.send(MAIL, *addresses) == ["250 2.1.5 Delivered"] * 60
    assert [len(await here.rows(address)) for address in addresses] == [1] * 60


async def test_a_contact_s_mail_goes_into_the_queue(here: Site, client: LmtpClient) -> None:
    contact = await here.directory.add_contact("anna@far.example", domain="bm.lan", display_name="Anna")
    await here.directory.add_proxy(contact, "anna@bm.lan")
    assert await client.send(MAIL, "anna@bm.lan", sender="x@y.example") == ["250 2.1.5 Queued"]
    (entry,) = await here.entries()
    assert (entry.sender, entry.subject) == ("x@y.example", "Hello")
    async with here.working():
        await here.settled()
    (taken,) = here.relay.taken
    assert (taken.sender, taken.recipients) == ("x@y.example", ["anna@far.example"])
    assert taken.content.endswith(MAIL)


async def test_what_goes_in_a_circle_is_not_sent_on(here: Site, client: LmtpClient) -> None:
    contact = await here.directory.add_contact("anna@far.example", domain="bm.lan")
    await here.directory.add_proxy(contact, "anna@bm.lan")
    trace = b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n" * 60
    assert (await client.send(trace + MAIL, "anna@bm.lan")) == ["554 5.4.6 The message goes in a circle"]
    assert await here.entries() == []


async def test_a_unix_socket_and_a_standard_client(here: Site, tmp_path: Path) -> None:
    path = str(tmp_path / "lmtp")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)  # what a killed server leaves
    async with here.lmtp.listening(path) as where:
        assert where == path
        with pytest.raises(AddressInUseError):
            async with here.lmtp.listening(path):
                pass

        def send() -> None:
            with smtplib.LMTP(path) as client:
                client.sendmail("anna@far.example", ["tom@bm.lan"], MAIL)

        await asyncio.to_thread(send)
    assert len(await here.rows("tom@bm.lan")) == 1
    assert not Path(path).exists()


async def test_commands_that_are_not_lmtp(here: Site, client: LmtpClient) -> None:
    for line, reply in (("HELO x", "500"), ("EHLO x", "500"), ("FOO", "500"), ("RCPT TO:<tom@bm.lan>", "503")):
        assert (await client.command(line)).startswith(reply)
    assert (await client.command("MAIL FROM:<a@b.example>")).startswith("250")
    assert (await client.command("RCPT TO:<not an address")).startswith("5")
    assert (await client.command("DATA now")).startswith("501")
    assert (await client.command("NOOP")).startswith("250")
    assert (await client.command("QUIT")).startswith("221")


async def test_a_client_that_leaves_during_the_data_leaves_nothing(here: Site) -> None:
    async with here.lmtp.listening(("127.0.0.1", 0)) as where:
        async with lmtp_client(where) as client:
            await client.command("MAIL FROM:<a@b.example>")
            await client.command("RCPT TO:<tom@bm.lan>")
            await client.command("DATA")
            client.writer.write(MAIL + b"y" * 200_000)
            await client.writer.drain()
        async with lmtp_client(where) as other:
            assert await other.send(MAIL, "tom@bm.lan") == ["250 2.1.5 Delivered"]
    assert len(await here.rows("tom@bm.lan")) == 1

    async def nothing_left() -> bool:
        return not list((here.database.data / "blobs").glob("unfinished/.new-*"))

    await here.until(nothing_left)
