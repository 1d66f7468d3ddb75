"""Synchronization contexts as a client drives them: configure, state, buffers."""

from collections.abc import Iterable
from typing import Any

import pytest

from mapigw.emsmdb import download as download_module
from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.store.blobs import MissingBlobError
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import (
    Marker,
    MetaTagCnsetRead,
    MetaTagCnsetSeen,
    MetaTagCnsetSeenFAI,
    MetaTagIdsetGiven,
)
from mapigw.wire.fasttransfer_stream import Lexeme, Property, StreamReader
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import PropertyRestriction
from tests.emsmdb.client import CHAIN, LOGON, Client

PARTIAL, DONE = 1, 3
BY_MAXIMUM = 0xBABE
OUTLOOK_MAXIMUM = 0x7BC0

CONTENTS: dict[str, Any] = {
    "synchronization_type": 1,
    "send_options": 0x1D,
    "synchronization_flags": 0xA139,
    "restriction_data": None,
    "synchronization_extra_flags": 0x0D,
    "property_tags": [],
}
HIERARCHY: dict[str, Any] = {
    **CONTENTS,
    "synchronization_type": 2,
    "send_options": 0x09,
    "synchronization_flags": 0x0101,
    "synchronization_extra_flags": 0x01,
}


async def configure(client: Client, folder_id: int, kind: dict[str, Any] = CONTENTS, **changes: Any) -> int:
    """The slot of a new synchronization context."""
    await client.value("OpenFolder", folder_id=ObjectId(1, folder_id), open_mode_flags=0)
    await client.value("SynchronizationConfigure", client.last, **{**kind, **changes})
    return client.last


async def upload(client: Client, index: int, state: Iterable[tuple[int, bytes]]) -> None:
    for tag, data in state:
        begin: dict[str, Any] = {"state_property": tag, "transfer_buffer_size": len(data)}
        await client.value("SynchronizationUploadStateStreamBegin", index, **begin)
        await client.value("SynchronizationUploadStateStreamContinue", index, stream_data=data)
        await client.value("SynchronizationUploadStateStreamEnd", index)


async def get_buffer(client: Client, index: int, size: int = BY_MAXIMUM, maximum: int | None = OUTLOOK_MAXIMUM) -> Any:
    fields: dict[str, Any] = {"buffer_size": size, "maximum_buffer_size": maximum if size == BY_MAXIMUM else None}
    return await client.value("FastTransferSourceGetBuffer", index, **fields)


async def download(client: Client, index: int, size: int = BY_MAXIMUM, maximum: int = OUTLOOK_MAXIMUM) -> list[Lexeme]:
    reader = StreamReader(large=1 << 30)
    found: list[Lexeme] = []
    while True:
        value = await get_buffer(client, index, size, maximum)
        found += reader.feed(value.transfer_buffer)
        if value.transfer_status == DONE:
            assert reader.complete
            return found
        assert value.transfer_status == PARTIAL
        assert value.transfer_buffer


def state_of(found: list[Lexeme]) -> list[tuple[int, bytes]]:
    inside = found[found.index(Marker.IncrSyncStateBegin) + 1 : found.index(Marker.IncrSyncStateEnd)]
    return [(item.tag, item.value) for item in inside if isinstance(item, Property)]


async def fill(mailbox: Mailbox, count: int, size: int = 10) -> None:
    items = [Message({tags.PidTagSubject: str(number), tags.PidTagHtml: b"x" * size}) for number in range(count)]
    await mailbox.append(5, [NewMessage(item) for item in items])


@pytest.mark.spec("MS-OXCFXICS_R2160")
@pytest.mark.spec("MS-OXCFXICS_R2180")
@pytest.mark.spec("MS-OXCFXICS_R2189")
@pytest.mark.spec("MS-OXCFXICS_R670")
async def test_contexts_that_are_not_configured(client: Client) -> None:
    await client.value("OpenFolder", folder_id=ObjectId(1, 5), open_mode_flags=0)
    folder = client.last
    for changes in (
        {"synchronization_type": 0},
        {"synchronization_type": 3},
        {"synchronization_type": 4},
        {"synchronization_flags": 0xB139},
        {"synchronization_flags": 0x0171},
        {"synchronization_flags": 0x0331},
    ):
        code = await client.error("SynchronizationConfigure", folder, **{**CONTENTS, **changes})
        assert code == ErrorCode.InvalidParameter
        assert client.handles[client.last] == 0xFFFFFFFF
    assert await client.error("SynchronizationConfigure", LOGON, **CONTENTS) == ErrorCode.NotSupported
    assert await client.error("SynchronizationConfigure", 200, **CONTENTS) == ErrorCode.NullObject
    for name in ("SynchronizationGetTransferState", "SynchronizationUploadStateStreamEnd"):
        assert await client.error(name, folder) == ErrorCode.NotSupported
    fields = {"buffer_size": BY_MAXIMUM, "maximum_buffer_size": 1000}
    assert await client.error("FastTransferSourceGetBuffer", folder, **fields) == ErrorCode.NotSupported


