"""What rules leave to clients, and extended rules (MS-OXORULE 2.2.4, 2.2.6, 2.2.7, 3.2.5.1.2)."""

from typing import Any

import pytest

from mapigw.mailbox.content import decode_message
from mapigw.mailbox.extended_rules import extended_rules
from mapigw.mailbox.mailboxes import NewMessage
from mapigw.mailbox.rules import ChangeKind, RuleChange, RuleState, folder_rules, modify_rules
from mapigw.wire import tags
from mapigw.wire.cursor import Cursor
from mapigw.wire.entryids import folder_entry_id, message_entry_id, server_id
from mapigw.wire.message import Message, Properties
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import NamedTag, PropertyName, PropertyType
from mapigw.wire.property_sets import PS_PUBLIC_STRINGS
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
from mapigw.wire.rows import push_property_name
from tests.mail.arriving import (
    DAM_CLASS,
    DEFER,
    DEM_CLASS,
    ENABLED,
    READ,
    STOP,
    SUBJECT,
    TEMPLATE,
    Inbox,
    inbox,
    mail,
    move,
    relayed,
    rule,
)

__all__ = ["inbox", "mail"]  # fixtures


# What is left to clients


@pytest.mark.spec(
    "MS-OXORULE_R321", "MS-OXORULE_R354", "MS-OXORULE_R740", "MS-OXORULE_R359", "MS-OXORULE_R741", "MS-OXORULE_R365",
    "MS-OXORULE_R368", "MS-OXORULE_R371", "MS-OXORULE_R426", "MS-OXORULE_R427", "MS-OXORULE_R535", "MS-OXORULE_R565",
    "MS-OXORULE_R808", "MS-OXORULE_R567", "MS-OXORULE_R571", "MS-OXORULE_R908", "MS-OXORULE_R932", "MS-OXORULE_R563",
    "MS-OXORULE_R369", "MS-OXORULE_R364",
)  # fmt: skip
async def test_deferred_actions_become_one_message_for_each_provider(inbox: Inbox) -> None:
    await inbox.rules(rule(READ, DEFER), rule(STOP, sequence=20), rule(DEFER, provider="Other", sequence=30))
    message_id = await inbox.arrive()
    first, second = sorted(await inbox.deferred(), key=lambda item: str(item.properties[tags.PidTagRuleProvider]))[::-1]
    mailbox, folder_id = inbox.mailbox, inbox.folders["inbox"]
    rows = await inbox.rows("deferred_action")
    ids = [item.rule_id for item in await folder_rules(mailbox, folder_id)]
    values = first.properties
    assert values[tags.PidTagMessageClass] == DAM_CLASS
    assert values[tags.PidTagDamBackPatched] is False
    assert values[tags.PidTagRuleProvider] == "RuleOrganizer"
    assert values[tags.PidTagDamOriginalEntryId] == message_entry_id(
        mailbox.guid, mailbox.replica_guid, folder_id, message_id
    )
    assert values[tags.PidTagRuleFolderEntryId] == folder_entry_id(mailbox.guid, mailbox.replica_guid, folder_id)
    assert pull_rule_actions(Cursor(values[tags.PidTagClientActions])) == [READ, DEFER, STOP]
    assert values[tags.PidTagRuleIds] == 2 * ObjectId(1, ids[0]).to_integer().to_bytes(8, "little")
    own = {row.message_id for row in rows}
    assert values[tags.PidTagDeferredActionMessageOriginalEntryId] in {
        server_id(inbox.folders["deferred_action"], number) for number in own
    }
    assert second.properties[tags.PidTagRuleProvider] == "Other"
    assert pull_rule_actions(Cursor(second.properties[tags.PidTagClientActions])) == [DEFER]
    assert len(rows) == 2


