"""Recipients of an open message, written and read (MS-OXCMSG 3.2.5.4 to 3.2.5.6, MS-OXCDATA 2.8.3)."""

import struct
from collections.abc import Sequence
from typing import Any

import pytest

from mapigw.emsmdb.dispatch import ExecuteRecord, execute
from mapigw.mailbox.content import decode_message
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import address_book_entry_id
from mapigw.wire.rop_buffer import join
from mapigw.wire.rows import RecipientRow
from mapigw.wire.rpc_header import join_payloads, split_payloads
from tests.emsmdb.client import Client
from tests.emsmdb.messages import (
    READ_ONLY,
    cell,
    create,
    mailbox_of,
    modify_recipients,
    open_message,
    opening,
    save,
    smtp,
    special,
)

DN = "/o=bm/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=2-ann"


async def read(client: Client, slot: int, row_id: int = 0, columns: Sequence[int] = (tags.PidTagObjectType,)) -> Any:
    """ReadRecipientRow structures."""
    value = await client.value("ReadRecipients", slot, columns=columns, row_id=row_id, reserved=0)
    return value.recipient_rows


async def names(client: Client, slot: int) -> list[tuple[int, str]]:
    """(RowId, display name), as reloading and reading tell them."""
    told = await client.value("ReloadCachedInformation", slot, reserved=0)
    if not told.recipient_count:
        assert await client.error("ReadRecipients", slot, row_id=0, reserved=0) == ErrorCode.NotFound
        return []
    rows = await read(client, slot, columns=told.recipient_columns)
    assert [row.recipient_row for row in told.recipient_rows] == [row.recipient_row for row in rows]
    return [(row.row_id, row.recipient_row.display_name) for row in rows]


@pytest.mark.spec("MS-OXCMSG_R737", "MS-OXCMSG_R389", "MS-OXCMSG_R394", "MS-OXCMSG_R753", "MS-OXCMSG_R2047")
async def test_recipients_are_added_under_their_row_ids(client: Client) -> None:
    slot = await create(client)
    await modify_recipients(client, slot, {7: smtp("Anna"), 3: smtp("Tom")})
    await modify_recipients(client, slot, {5: smtp("Eve")}, kind=2)
    assert await names(client, slot) == [(3, "Tom"), (5, "Eve"), (7, "Anna")]
    cells = await client.properties(slot, tags.PidTagDisplayTo, tags.PidTagDisplayCc, tags.PidTagDisplayBcc)
    assert cells == ["Tom; Anna", "Eve", ""]
    opened = await open_message(client, await save(client, slot), READ_ONLY)
    assert await names(client, opened) == [(3, "Tom"), (5, "Eve"), (7, "Anna")]


@pytest.mark.spec("MS-OXCMSG_R390")
async def test_a_row_replaces_everything_of_a_recipient(client: Client) -> None:
    slot = await create(client)
    columns = [tags.PidTagRecipientFlags, tags.PidTagRecipientDisplayName]
    await modify_recipients(client, slot, {0: smtp("Anna", properties=[1, "Anna A."])}, columns=columns)
    (row,) = await read(client, slot, columns=columns)
    assert row.recipient_row.properties == [1, "Anna A."]
    await modify_recipients(client, slot, {0: smtp("Eve", properties=[9])}, columns=[tags.PidTagRecipientOrder], kind=3)
    (row,) = await read(client, slot, columns=[tags.PidTagRecipientOrder])
    assert (row.recipient_type, row.recipient_row.display_name, row.recipient_row.properties) == (3, "Eve", [9])


@pytest.mark.spec("MS-OXCMSG_R391", "MS-OXCMSG_R393")
async def test_a_row_without_data_deletes_a_recipient(client: Client) -> None:
    slot = await create(client)
    await modify_recipients(client, slot, {0: smtp("Anna"), 1: smtp("Tom"), 2: smtp("Eve")})
    await modify_recipients(client, slot, {1: None, 9: None})
    assert await names(client, slot) == [(0, "Anna"), (2, "Eve")]
    assert await client.error("ReadRecipients", slot, row_id=1, reserved=0) == ErrorCode.NotFound
    opened = await open_message(client, await save(client, slot))
    assert await names(client, opened) == [(0, "Anna"), (2, "Eve")]
    await modify_recipients(client, opened, {0: None, 2: None})
    assert await names(client, opened) == []


