"""A whole message as a tree of parts: the smallest that holds it (MS-OXCMAIL 2.1.3)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from mapigw.mail.calendar.exporting import icalendar_of
from mapigw.mail.export.addressing import NOBODY, Addressing, write_authors, write_recipients
from mapigw.mail.export.attachments import Attached, attached_parts
from mapigw.mail.export.bodies import Bodies, bodies_of, plain_entity
from mapigw.mail.export.entities import Entity, Multipart, Part, binary_entity, text_entity
from mapigw.mail.export.fields import Fields, Mailbox
from mapigw.mail.export.headers import host_of, message_id_of, write_headers
from mapigw.mail.export.reader import PropertyReader
from mapigw.mail.export.reports import addressee, is_delivery_report, is_report, report_part, report_text
from mapigw.mail.export.secured import secured_entity
from mapigw.mailbox.bodies.forms import stored_forms
from mapigw.store.blobs import FolderBlobStore
from mapigw.wire import tags
from mapigw.wire.message import Message

MAX_EMBEDDED: Final = 32
"""How deep attached messages are; the deepest goes without what is attached to it."""
_TNEF_FILE: Final = "winmail.dat"
_CALENDAR_CLASSES: Final = ("ipm.schedule.meeting.", "ipm.appointment")

TnefEncoder = Callable[[Message, FolderBlobStore | None], Iterator[bytes]]
"""The TNEF stream of a message (MS-OXTNEF), piece by piece."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What a message is written for."""

    blind: frozenset[str] | None = frozenset()
    """Addresses (lower case) of the blind recipients that this copy names; None: all of them, for the sender's own."""
    date: datetime | None = None
    """When it is sent (aware); None: as the message says."""
    message_id: str = ""
    """"": PidTagInternetMessageId, or one that is made of PidTagSearchKey."""
    domain: str = ""
    """The sender's, for a Message-ID that is made and for addresses that no SMTP address stands for."""
    smtputf8: bool = False
    """Whether RFC 6532 may be used; it is where an address needs it."""
    eight_bit: bool = False
    """Whether text may be in 8 bits."""
    original: bool = True
    """Whether a message that came as Internet mail, and was not changed since, goes out as it came."""
    to: tuple[tuple[str, str], ...] | None = None
    """(name, address) of whom it is addressed to in place of its recipients, who are something else in a report."""
    unsent: bool = False
    """Whether it says that it was not sent yet (MS-OXCMAIL 2.1.3.2): of a draft that is exported."""
    tnef: TnefEncoder | None = None
    """Makes what goes to somebody who is configured for TNEF; None: everything is pure MIME."""


_FOR_OWNER: Final = ExportOptions(blind=None)
_FOR_OTHERS: Final = ExportOptions()


@dataclass(slots=True)
class Composition:
    """A message that can be written."""

    root: Part
    message_id: str
    smtputf8: bool


@dataclass(slots=True)
class Composer:
    """Makes compositions of one message and of those embedded in it; blocks."""

    options: ExportOptions
    addressing: Addressing
    blobs: FolderBlobStore | None
    utf8: bool = False
    _depth: int = field(default=0, init=False)

    def compose(self, message: Message) -> Composition:
        reader = PropertyReader(message.properties, self.blobs)
        options = self._options()
        fields = Fields(utf8=self.utf8)
        write_authors(fields, reader, self.addressing)
        if options.to is not None:
            fields.addresses("To", [Mailbox(name, email) for name, email in options.to])
        elif is_delivery_report(reader.text(tags.PidTagMessageClass)):
            fields.addresses("To", [addressee(reader, self.addressing) or NOBODY])
        else:
            write_recipients(fields, message, self.addressing, self.blobs, options.blind)
        write_headers(fields, reader, self.addressing, options.date)
        message_id = options.message_id or message_id_of(reader, self.options.domain)
        fields.text("Message-ID", message_id)
        fields.text("X-Unsent", "1" if options.unsent else "")
        part = self._content(message, reader)
        fields.text("MIME-Version", "1.0")
        fields.extend(part.fields)
        part.fields = fields
        return Composition(part, message_id, self.utf8)

    def _options(self) -> ExportOptions:
        """An attached message is written as it is, its blind recipients only for its owner."""
        if not self._depth:
            return self.options
        return _FOR_OWNER if self.options.blind is None else _FOR_OTHERS

    def _content(self, message: Message, reader: PropertyReader) -> Part:
        message_class = reader.text(tags.PidTagMessageClass)
        secured = secured_entity(message, message_class, self.blobs)
        if secured is not None:
            return secured
        if self.options.tnef is not None and not self._depth:
            return self._tnef(message, reader, self.options.tnef)
        if is_report(message_class):
            return self._report(message, reader)
        bodies = bodies_of(reader, eight_bit=self.options.eight_bit)
        attached = self._attached(message, bodies.html_source)
        text = _alternatives(bodies, self._calendar(message, message_class))
        if attached.related:
            root_type = "multipart/alternative" if isinstance(text, Multipart) else "text/html"
            text = Multipart("related", [text, *attached.related], Fields(), {"type": root_type})
        return Multipart("mixed", [text, *attached.files], Fields()) if attached.files else text

    def _calendar(self, message: Message, message_class: str) -> Entity | None:
        """The calendar of a meeting message or an appointment, as a further form of its text (RFC 6047 2.4)."""
        if not message_class.lower().startswith(_CALENDAR_CLASSES):
            return None
        exceptions = [item for item in message.attachments if item.embedded is not None]
        item = Message(message.properties, message.recipients, exceptions)  # files are parts of their own
        found = icalendar_of(item, addressing=self.addressing, blobs=self.blobs)
        if found is None:
            return None
        fields = Fields()
        fields.parameters("Content-Type", "text/calendar", {"charset": "utf-8", "method": found.method})
        return text_entity(fields, found.data, eight_bit=False)

    def _attached(self, message: Message, html: bytes) -> Attached:
        return attached_parts(message, self.blobs, html, self._embed)

    def _report(self, message: Message, reader: PropertyReader) -> Part:
        bodies = bodies_of(reader, eight_bit=False)
        if not stored_forms(reader.properties):
            text = report_text(message, reader, self.addressing)
            bodies = Bodies(plain_entity(text, 0, eight_bit=False), None)
        attached = self._attached(message, b"")
        return report_part(
            message, reader, self.addressing, _alternatives(bodies), attached.files, host=host_of(self.options.domain)
        )

    def _tnef(self, message: Message, reader: PropertyReader, encoder: TnefEncoder) -> Part:
        """The plain text beside everything else (2.1.3.5.2)."""
        bodies = bodies_of(reader, eight_bit=self.options.eight_bit)
        fields = Fields()
        fields.parameters("Content-Type", "application/ms-tnef", {"name": _TNEF_FILE})
        fields.parameters("Content-Disposition", "attachment", {"filename": _TNEF_FILE})
        stream = binary_entity(fields, lambda: encoder(message, self.blobs))
        return Multipart("mixed", [bodies.plain or plain_entity("", 0, eight_bit=False), stream], Fields())

    def _embed(self, message: Message) -> Part:
        self._depth += 1
        try:
            if self._depth > MAX_EMBEDDED:
                message = Message(message.properties, message.recipients)
            return self.compose(message).root
        finally:
            self._depth -= 1


def _alternatives(bodies: Bodies, calendar: Entity | None = None) -> Part:
    forms: list[Part] = [form for form in (bodies.plain, bodies.html, calendar) if form is not None]
    return forms[0] if len(forms) == 1 else Multipart("alternative", forms, Fields())
