"""Saving messages in the mailbox itself: what needs no protocol, and a crash in the middle."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from mapigw.mailbox.content import (
    SENT_BODY_INLINE_LIMIT,
    BlobValue,
    DecodedAttachment,
    DecodedMessage,
    blob_uses,
    decode_message,
    stored_value,
)
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.provision import create_mailbox
from mapigw.mailbox.saving import Author, Draft, new_message_id, save_message, unsaved_row
from mapigw.store.blobs import MissingBlobError
from mapigw.store.database import Database
from mapigw.store.messages import MessageRow
from mapigw.store.schema import blob
from mapigw.wire import tags
from mapigw.wire.properties import PropertyName

TOM = Author("Tom", b"tom")


@pytest.fixture
async def mailbox(tmp_path: Path) -> AsyncIterator[Mailbox]:
    database = await Database.open(tmp_path / "data")
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, UUID(int=5))
    yield await Mailboxes(database).open(mailbox_id)
    await database.close()


async def unsaved(mailbox: Mailbox, content: DecodedMessage) -> Draft:
    inbox = await mailbox.special_folder("inbox")
    message_id = await new_message_id(mailbox)
    row = unsaved_row(inbox.folder_id, message_id, is_associated=False, message_flags=0, is_read=False)
    return Draft(row, content, TOM)


async def change(mailbox: Mailbox, row: MessageRow, values: dict[int, object], *, force: bool = False) -> MessageRow:
    content = decode_message(row)
    content.properties.update(values)
    return await save_message(mailbox, Draft(row, content, TOM), force=force)


async def counts(mailbox: Mailbox) -> dict[bytes, int]:
    async with mailbox.database.read() as connection:
        rows = await connection.execute(select(blob.c.digest, blob.c["count"]))
        return {row[0]: row[1] for row in rows}


async def test_numbers_and_named_properties_stay(mailbox: Mailbox) -> None:
    name = PropertyName(UUID(int=9), name="colour")
    named = (await mailbox.property_ids([name], create=True))[name] << 16 | 0x001F
    content = DecodedMessage(
        {named: "red"},
        [{tags.PidTagRowid: 12, tags.PidTagDisplayName: "Anna", named: "blue"}],
        [DecodedAttachment({tags.PidTagAttachNumber: 7, named: "green"}, DecodedMessage({named: "white"}))],
    )
    row = await save_message(mailbox, await unsaved(mailbox, content))
    read = decode_message(row)
    assert stored_value(row.properties, row.properties_index, named) == "red"
    assert stored_value(row.properties, row.properties_index, 0x6001001F) is None
    assert read.recipients == content.recipients
    (attachment,) = read.attachments
    assert attachment.properties == {tags.PidTagAttachNumber: 7, named: "green"}
    assert attachment.embedded is not None
    assert attachment.embedded.properties[named] == "white"


async def test_large_values_are_carried_without_being_read(mailbox: Mailbox) -> None:
    content = DecodedMessage({tags.PidTagTransportMessageHeaders: "h" * 9000, tags.PidTagHtml: b"x" * 60_000})
    content.attachments.append(
        DecodedAttachment({tags.PidTagAttachNumber: 0, tags.PidTagAttachDataBinary: b"d" * 100_000})
    )
    row = await save_message(mailbox, await unsaved(mailbox, content))
    first = await counts(mailbox)
    assert sorted(first.values()) == [1, 1]
    read = decode_message(row)
    assert isinstance(read.properties[tags.PidTagTransportMessageHeaders], BlobValue)
    assert read.properties[tags.PidTagHtml] == b"x" * 60_000  # the body that downloads send
    for digest in first:
        path = Path(mailbox.database.blobs._path(digest))
        path.rename(path.with_suffix(".away"))
    row = await change(mailbox, row, {tags.PidTagSubject: "changed"})
    assert await counts(mailbox) == first == dict(Counter(digest for digest, _size in blob_uses(row)))


async def test_a_body_that_is_too_large_is_out_of_line(mailbox: Mailbox) -> None:
    content = DecodedMessage({tags.PidTagHtml: b"x" * (SENT_BODY_INLINE_LIMIT + 1)})
    row = await save_message(mailbox, await unsaved(mailbox, content))
    assert isinstance(decode_message(row).properties[tags.PidTagHtml], BlobValue)


async def test_a_value_in_two_places_is_used_twice(mailbox: Mailbox) -> None:
    data = {tags.PidTagAttachDataBinary: b"d" * 9000}
    content = DecodedMessage(
        attachments=[DecodedAttachment({tags.PidTagAttachNumber: number, **data}) for number in range(2)]
    )
    row = await save_message(mailbox, await unsaved(mailbox, content))
    assert list((await counts(mailbox)).values()) == [2]
    read = decode_message(row)
    del read.attachments[0]
    await save_message(mailbox, Draft(row, read, TOM))
    assert list((await counts(mailbox)).values()) == [1]


async def test_a_value_that_was_collected_is_an_error(mailbox: Mailbox) -> None:
    lost = BlobValue(b"\x07" * 32, 9000, 0x0102)
    with pytest.raises(MissingBlobError):
        await save_message(mailbox, await unsaved(mailbox, DecodedMessage({tags.PidTagHtml: lost})))
    inbox = await mailbox.special_folder("inbox")
    assert (inbox.content_count, await counts(mailbox)) == (0, {})


WRITER = """
import asyncio, sys
from pathlib import Path
from uuid import uuid4
from mapigw.mailbox.content import DecodedAttachment, DecodedMessage, decode_message
from mapigw.mailbox.mailboxes import Mailboxes
from mapigw.mailbox.provision import create_mailbox
from mapigw.mailbox.saving import Author, Draft, new_message_id, save_message, unsaved_row
from mapigw.store.database import Database
from mapigw.wire import tags

