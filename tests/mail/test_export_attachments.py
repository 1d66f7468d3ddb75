"""Attached files, pictures and messages as body parts."""

import base64
import struct
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from mapigw.mail.addresses import SENDER, recipient_properties
from mapigw.mail.apple import MACBINARY_ENCODING, parse_apple_file
from mapigw.mail.export.composing import ExportOptions
from mapigw.mail.mime import message_from_mime
from mapigw.mail.names import ATTACHMENT_MAC_INFO
from mapigw.wire import tags
from mapigw.wire.message import Attachment
from tests.mail.exported import BEN, CARA, SENT, again, exported, file, html_note, note, sent, structure

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


def test_files_are_mixed_with_the_text() -> None:
    message = note()
    message.attachments = [
        file("report.pdf", b"%PDF-1.4", PidTagAttachMimeTag="application/pdf", PidTagLastModificationTime=SENT),
        file("Übersicht.xlsx", bytes(1000)),
        file("notes.txt", b"a\nb\n", PidTagDisplayName="My notes"),
    ]
    mail = sent(message)
    assert structure(mail) == [
        "multipart/mixed",
        "text/plain",
        "application/pdf",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "text/plain",
    ]
    _text, pdf, sheet, notes = mail.iter_parts()
    assert pdf["Content-Disposition"].params["modification-date"] == "Tue, 16 Jan 2024 13:20:00 +0000"
    assert pdf["Content-Disposition"].params["size"] == "8"
    assert pdf.get_payload(decode=True) == b"%PDF-1.4"
    assert sheet.get_filename() == "Übersicht.xlsx"
    assert sheet.get_payload(decode=True) == bytes(1000)
    assert notes["Content-Description"] == "My notes"
    assert notes.get_content_disposition() == "attachment"


@pytest.mark.parametrize("declared", ["multipart/mixed", "message/rfc822", "nonsense", "a b/c", "x/y\r\nBcc: z", ""])
def test_a_file_has_no_type_that_would_change_the_tree(declared: str) -> None:
    message = note()
    message.attachments = [file("x.unknownextension", b"\xff\r\n--x", PidTagAttachMimeTag=declared)]
    assert structure(sent(message)) == ["multipart/mixed", "text/plain", "application/octet-stream"]


def test_types_of_messages_are_not_encoded() -> None:
    status = b"Reporting-MTA: dns; x\r\n\r\nAction: failed\r\n"
    message = note()
    message.attachments = [
        file("status.txt", status, PidTagAttachMimeTag="message/delivery-status"),
        file("status.txt", b"\xff", PidTagAttachMimeTag="message/delivery-status"),
    ]
    data = exported(message)
    assert b"Content-Type: message/delivery-status" in data
    assert status in data
    assert data.count(b"application/octet-stream") == 1


def test_pictures_that_the_html_shows_are_related_to_it() -> None:
    message = html_note(b'<img src="cid:logo@x"><img src="pic.png">')
    message.attachments = [
        file("logo.png", PNG, PidTagAttachContentId="logo@x", PidTagAttachMimeTag="image/png"),
        file("pic.png", PNG, PidTagAttachContentLocation="pic.png", PidTagAttachMimeTag="image/png"),
        file("other.png", PNG, PidTagAttachContentId="other@x", PidTagAttachMimeTag="image/png"),
    ]
    mail = sent(message)
    assert structure(mail) == [
        "multipart/mixed",
        ["multipart/related", ["multipart/alternative", "text/plain", "text/html"], "image/png", "image/png"],
        "image/png",
    ]
    related, other = mail.iter_parts()
    logo = list(related.iter_parts())[1]
    assert (logo["Content-ID"], logo.get_content_disposition()) == ("<logo@x>", "inline")
    assert logo.get_payload(decode=True) == PNG
    assert other.get_content_disposition() == "attachment"
    assert related["Content-Type"].params["type"] == "multipart/alternative"


def test_attached_messages_are_messages() -> None:
    inner = note({tags.PidTagSubject: "Inner"}, CARA)
    inner.recipients.append(recipient_properties(BEN, 3, 1))
    inner.attachments = [file("a.bin", b"\0\1")]
    outer = note()
    outer.attachments = [Attachment({tags.PidTagAttachMethod: 5, tags.PidTagDisplayName: "Inner: ä"}, inner)]
    mail = sent(outer, ExportOptions(message_id="<outer@x.test>", date=datetime(2025, 1, 1, tzinfo=UTC)))
    part = list(mail.iter_parts())[1]
    assert isinstance(part, EmailMessage)
    assert part.get_filename() == "Inner ä.eml"
    message = part.get_content()
    assert (message["Subject"], message["Message-ID"]) == ("Inner", "<1@one.test>")
    assert message["Date"] == "Tue, 16 Jan 2024 13:20:00 +0000"
    assert message["Bcc"] is None
    assert b"Bcc: Ben Brown <ben@two.test>" in exported(outer, ExportOptions(blind=None))
    assert b"Bcc" not in exported(outer, ExportOptions(blind=frozenset({"ben@two.test"})))
    assert structure(message) == ["multipart/mixed", "text/plain", "application/octet-stream"]


def test_messages_attached_too_deep_are_named() -> None:
    message = note({tags.PidTagSubject: "the deepest"})
    for _ in range(60):
        outer = note()
        outer.attachments = [Attachment({tags.PidTagAttachMethod: 5}, message)]
        message = outer
    assert exported(message).count(b"Content-Type: message/rfc822") == 33


