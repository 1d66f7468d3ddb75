"""Stores that an earlier release made."""

import sqlite3
from contextlib import closing
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

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
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
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
