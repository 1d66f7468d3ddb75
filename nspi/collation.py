"""The order of strings in the address book (MS-OXNSPI 3.1.4.3.5, 3.1.4.3.6).

Letters without regard to case and accents first, then accents, then the characters themselves, so that the order is
total and never changes. This is the order of the default locale, and of every locale that has no line below: the
specification leaves the choice of "the closest supported LCID" to the server. In the languages below some letters, and
pairs of letters, stand in a place of their own, which is what a reader of a list notices.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

Key = tuple[str, str, str]

_PRIMARY_LANGUAGE: Final = 0x3FF
_AFTER: Final = "\ufffe"
"""Behind a letter: after everything that begins with that letter."""

# Language: what has a place of its own, in order, behind which letter.
_TAILORED: Final[dict[int, tuple[tuple[str, tuple[str, ...]], ...]]] = {
    0x06: (("z", ("æ ä", "ø ö", "å aa")),),  # Danish
    0x14: (("z", ("æ ä", "ø ö", "å aa")),),  # Norwegian
    0x1D: (("z", ("å", "ä æ", "ö ø")),),  # Swedish
    0x0B: (("z", ("å", "ä æ", "ö ø")),),  # Finnish
    0x0A: (("n", ("ñ",)),),  # Spanish
    0x05: (("c", ("č",)), ("h", ("ch",)), ("r", ("ř",)), ("s", ("š",)), ("z", ("ž",))),  # Czech
    0x1B: (("a", ("ä",)), ("c", ("č",)), ("h", ("ch",)), ("o", ("ô",)), ("s", ("š",)), ("z", ("ž",))),  # Slovak
    0x15: (
        *((letter, (accented,)) for letter, accented in zip("acelnos", "ąćęłńóś", strict=True)),
        ("z", ("ź", "ż")),
    ),  # Polish
}

# Letters that Unicode does not take apart, as people who lack them write them.
_PLAIN: Final = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i", "ŋ": "n"}
)


def language(lcid: int) -> int:
    """The language by whose order a locale is sorted; 0, the default, where it has none of its own."""
    primary = lcid & _PRIMARY_LANGUAGE
    return primary if primary in _TAILORED else 0


def folded(text: str) -> str:
    """Without case, accents and compatibility forms: equal for strings that a person takes for the same."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character)).translate(_PLAIN)


def collation_key(text: str, of_language: int = 0) -> Key:
    """A key that compares as the strings are ordered. A prefix of a string comes before it, and is not after it."""
    if of_language:
        return folded(_tailored(text, of_language)), unicodedata.normalize("NFKD", text.casefold()), text
    if text.isascii():
        lowered = text.lower()
        return lowered, lowered, text
    return folded(text), unicodedata.normalize("NFKD", text.casefold()), text


def _tailored(text: str, of_language: int) -> str:
    pattern, places = _rules(of_language)
    return pattern.sub(lambda found: places[found[0]], unicodedata.normalize("NFC", text.casefold()))


@lru_cache
def _rules(of_language: int) -> tuple[re.Pattern[str], dict[str, str]]:
    places = {
        spelling: f"{letter}{_AFTER}{chr(ord('a') + place)}"
        for letter, groups in _TAILORED[of_language]
        for place, spellings in enumerate(groups)
        for spelling in spellings.split()
    }
    return re.compile("|".join(sorted(places, key=len, reverse=True))), places
