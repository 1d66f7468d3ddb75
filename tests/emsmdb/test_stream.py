"""Streams on properties, opened and read through the dispatcher."""

from pathlib import Path
from typing import Any

import pytest

from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.message import Attachment, Message
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import CHAIN, LOGON, Client

READ_ONLY, READ_WRITE, CREATE, BEST_ACCESS = 0x00, 0x01, 0x02, 0x03
BEGINNING, CURRENT, END = 0x00, 0x01, 0x02
MAXIMUM_BYTE_COUNT = 0xBABE
BODY_8 = tags.PidTagBody & ~0xFFFF | 0x1E
LARGE = bytes(range(256)) * 4096  # 1 MiB


async def open_message(
    client: Client, mailbox: Mailbox, item: Message, *, mode: int = READ_ONLY, code_page: int = 0x0FFF
) -> int:
    """The slot of a new message of the inbox, opened."""
    inbox = await mailbox.special_folder("inbox")
    (message_id,) = await mailbox.append(inbox.folder_id, [NewMessage(item)])
    await client.value(
        "OpenMessage",
        code_page_id=code_page,
        folder_id=ObjectId(1, inbox.folder_id),
        open_mode_flags=mode,
        message_id=ObjectId(1, message_id),
    )
    return client.last


async def open_attachment(client: Client, mailbox: Mailbox, properties: dict[Any, Any], mode: int = READ_ONLY) -> int:
    """The slot of a new message's only attachment, opened."""
    item = Message(attachments=[Attachment(properties)])
    message = await open_message(client, mailbox, item, mode=mode)
    await client.value("OpenAttachment", message, open_attachment_flags=mode, attachment_id=0)
    return client.last


async def open_stream(client: Client, index: int, tag: int, mode: int = READ_ONLY) -> int:
    """Open a stream in a new slot; its size."""
    size: int = (await client.value("OpenStream", index, property_tag=tag, open_mode_flags=mode)).stream_size
    return size


async def read(client: Client, count: int, maximum: int | None = None) -> bytes:
    answer = await client.value("ReadStream", client.last, byte_count=count, maximum_byte_count=maximum)
    data: bytes = answer.data
    return data


async def seek(client: Client, origin: int, offset: int) -> int:
    position: int = (await client.value("SeekStream", client.last, origin=origin, offset=offset)).new_position
    return position


@pytest.mark.spec("MS-OXCPRPT_R27601")
@pytest.mark.spec("MS-OXCPRPT_R25506")
async def test_the_exchange_is_laid_out_as_specified(client: Client, own_mailbox: Mailbox) -> None:
    message = await open_message(client, own_mailbox, Message({tags.PidTagHtml: b"<p>x</p>"}))
    responses = await client.send(
        client.request("OpenStream", message, property_tag=tags.PidTagHtml, open_mode_flags=READ_ONLY),
        client.request("ReadStream", client.last, byte_count=0x1000, maximum_byte_count=None),
        client.request("GetStreamSize", client.last),
        client.request("SeekStream", client.last, origin=BEGINNING, offset=3),
    )
    assert [response.return_value for response in responses] == [0] * 4
    slot = f"{client.last:02X}"
    expected = bytes.fromhex(
        f"2B {slot} 00000000 08000000"
        f"2C {slot} 00000000 0800 3C703E783C2F703E"
        f"5E {slot} 00000000 08000000"
        f"2E {slot} 00000000 0300000000000000"
    )
    assert client.payloads[0][2 : 2 + len(expected)] == expected


@pytest.mark.spec("MS-OXCPRPT_R25509")
@pytest.mark.parametrize("text", ["Grüße\r\n", "lang " * 4000])
async def test_text_is_streamed_without_its_nul(client: Client, own_mailbox: Mailbox, text: str) -> None:
    message = await open_message(client, own_mailbox, Message({tags.PidTagBody: text}))
    size = await open_stream(client, message, tags.PidTagBody)
    assert size == 2 * len(text)
    data = b""
    while part := await read(client, 0x4000):
        data += part
    assert data == text.encode("utf-16-le")


