"""Reading RTF: control words, groups, code pages and character formatting (the RTF 1.9.1 specification, [MSFT-RTF]).

`RtfReader` walks a document and calls its subclass for every piece of text with the state that it stands in. Any bytes
are read, in time that is linear in their length; groups nested too deep are skipped.
"""

import re
from enum import Enum
from typing import Final

from mapigw.wire.code_pages import decode

DEEPEST: Final = 500
"""Groups within groups that are looked into."""
_NAME_MAXIMUM: Final = 64
_INSTRUCTION_MAXIMUM: Final = 4096
_TABLE_MAXIMUM: Final = 4096
_NUMBER_DIGITS: Final = 6

_TOKEN: Final = re.compile(
    rb"([^\\{}\r\n\0]+)|\\(?:'([0-9A-Fa-f]{2})|([A-Za-z]{1,32})(-?[0-9]+)? ?|([^A-Za-z]))|([{}])|[\r\n\0]+|\\",
    re.DOTALL,
)
_HYPERLINK: Final = re.compile(r'HYPERLINK(?:\s+\\[a-z])*\s+(?:"([^"]+)"|([^\s"]+))', re.IGNORECASE)
_ANCHOR: Final = re.compile(r'HYPERLINK\s+\\l\s+"?([^"\s]+)', re.IGNORECASE)

CHARACTERS: Final = {
    b"lquote": "\u2018",
    b"rquote": "\u2019",
    b"ldblquote": "\u201c",
    b"rdblquote": "\u201d",
    b"bullet": "\u2022",
    b"endash": "\u2013",
    b"emdash": "\u2014",
    b"emspace": "\u2003",
    b"enspace": "\u2002",
    b"qmspace": "\u2005",
    b"zwj": "\u200d",
    b"zwnj": "\u200c",
    b"ltrmark": "\u200e",
    b"rtlmark": "\u200f",
    b"tab": "\t",
    b"cell": "\t",
    b"nestcell": "\t",
    b"~": "\xa0",
    b"_": "\xad",
    b"-": "",
    b":": "",
    b"|": "",
}
"""Control words and symbols that stand for a character."""
BREAKS: Final = frozenset({b"par", b"line", b"row", b"nestrow", b"sect", b"page", b"\r", b"\n"})

_CODE_PAGES: Final = {b"mac": 10000, b"pc": 437, b"pca": 850, b"ansi": 1252}
CHARSETS: Final = {
    0: 1252,
    2: 1252,
    77: 10000,
    128: 932,
    129: 949,
    134: 936,
    136: 950,
    161: 1253,
    162: 1254,
    163: 1258,
    177: 1255,
    178: 1256,
    186: 1257,
    204: 1251,
    222: 874,
    238: 1250,
    254: 437,
    255: 850,
}
"""\\fcharsetN: code page. Others, 1 (the default) among them, have the document's."""
SYMBOL_CHARSET: Final = 2


class Destination(Enum):
    """Where a group's text goes."""

    BODY = 0
    SKIPPED = 1
    FONTS = 2
    COLORS = 3
    HTML_TAG = 4
    INSTRUCTION = 5


_DESTINATIONS: Final = {
    b"fonttbl": Destination.FONTS,
    b"colortbl": Destination.COLORS,
    b"fldinst": Destination.INSTRUCTION,
    **dict.fromkeys(
        b"author buptim comment company creatim datafield doccomm filetbl footer footerf footerl footerr footnote"
        b" formfield ftncn ftnsep ftnsepc header headerf headerl headerr info keywords listtable nonshppict objdata"
        b" operator pict pn printim private1 revtim rxe stylesheet subject tc title txe xe".split(),
        Destination.SKIPPED,
    ),
}


class Style:
    """Character formatting. Sizes in half points; ``font`` and colours are indices into tables, -1 is the default."""

    __slots__ = ("background", "bold", "color", "font", "hidden", "italic", "raised", "size", "struck", "underlined")

    def __init__(self, font: int) -> None:
        self.font = font
        self.size = 0
        self.color = self.background = -1
        self.bold = self.italic = self.underlined = self.struck = self.hidden = False
        self.raised = 0  # superscript 1, subscript -1

    def copy(self) -> "Style":
        style = Style(self.font)
        style.size, style.color, style.background, style.raised = self.size, self.color, self.background, self.raised
        style.bold, style.italic, style.underlined = self.bold, self.italic, self.underlined
        style.struck, style.hidden = self.struck, self.hidden
        return style


