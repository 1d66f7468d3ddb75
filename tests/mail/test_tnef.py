import asyncio
from pathlib import Path
from typing import Any

import pytest

from mapigw.mail.addresses import SENDER, SENT_REPRESENTING, Address, address_group, recipient_properties
from mapigw.mail.mime import message_from_mime
from mapigw.mail.tnef import NAMED_MAXIMUM, decapsulate, encapsulate
from mapigw.mailbox.content import BlobValue
from mapigw.store.blobs import digest_of
from mapigw.store.database import Database
from mapigw.wire import tags
from mapigw.wire.message import Attachment, Message, Properties
from mapigw.wire.properties import NamedTag, PropertyName, PropertyType
from mapigw.wire.property_sets import PS_PUBLIC_STRINGS, PSETID_Common
from mapigw.wire.tnef import build_tnef, parse_tnef
from tests.mail.sending import site

FILES = Path(__file__).parents[2] / "fixtures" / "tnef"


def mail(**more: Any) -> Message:
    properties: Properties = {
        tags.PidTagMessageClass: "IPM.Note",
        tags.PidTagSubject: "two files",
        tags.PidTagSenderEmailAddress: "anna@bm.lan",
        tags.PidTagBody: "When: ...",
    }
    return Message(properties, [{tags.PidTagEmailAddress: "tom@bm.lan"}], **more)


def stream(name: str) -> bytes:
    return (FILES / f"{name}.tnef").read_bytes()


def test_files_come_out_and_the_envelope_stays() -> None:
    message = mail()
    assert decapsulate(message, stream("two-files"), correlators=("",))
    assert [attachment.properties[tags.PidTagAttachLongFilename] for attachment in message.attachments] == [
        "AUTHORS",
        "README",
    ]
    assert message.properties[tags.PidTagSenderEmailAddress] == "anna@bm.lan"
    assert message.recipients == [{tags.PidTagEmailAddress: "tom@bm.lan"}]


def test_a_body_of_the_stream_replaces_what_was_sent_for_others() -> None:
    message = mail()
    assert decapsulate(message, stream("rtf"), correlators=())
    assert tags.PidTagRtfCompressed in message.properties
    assert tags.PidTagBody not in message.properties


def test_a_stream_without_a_body_leaves_that_of_the_mail() -> None:
    message = mail()
    assert decapsulate(message, build_tnef(Message({tags.PidTagImportance: 2})), correlators=())
    assert (message.properties[tags.PidTagBody], message.properties[tags.PidTagImportance]) == ("When: ...", 2)


def test_an_appointment_keeps_its_class_and_its_named_properties() -> None:
    message = mail()
    assert decapsulate(message, stream("triples"), correlators=())
    assert message.properties[tags.PidTagMessageClass] == "IPM.Appointment"
    assert sum(isinstance(key, NamedTag) for key in message.properties) > 20


def test_what_belongs_to_another_mail_stays_a_file() -> None:
    data = encapsulate(Message({tags.PidTagBody: "other"}), correlator="<1@bm.lan>")
    message = mail()
    assert not decapsulate(message, data, correlators=("", "<2@bm.lan>"))
    assert message == mail()
    assert decapsulate(message, data, correlators=("<1@bm.lan>", "<2@bm.lan>"))
    assert message.properties[tags.PidTagBody] == "other"
    assert tags.PidTagTnefCorrelationKey not in message.properties


def test_what_is_no_stream_stays_a_file() -> None:
    message = mail()
    assert not decapsulate(message, b"%PDF-1.4", correlators=())
    assert message == mail()


def test_a_part_of_the_mail_gets_its_properties() -> None:
    data = build_tnef(
        Message(
            attachments=[
                Attachment({tags.PidTagAttachTransportName: "a.txt", tags.PidTagAttachContentId: "c1"}),
                Attachment({tags.PidTagAttachTransportName: "nowhere.txt"}),
            ]
        )
    )
    message = mail(
        attachments=[Attachment({tags.PidTagAttachLongFilename: "a.txt", tags.PidTagAttachDataBinary: b"x"})]
    )
    assert decapsulate(message, data, correlators=())
    (attachment,) = message.attachments
    assert attachment.properties[tags.PidTagAttachContentId] == "c1"
    assert attachment.properties[tags.PidTagAttachDataBinary] == b"x"


