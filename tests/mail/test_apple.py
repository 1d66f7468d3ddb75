"""Files of the Macintosh (MS-OXCMAIL 2.2.3.4.2; RFC 1740, 1741)."""

import base64
import binascii
import struct

import pytest

from mapigw.mail.apple import AppleFile, parse_apple_file, parse_binhex
from mapigw.mail.names import ATTACHMENT_MAC_CONTENT_TYPE, ATTACHMENT_MAC_INFO
from mapigw.wire import tags
from mapigw.wire.message import Attachment
from tests.mail.mime import PLAIN, message_of, multipart

FINDER_INFO = b"TEXTttxt" + bytes.fromhex("0100 0010 0020 0000") + bytes(16)
# AppleDouble (RFC 1740 appendix B): magic, version 2, filler, 4 entries of id, offset and length; then the entries
DOUBLE = (
    bytes.fromhex("00051607 00020000") + bytes(16) + bytes.fromhex("0004")
    + bytes.fromhex("00000003 0000004A 0000000A")  # real name
    + bytes.fromhex("00000009 00000054 00000020")  # Finder information
    + bytes.fromhex("00000002 00000074 00000004")  # resource fork
    + bytes.fromhex("00000008 00000078 00000010")  # file dates
    + b"R\x8esum\x8e.txt" + FINDER_INFO + b"rsrc" + bytes.fromhex("00000000 00000001 80000000 80000000")
)  # fmt: skip


def attached(*entities: str) -> Attachment:
    (item,) = message_of(multipart("mixed", PLAIN, *entities)).attachments
    return item


def encoded(content_type: str, data: bytes, more: str = "") -> str:
    header = f"Content-Type: {content_type}\nContent-Transfer-Encoding: base64\n{more}"
    return f"{header}\n{base64.encodebytes(data).decode()}"


def check_macbinary(stream: bytes, name: bytes, data: bytes, resource: bytes) -> None:
    """The fields of a MacBinary III header where its specification has them."""
    assert (stream[0], stream[74], stream[82]) == (0, 0, 0)
    assert stream[1] == len(name)
    assert stream[2 : 2 + len(name)] == name
    assert stream[65:73] == b"TEXTttxt"
    assert struct.unpack_from(">II", stream, 83) == (len(data), len(resource))
    assert stream[102:106] == b"mBIN"
    assert (stream[122], stream[123]) == (130, 129)
    assert struct.unpack_from(">H", stream, 124)[0] == binascii.crc_hqx(stream[:124], 0)
    assert stream[128 : 128 + len(data)] == data
    begin = 128 + len(data) + -len(data) % 128
    assert stream[begin : begin + len(resource)] == resource
    assert len(stream) == begin + 128 * bool(resource)


def test_apple_double() -> None:
    item = attached(
        multipart("appledouble", encoded("application/applefile", DOUBLE), encoded("text/plain; name=a.txt", b"data"))
    )
    properties = item.properties
    assert properties[tags.PidTagAttachMimeTag] == "multipart/appledouble"
    assert properties[tags.PidTagAttachEncoding] == bytes.fromhex("2A864886F714030B01")
    assert properties[tags.PidTagAttachLongFilename] == "a.txt"
    assert properties[ATTACHMENT_MAC_CONTENT_TYPE] == "text/plain; name=a.txt"
    assert properties[ATTACHMENT_MAC_INFO] == DOUBLE
    check_macbinary(properties[tags.PidTagAttachDataBinary], b"R\x8esum\x8e.txt", b"data", b"rsrc")


def test_apple_single() -> None:
    single = bytes.fromhex("00051600 00020000") + bytes(16) + bytes.fromhex("0002")
    single += bytes.fromhex("00000001 00000032 00000004 00000003 00000036 00000005") + b"dataa.txt"
    item = attached(encoded("application/applefile", single))
    assert item.properties[tags.PidTagAttachLongFilename] == "a.txt"
    assert item.properties[tags.PidTagAttachEncoding] == bytes.fromhex("2A864886F714030B01")
    stream = item.properties[tags.PidTagAttachDataBinary]
    assert stream[128:132] == b"data"
    assert len(stream) == 256


