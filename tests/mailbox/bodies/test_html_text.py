import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.mailbox.bodies.html_text import (
    Kind,
    attributes,
    decode_html,
    encode_html,
    html_to_text,
    text_to_html,
    tokens,
)

MARKUP = st.lists(
    st.sampled_from(
        ["<", ">", "</", "<!--", "-->", '"', "'", "=", " ", "a", "p", "script", "style", "&amp;", "&#0;", "İ"]
    )
).map("".join)


@given(MARKUP)
def test_the_tokens_are_the_document(document: str) -> None:
    assert "".join(token.source for token in tokens(document)) == document
    html_to_text(document)


@pytest.mark.parametrize(
    ("document", "kinds"),
    [
        ("a<b>c</b>", [Kind.TEXT, Kind.START, Kind.TEXT, Kind.END]),
        ('<img alt="a > b">x', [Kind.START, Kind.TEXT]),
        ("<p title='never closed>x", [Kind.START, Kind.TEXT]),
        ("<!DOCTYPE html><!-- <p> --><?xml?>", [Kind.OTHER] * 3),
        ("1 < 2 and 3 <4", [Kind.TEXT]),
        ("<style>a > b { } <p> </STYLE>x", [Kind.START, Kind.TEXT, Kind.END, Kind.TEXT]),
        ("<!--never closed> x", [Kind.OTHER, Kind.TEXT]),
    ],
)
def test_tokens(document: str, kinds: list[Kind]) -> None:
    assert [token.kind for token in tokens(document)] == kinds


def test_attributes() -> None:
    assert attributes('<A HREF=http://x.y/?a=1&amp;b=2 title=\'"\' Alt="x" checked>') == {
        "href": "http://x.y/?a=1&b=2",
        "title": '"',
        "alt": "x",
    }


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("", ""),
        ("just text", "just text\r\n"),
        (
            "<html><head><title>T</title><style>p{}</style></head><body>\n <p>one\n two</p>\n<p>three</p></body>",
            "one two\r\n\r\nthree\r\n",
        ),
        ("<p>a<br>b<br><br>c</p>", "a\r\nb\r\n\r\nc\r\n"),
        ("<div>a</div><div>b</div>", "a\r\nb\r\n"),
        ("<p>x&nbsp;&amp;&nbsp;&#8364; <b> y </b> z", "x & € y z\r\n"),
        ("<ul><li>one<li><p>two</p></ul>after", "  * one\r\n  * two\r\n\r\nafter\r\n"),
        ("<table><tr><td>1</td><td>2</td></tr><tr><td>3</td></tr></table>", "1\t2\r\n3\r\n"),
        ("<pre>a\n  b\n</pre>c", "a\r\n  b\r\n\r\nc\r\n"),
        ('<a href="http://x.y/">here</a>.', "here <http://x.y/>.\r\n"),
        (
            '<a href="http://x.y/">http://x.y/</a> <a href="mailto:a@b.c">a@b.c</a> <a href="#top">up</a>',
            "http://x.y/ a@b.c up\r\n",
        ),
        ('<img src="cid:1" alt="A  picture"><img src="cid:2">', "[A picture]\r\n"),
        ("<script>if (a<b) { '</p>' }</script>x<hr>y", "x\r\n" + "_" * 32 + "\r\ny\r\n"),
        ("<head><style>unclosed head</style><body>seen", "seen\r\n"),
        ("<script src='x'/>seen", "seen\r\n"),
    ],
)
def test_html_to_text(document: str, text: str) -> None:
    assert html_to_text(document) == text


def test_text_to_html_shows_the_text_again() -> None:
    text = 'Hello  world <b> & "x"\r\n\r\n  indented\r\nhttp://example.org/a?b=1&c=2.\r\n'
    document = text_to_html(text)
    assert '<a href="http://example.org/a?b=1&amp;c=2">' in document
    assert html_to_text(document) == text


def test_code_pages() -> None:
    assert decode_html("é".encode("cp1252"), 1252) == "é"
    assert decode_html("é".encode("cp1252"), None) == "é"
    assert decode_html("é".encode(), None) == "é"
    assert decode_html("é".encode(), 20127) == "é"  # what claims to be ASCII
    assert decode_html("жé".encode("cp1251", "replace"), 1251) == "ж?"
    assert decode_html(b"x", 123456) == "x"
    assert encode_html("é ж \ud800", 1252) == b"\xe9 &#1078; &#65533;"
    assert encode_html("é", None) == b"&#233;"
    assert encode_html("é", 65001) == "é".encode()
    assert encode_html("é", 123456) == b"&#233;"


@pytest.mark.parametrize(
    "unit", ["<", "<a '>", '<a "', "<!--", "<style>", "<b>", "<a href='", "&#", "<p><a href=x>", "<td>", "<pre>\n"]
)
def test_hostile_documents_take_linear_time(unit: str) -> None:
    document = unit * (400_000 // len(unit))
    started = time.process_time()
    html_to_text(document)
    assert time.process_time() - started < 5
