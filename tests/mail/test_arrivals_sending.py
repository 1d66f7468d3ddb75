"""What rules and absences send because of a message that arrives (MS-OXORULE 3.2.5.1)."""

from uuid import UUID

import pytest

from mapigw.mailbox.mailboxes import NewMessage
from mapigw.mailbox.out_of_office import Audience, OofState, OutOfOffice, set_out_of_office
from mapigw.mailbox.rules import ChangeKind, RuleChange, modify_rules
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.properties import NamedTag, PropertyName, PropertyType
from mapigw.wire.restrictions import (
    ActionBlock,
    ActionType,
)
from tests.mail.arriving import (
    HISTORY,
    OOF,
    Inbox,
    forward,
    in_office,
    inbox,
    mail,
    out,
    relayed,
    rule,
    to,
)

__all__ = ["inbox", "mail"]  # fixtures


# Replies


@pytest.mark.spec("MS-OXORULE_R253", "MS-OXORULE_R525", "MS-OXORULE_R952")
async def test_a_reply_is_made_of_its_template_and_the_message(inbox: Inbox) -> None:
    data = await inbox.template()
    await inbox.rules(rule(ActionBlock(ActionType.OP_REPLY, 0, 0, data)))
    await inbox.arrive()
    (taken,) = await relayed(inbox)
    text = taken.content.decode()
    assert (taken.sender, taken.recipients) == ("<>", ["anna@far.example"])
    assert "Subject: Got it" in text
    assert "Thank you." in text
    assert "In-Reply-To: <1@far>" in text
    assert "Auto-Submitted: auto-replied" in text
    assert "From: Tom <tom@bm.lan>" in text
    assert await inbox.subjects("inbox") == ["Your invoice"]


async def test_a_template_without_a_subject_takes_that_of_the_message(inbox: Inbox) -> None:
    data = await inbox.template(PidTagSubject="")
    await inbox.rules(rule(ActionBlock(ActionType.OP_REPLY, 0, 0, data)))
    await inbox.arrive()
    assert b"Subject: RE: Your invoice" in (await relayed(inbox))[0].content


@pytest.mark.spec("MS-OXORULE_R288", "MS-OXORULE_R663")
async def test_a_reply_for_others_only(inbox: Inbox) -> None:
    data = await inbox.template("boss@far.example")
    await inbox.rules(rule(ActionBlock(ActionType.OP_REPLY, 1, 0, data)))
    await inbox.arrive()
    assert (await relayed(inbox))[0].recipients == ["boss@far.example"]


async def test_the_server_has_a_text_of_its_own(inbox: Inbox) -> None:
    data = await inbox.template()
    await inbox.rules(rule(ActionBlock(ActionType.OP_REPLY, 2, 0, data)))
    await inbox.arrive()
    content = (await relayed(inbox))[0].content
    assert b"Your message was received." in content
    assert b"Thank you." not in content


@pytest.mark.spec("MS-OXORULE_R526")
@pytest.mark.parametrize(
    "fields",
    [
        {"X_Auto_Response_Suppress": "AutoReply"},
        {"Auto_Submitted": "auto-generated"},
        {"Precedence": "bulk"},
        {"List_Id": "<users.far.example>"},
        {"sender": ""},
        {"sender": "MAILER-DAEMON@far.example"},
        {"sender": "no-reply@far.example"},
        {"sender": "tom@bm.lan"},
        {"X_MS_Exchange_Inbox_Rules_Loop": "tom@bm.lan"},
    ],
)
async def test_what_nobody_must_answer_is_not_answered(inbox: Inbox, fields: dict[str, str]) -> None:
    data = await inbox.template()
    await inbox.rules(rule(ActionBlock(ActionType.OP_REPLY, 0, 0, data)))
    await inbox.arrive(**fields)
    await relayed(inbox, 0)
    assert await inbox.subjects("inbox") == ["Your invoice"]


async def test_two_programs_do_not_talk_for_ever(inbox: Inbox) -> None:
    data = await inbox.template()
    await inbox.rules(rule(ActionBlock(ActionType.OP_REPLY, 0, 0, data)))
    for _ in range(3):
        await inbox.arrive()
    await inbox.arrive(sender="ben@far.example")
    assert sorted(taken.recipients for taken in await relayed(inbox, 2)) == [["anna@far.example"], ["ben@far.example"]]


