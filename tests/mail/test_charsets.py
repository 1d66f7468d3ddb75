"""Text in the character sets that mail is in, and in those it only says it is in."""

import pytest

from mapigw.mail.charsets import decode, find_charset, guess_text, html_charset_label


@pytest.mark.parametrize(
    ("label", "data", "text", "code_page"),
    [
        ("utf-8", "Grüße".encode(), "Grüße", 65001),
        ("UTF8", "Grüße".encode(), "Grüße", 65001),
        ("us-ascii", b"plain", "plain", 20127),
        ("", b"plain", "plain", 20127),
        ("iso-8859-1", b"Gr\xfc\xdfe", "Grüße", 28591),
        ('"ISO-8859-15"', b"\xa4", "€", 28605),
        ("windows-1252", b"\x80", "€", 1252),
        ("windows-1251", b"\xcf\xf0", "Пр", 1251),
        ("koi8-r", b"\xf0\xd2", "Пр", 20866),
        ("iso-2022-jp", b"\x1b$B%F%9%H\x1b(B", "テスト", 50220),
        ("shift_jis", b"\x83e\x83X\x83g", "テスト", 932),
        ("euc-jp", b"\xa5\xc6\xa5\xb9\xa5\xc8", "テスト", 51932),
        ("gb2312", b"\xd6\xd0\xce\xc4", "中文", 936),
        ("big5", b"\xa4\xa4\xa4\xe5", "中文", 950),
        ("ks_c_5601-1987", b"\xc7\xd1", "한", 949),
        ("euc-kr", b"\xc7\xd1", "한", 51949),
        ("iso-8859-8-i", b"\xf9", "ש", 28598),
        ("tis-620", b"\xa1", "ก", 874),
        ("macintosh", b"\x8a", "ä", 10000),
        ("cp-850", b"\x84", "ä", 850),
        ("windows-cp1252", b"\x80", "€", 1252),
    ],
)
def test_text_and_code_page(label: str, data: bytes, text: str, code_page: int) -> None:
    found, charset = decode(data, label)
    assert found == text
    assert charset.code_page == code_page


@pytest.mark.parametrize(
    ("label", "data", "text"),
    [
        ("iso-2022-jp", b"\x1b$B-!-j\x1b(B", "①㈱"),  # NEC's row 13, which Windows writes
        ("iso-2022-jp", b"\x1b(I1\x1b(B", "ｱ"),
        ("iso-2022-jp", b"\x1b$By!\x1b(B", "纊"),  # IBM's characters
        ("iso-2022-jp-2", b"\x1b$(C0!\x1b(B", "가"),
        ("iso-2022-jp-ms", b"\x1b$B%F\x1b(B", "テ"),
        ("cp50221", b"\x1b$@%F\x1b(J", "テ"),
        ("", b"\x1b$B%F\x1b(B", "テ"),
        ("iso-2022-jp", b"\x83e", "テ"),  # Shift_JIS
        ("shift_jis", b"\x87\x40", "①"),
        ("iso-2022-kr", b"\x1b$)C\x0eGQ\x0f", "한"),
        ("gb18030", b"\x81\x30\x81\x30", "\x80"),
        ("gbk", b"\xfe\x9f", "䶮"),
        ("hz-gb-2312", b"~{VPND~}", "中文"),
        ("big5", b"\x87\x40", "䏰"),  # Hong Kong's characters
        ("koi8-u", b"\xa4", "є"),
        ("windows-1256", b"\xe3", "م"),
        ("iso-8859-8-i", b"\xe0", "א"),
        ("cp866", b"\x8f", "П"),
        ("utf-7", b"+AOQ-", "ä"),
        ("unicode-1-1-utf-7", b"+AOQ-", "ä"),
        ("utf-16", b"\xff\xfea\0", "a"),
    ],
)
def test_variants_that_mail_is_in(label: str, data: bytes, text: str) -> None:
    assert decode(data, label)[0] == text


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("iso-8859-1", "Grüße"),
        ("windows-1252", "Grüße"),
        ("iso-8859-15", "ü"),
        ("koi8-r", "Привет, мир"),
        ("windows-1251", "Привет, мир"),
        ("gb2312", "这是一个很长的文本"),
        ("shift_jis", "これは長いテキストです"),
        ("euc-kr", "이것은 긴 텍스트입니다"),
    ],
)
def test_utf_8_that_is_called_something_else(label: str, text: str) -> None:
    found, charset = decode(text.encode(), label)
    assert (found, charset.code_page) == (text, 65001)


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("windows-1251", "Рё"),
        ("iso-8859-5", "аВ"),
        ("gb2312", "中文"),
        ("big5", "中文"),
        ("koi8-r", "Проверка"),
        ("iso-8859-1", "à la carte, Ångström, déjà"),
    ],
)
def test_other_text_is_not_taken_for_utf_8(label: str, text: str) -> None:
    charset = find_charset(label)
    assert charset is not None
    assert decode(text.encode(charset.codec), label)[0] == text


def test_text_called_latin_1_has_windows_quotes() -> None:
    assert decode(b"\x93so\x94", "iso-8859-1")[0] == "“so”"


@pytest.mark.parametrize("label", ["us-ascii", "", "x-unknown", "no-such-charset", "utf-16"])
def test_unlabelled_or_mislabelled_utf_8_is_recognized(label: str) -> None:
    text, charset = decode("Grüße".encode(), label)
    assert (text, charset.code_page) == ("Grüße", 65001)


@pytest.mark.parametrize("label", ["us-ascii", "", "utf-8", "no-such-charset"])
def test_unlabelled_8_bit_text_is_western(label: str) -> None:
    text, charset = decode(b"Gr\xfc\xdfe", label)
    assert (text, charset.code_page) == ("Grüße", 1252)


def test_one_broken_byte_does_not_turn_utf_8_into_latin_1() -> None:
    data = "Grüße, schöne Tür".encode() + b"\xff"
    assert decode(data, "utf-8") == ("Grüße, schöne Tür\ufffd", find_charset("utf-8"))


@pytest.mark.parametrize("label", ["base64", "rot13", "zip", "ümlaut", "a\0b", "idna" * 30])
def test_a_label_that_names_no_text_encoding_is_unknown(label: str) -> None:
    assert find_charset(label) is None
    assert decode(b"text", label)[0] == "text"


def test_utf_7_gives_no_unpaired_surrogate() -> None:
    decode(b"+2AA-", "utf-7")[0].encode("utf-8")


def test_charset_in_the_html_itself() -> None:
    assert html_charset_label(b'<html><META http-equiv="x" content="text/html; charset=koi8-r">') == "koi8-r"
    assert html_charset_label(b'<meta charset="utf-8">') == "utf-8"
    assert html_charset_label(b"<p>charset=utf-8") == ""


def test_header_bytes_without_a_label() -> None:
    assert guess_text("Grüße".encode(), "koi8-r") == "Grüße"
    assert guess_text(b"\xf0\xd2", "koi8-r") == "Пр"
    assert guess_text(b"Gr\xfc\xdfe") == "Grüße"