@pytest.mark.spec("MS-OXCFXICS_R2201")
@pytest.mark.spec("MS-OXCFXICS_R2730")
async def test_unknown_extra_flags_change_nothing(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 2)
    plain = await download(client, await configure(client, 5))
    changed = await download(client, await configure(client, 5, synchronization_extra_flags=0xFFFFFF1D))
    assert changed == plain
    assert len([item for item in plain if isinstance(item, Property) and item.tag == tags.PidTagMid]) == 2


@pytest.mark.spec("MS-OXCFXICS_R571")
@pytest.mark.spec("MS-OXCFXICS_R568")
@pytest.mark.spec("MS-OXCFXICS_R551")
async def test_step_counters_are_those_of_exchange(client: Client, own_mailbox: Mailbox) -> None:
    """1 of 1 for a download of one buffer, 0 of 1 for a transfer state; else the messages are counted."""
    await fill(own_mailbox, 3)
    for index in (await configure(client, 5), await configure(client, 4, HIERARCHY)):
        value = await get_buffer(client, index)
        assert (value.transfer_status, value.in_progress_count, value.total_step_count, value.reserved) == (
            DONE,
            1,
            1,
            0,
        )
        await client.value("SynchronizationGetTransferState", index)
        value = await get_buffer(client, client.last)
        assert (value.transfer_status, value.in_progress_count, value.total_step_count) == (DONE, 0, 1)
    await fill(own_mailbox, 300, 2000)
    index = await configure(client, 5)
    steps = []
    while True:
        value = await get_buffer(client, index)
        steps.append(value.in_progress_count)
        assert value.total_step_count == 303
        if value.transfer_status == DONE:
            break
    assert steps == sorted(steps)
    assert steps[-1] == 303
    assert steps[0] < 303


@pytest.mark.spec("MS-OXCFXICS_R2138")
@pytest.mark.spec("MS-OXCFXICS_R2142")
@pytest.mark.spec("MS-OXCFXICS_R536")
@pytest.mark.parametrize(("size", "maximum"), [(BY_MAXIMUM, 500), (BY_MAXIMUM, 0xFFFF), (600, 0), (0x7000, 0)])
async def test_buffers_are_as_large_as_asked_for_or_as_fit(
    client: Client, own_mailbox: Mailbox, size: int, maximum: int
) -> None:
    await fill(own_mailbox, 5, 20_000)
    whole = await download(client, await configure(client, 5))
    index = await configure(client, 5)
    reader = StreamReader(large=1 << 30)
    found: list[Lexeme] = []
    limit = min(maximum if size == BY_MAXIMUM else size, 0x8000)
    lengths = []
    status = PARTIAL
    while status == PARTIAL:
        value = await get_buffer(client, index, size, maximum)
        status = value.transfer_status
        lengths.append(len(value.transfer_buffer))
        found += reader.feed(value.transfer_buffer)
    assert found == whole
    assert max(lengths) <= limit
    assert min(lengths[:-1]) > limit - 260  # only where a value's head does not fit is there room left


async def test_a_buffer_in_which_nothing_fits(client: Client, own_mailbox: Mailbox) -> None:
    await fill(own_mailbox, 1)
    index = await configure(client, 5)
    for size in (0, 1):
        fields = {"buffer_size": size, "maximum_buffer_size": None}
        assert await client.error("FastTransferSourceGetBuffer", index, **fields) == ErrorCode.BufferTooSmall
    assert (await download(client, index))[-1] == Marker.IncrSyncEnd


async def test_packed_buffers_fill_what_the_client_takes(client: Client, own_mailbox: Mailbox) -> None:
    """Chained answers go on while 8 KiB of MaxRopOut are left."""
    await fill(own_mailbox, 20, 8000)
    index = await configure(client, 5)
    fields = {"buffer_size": BY_MAXIMUM, "maximum_buffer_size": OUTLOOK_MAXIMUM}
    sent = client.request("FastTransferSourceGetBuffer", index, **fields)
    responses = await client.send(sent, flags=3 | CHAIN, max_rop_out=0x18000)
    assert [item.return_value for item in responses] == [0] * len(responses)
    assert len(responses) == 3
    reader = StreamReader(large=1 << 30)
    for response in responses:
        reader.feed(response.value.transfer_buffer)


