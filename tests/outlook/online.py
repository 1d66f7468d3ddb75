"""Outlook in online mode: every view is a table, every item is opened, changed and saved on the server."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from tests.outlook import online_rops, rops
from tests.outlook.autodiscover import Account, discover
from tests.outlook.emsmdb import RopFailedError, Session
from tests.outlook.http import MapiHttp, Web
from tests.outlook.nspi import AddressBook
from tests.outlook.online_rops import Recipient
from tests.outlook.reader import Properties, PropertyError
from tests.outlook.rops import NO_HANDLE, Rop

MID: Final = 0x674A0014
FOLDER_ID: Final = 0x67480014
SUBJECT: Final = 0x0037001F
MESSAGE_CLASS: Final = 0x001A001F
IMPORTANCE: Final = 0x00170003
DELIVERY_TIME: Final = 0x0E060040
SIZE: Final = 0x0E080003
FLAGS: Final = 0x0E070003
HAS_ATTACHMENTS: Final = 0x0E1B000B
DISPLAY_TO: Final = 0x0E04001F
BODY: Final = 0x1000001F
HTML: Final = 0x10130102
RTF: Final = 0x10090102
NATIVE_BODY: Final = 0x10160003
FOLDER_NAME: Final = 0x3001001F
CONTENT_COUNT: Final = 0x36020003
UNREAD_COUNT: Final = 0x36030003
ATTACH_NUMBER: Final = 0x0E210003
ATTACH_DATA: Final = 0x37010102
ATTACH_NAME: Final = 0x3707001F
ATTACH_METHOD: Final = 0x37050003

STREAM_PART: Final = 0x7000
ROWS: Final = 50
SOFT_DELETES: Final = 0x20


@dataclass(frozen=True, slots=True)
class Item:
    """A message as it is written, and as it is read again."""

    subject: str
    body: str = ""
    importance: int = 1
    recipients: tuple[Recipient, ...] = ()
    attachments: tuple[tuple[str, bytes], ...] = ()


@dataclass
class Online:
    """A user's session on one mailbox, the user's own unless ``mailbox_dn`` names another."""

    web: Web
    mailbox_dn: str = ""
    account: Account | None = None
    logon_data: rops.Logon | None = None
    _columns: list[int] = field(default_factory=list)
    """Recipient columns of the message that was opened last."""

    def start(self) -> Online:
        """Autodiscover, Connect, RopLogon."""
        self.account = discover(self.web)
        self.session = Session(MapiHttp(self.web, self.account.mail_store_url))
        self.session.challenge(self.account.legacy_dn)
        self.session.connect(self.account.legacy_dn)
        executed = self.session.run([rops.logon(0, self.mailbox_dn or self.account.legacy_dn)], [NO_HANDLE])
        self.logon_data = executed.results[0]
        self.logon = executed.handles[0]
        return self

    def stop(self) -> None:
        self.session.disconnect()

    def special(self, name: str) -> int:
        assert self.logon_data is not None
        return self.logon_data.folder_ids[rops.FOLDER_NAMES.index(name)]

    def entry_id(self, address: str) -> bytes:
        """The permanent entry id of somebody in the address book."""
        assert self.account is not None
        book = AddressBook(MapiHttp(self.web, self.account.address_book_url))
        book.challenge()
        book.bind()
        try:
            _ids, (row,) = book.resolve_names([address], [0x0FFF0102])
            entry_id = row[0x0FFF0102]
            assert isinstance(entry_id, bytes)
            return entry_id
        finally:
            book.unbind()

    # Handles

    @contextmanager
    def opened(self, rop: Rop, *inputs: int) -> Iterator[int]:
        """The handle that ``rop`` puts in the slot behind those of ``inputs``, released at the end."""
        handle = self.session.open(rop, [*inputs, NO_HANDLE])
        try:
            yield handle
        finally:
            self.session.execute([rops.release(0)], [handle])

    def call(self, rop: Rop, *handles: int) -> Any:
        return self.session.call(rop, list(handles))

    def folder(self, folder_id: int) -> AbstractContextManager[int]:
        return self.opened(rops.open_folder(0, 1, folder_id), self.logon)

    @contextmanager
    def message(self, folder_id: int, message_id: int, *, mode: int = 0x03) -> Iterator[int]:
        rop = online_rops.open_message(0, 1, folder_id, message_id, mode=mode)
        executed = self.session.run([rop], [self.logon, NO_HANDLE])
        self._columns = executed.results[0]
        try:
            yield executed.handles[1]
        finally:
            self.session.execute([rops.release(1)], executed.handles)

    # Folders

    def create_folder(self, parent: int, name: str, *, search: bool = False) -> int:
        with self.folder(parent) as handle:
            rop = online_rops.create_folder(0, 1, name, search=search)
            executed = self.session.run([rop], [handle, NO_HANDLE])
            self.session.execute([rops.release(1)], executed.handles)
            folder_id: int = executed.results[0]
            return folder_id

    def subfolders(self, parent: int) -> dict[str, int]:
        """Names and ids of the folders in a folder."""
        with self.folder(parent) as handle, self.opened(rops.get_hierarchy_table(0, 1, 0), handle) as table:
            rows = self._all_rows(table, (FOLDER_NAME, FOLDER_ID))
            return {row[FOLDER_NAME]: shown(row, FOLDER_ID) for row in rows}

    def folder_properties(self, folder_id: int, *tags: int) -> list[Any]:
        with self.folder(folder_id) as handle:
            values = self.call(rops.get_properties_specific(0, tags), handle)
            return [shown(values, tag) for tag in tags]

    # Tables

    def _all_rows(self, table: int, tags: Sequence[int]) -> list[Properties]:
        self.call(rops.set_columns(0, tags), table)
        found: list[Properties] = []
        while rows := self.call(rops.query_rows(0, tags, ROWS), table):
            found += rows
        return found

    def rows(
        self,
        folder_id: int,
        *tags: int,
        flags: int = 0,
        sort: Sequence[tuple[int, bool]] = (),
        restriction: bytes = b"",
    ) -> list[list[Any]]:
        """The contents table of a folder; None for what a row does not have."""
        with self.folder(folder_id) as handle, self.opened(rops.get_contents_table(0, 1, flags), handle) as table:
            self.call(rops.set_columns(0, tags), table)
            if sort:
                self.call(online_rops.sort_table(0, sort), table)
            if restriction:
                self.call(online_rops.restrict(0, restriction), table)
            rows = self._all_rows(table, tags)
            _position, count = self.call(online_rops.query_position(0), table)
            assert count == len(rows)
            return [[shown(row, tag) for tag in tags] for row in rows]

    def ids(self, folder_id: int, **options: Any) -> dict[str, int]:
        """Message ids by subject; for folders whose subjects are unique."""
        rows = self.rows(folder_id, SUBJECT, MID, **options)
        found = dict(rows)
        assert len(found) == len(rows)
        return found

    # Messages

    def create(self, folder_id: int, item: Item) -> int:
        """As Outlook saves a draft: properties, body by stream, recipients, attachments, save."""
        with self.opened(online_rops.create_message(0, 1, folder_id), self.logon) as message:
            values: Properties = {MESSAGE_CLASS: "IPM.Note", SUBJECT: item.subject, IMPORTANCE: item.importance}
            assert not self.call(online_rops.set_values(0, values), message)
            if item.body:
                self.write_stream(message, BODY, item.body.encode("utf-16-le"))
            if item.recipients:
                self.call(online_rops.modify_recipients(0, item.recipients), message)
            for name, data in item.attachments:
                self.attach(message, name, data)
            return self.save(message)

    def save(self, message: int) -> int:
        """RopSaveChangesMessage; the message's id."""
        message_id: int = self.session.run([online_rops.save_changes_message(1, 0)], [self.logon, message]).results[0]
        return message_id

    def attach(self, message: int, name: str, data: bytes) -> None:
        with self.opened(online_rops.create_attachment(0, 1), message) as attachment:
            values: Properties = {ATTACH_METHOD: 1, ATTACH_NAME: name, 0x370B0003: -1}
            assert not self.call(online_rops.set_values(0, values), attachment)
            self.write_stream(attachment, ATTACH_DATA, data)
            self.session.run([online_rops.save_changes_attachment(1, 0)], [message, attachment])

    def write_stream(self, target: int, tag: int, data: bytes) -> None:
        with self.opened(online_rops.open_stream(0, 1, tag, mode=2), target) as stream:
            for start in range(0, len(data), STREAM_PART):
                part = data[start : start + STREAM_PART]
                assert self.call(online_rops.write_stream(0, part), stream) == len(part)
            self.call(online_rops.commit_stream(0), stream)

    def read_stream(self, target: int, tag: int) -> bytes:
        """All of a property; b"" when it is not there."""
        try:
            executed = self.session.run([online_rops.open_stream(0, 1, tag, mode=0)], [target, NO_HANDLE])
        except RopFailedError as error:
            if error.code != 0x8004010F:
                raise
            return b""
        size, stream = executed.results[0], executed.handles[1]
        parts = []
        while part := self.call(rops.read_stream(0, STREAM_PART), stream):
            parts.append(part)
        self.session.execute([rops.release(0)], [stream])
        data = b"".join(parts)
        assert len(data) == size
        return data

    def read(self, folder_id: int, message_id: int) -> Item:
        """All of a message that `Item` has."""
        with self.message(folder_id, message_id, mode=0) as message:
            values = self.call(rops.get_properties_specific(0, (SUBJECT, IMPORTANCE)), message)
            found = tuple(self.recipients(message))
            body = self.read_stream(message, BODY).decode("utf-16-le")
            attachments = tuple(self.attachments(message))
            return Item(values[SUBJECT], body, values[IMPORTANCE], found, attachments)

    def recipients(self, message: int) -> list[Recipient]:
        try:
            found = self.call(online_rops.read_recipients(0, self._columns), message)
        except RopFailedError as error:
            if error.code != 0x8004010F:  # no recipient from this RowId on
                raise
            return []
        assert isinstance(found, list)
        return found

    def attachments(self, message: int) -> Iterator[tuple[str, bytes]]:
        with self.opened(online_rops.get_attachment_table(0, 1), message) as table:
            rows = self._all_rows(table, (ATTACH_NUMBER, ATTACH_NAME))
        for row in rows:
            with self.opened(rops.open_attachment(0, 1, row[ATTACH_NUMBER]), message) as attachment:
                yield row[ATTACH_NAME], self.read_stream(attachment, ATTACH_DATA)

    def change(self, folder_id: int, message_id: int, values: Properties) -> None:
        with self.message(folder_id, message_id) as message:
            assert not self.call(online_rops.set_values(0, values), message)
            assert self.save(message) == message_id

    def values(self, folder_id: int, message_id: int, *tags: int) -> list[Any]:
        with self.message(folder_id, message_id, mode=0) as message:
            found = self.call(rops.get_properties_specific(0, tags), message)
            return [shown(found, tag) for tag in tags]

    def move(self, source: int, destination: int, message_ids: Sequence[int], *, copy: bool = False) -> None:
        with self.folder(source) as from_folder, self.folder(destination) as to_folder:
            rop = online_rops.move_copy_messages(0, 1, message_ids, copy=copy)
            assert self.call(rop, from_folder, to_folder) is False

    def delete(self, folder_id: int, message_ids: Sequence[int], *, hard: bool = False) -> None:
        with self.folder(folder_id) as handle:
            assert self.call(online_rops.delete_messages(0, message_ids, hard=hard), handle) is False


def shown(values: Properties, tag: int) -> Any:
    """A cell: None for what is absent; ids are unsigned."""
    value = values.get(tag)
    if isinstance(value, PropertyError):
        return None
    return value & 0xFFFFFFFFFFFFFFFF if tag in (MID, FOLDER_ID) and value is not None else value


def error_of(function: Any, *arguments: Any, **options: Any) -> int:
    """The ReturnValue of the ROP that fails."""
    try:
        function(*arguments, **options)
    except RopFailedError as error:
        return error.code
    raise AssertionError("every ROP succeeded")


def rule_actions(*actions: bytes) -> bytes:
    """RuleAction (MS-OXORULE 2.2.5) of standard rules."""
    return struct.pack("<H", len(actions)) + b"".join(struct.pack("<H", len(item)) + item for item in actions)


MARK_AS_READ: Final = struct.pack("<BII", 0x0B, 0, 0)
DELETE: Final = struct.pack("<BII", 0x0A, 0, 0)
