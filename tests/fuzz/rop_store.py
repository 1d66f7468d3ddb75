"""What must be true of a mailbox in the store, whatever was done to it."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from mapigw.mailbox.content import blob_uses, decode_message, decode_properties
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.search import is_recursive
from mapigw.mailbox.search_criteria import SearchState, criteria
from mapigw.mailbox.search_matching import matching
from mapigw.mailbox.search_population import with_subfolders
from mapigw.store import folders, search
from mapigw.store.database import Connection
from mapigw.store.folders import Folder
from mapigw.store.mailboxes import SEARCH_FOLDER
from mapigw.store.messages import _COLUMNS, MessageRow
from mapigw.store.schema import deleted_message
from mapigw.wire import tags

_DELETED = [deleted_message.c[column.name] for column in _COLUMNS]


@dataclass
class Contents:
    """A mailbox at one moment. ``folders`` are all rows, the soft-deleted ones too."""

    folders: dict[int, Folder] = field(default_factory=dict)
    messages: dict[int, MessageRow] = field(default_factory=dict)
    deleted: dict[int, MessageRow] = field(default_factory=dict)
    tombstones: list[Any] = field(default_factory=list)
    """(folder id, change number, object id, is folder)"""
    next_counter: int = 0

    def path(self, folder_id: int) -> list[int]:
        """A folder and those above it."""
        found: list[int] = []
        while folder_id in self.folders and folder_id not in found:
            found.append(folder_id)
            folder_id = self.folders[folder_id].parent_id
        return found

    def exists(self, folder_id: int) -> bool:
        return folder_id in self.folders and self.folders[folder_id].deleted is None


async def settled(mailbox: Mailbox) -> None:
    """Wait until no search runs and the full-text index is up to date."""
    while True:
        work = mailbox.database._work.items()
        finite = [task for name, task in work if name.startswith(("search ", "index "))]
        if not finite:
            return
        await asyncio.gather(*finite, return_exceptions=True)


async def select(connection: Connection, query: str, *parameters: Any) -> list[Any]:
    """The rows of a query; the first parameter is the mailbox's id."""
    return list(await connection.exec_driver_sql(query, parameters))


async def read_contents(connection: Connection, mailbox_id: int) -> Contents:
    found = Contents()
    names = ", ".join(folder.name for folder in folders._COLUMNS)
    rows = await select(connection, f"SELECT {names} FROM folder WHERE mailbox_id = ?", mailbox_id)
    found.folders = {row[0]: Folder(*row) for row in rows}
    names = ", ".join(column.name for column in _COLUMNS)
    for table, target in (("message", found.messages), ("deleted_message", found.deleted)):
        rows = await select(connection, f"SELECT {names} FROM {table} WHERE mailbox_id = ?", mailbox_id)
        for row in rows:
            target[row[0]] = MessageRow(*row)
    rows = await select(
        connection,
        "SELECT folder_id, change_number, object_id, is_folder FROM tombstone WHERE mailbox_id = ?",
        mailbox_id,
    )
    found.tombstones = [tuple(row) for row in rows]
    rows = await select(connection, "SELECT next_counter FROM mailbox WHERE mailbox_id = ?", mailbox_id)
    found.next_counter = rows[0][0]
    return found


async def problems_of(mailbox: Mailbox, before: Contents | None = None) -> tuple[Contents, list[str]]:
    """What is there now, and what is wrong with it; ``before`` is what was there at an earlier moment."""
    await settled(mailbox)
    async with mailbox.database.snapshot() as connection:
        now = await read_contents(connection, mailbox.mailbox_id)
        found = _counts(now) + _changes(now) + _messages(now)
        if before is not None:
            found += _left(before, now)
        found += await _blobs(connection, mailbox, now)
        found += await _searches(connection, mailbox, now)
        found += await _orphans(connection, mailbox, now)
    return now, found


def _counts(now: Contents) -> list[str]:
    found = []
    for row in now.folders.values():
        if row.folder_type == SEARCH_FOLDER:
            continue
        inside = [item for item in now.messages.values() if item.folder_id == row.folder_id]
        normal = [item for item in inside if not item.is_associated]
        wanted = {
            "content_count": len(normal),
            "content_unread_count": sum(not item.is_read for item in normal),
            "associated_count": len(inside) - len(normal),
            "content_size": sum(item.size for item in normal),
            "associated_size": sum(item.size for item in inside if item.is_associated),
        }
        found += [
            f"folder {row.folder_id} has {name} {getattr(row, name)}, its rows have {value}"
            for name, value in wanted.items()
            if getattr(row, name) != value
        ]
        deleted = sum(item.folder_id == row.folder_id for item in now.deleted.values())
        if row.deleted_count < deleted:
            found.append(
                f"folder {row.folder_id} has deleted_count {row.deleted_count} with {deleted} deleted messages"
            )
    return found


