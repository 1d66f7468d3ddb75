"""Makes and removes mailboxes."""

from uuid import UUID, uuid4

from mapigw.mailbox.clock import now
from mapigw.mailbox.content import encode_properties
from mapigw.mailbox.special_folders import RECEIVE_FOLDERS, SPECIAL_FOLDERS
from mapigw.store import folders, mailboxes
from mapigw.store.database import Connection
from mapigw.store.folders import Folder
from mapigw.store.mailboxes import ReceiveFolder
from mapigw.wire import tags


async def create_mailbox(connection: Connection, guid: UUID) -> int:
    """Insert a mailbox with its special folders, inside the caller's transaction; returns its id."""
    moment = now()
    count = len(SPECIAL_FOLDERS)
    # Folder ids are 1 to count in the table's order, their change numbers follow.
    mailbox_id = await mailboxes.insert_mailbox(
        connection, guid=guid, replica_guid=uuid4(), next_counter=2 * count + 1, created=moment
    )
    ids = {special.key: position for position, special in enumerate(SPECIAL_FOLDERS, 1)}
    rows = []
    for special in SPECIAL_FOLDERS:
        properties, index = encode_properties({tags.PidTagAttributeHidden: True} if special.hidden else {}, {})
        folder_id = ids[special.key]
        rows.append(
            Folder(
                folder_id=folder_id,
                parent_id=ids.get(special.parent, 0),
                name=special.name,
                folder_type=1 if special.parent else 0,
                container_class=special.container_class,
                special=special.key,
                change_number=count + folder_id,
                source_key=None,
                change_key=None,
                predecessor_change_list=None,
                created=moment,
                modified=moment,
                content_count=0,
                content_unread_count=0,
                associated_count=0,
                content_size=0,
                associated_size=0,
                deleted_count=0,
                content_change_number=0,
                local_commit_time=moment,
                properties=properties,
                properties_index=index,
            )
        )
    await folders.insert_folders(connection, mailbox_id, rows)
    await mailboxes.insert_receive_folders(
        connection,
        mailbox_id,
        [ReceiveFolder(message_class, ids[key], moment) for message_class, key in RECEIVE_FOLDERS.items()],
    )
    return mailbox_id


async def delete_mailbox(connection: Connection, mailbox_id: int) -> None:
    """Remove a mailbox with all it holds, inside the caller's transaction."""
    await mailboxes.delete_mailbox(connection, mailbox_id)
