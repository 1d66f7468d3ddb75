"""Stored messages as Internet mail: as they came while that is true, made of their properties otherwise."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from mapigw.mail.export.composing import ExportOptions
from mapigw.mail.export.outgoing import InternetMessage, compose_internet_message, internet_message, original_of
from mapigw.mail.mime import message_from_mime
from mapigw.mail.names import header_field
from mapigw.mailbox.content import BlobValue, DecodedMessage, decode_message
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage, NotFoundError
from mapigw.mailbox.provision import create_mailbox
from mapigw.mailbox.saving import Author, Draft, save_message
from mapigw.store.blobs import MissingBlobError
from mapigw.store.database import Database
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.properties import PropertyType
from tests.mail.exported import BEN, file, note, read
from tests.mail.lines import check

RAW = (
    b"Received: by mx.test; Tue, 16 Jan 2024 13:20:00 +0000\r\n"
    b"From: Anna <anna@one.test>\r\n"
    b"To: ben@two.test\r\n"
    b"Bcc: cara@three.test,\r\n dora@three.test\r\n"
    b"Resent-Bcc: eve@three.test\r\n"
    b"Message-ID: <1@one.test>\r\n"
    b"Date: Tue, 16 Jan 2024 13:20:00 +0000\r\n"
    b"X-Odd:   spaced   out\r\n"
    b"\r\n"
    b"Bcc: this is text\r\n"
)
OWN = ExportOptions(blind=None)


@pytest.fixture
async def mailbox(tmp_path: Path) -> AsyncIterator[Mailbox]:
    database = await Database.open(tmp_path / "data")
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, uuid4())
    yield await Mailboxes(database).open(mailbox_id)
    await database.close()


async def delivered(mailbox: Mailbox, raw: bytes) -> int:
    inbox = await mailbox.special_folder("inbox")
    return (await mailbox.append(inbox.folder_id, [NewMessage(message_from_mime(raw), mime=raw)]))[0]


async def sent(mailbox: Mailbox, message_id: int | DecodedMessage, options: ExportOptions = ExportOptions()) -> bytes:  # noqa: B008
    async with await internet_message(mailbox, message_id, options=options) as message:
        data = await asyncio.to_thread(message.read)
        assert message.size == len(data)
        assert b"".join([chunk async for chunk in message]) == data
        return data


async def test_mail_goes_out_as_it_came_without_its_blind_recipients(mailbox: Mailbox) -> None:
    message_id = await delivered(mailbox, RAW)
    assert await sent(mailbox, message_id, OWN) == RAW
    blind = b"Bcc: cara@three.test,\r\n dora@three.test\r\nResent-Bcc: eve@three.test\r\n"
    assert await sent(mailbox, message_id) == RAW.replace(blind, b"")
    async with await internet_message(mailbox, message_id) as message:
        assert (message.message_id, message.smtputf8, message.eight_bit) == ("<1@one.test>", False, False)


async def test_lines_are_ended_by_cr_lf_on_the_way_out(mailbox: Mailbox) -> None:
    message_id = await delivered(mailbox, RAW.replace(b"\r\n", b"\n"))
    assert await sent(mailbox, message_id, OWN) == RAW
    message_id = await delivered(mailbox, RAW.replace(b"text\r\n", b"text\r\rwith\n\ntwo"))
    assert (await sent(mailbox, message_id, OWN)).endswith(b"text\r\n\r\nwith\r\n\r\ntwo\r\n")


@pytest.mark.parametrize(
    "raw",
    [
        RAW.replace(b"spaced", b"\xff\xfe"),
        RAW.replace(b"is text", b"is \0"),
        RAW.replace(b"is text", "is Grüße".encode()),
        RAW.replace(b"is text", b"is " + b"x" * 1000),
        RAW.replace(b"Message-ID: <1@one.test>\r\n", b""),
        RAW.replace(b"\r\n\r\n", b"\r\n"),
        b"From anna@one.test Tue Jan 16 13:20:00 2024\r\n" + RAW,
    ],
)
async def test_what_may_not_be_sent_as_it_is_is_made_of_its_properties(mailbox: Mailbox, raw: bytes) -> None:
    data = await sent(mailbox, await delivered(mailbox, raw))
    check(data)
    assert b"X-Odd:   spaced" not in data
    assert read(data)["Bcc"] is None


async def test_eight_bits_and_utf8_headers_go_out_where_they_may(mailbox: Mailbox) -> None:
    raw = RAW.replace(b"is text", "is Grüße".encode())
    async with await internet_message(
        mailbox, await delivered(mailbox, raw), options=replace(OWN, eight_bit=True)
    ) as message:
        assert message.read() == raw
        assert (message.eight_bit, message.smtputf8) == (True, False)
    raw = RAW.replace(b"spaced", "Grüße".encode())
    options = replace(OWN, smtputf8=True, eight_bit=True)
    async with await internet_message(mailbox, await delivered(mailbox, raw), options=options) as message:
        assert message.read() == raw
        assert message.smtputf8 is True


async def test_a_caller_can_ask_for_the_properties(mailbox: Mailbox) -> None:
    message_id = await delivered(mailbox, RAW)
    assert b"Received" not in await sent(mailbox, message_id, replace(OWN, original=False))


async def save(mailbox: Mailbox, message_id: int, change: Mapping[int, object]) -> None:
    row = await mailbox.message(message_id)
    assert row is not None
    content = decode_message(row)
    content.properties |= change
    await save_message(mailbox, Draft(row, content, Author("Ben", b"entry")))


async def test_the_original_stays_true_while_only_notes_are_made_on_it(mailbox: Mailbox) -> None:
    message_id = await delivered(mailbox, RAW)
    ids = await mailbox.property_ids([], create=False)
    assert ids is not None
    notes = {tags.PidTagFlagStatus: 2, tags.PidTagLastVerbExecuted: 102, tags.PidTagIconIndex: 261}
    await save(mailbox, message_id, notes)
    assert await original_of(mailbox, message_id) is not None
    assert await sent(mailbox, message_id, OWN) == RAW


@pytest.mark.parametrize(
    "change",
    [
        {tags.PidTagSubject: "Other"},
        {tags.PidTagBody: "Other"},
        {tags.PidTagSensitivity: 2},
        {tags.PidTagHtml: b"<p>new</p>"},
    ],
)
async def test_a_message_that_was_changed_is_not_the_original_any_more(
    mailbox: Mailbox, change: dict[int, object]
) -> None:
    message_id = await delivered(mailbox, RAW)
    await save(mailbox, message_id, change)
    assert await original_of(mailbox, message_id) is None
    assert b"Received" not in await sent(mailbox, message_id, OWN)


async def test_changing_recipients_attachments_or_header_fields_is_a_change(mailbox: Mailbox) -> None:
    name = header_field("x-odd")
    property_id = (await mailbox.property_ids([name.property_name], create=True))[name.property_name]
    for number in range(3):
        message_id = await delivered(mailbox, RAW)
        row = await mailbox.message(message_id)
        assert row is not None
        content = decode_message(row)
        if number == 0:
            content.recipients.pop()
        elif number == 1:
            content.properties[property_id << 16 | PropertyType.STRING] = "other"
        else:
            content.recipients[0][tags.PidTagDisplayName] = "Other"
        await save_message(mailbox, Draft(row, content, Author("Ben", b"entry")))
        assert await original_of(mailbox, message_id) is None


async def test_an_open_message_is_written_with_its_named_properties(mailbox: Mailbox) -> None:
    name = header_field("x-mine")
    property_id = (await mailbox.property_ids([name.property_name], create=True))[name.property_name]
    content = DecodedMessage({tags.PidTagSubject: "Open", property_id << 16 | PropertyType.STRING: "value"})
    data = await sent(mailbox, content)
    check(data)
    assert read(data)["X-Mine"] == "value"


async def test_a_message_that_does_not_exist(mailbox: Mailbox) -> None:
    with pytest.raises(NotFoundError):
        await internet_message(mailbox, 12345)


async def test_large_values_are_read_from_the_blob_store(mailbox: Mailbox) -> None:
    message = note({tags.PidTagBody: "x" * 50_000 + "\r\n"})
    message.attachments = [file("a.bin", bytes(range(256)) * 4000)]
    inbox = await mailbox.special_folder("inbox")
    (message_id,) = await mailbox.append(inbox.folder_id, [NewMessage(message)])
    row = await mailbox.message(message_id)
    assert row is not None
    attached = decode_message(row).attachments[0].properties[tags.PidTagAttachDataBinary]
    assert isinstance(attached, BlobValue)
    data = await sent(mailbox, message_id)
    check(data)
    _text, part = read(data).iter_parts()
    assert part.get_payload(decode=True) == bytes(range(256)) * 4000


async def test_legacy_dns_are_resolved(mailbox: Mailbox) -> None:
    asked: list[str] = []

    async def resolve(dn: str) -> str | None:
        asked.append(dn)
        return "ben@two.test" if dn == "/o=x/cn=ben" else None

    message = note()
    message.recipients = [
        {tags.PidTagAddressType: "EX", tags.PidTagEmailAddress: "/O=X/CN=Ben", tags.PidTagDisplayName: "Ben"},
        {tags.PidTagAddressType: "EX", tags.PidTagEmailAddress: "/O=X/CN=Gone", tags.PidTagDisplayName: "Gone"},
    ]
    options = ExportOptions(domain="one.test")
    async with await compose_internet_message(
        mailbox.database.blobs, message, options=options, resolve=resolve
    ) as found:
        to = read(found.read())["To"]
    assert [address.addr_spec for address in to.addresses] == ["ben@two.test", "IMCEAEX-_o=x_cn=gone@one.test"] or (
        to.addresses[1].addr_spec == "IMCEAEX-_O=X_CN=Gone@one.test"
    )
    assert sorted(asked) == ["/o=x/cn=ben", "/o=x/cn=gone"]


async def test_a_missing_blob_is_an_error_and_leaves_no_file(mailbox: Mailbox) -> None:
    message = Message({tags.PidTagBody: "text"})
    message.attachments = [file("a.bin", BlobValue(bytes(32), 10_000_000, PropertyType.BINARY))]  # type: ignore[arg-type]
    with pytest.raises(MissingBlobError):
        await compose_internet_message(mailbox.database.blobs, message)
    unfinished = mailbox.database.blobs.folder / "unfinished"
    assert not unfinished.exists() or not list(unfinished.iterdir())


async def test_what_is_closed_is_gone(mailbox: Mailbox) -> None:
    found: InternetMessage = await compose_internet_message(mailbox.database.blobs, note(None, BEN))
    found.close()
    found.close()
    assert found.size == 0
