"""The tree of body parts of a message (RFC 2045, 2046), as slices of the original bytes.

The bytes themselves are needed for what must be kept verbatim (signed parts, attached messages), and slices cost
nothing. What a hostile message could ask for without end is bounded by its `Budget`: depth, parts, header bytes, bytes
searched for boundaries, addresses. What goes beyond stays in one piece, as a text or an attachment.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from mapigw.mail.decoding import BINHEX, UUENCODE, decoded, is_identity
from mapigw.mail.headers import MAX_HEADER, Headers, parse_parameters
from mapigw.mail.octets import Octets, find, pieces

MAX_DEPTH: Final = 50
MAX_PARTS: Final = 5_000
MAX_ADDRESSES: Final = 25_000
MAX_ADDRESS_TEXT: Final = 2 << 20
"""Characters of address fields that are understood."""
MAX_DECODED_MESSAGE: Final = 16 << 20
"""Bytes of an attached message that was encoded in spite of RFC 2046 and is opened all the same."""
_SMALL_HEADER: Final = 4096  # bytes that every part may have when those for all headers are used up
_SEARCHES: Final = 8
_SEARCH_ALLOWANCE: Final = 64 << 20
_MAX_BOUNDARY: Final = 512
_FALSE_DELIMITER: Final = 2000  # bytes that could be searched in the time that one takes

_TYPE: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+")
_BLANK_OR_END: Final = re.compile(rb"[ \t]*(?:\r?\n|\r|\Z)")
_UU_BEGIN: Final = re.compile(rb"(?<![^\r\n])begin [0-7]{3,4} ")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Budget:
    """How much work a message of ``size`` bytes may still cause."""

    __slots__ = ("address_text", "addresses", "header", "parts", "searched")

    def __init__(self, size: int = 0) -> None:
        self.parts = MAX_PARTS
        self.header = MAX_HEADER
        self.addresses = MAX_ADDRESSES
        self.address_text = MAX_ADDRESS_TEXT
        self.searched = _SEARCHES * size + _SEARCH_ALLOWANCE


class Part:
    """One entity: its header fields, and its body as a slice of the message's bytes."""

    def __init__(
        self, data: Octets, start: int, end: int, *, budget: Budget, depth: int = 0, default_type: str = "text/plain"
    ) -> None:
        self.data = data
        self.start = start
        self.end = end
        self.depth = depth
        self.budget = budget
        self.headers = Headers(data, start, end, limit=max(budget.header, _SMALL_HEADER))
        budget.header -= len(self.headers.raw)
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
    def disposition_parameters(self) -> dict[str, str]:
        """The parameters of the Content-Disposition field, by lower-case name."""
        return self._disposition[1]

    @property
    def filename(self) -> str:
        """The name of the file that the part is, as its sender wrote it, or "" (MS-OXCMAIL 2.2.3.4.1.1)."""
        return self._disposition[1].get("filename", "") or self.parameters.get("name", "")

    @property
    def size(self) -> int:
        """Bytes of the body as it was transferred: never fewer than it has decoded."""
        return self.end - self.body_start

    @property
    def encoding(self) -> str:
        return self.headers.token("content-transfer-encoding").strip("\"'")

    def raw_pieces(self) -> Iterator[bytes]:
        """The body as it was transferred, a piece at a time."""
        return pieces(self.data, self.body_start, self.end)

    def pieces(self) -> Iterator[bytes]:
        """The body with its transfer encoding undone; as it is where the encoding is unknown or untrue."""
        encoding = self.encoding
        if encoding in UUENCODE and not self._has_uu_begin():
            encoding = ""
        return decoded(encoding, self.raw_pieces())

    def content(self, maximum: int | None = None) -> bytes:
        """The decoded body; no more than its first ``maximum`` bytes."""
        if maximum is None or self.size <= maximum:
            return b"".join(self.pieces())
        out = bytearray()
        for piece in self.pieces():
            out += piece
            if len(out) >= maximum:
                del out[maximum:]
                break
        return bytes(out)

    @property
    def is_binhex(self) -> bool:
        """Whether the body is BinHex, by its type or its encoding (MS-OXCMAIL 2.2.3.4.1.3)."""
        return self.type == "application/mac-binhex40" or self.encoding in BINHEX

    def _has_uu_begin(self) -> bool:
        return _UU_BEGIN.search(self.data, self.body_start, self.end) is not None

    def message(self) -> "Part | None":
        """The root of the message that a message/rfc822 part holds, encoded or not; None if it is too large for it."""
        if is_identity(self.encoding):
            data, start, end = self.data, self.body_start, self.end
        elif self.size > MAX_DECODED_MESSAGE:
            return None
        else:
            data = self.content()
            start, end = 0, len(data)
        return Part(data, _message_start(data, start, end), end, budget=self.budget, depth=self.depth + 1)

    @cached_property
    def parts(self) -> list["Part"]:
        """The children of a multipart; none where its boundary does not occur, so that it is read as text."""
        boundary = self.parameters.get("boundary", "").rstrip()
        if not self.type.startswith("multipart/") or not boundary or self.depth >= MAX_DEPTH:
            return []
        self.budget.searched -= self.size
        if self.budget.searched < 0 or len(boundary) > _MAX_BOUNDARY:
            return []
        default_type = "message/rfc822" if self.type == "multipart/digest" else "text/plain"
        return [
            Part(self.data, start, end, budget=self.budget, depth=self.depth + 1, default_type=default_type)
            for start, end in self._slices(boundary.encode("utf-8", "surrogateescape"))
        ]

    def _slices(self, boundary: bytes) -> Iterator[tuple[int, int]]:
        """Where the children are; the line break before a delimiter belongs to the delimiter."""
        delimiter = b"--" + boundary
        data = self.data
        begin = -1
        position = find(data, delimiter, self.body_start, self.end)
        while position >= 0:
            after = position + len(delimiter)
            closing = data[after : min(after + 2, self.end)] == b"--"
            line_end = _BLANK_OR_END.match(data, after + 2 * closing, self.end)
            starts_line = position == self.body_start or data[position - 1] in b"\r\n"
            if line_end is None or not starts_line:
                self.budget.searched -= _FALSE_DELIMITER
                position = find(data, delimiter, after, self.end) if self.budget.searched > 0 else -1
                continue
            if begin >= 0 and (closing or self.budget.parts > 0):
                yield begin, _before_line_break(data, begin, position)
            if closing:
                return
            if self.budget.parts <= 0:
                break  # the rest stays in one piece
            self.budget.parts -= 1
            begin = line_end.end()
            position = find(data, delimiter, begin, self.end)
        if begin >= 0:
            yield begin, self.end


def _before_line_break(data: Octets, begin: int, position: int) -> int:
    if position - 2 >= begin and data[position - 2 : position] == b"\r\n":
        return position - 2
    return max(begin, position - 1)


def _message_start(data: Octets, start: int, end: int) -> int:
    """Where the first field is: behind a byte order mark and blank lines."""
    if data[start : min(start + 3, end)] == _BYTE_ORDER_MARK:
        start += 3
    while start < end and data[start] in b"\r\n":
        start += 1
    return start


def parse_message(data: Octets) -> Part:
    """The root part of a message."""
    return Part(data, _message_start(data, 0, len(data)), len(data), budget=Budget(len(data)))
