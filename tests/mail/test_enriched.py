"""text/enriched and text/richtext become HTML (MS-OXCMAIL 2.2.3.3.2.1)."""

import pytest

from mapigw.mail.enriched import enriched_to_html
from mapigw.wire import tags
from tests.mail.mime import HTML, PLAIN, message_of, multipart, text_message

# The example of RFC 1896, section 5 (shortened), and what it says is seen of it.
RFC_1896 = (
    "<bold>Now</bold> is the time for <italic>all</italic>\ngood men\n <smaller>(and <<women>)</smaller> to\n"
    "<ignoreme>come</ignoreme>\n\nto the aid of their\n\n\n<color><param>red</param>beloved</color>\ncountry."
)


def test_the_example_of_the_rfc() -> None:
    assert enriched_to_html(RFC_1896) == (
        "<html><body><b>Now</b> is the time for <i>all</i>\r\ngood men\r\n "
        '<span style="font-size:smaller">(and &lt;women&gt;)</span> to\r\n'
        'come<br>\r\nto the aid of their<br>\r\n<br>\r\n<span style="color:red">beloved</span>\r\ncountry.'
        "</body></html>"
    )


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<nofill>a\nb\n\nc</nofill>\nd", "a<br>\r\nb<br>\r\n<br>\r\nc\r\nd"),
        ("<color><param>FFFF,0000,8080</param>x</color>", '<span style="color:#FF0080">x</span>'),
        ("<fontfamily><param>Times</param>x</fontfamily>", '<span style="font-family:Times">x</span>'),
        ('<color><param>red" onload="evil()</param>x</color>', "x"),
        ("<bold><italic>x</bold>y", "<b><i>x</i></b>y"),
        ("</bold>x", "x"),
        ("a < b & c", "a &lt; b &amp; c"),
        ("<script>alert(1)</script>", "alert(1)"),
        ("<excerpt>said", "<blockquote>said</blockquote>"),
    ],
)
def test_commands(text: str, html: str) -> None:
    assert enriched_to_html(text) == f"<html><body>{html}</body></html>"


def test_richtext_breaks_lines_by_command() -> None:
    html = enriched_to_html("one\ntwo<nl>three<comment>hidden</comment><lt>", is_richtext=True)
    assert html == "<html><body>one two<br>\r\nthree&lt;</body></html>"


def test_enriched_mail_has_an_html_body() -> None:
    properties = text_message("Content-Type: text/enriched; charset=iso-8859-1", "<bold>Grüße</bold>").properties
    assert properties[tags.PidTagNativeBody] == 3
    assert properties[tags.PidTagHtml] == "<html><body><b>Grüße</b></body></html>".encode()
    assert properties[tags.PidTagInternetCodepage] == 65001


ENRICHED = "Content-Type: text/enriched\n\n<bold>rich</bold>"


@pytest.mark.parametrize("parts", [(PLAIN, ENRICHED, HTML), (PLAIN, HTML, ENRICHED), (ENRICHED, PLAIN, HTML)])
def test_html_is_preferred_to_enriched_text(parts: tuple[str, ...]) -> None:
    message = message_of(multipart("alternative", *parts))
    assert message.properties[tags.PidTagHtml] == b"<p>html text</p>"
    assert message.properties[tags.PidTagBody] == "plain text"
    assert message.attachments == []


def test_enriched_text_is_preferred_to_plain() -> None:
    message = message_of(multipart("alternative", PLAIN, ENRICHED))
    assert message.properties[tags.PidTagHtml] == b"<html><body><b>rich</b></body></html>"
    assert message.properties[tags.PidTagBody] == "plain text"