def _changes(now: Contents) -> list[str]:
    found = []
    used: Counter[int] = Counter(row.change_number for row in now.folders.values())
    used.update(row.change_number for row in now.messages.values())
    used.update(row.change_number for row in now.deleted.values())
    found += [f"change number {number} is used {count} times" for number, count in used.items() if count > 1]
    last: dict[int, int] = defaultdict(int)
    for row in now.messages.values():
        last[row.folder_id] = max(last[row.folder_id], row.change_number, row.read_change_number)
    for folder_id, number, _object_id, is_folder in now.tombstones:
        used[number] += 1
        if not is_folder:
            last[folder_id] = max(last[folder_id], number)
    for folder in now.folders.values():
        used[folder.content_change_number] += 1
        if folder.content_change_number < last[folder.folder_id]:
            found.append(
                f"folder {folder.folder_id} has content_change_number {folder.content_change_number}"
                f" below {last[folder.folder_id]}"
            )
    if max([*used, *last.values()]) >= now.next_counter:
        found.append(f"a change number is not below the counter {now.next_counter}")
    return found


def _messages(now: Contents) -> list[str]:
    found = []
    for row in (*now.messages.values(), *now.deleted.values()):
        try:
            content = decode_message(row)
        except Exception as error:
            found.append(f"message {row.message_id} cannot be read: {error!r}")
            continue
        size = len(row.properties) + len(row.children) + sum(size - 32 for _, size in blob_uses(row))
        if size != row.size:
            found.append(f"message {row.message_id} has size {row.size}, and takes {size}")
        if bool(content.attachments) < row.has_attachments:
            found.append(f"message {row.message_id} has no attachments but says so")
        subject = content.properties.get(tags.PidTagSubject)
        if isinstance(subject, str) and row.subject is not None and not subject.startswith(row.subject[:100]):
            found.append(f"message {row.message_id} has the subject {subject!r} and the column {row.subject!r}")
        ids = [tag >> 16 for tag in content.properties]
        if len(set(ids)) != len(ids):
            found.append(f"message {row.message_id} has a property under two types: {sorted(ids)}")
        numbers = [item.properties.get(tags.PidTagAttachNumber) for item in content.attachments]
        if len(set(numbers)) != len(numbers):
            found.append(f"message {row.message_id} has two attachments of one number")
        row_ids = [item.get(tags.PidTagRowid) for item in content.recipients]
        if len(set(row_ids)) != len(row_ids):
            found.append(f"message {row.message_id} has two recipients of one RowId")
    return found


def _left(before: Contents, now: Contents) -> list[str]:
    found = []
    buried = {(folder_id, object_id) for folder_id, _, object_id, _ in now.tombstones}
    for key, row in before.messages.items():
        moved = key not in now.messages or now.messages[key].folder_id != row.folder_id
        if moved and now.exists(row.folder_id) and (row.folder_id, key) not in buried:
            found.append(f"message {key} has left folder {row.folder_id} without a tombstone")
    for key, folder in before.folders.items():
        gone = folder.deleted is None and not now.exists(key)
        if gone and not any(object_id == key for _, _, object_id, is_folder in now.tombstones if is_folder):
            found.append(f"folder {key} is gone without a tombstone")
    return found


async def _blobs(connection: Connection, mailbox: Mailbox, now: Contents) -> list[str]:
    uses: Counter[bytes] = Counter()
    for row in (*now.messages.values(), *now.deleted.values()):
        uses.update(digest for digest, _ in blob_uses(row))
    key = mailbox.mailbox_id
    rows = await select(connection, "SELECT mime FROM message_mime WHERE mailbox_id = ? AND is_digest", key)
    uses.update(bytes(row[0]) for row in rows)
    rows = await select(connection, "SELECT digest, count FROM blob WHERE mailbox_id = ?", key)
    counted = {bytes(row[0]): row[1] for row in rows}
    found = [
        f"blob {digest.hex()[:8]} is counted {counted.get(digest, 0)} times and used {uses[digest]} times"
        for digest in sorted({*counted, *uses})
        if counted.get(digest, 0) != uses[digest]
    ]
    blobs = mailbox.database.blobs
    missing = await asyncio.to_thread(lambda: [digest for digest in uses if not blobs._renewed(digest)])
    return found + [f"blob {digest.hex()[:8]} is not in the store" for digest in missing]