@pytest.mark.spec(
    "MS-OXORULE_R255", "MS-OXORULE_R922", "MS-OXORULE_R953", "MS-OXORULE_R906", "MS-OXORULE_R583",
    "MS-OXORULE_R558", "MS-OXORULE_R559", "MS-OXORULE_R5572",
)  # fmt: skip
async def test_an_out_of_office_rule_answers_each_sender_once(inbox: Inbox) -> None:
    data = await inbox.template(message_class="IPM.Note.rules.OofTemplate.Microsoft")
    answer = rule(ActionBlock(ActionType.OP_OOF_REPLY, 0, 0, data), state=OOF | HISTORY)
    await inbox.rules(answer)
    await out(inbox)
    for subject in ("Hello", "Your invoice", "Another invoice"):
        await inbox.arrive(sender="ann@bm.lan", Subject=subject)
    async with inbox.mail.working():
        await inbox.mail.settled()
    (row,) = await inbox.mail.rows("ann@bm.lan")
    assert (row.message_class, row.subject) == ("IPM.Note.rules.OOFTemplate", "Got it")
    # Another absence, another answer.
    await in_office(inbox)
    await out(inbox)
    await inbox.arrive(sender="ann@bm.lan")
    async with inbox.mail.working():
        await inbox.mail.settled()
    assert len(await inbox.mail.rows("ann@bm.lan")) == 2


@pytest.mark.spec("MS-OXORULE_R533")
async def test_who_asks_for_no_out_of_office_reply_gets_none(inbox: Inbox) -> None:
    data = await inbox.template()
    await inbox.rules(rule(ActionBlock(ActionType.OP_OOF_REPLY, 0, 0, data), state=OOF))
    await out(inbox, internal="<p>Away</p>", external="<p>Away</p>")
    await inbox.arrive(X_Auto_Response_Suppress="OOF")
    await relayed(inbox, 0)


@pytest.mark.spec("MS-OXORULE_R1020", "MS-OXORULE_R10191")
async def test_an_out_of_office_reply_for_others_goes_to_the_sender_too(inbox: Inbox) -> None:
    data = await inbox.template("boss@far.example")
    await inbox.rules(rule(ActionBlock(ActionType.OP_OOF_REPLY, 1, 0, data), state=OOF))
    await out(inbox)
    await inbox.arrive()
    assert sorted((await relayed(inbox))[0].recipients) == ["anna@far.example", "boss@far.example"]


# Sent on


@pytest.mark.spec("MS-OXORULE_R537", "MS-OXORULE_R907")
async def test_a_message_is_forwarded_but_never_to_its_sender(inbox: Inbox) -> None:
    await inbox.rules(rule(forward("ben@far.example", "anna@far.example")))
    await inbox.arrive("The text.")
    (taken,) = await relayed(inbox)
    text = taken.content.decode()
    assert taken.recipients == ["ben@far.example"]
    assert "Subject: FW: Your invoice" in text
    assert "From: Tom <tom@bm.lan>" in text
    assert "From: Anna <anna@far.example>" in text
    assert "The text." in text


@pytest.mark.spec("MS-OXORULE_R275")
async def test_a_redirected_message_keeps_its_sender_and_says_that_a_rule_sent_it(inbox: Inbox) -> None:
    await inbox.rules(rule(forward("ann@bm.lan", flavor=3)))
    await inbox.arrive()
    async with inbox.mail.working():
        await inbox.mail.settled()
    (message,) = await inbox.mail.contents("ann@bm.lan")
    assert message.properties[tags.PidTagSenderSmtpAddress] == "anna@far.example"
    assert message.properties[tags.PidTagSubject] == "Your invoice"
    assert message.properties[tags.PidTagAutoForwarded] is True
    assert [row[tags.PidTagEmailAddress] for row in message.recipients] == ["tom@bm.lan"]


@pytest.mark.spec("MS-OXORULE_R279")
async def test_a_message_is_forwarded_as_an_attachment(inbox: Inbox) -> None:
    await inbox.rules(rule(forward("ann@bm.lan", flavor=4)))
    await inbox.arrive()
    async with inbox.mail.working():
        await inbox.mail.settled()
    (message,) = await inbox.mail.contents("ann@bm.lan")
    assert message.properties[tags.PidTagSenderSmtpAddress] == "tom@bm.lan"
    (attachment,) = message.attachments
    assert attachment.embedded is not None
    assert attachment.embedded.properties[tags.PidTagSubject] == "Your invoice"


async def test_rules_do_not_send_a_message_in_circles(inbox: Inbox) -> None:
    ann = await inbox.mail.mailbox("ann@bm.lan")
    folder_id = (await ann.special_folder("inbox")).folder_id
    back = rule(forward("tom@bm.lan", flavor=3))
    await modify_rules(ann, folder_id, [RuleChange(ChangeKind.ADD, None, back)], replace=True)  # type: ignore[arg-type]
    await inbox.rules(rule(forward("ann@bm.lan", flavor=3)))
    await inbox.arrive()
    async with inbox.mail.working():
        await inbox.mail.settled()
    assert len(await inbox.mail.rows("ann@bm.lan")) == 1
    assert len(await inbox.rows("inbox")) == 2


