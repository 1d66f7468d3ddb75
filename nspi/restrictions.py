"""Restrictions in the address book's encoding (MS-OXCDATA 2.12; values as MS-OXCMAPIHTTP 2.2.1.2, 32-bit counts).

The structures are those of ROP buffers; the values inside carry presence bytes, so that the two cannot share readers.
Nesting deeper than `DEEPEST` is malformed; the limit that is answered with TooComplex is far lower (matching.py).
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Any, Final

from mapigw.wire.cursor import Cursor
from nspi.values import Codec, pull_tagged_value, push_tagged_value

DEEPEST: Final = 100


class RelationalOperator(IntEnum):
    """MS-OXCDATA 2.12.5.1."""

    LT = 0x00
    LE = 0x01
    GT = 0x02
    GE = 0x03
    EQ = 0x04
    NE = 0x05
    MEMBER_OF_DL = 0x64


class FuzzyLevelLow(IntEnum):
    """MS-OXCDATA 2.12.4.1, FuzzyLevelLow."""

    FULLSTRING = 0x0000
    SUBSTRING = 0x0001
    PREFIX = 0x0002


class FuzzyLevelHigh(IntFlag):
    """MS-OXCDATA 2.12.4.1, FuzzyLevelHigh."""

    IGNORECASE = 0x0001
    IGNORENONSPACE = 0x0002
    LOOSE = 0x0004


@dataclass(frozen=True, slots=True)
class AndRestriction:
    """2.12.1."""

    restricts: "tuple[Restriction, ...]"


@dataclass(frozen=True, slots=True)
class OrRestriction:
    """2.12.2."""

    restricts: "tuple[Restriction, ...]"


@dataclass(frozen=True, slots=True)
class NotRestriction:
    """2.12.3."""

    restriction: "Restriction"


@dataclass(frozen=True, slots=True)
class ContentRestriction:
    """2.12.4."""

    fuzzy_level_low: int
    fuzzy_level_high: int
    property_tag: int
    tagged_value: tuple[int, Any]


@dataclass(frozen=True, slots=True)
class PropertyRestriction:
    """2.12.5."""

    rel_op: int
    prop_tag: int
    tagged_value: tuple[int, Any]


@dataclass(frozen=True, slots=True)
class ComparePropertiesRestriction:
    """2.12.6."""

    rel_op: int
    prop_tag_1: int
    prop_tag_2: int


@dataclass(frozen=True, slots=True)
class BitMaskRestriction:
    """2.12.7; ``bitmap_rel_op`` 0: all bits of the mask are zero, 1: some are not."""

    bitmap_rel_op: int
    prop_tag: int
    mask: int


@dataclass(frozen=True, slots=True)
class SizeRestriction:
    """2.12.8."""

    rel_op: int
    prop_tag: int
    size: int


@dataclass(frozen=True, slots=True)
class ExistRestriction:
    """2.12.9."""

    prop_tag: int


@dataclass(frozen=True, slots=True)
class SubObjectRestriction:
    """2.12.10."""

    sub_object: int
    restriction: "Restriction"


@dataclass(frozen=True, slots=True)
class CommentRestriction:
    """2.12.11."""

    tagged_values: tuple[tuple[int, Any], ...]
    restriction: "Restriction | None"


@dataclass(frozen=True, slots=True)
class CountRestriction:
    """2.12.12."""

    count: int
    sub_restriction: "Restriction"


Restriction = (
    AndRestriction
    | OrRestriction
    | NotRestriction
    | ContentRestriction
    | PropertyRestriction
    | ComparePropertiesRestriction
    | BitMaskRestriction
    | SizeRestriction
    | ExistRestriction
    | SubObjectRestriction
    | CommentRestriction
    | CountRestriction
)


def pull_restriction(cursor: Cursor, depth: int = 0) -> Restriction:
    """Read one restriction with all it contains. Raises `WireError`."""
    if depth > DEEPEST:
        raise cursor.fail(f"restrictions nested deeper than {DEEPEST}")
    match cursor.uint8():
        case 0x00:
            return AndRestriction(_pull_several(cursor, depth))
        case 0x01:
            return OrRestriction(_pull_several(cursor, depth))
        case 0x02:
            return NotRestriction(pull_restriction(cursor, depth + 1))
        case 0x03:
            return ContentRestriction(cursor.uint16(), cursor.uint16(), cursor.uint32(), pull_tagged_value(cursor))
        case 0x04:
            return PropertyRestriction(cursor.uint8(), cursor.uint32(), pull_tagged_value(cursor))
        case 0x05:
            return ComparePropertiesRestriction(cursor.uint8(), cursor.uint32(), cursor.uint32())
        case 0x06:
            return BitMaskRestriction(cursor.uint8(), cursor.uint32(), cursor.uint32())
        case 0x07:
            return SizeRestriction(cursor.uint8(), cursor.uint32(), cursor.uint32())
        case 0x08:
            return ExistRestriction(cursor.uint32())
        case 0x09:
            return SubObjectRestriction(cursor.uint32(), pull_restriction(cursor, depth + 1))
        case 0x0A:
            values = tuple(pull_tagged_value(cursor) for _ in range(cursor.uint8()))
            return CommentRestriction(values, pull_restriction(cursor, depth + 1) if cursor.uint8() else None)
        case 0x0B:
            return CountRestriction(cursor.uint32(), pull_restriction(cursor, depth + 1))
        case unknown:
            raise cursor.fail(f"restriction type 0x{unknown:02X} is not known")


def _pull_several(cursor: Cursor, depth: int) -> tuple[Restriction, ...]:
    count = cursor.count(cursor.uint32(), 5)
    return tuple(pull_restriction(cursor, depth + 1) for _ in range(count))


def _integers(out: bytearray, *values_and_sizes: tuple[int, int]) -> None:
    for value, size in values_and_sizes:
        out += value.to_bytes(size, "little")


def push_restriction(out: bytearray, value: Restriction) -> None:
    """Append one restriction; the counterpart of `pull_restriction`."""
    match value:
        case AndRestriction(restricts) | OrRestriction(restricts):
            _integers(out, (0x00 if isinstance(value, AndRestriction) else 0x01, 1), (len(restricts), 4))
            for item in restricts:
                push_restriction(out, item)
        case NotRestriction(restriction):
            out.append(0x02)
            push_restriction(out, restriction)
        case ContentRestriction(low, high, tag, tagged):
            _integers(out, (0x03, 1), (low, 2), (high, 2), (tag, 4))
            push_tagged_value(out, tagged)
        case PropertyRestriction(rel_op, tag, tagged):
            _integers(out, (0x04, 1), (rel_op, 1), (tag, 4))
            push_tagged_value(out, tagged)
        case ComparePropertiesRestriction(rel_op, first, second):
            _integers(out, (0x05, 1), (rel_op, 1), (first, 4), (second, 4))
        case BitMaskRestriction(rel_op, tag, mask):
            _integers(out, (0x06, 1), (rel_op, 1), (tag, 4), (mask, 4))
        case SizeRestriction(rel_op, tag, size):
            _integers(out, (0x07, 1), (rel_op, 1), (tag, 4), (size, 4))
        case ExistRestriction(tag):
            _integers(out, (0x08, 1), (tag, 4))
        case SubObjectRestriction(sub_object, restriction):
            _integers(out, (0x09, 1), (sub_object, 4))
            push_restriction(out, restriction)
        case CommentRestriction(tagged_values, comment):
            _integers(out, (0x0A, 1), (len(tagged_values), 1))
            for tagged in tagged_values:
                push_tagged_value(out, tagged)
            out.append(comment is not None)
            if comment is not None:
                push_restriction(out, comment)
        case CountRestriction(count, restriction):
            _integers(out, (0x0B, 1), (count, 4))
            push_restriction(out, restriction)


RestrictionCodec = Codec(pull_restriction, push_restriction)
