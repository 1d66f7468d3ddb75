"""A crash at any instant loses nothing that was acknowledged."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mapigw.mailbox.content import BlobValue, decode_properties
from mapigw.mailbox.mailboxes import Mailboxes
from mapigw.store.database import Database
from mapigw.wire import tags

WRITER = """
import asyncio, sys
from pathlib import Path
from uuid import uuid4
from mapigw.mailbox.mailboxes import Mailboxes, NewMessage
from mapigw.mailbox.provision import create_mailbox
from mapigw.store.database import Database
from mapigw.wire import tags
from mapigw.wire.message import Message

async def main():
    database = await Database.open(Path(sys.argv[1]))
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, uuid4())
    mailbox = await Mailboxes(database).open(mailbox_id)
    inbox = await mailbox.special_folder("inbox")
    number = 0
    while True:
        items = []
        for _ in range(3):
            html = (f"<p>{number}</p>" * 10_000).encode()
            items.append(NewMessage(Message({tags.PidTagSubject: str(number), tags.PidTagHtml: html}), mime=html))
            number += 1
        ids = await mailbox.append(inbox.folder_id, items)
        print(mailbox_id, *ids, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", range(4))
async def test_every_acknowledged_message_survives_kill_9(tmp_path: Path, seed: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    first = await asyncio.to_thread(process.stdout.readline)
    time.sleep(random.Random(seed).uniform(0.0, 0.3))
    os.kill(process.pid, signal.SIGKILL)
    acknowledged = [first, *process.stdout.readlines()]
    process.wait()
    process.stdout.close()
    lines = [[int(word) for word in line.split()] for line in acknowledged if line.endswith("\n")]
    mailbox_id, ids = lines[0][0], [number for line in lines for number in line[1:]]
    database = await Database.open(tmp_path)
    mailbox = await Mailboxes(database).open(mailbox_id)
    for position, message_id in enumerate(ids):
        row = await mailbox.message(message_id)
        assert row is not None
        properties = decode_properties(row.properties, row.properties_index)
        assert properties[tags.PidTagSubject] == str(position)
        html = properties[tags.PidTagHtml]
        assert isinstance(html, BlobValue)
        assert await mailbox.read_blob(html.digest) == (f"<p>{position}</p>" * 10_000).encode()
    inbox = await mailbox.special_folder("inbox")
    assert inbox.content_count == len(await mailbox.message_ids(inbox.folder_id, associated=False)) >= len(ids)
    async with database.read() as connection:
        assert (await connection.exec_driver_sql("PRAGMA integrity_check")).scalar() == "ok"
    await database.close()
