"""The order of strings in the address book (MS-OXNSPI 3.1.4.3.5, 3.1.4.3.6).

One order serves every locale, which the specification allows ("the closest supported LCID"): letters without regard to
case and accents first, then accents, then the characters themselves, so that the order is total and never changes.
"""

import unicodedata


def folded(text: str) -> str:
    """Without case, accents and compatibility forms: equal for strings that a person takes for the same."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def collation_key(text: str) -> tuple[str, str, str]:
    """A key that compares as the strings are ordered. A prefix of a string comes before it, and is not after it."""
    if text.isascii():
        lowered = text.casefold()  # one string for both: there is a key an entry
        return lowered, lowered, text
    return folded(text), unicodedata.normalize("NFKD", text.casefold()), text
