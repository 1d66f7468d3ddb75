"""Which entries a restriction lets through (MS-OXCDATA 2.12, MS-OXNSPI 3.1.4.1.10)."""

import operator
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.properties import property_id, property_type
from mapigw.wire.restrictions import (
    AndRestriction,
    BitMaskRestriction,
    ComparePropertiesRestriction,
    ContentRestriction,
    ExistRestriction,
    NotRestriction,
    OrRestriction,
    PropertyRestriction,
    RelationalOperator,
    Restriction,
    SizeRestriction,
)
from nspi import codepages
from nspi.address_book import Entry
from nspi.collation import collation_key, folded
from nspi.errors import NspiError
from nspi.properties import Format, native_value, specified

Predicate = Callable[[Entry], bool]
Resolve = Callable[[str], list[int]]
"""Ambiguous name resolution of one string, for the property PidTagAnr: slots."""

# FuzzyLevelLow and FuzzyLevelHigh, MS-OXCDATA 2.12.4.1
FULLSTRING, SUBSTRING, PREFIX = 0x0000, 0x0001, 0x0002
IGNORECASE, IGNORENONSPACE, LOOSE = 0x0001, 0x0002, 0x0004

DEEPEST: Final = 16
MOST_NODES: Final = 500

_OPERATORS: Final[dict[int, Callable[[Any, Any], bool]]] = {
    RelationalOperator.LESS_THAN: operator.lt,
    RelationalOperator.LESS_THAN_OR_EQUAL: operator.le,
    RelationalOperator.GREATER_THAN: operator.gt,
    RelationalOperator.GREATER_THAN_OR_EQUAL: operator.ge,
    RelationalOperator.EQUAL: operator.eq,
    RelationalOperator.NOT_EQUAL: operator.ne,
}


