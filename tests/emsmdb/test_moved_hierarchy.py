"""A replica of the hierarchy below one folder, while folders with others inside come into it and go."""

from typing import Any
from uuid import UUID

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.wire import tags
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import Client
from tests.emsmdb.folders import creating, oid, open_folder
from tests.emsmdb.replica import Delta, Replica


def sent(delta: Delta) -> set[int]:
    return {ObjectId.from_integer(change.values[tags.PidTagFolderId]).counter for change in delta.changes}


async def test_what_is_in_a_folder_that_moves_into_the_hierarchy_is_sent_with_it(
    client: Client, own_mailbox: Mailbox
) -> None:
    root, tree = [(await own_mailbox.special_folder(key)).folder_id for key in ("root", "ipm_subtree")]
    outside = await open_folder(client, root)
    outer = (await client.value("CreateFolder", outside, **creating("outer"))).folder_id.counter
    inner = (await client.value("CreateFolder", client.last, **creating("inner"))).folder_id.counter
    device = Replica(client, UUID(int=1), own_mailbox.replica_guid)
    assert not sent(await device.download_hierarchy(tree)) & {outer, inner}
    inside = await open_folder(client, tree)
    place: dict[str, Any] = {
        "want_asynchronous": False,
        "use_unicode": True,
        "folder_id": oid(outer),
        "new_folder_name": "",
    }
    await client.value("MoveFolder", outside, dest_handle_index=inside, **place)
    assert sent(await device.download_hierarchy(tree)) == {outer, inner}
    assert sent(await device.download_hierarchy(tree)) == set()
    await client.value("MoveFolder", inside, dest_handle_index=outside, **place)
    assert set((await device.download_hierarchy(tree)).deleted) == {outer, inner}
