"""Makes and removes mailboxes."""

from uuid import UUID, uuid4

from mapigw.mailbox.clock import now
from mapigw.mailbox.content import encode_properties
from mapigw.mailbox.special_folders import RECEIVE_FOLDERS, SPECIAL_FOLDERS
from mapigw.store import folders, mailboxes, receive_folders
from mapigw.store.database import Connection
from mapigw.store.folders import Folder
from mapigw.store.receive_folders import ReceiveFolder
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
    rows = [
        Folder.new(
            ids[special.key],
            ids.get(special.parent, 0),
            special.name,
            change_number=count + ids[special.key],
            created=moment,
            container_class=special.container_class,
            folder_type=1 if special.parent else 0,
            special=special.key,
            subfolders=sum(other.parent == special.key for other in SPECIAL_FOLDERS),
            properties=encode_properties({tags.PidTagAttributeHidden: True} if special.hidden else {}, {}),
        )
        for special in SPECIAL_FOLDERS
    ]
    await folders.insert_folders(connection, mailbox_id, rows)
    await receive_folders.insert_receive_folders(
        connection,
        mailbox_id,
        [ReceiveFolder(message_class, ids[key], moment) for message_class, key in RECEIVE_FOLDERS.items()],
    )
    return mailbox_id


async def delete_mailbox(connection: Connection, mailbox_id: int) -> None:
    """Remove a mailbox with all it holds, inside the caller's transaction."""
    await mailboxes.delete_mailbox(connection, mailbox_id)
