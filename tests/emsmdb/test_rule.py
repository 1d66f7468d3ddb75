"""Standard rules: changed, kept, given back (MS-OXORULE 2.2.1, 2.2.2, 3.2.5.2, 3.2.5.3)."""

from typing import Any
from uuid import UUID

import pytest

from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.permissions import EVERYTHING, Rights
from mapigw.mailbox.rules import RULES_MAXIMUM, RuleState
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import store_entry_id
from mapigw.wire.message import Message
from mapigw.wire.primitives import ObjectId
from mapigw.wire.restrictions import (
    ActionBlock,
    ActionType,
    AndRestriction,
    BitMaskRestriction,
    CommentRestriction,
    ComparePropertiesRestriction,
    ContentRestriction,
    CountRestriction,
    ExistRestriction,
    MoveCopyData,
    NotRestriction,
    OrRestriction,
    PropertyRestriction,
    RecipientBlock,
    ReplyData,
    Restriction,
    SizeRestriction,
    SubObjectRestriction,
)
from tests.emsmdb.client import LOGON, Client
from tests.emsmdb.delegates import ANN, folder, grant, log_on_as

ADD, MODIFY, REMOVE = 1, 2, 4
REPLACE = 0x01
UNICODE = 0x40
COLUMNS = (
    tags.PidTagRuleId,
    tags.PidTagRuleSequence,
    tags.PidTagRuleState,
    tags.PidTagRuleName,
    tags.PidTagRuleProvider,
    tags.PidTagRuleLevel,
    tags.PidTagRuleUserFlags,
    tags.PidTagRuleProviderData,
    tags.PidTagRuleCondition,
    tags.PidTagRuleActions,
)
PROVIDER = "RuleOrganizer"
CONDITION = ContentRestriction(2, 1, 0x0037001F, (0x0037001F, "Project X"))
READ = ActionBlock(ActionType.OP_MARK_AS_READ, 0, 0, b"")
STORE = store_entry_id("server", "/o=bm/cn=tom")
TEMPLATE = UUID("11223344-5566-7788-99aa-bbccddeeff00")
RECIPIENT = RecipientBlock(
    1, ((0x3001001F, "Ann"), (0x3003001F, "ann@bm.lan"), (0x0C150003, 1), (0x0FFF0102, b"\1\2\3"))
)


def rule(
    name: str, condition: Restriction = CONDITION, actions: list[ActionBlock] | None = None, **more: Any
) -> dict[int, Any]:
    """The properties of a rule; ``more`` are state, sequence and so on."""
    return {
        tags.PidTagRuleSequence: more.get("sequence", 10),
        tags.PidTagRuleState: more.get("state", 1),
        tags.PidTagRuleName: name,
        tags.PidTagRuleProvider: PROVIDER,
        tags.PidTagRuleLevel: more.get("level", 0),
        tags.PidTagRuleUserFlags: more.get("user_flags", 0),
        tags.PidTagRuleProviderData: more.get("provider_data", b"\1"),
        tags.PidTagRuleCondition: condition,
        tags.PidTagRuleActions: [READ] if actions is None else actions,
    }


def change(flags: int, values: dict[int, Any]) -> dict[str, Any]:
    """A RuleData structure."""
    return {"rule_data_flags": flags, "property_values": list(values.items())}


def add(*rules: dict[int, Any]) -> list[dict[str, Any]]:
    return [change(ADD, values) for values in rules]


async def modify(client: Client, slot: int, changes: list[dict[str, Any]], *, flags: int = 0) -> None:
    await client.value("ModifyRules", slot, modify_rules_flags=flags, rules_data=changes)


async def error(client: Client, slot: int, changes: list[dict[str, Any]], *, flags: int = 0) -> int:
    return await client.error("ModifyRules", slot, modify_rules_flags=flags, rules_data=changes)


