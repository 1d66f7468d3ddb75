"""Restrictions and rule actions (MS-OXCDATA 2.12, MS-OXORULE 2.2.5).

``wide`` selects the form of extended rules: counts and sizes of 32 bits instead of 16. Nesting is limited, so that
hostile input ends in a `WireError`, never in a stack overflow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final
from uuid import UUID

from mapigw.wire.cursor import Cursor
from mapigw.wire.primitives import ObjectId, Pulled
from mapigw.wire.properties import PropertyType, declare_type
from mapigw.wire.rows import TaggedValue, pull_tagged_value, push_tagged_value

MAXIMUM_DEPTH: Final = 128


class RelationalOperator(IntEnum):
    """RelOp of MS-OXCDATA 2.12.5.1."""

    LESS_THAN = 0x00
    LESS_THAN_OR_EQUAL = 0x01
    GREATER_THAN = 0x02
    GREATER_THAN_OR_EQUAL = 0x03
    EQUAL = 0x04
    NOT_EQUAL = 0x05
    MEMBER_OF_DL = 0x64


@dataclass(frozen=True, slots=True)
class AndRestriction:
    restricts: tuple["Restriction", ...]


@dataclass(frozen=True, slots=True)
class OrRestriction:
    restricts: tuple["Restriction", ...]


@dataclass(frozen=True, slots=True)
class NotRestriction:
    restriction: "Restriction"


@dataclass(frozen=True, slots=True)
class ContentRestriction:
    """``fuzzy_level_low``: 0 whole string, 1 substring, 2 prefix; ``fuzzy_level_high``: 1 ignore case, 2 ignore
    nonspacing characters, 4 loose.
    """

    fuzzy_level_low: int
    fuzzy_level_high: int
    property_tag: int
    tagged_value: TaggedValue


@dataclass(frozen=True, slots=True)
class PropertyRestriction:
    rel_op: int
    property_tag: int
    tagged_value: TaggedValue


@dataclass(frozen=True, slots=True)
class ComparePropertiesRestriction:
    rel_op: int
    property_tag_1: int
    property_tag_2: int


@dataclass(frozen=True, slots=True)
class BitMaskRestriction:
    """``bitmap_rel_op``: 0 the masked value is zero, 1 it is not."""

    bitmap_rel_op: int
    property_tag: int
    mask: int


@dataclass(frozen=True, slots=True)
class SizeRestriction:
    rel_op: int
    property_tag: int
    size: int


@dataclass(frozen=True, slots=True)
class ExistRestriction:
    property_tag: int


@dataclass(frozen=True, slots=True)
class SubObjectRestriction:
    """``subobject`` is PidTagMessageRecipients or PidTagMessageAttachments."""

    subobject: int
    restriction: "Restriction"


@dataclass(frozen=True, slots=True)
class CommentRestriction:
    tagged_values: tuple[TaggedValue, ...]
    restriction: "Restriction | None"


@dataclass(frozen=True, slots=True)
class CountRestriction:
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


def _pull_many(cursor: Cursor, wide: bool) -> tuple[Restriction, ...]:
    count = cursor.count(cursor.uint32() if wide else cursor.uint16(), 1)
    restricts = []
    for _ in range(count):
        restricts.append(pull_restriction(cursor, wide))  # noqa: PERF401 - a comprehension would cost a stack frame
    return tuple(restricts)


def _pull_comment(cursor: Cursor, wide: bool) -> CommentRestriction:
    count = cursor.uint8()
    values = tuple(pull_tagged_value(cursor, wide=wide) for _ in range(count))
    return CommentRestriction(values, pull_restriction(cursor, wide) if cursor.uint8() else None)


_PULL: Final[tuple[Callable[[Cursor, bool], Restriction], ...]] = (
    lambda cursor, wide: AndRestriction(_pull_many(cursor, wide)),
    lambda cursor, wide: OrRestriction(_pull_many(cursor, wide)),
    lambda cursor, wide: NotRestriction(pull_restriction(cursor, wide)),
    lambda cursor, wide: ContentRestriction(
        cursor.uint16(), cursor.uint16(), cursor.uint32(), pull_tagged_value(cursor, wide=wide)
    ),
    lambda cursor, wide: PropertyRestriction(cursor.uint8(), cursor.uint32(), pull_tagged_value(cursor, wide=wide)),
    lambda cursor, wide: ComparePropertiesRestriction(cursor.uint8(), cursor.uint32(), cursor.uint32()),
    lambda cursor, wide: BitMaskRestriction(cursor.uint8(), cursor.uint32(), cursor.uint32()),
    lambda cursor, wide: SizeRestriction(cursor.uint8(), cursor.uint32(), cursor.uint32()),
    lambda cursor, wide: ExistRestriction(cursor.uint32()),
    lambda cursor, wide: SubObjectRestriction(cursor.uint32(), pull_restriction(cursor, wide)),
    _pull_comment,
    lambda cursor, wide: CountRestriction(cursor.uint32(), pull_restriction(cursor, wide)),
)


def pull_restriction(cursor: Cursor, wide: bool = False) -> Restriction:
    """Read one restriction (MS-OXCDATA 2.12). Raises `WireError`, also when it is nested too deeply."""
    if cursor.depth >= MAXIMUM_DEPTH:
        raise cursor.fail("restrictions are nested too deeply")
    kind = cursor.uint8()
    if kind >= len(_PULL):
        cursor.position -= 1
        raise cursor.fail(f"restriction type 0x{kind:02X} is not known")
    cursor.depth += 1
    restriction = _PULL[kind](cursor, wide)
    cursor.depth -= 1
    return restriction


def _u8(value: int) -> bytes:
    return value.to_bytes(1, "little")


def _u16(value: int) -> bytes:
    return value.to_bytes(2, "little")


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def push_restriction(out: bytearray, value: Restriction, wide: bool = False) -> None:
    """Append one restriction; the counterpart of `pull_restriction`."""
    match value:
        case AndRestriction(restricts) | OrRestriction(restricts):
            out.append(0x00 if isinstance(value, AndRestriction) else 0x01)
            out += len(restricts).to_bytes(4 if wide else 2, "little")
            for restriction in restricts:
                push_restriction(out, restriction, wide)
        case NotRestriction(restriction):
            out.append(0x02)
            push_restriction(out, restriction, wide)
        case ContentRestriction(low, high, tag, tagged):
            out += b"\x03" + _u16(low) + _u16(high) + _u32(tag)
            push_tagged_value(out, tagged, wide=wide)
        case PropertyRestriction(rel_op, tag, tagged):
            out += b"\x04" + _u8(rel_op) + _u32(tag)
            push_tagged_value(out, tagged, wide=wide)
        case ComparePropertiesRestriction(rel_op, tag_1, tag_2):
            out += b"\x05" + _u8(rel_op) + _u32(tag_1) + _u32(tag_2)
        case BitMaskRestriction(rel_op, tag, mask):
            out += b"\x06" + _u8(rel_op) + _u32(tag) + _u32(mask)
        case SizeRestriction(rel_op, tag, size):
            out += b"\x07" + _u8(rel_op) + _u32(tag) + _u32(size)
        case ExistRestriction(tag):
            out += b"\x08" + _u32(tag)
        case SubObjectRestriction(subobject, restriction):
            out += b"\x09" + _u32(subobject)
            push_restriction(out, restriction, wide)
        case CommentRestriction(tagged_values, inner):
            out += b"\x0a" + _u8(len(tagged_values))
            for tagged in tagged_values:
                push_tagged_value(out, tagged, wide=wide)
            out.append(inner is not None)
            if inner is not None:
                push_restriction(out, inner, wide)
        case CountRestriction(count, restriction):
            out += b"\x0b" + _u32(count)
            push_restriction(out, restriction, wide)


RestrictionField = Pulled(
    lambda cursor, context: pull_restriction(cursor),
    lambda out, value, context: push_restriction(out, value),
)
"""One restriction, as ROPs have it."""


class ActionType(IntEnum):
    """MS-OXORULE 2.2.5.1."""

    OP_MOVE = 0x01
    OP_COPY = 0x02
    OP_REPLY = 0x03
    OP_OOF_REPLY = 0x04
    OP_DEFER_ACTION = 0x05
    OP_BOUNCE = 0x06
    OP_FORWARD = 0x07
    OP_DELEGATE = 0x08
    OP_TAG = 0x09
    OP_DELETE = 0x0A
    OP_MARK_AS_READ = 0x0B


@dataclass(frozen=True, slots=True)
class MoveCopyData:
    """MS-OXORULE 2.2.5.1.2.1. Extended rules have no FolderInThisStore, here None; in standard ones a folder of this
    store has a ServerEid as ``folder_entry_id``.
    """

    folder_in_this_store: bool | None
    store_entry_id: bytes
    folder_entry_id: bytes


@dataclass(frozen=True, slots=True)
class ReplyData:
    """MS-OXORULE 2.2.5.1.2.2. ``template`` is the folder and message id, in extended rules the message's entry id."""

    template: tuple[ObjectId, ObjectId] | bytes
    reply_template_guid: UUID


