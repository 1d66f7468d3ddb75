"""Search folders follow what happens to messages and folders (MS-OXCFOLD 3.2.5.4), or do not."""

import asyncio
from typing import Any

import pytest

from mapigw.mailbox import search as search_module
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes
from mapigw.mailbox.permissions import Rights
from mapigw.mailbox.search_folders import resume
from mapigw.store import search as search_store
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import (
    AndRestriction,
    BitMaskRestriction,
    ExistRestriction,
    NotRestriction,
    PropertyRestriction,
    RelationalOperator,
)
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.delegates import ADD, ANN, entry, log_on_as, modify
from tests.emsmdb.messages import open_message, save, set_values
from tests.emsmdb.searches import (
    RECURSIVE,
    RESTART,
    SEARCH_COMPLETE,
    SEARCH_RUNNING,
    STATIC,
    STOP,
    append,
    counts,
    criteria,
    finished,
    make,
    remove,
    search,
    shown,
    state,
    subject,
)

UNREAD = BitMaskRestriction(0, tags.PidTagMessageFlags, 0x1)
READ = NotRestriction(UNREAD)


@pytest.fixture
async def inbox(own_mailbox: Mailbox) -> int:
    return (await own_mailbox.special_folder("inbox")).folder_id


@pytest.fixture
async def drafts(own_mailbox: Mailbox) -> int:
    return (await own_mailbox.special_folder("drafts")).folder_id


async def row(mailbox: Mailbox, message_id: int) -> MessageRow:
    found = await mailbox.message(message_id)
    assert found is not None
    return found


async def open_folder(client: Client, folder_id: int) -> int:
    await client.value("OpenFolder", LOGON, folder_id=ObjectId(1, folder_id), open_mode_flags=0)
    return client.last


async def set_read(client: Client, folder_id: int, message_id: int, flags: int) -> None:
    slot = await open_folder(client, folder_id)
    ids = [ObjectId(1, message_id)]
    await client.value("SetReadFlags", slot, want_asynchronous=0, read_flags=flags, message_ids=ids)


async def transfer(client: Client, source: int, target: int, message_id: int, *, copy: bool) -> None:
    """``source`` is a slot."""
    destination = await open_folder(client, target)
    value = await client.value(
        "MoveCopyMessages",
        source,
        dest_handle_index=destination,
        message_ids=[ObjectId(1, message_id)],
        want_asynchronous=0,
        want_copy=copy,
    )
    assert not value.partial_completion


