"""Which objects a restriction lets through (MS-OXCDATA 2.12).

A property that an object lacks satisfies no comparison. Text is compared without regard to case, as Exchange does;
properties are found by id, so that a String8 tag asks for the stored Unicode value.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mapigw.wire import code_pages, tags
from mapigw.wire.properties import PropertyType
from mapigw.wire.restrictions import (
    AndRestriction,
    BitMaskRestriction,
    CommentRestriction,
    ComparePropertiesRestriction,
    ContentRestriction,
    CountRestriction,
    ExistRestriction,
    NotRestriction,
    OrRestriction,
    PropertyRestriction,
    RelationalOperator,
    Restriction,
    SizeRestriction,
    SubObjectRestriction,
)

_OPERATORS: Final[dict[int, Callable[[Any, Any], bool]]] = {
    RelationalOperator.LESS_THAN: operator.lt,
    RelationalOperator.LESS_THAN_OR_EQUAL: operator.le,
    RelationalOperator.GREATER_THAN: operator.gt,
    RelationalOperator.GREATER_THAN_OR_EQUAL: operator.ge,
    RelationalOperator.EQUAL: operator.eq,
    RelationalOperator.NOT_EQUAL: operator.ne,
}
_SUBSTRING: Final = 1
_PREFIX: Final = 2


@dataclass(slots=True)
class Candidate:
    """An object's property values by tag, and its recipients' and attachments' where it is a message."""

    values: Mapping[int, Any]
    recipients: Sequence[Mapping[int, Any]] = ()
    attachments: Sequence[Mapping[int, Any]] = ()
    by_id: dict[int, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.by_id = {tag >> 16: value for tag, value in self.values.items()}


def matches(restriction: Restriction, candidate: Candidate) -> bool:
    """Whether the object satisfies the restriction."""
    match restriction:
        case AndRestriction(restricts):
            return all(matches(item, candidate) for item in restricts)
        case OrRestriction(restricts):
            return any(matches(item, candidate) for item in restricts)
        case NotRestriction(inner):
            return not matches(inner, candidate)
        case CommentRestriction(_, inner):
            return inner is None or matches(inner, candidate)
        case CountRestriction(_, inner):  # the count limits a table's rows, not one object
            return matches(inner, candidate)
        case ExistRestriction(tag):
            return tag >> 16 in candidate.by_id
        case SubObjectRestriction(subobject, inner):
            objects = candidate.recipients if subobject == tags.PidTagMessageRecipients else candidate.attachments
            return any(matches(inner, Candidate(item)) for item in objects)
        case _:
            return _compare(restriction, candidate.by_id)


def _compare(restriction: Restriction, values: Mapping[int, Any]) -> bool:
    match restriction:
        case PropertyRestriction(rel_op, tag, (_, value)):
            present = _comparable(values.get(tag >> 16))
            if present is None:
                return False
            wanted = _comparable(value)
            if isinstance(present, list) and not isinstance(wanted, list):
                return any(_holds(rel_op, item, wanted) for item in present)
            return _holds(rel_op, present, wanted)
        case ContentRestriction(level, _, tag, (_, value)):
            present = _comparable(values.get(tag >> 16))
            wanted = _comparable(value)
            return any(_contains(level, item, wanted) for item in (present if isinstance(present, list) else [present]))
        case ComparePropertiesRestriction(rel_op, first, second):
            left, right = _comparable(values.get(first >> 16)), _comparable(values.get(second >> 16))
            return left is not None and right is not None and _holds(rel_op, left, right)
        case BitMaskRestriction(nonzero, tag, mask):
            present = values.get(tag >> 16)
            return isinstance(present, int) and bool(present & mask) == bool(nonzero)
        case SizeRestriction(rel_op, tag, size):
            present = values.get(tag >> 16)
            return present is not None and _holds(rel_op, _size(present), size)
    return False


def _holds(rel_op: int, left: Any, right: Any) -> bool:
    compare = _OPERATORS.get(rel_op)
    try:
        return compare is not None and compare(left, right)
    except TypeError:  # values of different kinds compare as nothing
        return False


def _contains(level: int, present: Any, wanted: Any) -> bool:
    if not isinstance(present, type(wanted)) or not isinstance(wanted, str | bytes):
        return False
    if level & _PREFIX:
        return bool(present.startswith(wanted))
    if level & _SUBSTRING:
        return wanted in present
    return bool(present == wanted)


def _comparable(value: Any) -> Any:
    if isinstance(value, str):
        return value.casefold()
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    return value


def _size(value: Any) -> int:
    if isinstance(value, str):
        return 2 * len(value)
    if isinstance(value, bytes):
        return len(value)
    size = getattr(value, "size", None)
    return size if size is not None else 8 if isinstance(value, float) else 4


def decoded_strings(restriction: Restriction, code_page: int) -> Restriction:
    """The same restriction with its String8 values as text, which the stored values are."""
    match restriction:
        case AndRestriction(restricts):
            return AndRestriction(tuple(decoded_strings(item, code_page) for item in restricts))
        case OrRestriction(restricts):
            return OrRestriction(tuple(decoded_strings(item, code_page) for item in restricts))
        case NotRestriction(inner):
            return NotRestriction(decoded_strings(inner, code_page))
        case CommentRestriction(values, inner):
            return CommentRestriction(values, None if inner is None else decoded_strings(inner, code_page))
        case CountRestriction(count, inner):
            return CountRestriction(count, decoded_strings(inner, code_page))
        case SubObjectRestriction(subobject, inner):
            return SubObjectRestriction(subobject, decoded_strings(inner, code_page))
        case PropertyRestriction(rel_op, tag, (value_tag, bytes(value))) if value_tag & 0xFFFF == PropertyType.STRING8:
            return PropertyRestriction(rel_op, tag, (value_tag, code_pages.decode(value, code_page)))
        case ContentRestriction(low, high, tag, (value_tag, bytes(value))) if (
            value_tag & 0xFFFF == PropertyType.STRING8
        ):
            return ContentRestriction(low, high, tag, (value_tag, code_pages.decode(value, code_page)))
    return restriction
