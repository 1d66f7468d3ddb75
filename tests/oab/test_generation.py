import io
import logging
import os
from dataclasses import replace
from pathlib import Path

import pytest

from mapigw.directory.model import Entry
from oab import dialogs, publication
from oab.generation import generate
from oab.publication import KEPT_DIFFERENCES, KEPT_SECONDS, Publication
from oab.verification import verify
from oab.wire import container
from oab.wire.details import DetailsReader
from oab.wire.manifest import AddressList
from tests.oab.directory import group, user


def _records(data: Path, address_list: AddressList) -> list[str]:
    """The display names in the full file."""
    out = io.BytesIO()
    with (data / "oab" / "bm.lan" / address_list.full.name).open("rb") as packed:
        container.unpack(packed, out)
    out.seek(0)
    return [record[0x3001001F] for record in DetailsReader(out).records()]


def _wrong(data: Path, *people: Entry) -> list[str]:
    return list(verify(data, "bm.lan", people))


def test_users_and_groups_stand_in_the_order_of_their_names(tmp_path: Path) -> None:
    people = [user(1, "zoe"), user(2, "Anna"), user(3, "émile")]
    made = generate(tmp_path, "bm.lan", [*people, group(1, "Staff")])
    assert _records(tmp_path, made) == ["Anna", "Staff", "zoe", "émile"]
    assert made.full.sequence == 1
    assert made.differences == ()
    assert _wrong(tmp_path, *people, group(1, "Staff")) == []


def test_an_unchanged_directory_changes_nothing(tmp_path: Path) -> None:
    made = generate(tmp_path, "bm.lan", [user(1)])
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "oab" / "bm.lan").iterdir() if path.suffix}
    assert generate(tmp_path, "bm.lan", [user(1)]) == made
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "oab" / "bm.lan").iterdir() if path.suffix}


def test_sequence_and_guid_last_and_differences_are_chained(tmp_path: Path) -> None:
    people = [user(number) for number in range(50)]
    first = generate(tmp_path, "bm.lan", people)
    for number in range(50, 55):
        people.append(user(number))
        made = generate(tmp_path, "bm.lan", people)
    assert (made.guid, made.full.sequence) == (first.guid, 6)
    assert [file.sequence for file in made.differences] == [2, 3, 4, 5, 6]
    assert made.templates == first.templates
    assert _wrong(tmp_path, *people) == []


def test_a_bad_entry_is_left_out_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = replace(user(2), legacy_dn="/cn=é")
    with caplog.at_level(logging.WARNING):
        made = generate(tmp_path, "bm.lan", [user(1, "good"), bad, replace(user(3), display_name="a\0b")])
    assert _records(tmp_path, made) == ["good"]
    assert "user2@bm.lan" in caplog.text
    assert "user3@bm.lan" in caplog.text
    assert _wrong(tmp_path, user(1, "good"), bad) == []


def test_domains_have_lists_of_their_own(tmp_path: Path) -> None:
    one = generate(tmp_path, "bm.lan", [user(1)])
    other = generate(tmp_path, "other.lan", [user(1, domain="other.lan")])
    assert one.guid != other.guid
    assert Publication(tmp_path, "bm.lan").find(other.full.name) is None


def test_a_list_of_nobody_is_a_list(tmp_path: Path) -> None:
    generate(tmp_path, "bm.lan", [user(1)])
    made = generate(tmp_path, "bm.lan", [])
    assert _records(tmp_path, made) == []
    assert _wrong(tmp_path) == []


