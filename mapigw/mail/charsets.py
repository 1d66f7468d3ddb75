"""Character sets of Internet mail: decoding that always gives a text, and Windows code pages (MS-OXCMAIL 2.2.3.3.4).

Labels are read as mail programs mean them rather than as registered: "us-ascii" and "iso-8859-1" with bytes 0x80-0x9F
are windows-1252, "gb2312" is GB18030, "shift_jis" is code page 932, as in the WHATWG Encoding Standard.
"""

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

UTF8_CODE_PAGE: Final = 65001
ASCII_CODE_PAGE: Final = 20127


@dataclass(frozen=True, slots=True)
class Charset:
    """A character set: the codec that reads it, its Internet code page, and the Windows code page of its letters.

    ``code_page`` is 0 where Windows has none; text in such a set is carried as UTF-8.
    """

    codec: str
    code_page: int
    windows_code_page: int


# Python's canonical codec name: codec to read with, PidTagInternetCodepage, PidTagMessageCodepage
_CHARSETS: Final[dict[str, tuple[str, int, int]]] = {
    "ascii": ("cp1252", ASCII_CODE_PAGE, 1252),
    "utf-8": ("utf-8", UTF8_CODE_PAGE, UTF8_CODE_PAGE),
    "utf-7": ("utf-7", 65000, UTF8_CODE_PAGE),
    "utf-16": ("utf-16", 0, UTF8_CODE_PAGE),
    "utf-16-le": ("utf-16-le", 0, UTF8_CODE_PAGE),
    "utf-16-be": ("utf-16-be", 0, UTF8_CODE_PAGE),
    "utf-32": ("utf-32", 0, UTF8_CODE_PAGE),
    "iso8859-1": ("cp1252", 28591, 1252),
    "iso8859-2": ("iso8859-2", 28592, 1250),
    "iso8859-3": ("iso8859-3", 28593, 1254),
    "iso8859-4": ("iso8859-4", 28594, 1257),
    "iso8859-5": ("iso8859-5", 28595, 1251),
    "iso8859-6": ("iso8859-6", 28596, 1256),
    "iso8859-7": ("iso8859-7", 28597, 1253),
    "iso8859-8": ("iso8859-8", 28598, 1255),
    "iso8859-9": ("cp1254", 28599, 1254),
    "iso8859-13": ("iso8859-13", 28603, 1257),
    "iso8859-15": ("iso8859-15", 28605, 1252),
    "cp1250": ("cp1250", 1250, 1250),
    "cp1251": ("cp1251", 1251, 1251),
    "cp1252": ("cp1252", 1252, 1252),
    "cp1253": ("cp1253", 1253, 1253),
    "cp1254": ("cp1254", 1254, 1254),
    "cp1255": ("cp1255", 1255, 1255),
    "cp1256": ("cp1256", 1256, 1256),
    "cp1257": ("cp1257", 1257, 1257),
    "cp1258": ("cp1258", 1258, 1258),
    "tis-620": ("cp874", 874, 874),
    "iso8859-11": ("cp874", 874, 874),
    "cp874": ("cp874", 874, 874),
    "koi8-r": ("koi8-r", 20866, 1251),
    "koi8-u": ("koi8-u", 21866, 1251),
    "shift_jis": ("cp932", 932, 932),
    "cp932": ("cp932", 932, 932),
    "iso2022_jp": ("iso2022_jp_ext", 50220, 932),
    "iso2022_jp_1": ("iso2022_jp_ext", 50220, 932),
    "iso2022_jp_2": ("iso2022_jp_2", 50220, 932),
    "iso2022_jp_ext": ("iso2022_jp_ext", 50220, 932),
    "euc_jp": ("euc_jp", 51932, 932),
    "gb2312": ("gb18030", 936, 936),
    "gbk": ("gb18030", 936, 936),
    "gb18030": ("gb18030", 54936, 936),
    "hz": ("hz", 52936, 936),
    "big5": ("cp950", 950, 950),
    "cp950": ("cp950", 950, 950),
    "big5hkscs": ("big5hkscs", 950, 950),
    "euc_kr": ("cp949", 51949, 949),
    "cp949": ("cp949", 949, 949),
    "iso2022_kr": ("iso2022_kr", 50225, 949),
    "cp437": ("cp437", 437, 1252),
    "cp850": ("cp850", 850, 1252),
    "cp852": ("cp852", 852, 1250),
    "cp866": ("cp866", 866, 1251),
    "mac-roman": ("mac-roman", 10000, 1252),
    "mac-cyrillic": ("mac-cyrillic", 10007, 1251),
}

