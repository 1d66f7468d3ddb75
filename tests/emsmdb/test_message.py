"""Messages and attachments, opened and read through the dispatcher."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.message import Attachment, Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import NamedTag, PropertyName, PropertyType
from mapigw.wire.rows import RecipientRow
from tests.emsmdb.client import LOGON, Client

COMMON = UUID("00062008-0000-0000-C000-000000000046")
READ_ONLY, READ_WRITE, BEST_ACCESS = 0x00, 0x01, 0x03
LOGON_CODE_PAGE = 0x0FFF
READ_UNSENT_AND_FAI = 0x449  # mfRead, mfUnsent, mfFAI, mfEverRead


@dataclass(frozen=True)
class Place:
    """A message in the inbox, and how it is asked for."""

    folder_id: int
    message_id: int

    def fields(self, mode: int = READ_ONLY, code_page: int = LOGON_CODE_PAGE) -> dict[str, Any]:
        return {
            "code_page_id": code_page,
            "folder_id": ObjectId(1, self.folder_id),
            "open_mode_flags": mode,
            "message_id": ObjectId(1, self.message_id),
        }


def recipient(name: str, kind: int = 1, **properties: Any) -> dict[Any, Any]:
    address = f"{name.lower()}@bm.lan"
    return {
        tags.PidTagRecipientType: kind,
        tags.PidTagDisplayName: name,
        tags.PidTagAddressType: "SMTP",
        tags.PidTagEmailAddress: address,
        tags.PidTagSmtpAddress: address,
        tags.PidTagTransmittableDisplayName: name,
        **{getattr(tags, key): value for key, value in properties.items()},
    }


def message(subject: str = "Hello", prefix: str = "", **properties: Any) -> Message:
    return Message(
        {
            tags.PidTagSubject: prefix + subject,
            tags.PidTagSubjectPrefix: prefix,
            tags.PidTagNormalizedSubject: subject,
            **{getattr(tags, key): value for key, value in properties.items()},
        }
    )


async def put(mailbox: Mailbox, item: Message, *, is_read: bool = False, is_associated: bool = False) -> Place:
    inbox = await mailbox.special_folder("inbox")
    (message_id,) = await mailbox.append(inbox.folder_id, [NewMessage(item, None, is_read, is_associated)])
    return Place(inbox.folder_id, message_id)


def by_tag(response: Any) -> Mapping[int, Any]:
    return dict(response.property_values)


async def open_folder(client: Client, folder_id: int) -> int:
    await client.value("OpenFolder", folder_id=ObjectId(1, folder_id), open_mode_flags=0)
    return client.last


# RopOpenMessage


async def test_the_answer_is_laid_out_as_specified(client: Client, own_mailbox: Mailbox) -> None:
    item = message("Hello", "RE: ")
    item.recipients.append(recipient("Anna"))
    place = await put(own_mailbox, item)
    await client.value("OpenMessage", **place.fields())
    row = (
        bytes.fromhex("5B 02")  # SMTP, E, D, S, U
        + "anna@bm.lan\0Anna\0".encode("utf-16-le")
        + bytes.fromhex("01 00 00")  # one column; a standard row
        + "anna@bm.lan\0".encode("utf-16-le")
    )
    expected = (
        bytes.fromhex("03 01 00000000 00")
        + b"\x03RE: \0\x03Hello\0"
        + bytes.fromhex("0100 0100 1F00FE39 01")
        + bytes.fromhex("01 E404 0000")  # primary recipient, code page 1252
        + struct.pack("<H", len(row))
        + row
    )
    assert client.payloads[0][2 : 2 + len(expected)] == expected


@pytest.mark.spec("MS-OXCMSG_R676")
@pytest.mark.spec("MS-OXCMSG_R678")
async def test_subject_and_prefix_are_told(client: Client, own_mailbox: Mailbox) -> None:
    place = await put(own_mailbox, message("Grüße", "AW: "))
    opened = await client.value("OpenMessage", **place.fields())
    assert (opened.subject_prefix, opened.normalized_subject) == ("AW: ", "Grüße")


@pytest.mark.parametrize(
    ("subject", "encoded"),
    [
        ("Grüße", b"\x03Gr\xfc\xdfe\0"),
        ("Привет", b"\x04" + "Привет\0".encode("utf-16-le")),
        ("", b"\x01"),
    ],
)
async def test_a_subject_is_in_reduced_unicode_where_nothing_is_lost(
    client: Client, own_mailbox: Mailbox, subject: str, encoded: bytes
) -> None:
    place = await put(own_mailbox, message(subject))
    await client.value("OpenMessage", **place.fields())
    assert client.payloads[0][9:].startswith(b"\x01" + encoded)


async def test_a_subject_without_parts_is_split_by_its_prefix(client: Client, own_mailbox: Mailbox) -> None:
    place = await put(own_mailbox, Message({tags.PidTagSubject: "RE: x", tags.PidTagSubjectPrefix: "RE: "}))
    opened = await client.value("OpenMessage", **place.fields())
    assert (opened.subject_prefix, opened.normalized_subject) == ("RE: ", "x")


@pytest.mark.spec("MS-OXCMSG_R1239")
async def test_the_parts_of_a_subject_make_a_whole(client: Client, own_mailbox: Mailbox) -> None:
    place = await put(own_mailbox, Message({tags.PidTagSubjectPrefix: "RE: ", tags.PidTagNormalizedSubject: "x"}))
    await client.value("OpenMessage", **place.fields())
    assert await client.properties(client.last, tags.PidTagSubject) == ["RE: x"]


async def test_an_endless_subject_is_told_in_part(client: Client, own_mailbox: Mailbox) -> None:
    place = await put(own_mailbox, message("x" * 20_000))
    opened = await client.value("OpenMessage", **place.fields())
    assert opened.normalized_subject == "x" * 4096


@pytest.mark.spec("MS-OXCMSG_R1668")
async def test_named_properties_are_announced(client: Client, own_mailbox: Mailbox) -> None:
    named = message()
    named.properties[NamedTag(PropertyName(COMMON, lid=0x8580), PropertyType.STRING)] = "x"
    for item, announced in ((named, True), (message(), False)):
        place = await put(own_mailbox, item)
        opened = await client.value("OpenMessage", **place.fields())
        assert opened.has_named_properties is announced


@pytest.mark.spec("MS-OXCMSG_R333")
async def test_a_message_that_does_not_exist_is_not_found(client: Client, own_mailbox: Mailbox) -> None:
    place = await put(own_mailbox, message())
    unknown = Place(place.folder_id, place.message_id + 1000)
    assert await client.error("OpenMessage", **unknown.fields()) == ErrorCode.NotFound
    foreign = {**place.fields(), "message_id": ObjectId(2, place.message_id)}
    assert await client.error("OpenMessage", **foreign) == ErrorCode.NotFound


@pytest.mark.spec("MS-OXCMSG_R1477")
async def test_a_message_of_another_folder_is_not_found(client: Client, own_mailbox: Mailbox) -> None:
    place = await put(own_mailbox, message())
    drafts = await own_mailbox.special_folder("drafts")
    elsewhere = Place(drafts.folder_id, place.message_id)
    assert await client.error("OpenMessage", **elsewhere.fields()) == ErrorCode.NotFound


@pytest.mark.spec("MS-OXCMSG_R1478")
async def test_messages_are_opened_by_stores_and_folders_only(client: Client, own_mailbox: Mailbox) -> None:
    place = await put(own_mailbox, message())
    drafts = await own_mailbox.special_folder("drafts")
    folder = await open_folder(client, drafts.folder_id)
    await client.value("OpenMessage", folder, **place.fields())
    assert await client.error("OpenMessage", client.last, **place.fields()) == ErrorCode.NullObject


@pytest.mark.spec("MS-OXCMSG_R1475")
async def test_each_opening_has_a_handle_of_its_own(client: Client, own_mailbox: Mailbox) -> None:
    place = await put(own_mailbox, message())
    await client.value("OpenMessage", **place.fields())
    await client.value("OpenMessage", **place.fields())
    assert client.handles[-1] != client.handles[-2]


@pytest.mark.spec("MS-OXCMSG_R661")
@pytest.mark.spec("MS-OXCMSG_R663")
@pytest.mark.spec("MS-OXCMSG_R665")
@pytest.mark.parametrize(("mode", "level"), [(READ_ONLY, 0), (READ_WRITE, 1), (BEST_ACCESS, 1)])
async def test_the_open_mode_is_the_access_level(client: Client, own_mailbox: Mailbox, mode: int, level: int) -> None:
    place = await put(own_mailbox, message())
    await client.value("OpenMessage", **place.fields(mode))
    assert await client.properties(client.last, tags.PidTagAccessLevel) == [level]


# Properties


@pytest.mark.spec("MS-OXCMSG_R321")
async def test_a_message_says_where_and_what_it_is(client: Client, own_mailbox: Mailbox) -> None:
    place = await put(own_mailbox, message(), is_read=True)
    row = await own_mailbox.message(place.message_id)
    assert row is not None
    await client.value("OpenMessage", **place.fields())
    replica, guid = own_mailbox.replica_guid.bytes_le, own_mailbox.guid.bytes_le
    folder, item, change = (
        counter.to_bytes(6, "big") for counter in (place.folder_id, place.message_id, row.change_number)
    )
    parent_id = bytes(4) + guid + b"\x01\0" + replica + folder + b"\0\0"
    entry_id = bytes(4) + guid + b"\x07\0" + replica + folder + b"\0\0" + replica + item + b"\0\0"
    assert len(entry_id) == 70
    expected = {
        tags.PidTagMid: int.from_bytes(b"\x01\0" + item, "little", signed=True),
        tags.PidTagFolderId: int.from_bytes(b"\x01\0" + folder, "little", signed=True),
        tags.PidTagParentFolderId: int.from_bytes(b"\x01\0" + folder, "little", signed=True),
        tags.PidTagChangeNumber: int.from_bytes(b"\x01\0" + change, "little", signed=True),
        tags.PidTagEntryId: entry_id,
        tags.PidTagParentEntryId: parent_id,
        tags.PidTagStoreRecordKey: guid,
        tags.PidTagSourceKey: replica + item,
        tags.PidTagParentSourceKey: replica + folder,
        tags.PidTagChangeKey: replica + change,
        tags.PidTagPredecessorChangeList: b"\x16" + replica + change,
        tags.PidTagLastModificationTime: row.modified,
        tags.PidTagMessageSize: row.size,
        tags.PidTagMessageSizeExtended: row.size,
        tags.PidTagMessageFlags: 0x401,
        tags.PidTagRead: True,
        tags.PidTagAssociated: False,
        tags.PidTagHasAttachments: False,
        tags.PidTagMessageStatus: 0,
        tags.PidTagHasNamedProperties: True,
        tags.PidTagAccess: 7,
        tags.PidTagMessageClass: "IPM.Note",
    }
    assert await client.properties(client.last, *expected) == list(expected.values())


@pytest.mark.spec("MS-OXCMSG_R3001")
@pytest.mark.spec("MS-OXCMSG_R3003")
async def test_messages_have_no_object_type_and_no_record_key_as_on_exchange(
    client: Client, own_mailbox: Mailbox
) -> None:
    place = await put(own_mailbox, message())
    await client.value("OpenMessage", **place.fields())
    cells = await client.properties(client.last, tags.PidTagObjectType, tags.PidTagRecordKey, tags.PidTagBody)
    assert cells == [ErrorCode.NotFound] * 3


@pytest.mark.spec("MS-OXCMSG_R527")
async def test_an_fai_message_comes_back_with_its_flags(client: Client, own_mailbox: Mailbox) -> None:
    """Outlook uploads 0x49 on configuration messages and expects 0x449."""
    place = await put(own_mailbox, message(PidTagMessageFlags=0x49), is_read=True, is_associated=True)
    await client.value("OpenMessage", **place.fields())
    cells = await client.properties(client.last, tags.PidTagMessageFlags, tags.PidTagAssociated)
    assert cells == [READ_UNSENT_AND_FAI, True]


@pytest.mark.spec("MS-OXCMSG_R16")
@pytest.mark.spec("MS-OXCMSG_R522")
async def test_attachments_show_in_the_flags(client: Client, own_mailbox: Mailbox) -> None:
    item = message()
    item.attachments.append(Attachment({tags.PidTagAttachDataBinary: b"x"}))
    place = await put(own_mailbox, item)
    await client.value("OpenMessage", **place.fields())
    cells = await client.properties(client.last, tags.PidTagMessageFlags, tags.PidTagHasAttachments)
    assert cells == [0x10, True]


@pytest.mark.spec("MS-OXCPRPT_R461")
@pytest.mark.spec("MS-OXCPRPT_R462")
@pytest.mark.parametrize(("code_page", "encoded"), [(1251, b"\xcf\xf0"), (LOGON_CODE_PAGE, b"??"), (0, b"??")])
async def test_8_bit_strings_are_in_the_code_page_that_the_message_was_opened_with(
    client: Client, own_mailbox: Mailbox, code_page: int, encoded: bytes
) -> None:
    item = message("Пр")
    item.attachments.append(Attachment({tags.PidTagDisplayName: "Пр"}))
    place = await put(own_mailbox, item)
    await client.value("OpenMessage", **place.fields(code_page=code_page))
    opened = client.last
    (cell,) = await client.properties(opened, tags.PidTagSubject & ~0xFFFF, want_unicode=0)
    assert (cell.type, cell.value) == (PropertyType.STRING8, encoded)
    await client.value("OpenAttachment", opened, open_attachment_flags=0, attachment_id=0)
    assert await client.properties(client.last, tags.PidTagDisplayName & ~0xFFFF | 0x1E) == [encoded]


async def test_every_property_is_listed(client: Client, own_mailbox: Mailbox) -> None:
    item = message(PidTagInternetMessageId="<a@b>")
    item.properties[NamedTag(PropertyName(COMMON, lid=0x8580), PropertyType.STRING)] = "named"
    place = await put(own_mailbox, item)
    await client.value("OpenMessage", **place.fields())
    listed = (await client.value("GetPropertiesList", client.last)).property_tags
    everything = by_tag(await client.value("GetPropertiesAll", client.last, property_size_limit=0, want_unicode=1))
    assert set(listed) == set(everything)
    assert everything[tags.PidTagInternetMessageId] == "<a@b>"
    assert "named" in [value for tag, value in everything.items() if tag >> 16 >= 0x8000]


# Recipients


@pytest.mark.spec("MS-OXCMSG_R679")
@pytest.mark.spec("MS-OXCMSG_R977")
@pytest.mark.spec("MS-OXCMSG_R978")
@pytest.mark.spec("MS-OXCMSG_R979")
async def test_recipients_come_with_the_message(client: Client, own_mailbox: Mailbox) -> None:
    item = message()
    item.recipients += [recipient("Anna"), recipient("Tom", 2, PidTagRecipientFlags=1), recipient("Eve", 3)]
    place = await put(own_mailbox, item)
    opened = await client.value("OpenMessage", **place.fields())
    assert opened.recipient_count == 3
    assert opened.recipient_columns == [tags.PidTagSmtpAddress, tags.PidTagRecipientFlags]
    rows = opened.recipient_rows
    assert [row.recipient_type for row in rows] == [1, 2, 3]
    assert [row.recipient_row.display_name for row in rows] == ["Anna", "Tom", "Eve"]
    assert rows[1].recipient_row.properties == ["tom@bm.lan", 1]
    assert rows[0].recipient_row.properties == ["anna@bm.lan", ErrorCode.NotFound]


async def test_kinds_of_recipients(client: Client, own_mailbox: Mailbox) -> None:
    dn = "/o=bm/cn=Recipients/cn=anna"
    item = message()
    item.recipients += [
        recipient("Anna", PidTagAddressType="EX", PidTagEmailAddress=dn, PidTagDisplayType=6),
        recipient("List", PidTagAddressType="MAPIPDL", PidTagEntryId=b"id", PidTagSearchKey=b"key"),
        recipient("Old", PidTagAddressType="X400", PidTagTransmittableDisplayName="'Old'"),
        recipient("Plain", PidTagSendRichInfo=False, PidTagResponsibility=True),
        {tags.PidTagRecipientType: 1, tags.PidTagDisplayName: "Nobody"},
    ]
    place = await put(own_mailbox, item)
    opened = await client.value("OpenMessage", **place.fields())
    rows: list[RecipientRow] = [row.recipient_row for row in opened.recipient_rows]
    ex, members, other, plain, nobody = rows
    assert (ex.address_kind, ex.x500_dn, ex.display_type, ex.email_address) == (1, dn.encode(), 6, None)
    assert (members.address_kind, members.entry_id, members.search_key) == (6, b"id", b"key")
    assert (other.address_kind, other.address_type, other.transmittable_display_name) == (0, b"X400", "'Old'")
    assert (plain.address_kind, plain.is_non_rich, plain.is_responsible) == (3, True, True)
    assert (nobody.address_kind, nobody.address_type, nobody.email_address) == (0, None, None)
    assert [row.transmittable_is_display_name for row in rows] == [True, True, False, True, False]


@pytest.mark.spec("MS-OXCMSG_R328")
@pytest.mark.spec("MS-OXCMSG_R400")
async def test_recipients_that_do_not_fit_are_read_later(client: Client, own_mailbox: Mailbox) -> None:
    names = [f"Recipient{number:04}" for number in range(600)]
    item = message()
    item.recipients += [recipient(name) for name in names]
    place = await put(own_mailbox, item)
    opened = await client.value("OpenMessage", **place.fields())
    assert opened.recipient_count == 600
    found = [row.recipient_row.display_name for row in opened.recipient_rows]
    assert 100 < len(found) < 255
    assert found == names[: len(found)]
    read: list[str] = []
    while len(read) < 600:
        answer = await client.value(
            "ReadRecipients", client.last, columns=opened.recipient_columns, row_id=len(read), reserved=0
        )
        assert [row.row_id for row in answer.recipient_rows] == list(
            range(len(read), len(read) + len(answer.recipient_rows))
        )
        assert 0 < len(answer.recipient_rows) < 255
        read += [row.recipient_row.display_name for row in answer.recipient_rows]
    assert read == names


@pytest.mark.spec("MS-OXCMSG_R403")
@pytest.mark.spec("MS-OXCMSG_R1055")
async def test_recipients_that_do_not_exist_are_not_found(client: Client, own_mailbox: Mailbox) -> None:
    place = await put(own_mailbox, message())
    await client.value("OpenMessage", **place.fields())
    assert await client.error("ReadRecipients", client.last, row_id=0, reserved=0) == ErrorCode.NotFound
    item = message()
    item.recipients.append(recipient("Anna"))
    place = await put(own_mailbox, item)
    await client.value("OpenMessage", **place.fields())
    assert await client.error("ReadRecipients", client.last, row_id=1, reserved=0) == ErrorCode.NotFound


@pytest.mark.spec("MS-OXCMSG_R1056")
async def test_a_recipient_that_no_buffer_can_hold_is_an_error(client: Client, own_mailbox: Mailbox) -> None:
    item = message()
    certificates = [b"x" * 8000] * 5
    item.recipients.append(recipient("Anna", PidTagUserX509Certificate=certificates))
    place = await put(own_mailbox, item)
    opened = await client.value("OpenMessage", **place.fields())
    assert (opened.recipient_count, list(opened.recipient_rows)) == (1, [])
    assert await client.error("ReadRecipients", client.last, row_id=0, reserved=0) == ErrorCode.BufferTooSmall


@pytest.mark.spec("MS-OXCMSG_R1057", "MS-OXCMSG_R1498", "MS-OXCMSG_R1620", "MS-OXCMSG_R1493", "MS-OXCMSG_R1982")
@pytest.mark.spec("MS-OXCMSG_R1505", "MS-OXCMSG_R1507", "MS-OXCMSG_R1516", "MS-OXCMSG_R1521", "MS-OXCMSG_R1712")
@pytest.mark.spec("MS-OXCMSG_R1524", "MS-OXCMSG_R1525", "MS-OXCMSG_R1526")
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("ReadRecipients", {"row_id": 0, "reserved": 0}),
        ("ReloadCachedInformation", {"reserved": 0}),
        ("OpenAttachment", {"open_attachment_flags": 0, "attachment_id": 0}),
        ("GetAttachmentTable", {"table_flags": 0}),
        ("OpenEmbeddedMessage", {"code_page_id": LOGON_CODE_PAGE, "open_mode_flags": 0}),
        ("GetMessageStatus", {"message_id": ObjectId(1, 1)}),
        ("SetMessageStatus", {"message_id": ObjectId(1, 1), "message_status_flags": 0, "message_status_mask": 0}),
        ("SetReadFlags", {"want_asynchronous": False, "read_flags": 0, "message_ids": []}),
        ("SetMessageReadFlag", {"read_flags": 0, "client_data": None}),
        ("RemoveAllRecipients", {"reserved": 0}),
        ("ModifyRecipients", {"recipient_columns": [], "recipient_rows": []}),
        ("CreateAttachment", {}),
        ("DeleteAttachment", {"attachment_id": 0}),
        ("SaveChangesMessage", {"save_flags": 0}),
    ],
)
async def test_what_is_no_message_is_a_null_object(client: Client, name: str, fields: dict[str, Any]) -> None:
    assert await client.error(name, LOGON, **fields) == ErrorCode.NullObject


@pytest.mark.spec("MS-OXCMSG_R766")
async def test_reloading_tells_the_same_again(client: Client, own_mailbox: Mailbox) -> None:
    item = message("Hello", "RE: ")
    item.recipients.append(recipient("Anna"))
    place = await put(own_mailbox, item)
    opened = await client.value("OpenMessage", **place.fields())
    again = await client.value("ReloadCachedInformation", client.last, reserved=0)
    assert again == opened


@pytest.mark.spec("MS-OXCMSG_R421")
async def test_the_status_of_a_message_needs_no_opening(client: Client, own_mailbox: Mailbox) -> None:
    place = await put(own_mailbox, message())
    folder = await open_folder(client, place.folder_id)
    status = await client.value("GetMessageStatus", folder, message_id=ObjectId(1, place.message_id))
    assert status.message_status_flags == 0
    assert client.payloads[0][2] == 0x20
    assert await client.error("GetMessageStatus", folder, message_id=ObjectId(1, 1)) == ErrorCode.NotFound


# Attachments


@pytest.mark.spec("MS-OXCMSG_R436")
@pytest.mark.spec("MS-OXCMSG_R853")
@pytest.mark.spec("MS-OXCMSG_R3007")
@pytest.mark.spec("MS-OXCMSG_R918", "MS-OXCMSG_R919")
@pytest.mark.parametrize(("mode", "flags", "level"), [(0, 0, 0), (0, 3, 0), (1, 0, 0), (1, 1, 1), (3, 3, 1)])
async def test_an_attachment_is_opened(client: Client, own_mailbox: Mailbox, mode: int, flags: int, level: int) -> None:
    item = message()
    item.attachments += [
        Attachment({tags.PidTagAttachLongFilename: "a.txt", tags.PidTagAttachDataBinary: b"abc"}),
        Attachment({tags.PidTagAttachLongFilename: "b.txt", tags.PidTagAttachMethod: 1}),
    ]
    place = await put(own_mailbox, item)
    await client.value("OpenMessage", **place.fields(mode))
    await client.value("OpenAttachment", client.last, open_attachment_flags=flags, attachment_id=1)
    expected = {
        tags.PidTagAttachNumber: 1,
        tags.PidTagAttachLongFilename: "b.txt",
        tags.PidTagAttachMethod: 1,
        tags.PidTagRenderingPosition: -1,
        tags.PidTagAccessLevel: level,
        tags.PidTagObjectType: ErrorCode.NotFound,
        tags.PidTagRecordKey: own_mailbox.replica_guid.bytes_le
        + place.message_id.to_bytes(6, "big")
        + bytes.fromhex("00000001"),
    }
    assert await client.properties(client.last, *expected) == list(expected.values())


@pytest.mark.spec("MS-OXCMSG_R890")
@pytest.mark.spec("MS-OXCMSG_R490")
async def test_the_attachments_in_a_table(client: Client, own_mailbox: Mailbox) -> None:
    item = message()
    item.attachments += [
        Attachment({tags.PidTagAttachLongFilename: "a.txt", tags.PidTagAttachDataBinary: b"abc"}),
        Attachment({tags.PidTagAttachLongFilename: "b.txt", tags.PidTagAttachDataBinary: b"x" * 1000}),
    ]
    place = await put(own_mailbox, item)
    await client.value("OpenMessage", **place.fields())
    await client.value("GetAttachmentTable", client.last, table_flags=0x40)
    columns = [tags.PidTagAttachNumber, tags.PidTagAttachLongFilename, tags.PidTagAttachDataBinary, tags.PidTagBody]
    await client.value("SetColumns", client.last, set_columns_flags=0, property_tags=columns)
    found = await client.value("QueryRows", client.last, columns, query_rows_flags=0, forward_read=True, row_count=10)
    assert found.row_data == [
        [0, "a.txt", b"abc", ErrorCode.NotFound],
        [1, "b.txt", b"x" * 510, ErrorCode.NotFound],
    ]


@pytest.mark.spec("MS-OXCMSG_R440")
async def test_an_attachment_that_does_not_exist_is_not_found(client: Client, own_mailbox: Mailbox) -> None:
    place = await put(own_mailbox, message())
    await client.value("OpenMessage", **place.fields())
    code = await client.error("OpenAttachment", client.last, open_attachment_flags=0, attachment_id=0)
    assert code == ErrorCode.NotFound


@pytest.mark.spec("MS-OXCMSG_R881")
@pytest.mark.spec("MS-OXCMSG_R596")
async def test_an_embedded_message_is_opened_with_what_is_in_it(client: Client, own_mailbox: Mailbox) -> None:
    inner = message("inner", "FW: ")
    inner.recipients += [recipient("Anna"), recipient("Tom", 2)]
    inner.attachments.append(Attachment({tags.PidTagAttachDataBinary: b"deep"}))
    item = message()
    item.attachments.append(Attachment({}, embedded=inner))
    place = await put(own_mailbox, item)
    await client.value("OpenMessage", **place.fields())
    await client.value("OpenAttachment", client.last, open_attachment_flags=0, attachment_id=0)
    assert await client.properties(client.last, tags.PidTagAttachMethod) == [5]
    opened = await client.value("OpenEmbeddedMessage", client.last, code_page_id=LOGON_CODE_PAGE, open_mode_flags=0)
    assert (opened.subject_prefix, opened.normalized_subject, opened.recipient_count) == ("FW: ", "inner", 2)
    assert opened.message_id == ObjectId(0, 0)
    embedded = client.last
    expected = {
        tags.PidTagSubject: "FW: inner",
        tags.PidTagMessageClass: "IPM.Note",
        tags.PidTagDisplayTo: "Anna",
        tags.PidTagDisplayCc: "Tom",
        tags.PidTagMessageFlags: 0x11,
        tags.PidTagHasAttachments: True,
        tags.PidTagAccessLevel: 0,
        tags.PidTagEntryId: ErrorCode.NotFound,
    }
    assert await client.properties(embedded, *expected) == list(expected.values())
    await client.value("OpenAttachment", embedded, open_attachment_flags=0, attachment_id=0)
    assert await client.properties(client.last, tags.PidTagAttachDataBinary) == [b"deep"]


@pytest.mark.spec("MS-OXCMSG_R1068")
async def test_an_embedded_message_cannot_be_opened(client: Client, own_mailbox: Mailbox) -> None:
    item = message()
    item.attachments += [Attachment({}, embedded=message("inner")), Attachment({tags.PidTagAttachDataBinary: b"x"})]
    place = await put(own_mailbox, item)
    await client.value("OpenMessage", **place.fields())
    opened = client.last
    for number, code_page, mode, code in (
        (0, 4711, 0, ErrorCode.UnknownCodePage),
        (1, LOGON_CODE_PAGE, 0, ErrorCode.NotFound),
        (1, LOGON_CODE_PAGE, 2, ErrorCode.AccessDenied),
    ):
        await client.value("OpenAttachment", opened, open_attachment_flags=0, attachment_id=number)
        fields = {"code_page_id": code_page, "open_mode_flags": mode}
        assert await client.error("OpenEmbeddedMessage", client.last, **fields) == code


@pytest.mark.spec("MS-OXCROPS_R2415")
async def test_address_types(client: Client) -> None:
    await client.value("GetAddressTypes")
    assert client.payloads[0][2:].startswith(bytes.fromhex("49 00 00000000 0200 0800") + b"EX\0SMTP\0")
