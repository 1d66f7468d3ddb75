"""What a search folder looks for: its restriction as it is stored, and what can be told of it beforehand.

MS-OXCFOLD 2.2.1.4. The restriction is kept in Unicode, in the form with 32-bit counts.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntFlag
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final

from mapigw.mailbox.restrictions import has_subobjects, property_ids
from mapigw.store.text import LOOSE, fuzzy
from mapigw.wire import code_pages, tags
from mapigw.wire.cursor import Cursor
from mapigw.wire.properties import PropertyType
from mapigw.wire.restrictions import (
    AndRestriction,
    CommentRestriction,
    ContentRestriction,
    CountRestriction,
    NotRestriction,
    OrRestriction,
    PropertyRestriction,
    RelationalOperator,
    Restriction,
    SubObjectRestriction,
    pull_restriction,
    push_restriction,
)
from mapigw.wire.rows import TaggedValue


class SearchState(IntFlag):
    """SearchFlags of RopGetSearchCriteria (2.2.1.5.2)."""

    RUNNING = 0x00000001
    REBUILD = 0x00000002
    RECURSIVE = 0x00000004
    COMPLETE = 0x00001000
    STATIC = 0x00010000
    CI_TOTALLY = 0x01000000
    CI_WITH_TWIR_RESIDUAL = 0x02000000
    TWIR_TOTALLY = 0x08000000


# Properties that only searches have: what messages are found by, whatever they keep it in. Outlook asks for the first.
SEARCH_ALL_INDEXED: Final = 0x0EAF
SEARCH_ATTACHMENTS: Final = 0x0EA5
SEARCH_RECIPIENTS: Final = {0x0EA6: 1, 0x0EA7: 2, 0x0EA8: 3}  # by PidTagRecipientType

_OF_CHILDREN: Final = frozenset({SEARCH_ALL_INDEXED, SEARCH_ATTACHMENTS, *SEARCH_RECIPIENTS})
BODY: Final = tags.PidTagBody >> 16
NOT_INDEXED: Final = frozenset({tags.PidTagTransportMessageHeaders >> 16})
"""Text that the full-text index leaves out."""
_BASE_TYPE: Final = 0x0FFF  # of a tag: without the flags of multiple values
_STRINGS: Final = frozenset({PropertyType.STRING, PropertyType.STRING8})
TRIGRAM: Final = 3
WITHHELD: Final = "\ue000" * TRIGRAM
"""In the index of a message whose text is not all there: it answers every query."""
# What the parser of FTS5 takes without fail.
_QUERY_MAXIMUM: Final = 1 << 16
_DEPTH_MAXIMUM: Final = 20
_TRIGRAMS_MAXIMUM: Final = 24  # of one text that is looked for: more would hardly leave out any message more


@dataclass(frozen=True, slots=True)
class Needs:
    """What restrictions look at."""

    property_ids: frozenset[int] = frozenset()
    subobjects: bool = False
    """Recipients or attachments."""
    body: bool = False
    """The body's text."""

    def __or__(self, other: "Needs") -> "Needs":
        return Needs(
            self.property_ids | other.property_ids, self.subobjects or other.subobjects, self.body or other.body
        )


@dataclass(frozen=True, slots=True)
class Criteria:
    """A restriction, and what it takes to answer it."""

    restriction: Restriction
    needs: Needs
    query: str | None
    """FTS5 query that every message answers which satisfies the restriction; None where the index cannot help."""
    only_text: bool
    """Whether the restriction asks for nothing but texts that are in the index."""


def build(restriction: Restriction) -> bytes:
    """The stored form of a restriction in Unicode."""
    out = bytearray()
    push_restriction(out, restriction, wide=True)
    return bytes(out)


@lru_cache(maxsize=256)
def criteria(data: bytes) -> Criteria:
    """Of a stored restriction."""
    restriction = pull_restriction(Cursor(data), wide=True)
    return Criteria(restriction, needs_of(restriction), text_query(restriction), _only_text(restriction))


def needs_of(restriction: Restriction) -> Needs:
    """What a restriction looks at."""
    ids = frozenset(property_ids(restriction))
    subobjects = has_subobjects(restriction) or not ids.isdisjoint(_OF_CHILDREN)
    return Needs(ids, subobjects, body=not ids.isdisjoint({SEARCH_ALL_INDEXED, BODY}))


# Strings


