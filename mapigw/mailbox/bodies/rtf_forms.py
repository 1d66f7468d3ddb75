"""HTML and plain text from RTF: what is encapsulated in it (MS-OXRTFEX 2.2.3), else what it shows."""

import html
import re
from enum import Enum
from typing import Final

from mapigw.mailbox.bodies.html_text import escaped, html_to_text, text_to_html
from mapigw.mailbox.bodies.rtf import CHARACTERS, SYMBOL_CHARSET, Destination, RtfReader, joined

_HEADER: Final = 1024
_FIRST_TOKENS: Final = 10
_HEADER_TOKEN: Final = re.compile(rb"\s*(?:\\([A-Za-z]+)(-?[0-9]*) ?|([{}])|(\\.|[^\\{}]))", re.DOTALL)

# 2.1.3.1.4.2: control words that stand for characters in encapsulated HTML.
_REFERENCES: Final = {
    b"lquote": "&lsquo;",
    b"rquote": "&rsquo;",
    b"ldblquote": "&ldquo;",
    b"rdblquote": "&rdquo;",
    b"bullet": "&bull;",
    b"endash": "&ndash;",
    b"emdash": "&mdash;",
    b"~": "&nbsp;",
    b"_": "&shy;",
}


class Origin(Enum):
    """What an RTF document was made of (2.2.3.1)."""

    RTF = 0
    TEXT = 1
    HTML = 2


def origin(data: bytes) -> Origin:
    """Whether HTML or plain text is encapsulated: told by one of the first ten tokens, before the font table."""
    position = 0
    for _ in range(_FIRST_TOKENS):
        match = _HEADER_TOKEN.match(data[:_HEADER], position)
        if match is None or match[1] == b"fonttbl" or match[4] is not None or match[3] == b"}":
            break
        if match[1] == b"fromtext":
            return Origin.TEXT
        if match[1] == b"fromhtml":
            return Origin.HTML if match[2] in (b"", b"1") else Origin.RTF
        position = match.end()
    return Origin.RTF


def rtf_to_html(data: bytes) -> str:
    """The HTML document that an RTF document holds or, as far as HTML can, shows."""
    source = origin(data)
    if source is Origin.HTML:
        return _read(_EncapsulatedHtml(data))
    if source is Origin.TEXT:
        return text_to_html(rtf_to_text(data))
    reader = _NativeHtml(data)
    reader.read()
    return reader.document()


def rtf_to_text(data: bytes) -> str:
    """The plain text that an RTF document holds or shows, lines ended by CR LF."""
    source = origin(data)
    if source is Origin.HTML:
        return html_to_text(_read(_EncapsulatedHtml(data)))
    return _read(_EncapsulatedText(data) if source is Origin.TEXT else _NativeText(data))


def _read(reader: "_Plain") -> str:
    reader.read()
    return joined(reader.out)


class _Plain(RtfReader):
    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.out: list[str] = []

    def line_break(self, word: bytes) -> None:
        self.text("\r\n")


class _EncapsulatedText(_Plain):
    """2.2.3.3"""

    def text(self, text: str) -> None:
        if not self.state.html_rtf and self.state.destination is Destination.BODY:
            self.out.append(text)


class _EncapsulatedHtml(_Plain):
    """2.2.3.2: the htmltag groups, and the text outside of them that is not marked as being for RTF only."""

    def text(self, text: str) -> None:
        if self.state.destination is Destination.HTML_TAG or not self.state.html_rtf:
            self.out.append(text)

    def character(self, word: bytes) -> None:
        self.text(_REFERENCES.get(word) or CHARACTERS[word])


class _NativeText(_Plain):
    def text(self, text: str) -> None:
        if not self.state.style.hidden and self.state.destination is Destination.BODY:
            self.out.append(text)


_Look = tuple[str, int, int, int, bool, bool, bool, bool, int, int]
"""Link, font, size, colour, bold, italic, underlined, struck, raised, background of a run of text."""


class _NativeHtml(RtfReader):
    """Paragraphs of runs; a run is the text that looks the same."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._paragraphs: list[str] = []
        self._runs: list[str] = []
        self._parts: list[str] = []
        self._look: _Look | None = None

    def text(self, text: str) -> None:
        style = self.state.style
        if style.hidden or self.state.destination is not Destination.BODY:
            return
        font = self.fonts.get(style.font)
        if font and font.charset == SYMBOL_CHARSET and font.name.lower() == "symbol":
            text = text.replace("\xb7", "\u2022")
        look = (
            self.state.link,
            style.font,
            style.size,
            style.color,
            style.bold,
            style.italic,
            style.underlined,
            style.struck,
            style.raised,
            style.background,
        )
        if look != self._look:
            self._end_run()
            self._look = look
        self._parts.append(text)

    def line_break(self, word: bytes) -> None:
        self._end_run()
        if word == b"line":
            self._runs.append("<br>")
            return
        content = "".join(self._runs) or "&nbsp;"
        self._runs.clear()
        align = f' align="{self.alignment}"' if self.alignment else ""
        self._paragraphs.append(f"<p{align}>{content}</p>\r\n")

    def _end_run(self) -> None:
        text, self._parts = joined(self._parts), []
        look, self._look = self._look, None
        if look is None or not text:
            return
        link, font, size, color, bold, italic, underlined, struck, raised, background = look
        shown = escaped(text).replace("\t", "&nbsp;&nbsp;&nbsp;&nbsp; ")
        for element, used in (
            ("b", bold),
            ("i", italic),
            ("u", underlined),
            ("s", struck),
            ("sup", raised > 0),
            ("sub", raised < 0),
        ):
            if used:
                shown = f"<{element}>{shown}</{element}>"
        styles = [
            f"font-family:{_font_family(self.fonts[font].name)}" if font in self.fonts else "",
            f"font-size:{size / 2:g}pt" if size > 0 else "",
            f"color:{self._color_of(color)}" if self._color_of(color) else "",
            f"background:{self._color_of(background)}" if self._color_of(background) else "",
        ]
        style = ";".join(filter(None, styles))
        if style:
            shown = f'<span style="{style}">{shown}</span>'
        if link:
            shown = f'<a href="{html.escape(link)}">{shown}</a>'
        self._runs.append(shown)

    def _color_of(self, index: int) -> str:
        return self.colors[index] if 0 <= index < len(self.colors) else ""

    def document(self) -> str:
        """What was read."""
        self._end_run()
        if self._runs:
            self.line_break(b"par")
        head = "<html>\r\n<head>\r\n<style>p { margin: 0 }</style>\r\n</head>\r\n<body>\r\n"
        return f"{head}{''.join(self._paragraphs)}</body>\r\n</html>\r\n"


def _font_family(name: str) -> str:
    name = re.sub(r"[^\w .-]", "", name)
    return f"'{name}'" if name else "inherit"
