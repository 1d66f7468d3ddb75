"""What a calendar item says of its time: its zone, its series, its days (MS-OXOCAL 2.2.1.39 to 2.2.1.44)."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from mapigw.mail.calendar import names as lid
from mapigw.mail.calendar.exceptions import ATTACHMENT_EXCEPTION
from mapigw.mail.calendar.series import Series
from mapigw.mail.calendar.zones import UTC_ZONE, Zone, named_zone, rule_of, zone_from_definition, zone_from_struct
from mapigw.mail.export.reader import PropertyReader
from mapigw.store.blobs import FolderBlobStore
from mapigw.wire import tags
from mapigw.wire.errors import WireError
from mapigw.wire.message import Attachment
from mapigw.wire.properties import NamedTag, from_filetime

_LAST_FILETIME: Final = 0x24C85A5ED1C04000  # the end of the year 9999


def time_of(values: PropertyReader, *keys: NamedTag | int) -> datetime | None:
    """The first of these times that is there, in UTC; a time out of range is none."""
    for key in keys:
        value = values.integer(key)
        if 0 < value < _LAST_FILETIME:
            return from_filetime(value)
    return None


def zone_of(values: PropertyReader, *, recurring: bool) -> Zone:
    """The time zone of an item; UTC for one that has none.

    Of a series the definition counts as long as it agrees with PidLidTimeZoneStruct (2.2.1.41).
    """
    description = values.text(lid.PidLidTimeZoneDescription)
    if recurring:
        defined = _defined(values, lid.PidLidAppointmentTimeZoneDefinitionRecur)
        struct = values.binary(lid.PidLidTimeZoneStruct)
        try:
            older = zone_from_struct(struct, description) if struct else None
        except WireError:
            older = None
        start = time_of(values, lid.PidLidAppointmentStartWhole)
        year = start.year if start is not None else datetime.now(UTC).year
        if defined is not None and (older is None or rule_of(older.tz, year) == rule_of(defined.tz, year)):
            return defined
        if older is not None:
            return older
    return (
        _defined(values, lid.PidLidAppointmentTimeZoneDefinitionStartDisplay)
        or (named_zone(description) if description else None)
        or UTC_ZONE
    )


def end_zone_of(values: PropertyReader, zone: Zone) -> Zone:
    return _defined(values, lid.PidLidAppointmentTimeZoneDefinitionEndDisplay) or zone


def _defined(values: PropertyReader, key: NamedTag) -> Zone | None:
    data = values.binary(key)
    try:
        return zone_from_definition(data) if data else None
    except WireError:
        return None


def series_of(values: PropertyReader) -> Series | None:
    """The series of a recurring item; None also where its blob cannot be read."""
    data = values.binary(lid.PidLidAppointmentRecur)
    if not data:
        return None
    try:
        return Series.parse(data)
    except WireError:
        return None


def midnight(moment: datetime) -> datetime:
    """The midnight next to a naive time: whole days of an item whose zone is not known begin near one."""
    return datetime.combine((moment + timedelta(hours=12)).date(), time())


@dataclass(frozen=True, slots=True)
class Span:
    """Start and end of an item, in UTC."""

    start: datetime
    end: datetime


def span_of(values: PropertyReader) -> Span | None:
    start = time_of(values, lid.PidLidAppointmentStartWhole, lid.PidLidCommonStart)
    if start is None:
        return None
    end = time_of(values, lid.PidLidAppointmentEndWhole, lid.PidLidCommonEnd)
    return Span(start, max(end or start, start))


def exception_time(attachment: Attachment, blobs: FolderBlobStore | None) -> datetime | None:
    """When the occurrence was to start that an Exception Attachment object replaces; None for another attachment."""
    values = PropertyReader(attachment.properties, blobs)
    if attachment.embedded is None or not values.integer(tags.PidTagAttachmentFlags) & ATTACHMENT_EXCEPTION:
        return None
    inner = PropertyReader(attachment.embedded.properties, blobs)
    found = time_of(inner, lid.PidLidExceptionReplaceTime) or time_of(values, tags.PidTagExceptionReplaceTime)
    return None if found is None else found.astimezone(UTC).replace(second=0, microsecond=0)
