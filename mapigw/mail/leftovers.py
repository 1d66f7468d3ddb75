"""Files that stand in plain text, uuencoded or in yEnc, as programs without MIME send them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mapigw.mail.charsets import guess_text
from mapigw.mail.decoding import lines, uudecoded
from mapigw.mail.octets import Octets, find, pieces

# Where "begin " is found. A first line of data follows; prose that happens to begin so does not look like one.
_UU_BEGIN: Final = re.compile(rb"(?<![^\r\n])begin [0-7]{3,4} ([^\r\n]{1,255})\r?\n(?=[ -`]{2,90}\r?\n)")
_YENC_BEGIN: Final = re.compile(rb"(?<![^\r\n])=ybegin ([^\r\n]{1,500})\r?\n")
_UU_END: Final = re.compile(rb"\nend[ \t]*(?:\r?\n|\Z)")
_YENC_END: Final = re.compile(rb"\n=yend [^\r\n]{0,500}(?:\r?\n|\Z)")
_YENC_NAME: Final = re.compile(rb"(?:\A| )name=(.*)", re.DOTALL)
_YENC_PART: Final = re.compile(rb"(?:\A| )part=(\d{1,6})(?: |\Z)")
_YENC_ESCAPE: Final = re.compile(rb"=(.)", re.DOTALL)
_YENC_BYTES: Final = bytes((byte - 42) & 0xFF for byte in range(256))
_MAX_FILES: Final = 500
_MAX_TRIES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file in a text: where its lines are, those that frame it included."""

    name: str
    data: Octets
    start: int
    end: int
    is_yenc: bool

    def pieces(self) -> Iterator[bytes]:
        """The file, a piece at a time."""
        found = lines(pieces(self.data, self.start, self.end))
        return _yenc_decoded(found) if self.is_yenc else uudecoded(found)


def find_leftovers(data: Octets, start: int, end: int) -> list[Leftover]:
    """The files in the text ``data[start:end]``, in order."""
    found: list[Leftover] = []
    ends = {False: (b"\nend", _UU_END), True: (b"\n=yend", _YENC_END)}
    position = find(data, b"begin ", start, end)
    tries = _MAX_TRIES
    while position >= 0 and len(found) < _MAX_FILES and ends and tries:
        tries -= 1
        begin = _UU_BEGIN.match(data, position, end) or _YENC_BEGIN.match(data, max(position - 2, start), end)
        position += len(b"begin ")
        is_yenc = begin is not None and begin.re is _YENC_BEGIN
        if begin is not None and is_yenc in ends:
            close = _find_match(data, *ends[is_yenc], begin.end() - 1, end)
            if close < 0:
                del ends[is_yenc]  # and none behind it has an end either
            else:
                name = _yenc_name(begin[1]) if is_yenc else begin[1]
                found.append(Leftover(guess_text(name), data, begin.start(), close, is_yenc))
                position = close
        position = find(data, b"begin ", position, end)
    return found


def _find_match(data: Octets, what: bytes, pattern: re.Pattern[bytes], start: int, end: int) -> int:
    """Where the first match of a pattern that begins with ``what`` ends, or -1."""
    for _ in range(_MAX_TRIES):
        start = find(data, what, start, end)
        if start < 0:
            break
        match = pattern.match(data, start, end)
        if match is not None:
            return match.end()
        start += len(what)
    return -1


def text_without(data: Octets, start: int, end: int, leftovers: list[Leftover], maximum: int) -> bytes:
    """The first ``maximum`` bytes of what is left of the text without these files."""
    out = bytearray()
    for leftover in leftovers:
        out += data[start : min(leftover.start, start + maximum - len(out))]
        start = leftover.end
    return bytes(out + data[start : min(end, start + maximum - len(out))])


def _yenc_name(parameters: bytes) -> bytes:
    """The name in a =ybegin line; a part of a file gets its number behind it."""
    found = _YENC_NAME.search(parameters)
    part = _YENC_PART.search(parameters)
    name = found[1].strip() if found else b""
    return name + b".%03d" % int(part[1]) if part and name else name


def _yenc_decoded(data: Iterator[bytes]) -> Iterator[bytes]:
    for line in data:
        if line.startswith((b"=ybegin ", b"=ypart ", b"=yend ")):
            continue
        if b"=" in line:
            line = _YENC_ESCAPE.sub(lambda found: bytes(((found[1][0] - 64) & 0xFF,)), line)
        yield line.translate(_YENC_BYTES)