@pytest.mark.spec(
    "MS-OXORULE_R539", "MS-OXORULE_R540", "MS-OXORULE_R541", "MS-OXORULE_R542", "MS-OXORULE_R543", "MS-OXORULE_R544",
    "MS-OXORULE_R545",
)  # fmt: skip
async def test_a_delegate_learns_for_whom_the_message_was(inbox: Inbox) -> None:
    await inbox.rules(rule(to(ActionType.OP_DELEGATE, "ann@bm.lan")))
    await inbox.arrive()
    async with inbox.mail.working():
        await inbox.mail.settled()
    (message,) = await inbox.mail.contents("ann@bm.lan")
    found, user = message.properties, inbox.user
    assert found[tags.PidTagDelegatedByRule] is True
    assert found[tags.PidTagReceivedRepresentingName] == "Tom"
    assert found[tags.PidTagReceivedRepresentingAddressType] == "EX"
    assert found[tags.PidTagReceivedRepresentingEmailAddress] == user.legacy_dn
    assert found[tags.PidTagReceivedRepresentingSearchKey] == f"EX:{user.legacy_dn}".upper().encode() + b"\0"
    assert user.legacy_dn.encode() in found[tags.PidTagReceivedRepresentingEntryId]
    assert found[tags.PidTagReceivedByName] == "Ann"
    assert found[tags.PidTagSenderSmtpAddress] == "anna@far.example"


@pytest.mark.spec("MS-OXORULE_R260", "MS-OXORULE_R5462", "MS-OXORULE_R5472")
@pytest.mark.parametrize(
    ("code", "text"),
    [
        pytest.param(0x0D, "too large", marks=pytest.mark.spec("MS-OXORULE_R341")),
        pytest.param(0x1F, "cannot be displayed", marks=pytest.mark.spec("MS-OXORULE_R342")),
        pytest.param(0x26, "does not accept", marks=pytest.mark.spec("MS-OXORULE_R343")),
    ],
)
async def test_a_bounce_tells_the_sender_why(inbox: Inbox, code: int, text: str) -> None:
    await inbox.rules(rule(ActionBlock(ActionType.OP_BOUNCE, 0, 0, code)))
    await inbox.arrive()
    assert await inbox.subjects("inbox") == []
    (taken,) = await relayed(inbox)
    assert (taken.sender, taken.recipients) == ("<>", ["anna@far.example"])
    assert text in taken.content.decode()
    await inbox.arrive(sender="ann@bm.lan")
    async with inbox.mail.working():
        await inbox.mail.settled()
    assert [row.message_class for row in await inbox.mail.rows("ann@bm.lan")] == ["REPORT.IPM.Note.NDR"]


# Out-of-office texts


async def test_senders_are_told_once_that_the_owner_is_away(inbox: Inbox) -> None:
    await out(inbox, internal="<p>On the beach</p>", external="<p>Not here</p>")
    for _ in range(2):
        await inbox.arrive()
        await inbox.arrive(sender="ann@bm.lan")
    (taken,) = await relayed(inbox)
    assert b"Subject: Automatic reply: Your invoice" in taken.content
    assert b"Not here" in taken.content
    (message,) = await inbox.mail.contents("ann@bm.lan")
    assert message.properties[tags.PidTagHtml] == b"<p>On the beach</p>"
    assert message.properties[tags.PidTagMessageClass] == "IPM.Note.rules.OOFTemplate"


@pytest.mark.parametrize(
    ("audience", "known", "count"), [(Audience.NONE, True, 0), (Audience.KNOWN, False, 0), (Audience.KNOWN, True, 1)]
)
async def test_whom_elsewhere_the_owner_tells(inbox: Inbox, audience: Audience, known: bool, count: int) -> None:
    if known:
        email = NamedTag(PropertyName(UUID("00062004-0000-0000-c000-000000000046"), lid=0x8083), PropertyType.STRING)
        contact = Message({tags.PidTagMessageClass: "IPM.Contact", email: "Anna@far.example"})
        await inbox.mailbox.append(inbox.folders["contacts"], [NewMessage(contact)])
    await out(inbox, external="Not here", audience=audience)
    await inbox.arrive()
    await relayed(inbox, count)


async def test_mail_to_many_is_not_answered(inbox: Inbox) -> None:
    await out(inbox, external="Not here")
    await inbox.arrive(To="everybody@far.example")
    await relayed(inbox, 0)


async def test_a_schedule_has_an_end_after_its_start(inbox: Inbox) -> None:
    with pytest.raises(ValueError, match="ends before it starts"):
        await set_out_of_office(inbox.mailbox, OutOfOffice(OofState.SCHEDULED, 10, 10))
    with pytest.raises(ValueError, match="characters"):
        await out(inbox, internal="x" * 200_000)
