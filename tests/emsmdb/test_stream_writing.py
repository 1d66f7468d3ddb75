"""Streams that change a property, through the dispatcher."""

import os
from pathlib import Path
from typing import Any

import pytest

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store.spool import MEMORY_MAXIMUM
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import PropertyName
from mapigw.wire.property_sets import PSETID_Common
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.messages import (
    READ_ONLY,
    READ_WRITE,
    create,
    create_attachment,
    open_attachment,
    open_embedded,
    open_folder,
    open_message,
    release,
    save,
    save_attachment,
    set_values,
)

BEGINNING, CURRENT, END = 0x00, 0x01, 0x02
CREATE, BEST_ACCESS = 0x02, 0x03
BODY_8 = tags.PidTagBody & ~0xFFFF | 0x1E
DATA = tags.PidTagAttachDataBinary
BINARY, OBJECT = 0x7C020102, 0x7C11000D
LARGE = bytes(range(256)) * 1024  # 256 KiB
LIMIT = 1 << 31


async def open_stream(client: Client, index: int, tag: int, mode: int = CREATE) -> int:
    await client.value("OpenStream", index, property_tag=tag, open_mode_flags=mode)
    return client.last


async def write(client: Client, stream: int, data: bytes) -> None:
    for start in range(0, len(data), 30_000):
        part = data[start : start + 30_000]
        assert (await client.value("WriteStream", stream, data=part)).written_size == len(part)


async def read(client: Client, stream: int, count: int = 0x7000) -> bytes:
    fields: dict[str, Any] = {"byte_count": count, "maximum_byte_count": None}
    data: bytes = (await client.value("ReadStream", stream, **fields)).data
    return data


async def read_all(client: Client, stream: int) -> bytes:
    parts = []
    while part := await read(client, stream):
        parts.append(part)
    return b"".join(parts)


async def seek(client: Client, stream: int, offset: int, origin: int = BEGINNING) -> int:
    position: int = (await client.value("SeekStream", stream, origin=origin, offset=offset)).new_position
    return position


async def size(client: Client, stream: int) -> int:
    value: int = (await client.value("GetStreamSize", stream)).stream_size
    return value


async def resize(client: Client, stream: int, length: int) -> None:
    await client.value("SetStreamSize", stream, stream_size=length)


async def stored(client: Client, message_id: int, *columns: int) -> list[Any]:
    """What another handle sees."""
    return await client.properties(await open_message(client, message_id, READ_ONLY), *columns)


# Opening


@pytest.mark.spec("MS-OXCPRPT_R267", "MS-OXCPRPT_R885", "MS-OXCPRPT_R900", "MS-OXCPRPT_R901")
async def test_what_was_opened_for_reading_is_not_written(client: Client) -> None:
    message = await create(client)
    await set_values(client, message, {BINARY: b"abc"})
    stream = await open_stream(client, message, BINARY, READ_ONLY)
    for name in ("WriteStream", "WriteStreamExtended", "WriteAndCommitStream"):
        (response,) = await client.send(client.request(name, stream, data=b"x"))
        assert (response.return_value, response.value.written_size) == (0x80030005, 0)
    assert await client.error("SetStreamSize", stream, stream_size=1) == 0x80030005
    assert await read_all(client, stream) == b"abc"


@pytest.mark.spec("MS-OXCPRPT_R269", "MS-OXCPRPT_R885", "MS-OXCPRPT_R547", "MS-OXCPRPT_R560", "MS-OXCPRPT_R561")
@pytest.mark.parametrize("mode", [READ_WRITE, BEST_ACCESS])
async def test_a_value_is_read_and_written_in_one_stream(client: Client, mode: int) -> None:
    message = await create(client)
    await set_values(client, message, {BINARY: b"0123456789"})
    stream = await open_stream(client, message, BINARY, mode)
    assert await read(client, stream, 3) == b"012"
    await write(client, stream, b"abc")
    assert await read(client, stream) == b"6789"
    await write(client, stream, b"XY")
    await client.value("CommitStream", stream)
    assert await client.properties(message, BINARY) == [b"012abc6789XY"]


