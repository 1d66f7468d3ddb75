from pathlib import Path

from tests.cli.conftest import Run


def _people(run: Run) -> None:
    for address in ("tom@bm.lan", "anna@bm.lan", "eve@other.lan"):
        assert run("user", "add", address, "--password-stdin", text="secret\n").exit_code == 0
    assert run("group", "add", "staff@bm.lan").exit_code == 0


def test_lists_are_made_checked_and_shown(run: Run) -> None:
    _people(run)
    missing = run("oab", "verify")
    assert (missing.exit_code, missing.output.count("no address list has been made")) == (1, 2)
    made = run("oab", "generate")
    assert made.exit_code == 0, made.output
    assert sorted(line.split(",")[0] for line in made.output.splitlines()) == [
        "bm.lan: sequence 1",
        "other.lan: sequence 1",
    ]
    checked = run("oab", "verify")
    assert checked.exit_code == 0, checked.output
    assert sorted(checked.output.splitlines()) == ["bm.lan: 3 entries, all right", "other.lan: 1 entries, all right"]
    assert run("user", "remove", "anna@bm.lan", "--yes").exit_code == 0
    assert run("oab", "verify", "--domain", "bm.lan").exit_code == 1
    assert run("oab", "verify", "--domain", "other.lan").exit_code == 0
    assert run("oab", "generate", "--domain", "bm.lan").output.startswith("bm.lan: sequence 2")
    listed = run("oab", "list", "--domain", "bm.lan").output
    for kind in ("-data-2.lzx", "-binpatch-2.lzx", "-lng0409-1.lzx", "-lng040c-1.lzx"):
        assert listed.count(kind) == 1
    assert "other.lan" not in listed


def test_damage_is_reported(run: Run, tmp_path: Path) -> None:
    _people(run)
    run("oab", "generate")
    (full,) = (tmp_path / "data" / "oab" / "bm.lan").glob("*-data-1.lzx")
    full.write_bytes(full.read_bytes()[:-1])
    damaged = run("oab", "verify", "--domain", "bm.lan")
    assert damaged.exit_code == 1
    assert full.name in damaged.output


def test_a_domain_without_anybody(run: Run) -> None:
    _people(run)
    for command in ("generate", "verify", "list"):
        refused = run("oab", command, "--domain", "nowhere.lan")
        assert refused.exit_code == 1
        assert "nobody has an address in nowhere.lan" in refused.output
