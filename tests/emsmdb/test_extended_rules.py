"""Extended rules and reply templates: FAI messages like any others (MS-OXORULE 2.2.4, 2.2.5.1.2, 2.2.9.2)."""

from typing import Any
from uuid import UUID

import pytest

from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.rules import EXTENDED_RULE_SIZE_LIMIT
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.cursor import Cursor
from mapigw.wire.entryids import folder_entry_id, parse_folder_id
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import (
    ActionBlock,
    ActionType,
    ContentRestriction,
    MoveCopyData,
    ReplyData,
    pull_rule_actions,
    push_restriction,
    push_rule_actions,
)
from tests.emsmdb.client import Client

RULE_CLASS = "IPM.ExtendedRule.Message"
TEMPLATE = UUID("11223344-5566-7788-99aa-bbccddeeff00")
NO_NAMES = b"\0\0"  # NamedPropertyInformation
VERSION = b"\1\0\0\0"


def condition() -> bytes:
    """PidTagExtendedRuleMessageCondition."""
    out = bytearray(NO_NAMES)
    push_restriction(out, ContentRestriction(1, 1, 0x0037001F, (0x0037001F, "Grüße")), wide=True)
    return bytes(out)


def actions(*blocks: ActionBlock) -> bytes:
    """PidTagExtendedRuleMessageActions."""
    out = bytearray(NO_NAMES + VERSION)
    push_rule_actions(out, list(blocks), wide=True)
    return bytes(out)


def rule(condition: bytes, actions: bytes) -> dict[int, Any]:
    return {
        tags.PidTagMessageClass: RULE_CLASS,
        tags.PidTagRuleMessageName: "Größe",
        tags.PidTagRuleMessageSequence: 10,
        tags.PidTagRuleMessageState: 1,
        tags.PidTagRuleMessageUserFlags: 5,
        tags.PidTagRuleMessageLevel: 0,
        tags.PidTagRuleMessageProvider: "ExtendedRuleOrganizer",
        tags.PidTagRuleMessageProviderData: b"\1\2\3",
        tags.PidTagExtendedRuleMessageCondition: condition,
        tags.PidTagExtendedRuleMessageActions: actions,
    }


async def new(client: Client, folder_id: int, *, associated: bool = True) -> int:
    """The slot of a new message."""
    await client.value(
        "CreateMessage", code_page_id=0x0FFF, folder_id=ObjectId(1, folder_id), associated_flag=associated
    )
    return client.last


async def saved(client: Client, folder_id: int, values: dict[int, Any]) -> int:
    """The slot of an FAI message that was saved and opened again."""
    slot = await new(client, folder_id)
    answer = await client.value("SetProperties", slot, property_values=list(values.items()))
    assert answer.property_problems == []
    answer = await client.value("SaveChangesMessage", slot, save_flags=0, response_handle_index=slot)
    await client.value(
        "OpenMessage",
        code_page_id=0x0FFF,
        folder_id=ObjectId(1, folder_id),
        message_id=answer.message_id,
        open_mode_flags=0,
    )
    return client.last


@pytest.fixture
async def inbox(own_mailbox: Mailbox) -> int:
    return (await own_mailbox.special_folder("inbox")).folder_id


@pytest.mark.spec("MS-OXORULE_R164", "MS-OXORULE_R184")
async def test_an_extended_rule_is_kept_as_it_was_written(client: Client, inbox: int) -> None:
    values = rule(condition(), actions(ActionBlock(ActionType.OP_MARK_AS_READ, 0, 0, b"")))
    slot = await saved(client, inbox, values)
    assert await client.properties(slot, *values) == list(values.values())
    # It is no standard rule.
    await client.value("OpenFolder", folder_id=ObjectId(1, inbox), open_mode_flags=0)
    opened = client.last
    assert await client.properties(opened, tags.PidTagHasRules) == [False]
    await client.value("GetRulesTable", opened, table_flags=0)
    position = await client.value("QueryPosition", client.last)
    assert position.denominator == 0