@pytest.mark.spec("MS-OXCPRPT_R271", "MS-OXCPRPT_R272", "MS-OXCPRPT_R885", "MS-OXCPRPT_R891")
async def test_only_create_makes_a_property_and_it_begins_empty(client: Client) -> None:
    message = await create(client)
    fields: dict[str, Any] = {"property_tag": BINARY, "open_mode_flags": READ_WRITE}
    assert await client.error("OpenStream", message, **fields) == ErrorCode.NotFound
    await set_values(client, message, {BINARY: b"old"})
    stream = await open_stream(client, message, BINARY, CREATE)
    assert await size(client, stream) == 0
    assert await client.properties(message, BINARY) == [b""]
    await write(client, stream, b"new")
    await release(client, stream)
    assert await client.properties(message, BINARY) == [b"new"]


@pytest.mark.spec("MS-OXCPRPT_R25507")
async def test_an_object_property_of_a_message(client: Client) -> None:
    message = await create(client)
    stream = await open_stream(client, message, OBJECT)
    await write(client, stream, b"\xd0\xcf\x11\xe0")
    await release(client, stream)
    message_id = await save(client, message)
    other = await open_stream(client, await open_message(client, message_id), OBJECT, READ_ONLY)
    assert await read_all(client, other) == b"\xd0\xcf\x11\xe0"


async def test_what_cannot_be_made(client: Client) -> None:
    message = await create(client)
    unnamed, marker, nothing = 0x9ABC0102, 0x400B001F, 0x00000102
    for tag in (unnamed, marker, nothing):
        fields: dict[str, Any] = {"property_tag": tag, "open_mode_flags": CREATE}
        assert await client.error("OpenStream", message, **fields) == ErrorCode.NotFound
    name = PropertyName(PSETID_Common, lid=0x8580)
    value = await client.value("GetPropertyIdsFromNames", flags=2, property_names=[name])
    tag = value.property_ids[0] << 16 | 0x0102
    await write(client, await open_stream(client, message, tag), b"named")
    assert await client.properties(message, tag) == [b"named"]


async def test_a_computed_property_is_not_written(client: Client) -> None:
    message = await create(client)
    stream = await open_stream(client, message, tags.PidTagDisplayTo)
    await write(client, stream, b"x\0")
    assert await client.error("CommitStream", stream) == ErrorCode.ComputedValue
    assert await client.properties(message, tags.PidTagDisplayTo) == [""]


async def test_the_message_of_an_attachment_is_no_stream(client: Client) -> None:
    message = await create(client)
    attachment, _ = await create_attachment(client, message)
    embedded = await open_embedded(client, attachment, CREATE)
    await save(client, embedded)
    for mode in (READ_ONLY, CREATE):
        fields: dict[str, Any] = {"property_tag": tags.PidTagAttachDataObject, "open_mode_flags": mode}
        assert await client.error("OpenStream", attachment, **fields) == ErrorCode.NotSupported


# What becomes of what is written


@pytest.mark.spec("MS-OXCPRPT_R56401", "MS-OXCPRPT_R56402", "MS-OXCPRPT_R56403", "MS-OXCPRPT_R305", "MS-OXCPRPT_R571")
@pytest.mark.parametrize("end", ["CommitStream", "Release", None])
async def test_a_message_s_value_is_its_handle_s_at_once_and_the_mailbox_s_after_the_save(
    client: Client, end: str | None
) -> None:
    message = await create(client)
    await set_values(client, message, {BINARY: b"before"})
    message_id = await save(client, message)
    stream = await open_stream(client, message, BINARY, READ_WRITE)
    await write(client, stream, b"after!")
    assert await client.properties(message, BINARY) == [b"after!"]
    if end == "CommitStream":
        await client.value(end, stream)
    elif end is not None:
        await release(client, stream)
    assert await client.properties(message, BINARY) == [b"after!"]
    assert await stored(client, message_id, BINARY) == [b"before"]
    await save(client, message)
    assert await stored(client, message_id, BINARY) == [b"after!"]


