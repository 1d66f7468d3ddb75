"""The text of a message as body parts: which forms go out, and in which character set (MS-OXCMAIL 2.1.3.3)."""

from dataclasses import dataclass
from typing import Final

from mapigw.mail.export.entities import Entity, binary_entity, text_entity, utf8_chunks
from mapigw.mail.export.fields import Fields
from mapigw.mail.export.reader import PropertyReader
from mapigw.mailbox.bodies.forms import html_document, native_body, plain_text, stored_forms
from mapigw.mailbox.bodies.rtf_forms import Origin, origin
from mapigw.mailbox.bodies.stored import CONVERTED_MAXIMUM
from mapigw.wire import rtf_compression, tags
from mapigw.wire.errors import WireError

_EDITOR_PLAIN: Final = 1  # PidTagMessageEditorFormat (MS-OXOMSG 2.2.1.78)

# What mail calls a code page: only those whose label every reader knows. The text is sent in it if it fits.
_LABELS: Final = {
    874: "tis-620",
    932: "shift_jis",
    936: "gb2312",
    949: "ks_c_5601-1987",
    950: "big5",
    1250: "windows-1250",
    1251: "windows-1251",
    1252: "windows-1252",
    1253: "windows-1253",
    1254: "windows-1254",
    1255: "windows-1255",
    1256: "windows-1256",
    1257: "windows-1257",
    1258: "windows-1258",
    20866: "koi8-r",
    21866: "koi8-u",
    28591: "iso-8859-1",
    28592: "iso-8859-2",
    28593: "iso-8859-3",
    28594: "iso-8859-4",
    28595: "iso-8859-5",
    28596: "iso-8859-6",
    28597: "iso-8859-7",
    28598: "iso-8859-8",
    28599: "iso-8859-9",
    28603: "iso-8859-13",
    28605: "iso-8859-15",
    50220: "iso-2022-jp",
    50225: "iso-2022-kr",
    51932: "euc-jp",
    51949: "euc-kr",
    52936: "hz-gb-2312",
    54936: "gb18030",
}


@dataclass(slots=True)
class Bodies:
    """The forms of a message's text that go out: at least one. ``html_source`` is what pictures are looked for in."""

    plain: Entity | None
    html: Entity | None
    html_source: bytes = b""


def bodies_of(reader: PropertyReader, *, eight_bit: bool) -> Bodies:
    """The text of a message: HTML with a plain form, or plain text alone; an empty one where it has none.

    RTF goes out as what is encapsulated in it, else as HTML (2.1.3.3.3). A body that is too large to be converted goes
    as it is, without another form.
    """
    forms = stored_forms(reader.properties)
    tag = forms.get(native_body(reader.properties))
    if tag == tags.PidTagRtfCompressed:
        made = _of_rtf(reader, eight_bit=eight_bit)
        if made is not None:
            return made
        others = [other for other in forms.values() if other != tags.PidTagRtfCompressed]
        tag = others[-1] if others else None
    if tag in (tags.PidTagHtml, tags.PidTagBodyHtml):
        plain_only = reader.integer(tags.PidTagMessageEditorFormat) == _EDITOR_PLAIN and tags.PidTagBody in reader
        if not plain_only:
            return _of_html(reader, tag, eight_bit=eight_bit)
    return Bodies(_plain(reader, eight_bit=eight_bit), None)


def _of_rtf(reader: PropertyReader, *, eight_bit: bool) -> Bodies | None:
    """None where it is damaged or too large."""
    if reader.size(tags.PidTagRtfCompressed) > CONVERTED_MAXIMUM:
        return None
    value = reader.binary(tags.PidTagRtfCompressed)
    code_page = _code_page(reader)
    try:
        text = plain_text(value, tags.PidTagRtfCompressed, code_page)
        if origin(rtf_compression.decompress(value)) is Origin.TEXT:
            return Bodies(plain_entity(text, code_page, eight_bit=eight_bit), None)
        document = html_document(value, tags.PidTagRtfCompressed, code_page)
    except WireError:
        return None
    if tags.PidTagBody in reader and reader.size(tags.PidTagBody) <= CONVERTED_MAXIMUM:
        plain = _plain(reader, eight_bit=eight_bit)
    else:
        plain = plain_entity(text, code_page, eight_bit=eight_bit)
    data, label = encoded(document, code_page)
    return Bodies(plain, _html_entity(reader, data, label, eight_bit=eight_bit), data)


