"""A new profile downloads its mailbox, and what it holds is what the source messages say."""

import mailbox
import warnings
from pathlib import Path

import pytest

from tests.outlook.conftest import ARCHIVE, MAIL, source_files
from tests.outlook.profile import Profile
from tests.outlook.server import Server, add_user, command, import_mail
from tests.outlook.source import Source, body_of, moment, squeezed, text_of, without_tags
from tests.outlook.streams import Attachment, MessageContent
from tests.outlook.synchronization import Changes, Message

# Where the email package reads less than there is.
MISREAD = {
    "plain_emails/raw_email_with_at_display_name.eml": "an @ in a display name makes it an address",
}

SOURCES = [str(path.relative_to(MAIL)) for path in source_files()]


def _in_import_order(profile: Profile, folder: str) -> list[Message]:
    """Message ids ascend with time."""
    messages = profile.folder(folder).messages
    return [messages[key] for key in sorted(messages, key=lambda key: key[1]) if not messages[key].associated]


@pytest.fixture(scope="module")
def inbox(tom: Profile) -> dict[str, Message]:
    messages = _in_import_order(tom, "Inbox")
    assert len(messages) == len(SOURCES)
    return dict(zip(SOURCES, messages, strict=True))


def test_a_new_profile_downloads_everything(created: tuple[Profile, Changes]) -> None:
    profile, changes = created
    assert changes.messages == len(SOURCES)
    assert len(_in_import_order(profile, "Inbox")) == len(SOURCES)
    assert profile.account is not None
    assert profile.account.display_name == "Tom Bauer"
    assert profile.account.address == "tom@bm.lan"


@pytest.mark.parametrize("name", SOURCES)
def test_each_message_is_what_its_source_says(inbox: dict[str, Message], name: str) -> None:
    source = Source.read((MAIL / name).read_bytes())
    if name in MISREAD:
        source.recipients.clear()
    _compare(source, inbox[name].content)


def _compare(source: Source, content: MessageContent) -> None:
    properties = content.properties
    if source.subject is not None:
        assert squeezed(text_of(properties, 0x0037) or "") == squeezed(source.subject)
    if source.date is not None:
        assert moment(properties[0x00390040]) == source.date.replace(microsecond=0)
    if source.sender is not None:
        addresses = {text_of(properties, 0x5D02), text_of(properties, 0x0065)}
        assert source.sender.lower() in {address.lower() for address in addresses if address}
    for kind, expected in source.recipients.items():
        if expected:
            found = [r for r in content.recipients if r[0x0C150003] & 0xF == kind]
            assert [(text_of(r, 0x39FE) or text_of(r, 0x3003) or "").lower() for r in found] == [
                address.lower() for address in expected
            ]
    if source.signed:
        _compare_signed(source, content)
    else:
        _compare_bodies(source, content)
        _compare_attachments(source, content.attachments)


def _compare_signed(source: Source, content: MessageContent) -> None:
    """A clear-signed message is kept as it came, in one attachment (MS-OXOSMIME 2.1.3.1)."""
    (attachment,) = content.attachments
    assert text_of(content.properties, 0x001A) == "IPM.Note.SMIME.MultipartSigned"
    inside = Source.read(attachment.properties[0x37010102])
    assert [squeezed(text or "") for text in (inside.plain, inside.html)] == [
        squeezed(text or "") for text in (source.plain, source.html)
    ]
    assert inside.attachments == source.attachments


def _compare_bodies(source: Source, content: MessageContent) -> None:
    plain, html = body_of(content)
    if source.headers_end_early:  # the email package takes the rest of the headers for the body, the server does not
        return
    if source.html is not None:
        assert html is not None
        assert without_tags(source.html) in without_tags(html)
    elif source.plain is not None and squeezed(source.plain):
        assert plain is not None, "a message without a body"
        assert squeezed(plain).startswith(squeezed(source.plain))


