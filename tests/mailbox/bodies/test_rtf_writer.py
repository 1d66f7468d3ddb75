from email import message_from_bytes
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.mailbox.bodies.html_text import decode_html
from mapigw.mailbox.bodies.rtf_forms import Origin, origin, rtf_to_html, rtf_to_text
from mapigw.mailbox.bodies.rtf_writer import html_to_rtf, text_to_rtf

MAIL = Path(__file__).parents[3] / "fixtures" / "mail"
HTML = (
    "<!DOCTYPE html>\r\n<html><head><title>T {x}</title>\r\n<style>p > a { margin: 0 }\r\n</style></head>\r\n<body>\r\n"
    '<p>Grüße \\ 😀 <b>bold {<i>both</b></i> <a href="http://x.y/?a=1&amp;b=2">here</a>&nbsp;&lt;\ttab</p>\r\n'
    "<ul><li>one\r\n  two<li>three</ul><!-- comment --><table><tr><td>1</td><td>2</td></tr></table>a<br>b"
    "<pre>  x\r\n  y</pre></body></html>\r\n"
)


def as_shown(rtf: bytes) -> str:
    """What a program that knows nothing of the encapsulation shows."""
    return rtf_to_text(rtf.replace(rb"\fromhtml1", b"").replace(rb"\fromtext", b""))


def test_html_comes_back_letter_for_letter() -> None:
    rtf = html_to_rtf(HTML)
    assert rtf.isascii()
    assert origin(rtf) is Origin.HTML
    assert rtf_to_html(rtf) == HTML


def test_rtf_shows_what_the_html_shows() -> None:
    assert as_shown(html_to_rtf(HTML)) == (
        "Grüße \\ 😀 bold {both here\xa0<\ttab\r\n•\tone two\r\n•\tthree\r\n1\t2\r\na\r\nb\r\n  x y\r\n"
    )


def test_links_are_fields() -> None:
    rtf = html_to_rtf("<p>see <a href='http://x.y/'>there</a></p>").replace(rb"\fromhtml1", b"")
    assert '<a href="http://x.y/"><span' in rtf_to_html(rtf)


def test_html_of_real_mail_comes_back() -> None:
    mails = [message_from_bytes(path.read_bytes()) for path in sorted(MAIL.rglob("*.eml"))]
    parts = [part for mail in mails for part in mail.walk() if part.get_content_type() == "text/html"]
    assert len(parts) > 20
    for part in parts:
        document = decode_html(bytes(part.get_payload(decode=True)), None).replace("\0", "")
        document = document.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
        assert rtf_to_html(html_to_rtf(document)) == document


MARKUP = st.lists(
    st.sampled_from(
        [
            "<p>",
            "</p>",
            "<b>",
            "</b>",
            "<a href=x>",
            "</a>",
            "<style>",
            "</style>",
            "<br>",
            "<li>",
            "<h1>",
            "</h1>",
            "\r\n",
        ]
    )
    | st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]), max_size=8),
    max_size=30,
).map("".join)


@given(MARKUP)
def test_any_html_comes_back(document: str) -> None:
    assert rtf_to_html(html_to_rtf(document)) == document


@given(st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]) | st.just("\n"), max_size=60))
def test_any_text_comes_back(text: str) -> None:
    text = text.replace("\n", "\r\n")
    rtf = text_to_rtf(text)
    assert rtf.isascii()
    assert origin(rtf) is Origin.TEXT
    assert rtf_to_text(rtf) == as_shown(rtf) == text


@pytest.mark.parametrize("unit", ["<b>", "<a href=x>", "</b>", "<p>", "&", "\n", "{", "<h1>", "<td>"])
def test_groups_are_balanced_whatever_is_open(unit: str) -> None:
    document = unit * 3000
    rtf = html_to_rtf(document)
    assert rtf.count(b"{") - rtf.count(b"\\{") == rtf.count(b"}") - rtf.count(b"\\}")
    assert rtf_to_html(rtf) == document.replace("\n", "\r\n")