@dataclass(frozen=True, slots=True)
class _Conversion:
    """Of the values and tags of one string type to the other."""

    source: PropertyType
    target: PropertyType
    convert: Callable[[Any], Any]

    def tag(self, tag: int) -> int:
        return tag & ~_BASE_TYPE | self.target if tag & _BASE_TYPE == self.source else tag

    def tagged(self, tagged: TaggedValue) -> TaggedValue:
        tag, value = tagged
        if tag & _BASE_TYPE == self.source:
            value = list(map(self.convert, value)) if isinstance(value, list) else self.convert(value)
        return self.tag(tag), value

    def restriction(self, restriction: Restriction) -> Restriction:
        match restriction:
            case AndRestriction(restricts):
                return AndRestriction(tuple(map(self.restriction, restricts)))
            case OrRestriction(restricts):
                return OrRestriction(tuple(map(self.restriction, restricts)))
            case NotRestriction(inner):
                return NotRestriction(self.restriction(inner))
            case CommentRestriction(values, inner):
                tagged = tuple(map(self.tagged, values))
                return CommentRestriction(tagged, None if inner is None else self.restriction(inner))
            case CountRestriction(count, inner):
                return CountRestriction(count, self.restriction(inner))
            case SubObjectRestriction(subobject, inner):
                return SubObjectRestriction(subobject, self.restriction(inner))
            case PropertyRestriction(rel_op, tag, value):
                return PropertyRestriction(rel_op, self.tag(tag), self.tagged(value))
            case ContentRestriction(low, high, tag, value):
                return ContentRestriction(low, high, self.tag(tag), self.tagged(value))
        return restriction


def to_unicode(restriction: Restriction, code_page: int) -> Restriction:
    """The restriction with its String8 values, and the tags that go with them, in Unicode."""
    decode = _Conversion(PropertyType.STRING8, PropertyType.STRING, lambda value: code_pages.decode(value, code_page))
    return decode.restriction(restriction)


def to_string8(restriction: Restriction, code_page: int) -> Restriction:
    """The restriction with its Unicode values, and the tags that go with them, in a code page."""
    encode = _Conversion(PropertyType.STRING, PropertyType.STRING8, lambda value: code_pages.encode(value, code_page))
    return encode.restriction(restriction)


# Full text


def fold(text: str) -> str:
    """Text as the index has it: whatever the fuzzy level, what is in a text is also in its folded form."""
    return fuzzy(text.replace("\0", "\n"), LOOSE).encode("utf-8", "replace").decode()


def text_query(restriction: Restriction) -> str | None:
    """The FTS5 query of a restriction; see `Criteria.query`."""
    needed = _needed(restriction)
    if needed is None or len(needed) > _QUERY_MAXIMUM or _depth(needed) > _DEPTH_MAXIMUM:
        return None
    return f"({needed}) OR {_quoted(WITHHELD)}"


def _depth(query: str) -> int:
    return max(accumulate((letter == "(") - (letter == ")") for letter in query))


def _needed(restriction: Restriction) -> str | None:
    match restriction:
        case AndRestriction(restricts):
            return _joined(" AND ", [part for part in map(_needed, restricts) if part is not None])
        case OrRestriction(restricts):
            parts = [_needed(item) for item in restricts]
            return None if None in parts else _joined(" OR ", [part for part in parts if part is not None])
        case CommentRestriction(_, inner) if inner is not None:
            return _needed(inner)
        case CountRestriction(_, inner) | SubObjectRestriction(_, inner):
            return _needed(inner)
        case ContentRestriction(_, _, tag, (_, str(wanted))) if _is_indexed(tag):
            return _trigrams(wanted)
        case PropertyRestriction(RelationalOperator.EQUAL, tag, (_, str(wanted))) if _is_indexed(tag):
            return _trigrams(wanted)
    return None


def _is_indexed(tag: int) -> bool:
    return tag & _BASE_TYPE in _STRINGS and tag >> 16 not in NOT_INDEXED


def _joined(operator: str, parts: Iterable[str]) -> str | None:
    unique = list(dict.fromkeys(parts))
    return f"({operator.join(unique)})" if unique else None


def _trigrams(wanted: str) -> str | None:
    folded = fold(wanted)
    found = list(dict.fromkeys(folded[start : start + TRIGRAM] for start in range(len(folded) - TRIGRAM + 1)))
    step = max(1, len(found) // _TRIGRAMS_MAXIMUM)
    return _joined(" AND ", map(_quoted, found[::step]))


def _quoted(token: str) -> str:
    return '"' + token.replace('"', '""') + '"'


def _only_text(restriction: Restriction) -> bool:
    match restriction:
        case AndRestriction(restricts) | OrRestriction(restricts):
            return bool(restricts) and all(map(_only_text, restricts))
        case CommentRestriction(_, inner) if inner is not None:
            return _only_text(inner)
        case CountRestriction(_, inner) | SubObjectRestriction(_, inner):
            return _only_text(inner)
    return _needed(restriction) is not None