@pytest.mark.spec("MS-OXCPRPT_R56404")
async def test_an_attachment_s_value_needs_two_saves(client: Client) -> None:
    message = await create(client)
    attachment, _ = await create_attachment(client, message)
    await write(client, await open_stream(client, attachment, DATA), b"data")
    await save_attachment(client, attachment)
    message_id = await save(client, message)

    async def persisted() -> list[Any]:
        other = await open_attachment(client, await open_message(client, message_id, READ_ONLY), 0, READ_ONLY)
        return await client.properties(other, DATA)

    assert await persisted() == [b"data"]
    stream = await open_stream(client, attachment, DATA, READ_WRITE)
    await write(client, stream, b"DA")
    await release(client, stream)
    assert await client.properties(attachment, DATA) == [b"DAta"]
    await save(client, message)
    assert await persisted() == [b"data"]
    await save_attachment(client, attachment)
    assert await persisted() == [b"data"]
    await save(client, message)
    assert await persisted() == [b"DAta"]


@pytest.mark.spec("MS-OXCPRPT_R56405", "MS-OXCPRPT_R305")
@pytest.mark.parametrize("end", ["CommitStream", "Release"])
async def test_a_folder_s_value_is_the_mailbox_s_on_commit_or_release(client: Client, end: str) -> None:
    folder, other = await open_folder(client, "inbox"), await open_folder(client, "inbox")
    stream = await open_stream(client, folder, BINARY)
    await write(client, stream, b"value")
    assert await client.properties(other, BINARY) == [ErrorCode.NotFound]
    if end == "Release":
        await release(client, stream)
    else:
        await client.value(end, stream)
    assert await client.properties(other, BINARY) == [b"value"]


async def test_a_folder_s_value_has_a_limit(client: Client) -> None:
    folder = await open_folder(client, "inbox")
    stream = await open_stream(client, folder, BINARY)
    await write(client, stream, bytes(110_000))
    assert await client.error("WriteStream", stream, data=bytes(30_000)) == ErrorCode.TooBig
    await client.value("CommitStream", stream)
    other = await open_stream(client, await open_folder(client, "inbox"), BINARY, READ_ONLY)
    assert await read_all(client, other) == bytes(110_000)


# Sizes and positions


@pytest.mark.spec("MS-OXCPRPT_R322", "MS-OXCPRPT_R32801", "MS-OXCPRPT_R57705", "MS-OXCPRPT_R57706", "MS-OXCPRPT_R57707")
@pytest.mark.parametrize("length", [10, MEMORY_MAXIMUM + 1, 1_000_000])
async def test_a_stream_grows_by_zeros_and_is_cut_off(client: Client, length: int) -> None:
    message = await create(client)
    stream = await open_stream(client, message, BINARY)
    await write(client, stream, b"abc")
    await resize(client, stream, length)
    assert await size(client, stream) == length
    await seek(client, stream, 0)
    assert await read_all(client, stream) == b"abc" + bytes(length - 3)
    await resize(client, stream, 2)
    assert await size(client, stream) == 2
    await resize(client, stream, 4)
    await seek(client, stream, 0)
    assert await read_all(client, stream) == b"ab\0\0"
    await client.value("CommitStream", stream)
    assert await client.properties(message, BINARY) == [b"ab\0\0"]


@pytest.mark.spec("MS-OXCPRPT_R583", "MS-OXCPRPT_R582")
async def test_seeking_behind_the_end_fills_up_with_zeros(client: Client) -> None:
    message = await create(client)
    stream = await open_stream(client, message, BINARY)
    await write(client, stream, b"abc")
    assert await seek(client, stream, 2, END) == 5
    assert await size(client, stream) == 5
    await write(client, stream, b"f")
    await seek(client, stream, 0)
    assert await read_all(client, stream) == b"abc\0\0f"
    for origin, offset in ((BEGINNING, LIMIT + 1), (END, LIMIT), (CURRENT, (1 << 63) - 1), (BEGINNING, -1)):
        assert await client.error("SeekStream", stream, origin=origin, offset=offset) == 0x80030019
    assert await size(client, stream) == 6


@pytest.mark.spec("MS-OXCPRPT_R90102", "MS-OXCPRPT_R55707")
async def test_two_gib_are_the_limit(client: Client) -> None:
    message = await create(client)
    stream = await open_stream(client, message, BINARY)
    assert await seek(client, stream, LIMIT) == LIMIT
    assert await size(client, stream) == LIMIT
    for name in ("WriteStream", "WriteStreamExtended"):
        (response,) = await client.send(client.request(name, stream, data=b"x"))
        assert (response.return_value, response.value.written_size) == (0x80040305, 0)
    for wanted in (LIMIT + 1, 1 << 63, (1 << 64) - 1):
        assert await client.error("SetStreamSize", stream, stream_size=wanted) == 0x80040305
    await seek(client, stream, -2, CURRENT)
    await write(client, stream, b"xy")
    assert await client.error("WriteStream", stream, data=b"z") == 0x80040305
    assert await size(client, stream) == LIMIT
    await resize(client, stream, 0)


