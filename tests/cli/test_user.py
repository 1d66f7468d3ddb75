import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mapigw.cli import main
from mapigw.directory.directory import Directory
from mapigw.directory.model import User
from mapigw.store.database import Database
from tests.cli.conftest import Run


@pytest.fixture
def tom(run: Run) -> Run:
    result = run("user", "add", "Tom@BM.lan", "--password-stdin", "--display-name", "Tom [B]", text="secret\n")
    assert (result.exit_code, result.stdout) == (0, "Added tom@bm.lan.\n")
    return run


def stored(tmp_path: Path, password: str) -> tuple[User, bool]:
    """The one user, and whether the password is right."""

    async def look() -> tuple[User, bool]:
        database = await Database.open(tmp_path / "data")
        try:
            directory = Directory(database)
            [user] = await directory.users()
            account = await directory.account(user.address)
            assert account
            return user, await directory.passwords.verify(account.password_hash, password)
        finally:
            await database.close()

    return asyncio.run(look())


def refused(result: Result, message: str, status: int = 1) -> None:
    assert (result.exit_code, result.stderr) == (status, f"mapigw: {message}\n")


def test_add_makes_the_folder_the_domain_and_the_user(tom: Run, tmp_path: Path) -> None:
    user, right = stored(tmp_path, "secret")
    assert (user.address, user.display_name, user.domain, user.enabled, user.admin, right) == (
        "tom@bm.lan",
        "Tom [B]",
        "bm.lan",
        True,
        False,
        True,
    )


def test_add_asks_twice_for_the_password(run: Run, tmp_path: Path) -> None:
    result = run("user", "add", "anna@bm.lan", "--admin", text="one\ntwo\nsecret\nsecret\n")
    assert result.exit_code == 0, result.stderr
    assert "do not match" in result.output
    assert stored(tmp_path, "secret")[1]
    assert stored(tmp_path, "secret")[0].admin


def test_a_password_keeps_its_spaces(run: Run, tmp_path: Path) -> None:
    run("user", "add", "anna@bm.lan", "--password-stdin", text=" with spaces \r\n")
    assert stored(tmp_path, " with spaces ")[1]


def test_list(tom: Run) -> None:
    tom("user", "alias", "add", "tom@bm.lan", "thomas@bm.lan")
    lines = tom("user", "list").stdout.splitlines()
    assert [cell.strip() for cell in lines[3].split("│")[1:-1]] == [
        "tom@bm.lan",
        "Tom [B]",
        "thomas@bm.lan",
        "yes",
        "no",
    ]
    assert "tom@bm.lan" not in tom("user", "list", "--domain", "other.lan").stdout


def test_show_cuts_nothing_off(tom: Run, tmp_path: Path) -> None:
    user, _ = stored(tmp_path, "secret")
    lines = tom("user", "show", "TOM@bm.lan").stdout.splitlines()
    assert f"LegacyDN  {user.legacy_dn}" in lines
    assert f"Mailbox   {user.mailbox_guid}" in lines


def test_passwd(tom: Run, tmp_path: Path) -> None:
    assert tom("user", "passwd", "tom@bm.lan", "--password-stdin", text="other\n").exit_code == 0
    assert stored(tmp_path, "other")[1]
    assert not stored(tmp_path, "secret")[1]


def test_disable_and_enable(tom: Run, tmp_path: Path) -> None:
    assert tom("user", "disable", "tom@bm.lan").stdout == "Disabled tom@bm.lan.\n"
    assert not stored(tmp_path, "")[0].enabled
    assert tom("user", "enable", "tom@bm.lan").stdout == "Enabled tom@bm.lan.\n"
    assert stored(tmp_path, "")[0].enabled


def test_aliases(tom: Run) -> None:
    assert tom("user", "alias", "add", "tom@bm.lan", "T@bm.lan").stdout == "Aliases of tom@bm.lan: t@bm.lan\n"
    assert tom("user", "alias", "list", "t@bm.lan").stdout == "t@bm.lan\n"
    refused(tom("user", "alias", "add", "tom@bm.lan", "t@bm.lan"), "t@bm.lan is already an address of tom@bm.lan")
    assert tom("user", "alias", "remove", "tom@bm.lan", "t@bm.lan").stdout == "Aliases of tom@bm.lan: none\n"
    refused(tom("user", "alias", "remove", "tom@bm.lan", "t@bm.lan"), "t@bm.lan is not an alias of tom@bm.lan")


def test_remove_asks_first(tom: Run) -> None:
    refused_once = tom("user", "remove", "tom@bm.lan", text="n\n")
    assert refused_once.exit_code == 1
    assert refused_once.stderr.endswith("mapigw: aborted\n")
    assert tom("user", "remove", "tom@bm.lan", text="y\n").exit_code == 0
    refused(tom("user", "remove", "tom@bm.lan", "--yes"), "there is no user tom@bm.lan")


@pytest.mark.parametrize("command", ["show", "enable", "disable"])
def test_an_unknown_user_is_one_line(run: Run, command: str) -> None:
    refused(run("user", command, "nobody@bm.lan"), "there is no user nobody@bm.lan")


def test_what_cannot_be_added(tom: Run) -> None:
    add = ("user", "add", "--password-stdin")
    refused(tom(*add, "TOM@bm.lan", text="x\n"), "tom@bm.lan is already an address of tom@bm.lan")
    for address, password in (("tom", "x"), ("anna@bm.lan", "")):
        result = tom(*add, address, text=password + "\n")
        assert result.exit_code == 1
        assert result.stderr.startswith("mapigw: ")
        assert result.stderr.count("\n") == 1


def test_a_wrong_command_line_is_one_line() -> None:
    refused(CliRunner().invoke(main, ["user", "add"]), "Missing argument 'ADDRESS'.", 2)
    refused(CliRunner().invoke(main, ["user", "list"], env={"MAPIGW_DATA": None}), "Missing option '--data'.", 2)
    refused(CliRunner().invoke(main, ["bogus"]), "No such command 'bogus'.", 2)


def test_the_data_folder_may_come_from_the_environment(tom: Run, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["user", "alias", "list", "tom@bm.lan"], env={"MAPIGW_DATA": str(tmp_path / "data")}
    )
    assert result.exit_code == 0


def test_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = CliRunner().invoke(main, ["user", "list", "--data", str(tmp_path / "file" / "data")])
    refused(result, f"{tmp_path}/file/data: Not a directory")
