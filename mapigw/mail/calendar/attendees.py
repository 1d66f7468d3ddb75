"""ATTENDEE and ORGANIZER, and the recipients that they are (MS-OXCICAL 2.1.3.1.1.20.2, 2.1.3.1.1.20.18)."""

from enum import IntEnum, IntFlag
from typing import Any, Final
from urllib.parse import unquote

from icalendar import vCalAddress

from mapigw.mail.addresses import (
    MAX_EMAIL,
    MAX_NAME,
    RECIPIENT_BCC,
    RECIPIENT_CC,
    RECIPIENT_TO,
    Address,
    recipient_properties,
)
from mapigw.mail.calendar.reader import Component, Property
from mapigw.mail.headers import clean
from mapigw.wire import tags
from mapigw.wire.message import Properties


class Response(IntEnum):
    """PidTagRecipientTrackStatus and PidLidResponseStatus (MS-OXOCAL 2.2.1.11, 2.2.4.10.3)."""

    NONE = 0
    ORGANIZED = 1
    TENTATIVE = 2
    ACCEPTED = 3
    DECLINED = 4
    NOT_RESPONDED = 5


class RecipientFlags(IntFlag):
    """PidTagRecipientFlags (MS-OXOCAL 2.2.4.10.1)."""

    SENDABLE = 0x01
    ORGANIZER = 0x02
    EXCEPTIONAL_RESPONSE = 0x10
    EXCEPTIONAL_DELETED = 0x20


_TRACK: Final = {
    "ACCEPTED": Response.ACCEPTED,
    "DECLINED": Response.DECLINED,
    "TENTATIVE": Response.TENTATIVE,
}
PARTSTAT: Final = {value: key for key, value in _TRACK.items()}
_OPTIONAL: Final = frozenset({"OPT-PARTICIPANT", "NON-PARTICIPANT"})
_RESOURCES: Final = frozenset({"RESOURCE", "ROOM"})
_ROLES: Final = {RECIPIENT_TO: "REQ-PARTICIPANT", RECIPIENT_CC: "OPT-PARTICIPANT", RECIPIENT_BCC: "NON-PARTICIPANT"}
MAX_ATTENDEES: Final = 20_000


def address_of(found: Property | None) -> Address | None:
    """Who a calendar address is; one without a mail address is known by its EMAIL parameter, or by what it is."""
    if found is None:
        return None
    email = found.value.strip()
    if email[:7].lower() == "mailto:":
        email = unquote(email[7:])
    elif "@" not in email or ":" in email:
        email = found.params.get("EMAIL", "") or email
    email = clean(email)[:MAX_EMAIL]
    name = clean(found.params.get("CN", "")).strip("'")[:MAX_NAME]
    return Address(name or email[:MAX_NAME], email) if email else None


def sent_by(found: Property | None) -> Address | None:
    """Who acted for a calendar address (SENT-BY)."""
    if found is None or not found.params.get("SENT-BY"):
        return None
    return address_of(Property(found.name, found.params["SENT-BY"]))


def response_of(found: Property) -> Response:
    return _TRACK.get(found.params.get("PARTSTAT", "").upper(), Response.NONE)


def attendees(event: Component) -> list[Properties]:
    """The recipients of a component, each once; the organizer among them is flagged as such."""
    organizer = address_of(event.first("ORGANIZER"))
    rows: dict[str, Properties] = {}
    for found in event.all("ATTENDEE")[:MAX_ATTENDEES]:
        address = address_of(found)
        if address is None:
            continue
        kind = RECIPIENT_TO
        if found.params.get("CUTYPE", "").upper() in _RESOURCES:
            kind = RECIPIENT_BCC
        elif found.params.get("ROLE", "").upper() in _OPTIONAL:
            kind = RECIPIENT_CC
        key = address.email.lower()
        if key in rows:
            continue
        row = recipient_properties(address, kind, len(rows))
        row[tags.PidTagRecipientTrackStatus] = int(response_of(found))
        if organizer is not None and key == organizer.email.lower():
            row |= organizer_flags()
        rows[key] = row
    return list(rows.values())


def organizer_flags() -> Properties:
    return {
        tags.PidTagRecipientFlags: int(RecipientFlags.SENDABLE | RecipientFlags.ORGANIZER),
        tags.PidTagRecipientTrackStatus: int(Response.ORGANIZED),
    }


def organizer_row(address: Address, row: int) -> Properties:
    return recipient_properties(address, RECIPIENT_TO, row) | organizer_flags()


def is_organizer(recipient: Properties) -> bool:
    return bool(int(recipient.get(tags.PidTagRecipientFlags, 0)) & RecipientFlags.ORGANIZER)


def email_of(recipient: Properties) -> str:
    """The SMTP address of a recipient; "" for one that has none."""
    email = recipient.get(tags.PidTagSmtpAddress)
    if not email and recipient.get(tags.PidTagAddressType, "SMTP") == "SMTP":
        email = recipient.get(tags.PidTagEmailAddress)
    return email if isinstance(email, str) else ""


def names(recipients: list[Properties], *kinds: int) -> str:
    """The names of the recipients of these types (all), as PidLidAllAttendeesString and its like have them."""
    return "; ".join(
        str(row.get(tags.PidTagDisplayName, ""))
        for row in recipients
        if not kinds or int(row.get(tags.PidTagRecipientType, RECIPIENT_TO)) & 0x0F in kinds
    )


# Written


def calendar_address(name: str, email: str) -> Any:
    found = vCalAddress(f"mailto:{email}")
    if name and name != email:
        found.params["CN"] = name
    return found


def attendee(recipient: Properties, *, response: Response | None = None, rsvp: bool = False) -> Any:
    """The ATTENDEE of a recipient; ``response`` in place of what its row says."""
    kind = int(recipient.get(tags.PidTagRecipientType, RECIPIENT_TO)) & 0x0F
    found = calendar_address(str(recipient.get(tags.PidTagDisplayName, "")), email_of(recipient))
    found.params["CUTYPE"] = "RESOURCE" if kind == RECIPIENT_BCC else "INDIVIDUAL"
    found.params["ROLE"] = _ROLES.get(kind, "REQ-PARTICIPANT")
    status = Response.NONE
    track = int(recipient.get(tags.PidTagRecipientTrackStatus, 0))
    if response is not None:
        status = response
    elif track in PARTSTAT:
        status = Response(track)
    found.params["PARTSTAT"] = PARTSTAT.get(status, "NEEDS-ACTION")
    if rsvp:
        found.params["RSVP"] = "TRUE"
    return found
