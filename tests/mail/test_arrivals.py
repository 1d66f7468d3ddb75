"""Rules at the delivery of messages: which, and what they do in the mailbox (MS-OXORULE 3.2.5.1)."""

import pytest

from mapigw.mailbox.clock import now
from mapigw.mailbox.content import decode_message
from mapigw.mailbox.mailboxes import NewMessage
from mapigw.mailbox.out_of_office import OofState, OutOfOffice, set_out_of_office
from mapigw.mailbox.rules import RuleState
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.properties import PropertyName, PropertyType
from mapigw.wire.property_sets import PS_PUBLIC_STRINGS
from mapigw.wire.restrictions import (
    ActionBlock,
    ActionType,
    ContentRestriction,
)
from tests.mail.arriving import (
    DELETE,
    ENABLED,
    EXIT,
    HOLIDAY,
    OOF,
    READ,
    SUBJECT,
    Inbox,
    in_office,
    inbox,
    mail,
    move,
    out,
    rule,
)

__all__ = ["inbox", "mail"]  # fixtures


# Which rules


@pytest.mark.spec("MS-OXORULE_R931", "MS-OXORULE_R551", "MS-OXORULE_R902", "MS-OXORULE_R914")
async def test_a_rule_acts_on_what_its_condition_matches(inbox: Inbox) -> None:
    await inbox.arrive()
    await inbox.rules(rule(READ))
    await inbox.arrive()
    await inbox.arrive(Subject="Hello")
    assert [row.is_read for row in await inbox.rows("inbox")] == [False, True, False]
    await inbox.rules(rule(READ, condition=HOLIDAY))
    await inbox.arrive()
    assert (await inbox.rows("inbox"))[-1].is_read is False


@pytest.mark.spec("MS-OXORULE_R63", "MS-OXORULE_R516")
async def test_a_rule_that_is_not_enabled_does_nothing(inbox: Inbox) -> None:
    await inbox.rules(rule(READ, state=0))
    await inbox.arrive()
    assert [row.is_read for row in await inbox.rows("inbox")] == [False]


@pytest.mark.spec("MS-OXORULE_R7411")
async def test_a_message_that_is_no_spam_is_looked_at_all_the_same(inbox: Inbox) -> None:
    await inbox.rules(rule(READ, state=ENABLED | int(RuleState.ST_SKIP_IF_SCL_IS_SAFE)))
    message = Message({SUBJECT: "invoice", tags.PidTagContentFilterSpamConfidenceLevel: -1})
    await inbox.mail.deliverer.deliver(inbox.user, NewMessage(message), "tom@bm.lan")
    assert [row.is_read for row in await inbox.rows("inbox")] == [True]


@pytest.mark.spec("MS-OXORULE_R514", "MS-OXORULE_R857")
async def test_rules_go_by_their_sequence_up_to_one_that_says_stop(inbox: Inbox) -> None:
    drafts, notes = inbox.folders["drafts"], inbox.folders["notes"]
    await inbox.rules(
        rule(move(notes, ActionType.OP_COPY), sequence=30),
        rule(READ, state=ENABLED | EXIT, sequence=20),
        rule(move(drafts, ActionType.OP_COPY), sequence=10),
    )
    await inbox.arrive()
    assert (await inbox.subjects("drafts"), await inbox.subjects("notes")) == (["Your invoice"], [])
    assert [row.is_read for row in await inbox.rows("inbox")] == [True]


@pytest.mark.spec(
    "MS-OXORULE_R67", "MS-OXORULE_R517", "MS-OXORULE_R553", "MS-OXORULE_R582", "MS-OXORULE_R584", "MS-OXORULE_R555"
)
async def test_out_of_office_rules_apply_while_the_owner_is_away(inbox: Inbox) -> None:
    await inbox.rules(rule(READ, state=OOF | ENABLED))
    await inbox.arrive()
    await out(inbox)
    await inbox.arrive()
    await in_office(inbox)
    await inbox.arrive()
    assert [row.is_read for row in await inbox.rows("inbox")] == [False, True, False]


async def test_an_absence_by_the_calendar(inbox: Inbox) -> None:
    await inbox.rules(rule(READ, state=OOF))
    hour = 36_000_000_000
    for start, end in (
        (now() - 2 * hour, now() - hour),
        (now() - hour, now() + hour),
        (now() + hour, now() + 2 * hour),
    ):
        await set_out_of_office(inbox.mailbox, OutOfOffice(OofState.SCHEDULED, start, end))
        await inbox.arrive()
    assert [row.is_read for row in await inbox.rows("inbox")] == [False, True, False]


