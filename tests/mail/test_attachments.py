"""Attached files, images and messages (MS-OXCMAIL 2.2.3.4)."""

from datetime import UTC, datetime

import pytest

from mapigw.mail import parts
from mapigw.mail.attachments import legal_file_name, short_file_name
from mapigw.mail.mime import MAX_EMBEDDED, message_from_mime
from mapigw.wire import tags
from mapigw.wire.message import Message
from mapigw.wire.properties import from_filetime
from tests.mail.mime import HTML, IMAGE, PDF, PLAIN, message_of, multipart, names


def attached(header: str, body: str = "data") -> Message:
    return message_of(multipart("mixed", PLAIN, f"{header}\n\n{body}"))


def test_properties_of_a_file() -> None:
    (item,) = message_of(multipart("mixed", PLAIN, PDF)).attachments
    assert item.properties == {
        tags.PidTagAttachMethod: 1,
        tags.PidTagAttachSize: 4,
        tags.PidTagAttachLongFilename: "a.pdf",
        tags.PidTagAttachFilename: "a.pdf",
        tags.PidTagAttachExtension: ".pdf",
        tags.PidTagDisplayName: "a.pdf",
        tags.PidTagAttachMimeTag: "application/pdf",
        tags.PidTagRenderingPosition: 0xFFFFFFFF,
        tags.PidTagAttachFlags: 0,
        tags.PidTagAttachmentHidden: False,
        tags.PidTagAttachDataBinary: b"%PDF",
    }
    assert item.embedded is None


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("Content-Disposition: attachment; filename=a.txt\nContent-Type: text/plain; name=b.txt", "a.txt"),
        ("Content-Disposition: attachment\nContent-Type: text/plain; name=b.txt", "b.txt"),
        ("Content-Type: image/gif\nContent-Description: a map", "a map.gif"),
        ("Content-Type: image/gif", "ATT00001.gif"),
        ("Content-Type: no/such", "ATT00001.dat"),
        ('Content-Disposition: attachment; filename="=?iso-8859-1?q?=FC.txt?="', "ü.txt"),
        ("Content-Disposition: attachment; filename*=utf-8''%E2%82%AC.txt", "€.txt"),
        ('Content-Disposition: attachment; filename="ü.txt"', "ü.txt"),
        (r'Content-Disposition: attachment; filename="C:\\tmp\\a.txt"', "a.txt"),
        ('Content-Disposition: attachment; filename="../../etc/passwd"', "passwd.txt"),
        ('Content-Disposition: attachment; filename="a?b<c>.txt"', "abc.txt"),
        ('Content-Disposition: attachment; filename="???"', "ATT00001.txt"),
    ],
)
def test_file_name(header: str, name: str) -> None:
    if "Content-Type" not in header:
        header += "\nContent-Type: text/plain"
    assert names(attached(header)) == [name]


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("a.pdf", "a.pdf"),
        ("report.html", "report~1.htm"),
        ("A long report.pdf", "Alongr~1.pdf"),
        ("ü.pdf", "ATT~1.pdf"),
        ("no extension", "noexte~1"),
    ],
)
def test_short_file_name(name: str, short: str) -> None:
    assert short_file_name(name) == short


def test_overlong_name_keeps_its_extension() -> None:
    name = legal_file_name("a" * 1000 + ".pdf")
    assert len(name) == 250
    assert name.endswith("a.pdf")


@pytest.mark.parametrize(
    ("encoding", "body", "data"),
    [
        ("base64", "AAEC/w==", b"\0\1\2\xff"),
        ("BASE64", "AAEC/w", b"\0\1\2\xff"),
        ("quoted-printable", "a=3Db=\nc", b"a=bc"),
        ("quoted-printable;", "=41", b"A"),
        ("x-uuencode", "begin 644 a.bin\n#86)C\n \nend", b"abc"),
        ("7-bit", "abc", b"abc"),
        ("nonsense", "abc", b"abc"),
    ],
)
def test_transfer_encodings(encoding: str, body: str, data: bytes) -> None:
    message = attached(f"Content-Type: a/b\nContent-Transfer-Encoding: {encoding}", body)
    assert message.attachments[0].properties[tags.PidTagAttachDataBinary] == data