@pytest.mark.spec("MS-OXORULE_R536", "MS-OXORULE_R564", "MS-OXORULE_R724", "MS-OXORULE_R886")
async def test_a_message_says_whether_something_is_left_to_do(inbox: Inbox) -> None:
    await inbox.rules(rule(DEFER))
    await inbox.arrive()
    await inbox.arrive(Subject="Hello")
    found = [decode_message(row).properties[tags.PidTagHasDeferredActionMessages] for row in await inbox.rows("inbox")]
    assert found == [True, False]


@pytest.mark.spec("MS-OXORULE_R883")
async def test_deferred_actions_are_those_of_the_rule_as_it_is_now(inbox: Inbox) -> None:
    await inbox.rules(rule(DEFER))
    (stored,) = await folder_rules(inbox.mailbox, inbox.folders["inbox"])
    change = RuleChange(ChangeKind.MODIFY, stored.rule_id, {tags.PidTagRuleActions: [STOP]})
    await modify_rules(inbox.mailbox, inbox.folders["inbox"], [change], replace=False)
    await inbox.arrive()
    (message,) = await inbox.deferred()
    assert pull_rule_actions(Cursor(message.properties[tags.PidTagClientActions])) == [STOP]


async def test_a_folder_in_another_store_is_left_to_the_client(inbox: Inbox) -> None:
    await inbox.rules(rule(move(1, here=False)))
    await inbox.arrive()
    assert len(await inbox.deferred()) == 1
    assert await inbox.subjects("inbox") == ["Your invoice"]


@pytest.mark.spec(
    "MS-OXORULE_R387", "MS-OXORULE_R1009", "MS-OXORULE_R750", "MS-OXORULE_R707", "MS-OXORULE_R709", "MS-OXORULE_R711",
    "MS-OXORULE_R717", "MS-OXORULE_R810", "MS-OXORULE_R812", "MS-OXORULE_R896", "MS-OXORULE_R903", "MS-OXORULE_R909",
    "MS-OXORULE_R7132", "MS-OXORULE_R7152",
)  # fmt: skip
async def test_an_error_is_told_to_the_client(inbox: Inbox) -> None:
    await inbox.rules(rule(READ, move(0x7777)))
    message_id = await inbox.arrive()
    (error,) = await inbox.deferred()
    mailbox, folder_id = inbox.mailbox, inbox.folders["inbox"]
    (stored,) = await folder_rules(mailbox, folder_id)
    values = error.properties
    assert values[tags.PidTagMessageClass] == DEM_CLASS
    assert values[tags.PidTagRuleError] == 6
    assert (values[tags.PidTagRuleActionType], values[tags.PidTagRuleActionNumber]) == (ActionType.OP_MOVE, 1)
    assert values[tags.PidTagRuleProvider] == "RuleOrganizer"
    assert values[tags.PidTagRuleId] == ObjectId(1, stored.rule_id).to_integer()
    assert values[tags.PidTagDamOriginalEntryId] == message_entry_id(
        mailbox.guid, mailbox.replica_guid, folder_id, message_id
    )
    assert values[tags.PidTagRuleFolderEntryId] == folder_entry_id(mailbox.guid, mailbox.replica_guid, folder_id)
    # The message is there, and the rest of the rule was done.
    assert [row.is_read for row in await inbox.rows("inbox")] == [True]


@pytest.mark.spec("MS-OXORULE_R581", "MS-OXORULE_R913")
async def test_a_rule_that_fails_again_is_not_told_of_again(inbox: Inbox) -> None:
    await inbox.rules(rule(move(0x7777)), rule(READ))
    for _ in range(3):
        await inbox.arrive()
    assert len(await inbox.deferred()) == 1
    states = [
        item.properties[tags.PidTagRuleState] for item in await folder_rules(inbox.mailbox, inbox.folders["inbox"])
    ]
    assert states == [ENABLED | RuleState.ST_ERROR, ENABLED]
    assert [row.is_read for row in await inbox.rows("inbox")] == [True] * 3