@dataclass(frozen=True, slots=True)
class RecipientBlock:
    """RecipientBlockData, MS-OXORULE 2.2.5.1.2.4.1."""

    reserved: int
    property_values: tuple[TaggedValue, ...]


@dataclass(frozen=True, slots=True)
class ActionBlock:
    """MS-OXORULE 2.2.5.1. ``action_data`` by ``action_type``: `MoveCopyData`, `ReplyData`, a tuple of
    `RecipientBlock` (forward, delegate), int (the bounce code), a (tag, value) tuple (OP_TAG), else bytes.
    """

    action_type: int
    action_flavor: int
    action_flags: int
    action_data: Any


def _pull_sized(cursor: Cursor, wide: bool) -> bytes:
    return cursor.take(cursor.uint32() if wide else cursor.uint16())


def _pull_recipient_block(cursor: Cursor, wide: bool) -> RecipientBlock:
    reserved = cursor.uint8()
    count = cursor.count(cursor.uint32(), 4)
    return RecipientBlock(reserved, tuple(pull_tagged_value(cursor, wide=wide) for _ in range(count)))


def _pull_action_data(cursor: Cursor, action_type: int, wide: bool) -> Any:
    match action_type:
        case ActionType.OP_MOVE | ActionType.OP_COPY:
            in_this_store = None if wide else cursor.uint8() != 0
            return MoveCopyData(in_this_store, _pull_sized(cursor, wide), _pull_sized(cursor, wide))
        case ActionType.OP_REPLY | ActionType.OP_OOF_REPLY:
            if wide:
                return ReplyData(_pull_sized(cursor, wide), cursor.guid())
            template = ObjectId.from_bytes(cursor.take(8)), ObjectId.from_bytes(cursor.take(8))
            return ReplyData(template, cursor.guid())
        case ActionType.OP_BOUNCE:
            return cursor.uint32()
        case ActionType.OP_FORWARD | ActionType.OP_DELEGATE:
            count = cursor.count(cursor.uint32(), 5)
            return tuple(_pull_recipient_block(cursor, wide) for _ in range(count))
        case ActionType.OP_TAG:
            return pull_tagged_value(cursor, wide=wide)
        case _:
            return cursor.take(cursor.remaining)


