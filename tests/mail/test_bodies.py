"""Which part is the text, and how it is kept (MS-OXCMAIL 2.2.3.3)."""

import pytest

from mapigw.mail.bodies import unflow
from mapigw.mail.mime import message_from_mime
from mapigw.wire import tags
from tests.mail.mime import HTML, IMAGE, PDF, PLAIN, message_of, multipart, names, text_message


def test_plain_text() -> None:
    properties = text_message("Content-Type: text/plain; charset=utf-8", "Grüße\n").properties
    assert properties[tags.PidTagBody] == "Grüße\r\n"
    assert properties[tags.PidTagNativeBody] == 1
    assert properties[tags.PidTagInternetCodepage] == 65001
    assert properties[tags.PidTagRtfInSync] is False
    assert tags.PidTagHtml not in properties


def test_html_stays_in_its_own_bytes() -> None:
    raw = b"Content-Type: text/html; charset=koi8-r\n\n<p>\xf0\xd2\xc9</p>"
    properties = message_from_mime(raw).properties
    assert properties[tags.PidTagHtml] == b"<p>\xf0\xd2\xc9</p>"
    assert properties[tags.PidTagInternetCodepage] == 20866
    assert properties[tags.PidTagMessageCodepage] == 1251
    assert properties[tags.PidTagNativeBody] == 3
    assert tags.PidTagBody not in properties


@pytest.mark.parametrize(
    ("label", "data", "code_page"),
    [
        ("", '<meta charset="koi8-r">\xf0'.encode("latin-1"), 20866),
        ("", "<p>ü".encode(), 65001),
        ("us-ascii", "<p>ü".encode("cp1252"), 1252),
        ("iso-8859-1", b"<p>", 28591),
    ],
)
def test_html_charset(label: str, data: bytes, code_page: int) -> None:
    raw = b"Content-Type: text/html" + (f"; charset={label}".encode() if label else b"") + b"\n\n" + data
    properties = message_from_mime(raw).properties
    assert properties[tags.PidTagHtml] == data
    assert properties[tags.PidTagInternetCodepage] == code_page


def test_html_in_a_charset_without_code_page_becomes_utf_8() -> None:
    raw = b"Content-Type: text/html; charset=utf-16\n\n" + "<p>ü</p>".encode("utf-16")
    properties = message_from_mime(raw).properties
    assert properties[tags.PidTagHtml] == "<p>ü</p>".encode()
    assert properties[tags.PidTagInternetCodepage] == 65001


@pytest.mark.parametrize(
    "entity",
    [
        multipart("alternative", PLAIN, HTML),
        multipart("alternative", HTML, PLAIN),
        multipart("mixed", multipart("alternative", PLAIN, HTML), PDF),
        multipart("mixed", multipart("related", multipart("alternative", PLAIN, HTML), IMAGE), PDF),
        multipart("alternative", PLAIN, multipart("related", HTML, IMAGE)),
        multipart("alternative", PLAIN, multipart("mixed", HTML, PDF)),
    ],
)
def test_both_forms_of_the_text(entity: str) -> None:
    properties = message_of(entity).properties
    assert properties[tags.PidTagBody] == "plain text"
    assert properties[tags.PidTagHtml] == b"<p>html text</p>"
    assert properties[tags.PidTagNativeBody] == 3


def test_first_text_is_the_body_and_the_second_is_attached() -> None:
    message = message_of(
        multipart("mixed", PLAIN, PLAIN.replace("plain", "second", 2).replace("text/second", "text/plain"))
    )
    assert message.properties[tags.PidTagBody] == "plain text"
    assert names(message) == ["ATT00001.txt"]
    assert message.attachments[0].properties[tags.PidTagAttachDataBinary] == b"second text"


def test_text_that_is_an_attachment_is_no_body() -> None:
    attached = PLAIN.replace("\n\n", "\nContent-Disposition: attachment; filename=notes.txt\n\n")
    message = message_of(multipart("mixed", attached, HTML))
    assert message.properties[tags.PidTagHtml] == b"<p>html text</p>"
    assert tags.PidTagBody not in message.properties
    assert names(message) == ["notes.txt"]


def test_mail_with_only_an_attachment_has_an_empty_body() -> None:
    message = message_of(PDF)
    assert message.properties[tags.PidTagBody] == ""
    assert names(message) == ["a.pdf"]


def test_empty_html_beside_text_does_not_show_an_empty_message() -> None:
    properties = message_of(multipart("alternative", PLAIN, "Content-Type: text/html\n\n \n")).properties
    assert properties[tags.PidTagNativeBody] == 1
    assert properties[tags.PidTagBody] == "plain text"


def test_files_and_calendars_among_alternatives_are_not_lost() -> None:
    message = message_of(multipart("alternative", PLAIN, HTML, "Content-Type: text/calendar\n\nBEGIN:VCALENDAR", PDF))
    assert names(message) == ["ATT00001.ics", "a.pdf"]


def test_multipart_whose_boundary_does_not_occur_is_text() -> None:
    properties = text_message("Content-Type: multipart/mixed; boundary=nowhere", "the text").properties
    assert properties[tags.PidTagBody] == "the text"


def test_multipart_without_its_last_boundary() -> None:
    message = message_of(multipart("mixed", PLAIN, PDF).removesuffix("--=mixed=--\n"))
    assert message.properties[tags.PidTagBody] == "plain text"
    assert names(message) == ["a.pdf"]


def test_inner_boundary_that_begins_like_the_outer_one() -> None:
    inner = multipart("alternative", PLAIN, HTML).replace("=alternative=", "=mixed=-2")
    message = message_of(multipart("mixed", inner, PDF))
    assert message.properties[tags.PidTagBody] == "plain text"
    assert names(message) == ["a.pdf"]


def test_nul_does_not_cut_the_text_short() -> None:
    assert text_message(body="before\0after").properties[tags.PidTagBody] == "beforeafter"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one \ntwo\nthree", "one two\nthree"),
        ("> a \n> b\nc", "> a b\nc"),
        ("> a \nc", "> a \nc"),  # the quote depth changes: no join
        (">> a \n>> b", ">> a b"),
        (" >not a quote", ">not a quote"),
        (" From x", "From x"),
        ("a \n-- \nsig", "a \n-- \nsig"),
        ("end ", "end "),
    ],
)
def test_flowed_text(text: str, expected: str) -> None:
    """RFC 3676."""
    assert unflow(text) == expected


def test_flowed_text_with_deleted_spaces() -> None:
    properties = text_message("Content-Type: text/plain; format=flowed; delsp=yes", "ab \ncd").properties
    assert properties[tags.PidTagBody] == "abcd"
