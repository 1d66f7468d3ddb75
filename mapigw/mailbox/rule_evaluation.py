"""Which rules apply to a message that arrives in a folder, and what they want done with it (MS-OXORULE 3.2.5.1).

Nothing is done here: an `Outcome` says what is to be done, and whoever delivers the message does it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

from mapigw.mailbox.restrictions import Candidate, matches
from mapigw.mailbox.rules import SERVER_EID_SIZE, Rule, RuleState
from mapigw.wire import tags
from mapigw.wire.entryids import SERVER_ID, parse_folder_id
from mapigw.wire.errors import WireError
from mapigw.wire.restrictions import ActionBlock, ActionType, MoveCopyData, Restriction

# What says that a message is better not answered by a program (MS-OXOMSG 2.2.1.77).
SUPPRESS_OOF: Final = 0x10
SUPPRESS_AUTO_REPLY: Final = 0x20


class RuleError(IntEnum):
    """PidTagRuleError (2.2.7.2)."""

    GENERIC = 0x01
    PARSING = 0x04
    PROCESSING = 0x05
    MOVING_OR_COPYING = 0x06
    CREATING_DAM = 0x08
    REPLY_TEMPLATE = 0x0A
    EXECUTING = 0x0B
    QUOTA = 0x0C
    TOO_MANY_RECIPIENTS = 0x0D


@dataclass(frozen=True, slots=True)
class ActiveRule:
    """A rule of either kind as it is evaluated."""

    rule_id: int
    """Of an extended rule its message's."""
    extended: bool
    sequence: int
    state: int
    provider: str
    condition: Restriction | None
    actions: tuple[ActionBlock, ...]

    @classmethod
    def standard(cls, rule: Rule) -> "ActiveRule":
        values = rule.properties
        return cls(
            rule.rule_id,
            extended=False,
            sequence=values.get(tags.PidTagRuleSequence, 0),
            state=values.get(tags.PidTagRuleState, 0),
            provider=values.get(tags.PidTagRuleProvider, ""),
            condition=values.get(tags.PidTagRuleCondition),
            actions=tuple(values.get(tags.PidTagRuleActions, ())),
        )

    @property
    def for_oof(self) -> bool:
        return bool(self.state & RuleState.ST_ONLY_WHEN_OOF)

    @property
    def keeps_history(self) -> bool:
        """Whether a sender is answered once until the user is back (3.2.5.1.1)."""
        return bool(self.state & RuleState.ST_KEEP_OOF_HIST) and any(
            action.action_type == ActionType.OP_OOF_REPLY for action in self.actions
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """An action that sends something: reply, forward, delegate, bounce."""

    rule: ActiveRule
    number: int
    """Zero-based, in the rule."""

    @property
    def action(self) -> ActionBlock:
        return self.rule.actions[self.number]


@dataclass(frozen=True, slots=True)
class Failure:
    """What a deferred error message tells (2.2.7)."""

    rule: ActiveRule
    error: RuleError
    number: int = 0
    action_type: int = 0


@dataclass(slots=True)
class Outcome:
    """What is to become of a message."""

    stays: bool = True
    """Whether it is put into the folder in which it arrives."""
    copies: list[int] = field(default_factory=list)
    """Other folders that get one each; what was moved several times has several (3.2.5.1, OP_MOVE)."""
    is_read: bool = False
    properties: dict[int, Any] = field(default_factory=dict)
    """To be set, by the mailbox's tags."""
    sends: list[Wanted] = field(default_factory=list)
    bounce: Wanted | None = None
    deferred: dict[str, list[ActiveRule]] = field(default_factory=dict)
    """By provider: rules of which a client has to do something."""
    answered: list[ActiveRule] = field(default_factory=list)
    """Rules in whose history the sender is to be put."""
    failures: list[Failure] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What decides besides the message."""

    is_oof: bool
    was_answered: Callable[[ActiveRule], bool]
    """Whether the sender is in the history of a rule."""
    folder_of: Callable[[int], bool]
    """Whether the mailbox has a folder that can hold messages under an id."""


def evaluate(rules: Iterable[ActiveRule], candidate: Candidate, circumstances: Circumstances) -> Outcome:
    """Go through the rules in their order. A rule that cannot be evaluated is passed over, and told of."""
    outcome = Outcome()
    suppressed = _suppressed(candidate.values)
    left = False  # a rule said that no other comes after it
    for rule in sorted(rules, key=lambda item: item.sequence):
        if not _applies(rule, circumstances) or (left and not rule.for_oof):
            continue
        if rule.keeps_history and circumstances.was_answered(rule):
            continue
        try:
            if rule.condition is not None and not matches(rule.condition, candidate):
                continue
        except (TypeError, ValueError, OverflowError):
            outcome.failures.append(Failure(rule, RuleError.PROCESSING))
            continue
        if rule.keeps_history:
            outcome.answered.append(rule)
        if _execute(rule, outcome, circumstances, suppressed) or rule.state & RuleState.ST_EXIT_LEVEL:
            left = True
    return outcome


def _applies(rule: ActiveRule, circumstances: Circumstances) -> bool:
    if rule.state & RuleState.ST_RULE_PARSE_ERROR:
        return False
    if rule.for_oof:
        return circumstances.is_oof
    return bool(rule.state & RuleState.ST_ENABLED)


def _suppressed(values: Mapping[int, Any]) -> int:
    value = values.get(tags.PidTagAutoResponseSuppress, 0)
    return value if isinstance(value, int) else 0


def _execute(rule: ActiveRule, outcome: Outcome, circumstances: Circumstances, suppressed: int) -> bool:
    """Put a rule's actions into the outcome. Returns whether the message is deleted, after which no rule comes."""
    deleted = False
    for number, action in enumerate(rule.actions):
        match action.action_type:
            case ActionType.OP_MOVE | ActionType.OP_COPY:
                folder_id = _folder(action.action_data)
                if folder_id is None:
                    _defer(rule, outcome)
                elif not circumstances.folder_of(folder_id):
                    outcome.failures.append(Failure(rule, RuleError.MOVING_OR_COPYING, number, action.action_type))
                else:
                    outcome.copies.append(folder_id)
                    outcome.stays &= action.action_type == ActionType.OP_COPY
            case ActionType.OP_REPLY:
                if not suppressed & SUPPRESS_AUTO_REPLY:
                    outcome.sends.append(Wanted(rule, number))
            case ActionType.OP_OOF_REPLY:
                if not suppressed & SUPPRESS_OOF:
                    outcome.sends.append(Wanted(rule, number))
            case ActionType.OP_FORWARD | ActionType.OP_DELEGATE:
                outcome.sends.append(Wanted(rule, number))
            case ActionType.OP_DEFER_ACTION:
                _defer(rule, outcome)
            case ActionType.OP_BOUNCE:
                outcome.bounce = outcome.bounce or Wanted(rule, number)
                outcome.stays = False
            case ActionType.OP_TAG:
                tag, value = action.action_data
                outcome.properties[tag] = value
            case ActionType.OP_DELETE:
                outcome.stays = False
                deleted = True
            case ActionType.OP_MARK_AS_READ:
                outcome.is_read = True
            case _:
                outcome.failures.append(Failure(rule, RuleError.PARSING, number, action.action_type))
    return deleted


def _defer(rule: ActiveRule, outcome: Outcome) -> None:
    """Leave what a rule wants to a client: once, however many of its actions are for it (3.2.5.1.2)."""
    rules = outcome.deferred.setdefault(rule.provider, [])
    if rule not in rules:
        rules.append(rule)


def _folder(data: MoveCopyData) -> int | None:
    """The id of the folder that an action names; None for one in another store, which only a client can reach.

    An id that is none names the folder 0, which no mailbox has.
    """
    if data.folder_in_this_store is False:
        return None
    entry_id = data.folder_entry_id
    try:
        if len(entry_id) == SERVER_EID_SIZE:
            return int(SERVER_ID.parse(entry_id).folder_id.counter)
        return parse_folder_id(entry_id).counter
    except WireError:
        return 0
