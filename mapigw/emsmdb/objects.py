"""Server objects: what a handle of a session stands for (MS-OXCROPS 1.3.1).

Each handler module subclasses `ServerObject` for its own kind (folder, message, attachment, table, stream, …).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

from mapigw.emsmdb.errors import RopError
from mapigw.mailbox.folder_properties import (
    IDENTIFICATION_IDS,
    OWN_REPLICA,
    FolderWriteError,
    folder_reader,
    write_folder_properties,
)
from mapigw.mailbox.permissions import Accessor, Rights, effective_rights
from mapigw.store.folders import Folder as FolderRow
from mapigw.wire import tags
from mapigw.wire.codes import ErrorCode
from mapigw.wire.entryids import address_book_entry_id, serialized_replid_guid_map

if TYPE_CHECKING:
    from mapigw.directory.model import User
    from mapigw.emsmdb.session import Session
    from mapigw.mailbox.mailboxes import Mailbox


MAXIMUM_SUBMIT_KILOBYTES: Final = 153_600
RESOURCE_FLAGS: Final = 0  # a primary mailbox of a user, not a resource

READ_ONLY_STORE_PROPERTIES: Final = frozenset(
    tag >> 16
    for tag in (
        tags.PidTagSerializedReplidGuidMap,
        tags.PidTagUserEntryId,
        tags.PidTagMailboxOwnerEntryId,
        tags.PidTagMailboxOwnerName,
        tags.PidTagStoreRecordKey,
        tags.PidTagRecordKey,
        tags.PidTagMaximumSubmitMessageSize,
        tags.PidTagContentCount,
        tags.PidTagMessageSize,
        tags.PidTagMessageSizeExtended,
        tags.PidTagCodePageId,
        tags.PidTagIpmSubtreeEntryId,
        tags.PidTagResourceFlags,
        tags.PidTagExtendedRuleSizeLimit,
        tags.PidTagProhibitReceiveQuota,
        tags.PidTagProhibitSendQuota,
        tags.PidTagStoreState,
    )
)
"""Property ids (MS-OXCSTOR 2.2.2.1.1)."""


class ServerObject:
    """Anything that has a handle. ``logon`` is the logon that it was opened under."""

    logon: Logon

    def __init__(self, logon: Logon) -> None:
        self.logon = logon

    async def close(self) -> None:
        """Let go of what the object holds. Called once: on RopRelease, with its logon, or at the session's end."""


class PropertyObject(ServerObject):
    """An object with properties: a logon, a folder, a message or an attachment (MS-OXCPRPT 1.3)."""

    @property
    def code_page(self) -> int:
        """The code page of its 8-bit strings (MS-OXCPRPT 3.2.5.1): the logon's, unless it was opened with another."""
        return self.logon.session.parameters.default_code_page

    async def properties(self) -> Mapping[int, Any]:
        """Every property, by tag; large values as `BlobValue`."""
        raise NotImplementedError

    async def set_properties(self, values: Mapping[int, Any]) -> list[tuple[int, ErrorCode]]:
        """Set properties; returns the tags that could not be set, with why. `RopError` where none can be."""
        raise RopError(ErrorCode.NotImplemented)

    async def delete_properties(self, columns: Collection[int]) -> list[tuple[int, ErrorCode]]:
        """Remove properties, found by id; returns those that could not be, with why. What is absent is no problem."""
        raise RopError(ErrorCode.NotImplemented)


