"""Which messages satisfy the restrictions of search folders, and the text that the full-text index has of a message.

Everything here computes or reads blobs: it is for worker threads. A message that cannot be read satisfies nothing.
"""

import logging
import struct
from collections.abc import Iterable, Mapping
from functools import reduce
from operator import or_
from typing import Any, Final

from mapigw.mailbox.bodies.forms import plain_text
from mapigw.mailbox.bodies.stored import source_of
from mapigw.mailbox.content import BlobValue, decode_children
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.message_properties import message_properties
from mapigw.mailbox.restrictions import Candidate, matches
from mapigw.mailbox.search_criteria import (
    NOT_INDEXED,
    SEARCH_ALL_INDEXED,
    SEARCH_ATTACHMENTS,
    SEARCH_RECIPIENTS,
    WITHHELD,
    Criteria,
    Needs,
    fold,
)
from mapigw.store.blobs import MissingBlobError
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.errors import WireError
from mapigw.wire.fasttransfer import parse_value
from mapigw.wire.properties import MULTIPLE, PropertyType

log = logging.getLogger("mapigw.mailbox")

TEXT_MAXIMUM: Final = 1 << 18
"""Characters of a message's text in the index; one that has more is looked at by every search."""
_CONVERTED_MAXIMUM: Final = 1 << 21  # bytes of a body that plain text is made of for the index
_UNREADABLE: Final = (WireError, MissingBlobError, struct.error)


def matching(
    mailbox: Mailbox, rows: Iterable[MessageRow], wanted: Mapping[int, Criteria]
) -> dict[int, dict[int, bool]]:
    """Of each message, by id, which of the criteria it satisfies.

    ``rows`` have their children where one of the criteria asks for them.
    """
    needs = reduce(or_, (item.needs for item in wanted.values()), Needs())
    found: dict[int, dict[int, bool]] = {}
    for row in rows:
        try:
            message = candidate(mailbox, row, needs)
            found[row.message_id] = {key: matches(item.restriction, message) for key, item in wanted.items()}
        except _UNREADABLE as error:
            log.error("message %d of mailbox %s is left out of searches: %s", row.message_id, mailbox.guid, error)
            found[row.message_id] = dict.fromkeys(wanted, False)
    return found


def candidate(mailbox: Mailbox, row: MessageRow, needs: Needs) -> Candidate:
    """A message as restrictions see it. Raises `WireError`, `MissingBlobError`, struct.error."""
    values = message_properties(mailbox, row)
    for tag, value in values.items():
        if isinstance(value, BlobValue) and tag >> 16 in needs.property_ids:
            values[tag] = _read(mailbox, value)
    if needs.body and tags.PidTagBody not in values:
        body = _body(mailbox, values)
        if body is not None:
            values[tags.PidTagBody] = body
    if not needs.subobjects:
        return Candidate(values)
    children = decode_children(row.children, row.children_index)
    attachments = [item.properties for item in children.attachments]
    if SEARCH_ATTACHMENTS in needs.property_ids:
        values[_searched(SEARCH_ATTACHMENTS)] = list(_strings(mailbox, attachments))
    for property_id, kind in SEARCH_RECIPIENTS.items():
        if property_id in needs.property_ids:
            named = (item for item in children.recipients if item.get(tags.PidTagRecipientType, 1) & 0x0F == kind)
            values[_searched(property_id)] = list(_strings(mailbox, named))
    if SEARCH_ALL_INDEXED in needs.property_ids:
        values[_searched(SEARCH_ALL_INDEXED)] = list(_strings(mailbox, [values, *children.recipients, *attachments]))
    return Candidate(values, children.recipients, attachments)


def message_text(mailbox: Mailbox, row: MessageRow) -> str:
    """The text of a message, folded, for the index."""
    try:
        values = message_properties(mailbox, row)
        withheld = False
        if tags.PidTagBody not in values:
            source = source_of(values)
            value = None if source is None else values[source]
            withheld = isinstance(value, BlobValue) and value.size > _CONVERTED_MAXIMUM
            body = None if withheld else _body(mailbox, values)
            if body is not None:
                values[tags.PidTagBody] = body
        children = decode_children(row.children, row.children_index)
        attachments = (item.properties for item in children.attachments)
        text = "\n".join(_strings(mailbox, [values, *children.recipients, *attachments], limit=TEXT_MAXIMUM + 1))
    except _UNREADABLE as error:
        log.error("message %d of mailbox %s is not in the full-text index: %s", row.message_id, mailbox.guid, error)
        return WITHHELD
    if withheld or len(text) > TEXT_MAXIMUM:
        return f"{fold(text[:TEXT_MAXIMUM])}\n{WITHHELD}"
    return fold(text)


def _searched(property_id: int) -> int:
    return property_id << 16 | PropertyType.MULTIPLE_STRING


def _strings(mailbox: Mailbox, properties: Iterable[Mapping[int, Any]], limit: int | None = None) -> dict[str, None]:
    """Each text among the properties once; of one that is out of line at most ``limit`` characters."""
    found: dict[str, None] = {}
    for tag, value in (item for values in properties for item in values.items()):
        if tag & ~MULTIPLE & 0xFFFF == PropertyType.STRING and tag >> 16 not in NOT_INDEXED:
            read = _read(mailbox, value, limit) if isinstance(value, BlobValue) else value
            found.update(dict.fromkeys(read if isinstance(read, list) else [read]))
    return found


def _body(mailbox: Mailbox, values: Mapping[int, Any]) -> str | None:
    """The body as plain text, made of the form that there is; None also for one that is damaged, as clients write."""
    tag = source_of(values)
    if tag is None:
        return None
    value = values[tag]
    if isinstance(value, BlobValue):
        value = _read(mailbox, value)
    try:
        return plain_text(value, tag, values.get(tags.PidTagInternetCodepage))
    except WireError as error:
        log.warning("a body in mailbox %s is left out of searches: %s", mailbox.guid, error)
        return None


def _read(mailbox: Mailbox, value: BlobValue, limit: int | None = None) -> Any:
    length = None if limit is None else 2 * limit
    return parse_value(value.type, mailbox.database.blobs.get(value.digest, 0, length))
