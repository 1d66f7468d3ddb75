"""What users submit: delivered here with all its properties, handed to the relay, reported (MS-OXOMSG 3.3.5)."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.emsmdb.registry import load_handlers
from mapigw.emsmdb.session import ConnectParameters, Session
from mapigw.mail import submission_recipients
from mapigw.mail.bounces import HAS_IT, NEEDS_DELIVERY
from mapigw.mailbox.content import BlobValue, decode_message
from mapigw.store import queue
from mapigw.wire import tags
from mapigw.wire.entryids import address_book_entry_id, folder_entry_id, one_off_entry_id
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import PropertyName
from mapigw.wire.rows import RecipientRow
from tests.emsmdb.client import Client
from tests.emsmdb.messages import attach, create, modify_recipients, open_folder, set_values
from tests.mail.sending import Site, site

PSETID_COMMON = UUID("00062008-0000-0000-c000-000000000046")
READ, SUBMITTED, UNSENT, HAS_ATTACHMENTS, FROM_ME, RESEND = 0x01, 0x04, 0x08, 0x10, 0x20, 0x80


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path / "data") as found:
        await found.add("tom@bm.lan", "Tom")
        await found.add("eva@bm.lan", "Eva")
        yield found


@asynccontextmanager
async def logged_on(here: Site, address: str = "tom@bm.lan", locale: int = 0x409) -> AsyncIterator[Client]:
    load_handlers()
    user = await here.directory.by_address(address)
    assert user is not None
    session = Session(user, here.directory, here.mailboxes, ConnectParameters(lcid_string=locale))
    client = Client(session)
    await client.log_on()
    try:
        yield client
    finally:
        await session.close()


@pytest.fixture
async def client(here: Site) -> AsyncIterator[Client]:
    async with logged_on(here) as found:
        yield found


def smtp(address: str, name: str = "") -> RecipientRow:
    return RecipientRow(
        address_kind=3, email_address=address, display_name=name or address, transmittable_is_display_name=True
    )


def exchange(entry: Any) -> RecipientRow:
    return RecipientRow(
        address_kind=1,
        x500_dn=entry.legacy_dn.encode(),
        display_name=entry.display_name,
        transmittable_is_display_name=True,
    )


async def sent_folder(here: Site, address: str = "tom@bm.lan", key: str = "sent_items") -> bytes:
    mailbox = await here.mailbox(address)
    folder = await mailbox.special_folder(key)
    return folder_entry_id(mailbox.guid, mailbox.replica_guid, folder.folder_id)


async def written(
    here: Site,
    client: Client,
    to: list[RecipientRow],
    values: Mapping[int, Any] | None = None,
    *,
    cc: tuple[RecipientRow, ...] = (),
    bcc: tuple[RecipientRow, ...] = (),
) -> int:
    """The slot of a message in the Outbox that goes to Sent Items."""
    found = {tags.PidTagSubject: "Hello", tags.PidTagBody: "The text.", **(values or {})}
    found.setdefault(tags.PidTagSentMailEntryId, await sent_folder(here, client.session.user.address))
    slot = await create(client, found, key="outbox")
    number = 0
    for kind, rows in ((1, to), (2, cc), (3, bcc)):
        if rows:
            await modify_recipients(client, slot, dict(enumerate(rows, number)), kind=kind)
            number += len(rows)
    return slot


async def submit(client: Client, slot: int) -> None:
    await client.value("SubmitMessage", slot, submit_flags=0)


async def send(here: Site, client: Client, to: list[RecipientRow], values: Any = None, **others: Any) -> None:
    """Submit a message and wait until nothing is left to do."""
    await submit(client, await written(here, client, to, values, **others))
    async with here.working():
        await here.settled()


def parsed(content: bytes) -> EmailMessage:
    found = message_from_bytes(content, policy=default)
    assert isinstance(found, EmailMessage)
    return found


# To mailboxes here


async def test_a_message_arrives_in_the_inbox_and_goes_to_sent_items(here: Site, client: Client) -> None:
    eva = await here.directory.named("eva@bm.lan")
    await send(here, client, [exchange(eva)])
    (row,) = await here.rows("eva@bm.lan")
    assert (row.subject, row.is_read, row.message_flags & (SUBMITTED | UNSENT)) == ("Hello", False, 0)
    content = decode_message(row)
    assert content.properties[tags.PidTagBody] == "The text."
    assert content.properties[tags.PidTagReceivedByName] == "Eva"
    assert content.properties[tags.PidTagSenderSmtpAddress] == "tom@bm.lan"
    assert content.properties[tags.PidTagMessageToMe] is True
    assert await here.rows("tom@bm.lan", "outbox") == []
    (sent,) = await here.rows("tom@bm.lan", "sent_items")
    assert (sent.is_read, sent.message_flags & (SUBMITTED | UNSENT)) == (True, 0)
    same = (tags.PidTagInternetMessageId, tags.PidTagSearchKey, tags.PidTagConversationIndex)
    assert [decode_message(sent).properties[tag] for tag in same] == [content.properties[tag] for tag in same]
    assert here.relay.taken == []


async def test_it_arrives_with_all_its_properties(here: Site, client: Client) -> None:
    tom, eva = await here.mailbox("tom@bm.lan"), await here.mailbox("eva@bm.lan")
    name, other = PropertyName(PSETID_COMMON, lid=0x8578), PropertyName(PSETID_COMMON, name="x-mine")
    await eva.property_ids([other], create=True)  # so that the ids differ
    ids = await tom.property_ids([name, other], create=True)
    large = "y" * 9_000
    slot = await written(
        here,
        client,
        [smtp("eva@bm.lan")],
        {
            ids[name] << 16 | 0x1F: "Yes;No",
            ids[other] << 16 | 0x102: b"\1\2",
            tags.PidTagTransportMessageHeaders: large,
            tags.PidTagImportance: 2,
            0x7C080102: b"odd",
        },
    )
    await attach(client, slot, {tags.PidTagAttachMethod: 1, tags.PidTagAttachDataBinary: b"z" * 10_000})
    await submit(client, slot)
    async with here.working():
        await here.settled()
    (content,) = await here.contents("eva@bm.lan")
    theirs = await eva.property_ids([name, other], create=False)
    assert theirs[other] != ids[other]
    assert content.properties[theirs[name] << 16 | 0x1F] == "Yes;No"
    assert content.properties[theirs[other] << 16 | 0x102] == b"\1\2"
    assert content.properties[0x7C080102] == b"odd"
    assert content.properties[tags.PidTagImportance] == 2
    headers = content.properties[tags.PidTagTransportMessageHeaders]
    data = content.attachments[0].properties[tags.PidTagAttachDataBinary]
    assert isinstance(headers, BlobValue)
    assert isinstance(data, BlobValue)
    assert await eva.read_blob(data.digest) == b"z" * 10_000
    async with here.database.read() as connection:
        counts = await connection.exec_driver_sql("SELECT mailbox_id, count FROM blob WHERE digest = ?", (data.digest,))
        assert sorted(counts.all()) == [(tom.mailbox_id, 1), (eva.mailbox_id, 1)], "the queue holds nothing any more"


async def test_what_is_the_sender_s_alone_does_not_arrive(here: Site, client: Client) -> None:
    alone = {
        tags.PidTagDeferredSendTime: 5,
        tags.PidTagFlagStatus: 2,
        tags.PidTagFollowupIcon: 6,
        tags.PidTagReadReceiptRequested: True,
    }
    await send(here, client, [smtp("eva@bm.lan")], alone, bcc=(smtp("secret@far.example"),))
    (row,) = await here.rows("eva@bm.lan")
    content = decode_message(row)
    for tag in (*alone, tags.PidTagSentMailEntryId, tags.PidTagSubmitFlags, tags.PidTagCreatorName):
        assert (tag in content.properties) is (tag == tags.PidTagReadReceiptRequested)
    assert [item[tags.PidTagEmailAddress] for item in content.recipients] == ["eva@bm.lan"]
    assert content.properties[tags.PidTagDisplayBcc] == ""
    assert b"secret" not in row.children + row.properties
    assert row.message_flags & 0x100, "a read receipt is pending"


async def test_blind_recipients_get_it_and_nobody_learns_of_them(here: Site, client: Client) -> None:
    await here.add("max@bm.lan", "Max")
    await send(
        here, client, [smtp("x@far.example")], cc=(smtp("eva@bm.lan"),), bcc=(smtp("max@bm.lan"), smtp("b@far.example"))
    )
    for address in ("eva@bm.lan", "max@bm.lan"):
        (content,) = await here.contents(address)
        assert {item[tags.PidTagEmailAddress] for item in content.recipients} == {"x@far.example", "eva@bm.lan"}
        assert content.properties[tags.PidTagMessageCcMe] is (address == "eva@bm.lan")
    (taken,) = here.relay.taken
    assert taken.recipients == ["x@far.example", "b@far.example"]
    assert b"max@bm.lan" not in taken.content
    assert b"b@far.example" not in taken.content
    (sent,) = await here.contents("tom@bm.lan", "sent_items")
    assert len(sent.recipients) == 4


async def test_groups_are_expanded_and_each_person_gets_it_once(here: Site, client: Client) -> None:
    inner = await here.directory.add_group("inner@bm.lan")
    outer = await here.directory.add_group("outer@bm.lan")
    contact = await here.directory.add_contact("anna@far.example", domain="bm.lan", display_name="Anna")
    for group, member in (
        (inner, "eva@bm.lan"),
        (outer, "inner@bm.lan"),
        (outer, "tom@bm.lan"),
        (outer, contact.address),
    ):
        await here.directory.add_member(group.address, member)
    await send(here, client, [exchange(outer), smtp("EVA@bm.lan"), smtp("anna@far.example")])
    assert (len(await here.rows("eva@bm.lan")), len(await here.rows("tom@bm.lan"))) == (1, 1)
    (taken,) = here.relay.taken
    assert taken.recipients == ["anna@far.example"]
    (own,) = await here.rows("tom@bm.lan")
    assert own.message_flags & FROM_ME


async def test_recipients_are_found_by_entry_ids_and_smtp_addresses(here: Site, client: Client) -> None:
    foreign = RecipientRow(
        address_kind=1,
        x500_dn=b"/o=elsewhere/cn=eva",
        display_name="Eva",
        properties=["eva@bm.lan"],
    )
    slot = await written(here, client, [])
    await modify_recipients(client, slot, {0: foreign}, columns=[tags.PidTagSmtpAddress])
    one_off = RecipientRow(display_name="Zoe", properties=[one_off_entry_id("Zoe", "zoe@far.example")])
    await modify_recipients(client, slot, {1: one_off}, columns=[tags.PidTagEntryId])
    by_book = RecipientRow(
        display_name="Tom", properties=[address_book_entry_id((await here.directory.named("tom@bm.lan")).legacy_dn)]
    )
    await modify_recipients(client, slot, {2: by_book}, columns=[tags.PidTagEntryId])
    await submit(client, slot)
    async with here.working():
        await here.settled()
    assert (len(await here.rows("eva@bm.lan")), len(await here.rows("tom@bm.lan"))) == (1, 1)
    assert here.relay.taken[0].recipients == ["zoe@far.example"]


async def test_a_deferred_message_waits_and_is_not_sent_when_it_is_deleted(here: Site, client: Client) -> None:
    values = {tags.PidTagDeferredSendNumber: 1, tags.PidTagDeferredSendUnits: 0}
    await submit(client, await written(here, client, [smtp("eva@bm.lan")], values))
    (row,) = await here.rows("tom@bm.lan", "outbox")
    async with here.working():
        assert len(await here.entries()) == 1
        outbox = await open_folder(client, "outbox")
        await client.value(
            "DeleteMessages",
            outbox,
            want_asynchronous=False,
            notify_non_read=False,
            message_ids=[ObjectId(1, row.message_id)],
        )
        (entry,) = await here.entries()
        async with here.database.write() as connection:
            await queue.update_outgoing(connection, entry.outgoing_id, due=entry.created + 1)
        here.database.queued.set()
        await here.settled()
    assert await here.rows("eva@bm.lan") == []


# To others


async def test_others_get_internet_mail(here: Site, client: Client) -> None:
    await send(here, client, [smtp("anna@far.example", "Anna Ä"), smtp("eva@bm.lan", "Eva")])
    (taken,) = here.relay.taken
    assert (taken.sender, taken.recipients) == ("tom@bm.lan", ["anna@far.example"])
    message = parsed(taken.content)
    assert (message["Subject"], message["From"].addresses[0].addr_spec) == ("Hello", "tom@bm.lan")
    assert [item.addr_spec for item in message["To"].addresses] == ["anna@far.example", "eva@bm.lan"]
    assert message.get_content().rstrip() == "The text."
    (sent,) = await here.contents("tom@bm.lan", "sent_items")
    assert message["Message-ID"] == sent.properties[tags.PidTagInternetMessageId]


async def test_unknown_recipients_come_back_as_a_report_with_the_message(here: Site, client: Client) -> None:
    ghost = RecipientRow(address_kind=1, x500_dn=b"/o=mapigw/cn=ghost", display_name="Ghost")
    slot = await written(here, client, [ghost, smtp("nobody@bm.lan", "No Body"), smtp("eva@bm.lan")])
    await attach(client, slot, {tags.PidTagAttachMethod: 1, tags.PidTagAttachDataBinary: b"z" * 10_000})
    await submit(client, slot)
    async with here.working():
        await here.settled()
    (row,) = await here.rows("tom@bm.lan")
    assert (row.message_class, row.is_read) == ("REPORT.IPM.Note.NDR", False)
    assert row.subject == "Undeliverable: Hello"
    report = decode_message(row)
    (sent,) = await here.contents("tom@bm.lan", "sent_items")
    original = sent.properties
    properties = report.properties
    assert properties[tags.PidTagOriginalSubject] == "Hello"
    assert properties[tags.PidTagOriginalSubmitTime] == original[tags.PidTagClientSubmitTime]
    assert properties[tags.PidTagParentKey] == original[tags.PidTagSearchKey]
    assert properties[tags.PidTagConversationIndex][:22] == original[tags.PidTagConversationIndex]
    assert len(properties[tags.PidTagConversationIndex]) == 27
    assert "No Body (nobody@bm.lan)" in properties[tags.PidTagBody]
    assert "5.1.1" in properties[tags.PidTagBody]
    assert [item[tags.PidTagDisplayName] for item in report.recipients] == ["Ghost", "No Body"]
    assert [item[tags.PidTagNonDeliveryReportStatusCode] for item in report.recipients] == [511, 511]
    assert [item[tags.PidTagNonDeliveryReportDiagCode] for item in report.recipients] == [0, 0]
    (attached,) = report.attachments
    assert attached.properties[tags.PidTagAttachMethod] == 5
    embedded = attached.embedded
    assert embedded is not None
    assert embedded.properties[tags.PidTagNormalizedSubject] == "Hello"
    kinds = [item[tags.PidTagRecipientType] & 0xFFFFFFFF for item in embedded.recipients]
    assert kinds == [1 | NEEDS_DELIVERY, 1 | NEEDS_DELIVERY, 1 | HAS_IT]
    data = embedded.attachments[0].properties[tags.PidTagAttachDataBinary]
    assert isinstance(data, BlobValue)
    assert len(await here.rows("eva@bm.lan")) == 1


@pytest.mark.parametrize(
    ("locale", "subject", "text"),
    [(0x407, "Unzustellbar: Hello", "Die Adresse wurde nicht gefunden."), (0xC0C, "Non remis : Hello", "introuvable")],
)
async def test_reports_are_in_the_sender_s_language(here: Site, locale: int, subject: str, text: str) -> None:
    async with logged_on(here, locale=locale) as client:
        await send(here, client, [smtp("nobody@bm.lan")])
    (row,) = await here.rows("tom@bm.lan")
    assert row.subject == subject
    assert text in decode_message(row).properties[tags.PidTagBody]


async def test_a_message_that_is_sent_again_reaches_only_those_who_did_not_get_it(here: Site, client: Client) -> None:
    slot = await written(here, client, [smtp("eva@bm.lan"), smtp("anna@far.example")])
    await set_values(client, slot, {tags.PidTagMessageFlags: UNSENT | RESEND})
    rows = [(0, smtp("eva@bm.lan"), 0x80), (1, smtp("anna@far.example"), 0x10)]
    for number, row, flag in rows:  # the high byte of PidTagRecipientType does not fit in a row: as FastTransfer has it
        await modify_recipients(client, slot, {number: row}, kind=1)
        message = client.session.resolve(client.handles[slot])
        message.content.recipients[number][tags.PidTagRecipientType] = _signed(1 | flag << 24)  # type: ignore[attr-defined]
    await submit(client, slot)
    async with here.working():
        await here.settled()
    assert await here.rows("eva@bm.lan") == []
    assert here.relay.taken[0].recipients == ["anna@far.example"]


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


# Rights


async def test_who_may_not_send_in_a_name_is_told_which_right_is_missing(here: Site, client: Client) -> None:
    eva = await here.directory.named("eva@bm.lan")
    values = {
        tags.PidTagSentRepresentingName: "Eva",
        tags.PidTagSentRepresentingAddressType: "EX",
        tags.PidTagSentRepresentingEmailAddress: eva.legacy_dn,
    }
    await send(here, client, [smtp("eva@bm.lan"), smtp("anna@far.example")], values)
    assert (here.relay.taken, await here.rows("eva@bm.lan")) == ([], [])
    (row,) = await here.rows("tom@bm.lan")
    assert row.message_class == "REPORT.IPM.Note.NDR"
    body = decode_message(row).properties[tags.PidTagBody]
    assert 'tom@bm.lan has neither the right "Send As" nor "Send on Behalf" for eva@bm.lan' in body


@pytest.mark.parametrize("address", ["t.om@bm.lan", "TOM@bm.lan"])
async def test_one_s_own_addresses_may_be_used(here: Site, client: Client, address: str) -> None:
    await here.directory.add_alias("tom@bm.lan", "t.om@bm.lan")
    values = {
        tags.PidTagSentRepresentingName: "Tom",
        tags.PidTagSentRepresentingAddressType: "SMTP",
        tags.PidTagSentRepresentingEmailAddress: address,
    }
    await send(here, client, [smtp("anna@far.example")], values)
    assert parsed(here.relay.taken[0].content)["From"].addresses[0].addr_spec == address


async def test_the_rest_of_the_world_cannot_be_impersonated(here: Site, client: Client) -> None:
    values = {
        tags.PidTagSentRepresentingAddressType: "SMTP",
        tags.PidTagSentRepresentingEmailAddress: "president@far.example",
    }
    await send(here, client, [smtp("eva@bm.lan")], values)
    assert await here.rows("eva@bm.lan") == []


async def test_rights_are_decided_by_one_function(here: Site, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def anybody(directory: Directory, user: User, address: str) -> bool:
        return address == "boss@far.example"

    monkeypatch.setattr(submission_recipients, "may_send", anybody)
    values = {
        tags.PidTagSentRepresentingName: "Boss",
        tags.PidTagSentRepresentingAddressType: "SMTP",
        tags.PidTagSentRepresentingEmailAddress: "boss@far.example",
    }
    await send(here, client, [smtp("anna@far.example")], values)
    message = parsed(here.relay.taken[0].content)
    assert (message["From"].addresses[0].addr_spec, message["Sender"].address.addr_spec) == (
        "boss@far.example",
        "tom@bm.lan",
    )


async def test_without_a_relay_the_sender_is_told(tmp_path: Path) -> None:
    async with site(tmp_path / "data", with_relay=False) as here:
        await here.add("tom@bm.lan", "Tom")
        async with logged_on(here) as client:
            await send(here, client, [smtp("anna@far.example")])
        (row,) = await here.rows("tom@bm.lan")
        assert "no relay is configured" in decode_message(row).properties[tags.PidTagBody]
        assert len(await here.rows("tom@bm.lan", "sent_items")) == 1