async def test_a_template_that_is_gone_is_an_error(inbox: Inbox) -> None:
    data = ReplyData((ObjectId(1, 1), ObjectId(1, 1)), TEMPLATE)
    await inbox.rules(rule(ActionBlock(ActionType.OP_REPLY, 0, 0, data)))
    await inbox.arrive()
    (error,) = await inbox.deferred()
    assert error.properties[tags.PidTagRuleError] == 0x0A
    # One that was moved is found by its GUID.
    await inbox.template()
    await inbox.arrive(sender="ben@far.example")
    assert (await relayed(inbox))[0].recipients == ["ben@far.example"]


# Extended rules


async def extended(inbox: Inbox, condition: bytes, actions: bytes, **more: Any) -> None:
    values: Properties = {
        tags.PidTagMessageClass: "IPM.ExtendedRule.Message",
        tags.PidTagRuleMessageName: "Junk E-mail Rule",
        tags.PidTagRuleMessageSequence: more.get("sequence", 0),
        tags.PidTagRuleMessageState: ENABLED,
        tags.PidTagRuleMessageProvider: "JunkEmailRule",
        tags.PidTagExtendedRuleMessageCondition: condition,
        tags.PidTagExtendedRuleMessageActions: actions,
    }
    await inbox.mailbox.append(inbox.folders["inbox"], [NewMessage(Message(values), is_associated=True)])


def packed_actions(*blocks: ActionBlock) -> bytes:
    out = bytearray(b"\0\0" + b"\1\0\0\0")
    push_rule_actions(out, list(blocks), wide=True)
    return bytes(out)


def to_junk(inbox: Inbox) -> ActionBlock:
    entry_id = folder_entry_id(inbox.mailbox.guid, inbox.mailbox.replica_guid, inbox.folders["junk_email"])
    return ActionBlock(ActionType.OP_MOVE, 0, 0, MoveCopyData(None, b"store", entry_id))


async def test_the_junk_rule_keeps_blocked_senders_out_of_the_inbox(inbox: Inbox) -> None:
    condition = bytearray(b"\0\0")
    tag = tags.PidTagSenderEmailAddress
    push_restriction(condition, ContentRestriction(0, 1, tag, (tag, "spam@far.example")), wide=True)
    await extended(inbox, bytes(condition), packed_actions(to_junk(inbox)))
    await inbox.arrive(sender="spam@far.example")
    await inbox.arrive()
    assert (len(await inbox.rows("junk_email")), len(await inbox.rows("inbox"))) == (1, 1)


async def test_named_properties_of_an_extended_rule_have_their_own_ids(inbox: Inbox) -> None:
    name = PropertyName(PS_PUBLIC_STRINGS, name="Keywords")
    names = bytearray()
    push_property_name(names, name)
    condition = bytearray(b"\1\0" + b"\x34\x92" + len(names).to_bytes(4, "little") + names)
    tag = 0x9234 << 16 | PropertyType.MULTIPLE_STRING
    push_restriction(condition, ContentRestriction(0, 1, tag, (0x9234 << 16 | PropertyType.STRING, "spam")), wide=True)
    await extended(inbox, bytes(condition), packed_actions(to_junk(inbox)))
    own = (await inbox.mailbox.property_ids([name], create=True))[name]
    (found,) = await extended_rules(inbox.mailbox, inbox.folders["inbox"])
    assert isinstance(found.condition, ContentRestriction)
    assert found.condition.property_tag >> 16 == own != 0x9234
    marked = Message({SUBJECT: "x", NamedTag(name, PropertyType.MULTIPLE_STRING): ["Spam"]})
    await inbox.mail.deliverer.deliver(inbox.user, NewMessage(marked), "tom@bm.lan")
    assert len(await inbox.rows("junk_email")) == 1


@pytest.mark.parametrize("condition", [b"", b"\0\0\xff", b"\xff\xff", b"\1\0\0\x80\xff\xff\xff\xff"])
async def test_an_extended_rule_that_cannot_be_read_does_no_harm(inbox: Inbox, condition: bytes) -> None:
    await extended(inbox, condition, packed_actions(to_junk(inbox)))
    await inbox.arrive()
    assert len(await inbox.rows("inbox")) == 1
