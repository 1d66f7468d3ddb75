"""Character sets of Internet mail: decoding that always gives a text, and Windows code pages (MS-OXCMAIL 2.2.3.3.4).

Labels are read as mail programs mean them rather than as registered: "us-ascii" and "iso-8859-1" with bytes 0x80-0x9F
are windows-1252, "gb2312" is GB18030, "shift_jis" is code page 932, as in the WHATWG Encoding Standard.
"""

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
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
    "utf-7": ("utf-7", 0, UTF8_CODE_PAGE),  # Windows has one, but no browser shows such HTML any more
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
    "iso2022_jp_3": ("iso2022_jp_3", 50220, 932),
    "iso2022_jp_2004": ("iso2022_jp_2004", 50220, 932),
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
    "johab": ("johab", 1361, 949),
    "cp437": ("cp437", 437, 1252),
    "cp737": ("cp737", 737, 1253),
    "cp775": ("cp775", 775, 1257),
    "cp850": ("cp850", 850, 1252),
    "cp852": ("cp852", 852, 1250),
    "cp855": ("cp855", 855, 1251),
    "cp857": ("cp857", 857, 1254),
    "cp858": ("cp858", 858, 1252),
    "cp862": ("cp862", 862, 1255),
    "cp864": ("cp864", 864, 1256),
    "cp866": ("cp866", 866, 1251),
    "cp869": ("cp869", 869, 1253),
    "mac-roman": ("mac-roman", 10000, 1252),
    "mac-cyrillic": ("mac-cyrillic", 10007, 1251),
    "mac-greek": ("mac-greek", 10006, 1253),
    "mac-latin2": ("mac-latin2", 10029, 1250),
    "mac-turkish": ("mac-turkish", 10081, 1254),
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
    "ks_c_5601-1989": "cp949",
    "x-windows-949": "cp949",
    "windows-949": "cp949",
    "x-sjis": "cp932",
    "x-ms-cp932": "cp932",
    "windows-31j": "cp932",
    "cp50220": "iso2022_jp",
    "cp50221": "iso2022_jp",
    "cp50222": "iso2022_jp",
    "cp51932": "euc_jp",
    "eucjp-ms": "euc_jp",
    "eucjp-win": "euc_jp",
    "iso-2022-jp-ms": "iso2022_jp",
    "jis": "iso2022_jp",
    "x-gbk": "gbk",
    "gb_2312": "gb2312",
    "gb_2312-80": "gb2312",
    "hz-gb-2312": "hz",
    "x-euc-jp": "euc_jp",
    "x-euc-cn": "gb2312",
    "x-euc-kr": "euc_kr",
    "x-big5": "big5",
    "big5-eten": "big5",
    "x-x-big5": "big5",
    "cn-big5": "big5",
    "cn-gb": "gb2312",
    "koi": "koi8-r",
    "koi8": "koi8-r",
    "koi8-ru": "koi8-u",
    "dos-720": "cp720",
    "dos-862": "cp862",
    "dos-866": "cp866",
    "logical": "iso8859-8",
    "visual": "iso8859-8",
    "x-mac-roman": "mac-roman",
    "x-mac-cyrillic": "mac-cyrillic",
    "x-mac-ukrainian": "mac-cyrillic",
    "x-mac-greek": "mac-greek",
    "x-mac-ce": "mac-latin2",
    "x-mac-turkish": "mac-turkish",
    "macintosh": "mac-roman",
    "unicode-1-1-utf-7": "utf-7",
    "unicode-2-0-utf-7": "utf-7",
    "x-unicode-2-0-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8",
    "unicode-2-0-utf-8": "utf-8",
    "x-unicode-2-0-utf-8": "utf-8",
    "utf8mb4": "utf-8",
    "iso-10646-ucs-2": "utf-16-be",
    "ucs-2": "utf-16-be",
    "unicode": "utf-16",
    "x-unknown": "ascii",
    "unknown": "ascii",
    "unknown-8bit": "ascii",
    "x-user-defined": "ascii",
    "8bit": "ascii",
    "binary": "ascii",
}

# What has the same bytes for the same letters and more letters: tried when text does not fit its own character set.
_WIDER: Final = {
    "cp950": "big5hkscs",
    "big5hkscs": "cp950",
    "cp932": "shift_jis_2004",
    "euc_jp": "euc_jis_2004",
    "iso8859-8": "cp1255",
    "iso8859-6": "cp1256",
    "iso8859-7": "cp1253",
    "iso8859-13": "cp1257",
    "koi8-r": "koi8-u",
}

# Codecs for text without a code page of their own here. Python has more codecs, which are not for text or not for mail.
_OTHER_CODECS: Final = re.compile(
    r"cp\d|iso8859|iso2022|mac|euc_|shift_jis|utf-(?:16|32)|gb|kz1048|ptcp154|johab|hp-roman8"
)