async def main():
    database = await Database.open(Path(sys.argv[1]))
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, uuid4())
    mailbox = await Mailboxes(database).open(mailbox_id)
    inbox = await mailbox.special_folder("inbox")
    message_id = await new_message_id(mailbox)
    row = unsaved_row(inbox.folder_id, message_id, is_associated=False, message_flags=0, is_read=False)
    content, number = DecodedMessage(), 0
    while True:
        content.properties[tags.PidTagSubject] = str(number)
        content.properties[tags.PidTagTransportMessageHeaders] = f"{number} " * 10_000
        data = {tags.PidTagAttachNumber: 0, tags.PidTagAttachDataBinary: b"%d " % number * 10_000}
        content.attachments = [DecodedAttachment(data)]
        row = await save_message(mailbox, Draft(row, content, Author("Tom", b"tom")))
        content = decode_message(row)
        print(mailbox_id, message_id, number, flush=True)
        number += 1

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", range(4))
async def test_kill_9_leaves_the_old_or_the_new_message(tmp_path: Path, seed: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = await asyncio.to_thread(process.stdout.readline)
    time.sleep(random.Random(seed).uniform(0.0, 0.2))
    os.kill(process.pid, signal.SIGKILL)
    lines = [line for line in (first, *process.stdout.readlines()) if line.endswith("\n")]
    process.wait()
    process.stdout.close()
    mailbox_id, message_id, acknowledged = map(int, lines[-1].split())
    database = await Database.open(tmp_path)
    mailbox = await Mailboxes(database).open(mailbox_id)
    row = await mailbox.message(message_id)
    assert row is not None
    content = decode_message(row)
    number = int(content.properties[tags.PidTagSubject])
    assert number in (acknowledged, acknowledged + 1)
    headers = content.properties[tags.PidTagTransportMessageHeaders]
    data = content.attachments[0].properties[tags.PidTagAttachDataBinary]
    assert (await mailbox.read_blob(headers.digest)).decode("utf-16-le") == f"{number} " * 10_000 + "\0"
    assert await mailbox.read_blob(data.digest) == b"%d " % number * 10_000
    assert await counts(mailbox) == dict(Counter(digest for digest, _size in blob_uses(row)))
    inbox = await mailbox.special_folder("inbox")
    assert (inbox.content_count, inbox.content_size) == (1, row.size)
    assert inbox.content_change_number == row.change_number
    async with database.read() as connection:
        assert (await connection.exec_driver_sql("PRAGMA integrity_check")).scalar() == "ok"
    await database.close()