async def listed(client: Client, slot: int, *, flags: int = UNICODE) -> list[dict[int, Any]]:
    """The rules of an open folder."""
    await client.value("GetRulesTable", slot, table_flags=flags)
    table = client.last
    await client.value("SetColumns", table, set_columns_flags=0, property_tags=list(COLUMNS))
    found: list[dict[int, Any]] = []
    while True:
        value = await client.value("QueryRows", table, COLUMNS, query_rows_flags=0, forward_read=True, row_count=50)
        if not value.row_count:
            return found
        found += [dict(zip(COLUMNS, row, strict=True)) for row in value.row_data]


async def names(client: Client, slot: int) -> list[str]:
    return [row[tags.PidTagRuleName] for row in await listed(client, slot)]


@pytest.mark.spec(
    "MS-OXORULE_R14",
    "MS-OXORULE_R680",
    "MS-OXORULE_R121",
    "MS-OXORULE_R122",
    "MS-OXORULE_R123",
    "MS-OXORULE_R133",
    "MS-OXORULE_R778",
    "MS-OXORULE_R779",
    "MS-OXORULE_R596",
    "MS-OXORULE_R597",
    "MS-OXORULE_R611",
    "MS-OXORULE_R612",
)
async def test_rules_are_kept_and_given_back(client: Client) -> None:
    inbox = await folder(client, "inbox")
    first, second, third = rule("First", sequence=11), rule("Second", sequence=12), rule("Third", sequence=10)
    await modify(client, inbox, add(first, second))
    await modify(client, inbox, add(third))
    rows = await listed(client, inbox)
    assert len({row[tags.PidTagRuleId] for row in rows}) == 3
    assert all(row.pop(tags.PidTagRuleId) for row in rows)
    assert rows == [third, first, second]  # by sequence


async def test_rules_belong_to_their_folder(client: Client) -> None:
    await modify(client, await folder(client, "inbox"), add(rule("One")))
    assert await listed(client, await folder(client, "drafts")) == []


@pytest.mark.spec("MS-OXORULE_R669")
async def test_the_whole_set_is_replaced(client: Client) -> None:
    inbox = await folder(client, "inbox")
    await modify(client, inbox, add(rule("One"), rule("Two")))
    before = {row[tags.PidTagRuleId] for row in await listed(client, inbox)}
    await modify(client, inbox, add(rule("Two"), rule("Three")), flags=REPLACE)
    rows = await listed(client, inbox)
    assert [row[tags.PidTagRuleName] for row in rows] == ["Two", "Three"]
    assert not before & {row[tags.PidTagRuleId] for row in rows}
    await modify(client, inbox, [], flags=REPLACE)
    assert await listed(client, inbox) == []


@pytest.mark.spec("MS-OXORULE_R671")
async def test_changes_leave_the_other_rules(client: Client) -> None:
    inbox = await folder(client, "inbox")
    await modify(client, inbox, add(rule("One"), rule("Two"), rule("Three")))
    one, two, _three = [row[tags.PidTagRuleId] for row in await listed(client, inbox)]
    await modify(
        client,
        inbox,
        [
            change(REMOVE, {tags.PidTagRuleId: one}),
            change(MODIFY, {tags.PidTagRuleId: two, tags.PidTagRuleName: "2", tags.PidTagRuleSequence: 5}),
            *add(rule("Four", sequence=4)),
        ],
    )
    rows = await listed(client, inbox)
    assert [row[tags.PidTagRuleName] for row in rows] == ["Four", "2", "Three"]
    assert rows[1] == {**rule("2", sequence=5), tags.PidTagRuleId: two}  # what was not said stays


@pytest.mark.spec("MS-OXORULE_R96", "MS-OXORULE_R100")
async def test_what_is_the_clients_alone_is_kept(client: Client) -> None:
    inbox = await folder(client, "inbox")
    await modify(client, inbox, add(rule("One", user_flags=0x7FEDCBA9, provider_data=bytes(range(256)))))
    (row,) = await listed(client, inbox)
    assert row[tags.PidTagRuleUserFlags] == 0x7FEDCBA9
    assert row[tags.PidTagRuleProviderData] == bytes(range(256))
    await modify(client, inbox, [change(MODIFY, {tags.PidTagRuleId: row[tags.PidTagRuleId], 0x66770003: 0})])
    (row,) = await listed(client, inbox)
    assert row[tags.PidTagRuleUserFlags] == 0x7FEDCBA9
    assert row[tags.PidTagRuleProviderData] == bytes(range(256))


