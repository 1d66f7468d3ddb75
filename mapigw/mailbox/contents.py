"""Contents tables: which messages they show, and in what order (MS-OXCTABL 3.2.5.3, 3.2.5.4).

What columns repeat is restricted and sorted by in one query that reads an index; for everything else the messages'
property lists are decoded, some hundred at once and off the event loop. The answers are the same.
"""

import asyncio
from array import array
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mapigw.mailbox.categories import Categories, Grouping, SortKey, group, sort_rows
from mapigw.mailbox.contents_decoding import Decoder, Record, safely
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.permissions import Accessor
from mapigw.store import contents
from mapigw.store.contents import Condition, PropertyLists, Scope
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.restrictions import AndRestriction, CountRestriction, Restriction

BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class View:
    """What a contents table shows of the messages in its scope."""

    scope: Scope
    restriction: Restriction | None = None
    order: tuple[SortKey, ...] = ()
    """Empty: by delivery time, the newest first."""
    grouping: Grouping | None = None
    instance_tag: int = 0
    """A multivalue property, with the instance bit, each of whose values has a row of its own; 0: none."""
    creator: Accessor | None = None
    """Who sees only messages of their own making; None: all are seen."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The rows of data of a view, in order."""

    ids: "array[int]"
    instances: "array[int] | None" = None
    """Which value of the multivalue property each row shows; None: rows are whole messages."""
    categories: Categories | None = None


async def list_messages(mailbox: Mailbox, view: View) -> Listing:
    """The rows of the view as they are now."""
    restriction, limit = _limited(view)
    condition, rest = _split(view.scope, restriction)
    keys = [key.property_tag for key in view.order]
    in_columns = rest is None and view.creator is None and not view.instance_tag
    if in_columns and _by_time(view):
        return Listing(await _ids_by_time(mailbox, view, condition, limit))
    if in_columns and all(map(contents.is_promoted, keys)):
        async with mailbox.database.read() as connection:
            found = await contents.select_columns(connection, view.scope, condition, keys)
        records_of_columns = (Record(row[0], 0, row[1], row[2:]) for row in found)
        return await asyncio.to_thread(_arranged, records_of_columns, view, limit)
    async with mailbox.database.read() as connection:
        ids = await contents.select_ids(connection, view.scope, condition)
    records: list[Record] = []
    async for batch in _decoded(mailbox, view, sorted(ids), rest, keys):  # as they are stored, page after page
        records += batch
    return await asyncio.to_thread(_arranged, _in_order(records, ids), view, limit)


def _in_order(records: list[Record], ids: "array[int]") -> Iterator[Record]:
    """Rows in the order of their messages."""
    places = {message_id: place for place, message_id in enumerate(ids)}
    yield from sorted(records, key=lambda record: places[record.message_id])


async def list_first_messages(mailbox: Mailbox, view: View, count: int) -> Listing | None:
    """The first rows of the view; None where listing all of them costs no more."""
    restriction, limit = _limited(view)
    condition, rest = _split(view.scope, restriction)
    if rest is not None or view.creator is not None or view.instance_tag or not _by_time(view) or limit is not None:
        return None
    return Listing(await _ids_by_time(mailbox, view, condition, count))


def continued(first: Listing, whole: Listing) -> Listing:
    """``first`` with what follows it in ``whole``, which is later: what has come in between before it is left out."""
    for message_id in reversed(first.ids):
        if message_id in whole.ids:
            return Listing(first.ids + whole.ids[whole.ids.index(message_id) + 1 :])
    return whole


def is_listed_by_columns(view: View) -> bool:
    """Whether no message is decoded to list the rows of the view."""
    restriction, limit = _limited(view)
    if limit is not None or view.creator is not None or view.instance_tag or _split(view.scope, restriction)[1]:
        return False
    return all(contents.is_promoted(key.property_tag) for key in view.order)


def _limited(view: View) -> tuple[Restriction | None, int | None]:
    """The restriction, and how many rows it lets through."""
    if isinstance(view.restriction, CountRestriction):
        return view.restriction.sub_restriction, view.restriction.count
    return view.restriction, None