def test_dates_and_names_of_a_header() -> None:
    file = parse_apple_file(DOUBLE)
    assert file is not None
    assert file.text_name == "Résumé.txt"
    assert file.created == 3_029_529_600  # 2000-01-01, in seconds since 1904
    assert file.modified == 3_029_529_601


@pytest.mark.parametrize("data", [b"", b"no apple", DOUBLE[:30], b"\0" * 40, DOUBLE[:24] + b"\xff\xff" + DOUBLE[26:]])
def test_what_is_no_apple_file_is_an_ordinary_one(data: bytes) -> None:
    assert parse_apple_file(data) is None
    item = attached(encoded("application/applefile; name=x.bin", data))
    assert item.properties[tags.PidTagAttachDataBinary] == data
    assert tags.PidTagAttachEncoding not in item.properties


ALPHABET = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr"


def binhex(name: bytes, data: bytes, resource: bytes) -> str:
    """RFC 1741 appendix A, with a run-length code for each byte 0x90 and for runs of more than three."""
    head = bytes((len(name),)) + name + b"\0TEXTttxt" + struct.pack(">HII", 0x0100, len(data), len(resource))
    plain = b"".join(block + struct.pack(">H", binascii.crc_hqx(block, 0)) for block in (head, data, resource))
    packed = bytearray()
    position = 0
    while position < len(plain):
        byte = plain[position]
        run = 1
        while run < 255 and plain[position + run : position + run + 1] == bytes((byte,)):
            run += 1
        packed += b"\x90\x00" if byte == 0x90 else bytes((byte,))
        if run > 3 and byte != 0x90:
            packed += bytes((0x90, run))
            position += run
        else:
            position += 1
    bits = "".join(f"{byte:08b}" for byte in packed)
    bits += "0" * (-len(bits) % 6)
    digits = "".join(ALPHABET[int(bits[start : start + 6], 2)] for start in range(0, len(bits), 6))
    lines = "\n".join(digits[start : start + 64] for start in range(0, len(digits), 64))
    return f"(This file must be converted with BinHex 4.0)\n:{lines}:\n"


BINHEX = binhex(b"a file.txt", b"data \x90\x90 " + b"=" * 300, b"rsrc")


def test_binhex() -> None:
    file = parse_binhex(BINHEX.encode())
    assert file == AppleFile(
        b"a file.txt", b"TEXTttxt\1\0" + bytes(22), 0, 0, b"data \x90\x90 " + b"=" * 300, b"rsrc"
    )  # fmt: skip


@pytest.mark.parametrize(
    "header",
    [
        "Content-Type: application/mac-binhex40",
        "Content-Type: application/mac-binhex40\nContent-Transfer-Encoding: 7bit",
        "Content-Type: application/octet-stream\nContent-Transfer-Encoding: mac-binhex40",
    ],
)
def test_of_binhex_the_data_fork_is_the_file(header: str) -> None:
    """MS-OXCMAIL 2.2.3.4.1.3: the file that other systems can open."""
    item = attached(f"{header}\n\n{BINHEX}")
    assert item.properties[tags.PidTagAttachLongFilename] == "a file.txt"
    assert item.properties[tags.PidTagAttachDataBinary] == b"data \x90\x90 " + b"=" * 300


@pytest.mark.parametrize(
    "text", ["", "no BinHex", BINHEX[:60], BINHEX.replace("converted", "x"), BINHEX[:60] + "!!!!" + BINHEX[64:]]
)
def test_broken_binhex_is_an_ordinary_file(text: str) -> None:
    assert parse_binhex(text.encode()) is None
    item = attached(f"Content-Type: application/mac-binhex40; name=x.hqx\n\n{text}")
    assert item.properties[tags.PidTagAttachLongFilename] == "x.hqx"