@pytest.mark.spec("MS-OXORULE_R844", "MS-OXORULE_R846", "MS-OXORULE_R888")
@pytest.mark.parametrize("bit", [1 << position for position in range(31)])
async def test_every_state_is_accepted(client: Client, bit: int) -> None:
    inbox = await folder(client, "inbox")
    await modify(client, inbox, add(rule("With", state=bit), rule("Without", state=0)))
    with_bit, without = await listed(client, inbox)
    # That a rule is in error only the server says.
    servers = RuleState.ST_ERROR | RuleState.ST_RULE_PARSE_ERROR
    assert with_bit[tags.PidTagRuleState] == bit & ~servers
    assert without[tags.PidTagRuleState] == 0


@pytest.mark.parametrize(
    "condition",
    [
        AndRestriction((CONDITION, ExistRestriction(0x0E1D001F))),
        OrRestriction((NotRestriction(CONDITION), SizeRestriction(2, 0x0E080003, 1_000_000))),
        PropertyRestriction(4, 0x1000001F, (0x1000001F, "")),
        ComparePropertiesRestriction(4, 0x0C1F001F, 0x0E04001F),
        BitMaskRestriction(1, 0x0E070003, 0x10),
        SubObjectRestriction(tags.PidTagMessageRecipients, PropertyRestriction(4, 0x0C150003, (0x0C150003, 1))),
        CommentRestriction(((0x60000003, 1), (0x0001001F, "Ann")), CONDITION),
        CommentRestriction((), None),
        CountRestriction(1, CONDITION),
        PropertyRestriction(4, 0x8005000B, (0x8005000B, True)),  # a named property, by the mailbox's id
    ],
)
async def test_every_condition_is_kept(client: Client, condition: Restriction) -> None:
    inbox = await folder(client, "inbox")
    await modify(client, inbox, add(rule("One", condition)))
    assert (await listed(client, inbox))[0][tags.PidTagRuleCondition] == condition


def action(kind: ActionType, data: Any, flavor: int = 0, flags: int = 0) -> ActionBlock:
    return ActionBlock(kind, flavor, flags, data)


def server_eid(folder_id: int) -> bytes:
    return b"\1" + ObjectId(1, folder_id).to_bytes() + bytes(12)


REPLY = ReplyData((ObjectId(1, 5), ObjectId(1, 0x10001)), TEMPLATE)
GOOD_ACTIONS = [
    action(ActionType.OP_MOVE, MoveCopyData(True, STORE, server_eid(8)), flags=0x12345678),
    action(ActionType.OP_COPY, MoveCopyData(True, STORE, server_eid(8))),
    action(ActionType.OP_MOVE, MoveCopyData(False, STORE, b"\0 of another store")),
    action(ActionType.OP_COPY, MoveCopyData(False, STORE, b"")),
    *(action(kind, REPLY, flavor) for kind in (ActionType.OP_REPLY, ActionType.OP_OOF_REPLY) for flavor in (0, 1, 2)),
    action(ActionType.OP_DEFER_ACTION, b"\1\2\3 as the client likes"),
    *(action(ActionType.OP_BOUNCE, code) for code in (0x0D, 0x1F, 0x26)),
    *(action(ActionType.OP_FORWARD, (RECIPIENT, RECIPIENT), flavor) for flavor in (0, 1, 2, 3, 4, 8)),
    action(ActionType.OP_FORWARD, (RECIPIENT,), 0x100),  # a bit without a meaning
    action(ActionType.OP_DELEGATE, (RECIPIENT,)),
    action(ActionType.OP_TAG, (0x8005001F, "Red")),
    action(ActionType.OP_TAG, (0x00170003, 2)),
    action(ActionType.OP_DELETE, b""),
    READ,
]


