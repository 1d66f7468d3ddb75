"""Import of mail into a mailbox, in batches: a worker thread reads and converts while the batch before is saved."""

import asyncio
import hashlib
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mapigw.mail.calendar.importing import messages_from_icalendar
from mapigw.mail.fields import MESSAGE_FLAG_UNSENT
from mapigw.mail.mime import message_from_mime
from mapigw.mail.names import FLAG_REQUEST
from mapigw.mail.sources import Flags, Item, Kind, Unreadable
from mapigw.mail.vcards import contact_from_vcard
from mapigw.mailbox.folders import create_folder
from mapigw.mailbox.mailboxes import FolderExistsError, Mailbox, NewMessage
from mapigw.store.folders import Folder
from mapigw.wire import tags
from mapigw.wire.message import Properties

_FOLDERS: Final = {"IPM.Contact": "contacts", "IPM.Appointment": "calendar", "IPM.Task": "tasks"}
BATCH_MESSAGES: Final = 50
BATCH_BYTES: Final = 4 << 20

_FOLLOWUP_FLAGGED: Final = 2
_RED_FLAG: Final = 6
_TIME_FLAGGED: Final = 1
_VERB_REPLY, _VERB_FORWARD = 102, 104
_ICON_REPLIED, _ICON_FORWARDED = 0x105, 0x106

# What a message can raise whose values do not fit; anything else is the store's fault and ends the import.
_MESSAGE_ERRORS: Final = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, struct.error)


class FolderPathError(Exception):
    """A folder path that names no folder and cannot be created."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A message that was not imported; ``kept`` is where its bytes were put aside, if there were any."""

    source: str
    reason: str
    kept: Path | None


@dataclass(slots=True)
class Summary:
    imported: int = 0
    size: int = 0
    failures: list[Failure] = field(default_factory=list)


@dataclass(slots=True)
class _Prepared:
    item: Item
    message: NewMessage
    size: int
    """Bytes of the source; 0 for a further message from the same one."""


