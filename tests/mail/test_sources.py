"""Messages in files, mbox files and Maildirs."""

import io
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mapigw.mail import sources
from mapigw.mail.sources import (
    Flags,
    Item,
    Unreadable,
    maildir_flags,
    maildir_folder,
    read_sources,
    split_mbox,
    status_flags,
    total_size,
)
from tests.mail.corpus import FIXTURES


def read(*paths: Path) -> list[Item | Unreadable]:
    return list(read_sources(list(paths)))


def items(*paths: Path) -> list[Item]:
    found = read(*paths)
    assert all(isinstance(item, Item) for item in found)
    return [item for item in found if isinstance(item, Item)]


def maildir(path: Path) -> Path:
    for name in ("cur", "new", "tmp"):
        (path / name).mkdir(parents=True)
    return path


def test_single_message(tmp_path: Path) -> None:
    path = tmp_path / "a.eml"
    path.write_bytes(b"Subject: x\n\nbody")
    os.utime(path, (0, 1_000_000_000))
    (item,) = items(path)
    assert item == Item(str(path), b"Subject: x\n\nbody", Flags(), datetime.fromtimestamp(1_000_000_000, UTC), ())


def test_folder_of_messages_recursively(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "b" / "c" / "2.EML").write_bytes(b"2")
    (tmp_path / "1.eml").write_bytes(b"1")
    (tmp_path / "readme.txt").write_bytes(b"no mail")
    (tmp_path / ".hidden.eml").write_bytes(b"no mail")
    (tmp_path / "Inbox").write_bytes(b"From a@b Mon Jan  1 10:00:00 2001\nSubject: 3\n\n")
    (tmp_path / "Inbox.msf").write_bytes(b"From nobody, an index\n")
    assert [item.raw for item in items(tmp_path)] == [b"1", b"Subject: 3\n", b"2"]


def test_folder_that_leads_back_to_itself(tmp_path: Path) -> None:
    (tmp_path / "1.eml").write_bytes(b"1")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert len(items(tmp_path)) == 1
    assert total_size([tmp_path]) == 1


def test_the_archive_has_29_messages() -> None:
    found = items(FIXTURES / "list-archive.mbox")
    assert len(found) == 29
    assert all(item.raw.startswith((b"Return-Path:", b"Received:", b"Message-ID:", b">From ")) for item in found)
    assert sum(item.flags.read for item in found) > 20
    assert found[3].received == datetime(1996, 6, 3, 12, 50, 27, tzinfo=UTC)


MBOX = (
    b"From a@b Mon Jan  1 10:00:00 2001\n"
    b"Subject: 1\n\nFrom here on it is text\n>From quoted\n>>From twice\n\n"
    b"From c@d Mon Jan  1 11:00:00 2001\r\nSubject: 2\r\n\r\nbody\r\n\r\n"
    b"From - \nSubject: 3\n\n\nFrom this\nand that\n"
)


