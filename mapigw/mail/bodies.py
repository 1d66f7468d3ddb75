"""Which body parts are the message text, and the body properties (MS-OXCMAIL 2.2.3.3, MS-OXCMSG 2.2.1.58)."""

import re
from dataclasses import dataclass, field
from typing import Final

from mapigw.mail.charsets import Charset, decode, html_charset_label
from mapigw.mail.parts import Part
from mapigw.wire import tags
from mapigw.wire.message import Properties

NATIVE_BODY_PLAIN: Final = 1
NATIVE_BODY_HTML: Final = 3
_UTF8: Final = 65001

_TEXT_TYPES: Final = frozenset({"text/plain", "text/html", "text/enriched", "text/richtext"})


@dataclass(slots=True)
class Selection:
    """What a message's parts are for. ``related`` holds the attachments that stand in a multipart/related."""

    plain: Part | None = None
    html: Part | None = None
    attachments: list[Part] = field(default_factory=list)
    related: set[int] = field(default_factory=set)


def select_bodies(root: Part) -> Selection:
    """The first part that qualifies is the body (2.2.3.3.2), everything else is attached.

    Of a multipart/alternative with several forms of the text the plain and the HTML one are taken; forms that are
    neither (enriched text, AMP) are left to the original MIME, calendars and files are attached.
    """
    selection = Selection()
    _walk(root, selection, related=False)
    return selection


def _walk(part: Part, selection: Selection, *, related: bool) -> None:
    if part.type.startswith("multipart/") and part.parts:
        if part.type == "multipart/alternative" and selection.plain is None and selection.html is None:
            _walk_alternative(part, selection, related=related)
            return
        for child in part.parts:
            _walk(child, selection, related=related or part.type == "multipart/related")
    elif _is_text(part) and not part.is_attachment and selection.plain is None and selection.html is None:
        if part.type == "text/html":
            selection.html = part
        else:
            selection.plain = part
    else:
        _attach(part, selection, related=related)


def _walk_alternative(part: Part, selection: Selection, *, related: bool) -> None:
    for child in part.parts:
        if child.type.startswith("multipart/") and child.parts:
            inner = Selection()
            _walk(child, inner, related=related)
            if inner.html is not None and selection.html is None:
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
        elif child.type == "text/html" and selection.html is None:
            selection.html = child
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
    page is turned into UTF-8. A message without any text has an empty plain body.
    """
    properties: Properties = {tags.PidTagRtfInSync: False}
    charset: Charset | None = None
    html = b""
    if selection.html is not None:
        html, charset = _html(selection.html)
    if html.strip():
        properties[tags.PidTagNativeBody] = NATIVE_BODY_HTML
        properties[tags.PidTagHtml] = html
        _copy_location(selection.html, properties)
    else:
        properties[tags.PidTagNativeBody] = NATIVE_BODY_PLAIN
    if selection.plain is not None:
        text, plain_charset = _plain(selection.plain)
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


def _html(part: Part) -> tuple[bytes, Charset]:
    data = part.content()
    label = part.parameters.get("charset", "") or html_charset_label(data)
    text, charset = decode(data, label)
    if charset.code_page == 0 or (charset.code_page == _UTF8 and data.startswith(b"\xef\xbb\xbf")):
        data = text.removeprefix("\ufeff").encode("utf-8", "replace")
    return data, charset


def _plain(part: Part) -> tuple[str, Charset]:
    text, charset = decode(part.content(), part.parameters.get("charset", ""))
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    if part.parameters.get("format", "").lower() == "flowed":
        text = unflow(text, delete_space=part.parameters.get("delsp", "").lower() == "yes")
    return text.replace("\n", "\r\n"), charset


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
