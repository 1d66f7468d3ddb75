"""What a mailbox keeps, and what it tells of changes."""

from uuid import UUID

import pytest

from mapigw.mailbox.content import BlobValue, decode_children, decode_properties
from mapigw.mailbox.folders import change_folder
from mapigw.mailbox.mailboxes import FolderExistsError, Mailbox, Mailboxes, NewMessage, NotFoundError
from mapigw.mailbox.permissions import Accessor
from mapigw.mailbox.provision import delete_mailbox
from mapigw.mailbox.special_folders import SPECIAL_FOLDERS
from mapigw.mailbox.synchronization import ContentsChanges, SyncState, contents_changes, hierarchy_changes
from mapigw.store import mailboxes
from mapigw.store.database import Database
from mapigw.wire import tags
from mapigw.wire.globset import CounterSet
from mapigw.wire.message import Attachment, Message
from mapigw.wire.properties import NamedTag, PropertyName, PropertyType

OWNER = Accessor(frozenset(), is_owner=True)
COMMON = UUID("00062008-0000-0000-C000-000000000046")


def message(subject: str = "Hello") -> Message:
    return Message(
        {tags.PidTagSubject: subject, tags.PidTagNormalizedSubject: subject, tags.PidTagBody: "text"},
        recipients=[
            {tags.PidTagRecipientType: 1, tags.PidTagDisplayName: "Anna", tags.PidTagSmtpAddress: "anna@bm.lan"},
            {tags.PidTagRecipientType: 2, tags.PidTagDisplayName: "Tom", tags.PidTagSmtpAddress: "tom@bm.lan"},
        ],
    )


async def changes_of(mailbox: Mailbox, folder_id: int, state: SyncState, *, normal: bool = True) -> ContentsChanges:
    return await contents_changes(
        mailbox,
        folder_id,
        state,
        normal=normal,
        associated=True,
        read_state=True,
        deletions=True,
        newest_first=True,
    )


async def test_a_new_mailbox_has_every_special_folder_once(mailbox: Mailbox) -> None:
    rows = await mailbox.folders()
    assert [row.special for row in rows] == [special.key for special in SPECIAL_FOLDERS]
    assert len({row.change_number for row in rows} | {row.folder_id for row in rows}) == 2 * len(rows)
    assert (await mailbox.special_folder("inbox")).container_class == "IPF.Note"


