"""The dispatcher with small handlers of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.emsmdb import session as session_module
from mapigw.emsmdb.dispatch import ExecuteError, ExecuteRecord, execute
from mapigw.emsmdb.errors import RopError
from mapigw.emsmdb.objects import Logon, ServerObject
from mapigw.emsmdb.registry import HANDLERS, Call, Handler, handles
from mapigw.emsmdb.session import RELEASED_HANDLE, UNASSIGNED_HANDLE, Session
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.permissions import Accessor
from mapigw.wire.codes import ErrorCode
from mapigw.wire.errors import WireError
from mapigw.wire.mapihttp import EXECUTE_REQUEST
from mapigw.wire.primitives import ObjectId
from mapigw.wire.rop_buffer import RopRequest, RopResponse, build_requests, parse_responses, request
from mapigw.wire.rops.logon import ReplicaServers
from mapigw.wire.rpc_header import join_payloads, split_payloads
from tests.emsmdb.client import FakeDirectory
from tests.emsmdb.notices import put

CAPTURES = Path(__file__).parents[2] / "fixtures" / "captures" / "exchange-se"
USER = User(1, 1, UUID(int=1), "tom@bm.lan", "Tom", "/o=bm/cn=tom", "bm.lan", (), enabled=True, admin=False)
OWNER = Accessor(frozenset({USER.legacy_dn}), is_owner=True)
CHAIN = 4
FULL = 8 + 0x8000 - 3
"""Bytes of the extended buffer that a ROP without limits of its own fills: room for RopPending stays."""


class Thing(ServerObject):
    """An object that notes its end."""

    closed = 0

    async def close(self) -> None:
        self.closed += 1


class Other(Thing):
    pass


class Stream(Thing):
    def __init__(self, logon: Logon, data: bytes) -> None:
        super().__init__(logon)
        self.data = data
        self.position = 0


@pytest.fixture
def session() -> Session:
    return Session(USER, cast("Directory", FakeDirectory(USER)), cast("Mailboxes", None))


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Handler], None]:
    for name in list(HANDLERS):
        monkeypatch.delitem(HANDLERS, name)

    def register(name: str, handler: Handler) -> None:
        monkeypatch.setitem(HANDLERS, name, handler)

    return register


@pytest.fixture
def logon(session: Session) -> Logon:
    """A logon with LogonId 0, whose handle is 1."""
    logon = Logon(session, 0, cast("Mailbox", None), USER, OWNER)
    assert session.open(logon) == 1
    return logon


class Answer:
    def __init__(self, data: bytes, record: ExecuteRecord, sent: list[RopRequest]) -> None:
        self.data = data
        self.record = record
        self.payloads = split_payloads(data)
        self.frames = [parse_responses(payload, sent) for payload in self.payloads]

    @property
    def responses(self) -> list[RopResponse]:
        return self.frames[0].responses

    @property
    def handles(self) -> list[int]:
        return self.frames[0].handles

    @property
    def results(self) -> list[tuple[str, int]]:
        return [(response.rop.name, response.return_value) for response in self.responses]


async def run(
    session: Session, requests: list[RopRequest], handles: list[int], *, flags: int = 3, max_rop_out: int = 0x8007
) -> Answer:
    record = ExecuteRecord(USER.address, 0)
    data = join_payloads([build_requests(requests, handles)])
    answer = await execute(session, data, flags, max_rop_out, record)
    assert len(answer) <= max_rop_out
    return Answer(answer, record, requests)


def release(index: int) -> RopRequest:
    return request("Release", index)


def open_folder(index: int, output: int) -> RopRequest:
    return request("OpenFolder", index, output_handle_index=output, folder_id=ObjectId(1, 5), open_mode_flags=0)


def read_stream(index: int, count: int, maximum: int | None = None) -> RopRequest:
    return request("ReadStream", index, byte_count=count, maximum_byte_count=maximum)


async def opens_thing(call: Call, fields: Any) -> Mapping[str, Any]:
    parent = call.object(ServerObject)
    call.open(fields, Thing(parent.logon))
    return {"has_rules": False, "is_ghosted": False, "servers": None}


async def reads(call: Call, fields: Any) -> Mapping[str, Any]:
    """As much as is wanted and fits: header 6, DataSize 2."""
    stream = call.object(Stream)
    wanted = fields.maximum_byte_count if fields.byte_count == 0xBABE else fields.byte_count
    data = stream.data[stream.position : stream.position + min(wanted, call.space - 8)]
    stream.position += len(data)
    return {"data": data}


# Handles


@pytest.mark.spec("MS-OXCROPS_R4548")
@pytest.mark.spec("MS-OXCROPS_R4558")
@pytest.mark.spec("MS-OXCROPS_R4559")
async def test_a_new_handle_is_used_by_the_next_rops(session: Session, logon: Logon, on: Any) -> None:
    on("OpenFolder", opens_thing)
    answer = await run(session, [open_folder(0, 1), open_folder(1, 2)], [1, UNASSIGNED_HANDLE, 0xDEADBEEF])
    assert [(item.handle_index, item.return_value) for item in answer.responses] == [(1, 0), (2, 0)]
    assert answer.handles == [1, 2, 3]
    assert isinstance(session.resolve(3), Thing)


async def test_an_output_index_behind_the_table_makes_it_longer(session: Session, logon: Logon, on: Any) -> None:
    on("OpenFolder", opens_thing)
    answer = await run(session, [open_folder(0, 3)], [1])
    assert answer.handles == [1, UNASSIGNED_HANDLE, UNASSIGNED_HANDLE, 2]


@pytest.mark.spec("MS-OXCROPS_R457301")
@pytest.mark.spec("MS-OXCROPS_R457302")
@pytest.mark.spec("MS-OXCROPS_R4712")
async def test_handles_that_are_not_open(session: Session, logon: Logon, on: Any) -> None:
    on("OpenFolder", opens_thing)
    await session.release(session.open(Thing(logon)))
    requests = [open_folder(index, 9) for index in (0, 1, 2, 3, 4, 200)]
    answer = await run(session, requests, [2, RELEASED_HANDLE, UNASSIGNED_HANDLE, 0, 77])
    assert [item.return_value for item in answer.responses] == [
        ErrorCode.InvalidObject,
        ErrorCode.InvalidObject,
        ErrorCode.NullObject,
        ErrorCode.NullObject,
        ErrorCode.NullObject,
        ErrorCode.NullObject,
    ]


@pytest.mark.spec("MS-OXCROPS_R457303")
async def test_a_handle_of_another_logon(session: Session, logon: Logon, on: Any) -> None:
    on("OpenFolder", opens_thing)
    session.open(Logon(session, 1, cast("Mailbox", None), USER, OWNER))
    sent = [request("OpenFolder", 0, 1, output_handle_index=1, folder_id=ObjectId(1, 5), open_mode_flags=0)]
    answer = await run(session, sent, [1, UNASSIGNED_HANDLE])
    assert answer.results == [("OpenFolder", ErrorCode.AccessDenied)]


async def test_an_object_of_another_kind_is_not_supported(session: Session, logon: Logon, on: Any) -> None:
    on("ReadStream", reads)
    handle = session.open(Other(logon))
    answer = await run(session, [read_stream(0, 10)], [handle])
    assert answer.results == [("ReadStream", ErrorCode.NotSupported)]
    assert answer.responses[0].value.data == b""


async def test_a_failed_open_leaves_nothing_for_its_successors(session: Session, logon: Logon, on: Any) -> None:
    opened: list[Thing] = []

    async def fails(call: Call, fields: Any) -> Mapping[str, Any]:
        opened.append(Thing(call.logon))
        call.open(fields, opened[0])
        raise RopError(ErrorCode.NotFound)

    on("OpenFolder", fails)
    on("ReadStream", reads)
    older = session.open(Stream(logon, b"not this one"))
    answer = await run(session, [open_folder(0, 1), read_stream(1, 5)], [1, older])
    assert answer.results == [("OpenFolder", ErrorCode.NotFound), ("ReadStream", ErrorCode.NullObject)]
    assert answer.handles == [1, UNASSIGNED_HANDLE]
    assert opened[0].closed == 1
    assert isinstance(session.resolve(older), Stream)


async def test_the_number_of_open_objects_is_limited(
    session: Session, logon: Logon, on: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "MAXIMUM_HANDLES", 3)
    on("OpenFolder", opens_thing)
    answer = await run(session, [open_folder(0, 1), open_folder(0, 2), open_folder(0, 3), release(1)], [1])
    assert [code for _, code in answer.results] == [0, 0, ErrorCode.TooManyOpenObjects]
    answer = await run(session, [open_folder(0, 1)], [1])
    assert [code for _, code in answer.results] == [0]


def test_no_handle_looks_like_a_released_or_unassigned_one(session: Session, logon: Logon) -> None:
    session._next_handle = RELEASED_HANDLE - 1
    assert session.open(Thing(logon)) == RELEASED_HANDLE - 1
    assert session.open(Thing(logon)) == RELEASED_HANDLE + 1


# Release


@pytest.mark.spec("MS-OXCROPS_R4572")
@pytest.mark.spec("MS-OXCROPS_R4568")
async def test_release_has_no_response_and_marks_its_slot(session: Session, logon: Logon) -> None:
    thing = Thing(logon)
    handle = session.open(thing)
    answer = await run(session, [release(1)], [1, handle])
    assert answer.payloads == [bytes.fromhex("0200 01000000 feffff01")]
    assert thing.closed == 1
    assert answer.record.rops == [("Release", 0)]


@pytest.mark.spec("MS-OXCROPS_R4573")
async def test_errors_of_release_are_ignored(session: Session, logon: Logon) -> None:
    class Stubborn(Thing):
        async def close(self) -> None:
            raise RuntimeError("no")

    handle = session.open(Stubborn(logon))
    answer = await run(session, [release(0), release(1), release(1), release(9)], [77, handle])
    assert answer.responses == []
    assert answer.handles == [RELEASED_HANDLE, RELEASED_HANDLE]


async def test_a_released_handle_is_invalid_in_the_same_buffer(session: Session, logon: Logon, on: Any) -> None:
    on("OpenFolder", opens_thing)
    handle = session.open(Thing(logon))
    answer = await run(session, [release(0), open_folder(0, 1)], [handle])
    assert answer.results == [("OpenFolder", ErrorCode.InvalidObject)]


@pytest.mark.spec("MS-OXCROPS_R4570")
async def test_releasing_a_logon_releases_what_is_under_it(session: Session, logon: Logon, on: Any) -> None:
    on("OpenFolder", opens_thing)
    other = Logon(session, 1, cast("Mailbox", None), USER, OWNER)
    things = [Thing(logon), Thing(other)]
    handles = [session.open(item) for item in (other, *things)]
    await run(session, [release(0)], [1])
    assert [thing.closed for thing in things] == [1, 0]
    assert list(session.logons) == [1]
    answer = await run(session, [open_folder(0, 1)], [handles[1]])
    assert answer.results == [("OpenFolder", ErrorCode.InvalidObject)]


async def test_closing_a_session_releases_everything_once(session: Session, logon: Logon) -> None:
    class Stubborn(Thing):
        async def close(self) -> None:
            raise RuntimeError("no")

    thing = Thing(logon)
    session.open(thing)
    session.open(Stubborn(logon))
    await session.close()
    await session.close()
    assert thing.closed == 1
    assert session.logons == {}


# Failures


async def test_a_rop_without_a_handler_is_not_implemented(session: Session, logon: Logon, on: Any) -> None:
    on("OpenFolder", opens_thing)
    answer = await run(session, [request("GetStoreState", 0), open_folder(0, 1)], [1])
    assert answer.results == [("GetStoreState", ErrorCode.NotImplemented), ("OpenFolder", 0)]


async def test_a_defect_of_a_handler_fails_its_rop_only(
    session: Session, logon: Logon, on: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def defect(call: Call, fields: Any) -> Mapping[str, Any]:
        raise KeyError("detail")

    async def incomplete(call: Call, fields: Any) -> Mapping[str, Any]:
        return {}

    on("ReadStream", defect)
    on("GetStreamSize", incomplete)
    on("OpenFolder", opens_thing)
    answer = await run(session, [read_stream(0, 4), request("GetStreamSize", 0), open_folder(0, 1)], [1])
    assert [code for _, code in answer.results] == [ErrorCode.GeneralFailure, ErrorCode.GeneralFailure, 0]
    assert [bool(record.exc_info) for record in caplog.records] == [True, True]


async def test_an_unknown_logon(session: Session, on: Any) -> None:
    async def needs_logon(call: Call, fields: Any) -> Mapping[str, Any]:
        assert call.logon
        return {}

    on("GetStoreState", needs_logon)
    answer = await run(session, [request("GetStoreState", 0, 7)], [1])
    assert answer.results == [("GetStoreState", ErrorCode.NullObject)]


def test_a_rop_has_one_handler(on: Any) -> None:
    async def handler(call: Call, fields: Any) -> Mapping[str, Any]:
        return {}

    on("GetStoreState", handler)
    with pytest.raises(ValueError, match="GetStoreState"):
        handles("GetStoreState")(handler)


@pytest.mark.spec("MS-OXCROPS_R4551")
async def test_nothing_of_a_malformed_buffer_is_executed(session: Session, logon: Logon, on: Any) -> None:
    calls = []

    async def counts(call: Call, fields: Any) -> Mapping[str, Any]:
        calls.append(call)
        return {"store_state": 0}

    on("GetStoreState", counts)
    payload = build_requests([request("GetStoreState", 0)], [1])
    broken = (int.from_bytes(payload[:2], "little") + 1).to_bytes(2, "little") + payload[2:5] + b"\xfe" + payload[5:]
    for data in (b"", b"\0" * 8, join_payloads([broken]), join_payloads([b"\x01\x00"]), join_payloads([b"\xff\xff"])):
        with pytest.raises(WireError):
            await execute(session, data, 3, 0x8007, ExecuteRecord(USER.address, 0))
    with pytest.raises(ExecuteError) as caught:
        await execute(session, join_payloads([payload, payload]), 3, 0x8007, ExecuteRecord(USER.address, 0))
    assert caught.value.code == ErrorCode.RpcFormat
    assert calls == []


@pytest.mark.parametrize("name", ["hierarchy", "contents"])
async def test_buffers_of_a_client_of_exchange(session: Session, on: Any, name: str) -> None:
    """Without handlers every ROP of the capture gets its error, in its place, with the handles echoed."""
    sent = EXECUTE_REQUEST.parse((CAPTURES / name / "03-execute.request.bin").read_bytes())
    record = ExecuteRecord(USER.address, 0)
    answer = Answer(await execute(session, sent.rop_buffer, sent.flags, sent.max_rop_out, record), record, [])
    assert [code for _, code in answer.results] == [ErrorCode.NotImplemented] * len(answer.results)
    assert answer.results[0][0] == "OpenFolder"
    assert len(answer.handles) == 3


@given(data=st.binary(max_size=60), table=st.lists(st.integers(0, 0xFFFFFFFF), max_size=3))
def test_random_rops_never_do_more_than_fail(data: bytes, table: list[int]) -> None:
    async def attempt() -> None:
        session = Session(USER, cast("Directory", FakeDirectory(USER)), cast("Mailboxes", None))
        payload = (2 + len(data)).to_bytes(2, "little") + data + b"".join(item.to_bytes(4, "little") for item in table)
        try:
            answer = await execute(session, join_payloads([payload]), 7, 0x8007, ExecuteRecord(USER.address, 0))
        except WireError:
            return
        split_payloads(answer)

    asyncio.run(attempt())


# Sizes


async def test_a_handler_is_told_its_space(session: Session, logon: Logon, on: Any) -> None:
    spaces = []

    async def notes(call: Call, fields: Any) -> Mapping[str, Any]:
        spaces.append(call.space)
        return {"store_state": 0}

    on("GetStoreState", notes)
    sent = [request("GetStoreState", 0), request("GetStoreState", 0)]
    await run(session, sent, [1, 2], max_rop_out=0x8007)
    # 32,767 without RopSize and two handles; behind the first must fit RopBufferTooSmall with the second's three bytes
    assert spaces == [32_767 - 2 - 8 - 6, 32_767 - 2 - 8 - 10 - 3]


@pytest.mark.spec("MS-OXCROPS_R4445")
@pytest.mark.spec("MS-OXCROPS_R4447")
@pytest.mark.spec("MS-OXCROPS_R4655")
async def test_what_does_not_fit_is_handed_back(session: Session, logon: Logon, on: Any) -> None:
    executed = []

    async def large(call: Call, fields: Any) -> Mapping[str, Any]:
        executed.append(fields.byte_count)
        return {"data": bytes(fields.byte_count)}

    on("ReadStream", large)
    sent = [read_stream(0, 20_000), read_stream(0, 15_000), read_stream(0, 1)]
    answer = await run(session, sent, [1])
    assert [name for name, _ in answer.results] == ["ReadStream", "BufferTooSmall"]
    too_small = answer.responses[1].value
    rest = build_requests(sent[1:], [])[2:]
    assert too_small.request_buffers == rest
    assert too_small.size_needed == 0x8000
    assert answer.handles == [1]
    assert executed == [20_000, 15_000]
    assert [name for name, _ in answer.record.rops] == ["ReadStream", "ReadStream", "BufferTooSmall"]


async def test_size_needed_is_the_size_of_the_whole_buffer(session: Session, logon: Logon, on: Any) -> None:
    async def large(call: Call, fields: Any) -> Mapping[str, Any]:
        return {"data": bytes(fields.byte_count)}

    on("ReadStream", large)
    answer = await run(session, [read_stream(0, 1000)], [1], max_rop_out=500)
    assert answer.responses[0].value.size_needed == 2 + 1008 + 4
    answer = await run(session, [read_stream(0, 1000)], [1], max_rop_out=8 + 2 + 1008 + 4 + 3)
    assert answer.results == [("ReadStream", 0)]


async def test_a_rop_is_not_begun_where_its_answer_can_hardly_fit(session: Session, logon: Logon, on: Any) -> None:
    executed = []

    async def saves(call: Call, fields: Any) -> Mapping[str, Any]:
        executed.append(call)
        return {"store_state": 0}

    async def fills(call: Call, fields: Any) -> Mapping[str, Any]:
        return {"data": bytes(call.space - 8)}

    on("ReadStream", fills)
    on("GetStoreState", saves)
    sent = [read_stream(0, 0xFFFF), request("GetStoreState", 0)]
    answer = await run(session, sent, [1])
    assert [name for name, _ in answer.results] == ["ReadStream", "BufferTooSmall"]
    assert answer.responses[1].value.request_buffers == build_requests(sent[1:], [])[2:]
    assert executed == []


async def test_what_was_opened_by_a_rop_that_did_not_fit_is_released(session: Session, logon: Logon, on: Any) -> None:
    opened: list[Thing] = []

    async def large(call: Call, fields: Any) -> Mapping[str, Any]:
        opened.append(Thing(call.logon))
        call.open(fields, opened[-1])
        return {"has_rules": False, "is_ghosted": True, "servers": ReplicaServers(1, [bytes(range(1, 40))])}

    on("OpenFolder", large)
    answer = await run(session, [open_folder(0, 1)], [1, 55], max_rop_out=8 + 2 + 8 + 3 + 15)
    assert [name for name, _ in answer.results] == ["BufferTooSmall"]
    assert opened[0].closed == 1
    assert answer.handles == [1, UNASSIGNED_HANDLE]


async def test_an_answer_that_can_never_fit_is_an_error(session: Session, logon: Logon, on: Any) -> None:
    """Else the client would send the same buffer for ever."""

    async def huge(call: Call, fields: Any) -> Mapping[str, Any]:
        return {"data": bytes(0x9000)}

    on("ReadStream", huge)
    for max_rop_out in (0x8007, 0x10000):
        answer = await run(session, [read_stream(0, 1)], [1], max_rop_out=max_rop_out)
        assert answer.results == [("ReadStream", ErrorCode.NotEnoughMemory)]
        assert answer.record.rops == [("ReadStream", ErrorCode.NotEnoughMemory)]


@pytest.mark.parametrize("max_rop_out", [0, 8, 13, 14, 16])
async def test_no_room_for_any_answer(session: Session, logon: Logon, on: Any, max_rop_out: int) -> None:
    on("OpenFolder", opens_thing)
    with pytest.raises(ExecuteError) as caught:
        await run(session, [open_folder(0, 1)], [1], max_rop_out=max_rop_out)
    assert caught.value.code == ErrorCode.BufferTooSmall


# Packing


@pytest.mark.spec("MS-OXCRPC_R962")
@pytest.mark.spec("MS-OXCRPC_R963")
@pytest.mark.spec("MS-OXCRPC_R965")
@pytest.mark.spec("MS-OXCRPC_R779")
@pytest.mark.spec("MS-OXCRPC_R1280")
async def test_read_stream_is_packed(session: Session, logon: Logon, on: Any) -> None:
    on("ReadStream", reads)
    data = bytes(range(256)) * 400
    handle = session.open(Stream(logon, data))
    answer = await run(session, [read_stream(0, 0xBABE, 90_000)], [handle], flags=CHAIN, max_rop_out=0x40000)
    assert len(answer.frames) == 3
    assert all(len(payload) <= 0x8000 for payload in answer.payloads)
    assert [frame.handles for frame in answer.frames] == [[handle]] * 3
    assert b"".join(frame.responses[0].value.data for frame in answer.frames) == data[:90_000]
    assert [name for name, _ in answer.record.rops] == ["ReadStream"] * 3


@pytest.mark.parametrize(("flags", "frames"), [(3, 1), (CHAIN, 2)])
async def test_only_with_the_chain_flag(session: Session, logon: Logon, on: Any, flags: int, frames: int) -> None:
    on("ReadStream", reads)
    handle = session.open(Stream(logon, bytes(50_000)))
    answer = await run(session, [read_stream(0, 0xBABE, 50_000)], [handle], flags=flags, max_rop_out=0x40000)
    assert len(answer.frames) == frames


@pytest.mark.spec("MS-OXCRPC_R968")
async def test_packing_stops_when_less_than_8_kb_are_left(session: Session, logon: Logon, on: Any) -> None:
    on("ReadStream", reads)
    for room, frames in ((FULL + 0x1FFF, 1), (FULL + 0x2000, 2)):
        handle = session.open(Stream(logon, bytes(100_000)))
        answer = await run(session, [read_stream(0, 0xBABE, 100_000)], [handle], flags=CHAIN, max_rop_out=room)
        assert len(answer.frames) == frames


async def test_packing_is_for_the_last_rop_of_the_buffer(session: Session, logon: Logon, on: Any) -> None:
    on("ReadStream", reads)
    handle = session.open(Stream(logon, bytes(100_000)))
    sent = [read_stream(0, 0xBABE, 100_000), release(0)]
    answer = await run(session, sent, [handle], flags=CHAIN, max_rop_out=0x40000)
    assert len(answer.frames) == 1


@pytest.mark.spec("MS-OXCRPC_R1281")
async def test_get_buffer_is_packed_until_it_is_done(session: Session, logon: Logon, on: Any) -> None:
    chunks = [b"a" * 30_000, b"b" * 30_000, b"c" * 10]

    async def gives(call: Call, fields: Any) -> Mapping[str, Any]:
        assert (fields.buffer_size, fields.maximum_buffer_size) == (0xBABE, 0x7BC0)
        chunk = chunks.pop(0)
        return {
            "transfer_status": 1 if chunks else 3,
            "in_progress_count": 0,
            "total_step_count": 1,
            "reserved": 0,
            "transfer_buffer": chunk,
        }

    on("FastTransferSourceGetBuffer", gives)
    sent = [request("FastTransferSourceGetBuffer", 0, buffer_size=0xBABE, maximum_buffer_size=0x7BC0)]
    answer = await run(session, sent, [1], flags=CHAIN, max_rop_out=0x40000)
    assert [frame.responses[0].value.transfer_status for frame in answer.frames] == [1, 1, 3]


async def test_an_error_ends_packing(session: Session, logon: Logon, on: Any) -> None:
    async def fails_later(call: Call, fields: Any) -> Mapping[str, Any]:
        stream = call.object(Stream)
        if stream.position:
            raise RopError(ErrorCode.StorageReadFault)
        return await reads(call, fields)

    on("ReadStream", fails_later)
    handle = session.open(Stream(logon, bytes(100_000)))
    answer = await run(session, [read_stream(0, 0xBABE, 100_000)], [handle], flags=CHAIN, max_rop_out=0x40000)
    assert [frame.responses[0].return_value for frame in answer.frames] == [0, ErrorCode.StorageReadFault]


async def test_a_repeat_that_overflows_is_an_error_not_a_gap(session: Session, logon: Logon, on: Any) -> None:
    async def greedy(call: Call, fields: Any) -> Mapping[str, Any]:
        return {"data": bytes(30_000)}

    on("ReadStream", greedy)
    answer = await run(session, [read_stream(0, 0xBABE, 100_000)], [1], flags=CHAIN, max_rop_out=50_000)
    assert [frame.responses[0].return_value for frame in answer.frames] == [0, ErrorCode.GeneralFailure]


@pytest.mark.spec("MS-OXCRPC_R973")
@pytest.mark.spec("MS-OXCRPC_R972")
async def test_query_rows_is_packed_up_to_the_rows_that_were_asked_for(session: Session, logon: Logon, on: Any) -> None:
    asked = []

    async def rows(call: Call, fields: Any) -> Mapping[str, Any]:
        asked.append(fields.row_count)
        count = min(fields.row_count, 4)
        call.columns = [0x67480014]
        return {"origin": 1, "row_count": count, "row_data": [[7]] * count}

    on("QueryRows", rows)

    async def ask(query_rows_flags: int, max_rop_out: int) -> list[int]:
        asked.clear()
        sent = [request("QueryRows", 0, query_rows_flags=query_rows_flags, forward_read=True, row_count=10)]
        record = ExecuteRecord(USER.address, 0)
        data = join_payloads([build_requests(sent, [1])])
        split_payloads(await execute(session, data, CHAIN, max_rop_out, record))
        return list(asked)

    assert await ask(0, 0x40000) == [10, 6, 2]
    assert await ask(1, 0x40000) == [10]  # NoAdvance: the same rows again
    assert await ask(0, 0x8000 + 70) == [10, 6]  # then less than 32 KB are left


@pytest.mark.spec("MS-OXCRPC_R969")
async def test_no_more_than_96_payloads(session: Session, logon: Logon, on: Any) -> None:
    async def trickles(call: Call, fields: Any) -> Mapping[str, Any]:
        return {"data": b"x"}

    on("ReadStream", trickles)
    answer = await run(session, [read_stream(0, 0xBABE, 1000)], [1], flags=CHAIN, max_rop_out=0x100000)
    assert len(answer.frames) == 96


# Notifications


async def test_notifications_come_with_any_execute_even_a_lone_release(session: Session, logon: Logon) -> None:
    put(session, b"\x2a" + bytes(3))
    put(session, b"\x2a" + bytes(4))
    assert session.notices
    record = ExecuteRecord(USER.address, 0)
    data = join_payloads([build_requests([release(0)], [5])])
    (payload,) = split_payloads(await execute(session, data, 3, 0x8007, record))
    assert payload == bytes.fromhex("0b00 2a000000 2a00000000 feffff01")
    assert not session.notices


async def test_pending_tells_of_notifications_that_do_not_fit(session: Session, logon: Logon) -> None:
    for _ in range(3):
        put(session, b"\x2a" + bytes(99))
    sent = join_payloads([build_requests([], [])])
    (payload,) = split_payloads(await execute(session, sent, 3, 8 + 2 + 250, ExecuteRecord(USER.address, 0)))
    assert len(payload) == 2 + 200 + 3
    assert payload[-3:] == bytes.fromhex("6e0000")
    assert session.notices
    (payload,) = split_payloads(await execute(session, sent, 3, 8 + 2 + 250, ExecuteRecord(USER.address, 0)))
    assert len(payload) == 2 + 100
    assert not session.notices


async def test_notifications_follow_the_last_packed_answer(session: Session, logon: Logon, on: Any) -> None:
    on("ReadStream", reads)
    handle = session.open(Stream(logon, bytes(40_000)))
    put(session, bytes.fromhex("2a0102"))
    data = join_payloads([build_requests([read_stream(0, 0xBABE, 40_000)], [handle])])
    answer = await execute(session, data, CHAIN, 0x20000, ExecuteRecord(USER.address, 0))
    first, last = split_payloads(answer)
    assert first[: 2 + 6 + 2].endswith((32_768 - 2 - 4 - 3 - 8).to_bytes(2, "little"))
    assert last[:-4].endswith(bytes.fromhex("2a0102"))
