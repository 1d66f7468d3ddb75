"""Subscribing to changes, making some, and reading what is told of them."""

from typing import Any

from mapigw.emsmdb.session import Session
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.folders import oid, open_folder

NEW_MAIL, CREATED, DELETED, MODIFIED, MOVED, COPIED, COMPLETE = 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80
EVERYTHING = 0x01FE
MESSAGE, SEARCH, UNREAD, TOTAL = 0x8000, 0x4000, 0x2000, 0x1000
SUBTREE, INBOX, SENT, DRAFTS = 4, 5, 7, 16
WHOLE_STORE: dict[str, Any] = {"reserved": None, "want_whole_store": True, "folder_id": None, "message_id": None}

OBJECT_FIELDS = (
    "folder_id",
    "message_id",
    "parent_folder_id",
    "old_folder_id",
    "old_message_id",
    "old_parent_folder_id",
    "tags",
    "total_message_count",
    "unread_message_count",
    "message_flags",
    "unicode_flag",
    "message_class",
)
TABLE_FIELDS = (
    "table_row_folder_id",
    "table_row_message_id",
    "table_row_instance",
    "insert_after_table_row_folder_id",
    "insert_after_table_row_id",
    "insert_after_table_row_instance",
    "table_row_data",
)


async def subscribe(
    client: Client, types: int = EVERYTHING, folder_id: int = 0, message_id: int = 0, slot: int = LOGON
) -> int:
    """The slot of a subscription; of the whole store without a folder."""
    scope = WHOLE_STORE if not folder_id else folder_scope(folder_id, message_id)
    await client.value("RegisterNotification", slot, notification_types=types, **scope)
    return client.last


def folder_scope(folder_id: int, message_id: int = 0) -> dict[str, Any]:
    message = oid(message_id) if message_id else ObjectId(0, 0)
    return {"reserved": None, "want_whole_store": False, "folder_id": oid(folder_id), "message_id": message}


def told(value: Any) -> tuple[int, dict[str, Any]]:
    """(NotificationFlags, the fields that are there) of a notification of an object; ids as their counters."""
    data = value.notification_data
    assert all(data[name] is None for name in TABLE_FIELDS)
    assert not data.table_event_type
    found = {name: data[name] for name in OBJECT_FIELDS if data[name] is not None}
    return data.notification_flags, {
        name: field.counter if isinstance(field, ObjectId) else field for name, field in found.items()
    }


async def fetched(client: Client) -> list[tuple[int, dict[str, Any]]]:
    return [told(value) for value in await client.fetch()]


def to_new_name(folder_id: int, name: str) -> dict[str, Any]:
    """The fields that RopMoveFolder and RopCopyFolder have alike."""
    return {"folder_id": oid(folder_id), "new_folder_name": name, "use_unicode": True, "want_asynchronous": 0}


async def move(client: Client, source: int, target: int, *message_ids: int, copy: bool = False) -> None:
    await open_folder(client, source)
    slot = client.last
    await open_folder(client, target)
    await client.value(
        "MoveCopyMessages",
        slot,
        dest_handle_index=client.last,
        message_ids=list(map(oid, message_ids)),
        want_asynchronous=0,
        want_copy=int(copy),
    )


async def another(client: Client) -> Client:
    other = Client(Session(client.session.user, client.session.directory, client.session.mailboxes))
    await other.log_on()
    return other