async def test_what_was_written_is_kept(mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    name = PropertyName(COMMON, lid=0x8580)
    long_body = "ä" * 40_000
    written = message()
    written.properties[tags.PidTagBody] = long_body
    written.properties[NamedTag(name, PropertyType.STRING)] = "named"
    inner = message("inner")
    inner.attachments.append(Attachment({tags.PidTagAttachDataBinary: b"y" * 10000}))
    written.attachments += [
        Attachment({tags.PidTagAttachLongFilename: "a.bin", tags.PidTagAttachDataBinary: b"x" * 20000}),
        Attachment({tags.PidTagAttachMethod: 5}, embedded=inner),
    ]
    (message_id,) = await mailbox.append(inbox.folder_id, [NewMessage(written, mime=b"m" * 10000)])
    row = await mailbox.message(message_id)
    assert row is not None
    properties = decode_properties(row.properties, row.properties_index)
    body = properties[tags.PidTagBody]
    assert isinstance(body, BlobValue)
    assert (await mailbox.read_blob(body.digest)).decode("utf-16-le") == long_body + "\0"
    named_id = (await mailbox.property_ids([name], create=False))[name]
    assert properties[named_id << 16 | PropertyType.STRING] == "named"
    assert await mailbox.property_name(named_id) == name
    assert properties[tags.PidTagDisplayTo] == "Anna"
    assert properties[tags.PidTagDisplayCc] == "Tom"
    assert properties[tags.PidTagHasAttachments] is True
    decoded = decode_children(row.children, row.children_index)
    assert [item[tags.PidTagDisplayName] for item in decoded.recipients] == ["Anna", "Tom"]
    assert [item[tags.PidTagRowid] for item in decoded.recipients] == [0, 1]
    first, second = decoded.attachments
    data = first.properties[tags.PidTagAttachDataBinary]
    assert await mailbox.read_blob(data.digest, 5, 3) == b"xxx"
    assert data.size == 20000
    assert second.embedded is not None
    assert second.embedded.properties[tags.PidTagSubject] == "inner"
    assert len(second.embedded.recipients) == 2
    inner_data = second.embedded.attachments[0].properties[tags.PidTagAttachDataBinary]
    assert await mailbox.read_blob(inner_data.digest) == b"y" * 10000
    assert row.size > 20000 + 10000 + 80000


async def test_message_ids_stay_together_however_messages_arrive(mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    ids = []
    for count in (1, 3, 1, 20, 2):
        ids += await mailbox.append(inbox.folder_id, [NewMessage(Message()) for _ in range(count)])
    assert len(set(ids)) == len(ids)
    assert CounterSet.of(ids).range_count == 1


async def test_counts_follow_what_is_added(mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    await mailbox.append(
        inbox.folder_id,
        [NewMessage(message()), NewMessage(message(), is_read=True), NewMessage(message(), is_associated=True)],
    )
    inbox = await mailbox.special_folder("inbox")
    assert (inbox.content_count, inbox.content_unread_count, inbox.associated_count) == (2, 1, 1)
    assert inbox.content_size > 0
    assert inbox.associated_size > 0


async def test_adding_to_a_folder_that_is_gone_is_refused(mailbox: Mailbox) -> None:
    with pytest.raises(NotFoundError):
        await mailbox.append(4711, [NewMessage(message())])


async def test_sibling_folders_have_different_names(mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    made = await mailbox.create_folder(inbox.folder_id, "Projects")
    with pytest.raises(FolderExistsError):
        await mailbox.create_folder(inbox.folder_id, "PROJECTS")
    with pytest.raises(NotFoundError):
        await mailbox.create_folder(4711, "x")
    found = await mailbox.child_by_name(inbox.folder_id, "projects")
    assert found is not None
    assert found.folder_id == made.folder_id


async def test_named_property_ids_are_never_given_twice(database: Database, mailbox: Mailbox) -> None:
    first = PropertyName(COMMON, lid=1)
    second = PropertyName(COMMON, name="two")
    ids = await mailbox.property_ids([first], create=True)
    other_process = await Mailboxes(database).open(mailbox.mailbox_id)
    await other_process.property_ids([second], create=True)
    assert (await mailbox.property_ids([second], create=True))[second] == ids[first] + 1
    assert PropertyName(COMMON, lid=2) not in await mailbox.property_ids([PropertyName(COMMON, lid=2)], create=False)


async def test_folder_properties_are_kept_and_change_the_change_number(mailbox: Mailbox) -> None:
    subtree = await mailbox.special_folder("ipm_subtree")
    await change_folder(mailbox, subtree.folder_id, {0x7C040102: b"ost", tags.PidTagDisplayName: "Top"})
    changed = await mailbox.special_folder("ipm_subtree")
    assert changed.name == "Top"
    assert changed.change_number > subtree.change_number
    assert decode_properties(changed.properties, changed.properties_index) == {0x7C040102: b"ost"}


async def test_named_folder_properties_survive_a_restart(database: Database, mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    name = PropertyName(COMMON, name="fixupfbfolder")
    tag = (await mailbox.property_ids([name], create=True))[name] << 16 | PropertyType.BOOLEAN
    await change_folder(mailbox, inbox.folder_id, {tag: True})
    restarted = await Mailboxes(database).open(mailbox.mailbox_id)
    await change_folder(restarted, inbox.folder_id, {tags.PidTagComment: "kept"})
    changed = await restarted.special_folder("inbox")
    assert decode_properties(changed.properties, changed.properties_index) == {tag: True, tags.PidTagComment: "kept"}


async def test_a_client_with_no_state_gets_everything_newest_first(mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    old, new = message("old"), message("new")
    old.properties[tags.PidTagMessageDeliveryTime] = 130_000_000_000_000_000
    new.properties[tags.PidTagMessageDeliveryTime] = 131_000_000_000_000_000
    ids = await mailbox.append(inbox.folder_id, [NewMessage(old), NewMessage(new)])
    changes = await changes_of(mailbox, inbox.folder_id, SyncState())
    assert [change.message_id for change in changes.changed] == [ids[1], ids[0]]
    assert not changes.deleted


async def test_a_second_synchronization_transfers_nothing(mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    ids = await mailbox.append(inbox.folder_id, [NewMessage(message()), NewMessage(message(), is_associated=True)])
    last = (await changes_of(mailbox, inbox.folder_id, SyncState())).last_change_number
    seen = CounterSet([(1, last)])
    state = SyncState(CounterSet.of(ids), seen, seen.copy(), seen.copy())
    assert (await changes_of(mailbox, inbox.folder_id, state)).changed == []
    (later,) = await mailbox.append(inbox.folder_id, [NewMessage(message("later"))])
    assert [change.message_id for change in (await changes_of(mailbox, inbox.folder_id, state)).changed] == [later]


async def test_a_state_with_holes_gets_what_it_lacks(mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    ids = await mailbox.append(inbox.folder_id, [NewMessage(message(str(number))) for number in range(5)])
    changed = (await changes_of(mailbox, inbox.folder_id, SyncState())).changed
    seen = CounterSet.of(change.change_number for change in changed if change.message_id != ids[2])
    found = await changes_of(mailbox, inbox.folder_id, SyncState(CounterSet.of(ids), seen))
    assert [change.message_id for change in found.changed] == [ids[2]]


async def test_fai_only_says_nothing_of_normal_messages(mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    ids = await mailbox.append(inbox.folder_id, [NewMessage(message()), NewMessage(message(), is_associated=True)])
    changes = await changes_of(mailbox, inbox.folder_id, SyncState(), normal=False)
    assert [change.message_id for change in changes.changed] == [ids[1]]


async def test_the_hierarchy_lists_parents_before_children(mailbox: Mailbox) -> None:
    root = await mailbox.special_folder("root")
    changes = await hierarchy_changes(mailbox, OWNER, root.folder_id, SyncState(), deletions=True)
    known = {root.folder_id}
    for row in changes.changed:
        assert row.parent_id in known
        known.add(row.folder_id)
    assert len(changes.changed) == len(SPECIAL_FOLDERS) - 1
    state = SyncState(CounterSet.of(known), CounterSet([(1, changes.last_change_number)]))
    again = await hierarchy_changes(mailbox, OWNER, root.folder_id, state, deletions=True)
    assert again.changed == []
    assert not again.deleted


async def test_a_removed_mailbox_leaves_no_rows(database: Database, mailbox: Mailbox) -> None:
    inbox = await mailbox.special_folder("inbox")
    await mailbox.append(inbox.folder_id, [NewMessage(message())])
    async with database.write() as connection:
        await delete_mailbox(connection, mailbox.mailbox_id)
    with pytest.raises(NotFoundError):
        await Mailboxes(database).open(mailbox.mailbox_id)
    assert await mailbox.folders() == []


async def test_a_new_block_of_message_ids_never_overlaps(database: Database, mailbox: Mailbox) -> None:
    taken: set[int] = set()
    for count in (40_000, 30_000, 70_000, 1):
        async with database.write() as connection:
            first = await mailboxes.allocate_message_ids(connection, mailbox.mailbox_id, count)
            change_number = await mailboxes.allocate(connection, mailbox.mailbox_id)
        ids = set(range(first, first + count))
        assert not taken & ids
        assert change_number not in taken | ids
        taken |= ids | {change_number}


@pytest.mark.parametrize(
    ("size", "bodies", "out_of_line"),
    [
        (20_000, ("PidTagHtml", "PidTagBody"), {"PidTagBody"}),
        (20_000, ("PidTagBody",), set()),
        (70_000, ("PidTagHtml", "PidTagBody"), {"PidTagHtml", "PidTagBody"}),
    ],
)
async def test_the_body_that_is_sent_needs_no_file(
    mailbox: Mailbox, size: int, bodies: tuple[str, ...], out_of_line: set[str]
) -> None:
    inbox = await mailbox.special_folder("inbox")
    values = {name: "b" * size if name == "PidTagBody" else b"h" * size for name in bodies}
    item = Message({getattr(tags, name): value for name, value in values.items()})
    (message_id,) = await mailbox.append(inbox.folder_id, [NewMessage(item)])
    row = await mailbox.message(message_id)
    assert row is not None
    found = decode_properties(row.properties, row.properties_index)
    assert {name for name in bodies if isinstance(found[getattr(tags, name)], BlobValue)} == out_of_line
