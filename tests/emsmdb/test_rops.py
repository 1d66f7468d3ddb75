"""What MS-OXCROPS says of single fields: when they are there, and which mean nothing."""

from typing import Any
from uuid import UUID

import pytest

from mapigw.emsmdb.session import RELEASED_HANDLE
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import LongTermId, ObjectId
from mapigw.wire.restrictions import PropertyRestriction
from mapigw.wire.rop_buffer import RopRequest
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.logons import fields as logon_fields
from tests.emsmdb.messages import (
    create,
    create_attachment,
    modify_recipients,
    open_folder,
    open_message,
    save,
    save_attachment,
    smtp,
    special,
)
from tests.emsmdb.notices import put

BINARY = 0x7C040102
CREATE = 0x02
EQUAL = 4


async def answer(client: Client, *requests: RopRequest) -> bytes:
    """The responses as bytes, without RopSize and handle table."""
    await client.send(*requests)
    return client.payloads[0][2 : -4 * len(client.handles)]


# Processing a buffer


@pytest.mark.spec("MS-OXCROPS_R4550", "MS-OXCROPS_R4719", "MS-OXCROPS_R4565", "MS-OXCROPS_R4581")
async def test_answers_and_handles_keep_their_order(client: Client) -> None:
    inbox, drafts = await open_folder(client, "inbox"), await open_folder(client, "drafts")
    before = list(client.handles)
    responses = await client.send(
        client.request("GetPropertiesList", drafts),
        client.request("Release", inbox),
        client.request("GetStreamSize", drafts),
        client.request("GetPropertiesList", LOGON),
        client.request("GetPropertiesList", inbox),
    )
    assert [(item.rop.name, item.handle_index, item.return_value) for item in responses] == [
        ("GetPropertiesList", drafts, 0),
        ("GetStreamSize", drafts, ErrorCode.NotSupported),
        ("GetPropertiesList", LOGON, 0),
        ("GetPropertiesList", inbox, ErrorCode.InvalidObject),
    ]
    assert client.handles == [before[LOGON], RELEASED_HANDLE, before[drafts]]


@pytest.mark.spec("MS-OXCROPS_R471201")
async def test_an_index_outside_the_table(client: Client) -> None:
    for name in ("GetPropertiesList", "CommitStream", "GetStreamSize"):
        assert await client.error(name, 200) == 0x000004B9


@pytest.mark.spec("MS-OXCROPS_R4693031")
async def test_pending_is_not_told_when_all_notifications_are(client: Client) -> None:
    notify = bytes.fromhex("2A 01000000 00 0400 0500000000000001 0600000000000001 0000")
    put(client.session, notify)
    assert (await answer(client, client.request("Release", 9))) == notify


# Fields of requests that mean nothing


@pytest.mark.spec("MS-OXCROPS_R4678")
async def test_the_store_state_of_a_logon(client: Client) -> None:
    answers = set()
    for store_state in (0, 1, 0x01000000, 0xFFFFFFFF):
        asked = {**logon_fields(client.session.user.legacy_dn), "store_state": store_state}
        value = await client.value("Logon", **asked)
        answers.add(tuple((key, str(item)) for key, item in value.items() if key not in {"_io", "logon_time"}))
    assert len(answers) == 1


@pytest.mark.spec("MS-OXCROPS_R474")
async def test_the_reserved_byte_of_read_per_user_information(client: Client) -> None:
    folder_id = LongTermId(UUID(int=5), 77)
    answers = [
        await answer(
            client,
            client.request(
                "ReadPerUserInformation", folder_id=folder_id, reserved=reserved, data_offset=0, max_data_size=0
            ),
        )
        for reserved in (0x00, 0x01, 0xFF)
    ]
    assert len(set(answers)) == 1


@pytest.mark.spec("MS-OXCROPS_R2005")
async def test_the_reserved_bytes_of_remove_all_recipients(client: Client) -> None:
    answers = set()
    for reserved in (0, 1, 0xFFFFFFFF):
        message = await create(client)
        await modify_recipients(client, message, {0: smtp("Ann")})
        data = await answer(client, client.request("RemoveAllRecipients", message, reserved=reserved))
        answers.add(data[2:])
        value = await client.value("ReloadCachedInformation", message, reserved=0)
        assert value.recipient_count == 0
    assert answers == {bytes(4)}


# Fields of responses that are there or not


@pytest.mark.spec("MS-OXCROPS_R561", "MS-OXCROPS_R565", "MS-OXCROPS_R569")
async def test_a_folder_that_is_not_ghosted_has_no_servers(client: Client) -> None:
    folder = await special(client, "inbox")
    asked = client.request("OpenFolder", folder_id=ObjectId(1, folder.folder_id), open_mode_flags=0)
    assert await answer(client, asked) == bytes.fromhex(f"02 {client.last:02X} 00000000 00 00")


