"""Meeting messages at delivery, as Exchange's calendar attendant handles them (MS-OXOCAL 3.1.4.7 to 3.1.4.9, 3.1.5).

A request makes a provisional item in the calendar, or changes the one that is there; a cancellation marks it; an answer
is tallied on the organizer's item. Rooms answer by their policy. What the user's client would do with the message later
it finds done.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mapigw.directory.model import User
from mapigw.mail.addresses import SENT_REPRESENTING
from mapigw.mail.calendar import names as lid
from mapigw.mail.calendar.attendees import Response
from mapigw.mail.calendar.events import BusyStatus
from mapigw.mail.calendar.importing import CANCELED_CLASS, REQUEST_CLASS
from mapigw.mail.calendar.items import Item, load, save
from mapigw.mail.calendar.meetings import (
    MeetingType,
    canceled_item,
    instance_of,
    is_stale,
    provisional_item,
    updated_item,
    with_exception,
)
from mapigw.mail.calendar.responses import RESPONSES, answer_of, response_message, tallied_item
from mapigw.mail.calendar.rooms import RoomPolicy, Verdict, decide
from mapigw.mailbox.calendar_index import CalendarIndex
from mapigw.mailbox.mailboxes import Mailbox, NewMessage
from mapigw.mailbox.saving import MessageChangedError, MessageGoneError
from mapigw.wire import tags
from mapigw.wire.global_object_ids import GlobalObjectId
from mapigw.wire.message import Message
from mapigw.wire.properties import filetime

_CLASS: Final = "ipm.schedule.meeting."
_ATTEMPTS: Final = 5
_MAX_OLDER: Final = 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Processed:
    """``item_id`` is the calendar item that was made or changed; ``response`` is to be sent to the organizer."""

    item_id: int | None = None
    response: Message | None = None


async def process_meeting(
    mailbox: Mailbox,
    message_id: int,
    user: User,
    *,
    room: RoomPolicy | None = None,
    now: datetime | None = None,
) -> Processed:
    """Handle a message that was delivered to the Inbox of ``user``, whose mailbox it is; others than meetings are left.

    ``room`` is the policy of a room or equipment that answers by itself. When this returns, what it did is on disk. A
    message that was handled before, or is gone, is left.
    """
    row = await mailbox.message(message_id)
    if row is None or not row.message_class.lower().startswith(_CLASS):
        return Processed()
    attendant = _Attendant(mailbox, user, room, now or datetime.now(UTC))
    for _attempt in range(_ATTEMPTS):
        try:
            return await attendant.process(message_id)
        except MessageChangedError:  # by a client, meanwhile
            continue
        except MessageGoneError:
            break
    return Processed()


class _Attendant:
    """One message's handling."""

    def __init__(self, mailbox: Mailbox, user: User, room: RoomPolicy | None, now: datetime) -> None:
        self.mailbox = mailbox
        self.user = user
        self.room = room
        self.now = now
        self.blobs = mailbox.database.blobs
        self.addresses = {user.address.lower(), user.legacy_dn.lower(), *(alias.lower() for alias in user.aliases)}

    async def process(self, message_id: int) -> Processed:
        item = await load(self.mailbox, message_id)
        if item is None or item.values.flag(lid.PidLidServerProcessed):
            return Processed()
        identity = item.identity()
        if identity is None:
            return Processed()
        calendar = await self.mailbox.special_folder("calendar")
        index = CalendarIndex(self.mailbox, calendar.folder_id)
        found = await self._items(index, identity)
        if item.message_class.startswith(REQUEST_CLASS.lower()):
            done = await self._request(item, identity, found, index)
        elif item.message_class.startswith(CANCELED_CLASS.lower()):
            done = await self._cancellation(item, identity, found)
        elif item.message_class in RESPONSES:
            done = await self._answer(item, identity, found)
        else:
            done = Processed()
        return done

    async def _items(self, index: CalendarIndex, identity: GlobalObjectId) -> list[Item]:
        """The calendar's items of a meeting: the whole meeting first, then single occurrences of it."""
        ids = await index.find(identity.clean.build())
        loaded = [await load(self.mailbox, found) for found in ids[-_MAX_OLDER:]]
        items = [item for item in loaded if item is not None and item.row.folder_id == index.folder_id]
        return sorted(items, key=lambda item: (item.identity() or identity).instance != (0, 0, 0))

    def _fitting(self, identity: GlobalObjectId, found: list[Item]) -> tuple[Item | None, bool]:
        """The item that a message is about, and whether that is the series of which the message has one occurrence."""
        for item in found:
            if (item.identity() or identity.clean).instance == identity.instance:
                return item, False
        whole = next((item for item in found if lid.PidLidAppointmentRecur in item.values), None)
        return whole, whole is not None

    # Requests

    async def _request(
        self, item: Item, identity: GlobalObjectId, found: list[Item], index: CalendarIndex
    ) -> Processed:
        organizer = {item.values.text(tag).lower() for tag in SENT_REPRESENTING[2:4]}
        if organizer & self.addresses:  # a copy of one's own
            await self._mark(item, item.values.integer(lid.PidLidMeetingType))
            return Processed()
        present, in_series = self._fitting(identity, found)
        if present is not None and not in_series and is_stale(item.values, present.values):
            await self._mark(item, MeetingType.OUT_OF_DATE)
            return Processed()
        response: Message | None = None
        verdict = None
        if self.room is not None:
            own = frozenset(entry.row.message_id for entry in found)
            verdict = await decide(self.mailbox, index.folder_id, item.values, self.room, self.now, own)
            response = self._room_response(item, verdict)
        if verdict in (None, Verdict.ACCEPTED):
            item_id, meeting_type = await self._write(item, identity, present, in_series, index, verdict)
        else:
            item_id, meeting_type = None, MeetingType.REQUEST
            if present is not None and not in_series:  # what was booked before is given up
                await save(self.mailbox, present, canceled_item(item.message, present.message), self.user)
        await self._mark(item, meeting_type)
        await self._outdate(item, identity)
        return Processed(item_id, response)

    async def _write(
        self,
        item: Item,
        identity: GlobalObjectId,
        present: Item | None,
        in_series: bool,
        index: CalendarIndex,
        verdict: Verdict | None,
    ) -> tuple[int | None, int]:
        """Write what a request says into the calendar; returns the item's id and the request's PidLidMeetingType."""
        made: Message | None = None
        meeting_type = int(MeetingType.REQUEST)
        if present is not None and in_series:
            day = instance_of(item.values, identity)
            if day is not None:
                made = await asyncio.to_thread(
                    with_exception, item.message, present.message, day, self.blobs, canceled=False
                )
                meeting_type = MeetingType.FULL
        elif present is not None:
            made = updated_item(item.message, present.message)
            asked = made.properties.get(lid.PidLidResponseStatus) == Response.NOT_RESPONDED
            meeting_type = MeetingType.FULL if asked else MeetingType.INFORMATIONAL
        if present is not None and made is not None:
            await save(self.mailbox, present, self._booked(made, verdict), self.user)
            return present.row.message_id, meeting_type
        made = self._booked(provisional_item(item.message), verdict)
        item_id = (await self.mailbox.append(index.folder_id, [NewMessage(made, is_read=True)]))[0]
        return item_id, meeting_type

    def _booked(self, made: Message, verdict: Verdict | None) -> Message:
        """An item as it is when the room has accepted it."""
        if verdict == Verdict.ACCEPTED:
            made.properties |= {
                lid.PidLidResponseStatus: int(Response.ACCEPTED),
                lid.PidLidBusyStatus: made.properties.get(lid.PidLidIntendedBusyStatus, int(BusyStatus.BUSY)),
                lid.PidLidAppointmentReplyTime: filetime(self.now),
                lid.PidLidAppointmentReplyName: self.user.display_name,
                lid.PidLidReminderSet: False,
            }
        return made

    def _room_response(self, item: Item, verdict: Verdict) -> Message | None:
        if item.message.properties.get(tags.PidTagResponseRequested) is False:
            return None
        response = Response.ACCEPTED if verdict == Verdict.ACCEPTED else Response.DECLINED
        return response_message(item.message, item.values, response, self.user, self.now, verdict.value)

    async def _outdate(self, item: Item, identity: GlobalObjectId) -> None:
        """Mark the requests before this one in the same folder as out of date (3.1.4.7.1)."""
        index = CalendarIndex(self.mailbox, item.row.folder_id, since=max(item.row.change_number - 1, 0))
        for message_id in (await index.find(identity.clean.build()))[-_MAX_OLDER:]:
            older = await load(self.mailbox, message_id) if message_id != item.row.message_id else None
            if older is None or not older.message_class.startswith(REQUEST_CLASS.lower()):
                continue
            same = (older.identity() or identity).instance == identity.instance or identity.instance == (0, 0, 0)
            if same and older.row.message_id < item.row.message_id and is_stale(older.values, item.values):
                try:
                    await self._mark(older, MeetingType.OUT_OF_DATE)
                except (MessageChangedError, MessageGoneError):
                    _log.info("a request that is out of date was changed by somebody else")

    async def _mark(self, item: Item, meeting_type: int) -> None:
        properties = {
            **item.message.properties,
            lid.PidLidMeetingType: int(meeting_type),
            lid.PidLidServerProcessed: True,
            tags.PidTagProcessed: True,
        }
        message = Message(properties, item.message.recipients, item.message.attachments)
        await save(self.mailbox, item, message, self.user, keeps_mime=True)

    # Cancellations and answers

    async def _cancellation(self, item: Item, identity: GlobalObjectId, found: list[Item]) -> Processed:
        present, in_series = self._fitting(identity, found)
        made: Message | None = None
        if present is not None and in_series:
            day = instance_of(item.values, identity)
            if day is not None:
                made = await asyncio.to_thread(
                    with_exception, item.message, present.message, day, self.blobs, canceled=True
                )
        elif present is not None and not is_stale(item.values, present.values):
            made = canceled_item(item.message, present.message)
        if present is not None and made is not None:
            await save(self.mailbox, present, made, self.user)
        await self._mark(item, MeetingType.EMPTY)
        await self._outdate(item, identity)
        return Processed(present.row.message_id if present is not None and made is not None else None)

    async def _answer(self, item: Item, identity: GlobalObjectId, found: list[Item]) -> Processed:
        answer = answer_of(item.message, item.values)
        present, in_series = self._fitting(identity, found)
        if answer is None or present is None:
            return Processed()
        day = instance_of(item.values, identity) if in_series else None
        made = await asyncio.to_thread(tallied_item, answer, item.values, day, present.message, self.blobs)
        if made is not None:
            await save(self.mailbox, present, made, self.user)
        await self._mark(item, MeetingType.EMPTY)
        return Processed(present.row.message_id if made is not None else None)
