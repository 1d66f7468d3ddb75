"""Writing header fields: folding, encoded words, addresses, parameters (RFC 5322, 2047, 2231, 6532).

Whatever the values are, each field comes out whole: no value can end a line, begin another field or make a line longer
than RFC 5322 allows.
"""

import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from mapigw.mail.headers import clean

WIDTH: Final = 76  # of a line with encoded words (RFC 2047 2); plain lines may have two more
_MAX_TOKEN: Final = 900  # bytes that cannot be folded; a line may have 998
_MAX_ADDRESS: Final = 512
_MAX_WORD: Final = 75

_NAME: Final = re.compile(r"[!-9;-~]{1,76}")
_TOKENS: Final = re.compile(r" *[^ ]+")
_ATOM: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+")
_DOT_ATOM: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_QUOTED: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_DOMAIN: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[!-Z^-~]+\]")
_WIDE_DOMAIN: Final = re.compile(r"[\w-]+(?:\.[\w-]+)*\.?")
_WIDE_LOCAL: Final = re.compile(r"[^\s\x00-\x20\"(),:;<>@\[\\\]\x7f]+")
_Q_SAFE: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_PARAMETER_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&+.^_`{}~-]+")
_LINE_BREAK: Final = re.compile(r"\r\n?|\n")
_LINE_BREAKS: Final = re.compile("[\x80-\x9f\u2028\u2029]+")
_2231_SAFE: Final = "!#$&+-.^_`{}~"


