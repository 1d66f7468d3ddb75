"""The strings inside conditions and actions of rules: Unicode as they are stored, 8-bit for clients that want it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from mapigw.emsmdb.values import narrowed, stored_form
from mapigw.wire.properties import PropertyType
from mapigw.wire.restrictions import (
    ActionBlock,
    ActionType,
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
from mapigw.wire.rows import TaggedValue

_NARROW: Final = {
    int(PropertyType.STRING): int(PropertyType.STRING8),
    int(PropertyType.MULTIPLE_STRING): int(PropertyType.MULTIPLE_STRING8),
}
_WIDE: Final = {narrow: wide for wide, narrow in _NARROW.items()}


class Strings:
    """Makes the strings of a rule Unicode, or with ``narrow`` strings of a code page."""

    def __init__(self, code_page: int, *, narrow: bool) -> None:
        self._code_page = code_page
        self._types = _NARROW if narrow else _WIDE
        self._value: Callable[[int, Any], Any] = self._narrowed if narrow else self._widened

    def _narrowed(self, tag: int, value: Any) -> Any:
        return narrowed(value, self._code_page)

    def _widened(self, tag: int, value: Any) -> Any:
        return stored_form(tag, value, self._code_page)[1]

    def property(self, tag: int, value: Any) -> TaggedValue:
        """Any property of a rule, or one inside it."""
        match tag & 0xFFFF:
            case PropertyType.RESTRICTION:
                return tag, self.restriction(value)
            case PropertyType.RULE_ACTION:
                return tag, [self._action(action) for action in value]
            case kind if kind in self._types:
                return self._tag(tag), self._value(tag, value)
        return tag, value

    def _tag(self, tag: int) -> int:
        return tag & ~0xFFFF | self._types.get(tag & 0xFFFF, tag & 0xFFFF)

    def restriction(self, item: Restriction) -> Restriction:
        """The same restriction with such strings, and the tags that name them."""
        match item:
            case AndRestriction(restricts):
                return AndRestriction(tuple(self.restriction(inner) for inner in restricts))
            case OrRestriction(restricts):
                return OrRestriction(tuple(self.restriction(inner) for inner in restricts))
            case NotRestriction(inner):
                return NotRestriction(self.restriction(inner))
            case CountRestriction(count, inner):
                return CountRestriction(count, self.restriction(inner))
            case SubObjectRestriction(subobject, inner):
                return SubObjectRestriction(subobject, self.restriction(inner))
            case CommentRestriction(values, comment):
                tagged = tuple(self.property(*value) for value in values)
                return CommentRestriction(tagged, None if comment is None else self.restriction(comment))
            case ContentRestriction() | PropertyRestriction():
                tag = self._tag(item.property_tag)
                return replace(item, property_tag=tag, tagged_value=self.property(*item.tagged_value))
            case ComparePropertiesRestriction(rel_op, first, second):
                return ComparePropertiesRestriction(rel_op, self._tag(first), self._tag(second))
            case BitMaskRestriction() | SizeRestriction() | ExistRestriction():
                return replace(item, property_tag=self._tag(item.property_tag))

    def _action(self, action: ActionBlock) -> ActionBlock:
        data = action.action_data
        match action.action_type:
            case ActionType.OP_TAG:
                return replace(action, action_data=self.property(*data))
            case ActionType.OP_FORWARD | ActionType.OP_DELEGATE:
                blocks = tuple(
                    replace(block, property_values=tuple(self.property(*value) for value in block.property_values))
                    for block in data
                )
                return replace(action, action_data=blocks)
        return action
