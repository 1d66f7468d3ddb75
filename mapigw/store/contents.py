"""Queries of contents tables: which messages, in what order, with what in the columns that repeat properties.

Of a folder with 100,000 messages all rows are looked at, so these queries read an index that covers them and hand over
what the driver gives: an object for each row would cost the event loop more than the query.
"""

import json
import operator
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Select,
    Table,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy import Integer as SqlInteger
from sqlalchemy.dialects import sqlite

from mapigw.store.database import Connection
from mapigw.store.messages import MessageRow
from mapigw.store.schema import deleted_message, message, search_result
from mapigw.store.text import (
    IGNORE_CASE,
    PHRASE_MATCH,
    PREFIX,
    PREFIX_ON_ANY_WORD,
    SUBSTRING,
    collation_key,
    fuzzy,
    fuzzy_level,
)
from mapigw.wire import tags
from mapigw.wire.primitives import ObjectId
from mapigw.wire.properties import PropertyType
from mapigw.wire.restrictions import (
    AndRestriction,
    BitMaskRestriction,
    CommentRestriction,
    ComparePropertiesRestriction,
    ContentRestriction,
    ExistRestriction,
    NotRestriction,
    OrRestriction,
    PropertyRestriction,
    RelationalOperator,
    Restriction,
)

Condition = ColumnElement[bool]
"""What `condition` makes: the layers above pass it on and know no more of it."""

_DIALECT: Final = sqlite.dialect(paramstyle="qmark")
_EQUALITY: Final = frozenset({RelationalOperator.EQUAL, RelationalOperator.NOT_EQUAL})
TEXT_MAXIMUM: Final = 255  # characters of a text that `select_columns` gives
_INTEGER_MAXIMUM: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Scope:
    """The messages of a contents table: those of a folder, of a search folder, or of the whole mailbox."""

    mailbox_id: int
    folder_id: int | None
    """None: the messages of all folders."""
    is_associated: bool = False
    is_deleted: bool = False
    """True: soft-deleted messages."""
    is_search: bool = False
    """True: ``folder_id`` is a search folder, and its results are meant."""

    @property
    def table(self) -> Table:
        return deleted_message if self.is_deleted else message

    def select(self, *columns: ColumnElement[Any]) -> Select[Any]:
        """``columns`` of the messages, all of them."""
        table = self.table.c
        statement = select(*columns).where(
            table.mailbox_id == self.mailbox_id, table.is_associated == (true() if self.is_associated else false())
        )
        if self.is_search:
            found = select(search_result.c.message_id).where(
                search_result.c.mailbox_id == self.mailbox_id, search_result.c.folder_id == self.folder_id
            )
            return statement.where(table.message_id.in_(found))
        return statement if self.folder_id is None else statement.where(table.folder_id == self.folder_id)


def _promoted(table: Table) -> dict[int, ColumnElement[Any]]:
    """What repeats properties, by tag."""
    columns = table.c
    flags = (
        columns.message_flags.op("|")(cast(columns.is_read, SqlInteger))
        .op("|")(cast(columns.has_attachments, SqlInteger) * MESSAGE_FLAG_HAS_ATTACHMENTS)
        .op("|")(cast(columns.is_associated, SqlInteger) * MESSAGE_FLAG_ASSOCIATED)
    )
    return {
        tags.PidTagMessageFlags: flags,
        tags.PidTagMessageStatus: columns.message_status,
        tags.PidTagRead: columns.is_read,
        tags.PidTagAssociated: columns.is_associated,
        tags.PidTagHasAttachments: columns.has_attachments,
        tags.PidTagMessageSize: columns.size,
        tags.PidTagLastModificationTime: columns.modified,
        tags.PidTagLocalCommitTime: columns.local_commit_time,
        tags.PidTagMessageDeliveryTime: columns.delivery_time,
        tags.PidTagMessageClass: columns.message_class,
        tags.PidTagSubject: columns.subject,
        tags.PidTagNormalizedSubject: columns.normalized_subject,
        tags.PidTagSentRepresentingName: columns.sent_representing_name,
        tags.PidTagImportance: columns.importance,
        tags.PidTagConversationId: columns.conversation_id,
    }


