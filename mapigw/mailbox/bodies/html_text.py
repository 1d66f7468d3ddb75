"""HTML as tokens, as plain text and made of plain text.

The tokens are slices of the source, so that what is made of them can keep it letter for letter. Any string is read,
in time that is linear in its length; nothing is nested in memory.
"""

import html
import re
from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple

from mapigw.wire.code_pages import codec_name

HIDDEN: Final = frozenset({"head", "script", "style", "template", "title"})
"""Elements whose contents are not shown."""
RAW_TEXT: Final = frozenset({"script", "style", "title", "textarea", "xmp"})
"""Elements in which nothing but their own end tag is markup."""
_SPACED: Final = frozenset(
    {"blockquote", "dl", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul"},
)
"""Blocks with an empty line before and after."""
BLOCKS: Final = _SPACED | {
    *(
        "address",
        "article",
        "aside",
        "body",
        "center",
        "dd",
        "dir",
        "div",
        "dt",
        "fieldset",
        "footer",
        "form",
        "header",
    ),
    *("hr", "html", "li", "main", "menu", "nav", "section", "tbody", "tfoot", "thead", "tr"),
}
"""Elements that begin and end a line."""

_NAME: Final = re.compile(r"</?([A-Za-z][^\s/>]{0,63})")
_QUOTE_OR_END: Final = re.compile(r"[\"'>]")
_ATTRIBUTE: Final = re.compile(r"""([A-Za-z][\w:-]{0,63})\s{0,16}=\s{0,16}(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_RUNS: Final = re.compile(r"[ \t\r\n\f]+")
_LONG_SPACE: Final = re.compile(r" (?= )")
_LINK: Final = re.compile(r"\bhttps?://[^\s<>\"]{1,2000}[^\s<>\".,;:!?)\]}']")


class Kind(Enum):
    TEXT = 0
    START = 1
    END = 2
    OTHER = 3
    """Comments, declarations, processing instructions."""


class Token(NamedTuple):
    """``source`` is the slice of the document; ``name`` the element's, in lower case."""

    kind: Kind
    source: str
    name: str = ""


def tokens(document: str) -> Iterator[Token]:
    """The document from beginning to end; the sources joined are the document."""
    position, size = 0, len(document)
    last = {mark: document.rfind(mark) for mark in ("-->", ">", '"', "'")}
    lower = document.lower()
    if len(lower) != size:  # a few letters become two
        lower = "".join(letter if len(letter.lower()) != 1 else letter.lower() for letter in document)
    while position < size:
        start = document.find("<", position)
        while start >= 0 and not _begins_markup(document, start, last[">"]):
            start = document.find("<", start + 1)
        if start < 0:
            start = size
        if start > position:
            yield Token(Kind.TEXT, document[position:start])
        if start == size:
            return
        position = _markup_end(document, start, last)
        source = document[start:position]
        name = _NAME.match(source)
        if name is None:
            yield Token(Kind.OTHER, source)
            continue
        element = name[1].lower()
        yield Token(Kind.END if source[1] == "/" else Kind.START, source, element)
        if source[1] != "/" and element in RAW_TEXT:
            end = lower.find(f"</{element}", position)
            end = size if end < 0 else end
            if end > position:
                yield Token(Kind.TEXT, document[position:end])
            position = end


def _begins_markup(document: str, start: int, last_end: int) -> bool:
    following = document[start + 1 : start + 3]
    return start < last_end and (
        following[:1] in ("!", "?")
        or (following[:1].isascii() and following[:1].isalpha())
        or (following[:1] == "/" and following[1:].isascii() and following[1:].isalpha())
    )


def _markup_end(document: str, start: int, last: dict[str, int]) -> int:
    """Where the markup that begins at ``start`` ends; a quote or comment that is never closed ends at the next ">"."""
    if document.startswith("<!--", start) and last["-->"] >= start + 2:
        return document.index("-->", start + 2) + 3
    first_end = document.index(">", start) + 1
    if document[start + 1] in "!?":
        return first_end
    position = start
    while match := _QUOTE_OR_END.search(document, position):
        mark = match[0]
        if mark == ">":
            return match.end()
        if last[mark] <= match.start():
            break
        position = document.index(mark, match.end()) + 1
    return first_end


def attributes(tag: str) -> dict[str, str]:
    """The attributes of a start tag that have values, names in lower case, character references resolved."""
    return {
        match[1].lower(): html.unescape(match[2] or match[3] or match[4] or "")
        for match in reversed(list(_ATTRIBUTE.finditer(tag)))
    }


def html_to_text(document: str) -> str:
    """What is shown of an HTML document, lines ended by CR LF; the address of a link stands behind its text."""
    writer = _TextWriter()
    for token in tokens(document):
        if token.kind is Kind.TEXT:
            writer.text(html.unescape(token.source))
        elif token.kind is Kind.START:
            writer.start(token)
        elif token.kind is Kind.END:
            writer.end(token.name)
    return writer.finish()


class _TextWriter:
    def __init__(self) -> None:
        self._out: list[str] = []
        self._newlines = 2  # line ends written since the last text; the beginning counts as an empty line
        self._wanted = 0  # line ends to write before the next text
        self._space = False
        self._hidden = ""
        self._preformatted = 0
        self._link = ""
        self._link_start = 0

    def text(self, text: str) -> None:
        if self._hidden:
            return
        if self._preformatted:
            for number, line in enumerate(text.replace("\r\n", "\n").split("\n")):
                if number:
                    self._wanted += 1
                if line:
                    self._write(line)
            return
        words = _RUNS.sub(" ", text)
        if words == " " or not words:
            self._space = self._space or bool(words)
            return
        if words[0] == " ":
            self._space = True
        trailing = words[-1] == " "
        self._write(words.strip(" "))
        self._space = trailing

    def _write(self, text: str) -> None:
        missing = self._wanted - self._newlines
        if missing > 0:
            self._out.append("\r\n" * missing)
            self._newlines = self._wanted
        if self._space and not self._newlines:
            self._out.append(" ")
        self._out.append(text.replace("\xa0", " "))
        self._space = False
        self._newlines = self._wanted = 0

    def _lines(self, count: int) -> None:
        """``count`` line ends at least before the next text."""
        self._wanted = max(self._wanted, count)
        self._space = False

    def start(self, token: Token) -> None:
        name = token.name
        if self._hidden or (name in HIDDEN and not token.source.endswith("/>")):
            self._hidden = "" if name == "body" else self._hidden or name
            return
        if name == "br":
            self._wanted = max(self._wanted, self._newlines) + 1
            self._space = False
        elif name in BLOCKS:
            self._lines(2 if name in _SPACED else 1)
            self._begin_block(name)
        elif name in ("td", "th"):
            if not self._newlines and not self._wanted:
                self._write("\t")
        elif name == "a":
            self._end_link()
            self._link = attributes(token.source).get("href", "").strip()
            self._link_start = len(self._out)
        elif name == "img":
            alternative = _RUNS.sub(" ", attributes(token.source).get("alt", "")).strip()
            if alternative:
                self._write(f"[{alternative}]")

    def _begin_block(self, name: str) -> None:
        if name == "li":
            self._write("  * ")
            self._newlines = 2  # so that a paragraph in it begins on the same line
        elif name == "hr":
            self._write("_" * 32)
            self._lines(1)
        elif name == "pre":
            self._preformatted += 1

    def end(self, name: str) -> None:
        if self._hidden:
            if name == self._hidden:
                self._hidden = ""
        elif name == "a":
            self._end_link()
        elif name in BLOCKS:
            if name == "pre":
                self._preformatted = max(0, self._preformatted - 1)
            self._lines(2 if name in _SPACED else 1)

    def _end_link(self) -> None:
        link, self._link = self._link, ""
        if not link or link[0] == "#" or len(self._out) == self._link_start:
            return
        shown = "".join(self._out[self._link_start :]).strip()
        if shown and shown not in link:
            space = self._space
            self._space = True
            self._write(f"<{link}>")
            self._space = space

    def finish(self) -> str:
        self._end_link()
        text = "".join(self._out)
        return text + "\r\n" if text else ""


def text_to_html(text: str) -> str:
    """An HTML document that shows a plain text as it is, with its web addresses as links."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
    shown = "<br>\r\n".join(map(_html_line, lines))
    return f'<html>\r\n<head></head>\r\n<body>\r\n<div style="font-size:10pt">{shown}</div>\r\n</body>\r\n</html>\r\n'


def _html_line(line: str) -> str:
    position = len(line) - len(line.lstrip(" "))
    parts = ["&nbsp;" * position]
    for match in _LINK.finditer(line):
        address = html.escape(match[0])
        parts += (escaped(line[position : match.start()]), f'<a href="{address}">{address}</a>')
        position = match.end()
    return "".join((*parts, escaped(line[position:])))


def escaped(text: str) -> str:
    """Text as HTML that keeps the spaces in it; characters that no document can have become U+FFFD."""
    return _LONG_SPACE.sub("&nbsp;", html.escape(text, quote=False).replace("\0", "\ufffd"))


def decode_html(data: bytes, code_page: int | None) -> str:
    """Text of PidTagHtml, whose code page PidTagInternetCodepage names; without one it is UTF-8, else windows-1252."""
    codec = codec_name(code_page) if code_page else None
    for name in (codec, "utf-8") if codec else ("utf-8",):
        try:
            return data.decode(name).removeprefix("\ufeff")
        except UnicodeDecodeError:
            continue
    return data.decode(codec or "cp1252", "replace")


def encode_html(document: str, code_page: int | None) -> bytes:
    """PidTagHtml in a code page; what it lacks becomes a character reference: without a code page all but ASCII."""
    codec = codec_name(code_page) if code_page else None
    return (
        document.encode("utf-16-le", "surrogatepass")
        .decode("utf-16-le", "replace")
        .encode(codec or "ascii", "xmlcharrefreplace")
    )