def _of_html(reader: PropertyReader, tag: int, *, eight_bit: bool) -> Bodies:
    code_page = _code_page(reader)
    if reader.size(tag) > CONVERTED_MAXIMUM:
        return _of_large_html(reader, tag)
    value = reader.whole(tag)
    label = _html_label(value, code_page) if isinstance(value, bytes) else None
    if label is None:
        data, label = encoded(html_document(value, tag, code_page), code_page)
    else:
        data = value
    if tags.PidTagBody in reader:
        plain = _plain(reader, eight_bit=eight_bit)
    else:
        plain = plain_entity(plain_text(value, tag, code_page), code_page, eight_bit=eight_bit)
    return Bodies(plain, _html_entity(reader, data, label, eight_bit=eight_bit), data)


def _of_large_html(reader: PropertyReader, tag: int) -> Bodies:
    fields = _html_fields(reader, _label(_code_page(reader)) if tag == tags.PidTagHtml else "utf-8")
    if tag == tags.PidTagBodyHtml:
        return Bodies(None, binary_entity(fields, lambda: utf8_chunks(reader.chunks(tag))))
    return Bodies(None, binary_entity(fields, lambda: reader.chunks(tag)))


def _html_entity(reader: PropertyReader, data: bytes, label: str, *, eight_bit: bool) -> Entity:
    return text_entity(_html_fields(reader, label), data, eight_bit=eight_bit)


def _html_fields(reader: PropertyReader, label: str) -> Fields:
    fields = Fields()
    fields.parameters("Content-Type", "text/html", {"charset": label})
    fields.text("Content-Location", reader.text(tags.PidTagBodyContentLocation))
    return fields


def _plain(reader: PropertyReader, *, eight_bit: bool) -> Entity:
    """PidTagBody, or an empty text."""
    if reader.size(tags.PidTagBody) > CONVERTED_MAXIMUM:
        fields = Fields()
        fields.parameters("Content-Type", "text/plain", {"charset": "utf-8"})
        return binary_entity(fields, lambda: utf8_chunks(reader.chunks(tags.PidTagBody)))
    value = reader.whole(tags.PidTagBody)
    return plain_entity(value if isinstance(value, str) else "", _code_page(reader), eight_bit=eight_bit)


def plain_entity(text: str, code_page: int, *, eight_bit: bool) -> Entity:
    """A text/plain part."""
    data, label = encoded(text.replace("\0", ""), code_page)
    fields = Fields()
    fields.parameters("Content-Type", "text/plain", {"charset": label})
    return text_entity(fields, data, eight_bit=eight_bit)


def _code_page(reader: PropertyReader) -> int:
    return reader.integer(tags.PidTagInternetCodepage)


def _label(code_page: int) -> str:
    return _LABELS.get(code_page, "utf-8")


def _html_label(data: bytes, code_page: int) -> str | None:
    """The label of PidTagHtml's bytes as they are; None where they are not in the message's code page."""
    if data.isascii() and code_page not in _SEVEN_BIT:
        return "us-ascii"
    label = _label(code_page)
    try:
        data.decode(label)
    except (UnicodeError, LookupError):
        return None
    return label


_SEVEN_BIT: Final = frozenset({50220, 50225, 52936})
"""Code pages whose letters are made of ASCII characters."""


def encoded(text: str, code_page: int) -> tuple[bytes, str]:
    """Text in US-ASCII, else the code page, else UTF-8 (2.1.3.3.4), and the label of what it is in.

    In a code page as its label is read by the letter: characters that only some readers expect under it need UTF-8.
    """
    if text.isascii():
        return text.encode("ascii"), "us-ascii"
    label = _LABELS.get(code_page)
    if label is not None:
        try:
            return text.encode(label), label
        except (UnicodeError, LookupError):
            pass
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode("utf-8"), "utf-8"
