"""What a user has read of public folders, which the mailbox keeps for the client."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from mapigw.emsmdb.session import Session
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.per_user import MAXIMUM_DATA
from mapigw.wire.codes import ErrorCode
from mapigw.wire.globset import CounterSet, IdSet
from mapigw.wire.primitives import LongTermId, ObjectId
from tests.emsmdb.client import Client

REPLICA = UUID("11111111-2222-3333-4444-555555555555")
FOLDER = LongTermId(UUID("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"), 0x1234)
OTHER = LongTermId(FOLDER.replica_guid, 0x1235)


def cnset(ranges: int) -> bytes:
    """A CNSET in REPLGUID form with that many ranges, 4 to 8 bytes each."""
    step = 0x10001
    return IdSet({REPLICA: CounterSet((low * step, low * step + 5) for low in range(1, ranges + 1))}).build()


async def write(
    client: Client,
    data: bytes,
    *,
    folder: LongTermId = FOLDER,
    offset: int = 0,
    finished: bool = True,
    replica: UUID = REPLICA,
) -> int:
    """The ReturnValue of one RopWritePerUserInformation."""
    sent = client.request(
        "WritePerUserInformation",
        folder_id=folder,
        has_finished=finished,
        data_offset=offset,
        data=data,
        repl_guid=None if offset else replica,
    )
    (response,) = await client.send(sent)
    return response.return_value


async def write_parts(client: Client, data: bytes, size: int) -> None:
    for offset in range(0, len(data), size):
        part = data[offset : offset + size]
        assert await write(client, part, offset=offset, finished=offset + len(part) == len(data)) == 0


async def read(client: Client, offset: int = 0, size: int = 0, folder: LongTermId = FOLDER) -> tuple[bytes, bool]:
    """Data and HasFinished of one RopReadPerUserInformation."""
    value = await client.value(
        "ReadPerUserInformation", folder_id=folder, reserved=0, data_offset=offset, max_data_size=size
    )
    return value.data, value.has_finished


async def folders(client: Client, replica: UUID = REPLICA) -> list[LongTermId]:
    found: list[LongTermId] = (await client.value("GetPerUserLongTermIds", database_guid=replica)).long_term_ids
    return found


async def source(client: Client, folder: LongTermId = FOLDER) -> UUID:
    found: UUID = (await client.value("GetPerUserGuid", long_term_id=folder)).database_guid
    return found


@pytest.mark.spec(
    "MS-OXCSTOR_R490",
    "MS-OXCSTOR_R496",
    "MS-OXCSTOR_R497",
    "MS-OXCSTOR_R516",
    "MS-OXCSTOR_R545",
    "MS-OXCSTOR_R552",
    "MS-OXCSTOR_R553",
    "MS-OXCSTOR_R569",
    "MS-OXCSTOR_R597",
    "MS-OXCSTOR_R598",
    "MS-OXCSTOR_R963",
    "MS-OXCSTOR_R964",
    "MS-OXCSTOR_R966",
    "MS-OXCSTOR_R967",
    "MS-OXCSTOR_R974",
    "MS-OXCSTOR_R975",
    "MS-OXCSTOR_R1023",
    "MS-OXCSTOR_R1024",
    "MS-OXCSTOR_R1025",
    "MS-OXCSTOR_R59729",
)
async def test_what_was_written_comes_back(client: Client, mailboxes: Mailboxes) -> None:
    """And stays when the client comes back; a further write replaces the data and the source."""
    assert await write(client, cnset(3)) == 0
    assert await write(client, b"", folder=OTHER) == 0  # the empty set
    client.session.mailboxes = Mailboxes(mailboxes.database)
    await client.log_on()
    data, finished = await read(client)
    assert (data, finished) == (cnset(3), True)
    assert IdSet.parse_replguid(data)[REPLICA].range_count == 3
    assert await read(client, folder=OTHER) == (b"", True)
    assert await source(client) == REPLICA
    moved = uuid4()
    assert await write(client, cnset(5), replica=moved) == 0
    assert await read(client) == (cnset(5), True)
    assert await source(client) == moved
    assert await source(client, OTHER) == REPLICA


@pytest.mark.spec(
    "MS-OXCSTOR_R473",
    "MS-OXCSTOR_R480",
    "MS-OXCSTOR_R481",
    "MS-OXCSTOR_R956",
    "MS-OXCSTOR_R957",
    "MS-OXCSTOR_R958",
    "MS-OXCSTOR_R960",
)
async def test_the_folders_of_a_public_store(client: Client) -> None:
    assert await folders(client) == []
    assert client.payloads[0][2:10] == bytes.fromhex("6000 00000000 0000")
    elsewhere = uuid4()
    for folder, replica in ((FOLDER, REPLICA), (OTHER, REPLICA), (LongTermId(REPLICA, 1), elsewhere)):
        assert await write(client, cnset(1), folder=folder, replica=replica) == 0
    assert sorted(await folders(client)) == [FOLDER, OTHER]
    assert await folders(client, elsewhere) == [LongTermId(REPLICA, 1)]
    assert await folders(client, uuid4()) == []


@pytest.mark.spec("MS-OXCSTOR_R500", "MS-OXCSTOR_R1135", "MS-OXCSTOR_R1254", "MS-OXCSTOR_R1255")
async def test_a_folder_that_nothing_is_known_of(client: Client) -> None:
    assert await client.error("GetPerUserGuid", long_term_id=FOLDER) == 0x8004010F  # ecNotFound
    assert await read(client) == (b"", True)


# In parts


@pytest.mark.spec(
    "MS-OXCSTOR_R539",
    "MS-OXCSTOR_R540",
    "MS-OXCSTOR_R543",
    "MS-OXCSTOR_R976",
    "MS-OXCSTOR_R977",
    "MS-OXCSTOR_R979",
    "MS-OXCSTOR_R981",
    "MS-OXCSTOR_R982",
    "MS-OXCSTOR_R984",
    "MS-OXCSTOR_R986",
    "MS-OXCSTOR_R988",
    "MS-OXCSTOR_R990",
    "MS-OXCSTOR_R1000",
    "MS-OXCSTOR_R1001",
    "MS-OXCSTOR_R1002",
    "MS-OXCSTOR_R1003",
    "MS-OXCSTOR_R1004",
    "MS-OXCSTOR_R1005",
    "MS-OXCSTOR_R1008",
    "MS-OXCSTOR_R1009",
    "MS-OXCSTOR_R1010",
    "MS-OXCSTOR_R1011",
    "MS-OXCSTOR_R1013",
    "MS-OXCSTOR_R1014",
    "MS-OXCSTOR_R1284",
)
async def test_a_large_set_is_read_in_parts_of_any_size(client: Client) -> None:
    data = cnset(2000)
    assert len(data) > 2 * 4096
    await write_parts(client, data, 3000)
    offset = 0
    for size in (1000, 1, 4096, 17, 2500, *[4096] * len(data)):
        part, finished = await read(client, offset, size)
        assert part == data[offset : offset + size]
        assert finished == (offset + len(part) == len(data))
        offset += len(part)
        if finished:
            break
    assert offset == len(data)
    assert await read(client, len(data), 100) == (b"", True)


@pytest.mark.spec(
    "MS-OXCSTOR_R980",
    "MS-OXCSTOR_R991",
    "MS-OXCSTOR_R992",
    "MS-OXCSTOR_R996",
    "MS-OXCSTOR_R997",
    "MS-OXCSTOR_R998",
    "MS-OXCSTOR_R999",
    "MS-OXCSTOR_R1356",
)
@pytest.mark.parametrize("size", [0, 4096, 4097, 0xFFFF])
async def test_parts_have_at_most_4096_bytes(client: Client, size: int) -> None:
    data = cnset(2000)
    await write_parts(client, data, len(data))
    assert await read(client, 0, size) == (data[:4096], False)


@pytest.mark.spec("MS-OXCSTOR_R556", "MS-OXCSTOR_R557", "MS-OXCSTOR_R1042", "MS-OXCSTOR_R1259", "MS-OXCSTOR_R1260")
@pytest.mark.parametrize("stored", [0, 3])
async def test_positions_outside_the_data(client: Client, stored: int) -> None:
    """A negative one is a large one."""
    data = cnset(stored)
    if data:
        assert await write(client, data) == 0
    for offset in (len(data) + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        code = await client.error(
            "ReadPerUserInformation", folder_id=FOLDER, reserved=0, data_offset=offset, max_data_size=100
        )
        assert code == 0x80004005, offset  # ecError


async def test_the_reserved_field_is_ignored(client: Client) -> None:
    assert await write(client, cnset(1)) == 0
    value = await client.value(
        "ReadPerUserInformation", folder_id=FOLDER, reserved=0xAB, data_offset=0, max_data_size=100
    )
    assert value.data == cnset(1)


@pytest.mark.spec(
    "MS-OXCSTOR_R599",
    "MS-OXCSTOR_R600",
    "MS-OXCSTOR_R601",
    "MS-OXCSTOR_R1016",
    "MS-OXCSTOR_R1017",
    "MS-OXCSTOR_R1018",
    "MS-OXCSTOR_R1019",
    "MS-OXCSTOR_R1033",
    "MS-OXCSTOR_R1034",
)
@pytest.mark.parametrize(("folder", "offset"), [(OTHER, 10), (FOLDER, 9), (FOLDER, 11), (FOLDER, 0xFFFFFFFF)])
async def test_a_part_that_does_not_continue(client: Client, folder: LongTermId, offset: int) -> None:
    """It fails and ends the whole; what was stored before stays."""
    assert await write(client, cnset(1)) == 0
    data = cnset(50)
    assert await write(client, data[:10], finished=False) == 0
    assert await write(client, data[10:20], folder=folder, offset=offset, finished=False) == 0x80004005  # ecError
    assert await write(client, data[10:], offset=10) == 0x80004005  # nothing is left to continue
    assert await read(client) == (cnset(1), True)
    assert await write(client, data[10:], offset=10) == ErrorCode.GeneralFailure
    await write_parts(client, data, 10)
    assert await read(client) == (data, True)


async def test_a_part_at_the_beginning_begins_anew(client: Client) -> None:
    data = cnset(50)
    assert await write(client, data[:10], finished=False) == 0
    assert await write(client, cnset(9), folder=OTHER) == 0
    assert await read(client, folder=OTHER) == (cnset(9), True)
    assert await read(client) == (b"", True)
    assert await write(client, data[:10], finished=False) == 0
    assert await write(client, cnset(2)) == 0
    assert await read(client) == (cnset(2), True)


async def test_two_logons_write_on_their_own(client: Client, own_mailbox: Mailbox) -> None:
    other = Client(Session(client.session.user, client.session.directory, client.session.mailboxes))
    await other.log_on()
    data = cnset(50)
    assert await write(client, data[:10], finished=False) == 0
    assert await write(other, data[10:], offset=10) == ErrorCode.GeneralFailure
    assert await write(client, data[10:], offset=10) == 0
    assert await read(other) == (data, True)


@pytest.mark.spec("MS-OXCSTOR_R602", "MS-OXCSTOR_R603", "MS-OXCSTOR_R1015", "MS-OXCSTOR_R1020", "MS-OXCSTOR_R1021")
@pytest.mark.spec("MS-OXCSTOR_R1021006")
@pytest.mark.parametrize("bad", [b"x", b"\0" * 16, cnset(3)[:-1], cnset(3) + b"\0", REPLICA.bytes_le + b"\x99"])
async def test_data_that_is_no_set(client: Client, bad: bytes) -> None:
    assert await write(client, cnset(1)) == 0
    assert await write(client, bad[:1], finished=False) == 0
    assert await write(client, bad[1:], offset=1) == 0x8004011B  # ecCorruptData
    assert await read(client) == (cnset(1), True)
    assert await source(client) == REPLICA


async def test_more_data_than_a_set_can_have(client: Client) -> None:
    part = bytes(0x7000)
    offset = 0
    while offset + len(part) <= MAXIMUM_DATA:
        assert await write(client, part, offset=offset, finished=False) == 0
        offset += len(part)
    assert await write(client, part, offset=offset, finished=False) == ErrorCode.TooBig
    assert await write(client, part, offset=offset, finished=True) == ErrorCode.GeneralFailure
    assert await read(client) == (b"", True)


@pytest.mark.spec("MS-OXCSTOR_R469", "MS-OXCSTOR_R482", "MS-OXCSTOR_R488", "MS-OXCSTOR_R498")
@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("GetPerUserLongTermIds", {"database_guid": REPLICA}),
        ("GetPerUserGuid", {"long_term_id": FOLDER}),
        ("ReadPerUserInformation", {"folder_id": FOLDER, "reserved": 0, "data_offset": 0, "max_data_size": 0}),
        (
            "WritePerUserInformation",
            {"folder_id": FOLDER, "has_finished": True, "data_offset": 0, "data": b"", "repl_guid": REPLICA},
        ),
    ],
)
async def test_what_needs_a_private_logon(client: Client, name: str, extra: dict[str, Any]) -> None:
    await client.value("OpenFolder", folder_id=ObjectId(1, 1), open_mode_flags=0)
    assert await client.error(name, client.last, **extra) == 0x80040102  # ecNotSupported
    assert await folders(client) == []