MESSAGE_FLAG_HAS_ATTACHMENTS: Final = 0x0010
MESSAGE_FLAG_ASSOCIATED: Final = 0x0040
_BY_TAG: Final = {table: _promoted(table) for table in (message, deleted_message)}
_PROMOTED: Final = {table: {tag >> 16: column for tag, column in by_tag.items()} for table, by_tag in _BY_TAG.items()}
_TAGS: Final = frozenset(
    tag & ~0xFFFF | kind
    for tag in _BY_TAG[message]
    for kind in ({PropertyType.STRING, PropertyType.STRING8} if tag & 0xFFFF == PropertyType.STRING else {tag & 0xFFFF})
) | {tags.PidTagMessageSizeExtended}
_TEXT_IDS: Final = frozenset(
    tag >> 16
    for tag in (
        tags.PidTagMessageClass,
        tags.PidTagSubject,
        tags.PidTagNormalizedSubject,
        tags.PidTagSentRepresentingName,
    )
)
_OBJECT_IDS: Final = frozenset({tags.PidTagMid, tags.PidTagInstID})
_OWN_REPLICA: Final = 1  # the ReplId in every id of a mailbox
_BINARY_IDS: Final = frozenset({tags.PidTagConversationId >> 16})


def is_promoted(tag: int) -> bool:
    """Whether a column repeats the property, for every message alike; text has either type."""
    return tag in _TAGS


# Restrictions


# What SQLite's parser is sure to take; it also limits the depth of "a OR b OR …".
_DEPTH_MAXIMUM: Final = 12
_PARTS_MAXIMUM: Final = 500


def condition(scope: Scope, restriction: Restriction) -> Condition | None:
    """The restriction on columns, as `mailbox.restrictions.matches` decides.

    None when it looks at anything else, or is too large for SQL.
    """
    return _condition(scope, restriction, 0) if _parts(restriction) <= _PARTS_MAXIMUM else None


def _parts(restriction: Restriction) -> int:
    match restriction:
        case AndRestriction(restricts) | OrRestriction(restricts):
            return sum(map(_parts, restricts), 1)
        case NotRestriction(inner) | CommentRestriction(_, inner) if inner is not None:
            return _parts(inner)
    return 1


def _condition(scope: Scope, restriction: Restriction, depth: int) -> Condition | None:
    if depth > _DEPTH_MAXIMUM:
        return None
    match restriction:
        case AndRestriction(restricts) | OrRestriction(restricts):
            parts = [part for item in restricts if (part := _condition(scope, item, depth + 1)) is not None]
            if len(parts) < len(restricts):
                return None
            return and_(true(), *parts) if isinstance(restriction, AndRestriction) else or_(false(), *parts)
        case NotRestriction(inner):
            part = _condition(scope, inner, depth + 1)
            return None if part is None else not_(part)
        case CommentRestriction(_, inner):
            return true() if inner is None else _condition(scope, inner, depth + 1)
    leaf = _leaf(_PROMOTED[scope.table], scope.table.c.message_id, restriction)
    # Absent is NULL, of which nothing holds, also where it is negated.
    return None if leaf is None else func.coalesce(leaf, false())


