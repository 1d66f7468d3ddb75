"""Which forms of its text a message has, which is the best, and one form made of another (MS-OXBBODY 2.1.3.1)."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final

from mapigw.mailbox.bodies.html_text import decode_html, encode_html, html_to_text, text_to_html
from mapigw.mailbox.bodies.rtf_forms import rtf_to_html, rtf_to_text
from mapigw.mailbox.bodies.rtf_writer import html_to_rtf, text_to_rtf
from mapigw.wire import rtf_compression, tags


class BodyForm(IntEnum):
    """The values of PidTagNativeBody (MS-OXCMSG 2.2.1.58.2) that a server computes."""

    UNDEFINED = 0
    PLAIN = 1
    RTF = 2
    HTML = 3


FORM_IDS: Final = {
    tags.PidTagBody >> 16: BodyForm.PLAIN,
    tags.PidTagRtfCompressed >> 16: BodyForm.RTF,
    tags.PidTagHtml >> 16: BodyForm.HTML,
}
FORM_TAGS: Final = {
    BodyForm.PLAIN: tags.PidTagBody,
    BodyForm.RTF: tags.PidTagRtfCompressed,
    BodyForm.HTML: tags.PidTagHtml,
}
"""The property that holds a form."""


def stored_forms(properties: Mapping[Any, Any]) -> dict[BodyForm, int]:
    """The tags of the forms that are among the properties."""
    forms = {form: tag for form, tag in FORM_TAGS.items() if tag in properties}
    if tags.PidTagBodyHtml in properties:
        forms.setdefault(BodyForm.HTML, tags.PidTagBodyHtml)
    return forms


def best_body(properties: Mapping[Any, Any]) -> BodyForm:
    """The form that the algorithm finds (steps 2 and 3); the plain one where only it is there."""
    forms = stored_forms(properties)
    others = forms.keys() - {BodyForm.RTF}
    if BodyForm.RTF in forms and (not others or properties.get(tags.PidTagRtfInSync) is True):
        return BodyForm.RTF
    return max(others, default=BodyForm.UNDEFINED)


def native_body(properties: Mapping[Any, Any]) -> BodyForm:
    """PidTagNativeBody: as whoever wrote the message says, if it has that form, else the best one."""
    said = properties.get(tags.PidTagNativeBody)
    forms = stored_forms(properties)
    return BodyForm(said) if said in forms else best_body(properties)


def rtf_in_sync(properties: Mapping[Any, Any]) -> bool:
    """PidTagRtfInSync: never without RTF (Outlook would show an empty body), always where the text is made of it."""
    forms = stored_forms(properties)
    if BodyForm.RTF not in forms:
        return False
    return len(forms) == 1 or properties.get(tags.PidTagRtfInSync) is True


def body_information(properties: Mapping[Any, Any]) -> dict[int, Any]:
    """PidTagNativeBody and PidTagRtfInSync of a message that is saved; the former only if it has a body."""
    information: dict[int, Any] = {tags.PidTagRtfInSync: rtf_in_sync(properties)}
    native = native_body(properties)
    if native:
        information[tags.PidTagNativeBody] = int(native)
    return information


def plain_text(value: str | bytes, tag: int, code_page: int | None) -> str:
    """The text that a body shows: ``value`` of the property ``tag`` as plain text, lines ended by CR LF.

    ``code_page`` is PidTagInternetCodepage. Raises `WireError` when it is damaged compressed RTF.
    """
    if isinstance(value, bytes):
        if tag == tags.PidTagRtfCompressed:
            return rtf_to_text(rtf_compression.decompress(value))
        return html_to_text(decode_html(value, code_page))
    return html_to_text(value) if tag == tags.PidTagBodyHtml else value


def html_document(value: str | bytes, tag: int, code_page: int | None) -> str:
    """The same as an HTML document."""
    if isinstance(value, bytes):
        if tag == tags.PidTagRtfCompressed:
            return rtf_to_html(rtf_compression.decompress(value))
        return decode_html(value, code_page)
    return value if tag == tags.PidTagBodyHtml else text_to_html(value)


def compressed_rtf(value: str | bytes, tag: int, code_page: int | None) -> bytes:
    """The same as the value of PidTagRtfCompressed."""
    if tag == tags.PidTagBody and isinstance(value, str):
        return rtf_compression.compress(text_to_rtf(value))
    return rtf_compression.compress(html_to_rtf(html_document(value, tag, code_page)))


def converted(value: str | bytes, tag: int, wanted: int, code_page: int | None) -> str | bytes:
    """The body ``value`` of the property ``tag`` as the property ``wanted``, any two of the four.

    PidTagHtml is in ``code_page``, the message's PidTagInternetCodepage. Raises `WireError` when the value is
    damaged compressed RTF.
    """
    if tag == wanted:
        return value
    if wanted == tags.PidTagBody:
        return plain_text(value, tag, code_page)
    if wanted == tags.PidTagRtfCompressed:
        return compressed_rtf(value, tag, code_page)
    document = html_document(value, tag, code_page)
    return document if wanted == tags.PidTagBodyHtml else encode_html(document, code_page)