async def _searches(connection: Connection, mailbox: Mailbox, now: Contents) -> list[str]:
    """Counts of search folders equal their results; results of dynamic ones equal a fresh evaluation."""
    found = []
    places = await search.select_places(connection, mailbox.mailbox_id)
    rows = await select(
        connection,
        "SELECT folder_id, message_id, is_read, size FROM search_result WHERE mailbox_id = ?",
        mailbox.mailbox_id,
    )
    results: dict[int, dict[int, tuple[bool, int]]] = defaultdict(dict)
    for folder_id, message_id, is_read, size in rows:
        results[folder_id][message_id] = (bool(is_read), size)
    searches = {row.folder_id: row for row in await search.select_search_folders(connection, mailbox.mailbox_id)}
    fresh: dict[int, set[int]] = {}

    def evaluate(folder_id: int) -> set[int]:
        """What a search folder has to show; another one that it looks into is evaluated first."""
        if folder_id not in fresh:
            row = searches[folder_id]
            homes = set(row.folder_ids) & {place.folder_id for place in places}
            inside = with_subfolders(homes, places) if is_recursive(row) else homes
            nested = [key for key in homes if key in searches]
            shown = set().union(*(evaluate(key) for key in nested))
            chosen = [
                item
                for item in now.messages.values()
                if not item.is_associated and (item.folder_id in inside or item.message_id in shown)
            ]
            decided = matching(mailbox, chosen, {folder_id: criteria(row.restriction)})
            fresh[folder_id] = {key for key, answers in decided.items() if answers[folder_id]}
            if row.search_flags & SearchState.STATIC or not row.search_flags & SearchState.COMPLETE:
                fresh[folder_id] = set(results[folder_id])
        return fresh[folder_id]

    for folder in now.folders.values():
        if folder.folder_type != SEARCH_FOLDER:
            continue
        shown = results[folder.folder_id]
        wanted = (
            len(shown),
            sum(not is_read for is_read, _ in shown.values()),
            sum(size for _, size in shown.values()),
        )
        counted = (folder.content_count, folder.content_unread_count, folder.content_size)
        if folder.deleted is None and counted != wanted:
            found.append(f"search folder {folder.folder_id} counts {counted}, its results are {wanted}")
        row = searches.get(folder.folder_id)
        if row is None:
            continue
        right = await asyncio.to_thread(evaluate, folder.folder_id)
        if set(shown) != right:
            found.append(
                f"search folder {folder.folder_id} shows {sorted(set(shown) - right)} too many"
                f" and lacks {sorted(right - set(shown))}: {criteria(row.restriction).restriction}"
                f" flags 0x{row.search_flags:X} in {row.folder_ids}"
            )
        for key, (is_read, size) in shown.items() if not row.search_flags & SearchState.STATIC else ():
            message = now.messages.get(key)
            if message is None or (message.is_read, message.size) != (is_read, size):
                found.append(f"search folder {folder.folder_id} has message {key} as it is not")
    found += [f"results of {key}, which is no search folder" for key in results if key not in searches and results[key]]
    return found


async def _orphans(connection: Connection, mailbox: Mailbox, now: Contents) -> list[str]:
    found = [
        f"message {row.message_id} is in folder {row.folder_id}, which does not exist"
        for row in (*now.messages.values(), *now.deleted.values())
        if row.folder_id not in now.folders
    ]
    for folder in now.folders.values():
        if folder.special != "root" and folder.parent_id not in now.folders:
            found.append(f"folder {folder.folder_id} is in folder {folder.parent_id}, which does not exist")
        elif folder.deleted is None and folder.special != "root" and not now.exists(folder.parent_id):
            found.append(f"folder {folder.folder_id} is in folder {folder.parent_id}, which is deleted")
        try:
            decode_properties(folder.properties, folder.properties_index)
        except Exception as error:
            found.append(f"folder {folder.folder_id} cannot be read: {error!r}")
    names = Counter(
        (row.parent_id, row.name.casefold()) for row in now.folders.values() if row.deleted is None and row.parent_id
    )
    found += [f"{count} folders are called {name}" for name, count in names.items() if count > 1]
    for table in ("permission", "rule", "search_folder", "receive_folder", "message_mime"):
        column = "message_id" if table == "message_mime" else "folder_id"
        rows = await select(
            connection, f"SELECT DISTINCT {column} FROM {table} WHERE mailbox_id = ?", mailbox.mailbox_id
        )
        known = {*now.messages, *now.deleted} if table == "message_mime" else now.folders.keys()
        found += [f"a row of {table} belongs to {row[0]}, which does not exist" for row in rows if row[0] not in known]
    return found
