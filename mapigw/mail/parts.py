"""The tree of body parts of a message (RFC 2045, 2046), as slices of the original bytes.

The bytes themselves are needed for what must be kept verbatim (signed parts, attached messages), and splitting by
slices makes the cost linear in size and depth: `MAX_DEPTH` and `MAX_PARTS` bound both for hostile mail.
"""

import binascii
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from mapigw.mail.headers import Headers, decode_base64, parse_parameters

MAX_DEPTH: Final = 32
MAX_PARTS: Final = 5_000

_TYPE: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+")
_BLANK_OR_END: Final = re.compile(rb"[ \t]*(?:\r?\n|\r|\Z)")


class Budget:
    """How many parts a message may still be split into."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts = MAX_PARTS


class Part:
    """One entity: its header fields, and its body as a slice of the message's bytes."""

    def __init__(
        self, data: bytes, start: int, end: int, *, budget: Budget, depth: int = 0, default_type: str = "text/plain"
    ) -> None:
        self.data = data
        self.start = start
        self.end = end
        self.depth = depth
        self._budget = budget
        self.headers = Headers(data, start, end)
        self.body_start = self.headers.size
        field = self.headers.first("content-type")
        value, self.parameters = parse_parameters(field)
        self.headers.label = self.parameters.get("charset", "")
        if self.headers.label and not field.isascii():  # read again, now that the character set is known
            self.parameters = parse_parameters(self.headers.first("content-type"))[1]
        value = "".join(value.split())
        if not _TYPE.fullmatch(value):
            value = default_type if not value else "text/plain"  # RFC 2045 5.2
        self.type = value

    @cached_property
    def _disposition(self) -> tuple[str, dict[str, str]]:
        if "content-disposition" not in self.headers:
            return "", {}
        return parse_parameters(self.headers.first("content-disposition"))

    @property
    def is_attachment(self) -> bool:
        return self._disposition[0] == "attachment"

    @property
    def filename(self) -> str:
        """The name of the file that the part is, as its sender wrote it, or "" (MS-OXCMAIL 2.2.3.4.1.1)."""
        return self._disposition[1].get("filename", "") or self.parameters.get("name", "")

    @property
    def body(self) -> bytes:
        """The body as it was transferred."""
        return self.data[self.body_start : self.end]

    @property
    def encoding(self) -> str:
        return self.headers.token("content-transfer-encoding").strip("\"'")

    def content(self) -> bytes:
        """The body with its transfer encoding undone; as it is where the encoding is unknown or untrue."""
        encoding = self.encoding
        if encoding == "base64":
            return decode_base64(self.body)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(self.body)
        if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
            return _uudecode(self.body)
        return self.body

    def message(self) -> "Part":
        """The root of the message that a message/rfc822 part holds; one that was encoded in spite of RFC 2046 too."""
        if self.encoding in ("", "7bit", "8bit", "binary"):
            data, start, end = self.data, self.body_start, self.end
        else:
            data = self.content()
            start, end = 0, len(data)
        return Part(data, _message_start(data, start, end), end, budget=self._budget, depth=self.depth + 1)

    @cached_property
    def parts(self) -> list["Part"]:
        """The children of a multipart; none where its boundary does not occur, so that it is read as text."""
        boundary = self.parameters.get("boundary", "").rstrip()
        if not self.type.startswith("multipart/") or not boundary or self.depth >= MAX_DEPTH:
            return []
        default_type = "message/rfc822" if self.type == "multipart/digest" else "text/plain"
        return [
            Part(self.data, start, end, budget=self._budget, depth=self.depth + 1, default_type=default_type)
            for start, end in self._slices(boundary.encode("utf-8", "surrogateescape"))
        ]

    def _slices(self, boundary: bytes) -> Iterator[tuple[int, int]]:
        """Where the children are; the line break before a delimiter belongs to the delimiter."""
        delimiter = b"--" + boundary
        data = self.data
        begin = -1
        position = data.find(delimiter, self.body_start, self.end)
        while position >= 0:
            after = position + len(delimiter)
            closing = data.startswith(b"--", after, self.end)
            line_end = _BLANK_OR_END.match(data, after + 2 * closing, self.end)
            starts_line = position == self.body_start or data[position - 1] in b"\r\n"
            if line_end is None or not starts_line:
                position = data.find(delimiter, after, self.end)
                continue
            if begin >= 0 and (closing or self._budget.parts > 0):
                yield begin, _before_line_break(data, begin, position)
            if closing:
                return
            if self._budget.parts <= 0:
                break  # the rest stays in one piece
            self._budget.parts -= 1
            begin = line_end.end()
            position = data.find(delimiter, begin, self.end)
        if begin >= 0:
            yield begin, self.end


def _before_line_break(data: bytes, begin: int, position: int) -> int:
    if position - 2 >= begin and data[position - 2 : position] == b"\r\n":
        return position - 2
    return max(begin, position - 1)


def _uudecode(data: bytes) -> bytes:
    """Decode from the ``begin`` line to the ``end`` line; bytes without a ``begin`` line are left as they are."""
    lines = iter(data.splitlines())
    for line in lines:
        if line.startswith(b"begin "):
            break
    else:
        return data
    out = bytearray()
    for line in lines:
        if line.rstrip() == b"end":
            break
        try:
            out += binascii.a2b_uu(line)
        except binascii.Error:
            # Some encoders pad the last group wrongly: as many bytes as the length character promises.
            needed = ((line[0] - 32 & 63) * 4 + 5) // 3 if line else 0
            try:
                out += binascii.a2b_uu(line[:needed])
            except binascii.Error:
                continue
    return bytes(out)


def _message_start(data: bytes, start: int, end: int) -> int:
    """Where the first field is: behind a byte order mark and blank lines."""
    if data.startswith(b"\xef\xbb\xbf", start, end):
        start += 3
    while start < end and data[start] in b"\r\n":
        start += 1
    return start


def parse_message(data: bytes) -> Part:
    """The root part of a message."""
    return Part(data, _message_start(data, 0, len(data)), len(data), budget=Budget())
