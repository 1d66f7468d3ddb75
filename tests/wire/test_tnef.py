from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.wire import tags
from mapigw.wire.errors import WireError
from mapigw.wire.message import Attachment, Message, Properties
from mapigw.wire.properties import NamedTag, PropertyName, PropertyType, filetime, property_tag
from mapigw.wire.tnef import MAC_BINARY, build_tnef, parse_tnef

FILES = Path(__file__).parents[2] / "fixtures" / "tnef"

# Pieces of the sample message of MS-OXTNEF 3.1, each with its published length and checksum.
HEADER = bytes.fromhex("789F3E22 0100")
VERSION = bytes.fromhex("01 06900800 04000000 00000100 0100")
CODE_PAGE = bytes.fromhex("01 07900600 08000000 E404000000000000 E800")
CLASS = bytes.fromhex("01 08800700 18000000") + b"IPM.Microsoft Mail.Note\0" + bytes.fromhex("3108")
PRIORITY = bytes.fromhex("01 0D800400 02000000 0200 0200")
SUBJECT = bytes.fromhex("01 04800100 0F000000") + b"Simple subject\0" + bytes.fromhex("7A05")
SENT = bytes.fromhex("01 05800300 0E000000 D40702001100 0B0019002300 0200 3701")


def test_the_sample_of_the_specification() -> None:
    found = parse_tnef(HEADER + VERSION + CODE_PAGE + CLASS + PRIORITY + SUBJECT + SENT)
    assert (found.legacy_key, found.code_page, found.errors) == (1, 1252, [])
    assert found.message.properties == {
        tags.PidTagMessageClass: "IPM.Note",
        tags.PidTagImportance: 1,
        tags.PidTagSubject: "Simple subject",
        tags.PidTagClientSubmitTime: filetime(datetime(2004, 2, 17, 11, 25, 35, tzinfo=UTC)),
    }


def test_what_is_written_begins_as_the_sample_does() -> None:
    assert build_tnef(Message({tags.PidTagMessageClass: "IPM.Note"})).startswith(HEADER + VERSION + CODE_PAGE + CLASS)


# (file, class, subject, attachments as (long or short name, bytes of data))
CORPUS: list[tuple[str, str, str | None, list[tuple[str, int]]]] = [
    ("IPM-DistList", "IPM.Note", None, [("Untitled Attachment", 0)]),
    ("body", "IPM.Note", "Bill of Rights", []),
    ("long-filename", "IPM.Note", "RE: license file", [("allproductsmar2000.dat", 279)]),
    ("one-file", "IPM.Note", "one-file", [("AUTHORS", 244)]),
    ("rtf", "IPM.Note", "", []),
    ("triples", "IPM.Appointment", "Sample Summary", []),
    ("two-files", "IPM.Note", "two files", [("AUTHORS", 244), ("README", 893)]),
    (
        "umlaut",
        "IPM.Note",
        None,
        [("TBZ PARIV GmbH.jpg", 44764), ("image003.jpg", 1001), ("UmlautAnhang-äüö.txt", 14)],
    ),
    (
        "unicode-mapi-attr-name",
        "IPM.Note",
        "RE: [ZGLOSZENIE] THU#29044 Aktualizacja numerów w dodatkowych panelach",
        [("spaconsole2.cfg", 8387), ("image001.png", 3815), ("image002.png", 3573), ("image003.png", 3792)],
    ),
    ("unicode-mapi-attr", "IPM.Note", "example", [("example.dat", 1024)]),
]


def test_the_corpus_is_complete() -> None:
    assert sorted(path.stem for path in FILES.glob("*.tnef")) == sorted(entry[0] for entry in CORPUS)


@pytest.mark.parametrize(("name", "message_class", "subject", "files"), CORPUS)
def test_files_of_other_writers(
    name: str, message_class: str, subject: str | None, files: list[tuple[str, int]]
) -> None:
    found = parse_tnef((FILES / f"{name}.tnef").read_bytes())
    properties = found.message.properties
    assert found.errors == []
    assert properties[tags.PidTagMessageClass] == message_class
    assert properties.get(tags.PidTagSubject) == subject
    assert [
        (
            attachment.properties.get(tags.PidTagAttachLongFilename)
            or attachment.properties[tags.PidTagAttachFilename],
            len(attachment.properties.get(tags.PidTagAttachDataBinary, b"")),
        )
        for attachment in found.message.attachments
    ] == files