@pytest.mark.spec(
    "MS-OXORULE_R276",
    "MS-OXORULE_R298",
    "MS-OXORULE_R929",
    "MS-OXORULE_R736",
    "MS-OXORULE_R956",
    "MS-OXORULE_R957",
    "MS-OXORULE_R1003",
    "MS-OXORULE_R1006",
)
async def test_every_action_is_kept(client: Client) -> None:
    inbox = await folder(client, "inbox")
    for position, item in enumerate(GOOD_ACTIONS):
        await modify(client, inbox, add(rule(str(position), actions=[item], sequence=position)))
    await modify(client, inbox, add(rule("All", actions=GOOD_ACTIONS, sequence=100)))
    *rows, last = await listed(client, inbox)
    assert [row[tags.PidTagRuleActions] for row in rows] == [[item] for item in GOOD_ACTIONS]
    assert last[tags.PidTagRuleActions] == GOOD_ACTIONS


@pytest.mark.spec("MS-OXORULE_R983", "MS-OXORULE_R703")
async def test_the_destination_of_a_rule_can_be_opened(client: Client, own_mailbox: Mailbox) -> None:
    # as a client finds it in the table
    drafts = (await own_mailbox.special_folder("drafts")).folder_id
    inbox = await folder(client, "inbox")
    move = action(ActionType.OP_MOVE, MoveCopyData(True, STORE, server_eid(drafts)))
    await modify(client, inbox, add(rule("Move", actions=[move])))
    ((found,),) = [row[tags.PidTagRuleActions] for row in await listed(client, inbox)]
    assert found.action_data.folder_in_this_store
    folder_id = ObjectId.from_bytes(found.action_data.folder_entry_id[1:9])
    await client.value("OpenFolder", folder_id=folder_id, open_mode_flags=0)
    assert await client.properties(client.last, tags.PidTagDisplayName) == ["Drafts"]
    short = action(ActionType.OP_COPY, MoveCopyData(True, STORE, b"\0" + server_eid(drafts)[1:]))
    assert await error(client, inbox, add(rule("Copy", actions=[short]))) == ErrorCode.InvalidParameter


@pytest.mark.spec("MS-OXORULE_R305", "MS-OXORULE_R307", "MS-OXORULE_R309", "MS-OXORULE_R928")
@pytest.mark.parametrize("kind", [ActionType.OP_REPLY, ActionType.OP_OOF_REPLY])
async def test_a_reply_names_its_template(client: Client, own_mailbox: Mailbox, kind: ActionType) -> None:
    place = (await own_mailbox.special_folder("inbox")).folder_id
    template = Message({tags.PidTagReplyTemplateId: TEMPLATE.bytes_le, tags.PidTagMessageClass: "IPM.Note"})
    (message_id,) = await own_mailbox.append(place, [NewMessage(template, is_associated=True)])
    inbox = await folder(client, "inbox")
    reply = action(kind, ReplyData((ObjectId(1, place), ObjectId(1, message_id)), TEMPLATE))
    await modify(client, inbox, add(rule("Reply", actions=[reply])))
    ((found,),) = [row[tags.PidTagRuleActions] for row in await listed(client, inbox)]
    folder_id, found_id = found.action_data.template
    await client.value("OpenMessage", code_page_id=0x0FFF, folder_id=folder_id, message_id=found_id, open_mode_flags=0)
    guid = found.action_data.reply_template_guid.bytes_le
    assert await client.properties(client.last, tags.PidTagReplyTemplateId) == [guid]