class Logon(PropertyObject):
    """A logon to one private mailbox (MS-OXCSTOR 1.3.1): the root of every object opened under its LogonId.

    ``owner`` is the user whose mailbox it is, who need not be the session's user.
    """

    def __init__(self, session: Session, logon_id: int, mailbox: Mailbox, owner: User, accessor: Accessor) -> None:
        super().__init__(self)
        self.session = session
        self.logon_id = logon_id
        self.mailbox = mailbox
        self.owner = owner
        self.accessor = accessor

    async def rights(self, folder_id: int) -> Rights:
        """What the session's user may do with a folder of this mailbox."""
        return await effective_rights(self.mailbox, self.accessor, folder_id)

    async def properties(self) -> Mapping[int, Any]:
        """MS-OXCSTOR 2.2.2.1: what clients set, what leads to the special folders, and what the mailbox is.

        Like Exchange it has no server type name, icons or store state: with a name the status bar of Outlook reads
        "Connected to" that name.
        """
        mailbox = self.mailbox
        reader = await folder_reader(mailbox)
        rows = reader.rows
        size = sum(row.content_size + row.associated_size for row in rows)
        subtree = next(row for row in rows if row.special == "ipm_subtree")
        parameters = self.session.parameters
        return {
            tags.PidTagOutOfOfficeState: False,
            tags.PidTagLocaleId: parameters.lcid_string,
            tags.PidTagSortLocaleId: parameters.lcid_sort,
            **await mailbox.store_properties(),
            **reader.identification(),
            tags.PidTagSerializedReplidGuidMap: serialized_replid_guid_map({OWN_REPLICA: mailbox.replica_guid}),
            tags.PidTagUserEntryId: address_book_entry_id(self.session.user.legacy_dn),
            tags.PidTagMailboxOwnerEntryId: address_book_entry_id(self.owner.legacy_dn),
            tags.PidTagMailboxOwnerName: self.owner.display_name,
            tags.PidTagStoreRecordKey: mailbox.guid.bytes_le,
            tags.PidTagRecordKey: mailbox.guid.bytes_le,
            tags.PidTagIpmSubtreeEntryId: reader.entry_id(subtree.folder_id),
            tags.PidTagResourceFlags: RESOURCE_FLAGS,
            tags.PidTagMaximumSubmitMessageSize: MAXIMUM_SUBMIT_KILOBYTES,
            tags.PidTagContentCount: sum(row.content_count for row in rows),
            tags.PidTagMessageSize: min(size, 0x7FFFFFFF),
            tags.PidTagMessageSizeExtended: size,
            tags.PidTagCodePageId: parameters.default_code_page,
        }

    async def set_properties(self, values: Mapping[int, Any]) -> list[tuple[int, ErrorCode]]:
        """What leads to the special folders is the Inbox's, wherever it is written."""
        problems = [(tag, ErrorCode.ComputedValue) for tag in values if tag >> 16 in READ_ONLY_STORE_PROPERTIES]
        leading = {tag: value for tag, value in values.items() if tag >> 16 in IDENTIFICATION_IDS}
        if leading:
            inbox = Folder(self, (await self.mailbox.special_folder("inbox")).folder_id)
            problems += await inbox.set_properties(leading)
        own = {
            tag: value
            for tag, value in values.items()
            if tag not in leading and tag >> 16 not in READ_ONLY_STORE_PROPERTIES
        }
        if own:
            await self.mailbox.set_store_properties(own)
        return problems


class Folder(PropertyObject):
    """An open folder (MS-OXCFOLD)."""

    def __init__(self, logon: Logon, folder_id: int) -> None:
        super().__init__(logon)
        self.folder_id = folder_id

    async def require(self, rights: Rights) -> None:
        """`RopError` AccessDenied unless the user has one of ``rights`` on the folder, or owns it."""
        if not await self.logon.rights(self.folder_id) & (rights | Rights.FolderOwner):
            raise RopError(ErrorCode.AccessDenied)

    async def row(self) -> FolderRow:
        """The folder as it is now. `RopError` ObjectDeleted when it is gone."""
        row = await self.logon.mailbox.folder(self.folder_id)
        if row is None:
            raise RopError(ErrorCode.ObjectDeleted)
        return row

    async def properties(self) -> Mapping[int, Any]:
        reader = await folder_reader(self.logon.mailbox)
        row = next((row for row in reader.rows if row.folder_id == self.folder_id), None)
        if row is None:
            raise RopError(ErrorCode.ObjectDeleted)
        values = reader.properties(row)
        if row.special == "calendar":
            # With it a calendar opened from another mailbox loads, then empties in Outlook (80040803-30141506).
            values.pop(tags.PidTagParentSourceKey, None)
        return values

    async def set_properties(self, values: Mapping[int, Any]) -> list[tuple[int, ErrorCode]]:
        problems = await write_folder_properties(self.logon.mailbox, await self.row(), values)
        return [(tag, _FOLDER_ERRORS[reason]) for tag, reason in problems]


_FOLDER_ERRORS: Final = {
    FolderWriteError.COMPUTED: ErrorCode.ComputedValue,
    FolderWriteError.DENIED: ErrorCode.AccessDenied,
    FolderWriteError.NAME_TAKEN: ErrorCode.CollidingNames,
    FolderWriteError.WRONG_TYPE: ErrorCode.UnexpectedType,
    FolderWriteError.EMPTY_NAME: ErrorCode.InvalidParameter,
}
