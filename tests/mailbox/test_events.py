"""What transactions say, and who hears of it: in this process, and from others."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from mapigw.mailbox.events import ORIGIN, Changes, Event, Kind, changing, note
from mapigw.mailbox.folders import change_folder, create_folder
from mapigw.mailbox.foreign_changes import publish_foreign_changes
from mapigw.mailbox.mailboxes import FolderExistsError, Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.moving import Place, copy_folder, copy_messages, move_folder, move_messages
from mapigw.mailbox.permissions import Accessor
from mapigw.mailbox.progress import Progress
from mapigw.mailbox.provision import create_mailbox
from mapigw.mailbox.read_state import ReadFlags, set_message_status, set_read_flags
from mapigw.mailbox.removing import delete_folder, delete_messages
from mapigw.mailbox.search_folders import SearchFlags, set_search_criteria
from mapigw.store import mailboxes as store
from mapigw.store.database import Database
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.restrictions import ExistRestriction

OWNER = Accessor(frozenset(), is_owner=True)
SUBTREE, INBOX, SENT, DRAFTS, SEARCHES = 4, 5, 7, 16, 11
NEW, CREATED, DELETED, MODIFIED, MOVED, COPIED, COMPLETE = Kind


class Ear:
    """What was heard."""

    def __init__(self) -> None:
        self.changes: list[Changes] = []

    def __call__(self, changes: Changes) -> None:
        self.changes.append(changes)

    def take(self) -> list[Event]:
        found = [event for changes in self.changes for event in changes.events]
        self.changes.clear()
        return found

    def kinds(self) -> list[tuple[Kind, int]]:
        """(kind, the message or else the folder)"""
        return [(event.kind, event.message_id or event.folder_id) for event in self.take()]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "data")
    yield database
    await database.close()


@pytest.fixture
async def here(database: Database) -> Mailboxes:
    return Mailboxes(database)


@pytest.fixture
async def mailbox(here: Mailboxes) -> Mailbox:
    return await made(here)


@pytest.fixture
async def ear(mailbox: Mailbox) -> Ear:
    """Hears of the mailbox."""
    ear = Ear()
    await mailbox.hub.subscribe(mailbox.mailbox_id, ear)
    return ear


async def made(mailboxes: Mailboxes) -> Mailbox:
    async with mailboxes.database.write() as connection:
        mailbox_id = await create_mailbox(connection, uuid4())
    return await mailboxes.open(mailbox_id)


async def append(mailbox: Mailbox, folder_id: int, count: int = 1, **options: Any) -> list[int]:
    items = [NewMessage(Message({tags.PidTagSubject: str(number)}), **options) for number in range(count)]
    return await mailbox.append(folder_id, items)


def folder_modified(
    folder_id: int, total: int | None = None, unread: int | None = None, parent: int = SUBTREE
) -> Event:
    return Event(MODIFIED, folder_id, parent_id=parent, total=total, unread=unread)


# What is said


async def test_appended_messages_are_created_and_those_that_are_unread_are_new_mail(mailbox: Mailbox, ear: Ear) -> None:
    (new,) = await append(mailbox, INBOX)
    assert ear.take() == [
        Event(CREATED, INBOX, new),
        Event(NEW, INBOX, new, message_class="IPM.Note"),
        folder_modified(INBOX, 1, 1),
    ]
    (old,) = await append(mailbox, INBOX, is_read=True)
    (associated,) = await append(mailbox, INBOX, is_associated=True)
    assert ear.take() == [
        Event(CREATED, INBOX, old),
        folder_modified(INBOX, 2, 1),
        Event(CREATED, INBOX, associated, is_associated=True),
        folder_modified(INBOX),
    ]


async def test_read_state_and_status(mailbox: Mailbox, ear: Ear) -> None:
    first, second = await append(mailbox, INBOX, 2)
    ear.take()
    await set_read_flags(mailbox, INBOX, [first, second], 0)
    assert ear.take() == [
        Event(MODIFIED, INBOX, first),
        Event(MODIFIED, INBOX, second),
        folder_modified(INBOX, None, 0),
    ]
    await set_read_flags(mailbox, INBOX, [first], ReadFlags.SuppressReceipt)
    assert ear.take() == []
    await set_message_status(mailbox, first, status=8, mask=8)
    assert ear.take() == [Event(MODIFIED, INBOX, first), folder_modified(INBOX)]


async def test_moved_copied_deleted_and_recovered_messages(mailbox: Mailbox, ear: Ear) -> None:
    first, second = await append(mailbox, INBOX, 2)
    ear.take()
    await move_messages(mailbox, OWNER, INBOX, [first], Place(mailbox, SENT), progress=Progress())
    moved = ear.take()
    (there,) = await mailbox.message_ids(SENT, associated=False)
    assert moved == [
        Event(MOVED, SENT, there, old_folder_id=INBOX, old_message_id=first),
        folder_modified(SENT, 1, 1),
        folder_modified(INBOX, 1, 1),
    ] or moved == [
        Event(MOVED, SENT, there, old_folder_id=INBOX, old_message_id=first),
        folder_modified(INBOX, 1, 1),
        folder_modified(SENT, 1, 1),
    ]
    await copy_messages(mailbox, OWNER, SENT, [there], Place(mailbox, DRAFTS), progress=Progress())
    (copy,) = await mailbox.message_ids(DRAFTS, associated=False)
    assert ear.take() == [
        Event(COPIED, DRAFTS, copy, old_folder_id=SENT, old_message_id=there),
        folder_modified(DRAFTS, 1, 1),
    ]
    await delete_messages(mailbox, OWNER, INBOX, [second], hard=False, progress=Progress())
    assert ear.take() == [Event(DELETED, INBOX, second), folder_modified(INBOX, 0, 0)]
    await move_messages(mailbox, OWNER, INBOX, [second], Place(mailbox, INBOX), progress=Progress())
    (back,) = await mailbox.message_ids(INBOX, associated=False)
    assert ear.take() == [Event(CREATED, INBOX, back), folder_modified(INBOX, 1, 1)]


async def test_between_two_mailboxes(here: Mailboxes, mailbox: Mailbox, ear: Ear) -> None:
    other, other_ear = await made(here), Ear()
    await here.hub.subscribe(other.mailbox_id, other_ear)
    (sent,) = await append(mailbox, INBOX)
    ear.take()
    await move_messages(mailbox, OWNER, INBOX, [sent], Place(other, DRAFTS), progress=Progress())
    (there,) = await other.message_ids(DRAFTS, associated=False)
    assert ear.take() == [Event(DELETED, INBOX, sent), folder_modified(INBOX, 0, 0)]
    assert other_ear.take() == [Event(CREATED, DRAFTS, there), folder_modified(DRAFTS, 1, 1)]


async def test_folders(mailbox: Mailbox, ear: Ear) -> None:
    folder = (await create_folder(mailbox, INBOX, "New")).folder_id
    assert ear.take() == [Event(CREATED, folder, parent_id=INBOX), folder_modified(INBOX)]
    await change_folder(mailbox, folder, {tags.PidTagDisplayName: "Newer"})
    assert ear.take() == [folder_modified(folder, parent=INBOX)]
    await move_folder(mailbox, OWNER, folder, Place(mailbox, SENT), "New", progress=Progress())
    found = ear.take()
    assert found[0] == Event(MOVED, folder, parent_id=SENT, old_folder_id=folder, old_parent_id=INBOX)
    assert {event.folder_id for event in found[1:]} == {INBOX, SENT, folder} or {
        event.folder_id for event in found[1:]
    } == {INBOX, SENT}
    await copy_folder(mailbox, OWNER, folder, Place(mailbox, INBOX), "Copy", recursive=False, progress=Progress())
    (copied,) = [row.folder_id for row in await mailbox.children(INBOX)]
    assert ear.take() == [
        Event(COPIED, copied, parent_id=INBOX, old_folder_id=folder, old_parent_id=SENT),
        folder_modified(INBOX),
    ]
    for hard in (True, False):
        gone, parent = (copied, INBOX) if hard else (folder, SENT)
        await delete_folder(mailbox, OWNER, gone, with_messages=True, with_folders=True, hard=hard, progress=Progress())
        assert ear.take() == [Event(DELETED, gone, parent_id=parent), folder_modified(parent)]


async def test_search_folders(mailbox: Mailbox, ear: Ear) -> None:
    found = (await create_folder(mailbox, SEARCHES, "Found", folder_type=2)).folder_id
    (before,) = await append(mailbox, INBOX)
    ear.take()
    await set_search_criteria(mailbox, found, ExistRestriction(tags.PidTagSubject), [INBOX], SearchFlags.RESTART_SEARCH)
    started = ear.take()
    assert started[0] == Event(MODIFIED, found, is_emptied=True)
    events: list[Event] = []
    async with asyncio.timeout(10):
        while not events or events[-1].kind is not COMPLETE:
            events += ear.take()
            await asyncio.sleep(0.005)
    assert events == [
        Event(CREATED, INBOX, before, search_folder_id=found),
        folder_modified(found, 1, 1, SEARCHES),
        Event(COMPLETE, found),
    ]
    (after,) = await append(mailbox, INBOX)
    assert Event(CREATED, INBOX, after, search_folder_id=found) in ear.take()
    await set_read_flags(mailbox, INBOX, [after], 0)
    assert Event(MODIFIED, INBOX, after, search_folder_id=found) in ear.take()
    await delete_messages(mailbox, OWNER, INBOX, [before], hard=False, progress=Progress())
    gone = ear.take()
    assert Event(DELETED, INBOX, before, search_folder_id=found) in gone
    assert folder_modified(found, 1, 0, SEARCHES) in gone


# When it is published


async def test_what_is_undone_is_not_said(mailbox: Mailbox, ear: Ear) -> None:
    with pytest.raises(FolderExistsError):
        await create_folder(mailbox, SUBTREE, "Inbox")
    with pytest.raises(ZeroDivisionError):
        await _undone(mailbox)
    assert ear.changes == []
    await append(mailbox, INBOX)
    await publish_foreign_changes(mailbox.database, mailbox.hub)
    assert len(ear.changes) == 1


async def _undone(mailbox: Mailbox) -> None:
    async with changing(mailbox) as connection:
        await store.allocate(connection, mailbox.mailbox_id, 5)
        note(mailbox, Event(CREATED, INBOX, 1))
        raise ZeroDivisionError


async def test_a_listener_hears_of_committed_changes_only(mailbox: Mailbox) -> None:
    seen: list[int] = []

    async def look() -> None:
        seen.append(len(await mailbox.message_ids(INBOX, associated=False)))

    looks: list[asyncio.Task[None]] = []
    await mailbox.hub.subscribe(mailbox.mailbox_id, lambda _changes: looks.append(asyncio.create_task(look())))
    await append(mailbox, INBOX, 3)
    await asyncio.gather(*looks)
    assert seen == [3]


async def test_a_listener_that_fails_hinders_nobody(
    mailbox: Mailbox, ear: Ear, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(changes: Changes) -> None:
        raise ZeroDivisionError

    mailbox.hub.unsubscribe(mailbox.mailbox_id, ear)
    await mailbox.hub.subscribe(mailbox.mailbox_id, fails)
    await mailbox.hub.subscribe(mailbox.mailbox_id, ear)
    await append(mailbox, INBOX)
    assert len(ear.changes) == 1
    assert "cannot be announced" in caplog.text


async def test_nothing_is_kept_where_nobody_listens(mailbox: Mailbox, ear: Ear) -> None:
    mailbox.hub.unsubscribe(mailbox.mailbox_id, ear)
    mailbox.hub.unsubscribe(mailbox.mailbox_id, ear)
    assert not mailbox.hub.is_heard(mailbox.mailbox_id)
    await append(mailbox, INBOX)
    note(mailbox, Event(CREATED, INBOX, 1))
    assert ear.changes == []


async def test_a_transaction_that_goes_on_while_somebody_begins_to_listen(mailbox: Mailbox) -> None:
    """It has ended when the subscription is there, and is not heard of twice or late."""
    ear = Ear()
    async with changing(mailbox) as connection:
        subscribing = asyncio.create_task(mailbox.hub.subscribe(mailbox.mailbox_id, ear))
        await asyncio.sleep(0.01)
        assert not subscribing.done()
        await store.allocate(connection, mailbox.mailbox_id)
        note(mailbox, Event(CREATED, INBOX, 1))
    await subscribing
    await publish_foreign_changes(mailbox.database, mailbox.hub)
    assert ear.changes == []


async def test_on_whose_behalf(mailbox: Mailbox, ear: Ear) -> None:
    me = object()
    token = ORIGIN.set(me)
    await append(mailbox, INBOX)
    ORIGIN.reset(token)
    await append(mailbox, INBOX)
    assert [changes.origin for changes in ear.changes] == [me, None]


# Other processes, for which other Mailboxes of the same store stand


@pytest.fixture
async def elsewhere(mailbox: Mailbox) -> Mailbox:
    """The same mailbox, as another process has it."""
    return await Mailboxes(mailbox.database).open(mailbox.mailbox_id)


async def test_changes_of_other_processes(mailbox: Mailbox, elsewhere: Mailbox, ear: Ear) -> None:
    async def heard() -> list[Event]:
        await publish_foreign_changes(mailbox.database, mailbox.hub)
        return ear.take()

    assert await heard() == []
    first, second = await append(elsewhere, INBOX, 2)
    assert await heard() == [
        Event(CREATED, INBOX, first),
        Event(NEW, INBOX, first, message_class="IPM.Note"),
        Event(CREATED, INBOX, second),
        Event(NEW, INBOX, second, message_class="IPM.Note"),
        folder_modified(INBOX, 2, 2),
    ]
    assert await heard() == []
    await set_read_flags(elsewhere, INBOX, [first], 0)
    assert await heard() == [Event(MODIFIED, INBOX, first), folder_modified(INBOX, None, 1)]
    await delete_messages(elsewhere, OWNER, INBOX, [first], hard=False, progress=Progress())
    assert await heard() == [Event(DELETED, INBOX, first), folder_modified(INBOX, 1, 1)]
    folder = (await create_folder(elsewhere, INBOX, "New")).folder_id
    found = await heard()
    assert Event(CREATED, folder, parent_id=INBOX) in found
    assert folder_modified(INBOX) in found
    await delete_folder(elsewhere, OWNER, folder, with_messages=True, with_folders=True, hard=True, progress=Progress())
    assert Event(DELETED, folder, parent_id=INBOX) in await heard()


async def test_each_change_is_heard_of_once(mailbox: Mailbox, elsewhere: Mailbox, ear: Ear) -> None:
    """Whoever makes it, in whatever order, and whenever the others are looked for."""
    expected: list[int] = []

    async def write(target: Mailbox, folder_id: int) -> None:
        for number in range(30):
            expected.extend(await append(target, folder_id))
            if number % 7 == 3:
                await target.reserve_ids(5)

    async def look() -> None:
        while True:
            await publish_foreign_changes(mailbox.database, mailbox.hub)
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    await asyncio.gather(write(mailbox, INBOX), write(elsewhere, INBOX), write(elsewhere, SENT), write(mailbox, SENT))
    looking.cancel()
    await asyncio.wait({looking})
    await publish_foreign_changes(mailbox.database, mailbox.hub)
    events = ear.take()
    assert sorted(event.message_id for event in events if event.kind is CREATED) == sorted(expected)
    assert sorted(event.message_id for event in events if event.kind is NEW) == sorted(expected)
    last = {event.folder_id: (event.total, event.unread) for event in events if event.kind is MODIFIED}
    assert last == {INBOX: (60, 60), SENT: (60, 60)}


async def test_a_transaction_of_this_process_that_is_about_to_be_committed(
    mailbox: Mailbox, elsewhere: Mailbox, ear: Ear
) -> None:
    """Its numbers, which are behind those of the other process, hide nothing."""
    (message,) = await append(elsewhere, INBOX, is_read=True)
    async with mailbox.database.read() as connection:
        last = await store.last_counter(connection, mailbox.mailbox_id)
    mailbox.hub.claim(mailbox.mailbox_id, last, last + 7)
    await publish_foreign_changes(mailbox.database, mailbox.hub)
    assert ear.take() == [Event(CREATED, INBOX, message), folder_modified(INBOX, 1, 0)]


async def test_another_process_is_heard_within_a_second(here: Mailboxes, mailbox: Mailbox, elsewhere: Mailbox) -> None:
    heard = asyncio.Event()
    await here.listen(mailbox.mailbox_id, lambda _changes: heard.set())
    await append(elsewhere, INBOX)
    async with asyncio.timeout(1):
        await heard.wait()
