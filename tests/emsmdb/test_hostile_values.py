"""What clients may write but hardly ever do: the same property twice, bodies that are damaged, texts of zeros."""

import time

import pytest

from mapigw.emsmdb.message_objects import UNLOADED_FROM, Message
from mapigw.mailbox.content import BlobValue, decode_message
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store.spool import MEMORY_MAXIMUM
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.messages import cell, create, open_folder, save, set_values, special, stored
from tests.emsmdb.searches import CONTENT_INDEXED, RESTART, indexed, make, search, shown, subject

NUMBER, TEXT = 0x7C010003, 0x7C01001F


async def write(client: Client, stream: int, size: int, data: bytes) -> None:
    for start in range(0, size, len(data)):
        await client.value("WriteStream", stream, data=data[: size - start])


async def test_a_property_that_comes_under_two_types_at_once_has_the_last(client: Client) -> None:
    message = await create(client)
    assert await set_values(client, message, {NUMBER: 1, TEXT: "one"}) == []
    content = decode_message(await stored(client, await save(client, message)))
    assert {tag: value for tag, value in content.properties.items() if tag >> 16 == TEXT >> 16} == {TEXT: "one"}


async def test_a_property_of_the_store_that_comes_under_two_types_at_once_has_the_last(client: Client) -> None:
    assert await set_values(client, LOGON, {NUMBER: 1, TEXT: "one"}) == []
    assert await cell(client, LOGON, TEXT) == "one"
    listed = (await client.value("GetPropertiesList", LOGON)).property_tags
    assert [tag for tag in listed if tag >> 16 == TEXT >> 16] == [TEXT]


async def test_a_property_that_comes_as_unicode_and_as_string8_has_two_problems(client: Client) -> None:
    message = await create(client)
    wide = tags.PidTagMessageSize & ~0xFFFF | 0x1F
    value = await client.value("SetProperties", message, property_values=[(wide, "a"), (wide - 1, b"b")])
    found = [(problem.index, problem.property_tag, problem.error_code) for problem in value.property_problems]
    assert found == [(0, wide, ErrorCode.ComputedValue), (1, wide - 1, ErrorCode.ComputedValue)]


async def test_of_a_property_that_comes_as_unicode_and_as_string8_the_last_stays(client: Client) -> None:
    message = await create(client)
    values = [(tags.PidTagSubject, "wide"), (tags.PidTagImportance, 2), (tags.PidTagSubject - 1, b"narrow")]
    assert (await client.value("SetProperties", message, property_values=values)).property_problems == []
    assert await cell(client, message, tags.PidTagSubject) == "narrow"


async def test_a_text_that_ends_in_megabytes_of_zeros_is_committed_at_once(client: Client) -> None:
    message = await create(client)
    await client.value("OpenStream", message, property_tag=tags.PidTagBody, open_mode_flags=2)
    stream = client.last
    await client.value("WriteStream", stream, data="text".encode("utf-16-le"))
    await client.value("SetStreamSize", stream, stream_size=32 << 20)
    started = time.perf_counter()
    await client.value("CommitStream", stream)
    assert time.perf_counter() - started < 5  # byte for byte it took half a minute
    assert await cell(client, message, tags.PidTagBody) == "text"


@pytest.mark.parametrize("size", [MEMORY_MAXIMUM, MEMORY_MAXIMUM + 2, 100_000])
async def test_a_long_text_of_a_folder_is_written_by_a_stream(client: Client, size: int) -> None:
    folder = await open_folder(client, "inbox")
    await client.value("OpenStream", folder, property_tag=TEXT, open_mode_flags=2)
    stream = client.last
    await write(client, stream, size, "ab".encode("utf-16-le") * 2000)
    await client.value("CommitStream", stream)
    await client.value("OpenStream", folder, property_tag=TEXT, open_mode_flags=0)
    assert (await client.value("GetStreamSize", client.last)).stream_size == size


async def test_a_message_with_a_damaged_body_is_found_by_the_rest_of_its_text(
    client: Client, own_mailbox: Mailbox, no_defect: None
) -> None:
    values = {tags.PidTagSubject: "needle", tags.PidTagRtfCompressed: b"no RTF"}
    message_id = await save(client, await create(client, values))
    drafts = (await special(client, "drafts")).folder_id
    slot, _ = await make(client)
    await search(client, slot, subject("needle"), [drafts])
    assert await shown(client, slot) == [message_id]
    await indexed(own_mailbox)
    await search(client, slot, subject("needle"), [drafts], RESTART | CONTENT_INDEXED)
    assert await shown(client, slot) == [message_id]


async def test_many_large_values_of_a_message_that_is_not_saved_are_not_in_memory(client: Client) -> None:
    message = await create(client)
    await set_values(client, message, {tags.PidTagHtml: b"h" * 30_000})
    values = {0x7C000102 + (number << 16): bytes([number]) * 30_000 for number in range(80)}
    for tag, value in values.items():
        assert await set_values(client, message, {tag: value}) == []
    opened = client.session.resolve(client.handles[message])
    assert isinstance(opened, Message)
    in_memory = [value for value in opened.content.properties.values() if isinstance(value, bytes)]
    assert sum(map(len, in_memory)) < UNLOADED_FROM + 100_000
    assert await cell(client, message, 0x7C000102) == values[0x7C000102]
    content = decode_message(await stored(client, await save(client, message)))
    for tag, value in values.items():
        kept = content.properties[tag]
        assert isinstance(kept, BlobValue)
        assert await opened.logon.mailbox.read_blob(kept.digest) == value
    assert content.properties[tags.PidTagHtml] == b"h" * 30_000  # the body that downloads take along