@pytest.mark.spec("MS-OXCPRPT_R900001")
async def test_the_extended_write_tells_a_wider_size(client: Client) -> None:
    message = await create(client)
    stream = await open_stream(client, message, BINARY)
    (response,) = await client.send(client.request("WriteStreamExtended", stream, data=b"abc"))
    assert response.value.written_size == 3
    slot = f"{stream:02X}"
    assert client.payloads[0][2:12] == bytes.fromhex(f"A3 {slot} 00000000 03000000")
    assert await client.properties(message, BINARY) == [b"abc"]


async def test_nothing_is_written(client: Client) -> None:
    message = await create(client)
    await set_values(client, message, {BINARY: b"abc"})
    stream = await open_stream(client, message, BINARY, READ_WRITE)
    await write(client, stream, b"")
    assert (await client.value("WriteStream", stream, data=b"")).written_size == 0
    assert await read_all(client, stream) == b"abc"


# Large values


def unfinished(folder: Path) -> list[str]:
    path = folder / "data" / "blobs" / "unfinished"
    return os.listdir(path) if path.exists() else []


async def test_a_large_value_comes_and_goes_through_a_file(
    client: Client, own_mailbox: Mailbox, tmp_path: Path
) -> None:
    message = await create(client)
    attachment, _ = await create_attachment(client, message)
    stream = await open_stream(client, attachment, DATA)
    await write(client, stream, LARGE)
    assert len(unfinished(tmp_path)) == 1
    await client.value("CommitStream", stream)
    assert unfinished(tmp_path) == []
    await write(client, stream, b"end")
    await seek(client, stream, 1)
    await write(client, stream, b"B")
    await seek(client, stream, 0)
    expected = b"\0B" + LARGE[2:] + b"end"
    assert await read_all(client, stream) == expected
    await save_attachment(client, attachment)
    message_id = await save(client, message)
    await release(client, stream)
    assert unfinished(tmp_path) == []
    other = await open_attachment(client, await open_message(client, message_id, READ_ONLY), 0, READ_ONLY)
    assert await client.properties(other, DATA) == [ErrorCode.NotEnoughMemory]
    assert await read_all(client, await open_stream(client, other, DATA, READ_ONLY)) == expected


async def test_what_was_not_saved_leaves_nothing_unfinished(client: Client, tmp_path: Path) -> None:
    message = await create(client)
    stream = await open_stream(client, message, BINARY)
    await write(client, stream, LARGE)
    await client.session.close()
    assert unfinished(tmp_path) == []


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


async def test_neither_writing_nor_reading_holds_the_value_in_memory(client: Client) -> None:
    """Speed: reading a 100 MB attachment by streams adds less than 10 MB to the process, and so does writing it."""
    message = await create(client)
    attachment, _ = await create_attachment(client, message)
    stream = await open_stream(client, attachment, DATA)
    part, count = os.urandom(30_000), 3400
    await write(client, stream, part)
    before, highest = resident(), 0
    for number in range(count):
        await write(client, stream, part)
        if number % 50 == 0:
            highest = max(highest, resident())
    await save_attachment(client, attachment)
    await release(client, stream)
    message_id = await save(client, message)
    highest = max(highest, resident())
    other = await open_attachment(client, await open_message(client, message_id, READ_ONLY), 0, READ_ONLY)
    stream = await open_stream(client, other, DATA, READ_ONLY)
    total = 0
    while data := await read(client, stream):
        total += len(data)
        if total % 50 == 0:
            highest = max(highest, resident())
    highest = max(highest, resident())
    assert total == 30_000 * (count + 1)
    assert highest - before < 10_000_000


# Text