@pytest.mark.parametrize("text", ["Привет", "Привет" * 2000])
async def test_text_is_streamed_in_the_code_page_that_the_message_was_opened_with(
    client: Client, own_mailbox: Mailbox, text: str
) -> None:
    message = await open_message(client, own_mailbox, Message({tags.PidTagBody: text}), code_page=1251)
    assert await open_stream(client, message, BODY_8) == len(text)
    assert await read(client, 0x4000) == text.encode("cp1251")


@pytest.mark.spec("MS-OXCPRPT_R25502")
@pytest.mark.spec("MS-OXCPRPT_R25503")
@pytest.mark.parametrize("stored", [tags.PidTagAttachDataBinary, tags.PidTagAttachDataObject])
@pytest.mark.parametrize("asked", [tags.PidTagAttachDataBinary, tags.PidTagAttachDataObject])
async def test_attachment_data_is_streamed(client: Client, own_mailbox: Mailbox, stored: int, asked: int) -> None:
    attachment = await open_attachment(client, own_mailbox, {stored: b"data"})
    assert await open_stream(client, attachment, asked) == 4
    assert await read(client, 100) == b"data"


@pytest.mark.spec("MS-OXCPRPT_R25505")
async def test_an_attachment_s_text_is_streamed(client: Client, own_mailbox: Mailbox) -> None:
    attachment = await open_attachment(client, own_mailbox, {tags.PidTagAttachLongFilename: "a.txt"})
    assert await open_stream(client, attachment, tags.PidTagAttachLongFilename) == 10
    assert await read(client, 100) == "a.txt".encode("utf-16-le")


@pytest.mark.spec("MS-OXCPRPT_R25302")
async def test_a_folder_s_binary_is_streamed(client: Client, own_mailbox: Mailbox) -> None:
    inbox = await own_mailbox.special_folder("inbox")
    await client.value("OpenFolder", folder_id=ObjectId(1, inbox.folder_id), open_mode_flags=0)
    assert await open_stream(client, client.last, tags.PidTagEntryId) == 46
    assert (await read(client, 100))[4:20] == own_mailbox.guid.bytes_le


async def test_a_value_too_large_for_a_row_is_left_to_a_stream(client: Client, own_mailbox: Mailbox) -> None:
    attachment = await open_attachment(client, own_mailbox, {tags.PidTagAttachDataBinary: LARGE})
    cells = await client.properties(attachment, tags.PidTagAttachDataBinary)
    assert cells == [ErrorCode.NotEnoughMemory]
    assert await open_stream(client, attachment, tags.PidTagAttachDataBinary) == len(LARGE)