def _leaf(
    columns: Mapping[int, ColumnElement[Any]], message_id: ColumnElement[int], restriction: Restriction
) -> ColumnElement[Any] | None:
    match restriction:
        case PropertyRestriction(RelationalOperator.EQUAL, tag, (_, int(value))) if tag in _OBJECT_IDS:
            object_id = ObjectId.from_integer(value)
            return message_id == object_id.counter if object_id.replica_id == _OWN_REPLICA else false()
        case PropertyRestriction(rel_op, tag, (_, value)) if tag >> 16 in columns:
            if tag >> 16 in _TEXT_IDS and rel_op in _EQUALITY and isinstance(value, str):
                return _compared(rel_op, _folded(columns[tag >> 16]), _storable(value).casefold())
            comparable = _comparable_value(tag >> 16, value)
            return false() if comparable is None else _compared(rel_op, _comparable(columns, tag >> 16), comparable)
        case ContentRestriction(low, high, tag, (_, value)) if tag >> 16 in columns and tag >> 16 not in _BINARY_IDS:
            if tag >> 16 not in _TEXT_IDS or not isinstance(value, str):
                return false()
            return _contains(columns[tag >> 16], _storable(value), low, fuzzy_level(tag, high))
        case ComparePropertiesRestriction(rel_op, first, second) if {first >> 16, second >> 16} <= columns.keys():
            if _kind(first >> 16) is not _kind(second >> 16):
                return false()
            return _compared(rel_op, _comparable(columns, first >> 16), _comparable(columns, second >> 16))
        case BitMaskRestriction(nonzero, tag, mask) if tag >> 16 in columns:
            if _kind(tag >> 16) is not int:
                return false()
            masked = columns[tag >> 16].op("&")(mask)
            return masked != 0 if nonzero else masked == 0
        case ExistRestriction(tag) if tag >> 16 in columns:
            return columns[tag >> 16].is_not(None)
    return None