def _by_time(view: View) -> bool:
    """Whether the order is that of an index."""
    tags_of_keys = [key.property_tag for key in view.order]
    return view.grouping is None and tags_of_keys in ([], [tags.PidTagMessageDeliveryTime])


async def _ids_by_time(mailbox: Mailbox, view: View, condition: Condition | None, limit: int | None) -> "array[int]":
    oldest_first = bool(view.order) and not view.order[0].descending
    async with mailbox.database.read() as connection:
        return await contents.select_ids(connection, view.scope, condition, oldest_first=oldest_first, limit=limit)


def _arranged(records: Iterable[Record], view: View, limit: int | None) -> Listing:
    rows, categories = list(records), None
    if view.grouping is None:
        sort_rows(rows, view.order)
        del rows[limit if limit is not None else len(rows) :]
    else:
        del rows[limit if limit is not None else len(rows) :]
        categories = group(rows, view.order, view.grouping)
    ids = array("q", (row.message_id for row in rows))
    return Listing(ids, array("L", (row.instance for row in rows)) if view.instance_tag else None, categories)


async def matching_ids(mailbox: Mailbox, scope: Scope, restriction: Restriction) -> set[int] | None:
    """The messages in the scope that satisfy the restriction; None when columns alone do not tell."""
    condition, rest = _split(scope, restriction)
    if condition is None or rest is not None:
        return None
    async with mailbox.database.read() as connection:
        return set(await contents.select_ids(connection, scope, condition))


async def matching_rows(
    mailbox: Mailbox, view: View, message_ids: Iterable[int], restriction: Restriction
) -> set[tuple[int, int]]:
    """(id, instance) of those rows of the messages that satisfy the restriction."""
    found: set[tuple[int, int]] = set()
    async for batch in _decoded(mailbox, view, list(dict.fromkeys(message_ids)), restriction, ()):
        found.update((record.message_id, record.instance) for record in batch)
    return found


async def count_messages(mailbox: Mailbox, scope: Scope) -> int:
    async with mailbox.database.read() as connection:
        return await contents.count(connection, scope)


async def read_messages(
    mailbox: Mailbox, scope: Scope, message_ids: Iterable[int], values: Callable[[MessageRow], dict[int, Any] | None]
) -> dict[int, dict[int, Any]]:
    """``values`` of some hundred messages, by id; of those that are still there, can be read, and have any."""
    async with mailbox.database.read() as connection:
        rows = await contents.select_rows(connection, scope, list(dict.fromkeys(message_ids)))
    found = ((row.message_id, safely(mailbox, row, values)) for row in rows.values())
    return {message_id: value for message_id, value in found if value is not None}


def _split(scope: Scope, restriction: Restriction | None) -> tuple[Condition | None, Restriction | None]:
    """The part of a restriction that columns decide, and what is left of it."""
    if restriction is None:
        return None, None
    condition = contents.condition(scope, restriction)
    if condition is not None or not isinstance(restriction, AndRestriction):
        return condition, None if condition is not None else restriction
    decided = tuple(item for item in restriction.restricts if contents.condition(scope, item) is not None)
    rest = tuple(item for item in restriction.restricts if item not in decided)
    return contents.condition(scope, AndRestriction(decided)), AndRestriction(rest)


async def _decoded(
    mailbox: Mailbox, view: View, message_ids: Sequence[int], restriction: Restriction | None, keys: Sequence[int]
) -> AsyncIterator[list[Record]]:
    """The rows of the messages that satisfy the restriction, a batch at a time."""
    decoder = Decoder(mailbox, restriction, keys, view.instance_tag, view.creator)
    for start in range(0, len(message_ids), BATCH):
        batch = message_ids[start : start + BATCH]
        rows: Mapping[int, MessageRow | PropertyLists]
        async with mailbox.database.read() as connection:
            if decoder.needs_rows:
                rows = await contents.select_rows(connection, view.scope, batch, children=decoder.with_children)
            else:
                rows = await contents.select_lists(connection, view.scope, batch)
        yield await asyncio.to_thread(decoder.records, [rows[item] for item in batch if item in rows])