_ASCII: Final = Charset(*_CHARSETS["ascii"])
_JIS: Final = Charset(*_CHARSETS["iso2022_jp"])
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


_MULTIBYTE: Final = re.compile(r"cp9(?:32|49|50)|gb|big5|euc|shift_jis")
_UTF8_SEQUENCE: Final = re.compile(rb"[\xC2-\xF4][\x80-\xBF]+")
_UTF8_MARK: Final = b"\xef\xbb\xbf"


def decode(data: bytes, label: str) -> tuple[str, Charset]:
    """Text of ``data`` and the character set it turned out to be in.

    An unknown or missing label, and one that the bytes contradict, give way to UTF-8 if the bytes are UTF-8, else to
    windows-1252. What still does not fit becomes U+FFFD. Never fails.
    """
    charset = find_charset(label) if label else None
    if data.isascii() and (charset is None or charset.codec in ("cp1252", "utf-8")):
        if charset is None and b"\x1b$" in data:
            return _decode_jis(data), _JIS
        return data.decode("ascii"), charset or _ASCII
    if charset is not None and charset != _ASCII and not _is_mislabelled_utf8(data, charset):
        text = _decoded(data, charset)
        if text is not None:
            return text, charset
    if charset is None or not data.isascii():
        text = data.decode("utf-8", "replace")
        broken = text.count("\ufffd")
        if not broken:
            return text, _UTF8
        if charset == _UTF8 and 2 * broken < sum(character > "\x7f" for character in text):
            return text, _UTF8  # UTF-8 with a few broken bytes, rather than something else called UTF-8
    if charset in (None, _ASCII, _UTF8):
        charset = _WESTERN
    if charset.code_page == _JIS.code_page:
        return _decode_jis(data), charset
    return _without_surrogates(data.decode(charset.codec, "replace"), charset), charset


def _decoded(data: bytes, charset: Charset) -> str | None:
    """The text if it fits the character set, or one that has the same letters and more."""
    for codec in (charset.codec, _WIDER.get(charset.codec)):
        if codec is None:
            break
        try:
            return _without_surrogates(data.decode(codec), charset)
        except UnicodeError:
            pass
    return None


def _is_mislabelled_utf8(data: bytes, charset: Charset) -> bool:
    """Whether text that is called something else is UTF-8.

    Letters of a Western set hardly ever stand so that they are UTF-8 as well. For others, whose texts are all high
    bytes, chance needs more of them to be ruled out.
    """
    if charset == _UTF8 or charset.codec.startswith(("utf", "iso2022", "hz")) or data.isascii():
        return False
    if data.startswith(_UTF8_MARK):
        return True
    needed = 1 if charset.windows_code_page == 1252 else 8 if _MULTIBYTE.match(charset.codec) else 4
    sequences = sum(1 for _ in islice(_UTF8_SEQUENCE.finditer(data), needed))
    if sequences < needed:
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


_ESCAPES: Final = re.compile(rb"\x1b(\$\(?[@BD]|\([BJI]|\$\([OPQ]|&@\x1b\$B)")


def _decode_jis(data: bytes) -> str:
    """ISO-2022-JP as Windows writes it: with NEC's and IBM's characters in the unused rows (code page 50221).

    Each pair of a double-byte run is turned into its code of code page 932, which has them. What is broken becomes
    U+FFFD.
    """
    out: list[str] = []
    position = 0
    is_double = is_kana = False
    while position < len(data):
        found = _ESCAPES.search(data, position)
        run = data[position : found.start() if found else len(data)]
        if is_double:
            out.append(_double_bytes(run))
        elif is_kana:
            out.append(bytes(byte | 0x80 if byte > 0x20 else byte for byte in run).decode("cp932", "replace"))
        else:
            out.append(run.decode("cp932", "replace"))
        if found is None:
            break
        is_double, is_kana = b"$" in found[1], found[1] == b"(I"
        position = found.end()
    return "".join(out)


def _double_bytes(run: bytes) -> str:
    shifted = bytearray()
    position = 0
    while position < len(run):
        first = run[position] & 0x7F
        if first <= 0x20 or position + 1 == len(run):  # a line break ends no run in broken mail
            shifted.append(run[position])
            position += 1
            continue
        second = run[position + 1] & 0x7F
        position += 2
        shifted.append((first + 1) // 2 + (0x70 if first < 0x5F else 0xB0))
        if first % 2:
            shifted.append(second + (0x1F if second < 0x60 else 0x20))
        else:
            shifted.append(second + 0x7E)
    return shifted.decode("cp932", "replace")


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
