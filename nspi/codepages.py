"""Code pages of 8-bit strings in the address book (MS-OXNSPI 2.2.1.5, 3.1.4.3.2)."""

from typing import Final

from mapigw.wire import code_pages

CP_ACP: Final = 0
CP_WINUNICODE: Final = 1200
CP_TELETEX: Final = 20261

_LAST: Final = 65535

# What the client leaves to the server; and TELETEX, which the specification asks for while it leaves the conversion to
# the server: its ASCII and Latin letters.
_SUBSTITUTES: Final = {CP_ACP: code_pages.DEFAULT_CODE_PAGE, CP_TELETEX: 28591}


def is_8_bit(code_page: int) -> bool:
    """Whether strings can be had in the code page as 8-bit ones; not so in Unicode, and in pages nobody knows."""
    code_page = _SUBSTITUTES.get(code_page, code_page)
    return code_page <= _LAST and code_page not in (1200, 1201) and code_pages.codec_name(code_page) is not None


def is_supported(code_page: int) -> bool:
    """Whether a session may use the code page: any 8-bit one, and Unicode (Outlook's choice)."""
    return code_page == CP_WINUNICODE or is_8_bit(code_page)


def usable(code_page: int) -> int:
    """The code page to convert with: Windows-1252 for what is Unicode, unknown, or left to the server."""
    return _SUBSTITUTES.get(code_page, code_page) if is_8_bit(code_page) else code_pages.DEFAULT_CODE_PAGE


def encode(text: str, code_page: int) -> bytes:
    """``text`` as an 8-bit string, `?` for what the code page lacks.

    A client whose code page is Unicode, or unknown, and which asks for 8-bit strings nevertheless gets Windows-1252.
    """
    return code_pages.encode(text, usable(code_page)).replace(b"\0", b"")


def decode(data: bytes, code_page: int) -> str:
    return code_pages.decode(data, usable(code_page))