@pytest.mark.spec("MS-OXCPRPT_R552")
@pytest.mark.spec("MS-OXCPRPT_R555")
@pytest.mark.spec("MS-OXCPRPT_R556")
async def test_a_large_value_is_read_in_parts_and_never_whole(
    client: Client, own_mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    attachment = await open_attachment(client, own_mailbox, {tags.PidTagAttachDataBinary: LARGE})
    parts: list[int] = []
    read_blob = Mailbox.read_blob

    async def counted(self: Mailbox, digest: bytes, offset: int = 0, length: int | None = None) -> bytes:
        data = await read_blob(self, digest, offset, length)
        parts.append(len(data))
        return data

    monkeypatch.setattr(Mailbox, "read_blob", counted)
    await open_stream(client, attachment, tags.PidTagAttachDataBinary)
    assert parts == []
    data = b""
    while part := await read(client, 0x7000):
        assert len(part) <= 0x7000
        data += part
    assert data == LARGE
    assert max(parts) <= 1 << 18
    assert len(parts) <= 6


@pytest.mark.spec("MS-OXCPRPT_R55206")
async def test_no_more_is_read_than_was_asked_for(client: Client, own_mailbox: Mailbox) -> None:
    attachment = await open_attachment(client, own_mailbox, {tags.PidTagAttachDataBinary: LARGE})
    await open_stream(client, attachment, tags.PidTagAttachDataBinary)
    assert await read(client, 5) == LARGE[:5]
    assert await read(client, 0) == b""
    assert await read(client, 6) == LARGE[5:11]


@pytest.mark.spec("MS-OXCPRPT_R55205")
@pytest.mark.spec("MS-OXCPRPT_R285")
async def test_a_packed_answer_goes_on_up_to_the_maximum(client: Client, own_mailbox: Mailbox) -> None:
    attachment = await open_attachment(client, own_mailbox, {tags.PidTagAttachDataBinary: LARGE})
    await open_stream(client, attachment, tags.PidTagAttachDataBinary)
    asked = client.request("ReadStream", client.last, byte_count=MAXIMUM_BYTE_COUNT, maximum_byte_count=200_000)
    responses = await client.send(asked, flags=3 | CHAIN, max_rop_out=0x40000)
    assert len(client.payloads) == len(responses) > 6
    assert b"".join(response.value.data for response in responses) == LARGE[:200_000]
    assert await read(client, 8) == LARGE[200_000:200_008]


@pytest.mark.spec("MS-OXCROPS_R3215")
async def test_a_maximum_of_more_than_2_gib_is_refused(client: Client, own_mailbox: Mailbox) -> None:
    attachment = await open_attachment(client, own_mailbox, {tags.PidTagAttachDataBinary: b"x"})
    await open_stream(client, attachment, tags.PidTagAttachDataBinary)
    asked = {"byte_count": MAXIMUM_BYTE_COUNT, "maximum_byte_count": 0x80000001}
    assert await client.error("ReadStream", client.last, **asked) == ErrorCode.RpcFormat


@pytest.mark.spec("MS-OXCPRPT_R581")
async def test_the_seek_pointer_moves_from_each_origin(client: Client, own_mailbox: Mailbox) -> None:
    attachment = await open_attachment(client, own_mailbox, {tags.PidTagAttachDataBinary: LARGE})
    await open_stream(client, attachment, tags.PidTagAttachDataBinary)
    assert await seek(client, BEGINNING, 700_000) == 700_000
    assert await read(client, 10) == LARGE[700_000:700_010]
    assert await seek(client, CURRENT, -20) == 699_990
    assert await read(client, 10) == LARGE[699_990:700_000]
    assert await seek(client, END, -3) == len(LARGE) - 3
    assert await read(client, 10) == LARGE[-3:]
    assert await seek(client, CURRENT, 0) == len(LARGE)
    assert await seek(client, BEGINNING, 0) == 0
    assert await read(client, 4) == LARGE[:4]


@pytest.mark.spec("MS-OXCPRPT_R582")
@pytest.mark.spec("MS-OXCPRPT_R584")
@pytest.mark.spec("MS-OXCPRPT_R902")
@pytest.mark.parametrize(
    ("origin", "offset", "code"),
    [
        (BEGINNING, -1, 0x80030019),
        (CURRENT, -3, 0x80030019),
        (END, -5, 0x80030019),
        (END, 1, 0x80030019),
        (BEGINNING, (1 << 31) + 1, 0x80030019),
        (CURRENT, (1 << 63) - 1, 0x80030019),
        (3, 0, 0x80030057),
    ],
)
async def test_the_seek_pointer_stays_where_it_cannot_move(
    client: Client, own_mailbox: Mailbox, origin: int, offset: int, code: int
) -> None:
    attachment = await open_attachment(client, own_mailbox, {tags.PidTagAttachDataBinary: b"data"})
    await open_stream(client, attachment, tags.PidTagAttachDataBinary)
    await seek(client, BEGINNING, 2)
    assert await client.error("SeekStream", client.last, origin=origin, offset=offset) == code
    assert await read(client, 10) == b"ta"


@pytest.mark.spec("MS-OXCPRPT_R548")
async def test_what_cannot_be_streamed(client: Client, own_mailbox: Mailbox) -> None:
    message = await open_message(client, own_mailbox, Message({tags.PidTagBody: "text"}))
    for index, tag in (
        (LOGON, tags.PidTagMailboxOwnerEntryId),
        (message, tags.PidTagMessageFlags),
        (message, tags.PidTagBody & ~0xFFFF),
        (message, tags.PidTagBody | 0x1000),
    ):
        fields = {"property_tag": tag, "open_mode_flags": READ_ONLY}
        assert await client.error("OpenStream", index, **fields) == ErrorCode.NotSupported
    await open_stream(client, message, tags.PidTagBody)
    fields = {"property_tag": tags.PidTagBody, "open_mode_flags": READ_ONLY}
    assert await client.error("OpenStream", client.last, **fields) == ErrorCode.NotSupported


@pytest.mark.spec("MS-OXCPRPT_R549")
@pytest.mark.parametrize("tag", [tags.PidTagTransportMessageHeaders, tags.PidTagBody & ~0xFFFF | 0x102])
async def test_a_property_that_is_not_there_is_not_found(client: Client, own_mailbox: Mailbox, tag: int) -> None:
    message = await open_message(client, own_mailbox, Message({tags.PidTagBody: "text"}))
    fields = {"property_tag": tag, "open_mode_flags": READ_ONLY}
    assert await client.error("OpenStream", message, **fields) == ErrorCode.NotFound


@pytest.mark.parametrize(
    ("opened", "mode", "code"),
    [
        (READ_ONLY, READ_WRITE, ErrorCode.AccessDenied),
        (READ_ONLY, CREATE, ErrorCode.AccessDenied),
        (READ_ONLY, 0x04, ErrorCode.InvalidParameter),
    ],
)
async def test_what_is_read_only_is_not_opened_for_writing(
    client: Client, own_mailbox: Mailbox, opened: int, mode: int, code: int
) -> None:
    attachment = await open_attachment(client, own_mailbox, {tags.PidTagAttachDataBinary: b"data"}, opened)
    fields = {"property_tag": tags.PidTagAttachDataBinary, "open_mode_flags": mode}
    assert await client.error("OpenStream", attachment, **fields) == code


async def test_best_access_is_the_access_there_is(client: Client, own_mailbox: Mailbox) -> None:
    attachment = await open_attachment(client, own_mailbox, {tags.PidTagAttachDataBinary: b"data"})
    assert await open_stream(client, attachment, tags.PidTagAttachDataBinary, BEST_ACCESS) == 4


@pytest.mark.spec("MS-OXCPRPT_R886")
@pytest.mark.parametrize("name", ["ReadStream", "GetStreamSize", "SeekStream"])
async def test_what_is_no_stream_is_not_read(client: Client, name: str) -> None:
    fields: dict[str, dict[str, Any]] = {
        "ReadStream": {"byte_count": 10, "maximum_byte_count": None},
        "SeekStream": {"origin": 0, "offset": 0},
    }
    assert await client.error(name, LOGON, **fields.get(name, {})) == ErrorCode.NotSupported


async def test_a_lost_blob_is_an_error_and_never_an_empty_value(
    client: Client, own_mailbox: Mailbox, tmp_path: Path
) -> None:
    item = Message({tags.PidTagBody: "text" * 20_000})
    message = await open_message(client, own_mailbox, item)
    await open_stream(client, message, tags.PidTagBody)
    for path in (tmp_path / "data").rglob("*"):
        if path.is_file() and len(path.name) == 62:
            path.unlink()
    asked = {"byte_count": 10, "maximum_byte_count": None}
    assert await client.error("ReadStream", client.last, **asked) == ErrorCode.StorageReadFault
    fields = {"property_tag": BODY_8, "open_mode_flags": READ_ONLY}
    assert await client.error("OpenStream", message, **fields) == ErrorCode.StorageReadFault