@pytest.mark.spec("MS-OXCROPS_R4630", "MS-OXCROPS_R313", "MS-OXCROPS_R4631")
async def test_in_a_private_mailbox_nothing_is_ghosted(client: Client) -> None:
    folder = await special(client, "inbox")
    asked = client.request("PublicFolderIsGhosted", folder_id=ObjectId(1, folder.folder_id))
    assert await answer(client, asked) == bytes.fromhex("45 00 00000000 00")


@pytest.mark.spec(
    "MS-OXCROPS_R4613",
    "MS-OXCROPS_R627",
    "MS-OXCROPS_R631",
    "MS-OXCROPS_R635",
    "MS-OXCROPS_R639",
    "MS-OXCROPS_R642",
    "MS-OXCROPS_R643",
    "MS-OXCROPS_R644",
)
@pytest.mark.parametrize("again", [False, True])
async def test_a_created_folder_is_told_of_by_its_id_alone(client: Client, again: bool) -> None:
    """As Exchange 2010 and later, which never call a folder an existing one."""
    inbox = await open_folder(client, "inbox")
    fields: dict[str, Any] = {"folder_type": 1, "use_unicode_strings": True, "reserved": 0, "comment": ""}
    for open_existing in (False, True)[: 1 + again]:
        asked = client.request("CreateFolder", inbox, display_name="new", open_existing=open_existing, **fields)
        data = await answer(client, asked)
    assert data[:8] == bytes.fromhex(f"1C {client.last:02X} 00000000 0100")
    assert data[14:] == b"\0"  # IsExistingFolder, and nothing behind it


@pytest.mark.spec("MS-OXCROPS_R1778")
async def test_a_created_message_has_no_id_yet(client: Client) -> None:
    folder = await special(client, "inbox")
    asked = client.request(
        "CreateMessage", code_page_id=0x0FFF, folder_id=ObjectId(1, folder.folder_id), associated_flag=False
    )
    assert await answer(client, asked) == bytes.fromhex(f"06 {client.last:02X} 00000000 00")


@pytest.mark.spec("MS-OXCROPS_R2110", "MS-OXCROPS_R2114")
async def test_a_read_state_that_no_public_folder_has(client: Client) -> None:
    message = await open_message(client, await save(client, await create(client)))
    asked = client.request("SetMessageReadFlag", message, response_handle_index=message, read_flags=0, client_data=None)
    assert await answer(client, asked) == bytes.fromhex(f"11 {message:02X} 00000000 00")


@pytest.mark.spec("MS-OXCROPS_R2175")
async def test_the_id_of_an_attachment_is_its_number(client: Client) -> None:
    message = await create(client)
    for _ in range(3):
        attachment, attachment_id = await create_attachment(client, message)
        assert await client.properties(attachment, tags.PidTagAttachNumber) == [attachment_id]
        await save_attachment(client, attachment)
        await client.value("OpenAttachment", message, open_attachment_flags=0, attachment_id=attachment_id)
        assert await client.properties(client.last, tags.PidTagAttachNumber) == [attachment_id]


@pytest.mark.spec("MS-OXCROPS_R1484")
async def test_a_row_is_there_when_it_is_found(client: Client) -> None:
    await save(client, await create(client, {tags.PidTagSubject: "wanted"}))
    folder = await open_folder(client, "drafts")
    await client.value("GetContentsTable", folder, table_flags=0)
    table, columns = client.last, [tags.PidTagNormalizedSubject]
    await client.value("SetColumns", table, set_columns_flags=0, property_tags=columns)

    def finding(subject: str) -> RopRequest:
        restriction = PropertyRestriction(EQUAL, columns[0], (columns[0], subject))
        return client.request("FindRow", table, find_row_flags=0, restriction_data=restriction, origin=0, bookmark=b"")

    row = "00" + "wanted\0".encode("utf-16-le").hex()
    await client.send(finding("wanted"), columns={table: columns})
    assert client.payloads[0][2 : -4 * len(client.handles)] == bytes.fromhex(f"4F {table:02X} 00000000 00 01 {row}")
    (response,) = await client.send(finding("other"))
    assert (response.return_value, response.value) == (ErrorCode.NotFound, None)


@pytest.mark.spec("MS-OXCROPS_R2589", "MS-OXCROPS_R2571")
async def test_no_address_type_has_options(client: Client) -> None:
    asked = client.request("OptionsData", address_type=b"SMTP", want_win32=True)
    assert await answer(client, asked) == bytes.fromhex("6F 00 00000000 01 0000 0000")
    assert await client.error("OptionsData", address_type=b"X400", want_win32=True) == ErrorCode.NotFound


@pytest.mark.spec("MS-OXCROPS_R3227", "MS-OXCROPS_R3228")
async def test_how_much_is_read(client: Client) -> None:
    message = await create(client, {BINARY: bytes(range(200))})
    await client.value("OpenStream", message, property_tag=BINARY, open_mode_flags=0)
    stream = client.last
    for count, maximum, size in ((7, None, 7), (0xBABE, 9, 9), (0xBABE, 0, 0), (0xBABD, None, 184)):
        value = await client.value("ReadStream", stream, byte_count=count, maximum_byte_count=maximum)
        assert len(value.data) == size