@pytest.mark.parametrize(
    "actions",
    [
        [],
        [action(ActionType.OP_MOVE, MoveCopyData(True, STORE, b"\1"))],
        [action(ActionType.OP_MOVE, MoveCopyData(True, STORE, server_eid(8)), 1)],
        [action(ActionType.OP_REPLY, REPLY, 3)],
        [action(ActionType.OP_BOUNCE, 0)],
        [action(ActionType.OP_FORWARD, ())],
        [action(ActionType.OP_FORWARD, (RecipientBlock(1, ()),))],
        *([action(ActionType.OP_FORWARD, (RECIPIENT,), flavor)] for flavor in (5, 6, 9, 12, 15)),
        [action(ActionType.OP_DELEGATE, (RECIPIENT,), 1)],
        [action(ActionType.OP_DELEGATE, ())],
        [action(ActionType.OP_DELETE, b"x")],
        [ActionBlock(ActionType.OP_MARK_AS_READ, 0, 0, b"x")],
        [READ, action(ActionType.OP_TAG, (0x00170003, 2), 1)],
        [ActionBlock(0x0C, 0, 0, b"")],
        [ActionBlock(0, 0, 0, b"")],
    ],
)
async def test_wrong_actions(client: Client, actions: list[ActionBlock]) -> None:
    inbox = await folder(client, "inbox")
    changes = add(rule("Good"), rule("Bad", actions=actions))
    assert await error(client, inbox, changes) == ErrorCode.InvalidParameter
    assert await listed(client, inbox) == []


def without(*missing: int) -> dict[int, Any]:
    return {tag: value for tag, value in rule("Bad").items() if tag not in missing}


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (change(0, rule("Bad")), ErrorCode.InvalidParameter),
        (change(3, rule("Bad")), ErrorCode.InvalidParameter),
        (change(8, rule("Bad")), ErrorCode.InvalidParameter),
        (change(ADD, {}), ErrorCode.InvalidParameter),
        (change(ADD, rule("Bad", level=1)), ErrorCode.InvalidParameter),
        (change(ADD, without(tags.PidTagRuleProvider)), ErrorCode.InvalidParameter),
        (change(ADD, without(tags.PidTagRuleCondition)), ErrorCode.InvalidParameter),
        (change(ADD, without(tags.PidTagRuleActions)), ErrorCode.InvalidParameter),
        (change(ADD, {**rule("Bad"), tags.PidTagRuleId: 0x0A00_0000_0000_0001}), ErrorCode.InvalidParameter),
        (change(ADD, {**rule("Bad"), tags.PidTagSubject: "x"}), ErrorCode.InvalidParameter),
        (change(ADD, {**without(tags.PidTagRuleState), 0x66770014: 1}), ErrorCode.InvalidParameter),
        (change(MODIFY, rule("Bad")), ErrorCode.InvalidParameter),
        (change(REMOVE, {}), ErrorCode.InvalidParameter),
        (change(MODIFY, {tags.PidTagRuleId: ObjectId(1, 4711).to_integer()}), ErrorCode.NotFound),
        (change(REMOVE, {tags.PidTagRuleId: ObjectId(1, 4711).to_integer()}), ErrorCode.NotFound),
        (change(REMOVE, {tags.PidTagRuleId: ObjectId(2, 1).to_integer()}), ErrorCode.NotFound),
    ],
)
async def test_a_bad_rule_undoes_the_good_ones(client: Client, bad: dict[str, Any], code: ErrorCode) -> None:
    inbox = await folder(client, "inbox")
    assert await error(client, inbox, [*add(rule("Good")), bad]) == code
    assert await listed(client, inbox) == []


@pytest.mark.spec("MS-OXORULE_R821", "MS-OXORULE_R822", "MS-OXCDATA_R904")
async def test_unknown_flags_of_a_change(client: Client) -> None:
    inbox = await folder(client, "inbox")
    for flag in (0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80):
        for flags in (flag, flag | REPLACE):
            assert await error(client, inbox, add(rule("One")), flags=flags) == 0x80070057  # ecInvalidParam
    assert await listed(client, inbox) == []
    assert await error(client, LOGON, add(rule("One"))) == ErrorCode.NotSupported