def _compare_attachments(source: Source, attachments: list[Attachment]) -> None:
    data = [attachment.properties.get(0x37010102) for attachment in attachments if attachment.embedded is None]
    names = [text_of(attachment.properties, 0x3707) for attachment in attachments]
    for name, payload in source.attachments:
        assert payload in data or payload.replace(b"\n", b"\r\n") in data
        if name is not None:
            assert name.strip() in names
    embedded = [attachment.embedded for attachment in attachments if attachment.embedded is not None]
    assert len(embedded) == len(source.embedded)
    for inner, content in zip(source.embedded, embedded, strict=True):
        _compare(inner, content)


def test_a_list_archive_by_chained_buffers(anna: Profile) -> None:
    """The other user's profile asks for several buffers in one answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sources = [Source.read(bytes(message)) for message in mailbox.mbox(ARCHIVE)]
    messages = _in_import_order(anna, "List archive")
    assert len(messages) == len(sources)
    for source, message in zip(sources, messages, strict=True):
        _compare(source, message.content)


def test_a_second_synchronization_transfers_nothing(tom: Profile, anna: Profile) -> None:
    assert not tom.restart()
    assert not anna.restart()


def test_a_restart_with_the_stored_profile(server: Server, tom: Profile, tmp_path: Path) -> None:
    tom.save(tmp_path / "profile")
    again = Profile.load(tmp_path / "profile", server.web("tom@bm.lan"))
    assert not again.restart()
    assert len(again.messages("Inbox")) == len(SOURCES)


@pytest.mark.spec("MS-OXCFXICS_R1136")
def test_new_mail_arrives_alone(server: Server, tmp_path: Path) -> None:
    add_user(server.data, "max@bm.lan", "secret", "Max")
    profile = Profile(server.web("max@bm.lan"))
    profile.create()
    assert not profile.messages("Inbox")
    mail = tmp_path / "new.eml"
    mail.write_bytes(b"From: anna@bm.lan\r\nTo: max@bm.lan\r\nSubject: just now\r\n\r\nhello\r\n")
    import_mail(server.data, "max@bm.lan", [mail])
    changes = profile.restart()
    assert (changes.messages, changes.deletions, changes.read_states) == (1, 0, 0)
    (message,) = profile.messages("Inbox")
    assert text_of(message.content.properties, 0x0037) == "just now"
    assert not profile.restart()


def test_a_folder_made_by_an_import_appears(server: Server, tmp_path: Path) -> None:
    add_user(server.data, "eva@bm.lan", "secret", "Eva")
    profile = Profile(server.web("eva@bm.lan"))
    profile.create()
    mail = tmp_path / "new.eml"
    mail.write_bytes(b"From: anna@bm.lan\r\nSubject: filed\r\n\r\nhello\r\n")
    import_mail(server.data, "eva@bm.lan", [mail], "Projects")
    profile.restart()
    (message,) = profile.messages("Projects")
    assert text_of(message.content.properties, 0x0037) == "filed"
    assert not profile.restart()


def test_users_do_not_see_each_other(tom: Profile, anna: Profile) -> None:
    assert tom.logon is not None
    assert anna.logon is not None
    assert tom.logon.mailbox_guid != anna.logon.mailbox_guid
    assert tom.logon.replica_guid != anna.logon.replica_guid
    assert not anna.messages("Inbox")
    assert not any(folder.name == "List archive" for folder in tom.all_folders())


def test_the_command_line_counts_what_the_client_holds(server: Server, anna: Profile) -> None:
    done = command(server.data, "mailbox", "stat", "anna@bm.lan")
    assert done.returncode == 0
    line = next(line for line in done.stdout.splitlines() if "List archive" in line)
    assert str(len(anna.messages("List archive"))) in line


def test_the_program_by_itself(server: Server, tmp_path: Path) -> None:
    import subprocess
    import sys

    arguments = ["--url", server.url, "--address", "anna@bm.lan", "--password", "secret", "--insecure"]
    root = Path(__file__).parents[2]
    state = ["--state", str(tmp_path / "state")]
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-m", "tests.outlook", *arguments, *state],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "the second synchronization transferred nothing" in done.stdout
    refused = subprocess.run(
        [sys.executable, "-m", "tests.outlook", *arguments[:-2], "wrong", "--insecure"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "HTTP 401" in refused.stderr
