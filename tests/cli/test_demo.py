import asyncio
from pathlib import Path

from mapigw.cli.demo import prepare
from mapigw.directory.directory import Directory
from mapigw.mailbox.mailboxes import Mailboxes
from mapigw.store.database import Database


def inboxes(data: Path) -> dict[str, int]:
    async def look() -> dict[str, int]:
        database = await Database.open(data)
        try:
            counts = {}
            for user in await Directory(database).users():
                mailbox = await Mailboxes(database).open(user.mailbox_id)
                counts[user.address] = (await mailbox.special_folder("inbox")).content_count
            return counts
        finally:
            await database.close()

    return asyncio.run(look())


def test_the_sample_mail_is_put_into_the_mailboxes_once(tmp_path: Path) -> None:
    mail, data = tmp_path / "mail", tmp_path / "data"
    mail.mkdir()
    for number in range(3):
        (mail / f"{number}.eml").write_bytes(b"From: a@b.c\r\nSubject: hello\r\n\r\nbody\r\n")
    asyncio.run(prepare(data, None))
    assert inboxes(data) == {"tom@bm.lan": 0, "anna@bm.lan": 0}
    for _ in range(2):
        asyncio.run(prepare(data, mail))
        assert inboxes(data) == {"tom@bm.lan": 3, "anna@bm.lan": 3}