@pytest.mark.spec("MS-OXCFXICS_R2146")
@pytest.mark.spec("MS-OXCFXICS_R3489")
async def test_a_download_that_failed_fails_for_good(
    client: Client, own_mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Symptom: a stream with a hole in it."""
    monkeypatch.setattr(download_module, "BLOB_CHUNK", 50_000)
    await fill(own_mailbox, 1, 300_000)
    index = await configure(client, 5)
    await get_buffer(client, index)
    read = Mailbox.read_blob

    async def lost(self: Mailbox, digest: bytes, *rest: Any) -> bytes:
        raise MissingBlobError(digest)

    fields = {"buffer_size": BY_MAXIMUM, "maximum_buffer_size": OUTLOOK_MAXIMUM}
    monkeypatch.setattr(Mailbox, "read_blob", lost)
    sent = client.request("FastTransferSourceGetBuffer", index, **fields)
    codes = []
    for _ in range(3):
        (response,) = await client.send(sent)
        codes.append(response.return_value)
        assert response.value.transfer_status == 0
        assert response.value.transfer_buffer == b""
        monkeypatch.setattr(Mailbox, "read_blob", read)
    assert codes == [ErrorCode.CorruptData] * 3


@pytest.mark.spec("MS-OXCFXICS_R2162")
@pytest.mark.spec("MS-OXCFXICS_R2163")
async def test_text_without_unicode(client: Client, own_mailbox: Mailbox) -> None:
    await own_mailbox.append(5, [NewMessage(Message({tags.PidTagSubject: "Grüße"}))])
    restriction = PropertyRestriction(4, 0x0037001E, (0x0037001E, "grüße".encode("cp1252")))
    for flags, options, tag, subject in (
        (0x0030, 0x00, 0x0037001E, "Grüße".encode("cp1252")),
        (0x0031, 0x01, 0x0037001F, "Grüße"),
    ):
        index = await configure(
            client, 5, synchronization_flags=flags, send_options=options, restriction_data=restriction
        )
        found = await download(client, index)
        assert [item.value for item in found if isinstance(item, Property) and item.tag == tag] == [subject]


@pytest.mark.spec("MS-OXCFXICS_R2211")
@pytest.mark.spec("MS-OXCFXICS_R766")
async def test_an_empty_second_synchronization(client: Client, own_mailbox: Mailbox) -> None:
    """With the state of the first, and with the one of RopSynchronizationGetTransferState, which is the same."""
    await fill(own_mailbox, 3)
    first = await configure(client, 5)
    state = state_of(await download(client, first))
    assert [tag for tag, _ in state] == [MetaTagCnsetSeen, MetaTagCnsetSeenFAI, MetaTagIdsetGiven, MetaTagCnsetRead]
    await client.value("SynchronizationGetTransferState", first)
    transferred = await download(client, client.last)
    assert state_of(transferred) == state
    second = await configure(client, 5)
    await upload(client, second, state)
    found = await download(client, second)
    assert Marker.IncrSyncChg not in found
    assert Marker.IncrSyncDel not in found
    assert state_of(found) == state


async def test_empty_states_are_empty_sets(client: Client, own_mailbox: Mailbox) -> None:
    """Outlook uploads all four with nothing in them; IdsetGiven as 0x40170003."""
    await fill(own_mailbox, 1)
    index = await configure(client, 5)
    await upload(client, index, [(0x40170003, b""), (0x67960102, b""), (0x67DA0102, b""), (0x67D20102, b"")])
    assert Marker.IncrSyncChg in await download(client, index)


async def test_a_malformed_state_ends_the_context_and_no_other(client: Client) -> None:
    index, other = await configure(client, 5), await configure(client, 5)
    begin: dict[str, Any] = {"state_property": MetaTagCnsetSeen, "transfer_buffer_size": 3}
    await client.value("SynchronizationUploadStateStreamBegin", index, **begin)
    await client.value("SynchronizationUploadStateStreamContinue", index, stream_data=b"\1\2\3")
    assert await client.error("SynchronizationUploadStateStreamEnd", index) == ErrorCode.RpcFormat
    fields = {"buffer_size": BY_MAXIMUM, "maximum_buffer_size": 1000}
    assert await client.error("FastTransferSourceGetBuffer", index, **fields) == ErrorCode.RpcFormat
    await download(client, other)
