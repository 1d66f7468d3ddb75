"""What the tests of folders share."""

from collections.abc import Sequence
from typing import Any, cast

from mapigw.emsmdb.objects import Folder, Logon
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.permissions import CREATOR_RIGHTS, Accessor
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import LOGON, Client, FakeDirectory
from tests.emsmdb.logons import another_user, permit

DEL_MESSAGES, DEL_FOLDERS, DELETE_HARD_DELETE = 0x01, 0x04, 0x10
EVERYTHING = DEL_MESSAGES | DEL_FOLDERS
HARD = EVERYTHING | DELETE_HARD_DELETE


def oid(counter: int) -> ObjectId:
    return ObjectId(1, counter)


async def open_folder(client: Client, folder_id: int, parent: int = LOGON, mode: int = 0) -> int:
    """The slot of an open folder."""
    await client.value("OpenFolder", parent, folder_id=oid(folder_id), open_mode_flags=mode)
    return client.last


async def open_special(client: Client, mailbox: Mailbox, key: str) -> int:
    return await open_folder(client, (await mailbox.special_folder(key)).folder_id)


def creating(name: str | bytes, *, kind: int = 1, comment: str | bytes = "", existing: bool = False) -> dict[str, Any]:
    """The fields of RopCreateFolder; names in bytes are in the session's code page."""
    wide = isinstance(name, str)
    if not wide and comment == "":
        comment = b""
    return {
        "folder_type": kind,
        "use_unicode_strings": wide,
        "open_existing": existing,
        "reserved": 0,
        "display_name": name,
        "comment": comment,
    }


async def fill(
    mailbox: Mailbox, folder_id: int, count: int = 1, *, associated: bool = False, read: bool = False
) -> list[int]:
    """Add messages with two blobs each, a property and their original MIME; their ids."""
    items = [
        NewMessage(
            Message(
                {
                    tags.PidTagSubject: f"{folder_id}/{number}",
                    tags.PidTagTransportMessageHeaders: "x" * (9000 + number % 50),
                }
            ),
            mime=b"From: a\r\n\r\n" + b"%d" % (number % 50) * 9000,
            is_associated=associated,
            is_read=read,
        )
        for number in range(count)
    ]
    return await mailbox.append(folder_id, items)


async def subjects(mailbox: Mailbox, folder_id: int, *, associated: bool = False) -> list[str]:
    """Of the messages in a folder, sorted."""
    ids = await mailbox.message_ids(folder_id, associated=associated)
    rows = await mailbox.messages(folder_id, ids)
    return sorted(str(row.subject) for row in rows.values())


async def folder_counts(mailbox: Mailbox, folder_id: int) -> tuple[int, int, int]:
    """(normal, unread, FAI) messages as the folder's row has them; the messages themselves must agree."""
    row = await mailbox.folder(folder_id)
    assert row is not None
    normal = await mailbox.message_ids(folder_id, associated=False)
    associated = await mailbox.message_ids(folder_id, associated=True)
    rows = await mailbox.messages(folder_id, [*normal, *associated])
    assert row.content_count == len(normal)
    assert row.associated_count == len(associated)
    assert row.content_size == sum(rows[item].size for item in normal)
    assert row.associated_size == sum(rows[item].size for item in associated)
    assert row.content_unread_count == sum(not rows[item].is_read for item in normal)
    return row.content_count, row.content_unread_count, row.associated_count


async def table_rows(mailbox: Mailbox, table: str, columns: str = "*") -> list[tuple[Any, ...]]:
    """What a table has of a mailbox, sorted."""
    async with mailbox.database.read() as connection:
        rows = await connection.exec_driver_sql(
            f"SELECT {columns} FROM {table} WHERE mailbox_id = ?", (mailbox.mailbox_id,)
        )
        return sorted(tuple(row) for row in rows)


async def blob_counts(mailbox: Mailbox) -> dict[bytes, int]:
    """How often each blob is used, by what is counted."""
    return {row[0]: row[1] for row in await table_rows(mailbox, "blob", "digest, count")}


async def second_mailbox(client: Client, mailboxes: Mailboxes) -> Logon:
    """A logon (1) of the session to another mailbox, with all rights on its Drafts folder."""
    user = client.session.user
    other = await another_user(mailboxes, user, "second")
    directory = cast("FakeDirectory", client.session.directory)
    directory.add(other)
    mailbox = await mailboxes.open(other.mailbox_id)
    await permit(mailbox, "drafts", user.legacy_dn, CREATOR_RIGHTS)
    logon = Logon(client.session, 1, mailbox, other, Accessor(await directory.names_of(user), is_owner=False))
    client.session.open(logon)
    return logon


def slot_of(client: Client, logon: Logon, folder_id: int) -> int:
    """The slot of a folder of another logon."""
    client.handles.append(client.session.open(Folder(logon, folder_id)))
    return client.last


async def move_copy(
    client: Client, source: int, destination: int, ids: Sequence[int], *, copy: bool = False, wait: bool = False
) -> bool:
    """RopMoveCopyMessages; PartialCompletion."""
    value = await client.value(
        "MoveCopyMessages",
        source,
        dest_handle_index=destination,
        message_ids=[oid(item) for item in ids],
        want_asynchronous=wait,
        want_copy=copy,
    )
    return bool(value.partial_completion)


async def delete_messages(client: Client, index: int, ids: Sequence[int], *, hard: bool = False) -> bool:
    """RopDeleteMessages or RopHardDeleteMessages; PartialCompletion."""
    value = await client.value(
        "HardDeleteMessages" if hard else "DeleteMessages",
        index,
        want_asynchronous=False,
        notify_non_read=False,
        message_ids=[oid(item) for item in ids],
    )
    return bool(value.partial_completion)


async def delete_folder(client: Client, parent: int, folder_id: int, flags: int = 0) -> bool:
    """RopDeleteFolder; PartialCompletion."""
    value = await client.value("DeleteFolder", parent, delete_folder_flags=flags, folder_id=oid(folder_id))
    return bool(value.partial_completion)


async def empty(client: Client, index: int, *, hard: bool = False, associated: bool = False) -> bool:
    """RopEmptyFolder or RopHardDeleteMessagesAndSubfolders; PartialCompletion."""
    value = await client.value(
        "HardDeleteMessagesAndSubfolders" if hard else "EmptyFolder",
        index,
        want_asynchronous=False,
        want_delete_associated=associated,
    )
    return bool(value.partial_completion)
