"""Deferred action messages (MS-OXORULE 2.2.3, 2.2.6, 3.2.5.4)."""

from typing import Any

import pytest

from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.permissions import Rights
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.delegates import ANN, folder, grant, log_on_as

DAM_CLASS = "IPC.Microsoft Exchange 4.0.Deferred Action"
SERVER, OTHER, CLIENT_EID = b"\1" + bytes(range(20)), b"\1" + bytes(20), b"\1" + bytes(range(100, 120))
COLUMNS = (
    tags.PidTagDeferredActionMessageOriginalEntryId,
    tags.PidTagDamOriginalEntryId,
    tags.PidTagDamBackPatched,
    tags.PidTagClientActions,
)


def dam(original: bytes | None, actions: bytes) -> NewMessage:
    """A message as a rule leaves it for a client."""
    values: dict[Any, Any] = {
        tags.PidTagMessageClass: DAM_CLASS,
        tags.PidTagDamBackPatched: False,
        tags.PidTagDamOriginalEntryId: b"delivered",
        tags.PidTagClientActions: actions,
    }
    if original is not None:
        values[tags.PidTagDeferredActionMessageOriginalEntryId] = original
    return NewMessage(Message(values))


async def deferred(client: Client, ids: list[int], folder_id: int) -> list[list[Any]]:
    """The columns of the messages."""
    found = []
    for message_id in ids:
        await client.value(
            "OpenMessage",
            code_page_id=0x0FFF,
            folder_id=ObjectId(1, folder_id),
            open_mode_flags=0,
            message_id=ObjectId(1, message_id),
        )
        found.append(await client.properties(client.last, *COLUMNS))
    return found


async def update(client: Client, server: bytes, patched: bytes) -> None:
    await client.value("UpdateDeferredActionMessages", server_entry_id=server, client_entry_id=patched)


async def refused(client: Client, slot: int, server: bytes = SERVER) -> int:
    return await client.error("UpdateDeferredActionMessages", slot, server_entry_id=server, client_entry_id=CLIENT_EID)


@pytest.mark.spec("MS-OXORULE_R508")
async def test_a_new_mailbox_has_a_deferred_action_folder(client: Client, own_mailbox: Mailbox) -> None:
    slot = await folder(client, "deferred_action")
    assert await client.properties(slot, tags.PidTagDisplayName) == ["Deferred Action"]


@pytest.mark.spec(
    "MS-OXORULE_R136",
    "MS-OXORULE_R147",
    "MS-OXORULE_R355",
    "MS-OXORULE_R617",
    "MS-OXORULE_R618",
    "MS-OXORULE_R619",
    "MS-OXORULE_R620",
)
async def test_messages_are_made_to_name_what_the_client_has(client: Client, own_mailbox: Mailbox) -> None:
    place = (await own_mailbox.special_folder("deferred_action")).folder_id
    ids = await own_mailbox.append(place, [dam(SERVER, b"1"), dam(OTHER, b"2"), dam(SERVER, b"3"), dam(None, b"4")])
    before = await own_mailbox.messages(place, ids)
    await update(client, SERVER, CLIENT_EID)
    assert await deferred(client, ids, place) == [
        [CLIENT_EID, CLIENT_EID, True, b"1"],
        [OTHER, b"delivered", False, b"2"],
        [CLIENT_EID, CLIENT_EID, True, b"3"],
        [ErrorCode.NotFound, b"delivered", False, b"4"],
    ]
    after = await own_mailbox.messages(place, ids)
    changed = [after[key].change_number > before[key].change_number for key in ids]
    assert changed == [True, False, True, False]


@pytest.mark.spec("MS-OXORULE_R145")
async def test_the_answer_names_the_logon(client: Client) -> None:
    await update(client, SERVER, CLIENT_EID)  # there is none: nothing to do is no error
    payload = client.payloads[0]
    assert payload[2:8] == bytes.fromhex("57 00 00 00 00 00")


async def test_messages_elsewhere_are_left_alone(client: Client, own_mailbox: Mailbox) -> None:
    place = (await own_mailbox.special_folder("inbox")).folder_id
    ids = await own_mailbox.append(place, [dam(SERVER, b"1")])
    await update(client, SERVER, CLIENT_EID)
    assert await deferred(client, ids, place) == [[SERVER, b"delivered", False, b"1"]]


async def test_what_cannot_be_updated(client: Client) -> None:
    assert await refused(client, LOGON, b"") == ErrorCode.InvalidParameter
    assert await refused(client, await folder(client, "inbox")) == ErrorCode.NotSupported


async def test_deferred_actions_are_for_those_who_may_change_them(client: Client) -> None:
    ann = await log_on_as(client, ANN)
    assert await refused(ann, LOGON) == ErrorCode.AccessDenied
    await grant(client, "deferred_action", ANN, Rights.EditAny)
    await update(ann, SERVER, CLIENT_EID)
