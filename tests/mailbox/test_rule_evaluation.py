"""Which actions rules want done, without doing them (MS-OXORULE 3.2.5.1)."""

from typing import Any
from uuid import UUID

import pytest

from mapigw.mailbox.restrictions import Candidate
from mapigw.mailbox.rule_evaluation import ActiveRule, Circumstances, Outcome, RuleError, evaluate
from mapigw.mailbox.rules import RuleState
from mapigw.wire import tags
from mapigw.wire.entryids import server_id
from mapigw.wire.restrictions import ActionBlock, ActionType, ContentRestriction, MoveCopyData, ReplyData

SUBJECT = tags.PidTagSubject
MATCHES = ContentRestriction(1, 1, SUBJECT, (SUBJECT, "invoice"))
OTHER = ContentRestriction(1, 1, SUBJECT, (SUBJECT, "holiday"))
ENABLED, OOF, EXIT = RuleState.ST_ENABLED, RuleState.ST_ONLY_WHEN_OOF, RuleState.ST_EXIT_LEVEL
FOLDERS = frozenset({10, 11, 12})


def action(kind: ActionType, data: Any = b"", flavor: int = 0) -> ActionBlock:
    return ActionBlock(kind, flavor, 0, data)


def move(folder_id: int, kind: ActionType = ActionType.OP_MOVE) -> ActionBlock:
    return action(kind, MoveCopyData(True, b"store", server_id(folder_id)))


READ = action(ActionType.OP_MARK_AS_READ)
DELETE = action(ActionType.OP_DELETE)
DEFER = action(ActionType.OP_DEFER_ACTION, b"private")
REPLY = action(ActionType.OP_REPLY, ReplyData(b"", UUID(int=1)))
OOF_REPLY = action(ActionType.OP_OOF_REPLY, ReplyData(b"", UUID(int=1)))


def rule(number: int, *actions: ActionBlock, state: int = ENABLED, condition: Any = MATCHES, **more: Any) -> ActiveRule:
    return ActiveRule(
        number,
        extended=False,
        sequence=more.get("sequence", number),
        state=state,
        provider=more.get("provider", "RuleOrganizer"),
        condition=condition,
        actions=actions,
    )


def outcome(*rules: ActiveRule, is_oof: bool = False, answered: int = 0, **values: Any) -> Outcome:
    candidate = Candidate({SUBJECT: "Your Invoice", **{getattr(tags, name): value for name, value in values.items()}})
    circumstances = Circumstances(
        is_oof=is_oof, was_answered=lambda item: item.rule_id == answered, folder_of=FOLDERS.__contains__
    )
    return evaluate(rules, candidate, circumstances)


def test_without_rules_everything_stays() -> None:
    found = outcome()
    assert (found.stays, found.copies, found.is_read, found.sends, found.failures) == (True, [], False, [], [])


def test_a_condition_decides() -> None:
    assert outcome(rule(1, READ, condition=OTHER)).is_read is False
    assert outcome(rule(1, READ)).is_read is True
    assert outcome(rule(1, READ, condition=None)).is_read is True


def test_rules_go_in_the_order_of_their_sequence() -> None:
    found = outcome(rule(1, move(10), sequence=9), rule(2, move(11), sequence=3))
    assert found.copies == [11, 10]


def test_a_disabled_rule_is_skipped() -> None:
    assert outcome(rule(1, READ, state=0)).is_read is False
    assert outcome(rule(1, READ, state=ENABLED | RuleState.ST_RULE_PARSE_ERROR)).is_read is False
    assert outcome(rule(1, READ, state=ENABLED | RuleState.ST_ERROR)).is_read is True


def test_out_of_office_rules_wait_for_that() -> None:
    only = rule(1, READ, state=OOF)
    assert outcome(only).is_read is False
    assert outcome(only, is_oof=True).is_read is True


def test_an_exit_ends_all_but_out_of_office_rules() -> None:
    rules = rule(1, move(10), state=ENABLED | EXIT), rule(2, READ), rule(3, move(11), state=OOF)
    found = outcome(*rules, is_oof=True)
    assert (found.copies, found.is_read) == ([10, 11], False)
    # One that did not match ends nothing.
    assert outcome(rule(1, move(10), state=ENABLED | EXIT, condition=OTHER), rule(2, READ)).is_read is True


