"""Code pages of 8-bit strings (MS-OXNSPI 2.2.1.5, 3.1.4.3.2)."""

import codecs
from functools import cache
from typing import Final

CP_WINUNICODE: Final = 1200
CP_TELETEX: Final = 20261
CP_ACP: Final = 0

_DEFAULT = "cp1252"
_CODECS: Final[dict[int, str]] = {
    CP_ACP: _DEFAULT,
    # The specification asks for TELETEX and leaves the conversion to the server: its Latin letters and ASCII.
    CP_TELETEX: "latin-1",
    20127: "ascii",
    20866: "koi8-r",
    21866: "koi8-u",
    **{28590 + part: f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15)},
    936: "gbk",
    10000: "mac-roman",
    50220: "iso2022-jp",
    50221: "iso2022-jp",
    50222: "iso2022-jp",
    51932: "euc-jp",
    51949: "euc-kr",
    54936: "gb18030",
    65000: "utf-7",
    65001: "utf-8",
}


@cache
def codec_name(code_page: int) -> str | None:
    """The Python codec of a code page of 8-bit strings; None for one that is not supported, Unicode among them."""
    name = _CODECS.get(code_page)
    if name is not None:
        return name
    if code_page > 9999:  # what is larger and supported is listed; cp10007 and the like would be found by accident
        return None
    try:
        return codecs.lookup(f"cp{code_page}").name
    except LookupError:
        return None


def is_supported(code_page: int) -> bool:
    """Whether a session may use the code page: any that has a codec, and Unicode (Outlook's choice)."""
    return code_page == CP_WINUNICODE or codec_name(code_page) is not None


def encode(text: str, code_page: int) -> bytes:
    """``text`` as an 8-bit string, `?` for what the code page lacks.

    A client whose code page is Unicode, or unknown, and which asks for 8-bit strings nevertheless gets Windows-1252.
    """
    return text.replace("\0", "").encode(codec_name(code_page) or _DEFAULT, "replace")


def decode(data: bytes, code_page: int) -> str:
    return data.decode(codec_name(code_page) or _DEFAULT, "replace")
