"""mapigw mailbox export, as an administrator calls it, and imports of what it wrote."""

import asyncio
import mailbox as python_mailbox
from email import message_from_bytes
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mapigw.cli.mailbox import mailbox
from mapigw.directory.directory import Directory
from mapigw.mail.export.names import Names, modified_utf7, safe_name
from mapigw.mail.importer import Importer, resolve_folder
from mapigw.mail.sources import Flags, Item, maildir_folder, read_sources
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.store.database import Database
from mapigw.wire import tags
from tests.mail.corpus import messages
from tests.mail.exported import BEN, note
from tests.mail.lines import check
from tests.mail.test_vcards import CARD

PLAIN = (
    b"From: a@one.test\r\nTo: tom@bm.lan\r\nSubject: One\r\nMessage-ID: <1@one.test>\r\n"
    b"\r\nFrom here\r\n>From there\r\nend"
)
EVENT = (
    b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1@x.test\r\nDTSTAMP:20240101T000000Z\r\n"
    b"DTSTART:20240116T120000Z\r\nDTEND:20240116T130000Z\r\nSUMMARY:Lunch\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


async def fill(data: Path) -> None:
    database = await Database.open(data)
    directory = Directory(database)
    user = await directory.add("tom@bm.lan", "a long password")
    opened = await Mailboxes(database).open(user.mailbox_id)
    await put(opened, "Inbox", Item("1", PLAIN, Flags(read=True, flagged=True, replied=True)))
    await put(opened, "Inbox/Größe: A&B/..", Item("2", PLAIN.replace(b"One", b"Two"), Flags(draft=True)))
    await put(opened, "Inbox/cur", Item("3", PLAIN.replace(b"One", b"Three"), Flags(forwarded=True)))
    target = await resolve_folder(opened, "Made here")
    dn = user.legacy_dn
    made = note({tags.PidTagSubject: "Made", tags.PidTagMessageFlags: 8}, BEN)
    made.recipients[0] |= {tags.PidTagAddressType: "EX", tags.PidTagEmailAddress: dn}
    del made.recipients[0][tags.PidTagSmtpAddress]
    await opened.append(target.folder_id, [NewMessage(made)])
    await database.close()


async def put(opened: Mailbox, folder: str, *items: Item) -> None:
    target = await resolve_folder(opened, folder)
    summary = await Importer(opened, target, Path("/nonexistent")).run(iter(items))
    assert summary.imported == len(items)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    asyncio.run(fill(tmp_path / "data"))
    return tmp_path / "data"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(mailbox, [str(argument) for argument in arguments])


def export(data: Path, form: str, directory: Path, *more: object) -> Result:
    result = run("export", "tom@bm.lan", "--format", form, directory, "--data", data, *more)
    assert result.exit_code == 0, result.output
    return result


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def test_single_files_are_what_came(data: Path, tmp_path: Path) -> None:
    result = export(data, "eml", tmp_path / "out")
    assert result.output.startswith("4 messages (")
    found = files(tmp_path / "out")
    assert [name.split("/")[:-1] for name in found] == [
        ["Inbox"],
        ["Inbox", "Größe_ A&B", "_"],
        ["Inbox", "cur"],
        ["Made here"],
    ]
    (one,) = (tmp_path / "out" / "Inbox").glob("*.eml")
    assert one.name.endswith(" One.eml")
    assert one.read_bytes() == PLAIN
    (made,) = (tmp_path / "out" / "Made here").glob("*.eml")
    check(made.read_bytes())
    mail = message_from_bytes(made.read_bytes())
    assert (mail["To"], mail["X-Unsent"]) == ("Ben Brown <tom@bm.lan>", "1")


def test_maildirs_tell_what_was_done(data: Path, tmp_path: Path) -> None:
    export(data, "maildir", tmp_path / "out")
    inbox = python_mailbox.Maildir(tmp_path / "out" / "Inbox", create=False)
    (message,) = inbox
    assert (message["Subject"], message.get_flags(), message.get_subdir()) == ("One", "FRS", "cur")
    (path,) = (entry for entry in (tmp_path / "out" / "Inbox" / "cur").iterdir() if entry.is_file())
    assert path.read_bytes() == PLAIN


def test_what_is_exported_can_be_imported(data: Path, tmp_path: Path) -> None:
    export(data, "maildir", tmp_path / "out")
    items = {
        message_from_bytes(item.raw)["Subject"]: item
        for item in read_sources([tmp_path / "out"])
        if isinstance(item, Item)
    }
    assert items["One"].folder == ("Inbox",)
    assert items["One"].flags == Flags(read=True, flagged=True, replied=True)
    assert items["Two"].folder == ("Inbox", "Größe_ A&B", "_")
    assert items["Two"].flags.draft is True
    assert items["Three"].folder == ("Inbox", "_cur")
    assert items["Three"].flags.forwarded is True


def test_mbox_files_tell_what_was_done(data: Path, tmp_path: Path) -> None:
    export(data, "mbox", tmp_path / "out")
    path = tmp_path / "out" / "Inbox.mbox"
    assert path.read_bytes().startswith(b"From a@one.test ")
    assert b"\r" not in path.read_bytes()
    archive = python_mailbox.mbox(path, create=False)
    (message,) = archive
    archive.close()
    assert set(message.get_flags()) == set("ROFA")
    (item,) = (entry for entry in read_sources([path]) if isinstance(entry, Item))
    assert item.flags == Flags(read=True, flagged=True, replied=True)
    assert item.raw.partition(b"\n\n")[2].rstrip(b"\n") == b"From here\n>From there\nend"
    assert (tmp_path / "out" / "Inbox" / "cur.mbox").exists()


def test_one_folder_can_be_exported(data: Path, tmp_path: Path) -> None:
    result = export(data, "eml", tmp_path / "out", "--folder", "made HERE")
    assert result.output.startswith("1 messages (")
    assert [name.split("/")[0] for name in files(tmp_path / "out")] == ["Made here"]


def test_what_cannot_be_done(data: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    result = run("export", "tom@bm.lan", "--format", "eml", tmp_path / "full", "--data", data)
    assert result.exit_code == 1
    assert "is not an empty directory" in result.output
    result = run("export", "tom@bm.lan", "--format", "eml", tmp_path / "out", "--folder", "None", "--data", data)
    assert "there is no folder None" in result.output
    result = run("export", "nobody@bm.lan", "--format", "eml", tmp_path / "out", "--data", data)
    assert result.exit_code == 1
    assert run("export", "tom@bm.lan", tmp_path / "out", "--data", data).exit_code == 2


def test_a_damaged_message_is_named_and_the_others_are_written(data: Path, tmp_path: Path) -> None:
    big = PLAIN + b"\r\n" + b"x" * 60 * 1024
    (tmp_path / "big.eml").write_bytes(big)
    assert run("import", "tom@bm.lan", tmp_path / "big.eml", "--data", data).exit_code == 0
    for path in (data / "blobs").rglob("*"):
        if path.is_file():
            path.unlink()
    for form in ("eml", "mbox", "maildir"):
        result = run("export", "tom@bm.lan", "--format", form, tmp_path / form, "--data", data)
        assert result.exit_code == 3
        assert "MissingBlobError" in result.output
        assert "4 messages (" in result.output
        assert not [name for name in files(tmp_path / form) if "/tmp/" in name]


def test_cards_and_calendars_go_to_the_folders_of_their_kind(data: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "people.vcf").write_bytes(CARD + CARD.replace(b"Anna", b"Berta"))
    (tmp_path / "in" / "events.ics").write_bytes(EVENT)
    (tmp_path / "in" / "none.vcf").write_bytes(b"nothing")
    result = run("import", "tom@bm.lan", tmp_path / "in", "--data", data)
    assert result.exit_code == 3
    assert "none.vcf: no vCard" in result.output
    assert "3 messages (" in result.output
    export(data, "eml", tmp_path / "out")
    assert [name for name in files(tmp_path / "out") if name.startswith(("Contacts", "Calendar"))] == [
        "Calendar/Lunch.ics",
        "Contacts/Dr. Anna Maria Müller.vcf",
        "Contacts/Dr. Berta Maria Müller.vcf",
    ]
    again = run("import", "tom@bm.lan", tmp_path / "out", "--folder", "Again", "--data", data)
    assert again.exit_code == 0, again.output
    assert again.output.startswith("7 messages (")


def test_the_whole_corpus_comes_out_as_it_came(tmp_path: Path) -> None:
    async def fill_corpus() -> None:
        database = await Database.open(tmp_path / "data")
        user = await Directory(database).add("tom@bm.lan", "a long password")
        opened = await Mailboxes(database).open(user.mailbox_id)
        await put(opened, "Inbox", *(Item(name, raw) for name, raw in messages()))
        await database.close()

    asyncio.run(fill_corpus())
    export(tmp_path / "data", "eml", tmp_path / "out")
    found = sorted(path.read_bytes() for path in (tmp_path / "out" / "Inbox").iterdir())
    assert found == sorted(raw for _name, raw in messages())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Inbox", "Inbox"),
        ("a/b\\c:d", "a_b_c_d"),
        ("..", "_"),
        (".hidden", "_hidden"),
        ("", "_"),
        ("con", "_con"),
        ("COM1.txt", "_COM1.txt"),
        ("end. ", "end"),
        ("x" * 300, "x" * 120),
        ("ä" * 300, "ä" * 60),
        ("\ud800\r\n\0", "_"),
    ],
)
def test_names_are_safe(name: str, expected: str) -> None:
    assert safe_name(name) == expected


def test_names_in_one_directory_differ() -> None:
    names = Names()
    assert [names.take(name, ".eml") for name in ("a", "A", "a", "x" * 300, "x" * 300)] == [
        "a.eml",
        "A (2).eml",
        "a (3).eml",
        "x" * 120 + ".eml",
        "x" * 30 + " (2).eml",
    ]


def test_maildir_names_are_what_servers_write() -> None:
    """RFC 3501 5.1.3."""
    assert modified_utf7("~peter/mail/台北/日本語") == "~peter/mail/&U,BTFw-/&ZeVnLIqe-"
    assert modified_utf7("A&B") == "A&-B"
    assert maildir_folder(modified_utf7("Größe & more")) == ("Größe & more",)
    assert Names().take("cur", maildir=True) == "_cur"