PICTURE = HTML.replace("html text", '<img src="cid:logo@x">')


def test_image_in_the_text_is_hidden_and_rendered() -> None:
    """MS-OXCMAIL 2.2.3.4.1.4.1."""
    (item,) = message_of(multipart("related", PICTURE, IMAGE)).attachments
    assert item.properties[tags.PidTagAttachContentId] == "logo@x"
    assert item.properties[tags.PidTagAttachFlags] == 4
    assert item.properties[tags.PidTagAttachmentHidden] is True


@pytest.mark.parametrize(
    "entity",
    [
        multipart("related", HTML, IMAGE),  # not referred to
        multipart("mixed", PICTURE, IMAGE),  # not related
        multipart("related", PICTURE, IMAGE.replace("image/png", "application/pdf")),
    ],
)
def test_what_the_text_does_not_show_stays_visible(entity: str) -> None:
    (item,) = message_of(entity).attachments
    assert item.properties[tags.PidTagAttachmentHidden] is False
    assert item.properties[tags.PidTagAttachFlags] == 0


def test_image_by_location() -> None:
    entity = multipart(
        "related",
        HTML.replace("html text", "<img src='http://x/logo.png'>"),
        IMAGE.replace("Content-ID: <logo@x>", "Content-Location: http://x/logo.png\nContent-Base: http://x/"),
    )
    (item,) = message_of(entity).attachments
    assert item.properties[tags.PidTagAttachContentLocation] == "http://x/logo.png"
    assert item.properties[tags.PidTagAttachContentBase] == "http://x/"
    assert item.properties[tags.PidTagAttachmentHidden] is True


def test_attached_message_is_embedded() -> None:
    message = attached("Content-Type: message/rfc822", f"To: a@b\nSubject: inner\n{multipart('related', PLAIN, PDF)}")
    (item,) = message.attachments
    assert item.properties[tags.PidTagAttachMethod] == 5
    assert item.properties[tags.PidTagDisplayName] == "inner"
    assert tags.PidTagAttachDataBinary not in item.properties
    embedded = item.embedded
    assert embedded is not None
    assert embedded.properties[tags.PidTagBody] == "plain text"
    assert embedded.properties[tags.PidTagMessageFlags] == 1
    assert len(embedded.recipients) == 1
    assert names(embedded) == ["a.pdf"]


def test_attached_message_in_base64_is_embedded_all_the_same() -> None:
    (item,) = attached(
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64", "U3ViamVjdDogaW5uZXIKCnRleHQ="
    ).attachments
    assert item.embedded is not None
    assert item.embedded.properties[tags.PidTagSubject] == "inner"


def test_attached_message_without_a_header_stays_a_file() -> None:
    (item,) = attached("Content-Type: message/rfc822", "").attachments
    assert item.embedded is None
    assert item.properties[tags.PidTagAttachLongFilename] == "ATT00001.eml"


def test_digest_parts_are_messages() -> None:
    message = message_of(multipart("digest", "\nSubject: one\n\n1", "\nSubject: two\n\n2"))
    assert [item.properties[tags.PidTagDisplayName] for item in message.attachments] == ["one", "two"]


def test_partial_messages_stay_files() -> None:
    assert names(message_of('Content-Type: message/partial; id="x"; number=1\n\nSubject: half')) == ["ATT00001.eml"]


def test_messages_attached_to_each_other_end_in_a_file() -> None:
    item = message_from_mime(b"Content-Type: message/rfc822\n\n" * 100 + b"Subject: end\n\n").attachments[0]
    depth = 0
    while item.embedded is not None:
        depth += 1
        item = item.embedded.attachments[0]
    assert depth == MAX_EMBEDDED
    assert item.properties[tags.PidTagAttachDataBinary].endswith(b"Subject: end\n\n")


