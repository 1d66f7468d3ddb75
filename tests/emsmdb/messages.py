"""Messages that a test's client makes and opens."""

from collections.abc import Mapping, Sequence
from typing import Any

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.store.folders import Folder
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.primitives import ObjectId
from mapigw.wire.rows import PropertyProblem, RecipientRow
from tests.emsmdb.client import Client

READ_ONLY, READ_WRITE, BEST_ACCESS, SOFT_DELETED = 0x00, 0x01, 0x03, 0x04
KEEP_OPEN_READ_ONLY, KEEP_OPEN_READ_WRITE, FORCE_SAVE = 0x01, 0x02, 0x04
LOGON_CODE_PAGE = 0x0FFF


def mailbox_of(client: Client) -> Mailbox:
    return client.session.logons[0].mailbox


async def special(client: Client, key: str) -> Folder:
    return await mailbox_of(client).special_folder(key)


async def open_folder(client: Client, key: str) -> int:
    """The slot of a well-known folder."""
    folder = await special(client, key)
    await client.value("OpenFolder", folder_id=ObjectId(1, folder.folder_id), open_mode_flags=0)
    return client.last


def creation(folder_id: int, *, associated: bool = False, code_page: int = LOGON_CODE_PAGE) -> dict[str, Any]:
    return {"code_page_id": code_page, "folder_id": ObjectId(1, folder_id), "associated_flag": associated}


async def create(
    client: Client,
    values: Mapping[int, Any] | None = None,
    *,
    key: str = "drafts",
    associated: bool = False,
    code_page: int = LOGON_CODE_PAGE,
) -> int:
    """The slot of a message that is not saved yet."""
    folder = await special(client, key)
    await client.value("CreateMessage", **creation(folder.folder_id, associated=associated, code_page=code_page))
    slot = client.last
    if values:
        assert await set_values(client, slot, values) == []
    return slot


async def set_values(client: Client, slot: int, values: Mapping[int, Any]) -> list[PropertyProblem]:
    value = await client.value("SetProperties", slot, property_values=list(values.items()))
    problems: list[PropertyProblem] = value.property_problems
    return problems


async def save(client: Client, slot: int, flags: int = KEEP_OPEN_READ_WRITE) -> int:
    """The counter of the saved message's id."""
    value = await client.value("SaveChangesMessage", slot, save_flags=flags)
    counter: int = value.message_id.counter
    return counter


async def saved(client: Client, values: Mapping[int, Any] | None = None, *, key: str = "drafts") -> int:
    """The id of a new message with these properties."""
    return await save(client, await create(client, values, key=key))


def opening(
    folder_id: int, message_id: int, mode: int = READ_WRITE, code_page: int = LOGON_CODE_PAGE
) -> dict[str, Any]:
    return {
        "code_page_id": code_page,
        "folder_id": ObjectId(1, folder_id),
        "open_mode_flags": mode,
        "message_id": ObjectId(1, message_id),
    }


async def open_message(client: Client, message_id: int, mode: int = READ_WRITE, *, key: str = "drafts") -> int:
    """The slot of a saved message."""
    folder = await special(client, key)
    await client.value("OpenMessage", **opening(folder.folder_id, message_id, mode))
    return client.last


async def cell(client: Client, slot: int, tag: int) -> Any:
    (value,) = await client.properties(slot, tag)
    return value


async def stored(client: Client, message_id: int) -> MessageRow:
    row = await mailbox_of(client).message(message_id)
    assert row is not None
    return row


async def flags_of(client: Client, message_id: int, *, key: str = "drafts") -> int:
    """PidTagMessageFlags of a saved message, as a new handle sees it."""
    flags: int = await cell(client, await open_message(client, message_id, READ_ONLY, key=key), tags.PidTagMessageFlags)
    return flags


def smtp(name: str, **fields: Any) -> RecipientRow:
    return RecipientRow(
        **{
            "address_kind": 3,
            "email_address": f"{name.lower()}@bm.lan",
            "display_name": name,
            "transmittable_is_display_name": True,
            **fields,
        }
    )


async def modify_recipients(
    client: Client, slot: int, rows: Mapping[int, RecipientRow | None], *, columns: Sequence[int] = (), kind: int = 1
) -> None:
    """Rows by their RowIds."""
    await client.value(
        "ModifyRecipients",
        slot,
        recipient_columns=list(columns),
        recipient_rows=[
            {"row_id": row_id, "recipient_type": kind, "recipient_row": row} for row_id, row in rows.items()
        ],
    )


async def create_attachment(client: Client, slot: int, values: Mapping[int, Any] | None = None) -> tuple[int, int]:
    """The slot and the number of an attachment that is not saved yet."""
    value = await client.value("CreateAttachment", slot)
    attachment = client.last
    if values:
        assert await set_values(client, attachment, values) == []
    return attachment, value.attachment_id


async def save_attachment(client: Client, attachment: int) -> None:
    """Into its open message."""
    await client.value("SaveChangesAttachment", attachment, save_flags=KEEP_OPEN_READ_WRITE)


async def release(client: Client, slot: int) -> None:
    await client.send(client.request("Release", slot))


async def attach(client: Client, slot: int, values: Mapping[int, Any] | None = None) -> int:
    """The number of an attachment that is saved into the open message."""
    attachment, number = await create_attachment(client, slot, values)
    await client.value("SaveChangesAttachment", attachment, save_flags=KEEP_OPEN_READ_WRITE)
    return number


async def open_attachment(client: Client, slot: int, number: int, mode: int = READ_WRITE) -> int:
    await client.value("OpenAttachment", slot, open_attachment_flags=mode, attachment_id=number)
    return client.last


async def open_embedded(client: Client, slot: int, mode: int = READ_WRITE) -> int:
    await client.value("OpenEmbeddedMessage", slot, code_page_id=LOGON_CODE_PAGE, open_mode_flags=mode)
    return client.last
