"""Windows code page identifiers and Python's codecs for them."""

import codecs
from functools import lru_cache
from typing import Final

DEFAULT_CODE_PAGE: Final = 1252

# Those whose codec is not called "cp" and the number.
_CODECS: Final = {
    1200: "utf-16-le",
    1201: "utf-16-be",
    10000: "mac-roman",
    20127: "ascii",
    20866: "koi8-r",
    20932: "euc-jp",
    20936: "gb2312",
    21866: "koi8-u",
    28591: "iso8859-1",
    28592: "iso8859-2",
    28593: "iso8859-3",
    28594: "iso8859-4",
    28595: "iso8859-5",
    28596: "iso8859-6",
    28597: "iso8859-7",
    28598: "iso8859-8",
    28599: "iso8859-9",
    28603: "iso8859-13",
    28605: "iso8859-15",
    38598: "iso8859-8",
    50220: "iso2022_jp",
    50221: "iso2022_jp",
    50222: "iso2022_jp",
    50225: "iso2022_kr",
    51932: "euc-jp",
    51936: "gb2312",
    51949: "euc-kr",
    52936: "hz",
    54936: "gb18030",
    65000: "utf-7",
    65001: "utf-8",
}


@lru_cache(maxsize=256)  # clients choose the number
def codec_name(code_page: int) -> str | None:
    """The codec of a code page, or None when there is none."""
    name = _CODECS.get(code_page, f"cp{code_page}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return None


def encode(text: str, code_page: int) -> bytes:
    """``text`` in a code page; characters it lacks become "?", an unknown code page is taken for 1252."""
    return text.encode(codec_name(code_page) or f"cp{DEFAULT_CODE_PAGE}", "replace")


def decode(data: bytes, code_page: int) -> str:
    """Text of bytes in a code page; bytes it lacks become U+FFFD."""
    return data.decode(codec_name(code_page) or f"cp{DEFAULT_CODE_PAGE}", "replace")
