"""text/enriched (RFC 1896) and its forerunner text/richtext (RFC 1341 7.1.3) to HTML."""

import re
from html import escape
from typing import Final

_TOKEN: Final = re.compile(r"<<|<(/?)([A-Za-z0-9-]{1,60})>|\n+|[^<\n]+|<")
_COLOR: Final = re.compile(r"[A-Za-z]{1,20}")
_COLOR_PARTS: Final = re.compile(r"([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4}),([0-9A-Fa-f]{4})")
_FONT: Final = re.compile(r"[\w ,-]{1,100}")

# Command: opening and closing HTML
_COMMANDS: Final = {
    "bold": ("<b>", "</b>"),
    "italic": ("<i>", "</i>"),
    "underline": ("<u>", "</u>"),
    "fixed": ('<span style="font-family:monospace">', "</span>"),
    "bigger": ('<span style="font-size:larger">', "</span>"),
    "smaller": ('<span style="font-size:smaller">', "</span>"),
    "center": ('<div style="text-align:center">', "</div>"),
    "flushleft": ('<div style="text-align:left">', "</div>"),
    "flushright": ('<div style="text-align:right">', "</div>"),
    "flushboth": ('<div style="text-align:justify">', "</div>"),
    "indent": ('<div style="margin-left:2em">', "</div>"),
    "indentright": ('<div style="margin-right:2em">', "</div>"),
    "excerpt": ("<blockquote>", "</blockquote>"),
    "subscript": ("<sub>", "</sub>"),
    "superscript": ("<sup>", "</sup>"),
}
_PARAMETRIC: Final = {"color": "color:{}", "fontfamily": "font-family:{}"}
_MAX_OPEN: Final = 100


def enriched_to_html(text: str, *, is_richtext: bool = False) -> str:
    """An HTML document that shows the text, whose lines end in LF; commands that HTML has no word for are left out.

    In richtext line breaks mean nothing and the commands ``nl``, ``np`` and ``lt`` stand for a break, a page and "<".
    """
    return _Converter(is_richtext).convert(text)


class _Converter:
    def __init__(self, is_richtext: bool) -> None:
        self._is_richtext = is_richtext
        self._out: list[str] = ["<html><body>"]
        self._open: list[tuple[str, str]] = []  # commands and what closes them
        self._verbatim = 0  # inside of nofill
        self._parameter: list[str] | None = None  # text of the param command that is open
        self._hidden = 0  # inside of a comment

    def convert(self, enriched: str) -> str:
        for found in _TOKEN.finditer(enriched):
            text = found.group()
            if found[2] is not None:
                self._command(found[2].lower(), is_end=bool(found[1]))
            elif text[0] == "\n":
                self._breaks(len(text))
            else:
                self._text("<" if text == "<<" else text)
        self._out += [close for _, close in reversed(self._open)]
        self._out.append("</body></html>")
        return "".join(self._out)

    def _text(self, text: str) -> None:
        if self._parameter is not None:
            self._parameter.append(text)
        elif not self._hidden:
            self._out.append(escape(text, quote=False))

    def _breaks(self, count: int) -> None:
        """One line break is a blank, more are one fewer; in nofill each counts."""
        if self._parameter is not None or self._hidden:
            return
        if self._is_richtext:
            self._out.append(" ")
        elif self._verbatim:
            self._out.append("<br>\r\n" * count)
        else:
            self._out.append("<br>\r\n" * (count - 1) if count > 1 else "\r\n")

    def _command(self, name: str, *, is_end: bool) -> None:
        if name == "param":
            if is_end and self._parameter is not None:
                self._apply("".join(self._parameter).strip())
            self._parameter = None if is_end else []
        elif name == "comment" and self._is_richtext:
            self._hidden = max(0, self._hidden + (-1 if is_end else 1))
        elif name == "nofill":
            self._verbatim = max(0, self._verbatim + (-1 if is_end else 1))
        elif self._is_richtext and name in ("nl", "np", "lt"):
            self._out.append("&lt;" if name == "lt" else "<br>\r\n")
        elif is_end:
            self._close(name)
        elif name in _COMMANDS and len(self._open) < _MAX_OPEN:
            opening, closing = _COMMANDS[name]
            self._out.append(opening)
            self._open.append((name, closing))
        elif name in _PARAMETRIC and len(self._open) < _MAX_OPEN:
            self._open.append((name, ""))

    def _apply(self, parameter: str) -> None:
        """Open the command that the parameter belongs to: the innermost one."""
        if not self._open or self._open[-1][0] not in _PARAMETRIC or self._open[-1][1]:
            return
        name = self._open[-1][0]
        value = _color(parameter) if name == "color" else (parameter if _FONT.fullmatch(parameter) else "")
        if value:
            self._out.append(f'<span style="{_PARAMETRIC[name].format(value)}">')
            self._open[-1] = (name, "</span>")

    def _close(self, name: str) -> None:
        """Close a command; those inside of it that are still open are closed as well."""
        if not any(opened == name for opened, _ in self._open):
            return
        while self._open:
            opened, closing = self._open.pop()
            self._out.append(closing)
            if opened == name:
                return


def _color(parameter: str) -> str:
    parts = _COLOR_PARTS.fullmatch(parameter)
    if parts is not None:
        return "#" + "".join(part[:2] for part in parts.groups())
    return parameter if _COLOR.fullmatch(parameter) else ""
