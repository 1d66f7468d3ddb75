"""Messages that come into mailboxes: those of one transaction together, whatever mailboxes they are for."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from mapigw.mailbox import search
from mapigw.mailbox.clock import now
from mapigw.mailbox.events import appended, note_all
from mapigw.mailbox.mailboxes import Mailbox, NotFoundError, PreparedMessage
from mapigw.mailbox.messages import row_of
from mapigw.store import deliveries
from mapigw.store.database import Connection
from mapigw.store.deliveries import Added
from mapigw.store.messages import MessageRow, MimeRow


class Arriving(NamedTuple):
    """A message for a folder."""

    mailbox: Mailbox
    folder_id: int
    prepared: PreparedMessage


async def insert_together(connection: Connection, items: Sequence[Arriving]) -> list[int]:
    """Add messages in the caller's transaction of `changing` on all their mailboxes. Returns their ids.

    Raises `NotFoundError` (one of the folders or mailboxes).
    """
    moment = now()
    rows = await _rows(connection, items, moment)
    ours = list(zip(items, rows, strict=True))
    await deliveries.insert_all(connection, [(item.mailbox.mailbox_id, row) for item, row in ours])
    await deliveries.insert_all_mime(
        connection,
        [
            (item.mailbox.mailbox_id, MimeRow(row.message_id, item.prepared.mime, item.prepared.mime_is_digest))
            for item, row in ours
            if item.prepared.mime is not None
        ],
    )
    await deliveries.count_all_blobs(
        connection, ((item.mailbox.mailbox_id, *use) for item in items for use in item.prepared.blob_uses)
    )
    by_place: dict[tuple[int, int], list[MessageRow]] = {}
    by_mailbox: dict[int, tuple[Mailbox, list[int]]] = {}
    for item, row in ours:
        by_place.setdefault((item.mailbox.mailbox_id, item.folder_id), []).append(row)
        by_mailbox.setdefault(item.mailbox.mailbox_id, (item.mailbox, []))[1].append(row.message_id)
        note_all(item.mailbox, appended(item.folder_id, row))
    await deliveries.count_all_contents(connection, [_added(*place, found) for place, found in by_place.items()])
    keys = ((item.mailbox.mailbox_id, row.message_id) for item, row in ours)
    await deliveries.queue_all_text(connection, keys, moment)
    for mailbox_id in await deliveries.select_searching(connection, by_mailbox):
        await search.update(connection, *by_mailbox[mailbox_id], text_changed=False)
    return [row.message_id for row in rows]


async def _rows(connection: Connection, items: Sequence[Arriving], moment: int) -> list[MessageRow]:
    places = {(item.mailbox.mailbox_id, item.folder_id) for item in items}
    if await deliveries.select_present(connection, places) != places:
        raise NotFoundError("the folder does not exist")
    taken = await deliveries.take_numbers(connection, Counter(item.mailbox.mailbox_id for item in items))
    used: Counter[int] = Counter()
    rows = []
    for item in items:
        mailbox_id, prepared = item.mailbox.mailbox_id, item.prepared
        position = used[mailbox_id]
        used[mailbox_id] += 1
        rows.append(
            row_of(
                prepared.content,
                prepared.properties,
                prepared.columns,
                message_id=prepared.message_id or taken[mailbox_id].message_id + position,
                folder_id=item.folder_id,
                change_number=taken[mailbox_id].change_number + position,
                is_associated=prepared.is_associated,
                is_read=prepared.is_read,
                modified=moment,
            )
        )
    return rows


def _added(mailbox_id: int, folder_id: int, rows: Sequence[MessageRow]) -> Added:
    normal = [row for row in rows if not row.is_associated]
    return Added(
        mailbox_id,
        folder_id,
        rows[-1].change_number,
        rows[-1].modified,
        content=len(normal),
        unread=sum(not row.is_read for row in normal),
        associated=len(rows) - len(normal),
        content_size=sum(row.size for row in normal),
        associated_size=sum(row.size for row in rows if row.is_associated),
    )