@pytest.mark.parametrize("name", [entry[0] for entry in CORPUS])
def test_what_other_writers_wrote_is_written_and_read_again(name: str) -> None:
    message = parse_tnef((FILES / f"{name}.tnef").read_bytes()).message
    assert parse_tnef(build_tnef(message, with_recipients=True)).message == message


def test_an_attached_contact_list_is_a_message() -> None:
    (attachment,) = parse_tnef((FILES / "IPM-DistList.tnef").read_bytes()).message.attachments
    assert attachment.properties[tags.PidTagAttachMethod] == 5
    assert attachment.embedded is not None
    assert attachment.embedded.properties[tags.PidTagMessageClass] == "IPM.DistList"
    assert attachment.embedded.properties[tags.PidTagSubject] == "XXXXnews"


def test_a_sender_and_a_recipient() -> None:
    found = parse_tnef((FILES / "body.tnef").read_bytes())
    (recipient,) = found.message.recipients
    assert recipient[tags.PidTagRecipientType] in (1, 2, 3)
    assert "@" in recipient[tags.PidTagEmailAddress] or recipient[tags.PidTagDisplayName]


def attribute(level: int, number: int, value: bytes, checksum: int | None = None) -> bytes:
    total = sum(value) & 0xFFFF if checksum is None else checksum
    return (
        bytes([level])
        + number.to_bytes(4, "little")
        + len(value).to_bytes(4, "little")
        + value
        + total.to_bytes(2, "little")
    )


def test_a_wrong_checksum_is_no_reason_to_lose_anything() -> None:
    found = parse_tnef(HEADER + attribute(1, 0x00018004, b"Kept\0", checksum=0xDEAD))
    assert found.message.properties == {tags.PidTagSubject: "Kept"}
    assert found.errors == []


def test_the_legacy_attributes() -> None:
    person = b"\x06\x00Tom T\0\x10\x00SMTP:tom@bm.lan\0"
    stream = HEADER + b"".join(
        (
            attribute(1, 0x00069007, (1250).to_bytes(4, "little") + bytes(4)),
            attribute(1, 0x00078008, b"IPM.Microsoft Schedule.MtgReq\0"),
            attribute(1, 0x00008000, bytes.fromhex("0400 1C00 0400 1100") + b"\xe1nn\0SMTP:anna@bm.lan\0"),
            attribute(1, 0x00060000, person),
            attribute(1, 0x00018009, b"757BB19CDE936A4087D90BB784C58E3B\0"),
            attribute(1, 0x0002800C, b"text\0"),
            attribute(1, 0x0004800D, b"\1\0"),
            attribute(1, 0x00040009, b"\1\0"),
            attribute(1, 0x00040008, b"\x07\0\0\0"),
            attribute(2, 0x00069002, bytes.fromhex("0100 FFFFFFFF 0000 0000 01000000")),
            attribute(2, 0x00018010, b"A.TXT\0"),
            attribute(2, 0x0006800F, b"data"),
            attribute(2, 0x00038013, bytes.fromhex("D4070200110000000000000002 00")),
        )
    )
    found = parse_tnef(stream)
    assert found.errors == []
    assert found.message.properties == {
        tags.PidTagMessageClass: "IPM.Schedule.Meeting.Request",
        tags.PidTagSenderName: "ánn",
        tags.PidTagSenderAddressType: "SMTP",
        tags.PidTagSenderEmailAddress: "anna@bm.lan",
        tags.PidTagSentRepresentingName: "Tom T",
        tags.PidTagSentRepresentingAddressType: "SMTP",
        tags.PidTagSentRepresentingEmailAddress: "tom@bm.lan",
        tags.PidTagSearchKey: bytes.fromhex("757BB19CDE936A4087D90BB784C58E3B"),
        tags.PidTagBody: "text",
        tags.PidTagImportance: 2,
        tags.PidTagResponseRequested: True,
        tags.PidTagOwnerAppointmentId: 7,
    }
    (attachment,) = found.message.attachments
    assert attachment.properties == {
        tags.PidTagAttachMethod: 1,
        tags.PidTagRenderingPosition: -1,
        tags.PidTagAttachEncoding: MAC_BINARY,
        tags.PidTagAttachFilename: "A.TXT",
        tags.PidTagAttachDataBinary: b"data",
        tags.PidTagLastModificationTime: filetime(datetime(2004, 2, 17, tzinfo=UTC)),
    }


def test_properties_win_over_attributes_that_say_otherwise() -> None:
    listed = build_tnef(Message({tags.PidTagSubject: "property"}))
    found = parse_tnef(listed + attribute(1, 0x00018004, b"attribute\0"))
    assert found.message.properties[tags.PidTagSubject] == "property"