@pytest.mark.spec("MS-OXCMSG_R395", "MS-OXCMSG_R382")
async def test_other_handles_see_recipients_when_they_are_saved(client: Client) -> None:
    slot = await create(client)
    await modify_recipients(client, slot, {0: smtp("Anna")})
    message_id = await save(client, slot)
    one, two = await open_message(client, message_id), await open_message(client, message_id)
    await modify_recipients(client, one, {1: smtp("Tom")})
    assert await names(client, two) == [(0, "Anna")]
    await client.value("RemoveAllRecipients", one, reserved=0)
    assert await names(client, two) == [(0, "Anna")]
    assert await names(client, await open_message(client, message_id)) == [(0, "Anna")]
    await save(client, one)
    assert await names(client, await open_message(client, message_id)) == []


@pytest.mark.spec("MS-OXCMSG_R729", "MS-OXCMSG_R381", "MS-OXCMSG_R1491")
async def test_all_recipients_are_removed(client: Client) -> None:
    slot = await create(client)
    await client.value("RemoveAllRecipients", slot, reserved=0)  # there are none
    await modify_recipients(client, slot, {0: smtp("Anna"), 1: smtp("Tom")})
    await client.value("RemoveAllRecipients", slot, reserved=0x12345678)
    assert await names(client, slot) == []
    assert await client.error("ReadRecipients", slot, row_id=1, reserved=0) == ErrorCode.NotFound
    assert await cell(client, slot, tags.PidTagDisplayTo) == ""


@pytest.mark.spec("MS-OXCMSG_R1495")
async def test_row_id_0_is_the_first_recipient(client: Client) -> None:
    slot = await create(client)
    rows = {number: smtp(f"Recipient{number:04}") for number in range(10, 400)}
    for start in range(10, 400, 100):
        await modify_recipients(client, slot, {key: rows[key] for key in list(rows)[start - 10 : start + 90]})
    found = await read(client, slot, 0)
    assert found[0].row_id == 10
    assert 100 < len(found) < 255
    assert [row.row_id for row in found] == list(range(10, 10 + len(found)))
    following = await read(client, slot, 10 + len(found))
    assert following[0].row_id == 10 + len(found)


@pytest.mark.spec("MS-OXCMSG_R1298")
async def test_the_flags_of_a_recipient_s_type_come_back(client: Client) -> None:
    slot = await create(client)
    await modify_recipients(client, slot, {0: smtp("Anna")}, kind=0x11)
    await modify_recipients(client, slot, {1: smtp("Tom")}, kind=0x82)
    message_id = await save(client, slot)
    folder = await special(client, "drafts")
    opened = await client.value("OpenMessage", **opening(folder.folder_id, message_id))
    assert [row.recipient_type for row in opened.recipient_rows] == [0x11, 0x82]
    cells = await client.properties(client.last, tags.PidTagDisplayTo, tags.PidTagDisplayCc)
    assert cells == ["Anna", "Tom"]


async def test_the_largest_row_id(client: Client) -> None:
    slot = await create(client)
    await modify_recipients(client, slot, {0xFFFFFFFF: smtp("Anna"), 0x80000000: smtp("Tom")})
    opened = await open_message(client, await save(client, slot))
    assert await names(client, opened) == [(0x80000000, "Tom"), (0xFFFFFFFF, "Anna")]
    assert [row.row_id for row in await read(client, opened, 0xFFFFFFFF)] == [0xFFFFFFFF]


# The forms of a RecipientRow


async def returned(client: Client, row: RecipientRow, columns: Sequence[int] = ()) -> tuple[RecipientRow, list[int]]:
    """What is read of a recipient that was written, after a save; and the columns under which it is."""
    slot = await create(client)
    await modify_recipients(client, slot, {0: row}, columns=columns)
    folder = await special(client, "drafts")
    opened = await client.value("OpenMessage", **opening(folder.folder_id, await save(client, slot)))
    return opened.recipient_rows[0].recipient_row, list(opened.recipient_columns)


async def stored_recipient(client: Client, row: RecipientRow, columns: Sequence[int] = ()) -> dict[int, Any]:
    slot = await create(client)
    await modify_recipients(client, slot, {0: row}, columns=columns)
    found = await mailbox_of(client).message(await save(client, slot))
    assert found is not None
    return decode_message(found).recipients[0]


