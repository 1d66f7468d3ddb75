"""Saving messages: one transaction a message (MS-OXCMSG 3.2.5.3).

A `Draft` is what an open message has become. What is committed apart from a save (read state, message status) is not
part of it: the stored row's stays.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from mapigw.mailbox import search
from mapigw.mailbox.clock import now
from mapigw.mailbox.content import (
    BlobValue,
    Content,
    DecodedMessage,
    blob_uses,
    encode_decoded,
    large_values,
)
from mapigw.mailbox.events import Event, Kind, changing, note
from mapigw.mailbox.mailboxes import Mailbox, MailboxError, NotFoundError, succeeding
from mapigw.mailbox.messages import (
    MESSAGE_FLAG_NOTIFY_READ,
    MESSAGE_FLAG_NOTIFY_UNREAD,
    MESSAGE_FLAG_UNMODIFIED,
    complete,
    promoted,
)
from mapigw.mailbox.originals import is_same_mail
from mapigw.mailbox.rules import exceeds_rule_limit
from mapigw.store import folders, mailboxes, messages
from mapigw.store.blobs import digest_of
from mapigw.store.database import Connection
from mapigw.store.messages import MessageRow
from mapigw.wire import tags
from mapigw.wire.fasttransfer import parse_value
from mapigw.wire.properties import NAMED_PROPERTY_MINIMUM, PropertyName, PropertyType

_PROMOTED_TEXTS: Final = (
    tags.PidTagMessageClass,
    tags.PidTagSubject,
    tags.PidTagNormalizedSubject,
    tags.PidTagSentRepresentingName,
)


class MessageChangedError(MailboxError):
    """Another transaction has changed the message since it was opened."""


class MessageExistsError(MailboxError):
    """A message that was to be made has been made meanwhile."""


class RuleTooLargeError(MailboxError):
    """The condition of an extended rule is too large."""


class MessageGoneError(MailboxError):
    """The message was deleted or moved since it was opened."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who saves: PidTagLastModifierName and PidTagLastModifierEntryId, and of a new message its creator's."""

    name: str
    entry_id: bytes


@dataclass(frozen=True, slots=True)
class Version:
    """What a client that made a version elsewhere says of it (MS-OXCFXICS 2.2.1.2). It stays the message's own."""

    source_key: bytes | None
    """None: made of the message id."""
    change_key: bytes | None
    """None: made of the change number."""
    predecessor_change_list: bytes | None
    modified: int


@dataclass(slots=True)
class Draft:
    """A message as it is to be saved."""

    row: MessageRow
    """As it was opened; or `unsaved_row`, whose message flags and read state are then the new message's."""
    content: DecodedMessage
    """Stored properties only."""
    author: Author
    version: Version | None = None
    """Of a message that is imported; None: the save makes the version."""
    message_status: int | None = None
    """PidTagMessageStatus as it is to be; None: as it is."""
    message_flags: int | None = None
    """The message flags as they are to be; None: as they are, or as a first save makes them."""
    predecessors: bytes | None = None
    """A predecessor change list that a version which the save makes succeeds, in place of the present one's."""
    keeps_mime: bool = False
    """The MIME that a changed message came as still is this message: only what stands beside it has changed."""
    is_copy: bool = False
    """A new message that was saved elsewhere: its message flags are those that it had there."""


async def new_message_id(mailbox: Mailbox, count: int = 1) -> int:
    """The first of ``count`` ids for messages that are created but perhaps never saved."""
    async with mailbox.database.write() as connection:
        return await mailboxes.allocate_message_ids(connection, mailbox.mailbox_id, count)


def unsaved_row(
    folder_id: int, message_id: int, *, is_associated: bool, message_flags: int, is_read: bool
) -> MessageRow:
    """The row of a message that is created now and was never saved: its change number is 0."""
    moment = now()
    return MessageRow(
        message_id=message_id,
        folder_id=folder_id,
        is_associated=is_associated,
        change_number=0,
        read_change_number=0,
        source_key=None,
        change_key=None,
        predecessor_change_list=None,
        message_flags=message_flags,
        message_status=0,
        is_read=is_read,
        size=0,
        modified=moment,
        local_commit_time=moment,
        sort_time=moment,
        delivery_time=None,
        message_class="",
        subject=None,
        normalized_subject=None,
        sent_representing_name=None,
        importance=1,
        has_attachments=False,
        conversation_id=None,
        properties=b"",
        properties_index=b"",
        children=b"",
        children_index=b"",
    )


