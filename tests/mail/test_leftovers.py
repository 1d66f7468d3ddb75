"""Files in plain text: uuencode and yEnc."""

import binascii
import zlib

import pytest

from mapigw.mail.decoding import LINE_MAXIMUM
from mapigw.mail.mime import message_from_mime
from mapigw.wire import tags
from tests.mail.mime import names, text_message

DATA = bytes(range(256)) * 3
UU = "begin 644 all bytes.bin\n{}`\nend\n".format(
    "".join(binascii.b2a_uu(DATA[start : start + 45]).decode() for start in range(0, len(DATA), 45))
)


def test_uuencoded_file_becomes_an_attachment() -> None:
    message = text_message(body=f"see below\n\n{UU}\nregards\n")
    assert message.properties[tags.PidTagBody] == "see below\r\n\r\n\r\nregards\r\n"
    assert names(message) == ["all bytes.bin"]
    assert message.attachments[0].properties[tags.PidTagAttachDataBinary] == DATA


def test_several_files_at_once() -> None:
    message = text_message(body=UU + UU.replace("all bytes", "again") + "text")
    assert names(message) == ["all bytes.bin", "again.bin"]
    assert message.properties[tags.PidTagBody] == "text"


def test_in_quoted_printable_too() -> None:
    body = binascii.b2a_qp(UU.encode()).decode()
    message = text_message("Content-Transfer-Encoding: quoted-printable", body)
    assert message.attachments[0].properties[tags.PidTagAttachDataBinary] == DATA


def yenc(data: bytes) -> bytes:
    """As the yEnc draft 1.3 has it; one line."""
    out = bytearray()
    for byte in data:
        code = (byte + 42) & 0xFF
        out += bytes((ord("="), (code + 64) & 0xFF)) if code in b"\0\n\r=" else bytes((code,))
    head = f"=ybegin line=128 size={len(data)} name=all.bin\r\n".encode()
    return head + out + f"\r\n=yend size={len(data)} crc32={zlib.crc32(data):08x}\r\n".encode()


def test_yenc_file_becomes_an_attachment() -> None:
    data = DATA[:100]
    message = message_from_mime(b"Subject: x\r\n\r\nsee below\r\n" + yenc(data) + b"bye\r\n")
    assert message.properties[tags.PidTagBody] == "see below\r\nbye\r\n"
    assert names(message) == ["all.bin"]
    assert message.attachments[0].properties[tags.PidTagAttachDataBinary] == data


def test_the_published_yenc_escape() -> None:
    """yEnc draft 1.3: the byte 0x13, whose code is "=", is written as "=" and that code and 64."""
    raw = b"\n\n=ybegin line=128 size=2 name=x\n=}*\n=yend size=2\n"
    (item,) = message_from_mime(raw).attachments
    assert item.properties[tags.PidTagAttachDataBinary] == b"\x13\0"


def test_a_part_of_a_file_is_numbered() -> None:
    raw = b"\n\n=ybegin part=2 line=128 size=9 name=x.rar\n=ypart begin=4 end=6\n*+,\n=yend size=3\n"
    assert names(message_from_mime(raw)) == ["x.rar.002"]


@pytest.mark.parametrize(
    "body",
    [
        "begin 644 the story\nwith a line of prose, and no end to it\n",
        "begin 644 x\n#86)C\nno end\n",
        "  begin 644 x\n#86)C\n`\nend\n",
        "> begin 644 x\n> #86)C\n> `\n> end\n",
        "=ybegin line=128\nno end\n",
    ],
)
def test_prose_stays_prose(body: str) -> None:
    message = text_message(body=body)
    assert message.attachments == []
    assert message.properties[tags.PidTagBody] == body.replace("\n", "\r\n")


def test_a_line_without_end_is_cut() -> None:
    line = "M" * (3 * LINE_MAXIMUM)
    (item,) = text_message(body=f"begin 644 x\n#86)C\n{line}\nend\n").attachments
    assert item.properties[tags.PidTagAttachDataBinary].startswith(b"abc")