@pytest.mark.spec("MS-OXORULE_R826", "MS-OXORULE_R889", "MS-OXORULE_R920")
async def test_unknown_flags_of_a_table(client: Client) -> None:
    inbox = await folder(client, "inbox")
    for flag in (0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x80):
        for flags in (flag, flag | UNICODE):
            assert await client.error("GetRulesTable", inbox, table_flags=flags) == 0x80040102  # ecNotSupported
    assert await client.error("GetRulesTable", LOGON, table_flags=0) == ErrorCode.NotSupported


async def test_replacing_takes_new_rules_only(client: Client) -> None:
    inbox = await folder(client, "inbox")
    await modify(client, inbox, add(rule("One")))
    (row,) = await listed(client, inbox)
    for flags in (MODIFY, REMOVE):
        changes = [*add(rule("Two")), change(flags, {tags.PidTagRuleId: row[tags.PidTagRuleId]})]
        assert await error(client, inbox, changes, flags=REPLACE) == ErrorCode.InvalidParameter
    assert await names(client, inbox) == ["One"]


@pytest.mark.spec("MS-OXORULE_R127")
async def test_strings_are_unicode_or_8_bit_as_the_table_is_asked_for(client: Client) -> None:
    inbox = await folder(client, "inbox")
    narrow = CommentRestriction(
        ((0x0001001E, "Zürich".encode("cp1252")),),
        OrRestriction(
            (
                ContentRestriction(1, 1, 0x0037001E, (0x0037001E, "Grüße".encode("cp1252"))),
                ExistRestriction(0x0C1F001E),
                PropertyRestriction(4, 0x8005101E, (0x8005101E, [b"a", b"b"])),
            )
        ),
    )
    wide = CommentRestriction(
        ((0x0001001F, "Zürich"),),
        OrRestriction(
            (
                ContentRestriction(1, 1, 0x0037001F, (0x0037001F, "Grüße")),
                ExistRestriction(0x0C1F001F),
                PropertyRestriction(4, 0x8005101F, (0x8005101F, ["a", "b"])),
            )
        ),
    )
    forward = ActionBlock(ActionType.OP_FORWARD, 0, 0, (RecipientBlock(0, ((0x3001001E, b"Ann"),)),))
    tag = ActionBlock(ActionType.OP_TAG, 0, 0, (0x8006001E, b"Red"))
    values = rule("", narrow, [forward, tag])
    del values[tags.PidTagRuleName], values[tags.PidTagRuleProvider]
    await modify(client, inbox, add({0x6682001E: "Zürich".encode("cp1252"), 0x6681001E: b"P", **values}))
    (row,) = await listed(client, inbox, flags=UNICODE)
    assert row[tags.PidTagRuleName] == "Zürich"
    assert row[tags.PidTagRuleProvider] == "P"
    assert row[tags.PidTagRuleCondition] == wide
    assert [item.action_data for item in row[tags.PidTagRuleActions]] == [
        (RecipientBlock(0, ((0x3001001F, "Ann"),)),),
        (0x8006001F, "Red"),
    ]
    (row,) = await listed(client, inbox, flags=0)
    assert row[tags.PidTagRuleCondition] == narrow
    assert row[tags.PidTagRuleActions] == [forward, tag]
    await client.value("GetRulesTable", inbox, table_flags=0)
    await client.value("SetColumns", client.last, set_columns_flags=0, property_tags=[0x6682001E])
    value = await client.value(
        "QueryRows", client.last, [0x6682001E], query_rows_flags=0, forward_read=True, row_count=1
    )
    assert value.row_data == [["Zürich".encode("cp1252")]]


