"""RTF that encapsulates HTML or plain text, so that it can be had back from it (MS-OXRTFEX 2.2.1, 2.2.2).

What RTF shows of the HTML stands between htmlrtf control words, which the way back leaves out; markup stands in htmltag
groups, which RTF does not show; text that both show is written once. All of it is ASCII.
"""

import html
import re
from typing import Final

from mapigw.mailbox.bodies.html_text import BLOCKS, HIDDEN, RAW_TEXT, Kind, Token, attributes, tokens

_FONTS: Final = (
    rb"{\fonttbl" + b"\r\n" + rb"{\f0\fswiss Arial;}" + b"\r\n" + rb"{\f1\fmodern Courier New;}"
    rb"{\f2\fnil\fcharset2 Symbol;}}" + b"\r\n"
    rb"{\colortbl\red0\green0\blue0;\red0\green0\blue255;}" + b"\r\n"
)
_HTML_HEADER: Final = rb"{\rtf1\ansi\ansicpg1252\fromhtml1 \deff0" + _FONTS + rb"{\*\htmltag64}" + b"\r\n"
_TEXT_HEADER: Final = rb"{\rtf1\ansi\ansicpg1252\fromtext \deff0" + _FONTS
_START: Final = rb"\uc1\pard\plain\deftab360 \f0\fs"
_HTML_SIZE: Final = b"24 "
_TEXT_SIZE: Final = b"20 "

# HTMLTagParameter: where the tag stands (bits 0 to 1: in the body 0, in the head 1, in the html element 2, outside 3),
# whether in a paragraph (4), whether it closes (8), and its kind (bits 4 to 7); readers need none of it.
_IN_PARAGRAPH: Final = 0x04
_CLOSES: Final = 0x08
_OTHER_TAG: Final = 0x90
_TAG_KINDS: Final = {"html": 0x13, "head": 0x22, "body": 0x32, "p": 0x40, "a": 0x50, "br": 0x70, "pre": 0x80}

_INLINE: Final = {
    **dict.fromkeys(("b", "strong"), rb"\b"),
    **dict.fromkeys(("i", "em", "cite", "var", "dfn"), rb"\i"),
    **dict.fromkeys(("u", "ins"), rb"\ul"),
    **dict.fromkeys(("s", "strike", "del"), rb"\strike"),
    **dict.fromkeys(("tt", "code", "kbd", "samp"), rb"\f1"),
    **{f"h{level}": rb"\b\fs%d" % size for level, size in zip(range(1, 7), (48, 36, 28, 24, 20, 16), strict=True)},
    "sup": rb"\super",
    "sub": rb"\sub",
    "a": b"",
}
"""Elements that are a group in RTF, and the control words that it begins with."""
_DEEPEST: Final = 64
_LINK_MAXIMUM: Final = 2048

_SPECIAL: Final = re.compile(r"[^ -\[\]-z|~]")
_SHARED: Final = re.compile(r"(&(?:#?[A-Za-z0-9]{1,32});?)|(\n[ \t\n]*)")


def text_to_rtf(text: str) -> bytes:
    """RTF with the control word fromtext."""
    body = _escaped(text.replace("\r\n", "\n").replace("\r", "\n"))
    return b"".join((_TEXT_HEADER, _START, _TEXT_SIZE, body, b"}\r\n"))


def html_to_rtf(document: str) -> bytes:
    """RTF with the control word fromhtml; line ends of the document become CR LF on the way back."""
    writer = _Encapsulator()
    for token in tokens(document.replace("\r\n", "\n").replace("\r", "\n")):
        writer.add(token)
    return writer.finish()


def _escaped(text: str) -> bytes:
    return _SPECIAL.sub(_escape, text).encode("ascii")


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    if character in "\\{}":
        return "\\" + character
    if character == "\n":
        return "\\par\r\n"
    if character == "\t":
        return "\\tab "
    number = ord(character)
    if number == 0:
        return ""
    if number < 0x80:
        return f"\\'{number:02x}"
    if number > 0xFFFF:
        number -= 0x10000
        return _unicode(0xD800 | number >> 10) + _unicode(0xDC00 | number & 0x3FF)
    return _unicode(number)