@pytest.mark.parametrize("kind", [0x2, 0x3, 0x4, 0x5])
async def test_addresses_of_the_known_types(client: Client, kind: int) -> None:
    row, _columns = await returned(client, smtp("Anna", address_kind=kind))
    assert (row.address_kind, row.email_address, row.display_name) == (kind, "anna@bm.lan", "Anna")
    assert (row.address_type, row.is_unicode, row.is_non_rich, row.is_responsible) == (None, True, False, False)


async def test_an_address_of_another_type_has_its_name(client: Client) -> None:
    row, _columns = await returned(client, smtp("Anna", address_kind=0, address_type=b"NOTES"))
    assert (row.address_kind, row.address_type, row.email_address) == (0, b"NOTES", "anna@bm.lan")


async def test_an_address_without_type(client: Client) -> None:
    row, _columns = await returned(client, RecipientRow(display_name="Nobody"))
    assert (row.address_kind, row.address_type, row.email_address, row.display_name) == (0, None, None, "Nobody")
    assert row.transmittable_display_name is None


@pytest.mark.parametrize("used", [0, 20])
async def test_a_user_of_the_address_book(client: Client, used: int) -> None:
    """AddressPrefixUsed counts the characters that the DN shares with the user's own and leaves out."""
    row = RecipientRow(
        address_kind=1,
        x500_dn=DN[used:].encode(),
        address_prefix_used=used,
        display_name="Ann",
        transmittable_is_display_name=True,
    )
    recipient = await stored_recipient(client, row)
    assert recipient[tags.PidTagAddressType] == "EX"
    assert recipient[tags.PidTagEmailAddress] == DN
    assert recipient[tags.PidTagEntryId] == address_book_entry_id(DN)
    assert (recipient[tags.PidTagDisplayType], recipient[tags.PidTagObjectType]) == (0, 6)
    read_back, columns = await returned(client, row)
    assert (read_back.address_kind, read_back.x500_dn, read_back.display_type) == (1, DN.encode(), 0)
    assert columns == [tags.PidTagDisplayType, tags.PidTagObjectType]


async def test_the_entry_id_of_another_organization_is_kept(client: Client) -> None:
    """Outlook keeps recipients of the organization it was used with before: they are found by SMTP address."""
    entry_id = address_book_entry_id("/o=other/cn=Recipients/cn=ann")
    columns = [tags.PidTagEntryId, tags.PidTagSmtpAddress, tags.PidTagObjectType]
    row = RecipientRow(
        address_kind=1,
        x500_dn=b"/o=other/cn=Recipients/cn=ann",
        display_name="Ann",
        properties=[entry_id, "ann@bm.lan", ErrorCode.NotFound],
    )
    recipient = await stored_recipient(client, row, columns)
    assert recipient[tags.PidTagEntryId] == entry_id
    assert recipient[tags.PidTagSmtpAddress] == "ann@bm.lan"
    assert recipient[tags.PidTagObjectType] == 6  # of a user; the cell had none


@pytest.mark.parametrize("kind", [0x6, 0x7])
async def test_personal_distribution_lists(client: Client, kind: int) -> None:
    row = RecipientRow(address_kind=kind, entry_id=b"entry", search_key=b"key", display_name="List")
    read_back, _columns = await returned(client, row)
    assert (read_back.address_kind, read_back.entry_id, read_back.search_key) == (0x6, b"entry", b"key")


@pytest.mark.spec("MS-OXCMSG_R1198", "MS-OXCMSG_R1199")
async def test_responsibility_and_rich_text(client: Client) -> None:
    row, _columns = await returned(client, smtp("Anna", is_responsible=True, is_non_rich=True))
    assert (row.is_responsible, row.is_non_rich) == (True, True)
    recipient = await stored_recipient(client, smtp("Anna", is_responsible=True, is_non_rich=True))
    assert (recipient[tags.PidTagResponsibility], recipient[tags.PidTagSendRichInfo]) == (True, False)
    plain, _columns = await returned(client, smtp("Tom"))
    assert plain.is_responsible is False


async def test_names_of_a_recipient(client: Client) -> None:
    row = smtp(
        "Анна", simple_display_name="Anna", transmittable_display_name="'Anna'", transmittable_is_display_name=False
    )
    recipient = await stored_recipient(client, row)
    assert recipient[tags.PidTagDisplayName] == "Анна"
    assert recipient[tags.PidTagAddressBookDisplayNamePrintable] == "Anna"
    assert recipient[tags.PidTagTransmittableDisplayName] == "'Anna'"
    read_back, _columns = await returned(client, row)
    assert (read_back.display_name, read_back.transmittable_display_name) == ("Анна", "'Anna'")


