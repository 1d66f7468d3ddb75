"""Restrictions in the address book's encoding (MS-OXCDATA 2.12; values as MS-OXCMAPIHTTP 2.2.1.2, 32-bit counts).

What a restriction is stands in `mapigw.wire.restrictions`. Here the values inside carry presence bytes, so that the
two encodings cannot share readers. Nesting deeper than `MAXIMUM_DEPTH` is malformed; the limit that is answered with
TooComplex is far lower (matching.py).
"""

from mapigw.wire.cursor import Cursor
from mapigw.wire.restrictions import (
    MAXIMUM_DEPTH,
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
    Restriction,
    SizeRestriction,
    SubObjectRestriction,
)
from nspi.values import Codec, pull_tagged_value, push_tagged_value


def pull_restriction(cursor: Cursor, depth: int = 0) -> Restriction:
    """Read one restriction with all it contains. Raises `WireError`."""
    if depth > MAXIMUM_DEPTH:
        raise cursor.fail(f"restrictions nested deeper than {MAXIMUM_DEPTH}")
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
    count = cursor.count(cursor.uint32(), 3)  # the smallest, an empty comment
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