@pytest.mark.spec("MS-OXORULE_R858", "MS-OXORULE_R560", "MS-OXORULE_R807")
async def test_stopping_does_not_stop_out_of_office_rules(inbox: Inbox) -> None:
    drafts = inbox.folders["drafts"]
    await inbox.rules(
        rule(move(inbox.folders["notes"], ActionType.OP_COPY), state=ENABLED | EXIT, sequence=1),
        rule(READ, sequence=2),
        rule(move(drafts, ActionType.OP_COPY), state=OOF, sequence=3),
    )
    await out(inbox)
    await inbox.arrive()
    assert [row.is_read for row in await inbox.rows("inbox")] == [False]
    assert await inbox.subjects("drafts") == ["Your invoice"]


# Actions in the mailbox


@pytest.mark.spec("MS-OXORULE_R247", "MS-OXORULE_R250")
async def test_a_message_is_moved_or_copied(inbox: Inbox) -> None:
    await inbox.rules(
        rule(move(inbox.folders["drafts"])), rule(move(inbox.folders["notes"], ActionType.OP_COPY), condition=HOLIDAY)
    )
    await inbox.arrive()
    await inbox.arrive(Subject="My holiday")
    assert await inbox.subjects("inbox") == ["My holiday"]
    assert (await inbox.subjects("drafts"), await inbox.subjects("notes")) == (["Your invoice"], ["My holiday"])


@pytest.mark.spec("MS-OXORULE_R904")
async def test_moving_twice_makes_two_copies(inbox: Inbox) -> None:
    await inbox.rules(rule(move(inbox.folders["drafts"])), rule(move(inbox.folders["notes"])))
    await inbox.arrive()
    assert [await inbox.subjects(key) for key in ("inbox", "drafts", "notes")] == [
        [],
        ["Your invoice"],
        ["Your invoice"],
    ]


@pytest.mark.spec("MS-OXORULE_R549", "MS-OXORULE_R550", "MS-OXORULE_R898")
async def test_a_deleted_message_is_gone_for_the_rules_after(inbox: Inbox) -> None:
    await inbox.rules(
        rule(DELETE, sequence=1),
        rule(move(inbox.folders["drafts"], ActionType.OP_COPY), sequence=2),
        rule(move(inbox.folders["notes"], ActionType.OP_COPY), state=OOF, sequence=3),
    )
    await out(inbox)
    assert await inbox.arrive()
    assert [await inbox.subjects(key) for key in ("inbox", "drafts", "notes")] == [[], [], ["Your invoice"]]
    await inbox.rules(rule(DELETE))
    assert await inbox.arrive() == 0


@pytest.mark.spec("MS-OXORULE_R266", "MS-OXORULE_R548")
async def test_a_property_is_set(inbox: Inbox) -> None:
    keywords = PropertyName(PS_PUBLIC_STRINGS, name="Keywords")
    number = (await inbox.mailbox.property_ids([keywords], create=True))[keywords]
    tag = number << 16 | PropertyType.MULTIPLE_STRING
    await inbox.rules(
        rule(
            ActionBlock(ActionType.OP_TAG, 0, 0, (tags.PidTagImportance, 2)),
            ActionBlock(ActionType.OP_TAG, 0, 0, (tag, ["Money"])),
        )
    )
    await inbox.arrive()
    (row,) = await inbox.rows("inbox")
    assert (row.importance, decode_message(row).properties[tag]) == (2, ["Money"])


async def test_conditions_see_recipients_bodies_and_what_is_computed(inbox: Inbox) -> None:
    body = ContentRestriction(1, 1, tags.PidTagBody, (tags.PidTagBody, "needle"))
    await inbox.rules(rule(READ, condition=body))
    await inbox.arrive("x" * 20_000 + " Needle")
    await inbox.arrive("<p>nee<b>dle</b></p>", Content_Type="text/html")
    await inbox.arrive("hay")
    assert [row.is_read for row in await inbox.rows("inbox")] == [True, True, False]


async def test_deliveries_are_counted(inbox: Inbox) -> None:
    await inbox.rules(rule(DELETE))
    await inbox.arrive()
    await inbox.arrive(Subject="Hello")
    assert inbox.mail.database.statistics.deliveries == {"delivered": 1, "dropped by a rule": 1}
