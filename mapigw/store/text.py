"""How text compares: one set of functions for what SQL does and for what is done with decoded properties.

`Database` gives SQLite the functions of `SQL_FUNCTIONS`, so that a restriction has the same answer on both ways.
"""

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from mapigw.wire import tags

# FuzzyLevelLow and FuzzyLevelHigh (MS-OXCDATA 2.12.4.1)
SUBSTRING: Final = 0x0001
PREFIX: Final = 0x0002
PREFIX_ON_ANY_WORD: Final = 0x0010
PHRASE_MATCH: Final = 0x0020
IGNORE_CASE: Final = 0x0001
IGNORE_NON_SPACE: Final = 0x0002
LOOSE: Final = 0x0004


def collation_key(text: str) -> str:
    """What tables sort text by, and restrictions compare: letters first, then their marks; without regard to case."""
    folded = text.casefold()
    return folded if folded.isascii() else f"{_without_marks(folded)}\0{folded}"


def fuzzy_level(tag: int, high: int) -> int:
    """FuzzyLevelHigh as it counts for a property: message classes are the same in any case (MS-OXCMSG 2.2.1.3)."""
    return high | IGNORE_CASE if tag >> 16 == tags.PidTagMessageClass >> 16 else high


def fuzzy(text: str, level: int) -> str:
    """Text as content restrictions with this FuzzyLevelHigh compare it."""
    if level & (IGNORE_NON_SPACE | LOOSE) and not text.isascii():
        text = _without_marks(text)
    return text.casefold() if level & (IGNORE_CASE | LOOSE) else text


@lru_cache(maxsize=64)
def _wanted(text: str, level: int) -> str:
    return fuzzy(text, level)


def content_matches(text: str, wanted: str, low: int, high: int) -> bool:
    """Whether the content restriction for ``wanted`` with these fuzzy levels holds for a property's text."""
    text, wanted = fuzzy(text, high), _wanted(wanted, high)
    if low & PREFIX:
        return text.startswith(wanted)
    if low & (PREFIX_ON_ANY_WORD | PHRASE_MATCH):
        return _has_words(text, wanted, whole=not low & PREFIX_ON_ANY_WORD)
    return wanted in text if low & SUBSTRING else text == wanted


def _has_words(text: str, wanted: str, *, whole: bool) -> bool:
    """Whether ``wanted`` begins where a word of ``text`` does, and with ``whole`` also ends where one does."""
    start = text.find(wanted)
    while start >= 0:
        end = start + len(wanted)
        begins = start == 0 or not text[start - 1].isalnum()
        ends = not whole or end == len(text) or not text[end].isalnum()
        if begins and ends:
            return True
        start = text.find(wanted, start + 1)
    return False


def _without_marks(text: str) -> str:
    return "".join(character for character in unicodedata.normalize("NFKD", text) if not _is_mark(character))


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) == "Mn"


def _sql_collation_key(text: Any) -> str | None:
    return None if text is None else collation_key(text)


def _sql_content_matches(text: Any, wanted: str, low: int, high: int) -> bool:
    return text is not None and content_matches(text, wanted, low, high)


SQL_FUNCTIONS: Final[dict[str, tuple[int, Callable[..., Any]]]] = {
    "folded": (1, str.casefold),  # not of NULL
    "fuzzy": (2, fuzzy),  # not of NULL
    "collation_key": (1, _sql_collation_key),
    "content_matches": (4, _sql_content_matches),
}
"""Name to (number of arguments, function)."""