@pytest.mark.parametrize("text", ["Grüße", "lang € " * 20_000])
@pytest.mark.parametrize("with_nul", [False, True])
async def test_text_is_written_as_unicode(client: Client, text: str, with_nul: bool) -> None:
    message = await create(client)
    stream = await open_stream(client, message, tags.PidTagBody)
    await write(client, stream, (text + "\0" * with_nul).encode("utf-16-le"))
    await client.value("CommitStream", stream)
    message_id = await save(client, message)
    other = await open_message(client, message_id)
    again = await open_stream(client, other, tags.PidTagBody, READ_ONLY)
    assert await read_all(client, again) == text.encode("utf-16-le")
    narrow = await open_stream(client, other, BODY_8, READ_ONLY)
    assert await read_all(client, narrow) == text.encode("cp1252")


@pytest.mark.parametrize("text", ["Привет", "Привет " * 30_000])
async def test_text_is_written_in_the_code_page_of_the_message(client: Client, text: str) -> None:
    message = await create(client, code_page=1251)
    stream = await open_stream(client, message, BODY_8)
    await write(client, stream, text.encode("cp1251"))
    await client.value("CommitStream", stream)
    await seek(client, stream, 0)
    assert await read_all(client, stream) == text.encode("cp1251")
    again = await open_stream(client, message, tags.PidTagBody, READ_ONLY)
    assert await read_all(client, again) == text.encode("utf-16-le")
    narrow = await open_stream(client, message, BODY_8, READ_WRITE)
    await seek(client, narrow, 0, END)
    await write(client, narrow, "!".encode("cp1251"))
    await release(client, narrow)
    message_id = await save(client, message)
    wide = await open_stream(client, await open_message(client, message_id), tags.PidTagBody, READ_ONLY)
    assert await read_all(client, wide) == (text + "!").encode("utf-16-le")


async def test_text_in_a_code_page_of_two_bytes(client: Client) -> None:
    text = "日本語テキスト" * 30_000
    message = await create(client, code_page=932)
    await write(client, await open_stream(client, message, BODY_8), text.encode("cp932"))
    message_id = await save(client, message)
    wide = await open_stream(client, await open_message(client, message_id), tags.PidTagBody, READ_ONLY)
    assert await read_all(client, wide) == text.encode("utf-16-le")


async def test_a_nul_inside_a_text_does_not_shift_a_row(client: Client) -> None:
    """Symptom: the cells behind it are garbage."""
    message = await create(client)
    stream = await open_stream(client, message, tags.PidTagInternetMessageId)
    await write(client, stream, "a\0b".encode("utf-16-le") + b"x")
    await release(client, stream)
    assert await client.properties(message, tags.PidTagInternetMessageId, tags.PidTagImportance) == ["a", 1]


# From stream to stream


@pytest.mark.spec("MS-OXCPRPT_R592", "MS-OXCPRPT_R591", "MS-OXCPRPT_R867091", "MS-OXCROPS_R8670901")
@pytest.mark.parametrize("count", [5, 100, (1 << 64) - 1])
async def test_bytes_are_copied_between_streams(client: Client, count: int) -> None:
    message = await create(client)
    await set_values(client, message, {BINARY: b"0123456789"})
    source = await open_stream(client, message, BINARY, READ_ONLY)
    target = await open_stream(client, message, OBJECT)
    await write(client, target, b"..")
    await seek(client, source, 3)
    value = await client.value("CopyToStream", source, dest_handle_index=target, byte_count=count)
    copied = b"0123456789"[3 : 3 + count]
    assert value.read_byte_count == value.written_byte_count == len(copied)
    assert await seek(client, source, 0, CURRENT) == 3 + len(copied)
    assert await seek(client, target, 0, CURRENT) == 2 + len(copied)
    await seek(client, target, 0)
    assert await read_all(client, target) == b".." + copied


async def test_a_large_value_is_copied_between_streams(client: Client) -> None:
    message = await create(client)
    source = await open_stream(client, message, BINARY)
    await write(client, source, LARGE * 3)
    await client.value("CommitStream", source)
    await seek(client, source, 1)
    target = await open_stream(client, message, OBJECT)
    value = await client.value("CopyToStream", source, dest_handle_index=target, byte_count=700_000)
    assert value.written_byte_count == 700_000
    await seek(client, target, 0)
    assert await read_all(client, target) == (LARGE * 3)[1:700_001]


