"""The standard rules of folders: stored, checked and given back (MS-OXORULE 2.2.1, 3.2.5.2)."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, IntFlag
from typing import Any, Final

from mapigw.mailbox import content
from mapigw.mailbox.events import changing
from mapigw.mailbox.mailboxes import Mailbox, MailboxError, NotFoundError, folder_change
from mapigw.store import folders, mailboxes, rules
from mapigw.store.database import Connection
from mapigw.store.rules import RuleRow
from mapigw.wire import tags
from mapigw.wire.cursor import Cursor
from mapigw.wire.properties import PropertyType
from mapigw.wire.restrictions import (
    ActionBlock,
    ActionType,
    pull_restriction,
    pull_rule_actions,
    push_restriction,
    push_rule_actions,
)

RULE_MAXIMUM: Final = 0x7000
"""Bytes of a rule, so that a row of the rules table with all of it fits in a response."""

RULES_MAXIMUM: Final = 256 << 10
"""Bytes of all rules of a folder together; Exchange allows up to this (MS-OXORULE section 6, note 20)."""

EXTENDED_RULE_SIZE_LIMIT: Final = 0x18000
"""Bytes of an extended rule's condition, as on Exchange (2.2.4)."""

SERVER_EID_SIZE: Final = 21  # 2.2.5.1.2.1.1
EXTENDED_RULE_CLASS: Final = "ipm.extendedrule.message"  # 2.2.4, lower case
BOUNCE_CODES: Final = frozenset({0x0000000D, 0x0000001F, 0x00000026})  # 2.2.5.1.2.5


class RuleState(IntFlag):
    """PidTagRuleState (2.2.1.3.1.3)."""

    ST_ENABLED = 0x01
    ST_ERROR = 0x02
    ST_ONLY_WHEN_OOF = 0x04
    ST_KEEP_OOF_HIST = 0x08
    ST_EXIT_LEVEL = 0x10
    ST_SKIP_IF_SCL_IS_SAFE = 0x20
    ST_RULE_PARSE_ERROR = 0x40


class ForwardFlavor(IntFlag):
    """ActionFlavor of OP_FORWARD (2.2.5.1.1)."""

    PR = 0x01
    NC = 0x02
    AT = 0x04
    TM = 0x08


class ReplyFlavor(IntFlag):
    """ActionFlavor of OP_REPLY and OP_OOF_REPLY (2.2.5.1.1)."""

    NS = 0x01
    ST = 0x02


_SERVERS_STATE: Final = RuleState.ST_ERROR | RuleState.ST_RULE_PARSE_ERROR

RULE_PROPERTIES: Final = frozenset(
    {
        tags.PidTagRuleSequence,
        tags.PidTagRuleState,
        tags.PidTagRuleName,
        tags.PidTagRuleProvider,
        tags.PidTagRuleLevel,
        tags.PidTagRuleUserFlags,
        tags.PidTagRuleProviderData,
        tags.PidTagRuleCondition,
        tags.PidTagRuleActions,
    }
)
"""Those of a standard rule but for its id (2.2.1.3.1)."""

_REQUIRED: Final = (tags.PidTagRuleProvider, tags.PidTagRuleCondition, tags.PidTagRuleActions)  # 3.1.4.2.1

# A property list has no types for these two, so that they are stored as the bytes that ROPs have.
_STORED_CONDITION: Final = tags.PidTagRuleCondition & ~0xFFFF | PropertyType.BINARY
_STORED_ACTIONS: Final = tags.PidTagRuleActions & ~0xFFFF | PropertyType.BINARY


class InvalidRuleError(MailboxError):
    """A property of a rule is missing or wrong."""


class UnknownRuleError(MailboxError):
    """The folder has no rule of this id."""


class RulesTooLargeError(MailboxError):
    """A rule or a folder's rules together are too large."""


class ChangeKind(Enum):
    """RuleDataFlags (2.2.1.3)."""

    ADD = 0x01
    MODIFY = 0x02
    REMOVE = 0x04