def test_a_deletion_ends_all_but_out_of_office_rules() -> None:
    found = outcome(rule(1, DELETE), rule(2, READ), rule(3, OOF_REPLY, state=OOF), is_oof=True)
    assert (found.stays, found.is_read, [wanted.rule.rule_id for wanted in found.sends]) == (False, False, [3])


def test_moves_make_copies_and_the_original_goes() -> None:
    found = outcome(rule(1, move(10)), rule(2, move(11)), rule(3, move(12, ActionType.OP_COPY)))
    assert (found.stays, found.copies) == (False, [10, 11, 12])
    assert outcome(rule(1, move(12, ActionType.OP_COPY))).stays is True


@pytest.mark.parametrize("kind", [ActionType.OP_MOVE, ActionType.OP_COPY])
def test_a_folder_that_is_gone_is_an_error_and_the_message_stays(kind: ActionType) -> None:
    found = outcome(rule(1, READ, move(99, kind)))
    (failure,) = found.failures
    assert found.stays is True
    assert (failure.error, failure.number, failure.action_type) == (RuleError.MOVING_OR_COPYING, 1, kind)
    broken = action(kind, MoveCopyData(True, b"", b"nonsense"))
    assert outcome(rule(1, broken)).failures[0].error == RuleError.MOVING_OR_COPYING


def test_a_folder_elsewhere_is_for_the_client() -> None:
    elsewhere = action(ActionType.OP_MOVE, MoveCopyData(False, b"pst", b"folder"))
    found = outcome(rule(1, elsewhere))
    assert found.stays is True
    assert [item.rule_id for item in found.deferred["RuleOrganizer"]] == [1]


def test_deferred_actions_are_kept_apart_by_provider() -> None:
    found = outcome(rule(1, DEFER, DEFER), rule(2, DEFER), rule(3, DEFER, provider="Other"))
    assert {name: [item.rule_id for item in rules] for name, rules in found.deferred.items()} == {
        "RuleOrganizer": [1, 2],
        "Other": [3],
    }


def test_senders_who_ask_for_silence_get_none() -> None:
    assert len(outcome(rule(1, REPLY), PidTagAutoResponseSuppress=0x10).sends) == 1
    assert outcome(rule(1, REPLY), PidTagAutoResponseSuppress=0x20).sends == []
    away = rule(1, OOF_REPLY, state=OOF)
    assert len(outcome(away, is_oof=True, PidTagAutoResponseSuppress=0x20).sends) == 1
    assert outcome(away, is_oof=True, PidTagAutoResponseSuppress=0x10).sends == []


def test_a_sender_is_answered_once_while_the_history_is_kept() -> None:
    away = rule(7, OOF_REPLY, state=OOF | RuleState.ST_KEEP_OOF_HIST)
    first = outcome(away, is_oof=True)
    assert (len(first.sends), [item.rule_id for item in first.answered]) == (1, [7])
    assert outcome(away, is_oof=True, answered=7).sends == []
    assert len(outcome(rule(7, OOF_REPLY, state=OOF), is_oof=True, answered=7).sends) == 1
    missed = rule(7, OOF_REPLY, state=OOF | RuleState.ST_KEEP_OOF_HIST, condition=OTHER)
    assert outcome(missed, is_oof=True).answered == []


def test_a_bounce_keeps_the_message_out() -> None:
    found = outcome(rule(1, action(ActionType.OP_BOUNCE, 0x26)))
    assert found.bounce is not None
    assert (found.stays, found.bounce.action.action_data) == (False, 0x26)


def test_a_tag_is_set() -> None:
    tagged = action(ActionType.OP_TAG, (tags.PidTagImportance, 2))
    assert outcome(rule(1, tagged)).properties == {tags.PidTagImportance: 2}


def test_an_action_that_nobody_knows_is_told_of() -> None:
    (failure,) = outcome(rule(1, READ, ActionBlock(0x77, 0, 0, b""))).failures
    assert (failure.error, failure.number, failure.action_type) == (RuleError.PARSING, 1, 0x77)