class Importer:
    """One import. ``unreadable`` is the folder for what cannot be imported; it is made when it is needed.

    ``advanced`` is called on the event loop with each batch's number of messages and bytes. With ``by_kind`` contacts,
    appointments and tasks from cards and calendars go to the folders of their kind instead of ``folder``.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        folder: Folder,
        unreadable: Path,
        advanced: Callable[[int, int], None] = lambda messages, size: None,
        *,
        by_kind: bool = False,
    ) -> None:
        self._mailbox = mailbox
        self._folder = folder
        self._unreadable = unreadable
        self._advanced = advanced
        self._by_kind = by_kind
        self._targets: dict[tuple[str, ...], int] = {(): folder.folder_id}
        self._summary = Summary()

    async def run(self, items: Iterator[Item | Unreadable]) -> Summary:
        """Import everything. Raises what the store raises when it cannot be written at all."""
        reading = asyncio.create_task(asyncio.to_thread(self._next_batch, items))
        try:
            while batch := await reading:
                reading = asyncio.create_task(asyncio.to_thread(self._next_batch, items))
                await self._save(batch)
        finally:
            reading.cancel()
        return self._summary

    def _next_batch(self, items: Iterator[Item | Unreadable]) -> list[_Prepared | Unreadable]:
        batch: list[_Prepared | Unreadable] = []
        size = 0
        for item in items:
            if isinstance(item, Unreadable):
                batch.append(item)
            else:
                found = _new_messages(item)
                batch += [
                    _Prepared(item, message, 0 if number else len(item.raw)) for number, message in enumerate(found)
                ]
                size += len(item.raw)
                if not found:
                    batch.append(Unreadable(item.source, f"no {item.kind.name.lower()} that can be read", item.raw))
            if len(batch) >= BATCH_MESSAGES or size >= BATCH_BYTES:
                break
        return batch

    async def _save(self, batch: list[_Prepared | Unreadable]) -> None:
        by_folder: dict[int, list[_Prepared]] = {}
        size = 0
        for entry in batch:
            if isinstance(entry, Unreadable):
                size += len(entry.raw or b"")
                await self._fail(entry.source, entry.reason, entry.raw)
            else:
                size += entry.size
                by_folder.setdefault(await self._target(entry), []).append(entry)
        for folder_id, entries in by_folder.items():
            for start in range(0, len(entries), BATCH_MESSAGES):
                await self._append(folder_id, entries[start : start + BATCH_MESSAGES])
        self._advanced(len(batch), size)

    async def _append(self, folder_id: int, entries: list[_Prepared]) -> None:
        try:
            await self._mailbox.append(folder_id, [entry.message for entry in entries])
        except _MESSAGE_ERRORS as error:
            if len(entries) == 1:
                await self._fail(entries[0].item.source, f"{type(error).__name__}: {error}", entries[0].item.raw)
                return
            for entry in entries:  # find the one that spoils the batch
                await self._append(folder_id, [entry])
        else:
            self._summary.imported += len(entries)
            self._summary.size += sum(entry.size for entry in entries)

    async def _fail(self, source: str, reason: str, raw: bytes | None) -> None:
        kept = await asyncio.to_thread(self._keep, raw) if raw is not None else None
        self._summary.failures.append(Failure(source, reason, kept))

    def _keep(self, raw: bytes) -> Path:
        """Put a message aside under its digest, so that the same one is kept once."""
        self._unreadable.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._unreadable / f"{hashlib.sha256(raw).hexdigest()[:32]}.eml"
        path.write_bytes(raw)
        return path

    async def _target(self, entry: _Prepared) -> int:
        item = entry.item
        if item.kind is not Kind.MAIL and self._by_kind:
            home = _FOLDERS.get(str(entry.message.message.properties.get(tags.PidTagMessageClass)), "inbox")
            return (await self._mailbox.special_folder(home)).folder_id
        if item.flags.deleted:
            return (await self._mailbox.special_folder("deleted_items")).folder_id
        for depth in range(1, len(item.folder) + 1):
            path = item.folder[:depth]
            if path not in self._targets:
                parent = self._targets[path[:-1]]
                self._targets[path] = (await _child(self._mailbox, parent, path[-1])).folder_id
        return self._targets[item.folder]


async def resolve_folder(mailbox: Mailbox, path: str) -> Folder:
    """The folder of a path with "/" between names, in any case; what does not exist is created.

    Raises `FolderPathError` for a path without names.
    """
    names = [name.strip() for name in path.split("/") if name.strip()]
    if not names:
        raise FolderPathError("the folder path names no folder")
    folder = await mailbox.special_folder("ipm_subtree")
    for name in names:
        folder = await _child(mailbox, folder.folder_id, name)
    return folder


async def _child(mailbox: Mailbox, parent_id: int, name: str) -> Folder:
    found = await mailbox.child_by_name(parent_id, name)
    if found is not None:
        return found
    try:
        return await create_folder(mailbox, parent_id, name, container_class="IPF.Note")
    except FolderExistsError:  # somebody else was quicker
        created = await mailbox.child_by_name(parent_id, name)
        if created is None:
            raise
        return created


def _new_messages(item: Item) -> list[NewMessage]:
    if item.kind is Kind.VCARD:
        contact = contact_from_vcard(item.raw)
        return [NewMessage(contact, is_read=True)] if contact is not None else []
    if item.kind is Kind.CALENDAR:
        return [NewMessage(message, is_read=True) for message in messages_from_icalendar(item.raw)]
    return [_new_message(item)]


def _new_message(item: Item) -> NewMessage:
    message = message_from_mime(item.raw, default_time=item.received)
    message.properties.update(flag_properties(item.flags))
    if item.flags.draft:
        message.properties[tags.PidTagMessageFlags] = MESSAGE_FLAG_UNSENT
    return NewMessage(message, mime=item.raw, is_read=item.flags.read)


def flag_properties(flags: Flags) -> Properties:
    """What shows that a message was answered, forwarded or flagged (MS-OXOMSG 2.2.1.7, MS-OXOFLAG 2.2)."""
    properties: Properties = {}
    if flags.flagged:
        properties[tags.PidTagFlagStatus] = _FOLLOWUP_FLAGGED
        properties[tags.PidTagFollowupIcon] = _RED_FLAG
        properties[tags.PidTagToDoItemFlags] = _TIME_FLAGGED
        properties[FLAG_REQUEST] = "Follow up"
    if flags.replied:
        properties[tags.PidTagLastVerbExecuted] = _VERB_REPLY
        properties[tags.PidTagIconIndex] = _ICON_REPLIED
    elif flags.forwarded:
        properties[tags.PidTagLastVerbExecuted] = _VERB_FORWARD
        properties[tags.PidTagIconIndex] = _ICON_FORWARDED
    return properties
