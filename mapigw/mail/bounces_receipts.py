"""Receipts: a message was read, or will not be (MS-OXOMSG 2.2.2, RFC 8098)."""

from typing import Final

from mapigw.directory.model import User
from mapigw.mail.addresses import READ_RECEIPT, SENDER, SENT_REPRESENTING, address_group
from mapigw.mail.bounces import Occasion, report_properties, text_of
from mapigw.mail.bounces_texts import ReportKind, texts_for
from mapigw.wire import tags
from mapigw.wire.entryids import one_off_entry_id
from mapigw.wire.message import Message, Properties
from mapigw.wire.properties import from_filetime

_MAIL_USER: Final = 6
_SUPPRESS_READ: Final = 0x04  # PidTagAutoResponseSuppress (MS-OXOMSG 2.2.1.77)
_SUPPRESS_NOT_READ: Final = 0x08


def receipt(kind: ReportKind, original: Message, reader: User, occasion: Occasion) -> Message | None:
    """The report of a reader to whom the sender has asked to be told; None where nobody is to be told."""
    found = original.properties
    suppressed = found.get(tags.PidTagAutoResponseSuppress, 0)
    if suppressed & (_SUPPRESS_READ if kind is ReportKind.READ else _SUPPRESS_NOT_READ):
        return None
    recipient = _asker(found)
    if recipient is None:
        return None
    texts = texts_for(occasion.locale)
    properties = report_properties(kind, original, occasion)
    properties.update(address_group(SENDER, reader))
    properties.update(address_group(SENT_REPRESENTING, reader))
    subject = text_of(found, tags.PidTagSubject)
    lines = [texts.openings[kind], "", f"  {reader.display_name} ({reader.address})", "", texts.subject + subject]
    sent = found.get(tags.PidTagClientSubmitTime)
    if isinstance(sent, int):
        lines.append(f"{texts.sent}{from_filetime(sent):%Y-%m-%d %H:%M} UTC")
    properties[tags.PidTagBody] = "\r\n".join(lines) + "\r\n"
    properties[tags.PidTagReceiptTime] = occasion.moment
    properties[tags.PidTagOriginalDeliveryTime] = found.get(tags.PidTagMessageDeliveryTime, occasion.moment)
    return Message(properties, [recipient])


def _asker(properties: Properties) -> Properties | None:
    """Whom the receipt goes to: who is named for that, else who the message is from (MS-OXOMSG 2.2.1.29)."""
    for group in (READ_RECEIPT, SENT_REPRESENTING, SENDER):
        name, kind, email, smtp, entry_id, _search_key = group
        address = text_of(properties, email) or text_of(properties, smtp)
        if not address:
            continue
        shown = text_of(properties, name) or address
        return {
            tags.PidTagRecipientType: 1,
            tags.PidTagDisplayName: shown,
            tags.PidTagAddressType: text_of(properties, kind) or "SMTP",
            tags.PidTagEmailAddress: address,
            tags.PidTagSmtpAddress: text_of(properties, smtp) or address,
            tags.PidTagEntryId: properties.get(entry_id) or one_off_entry_id(shown, address),
            tags.PidTagObjectType: _MAIL_USER,
            tags.PidTagDisplayType: 0,
        }
    return None