def _folded(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Text without regard to case, by SQLite itself where it has ASCII characters only; NULL stays."""
    is_ascii = func.length(column) == func.length(cast(column, LargeBinary))
    return case((column.is_(None), None), (is_ascii, func.lower(column)), else_=func.folded(column))


def _contains(column: ColumnElement[Any], value: str, low: int, high: int) -> ColumnElement[Any]:
    """`content_matches`, as far as possible by what SQLite does itself."""
    if low & (PREFIX_ON_ANY_WORD | PHRASE_MATCH):
        return func.content_matches(column, value, low, high)
    text: ColumnElement[Any] = column
    if high:
        text = _folded(column) if high == IGNORE_CASE else func.fuzzy(func.coalesce(column, ""), high)
    wanted = fuzzy(value, high)
    if low & PREFIX:
        found = func.substr(text, 1, len(wanted)) == wanted
    else:
        found = func.instr(text, wanted) > 0 if low & SUBSTRING else text == wanted
    return and_(column.is_not(None), found)


def _kind(property_id: int) -> type:
    return str if property_id in _TEXT_IDS else bytes if property_id in _BINARY_IDS else int


def _comparable(columns: Mapping[int, ColumnElement[Any]], property_id: int) -> ColumnElement[Any]:
    column = columns[property_id]
    return func.collation_key(column) if property_id in _TEXT_IDS else column


def _comparable_value(property_id: int, value: Any) -> Any:
    """What to compare a column with; None where the value is of a kind that compares as nothing."""
    kind = _kind(property_id)
    if kind is int and isinstance(value, int | float):
        return min(value, _INTEGER_MAXIMUM)
    if not isinstance(value, kind):
        return None
    return collation_key(_storable(value)) if isinstance(value, str) else value


def _compared(rel_op: int, left: ColumnElement[Any], right: Any) -> ColumnElement[Any]:
    compare = _OPERATORS.get(rel_op)
    return false() if compare is None else compare(left, right)


_OPERATORS: Final[dict[int, Callable[[Any, Any], ColumnElement[Any]]]] = {
    RelationalOperator.LESS_THAN: operator.lt,
    RelationalOperator.LESS_THAN_OR_EQUAL: operator.le,
    RelationalOperator.GREATER_THAN: operator.gt,
    RelationalOperator.GREATER_THAN_OR_EQUAL: operator.ge,
    RelationalOperator.EQUAL: operator.eq,
    RelationalOperator.NOT_EQUAL: operator.ne,
}


def _storable(text: str) -> str:
    """Text as columns hold it: without halves of surrogate pairs."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


# Queries


async def select_ids(
    connection: Connection,
    scope: Scope,
    wanted: Condition | None = None,
    *,
    oldest_first: bool = False,
    limit: int | None = None,
) -> "array[int]":
    """Ids in the order of PidTagMessageDeliveryTime, messages without it last, or first with ``oldest_first``."""
    columns = scope.table.c
    order = (columns.delivery_time, columns.message_id)
    statement = scope.select(columns.message_id).limit(limit)
    if wanted is not None:
        statement = statement.where(wanted)
    ordered = statement.order_by(*(order if oldest_first else (column.desc() for column in order))).subquery()
    # One value instead of a row for each message.
    ((joined,),) = await _tuples(connection, select(func.group_concat(ordered.c.message_id)))
    return array("q", json.loads(f"[{joined or ''}]"))


async def count(connection: Connection, scope: Scope) -> int:
    return int((await connection.execute(scope.select(func.count()))).scalar_one())


def _shortened(column: ColumnElement[Any], property_id: int) -> ColumnElement[Any]:
    """As much of a text as rows sort by: those of many messages are kept for it."""
    return func.substr(column, 1, TEXT_MAXIMUM) if property_id in _TEXT_IDS else column


async def select_columns(
    connection: Connection, scope: Scope, wanted: Condition | None, promoted_tags: Sequence[int]
) -> list[tuple[Any, ...]]:
    """(id, is read, value of each property) in the order of `select_ids`; None: the message does not have it."""
    columns, promoted = scope.table.c, _PROMOTED[scope.table]
    statement = scope.select(
        columns.message_id, columns.is_read, *(_shortened(promoted[tag >> 16], tag >> 16) for tag in promoted_tags)
    )
    if wanted is not None:
        statement = statement.where(wanted)
    return await _tuples(connection, statement.order_by(columns.delivery_time.desc(), columns.message_id.desc()))


async def select_rows(
    connection: Connection, scope: Scope, message_ids: Sequence[int], *, children: bool = False
) -> dict[int, MessageRow]:
    """Those of the messages that are (still) in the scope, by id; at most some hundred a call.

    Recipients and attachments come only with ``children``.
    """
    rows = await connection.execute(
        _ROWS[scope.table, children], {"mailbox": scope.mailbox_id, "messages": list(message_ids)}
    )
    anywhere = scope.is_search or scope.folder_id is None
    return {row[0]: MessageRow(*row) for row in rows if anywhere or row[1] == scope.folder_id}


class PropertyLists(NamedTuple):
    """What is stored of a message itself."""

    message_id: int
    folder_id: int
    is_read: bool
    properties: bytes
    properties_index: bytes


async def select_lists(connection: Connection, scope: Scope, message_ids: Sequence[int]) -> dict[int, PropertyLists]:
    """As `select_rows`, where no more is wanted."""
    rows = await connection.execute(_LISTS[scope.table], {"mailbox": scope.mailbox_id, "messages": list(message_ids)})
    anywhere = scope.is_search or scope.folder_id is None
    return {row[0]: PropertyLists._make(row) for row in rows if anywhere or row[1] == scope.folder_id}


def _row_statement(table: Table, *, children: bool) -> Select[Any]:
    """No condition but the ids: another one would lead the planner to walk the whole folder."""
    columns = (
        table.c[name] if children or not name.startswith("children") else literal(b"").label(name)
        for name in (field.name for field in fields(MessageRow))
    )
    return select(*columns).where(
        table.c.mailbox_id == bindparam("mailbox"), table.c.message_id.in_(bindparam("messages", expanding=True))
    )


_ROWS: Final = {
    (table, children): _row_statement(table, children=children)
    for table in (message, deleted_message)
    for children in (False, True)
}


_LISTS: Final = {
    table: _ROWS[table, False].with_only_columns(*(table.c[name] for name in PropertyLists._fields))
    for table in (message, deleted_message)
}


async def _tuples(connection: Connection, statement: Select[Any]) -> list[tuple[Any, ...]]:
    """The rows as the driver has them."""
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
    parameters = [compiled.params[name] for name in compiled.positiontup or ()]
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    return list(await driver.execute_fetchall(str(compiled), parameters))