def pull_rule_actions(cursor: Cursor, wide: bool = False) -> list[ActionBlock]:
    """Read a RuleAction structure (MS-OXORULE 2.2.5). Raises `WireError`."""
    if cursor.depth >= MAXIMUM_DEPTH:
        raise cursor.fail("rule actions are nested too deeply")
    count = cursor.count(cursor.uint32() if wide else cursor.uint16(), 9)
    actions = []
    outer_end = cursor.end
    cursor.depth += 1
    for _ in range(count):
        length = cursor.uint32() if wide else cursor.uint16()
        if length > cursor.remaining:
            raise cursor.fail(f"action of {length} bytes, {cursor.remaining} left")
        cursor.end = cursor.position + length
        action_type, flavor, flags = cursor.uint8(), cursor.uint32(), cursor.uint32()
        data = _pull_action_data(cursor, action_type, wide)
        if cursor.remaining:
            raise cursor.fail(f"{cursor.remaining} bytes left over in an action")
        cursor.end = outer_end
        actions.append(ActionBlock(action_type, flavor, flags, data))
    cursor.depth -= 1
    return actions


def _push_sized(out: bytearray, value: bytes, wide: bool) -> None:
    out += len(value).to_bytes(4 if wide else 2, "little") + value


def _push_action_data(out: bytearray, action_type: int, data: Any, wide: bool) -> None:
    match action_type:
        case ActionType.OP_MOVE | ActionType.OP_COPY:
            if not wide:
                out.append(bool(data.folder_in_this_store))
            _push_sized(out, data.store_entry_id, wide)
            _push_sized(out, data.folder_entry_id, wide)
        case ActionType.OP_REPLY | ActionType.OP_OOF_REPLY:
            if wide:
                _push_sized(out, data.template, wide)
            else:
                out += data.template[0].to_bytes() + data.template[1].to_bytes()
            out += data.reply_template_guid.bytes_le
        case ActionType.OP_BOUNCE:
            out += _u32(data)
        case ActionType.OP_FORWARD | ActionType.OP_DELEGATE:
            out += _u32(len(data))
            for block in data:
                out += _u8(block.reserved) + _u32(len(block.property_values))
                for tagged in block.property_values:
                    push_tagged_value(out, tagged, wide=wide)
        case ActionType.OP_TAG:
            push_tagged_value(out, data, wide=wide)
        case _:
            out += data


def push_rule_actions(out: bytearray, value: list[ActionBlock], wide: bool = False) -> None:
    """Append a RuleAction structure; the counterpart of `pull_rule_actions`."""
    width = 4 if wide else 2
    out += len(value).to_bytes(width, "little")
    for action in value:
        block = bytearray(_u8(action.action_type) + _u32(action.action_flavor) + _u32(action.action_flags))
        _push_action_data(block, action.action_type, action.action_data, wide)
        out += len(block).to_bytes(width, "little")
        out += block


declare_type(PropertyType.RESTRICTION, pull_restriction, push_restriction)
declare_type(PropertyType.RULE_ACTION, pull_rule_actions, push_rule_actions)
