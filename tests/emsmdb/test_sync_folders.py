"""Folders that devices made, changed, moved and deleted (MS-OXCFXICS 2.2.3.2.4.3, 2.2.3.2.4.5, 3.2.5.9.4.3)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.permissions import CREATOR_RIGHTS, Rights
from mapigw.store.folders import Folder
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.fasttransfer import MetaTagCnsetSeen
from mapigw.wire.globset import IdSet
from mapigw.wire.primitives import ObjectId
from mapigw.wire.xid import PredecessorChangeList, Xid
from tests.emsmdb.client import Client
from tests.emsmdb.delegates import ANN, grant, log_on_as
from tests.emsmdb.folders import EVERYTHING, creating, delete_folder, open_folder, open_special
from tests.emsmdb.replica import Delta, Replica
from tests.emsmdb.searches import make
from tests.emsmdb.uploads import FIRST, LAPTOP, LATER, upload

NAME_LONGEST = 255


@pytest.fixture
async def root(own_mailbox: Mailbox) -> int:
    return (await own_mailbox.special_folder("ipm_subtree")).folder_id


def own(device: Replica, folder_id: int) -> Xid:
    return Xid.gid(device.replica_guid, folder_id)


async def send(
    device: Replica,
    root: int,
    key: Xid,
    name: str,
    *,
    parent: Xid | None = None,
    before: PredecessorChangeList | None = None,
    modified: int = FIRST,
    properties: Mapping[int, Any] = MappingProxyType({}),
    collector: int | None = None,
) -> tuple[int, PredecessorChangeList]:
    """(ReturnValue, predecessor change list) of an imported folder; the device keeps the state."""
    slot = await device.collector(root, contents=False) if collector is None else collector
    change = device.next_change()
    predecessors = (before or PredecessorChangeList()).with_change(change)
    client = device.client
    (answer,) = await client.send(
        client.request(
            "SynchronizationImportHierarchyChange",
            slot,
            hierarchy_values=[
                (tags.PidTagParentSourceKey, b"" if parent is None else parent.build()),
                *device.import_values(key, modified, change, predecessors),
                (tags.PidTagDisplayName, name),
            ],
            property_values=list(properties.items()),
        )
    )
    if not answer.return_value:
        assert answer.value.folder_id == ObjectId(0, 0)
        await device.keep_state(slot, root)
        device.given(root, key.counter)
    return answer.return_value, predecessors


async def delete(device: Replica, root: int, *keys: Xid, hard: bool = False) -> int:
    client = device.client
    (answer,) = await client.send(
        client.request(
            "SynchronizationImportDeletes",
            await device.collector(root, contents=False),
            import_delete_flags=0x01 | 0x02 * hard,
            property_values=[(0x00001102, [key.build() for key in keys])],
        )
    )
    return answer.return_value


async def row_of(mailbox: Mailbox, key: Xid | int) -> Folder:
    row = await mailbox.folder(key if isinstance(key, int) else key.counter)
    assert row is not None
    return row


def folders(delta: Delta) -> dict[str, dict[int, Any]]:
    return {change.values[tags.PidTagDisplayName]: change.values for change in delta.changes}


@pytest.mark.spec("MS-OXCFXICS_R816", "MS-OXCFXICS_R2235", "MS-OXCFXICS_R1890")
async def test_a_new_folder_comes_to_other_devices_as_it_was_sent(
    laptop: Replica, phone: Replica, root: int, own_mailbox: Mailbox
) -> None:
    await laptop.download_hierarchy(root)
    await phone.download_hierarchy(root)
    key = await laptop.new_key()
    properties = {tags.PidTagContainerClass: "IPF.Task", tags.PidTagComment: "mine", 0x36DF0102: b"opaque"}
    code, predecessors = await send(laptop, root, key, "Projects", properties=properties)
    assert code == 0
    row = await row_of(own_mailbox, key)
    assert row.change_number != key.counter
    seen = IdSet.parse_replguid(laptop.states[root][MetaTagCnsetSeen])
    assert row.change_number in seen.get(own_mailbox.replica_guid)
    assert not (await laptop.download_hierarchy(root)).changes
    (change,) = (await phone.download_hierarchy(root)).changes
    assert change.values[tags.PidTagSourceKey] == key.build()
    assert change.values[tags.PidTagFolderId] == ObjectId(1, key.counter).to_integer()
    assert change.values[tags.PidTagParentSourceKey] == b""
    assert change.values[tags.PidTagChangeKey] == Xid(LAPTOP, b"\0\0\0\1").build()
    assert change.values[tags.PidTagPredecessorChangeList] == predecessors.build()
    assert change.values[tags.PidTagLastModificationTime] == FIRST
    assert properties.items() <= change.values.items()


async def test_a_folder_is_renamed_and_moved(laptop: Replica, phone: Replica, root: int, own_mailbox: Mailbox) -> None:
    first, second = await laptop.new_key(), await laptop.new_key()
    _, before = await send(laptop, root, first, "first")
    await send(laptop, root, second, "second")
    await phone.download_hierarchy(root)
    code, _ = await send(laptop, root, first, "below", parent=second, before=before, modified=LATER)
    assert code == 0
    row = await row_of(own_mailbox, first)
    assert (row.parent_id, row.name, row.modified) == (second.counter, "below", LATER)
    change = folders(await phone.download_hierarchy(root))["below"]
    assert change[tags.PidTagParentSourceKey] == second.build()


async def test_a_folder_that_was_made_twice_is_there_once(laptop: Replica, root: int, own_mailbox: Mailbox) -> None:
    key = await laptop.new_key()
    await send(laptop, root, key, "Projects")
    laptop._change -= 1  # the same request, whose answer was lost
    code, _ = await send(laptop, root, key, "Projects")
    assert code == ErrorCode.IgnoreFailure
    code, _ = await send(laptop, root, key, "Older", before=PredecessorChangeList([Xid(LAPTOP, b"\0\0\0\0")]))
    assert code == 0  # the list counts, whatever the time
    assert (await row_of(own_mailbox, key)).name == "Older"


@pytest.mark.spec("MS-OXCFXICS_R2450")
async def test_a_folder_whose_parent_is_not_there_yet(laptop: Replica, root: int) -> None:
    key, parent = await laptop.new_key(), await laptop.new_key()
    assert (await send(laptop, root, key, "child", parent=parent))[0] == ErrorCode.NoParentFolder
    assert (await send(laptop, root, parent, "parent"))[0] == 0
    assert (await send(laptop, root, key, "child", parent=parent))[0] == 0


async def test_nothing_can_be_put_below_a_search_folder(laptop: Replica, client: Client, root: int) -> None:
    _, search = await make(client)
    code, _ = await send(laptop, root, await laptop.new_key(), "child", parent=own(laptop, search))
    assert code == ErrorCode.NoParentFolder


async def test_what_was_deleted_does_not_come_back(
    laptop: Replica, phone: Replica, client: Client, root: int, own_mailbox: Mailbox
) -> None:
    key = await laptop.new_key()
    _, before = await send(laptop, root, key, "Projects")
    await phone.download_hierarchy(root)
    await delete_folder(client, await open_folder(client, root), key.counter, EVERYTHING)
    assert (await send(laptop, root, key, "changed", before=before))[0] == ErrorCode.SyncObjectDeleted
    child = await laptop.new_key()
    assert (await send(laptop, root, child, "child", parent=key))[0] == ErrorCode.SyncObjectDeleted
    assert (await phone.download_hierarchy(root)).deleted == [key.counter]


async def test_a_folder_that_is_moved_below_a_deleted_one_stays_and_comes_down(
    laptop: Replica, client: Client, root: int, own_mailbox: Mailbox
) -> None:
    key, parent = await laptop.new_key(), await laptop.new_key()
    _, before = await send(laptop, root, key, "kept")
    await send(laptop, root, parent, "parent")
    await delete_folder(client, await open_folder(client, root), parent.counter, EVERYTHING)
    code, after = await send(laptop, root, key, "kept", parent=parent, before=before)
    assert code == 0
    assert (await row_of(own_mailbox, key)).parent_id == root
    delta = await laptop.download_hierarchy(root)
    change = folders(delta)["kept"]
    assert PredecessorChangeList.parse(change[tags.PidTagPredecessorChangeList]).includes(after)
    assert change[tags.PidTagPredecessorChangeList] != after.build()


async def test_subfolders_of_what_was_deleted_for_good_do_not_come_back(
    laptop: Replica, root: int, own_mailbox: Mailbox
) -> None:
    parent, child = await laptop.new_key(), await laptop.new_key()
    await send(laptop, root, parent, "parent")
    _, before = await send(laptop, root, child, "child", parent=parent)
    assert await delete(laptop, root, parent, hard=True) == 0
    assert (await send(laptop, root, child, "child", before=before))[0] == ErrorCode.SyncObjectDeleted


@pytest.mark.parametrize(("first", "second", "winner"), [(FIRST, LATER, "phone"), (LATER, FIRST, "laptop")])
async def test_the_last_writer_wins_a_conflict_and_everybody_gets_the_result(
    laptop: Replica, phone: Replica, root: int, own_mailbox: Mailbox, first: int, second: int, winner: str
) -> None:
    key = await laptop.new_key()
    _, before = await send(laptop, root, key, "start")
    await phone.download_hierarchy(root)
    _, laptops = await send(laptop, root, key, "laptop", before=before, modified=first)
    code, phones = await send(phone, root, key, "phone", before=before, modified=second)
    assert code == 0
    assert (await row_of(own_mailbox, key)).name == winner
    for device in (phone, laptop):
        change = folders(await device.download_hierarchy(root))[winner]
        assert change[tags.PidTagPredecessorChangeList] == laptops.merge(phones).build()


async def test_of_two_changes_at_the_same_time_the_server_s_stays(
    laptop: Replica, phone: Replica, root: int, own_mailbox: Mailbox
) -> None:
    key = await phone.new_key()
    _, before = await send(phone, root, key, "start")
    await laptop.download_hierarchy(root)
    await send(phone, root, key, "phone", before=before)
    await send(laptop, root, key, "laptop", before=before)
    assert (await row_of(own_mailbox, key)).name == "phone"


async def test_a_folder_that_was_changed_online_knows_what_it_was_before(
    laptop: Replica, client: Client, root: int, own_mailbox: Mailbox
) -> None:
    """Symptom: each rename in Outlook Web is a conflict for Outlook."""
    key = await laptop.new_key()
    _, before = await send(laptop, root, key, "start")
    slot = await open_folder(client, key.counter)
    await client.value("SetProperties", slot, property_values=[(tags.PidTagDisplayName, "renamed")])
    change = folders(await laptop.download_hierarchy(root))["renamed"]
    after = PredecessorChangeList.parse(change[tags.PidTagPredecessorChangeList])
    assert after == before.with_change(Xid.parse(change[tags.PidTagChangeKey]))
    assert (await send(laptop, root, key, "again", before=after))[0] == 0
    assert (await row_of(own_mailbox, key)).name == "again"


async def test_a_name_that_a_sibling_has_is_changed_and_comes_down(
    laptop: Replica, phone: Replica, root: int, own_mailbox: Mailbox
) -> None:
    """Symptom: Sync Issues fills with 80040604."""
    first, second = await laptop.new_key(), await phone.new_key()
    await laptop.download_hierarchy(root)
    await phone.download_hierarchy(root)
    await send(laptop, root, first, "Projects")
    code, sent = await send(phone, root, second, "PROJECTS")
    assert code == 0
    assert (await row_of(own_mailbox, second)).name == "PROJECTS (2)"
    change = folders(await phone.download_hierarchy(root))["PROJECTS (2)"]
    assert PredecessorChangeList.parse(change[tags.PidTagPredecessorChangeList]).includes(sent)
    assert change[tags.PidTagChangeKey] != Xid(phone.guid, b"\0\0\0\1").build()
    third = await laptop.new_key()
    name = "x" * NAME_LONGEST
    await send(laptop, root, third, name)
    await send(laptop, root, await laptop.new_key(), name)
    assert {row.name for row in await own_mailbox.children(root)} >= {name, "x" * (NAME_LONGEST - 4) + " (2)"}


@pytest.mark.parametrize("name", ["", "x" * (NAME_LONGEST + 1)])
async def test_impossible_names_are_refused(laptop: Replica, root: int, name: str) -> None:
    assert (await send(laptop, root, await laptop.new_key(), name))[0] == ErrorCode.InvalidParameter


async def test_the_name_of_a_default_folder_is_not_taken(laptop: Replica, root: int, own_mailbox: Mailbox) -> None:
    key = await laptop.new_key()
    assert (await send(laptop, root, key, "Inbox"))[0] == 0
    assert (await row_of(own_mailbox, key)).name == "Inbox (2)"
    assert (await row_of(own_mailbox, key)).special == ""


async def test_the_junk_folder_that_outlook_makes_becomes_the_junk_folder(
    laptop: Replica, phone: Replica, root: int, own_mailbox: Mailbox
) -> None:
    """Outlook imports a Junk E-mail folder of its own; its id must never be among the deleted ones."""
    await laptop.download_hierarchy(root)
    await phone.download_hierarchy(root)
    old = await own_mailbox.special_folder("junk_email")
    key = await laptop.new_key()
    assert (await send(laptop, root, key, old.name))[0] == 0
    junk = await own_mailbox.special_folder("junk_email")
    assert (junk.folder_id, junk.name) == (key.counter, old.name)
    for device in (laptop, phone):
        delta = await device.download_hierarchy(root)
        assert delta.deleted == [old.folder_id]
        entry_ids = folders(delta)["Inbox"][tags.PidTagAdditionalRenEntryIds]
        assert key.counter.to_bytes(6, "big") in entry_ids[4]


async def test_a_junk_folder_with_mail_in_it_does_not_give_way(
    laptop: Replica, root: int, own_mailbox: Mailbox
) -> None:
    old = await own_mailbox.special_folder("junk_email")
    await upload(laptop, old.folder_id, "spam")
    key = await laptop.new_key()
    assert (await send(laptop, root, key, old.name))[0] == 0
    assert (await own_mailbox.special_folder("junk_email")).folder_id == old.folder_id
    assert (await row_of(own_mailbox, key)).name == f"{old.name} (2)"


async def test_a_default_folder_takes_properties_but_no_name_and_no_place(
    laptop: Replica, root: int, own_mailbox: Mailbox
) -> None:
    await laptop.download_hierarchy(root)
    trash = await own_mailbox.special_folder("deleted_items")
    before = PredecessorChangeList([own(laptop, trash.change_number)])
    code, _ = await send(
        laptop, root, own(laptop, trash.folder_id), "Bin", before=before, properties={tags.PidTagComment: "mine"}
    )
    assert code == 0
    assert (await row_of(own_mailbox, trash.folder_id)).name == trash.name
    change = folders(await laptop.download_hierarchy(root))[trash.name]
    assert change[tags.PidTagComment] == "mine"


async def test_slots_that_outlook_leaves_out_of_the_inbox_s_entry_ids_stay(
    laptop: Replica, root: int, own_mailbox: Mailbox
) -> None:
    """Symptom: 8004010F-501-0-1430 after a new appointment: the Conflicts folder is not found."""
    values = folders(await laptop.download_hierarchy(root))["Inbox"]
    ids = values[tags.PidTagAdditionalRenEntryIds]
    inbox = await own_mailbox.special_folder("inbox")
    code, _ = await send(
        laptop,
        root,
        own(laptop, inbox.folder_id),
        "Inbox",
        before=PredecessorChangeList.parse(values[tags.PidTagPredecessorChangeList]),
        properties={tags.PidTagAdditionalRenEntryIds: [b"", b"new", b""]},
    )
    assert code == 0
    fresh = Replica(laptop.client, LAPTOP, laptop.replica_guid)
    after = folders(await fresh.download_hierarchy(root))["Inbox"][tags.PidTagAdditionalRenEntryIds]
    assert after == [ids[0], b"new", *ids[2:]]


async def test_a_folder_cannot_come_below_itself(
    laptop: Replica, phone: Replica, root: int, own_mailbox: Mailbox
) -> None:
    """Two devices put each of two folders below the other."""
    one, two = await laptop.new_key(), await laptop.new_key()
    _, before_one = await send(laptop, root, one, "one")
    _, before_two = await send(laptop, root, two, "two")
    await phone.download_hierarchy(root)
    await send(laptop, root, one, "one", parent=two, before=before_one)
    code, _ = await send(phone, root, two, "two", parent=one, before=before_two)
    assert code == 0
    assert (await row_of(own_mailbox, one)).parent_id == two.counter
    assert (await row_of(own_mailbox, two)).parent_id == root
    changes = folders(await phone.download_hierarchy(root))
    assert changes["one"][tags.PidTagParentSourceKey] == two.build()
    assert changes["two"][tags.PidTagParentSourceKey] == b""
    code, _ = await send(laptop, root, two, "two", parent=two, before=before_two.with_change(Xid(UUID(int=9), b"1")))
    assert (await row_of(own_mailbox, two)).parent_id == root


async def test_source_keys_of_another_replica_come_back_unchanged_as_children_and_parents(
    laptop: Replica, phone: Replica, root: int
) -> None:
    parent, child = Xid.gid(UUID(int=7), 70), Xid.gid(UUID(int=7), 71)
    client = laptop.client
    for key, name, above in ((parent, "parent", b""), (child, "child", parent.build())):
        collector = await laptop.collector(root, contents=False)
        change = laptop.next_change()
        values = laptop.import_values(key, FIRST, change, PredecessorChangeList([change]))
        await client.value(
            "SynchronizationImportHierarchyChange",
            collector,
            hierarchy_values=[(tags.PidTagParentSourceKey, above), *values, (tags.PidTagDisplayName, name)],
            property_values=[],
        )
    found = folders(await phone.download_hierarchy(root, flags=0x0001))
    assert found["child"][tags.PidTagSourceKey] == child.build()
    assert found["child"][tags.PidTagParentSourceKey] == parent.build()
    phone.states.clear()
    found = folders(await phone.download_hierarchy(root, flags=0x0101))
    assert found["child"][tags.PidTagParentSourceKey] == found["parent"][tags.PidTagSourceKey]
    assert found["parent"][tags.PidTagSourceKey] != parent.build()


async def test_deletions_of_folders(laptop: Replica, phone: Replica, root: int, own_mailbox: Mailbox) -> None:
    parent, child = await laptop.new_key(), await laptop.new_key()
    await send(laptop, root, parent, "parent")
    await send(laptop, root, child, "child", parent=parent)
    await upload(laptop, child.counter, "inside")
    await phone.download_hierarchy(root)
    for _ in range(2):  # what is gone already is no error
        assert await delete(laptop, root, parent, child) == 0
    assert await own_mailbox.folder(parent.counter) is None
    assert sorted((await phone.download_hierarchy(root)).deleted) == sorted([parent.counter, child.counter])


@pytest.mark.spec("MS-OXCFXICS_R35121", "MS-OXCFXICS_R2652")
async def test_a_deletion_that_cannot_be_done_leaves_all_and_one_of_nothing_is_kept(
    laptop: Replica, root: int, inbox: int, own_mailbox: Mailbox
) -> None:
    key, never = await laptop.new_key(), await laptop.new_key()
    await send(laptop, root, key, "Projects")
    assert await delete(laptop, root, key, own(laptop, inbox)) == ErrorCode.AccessDenied
    assert await own_mailbox.folder(key.counter) is not None
    assert await delete(laptop, root, never) == 0
    assert (await send(laptop, root, never, "late"))[0] == ErrorCode.SyncObjectDeleted
    message = await laptop.new_key()
    collector = await laptop.collector(inbox)
    for keys in ([message.build()], [Xid.gid(UUID(int=5), 55).build()]):
        await laptop.client.value(
            "SynchronizationImportDeletes", collector, import_delete_flags=0, property_values=[(0x00001102, keys)]
        )
    assert (await upload(laptop, inbox, "late", key=message))[0] == ErrorCode.SyncObjectDeleted
    assert (await upload(laptop, inbox, "late", key=Xid.gid(UUID(int=5), 55)))[0] == ErrorCode.SyncObjectDeleted


async def test_delegates_need_rights_on_folders(
    laptop: Replica, client: Client, root: int, inbox: int, own_mailbox: Mailbox
) -> None:
    ann = Replica(await log_on_as(client, ANN), UUID(int=11), own_mailbox.replica_guid)
    await grant(client, "ipm_subtree", ANN, Rights.FolderVisible)
    await grant(client, "inbox", ANN, Rights.CreateSubFolder | Rights.FolderVisible)
    key = await laptop.new_key()
    _, before = await send(laptop, root, key, "owner's", parent=own(laptop, inbox))
    new = await laptop.new_key()
    assert (await send(ann, root, new, "ann's"))[0] == ErrorCode.AccessDenied
    code, _ = await send(ann, root, key, "stolen", parent=own(laptop, inbox), before=before)
    assert code == ErrorCode.AccessDenied
    assert await delete(ann, root, key) == ErrorCode.AccessDenied
    code, before = await send(ann, root, new, "ann's", parent=own(laptop, inbox))
    assert code == 0
    rights = await ann.client.session.logons[0].rights(new.counter)
    assert rights & CREATOR_RIGHTS == CREATOR_RIGHTS
    assert (await send(ann, root, new, "hers", parent=own(laptop, inbox), before=before))[0] == 0
    assert (await send(ann, root, new, "hers", before=before, modified=LATER))[0] == ErrorCode.AccessDenied
    assert await delete(ann, root, new) == 0


async def test_a_delegate_sees_what_becomes_visible_and_loses_what_does_not_stay_so(
    client: Client, root: int, own_mailbox: Mailbox
) -> None:
    ann = Replica(await log_on_as(client, ANN), UUID(int=11), own_mailbox.replica_guid)
    await grant(client, "ipm_subtree", ANN, Rights.FolderVisible)
    await grant(client, "inbox", ANN, Rights.FolderVisible)
    assert "Inbox" in folders(await ann.download_hierarchy(root))
    assert not (await ann.download_hierarchy(root)).changes
    await grant(client, "drafts", ANN, Rights.ReadAny)
    assert list(folders(await ann.download_hierarchy(root))) == ["Drafts"]
    await grant(client, "inbox", ANN, 0)
    inbox = await own_mailbox.special_folder("inbox")
    assert (await ann.download_hierarchy(root)).deleted == [inbox.folder_id]


async def test_a_collector_takes_what_it_was_opened_for(laptop: Replica, root: int, inbox: int) -> None:
    client = laptop.client
    hierarchy, contents = await laptop.collector(root, contents=False), await laptop.collector(inbox)
    keys = [(0x00001102, [(await laptop.new_key()).build()])]
    fields: dict[str, Any] = {"property_values": keys}
    assert await client.error("SynchronizationImportDeletes", hierarchy, import_delete_flags=0, **fields)
    assert await client.error("SynchronizationImportDeletes", contents, import_delete_flags=1, **fields)
    code, _ = await send(laptop, root, await laptop.new_key(), "x", collector=contents)
    assert code == ErrorCode.NotSupported
    error = await client.error("SynchronizationImportDeletes", contents, import_delete_flags=4, **fields)
    assert error == ErrorCode.InvalidParameter


async def test_a_folder_that_is_only_in_a_soft_deleted_one_is_gone(
    laptop: Replica, client: Client, root: int, own_mailbox: Mailbox
) -> None:
    slot = await open_special(client, own_mailbox, "inbox")
    parent = (await client.value("CreateFolder", slot, **creating("parent"))).folder_id.counter
    _, key, before = await upload(laptop, parent, "inside")
    await delete_folder(client, slot, parent, EVERYTHING)
    inbox = (await own_mailbox.special_folder("inbox")).folder_id
    assert (await upload(laptop, inbox, "again", key=key, before=before))[0] == ErrorCode.SyncObjectDeleted


async def test_what_is_below_a_folder_comes_and_goes_with_it(
    laptop: Replica, client: Client, root: int, own_mailbox: Mailbox
) -> None:
    """A subfolder does not change when its parent is moved into the hierarchy that is synchronized, or out of it."""
    top = await open_special(client, own_mailbox, "root")
    subtree = await open_folder(client, root)
    parent = (await client.value("CreateFolder", top, **creating("parent"))).folder_id.counter
    slot = await open_folder(client, parent)
    child = (await client.value("CreateFolder", slot, **creating("child"))).folder_id.counter
    assert not {"parent", "child"} & folders(await laptop.download_hierarchy(root)).keys()

    async def move_folder(source: int, target: int) -> None:
        await client.value(
            "MoveFolder",
            source,
            dest_handle_index=target,
            want_asynchronous=False,
            use_unicode=True,
            folder_id=ObjectId(1, parent),
            new_folder_name="parent",
        )

    await move_folder(top, subtree)
    assert list(folders(await laptop.download_hierarchy(root))) == ["parent", "child"]
    await move_folder(subtree, top)
    delta = await laptop.download_hierarchy(root)
    assert (delta.changes, delta.deleted) == ([], sorted([parent, child]))


async def test_a_few_changes_are_told_as_all_are(
    laptop: Replica, phone: Replica, client: Client, root: int, own_mailbox: Mailbox
) -> None:
    slot = await open_special(client, own_mailbox, "inbox")
    first = (await client.value("CreateFolder", slot, **creating("first"))).folder_id.counter
    await laptop.download_hierarchy(root)
    inner = await open_folder(client, first)
    await client.value("CreateFolder", inner, **creating("inner"))
    await client.value("SetProperties", inner, property_values=[(tags.PidTagComment, "changed")])
    await client.value("SetProperties", slot, property_values=[(tags.PidTagComment, "changed")])
    delta = folders(await laptop.download_hierarchy(root))
    assert list(delta) == ["Inbox", "first", "inner"]
    everything = folders(await phone.download_hierarchy(root))
    assert delta == {name: everything[name] for name in delta}
