"""Which body parts are the message text, and the body properties (MS-OXCMAIL 2.2.3.3, MS-OXCMSG 2.2.1.58)."""

import re
from dataclasses import dataclass, field
from typing import Final

from mapigw.mail.charsets import Charset, decode, html_charset_label
from mapigw.mail.decoding import is_identity
from mapigw.mail.enriched import enriched_to_html
from mapigw.mail.leftovers import Leftover, find_leftovers, text_without
from mapigw.mail.octets import Octets
from mapigw.mail.parts import Part
from mapigw.wire import tags
from mapigw.wire.message import Properties

NATIVE_BODY_PLAIN: Final = 1
NATIVE_BODY_HTML: Final = 3
_UTF8: Final = 65001

MAX_BODY: Final = 4 << 20
"""Bytes of text that become a body; a longer text is attached as well, whole."""

_ENRICHED: Final = frozenset({"text/enriched", "text/richtext"})
_TEXT_TYPES: Final = _ENRICHED | {"text/plain", "text/html"}


@dataclass(slots=True)
class Selection:
    """What a message's parts are for. ``related`` holds the attachments that stand in a multipart/related.

    ``html`` may be enriched text, which becomes HTML. ``leftovers`` are files found in the plain text itself.
    """

    plain: Part | None = None
    html: Part | None = None
    attachments: list[Part] = field(default_factory=list)
    related: set[int] = field(default_factory=set)
    leftovers: list[Leftover] = field(default_factory=list)


def select_bodies(root: Part) -> Selection:
    """The first part that qualifies is the body (2.2.3.3.2), everything else is attached.

    Of a multipart/alternative with several forms of the text the plain and the HTML one are taken, enriched text in
    the place of HTML; forms that are neither (AMP, a second one) are left to the original MIME, calendars and files
    are attached.
    """
    selection = Selection()
    _walk(root, selection, related=False)
    return selection


def _walk(part: Part, selection: Selection, *, related: bool) -> None:
    if part.type.startswith("multipart/") and part.parts and part.type != "multipart/appledouble":
        if part.type == "multipart/alternative" and selection.plain is None and selection.html is None:
            _walk_alternative(part, selection, related=related)
            return
        for child in _in_order(part):
            _walk(child, selection, related=related or part.type == "multipart/related")
    elif _is_text(part) and not part.is_attachment and selection.plain is None and selection.html is None:
        if part.type == "text/html" or part.type in _ENRICHED:
            selection.html = part
        else:
            selection.plain = part
    else:
        _attach(part, selection, related=related)


def _in_order(part: Part) -> list[Part]:
    """The children; of a multipart/related first the root that its start parameter names (RFC 2387 3.2)."""
    start = part.parameters.get("start", "") if part.type == "multipart/related" else ""
    if not start:
        return part.parts
    return sorted(part.parts, key=lambda child: child.headers.first("content-id").strip() != start.strip())


def _walk_alternative(part: Part, selection: Selection, *, related: bool) -> None:
    for child in part.parts:
        if child.type.startswith("multipart/") and child.parts and child.type != "multipart/appledouble":
            inner = Selection()
            _walk(child, inner, related=related)
            if inner.html is not None and (selection.html is None or selection.html.type in _ENRICHED):
                selection.html = inner.html
                selection.plain = selection.plain or inner.plain
            elif inner.plain is not None and selection.plain is None:
                selection.plain = inner.plain
            else:
                inner.attachments[:0] = [text for text in (inner.plain, inner.html) if text is not None]
            selection.attachments += inner.attachments
            selection.related |= inner.related
        elif child.is_attachment or not _is_text(child):
            _attach(child, selection, related=related)
        elif child.type == "text/html" and (selection.html is None or selection.html.type in _ENRICHED):
            selection.html = child
        elif child.type in _ENRICHED:
            selection.html = selection.html or child
        elif child.type != "text/html" and selection.plain is None:
            selection.plain = child
        elif child.type in ("text/plain", "text/html"):
            _attach(child, selection, related=related)


def _is_text(part: Part) -> bool:
    """Text that can be a body; a multipart that cannot be split is read as text too."""
    return part.type in _TEXT_TYPES or (part.type.startswith("multipart/") and not part.parts)


def _attach(part: Part, selection: Selection, *, related: bool) -> None:
    if related:
        selection.related.add(id(part))
    selection.attachments.append(part)