def test_files_attached_by_reference_become_shortcuts() -> None:
    message = note()
    message.attachments = [
        Attachment(
            {
                tags.PidTagAttachMethod: 7,
                tags.PidTagAttachLongPathname: "https://cloud.test/doc\r\nX: y",
                tags.PidTagAttachLongFilename: "doc.docx",
            }
        ),
        Attachment({tags.PidTagAttachMethod: 4, tags.PidTagAttachLongPathname: r"\\server\share\file.txt"}),
    ]
    _text, web, share = sent(message).iter_parts()
    assert web.get_filename() == "doc.docx.url"
    assert web.get_payload(decode=True) == b"[InternetShortcut]\r\nURL=https://cloud.test/doc X: y\r\n"
    assert share.get_payload(decode=True) == b"[InternetShortcut]\r\nURL=file://server/share/file.txt\r\n"


def test_ole_objects_go_out_as_their_octets() -> None:
    message = note()
    message.attachments = [
        Attachment(
            {
                tags.PidTagAttachMethod: 6,
                tags.PidTagAttachDataObject: b"\xd0\xcf\x11\xe0",
                tags.PidTagDisplayName: "Object",
            }
        )
    ]
    part = list(sent(message).iter_parts())[1]
    assert part.get_payload(decode=True) == b"\xd0\xcf\x11\xe0"
    assert part.get_content_type() == "application/octet-stream"


def test_exceptions_of_recurrences_are_no_attachments() -> None:
    message = note()
    message.attachments = [Attachment({tags.PidTagAttachMethod: 5, tags.PidTagAttachmentFlags: 2}, note())]
    assert structure(sent(message)) == "text/plain"


def test_an_encoder_makes_tnef_for_those_who_are_configured_for_it() -> None:
    message = html_note(b"<p>x</p>")
    message.attachments = [file("a.bin", b"\0")]
    mail = sent(message, ExportOptions(tnef=lambda item, blobs: iter([b"TNEF", item.properties[tags.PidTagHtml]])))
    assert structure(mail) == ["multipart/mixed", "text/plain", "application/ms-tnef"]
    stream = list(mail.iter_parts())[1]
    assert stream.get_payload(decode=True) == b"TNEF<p>x</p>"
    assert stream.get_filename() == "winmail.dat"


def test_a_file_of_the_macintosh_comes_back_in_both_its_parts() -> None:
    resource = b"resource fork"
    entries = ((3, b"Report"), (9, bytes(range(32))), (2, resource))
    head = struct.pack(">II16xH", 0x00051607, 0x00020000, len(entries))
    offset = len(head) + 12 * len(entries)
    for kind, value in entries:
        head += struct.pack(">III", kind, offset, len(value))
        offset += len(value)
    apple = head + b"".join(value for _kind, value in entries)
    raw = (
        b"Content-Type: multipart/appledouble; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: application/applefile; name=Report\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(apple)
        + b"--b\r\nContent-Type: application/pdf; name=Report\r\n\r\n%PDF data\r\n--b--\r\n"
    )
    first = message_from_mime(
        b"From: a@x.test\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"
        b"--a\r\n\r\ntext\r\n--a\r\n" + raw + b"--a--\r\n"
    )
    (attachment,) = first.attachments
    for known in (True, False):
        if not known:
            del attachment.properties[ATTACHMENT_MAC_INFO]
        mail = sent(first)
        assert structure(mail) == [
            "multipart/mixed",
            "text/plain",
            ["multipart/appledouble", "application/applefile", "application/pdf"],
        ]
        header, data = list(mail.iter_parts())[1].iter_parts()
        assert data.get_payload(decode=True) == b"%PDF data"
        octets = header.get_payload(decode=True)
        assert isinstance(octets, bytes)
        file_of = parse_apple_file(octets)
        assert file_of is not None
        assert (file_of.name, file_of.resource) == (b"Report", resource)


def test_a_damaged_macbinary_stream_is_a_file() -> None:
    for data in (b"", bytes(128), bytes(200)):
        message = note()
        message.attachments = [file("a.bin", data, PidTagAttachEncoding=MACBINARY_ENCODING)]
        assert structure(sent(message)) == ["multipart/mixed", "text/plain", "application/octet-stream"]


def test_what_is_read_back_is_what_was_written() -> None:
    message = html_note(b'<img src="cid:logo@x">')
    message.attachments = [
        file("logo.png", PNG, PidTagAttachContentId="logo@x", PidTagAttachMimeTag="image/png"),
        file("Übersicht.xlsx", bytes(1000)),
    ]
    message.recipients.append(recipient_properties(CARA, 3, 1))
    back = again(message)
    for tag in (tags.PidTagSubject, tags.PidTagHtml, tags.PidTagBody, tags.PidTagClientSubmitTime, *SENDER):
        assert back.properties[tag] == message.properties[tag]
    assert [row[tags.PidTagSmtpAddress] for row in back.recipients] == [BEN.email, CARA.email]
    names = [item.properties[tags.PidTagAttachLongFilename] for item in back.attachments]
    assert names == ["logo.png", "Übersicht.xlsx"]
    assert back.attachments[0].properties[tags.PidTagAttachmentHidden] is True
    assert back.attachments[1].properties[tags.PidTagAttachDataBinary] == bytes(1000)
