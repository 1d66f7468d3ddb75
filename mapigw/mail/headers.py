"""Header fields of a message or body part: splitting, unfolding, encoded words, parameters (RFC 5322, 2047, 2231).

Everything here is linear in the size of what it reads, and nothing raises: a line that is no field is kept where it
does least harm.
"""

import binascii
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from mapigw.mail.charsets import decode, guess_text
from mapigw.mail.octets import Octets, find

MAX_HEADER: Final = 8 << 20
"""Bytes of a header block that are read."""
MAX_FIELDS: Final = 10_000
MAX_FIELD: Final = 2 << 20
"""Bytes of one field that are understood; the raw block has the rest."""

_FIELD: Final = re.compile(rb"([!-9;-~]+)[ \t]*:[ \t]*([^\r\n]*+(?:\r?\n?+[ \t][^\r\n]*+)*+)(?:\r?\n|\r|\Z)")
_LINE: Final = re.compile(rb"[^\r\n]*(?:\r?\n|\r|\Z)")
_BLANK: Final = re.compile(rb"\r?\n|\r|\Z")
_MBOX_FROM: Final = re.compile(rb">?From ")
_FOLD: Final = re.compile(r"\r\n?|\n")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BLANKS: Final = re.compile(r"[ \t\r\n]+")
_ENCODED_WORD: Final = re.compile(r"=\?([^\s?*]{1,64})(?:\*[^\s?]{0,64})?\?([bBqQ])\?")


class Headers:
    """The fields of one header block, in order, by name without regard to case."""

    __slots__ = ("_by_name", "is_cut", "label", "raw", "size")

    def __init__(self, data: Octets, start: int = 0, end: int | None = None, *, limit: int = MAX_HEADER) -> None:
        """Read the fields of ``data[start:end]`` up to the blank line; ``size`` is where the body begins in ``data``.

        Of a block of more than ``limit`` bytes or `MAX_FIELDS` fields the rest is passed over, which ``is_cut`` tells.
        ``label`` is the character set to suspect behind unlabelled 8-bit text.
        """
        end = len(data) if end is None else end
        stop = min(end, start + limit)
        self.label = ""
        self.is_cut = False
        self._by_name: dict[str, list[bytes]] = {}
        begin = position = start
        count = 0
        last: list[bytes] | None = None
        while position < stop:
            field = _FIELD.match(data, position, stop)
            if field is not None:
                position = field.end()
                count += 1
                if count <= MAX_FIELDS:
                    name, value = field.groups()
                    last = self._by_name.setdefault(name.decode("ascii").lower(), [])
                    last.append(value)
                continue
            line = _LINE.match(data, position, stop)
            after = line.end() if line is not None else stop
            if _BLANK.match(data, position, stop):
                self.raw = data[begin:position]
                self.size = after
                self.is_cut = count > MAX_FIELDS
                return
            if last is None and _MBOX_FROM.match(data, position, stop):
                begin = after
            elif last is not None and count <= MAX_FIELDS and _FIELD.match(data, after, stop):
                last[-1] += b" " + data[position:after].strip()  # a field folded without indentation
            else:
                break  # the blank line is missing: the body begins here
            position = after
        self.raw = data[begin:position]
        self.size = position
        self.is_cut = count > MAX_FIELDS
        if position == stop < end:
            self.is_cut = True
            self.size = _behind_blank_line(data, position, end)

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def __bool__(self) -> bool:
        return bool(self._by_name)

    def names(self) -> Iterator[str]:
        """The names of the fields, in lower case, each once."""
        return iter(self._by_name)

    def first(self, name: str) -> str:
        """The first field of a (lower-case) name, unfolded, encoded words as they are; "" when there is none."""
        values = self._by_name.get(name)
        return self._text(values[0]) if values else ""

    def all(self, name: str) -> list[str]:
        return [self._text(value) for value in self._by_name.get(name, ())]

    def original(self, name: str) -> bytes:
        """The first field of a name as it was transferred, folded; b"" when there is none."""
        values = self._by_name.get(name)
        return values[0] if values else b""

    def text(self, name: str) -> str:
        """The first field of a name as text for people."""
        return clean(decode_words(self.first(name)))

    def token(self, name: str) -> str:
        """The first word of a field, lower case, without comments or parameters."""
        value = self.first(name).partition(";")[0].partition("(")[0].split()
        return value[0].lower() if value else ""

    def transport_text(self) -> str:
        """The block as PidTagTransportMessageHeaders holds it (MS-OXCMAIL 2.2.3.2.28)."""
        text = self.raw.decode("ascii") if self.raw.isascii() else guess_text(self.raw, self.label)
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").rstrip("\n")
        if "x-ms-exchange-" in text.lower():
            text = _RESERVED.sub("", text)
        return text.replace("\n", "\r\n") + "\r\n" if text else ""

    def _text(self, value: bytes) -> str:
        value = value[:MAX_FIELD]
        text = value.decode("ascii") if value.isascii() else guess_text(value, self.label)
        if "\n" in text or "\r" in text:
            text = _FOLD.sub("", text)
        return text.strip()


