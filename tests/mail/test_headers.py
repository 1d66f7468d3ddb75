"""Header fields, encoded words and parameters."""

import email.header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapigw.mail.headers import Headers, decode_base64, decode_words, parse_parameters


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain", "plain"),
        ("=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?UTF-8?b?R3LDvMOfZQ==?=", "Grüße"),
        ("=?iso-8859-1?q?a_b?= c", "a b c"),
        ("x =?utf-8?q?y?= =?utf-8?q?z?= w", "x yz w"),  # blanks between encoded words vanish (RFC 2047 6.2)
        ("=?utf-8?q?y?= - =?utf-8?q?z?=", "y - z"),
        ("=?utf-8?b?w7w=?==?utf-8?b?w58=?=", "üß"),
        ("=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),  # a character split between words
        ("=?utf-8?q?a?= =?iso-8859-1?q?=FC?=", "aü"),
        ("=?utf-8?Q?What??=", "What?"),
        ("=?utf-8*de?q?a?=", "a"),  # RFC 2231 5
        ("=?utf-8?b?w7w?=", "ü"),  # padding missing
        ("=?utf-8?b??=", ""),
        ("=?no-such?q?a=FC?=", "aü"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?utf-8?q?a", "=?utf-8?q?a"),
        ("a=?b", "a=?b"),
        ("pre=?utf-8?q?fix?=ed", "prefixed"),
    ],
)
def test_encoded_words(value: str, text: str) -> None:
    assert decode_words(value) == text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), max_size=80))
def test_words_that_the_email_package_encodes(text: str) -> None:
    encoded = email.header.Header(f"{text}ü", charset="utf-8").encode()
    assert "".join(decode_words(encoded.replace("\n", "")).split()) == f"{text}ü"


@given(st.text(max_size=200))
def test_decode_words_never_raises(value: str) -> None:
    decode_words(value)
    decode_words(f"=?utf-8?b?{value}?= =?utf-7?q?{value}?=")


def test_unfolding_and_case() -> None:
    headers = Headers(b"Subject: one\r\n two\r\n\tthree\r\nTO : a@b\r\n\r\nbody")
    assert headers.first("subject") == "one two\tthree"
    assert headers.text("subject") == "one two three"
    assert headers.first("to") == "a@b"
    assert headers.size == len(b"Subject: one\r\n two\r\n\tthree\r\nTO : a@b\r\n\r\n")


def test_a_line_that_is_no_field_does_not_end_the_header() -> None:
    headers = Headers(b"To: a@b,\nc@d\nSubject: x\n\nbody")
    assert headers.first("to") == "a@b, c@d"
    assert headers.first("subject") == "x"


def test_body_without_the_blank_line() -> None:
    data = b"Subject: x\nthis is the body\nmore\n"
    headers = Headers(data)
    assert data[headers.size :] == b"this is the body\nmore\n"


def test_from_line_of_an_mbox_is_skipped() -> None:
    headers = Headers(b"From a@b Mon Jan  1 00:00:00 2001\nSubject: x\n\n")
    assert headers.first("subject") == "x"
    assert headers.transport_text() == "Subject: x\r\n"


def test_eight_bit_header_is_read_in_the_charset_of_the_text() -> None:
    headers = Headers(b"Subject: \xf0\xd2\n\n")
    assert headers.text("subject") == "ðÒ"
    headers.label = "koi8-r"
    assert headers.text("subject") == "Пр"


def test_reserved_headers_are_not_in_the_transport_headers() -> None:
    headers = Headers(
        b"A: 1\nX-MS-Exchange-Organization-SCL: 5\n folded\nB: 2\nX-MS-Exchange-Forest-X: y\nX-MS-Exchange-Other: z\n\n"
    )
    assert headers.transport_text() == "A: 1\r\nB: 2\r\nX-MS-Exchange-Other: z\r\n"


@pytest.mark.parametrize(
    ("value", "parameters"),
    [
        ("a/b; name=x.txt", {"name": "x.txt"}),
        ('a/b;name="x y;z.txt"; charset=utf-8', {"name": "x y;z.txt", "charset": "utf-8"}),
        (r'a/b; name="a\"b.txt"', {"name": 'a"b.txt'}),
        ("a/b; name=This is a test.txt", {"name": "This is a test.txt"}),
        ("a/b; name*=utf-8''%C3%BC%20x.txt", {"name": "ü x.txt"}),
        ("a/b; name*0=long; name*1=-name.txt", {"name": "long-name.txt"}),
        ("a/b; name*1*=%BC.txt; name*0*=utf-8'de'%C3", {"name": "ü.txt"}),
        ("a/b; name*0*=iso-8859-1''%FC; name*1=\"%20.txt\"", {"name": "ü%20.txt"}),
        ('a/b; name="=?utf-8?q?=C3=BC.txt?="', {"name": "ü.txt"}),
        ("a/b; name==?utf-8?q?=C3=BC.txt?=", {"name": "ü.txt"}),
        ("a/b; name=old.txt; name*=utf-8''new.txt", {"name": "new.txt"}),
        ('a/b; name="unclosed', {"name": "unclosed"}),
        ("a/b;;; name = x", {"name": "x"}),
        ("a/b; novalue; name=x", {"name": "x"}),
        ("a/b", {}),
    ],
)
def test_parameters(value: str, parameters: dict[str, str]) -> None:
    assert parse_parameters(value) == ("a/b", parameters)


@given(st.text(max_size=200))
def test_parse_parameters_never_raises(value: str) -> None:
    parse_parameters(value)
    parse_parameters(f"a/b; name*0*={value}; name*{value}=x")


@pytest.mark.parametrize(
    ("data", "decoded"),
    [(b"YWJj", b"abc"), (b"YWI", b"ab"), (b"Y!W\nJj", b"abc"), (b"YWJjZ", b"abc"), (b"", b""), (b"!", b"")],
)
def test_base64_as_far_as_it_goes(data: bytes, decoded: bytes) -> None:
    assert decode_base64(data) == decoded
