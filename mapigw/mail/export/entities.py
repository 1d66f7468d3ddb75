"""The tree of a message that is written, and its transfer encodings (RFC 2045 6, 2046 5.1).

Nothing is encoded before it is written, and what is large is written a part at a time.
"""

import binascii
import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from mapigw.mail.export.fields import Fields

Sink = Callable[[bytes], object]

_BASE64_LINE: Final = 76
_BYTES_A_LINE: Final = 57
_MAX_LINE: Final = 998
_ASCII: Final = bytes(range(0x7F))
_LONG_QP_LINE: Final = re.compile(rb"(?m)^(.{74,75})(=20|=09)$")
_ANY_LINE_BREAK: Final = re.compile(rb"\r\n|\r|\n")


@dataclass(slots=True)
class Entity:
    """Header fields and a body; ``body`` gives the bytes as they are transferred, each time it is called."""

    fields: Fields
    body: Callable[[], Iterable[bytes]]
    eight_bit: bool = False
    """Whether there are bytes over 0x7F in the body."""


@dataclass(slots=True)
class Multipart:
    """A multipart entity; its Content-Type is written with it."""

    subtype: str
    parts: "list[Part]"
    fields: Fields
    parameters: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Nested:
    """A message in a message. ``fields`` are those of the part that it is in."""

    fields: Fields
    message: "Part"


Part = Entity | Multipart | Nested


def is_eight_bit(part: Part) -> bool:
    if isinstance(part, Multipart):
        return any(map(is_eight_bit, part.parts))
    if isinstance(part, Nested):
        return is_eight_bit(part.message) or not bytes(part.message.fields).isascii()
    return part.eight_bit


class Writer:
    """Writes entities; boundaries are made of ``token``, which must not be in what is written verbatim."""

    def __init__(self, sink: Sink, token: str) -> None:
        self._sink = sink
        self._token = token
        self._count = 0

    def write(self, part: Part) -> None:
        """The part's header, an empty line and its body, which need not end in a line break."""
        if isinstance(part, Multipart):
            self._multipart(part)
            return
        if isinstance(part, Nested):
            if is_eight_bit(part):
                part.fields.text("Content-Transfer-Encoding", "8bit")
            self._sink(bytes(part.fields) + b"\r\n")
            self.write(part.message)
            return
        self._sink(bytes(part.fields) + b"\r\n")
        for chunk in part.body():
            self._sink(chunk)

    def _multipart(self, part: Multipart) -> None:
        self._count += 1
        # "=_" is in no quoted-printable or base64 text.
        boundary = f"_{self._count:03}=_{self._token}"
        part.fields.parameters("Content-Type", f"multipart/{part.subtype}", {**part.parameters, "boundary": boundary})
        if is_eight_bit(part):
            part.fields.text("Content-Transfer-Encoding", "8bit")
        delimiter = b"--" + boundary.encode("ascii")
        self._sink(bytes(part.fields) + b"\r\n")
        for child in part.parts:
            self._sink(delimiter + b"\r\n")
            self.write(child)
            self._sink(b"\r\n")
        self._sink(delimiter + b"--")


def text_entity(fields: Fields, data: bytes, *, eight_bit: bool) -> Entity:
    """Text in its character set, encoded as it needs; its lines may end in any way. Adds Content-Transfer-Encoding."""
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    longest = max(map(len, data.split(b"\n")))
    plain = data.isascii() and b"\0" not in data
    if longest <= _MAX_LINE and b"\0" not in data and (plain or eight_bit):
        encoding = "7bit" if plain else "8bit"
        body = data.replace(b"\n", b"\r\n")
    elif plain or 3 * len(data.translate(None, _ASCII)) < len(data):
        encoding = "quoted-printable"
        body = _quoted_printable(data)
    else:
        encoding = "base64"
        body = b"".join(base64_lines([data.replace(b"\n", b"\r\n")]))
    fields.text("Content-Transfer-Encoding", encoding)
    return Entity(fields, lambda: [body], eight_bit=encoding == "8bit")


def _quoted_printable(data: bytes) -> bytes:
    """Text with LF in quoted-printable, with CR LF."""
    encoded = binascii.b2a_qp(data, istext=True)
    # The library does not count the blank at the end of a line that it escapes.
    return _LONG_QP_LINE.sub(rb"\1=\n\2", encoded).replace(b"\n", b"\r\n")


def binary_entity(fields: Fields, chunks: Callable[[], Iterator[bytes]]) -> Entity:
    """Bytes in base64. Adds Content-Transfer-Encoding."""
    fields.text("Content-Transfer-Encoding", "base64")
    return Entity(fields, lambda: base64_lines(chunks()))


def base64_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Base64 in lines of 76 characters, without a line break after the last."""
    rest = b""
    separator = b""
    for chunk in chunks:
        data = rest + chunk if rest else chunk
        whole = len(data) // _BYTES_A_LINE * _BYTES_A_LINE
        rest = data[whole:]
        if whole:
            yield separator + _lines(data[:whole] if rest else data)
            separator = b"\r\n"
    if rest:
        yield separator + _lines(rest)


def _lines(data: bytes) -> bytes:
    encoded = binascii.b2a_base64(data, newline=False)
    return b"\r\n".join([encoded[start : start + _BASE64_LINE] for start in range(0, len(encoded), _BASE64_LINE)])


def canonical_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same text with all its lines ended by CR LF."""
    after_return = False
    for chunk in chunks:
        data = chunk[1:] if after_return and chunk[:1] == b"\n" else chunk
        after_return = chunk.endswith(b"\r") if chunk else after_return
        pairs = data.count(b"\r\n")
        right = pairs == data.count(b"\n") == data.count(b"\r")
        yield data if right else _ANY_LINE_BREAK.sub(b"\r\n", data)


def utf8_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """UTF-16 text, which may end in a NUL, in UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-16-le")("replace")
    for chunk in chunks:
        yield decoder.decode(chunk).replace("\0", "").encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")