@pytest.mark.parametrize("piece", [16, 64, 1 << 20])
def test_mbox(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_PIECE", piece)
    assert [raw for _, raw in split_mbox(io.BytesIO(MBOX))] == [
        b"Subject: 1\n\nFrom here on it is text\nFrom quoted\n>From twice\n",
        b"Subject: 2\r\n\r\nbody\r\n",
        b"Subject: 3\n\n\nFrom this\nand that\n",
    ]


@pytest.mark.parametrize("piece", [7, 1000, 1 << 20])
def test_large_mbox_in_pieces(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_PIECE", piece * 1000)
    bodies = [b"Subject: %d\n\n" % number + b"line of text\n" * (1 + number * 97 % 3000) for number in range(60)]
    file = io.BytesIO(b"".join(b"From a@b Mon Jan  1 10:00:00 2001\n" + body + b"\n" for body in bodies))
    assert [raw for _, raw in split_mbox(file)] == bodies


def test_message_too_large_for_mail_is_skipped_in_an_mbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sources, "MAX_MESSAGE", 100_000)
    monkeypatch.setattr(sources, "_PIECE", 10_000)
    path = tmp_path / "a.mbox"
    separator = b"From a@b Mon Jan  1 10:00:00 2001\n"
    path.write_bytes(
        separator
        + b"Subject: 1\n\n\n"
        + separator
        + b"Subject: 2\n\n"
        + b"x\n" * 200_000
        + b"\n"
        + separator
        + b"Subject: 3\n\n"
    )
    found = read(path)
    assert [type(item) for item in found] == [Item, Unreadable, Item]
    assert isinstance(found[2], Item)
    assert found[2].raw == b"Subject: 3\n"
    assert isinstance(found[1], Unreadable)
    assert found[1].source == f"{path}:2"


def test_mbox_that_is_one_endless_line_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "MAX_MESSAGE", 100_000)
    monkeypatch.setattr(sources, "_PIECE", 10_000)
    file = io.BytesIO(b"From a@b Mon Jan  1 10:00:00 2001\nX: " + b"x" * 1_000_000 + b"\n\nFrom c@d\nSubject: 2\n")
    assert [raw for _, raw in split_mbox(file)] == [None, b"Subject: 2\n"]


def test_maildir(tmp_path: Path) -> None:
    root = maildir(tmp_path / "Maildir")
    (root / "cur" / "1.host:2,RS").write_bytes(b"1")
    (root / "new" / "2.host").write_bytes(b"2")
    (root / "tmp" / "3.host").write_bytes(b"3")
    (root / "dovecot.index").write_bytes(b"From index")
    sub = maildir(root / ".Lists.B&APw-cher")
    (sub / "cur" / "4.host:2,").write_bytes(b"4")
    assert [(item.raw, item.flags, item.folder) for item in items(root)] == [
        (b"1", Flags(read=True, replied=True), ()),
        (b"2", Flags(), ()),
        (b"4", Flags(), ("Lists", "Bücher")),
    ]


def test_maildir_flags() -> None:
    assert maildir_flags("1.host:2,DFPRST") == Flags(
        read=True, flagged=True, replied=True, forwarded=True, draft=True, deleted=True
    )
    assert maildir_flags("1.host,S=12:2,Sa") == Flags(read=True)
    assert maildir_flags("1.host;2,F") == Flags(flagged=True)
    assert maildir_flags("1.host") == Flags()


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        (".Sent", ("Sent",)),
        (".a.b", ("a", "b")),
        (".R&-D", ("R&D",)),
        (".&U,BTFw-", ("台北",)),
        ("plain.dir", ("plain.dir",)),
    ],
)
def test_maildir_folder_names(name: str, folder: tuple[str, ...]) -> None:
    assert maildir_folder(name) == folder


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        ("Status: RO", Flags(read=True)),
        ("Status: O", Flags()),
        ("Status: RO\nX-Status: AFTD", Flags(read=True, replied=True, flagged=True, draft=True, deleted=True)),
        ("X-Mozilla-Status: 0017", Flags(read=True, replied=True, flagged=True)),
        ("X-Mozilla-Status: 1009", Flags(read=True, forwarded=True, deleted=True)),
        ("X-Mozilla-Status: zz", Flags()),
        ("Subject: status: R", Flags()),
    ],
)
def test_status_fields(header: str, flags: Flags) -> None:
    assert status_flags(f"{header}\n\nStatus: RO".encode()) == flags


def test_empty_and_missing_files_are_reported(tmp_path: Path) -> None:
    (tmp_path / "empty.eml").write_bytes(b"\n")
    assert read(tmp_path / "empty.eml", tmp_path / "none.eml") == [
        Unreadable(str(tmp_path / "empty.eml"), "empty", b"\n"),
        Unreadable(str(tmp_path / "none.eml"), "No such file or directory"),
    ]


def test_size_for_the_progress_bar(tmp_path: Path) -> None:
    root = maildir(tmp_path / "Maildir")
    (root / "cur" / "1:2,").write_bytes(b"12345")
    assert total_size([root, root / "cur" / "1:2,", tmp_path / "none"]) == 10