@pytest.mark.spec("MS-OXORULE_R977", "MS-OXORULE_R978")
@pytest.mark.parametrize("kind", [ActionType.OP_MOVE, ActionType.OP_COPY])
async def test_the_destination_is_a_folder_of_the_mailbox(
    client: Client, own_mailbox: Mailbox, inbox: int, kind: ActionType
) -> None:
    drafts = (await own_mailbox.special_folder("drafts")).folder_id
    eid = folder_entry_id(own_mailbox.guid, own_mailbox.replica_guid, drafts)
    blob = actions(ActionBlock(kind, 0, 0, MoveCopyData(None, b"any store", eid)))
    slot = await saved(client, inbox, rule(condition(), blob))
    (found,) = await client.properties(slot, tags.PidTagExtendedRuleMessageActions)
    (action,) = pull_rule_actions(Cursor(found[6:]), wide=True)
    named = parse_folder_id(action.action_data.folder_entry_id)
    assert named.replica_guid == own_mailbox.replica_guid
    await client.value("OpenFolder", folder_id=ObjectId(1, named.counter), open_mode_flags=0)
    assert await client.properties(client.last, tags.PidTagDisplayName) == ["Drafts"]


@pytest.mark.spec("MS-OXORULE_R998", "MS-OXORULE_R1001", "MS-OXORULE_R1002", "MS-OXORULE_R727")
@pytest.mark.parametrize("kind", [ActionType.OP_REPLY, ActionType.OP_OOF_REPLY])
async def test_a_reply_names_its_template(client: Client, inbox: int, kind: ActionType) -> None:
    values = {
        tags.PidTagMessageClass: "IPM.Note.rules.ReplyTemplate.Microsoft",
        tags.PidTagReplyTemplateId: TEMPLATE.bytes_le,
    }
    template = await saved(client, inbox, values)
    entry_id, template_id = await client.properties(template, tags.PidTagEntryId, tags.PidTagReplyTemplateId)
    assert template_id == TEMPLATE.bytes_le
    assert len(entry_id) == 70
    blob = actions(ActionBlock(kind, 0, 0, ReplyData(entry_id, TEMPLATE)))
    slot = await saved(client, inbox, rule(condition(), blob))
    (found,) = await client.properties(slot, tags.PidTagExtendedRuleMessageActions)
    (action,) = pull_rule_actions(Cursor(found[6:]), wide=True)
    assert action.action_data == ReplyData(entry_id, UUID(bytes_le=template_id))


@pytest.mark.spec("MS-OXORULE_R1016")
async def test_the_condition_is_limited(client: Client, inbox: int) -> None:
    (limit,) = await client.properties(0, tags.PidTagExtendedRuleSizeLimit)
    assert limit == EXTENDED_RULE_SIZE_LIMIT

    async def save(size: int, message_class: str = RULE_CLASS, *, associated: bool = True) -> int:
        slot = await new(client, inbox, associated=associated)
        values = [(tags.PidTagMessageClass, message_class)]
        await client.value("SetProperties", slot, property_values=values)
        opened: dict[str, Any] = {"property_tag": tags.PidTagExtendedRuleMessageCondition, "open_mode_flags": 2}
        await client.value("OpenStream", slot, **opened)
        stream = client.last
        for start in range(0, size, 0x4000):
            await client.value("WriteStream", stream, data=bytes(min(0x4000, size - start)))
        await client.value("CommitStream", stream)
        request = client.request("SaveChangesMessage", slot, save_flags=0, response_handle_index=slot)
        (response,) = await client.send(request)
        return response.return_value

    assert await save(limit) == 0
    assert await save(limit + 1) == ErrorCode.TooBig
    assert await save(limit + 1, RULE_CLASS.upper()) == ErrorCode.TooBig
    assert await save(limit + 1, "IPM.Configuration.Rules") == 0
    assert await save(limit + 1, associated=False) == 0
