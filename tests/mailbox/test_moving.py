"""Messages on their way: to other folders and mailboxes, with everything that belongs to them."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from mapigw.mailbox.content import blob_uses, decode_children, decode_properties
from mapigw.mailbox.folders import change_folder
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NamedPropertiesExhaustedError, NewMessage
from mapigw.mailbox.moving import Identity, Place, copy_folder, copy_messages, move_folder, move_messages
from mapigw.mailbox.permissions import Accessor
from mapigw.mailbox.progress import Progress
from mapigw.mailbox.provision import create_mailbox
from mapigw.mailbox.removing import delete_folder, delete_messages
from mapigw.mailbox.renumbering import named_ids
from mapigw.mailbox.search_folders import SearchFlags, search_criteria, set_search_criteria
from mapigw.mailbox.synchronization import SyncState, contents_changes
from mapigw.store.database import Database
from mapigw.store.messages import MessageRow
from mapigw.store.removing import Encoded
from mapigw.wire import tags
from mapigw.wire.globset import CounterSet
from mapigw.wire.message import Attachment, Message
from mapigw.wire.properties import NamedTag, PropertyName, PropertyType
from mapigw.wire.restrictions import ExistRestriction
from tests.emsmdb.folders import blob_counts, fill, folder_counts, table_rows

OWNER = Accessor(frozenset(), is_owner=True)
INBOX, SENT, SEARCHES, DRAFTS = 5, 7, 11, 16
COMMON = UUID("00062008-0000-0000-C000-000000000046")
NAMES = [NamedTag(PropertyName(COMMON, lid=0x8500 + number), PropertyType.STRING) for number in range(6)]
TEXT = NamedTag(PropertyName(COMMON, name="text"), PropertyType.STRING)
LARGE = NamedTag(PropertyName(COMMON, name="large"), PropertyType.BINARY)


def rich_message() -> Message:
    """With named properties, small and large, wherever a message can have them."""
    inner = Message(
        {NAMES[3]: "embedded", LARGE: b"e" * 9000, tags.PidTagBody: "inner"},
        recipients=[{tags.PidTagDisplayName: "Inner", NAMES[4]: "inner recipient"}],
        attachments=[Attachment({tags.PidTagAttachDataBinary: b"deep" * 3000, NAMES[5]: "deep", LARGE: b"d" * 9000})],
    )
    return Message(
        {
            tags.PidTagSubject: "rich",
            NAMES[0]: "own",
            TEXT: "own text",
            LARGE: b"x" * 9000,
            tags.PidTagBody: "b" * 9000,
        },
        recipients=[{tags.PidTagDisplayName: "Anna", NAMES[1]: "recipient", LARGE: b"r" * 9000}],
        attachments=[
            Attachment({tags.PidTagAttachDataBinary: b"data" * 3000, NAMES[2]: "attachment", LARGE: b"a" * 9000}),
            Attachment({tags.PidTagAttachMethod: 5}, embedded=inner),
        ],
    )


async def named(mailbox: Mailbox, values: dict[int, Any]) -> dict[Any, Any]:
    """Properties with the names of those that are named."""
    names = await mailbox.property_names()
    return {(names[tag >> 16], tag & 0xFFFF) if tag >= 0x8000_0000 else tag: value for tag, value in values.items()}


async def everything(mailbox: Mailbox, row: MessageRow) -> list[dict[Any, Any]]:
    """All properties of a message, its recipients, its attachments and what is embedded in them."""
    content = decode_children(row.children, row.children_index)
    content.properties = decode_properties(row.properties, row.properties_index)
    return [await named(mailbox, values) for values in content.property_sets()]


async def only_row(mailbox: Mailbox, folder_id: int) -> MessageRow:
    (message_id,) = await mailbox.message_ids(folder_id, associated=False)
    row = await mailbox.message(message_id)
    assert row is not None
    return row


@pytest.mark.parametrize("keep", [False, True])
async def test_named_properties_have_the_other_mailboxs_ids(mailbox: Mailbox, second: Mailbox, keep: bool) -> None:
    await second.property_ids([PropertyName(COMMON, lid=number) for number in range(20)], create=True)
    await second.property_ids([NAMES[2].property_name], create=True)
    ids = await mailbox.append(INBOX, [NewMessage(rich_message())])
    before = await only_row(mailbox, INBOX)
    transfer = copy_messages if keep else move_messages
    assert not await transfer(mailbox, OWNER, INBOX, ids, Place(second, DRAFTS), progress=Progress())
    after = await only_row(second, DRAFTS)
    theirs = named_ids([Encoded(*(getattr(after, name) for name in Encoded._fields))])
    ours = named_ids([Encoded(*(getattr(before, name) for name in Encoded._fields))])
    assert len(ours) == len(theirs) == 8
    assert not ours & theirs - set(await second.property_names())
    assert await everything(second, after) == await everything(mailbox, before)
    # What a download sends is the stored bytes: only the ids in them are others.
    assert (len(after.properties), len(after.children)) == (len(before.properties), len(before.children))
    assert after.children_index == before.children_index
    assert await blob_counts(second) == dict(Counter(digest for digest, _size in blob_uses(after)))
    assert bool(await blob_counts(mailbox)) == keep


async def test_a_mailbox_without_free_ids_takes_no_messages(
    mailbox: Mailbox, second: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await mailbox.append(INBOX, [NewMessage(rich_message())])
    monkeypatch.setattr("mapigw.mailbox.mailboxes.LAST_NAMED_PROPERTY", 0x8002)
    with pytest.raises(NamedPropertiesExhaustedError):
        await move_messages(mailbox, OWNER, INBOX, ids, Place(second, DRAFTS), progress=Progress())
    assert await folder_counts(mailbox, INBOX) == (1, 1, 0)
    assert await folder_counts(second, DRAFTS) == (0, 0, 0)


async def test_named_properties_of_folders(mailbox: Mailbox, second: Mailbox) -> None:
    ids = await mailbox.property_ids([TEXT.property_name], create=True)
    await second.property_ids([PropertyName(COMMON, lid=1)], create=True)
    folder = await mailbox.create_folder(INBOX, "Own")
    await change_folder(mailbox, folder.folder_id, {ids[TEXT.property_name] << 16 | 0x1F: "kept"})
    await copy_folder(
        mailbox, OWNER, folder.folder_id, Place(second, DRAFTS), "Copy", recursive=True, progress=Progress()
    )
    (copied,) = await second.children(DRAFTS)
    values = decode_properties(copied.properties, copied.properties_index)
    assert await named(second, values) == {(TEXT.property_name, 0x1F): "kept"}


async def test_an_import_brings_its_own_identity(mailbox: Mailbox) -> None:
    """A client that has moved a message says what it is now (MS-OXCFXICS 3.2.5.9.4.4)."""
    first, second = await fill(mailbox, INBOX, 2)
    new_id = await mailbox.reserve_ids(10)
    before = await mailbox.message(first)
    assert before is not None
    identity = Identity(new_id, b"s" * 22, b"c" * 22, b"p" * 23, before.change_number)
    await move_messages(
        mailbox,
        OWNER,
        INBOX,
        [first, second],
        Place(mailbox, DRAFTS),
        progress=Progress(),
        identities={first: identity},
    )
    row = await mailbox.message(new_id)
    assert row is not None
    assert (row.source_key, row.change_key, row.predecessor_change_list) == (b"s" * 22, b"c" * 22, b"p" * 23)
    assert row.modified == before.modified
    others = [item for item in await mailbox.message_ids(DRAFTS, associated=False) if item != new_id]
    assert len(others) == 1
    assert others[0] not in {first, second, new_id}


async def test_synchronizations_see_both_sides(mailbox: Mailbox) -> None:
    ids = await fill(mailbox, INBOX, 3)
    state = SyncState()
    state.idset_given = CounterSet((item, item) for item in ids)
    last = max([row[0] for row in await table_rows(mailbox, "message", "change_number")])
    for seen in (state.cnset_seen, state.cnset_seen_fai, state.cnset_read):
        seen.add_range(1, last)
    options: dict[str, Any] = {
        "normal": True,
        "associated": True,
        "read_state": True,
        "deletions": True,
        "newest_first": True,
    }
    await move_messages(mailbox, OWNER, INBOX, ids[:2], Place(mailbox, DRAFTS), progress=Progress())
    there = await contents_changes(mailbox, DRAFTS, state, **options)
    assert {change.message_id for change in there.changed} == set(await mailbox.message_ids(DRAFTS, associated=False))
    here = await contents_changes(mailbox, INBOX, state, **options)
    assert all(item in here.deleted for item in ids[:2])
    assert ids[2] not in here.deleted
    assert here.changed == []


# Search folders follow


async def searching(mailbox: Mailbox, *scope: int) -> int:
    """A search folder, filled, that shows every message with a subject."""
    folder = await mailbox.create_folder(SEARCHES, f"Found {scope}")
    async with mailbox.database.write() as connection:
        await connection.exec_driver_sql("UPDATE folder SET folder_type = 2 WHERE folder_id = ?", (folder.folder_id,))
    flags = SearchFlags.RESTART_SEARCH | SearchFlags.RECURSIVE_SEARCH
    await set_search_criteria(mailbox, folder.folder_id, ExistRestriction(tags.PidTagSubject), scope, flags)
    for _ in range(200):
        if not (await search_criteria(mailbox, folder.folder_id)).search_flags & 0x2:  # SEARCH_REBUILD
            return folder.folder_id
        await asyncio.sleep(0.02)
    raise AssertionError("the search does not end")


async def shown(mailbox: Mailbox, folder_id: int) -> set[int]:
    """The messages that a search folder shows; its counts must agree."""
    rows = await table_rows(mailbox, "search_result", "folder_id, message_id")
    found = {message_id for place, message_id in rows if place == folder_id}
    folder = await mailbox.folder(folder_id)
    assert folder is not None
    assert folder.content_count == folder.content_unread_count == len(found)
    return found


async def test_search_folders_lose_what_is_gone(mailbox: Mailbox) -> None:
    own = (await mailbox.create_folder(INBOX, "Own")).folder_id
    first, second, third = await fill(mailbox, INBOX, 3)
    (inside,) = await fill(mailbox, own)
    search = await searching(mailbox, INBOX)
    assert await shown(mailbox, search) == {first, second, third, inside}
    await delete_messages(mailbox, OWNER, INBOX, [first], hard=False, progress=Progress())
    assert await shown(mailbox, search) == {second, third, inside}
    await delete_messages(mailbox, OWNER, search, [second], hard=True, progress=Progress())
    assert await shown(mailbox, search) == {third, inside}
    assert await folder_counts(mailbox, INBOX) == (1, 1, 0)
    await move_messages(mailbox, OWNER, search, [third], Place(mailbox, DRAFTS), progress=Progress())
    assert await shown(mailbox, search) == {inside}
    await delete_folder(mailbox, OWNER, own, with_messages=True, with_folders=True, hard=False, progress=Progress())
    assert await shown(mailbox, search) == set()


async def test_search_folders_show_what_comes(mailbox: Mailbox) -> None:
    search = await searching(mailbox, DRAFTS)
    ids = await fill(mailbox, INBOX, 2)
    await copy_messages(mailbox, OWNER, INBOX, ids, Place(mailbox, DRAFTS), progress=Progress())
    assert await shown(mailbox, search) == set(await mailbox.message_ids(DRAFTS, associated=False))
    again = await copy_folder(
        mailbox, OWNER, search, Place(mailbox, SEARCHES), "Again", recursive=True, progress=Progress()
    )
    assert not again
    copied = await mailbox.child_by_name(SEARCHES, "Again")
    assert copied is not None
    assert (await search_criteria(mailbox, copied.folder_id)).folder_ids == (DRAFTS,)
    await delete_folder(
        mailbox, OWNER, search, with_messages=False, with_folders=False, hard=False, progress=Progress()
    )
    assert await folder_counts(mailbox, DRAFTS) == (2, 2, 0)


# Many of them


async def test_a_move_of_1000_messages_is_quick(mailbox: Mailbox) -> None:
    ids = await fill(mailbox, INBOX, 1000)
    began = time.process_time()
    assert not await move_messages(mailbox, OWNER, INBOX, ids, Place(mailbox, DRAFTS), progress=Progress())
    assert time.process_time() - began < 2
    assert await folder_counts(mailbox, DRAFTS) == (1000, 1000, 0)


async def test_an_abort_ends_between_two_transactions(mailbox: Mailbox) -> None:
    ids = await fill(mailbox, INBOX, 300)
    progress = Progress(aborted=True)
    assert await move_messages(mailbox, OWNER, INBOX, ids, Place(mailbox, DRAFTS), progress=progress)
    assert (progress.completed, progress.total) == (0, 300)
    assert await folder_counts(mailbox, INBOX) == (300, 300, 0)


async def test_a_deep_tree_is_moved_and_deleted(mailbox: Mailbox) -> None:
    top = parent = (await mailbox.create_folder(INBOX, "Top")).folder_id
    for _ in range(60):
        parent = (await mailbox.create_folder(parent, "Below")).folder_id
    await fill(mailbox, parent)
    assert not await move_folder(mailbox, OWNER, top, Place(mailbox, DRAFTS), "Top", progress=Progress())
    for hard in (False, True):
        if hard:  # the soft-deleted ones go with the folder that they were in
            holder = (await mailbox.create_folder(SENT, "Holder")).folder_id
            async with mailbox.database.write() as connection:
                await connection.exec_driver_sql("UPDATE folder SET parent_id = ? WHERE folder_id = ?", (holder, top))
            top = holder
        assert not await delete_folder(
            mailbox, OWNER, top, with_messages=True, with_folders=True, hard=hard, progress=Progress()
        )
    assert len(await table_rows(mailbox, "folder")) == 27
    assert await table_rows(mailbox, "message") == []


MOVER = """
import asyncio, sys
from pathlib import Path
from mapigw.mailbox.mailboxes import Mailboxes
from mapigw.mailbox.moving import Place, move_messages
from mapigw.mailbox.permissions import Accessor
from mapigw.mailbox.progress import Progress
from mapigw.store.database import Database