def body_properties(selection: Selection) -> Properties:
    """PidTagBody, PidTagHtml and the properties that go with them.

    HTML stays in the bytes of its character set, which PidTagInternetCodepage names; a set that has no Windows code
    page is turned into UTF-8. A message without any text has an empty plain body. Files in the plain text go to the
    selection's ``leftovers``, texts longer than `MAX_BODY` to its attachments.
    """
    properties: Properties = {tags.PidTagRtfInSync: False}
    charset: Charset | None = None
    html = b""
    if selection.html is not None:
        html, charset = _html(selection.html, selection)
    if html.strip():
        properties[tags.PidTagNativeBody] = NATIVE_BODY_HTML
        properties[tags.PidTagHtml] = html
        _copy_location(selection.html, properties)
    else:
        properties[tags.PidTagNativeBody] = NATIVE_BODY_PLAIN
    if selection.plain is not None:
        text, plain_charset = _plain(selection.plain, selection)
        charset = charset or plain_charset
        if text or not html:
            properties[tags.PidTagBody] = text
    elif not html.strip():
        properties[tags.PidTagBody] = ""
    properties[tags.PidTagInternetCodepage] = (charset and charset.code_page) or _UTF8
    properties[tags.PidTagMessageCodepage] = charset.windows_code_page if charset else _UTF8
    return properties


def _copy_location(part: Part | None, properties: Properties) -> None:
    if part is not None and "content-location" in part.headers:
        properties[tags.PidTagBodyContentLocation] = part.headers.text("content-location")


def _html(part: Part, selection: Selection) -> tuple[bytes, Charset]:
    data = part.content(MAX_BODY)
    if len(data) == MAX_BODY:
        selection.attachments.append(part)
    label = part.parameters.get("charset", "")
    if part.type in _ENRICHED:
        text, charset = decode(data, label)
        html = enriched_to_html(_line_feeds(text), is_richtext=part.type == "text/richtext")
        return html.encode(charset.codec if charset.code_page else "utf-8", "xmlcharrefreplace"), charset
    text, charset = decode(data, label or html_charset_label(data))
    if charset.code_page == 0 or (charset.code_page == _UTF8 and data.startswith(b"\xef\xbb\xbf")):
        data = text.removeprefix("\ufeff").encode("utf-8", "replace")
    return data, charset


def _plain(part: Part, selection: Selection) -> tuple[str, Charset]:
    data: Octets = part.data
    start, end = part.body_start, part.end
    if not is_identity(part.encoding):
        data = part.content(MAX_BODY)
        start, end = 0, len(data)
    selection.leftovers = find_leftovers(data, start, end)
    content = text_without(data, start, end, selection.leftovers, MAX_BODY)
    if len(content) == MAX_BODY:
        selection.attachments.append(part)
    text, charset = decode(content, part.parameters.get("charset", ""))
    text = _line_feeds(text)
    if part.parameters.get("format", "").lower() == "flowed":
        text = unflow(text, delete_space=part.parameters.get("delsp", "").lower() == "yes")
    return text.replace("\n", "\r\n"), charset


def _line_feeds(text: str) -> str:
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")


_QUOTES: Final = re.compile(r">*")


def unflow(text: str, *, delete_space: bool = False) -> str:
    """Join the soft line breaks of format=flowed text (RFC 3676); quote marks are kept, a blank follows them."""
    out: list[str] = []
    parts: list[str] = []  # the lines of the paragraph that is being joined
    depth = -1  # its quote depth; -1: none is open
    for line in text.split("\n"):
        marks = _QUOTES.match(line)
        quotes = marks.end() if marks else 0
        content = line[quotes:]
        content = content.removeprefix(" ")  # space-stuffing
        if depth >= 0 and (quotes != depth or content == "-- "):
            out.append(_quoted(depth, "".join(parts)))
            parts.clear()
            depth = -1
        flowed = content.endswith(" ") and content != "-- "
        parts.append(content[:-1] if flowed and delete_space else content)
        if flowed:
            depth = quotes
        else:
            out.append(_quoted(quotes, "".join(parts)))
            parts.clear()
            depth = -1
    if parts:
        out.append(_quoted(depth, "".join(parts)))
    return "\n".join(out)


def _quoted(depth: int, text: str) -> str:
    return f"{'>' * depth} {text}" if depth else text
