"""Which objects a restriction lets through (MS-OXCDATA 2.12).

A property that an object lacks satisfies no comparison. Text is compared as tables sort it, and by content as the fuzzy
level says; properties are found by id, so that a String8 tag asks for the stored Unicode value. What `store.contents`
does in SQL must agree with this.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from mapigw.store.text import PREFIX, SUBSTRING, collation_key, content_matches, fuzzy_level
from mapigw.wire import code_pages, tags
from mapigw.wire.properties import FIXED_SIZES, MULTIPLE, PropertyType
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
            present = comparable(values.get(tag >> 16))
            if present is None:
                return False
            wanted = comparable(value)
            if isinstance(present, list) and not isinstance(wanted, list):
                return any(_holds(rel_op, item, wanted) for item in present)
            return _holds(rel_op, present, wanted)
        case ContentRestriction(low, high, tag, (_, value)):
            present = values.get(tag >> 16)
            items = present if isinstance(present, list) else [present]
            level = fuzzy_level(tag, high)
            return any(_contains(low, level, item, wanted) for item in items for wanted in _single(value))
        case ComparePropertiesRestriction(rel_op, first, second):
            left, right = comparable(values.get(first >> 16)), comparable(values.get(second >> 16))
            return left is not None and right is not None and _holds(rel_op, left, right)
        case BitMaskRestriction(nonzero, tag, mask):
            present = values.get(tag >> 16)
            return isinstance(present, int) and bool(present & mask) == bool(nonzero)
        case SizeRestriction(rel_op, tag, size):
            present = values.get(tag >> 16)
            return present is not None and _holds(rel_op, _size(tag & 0xFFFF, present), size)
    return False


def _holds(rel_op: int, left: Any, right: Any) -> bool:
    """Values of different kinds compare as nothing."""
    compare = _OPERATORS.get(rel_op)
    if compare is None or not (type(left) is type(right) or (isinstance(left, _NUMBER) and isinstance(right, _NUMBER))):
        return False
    try:
        return bool(compare(left, right))
    except TypeError:  # lists of different kinds, and what has no order
        return False


_NUMBER: Final = (int, float)


def _contains(low: int, high: int, present: Any, wanted: Any) -> bool:
    if isinstance(present, str) and isinstance(wanted, str):
        return content_matches(present, wanted, low, high)
    if not isinstance(present, bytes) or not isinstance(wanted, bytes):
        return False
    if low & PREFIX:
        return present.startswith(wanted)
    return wanted in present if low & SUBSTRING else present == wanted


def _single(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def comparable(value: Any) -> Any:
    """What a value is compared by."""
    if isinstance(value, str):
        return collation_key(value)
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return int(value) if isinstance(value, bool) else value


def _size(kind: int, value: Any) -> int:
    """Bytes of a value: of text without its NUL."""
    single = kind & ~MULTIPLE
    if isinstance(value, list):
        return sum(_size(single, item) for item in value)
    if single in FIXED_SIZES:
        return FIXED_SIZES[single]
    if isinstance(value, str):
        return len(value.encode("utf-16-le", "surrogatepass"))
    if isinstance(value, bytes):
        return len(value)
    return int(getattr(value, "size", 0))


def property_ids(restriction: Restriction | None) -> set[int]:
    """The ids of the object's own properties that the restriction looks at."""
    match restriction:
        case AndRestriction(restricts) | OrRestriction(restricts):
            return set().union(*map(property_ids, restricts))
        case NotRestriction(inner) | CommentRestriction(_, inner) | CountRestriction(_, inner):
            return property_ids(inner)
        case ComparePropertiesRestriction(_, first, second):
            return {first >> 16, second >> 16}
        case None | SubObjectRestriction():
            return set()
        case _:
            return {restriction.property_tag >> 16}


def compared_ids(restriction: Restriction | None) -> set[int]:
    """Those of `property_ids` whose values are compared with others, so that being there is not enough."""
    match restriction:
        case AndRestriction(restricts) | OrRestriction(restricts):
            return set().union(*map(compared_ids, restricts))
        case NotRestriction(inner) | CommentRestriction(_, inner) | CountRestriction(_, inner):
            return compared_ids(inner)
        case PropertyRestriction() | ContentRestriction() | ComparePropertiesRestriction():
            return property_ids(restriction)
    return set()


def has_subobjects(restriction: Restriction | None) -> bool:
    """Whether recipients or attachments decide."""
    match restriction:
        case AndRestriction(restricts) | OrRestriction(restricts):
            return any(map(has_subobjects, restricts))
        case NotRestriction(inner) | CommentRestriction(_, inner) | CountRestriction(_, inner):
            return has_subobjects(inner)
    return isinstance(restriction, SubObjectRestriction)


def mapped(restriction: Restriction, leaf: Callable[[Restriction], Restriction]) -> Restriction:
    """The same restriction with those that have no others in them as ``leaf`` returns them."""

    def each(items: Sequence[Restriction]) -> tuple[Restriction, ...]:
        return tuple(mapped(item, leaf) for item in items)

    match restriction:
        case AndRestriction(restricts):
            return AndRestriction(each(restricts))
        case OrRestriction(restricts):
            return OrRestriction(each(restricts))
        case NotRestriction(inner):
            return NotRestriction(mapped(inner, leaf))
        case CommentRestriction(values, inner):
            return CommentRestriction(values, None if inner is None else mapped(inner, leaf))
        case CountRestriction(count, inner):
            return CountRestriction(count, mapped(inner, leaf))
        case SubObjectRestriction(subobject, inner):
            return SubObjectRestriction(subobject, mapped(inner, leaf))
    return leaf(restriction)


def decoded_strings(restriction: Restriction, code_page: int) -> Restriction:
    """The same restriction with its String8 values as text, which the stored values are."""

    def decoded(leaf: Restriction) -> Restriction:
        match leaf:
            case (
                PropertyRestriction(tagged_value=(tag, bytes(value)))
                | ContentRestriction(tagged_value=(tag, bytes(value)))
            ) if tag & 0xFFFF == PropertyType.STRING8:
                return replace(leaf, tagged_value=(tag, code_pages.decode(value, code_page)))
        return leaf

    return mapped(restriction, decoded)


def with_ids(restriction: Restriction, ids: Mapping[int, int]) -> Restriction:
    """The same restriction with other property ids in the place of some."""

    def tag(old: int) -> int:
        return ids.get(old >> 16, old >> 16) << 16 | old & 0xFFFF

    def changed(leaf: Restriction) -> Restriction:
        match leaf:
            case ComparePropertiesRestriction(rel_op, first, second):
                return ComparePropertiesRestriction(rel_op, tag(first), tag(second))
            case PropertyRestriction() | ContentRestriction():
                value_tag, value = leaf.tagged_value
                return replace(leaf, property_tag=tag(leaf.property_tag), tagged_value=(tag(value_tag), value))
            case BitMaskRestriction() | SizeRestriction() | ExistRestriction():
                return replace(leaf, property_tag=tag(leaf.property_tag))
        return leaf

    return mapped(restriction, changed)