class State:
    """What a group inherits and leaves unchanged at its end."""

    __slots__ = ("destination", "html_rtf", "instruction", "link", "style", "unicode_skip")

    def __init__(self, style: Style) -> None:
        self.destination = Destination.BODY
        self.html_rtf = False
        self.unicode_skip = 1
        self.style = style
        self.link = ""
        self.instruction: list[str] = []
        """Of the field around it, shared by the groups in it."""

    def copy(self) -> "State":
        state = State(self.style.copy())
        state.destination, state.html_rtf, state.unicode_skip = self.destination, self.html_rtf, self.unicode_skip
        state.link, state.instruction = self.link, self.instruction
        return state


class Font:
    __slots__ = ("charset", "code_page", "name")

    def __init__(self) -> None:
        self.name = ""
        self.charset = 1
        self.code_page = 0


class RtfReader:
    """Reads one document, once. Subclasses say what becomes of its text."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._code_page = 1252
        self._default_font = 0
        self.fonts: dict[int, Font] = {}
        self._font = Font()  # the one that the font table is about
        self.colors: list[str] = []
        self._color = [0, 0, 0]
        self._has_color = False
        self.state = State(Style(0))
        self._states: list[State] = []
        self._too_deep = 0
        self._starred = False
        self._bytes = bytearray()  # text that waits to be decoded
        self._skip = 0  # characters to leave out behind a Unicode one
        self.alignment = ""

    def text(self, text: str) -> None:
        """Text of the body, or of an htmltag group."""
        raise NotImplementedError

    def line_break(self, word: bytes) -> None:
        """One of ``BREAKS``."""
        raise NotImplementedError

    def character(self, word: bytes) -> None:
        """One of ``CHARACTERS``."""
        self.text(CHARACTERS[word])

    def read(self) -> None:
        """Walk the whole document."""
        data, match_at, position = self._data, _TOKEN.match, 0
        while match := match_at(data, position):
            position = match.end()
            kind = match.lastindex
            if self._too_deep and kind != 6 and match[3] != b"bin":
                continue
            if kind == 1:
                self._raw(match[1])
            elif kind == 2:
                self._raw(bytes((int(match[2], 16),)))
            elif kind in (3, 4):
                number = match[4]
                value = None if number is None else int(number[:_NUMBER_DIGITS])
                if match[3] == b"bin":
                    position += max(0, int(number[:9])) if number else 0
                else:
                    self._word(match[3], value)
            elif kind == 5:
                self._symbol(match[5])
            elif kind == 6:
                self._flush()
                self._skip = 0
                if match[6] == b"{":
                    self._open()
                elif not self._close():
                    break
        self._flush()

    def _open(self) -> None:
        self._starred = False
        if self._too_deep or len(self._states) >= DEEPEST:
            self._too_deep += 1
            return
        self._states.append(self.state)
        self.state = self.state.copy()

    def _close(self) -> bool:
        """Whether the document goes on."""
        if self._too_deep:
            self._too_deep -= 1
            return True
        if not self._states:
            return False
        if self.state.destination is Destination.FONTS:
            self._font = Font()
        self.state = self._states.pop()
        return bool(self._states)

    def _raw(self, data: bytes) -> None:
        if self._skip:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            data = data[skipped:]
        self._bytes += data
        self._starred = False

    def _flush(self) -> None:
        if self._bytes:
            data = bytes(self._bytes)
            self._bytes.clear()
            if self.state.destination is not Destination.SKIPPED:
                self._text(decode(data, self._current_code_page()))

    def _current_code_page(self) -> int:
        state = self.state
        if state.destination is Destination.FONTS:
            font: Font | None = self._font
        elif state.destination is Destination.HTML_TAG:
            font = None
        else:
            font = self.fonts.get(state.style.font)
        return (font and (font.code_page or CHARSETS.get(font.charset))) or self._code_page

    def _text(self, text: str) -> None:
        destination = self.state.destination
        if destination is Destination.BODY or destination is Destination.HTML_TAG:
            self.text(text)
        elif destination is Destination.FONTS:
            name, semicolon, _ = text.partition(";")
            if not self._font.name:
                self._font.name = name.strip()[:_NAME_MAXIMUM]
            if semicolon:
                self._font = Font()
        elif destination is Destination.COLORS:
            for _ in range(min(text.count(";"), _TABLE_MAXIMUM - len(self.colors))):
                self.colors.append("#{:02x}{:02x}{:02x}".format(*self._color) if self._has_color else "")
                self._color, self._has_color = [0, 0, 0], False
        elif destination is Destination.INSTRUCTION and sum(map(len, self.state.instruction)) < _INSTRUCTION_MAXIMUM:
            self.state.instruction.append(text[:_INSTRUCTION_MAXIMUM])

    def _symbol(self, symbol: bytes) -> None:
        if self._skip:
            self._skip -= 1
            return
        if symbol in b"\\{}":
            self._bytes += symbol
            return
        self._flush()
        if symbol == b"*":
            self._starred = True
        elif self.state.destination is Destination.SKIPPED:
            return
        elif symbol in BREAKS:
            self._break(symbol)
        elif symbol in CHARACTERS:
            self._character(symbol)

    def _break(self, word: bytes) -> None:
        if self.state.destination in (Destination.BODY, Destination.HTML_TAG):
            self.line_break(word)

    def _character(self, word: bytes) -> None:
        if self.state.destination in (Destination.BODY, Destination.HTML_TAG):
            self.character(word)
        else:
            self._text(CHARACTERS[word])

    def _word(self, word: bytes, value: int | None) -> None:
        if self._skip:
            self._skip -= 1
            return
        self._flush()
        state = self.state
        starred, self._starred = self._starred, False
        if state.destination is Destination.SKIPPED:
            return
        if word == b"u" and value is not None:
            self._text(chr(value & 0xFFFF))
            self._skip = state.unicode_skip
        elif word in BREAKS:
            self._break(word)
        elif word in CHARACTERS:
            self._character(word)
        elif word == b"htmltag" and starred:
            state.destination = Destination.HTML_TAG
        elif word in _DESTINATIONS:
            state.destination = _DESTINATIONS[word]
        elif starred:
            state.destination = Destination.SKIPPED
        elif state.destination is Destination.FONTS:
            self._font_word(word, value or 0)
        elif state.destination is Destination.COLORS:
            self._color_word(word, value or 0)
        else:
            self._format(state, word, value)

    def _font_word(self, word: bytes, value: int) -> None:
        if word == b"f":
            if len(self.fonts) < _TABLE_MAXIMUM:
                self._font = self.fonts.setdefault(value, Font())
        elif word == b"fcharset":
            self._font.charset = value
        elif word == b"cpg":
            self._font.code_page = value

    def _color_word(self, word: bytes, value: int) -> None:
        if word in (b"red", b"green", b"blue"):
            self._color[(b"red", b"green", b"blue").index(word)] = min(max(value, 0), 255)
            self._has_color = True

    def _format(self, state: State, word: bytes, value: int | None) -> None:
        style = state.style
        on = value != 0
        number = value or 0
        if word == b"htmlrtf":
            state.html_rtf = on
        elif word == b"f":
            style.font = number
        elif word == b"fs":
            style.size = number
        elif word == b"cf":
            style.color = number
        elif word in (b"highlight", b"cb", b"chcbpat"):
            style.background = number
        elif word == b"b":
            style.bold = on
        elif word == b"i":
            style.italic = on
        elif word == b"strike":
            style.struck = on
        elif word == b"v":
            style.hidden = on
        elif word == b"ulnone":
            style.underlined = False
        elif word in (b"ul", b"uld", b"uldash", b"uldb", b"ulw", b"ulwave"):
            style.underlined = on
        elif word in (b"super", b"sub", b"nosupersub"):
            style.raised = (1 if word == b"super" else -1) if on and word != b"nosupersub" else 0
        elif word == b"plain":
            state.style = Style(self._default_font)
        elif word == b"uc":
            state.unicode_skip = min(max(number, 0), 8)
        elif word in (b"ql", b"pard", b"qc", b"qr", b"qj"):
            self.alignment = {b"qc": "center", b"qr": "right", b"qj": "justify"}.get(word, "")
        elif word == b"field":
            state.instruction = []
            state.link = ""
        elif word == b"fldrslt":
            state.link = _link("".join(state.instruction))
        elif word == b"deff":
            self._default_font = style.font = number
        elif word == b"ansicpg":
            self._code_page = number or 1252
        elif word in _CODE_PAGES:
            self._code_page = _CODE_PAGES[word]


_LINK_SCHEMES: Final = re.compile(
    r"(?:https?|ftp|file|mailto|tel|sip|callto|news|outlook|onenote):|[^:]*\Z", re.IGNORECASE
)


def _link(instruction: str) -> str:
    """The address of a HYPERLINK field; "" for other fields and for what is no address of a place."""
    anchor = _ANCHOR.search(instruction)
    if anchor:
        return f"#{anchor[1]}"
    found = _HYPERLINK.search(instruction)
    address = (found[1] or found[2]).strip() if found else ""
    return address if _LINK_SCHEMES.match(address) else ""


def joined(parts: list[str]) -> str:
    """Text of parts in which a character beyond the basic plane may be two surrogates; unpaired ones become U+FFFD."""
    text = "".join(parts)
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