async def test_a_condition_with_a_restriction_for_a_value(client: Client) -> None:
    inbox = await folder(client, "inbox")
    inner = ContentRestriction(1, 1, 0x0037001E, (0x0037001E, b"x"))
    await modify(client, inbox, add(rule("One", CommentRestriction(((0x000100FD, inner), (0x000200FE, [READ])), None))))
    (row,) = await listed(client, inbox)
    wide = ContentRestriction(1, 1, 0x0037001F, (0x0037001F, "x"))
    assert row[tags.PidTagRuleCondition] == CommentRestriction(((0x000100FD, wide), (0x000200FE, [READ])), None)


async def test_rules_are_limited(client: Client) -> None:
    inbox = await folder(client, "inbox")
    large = rule("Large", provider_data=bytes(0x6000))
    too_large = rule("Too large", provider_data=bytes(0x7000))
    assert await error(client, inbox, add(too_large)) == 0x8007000E  # ecNotEnoughMemory
    for position in range(RULES_MAXIMUM // 0x6100):
        await modify(client, inbox, add({**large, tags.PidTagRuleName: str(position)}))
    count = len(await listed(client, inbox))
    assert await error(client, inbox, add(large)) == 0x8007000E
    assert len(await listed(client, inbox)) == count
    (row, *_others) = await listed(client, inbox)
    assert row[tags.PidTagRuleProviderData] == bytes(0x6000)  # whole, unlike in other tables


async def test_8_bit_strings_that_grow_too_large(client: Client) -> None:
    inbox = await folder(client, "inbox")
    name = {0x6682001E: b"x" * 0x7000, **without(tags.PidTagRuleName)}
    assert await error(client, inbox, add(name)) == 0x8007000E
    assert await listed(client, inbox) == []


async def test_rules_are_found_and_restricted(client: Client) -> None:
    inbox = await folder(client, "inbox")
    await modify(client, inbox, add(rule("Ann", sequence=1), rule("Ben", sequence=2), rule("Anton", sequence=3)))
    await client.value("GetRulesTable", inbox, table_flags=UNICODE)
    table, columns = client.last, [tags.PidTagRuleName]
    await client.value("SetColumns", table, set_columns_flags=0, property_tags=columns)
    second = PropertyRestriction(4, tags.PidTagRuleSequence, (tags.PidTagRuleSequence, 2))
    found = await client.value(
        "FindRow", table, columns, find_row_flags=0, restriction_data=second, origin=0, bookmark=b""
    )
    assert found.row_data == ["Ben"]
    names = ContentRestriction(2, 0, tags.PidTagRuleName, (tags.PidTagRuleName, "An"))
    await client.value("Restrict", table, restrict_flags=0, restriction_data=names)
    value = await client.value("QueryRows", table, columns, query_rows_flags=0, forward_read=True, row_count=9)
    assert value.row_data == [["Ann"], ["Anton"]]


async def test_rules_are_the_folder_owners(client: Client) -> None:
    ann = await log_on_as(client, ANN)
    await grant(client, "inbox", ANN, EVERYTHING & ~Rights.FolderOwner)
    inbox = await folder(ann, "inbox")
    assert await error(ann, inbox, add(rule("One"))) == ErrorCode.AccessDenied
    assert await ann.error("GetRulesTable", inbox, table_flags=0) == ErrorCode.AccessDenied
    await grant(client, "inbox", ANN, Rights.FolderOwner)
    await modify(ann, inbox, add(rule("One")))
    assert await names(client, await folder(client, "inbox")) == ["One"]


@pytest.mark.spec("MS-OXORULE_R7202", "MS-OXORULE_R8851")
async def test_the_folder_tells_whether_it_has_rules(client: Client, own_mailbox: Mailbox) -> None:
    inbox = await folder(client, "inbox")
    assert await client.properties(inbox, tags.PidTagHasRules) == [False]
    before = (await own_mailbox.special_folder("inbox")).change_number
    await modify(client, inbox, add(rule("One")))
    assert await client.properties(inbox, tags.PidTagHasRules) == [True]
    assert (await own_mailbox.special_folder("inbox")).change_number > before
    await modify(client, inbox, [], flags=REPLACE)
    assert await client.properties(inbox, tags.PidTagHasRules) == [False]
