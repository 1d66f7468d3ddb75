"""Mail that arrives as a file, with what is large in the blob store."""

import asyncio
import base64
import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from mapigw.mail.octets import MAPPED_MINIMUM, PIECE, find, opened
from mapigw.mail.receiving import MIME_IN_MEMORY, received
from mapigw.mail.values import IN_MEMORY
from mapigw.mailbox import mailboxes
from mapigw.mailbox.content import BlobValue, decode_message
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.provision import create_mailbox
from mapigw.store.database import Database
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.properties import filetime
from tests.mail.mime import PLAIN, multipart

MEGABYTE = 1 << 20


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "data")
    yield database
    await database.close()


async def new_mailbox(database: Database) -> Mailbox:
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, uuid4())
    return await Mailboxes(database).open(mailbox_id)


def file_of(tmp_path: Path, head: bytes, line: bytes, size: int, tail: bytes = b"") -> Path:
    path = tmp_path / "message.eml"
    with path.open("wb") as file:
        file.write(head)
        block = line * (64 * 1024 // len(line))
        for _ in range(size // len(block)):
            file.write(block)
        file.write(tail)
    return path


HEAD, TAIL = (
    multipart("mixed", PLAIN, "Content-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n@")
    .encode()
    .split(b"@")
)
HEAD = b"Subject: large\n" + HEAD
LINE = base64.encodebytes(bytes(range(57)))


async def test_a_large_message_from_a_file(database: Database, tmp_path: Path) -> None:
    path = file_of(tmp_path, HEAD, LINE, 12 * MEGABYTE, TAIL)
    message = await received(database, path)
    (item,) = message.message.attachments
    value = item.properties[tags.PidTagAttachDataBinary]
    assert isinstance(value, BlobValue)
    raw = path.read_bytes()
    assert database.blobs.get(value.digest) == base64.b64decode(raw[len(HEAD) : -len(TAIL)])
    assert item.properties[tags.PidTagAttachSize] == value.size
    assert message.message.properties[tags.PidTagBody] == "plain text"
    assert isinstance(message.mime, BlobValue)
    assert database.blobs.get(message.mime.digest) == raw


async def test_it_goes_into_several_mailboxes(database: Database, tmp_path: Path) -> None:
    message = await received(database, file_of(tmp_path, HEAD, LINE, 6 * MEGABYTE, TAIL))
    for _ in range(2):
        mailbox = await new_mailbox(database)
        inbox = await mailbox.special_folder("inbox")
        (message_id,) = await mailbox.append(inbox.folder_id, [message])
        row = await mailbox.message(message_id)
        assert row is not None
        (item,) = decode_message(row).attachments
        assert (
            item.properties[tags.PidTagAttachDataBinary]
            == (message.message.attachments[0].properties[tags.PidTagAttachDataBinary])
        )
        assert row.size > 4 * MEGABYTE


async def test_the_same_message_in_memory_and_in_a_file(database: Database, tmp_path: Path) -> None:
    path = file_of(tmp_path, HEAD, LINE, 2 * MEGABYTE, TAIL)
    moment = datetime(2024, 5, 6, tzinfo=UTC)
    from_file = await received(database, path, default_time=moment)
    in_memory = await received(database, path.read_bytes(), default_time=moment)
    assert from_file == in_memory
    assert from_file.message.properties[tags.PidTagMessageDeliveryTime] == filetime(moment)


async def test_small_mail_stays_in_memory(database: Database, tmp_path: Path) -> None:
    path = tmp_path / "small.eml"
    path.write_bytes(b"Subject: small\n\ntext")
    assert (await received(database, path)).mime == b"Subject: small\n\ntext"
    assert not list(database.blobs.folder.rglob("*"))


@pytest.mark.parametrize("size", [0, MAPPED_MINIMUM - 1, MAPPED_MINIMUM, MIME_IN_MEMORY + 1])
async def test_a_file_of_any_size(database: Database, tmp_path: Path, size: int) -> None:
    path = tmp_path / "message.eml"
    path.write_bytes(b"\n" * min(size, 1) + b"x" * (size - 1))
    message = await received(database, path)
    text = message.message.properties[tags.PidTagBody]
    assert len(text) == max(size - 1, 0)
    kept = message.mime
    assert (kept.size if isinstance(kept, BlobValue) else len(kept or b"")) == size


async def test_a_missing_file_is_an_error(database: Database, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await received(database, tmp_path / "gone.eml")


async def test_a_full_disk_is_an_error_and_no_message_without_attachment(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> tuple[int, str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(database.blobs, "new_file", full)
    with pytest.raises(OSError, match="No space left"):
        await received(database, file_of(tmp_path, HEAD, LINE, 6 * MEGABYTE, TAIL))


LARGE = {
    "attachment": (HEAD, LINE, TAIL),
    "text": (b"Subject: text\n\n", b"x" * 63 + b"\n", b""),
    "header": (b"Subject: header\n", b"X-Field: " + b"x" * 54 + b"\n", b"\ntext"),
    "one field": (b"Subject: field\nX-Field: ", b"x" * 64, b"\n\ntext"),
    "uuencode": (b"\n\nbegin 644 x.bin\n", b"M" + b"x" * 60 + b"\n", b"`\nend\n"),
    "attached message": (b"Content-Type: message/rfc822\n\n" + HEAD, LINE, TAIL),
    "signed": (
        b"Content-Type: multipart/signed; boundary==mixed=; protocol=application/pkcs7-signature\n\n"
        + HEAD.partition(b"\n\n")[2], LINE, TAIL,
    ),
}  # fmt: skip


HEADERS = {"header", "one field"}  # of which `MAX_HEADER` bytes are a property


@pytest.mark.parametrize("name", LARGE)
async def test_memory_does_not_grow_with_the_message(database: Database, tmp_path: Path, name: str) -> None:
    head, line, tail = LARGE[name]
    path = file_of(tmp_path, head, line, 24 * MEGABYTE, tail)
    tracemalloc.start()
    try:
        message = await received(database, path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (44 if name in HEADERS else 20) * MEGABYTE
    assert message.message.attachments  # what is too large for a property of the message


async def test_of_a_long_text_the_beginning_is_the_body(database: Database, tmp_path: Path) -> None:
    path = file_of(tmp_path, b"Subject: log\n\n", b"0123456789abcde\n", 8 * MEGABYTE)
    message = (await received(database, path)).message
    assert len(message.properties[tags.PidTagBody].replace("\r\n", "\n")) == 4 * MEGABYTE
    (item,) = message.attachments
    assert item.properties[tags.PidTagAttachLongFilename] == "ATT00001.txt"
    assert item.properties[tags.PidTagAttachSize] == 8 * MEGABYTE


async def test_many_middle_sized_files_do_not_add_up(database: Database) -> None:
    part = b"Content-Type: a/b\n\n" + b"x" * 100_000
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n" + (b"--b\n" + part + b"\n") * 100 + b"--b--"
    values = [
        item.properties[tags.PidTagAttachDataBinary] for item in (await received(database, raw)).message.attachments
    ]
    assert sum(len(value) for value in values if isinstance(value, bytes)) <= IN_MEMORY
    assert all((value.size if isinstance(value, BlobValue) else len(value)) == 100_000 for value in values)


async def test_strangers_do_not_use_up_the_names_of_a_mailbox(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox = await new_mailbox(database)
    inbox = await mailbox.special_folder("inbox")
    await mailbox.append(inbox.folder_id, [await received(database, b"X-Known: 1\n\n")])
    monkeypatch.setattr(mailboxes, "NAMES_OF_CONTENT", len(await mailbox.property_names()) + 1)
    for raw in (b"X-New: 2\nX-Known: 3\n\n", b"X-Newer: 4\nX-Known: 5\n\n"):
        (message_id,) = await mailbox.append(inbox.folder_id, [await received(database, raw)])
    names = {name.name: property_id for property_id, name in (await mailbox.property_names()).items()}
    assert "x-new" in names
    assert "x-newer" not in names
    row = await mailbox.message(message_id)
    assert row is not None
    assert decode_message(row).properties[names["x-known"] << 16 | 0x1F] == "5"


async def test_parsing_leaves_the_event_loop_free(database: Database) -> None:
    reading = asyncio.create_task(received(database, b"To: " + b"a@b," * 10_000 + b"\n\n"))
    turns = 0
    while not reading.done():
        await asyncio.sleep(0.005)
        turns += 1
    assert turns > 1
    assert isinstance((await reading).message, Message)


def test_find_in_a_mapped_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    data = bytearray(5 * PIECE)
    wanted = b"needle"
    places = [0, 16383, 16380, PIECE - 3, 3 * PIECE + 7, len(data) - len(wanted)]
    for place in places:
        data[:] = bytes(len(data))
        data[place : place + len(wanted)] = wanted
        path.write_bytes(data)
        with opened(path) as mapped:
            assert find(mapped, wanted, 0, len(mapped)) == place
            assert find(mapped, wanted, place, place + len(wanted)) == place
            assert find(mapped, wanted, place + 1, len(mapped)) == -1
            assert find(mapped, wanted, 0, place + len(wanted) - 1) == -1