@dataclass(frozen=True, slots=True)
class RuleChange:
    """``rule_id`` is None for a rule to add; ``properties`` are those of `RULE_PROPERTIES` that are to be set."""

    kind: ChangeKind
    rule_id: int | None
    properties: Mapping[int, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """``properties`` by tag; the condition and the actions are values of `mapigw.wire.restrictions`."""

    rule_id: int
    properties: Mapping[int, Any]


async def folder_rules(mailbox: Mailbox, folder_id: int) -> list[Rule]:
    """A folder's rules in the order in which they are evaluated."""
    async with mailbox.database.read() as connection:
        rows = await rules.select_rules(connection, mailbox.mailbox_id, folder_id)
    return [Rule(row.rule_id, _decoded(row)) for row in rows]


async def modify_rules(mailbox: Mailbox, folder_id: int, changes: Iterable[RuleChange], *, replace: bool) -> None:
    """Apply changes to a folder's rules in one transaction; with ``replace`` no other rules stay.

    Raises `NotFoundError` (the folder), `InvalidRuleError`, `UnknownRuleError`, `RulesTooLargeError`.
    """
    mailbox_id = mailbox.mailbox_id
    async with changing(mailbox) as connection:
        folder = await folders.select_folder(connection, mailbox_id, folder_id)
        if folder is None:
            raise NotFoundError("the folder does not exist")
        stored = [] if replace else await rules.select_rules(connection, mailbox_id, folder_id)
        rows = {row.rule_id: row for row in stored}
        for change in changes:
            rule_id = change.rule_id
            if rule_id is None:
                rule_id = await mailboxes.allocate(connection, mailbox_id)
                rows[rule_id] = _encoded(rule_id, change.properties)
            elif rule_id not in rows:
                raise UnknownRuleError("the folder has no such rule")
            elif change.kind is ChangeKind.REMOVE:
                del rows[rule_id]
            else:
                rows[rule_id] = _encoded(rule_id, {**_decoded(rows[rule_id]), **change.properties})
        if sum(len(row.properties) for row in rows.values()) > RULES_MAXIMUM:
            raise RulesTooLargeError("the folder's rules are too large")
        await rules.replace_rules(connection, mailbox_id, folder_id, list(rows.values()))
        await folders.update_folder(
            connection,
            mailbox_id,
            folder_id,
            **await folder_change(connection, mailbox, folder),
        )


async def note_errors(connection: Connection, mailbox: Mailbox, folder_id: int, rule_ids: Collection[int]) -> None:
    """Mark rules as failed (ST_ERROR, 3.2.5.1.3), in the caller's transaction."""
    if not rule_ids:
        return
    rows = []
    for row in await rules.select_rules(connection, mailbox.mailbox_id, folder_id):
        if row.rule_id in rule_ids:
            values = content.decode_properties(row.properties, row.properties_index)
            values[tags.PidTagRuleState] = values.get(tags.PidTagRuleState, 0) | RuleState.ST_ERROR
            row = RuleRow(row.rule_id, row.sequence, *content.encode_properties(values, {}))
        rows.append(row)
    await rules.replace_rules(connection, mailbox.mailbox_id, folder_id, rows)


def _decoded(row: RuleRow) -> dict[int, Any]:
    values = content.decode_properties(row.properties, row.properties_index)
    values[tags.PidTagRuleSequence] = row.sequence
    values[tags.PidTagRuleCondition] = pull_restriction(Cursor(values.pop(_STORED_CONDITION)))
    values[tags.PidTagRuleActions] = pull_rule_actions(Cursor(values.pop(_STORED_ACTIONS)))
    return values


def _encoded(rule_id: int, properties: Mapping[int, Any]) -> RuleRow:
    """Raises `InvalidRuleError`, `RulesTooLargeError`."""
    _check(properties)
    values = {tag: value for tag, value in properties.items() if tag != tags.PidTagRuleSequence}
    condition, actions = bytearray(), bytearray()
    try:
        push_restriction(condition, values.pop(tags.PidTagRuleCondition))
        push_rule_actions(actions, values.pop(tags.PidTagRuleActions))
    except OverflowError as error:
        raise RulesTooLargeError("the rule is too large") from error
    values |= {_STORED_CONDITION: bytes(condition), _STORED_ACTIONS: bytes(actions)}
    if tags.PidTagRuleState in values:  # what only the server sets does not count when a client does
        values[tags.PidTagRuleState] &= ~_SERVERS_STATE
    encoded = content.encode_properties(values, {})
    if len(encoded[0]) > RULE_MAXIMUM:
        raise RulesTooLargeError("the rule is too large")
    return RuleRow(rule_id, properties.get(tags.PidTagRuleSequence, 0), *encoded)


def _check(properties: Mapping[int, Any]) -> None:
    if not RULE_PROPERTIES.issuperset(properties):
        raise InvalidRuleError("no property of a standard rule")
    if any(tag not in properties for tag in _REQUIRED):
        raise InvalidRuleError("a rule has a provider, a condition and actions")
    if properties.get(tags.PidTagRuleLevel):
        raise InvalidRuleError("the level of a rule is 0")
    actions = properties[tags.PidTagRuleActions]
    if not actions or not all(_is_valid(action) for action in actions):
        raise InvalidRuleError("an action is wrong")


def _is_valid(action: ActionBlock) -> bool:
    """Whether an action is as 2.2.5.1 says. Bits that are not used are ignored where the specification says so."""
    flavor, data = action.action_flavor, action.action_data
    match action.action_type:
        case ActionType.OP_FORWARD:
            alone = flavor & (ForwardFlavor.AT | ForwardFlavor.TM)
            return flavor & 0x0F in (alone, flavor & 0x03) and alone != 0x0C and _has_recipients(data)
        case ActionType.OP_REPLY | ActionType.OP_OOF_REPLY:
            return flavor & 0x03 != ReplyFlavor.NS | ReplyFlavor.ST
        case _ if flavor:
            return False
        case ActionType.OP_DELEGATE:
            return _has_recipients(data)
        case ActionType.OP_MOVE | ActionType.OP_COPY:
            eid = data.folder_entry_id
            return not data.folder_in_this_store or (len(eid) == SERVER_EID_SIZE and eid[0] == 1)
        case ActionType.OP_BOUNCE:
            return data in BOUNCE_CODES
        case ActionType.OP_DELETE | ActionType.OP_MARK_AS_READ:
            return not data
        case ActionType.OP_DEFER_ACTION | ActionType.OP_TAG:
            return True
    return False


def _has_recipients(blocks: Any) -> bool:
    return bool(blocks) and all(block.property_values for block in blocks)


def exceeds_rule_limit(properties: Mapping[int, Any]) -> bool:
    """Whether an FAI message is an extended rule whose condition is too large (3.2.5.1)."""
    if str(properties.get(tags.PidTagMessageClass, "")).lower() != EXTENDED_RULE_CLASS:
        return False
    condition = properties.get(tags.PidTagExtendedRuleMessageCondition, b"")
    return (condition.size if isinstance(condition, content.BlobValue) else len(condition)) > EXTENDED_RULE_SIZE_LIMIT