def test_what_the_header_of_a_part_says() -> None:
    (item,) = attached(
        "Content-Type: text/plain; charset=koi8-r; name=a.txt\nX-Payload-Class: x.y\nX-Payload-Provider-Guid: 1234\n"
        'Content-Disposition: attachment; creation-date="Mon, 06 May 2019 14:58:31 +0000";\n'
        ' modification-date="Tue, 07 May 2019 14:58:31 +0000"'
    ).attachments
    properties = item.properties
    assert properties[tags.PidTagTextAttachmentCharset] == "koi8-r"
    assert properties[tags.PidTagAttachPayloadClass] == "x.y"
    assert properties[tags.PidTagAttachPayloadProviderGuidString] == "1234"
    created, modified = properties[tags.PidTagCreationTime], properties[tags.PidTagLastModificationTime]
    assert from_filetime(created) == datetime(2019, 5, 6, 14, 58, 31, tzinfo=UTC)
    assert from_filetime(modified) == datetime(2019, 5, 7, 14, 58, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("mode", "ending"), [("", ""), ("; mode=ascii", ";type=a"), ("; mode=image", ";type=i"), ("; mode=local8", "")]
)
def test_a_file_on_an_ftp_server_is_a_shortcut(mode: str, ending: str) -> None:
    """MS-OXCMAIL 2.2.3.5."""
    (item,) = attached(
        'Content-Type: message/external-body; access-type=anon-ftp; site="ftp.x.example";\n'
        f" directory=pub/docs; name=manual.ps{mode}"
    ).attachments
    assert item.properties[tags.PidTagAttachLongFilename] == "manual.url"
    assert item.properties[tags.PidTagAttachDataBinary] == (
        f"[InternetShortcut]\r\nURL=ftp://ftp.x.example/pub/docs/manual.ps{ending}\r\n".encode()
    )


def test_other_external_bodies_are_kept_whole() -> None:
    part = 'Content-Type: message/external-body; access-type=local-file; name="/tmp/x"\n\nContent-Type: a/b\n'
    (item,) = message_of(multipart("mixed", PLAIN, part)).attachments
    assert item.properties[tags.PidTagAttachDataBinary] == part.encode().rstrip(b"\n") + b"\n"


def test_pictures_of_every_sensible_tree() -> None:
    for tree in (
        multipart("related", PICTURE, IMAGE),
        multipart("related", multipart("alternative", PLAIN, PICTURE), IMAGE),
        multipart("alternative", PLAIN, multipart("related", PICTURE, IMAGE)),
        multipart("mixed", multipart("related", PICTURE, IMAGE), PDF),
        multipart("mixed", multipart("alternative", PLAIN, multipart("related", PICTURE, IMAGE)), PDF),
        multipart("related", PICTURE, multipart("mixed", IMAGE, PDF)),
    ):
        message = message_of(tree)
        picture = message.attachments[0].properties
        assert picture[tags.PidTagAttachmentHidden] is True, tree
        assert picture[tags.PidTagAttachContentId] == "logo@x"
        assert names(message)[1:] in ([], ["a.pdf"])


def test_root_of_a_related_multipart_by_its_id() -> None:
    entity = multipart("related", IMAGE, PICTURE.replace("\n\n", "\nContent-ID: <root>\n\n", 1))
    message = message_of(entity.replace("multipart/related;", 'multipart/related; start="<root>";'))
    assert b"<img" in message.properties[tags.PidTagHtml]
    (item,) = message.attachments
    assert item.properties[tags.PidTagAttachmentHidden] is True


def test_an_encoded_message_too_large_to_decode_stays_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MAX_DECODED_MESSAGE", 10)
    (item,) = attached(
        "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64", "U3ViamVjdDogaW5uZXIKCnRleHQ="
    ).attachments
    assert item.embedded is None
    assert item.properties[tags.PidTagAttachDataBinary] == b"Subject: inner\n\ntext"