async def test_names_of_8_bits_are_in_the_code_page_of_the_message(client: Client) -> None:
    slot = await create(client, code_page=1251)
    row = smtp("", is_unicode=False, email_address=b"a@bm.lan", display_name=b"\xcf\xf0", properties=[b"\xcf"])
    await modify_recipients(client, slot, {0: row}, columns=[tags.PidTagRecipientDisplayName & ~0xFFFF | 0x1E])
    found = await mailbox_of(client).message(await save(client, slot))
    assert found is not None
    (recipient,) = decode_message(found).recipients
    assert recipient[tags.PidTagDisplayName] == recipient[tags.PidTagTransmittableDisplayName] == "Пр"
    assert recipient[tags.PidTagRecipientDisplayName] == "П"


async def test_fewer_cells_than_columns(client: Client) -> None:
    """RecipientColumnCount says how many of the columns a row has."""
    columns = [tags.PidTagRecipientFlags, tags.PidTagRecipientOrder]
    recipient = await stored_recipient(client, smtp("Anna", properties=[1]), columns)
    assert recipient[tags.PidTagRecipientFlags] == 1
    assert tags.PidTagRecipientOrder not in recipient


async def test_the_row_id_is_the_row_s_and_not_a_column_s(client: Client) -> None:
    columns = [tags.PidTagRowid, tags.PidTagRecipientType, tags.PidTagDisplayName]
    slot = await create(client)
    await modify_recipients(client, slot, {4: smtp("Anna", properties=[99, 3, "Eve"])}, columns=columns)
    assert await names(client, slot) == [(4, "Anna")]
    assert await cell(client, slot, tags.PidTagDisplayTo) == "Anna"


# The bytes of a RecipientRow


async def write_row(client: Client, slot: int, row: bytes, columns: Sequence[int] = (), kind: int = 1) -> int:
    """The ReturnValue of a RopModifyRecipients for the recipient of RowId 0, byte for byte."""
    tagged = b"".join(tag.to_bytes(4, "little") for tag in columns)
    body = len(columns).to_bytes(2, "little") + tagged + bytes.fromhex("0100 00000000") + bytes([kind])
    rop = bytes([0x0E, 0, 0]) + body + len(row).to_bytes(2, "little") + row
    request = join_payloads([join([rop], [client.handles[slot]])])
    answer = await execute(client.session, request, 3, 0x8007, ExecuteRecord("", 0))
    (payload,) = split_payloads(answer)
    return int.from_bytes(payload[4:8], "little")


async def read_row(client: Client, slot: int) -> bytes:
    """The RecipientRow of the only recipient, as RopReadRecipients answers it."""
    told = await client.value("ReloadCachedInformation", slot, reserved=0)
    await read(client, slot, columns=told.recipient_columns)
    payload = client.payloads[0]
    size = int.from_bytes(payload[18:20], "little")
    return payload[20 : 20 + size]


def u(text: str) -> bytes:
    return text.encode("utf-16-le") + b"\0\0"


NO_COLUMNS = bytes.fromhex("0000 00")


@pytest.mark.spec("MS-OXCDATA_R105", "MS-OXCDATA_R107", "MS-OXCDATA_R111", "MS-OXCDATA_R112", "MS-OXCDATA_R113")
@pytest.mark.spec("MS-OXCDATA_R114", "MS-OXCDATA_R117", "MS-OXCDATA_R120", "MS-OXCDATA_R123", "MS-OXCDATA_R142")
@pytest.mark.spec("MS-OXCDATA_R145", "MS-OXCDATA_R150", "MS-OXCDATA_R153", "MS-OXCDATA_R158", "MS-OXCDATA_R160")
@pytest.mark.spec("MS-OXCDATA_R161", "MS-OXCDATA_R164", "MS-OXCDATA_R165")
@pytest.mark.parametrize(
    "row",
    [
        bytes.fromhex("5B02") + u("a@b") + u("A") + NO_COLUMNS,  # SMTP, E, D, S, U
        bytes.fromhex("1B02") + u("a@b") + u("A") + NO_COLUMNS,  # without S: no transmittable name
        bytes.fromhex("3B02") + u("a@b") + u("A") + u("B") + NO_COLUMNS,  # T
        bytes.fromhex("1B03") + u("a@b") + u("A") + NO_COLUMNS,  # N
        bytes.fromhex("1202") + u("A") + NO_COLUMNS,  # MsMail without address
        bytes.fromhex("0C02") + u("1") + NO_COLUMNS,  # Fax without name
        bytes.fromhex("1D02") + u("a") + u("A") + NO_COLUMNS,  # ProfessionalOfficeSystem
        bytes.fromhex("1002") + u("A") + NO_COLUMNS,  # NoType
        bytes.fromhex("1882") + b"NOTES\0" + u("a/b") + u("A") + NO_COLUMNS,  # NoType with its address type
        bytes.fromhex("1602 0300 010203 0200 0405") + u("L") + NO_COLUMNS,  # PersonalDistributionList1
    ],
)
async def test_a_row_comes_back_byte_for_byte(client: Client, row: bytes) -> None:
    slot = await create(client)
    assert await write_row(client, slot, row) == 0
    assert await read_row(client, slot) == row
    opened = await open_message(client, await save(client, slot))
    assert await read_row(client, opened) == row


