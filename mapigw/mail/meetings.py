"""The text/calendar part of a mail makes a meeting item of it (MS-OXCMAIL 2.2.3.3.2, RFC 6047)."""

from typing import Final

from mapigw.mail.addresses import SENDER, SENT_REPRESENTING
from mapigw.mail.calendar.importing import message_from_icalendar
from mapigw.mail.parts import Part
from mapigw.wire import tags
from mapigw.wire.message import Message

MAX_CALENDAR: Final = 4 << 20

_MEETING: Final = "IPM.Schedule.Meeting."
_ANSWER: Final = "IPM.Schedule.Meeting.Resp."
_BODIES: Final = frozenset(
    {
        tags.PidTagBody,
        tags.PidTagHtml,
        tags.PidTagRtfCompressed,
        tags.PidTagRtfInSync,
        tags.PidTagNativeBody,
        tags.PidTagInternetCodepage,
        tags.PidTagMessageCodepage,
    }
)
# The mail says itself who sent it and when, and what its subject is.
_SUBJECT: Final = frozenset({tags.PidTagSubject, tags.PidTagSubjectPrefix, tags.PidTagNormalizedSubject})
_OF_THE_MAIL: Final = frozenset(
    {
        *SENDER,
        *SENT_REPRESENTING,
        tags.PidTagClientSubmitTime,
        tags.PidTagMessageDeliveryTime,
        tags.PidTagInternetMessageId,
    }
)


def is_meeting_part(part: Part, root: Part) -> bool:
    """Whether a part may be a meeting message, and not a calendar file that somebody attached."""
    return part.type == "text/calendar" and part.size <= MAX_CALENDAR and (part is root or not part.is_attachment)


def merge_meeting(message: Message, part: Part) -> bool:
    """Complete ``message``, made of the other parts, by a request, cancellation or answer; False: it is none."""
    parameters = part.parameters
    meeting = message_from_icalendar(
        part.content(), charset=parameters.get("charset", ""), method=parameters.get("method", "")
    )
    message_class = meeting.properties.get(tags.PidTagMessageClass, "") if meeting is not None else ""
    if meeting is None or not message_class.startswith(_MEETING):
        return False
    properties = message.properties
    has_text = bool(properties.get(tags.PidTagBody) or properties.get(tags.PidTagHtml))
    kept = {tag for tag in _OF_THE_MAIL if tag in properties}
    if properties.get(tags.PidTagSubject):
        kept |= _SUBJECT
    if has_text or tags.PidTagBody not in meeting.properties:
        kept |= _BODIES
    properties.update((key, value) for key, value in meeting.properties.items() if key not in kept)
    if meeting.recipients and not message_class.startswith(_ANSWER):
        message.recipients = meeting.recipients
    message.attachments += meeting.attachments
    return True