def _unicode(number: int) -> str:
    return f"\\u{number - 0x10000 if number > 0x7FFF else number} ?"


class _Encapsulator:
    def __init__(self) -> None:
        self._out = [_HTML_HEADER, _START, _HTML_SIZE]
        self._open: list[str] = []  # elements whose groups are open
        self._hidden = ""
        self._at_start = True  # of a line, as RTF shows it

    def add(self, token: Token) -> None:
        if token.kind is Kind.TEXT:
            self._text(token.source)
            return
        self._tag(token)
        if token.kind is Kind.START:
            self._begin(token)
        elif token.kind is Kind.END:
            self._end(token.name)

    def _tag(self, token: Token) -> None:
        kind = _TAG_KINDS.get(token.name, _OTHER_TAG | _IN_PARAGRAPH)
        if token.kind is Kind.END:
            kind |= _CLOSES
        self._fragment(kind, token.source)

    def _fragment(self, kind: int, source: str) -> None:
        self._out.append(b"{\\*\\htmltag%d %s}" % (kind, _escaped(source)))

    def _rtf(self, words: bytes) -> None:
        """What only RTF shows."""
        self._out.append(b"\\htmlrtf %s\\htmlrtf0 " % words)

    def _text(self, text: str) -> None:
        if self._hidden:
            self._fragment(0x01, text)
            return
        position = 0
        for match in _SHARED.finditer(text):
            self._shared(text[position : match.start()])
            self._fragment(_IN_PARAGRAPH, match[0])
            if match[1] is None:
                if not self._at_start:
                    self._rtf(b" ")
            else:
                self._rtf(_escaped(html.unescape(match[1])))
                self._at_start = False
            position = match.end()
        self._shared(text[position:])

    def _shared(self, text: str) -> None:
        if text:
            self._out.append(_escaped(text))
            self._at_start = False

    def _begin(self, token: Token) -> None:
        name = token.name
        if self._hidden:
            if name == "body":
                self._hidden = ""
            return
        if name in HIDDEN or name in RAW_TEXT:
            if not token.source.endswith("/>"):
                self._hidden = name
        elif name == "br":
            self._rtf(rb"\line ")
            self._at_start = True
        elif name in ("td", "th"):
            if not self._at_start:
                self._rtf(rb"\tab ")
        else:
            if name in BLOCKS:
                self._end_line()
            if name == "li":
                self._rtf(rb"\bullet\tab ")
                self._at_start = False
            if name in _INLINE and len(self._open) < _DEEPEST:
                self._open.append(name)
                self._out.append(b"\\htmlrtf {%s\\htmlrtf0 " % self._group(token))

    def _group(self, token: Token) -> bytes:
        """The beginning of a group; a link's holds a field, closed with it by two braces more."""
        if token.name != "a":
            return _INLINE[token.name]
        address = attributes(token.source).get("href", "")[:_LINK_MAXIMUM].replace('"', "%22")
        if not address:
            return b"{{"
        return b'\\field{\\*\\fldinst{HYPERLINK "%s"}}{\\fldrslt{\\cf1\\ul ' % _escaped(address)

    def _end(self, name: str) -> None:
        if self._hidden:
            if name == self._hidden:
                self._hidden = ""
            return
        if name in self._open:
            while self._open and self._close() != name:
                pass
        if name in BLOCKS:
            self._end_line()

    def _close(self) -> str:
        name = self._open.pop()
        self._rtf(b"}}}" if name == "a" else b"}")
        return name

    def _end_line(self) -> None:
        if not self._at_start:
            self._rtf(rb"\par ")
            self._at_start = True

    def finish(self) -> bytes:
        while self._open:
            self._close()
        self._out.append(b"}\r\n")
        return b"".join(self._out)