def test_what_describes_another_mailbox_is_left_behind() -> None:
    properties: Properties = {
        tags.PidTagMessageFlags: 1,
        tags.PidTagEntryId: b"x",
        tags.PidTagRtfInSync: True,
        tags.PidTagLocaleId: 7,
    }
    message = mail()
    assert decapsulate(message, build_tnef(Message(dict(properties))), correlators=())
    assert not message.properties.keys() & {tags.PidTagMessageFlags, tags.PidTagEntryId}
    assert message.properties[tags.PidTagRtfInSync] is True


def test_strangers_cannot_use_up_the_ids_of_named_properties() -> None:
    names = [NamedTag(PropertyName(PS_PUBLIC_STRINGS, name=f"n{n}"), PropertyType.BOOLEAN) for n in range(2000)]
    message = mail()
    assert decapsulate(message, build_tnef(Message(dict.fromkeys(names, True))), correlators=())
    assert sum(isinstance(key, NamedTag) for key in message.properties) == NAMED_MAXIMUM


def test_what_is_encapsulated_names_its_mail_and_no_recipients() -> None:
    message = Message(
        {tags.PidTagMessageFlags: 9, tags.PidTagBody: "b", tags.PidTagInternetMessageId: "<1@bm.lan>"},
        [{tags.PidTagEmailAddress: "bcc@bm.lan"}],
    )
    data = encapsulate(message)
    found = parse_tnef(data).message
    assert found.recipients == []
    assert found.properties[tags.PidTagTnefCorrelationKey] == b"<1@bm.lan>\0"
    assert tags.PidTagMessageFlags not in found.properties


async def test_large_values_are_read_from_the_blob_store(tmp_path: Path) -> None:
    database = await Database.open(tmp_path)
    try:
        data = bytes(range(256)) * 100
        await asyncio.to_thread(database.blobs.put, {digest_of(data): data})
        kept = BlobValue(digest_of(data), len(data), PropertyType.BINARY)
        message = Message({}, [], [Attachment({tags.PidTagAttachDataBinary: kept})])
        stream = await asyncio.to_thread(encapsulate, message, database.blobs)
    finally:
        await database.close()
    (attachment,) = parse_tnef(stream).message.attachments
    assert attachment.properties[tags.PidTagAttachDataBinary] == data


@pytest.mark.parametrize(("address", "encapsulated"), [("ben@outlook.example", True), ("ben@other.example", False)])
async def test_correspondents_with_outlook_get_everything(tmp_path: Path, address: str, encapsulated: bool) -> None:
    async with site(tmp_path, tnef_domains=frozenset({"outlook.example"})) as opened:
        user = await opened.add("tom@bm.lan", "Tom")
        verbs = NamedTag(PropertyName(PSETID_Common, lid=0x8520), PropertyType.BINARY)  # PidLidVerbStream
        message = Message(
            {
                tags.PidTagMessageClass: "IPM.Note",
                tags.PidTagSubject: "Vote",
                tags.PidTagBody: "Yes or no?",
                **address_group(SENDER, user),
                **address_group(SENT_REPRESENTING, user),
                verbs: b"yes;no",
            },
            [recipient_properties(Address("Ben", address), 1, 0)],
        )
        async with opened.working():
            await opened.transport.send_message(await opened.mailbox(user), message)
            await opened.settled()
        (taken,) = opened.relay.taken
        found = message_from_mime(taken.content)
    assert found.properties[tags.PidTagBody].strip() == "Yes or no?"
    assert found.properties.get(verbs) == (b"yes;no" if encapsulated else None)
    assert (b"application/ms-tnef" in taken.content) is encapsulated
    assert found.attachments == []