@pytest.mark.spec("MS-OXCDATA_R105")
async def test_a_responsible_agent_in_bytes(client: Client) -> None:
    slot = await create(client)
    assert await write_row(client, slot, bytes.fromhex("9B02") + u("a@b") + u("A") + NO_COLUMNS) == 0
    row = await read_row(client, slot)
    assert row == bytes.fromhex("9B02") + u("a@b") + u("A") + bytes.fromhex("0100 00 01")  # PidTagResponsibility


@pytest.mark.spec("MS-OXCDATA_R2764")
@pytest.mark.parametrize("display_type", range(7))
async def test_a_user_of_the_address_book_in_bytes(client: Client, display_type: int) -> None:
    slot = await create(client)
    head = bytes.fromhex("1102 00") + bytes([display_type]) + b"/o=x/cn=y\0" + u("A")
    assert await write_row(client, slot, head + NO_COLUMNS) == 0
    kind = 8 if display_type == 1 else 6
    columns = bytes.fromhex("0200 00") + struct.pack("<ii", display_type, kind)  # PidTagDisplayType, PidTagObjectType
    assert await read_row(client, slot) == head + columns


@pytest.mark.spec("MS-OXCDATA_R121", "MS-OXCDATA_R122", "MS-OXCDATA_R168", "MS-OXCDATA_R169", "MS-OXCDATA_R170")
@pytest.mark.spec("MS-OXCDATA_R162", "MS-OXCDATA_R166")
@pytest.mark.parametrize(
    "row",
    [
        bytes.fromhex("3B06") + u("a@b") + u("Пр") + u("P") + u("П") + NO_COLUMNS,
        bytes.fromhex("3B04") + b"a@b\0" + b"\xcf\xf0\0" + b"P\0" + b"\xcf\0" + NO_COLUMNS,
    ],
)
async def test_names_in_unicode_or_8_bits(client: Client, row: bytes) -> None:
    slot = await create(client, code_page=1251)
    assert await write_row(client, slot, row) == 0
    found = await mailbox_of(client).message(await save(client, slot))
    assert found is not None
    (recipient,) = decode_message(found).recipients
    expected = {
        tags.PidTagEmailAddress: "a@b",
        tags.PidTagDisplayName: "Пр",
        tags.PidTagAddressBookDisplayNamePrintable: "P",
        tags.PidTagTransmittableDisplayName: "П",
    }
    assert {tag: recipient[tag] for tag in expected} == expected


@pytest.mark.spec("MS-OXCDATA_R177")
async def test_the_number_of_columns_in_bytes(client: Client) -> None:
    slot = await create(client)
    columns = [tags.PidTagRecipientFlags, tags.PidTagRecipientOrder]
    head = bytes.fromhex("5B02") + u("a@b") + u("A")
    one = head + bytes.fromhex("0100 00 09000000")
    assert await write_row(client, slot, one, columns) == 0
    assert await read_row(client, slot) == one
    two = head + bytes.fromhex("0200 00 09000000 07000000")
    assert await write_row(client, slot, two, columns) == 0
    assert await read_row(client, slot) == two
    missing = head + bytes.fromhex("0200 01 00 09000000 0A 0F010480")  # a flagged row with an error in it
    assert await write_row(client, slot, missing, columns) == 0
    assert await read_row(client, slot) == one