@pytest.mark.spec("MS-OXCFOLD_R1096")
async def test_saved_messages_start_and_cease_to_match(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    first, second = await append(own_mailbox, inbox, "report", "other")
    slot, folder_id = await make(client)
    await search(client, slot, subject("report"), [inbox])
    message = await open_message(client, second, key="inbox")
    await set_values(client, message, {tags.PidTagSubject: "a long Report", tags.PidTagBody: "x" * 500})
    assert await shown(client, slot) == [first]
    await save(client, message)
    assert await shown(client, slot) == [first, second]
    size = (await row(own_mailbox, first)).size + (await row(own_mailbox, second)).size
    assert await counts(own_mailbox, folder_id) == (2, 2, size)
    await set_values(client, message, {tags.PidTagSubject: "changed"})
    await save(client, message)
    assert await shown(client, slot) == [first]
    assert await counts(own_mailbox, folder_id) == (1, 1, (await row(own_mailbox, first)).size)


async def test_a_message_that_grows_counts_for_its_size(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    (message_id,) = await append(own_mailbox, inbox, "report")
    slot, folder_id = await make(client)
    await search(client, slot, subject("report"), [inbox])
    before = await own_mailbox.folder(folder_id)
    message = await open_message(client, message_id, key="inbox")
    await set_values(client, message, {tags.PidTagBody: "x" * 5000})
    await save(client, message)
    after = await own_mailbox.folder(folder_id)
    assert before is not None
    assert after is not None
    assert after.content_size == (await row(own_mailbox, message_id)).size > before.content_size + 5000
    assert after.content_change_number > before.content_change_number


async def test_read_messages_leave_the_unread_ones(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    first, second = await append(own_mailbox, inbox, "one", "two")
    slot, folder_id = await make(client)
    await search(client, slot, UNREAD, [inbox])
    everything, everything_id = await make(client, "Everything")
    await search(client, everything, ExistRestriction(tags.PidTagSubject), [inbox])
    assert await shown(client, slot) == [first, second]
    await set_read(client, inbox, first, 0)
    assert await shown(client, slot) == [second]
    assert (await counts(own_mailbox, folder_id))[:2] == (1, 1)
    assert (await counts(own_mailbox, everything_id))[:2] == (2, 1)
    await set_read(client, inbox, first, 4)
    assert await shown(client, slot) == [first, second]
    assert (await counts(own_mailbox, everything_id))[:2] == (2, 2)


@pytest.mark.spec("MS-OXCFOLD_R1095")
async def test_moved_messages_enter_and_leave(client: Client, own_mailbox: Mailbox, inbox: int, drafts: int) -> None:
    first, second = await append(own_mailbox, inbox, "report", "report")
    slot, folder_id = await make(client)
    await search(client, slot, subject("report"), [drafts])
    assert await shown(client, slot) == []
    await transfer(client, await open_folder(client, inbox), drafts, first, copy=False)
    (moved,) = await shown(client, slot)
    assert (await row(own_mailbox, moved)).folder_id == drafts
    await transfer(client, await open_folder(client, inbox), drafts, second, copy=True)
    assert len(await shown(client, slot)) == 2
    assert (await counts(own_mailbox, folder_id))[:2] == (2, 2)
    await transfer(client, await open_folder(client, drafts), inbox, moved, copy=False)
    assert len(await shown(client, slot)) == 1
    assert (await counts(own_mailbox, folder_id))[:2] == (1, 1)


async def test_messages_move_and_go_through_a_search_folder(
    client: Client, own_mailbox: Mailbox, inbox: int, drafts: int
) -> None:
    first, second, third = await append(own_mailbox, inbox, "report", "report", "report")
    slot, folder_id = await make(client)
    await search(client, slot, subject("report"), [inbox])
    await transfer(client, slot, drafts, first, copy=False)
    assert await shown(client, slot) == [second, third]
    await remove(client, folder_id, second)
    assert await own_mailbox.message(second) is None
    await remove(client, folder_id, third, hard=True)
    assert await own_mailbox.message(third) is None
    assert await shown(client, slot) == []
    assert await counts(own_mailbox, folder_id) == (0, 0, 0)


@pytest.mark.parametrize("hard", [False, True])
async def test_deleted_messages_leave(client: Client, own_mailbox: Mailbox, inbox: int, hard: bool) -> None:
    first, second = await append(own_mailbox, inbox, "report", "report")
    slot, folder_id = await make(client)
    await search(client, slot, subject("report"), [inbox])
    await remove(client, inbox, first, hard=hard)
    assert await shown(client, slot) == [second]
    assert (await counts(own_mailbox, folder_id))[:2] == (1, 1)


@pytest.mark.spec("MS-OXCFOLD_R1094")
async def test_a_static_search_folder_does_not_follow_deletions(
    client: Client, own_mailbox: Mailbox, inbox: int
) -> None:
    """Its links stay until the next search; a message that is gone has no row to show."""
    first, second = await append(own_mailbox, inbox, "report", "report")
    slot, folder_id = await make(client)
    await search(client, slot, subject("report"), [inbox], STATIC)
    before = await own_mailbox.folder(folder_id)
    await remove(client, inbox, first)
    await set_read(client, inbox, second, 0)
    assert await own_mailbox.folder(folder_id) == before
    async with own_mailbox.database.read() as connection:
        links = await search_store.select_results_of(connection, own_mailbox.mailbox_id, [first, second])
    assert {link.message_id for link in links} == {first, second}
    await search(client, slot, None, [], RESTART | STATIC)
    assert (await counts(own_mailbox, folder_id))[:2] == (1, 0)


async def test_a_recursive_search_follows_its_folders(
    client: Client, own_mailbox: Mailbox, inbox: int, drafts: int
) -> None:
    slot, folder_id = await make(client)
    await search(client, slot, subject("report"), [inbox], RECURSIVE)
    shallow, _ = await make(client, "Shallow")
    await search(client, shallow, subject("report"), [inbox])
    below = await own_mailbox.create_folder(inbox, "Later")
    deeper = await own_mailbox.create_folder(below.folder_id, "Deeper")
    (message_id,) = await append(own_mailbox, deeper.folder_id, "report")
    assert await shown(client, slot) == [message_id]
    assert await shown(client, shallow) == []
    for parent, found in ((drafts, []), (inbox, [message_id])):
        source = await open_folder(client, inbox if parent == drafts else drafts)
        destination = await open_folder(client, parent)
        value = await client.value(
            "MoveFolder",
            source,
            dest_handle_index=destination,
            want_asynchronous=0,
            use_unicode=1,
            folder_id=ObjectId(1, below.folder_id),
            new_folder_name="Later",
        )
        assert not value.partial_completion
        await finished(client, slot)
        assert await shown(client, slot) == found
        assert (await counts(own_mailbox, folder_id))[0] == len(found)
    source = await open_folder(client, inbox)
    await client.value("DeleteFolder", source, delete_folder_flags=0x05, folder_id=ObjectId(1, below.folder_id))
    assert await shown(client, slot) == []
    assert await counts(own_mailbox, folder_id) == (0, 0, 0)


async def test_a_search_within_a_search_folder(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    """As Outlook does when the user searches while a search folder is open."""
    first, _second, third = await append(own_mailbox, inbox, "report alpha", "report beta", "memo alpha")
    outer, outer_id = await make(client, "Outer")
    await search(client, outer, subject("report"), [inbox])
    inner, inner_id = await make(client, "Inner")
    await search(client, inner, subject("alpha"), [outer_id])
    assert await shown(client, inner) == [first]
    (fourth,) = await append(own_mailbox, inbox, "report alpha again")
    assert await shown(client, inner) == [first, fourth]
    await remove(client, inbox, first)
    assert await shown(client, inner) == [fourth]
    await client.value("SetSearchCriteria", outer, **criteria(subject("memo"), [inbox]))
    await finished(client, outer)
    await finished(client, inner)
    assert await shown(client, inner) == [third]
    assert (await counts(own_mailbox, inner_id))[:2] == (1, 1)


@pytest.mark.spec("MS-OXCFOLD_R417")
async def test_deleting_a_search_folder_leaves_the_messages(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    (message_id,) = await append(own_mailbox, inbox, "report")
    slot, folder_id = await make(client)
    await search(client, slot, subject("report"), [inbox])
    finder = await own_mailbox.special_folder("search")
    parent = await open_folder(client, finder.folder_id)
    value = await client.value("DeleteFolder", parent, delete_folder_flags=0x00, folder_id=ObjectId(1, folder_id))
    assert not value.partial_completion
    assert await own_mailbox.folder(folder_id) is None
    assert (await row(own_mailbox, message_id)).folder_id == inbox
    async with own_mailbox.database.read() as connection:
        assert await search_store.select_search_folders(connection, own_mailbox.mailbox_id) == []
        assert await search_store.select_results_of(connection, own_mailbox.mailbox_id, [message_id]) == []


async def test_nothing_is_made_in_a_search_folder(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    slot, folder_id = await make(client)
    await search(client, slot, subject("report"), [inbox])
    fields = {"code_page_id": 0x0FFF, "folder_id": ObjectId(1, folder_id), "associated_flag": False}
    await client.error("CreateMessage", LOGON, **fields)
    (message_id,) = await append(own_mailbox, inbox, "report")
    destination = await open_folder(client, folder_id)
    moving = client.request(
        "MoveCopyMessages",
        await open_folder(client, inbox),
        dest_handle_index=destination,
        message_ids=[ObjectId(1, message_id)],
        want_asynchronous=0,
        want_copy=False,
    )
    (answer,) = await client.send(moving)
    assert answer.return_value == 0x460


async def test_a_search_that_was_cut_off_goes_on_when_the_mailbox_is_opened(
    client: Client, own_mailbox: Mailbox, mailboxes: Mailboxes, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = await append(own_mailbox, inbox, *["report"] * 5)
    slot, folder_id = await make(client)
    monkeypatch.setattr(mailboxes.database, "start", lambda name, work: None)
    await client.value("SetSearchCriteria", slot, **criteria(subject("report"), [inbox]))
    await asyncio.sleep(0.05)
    assert await state(client, slot) & SEARCH_RUNNING
    monkeypatch.undo()
    await client.log_on()
    await client.value("OpenFolder", LOGON, folder_id=ObjectId(1, folder_id), open_mode_flags=0)
    slot = client.last
    await finished(client, slot)
    assert await shown(client, slot) == wanted
    assert await state(client, slot) & SEARCH_COMPLETE


async def test_a_long_search_lets_the_session_work(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    """The table fills while it searches."""
    wanted = await append(own_mailbox, inbox, *["report"] * 1000)
    slot, folder_id = await make(client)
    everything = AndRestriction((subject("report"), NotRestriction(ExistRestriction(tags.PidTagBody))))
    await client.value("SetSearchCriteria", slot, **criteria(everything, [inbox]))
    seen = set()
    while await state(client, slot) & SEARCH_RUNNING:
        seen.add((await counts(own_mailbox, folder_id))[0])
    assert len(seen) > 2
    assert await shown(client, slot) == wanted
    await resume(own_mailbox)


async def test_properties_nobody_knows_match_nothing(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    (message_id,) = await append(own_mailbox, inbox, "report")
    slot, _ = await make(client)
    for tag in (0x9ABC0003, 0x66660003, 0xFFFE0003):
        unknown = PropertyRestriction(RelationalOperator.EQUAL, tag, (tag, 1))
        await search(client, slot, unknown, [inbox])
        assert await shown(client, slot) == []
        await search(client, slot, NotRestriction(unknown), [inbox])
        assert await shown(client, slot) == [message_id]


async def test_a_mailbox_without_search_folders_is_asked_once(
    own_mailbox: Mailbox, inbox: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr(search_module, "apply", never)
    assert len(await append(own_mailbox, inbox, "report")) == 1


async def test_messages_open_and_become_read_through_a_search_folder(
    client: Client, own_mailbox: Mailbox, inbox: int, drafts: int
) -> None:
    first, other = await append(own_mailbox, inbox, "report", "other")
    (second,) = await append(own_mailbox, drafts, "report")
    slot, folder_id = await make(client)
    await search(client, slot, subject("report"), [inbox, drafts])
    opening: dict[str, Any] = {"code_page_id": 0x0FFF, "open_mode_flags": 1}
    await client.value("OpenMessage", folder_id=ObjectId(1, folder_id), message_id=ObjectId(1, first), **opening)
    message = client.last
    assert await client.properties(message, tags.PidTagParentFolderId) == [ObjectId(1, inbox).to_integer()]
    await set_values(client, message, {tags.PidTagBody: "changed"})
    await save(client, message)
    wrong: dict[str, Any] = {"folder_id": ObjectId(1, folder_id), "message_id": ObjectId(1, other)} | opening
    assert await client.error("OpenMessage", **wrong) == ErrorCode.NotFound
    await set_read(client, folder_id, second, 0)
    await set_read(client, folder_id, other, 0)
    assert [(await row(own_mailbox, item)).is_read for item in (first, second, other)] == [False, True, False]
    await client.value("SetReadFlags", slot, want_asynchronous=0, read_flags=0, message_ids=[])
    assert [(await row(own_mailbox, item)).is_read for item in (first, second, other)] == [True, True, False]
    assert (await counts(own_mailbox, folder_id))[:2] == (2, 0)
    assert (await counts(own_mailbox, inbox))[:2] == (2, 1)
    assert (await counts(own_mailbox, drafts))[:2] == (1, 0)


async def test_nobody_searches_what_they_may_not_read(client: Client, own_mailbox: Mailbox, inbox: int) -> None:
    below = await own_mailbox.create_folder(inbox, "Private")
    slot, folder_id = await make(client)
    ann = await log_on_as(client, ANN)
    readable = entry(ADD, dn=ANN.legacy_dn, rights=int(Rights.ReadAny | Rights.FolderVisible))
    await modify(client, await open_folder(client, inbox), readable)
    owned = Rights.FolderOwner | Rights.ReadAny | Rights.FolderVisible
    await modify(client, slot, entry(ADD, dn=ANN.legacy_dn, rights=int(owned)))
    hers = await open_folder(ann, folder_id)
    await search(ann, hers, subject("report"), [inbox])
    for fields in (
        criteria(subject("report"), [inbox], RECURSIVE),
        criteria(subject("report"), [inbox, below.folder_id]),
        criteria(None, [], RECURSIVE | RESTART),
    ):
        assert await ann.error("SetSearchCriteria", hers, **fields) == ErrorCode.AccessDenied
    other, other_id = await make(client, "Other")
    await search(client, other, subject("report"), [inbox])
    await modify(client, other, entry(ADD, dn=ANN.legacy_dn, rights=int(Rights.FolderVisible)))
    hers = await open_folder(ann, other_id)
    asked = {"use_unicode": 1, "include_restriction": 1, "include_folders": 1}
    assert await ann.error("GetSearchCriteria", hers, **asked) == ErrorCode.AccessDenied
    assert await ann.error("SetSearchCriteria", hers, **criteria(None, [], STOP)) == ErrorCode.AccessDenied