async def main():
    database = await Database.open(Path(sys.argv[1]))
    first, second = [await Mailboxes(database).open(int(number)) for number in sys.argv[2:4]]
    ids = await first.message_ids(5, associated=False)
    progress = Progress()
    owner = Accessor(frozenset(), is_owner=True)
    moving = asyncio.create_task(move_messages(first, owner, 5, ids, Place(second, 16), progress=progress))
    while progress.completed < int(sys.argv[4]):
        await asyncio.sleep(0.001)
    print("moving", flush=True)
    await moving

asyncio.run(main())
"""


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("acknowledged", [0, 400])
async def test_kill_9_in_the_middle_of_a_move(tmp_path: Path, far: bool, acknowledged: int) -> None:
    """Each batch is moved or not: nothing is there twice, nothing is lost, and everything counts as it should."""
    database = await Database.open(tmp_path)
    async with database.write() as connection:
        numbers = [await create_mailbox(connection, uuid4()) for _ in range(2)]
    mailbox = await Mailboxes(database).open(numbers[0])
    await fill(mailbox, INBOX, 1000)
    expected = sorted(f"{INBOX}/{number}" for number in range(1000))
    await database.close()
    arguments = [str(tmp_path), str(numbers[0]), str(numbers[int(far)]), str(acknowledged)]
    process = subprocess.Popen([sys.executable, "-c", MOVER, *arguments], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"moving\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    database = await Database.open(tmp_path)
    mailboxes = [await Mailboxes(database).open(number) for number in numbers]
    found = []
    for item in mailboxes:
        counted: Counter[bytes] = Counter()
        for folder_id in (INBOX, DRAFTS):
            await folder_counts(item, folder_id)
            ids = await item.message_ids(folder_id, associated=False)
            assert len(ids) % 200 == 0
            for row in (await item.messages(folder_id, ids)).values():
                found.append(str(row.subject))
                counted.update(digest for digest, _size in blob_uses(row))
        counted.update(row[0] for row in await table_rows(item, "message_mime", "mime"))
        assert await blob_counts(item) == counted
        originals = {row[0] for row in await table_rows(item, "message_mime", "message_id")}
        assert originals == {row[0] for row in await table_rows(item, "message", "message_id")}
    assert sorted(found) == expected
    assert len(await mailboxes[int(far)].message_ids(DRAFTS, associated=False)) >= acknowledged
    await database.close()
