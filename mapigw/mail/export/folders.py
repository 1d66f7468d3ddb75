"""Export of a mailbox into files: single messages, mbox files, Maildirs; folders become directories."""

import asyncio
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from mapigw.mail.export.addressing import legacy_dns
from mapigw.mail.export.names import Names
from mapigw.mail.export.originals import Original
from mapigw.mail.export.outgoing import Resolver
from mapigw.mail.export.reader import PropertyReader, with_names
from mapigw.mail.export.targets import TARGETS, Format, Source, State, Target
from mapigw.mail.importer import FolderPathError
from mapigw.mailbox.content import decode_message
from mapigw.mailbox.mailboxes import Mailbox
from mapigw.mailbox.messages import MESSAGE_FLAG_UNSENT
from mapigw.store.blobs import FolderBlobStore, MissingBlobError
from mapigw.store.folders import Folder
from mapigw.store.mailboxes import SEARCH_FOLDER
from mapigw.store.messages import MessageRow, MimeRow, select_mime
from mapigw.wire import tags
from mapigw.wire.errors import WireError
from mapigw.wire.message import Message
from mapigw.wire.properties import PropertyName, from_filetime

BATCH: Final = 50
_FLAGGED: Final = 2  # PidTagFlagStatus
_REPLIED: Final = frozenset({102, 103})  # PidTagLastVerbExecuted: to the sender, to all
_FORWARDED: Final = 104
_DAMAGED: Final = (WireError, struct.error, MissingBlobError)


@dataclass(slots=True)
class ExportSummary:
    exported: int = 0
    size: int = 0
    failures: list[str] = field(default_factory=list)
    """What could not be read, and why."""