def line_of(value: str) -> str:
    """Text on one line that every reader takes for one: no controls, no halves of surrogate pairs."""
    if value.isascii() and value.isprintable():
        return value.strip(" ")
    value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return clean(_LINE_BREAKS.sub(" ", value))


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Somebody in an address field. One without an ``email`` is named as a group without members (RFC 5322 3.4)."""

    name: str
    email: str


class Fields:
    """The fields of one header, in order.

    ``utf8`` allows UTF-8 where RFC 6532 does; otherwise everything is ASCII.
    """

    __slots__ = ("_lines", "_names", "utf8")

    def __init__(self, *, utf8: bool = False) -> None:
        self.utf8 = utf8
        self._lines: list[str] = []
        self._names: set[str] = set()

    def __contains__(self, name: str) -> bool:
        """Whether a field of this (lower-case) name is there."""
        return name in self._names

    def __bytes__(self) -> bytes:
        """The fields without the empty line after them."""
        return "".join(self._lines).encode("utf-8", "replace")

    def text(self, name: str, value: str) -> None:
        """A field of text for people; none when it is empty."""
        if value := line_of(value):
            self._fold(name, _text_tokens(value, len(name) + 2, utf8=self.utf8))

    def addresses(self, name: str, mailboxes: Iterable[Mailbox]) -> None:
        """An address list; none when there is nobody."""
        self._list(name, [_mailbox_tokens(mailbox, len(name), utf8=self.utf8) for mailbox in mailboxes])

    def phrases(self, name: str, phrases: Iterable[str]) -> None:
        """A list of phrases (RFC 5322 3.2.5), which readers take apart at commas; none when there are none."""
        cleaned = (line_of(phrase.replace(",", " ")) for phrase in phrases)
        self._list(name, [_keyword_tokens(phrase, len(name), utf8=self.utf8) for phrase in cleaned if phrase])

    def _list(self, name: str, members: Iterable[list[str]]) -> None:
        present = [tokens for tokens in members if tokens]
        for tokens in present[:-1]:
            tokens[-1] += ","
        if present:
            self._fold(name, [token for tokens in present for token in tokens])

    def parameters(self, name: str, value: str, parameters: Mapping[str, str], *, in_words: bool = False) -> None:
        """A field with parameters (RFC 2045 5.1): those that are not short and ASCII as RFC 2231 has them.

        With ``in_words`` as quoted encoded words, which RFC 2047 forbids and old mail programs read.
        """
        tokens = [f" {value}"]
        for parameter, text in parameters.items():
            tokens[-1] += ";"
            tokens += _parameter_tokens(parameter, line_of(text), in_words=in_words)
        self._fold(name, tokens)

    def extend(self, other: "Fields") -> None:
        """Append the fields of another header."""
        self._lines += other._lines
        self._names |= other._names

    def verbatim(self, name: str, value: bytes) -> None:
        """A field as it was in another message, its folds included."""
        self._names.add(name.lower())
        lines = _LINE_BREAK.split(value.decode("utf-8", "replace"))
        self._lines.append(f"{name}: " + "\r\n".join(line for line in lines if line.strip()) + "\r\n")

    def _fold(self, name: str, tokens: Iterable[str]) -> None:
        """Append a field of tokens that begin with blanks, with line breaks before as few of them as possible."""
        if not _NAME.fullmatch(name):
            return
        self._names.add(name.lower())
        line = f"{name}:"
        fresh = True  # nothing but the name is on the line yet
        for token in tokens:
            too_long = len(line) + len(token) > WIDTH
            if too_long and (not fresh or len(line) + len(token) > _MAX_TOKEN):
                self._lines.append(line + "\r\n")
                line = token
            else:
                line += token
            fresh = False
        self._lines.append(line + "\r\n")


def _text_tokens(value: str, used: int, *, utf8: bool) -> list[str]:
    """Clean text as pieces that begin with a blank; ``used`` is what stands before it on its line."""
    if (value.isascii() or utf8) and "=?" not in value:
        tokens = _TOKENS.findall(f" {value}")
        if all(len(token) <= _MAX_TOKEN // (1 if value.isascii() else 4) for token in tokens):
            return tokens
    return [f" {word}" for word in encoded_words(value, used)]


def encoded_words(value: str, used: int) -> list[str]:
    """Encoded words (RFC 2047 2): at most 75 characters each, no character split between two.

    The first one leaves room for ``used`` characters before it on its line.
    """
    data = value.encode("utf-8", "replace")
    quoted = sum(1 if byte in _Q_SAFE or byte == 0x20 else 3 for byte in data)
    in_q = quoted <= 2 * len(data)  # readable where letters are mostly Latin
    words: list[str] = []
    room = max(24, min(_MAX_WORD, WIDTH - used)) - 12  # less "=?utf-8?q?" and "?="
    room = room if in_q else room // 4 * 3
    pending = bytearray()
    cost = 0
    for character in value:
        piece = character.encode("utf-8", "replace")
        price = sum(1 if byte in _Q_SAFE or byte == 0x20 else 3 for byte in piece) if in_q else len(piece)
        if cost + price > room and pending:
            words.append(_word(bytes(pending), in_q=in_q))
            pending.clear()
            cost = 0
            room = _MAX_WORD - 12 if in_q else (_MAX_WORD - 12) // 4 * 3
        pending += piece
        cost += price
    words.append(_word(bytes(pending), in_q=in_q))
    return words


def _word(data: bytes, *, in_q: bool) -> str:
    if in_q:
        text = "".join(chr(byte) if byte in _Q_SAFE else "_" if byte == 0x20 else f"={byte:02X}" for byte in data)
        return f"=?utf-8?Q?{text}?="
    return f"=?utf-8?B?{binascii.b2a_base64(data, newline=False).decode('ascii')}?="


def internet_address(email: str, *, utf8: bool) -> str:
    """An addr-spec (RFC 5322 3.4.1) as a header may have it, or "" where the address is none that this allows."""
    local, at, domain = line_of(email).rpartition("@")
    if not at or not local or len(local) + len(domain) > _MAX_ADDRESS:
        return ""
    if not _DOMAIN.fullmatch(domain):
        if not _WIDE_DOMAIN.fullmatch(domain):
            return ""
        if not utf8:
            try:
                domain = domain.encode("idna").decode("ascii")
            except UnicodeError:
                return ""
    if not local.isascii():
        return f"{local}@{domain}" if utf8 and _WIDE_LOCAL.fullmatch(local) else ""
    if not _DOT_ATOM.fullmatch(local) and not _QUOTED.fullmatch(local):
        local = _quoted(local)
    return f"{local}@{domain}"


def needs_utf8(email: str) -> bool:
    """Whether the address can only be written with RFC 6532."""
    return not internet_address(email, utf8=False) and bool(internet_address(email, utf8=True))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _mailbox_tokens(mailbox: Mailbox, used: int, *, utf8: bool) -> list[str]:
    name, email = line_of(mailbox.name), internet_address(mailbox.email, utf8=utf8)
    if not email:
        shown = line_of(mailbox.email)
        if shown and shown != name:
            name = f"{name} {shown}".strip()
        tokens = _phrase_tokens(name, used, utf8=utf8) if name else []
        return [*tokens, " :;"] if tokens else []
    if not name or name == email:
        return [f" {email}"]
    return [*_phrase_tokens(name, used, utf8=utf8), f" <{email}>"]


def _phrase_tokens(name: str, used: int, *, utf8: bool) -> list[str]:
    tokens = _TOKENS.findall(f" {name}")
    fits = all(len(token) <= _MAX_TOKEN // (1 if name.isascii() else 4) for token in tokens)
    if (not name.isascii() and not utf8) or "=?" in name or not fits:
        return [f" {word}" for word in encoded_words(name, used + 2)]
    if all(_ATOM.fullmatch(token[1:]) for token in tokens):
        return tokens
    return _TOKENS.findall(f" {_quoted(name)}")


def _keyword_tokens(phrase: str, used: int, *, utf8: bool) -> list[str]:
    """A phrase without quotes, which not all readers of keywords take away."""
    tokens = _TOKENS.findall(f" {phrase}")
    if all(_ATOM.fullmatch(token.strip(" ")) for token in tokens):
        return _phrase_tokens(phrase, used, utf8=utf8)
    return [f" {word}" for word in encoded_words(phrase, used + 2)]


def _parameter_tokens(name: str, value: str, *, in_words: bool) -> list[str]:
    room = WIDTH - len(name) - 6
    if value.isascii() and len(value) <= room and "=?" not in value:
        return [f" {name}={value if _PARAMETER_TOKEN.fullmatch(value) else _quoted(value)}"]
    if in_words:
        return _word_parameter(name, value)
    text = quote(value, safe=_2231_SAFE, encoding="utf-8", errors="replace")
    if len(text) + 9 <= room:
        return [f" {name}*=utf-8''{text}"]
    return _continued_parameter(name, value)


def _word_parameter(name: str, value: str) -> list[str]:
    words = encoded_words(value, len(name) + 4)
    tokens = [f" {word}" for word in words]
    tokens[0] = f' {name}="{words[0]}'
    tokens[-1] += '"'
    return tokens


def _continued_parameter(name: str, value: str) -> list[str]:
    """Continuations (RFC 2231 3, 4.1), none of which splits a character."""
    tokens: list[str] = []
    line = f" {name}*0*=utf-8''"
    for character in value:
        text = quote(character, safe=_2231_SAFE, encoding="utf-8", errors="replace")
        if len(line) + len(text) >= WIDTH:
            tokens.append(line + ";")
            line = f" {name}*{len(tokens)}*="
        line += text
    return [*tokens, line]
