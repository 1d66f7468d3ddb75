"""A VTODO to a task (MS-OXOTASK 2.2.2.2, RFC 5545 3.6.2)."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from mapigw.mail.calendar import names as lid
from mapigw.mail.calendar.events import attached_files, local_time, text_properties
from mapigw.mail.calendar.reader import Component
from mapigw.mail.calendar.recurrences import recurrence_of
from mapigw.mail.calendar.values import Moment, moment, parse_duration
from mapigw.mail.calendar.vtimezones import Zones
from mapigw.wire import tags
from mapigw.wire.message import Message, Properties
from mapigw.wire.properties import filetime

TASK_CLASS: Final = "IPM.Task"
NOT_STARTED, IN_PROGRESS, COMPLETE, WAITING, DEFERRED = range(5)
_STATUS: Final = {"NEEDS-ACTION": NOT_STARTED, "IN-PROCESS": IN_PROGRESS, "COMPLETED": COMPLETE, "CANCELLED": DEFERRED}
_ICON: Final = 0x0500
_RECURRING_ICON: Final = 0x0501
_EFFECTS: Final = 0x0110


def task(group: list[Component], zones: Zones, now: datetime) -> tuple[Message, bool]:
    """The task of a UID, and whether nothing of it is lost: instances that differ are, tasks have no such thing."""
    masters = [component for component in group if component.first("RECURRENCE-ID") is None]
    todo = masters[0] if masters else group[0]
    start, due = moment(todo.first("DTSTART")), moment(todo.first("DUE"))
    length = parse_duration(todo.value("DURATION"))
    status = _STATUS.get(todo.value("STATUS").upper(), NOT_STARTED)
    percent = todo.value("PERCENT-COMPLETE")
    done = min(int(percent), 100) if percent.isdecimal() and len(percent) < 4 else 0
    completed = moment(todo.first("COMPLETED"))
    if completed is not None or done == 100:
        status = COMPLETE
    properties: Properties = {
        **text_properties(todo),
        tags.PidTagMessageClass: TASK_CLASS,
        lid.PidLidSideEffects: _EFFECTS,
        lid.PidLidTaskMode: 0,
        lid.PidLidTaskStatus: status,
        lid.PidLidPercentComplete: 1.0 if status == COMPLETE else done / 100,
        lid.PidLidTaskComplete: status == COMPLETE,
        lid.PidLidTaskState: 1,
        lid.PidLidTaskOwnership: 0,
        lid.PidLidTaskVersion: 1,
    }
    begin = None if start is None else _day(start, zones)
    end = _day(due, zones) if due is not None else None
    if end is None and begin is not None and length is not None:
        end = begin + max(length, timedelta(0))
    if begin is not None:
        properties |= {lid.PidLidTaskStartDate: _midnight(begin), lid.PidLidCommonStart: _midnight(begin)}
    if end is not None:
        properties |= {lid.PidLidTaskDueDate: _midnight(end), lid.PidLidCommonEnd: _midnight(end)}
    if status == COMPLETE:
        properties[lid.PidLidTaskDateCompleted] = _midnight(_day(completed, zones) if completed else now.date())
    complete = len(group) == 1 and not list(todo.walk("VALARM"))
    anchor = begin or end
    recurring = False
    if anchor is not None and status != COMPLETE:
        found = recurrence_of(
            todo,
            datetime.combine(anchor, time()),
            timedelta(0),
            lambda item: datetime.combine(_day(item, zones), time()),
        )
        complete = complete and found.complete and not (found.series and found.series.exceptions)
        if found.series is not None:
            recurring = True
            properties[lid.PidLidTaskRecurrence] = found.series.build_task()
            properties[lid.PidLidTaskDeadOccurrence] = False
    properties[lid.PidLidTaskFRecurring] = recurring
    properties[tags.PidTagIconIndex] = _RECURRING_ICON if recurring else _ICON
    return Message(properties, [], attached_files(todo)), complete


def _day(item: Moment, zones: Zones) -> date:
    """Tasks have days, in the time zone of whoever looks at them."""
    return local_time(item, zones, zones.default if item.is_utc else zones.get(item.tzid)).date()


def _midnight(day: date) -> int:
    return filetime(datetime.combine(day, time(), UTC))
