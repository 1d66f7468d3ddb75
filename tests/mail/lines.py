"""A strict look at the lines of Internet mail, that knows nothing of how it was made (RFC 5322 2, RFC 2045, RFC 2046).

`check` raises AssertionError with the place of the first thing that is wrong.
"""

import binascii
import re
from dataclasses import dataclass, field

_NAME = re.compile(rb"[!-9;-~]+")
_TYPE = re.compile(r"([A-Za-z0-9!#$&^_.+-]+)/([A-Za-z0-9!#$&^_.+-]+)((?:;.*)?)", re.DOTALL)
_PARAMETER = re.compile(r';\s*([A-Za-z0-9!#$%&+.^_`{}~*-]+)=\s*("(?:[^"\\]|\\.)*"|[^\s;()<>@,:\\"/\[\]?=]+|[^;\s"]+)')
_ENCODED_WORD = re.compile(rb"=\?[A-Za-z0-9_-]+\?[BbQq]\?[!->@-~]*\?=")
_QP_LINE = re.compile(rb"(?:[!-<>-~ \t]|=[0-9A-F]{2})*=?")
_BOUNDARY = re.compile(r"[A-Za-z0-9'()+_,./:=? -]{0,69}[A-Za-z0-9'()+_,./:=?-]")
ONCE = frozenset(
    {b"date", b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc", b"message-id", b"in-reply-to", b"references"}
    | {b"subject", b"mime-version", b"content-type", b"content-transfer-encoding", b"content-disposition"}
)
IDENTITY = frozenset({"7bit", "8bit", "binary"})


@dataclass
class Checked:
    """An entity that has been looked at; ``fields`` are unfolded."""

    fields: dict[bytes, bytes]
    content_type: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    parts: "list[Checked]" = field(default_factory=list)


def check(data: bytes, *, utf8: bool = False, eight_bit: bool = False) -> Checked:
    """The whole message."""
    assert data.endswith(b"\r\n"), "the last line has no end"
    assert b"\0" not in data, "NUL"
    for number, line in enumerate(data.split(b"\r\n"), 1):
        assert b"\r" not in line, f"line {number}: a bare CR"
        assert b"\n" not in line, f"line {number}: a bare LF"
        assert len(line) <= 998, f"line {number}: {len(line)} bytes"
    if not utf8 and not eight_bit:
        assert data.isascii(), "8-bit bytes"
    return check_message(data[:-2], utf8=utf8, eight_bit=eight_bit)


def check_message(data: bytes, *, utf8: bool, eight_bit: bool) -> Checked:
    message = _entity(data, utf8=utf8, eight_bit=eight_bit)
    assert b"from" in message.fields, "no From"
    assert b"date" in message.fields, "no Date"
    assert message.fields.get(b"mime-version") == b"1.0", "no MIME-Version"
    return message


def _entity(data: bytes, *, utf8: bool, eight_bit: bool) -> Checked:
    header, separator, body = (b"", b"", data[2:]) if data.startswith(b"\r\n") else data.partition(b"\r\n\r\n")
    if not separator:
        header = header.removesuffix(b"\r\n")
    fields = _fields(header, utf8=utf8)
    found = Checked(fields)
    if b"content-type" in fields:
        match = _TYPE.fullmatch(fields[b"content-type"].decode("utf-8"))
        assert match is not None, f"Content-Type {fields[b'content-type']!r}"
        found.content_type = f"{match[1]}/{match[2]}".lower()
        found.parameters = _parameters(match[3])
    encoding = fields.get(b"content-transfer-encoding", b"7bit").decode().lower()
    if found.content_type == "multipart/signed":
        return found  # kept to the letter
    if found.content_type.startswith("multipart/"):
        assert encoding in IDENTITY, f"{encoding} on a multipart"
        _multipart(found, body, utf8=utf8, eight_bit=eight_bit)
    elif found.content_type.startswith("message/"):
        assert encoding in IDENTITY, f"{encoding} on {found.content_type}"
        if found.content_type == "message/rfc822":
            found.parts = [check_message(body, utf8=utf8, eight_bit=eight_bit)]
    elif encoding == "base64":
        _base64(body)
    elif encoding == "quoted-printable":
        for line in body.split(b"\r\n"):
            assert len(line) <= 76, f"quoted-printable: {len(line)}"
            assert _QP_LINE.fullmatch(line), f"quoted-printable: {line!r}"
            assert not line.endswith((b" ", b"\t")), f"a blank at the end: {line!r}"
    elif encoding == "7bit":
        assert body.isascii(), "8-bit bytes in 7bit"
    else:
        assert encoding == "8bit", encoding
        assert eight_bit, "8bit that is not allowed"
    return found


def _fields(header: bytes, *, utf8: bool) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    lines = header.split(b"\r\n") if header else []
    unfolded: list[bytes] = []
    for line in lines:
        assert line.strip(), "a header line of blanks"
        if line[:1] in (b" ", b"\t"):
            assert unfolded, "the header begins with a fold"
            unfolded[-1] += line
        else:
            unfolded.append(line)
        if _ENCODED_WORD.search(line):
            assert len(line) <= 76, f"a line with encoded words has {len(line)}: {line!r}"
        for word in _ENCODED_WORD.findall(line):
            assert len(word) <= 75, f"an encoded word has {len(word)}"
    for line in unfolded:
        name, colon, value = line.partition(b":")
        assert colon, f"no field: {line!r}"
        assert _NAME.fullmatch(name), f"no field: {line!r}"
        assert utf8 or value.isascii(), f"not ASCII: {line!r}"
        assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value), f"a control: {line!r}"
        assert name.lower() not in ONCE or name.lower() not in fields, f"twice: {line!r}"
        fields[name.lower()] = value.strip()
    return fields


def _parameters(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _PARAMETER.match(text, position)
        assert match is not None, f"parameters: {text[position:]!r}"
        assert match[1].lower() not in found, f"parameter twice: {match[1]}"
        found[match[1].lower()] = match[2].strip('"')
        position = match.end()
    return found


def _multipart(found: Checked, body: bytes, *, utf8: bool, eight_bit: bool) -> None:
    boundary = found.parameters.get("boundary", "")
    assert _BOUNDARY.fullmatch(boundary), f"boundary {boundary!r}"
    delimiter = b"--" + boundary.encode()
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter)
    assert len(pieces) > 2, "no parts"
    assert pieces[0] == b"", "a preamble"
    assert pieces[-1].startswith(b"--"), "not closed"
    assert not pieces[-1][2:].strip(), "an epilogue"
    for piece in pieces[1:-1]:
        assert piece.startswith(b"\r\n"), f"behind the delimiter stands {piece[:20]!r}"
        found.parts.append(_entity(piece[2:], utf8=utf8, eight_bit=eight_bit))
    for part in found.parts:
        inner = part.parameters.get("boundary")
        assert inner is None or not inner.startswith(boundary), "boundaries that begin with each other"


def _base64(body: bytes) -> None:
    lines = body.split(b"\r\n")
    if lines and not lines[-1]:
        lines.pop()
    for line in lines[:-1]:
        assert len(line) == 76, f"base64: {len(line)}"
    assert all(len(line) <= 76 for line in lines)
    binascii.a2b_base64(b"".join(lines), strict_mode=True) if lines and lines[0] else None