def test_a_broken_manifest_begins_another_series(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = generate(tmp_path, "bm.lan", [user(1)])
    Publication(tmp_path, "bm.lan").manifest.write_bytes(b"<OAB>")
    again = generate(tmp_path, "bm.lan", [user(1)])
    assert (again.full.sequence, again.guid != made.guid) == (1, True)
    assert "begins anew" in caplog.text
    assert _wrong(tmp_path, user(1)) == []


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"x")])
def test_a_lost_full_file_is_made_anew_without_a_difference(tmp_path: Path, damage: object) -> None:
    made = generate(tmp_path, "bm.lan", [user(1)])
    damage(tmp_path / "oab" / "bm.lan" / made.full.name)  # type: ignore[operator]
    again = generate(tmp_path, "bm.lan", [user(1)])
    assert (again.guid, again.full.sequence, again.differences) == (made.guid, 2, ())
    assert _wrong(tmp_path, user(1)) == []


def test_a_crash_before_the_manifest_leaves_the_old_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = generate(tmp_path, "bm.lan", [user(1)])

    def fail(self: Publication, address_list: AddressList) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as broken:
        broken.setattr(Publication, "publish", fail)
        with pytest.raises(OSError, match="no space"):
            generate(tmp_path, "bm.lan", [user(1), user(2)])
    assert Publication(tmp_path, "bm.lan").current() == made
    assert _wrong(tmp_path, user(1)) == []
    again = generate(tmp_path, "bm.lan", [user(1), user(2)])
    assert again.full.sequence == 2
    assert _wrong(tmp_path, user(1), user(2)) == []


def test_other_dialogs_are_published_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = generate(tmp_path, "bm.lan", [user(1)])
    english, *others = dialogs.LANGUAGES
    changed = replace(english, words={**english.words, "title": "&Job title:"})
    monkeypatch.setattr(dialogs, "LANGUAGES", (changed, *others))
    again = generate(tmp_path, "bm.lan", [user(1)])
    assert again.full == made.full
    assert [item.file.sequence for item in again.templates] == [2, 1]


def test_files_that_nobody_names_stay_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oab.generation.KEPT_DIFFERENCES", 2)
    people = [user(number) for number in range(20)]
    made = [generate(tmp_path, "bm.lan", people[: 10 + step]) for step in range(4)]
    folder = tmp_path / "oab" / "bm.lan"
    assert KEPT_DIFFERENCES > 2
    assert [file.sequence for file in made[-1].differences] == [3, 4]
    assert all((folder / item.full.name).exists() for item in made)
    for path in folder.iterdir():
        then = path.stat().st_mtime - KEPT_SECONDS - 1
        os.utime(path, (then, then))
    (folder / ".new-left").touch()
    last = generate(tmp_path, "bm.lan", people)
    kept = {path.name for path in folder.iterdir()}
    assert {file.name for file in publication.files(last)} | {"oab.xml", ".lock", ".new-left"} <= kept
    assert made[-1].full.name in kept, "its successor has just been made"
    assert not kept & {item.full.name for item in made[:-1]}
    assert _wrong(tmp_path, *people) == []


def test_verification_finds_what_is_wrong(tmp_path: Path) -> None:
    assert _wrong(tmp_path) == ["bm.lan: no address list has been made"]
    people = [user(number) for number in range(5)]
    made = generate(tmp_path, "bm.lan", people[:4])
    made = generate(tmp_path, "bm.lan", people)
    assert len(_wrong(tmp_path, *people[1:])) == 1
    changed = _wrong(tmp_path, *people[1:], replace(people[0], aliases=("x@bm.lan",)))
    assert ["differs" in line for line in changed] == [True]
    folder = tmp_path / "oab" / "bm.lan"
    for file, words in ((made.full, "SHA-1"), (made.differences[0], "SHA-1"), (made.templates[0].file, "SHA-1")):
        path = folder / file.name
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert [words in line for line in _wrong(tmp_path, *people)] == [True]
        path.write_bytes(data + b"x")
        assert "bytes" in _wrong(tmp_path, *people)[0]
        path.unlink()
        assert _wrong(tmp_path, *people) == [f"{path}: missing"]
        path.write_bytes(data)
    assert _wrong(tmp_path, *people) == []
    Publication(tmp_path, "bm.lan").manifest.write_bytes(b"<OAB/>")
    assert "0 address lists" in _wrong(tmp_path, *people)[0]