async def test_a_stream_is_copied_into_itself(client: Client) -> None:
    message = await create(client)
    stream = await open_stream(client, message, BINARY)
    await write(client, stream, b"abc")
    await seek(client, stream, 0)
    await client.value("CopyToStream", stream, dest_handle_index=stream, byte_count=(1 << 64) - 1)
    assert await size(client, stream) <= 6


@pytest.mark.spec("MS-OXCPRPT_R593", "MS-OXCPRPT_R895", "MS-OXCPRPT_R351")
async def test_a_copy_into_nothing(client: Client) -> None:
    message = await create(client)
    await set_values(client, message, {BINARY: b"abc"})
    source = await open_stream(client, message, BINARY, READ_ONLY)
    gone = await open_stream(client, message, BINARY, READ_WRITE)
    await release(client, gone)
    for index in (gone, 99):
        (response,) = await client.send(client.request("CopyToStream", source, dest_handle_index=index, byte_count=3))
        assert response.return_value == 0x00000503
        assert response.value.dest_handle_index == index
    for index, code in ((message, ErrorCode.NotSupported), (source, ErrorCode.StorageAccessDenied)):
        (response,) = await client.send(client.request("CopyToStream", source, dest_handle_index=index, byte_count=3))
        assert response.return_value == code
        assert (response.value.read_byte_count, response.value.written_byte_count) == (0, 0)
    assert await read_all(client, source) == b"abc"


@pytest.mark.spec("MS-OXCROPS_R753001", "MS-OXCPRPT_R756", "MS-OXCPRPT_R757", "MS-OXCPRPT_R758", "MS-OXCPRPT_R759")
async def test_a_clone_shows_the_same_bytes_at_a_position_of_its_own(client: Client) -> None:
    message = await create(client)
    await set_values(client, message, {BINARY: b"0123456789"})
    stream = await open_stream(client, message, BINARY, READ_WRITE)
    await seek(client, stream, 4)
    await client.value("CloneStream", stream)
    clone = client.last
    assert await read(client, clone, 2) == b"45"
    assert await read(client, stream, 2) == b"45"
    await write(client, stream, b"XY")
    assert await read(client, clone) == b"XY89"
    await resize(client, clone, 7)
    assert await size(client, stream) == 7
    await release(client, stream)
    await write(client, clone, b"Z")
    await release(client, clone)
    assert await client.properties(message, BINARY) == [b"012345X\0\0\0Z"]


@pytest.mark.spec("MS-OXCROPS_R752001", "MS-OXCPRPT_R388", "MS-OXCPRPT_R633")
async def test_write_and_commit(client: Client) -> None:
    message = await create(client)
    stream = await open_stream(client, message, BINARY)
    assert (await client.value("WriteAndCommitStream", stream, data=b"abc")).written_size == 3
    assert await client.properties(message, BINARY) == [b"abc"]
    folder = await open_stream(client, await open_folder(client, "inbox"), BINARY)
    assert await client.error("WriteAndCommitStream", folder, data=b"abc") == ErrorCode.NotSupported


async def test_regions_are_not_locked(client: Client) -> None:
    """As Exchange 2010 and later."""
    message = await create(client)
    stream = await open_stream(client, message, BINARY)
    fields: dict[str, Any] = {"region_offset": 0, "region_size": 10, "lock_flags": 1}
    for name in ("LockRegionStream", "UnlockRegionStream"):
        assert await client.error(name, stream, **fields) == ErrorCode.NotImplemented


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("WriteStream", {"data": b"x"}),
        ("WriteStreamExtended", {"data": b"x"}),
        ("WriteAndCommitStream", {"data": b"x"}),
        ("CommitStream", {}),
        ("SetStreamSize", {"stream_size": 1}),
        ("CopyToStream", {"dest_handle_index": 0, "byte_count": 1}),
        ("CloneStream", {}),
    ],
)
async def test_what_is_no_stream_is_not_written(client: Client, name: str, fields: dict[str, Any]) -> None:
    assert await client.error(name, LOGON, **fields) == ErrorCode.NotSupported
    message = await create(client)
    stream = await open_stream(client, message, BINARY)
    await release(client, stream)
    assert await client.error(name, stream, **fields) == ErrorCode.InvalidObject
