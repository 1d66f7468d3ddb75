"""What rules and the owner's absence make of a message that arrives, all in the transaction of its delivery.

MS-OXORULE 3.2.5.1. What is sent because of it is in the queue when the message is in the mailbox, not before or after.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import Final

from mapigw.directory.model import MailboxKind, User
from mapigw.mail import automatic
from mapigw.mail.arrivals_sending import SENDS_MAXIMUM, UNREADABLE, Arrival, Sending
from mapigw.mail.calendar.processing import process_meeting
from mapigw.mail.calendar.rooms import RoomPolicy
from mapigw.mail.delivery import Disposition, Placed
from mapigw.mailbox import search_criteria
from mapigw.mailbox.clock import now
from mapigw.mailbox.deferred_actions import deferred_action, deferred_error
from mapigw.mailbox.extended_rules import extended_rules
from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.messages import row_of
from mapigw.mailbox.out_of_office import out_of_office
from mapigw.mailbox.restrictions import Candidate
from mapigw.mailbox.rule_evaluation import ActiveRule, Circumstances, Failure, Outcome, evaluate
from mapigw.mailbox.rules import RuleState, folder_rules, note_errors
from mapigw.mailbox.saving import new_message_id
from mapigw.mailbox.search_matching import candidate
from mapigw.store import automatic_replies
from mapigw.store.database import Connection
from mapigw.wire import tags
from mapigw.wire.entryids import message_entry_id, server_id
from mapigw.wire.message import Message
from mapigw.wire.properties import NAMED_PROPERTY_MINIMUM, NamedTag
from mapigw.wire.restrictions import ActionType

MEETING_CLASS: Final = "ipm.schedule.meeting."
DEFAULT_HORIZON: Final = timedelta(days=180)
"""How far ahead a room can be booked that says nothing of it."""

_log = logging.getLogger(__name__)


class Arrivals:
    """Decides what becomes of messages that arrive: `Deliverer` asks it for each."""

    def __init__(self, sending: Sending) -> None:
        self._sending = sending

    async def dispose(self, mailbox: Mailbox, user: User, folder_id: int, message: NewMessage) -> Disposition:
        """Raises what the store raises; a rule that cannot be followed is told of in a deferred error message."""
        rules = [ActiveRule.standard(rule) for rule in await folder_rules(mailbox, folder_id)]
        rules += await extended_rules(mailbox, folder_id)
        settings = await out_of_office(mailbox)
        is_oof = settings.is_out(now())
        if not rules and not is_oof:
            return Disposition([Placed(folder_id, message)])
        sender = automatic.sender_of(message.message)
        async with mailbox.database.read() as connection:
            answered = await automatic_replies.select_answered(connection, mailbox.mailbox_id, sender)
        arrival = Arrival(mailbox, user, folder_id, message, sender, answered)
        arrival.outcome = await self._evaluated(arrival, rules, is_oof=is_oof)
        for wanted in arrival.outcome.sends[:SENDS_MAXIMUM]:
            await self._sending.prepare(arrival, wanted)
        if is_oof:
            await self._sending.answer_absence(arrival, settings)
        return await self._disposition(arrival)

    async def delivered(self, mailbox: Mailbox, user: User, message_id: int, message: NewMessage) -> None:
        """Enter a meeting into the calendar, count an answer, let a room answer. What fails there is logged."""
        name = message.message.properties.get(tags.PidTagMessageClass)
        if not isinstance(name, str) or not name.lower().startswith(MEETING_CLASS):
            return
        try:
            processed = await process_meeting(mailbox, message_id, user, room=_room_policy(user))
            if processed.response is not None:
                await self._sending.respond(mailbox, user, processed.response)
        except Exception:
            _log.exception("meeting message %d of mailbox %s is left as it came", message_id, mailbox.guid)

    async def _evaluated(self, arrival: Arrival, rules: Sequence[ActiveRule], *, is_oof: bool) -> Outcome:
        if not rules:
            return Outcome()
        mailbox = arrival.mailbox
        try:
            seen = await self._candidate(arrival, rules)
        except UNREADABLE as error:
            _log.error("rules of mailbox %s are not asked about a message: %s", mailbox.guid, error)
            return Outcome()
        folders = await self._folders(mailbox, rules)
        circumstances = Circumstances(
            is_oof=is_oof,
            was_answered=lambda rule: rule.rule_id in arrival.answered,
            folder_of=folders.__contains__,
        )
        return await asyncio.to_thread(evaluate, rules, seen, circumstances)

    @staticmethod
    async def _candidate(arrival: Arrival, rules: Sequence[ActiveRule]) -> Candidate:
        """The message as the conditions see it, which is as it will be stored."""
        (prepared,) = await arrival.mailbox.prepare([arrival.message])
        row = row_of(
            prepared.content,
            prepared.properties,
            prepared.columns,
            message_id=0,
            folder_id=arrival.folder_id,
            change_number=0,
            is_associated=False,
            is_read=False,
            modified=now(),
        )
        conditions = [rule.condition for rule in rules if rule.condition is not None]
        needs = reduce(or_, map(search_criteria.needs_of, conditions), search_criteria.Needs())
        return await asyncio.to_thread(candidate, arrival.mailbox, row, needs)

    @staticmethod
    async def _folders(mailbox: Mailbox, rules: Iterable[ActiveRule]) -> frozenset[int]:
        """The folders that messages can be moved to, if a rule wants that."""
        kinds = {action.action_type for rule in rules for action in rule.actions}
        if kinds.isdisjoint({ActionType.OP_MOVE, ActionType.OP_COPY}):
            return frozenset()
        rows = await mailbox.folders()
        return frozenset(row.folder_id for row in rows if row.folder_type == 1 and row.deleted is None)

    async def _disposition(self, arrival: Arrival) -> Disposition:
        mailbox, outcome = arrival.mailbox, arrival.outcome
        message = await self._changed(arrival)
        folder_ids = ([arrival.folder_id] if outcome.stays else []) + outcome.copies
        placed = [Placed(folder_id, message) for folder_id in dict.fromkeys(folder_ids)]
        failures = [item for item in outcome.failures if not self._is_known(arrival, item)]
        leaving = [await self._sending.leaving(mailbox, arrival.user, outgoing) for outgoing in arrival.sends]
        bounced = await self._sending.bounced(arrival, outcome.bounce) if outcome.bounce is not None else None
        if bounced is not None:
            leaving.append(bounced)
        if placed and (outcome.deferred or failures):
            placed += await self._left_to_clients(arrival, placed[0], failures)
        moment = now()

        async def also(connection: Connection) -> None:
            for send in leaving:
                await send(connection)
            for rule_id in {*arrival.replied, *(rule.rule_id for rule in outcome.answered)}:
                await automatic_replies.insert_answered(connection, mailbox.mailbox_id, rule_id, arrival.sender, moment)
            await note_errors(connection, mailbox, arrival.folder_id, {item.rule.rule_id for item in failures})

        return Disposition(placed, also)

    @staticmethod
    async def _changed(arrival: Arrival) -> NewMessage:
        """The message as the rules want it stored."""
        outcome, message = arrival.outcome, arrival.message.message
        names = await arrival.mailbox.property_names()
        properties = dict(message.properties)
        for tag, value in outcome.properties.items():
            name = names.get(tag >> 16) if tag >> 16 >= NAMED_PROPERTY_MINIMUM else None
            properties[tag if name is None else NamedTag(name, tag & 0xFFFF)] = value
        properties[tags.PidTagHasDeferredActionMessages] = bool(outcome.deferred)
        changed = Message(properties, message.recipients, message.attachments)
        return replace(arrival.message, message=changed, is_read=arrival.message.is_read or outcome.is_read)

    @staticmethod
    def _is_known(arrival: Arrival, failure: Failure) -> bool:
        """Whether nobody needs to be told: of an extended rule, or again of one that has failed before (3.2.5.1.3)."""
        rule = failure.rule
        if rule.extended:
            _log.warning("extended rule %d of mailbox %s: %s", rule.rule_id, arrival.mailbox.guid, failure.error.name)
        return rule.extended or bool(rule.state & RuleState.ST_ERROR)

    @staticmethod
    async def _left_to_clients(arrival: Arrival, placed: Placed, failures: Sequence[Failure]) -> list[Placed]:
        """Deferred action and deferred error messages, which name the message by the id that it gets here."""
        mailbox = arrival.mailbox
        folder_id = (await mailbox.special_folder("deferred_action")).folder_id
        first = await new_message_id(mailbox, 1 + len(arrival.outcome.deferred))
        placed.message_id = first
        delivered = message_entry_id(mailbox.guid, mailbox.replica_guid, placed.folder_id, first)
        found = [
            Placed(
                folder_id,
                NewMessage(
                    deferred_action(mailbox, arrival.folder_id, delivered, server_id(folder_id, first + number), rules)
                ),
                first + number,
            )
            for number, rules in enumerate(arrival.outcome.deferred.values(), 1)
        ]
        found += [
            Placed(folder_id, NewMessage(deferred_error(mailbox, arrival.folder_id, delivered, failure)))
            for failure in failures
        ]
        return found


def _room_policy(user: User) -> RoomPolicy | None:
    """What a room or equipment does with requests by itself; None where somebody decides."""
    policy = user.details.get("booking_policy")
    if user.kind not in (MailboxKind.ROOM, MailboxKind.EQUIPMENT) or policy not in ("accept", "refuse-conflicts"):
        return None
    days = user.details.get("booking_days")
    horizon = timedelta(days=int(days)) if isinstance(days, str) and days else DEFAULT_HORIZON
    return RoomPolicy(allow_conflicts=policy == "accept", horizon=horizon)