class Exporter:
    """One export. ``advanced`` is called on the event loop with a number of messages."""

    def __init__(
        self,
        mailbox: Mailbox,
        directory: Path,
        form: Format,
        *,
        resolve: Resolver | None = None,
        advanced: Callable[[int], None] = lambda messages: None,
    ) -> None:
        self._mailbox = mailbox
        self._blobs: FolderBlobStore = mailbox.database.blobs
        self._directory = directory
        self._form = form
        self._resolve = resolve
        self._advanced = advanced
        self._summary = ExportSummary()
        self._smtp: dict[str, str] = {}
        self._known: set[str] = set()

    async def run(self, folder: Folder) -> ExportSummary:
        """Export what is in and below a folder, itself included unless it is the root of the user's folders.

        Raises OSError when the files cannot be written.
        """
        folders = await self._mailbox.folders()
        children: dict[int, list[Folder]] = {}
        for child in folders:
            if child.folder_type != SEARCH_FOLDER:
                children.setdefault(child.parent_id, []).append(child)
        subtree = await self._mailbox.special_folder("ipm_subtree")
        await asyncio.to_thread(self._directory.mkdir, parents=True, exist_ok=True)
        if folder.folder_id == subtree.folder_id:
            await self._children(folder, children, self._directory)
        else:
            await self._folder(folder, children, self._directory, Names())
        return self._summary

    async def _children(self, folder: Folder, children: dict[int, list[Folder]], directory: Path) -> None:
        names = Names()
        for child in sorted(children.get(folder.folder_id, ()), key=lambda child: child.folder_id):
            await self._folder(child, children, directory, names)

    async def _folder(self, folder: Folder, children: dict[int, list[Folder]], directory: Path, names: Names) -> None:
        name = names.take(folder.name, maildir=self._form is Format.MAILDIR)
        place = directory / name
        target = TARGETS[self._form](place)
        ids = await self._mailbox.message_ids(folder.folder_id, associated=False)
        await asyncio.to_thread(target.open)
        try:
            for start in range(0, len(ids), BATCH):
                await self._batch(folder, ids[start : start + BATCH], target)
        finally:
            await asyncio.to_thread(target.close)
        await self._children(folder, children, place)

    async def _batch(self, folder: Folder, ids: Sequence[int], target: Target) -> None:
        rows = await self._mailbox.messages(folder.folder_id, ids)
        async with self._mailbox.database.read() as connection:
            originals = await select_mime(connection, self._mailbox.mailbox_id, list(rows))
        names = await self._mailbox.property_names()
        found = await asyncio.to_thread(
            lambda: [self._load(folder, row, originals.get(row.message_id), names) for row in rows.values()]
        )
        loaded = [entry for entry in found if entry is not None]
        await self._learn([source.message for _row, source in loaded if source.original is None])
        await asyncio.to_thread(self._write_all, folder, loaded, target)
        self._advanced(len(ids))

    def _load(
        self, folder: Folder, row: MessageRow, mime: MimeRow | None, names: Mapping[int, PropertyName]
    ) -> tuple[MessageRow, Source] | None:
        try:
            message = with_names(decode_message(row), names)
        except _DAMAGED as error:
            self._fail(folder, row, error)
            return None
        original = Original(mime, self._blobs) if mime is not None else None
        unsent = bool(row.message_flags & MESSAGE_FLAG_UNSENT)
        return row, Source(row.message_id, message, original, self._smtp, self._blobs, unsent)

    async def _learn(self, found: list[Message]) -> None:
        """Look up the legacy DNs in the messages that have not been looked up yet."""
        if self._resolve is None or not found:
            return
        dns = await asyncio.to_thread(lambda: {dn for item in found for dn in legacy_dns(item, self._blobs)})
        for dn in dns - self._known:
            self._known.add(dn)
            if (address := await self._resolve(dn)) is not None:
                self._smtp[dn] = address

    def _fail(self, folder: Folder, row: MessageRow, error: Exception) -> None:
        self._summary.failures.append(f"{folder.name}, message {row.message_id}: {type(error).__name__}: {error}")

    def _write_all(self, folder: Folder, loaded: Sequence[tuple[MessageRow, Source]], target: Target) -> None:
        for row, source in loaded:
            self._write(folder, row, source, target)

    def _write(self, folder: Folder, row: MessageRow, source: Source, target: Target) -> None:
        reader = PropertyReader(source.message.properties, self._blobs)
        moment = from_filetime(row.sort_time) if 0 < row.sort_time < _LAST else datetime.now(UTC)
        try:
            size = target.add(source, reader, state_of(row, reader), moment)
        except _DAMAGED as error:
            self._fail(folder, row, error)
            return
        self._summary.exported += 1
        self._summary.size += size


_LAST: Final = 1 << 60


def state_of(row: MessageRow, reader: PropertyReader) -> State:
    verb = reader.integer(tags.PidTagLastVerbExecuted)
    return State(
        read=row.is_read,
        flagged=reader.integer(tags.PidTagFlagStatus) == _FLAGGED,
        replied=verb in _REPLIED,
        forwarded=verb == _FORWARDED,
        draft=bool(row.message_flags & MESSAGE_FLAG_UNSENT),
    )


async def find_folder(mailbox: Mailbox, path: str | None) -> Folder:
    """The folder of a path with "/" between names, in any case; None: all of the user's folders.

    Raises `FolderPathError` when there is none.
    """
    folder = await mailbox.special_folder("ipm_subtree")
    for name in (path or "").split("/"):
        if name := name.strip():
            child = await mailbox.child_by_name(folder.folder_id, name)
            if child is None:
                raise FolderPathError(f"there is no folder {path}")
            folder = child
    return folder


def exported_folders(folders: Sequence[Folder], root: Folder) -> Iterator[Folder]:
    """The folders that an export of ``root`` goes through."""
    children: dict[int, list[Folder]] = {}
    for folder in folders:
        children.setdefault(folder.parent_id, []).append(folder)
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        if folder.folder_type != SEARCH_FOLDER:
            yield folder
            waiting += children.get(folder.folder_id, ())
