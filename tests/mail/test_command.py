"""mapigw mailbox, as an administrator calls it."""

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mapigw.cli.mailbox import mailbox
from mapigw.directory.directory import Directory
from mapigw.store.database import Database
from tests.mail.corpus import FIXTURES


@pytest.fixture
def data(tmp_path: Path) -> Path:
    async def prepare() -> None:
        database = await Database.open(tmp_path / "data")
        directory = Directory(database)
        await directory.add("tom@bm.lan", "a long password")
        await directory.add_alias("tom@bm.lan", "thomas@bm.lan")
        await database.close()

    asyncio.run(prepare())
    return tmp_path / "data"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(mailbox, [str(argument) for argument in arguments])


def test_import_and_stat(data: Path) -> None:
    result = run("import", "Tom@bm.lan", FIXTURES / "plain_emails", FIXTURES / "list-archive.mbox", "--data", data)
    assert result.exit_code == 0
    assert result.output.startswith("49 messages (")
    assert "into Inbox" in result.output
    table = run("stat", "thomas@bm.lan", "--data", data)
    assert table.exit_code == 0
    (inbox,) = [line for line in table.output.splitlines() if "Inbox" in line]
    assert inbox.split("│")[2].strip() == "49"


def test_the_whole_corpus_can_be_imported(data: Path) -> None:
    result = run("import", "tom@bm.lan", FIXTURES, "--folder", "Samples/All", "--data", data)
    assert result.exit_code == 0
    assert result.output.startswith("132 messages")


def test_unreadable_mail_is_named_and_gives_status_3(data: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.eml").write_bytes(b"")
    (tmp_path / "good.eml").write_bytes(b"Subject: x\n\n")
    result = run("import", "tom@bm.lan", tmp_path / "empty.eml", tmp_path / "good.eml", "--data", data)
    assert result.exit_code == 3
    assert f"{tmp_path / 'empty.eml'}: empty (kept as {data / 'unreadable'}" in result.output
    assert "1 messages (12 bytes) imported into Inbox, 1 could not be read" in result.output


@pytest.mark.parametrize("command", ["import", "stat"])
def test_unknown_user(command: str, data: Path) -> None:
    paths = [FIXTURES] if command == "import" else []
    result = run(command, "nobody@bm.lan", *paths, "--data", data)
    assert result.exit_code == 1
    assert "there is no user nobody@bm.lan" in result.output


def test_folder_path_without_a_name(data: Path) -> None:
    result = run("import", "tom@bm.lan", FIXTURES / "rfc2822", "--folder", "/", "--data", data)
    assert result.exit_code == 1
    assert "names no folder" in result.output


def test_help_says_what_happens_to_duplicates() -> None:
    assert "importing the same mail twice gives it" in " ".join(run("import", "--help").output.split())
