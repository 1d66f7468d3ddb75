"""Stores that an earlier release made."""

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from mapigw.directory.directory import Directory
from mapigw.mailbox.content import encode_properties
from mapigw.store import migrate
from mapigw.store.database import FILE, Database
from mapigw.wire import tags

PROPERTIES = {
    tags.PidTagSubject: "RE: Grüße",
    tags.PidTagNormalizedSubject: "Grüße",
    tags.PidTagSentRepresentingName: "Tom",
    tags.PidTagMessageDeliveryTime: 131_000_000_000_000_000,
    tags.PidTagImportance: 1,
}


def old_store(path: Path) -> None:
    """What the first release left: a message with all properties that columns repeat now, and one with none."""
    store_of_revision(path, "0001")
    with closing(sqlite3.connect(path)) as store, store:
        columns = [row[1:4] for row in store.execute("PRAGMA table_info(message)")]
        for message_id, properties in ((1, PROPERTIES), (2, {})):
            stored = dict(zip(("properties", "properties_index"), encode_properties(properties, {}), strict=True))
            row = [
                stored.get(
                    name, message_id if name == "message_id" else 7 if "INT" in kind else b"" if required else None
                )
                for name, kind, required in columns
            ]
            store.execute(f"INSERT INTO message VALUES ({', '.join('?' * len(row))})", row)


async def test_columns_that_repeat_properties_are_filled(tmp_path: Path) -> None:
    old_store(tmp_path / FILE)
    database = await Database.open(tmp_path)
    async with database.read() as connection:
        found = await connection.exec_driver_sql(
            "SELECT delivery_time, subject, normalized_subject, sent_representing_name, local_commit_time, modified"
            " FROM message ORDER BY message_id"
        )
        rows = found.all()
    await database.close()
    assert [*rows[0]] == [131_000_000_000_000_000, "RE: Grüße", "Grüße", "Tom", 7, 7]
    assert [*rows[1]] == [None, None, None, None, 7, 7]


def store_of_revision(path: Path, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


async def test_users_aliases_and_members_come_over(tmp_path: Path) -> None:
    store_of_revision(tmp_path / FILE, "0003")
    with closing(sqlite3.connect(tmp_path / FILE)) as store, store:
        store.execute("INSERT INTO domain VALUES (1, 'bm.lan')")
        store.execute("INSERT INTO mailbox VALUES (7, zeroblob(16), zeroblob(16), 1, 1, 1, x'', x'', 0)")
        store.execute("INSERT INTO user VALUES (3, 1, 7, 'tom@bm.lan', 'Tom', '/cn=tom', 'hash', 1, 0, 0)")
        store.execute("INSERT INTO alias VALUES ('t@bm.lan', 3)")
        store.execute("""INSERT INTO "group" VALUES (5, 1, 'staff@bm.lan', 'Staff', '/cn=staff', 0)""")
        store.execute("INSERT INTO group_member VALUES (1, 5, 3, NULL)")
    database = await Database.open(tmp_path)
    try:
        directory = Directory(database)
        tom = await directory.by_address("t@bm.lan")
        staff = await directory.group("staff@bm.lan")
        assert tom is not None
        assert staff is not None
        assert (tom.address, tom.aliases, tom.kind, tom.hidden) == ("tom@bm.lan", ("t@bm.lan",), "user", False)
        assert (staff.members, staff.hidden) == (("tom@bm.lan",), False)
        await directory.remove("tom@bm.lan")
        assert [group.members for group in await directory.groups()] == [()]
    finally:
        await database.close()
