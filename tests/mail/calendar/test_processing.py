"""Meetings at delivery, in real mailboxes."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from mapigw.directory.model import User
from mapigw.mail.calendar import names as lid
from mapigw.mail.calendar.exporting import icalendar_of
from mapigw.mail.calendar.importing import message_from_icalendar, messages_from_icalendar
from mapigw.mail.calendar.items import Item, load
from mapigw.mail.calendar.processing import Processed, process_meeting
from mapigw.mail.calendar.rooms import RoomPolicy
from mapigw.mail.calendar.series import Series
from mapigw.mailbox.mailboxes import Mailbox, Mailboxes, NewMessage
from mapigw.mailbox.provision import create_mailbox
from mapigw.store.database import Database
from mapigw.store.messages import select_mime
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.properties import filetime
from tests.mail.calendar.calendars import NOW, calendar


@pytest.fixture
async def mailbox(tmp_path: Path) -> AsyncIterator[Mailbox]:
    database = await Database.open(tmp_path / "data")
    async with database.write() as connection:
        mailbox_id = await create_mailbox(connection, uuid4())
    yield await Mailboxes(database).open(mailbox_id)
    await database.close()


def user(mailbox: Mailbox, name: str) -> User:
    fields: dict[str, Any] = {
        "user_id": 1,
        "mailbox_id": mailbox.mailbox_id,
        "mailbox_guid": mailbox.guid,
        "address": f"{name}@example.com",
        "display_name": name.title(),
        "legacy_dn": f"/o=x/cn={name}",
        "domain": "example.com",
        "aliases": (),
        "enabled": True,
        "admin": False,
    }
    return User(**fields)


PEOPLE = (
    "ORGANIZER;CN=Anna:mailto:anna@example.com",
    "ATTENDEE;CN=Bob;RSVP=TRUE:mailto:bob@example.com",
    "ATTENDEE;CN=Carol;RSVP=TRUE:mailto:carol@example.com",
)
START, END = "DTSTART;TZID=Europe/Berlin:20261201T100000", "DTEND;TZID=Europe/Berlin:20261201T110000"


def message(*lines: str, method: str = "REQUEST") -> Message:
    found = message_from_icalendar(calendar(*lines, method=method), now=NOW)
    assert found is not None
    return found


async def deliver(mailbox: Mailbox, arrived: Message, **options: Any) -> tuple[int, Processed]:
    inbox = await mailbox.special_folder("inbox")
    (message_id,) = await mailbox.append(inbox.folder_id, [NewMessage(arrived, mime=b"MIME")])
    return message_id, await process_meeting(mailbox, message_id, user(mailbox, "bob"), now=NOW, **options)


async def items(mailbox: Mailbox) -> list[Item]:
    folder = await mailbox.special_folder("calendar")
    found = [
        await load(mailbox, message_id) for message_id in await mailbox.message_ids(folder.folder_id, associated=False)
    ]
    return [item for item in found if item is not None]


async def item(mailbox: Mailbox) -> Item:
    (found,) = await items(mailbox)
    return found


async def stored(mailbox: Mailbox, message_id: int) -> dict[Any, Any]:
    found = await load(mailbox, message_id)
    assert found is not None
    return found.message.properties


async def test_request_makes_a_provisional_item(mailbox: Mailbox) -> None:
    message_id, done = await deliver(mailbox, message(*PEOPLE, START, END, "SUMMARY:Budget"))
    found = await item(mailbox)
    values = found.message.properties
    assert done.item_id == found.row.message_id
    assert done.response is None
    assert values[tags.PidTagMessageClass] == "IPM.Appointment"
    assert (values[lid.PidLidBusyStatus], values[lid.PidLidIntendedBusyStatus]) == (1, 2)
    assert (values[lid.PidLidResponseStatus], values[lid.PidLidAppointmentStateFlags]) == (5, 3)
    assert values[lid.PidLidAppointmentStartWhole] == filetime(datetime(2026, 12, 1, 9, tzinfo=UTC))
    assert [row[tags.PidTagSmtpAddress] for row in found.message.recipients] == [
        "anna@example.com",
        "bob@example.com",
        "carol@example.com",
    ]
    assert found.message.recipients[0][tags.PidTagRecipientFlags] == 3
    assert lid.PidLidMeetingType not in values
    request = await stored(mailbox, message_id)
    assert (request[lid.PidLidServerProcessed], request[tags.PidTagProcessed]) == (True, True)
    async with mailbox.database.read() as connection:
        assert await select_mime(connection, mailbox.mailbox_id, [message_id])  # the mail is still what it was


async def test_ordinary_mail_and_a_second_run_do_nothing(mailbox: Mailbox) -> None:
    assert (await deliver(mailbox, Message({tags.PidTagMessageClass: "IPM.Note"})))[1] == Processed()
    message_id, _done = await deliver(mailbox, message(*PEOPLE, START, END))
    change = (await item(mailbox)).row.change_number
    assert await process_meeting(mailbox, message_id, user(mailbox, "bob"), now=NOW) == Processed()
    assert (await item(mailbox)).row.change_number == change
    assert await process_meeting(mailbox, 0xFFFFFF, user(mailbox, "bob"), now=NOW) == Processed()


async def answer(mailbox: Mailbox, status: int, busy: int) -> None:
    """What a client writes when the user answers."""
    from mapigw.mail.calendar.items import save

    found = await item(mailbox)
    properties = found.message.properties | {lid.PidLidResponseStatus: status, lid.PidLidBusyStatus: busy}
    properties |= {lid.PidLidReminderSet: True, lid.PidLidReminderDelta: 5}
    await save(
        mailbox,
        found,
        Message(properties, found.message.recipients, found.message.attachments),
        user(mailbox, "bob"),
    )


async def test_update_with_new_times_asks_again(mailbox: Mailbox) -> None:
    first, _done = await deliver(mailbox, message(*PEOPLE, START, END, "SEQUENCE:0"))
    await answer(mailbox, 3, 2)
    second, _done = await deliver(
        mailbox, message(*PEOPLE, START.replace("T10", "T15"), END.replace("T11", "T16"), "SEQUENCE:1")
    )
    values = (await item(mailbox)).message.properties
    assert values[lid.PidLidAppointmentStartWhole] == filetime(datetime(2026, 12, 1, 14, tzinfo=UTC))
    assert (values[lid.PidLidResponseStatus], values[lid.PidLidBusyStatus]) == (5, 1)
    assert (values[lid.PidLidReminderSet], values[lid.PidLidReminderDelta]) == (True, 5)
    assert (await stored(mailbox, first))[lid.PidLidMeetingType] == 0x00080000
    assert (await stored(mailbox, second))[lid.PidLidMeetingType] == 0x00010000


async def test_update_of_the_text_keeps_the_answer(mailbox: Mailbox) -> None:
    await deliver(mailbox, message(*PEOPLE, START, END, "DTSTAMP:20261101T080000Z"))
    await answer(mailbox, 3, 2)
    later, _done = await deliver(
        mailbox,
        message("X-MICROSOFT-CDO-OWNER-CRITICAL-CHANGE:20261102T080000Z", *PEOPLE, START, END, "DESCRIPTION:More"),
    )
    values = (await item(mailbox)).message.properties
    assert values[tags.PidTagBody] == "More"
    assert (values[lid.PidLidResponseStatus], values[lid.PidLidBusyStatus]) == (3, 2)
    assert (await stored(mailbox, later))[lid.PidLidMeetingType] == 0x00020000


async def test_request_that_arrives_late_changes_nothing(mailbox: Mailbox) -> None:
    await deliver(mailbox, message(*PEOPLE, START.replace("T10", "T15"), END.replace("T11", "T16"), "SEQUENCE:2"))
    late, _done = await deliver(mailbox, message(*PEOPLE, START, END, "SEQUENCE:1"))
    values = (await item(mailbox)).message.properties
    assert values[lid.PidLidAppointmentStartWhole] == filetime(datetime(2026, 12, 1, 14, tzinfo=UTC))
    assert (await stored(mailbox, late))[lid.PidLidMeetingType] == 0x00080000


async def test_cancellation_marks_the_item(mailbox: Mailbox) -> None:
    await deliver(mailbox, message(*PEOPLE, START, END, "SUMMARY:Budget"))
    await deliver(mailbox, message(*PEOPLE, START, END, "SUMMARY:Budget", "SEQUENCE:1", method="CANCEL"))
    values = (await item(mailbox)).message.properties
    assert values[tags.PidTagSubject] == "Canceled: Budget"
    assert (values[lid.PidLidAppointmentStateFlags], values[lid.PidLidBusyStatus]) == (7, 0)
    assert values[lid.PidLidReminderSet] is False


async def test_occurrence_of_a_series_is_moved_and_cancelled(mailbox: Mailbox) -> None:
    await deliver(mailbox, message(*PEOPLE, START, END, "RRULE:FREQ=WEEKLY;COUNT=4", "SUMMARY:Weekly"))
    instance = "RECURRENCE-ID;TZID=Europe/Berlin:20261208T100000"
    moved = ("DTSTART;TZID=Europe/Berlin:20261209T120000", "DTEND;TZID=Europe/Berlin:20261209T130000")
    await deliver(mailbox, message(*PEOPLE, instance, *moved, "SUMMARY:Once later", "SEQUENCE:1"))
    found = await item(mailbox)
    series = Series.parse(found.message.properties[lid.PidLidAppointmentRecur])
    assert [entry.start.isoformat() for entry in series.occurrences()] == [
        "2026-12-01T10:00:00",
        "2026-12-09T12:00:00",
        "2026-12-15T10:00:00",
        "2026-12-22T10:00:00",
    ]
    assert series.exceptions[0].subject == "Once later"
    assert len(found.message.attachments) == 1
    await deliver(mailbox, message(*PEOPLE, instance, *moved, "SUMMARY:Once later", "SEQUENCE:2", method="CANCEL"))
    found = await item(mailbox)
    (changed,) = Series.parse(found.message.properties[lid.PidLidAppointmentRecur]).exceptions
    assert (changed.subject, changed.busy_status, changed.meeting_type) == ("Canceled: Once later", 0, 7)
    (attachment,) = found.message.attachments
    assert attachment.embedded is not None
    assert attachment.embedded.properties[lid.PidLidAppointmentStateFlags] == 7


async def test_single_occurrence_without_its_series(mailbox: Mailbox) -> None:
    instance = "RECURRENCE-ID;TZID=Europe/Berlin:20261201T100000"
    await deliver(mailbox, message(*PEOPLE, instance, START, END))
    await deliver(mailbox, message(*PEOPLE, instance, START, END, "SUMMARY:New", "SEQUENCE:1"))
    assert (await item(mailbox)).message.properties[tags.PidTagSubject] == "New"


async def organized(mailbox: Mailbox, *lines: str) -> None:
    """A meeting in the organizer's own calendar: bob's."""
    people = [line.replace("anna", "dora").replace("bob@", "anna@").replace("dora", "bob") for line in PEOPLE]
    (own,) = messages_from_icalendar(calendar(*people, START, END, *lines), now=NOW, owner="bob@example.com")
    assert own.properties[lid.PidLidResponseStatus] == 1
    folder = await mailbox.special_folder("calendar")
    await mailbox.append(folder.folder_id, [NewMessage(own)])


def reply(who: str, partstat: str, *lines: str, stamp: str = "20261102T080000Z", method: str = "REPLY") -> Message:
    return message(
        "ORGANIZER:mailto:bob@example.com",
        f"ATTENDEE;PARTSTAT={partstat}:mailto:{who}@example.com",
        START,
        END,
        f"X-MICROSOFT-CDO-ATTENDEE-CRITICAL-CHANGE:{stamp}",
        *lines,
        method=method,
    )


def tracked(found: Item) -> dict[str, int]:
    return {row[tags.PidTagSmtpAddress]: row[tags.PidTagRecipientTrackStatus] for row in found.message.recipients}


async def test_answers_are_tallied(mailbox: Mailbox) -> None:
    await organized(mailbox)
    await deliver(mailbox, reply("anna", "ACCEPTED"))
    await deliver(mailbox, reply("Carol", "DECLINED", stamp="20261103T080000Z"))
    await deliver(mailbox, reply("carol", "ACCEPTED", stamp="20261102T080000Z"))  # was overtaken
    await deliver(mailbox, reply("eve", "TENTATIVE"))
    found = await item(mailbox)
    assert tracked(found) == {"bob@example.com": 1, "anna@example.com": 3, "carol@example.com": 4, "eve@example.com": 2}
    rows = {row[tags.PidTagSmtpAddress]: row for row in found.message.recipients}
    assert rows["eve@example.com"][tags.PidTagRecipientType] == 2
    assert rows["anna@example.com"][tags.PidTagRecipientTrackStatusTime] == filetime(
        datetime(2026, 11, 2, 8, tzinfo=UTC)
    )


async def test_answer_to_an_older_version_is_not_counted(mailbox: Mailbox) -> None:
    await organized(mailbox, "SEQUENCE:3")
    await deliver(mailbox, reply("anna", "ACCEPTED", "SEQUENCE:2"))
    assert tracked(await item(mailbox))["anna@example.com"] == 0


async def test_proposal_of_another_time(mailbox: Mailbox) -> None:
    await organized(mailbox)
    proposal = reply(
        "anna",
        "TENTATIVE",
        "X-MS-OLK-ORIGINALSTART:20261201T090000Z",
        "X-MS-OLK-ORIGINALEND:20261201T100000Z",
        method="COUNTER",
    )
    await deliver(mailbox, proposal)
    found = await item(mailbox)
    assert found.message.properties[lid.PidLidAppointmentProposalNumber] == 1
    assert found.message.properties[lid.PidLidAppointmentCounterProposal] is True
    row = next(row for row in found.message.recipients if row[tags.PidTagSmtpAddress] == "anna@example.com")
    assert row[tags.PidTagRecipientProposed] is True
    assert row[tags.PidTagRecipientProposedStartTime] == filetime(datetime(2026, 12, 1, 9, tzinfo=UTC))


async def test_answer_about_one_occurrence(mailbox: Mailbox) -> None:
    await organized(mailbox, "RRULE:FREQ=WEEKLY;COUNT=3")
    await deliver(mailbox, reply("anna", "DECLINED", "RECURRENCE-ID;TZID=Europe/Berlin:20261208T100000"))
    found = await item(mailbox)
    assert tracked(found)["anna@example.com"] == 0
    (attachment,) = found.message.attachments
    assert attachment.embedded is not None
    rows = {row[tags.PidTagSmtpAddress]: row for row in attachment.embedded.recipients}
    assert rows["anna@example.com"][tags.PidTagRecipientTrackStatus] == 4
    assert rows["anna@example.com"][tags.PidTagRecipientFlags] & 0x10
    series = Series.parse(found.message.properties[lid.PidLidAppointmentRecur])
    assert [entry.original.day for entry in series.exceptions] == [8]


async def test_own_request_that_comes_back_is_left(mailbox: Mailbox) -> None:
    await organized(mailbox)
    change = (await item(mailbox)).row.change_number
    lines = [line.replace("anna", "bob") for line in PEOPLE]
    await deliver(mailbox, message(*lines, START, END, "SEQUENCE:5"))
    assert (await item(mailbox)).row.change_number == change


async def test_room_accepts_when_it_is_free_and_refuses_when_it_is_not(mailbox: Mailbox) -> None:
    _id, done = await deliver(mailbox, message(*PEOPLE, START, END, "SUMMARY:First"), room=RoomPolicy())
    assert done.response is not None
    assert done.response.properties[tags.PidTagMessageClass] == "IPM.Schedule.Meeting.Resp.Pos"
    values = (await item(mailbox)).message.properties
    assert (values[lid.PidLidResponseStatus], values[lid.PidLidBusyStatus]) == (3, 2)
    overlapping = [line.replace("T10", "T103").replace("T11", "T123")[:-1] for line in (START, END)]
    other = calendar(*PEOPLE, *overlapping, method="REQUEST").replace(b"one@", b"two@")
    arrived = message_from_icalendar(other, now=NOW)
    assert arrived is not None
    _id, done = await deliver(mailbox, arrived, room=RoomPolicy())
    assert done.item_id is None
    assert done.response is not None
    assert done.response.properties[tags.PidTagMessageClass] == "IPM.Schedule.Meeting.Resp.Neg"
    assert "conflicts" in done.response.properties[tags.PidTagBody]
    assert len(await items(mailbox)) == 1
    text = icalendar_of(done.response, now=NOW)
    assert text is not None
    assert b"PARTSTAT=DECLINED" in text.data.replace(b"\r\n ", b"")
    assert b"UID:two@example.com" in text.data
    assert len((await deliver(mailbox, arrived, room=RoomPolicy(allow_conflicts=True)))[1].response.properties) > 0  # type: ignore[union-attr]
    assert len(await items(mailbox)) == 2


async def test_room_looks_at_every_occurrence(mailbox: Mailbox) -> None:
    series = calendar(*PEOPLE, START, END, "RRULE:FREQ=WEEKLY", method="REQUEST").replace(b"one@", b"series@")
    arrived = message_from_icalendar(series, now=NOW)
    assert arrived is not None
    single = message(*PEOPLE, START.replace("1201", "1222"), END.replace("1201", "1222"))
    _id, done = await deliver(mailbox, single, room=RoomPolicy())
    assert done.item_id is not None
    _id, done = await deliver(mailbox, arrived, room=RoomPolicy())
    assert done.item_id is None
    beside = calendar(
        *PEOPLE,
        START.replace("1201T10", "1202T10"),
        END.replace("1201T11", "1202T11"),
        "RRULE:FREQ=WEEKLY",
        method="REQUEST",
    )
    other = message_from_icalendar(beside.replace(b"one@", b"beside@"), now=NOW)
    assert other is not None
    _id, done = await deliver(mailbox, other, room=RoomPolicy())
    assert done.item_id is not None


@pytest.mark.parametrize(
    ("policy", "lines", "reason"),
    [
        (RoomPolicy(maximum_duration=timedelta(minutes=30)), (START, END), "too long"),
        (RoomPolicy(horizon=timedelta(days=5)), (START, END), "too far"),
        (RoomPolicy(allow_recurring=False), (START, END, "RRULE:FREQ=DAILY"), "recurring"),
        (RoomPolicy(), ("DTSTART:20200101T100000Z", "DTEND:20200101T110000Z"), "over"),
    ],
)
async def test_room_policy(mailbox: Mailbox, policy: RoomPolicy, lines: tuple[str, ...], reason: str) -> None:
    _id, done = await deliver(mailbox, message(*PEOPLE, *lines), room=policy)
    assert done.response is not None
    assert reason in done.response.properties[tags.PidTagBody]
    assert await items(mailbox) == []


async def test_meeting_between_two_users_agrees(mailbox: Mailbox) -> None:
    """A request made of an item, its answer, and the organizer's count of it."""
    await organized(mailbox, "RRULE:FREQ=WEEKLY;COUNT=3", "SUMMARY:Both")
    own = await item(mailbox)
    request = icalendar_of(own.message, method="REQUEST", now=NOW)
    assert request is not None
    arrived = message_from_icalendar(request.data, now=NOW)
    assert arrived is not None
    for key in (lid.PidLidAppointmentRecur, lid.PidLidAppointmentStartWhole, lid.PidLidCleanGlobalObjectId):
        assert arrived.properties[key] == own.message.properties[key]