async def put_large_values(mailbox: Mailbox, properties: dict[int, Any]) -> int:
    """Store the values that a save would put out of line, and set its `BlobValue` in the place of each.

    Returns how many characters and bytes are not in memory any more.
    """
    large = large_values(properties)
    if not large:
        return 0
    freed = sum(len(properties[tag]) for tag in large)
    kept = await asyncio.to_thread(lambda: {tag: (digest_of(value), value) for tag, value in large.items()})
    await asyncio.to_thread(mailbox.database.blobs.put, dict(kept.values()))
    properties.update((tag, BlobValue(digest, len(value), tag & 0xFFFF)) for tag, (digest, value) in kept.items())
    return freed


async def save_message(
    mailbox: Mailbox,
    draft: Draft,
    *,
    force: bool = False,
    also: Callable[[Connection, MessageRow], Awaitable[None]] | None = None,
) -> MessageRow:
    """Save a new or a changed message; when this returns it is on disk. Returns its row.

    With ``force`` what others saved since it was opened is overwritten. ``also`` is done in the same transaction, with
    the row as it is saved. Raises `MessageChangedError`,
    `MessageGoneError`, `MessageExistsError`, `NotFoundError` (the folder), `RuleTooLargeError`, `MissingBlobError` (a
    large value that was written too long ago).
    """
    if draft.row.is_associated and exceeds_rule_limit(draft.content.properties):
        raise RuleTooLargeError("the condition of an extended rule is too large")
    moment = now()
    stored = _completed(draft, moment)
    names = await _names(mailbox, stored)
    content = await asyncio.to_thread(encode_decoded, stored, names)
    # What the message has already needs no care, unless others may have taken it away.
    known = set() if force else {digest for digest, _size in blob_uses(draft.row)}
    await asyncio.to_thread(_put, mailbox, content, known)
    version = draft.version
    columns = promoted(await _texts(mailbox, stored.properties), version.modified if version else moment)
    async with changing(mailbox) as connection:
        if await folders.select_folder(connection, mailbox.mailbox_id, draft.row.folder_id) is None:
            raise NotFoundError("the folder does not exist")
        present = await _present(connection, mailbox, draft.row, force=force)
        change_number = await mailboxes.allocate(connection, mailbox.mailbox_id)
        row = replace(
            present or draft.row,
            change_number=change_number,
            message_flags=_saved_flags(draft, present, stored.properties),
            size=content.size,
            modified=moment,
            local_commit_time=moment,
            **columns,
            properties=content.properties,
            properties_index=content.properties_index,
            children=content.children,
            children_index=content.children_index,
        )
        if present is not None:
            listed = draft.predecessors or present.predecessor_change_list
            listed = succeeding(mailbox.replica_guid, listed, change_number)
            row = replace(row, change_key=None, predecessor_change_list=listed)
        if version is not None:
            row = replace(row, **asdict(version))
        if draft.message_status is not None:
            row = replace(row, message_status=draft.message_status)
        if draft.message_flags is not None:
            row = replace(row, message_flags=draft.message_flags)
        await _write(connection, mailbox, row, present, content, keeps_mime=draft.keeps_mime)
        await _count(connection, mailbox, row, present)
        kind = Kind.OBJECT_CREATED if present is None else Kind.OBJECT_MODIFIED
        note(mailbox, Event(kind, row.folder_id, row.message_id, is_associated=row.is_associated))
        await search.update(connection, mailbox, [row.message_id])
        if also is not None:
            await also(connection, row)
    return row


