"""Import into a mailbox of a real store."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from mapigw.mail.importer import (
    BATCH_MESSAGES,
    FolderPathError,
    Importer,
    Summary,
    flag_properties,
    resolve_folder,
)
from mapigw.mail.names import FLAG_REQUEST
from mapigw.mail.sources import Flags, Item, Unreadable
from mapigw.mailbox.content import decode_properties
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage, NotFoundError
from mapigw.mailbox.provision import create_mailbox
from mapigw.store.database import Database
from mapigw.wire import tags


@pytest.fixture
async def mailbox(tmp_path: Path) -> AsyncIterator[Mailbox]:
    database = await Database.open(tmp_path / "data")
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, uuid4())
    yield await Mailboxes(database).open(mailbox_id)
    await database.close()


async def run(mailbox: Mailbox, items: Sequence[Item | Unreadable], folder: str = "Inbox") -> Summary:
    target = await resolve_folder(mailbox, folder)
    return await Importer(mailbox, target, mailbox.database.data / "unreadable").run(iter(items))


def mail(number: int, **more: object) -> Item:
    return Item(f"{number}.eml", f"Subject: {number}\n\nbody".encode(), **more)  # type: ignore[arg-type]


async def subjects(mailbox: Mailbox, folder_id: int) -> list[str]:
    ids = await mailbox.message_ids(folder_id, associated=False)
    found = []
    for row in (await mailbox.messages(folder_id, ids)).values():
        properties = decode_properties(row.properties, row.properties_index)
        found.append(properties[tags.PidTagSubject])
    return found


async def test_messages_arrive_with_their_mime(mailbox: Mailbox) -> None:
    summary = await run(mailbox, [mail(number) for number in range(2 * BATCH_MESSAGES + 1)])
    assert (summary.imported, summary.failures) == (2 * BATCH_MESSAGES + 1, [])
    inbox = await mailbox.special_folder("inbox")
    assert (inbox.content_count, inbox.content_unread_count) == (101, 101)
    assert sorted(await subjects(mailbox, inbox.folder_id), key=int) == [str(number) for number in range(101)]


async def test_progress_counts_messages_and_bytes(mailbox: Mailbox) -> None:
    steps: list[tuple[int, int]] = []
    target = await resolve_folder(mailbox, "Inbox")
    importer = Importer(mailbox, target, Path(), lambda messages, size: steps.append((messages, size)))
    items = [mail(number) for number in range(BATCH_MESSAGES + 5)]
    await importer.run(iter(items))
    assert [messages for messages, _ in steps] == [BATCH_MESSAGES, 5]
    assert sum(size for _, size in steps) == sum(len(item.raw) for item in items)


async def test_read_mail_is_read_and_drafts_are_unsent(mailbox: Mailbox) -> None:
    await run(mailbox, [mail(1, flags=Flags(read=True, draft=True)), mail(2)])
    inbox = await mailbox.special_folder("inbox")
    assert inbox.content_unread_count == 1
    ids = await mailbox.message_ids(inbox.folder_id, associated=False)
    rows = (await mailbox.messages(inbox.folder_id, ids)).values()
    assert sorted((row.is_read, row.message_flags & 0x0008) for row in rows) == [(False, 0), (True, 8)]


def test_flags_as_properties() -> None:
    assert flag_properties(Flags(replied=True)) == {tags.PidTagLastVerbExecuted: 102, tags.PidTagIconIndex: 0x105}
    assert flag_properties(Flags(forwarded=True)) == {tags.PidTagLastVerbExecuted: 104, tags.PidTagIconIndex: 0x106}
    assert flag_properties(Flags(flagged=True)) == {
        tags.PidTagFlagStatus: 2,
        tags.PidTagFollowupIcon: 6,
        tags.PidTagToDoItemFlags: 1,
        FLAG_REQUEST: "Follow up",
    }
    assert flag_properties(Flags(read=True)) == {}


async def test_mail_marked_for_deletion_goes_to_deleted_items(mailbox: Mailbox) -> None:
    await run(mailbox, [mail(1, flags=Flags(deleted=True)), mail(2)])
    assert (await mailbox.special_folder("deleted_items")).content_count == 1
    assert (await mailbox.special_folder("inbox")).content_count == 1


async def test_subfolders_of_a_maildir_become_subfolders(mailbox: Mailbox) -> None:
    await run(mailbox, [mail(1, folder=("Lists", "Python")), mail(2, folder=("lists",)), mail(3)], "Old mail")
    old = await resolve_folder(mailbox, "old MAIL")
    lists = await mailbox.child_by_name(old.folder_id, "Lists")
    assert lists is not None
    python = await mailbox.child_by_name(lists.folder_id, "Python")
    assert python is not None
    assert (old.content_count, lists.content_count, python.content_count) == (1, 1, 1)


async def test_folder_paths(mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    assert (await resolve_folder(mailbox, "INBOX")).folder_id == inbox.folder_id
    assert (await resolve_folder(mailbox, "sent items")).special == "sent_items"
    created = await resolve_folder(mailbox, "inbox/Projects/ 2024 ")
    assert created.name == "2024"
    assert (await resolve_folder(mailbox, "/Inbox/projects/2024/")).folder_id == created.folder_id
    with pytest.raises(FolderPathError):
        await resolve_folder(mailbox, " / ")


async def test_the_same_mail_twice_is_there_twice(mailbox: Mailbox) -> None:
    await run(mailbox, [mail(1)])
    await run(mailbox, [mail(1)])
    assert (await mailbox.special_folder("inbox")).content_count == 2


async def test_unreadable_mail_is_put_aside_and_the_import_goes_on(mailbox: Mailbox) -> None:
    summary = await run(
        mailbox, [mail(1), Unreadable("bad.eml", "empty", b"\n"), Unreadable("gone.eml", "No such file"), mail(2)]
    )
    assert summary.imported == 2
    bad, gone = summary.failures
    assert (bad.source, bad.reason) == ("bad.eml", "empty")
    assert bad.kept is not None
    assert bad.kept.parent == mailbox.database.data / "unreadable"
    assert bad.kept.read_bytes() == b"\n"
    assert gone.kept is None


class PickyMailbox(Mailbox):
    """Takes no message that speaks of poison."""

    error: Exception = ValueError("a value does not fit")

    async def append(self, folder_id: int, items: Sequence[NewMessage]) -> list[int]:
        if any("poison" in item.message.properties[tags.PidTagSubject] for item in items):
            raise self.error
        return await super().append(folder_id, items)


async def test_one_message_that_the_store_does_not_take_spoils_no_other(mailbox: Mailbox) -> None:
    mailbox.__class__ = PickyMailbox
    poison = Item("poison.eml", b"Subject: poison\n\n")
    summary = await run(mailbox, [mail(1), poison, mail(2)])
    assert summary.imported == 2
    (failure,) = summary.failures
    assert (failure.source, failure.reason) == ("poison.eml", "ValueError: a value does not fit")
    assert failure.kept is not None
    assert failure.kept.read_bytes() == poison.raw


async def test_a_store_that_cannot_be_written_ends_the_import(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    mailbox.__class__ = PickyMailbox
    monkeypatch.setattr(PickyMailbox, "error", NotFoundError("the folder does not exist"))
    with pytest.raises(NotFoundError):
        await run(mailbox, [mail(1), Item("poison.eml", b"Subject: poison\n\n")])