def _behind_blank_line(data: Octets, start: int, end: int) -> int:
    """Where the body of a header begins that goes on at ``start``."""
    start = max(start - 2, 0)
    found = [(find(data, blank, start, end), len(blank)) for blank in (b"\n\r\n", b"\n\n")]
    return min((position + size for position, size in found if position >= 0), default=end)


_RESERVED: Final = re.compile(
    r"^X-MS-Exchange-(?:Organization|Forest)-[^\n]*\n?(?:[ \t][^\n]*\n?)*", re.IGNORECASE | re.MULTILINE
)


def clean(text: str) -> str:
    """Text on one line: no control characters, no blanks at the ends (a NUL would end a PtypString)."""
    if "\n" in text or "\r" in text or "\t" in text:
        text = _BLANKS.sub(" ", text)
    return (text if text.isprintable() else _CONTROL.sub("", text)).strip()


def decode_words(value: str) -> str:
    """Replace encoded words (RFC 2047), anywhere in the value, by their text.

    Blanks between two encoded words vanish, and neighbours in one character set are joined before decoding, because
    mailers split characters between words. A word that is not one stays as it is.
    """
    start = value.find("=?")
    if start < 0:
        return value
    out: list[str] = []
    pending: list[bytes] = []
    pending_label = ""
    position = 0
    while start >= 0:
        opening = _ENCODED_WORD.match(value, start)
        if opening is None:
            start = value.find("=?", start + 1)
            continue
        close = value.find("?=", opening.end())
        if close < 0:
            break
        between = value[position:start]
        if not pending:
            out.append(between)
        elif between.strip() or pending_label.lower() != opening[1].lower():
            out.append(decode(b"".join(pending), pending_label)[0])
            out.append(between if between.strip() else "")
            pending.clear()
        pending_label = opening[1]
        pending.append(_word_bytes(opening[2], value[opening.end() : close]))
        position = close + 2
        start = value.find("=?", position)
    if pending:
        out.append(decode(b"".join(pending), pending_label)[0])
    out.append(value[position:])
    return "".join(out)


def _word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(data.replace(b" ", b"_"), header=True)
    return decode_base64(data)


_NOT_BASE64: Final = re.compile(rb"[^A-Za-z0-9+/]+")


def decode_base64(data: bytes) -> bytes:
    """Decode base64 as far as it goes: other characters are skipped, missing padding is supplied."""
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        digits = _NOT_BASE64.sub(b"", data)
        if len(digits) % 4 == 1:
            digits = digits[:-1]
        return binascii.a2b_base64(digits + b"=" * (-len(digits) % 4))


_PARAMETER: Final = re.compile(r';\s*([^\s=;"]+)\s*=\s*("[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[^;]*)', re.DOTALL)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_SECTION: Final = re.compile(r"(.+?)(?:\*(\d{1,4}))?(\*)?")
_MAX_PARAMETERS: Final = 1000


def parse_parameters(value: str) -> tuple[str, dict[str, str]]:
    """A field with parameters: its value in lower case, and the parameters as text by lower-case name.

    RFC 2231 continuations and character sets are put together; encoded words in quotes, which the RFC forbids and
    mailers use, are decoded.
    """
    head, semicolon, _ = value.partition(";")
    main = head.partition("(")[0].strip().lower()
    plain: dict[str, str] = {}
    if not semicolon:
        return main, plain
    sections: dict[str, dict[int, tuple[bool, str]]] = {}
    for count, found in enumerate(_PARAMETER.finditer(value)):
        if count == _MAX_PARAMETERS:
            break
        name, text = found.groups()
        if text.startswith('"'):
            text = _ESCAPE.sub(r"\1", text[1:-1] if text.endswith('"') and len(text) > 1 else text[1:])
        else:
            text = text.strip()
        split = _SECTION.fullmatch(name.lower())
        if split is not None and (split[2] or split[3]):
            sections.setdefault(split[1], {})[int(split[2] or 0)] = (bool(split[3]), text)
        else:
            plain.setdefault(name.lower(), clean(decode_words(text)))
    for name, parts in sections.items():
        plain[name] = clean(_joined_sections(parts))
    return main, plain


def _joined_sections(parts: dict[int, tuple[bool, str]]) -> str:
    extended, first = parts[min(parts)]
    charset = ""
    if extended and first.count("'") >= 2:
        charset, _, first = first.split("'", 2)
        parts = {**parts, min(parts): (True, first)}
    out: list[str] = []
    pending = b""
    for number in sorted(parts):
        extended, text = parts[number]
        if extended:
            pending += unquote_to_bytes(text)
        else:
            out.append(decode(pending, charset)[0] + text)
            pending = b""
    return decode_words("".join(out) + decode(pending, charset)[0])