# Labels that Python does not know or reads as something else.
_LABELS: Final = {
    "ansi_x3.110-1983": "ascii",
    "default": "cp1252",
    "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8",
    "iso-8859-6-i": "iso8859-6",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "ksc_5601": "cp949",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "x-gbk": "gbk",
    "gb_2312-80": "gb2312",
    "x-euc-jp": "euc_jp",
    "x-big5": "big5",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
    "unicode-1-1-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8",
    "x-unknown": "ascii",
    "unknown-8bit": "ascii",
}

# Codecs for text without a code page of their own here. Python has more codecs, which are not for text or not for mail.
_OTHER_CODECS: Final = re.compile(
    r"cp\d|iso8859|iso2022|mac|euc_|shift_jis|utf-(?:16|32)|gb|kz1048|ptcp154|johab|hp-roman8"
)

_ASCII: Final = Charset(*_CHARSETS["ascii"])
_UTF8: Final = Charset(*_CHARSETS["utf-8"])
_WESTERN: Final = Charset(*_CHARSETS["cp1252"])


@lru_cache(maxsize=512)
def find_charset(label: str) -> Charset | None:
    """The character set of a MIME label, any case; None when it is not known."""
    name = label.strip().strip("\"'").lower()
    name = _LABELS.get(name, name)
    if not name.isascii() or "\0" in name:
        return None
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        # "cp-850", "windows-cp1252" and their like
        number = re.fullmatch(r"(?:windows|ibm|x-windows|x-cp|cp|ms)?-?(?:cp)?-?(\d{3,5})", name)
        return find_charset(f"cp{number[1]}") if number and name != f"cp{number[1]}" else None
    entry = _CHARSETS.get(info.name)
    if entry is not None:
        return Charset(*entry)
    return Charset(info.name, 0, UTF8_CODE_PAGE) if _OTHER_CODECS.match(info.name) else None


def decode(data: bytes, label: str) -> tuple[str, Charset]:
    """Text of ``data`` and the character set it turned out to be in.

    An unknown or missing label, and one that the bytes contradict, give way to UTF-8 if the bytes are UTF-8, else to
    windows-1252. What still does not fit becomes U+FFFD. Never fails.
    """
    charset = find_charset(label) if label else None
    if data.isascii() and (charset is None or charset.codec in ("cp1252", "utf-8")):
        return data.decode("ascii"), charset or _ASCII
    if charset is not None and charset != _ASCII:
        try:
            return _without_surrogates(data.decode(charset.codec), charset), charset
        except UnicodeError:
            pass
    if charset is None or not data.isascii():
        text = data.decode("utf-8", "replace")
        broken = text.count("\ufffd")
        if not broken:
            return text, _UTF8
        if charset == _UTF8 and 2 * broken < sum(character > "\x7f" for character in text):
            return text, _UTF8  # UTF-8 with a few broken bytes, rather than something else called UTF-8
    if charset in (None, _ASCII, _UTF8):
        charset = _WESTERN
    return _without_surrogates(data.decode(charset.codec, "replace"), charset), charset


def _without_surrogates(text: str, charset: Charset) -> str:
    """UTF-7 is the one codec here that lets unpaired surrogates through, which no database takes."""
    if charset.codec != "utf-7":
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


_META_CHARSET: Final = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_:.-]{2,40})""", re.IGNORECASE)
_HTML_HEAD: Final = 2048


def html_charset_label(data: bytes) -> str:
    """The label in an HTML document's own ``meta`` element, or ""."""
    found = _META_CHARSET.search(data, 0, _HTML_HEAD)
    return found[1].decode("ascii") if found else ""


def guess_text(data: bytes, label: str = "") -> str:
    """Text of header bytes that carry no label: UTF-8, else ``label``, else windows-1252."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        pass
    charset = find_charset(label) if label else None
    if charset is not None and charset != _UTF8:
        try:
            return data.decode(charset.codec)
        except UnicodeError:
            pass
    return data.decode("cp1252", "replace")