def test_what_is_no_stream() -> None:
    with pytest.raises(WireError, match="no TNEF signature"):
        parse_tnef(b"begin 644 x\n")
    with pytest.raises(WireError):
        parse_tnef(b"\x78\x9f")


def test_a_stream_that_breaks_off_gives_what_was_there() -> None:
    whole = (FILES / "two-files.tnef").read_bytes()
    found = parse_tnef(whole[:-700])
    assert found.message.properties[tags.PidTagSubject] == "two files"
    assert found.message.attachments[0].properties[tags.PidTagAttachDataBinary]
    for size in range(6, len(whole), 7):
        parse_tnef(whole[:size])


def test_one_bad_attribute_does_not_spoil_the_next() -> None:
    bad = attribute(1, 0x00069003, (0xFFFFFFFF).to_bytes(4, "little"))
    found = parse_tnef(HEADER + bad + attribute(2, 0x0006800F, b"no attachment yet") + SUBJECT)
    assert found.message.properties == {tags.PidTagSubject: "Simple subject"}
    assert len(found.errors) == 2


def test_nesting_without_end_stays_a_file() -> None:
    message = Message({tags.PidTagSubject: "inmost"})
    for _ in range(40):
        message = Message({}, [], [Attachment({tags.PidTagAttachMethod: 5}, message)])
    found = parse_tnef(build_tnef(message)).message
    depth = 0
    while found.attachments[0].embedded is not None:
        found = found.attachments[0].embedded
        depth += 1
    assert depth == 16
    assert found.attachments[0].properties[tags.PidTagAttachDataBinary].startswith(HEADER[:4])


@given(st.binary(max_size=400))
def test_no_bytes_do_any_harm(data: bytes) -> None:
    parse_tnef(HEADER + data)


@given(st.data())
def test_damage_anywhere_does_no_harm(data: st.DataObject) -> None:
    stream = bytearray((FILES / "triples.tnef").read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        stream[data.draw(st.integers(6, len(stream) - 1))] = data.draw(st.integers(0, 255))
    parse_tnef(bytes(stream))


TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20)
VALUES: dict[int, st.SearchStrategy[Any]] = {
    PropertyType.INTEGER16: st.integers(-(2**15), 2**15 - 1),
    PropertyType.INTEGER32: st.integers(-(2**31), 2**31 - 1),
    PropertyType.FLOATING64: st.floats(allow_nan=False),
    PropertyType.BOOLEAN: st.booleans(),
    PropertyType.INTEGER64: st.integers(-(2**63), 2**63 - 1),
    PropertyType.TIME: st.integers(0, 2**64 - 1),
    PropertyType.GUID: st.uuids(),
    PropertyType.STRING: TEXT,
    PropertyType.BINARY: st.binary(max_size=30),
}
PROPERTY_SET = UUID("00062002-0000-0000-c000-000000000046")


@st.composite
def properties(draw: st.DrawFn) -> Properties:
    found: Properties = {}
    for number in range(draw(st.integers(0, 6))):
        type_code = draw(st.sampled_from(sorted(VALUES)))
        value = draw(VALUES[type_code])
        if type_code != PropertyType.BOOLEAN and draw(st.booleans()):
            value, type_code = [value, draw(VALUES[type_code])], type_code | 0x1000
        if draw(st.booleans()):
            name = PropertyName(PROPERTY_SET, lid=0x8200 + number) if draw(st.booleans()) else None
            found[NamedTag(name or PropertyName(PROPERTY_SET, name=f"x{number}"), type_code)] = value
        else:
            found[property_tag(0x3000 + number, type_code)] = value
    return found


@given(properties(), st.lists(properties(), max_size=2), st.lists(properties(), max_size=2))
def test_everything_comes_back(own: Properties, recipients: list[Properties], files: list[Properties]) -> None:
    own[tags.PidTagMessageClass] = "IPM.Note"
    attachments = [
        Attachment({**values, tags.PidTagAttachMethod: 1, tags.PidTagRenderingPosition: -1}) for values in files
    ]
    message = Message(own, recipients, attachments)
    assert parse_tnef(build_tnef(message, with_recipients=True)).message == message


def test_recipients_stay_out_of_what_travels_in_a_mail() -> None:
    message = Message({tags.PidTagMessageClass: "IPM.Note"}, [{tags.PidTagEmailAddress: "secret@bm.lan"}])
    assert "secret".encode("utf-16-le") not in build_tnef(message)