class Matcher:
    """Makes predicates of restrictions for one request.

    Raises `NspiError`: TooComplex for a restriction that is too deep, too large, or of a kind that an address book
    has no use for (sub-objects, comments, counts, membership).
    """

    def __init__(self, form: Format, resolve: Resolve) -> None:
        self.form = replace(form, binaries=None)  # they are not read to search everybody
        self.resolve = resolve
        self.nodes = 0
        self._resolved: dict[str, list[int]] = {}

    def candidates(self, restriction: Restriction) -> list[int] | None:
        """The slots that ambiguous name resolution leaves to be looked at; None: all."""
        match restriction:
            case AndRestriction(restricts):
                found = (self.candidates(item) for item in restricts)
                return next((candidates for candidates in found if candidates is not None), None)
            case PropertyRestriction() | ContentRestriction() if _is_anr(restriction.property_tag):
                return self._resolve(self._operand(restriction.tagged_value))
            case _:
                return None

    def _resolve(self, text: Any) -> list[int]:
        if not isinstance(text, str):
            return []
        if text not in self._resolved:
            self._resolved[text] = self.resolve(text)
        return self._resolved[text]

    def predicate(self, restriction: Restriction, depth: int = 0) -> Predicate:
        self.nodes += 1
        if depth > DEEPEST or self.nodes > MOST_NODES:
            raise NspiError(ErrorCode.TooComplex)
        match restriction:
            case AndRestriction(restricts):
                parts = [self.predicate(item, depth + 1) for item in restricts]
                return lambda entry: all(part(entry) for part in parts)
            case OrRestriction(restricts):
                parts = [self.predicate(item, depth + 1) for item in restricts]
                return lambda entry: any(part(entry) for part in parts)
            case NotRestriction(inner):
                part = self.predicate(inner, depth + 1)
                return lambda entry: not part(entry)
            case ContentRestriction():
                return self._content(restriction)
            case PropertyRestriction():
                return self._property(restriction)
            case ComparePropertiesRestriction(rel_op, first, second):
                compare = _comparison(rel_op)
                return lambda entry: self._compared(entry, first, second, compare)
            case BitMaskRestriction(rel_op, tag, mask):
                return lambda entry: self._masked(entry, tag, mask, wanted=bool(rel_op))
            case SizeRestriction(rel_op, tag, size):
                compare = _comparison(rel_op)
                return lambda entry: any(compare(_size(item), size) for item in self._values(entry, tag))
            case ExistRestriction(tag):
                return lambda entry: bool(self._values(entry, specified(tag)))
            case _:
                raise NspiError(ErrorCode.TooComplex)

    def _values(self, entry: Entry, tag: int) -> list[Any]:
        """The single values of a property; of a multiple one, each."""
        value = native_value(entry, tag, self.form)
        if value is None:
            return []
        return value if isinstance(value, list) else [value]

    def _operand(self, tagged_value: tuple[int, Any]) -> Any:
        """The value that is compared with, as the native values are: str for either string type."""
        value = tagged_value[1]
        if isinstance(value, list):
            value = value[0] if len(value) == 1 else None
        if isinstance(value, bytes) and property_type(tagged_value[0]) & 0x0FFF == 0x001E:
            return codepages.decode(value, self.form.code_page)
        return value

    def _anr(self, text: Any) -> Predicate:
        found = set(self._resolve(text))
        return lambda entry: entry.slot in found

    def _content(self, restriction: ContentRestriction) -> Predicate:
        operand = self._operand(restriction.tagged_value)
        if _is_anr(restriction.property_tag):
            return self._anr(operand)
        high = restriction.fuzzy_level_high
        loose = bool(high & (LOOSE | IGNORENONSPACE))

        def normal(value: Any) -> Any:
            if not isinstance(value, str):
                return value
            if loose:
                return folded(value)
            return value.casefold() if high & IGNORECASE else value

        wanted: Any = normal(operand)
        kind: type[Any] = type(wanted)
        if kind not in (str, bytes):
            return lambda entry: False

        def matches(value: Any) -> bool:
            value = normal(value)
            if type(value) is not kind:
                return False
            low = restriction.fuzzy_level_low & 0x000F
            if low == FULLSTRING:
                return bool(value == wanted)
            if low == SUBSTRING:
                return wanted in value
            return low == PREFIX and bool(value.startswith(wanted))

        return lambda entry: any(matches(value) for value in self._values(entry, restriction.property_tag))

    def _property(self, restriction: PropertyRestriction) -> Predicate:
        operand = self._operand(restriction.tagged_value)
        if _is_anr(restriction.property_tag):
            return self._anr(operand)
        compare = _comparison(restriction.rel_op)
        wanted = _comparable(operand)
        tag = restriction.property_tag
        return lambda entry: any(
            compare(have, wanted)
            for value in self._values(entry, tag)
            if type(have := _comparable(value)) is type(wanted)
        )

    def _compared(self, entry: Entry, first: int, second: int, compare: Callable[[Any, Any], bool]) -> bool:
        return any(
            compare(_comparable(left), _comparable(right))
            for left in self._values(entry, first)
            for right in self._values(entry, second)
            if type(left) is type(right)
        )

    def _masked(self, entry: Entry, tag: int, mask: int, *, wanted: bool) -> bool:
        return any(isinstance(value, int) and bool(value & mask) is wanted for value in self._values(entry, tag))


def _is_anr(tag: int) -> bool:
    return property_id(tag) == property_id(tags.PidTagAnr)


def _comparison(rel_op: int) -> Callable[[Any, Any], bool]:
    compare = _OPERATORS.get(rel_op)
    if compare is None:
        raise NspiError(ErrorCode.TooComplex)
    return compare


def _comparable(value: Any) -> Any:
    """Strings compare without case and accents first, as the table is sorted; equality ignores case only."""
    return collation_key(value.casefold()) if isinstance(value, str) else value


def _size(value: Any) -> int:
    """Bytes of a value, without length or NUL (MS-OXCDATA 2.12.8)."""
    if isinstance(value, str):
        return len(value) * 2
    if isinstance(value, bytes):
        return len(value)
    return 1 if isinstance(value, bool) else 4