def _completed(draft: Draft, moment: int) -> DecodedMessage:
    content = draft.content
    properties, _columns = complete(content, moment)
    if not draft.row.change_number or draft.version is not None:
        properties.setdefault(tags.PidTagCreatorName, draft.author.name)
        properties.setdefault(tags.PidTagCreatorEntryId, draft.author.entry_id)
        properties.setdefault(tags.PidTagLastModifierName, draft.author.name)
    else:
        properties[tags.PidTagLastModifierName] = draft.author.name
    properties[tags.PidTagLastModifierEntryId] = draft.author.entry_id
    return DecodedMessage(properties, content.recipients, content.attachments)


async def _names(mailbox: Mailbox, content: DecodedMessage) -> Mapping[int, PropertyName]:
    named = any(tag >> 16 >= NAMED_PROPERTY_MINIMUM for properties in content.property_sets() for tag in properties)
    return await mailbox.property_names() if named else {}


async def _texts(mailbox: Mailbox, properties: Mapping[int, Any]) -> dict[int, Any]:
    """The properties, with those that columns repeat in memory."""
    result = dict(properties)
    for tag in _PROMOTED_TEXTS:
        value = properties.get(tag)
        if isinstance(value, BlobValue):
            result[tag] = parse_value(PropertyType.STRING, await mailbox.read_blob(value.digest))
    return result


def _put(mailbox: Mailbox, content: Content, known: set[bytes]) -> None:
    """Store new values, and see to it that those which were stored before the save are not collected now."""
    blobs = mailbox.database.blobs
    if content.blobs:
        blobs.put(content.blobs)
    blobs.renew({digest for digest, _size in content.blob_uses} - known - content.blobs.keys())


async def _present(connection: Connection, mailbox: Mailbox, row: MessageRow, *, force: bool) -> MessageRow | None:
    """The message as it is now; None for a new one."""
    if not row.change_number:
        return None
    present = await messages.select_message(connection, mailbox.mailbox_id, row.message_id)
    if present is None or present.folder_id != row.folder_id:
        raise MessageGoneError("the message does not exist any more")
    if present.change_number != row.change_number and not force:
        raise MessageChangedError("the message was changed since it was opened")
    return present


def _saved_flags(draft: Draft, present: MessageRow | None, properties: Mapping[int, Any]) -> int:
    """Its message flags: mfUnmodified from the first save to the second, receipts pending from the first (2.2.1.6)."""
    if present is not None:
        return present.message_flags & ~MESSAGE_FLAG_UNMODIFIED
    if draft.is_copy:
        return draft.row.message_flags
    flags = draft.row.message_flags
    if draft.version is None:  # what was imported is as the client says
        flags |= MESSAGE_FLAG_UNMODIFIED
    if properties.get(tags.PidTagReadReceiptRequested):
        flags |= MESSAGE_FLAG_NOTIFY_READ
    if properties.get(tags.PidTagNonReceiptNotificationRequested):
        flags |= MESSAGE_FLAG_NOTIFY_UNREAD
    return flags


async def _write(
    connection: Connection,
    mailbox: Mailbox,
    row: MessageRow,
    present: MessageRow | None,
    content: Content,
    *,
    keeps_mime: bool,
) -> None:
    mailbox_id = mailbox.mailbox_id
    await messages.count_blobs(connection, mailbox_id, content.blob_uses)
    if present is None:
        if not await messages.insert_message(connection, mailbox_id, row):
            raise MessageExistsError("a message has the id already")
        return
    await messages.update_message(connection, mailbox_id, row)
    keeps_mime = keeps_mime or is_same_mail(present, row)  # else the MIME it came as is not this message any more
    mime = [] if keeps_mime else await messages.delete_mime(connection, mailbox_id, [row.message_id])
    await messages.uncount_blobs(connection, mailbox_id, blob_uses(present) + mime)


async def _count(connection: Connection, mailbox: Mailbox, row: MessageRow, present: MessageRow | None) -> None:
    added = row.size - (present.size if present is not None else 0)
    count = int(present is None)
    await folders.count_contents(
        connection,
        mailbox.mailbox_id,
        row.folder_id,
        change_number=row.change_number,
        commit_time=row.local_commit_time,
        content=0 if row.is_associated else count,
        unread=0 if row.is_associated or row.is_read else count,
        associated=count if row.is_associated else 0,
        content_size=0 if row.is_associated else added,
        associated_size=added if row.is_associated else 0,
    )
